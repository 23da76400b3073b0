//! Telemetry: everything that OpenTelemetry and `tracing` need, behind one handle.
//!
//! It gives the other parts a [`Meter`] to make their instruments with, turns `tracing`
//! events into log records, reads all instruments as points by the names that Prometheus
//! would give them, and exports metrics, logs and traces by OTLP when an endpoint is set.
//!
//! It promises that nothing it does fails, slows or blocks its callers: every queue is
//! bounded and counts what it drops. It refuses to know the store, the pages and HTTP:
//! records and readings are handed to whoever asks.

mod capture;
pub mod config;
mod contain;
mod environment;
mod host;
mod otlp;
mod pipeline;
mod process;
mod spans;
mod subscriber;
#[cfg(test)]
mod tests;
mod translate;

use std::io::IsTerminal;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;
use tracing::Dispatch;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use self::capture::Capture;
pub use self::config::{Config, Fault, Signal};
pub use self::environment::Lookup;
use self::otlp::Exporters;
pub use self::otlp::{CertificateError, ExportError, ExportState};
use self::pipeline::Pipeline;
pub use self::spans::Made;
use self::spans::{Operations, Recorder};
pub use self::subscriber::LevelError;
use self::subscriber::{LevelControl, Terminal};
use crate::clock::Clock;
use crate::record::names::{self, keys};
use crate::record::ring::{self, Receiver};
use crate::record::{LogRecord, Metadata, Scrape, Span};

/// Lines of our own that may wait for the writer, which comes every 100 ms: ten thousand
/// a second before one is dropped.
const RING_RECORDS: usize = 1_024;

/// Spans of operations and exports that may wait for it: there are a few a minute.
const RING_SPANS: usize = 256;

/// Who this process is, the same in the store, on `/metrics` and through OTLP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The `instance` label and `service.instance.id`; stable over restarts.
    pub instance_id: String,
    /// The version of the binary.
    pub version: String,
    /// The release that the binary was shipped as, `""` when it was not.
    pub release: String,
}

/// Telemetry that could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The log level cannot be used.
    #[error("log_level")]
    Level(#[from] LevelError),
    /// An exporter could not be started.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// Something else in this process took the place.
    #[error("install the tracing subscriber: there is one already")]
    SubscriberTaken,
}

/// Settings that could not be applied; the old ones stay in force.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The log level cannot be used.
    #[error("log_level")]
    Level(#[from] LevelError),
    /// An exporter could not be started.
    #[error(transparent)]
    Export(#[from] ExportError),
}

/// Exporters that had not ended when the time was over.
#[derive(Debug, thiserror::Error)]
#[error("export what is left of {signals:?} within {deadline:?}")]
pub struct ShutdownError {
    /// Whose records may be lost.
    pub signals: Vec<Signal>,
    /// The time that was given.
    pub deadline: Duration,
}

/// One reading of all instruments.
#[derive(Clone, Debug)]
pub struct Collected {
    /// The points, each series once.
    pub scrape: Scrape,
    /// What is known about their metrics.
    pub metadata: Vec<Metadata>,
}

/// The running telemetry.
pub struct Telemetry {
    level: LevelControl,
    pipeline: Arc<Pipeline>,
    exporters: Arc<Exporters>,
    recorder: Arc<Recorder>,
    made: Receiver<Made>,
    /// Held to add a counter or to read them all; never on the request path.
    drops: Arc<Mutex<Vec<DropSource>>>,
}

/// A counter of dropped records that someone else keeps.
struct DropSource {
    labels: [KeyValue; 2],
    read: Box<dyn Fn() -> u64 + Send + Sync>,
}

impl Telemetry {
    /// Starts everything and installs the global `tracing` subscriber; once per process.
    ///
    /// The receiver yields our own log lines. Whoever drains it should also hand them to
    /// [`Telemetry::export_logs`].
    pub fn start(
        config: Config,
        identity: Identity,
        clock: Clock,
    ) -> Result<(Telemetry, Receiver<LogRecord>), StartError> {
        let (telemetry, records, dispatch) = Telemetry::assemble(config, identity, clock)?;
        tracing::dispatcher::set_global_default(dispatch).map_err(|_| StartError::SubscriberTaken)?;
        Ok((telemetry, records))
    }

    /// Like [`Telemetry::start`], but leaves the subscriber to the caller: several can
    /// live in one process, each for its own thread.
    pub fn assemble(
        config: Config,
        identity: Identity,
        clock: Clock,
    ) -> Result<(Telemetry, Receiver<LogRecord>, Dispatch), StartError> {
        let terminal = Terminal {
            writer: BoxMakeWriter::new(std::io::stderr),
            is_coloured: std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        };
        Telemetry::assemble_for(terminal, config, identity, clock)
    }

    fn assemble_for(
        terminal: Terminal,
        config: Config,
        identity: Identity,
        clock: Clock,
    ) -> Result<(Telemetry, Receiver<LogRecord>, Dispatch), StartError> {
        let (sender, records) = ring::ring(RING_RECORDS);
        let capture = Capture::new(sender.clone(), clock.clone());
        let guard = capture.guard();
        let (made_here, made) = ring::ring(RING_SPANS);
        let operations = Operations(made_here.clone());
        let (dispatch, level) =
            subscriber::build(&config.log_level, capture, operations, terminal, clock.clone())?;
        let recorder = Arc::new(Recorder::new(made_here.clone(), &config.traces));
        let pipeline = Arc::new(Pipeline::new(&config.otlp, &identity, clock.clone()));
        let resource = pipeline::attributes(&config.otlp, &identity);
        let exporters = Arc::new(Exporters::new(pipeline.clone(), resource, recorder.clone(), clock));
        let telemetry = Telemetry { level, pipeline, exporters, recorder, made, drops: Arc::default() };
        telemetry.count_drops(Signal::Logs, "app_ring", move || sender.dropped());
        telemetry.count_drops(Signal::Logs, "feedback_guard", move || guard.refused());
        telemetry.count_drops(Signal::Traces, "operations_ring", move || made_here.dropped());
        for signal in [Signal::Logs, Signal::Traces] {
            let exporters = Arc::downgrade(&telemetry.exporters);
            telemetry.count_drops(signal, "otlp_queue", move || {
                exporters.upgrade().map_or(0, |exporters| exporters.dropped(signal))
            });
        }
        telemetry.register_own_instruments();
        // The lines of the exporters' start belong to this subscriber, global or not.
        tracing::dispatcher::with_default(&dispatch, || telemetry.exporters.apply(&config.otlp))?;
        Ok((telemetry, records, dispatch))
    }

    /// Returns the meter that every part makes its instruments with.
    pub fn meter(&self) -> Meter {
        self.pipeline.meter()
    }

    /// Reads all instruments. It reads `/proc` too, so it belongs on a thread that may
    /// block for a millisecond.
    pub fn collect(&self) -> Collected {
        self.pipeline.collect()
    }

    /// Measures the space of the file system that holds this folder, too.
    pub fn watch_file_system(&self, dir: &Path) {
        self.pipeline.watch_file_system(dir);
    }

    /// Adds a counter of dropped records to `vitrine.telemetry.dropped`; `queue` names
    /// where they were dropped. The counter must not wait for anything.
    pub fn count_drops(
        &self,
        signal: Signal,
        queue: &'static str,
        read: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        let labels = [KeyValue::new(keys::SIGNAL, signal.as_str()), KeyValue::new(keys::REASON, queue)];
        let source = DropSource { labels, read: Box::new(read) };
        // A counter that panicked has changed nothing here.
        self.drops.lock().unwrap_or_else(PoisonError::into_inner).push(source);
    }

    fn register_own_instruments(&self) {
        let (dropped, exports) = (names::TELEMETRY_DROPPED, names::OTLP_EXPORTS);
        let sources = self.drops.clone();
        self.meter()
            .u64_observable_counter(dropped.name)
            .with_unit(dropped.unit)
            .with_description(dropped.help)
            .with_callback(move |observer| {
                for source in sources.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                    observer.observe((source.read)(), &source.labels);
                }
            })
            .build();
        let exporters = Arc::downgrade(&self.exporters);
        self.meter()
            .u64_observable_counter(exports.name)
            .with_unit(exports.unit)
            .with_description(exports.help)
            .with_callback(move |observer| {
                let Some(exporters) = exporters.upgrade() else { return };
                for (signal, (succeeded, failed)) in exporters.attempts() {
                    for (outcome, count) in [("success", succeeded), ("failure", failed)] {
                        let signal = KeyValue::new(keys::SIGNAL, signal.as_str());
                        observer.observe(count, &[signal, KeyValue::new(keys::OUTCOME, outcome)]);
                    }
                }
            })
            .build();
    }

    /// Queues copies of the records for export, when that is on. Never waits: what has no
    /// room is dropped and counted.
    pub fn export_logs(&self, records: &[LogRecord]) {
        self.exporters.export_logs(records);
    }

    /// Like [`Telemetry::export_logs`], for spans.
    pub fn export_spans(&self, spans: &[Span]) {
        self.exporters.export_spans(spans);
    }

    /// Takes the spans of operations and exports that ended, at most `n_max`.
    pub fn take_spans(&self, n_max: usize) -> impl Iterator<Item = Made> + '_ {
        self.made.drain(n_max)
    }

    /// Returns how long a request may take before its span is kept, sampled or not.
    pub fn slow(&self) -> Duration {
        self.recorder.slow()
    }

    /// Returns true when [`Telemetry::export_logs`] does anything.
    pub fn is_exporting_logs(&self) -> bool {
        self.exporters.is_exporting_logs()
    }

    /// Returns how the export of each signal goes.
    pub fn export_states(&self) -> Vec<ExportState> {
        self.exporters.states()
    }

    /// Returns what is logged now.
    pub fn log_level(&self) -> String {
        self.level.get()
    }

    /// Changes what is logged, until [`Telemetry::apply`] says otherwise.
    pub fn set_log_level(&self, level: &str) -> Result<(), LevelError> {
        self.level.set(level)
    }

    /// Takes over new settings: the log level, and where signals are exported to. What
    /// needs a restart (`resource_attributes`) is left as it was.
    pub fn apply(&self, config: &Config) -> Result<(), ApplyError> {
        // Checked first, because starting exporters cannot be undone.
        subscriber::parse_level(&config.log_level)?;
        self.exporters.apply(&config.otlp)?;
        self.recorder.apply(&config.traces);
        Ok(self.level.set(&config.log_level)?)
    }

    /// Exports what is left, without retries, and ends the exporters. Blocks up to
    /// `deadline`; call it after the last record was handed over.
    pub fn shutdown(&self, deadline: Duration) -> Result<(), ShutdownError> {
        match self.exporters.shutdown(deadline) {
            signals if signals.is_empty() => Ok(()),
            signals => Err(ShutdownError { signals, deadline }),
        }
    }
}
