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

    /// Prometheus's `extrapolatedRate`, not yet divided by the time: what was seen is
    /// stretched to the ends of the window `(at - window, at]`, by at most half an
    /// average gap where samples stop short of an end by more than 1.1 gaps, and never
    /// past the moment at which the counter would have been zero.
    ///
    /// One reading alone says nothing.
    pub fn extrapolated(&self, at: UnixMillis, window: Duration) -> Option<f64> {
        let gaps = self.count.checked_sub(1).filter(|gaps| *gaps > 0)?;
        let seconds = |from: UnixMillis, to: UnixMillis| to.0.saturating_sub(from.0) as f64 / 1e3;
        let sampled = seconds(self.first_at, self.last_at);
        if sampled == 0.0 {
            return Some(self.increase);
        }
        let gap = sampled / gaps as f64;
        let within_threshold = |to_end: f64| if to_end >= gap * 1.1 { gap / 2.0 } else { to_end };
        let to_zero = if self.increase > 0.0 && self.first >= 0.0 {
            sampled * (self.first / self.increase)
        } else {
            f64::INFINITY
        };
        let to_start = within_threshold(seconds(at.minus(window), self.first_at)).min(to_zero);
        let to_end = within_threshold(seconds(self.last_at, at));
        Some(self.increase * ((sampled + to_start + to_end) / sampled))
    }
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
