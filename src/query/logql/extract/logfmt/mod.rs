//! `| logfmt`: every pair of a line, or those that expressions name.

mod expressions;
mod scan;
mod unquote;

use super::{Fields, LOGFMT_PARSER_ERROR};
use crate::query::logql::sanitize::sanitized;
use scan::{Pair, Pairs};
use unquote::push_unquoted;

pub use expressions::LogfmtExpressions;

/// How lines are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogfmtFlags {
    /// `--strict`: a line ends at what is no pair, and says so; otherwise that is skipped.
    pub is_strict: bool,
    /// `--keep-empty`: keys without a value are labels too.
    pub keeps_empty: bool,
}

/// Every pair of a line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Logfmt {
    flags: LogfmtFlags,
}

impl Logfmt {
    /// Reads lines by these flags.
    pub fn new(flags: LogfmtFlags) -> Self {
        Self { flags }
    }

    /// Finds the labels of a line.
    pub fn extract(&self, line: &str, fields: &mut dyn Fields) {
        if fields.is_done() {
            return;
        }
        for pair in Pairs::new(line) {
            let pair = match pair {
                Ok(pair) => pair,
                Err(_) if !self.flags.is_strict => continue,
                Err(fault) => return fields.fail(LOGFMT_PARSER_ERROR, &fault.to_string()),
            };
            // A value with escapes is not empty.
            if pair.value.is_empty() && !self.flags.keeps_empty {
                continue;
            }
            let name = sanitized(pair.key);
            if !name.is_empty()
                && let Some(place) = fields.claim(&name)
            {
                write(place, pair);
                if fields.is_done() {
                    return;
                }
            }
        }
    }
}

/// Writes a value into its place, with a space for each replacement character.
fn write(place: &mut String, pair: Pair<'_>) {
    match pair.has_escapes {
        true => push_unquoted(place, pair.value),
        false => place.push_str(pair.value),
    }
    if place.contains(char::REPLACEMENT_CHARACTER) {
        *place = place.replace(char::REPLACEMENT_CHARACTER, " ");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::Found;
    use super::*;

    const PLAIN: LogfmtFlags = LogfmtFlags { is_strict: false, keeps_empty: false };

    fn check(flags: LogfmtFlags, line: &str, expect: &str) {
        let mut found = Found::default();
        found.given.insert("app".to_string(), "given".to_string());
        Logfmt::new(flags).extract(line, &mut found);
        assert_eq!(found.shown(), expect, "{line:?}");
    }

    #[test]
    fn pairs_become_labels() {
        check(PLAIN, r#"level=info msg="a \"b\"\n" took=1.5ms"#, "level=info msg=a \"b\"\n took=1.5ms");
        check(PLAIN, "a.b=1 2=3 é=4 app=x", "_=4 _2=3 a_b=1 app_extracted=x");
        check(PLAIN, "a=\u{fffd}b c=\"\\ud800\"", "a= b c= ");
        check(PLAIN, "", "");
    }

    #[test]
    fn the_first_value_that_counts_is_taken() {
        check(PLAIN, "a a= a=\"\" a=1 a=2", "a=1");
        check(LogfmtFlags { keeps_empty: true, ..PLAIN }, "a a=1 b=", "a= b=");
    }

    #[test]
    fn what_is_no_pair_is_skipped_or_said() {
        check(PLAIN, "a=1 =x b=\"c d", "a=1");
        check(PLAIN, "a=1 b=c=d e=2", "a=1 e=2");
        let strict = LogfmtFlags { is_strict: true, ..PLAIN };
        check(strict, "a=1 b=c=d e=2", "a=1 !LogfmtParserErr: logfmt syntax error at pos 8 : unexpected '='");
        check(strict, "a=1 b ", "a=1");
    }

    #[test]
    fn a_line_is_read_until_all_is_found() {
        let mut found = Found::wanting(&["a"]);
        let strict = LogfmtFlags { is_strict: true, ..PLAIN };
        Logfmt::new(strict).extract("b=1 a=2 =", &mut found);
        assert_eq!(found.shown(), "a=2");
    }

    proptest! {
        #[test]
        fn any_line_does_no_harm(text in any::<String>(), soup in r#"[ab="\\u1é\n ]{0,60}"#, is_strict in any::<bool>()) {
            let parser = Logfmt::new(LogfmtFlags { is_strict, ..PLAIN });
            parser.extract(&text, &mut Found::default());
            parser.extract(&soup, &mut Found::default());
        }
    }
}
