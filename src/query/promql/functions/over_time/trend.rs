//! Where something is going: the line through the samples, and Holt's smoothing.

use super::{Window, seconds_between};
use crate::query::number::fixed;
use crate::record::Sample;
use crate::record::sum::Sum;

pub(super) fn deriv(window: &Window<'_>, _: &[f64]) -> Option<f64> {
    // Times near those of the samples keep more digits than times since 1970.
    Some(Line::through(window.samples, window.samples.first()?.at.0)?.slope)
}

/// The argument is how far ahead, in seconds.
pub(super) fn predict_linear(window: &Window<'_>, args: &[f64]) -> Option<f64> {
    let ahead = *args.first()?;
    let line = Line::through(window.samples, window.at_ms)?;
    Some(line.slope * ahead + line.intercept)
}

struct Line {
    /// Per second.
    slope: f64,
    intercept: f64,
}

impl Line {
    /// Fits a line to two samples or more by least squares; its intercept is its value at a
    /// moment.
    fn through(samples: &[Sample], at_ms: i64) -> Option<Line> {
        let [first, rest @ ..] = samples else { return None };
        if rest.is_empty() {
            return None;
        }
        if rest.iter().all(|sample| sample.value == first.value) {
            let (slope, intercept) =
                if first.value.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first.value) };
            return Some(Line { slope, intercept });
        }
        let [mut x, mut y, mut xy, mut xx] = [Sum::default(); 4];
        for sample in samples {
            let seconds = seconds_between(at_ms, sample.at.0);
            x.add(seconds);
            y.add(sample.value);
            xy.add(seconds * sample.value);
            xx.add(seconds * seconds);
        }
        let [x, y, xy, xx] = [x, y, xy, xx].map(|sum| sum.value());
        let n = samples.len() as f64;
        let slope = (xy - x * y / n) / (xx - x * x / n);
        Some(Line { slope, intercept: y / n - slope * x / n })
    }
}

/// Returns what is wrong with the factors of `double_exponential_smoothing`, in Prometheus's
/// words; a NaN is let through, as it is there.
pub fn smoothing_error(smoothing: f64, trend: f64) -> Option<String> {
    let is_outside = |factor: f64| factor <= 0.0 || factor >= 1.0;
    if is_outside(smoothing) {
        let got = fixed(smoothing, 6);
        return Some(format!("invalid smoothing factor. Expected: 0 < sf < 1, got: {got}"));
    }
    is_outside(trend).then(|| format!("invalid trend factor. Expected: 0 < tf < 1, got: {}", fixed(trend, 6)))
}

/// Holt's linear method. The arguments, both between 0 and 1: how much a sample weighs against
/// those before it, and the same for the trend.
pub(super) fn double_exponential_smoothing(window: &Window<'_>, args: &[f64]) -> Option<f64> {
    let [smoothing, trending] = *args else { return None };
    let [first, second, ..] = window.samples else { return None };
    let mut trend = second.value - first.value;
    let (mut before, mut level) = (0.0, first.value);
    for (idx, sample) in window.samples[1..].iter().enumerate() {
        if idx > 0 {
            trend = trending * (level - before) + (1.0 - trending) * trend;
        }
        let next = smoothing * sample.value + (1.0 - smoothing) * (level + trend);
        (before, level) = (level, next);
    }
    Some(level)
}
