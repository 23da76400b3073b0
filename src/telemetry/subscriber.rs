//! The `tracing` subscriber: a line on the terminal and a record in the ring.
//!
//! Spans exist for operations such as a start or a reload, so that their lines share a
//! trace id; the request path makes none, because one costs more than all the rest of
//! its telemetry.

use std::fmt;
use std::sync::Mutex;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanLimits};
use tracing::{Dispatch, Metadata};
use tracing_subscriber::filter::{EnvFilter, LevelFilter, filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::{Registry, reload};

use super::capture::{self, Capture};
use super::spans::Operations;
use crate::clock::Clock;
use crate::record::names;

/// Log directives that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("must be a level (error, warn, info, debug, trace, off) or target=level pairs: {0}")]
pub struct LevelError(String);

/// Changes what is logged while the process runs.
pub(super) struct LevelControl {
    handle: reload::Handle<EnvFilter, Registry>,
    /// The directives in force; never held while the filter is swapped by someone else.
    current: Mutex<String>,
}

impl LevelControl {
    /// Returns the directives in force.
    pub(super) fn get(&self) -> String {
        self.current.lock().expect("no panic while the level is held").clone()
    }

    pub(super) fn set(&self, level: &str) -> Result<(), LevelError> {
        let mut current = self.current.lock().expect("no panic while the level is held");
        if *current == level {
            return Ok(());
        }
        self.handle.reload(parse_level(level)?).map_err(|err| LevelError(err.to_string()))?;
        *current = level.to_string();
        Ok(())
    }
}

/// Logs every start and stop of its threads, which it calls workers, at info.
const CHATTY: &[&str] = &["actix_server"];

/// Logs an error for every request that it cannot parse: a port scanner would bury all else.
const SCANNED: &str = "actix_http=off,";

/// Reads directives. What they do not name is logged from info up, and the libraries below
/// us from warn up, or less when the directives say less of everything.
pub(super) fn parse_level(level: &str) -> Result<EnvFilter, LevelError> {
    let of_everything = level.split(',').filter_map(|directive| directive.trim().parse().ok()).next_back();
    let of_libraries = of_everything.unwrap_or(LevelFilter::INFO).min(LevelFilter::WARN);
    let libraries: String =
        capture::NEVER.iter().chain(CHATTY).map(|target| format!("{target}={of_libraries},")).collect();
    EnvFilter::builder()
        .parse(format!("info,{SCANNED}{libraries}{level}"))
        .map_err(|err| LevelError(err.to_string()))
}

/// Where people read the lines.
pub(super) struct Terminal {
    pub(super) writer: BoxMakeWriter,
    pub(super) is_coloured: bool,
}

/// Joins the layers; the caller decides whether the result becomes the global subscriber.
pub(super) fn build(
    level: &str,
    capture: Capture,
    operations: Operations,
    terminal: Terminal,
    clock: Clock,
) -> Result<(Dispatch, LevelControl), LevelError> {
    let (filter, handle) = reload::Layer::new(parse_level(level)?);
    let people = tracing_subscriber::fmt::layer()
        .with_timer(LineTime(clock))
        .with_target(false)
        .with_ansi(terminal.is_coloured)
        // It would report a broken terminal with `eprintln!`, which panics on a closed pipe.
        .log_internal_errors(false)
        .with_writer(terminal.writer);
    let spans = tracing_opentelemetry::layer()
        .with_tracer(tracers(operations).tracer(names::SERVICE_NAME))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(filter_fn(is_own_span));
    let records = capture.with_filter(filter_fn(capture::wants));
    let subscriber = tracing_subscriber::registry().with(filter).with(spans).with(records).with(people);
    Ok((Dispatch::new(subscriber), LevelControl { handle, current: Mutex::new(level.to_string()) }))
}

fn is_own_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target().starts_with(names::SERVICE_NAME)
}

/// Makes the provider of the spans of operations: a few a day, so each is kept, and bounded
/// to little.
fn tracers(operations: Operations) -> SdkTracerProvider {
    let limits = SpanLimits {
        max_events_per_span: 8,
        max_attributes_per_span: 32,
        max_links_per_span: 8,
        ..SpanLimits::default()
    };
    SdkTracerProvider::builder()
        .with_sampler(Sampler::AlwaysOn)
        .with_span_limits(limits)
        .with_span_processor(operations)
        .build()
}

/// Writes the clock's time as RFC 3339 in UTC, to the millisecond.
struct LineTime(Clock);

impl FormatTime for LineTime {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        let now = jiff::Timestamp::from_nanosecond(i128::from(self.0.now().0)).map_err(|_| fmt::Error)?;
        write!(w, "{now:.3}")
    }
}
