//! An entry of the systemd journal, as `journalctl --output=json` writes it, as a log record
//! (systemd.journal-fields(7); "Journal JSON Format" of systemd.io).

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::JournalSource;
use crate::clock::UnixNanos;
use crate::ingest::line::{FIELD_VALUE_MAX_BYTES, stream_of};
use crate::record::access::cut;
use crate::record::{LogRecord, Severity};

/// Fields that become metadata, with their names there.
const FIELDS: [(&str, &str); 4] = [
    ("_SYSTEMD_UNIT", "systemd_unit"),
    ("SYSLOG_IDENTIFIER", "syslog_identifier"),
    ("_PID", "process_pid"),
    ("_HOSTNAME", "host_name"),
];

/// One entry.
pub struct Entry {
    /// Journald's name of its place.
    pub cursor: String,
    /// The record; none where there is nothing to keep.
    pub record: Option<LogRecord>,
    /// True when its message was no UTF-8.
    pub is_binary: bool,
}

/// Reads an entry; none when it is not what journalctl writes.
pub fn read(line: &[u8], source: &JournalSource, now: UnixNanos) -> Option<Entry> {
    let fields: Map<String, Value> = serde_json::from_slice(line).ok()?;
    let cursor = text(fields.get("__CURSOR")?)?.0.into_owned();
    let (message, is_binary) = fields.get("MESSAGE").and_then(text).unwrap_or_default();
    let is_wanted = !message.is_empty() && !is_own(&fields);
    let record = is_wanted.then(|| record(&fields, &message, source, now));
    Some(Entry { cursor, record, is_binary })
}

/// Our own lines are in the store already; each would come back once more, and again when
/// something is said about it.
fn is_own(fields: &Map<String, Value>) -> bool {
    let is = |name: &str, value: &str| fields.get(name).and_then(Value::as_str) == Some(value);
    is("_PID", &std::process::id().to_string()) || is("_COMM", "vitrine")
}

fn record(fields: &Map<String, Value>, message: &str, source: &JournalSource, now: UnixNanos) -> LogRecord {
    let field = |name: &str| fields.get(name).and_then(text).map(|(value, _)| value.into_owned());
    let severity = field("PRIORITY").map_or(Severity::Unspecified, |priority| severity_of(&priority));
    let micros: Option<i64> = field("__REALTIME_TIMESTAMP").and_then(|micros| micros.parse().ok());
    let at = micros.and_then(|micros| micros.checked_mul(1_000)).map_or(now, UnixNanos);
    let unit = field("_SYSTEMD_UNIT").unwrap_or_default();
    let metadata = FIELDS.iter().filter_map(|(name, known)| {
        let value = field(name)?;
        Some((Cow::Borrowed(*known), cut(&value, FIELD_VALUE_MAX_BYTES).to_string()))
    });
    let metadata = metadata.collect();
    let stream = stream_of(source.tag_of(&unit), severity);
    LogRecord { at, severity, stream, metadata, body: message.to_string() }
}

/// The levels of syslog (RFC 5424, 6.2.1).
fn severity_of(priority: &str) -> Severity {
    match priority {
        "0" | "1" | "2" => Severity::Fatal,
        "3" => Severity::Error,
        "4" => Severity::Warn,
        "5" | "6" => Severity::Info,
        "7" => Severity::Debug,
        _ => Severity::Unspecified,
    }
}

/// Returns a field's text, and whether bytes of it had to be replaced. What is not printable
/// comes as an array of bytes, a field that is there more than once as an array of texts.
fn text(value: &Value) -> Option<(Cow<'_, str>, bool)> {
    match value {
        Value::String(text) => Some((Cow::Borrowed(text), false)),
        Value::Array(items) => match items.first()? {
            Value::Number(_) => {
                let bytes: Option<Vec<u8>> =
                    items.iter().map(|item| item.as_u64().and_then(|byte| u8::try_from(byte).ok())).collect();
                match String::from_utf8(bytes?) {
                    Ok(text) => Some((Cow::Owned(text), false)),
                    Err(fault) => {
                        Some((Cow::Owned(String::from_utf8_lossy(fault.as_bytes()).into_owned()), true))
                    }
                }
            }
            first => text(first),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_json(json: &str, units: &[&str]) -> Entry {
        let source = JournalSource { units: units.iter().map(|unit| unit.to_string()).collect(), tag: None };
        read(json.as_bytes(), &source, UnixNanos(7)).unwrap()
    }

    const NGINX: &str = r#"{"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1795711742000001","PRIORITY":"3","MESSAGE":"bind() failed","_SYSTEMD_UNIT":"nginx.service","SYSLOG_IDENTIFIER":"nginx","_PID":"9999999","_HOSTNAME":"web"}"#;

    #[test]
    fn an_entry_becomes_a_record() {
        let entry = read_json(NGINX, &["nginx.service"]);
        let record = entry.record.unwrap();
        assert_eq!((entry.cursor.as_str(), record.body.as_str()), ("s=1;i=2", "bind() failed"));
        assert_eq!(record.at.0, 1_795_711_742_000_001_000);
        assert_eq!(record.stream.to_string(), r#"{job="nginx",level="error",service_name="nginx"}"#);
        assert_eq!((record.metadata("systemd_unit"), record.metadata("host_name")), ("nginx.service", "web"));
        // Without a list, names of units are anybody's: they must not become labels.
        assert_eq!(read_json(NGINX, &[]).record.unwrap().stream.get("job"), "journal");
    }

    #[test]
    fn bytes_doubled_fields_and_own_lines_are_understood() {
        let entry = read_json(r#"{"__CURSOR":"c","MESSAGE":[104,105],"PRIORITY":["6","3"]}"#, &[]);
        let record = entry.record.unwrap();
        assert_eq!((record.body.as_str(), record.severity, record.at), ("hi", Severity::Info, UnixNanos(7)));
        assert!(read_json(r#"{"__CURSOR":"c","MESSAGE":[104,255]}"#, &[]).is_binary);
        assert!(read_json(r#"{"__CURSOR":"c","MESSAGE":null}"#, &[]).record.is_none());
        let own = format!(r#"{{"__CURSOR":"c","MESSAGE":"x","_PID":"{}"}}"#, std::process::id());
        assert!(read_json(&own, &[]).record.is_none());
        let source = JournalSource { units: vec![], tag: None };
        assert!(read(b"{\"MESSAGE\":\"no cursor\"}", &source, UnixNanos(7)).is_none());
        assert!(read(b"-- no entries --", &source, UnixNanos(7)).is_none());
    }
}
