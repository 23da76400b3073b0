//! Two answers to one query: equal but for rounding, or what differs.

use std::collections::BTreeMap;

use serde_json::Value;

/// Values may differ by this share of the greater.
const RELATIVE: f64 = 1e-5;

/// What is left of a difference of equal numbers is noise, and relative to nothing.
const ABSOLUTE: f64 = 1e-9;

/// Returns what differs between a reference's answer and ours, if anything does.
pub fn difference(reference: &Value, ours: &Value) -> Option<String> {
    let status = |answer: &Value| answer["status"].as_str().unwrap_or("none").to_string();
    if status(reference) != status(ours) {
        let shown = |answer: &Value| answer["error"].as_str().map_or_else(|| status(answer), str::to_string);
        return Some(format!("reference: {}, ours: {}", shown(reference), shown(ours)));
    }
    if status(ours) == "error" {
        return differs("errorType", &reference["errorType"], &ours["errorType"]);
    }
    let (reference, ours) = (&reference["data"], &ours["data"]);
    if let Some(difference) = differs("resultType", &reference["resultType"], &ours["resultType"]) {
        return Some(difference);
    }
    let (reference, ours) = (points(reference), points(ours));
    for (series, expect) in &reference {
        let Some(values) = ours.get(series) else { return Some(format!("ours lacks {series}")) };
        for (at, expect) in expect {
            match values.get(at) {
                None => return Some(format!("ours lacks {series} at {at}: {expect}")),
                Some(value) if is_close(*expect, *value) => {}
                Some(value) => return Some(format!("{series} at {at}: reference {expect}, ours {value}")),
            }
        }
        if let Some((at, value)) = values.iter().find(|(at, _)| !expect.contains_key(*at)) {
            return Some(format!("only ours has {series} at {at}: {value}"));
        }
    }
    ours.keys()
        .find(|series| !reference.contains_key(*series))
        .map(|series| format!("only ours has {series}"))
}

fn differs(what: &str, reference: &Value, ours: &Value) -> Option<String> {
    (reference != ours).then(|| format!("{what}: reference {reference}, ours {ours}"))
}

type Points = BTreeMap<String, BTreeMap<String, f64>>;

/// Returns every value by its series and its moment.
fn points(data: &Value) -> Points {
    let mut res = Points::new();
    let mut put = |series: String, point: &Value| {
        let value = point[1].as_str().unwrap();
        let value = value.replace("+Inf", "inf").parse::<f64>().unwrap_or(f64::NAN);
        res.entry(series).or_default().insert(point[0].to_string(), value);
    };
    match data["resultType"].as_str() {
        Some("scalar" | "string") => put(String::new(), &data["result"]),
        _ => {
            for series in data["result"].as_array().into_iter().flatten() {
                let labels = series["metric"].as_object().unwrap();
                let labels: BTreeMap<_, _> = labels.iter().collect();
                let labels = serde_json::to_string(&labels).unwrap();
                let many = series["values"].as_array().into_iter().flatten();
                let one = std::iter::once(&series["value"]).filter(|value| !value.is_null());
                many.chain(one).for_each(|point| put(labels.clone(), point));
            }
        }
    }
    res
}

fn is_close(reference: f64, ours: f64) -> bool {
    if reference.is_nan() || ours.is_nan() {
        return reference.is_nan() && ours.is_nan();
    }
    let difference = (reference - ours).abs();
    reference == ours || difference <= ABSOLUTE || difference <= RELATIVE * reference.abs().max(ours.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_rounding_is_forgiven() {
        let answer = |value: &str| {
            let series = json!({"metric": {"a": "1"}, "value": [1, value]});
            json!({"status": "success", "data": {"resultType": "vector", "result": [series]}})
        };
        assert_eq!(difference(&answer("1"), &answer("1.000001")), None);
        assert_eq!(difference(&answer("NaN"), &answer("NaN")), None);
        assert_eq!(difference(&answer("+Inf"), &answer("+Inf")), None);
        assert!(difference(&answer("1"), &answer("1.001")).is_some());
        assert!(difference(&answer("1"), &json!({"status": "error", "error": "no"})).is_some());
    }
}
