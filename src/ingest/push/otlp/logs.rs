//! Log records.

use std::borrow::Cow;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::logs::v1::{LogRecord as OtlpRecord, ResourceLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::value::{ATTRIBUTES_MAX, find, limited, text};
use super::{Collect, Form, json, walk};
use crate::ingest::fields::{metadata_name, other_service};
use crate::ingest::push::{Budget, Fault, LABEL_VALUE_MAX_BYTES, LeftOut, RECORDS_MAX, Reason, Times};
use crate::record::access::cut;
use crate::record::trace::{SpanId, TraceId};
use crate::record::{Labels, LogRecord, Severity};

/// Bytes of a line, which is cut.
const LINE_MAX_BYTES: usize = 256 << 10;

/// Attributes of a resource that become labels of the stream; the others would make a stream
/// of every process.
const STREAM_ATTRIBUTES: &[&str] =
    &["service.name", "service.namespace", "job", "deployment.environment.name"];

/// What one request brought.
#[derive(Debug)]
pub struct Logs {
    /// The records.
    pub records: Vec<LogRecord>,
    /// What was left out.
    pub left_out: LeftOut,
    budget: Budget,
    times: Times,
    labels: Vec<(&'static str, String)>,
    /// What every record of the present resource and scope has.
    common: Vec<(Cow<'static, str>, String)>,
    n_of_resource: usize,
}

/// Reads an `ExportLogsServiceRequest`.
pub fn decode(body: &[u8], form: Form, times: Times) -> Result<Logs, Fault> {
    let mut logs = Logs {
        records: Vec::new(),
        left_out: LeftOut::default(),
        budget: Budget::default(),
        times,
        labels: Vec::new(),
        common: Vec::new(),
        n_of_resource: 0,
    };
    match form {
        Form::Protobuf => walk(body, &mut logs)?,
        Form::Json => {
            for resource in json::<ResourceLogs>(body, "resourceLogs")? {
                let resource = resource?;
                logs.resource(resource.resource.unwrap_or_default());
                for scope in resource.scope_logs {
                    logs.scope(&scope.scope.unwrap_or_default().name);
                    scope.log_records.into_iter().try_for_each(|record| logs.item(record))?;
                }
            }
        }
    }
    Ok(logs)
}

/// Returns `namespace/name`, the form in which Prometheus makes a job of a service.
pub(super) fn job(attributes: &[KeyValue]) -> String {
    let (namespace, name) = (find(attributes, "service.namespace"), find(attributes, "service.name"));
    if namespace.is_empty() { name } else { format!("{namespace}/{name}") }
}

impl Collect for Logs {
    type Item = OtlpRecord;

    fn resource(&mut self, resource: Resource) {
        let attributes = resource.attributes;
        let service = match find(&attributes, "service.name") {
            name if name.is_empty() => "unknown_service".to_string(),
            name => other_service(name),
        };
        let job = match find(&attributes, "job") {
            own if own.is_empty() => match job(&attributes) {
                made if made.is_empty() => service.clone(),
                made => made,
            },
            own => own,
        };
        let environment = find(&attributes, "deployment.environment.name");
        self.labels =
            vec![("service_name", service), ("job", job), ("deployment_environment_name", environment)];
        self.common.clear();
        for attribute in attributes {
            if !STREAM_ATTRIBUTES.contains(&attribute.key.as_str()) {
                add(&mut self.common, attribute);
            }
        }
        self.n_of_resource = self.common.len();
    }

    fn scope(&mut self, name: &str) {
        self.common.truncate(self.n_of_resource);
        if !name.is_empty() {
            self.common.push(("scope_name".into(), cut(name, LABEL_VALUE_MAX_BYTES).to_string()));
        }
    }

    fn item(&mut self, record: OtlpRecord) -> Result<(), Fault> {
        let time =
            if record.time_unix_nano == 0 { record.observed_time_unix_nano } else { record.time_unix_nano };
        let (trace, span) = (id_text(&record.trace_id, 16), id_text(&record.span_id, 8));
        let (at, trace, span) = match (self.times.of_log(time), trace, span) {
            (Ok(at), Ok(trace), Ok(span)) => (at, trace, span),
            (Err(reason), _, _) | (_, Err(reason), _) | (_, _, Err(reason)) => {
                self.left_out.add(reason, 1);
                return Ok(());
            }
        };
        if self.records.len() == RECORDS_MAX {
            return Err(Fault::TooMany);
        }
        let by_number =
            u8::try_from(record.severity_number).map_or(Severity::Unspecified, Severity::from_number);
        let severity = match by_number {
            Severity::Unspecified => Severity::from_word(&record.severity_text).unwrap_or(by_number),
            known => known,
        };
        let level = [("level", severity.as_str().to_string())];
        let mut metadata =
            Vec::with_capacity(record.attributes.len().min(ATTRIBUTES_MAX) + self.common.len() + 2);
        for (name, id) in [("trace_id", trace), ("span_id", span)] {
            metadata.extend(id.map(|id| (Cow::Borrowed(name), id)));
        }
        if !record.event_name.is_empty() {
            metadata.push(("event_name".into(), cut(&record.event_name, LABEL_VALUE_MAX_BYTES).to_string()));
        }
        for attribute in record.attributes {
            add(&mut metadata, attribute);
        }
        metadata.extend(self.common.iter().cloned());
        let mut body = text(record.body);
        body.truncate(cut(&body, LINE_MAX_BYTES).len());
        let stream = Labels::new(self.labels.iter().cloned().chain(level));
        let record = LogRecord { at, severity, stream, metadata, body };
        self.budget.take_record(&record)?;
        self.records.push(record);
        Ok(())
    }

    fn too_large(&mut self) {
        self.left_out.add(Reason::Size, 1);
    }
}

fn add(metadata: &mut Vec<(Cow<'static, str>, String)>, attribute: KeyValue) {
    if metadata.len() < ATTRIBUTES_MAX && !attribute.key.is_empty() {
        let value = limited(attribute.value);
        if !value.is_empty() {
            metadata.push((metadata_name(&attribute.key).into(), value));
        }
    }
}

/// Returns an id as hexadecimal; none when there is none, an error when it is no id.
fn id_text(id: &[u8], n_bytes: usize) -> Result<Option<String>, Reason> {
    let text = hex::encode(id);
    match (id.len(), n_bytes) {
        (0, _) => Ok(None),
        (16, 16) => Ok(TraceId::parse_hex(&text).map(|id| id.to_string())),
        (8, 8) => Ok(SpanId::parse_hex(&text).map(|id| id.to_string())),
        _ => Err(Reason::Id),
    }
}
