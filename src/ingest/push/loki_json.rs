//! Loki's push API in JSON: `{"streams": [{"stream": {…}, "values": [["<ns>", "line", {…}]]}]}`.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::loki::{Line, Pushed, STREAMS_MAX, Stream, add_metadata};
use super::{Fault, RECORDS_MAX, Times};

/// Bytes of a body in JSON, inflated; a part of two bytes takes sixteen until its turn comes.
const JSON_MAX_BYTES: usize = 2 << 20;

// Parts stay text until their turn comes: a few bytes of JSON are a hundred as values.
#[derive(Deserialize)]
struct Request<'b> {
    #[serde(borrow)]
    streams: Vec<&'b RawValue>,
}

#[derive(Deserialize)]
struct RawStream<'b> {
    stream: serde_json::Map<String, serde_json::Value>,
    #[serde(borrow, default)]
    values: Vec<&'b RawValue>,
}

/// Reads a request.
pub fn decode(body: &[u8], times: Times) -> Result<Pushed, Fault> {
    if body.len() > JSON_MAX_BYTES {
        return Err(Fault::Inflated);
    }
    let request: Request<'_> = serde_json::from_slice(body)?;
    if request.streams.len() > STREAMS_MAX {
        return Err(Fault::TooMany);
    }
    let mut res = Pushed::default();
    for raw in request.streams {
        let raw: RawStream<'_> = serde_json::from_str(raw.get())?;
        let mut pairs = Vec::with_capacity(raw.stream.len());
        for (name, value) in raw.stream {
            let serde_json::Value::String(value) = value else {
                return Err(Fault::Malformed("a label's value is no text".into()));
            };
            pairs.push((name, value));
        }
        let stream = Stream::of(pairs);
        if raw.values.len() > RECORDS_MAX {
            return Err(Fault::TooMany);
        }
        for value in raw.values {
            res.add(stream.as_ref(), line(value.get())?, times)?;
        }
    }
    Ok(res)
}

fn line(text: &str) -> Result<Line<'_>, Fault> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Value<'b> {
        Plain(#[serde(borrow)] Cow<'b, str>, #[serde(borrow)] Cow<'b, str>),
        WithMetadata(
            #[serde(borrow)] Cow<'b, str>,
            #[serde(borrow)] Cow<'b, str>,
            serde_json::Map<String, serde_json::Value>,
        ),
    }
    let value: Value<'_> = serde_json::from_str(text).map_err(|_| {
        Fault::Malformed(r#"a value is not ["<unix time in nanoseconds>", "<line>", {metadata}]"#.into())
    })?;
    let (at, text, pairs) = match value {
        Value::Plain(at, text) => (at, text, serde_json::Map::new()),
        Value::WithMetadata(at, text, pairs) => (at, text, pairs),
    };
    let at_ns = at.parse().map_err(|_| Fault::Malformed("a time is no number of nanoseconds".into()))?;
    let mut metadata = Vec::new();
    for (name, value) in pairs {
        let serde_json::Value::String(value) = value else {
            return Err(Fault::Malformed("a value of the metadata is no text".into()));
        };
        add_metadata(&mut metadata, &name, &value);
    }
    Ok(Line { at_ns, text: Cow::Owned(text.into_owned()), metadata })
}

#[cfg(test)]
mod tests {
    use super::super::Oldest;
    use super::super::Reason;
    use super::*;
    use crate::clock::{UnixMillis, UnixNanos};

    const TIMES: Times = Times {
        now: UnixNanos(1_800_000_000_000_000_000),
        oldest: Oldest { sample: UnixMillis(0), log: UnixNanos(0), span: UnixNanos(0) },
    };

    #[test]
    fn lines_are_read_with_and_without_metadata() {
        let body = br#"{"streams":[{"stream":{"job":"x","level":"error"},"values":[
            ["5","one\nline"],["6","two",{"trace.id":"abc"}]]}],"more":1}"#;
        let pushed = decode(body, TIMES).unwrap();
        let [one, two] = pushed.records.as_slice() else { panic!("{pushed:?}") };
        assert_eq!((one.at.0, one.body.as_str(), one.metadata.len()), (5, "one\nline", 0));
        assert_eq!(one.stream.to_string(), r#"{job="x",level="error",service_name="x"}"#);
        assert_eq!((two.at.0, two.metadata("trace_id"), two.severity.as_str()), (6, "abc", "error"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |body: &str, expect: &str| {
            let fault = decode(body.as_bytes(), TIMES).unwrap_err().to_string();
            assert!(fault.contains(expect), "{body}: {fault}");
        };
        check("{", "malformed");
        check("{}", "something unexpected at line 1 column 2");
        check(r#"{"streams":"secret"}"#, "something unexpected");
        check(r#"{"streams":[{"stream":{"a":1},"values":[]}]}"#, "label's value is no text");
        check(r#"{"streams":[{"stream":{"a":"b"},"values":[["x","y"]]}]}"#, "no number of nanoseconds");
        check(r#"{"streams":[{"stream":{"a":"b"},"values":[[5,"y"]]}]}"#, "unix time in nanoseconds");
        check(&format!(r#"{{"streams":[{}]}}"#, "[".repeat(10_000)), "malformed");
        let ahead = r#"{"streams":[{"stream":{"a":"b"},"values":[["16725225600000000000","y"]]}]}"#;
        let pushed = decode(ahead.as_bytes(), TIMES).unwrap();
        assert_eq!(pushed.left_out.0[Reason::Time as usize], 1);
    }
}
