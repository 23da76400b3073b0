//! Numbers and durations: where they end, and which of the two they are.
//!
//! Digits may be grouped by `_` and begin with `0x`. What looks like a number need not be one: the
//! parser has the last word.

use super::super::ParseError;
use super::{Kind, Lexer, Token};
use crate::query::quote::quoted;

const DECIMAL: &str = "0123456789";
const HEXADECIMAL: &str = "0123456789abcdefABCDEF";

impl Lexer<'_> {
    /// Reads a number or a duration whose first character was read already.
    pub(super) fn number_or_duration(&mut self) -> Result<Token, ParseError> {
        self.pos = self.start;
        if self.scan_number() {
            return Ok(self.token(Kind::Number));
        }
        if self.scan_rest_of_duration() {
            return Ok(self.token(Kind::Duration));
        }
        // Where a duration ends in what cannot end one, that is shown too.
        let shown = quoted(&self.query[self.start..self.pos]);
        Err(self.error(format!("bad number or duration syntax: {shown}")))
    }

    /// Returns true when a number was read that ends where a word can end.
    fn scan_number(&mut self) -> bool {
        let mut digits = DECIMAL;
        if self.accept("0") && self.accept("xX") {
            self.accept("_");
            digits = HEXADECIMAL;
        }
        let (mut had_dot, mut had_exponent) = (false, false);
        self.accept(".");
        self.accept(digits);
        while let Some(next) = self.peek() {
            match next {
                '.' => {
                    self.pos += 1;
                    // Hexadecimal numbers have no fraction.
                    if had_dot || self.accept("_.") || digits == HEXADECIMAL {
                        return false;
                    }
                    had_dot = true;
                }
                // Among hexadecimal digits, too, `e` begins an exponent; as in Prometheus, which
                // reads it as a digit only behind another.
                'e' | 'E' => {
                    self.pos += 1;
                    if had_exponent {
                        return false;
                    }
                    had_exponent = true;
                    self.accept("+-");
                    if self.accept("._eE") || self.peek().is_none() {
                        return false;
                    }
                }
                '_' => {
                    self.pos += 1;
                    if self.accept("._eE") || self.peek().is_none() {
                        return false;
                    }
                }
                _ if digits.contains(next) => self.accept_while(|c| digits.contains(c)),
                _ => break,
            }
        }
        self.pos > self.start && !self.peek().is_some_and(is_word)
    }

    /// Returns true when units, and further digits and units, were read up to a word's end.
    fn scan_rest_of_duration(&mut self) -> bool {
        if !self.accept("smhdwy") {
            return false;
        }
        // Of `ms`; what has another unit before the `s` is refused when its value is asked for.
        self.accept("s");
        while self.accept(DECIMAL) {
            self.accept_while(|c| c.is_ascii_digit());
            if !self.accept("smhdw") {
                return false;
            }
            self.accept("s");
        }
        if self.peek().is_some_and(is_word) {
            self.next_char();
            return false;
        }
        true
    }
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}
