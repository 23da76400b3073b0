//! Numbers as Go reads them from a text, and its words for what is none.
//!
//! Source: the documentation of Go's `strconv.ParseFloat`.

use crate::query::quote::quoted;

/// Most digits of a whole number that a float holds exactly.
const EXACT_DIGITS_MAX: usize = 15;

/// A text that is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FloatError {
    /// It is not written like one.
    #[error("invalid syntax")]
    Syntax,
    /// It is above the largest float.
    #[error("value out of range")]
    Range,
}

impl FloatError {
    /// Returns what Go says of a text that has this fault.
    pub fn about(self, text: &str) -> String {
        format!("strconv.ParseFloat: parsing {}: {self}", quoted(text))
    }
}

/// Reads a number: decimal, hexadecimal with an exponent of two, infinite, or `NaN`.
pub fn parse_float(text: &str) -> Result<f64, FloatError> {
    let bytes = text.as_bytes();
    if bytes.len() <= EXACT_DIGITS_MAX && !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit) {
        let digit = |sum: u64, byte: &u8| sum * 10 + u64::from(byte - b'0');
        return Ok(bytes.iter().fold(0, digit) as f64);
    }
    if !bytes.contains(&b'_') {
        return without_underscores(text);
    }
    if !are_underscores_right(text) {
        return Err(FloatError::Syntax);
    }
    without_underscores(&text.replace('_', ""))
}

/// Returns true when each underscore stands between digits, or between the prefix and a digit.
fn are_underscores_right(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text).to_ascii_lowercase();
    let digits = unsigned.strip_prefix("0x");
    let (digits, radix) = digits.map_or((unsigned.as_str(), 10), |digits| (digits, 16));
    let mut before = if radix == 16 { '0' } else { '.' };
    let are_right = digits.chars().all(|c| {
        let is_right = match (before, c) {
            ('_', c) => c.is_digit(radix),
            (before, '_') => before.is_digit(radix),
            _ => true,
        };
        before = c;
        is_right
    });
    are_right && before != '_'
}

fn without_underscores(text: &str) -> Result<f64, FloatError> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned.starts_with("0x") || unsigned.starts_with("0X") {
        let value = hexadecimal(&unsigned[2..])?;
        return Ok(if text.starts_with('-') { -value } else { value });
    }
    let value: f64 = text.parse().map_err(|_| FloatError::Syntax)?;
    let is_of_digits = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    match value {
        // Go knows no sign of what is no number.
        value if value.is_nan() && unsigned.len() < text.len() => Err(FloatError::Syntax),
        value if value.is_infinite() && is_of_digits => Err(FloatError::Range),
        value => Ok(value),
    }
}

/// Reads what stands behind `0x`: digits, at most one point, and the exponent that Go wants.
fn hexadecimal(text: &str) -> Result<f64, FloatError> {
    let at = text.find(['p', 'P']).ok_or(FloatError::Syntax)?;
    let (digits, exponent) = (&text[..at], &text[at + 1..]);
    let exponent_digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(exponent_digits) {
        return Err(FloatError::Syntax);
    }
    let (mut mantissa, mut shift, mut n_digits, mut had_point) = (0_u64, 0_i64, 0, false);
    for c in digits.chars() {
        if c == '.' && !had_point {
            had_point = true;
            continue;
        }
        let digit = u64::from(c.to_digit(16).ok_or(FloatError::Syntax)?);
        n_digits += 1;
        if mantissa >> 60 == 0 {
            mantissa = mantissa << 4 | digit;
            shift -= if had_point { 4 } else { 0 };
        } else {
            // What is far behind only says that there is something.
            mantissa |= u64::from(digit != 0);
            shift += if had_point { 0 } else { 4 };
        }
    }
    if n_digits == 0 {
        return Err(FloatError::Syntax);
    }
    let exponent =
        exponent.parse::<i64>().unwrap_or(if exponent.starts_with('-') { i64::MIN } else { i64::MAX });
    let value = scaled(mantissa as f64, exponent.saturating_add(shift));
    if value.is_infinite() { Err(FloatError::Range) } else { Ok(value) }
}

/// Multiplies with a power of two, in steps that are powers themselves.
fn scaled(mut value: f64, exponent: i64) -> f64 {
    const STEP: i64 = 512;
    let mut left = exponent.clamp(-4 * STEP, 4 * STEP);
    while left != 0 && value != 0.0 {
        let step = left.clamp(-STEP, STEP);
        value *= 2_f64.powi(step as i32);
        left -= step;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<f64, FloatError>) {
        match (parse_float(text), expect) {
            (Ok(value), Ok(expect)) => assert_eq!(value.to_bits(), expect.to_bits(), "{text:?}"),
            (value, expect) => assert_eq!(value, expect, "{text:?}"),
        }
    }

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        check("500", Ok(500.0));
        check("123456789012345", Ok(123_456_789_012_345.0));
        check("-0.5e3", Ok(-500.0));
        check(".5", Ok(0.5));
        check("5.", Ok(5.0));
        check("+Inf", Ok(f64::INFINITY));
        check("-infinity", Ok(f64::NEG_INFINITY));
        check("NaN", Ok(f64::NAN));
        check("0x1p-2", Ok(0.25));
        check("-0X_1.8P1", Ok(-3.0));
        check("0x.8p1", Ok(1.0));
        check("0x1fffffffffffffp0", Ok(9_007_199_254_740_991.0));
        check("0x1p-2000", Ok(0.0));
        check("1_000.5e1_0", Ok(1e13 + 5e9));
    }

    #[test]
    fn what_is_no_number_is_said_as_go_says_it() {
        for text in [
            "",
            "abc",
            "_1",
            "1__0",
            "1_",
            "1_.0",
            "in_f",
            " 1",
            "+nan",
            "0x1",
            "0xp1",
            "0x1_p1",
            "0x__1p1",
            "0x1.1.1p1",
            "1e",
            ".",
        ] {
            check(text, Err(FloatError::Syntax));
        }
        check("1e999", Err(FloatError::Range));
        check("0x1p5000", Err(FloatError::Range));
        assert_eq!(FloatError::Syntax.about("a\"b"), r#"strconv.ParseFloat: parsing "a\"b": invalid syntax"#);
        assert_eq!(
            FloatError::Range.about("1e999"),
            r#"strconv.ParseFloat: parsing "1e999": value out of range"#
        );
    }
}
