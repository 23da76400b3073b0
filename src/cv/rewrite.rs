//! Writes a CV's file anew: tidy YAML from any JSON Resume, and JSON Resume from YAML.
//!
//! It works on the tree of the file and not on the model, so that nothing is lost that we do
//! not know: unknown keys stay with their values, older names become those of today, keys
//! stand in the order of the schema, and what is empty goes. Comments are not in the tree and
//! go as well.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::node::{Key, Node, Value};
use super::problem::Place;
use super::yaml_out;

/// Keys in the order of the schema of JSON Resume, over all its groups; others come after.
const ORDER: &[&str] = &[
    "$schema",
    "x-lang",
    "basics",
    "work",
    "volunteer",
    "education",
    "awards",
    "certificates",
    "publications",
    "skills",
    "languages",
    "interests",
    "references",
    "projects",
    "x-sections",
    "x-private",
    "meta",
    "name",
    "title",
    "organization",
    "institution",
    "network",
    "language",
    "label",
    "position",
    "subtitle",
    "username",
    "studyType",
    "area",
    "entity",
    "type",
    "roles",
    "issuer",
    "publisher",
    "awarder",
    "image",
    "email",
    "phone",
    "url",
    "location",
    "address",
    "postalCode",
    "city",
    "region",
    "countryCode",
    "date",
    "releaseDate",
    "startDate",
    "endDate",
    "level",
    "fluency",
    "score",
    "description",
    "summary",
    "reference",
    "highlights",
    "courses",
    "keywords",
    "items",
    "profiles",
    "canonical",
    "version",
    "lastModified",
];

/// The end of what goes on: null or empty in the file, which a person would not write.
const ONGOING: &str = "present";

/// Names of keys that have another one today, by where they stand.
pub(super) type Renames = HashMap<Place, &'static str>;

/// Returns the tree with today's names, in order, without what is empty.
fn tidy(node: &Node, renames: &Renames) -> Node {
    let value = match &node.value {
        Value::Map(entries) => {
            let mut tidied: Vec<(Key, Node)> = entries
                .iter()
                .map(|(key, node)| {
                    let name = renames.get(&key.place).map_or(key.name.clone(), ToString::to_string);
                    let node = match &name[..] {
                        "endDate" if is_empty(&node.value) => scalar(ONGOING, node.place),
                        _ => tidy(node, renames),
                    };
                    (Key { name, place: key.place }, node)
                })
                .filter(|(_, node)| !is_empty(&node.value))
                .collect();
            // Stable: what has no place in the order keeps that of the file.
            tidied.sort_by_key(|(key, _)| {
                ORDER.iter().position(|known| *known == key.name).unwrap_or(ORDER.len())
            });
            Value::Map(tidied)
        }
        Value::List(items) => Value::List(
            items.iter().map(|item| tidy(item, renames)).filter(|item| !is_empty(&item.value)).collect(),
        ),
        other => other.clone(),
    };
    Node { value, place: node.place }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Scalar(text) => text.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Map(entries) => entries.is_empty(),
    }
}

fn scalar(text: &str, place: Place) -> Node {
    Node { value: Value::Scalar(text.to_string()), place }
}

/// Writes the file as YAML.
pub(super) fn yaml(root: &Node, renames: &Renames) -> String {
    yaml_out::write(&tidy(root, renames))
}

/// Writes the file as JSON, all values as texts; what goes on has no end there.
pub(super) fn json(root: &Node, renames: &Renames) -> String {
    let value = json_of(&tidy(root, renames), false);
    serde_json::to_string_pretty(&value).expect("a tree of texts has a JSON form") + "\n"
}

/// Sections in which an end that is not written means that it goes on.
const GO_ON: [&str; 3] = ["work", "volunteer", "education"];

/// Writes a value; an end that is "present" is left out where that says the same, and is
/// empty elsewhere.
fn json_of(node: &Node, goes_on: bool) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Scalar(text) => text.clone().into(),
        Value::List(items) => items.iter().map(|item| json_of(item, goes_on)).collect(),
        Value::Map(entries) => {
            let is_present = |key: &Key, node: &Node| {
                key.name == "endDate" && node.value.scalar().is_some_and(super::date::is_ongoing)
            };
            let entries = entries.iter().filter_map(|(key, node)| match is_present(key, node) {
                true if goes_on => None,
                true => Some((key.name.clone(), "".into())),
                false => {
                    let goes_on = goes_on || GO_ON.contains(&&*key.name);
                    Some((key.name.clone(), json_of(node, goes_on)))
                }
            });
            Json::Object(entries.collect())
        }
    }
}
