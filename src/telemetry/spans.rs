//! Spans that are not a visitor's request: operations such as a start or a reload, and exports.
//!
//! Operations are `tracing` spans, made by the SDK and taken from it here when they end; there
//! are a few a day, so all are kept. An export is kept when it was sampled, slow or failed. What
//! comes here waits in a bounded ring for whoever drains it.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{SpanId as SdkSpanId, SpanKind as SdkKind, Status};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span as SdkSpan, SpanData, SpanProcessor};

use super::config::Traces;
use crate::clock::UnixNanos;
use crate::record::access::cut;
use crate::record::names::SERVICE_NAME;
use crate::record::ring::Sender;
use crate::record::sampling::Sampling;
use crate::record::span::Attributes;
use crate::record::trace::{SpanId, TraceContext, TraceId};
use crate::record::{Span, SpanEvent, SpanKind, SpanStatus};

/// A longer attribute is cut: nothing that we write ourselves comes near.
const VALUE_BYTES_MAX: usize = 1024;

/// A span and where it may go.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// The span, ended.
    pub span: Span,
    /// False for the span of an export: sending it would be one more export.
    pub is_for_export: bool,
}

/// Takes the SDK's spans over when they end.
pub(super) struct Operations(pub(super) Sender<Made>);

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Operations")
    }
}

impl SpanProcessor for Operations {
    fn on_start(&self, _span: &mut SdkSpan, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.send(Made { span: record_of(span), is_for_export: true });
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

fn record_of(span: SpanData) -> Span {
    let (status, status_message) = match span.status {
        Status::Unset => (SpanStatus::Unset, Cow::Borrowed("")),
        Status::Ok => (SpanStatus::Ok, Cow::Borrowed("")),
        Status::Error { description } => (SpanStatus::Error, description),
    };
    let parent = (span.parent_span_id != SdkSpanId::INVALID).then(|| span.parent_span_id.to_bytes());
    let event = |event: &opentelemetry::trace::Event| SpanEvent {
        at: nanos(event.timestamp),
        name: event.name.to_string(),
        attributes: attributes(&event.attributes),
    };
    Span {
        trace_id: TraceId(span.span_context.trace_id().to_bytes()),
        span_id: SpanId(span.span_context.span_id().to_bytes()),
        parent: parent.map(SpanId),
        name: span.name,
        kind: match span.span_kind {
            SdkKind::Client => SpanKind::Client,
            SdkKind::Server => SpanKind::Server,
            SdkKind::Producer => SpanKind::Producer,
            SdkKind::Consumer => SpanKind::Consumer,
            SdkKind::Internal => SpanKind::Internal,
        },
        service: SERVICE_NAME.into(),
        start: nanos(span.start_time),
        duration: span.end_time.duration_since(span.start_time).unwrap_or_default(),
        status,
        status_message: cut(&status_message, VALUE_BYTES_MAX).to_string(),
        attributes: attributes(&span.attributes),
        events: span.events.iter().map(event).collect(),
    }
}

fn attributes(pairs: &[KeyValue]) -> Attributes {
    let pair = |pair: &KeyValue| {
        let value = pair.value.as_str();
        (Cow::Owned(pair.key.to_string()), cut(&value, VALUE_BYTES_MAX).to_string())
    };
    pairs.iter().map(pair).collect()
}

// The SDK reads the wall clock itself; a time before 1970 is its own start.
fn nanos(at: SystemTime) -> UnixNanos {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixNanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// Decides which exports are kept, by the settings in force.
pub(super) struct Recorder {
    made: Sender<Made>,
    /// Held to look and to set.
    sampling: Mutex<Sampling>,
    slow_ns: AtomicU64,
}

impl Recorder {
    pub(super) fn new(made: Sender<Made>, traces: &Traces) -> Self {
        let recorder = Recorder { made, sampling: Mutex::default(), slow_ns: AtomicU64::new(0) };
        recorder.apply(traces);
        recorder
    }

    pub(super) fn apply(&self, traces: &Traces) {
        *self.sampling.lock().unwrap_or_else(PoisonError::into_inner) = traces.sampling();
        let slow_ns = u64::try_from(traces.slow.as_nanos()).unwrap_or(u64::MAX);
        self.slow_ns.store(slow_ns, Ordering::Relaxed);
    }

    /// Returns the time from which on something is slow.
    pub(super) fn slow(&self) -> Duration {
        Duration::from_nanos(self.slow_ns.load(Ordering::Relaxed))
    }

    /// Begins a trace, sampled or not.
    pub(super) fn begin(&self) -> TraceContext {
        let mut context = TraceContext::root();
        let sampling = *self.sampling.lock().unwrap_or_else(PoisonError::into_inner);
        context.sampled = sampling.chooses(&context, true);
        context
    }

    /// Keeps an export if it was sampled, slow or failed.
    pub(super) fn exported(
        &self,
        context: &TraceContext,
        span: impl FnOnce() -> Span,
        took: Duration,
        failed: bool,
    ) {
        if context.sampled || failed || took >= self.slow() {
            self.made.send(Made { span: span(), is_for_export: false });
        }
    }
}
