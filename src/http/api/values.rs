//! Values of queries as JSON, in Prometheus's API and in Loki's.
//!
//! Values are texts in Go's form, times are seconds with three digits behind the point or none,
//! and what says of which type a result is comes before the result, as Grafana reads it.

use std::fmt::Display;
use std::io::Write as _;

use serde_json::json;

use crate::clock::UnixMillis;
use crate::query::number;
use crate::query::promql::Value;
use crate::record::{Labels, Sample};

/// What is written to memory, and never fails.
macro_rules! put {
    ($res:expr, $($arg:tt)*) => { write!($res, $($arg)*).expect("writing to memory does not fail") };
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
}
