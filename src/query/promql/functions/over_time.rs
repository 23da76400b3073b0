//! Functions of a range vector: `rate` to `quantile_over_time`, each of one window at a time.
//!
//! They allocate nothing, but for those that need the values sorted (`quantile_over_time`,
//! `mad_over_time`). `absent_over_time` is not here: it speaks of windows without samples.

mod rates;
mod spread;
mod summary;
mod trend;

use crate::record::Sample;

pub use trend::smoothing_error;

/// The samples of one series in a range that is open to the left.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    /// In the order of time, at least one, no staleness marker among them.
    pub samples: &'a [Sample],
    /// Every sample is later, in milliseconds since 1970.
    pub start_ms: i64,
    /// No sample is later.
    pub end_ms: i64,
    /// The moment that is evaluated: the end, unless an `offset` moved the window.
    pub at_ms: i64,
}

/// Computes the value of a window, none when it has too few samples; the numbers are the scalar
/// arguments of the call in their order.
pub type OverTime = fn(&Window<'_>, &[f64]) -> Option<f64>;

/// Returns the function of a name that takes a range vector.
pub fn over_time(name: &str) -> Option<OverTime> {
    Some(match name {
        "rate" => rates::rate,
        "increase" => rates::increase,
        "delta" => rates::delta,
        "irate" => rates::irate,
        "idelta" => rates::idelta,
        "deriv" => trend::deriv,
        "predict_linear" => trend::predict_linear,
        "double_exponential_smoothing" => trend::double_exponential_smoothing,
        "changes" => summary::changes,
        "resets" => summary::resets,
        "avg_over_time" => summary::avg,
        "min_over_time" => summary::min,
        "max_over_time" => summary::max,
        "sum_over_time" => summary::sum,
        "count_over_time" => summary::count,
        "first_over_time" => summary::first,
        "last_over_time" => summary::last,
        "present_over_time" => summary::present,
        "ts_of_min_over_time" => summary::ts_of_min,
        "ts_of_max_over_time" => summary::ts_of_max,
        "ts_of_first_over_time" => summary::ts_of_first,
        "ts_of_last_over_time" => summary::ts_of_last,
        "stddev_over_time" => spread::stddev,
        "stdvar_over_time" => spread::stdvar,
        "mad_over_time" => spread::mad,
        "quantile_over_time" => spread::quantile_of,
        _ => return None,
    })
}

fn seconds_between(from_ms: i64, to_ms: i64) -> f64 {
    to_ms.saturating_sub(from_ms) as f64 / 1e3
}

#[cfg(test)]
mod tests;
