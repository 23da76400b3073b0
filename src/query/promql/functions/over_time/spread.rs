//! How far values lie apart, and quantiles of them.

use super::Window;
use crate::query::sums::quantile;
use crate::record::sum::Sum;

pub(super) fn stddev(window: &Window<'_>, args: &[f64]) -> Option<f64> {
    stdvar(window, args).map(f64::sqrt)
}

/// The variance of a population by Welford's algorithm with corrected sums, which the
/// aggregation of the same name does without.
pub(super) fn stdvar(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    let mut count = 0.0;
    let [mut mean, mut squares] = [Sum::default(); 2];
    for value in window.samples.iter().map(|sample| sample.value) {
        count += 1.0;
        let delta = value - mean.value();
        mean.add(delta / count);
        squares.add(delta * (value - mean.value()));
    }
    Some(squares.value() / count)
}

/// The median of the distances from the median; a NaN among the values makes it one.
pub(super) fn mad(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    let mut values = values(window);
    if values.iter().any(|value| value.is_nan()) {
        return Some(f64::NAN);
    }
    let median = quantile(0.5, &mut values);
    values.iter_mut().for_each(|value| *value = (*value - median).abs());
    Some(quantile(0.5, &mut values))
}

/// The argument is the quantile, from 0 to 1.
pub(super) fn quantile_of(window: &Window<'_>, args: &[f64]) -> Option<f64> {
    Some(quantile(*args.first()?, &mut values(window)))
}

fn values(window: &Window<'_>) -> Vec<f64> {
    window.samples.iter().map(|sample| sample.value).collect()
}
