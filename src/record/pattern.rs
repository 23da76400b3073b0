//! Regular expressions as Prometheus and Loki mean them: RE2's language in Go's dialect. Those of
//! selectors are anchored at both ends, and their `.` matches a line end too; those that look for
//! something in a line are neither.
//!
//! The `regex` crate speaks nearly the same language and as linear a time. Whatever it means
//! otherwise is rewritten first, and what Go refuses is refused with Go's words.

mod class;
mod needed;
mod rewrite;

use regex::{Regex, RegexBuilder};

/// Memory of a compiled expression; a selector of a thousand names takes a tenth.
const SIZE_MAX_BYTES: usize = 4 << 20;

/// Most that compiling one may cost, in characters of plain text: a selector of ten thousand names
/// takes a fifth, and half a second passes at the limit at worst.
pub const COST_MAX: u64 = 500_000;

/// An expression, as it was written and as it is applied.
#[derive(Clone, Debug)]
pub struct Pattern {
    written: String,
    regex: Regex,
    group_names: Vec<Option<String>>,
    cost: u64,
}

/// An expression that is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("error parsing regexp: {}: `{}`", .0.message, .0.part)]
pub struct PatternError(Fault);

/// What is wrong with an expression, and with which part of it.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    message: &'static str,
    part: String,
}

fn invalid(message: &'static str, part: &str) -> Fault {
    Fault { message, part: part.to_string() }
}

impl Pattern {
    /// Compiles an expression, which has to match the whole of a text.
    pub fn new(written: &str) -> Result<Self, PatternError> {
        Self::compile(written, rewrite::Dot::Any, |text| format!("^(?:{text})$"))
    }

    /// Compiles an expression that is looked for in a text, by the defaults of Go: `.` matches no line
    /// end.
    pub fn search(written: &str) -> Result<Self, PatternError> {
        Self::compile(written, rewrite::Dot::InLine, |text| text)
    }

    fn compile(
        written: &str,
        dot: rewrite::Dot,
        anchored: impl FnOnce(String) -> String,
    ) -> Result<Self, PatternError> {
        let rewrite::Rewritten { text, group_names, cost } =
            rewrite::rewrite(written, dot).map_err(PatternError)?;
        let too_large = || PatternError(invalid("expression too large", written));
        if cost > COST_MAX {
            return Err(too_large());
        }
        let compiled = RegexBuilder::new(&anchored(text)).size_limit(SIZE_MAX_BYTES).build();
        let regex = compiled.map_err(|_| too_large())?;
        Ok(Pattern { written: written.into(), regex, group_names, cost })
    }

    /// Returns a text that is part of every text which an expression for [`Pattern::search`] matches, as
    /// long a one as can be seen at once.
    pub fn needed_text(written: &str) -> Option<String> {
        let rewritten = rewrite::rewrite(written, rewrite::Dot::InLine).ok()?;
        if rewritten.cost > COST_MAX { None } else { needed::needed_text(&rewritten.text) }
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

    /// Returns the names of the groups as they are written, the first group's first. The compiled
    /// expression lacks those that begin with a digit or come again.
    pub fn group_names(&self) -> &[Option<String>] {
        &self.group_names
    }

    /// Returns what compiling it took, about in characters of plain text.
    pub fn cost(&self) -> u64 {
        self.cost
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(pattern: &str, matching: &[&str], other: &[&str]) {
        let compiled = Pattern::new(pattern).unwrap();
        assert_eq!(compiled.as_str(), pattern);
        matching.iter().for_each(|text| assert!(compiled.is_match(text), "{pattern} and {text:?}"));
        other.iter().for_each(|text| assert!(!compiled.is_match(text), "{pattern} and {text:?}"));
    }

    #[test]
    fn a_needed_text_is_in_whatever_matches() {
        for (pattern, expect) in [
            ("time[a-z]+ .*in [0-9]{4} ms", Some("time")),
            ("a(bcd|bce)+(?:xyz)?", Some("a")),
            ("(?P<n>(connect)ion)s*", Some("connect")),
            ("(?i)time", None),
            ("a*|b", None),
            ("^$", None),
            ("[", None),
            (r"\Qa.b\E.", Some("a.b")),
        ] {
            assert_eq!(Pattern::needed_text(pattern).as_deref(), expect, "{pattern}");
        }
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
    fn flags_hold_for_their_group() {
        check("a(?i)b", &["ab", "aB"], &["Ab"]);
        check("(?i:a)b", &["Ab"], &["AB"]);
        check("((?i)a)b", &["Ab"], &["AB"]);
        check("(?i)k", &["K", "\u{212a}"], &["c"]);
        check("(?i)[^k]", &["c"], &["K", "\u{212a}"]);
        check("a(?-s).b", &["axb"], &["a\nb"]);
        check("(?m)a$\n^b", &["a\nb"], &["a"]);
        check("(?U)a+?", &["a", "aa"], &[""]);
        check("a(?i)*", &["", "aa"], &["A"]);
    }

    #[test]
    fn characters_and_properties_are_named_in_every_way_of_go() {
        check(r"\x41\x{42}\103\07\a\_\-\/", &["ABC\u{7}\u{7}_-/"], &[]);
        check(r"\p{Greek}\pL\P{^Lu}", &["αaA"], &["aaA", "αaa"]);
        check(r"[\pN[:^alpha:]\W]", &["1", "-"], &["a"]);
        check(r"[+--]", &["+", ",", "-"], &["."]);
        check("[~~]|[!&&]", &["~", "&", "!"], &["a"]);
    }

    #[test]
    fn groups_keep_their_numbers_and_names() {
        let pattern = Pattern::new(r"(?P<a>x)(?:y)(?<b>(?i)z)*").unwrap();
        let captures = pattern.regex().captures("xyzZ").unwrap();
        assert_eq!(captures.len(), 3);
        assert_eq!((&captures["a"], &captures["b"], &captures[2]), ("x", "Z", "Z"));
    }

    #[test]
    fn what_is_looked_for_is_found_inside_of_a_line() {
        let pattern = Pattern::search(r"(?P<1>a.)(b)(?P<n>c)|(?P<n>d)").unwrap();
        assert!(pattern.is_match("xaxbcx") && pattern.is_match("d") && !pattern.is_match("a\nbc"));
        let names: Vec<Option<&str>> = pattern.group_names().iter().map(Option::as_deref).collect();
        assert_eq!(names, [Some("1"), None, Some("n"), Some("n")]);
        assert!(Pattern::search("^a$").unwrap().is_match("a"));
        assert!(!Pattern::search("^a$").unwrap().is_match("b\na\nb"));
        assert!(Pattern::search("(?s)a.b").unwrap().is_match("a\nb"));
        assert!(Pattern::search("a(").is_err());
    }

    #[test]
    fn what_go_refuses_is_refused_in_its_words() {
        for (pattern, message) in [
            ("a(", "missing closing ): `a(`"),
            ("a)(b", "unexpected ): `a)(b`"),
            ("x[a", "missing closing ]: `[a`"),
            ("|*a", "missing argument to repetition operator: `*`"),
            ("a**", "invalid nested repetition operator: `**`"),
            ("a+{2}?", "invalid nested repetition operator: `+{2}?`"),
            ("a{1001}", "invalid repeat count: `{1001}`"),
            ("(a{1000}){2}", "invalid repeat count: `{2}`"),
            ("[b-a]", "invalid character class range: `b-a`"),
            ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
            (r"\p{Foo}", r"invalid character class range: `\p{Foo}`"),
            (r"\Z", r"invalid escape sequence: `\Z`"),
            (r"[a-\d]", r"invalid escape sequence: `\d`"),
            ("\\", "trailing backslash at end of expression: ``"),
            ("(?x)a", "invalid or unsupported Perl syntax: `(?x`"),
            ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
            ("(?P<a-b>c)", "invalid named capture: `(?P<a-b>`"),
        ] {
            let text = Pattern::new(pattern).unwrap_err().to_string();
            assert_eq!(text, format!("error parsing regexp: {message}"), "{pattern}");
        }
    }

    #[test]
    fn what_is_too_large_is_refused_before_it_takes_long() {
        let groups = format!("{}a{}", "(".repeat(100_000), ")".repeat(100_000));
        let properties = r"\p{Greek}".repeat(100_000);
        for pattern in ["((.{10}){10}){10}{2}", "(\\pL{30}){30}", &groups, &properties] {
            assert!(Pattern::new(pattern).is_err());
        }
        let names = vec!["a_name_of_twenty_char"; 5_000].join("|");
        assert!(Pattern::new(&names).unwrap().is_match("a_name_of_twenty_char"));
        let nested = format!("{}a{}", "(b|".repeat(40), ")*".repeat(40));
        let compile = move || assert!(Pattern::new(&nested).unwrap().is_match("a"));
        std::thread::Builder::new().stack_size(2 << 20).spawn(compile).unwrap().join().unwrap();
    }

    proptest! {
        #[test]
        fn no_pattern_does_harm(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..12), text in any::<String>()) {
            for pattern in [pieces.concat(), pieces.join(&text), text.clone()] {
                // What was rewritten is an expression of the crate's, or too large.
                if let Err(error) = Pattern::new(&pattern) {
                    prop_assert!(error.0.message != "expression too large" || pattern.len() > 50, "{}", pattern);
                }
                let needed = Pattern::needed_text(&pattern).unwrap_or_default();
                for text in [&*text, "a.[k]{2}-é", &*pattern] {
                    let is_match = Pattern::search(&pattern).is_ok_and(|pattern| pattern.is_match(text));
                    prop_assert!(!is_match || text.contains(&needed), "{} in {}", pattern, text);
                }
            }
        }
    }

    const PIECES: &[&str] = &[
        "a",
        "k",
        "é",
        "(",
        ")",
        "(?:",
        "(?i)",
        "(?m:",
        "(?P<n>",
        "(?<1>",
        "|",
        "*",
        "+?",
        "{2}",
        "{1,}",
        "{",
        "^",
        "$",
        ".",
        "[",
        "]",
        "[^",
        "-",
        "[:alpha:]",
        r"\d",
        r"\W",
        r"\b",
        r"\B",
        r"\A",
        r"\Q",
        r"\E",
        r"\pL",
        r"\P{Greek}",
        r"\x41",
        r"\x{d800}",
        r"\0",
        "\\",
        "&&",
        "~~",
    ];
}
