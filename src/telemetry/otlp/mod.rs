//! Export by OTLP/HTTP with protobuf: one thread for each signal that is on.
//!
//! A far end that is down, slow or full costs its own thread's time and at most a few
//! megabytes; callers never wait for it. Each change between up and down is logged once.

mod control;
mod courier;
mod encode;
mod health;
mod queue;
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use opentelemetry_otlp::{MetricExporter, Protocol, RetryPolicy, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;

use self::control::{Control, Phase};
use self::courier::{Courier, NotDelivered, SdkClient};
pub use self::health::ExportState;
use self::health::Health;
use self::queue::Queue;
use super::config::{Compression, Otlp, Signal, Target};
use super::pipeline::Pipeline;
use crate::clock::Clock;
use crate::record::LogRecord;

/// A record waits no longer than this for others to travel with, as the OpenTelemetry
/// batch processor does.
const BATCH_DELAY: Duration = Duration::from_secs(1);

/// How long one batch of log records is tried: a restart or upgrade of a collector takes
/// less. Then the next batch is tried, so one that the far end cannot digest is no dam.
const LOG_PATIENCE: Duration = Duration::from_secs(300);

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
}

/// A thread that exports one signal.
struct Worker {
    target: Target,
    interval: Duration,
    control: Arc<Control>,
    /// Closed by the thread when it ends.
    ended: Receiver<()>,
}

impl Worker {
    fn has_ended(&self) -> bool {
        self.ended.try_recv() == Err(TryRecvError::Disconnected)
    }

    fn is_up_with(&self, target: &Target, interval: Duration) -> bool {
        self.target == *target && self.interval == interval && !self.has_ended()
    }
}

/// Both exporters.
pub(super) struct Exporters {
    pipeline: Arc<Pipeline>,
    queue: Arc<Queue>,
    resource: Arc<[(String, String)]>,
    clock: Clock,
    metrics_health: Arc<Health>,
    logs_health: Arc<Health>,
    is_exporting_logs: AtomicBool,
    /// Held by a reload and by the stop, which do not happen on a request.
    workers: Mutex<Workers>,
}

#[derive(Default)]
struct Workers {
    metrics: Option<Worker>,
    logs: Option<Worker>,
}

impl Exporters {
    /// Prepares exporters that are off until [`Exporters::apply`].
    pub(super) fn new(pipeline: Arc<Pipeline>, resource: Vec<(String, String)>, clock: Clock) -> Self {
        Exporters {
            pipeline,
            queue: Arc::default(),
            resource: resource.into(),
            metrics_health: Arc::new(Health::new(Signal::Metrics, clock.clone())),
            logs_health: Arc::new(Health::new(Signal::Logs, clock.clone())),
            clock,
            is_exporting_logs: AtomicBool::new(false),
            workers: Mutex::default(),
        }
    }

    pub(super) fn is_exporting_logs(&self) -> bool {
        self.is_exporting_logs.load(Ordering::Relaxed)
    }

    pub(super) fn export_logs(&self, records: &[LogRecord]) {
        if !self.is_exporting_logs() {
            return;
        }
        let (n_dropped, is_batch_complete) = self.queue.push(records);
        if n_dropped > 0 {
            self.logs_health.drop_records(n_dropped);
        }
        // During a reload the nudge is left out: the thread looks by itself after a second.
        if is_batch_complete && let Ok(workers) = self.workers.try_lock() {
            workers.logs.iter().for_each(|worker| worker.control.nudge());
        }
    }

    /// Starts, replaces or retires the thread of each signal whose settings changed. The
    /// new threads are up before an old one is told, so a failure changes nothing.
    pub(super) fn apply(&self, otlp: &Otlp) -> Result<(), ExportError> {
        let mut workers = self.workers.lock().expect("no panic while the workers are held");
        let metrics = self.prepare(&workers.metrics, otlp, Signal::Metrics)?;
        let logs = self.prepare(&workers.logs, otlp, Signal::Logs)?;
        let is_exporting_logs = otlp.target(Signal::Logs).is_some();
        self.is_exporting_logs.store(is_exporting_logs, Ordering::Relaxed);
        if is_exporting_logs {
            self.queue.open();
        } else {
            // The old thread may still hold a batch: the closed queue does not take it back.
            self.logs_health.drop_records(self.queue.close());
        }
        if let Some(starting) = metrics {
            replace(&mut workers.metrics, starting, &self.metrics_health);
        }
        if let Some(starting) = logs {
            replace(&mut workers.logs, starting, &self.logs_health);
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
            Signal::Logs => BATCH_DELAY,
        };
        if present.as_ref().is_some_and(|worker| worker.is_up_with(&target, interval)) {
            return Ok(None);
        }
        self.start(signal, target, interval).map(Some).map(Some)
    }

    fn start(&self, signal: Signal, target: Target, interval: Duration) -> Result<Starting, ExportError> {
        let control = Arc::new(Control::new());
        let (health, patience) = match signal {
            // Whatever is newer says all that the older one said.
            Signal::Metrics => (&self.metrics_health, interval),
            Signal::Logs => (&self.logs_health, LOG_PATIENCE),
        };
        let courier =
            Courier::new(target.clone(), patience, control.clone(), health.clone(), self.clock.clone());
        let job: Box<dyn FnOnce() + Send> = match signal {
            Signal::Metrics => {
                let exporter = metric_exporter(Arc::new(courier), &target)?;
                let (pipeline, control) = (self.pipeline.clone(), control.clone());
                let (health, url) = (health.clone(), target.display_url().to_string());
                Box::new(move || {
                    export_metrics(&control, interval, |reading| {
                        let round = || send_metrics(&pipeline, &exporter, reading);
                        contain(&health, &url, round);
                    });
                })
            }
            Signal::Logs => {
                let exporter = LogExporter {
                    queue: self.queue.clone(),
                    resource: self.resource.clone(),
                    clock: self.clock.clone(),
                    health: health.clone(),
                    control: control.clone(),
                    url: target.display_url().to_string(),
                    courier,
                };
                Box::new(move || exporter.run())
            }
        };
        // A thread does not inherit the subscriber of the one that starts it.
        let dispatch = tracing::dispatcher::get_default(tracing::Dispatch::clone);
        let (go, may_go) = channel::<()>();
        let (ending, ended) = channel::<()>();
        thread::Builder::new()
            .name(format!("otlp-{signal}"))
            .spawn(move || {
                // Closed without a word when the other signal could not be started.
                if may_go.recv().is_ok() {
                    tracing::dispatcher::with_default(&dispatch, job);
                }
                drop(ending);
            })
            .map_err(|source| ExportError::Thread { signal, source })?;
        Ok(Starting { worker: Worker { target, interval, control, ended }, go })
    }

    /// Sends what is left, without retries, and returns the signals that did not end in
    /// time; their threads end with the process.
    pub(super) fn shutdown(&self, deadline: Duration) -> Vec<Signal> {
        self.is_exporting_logs.store(false, Ordering::Relaxed);
        let until = Instant::now() + deadline;
        let workers = std::mem::take(&mut *self.workers.lock().expect("no panic while the workers are held"));
        let workers = [(Signal::Metrics, workers.metrics), (Signal::Logs, workers.logs)];
        for (_, worker) in &workers {
            if let Some(worker) = worker {
                worker.control.set(Phase::Flushing(until));
            }
        }
        let mut late = Vec::new();
        for (signal, worker) in workers {
            let Some(worker) = worker else { continue };
            let left = until.saturating_duration_since(Instant::now());
            if worker.ended.recv_timeout(left) == Err(RecvTimeoutError::Timeout) {
                late.push(signal);
            }
        }
        self.logs_health.drop_records(self.queue.close());
        late
    }

    pub(super) fn states(&self) -> Vec<ExportState> {
        let workers = self.workers.lock().expect("no panic while the workers are held");
        let endpoint =
            |worker: &Option<Worker>| worker.as_ref().map(|worker| worker.target.display_url().to_string());
        let state = |health: &Health, worker: &Option<Worker>| {
            let mut res = health.state(endpoint(worker));
            if worker.as_ref().is_some_and(Worker::has_ended) {
                res.is_up = Some(false);
            }
            res
        };
        vec![state(&self.metrics_health, &workers.metrics), state(&self.logs_health, &workers.logs)]
    }

    /// Returns how many attempts arrived and failed, by signal; never waits.
    pub(super) fn attempts(&self) -> [(Signal, (u64, u64)); 2] {
        [(Signal::Metrics, self.metrics_health.attempts()), (Signal::Logs, self.logs_health.attempts())]
    }

    /// Returns how many log records will never arrive.
    pub(super) fn logs_dropped(&self) -> u64 {
        self.logs_health.dropped()
    }
}

/// A dropped handle retires its threads; what waits is sent only by a shutdown.
impl Drop for Exporters {
    fn drop(&mut self) {
        if let Ok(workers) = self.workers.get_mut() {
            for worker in workers.metrics.iter().chain(&workers.logs) {
                worker.control.set(Phase::Retired);
            }
        }
    }
}

/// A thread that is up and waits for the word.
struct Starting {
    worker: Worker,
    go: std::sync::mpsc::Sender<()>,
}

fn replace(place: &mut Option<Worker>, starting: Option<Starting>, health: &Health) {
    if let Some(old) = place.take() {
        old.control.set(Phase::Retired);
    }
    health.forget();
    *place = starting.map(|Starting { worker, go }| {
        // The thread holds the other end until it hears this.
        let _ = go.send(());
        worker
    });
}

fn metric_exporter(courier: Arc<Courier>, target: &Target) -> Result<MetricExporter, ExportError> {
    let builder = MetricExporter::builder()
        .with_http()
        .with_http_client(SdkClient(courier))
        .with_endpoint(&target.url)
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(target.timeout)
        // The courier retries: it can be told to stop, and it keeps the state.
        .with_retry_policy(RetryPolicy::disabled());
    let builder = match target.compression {
        Compression::None => builder,
        Compression::Gzip => builder.with_compression(opentelemetry_otlp::Compression::Gzip),
    };
    builder.build().map_err(|source| ExportError::Target { url: target.display_url().to_string(), source })
}

/// The thread of the metrics: reads and sends at each interval, and once more at the end.
fn export_metrics(control: &Control, interval: Duration, mut send: impl FnMut(&mut ResourceMetrics)) {
    let mut reading = ResourceMetrics::default();
    loop {
        let phase = control.pause(interval);
        if phase == Phase::Retired {
            return;
        }
        send(&mut reading);
        if matches!(phase, Phase::Flushing(_)) {
            return;
        }
    }
}

fn send_metrics(pipeline: &Pipeline, exporter: &MetricExporter, reading: &mut ResourceMetrics) {
    match pipeline.read(reading) {
        // The courier has noted the outcome; its client never waits, so one poll is all.
        Ok(()) => drop(exporter.export(reading).now_or_never()),
        Err(err) => tracing::debug!("read the instruments: {err}"),
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

/// The thread of the log records.
struct LogExporter {
    queue: Arc<Queue>,
    resource: Arc<[(String, String)]>,
    clock: Clock,
    health: Arc<Health>,
    control: Arc<Control>,
    url: String,
    courier: Courier,
}

impl LogExporter {
    fn run(&self) {
        loop {
            let phase = self.control.wait_for_work(BATCH_DELAY);
            if phase == Phase::Retired || !self.send_all() || matches!(phase, Phase::Flushing(_)) {
                return;
            }
        }
    }

    /// Sends what waits; false when other settings took over.
    fn send_all(&self) -> bool {
        loop {
            let batch = self.queue.take();
            if batch.is_empty() {
                return true;
            }
            let deliver = || {
                let body = encode::encode(&batch, &self.resource, self.clock.now());
                self.courier.deliver(&self.courier.payload(&body))
            };
            match contain(&self.health, &self.url, deliver) {
                Some(Ok(())) => {}
                Some(Err(NotDelivered::Refused | NotDelivered::TimedOut)) | None => {
                    self.health.drop_records(batch.len() as u64);
                }
                Some(Err(NotDelivered::Retired)) => {
                    self.health.drop_records(self.queue.give_back(batch));
                    return false;
                }
            }
        }
    }
}
