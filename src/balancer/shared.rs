//! What all threads of one balancer share: who is there, and what is wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use super::health::Mark;
use super::incarnation::{Incarnation, Limits, Outcome, Slot};
use super::{Config, Handler, LastPanic, Selection, WorkerId, WorkerSnapshot, WorkerState};
use crate::clock::Clock;

pub(super) const SERVING: u8 = 0;
pub(super) const DRAINING: u8 = 1;
pub(super) const STOPPED: u8 = 2;

/// What the threads are to bring about; each works on its own share of it.
#[derive(Clone)]
pub(super) struct Desired {
    pub(super) config: Config,
    pub(super) drained: BTreeSet<WorkerId>,
    /// Incarnations of a worker below this number are to be replaced.
    pub(super) first_incarnation: BTreeMap<WorkerId, u64>,
    pub(super) stopped: bool,
}

impl Desired {
    /// Returns true when this worker should have a task that takes jobs.
    pub(super) fn wants(&self, id: WorkerId) -> bool {
        !self.stopped && (id.0 as usize) < self.config.n_workers() && !self.drained.contains(&id)
    }

    /// Returns true when an incarnation of this number may stay in office.
    pub(super) fn keeps(&self, id: WorkerId, number: u64) -> bool {
        self.wants(id) && self.first_incarnation.get(&id).is_none_or(|first| number >= *first)
    }

    pub(super) fn policy(&self) -> Policy {
        Policy {
            selection: self.config.selection,
            spill_at: self.config.spill_at,
            wait_max: self.config.wait_max,
        }
    }
}

/// What a thread needs to know at each dispatch.
#[derive(Clone, Copy)]
pub(super) struct Policy {
    pub(super) selection: Selection,
    pub(super) spill_at: usize,
    pub(super) wait_max: Duration,
}

/// Why a job found no worker.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reason {
    Overloaded,
    Draining,
    WorkerLost,
}

impl Reason {
    pub(super) const ALL: [Reason; 3] = [Reason::Overloaded, Reason::Draining, Reason::WorkerLost];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Reason::Overloaded => "overloaded",
            Reason::Draining => "draining",
            Reason::WorkerLost => "worker_lost",
        }
    }
}

/// Every incarnation whose task has not ended, every slot, and which threads joined.
struct Registry<J, R> {
    live: Vec<Arc<Incarnation<J, R>>>,
    slots: Vec<Arc<Slot>>,
    threads: Vec<bool>,
}

pub(super) struct Shared<J, R> {
    pub(super) handler: Handler<J, R>,
    pub(super) desired: watch::Sender<Desired>,
    clock: Clock,
    started: Instant,
    http_threads: usize,
    /// Every incarnation that takes jobs, for spills; replaced whole when one comes or goes.
    pub(super) board: ArcSwap<Vec<Arc<Incarnation<J, R>>>>,
    /// Guards who is there; taken when that changes and by observers, never for a job.
    registry: Mutex<Registry<J, R>>,
    pub(super) stage: AtomicU8,
    /// Callers that wait for a place; none spares each job's end the wake.
    pub(super) waiting: AtomicUsize,
    /// Wakes one of them.
    pub(super) freed: Notify,
    /// Those who drain, restart, scale or shut down and wait for it; none spares each job's end the wake.
    pub(super) watching: AtomicUsize,
    /// Wakes all of them.
    pub(super) ended: Notify,
    /// Workers with a mark against them; 0 spares each dispatch the clock.
    marked: AtomicUsize,
    rejected: [AtomicU64; Reason::ALL.len()],
    pub(super) spilled: AtomicU64,
}

impl<J, R> Shared<J, R> {
    pub(super) fn new(config: Config, handler: Handler<J, R>, clock: Clock) -> Self {
        let http_threads = config.http_threads.max(1);
        let slots = (0..config.n_workers()).map(new_slot).collect();
        Shared {
            handler,
            desired: watch::Sender::new(Desired {
                config,
                drained: BTreeSet::new(),
                first_incarnation: BTreeMap::new(),
                stopped: false,
            }),
            clock,
            started: Instant::now(),
            http_threads,
            board: ArcSwap::default(),
            registry: Mutex::new(Registry { live: Vec::new(), slots, threads: Vec::new() }),
            stage: AtomicU8::new(SERVING),
            waiting: AtomicUsize::new(0),
            freed: Notify::new(),
            watching: AtomicUsize::new(0),
            ended: Notify::new(),
            marked: AtomicUsize::new(0),
            rejected: Default::default(),
            spilled: AtomicU64::new(0),
        }
    }

    fn registry(&self) -> MutexGuard<'_, Registry<J, R>> {
        self.registry.lock().expect("nothing panics while it holds the registry")
    }

    /// Milliseconds since the balancer was made.
    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX / 2)
    }

    pub(super) fn is_serving(&self) -> bool {
        self.stage.load(Ordering::SeqCst) == SERVING
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stage.load(Ordering::SeqCst) == STOPPED
    }

    pub(super) fn http_threads(&self) -> usize {
        self.http_threads
    }

    /// Gives a joining thread the lowest free place.
    pub(super) fn take_thread(&self) -> usize {
        let threads = &mut self.registry().threads;
        let idx = threads.iter().position(|taken| !taken).unwrap_or(threads.len());
        match threads.get_mut(idx) {
            Some(taken) => *taken = true,
            None => threads.push(true),
        }
        idx
    }

    pub(super) fn give_thread_back(&self, idx: usize) {
        self.registry().threads[idx] = false;
    }

    /// Enters a new incarnation of a worker.
    pub(super) fn enter(&self, id: WorkerId, limits: Limits) -> Arc<Incarnation<J, R>> {
        let mut registry = self.registry();
        while registry.slots.len() <= id.0 as usize {
            let slot = new_slot(registry.slots.len());
            registry.slots.push(slot);
        }
        let slot = registry.slots[id.0 as usize].clone();
        slot.health.void_probe(self.now_ms());
        let incarnation = Arc::new(Incarnation::new(slot, limits));
        registry.live.push(incarnation.clone());
        self.post(&registry);
        drop(registry);
        // It has room for many of those who wait, and no job's end would tell them.
        self.freed.notify_waiters();
        // Whoever enabled it or restarted it waits for this.
        self.ended.notify_waiters();
        incarnation
    }

    /// Takes an incarnation off the board that was closed or has ended.
    pub(super) fn refresh_board(&self) {
        self.post(&self.registry());
    }

    /// Strikes an incarnation whose task has ended.
    pub(super) fn strike(&self, ended: &Arc<Incarnation<J, R>>) {
        let mut registry = self.registry();
        registry.live.retain(|live| !Arc::ptr_eq(live, ended));
        self.post(&registry);
        drop(registry);
        self.ended.notify_waiters();
    }

    fn post(&self, registry: &Registry<J, R>) {
        let open = registry.live.iter().filter(|live| live.is_open()).cloned().collect();
        self.board.store(Arc::new(open));
    }

    /// Returns every incarnation whose task has not ended.
    pub(super) fn live(&self) -> Vec<Arc<Incarnation<J, R>>> {
        self.registry().live.clone()
    }

    /// Returns how many tasks of a worker have not ended.
    pub(super) fn n_live(&self, id: WorkerId) -> usize {
        self.registry().live.iter().filter(|live| live.id() == id).count()
    }

    /// Counts the end of a job and tells those who wait for one.
    pub(super) fn end_job(&self, incarnation: &Incarnation<J, R>, outcome: Outcome) {
        incarnation.slot.count(outcome);
        incarnation.release();
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.freed.notify_one();
        }
        if self.watching.load(Ordering::SeqCst) > 0 {
            self.ended.notify_waiters();
        }
    }

    pub(super) fn reject(&self, reason: Reason) {
        self.rejected[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn n_rejected(&self, reason: Reason) -> u64 {
        self.rejected[reason as usize].load(Ordering::Relaxed)
    }

    /// Returns true when some worker has a mark against it.
    pub(super) fn has_marks(&self) -> bool {
        self.marked.load(Ordering::Relaxed) > 0
    }

    /// Returns true when so many are marked that the marks are not to be believed: then
    /// the jobs are to blame, and fewer workers would only lose more of them. One worker
    /// of one or of two is half of them, so some worker is always left.
    pub(super) fn ignores_marks(&self) -> bool {
        self.marked.load(Ordering::Relaxed) * 2 >= self.board.load().len()
    }

    /// Writes a panic down and takes the worker out of the choice if it was one too many.
    pub(super) fn note_panic(&self, slot: &Slot, message: &str) {
        let panic = LastPanic { at: self.clock.now(), message: message.to_string() };
        *slot.last_panic.lock().expect("nothing panics while it holds the text") = Some(panic);
        let Some(ejection) = slot.health.note_panic(self.now_ms()) else { return };
        if ejection.was_ready {
            self.marked.fetch_add(1, Ordering::Relaxed);
        }
        let (id, lasts) = (slot.id, ejection.lasts);
        warn!(worker.id = id.0, "worker {id} panicked too often and gets no jobs for {lasts:?}");
    }

    pub(super) fn pass_probe(&self, slot: &Slot) {
        if slot.health.pass_probe(self.now_ms()) {
            self.marked.fetch_sub(1, Ordering::Relaxed);
            info!(worker.id = slot.id.0, "worker {} answered its probe and takes jobs again", slot.id);
        }
    }

    /// Forgets the marks of a worker that leaves.
    pub(super) fn forget_marks(&self, slot: &Slot) {
        if slot.health.reset() {
            self.marked.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(super) fn worker_count(&self) -> usize {
        self.desired.borrow().config.n_workers()
    }

    pub(super) fn ready_count(&self) -> usize {
        if !self.is_serving() {
            return 0;
        }
        let board = self.board.load();
        if self.ignores_marks() {
            return board.len();
        }
        board.iter().filter(|open| open.slot.health.is_ready()).count()
    }

    /// Visits the slot of every worker that should be there.
    pub(super) fn each_slot(&self, mut visit: impl FnMut(&Slot)) {
        let n_workers = self.worker_count();
        let slots: Vec<_> = self.registry().slots.iter().take(n_workers).cloned().collect();
        slots.iter().for_each(|slot| visit(slot));
    }

    pub(super) fn snapshot(&self) -> Vec<WorkerSnapshot> {
        let live = self.live();
        let mut res = Vec::with_capacity(self.worker_count());
        self.each_slot(|slot| res.push(self.snapshot_of(slot, &live)));
        res
    }

    fn snapshot_of(&self, slot: &Slot, live: &[Arc<Incarnation<J, R>>]) -> WorkerSnapshot {
        let own = || live.iter().filter(|live| live.id() == slot.id);
        let state = match slot.health.mark(self.now_ms()) {
            _ if own().next().is_none() => WorkerState::Stopped,
            _ if !self.is_serving() || !own().any(|live| live.is_open()) => WorkerState::Draining,
            Mark::Ready => WorkerState::Ready,
            Mark::Ejected => WorkerState::Ejected,
            Mark::HalfOpen | Mark::Probing => WorkerState::HalfOpen,
        };
        WorkerSnapshot {
            id: slot.id,
            incarnation: slot.incarnations.load(Ordering::Relaxed),
            state,
            http_thread: slot.id.0 as usize % self.http_threads,
            in_flight: own().map(|live| live.running()).sum(),
            queue_depth: own().map(|live| live.mailbox.len()).sum(),
            done: slot.counted(Outcome::Answered),
            panics: slot.counted(Outcome::Panicked),
            deadlines: slot.counted(Outcome::Deadline),
            cancelled: slot.counted(Outcome::Cancelled),
            last_panic: slot.last_panic.lock().expect("nothing panics while it holds the text").clone(),
        }
    }
}

fn new_slot(idx: usize) -> Arc<Slot> {
    Arc::new(Slot::new(WorkerId(u32::try_from(idx).expect("workers are at most WORKERS_MAX"))))
}

/// Counts one who waits, for as long as it lives.
pub(super) struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    pub(super) fn enter(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::SeqCst);
        Waiting(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
