//! Reads roll-ups: each tier as far as it was made, and behind that the next finer one,
//! rolled up on the way out. So an answer reaches to the present and has one resolution.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::columns;
use super::job::block;
use crate::clock::UnixMillis;
use crate::record::read::{ReadError, SeriesSelect};
use crate::record::rollup::{coarser, rollups as roll_up};
use crate::record::{Coverage, Labels, Resolution, RolledStep, Rollup, Sample};
use crate::store::disk::partition::Kind;
use crate::store::metric::chunk::Values;
use crate::store::metric::read::{EncodedChunk, Part, Selection, Wanted, open_samples, put_in_order};
use crate::store::metric::window::Source;
use crate::store::state::{Shared, State};
use crate::store::wire::Damaged;

/// Returns the end of the block of a tier that was made last; none while it has none.
///
/// It is not the latest of all where the clock was ahead and set back: what was made then is
/// made again in its turn. While nothing was made since, it is the last that is not after `now`.
pub fn horizon(shared: &Shared, kind: Kind, now: UnixMillis) -> Option<UnixMillis> {
    let partitions: Vec<_> = {
        let state = shared.state();
        let tier = state.tier(kind);
        let active = tier.active.iter().map(|active| (active.partition.clone(), Some(active.facts.clone())));
        tier.sealed.iter().map(|sealed| (sealed.clone(), None)).chain(active).collect()
    };
    // The last one written first.
    for (partition, active) in partitions.into_iter().rev() {
        let Some(range) = partition.summary().range else { continue };
        let facts = if partition.is_readable() { shared.known(&partition, active) } else { None };
        let ends = match &facts {
            Some(facts) => {
                let first_made = facts.metrics().windows.iter().filter(|w| w.source != Source::AGAIN);
                first_made.map(|window| window.range().1).collect()
            }
            None => vec![range.1],
        };
        if let Some(last) = ends.last().filter(|last| **last <= now.0) {
            return Some(UnixMillis(*last));
        }
        if let Some(last) = ends.into_iter().filter(|end| *end <= now.0).max() {
            return Some(UnixMillis(last));
        }
    }
    None
}

/// Returns up to when the steps of a tier can be read: as far as it was made, but not behind a
/// partition that cannot be read while there is something finer in its place.
fn made(shared: &Shared, kind: Kind) -> Option<UnixMillis> {
    let until = shared.rolled.until(kind).or_else(|| horizon(shared, kind, shared.clock.now_ms()))?;
    let (finer, resolution): (&[Kind], _) = match kind {
        Kind::Hours => (&[Kind::Minutes, Kind::Metrics], Resolution::Hour),
        _ => (&[Kind::Metrics], Resolution::Minute),
    };
    let state = shared.state();
    let Some(finer) = finer.iter().filter_map(|kind| oldest(&state, *kind)).min() else { return Some(until) };
    let unreadable = state.tier(kind).partitions().filter(|partition| !partition.is_readable());
    let ranges = unreadable.filter_map(|partition| partition.summary().range);
    let replaced = ranges.filter(|(_, last)| finer.0 <= *last).map(|(first, _)| UnixMillis(first).max(finer));
    Some(replaced.min().map_or(until, |first| until.min(first.minus(resolution.step().unwrap_or_default()))))
}

/// Returns the earliest time that a kind of history has.
pub fn oldest(state: &State, kind: Kind) -> Option<UnixMillis> {
    let ranges = state.tier(kind).partitions().filter_map(|partition| partition.summary().range);
    ranges.map(|(first, _)| UnixMillis(first)).min()
}

/// Returns how far each resolution reaches; those without any data are left out.
pub fn coverage(shared: &Shared) -> Vec<Coverage> {
    let state = shared.state();
    let newest = shared.clock.now_ms();
    let mut res = Vec::new();
    let open = state.windows.iter().filter_map(|window| window.range()).map(|(first, _)| first).min();
    let raw = [oldest(&state, Kind::Metrics), open].into_iter().flatten().min();
    res.extend(raw.map(|oldest| Coverage { resolution: Resolution::Raw, oldest, newest }));
    for (resolution, kind) in [(Resolution::Minute, Kind::Minutes), (Resolution::Hour, Kind::Hours)] {
        // The time of a roll-up is the end of its step.
        let begin = |end: UnixMillis| end.minus(resolution.step().unwrap_or_default());
        let tier = oldest(&state, kind).map(begin);
        // Where nothing was rolled up yet, a coarser answer is made from what there is. And
        // what is rolled up begins with a block, its samples somewhere inside.
        let finer = res.last().map(|finer: &Coverage| finer.oldest);
        let reaches_further =
            |tier: &UnixMillis| finer.is_none_or(|finer| *tier <= finer.minus(block(resolution)));
        res.extend(tier.filter(reaches_further).or(finer).map(|oldest| Coverage {
            resolution,
            oldest,
            newest,
        }));
    }
    res
}

/// Visits the selected series rolled up to a resolution, steps ascending: every step that has
/// a part in the range, whole.
pub fn rollups(
    shared: &Shared,
    select: &SeriesSelect,
    resolution: Resolution,
    visit: &mut dyn FnMut(&Labels, &[RolledStep]) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let Some(step) = resolution.step() else { return Ok(()) };
    let wanted = Wanted::Accepted(&select.matchers);
    let tiers: &[Kind] = match resolution {
        Resolution::Hour => &[Kind::Hours, Kind::Minutes],
        Resolution::Minute | Resolution::Raw => &[Kind::Minutes],
    };
    // Steps are named by their ends.
    let first_end = crate::record::rollup::bucket_end(select.from, step);
    let last_end = crate::record::rollup::bucket_end(select.to, step);
    each(shared, wanted, resolution, tiers, first_end, last_end, visit).map(|_| ())
}

/// Visits the wanted series rolled up to a resolution, from the step that ends at
/// `first_end` to the one that ends at `last_end`: each of `tiers`, the coarser first, as far as
/// it was made, and behind them the samples.
///
/// Returns false when something of it cannot be read now and may be later.
pub fn each(
    shared: &Shared,
    wanted: Wanted<'_>,
    resolution: Resolution,
    tiers: &[Kind],
    first_end: UnixMillis,
    last_end: UnixMillis,
    visit: &mut dyn FnMut(&Labels, &[RolledStep]) -> ControlFlow<()>,
) -> Result<bool, ReadError> {
    let Some(step) = resolution.step() else { return Ok(true) };
    let made: Vec<_> = tiers.iter().filter_map(|kind| Some((*kind, made(shared, *kind)?))).collect();
    let (parts, open) = {
        let state = shared.state();
        let mut parts = Vec::new();
        // The first moment that the next finer tier has to tell of.
        let mut from = first_end.minus(step).0 + 1;
        for (kind, horizon) in made {
            if horizon.0 >= from {
                parts.extend(Part::of(&state, kind, from, horizon.0.min(last_end.0)));
                from = horizon.0 + 1;
            }
        }
        parts.extend(Part::of(&state, Kind::Metrics, from, last_end.0));
        let open =
            if from > last_end.0 { BTreeMap::new() } else { open_samples(&state, wanted, from, last_end.0) };
        (parts, open)
    };
    let selection = Selection::of(shared, wanted, parts, open.keys().cloned())?;
    let mut pieces = Pieces::default();
    // Broken off or at the end, it is the same to the caller.
    let _ = selection.each(|labels, chunks| {
        pieces.clear();
        for chunk in chunks {
            if let Err(damage) = pieces.take(&chunk) {
                shared.leave_out(chunk.partition, &chunk.partition.damaged(damage));
            }
        }
        pieces.samples.extend(open.get(labels).into_iter().flatten());
        let steps = pieces.join(resolution);
        if steps.is_empty() { ControlFlow::Continue(()) } else { visit(labels, steps) }
    });
    Ok(selection.is_whole())
}

/// What was found of one series, by tier.
#[derive(Default)]
struct Pieces {
    hours: Vec<RolledStep>,
    minutes: Vec<RolledStep>,
    samples: Vec<Sample>,
    values: Values,
}

impl Pieces {
    fn clear(&mut self) {
        self.hours.clear();
        self.minutes.clear();
        self.samples.clear();
    }

    fn take(&mut self, chunk: &EncodedChunk<'_>) -> Result<(), Damaged> {
        let steps = match chunk.partition.kind {
            Kind::Hours => &mut self.hours,
            Kind::Minutes => &mut self.minutes,
            _ => return chunk.samples(&mut self.values, &mut self.samples),
        };
        let template = chunk.window.template.as_ref().ok_or(Damaged("window of roll-ups without times"))?;
        let found = columns::decode(chunk.bytes, template)?;
        let is_wanted = |(end, _): &RolledStep| (chunk.from..=chunk.to).contains(&end.0);
        steps.extend(found.iter(template).filter(is_wanted));
        Ok(())
    }

    // The finer tiers begin where the coarser end, and those ends are ends of all their steps.
    fn join(&mut self, resolution: Resolution) -> &[RolledStep] {
        put_in_order(&mut self.samples);
        let minute = Resolution::Minute.step().unwrap_or_default();
        let Pieces { hours, minutes, samples, .. } = self;
        let steps = if resolution == Resolution::Hour {
            let hour = Resolution::Hour.step().unwrap_or_default();
            minutes.extend(roll_up(samples, minute));
            put_steps_in_order(minutes);
            hours.extend(coarser(minutes, hour));
            hours
        } else {
            minutes.extend(roll_up(samples, minute));
            minutes
        };
        put_steps_in_order(steps);
        steps
    }
}

/// Returns true when a step was made of more samples than another one for the same time.
pub fn knows_more(step: &Rollup, than: &Rollup) -> bool {
    step.count > than.count
}

// A step is there twice when its partition was given up after an error and it was made anew,
// when the clock was set back, or when samples came late: of equal ones the later is taken.
fn put_steps_in_order(steps: &mut Vec<RolledStep>) {
    if !steps.is_sorted_by(|a, b| a.0 < b.0) {
        steps.sort_by_key(|(end, _)| *end);
        steps.dedup_by(|later, kept| {
            let is_again = later.0 == kept.0;
            if is_again && !knows_more(&kept.1, &later.1) {
                *kept = *later;
            }
            is_again
        });
    }
}
