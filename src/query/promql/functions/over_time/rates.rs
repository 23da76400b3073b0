//! How fast something grew: over the whole window, or between its last two samples.

use super::{Window, seconds_between};
use crate::clock::UnixMillis;
use crate::query::counter::Seen;

pub(super) fn rate(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    let seen = Seen::of(window.samples)?;
    let (start, end) = bounds(window);
    // The quotient first, as Prometheus does: the last digits are then the same.
    Some(seen.increase * (seen.stretch(start, end)? / seconds_between(start.0, end.0)))
}

pub(super) fn increase(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    let seen = Seen::of(window.samples)?;
    let (start, end) = bounds(window);
    Some(seen.increase * seen.stretch(start, end)?)
}

pub(super) fn delta(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    let seen = Seen::of_gauge(window.samples)?;
    let (start, end) = bounds(window);
    Some(seen.increase * seen.stretch_of_gauge(start, end)?)
}

/// After a reset the counter began at zero.
pub(super) fn irate(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    let [.., before, last] = window.samples else { return None };
    let seconds = seconds_between(before.at.0, last.at.0);
    let is_reset = last.value < before.value;
    let counted = if is_reset { last.value } else { last.value - before.value };
    (seconds != 0.0).then_some(counted / seconds)
}

pub(super) fn idelta(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    let [.., before, last] = window.samples else { return None };
    (before.at != last.at).then_some(last.value - before.value)
}

fn bounds(window: &Window<'_>) -> (UnixMillis, UnixMillis) {
    (UnixMillis(window.start_ms), UnixMillis(window.end_ms))
}
