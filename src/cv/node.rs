//! The tree that both readers yield: values as written, each with its place.
//!
//! A scalar keeps its source text, so `NO`, `4.0` and `0123` stay what the author wrote;
//! what a scalar means is decided by the field that reads it.

use std::collections::HashMap;

use super::problem::{Fault, Place, quoted};

/// Most values of one file, aliases expanded. A CV of a thousand entries has some 20,000;
/// past this the file is refused rather than a small server filled.
pub const NODES_MAX: usize = 250_000;

/// Deepest nesting of one file. A JSON Resume needs five levels; the rest is room for
/// unknown keys, and a bound for everything that walks the tree by recursion.
pub const DEPTH_MAX: usize = 64;

/// Most text of one file, aliases expanded: the size that a file may have.
pub const TEXT_BYTES_MAX: usize = super::SIZE_BYTES_MAX;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it begins.
    pub place: Place,
}

/// What a file can say.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing after the colon.
    Null,
    /// A text, number or boolean, as written.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// Keys with values, in the order of the file; no key twice.
    Map(Vec<(Key, Node)>),
}

/// A key and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// The key as written.
    pub name: String,
    /// Where it begins.
    pub place: Place,
}

impl Value {
    /// Returns the text of a scalar.
    pub fn scalar(&self) -> Option<&str> {
        match self {
            Value::Scalar(text) => Some(text),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Returns what kind of value this is, in the words of a message.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Scalar(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a group of keys",
        }
    }
}

/// Counts what a file asks for, so that no file asks for more than the server has.
#[derive(Default)]
pub(super) struct Budget {
    n_nodes: usize,
    text_bytes: usize,
}

impl Budget {
    pub fn node(&mut self, place: Place, text_bytes: usize) -> Result<(), Fault> {
        self.n_nodes += 1;
        self.text_bytes += text_bytes;
        if self.n_nodes > NODES_MAX {
            let message = format!("there are more than {NODES_MAX} values in this file");
            return Err(Fault::new(place, message, "shorten it"));
        }
        if self.text_bytes > TEXT_BYTES_MAX {
            let message = format!("aliases make this file larger than {} MB", TEXT_BYTES_MAX / 1_000_000);
            return Err(Fault::new(place, message, "write fewer aliases (`*name`)"));
        }
        Ok(())
    }

    /// Counts a subtree that an alias repeats.
    pub fn copy(&mut self, node: &Node) -> Result<(), Fault> {
        match &node.value {
            Value::Null => self.node(node.place, 0),
            Value::Scalar(text) => self.node(node.place, text.len()),
            Value::List(items) => {
                self.node(node.place, 0)?;
                items.iter().try_for_each(|item| self.copy(item))
            }
            Value::Map(entries) => {
                self.node(node.place, 0)?;
                entries.iter().try_for_each(|(key, value)| {
                    self.node(key.place, key.name.len())?;
                    self.copy(value)
                })
            }
        }
    }

    pub fn depth(place: Place, depth: usize) -> Result<(), Fault> {
        if depth > DEPTH_MAX {
            let message = format!("this is nested deeper than {DEPTH_MAX} levels");
            return Err(Fault::new(place, message, "a CV needs five"));
        }
        Ok(())
    }
}

/// Collects the entries of one map and refuses a key that comes twice.
#[derive(Default)]
pub(super) struct MapBuilder {
    entries: Vec<(Key, Node)>,
    places: HashMap<String, Place>,
}

impl MapBuilder {
    /// Takes a key; the error names both places.
    pub fn key(&mut self, name: String, place: Place) -> Result<Key, Fault> {
        if let Some(first) = self.places.insert(name.clone(), place) {
            let message = format!("the key {} comes twice here, first on line {}", quoted(&name), first.line);
            return Err(Fault::new(place, message, "remove one of the two"));
        }
        Ok(Key { name, place })
    }

    pub fn value(&mut self, key: Key, node: Node) {
        self.entries.push((key, node));
    }

    pub fn finish(self) -> Value {
        Value::Map(self.entries)
    }
}
