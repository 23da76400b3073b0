//! What the words of PromQL mean, in a sentence each, for whoever writes a query.

use super::lang::{Lang, text};

/// The functions, by the order of the name.
#[rustfmt::skip]
const FUNCTIONS: &[(&str, &str)] = &[
    ("abs", text!("The value without its sign.")),
    ("absent", text!("1 where no series is selected, else nothing: for alerts on what has vanished.")),
    ("absent_over_time", text!("1 where no series has a sample in the range, else nothing.")),
    ("acos", text!("The arc cosine, in radians.")),
    ("acosh", text!("The inverse hyperbolic cosine.")),
    ("asin", text!("The arc sine, in radians.")),
    ("asinh", text!("The inverse hyperbolic sine.")),
    ("atan", text!("The arc tangent, in radians.")),
    ("atanh", text!("The inverse hyperbolic tangent.")),
    ("avg_over_time", text!("The mean of the samples in the range.")),
    ("ceil", text!("The next whole number above.")),
    ("changes", text!("How often the value changed in the range.")),
    ("clamp", text!("The value, but no less than the first bound and no more than the second.")),
    ("clamp_max", text!("The value, but no more than the bound.")),
    ("clamp_min", text!("The value, but no less than the bound.")),
    ("cos", text!("The cosine of radians.")),
    ("cosh", text!("The hyperbolic cosine.")),
    ("count_over_time", text!("How many samples are in the range.")),
    ("day_of_month", text!("The day of the month in UTC, from 1.")),
    ("day_of_week", text!("The day of the week in UTC, 0 on Sunday.")),
    ("day_of_year", text!("The day of the year in UTC, from 1.")),
    ("days_in_month", text!("How many days the month has.")),
    ("deg", text!("Radians as degrees.")),
    ("delta", text!("How much a gauge changed over the range.")),
    ("deriv", text!("How fast a gauge changes, per second, by a straight line through its samples.")),
    ("double_exponential_smoothing", text!("The samples smoothed, by a factor for the level and one for the trend.")),
    ("end", text!("The last moment of the query, in seconds since 1970.")),
    ("exp", text!("e to the power of the value.")),
    ("first_over_time", text!("The first sample in the range.")),
    ("floor", text!("The next whole number below.")),
    ("histogram_fraction", text!("The share of observations between two bounds.")),
    ("histogram_quantile", text!("The quantile (0.95: 95 of 100 are below) of a histogram's buckets; keep the label le.")),
    ("histogram_quantiles", text!("Several quantiles at once, told apart by a label.")),
    ("hour", text!("The hour of the day in UTC.")),
    ("idelta", text!("The difference of the last two samples of a gauge.")),
    ("increase", text!("How much a counter rose over the range; restarts are taken into account.")),
    ("irate", text!("How fast a counter rises, per second, by its last two samples: for what changes quickly.")),
    ("label_join", text!("A label that joins the values of others.")),
    ("label_replace", text!("A label made from another by a regular expression.")),
    ("last_over_time", text!("The last sample in the range, however old.")),
    ("ln", text!("The natural logarithm.")),
    ("log10", text!("The decimal logarithm.")),
    ("log2", text!("The binary logarithm.")),
    ("mad_over_time", text!("The median distance of the samples from their median.")),
    ("max_of", text!("The greater of two numbers.")),
    ("max_over_time", text!("The greatest sample in the range.")),
    ("min_of", text!("The smaller of two numbers.")),
    ("min_over_time", text!("The smallest sample in the range.")),
    ("minute", text!("The minute of the hour in UTC.")),
    ("month", text!("The month in UTC, from 1.")),
    ("pi", text!("The number pi.")),
    ("predict_linear", text!("What a gauge will be so many seconds from now, by a straight line through its samples.")),
    ("present_over_time", text!("1 for every series that has a sample in the range.")),
    ("quantile_over_time", text!("The quantile of the samples in the range.")),
    ("rad", text!("Degrees as radians.")),
    ("range", text!("The length of the query's range in seconds.")),
    ("rate", text!("How fast a counter rises, per second, over the range; restarts are taken into account.")),
    ("resets", text!("How often a counter began anew in the range.")),
    ("round", text!("The nearest whole number, or multiple of the second argument.")),
    ("scalar", text!("The value of the only series as a number.")),
    ("sgn", text!("The sign: 1, 0 or -1.")),
    ("sin", text!("The sine of radians.")),
    ("sinh", text!("The hyperbolic sine.")),
    ("sort", text!("The series by their values, the smallest first; for one moment.")),
    ("sort_by_label", text!("The series by the values of labels; for one moment.")),
    ("sort_by_label_desc", text!("The same, the last first.")),
    ("sort_desc", text!("The series by their values, the greatest first; for one moment.")),
    ("sqrt", text!("The square root.")),
    ("start", text!("The first moment of the query, in seconds since 1970.")),
    ("start_timestamp", text!("When a counter began to count, where that is known.")),
    ("stddev_over_time", text!("The standard deviation of the samples in the range.")),
    ("stdvar_over_time", text!("The variance of the samples in the range.")),
    ("step", text!("The distance of two moments of the query in seconds.")),
    ("sum_over_time", text!("The sum of the samples in the range.")),
    ("tan", text!("The tangent of radians.")),
    ("tanh", text!("The hyperbolic tangent.")),
    ("time", text!("The moment of evaluation, in seconds since 1970.")),
    ("timestamp", text!("When each sample was taken, in seconds since 1970.")),
    ("ts_of_first_over_time", text!("When the first sample in the range was taken.")),
    ("ts_of_last_over_time", text!("When the last sample in the range was taken.")),
    ("ts_of_max_over_time", text!("When the greatest sample in the range was taken.")),
    ("ts_of_min_over_time", text!("When the smallest sample in the range was taken.")),
    ("vector", text!("A number as a series without labels.")),
    ("year", text!("The year in UTC.")),
];

/// The aggregations, by the order of the name.
#[rustfmt::skip]
const AGGREGATIONS: &[(&str, &str)] = &[
    ("avg", text!("The mean over the series.")),
    ("bottomk", text!("The k series with the smallest values.")),
    ("count", text!("How many series there are.")),
    ("count_values", text!("How many series have each value, which becomes a label.")),
    ("group", text!("1 for each group.")),
    ("limit_ratio", text!("About this share of the series, always the same ones.")),
    ("limitk", text!("Any k series.")),
    ("max", text!("The greatest value over the series.")),
    ("min", text!("The smallest value over the series.")),
    ("quantile", text!("The quantile over the series.")),
    ("stddev", text!("The standard deviation over the series.")),
    ("stdvar", text!("The variance over the series.")),
    ("sum", text!("The sum over the series.")),
    ("topk", text!("The k series with the greatest values.")),
];

/// Operators and other words, by their order.
#[rustfmt::skip]
const WORDS: &[(&str, &str)] = &[
    ("!=", text!("The label has another value.")),
    ("!~", text!("The label does not match a regular expression.")),
    ("=", text!("The label has this value.")),
    ("=~", text!("The label matches a regular expression, from its beginning to its end.")),
    ("and", text!("Series of the left side that have a match on the right.")),
    ("bool", text!("1 or 0 instead of leaving series out.")),
    ("by", text!("One result for each value of these labels.")),
    ("end()", text!("The query's last moment.")),
    ("group_left", text!("Many series on the left meet one on the right.")),
    ("group_right", text!("Many series on the right meet one on the left.")),
    ("ignoring", text!("Series meet by all labels but these.")),
    ("offset", text!("The same, so much earlier.")),
    ("on", text!("Series meet by these labels alone.")),
    ("or", text!("Series of both sides; those of the right without a match on the left.")),
    ("start()", text!("The query's first moment.")),
    ("unless", text!("Series of the left side without a match on the right.")),
    ("without", text!("One result for each value of all labels but these.")),
];

/// Returns what a function, an aggregation or another word of PromQL means.
pub fn promql_help(lang: Lang, word: &str) -> Option<&'static str> {
    let find = |table: &[(&str, &'static str)]| {
        let at = table.binary_search_by_key(&word, |(known, _)| known).ok()?;
        Some(table[at].1)
    };
    [FUNCTIONS, AGGREGATIONS, WORDS].into_iter().find_map(find).map(|help| lang.tr(help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sorted_and_found() {
        for table in [FUNCTIONS, AGGREGATIONS, WORDS] {
            assert!(table.is_sorted_by_key(|(word, _)| *word));
        }
        assert_eq!(promql_help(Lang::Ru, "pi"), Some("Число пи."));
        assert_eq!(promql_help(Lang::En, "by"), Some("One result for each value of these labels."));
        assert_eq!(promql_help(Lang::En, "byte"), None);
    }
}
