//! `| json first="servers[0]", code="response.code"`: the properties that expressions name.
//!
//! Every label gets a value: of objects and arrays their text, empty when the line has none.

use std::borrow::Cow;

use super::path::{Step, parse};
use super::scan::{Kind, Value};
use super::search::Search;
use super::unescape::push_value;
use crate::query::logql::extract::{ExtractError, Extraction, Fields, JSON_PARSER_ERROR, checked_label};

/// Named properties of a line.
#[derive(Clone, Debug)]
pub struct JsonExpressions {
    labels: Vec<String>,
    paths: Vec<Vec<Step>>,
}

impl JsonExpressions {
    /// Reads expressions.
    pub fn new(extractions: &[Extraction]) -> Result<Self, ExtractError> {
        let mut res = Self { labels: Vec::new(), paths: Vec::new() };
        for Extraction { label, path } in extractions {
            let invalid = |reason| ExtractError::Expression { expression: path.clone(), reason };
            res.paths.push(parse(path).map_err(invalid)?);
            checked_label(label)?;
            res.labels.push(label.clone());
        }
        Ok(res)
    }

    /// Finds the labels of a line.
    pub fn extract(&self, line: &str, fields: &mut dyn Fields) {
        if line.is_empty() || fields.is_done() {
            return;
        }
        if !line.starts_with(['"', '{', '[']) {
            fields.fail(JSON_PARSER_ERROR, "");
            return;
        }
        let mut n_found = 0;
        Search::run(&self.paths, line, |(idx, found)| match found {
            Ok(value) => {
                n_found += 1;
                fields.set(&self.labels[idx], &text_of(value));
            }
            Err(fault) => fields.fail(JSON_PARSER_ERROR, &fault.to_string()),
        });
        if n_found < self.labels.len() {
            for label in &self.labels {
                if fields.get(label).is_none() {
                    fields.set(label, "");
                }
            }
        }
    }
}

/// Returns what a label gets; the text of an array is treated like a string.
fn text_of(value: Value<'_>) -> Cow<'_, str> {
    match value.kind {
        Kind::Null => Cow::Borrowed(""),
        Kind::Object => Cow::Borrowed(value.text),
        _ if value.text.contains(['\\', char::REPLACEMENT_CHARACTER]) => {
            let mut res = String::new();
            push_value(&mut res, value.text);
            Cow::Owned(res)
        }
        _ => Cow::Borrowed(value.text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::testing::Found;
    use super::*;

    fn expressions(list: &[(&str, &str)]) -> Result<JsonExpressions, ExtractError> {
        let extraction =
            |(label, path): &(&str, &str)| Extraction { label: label.to_string(), path: path.to_string() };
        JsonExpressions::new(&list.iter().map(extraction).collect::<Vec<_>>())
    }

    fn check(list: &[(&str, &str)], line: &str, expect: &str) {
        let mut found = Found::default();
        found.given.insert("app".to_string(), "given".to_string());
        expressions(list).unwrap().extract(line, &mut found);
        assert_eq!(found.shown(), expect, "{line:?}");
    }

    const LINE: &str =
        r#"{"a":"x","b":{"c":[1,{"d":"é\n"}],"c d":true},"n":null,"o":{ "p":[] },"q":[[5,6],"s"]}"#;

    #[test]
    fn values_are_found_at_their_paths() {
        check(&[("l", "a")], LINE, "l=x");
        check(&[("l", "b.c[0]"), ("m", "b.c[1].d"), ("r", "b[\"c d\"]")], LINE, "l=1 m=é\n r=true");
        check(&[("l", "b.c[1]")], LINE, r#"l={"d":"é\n"}"#);
        check(&[("l", "o"), ("m", "o.p")], LINE, r#"l={ "p":[] } m=[]"#);
        check(&[("l", "q[0][1]"), ("m", "q[1]")], LINE, "l=6 m=s");
        check(&[("l", "a"), ("m", "a")], LINE, "l=x m=x");
        check(&[("l", "[1].a")], r#"[{"a":1},{"a":2}]"#, "l=2");
    }

    #[test]
    fn what_is_not_there_is_empty() {
        check(
            &[("l", "n"), ("m", "z"), ("o", "a.b"), ("p", "b.c[7]"), ("q", "b.c[0].d")],
            LINE,
            "l= m= o= p= q=",
        );
        check(&[("app", "z")], LINE, "");
        check(&[("app", "a")], LINE, "app_extracted=x");
    }

    #[test]
    fn a_line_that_is_none_says_so() {
        check(&[("l", "a")], "plain", "!JSONParserErr: ");
        check(&[("l", "a")], "", "");
        check(&[("l", "a")], "{\"b\":1", "l=");
        check(&[("l", "a")], "{\"b\":{\"a\":1}}", "l=");
        check(&[("l", "a")], "{\"a\":x}", "l= !JSONParserErr: Unknown value type");
        check(&[("l", "a")], "\"a\":1", "l= !JSONParserErr: Malformed JSON error");
        check(&[("l", "a")], "[]][", "l= !JSONParserErr: Malformed JSON error");
    }

    #[test]
    fn the_first_of_two_counts_and_later_objects_are_looked_into() {
        check(&[("l", "a")], r#"{"a":1,"a":2}"#, "l=1");
        check(&[("l", "a.b")], r#"{"a":{"c":1},"a":{"b":2}}"#, "l=2");
        check(&[("l", "x[0].a.b")], r#"{"x":[{"a":{"c":1},"a":{"b":2}}]}"#, "l=2");
    }

    #[test]
    fn wrong_expressions_are_refused() {
        let error = expressions(&[("a", "b.")]).unwrap_err().to_string();
        assert_eq!(error, "cannot parse expression [b.]: syntax error: unexpected $end, expecting FIELD");
        assert_eq!(expressions(&[("", "b")]).unwrap_err().to_string(), "invalid extracted label name ''");
    }

    proptest! {
        #[test]
        fn any_line_does_no_harm(text in any::<String>(), soup in r#"[\[{]["{}\[\]:,ab1\\ nu]{0,60}"#) {
            let list = [("a", "a"), ("b", "a.b"), ("c", "a[1].b[0]"), ("d", "[0]"), ("e", "a.b.a.b"), ("f", "b[0].a")];
            let parser = expressions(&list).unwrap();
            for line in [&text, &soup] {
                parser.extract(line, &mut Found::default());
            }
        }
    }
}
