//! `| regexp "(?P<method>\\w+) (?P<path>\\S+)"`: fields by the named groups of an expression.
//!
//! The first match counts. A group that took no part in it gives an empty label; a line that does not
//! match gives none.

use std::collections::HashSet;

use super::{ExtractError, Fields};
use crate::query::logql::sanitize::sanitized;
use crate::record::pattern::Pattern;

/// An expression with named groups.
#[derive(Clone, Debug)]
pub struct RegexpFields {
    pattern: Pattern,
    /// Labels with the numbers of their groups.
    labels: Vec<(usize, String)>,
}

impl RegexpFields {
    /// Compiles an expression.
    pub fn new(written: &str) -> Result<Self, ExtractError> {
        let pattern = Pattern::search(written)?;
        let mut known = HashSet::new();
        let mut labels = Vec::new();
        for (idx, name) in pattern.group_names().iter().enumerate() {
            let Some(name) = name else { continue };
            if !known.insert(name) {
                return Err(ExtractError::DuplicateGroup(name.clone()));
            }
            labels.push((idx + 1, sanitized(name).into_owned()));
        }
        if labels.is_empty() {
            return Err(ExtractError::NoNamedGroup);
        }
        Ok(Self { pattern, labels })
    }

    /// Returns what compiling the expression took, as [`Pattern::cost`] does.
    pub fn cost(&self) -> u64 {
        self.pattern.cost()
    }

    /// Finds the labels of a line.
    pub fn extract(&self, line: &str, fields: &mut dyn Fields) {
        if fields.is_done() {
            return;
        }
        let Some(groups) = self.pattern.regex().captures(line) else { return };
        for (idx, label) in &self.labels {
            if let Some(place) = fields.claim(label) {
                place.push_str(groups.get(*idx).map_or("", |group| group.as_str()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::Found;
    use super::*;

    fn check(expression: &str, line: &str, expect: &str) {
        let mut found = Found::default();
        RegexpFields::new(expression).unwrap().extract(line, &mut found);
        assert_eq!(found.shown(), expect, "{expression:?} and {line:?}");
    }

    #[test]
    fn named_groups_become_labels() {
        check(
            r"(?P<method>\w+) (?P<path>[\w/]+) \((?P<status>\d+?)\) (?P<duration>.*)",
            "x GET /a (200) 1.5s\nb",
            "duration=1.5s method=GET path=/a status=200",
        );
        check(r"(?<1>a)(b)", "ab", "_1=a");
        check(r"(?P<x>a)|(?P<y>b)", "b", "x= y=b");
        check(r"(?P<x>a)", "b", "");
        check(r"(?P<x>a*)", "", "x=");
    }

    #[test]
    fn wrong_expressions_are_refused_in_lokis_words() {
        let check = |expression: &str, expect: &str| {
            assert_eq!(RegexpFields::new(expression).unwrap_err().to_string(), expect, "{expression:?}");
        };
        check("", "at least one named capture must be supplied");
        check("(a)(?:b)", "at least one named capture must be supplied");
        check("(?P<a>x)(?P<a>y)", "duplicate extracted label name 'a'");
        check("(?P<a", "error parsing regexp: invalid named capture: `(?P<a`");
        check("a(", "error parsing regexp: missing closing ): `a(`");
    }

    proptest! {
        #[test]
        fn any_expression_does_no_harm(text in any::<String>(), soup in r"(\(\?P<[ab1]>|\)|[ab.*|]){0,10}") {
            for expression in [&text, &soup] {
                if let Ok(parser) = RegexpFields::new(expression) {
                    parser.extract(&text, &mut Found::default());
                }
            }
        }
    }
}
