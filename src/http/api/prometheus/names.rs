//! Which series, labels and metrics there are.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::Queries;
use super::asked::Asked;
use super::json::{Answered, Refused};
use crate::record::Labels;
use crate::record::read::SeriesSelect;

/// The selections of a question: one for each `match[]`, or one of everything.
fn selections(asked: &Asked) -> Result<Vec<SeriesSelect>, Refused> {
    let (from, to) = asked.range()?;
    let mut selectors = asked.selectors()?;
    if selectors.is_empty() {
        selectors.push(Vec::new());
    }
    Ok(selectors.into_iter().map(|matchers| SeriesSelect { matchers, from, to }).collect())
}

fn texts(found: BTreeSet<String>, limit: Option<usize>) -> Answered {
    Answered::of_list(found.into_iter().map(Value::String).collect(), limit)
}

/// `labels`: the names of labels.
pub(super) fn labels(asked: &Asked, queries: &Queries) -> Result<Answered, Refused> {
    let limit = asked.limit()?;
    let mut found = BTreeSet::new();
    for select in selections(asked)? {
        found.extend(queries.metrics.label_names(&select)?);
    }
    Ok(texts(found, limit))
}

/// `label/<name>/values`: the values of one.
pub(super) fn label_values(asked: &Asked, queries: &Queries) -> Result<Answered, Refused> {
    let limit = asked.limit()?;
    let name = unescaped(&asked.label);
    if name.is_empty() {
        return Err(Refused::bad_data(format!("invalid label name: {name:?}")));
    }
    let mut found = BTreeSet::new();
    for select in selections(asked)? {
        found.extend(queries.metrics.label_values(&name, &select)?);
    }
    Ok(texts(found, limit))
}

/// Reads a name as Prometheus escapes those that are no plain words: `U__http_2e_status` is
/// `http.status`. What is no such escape stays.
fn unescaped(name: &str) -> String {
    let Some(mut rest) = name.strip_prefix("U__") else { return name.to_string() };
    let mut res = String::new();
    while let Some(at) = rest.find('_') {
        res.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix('_') {
            res.push('_');
            rest = behind;
            continue;
        }
        let Some((digits, behind)) = rest.split_once('_') else { return name.to_string() };
        let found = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
        let Some(found) = found else { return name.to_string() };
        res.push(found);
        rest = behind;
    }
    res.push_str(rest);
    res
}

/// `series`: whole label sets.
pub(super) fn series(asked: &Asked, queries: &Queries) -> Result<Answered, Refused> {
    let limit = asked.limit()?;
    if asked.all("match[]").is_empty() {
        return Err(Refused::bad_data("no match[] parameter provided"));
    }
    let mut found: BTreeSet<Labels> = BTreeSet::new();
    for select in selections(asked)? {
        found.extend(queries.metrics.label_sets(&select)?);
    }
    // Written out only as far as the limit: there may be very many.
    let wanted = found.iter().take(limit.map_or(usize::MAX, |limit| limit.saturating_add(1)));
    Ok(Answered::of_list(wanted.map(object).collect(), limit))
}

/// A label set as an object.
pub(super) fn object(labels: &Labels) -> Value {
    Value::Object(labels.iter().map(|(name, value)| (name.to_string(), json!(value))).collect())
}

/// How many are wanted; none for any number. Here zero is none at all, as in Prometheus.
fn number(asked: &Asked, name: &str) -> Result<Option<usize>, Refused> {
    match asked.text(name) {
        "" => Ok(None),
        text => match text.parse::<i64>() {
            Ok(number) => Ok(usize::try_from(number).ok()),
            Err(_) => Err(Refused::bad_data(format!("{name} must be a number"))),
        },
    }
}

/// `metadata`: type, unit and meaning of metrics.
pub(super) fn metadata(asked: &Asked, queries: &Queries) -> Result<Answered, Refused> {
    let (limit, per_metric) = (number(asked, "limit")?, number(asked, "limit_per_metric")?);
    let metric = asked.text("metric");
    let mut found: Map<String, Value> = Map::new();
    for known in queries.metrics.metadata() {
        let is_full = limit.is_some_and(|limit| found.len() >= limit) && !found.contains_key(&known.name);
        if !metric.is_empty() && known.name != metric || is_full {
            continue;
        }
        let entries = found.entry(known.name.clone()).or_insert_with(|| json!([]));
        if let Value::Array(entries) = entries
            && per_metric.is_none_or(|per_metric| entries.len() < per_metric)
        {
            entries.push(json!({"type": known.kind.as_str(), "help": known.help, "unit": known.unit}));
        }
    }
    Ok(Answered::of(&Value::Object(found)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_names_are_read() {
        for (name, expect) in [
            ("U__http_2e_status", "http.status"),
            ("U__a__b", "a_b"),
            ("U___1f600_x", "😀x"),
            ("job", "job"),
            ("U__broken_2e", "U__broken_2e"),
            ("U__broken_zz_", "U__broken_zz_"),
        ] {
            assert_eq!(unescaped(name), expect);
        }
    }
}
