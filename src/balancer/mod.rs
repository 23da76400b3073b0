//! The balancer: picks a worker for each job and keeps the workers alive.
//!
//! A worker is a supervised tokio task that lives on one of the http threads and drives
//! many jobs at once. A thread prefers its own workers (a hop to another thread costs
//! half as much again as the whole request) and spills to the others only when its own
//! hold more than their share.
//!
//! It promises: every job ends exactly once, as an answer or as a [`DispatchError`]; a
//! panic costs its own job and nothing else; a caller that goes away frees what its job
//! held; a stopped worker is never picked; and when everything is full a job is refused
//! within [`Config::wait_max`], not queued. Nothing here grows without a bound.
//!
//! It refuses to know what a job is: `app` hands in the handler, and neither pages nor
//! HTTP are named below.
//!
//! What would stop an http thread has no business in a worker: it is declared for one of the
//! [`Lanes`].
//!
//! Where to start reading: [`Local::dispatch`] for a job's way in, `worker` for its way
//! through, `thread` for who starts and stops workers, [`Lane::run`] for the other lanes.

mod control;
mod health;
mod incarnation;
mod instruments;
mod lane;
mod local;
mod retries;
mod shared;
mod thread;
mod worker;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use opentelemetry::metrics::Meter;

use crate::clock::{Clock, UnixNanos};
pub use lane::{Lane, LaneConfig, LaneError, LaneSnapshot, Lanes};
pub use local::Local;
use shared::Shared;

/// What a worker does with a job. It is called, and its future polled, on the worker's
/// thread, so the future need not be `Send`.
pub type Handler<J, R> = Arc<dyn Fn(J) -> LocalBoxFuture<'static, R> + Send + Sync>;

/// The number of a worker; it survives every replacement of the task behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u32);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a thread chooses among its own ready workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// The less loaded of two drawn at random: nearly as even as looking at all, and it
    /// never sends a burst to one worker.
    #[default]
    P2c,
    /// One after the other, whatever they hold.
    RoundRobin,
    /// The least loaded of all.
    LeastLoaded,
}

/// More workers than this bring nothing on one machine and make `/admin` unreadable.
pub const WORKERS_MAX: usize = 256;

/// A mailbox is laid out for this many jobs at most when its worker starts; past it, memory
/// would go for places that nothing fills.
pub const IN_FLIGHT_LIMIT: usize = 16_384;

/// What the balancer can be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// How many workers; `None` stands for twice the http threads and at least 3. Never
    /// fewer than 1 nor more than [`WORKERS_MAX`].
    pub workers: Option<usize>,
    /// How many http threads will join; `app` copies it from `http`, it is no key of its
    /// own and cannot change at run time.
    pub http_threads: usize,
    /// How a thread chooses among its own workers.
    pub selection: Selection,
    /// Jobs that one worker holds at once, in its mailbox or begun; past it the worker is
    /// not picked. A mailbox is only a passage, as its worker begins all that is in it:
    /// what cannot be begun waits in one line for all workers, not behind one of them. At
    /// least 1 and at most [`IN_FLIGHT_LIMIT`].
    pub in_flight_max: usize,
    /// The share: from this load on a worker's jobs may spill to another thread.
    pub spill_at: usize,
    /// How long a job waits for a free worker when all are full.
    pub wait_max: Duration,
    /// How long a job may run before it is dropped.
    pub deadline: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            workers: None,
            http_threads: std::thread::available_parallelism().map_or(1, usize::from),
            selection: Selection::P2c,
            // A page is answered in its first poll, so hundreds in flight means that
            // something waits; four workers hold 2,048 of them, a few megabytes.
            in_flight_max: 512,
            // Below this a hop to another thread costs more than the wait it saves.
            spill_at: 96,
            // Long enough for a burst to pass, too short for a visitor to notice.
            wait_max: Duration::from_millis(100),
            // Within the 10 s that a stop grants requests in flight.
            deadline: Duration::from_secs(10),
        }
    }
}

impl Config {
    /// Returns how many workers this asks for.
    pub fn n_workers(&self) -> usize {
        self.workers.unwrap_or((2 * self.http_threads).max(3)).clamp(1, WORKERS_MAX)
    }
}

/// Why a job has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DispatchError {
    /// Every worker stayed full for the whole wait; the job was never started.
    #[error("every worker is full, retry after {retry_after:?}")]
    Overloaded {
        /// When to try again.
        retry_after: Duration,
    },
    /// The balancer shuts down; the job was never started, or was cut at the end of the grace.
    #[error("the balancer is shutting down")]
    Draining,
    /// The worker's task ended with the job begun; whether it did anything is unknown. One
    /// that was not begun goes to another worker instead.
    #[error("worker {worker} was lost with the job")]
    WorkerLost {
        /// The worker that had the job.
        worker: WorkerId,
    },
    /// The job panicked.
    #[error("the job panicked on worker {worker}: {message}")]
    Panicked {
        /// The worker that had the job.
        worker: WorkerId,
        /// What the panic said.
        message: String,
    },
    /// The job ran past its deadline and was dropped.
    #[error("the job on worker {worker} was dropped after {after:?}")]
    Deadline {
        /// The worker that had the job.
        worker: WorkerId,
        /// The deadline.
        after: Duration,
    },
}

/// Why a configuration cannot be applied at run time, or a worker cannot be controlled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The http threads are fixed when the server starts.
    #[error("the number of http threads changed from {from} to {to}, which needs a restart")]
    HttpThreads {
        /// As it is.
        from: usize,
        /// As it was asked for.
        to: usize,
    },
    /// There is no worker of this number.
    #[error("there is no worker {0}")]
    NoSuchWorker(WorkerId),
    /// The last worker that takes jobs cannot be drained.
    #[error("worker {0} is the last one that takes jobs")]
    LastWorker(WorkerId),
    /// A drained worker cannot be restarted; enabling it starts it.
    #[error("worker {0} is drained: enable it")]
    Drained(WorkerId),
    /// So many workers there cannot be.
    #[error("{0} workers were asked for, 1 to {WORKERS_MAX} are possible")]
    Count(usize),
    /// Another number was asked for while the first was being reached.
    #[error("{n_wanted} workers were asked for meanwhile, by a reload or another command")]
    Superseded {
        /// The number that is being reached now.
        n_wanted: usize,
    },
    /// The worker has not begun to take jobs: its http thread is blocked or has not joined.
    /// It will as soon as that goes on.
    #[error("worker {worker} had not started after {grace:?}, its http thread does not answer")]
    NotStarted {
        /// The worker.
        worker: WorkerId,
        /// The time it was given.
        grace: Duration,
    },
    /// The worker, or an earlier incarnation of it, still held jobs when the grace ended; it
    /// takes no more and ends with them.
    #[error("worker {worker} still held {n_jobs} jobs after {grace:?}")]
    StillBusy {
        /// The worker.
        worker: WorkerId,
        /// What it still held.
        n_jobs: usize,
        /// The time it was given.
        grace: Duration,
    },
}

/// What a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerState {
    /// Takes jobs.
    Ready,
    /// Panicked too often; takes no jobs for a while.
    Ejected,
    /// Its time out is over: one job decides whether it comes back.
    HalfOpen,
    /// Takes no jobs and finishes those it holds.
    Draining,
    /// No task stands behind the number: drained, or its thread has not joined.
    Stopped,
}

impl WorkerState {
    /// Returns the state's word.
    pub fn as_str(self) -> &'static str {
        match self {
            WorkerState::Ready => "ready",
            WorkerState::Ejected => "ejected",
            WorkerState::HalfOpen => "half_open",
            WorkerState::Draining => "draining",
            WorkerState::Stopped => "stopped",
        }
    }
}

/// One worker as it is at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerSnapshot {
    /// Its number.
    pub id: WorkerId,
    /// How often the number was filled; 0 before the first time.
    pub incarnation: u64,
    /// What it is doing.
    pub state: WorkerState,
    /// The http thread it lives on.
    pub http_thread: usize,
    /// Jobs it drives now, those of earlier incarnations included.
    pub in_flight: usize,
    /// Jobs in its mailbox; more than a few mean that its thread is blocked.
    pub queue_depth: usize,
    /// Jobs it answered.
    pub done: u64,
    /// Jobs that panicked.
    pub panics: u64,
    /// Jobs dropped at their deadline.
    pub deadlines: u64,
    /// Jobs whose caller went away.
    pub cancelled: u64,
    /// When and why it panicked last.
    pub last_panic: Option<LastPanic>,
}

/// When and why a worker panicked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastPanic {
    /// When.
    pub at: UnixNanos,
    /// What the panic said, cut to a line's length.
    pub message: String,
}

/// How a shutdown went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// Jobs that were in flight when the grace ended and got no answer.
    pub cut: usize,
}

/// The handle that `app` and `/admin` hold; cheap to clone.
pub struct Balancer<J, R>(Arc<Shared<J, R>>);

impl<J, R> Clone for Balancer<J, R> {
    fn clone(&self) -> Self {
        Balancer(self.0.clone())
    }
}

impl<J: Send + 'static, R: Send + 'static> Balancer<J, R> {
    /// Creates a balancer without workers: they come to life as the http threads join.
    ///
    /// Call it once per `meter`; the instruments observe as long as a clone lives.
    pub fn new(config: Config, handler: Handler<J, R>, clock: Clock, meter: &Meter) -> Self {
        let shared = Arc::new(Shared::new(config, handler, clock));
        instruments::register(&shared, meter);
        Balancer(shared)
    }

    /// Joins the current thread and starts its share of the workers: worker `i` lives on
    /// thread `i` modulo [`Config::http_threads`].
    ///
    /// Must be called inside a tokio `LocalSet`. Calling it again on the same thread
    /// returns the same workers; a thread that comes in place of a dead one gets the dead
    /// one's. A thread beyond the configured number has none and uses the others'.
    pub fn join_thread(&self) -> Local<J, R> {
        thread::join(&self.0)
    }

    /// Gives a job to the least loaded worker of all, from any thread; for what is rare, as
    /// each answer comes from another thread. Does not wait for a place.
    pub async fn dispatch(&self, job: J) -> Result<(WorkerId, R), DispatchError> {
        local::dispatch_anywhere(&self.0, job).await
    }

    /// Takes a new configuration: the number of workers and their bounds change without
    /// losing a job, as workers are replaced and the old ones finish what they hold.
    pub fn apply(&self, config: Config) -> Result<(), ControlError> {
        self.0.apply(config)
    }

    /// Takes a worker out of service and waits at most `grace` for it to finish its jobs.
    ///
    /// It stays out until [`Balancer::enable`], also when the grace was too short. Refuses
    /// the last worker that takes jobs.
    pub async fn drain(&self, worker: WorkerId, grace: Duration) -> Result<(), ControlError> {
        self.0.drain(worker, grace).await
    }

    /// Puts a drained worker back into service and waits at most `grace` until it is.
    pub async fn enable(&self, worker: WorkerId, grace: Duration) -> Result<(), ControlError> {
        self.0.enable(worker, grace).await
    }

    /// Puts a new incarnation in the place of a worker's and waits at most `grace` for the
    /// old one to finish its jobs. There is a worker at every moment.
    pub async fn restart(&self, worker: WorkerId, grace: Duration) -> Result<(), ControlError> {
        self.0.restart(worker, grace).await
    }

    /// Changes the number of workers until the next [`Balancer::apply`], and waits at most
    /// `grace` until those that come are there and those that go have finished.
    pub async fn scale(&self, n_workers: usize, grace: Duration) -> Result<(), ControlError> {
        self.0.scale(n_workers, grace).await
    }

    /// Returns every worker as it is now, by number.
    pub fn snapshot(&self) -> Vec<WorkerSnapshot> {
        self.0.snapshot()
    }

    /// Returns how many workers take jobs; none once the shutdown began.
    pub fn ready_count(&self) -> usize {
        self.0.ready_count()
    }

    /// Returns how many workers there should be.
    pub fn worker_count(&self) -> usize {
        self.0.worker_count()
    }

    /// Refuses new jobs, waits at most `grace` for those in flight, and cuts the rest.
    ///
    /// Every worker task has been told to end when this returns. There is no way back.
    pub async fn shutdown(&self, grace: Duration) -> Shutdown {
        self.0.shutdown(grace).await
    }
}
