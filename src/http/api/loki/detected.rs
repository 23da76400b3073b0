//! What lines seem to hold: labels, fields and their values.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::LogQueries;
use super::asked::{Asked, LINES_MAX};
use super::json::{Answered, Refused};
use super::names;
use crate::query::budget::Cancel;
use crate::query::logql::detect::{Detector, Field};
use crate::query::logql::{LogRange, parse_log};
use crate::record::read::Direction;

/// Lines that are looked at when no number is said.
const LINES: usize = 1_000;

/// Most fields, and most values, of an answer when no number is said.
const FIELDS: usize = 1_000;

/// Labels that are told even when all of their values are numbers.
const ALWAYS_TOLD: [&str; 4] = ["cluster", "namespace", "instance", "pod"];

/// `detected_labels`: the labels of streams, and how many values each has.
pub(super) fn labels(asked: &Asked, queries: &LogQueries) -> Result<Answered, Refused> {
    let streams = names::streams(asked, queries, &names::matchers(asked)?)?;
    let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in streams.iter().flat_map(|labels| labels.iter()) {
        found.entry(name).or_default().insert(value);
    }
    let tells = |(name, values): &(&str, BTreeSet<&str>)| {
        ALWAYS_TOLD.contains(name) || !values.iter().all(|value| is_id(value))
    };
    let told = found.into_iter().filter(tells);
    let told: Vec<Value> =
        told.map(|(name, values)| json!({"label": name, "cardinality": values.len()})).collect();
    Ok(Answered::bare(&json!({"detectedLabels": told})))
}

/// Returns true for a number and for what is written like a UUID: it names one thing among many.
fn is_id(value: &str) -> bool {
    let is_uuid = || {
        let lens = value.split('-').map(str::len);
        lens.eq([8, 4, 4, 4, 12]) && value.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
    };
    value.parse::<f64>().is_ok() || is_uuid()
}

fn detected(asked: &Asked, queries: &LogQueries) -> Result<(Vec<Field>, usize), Refused> {
    let (from, to) = asked.range()?;
    let limit = asked.number("limit", FIELDS)?;
    let n_lines = asked.number("line_limit", LINES)?.min(LINES_MAX);
    let log = parse_log(asked.text("query"))?;
    let range = LogRange { from, to, direction: Direction::Backward, limit: n_lines, interval_ns: 0 };
    let answer =
        queries.engine(asked.door).lines(&*queries.logs, &log, &range, asked.now, &Cancel::default())?;
    let mut detector = Detector::new(&log, limit.min(FIELDS));
    answer.lines.iter().for_each(|line| detector.add(line));
    Ok((detector.into_fields().collect(), limit))
}

/// `detected_fields`: what else lines can be told apart by.
pub(super) fn fields(asked: &Asked, queries: &LogQueries) -> Result<Answered, Refused> {
    let (fields, limit) = detected(asked, queries)?;
    let shown = |field: &Field| {
        let mut res = json!({
            "label": field.label,
            "type": field.kind.as_str(),
            "cardinality": field.values.len(),
            "parsers": if field.parsers.is_empty() { Value::Null } else { json!(field.parsers) },
        });
        if !field.json_path.is_empty() {
            res["jsonPath"] = json!(field.json_path);
        }
        res
    };
    let fields: Vec<Value> = fields.iter().map(shown).collect();
    Ok(Answered::bare(&json!({"fields": fields, "limit": limit})))
}

/// `detected_field/<name>/values`: the values of one.
pub(super) fn field_values(asked: &Asked, queries: &LogQueries) -> Result<Answered, Refused> {
    let (fields, limit) = detected(asked, queries)?;
    let values = fields.into_iter().find(|field| field.label == asked.name).map(|field| field.values);
    let values: Vec<String> = values.unwrap_or_default().into_iter().take(limit).collect();
    Ok(Answered::bare(&json!({"values": values, "limit": limit})))
}
