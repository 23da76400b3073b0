//! Two answers to one question: equal but for rounding, or what differs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// Values may differ by this share of the greater.
const RELATIVE: f64 = 1e-6;

/// What is left of a difference of equal numbers is noise, and relative to nothing.
const ABSOLUTE: f64 = 1e-9;

/// Characters of an answer that a report shows.
const SHOWN_MAX: usize = 500;

/// The status of an answer that did not come; equal to nothing.
pub const NO_ANSWER: u16 = 0;

/// What one side said.
pub struct Answer {
    pub status: u16,
    pub text: String,
}

impl Answer {
    fn is_refusal(&self) -> bool {
        !(200..300).contains(&self.status)
    }

    fn shown(&self) -> String {
        format!("{} {}", self.status, shown(self.text.trim()))
    }
}

/// How an answer was asked for, as far as it matters to what may differ.
#[derive(Clone, Copy)]
pub struct Asked {
    /// Most lines.
    pub limit: usize,
    /// The oldest line first.
    pub is_forward: bool,
}

/// Returns what differs between a reference's answer and ours, if anything does.
pub fn difference(reference: &Answer, ours: &Answer, asked: Asked) -> Option<String> {
    let has_none = reference.status == NO_ANSWER || ours.status == NO_ANSWER;
    // Loki calls some faults of a question its own.
    let is_better = reference.status >= 500 && (400..500).contains(&ours.status);
    if has_none || reference.status / 100 != ours.status / 100 && !is_better {
        return Some(format!("reference: {}\n    ours: {}", reference.shown(), ours.shown()));
    }
    if ours.is_refusal() {
        return None;
    }
    let parsed = |answer: &Answer| serde_json::from_str::<Value>(&answer.text);
    let (Ok(reference), Ok(ours)) = (parsed(reference), parsed(ours)) else {
        return differs("the body", &json!(reference.text), &json!(ours.text));
    };
    let (reference, ours) = (&reference["data"], &ours["data"]);
    for field in ["resultType", "encodingFlags"] {
        if let Some(difference) = differs(field, &reference[field], &ours[field]) {
            return Some(difference);
        }
    }
    match reference["resultType"].as_str() {
        Some("streams") => of_lines(Lines::of(reference), Lines::of(ours), asked),
        Some(_) => {
            let (mut reference_points, mut our_points) = (points(reference), points(ours));
            for series in ambiguous(reference) {
                reference_points.remove(&series);
                our_points.remove(&series);
            }
            of_points(&reference_points, &our_points)
        }
        None => of_sets(reference, ours),
    }
}

/// Returns what both said to a refused question, when it is not the same.
pub fn refusals(reference: &Answer, ours: &Answer) -> Option<(String, String)> {
    let is_both = reference.is_refusal() && ours.is_refusal();
    (is_both && reference.text.trim() != ours.text.trim()).then(|| (reference.shown(), ours.shown()))
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}

fn differs(what: &str, reference: &Value, ours: &Value) -> Option<String> {
    let shown = |value: &Value| shown(&value.to_string());
    (reference != ours).then(|| format!("{what}: reference {}, ours {}", shown(reference), shown(ours)))
}

/// Names, values or label sets, in any order.
fn of_sets(reference: &Value, ours: &Value) -> Option<String> {
    let sorted = |value: &Value| match value {
        Value::Array(all) => {
            let mut all: Vec<Value> = all.iter().map(by_name).collect();
            all.sort_by_key(Value::to_string);
            Value::Array(all)
        }
        // Loki leaves a list out that has nothing in it.
        Value::Null => json!([]),
        other => by_name(other),
    };
    differs("the answer", &sorted(reference), &sorted(ours))
}

/// Puts the names of an object, and of those in it, in order.
fn by_name(value: &Value) -> Value {
    match value {
        Value::Object(pairs) => {
            let sorted: BTreeMap<&String, Value> =
                pairs.iter().map(|(name, value)| (name, by_name(value))).collect();
            sorted.into_iter().map(|(name, value)| (name.clone(), value)).collect()
        }
        other => other.clone(),
    }
}

/// Returns the labels of a stream without those that stand among the categories of a line. Loki, as
/// of this version, leaves them in both places when the query came through its front end.
fn without_categories(labels: &Value, categories: &Value) -> Value {
    let told = ["structuredMetadata", "parsed"].map(|name| &categories[name]);
    let pairs = labels.as_object().into_iter().flatten();
    let left = pairs.filter(|(name, _)| told.iter().all(|told| told.get(name).is_none()));
    left.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Lines with their labels and categories, each with how often it is there, by time.
struct Lines {
    by_time: BTreeMap<i64, BTreeMap<String, usize>>,
    n: usize,
    /// Equal ones too.
    n_all: usize,
    /// A stream whose lines are not in one order.
    unsorted: [Option<String>; 2],
}

impl Lines {
    fn of(data: &Value) -> Lines {
        let mut res = Lines { by_time: BTreeMap::new(), n: 0, n_all: 0, unsorted: [None, None] };
        for stream in data["result"].as_array().into_iter().flatten() {
            let all = by_name(&stream["stream"]);
            let mut last = None;
            for value in stream["values"].as_array().into_iter().flatten() {
                let labels = without_categories(&all, &value[2]).to_string();
                let at_ns: i64 = value[0].as_str().unwrap_or_default().parse().unwrap_or(-1);
                for (idx, is_wrong) in
                    [last > Some(at_ns), last.is_some_and(|last| last < at_ns)].iter().enumerate()
                {
                    if *is_wrong {
                        res.unsorted[idx] = Some(labels.clone());
                    }
                }
                last = Some(at_ns);
                let categories = if value[2].is_null() { Value::Null } else { by_name(&value[2]) };
                let line = format!("{labels} {} {categories}", value[1]);
                res.n_all += 1;
                // Loki keeps one of two equal lines of a stream at one moment, now when they come in and
                // now when they are read.
                if res.by_time.entry(at_ns).or_default().insert(line, 1).is_none() {
                    res.n += 1;
                }
            }
        }
        res
    }

    /// Leaves out the moment at which the limit was reached, and what lies behind it: which of its
    /// lines are there is nobody's promise.
    fn cut(&mut self, last_ns: i64, is_forward: bool) {
        self.by_time.retain(|at, _| if is_forward { *at < last_ns } else { *at > last_ns });
        self.n = self.by_time.values().map(BTreeMap::len).sum();
    }

    /// Returns the moment at which it ends.
    fn last_ns(&self, is_forward: bool) -> i64 {
        let (first, last) = (self.by_time.first_key_value(), self.by_time.last_key_value());
        if is_forward { last } else { first }.map_or(0, |(at, _)| *at)
    }
}

fn of_lines(mut reference: Lines, mut ours: Lines, asked: Asked) -> Option<String> {
    if let Some(stream) = &ours.unsorted[usize::from(!asked.is_forward)] {
        return Some(format!("ours is not in order: {stream}"));
    }
    // Equal lines count, but for Loki they do not.
    if ours.n_all == asked.limit || reference.n_all == asked.limit {
        let ends = [ours.last_ns(asked.is_forward), reference.last_ns(asked.is_forward)];
        let last_ns = if asked.is_forward { ends[0].min(ends[1]) } else { ends[0].max(ends[1]) };
        reference.cut(last_ns, asked.is_forward);
        ours.cut(last_ns, asked.is_forward);
    }
    if reference.n != ours.n {
        let lacks = |one: &Lines, other: &Lines| {
            let first = one.by_time.iter().flat_map(|(at, lines)| lines.keys().map(move |line| (*at, line)));
            let mut missing = first
                .filter(|(at, line)| !other.by_time.get(at).is_some_and(|lines| lines.contains_key(*line)));
            missing.next().map_or("nothing".into(), |(at, line)| format!("{at} {}", shown(line)))
        };
        return Some(format!(
            "reference has {} lines, ours {}; ours lacks {}; only ours has {}",
            reference.n,
            ours.n,
            lacks(&reference, &ours),
            lacks(&ours, &reference)
        ));
    }
    for (at, expect) in &reference.by_time {
        let Some(lines) = ours.by_time.get(at) else {
            return Some(format!("ours lacks {at}: {}", shown(&format!("{expect:?}"))));
        };
        if lines != expect {
            let only = |one: &BTreeMap<String, usize>, other: &BTreeMap<String, usize>| -> String {
                let differing =
                    one.iter().filter(|(line, n)| other.get(*line) != Some(n)).map(|(line, _)| line.as_str());
                shown(&differing.collect::<Vec<_>>().join("\n        "))
            };
            return Some(format!(
                "at {at}\n    reference: {}\n    ours: {}",
                only(expect, lines),
                only(lines, expect)
            ));
        }
    }
    None
}

type Points = BTreeMap<String, BTreeMap<i64, f64>>;

/// Returns the labels that have a value: one without is the same as none (Prometheus data model),
/// though Loki tells them apart.
fn with_values(labels: &Value) -> Value {
    let pairs = labels.as_object().into_iter().flatten().filter(|(_, value)| *value != "");
    pairs.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Returns the series that Loki has more than once but for labels without a value.
fn ambiguous(data: &Value) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    let series = data["result"].as_array().into_iter().flatten();
    let labels = series.map(|series| by_name(&with_values(&series["metric"])).to_string());
    labels.filter(|labels| !known.insert(labels.clone())).collect()
}

/// Returns every value by its series and its moment in ms.
fn points(data: &Value) -> Points {
    let mut res = Points::new();
    let mut put = |series: String, point: &Value| {
        let value = point[1].as_str().unwrap_or_default();
        let value = value.replace("+Inf", "inf").replace("-Inf", "-inf").parse::<f64>().unwrap_or(f64::NAN);
        let at_ms = (point[0].as_f64().unwrap_or(-1.0) * 1e3).round() as i64;
        res.entry(series).or_default().insert(at_ms, value);
    };
    if data["resultType"] == "scalar" {
        // Loki writes its time in milliseconds where it has seconds everywhere else.
        put(String::new(), &json!([0, data["result"][1]]));
        return res;
    }
    for series in data["result"].as_array().into_iter().flatten() {
        let labels = by_name(&with_values(&series["metric"])).to_string();
        let many = series["values"].as_array().into_iter().flatten();
        let one = std::iter::once(&series["value"]).filter(|value| !value.is_null());
        many.chain(one).for_each(|point| put(labels.clone(), point));
    }
    res
}

fn of_points(reference: &Points, ours: &Points) -> Option<String> {
    for (series, expect) in reference {
        let Some(values) = ours.get(series) else {
            let mut names = ours.keys().filter(|name| !reference.contains_key(*name));
            let instead = names.next().map_or(String::new(), |name| format!(", but has {}", shown(name)));
            return Some(format!("ours lacks {} with {expect:?}{instead}", shown(series)));
        };
        for (at, expect) in expect {
            match values.get(at) {
                None => return Some(format!("ours lacks {} at {at} ms: {expect}", shown(series))),
                Some(value) if is_close(*expect, *value) => {}
                Some(value) => {
                    return Some(format!("{} at {at} ms: reference {expect}, ours {value}", shown(series)));
                }
            }
        }
        if let Some((at, value)) = values.iter().find(|(at, _)| !expect.contains_key(*at)) {
            return Some(format!("only ours has {} at {at} ms: {value}", shown(series)));
        }
    }
    let more = ours.iter().find(|(series, _)| !reference.contains_key(*series));
    more.map(|(series, values)| {
        format!("only ours has {} with {}", shown(series), shown(&format!("{values:?}")))
    })
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

    const ASKED: Asked = Asked { limit: 2, is_forward: true };

    fn answer(data: Value) -> Answer {
        Answer { status: 200, text: json!({"status": "success", "data": data}).to_string() }
    }

    fn lines(values: Value) -> Answer {
        answer(
            json!({"resultType": "streams", "result": [{"stream": {"a": "1", "b": "2"}, "values": values}]}),
        )
    }

    #[test]
    fn only_rounding_of_a_value_is_forgiven() {
        let point = |value: &str| {
            let series = json!({"metric": {"a": "1"}, "value": [1, value]});
            answer(json!({"resultType": "vector", "result": [series]}))
        };
        for (one, other, is_same) in
            [("1", "1.0000001", true), ("NaN", "NaN", true), ("+Inf", "+Inf", true), ("1", "1.00001", false)]
        {
            assert_eq!(difference(&point(one), &point(other), ASKED).is_none(), is_same, "{one} {other}");
        }
    }

    #[test]
    fn a_refusal_meets_any_refusal_of_its_class() {
        let refused = |status: u16, text: &str| Answer { status, text: text.into() };
        assert_eq!(difference(&refused(400, "a"), &refused(422, "b"), ASKED), None);
        assert!(refusals(&refused(400, "a"), &refused(400, "b")).is_some());
        assert_eq!(difference(&refused(500, "a"), &refused(400, "b"), ASKED), None);
        assert!(difference(&refused(400, "a"), &refused(500, "a"), ASKED).is_some());
        assert!(difference(&refused(400, "a"), &lines(json!([])), ASKED).is_some());
    }

    #[test]
    fn lines_are_compared_with_their_labels_times_and_categories() {
        let one = lines(json!([["1", "x", {"parsed": {"c": "3", "d": "4"}}]]));
        assert_eq!(
            difference(&one, &lines(json!([["1", "x", {"parsed": {"d": "4", "c": "3"}}]])), ASKED),
            None
        );
        for other in [
            json!([]),
            json!([["2", "x", {"parsed": {"c": "3", "d": "4"}}]]),
            json!([["1", "y", {"parsed": {"c": "3", "d": "4"}}]]),
            json!([["1", "x", {"structuredMetadata": {"c": "3", "d": "4"}}]]),
            json!([["1", "x"]]),
        ] {
            assert!(difference(&one, &lines(other.clone()), ASKED).is_some(), "{other}");
        }
    }

    #[test]
    fn at_the_limit_any_line_of_the_last_moment_will_do() {
        let (one, other) = (lines(json!([["1", "x"], ["2", "y"]])), lines(json!([["1", "x"], ["2", "z"]])));
        assert_eq!(difference(&one, &other, ASKED), None);
        assert!(difference(&one, &other, Asked { limit: 3, ..ASKED }).is_some());
        assert!(difference(&one, &lines(json!([["2", "y"], ["1", "x"]])), ASKED).is_some());
    }
}
