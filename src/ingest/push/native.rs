//! Native and exponential histograms as classic ones.
//!
//! The rule: each bucket that has observations becomes one `le` at its upper bound, cumulative
//! from the lowest on; bucket `i` of schema `s` ends at 2^(i·2^-s) (Prometheus, "Native
//! Histograms"; OpenTelemetry's index is one less). When there are more than [`BUCKETS_MAX`],
//! neighbours are merged in pairs, which halves the resolution and changes no count, until they
//! fit. A bucket that is hit for the first time is a new series, whose first increase a rate
//! does not see.

use std::collections::BTreeMap;

use super::{Fault, Samples, Times};
use crate::clock::UnixMillis;
use crate::record::Labels;
use crate::record::labels::METRIC_NAME;

/// Classic buckets of one histogram: twice what OpenTelemetry's default boundaries have.
pub(super) const BUCKETS_MAX: usize = 32;

/// Buckets that one native histogram may bring; Prometheus keeps 160 by default.
pub(super) const NATIVE_BUCKETS_MAX: usize = 2_000;

/// The schema of buckets whose bounds are listed.
const CUSTOM: i32 = -53;

/// A native histogram, from whichever protocol; bucket numbers are Prometheus's.
#[derive(Debug, Default)]
pub(super) struct Native {
    pub(super) schema: i32,
    pub(super) count: f64,
    pub(super) sum: f64,
    pub(super) zero_threshold: f64,
    pub(super) zero_count: f64,
    pub(super) positive: BTreeMap<i32, f64>,
    pub(super) negative: BTreeMap<i32, f64>,
    /// The upper bounds of schema [`CUSTOM`].
    pub(super) custom: Vec<f64>,
}

impl Native {
    /// Returns the upper bounds with the counts up to them, the infinite one left out; none when
    /// the histogram contradicts itself.
    pub(super) fn classic(&self) -> Option<Vec<(f64, f64)>> {
        let counts = self.positive.values().chain(self.negative.values()).chain([&self.zero_count]);
        if !self.count.is_nan() && !counts.clone().all(|count| *count >= 0.0) {
            return None;
        }
        if self.schema == CUSTOM {
            return self.custom_buckets();
        }
        if !(-16..=32).contains(&self.schema) {
            return None;
        }
        let (mut schema, mut positive, mut negative) =
            (self.schema, self.positive.clone(), self.negative.clone());
        while positive.len() + negative.len() > BUCKETS_MAX {
            schema -= 1;
            positive = halved(&positive);
            negative = halved(&negative);
        }
        let bound = |index: i32| (f64::from(index) * (-f64::from(schema)).exp2()).exp2();
        let negative = negative.iter().rev().map(|(index, count)| (-bound(index.saturating_sub(1)), *count));
        let zero = (self.zero_count > 0.0).then_some((self.zero_threshold, self.zero_count));
        let positive = positive.iter().map(|(index, count)| (bound(*index), *count));
        Some(cumulative(negative.chain(zero).chain(positive)))
    }

    fn custom_buckets(&self) -> Option<Vec<(f64, f64)>> {
        let is_ascending = self.custom.is_sorted_by(|one, next| one < next);
        if !is_ascending || !self.negative.is_empty() || self.custom.len() > NATIVE_BUCKETS_MAX {
            return None;
        }
        let count_of = |idx| self.positive.get(&idx).copied().unwrap_or(0.0);
        let bounds = self.custom.iter().zip(0..);
        Some(cumulative(bounds.map(|(bound, idx)| (*bound, count_of(idx)))))
    }
}

/// Merges buckets in pairs: (a, b] and (b, c] become (a, c].
fn halved(buckets: &BTreeMap<i32, f64>) -> BTreeMap<i32, f64> {
    let mut res = BTreeMap::new();
    for (index, count) in buckets {
        *res.entry((index.saturating_add(1)) >> 1).or_insert(0.0) += count;
    }
    res
}

fn cumulative(buckets: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut sum = 0.0;
    let mut res: Vec<(f64, f64)> = Vec::new();
    for (bound, count) in buckets.filter(|(bound, _)| bound.is_finite()) {
        sum += count;
        match res.last_mut() {
            // Bounds too near for a number to tell.
            Some(last) if last.0 >= bound => last.1 = sum,
            _ => res.push((bound, sum)),
        }
    }
    res
}

/// Adds a classic histogram: its buckets, its count and its sum. `buckets` are cumulative and
/// leave the infinite one out.
pub(super) fn add_histogram(
    samples: &mut Samples,
    series: &Labels,
    at: UnixMillis,
    (buckets, count, sum): (&[(f64, f64)], f64, Option<f64>),
    times: Times,
) -> Result<(), Fault> {
    let name = series.metric_name();
    let bucket = series.with(METRIC_NAME, &format!("{name}_bucket"));
    for (bound, count) in buckets {
        samples.add(&bucket.with("le", &bound.to_string()), at, *count, times)?;
    }
    samples.add(&bucket.with("le", "+Inf"), at, count, times)?;
    samples.add(&series.with(METRIC_NAME, &format!("{name}_count")), at, count, times)?;
    if let Some(sum) = sum {
        samples.add(&series.with(METRIC_NAME, &format!("{name}_sum")), at, sum, times)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_end_where_the_schema_says() {
        let native = Native {
            schema: 0,
            count: 10.0,
            zero_threshold: 0.001,
            zero_count: 2.0,
            positive: BTreeMap::from([(0, 1.0), (3, 4.0)]),
            negative: BTreeMap::from([(1, 2.0), (2, 1.0)]),
            ..Native::default()
        };
        // -4..-2 and -2..-1, the zero bucket, up to 1, up to 8.
        let expect = [(-2.0, 1.0), (-1.0, 3.0), (0.001, 5.0), (1.0, 6.0), (8.0, 10.0)];
        assert_eq!(native.classic().unwrap(), expect);
        let finer = Native { schema: 1, positive: BTreeMap::from([(2, 1.0)]), ..Native::default() };
        assert_eq!(finer.classic().unwrap(), [(2.0, 1.0)]);
    }

    #[test]
    fn too_many_buckets_are_merged_and_every_observation_stays() {
        let positive: BTreeMap<i32, f64> = (-500..500).map(|index| (index, 1.0)).collect();
        let native = Native { schema: 6, count: 1_000.0, positive, ..Native::default() };
        let classic = native.classic().unwrap();
        assert!(classic.len() <= BUCKETS_MAX && classic.len() > BUCKETS_MAX / 3, "{classic:?}");
        assert_eq!(classic.last().unwrap().1, 1_000.0);
        // What is counted up to a bound is what was counted up to it before.
        for (bound, count) in classic {
            let index = bound.log2() * 64.0;
            let up_to = (index.round() + 501.0).clamp(0.0, 1_000.0);
            assert!((count - up_to).abs() < 1.0, "{bound}: {count} {up_to}");
        }
    }

    #[test]
    fn listed_bounds_are_kept_and_contradictions_refused() {
        let custom = Native {
            schema: CUSTOM,
            custom: vec![1.0, 2.5],
            positive: BTreeMap::from([(0, 1.0), (1, 2.0), (2, 3.0)]),
            ..Native::default()
        };
        assert_eq!(custom.classic().unwrap(), [(1.0, 1.0), (2.5, 3.0)]);
        let down = Native { schema: CUSTOM, custom: vec![2.0, 1.0], ..Native::default() };
        assert_eq!(down.classic(), None);
        let less = Native { positive: BTreeMap::from([(0, -1.0)]), ..Native::default() };
        assert_eq!(less.classic(), None);
        assert_eq!(Native { schema: 99, ..Native::default() }.classic(), None);
        let wide = BTreeMap::from([(i32::MIN, 1.0), (i32::MAX, 1.0)]);
        assert!(Native { positive: wide, ..Native::default() }.classic().is_some());
    }
}
