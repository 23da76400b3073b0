//! Changes from outside: another configuration, a worker out of service, the end.
//!
//! Each only writes down what is wanted and waits; the threads bring it about.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use super::shared::{DRAINING, STOPPED, Shared, Waiting};
use super::{Config, ControlError, Shutdown, WORKERS_MAX, WorkerId};

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
            let (before, n_workers) = (desired.config.n_workers(), config.n_workers());
            if before != n_workers {
                info!("{n_workers} workers are wanted, {before} were");
            }
            desired.drained.retain(|id| (id.0 as usize) < n_workers);
            desired.first_incarnation.retain(|id, _| (id.0 as usize) < n_workers);
            if desired.drained.len() == n_workers {
                desired.drained.clear();
            }
            desired.config = config;
        });
        // Who waits for something else hears that it will not come.
        self.ended.notify_waiters();
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

    pub(super) async fn enable(&self, worker: WorkerId, grace: Duration) -> Result<(), ControlError> {
        if worker.0 as usize >= self.worker_count() {
            return Err(ControlError::NoSuchWorker(worker));
        }
        self.desired.send_if_modified(|desired| desired.drained.remove(&worker));
        self.wait_until(grace, || self.is_open(worker)).await;
        self.started(worker, grace)
    }

    pub(super) async fn restart(&self, worker: WorkerId, grace: Duration) -> Result<(), ControlError> {
        let before = self.live().iter().filter(|live| live.id() == worker).map(|live| live.number).max();
        let before = before.unwrap_or(0);
        let mut res = Ok(());
        self.desired.send_if_modified(|desired| {
            if worker.0 as usize >= desired.config.n_workers() {
                res = Err(ControlError::NoSuchWorker(worker));
            } else if desired.drained.contains(&worker) {
                res = Err(ControlError::Drained(worker));
            } else {
                desired.first_incarnation.insert(worker, before + 1);
            }
            res.is_ok()
        });
        res?;
        let old = || {
            let live = self.live();
            live.into_iter().filter(move |live| live.id() == worker && live.number <= before)
        };
        self.wait_until(grace, || self.is_open(worker) && old().next().is_none()).await;
        self.started(worker, grace)?;
        if old().next().is_none() {
            return Ok(());
        }
        let n_jobs = old().map(|live| live.load()).sum();
        Err(ControlError::StillBusy { worker, n_jobs, grace })
    }

    pub(super) async fn scale(&self, n_workers: usize, grace: Duration) -> Result<(), ControlError> {
        if !(1..=WORKERS_MAX).contains(&n_workers) {
            return Err(ControlError::Count(n_workers));
        }
        let config = self.desired.borrow().config.clone();
        self.apply(Config { workers: Some(n_workers), ..config })?;
        let ids = || (0_u32..).take(n_workers).map(WorkerId);
        let is_missing = |id: &WorkerId| self.desired.borrow().wants(*id) && !self.is_open(*id);
        let surplus = || self.live().into_iter().filter(|live| live.id().0 as usize >= n_workers);
        // A reload, or somebody else, may ask for another number while this waits.
        let other = || Some(self.desired.borrow().config.n_workers()).filter(|n| *n != n_workers);
        let is_reached = || !ids().any(|id| is_missing(&id)) && surplus().next().is_none();
        self.wait_until(grace, || other().is_some() || is_reached()).await;
        if let Some(n_wanted) = other() {
            return Err(ControlError::Superseded { n_wanted });
        }
        if let Some(worker) = ids().find(is_missing) {
            return Err(ControlError::NotStarted { worker, grace });
        }
        match surplus().next() {
            None => Ok(()),
            Some(live) => Err(ControlError::StillBusy { worker: live.id(), n_jobs: live.load(), grace }),
        }
    }

    fn is_open(&self, worker: WorkerId) -> bool {
        self.live().iter().any(|live| live.id() == worker && live.is_open())
    }

    fn started(&self, worker: WorkerId, grace: Duration) -> Result<(), ControlError> {
        if self.is_open(worker) { Ok(()) } else { Err(ControlError::NotStarted { worker, grace }) }
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
