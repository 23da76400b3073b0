//! A request of Loki's push (`pkg/push/push.proto`) with generated lines.

use std::collections::BTreeMap;

use prost::Message;
use vitrine::record::LogRecord;

use super::lines::Lines;

#[derive(Clone, PartialEq, Message)]
struct PushRequest {
    #[prost(message, repeated, tag = "1")]
    streams: Vec<Stream>,
}

#[derive(Clone, PartialEq, Message)]
struct Stream {
    #[prost(string, tag = "1")]
    labels: String,
    #[prost(message, repeated, tag = "2")]
    entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(message, optional, tag = "1")]
    timestamp: Option<Timestamp>,
    #[prost(string, tag = "2")]
    line: String,
    #[prost(message, repeated, tag = "3")]
    metadata: Vec<Pair>,
}

#[derive(Clone, PartialEq, Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Pair {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// Returns a request with the next so many lines, compressed as shippers do.
pub fn body(lines: &mut Lines, n_lines: usize) -> Vec<u8> {
    let mut streams: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for _ in 0..n_lines {
        let record = lines.next();
        streams.entry(record.stream.to_string()).or_default().push(entry(record));
    }
    let streams = streams.into_iter().map(|(labels, entries)| Stream { labels, entries }).collect();
    snap::raw::Encoder::new().compress_vec(&PushRequest { streams }.encode_to_vec()).unwrap()
}

fn entry(record: LogRecord) -> Entry {
    let at = record.at.0;
    let pair =
        |(name, value): (std::borrow::Cow<'static, str>, String)| Pair { name: name.into_owned(), value };
    Entry {
        timestamp: Some(Timestamp {
            seconds: at.div_euclid(1_000_000_000),
            nanos: at.rem_euclid(1_000_000_000) as i32,
        }),
        line: record.body,
        metadata: record.metadata.into_iter().map(pair).collect(),
    }
}
