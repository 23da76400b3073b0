//! Answers and refusals as they are sent.
//!
//! What says how a result is to be read comes before the result, as Grafana wants it. Times of lines
//! are texts in nanoseconds, those of numbers are seconds.

use std::collections::HashMap;
use std::io::Write as _;
use std::time::Duration;

use actix_web::http::StatusCode;
use serde_json::json;

use crate::http::api::reply::Reply;
use crate::http::api::values::put_value;
use crate::query::logql::{Error, Line, LogAnswer, MetricAnswer, Pairs, ReadStats};
use crate::record::Labels;
use crate::record::read::ReadError;

/// Bytes of a line's time and brackets.
const LINE_BYTES: usize = 40;

/// Bytes of a label set, about.
const LABELS_BYTES: usize = 200;

/// What is written to memory, and never fails.
macro_rules! put {
    ($res:expr, $($arg:tt)*) => { write!($res, $($arg)*).expect("writing to memory does not fail") };
}

/// What an endpoint answers.
pub(super) struct Answered {
    /// The whole body.
    pub body: Vec<u8>,
}

impl Answered {
    /// Answers with a value as it is.
    pub fn bare(value: &serde_json::Value) -> Self {
        Answered { body: value.to_string().into_bytes() }
    }

    /// Answers with a value as `data`.
    pub fn of(data: &serde_json::Value) -> Self {
        Answered::bare(&json!({"status": "success", "data": data}))
    }
}

/// Why an endpoint does not answer.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    /// What is said.
    pub message: String,
}

impl Refused {
    /// Refuses with a status.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Refused { status, message: message.into() }
    }

    /// Something that was given is wrong.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Refused::new(StatusCode::BAD_REQUEST, message)
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::Timeout => StatusCode::GATEWAY_TIMEOUT,
            // Nobody hears it.
            Error::Canceled => StatusCode::from_u16(499).unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
            Error::Read(ReadError::Store(_)) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        Refused::new(status, error.to_string())
    }
}

impl From<crate::query::logql::ParseError> for Refused {
    fn from(error: crate::query::logql::ParseError) -> Self {
        Refused::bad_request(error.to_string())
    }
}

impl From<ReadError> for Refused {
    fn from(error: ReadError) -> Self {
        Error::from(error).into()
    }
}

/// Returns an answer as it is sent.
pub(super) fn reply(answered: Result<Answered, Refused>) -> Reply {
    match answered {
        Ok(Answered { body }) => Reply { status: StatusCode::OK, content_type: "application/json", body },
        Err(refused) => refusal(refused),
    }
}

/// Returns a refusal as it is sent.
pub(super) fn refusal(refused: Refused) -> Reply {
    let body = format!("{}\n", refused.message.trim_end()).into_bytes();
    Reply { status: refused.status, content_type: "text/plain; charset=utf-8", body }
}

/// Writes numbers.
pub(super) fn numbers(answer: MetricAnswer, took: Duration) -> Answered {
    let stats = stats(&answer.stats, 0, took);
    let mut body = br#"{"status":"success","data":"#.to_vec();
    put_value(&mut body, answer.value, None, Some(&stats));
    body.push(b'}');
    Answered { body }
}

/// Writes lines, each stream's together, in the order in which streams first have one.
pub(super) fn lines(answer: LogAnswer, categorizes: bool, took: Duration) -> Answered {
    let n_bytes: usize = answer.lines.iter().map(|line| line.text.len() + LINE_BYTES).sum();
    let mut body = Vec::with_capacity(n_bytes + n_bytes / 8 + LABELS_BYTES);
    put!(body, r#"{{"status":"success","data":{{"resultType":"streams","#);
    if categorizes {
        put!(body, r#""encodingFlags":["categorize-labels"],"#);
    }
    let stats = stats(&answer.stats, answer.lines.len(), took);
    put_streams(&mut body, answer.lines, categorizes, r#""result":"#);
    put!(body, r#","stats":{stats}}}"#);
    if answer.is_cut_off {
        let text = "the lines of this answer were cut off at 16 MB; ask on from the time of the last one";
        put!(body, r#","warnings":[{}]"#, json!(text));
    }
    body.push(b'}');
    Answered { body }
}

/// Writes lines as an array of streams behind a name.
pub(super) fn put_streams(body: &mut Vec<u8>, lines: Vec<Line>, categorizes: bool, name: &str) {
    let mut places: HashMap<Pairs, usize> = HashMap::new();
    let mut streams: Vec<(Pairs, Vec<Line>)> = Vec::new();
    for line in lines {
        let labels = if categorizes { owned(&line.stream) } else { line.labels() };
        let place = *places.entry(labels).or_insert_with_key(|labels| {
            streams.push((labels.clone(), Vec::new()));
            streams.len() - 1
        });
        streams[place].1.push(line);
    }
    put!(body, "{name}[");
    for (idx, (labels, lines)) in streams.into_iter().enumerate() {
        put!(body, r#"{}{{"stream":"#, if idx == 0 { "" } else { "," });
        put_pairs(body, &labels);
        put!(body, r#","values":["#);
        for (idx, line) in lines.into_iter().enumerate() {
            put!(body, r#"{}["{}",{}"#, if idx == 0 { "" } else { "," }, line.at.0, json!(line.text));
            if categorizes {
                put_categories(body, &line);
            }
            body.push(b']');
        }
        put!(body, "]}}");
    }
    body.push(b']');
}

/// Writes what is no label of the stream; an empty object when there is nothing.
fn put_categories(body: &mut Vec<u8>, line: &Line) {
    put!(body, ",{{");
    let mut is_first = true;
    for (name, pairs) in [("structuredMetadata", &line.metadata), ("parsed", &line.parsed)] {
        if pairs.is_empty() {
            continue;
        }
        put!(body, r#"{}"{name}":"#, if is_first { "" } else { "," });
        is_first = false;
        put_pairs(body, pairs);
    }
    body.push(b'}');
}

/// Returns labels as pairs.
pub(super) fn owned(labels: &Labels) -> Pairs {
    labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

/// Writes pairs as an object.
pub(super) fn put_pairs(body: &mut Vec<u8>, pairs: &[(String, String)]) {
    body.push(b'{');
    for (idx, (name, value)) in pairs.iter().enumerate() {
        put!(body, "{}{}:{}", if idx == 0 { "" } else { "," }, json!(name), json!(value));
    }
    body.push(b'}');
}

/// What Grafana's inspector and `logcli --stats` show.
fn stats(read: &ReadStats, n_entries: usize, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    let a_second = |n: u64| if seconds > 0.0 { (n as f64 / seconds) as u64 } else { 0 };
    let chunk = json!({
        "headChunkBytes": 0,
        "headChunkLines": 0,
        "decompressedBytes": read.n_bytes,
        "decompressedLines": read.n_lines,
        "compressedBytes": 0,
        "totalDuplicates": 0,
    });
    let store = json!({
        "totalChunksRef": read.n_blocks,
        "totalChunksDownloaded": read.n_unpacked,
        "chunksDownloadTime": 0,
        "chunk": chunk,
    });
    json!({
        "summary": {
            "bytesProcessedPerSecond": a_second(read.n_bytes),
            "linesProcessedPerSecond": a_second(read.n_lines),
            "totalBytesProcessed": read.n_bytes,
            "totalLinesProcessed": read.n_lines,
            "execTime": seconds,
            "queueTime": 0.0,
            "subqueries": 0,
            "totalEntriesReturned": n_entries,
            "splits": 0,
            "shards": 0,
        },
        "querier": {"store": store},
        "ingester": {},
        "cache": {},
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixNanos;

    fn line(at: i64, text: &str, parsed: &[(&str, &str)]) -> Line {
        let owned = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
        };
        Line {
            at: UnixNanos(at),
            text: text.into(),
            stream: Labels::new([("job", "a")]),
            metadata: owned(&[("detected_level", "info")]),
            parsed: owned(parsed),
        }
    }

    fn written(categorizes: bool) -> String {
        let lines = vec![line(2, "x", &[("b", "1")]), line(1, "y\"", &[])];
        let answer = LogAnswer { lines, ..LogAnswer::default() };
        let body = lines_of(answer, categorizes);
        body.split(r#","stats""#).next().unwrap().to_string()
    }

    fn lines_of(answer: LogAnswer, categorizes: bool) -> String {
        String::from_utf8(lines(answer, categorizes, Duration::ZERO).body).unwrap()
    }

    #[test]
    fn lines_stand_with_their_stream() {
        assert_eq!(
            written(false),
            concat!(
                r#"{"status":"success","data":{"resultType":"streams","result":["#,
                r#"{"stream":{"b":"1","detected_level":"info","job":"a"},"values":[["2","x"]]},"#,
                r#"{"stream":{"detected_level":"info","job":"a"},"values":[["1","y\""]]}]"#
            )
        );
    }

    #[test]
    fn labels_stand_where_they_come_from_when_that_was_asked() {
        assert_eq!(
            written(true),
            concat!(
                r#"{"status":"success","data":{"resultType":"streams","encodingFlags":["categorize-labels"],"#,
                r#""result":[{"stream":{"job":"a"},"values":["#,
                r#"["2","x",{"structuredMetadata":{"detected_level":"info"},"parsed":{"b":"1"}}],"#,
                r#"["1","y\"",{"structuredMetadata":{"detected_level":"info"}}]]}]"#
            )
        );
    }

    #[test]
    fn nothing_is_an_empty_result() {
        let body = lines_of(LogAnswer { is_cut_off: true, ..LogAnswer::default() }, false);
        assert!(body.contains(r#""result":[],"#) && body.contains(r#""warnings":["#), "{body}");
        let value: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(value["data"]["stats"]["summary"]["totalEntriesReturned"], 0);
    }
}
