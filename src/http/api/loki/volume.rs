//! How much there is: of lines and bytes, by stream and by time.

use std::collections::BTreeMap;
use std::io::Write as _;

use serde_json::json;

use super::LogQueries;
use super::asked::Asked;
use super::entries;
use super::json::{Answered, Refused};
use super::names::matchers;
use crate::clock::UnixNanos;
use crate::pace::give_way;
use crate::query::logql::Error;
use crate::record::read::{MatchOp, Matcher, StreamVolume};

/// Label sets of an answer when no number is said.
const SERIES: usize = 100;

/// `index/stats`: of all that is selected.
pub(super) fn stats(asked: &Asked, queries: &LogQueries) -> Result<Answered, Refused> {
    let (from, to) = asked.range()?;
    let volumes = queries.logs.streams(&matchers(asked)?, from, to)?;
    let sum = |of: fn(&StreamVolume) -> u64| volumes.iter().map(of).sum::<u64>();
    Ok(Answered::bare(&json!({
        "streams": volumes.len(),
        "chunks": sum(|volume| volume.n_blocks),
        "bytes": sum(|volume| volume.n_bytes),
        "entries": sum(|volume| volume.n_lines),
    })))
}

/// What volumes are told by.
struct Told {
    matchers: Vec<Matcher>,
    /// Labels whose values tell; all of them when there is none.
    names: Vec<String>,
    /// By the names of labels alone.
    by_name: bool,
}

impl Told {
    fn new(asked: &Asked) -> Result<Self, Refused> {
        let mut matchers = matchers(asked)?;
        let by_name = match asked.text("aggregateBy") {
            "" | "series" => false,
            "labels" => true,
            other => return Err(Refused::bad_request(format!("invalid aggregation option: {other:?}"))),
        };
        let targets: Vec<String> = asked
            .text("targetLabels")
            .split(',')
            .filter(|name| !name.is_empty())
            .map(str::to_string)
            .collect();
        if targets.is_empty() {
            let names = matchers.iter().map(|matcher| matcher.name.clone()).collect();
            return Ok(Told { matchers, names, by_name });
        }
        for name in &targets {
            if !matchers.iter().any(|matcher| matcher.name == *name) {
                matchers.push(Matcher { name: name.clone(), op: MatchOp::NotEqual(String::new()) });
            }
        }
        Ok(Told { matchers, names: targets, by_name })
    }

    /// Returns the bytes of a range by the pairs that tell.
    fn volumes(
        &self,
        queries: &LogQueries,
        from: UnixNanos,
        to: UnixNanos,
    ) -> Result<BTreeMap<entries::Pairs, u64>, Refused> {
        let mut res: BTreeMap<entries::Pairs, u64> = BTreeMap::new();
        for volume in queries.logs.streams(&self.matchers, from, to)? {
            let is_told = |name: &str| self.names.is_empty() || self.names.iter().any(|known| known == name);
            let told = volume.stream.iter().filter(|(name, _)| is_told(name));
            if self.by_name {
                told.for_each(|(name, _)| {
                    *res.entry(vec![(name.to_string(), String::new())]).or_default() += volume.n_bytes;
                });
            } else {
                let pairs = told.map(|(name, value)| (name.to_string(), value.to_string())).collect();
                *res.entry(pairs).or_default() += volume.n_bytes;
            }
        }
        Ok(res)
    }
}

/// Puts the largest first.
fn largest(volumes: BTreeMap<entries::Pairs, u64>, limit: usize) -> Vec<(entries::Pairs, u64)> {
    let mut res: Vec<_> = volumes.into_iter().collect();
    res.sort_by(|(_, one), (_, other)| other.cmp(one));
    res.truncate(limit);
    res
}

/// `index/volume`: bytes by label set over a range.
pub(super) fn volume(asked: &Asked, queries: &LogQueries) -> Result<Answered, Refused> {
    let (from, to) = asked.range()?;
    let limit = asked.number("limit", SERIES)?;
    let volumes = Told::new(asked)?.volumes(queries, from, to)?;
    let seconds = to.to_millis().0 as f64 / 1e3;
    Ok(written("vector", largest(volumes, limit), |n_bytes| format!(r#""value":[{seconds},"{n_bytes}"]"#)))
}

/// `index/volume_range`: the same for each step of a range.
pub(super) fn volume_range(asked: &Asked, queries: &LogQueries) -> Result<Answered, Refused> {
    let (from, to) = asked.range()?;
    let limit = asked.number("limit", SERIES)?;
    let step_ns = asked.step(from, to)?;
    let told = Told::new(asked)?;
    let wanted = largest(told.volumes(queries, from, to)?, limit);
    let mut series: BTreeMap<&entries::Pairs, String> =
        wanted.iter().map(|(pairs, _)| (pairs, String::new())).collect();
    let mut begin = from;
    while begin < to {
        if give_way().is_break() {
            return Err(Error::Canceled.into());
        }
        let end = UnixNanos(begin.0.saturating_add(step_ns).min(to.0));
        let seconds = end.to_millis().0 as f64 / 1e3;
        for (pairs, n_bytes) in told.volumes(queries, begin, end)? {
            if let Some(values) = series.get_mut(&pairs) {
                let comma = if values.is_empty() { "" } else { "," };
                values.push_str(&format!(r#"{comma}[{seconds},"{n_bytes}"]"#));
            }
        }
        begin = end;
    }
    let series = wanted.iter().map(|(pairs, _)| {
        let values = series.get(pairs).cloned().unwrap_or_default();
        (pairs.clone(), values)
    });
    Ok(written("matrix", series, |values| format!(r#""values":[{values}]"#)))
}

fn written<T>(
    kind: &str,
    series: impl IntoIterator<Item = (entries::Pairs, T)>,
    value: impl Fn(T) -> String,
) -> Answered {
    let mut body = format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":["#).into_bytes();
    for (idx, (pairs, one)) in series.into_iter().enumerate() {
        let comma = if idx == 0 { "" } else { "," };
        let metric = entries::object(&pairs);
        write!(body, r#"{comma}{{"metric":{metric},{}}}"#, value(one))
            .expect("writing to memory does not fail");
    }
    body.extend_from_slice(br#"],"stats":{}}}"#);
    Answered { body }
}
