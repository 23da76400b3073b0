//! What numbers mean.
//!
//! Whole numbers may be written in any base of Go's (`0x1F`, `017`) and grouped by `_`.
//! Source: Go, `strconv.ParseInt` with base 0 and `strconv.ParseFloat`, which Prometheus tries in
//! this order.

use super::super::ParseError;
use super::super::ast::Number;
use super::super::duration::parse_duration;
use super::super::lex::Kind;
use super::Parser;
use crate::query::quote::quoted;

impl Parser<'_> {
    /// Reads a number or a duration, if one comes next.
    pub(super) fn number(&mut self) -> Result<Option<Number>, ParseError> {
        let is_duration = match self.peek()? {
            Kind::Number => false,
            Kind::Duration => true,
            _ => return Ok(None),
        };
        let token = self.next()?;
        let text = token.text(self.query);
        let value = if is_duration { seconds(text) } else { number(text) };
        let value = value.map_err(|message| self.error(token.span.clone(), message))?;
        Ok(Some(Number { value, is_duration, span: token.span }))
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let ms = parse_duration(text)?;
    // Two exact parts, added: as Go's `Duration.Seconds`.
    Ok((ms / 1_000) as f64 + ((ms % 1_000) * 1_000_000) as f64 / 1e9)
}

/// Returns the value of a number as it is written, without sign.
fn number(text: &str) -> Result<f64, String> {
    if let Some(whole) = whole(text) {
        return Ok(whole as f64);
    }
    let because = |reason: &str| {
        format!("error parsing number: strconv.ParseFloat: parsing {}: {reason}", quoted(text))
    };
    // A hexadecimal number that is too large for a whole one would need an exponent, which the
    // lexer does not read.
    if !has_underscores_between_digits(text) || base(text).is_some() {
        return Err(because("invalid syntax"));
    }
    match text.replace('_', "").parse::<f64>() {
        Ok(value) if value.is_infinite() && text.bytes().any(|byte| byte.is_ascii_digit()) => {
            Err(because("value out of range"))
        }
        Ok(value) => Ok(value),
        Err(_) => Err(because("invalid syntax")),
    }
}

/// Returns the value if it is whole and fits.
fn whole(text: &str) -> Option<i64> {
    let (radix, digits) = match base(text) {
        Some(radix) => (radix, &text[2..]),
        None if text.starts_with('0') => (8, text),
        None => (10, text),
    };
    if !has_underscores_between_digits(text) {
        return None;
    }
    i64::from_str_radix(&digits.replace('_', ""), radix).ok()
}

/// Returns the base that a number names before its digits.
fn base(text: &str) -> Option<u32> {
    match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => Some(16),
        _ => None,
    }
}

/// Returns true when each underscore has a digit, or the `0x`, before it and a digit behind it.
fn has_underscores_between_digits(text: &str) -> bool {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = text.as_bytes();
    let is_prefix_before = |at: usize| at == 2 && base(text).is_some();
    bytes.iter().enumerate().filter(|(_, byte)| **byte == b'_').all(|(at, _)| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        (is_digit(before) || is_prefix_before(at)) && is_digit(bytes.get(at + 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_go_s_bases_and_underscores() {
        for (text, value) in [
            ("0x1F", 31.0),
            ("0x_1_f", 31.0),
            ("017", 15.0),
            ("08", 8.0),
            ("1_000.5", 1000.5),
            ("1e-3", 0.001),
            ("5.", 5.0),
            (".5", 0.5),
            ("9223372036854775808", 9_223_372_036_854_775_808.0),
            ("iNf", f64::INFINITY),
        ] {
            assert_eq!(number(text), Ok(value), "{text}");
        }
        assert!(number("NaN").unwrap().is_nan());
        let refused = |text: &str| number(text).unwrap_err();
        assert!(refused("1e400").ends_with(r#"parsing "1e400": value out of range"#));
        assert!(refused("0x").ends_with(r#"parsing "0x": invalid syntax"#));
        assert!(refused("0xfffffffffffffffff").ends_with("invalid syntax"));
    }

    #[test]
    fn durations_are_seconds() {
        assert_eq!(seconds("1m500ms"), Ok(60.5));
    }
}
