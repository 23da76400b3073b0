//! A job's way in: choosing a worker, waiting for a place, and waiting for the answer.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::incarnation::{Envelope, Failure, Incarnation};
use super::shared::{Reason, Shared, Waiting};
use super::thread::Thread;
use super::{DispatchError, Selection, WorkerId};

/// Callers that may wait for a place at once, over all threads. One more is refused
/// without a wait: that many are several seconds of work, and nobody waits that long.
const WAITING_MAX: usize = 4_096;

/// What a refused caller is told; by then a burst is over, and an overload is not made worse.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// One http thread's handle on the balancer; cheap to clone, stays on its thread.
pub struct Local<J: Send + 'static, R: Send + 'static> {
    thread: Rc<Thread<J, R>>,
}

impl<J: Send + 'static, R: Send + 'static> Clone for Local<J, R> {
    fn clone(&self) -> Self {
        Local { thread: self.thread.clone() }
    }
}

impl<J: Send + 'static, R: Send + 'static> Local<J, R> {
    pub(super) fn new(thread: Rc<Thread<J, R>>) -> Self {
        Local { thread }
    }

    /// Gives the job to a worker and waits for its answer.
    ///
    /// Dropping the returned future cancels the job and frees its place.
    pub async fn dispatch(&self, job: J) -> Result<(WorkerId, R), DispatchError> {
        self.thread.retries.earn();
        let placed = match self.place(job) {
            Ok(placed) => placed,
            Err(job) => self.wait_for_place(job).await?,
        };
        let worker = placed.worker.id();
        match placed.answer(&self.thread.shared).await {
            Answer::Given(answer) => answer,
            Answer::NotBegun(_) if !self.thread.retries.spend() => {
                self.refuse(Reason::WorkerLost, DispatchError::WorkerLost { worker })
            }
            // Nothing has seen the job, so that a second worker may have it; there is no
            // third try, a job that meets two dying workers tells the caller so.
            Answer::NotBegun(job) => {
                let again = self.wait_for_place(job).await?;
                let worker = again.worker.id();
                match again.answer(&self.thread.shared).await {
                    Answer::Given(answer) => answer,
                    Answer::NotBegun(_) => {
                        self.refuse(Reason::WorkerLost, DispatchError::WorkerLost { worker })
                    }
                }
            }
        }
    }

    fn refuse<T>(&self, reason: Reason, err: DispatchError) -> Result<T, DispatchError> {
        refuse(&self.thread.shared, reason, err)
    }

    async fn wait_for_place(&self, mut job: J) -> Result<Placed<J, R>, DispatchError> {
        let shared = &self.thread.shared;
        let overloaded = DispatchError::Overloaded { retry_after: RETRY_AFTER };
        if shared.waiting.load(Ordering::Relaxed) >= WAITING_MAX {
            return self.refuse(Reason::Overloaded, overloaded);
        }
        let _waiting = Waiting::enter(&shared.waiting);
        let until = Instant::now() + self.thread.policy.get().wait_max;
        loop {
            let freed = shared.freed.notified();
            tokio::pin!(freed);
            // Enabled before the next try, so that a place freed in between is not missed.
            freed.as_mut().enable();
            if !shared.is_serving() {
                return self.refuse(Reason::Draining, DispatchError::Draining);
            }
            job = match self.place(job) {
                Ok(placed) => return Ok(placed),
                Err(job) => job,
            };
            if timeout_at(until, freed).await.is_err() {
                return self.refuse(Reason::Overloaded, overloaded);
            }
        }
    }

    /// Gives the job to the best worker that has room, or gives it back.
    fn place(&self, job: J) -> Result<Placed<J, R>, J> {
        let shared = &self.thread.shared;
        if !shared.is_serving() {
            return Err(job);
        }
        // Without marks, which is all the time, the clock is not read.
        if shared.has_marks()
            && let Some(worker) = self.claim_probe()
        {
            return Ok(Placed::send(worker, job, true));
        }
        let is_usable = usable(shared);
        match self.choose(&is_usable) {
            Some(worker) => Ok(Placed::send(worker, job, false)),
            None => Err(job),
        }
    }

    /// Chooses a worker and reserves a place on it.
    fn choose(&self, is_usable: &dyn Fn(&Incarnation<J, R>) -> bool) -> Option<Arc<Incarnation<J, R>>> {
        let own = self.thread.own.borrow();
        let local = self.pick(&own, is_usable);
        let policy = self.thread.policy.get();
        let load = local.map_or(usize::MAX, |worker| worker.load());
        if let Some(worker) = local
            && load < policy.spill_at
            && worker.reserve()
        {
            return Some(worker.clone());
        }
        // Over its share, or none: a hop pays when the other holds half as much at most.
        let board = self.thread.shared.board.load();
        let least = least_loaded(board.iter().filter(|worker| is_usable(worker)));
        if let Some(worker) = least
            && !own.iter().any(|own| Arc::ptr_eq(own, worker))
            && worker.load() <= load / 2
            && worker.reserve()
        {
            self.thread.shared.spilled.fetch_add(1, Ordering::Relaxed);
            return Some(worker.clone());
        }
        // What is left: the one picked, and then whatever has room, its own thread first.
        if let Some(worker) = local.into_iter().chain(own.iter()).find(|one| is_usable(one) && one.reserve())
        {
            return Some(worker.clone());
        }
        let worker = board.iter().find(|one| is_usable(one) && one.reserve())?;
        self.thread.shared.spilled.fetch_add(1, Ordering::Relaxed);
        Some(worker.clone())
    }

    /// Picks among the thread's own workers by the policy.
    fn pick<'a>(
        &self,
        own: &'a [Arc<Incarnation<J, R>>],
        is_usable: &dyn Fn(&Incarnation<J, R>) -> bool,
    ) -> Option<&'a Arc<Incarnation<J, R>>> {
        let n_own = own.len() as u64;
        if n_own == 0 {
            return None;
        }
        let draw = self.thread.draw();
        let first = &own[(draw % n_own) as usize];
        let picked = match self.thread.policy.get().selection {
            Selection::P2c => {
                // The second is another one: an offset of 1 .. n from the first.
                let offset = if n_own > 1 { 1 + (draw >> 32) % (n_own - 1) } else { 0 };
                let second = &own[((draw % n_own + offset) % n_own) as usize];
                match (is_usable(first), is_usable(second)) {
                    (true, true) if second.load() < first.load() => Some(second),
                    (true, _) => Some(first),
                    (false, true) => Some(second),
                    (false, false) => None,
                }
            }
            Selection::RoundRobin => {
                let turn = self.thread.take_turn(own.len());
                (0..own.len()).map(|n| &own[(turn + n) % own.len()]).find(|worker| is_usable(worker))
            }
            Selection::LeastLoaded => {
                let start = (draw % n_own) as usize;
                let from_start = own[start..].iter().chain(&own[..start]);
                least_loaded(from_start.filter(|worker| is_usable(worker)))
            }
        };
        // A draw of two that may not be picked says nothing about a third.
        picked.or_else(|| least_loaded(own.iter().filter(|worker| is_usable(worker))))
    }

    /// Reserves a place on a worker whose time out is over, for this job to be its probe.
    fn claim_probe(&self) -> Option<Arc<Incarnation<J, R>>> {
        let now_ms = self.thread.shared.now_ms();
        let own = self.thread.own.borrow();
        // Only its own thread probes a worker: the others have better ones at hand.
        let worker = own.iter().find(|worker| worker.slot.health.begin_probe(now_ms))?;
        if worker.reserve() {
            return Some(worker.clone());
        }
        worker.slot.health.void_probe(now_ms);
        None
    }
}

/// Returns the rule by which workers may be picked just now.
fn usable<J, R>(shared: &Shared<J, R>) -> impl Fn(&Incarnation<J, R>) -> bool + use<J, R> {
    let ignores_marks = !shared.has_marks() || shared.ignores_marks();
    move |worker| worker.is_open() && (ignores_marks || worker.slot.health.is_ready())
}

fn refuse<J, R, T>(shared: &Shared<J, R>, reason: Reason, err: DispatchError) -> Result<T, DispatchError> {
    shared.reject(reason);
    Err(err)
}

/// Gives the job to the least loaded worker of all, for a caller that is on no http thread.
pub(super) async fn dispatch_anywhere<J: Send + 'static, R: Send + 'static>(
    shared: &Shared<J, R>,
    job: J,
) -> Result<(WorkerId, R), DispatchError> {
    if !shared.is_serving() {
        return refuse(shared, Reason::Draining, DispatchError::Draining);
    }
    let (board, is_usable) = (shared.board.load_full(), usable(shared));
    let worker = least_loaded(board.iter().filter(|worker| is_usable(worker)));
    let Some(worker) = worker.filter(|worker| worker.reserve()) else {
        return refuse(shared, Reason::Overloaded, DispatchError::Overloaded { retry_after: RETRY_AFTER });
    };
    let worker = worker.clone();
    let id = worker.id();
    match Placed::send(worker, job, false).answer(shared).await {
        Answer::Given(answer) => answer,
        Answer::NotBegun(_) => refuse(shared, Reason::WorkerLost, DispatchError::WorkerLost { worker: id }),
    }
}

fn least_loaded<'a, J: 'a, R: 'a>(
    workers: impl Iterator<Item = &'a Arc<Incarnation<J, R>>>,
) -> Option<&'a Arc<Incarnation<J, R>>> {
    workers.min_by_key(|worker| worker.load())
}

/// A job that a worker has. Dropped before the answer, it takes the reply's receiver with
/// it, which tells the worker to drop the job.
struct Placed<J, R> {
    worker: Arc<Incarnation<J, R>>,
    reply: oneshot::Receiver<Result<R, Failure<J>>>,
}

impl<J: Send + 'static, R: Send + 'static> Placed<J, R> {
    /// Sends the job to a worker that promised a place.
    fn send(worker: Arc<Incarnation<J, R>>, job: J, is_probe: bool) -> Self {
        let (reply, answer) = oneshot::channel();
        worker.push(Envelope { job, reply, is_probe });
        Placed { worker, reply: answer }
    }

    async fn answer(self, shared: &Shared<J, R>) -> Answer<J, R> {
        let worker = self.worker.id();
        Answer::Given(match self.reply.await {
            Ok(Ok(answer)) => Ok((worker, answer)),
            Ok(Err(Failure::NotBegun(job))) => return Answer::NotBegun(job),
            Ok(Err(Failure::Panicked(message))) => Err(DispatchError::Panicked { worker, message }),
            Ok(Err(Failure::Deadline)) => {
                Err(DispatchError::Deadline { worker, after: self.worker.limits.deadline })
            }
            Err(_) if shared.is_stopped() => refuse(shared, Reason::Draining, DispatchError::Draining),
            Err(_) => refuse(shared, Reason::WorkerLost, DispatchError::WorkerLost { worker }),
        })
    }
}

/// What came back from a worker.
enum Answer<J, R> {
    Given(Result<(WorkerId, R), DispatchError>),
    NotBegun(J),
}
