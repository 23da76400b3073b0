//! Values in quotes without their escapes.
//!
//! Source: the package `go-logfmt`, which has the escapes of JSON and a quote's own.

/// Returns true when every escape between the quotes is one.
pub(super) fn is_quoted_right(raw: &str) -> bool {
    escapes(raw).all(|escape| escape.is_some())
}

/// Writes what is between the quotes, whose escapes are right, without them; a replacement character
/// for each half of a surrogate pair that stands alone.
pub(super) fn push_unquoted(res: &mut String, raw: &str) {
    let mut written = 0;
    for (at, character, len) in escapes(raw).flatten() {
        res.push_str(&raw[written..at]);
        res.push(character);
        written = at + len;
    }
    res.push_str(&raw[written..]);
}

/// Yields for each escape its place, its character and its length; none, and then nothing more, for
/// one that is wrong.
fn escapes(raw: &str) -> impl Iterator<Item = Option<(usize, char, usize)>> {
    let mut pos = Some(0);
    std::iter::from_fn(move || {
        let start = pos?;
        let at = start + memchr::memchr(b'\\', &raw.as_bytes()[start..])?;
        let escape = read_escape(&raw.as_bytes()[at..]);
        pos = escape.map(|(_, len)| at + len);
        Some(escape.map(|(character, len)| (at, character, len)))
    })
}

/// Reads an escape with its backslash.
fn read_escape(bytes: &[u8]) -> Option<(char, usize)> {
    let character = match bytes.get(1)? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        plain @ (b'"' | b'\\' | b'/' | b'\'') => char::from(*plain),
        b'u' => {
            let first = unit(bytes)?;
            let second = unit(&bytes[6..]);
            let pair = second.and_then(|second| char::decode_utf16([first, second]).next()?.ok());
            return Some(match (char::from_u32(first.into()), pair) {
                (Some(character), _) => (character, 6),
                (None, Some(character)) => (character, 12),
                (None, None) => (char::REPLACEMENT_CHARACTER, 6),
            });
        }
        _ => return None,
    };
    Some((character, 2))
}

/// Reads `\u` and four digits.
fn unit(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |sum, digit| Some(sum << 4 | char::from(*digit).to_digit(16)? as u16))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_become_their_characters() {
        let check = |raw: &str, expect: &str| {
            let mut res = String::new();
            push_unquoted(&mut res, raw);
            assert!(is_quoted_right(raw) && res == expect, "{raw:?} as {res:?}");
        };
        check("plain é", "plain é");
        check(r#"\"\\\/\'\b\f\n\r\té"#, "\"\\/'\u{8}\u{c}\n\r\té");
        check(r"a\u00e9\ud83d\ude00b", "aé😀b");
        check(r"\ud83dx\ude00\ud83d\u0041", "\u{fffd}x\u{fffd}\u{fffd}A");
    }

    #[test]
    fn wrong_escapes_are_refused() {
        for raw in [r"\x", r"a\n\", r"\u12", r"\u12g4", r"\é"] {
            assert!(!is_quoted_right(raw), "{raw:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_does_no_harm(text in any::<String>(), soup in r#"[\\u0d8cDfF"né]{0,30}"#) {
            for raw in [&text, &soup] {
                if is_quoted_right(raw) {
                    push_unquoted(&mut String::new(), raw);
                }
            }
        }
    }
}
