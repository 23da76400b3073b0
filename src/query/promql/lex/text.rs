//! Texts in quotes and their escapes, which are Go's.

use super::super::ParseError;
use super::{Kind, Lexer, Token};
use crate::query::quote::quoted_char;

impl Lexer<'_> {
    /// Reads a text up to its closing quote; the opening one was read.
    pub(super) fn text(&mut self, quote: char) -> Result<Token, ParseError> {
        loop {
            match self.next_char() {
                None | Some('\n') => return Err(self.error("unterminated quoted string")),
                Some('\\') => self.escape(quote)?,
                Some('\u{fffd}') => return Err(self.error("invalid UTF-8 rune")),
                Some(character) if character == quote => return Ok(self.token(Kind::Text)),
                Some(_) => {}
            }
        }
    }

    /// Reads a text without escapes up to its closing backtick.
    pub(super) fn raw_text(&mut self) -> Result<Token, ParseError> {
        loop {
            match self.next_char() {
                None => return Err(self.error("unterminated raw string")),
                Some('\u{fffd}') => return Err(self.error("invalid UTF-8 rune")),
                Some('`') => return Ok(self.token(Kind::Text)),
                Some(_) => {}
            }
        }
    }

    /// Reads what stands behind a backslash.
    fn escape(&mut self, quote: char) -> Result<(), ParseError> {
        let unterminated = "escape sequence not terminated";
        let Some(kind) = self.next_char() else { return Err(self.error(unterminated)) };
        let (n_digits, base, max) = match kind {
            'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' => return Ok(()),
            _ if kind == quote => return Ok(()),
            '0'..='7' => {
                self.pos -= 1;
                (3, 8, 0xff)
            }
            'x' => (2, 16, 0xff),
            'u' => (4, 16, char::MAX as u32),
            'U' => (8, 16, char::MAX as u32),
            other => return Err(self.error(format!("unknown escape sequence {}", code_point(other)))),
        };
        let mut value = 0_u32;
        for _ in 0..n_digits {
            let Some(digit) = self.next_char() else { return Err(self.error(unterminated)) };
            let Some(digit_value) = digit.to_digit(base) else {
                let shown = code_point(digit);
                return Err(self.error(format!("illegal character {shown} in escape sequence")));
            };
            value = value * base + digit_value;
        }
        if value > max || (0xd800..0xe000).contains(&value) {
            return Err(self.error("escape sequence is an invalid Unicode code point"));
        }
        Ok(())
    }
}

/// Returns a character as Go's `%#U`: `U+0071 'q'`.
fn code_point(character: char) -> String {
    let shown = quoted_char(character);
    // Go shows the character only if it can be printed, and then without escapes.
    match shown.as_str() {
        r"'\''" | r"'\\'" => format!("U+{:04X} '{character}'", character as u32),
        escaped if escaped.starts_with(r"'\") => format!("U+{:04X}", character as u32),
        plain => format!("U+{:04X} {plain}", character as u32),
    }
}

/// Returns what a text in quotes means; the lexer let it pass before.
///
/// Bytes written as `\xff` that are no UTF-8 together become `U+FFFD`: no label has such a value.
pub fn unquoted(text: &str) -> String {
    let mut chars = text.chars();
    let quote = chars.next();
    chars.next_back();
    let inner = chars.as_str();
    if quote == Some('`') || !inner.contains('\\') {
        return inner.to_string();
    }
    let mut res = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        res.extend_from_slice(&rest.as_bytes()[..at]);
        rest = push_unescaped(&mut res, &rest[at + 1..]);
    }
    res.extend_from_slice(rest.as_bytes());
    String::from_utf8(res).unwrap_or_else(|err| String::from_utf8_lossy(err.as_bytes()).into_owned())
}

/// Appends what the start of a text means that stood behind a backslash, and returns the rest.
fn push_unescaped<'t>(res: &mut Vec<u8>, escaped: &'t str) -> &'t str {
    let mut chars = escaped.chars();
    let Some(kind) = chars.next() else { return escaped };
    let (skipped, n_digits, base) = match kind {
        '0'..='7' => (0, 3, 8),
        'x' => (1, 2, 16),
        'u' => (1, 4, 16),
        'U' => (1, 8, 16),
        _ => {
            let character = match kind {
                'a' => '\u{7}',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'v' => '\u{b}',
                other => other,
            };
            res.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            return chars.as_str();
        }
    };
    let digits = escaped.get(skipped..skipped + n_digits).unwrap_or_default();
    let value = u32::from_str_radix(digits, base).unwrap_or_default();
    match u8::try_from(value) {
        Ok(byte) if n_digits < 4 => res.push(byte),
        _ => {
            let character = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
            res.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    escaped.get(skipped + n_digits..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_mean_what_they_mean_in_go() {
        assert_eq!(unquoted(r#""a\"\\\n\t\u00e9\U0001F600\x41\101""#), "a\"\\\n\té😀AA");
        assert_eq!(unquoted(r#""\xc3\xa9""#), "é");
        assert_eq!(unquoted(r#""\xff""#), "\u{fffd}");
        assert_eq!(unquoted(r"'it\'s'"), "it's");
        assert_eq!(unquoted(r"`a\n`"), r"a\n");
    }

    #[test]
    fn a_character_is_named_by_its_number() {
        assert_eq!(code_point('q'), "U+0071 'q'");
        assert_eq!(code_point('\''), "U+0027 '''");
        assert_eq!(code_point('\u{1}'), "U+0001");
    }
}
