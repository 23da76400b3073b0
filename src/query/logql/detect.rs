//! What fields lines seem to have: found by reading some of them as JSON or logfmt.
//!
//! The lines are those that a query selects, as its stages left them. What a stage found already is
//! a field, and so is structured metadata; only lines of which no stage found anything are read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::ast::{LogExpr, LogfmtFlags, Stage};
use super::bytes::parse_bytes;
use super::extract::{Fields, Logfmt};
use super::go_duration::parse_duration;
use super::go_float::parse_float;
use super::lines::Line;
use super::sanitize::sanitized;

/// Values that are kept of a field; above it the number of different ones is said to be this.
pub const VALUES_MAX: usize = 1_000;

/// Objects in objects that are looked into; what programs log has three levels.
const DEPTH_MAX: usize = 16;

/// What kind of value a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `200`
    Int,
    /// `0.25`
    Float,
    /// `true`
    Boolean,
    /// `250ms`
    Duration,
    /// `1KiB`
    Bytes,
    /// Anything else.
    String,
}

impl Kind {
    /// Returns the word that Loki has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Int => "int",
            Kind::Float => "float",
            Kind::Boolean => "boolean",
            Kind::Duration => "duration",
            Kind::Bytes => "bytes",
            Kind::String => "string",
        }
    }

    fn of(value: &str) -> Self {
        if value.parse::<i64>().is_ok() {
            Kind::Int
        } else if parse_float(value).is_ok() {
            Kind::Float
        } else if matches!(
            value,
            "true" | "false" | "True" | "False" | "TRUE" | "FALSE" | "t" | "f" | "T" | "F"
        ) {
            Kind::Boolean
        } else if parse_duration(value).is_ok() {
            Kind::Duration
        } else if parse_bytes(value).is_ok() {
            Kind::Bytes
        } else {
            Kind::String
        }
    }
}

/// What is known of a field.
#[derive(Clone, Debug)]
pub struct Field {
    /// The label's name.
    pub label: String,
    /// What its last value is.
    pub kind: Kind,
    /// Different values, [`VALUES_MAX`] at most.
    pub values: BTreeSet<String>,
    /// The stages that find it; none for structured metadata.
    pub parsers: Vec<&'static str>,
    /// Where it stands in a line of JSON.
    pub json_path: Vec<String>,
}

/// Collects fields, so many at most.
pub struct Detector {
    fields: BTreeMap<String, Field>,
    fields_max: usize,
    /// The parsers that the query names itself.
    named: Vec<&'static str>,
}

impl Detector {
    /// Begins without any.
    pub fn new(log: &LogExpr, fields_max: usize) -> Self {
        let parser = |stage: &Stage| match stage {
            Stage::Json | Stage::JsonLabels(_) | Stage::Unpack => Some("json"),
            Stage::Logfmt(_) | Stage::LogfmtLabels(..) => Some("logfmt"),
            Stage::Regexp(_) => Some("regexp"),
            Stage::Pattern(_) => Some("pattern"),
            _ => None,
        };
        let named = log.stages.iter().filter_map(parser).collect();
        Detector { fields: BTreeMap::new(), fields_max, named }
    }

    /// Looks at a line.
    pub fn add(&mut self, line: &Line) {
        line.metadata.iter().for_each(|(name, value)| self.found(name, value, &[], &[]));
        if self.named.is_empty() {
            self.read(line);
        } else {
            let named = self.named.clone();
            let parsed = line.parsed.iter().filter(|(name, _)| !name.starts_with("__"));
            parsed.for_each(|(name, value)| self.found(name, value, &named, &[]));
        }
    }

    fn read(&mut self, line: &Line) {
        if let Ok(Value::Object(object)) = serde_json::from_str(&line.text) {
            let mut path = Vec::new();
            for (key, value) in &object {
                self.flatten(line, key, value, &mut path);
            }
            return;
        }
        let mut found = Found::default();
        Logfmt::new(LogfmtFlags::default()).extract(&line.text, &mut found);
        for (name, value) in found.pairs {
            self.found(&free_name(line, &name), &value, &["logfmt"], &[]);
        }
    }

    fn flatten(&mut self, line: &Line, key: &str, value: &Value, path: &mut Vec<String>) {
        path.push(key.to_string());
        match value {
            Value::Object(object) if path.len() < DEPTH_MAX => {
                object.iter().for_each(|(key, value)| self.flatten(line, key, value, path));
            }
            Value::Null | Value::Array(_) | Value::Object(_) => {}
            plain => {
                let name = sanitized(&path.join("_")).into_owned();
                let text = plain.as_str().map_or_else(|| plain.to_string(), str::to_string);
                self.found(&free_name(line, &name), &text, &["json"], path);
            }
        }
        path.pop();
    }

    fn found(&mut self, label: &str, value: &str, parsers: &[&'static str], json_path: &[String]) {
        if !self.fields.contains_key(label) && self.fields.len() == self.fields_max {
            return;
        }
        let field = self.fields.entry(label.to_string()).or_insert_with(|| Field {
            label: label.to_string(),
            kind: Kind::String,
            values: BTreeSet::new(),
            parsers: Vec::new(),
            json_path: json_path.to_vec(),
        });
        field.kind = Kind::of(value);
        for parser in parsers {
            if !field.parsers.contains(parser) {
                field.parsers.push(parser);
            }
        }
        if field.values.len() < VALUES_MAX {
            field.values.insert(value.to_string());
        }
    }

    /// Returns the fields by their names.
    pub fn into_fields(self) -> impl Iterator<Item = Field> {
        self.fields.into_values()
    }
}

/// Returns the name under which a query would find a field.
fn free_name(line: &Line, name: &str) -> String {
    let is_taken = !line.stream.get(name).is_empty() || line.metadata.iter().any(|(known, _)| known == name);
    if is_taken { format!("{name}{}", super::extract::EXTRACTED_SUFFIX) } else { name.to_string() }
}

/// What a parser found, all of it.
#[derive(Default)]
struct Found {
    pairs: Vec<(String, String)>,
}

impl Fields for Found {
    fn is_done(&self) -> bool {
        false
    }

    fn wants_prefix(&self, _: &str) -> bool {
        true
    }

    fn claim(&mut self, name: &str) -> Option<&mut String> {
        if self.get(name).is_some() {
            return None;
        }
        self.pairs.push((name.to_string(), String::new()));
        self.pairs.last_mut().map(|(_, value)| value)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn set(&mut self, name: &str, value: &str) {
        self.pairs.push((name.to_string(), value.to_string()));
    }

    fn fail(&mut self, _: &'static str, _: &str) {}
}

#[cfg(test)]
mod tests {
    use super::super::parse_log;
    use super::*;
    use crate::clock::UnixNanos;
    use crate::record::Labels;

    fn detected(query: &str, texts: &[&str]) -> Vec<String> {
        let mut detector = Detector::new(&parse_log(query).unwrap(), 3);
        for text in texts {
            detector.add(&Line {
                at: UnixNanos(0),
                text: text.to_string(),
                stream: Labels::new([("job", "a")]),
                metadata: vec![("trace_id".into(), "ab".into())],
                parsed: Vec::new(),
            });
        }
        let shown = |field: Field| {
            format!(
                "{} {} {} {:?} {:?}",
                field.label,
                field.kind.as_str(),
                field.values.len(),
                field.parsers,
                field.json_path
            )
        };
        detector.into_fields().map(shown).collect()
    }

    #[test]
    fn fields_of_lines_are_found_with_their_kind() {
        assert_eq!(
            detected("{job=\"a\"}", &[r#"{"a":{"b":1.5},"job":"x","c":[1]}"#]),
            [
                r#"a_b float 1 ["json"] ["a", "b"]"#,
                r#"job_extracted string 1 ["json"] ["job"]"#,
                "trace_id string 1 [] []",
            ]
        );
        assert_eq!(
            detected("{job=\"a\"}", &["took=5ms n=1", "took=7ms n=1"]),
            [r#"n int 1 ["logfmt"] []"#, r#"took duration 2 ["logfmt"] []"#, "trace_id string 1 [] []",]
        );
    }

    #[test]
    fn there_are_no_more_fields_than_asked_for() {
        assert_eq!(detected("{job=\"a\"}", &["a=1 b=2 c=3 d=4"]).len(), 3);
    }
}
