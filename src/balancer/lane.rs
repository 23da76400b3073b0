//! Lanes: threads of their own for work that would stop an http thread.
//!
//! A worker answers pages where the connection lives; that is lane *inline*, and it must
//! never block. What reads files, or computes for longer than a page may wait, is declared
//! for another lane: *blocking* for what waits, *heavy* for what computes (queries, exports,
//! password hashes). Each has its own threads, its own places and its own counts, so that one
//! that is full refuses its own routes and no others.
//!
//! Threads of the heavy lane have the lowest priority: on one core a page takes the processor
//! from a query as soon as it needs it. Work there calls [`pace::give_way`] about every
//! millisecond, which also tells it when nobody waits any more.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry::metrics::Meter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::instruments;
use super::local::RETRY_AFTER;
use super::worker::panic_text;
use crate::pace;

/// The bounds of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneConfig {
    /// Its name in logs and metrics.
    pub name: &'static str,
    /// Jobs that run at once, each on a thread of its own; at least 1.
    pub n_threads: usize,
    /// Jobs that wait for a thread; beyond it a job waits at most [`LaneConfig::wait_max`].
    pub n_waiting_max: usize,
    /// How long a job waits for a place among those that wait.
    pub wait_max: Duration,
    /// Whether everything else comes first.
    pub is_background: bool,
}

/// Why a lane gives no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LaneError {
    /// All places stayed taken for the whole wait; the work was never begun.
    #[error("the {lane} lane is full, retry after {retry_after:?}")]
    Full {
        /// The lane.
        lane: &'static str,
        /// When to try again.
        retry_after: Duration,
    },
    /// The work panicked.
    #[error("work on the {lane} lane panicked: {message}")]
    Panicked {
        /// The lane.
        lane: &'static str,
        /// What the panic said.
        message: String,
    },
    /// The lane ends; the work was not begun.
    #[error("the {lane} lane has ended")]
    Ended {
        /// The lane.
        lane: &'static str,
    },
}

/// How a lane does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneSnapshot {
    /// The lane.
    pub name: &'static str,
    /// Jobs that run.
    pub n_running: usize,
    /// Jobs that wait.
    pub n_waiting: usize,
    /// Jobs that were answered.
    pub n_done: u64,
    /// Jobs that panicked.
    pub n_panicked: u64,
    /// Jobs that were refused for want of a place.
    pub n_refused: u64,
    /// Jobs whose caller went away before they were begun or while they ran.
    pub n_cancelled: u64,
}

/// A lane; cheap to clone. Its threads end with the last clone.
pub struct Lane(Arc<Gate>);

// Counts the handles apart from the threads, which hold the queue alone.
struct Gate {
    config: LaneConfig,
    places: Arc<Semaphore>,
    queue: Arc<Queue>,
}

type Work = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    n_running: AtomicUsize,
    n_done: AtomicU64,
    n_panicked: AtomicU64,
    n_refused: AtomicU64,
    n_cancelled: AtomicU64,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Work>,
    n_threads: usize,
    n_idle: usize,
    has_ended: bool,
}

impl Clone for Lane {
    fn clone(&self) -> Self {
        Lane(self.0.clone())
    }
}

impl Lane {
    /// Makes a lane; its threads start with the first work.
    pub fn new(config: LaneConfig) -> Lane {
        let n_places = config.n_threads.max(1) + config.n_waiting_max;
        let places = Arc::new(Semaphore::new(n_places));
        Lane(Arc::new(Gate { config, places, queue: Arc::default() }))
    }

    /// Does work on a thread of the lane and returns what it returns.
    ///
    /// A caller that goes away frees its place at once when the work was not begun, and as
    /// soon as the work gives way otherwise.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, LaneError> {
        let LaneConfig { name: lane, wait_max, .. } = self.0.config;
        let queue = self.0.queue.clone();
        let place = match tokio::time::timeout(wait_max, self.0.places.clone().acquire_owned()).await {
            Ok(place) => place.map_err(|_| LaneError::Ended { lane })?,
            Err(_) => {
                queue.n_refused.fetch_add(1, Ordering::Relaxed);
                return Err(LaneError::Full { lane, retry_after: RETRY_AFTER });
            }
        };
        let (answer, answered) = oneshot::channel();
        let job = Job { queue: queue.clone(), place, answer };
        self.push(Box::new(move || job.run(work)))?;
        match answered.await {
            Ok(Ok(res)) => Ok(res),
            Ok(Err(message)) => Err(LaneError::Panicked { lane, message }),
            Err(_) => Err(LaneError::Ended { lane }),
        }
    }

    /// Returns what tells how the lane does as long as it lives.
    pub(super) fn watch(&self) -> impl Fn() -> Option<LaneSnapshot> + Send + Sync + Clone + use<> {
        let weak = Arc::downgrade(&self.0);
        move || Some(Lane(weak.upgrade()?).snapshot())
    }

    /// Returns how the lane does.
    pub fn snapshot(&self) -> LaneSnapshot {
        let queue = &self.0.queue;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LaneSnapshot {
            name: self.0.config.name,
            n_running: queue.n_running.load(Ordering::Relaxed),
            n_waiting: queue.state().waiting.len(),
            n_done: count(&queue.n_done),
            n_panicked: count(&queue.n_panicked),
            n_refused: count(&queue.n_refused),
            n_cancelled: count(&queue.n_cancelled),
        }
    }

    fn push(&self, work: Work) -> Result<(), LaneError> {
        let LaneConfig { name: lane, n_threads, is_background, .. } = self.0.config;
        let mut state = self.0.queue.state();
        state.waiting.push_back(work);
        if state.n_idle < state.waiting.len() && state.n_threads < n_threads.max(1) {
            let (queue, name) = (self.0.queue.clone(), format!("{lane}-{}", state.n_threads));
            let thread =
                std::thread::Builder::new().name(name).spawn(move || queue.serve(lane, is_background));
            match thread {
                Ok(_) => state.n_threads += 1,
                // Those that run take it on.
                Err(err) if state.n_threads > 0 => {
                    tracing::warn!("one thread less for the {lane} lane: {err}")
                }
                Err(err) => {
                    tracing::error!("no thread for the {lane} lane: {err}");
                    state.waiting.pop_back();
                    return Err(LaneError::Ended { lane });
                }
            }
        }
        drop(state);
        self.0.queue.changed.notify_one();
        Ok(())
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.queue.state().has_ended = true;
        self.queue.changed.notify_all();
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, lane: &str, is_background: bool) {
        if is_background && let Err(err) = pace::threads::give_everything_else_way() {
            tracing::warn!("the {lane} lane runs at the priority of pages: {err}");
        }
        while let Some(work) = self.next() {
            self.n_running.fetch_add(1, Ordering::Relaxed);
            work();
            self.n_running.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn next(&self) -> Option<Work> {
        let mut state = self.state();
        state.n_idle += 1;
        loop {
            if let Some(work) = state.waiting.pop_front() {
                state.n_idle -= 1;
                return Some(work);
            }
            if state.has_ended {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Work with its place and whoever waits for it.
struct Job<T> {
    queue: Arc<Queue>,
    place: OwnedSemaphorePermit,
    answer: oneshot::Sender<Result<T, String>>,
}

impl<T: Send + 'static> Job<T> {
    fn run(self, work: impl FnOnce() -> T) {
        let Job { queue, place, answer } = self;
        if answer.is_closed() {
            queue.n_cancelled.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let answer = Arc::new(Mutex::new(Some(answer)));
        let watched = answer.clone();
        let is_left = move || {
            let answer = watched.lock().unwrap_or_else(PoisonError::into_inner);
            answer.as_ref().is_none_or(oneshot::Sender::is_closed)
        };
        let work = || pace::paced(is_left, work);
        let res = catch_unwind(AssertUnwindSafe(work)).map_err(|panic| panic_text(&*panic));
        let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Whoever has the answer finds it counted, and a place for more.
        drop(place);
        let Some(answer) = answer.filter(|answer| !answer.is_closed()) else {
            queue.n_cancelled.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let counter = if res.is_ok() { &queue.n_done } else { &queue.n_panicked };
        counter.fetch_add(1, Ordering::Relaxed);
        // A caller that left just now is counted as answered.
        let _ = answer.send(res);
    }
}

/// Jobs that wait for a lane; more would wait for longer than anybody looks at a page.
const WAITING_MAX: usize = 16;

/// Queries that run at once: two, so that one slow search does not hold up the page, and
/// no more, because the machine has one or two cores for everything.
const HEAVY_THREADS: usize = 2;

/// Threads that wait for disks and the like cost little.
const BLOCKING_THREADS: usize = 4;

/// The lanes beside the workers.
#[derive(Clone)]
pub struct Lanes {
    /// For what waits: files, rendering a scrape.
    pub blocking: Lane,
    /// For what computes: queries, exports, password hashes.
    pub heavy: Lane,
}

impl Lanes {
    /// Makes both; `wait_max` is how long a job waits for a place.
    ///
    /// Call it once per `meter`; the instruments observe as long as a lane lives.
    pub fn new(wait_max: Duration, meter: &Meter) -> Lanes {
        let lane = |name, n_threads, is_background| {
            Lane::new(LaneConfig { name, n_threads, n_waiting_max: WAITING_MAX, wait_max, is_background })
        };
        let lanes = Lanes {
            blocking: lane("blocking", BLOCKING_THREADS, false),
            heavy: lane("heavy", HEAVY_THREADS, true),
        };
        instruments::register_lanes([&lanes.blocking, &lanes.heavy].map(Lane::watch), meter);
        lanes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn lane(n_threads: usize, n_waiting_max: usize) -> Lane {
        Lane::new(LaneConfig {
            name: "test",
            n_threads,
            n_waiting_max,
            wait_max: Duration::from_millis(100),
            is_background: true,
        })
    }

    #[tokio::test]
    async fn work_is_answered_and_a_panic_costs_its_own_answer() {
        let lane = lane(1, 8);
        assert_eq!(lane.run(|| 7).await, Ok(7));
        let panicked: Result<(), _> = lane.run(|| panic!("on purpose")).await;
        assert_eq!(panicked, Err(LaneError::Panicked { lane: "test", message: "on purpose".into() }));
        assert_eq!(lane.run(|| 8).await, Ok(8));
        let LaneSnapshot { n_done, n_panicked, n_running, n_waiting, .. } = lane.snapshot();
        assert_eq!((n_done, n_panicked, n_waiting), (2, 1, 0));
        assert!(n_running <= 1);
    }

    #[tokio::test]
    async fn full_lane_refuses_within_its_wait_and_serves_what_it_took() {
        let lane = lane(1, 1);
        let (release, held) = mpsc::channel::<()>();
        let running = tokio::spawn({
            let lane = lane.clone();
            async move { lane.run(move || held.recv().is_ok()).await }
        });
        while lane.snapshot().n_running == 0 {
            tokio::task::yield_now().await;
        }
        let waiting = tokio::spawn({
            let lane = lane.clone();
            async move { lane.run(|| 2).await }
        });
        while lane.snapshot().n_waiting == 0 {
            tokio::task::yield_now().await;
        }
        let refused = lane.run(|| 3).await;
        assert!(matches!(refused, Err(LaneError::Full { retry_after, .. }) if !retry_after.is_zero()));
        release.send(()).unwrap();
        assert_eq!(running.await.unwrap(), Ok(true));
        assert_eq!(waiting.await.unwrap(), Ok(2));
        assert_eq!(lane.snapshot().n_refused, 1);
    }

    #[tokio::test]
    async fn work_whose_caller_left_is_not_begun_or_ends_when_it_gives_way() {
        let lane = lane(1, 8);
        let (begun, begins) = mpsc::channel();
        let running = tokio::spawn({
            let lane = lane.clone();
            async move {
                let endless = move || {
                    begun.send(()).unwrap();
                    while pace::give_way().is_continue() {}
                };
                lane.run(endless).await
            }
        });
        while begins.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
        let never = tokio::spawn({
            let lane = lane.clone();
            async move { lane.run(|| unreachable!("its caller left")).await }
        });
        while lane.snapshot().n_waiting == 0 {
            tokio::task::yield_now().await;
        }
        never.abort();
        running.abort();
        assert_eq!(lane.run(|| 1).await, Ok(1));
        assert_eq!((lane.snapshot().n_cancelled, lane.snapshot().n_panicked), (2, 0));
    }
}
