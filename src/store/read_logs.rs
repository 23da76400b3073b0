//! Reads lines in the order of time, forwards or backwards, merging streams as it goes.
//!
//! One heap holds partitions not opened yet, blocks not unpacked yet and lines at hand,
//! each under the earliest time that it can yield. So a partition is opened and a block
//! unpacked only when the walk has come to it, and a walk that is broken off early has
//! touched only what it showed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::blocks::OpenBlock;
use super::lines::Line;
use super::log_part::{BlockHead, LogPart};
use super::partition::Partition;
use super::state::Shared;
use crate::clock::UnixNanos;
use crate::record::read::{Direction, LogSelect, ReadError};
use crate::record::{Labels, LogRecord};

enum Item {
    Partition(Arc<Partition>),
    Block(Arc<Partition>, Arc<LogPart>, Arc<BlockHead>),
    Open(OpenBlock),
    Lines(Cursor),
}

/// The lines of one block that are in the range, the next one last.
struct Cursor {
    stream: Labels,
    generation: u32,
    lines: Vec<Line>,
}

/// Time, then what must be opened before lines of that time are shown, then arrival.
/// For a backward walk each number is turned around.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    at: i64,
    is_line: bool,
    generation: u32,
    no: u64,
}

struct Entry {
    key: Reverse<Key>,
    item: Item,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

struct Walk<'a> {
    shared: &'a Shared,
    select: &'a LogSelect,
    heap: BinaryHeap<Entry>,
}

/// Visits the selected lines.
pub fn lines(
    shared: &Shared,
    select: &LogSelect,
    visit: &mut dyn FnMut(LogRecord) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let mut walk = Walk::begin(shared, select);
    let mut shown = None;
    while let Some((key, record)) = walk.next() {
        // A line may lie in two partitions when the flush of the first one failed halfway.
        if shown.replace(key) == Some(key) {
            continue;
        }
        if visit(record).is_break() {
            break;
        }
    }
    Ok(())
}

impl<'a> Walk<'a> {
    fn begin(shared: &'a Shared, select: &'a LogSelect) -> Self {
        let mut walk = Walk { shared, select, heap: BinaryHeap::new() };
        let (sealed, active, open) = {
            let state = shared.state();
            let last = select.to.0.saturating_sub(1);
            let overlaps = |partition: &&Arc<Partition>| {
                partition.is_readable() && partition.summary().overlaps(select.from.0, last)
            };
            let sealed: Vec<Arc<Partition>> = state.logs.sealed.iter().filter(overlaps).cloned().collect();
            let active = state.logs.active.as_ref();
            let active = active.map(|active| (active.partition.clone(), Arc::new(active.part.clone())));
            let accepted = |block: &&OpenBlock| walk.accepts(&block.stream);
            (sealed, active, state.blocks.iter().filter(accepted).cloned().collect::<Vec<_>>())
        };
        for partition in sealed {
            let (min, max) = partition.summary().range.unwrap_or_default();
            walk.push_closed(min, max, Item::Partition(partition));
        }
        active.iter().for_each(|(partition, part)| walk.push_blocks(partition, part));
        for block in open {
            let times = || block.lines.iter().map(|line| line.at.0);
            if let (Some(min), Some(max)) = (times().min(), times().max()) {
                walk.push_closed(min, max, Item::Open(block));
            }
        }
        walk
    }

    fn accepts(&self, stream: &Labels) -> bool {
        self.select.matchers.iter().all(|matcher| matcher.accepts(stream))
    }

    fn key(&self, at: UnixNanos, is_line: bool, generation: u32, no: u64) -> Key {
        match self.select.direction {
            Direction::Forward => Key { at: at.0, is_line, generation, no },
            Direction::Backward => Key { at: !at.0, is_line, generation: !generation, no: !no },
        }
    }

    fn push_closed(&mut self, min: i64, max: i64, item: Item) {
        let at = match self.select.direction {
            Direction::Forward => min,
            Direction::Backward => max,
        };
        let key = Reverse(self.key(UnixNanos(at), false, 0, 0));
        self.heap.push(Entry { key, item });
    }

    fn push_blocks(&mut self, partition: &Arc<Partition>, part: &Arc<LogPart>) {
        let is_accepted: Vec<bool> = part.streams.iter().map(|stream| self.accepts(stream)).collect();
        for head in &part.heads {
            let is_in_range = head.min < self.select.to && head.max >= self.select.from;
            if is_in_range && is_accepted[head.stream as usize] {
                let block = Item::Block(partition.clone(), part.clone(), head.clone());
                self.push_closed(head.min.0, head.max.0, block);
            }
        }
    }

    fn push_lines(&mut self, stream: Labels, generation: u32, mut lines: Vec<Line>) {
        lines.retain(|line| line.at >= self.select.from && line.at < self.select.to);
        // The next line is taken from the end, so the order is the walk's, turned around.
        lines.sort_by_key(|line| Reverse(self.key(line.at, true, generation, line.no)));
        self.push_cursor(Cursor { stream, generation, lines });
    }

    fn push_cursor(&mut self, cursor: Cursor) {
        if let Some(next) = cursor.lines.last() {
            let key = Reverse(self.key(next.at, true, cursor.generation, next.no));
            self.heap.push(Entry { key, item: Item::Lines(cursor) });
        }
    }

    fn next(&mut self) -> Option<(Key, LogRecord)> {
        while let Some(Entry { key, item }) = self.heap.pop() {
            match item {
                Item::Partition(partition) => match self.shared.handles.logs(&partition) {
                    Ok(part) => self.push_blocks(&partition, &part),
                    Err(err) => self.shared.leave_out(&partition, &err),
                },
                Item::Block(partition, part, head) => match part.block(&head) {
                    Ok(lines) => {
                        self.push_lines(part.stream(&head).clone(), head.lines.generation, lines);
                    }
                    Err(err) => self.shared.leave_out(&partition, &err),
                },
                Item::Open(block) => {
                    self.push_lines(block.stream.clone(), block.generation, block.lines.to_vec());
                }
                Item::Lines(mut cursor) => {
                    let stream = cursor.stream.clone();
                    let line = cursor.lines.pop();
                    self.push_cursor(cursor);
                    if let Some(line) = line {
                        return Some((key.0, line.into_record(stream)));
                    }
                }
            }
        }
        None
    }
}
