//! `|> "<_> took <_> ms"`: whether a line is built like a pattern.
//!
//! Captures have no names here and are never empty. A line ends with the text that the pattern ends
//! with, but may have something before the text that the pattern begins with. Each text is looked for
//! once, so that `<_> bar` does not match `foo bar baz bar`. Only an empty line matches the empty
//! pattern. Source: "Pattern match filter operators" in the documentation of LogQL, and what Loki does
//! with them.

use memchr::memmem::Finder;

use super::ExtractError;
use super::pattern_text::{Piece, UNNAMED, check_apart, pieces};

/// A pattern that lines are compared with.
#[derive(Clone, Debug)]
pub struct PatternFilter {
    texts: Vec<Finder<'static>>,
    /// What stands before the first text and behind the last.
    begins_with_capture: bool,
    ends_with_capture: bool,
}

impl PatternFilter {
    /// Reads a pattern.
    pub fn new(pattern: &str) -> Result<Self, ExtractError> {
        let pieces = pieces(pattern);
        check_apart(&pieces)?;
        let mut texts = Vec::new();
        for piece in &pieces {
            match piece {
                Piece::Text(text) => texts.push(Finder::new(text).into_owned()),
                Piece::Capture(UNNAMED) => {}
                Piece::Capture(name) => return Err(ExtractError::NamedCapture(format!("<{name}>"))),
            }
        }
        let is_capture = |piece: Option<&Piece<'_>>| matches!(piece, Some(Piece::Capture(_)));
        Ok(Self {
            texts,
            begins_with_capture: is_capture(pieces.first()),
            ends_with_capture: is_capture(pieces.last()),
        })
    }

    /// Returns the texts of the pattern, all of which are in each line that matches.
    pub fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.texts.iter().map(Finder::needle)
    }

    /// Returns true when a line is built so.
    pub fn is_match(&self, line: &str) -> bool {
        let mut rest = line.as_bytes();
        let mut follows_capture = self.begins_with_capture;
        for text in &self.texts {
            let Some(at) = text.find(rest) else { return false };
            // Only behind a capture something stands before the text, and there it has to.
            if follows_capture && at == 0 {
                return false;
            }
            follows_capture = true;
            rest = &rest[at + text.needle().len()..];
        }
        self.ends_with_capture != rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(pattern: &str, matching: &[&str], other: &[&str]) {
        let filter = PatternFilter::new(pattern).unwrap();
        matching.iter().for_each(|line| assert!(filter.is_match(line), "{pattern:?} and {line:?}"));
        other.iter().for_each(|line| assert!(!filter.is_match(line), "{pattern:?} and {line:?}"));
    }

    #[test]
    fn lines_are_built_like_the_pattern() {
        check("foo <_>", &["foo bar", "a foo bar"], &["foo ", "foo", "bar"]);
        check("<_> bar", &["foo bar"], &[" bar", "foo bar ", "foo bar baz bar"]);
        check("<_>bar<_>", &[" bar "], &["bar ", " bar", ""]);
        check("<_> bar <_>", &["a bar b"], &[" bar ", "a bar"]);
        check("foo", &["foo", "a foo"], &["foo b", ""]);
        check("<_>", &["a", " "], &[""]);
        check("", &[""], &["a"]);
        check("é<_>é", &["éaé"], &["éé", "é"]);
    }

    #[test]
    fn texts_are_in_each_line_that_matches() {
        let filter = PatternFilter::new("<_> took <_> ms").unwrap();
        assert_eq!(filter.texts().collect::<Vec<_>>(), [b" took ".as_slice(), b" ms"]);
    }

    #[test]
    fn wrong_patterns_are_refused_in_lokis_words() {
        let check = |pattern: &str, expect: &str| {
            assert_eq!(PatternFilter::new(pattern).unwrap_err().to_string(), expect, "{pattern:?}");
        };
        check("<_><_>", "found consecutive capture '<_><_>': invalid expression");
        check("<foo <foo> bar <_>", "named captures are not allowed: found '<foo>'");
    }

    proptest! {
        #[test]
        fn any_pattern_and_line_do_no_harm(pattern in "(<_>|<|[ab]){0,8}", text in any::<String>(), line in "[ab]{0,20}") {
            for pattern in [&pattern, &text] {
                if let Ok(filter) = PatternFilter::new(pattern) {
                    let _ = (filter.is_match(&line), filter.is_match(&text));
                }
            }
        }
    }
}
