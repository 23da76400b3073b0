//! One number for many: sums and means, extremes, the first and the last, and when these were.

use super::Window;
use crate::query::sums::Mean;
use crate::record::Sample;
use crate::record::sum::Sum;

pub(super) fn sum(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    let mut sum = Sum::default();
    values(window).for_each(|value| sum.add(value));
    Some(sum.value())
}

pub(super) fn avg(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    let mut mean = Mean::default();
    values(window).for_each(|value| mean.add(value));
    Some(mean.value())
}

pub(super) fn count(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    Some(window.samples.len() as f64)
}

pub(super) fn present(_: &Window<'_>, _: &[f64]) -> Option<f64> {
    Some(1.0)
}

pub(super) fn first(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    Some(window.samples.first()?.value)
}

pub(super) fn last(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    Some(window.samples.last()?.value)
}

pub(super) fn ts_of_first(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    window.samples.first().map(seconds)
}

pub(super) fn ts_of_last(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    window.samples.last().map(seconds)
}

pub(super) fn min(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    Some(extreme(window, |value, least| value < least)?.value)
}

pub(super) fn max(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    Some(extreme(window, |value, greatest| value > greatest)?.value)
}

/// Of equal ones the last, and so for the greatest.
pub(super) fn ts_of_min(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    extreme(window, |value, least| value <= least).map(seconds)
}

pub(super) fn ts_of_max(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    extreme(window, |value, greatest| value >= greatest).map(seconds)
}

/// Anything is more extreme than a NaN; of NaNs alone the last counts.
fn extreme<'a>(window: &Window<'a>, is_beyond: impl Fn(f64, f64) -> bool) -> Option<&'a Sample> {
    window.samples.iter().reduce(|kept, sample| {
        let is_next = is_beyond(sample.value, kept.value) || kept.value.is_nan();
        if is_next { sample } else { kept }
    })
}

/// From one NaN to another nothing changed.
pub(super) fn changes(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    let is_change = |before: f64, value: f64| value != before && !(value.is_nan() && before.is_nan());
    Some(count_pairs(window, is_change))
}

pub(super) fn resets(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    Some(count_pairs(window, |before, value| value < before))
}

fn count_pairs(window: &Window<'_>, counts: impl Fn(f64, f64) -> bool) -> f64 {
    window.samples.windows(2).filter(|pair| counts(pair[0].value, pair[1].value)).count() as f64
}

fn values(window: &Window<'_>) -> impl Iterator<Item = f64> {
    window.samples.iter().map(|sample| sample.value)
}

fn seconds(sample: &Sample) -> f64 {
    sample.at.0 as f64 / 1e3
}
