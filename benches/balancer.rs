//! What the balancer costs a job: processor time per job with it and without it.
//!
//! Defends "balancer + worker task against the same handler without them: CPU per request
//! at most 1.10 times". A page costs a plain handler about 14.6 µs on the machine that the
//! budget was set on, so the balancer may add 1.46 µs; this fails above that. Thread
//! processor time, not wall time, so that a busy machine does not change the figure much.

#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::join_all;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::metrics::noop::NoopMeterProvider;
use rustix::time::{ClockId, clock_gettime};
use tokio::task::{LocalSet, spawn_local, yield_now};
use vitrine::balancer::{Balancer, Config, Handler, Local};
use vitrine::clock::Clock;

/// As many callers as the page benchmark has connections.
const CALLERS: usize = 64;

/// Jobs per caller; with [`CALLERS`] about 0.2 s a round.
const JOBS: u64 = 10_000;

/// The least of the rounds counts: everything else on the machine only adds.
const ROUNDS: usize = 7;

/// One tenth of the page's 14.6 µs.
const ADDED_NS_MAX: f64 = 1_460.0;

fn cpu_ns() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

/// Returns the processor time per job of one round.
async fn round<F: Future<Output = ()> + 'static>(caller: impl Fn() -> F) -> f64 {
    let began = cpu_ns();
    for ended in join_all((0..CALLERS).map(|_| spawn_local(caller()))).await {
        ended.unwrap();
    }
    (cpu_ns() - began) / (CALLERS as f64 * JOBS as f64)
}

async fn plain(handler: Handler<u64, u64>) {
    for n in 0..JOBS {
        black_box(handler(n).await);
        // A connection lets the others have their turn between two requests.
        yield_now().await;
    }
}

async fn balanced(local: Local<u64, u64>) {
    for n in 0..JOBS {
        black_box(local.dispatch(n).await.unwrap());
    }
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let handler: Handler<u64, u64> = Arc::new(|n| async move { black_box(n) }.boxed_local());
    let mut is_within = true;
    for workers in [1, 2, 4] {
        let config = Config { workers: Some(workers), http_threads: 1, ..Config::default() };
        let meter = NoopMeterProvider::new().meter("bench");
        let balancer = Balancer::new(config, handler.clone(), Clock::system(), &meter);
        let (plain_ns, balanced_ns) = LocalSet::new().block_on(&runtime, async {
            let local = balancer.join_thread();
            let mut least = (f64::INFINITY, f64::INFINITY);
            for _ in 0..ROUNDS {
                least.0 = least.0.min(round(|| plain(handler.clone())).await);
                least.1 = least.1.min(round(|| balanced(local.clone())).await);
            }
            least
        });
        let added_ns = balanced_ns - plain_ns;
        is_within &= added_ns <= ADDED_NS_MAX;
        println!(
            "{workers} workers on a thread: plain {plain_ns:.0} ns, balanced {balanced_ns:.0} ns, \
             added {added_ns:.0} of at most {ADDED_NS_MAX:.0} ns of processor time per job"
        );
    }
    if is_within { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
