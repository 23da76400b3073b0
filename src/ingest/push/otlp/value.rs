//! Attributes and other values as text.

use std::borrow::Cow;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use serde_json::{Map, Value};

use crate::record::access::cut;

/// Attributes of one resource, record or span; further ones are left out.
pub(super) const ATTRIBUTES_MAX: usize = 64;

/// Bytes of an attribute's value, which is cut.
const VALUE_MAX_BYTES: usize = 4 << 10;

/// Returns a text as it is, and everything else as JSON writes it.
pub(super) fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        None => String::new(),
        Some(Any::StringValue(text)) => text,
        Some(other) => json(other).to_string(),
    }
}

// Nested no deeper than the decoder allows: 100 levels.
fn json(value: Any) -> Value {
    let of = |value: Option<AnyValue>| value.and_then(|value| value.value).map_or(Value::Null, json);
    match value {
        Any::StringValue(text) => text.into(),
        Any::BoolValue(truth) => truth.into(),
        Any::IntValue(number) => number.into(),
        Any::DoubleValue(number) => {
            serde_json::Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number)
        }
        Any::ArrayValue(array) => array.values.into_iter().map(|value| of(Some(value))).collect(),
        Any::KvlistValue(list) => {
            let pairs = list.values.into_iter().map(|pair| (pair.key, of(pair.value)));
            Value::Object(pairs.collect::<Map<String, Value>>())
        }
        Any::BytesValue(bytes) => {
            use base64::Engine;
            base64::engine::general_purpose::STANDARD.encode(bytes).into()
        }
        // An index into a table that only profiles have.
        Any::StringValueStrindex(idx) => idx.into(),
    }
}

/// Returns the value of an attribute, `""` when there is none.
pub(super) fn find(attributes: &[KeyValue], name: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == name);
    found.map(|attribute| limited(attribute.value.clone())).unwrap_or_default()
}

/// Returns attributes by their own names, within the bounds.
pub(super) fn pairs(attributes: Vec<KeyValue>) -> Vec<(Cow<'static, str>, String)> {
    let named = attributes.into_iter().filter(|attribute| !attribute.key.is_empty());
    let pair = |attribute: KeyValue| {
        let name = cut(&attribute.key, super::super::LABEL_NAME_MAX_BYTES).to_string();
        (Cow::Owned(name), limited(attribute.value))
    };
    named.take(ATTRIBUTES_MAX).map(pair).collect()
}

pub(super) fn limited(value: Option<AnyValue>) -> String {
    let mut res = text(value);
    res.truncate(cut(&res, VALUE_MAX_BYTES).len());
    res
}
