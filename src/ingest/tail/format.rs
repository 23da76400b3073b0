//! A line of a file as a log record, by the file's format.

use jiff::tz::TimeZone;
use serde_json::Value;

use super::{access, when};
use crate::clock::UnixNanos;
use crate::ingest::line::{Fields, severity_of_word, stream_of, to_log_record};
use crate::record::access::cut;
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

/// The level of a text line stands within so many bytes, behind a time and a process at most.
const LEVEL_WITHIN_BYTES: usize = 80;

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
            let severity = guess_severity(&line);
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

/// Guesses a level from the beginning of a line: a word in capitals (`ERROR`), in brackets
/// (`[error]`), before a colon (`error:`) or after `level=`. A word in a sentence is none.
pub fn guess_severity(line: &str) -> Severity {
    let head = cut(line, LEVEL_WITHIN_BYTES);
    let is_letter = |c: char| c.is_ascii_alphabetic();
    let mut rest = head;
    while let Some(start) = rest.find(is_letter) {
        let (before, word_on) = rest.split_at(start);
        let (word, after) = word_on.split_at(word_on.find(|c| !is_letter(c)).unwrap_or(word_on.len()));
        let is_marked = word.chars().all(|c| c.is_ascii_uppercase())
            || before.ends_with(['[', '<', '|', '='])
            || after.starts_with([':', ']']);
        if let Some(severity) = severity_of_word(word).filter(|_| is_marked) {
            return severity;
        }
        rest = after;
    }
    Severity::Unspecified
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

    #[test]
    fn a_level_is_guessed_only_where_loggers_write_it() {
        let check = |line: &str, expect: Severity| assert_eq!(guess_severity(line), expect, "{line}");
        check("2026/11/26 16:49:02 [error] 12#12: *7 open() failed", Severity::Error);
        check("2026-11-26 16:49:02,1 WARNING root: x", Severity::Warn);
        check("ERROR:root:boom", Severity::Error);
        check("time=1 level=debug msg=\"x\"", Severity::Debug);
        check("fatal: not a git repository", Severity::Fatal);
        check("[Thu Nov 26 16:49:02.1 2026] [core:notice] [pid 1] x", Severity::Info);
        check("an error was not found", Severity::Unspecified);
        check("", Severity::Unspecified);
        check("информация", Severity::Unspecified);
    }
}
