//! Texts in quotes as Go's `%q` writes them, which Prometheus's messages and printed queries use.

use std::sync::LazyLock;

use regex::Regex;

/// What Go writes as it is: letters, marks, numbers, punctuation, symbols and the ASCII space.
/// Source: Go, `strconv.IsPrint`.
static PRINTABLE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$").expect("a constant pattern must compile"));

/// Returns a text in double quotes, with the escapes that Go gives it.
pub fn quoted(text: &str) -> String {
    in_quotes(text.chars(), '"')
}

/// Returns a character in single quotes, with the escapes that Go gives it.
pub fn quoted_char(character: char) -> String {
    in_quotes([character], '\'')
}

fn in_quotes(text: impl IntoIterator<Item = char>, quote: char) -> String {
    let mut res = String::from(quote);
    text.into_iter().for_each(|character| push_escaped(&mut res, character, quote));
    res.push(quote);
    res
}

fn push_escaped(res: &mut String, character: char, quote: char) {
    match character {
        '\\' => res.push_str("\\\\"),
        '\u{7}' => res.push_str("\\a"),
        '\u{8}' => res.push_str("\\b"),
        '\u{c}' => res.push_str("\\f"),
        '\n' => res.push_str("\\n"),
        '\r' => res.push_str("\\r"),
        '\t' => res.push_str("\\t"),
        '\u{b}' => res.push_str("\\v"),
        _ if character == quote => res.extend(['\\', quote]),
        ' '..='~' => res.push(character),
        _ if (character as u32) < 0x20 || character == '\u{7f}' => {
            res.push_str(&format!("\\x{:02x}", character as u32));
        }
        // A query may not have it as it is: it stands for bytes that are no UTF-8.
        char::REPLACEMENT_CHARACTER => res.push_str("\\ufffd"),
        _ if PRINTABLE.is_match(character.encode_utf8(&mut [0; 4])) => res.push(character),
        _ if (character as u32) < 0x1_0000 => res.push_str(&format!("\\u{:04x}", character as u32)),
        _ => res.push_str(&format!("\\U{:08x}", character as u32)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_printed_is_escaped_as_in_go() {
        assert_eq!(
            quoted("a \"b\"\\\n\u{1}é\u{200b}\u{fffd}\u{e0001}"),
            r#""a \"b\"\\\n\x01é\u200b\ufffd\U000e0001""#
        );
        assert_eq!(quoted("it's"), r#""it's""#);
        assert_eq!(quoted_char('\''), r"'\''");
        assert_eq!(quoted_char('"'), "'\"'");
        assert_eq!(quoted_char('\u{7f}'), r"'\x7f'");
    }
}
