//! Changes from outside: another configuration, a worker out of service, the end.
//!
//! Each only writes down what is wanted and waits; the threads bring it about.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::shared::{DRAINING, STOPPED, Shared, Waiting};
use super::{Config, ControlError, Shutdown, WorkerId};

/// How long the tasks get to end once they were told to at the end of a shutdown. They
/// need one poll each; a thread that is blocked for longer cannot be waited for.
const TEAR_DOWN_MAX: Duration = Duration::from_millis(200);

impl<J, R> Shared<J, R> {
    pub(super) fn apply(&self, config: Config) -> Result<(), ControlError> {
        let (from, to) = (self.http_threads(), config.http_threads.max(1));
        if from != to {
            return Err(ControlError::HttpThreads { from, to });
        }
        self.desired.send_modify(|desired| {
            // A worker that goes takes its "drained" along: should it come back, it works.
            let n_workers = config.n_workers();
            desired.drained.retain(|id| (id.0 as usize) < n_workers);
            if desired.drained.len() == n_workers {
                desired.drained.clear();
            }
            desired.config = config;
        });
        Ok(())
    }

    pub(super) async fn drain(&self, worker: WorkerId, grace: Duration) -> Result<(), ControlError> {
        let mut res = Ok(());
        self.desired.send_if_modified(|desired| {
            let n_workers = desired.config.n_workers();
            if worker.0 as usize >= n_workers {
                res = Err(ControlError::NoSuchWorker(worker));
            } else if !desired.drained.contains(&worker) && desired.drained.len() + 1 >= n_workers {
                res = Err(ControlError::LastWorker(worker));
            }
            res.is_ok() && desired.drained.insert(worker)
        });
        res?;
        let is_gone = self.wait_until(grace, || self.n_live(worker) == 0).await;
        let live = self.live();
        let n_jobs = live.iter().filter(|live| live.id() == worker).map(|live| live.load()).sum();
        if is_gone { Ok(()) } else { Err(ControlError::StillBusy { worker, n_jobs, grace }) }
    }

    pub(super) fn enable(&self, worker: WorkerId) -> Result<(), ControlError> {
        if worker.0 as usize >= self.worker_count() {
            return Err(ControlError::NoSuchWorker(worker));
        }
        self.desired.send_if_modified(|desired| desired.drained.remove(&worker));
        Ok(())
    }

    pub(super) async fn shutdown(&self, grace: Duration) -> Shutdown {
        self.stage.store(DRAINING, Ordering::SeqCst);
        // Those who wait for a place learn that there will be none.
        self.freed.notify_waiters();
        self.wait_until(grace, || self.n_jobs() == 0).await;
        let cut = self.n_jobs();
        self.stage.store(STOPPED, Ordering::SeqCst);
        self.desired.send_modify(|desired| desired.stopped = true);
        self.wait_until(TEAR_DOWN_MAX, || self.live().is_empty()).await;
        if cut > 0 {
            warn!(cut, "{cut} jobs were cut because the grace period of {grace:?} ended");
        }
        Shutdown { cut }
    }

    /// Returns how many jobs are waiting or running.
    fn n_jobs(&self) -> usize {
        self.live().iter().map(|live| live.load()).sum()
    }

    /// Waits until `is_done`, which is asked whenever a job or a worker ended.
    async fn wait_until(&self, at_most: Duration, is_done: impl Fn() -> bool) -> bool {
        let _watching = Waiting::enter(&self.watching);
        let until = Instant::now() + at_most;
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            // Enabled before the question, so that an end in between is not missed.
            ended.as_mut().enable();
            if is_done() {
                return true;
            }
            if timeout_at(until, ended).await.is_err() {
                return is_done();
            }
        }
    }
}
