//! Export by OTLP/HTTP with protobuf: one thread for each signal that is on.
//!
//! A far end that is down, slow or full costs its own thread's time and at most a few
//! megabytes; callers never wait for it. Each change between up and down is logged once.

mod batch;
mod control;
mod courier;
mod encode;
mod health;
mod metrics;
mod queue;
mod spans;
#[cfg(test)]
mod tests;
mod tls;
mod worker;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use self::batch::{BATCH_DELAY, BatchExporter, Encode, PATIENCE};
use self::control::{Control, Phase};
use self::courier::{Courier, Order};
pub use self::health::ExportState;
use self::health::Health;
use self::queue::{Queue, Queued};
pub use self::tls::CertificateError;
use self::worker::{Starting, Worker, replace};
use super::config::{Otlp, Signal, Target};
use super::pipeline::Pipeline;
use super::spans::Recorder;
use crate::clock::Clock;
use crate::record::{LogRecord, Span};

/// An exporter that could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The operating system gave no thread.
    #[error("start the thread that exports {signal}")]
    Thread {
        /// What it would have exported.
        signal: Signal,
        /// What the system said.
        source: std::io::Error,
    },
    /// The SDK refused the target.
    #[error("export metrics to {url}")]
    Target {
        /// The address.
        url: String,
        /// What the SDK said.
        source: opentelemetry_otlp::ExporterBuildError,
    },
    /// A certificate or key cannot be used.
    #[error("export {signal}")]
    Certificate {
        /// What it would have protected.
        signal: Signal,
        /// Which file, and why.
        source: CertificateError,
    },
}

/// A signal whose records wait in a queue.
struct Queuing<T> {
    queue: Arc<Queue<T>>,
    encode: Encode<T>,
    health: Arc<Health>,
    is_on: AtomicBool,
}

impl<T: Queued> Queuing<T> {
    fn new(signal: Signal, encode: Encode<T>, clock: Clock) -> Self {
        let health = Arc::new(Health::new(signal, clock));
        Queuing { queue: Arc::default(), encode, health, is_on: AtomicBool::new(false) }
    }

    fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Adds copies of the records while there is room; true when a batch is complete.
    fn push(&self, records: &[T]) -> bool {
        if !self.is_on() {
            return false;
        }
        let (n_dropped, is_batch_complete) = self.queue.push(records);
        self.health.drop_records(n_dropped);
        is_batch_complete
    }

    fn switch(&self, is_on: bool) {
        self.is_on.store(is_on, Ordering::Relaxed);
        if is_on {
            self.queue.open();
        } else {
            // The old thread may still hold a batch: the closed queue does not take it back.
            self.health.drop_records(self.queue.close());
        }
    }
}

/// All exporters.
pub(super) struct Exporters {
    pipeline: Arc<Pipeline>,
    resource: Arc<[(String, String)]>,
    clock: Clock,
    recorder: Arc<Recorder>,
    metrics_health: Arc<Health>,
    logs: Queuing<LogRecord>,
    spans: Queuing<Span>,
    /// Held by a reload and by the stop, which do not happen on a request.
    workers: Mutex<Workers>,
}

#[derive(Default)]
struct Workers([Option<Worker>; Signal::ALL.len()]);

impl Workers {
    fn of(&self, signal: Signal) -> &Option<Worker> {
        &self.0[signal as usize]
    }
}

impl Exporters {
    /// Prepares exporters that are off until [`Exporters::apply`].
    pub(super) fn new(
        pipeline: Arc<Pipeline>,
        resource: Vec<(String, String)>,
        recorder: Arc<Recorder>,
        clock: Clock,
    ) -> Self {
        Exporters {
            pipeline,
            resource: resource.into(),
            recorder,
            metrics_health: Arc::new(Health::new(Signal::Metrics, clock.clone())),
            logs: Queuing::new(Signal::Logs, encode::encode, clock.clone()),
            spans: Queuing::new(Signal::Traces, spans::encode, clock.clone()),
            clock,
            workers: Mutex::default(),
        }
    }

    pub(super) fn is_exporting_logs(&self) -> bool {
        self.logs.is_on()
    }

    pub(super) fn export_logs(&self, records: &[LogRecord]) {
        let is_batch_complete = self.logs.push(records);
        self.nudge(Signal::Logs, is_batch_complete);
    }

    pub(super) fn export_spans(&self, spans: &[Span]) {
        let is_batch_complete = self.spans.push(spans);
        self.nudge(Signal::Traces, is_batch_complete);
    }

    /// During a reload the nudge is left out: the thread looks by itself after a second.
    fn nudge(&self, signal: Signal, is_batch_complete: bool) {
        if is_batch_complete && let Ok(workers) = self.workers.try_lock() {
            workers.of(signal).iter().for_each(|worker| worker.control.nudge());
        }
    }

    fn health(&self, signal: Signal) -> &Arc<Health> {
        match signal {
            Signal::Metrics => &self.metrics_health,
            Signal::Logs => &self.logs.health,
            Signal::Traces => &self.spans.health,
        }
    }

    fn workers(&self) -> MutexGuard<'_, Workers> {
        self.workers.lock().expect("no panic while the workers are held")
    }

    /// Starts, replaces or retires the thread of each signal whose settings changed. The
    /// new threads are up before an old one is told, so a failure changes nothing.
    pub(super) fn apply(&self, otlp: &Otlp) -> Result<(), ExportError> {
        let mut workers = self.workers();
        let mut prepared = Vec::new();
        for signal in Signal::ALL {
            prepared.push((signal, self.prepare(workers.of(signal), otlp, signal)?));
        }
        self.logs.switch(otlp.target(Signal::Logs).is_some());
        self.spans.switch(otlp.target(Signal::Traces).is_some());
        for (signal, starting) in prepared {
            if let Some(starting) = starting {
                replace(&mut workers.0[signal as usize], starting, self.health(signal));
            }
        }
        Ok(())
    }

    /// Returns `None` when nothing changes, `Some(None)` when the signal goes off.
    fn prepare(
        &self,
        present: &Option<Worker>,
        otlp: &Otlp,
        signal: Signal,
    ) -> Result<Option<Option<Starting>>, ExportError> {
        let Some(target) = otlp.target(signal) else {
            return Ok(present.is_some().then_some(None));
        };
        let interval = match signal {
            Signal::Metrics => otlp.metric_interval,
            Signal::Logs | Signal::Traces => BATCH_DELAY,
        };
        // A certificate may have been renewed in its file, which only a new client reads.
        let is_same = present.as_ref().is_some_and(|worker| worker.is_up_with(&target, interval));
        if is_same && !target.has_certificates() {
            return Ok(None);
        }
        self.start(signal, target, interval).map(Some).map(Some)
    }

    fn start(&self, signal: Signal, target: Target, interval: Duration) -> Result<Starting, ExportError> {
        let control = Arc::new(Control::new());
        let patience = match signal {
            // Whatever is newer says all that the older one said.
            Signal::Metrics => interval,
            Signal::Logs | Signal::Traces => PATIENCE,
        };
        let courier = Courier::new(Order {
            signal,
            target: target.clone(),
            patience,
            control: control.clone(),
            health: self.health(signal).clone(),
            recorder: self.recorder.clone(),
            clock: self.clock.clone(),
        })
        .map_err(|source| ExportError::Certificate { signal, source })?;
        let job: Box<dyn FnOnce() + Send> = match signal {
            Signal::Metrics => {
                let exporter = metrics::exporter(Arc::new(courier), &target)?;
                let (pipeline, control) = (self.pipeline.clone(), control.clone());
                let (health, url) = (self.metrics_health.clone(), target.display_url().to_string());
                Box::new(move || {
                    metrics::run(&control, interval, |reading| {
                        let round = || metrics::send(&pipeline, &exporter, reading);
                        contain(&health, &url, round);
                    });
                })
            }
            Signal::Logs => self.batches(&self.logs, &target, courier, &control),
            Signal::Traces => self.batches(&self.spans, &target, courier, &control),
        };
        Starting::spawn(signal, (target, interval), control, job)
    }

    fn batches<T: Queued>(
        &self,
        queuing: &Queuing<T>,
        target: &Target,
        courier: Courier,
        control: &Arc<Control>,
    ) -> Box<dyn FnOnce() + Send> {
        let exporter = BatchExporter {
            queue: queuing.queue.clone(),
            encode: queuing.encode,
            resource: self.resource.clone(),
            clock: self.clock.clone(),
            health: queuing.health.clone(),
            control: control.clone(),
            url: target.display_url().to_string(),
            courier,
        };
        Box::new(move || exporter.run())
    }

    /// Sends what is left, without retries, and returns the signals that did not end in
    /// time; their threads end with the process.
    pub(super) fn shutdown(&self, deadline: Duration) -> Vec<Signal> {
        self.logs.is_on.store(false, Ordering::Relaxed);
        self.spans.is_on.store(false, Ordering::Relaxed);
        let until = Instant::now() + deadline;
        let workers = std::mem::take(&mut *self.workers());
        for worker in workers.0.iter().flatten() {
            worker.control.set(Phase::Flushing(until));
        }
        let is_late = |signal: &Signal| {
            let left = until.saturating_duration_since(Instant::now());
            workers.of(*signal).as_ref().is_some_and(|worker| !worker.ends_within(left))
        };
        let late = Signal::ALL.into_iter().filter(is_late).collect();
        self.logs.switch(false);
        self.spans.switch(false);
        late
    }

    pub(super) fn states(&self) -> Vec<ExportState> {
        let workers = self.workers();
        let state = |signal: Signal| {
            let worker = workers.of(signal).as_ref();
            let endpoint = worker.map(|worker| worker.target.display_url().to_string());
            let mut res = self.health(signal).state(endpoint);
            if worker.is_some_and(Worker::has_ended) {
                res.is_up = Some(false);
            }
            res
        };
        Signal::ALL.into_iter().map(state).collect()
    }

    /// Returns how many attempts arrived and failed, by signal; never waits.
    pub(super) fn attempts(&self) -> [(Signal, (u64, u64)); Signal::ALL.len()] {
        Signal::ALL.map(|signal| (signal, self.health(signal).attempts()))
    }

    /// Returns how many records of a signal will never arrive.
    pub(super) fn dropped(&self, signal: Signal) -> u64 {
        self.health(signal).dropped()
    }
}

/// A dropped handle retires its threads; what waits is sent only by a shutdown.
impl Drop for Exporters {
    fn drop(&mut self) {
        if let Ok(workers) = self.workers.get_mut() {
            for worker in workers.0.iter().flatten() {
                worker.control.set(Phase::Retired);
            }
        }
    }
}

/// Runs one round of an exporter. A panic costs what this round would have sent and is
/// noted as a failure like any other: the thread goes on with the next round, after its
/// usual pause or with the next batch, so a broken one cannot spin.
fn contain<T>(health: &Health, url: &str, round: impl FnOnce() -> T) -> Option<T> {
    let outcome = catch_unwind(AssertUnwindSafe(round)).ok();
    if outcome.is_none() {
        health.failed(url, "a panic in the exporter");
    }
    outcome
}
