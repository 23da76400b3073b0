//! Durations as Go reads and writes them: `1h30m`, `-1.5s`, `300ms`.
//!
//! Unlike Prometheus's they may have a sign, fractions and nanoseconds, have no days, and name units
//! in any order. Source: the documentation of Go's `time.ParseDuration` and `Duration.String`.

/// Units with their lengths in nanoseconds, the longest first. Both characters for a micro are read.
const UNITS: [(&str, u64); 8] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", SECOND_NS),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ns", 1),
];

const SECOND_NS: u64 = 1_000_000_000;

/// Most nanoseconds, behind a minus: one more than a positive duration has.
const NS_MAX: u64 = 1 << 63;

/// A text that is no duration, in Go's words.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It is not written like one, or above 292 years.
    #[error("time: invalid duration {0}")]
    Invalid(String),
    /// It ends in a number, or has two points.
    #[error("time: missing unit in duration {0}")]
    MissingUnit(String),
    /// What stands behind a number is no unit.
    #[error("time: unknown unit {0} in duration {1}")]
    UnknownUnit(String, String),
}

/// Reads a duration, and returns nanoseconds.
pub fn parse_duration(text: &str) -> Result<i64, DurationError> {
    let invalid = || DurationError::Invalid(quoted(text));
    let is_negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut sum_ns = 0_u64;
    while !rest.is_empty() {
        let (whole, behind) = leading_digits(rest);
        let (fraction, behind) = behind.strip_prefix('.').map_or(("", behind), leading_digits);
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let count: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        let unit_len = behind.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(behind.len());
        if count > NS_MAX {
            return Err(invalid());
        }
        if unit_len == 0 {
            return Err(DurationError::MissingUnit(quoted(text)));
        }
        let (unit, behind) = behind.split_at(unit_len);
        let unit_ns = UNITS.iter().find(|(known, _)| *known == unit).map(|(_, unit_ns)| *unit_ns);
        let unit_ns = unit_ns.ok_or_else(|| DurationError::UnknownUnit(quoted(unit), quoted(text)))?;
        sum_ns = count
            .checked_mul(unit_ns)
            .filter(|part_ns| *part_ns <= NS_MAX)
            .and_then(|part_ns| part_ns.checked_add(fraction_ns(fraction, unit_ns)))
            .and_then(|part_ns| sum_ns.checked_add(part_ns))
            .filter(|sum_ns| *sum_ns <= NS_MAX)
            .ok_or_else(invalid)?;
        rest = behind;
    }
    match is_negative {
        true => Ok((sum_ns as i64).wrapping_neg()),
        false => i64::try_from(sum_ns).map_err(|_| invalid()),
    }
}

/// Parts what begins with digits behind them.
fn leading_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// Returns a fraction of a unit; digits that do not fit 63 bits do not count.
fn fraction_ns(digits: &str, unit_ns: u64) -> u64 {
    let (mut count, mut scale) = (0_u64, 1.0);
    for digit in digits.bytes() {
        let next = (count <= NS_MAX / 10).then(|| count * 10 + u64::from(digit - b'0'));
        let Some(next) = next.filter(|next| *next <= NS_MAX) else { break };
        (count, scale) = (next, scale * 10.0);
    }
    (count as f64 * (unit_ns as f64 / scale)) as u64
}

/// Returns a duration in seconds, as Go's `Duration.Seconds` does.
pub fn seconds(duration_ns: i64) -> f64 {
    let second_ns = SECOND_NS as i64;
    (duration_ns / second_ns) as f64 + (duration_ns % second_ns) as f64 / 1e9
}

/// Writes a duration: in hours, minutes and seconds, or in one smaller unit.
pub fn format_duration(duration_ns: i64) -> String {
    let sign = if duration_ns < 0 { "-" } else { "" };
    let left_ns = duration_ns.unsigned_abs();
    let (unit_ns, unit) = match left_ns {
        0 => return "0s".to_string(),
        1..1_000 => (1, "ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..SECOND_NS => (1_000_000, "ms"),
        _ => (SECOND_NS, "s"),
    };
    let (whole, part) = (left_ns / unit_ns, left_ns % unit_ns);
    let n_decimals = unit_ns.ilog10() as usize;
    let decimals = format!(".{part:0n_decimals$}");
    let decimals = decimals.trim_end_matches('0').trim_end_matches('.');
    if unit != "s" || whole < 60 {
        return format!("{sign}{whole}{decimals}{unit}");
    }
    let (seconds, minutes) = (whole % 60, whole / 60);
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{sign}{minutes}m{seconds}{decimals}s"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}{decimals}s"),
    }
}

/// Returns a text in quotes as the package `time` writes it: each byte by its number that is not
/// printable ASCII.
fn quoted(text: &str) -> String {
    let mut res = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => res.extend(['\\', c]),
            ' '..='\u{7f}' => res.push(c),
            _ => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| res.push_str(&format!("\\x{byte:02x}"))),
        }
    }
    res.push('"');
    res
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expect: i64) {
        assert_eq!(parse_duration(text), Ok(expect), "{text:?}");
    }

    #[test]
    fn durations_are_read_in_any_order_and_with_fractions() {
        check("0", 0);
        check("-0", 0);
        check("5s", 5_000_000_000);
        check("1h30m", 5_400_000_000_000);
        check("3m1h", 3_780_000_000_000);
        check("-1.5h", -5_400_000_000_000);
        check("+.5ms", 500_000);
        check("5.s", 5_000_000_000);
        check("10ns2us3µs4μs", 9_010);
        check("0.3333333333333333333h", 1_200_000_000_000);
        check("9223372036854775807ns", i64::MAX);
        check("-9223372036854775808ns", i64::MIN);
        check("9007199254740993ns", 9_007_199_254_740_993);
    }

    #[test]
    fn what_is_no_duration_is_said_as_go_says_it() {
        let check = |text: &str, expect: &str| {
            let error = parse_duration(text).unwrap_err().to_string();
            assert_eq!(error, format!("time: {expect}"), "{text:?}");
        };
        check("", r#"invalid duration """#);
        check("3", r#"missing unit in duration "3""#);
        check("-", r#"invalid duration "-""#);
        check("s", r#"invalid duration "s""#);
        check(".s", r#"invalid duration ".s""#);
        check("1d", r#"unknown unit "d" in duration "1d""#);
        check("1.2.3s", r#"missing unit in duration "1.2.3s""#);
        check("1\"é\n", r#"unknown unit "\"\xc3\xa9\x0a" in duration "1\"\xc3\xa9\x0a""#);
        check("9223372036854775808ns", r#"invalid duration "9223372036854775808ns""#);
        check("99999999999999999999", r#"invalid duration "99999999999999999999""#);
        check("3000000h", r#"invalid duration "3000000h""#);
    }

    #[test]
    fn durations_are_written_in_the_largest_units() {
        for (ns, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (3_300_000_000, "3.3s"),
            (245_000_000_000, "4m5s"),
            (245_001_000_000, "4m5.001s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (3_600_000_000_000, "1h0m0s"),
            (-480_000_000_001, "-8m0.000000001s"),
            (i64::MAX, "2562047h47m16.854775807s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(format_duration(ns), text);
        }
        assert_eq!(seconds(-1_500_000_000), -1.5);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(ns in any::<i64>()) {
            prop_assert_eq!(parse_duration(&format_duration(ns)), Ok(ns));
        }

        #[test]
        fn any_text_does_no_harm(text in any::<String>(), soup in "[-+0-9.hmsnuµ]{0,20}") {
            let _ = (parse_duration(&text), parse_duration(&soup));
        }
    }
}
