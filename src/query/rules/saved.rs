//! What survives a restart: the alerts, as a small JSON text.
//!
//! Prometheus finds pending alerts again by the series `ALERTS_FOR_STATE`. That loses firing ones
//! whose `for` is short, annotations and `keep_firing_for`; a text of its own loses nothing.

use serde::{Deserialize, Serialize};

use super::alerts::{Alert, State};
use crate::clock::UnixMillis;
use crate::record::Labels;

/// A text of another version is not read: alerts begin anew.
const VERSION: u32 = 1;

/// All alerts at a moment.
#[derive(Clone, Debug, Default)]
pub struct Saved {
    /// The moment.
    pub at: UnixMillis,
    /// Rules that have alerts.
    pub rules: Vec<SavedRule>,
}

/// The alerts of one rule, and what it is found again by.
#[derive(Clone, Debug)]
pub struct SavedRule {
    /// The file of its group.
    pub file: String,
    /// The name of its group.
    pub group: String,
    /// Its name.
    pub name: String,
    /// Its labels, as they were written.
    pub labels: Labels,
    /// Its alerts.
    pub alerts: Vec<Alert>,
}

#[derive(Serialize, Deserialize)]
struct WireSaved {
    version: u32,
    at_ms: i64,
    rules: Vec<WireRule>,
}

#[derive(Serialize, Deserialize)]
struct WireRule {
    file: String,
    group: String,
    name: String,
    labels: Vec<(String, String)>,
    alerts: Vec<WireAlert>,
}

#[derive(Serialize, Deserialize)]
struct WireAlert {
    labels: Vec<(String, String)>,
    annotations: Vec<(String, String)>,
    is_firing: bool,
    /// A text, because JSON has neither NaN nor infinities.
    value: String,
    active_at_ms: i64,
    fired_at_ms: Option<i64>,
    keep_firing_since_ms: Option<i64>,
}

impl Saved {
    /// Writes the text.
    pub fn to_json(&self) -> String {
        let rules = self.rules.iter().map(|rule| WireRule {
            file: rule.file.clone(),
            group: rule.group.clone(),
            name: rule.name.clone(),
            labels: pairs(&rule.labels),
            alerts: rule.alerts.iter().map(WireAlert::of).collect(),
        });
        let wire = WireSaved { version: VERSION, at_ms: self.at.0, rules: rules.collect() };
        serde_json::to_string(&wire).expect("texts and numbers become JSON")
    }

    /// Reads a text, or says why it is none.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let wire: WireSaved = serde_json::from_str(text).map_err(|fault| fault.to_string())?;
        if wire.version != VERSION {
            return Err(format!("version {} is not {VERSION}", wire.version));
        }
        let rules = wire.rules.into_iter().map(|rule| {
            let alerts: Result<Vec<Alert>, String> = rule.alerts.into_iter().map(WireAlert::read).collect();
            let labels = Labels::new(rule.labels);
            Ok(SavedRule { file: rule.file, group: rule.group, name: rule.name, labels, alerts: alerts? })
        });
        Ok(Saved { at: UnixMillis(wire.at_ms), rules: rules.collect::<Result<_, String>>()? })
    }
}

impl WireAlert {
    fn of(alert: &Alert) -> Self {
        WireAlert {
            labels: pairs(&alert.labels),
            annotations: pairs(&alert.annotations),
            is_firing: alert.state == State::Firing,
            value: alert.value.to_string(),
            active_at_ms: alert.active_at.0,
            fired_at_ms: alert.fired_at.map(|at| at.0),
            keep_firing_since_ms: alert.keep_firing_since.map(|at| at.0),
        }
    }

    fn read(self) -> Result<Alert, String> {
        Ok(Alert {
            labels: Labels::new(self.labels),
            annotations: Labels::new(self.annotations),
            state: if self.is_firing { State::Firing } else { State::Pending },
            value: self.value.parse().map_err(|_| format!("{:?} is not a number", self.value))?,
            active_at: UnixMillis(self.active_at_ms),
            fired_at: self.fired_at_ms.map(UnixMillis),
            keep_firing_since: self.keep_firing_since_ms.map(UnixMillis),
        })
    }
}

fn pairs(labels: &Labels) -> Vec<(String, String)> {
    labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}
