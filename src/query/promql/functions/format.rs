//! Numbers as texts, as Go writes them and so Prometheus: shortest, and yet read back as the same.
//!
//! Where two shortest texts lie equally near to a number (2⁻²⁵), Go takes the even one and these
//! functions the greater. That is rare, and read back it is the same number.

/// Writes a number without an exponent: Go's `FormatFloat(value, 'f', -1, 64)`, which values in
/// answers and the labels of `count_values` are written in.
pub fn format_float(value: f64) -> String {
    unless_finite(value).unwrap_or_else(|| value.to_string())
}

/// Writes a number as Go's `%g` does, which notes about numbers are written in: with an exponent
/// when that is below -4 or above 5.
pub fn format_g(value: f64) -> String {
    unless_finite(value).unwrap_or_else(|| general(&format!("{value:e}"), 6))
}

/// Writes a number with so many digits at most, from 1, as Go's `%.2g` does with two.
pub fn format_g_digits(value: f64, n_digits: usize) -> String {
    unless_finite(value).unwrap_or_else(|| {
        let rounded = format!("{value:.*e}", n_digits.saturating_sub(1));
        let (digits, exponent) = rounded.split_once('e').unwrap_or((&rounded, "0"));
        let digits = if digits.contains('.') { digits.trim_end_matches('0') } else { digits };
        general(&format!("{}e{exponent}", digits.trim_end_matches('.')), n_digits as i32)
    })
}

/// Writes a number as Go's `%f` does: with six digits after the point.
pub fn format_f(value: f64) -> String {
    unless_finite(value).unwrap_or_else(|| format!("{value:.6}"))
}

/// Writes a number as OpenMetrics wants it in labels such as `quantile`: with a point or an
/// exponent, as in `1.0`.
pub fn format_open_metrics(value: f64) -> String {
    let mut res = format_g(value);
    if value == 0.0 {
        return "0.0".to_owned();
    }
    if value.is_finite() && !res.contains(['e', '.']) {
        res.push_str(".0");
    }
    res
}

fn unless_finite(value: f64) -> Option<String> {
    if value.is_nan() {
        Some("NaN".to_owned())
    } else if value.is_infinite() {
        Some(if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned())
    } else {
        None
    }
}

/// Rewrites a number such as `-1.5e-7`: without the exponent from -4 up to a bound, else with two
/// digits of it at least, and its sign.
fn general(scientific: &str, exponent_end: i32) -> String {
    let (digits, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..exponent_end).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.unsigned_abs());
    }
    let value: f64 = scientific.parse().unwrap_or(f64::NAN);
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_no_exponent() {
        let check = |value: f64, expect| assert_eq!(format_float(value), expect);
        check(1.0, "1");
        check(-0.0, "-0");
        check(0.1, "0.1");
        check(1.5e-7, "0.00000015");
        check(1e21, "1000000000000000000000");
        check(f64::NAN, "NaN");
        check(f64::INFINITY, "+Inf");
        check(f64::NEG_INFINITY, "-Inf");
        assert!(format_float(f64::MAX).starts_with("179769313486231570000000"));
    }

    #[test]
    fn notes_have_an_exponent_where_go_has_one() {
        // Each as written by Go's `%g` and `%.2g`.
        let check = |value: f64, shortest, two_digits| {
            assert_eq!(format_g(value), shortest);
            assert_eq!(format_g_digits(value, 2), two_digits);
        };
        check(0.0, "0", "0");
        check(-0.0, "-0", "-0");
        check(1.25, "1.25", "1.2");
        check(100.0, "100", "1e+02");
        check(10.0, "10", "10");
        check(123_456.0, "123456", "1.2e+05");
        check(1e6, "1e+06", "1e+06");
        check(123_456_789.0, "1.23456789e+08", "1.2e+08");
        check(0.0001, "0.0001", "0.0001");
        check(1e-5, "1e-05", "1e-05");
        check(1e-300, "1e-300", "1e-300");
        check(5e-324, "5e-324", "4.9e-324");
        check(f64::MAX, "1.7976931348623157e+308", "1.8e+308");
        check(f64::NEG_INFINITY, "-Inf", "-Inf");
    }

    #[test]
    fn other_forms_are_gos_too() {
        assert_eq!(format_f(-1.0), "-1.000000");
        assert_eq!(format_f(f64::INFINITY), "+Inf");
        assert_eq!(format_open_metrics(1.0), "1.0");
        assert_eq!(format_open_metrics(-0.0), "0.0");
        assert_eq!(format_open_metrics(0.99), "0.99");
        assert_eq!(format_open_metrics(1e6), "1e+06");
        assert_eq!(format_open_metrics(f64::NAN), "NaN");
    }
}
