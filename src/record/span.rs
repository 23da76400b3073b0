//! Spans: what one operation did and how long it took, by OpenTelemetry's trace data model.
//!
//! Names, numbers and meanings are those of the OpenTelemetry specification ("Tracing API",
//! `Span`, `SpanKind`, `Set Status`) and of OTLP's `trace.proto`. It promises nothing about
//! sizes: whoever takes spans in bounds them. It leaves out what nothing here shows, links,
//! trace state, flags and scopes, and it refuses to know which spans are worth keeping.

use std::borrow::Cow;
use std::time::Duration;

use super::trace::{SpanId, TraceId};
use crate::clock::UnixNanos;

/// Attributes in the order of their source, values as text; a name comes once (OTLP).
pub type Attributes = Vec<(Cow<'static, str>, String)>;

/// One operation of one service, ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The trace, which all operations on behalf of one request share.
    pub trace_id: TraceId,
    /// This operation; unique within its trace.
    pub span_id: SpanId,
    /// The operation that caused this one, perhaps in another process and never seen here;
    /// none makes this the root of its trace.
    pub parent: Option<SpanId>,
    /// What was done, of low cardinality (`GET /{lang}/`); `""` is an unknown name.
    pub name: Cow<'static, str>,
    /// Which side of a call this is.
    pub kind: SpanKind,
    /// `service.name` of the resource; `vitrine` for our own.
    pub service: Cow<'static, str>,
    /// When the operation began, by the clock of the machine that it ran on.
    pub start: UnixNanos,
    /// How long it took; zero when the source says that it ended before it began.
    pub duration: Duration,
    /// Whether it failed.
    pub status: SpanStatus,
    /// Why it failed, for developers; only [`SpanStatus::Error`] has one by the specification.
    pub status_message: String,
    /// What is known of it, by the names of OpenTelemetry's semantic conventions.
    pub attributes: Attributes,
    /// What happened meanwhile, in the order of its source.
    pub events: Vec<SpanEvent>,
}

impl Span {
    /// Returns about how many bytes the span takes in memory.
    pub fn size_bytes(&self) -> usize {
        size_of::<Span>()
            + self.name.len()
            + self.service.len()
            + self.status_message.len()
            + attributes_bytes(&self.attributes)
            + self.events.iter().map(SpanEvent::size_bytes).sum::<usize>()
    }
}

/// Something that happened at one moment of a span, such as an exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanEvent {
    /// The moment, which need not lie within the span.
    pub at: UnixNanos,
    /// What happened.
    pub name: String,
    /// What is known of it.
    pub attributes: Attributes,
}

impl SpanEvent {
    /// Returns about how many bytes the event takes in memory.
    pub fn size_bytes(&self) -> usize {
        size_of::<SpanEvent>() + self.name.len() + attributes_bytes(&self.attributes)
    }
}

fn attributes_bytes(attributes: &Attributes) -> usize {
    let pair_bytes = |pair: &(Cow<'static, str>, String)| size_of_val(pair) + pair.0.len() + pair.1.len();
    attributes.iter().map(pair_bytes).sum()
}

/// Which side of a call a span is on (OpenTelemetry, "SpanKind").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpanKind {
    /// An operation within one process; what a source means that sets none.
    Internal,
    /// The handling of a call from elsewhere.
    Server,
    /// A call to elsewhere, waited for.
    Client,
    /// The start of work that is done later elsewhere.
    Producer,
    /// The work that a producer started.
    Consumer,
    /// The source gave none; a reader may take it for [`SpanKind::Internal`].
    Unspecified,
}

impl SpanKind {
    /// Returns OTLP's number.
    pub fn number(self) -> u8 {
        match self {
            SpanKind::Unspecified => 0,
            SpanKind::Internal => 1,
            SpanKind::Server => 2,
            SpanKind::Client => 3,
            SpanKind::Producer => 4,
            SpanKind::Consumer => 5,
        }
    }

    /// Returns the kind of an OTLP number; a number of no kind gives [`SpanKind::Unspecified`].
    pub fn from_number(number: i32) -> Self {
        match number {
            1 => SpanKind::Internal,
            2 => SpanKind::Server,
            3 => SpanKind::Client,
            4 => SpanKind::Producer,
            5 => SpanKind::Consumer,
            _ => SpanKind::Unspecified,
        }
    }
}

/// Whether the operation failed (OpenTelemetry, "Set Status").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpanStatus {
    /// Nobody judged it, which is the normal case of what succeeded.
    Unset,
    /// A developer declared it a success.
    Ok,
    /// It failed.
    Error,
}

impl SpanStatus {
    /// Returns OTLP's number.
    pub fn number(self) -> u8 {
        match self {
            SpanStatus::Unset => 0,
            SpanStatus::Ok => 1,
            SpanStatus::Error => 2,
        }
    }

    /// Returns the status of an OTLP number; a number of no status gives [`SpanStatus::Unset`].
    pub fn from_number(number: i32) -> Self {
        match number {
            1 => SpanStatus::Ok,
            2 => SpanStatus::Error,
            _ => SpanStatus::Unset,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_statuses_have_the_numbers_of_otlp() {
        use opentelemetry_proto::tonic::trace::v1 as otlp;
        for (kind, wire) in [
            (SpanKind::Unspecified, otlp::span::SpanKind::Unspecified),
            (SpanKind::Internal, otlp::span::SpanKind::Internal),
            (SpanKind::Server, otlp::span::SpanKind::Server),
            (SpanKind::Client, otlp::span::SpanKind::Client),
            (SpanKind::Producer, otlp::span::SpanKind::Producer),
            (SpanKind::Consumer, otlp::span::SpanKind::Consumer),
        ] {
            assert_eq!(i32::from(kind.number()), wire as i32);
            assert_eq!(SpanKind::from_number(wire as i32), kind);
        }
        for (status, wire) in [
            (SpanStatus::Unset, otlp::status::StatusCode::Unset),
            (SpanStatus::Ok, otlp::status::StatusCode::Ok),
            (SpanStatus::Error, otlp::status::StatusCode::Error),
        ] {
            assert_eq!(i32::from(status.number()), wire as i32);
            assert_eq!(SpanStatus::from_number(wire as i32), status);
        }
    }

    #[test]
    fn unknown_numbers_are_the_neutral_ones() {
        for number in [-1, 6, i32::MAX] {
            assert_eq!(SpanKind::from_number(number), SpanKind::Unspecified);
            assert_eq!(SpanStatus::from_number(number), SpanStatus::Unset);
        }
    }
}
