//! Several http threads, in real time: each is a thread with its own runtime.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::*;

type Work = Box<dyn FnOnce(&Local<Job, u32>) + Send>;

/// An http thread of its own, which runs what it is sent.
struct HttpThread {
    work: UnboundedSender<Work>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl HttpThread {
    fn start(balancer: &Balancer<Job, u32>) -> Self {
        let (work, mut works) = unbounded_channel::<Work>();
        let (joined, is_joined) = mpsc::channel();
        let balancer = balancer.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            LocalSet::new().block_on(&runtime, async {
                let local = balancer.join_thread();
                joined.send(()).unwrap();
                while let Some(work) = works.recv().await {
                    work(&local);
                }
            });
        });
        is_joined.recv().unwrap();
        HttpThread { work, thread: Some(thread) }
    }

    /// Dispatches from this thread; the answer comes over the channel.
    fn dispatch(&self, n_jobs: usize, job: impl Fn() -> Job + Send + 'static) -> mpsc::Receiver<Answer> {
        let (answer, answers) = mpsc::channel();
        let work = Box::new(move |local: &Local<Job, u32>| {
            for _ in 0..n_jobs {
                let (local, job, answer) = (local.clone(), job(), answer.clone());
                // A test that has seen enough drops the receiver.
                spawn_local(async move { answer.send(local.dispatch(job).await).ok() });
            }
        });
        assert!(self.work.send(work).is_ok());
        answers
    }

    fn stop(mut self) {
        drop(self.work);
        self.thread.take().unwrap().join().unwrap();
    }
}

#[test]
fn workers_live_on_their_threads_and_jobs_stay_there() {
    let balancer = balancer(Config { workers: Some(5), http_threads: 2, ..Config::default() });
    let threads = [HttpThread::start(&balancer), HttpThread::start(&balancer)];
    for (idx, thread) in threads.iter().enumerate() {
        for answer in thread.dispatch(100, quick).iter().take(100) {
            assert_eq!(answer.unwrap().0.0 as usize % 2, idx);
        }
    }
    assert_eq!(balancer.ready_count(), 5);
    threads.into_iter().for_each(HttpThread::stop);
    assert_eq!(balancer.ready_count(), 0);
}

#[test]
fn jobs_over_the_share_spill_to_another_thread() {
    let config = Config { workers: Some(2), http_threads: 2, spill_at: 4, ..Config::default() };
    let balancer = balancer(config);
    let threads = [HttpThread::start(&balancer), HttpThread::start(&balancer)];
    let gate = Arc::new(Semaphore::new(0));
    let n_begun = Arc::new(AtomicUsize::new(0));
    let (begun, is_begun) = mpsc::channel();
    let answers = threads[0].dispatch(20, {
        let (gate, n_begun) = (gate.clone(), n_begun.clone());
        move || {
            let (gate, n_begun, begun) = (gate.clone(), n_begun.clone(), begun.clone());
            job(move || {
                n_begun.fetch_add(1, Ordering::SeqCst);
                begun.send(()).unwrap();
                async move {
                    gate.acquire().await.unwrap().forget();
                    3
                }
            })
        }
    });
    is_begun.iter().take(20).for_each(drop);
    gate.add_permits(20);
    let mut per_worker: BTreeMap<u32, usize> = BTreeMap::new();
    for answer in answers.iter().take(20) {
        *per_worker.entry(answer.unwrap().0.0).or_default() += 1;
    }
    assert!(per_worker[&0] >= 4, "{per_worker:?}");
    assert!(per_worker[&1] >= 4, "{per_worker:?}");
    assert_eq!(balancer.0.spilled.load(Ordering::Relaxed) as usize, per_worker[&1]);
    threads.into_iter().for_each(HttpThread::stop);
}

#[test]
fn a_thread_without_workers_uses_the_others() {
    let balancer = balancer(Config { workers: Some(1), http_threads: 2, ..Config::default() });
    let threads = [HttpThread::start(&balancer), HttpThread::start(&balancer), HttpThread::start(&balancer)];
    for thread in &threads {
        for answer in thread.dispatch(50, quick).iter().take(50) {
            assert_eq!(answer, Ok((WorkerId(0), 1)));
        }
    }
    threads.into_iter().for_each(HttpThread::stop);
}

#[test]
fn a_job_whose_worker_died_before_it_was_begun_goes_to_another() {
    let config = Config { workers: Some(2), http_threads: 2, spill_at: 1, ..Config::default() };
    let balancer = balancer(config);
    let mut threads = [HttpThread::start(&balancer), HttpThread::start(&balancer)];
    // The first thread stands still, with its worker's mailbox open, until it is told to die.
    let (die, told_to_die) = mpsc::channel::<()>();
    let (stood_still, stands_still) = mpsc::channel();
    let stand_still_and_die = Box::new(move |_: &Local<Job, u32>| {
        stood_still.send(()).unwrap();
        told_to_die.recv().unwrap();
        panic!("the thread dies");
    });
    assert!(threads[0].work.send(stand_still_and_die).is_ok());
    stands_still.recv().unwrap();
    // The second one's worker is over its share of one, so that the next job spills.
    let gate = Arc::new(Semaphore::new(0));
    let held = threads[1].dispatch(1, {
        let gate = gate.clone();
        move || gated(&gate)
    });
    while in_flight(&balancer) == 0 {
        std::thread::yield_now();
    }
    let spilled = threads[1].dispatch(1, quick);
    while held_on(&balancer, WorkerId(0)) == 0 {
        std::thread::yield_now();
    }
    die.send(()).unwrap();
    let died = threads[0].thread.take().unwrap().join();
    assert!(died.is_err());
    assert_eq!(spilled.recv().unwrap(), Ok((WorkerId(1), 1)));
    assert_eq!(balancer.snapshot()[0].state, WorkerState::Stopped);
    gate.add_permits(1);
    assert_eq!(held.recv().unwrap(), Ok((WorkerId(1), 2)));
    let [_, second] = threads;
    second.stop();
}

fn held_on(balancer: &Balancer<Job, u32>, worker: WorkerId) -> usize {
    let worker = balancer.snapshot().remove(worker.0 as usize);
    worker.in_flight + worker.queue_depth
}

#[test]
fn nothing_is_lost_while_workers_panic_change_and_stop_on_two_threads() {
    let balancer = balancer(Config { workers: Some(4), http_threads: 2, spill_at: 2, ..Config::default() });
    let threads = [HttpThread::start(&balancer), HttpThread::start(&balancer)];
    let mut answers = Vec::new();
    for round in 0..40 {
        let workers = [1, 8, 2, 5][round % 4];
        balancer
            .apply(Config { workers: Some(workers), http_threads: 2, spill_at: 2, ..Config::default() })
            .unwrap();
        for thread in &threads {
            answers.push((true, thread.dispatch(30, || job(|| yield_now().map(|()| 1)))));
            answers.push((false, thread.dispatch(2, panicking)));
        }
    }
    for (succeeds, answers) in &answers {
        let n_jobs = if *succeeds { 30 } else { 2 };
        for _ in 0..n_jobs {
            let answer = answers.recv_timeout(Duration::from_secs(20)).expect("every job ends");
            match succeeds {
                true => assert!(answer.is_ok(), "{answer:?}"),
                false => assert!(matches!(answer, Err(DispatchError::Panicked { .. })), "{answer:?}"),
            }
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let shutdown = runtime.block_on(balancer.shutdown(Duration::from_secs(5)));
    assert_eq!(shutdown, Shutdown { cut: 0 });
    threads.into_iter().for_each(HttpThread::stop);
}
