//! Which streams and labels there are, and what the server can do.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::LogQueries;
use super::asked::Asked;
use super::json::{Answered, Refused};
use crate::query::logql::parse_selector;
use crate::record::Labels;
use crate::record::read::Matcher;

/// Returns the streams in the range of a question that matchers select.
pub(super) fn streams(
    asked: &Asked,
    queries: &LogQueries,
    matchers: &[Matcher],
) -> Result<Vec<Labels>, Refused> {
    let (from, to) = asked.range()?;
    let volumes = queries.logs.streams(matchers, from, to)?;
    Ok(volumes.into_iter().map(|volume| volume.stream).collect())
}

/// The selector of the `query` parameter.
pub(super) fn matchers(asked: &Asked) -> Result<Vec<Matcher>, Refused> {
    Ok(parse_selector(asked.text("query"))?)
}

fn sorted(found: BTreeSet<&str>) -> Answered {
    Answered::of(&json!(found))
}

/// `labels`: the names of labels.
pub(super) fn labels(asked: &Asked, queries: &LogQueries) -> Result<Answered, Refused> {
    let streams = streams(asked, queries, &matchers(asked)?)?;
    Ok(sorted(streams.iter().flat_map(|labels| labels.iter().map(|(name, _)| name)).collect()))
}

/// `label/<name>/values`: the values of one.
pub(super) fn label_values(asked: &Asked, queries: &LogQueries) -> Result<Answered, Refused> {
    let streams = streams(asked, queries, &matchers(asked)?)?;
    let values = streams.iter().map(|labels| labels.get(&asked.name)).filter(|value| !value.is_empty());
    Ok(sorted(values.collect()))
}

/// `series`: whole label sets.
pub(super) fn series(asked: &Asked, queries: &LogQueries) -> Result<Answered, Refused> {
    let mut selectors = asked.parameters.all("match[]");
    selectors.extend(asked.parameters.all("match"));
    if selectors.is_empty() {
        selectors.push("");
    }
    let mut found: BTreeSet<Labels> = BTreeSet::new();
    for selector in selectors {
        found.extend(streams(asked, queries, &parse_selector(selector)?)?);
    }
    Ok(Answered::of(&Value::Array(found.iter().map(object).collect())))
}

/// A label set as an object.
pub(super) fn object(labels: &Labels) -> Value {
    Value::Object(labels.iter().map(|(name, value)| (name.to_string(), json!(value))).collect())
}

/// `rules`: there are none over logs.
pub(super) fn rules(_: &Asked, _: &LogQueries) -> Result<Answered, Refused> {
    Ok(Answered::of(&json!({"groups": []})))
}

/// `status/buildinfo`: what answers, in the form of the version of Loki that it answers like.
pub(super) fn build_info(_: &Asked, _: &LogQueries) -> Result<Answered, Refused> {
    Ok(Answered::bare(&json!({
        "version": LIKE_LOKI,
        "revision": format!("vitrine-{}", env!("CARGO_PKG_VERSION")),
        "branch": "vitrine",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    })))
}

/// The version of Loki that vitrine answers like, as clients ask for it.
const LIKE_LOKI: &str = "3.5.0";

/// `drilldown-limits`: what Grafana's log views may use.
pub(super) fn drilldown_limits(_: &Asked, _: &LogQueries) -> Result<Answered, Refused> {
    Ok(Answered::bare(&json!({
        "limits": {
            "discover_log_levels": true,
            "discover_service_name": ["service_name"],
            "log_level_fields": ["level", "detected_level", "severity", "severity_text", "lvl"],
            "max_entries_limit_per_query": super::asked::LINES_MAX,
            "max_line_size_truncate": true,
            "max_query_length": "0s",
            "max_query_lookback": "0s",
            "max_query_range": "0s",
            "max_query_series": 0,
            "metric_aggregation_enabled": false,
            "pattern_persistence_enabled": false,
            "query_timeout": "2m",
            "retention_period": "0s",
            "volume_enabled": true,
            "volume_max_series": 1_000,
        },
        "pattern_ingester_enabled": true,
        "version": LIKE_LOKI,
        "maxDetectedFields": 1_000,
        "maxDetectedValues": 1_000,
        "maxLabels": 0,
        "maxLines": super::asked::LINES_MAX,
    })))
}
