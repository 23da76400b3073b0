//! Rows of values at common moments, and the algebra on them.

use std::collections::BTreeMap;

use super::selection::Steps;
use crate::record::Labels;
use crate::record::labels::METRIC_NAME;

/// The label that holds a classic bucket's upper bound.
const BUCKET_BOUND: &str = "le";

/// Counts of neighbouring buckets may differ by this share only from rounding; as in
/// Prometheus, which takes larger steps downwards for buckets read at different times.
const MONOTONIC_TOLERANCE: f64 = 1e-12;

/// One label set with a value, or none, at each moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What the values belong to.
    pub labels: Labels,
    /// One place a moment.
    pub values: Vec<Option<f64>>,
}

/// Rows that share their moments.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// The moments of every row's values.
    pub steps: Steps,
    /// The rows, each label set once.
    pub rows: Vec<Row>,
    /// What whoever reads the answer should know of how it was made, such as that it
    /// comes from roll-ups.
    pub infos: Vec<String>,
}

impl Matrix {
    /// Adds the rows whose labels `is_wanted`, moment by moment.
    pub fn sum_where(&self, is_wanted: impl Fn(&Labels) -> bool) -> Vec<Option<f64>> {
        let mut sum = vec![None; self.steps.count()];
        for row in self.rows.iter().filter(|row| is_wanted(&row.labels)) {
            add(&mut sum, &row.values);
        }
        sum
    }

    /// Adds the rows of each set of values of the labels named, as `sum by (...)`.
    pub fn sum_by(&self, by: &[&str]) -> Matrix {
        let mut sums = BTreeMap::new();
        for row in &self.rows {
            let sum = sums.entry(row.labels.only(by)).or_insert_with(|| vec![None; self.steps.count()]);
            add(sum, &row.values);
        }
        let rows = sums.into_iter().map(|(labels, values)| Row { labels, values }).collect();
        self.with(self.steps, rows)
    }

    /// Adds up each row over all its moments, into a matrix of the last moment alone.
    pub fn sum_over_steps(&self) -> Matrix {
        let total = |row: &Row| Row { labels: row.labels.clone(), values: vec![sum(&row.values)] };
        self.with(self.steps.only_last(), self.rows.iter().map(total).collect())
    }

    /// Prometheus's `histogram_quantile` over classic buckets: one row for each label
    /// set without `le`; where a group has no observation the value is none, where it
    /// has no `+Inf` bucket it is NaN.
    pub fn histogram_quantile(&self, quantile: f64) -> Matrix {
        let mut groups: BTreeMap<Labels, Vec<(f64, &Row)>> = BTreeMap::new();
        for row in &self.rows {
            let Ok(bound) = row.labels.get(BUCKET_BOUND).parse::<f64>() else { continue };
            groups.entry(row.labels.without(&[BUCKET_BOUND, METRIC_NAME])).or_default().push((bound, row));
        }
        let rows = groups.into_iter().map(|(labels, mut buckets)| {
            buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
            let at = |idx: usize| {
                let counts = buckets.iter().filter_map(|(bound, row)| Some((*bound, row.values[idx]?)));
                bucket_quantile(quantile, counts.collect())
            };
            Row { labels, values: (0..self.steps.count()).map(at).collect() }
        });
        self.with(self.steps, rows.collect())
    }

    // What is made of an answer was made as that was.
    fn with(&self, steps: Steps, rows: Vec<Row>) -> Matrix {
        Matrix { steps, rows, infos: self.infos.clone() }
    }
}

impl Steps {
    fn only_last(&self) -> Steps {
        Steps::new(self.last(), self.last(), std::time::Duration::from_millis(1))
            .expect("one moment is a valid range")
    }
}

/// Adds values moment by moment; none and none stay none.
pub fn add(sum: &mut [Option<f64>], values: &[Option<f64>]) {
    for (sum, value) in sum.iter_mut().zip(values) {
        if let Some(value) = value {
            *sum = Some(sum.unwrap_or(0.0) + value);
        }
    }
}

/// Adds the values that there are.
pub fn sum(values: &[Option<f64>]) -> Option<f64> {
    values.iter().flatten().copied().reduce(|a, b| a + b)
}

/// The quantile of cumulative `(upper bound, count)` pairs in ascending order.
///
/// Inside the bucket that holds the rank the value is interpolated linearly, from zero
/// in the first bucket; in the `+Inf` bucket it is the highest finite bound.
fn bucket_quantile(quantile: f64, mut buckets: Vec<(f64, f64)>) -> Option<f64> {
    match buckets.last() {
        None => return None,
        Some((bound, _)) if !bound.is_infinite() => return Some(f64::NAN),
        Some(_) => {}
    }
    if quantile.is_nan() || buckets.len() < 2 {
        return Some(f64::NAN);
    }
    if !(0.0..=1.0).contains(&quantile) {
        return Some(if quantile < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    add_equal_bounds(&mut buckets);
    make_monotonic(&mut buckets);
    let total = buckets[buckets.len() - 1].1;
    if total <= 0.0 {
        return None;
    }
    let rank = quantile * total;
    let last_finite = buckets.len() - 2;
    let Some(found) = buckets[..=last_finite].iter().position(|(_, count)| *count >= rank) else {
        return Some(buckets[last_finite].0);
    };
    let (upper, count) = buckets[found];
    if found == 0 && upper <= 0.0 {
        return Some(upper);
    }
    let (lower, below) = if found == 0 { (0.0, 0.0) } else { buckets[found - 1] };
    let inside = count - below;
    // Only the rank zero can meet an empty bucket; its lower end is the answer then.
    if inside <= 0.0 {
        return Some(lower);
    }
    Some(lower + (upper - lower) * ((rank - below) / inside))
}

/// Bounds can be written in two ways (`1` and `1.0`) by two sources whose series were
/// added up; they are one bucket.
fn add_equal_bounds(buckets: &mut Vec<(f64, f64)>) {
    buckets.dedup_by(|later, earlier| {
        let is_equal = later.0 == earlier.0;
        if is_equal {
            earlier.1 += later.1;
        }
        is_equal
    });
}

/// Buckets of one histogram may have been read a moment apart, so a count can stand
/// below its predecessor's; it is lifted to it.
fn make_monotonic(buckets: &mut [(f64, f64)]) {
    let mut highest = f64::NEG_INFINITY;
    for (_, count) in buckets {
        if *count < highest || (*count - highest).abs() <= MONOTONIC_TOLERANCE * count.abs() {
            *count = highest;
        }
        highest = *count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixMillis;
    use std::time::Duration;

    fn check(buckets: &[(&str, f64)], quantile: f64, expect: Option<f64>) {
        let steps = Steps::new(UnixMillis(0), UnixMillis(0), Duration::from_secs(1)).unwrap();
        let row = |(bound, count): &(&str, f64)| Row {
            labels: Labels::new([("le", *bound), ("__name__", "d_bucket"), ("job", "vitrine")]),
            values: vec![Some(*count)],
        };
        let matrix = Matrix { steps, rows: buckets.iter().map(row).collect(), infos: Vec::new() };
        let res = matrix.histogram_quantile(quantile);
        assert_eq!(res.rows[0].labels.to_string(), r#"{job="vitrine"}"#);
        match (res.rows[0].values[0], expect) {
            (Some(value), Some(expect)) if value.is_nan() => assert!(expect.is_nan(), "{value} {expect}"),
            (Some(value), Some(expect)) if value.is_finite() => {
                assert!((value - expect).abs() < 1e-9, "{value} is not {expect}");
            }
            (value, expect) => assert_eq!(value, expect),
        }
    }

    // From Prometheus's own histogram tests: buckets .1, .2, 1e0 and +Inf.
    const TEST_HISTOGRAM: &[(&str, f64)] = &[("+Inf", 90.0), ("1e0", 80.0), (".1", 50.0), (".2", 70.0)];

    #[test]
    fn quantile_interpolates_as_prometheus_does() {
        check(TEST_HISTOGRAM, 0.5, Some(0.09));
        check(TEST_HISTOGRAM, 0.7, Some(0.165));
        check(TEST_HISTOGRAM, 0.0, Some(0.0));
        check(TEST_HISTOGRAM, 0.8, Some(0.36));
        check(TEST_HISTOGRAM, 1.0, Some(1.0));
    }

    #[test]
    fn quantile_outside_its_range_is_infinite() {
        check(TEST_HISTOGRAM, -0.1, Some(f64::NEG_INFINITY));
        check(TEST_HISTOGRAM, 1.1, Some(f64::INFINITY));
    }

    #[test]
    fn histogram_without_an_infinite_bucket_is_nan() {
        check(&[("0.1", 1.0), ("0.2", 2.0)], 0.5, Some(f64::NAN));
        check(&[("+Inf", 2.0)], 0.5, Some(f64::NAN));
    }

    #[test]
    fn histogram_without_observations_has_no_quantile() {
        check(&[("0.1", 0.0), ("+Inf", 0.0)], 0.5, None);
    }

    #[test]
    fn counts_read_a_moment_apart_are_lifted() {
        check(&[("0.1", 10.0), ("0.2", 8.0), ("+Inf", 10.0)], 0.9, Some(0.09));
    }

    #[test]
    fn bounds_written_in_two_ways_are_one_bucket() {
        check(&[("0.1", 5.0), (".1", 5.0), ("0.2", 10.0), ("+Inf", 10.0)], 0.5, Some(0.05));
    }

    #[test]
    fn sums_keep_absent_moments_absent() {
        let mut sum_of = vec![None, Some(1.0), None];
        add(&mut sum_of, &[None, Some(2.0), Some(3.0)]);
        assert_eq!(sum_of, [None, Some(3.0), Some(3.0)]);
        assert_eq!(sum(&sum_of), Some(6.0));
        assert_eq!(sum(&[None]), None);
    }
}
