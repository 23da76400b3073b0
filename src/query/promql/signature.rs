//! The functions of PromQL: names, argument types, types of answers.
//!
//! All of Prometheus 3's, the experimental ones included and always on; but for `info`, which
//! the parser refuses by name. Source: Prometheus, "Query functions".

use super::ast::Type;
use Type::{Matrix, Scalar, String, Vector};

/// What can be called, and how.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// The name, as it is written.
    pub name: &'static str,
    /// The types of the arguments; any further ones have the type of the last.
    pub args: &'static [Type],
    /// Fewest arguments.
    pub args_min: usize,
    /// Most arguments; none when there may be any number.
    pub args_max: Option<usize>,
    /// The type of the answer.
    pub returns: Type,
}

impl Function {
    /// Returns the function of a name.
    pub fn named(name: &str) -> Option<&'static Function> {
        let found = FUNCTIONS.binary_search_by(|function| function.name.cmp(name)).ok()?;
        Some(&FUNCTIONS[found])
    }

    /// Returns the type of the argument at a place.
    pub fn arg(&self, idx: usize) -> Option<Type> {
        self.args.get(idx).or(self.args.last()).copied()
    }
}

const fn f(
    name: &'static str,
    args: &'static [Type],
    args_min: usize,
    args_max: Option<usize>,
    returns: Type,
) -> Function {
    Function { name, args, args_min, args_max, returns }
}

/// Every function, by the order of its name.
#[rustfmt::skip]
pub static FUNCTIONS: &[Function] = &[
    f("abs", &[Vector], 1, Some(1), Vector),
    f("absent", &[Vector], 1, Some(1), Vector),
    f("absent_over_time", &[Matrix], 1, Some(1), Vector),
    f("acos", &[Vector], 1, Some(1), Vector),
    f("acosh", &[Vector], 1, Some(1), Vector),
    f("asin", &[Vector], 1, Some(1), Vector),
    f("asinh", &[Vector], 1, Some(1), Vector),
    f("atan", &[Vector], 1, Some(1), Vector),
    f("atanh", &[Vector], 1, Some(1), Vector),
    f("avg_over_time", &[Matrix], 1, Some(1), Vector),
    f("ceil", &[Vector], 1, Some(1), Vector),
    f("changes", &[Matrix], 1, Some(1), Vector),
    f("clamp", &[Vector, Scalar, Scalar], 3, Some(3), Vector),
    f("clamp_max", &[Vector, Scalar], 2, Some(2), Vector),
    f("clamp_min", &[Vector, Scalar], 2, Some(2), Vector),
    f("cos", &[Vector], 1, Some(1), Vector),
    f("cosh", &[Vector], 1, Some(1), Vector),
    f("count_over_time", &[Matrix], 1, Some(1), Vector),
    f("day_of_month", &[Vector], 0, Some(1), Vector),
    f("day_of_week", &[Vector], 0, Some(1), Vector),
    f("day_of_year", &[Vector], 0, Some(1), Vector),
    f("days_in_month", &[Vector], 0, Some(1), Vector),
    f("deg", &[Vector], 1, Some(1), Vector),
    f("delta", &[Matrix], 1, Some(1), Vector),
    f("deriv", &[Matrix], 1, Some(1), Vector),
    f("double_exponential_smoothing", &[Matrix, Scalar, Scalar], 3, Some(3), Vector),
    f("end", &[], 0, Some(0), Scalar),
    f("exp", &[Vector], 1, Some(1), Vector),
    f("first_over_time", &[Matrix], 1, Some(1), Vector),
    f("floor", &[Vector], 1, Some(1), Vector),
    f("histogram_avg", &[Vector], 1, Some(1), Vector),
    f("histogram_count", &[Vector], 1, Some(1), Vector),
    f("histogram_fraction", &[Scalar, Scalar, Vector], 3, Some(3), Vector),
    f("histogram_quantile", &[Scalar, Vector], 2, Some(2), Vector),
    f("histogram_quantiles", &[Vector, String, Scalar, Scalar], 3, Some(12), Vector),
    f("histogram_stddev", &[Vector], 1, Some(1), Vector),
    f("histogram_stdvar", &[Vector], 1, Some(1), Vector),
    f("histogram_sum", &[Vector], 1, Some(1), Vector),
    f("hour", &[Vector], 0, Some(1), Vector),
    f("idelta", &[Matrix], 1, Some(1), Vector),
    f("increase", &[Matrix], 1, Some(1), Vector),
    f("irate", &[Matrix], 1, Some(1), Vector),
    f("label_join", &[Vector, String, String, String], 3, None, Vector),
    f("label_replace", &[Vector, String, String, String, String], 5, Some(5), Vector),
    f("last_over_time", &[Matrix], 1, Some(1), Vector),
    f("ln", &[Vector], 1, Some(1), Vector),
    f("log10", &[Vector], 1, Some(1), Vector),
    f("log2", &[Vector], 1, Some(1), Vector),
    f("mad_over_time", &[Matrix], 1, Some(1), Vector),
    f("max_of", &[Scalar, Scalar], 2, Some(2), Scalar),
    f("max_over_time", &[Matrix], 1, Some(1), Vector),
    f("min_of", &[Scalar, Scalar], 2, Some(2), Scalar),
    f("min_over_time", &[Matrix], 1, Some(1), Vector),
    f("minute", &[Vector], 0, Some(1), Vector),
    f("month", &[Vector], 0, Some(1), Vector),
    f("pi", &[], 0, Some(0), Scalar),
    f("predict_linear", &[Matrix, Scalar], 2, Some(2), Vector),
    f("present_over_time", &[Matrix], 1, Some(1), Vector),
    f("quantile_over_time", &[Scalar, Matrix], 2, Some(2), Vector),
    f("rad", &[Vector], 1, Some(1), Vector),
    f("range", &[], 0, Some(0), Scalar),
    f("rate", &[Matrix], 1, Some(1), Vector),
    f("resets", &[Matrix], 1, Some(1), Vector),
    f("round", &[Vector, Scalar], 1, Some(2), Vector),
    f("scalar", &[Vector], 1, Some(1), Scalar),
    f("sgn", &[Vector], 1, Some(1), Vector),
    f("sin", &[Vector], 1, Some(1), Vector),
    f("sinh", &[Vector], 1, Some(1), Vector),
    f("sort", &[Vector], 1, Some(1), Vector),
    f("sort_by_label", &[Vector, String], 1, None, Vector),
    f("sort_by_label_desc", &[Vector, String], 1, None, Vector),
    f("sort_desc", &[Vector], 1, Some(1), Vector),
    f("sqrt", &[Vector], 1, Some(1), Vector),
    f("start", &[], 0, Some(0), Scalar),
    f("start_timestamp", &[Vector], 1, Some(1), Vector),
    f("stddev_over_time", &[Matrix], 1, Some(1), Vector),
    f("stdvar_over_time", &[Matrix], 1, Some(1), Vector),
    f("step", &[], 0, Some(0), Scalar),
    f("sum_over_time", &[Matrix], 1, Some(1), Vector),
    f("tan", &[Vector], 1, Some(1), Vector),
    f("tanh", &[Vector], 1, Some(1), Vector),
    f("time", &[], 0, Some(0), Scalar),
    f("timestamp", &[Vector], 1, Some(1), Vector),
    f("ts_of_first_over_time", &[Matrix], 1, Some(1), Vector),
    f("ts_of_last_over_time", &[Matrix], 1, Some(1), Vector),
    f("ts_of_max_over_time", &[Matrix], 1, Some(1), Vector),
    f("ts_of_min_over_time", &[Matrix], 1, Some(1), Vector),
    f("vector", &[Scalar], 1, Some(1), Vector),
    f("year", &[Vector], 0, Some(1), Vector),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_found() {
        assert!(FUNCTIONS.is_sorted_by_key(|function| function.name));
        assert_eq!(Function::named("rate").unwrap().returns, Vector);
        assert_eq!(Function::named("rates"), None);
        assert_eq!(Function::named("label_join").unwrap().arg(7), Some(String));
    }
}
