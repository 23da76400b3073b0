//! Names and values as JSON, empty values too.

use serde_json::{Value, json};

/// Names and values.
pub(super) type Pairs = Vec<(String, String)>;

/// Returns pairs as an object.
pub(super) fn object(pairs: &[(String, String)]) -> Value {
    Value::Object(pairs.iter().map(|(name, value)| (name.clone(), json!(value))).collect())
}
