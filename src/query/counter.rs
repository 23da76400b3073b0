//! What a window saw of a counter, and Prometheus's estimate of what it counted in it.
//!
//! Raw samples and roll-ups meet here: both can tell the first and the last reading, how
//! many there were and what was counted between them, and no more is needed.

use std::time::Duration;

use crate::clock::UnixMillis;
use crate::record::Sample;

/// The readings of a counter inside a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// When the first reading was taken.
    pub first_at: UnixMillis,
    /// When the last reading was taken.
    pub last_at: UnixMillis,
    /// How many readings there were, these two included.
    pub count: u64,
    /// The first reading.
    pub first: f64,
    /// What was counted between the first and the last reading, resets included.
    pub increase: f64,
}

impl Seen {
    /// Reads the samples of a window, staleness markers left out.
    ///
    /// A reading below the one before it means a restart from zero. As in Prometheus a NaN
    /// in the middle is below nothing and so changes nothing.
    pub fn of(samples: &[Sample]) -> Option<Seen> {
        let (first, last) = (samples.first()?, samples.last()?);
        let is_reset = |pair: &&[Sample]| pair[1].value < pair[0].value;
        let increase = samples
            .windows(2)
            .filter(is_reset)
            .fold(last.value - first.value, |increase, pair| increase + pair[0].value);
        let count = samples.len() as u64;
        Some(Seen { first_at: first.at, last_at: last.at, count, first: first.value, increase })
    }

    /// Reads the samples of a window of a gauge, whose falls are no resets.
    pub fn of_gauge(samples: &[Sample]) -> Option<Seen> {
        let (first, last) = (samples.first()?, samples.last()?);
        let (count, increase) = (samples.len() as u64, last.value - first.value);
        Some(Seen { first_at: first.at, last_at: last.at, count, first: first.value, increase })
    }

    /// Prometheus's `extrapolatedRate`, not yet divided by the time: what was seen is stretched
    /// to the ends of the window `(at - window, at]`.
    ///
    /// One reading alone says nothing.
    pub fn extrapolated(&self, at: UnixMillis, window: Duration) -> Option<f64> {
        Some(self.increase * self.stretch(at.minus(window), at)?)
    }

    /// Returns what the increase is to be multiplied by, to be that of the whole window
    /// `(start, end]`: what was seen reaches its ends, or by half an average gap beyond the
    /// samples where these stop short of an end by 1.1 gaps or more; and never past the moment
    /// at which the counter would have been zero.
    pub fn stretch(&self, start: UnixMillis, end: UnixMillis) -> Option<f64> {
        let to_zero = if self.increase > 0.0 && self.first >= 0.0 {
            seconds(self.first_at, self.last_at) * (self.first / self.increase)
        } else {
            f64::INFINITY
        };
        self.stretch_within(start, end, to_zero)
    }

    /// Returns the same of a gauge, which may be below zero.
    pub fn stretch_of_gauge(&self, start: UnixMillis, end: UnixMillis) -> Option<f64> {
        self.stretch_within(start, end, f64::INFINITY)
    }

    fn stretch_within(&self, start: UnixMillis, end: UnixMillis, to_start_max: f64) -> Option<f64> {
        let gaps = self.count.checked_sub(1).filter(|gaps| *gaps > 0)?;
        let sampled = seconds(self.first_at, self.last_at);
        if sampled == 0.0 {
            return Some(1.0);
        }
        let gap = sampled / gaps as f64;
        let within_threshold = |to_end: f64| if to_end >= gap * 1.1 { gap / 2.0 } else { to_end };
        let to_start = within_threshold(seconds(start, self.first_at)).min(to_start_max);
        let to_end = within_threshold(seconds(self.last_at, end));
        Some((sampled + to_start + to_end) / sampled)
    }
}

fn seconds(from: UnixMillis, to: UnixMillis) -> f64 {
    to.0.saturating_sub(from.0) as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn increase(values: &[f64]) -> f64 {
        let sample = |(idx, value): (usize, &f64)| Sample { at: UnixMillis(idx as i64), value: *value };
        Seen::of(&values.iter().enumerate().map(sample).collect::<Vec<_>>()).unwrap().increase
    }

    #[test]
    fn what_stood_before_a_reset_counts() {
        assert_eq!(increase(&[100.0, 110.0, 3.0, 13.0, 2.0]), 10.0 + 3.0 + 10.0 + 2.0);
    }

    #[test]
    fn a_nan_in_the_middle_changes_nothing_as_in_prometheus() {
        assert_eq!(increase(&[1.0, f64::NAN, 5.0]), 4.0);
        assert!(increase(&[1.0, f64::NAN]).is_nan());
    }
}
