//! What a pattern is made of: `<ip> - <_> [<time>]`.
//!
//! A capture is a name in angle brackets, `_` for what nobody wants; everything else stands for
//! itself, a bracket too that is none of a capture. Source: "Pattern" in the documentation of LogQL.

use super::ExtractError;

/// A piece of a pattern; no two texts stand side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece<'p> {
    Text(&'p str),
    /// Its name, or `_`.
    Capture(&'p str),
}

/// The name of what nobody wants.
pub(super) const UNNAMED: &str = "_";

/// Parts a pattern into its pieces.
pub(super) fn pieces(pattern: &str) -> Vec<Piece<'_>> {
    let mut res = Vec::new();
    let (mut text_start, mut pos) = (0, 0);
    while let Some(at) = pattern[pos..].find('<').map(|at| pos + at) {
        let Some(name) = capture_name(&pattern[at..]) else {
            pos = at + 1;
            continue;
        };
        if text_start < at {
            res.push(Piece::Text(&pattern[text_start..at]));
        }
        res.push(Piece::Capture(name));
        pos = at + name.len() + 2;
        text_start = pos;
    }
    if text_start < pattern.len() {
        res.push(Piece::Text(&pattern[text_start..]));
    }
    res
}

/// Refuses two captures side by side.
pub(super) fn check_apart(pieces: &[Piece<'_>]) -> Result<(), ExtractError> {
    for pair in pieces.windows(2) {
        if let [Piece::Capture(first), Piece::Capture(second)] = pair {
            return Err(ExtractError::ConsecutiveCaptures(format!("<{first}><{second}>")));
        }
    }
    Ok(())
}

/// Returns true when a text has what would be read as a capture.
pub fn has_capture(text: &str) -> bool {
    text.match_indices('<').any(|(at, _)| capture_name(&text[at..]).is_some())
}

/// Returns the name when a capture begins here.
fn capture_name(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix('<')?.split_once('>')?;
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let begins_right = name.starts_with(|c: char| !c.is_ascii_digit());
    (is_name && begins_right).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_are_names_in_brackets_and_all_else_is_text() {
        use Piece::{Capture, Text};
        let check = |pattern: &str, expect: &[Piece]| assert_eq!(pieces(pattern), expect, "{pattern:?}");
        check("<a> b <_>é", &[Capture("a"), Text(" b "), Capture("_"), Text("é")]);
        check("<<a>>", &[Text("<"), Capture("a"), Text(">")]);
        check("<1a> <a-b> <> <a", &[Text("<1a> <a-b> <> <a")]);
        check("", &[]);
        assert!(has_capture("<<_>") && has_capture("a <b> c") && !has_capture("<1> <a b> >x<"));
        let refused = check_apart(&pieces("x<a><_>")).unwrap_err().to_string();
        assert_eq!(refused, "found consecutive capture '<a><_>': invalid expression");
    }
}
