//! Rule files: Prometheus's own format, YAML with `groups`.
//!
//! Source: "Defining recording rules" and "Alerting rules" in the documentation of Prometheus 3.
//! A key that nobody knows is a problem, since a slip of the pen in `for` would make another alert.

use super::draft::{DraftGroup, DraftRule, Field, Pairs, Problem};
use crate::cv::node::{Key, Node, Value};
use crate::cv::{Place, read_yaml};

/// Reads the groups of a file, or says what in its form is wrong; `name` is how it is shown.
pub fn read(name: &str, text: &str) -> Result<Vec<DraftGroup>, Vec<Problem>> {
    let mut reader = Reader { file: name, problems: Vec::new() };
    let groups = match read_yaml(text) {
        Ok(root) => reader.root(&root),
        Err(fault) => {
            let hint = if fault.hint.is_empty() { String::new() } else { format!(": {}", fault.hint) };
            reader.note(fault.place, format!("{}{hint}", fault.message));
            Vec::new()
        }
    };
    if reader.problems.is_empty() { Ok(groups) } else { Err(reader.problems) }
}

struct Reader<'a> {
    file: &'a str,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn root(&mut self, root: &Node) -> Vec<DraftGroup> {
        let mut res = Vec::new();
        for (key, value) in self.map(root, "a rule file") {
            match key.name.as_str() {
                "groups" => res.extend(self.list(value, "groups").iter().map(|group| self.group(group))),
                _ => self.unknown(key, "a rule file", &["groups"]),
            }
        }
        res
    }

    fn group(&mut self, node: &Node) -> DraftGroup {
        const KEYS: [&str; 6] = ["name", "interval", "query_offset", "limit", "labels", "rules"];
        let name = Field { text: String::new(), place: self.place(node.place) };
        let mut res = DraftGroup { name, file: self.file.to_string(), ..DraftGroup::default() };
        for (key, value) in self.map(node, "a group") {
            match key.name.as_str() {
                "name" => res.name = self.text(key, value).unwrap_or(res.name),
                "interval" => res.interval = self.text(key, value),
                "query_offset" => res.query_offset = self.text(key, value),
                "limit" => res.limit = self.text(key, value),
                "labels" => res.labels = self.pairs(key, value),
                "rules" => {
                    res.rules = self.list(value, "rules").iter().map(|rule| self.rule(rule)).collect();
                }
                _ => self.unknown(key, "a group", &KEYS),
            }
        }
        res
    }

    fn rule(&mut self, node: &Node) -> DraftRule {
        let mut res = DraftRule { place: self.place(node.place), ..DraftRule::default() };
        for (key, value) in self.map(node, "a rule") {
            match key.name.as_str() {
                "record" => res.record = self.text(key, value),
                "alert" => res.alert = self.text(key, value),
                "expr" => res.expr = self.text(key, value),
                "for" => res.hold = self.text(key, value),
                "keep_firing_for" => res.keep_firing_for = self.text(key, value),
                "labels" => res.labels = self.pairs(key, value),
                "annotations" => res.annotations = self.pairs(key, value),
                _ => self.unknown(key, "a rule", &super::RULE_KEYS),
            }
        }
        res
    }

    fn map<'n>(&mut self, node: &'n Node, what: &str) -> &'n [(Key, Node)] {
        match &node.value {
            Value::Map(entries) => entries,
            Value::Null => &[],
            other => {
                self.note(node.place, format!("{what} is a group of keys, this is {}", other.kind()));
                &[]
            }
        }
    }

    fn list<'n>(&mut self, node: &'n Node, key: &str) -> &'n [Node] {
        match &node.value {
            Value::List(items) => items,
            Value::Null => &[],
            other => {
                self.note(node.place, format!("`{key}` is a list, this is {}", other.kind()));
                &[]
            }
        }
    }

    /// Nothing after the colon is the same as no key.
    fn text(&mut self, key: &Key, node: &Node) -> Option<Field> {
        match &node.value {
            Value::Scalar(text) => Some(Field { text: text.clone(), place: self.place(node.place) }),
            Value::Null => None,
            other => {
                self.note(node.place, format!("`{}` is a text, this is {}", key.name, other.kind()));
                None
            }
        }
    }

    fn pairs(&mut self, key: &Key, node: &Node) -> Pairs {
        let entries = self.map(node, &format!("`{}`", key.name));
        entries
            .iter()
            .map(|(name, value)| {
                let empty = Field { text: String::new(), place: self.place(value.place) };
                (name.name.clone(), self.text(name, value).unwrap_or(empty))
            })
            .collect()
    }

    fn unknown(&mut self, key: &Key, what: &str, known: &[&str]) {
        let known = known.join(", ");
        self.note(key.place, format!("field {} not found: {what} has {known}", key.name));
    }

    fn note(&mut self, place: Place, message: String) {
        self.problems.push(Problem { place: self.place(place), message });
    }

    fn place(&self, place: Place) -> String {
        format!("{}:{place}", self.file)
    }
}
