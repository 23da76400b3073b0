//! Strings of JSON without their escapes.
//!
//! As lenient as Loki's reader: a lone surrogate is refused, but what stands where the second of a
//! pair should be need only have four hexadecimal digits two characters further on. Source: what the
//! package `jsonparser` accepts.

use std::borrow::Cow;

/// First of the surrogates, which stand for the upper half of a character.
const SURROGATES_START: u32 = 0xd800;

/// First of those that stand for a lower half.
const LOW_SURROGATES_START: u32 = 0xdc00;

/// Last of the surrogates.
const SURROGATES_LAST: u32 = 0xdfff;

/// First character that needs a pair.
const PAIRS_START: u32 = 0x1_0000;

/// Returns what is between the quotes of a string without escapes; none when one of them is wrong.
pub(in crate::query::logql::extract) fn unescaped(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.contains('\\') {
        return Some(Cow::Borrowed(raw));
    }
    let mut res = String::with_capacity(raw.len());
    push_unescaped(&mut res, raw).then_some(Cow::Owned(res))
}

/// Writes what is between the quotes of a string as the value of a label: empty when an escape is
/// wrong, and a space for each replacement character.
pub(in crate::query::logql::extract) fn push_value(place: &mut String, raw: &str) {
    if !push_unescaped(place, raw) {
        place.clear();
    }
    if place.contains(char::REPLACEMENT_CHARACTER) {
        *place = place.replace(char::REPLACEMENT_CHARACTER, " ");
    }
}

/// Returns false when an escape is wrong; what was written up to there is of no use.
fn push_unescaped(res: &mut String, raw: &str) -> bool {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        res.push_str(&rest[..at]);
        let escape = &rest[at + 1..];
        let Some((character, len)) = read_escape(escape) else { return false };
        res.push(character);
        rest = &escape[len..];
    }
    res.push_str(rest);
    true
}

/// Reads what stands behind a backslash, and returns its length.
fn read_escape(text: &str) -> Option<(char, usize)> {
    let character = match text.as_bytes().first()? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        plain @ (b'"' | b'\\' | b'/') => char::from(*plain),
        b'u' => return read_unicode(text),
        _ => return None,
    };
    Some((character, 1))
}

/// Reads `u` and four digits, and six bytes more where they are a surrogate.
fn read_unicode(text: &str) -> Option<(char, usize)> {
    let first = hexadecimal(text.get(1..5)?)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, 5));
    }
    debug_assert!((SURROGATES_START..=SURROGATES_LAST).contains(&first));
    let second = hexadecimal(text.get(7..11)?)?.checked_sub(LOW_SURROGATES_START)?;
    let character = PAIRS_START + ((first - SURROGATES_START) << 10) + second;
    Some((char::from_u32(character).unwrap_or(char::REPLACEMENT_CHARACTER), 11))
}

fn hexadecimal(digits: &str) -> Option<u32> {
    digits.chars().try_fold(0, |sum, digit| Some(sum << 4 | digit.to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(raw: &str, expect: Option<&str>) {
        assert_eq!(unescaped(raw).as_deref(), expect, "{raw:?}");
    }

    #[test]
    fn escapes_become_their_characters() {
        check("plain é", Some("plain é"));
        check(r#"\"\\\/\b\f\n\r\t"#, Some("\"\\/\u{8}\u{c}\n\r\t"));
        check(r"a\u00e9b\u0000", Some("aéb\0"));
        check(r"\ud83d\uDE00!", Some("😀!"));
        check(r"\ud83déxde00!", None);
        check(r"\ud83déde00!", Some("😀!"));
        check(r"\udfff\uffff", Some("\u{fffd}"));
    }

    #[test]
    fn wrong_escapes_are_refused() {
        for raw in [r"\x", r"\", r"\u12", r"\u12g4", r"\ud83d", r"\ud83d\u0041", r"\uéé", r"\'", r"\u+123"]
        {
            check(raw, None);
        }
    }

    #[test]
    fn a_value_is_empty_or_has_spaces_for_what_cannot_be_read() {
        let check = |raw: &str, expect: &str| {
            let mut place = String::new();
            push_value(&mut place, raw);
            assert_eq!(place, expect, "{raw:?}");
        };
        check(r"a\ufffdb", "a b");
        check("a\u{fffd}b", "a b");
        check(r"ab\x", "");
        check(r"a\tb", "a\tb");
    }

    proptest! {
        #[test]
        fn any_text_does_no_harm(text in any::<String>(), soup in r#"[\\u0d8cDfF"né]{0,30}"#) {
            let _ = (unescaped(&text), unescaped(&soup));
        }
    }
}
