//! What is made of the values of a window, piece by piece.
//!
//! Lines are folded into pieces that windows are put together of: a piece never lies across the edge
//! of one. So what is held is bounded by the moments that are asked for and not by the lines. Only the
//! functions of [`of_all`] need every value, and only those of [`needs_order`] the order of the lines.
//!
//! Source: Loki, "Range vector aggregation"; `rate_counter` extrapolates as Prometheus's `rate`.

use super::ast::RangeOp;
use crate::query::sums::quantile;
use crate::record::sum::Sum;

/// A value and its time in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// The time.
    pub at_ns: i64,
    /// The value.
    pub value: f64,
}

/// What is known of the values of a piece.
#[derive(Clone, Copy, Debug)]
pub enum Fold {
    /// Of a sum.
    Sum {
        /// How many values there are.
        count: f64,
        /// Their sum, the same to the last digit that is shown in whatever order they came.
        sum: Sum,
    },
    /// The one value that is looked for.
    Value(f64),
    /// Of a variance (Welford; Chan, Golub and LeVeque for two pieces).
    Spread {
        /// How many values there are.
        count: f64,
        /// Their mean.
        mean: f64,
        /// The sum of the squared distances to it.
        squares: f64,
    },
}

/// Returns true when a function needs every value of a window.
pub fn needs_all(op: RangeOp) -> bool {
    matches!(op, RangeOp::Quantile | RangeOp::RateCounter)
}

/// Returns true when a function asks which value came first.
pub fn needs_order(op: RangeOp) -> bool {
    matches!(op, RangeOp::First | RangeOp::Last | RangeOp::RateCounter)
}

/// Returns what a function makes of all values of a window, in the order of their times.
pub fn of_all(op: RangeOp, parameter: f64, samples: &[Sample], window: Window) -> f64 {
    if op == RangeOp::Quantile {
        let mut values: Vec<f64> = samples.iter().map(|sample| sample.value).collect();
        quantile(parameter, &mut values)
    } else {
        extrapolated_rate(samples, window)
    }
}

impl Fold {
    /// Begins with one value.
    pub fn of(op: RangeOp, value: f64) -> Self {
        match op {
            RangeOp::Min | RangeOp::Max | RangeOp::First | RangeOp::Last | RangeOp::Absent => {
                Fold::Value(value)
            }
            // What is no finite number has no distance to itself either.
            RangeOp::Stddev | RangeOp::Stdvar => Fold::Spread {
                count: 1.0,
                mean: value,
                squares: if value.is_finite() { 0.0 } else { f64::NAN },
            },
            RangeOp::Quantile
            | RangeOp::RateCounter
            | RangeOp::Count
            | RangeOp::Rate
            | RangeOp::Bytes
            | RangeOp::BytesRate
            | RangeOp::Avg
            | RangeOp::Sum => Fold::Sum { count: 1.0, sum: Sum::of(value) },
        }
    }

    /// Adds a later value.
    pub fn add(&mut self, op: RangeOp, value: f64) {
        self.append(op, Fold::of(op, value));
    }

    /// Adds a later piece.
    pub fn append(&mut self, op: RangeOp, later: Fold) {
        match (self, later) {
            (Fold::Sum { count, sum }, Fold::Sum { count: more, sum: added }) => {
                *count += more;
                sum.merge(added);
            }
            (Fold::Value(kept), Fold::Value(value)) => *kept = of_two(op, *kept, value),
            (
                Fold::Spread { count, mean, squares },
                Fold::Spread { count: more, mean: other, squares: added },
            ) => {
                let (all, distance) = (*count + more, other - *mean);
                *squares += added + distance * distance * *count * more / all;
                *mean += distance * more / all;
                *count = all;
            }
            _ => unreachable!("pieces of one function are of one kind"),
        }
    }

    /// Returns the value of a window of this length.
    pub fn value(&self, op: RangeOp, range_ns: i64) -> f64 {
        let range_s = range_ns as f64 / 1e9;
        match self {
            Fold::Sum { count, .. } if op == RangeOp::Count => *count,
            Fold::Sum { sum, .. } if matches!(op, RangeOp::Rate | RangeOp::BytesRate) => {
                sum.value() / range_s
            }
            Fold::Sum { count, sum } if op == RangeOp::Avg => sum.value() / count,
            Fold::Sum { sum, .. } => sum.value(),
            Fold::Value(_) if op == RangeOp::Absent => 1.0,
            Fold::Value(value) => *value,
            Fold::Spread { count, squares, .. } if op == RangeOp::Stddev => (squares / count).sqrt(),
            Fold::Spread { count, squares, .. } => squares / count,
        }
    }
}

/// The earlier and the later of two values, as one.
fn of_two(op: RangeOp, earlier: f64, later: f64) -> f64 {
    match op {
        RangeOp::Min if later < earlier || earlier.is_nan() => later,
        RangeOp::Max if later > earlier || earlier.is_nan() => later,
        RangeOp::Last => later,
        _ => earlier,
    }
}

/// A range that ends at a moment, which belongs to it; its beginning does not.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// The moment, in nanoseconds since 1970.
    pub end_ns: i64,
    /// The length.
    pub range_ns: i64,
}

/// Returns how fast a counter rose on average each second, as if it had been read at both ends of
/// the window (Prometheus's `rate`, over the window and not from reading to reading).
fn extrapolated_rate(samples: &[Sample], window: Window) -> f64 {
    let [first, .., last] = samples else { return 0.0 };
    let seconds = |ns: i64| ns as f64 / 1e9;
    let resets = samples.windows(2).filter(|pair| pair[1].value < pair[0].value);
    let risen = last.value - first.value + resets.map(|pair| pair[0].value).sum::<f64>();
    let sampled = seconds(last.at_ns - first.at_ns);
    let average = sampled / (samples.len() - 1) as f64;
    // Beyond this another reading would have been expected: then half a distance is added.
    let threshold = average * 1.1;
    let bounded = |to_edge: f64| if to_edge >= threshold { average / 2.0 } else { to_edge };
    let mut to_start = bounded(seconds(first.at_ns - (window.end_ns - window.range_ns)));
    if risen > 0.0 && first.value >= 0.0 {
        // A counter was never below zero.
        to_start = to_start.min(sampled * (first.value / risen));
    }
    let to_end = bounded(seconds(window.end_ns - last.at_ns));
    risen * ((sampled + to_start + to_end) / sampled) / seconds(window.range_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn folded(op: RangeOp, values: &[f64]) -> f64 {
        let fold = |values: &[f64]| {
            let mut fold = Fold::of(op, values[0]);
            values[1..].iter().for_each(|value| fold.add(op, *value));
            fold
        };
        let whole = fold(values).value(op, 10 * SECOND);
        for cut in 1..values.len() {
            let (mut first, second) = (fold(&values[..cut]), fold(&values[cut..]));
            first.append(op, second);
            let parts = first.value(op, 10 * SECOND);
            assert!(parts == whole || (parts - whole).abs() < 1e-9 || parts.is_nan() && whole.is_nan());
        }
        whole
    }

    fn all(op: RangeOp, parameter: f64, values: &[f64]) -> f64 {
        let at = |(at, value): (i64, &f64)| Sample { at_ns: at * SECOND, value: *value };
        let samples: Vec<Sample> = (1..).zip(values).map(at).collect();
        of_all(op, parameter, &samples, Window { end_ns: 10 * SECOND, range_ns: 10 * SECOND })
    }

    #[test]
    fn a_window_is_the_same_in_one_piece_or_two() {
        for (op, expect) in [
            (RangeOp::Count, 4.0),
            (RangeOp::Rate, 1.0),
            (RangeOp::Sum, 10.0),
            (RangeOp::Bytes, 10.0),
            (RangeOp::BytesRate, 1.0),
            (RangeOp::Avg, 2.5),
            (RangeOp::Min, 1.0),
            (RangeOp::Max, 4.0),
            (RangeOp::First, 1.0),
            (RangeOp::Last, 3.0),
            (RangeOp::Absent, 1.0),
            (RangeOp::Stdvar, 1.25),
            (RangeOp::Stddev, 1.25_f64.sqrt()),
        ] {
            assert!((folded(op, &[1.0, 4.0, 2.0, 3.0]) - expect).abs() < 1e-12, "{op:?}");
        }
    }

    #[test]
    fn what_is_no_number_is_passed_over_where_another_is_looked_for() {
        assert_eq!(folded(RangeOp::Min, &[f64::NAN, 2.0]), 2.0);
        assert_eq!(folded(RangeOp::Max, &[2.0, f64::NAN]), 2.0);
        assert!(folded(RangeOp::Sum, &[2.0, f64::NAN]).is_nan());
    }

    #[test]
    fn a_quantile_lies_between_two_values() {
        assert_eq!(all(RangeOp::Quantile, 0.5, &[1.0, 4.0, 2.0, 3.0]), 2.5);
        assert_eq!(all(RangeOp::Quantile, 2.0, &[1.0]), f64::INFINITY);
    }

    #[test]
    fn a_counter_may_begin_again() {
        // Read at 1 to 4 s of a window of 10: the ends are too far to be taken for more of the same.
        let value = all(RangeOp::RateCounter, 0.0, &[10.0, 20.0, 5.0, 15.0]);
        assert!((value - 25.0 * (3.0 + 0.5 + 1.0) / 3.0 / 10.0).abs() < 1e-12, "{value}");
        assert_eq!(all(RangeOp::RateCounter, 0.0, &[1.0]), 0.0);
    }
}
