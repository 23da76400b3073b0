//! Turns `tracing` events into log records.
//!
//! **No feedback.** Whatever the store writer or an exporter logs comes back to them as a
//! record, so two rules bound it whatever happens:
//!
//! 1. Libraries on that path (their targets in [`NEVER`]) are not captured at all; their
//!    warnings still reach the terminal.
//! 2. Our own parts on that path (targets in [`GUARDED`]) are captured from info up, and
//!    at most [`GUARDED_PER_MINUTE`] records a minute together; the rest is counted.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::Context as OtelContext;
use opentelemetry::trace::TraceContextExt;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::clock::Clock;
use crate::record::access::{AUDIT_TARGET, JOB_APP, cut, own_stream};
use crate::record::ring::Sender;
use crate::record::trace::TraceContext;
use crate::record::{LogRecord, Severity};

/// Libraries that the store writer or an exporter runs through; prefixes of targets.
pub(super) const NEVER: &[&str] = &["hyper", "h2", "ureq", "rustls", "opentelemetry", "sled", "marble"];

/// Our own parts on the path that a record takes after it was captured.
const GUARDED: &[&str] = &["vitrine::store", "vitrine::telemetry"];

/// One a second: room for each state change, and nothing beside the budget of the store.
pub(super) const GUARDED_PER_MINUTE: u64 = 60;

/// A longer line is cut: nothing that we write ourselves comes near.
const BODY_BYTES_MAX: usize = 8 * 1024;

/// A longer field is cut.
const FIELD_BYTES_MAX: usize = 1024;

/// The layer; give it [`wants`] as its filter.
pub(super) struct Capture {
    ring: Sender<LogRecord>,
    clock: Clock,
    guard: Arc<Guard>,
}

/// Returns true for the events that may become records; a function of the call site, so
/// `tracing` asks once for each.
pub(super) fn wants(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    if !metadata.is_event() || is_under(target, NEVER) || target == AUDIT_TARGET {
        return false;
    }
    *metadata.level() <= Level::INFO || !is_under(target, GUARDED)
}

fn is_under(target: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| target.starts_with(prefix))
}

impl Capture {
    pub(super) fn new(ring: Sender<LogRecord>, clock: Clock) -> Self {
        Capture { ring, clock, guard: Arc::default() }
    }

    /// Returns the guard, whose count of refused records goes into our metrics.
    pub(super) fn guard(&self) -> Arc<Guard> {
        self.guard.clone()
    }
}

impl<S: Subscriber> Layer<S> for Capture {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        let minute = self.clock.elapsed().as_secs() / 60;
        if is_under(metadata.target(), GUARDED) && !self.guard.admits(minute) {
            return;
        }
        let severity = severity(*metadata.level());
        let mut fields = Fields { body: String::new(), metadata: Vec::with_capacity(8) };
        fields.metadata.push(("scope_name".into(), metadata.target().to_string()));
        event.record(&mut fields);
        let has_ids = fields.metadata.iter().any(|(name, _)| name == "trace_id");
        if let Some((trace_id, span_id)) = (!has_ids).then(current_ids).flatten() {
            fields.metadata.push(("trace_id".into(), trace_id));
            fields.metadata.push(("span_id".into(), span_id));
        }
        self.ring.send(LogRecord {
            at: self.clock.now(),
            severity,
            stream: own_stream(JOB_APP, severity),
            metadata: fields.metadata,
            body: fields.body,
        });
    }
}

/// Counts what the guarded targets say in each minute.
#[derive(Default)]
pub(super) struct Guard {
    minute: AtomicU64,
    n_admitted: AtomicU64,
    n_refused: AtomicU64,
}

impl Guard {
    // Two threads may both begin a minute; then a few records more pass, never without end.
    fn admits(&self, minute: u64) -> bool {
        if self.minute.swap(minute, Ordering::Relaxed) != minute {
            self.n_admitted.store(0, Ordering::Relaxed);
        }
        let is_admitted = self.n_admitted.fetch_add(1, Ordering::Relaxed) < GUARDED_PER_MINUTE;
        if !is_admitted {
            self.n_refused.fetch_add(1, Ordering::Relaxed);
        }
        is_admitted
    }

    /// Returns how many records were refused since the start.
    pub(super) fn refused(&self) -> u64 {
        self.n_refused.load(Ordering::Relaxed)
    }
}

/// The ids of the request being answered, else of the operation's span.
fn current_ids() -> Option<(String, String)> {
    if let Some(context) = TraceContext::current() {
        return Some((context.trace_id.to_string(), context.span_id.to_string()));
    }
    OtelContext::map_current(|context| {
        let span = context.span();
        let ids = span.span_context();
        ids.is_valid().then(|| (ids.trace_id().to_string(), ids.span_id().to_string()))
    })
}

fn severity(level: Level) -> Severity {
    match level {
        Level::TRACE => Severity::Trace,
        Level::DEBUG => Severity::Debug,
        Level::INFO => Severity::Info,
        Level::WARN => Severity::Warn,
        Level::ERROR => Severity::Error,
    }
}

struct Fields {
    body: String,
    metadata: Vec<(Cow<'static, str>, String)>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: &dyn fmt::Display) {
        if field.name() == "message" {
            self.body = limited(value, BODY_BYTES_MAX);
            return;
        }
        let name = match field.name() {
            dotted if dotted.contains('.') => Cow::Owned(dotted.replace('.', "_")),
            plain => Cow::Borrowed(plain),
        };
        self.metadata.push((name, limited(value, FIELD_BYTES_MAX)));
    }
}

fn limited(value: &dyn fmt::Display, max_bytes: usize) -> String {
    let mut res = String::new();
    // Writing to a string fails only when the value's own Display does; what it wrote stays.
    let _ = write!(res, "{value}");
    if res.len() > max_bytes {
        res.truncate(cut(&res, max_bytes).len());
    }
    res
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, &value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.add(field, &value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, &format_args!("{value:?}"));
    }
}
