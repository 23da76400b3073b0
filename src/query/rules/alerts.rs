//! The alerts of one rule: pending, firing, and gone.
//!
//! Each label set that the rule's query yields is one alert. It is pending from the first time,
//! fires when it was there for the rule's `for`, and goes when it is not there any more, unless
//! `keep_firing_for` holds it. Source: "Alerting rules" in the documentation of Prometheus 3.

use std::collections::BTreeMap;
use std::time::Duration;

use super::definition::{Alerting, Rule};
use super::template::{Scope, Template};
use crate::clock::UnixMillis;
use crate::query::promql::InstantSample;
use crate::record::labels::METRIC_NAME;
use crate::record::{Labels, Point};

/// The series that is 1 while an alert is pending or firing.
pub const ALERTS: &str = "ALERTS";

/// The series whose value is since when, in seconds since 1970.
pub const ALERTS_FOR_STATE: &str = "ALERTS_FOR_STATE";

const ALERT_NAME: &str = "alertname";
const ALERT_STATE: &str = "alertstate";

/// How far an alert has come; one that is neither is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// For a shorter time than `for`.
    Pending,
    /// For longer.
    Firing,
}

impl State {
    /// Returns the value of the label `alertstate`.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Firing => "firing",
        }
    }
}

/// One alert.
#[derive(Clone, Debug)]
pub struct Alert {
    /// What it is about, the rule's labels filled in.
    pub labels: Labels,
    /// Texts for people, filled in at the last evaluation.
    pub annotations: Labels,
    /// How far it has come.
    pub state: State,
    /// The query's value at the last evaluation that had one.
    pub value: f64,
    /// Since when.
    pub active_at: UnixMillis,
    /// When it began to fire.
    pub fired_at: Option<UnixMillis>,
    /// Since when only `keep_firing_for` holds it.
    pub keep_firing_since: Option<UnixMillis>,
}

impl Alert {
    /// Returns what may not get lost by a restart.
    fn standing(&self) -> (State, UnixMillis, Option<UnixMillis>) {
        (self.state, self.active_at, self.keep_firing_since)
    }
}

/// The alerts of one rule, by their labels.
#[derive(Clone, Debug, Default)]
pub struct Alerts(BTreeMap<Labels, Alert>);

impl Alerts {
    /// Begins with alerts that were there before.
    pub fn of(alerts: impl IntoIterator<Item = Alert>) -> Self {
        Alerts(alerts.into_iter().map(|alert| (alert.labels.clone(), alert)).collect())
    }

    /// Returns the alerts by their labels.
    pub fn iter(&self) -> impl Iterator<Item = &Alert> {
        self.0.values()
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true when there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes in what the rule's query yielded at a moment; returns whether an alert came, went
    /// or changed its state. On an error of labels nothing changes; above the limit all go, so
    /// that a rule which went wild does not fire for some.
    pub fn update(
        &mut self,
        rule: &Rule,
        alerting: &Alerting,
        result: &[InstantSample],
        (at, limit): (UnixMillis, usize),
    ) -> Result<bool, String> {
        let mut found: BTreeMap<Labels, Alert> = BTreeMap::new();
        for sample in result {
            let alert = begun(rule, alerting, sample, at);
            if found.insert(alert.labels.clone(), alert).is_some() {
                return Err(
                    "vector contains metrics with the same labelset after applying alert labels".into()
                );
            }
        }
        let mut has_changed = false;
        self.0.retain(|labels, alert| {
            let before = alert.standing();
            let stays = match found.remove(labels) {
                Some(Alert { value, annotations, .. }) => {
                    (alert.value, alert.annotations, alert.keep_firing_since) = (value, annotations, None);
                    true
                }
                None => alert.is_held(alerting.keep_firing_for, at),
            };
            alert.settle(alerting.hold, at);
            has_changed |= !stays || alert.standing() != before;
            stays
        });
        for (labels, mut alert) in found {
            alert.settle(alerting.hold, at);
            has_changed = true;
            self.0.insert(labels, alert);
        }
        let n_alerts = self.0.len();
        if limit > 0 && n_alerts > limit {
            self.0.clear();
            return Err(format!("exceeded limit of {limit} with {n_alerts} alerts"));
        }
        Ok(has_changed)
    }

    /// Returns what is written of the alerts: their states, and since when.
    pub fn points(&self) -> Vec<Point> {
        let each = self.0.values().flat_map(|alert| {
            let named = |name: &str| alert.labels.with(METRIC_NAME, name);
            let since = alert.active_at.0.div_euclid(1_000) as f64;
            [
                Point { series: named(ALERTS).with(ALERT_STATE, alert.state.as_str()), value: 1.0 },
                Point { series: named(ALERTS_FOR_STATE), value: since },
            ]
        });
        each.collect()
    }
}

fn begun(rule: &Rule, alerting: &Alerting, sample: &InstantSample, at: UnixMillis) -> Alert {
    let scope = Scope { labels: &sample.labels, value: sample.sample.value, at };
    let filled = |templates: &[(String, Template)]| -> Vec<(String, String)> {
        templates.iter().map(|(name, template)| (name.clone(), template.expand(scope))).collect()
    };
    let own = sample.labels.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    let all = own.chain(filled(&rule.labels)).chain([(ALERT_NAME.to_string(), rule.name.clone())]);
    Alert {
        labels: Labels::new(all).without(&[METRIC_NAME]),
        annotations: Labels::new(filled(&alerting.annotations)),
        state: State::Pending,
        value: sample.sample.value,
        active_at: at,
        fired_at: None,
        keep_firing_since: None,
    }
}

impl Alert {
    /// Returns true when the alert goes on although its series is not there.
    fn is_held(&mut self, keep_firing_for: Duration, at: UnixMillis) -> bool {
        if self.state != State::Firing || keep_firing_for.is_zero() {
            return false;
        }
        let since = *self.keep_firing_since.get_or_insert(at);
        between(since, at) < keep_firing_for
    }

    /// Fires when it is time; goes back when a reload made `for` longer.
    fn settle(&mut self, hold: Duration, at: UnixMillis) {
        let is_due = between(self.active_at, at) >= hold;
        match (self.state, is_due) {
            (State::Pending, true) => (self.state, self.fired_at) = (State::Firing, Some(at)),
            (State::Firing, false) => {
                (self.state, self.fired_at, self.keep_firing_since) = (State::Pending, None, None);
            }
            (State::Pending, false) | (State::Firing, true) => {}
        }
    }
}

/// Nothing when the clock was set back.
pub(super) fn between(from: UnixMillis, to: UnixMillis) -> Duration {
    Duration::from_millis(u64::try_from(to.0.saturating_sub(from.0)).unwrap_or(0))
}
