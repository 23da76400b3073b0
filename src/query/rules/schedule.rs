//! All groups, each at its own pace: whose turn it is, what a reload keeps, what a restart finds.

use std::sync::Arc;
use std::time::Duration;

use super::World;
use super::alerts::{Alerts, between};
use super::definition::{self, Kind, Rule};
use super::group::{Group, RuleState, ended};
use super::saved::{Saved, SavedRule};
use super::view::RulesView;
use crate::clock::{Clock, UnixMillis};
use crate::record::{Labels, Scrape};

/// An alert that was last seen longer ago than this begins anew after a restart; Prometheus's
/// default for an outage (`rules.alert.for-outage-tolerance`).
const OUTAGE_MAX: Duration = Duration::from_secs(3_600);

/// Series of a group that is no more end after so many of its intervals, should no other rule
/// have taken them up by then.
const ORPHANED_INTERVALS: u32 = 2;

/// Every group, and who is next.
#[derive(Debug)]
pub struct Schedule {
    clock: Clock,
    /// By file and name.
    groups: Vec<Group>,
    orphaned: Vec<Orphaned>,
}

/// Series of a group that is no more, and when they end.
#[derive(Debug)]
struct Orphaned {
    due: UnixMillis,
    series: Vec<Labels>,
}

impl Schedule {
    /// Begins with the alerts that were saved, which go on where they were.
    pub fn new(clock: Clock, groups: &[Arc<definition::Group>], saved: &Saved) -> Self {
        let now = clock.now_ms();
        let mut res = Schedule { clock, groups: Vec::new(), orphaned: Vec::new() };
        res.apply(groups);
        for group in &mut res.groups {
            restore(group, saved, now);
            group.show();
        }
        res
    }

    /// Takes other groups; rules of the same group that keep kind, name and labels keep their
    /// state, and a group in which nothing changed keeps its pace.
    pub fn apply(&mut self, groups: &[Arc<definition::Group>]) {
        let now = self.clock.now_ms();
        let mut before = std::mem::take(&mut self.groups);
        for definition in groups {
            let same = before.iter().position(|group| group.is_called(&definition.file, &definition.name));
            let mut group = match same.map(|idx| before.swap_remove(idx)) {
                Some(group) if *group.definition == **definition => group,
                Some(group) => changed(group, definition.clone(), now),
                None => Group::new(definition.clone(), now),
            };
            group.show();
            self.groups.push(group);
        }
        let name = |group: &Group| (group.definition.file.clone(), group.definition.name.clone());
        self.groups.sort_by_key(name);
        for group in before {
            let wait = group.definition.interval * ORPHANED_INTERVALS;
            let due = UnixMillis(now.0.saturating_add(millis(wait)));
            let written = group.rules.into_iter().flat_map(|rule| rule.written);
            self.orphaned.push(Orphaned { due, series: written.chain(group.orphans).collect() });
        }
    }

    /// Returns how long nothing is due; none when nothing ever is.
    pub fn idle(&self) -> Option<Duration> {
        let now = self.clock.now_ms();
        let groups = self.groups.iter().map(|group| group.next);
        let due = groups.chain(self.orphaned.iter().map(|orphaned| orphaned.due)).min();
        due.map(|due| between(now, due))
    }

    /// Evaluates the group that waits longest, if its time has come; returns whether it has, and
    /// whether an alert changed.
    pub fn evaluate_next(&mut self, world: &dyn World, is_stopped: &dyn Fn() -> bool) -> Option<bool> {
        let now = self.clock.now_ms();
        self.end_orphaned(now, world);
        for group in &mut self.groups {
            // A clock that was set back would leave a hole of that length.
            if between(now, group.next) > 2 * group.definition.interval {
                group.next = next_slot(&group.definition, now);
            }
        }
        let group =
            self.groups.iter_mut().filter(|group| group.next <= now).min_by_key(|group| group.next)?;
        let interval = millis(group.definition.interval);
        let n_missed = (now.0 - group.next.0) / interval;
        group.outcome.n_missed += n_missed.unsigned_abs();
        let at = UnixMillis(group.next.0 + n_missed * interval);
        group.next = UnixMillis(at.0 + interval);
        let has_changed = group.evaluate(at, &self.clock, world, is_stopped);
        group.show();
        Some(has_changed)
    }

    fn end_orphaned(&mut self, now: UnixMillis, world: &dyn World) {
        let Schedule { groups, orphaned, .. } = self;
        orphaned.retain_mut(|orphans| {
            if orphans.due > now {
                return true;
            }
            let is_alone = |series: &&Labels| !groups.iter().any(|group| group.writes(series));
            let points: Vec<_> = orphans.series.iter().filter(is_alone).map(ended).collect();
            if !points.is_empty()
                && let Err(fault) = world.keep(Scrape { at: now, points })
            {
                // They end by themselves when nobody has looked back far enough.
                tracing::warn!("series of rules that are no more were not ended: {fault}");
            }
            false
        });
    }

    /// Returns true when there is an alert.
    pub fn has_alerts(&self) -> bool {
        self.groups.iter().flat_map(|group| &group.rules).any(|rule| !rule.alerts.is_empty())
    }

    /// Returns what is shown.
    pub fn view(&self) -> RulesView {
        Arc::new(self.groups.iter().map(|group| group.view.clone()).collect())
    }

    /// Returns what must survive a restart.
    pub fn saved(&self) -> Saved {
        let rules = self.groups.iter().flat_map(|group| {
            let states = group.definition.rules.iter().zip(&group.rules);
            states.map(|(rule, state)| SavedRule {
                file: group.definition.file.clone(),
                group: group.definition.name.clone(),
                name: rule.name.clone(),
                labels: rule.written_labels(),
                alerts: state.alerts.iter().cloned().collect(),
            })
        });
        let rules = rules.filter(|rule| !rule.alerts.is_empty()).collect();
        Saved { at: self.clock.now_ms(), rules }
    }
}

/// Returns the next moment at which a group is evaluated: multiples of its interval, shifted by
/// its name, so that groups of one interval do not come all at once.
pub(super) fn next_slot(group: &definition::Group, now: UnixMillis) -> UnixMillis {
    let interval = millis(group.interval);
    let mut name = group.file.clone().into_bytes();
    name.push(0);
    name.extend(group.name.as_bytes());
    let shift = i64::from(crc32fast::hash(&name)) % interval;
    UnixMillis(((now.0 - shift).div_euclid(interval) + 1) * interval + shift)
}

fn millis(interval: Duration) -> i64 {
    i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1)
}

fn is_same(one: &Rule, other: &Rule) -> bool {
    let is_alert = |rule: &Rule| matches!(rule.kind, Kind::Alert(_));
    is_alert(one) == is_alert(other)
        && one.name == other.name
        && one.written_labels() == other.written_labels()
}

/// Of several rules of one name and labels the first takes after the first, and so on.
fn changed(before: Group, definition: Arc<definition::Group>, now: UnixMillis) -> Group {
    let Group { definition: old, rules: states, orphans, next, outcome, .. } = before;
    let mut states: Vec<Option<RuleState>> = states.into_iter().map(Some).collect();
    let mut res = Group::new(definition, now);
    if res.definition.interval == old.interval {
        res.next = next;
    }
    (res.orphans, res.outcome) = (orphans, outcome);
    for (rule, state) in res.definition.rules.iter().zip(&mut res.rules) {
        let same = (0..states.len()).find(|idx| states[*idx].is_some() && is_same(&old.rules[*idx], rule));
        if let Some(kept) = same.and_then(|idx| states[idx].take()) {
            *state = kept;
        }
    }
    res.orphans.extend(states.into_iter().flatten().flat_map(|state| state.written));
    res
}

/// Puts saved alerts where they were. What was pending through an outage was not seen all that
/// time, so the outage does not count for it, as in Prometheus.
fn restore(group: &mut Group, saved: &Saved, now: UnixMillis) {
    let away = between(saved.at, now);
    if away > OUTAGE_MAX {
        return;
    }
    let is_outage = away > 2 * group.definition.interval + super::SAVE_INTERVAL;
    let mut left: Vec<&SavedRule> =
        saved.rules.iter().filter(|rule| group.is_called(&rule.file, &rule.group)).collect();
    for (rule, state) in group.definition.rules.iter().zip(&mut group.rules) {
        let Kind::Alert(_) = &rule.kind else { continue };
        let labels = rule.written_labels();
        let Some(idx) = left.iter().position(|saved| saved.name == rule.name && saved.labels == labels)
        else {
            continue;
        };
        let alerts = left.remove(idx).alerts.iter().cloned().map(|mut alert| {
            if is_outage && alert.state == super::alerts::State::Pending {
                alert.active_at = UnixMillis(alert.active_at.0.saturating_add(millis(away)));
            }
            alert
        });
        state.alerts = Alerts::of(alerts);
        // What was written for them is there, and is to end with them.
        state.written = state.alerts.points().into_iter().map(|point| point.series).collect();
    }
}
