//! A selection of series, evaluated by a window function at evenly spaced moments.
//!
//! One series is in memory at a time: what is kept of it is one value a step.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use super::algebra::Grid;
use super::counter::Seen;
use super::rollup::{self, Windows};
use super::tier;
use super::vector::{Matrix, Row, add};
use super::{POINTS_MAX, QueryError, VALUES_MAX};
use crate::clock::UnixMillis;
use crate::record::read::{Matcher, MetricRead, SeriesSelect};
use crate::record::{Labels, Resolution, Sample};

/// How far back a last value counts as current, as in Prometheus.
pub const LOOKBACK: Duration = Duration::from_secs(300);

/// Evenly spaced moments, at most [`POINTS_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    first_ms: i64,
    step_ms: i64,
    count: usize,
}

impl Steps {
    /// Returns `from`, `from + step` and so on up to and including `to`.
    pub fn new(from: UnixMillis, to: UnixMillis, step: Duration) -> Result<Self, QueryError> {
        let step_ms = millis(step);
        let span_ms = to.0.saturating_sub(from.0);
        if step_ms == 0 || span_ms < 0 {
            return Err(QueryError::EmptyRange { step_ms, behind_ms: span_ms.saturating_neg() });
        }
        let points = span_ms / step_ms + 1;
        match usize::try_from(points) {
            Ok(count) if count <= POINTS_MAX => Ok(Steps { first_ms: from.0, step_ms, count }),
            _ => Err(QueryError::TooManyPoints { points }),
        }
    }

    /// Returns the moments of a grid, which is not empty and was checked elsewhere.
    pub(super) fn of(grid: Grid) -> Self {
        Steps { first_ms: grid.first_ms, step_ms: grid.step_ms, count: grid.count }
    }

    /// Returns the moments in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = UnixMillis> + use<> {
        let Steps { first_ms, step_ms, count } = *self;
        (0..count).map(move |idx| UnixMillis(first_ms.saturating_add(step_ms.saturating_mul(idx as i64))))
    }

    /// Returns how many moments there are, at least one.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the distance of two moments.
    pub fn step(&self) -> Duration {
        Duration::from_millis(self.step_ms.unsigned_abs())
    }

    /// Returns the first moment.
    pub fn first(&self) -> UnixMillis {
        UnixMillis(self.first_ms)
    }

    /// Returns the last moment.
    pub fn last(&self) -> UnixMillis {
        UnixMillis(self.first_ms.saturating_add(self.step_ms.saturating_mul(self.count as i64 - 1)))
    }
}

/// What becomes of the samples in the window `(t - window, t]` of a moment `t`.
///
/// The window is open on the left, as in Prometheus 3, so windows as long as the step
/// share no sample. Staleness markers are no samples for the three counter functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// The newest value, unless a staleness marker ended the series (instant selector).
    Last,
    /// Prometheus's `rate`: the increase per second, extrapolated to the window's ends.
    Rate,
    /// Prometheus's `increase`: [`Function::Rate`] times the window.
    Increase,
    /// What a counter counted in the window, to the unit: no extrapolation, and a series
    /// that begins inside the range began at zero. That holds for a process's own
    /// counters, which Prometheus's rule robs of their first event; over windows as long
    /// as the step every event is counted exactly once.
    Counted,
}

impl Function {
    fn over_rollups(self) -> rollup::Function {
        match self {
            Function::Last => rollup::Function::Last,
            Function::Rate => rollup::Function::Rate,
            Function::Increase => rollup::Function::Increase,
            Function::Counted => rollup::Function::Counted,
        }
    }
}

/// Selected series, a window function, and the moments to evaluate it at.
#[derive(Clone, Debug)]
pub struct Selection {
    /// All must accept a series.
    pub matchers: Vec<Matcher>,
    /// What is made of each window.
    pub function: Function,
    /// The length of the window.
    pub window: Duration,
    /// When to evaluate.
    pub steps: Steps,
}

impl Selection {
    /// Returns one row a series; series without any value in the range are left out.
    pub fn matrix(&self, metrics: &dyn MetricRead) -> Result<Matrix, QueryError> {
        let mut rows = Vec::new();
        let infos = self.each(metrics, &mut |row| {
            rows.push(row);
            rows.len()
        })?;
        Ok(Matrix { steps: self.steps, rows, infos })
    }

    /// Returns one row for each set of values of the labels named, as `sum by (...)`;
    /// the series are added as they are read, so many of them cost no memory.
    pub fn sum_by(&self, metrics: &dyn MetricRead, by: &[&str]) -> Result<Matrix, QueryError> {
        let mut sums = BTreeMap::new();
        let infos = self.each(metrics, &mut |row| {
            let sum = sums.entry(row.labels.only(by)).or_insert_with(|| vec![None; self.steps.count()]);
            add(sum, &row.values);
            sums.len()
        })?;
        let rows = sums.into_iter().map(|(labels, values)| Row { labels, values }).collect();
        Ok(Matrix { steps: self.steps, rows, infos })
    }

    /// Hands over one row a series; `keep` returns how many rows are kept so far. Returns
    /// what the answer's infos say.
    fn each(
        &self,
        metrics: &dyn MetricRead,
        keep: &mut dyn FnMut(Row) -> usize,
    ) -> Result<Vec<String>, QueryError> {
        let resolution = self.resolution(metrics);
        let select = SeriesSelect {
            matchers: self.matchers.clone(),
            from: self.steps.first().minus(self.reach(resolution)),
            to: self.steps.last(),
        };
        let rows_max = VALUES_MAX / self.steps.count();
        let mut is_over = false;
        let mut take = |labels: &Labels, values: Vec<Option<f64>>| {
            if values.iter().any(Option::is_some) {
                is_over = keep(Row { labels: labels.clone(), values }) > rows_max;
            }
            if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        match resolution.step() {
            None => metrics.series(&select, &mut |labels, samples| take(labels, self.values(samples)))?,
            Some(rolled) => {
                let (function, window) = (self.function.over_rollups(), self.window);
                let windows = Windows { function, window, steps: self.steps, rolled };
                metrics.rollups(&select, resolution, &mut |labels, rollups| {
                    take(labels, windows.values(rollups))
                })?;
            }
        }
        if is_over {
            return Err(QueryError::TooManyValues);
        }
        let is_rolled = resolution != Resolution::Raw;
        Ok(is_rolled.then(|| format!("answered from {}", resolution.name())).into_iter().collect())
    }

    fn resolution(&self, metrics: &dyn MetricRead) -> Resolution {
        // One moment alone has no step that could hide anything.
        let step = if self.steps.count() > 1 { self.steps.step() } else { Duration::ZERO };
        let window = (self.function != Function::Last).then_some(self.window);
        tier::pick(step, window, self.steps.first().minus(self.window), &metrics.coverage())
    }

    /// How far before the first moment the history matters.
    fn reach(&self, resolution: Resolution) -> Duration {
        let rolled = resolution.step().unwrap_or_default();
        match self.function {
            // The sample before the first window tells a running counter from a new one.
            Function::Counted => self.window + LOOKBACK.max(rolled),
            Function::Last => self.window.max(rolled),
            Function::Rate | Function::Increase => self.window,
        }
    }

    fn values(&self, samples: &[Sample]) -> Vec<Option<f64>> {
        match self.function {
            Function::Last => self.in_windows(samples, |_, inside| last(inside)),
            Function::Rate => {
                let samples = without_stale(samples);
                let seconds = self.window.as_secs_f64();
                let rate = |at, inside: &_| Some(Seen::of(inside)?.extrapolated(at, self.window)? / seconds);
                self.in_windows(&samples, rate)
            }
            Function::Increase => {
                let samples = without_stale(samples);
                self.in_windows(&samples, |at, inside| Seen::of(inside)?.extrapolated(at, self.window))
            }
            Function::Counted => {
                let increments = increments(&without_stale(samples));
                self.in_windows(&increments, |_, inside| {
                    (!inside.is_empty()).then(|| inside.iter().map(|step| step.value).sum())
                })
            }
        }
    }

    /// Calls `value` with each moment and the samples in its window, moving both ends of
    /// the window forward only: the cost is one pass, whatever the overlap.
    fn in_windows(
        &self,
        samples: &[Sample],
        value: impl Fn(UnixMillis, &[Sample]) -> Option<f64>,
    ) -> Vec<Option<f64>> {
        let (mut begin, mut end) = (0, 0);
        let mut advance = |at: UnixMillis| {
            while end < samples.len() && samples[end].at <= at {
                end += 1;
            }
            while begin < end && samples[begin].at <= at.minus(self.window) {
                begin += 1;
            }
            value(at, &samples[begin..end])
        };
        self.steps.iter().map(&mut advance).collect()
    }
}

fn last(inside: &[Sample]) -> Option<f64> {
    inside.last().filter(|sample| !sample.is_stale_marker()).map(|sample| sample.value)
}

fn without_stale(samples: &[Sample]) -> Vec<Sample> {
    samples.iter().filter(|sample| !sample.is_stale_marker()).copied().collect()
}

/// Turns a counter's readings into what each of them added. A reading below the one
/// before it means a restart from zero, so all of it is new; so is the first reading.
fn increments(samples: &[Sample]) -> Vec<Sample> {
    let before = std::iter::once(0.0).chain(samples.iter().map(|sample| sample.value));
    let added = |(sample, before): (&Sample, f64)| {
        let value = if sample.value < before { sample.value } else { sample.value - before };
        Sample { at: sample.at, value }
    };
    samples.iter().zip(before).map(added).collect()
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::memory::MemoryStore;
    use crate::record::metric::STALE_NAN_BITS;

    /// Evaluates over one series `c` with a sample every 10 s from the time zero on.
    fn check(values: &[f64], function: Function, window_s: u64, at_s: &[i64], expect: &[Option<f64>]) {
        let store = MemoryStore::default();
        for (idx, value) in values.iter().enumerate() {
            store.sample(&[("__name__", "c")], idx as i64 * 10_000, *value);
        }
        let window = Duration::from_secs(window_s);
        let steps = |at: i64| {
            Steps::new(UnixMillis(at * 1_000), UnixMillis(at * 1_000), Duration::from_secs(1)).unwrap()
        };
        let matchers = vec![Matcher::equal("__name__", "c")];
        for (at, expect) in at_s.iter().zip(expect) {
            let selection = Selection { matchers: matchers.clone(), function, window, steps: steps(*at) };
            let matrix = selection.matrix(&store).unwrap();
            let value = matrix.rows.first().and_then(|row| row.values[0]);
            match (value, expect) {
                (Some(value), Some(expect)) => assert!((value - expect).abs() < 1e-9, "{value} {expect}"),
                (value, expect) => assert_eq!(value, *expect, "at {at}"),
            }
        }
    }

    #[test]
    fn rate_extrapolates_as_prometheus_does() {
        // A full, regular window: 5 gaps of 10 in (60, 120], stretched to 60 s.
        let steady: Vec<f64> = (0..=12).map(|idx| 1_000.0 + f64::from(idx) * 10.0).collect();
        check(&steady, Function::Rate, 60, &[120], &[Some(1.0)]);
        check(&steady, Function::Increase, 60, &[120], &[Some(60.0)]);
        // Young counter: not stretched past its zero. 0, 10, 20 at 0, 10, 20 s.
        check(&[0.0, 10.0, 20.0], Function::Increase, 60, &[20], &[Some(20.0)]);
        // The samples stop 20 s before the window's end: half a gap is added there.
        check(&steady[..=10], Function::Increase, 60, &[120], &[Some(30.0 * 45.0 / 30.0)]);
    }

    #[test]
    fn rate_needs_two_samples_and_survives_a_reset() {
        check(&[5.0], Function::Rate, 60, &[0], &[None]);
        // 100 → 110 → reset to 3 → 13: ten, three and ten over 30 s; the first sample is one
        // gap away from the start, near enough to stretch to it.
        let reset = [100.0, 110.0, 3.0, 13.0];
        check(&reset, Function::Increase, 40, &[30], &[Some(23.0 * 40.0 / 30.0)]);
    }

    #[test]
    fn counted_loses_nothing_and_counts_nothing_twice() {
        // Born with 1, so Prometheus would miss that event; then a reset to 2.
        let values = [1.0, 4.0, 4.0, 2.0, 5.0];
        check(&values, Function::Counted, 20, &[10, 30, 50], &[Some(4.0), Some(2.0), Some(3.0)]);
    }

    #[test]
    fn counted_takes_a_running_counter_as_running() {
        let steady: Vec<f64> = (0..=12).map(|idx| 1_000.0 + f64::from(idx)).collect();
        check(&steady, Function::Counted, 10, &[60, 120], &[Some(1.0), Some(1.0)]);
    }

    #[test]
    fn last_looks_back_only_so_far_and_stops_at_a_marker() {
        check(&[1.0, 2.0], Function::Last, 30, &[9, 10, 39, 40], &[Some(1.0), Some(2.0), Some(2.0), None]);
        let stale = f64::from_bits(STALE_NAN_BITS);
        check(&[1.0, stale], Function::Last, 300, &[9, 10], &[Some(1.0), None]);
    }

    #[test]
    fn ranges_without_a_step_or_with_too_many_points_are_refused() {
        let (from, to) = (UnixMillis(0), UnixMillis(100_000_000));
        assert!(matches!(Steps::new(from, to, Duration::ZERO), Err(QueryError::EmptyRange { .. })));
        assert!(matches!(Steps::new(to, from, LOOKBACK), Err(QueryError::EmptyRange { .. })));
        let short = Duration::from_secs(1);
        assert!(matches!(Steps::new(from, to, short), Err(QueryError::TooManyPoints { .. })));
        let steps = Steps::new(from, UnixMillis(25), Duration::from_millis(10)).unwrap();
        assert_eq!(steps.iter().map(|at| at.0).collect::<Vec<_>>(), [0, 10, 20]);
        assert_eq!((steps.first(), steps.last()), (UnixMillis(0), UnixMillis(20)));
    }

    #[test]
    fn sum_by_adds_series_of_one_group() {
        let store = MemoryStore::default();
        for (worker, mode, value) in [("1", "a", 1.0), ("2", "a", 2.0), ("1", "b", 4.0)] {
            store.sample(&[("__name__", "g"), ("worker", worker), ("mode", mode)], 0, value);
        }
        let steps = Steps::new(UnixMillis(0), UnixMillis(0), LOOKBACK).unwrap();
        let matchers = vec![Matcher::equal("__name__", "g")];
        let selection = Selection { matchers, function: Function::Last, window: LOOKBACK, steps };
        let sums = selection.sum_by(&store, &["mode"]).unwrap();
        let found: Vec<_> = sums.rows.iter().map(|row| (row.labels.to_string(), row.values[0])).collect();
        assert_eq!(found, [(r#"{mode="a"}"#.to_string(), Some(3.0)), (r#"{mode="b"}"#.into(), Some(4.0))]);
    }

    #[test]
    fn too_many_values_are_refused_not_kept() {
        let store = MemoryStore::default();
        for idx in 0..=VALUES_MAX / POINTS_MAX {
            store.sample(&[("__name__", "g"), ("n", &idx.to_string())], 0, 1.0);
        }
        let to = UnixMillis(POINTS_MAX as i64 - 1);
        let steps = Steps::new(UnixMillis(0), to, Duration::from_millis(1)).unwrap();
        let matchers = vec![Matcher::equal("__name__", "g")];
        let selection = Selection { matchers, function: Function::Last, window: LOOKBACK, steps };
        assert!(matches!(selection.matrix(&store), Err(QueryError::TooManyValues)));
        assert_eq!(selection.sum_by(&store, &[]).unwrap().rows.len(), 1);
    }
}
