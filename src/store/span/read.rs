//! Reads spans: those of one trace, or a range by time, duration and status.
//!
//! A block is unpacked only when its filter may have the trace, or its times, durations and
//! statuses may have what is selected.

use std::cmp::Reverse;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::part::SpanBlockHead;
use super::{NumberedSpan, columns};
use crate::record::Span;
use crate::record::read::{Direction, ReadError, SPANS_PER_TRACE_MAX, SpanSelect};
use crate::record::trace::TraceId;
use crate::store::disk::partition::{Kind, Partition};
use crate::store::facts::Facts;
use crate::store::state::Shared;

/// Returns the spans of one trace by their start.
pub fn trace(shared: &Shared, id: TraceId) -> Result<Vec<Span>, ReadError> {
    let (partitions, open) = snapshot(shared, i64::MIN, i64::MAX);
    let mut res: Vec<(Key, Span)> = Vec::new();
    let mut take = |generation, spans: Vec<NumberedSpan>| {
        let wanted = spans.into_iter().filter(|span| span.span.trace_id == id);
        res.extend(wanted.map(|span| (Key::of(generation, &span), span.span)));
        res.len() < SPANS_PER_TRACE_MAX
    };
    let is_more = open.into_iter().all(|(generation, spans)| take(generation, spans.to_vec()));
    if is_more {
        'all: for (partition, facts) in partitions.into_iter().rev() {
            let Some(facts) = shared.known(&partition, facts) else { continue };
            for head in facts.spans().blocks.iter().rev().filter(|head| head.may_have(id)) {
                let spans = unpack(shared, &partition, head, Some(id));
                if !take(head.spans.generation, spans) {
                    break 'all;
                }
            }
        }
    }
    res.sort_by_key(|(key, _)| *key);
    // A block may lie in two partitions when the flush of the first one failed halfway.
    res.dedup_by_key(|(key, _)| *key);
    res.truncate(SPANS_PER_TRACE_MAX);
    Ok(res.into_iter().map(|(_, span)| span).collect())
}

/// Visits the selected spans in the order of their starts.
pub fn spans(
    shared: &Shared,
    select: &SpanSelect,
    visit: &mut dyn FnMut(Span) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let (partitions, open) = snapshot(shared, select.from.0, select.to.0.saturating_sub(1));
    let mut blocks: Vec<(i64, i64, Item)> = Vec::new();
    for (generation, spans) in open {
        let starts = || spans.iter().map(|span| span.span.start.0);
        if let (Some(min), Some(max)) = (starts().min(), starts().max()) {
            blocks.push((min, max, Item::Open(generation, spans)));
        }
    }
    for (partition, facts) in partitions {
        let Some(facts) = shared.known(&partition, facts) else { continue };
        for head in facts.spans().blocks.iter().filter(|head| head.facts.may_have(select)) {
            let (min, max) = (head.facts.min_start.0, head.facts.max_start.0);
            blocks.push((min, max, Item::Sealed(partition.clone(), head.clone())));
        }
    }
    let is_forward = select.direction == Direction::Forward;
    blocks.sort_by_key(|(min, max, _)| if is_forward { Reverse(*min) } else { Reverse(!*max) });
    // The next one last. Spans at hand are shown up to where the next block begins.
    let mut at_hand: Vec<(Key, Span)> = Vec::new();
    loop {
        let next = blocks.last().map(|(min, max, _)| if is_forward { *min } else { !*max });
        while let Some((key, _)) = at_hand.last() {
            if next.is_some_and(|next| next <= key.ordered(is_forward).start) {
                break;
            }
            let Some((key, span)) = at_hand.pop() else { break };
            let is_twice = at_hand.last().is_some_and(|(next, _)| *next == key);
            if !is_twice && visit(span).is_break() {
                return Ok(());
            }
        }
        let Some((_, _, item)) = blocks.pop() else { return Ok(()) };
        let (generation, spans) = match item {
            Item::Open(generation, spans) => (generation, spans.to_vec()),
            Item::Sealed(partition, head) => (head.spans.generation, unpack(shared, &partition, &head, None)),
        };
        let wanted = spans.into_iter().filter(|span| select.accepts(&span.span));
        at_hand.extend(wanted.map(|span| (Key::of(generation, &span), span.span)));
        at_hand.sort_by_key(|(key, _)| Reverse(key.ordered(is_forward)));
    }
}

enum Item {
    Open(u32, Arc<Vec<NumberedSpan>>),
    Sealed(Arc<Partition>, Arc<SpanBlockHead>),
}

/// Start, then arrival.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    start: i64,
    generation: u32,
    no: u64,
}

impl Key {
    fn of(generation: u32, span: &NumberedSpan) -> Key {
        Key { start: span.span.start.0, generation, no: span.no }
    }

    fn ordered(self, is_forward: bool) -> Key {
        if is_forward {
            return self;
        }
        Key { start: !self.start, generation: !self.generation, no: !self.no }
    }
}

type Partitions = Vec<(Arc<Partition>, Option<Arc<Facts>>)>;

/// Each with its generation.
type OpenBlocks = Vec<(u32, Arc<Vec<NumberedSpan>>)>;

fn snapshot(shared: &Shared, from: i64, to: i64) -> (Partitions, OpenBlocks) {
    let state = shared.state();
    let open = state.spans.iter().map(|block| (block.generation, block.spans.clone())).collect();
    (state.tier(Kind::Spans).overlapping(from, to), open)
}

// Nothing of a block that does not have the trace, when one is wanted.
fn unpack(
    shared: &Shared,
    partition: &Arc<Partition>,
    head: &SpanBlockHead,
    wanted: Option<TraceId>,
) -> Vec<NumberedSpan> {
    let res = shared.read(partition, head.address).and_then(|packed| {
        let has_it = wanted.map_or(Ok(true), |id| columns::has_trace(&packed, id));
        let spans =
            has_it.and_then(|has_it| if has_it { columns::decompress(&packed) } else { Ok(Vec::new()) });
        spans.map_err(|damage| partition.damaged(damage))
    });
    res.unwrap_or_else(|err| {
        shared.leave_out(partition, &err);
        Vec::new()
    })
}
