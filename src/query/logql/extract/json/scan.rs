//! Where the values of a line of JSON begin and end.
//!
//! It goes forward only and builds nothing. It is as lenient as Loki's reader: a number is whatever
//! begins like one, an array or an object goes to the bracket that closes it whatever stands inside,
//! a comma may come last. Source: what the package `jsonparser` accepts, and its words for the rest.

use std::borrow::Cow;

use super::unescape::unescaped;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::query::logql::extract) enum Kind {
    String,
    Number,
    Object,
    Array,
    Boolean,
    Null,
}

/// A value as it stands in the line; of a string what is between the quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::query::logql::extract) struct Value<'l> {
    pub(in crate::query::logql::extract) kind: Kind,
    pub(in crate::query::logql::extract) text: &'l str,
    /// Where what follows it begins.
    pub(in crate::query::logql::extract) end: usize,
}

/// Why a line is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::query::logql::extract) enum Fault {
    #[error("Malformed JSON error")]
    Json,
    #[error("Value looks like object, but can't find closing '}}' symbol")]
    Object,
    #[error("Value is array, but can't find closing ']' symbol")]
    Array,
    #[error("Value is string, but can't find closing '\"' symbol")]
    String,
    #[error("Unknown value type")]
    Unknown,
    #[error("Encountered an invalid escape sequence in a string")]
    Escape,
    #[error("objects are nested more than {} levels deep", super::DEPTH_MAX)]
    Depth,
}

/// The members of an object, one after the other.
pub(in crate::query::logql::extract) struct Members<'l> {
    text: &'l str,
    pos: usize,
    is_open: bool,
}

impl<'l> Members<'l> {
    /// Reads an object at the beginning of a text.
    pub(in crate::query::logql::extract) fn new(text: &'l str) -> Self {
        Self { text, pos: 0, is_open: false }
    }

    /// Returns the next member, none at the end. What stands behind the object is not read.
    pub(in crate::query::logql::extract) fn next(
        &mut self,
    ) -> Result<Option<(Cow<'l, str>, Value<'l>)>, Fault> {
        let bytes = self.text.as_bytes();
        if !self.reach_member()? {
            return Ok(None);
        }
        let (start, (end, has_escapes)) = match bytes[self.pos] {
            b'}' => return Ok(None),
            b'"' => (self.pos + 1, string_end(bytes, self.pos + 1).ok_or(Fault::Json)?),
            _ => return Err(Fault::Object),
        };
        let mut key = Cow::Borrowed(&self.text[start..end]);
        if has_escapes {
            key = Cow::Owned(unescaped(&key).ok_or(Fault::Escape)?.into_owned());
        }
        let colon = next_token(bytes, end + 1).filter(|pos| bytes[*pos] == b':').ok_or(Fault::Json)?;
        let value = value_at(self.text, colon + 1)?;
        self.pos = value.end;
        Ok(Some((key, value)))
    }

    /// Goes to where a member or the closing brace should be; false when the object ends before.
    fn reach_member(&mut self) -> Result<bool, Fault> {
        let bytes = self.text.as_bytes();
        let (opening, before_first, behind) = match self.is_open {
            false => (b'{', Fault::Object, Fault::Json),
            true => (b',', Fault::Array, Fault::Array),
        };
        let pos = next_token(bytes, self.pos).ok_or(before_first)?;
        if self.is_open && bytes[pos] == b'}' {
            return Ok(false);
        }
        if bytes[pos] != opening {
            return Err(Fault::Object);
        }
        self.is_open = true;
        self.pos = next_token(bytes, pos + 1).ok_or(behind)?;
        Ok(true)
    }
}

/// Returns the value that stands at a place or behind white space there.
#[inline]
pub(in crate::query::logql::extract) fn value_at(line: &str, pos: usize) -> Result<Value<'_>, Fault> {
    let bytes = line.as_bytes();
    let start = next_token(bytes, pos).ok_or(Fault::Json)?;
    if bytes[start] == b'"' {
        let (end, _) = string_end(bytes, start + 1).ok_or(Fault::String)?;
        return Ok(Value { kind: Kind::String, text: &line[start + 1..end], end: end + 1 });
    }
    let (kind, end) = match bytes[start] {
        b'{' => (Kind::Object, block_end(bytes, start, b'{', b'}').ok_or(Fault::Object)?),
        b'[' => (Kind::Array, block_end(bytes, start, b'[', b']').ok_or(Fault::Array)?),
        first => {
            let is_of_word = |byte: &u8| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b',' | b'}' | b']');
            let end = start + bytes[start..].iter().take_while(|byte| is_of_word(byte)).count();
            let kind = match (first, &bytes[start..end]) {
                (b'0'..=b'9' | b'-', _) => Kind::Number,
                (_, b"true" | b"false") => Kind::Boolean,
                (_, b"null") => Kind::Null,
                _ => return Err(Fault::Unknown),
            };
            (kind, end)
        }
    };
    Ok(Value { kind, text: &line[start..end], end })
}

/// Returns where the next character stands that is no white space.
#[inline]
pub(super) fn next_token(bytes: &[u8], pos: usize) -> Option<usize> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
    bytes.get(pos..)?.iter().position(|byte| !is_space(byte)).map(|n_spaces| pos + n_spaces)
}

/// Returns where the quote stands that ends a string which begins at a place, and whether there are
/// backslashes before it.
#[inline]
pub(super) fn string_end(bytes: &[u8], mut pos: usize) -> Option<(usize, bool)> {
    let mut has_escapes = false;
    loop {
        pos = quote_or_backslash(bytes, pos)?;
        if bytes[pos] == b'"' {
            return Some((pos, has_escapes));
        }
        has_escapes = true;
        pos += 2;
    }
}

/// Returns where the next quote or backslash stands. Strings are short: eight bytes at once are
/// twice as fast here as what begins with setting up wider registers.
#[inline]
fn quote_or_backslash(bytes: &[u8], mut pos: usize) -> Option<usize> {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    // The lowest bit that is set stands in the first byte that is zero.
    let zeros = |word: u64| word.wrapping_sub(EACH) & !word & (EACH << 7);
    while let Some(eight) = bytes.get(pos..).and_then(|rest| rest.first_chunk()) {
        let word = u64::from_le_bytes(*eight);
        let hits = zeros(word ^ (EACH * b'"' as u64)) | zeros(word ^ (EACH * b'\\' as u64));
        if hits != 0 {
            return Some(pos + hits.trailing_zeros() as usize / 8);
        }
        pos += 8;
    }
    let rest = bytes.get(pos..)?;
    rest.iter().position(|byte| matches!(byte, b'"' | b'\\')).map(|idx| pos + idx)
}

/// Returns where the bracket that closes the one at a place is passed; brackets in strings do not
/// count.
pub(super) fn block_end(bytes: &[u8], start: usize, opening: u8, closing: u8) -> Option<usize> {
    let (mut level, mut pos) = (0_usize, start);
    while let Some(byte) = bytes.get(pos) {
        pos += 1;
        if *byte == b'"' {
            pos = string_end(bytes, pos)?.0 + 1;
        } else if *byte == opening {
            level += 1;
        } else if *byte == closing {
            level -= 1;
            if level == 0 {
                return Some(pos);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(line: &str, expect: Result<(Kind, &str), Fault>) {
        assert_eq!(value_at(line, 0).map(|value| (value.kind, value.text)), expect, "{line:?}");
    }

    #[test]
    fn values_end_where_they_are_closed() {
        check(r#" "a\"b" c"#, Ok((Kind::String, r#"a\"b"#)));
        check(r#""a\\" c"#, Ok((Kind::String, r"a\\")));
        check(r#"{"a}":{"b":1}} 2"#, Ok((Kind::Object, r#"{"a}":{"b":1}}"#)));
        check(r#"["]",[1]],"#, Ok((Kind::Array, r#"["]",[1]]"#)));
        check("-1.5e3,", Ok((Kind::Number, "-1.5e3")));
        check("0x\"y}", Ok((Kind::Number, "0x\"y")));
        check("true", Ok((Kind::Boolean, "true")));
        check("null]", Ok((Kind::Null, "null")));
    }

    #[test]
    fn what_is_no_value_is_told_apart() {
        check("  ", Err(Fault::Json));
        check("\"abc\\\"", Err(Fault::String));
        check("{[}", Ok((Kind::Object, "{[}")));
        check("{", Err(Fault::Object));
        check("[\"]", Err(Fault::Array));
        check("nul", Err(Fault::Unknown));
        check(",", Err(Fault::Unknown));
        check("é", Err(Fault::Unknown));
    }

    proptest! {
        #[test]
        fn quotes_are_found_as_one_by_one(text in "[\"\\\\a!#é]{0,40}", pos in 0..50_usize) {
            let bytes = text.as_bytes();
            let expect = (pos..bytes.len()).find(|idx| matches!(bytes[*idx], b'"' | b'\\'));
            prop_assert_eq!(quote_or_backslash(bytes, pos), expect);
        }
    }
}
