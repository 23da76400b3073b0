//! Alert and recording rules, by the semantics of Prometheus 3.
//!
//! What was written ([`file::read`], [`draft`]) becomes definitions ([`check`]), these a
//! [`Schedule`], which evaluates one group after the other when its time has come. It promises
//! that rules of a group run in order and see what those before them recorded, that a series
//! which a rule no longer yields is marked as ended, and that alerts keep their state over a
//! reload and, saved ([`Saved`]), over a restart. It refuses to know threads, clocks on the wall,
//! what a store is ([`World`] has both ends of it) and who is told of an alert: nobody yet.
//!
//! Source of every rule: "Defining recording rules", "Alerting rules" and "HTTP API" in the
//! documentation of Prometheus 3.

pub mod alerts;
mod counts;
mod definition;
pub mod draft;
pub mod file;
mod group;
mod saved;
mod schedule;
pub mod template;
mod view;

use std::time::Duration;

pub use alerts::{Alert, State};
pub use counts::observe;
pub use definition::{Alerting, Config, Group, Kind, Query, RULES_MAX, Rule};
pub use draft::{Problem, check};
pub use group::Outcome;
pub use saved::{Saved, SavedRule};
pub use schedule::Schedule;
pub use view::{AlertingView, GroupView, Health, RuleView, RulesView};

use crate::clock::UnixMillis;
use crate::query::promql::InstantSample;
use crate::record::Scrape;

/// Most series of one rule's result: more is a query that lost its aggregation, and as alerts it
/// would be a page that nobody reads.
pub const RESULT_MAX: usize = 10_000;

/// While there are alerts they are saved at least this often, so that a restart after a crash
/// knows how long it was away.
pub const SAVE_INTERVAL: Duration = Duration::from_secs(60);

/// The keys of a rule.
pub const RULE_KEYS: [&str; 7] =
    ["record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"];

/// What rules stand in: where they look, and where what they yield goes.
pub trait World {
    /// Evaluates a query at one moment.
    fn evaluate(&self, query: &Query, at: UnixMillis) -> Result<Vec<InstantSample>, String>;

    /// Writes samples; a query that begins afterwards sees them.
    fn keep(&self, scrape: Scrape) -> Result<(), String>;
}

#[cfg(test)]
mod tests;
