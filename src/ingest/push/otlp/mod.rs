//! OTLP over HTTP: logs, metrics and traces, in protobuf or JSON.
//!
//! By the OpenTelemetry Protocol's specification: what is malformed is refused whole and never
//! sent again, what cannot be kept is left out and told as a partial success. The three requests
//! have one shape, resources with scopes with items; it is walked item by item, so that a request
//! costs memory for one of them at a time.

mod logs;
mod metrics;
#[cfg(test)]
mod tests;
mod traces;
mod value;

use std::borrow::Cow;
use std::collections::HashMap;

use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use serde::Deserialize;
use serde_json::value::RawValue;

pub use self::logs::{Logs, decode as decode_logs};
pub use self::metrics::decode as decode_metrics;
pub use self::traces::{Traces, decode as decode_traces};
use super::wire::Fields;
use super::{Fault, LeftOut};

/// Bytes of a body in JSON, which is for trying things and for browsers.
pub const JSON_MAX_BYTES: usize = 1 << 20;

/// Bytes of a resource or a scope on the wire; empty attributes are fifty times that in memory.
const RESOURCE_MAX_BYTES: usize = 64 << 10;

/// Bytes of a log record, a span or a metric with all its points on the wire.
const ITEM_MAX_BYTES: usize = 512 << 10;

/// In which form a request comes, and its answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `application/x-protobuf`
    Protobuf,
    /// `application/json`
    Json,
}

/// What is made of the parts of a request.
trait Collect {
    /// A log record, a span or a metric.
    type Item: Message + Default;

    /// Begins a resource.
    fn resource(&mut self, resource: Resource);

    /// Begins a scope.
    fn scope(&mut self, name: &str);

    /// Takes an item.
    fn item(&mut self, item: Self::Item) -> Result<(), Fault>;

    /// Leaves out an item that is too large.
    fn too_large(&mut self);
}

/// Walks a request in protobuf.
fn walk(body: &[u8], collect: &mut impl Collect) -> Result<(), Fault> {
    for field in Fields(body) {
        let (1, of_resource) = field? else { continue };
        let mut resource = Resource::default();
        // It may stand behind its scopes.
        for field in of_resource.message()? {
            if let (1, value) = field? {
                resource = small(value.bytes()?)?;
            }
        }
        collect.resource(resource);
        for field in of_resource.message()? {
            if let (2, of_scope) = field? {
                walk_scope(of_scope.message()?, collect)?;
            }
        }
    }
    Ok(())
}

fn walk_scope<C: Collect>(fields: Fields<'_>, collect: &mut C) -> Result<(), Fault> {
    let mut name = "";
    for field in fields.clone() {
        let (1, scope) = field? else { continue };
        for field in scope.message()? {
            if let (1, value) = field? {
                name = value.text()?;
            }
        }
    }
    collect.scope(name);
    for field in fields {
        let (2, item) = field? else { continue };
        match item.bytes()? {
            large if large.len() > ITEM_MAX_BYTES => collect.too_large(),
            item => {
                collect.item(C::Item::decode(item).map_err(|fault| Fault::Malformed(fault.to_string()))?)?
            }
        }
    }
    Ok(())
}

fn small<M: Message + Default>(bytes: &[u8]) -> Result<M, Fault> {
    if bytes.len() > RESOURCE_MAX_BYTES {
        return Err(Fault::Malformed(format!("a resource has more than {} KiB", RESOURCE_MAX_BYTES >> 10)));
    }
    M::decode(bytes).map_err(|fault| Fault::Malformed(fault.to_string()))
}

/// Reads the resources of a request in JSON, one after the other.
fn json<'b, R: Deserialize<'b>>(
    body: &'b [u8],
    name: &str,
) -> Result<impl Iterator<Item = Result<R, Fault>> + use<'b, R>, Fault> {
    if body.len() > JSON_MAX_BYTES {
        return Err(Fault::Inflated);
    }
    let mut request: HashMap<Cow<'b, str>, &RawValue> = serde_json::from_slice(body)?;
    let resources: Vec<&RawValue> = match request.remove(name) {
        Some(resources) => serde_json::from_str(resources.get())?,
        None => Vec::new(),
    };
    Ok(resources.into_iter().map(|raw| Ok(serde_json::from_str(raw.get())?)))
}

/// Makes the answer to logs.
pub fn answer_logs(form: Form, left_out: &LeftOut) -> Vec<u8> {
    let partial = left_out.words().map(|error_message| ExportLogsPartialSuccess {
        rejected_log_records: rejected(left_out),
        error_message,
    });
    answer(form, partial.map(|partial| ExportLogsServiceResponse { partial_success: Some(partial) }))
}

/// Makes the answer to metrics.
pub fn answer_metrics(form: Form, left_out: &LeftOut) -> Vec<u8> {
    let partial = left_out.words().map(|error_message| ExportMetricsPartialSuccess {
        rejected_data_points: rejected(left_out),
        error_message,
    });
    answer(form, partial.map(|partial| ExportMetricsServiceResponse { partial_success: Some(partial) }))
}

/// Makes the answer to traces.
pub fn answer_traces(form: Form, left_out: &LeftOut) -> Vec<u8> {
    let partial = left_out
        .words()
        .map(|error_message| ExportTracePartialSuccess { rejected_spans: rejected(left_out), error_message });
    answer(form, partial.map(|partial| ExportTraceServiceResponse { partial_success: Some(partial) }))
}

fn rejected(left_out: &LeftOut) -> i64 {
    i64::try_from(left_out.count()).unwrap_or(i64::MAX)
}

/// A success has no field at all: even an empty partial success would say that there is one.
fn answer<M: Message + serde::Serialize>(form: Form, partial: Option<M>) -> Vec<u8> {
    match (form, partial) {
        (Form::Protobuf, None) => Vec::new(),
        (Form::Json, None) => b"{}".to_vec(),
        (Form::Protobuf, Some(message)) => message.encode_to_vec(),
        (Form::Json, Some(message)) => {
            serde_json::to_vec(&message).expect("numbers and texts can be written as JSON")
        }
    }
}

/// Makes the answer to a request that is refused: a `google.rpc.Status` with its message alone.
pub fn answer_fault(form: Form, message: &str) -> Vec<u8> {
    /// The part of it that OTLP asks for.
    #[derive(Clone, PartialEq, prost::Message)]
    struct Status {
        #[prost(string, tag = "2")]
        message: String,
    }
    match form {
        Form::Protobuf => Status { message: message.into() }.encode_to_vec(),
        Form::Json => serde_json::json!({ "message": message }).to_string().into_bytes(),
    }
}
