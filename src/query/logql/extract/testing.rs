//! Fields in memory, for the tests of the parsers.

use std::collections::BTreeMap;

use super::{EXTRACTED_SUFFIX, Fields};

/// What a parser found; `wanted` is empty when everything is.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Labels of the stream.
    pub(super) given: BTreeMap<String, String>,
    pub(super) wanted: Vec<String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) error: Option<(&'static str, String)>,
}

impl Found {
    pub(super) fn wanting(wanted: &[&str]) -> Self {
        Self { wanted: wanted.iter().map(|name| name.to_string()).collect(), ..Self::default() }
    }

    /// Writes labels as `a=1 b=2`, and behind them the error if there is one.
    pub(super) fn shown(&self) -> String {
        let mut res: Vec<String> =
            self.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        res.extend(self.error.iter().map(|(error, details)| format!("!{error}: {details}")));
        res.join(" ")
    }

    fn name(&self, name: &str) -> String {
        if self.given.contains_key(name) { format!("{name}{EXTRACTED_SUFFIX}") } else { name.to_string() }
    }
}

impl Fields for Found {
    fn is_done(&self) -> bool {
        !self.wanted.is_empty() && self.wanted.iter().all(|name| self.labels.contains_key(name))
    }

    fn wants_prefix(&self, prefix: &str) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|name| name.starts_with(prefix))
    }

    fn claim(&mut self, name: &str) -> Option<&mut String> {
        let name = self.name(name);
        let is_wanted = self.wanted.is_empty() || self.wanted.contains(&name);
        (is_wanted && !self.labels.contains_key(&name)).then(|| self.labels.entry(name).or_default())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.labels.get(name).or_else(|| self.given.get(name)).map(String::as_str)
    }

    fn set(&mut self, name: &str, value: &str) {
        self.labels.insert(self.name(name), value.to_string());
    }

    fn fail(&mut self, error: &'static str, details: &str) {
        self.error = Some((error, details.to_string()));
    }

    fn is_given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    fn is_extracted(&self, name: &str) -> bool {
        self.labels.contains_key(name)
    }
}
