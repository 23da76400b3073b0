//! Loki's push API: streams of lines, in protobuf or JSON.
//!
//! The messages are those of `pkg/push/push.proto` and of Loki's HTTP API reference. Labels stay
//! as they came; `service_name` is found as Loki finds it, since its log views begin there.

use std::borrow::Cow;

use super::wire::Fields;
use super::{Budget, Fault, LeftOut, RECORDS_MAX, Reason, Times, are_fine};
use crate::clock::UnixNanos;
use crate::ingest::fields::{other_service, plain_name, severity_in_line};
use crate::record::{Labels, LogRecord, Severity};

pub use super::loki_json::decode as decode_json;

/// Bytes of a line; a longer one is left out. The store cuts lines at a quarter of it.
const LINE_MAX_BYTES: usize = 1 << 20;

/// Pairs of structured metadata of one line; further ones are left out.
const METADATA_MAX: usize = 64;

/// Streams of one request; a shipper on one machine has a handful.
pub(super) const STREAMS_MAX: usize = 10_000;

/// The label that says what a line is of.
const SERVICE: &str = "service_name";

/// Labels that name a service, the first that is there wins (Loki, `discover_service_name`).
const SERVICE_LABELS: &[&str] = &[
    "service",
    "app",
    "application",
    "app_name",
    "name",
    "app_kubernetes_io_name",
    "container",
    "container_name",
    "k8s_container_name",
    "component",
    "workload",
    "job",
    "k8s_job_name",
];

/// Labels and metadata that may hold the level, the first that names one wins.
const LEVEL_NAMES: &[&str] = &["level", "detected_level", "severity", "severity_text", "lvl"];

/// What one request brought.
#[derive(Debug, Default)]
pub struct Pushed {
    /// The lines.
    pub records: Vec<LogRecord>,
    /// What was left out.
    pub left_out: LeftOut,
    budget: Budget,
}

/// A line with its metadata, before it belongs to a stream.
pub(super) struct Line<'b> {
    pub(super) at_ns: u64,
    pub(super) text: Cow<'b, str>,
    pub(super) metadata: Vec<(Cow<'static, str>, String)>,
}

impl Pushed {
    /// Takes a line of a stream, or leaves it out; no stream is one with labels that are not fine.
    pub(super) fn add(&mut self, stream: Option<&Stream>, line: Line<'_>, times: Times) -> Result<(), Fault> {
        let Some(stream) = stream else {
            self.left_out.add(Reason::Labels, 1);
            return Ok(());
        };
        if line.text.len() > LINE_MAX_BYTES {
            self.left_out.add(Reason::Size, 1);
            return Ok(());
        }
        let at = match times.of_log(line.at_ns) {
            Ok(at) => at,
            Err(reason) => {
                self.left_out.add(reason, 1);
                return Ok(());
            }
        };
        if self.records.len() == RECORDS_MAX {
            return Err(Fault::TooMany);
        }
        let record = stream.record(at, line);
        self.budget.take_record(&record)?;
        self.records.push(record);
        Ok(())
    }
}

/// A stream's labels, and what they say of all its lines.
pub(super) struct Stream {
    labels: Labels,
    severity: Option<Severity>,
}

impl Stream {
    /// Makes a stream of label pairs; none when they are too many or too long.
    pub(super) fn of(mut pairs: Vec<(String, String)>) -> Option<Stream> {
        let is_fine = are_fine(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        if pairs.is_empty() || !is_fine {
            return None;
        }
        let value_of = |wanted: &str| {
            pairs
                .iter()
                .find(|(name, value)| name == wanted && !value.is_empty())
                .map(|(_, value)| value.clone())
        };
        let severity =
            LEVEL_NAMES.iter().find_map(|name| value_of(name).and_then(|word| Severity::from_word(&word)));
        let service = value_of(SERVICE).or_else(|| SERVICE_LABELS.iter().find_map(|name| value_of(name)));
        pairs.retain(|(name, _)| name != SERVICE);
        pairs.push((SERVICE.into(), other_service(service.unwrap_or_else(|| "unknown_service".into()))));
        Some(Stream { labels: Labels::new(pairs), severity })
    }

    /// Makes a record. Its level is what the sender says that was detected, else what the labels,
    /// the metadata or the line say.
    fn record(&self, at: UnixNanos, line: Line<'_>) -> LogRecord {
        let value_of =
            |wanted: &str| line.metadata.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
        let of_metadata =
            || LEVEL_NAMES.iter().find_map(|name| value_of(name).and_then(|word| Severity::from_word(word)));
        let severity = match value_of("detected_level").filter(|word| !word.is_empty()) {
            Some(word) => Severity::from_word(word),
            None => self.severity.or_else(of_metadata).or_else(|| severity_in_line(&line.text)),
        };
        LogRecord {
            at,
            severity: severity.unwrap_or(Severity::Unspecified),
            stream: self.labels.clone(),
            metadata: line.metadata,
            body: line.text.into_owned(),
        }
    }
}

/// Adds a pair of structured metadata, by a name that a query can say.
pub(super) fn add_metadata(metadata: &mut Vec<(Cow<'static, str>, String)>, name: &str, value: &str) {
    if metadata.len() < METADATA_MAX && !name.is_empty() && !value.is_empty() {
        let value = crate::record::access::cut(value, super::LABEL_VALUE_MAX_BYTES);
        // Which labels the stream has is known to whoever reads it.
        metadata.push((plain_name(name).into(), value.to_string()));
    }
}

/// Reads a `PushRequest` in protobuf.
pub fn decode(body: &[u8], times: Times) -> Result<Pushed, Fault> {
    let mut res = Pushed::default();
    let mut n_streams = 0;
    for field in Fields(body) {
        if let (1, value) = field? {
            n_streams += 1;
            if n_streams > STREAMS_MAX {
                return Err(Fault::TooMany);
            }
            decode_stream(value.message()?, times, &mut res)?;
        }
    }
    Ok(res)
}

fn decode_stream(fields: Fields<'_>, times: Times, res: &mut Pushed) -> Result<(), Fault> {
    let mut labels = "";
    // The labels may stand behind the lines.
    for field in fields.clone() {
        if let (1, value) = field? {
            labels = value.text()?;
        }
    }
    let pairs =
        parse_labels(labels).ok_or_else(|| Fault::Malformed("a stream's labels are no label set".into()))?;
    let stream = Stream::of(pairs);
    for field in fields {
        if let (2, value) = field? {
            let line = decode_line(value.message()?)?;
            res.add(stream.as_ref(), line, times)?;
        }
    }
    Ok(())
}

fn decode_line<'b>(fields: Fields<'b>) -> Result<Line<'b>, Fault> {
    let mut line = Line { at_ns: 0, text: Cow::Borrowed(""), metadata: Vec::new() };
    for field in fields {
        match field? {
            (1, value) => line.at_ns = decode_time(value.message()?)?,
            // What is no UTF-8 is not worth losing the line for.
            (2, value) => line.text = String::from_utf8_lossy(value.bytes()?),
            (3, value) => {
                let (mut name, mut text) = ("", "");
                for field in value.message()? {
                    match field? {
                        (1, value) => name = value.text()?,
                        (2, value) => text = value.text()?,
                        _ => {}
                    }
                }
                add_metadata(&mut line.metadata, name, text);
            }
            _ => {}
        }
    }
    Ok(line)
}

/// A time that does not fit is far ahead, and refused as such.
fn decode_time(fields: Fields<'_>) -> Result<u64, Fault> {
    let (mut seconds, mut nanos) = (0, 0);
    for field in fields {
        match field? {
            (1, value) => seconds = value.int()?,
            (2, value) => nanos = value.int()?,
            _ => {}
        }
    }
    let at = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    Ok(u64::try_from(at).unwrap_or(u64::MAX))
}

/// Reads `{name="value", …}`; none when it is anything else.
///
/// Values are written as Go's and Prometheus's quoted strings are.
pub(super) fn parse_labels(text: &str) -> Option<Vec<(String, String)>> {
    let mut rest = text.trim().strip_prefix('{')?.trim_start();
    let mut res = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return after.trim().is_empty().then_some(res);
        }
        let (name, after) = rest.split_once('=')?;
        let name = name.trim();
        let is_name = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b':'));
        if name.is_empty() || !is_name || res.len() > super::LABELS_MAX {
            return None;
        }
        let (value, after) = quoted(after.trim_start())?;
        res.push((name.to_string(), value));
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if rest.starts_with('}') => {}
            None => return None,
        }
    }
}

/// Reads a quoted string and returns what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    if let Some(raw) = text.strip_prefix('`') {
        let (value, rest) = raw.split_once('`')?;
        return Some((value.to_string(), rest));
    }
    let mut chars = text.strip_prefix('"')?.chars();
    let mut res = String::new();
    loop {
        match chars.next()? {
            '"' => return Some((res, chars.as_str())),
            '\\' => match chars.next()? {
                'n' => res.push('\n'),
                't' => res.push('\t'),
                'r' => res.push('\r'),
                'x' => res.push(hex_char(&mut chars, 2)?),
                'u' => res.push(hex_char(&mut chars, 4)?),
                'U' => res.push(hex_char(&mut chars, 8)?),
                other @ ('"' | '\\' | '\'') => res.push(other),
                _ => return None,
            },
            other => res.push(other),
        }
    }
}

fn hex_char(chars: &mut std::str::Chars<'_>, n_digits: usize) -> Option<char> {
    let digits = chars.as_str().get(..n_digits)?;
    let res = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)?;
    *chars = chars.as_str()[n_digits..].chars();
    Some(res)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;

    use super::super::Oldest;
    use super::*;
    use crate::clock::UnixMillis;

    const NOW: i64 = 1_800_000_000_000_000_000;
    const TIMES: Times = Times {
        now: UnixNanos(NOW),
        oldest: Oldest { sample: UnixMillis(0), log: UnixNanos(0), span: UnixNanos(0) },
    };

    /// The messages as Loki's clients make them.
    mod client {
        #[derive(Clone, PartialEq, prost::Message)]
        pub struct PushRequest {
            #[prost(message, repeated, tag = "1")]
            pub streams: Vec<Stream>,
        }

        #[derive(Clone, PartialEq, prost::Message)]
        pub struct Stream {
            #[prost(string, tag = "1")]
            pub labels: String,
            #[prost(message, repeated, tag = "2")]
            pub entries: Vec<Entry>,
        }

        #[derive(Clone, PartialEq, prost::Message)]
        pub struct Entry {
            #[prost(message, optional, tag = "1")]
            pub timestamp: Option<Timestamp>,
            #[prost(string, tag = "2")]
            pub line: String,
            #[prost(message, repeated, tag = "3")]
            pub metadata: Vec<Pair>,
        }

        #[derive(Clone, PartialEq, prost::Message)]
        pub struct Timestamp {
            #[prost(int64, tag = "1")]
            pub seconds: i64,
            #[prost(int32, tag = "2")]
            pub nanos: i32,
        }

        #[derive(Clone, PartialEq, prost::Message)]
        pub struct Pair {
            #[prost(string, tag = "1")]
            pub name: String,
            #[prost(string, tag = "2")]
            pub value: String,
        }
    }

    fn request(labels: &str, at: Option<(i64, i32)>, line: &str, metadata: &[(&str, &str)]) -> Vec<u8> {
        let pair =
            |(name, value): &(&str, &str)| client::Pair { name: (*name).into(), value: (*value).into() };
        let entry = client::Entry {
            timestamp: at.map(|(seconds, nanos)| client::Timestamp { seconds, nanos }),
            line: line.into(),
            metadata: metadata.iter().map(pair).collect(),
        };
        let stream = client::Stream { labels: labels.into(), entries: vec![entry] };
        client::PushRequest { streams: vec![stream] }.encode_to_vec()
    }

    fn one(labels: &str, line: &str, metadata: &[(&str, &str)]) -> LogRecord {
        let mut pushed = decode(&request(labels, Some((5, 7)), line, metadata), TIMES).unwrap();
        assert_eq!((pushed.records.len(), pushed.left_out.count()), (1, 0));
        pushed.records.remove(0)
    }

    #[test]
    fn a_line_keeps_its_labels_time_and_metadata() {
        let record = one(r#"{job="nginx", host="a\"b"}"#, "GET /", &[("trace.id", "x"), ("", "y")]);
        assert_eq!(record.stream.to_string(), r#"{host="a\"b",job="nginx",service_name="nginx"}"#);
        assert_eq!((record.at, record.body.as_str()), (UnixNanos(5_000_000_007), "GET /"));
        assert_eq!(record.metadata, [("trace_id".into(), "x".to_string())]);
        assert_eq!(record.severity, Severity::Unspecified);
    }

    #[test]
    fn a_service_is_found_as_loki_finds_it() {
        let check = |labels: &str, expect: &str| {
            assert_eq!(one(labels, "x", &[]).stream.get("service_name"), expect, "{labels}");
        };
        check(r#"{service_name="a", app="b"}"#, "a");
        check(r#"{app="b", job="c"}"#, "b");
        check(r#"{host="h"}"#, "unknown_service");
        // Nobody outside says what this vitrine did.
        check(r#"{service_name="vitrine", job="audit"}"#, "remote-vitrine");
        check(r#"{app="vitrine", job="audit"}"#, "remote-vitrine");
    }

    #[test]
    fn a_level_comes_from_the_label_the_metadata_or_the_line() {
        let check = |labels: &str, line: &str, metadata: &[(&str, &str)], expect: Severity| {
            assert_eq!(one(labels, line, metadata).severity, expect, "{labels} {line}");
        };
        check(r#"{level="warn"}"#, "level=error", &[], Severity::Warn);
        check(r#"{a="b"}"#, "x", &[("severity", "ERROR")], Severity::Error);
        check(r#"{a="b"}"#, r#"{"level":"debug","msg":"x"}"#, &[], Severity::Debug);
        check(r#"{a="b"}"#, "ts=1 level=info msg=x", &[], Severity::Info);
    }

    #[test]
    fn times_are_read_or_refused() {
        let check = |at, expect: Result<i64, Reason>| {
            let pushed = decode(&request(r#"{a="b"}"#, at, "x", &[]), TIMES).unwrap();
            match expect {
                Ok(at) => assert_eq!(pushed.records[0].at.0, at),
                Err(reason) => assert_eq!(pushed.left_out.0[reason as usize], 1, "{pushed:?}"),
            }
        };
        check(None, Ok(NOW));
        check(Some((0, 0)), Ok(NOW));
        check(Some((1_800_000_100, 5)), Ok(1_800_000_100_000_000_005));
        check(Some((16_725_225_600, 0)), Err(Reason::Time));
        check(Some((i64::MAX, i32::MAX)), Err(Reason::Time));
        check(Some((-1, 0)), Err(Reason::Time));
    }

    #[test]
    fn label_sets_are_read_as_go_writes_them() {
        let check = |text: &str, expect: Option<&[(&str, &str)]>| {
            let found = parse_labels(text);
            let found: Option<Vec<(&str, &str)>> =
                found.as_ref().map(|pairs| pairs.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect());
            assert_eq!(found.as_deref(), expect, "{text}");
        };
        check(r#"{a="b"}"#, Some(&[("a", "b")]));
        check(r#" { a = "x\ty", b=`r\aw`, } "#, Some(&[("a", "x\ty"), ("b", r"r\aw")]));
        check(r#"{a="\u00e9\x41"}"#, Some(&[("a", "éA")]));
        check("{}", Some(&[]));
        for text in ["", "a", "{a}", "{a=b}", r#"{a="b"#, r#"{a="b"} x"#, r#"{a="b" c="d"}"#, r#"{a="\q"}"#] {
            check(text, None);
        }
    }

    #[test]
    fn labels_beyond_the_bounds_leave_their_lines_out() {
        let labels: Vec<String> = (0..=super::super::LABELS_MAX).map(|n| format!("a{n}=\"x\"")).collect();
        let many = format!("{{{}}}", labels.join(","));
        let pushed = decode(&request(&many, None, "x", &[]), TIMES).unwrap();
        assert_eq!(pushed.left_out.0[Reason::Labels as usize], 1);
        let empty = decode(&request("{}", None, "x", &[]), TIMES).unwrap();
        assert_eq!(empty.left_out.0[Reason::Labels as usize], 1);
        let long = decode(&request(r#"{a="b"}"#, None, &"x".repeat(LINE_MAX_BYTES + 1), &[]), TIMES).unwrap();
        assert_eq!(long.left_out.0[Reason::Size as usize], 1);
    }

    #[test]
    fn a_bomb_of_empty_messages_takes_no_room() {
        let streams: Vec<u8> = [0x0a, 0x00].repeat(super::super::inflate::INFLATED_MAX_BYTES / 2);
        let mut fault = None;
        let info = allocation_counter::measure(|| fault = decode(&streams, TIMES).err());
        assert!(
            matches!(fault, Some(Fault::Malformed(_))) && info.bytes_max < 64 << 10,
            "{fault:?} {info:?}"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            _ = decode(&bytes, TIMES);
            let framed = request(&String::from_utf8_lossy(&bytes), None, "x", &[]);
            _ = decode(&framed, TIMES);
        }
    }
}
