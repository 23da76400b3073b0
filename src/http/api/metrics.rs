//! `/metrics`: a reading of the instruments as text.
//!
//! It writes OpenMetrics 1.0 or the Prometheus text format 0.0.4, whichever the client
//! prefers, from points that are already named as Prometheus names them. It knows
//! neither the instruments nor who asked.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::Write;

use crate::record::labels::METRIC_NAME;
use crate::record::{Labels, Metadata, MetricKind, Point, Scrape};

/// A text format for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The Prometheus text format 0.0.4, what a browser or `curl` gets.
    PrometheusText,
}

impl Format {
    /// Returns the format that an `Accept` header prefers; without one, plain text.
    pub fn from_accept(accept: Option<&str>) -> Format {
        let (mut open_metrics, mut text) = (0.0, 0.0_f64);
        for range in accept.unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
            let mut quality: f64 = 1.0;
            let mut is_spoken = true;
            for parameter in parts {
                match parameter.split_once('=') {
                    Some(("q", value)) => quality = value.parse().unwrap_or(0.0),
                    Some(("version", value)) => is_spoken = is_spoken_version(value.trim_matches('"')),
                    _ => {}
                }
            }
            match media_type.as_str() {
                "application/openmetrics-text" if is_spoken => open_metrics = quality.max(open_metrics),
                "text/plain" | "text/*" | "*/*" => text = quality.max(text),
                _ => {}
            }
        }
        if open_metrics > 0.0 && open_metrics >= text { Format::OpenMetrics } else { Format::PrometheusText }
    }

    /// Returns the `Content-Type` of the format.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::PrometheusText => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

// 0.0.1 is what older Prometheus servers ask for; what we write is valid in both.
fn is_spoken_version(version: &str) -> bool {
    matches!(version, "1.0.0" | "0.0.1")
}

/// Writes a reading. Families are in the order of their names; a point that no metadata
/// describes is of unknown type.
pub fn render(scrape: &Scrape, metadata: &[Metadata], format: Format) -> String {
    let described: BTreeMap<&str, &Metadata> =
        metadata.iter().map(|metadata| (metadata.name.as_str(), metadata)).collect();
    let mut families: BTreeMap<&str, Vec<&Point>> = BTreeMap::new();
    for point in &scrape.points {
        families.entry(family_of(point.series.metric_name(), &described)).or_default().push(point);
    }
    // A point takes about this much, so the text grows once.
    let mut res = String::with_capacity(scrape.points.len() * 160);
    for (name, points) in families {
        let metadata = described.get(name).copied();
        write_header(&mut res, name, metadata, format);
        match metadata.map(|metadata| metadata.kind) {
            Some(MetricKind::Histogram) => write_histogram(&mut res, points, format),
            Some(MetricKind::Counter | MetricKind::Gauge) | None => {
                write_sorted(&mut res, points, format);
            }
        }
    }
    if format == Format::OpenMetrics {
        res.push_str("# EOF\n");
    }
    res
}

/// Returns the described name that a series belongs to; its own when there is none.
fn family_of<'n>(name: &'n str, described: &BTreeMap<&'n str, &'n Metadata>) -> &'n str {
    if described.contains_key(name) {
        return name;
    }
    let is_histogram =
        |stem: &&str| described.get(stem).is_some_and(|metadata| metadata.kind == MetricKind::Histogram);
    let stems = ["_bucket", "_sum", "_count"].iter().filter_map(|suffix| name.strip_suffix(suffix));
    stems.filter(is_histogram).map(|stem| &name[..stem.len()]).next().unwrap_or(name)
}

fn write_header(res: &mut String, name: &str, metadata: Option<&Metadata>, format: Format) {
    let is_open = format == Format::OpenMetrics;
    // OpenMetrics names a counter's family without the suffix of its samples.
    let family = match metadata.map(|metadata| metadata.kind) {
        Some(MetricKind::Counter) if is_open => name.strip_suffix("_total").unwrap_or(name),
        _ => name,
    };
    let unknown = if is_open { "unknown" } else { "untyped" };
    line(res, &["# TYPE ", family, " ", metadata.map_or(unknown, |metadata| metadata.kind.as_str())]);
    let Some(metadata) = metadata else { return };
    let has_unit = !metadata.unit.is_empty()
        && family.strip_suffix(metadata.unit.as_str()).is_some_and(|stem| stem.ends_with('_'));
    if is_open && has_unit {
        line(res, &["# UNIT ", family, " ", &metadata.unit]);
    }
    if !metadata.help.is_empty() {
        res.push_str("# HELP ");
        res.push_str(family);
        res.push(' ');
        // The older format leaves quotes in a help text alone.
        escape(res, &metadata.help, is_open);
        res.push('\n');
    }
}

fn line(res: &mut String, parts: &[&str]) {
    parts.iter().for_each(|part| res.push_str(part));
    res.push('\n');
}

fn write_sorted(res: &mut String, mut points: Vec<&Point>, format: Format) {
    points.sort_by(|a, b| a.series.cmp(&b.series));
    for point in points {
        write_point(res, point, format);
    }
}

/// Writes each label set's buckets in the order of their bounds, then its count and sum:
/// OpenMetrics asks for the series of one set to stand together.
fn write_histogram(res: &mut String, points: Vec<&Point>, format: Format) {
    let mut sets: BTreeMap<Labels, Vec<(f64, &Point)>> = BTreeMap::new();
    for point in points {
        let place = match point.series.get("le") {
            // The count and the sum follow the last bucket.
            "" if point.series.metric_name().ends_with("_count") => f64::NAN,
            "" => -f64::NAN,
            bound => bound.parse().unwrap_or(f64::INFINITY),
        };
        sets.entry(point.series.without(&[METRIC_NAME, "le"])).or_default().push((place, point));
    }
    for mut set in sets.into_values() {
        set.sort_by(|(a, point_a), (b, point_b)| match (a.is_nan(), b.is_nan()) {
            (false, false) => a.total_cmp(b),
            (true, true) => point_a.series.metric_name().cmp(point_b.series.metric_name()),
            (false, true) => Ordering::Less,
            (true, false) => Ordering::Greater,
        });
        for (_, point) in set {
            write_point(res, point, format);
        }
    }
}

fn write_point(res: &mut String, point: &Point, format: Format) {
    res.push_str(point.series.metric_name());
    let mut separator = '{';
    for (name, value) in point.series.iter().filter(|(name, _)| *name != METRIC_NAME) {
        res.push(separator);
        separator = ',';
        res.push_str(name);
        res.push_str("=\"");
        escape(res, value, true);
        // OpenMetrics writes the bound of a bucket as a float, `1.0`.
        let is_whole_bound = name == "le" && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        if is_whole_bound && format == Format::OpenMetrics {
            res.push_str(".0");
        }
        res.push('"');
    }
    if separator == ',' {
        res.push('}');
    }
    res.push(' ');
    write_number(res, point.value);
    res.push('\n');
}

fn write_number(res: &mut String, value: f64) {
    if value == f64::INFINITY {
        res.push_str("+Inf");
    } else if value == f64::NEG_INFINITY {
        res.push_str("-Inf");
    } else {
        // Writing to a string cannot fail. Rust and the formats agree on `NaN`.
        let _ = write!(res, "{value}");
    }
}

fn escape(res: &mut String, text: &str, quotes_too: bool) {
    for character in text.chars() {
        match character {
            '\\' => res.push_str("\\\\"),
            '\n' => res.push_str("\\n"),
            '"' if quotes_too => res.push_str("\\\""),
            other => res.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixMillis;

    fn point(name: &str, labels: &[(&str, &str)], value: f64) -> Point {
        Point { series: Labels::new(labels.iter().copied().chain([(METRIC_NAME, name)])), value }
    }

    fn described(name: &str, kind: MetricKind, unit: &str, help: &str) -> Metadata {
        Metadata { name: name.into(), kind, unit: unit.into(), help: help.into() }
    }

    fn example() -> (Scrape, Vec<Metadata>) {
        let bucket = |le: &str, value| point("d_seconds_bucket", &[("route", "/"), ("le", le)], value);
        let points = vec![
            point("d_seconds_sum", &[("route", "/")], 0.75),
            bucket("+Inf", 4.0),
            bucket("10", 3.0),
            bucket("0.5", 2.0),
            bucket("1", 3.0),
            point("d_seconds_count", &[("route", "/")], 4.0),
            point("jobs_total", &[("outcome", "b\\a\"d\n")], 7.0),
            point("heat", &[], f64::NEG_INFINITY),
            point("strange", &[], f64::NAN),
        ];
        let metadata = vec![
            described("heat", MetricKind::Gauge, "", ""),
            described("jobs_total", MetricKind::Counter, "", "Jobs, \"all\"\nof them."),
            described("d_seconds", MetricKind::Histogram, "seconds", "Time."),
        ];
        (Scrape { at: UnixMillis(1), points }, metadata)
    }

    #[test]
    fn open_metrics_text_is_as_specified() {
        let (scrape, metadata) = example();
        let expect = r#"# TYPE d_seconds histogram
# UNIT d_seconds seconds
# HELP d_seconds Time.
d_seconds_bucket{le="0.5",route="/"} 2
d_seconds_bucket{le="1.0",route="/"} 3
d_seconds_bucket{le="10.0",route="/"} 3
d_seconds_bucket{le="+Inf",route="/"} 4
d_seconds_count{route="/"} 4
d_seconds_sum{route="/"} 0.75
# TYPE heat gauge
heat -Inf
# TYPE jobs counter
# HELP jobs Jobs, \"all\"\nof them.
jobs_total{outcome="b\\a\"d\n"} 7
# TYPE strange unknown
strange NaN
# EOF
"#;
        assert_eq!(render(&scrape, &metadata, Format::OpenMetrics), expect);
    }

    #[test]
    fn prometheus_text_is_as_specified() {
        let (scrape, metadata) = example();
        let expect = r#"# TYPE d_seconds histogram
# HELP d_seconds Time.
d_seconds_bucket{le="0.5",route="/"} 2
d_seconds_bucket{le="1",route="/"} 3
d_seconds_bucket{le="10",route="/"} 3
d_seconds_bucket{le="+Inf",route="/"} 4
d_seconds_count{route="/"} 4
d_seconds_sum{route="/"} 0.75
# TYPE heat gauge
heat -Inf
# TYPE jobs_total counter
# HELP jobs_total Jobs, "all"\nof them.
jobs_total{outcome="b\\a\"d\n"} 7
# TYPE strange untyped
strange NaN
"#;
        assert_eq!(render(&scrape, &metadata, Format::PrometheusText), expect);
    }

    #[test]
    fn a_reading_without_points_is_still_valid() {
        let scrape = Scrape { at: UnixMillis(1), points: vec![] };
        assert_eq!(render(&scrape, &[], Format::OpenMetrics), "# EOF\n");
        assert_eq!(render(&scrape, &[], Format::PrometheusText), "");
    }

    #[test]
    fn the_client_chooses_the_format() {
        let check = |accept, expect| assert_eq!(Format::from_accept(accept), expect, "{accept:?}");
        check(None, Format::PrometheusText);
        check(Some("*/*"), Format::PrometheusText);
        check(Some("text/html,*/*;q=0.8"), Format::PrometheusText);
        check(Some("application/openmetrics-text"), Format::OpenMetrics);
        check(Some("application/openmetrics-text; version=1.0.0, text/plain"), Format::OpenMetrics);
        check(Some("application/openmetrics-text;version=9.0.0,text/plain;q=0.1"), Format::PrometheusText);
        check(Some("application/openmetrics-text;q=0.2,text/plain;q=0.5"), Format::PrometheusText);
        check(Some("application/openmetrics-text;q=0"), Format::PrometheusText);
        // What Prometheus 3 sends.
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                          application/openmetrics-text;version=0.0.1;q=0.5,\
                          text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        check(Some(prometheus), Format::OpenMetrics);
    }
}
