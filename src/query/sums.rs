//! Means, variances and quantiles of many numbers, as exact as Prometheus's.

use crate::record::sum::Sum;

/// A mean: of the sum as long as that is finite, and from then on updated by each number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mean {
    sum: Sum,
    count: f64,
    /// The sum is the mean itself.
    is_incremental: bool,
}

impl Mean {
    /// Adds a number.
    pub fn add(&mut self, value: f64) {
        self.count += 1.0;
        if self.count == 1.0 {
            self.sum = Sum::of(value);
            return;
        }
        if !self.is_incremental {
            let mut next = self.sum;
            next.add(value);
            if !next.is_infinite() {
                self.sum = next;
                return;
            }
            self.is_incremental = true;
            self.sum = self.sum.divided(self.count - 1.0);
        }
        self.sum = self.sum.times((self.count - 1.0) / self.count);
        self.sum.add(value / self.count);
    }

    /// Returns the mean; NaN of nothing.
    pub fn value(&self) -> f64 {
        if self.is_incremental { self.sum.value() } else { self.sum.divided(self.count).value() }
    }
}

/// The variance of a population by Welford's algorithm.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Variance {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Variance {
    /// Adds a number.
    pub fn add(&mut self, value: f64) {
        self.count += 1.0;
        if self.count == 1.0 {
            self.mean = value;
            self.squares = if value.is_finite() { 0.0 } else { f64::NAN };
            return;
        }
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
    }

    /// Returns the variance; NaN of nothing.
    pub fn value(&self) -> f64 {
        self.squares / self.count
    }
}

/// Returns the quantile of numbers, in any order; neighbours are interpolated linearly. A NaN
/// counts as less than any number. Outside of 0 to 1 the answer is infinite, of nothing NaN.
pub fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_unstable_by(|a, b| match (a.is_nan(), b.is_nan()) {
        (true, true) => std::cmp::Ordering::Equal,
        (true, false) => std::cmp::Ordering::Less,
        (false, true) => std::cmp::Ordering::Greater,
        (false, false) => a.total_cmp(b),
    });
    let last = values.len() - 1;
    let rank = q * last as f64;
    let lower = (rank.floor().max(0.0) as usize).min(last);
    let upper = (lower + 1).min(last);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}

/// Returns true for numbers that differ by less than a part of their sum, as errors of floats do;
/// and for two NaNs.
pub fn almost_equal(a: f64, b: f64, part: f64) -> bool {
    if a == b || (a.is_nan() && b.is_nan()) {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        difference < part * f64::MIN_POSITIVE
    } else {
        difference / sum.min(f64::MAX) < part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_survives_a_sum_that_does_not_fit() {
        let mut mean = Mean::default();
        [f64::MAX, f64::MAX, f64::MAX].into_iter().for_each(|value| mean.add(value));
        assert!((mean.value() / f64::MAX - 1.0).abs() < 1e-12);
        let mut mean = Mean::default();
        [1.0, 2.0, 6.0].into_iter().for_each(|value| mean.add(value));
        assert_eq!(mean.value(), 3.0);
        assert!(Mean::default().value().is_nan());
    }

    #[test]
    fn a_variance_of_what_is_infinite_is_no_number() {
        let mut variance = Variance::default();
        [1.0, 3.0].into_iter().for_each(|value| variance.add(value));
        assert_eq!(variance.value(), 1.0);
        let mut variance = Variance::default();
        [f64::INFINITY, 3.0].into_iter().for_each(|value| variance.add(value));
        assert!(variance.value().is_nan());
    }

    #[test]
    fn quantiles_are_interpolated_and_bounded() {
        let mut values = [3.0, 1.0, 2.0];
        assert_eq!(quantile(0.5, &mut values), 2.0);
        assert_eq!(quantile(0.25, &mut values), 1.5);
        assert_eq!(quantile(1.0, &mut values), 3.0);
        assert_eq!(quantile(-0.1, &mut values), f64::NEG_INFINITY);
        assert_eq!(quantile(1.1, &mut values), f64::INFINITY);
        assert!(quantile(0.5, &mut []).is_nan());
        assert!(quantile(0.0, &mut [1.0, f64::NAN]).is_nan());
    }

    #[test]
    fn errors_of_floats_are_no_difference() {
        assert!(almost_equal(0.1 + 0.2, 0.3, 1e-12));
        assert!(!almost_equal(1.0, 1.0 + 1e-9, 1e-12));
        assert!(!almost_equal(0.0, 1e-300, 1e-12));
        assert!(!almost_equal(f64::MAX, f64::INFINITY, 1e-12));
        assert!(almost_equal(f64::NAN, f64::NAN, 1e-12));
        assert!(!almost_equal(f64::NAN, 1.0, 1e-12));
    }
}
