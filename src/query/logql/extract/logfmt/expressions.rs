//! `| logfmt host, addr="remote_addr"`: the pairs that expressions name.
//!
//! Every label gets a value, empty when the line has none; the last pair of a key counts. A pair whose
//! key is the name of a label gives that label a value too, whatever the label's own expression. Of a
//! label that the stream has the first pair counts, and the line is read no further than to the second.

use super::scan::{Pair, Pairs};
use super::unquote::push_unquoted;
use crate::query::logql::extract::{
    EXTRACTED_SUFFIX, ExtractError, Extraction, Fields, LOGFMT_PARSER_ERROR, checked_label,
};
use crate::query::logql::sanitize::sanitized;

/// Named pairs of a line.
#[derive(Clone, Debug)]
pub struct LogfmtExpressions {
    /// Labels with the keys of their pairs.
    keys: Vec<(String, String)>,
    is_strict: bool,
}

impl LogfmtExpressions {
    /// Reads expressions; of two for one label the last counts.
    pub fn new(extractions: &[Extraction], is_strict: bool) -> Result<Self, ExtractError> {
        if extractions.is_empty() {
            return Err(ExtractError::NoExpression);
        }
        let mut keys: Vec<(String, String)> = Vec::new();
        for Extraction { label, path } in extractions {
            let invalid = |reason| ExtractError::Expression { expression: path.clone(), reason };
            let key = parse(path).map_err(invalid)?;
            checked_label(label)?;
            keys.retain(|(known, _)| known != label);
            keys.push((label.clone(), key));
        }
        Ok(Self { keys, is_strict })
    }

    /// Finds the labels of a line.
    pub fn extract(&self, line: &str, fields: &mut dyn Fields) {
        if fields.is_done() {
            return;
        }
        for (label, _) in &self.keys {
            if !fields.is_given(label) {
                fields.set(label, "");
            }
        }
        for pair in Pairs::new(line) {
            match pair {
                Ok(pair) => {
                    if !self.take(pair, fields) || fields.is_done() {
                        return;
                    }
                }
                Err(_) if !self.is_strict => {}
                Err(fault) => return fields.fail(LOGFMT_PARSER_ERROR, &fault.to_string()),
            }
        }
    }

    /// Gives a pair's value to the labels that want it; false when the line is read no further.
    fn take(&self, pair: Pair<'_>, fields: &mut dyn Fields) -> bool {
        let key = sanitized(pair.key);
        let is_label = self.keys.iter().any(|(label, _)| *label == key);
        // A pair that an earlier stage took has no value for others.
        if key.is_empty() || (!is_label && fields.is_extracted(&key)) {
            return true;
        }
        let mut takers =
            self.keys.iter().filter(|(_, wanted)| *wanted == key).map(|(label, _)| label).peekable();
        if takers.peek().is_none() && is_label {
            return set(fields, &key, pair);
        }
        takers.all(|label| set(fields, label, pair))
    }
}

/// Sets a label; one with a replacement character in its value is empty. False when the stream has the
/// label and the line gave it a value already.
fn set(fields: &mut dyn Fields, label: &str, pair: Pair<'_>) -> bool {
    if fields.is_given(label) && fields.is_extracted(&format!("{label}{EXTRACTED_SUFFIX}")) {
        return false;
    }
    let mut unquoted = String::new();
    let value = match pair.has_escapes {
        true => {
            push_unquoted(&mut unquoted, pair.value);
            &unquoted
        }
        false => pair.value,
    };
    fields.set(label, if value.contains(char::REPLACEMENT_CHARACTER) { "" } else { value });
    true
}

/// Reads an expression: a key, or a text in quotes. Loki lets texts follow, with which it finds nothing.
fn parse(expression: &str) -> Result<String, String> {
    let mut rest = expression.chars().peekable();
    let mut key: Option<String> = None;
    loop {
        while rest.next_if(|c| matches!(c, ' ' | '\t' | '\n')).is_some() {}
        match rest.peek().copied() {
            None | Some('\0') => {
                return key.ok_or("syntax error: unexpected $end, expecting STRING or KEY".to_string());
            }
            Some('"') => {
                rest.next();
                let text: String =
                    std::iter::from_fn(|| rest.next_if(|c| !matches!(c, '"' | ']' | '\0'))).collect();
                rest.next();
                key = Some(key.map_or(text.clone(), |key| format!("{key}%!(EXTRA string={text})")));
            }
            Some('a'..='z' | 'A'..='Z' | '_') if key.is_some() => {
                return Err("syntax error: unexpected KEY".to_string());
            }
            Some('a'..='z' | 'A'..='Z' | '_') => {
                let is_inside = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
                key = Some(std::iter::from_fn(|| rest.next_if(is_inside)).collect());
            }
            Some(_) if key.is_none() => {
                return Err("syntax error: unexpected $end, expecting STRING or KEY".to_string());
            }
            Some(other) => return Err(format!("unexpected char {other}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing::Found;
    use super::*;

    fn expressions(list: &[(&str, &str)], is_strict: bool) -> Result<LogfmtExpressions, ExtractError> {
        let extraction =
            |(label, path): &(&str, &str)| Extraction { label: label.to_string(), path: path.to_string() };
        LogfmtExpressions::new(&list.iter().map(extraction).collect::<Vec<_>>(), is_strict)
    }

    fn check(list: &[(&str, &str)], line: &str, expect: &str) {
        let mut found = Found::default();
        found.given.insert("app".to_string(), "given".to_string());
        found.labels.insert("a_first".to_string(), "1".to_string());
        expressions(list, true).unwrap().extract(line, &mut found);
        assert_eq!(found.shown(), format!("a_first=1{expect}"), "{line:?}");
    }

    #[test]
    fn named_pairs_become_labels() {
        check(&[("host", "host"), ("x", "remote_addr")], "host=h x=1", " host=h x=1");
        check(&[("x", "remote_addr")], "remote.addr=\"a\\nb\"", " x=a\nb");
        check(&[("x", "\"remote_addr\"")], "remote_addr=1", " x=1");
        check(&[("x", "a"), ("y", "a")], "a=1 a=2", " x=2 y=2");
        check(&[("x", "a"), ("x", "b")], "a=1 b=2", " x=2");
        check(&[("x", "a")], "a=\u{fffd}", " x=");
    }

    #[test]
    fn a_key_that_is_a_labels_name_counts_too() {
        check(&[("x", "a")], "a=1 x=2", " x=2");
        check(&[("x", "a")], "x=2 a=1", " x=1");
        check(&[("x", "a_first")], "a_first=2", " x=");
    }

    #[test]
    fn what_is_not_there_is_empty_unless_the_stream_has_it() {
        check(&[("x", "a"), ("app", "b")], "c=1", " x=");
        check(&[("app", "b")], "b=1", " app_extracted=1");
        check(&[("app", "b"), ("x", "c")], "b=1 b=2 c=3 =", " app_extracted=1 x=");
    }

    #[test]
    fn strict_lines_end_at_what_is_no_pair() {
        check(&[("x", "a")], "=1 a=1", " x= !LogfmtParserErr: logfmt syntax error at pos 1 : unexpected '='");
        let mut found = Found::default();
        expressions(&[("x", "a")], false).unwrap().extract("=1 a=1", &mut found);
        assert_eq!(found.shown(), "x=1");
    }

    #[test]
    fn wrong_expressions_are_refused_in_lokis_words() {
        let check = |path: &str, expect: &str| {
            let error = expressions(&[("x", path)], false).unwrap_err().to_string();
            assert_eq!(error, format!("cannot parse expression [{path}]: {expect}"));
        };
        check("", "syntax error: unexpected $end, expecting STRING or KEY");
        check("1", "syntax error: unexpected $end, expecting STRING or KEY");
        check("a b", "syntax error: unexpected KEY");
        check("a.b", "unexpected char .");
        assert_eq!(expressions(&[], false).unwrap_err().to_string(), "no logfmt expression provided");
        assert_eq!(
            expressions(&[("", "a")], false).unwrap_err().to_string(),
            "invalid extracted label name ''"
        );
    }

    proptest! {
        #[test]
        fn any_expression_and_line_do_no_harm(text in any::<String>(), soup in r#"[ab="\\ ]{0,30}"#, path in r#"[ab". \]]{0,6}"#) {
            for path in [&text, &path, &"a".to_string()] {
                if let Ok(parser) = expressions(&[("x", path), ("a", "b")], false) {
                    parser.extract(&text, &mut Found::default());
                    parser.extract(&soup, &mut Found::default());
                }
            }
        }
    }
}
