//! `| json`: every property of a line, or those that expressions name.
//!
//! Objects in objects are flattened, their names joined by underscores; arrays and nulls are left
//! out. A line that is no JSON keeps the labels that were found up to there.

mod expressions;
mod path;
mod scan;
mod search;
mod unescape;

use super::{Fields, JSON_PARSER_ERROR};
use crate::query::logql::sanitize::{is_name, push_sanitized};

pub use expressions::JsonExpressions;
pub(super) use scan::{Fault, Kind, Members, Value};
pub(super) use unescape::{push_value, unescaped};

/// Most objects in each other, from which on a line counts as no JSON. Each one is passed once
/// for itself and once for each around it, so that a line of 10 MB takes a second at worst; what
/// programs log has ten levels.
const DEPTH_MAX: usize = 64;

/// Every property of a line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl Json {
    /// Finds the labels of a line.
    pub fn extract(&self, line: &str, fields: &mut dyn Fields) {
        if fields.is_done() {
            return;
        }
        let read = Flattening { fields, name: String::new() }.object(line, 0);
        if let Err(End::Fault(fault)) = read {
            fields.fail(JSON_PARSER_ERROR, &fault.to_string());
        }
    }
}

/// Why a line is read no further.
enum End {
    /// Nothing is wanted any more.
    Done,
    Fault(Fault),
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

struct Flattening<'f> {
    fields: &'f mut dyn Fields,
    /// Name of the objects that are open, joined.
    name: String,
}

impl Flattening<'_> {
    fn object(&mut self, text: &str, depth: usize) -> Result<(), End> {
        if depth >= DEPTH_MAX {
            return Err(Fault::Depth.into());
        }
        let mut members = Members::new(text);
        while let Some((key, value)) = members.next()? {
            let name_len = self.name.len();
            match value.kind {
                Kind::Array | Kind::Null => continue,
                Kind::Object => {
                    self.push(&key);
                    if self.fields.wants_prefix(&self.name) {
                        self.object(value.text, depth + 1)?;
                    }
                }
                _ => {
                    let place = if depth == 0 && is_name(&key) {
                        self.fields.claim(&key)
                    } else {
                        self.push(&key);
                        // Where nothing is left of any key there is no label.
                        if self.name.is_empty() { None } else { self.fields.claim(&self.name) }
                    };
                    if let Some(place) = place {
                        write(place, value);
                    }
                    if self.fields.is_done() {
                        return Err(End::Done);
                    }
                }
            }
            self.name.truncate(name_len);
        }
        Ok(())
    }

    fn push(&mut self, key: &str) {
        if key.trim().is_empty() {
            return;
        }
        if !self.name.is_empty() {
            self.name.push('_');
        }
        push_sanitized(&mut self.name, key);
    }
}

fn write(place: &mut String, value: Value<'_>) {
    match value.kind {
        Kind::String => push_value(place, value.text),
        _ => place.push_str(value.text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::Found;
    use super::*;

    fn check(line: &str, expect: &str) {
        let mut found = Found::default();
        found.given.insert("app".to_string(), "given".to_string());
        Json.extract(line, &mut found);
        assert_eq!(found.shown(), expect, "{line:?}");
    }

    #[test]
    fn properties_become_labels() {
        check(r#"{"a":"x\ty","b":1.50,"c":true,"d":false}"#, "a=x\ty b=1.50 c=true d=false");
        check(r#" {"a" : "" , "n":null,"l":[1,{"a":2}]} behind"#, "a=");
        check(r#"{"user-agent":"u","1":2,"é":3," k ":4}"#, "_=3 _1=2 k=4 user_agent=u");
        check(r#"{"app":"x"}"#, "app_extracted=x");
        check("{}", "");
        check(r#"{"a":1,}"#, "a=1");
        check(r#"{"\u0061":"\ud800","b":"\u00e9\ufffd"}"#, "a= b=é ");
    }

    #[test]
    fn objects_in_objects_are_flattened() {
        check(r#"{"a":{"b":{"c d":1},"e":2},"f":{}}"#, "a_b_c_d=1 a_e=2");
        check(r#"{"1":{"2":3},"":{"x":4}," ":{"":5}}"#, "_1_2=3 x=4");
    }

    #[test]
    fn the_first_of_two_counts() {
        check(r#"{"a":1,"a":2,"b":{"c":3},"b_c":4}"#, "a=1 b_c=3");
    }

    #[test]
    fn a_line_that_is_none_keeps_what_was_found_before() {
        check("", "!JSONParserErr: Value looks like object, but can't find closing '}' symbol");
        check("plain", "!JSONParserErr: Value looks like object, but can't find closing '}' symbol");
        check(r#"{"a":1"#, "a=1 !JSONParserErr: Value is array, but can't find closing ']' symbol");
        check(
            r#"{"a":1 "b""#,
            "a=1 !JSONParserErr: Value looks like object, but can't find closing '}' symbol",
        );
        check(r#"{"a":1,"b":"#, "a=1 !JSONParserErr: Malformed JSON error");
        check(r#"{"a":1,"b"}"#, "a=1 !JSONParserErr: Malformed JSON error");
        check(r#"{"a":"x"#, "!JSONParserErr: Value is string, but can't find closing '\"' symbol");
        check(r#"{"a":None}"#, "!JSONParserErr: Unknown value type");
        check(r#"{"\x":1}"#, "!JSONParserErr: Encountered an invalid escape sequence in a string");
        check(
            r#"{"a":1,"b":{"c":2"#,
            "a=1 !JSONParserErr: Value looks like object, but can't find closing '}' symbol",
        );
        check(r#"{"b":{"c":2,"d":]}}"#, "b_c=2 !JSONParserErr: Unknown value type");
    }

    #[test]
    fn a_line_is_read_until_all_is_found() {
        let check = |wanted: &[&str], line: &str, expect: &str| {
            let mut found = Found::wanting(wanted);
            Json.extract(line, &mut found);
            assert_eq!(found.shown(), expect, "{line:?}");
        };
        check(&["a"], r#"{"b":1,"a":2,"c":"#, "a=2");
        check(&["a_b"], r#"{"c":{"x":"\x"},"a":{"b":2},}}"#, "a_b=2");
        check(&["a"], r#"{"b":1}"#, "");
        check(&["a"], r#"{"b":{"a":}}"#, "");
    }

    #[test]
    fn deep_objects_do_no_harm() {
        let nested = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
        let name = vec!["a"; DEPTH_MAX].join("_");
        check(&nested(DEPTH_MAX), &format!("{name}=1"));
        check(&nested(10_000), "!JSONParserErr: objects are nested more than 64 levels deep");
        check(
            &"{\"a\":[".repeat(10_000),
            "!JSONParserErr: Value is array, but can't find closing ']' symbol",
        );
    }

    proptest! {
        #[test]
        fn any_line_does_no_harm(text in any::<String>(), soup in r#"\{["{}\[\]:,ab1\\ nut]{0,60}"#) {
            Json.extract(&text, &mut Found::default());
            Json.extract(&soup, &mut Found::default());
        }
    }
}
