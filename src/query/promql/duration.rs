//! Durations as Prometheus writes them: `1h30m`, from years to milliseconds.
//!
//! A year always has 365 days, a week 7, a day 24 hours. Source: prometheus/common,
//! `model.ParseDuration` and `model.Duration.String`.

use crate::query::quote::quoted;

/// Units with their lengths in milliseconds, in the order in which a duration has them.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Longest duration in milliseconds: Prometheus counts nanoseconds in 63 bits, 292 years.
pub const DURATION_MS_MAX: u64 = i64::MAX as u64 / 1_000_000;

/// Reads a duration, and returns milliseconds.
pub fn parse_duration(text: &str) -> Result<u64, String> {
    if text == "0" {
        return Ok(0);
    }
    if text.is_empty() {
        return Err("empty duration string".to_string());
    }
    let invalid = || format!("not a valid duration string: {}", quoted(text));
    let (mut sum_ms, mut units_left, mut rest) = (0_u64, &UNITS[..], text);
    while !rest.is_empty() {
        let n_digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let count: u64 = rest[..n_digits].parse().map_err(|_| invalid())?;
        rest = &rest[n_digits..];
        let unit_len = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        if unit_len == 0 {
            return Err(invalid());
        }
        let (unit, behind) = rest.split_at(unit_len);
        rest = behind;
        if !UNITS.iter().any(|(known, _)| *known == unit) {
            return Err(format!("unknown unit {} in duration {}", quoted(unit), quoted(text)));
        }
        let idx = units_left.iter().position(|(known, _)| *known == unit).ok_or_else(invalid)?;
        let length_ms = units_left[idx].1;
        units_left = &units_left[idx + 1..];
        sum_ms = count
            .checked_mul(length_ms)
            .and_then(|part_ms| sum_ms.checked_add(part_ms))
            .filter(|sum_ms| *sum_ms <= DURATION_MS_MAX)
            .ok_or_else(|| "duration out of range".to_string())?;
    }
    Ok(sum_ms)
}

/// Writes a duration; years and weeks only when nothing is left over.
pub fn format_duration(duration_ms: i64) -> String {
    if duration_ms == 0 {
        return "0s".to_string();
    }
    let mut res = if duration_ms < 0 { "-".to_string() } else { String::new() };
    let mut left_ms = duration_ms.unsigned_abs();
    for (unit, length_ms) in UNITS {
        let whole_only = matches!(unit, "y" | "w");
        if left_ms < length_ms || (whole_only && !left_ms.is_multiple_of(length_ms)) {
            continue;
        }
        res.push_str(&format!("{}{unit}", left_ms / length_ms));
        left_ms %= length_ms;
    }
    res
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_from_large_units_to_small() {
        assert_eq!(parse_duration("1h30m"), Ok(5_400_000));
        assert_eq!(parse_duration("1y2w3d4h5m6s7ms"), Ok(33_019_506_007));
        assert_eq!(parse_duration("0"), Ok(0));
        let refused = |text: &str| parse_duration(text).unwrap_err();
        assert_eq!(refused("30m1h"), r#"not a valid duration string: "30m1h""#);
        assert_eq!(refused("1m1m"), r#"not a valid duration string: "1m1m""#);
        assert_eq!(refused("5"), r#"not a valid duration string: "5""#);
        assert_eq!(refused("5hs"), r#"unknown unit "hs" in duration "5hs""#);
        assert_eq!(refused("300y"), "duration out of range");
        assert_eq!(refused(""), "empty duration string");
    }

    #[test]
    fn durations_are_written_without_rests_of_years_and_weeks() {
        for (ms, text) in [
            (0, "0s"),
            (5_400_000, "1h30m"),
            (90 * 86_400_000, "90d"),
            (14 * 86_400_000, "2w"),
            (365 * 86_400_000, "1y"),
            (-1_001, "-1s1ms"),
        ] {
            assert_eq!(format_duration(ms), text);
        }
    }
}
