//! Names of labels, made of whatever a line calls its fields.
//!
//! A label's name has letters, digits and underscores of ASCII and does not begin with a digit.
//! Source: Loki, what its parsers make of a key: white space around it goes, a first digit gets an
//! underscore before it, every other character becomes one.

use std::borrow::Cow;

/// Returns the name of a label for a key; empty when nothing of the key is left.
pub fn sanitized(key: &str) -> Cow<'_, str> {
    if is_name(key) {
        return Cow::Borrowed(key);
    }
    let mut res = String::with_capacity(key.len() + 1);
    push_sanitized(&mut res, key);
    Cow::Owned(res)
}

/// Returns true when a key is a label's name as it is.
pub fn is_name(key: &str) -> bool {
    let bytes = key.as_bytes();
    bytes.first().is_some_and(|first| !first.is_ascii_digit()) && bytes.iter().all(|byte| is_of_name(*byte))
}

/// Writes what a key is called behind what `res` has already. Only what begins a name gets an
/// underscore for its first digit.
pub fn push_sanitized(res: &mut String, key: &str) {
    let key = key.trim();
    if res.is_empty() && key.starts_with(|c: char| c.is_ascii_digit()) {
        res.push('_');
    }
    res.extend(key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }));
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: &str, expect: &str) {
        assert_eq!(sanitized(key), expect, "{key:?}");
    }

    #[test]
    fn names_stay_and_the_rest_becomes_one() {
        check("status_code", "status_code");
        check("a.b-c", "a_b_c");
        check("1st", "_1st");
        check(" a b\u{a0}", "a_b");
        check(" 1", "_1");
        check("é\u{fffd}日", "___");
        check("_", "_");
        check("", "");
        check(" \u{2003}\t", "");
    }

    #[test]
    fn a_digit_inside_a_name_stays_as_it_is() {
        let mut name = "a_".to_string();
        push_sanitized(&mut name, "1 ");
        assert_eq!(name, "a_1");
    }
}
