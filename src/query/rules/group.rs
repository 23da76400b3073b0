//! One group at work: its rules one after the other, so that a later one sees what an earlier
//! one recorded, and what is known of each.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::alerts::Alerts;
use super::definition::{self, Kind, Rule};
use super::view::{GroupView, Health};
use super::{RESULT_MAX, World};
use crate::clock::{Clock, UnixMillis};
use crate::query::promql::InstantSample;
use crate::record::labels::METRIC_NAME;
use crate::record::metric::STALE_NAN_BITS;
use crate::record::{Labels, Point, Scrape};

/// A group and what became of its evaluations.
#[derive(Debug)]
pub struct Group {
    pub(super) definition: Arc<definition::Group>,
    /// One for each rule of the definition.
    pub(super) rules: Vec<RuleState>,
    /// Series of rules that are no more; they end at the next evaluation.
    pub(super) orphans: Vec<Labels>,
    /// The moment of the next evaluation.
    pub(super) next: UnixMillis,
    pub(super) outcome: Outcome,
    /// What is shown, made anew after each evaluation.
    pub(super) view: Arc<GroupView>,
}

/// How the evaluations of a group went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// How long the last one took.
    pub evaluation_time: Duration,
    /// When the last one began.
    pub last_evaluation: Option<UnixMillis>,
    /// Rules that were evaluated.
    pub n_evaluations: u64,
    /// Those that failed.
    pub n_failures: u64,
    /// Evaluations of the group that were left out, because those before took too long.
    pub n_missed: u64,
}

/// What is known of one rule.
#[derive(Clone, Debug, Default)]
pub struct RuleState {
    /// The series that it wrote last.
    pub written: HashSet<Labels>,
    /// The alerts, if it makes any.
    pub alerts: Alerts,
    /// How the last evaluation went.
    pub health: Health,
    /// Why it failed, if it did.
    pub last_error: Option<String>,
    /// How long it took.
    pub evaluation_time: Duration,
    /// When it began.
    pub last_evaluation: Option<UnixMillis>,
}

impl Group {
    /// Makes a group that was never evaluated.
    pub fn new(definition: Arc<definition::Group>, now: UnixMillis) -> Self {
        let rules = vec![RuleState::default(); definition.rules.len()];
        let (next, outcome) = (super::schedule::next_slot(&definition, now), Outcome::default());
        let view = Arc::new(GroupView::of(&definition, &rules, outcome));
        Group { definition, rules, orphans: Vec::new(), next, outcome, view }
    }

    /// Returns true when it has this file and name.
    pub fn is_called(&self, file: &str, name: &str) -> bool {
        self.definition.file == file && self.definition.name == name
    }

    /// Returns true when one of its rules wrote this series last.
    pub fn writes(&self, series: &Labels) -> bool {
        self.rules.iter().any(|rule| rule.written.contains(series))
    }

    /// Makes the view anew.
    pub fn show(&mut self) {
        self.view = Arc::new(GroupView::of(&self.definition, &self.rules, self.outcome));
    }

    /// Evaluates every rule at a moment; returns whether an alert changed. It ends early, with
    /// nothing half done, when `is_stopped` says so.
    pub fn evaluate(
        &mut self,
        at: UnixMillis,
        clock: &Clock,
        world: &dyn World,
        is_stopped: &dyn Fn() -> bool,
    ) -> bool {
        let (started, began) = (clock.elapsed(), clock.now_ms());
        let mut has_changed = false;
        for idx in 0..self.rules.len() {
            if is_stopped() {
                return has_changed;
            }
            has_changed |= self.evaluate_rule(idx, at, clock, world);
        }
        self.end_orphans(at, world);
        self.outcome.evaluation_time = clock.elapsed().saturating_sub(started);
        self.outcome.last_evaluation = Some(began);
        has_changed
    }

    fn evaluate_rule(&mut self, idx: usize, at: UnixMillis, clock: &Clock, world: &dyn World) -> bool {
        let (started, began) = (clock.elapsed(), clock.now_ms());
        let n_before = self.rules[idx].alerts.len();
        let outcome = self.try_rule(idx, at, world);
        self.outcome.n_evaluations += 1;
        self.outcome.n_failures += u64::from(outcome.is_err());
        let (rule, group) = (&self.definition.rules[idx], &self.definition);
        let state = &mut self.rules[idx];
        state.evaluation_time = clock.elapsed().saturating_sub(started);
        state.last_evaluation = Some(began);
        match outcome {
            Ok(has_changed) => {
                (state.health, state.last_error) = (Health::Ok, None);
                has_changed
            }
            Err(fault) => {
                // Said once, not at each evaluation until somebody mends it.
                if state.last_error.as_ref() != Some(&fault) {
                    let (file, group, name) = (&group.file, &group.name, &rule.name);
                    tracing::warn!("rule {name:?} of group {group:?} in {file} failed: {fault}");
                }
                (state.health, state.last_error) = (Health::Err, Some(fault));
                // Alerts above the limit are gone.
                state.alerts.len() != n_before
            }
        }
    }

    fn try_rule(&mut self, idx: usize, at: UnixMillis, world: &dyn World) -> Result<bool, String> {
        let group = &*self.definition;
        let rule = &group.rules[idx];
        let looks_at = at.minus(group.query_offset);
        let result = world.evaluate(&rule.query, looks_at)?;
        if result.len() > RESULT_MAX {
            return Err(format!("{} series are above the limit of {RESULT_MAX} for one rule", result.len()));
        }
        let (mut points, has_changed) = match &rule.kind {
            Kind::Record => (recorded(rule, result, group.limit)?, false),
            Kind::Alert(alerting) => {
                let alerts = &mut self.rules[idx].alerts;
                let has_changed = alerts.update(rule, alerting, &result, (at, group.limit))?;
                (alerts.points(), has_changed)
            }
        };
        let written: HashSet<Labels> = points.iter().map(|point| point.series.clone()).collect();
        let gone = std::mem::take(&mut self.rules[idx].written);
        // Two rules may take turns in one series.
        points.extend(
            gone.iter().filter(|series| !written.contains(*series) && !self.writes(series)).map(ended),
        );
        let kept = if points.is_empty() { Ok(()) } else { world.keep(Scrape { at: looks_at, points }) };
        self.rules[idx].written = if kept.is_ok() { written } else { gone };
        kept.map(|()| has_changed)
    }

    fn end_orphans(&mut self, at: UnixMillis, world: &dyn World) {
        let orphans = std::mem::take(&mut self.orphans);
        let points: Vec<Point> = orphans.iter().filter(|series| !self.writes(series)).map(ended).collect();
        if points.is_empty() {
            return;
        }
        let at = at.minus(self.definition.query_offset);
        if world.keep(Scrape { at, points }).is_err() {
            self.orphans = orphans;
        }
    }
}

/// Says that a series ended.
pub(super) fn ended(series: &Labels) -> Point {
    Point { series: series.clone(), value: f64::from_bits(STALE_NAN_BITS) }
}

/// Returns what a recording rule writes: the result under its name, with its labels.
fn recorded(rule: &Rule, result: Vec<InstantSample>, limit: usize) -> Result<Vec<Point>, String> {
    let mut seen = HashSet::new();
    let mut res = Vec::with_capacity(result.len());
    for InstantSample { labels, sample } in result {
        let own = rule.labels.iter().map(|(name, value)| (name.as_str(), value.as_text()));
        let all = labels.iter().chain([(METRIC_NAME, rule.name.as_str())]).chain(own);
        let series = Labels::new(all);
        if !seen.insert(series.clone()) {
            return Err("vector contains metrics with the same labelset after applying rule labels".into());
        }
        res.push(Point { series, value: sample.value });
    }
    if limit > 0 && res.len() > limit {
        return Err(format!("exceeded limit of {limit} with {} series", res.len()));
    }
    Ok(res)
}
