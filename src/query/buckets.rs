//! Classic histograms: quantiles and fractions of observations that were counted in buckets.
//!
//! A bucket counts what was at most its upper bound, what the buckets below it counted included.
//! Inside of a bucket observations are taken to lie evenly. Source: Prometheus 3.14, "Query
//! functions", `histogram_quantile` and `histogram_fraction`.

use super::sums::almost_equal;

/// Differences between neighbours below this part of their sum come from adding floats, and are
/// none: with fewer than 1e12 observations no real one is so small. Prometheus's number.
const SMALL_DELTA: f64 = 1e-12;

/// One bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Its label `le` as a number.
    pub upper_bound: f64,
    /// How many observations were at most the bound.
    pub count: f64,
}

/// A quantile, and what was wrong with the buckets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantile {
    /// The quantile.
    pub value: f64,
    /// What had to be put right, if anything.
    pub forced: Option<Forced>,
}

/// Buckets that counted less than one below them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forced {
    /// The lowest upper bound of those.
    pub min_bucket: f64,
    /// The highest.
    pub max_bucket: f64,
    /// The most that one of them fell short by.
    pub max_diff: f64,
}

/// Returns the quantile of a histogram, whose buckets may come in any order. They are left
/// sorted, those with one bound added up, and the counts never falling.
///
/// NaN without a bucket to infinity, without another or without observations. A quantile in the
/// highest bucket is the bound below it. The lowest bucket begins at 0, unless it ends below:
/// then its own bound is the answer.
pub fn bucket_quantile(q: f64, buckets: &mut Vec<Bucket>) -> Quantile {
    let unforced = |value| Quantile { value, forced: None };
    if q.is_nan() {
        return unforced(f64::NAN);
    }
    if q < 0.0 {
        return unforced(f64::NEG_INFINITY);
    }
    if q > 1.0 {
        return unforced(f64::INFINITY);
    }
    if !sort_up_to_infinity(buckets) {
        return unforced(f64::NAN);
    }
    let forced = force_monotonicity(buckets);
    Quantile { value: interpolated_quantile(q, buckets), forced }
}

fn interpolated_quantile(q: f64, buckets: &[Bucket]) -> f64 {
    let [below_infinity @ .., infinite] = buckets else { return f64::NAN };
    let Some(highest_finite) = below_infinity.last() else { return f64::NAN };
    if infinite.count == 0.0 {
        return f64::NAN;
    }
    let rank = q * infinite.count;
    // Counts do not fall. One that is no number reaches no rank, and no count such a rank.
    let reaches_rank = |bucket: &Bucket| bucket.count >= rank;
    let found = below_infinity.partition_point(|bucket| !reaches_rank(bucket));
    let Some(bucket) = below_infinity.get(found) else {
        return highest_finite.upper_bound;
    };
    let below = found.checked_sub(1).map(|below| below_infinity[below]);
    if below.is_none() && bucket.upper_bound <= 0.0 {
        return bucket.upper_bound;
    }
    let below = below.unwrap_or(Bucket { upper_bound: 0.0, count: 0.0 });
    let fraction = (rank - below.count) / (bucket.count - below.count);
    below.upper_bound + (bucket.upper_bound - below.upper_bound) * fraction
}

/// Returns the fraction of observations between two bounds; the buckets may come in any order.
///
/// NaN without a bucket to infinity, without observations or when a bound is NaN; 0 when the
/// bounds are the wrong way round.
pub fn bucket_fraction(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if !sort_up_to_infinity(buckets) {
        return f64::NAN;
    }
    let count = buckets.last().map_or(0.0, |bucket| bucket.count);
    if count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let rank_up_to = |bound| {
        let rank = rank(bound, buckets).unwrap_or(count);
        if rank > count { count } else { rank }
    };
    (rank_up_to(upper) - rank_up_to(lower)) / count
}

/// Returns how many observations lie below a bound; none when that is all of them.
fn rank(bound: f64, buckets: &[Bucket]) -> Option<f64> {
    // Positive buckets begin at 0, others where numbers do.
    let lowest = if buckets.first()?.upper_bound <= 0.0 { f64::NEG_INFINITY } else { 0.0 };
    let mut below = Bucket { upper_bound: lowest, count: 0.0 };
    for bucket in buckets {
        if below.upper_bound >= bound {
            return Some(below.count);
        }
        if bucket.upper_bound > bound {
            if below.upper_bound == f64::NEG_INFINITY {
                return Some(bucket.count);
            }
            // Nothing of the bucket to infinity: a finite part of its width is 0.
            let width = bucket.upper_bound - below.upper_bound;
            let counted = (bucket.count - below.count) * (bound - below.upper_bound) / width;
            return Some(below.count + counted);
        }
        below = *bucket;
    }
    None
}

/// Sorts buckets and adds up those with the same bound (`le="1"` and `le="1.0"`); returns false
/// when none reaches to infinity.
fn sort_up_to_infinity(buckets: &mut Vec<Bucket>) -> bool {
    buckets.sort_unstable_by(|a, b| a.upper_bound.total_cmp(&b.upper_bound));
    if buckets.last().is_none_or(|last| last.upper_bound != f64::INFINITY) {
        return false;
    }
    buckets.dedup_by(|next, kept| {
        let is_same = next.upper_bound == kept.upper_bound;
        if is_same {
            kept.count += next.count;
        }
        is_same
    });
    true
}

/// Raises counts to those below them: without a word where floats were added, else it is told.
fn force_monotonicity(buckets: &mut [Bucket]) -> Option<Forced> {
    let [first, rest @ ..] = buckets else { return None };
    let mut below = first.count;
    let mut forced: Option<Forced> = None;
    for bucket in rest {
        let is_equal = almost_equal(below, bucket.count, SMALL_DELTA);
        if !is_equal && bucket.count < below {
            let (bound, diff) = (bucket.upper_bound, below - bucket.count);
            let known = forced.unwrap_or(Forced { min_bucket: bound, max_bucket: bound, max_diff: diff });
            // Bounds rise, so the first is the lowest.
            forced = Some(Forced { max_bucket: bound, max_diff: known.max_diff.max(diff), ..known });
        } else if !is_equal {
            below = bucket.count;
        }
        bucket.count = below;
    }
    forced
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(bounds_and_counts: &[(f64, f64)]) -> Vec<Bucket> {
        let bucket = |(upper_bound, count): &(f64, f64)| Bucket { upper_bound: *upper_bound, count: *count };
        bounds_and_counts.iter().map(bucket).collect()
    }

    const INF: f64 = f64::INFINITY;

    /// `testhistogram` of histograms.test after 50 minutes, out of order.
    const POSITIVE: [(f64, f64); 6] =
        [(INF, 120.0), (0.1, 50.0), (0.2, 70.0), (1e0, 110.0), (1e1, 110.0), (1e2, 110.0)];

    /// `testhistogram{end="negative"}` of the same.
    const NEGATIVE: [(f64, f64); 4] = [(-0.25, 10.0), (-0.15, 20.0), (-0.05, 30.0), (INF, 30.0)];

    fn check(q: f64, of: &[(f64, f64)], expect: f64) {
        let got = bucket_quantile(q, &mut buckets(of)).value;
        let is_same = got == expect || (got.is_nan() && expect.is_nan());
        assert!(is_same || (got - expect).abs() < 1e-9, "{q}: {got}, not {expect}");
    }

    #[test]
    fn quantiles_are_interpolated_within_a_bucket() {
        check(0.0, &POSITIVE, 0.0);
        check(0.25, &POSITIVE, 0.06);
        check(0.5, &POSITIVE, 0.15);
        check(0.75, &POSITIVE, 0.6);
        // In the highest bucket.
        check(1.0, &POSITIVE, 100.0);
        check(0.0, &NEGATIVE, -0.25);
        check(0.5, &NEGATIVE, -0.2);
        check(1.0, &NEGATIVE, -0.05);
    }

    #[test]
    fn what_has_no_quantile_says_so() {
        check(-0.1, &POSITIVE, f64::NEG_INFINITY);
        check(1.01, &POSITIVE, INF);
        check(f64::NAN, &POSITIVE, f64::NAN);
        check(0.5, &[], f64::NAN);
        check(0.5, &[(INF, 3.0)], f64::NAN);
        check(0.5, &[(0.1, 1.0), (0.2, 3.0)], f64::NAN);
        check(0.5, &[(0.1, 0.0), (INF, 0.0)], f64::NAN);
    }

    #[test]
    fn counts_that_are_no_numbers_reach_no_rank() {
        check(0.5, &[(0.1, 1.0), (0.2, 2.0), (INF, f64::NAN)], 0.2);
    }

    #[test]
    fn buckets_of_one_bound_are_added_up() {
        // histograms.test: "mixed" has le="1" and le="1.0".
        let mixed = [(0.1, 50.0), (0.2, 70.0), (1.0, 70.0), (1.0, 40.0), (INF, 120.0)];
        check(0.75, &mixed, 0.6);
    }

    #[test]
    fn counts_that_fall_are_raised_and_told() {
        // histograms.test: "nonmonotonic_bucket".
        let falling = [(0.1, 0.0), (1.0, 20.0), (10.0, 11.0), (100.0, 15.0), (1000.0, 24.0), (INF, 30.0)];
        let quantile = bucket_quantile(0.5, &mut buckets(&falling));
        assert!((quantile.value - 0.775).abs() < 1e-9, "{quantile:?}");
        let forced = Forced { min_bucket: 10.0, max_bucket: 100.0, max_diff: 9.0 };
        assert_eq!(quantile.forced, Some(forced));
    }

    #[test]
    fn errors_of_floats_are_put_right_without_a_word() {
        let mut almost = buckets(&[(0.1, 10.0), (1.0, 10.0 - 1e-12), (INF, 10.0)]);
        assert_eq!(bucket_quantile(0.5, &mut almost), Quantile { value: 0.05, forced: None });
        assert_eq!(almost[1].count, 10.0);
    }

    fn check_fraction(lower: f64, upper: f64, of: &[(f64, f64)], expect: f64) {
        let got = bucket_fraction(lower, upper, &mut buckets(of));
        let is_same = got == expect || (got.is_nan() && expect.is_nan());
        assert!(is_same || (got - expect).abs() < 1e-9, "{lower} to {upper}: {got}, not {expect}");
    }

    #[test]
    fn fractions_are_the_inverse_of_quantiles() {
        check_fraction(-INF, 0.06, &POSITIVE, 0.25);
        check_fraction(0.06, 0.6, &POSITIVE, 0.5);
        check_fraction(-INF, INF, &POSITIVE, 1.0);
        // Nothing of the bucket to infinity lies below a finite bound.
        check_fraction(0.0, 1e6, &POSITIVE, 110.0 / 120.0);
        check_fraction(-INF, -0.2, &NEGATIVE, 0.5);
        check_fraction(-0.2, 10.0, &NEGATIVE, 0.5);
        // Where inside the lowest bucket is unknown, all of it counts as below.
        check_fraction(-INF, -7.0, &NEGATIVE, 1.0 / 3.0);
    }

    #[test]
    fn what_has_no_fraction_says_so() {
        check_fraction(1.0, 0.5, &POSITIVE, 0.0);
        check_fraction(f64::NAN, 0.5, &POSITIVE, f64::NAN);
        check_fraction(1.0, 0.5, &[(0.1, 0.0), (INF, 0.0)], f64::NAN);
        check_fraction(0.0, 0.5, &[(0.1, 1.0)], f64::NAN);
        check_fraction(0.0, 0.5, &[], f64::NAN);
    }
}
