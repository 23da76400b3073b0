//! `vitrine query`: PromQL against the running process, and the answer as people or programs
//! read it.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::Duration;

use anyhow::{Context, anyhow};
use serde_json::Value;
use url::form_urlencoded;

use super::Failure;
use super::control::{self, Word};
use crate::clock::Clock;
use crate::config::{self, Layers};
use crate::query::promql::{parse, parse_duration};

/// Moments of a range whose step is not said: as many as a terminal has columns.
const POINTS: u32 = 60;

/// What is asked.
pub struct Asked {
    /// The expression.
    pub expr: String,
    /// The moment, in seconds since 1970 or by RFC 3339; now when none is said.
    pub time: Option<String>,
    /// How far back a range begins, such as `1h` or `-1h`.
    pub range: Option<String>,
    /// The distance of two moments of a range.
    pub step: Option<String>,
    /// The answer of the API as it is.
    pub as_json: bool,
}

/// Asks the running process and prints what it answers.
pub fn run(layers: &Layers, asked: &Asked) -> Result<(), Failure> {
    // Here, so that the place can be shown under the text.
    if let Err(error) = parse(&asked.expr) {
        return Err(anyhow!("{error}\n\n{}", error.excerpt(&asked.expr)).into());
    }
    let word = Word::Query(parameters(asked)?);
    let loaded = config::load(layers)?;
    let answer = control::send(&loaded.config.data, &word).map_err(anyhow::Error::from)?;
    if !answer.ok {
        return Err(anyhow!("{}", answer.message).into());
    }
    let body: Value = serde_json::from_str(&answer.message).context("read the answer")?;
    for notes in ["warnings", "infos"] {
        for note in body[notes].as_array().into_iter().flatten().filter_map(Value::as_str) {
            eprintln!("{note}");
        }
    }
    if body["status"] != "success" {
        return Err(anyhow!("{}", body["error"].as_str().unwrap_or("no answer")).into());
    }
    let text = if asked.as_json { format!("{}\n", answer.message) } else { in_words(&body["data"]) };
    io::stdout().write_all(text.as_bytes()).context("write to standard output")?;
    Ok(())
}

/// The parameters as the API takes them.
fn parameters(asked: &Asked) -> anyhow::Result<String> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("query", &asked.expr);
    match &asked.range {
        None => {
            if let Some(time) = &asked.time {
                form.append_pair("time", time);
            }
        }
        Some(range) => {
            let length = duration("--range", range.strip_prefix('-').unwrap_or(range))?;
            let step = match &asked.step {
                Some(step) => duration("--step", step)?,
                None => (length / POINTS).max(Duration::from_secs(1)),
            };
            let now = Clock::system().now().to_millis();
            let end = match &asked.time {
                Some(time) => seconds(time)?,
                None => now.0 as f64 / 1e3,
            };
            form.append_pair("start", &(end - length.as_secs_f64()).to_string());
            form.append_pair("end", &end.to_string());
            form.append_pair("step", &step.as_secs_f64().to_string());
        }
    }
    Ok(form.finish())
}

/// Reads seconds since 1970 or RFC 3339.
fn seconds(time: &str) -> anyhow::Result<f64> {
    if let Ok(seconds) = time.parse() {
        return Ok(seconds);
    }
    let moment: jiff::Timestamp =
        time.parse().with_context(|| format!("--time {time:?}: neither seconds nor RFC 3339"))?;
    Ok(moment.as_millisecond() as f64 / 1e3)
}

fn duration(flag: &str, text: &str) -> anyhow::Result<Duration> {
    if let Some(seconds) = text.parse().ok().filter(|seconds| (0.001..1e9).contains(seconds)) {
        return Ok(Duration::from_secs_f64(seconds));
    }
    match parse_duration(text) {
        Ok(0) => Err(anyhow!("{flag} {text:?}: must be longer than nothing")),
        Ok(ms) => Ok(Duration::from_millis(ms)),
        Err(fault) => Err(anyhow!("{flag} {text:?}: {fault}; write it as 90s, 5m or 1h")),
    }
}

/// The answer in columns: values at the right place below each other, labels behind them.
pub(super) fn in_words(data: &Value) -> String {
    let result = &data["result"];
    let mut res = String::new();
    match data["resultType"].as_str() {
        Some("vector") => {
            let rows: Vec<(&str, String)> =
                list(result).map(|row| (text(&row["value"][1]), labels(&row["metric"]))).collect();
            let width = rows.iter().map(|(value, _)| value.len()).max().unwrap_or_default();
            for (value, labels) in &rows {
                line(&mut res, format_args!("{value:>width$}  {labels}"));
            }
        }
        Some("matrix") => {
            for row in list(result) {
                line(&mut res, format_args!("{}", labels(&row["metric"])));
                for point in list(&row["values"]) {
                    line(&mut res, format_args!("  {}  {}", moment(&point[0]), text(&point[1])));
                }
            }
        }
        _ => line(&mut res, format_args!("{}", text(&result[1]))),
    }
    if res.is_empty() {
        res.push_str("no series\n");
    }
    res
}

fn line(res: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(res, "{text}").expect("writing to a string does not fail");
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Seconds as a date and time, to the millisecond where it is not a whole second.
fn moment(value: &Value) -> String {
    let ms = (value.as_f64().unwrap_or_default() * 1e3).round() as i64;
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| value.to_string(), |at| at.to_string())
}

/// A series as a query would name it.
fn labels(metric: &Value) -> String {
    let Some(pairs) = metric.as_object() else { return String::new() };
    let shown: Vec<String> = pairs
        .iter()
        .filter(|(name, _)| *name != "__name__")
        .map(|(name, value)| format!("{name}={:?}", text(value)))
        .collect();
    let name = text(&metric["__name__"]);
    if shown.is_empty() && !name.is_empty() { name.into() } else { format!("{name}{{{}}}", shown.join(", ")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_stand_below_each_other_and_labels_behind() {
        let row = |value: &str, labels: Value| json!({"metric": labels, "value": [1, value]});
        let data = json!({"resultType": "vector", "result": [
            row("1", json!({"__name__": "up", "job": "a"})),
            row("12.5", json!({})),
        ]});
        assert_eq!(in_words(&data), "   1  up{job=\"a\"}\n12.5  {}\n");
        assert_eq!(in_words(&json!({"resultType": "vector", "result": []})), "no series\n");
        let series = json!({"metric": {"__name__": "up"}, "values": [[60, "1"], [60.5, "2"]]});
        assert_eq!(
            in_words(&json!({"resultType": "matrix", "result": [series]})),
            "up\n  1970-01-01T00:01:00Z  1\n  1970-01-01T00:01:00.5Z  2\n"
        );
        assert_eq!(in_words(&json!({"resultType": "scalar", "result": [1, "2"]})), "2\n");
    }

    #[test]
    fn a_range_becomes_start_end_and_step() {
        let asked = |range: &str, step: Option<&str>| Asked {
            expr: "up".into(),
            time: Some("7200".into()),
            range: Some(range.into()),
            step: step.map(str::to_string),
            as_json: false,
        };
        let of = |range, step| parameters(&asked(range, step)).unwrap();
        assert_eq!(of("-1h", None), "query=up&start=3600&end=7200&step=60");
        assert_eq!(of("10s", Some("500ms")), "query=up&start=7190&end=7200&step=0.5");
        assert!(parameters(&asked("soon", None)).unwrap_err().to_string().contains("--range"));
    }
}
