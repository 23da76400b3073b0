//! One life of a worker: its mailbox and its load; and the slot that outlives it.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use futures_util::task::AtomicWaker;
use tokio::sync::oneshot;

use super::health::Health;
use super::{Config, IN_FLIGHT_LIMIT, LastPanic, WorkerId};

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Answered,
    Panicked,
    Deadline,
    Cancelled,
    Lost,
}

impl Outcome {
    pub(super) const ALL: [Outcome; 5] =
        [Outcome::Answered, Outcome::Panicked, Outcome::Deadline, Outcome::Cancelled, Outcome::Lost];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Outcome::Answered => "answered",
            Outcome::Panicked => "panicked",
            Outcome::Deadline => "deadline",
            Outcome::Cancelled => "cancelled",
            Outcome::Lost => "lost",
        }
    }
}

/// What stays of a worker when its task is replaced.
///
/// Aligned to two cache lines (processors fetch them in pairs), so that workers of
/// different threads do not slow each other by counting.
#[repr(align(128))]
pub(super) struct Slot {
    pub(super) id: WorkerId,
    pub(super) health: Health,
    pub(super) incarnations: AtomicU64,
    outcomes: [AtomicU64; Outcome::ALL.len()],
    /// Guards the text of the last panic; never held across an await.
    pub(super) last_panic: Mutex<Option<LastPanic>>,
}

impl Slot {
    pub(super) fn new(id: WorkerId) -> Self {
        Slot {
            id,
            health: Health::default(),
            incarnations: AtomicU64::new(0),
            outcomes: Default::default(),
            last_panic: Mutex::new(None),
        }
    }

    pub(super) fn count(&self, outcome: Outcome) {
        self.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counted(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize].load(Ordering::Relaxed)
    }
}

/// The bounds that an incarnation was born with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) in_flight_max: usize,
    pub(super) deadline: Duration,
}

impl Limits {
    pub(super) fn of(config: &Config) -> Self {
        let in_flight_max = config.in_flight_max.clamp(1, IN_FLIGHT_LIMIT);
        Limits { in_flight_max, deadline: config.deadline }
    }

    fn load_max(self) -> u32 {
        u32::try_from(self.in_flight_max).expect("it is at most IN_FLIGHT_LIMIT")
    }
}

/// Why the worker could not give an answer.
pub(super) enum Failure<J> {
    Panicked(String),
    Deadline,
    /// The worker's task ended first; the job was never shown to the handler.
    NotBegun(J),
}

/// The way back to the caller.
pub(super) type Reply<J, R> = oneshot::Sender<Result<R, Failure<J>>>;

/// A job on its way to a worker, with the way back.
pub(super) struct Envelope<J, R> {
    pub(super) job: J,
    pub(super) reply: Reply<J, R>,
    pub(super) is_probe: bool,
}

/// Set in `load` when no further job may come in.
const CLOSED: u32 = 1 << 31;

/// One life of a worker.
///
/// `load` counts the jobs that were promised a place and have not ended. The promise
/// ([`Incarnation::reserve`]) and the end of taking jobs ([`Incarnation::close`]) meet in
/// one atomic; so a closed incarnation whose load is 0 can never be given a job again,
/// and its task may end.
#[repr(align(128))]
pub(super) struct Incarnation<J, R> {
    load: AtomicU32,
    running: AtomicU32,
    is_gone: AtomicBool,
    waker: AtomicWaker,
    pub(super) mailbox: ArrayQueue<Envelope<J, R>>,
    pub(super) limits: Limits,
    /// Far below [`CLOSED`].
    load_max: u32,
    pub(super) slot: Arc<Slot>,
    pub(super) number: u64,
}

impl<J, R> Incarnation<J, R> {
    pub(super) fn new(slot: Arc<Slot>, limits: Limits) -> Self {
        let number = slot.incarnations.fetch_add(1, Ordering::Relaxed) + 1;
        let load_max = limits.load_max();
        Incarnation {
            load: AtomicU32::new(0),
            running: AtomicU32::new(0),
            is_gone: AtomicBool::new(false),
            waker: AtomicWaker::new(),
            mailbox: ArrayQueue::new(load_max as usize),
            limits,
            load_max,
            slot,
            number,
        }
    }

    pub(super) fn id(&self) -> WorkerId {
        self.slot.id
    }

    /// Returns the jobs that it holds, waiting or running.
    pub(super) fn load(&self) -> usize {
        (self.load.load(Ordering::SeqCst) & !CLOSED) as usize
    }

    /// Returns the jobs that it drives.
    pub(super) fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed) as usize
    }

    pub(super) fn is_open(&self) -> bool {
        self.load.load(Ordering::SeqCst) & CLOSED == 0
    }

    /// Promises a place; each promise is followed by [`Incarnation::push`] at once.
    pub(super) fn reserve(&self) -> bool {
        // One that is closed compares as larger than any bound.
        let take_one = |load: u32| (load < self.load_max).then_some(load + 1);
        self.load.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take_one).is_ok()
    }

    /// Hands a job over for which a place was promised.
    pub(super) fn push(&self, envelope: Envelope<J, R>) {
        let pushed = self.mailbox.push(envelope);
        assert!(pushed.is_ok(), "the mailbox has room for every promised place");
        self.waker.wake();
        // Its task may have been torn down between the promise and the push, and then
        // nobody else would tell the caller.
        if self.is_gone.load(Ordering::SeqCst) {
            self.return_mailbox();
        }
    }

    /// Ends one promise.
    pub(super) fn release(&self) {
        self.load.fetch_sub(1, Ordering::SeqCst);
    }

    /// Takes no further jobs; returns false when it was closed before.
    pub(super) fn close(&self) -> bool {
        let before = self.load.fetch_or(CLOSED, Ordering::SeqCst);
        self.waker.wake();
        before & CLOSED == 0
    }

    /// Returns true when no job is left and none can come.
    pub(super) fn is_finished(&self) -> bool {
        self.load.load(Ordering::SeqCst) == CLOSED
    }

    pub(super) fn register(&self, waker: &std::task::Waker) {
        self.waker.register(waker);
    }

    pub(super) fn publish_running(&self, n_running: usize) {
        let n_running = u32::try_from(n_running).unwrap_or(u32::MAX);
        if self.running.load(Ordering::Relaxed) != n_running {
            self.running.store(n_running, Ordering::Relaxed);
        }
    }

    /// Marks the task as torn down, and gives back the jobs that it has not begun.
    pub(super) fn abandon(&self) {
        self.close();
        self.is_gone.store(true, Ordering::SeqCst);
        self.return_mailbox();
    }

    fn return_mailbox(&self) {
        while let Some(Envelope { job, reply, .. }) = self.mailbox.pop() {
            self.release();
            // A caller that went away needs no job back.
            let _ = reply.send(Err(Failure::NotBegun(job)));
        }
    }
}
