//! One series of a script: its labels and the values at each step.

use crate::query::promql::ast::VectorSelector;
use crate::query::promql::parse_selector;
use crate::record::Labels;
use crate::record::metric::STALE_NAN_BITS;
use crate::record::read::MatchOp;

/// Most values of one series; a script that means more is mistaken.
const VALUES_MAX: usize = 1_000_000;

/// A value of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Point {
    /// A number, or the staleness marker.
    Value(f64),
    /// No sample at this step: `_`.
    Omitted,
    /// A native histogram, of which no more is known.
    Histogram,
}

/// A series as it is described.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    /// What identifies it.
    pub labels: Labels,
    /// One place a step.
    pub points: Vec<Point>,
}

/// Reads a line such as `up{job="x"} 1 2+3x4 _ stale`.
pub fn parse_series(line: &str) -> Result<Described, String> {
    let split = end_of_metric(line);
    let (metric, values) = line.split_at(split);
    let labels = parse_labels(metric.trim())?;
    Ok(Described { labels, points: parse_points(values)? })
}

/// Where the labels end: behind the braces, or at the first space outside of quotes.
fn end_of_metric(line: &str) -> usize {
    let mut quote = None;
    let mut is_escaped = false;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            _ if is_escaped => is_escaped = false,
            (Some('"' | '\''), '\\') => is_escaped = true,
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '}') => return at + 1,
            (None, ' ' | '\t') if !line[..at].contains('{') => {
                // A space may stand between the name and the braces.
                let rest = line[at..].trim_start();
                if !rest.starts_with('{') || rest.starts_with("{{") {
                    return at;
                }
            }
            (None, _) => {}
        }
    }
    line.len()
}

/// Reads a metric as a selector of equal values.
pub fn parse_labels(metric: &str) -> Result<Labels, String> {
    if metric.is_empty() || metric == "{}" {
        return Ok(Labels::default());
    }
    // A selector of nothing but empty values selects everything and is refused; as labels it is none.
    let selector: VectorSelector = parse_selector(metric).map_err(|error| error.to_string())?;
    let pair = |matcher: &crate::record::read::Matcher| match &matcher.op {
        MatchOp::Equal(value) => Ok((matcher.name.clone(), value.clone())),
        _ => Err(format!("{metric}: labels of a series are written with =")),
    };
    Ok(Labels::new(selector.matchers.iter().map(pair).collect::<Result<Vec<_>, _>>()?))
}

/// Reads the values.
fn parse_points(text: &str) -> Result<Vec<Point>, String> {
    let mut res = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        rest = if rest.starts_with("{{") {
            histograms(rest, &mut res)?
        } else {
            let end = rest.find([' ', '\t']).unwrap_or(rest.len());
            numbers(&rest[..end], &mut res)?;
            &rest[end..]
        }
        .trim_start();
        if res.len() > VALUES_MAX {
            return Err(format!("series of more than {VALUES_MAX} values"));
        }
    }
    Ok(res)
}

/// Reads `{{…}}`, `{{…}}xN` or `{{…}}+{{…}}xN`, and returns what follows.
fn histograms<'a>(text: &'a str, res: &mut Vec<Point>) -> Result<&'a str, String> {
    let close =
        |text: &str| text.find("}}").map(|at| at + 2).ok_or("histogram without its end }}".to_string());
    let mut rest = &text[close(text)?..];
    if let Some(step) = rest.strip_prefix(['+', '-'])
        && step.starts_with("{{")
    {
        rest = &step[close(step)?..];
    }
    let mut n = 1;
    if let Some(count) = rest.strip_prefix('x') {
        let end = count.find([' ', '\t']).unwrap_or(count.len());
        n = repeats(&count[..end])? + 1;
        rest = &count[end..];
    }
    res.extend(std::iter::repeat_n(Point::Histogram, n));
    Ok(rest)
}

/// Reads how often a value is repeated, behind its `x`.
pub fn repeats(text: &str) -> Result<usize, String> {
    let count = text.parse::<usize>().map_err(|_| format!("{text:?} is no number of repeats"))?;
    if count >= VALUES_MAX { Err(format!("series of more than {VALUES_MAX} values")) } else { Ok(count) }
}

/// Reads `5`, `_`, `_x5`, `stale`, `1x5`, `1+2x5` or `1-2x5`.
fn numbers(item: &str, res: &mut Vec<Point>) -> Result<(), String> {
    if item == "_" {
        res.push(Point::Omitted);
        return Ok(());
    }
    if let Some(count) = item.strip_prefix("_x") {
        res.extend(std::iter::repeat_n(Point::Omitted, repeats(count)?));
        return Ok(());
    }
    let (value, count) = match item.split_once('x') {
        Some((value, count)) => (value, Some(repeats(count)?)),
        None => (item, None),
    };
    let Some(count) = count else {
        res.push(Point::Value(parse_value(value)?));
        return Ok(());
    };
    let (mut value, step) = match step_at(value) {
        Some(at) => (parse_value(&value[..at])?, parse_value(&value[at..])?),
        None => (parse_value(value)?, 0.0),
    };
    // One more than repeats: the one at the time zero.
    for _ in 0..=count {
        res.push(Point::Value(value));
        if step != 0.0 {
            value += step;
        }
    }
    Ok(())
}

/// Where the step of `1+2` begins: at a sign that is neither the first nor an exponent's.
fn step_at(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (1..bytes.len()).find(|at| matches!(bytes[*at], b'+' | b'-') && !matches!(bytes[at - 1], b'e' | b'E'))
}

/// Reads a number as Prometheus writes it.
pub fn parse_value(text: &str) -> Result<f64, String> {
    if text == "stale" {
        return Ok(f64::from_bits(STALE_NAN_BITS));
    }
    let bare = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = bare.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        || ["inf", "nan"].iter().any(|word| bare.eq_ignore_ascii_case(word));
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    let value = match bare.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok().map(|value| value as f64),
        None => bare.parse::<f64>().ok(),
    };
    value.filter(|_| is_number).map(|value| sign * value).ok_or_else(|| format!("{text:?} is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, labels: &str, points: &[f64]) {
        let described = parse_series(line).unwrap();
        assert_eq!(described.labels.to_string(), labels);
        let values: Vec<f64> = described
            .points
            .iter()
            .map(|point| match point {
                Point::Value(value) => *value,
                Point::Omitted => f64::NEG_INFINITY,
                Point::Histogram => f64::INFINITY,
            })
            .collect();
        assert_eq!(values, points);
    }

    #[test]
    fn values_are_numbers_runs_gaps_and_histograms() {
        let none = f64::NEG_INFINITY;
        check("up 1 2", r#"{__name__="up"}"#, &[1.0, 2.0]);
        check("up 1+2x2 _ _x2 -3", r#"{__name__="up"}"#, &[1.0, 3.0, 5.0, none, none, none, -3.0]);
        check("up 1e-2x1 5-1x1", r#"{__name__="up"}"#, &[0.01, 0.01, 5.0, 4.0]);
        check(r#"{a="x y}",b="2"}  0x1"#, r#"{a="x y}",b="2"}"#, &[0.0, 0.0]);
        check("{} 7", "{}", &[7.0]);
        check("h {{sum:1 count:2}}+{{sum:1}}x1 4", r#"{__name__="h"}"#, &[f64::INFINITY, f64::INFINITY, 4.0]);
        let stale = parse_series("up stale").unwrap();
        assert!(matches!(stale.points[0], Point::Value(value) if value.to_bits() == STALE_NAN_BITS));
    }

    #[test]
    fn what_is_no_series_is_told() {
        for line in ["up one", "up 1x", "up{a=~\"b\"} 1", "up 1xx2", "up {{sum:1", "up 1x99999999999"] {
            assert!(parse_series(line).is_err(), "{line}");
        }
    }
}
