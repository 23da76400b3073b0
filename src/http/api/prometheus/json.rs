//! The JSON of answers and refusals, written as it is sent.

use std::fmt::Display;
use std::io::Write as _;

use actix_web::http::StatusCode;
use serde_json::json;

use crate::http::api::reply::Reply;
use crate::query::promql::Error;
use crate::record::read::ReadError;

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

/// Returns an answer as it is sent.
pub(super) fn reply(answered: Result<Answered, Refused>) -> Reply {
    let (status, body) = match answered {
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
    };
    Reply { status, content_type: "application/json", body }
}

fn bounded(mut notes: Vec<String>, kind: &str) -> Vec<String> {
    if notes.len() > NOTES_MAX {
        let n_more = notes.len() - NOTES_MAX;
        notes.truncate(NOTES_MAX);
        notes.push(format!("{n_more} more {kind} annotations omitted"));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixMillis;
    use crate::http::api::values::put_value;
    use crate::query::promql::Value;
    use crate::record::Sample;

    #[test]
    fn the_type_comes_before_the_result() {
        let sample = Sample { at: UnixMillis(4_000), value: 2.0 };
        let mut answered =
            Answered::written(0, |body| _ = put_value(body, Value::Scalar(sample), None, None));
        answered.infos.push("so".into());
        let reply = reply(Ok(answered));
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(
            String::from_utf8(reply.body).unwrap(),
            r#"{"status":"success","data":{"resultType":"scalar","result":[4,"2"]},"infos":["so"]}"#
        );
    }
}
