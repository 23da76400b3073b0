//! Durations as Prometheus writes them in its files: `90s`, `1h30m`, `0`.

use std::time::Duration;

/// The units, largest first, in milliseconds.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Prometheus keeps a duration as nanoseconds in 63 bits.
const MAX_MS: u64 = i64::MAX as u64 / 1_000_000;

/// Reads a duration: numbers with units, the largest first, each once.
pub fn parse(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.is_empty() {
        return Err("empty duration string".into());
    }
    let invalid = || format!("not a valid duration string: {text:?}");
    let (mut rest, mut units, mut total_ms) = (text, UNITS.as_slice(), 0_u64);
    while !rest.is_empty() {
        let n_digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(invalid)?;
        let (digits, after) = rest.split_at(n_digits);
        let number: u64 = digits.parse().map_err(|_| invalid())?;
        let n_letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(n_letters);
        if !UNITS.iter().any(|(known, _)| *known == unit) {
            return Err(format!("unknown unit {unit:?} in duration {text:?}"));
        }
        let place = units.iter().position(|(known, _)| *known == unit).ok_or_else(invalid)?;
        let ms = number.checked_mul(units[place].1).and_then(|ms| ms.checked_add(total_ms));
        total_ms = ms.filter(|ms| *ms <= MAX_MS).ok_or("duration out of range")?;
        (rest, units) = (after, &units[place + 1..]);
    }
    Ok(Duration::from_millis(total_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<u64, &str>) {
        let expect = expect.map(Duration::from_millis).map_err(str::to_string);
        assert_eq!(parse(text), expect, "{text:?}");
    }

    #[test]
    fn durations_are_read_as_prometheus_reads_them() {
        check("0", Ok(0));
        check("0s", Ok(0));
        check("1h30m", Ok(5_400_000));
        check("1w2d", Ok(9 * 86_400_000));
        check("10ms", Ok(10));
        check("", Err("empty duration string"));
        check("5", Err("not a valid duration string: \"5\""));
        check("m", Err("not a valid duration string: \"m\""));
        check("5x", Err("unknown unit \"x\" in duration \"5x\""));
        check("5m1h", Err("not a valid duration string: \"5m1h\""));
        check("-5m", Err("not a valid duration string: \"-5m\""));
        check("300y", Err("duration out of range"));
        check("5m ", Err("unknown unit \"m \" in duration \"5m \""));
    }
}
