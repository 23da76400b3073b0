//! Numbers, characters and texts as Go's sources write them.
//!
//! Source: The Go Programming Language Specification, "Lexical elements". Complex numbers are no
//! numbers here: no function takes one, and nobody writes them into log lines.

use super::quoted;
use crate::query::logql::go_float::parse_float;

/// A number, with every type that it can have.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Number {
    pub(super) written: String,
    /// Also of `1.0` and `1e3`, which are floats where the type is not given.
    pub(super) int: Option<i64>,
    /// None only of what is an integer beyond an `i64`, but not an `u64`.
    pub(super) float: Option<f64>,
    /// What it is where nothing asks for a type.
    pub(super) is_float: bool,
}

/// The first float that is too large for an `i64`; its negative is not too small.
pub(super) const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

/// Reads a number, as it was lexed.
pub(super) fn number(text: &str) -> Result<Number, String> {
    let number = |int, float, is_float| Number { written: text.to_string(), int, float, is_float };
    let is_hex = text.trim_start_matches(['+', '-']).to_ascii_lowercase().starts_with("0x");
    let looks_like_float = text.contains(['.', 'p', 'P']) || (!is_hex && text.contains(['e', 'E']));
    if !looks_like_float && let Some(int) = integer(text) {
        return Ok(number(int.try_into().ok(), Some(int as f64), false));
    }
    let float = parse_float(text).map_err(|_| format!("illegal number syntax: {}", quoted(text)))?;
    if !looks_like_float {
        return Err(format!("integer overflow: {}", quoted(text)));
    }
    let is_int = float.fract() == 0.0 && (-TWO_TO_63..TWO_TO_63).contains(&float);
    let int = is_int.then_some(float as i64);
    Ok(number(int, Some(float), true))
}

/// Reads what Go's `ParseInt` and `ParseUint` take for the base 0 and 64 bits.
pub(super) fn integer(text: &str) -> Option<i128> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let prefix = digits.get(..2).unwrap_or_default().to_ascii_lowercase();
    let (base, digits, has_prefix) = match prefix.as_str() {
        "0x" => (16, &digits[2..], true),
        "0o" => (8, &digits[2..], true),
        "0b" => (2, &digits[2..], true),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..], true),
        _ => (10, digits, false),
    };
    let digits = without_underscores(digits, has_prefix)?;
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(base)) {
        return None;
    }
    let value = sign * i128::from(u64::from_str_radix(&digits, base).ok()?);
    // An unsigned number has no sign.
    let is_signed = text.starts_with(['-', '+']);
    (value >= i128::from(i64::MIN) && (!is_signed || value <= i128::from(i64::MAX))).then_some(value)
}

/// Leaves underscores out, which stand between digits only, or behind a prefix.
fn without_underscores(digits: &str, has_prefix: bool) -> Option<String> {
    let is_wrong = digits.contains("__") || digits.ends_with('_') || (digits.starts_with('_') && !has_prefix);
    (!is_wrong).then(|| digits.replace('_', ""))
}

/// Reads a character in single quotes as its code point.
pub(super) fn character(text: &str) -> Result<Number, String> {
    let malformed = || format!("malformed character constant: {text}");
    let inside = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).ok_or_else(malformed)?;
    let (unit, rest) = unit(inside, '\'')?;
    if !rest.is_empty() {
        return Err(malformed());
    }
    let point = match unit {
        Unit::Byte(byte) => i64::from(byte),
        Unit::Char(c) => i64::from(c as u32),
    };
    Ok(Number { written: text.to_string(), int: Some(point), float: Some(point as f64), is_float: false })
}

/// Reads a text in double quotes or backticks.
pub(super) fn text(written: &str) -> Result<String, String> {
    if let Some(raw) = written.strip_prefix('`') {
        return Ok(raw.trim_end_matches('`').replace('\r', ""));
    }
    let inside = written.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let mut rest = inside.ok_or("invalid syntax")?;
    let mut bytes = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        let (next, after) = unit(rest, '"')?;
        match next {
            Unit::Byte(byte) => bytes.push(byte),
            Unit::Char(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        rest = after;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

enum Unit {
    Byte(u8),
    Char(char),
}

/// Takes a character or an escape off the front of a text.
fn unit(text: &str, quote: char) -> Result<(Unit, &str), String> {
    let invalid = || "invalid syntax".to_string();
    let first = text.chars().next().ok_or_else(invalid)?;
    let rest = &text[first.len_utf8()..];
    if first == quote {
        return Err(invalid());
    }
    if first != '\\' {
        return Ok((Unit::Char(first), rest));
    }
    let escape = rest.chars().next().ok_or_else(invalid)?;
    let after = &rest[escape.len_utf8()..];
    let digits = |text: &str, n_digits: usize, base: u32| {
        let digits = text.get(..n_digits).filter(|digits| digits.chars().all(|c| c.is_digit(base)));
        digits.and_then(|digits| u32::from_str_radix(digits, base).ok()).ok_or_else(invalid)
    };
    let (unit, n_digits) = match escape {
        'a' => (Unit::Char('\u{7}'), 0),
        'b' => (Unit::Char('\u{8}'), 0),
        'f' => (Unit::Char('\u{c}'), 0),
        'n' => (Unit::Char('\n'), 0),
        'r' => (Unit::Char('\r'), 0),
        't' => (Unit::Char('\t'), 0),
        'v' => (Unit::Char('\u{b}'), 0),
        '\\' => (Unit::Char('\\'), 0),
        c if c == quote => (Unit::Char(c), 0),
        'x' => (Unit::Byte(digits(after, 2, 16)? as u8), 2),
        'u' => (Unit::Char(char::from_u32(digits(after, 4, 16)?).ok_or_else(invalid)?), 4),
        'U' => (Unit::Char(char::from_u32(digits(after, 8, 16)?).ok_or_else(invalid)?), 8),
        '0'..='7' => {
            let value = digits(rest, 3, 8)?;
            return Ok((Unit::Byte(u8::try_from(value).map_err(|_| invalid())?), &rest[3..]));
        }
        _ => return Err(invalid()),
    };
    Ok((unit, &after[n_digits..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_types_of_go() {
        let check = |text: &str, int: Option<i64>, value: f64, is_float: bool| {
            let read = number(text).unwrap();
            assert_eq!((read.int, read.float, read.is_float), (int, Some(value), is_float), "{text}");
        };
        check("12", Some(12), 12.0, false);
        check("-0x1F", Some(-31), -31.0, false);
        check("0b101", Some(5), 5.0, false);
        check("010", Some(8), 8.0, false);
        check("1_000", Some(1000), 1000.0, false);
        check("1e3", Some(1000), 1000.0, true);
        check("1.5", None, 1.5, true);
        check("0x1p4", Some(16), 16.0, true);
        check("0x1e", Some(30), 30.0, false);
        check("9223372036854775808", None, 9.223_372_036_854_776e18, false);
        for text in ["08", "99999999999999999999"] {
            assert_eq!(number(text).unwrap_err(), format!("integer overflow: \"{text}\""));
        }
        for text in [".", "1_", "1i", "1+2i", "0x", "1e"] {
            assert_eq!(number(text).unwrap_err(), format!("illegal number syntax: \"{text}\""));
        }
    }

    #[test]
    fn escapes_are_those_of_go() {
        let check = |written: &str, expect: &str| assert_eq!(text(written).unwrap(), expect, "{written}");
        check(r#""a\tb\"\\é""#, "a\tb\"\\é");
        check(r#""\x41\101\u00e9\U0001F600""#, "AAé😀");
        check("`a\\n\r\n`", "a\\n\n");
        check(r#""\xff""#, "\u{fffd}");
        for wrong in [r#""\q""#, r#""\'""#, r#""\x4""#, r#""\400""#, r#""\ud800""#] {
            assert_eq!(text(wrong).unwrap_err(), "invalid syntax", "{wrong}");
        }
        assert_eq!(character("'a'").unwrap().int, Some(97));
        assert_eq!(character(r"'\''").unwrap().int, Some(39));
        assert_eq!(character("'ab'").unwrap_err(), "malformed character constant: 'ab'");
        assert_eq!(character("''").unwrap_err(), "invalid syntax");
    }
}
