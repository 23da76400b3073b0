//! What a rule is, once it was read and found right.

use std::sync::Arc;
use std::time::Duration;

use super::template::Template;
use crate::query::promql::ast::Expr;
use crate::record::Labels;

/// Most rules of all groups together: an evaluation of each takes a millisecond or more, and the
/// groups take turns on one thread.
pub const RULES_MAX: usize = 1_000;

/// How often a group without an interval of its own is evaluated; Prometheus's default.
pub const INTERVAL: Duration = Duration::from_secs(60);

/// Shorter ones would keep the thread of all rules, and a disk, busy.
pub const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// What is configured.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// How often groups are evaluated that do not say it themselves.
    pub interval: Duration,
    /// Paths of rule files, patterns among them.
    pub files: Vec<String>,
    /// All groups, of the configuration itself first, then of each file.
    pub groups: Vec<Arc<Group>>,
}

impl Default for Config {
    fn default() -> Self {
        Config { interval: INTERVAL, files: Vec::new(), groups: Vec::new() }
    }
}

/// Rules that are evaluated one after the other at the same moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Its name, unique in its file.
    pub name: String,
    /// Where it was written.
    pub file: String,
    /// Time between two evaluations.
    pub interval: Duration,
    /// How long before the moment of evaluation its queries look, so that late samples are there.
    pub query_offset: Duration,
    /// Most alerts or series of one rule; zero for no limit but [`super::RESULT_MAX`].
    pub limit: usize,
    /// The rules, in the order of their evaluation.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The alert's name, or the metric that is recorded.
    pub name: String,
    /// What is evaluated.
    pub query: Query,
    /// What is added to each series, the group's labels among them; of an alert templates.
    pub labels: Vec<(String, Template)>,
    /// What becomes of the result.
    pub kind: Kind,
}

impl Rule {
    /// Returns the labels as they were written.
    pub fn written_labels(&self) -> Labels {
        Labels::new(self.labels.iter().map(|(name, value)| (name.as_str(), value.as_text())))
    }
}

/// What becomes of a rule's result.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// It is written under the rule's name.
    Record,
    /// Each of its series is an alert.
    Alert(Alerting),
}

/// When a series is an alert, and what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Alerting {
    /// How long a series must be there before its alert fires.
    pub hold: Duration,
    /// How long the alert goes on to fire when the series is there no more.
    pub keep_firing_for: Duration,
    /// Texts for people.
    pub annotations: Vec<(String, Template)>,
}

/// An expression that was parsed; two are the same when their texts are.
#[derive(Clone, Debug)]
pub struct Query {
    /// As it was written.
    pub text: String,
    /// What it means.
    pub expr: Arc<Expr>,
    /// As Prometheus prints it; views show it after each evaluation.
    pub printed: Arc<str>,
}

impl PartialEq for Query {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
