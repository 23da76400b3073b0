//! Regular expressions as Prometheus and Loki mean them: RE2's language in Go's dialect, anchored
//! at both ends, where `.` matches a line end too.
//!
//! The `regex` crate speaks nearly the same language and as linear a time. What it reads otherwise
//! is rewritten first: `\d`, `\w`, `\s` and `\b` are ASCII in Go, `{` that begins no repetition is
//! itself, `[`, `&` and `~` inside a class are themselves, `\Q…\E` is literal.
//!
//! Source: "Syntax" of the RE2 wiki, and Go's package regexp/syntax.

use regex::{Regex, RegexBuilder};

/// Memory of a compiled expression; a selector of a thousand names takes a tenth.
const SIZE_MAX_BYTES: usize = 4 << 20;

/// What the crate says, and what Go says of the same fault.
const GO_WORDS: [(&str, &str); 6] = [
    ("unclosed character class", "missing closing ]"),
    ("unclosed group", "missing closing )"),
    ("unopened group", "unexpected )"),
    ("repetition operator missing expression", "missing argument to repetition operator"),
    ("unrecognized escape sequence", "invalid escape sequence"),
    ("incomplete escape sequence", "trailing backslash at end of expression"),
];

/// An expression, as it was written and as it is applied.
#[derive(Clone, Debug)]
pub struct Pattern {
    written: String,
    regex: Regex,
}

/// An expression that is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("error parsing regexp: {message}: `{written}`")]
pub struct PatternError {
    message: String,
    written: String,
}

impl Pattern {
    /// Compiles an expression, which has to match the whole of a text.
    pub fn new(written: &str) -> Result<Self, PatternError> {
        let fail = |message: String| PatternError { message, written: written.into() };
        // Alone first, so that it cannot close the group that is put around it.
        let inner = rewritten(written);
        regex_syntax_check(&inner).map_err(fail)?;
        let regex = RegexBuilder::new(&format!("^(?s:{inner})$")).size_limit(SIZE_MAX_BYTES).build();
        let regex = regex.map_err(|fault| fail(in_a_line(&fault)))?;
        Ok(Pattern { written: written.into(), regex })
    }

    /// Returns the expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Returns true when all of a text matches.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Returns the compiled expression, for its groups.
    pub fn regex(&self) -> &Regex {
        &self.regex
    }
}

fn regex_syntax_check(inner: &str) -> Result<(), String> {
    let compiled = RegexBuilder::new(inner).size_limit(SIZE_MAX_BYTES).build();
    compiled.map(|_| ()).map_err(|fault| in_a_line(&fault))
}

/// What the crate says in many lines with a drawing, in a few words.
fn in_a_line(fault: &regex::Error) -> String {
    match fault {
        regex::Error::CompiledTooBig(_) => "expression too large".into(),
        fault => {
            let text = fault.to_string();
            let last = text.lines().rfind(|line| line.starts_with("error: "));
            let told = last.map_or(text.as_str(), |line| line.trim_start_matches("error: "));
            let known = GO_WORDS.iter().find(|(ours, _)| told.starts_with(ours));
            known.map_or(told, |(_, go)| go).to_string()
        }
    }
}

/// Writes an expression of Go's so that the `regex` crate means the same by it.
fn rewritten(pattern: &str) -> String {
    let mut res = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    // Inside of a class: how far it is in, so that a first `]` is known to be literal.
    let mut in_class: Option<usize> = None;
    while let Some(c) = rest.chars().next() {
        let behind = &rest[c.len_utf8()..];
        if c == '\\' {
            rest = escape(&mut res, behind, in_class.is_some());
            in_class = in_class.map(|n| n + 1);
            continue;
        }
        match in_class {
            Some(n) => {
                let is_named = c == '[' && behind.starts_with(':') && behind.contains(":]");
                if is_named {
                    let end = rest.find(":]").map_or(rest.len(), |at| at + 2);
                    res.push_str(&rest[..end]);
                    rest = &rest[end..];
                    in_class = Some(n + 1);
                    continue;
                }
                match c {
                    ']' if n > 0 => in_class = None,
                    '^' if n == 0 => {}
                    _ => in_class = Some(n + 1),
                }
                if matches!(c, '[' | '&' | '~') || c == ']' && n == 0 {
                    res.push('\\');
                }
                res.push(c);
            }
            None => {
                match c {
                    '[' => in_class = Some(0),
                    '{' if !begins_repetition(rest) => res.push('\\'),
                    _ => {}
                }
                res.push(c);
            }
        }
        rest = behind;
    }
    res
}

/// Writes what stands behind a backslash, and returns what follows it.
fn escape<'p>(res: &mut String, behind: &'p str, is_in_class: bool) -> &'p str {
    let Some(kind) = behind.chars().next() else {
        res.push('\\');
        return behind;
    };
    let after = &behind[kind.len_utf8()..];
    if kind == 'Q' && !is_in_class {
        let (literal, after) = after.split_once("\\E").unwrap_or((after, ""));
        res.push_str(&regex::escape(literal));
        return after;
    }
    let ascii = match (kind, is_in_class) {
        ('d', true) => Some("0-9"),
        ('d', false) => Some("[0-9]"),
        ('D', _) => Some("[^0-9]"),
        ('w', true) => Some("0-9A-Za-z_"),
        ('w', false) => Some("[0-9A-Za-z_]"),
        ('W', _) => Some("[^0-9A-Za-z_]"),
        ('s', true) => Some(r"\t\n\f\r "),
        ('s', false) => Some(r"[\t\n\f\r ]"),
        ('S', _) => Some(r"[^\t\n\f\r ]"),
        ('b', false) => Some(r"(?-u:\b)"),
        ('<', _) => Some("<"),
        ('>', _) => Some(">"),
        _ => None,
    };
    match ascii {
        Some(text) => res.push_str(text),
        None => {
            res.push('\\');
            res.push(kind);
        }
    }
    after
}

/// Returns true for `{2}`, `{2,}` and `{2,3}` at the start of a text.
fn begins_repetition(text: &str) -> bool {
    let Some((inside, _)) = text[1..].split_once('}') else { return false };
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !least.is_empty() && is_number(least) && is_number(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, matching: &[&str], other: &[&str]) {
        let compiled = Pattern::new(pattern).unwrap();
        assert_eq!(compiled.as_str(), pattern);
        matching.iter().for_each(|text| assert!(compiled.is_match(text), "{pattern} and {text:?}"));
        other.iter().for_each(|text| assert!(!compiled.is_match(text), "{pattern} and {text:?}"));
    }

    #[test]
    fn a_whole_text_matches_with_its_line_ends() {
        check("a.*b|c", &["ab", "a\nb", "c"], &["xab", "cc", "abx"]);
        check("", &[""], &["a"]);
        check("(?i)get", &["GET", "get"], &["got"]);
    }

    #[test]
    fn classes_are_ascii_as_in_go() {
        check(r"\d+", &["12"], &["١"]);
        check(r"\w+", &["a_1"], &["é"]);
        check(r"[\w-]+", &["a-b"], &["é"]);
        check(r"[^\s]", &["a", "é"], &[" "]);
        check(r"\W", &["é", "-"], &["a"]);
        check(r"\bcv\b.*", &["cv page"], &["cvs"]);
    }

    #[test]
    fn what_is_literal_in_go_is_literal() {
        check("a{", &["a{"], &["a"]);
        check("{,5}", &["{,5}"], &[""]);
        check("a{2}", &["aa"], &["a{2}"]);
        check("[[]x", &["[x"], &["x"]);
        check("[]a]", &["]", "a"], &["b"]);
        check("[^]a]", &["b"], &["]", "a"]);
        check("[a&&b]", &["a", "&", "b"], &["c"]);
        check("[[:digit:]~]+", &["1~"], &["a"]);
        check(r"\Qa.b\E.", &["a.bc"], &["axbc"]);
        check(r"\<a\>", &["<a>"], &["a"]);
    }

    #[test]
    fn what_is_none_is_told_in_a_line() {
        for pattern in ["(", ")", "a)(b", "[a", "*", r"\", "(?<=a)b", "(a{1000}){1000}"] {
            let text = Pattern::new(pattern).unwrap_err().to_string();
            assert!(text.starts_with("error parsing regexp: ") && !text.contains('\n'), "{text}");
        }
    }
}
