//! Reads lines in the order of time, forwards or backwards, merging streams as it goes.
//!
//! One heap holds partitions not looked into yet, blocks not unpacked yet and lines at hand,
//! each under the earliest time that it can yield. So a partition is opened and a block
//! unpacked only when the walk has come to it, and a walk that is broken off early has
//! touched only what it showed. Before a block is unpacked its time, stream, severities and
//! token filter are asked whether it can have a selected line at all.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use super::block::Block;
use super::open::OpenBlock;
use super::part::BlockHead;
use super::search::{LINES_A_TURN, Opened, Places, Sealed, Search};
use crate::clock::UnixNanos;
use crate::heap;
use crate::pace::{give_way, threads};
use crate::record::Labels;
use crate::record::read::{
    Content, Direction, LineRef, LogReadStats, LogSelect, Matcher, ReadError, StreamVolume,
};
use crate::store::disk::partition::Partition;
use crate::store::state::Shared;

/// Memory of the blocks at hand, those aside that are being shown or were just searched. Blocks
/// that overlap in time were open together, so an ordinary walk holds less; where lines came in
/// wild disorder, those that are wanted last are let go, unpacked and searched once more.
const UNPACKED_MAX_BYTES: usize = 24 << 20;

/// What so many blocks leave in the heap is worth some milliseconds: they took a tenth of a second.
const HELPED_MANY: usize = 256;

/// Most blocks that are unpacked before the lines of the first one are shown. It begins with one, so
/// that what is read for nothing is less than what was needed.
const AHEAD_MAX: usize = 16;

enum Item {
    Partition(Arc<Partition>),
    Block(Sealed),
    Open(OpenBlock),
    Lines(Cursor),
}

/// The selected lines of one block, the next one last.
struct Cursor {
    stream: Labels,
    generation: u32,
    /// None while the block was let go.
    block: Option<Arc<Block>>,
    /// Where to unpack it from again; none for an open block.
    sealed: Option<Sealed>,
    /// Empty while the block was let go.
    lines: Vec<u32>,
    /// How many of the lines are still to be shown.
    n_left: usize,
    next: Option<Key>,
    held: Held,
}

/// What a cursor was counted with.
#[derive(Clone, Copy, Default)]
struct Held {
    n_bytes: usize,
    n_decoded: usize,
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

/// Items by key. The heap moves places and not items, since with several streams it is
/// asked for each line.
#[derive(Default)]
struct Queue {
    heap: BinaryHeap<Reverse<(Key, u32)>>,
    items: Vec<Option<Item>>,
    free: Vec<u32>,
}

impl Queue {
    fn push(&mut self, key: Key, item: Item) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.items.push(None);
            self.items.len() as u32 - 1
        });
        self.items[place as usize] = Some(item);
        self.heap.push(Reverse((key, place)));
    }

    fn first_item(&self) -> Option<&Item> {
        let Reverse((_, place)) = self.heap.peek()?;
        self.items[*place as usize].as_ref()
    }

    fn pop(&mut self) -> Option<Item> {
        let Reverse((_, place)) = self.heap.pop()?;
        self.free.push(place);
        self.items[place as usize].take()
    }

    fn first(&self) -> Option<Key> {
        self.heap.peek().map(|Reverse((key, _))| *key)
    }

    /// Hands over every item, the one that is wanted last first.
    fn each_from_the_end(&mut self, mut visit: impl FnMut(&mut Item)) {
        let mut places: Vec<(Key, u32)> = self.heap.iter().map(|Reverse(entry)| *entry).collect();
        places.sort_unstable_by(|a, b| b.cmp(a));
        for (_, place) in places {
            self.items[place as usize].as_mut().into_iter().for_each(&mut visit);
        }
    }
}

struct Walk<'a> {
    shared: &'a Shared,
    search: Search<'a>,
    queue: Queue,
    unpacked_bytes: usize,
    /// Blocks to be unpacked at once the next time.
    n_ahead: usize,
    /// Blocks that helpers had a part in.
    n_helped: usize,
    stats: LogReadStats,
}

/// A block that was looked into.
struct Searched {
    sealed: Sealed,
    block: Arc<Block>,
    lines: Vec<u32>,
}

/// Looks into blocks, by several threads.
fn searched(shared: &Shared, search: &Search<'_>, blocks: Vec<Sealed>) -> Vec<Searched> {
    let n_helpers = threads::n_helpers().min(blocks.len().saturating_sub(1));
    let left = Mutex::new(blocks.into_iter());
    let take = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    let all = threads::with_helpers(n_helpers, "log-searcher", || {
        let look = |sealed: Sealed| {
            let block = sealed.unpack(shared)?;
            let lines = search.lines(&block);
            Some(Searched { sealed, block, lines })
        };
        std::iter::from_fn(&take).filter_map(look).collect::<Vec<_>>()
    });
    all.into_iter().flatten().collect()
}

/// Visits the selected lines.
pub fn lines(
    shared: &Shared,
    select: &LogSelect,
    visit: &mut dyn FnMut(LineRef<'_>) -> ControlFlow<()>,
) -> Result<LogReadStats, ReadError> {
    let mut walk = Walk::begin(shared, select);
    // Broken off or at the end, it is the same to the caller.
    let _ = walk.run(visit);
    if walk.n_helped > HELPED_MANY {
        heap::give_back();
    }
    Ok(walk.stats)
}

/// Returns the streams with blocks in the range.
pub fn streams(
    shared: &Shared,
    matchers: &[Matcher],
    from: UnixNanos,
    to: UnixNanos,
) -> Result<Vec<StreamVolume>, ReadError> {
    let select = LogSelect::new(matchers.to_vec(), from, to, Direction::Forward);
    let mut walk = Walk::begin(shared, &select);
    let mut res: BTreeMap<Labels, StreamVolume> = BTreeMap::new();
    let mut add = |stream: &Labels, n_lines: u64, n_bytes: u64| {
        let volume = res.entry(stream.clone()).or_insert_with(|| StreamVolume {
            stream: stream.clone(),
            n_lines: 0,
            n_bytes: 0,
            n_blocks: 0,
        });
        volume.n_lines += n_lines;
        volume.n_bytes += n_bytes;
        volume.n_blocks += 1;
    };
    while let Some(item) = walk.queue.pop() {
        match item {
            Item::Partition(partition) => walk.open(partition),
            Item::Block(sealed) => {
                let share = |count: u32| share(count, &sealed.head, from, to);
                add(sealed.stream(), share(sealed.head.n_lines), share(sealed.head.body_bytes));
            }
            Item::Open(open) => {
                let lines = walk.search.lines(&open.lines);
                let n_bytes: usize =
                    lines.iter().map(|line| open.lines.content(*line as usize).body().len()).sum();
                if !lines.is_empty() {
                    add(&open.stream, lines.len() as u64, n_bytes as u64);
                }
            }
            Item::Lines(_) => {}
        }
    }
    Ok(res.into_values().collect())
}

/// Returns how much of what a block has lies in a range, if it lies evenly in the block's time.
fn share(count: u32, head: &BlockHead, from: UnixNanos, to: UnixNanos) -> u64 {
    let (min, max) = (i128::from(head.min.0), i128::from(head.max.0) + 1);
    let inside = (max.min(to.0.into()) - min.max(from.0.into())).clamp(0, max - min);
    // Half of one is rounded up.
    ((i128::from(count) * inside * 2 + (max - min)) / (2 * (max - min))) as u64
}

impl<'a> Walk<'a> {
    fn begin(shared: &'a Shared, select: &'a LogSelect) -> Self {
        let search = Search::new(select);
        let mut walk = Walk {
            shared,
            search,
            queue: Queue::default(),
            unpacked_bytes: 0,
            n_ahead: 1,
            n_helped: 0,
            stats: LogReadStats::default(),
        };
        let Places { sealed, active, open } = Places::of(shared, select);
        for partition in sealed {
            let (min, max) = partition.summary().range.unwrap_or_default();
            walk.push_closed(min, max, Item::Partition(partition));
        }
        if let Some(opened) = active {
            walk.push_blocks(&opened);
        }
        for block in open {
            if let Some((min, max)) = block.lines.range()
                && walk.search.is_in_range(min, max)
            {
                walk.push_closed(min.0, max.0, Item::Open(block));
            }
        }
        walk
    }

    fn key(&self, at: UnixNanos, is_line: bool, generation: u32, no: u64) -> Key {
        match self.search.select.direction {
            Direction::Forward => Key { at: at.0, is_line, generation, no },
            Direction::Backward => Key { at: !at.0, is_line, generation: !generation, no: !no },
        }
    }

    fn push_closed(&mut self, min: i64, max: i64, item: Item) {
        let at = match self.search.select.direction {
            Direction::Forward => min,
            Direction::Backward => max,
        };
        let key = self.key(UnixNanos(at), false, 0, 0);
        self.queue.push(key, item);
    }

    fn open(&mut self, partition: Arc<Partition>) {
        if let Some(facts) = self.shared.known(&partition, None) {
            self.push_blocks(&Opened::new(partition, facts));
        }
    }

    fn push_blocks(&mut self, opened: &Arc<Opened>) {
        let blocks: Vec<Sealed> = self.search.blocks(opened).collect();
        for sealed in blocks {
            self.push_closed(sealed.head.min.0, sealed.head.max.0, Item::Block(sealed));
        }
    }

    /// Unpacks a block; where most blocks have no selected line, together with those that come next,
    /// as long as no line comes before them.
    fn push_sealed(&mut self, sealed: Sealed) -> ControlFlow<()> {
        let (mut wanted, mut next) = (Vec::new(), Some(sealed));
        while let Some(sealed) = next.take() {
            self.stats.n_blocks += 1;
            if self.search.may_be_in(&sealed) {
                wanted.push(sealed);
            }
            if self.search.is_of_few() && wanted.len() < self.n_ahead {
                give_way()?;
                next = self.next_block();
            }
        }
        self.n_ahead = (2 * self.n_ahead).min(AHEAD_MAX);
        self.n_helped += wanted.len().saturating_sub(1);
        for Searched { sealed, block, lines } in searched(self.shared, &self.search, wanted) {
            self.stats.n_unpacked += 1;
            let stream = sealed.stream().clone();
            let generation = sealed.head.lines.generation;
            self.push_lines(stream, generation, block, lines, Some(sealed));
        }
        ControlFlow::Continue(())
    }

    /// Takes the next block, if nothing else comes first.
    fn next_block(&mut self) -> Option<Sealed> {
        while let Some(Item::Block(_) | Item::Partition(_)) = self.queue.first_item() {
            match self.queue.pop() {
                Some(Item::Block(sealed)) => return Some(sealed),
                Some(Item::Partition(partition)) => self.open(partition),
                _ => {}
            }
        }
        None
    }

    fn push_lines(
        &mut self,
        stream: Labels,
        generation: u32,
        block: Arc<Block>,
        lines: Vec<u32>,
        sealed: Option<Sealed>,
    ) {
        let n_bytes = match &sealed {
            Some(sealed) => sealed.head.body_bytes.into(),
            None => block.body_bytes() as u64,
        };
        self.stats.n_lines += block.len() as u64;
        self.stats.n_bytes += n_bytes;
        let lines = self.sorted(lines, &block, generation);
        let (n_left, block) = (lines.len(), Some(block));
        let held = Held::default();
        let mut cursor = Cursor { stream, generation, block, sealed, lines, n_left, next: None, held };
        self.set_next(&mut cursor);
        self.push_cursor(cursor);
    }

    // The next line is taken from the end, so the order is the walk's, turned around.
    fn sorted(&self, mut lines: Vec<u32>, block: &Block, generation: u32) -> Vec<u32> {
        lines.sort_by_key(|line| {
            let line = *line as usize;
            Reverse(self.key(block.at(line), true, generation, block.no(line)))
        });
        lines
    }

    fn set_next(&self, cursor: &mut Cursor) {
        cursor.next = cursor.block.as_ref().zip(cursor.lines.last()).map(|(block, line)| {
            let line = *line as usize;
            self.key(block.at(line), true, cursor.generation, block.no(line))
        });
    }

    fn push_cursor(&mut self, mut cursor: Cursor) {
        let Some(key) = cursor.next else {
            self.unpacked_bytes -= cursor.held.n_bytes;
            self.check(&cursor);
            return;
        };
        self.count(&mut cursor);
        self.queue.push(key, Item::Lines(cursor));
        if self.unpacked_bytes > UNPACKED_MAX_BYTES {
            self.let_go();
        }
    }

    // Counts what a cursor holds, which grows when texts of its block are decoded.
    fn count(&mut self, cursor: &mut Cursor) {
        let Some(block) = &cursor.block else { return };
        let n_decoded = block.n_decoded();
        if cursor.held.n_bytes > 0 && cursor.held.n_decoded == n_decoded {
            return;
        }
        let n_bytes = block.held_bytes() + cursor.lines.capacity() * size_of::<u32>();
        self.unpacked_bytes = self.unpacked_bytes - cursor.held.n_bytes + n_bytes;
        cursor.held = Held { n_bytes, n_decoded };
    }

    fn check(&self, cursor: &Cursor) {
        if let (Some(block), Some(sealed)) = (&cursor.block, &cursor.sealed) {
            sealed.check(self.shared, block);
        }
    }

    // Of the blocks at hand, the half that is wanted later.
    fn let_go(&mut self) {
        let left = &mut self.unpacked_bytes;
        self.queue.each_from_the_end(|item| {
            if let Item::Lines(cursor) = item
                && cursor.sealed.is_some()
                && *left > UNPACKED_MAX_BYTES / 2
            {
                *left -= std::mem::take(&mut cursor.held).n_bytes;
                (cursor.block, cursor.lines) = (None, Vec::new());
            }
        });
    }

    fn run(&mut self, visit: &mut dyn FnMut(LineRef<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        let mut shown = None;
        while let Some(item) = self.queue.pop() {
            give_way()?;
            match item {
                Item::Partition(partition) => self.open(partition),
                Item::Block(sealed) => self.push_sealed(sealed)?,
                Item::Open(OpenBlock { stream, generation, lines: block, .. }) => {
                    let lines = self.search.lines(&block);
                    self.push_lines(stream, generation, block, lines, None);
                }
                Item::Lines(cursor) => self.show(cursor, &mut shown, visit)?,
            }
        }
        ControlFlow::Continue(())
    }

    // Shows lines of one block until another has an earlier one.
    fn show(
        &mut self,
        mut cursor: Cursor,
        shown: &mut Option<Key>,
        visit: &mut dyn FnMut(LineRef<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if cursor.block.is_none() {
            cursor.block = cursor.sealed.as_ref().and_then(|sealed| sealed.unpack(self.shared));
            if let Some(block) = &cursor.block {
                cursor.lines = self.sorted(self.search.lines(block), block, cursor.generation);
            }
            cursor.lines.truncate(cursor.n_left);
        }
        let Some(block) = cursor.block.clone() else { return ControlFlow::Continue(()) };
        while let Some(key) = cursor.next {
            if self.queue.first().is_some_and(|first| first < key) {
                break;
            }
            let Some(line) = cursor.lines.pop() else { break };
            if cursor.lines.len().is_multiple_of(LINES_A_TURN) {
                give_way()?;
            }
            let line = line as usize;
            cursor.n_left = cursor.lines.len();
            self.set_next(&mut cursor);
            // A line may lie in two partitions when the flush of the first one failed halfway.
            if shown.replace(key) == Some(key) {
                continue;
            }
            visit(LineRef {
                at: block.at(line),
                severity: block.severity(line),
                stream: &cursor.stream,
                content: &block.content(line),
            })?;
        }
        self.push_cursor(cursor);
        ControlFlow::Continue(())
    }
}
