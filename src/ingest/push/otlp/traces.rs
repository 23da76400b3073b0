//! Spans.

use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span as OtlpSpan};

use super::value::{find, pairs};
use super::{Collect, Form, json, walk};
use crate::clock::UnixNanos;
use crate::ingest::push::{Budget, Fault, LABEL_VALUE_MAX_BYTES, LeftOut, RECORDS_MAX, Reason, Times};
use crate::record::access::cut;
use crate::record::trace::{SpanId, TraceId};
use crate::record::{Span, SpanEvent, SpanKind, SpanStatus};

/// Events of one span; further ones are left out.
const EVENTS_MAX: usize = 32;

/// What one request brought.
#[derive(Debug)]
pub struct Traces {
    /// The spans.
    pub spans: Vec<Span>,
    /// What was left out.
    pub left_out: LeftOut,
    budget: Budget,
    times: Times,
    service: String,
}

/// Reads an `ExportTraceServiceRequest`.
pub fn decode(body: &[u8], form: Form, times: Times) -> Result<Traces, Fault> {
    let mut traces = Traces {
        spans: Vec::new(),
        left_out: LeftOut::default(),
        budget: Budget::default(),
        times,
        service: String::new(),
    };
    match form {
        Form::Protobuf => walk(body, &mut traces)?,
        Form::Json => {
            for resource in json::<ResourceSpans>(body, "resourceSpans")? {
                let resource = resource?;
                traces.resource(resource.resource.unwrap_or_default());
                let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
                spans.into_iter().try_for_each(|span| traces.item(span))?;
            }
        }
    }
    Ok(traces)
}

impl Collect for Traces {
    type Item = OtlpSpan;

    fn resource(&mut self, resource: Resource) {
        self.service = match find(&resource.attributes, "service.name") {
            name if name.is_empty() => "unknown_service".to_string(),
            name => name,
        };
    }

    fn scope(&mut self, _name: &str) {}

    fn item(&mut self, span: OtlpSpan) -> Result<(), Fault> {
        if self.spans.len() == RECORDS_MAX {
            return Err(Fault::TooMany);
        }
        match self.span(span) {
            Ok(span) => {
                self.budget.take(span.size_bytes())?;
                self.spans.push(span);
            }
            Err(reason) => self.left_out.add(reason, 1),
        }
        Ok(())
    }

    fn too_large(&mut self) {
        self.left_out.add(Reason::Size, 1);
    }
}

impl Traces {
    fn span(&self, span: OtlpSpan) -> Result<Span, Reason> {
        let span_id = |id: &[u8]| (id.len() == 8).then(|| SpanId::parse_hex(&hex::encode(id))).flatten();
        let trace_id = (span.trace_id.len() == 16).then(|| TraceId::parse_hex(&hex::encode(&span.trace_id)));
        let parent = match span.parent_span_id.as_slice() {
            [] => None,
            id => Some(span_id(id).ok_or(Reason::Id)?),
        };
        let start = self.times.of_span(span.start_time_unix_nano)?;
        let end = span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano);
        let text = |text: String| cut(&text, LABEL_VALUE_MAX_BYTES).to_string();
        let event = |event: opentelemetry_proto::tonic::trace::v1::span::Event| SpanEvent {
            at: self.times.of(event.time_unix_nano).unwrap_or(UnixNanos(start.0)),
            name: text(event.name),
            attributes: pairs(event.attributes),
        };
        let status = span.status.unwrap_or_default();
        Ok(Span {
            trace_id: trace_id.flatten().ok_or(Reason::Id)?,
            span_id: span_id(&span.span_id).ok_or(Reason::Id)?,
            parent,
            name: text(span.name).into(),
            kind: SpanKind::from_number(span.kind),
            service: self.service.clone().into(),
            start,
            duration: std::time::Duration::from_nanos(end),
            status: SpanStatus::from_number(status.code),
            status_message: text(status.message),
            attributes: pairs(span.attributes),
            events: span.events.into_iter().take(EVENTS_MAX).map(event).collect(),
        })
    }
}
