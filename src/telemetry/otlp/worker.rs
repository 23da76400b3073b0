//! A thread that exports one signal, and how one takes another's place.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use super::ExportError;
use super::control::{Control, Phase};
use super::health::Health;
use crate::telemetry::config::{Signal, Target};

/// A thread that exports one signal.
pub(super) struct Worker {
    pub(super) target: Target,
    pub(super) interval: Duration,
    pub(super) control: Arc<Control>,
    /// Closed by the thread when it ends.
    ended: Receiver<()>,
}

impl Worker {
    pub(super) fn has_ended(&self) -> bool {
        self.ended.try_recv() == Err(TryRecvError::Disconnected)
    }

    /// Returns true when the thread ended within the time.
    pub(super) fn ends_within(&self, longest: Duration) -> bool {
        self.ended.recv_timeout(longest) != Err(RecvTimeoutError::Timeout)
    }

    pub(super) fn is_up_with(&self, target: &Target, interval: Duration) -> bool {
        self.target == *target && self.interval == interval && !self.has_ended()
    }
}

/// A thread that is up and waits for the word.
pub(super) struct Starting {
    worker: Worker,
    go: Sender<()>,
}

impl Starting {
    /// Starts a thread that does nothing before it takes its place.
    pub(super) fn spawn(
        signal: Signal,
        (target, interval): (Target, Duration),
        control: Arc<Control>,
        job: Box<dyn FnOnce() + Send>,
    ) -> Result<Starting, ExportError> {
        // A thread does not inherit the subscriber of the one that starts it.
        let dispatch = tracing::dispatcher::get_default(tracing::Dispatch::clone);
        let (go, may_go) = channel::<()>();
        let (ending, ended) = channel::<()>();
        thread::Builder::new()
            .name(format!("otlp-{signal}"))
            .spawn(move || {
                // Closed without a word when another signal could not be started.
                if may_go.recv().is_ok() {
                    tracing::dispatcher::with_default(&dispatch, job);
                }
                drop(ending);
            })
            .map_err(|source| ExportError::Thread { signal, source })?;
        Ok(Starting { worker: Worker { target, interval, control, ended }, go })
    }
}

/// Puts a thread in the place of another, or nothing.
pub(super) fn replace(place: &mut Option<Worker>, starting: Option<Starting>, health: &Health) {
    if let Some(old) = place.take() {
        old.control.set(Phase::Retired);
    }
    health.forget();
    *place = starting.map(|Starting { worker, go }| {
        // The thread holds the other end until it hears this.
        let _ = go.send(());
        worker
    });
}
