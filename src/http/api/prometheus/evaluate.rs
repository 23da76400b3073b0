//! Queries: evaluated, formatted, taken apart.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Queries;
use super::asked::{Asked, parse_moment, parse_ms};
use super::json::{Answered, Refused};
use super::tree;
use crate::http::api::values::put_value;
use crate::query::POINTS_MAX;
use crate::query::budget::Cancel;
use crate::query::promql::{Engine, Moments, Value, parse, pretty};

/// About what the labels of a series and a sample of it take in JSON: enough for most answers not
/// to be moved while they are written.
const SERIES_BYTES: usize = 160;
const SAMPLE_BYTES: usize = 24;

/// `query`: at one moment.
pub(super) fn query(asked: &Asked, queries: &Queries) -> Result<Answered, Refused> {
    let limit = asked.limit()?;
    let at = asked.moment("time", asked.now)?;
    evaluated(asked, queries, Moments::instant(at), limit)
}

/// `query_range`: at many.
pub(super) fn query_range(asked: &Asked, queries: &Queries) -> Result<Answered, Refused> {
    let limit = asked.limit()?;
    let moment = |name: &str| match asked.text(name) {
        "" => Err(Refused::invalid(name, r#"cannot parse "" to a valid timestamp"#)),
        text => parse_moment(text).map_err(|message| Refused::invalid(name, message)),
    };
    let (from, to) = (moment("start")?, moment("end")?);
    if to < from {
        return Err(Refused::invalid("end", "end timestamp must not be before start time"));
    }
    let step = asked.text("step");
    let step_ms = parse_ms(step).map_err(|message| Refused::invalid("step", message))?;
    if step_ms.is_nan() || step_ms <= 0.0 {
        let text = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(Refused::invalid("step", text));
    }
    if (to.0 - from.0) as f64 / step_ms >= (POINTS_MAX + 1) as f64 {
        return Err(Refused::bad_data(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ));
    }
    // Moments are whole milliseconds.
    let step_ms = (step_ms as i64).max(1);
    evaluated(asked, queries, Moments { from, to, step_ms }, limit)
}

fn evaluated(
    asked: &Asked,
    queries: &Queries,
    moments: Moments,
    limit: Option<usize>,
) -> Result<Answered, Refused> {
    let Engine { mut limits, recorder } = queries.engine(asked.door);
    if let Some(timeout) = asked.duration("timeout")? {
        limits.timeout = limits.timeout.min(timeout);
    }
    let lookback = asked.duration("lookback_delta");
    let lookback = lookback.map_err(|refused| refused.instead("error parsing lookback delta duration: "))?;
    if let Some(lookback) = lookback.filter(|lookback| !lookback.is_zero()) {
        limits.lookback = lookback;
    }
    let query = asked.text("query");
    let begun = Instant::now();
    let expr = parse(query).map_err(|error| Refused::invalid("query", error))?;
    let engine = Engine { limits, recorder };
    let answer = engine.evaluate(&*queries.metrics, query, &expr, moments, &Cancel::default())?;
    let stats = (!asked.text("stats").is_empty()).then(|| stats(begun.elapsed(), answer.n_samples));
    // A scalar is one whatever the limit.
    let (n_bytes, can_be_cut) = match &answer.value {
        Value::Vector(vector) => (vector.len() * SERIES_BYTES, true),
        Value::Matrix(series) => {
            let n_samples: usize = series.iter().map(|series| series.samples.len()).sum();
            (series.len() * SERIES_BYTES + n_samples * SAMPLE_BYTES, true)
        }
        _ => (SERIES_BYTES, false),
    };
    let mut is_cut = false;
    let mut res = Answered::written(n_bytes, |body| {
        is_cut = put_value(body, answer.value, limit, stats.as_deref());
    });
    (res.warnings, res.infos) = (answer.warnings, answer.infos);
    Ok(if is_cut && can_be_cut { res.truncated() } else { res })
}

fn stats(took: Duration, n_samples: u64) -> String {
    let seconds = took.as_secs_f64();
    json!({
        "timings": {"evalTotalTime": seconds, "execTotalTime": seconds},
        "samples": {"totalQueryableSamples": n_samples},
    })
    .to_string()
}

/// `query_exemplars`: there are none in the store, which is an answer.
pub(super) fn exemplars(asked: &Asked, _: &Queries) -> Result<Answered, Refused> {
    let (from, to) = asked.range()?;
    if to < from {
        return Err(Refused::bad_data("end timestamp must not be before start timestamp"));
    }
    parse(asked.text("query")).map_err(|error| Refused::bad_data(error.to_string()))?;
    Ok(Answered::of(&json!([])))
}

/// `format_query`: the query in lines that fit.
pub(super) fn format_query(asked: &Asked, _: &Queries) -> Result<Answered, Refused> {
    let expr = parse(asked.text("query")).map_err(|error| Refused::invalid("query", error))?;
    Ok(Answered::of(&json!(pretty(&expr))))
}

/// `parse_query`: the query as a tree.
pub(super) fn parse_query(asked: &Asked, _: &Queries) -> Result<Answered, Refused> {
    let expr = parse(asked.text("query")).map_err(|error| Refused::invalid("query", error))?;
    Ok(Answered::of(&tree::of(&expr)))
}
