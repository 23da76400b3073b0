//! An event of another program as a log record: which field is the line, which the level, what
//! becomes of the rest.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::clock::UnixNanos;
use crate::ingest::fields::metadata_name;
use crate::record::access::cut;
use crate::record::{Labels, LogRecord, Severity};

/// The fields of an event, in the order in which they came.
pub type Fields = Map<String, Value>;

/// Fields of a record that become structured metadata; further ones are left out.
pub const FIELDS_MAX: usize = 64;

/// Bytes of a field's value, which is cut.
pub const FIELD_VALUE_MAX_BYTES: usize = 4 << 10;

/// Fields that can be the line, the first that is there wins; Docker sends `log`.
const BODY_FIELDS: &[&str] = &["message", "log", "msg"];

/// Fields that can hold the level, the first that names one wins.
const LEVEL_FIELDS: &[&str] =
    &["level", "severity", "log.level", "severity_text", "levelname", "log_level", "loglevel", "lvl"];

/// Converts an event. Without a field for the line, the whole event in JSON is the line.
pub fn to_log_record(tag: &str, at: UnixNanos, mut fields: Fields) -> LogRecord {
    let severity = take_severity(&mut fields);
    let stream = stream_of(tag, severity);
    match BODY_FIELDS.iter().find_map(|name| fields.shift_remove(*name)) {
        Some(line) => {
            let mut body = text(line);
            body.truncate(body.trim_end_matches(['\n', '\r']).len());
            LogRecord { at, severity, stream, metadata: metadata(fields), body }
        }
        None => LogRecord { at, severity, stream, metadata: vec![], body: Value::Object(fields).to_string() },
    }
}

/// Returns the stream of another program's lines: its tag is `job` and `service_name`.
pub fn stream_of(tag: &str, severity: Severity) -> Labels {
    Labels::new([("job", tag), ("service_name", tag), ("level", severity.as_str())])
}

/// Takes the level out of the fields: as a label it would be there twice. A field that
/// names no level that we know stays what it is.
fn take_severity(fields: &mut Fields) -> Severity {
    let found = LEVEL_FIELDS.iter().find_map(|name| {
        let severity = fields.get(*name).and_then(severity_of)?;
        Some((name, severity))
    });
    let Some((name, severity)) = found else { return Severity::Unspecified };
    fields.shift_remove(*name);
    severity
}

fn severity_of(value: &Value) -> Option<Severity> {
    match value {
        Value::String(word) => Severity::from_word(word),
        // The numbers of pino and bunyan, the only loggers that send plain ones.
        Value::Number(number) => match number.as_u64()? {
            10 => Some(Severity::Trace),
            20 => Some(Severity::Debug),
            30 => Some(Severity::Info),
            40 => Some(Severity::Warn),
            50 => Some(Severity::Error),
            60 => Some(Severity::Fatal),
            _ => None,
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn metadata(fields: Fields) -> Vec<(Cow<'static, str>, String)> {
    let mut res: Vec<(Cow<'static, str>, String)> = Vec::with_capacity(fields.len().min(FIELDS_MAX));
    for (name, value) in fields {
        let name = metadata_name(&name);
        let is_known = res.iter().any(|(known, _)| *known == name);
        if value.is_null() || name.is_empty() || is_known {
            continue;
        }
        if res.len() == FIELDS_MAX {
            break;
        }
        let mut value = text(value);
        value.truncate(cut(&value, FIELD_VALUE_MAX_BYTES).len());
        res.push((name.into(), value));
    }
    res
}

/// Returns a text as it is and everything else in JSON.
fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ingest::fields::FIELD_NAME_MAX_BYTES;

    fn record(fields: Value) -> LogRecord {
        let Value::Object(fields) = fields else { panic!("not an object") };
        to_log_record("flask.logs", UnixNanos(1), fields)
    }

    #[test]
    fn the_tag_names_the_stream() {
        let record = record(json!({"message": "test log"}));
        assert_eq!(record.stream.to_string(), r#"{job="flask.logs",service_name="flask.logs"}"#);
        assert_eq!(record.body, "test log");
        assert_eq!(record.severity, Severity::Unspecified);
        assert!(record.metadata.is_empty());
    }

    #[test]
    fn a_level_becomes_a_label_and_no_metadata() {
        let check = |fields: Value, expect: Severity| {
            let record = record(fields);
            assert_eq!((record.severity, record.stream.get("level")), (expect, expect.as_str()));
            assert_eq!(record.metadata, [], "{record:?}");
        };
        check(json!({"log": "x", "level": "WARNING"}), Severity::Warn);
        check(json!({"log": "x", "severity": "critical"}), Severity::Fatal);
        check(json!({"log": "x", "log.level": "debug"}), Severity::Debug);
        check(json!({"log": "x", "level": 50}), Severity::Error);
        let odd = record(json!({"log": "x", "level": "chatty", "severity": "info"}));
        assert_eq!((odd.severity, odd.metadata("level_extracted")), (Severity::Info, "chatty"));
    }

    #[test]
    fn other_fields_become_metadata_that_a_query_can_name() {
        let record = record(json!({
            "log": "line\r\n", "http.status": 200, "1st": true, "none": null, "job": "x",
            "container_name": "/web", "nested": {"a": [1]}, "http_status": "second"
        }));
        assert_eq!(record.body, "line");
        let pairs: Vec<String> =
            record.metadata.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            pairs,
            ["http_status=200", "_1st=true", "job_extracted=x", "container_name=/web", r#"nested={"a":[1]}"#]
        );
    }

    #[test]
    fn without_a_line_the_event_is_the_line() {
        let record = record(json!({"a": 1, "level": "info", "b": "x"}));
        assert_eq!(record.body, r#"{"a":1,"b":"x"}"#);
        assert_eq!(record.severity, Severity::Info);
    }

    #[test]
    fn metadata_is_bounded() {
        let mut fields = Fields::new();
        fields.insert("message".into(), "x".into());
        for n in 0..1_000 {
            fields.insert(format!("{n}{}", "n".repeat(500)), "v".repeat(10_000).into());
        }
        let record = record(Value::Object(fields));
        assert_eq!(record.metadata.len(), FIELDS_MAX);
        for (name, value) in &record.metadata {
            assert!(name.len() <= FIELD_NAME_MAX_BYTES + 1 && value.len() <= FIELD_VALUE_MAX_BYTES);
        }
    }
}
