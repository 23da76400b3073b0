//! Log records as OTLP messages.
//!
//! The messages are built directly: the SDK's log exporter has one resource for all
//! records, and our streams differ in theirs. What makes a stream (`job`,
//! `service.name`, `level`) travels as resource attributes, because Loki makes index
//! labels of nothing else: one resource for each stream, although a level says little
//! about a resource. A record's metadata keeps its names.

use std::collections::HashMap;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord as OtlpRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use crate::clock::UnixNanos;
use crate::record::{Labels, LogRecord, names};

/// Metadata that OTLP has own fields for.
const FIELDS: &[&str] = &["trace_id", "span_id", "scope_name"];

/// Encodes a batch; `resource` holds the attributes of this process.
///
/// `observed` is set on every record: a consumer may take it for the time, and the
/// reference implementation panics without it.
pub(super) fn encode(batch: &[LogRecord], resource: &[(String, String)], observed: UnixNanos) -> Vec<u8> {
    let mut res: Vec<ResourceLogs> = Vec::new();
    let mut stream_idxs: HashMap<Labels, usize> = HashMap::new();
    for record in batch {
        let idx = *stream_idxs.entry(record.stream.clone()).or_insert_with_key(|stream| {
            let resource = Some(resource_of(stream, resource));
            res.push(ResourceLogs { resource, ..Default::default() });
            res.len() - 1
        });
        scope_of(&mut res[idx].scope_logs, record.metadata("scope_name")).push(encode_one(record, observed));
    }
    ExportLogsServiceRequest { resource_logs: res }.encode_to_vec()
}

/// Our own streams get all attributes of this process; a stream of another program gets
/// only what it brought.
fn resource_of(stream: &Labels, process: &[(String, String)]) -> Resource {
    let is_own = stream.get("service_name") == names::SERVICE_NAME;
    let mut attributes: Vec<KeyValue> = Vec::new();
    if is_own {
        attributes.extend(process.iter().map(|(name, value)| text(name, value)));
    }
    for (name, value) in stream.iter() {
        match name {
            "service_name" if is_own => {}
            "service_name" => attributes.push(text("service.name", value)),
            other => attributes.push(text(other, value)),
        }
    }
    Resource { attributes, ..Default::default() }
}

fn scope_of<'s>(scopes: &'s mut Vec<ScopeLogs>, name: &str) -> &'s mut Vec<OtlpRecord> {
    let is_named = |scope: &ScopeLogs| scope.scope.as_ref().is_some_and(|scope| scope.name == name);
    let idx = scopes.iter().position(is_named).unwrap_or_else(|| {
        let scope = InstrumentationScope { name: name.into(), ..Default::default() };
        scopes.push(ScopeLogs { scope: Some(scope), ..Default::default() });
        scopes.len() - 1
    });
    &mut scopes[idx].log_records
}

fn encode_one(record: &LogRecord, observed: UnixNanos) -> OtlpRecord {
    let metadata = record.metadata.iter().filter(|(name, _)| !FIELDS.contains(&name.as_ref()));
    let attributes = metadata.map(|(name, value)| text(name, value)).collect();
    OtlpRecord {
        time_unix_nano: nanos(record.at),
        observed_time_unix_nano: nanos(observed),
        severity_number: i32::from(record.severity.number()),
        severity_text: record.severity.as_str().to_string(),
        body: Some(any(&record.body)),
        attributes,
        trace_id: id(record.metadata("trace_id"), 16),
        span_id: id(record.metadata("span_id"), 8),
        ..Default::default()
    }
}

/// OTLP knows no time before 1970.
pub(super) fn nanos(at: UnixNanos) -> u64 {
    u64::try_from(at.0).unwrap_or(0)
}

/// Reads an id; anything but the right number of hexadecimal digits is no id.
fn id(hex_text: &str, n_bytes: usize) -> Vec<u8> {
    hex::decode(hex_text).ok().filter(|id| id.len() == n_bytes).unwrap_or_default()
}

pub(super) fn text(name: &str, value: &str) -> KeyValue {
    KeyValue { key: name.into(), value: Some(any(value)), ..Default::default() }
}

fn any(value: &str) -> AnyValue {
    AnyValue { value: Some(Value::StringValue(value.into())) }
}
