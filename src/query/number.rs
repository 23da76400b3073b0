//! Numbers as texts, as Go writes them and so Prometheus: in answers, in what is said about them,
//! in labels, and in the templates of rules.
//!
//! Where two shortest texts lie equally near to a number (2⁻²⁵), Go takes the even one and these
//! functions the greater. That is rare, and read back it is the same number. Source of every rule:
//! the documentation of Go's packages `fmt` and `strconv`.

/// Most digits after the point, and the widest field; a template that asks for more gets these.
pub const DIGITS_MAX: usize = 100;

/// Returns a number without an exponent, by the fewest digits that read back as the same number:
/// Go's `FormatFloat(value, 'f', -1, 64)`.
pub fn plain(value: f64) -> String {
    not_finite(value).map_or_else(|| value.to_string(), str::to_string)
}

/// Returns a number by the fewest digits and with an exponent always: `FormatFloat(value, 'e', -1, 64)`.
pub fn exponential(value: f64) -> String {
    not_finite(value).map_or_else(|| go_exponent(&format!("{value:e}")), str::to_string)
}

/// Returns a number as OpenMetrics wants it in labels such as `quantile`: with a point or an
/// exponent, as in `1.0`.
pub fn open_metrics(value: f64) -> String {
    let mut res = shortest(value);
    if value == 0.0 {
        return "0.0".to_owned();
    }
    if value.is_finite() && !res.contains(['e', '.']) {
        res.push_str(".0");
    }
    res
}

/// Returns a number as `%v`, `%g` and `{{ $value }}` write it: the fewest digits that read back as
/// the same number, with an exponent below 1e-4 and from 1e6 on.
pub fn shortest(value: f64) -> String {
    if let Some(text) = not_finite(value) {
        return text.into();
    }
    let (digits, exponent) = scientific(&format!("{value:e}"));
    general(value.is_sign_negative(), &digits, exponent, SHORTEST_EXPONENT)
}

/// From this exponent on the fewest digits come with an exponent, whatever their number
/// (`strconv`: "if precision was the shortest possible, use precision 6 for this decision").
const SHORTEST_EXPONENT: i32 = 6;

/// Returns a number as `%.Ng` writes it: at most so many significant digits, no zeros at the end.
pub fn significant(value: f64, n_digits: usize) -> String {
    if let Some(text) = not_finite(value) {
        return text.into();
    }
    let n_digits = n_digits.clamp(1, DIGITS_MAX);
    let (digits, exponent) = scientific(&format!("{value:.*e}", n_digits - 1));
    let kept = digits.trim_end_matches('0');
    let kept = if kept.is_empty() { "0" } else { kept };
    general(value.is_sign_negative(), kept, exponent, n_digits as i32)
}

/// Returns a number as `%.Nf` writes it.
pub fn fixed(value: f64, n_digits: usize) -> String {
    not_finite(value).map_or_else(|| format!("{value:.*}", n_digits.min(DIGITS_MAX)), str::to_string)
}

/// Returns a number as `%.Ne` writes it.
pub fn with_exponent(value: f64, n_digits: usize) -> String {
    if let Some(text) = not_finite(value) {
        return text.into();
    }
    go_exponent(&format!("{value:.*e}", n_digits.min(DIGITS_MAX)))
}

/// Writes the exponent of `-1.25e-3` as Go does.
fn go_exponent(text: &str) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    format!("{mantissa}{}", exponent_of(exponent.parse().unwrap_or(0)))
}

/// Returns the word for what is no finite number.
pub fn not_finite(value: f64) -> Option<&'static str> {
    match value {
        value if value.is_nan() => Some("NaN"),
        f64::INFINITY => Some("+Inf"),
        f64::NEG_INFINITY => Some("-Inf"),
        _ => None,
    }
}

/// Parts `-1.25e-3` into the digits `125` and the exponent of the first of them.
fn scientific(text: &str) -> (String, i32) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let digits = mantissa.chars().filter(char::is_ascii_digit).collect();
    (digits, exponent.parse().unwrap_or(0))
}

fn general(is_negative: bool, digits: &str, exponent: i32, exponent_bound: i32) -> String {
    let sign = if is_negative { "-" } else { "" };
    if exponent < -4 || exponent >= exponent_bound {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        return format!("{sign}{first}{point}{rest}{}", exponent_of(exponent));
    }
    let Ok(before) = usize::try_from(exponent + 1) else {
        return format!("{sign}0.{}{digits}", "0".repeat(exponent.unsigned_abs() as usize - 1));
    };
    match digits.split_at_checked(before) {
        Some((whole, rest)) if before > 0 => {
            let point = if rest.is_empty() { "" } else { "." };
            format!("{sign}{whole}{point}{rest}")
        }
        Some(_) => format!("{sign}0.{digits}"),
        None => format!("{sign}{digits}{}", "0".repeat(before - digits.len())),
    }
}

/// Go writes an exponent with its sign and two digits at least.
fn exponent_of(exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Go 1.25 prints for `%v`, `%.4g`, `%.2f` and `%.2e`.
    #[test]
    fn numbers_are_written_as_go_writes_them() {
        for (value, shown, four, two, exponent) in [
            (0.0, "0", "0", "0.00", "0.00e+00"),
            (1.0, "1", "1", "1.00", "1.00e+00"),
            (1e6, "1e+06", "1e+06", "1000000.00", "1.00e+06"),
            (999999.0, "999999", "1e+06", "999999.00", "1.00e+06"),
            (123456789.0, "1.23456789e+08", "1.235e+08", "123456789.00", "1.23e+08"),
            (1e21, "1e+21", "1e+21", "1000000000000000000000.00", "1.00e+21"),
            (0.0001, "0.0001", "0.0001", "0.00", "1.00e-04"),
            (1e-5, "1e-05", "1e-05", "0.00", "1.00e-05"),
            (-2.5, "-2.5", "-2.5", "-2.50", "-2.50e+00"),
            (0.1234567, "0.1234567", "0.1235", "0.12", "1.23e-01"),
            (100.0, "100", "100", "100.00", "1.00e+02"),
            (12345.0, "12345", "1.234e+04", "12345.00", "1.23e+04"),
            (99999.0, "99999", "1e+05", "99999.00", "1.00e+05"),
            (999.95, "999.95", "1000", "999.95", "1.00e+03"),
            (1234.5, "1234.5", "1234", "1234.50", "1.23e+03"),
            (f64::NAN, "NaN", "NaN", "NaN", "NaN"),
            (f64::NEG_INFINITY, "-Inf", "-Inf", "-Inf", "-Inf"),
        ] {
            assert_eq!(shortest(value), shown);
            assert_eq!(significant(value, 4), four, "{value}");
            assert_eq!(fixed(value, 2), two);
            assert_eq!(with_exponent(value, 2), exponent, "{value}");
        }
    }

    #[test]
    fn values_have_no_exponent() {
        let check = |value: f64, expect| assert_eq!(plain(value), expect);
        check(1.0, "1");
        check(-0.0, "-0");
        check(0.1, "0.1");
        check(1.5e-7, "0.00000015");
        check(1e21, "1000000000000000000000");
        check(f64::NAN, "NaN");
        check(f64::INFINITY, "+Inf");
        check(f64::NEG_INFINITY, "-Inf");
        assert!(plain(f64::MAX).starts_with("179769313486231570000000"));
    }

    #[test]
    fn notes_have_an_exponent_where_go_has_one() {
        // Each as written by Go's `%g` and `%.2g`.
        let check = |value: f64, expect, two_digits| {
            assert_eq!(shortest(value), expect);
            assert_eq!(significant(value, 2), two_digits);
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
        assert_eq!(fixed(-1.0, 6), "-1.000000");
        assert_eq!(fixed(f64::INFINITY, 6), "+Inf");
        assert_eq!(open_metrics(1.0), "1.0");
        assert_eq!(open_metrics(-0.0), "0.0");
        assert_eq!(open_metrics(0.99), "0.99");
        assert_eq!(open_metrics(1e6), "1e+06");
        assert_eq!(open_metrics(f64::NAN), "NaN");
    }
}
