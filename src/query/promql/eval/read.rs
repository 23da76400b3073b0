//! Series from the store, as samples where the samples are still kept and as roll-ups where
//! only those reach far enough back.

use std::ops::ControlFlow;
use std::time::Duration;

use super::Evaluator;
use crate::clock::UnixMillis;
use crate::query::algebra::{ABSENT, Grid};
use crate::query::promql::Error;
use crate::query::rollup::{Function, Windows};
use crate::query::selection::Steps;
use crate::query::tier;
use crate::record::metric::STALE_NAN_BITS;
use crate::record::read::{Matcher, SeriesSelect};
use crate::record::{Labels, Resolution, RolledStep, Sample};

/// What the store has of one series.
pub(super) enum Found<'a> {
    /// Its samples, ascending, staleness markers among them.
    Samples(&'a [Sample]),
    /// Its roll-ups of steps of this length.
    Rolled(&'a [RolledStep], Duration),
}

impl Evaluator<'_> {
    /// Visits every series selected that may have samples in `(first - reach, last]`; `reach` is
    /// those three in milliseconds.
    pub(super) fn each_series(
        &self,
        matchers: &[Matcher],
        (reach_ms, first_ms, last_ms): (i64, i64, i64),
        visit: &mut dyn FnMut(&Labels, Found<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let begin = UnixMillis(first_ms.saturating_sub(reach_ms));
        let resolution = self.resolution(begin);
        let rolled_ms = resolution.step().map_or(0, |step| step.as_millis() as i64);
        let select = SeriesSelect {
            matchers: matchers.to_vec(),
            from: UnixMillis(begin.0.saturating_sub(rolled_ms).saturating_add(1)),
            to: UnixMillis(last_ms),
        };
        let mut failure = None;
        let mut step = |labels: &Labels, found: Found<'_>, n_samples: usize| {
            self.n_samples.set(self.n_samples.get() + n_samples as u64);
            match self.budget.check().map_err(Error::from).and_then(|()| visit(labels, found)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            }
        };
        match resolution.step() {
            None => self.store.series(&select, &mut |labels, samples| {
                step(labels, Found::Samples(samples), samples.len())
            })?,
            Some(rolled) => {
                self.coarsest.set(self.coarsest.get().max(resolution));
                self.store.rollups(&select, resolution, &mut |labels, steps| {
                    step(labels, Found::Rolled(steps, rolled), steps.len())
                })?;
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// The finest history that reaches back to a moment.
    fn resolution(&self, begin: UnixMillis) -> Resolution {
        tier::pick(Duration::ZERO, None, begin, &self.coverage)
    }
}

/// The newest sample at each moment that is no older than the look-back, unless it is the marker
/// that ended the series.
pub(super) fn newest(samples: &[Sample], grid: Grid, lookback_ms: i64, is_time: bool) -> Vec<f64> {
    let mut end = 0;
    let newest = |moment: i64| {
        while end < samples.len() && samples[end].at.0 <= moment {
            end += 1;
        }
        match samples[..end].last() {
            Some(sample) if sample.at.0 > moment.saturating_sub(lookback_ms) && !sample.is_stale_marker() => {
                if is_time {
                    sample.at.0 as f64 / 1e3
                } else {
                    sample.value
                }
            }
            _ => ABSENT,
        }
    };
    grid.iter().map(newest).collect()
}

/// As [`newest`], from roll-ups; what is current may be as old as a step.
pub(super) fn newest_rolled(
    steps: &[RolledStep],
    rolled: Duration,
    grid: Grid,
    lookback_ms: i64,
    is_time: bool,
) -> Vec<f64> {
    if is_time {
        let lookback_ms = lookback_ms.max(rolled.as_millis() as i64);
        return newest(&ends(steps), grid, lookback_ms, true);
    }
    rolled_values(Function::Last, lookback_ms, steps, rolled, grid)
}

/// A function over roll-ups in windows that end at the moments of a grid.
pub(super) fn rolled_values(
    function: Function,
    window_ms: i64,
    steps: &[RolledStep],
    rolled: Duration,
    grid: Grid,
) -> Vec<f64> {
    let window = Duration::from_millis(window_ms.unsigned_abs());
    let windows = Windows { function, window, steps: Steps::of(grid), rolled };
    windows.values(steps).into_iter().map(|value| value.unwrap_or(ABSENT)).collect()
}

/// The samples at both ends of each roll-up and a marker where the series ended: all that is
/// known of single samples.
pub(super) fn ends(steps: &[RolledStep]) -> Vec<Sample> {
    let mut res = Vec::with_capacity(2 * steps.len());
    for (_, step) in steps {
        if step.count > 0 {
            res.push(Sample { at: step.first_at, value: step.first });
        }
        if step.count > 1 {
            res.push(Sample { at: step.last_at, value: step.last });
        }
        if step.is_stale {
            let at = UnixMillis(step.last_at.0.saturating_add(i64::from(step.count > 0)));
            res.push(Sample { at, value: f64::from_bits(STALE_NAN_BITS) });
        }
    }
    res
}
