//! Spans as OTLP messages.

use std::borrow::Cow;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as OtlpSpan, Status};
use prost::Message;

use super::encode::{nanos, text};
use crate::clock::UnixNanos;
use crate::record::names::SERVICE_NAME;
use crate::record::span::Attributes;
use crate::record::{Span, SpanEvent};

/// Encodes a batch, one resource for each service; `resource` holds the attributes of this
/// process, for its own spans.
pub(super) fn encode(batch: &[Span], resource: &[(String, String)], _observed: UnixNanos) -> Vec<u8> {
    let mut res: Vec<(&str, ResourceSpans)> = Vec::new();
    for span in batch {
        let idx = res.iter().position(|(service, _)| *service == span.service).unwrap_or_else(|| {
            res.push((&span.service, of_service(&span.service, resource)));
            res.len() - 1
        });
        res[idx].1.scope_spans[0].spans.push(encode_one(span));
    }
    let resource_spans = res.into_iter().map(|(_, spans)| spans).collect();
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

fn of_service(service: &str, process: &[(String, String)]) -> ResourceSpans {
    let attributes = match service {
        SERVICE_NAME => process.iter().map(|(name, value)| text(name, value)).collect(),
        other => vec![text("service.name", other)],
    };
    let scope = InstrumentationScope { name: service.into(), ..Default::default() };
    ResourceSpans {
        resource: Some(Resource { attributes, ..Default::default() }),
        scope_spans: vec![ScopeSpans { scope: Some(scope), ..Default::default() }],
        ..Default::default()
    }
}

fn encode_one(span: &Span) -> OtlpSpan {
    let start = nanos(span.start);
    let duration = u64::try_from(span.duration.as_nanos()).unwrap_or(u64::MAX);
    OtlpSpan {
        trace_id: span.trace_id.0.to_vec(),
        span_id: span.span_id.0.to_vec(),
        parent_span_id: span.parent.map(|id| id.0.to_vec()).unwrap_or_default(),
        name: span.name.to_string(),
        kind: span.kind.number().into(),
        start_time_unix_nano: start,
        end_time_unix_nano: start.saturating_add(duration),
        attributes: attributes(&span.attributes),
        events: span.events.iter().map(event).collect(),
        status: Some(Status { message: span.status_message.clone(), code: span.status.number().into() }),
        ..Default::default()
    }
}

fn event(event: &SpanEvent) -> Event {
    Event {
        time_unix_nano: nanos(event.at),
        name: event.name.clone(),
        attributes: attributes(&event.attributes),
        ..Default::default()
    }
}

/// Attributes that are integers by the conventions; we keep all as text.
const INTEGERS: &[&str] =
    &["http.response.status_code", "http.response.body.size", "http.request.resend_count", "server.port"];

fn attributes(pairs: &Attributes) -> Vec<KeyValue> {
    let of = |(name, value): &(Cow<'static, str>, String)| match value.parse() {
        Ok(number) if INTEGERS.contains(&name.as_ref()) => {
            let value = Some(AnyValue { value: Some(Value::IntValue(number)) });
            KeyValue { key: name.to_string(), value, ..Default::default() }
        }
        _ => text(name, value),
    };
    pairs.iter().map(of).collect()
}
