//! JSON inside of lines and labels.
//!
//! What is no JSON is nothing, as in Loki; so is what is nested deeper than serde_json goes, 128
//! levels, where Go goes 10,000. Numbers are floats.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{Function, Kind, of};
use crate::query::logql::template::value::Value;

/// Bytes that an element takes in memory, the shortest of them two in the text.
const GROWTH: usize = 16;

pub(super) const FUNCTIONS: &[Function] = &[of("fromJson", &[Kind::Text], |context, args| {
    let text = args.text(0);
    context.budget.work(text.len().saturating_mul(GROWTH))?;
    Ok(read(text).unwrap_or(Value::Nothing))
})];

fn read(text: &str) -> Option<Value<'static>> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Reader.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok().map(|()| value)
}

struct Reader;

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = Value<'static>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Value<'static>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Self::Value, E> {
        Ok(Value::Truth(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Value::Float(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Value::Float(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Value::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::text(text.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut res = Vec::new();
        while let Some(element) = elements.next_element_seed(Reader)? {
            res.push(element);
        }
        Ok(Value::List(Rc::new(res)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut res = BTreeMap::new();
        while let Some(name) = entries.next_key::<String>()? {
            res.insert(name, entries.next_value_seed(Reader)?);
        }
        Ok(Value::Map(Rc::new(res)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::logql::template::tests::{check, check_fault};

    #[test]
    fn documents_become_lists_and_maps() {
        check("{{fromJson .json}}", "map[f:1.5 k:[1 two <nil> map[z:true]] n:<nil>]");
        check("{{(fromJson .json).f}}{{(fromJson .json).nope}}", "1.5<no value>");
        check("{{range (fromJson .json).k}}[{{.}}]{{end}}", "[1][two][<no value>][map[z:true]]");
        check(
            "{{range $k, $v := fromJson .json}}{{$k}}={{$v}};{{end}}",
            "f=1.5;k=[1 two <nil> map[z:true]];n=<no value>;",
        );
        check("{{with index (fromJson .json) \"k\" 3}}{{.z}}{{end}}", "true");
        check(
            "{{fromJson `\"a\"`}}{{fromJson `9007199254740993`}}{{fromJson ` true `}}",
            "a9.007199254740992e+15true",
        );
        check("{{print (fromJson `{\"a\":1,\"a\":2}`).a}}", "2");
    }

    #[test]
    fn what_is_none_is_nothing() {
        for text in ["", "{", "1 2", "nul", "{\"a\":}", "[1,]"] {
            check(&format!("{{{{fromJson `{text}`}}}}"), "<no value>");
        }
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        check(&format!("{{{{fromJson `{deep}`}}}}"), "<no value>");
    }

    #[test]
    fn too_much_of_it_is_refused() {
        check_fault(
            "{{repeat 600000 \"1,\" | printf \"[%s1]\" | fromJson | len}}",
            "result is above the limit",
        );
        check_fault(
            "{{range 20}}{{repeat 50000 \"1,\" | printf \"[%s1]\" | fromJson | len}}{{end}}",
            "template works on more",
        );
        assert!(read(&"[".repeat(100_000)).is_none());
    }
}
