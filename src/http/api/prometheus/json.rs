//! The JSON of answers and refusals, written as it is sent.
//!
//! Values are texts in Go's form, times are seconds with three digits behind the point or none,
//! and what says of which type a result is comes before the result, as Grafana reads it.

use std::fmt::Display;
use std::io::Write as _;

use actix_web::http::StatusCode;
use serde_json::json;

use crate::clock::UnixMillis;
use crate::query::number;
use crate::query::promql::{Error, Value};
use crate::record::read::ReadError;
use crate::record::{Labels, Sample};

/// Most warnings, and most infos, of one answer.
const NOTES_MAX: usize = 10;

/// What is written ahead of or behind the bytes of the data, and never fails: it goes to memory.
macro_rules! put {
    ($res:expr, $($arg:tt)*) => { write!($res, $($arg)*).expect("writing to memory does not fail") };
}

/// How each answer begins.
const HEAD: &[u8] = br#"{"status":"success","data":"#;

/// What an endpoint answers.
pub(super) struct Answered {
    /// The body up to and including the JSON of `data`: it may be long, and is not copied.
    body: Vec<u8>,
    pub warnings: Vec<String>,
    pub infos: Vec<String>,
}

impl Answered {
    /// Answers with a value that is small.
    pub fn of(data: &serde_json::Value) -> Self {
        Answered::written(0, |body| put!(body, "{data}"))
    }

    /// Answers with what is written, about so many bytes.
    pub fn written(n_bytes: usize, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut body = Vec::with_capacity(HEAD.len() + n_bytes);
        body.extend_from_slice(HEAD);
        write(&mut body);
        Answered { body, warnings: Vec::new(), infos: Vec::new() }
    }

    /// Answers with a list cut to a limit, and says so if it was.
    pub fn of_list(mut list: Vec<serde_json::Value>, limit: Option<usize>) -> Self {
        let is_cut = limit.is_some_and(|limit| list.len() > limit);
        list.truncate(limit.unwrap_or(usize::MAX));
        let res = Answered::of(&serde_json::Value::Array(list));
        if is_cut { res.truncated() } else { res }
    }

    /// Says that there would be more.
    pub fn truncated(mut self) -> Self {
        self.warnings.push("results truncated due to limit".into());
        self
    }
}

/// Why an endpoint does not answer.
#[derive(Debug)]
pub(super) struct Refused {
    kind: &'static str,
    status: StatusCode,
    message: String,
}

impl Refused {
    /// Something that was given is wrong.
    pub fn bad_data(message: impl Into<String>) -> Self {
        Refused { kind: "bad_data", status: StatusCode::BAD_REQUEST, message: message.into() }
    }

    /// A parameter is wrong.
    pub fn invalid(parameter: &str, fault: impl Display) -> Self {
        Refused::bad_data(format!("invalid parameter {parameter:?}: {fault}"))
    }

    /// The same refusal behind other words, where Prometheus has other words.
    pub fn instead(self, words: &str) -> Self {
        let fault = self.message.split_once(": ").map_or(self.message.as_str(), |(_, fault)| fault);
        Refused { message: format!("{words}{fault}"), ..self }
    }

    /// There is no time for it now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Refused { kind: "unavailable", status: StatusCode::SERVICE_UNAVAILABLE, message: message.into() }
    }

    /// It went wrong here.
    pub fn internal(message: impl Into<String>) -> Self {
        Refused { kind: "internal", status: StatusCode::INTERNAL_SERVER_ERROR, message: message.into() }
    }

    /// There is nothing by that address.
    pub fn not_found(message: impl Into<String>) -> Self {
        Refused { kind: "not_found", status: StatusCode::NOT_FOUND, message: message.into() }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        let (kind, status) = match &error {
            Error::Parse(_) | Error::Unsuitable(_) => return Refused::invalid("query", error),
            Error::Execution(_) | Error::TooManySamples => ("execution", StatusCode::UNPROCESSABLE_ENTITY),
            Error::Timeout => ("timeout", StatusCode::SERVICE_UNAVAILABLE),
            // Nobody hears it.
            Error::Canceled => ("canceled", client_left()),
            Error::Read(fault) => kind_of(fault),
        };
        Refused { kind, status, message: error.to_string() }
    }
}

/// 499, as Prometheus says since 3.0.
fn client_left() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
}

/// How a fault of reading is answered: too wide a selection is the asker's to mend.
fn kind_of(fault: &ReadError) -> (&'static str, StatusCode) {
    match fault {
        ReadError::TooManySeries { .. } => ("execution", StatusCode::UNPROCESSABLE_ENTITY),
        ReadError::Store(_) => ("internal", StatusCode::INTERNAL_SERVER_ERROR),
    }
}

impl From<ReadError> for Refused {
    fn from(fault: ReadError) -> Self {
        let (kind, status) = kind_of(&fault);
        Refused { kind, status, message: fault.to_string() }
    }
}

/// Returns the whole body of an answer, and its status.
pub(super) fn body(answered: Result<Answered, Refused>) -> (StatusCode, Vec<u8>) {
    match answered {
        Ok(Answered { mut body, warnings, infos }) => {
            // Prometheus leaves them out when there are none.
            for (name, kind, notes) in [("warnings", "warning", warnings), ("infos", "info", infos)] {
                if !notes.is_empty() {
                    put!(body, r#","{name}":{}"#, json!(bounded(notes, kind)));
                }
            }
            put!(body, "}}");
            (StatusCode::OK, body)
        }
        Err(Refused { kind, status, message }) => {
            let body = format!(r#"{{"status":"error","errorType":"{kind}","error":{}}}"#, json!(message));
            (status, body.into_bytes())
        }
    }
}

fn bounded(mut notes: Vec<String>, kind: &str) -> Vec<String> {
    if notes.len() > NOTES_MAX {
        let n_more = notes.len() - NOTES_MAX;
        notes.truncate(NOTES_MAX);
        notes.push(format!("{n_more} more {kind} annotations omitted"));
    }
    notes
}

/// Writes the `data` of a query; at most `limit` series, and returns whether there were more.
/// What is written is let go at once.
pub(super) fn put_value(res: &mut Vec<u8>, value: Value, limit: Option<usize>, stats: Option<&str>) -> bool {
    let limit = limit.unwrap_or(usize::MAX);
    let mut is_cut = false;
    match value {
        Value::Scalar(sample) => {
            put!(res, r#"{{"resultType":"scalar","result":"#);
            put_sample(res, &sample);
        }
        Value::String(at, text) => {
            put!(res, r#"{{"resultType":"string","result":["#);
            put_time(res, at);
            put!(res, ",{}]", json!(text));
        }
        Value::Vector(vector) => {
            is_cut = vector.len() > limit;
            put!(res, r#"{{"resultType":"vector","result":["#);
            for (idx, one) in vector.into_iter().take(limit).enumerate() {
                put!(res, r#"{}{{"metric":"#, if idx == 0 { "" } else { "," });
                put_labels(res, &one.labels);
                put!(res, r#","value":"#);
                put_sample(res, &one.sample);
                put!(res, "}}");
            }
            put!(res, "]");
        }
        Value::Matrix(series) => {
            is_cut = series.len() > limit;
            put!(res, r#"{{"resultType":"matrix","result":["#);
            for (idx, one) in series.into_iter().take(limit).enumerate() {
                put!(res, r#"{}{{"metric":"#, if idx == 0 { "" } else { "," });
                put_labels(res, &one.labels);
                put!(res, r#","values":["#);
                for (idx, sample) in one.samples.iter().enumerate() {
                    if idx > 0 {
                        res.push(b',');
                    }
                    put_sample(res, sample);
                }
                put!(res, "]}}");
            }
            put!(res, "]");
        }
    }
    if let Some(stats) = stats {
        put!(res, r#","stats":{stats}"#);
    }
    put!(res, "}}");
    is_cut
}

/// Writes a label set as an object.
pub(super) fn put_labels(res: &mut Vec<u8>, labels: &Labels) {
    res.push(b'{');
    for (idx, (name, value)) in labels.iter().enumerate() {
        put!(res, "{}{}:{}", if idx == 0 { "" } else { "," }, json!(name), json!(value));
    }
    res.push(b'}');
}

fn put_sample(res: &mut Vec<u8>, sample: &Sample) {
    res.push(b'[');
    put_time(res, sample.at);
    put!(res, r#","{}"]"#, Number(sample.value));
}

/// Writes milliseconds as seconds: `4`, `1795334656.600`.
fn put_time(res: &mut Vec<u8>, at: UnixMillis) {
    let (sign, ms) = if at.0 < 0 { ("-", at.0.unsigned_abs()) } else { ("", at.0.unsigned_abs()) };
    put!(res, "{sign}{}", ms / 1_000);
    if ms % 1_000 != 0 {
        put!(res, ".{:03}", ms % 1_000);
    }
}

/// A value as Prometheus writes it: without an exponent unless it is very small or large.
pub(super) struct Number(pub f64);

impl Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Number(value) = *self;
        let size = value.abs();
        match number::not_finite(value) {
            Some(word) => f.write_str(word),
            None if size != 0.0 && !(1e-6..1e21).contains(&size) => f.write_str(&number::exponential(value)),
            None => write!(f, "{value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_go_does() {
        let shown = [0.0, -0.0, 2.0, 0.1, 1e21, 1.5e-7, 123_456_789.125, f64::NAN, f64::NEG_INFINITY];
        let shown = shown.map(|value| Number(value).to_string());
        assert_eq!(shown, ["0", "-0", "2", "0.1", "1e+21", "1.5e-07", "123456789.125", "NaN", "-Inf"]);
    }

    #[test]
    fn times_are_seconds() {
        for (ms, expect) in
            [(4_000, "4"), (1_795_334_656_600, "1795334656.600"), (-1_050, "-1.050"), (7, "0.007")]
        {
            let mut res = Vec::new();
            put_time(&mut res, UnixMillis(ms));
            assert_eq!(String::from_utf8(res).unwrap(), expect);
        }
    }

    #[test]
    fn the_type_comes_before_the_result() {
        let sample = Sample { at: UnixMillis(4_000), value: 2.0 };
        let mut answered =
            Answered::written(0, |body| _ = put_value(body, Value::Scalar(sample), None, None));
        answered.infos.push("so".into());
        let (status, body) = body(Ok(answered));
        assert_eq!(status, StatusCode::OK);
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"status":"success","data":{"resultType":"scalar","result":[4,"2"]},"infos":["so"]}"#
        );
    }
}
