//! What the values of a query are measured in, as far as its text tells.
//!
//! Seconds and bytes are known by the names of metrics and followed through the functions:
//! the rate of bytes is bytes a second, a share of processor time is no time, the quantile of
//! a histogram is in the unit of its metric. Where it cannot be told (a factor was written by
//! hand, two units are added) there is none.

use super::ast::{AggregateOp, Binary, BinaryOp, Call, Expr, VectorSelector};

/// Exponents of the units that are followed; both zero for a plain number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dimension {
    /// Of seconds.
    pub seconds: i32,
    /// Of bytes.
    pub bytes: i32,
}

impl Dimension {
    /// A plain number.
    pub const NONE: Dimension = Dimension { seconds: 0, bytes: 0 };
    /// Seconds.
    pub const SECONDS: Dimension = Dimension { seconds: 1, bytes: 0 };
    /// Bytes.
    pub const BYTES: Dimension = Dimension { seconds: 0, bytes: 1 };
    /// Bytes a second.
    pub const BYTES_PER_SECOND: Dimension = Dimension { seconds: -1, bytes: 1 };

    fn times(self, other: Dimension) -> Dimension {
        Dimension { seconds: self.seconds + other.seconds, bytes: self.bytes + other.bytes }
    }

    fn per(self, other: Dimension) -> Dimension {
        Dimension { seconds: self.seconds - other.seconds, bytes: self.bytes - other.bytes }
    }
}

/// Returns what the values of an expression are measured in.
pub fn dimension(expr: &Expr) -> Dimension {
    match expr {
        Expr::Number(_) | Expr::String(_) => Dimension::NONE,
        Expr::Paren(paren) => dimension(&paren.inner),
        Expr::Unary(unary) => dimension(&unary.inner),
        Expr::Subquery(subquery) => dimension(&subquery.inner),
        Expr::Vector(selector) => of_selector(selector),
        Expr::Matrix(matrix) => of_selector(&matrix.selector),
        Expr::Aggregate(aggregate) => match aggregate.op {
            AggregateOp::Count | AggregateOp::CountValues | AggregateOp::Group | AggregateOp::Stdvar => {
                Dimension::NONE
            }
            _ => dimension(&aggregate.inner),
        },
        Expr::Binary(binary) => of_binary(binary),
        Expr::Call(call) => of_call(call),
    }
}

fn of_selector(selector: &VectorSelector) -> Dimension {
    let name = selector.name.as_deref().unwrap_or_default();
    // A moment in seconds since 1970 is no length of time.
    if name.ends_with("_count") || name.ends_with("_bucket") || name.contains("timestamp") {
        return Dimension::NONE;
    }
    let name = ["_total", "_sum"].into_iter().fold(name, |name, end| name.strip_suffix(end).unwrap_or(name));
    match name.rsplit('_').next() {
        Some("seconds") => Dimension::SECONDS,
        Some("bytes") => Dimension::BYTES,
        _ => Dimension::NONE,
    }
}

fn of_binary(binary: &Binary) -> Dimension {
    let (lhs, rhs) = (dimension(&binary.lhs), dimension(&binary.rhs));
    let has_number = [&binary.lhs, &binary.rhs].iter().any(|side| matches!(side.bare(), Expr::Number(_)));
    match binary.op {
        // Whoever writes a factor has another unit in mind.
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Pow if has_number => Dimension::NONE,
        BinaryOp::Mul => lhs.times(rhs),
        BinaryOp::Div => lhs.per(rhs),
        BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mod if lhs == rhs || has_number => {
            if lhs == Dimension::NONE { rhs } else { lhs }
        }
        BinaryOp::And | BinaryOp::Unless => lhs,
        BinaryOp::Or if lhs == rhs => lhs,
        op if op.is_comparison() && !binary.is_bool => lhs,
        _ => Dimension::NONE,
    }
}

/// The functions whose answer is measured in what their argument is.
#[rustfmt::skip]
const KEEPING: &[&str] = &[
    "abs", "avg_over_time", "ceil", "clamp", "clamp_max", "clamp_min", "delta",
    "double_exponential_smoothing", "first_over_time", "floor", "idelta", "increase", "label_join",
    "label_replace", "last_over_time", "mad_over_time", "max_over_time", "min_over_time", "predict_linear",
    "quantile_over_time", "round", "scalar", "sort", "sort_by_label", "sort_by_label_desc", "sort_desc",
    "stddev_over_time", "sum_over_time", "vector",
];

fn of_call(call: &Call) -> Dimension {
    // The vector is the first argument that is no number.
    let inner = || call.args.iter().find(|arg| !matches!(arg.bare(), Expr::Number(_) | Expr::String(_)));
    let of_inner = || inner().map_or(Dimension::NONE, dimension);
    match call.function.name {
        "rate" | "irate" | "deriv" => of_inner().per(Dimension::SECONDS),
        "histogram_quantile" | "histogram_quantiles" => inner().map_or(Dimension::NONE, of_histogram),
        "time" | "timestamp" => Dimension::NONE,
        name if KEEPING.binary_search(&name).is_ok() => of_inner(),
        _ => Dimension::NONE,
    }
}

/// Returns what the bounds of a histogram's buckets are measured in.
fn of_histogram(expr: &Expr) -> Dimension {
    let selector = match expr {
        Expr::Vector(selector) => selector,
        Expr::Matrix(matrix) => &matrix.selector,
        other => {
            return other.children().into_iter().next_back().map_or(Dimension::NONE, of_histogram);
        }
    };
    let name = selector.name.as_deref().and_then(|name| name.strip_suffix("_bucket")).unwrap_or_default();
    of_selector(&VectorSelector { name: Some(name.to_string()), ..selector.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::promql::parse;

    #[test]
    fn functions_are_sorted() {
        assert!(KEEPING.is_sorted());
    }

    #[test]
    fn units_are_followed_through_a_query() {
        let (none, seconds, bytes) = (Dimension::NONE, Dimension::SECONDS, Dimension::BYTES);
        let per_second = Dimension::BYTES_PER_SECOND;
        for (query, expect) in [
            ("up", none),
            ("process_memory_usage_bytes", bytes),
            ("sum by (job) (process_memory_usage_bytes)", bytes),
            ("rate(system_network_io_bytes_total[5m])", per_second),
            ("sum(rate(a_bytes_total[5m])) + sum(rate(b_bytes_total[5m]))", per_second),
            ("increase(a_bytes_total[1h])", bytes),
            ("rate(process_cpu_time_seconds_total[5m])", none),
            ("x_seconds_count", none),
            ("x_seconds_sum", seconds),
            ("rate(x_seconds_sum[5m]) / rate(x_seconds_count[5m])", seconds),
            ("histogram_quantile(0.9, sum by (le) (rate(x_seconds_bucket[5m])))", seconds),
            ("histogram_quantile(0.9, x_bytes_bucket)", bytes),
            ("x_seconds * 1000", none),
            ("x_bytes > 100", bytes),
            ("x_bytes > bool 100", none),
            ("x_bytes or y_seconds", none),
            ("topk(5, x_bytes)", bytes),
            ("count(x_bytes)", none),
            ("count_over_time(x_bytes[5m])", none),
            ("max_over_time(x_bytes[1h:1m])", bytes),
            ("time() - x_timestamp_seconds", none),
            ("last_reload_success_timestamp_seconds", none),
            ("-(x_seconds)", seconds),
            ("x_bytes / y_bytes", none),
            ("1", none),
        ] {
            assert_eq!(dimension(&parse(query).unwrap()), expect, "{query}");
        }
    }
}
