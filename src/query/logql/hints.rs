//! What later stages and the grouping need of a line, so that parsers find no more than that.
//!
//! Which labels are parsed can be seen: a line of which nothing is needed is not parsed, and cannot be
//! wrong. So these are Loki's rules to the letter (`NewParserHint`).

use super::ast::{LabelFilter, Stage};
use super::error::ERROR_LABEL;
use super::extract::EXTRACTED_SUFFIX;
use crate::query::algebra::aggregate::Grouping;

/// Which labels parsers have to find.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// Only these; all of them when there is none.
    required: Vec<String>,
    /// None at all.
    is_nothing: bool,
}

impl Hints {
    /// Returns hints by which every label is found.
    pub fn everything() -> Self {
        Hints::default()
    }

    /// Returns what a range aggregation needs: the labels that its stages name, and those of its
    /// groups. Without a grouping all labels are needed.
    pub fn new(named: impl IntoIterator<Item = String>, grouping: Option<&Grouping>) -> Self {
        let mut required: Vec<String> = Vec::new();
        let groups = grouping.into_iter().filter(|g| !g.is_without).flat_map(|g| g.names.iter().cloned());
        for name in named.into_iter().chain(groups) {
            let free = name.strip_suffix(EXTRACTED_SUFFIX).map(str::to_string);
            for name in [Some(name), free].into_iter().flatten() {
                if !required.contains(&name) {
                    required.push(name);
                }
            }
        }
        match grouping {
            Some(grouping) if !grouping.is_without && grouping.names.is_empty() => {
                Hints { is_nothing: required.is_empty(), required }
            }
            Some(grouping) if !grouping.is_without => Hints { required, is_nothing: false },
            _ => Hints::everything(),
        }
    }

    /// Returns true when a label is needed.
    pub fn wants(&self, name: &str) -> bool {
        self.required.is_empty() || self.requires(name)
    }

    /// Returns true when a label is one of few that are needed.
    pub fn requires(&self, name: &str) -> bool {
        self.required.iter().any(|required| required == name)
    }

    /// Returns true when a label that begins so may be needed.
    pub fn wants_prefix(&self, prefix: &str) -> bool {
        self.required.is_empty() || self.required.iter().any(|required| required.starts_with(prefix))
    }

    /// Returns true when so many found are all that is needed.
    pub fn is_satisfied(&self, n_found: usize) -> bool {
        self.is_nothing || !self.required.is_empty() && n_found >= self.required.len()
    }

    /// Returns true when errors were asked for and are no reason to refuse the query.
    pub fn keeps_errors(&self) -> bool {
        self.requires(ERROR_LABEL)
    }
}

/// Hands over the labels that a stage names as its input; templates are asked elsewhere.
pub fn each_named(stage: &Stage, visit: &mut dyn FnMut(&str)) {
    if let Stage::Label(filter) = stage {
        each_tested(filter, visit);
    }
}

/// Hands over the labels that a condition is about.
pub fn each_tested(filter: &LabelFilter, visit: &mut dyn FnMut(&str)) {
    match filter {
        LabelFilter::Text(matcher) => visit(&matcher.name),
        LabelFilter::Number(number) => visit(&number.name),
        LabelFilter::Ip { name, .. } => visit(name),
        LabelFilter::And(one, other) | LabelFilter::Or(one, other) => {
            each_tested(one, visit);
            each_tested(other, visit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(names: &[&str]) -> Grouping {
        Grouping { names: names.iter().map(ToString::to_string).collect(), is_without: false }
    }

    #[test]
    fn only_what_is_named_or_grouped_by_is_wanted() {
        let hints = Hints::new(["status".to_string()], Some(&by(&["path_extracted"])));
        assert!(hints.wants("status") && hints.wants("path_extracted") && hints.wants("path"));
        assert!(!hints.wants("other") && hints.wants_prefix("sta") && !hints.wants_prefix("x"));
        assert!(!hints.is_satisfied(2) && hints.is_satisfied(3));
        assert!(!hints.keeps_errors());
    }

    #[test]
    fn without_a_grouping_everything_is_wanted_and_by_nothing_nothing() {
        assert_eq!(Hints::new(["a".to_string()], None), Hints::everything());
        let without = Grouping { names: vec!["a".into()], is_without: true };
        assert_eq!(Hints::new([], Some(&without)), Hints::everything());
        assert!(Hints::new([], Some(&by(&[]))).is_satisfied(0));
        let named = Hints::new(["a".to_string()], Some(&by(&[])));
        assert!(!named.is_satisfied(0) && named.is_satisfied(1) && !named.wants("b"));
        assert!(Hints::new([], Some(&by(&[ERROR_LABEL]))).keeps_errors());
    }
}
