//! What is shown of rules and their alerts, as plain data.

use std::sync::Arc;
use std::time::Duration;

use super::alerts::{Alert, State};
use super::definition::{Group, Kind};
use super::group::{Outcome, RuleState};
use crate::clock::UnixMillis;
use crate::record::Labels;

/// All groups, by file and name.
pub type RulesView = Arc<Vec<Arc<GroupView>>>;

/// How a rule's last evaluation went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// There was none.
    #[default]
    Unknown,
    /// Well.
    Ok,
    /// Not well.
    Err,
}

impl Health {
    /// Returns Prometheus's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Health::Unknown => "unknown",
            Health::Ok => "ok",
            Health::Err => "err",
        }
    }
}

/// A group as it was after its last evaluation.
#[derive(Clone, Debug)]
pub struct GroupView {
    /// Its name.
    pub name: String,
    /// Where it was written.
    pub file: String,
    /// Time between two evaluations.
    pub interval: Duration,
    /// Most alerts or series of one rule; zero for no limit.
    pub limit: usize,
    /// Its rules, in the order of their evaluation.
    pub rules: Vec<RuleView>,
    /// How its evaluations went.
    pub outcome: Outcome,
}

/// A rule as it was after its last evaluation.
#[derive(Clone, Debug)]
pub struct RuleView {
    /// The alert's name, or the metric that is recorded.
    pub name: String,
    /// The expression, as Prometheus would print it.
    pub query: Arc<str>,
    /// The labels, as they were written.
    pub labels: Labels,
    /// How the last evaluation went.
    pub health: Health,
    /// Why it failed, if it did.
    pub last_error: Option<String>,
    /// How long it took.
    pub evaluation_time: Duration,
    /// When it began.
    pub last_evaluation: Option<UnixMillis>,
    /// What only alerting rules have.
    pub alerting: Option<AlertingView>,
}

/// What only alerting rules have.
#[derive(Clone, Debug)]
pub struct AlertingView {
    /// `for`
    pub hold: Duration,
    /// `keep_firing_for`
    pub keep_firing_for: Duration,
    /// The annotations, as they were written.
    pub annotations: Labels,
    /// The alerts, by their labels.
    pub alerts: Vec<Alert>,
}

impl RuleView {
    /// Returns Prometheus's word for the furthest that any of the rule's alerts has come.
    pub fn state(&self) -> &'static str {
        let furthest = self.alerting.as_ref().and_then(|alerting| alerting.furthest());
        match (self.last_evaluation, furthest) {
            (_, Some(state)) => state.as_str(),
            (Some(_), None) => "inactive",
            (None, None) => "unknown",
        }
    }
}

impl AlertingView {
    fn furthest(&self) -> Option<State> {
        self.alerts.iter().map(|alert| alert.state).max()
    }
}

impl GroupView {
    pub(super) fn of(group: &Group, states: &[RuleState], outcome: Outcome) -> Self {
        let rules = group.rules.iter().zip(states).map(|(rule, state)| RuleView {
            name: rule.name.clone(),
            query: rule.query.printed.clone(),
            labels: rule.written_labels(),
            health: state.health,
            last_error: state.last_error.clone(),
            evaluation_time: state.evaluation_time,
            last_evaluation: state.last_evaluation,
            alerting: match &rule.kind {
                Kind::Record => None,
                Kind::Alert(alerting) => {
                    let written = alerting.annotations.iter();
                    let written = written.map(|(name, text)| (name.as_str(), text.as_text()));
                    Some(AlertingView {
                        hold: alerting.hold,
                        keep_firing_for: alerting.keep_firing_for,
                        annotations: Labels::new(written),
                        alerts: state.alerts.iter().cloned().collect(),
                    })
                }
            },
        });
        GroupView {
            name: group.name.clone(),
            file: group.file.clone(),
            interval: group.interval,
            limit: group.limit,
            rules: rules.collect(),
            outcome,
        }
    }
}
