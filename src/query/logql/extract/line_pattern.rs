//! `| pattern "<ip> - <user> <_>"`: fields by the texts between them.
//!
//! A text at the beginning has to be there. After it each capture goes to the next text that follows
//! it, the last one to the end of the line, and so does one whose text never comes; captures behind
//! that one have no value then.

use std::collections::HashSet;

use memchr::memmem::Finder;

use super::pattern_text::{Piece, UNNAMED, check_apart, pieces};
use super::{ExtractError, Fields};

/// A pattern of fields.
#[derive(Clone, Debug)]
pub struct LinePattern {
    /// What the line begins with.
    start: String,
    captures: Vec<Capture>,
}

#[derive(Clone, Debug)]
struct Capture {
    /// None when nobody wants it.
    name: Option<String>,
    /// The text that ends it; none at the end of the line.
    until: Option<Finder<'static>>,
}

impl LinePattern {
    /// Reads a pattern, which names at least one capture.
    pub fn new(pattern: &str) -> Result<Self, ExtractError> {
        let pieces = pieces(pattern);
        if pieces.is_empty() {
            return Err(ExtractError::EmptyPattern);
        }
        let name_of = |piece: &Piece<'_>| match piece {
            Piece::Capture(name) if *name != UNNAMED => Some(name.to_string()),
            _ => None,
        };
        let names: Vec<String> = pieces.iter().filter_map(name_of).collect();
        if names.is_empty() {
            return Err(ExtractError::NoCapture);
        }
        check_apart(&pieces)?;
        let mut known = HashSet::new();
        if let Some(again) = names.iter().find(|name| !known.insert(*name)) {
            return Err(ExtractError::DuplicateCapture(again.clone()));
        }
        let mut res = Self { start: String::new(), captures: Vec::new() };
        for piece in &pieces {
            match (piece, res.captures.last_mut()) {
                (Piece::Capture(_), _) => res.captures.push(Capture { name: name_of(piece), until: None }),
                (Piece::Text(text), Some(last)) => last.until = Some(Finder::new(text).into_owned()),
                (Piece::Text(text), None) => res.start = text.to_string(),
            }
        }
        Ok(res)
    }

    /// Finds the labels of a line.
    pub fn extract(&self, line: &str, fields: &mut dyn Fields) {
        if line.is_empty() || fields.is_done() {
            return;
        }
        let Some(mut rest) = line.strip_prefix(&self.start) else { return };
        for Capture { name, until } in &self.captures {
            let found = until
                .as_ref()
                .and_then(|until| until.find(rest.as_bytes()).map(|at| (at, at + until.needle().len())));
            let (value, behind) = found.map_or((rest, None), |(at, end)| (&rest[..at], Some(&rest[end..])));
            if let Some(place) = name.as_ref().and_then(|name| fields.claim(name)) {
                place.push_str(value);
                if fields.is_done() {
                    return;
                }
            }
            let Some(behind) = behind else { return };
            rest = behind;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::Found;
    use super::*;

    fn check(pattern: &str, line: &str, expect: &str) {
        let mut found = Found::default();
        LinePattern::new(pattern).unwrap().extract(line, &mut found);
        assert_eq!(found.shown(), expect, "{pattern:?} and {line:?}");
    }

    #[test]
    fn captures_go_to_the_text_behind_them() {
        let access = r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.0" 200 2326"#;
        check(
            r#"<ip> - <_> [<_>] "<method> <path> <_>" <status> <size>"#,
            access,
            "ip=127.0.0.1 method=GET path=/a size=2326 status=200",
        );
        check("a <x> b", "a 1 2 b c", "x=1 2");
        check("<x>b<y>", "ab", "x=a y=");
        check("<x>é<y>", "aébéc", "x=a y=béc");
    }

    #[test]
    fn what_does_not_come_leaves_the_rest_to_the_capture_before() {
        check("<x>?<y>", "/path", "x=/path");
        check("a <x>", "b 1", "");
        check("<_>?<y>", "/path", "");
        check("<x>", "", "");
    }

    #[test]
    fn wrong_patterns_are_refused_in_lokis_words() {
        let check = |pattern: &str, expect: &str| {
            assert_eq!(LinePattern::new(pattern).unwrap_err().to_string(), expect, "{pattern:?}");
        };
        check(
            "",
            "parse error at line 1, col 1: syntax error: unexpected $end, expecting IDENTIFIER or LITERAL",
        );
        check("a <_> <1>", "at least one capture is required");
        check("<_><_>", "at least one capture is required");
        check("x<a><b>", "found consecutive capture '<a><b>': invalid expression");
        check("<a> <a>", "duplicate capture name (a): invalid expression");
    }

    proptest! {
        #[test]
        fn any_pattern_and_line_do_no_harm(pattern in "(<a>|<_>|<|[ab_>é]){0,8}", text in any::<String>(), line in "[ab_é<>]{0,20}") {
            for pattern in [&pattern, &text] {
                if let Ok(pattern) = LinePattern::new(pattern) {
                    pattern.extract(&line, &mut Found::default());
                    pattern.extract(&text, &mut Found::default());
                }
            }
        }
    }
}
