//! Pairs of a line of logfmt: `level=info msg="a \"b\"" done`.
//!
//! What is wrong is said and skipped, up to the next white space or behind the wrong text, so that a
//! caller may go on. Positions count bytes from 1. Source: the package `go-logfmt` as Loki has it.

use super::unquote::is_quoted_right;

/// A key with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair<'l> {
    pub(super) key: &'l str,
    /// Empty when there is none.
    pub(super) value: &'l str,
    /// The value was in quotes and still has its escapes.
    pub(super) has_escapes: bool,
}

/// Why a piece of a line is no pair.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("logfmt syntax error at pos {pos} : {reason}")]
pub(super) struct Fault {
    pos: usize,
    reason: &'static str,
}

const INVALID_KEY: &str = "invalid key";
const UNEXPECTED_EQUALS: &str = "unexpected '='";
const UNEXPECTED_QUOTE: &str = "unexpected '\"'";
const INVALID_QUOTED: &str = "invalid quoted value";
const UNTERMINATED: &str = "unterminated quoted value";

/// The pairs of a line, one after the other.
pub(super) struct Pairs<'l> {
    line: &'l str,
    pos: usize,
}

impl<'l> Pairs<'l> {
    pub(super) fn new(line: &'l str) -> Self {
        Self { line, pos: 0 }
    }

    /// Returns where the next byte stands that `ends` something, or the end of the line.
    #[inline]
    fn end_of(&self, from: usize, ends: impl Fn(u8) -> bool) -> usize {
        let bytes = &self.line.as_bytes()[from..];
        from + bytes.iter().position(|byte| ends(*byte)).unwrap_or(bytes.len())
    }

    fn byte(&self, pos: usize) -> Option<u8> {
        self.line.as_bytes().get(pos).copied()
    }

    fn fault(&self, reason: &'static str) -> Fault {
        Fault { pos: self.pos + 1, reason }
    }

    /// Says what is wrong here, and goes to the next white space.
    fn skip_piece(&mut self, reason: &'static str) -> Fault {
        let fault = self.fault(reason);
        self.pos = self.end_of(self.pos, is_space);
        fault
    }

    fn pair(&mut self) -> Result<Pair<'l>, Fault> {
        let start = self.pos;
        self.pos = self.end_of(start, |byte| byte <= b' ' || byte == b'=' || byte == b'"');
        let key = &self.line[start..self.pos];
        let is_wrong = key.contains(char::REPLACEMENT_CHARACTER);
        match self.byte(self.pos) {
            Some(b'"') => return Err(self.skip_piece(UNEXPECTED_QUOTE)),
            Some(b'=') if key.is_empty() => return Err(self.skip_piece(UNEXPECTED_EQUALS)),
            Some(b'=') if is_wrong => return Err(self.skip_piece(INVALID_KEY)),
            _ if is_wrong => return Err(self.fault(INVALID_KEY)),
            Some(b'=') => self.pos += 1,
            _ => return Ok(Pair { key, value: "", has_escapes: false }),
        }
        if self.byte(self.pos) == Some(b'"') {
            return self.quoted(key);
        }
        let start = self.pos;
        self.pos = self.end_of(start, |byte| byte <= b' ' || byte == b'=' || byte == b'"');
        match self.byte(self.pos) {
            Some(b'=') => Err(self.skip_piece(UNEXPECTED_EQUALS)),
            Some(b'"') => Err(self.skip_piece(UNEXPECTED_QUOTE)),
            _ => Ok(Pair { key, value: &self.line[start..self.pos], has_escapes: false }),
        }
    }

    fn quoted(&mut self, key: &'l str) -> Result<Pair<'l>, Fault> {
        let start = self.pos + 1;
        let (mut end, mut has_escapes) = (start, false);
        loop {
            let rest = &self.line.as_bytes()[end.min(self.line.len())..];
            let Some(at) = memchr::memchr2(b'"', b'\\', rest) else {
                self.pos = self.line.len();
                return Err(self.fault(UNTERMINATED));
            };
            end += at;
            if rest[at] == b'"' {
                break;
            }
            has_escapes = true;
            end += 2;
        }
        self.pos = end + 1;
        let value = &self.line[start..end];
        if has_escapes && !is_quoted_right(value) {
            return Err(self.fault(INVALID_QUOTED));
        }
        Ok(Pair { key, value, has_escapes })
    }
}

impl<'l> Iterator for Pairs<'l> {
    type Item = Result<Pair<'l>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.pos = self.end_of(self.pos, |byte| !is_space(byte));
        (self.pos < self.line.len()).then(|| self.pair())
    }
}

fn is_space(byte: u8) -> bool {
    byte <= b' '
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expect: &[Result<(&str, &str), &str>]) {
        let read: Vec<_> = Pairs::new(line).map(|pair| pair.map_err(|fault| fault.to_string())).collect();
        let read: Vec<_> = read
            .iter()
            .map(|pair| pair.as_ref().map(|pair| (pair.key, pair.value)).map_err(String::as_str))
            .collect();
        assert_eq!(read, expect, "{line:?}");
    }

    #[test]
    fn pairs_are_parted_by_white_space() {
        check(
            "a=1 b=é\tc  d= e=\"x y\"f=2\n",
            &[Ok(("a", "1")), Ok(("b", "é")), Ok(("c", "")), Ok(("d", "")), Ok(("e", "x y")), Ok(("f", "2"))],
        );
        check(r#"a="" b="x\"y""#, &[Ok(("a", "")), Ok(("b", r#"x\"y"#))]);
        check("  ", &[]);
    }

    #[test]
    fn what_is_wrong_is_said_and_skipped() {
        check("=1 a=1", &[Err("logfmt syntax error at pos 1 : unexpected '='"), Ok(("a", "1"))]);
        check("a=b=c d", &[Err("logfmt syntax error at pos 4 : unexpected '='"), Ok(("d", ""))]);
        check("a\"b c", &[Err("logfmt syntax error at pos 2 : unexpected '\"'"), Ok(("c", ""))]);
        check("a=b\"c d", &[Err("logfmt syntax error at pos 4 : unexpected '\"'"), Ok(("d", ""))]);
        check("a=\"b c", &[Err("logfmt syntax error at pos 7 : unterminated quoted value")]);
        check(r#"a="b\"#, &[Err("logfmt syntax error at pos 6 : unterminated quoted value")]);
        check(r#"a="\x" b"#, &[Err("logfmt syntax error at pos 7 : invalid quoted value"), Ok(("b", ""))]);
        check("a\u{fffd}=1 b", &[Err("logfmt syntax error at pos 5 : invalid key"), Ok(("b", ""))]);
        check("a\u{fffd} b", &[Err("logfmt syntax error at pos 5 : invalid key"), Ok(("b", ""))]);
    }
}
