//! Numbers and times as people read them: three digits, a unit, never more, by the rules of
//! their language. A no-break space keeps the two on one line.

use std::time::Duration;

use jiff::Timestamp;
use maud::{Markup, html};

use super::lang::Lang;
use crate::clock::UnixNanos;

/// What stands where there is no number.
pub const NONE: &str = "–";

/// What a value of a chart or a table is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// A plain number.
    #[default]
    Number,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Bytes in a second.
    BytesPerSecond,
    /// A share of one.
    Share,
    /// Whatever a query gives: of any size, and of no known unit.
    Any,
}

impl Unit {
    /// Writes a value with its unit.
    pub fn write(self, lang: Lang, value: f64) -> String {
        match self {
            Unit::Number => number(lang, value),
            Unit::Seconds => seconds(lang, value),
            Unit::Bytes => bytes(lang, value),
            Unit::BytesPerSecond if value.is_finite() => {
                format!("{}{}", bytes(lang, value), lang.tr("/s"))
            }
            Unit::BytesPerSecond => NONE.to_string(),
            Unit::Share => percent(lang, value),
            Unit::Any => any(lang, value),
        }
    }

    /// Returns the name by which the script knows the unit.
    pub fn key(self) -> &'static str {
        match self {
            Unit::Number => "number",
            Unit::Seconds => "seconds",
            Unit::Bytes => "bytes",
            Unit::BytesPerSecond => "bytes-per-second",
            Unit::Share => "share",
            Unit::Any => "any",
        }
    }
}

/// Writes a number with three digits: `1.23`, `12.3`, `1,234`.
pub fn number(lang: Lang, value: f64) -> String {
    if !value.is_finite() {
        return NONE.to_string();
    }
    match value.abs() {
        0.0 => "0".to_string(),
        size if size < 0.01 => decimal(lang, "<0.01".into()),
        size if size < 9.995 => decimal(lang, trimmed(format!("{value:.2}"))),
        size if size < 99.95 => decimal(lang, trimmed(format!("{value:.1}"))),
        _ => grouped(lang, value.round()),
    }
}

/// Writes a number of any size with three digits: `0.00123`, `12,345`, `1.23 M`, `1.23e-7`.
pub fn any(lang: Lang, value: f64) -> String {
    const LARGE: [(f64, &str); 3] = [(1e12, "T"), (1e9, "G"), (1e6, "M")];
    let size = value.abs();
    if !value.is_finite() || size == 0.0 {
        return if value.is_infinite() {
            format!("{value:+}").replace("inf", "Inf")
        } else {
            number(lang, value)
        };
    }
    if !(1e-4..1e15).contains(&size) {
        return decimal(lang, format!("{value:.2e}").replace(".00e", "e"));
    }
    if size < 0.01 {
        let digits = 2 - size.log10().floor() as i32;
        return decimal(lang, trimmed(format!("{value:.*}", digits as usize)));
    }
    match LARGE.into_iter().find(|(unit, _)| size >= unit * 0.999_5) {
        Some((unit, letter)) => format!("{}\u{a0}{letter}", number(lang, value / unit)),
        None => number(lang, value),
    }
}

/// Writes a whole number with a mark at each thousand.
pub fn count(lang: Lang, value: u64) -> String {
    grouped(lang, value as f64)
}

/// Writes a share of one in percent; what is not nothing never reads as nothing.
pub fn percent(lang: Lang, share: f64) -> String {
    match share * 100.0 {
        percent if percent.is_nan() => NONE.to_string(),
        percent if percent > 0.0 && percent < 0.1 => decimal(lang, "<0.1\u{a0}%".into()),
        percent if percent < 9.95 => decimal(lang, format!("{}\u{a0}%", trimmed(format!("{percent:.1}")))),
        percent => format!("{percent:.0}\u{a0}%"),
    }
}

/// Writes a duration given in seconds in the unit that fits.
pub fn seconds(lang: Lang, value: f64) -> String {
    if !value.is_finite() {
        return NONE.to_string();
    }
    let (ms, s) = (lang.tr("ms"), lang.tr("s"));
    match value {
        small if small < 0.000_95 => {
            format!("{}\u{a0}{ms}", decimal(lang, trimmed(format!("{:.2}", small * 1e3))))
        }
        small if small < 0.995 => format!("{}\u{a0}{ms}", number(lang, small * 1e3)),
        large => format!("{}\u{a0}{s}", number(lang, large)),
    }
}

/// Writes a size in binary units.
pub fn bytes(lang: Lang, value: f64) -> String {
    if !value.is_finite() {
        return NONE.to_string();
    }
    let units = [lang.tr("B"), lang.tr("KiB"), lang.tr("MiB"), lang.tr("GiB"), lang.tr("TiB")];
    let (mut value, mut unit) = (value, 0);
    while value >= 999.5 && unit + 1 < units.len() {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    format!("{}\u{a0}{}", number(lang, value), units[unit])
}

/// Writes how long something lasts in its two largest units: `3 d 4 h`.
pub fn lasting(lang: Lang, duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let (d, h, min, s) = (lang.tr("d"), lang.tr("h"), lang.tr("min"), lang.tr("s"));
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}\u{a0}{s}"),
        (0, 0, _) => format!("{minutes}\u{a0}{min}"),
        (0, _, _) => format!("{hours}\u{a0}{h} {minutes}\u{a0}{min}"),
        _ => format!("{days}\u{a0}{d} {hours}\u{a0}{h}"),
    }
}

/// Writes a moment in UTC; the script rewrites it in the viewer's zone.
pub fn time(at: UnixNanos) -> Markup {
    stamp(at, "second", "%H:%M:%S")
}

/// Writes month, day and time in UTC; the script rewrites it in the viewer's zone.
pub fn date_and_time(at: UnixNanos) -> Markup {
    stamp(at, "date-second", "%m-%d %H:%M:%S")
}

/// Writes a moment to the millisecond in UTC; the script rewrites it in the viewer's zone.
pub fn exactly(at: UnixNanos) -> Markup {
    stamp(at, "exact", "%Y-%m-%d %H:%M:%S.%3f")
}

/// Writes day and time in UTC; the script rewrites it in the viewer's zone.
pub fn moment(at: UnixNanos) -> Markup {
    stamp(at, "day", "%Y-%m-%d %H:%M:%S")
}

/// Writes a moment as the script does under a name, with all of it on hover.
fn stamp(at: UnixNanos, name: &str, format: &str) -> Markup {
    html! {
        time data-at=(name) datetime=(in_utc(at, "%Y-%m-%dT%H:%M:%S.%3fZ")) title=(in_utc(at, "%Y-%m-%d %H:%M:%S.%3f UTC")) {
            (in_utc(at, format))
        }
    }
}

/// Writes hour and minute in UTC.
pub fn minute(at: UnixNanos) -> Markup {
    html! {
        time data-at="minute" datetime=(in_utc(at, "%Y-%m-%dT%H:%M:%SZ")) { (in_utc(at, "%H:%M")) }
    }
}

/// Writes day, hour and minute in UTC.
pub fn date_and_minute(at: UnixNanos) -> Markup {
    html! {
        time data-at="date-minute" datetime=(in_utc(at, "%Y-%m-%dT%H:%M:%SZ")) { (in_utc(at, "%m-%d %H:%M")) }
    }
}

/// Writes the day of a moment in UTC; the script rewrites it in the viewer's zone.
pub fn date(at: UnixNanos) -> Markup {
    html! {
        time data-at="date" datetime=(in_utc(at, "%Y-%m-%dT%H:%M:%SZ")) { (in_utc(at, "%m-%d")) }
    }
}

fn in_utc(at: UnixNanos, format: &str) -> String {
    // Every i64 of nanoseconds lies between the years 1677 and 2262.
    let at = Timestamp::from_nanosecond(i128::from(at.0)).expect("nanoseconds in an i64 are a valid time");
    at.strftime(format).to_string()
}

fn trimmed(text: String) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

/// Puts the language's own mark where the point stands.
fn decimal(lang: Lang, text: String) -> String {
    match lang {
        Lang::En => text,
        Lang::Ru => text.replace('.', ","),
    }
}

fn grouped(lang: Lang, value: f64) -> String {
    let mark = match lang {
        Lang::En => ',',
        Lang::Ru => '\u{a0}',
    };
    let digits = format!("{value:.0}");
    let mut res = String::with_capacity(digits.len() + digits.len() / 3);
    for (idx, digit) in digits.chars().enumerate() {
        let left = digits.len() - idx;
        if idx > 0 && left.is_multiple_of(3) && !res.ends_with('-') {
            res.push(mark);
        }
        res.push(digit);
    }
    res
}

/// Writes the day of a moment in UTC, which stays that.
pub fn day(at: UnixNanos) -> Markup {
    let text = in_utc(at, "%Y-%m-%d");
    html! { time datetime=(text) { (text) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let cases = [(0.0, "0"), (0.001, "<0.01"), (1.234, "1.23"), (1.5, "1.5"), (9.999, "10")];
        for (value, expect) in cases.into_iter().chain([(12.34, "12.3"), (123_456.7, "123,457")]) {
            assert_eq!(number(Lang::En, value), expect);
        }
        assert_eq!(count(Lang::En, 1_234_567), "1,234,567");
        assert_eq!(number(Lang::En, f64::NAN), NONE);
    }

    #[test]
    fn numbers_of_any_size_have_three_digits() {
        for (value, expect) in [
            (0.0, "0"),
            (1.23e-7, "1.23e-7"),
            (2e-5, "2e-5"),
            (0.001_234, "0.00123"),
            (-0.005, "-0.005"),
            (0.5, "0.5"),
            (12_345.0, "12,345"),
            (999_999.0, "1 M"),
            (1_234_567.0, "1.23 M"),
            (-2.5e9, "-2.5 G"),
            (7e12, "7 T"),
            (1e20, "1e20"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, NONE),
        ] {
            assert_eq!(any(Lang::En, value).replace('\u{a0}', " "), expect, "{value}");
        }
        assert_eq!(any(Lang::Ru, 0.001_234), "0,00123");
    }

    #[test]
    fn units_follow_the_size() {
        let spaced = |text: String| text.replace('\u{a0}', " ");
        let [seconds, bytes, percent] = [seconds as fn(Lang, f64) -> String, bytes, percent]
            .map(|write| move |value| spaced(write(Lang::En, value)));
        let lasting = |duration| spaced(lasting(Lang::En, duration));
        assert_eq!(seconds(0.000_42), "0.42 ms");
        assert_eq!(seconds(0.004), "4 ms");
        assert_eq!(seconds(1.5), "1.5 s");
        assert_eq!(bytes(0.0), "0 B");
        assert_eq!(bytes(20.0 * 1024.0 * 1024.0), "20 MiB");
        assert_eq!(bytes(1000.0 * 1024.0), "0.98 MiB");
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(0.000_1), "<0.1 %");
        assert_eq!(percent(0.002), "0.2 %");
        assert_eq!(percent(0.5), "50 %");
        assert_eq!(lasting(Duration::from_secs(90_061)), "1 d 1 h");
        assert_eq!(lasting(Duration::from_secs(59)), "59 s");
    }

    #[test]
    fn russian_has_a_comma_and_its_own_units() {
        let spaced = |text: String| text.replace('\u{a0}', " ");
        assert_eq!(spaced(number(Lang::Ru, 1_234.5)), "1 235");
        assert_eq!(spaced(seconds(Lang::Ru, 0.004_5)), "4,5 мс");
        assert_eq!(spaced(percent(Lang::Ru, 0.002)), "0,2 %");
        assert_eq!(spaced(Unit::BytesPerSecond.write(Lang::Ru, 2_048.0)), "2 КиБ/с");
        assert_eq!(spaced(lasting(Lang::Ru, Duration::from_secs(90_061))), "1 д 1 ч");
    }

    #[test]
    fn times_are_utc_with_the_full_stamp_for_machines() {
        let text = time(UnixNanos(1_700_000_000_123_000_000)).into_string();
        assert!(text.contains(r#"datetime="2023-11-14T22:13:20.123Z""#), "{text}");
        assert!(text.contains(">22:13:20<"), "{text}");
        time(UnixNanos(i64::MIN));
        time(UnixNanos(i64::MAX));
    }
}
