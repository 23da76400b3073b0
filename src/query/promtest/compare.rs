//! Whether an answer is the one expected.

use std::collections::BTreeMap;

use super::script::{Eval, Expect, Text};
use super::series::{Described, Point};
use crate::query::algebra::is_absent;
use crate::query::promql::{Answer, Value};
use crate::query::sums::almost_equal;
use crate::record::{Labels, Sample, Series};

/// Values may differ by this share of their sum.
const EPSILON: f64 = 1e-6;

/// Compares values as the original does: a NaN equals another, the staleness marker only itself.
fn is_equal(one: f64, other: f64) -> bool {
    if is_absent(one) || is_absent(other) {
        return is_absent(one) && is_absent(other);
    }
    almost_equal(one, other, EPSILON)
}

/// Checks warnings and infos.
pub fn check_notes(expect: &Expect, answer: &Answer) -> Result<(), String> {
    if expect.some_warn && answer.warnings.is_empty() {
        return Err("expected a warning, got none".into());
    }
    if expect.some_info && answer.infos.is_empty() {
        return Err("expected an info, got none".into());
    }
    check_texts("warning", &expect.warn, expect.no_warn, &answer.warnings)?;
    check_texts("info", &expect.info, expect.no_info, &answer.infos)
}

fn check_texts(kind: &str, expected: &[Text], is_excluded: bool, actual: &[String]) -> Result<(), String> {
    if is_excluded && !actual.is_empty() {
        return Err(format!("expected no {kind}, got {actual:?}"));
    }
    if expected.is_empty() {
        return Ok(());
    }
    if let Some(missing) = expected.iter().find(|text| !actual.iter().any(|actual| text.accepts(actual))) {
        return Err(format!("expected the {kind} {:?}, got {actual:?}", missing.shown()));
    }
    match actual.iter().find(|actual| !expected.iter().any(|text| text.accepts(actual))) {
        Some(other) => Err(format!("unexpected {kind} {other:?}")),
        None => Ok(()),
    }
}

/// Checks a value against what is expected of the evaluation.
pub fn check_value(eval: &Eval, value: &Value) -> Result<(), String> {
    let expect = &eval.expect;
    match (value, expect.scalar) {
        (Value::String(_, text), _) => match &expect.string {
            Some(expected) if expected == text => Ok(()),
            Some(expected) => Err(format!("expected the string {expected:?}, got {text:?}")),
            None => Err(format!("expected no string, got {text:?}")),
        },
        (Value::Scalar(sample), Some(expected)) if is_equal(expected, sample.value) => Ok(()),
        (Value::Scalar(sample), Some(expected)) => {
            Err(format!("expected the scalar {expected}, got {}", sample.value))
        }
        (Value::Scalar(sample), None) => Err(format!("expected series, got the scalar {}", sample.value)),
        (_, Some(expected)) => Err(format!("expected the scalar {expected}, got series")),
        (Value::Vector(vector), None) => {
            let vector: Vec<(&Labels, f64)> =
                vector.iter().map(|one| (&one.labels, one.sample.value)).collect();
            check_vector(expect, &vector)
        }
        (Value::Matrix(_), None) if expect.is_ordered => {
            Err("expected values in an order, got series over time".into())
        }
        (Value::Matrix(series), None) => {
            check_sorted(series)?;
            let series: BTreeMap<&Labels, &[Sample]> =
                series.iter().map(|series| (&series.labels, series.samples.as_slice())).collect();
            let (from_ms, to_ms, step_ms) =
                expect.range.unwrap_or((eval.from_ms, eval.to_ms, eval.step_ms.unwrap_or(1)));
            check_matrix(&expect.series, &series, from_ms, to_ms, step_ms)
        }
    }
}

/// Checks the values at one moment.
pub fn check_vector(expect: &Expect, vector: &[(&Labels, f64)]) -> Result<(), String> {
    let shown = |labels: &Labels| labels.to_string();
    for (place, (labels, value)) in vector.iter().enumerate() {
        let Some(expected_at) = expect.series.iter().rposition(|series| series.labels == **labels) else {
            return Err(format!("unexpected series {} with {value}", shown(labels)));
        };
        if expect.is_ordered && expected_at != place {
            let labels = shown(labels);
            return Err(format!("expected {labels} at place {}, it is at {}", expected_at + 1, place + 1));
        }
        match expect.series[expected_at].points.first() {
            Some(Point::Value(expected)) if is_equal(*expected, *value) => {}
            Some(Point::Value(expected)) => {
                return Err(format!("expected {expected} for {}, got {value}", shown(labels)));
            }
            _ => return Err(format!("expected no number for {}, got {value}", shown(labels))),
        }
    }
    match expect.series.iter().find(|series| !vector.iter().any(|(labels, _)| **labels == series.labels)) {
        Some(missing) => Err(format!("expected series {} not found", shown(&missing.labels))),
        None => Ok(()),
    }
}

/// Checks that series over time are sorted by their labels, as they always are.
pub fn check_sorted(series: &[Series]) -> Result<(), String> {
    match series.windows(2).find(|pair| pair[0].labels > pair[1].labels) {
        Some(pair) => Err(format!("{} does not sort before {}", pair[0].labels, pair[1].labels)),
        None => Ok(()),
    }
}

fn check_matrix(
    expected: &[Described],
    actual: &BTreeMap<&Labels, &[Sample]>,
    from_ms: i64,
    to_ms: i64,
    step_ms: i64,
) -> Result<(), String> {
    for (labels, samples) in actual {
        let Some(described) = expected.iter().rfind(|series| series.labels == **labels) else {
            return Err(format!("unexpected series {labels} with {samples:?}"));
        };
        let mut wanted = Vec::new();
        for (idx, point) in described.points.iter().enumerate() {
            let at = from_ms + step_ms * idx as i64;
            if at > to_ms {
                return Err(format!("more values expected for {labels} than the range has moments"));
            }
            if let Point::Value(value) = point {
                wanted.push((at, *value));
            }
        }
        let is_same = wanted.len() == samples.len()
            && wanted
                .iter()
                .zip(*samples)
                .all(|((at, value), sample)| *at == sample.at.0 && is_equal(*value, sample.value));
        if !is_same {
            return Err(format!("expected {wanted:?} for {labels}, got {}", shown_samples(samples)));
        }
    }
    match expected.iter().find(|series| !actual.contains_key(&series.labels)) {
        Some(missing) => Err(format!("expected series {} not found", missing.labels)),
        None => Ok(()),
    }
}

fn shown_samples(samples: &[Sample]) -> String {
    let shown: Vec<String> =
        samples.iter().map(|sample| format!("({}, {})", sample.at.0, sample.value)).collect();
    format!("[{}]", shown.join(", "))
}
