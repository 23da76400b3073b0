use std::future::Future;

use futures_util::FutureExt;
use futures_util::future::{join_all, pending};
use opentelemetry::metrics::MeterProvider;
use opentelemetry::metrics::noop::NoopMeterProvider;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, LocalSet, spawn_local, yield_now};
use tokio::time::{Instant, advance, timeout};

use super::*;

mod threads;

type Job = Box<dyn FnOnce() -> LocalBoxFuture<'static, u32> + Send>;

/// A job that runs `body` on its worker.
fn job<F: Future<Output = u32> + 'static>(body: impl FnOnce() -> F + Send + 'static) -> Job {
    Box::new(move || body().boxed_local())
}

fn quick() -> Job {
    job(|| async { 1 })
}

fn hang() -> Job {
    job(pending)
}

fn panicking() -> Job {
    job(|| async { panic!("broken on purpose") })
}

/// A job that answers once the gate gives a permit.
fn gated(gate: &Arc<Semaphore>) -> Job {
    let gate = gate.clone();
    job(move || async move {
        gate.acquire().await.unwrap().forget();
        2
    })
}

fn one_thread(workers: usize) -> Config {
    Config { workers: Some(workers), http_threads: 1, ..Config::default() }
}

fn balancer(config: Config) -> Balancer<Job, u32> {
    let meter = NoopMeterProvider::new().meter("test");
    Balancer::new(config, Arc::new(|job: Job| job()), Clock::manual(UnixNanos(7)), &meter)
}

/// Runs a test on one http thread.
async fn on_thread<F: Future<Output = ()>>(
    config: Config,
    test: impl FnOnce(Balancer<Job, u32>, Local<Job, u32>) -> F,
) {
    let balancer = balancer(config);
    let tasks = LocalSet::new();
    tasks
        .run_until(async {
            let local = balancer.join_thread();
            test(balancer, local).await;
        })
        .await;
}

type Answer = Result<(WorkerId, u32), DispatchError>;

fn start(local: &Local<Job, u32>, job: Job) -> JoinHandle<Answer> {
    let local = local.clone();
    spawn_local(async move { local.dispatch(job).await })
}

/// Lets every task run until it waits for something; paused time does not move.
async fn settle() {
    for _ in 0..50 {
        yield_now().await;
    }
}

fn in_flight(balancer: &Balancer<Job, u32>) -> usize {
    balancer.snapshot().iter().map(|worker| worker.in_flight).sum()
}

fn held(balancer: &Balancer<Job, u32>) -> usize {
    balancer.snapshot().iter().map(|worker| worker.in_flight + worker.queue_depth).sum()
}

async fn check_spread(selection: Selection, n_at_once: usize) {
    on_thread(Config { selection, ..one_thread(4) }, async |balancer, local| {
        for _ in 0..10_000 / n_at_once {
            let jobs = (0..n_at_once).map(|_| local.dispatch(job(|| yield_now().map(|()| 1))));
            assert!(join_all(jobs).await.iter().all(Result::is_ok));
        }
        let done: Vec<u64> = balancer.snapshot().iter().map(|worker| worker.done).collect();
        assert_eq!(done.iter().sum::<u64>(), 10_000);
        let (min, max) = (*done.iter().min().unwrap(), *done.iter().max().unwrap());
        assert!(max * 10 <= min * 12, "{selection:?} spread {done:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn equal_jobs_spread_evenly_whatever_the_selection() {
    for selection in [Selection::P2c, Selection::RoundRobin, Selection::LeastLoaded] {
        check_spread(selection, 1).await;
        check_spread(selection, 50).await;
    }
}

/// Starts a gated job that lands on this worker.
async fn hold(
    (balancer, local): (&Balancer<Job, u32>, &Local<Job, u32>),
    gate: &Arc<Semaphore>,
    worker: WorkerId,
) -> JoinHandle<Answer> {
    let on_worker = || balancer.snapshot()[worker.0 as usize].in_flight;
    for _ in 0..1_000 {
        let before = on_worker();
        let held = start(local, gated(gate));
        settle().await;
        if on_worker() > before {
            return held;
        }
        held.abort();
        settle().await;
    }
    panic!("worker {worker} was not picked in 1,000 times");
}

#[tokio::test(start_paused = true)]
async fn a_slow_worker_gets_less() {
    for selection in [Selection::P2c, Selection::LeastLoaded] {
        on_thread(Config { selection, ..one_thread(3) }, async |balancer, local| {
            // What a slow worker is to a balancer: one that still holds what it was given.
            let gate = Arc::new(Semaphore::new(0));
            let mut jobs = Vec::new();
            while balancer.snapshot()[0].in_flight < 20 {
                jobs.push(start(&local, gated(&gate)));
                settle().await;
            }
            for other in [1, 2] {
                let held = balancer.snapshot()[other].in_flight;
                assert!(held >= 10, "{selection:?} shared the burst, but worker {other} got {held}");
            }
            gate.add_permits(jobs.len());
            assert!(join_all(jobs).await.into_iter().all(|answer| answer.unwrap().is_ok()));

            let other_gate = Arc::new(Semaphore::new(0));
            let _slow = hold((&balancer, &local), &other_gate, WorkerId(0)).await;
            let done_before = balancer.snapshot();
            for _ in 0..300 {
                local.dispatch(quick()).await.unwrap();
            }
            let done = balancer.snapshot();
            assert_eq!(done[0].done, done_before[0].done, "{selection:?} gave jobs to the busier one");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_its_own_job_and_none_of_the_other_49() {
    on_thread(one_thread(1), async |balancer, local| {
        let gate = Arc::new(Semaphore::new(0));
        let others: Vec<_> = (0..49).map(|_| start(&local, gated(&gate))).collect();
        let trigger = Arc::new(Semaphore::new(0));
        let pulled = trigger.clone();
        let doomed = start(
            &local,
            job(move || async move {
                pulled.acquire().await.unwrap().forget();
                panic!("number {}", 50)
            }),
        );
        settle().await;
        assert_eq!(balancer.snapshot()[0].in_flight, 50);
        trigger.add_permits(1);
        let err = doomed.await.unwrap().unwrap_err();
        assert_eq!(err, DispatchError::Panicked { worker: WorkerId(0), message: "number 50".into() });

        // The number is filled again at once; the old incarnation keeps its 49 jobs.
        let worker = balancer.snapshot().remove(0);
        assert_eq!((worker.incarnation, worker.state, worker.in_flight), (2, WorkerState::Ready, 49));
        assert_eq!(worker.last_panic.unwrap().message, "number 50");
        assert_eq!(local.dispatch(quick()).await, Ok((WorkerId(0), 1)));
        gate.add_permits(49);
        for other in others {
            assert_eq!(other.await.unwrap(), Ok((WorkerId(0), 2)));
        }
        assert_eq!(balancer.snapshot()[0].done, 50);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_handler_itself_or_in_a_drop_is_caught_too() {
    struct Grenade;
    impl Drop for Grenade {
        fn drop(&mut self) {
            panic!("in a drop");
        }
    }
    on_thread(one_thread(1), async |balancer, local| {
        let early: Job = Box::new(|| panic!("before the future"));
        assert!(matches!(local.dispatch(early).await, Err(DispatchError::Panicked { .. })));
        let dropping = job(|| {
            let grenade = Grenade;
            async move {
                pending::<()>().await;
                drop(grenade);
                0
            }
        });
        let err = local.dispatch(dropping).await.unwrap_err();
        assert_eq!(err, DispatchError::Panicked { worker: WorkerId(0), message: "in a drop".into() });
        assert_eq!(balancer.snapshot()[0].incarnation, 3);
        assert!(local.dispatch(quick()).await.is_ok());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn stuck_jobs_do_not_hold_up_the_others() {
    on_thread(one_thread(2), async |_, local| {
        let _stuck: Vec<_> = (0..8).map(|_| start(&local, hang())).collect();
        settle().await;
        for _ in 0..40 {
            assert!(timeout(Duration::from_millis(1), local.dispatch(quick())).await.unwrap().is_ok());
        }
    })
    .await;
}

fn tight() -> Config {
    Config { in_flight_max: 3, ..one_thread(2) }
}

#[tokio::test(start_paused = true)]
async fn when_all_are_full_a_job_is_refused_after_a_bounded_wait() {
    on_thread(tight(), async |balancer, local| {
        let _stuck: Vec<_> = (0..6).map(|_| start(&local, hang())).collect();
        settle().await;
        let workers = balancer.snapshot();
        assert!(workers.iter().all(|worker| (worker.in_flight, worker.queue_depth) == (3, 0)), "{workers:?}");
        let began = Instant::now();
        let err = local.dispatch(quick()).await.unwrap_err();
        assert!(matches!(err, DispatchError::Overloaded { retry_after } if !retry_after.is_zero()));
        let waited = began.elapsed();
        assert!((Duration::from_millis(100)..=Duration::from_millis(101)).contains(&waited), "{waited:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_place_that_becomes_free_goes_to_one_that_waits() {
    on_thread(tight(), async |_, local| {
        let gate = Arc::new(Semaphore::new(0));
        let held: Vec<_> = (0..6).map(|_| start(&local, gated(&gate))).collect();
        settle().await;
        let waiting: Vec<_> = (0..3).map(|_| start(&local, quick())).collect();
        settle().await;
        let began = Instant::now();
        gate.add_permits(6);
        for answer in join_all(waiting).await {
            assert!(answer.unwrap().is_ok());
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(join_all(held).await.into_iter().all(|answer| answer.unwrap().is_ok()));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_new_worker_takes_those_that_wait() {
    on_thread(tight(), async |balancer, local| {
        let _stuck: Vec<_> = (0..6).map(|_| start(&local, hang())).collect();
        settle().await;
        let waiting: Vec<_> = (0..2).map(|_| start(&local, quick())).collect();
        settle().await;
        let began = Instant::now();
        balancer.apply(Config { workers: Some(3), ..tight() }).unwrap();
        for answer in join_all(waiting).await {
            assert_eq!(answer.unwrap(), Ok((WorkerId(2), 1)));
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_frees_its_place_begun_or_not() {
    on_thread(Config { workers: Some(1), ..tight() }, async |balancer, local| {
        let jobs: Vec<_> = (0..2).map(|_| start(&local, hang())).collect();
        settle().await;
        // Polled once, so that it is on its way to the worker, and dropped before it is begun.
        let on_its_way = local.dispatch(job(|| async { panic!("nobody waits for this") }));
        assert!(on_its_way.now_or_never().is_none());
        assert_eq!((in_flight(&balancer), held(&balancer)), (2, 3));
        settle().await;
        assert_eq!((in_flight(&balancer), held(&balancer)), (2, 2));
        jobs.iter().for_each(JoinHandle::abort);
        settle().await;
        assert_eq!(held(&balancer), 0);
        let worker = balancer.snapshot().remove(0);
        assert_eq!((worker.cancelled, worker.panics), (3, 0));
        assert!(local.dispatch(quick()).await.is_ok());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_job_past_its_deadline_is_dropped_and_frees_its_place() {
    let deadline = Duration::from_secs(3);
    on_thread(Config { deadline, ..one_thread(1) }, async |balancer, local| {
        let held = Arc::new(());
        let holds = held.clone();
        let began = Instant::now();
        let stuck = job(move || async move {
            pending::<()>().await;
            drop(holds);
            0
        });
        let err = local.dispatch(stuck).await.unwrap_err();
        assert_eq!(err, DispatchError::Deadline { worker: WorkerId(0), after: deadline });
        assert!(began.elapsed() < deadline + Duration::from_millis(10));
        assert_eq!(Arc::strong_count(&held), 1, "what the job held is dropped with it");
        let worker = balancer.snapshot().remove(0);
        assert_eq!((worker.in_flight, worker.deadlines, worker.incarnation), (0, 1, 1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_panics_too_often_is_out_for_a_while_and_returns_by_a_probe() {
    let config = Config { selection: Selection::LeastLoaded, ..one_thread(4) };
    on_thread(config, async |balancer, local| {
        // The others hold a job each, so that all that panics goes to worker 2.
        let others_gate = Arc::new(Semaphore::new(0));
        for other in [0, 1, 3] {
            hold((&balancer, &local), &others_gate, WorkerId(other)).await;
        }
        for _ in 0..6 {
            assert!(matches!(local.dispatch(panicking()).await, Err(DispatchError::Panicked { .. })));
        }
        let worker = balancer.snapshot().remove(2);
        assert_eq!((worker.state, worker.panics, worker.incarnation), (WorkerState::Ejected, 6, 7));
        assert_eq!(balancer.ready_count(), 3);
        for _ in 0..100 {
            assert_ne!(local.dispatch(quick()).await.unwrap().0, WorkerId(2));
        }
        // The probe panics: out again, twice as long.
        advance(Duration::from_millis(1_001)).await;
        assert_eq!(balancer.snapshot()[2].state, WorkerState::HalfOpen);
        assert!(matches!(local.dispatch(panicking()).await, Err(DispatchError::Panicked { worker, .. }) if worker == WorkerId(2)));
        advance(Duration::from_millis(1_990)).await;
        assert_eq!(balancer.snapshot()[2].state, WorkerState::Ejected);
        advance(Duration::from_millis(20)).await;
        // One probe only: while it is out, the others get the jobs.
        let gate = Arc::new(Semaphore::new(0));
        let probe = start(&local, gated(&gate));
        settle().await;
        for _ in 0..20 {
            assert_ne!(local.dispatch(quick()).await.unwrap().0, WorkerId(2));
        }
        gate.add_permits(1);
        assert_eq!(probe.await.unwrap(), Ok((WorkerId(2), 2)));
        assert_eq!(balancer.snapshot()[2].state, WorkerState::Ready);
        assert_eq!(balancer.ready_count(), 4);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn there_is_always_a_worker_however_many_jobs_panic() {
    for workers in [1, 2, 3, 4] {
        on_thread(one_thread(workers), async |balancer, local| {
            for _ in 0..200 {
                assert!(matches!(local.dispatch(panicking()).await, Err(DispatchError::Panicked { .. })));
                assert!(balancer.ready_count() >= 1, "of {workers}");
                assert!(local.dispatch(quick()).await.is_ok(), "of {workers}");
            }
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn panics_beside_hanging_jobs_do_not_pile_up_incarnations() {
    on_thread(one_thread(1), async |balancer, local| {
        let mut stuck = Vec::new();
        for _ in 0..50 {
            stuck.push(start(&local, hang()));
            settle().await;
            assert!(local.dispatch(panicking()).await.is_err());
        }
        let worker = balancer.snapshot().remove(0);
        assert_eq!((worker.in_flight, worker.panics), (50, 50));
        assert!(worker.incarnation <= 10, "{worker:?}");
        assert_eq!(balancer.ready_count(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn shutdown_refuses_new_jobs_and_waits_for_those_in_flight() {
    on_thread(one_thread(2), async |balancer, local| {
        let gate = Arc::new(Semaphore::new(0));
        let held: Vec<_> = (0..5).map(|_| start(&local, gated(&gate))).collect();
        settle().await;
        let stopping = spawn_local({
            let balancer = balancer.clone();
            async move { balancer.shutdown(Duration::from_secs(10)).await }
        });
        settle().await;
        assert_eq!(local.dispatch(quick()).await, Err(DispatchError::Draining));
        assert_eq!(balancer.ready_count(), 0);
        assert!(!stopping.is_finished());
        gate.add_permits(5);
        for answer in join_all(held).await {
            assert!(answer.unwrap().is_ok());
        }
        assert_eq!(stopping.await.unwrap(), Shutdown { cut: 0 });
        assert!(balancer.snapshot().iter().all(|worker| worker.state == WorkerState::Stopped));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn shutdown_cuts_what_outlasts_the_grace_and_tells_the_callers() {
    on_thread(one_thread(2), async |balancer, local| {
        let stuck: Vec<_> = (0..3).map(|_| start(&local, hang())).collect();
        settle().await;
        let began = Instant::now();
        assert_eq!(balancer.shutdown(Duration::from_secs(2)).await, Shutdown { cut: 3 });
        assert!(began.elapsed() < Duration::from_millis(2_300));
        for answer in join_all(stuck).await {
            assert_eq!(answer.unwrap(), Err(DispatchError::Draining));
        }
        assert_eq!(local.dispatch(quick()).await, Err(DispatchError::Draining));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_waits_for_a_place_learns_of_the_shutdown() {
    on_thread(tight(), async |balancer, local| {
        let _stuck: Vec<_> = (0..6).map(|_| start(&local, hang())).collect();
        settle().await;
        let waiting = start(&local, quick());
        settle().await;
        let (_, answer) = futures_util::join!(balancer.shutdown(Duration::from_secs(1)), waiting);
        assert_eq!(answer.unwrap(), Err(DispatchError::Draining));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_drained_worker_is_never_picked_and_keeps_its_jobs() {
    on_thread(one_thread(3), async |balancer, local| {
        let gate = Arc::new(Semaphore::new(0));
        let held: Vec<_> = (0..30).map(|_| start(&local, gated(&gate))).collect();
        settle().await;
        let grace = Duration::from_millis(50);
        let err = balancer.drain(WorkerId(1), grace).await.unwrap_err();
        assert!(matches!(err, ControlError::StillBusy { worker: WorkerId(1), n_jobs: 1.., .. }), "{err:?}");
        assert_eq!(balancer.snapshot()[1].state, WorkerState::Draining);
        for _ in 0..200 {
            assert_ne!(local.dispatch(quick()).await.unwrap().0, WorkerId(1));
        }
        gate.add_permits(30);
        assert!(join_all(held).await.into_iter().all(|answer| answer.unwrap().is_ok()));
        assert_eq!(balancer.drain(WorkerId(1), grace).await, Ok(()));
        assert_eq!(balancer.snapshot()[1].state, WorkerState::Stopped);

        balancer.enable(WorkerId(1), grace).await.unwrap();
        assert_eq!(balancer.snapshot()[1].state, WorkerState::Ready, "it answers when that is so");
        let picked = join_all((0..60).map(|_| local.dispatch(quick()))).await;
        assert!(picked.into_iter().any(|answer| answer.unwrap().0 == WorkerId(1)));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_last_worker_cannot_be_drained_nor_one_that_is_not_there() {
    on_thread(one_thread(2), async |balancer, local| {
        let grace = Duration::from_secs(1);
        assert_eq!(balancer.drain(WorkerId(7), grace).await, Err(ControlError::NoSuchWorker(WorkerId(7))));
        assert_eq!(balancer.enable(WorkerId(7), grace).await, Err(ControlError::NoSuchWorker(WorkerId(7))));
        assert_eq!(balancer.drain(WorkerId(0), grace).await, Ok(()));
        assert_eq!(balancer.drain(WorkerId(1), grace).await, Err(ControlError::LastWorker(WorkerId(1))));
        assert!(local.dispatch(quick()).await.is_ok());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_restarted_worker_keeps_its_number_and_its_jobs() {
    on_thread(one_thread(2), async |balancer, local| {
        let (gate, grace) = (Arc::new(Semaphore::new(0)), Duration::from_millis(50));
        let held: Vec<_> = (0..20).map(|_| start(&local, gated(&gate))).collect();
        settle().await;
        let err = balancer.restart(WorkerId(1), grace).await.unwrap_err();
        assert!(matches!(err, ControlError::StillBusy { worker: WorkerId(1), n_jobs: 1.., .. }), "{err:?}");
        let one = balancer.snapshot().swap_remove(1);
        assert_eq!((one.id, one.incarnation, one.state), (WorkerId(1), 2, WorkerState::Ready));
        gate.add_permits(20);
        assert!(join_all(held).await.into_iter().all(|answer| answer.unwrap().is_ok()));
        assert_eq!(balancer.restart(WorkerId(1), grace).await, Ok(()));
        assert_eq!(balancer.snapshot()[1].incarnation, 3);
        assert_eq!(balancer.restart(WorkerId(2), grace).await, Err(ControlError::NoSuchWorker(WorkerId(2))));
        balancer.drain(WorkerId(1), grace).await.unwrap();
        assert_eq!(balancer.restart(WorkerId(1), grace).await, Err(ControlError::Drained(WorkerId(1))));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn scaling_answers_when_the_number_is_reached_and_loses_no_job() {
    on_thread(one_thread(1), async |balancer, local| {
        let (gate, grace) = (Arc::new(Semaphore::new(0)), Duration::from_millis(50));
        assert_eq!(balancer.scale(16, grace).await, Ok(()));
        assert_eq!(balancer.ready_count(), 16);
        let held: Vec<_> = (0..64).map(|_| start(&local, gated(&gate))).collect();
        settle().await;
        let err = balancer.scale(2, grace).await.unwrap_err();
        assert!(matches!(err, ControlError::StillBusy { n_jobs: 1.., .. }), "{err:?}");
        gate.add_permits(64);
        assert!(join_all(held).await.into_iter().all(|answer| answer.unwrap().is_ok()));
        assert_eq!((balancer.scale(2, grace).await, balancer.ready_count()), (Ok(()), 2));
        for n_workers in [0, WORKERS_MAX + 1] {
            assert_eq!(balancer.scale(n_workers, grace).await, Err(ControlError::Count(n_workers)));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn workers_change_in_number_without_losing_a_job() {
    on_thread(one_thread(1), async |balancer, local| {
        let gate = Arc::new(Semaphore::new(0));
        let mut jobs: Vec<JoinHandle<Answer>> = Vec::new();
        for workers in [1, 16, 2, 5] {
            balancer.apply(one_thread(workers)).unwrap();
            jobs.extend((0..40).map(|_| start(&local, gated(&gate))));
            settle().await;
            assert_eq!(balancer.ready_count(), workers);
            assert_eq!(balancer.worker_count(), workers);
            jobs.extend((0..40).map(|_| start(&local, gated(&gate))));
        }
        settle().await;
        gate.add_permits(jobs.len());
        for answer in join_all(jobs).await {
            assert!(answer.unwrap().is_ok());
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn new_bounds_apply_at_run_time_and_another_thread_count_is_refused() {
    on_thread(one_thread(2), async |balancer, local| {
        let gate = Arc::new(Semaphore::new(0));
        let held: Vec<_> = (0..10).map(|_| start(&local, gated(&gate))).collect();
        settle().await;
        balancer.apply(Config { deadline: Duration::from_secs(1), ..one_thread(2) }).unwrap();
        settle().await;
        let err = local.dispatch(hang()).await.unwrap_err();
        assert!(matches!(err, DispatchError::Deadline { after, .. } if after == Duration::from_secs(1)));
        gate.add_permits(10);
        assert!(join_all(held).await.into_iter().all(|answer| answer.unwrap().is_ok()));
        let other = Config { http_threads: 2, ..one_thread(2) };
        assert_eq!(balancer.apply(other), Err(ControlError::HttpThreads { from: 1, to: 2 }));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn joining_twice_gives_the_same_workers() {
    on_thread(one_thread(3), async |balancer, local| {
        let again = balancer.join_thread();
        let (_, _) = (local.dispatch(quick()).await.unwrap(), again.dispatch(quick()).await.unwrap());
        assert!(balancer.snapshot().iter().all(|worker| worker.incarnation == 1));
        assert_eq!(balancer.ready_count(), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_thread_that_comes_in_place_of_a_dead_one_gets_its_workers() {
    let balancer = balancer(one_thread(3));
    let lost = {
        let tasks = LocalSet::new();
        let local = tasks.run_until(async { balancer.join_thread() }).await;
        let lost = tasks.spawn_local({
            let local = local.clone();
            async move { local.dispatch(hang()).await }
        });
        tasks.run_until(settle()).await;
        assert_eq!(in_flight(&balancer), 1);
        drop(local);
        lost
    };
    assert!(lost.await.unwrap_err().is_cancelled());
    assert_eq!(balancer.ready_count(), 0);
    assert!(balancer.snapshot().iter().all(|worker| worker.state == WorkerState::Stopped));

    let tasks = LocalSet::new();
    tasks
        .run_until(async {
            let local = balancer.join_thread();
            assert!(local.dispatch(quick()).await.is_ok());
            assert!(balancer.snapshot().iter().all(|worker| worker.incarnation == 2));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_job_of_no_thread_goes_to_the_least_loaded_or_is_refused_at_once() {
    on_thread(tight(), async |balancer, local| {
        settle().await;
        let _stuck: Vec<_> = (0..5).map(|_| start(&local, hang())).collect();
        settle().await;
        let free = balancer.snapshot().into_iter().find(|worker| worker.in_flight < 3).unwrap();
        assert_eq!(balancer.dispatch(quick()).await, Ok((free.id, 1)));
        let _last = start(&local, hang());
        settle().await;
        let began = Instant::now();
        assert!(matches!(balancer.dispatch(quick()).await, Err(DispatchError::Overloaded { .. })));
        assert_eq!(began.elapsed(), Duration::ZERO);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn scaling_that_is_overtaken_says_so_at_once() {
    on_thread(one_thread(4), async |balancer, local| {
        settle().await;
        let _stuck: Vec<_> = (0..8).map(|_| start(&local, hang())).collect();
        settle().await;
        let scaled = balancer.clone();
        let scaled = spawn_local(async move { scaled.scale(1, Duration::from_secs(60)).await });
        settle().await;
        let began = Instant::now();
        balancer.apply(one_thread(3)).unwrap();
        assert_eq!(scaled.await.unwrap(), Err(ControlError::Superseded { n_wanted: 3 }));
        assert_eq!(began.elapsed(), Duration::ZERO);
    })
    .await;
}
