//! Series and results are those of Prometheus's `functions.test` where a test names it.

use super::*;
use crate::clock::UnixMillis;

const MINUTE_MS: i64 = 60_000;

fn samples(every_ms: i64, values: &[f64]) -> Vec<Sample> {
    let at = |idx: usize| UnixMillis(idx as i64 * every_ms);
    values.iter().enumerate().map(|(idx, value)| Sample { at: at(idx), value: *value }).collect()
}

/// Calls a function at a moment with the samples of a series in the range before it.
fn call(name: &str, series: &[Sample], at_ms: i64, range_ms: i64, args: &[f64]) -> Option<f64> {
    let start_ms = at_ms - range_ms;
    let inside: Vec<Sample> =
        series.iter().filter(|sample| sample.at.0 > start_ms && sample.at.0 <= at_ms).copied().collect();
    let window = Window { samples: &inside, start_ms, end_ms: at_ms, at_ms };
    over_time(name).unwrap()(&window, args)
}

/// Calls a function with all of these values, one every ten seconds.
fn of(name: &str, values: &[f64], args: &[f64]) -> f64 {
    let series = samples(10_000, values);
    call(name, &series, (values.len() as i64 - 1) * 10_000, 10_000 * values.len() as i64, args).unwrap()
}

fn check(got: Option<f64>, expect: f64) {
    let got = got.unwrap();
    let is_same = got == expect || (got.is_nan() && expect.is_nan());
    assert!(is_same || (got - expect).abs() <= 1e-9 * expect.abs(), "{got}, not {expect}");
}

/// Values that rise evenly.
fn rising(from: f64, by: f64, times: usize) -> Vec<f64> {
    (0..=times).map(|idx| from + by * idx as f64).collect()
}

#[test]
fn an_increase_reaches_no_further_than_zero() {
    // "Tests for increase()": http_requests_total at 50m.
    let check_increase = |values: &[f64], inside: f64, beyond: f64| {
        let series = samples(5 * MINUTE_MS, values);
        let at = |range: i64| call("increase", &series, 50 * MINUTE_MS, range * MINUTE_MS, &[]);
        check(at(50), inside);
        check(at(100), beyond);
    };
    check_increase(&rising(0.0, 10.0, 10), 100.0, 100.0);
    check_increase(&[rising(0.0, 18.0, 5), rising(0.0, 18.0, 5)].concat(), 160.0, 162.0);
    check_increase(&rising(10.0, 10.0, 10), 100.0, 105.0);
    check_increase(&rising(1.0, 10.0, 10), 100.0, 101.0);
}

#[test]
fn a_reset_begins_at_zero() {
    let series = samples(5 * MINUTE_MS, &[0.0, 1.0, 2.0, 3.0, 2.0, 3.0, 4.0]);
    check(call("increase", &series, 30 * MINUTE_MS, 30 * MINUTE_MS, &[]), 7.0);
    check(call("resets", &series, 30 * MINUTE_MS, 31 * MINUTE_MS, &[]), 1.0);
}

#[test]
fn a_rate_is_an_increase_per_second() {
    // "Tests for deriv() and predict_linear()".
    let series = samples(5 * MINUTE_MS, &rising(0.0, 80.0, 10));
    check(call("rate", &series, 50 * MINUTE_MS, 50 * MINUTE_MS, &[]), 0.266_666_666_666_666_66);
    check(call("deriv", &series, 50 * MINUTE_MS, 50 * MINUTE_MS, &[]), 0.266_666_666_666_666_66);
    assert_eq!(call("rate", &series[..1], 0, 50 * MINUTE_MS, &[]), None);
}

#[test]
fn a_delta_may_fall_below_zero() {
    // "Tests for delta()": a gauge that rises from 0 is stretched by half a gap all the same.
    let series = samples(5 * MINUTE_MS, &[0.0, 50.0, 100.0, 150.0, 200.0]);
    check(call("delta", &series, 20 * MINUTE_MS, 20 * MINUTE_MS, &[]), 200.0);
    check(call("delta", &series, 20 * MINUTE_MS, 40 * MINUTE_MS, &[]), 225.0);
    let falling = samples(5 * MINUTE_MS, &[200.0, 150.0, 100.0, 50.0, 0.0]);
    check(call("delta", &falling, 20 * MINUTE_MS, 20 * MINUTE_MS, &[]), -200.0);
}

#[test]
fn the_last_two_samples_make_an_instant_rate() {
    // "Tests for irate()".
    let series = samples(5 * MINUTE_MS, &rising(0.0, 10.0, 10));
    check(call("irate", &series, 50 * MINUTE_MS, 50 * MINUTE_MS, &[]), 0.033_333_333_333_333_33);
    let reset = samples(5 * MINUTE_MS, &[rising(0.0, 10.0, 4), rising(0.0, 10.0, 5)].concat());
    check(call("irate", &reset, 30 * MINUTE_MS, 50 * MINUTE_MS, &[]), 0.033_333_333_333_333_33);
    check(call("irate", &reset, 25 * MINUTE_MS, 50 * MINUTE_MS, &[]), 0.0);
    check(call("idelta", &reset, 25 * MINUTE_MS, 50 * MINUTE_MS, &[]), -40.0);
    assert_eq!(call("irate", &series[..1], 0, MINUTE_MS, &[]), None);
    let twice = [series[0], series[0]];
    assert_eq!(call("irate", &twice, 0, MINUTE_MS, &[]), None);
    assert_eq!(call("idelta", &twice, 0, MINUTE_MS, &[]), None);
}

#[test]
fn a_prediction_begins_at_the_evaluated_moment() {
    // testcounter_reset_middle_total.
    let series = samples(5 * MINUTE_MS, &[rising(0.0, 10.0, 4), rising(0.0, 10.0, 5)].concat());
    check(call("deriv", &series, 50 * MINUTE_MS, 100 * MINUTE_MS, &[]), 0.010_606_060_606_060_607);
    check(call("predict_linear", &series, 50 * MINUTE_MS, 50 * MINUTE_MS, &[3600.0]), 70.0);
    let predicted = |at_minutes: i64| {
        let window = Window {
            samples: &series,
            start_ms: -5 * MINUTE_MS,
            end_ms: 50 * MINUTE_MS,
            at_ms: at_minutes * MINUTE_MS,
        };
        over_time("predict_linear").unwrap()(&window, &[3600.0])
    };
    check(predicted(50), 76.818_181_818_181_81);
    check(predicted(10), 51.363_636_363_636_37);
    check(predicted(70), 89.545_454_545_454_55);
}

#[test]
fn lines_through_what_is_infinite_are_no_numbers() {
    check(Some(of("deriv", &[f64::NEG_INFINITY, 0.0, 80.0], &[])), f64::NAN);
    check(Some(of("deriv", &[f64::INFINITY, f64::INFINITY], &[])), f64::NAN);
    check(Some(of("deriv", &[f64::NAN, f64::NAN], &[])), f64::NAN);
    check(Some(of("deriv", &[0.1, 0.1, 0.1], &[])), 0.0);
    check(Some(of("predict_linear", &[0.1, 0.1, 0.1], &[1e9])), 0.1);
    assert_eq!(call("deriv", &samples(1, &[1.0]), 0, 10, &[]), None);
}

#[test]
fn smoothing_follows_a_trend() {
    // "Tests for double_exponential_smoothing": 0+10x1000 100+30x1000 at 8000s over [1m].
    let series = samples(10_000, &rising(0.0, 10.0, 1000));
    let smoothed = |args: &[f64]| call("double_exponential_smoothing", &series, 8_000_000, MINUTE_MS, args);
    check(smoothed(&[0.01, 0.1]), 8000.0);
    assert_eq!(call("double_exponential_smoothing", &series[..1], 0, MINUTE_MS, &[0.5, 0.5]), None);
    // By hand: level 10, trend 10; then 5 + 10; then a trend of 5 + 5 and 15 + 12.5.
    check(Some(of("double_exponential_smoothing", &[0.0, 10.0, 30.0], &[0.5, 0.5])), 25.0);
}

#[test]
fn factors_outside_of_0_to_1_are_refused() {
    let smoothing = "invalid smoothing factor. Expected: 0 < sf < 1, got: 1.000000";
    assert_eq!(smoothing_error(1.0, 0.0).as_deref(), Some(smoothing));
    let trend = "invalid trend factor. Expected: 0 < tf < 1, got: -0.500000";
    assert_eq!(smoothing_error(0.5, -0.5).as_deref(), Some(trend));
    assert_eq!(smoothing_error(0.5, f64::NAN), None);
}

#[test]
fn changes_and_resets_are_counted() {
    // "Tests for resets()" and "changes()".
    check(Some(of("changes", &[0.0, 1.0, 2.0, 0.0, 0.0, 1.0, 2.0, 0.0], &[])), 6.0);
    check(Some(of("resets", &[1.0, 2.0, 3.0, 0.0, 1.0, 0.0, 0.0], &[])), 2.0);
    check(Some(of("changes", &[f64::NAN, f64::NAN, f64::NAN], &[])), 0.0);
    check(Some(of("changes", &[f64::NAN, 1.0, f64::NAN], &[])), 2.0);
    check(Some(of("changes", &[1.0], &[])), 0.0);
}

#[test]
fn a_sum_is_infinite_only_once_it_is() {
    // "Tests for sum_over_time" and "avg_over_time".
    check(Some(of("sum_over_time", &[1.0, 1e100, 1.0, -1e100], &[])), 2.0);
    check(Some(of("avg_over_time", &[1.0, 1e100, 1.0, -1e100], &[])), 0.5);
    check(Some(of("avg_over_time", &[9.988_465_674_311_58e307; 4], &[])), 9.988_465_674_311_58e307);
    check(Some(of("avg_over_time", &[-9.988_465_674_311_58e307; 4], &[])), -9.988_465_674_311_58e307);
    check(Some(of("avg_over_time", &[5.0, f64::INFINITY, 1.0], &[])), f64::INFINITY);
    check(Some(of("avg_over_time", &[f64::NEG_INFINITY, f64::INFINITY], &[])), f64::NAN);
    check(Some(of("sum_over_time", &[f64::MAX, f64::MAX], &[])), f64::INFINITY);
    check(Some(of("sum_over_time", &[1.0, f64::NAN], &[])), f64::NAN);
}

#[test]
fn extremes_are_numbers_when_there_is_one() {
    // "Tests for max_over_time" and "min_over_time".
    let check = |values: &[f64], min, max| {
        check(Some(of("min_over_time", values, &[])), min);
        check(Some(of("max_over_time", values, &[])), max);
    };
    check(&[0.0, 1.0, 2.0, -1.0], -1.0, 2.0);
    check(&[f64::NAN, 1.0, f64::NAN, 2.0], 1.0, 2.0);
    check(&[1.0, f64::NAN], 1.0, 1.0);
    check(&[f64::NAN, f64::NAN], f64::NAN, f64::NAN);
}

#[test]
fn the_last_of_equal_extremes_has_the_time() {
    // "Tests for ts_of_max_over_time and ts_of_min_over_time".
    let series = samples(10_053, &[1.0, 2.0, 3.0, 0.0, 5.0, 6.0, 2.0, 1.0, 4.0]);
    let at = |name, series: &[Sample]| call(name, series, 90_000, 90_000, &[]);
    check(at("ts_of_min_over_time", &series), 30.159);
    check(at("ts_of_max_over_time", &series), 50.265);
    check(at("ts_of_first_over_time", &series), 10.053);
    check(at("ts_of_last_over_time", &series), 80.424);
    let equal = samples(10_000, &[f64::NAN, 1.0, 1.0, f64::NAN]);
    check(at("ts_of_min_over_time", &equal), 20.0);
    check(at("ts_of_max_over_time", &equal), 20.0);
}

#[test]
fn the_simplest_are_there() {
    let values = [3.0, 1.0, 2.0];
    let expected = [
        ("count_over_time", 3.0),
        ("present_over_time", 1.0),
        ("first_over_time", 3.0),
        ("last_over_time", 2.0),
    ];
    expected.into_iter().for_each(|(name, expect)| check(Some(of(name, &values, &[])), expect));
    assert!(over_time("absent_over_time").is_none());
}

#[test]
fn deviations_are_those_of_a_population() {
    // "Tests for stddev_over_time and stdvar_over_time", #4927 among them.
    check(Some(of("stdvar_over_time", &[0.0, 8.0, 8.0, 2.0, 3.0], &[])), 10.56);
    check(Some(of("stddev_over_time", &[0.0, 8.0, 8.0, 2.0, 3.0], &[])), 10.56f64.sqrt());
    check(Some(of("stdvar_over_time", &[1.599_050_563_727_786_8; 3], &[])), 0.0);
    check(Some(of("stdvar_over_time", &[f64::INFINITY, 1.0], &[])), f64::NAN);
}

#[test]
fn a_median_shrugs_off_an_outlier() {
    // "Tests for mad_over_time".
    check(Some(of("mad_over_time", &[4.0, 6.0, 2.0, 1.0, 999.0, 1.0, 2.0], &[])), 1.0);
    check(Some(of("mad_over_time", &[7.0], &[])), 0.0);
    check(Some(of("mad_over_time", &[1.0, 2.0, f64::NAN, 4.0], &[])), f64::NAN);
}

#[test]
fn quantiles_are_interpolated() {
    // "Tests for quantile_over_time".
    let check = |q, values: &[f64], expect| check(Some(of("quantile_over_time", values, &[q])), expect);
    check(0.75, &[0.0, 1.0], 0.75);
    check(0.8, &[1.0, 0.0, 2.0], 1.6);
    check(-1.0, &[0.0, 1.0], f64::NEG_INFINITY);
    check(2.0, &[0.0, 1.0], f64::INFINITY);
    check(f64::NAN, &[0.0, 1.0], f64::NAN);
}

#[test]
fn only_what_sorts_allocates() {
    let series = samples(1000, &rising(0.0, 3.0, 100));
    let window = Window { samples: &series, start_ms: -1000, end_ms: 100_000, at_ms: 100_000 };
    let functions = crate::query::promql::signature::FUNCTIONS;
    for (name, function) in functions.iter().filter_map(|known| Some((known.name, over_time(known.name)?))) {
        let allocated = allocation_counter::measure(|| {
            std::hint::black_box(function(&window, &[0.5, 0.5]));
        });
        let sorts = ["mad_over_time", "quantile_over_time"].contains(&name);
        assert_eq!(allocated.count_total, u64::from(sorts), "{name}");
    }
}
