//! One http thread's share of the workers: who starts, replaces and ends them.
//!
//! Each joined thread runs one supervisor task. It brings the thread's workers to what is
//! wanted ([`Desired`]), restarts a worker whose task ended against all expectation, and
//! ends with the shutdown or with the thread's runtime.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Poll;

use tokio::task::{JoinError, JoinHandle, JoinSet};
use tracing::{debug, error, info, warn};

use super::incarnation::{Incarnation, Limits};
use super::local::Local;
use super::retries::Retries;
use super::shared::{Desired, Policy, Shared};
use super::worker::Worker;
use super::{WORKERS_MAX, WorkerId};

/// Earlier incarnations of one worker that may still be finishing jobs. At this number a
/// panicked incarnation stays in office: a job that hangs beside one that panics must not
/// grow the number of tasks without end.
const FINISHING_MAX: usize = 8;

thread_local! {
    /// Which balancers this thread has joined; a thread serves very few.
    static JOINED: RefCell<Vec<Weak<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

pub(super) struct Thread<J: Send + 'static, R: Send + 'static> {
    pub(super) shared: Arc<Shared<J, R>>,
    /// The thread's workers that take jobs.
    pub(super) own: RefCell<Vec<Arc<Incarnation<J, R>>>>,
    pub(super) policy: Cell<Policy>,
    turn: Cell<usize>,
    draws: Cell<u64>,
    pub(super) retries: Retries,
    idx: usize,
    is_alive: Cell<bool>,
    tasks: RefCell<JoinSet<()>>,
    /// Kept so that a second join can see the thread served; it ends by itself.
    supervisor: RefCell<Option<JoinHandle<()>>>,
}

/// Returns this thread's handle, and starts its share of the workers the first time.
pub(super) fn join<J: Send + 'static, R: Send + 'static>(shared: &Arc<Shared<J, R>>) -> Local<J, R> {
    let joined = JOINED.with_borrow_mut(|joined| {
        joined.retain(|thread| thread.strong_count() > 0);
        let threads = joined.iter().filter_map(|thread| thread.upgrade()?.downcast::<Thread<J, R>>().ok());
        threads.into_iter().find(|thread| Arc::ptr_eq(&thread.shared, shared) && thread.is_alive.get())
    });
    Local::new(joined.unwrap_or_else(|| start_thread(shared.clone())))
}

fn start_thread<J: Send + 'static, R: Send + 'static>(shared: Arc<Shared<J, R>>) -> Rc<Thread<J, R>> {
    let desired = shared.desired.subscribe();
    let wanted = desired.borrow().clone();
    let thread = Rc::new(Thread {
        idx: shared.take_thread(),
        own: RefCell::default(),
        policy: Cell::new(wanted.policy()),
        turn: Cell::new(0),
        // Zero is the one state that never changes.
        draws: Cell::new(rand::random::<u64>() | 1),
        retries: Retries::new(),
        is_alive: Cell::new(true),
        tasks: RefCell::default(),
        supervisor: RefCell::default(),
        shared,
    });
    let weak: Weak<Thread<J, R>> = Rc::downgrade(&thread);
    JOINED.with_borrow_mut(|joined| joined.push(weak));
    thread.bring_about(&wanted);
    let supervisor = tokio::task::spawn_local(supervise(Leave(thread.clone()), desired));
    *thread.supervisor.borrow_mut() = Some(supervisor);
    thread
}

/// Runs until the shutdown; the thread's runtime drops it when the thread dies.
async fn supervise<J: Send + 'static, R: Send + 'static>(
    leave: Leave<J, R>,
    mut desired: tokio::sync::watch::Receiver<Desired>,
) {
    let thread = &leave.0;
    loop {
        tokio::select! {
            // It only fails when the sender is gone, which `thread.shared` holds.
            Ok(()) = desired.changed() => {}
            ended = thread.next_end() => {
                let Err(err) = ended else { continue };
                error!("a worker task ended early, it is started again: {err}");
            }
        }
        let wanted = desired.borrow_and_update().clone();
        thread.bring_about(&wanted);
        if wanted.stopped {
            thread.tasks.borrow_mut().abort_all();
            return;
        }
    }
}

/// Gives the thread's place back when its supervisor ends or is torn down.
struct Leave<J: Send + 'static, R: Send + 'static>(Rc<Thread<J, R>>);

impl<J: Send + 'static, R: Send + 'static> Drop for Leave<J, R> {
    fn drop(&mut self) {
        self.0.is_alive.set(false);
        // A worker that is gone must not count among those that are marked.
        self.0.own.borrow().iter().for_each(|worker| self.0.shared.forget_marks(&worker.slot));
        self.0.shared.give_thread_back(self.0.idx);
    }
}

impl<J: Send + 'static, R: Send + 'static> Thread<J, R> {
    /// Ends the workers that are not wanted, and starts the missing ones.
    fn bring_about(self: &Rc<Self>, wanted: &Desired) {
        self.policy.set(wanted.policy());
        let limits = Limits::of(&wanted.config);
        let retired = {
            let mut own = self.own.borrow_mut();
            own.retain(|worker| worker.is_open());
            let stays = |worker: &Arc<Incarnation<J, R>>| {
                wanted.keeps(worker.id(), worker.number) && worker.limits == limits
            };
            let (stay, retired): (Vec<_>, Vec<_>) = own.drain(..).partition(stays);
            *own = stay;
            retired
        };
        // The new ones first: there is a worker at every moment.
        for id in self.share() {
            let has_one = self.own.borrow().iter().any(|worker| worker.id() == id);
            if wanted.wants(id) && !has_one {
                let (number, was_retired) =
                    (self.start(id, limits), retired.iter().any(|old| old.id() == id));
                match (number, was_retired) {
                    (_, true) => info!(worker.id = id.0, "worker {id} restarted, as was asked for"),
                    (1, _) => debug!(worker.id = id.0, "worker {id} started"),
                    (_, _) => info!(worker.id = id.0, "worker {id} started again"),
                }
            }
        }
        for old in &retired {
            old.close();
            if !wanted.wants(old.id()) {
                self.shared.forget_marks(&old.slot);
                info!(worker.id = old.id().0, "worker {} takes no more jobs", old.id());
            }
        }
        self.shared.refresh_board();
    }

    /// Returns the numbers that this thread is to fill; none for a thread too many.
    fn share(&self) -> impl Iterator<Item = WorkerId> + use<J, R> {
        let n_threads = self.shared.http_threads();
        let n_workers = if self.idx < n_threads { WORKERS_MAX } else { 0 };
        (self.idx..n_workers)
            .step_by(n_threads)
            .map(|idx| WorkerId(u32::try_from(idx).expect("workers are at most WORKERS_MAX")))
    }

    /// Starts a worker and returns the number of its incarnation.
    fn start(self: &Rc<Self>, id: WorkerId, limits: Limits) -> u64 {
        let incarnation = self.shared.enter(id, limits);
        self.own.borrow_mut().push(incarnation.clone());
        let number = incarnation.number;
        self.tasks.borrow_mut().spawn_local(Worker::new(incarnation, self.clone()));
        number
    }

    /// Puts a new incarnation in the place of one in which a job panicked.
    pub(super) fn replace(self: &Rc<Self>, old: &Arc<Incarnation<J, R>>, panic: &str) {
        let id = old.id();
        if !old.is_open() {
            warn!(worker.id = id.0, "a job panicked on an earlier incarnation of worker {id}: {panic}");
            return;
        }
        if self.shared.n_live(id) > FINISHING_MAX {
            warn!(
                worker.id = id.0,
                "worker {id} carries on after a panic, {FINISHING_MAX} earlier incarnations still have jobs: {panic}"
            );
            return;
        }
        old.close();
        self.own.borrow_mut().retain(|worker| !Arc::ptr_eq(worker, old));
        let incarnation = self.start(id, old.limits);
        warn!(worker.id = id.0, incarnation, "worker {id} restarted after a panic: {panic}");
    }

    /// Returns whose turn it is among `n_own` workers.
    pub(super) fn take_turn(&self, n_own: usize) -> usize {
        let turn = self.turn.get() % n_own;
        self.turn.set(turn + 1);
        turn
    }

    /// Draws a number (xorshift64*): good enough to spread, two nanoseconds, no lock.
    pub(super) fn draw(&self) -> u64 {
        let mut state = self.draws.get();
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.draws.set(state);
        state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Waits for the end of one worker task.
    async fn next_end(&self) -> Result<(), JoinError> {
        poll_fn(|cx| match self.tasks.borrow_mut().poll_join_next(cx) {
            Poll::Ready(Some(ended)) => Poll::Ready(ended),
            // Without a task there is no end to wait for; only the supervisor itself adds
            // the first one, and then asks again.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        })
        .await
    }
}
