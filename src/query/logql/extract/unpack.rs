//! `| unpack`: lines that an agent packed, labels and all, into one object.
//!
//! Labels come out only when the line itself, `_entry`, does. Only strings are labels.

use super::json::{Fault, Kind, Members, push_value, unescaped};
use super::{Fields, JSON_PARSER_ERROR};
use crate::query::logql::sanitize::sanitized;

/// Where a packed line lies in its object.
const ENTRY: &str = "_entry";

/// The parser of packed lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unpack;

impl Unpack {
    /// Finds the labels of a line, and returns the line that was packed; none when there is none, and
    /// when no label is wanted.
    pub fn extract(&self, line: &str, fields: &mut dyn Fields) -> Option<String> {
        if line.is_empty() || fields.is_done() {
            return None;
        }
        if !line.starts_with('{') {
            fields.fail(JSON_PARSER_ERROR, "expecting json object(6), but it is not");
            return None;
        }
        unpack(line, fields).unwrap_or_else(|fault| {
            fields.fail(JSON_PARSER_ERROR, &fault.to_string());
            None
        })
    }
}

/// Reads the object to its end before it sets a label: it may be broken, or not packed.
fn unpack(line: &str, fields: &mut dyn Fields) -> Result<Option<String>, Fault> {
    let mut entry = None;
    let mut labels = Vec::new();
    let mut members = Members::new(line);
    while let Some((key, value)) = members.next()? {
        match value.kind {
            Kind::String if key == ENTRY => {
                entry = Some(unescaped(value.text).ok_or(Fault::Escape)?.into_owned())
            }
            Kind::String => labels.push((key, value.text)),
            _ => {}
        }
    }
    if entry.is_some() {
        // The last of two counts, and the first to claim a label has it.
        for (key, raw) in labels.iter().rev() {
            let name = sanitized(key);
            if !name.is_empty()
                && let Some(place) = fields.claim(&name)
            {
                push_value(place, raw);
            }
        }
    }
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::Found;
    use super::*;

    fn check(line: &str, expect: &str, expect_line: Option<&str>) {
        let mut found = Found::default();
        found.given.insert("app".to_string(), "given".to_string());
        let unpacked = Unpack.extract(line, &mut found);
        assert_eq!((found.shown().as_str(), unpacked.as_deref()), (expect, expect_line), "{line:?}");
    }

    #[test]
    fn a_packed_line_comes_out_with_its_labels() {
        check(
            r#"{"pod":"p","app":"x","n":1,"o":{"a":"b"},"_entry":"a \"line\""}"#,
            "app_extracted=x pod=p",
            Some("a \"line\""),
        );
        check(r#"{"a":"1","a":"2","_entry":""}"#, "a=2", Some(""));
        check(r#"{"a-b":"\ud800","_entry":"x"}"#, "a_b=", Some("x"));
    }

    #[test]
    fn what_was_not_packed_stays() {
        check(r#"{"a":"1"}"#, "", None);
        check(r#"{"a":"1","_entry":1}"#, "", None);
        check("", "", None);
        let mut found = Found::wanting(&["a"]);
        found.labels.insert("a".to_string(), "1".to_string());
        assert_eq!(Unpack.extract(r#"{"_entry":"x"}"#, &mut found), None);
    }

    #[test]
    fn what_is_no_object_says_so() {
        check("plain", "!JSONParserErr: expecting json object(6), but it is not", None);
        check(
            r#"{"a":"1","_entry":"x""#,
            "!JSONParserErr: Value is array, but can't find closing ']' symbol",
            None,
        );
        let escape = "!JSONParserErr: Encountered an invalid escape sequence in a string";
        check(r#"{"a":"1","_entry":"\x"}"#, escape, None);
    }

    proptest! {
        #[test]
        fn any_line_does_no_harm(text in any::<String>(), soup in r#"\{("_entry":|["{}:,a1\\]){0,30}"#) {
            Unpack.extract(&text, &mut Found::default());
            Unpack.extract(&soup, &mut Found::default());
        }
    }
}
