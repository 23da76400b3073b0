//! Lines without the escape sequences by which terminals get their colours.
//!
//! Source: the documentation of Loki's `decolorize`, which names the expression that it removes
//! (that of the package `stripansi`).

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem;
use regex::Regex;

/// What begins a sequence: the escape character, or the one character that stands for `ESC [`.
const INTRODUCERS: [&str; 2] = ["\u{1b}", "\u{9b}"];

static SEQUENCE: LazyLock<Regex> = LazyLock::new(|| {
    let text = r"[\x1B\x{9B}][\[\]()#;?]*(?:[a-zA-Z0-9]*(?:;[a-zA-Z0-9]*)*\x07|(?:[0-9]{1,4}(?:;[0-9]{0,4})*)?[0-9A-PRZcf-ntqry=><~])";
    Regex::new(text).expect("a constant expression must compile")
});

/// Returns a line without its escape sequences.
pub fn decolorize(line: &str) -> Cow<'_, str> {
    if INTRODUCERS.iter().all(|one| memmem::find(line.as_bytes(), one.as_bytes()).is_none()) {
        return Cow::Borrowed(line);
    }
    SEQUENCE.replace_all(line, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expect: &str) {
        assert_eq!(decolorize(line), expect, "{line:?}");
    }

    #[test]
    fn sequences_go_and_all_else_stays() {
        check("\u{1b}[0mred\u{1b}[31;1m end\u{1b}[m", "red end");
        check("\u{9b}32mgreen", "green");
        check("\u{1b}]0;title\u{7}line", "line");
        check("plain [31m", "plain [31m");
        check("", "");
        check("\u{1b}", "\u{1b}");
        check("é\u{1b}[2Kb", "éb");
    }
}
