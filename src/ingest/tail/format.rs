//! A line of a file as a log record, by the file's format.

use jiff::tz::TimeZone;
use serde_json::Value;

use super::{access, when};
use crate::clock::UnixNanos;
use crate::ingest::fields::severity_in_line;
use crate::ingest::line::{Fields, stream_of, to_log_record};
use crate::record::{LogAddresses, LogRecord, Severity};

/// How a file's lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Each line is looked at: JSON, access log, else text.
    #[default]
    Auto,
    /// Lines are kept as they are.
    Text,
    /// A JSON object a line; what is none is text.
    Json,
    /// Common or combined access log; what is none is text.
    Access,
}

impl Format {
    /// Every format with its word in the configuration.
    pub const WORDS: [(&str, Format); 4] =
        [("auto", Format::Auto), ("text", Format::Text), ("json", Format::Json), ("access", Format::Access)];
}

/// Fields that can be the time, the first that makes sense wins.
const TIME_FIELDS: &[&str] = &["time", "ts", "timestamp", "@timestamp"];

/// What is the same for all lines of a round.
#[derive(Clone, Debug)]
pub struct Context {
    /// When the lines were read: the time of lines that name none.
    pub now: UnixNanos,
    /// The zone of times that name none.
    pub here: TimeZone,
    /// How much of an address in an access log is kept.
    pub addresses: LogAddresses,
}

impl Format {
    /// Converts a line.
    pub fn read(self, line: String, tag: &str, context: &Context) -> LogRecord {
        let may_be_json = matches!(self, Format::Auto | Format::Json) && line.starts_with('{');
        let parsed = if may_be_json { serde_json::from_str(&line).ok() } else { None };
        if let Some(Value::Object(fields)) = parsed {
            return of_fields(fields, tag, context);
        }
        let may_be_access = matches!(self, Format::Auto | Format::Access);
        let parsed = if may_be_access { access::read(&line, tag, context.addresses) } else { None };
        parsed.unwrap_or_else(|| {
            let severity = severity_in_line(&line).unwrap_or(Severity::Unspecified);
            let stream = stream_of(tag, severity);
            LogRecord { at: context.now, severity, stream, metadata: vec![], body: line }
        })
    }
}

fn of_fields(mut fields: Fields, tag: &str, context: &Context) -> LogRecord {
    let found = TIME_FIELDS.iter().find_map(|name| {
        let at = when::of_field(fields.get(*name)?, &context.here)?;
        Some((name, at))
    });
    let at = match found {
        Some((name, at)) => {
            fields.shift_remove(*name);
            at
        }
        None => context.now,
    };
    to_log_record(tag, at, fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: Format, line: &str) -> LogRecord {
        let context = Context { now: UnixNanos(7), here: TimeZone::UTC, addresses: LogAddresses::No };
        format.read(line.to_string(), "app", &context)
    }

    #[test]
    fn json_gives_time_level_line_and_metadata() {
        let record = read(
            Format::Auto,
            r#"{"ts":"2026-11-26T16:49:02Z","level":"warn","msg":"slow","status":200,"user":{"id":1}}"#,
        );
        assert_eq!((record.at.0, record.severity), (1_795_711_742_000_000_000, Severity::Warn));
        assert_eq!((record.body.as_str(), record.metadata("status")), ("slow", "200"));
        assert_eq!(record.metadata("user"), r#"{"id":1}"#);
        assert_eq!(record.metadata("ts"), "");
        let timeless = read(Format::Json, r#"{"log":"x","time":"soon"}"#);
        assert_eq!((timeless.at, timeless.metadata("time")), (UnixNanos(7), "soon"));
    }

    #[test]
    fn what_does_not_fit_its_format_is_text() {
        for (format, line) in [
            (Format::Auto, r#"{"half":"#),
            (Format::Json, "plain"),
            (Format::Access, "plain"),
            (Format::Text, r#"{"msg":"kept as it is"}"#),
        ] {
            let record = read(format, line);
            assert_eq!((record.body.as_str(), record.at), (line, UnixNanos(7)));
            assert_eq!(record.stream.get("job"), "app");
        }
        assert_eq!(read(Format::Json, &"[".repeat(100_000)).body.len(), 100_000);
        assert_eq!(read(Format::Json, &"{\"a\":".repeat(10_000)).body.len(), 50_000);
    }
}
