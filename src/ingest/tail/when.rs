//! Times as other programs write them.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::clock::UnixNanos;

/// Reads the time of a JSON field: RFC 3339 or the same without a zone, which is `here`; or
/// a number of seconds, milli-, micro- or nanoseconds since 1970, told apart by size.
pub fn of_field(value: &Value, here: &TimeZone) -> Option<UnixNanos> {
    match value {
        Value::String(text) => of_text(text, here).or_else(|| of_number(text.trim().parse().ok()?)),
        // Floats hold nanoseconds only to a quarter of a microsecond: whole numbers go first.
        Value::Number(number) => match number.as_i64() {
            Some(whole) => of_whole(whole),
            None => of_number(number.as_f64()?),
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn of_text(text: &str, here: &TimeZone) -> Option<UnixNanos> {
    // Python's logging writes a comma before the milliseconds.
    let text = text.trim().replace(',', ".");
    let with_zone = text.parse::<Timestamp>().ok();
    let moment = with_zone.or_else(|| {
        let civil: DateTime = text.parse().ok()?;
        Some(here.to_ambiguous_zoned(civil).compatible().ok()?.timestamp())
    })?;
    nanos(moment)
}

fn of_whole(number: i64) -> Option<UnixNanos> {
    number.checked_mul(nanos_per_unit(number.unsigned_abs() as f64)).map(UnixNanos)
}

fn of_number(number: f64) -> Option<UnixNanos> {
    let nanos = number * nanos_per_unit(number.abs()) as f64;
    (nanos.is_finite() && nanos.abs() < i64::MAX as f64).then_some(UnixNanos(nanos as i64))
}

/// A number below 10^11 is seconds until the year 5138; as milliseconds it was in March 1973.
fn nanos_per_unit(number: f64) -> i64 {
    match number {
        n if n < 1e11 => 1_000_000_000,
        n if n < 1e14 => 1_000_000,
        n if n < 1e17 => 1_000,
        _ => 1,
    }
}

/// Reads the time of an access log, `26/Nov/2026:17:49:02 +0300`.
pub fn of_access_log(text: &str) -> Option<UnixNanos> {
    nanos(strtime::parse("%d/%b/%Y:%H:%M:%S %z", text).ok()?.to_timestamp().ok()?)
}

fn nanos(moment: Timestamp) -> Option<UnixNanos> {
    i64::try_from(moment.as_nanosecond()).ok().map(UnixNanos)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SECOND: i64 = 1_795_711_742;

    #[test]
    fn a_field_names_the_time_in_every_usual_form() {
        let here = TimeZone::fixed(jiff::tz::offset(3));
        let check = |value: Value, expect: Option<i64>| {
            let found = of_field(&value, &here).map(|at| at.0 / 1_000_000);
            assert_eq!(found, expect, "{value}");
        };
        let ms = SECOND * 1_000;
        check(json!("2026-11-26T16:49:02Z"), Some(ms));
        check(json!("2026-11-26T16:49:02.125+00:00"), Some(ms + 125));
        check(json!("2026-11-26T19:49:02+03:00"), Some(ms));
        check(json!("2026-11-26 19:49:02,125"), Some(ms + 125));
        check(json!(SECOND), Some(ms));
        check(json!(SECOND as f64 + 0.5), Some(ms + 500));
        check(json!(ms), Some(ms));
        check(json!(ms * 1_000), Some(ms));
        check(json!(ms * 1_000_000), Some(ms));
        check(json!(SECOND.to_string()), Some(ms));
        for odd in [json!("yesterday"), json!(null), json!(1e300), json!({"a": 1}), json!("NaN")] {
            check(odd, None);
        }
    }

    #[test]
    fn an_access_logs_time_has_its_zone() {
        let check = |text: &str, expect: Option<i64>| {
            assert_eq!(of_access_log(text).map(|at| at.0 / 1_000_000_000), expect, "{text}");
        };
        check("26/Nov/2026:16:49:02 +0000", Some(SECOND));
        check("26/Nov/2026:19:49:02 +0300", Some(SECOND));
        check("26/Nov/2026:11:19:02 -0530", Some(SECOND));
        check("26/Nov/2026:16:49:02", None);
        check("99/Nov/2026:16:49:02 +0000", None);
    }
}
