//! What serves here, since when, and how many series it has.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Queries;
use super::asked::Asked;
use super::json::{Answered, Refused};
use crate::clock::UnixMillis;
use crate::record::read::SeriesSelect;

/// The version of Prometheus whose semantics queries have. Grafana asks for it to know which
/// endpoints there are; our own version stands beside it.
const SEMANTICS: &str = "3.14.0";

/// Entries of each list in `status/tsdb`, unless the question says another number.
const TOP: usize = 10;

/// Series that were written within this time count as present.
const RECENT_MS: i64 = 3_600_000;

/// `status/buildinfo`. It has no `features`: Grafana takes whoever has some for Mimir.
pub(super) fn build_info(_: &Asked, _: &Queries) -> Result<Answered, Refused> {
    Ok(Answered::of(&json!({
        "version": SEMANTICS,
        "revision": format!("vitrine {}", env!("CARGO_PKG_VERSION")),
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
        "application": "vitrine",
    })))
}

/// `status/runtimeinfo`: what of it there is without Go.
pub(super) fn runtime_info(asked: &Asked, queries: &Queries) -> Result<Answered, Refused> {
    let moment = |at: UnixMillis| {
        jiff::Timestamp::from_millisecond(at.0).map_or_else(|_| String::new(), |at| at.to_string())
    };
    Ok(Answered::of(&json!({
        "startTime": moment(queries.started),
        "serverTime": moment(asked.now),
    })))
}

/// `status/tsdb`: the series of the last hour, counted.
pub(super) fn tsdb(asked: &Asked, queries: &Queries) -> Result<Answered, Refused> {
    let top = asked.limit()?.unwrap_or(TOP);
    let from = UnixMillis(asked.now.0.saturating_sub(RECENT_MS));
    let select = SeriesSelect { matchers: Vec::new(), from, to: asked.now };
    let sets = queries.metrics.label_sets(&select)?;
    let mut by_metric: BTreeMap<&str, u64> = BTreeMap::new();
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut by_pair: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for labels in &sets {
        *by_metric.entry(labels.metric_name()).or_default() += 1;
        for (name, value) in labels.iter() {
            values.entry(name).or_default().insert(value);
            *by_pair.entry((name, value)).or_default() += 1;
        }
    }
    let bytes = values.iter().map(|(name, values)| {
        ((*name).to_string(), values.iter().map(|value| value.len() as u64).sum::<u64>())
    });
    let coverage = queries.metrics.coverage();
    let oldest = coverage.iter().map(|coverage| coverage.oldest.0).min();
    let newest = coverage.iter().map(|coverage| coverage.newest.0).max();
    Ok(Answered::of(&json!({
        "headStats": {
            "numSeries": sets.len(),
            "numLabelPairs": by_pair.len(),
            "minTime": oldest.unwrap_or_default(),
            "maxTime": newest.unwrap_or_default(),
        },
        "seriesCountByMetricName": most(by_metric.iter().map(|(name, n)| ((*name).into(), *n)), top),
        "labelValueCountByLabelName":
            most(values.iter().map(|(name, values)| ((*name).into(), values.len() as u64)), top),
        "memoryInBytesByLabelName": most(bytes, top),
        "seriesCountByLabelValuePair":
            most(by_pair.iter().map(|((name, value), n)| (format!("{name}={value}"), *n)), top),
    })))
}

fn most(counts: impl Iterator<Item = (String, u64)>, top: usize) -> Vec<Value> {
    let mut counts: Vec<(String, u64)> = counts.collect();
    counts.sort_by(|(one, n_one), (other, n_other)| n_other.cmp(n_one).then_with(|| one.cmp(other)));
    counts.truncate(top);
    counts.into_iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
}
