//! Amounts with units: bytes and durations, as floats.
//!
//! Source: github.com/dustin/go-humanize, `ParseBytes`; Go, `time.ParseDuration`.

use super::{Answer, Args, Context, Function, Kind, of};
use crate::query::logql::template::quoted;
use crate::query::logql::template::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    of("bytes", &[Kind::Text], |_, args| bytes(args.text(0)).map(Value::Float)),
    of("duration", &[Kind::Text], seconds),
    of("duration_seconds", &[Kind::Text], seconds),
];

const BYTE_UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("b", 1),
    ("k", 1_000),
    ("kb", 1_000),
    ("ki", 1 << 10),
    ("kib", 1 << 10),
    ("m", 1_000_000),
    ("mb", 1_000_000),
    ("mi", 1 << 20),
    ("mib", 1 << 20),
    ("g", 1_000_000_000),
    ("gb", 1_000_000_000),
    ("gi", 1 << 30),
    ("gib", 1 << 30),
    ("t", 1_000_000_000_000),
    ("tb", 1_000_000_000_000),
    ("ti", 1 << 40),
    ("tib", 1 << 40),
    ("p", 1_000_000_000_000_000),
    ("pb", 1_000_000_000_000_000),
    ("pi", 1 << 50),
    ("pib", 1 << 50),
    ("e", 1_000_000_000_000_000_000),
    ("eb", 1_000_000_000_000_000_000),
    ("ei", 1 << 60),
    ("eib", 1 << 60),
];

/// Reads `1.5 kB`; a fraction of a byte is dropped.
fn bytes(text: &str) -> Result<f64, String> {
    let n_bytes = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',').unwrap_or(text.len());
    let (number, unit) = text.split_at(n_bytes);
    let number = number.replace(',', "");
    let number: f64 = number
        .parse()
        .map_err(|_| format!("strconv.ParseFloat: parsing {}: invalid syntax", quoted(&number)))?;
    let unit = unit.trim().to_lowercase();
    let known = BYTE_UNITS.iter().find(|(name, _)| *name == unit);
    let (_, factor) = known.ok_or_else(|| format!("unhandled size name: {unit}"))?;
    let res = number * *factor as f64;
    if res >= u64::MAX as f64 {
        return Err(format!("too large: {text}"));
    }
    Ok(res as u64 as f64)
}

fn seconds<'t>(_: &mut Context<'t>, args: Args<'t>) -> Answer<'t> {
    let nanos = duration(args.text(0))?;
    let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    Ok(Value::Float(seconds as f64 + rest as f64 / 1e9))
}

const DURATION_UNITS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads `-1.5h20m` as nanoseconds.
fn duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", in_quotes(text));
    let is_negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let n_whole = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, after) = rest.split_at(n_whole);
        let fraction = after
            .strip_prefix('.')
            .map_or("", |after| &after[..after.bytes().take_while(u8::is_ascii_digit).count()]);
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let behind = after.strip_prefix('.').map_or(after, |after| &after[fraction.len()..]);
        let n_unit = behind.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, next) = behind.split_at(n_unit);
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        if whole > 1 << 63 {
            return Err(invalid());
        }
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {}", in_quotes(text)));
        }
        let known = DURATION_UNITS.iter().find(|(name, _)| *name == unit);
        let unknown = || format!("time: unknown unit {} in duration {}", in_quotes(unit), in_quotes(text));
        let (_, factor) = known.ok_or_else(unknown)?;
        let part = whole.checked_mul(*factor).ok_or_else(invalid)?;
        // Eighteen digits of a fraction are more than a nanosecond of an hour has.
        let fraction = &fraction[..fraction.len().min(18)];
        let scale = 10f64.powi(fraction.len() as i32);
        let fraction = fraction.parse::<u64>().map_or(0.0, |digits| digits as f64 * (*factor as f64 / scale));
        let sum = total.checked_add(part).and_then(|sum| sum.checked_add(fraction as u64));
        total = sum.filter(|sum| *sum <= 1 << 63).ok_or_else(invalid)?;
        rest = next;
    }
    if is_negative {
        return Ok((total as i64).wrapping_neg());
    }
    i64::try_from(total).map_err(|_| invalid())
}

/// Go's package `time` has quotes of its own, with bytes for what is not ASCII.
fn in_quotes(text: &str) -> String {
    let mut res = String::from('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => res.extend(['\\', byte.into()]),
            b' '..=b'\x7f' => res.push(byte.into()),
            _ => res.push_str(&format!("\\x{byte:02x}")),
        }
    }
    res.push('"');
    res
}

#[cfg(test)]
mod tests {
    use crate::query::logql::template::tests::{check, check_fault};

    #[test]
    fn sizes_are_bytes() {
        check(r#"{{bytes "1.5 kB"}} {{bytes "2KiB"}} {{bytes "1,024"}} {{bytes "5"}}"#, "1500 2048 1024 5");
        check_fault(
            r#"{{bytes "x"}}"#,
            r#"error calling bytes: strconv.ParseFloat: parsing "": invalid syntax"#,
        );
        check_fault(r#"{{bytes "5 foo"}}"#, "error calling bytes: unhandled size name: foo");
        check_fault(r#"{{bytes "99 EB"}}"#, "error calling bytes: too large: 99 EB");
    }

    #[test]
    fn durations_are_seconds() {
        check(r#"{{duration "1h30m"}} {{duration_seconds "-1.5s"}} {{duration "250ms"}}"#, "5400 -1.5 0.25");
        check(r#"{{duration "0"}} {{duration "+.5h"}} {{duration "1µs1ns"}}"#, "0 1800 1.001e-06");
        let check_text = |text: &str, expect: &str| {
            check_fault(
                &format!("{{{{duration `{text}`}}}}"),
                &format!("error calling duration: time: {expect}"),
            );
        };
        check_text("", r#"invalid duration """#);
        check_text("5", r#"missing unit in duration "5""#);
        check_text("1x", r#"unknown unit "x" in duration "1x""#);
        check_text("1h é", r#"unknown unit "h \xc3\xa9" in duration "1h \xc3\xa9""#);
        check_text("9999999h", r#"invalid duration "9999999h""#);
        check_text(".s", r#"invalid duration ".s""#);
        check_text("12345678901234567890", r#"invalid duration "12345678901234567890""#);
    }
}
