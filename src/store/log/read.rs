//! Reads lines in the order of time, forwards or backwards, merging streams as it goes.
//!
//! One heap holds partitions not looked into yet, blocks not unpacked yet and lines at hand,
//! each under the earliest time that it can yield. So a partition is opened and a block
//! unpacked only when the walk has come to it, and a walk that is broken off early has
//! touched only what it showed. Before a block is unpacked its time, stream, severities and
//! token filter are asked whether it can have a selected line at all.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;

use memchr::memmem::Finder;

use super::block::Block;
use super::needle::{MetadataNeedle, Needle};
use super::open::OpenBlock;
use super::part::{BlockHead, Filters, LogFacts};
use crate::clock::UnixNanos;
use crate::pace::give_way;
use crate::record::Labels;
use crate::record::read::{
    Content, Direction, LineRef, LogReadStats, LogSelect, Matcher, Pairs, ReadError, StreamVolume, accepted,
};
use crate::store::disk::partition::{Kind, Partition};
use crate::store::error::PartitionError;
use crate::store::facts::Facts;
use crate::store::state::Shared;

/// Memory of the blocks at hand, one that is being shown aside. Blocks that overlap in time
/// were open together, so an ordinary walk holds less; where lines came in wild disorder,
/// those that are wanted last are let go, unpacked and searched once more.
const UNPACKED_MAX_BYTES: usize = 24 << 20;

/// After so many lines others may have a turn.
const LINES_A_TURN: usize = 64;

/// A partition whose blocks are in the heap.
struct Opened {
    partition: Arc<Partition>,
    facts: Arc<Facts>,
    filters: RefCell<Filters>,
}

impl Opened {
    fn new(partition: Arc<Partition>, facts: Arc<Facts>) -> Rc<Self> {
        let filters = RefCell::new(Filters::of(&partition));
        Rc::new(Opened { partition, facts, filters })
    }

    fn logs(&self) -> &LogFacts {
        self.facts.logs()
    }
}

enum Item {
    Partition(Arc<Partition>),
    Block(Sealed),
    Open(OpenBlock),
    Lines(Cursor),
}

#[derive(Clone)]
struct Sealed {
    opened: Rc<Opened>,
    head: Arc<BlockHead>,
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

/// What is searched for, prepared once.
struct Search<'a> {
    select: &'a LogSelect,
    needles: Vec<Needle>,
    finders: Vec<Finder<'a>>,
    having: Vec<MetadataNeedle>,
}

impl<'a> Search<'a> {
    fn new(select: &'a LogSelect) -> Self {
        let texts = || select.contains.iter().filter(|text| !text.is_empty());
        Search {
            select,
            needles: texts().map(|text| Needle::new(text)).collect(),
            finders: texts().map(Finder::new).collect(),
            having: select.having.iter().map(|(name, value)| MetadataNeedle::new(name, value)).collect(),
        }
    }

    fn is_in_range(&self, min: UnixNanos, max: UnixNanos) -> bool {
        min < self.select.to && max >= self.select.from
    }

    /// Returns false when the filter of a block rules out that it has a selected line.
    fn may_be_in(&self, opened: &Opened, head: &BlockHead) -> bool {
        if self.needles.is_empty() && self.having.is_empty() {
            return true;
        }
        let mut filters = opened.filters.borrow_mut();
        filters.get(head).is_none_or(|filter| {
            self.needles.iter().all(|needle| needle.may_be_in(&filter, head.tokens))
                && self.having.iter().all(|needle| needle.may_be_in(&filter, head.tokens))
        })
    }

    /// Returns the selected lines of a block, ascending.
    fn lines(&self, block: &Block) -> Vec<u32> {
        let select = self.select;
        let mut res: Vec<u32> = match self.finders.split_first() {
            None => (0..block.len() as u32).collect(),
            Some((first, _)) => {
                let mut found = Vec::new();
                block.find(first, |line| found.push(line as u32));
                found
            }
        };
        let more = self.finders.get(1..).unwrap_or_default();
        res.retain(|line| {
            let line = *line as usize;
            (select.from..select.to).contains(&block.at(line))
                && select.levels.has(block.severity(line))
                && more.iter().all(|finder| finder.find(block.content(line).body().as_bytes()).is_some())
                && select.having.iter().all(|(name, value)| block.content(line).get(name) == value)
        });
        res
    }
}

struct Walk<'a> {
    shared: &'a Shared,
    search: Search<'a>,
    queue: Queue,
    unpacked_bytes: usize,
    stats: LogReadStats,
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
            Item::Block(Sealed { opened, head }) => {
                add(opened.logs().stream(&head), head.n_lines.into(), head.body_bytes.into());
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

impl<'a> Walk<'a> {
    fn begin(shared: &'a Shared, select: &'a LogSelect) -> Self {
        let search = Search::new(select);
        let mut walk = Walk {
            shared,
            search,
            queue: Queue::default(),
            unpacked_bytes: 0,
            stats: LogReadStats::default(),
        };
        let (sealed, active, open) = {
            let state = shared.state();
            let last = select.to.0.saturating_sub(1);
            let tier = state.tier(Kind::Logs);
            let overlaps = |partition: &&Arc<Partition>| {
                partition.is_readable() && partition.summary().overlaps(select.from.0, last)
            };
            let sealed: Vec<Arc<Partition>> = tier.sealed.iter().filter(overlaps).cloned().collect();
            let active = tier.active.as_ref().map(|active| (active.partition.clone(), active.facts.clone()));
            let accepted = |block: &&OpenBlock| accepted(&select.matchers, &block.stream);
            (sealed, active, state.blocks.iter().filter(accepted).cloned().collect::<Vec<_>>())
        };
        for partition in sealed {
            let (min, max) = partition.summary().range.unwrap_or_default();
            walk.push_closed(min, max, Item::Partition(partition));
        }
        if let Some((partition, facts)) = active {
            walk.push_blocks(&Opened::new(partition, facts));
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

    fn push_blocks(&mut self, opened: &Rc<Opened>) {
        let facts = opened.logs();
        let mut is_accepted = vec![false; facts.streams.len()];
        let select = self.search.select;
        facts.streams.select(&select.matchers).iter().for_each(|id| is_accepted[*id as usize] = true);
        for head in &facts.blocks {
            let is_wanted = is_accepted[head.stream as usize]
                && self.search.is_in_range(head.min, head.max)
                && head.levels.overlaps(select.levels);
            if is_wanted {
                let sealed = Sealed { opened: opened.clone(), head: head.clone() };
                self.push_closed(head.min.0, head.max.0, Item::Block(sealed));
            }
        }
    }

    fn unpack(&mut self, sealed: &Sealed) -> Option<Arc<Block>> {
        let Sealed { opened, head } = sealed;
        let damaged = |damage| opened.partition.damaged(damage);
        let res = self.shared.read(&opened.partition, head.address);
        let res = res.and_then(|packed| Block::unpack(&packed).map_err(damaged));
        res.map(Arc::new).map_err(|err: PartitionError| self.shared.leave_out(&opened.partition, &err)).ok()
    }

    fn push_sealed(&mut self, sealed: Sealed) {
        self.stats.n_blocks += 1;
        if !self.search.may_be_in(&sealed.opened, &sealed.head) {
            return;
        }
        if let Some(block) = self.unpack(&sealed) {
            self.stats.n_unpacked += 1;
            let stream = sealed.opened.logs().stream(&sealed.head).clone();
            let generation = sealed.head.lines.generation;
            self.push_lines(stream, generation, block, Some(sealed));
        }
    }

    fn push_lines(&mut self, stream: Labels, generation: u32, block: Arc<Block>, sealed: Option<Sealed>) {
        let n_bytes = match &sealed {
            Some(sealed) => sealed.head.body_bytes.into(),
            None => block.body_bytes() as u64,
        };
        self.stats.n_lines += block.len() as u64;
        self.stats.n_bytes += n_bytes;
        let lines = self.lines(&block, generation);
        let (n_left, block) = (lines.len(), Some(block));
        let held = Held::default();
        let mut cursor = Cursor { stream, generation, block, sealed, lines, n_left, next: None, held };
        self.set_next(&mut cursor);
        self.push_cursor(cursor);
    }

    // The next line is taken from the end, so the order is the walk's, turned around.
    fn lines(&self, block: &Block, generation: u32) -> Vec<u32> {
        let mut lines = self.search.lines(block);
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

    // What could not be decoded was shown as empty lines; the next walk leaves it out.
    fn check(&self, cursor: &Cursor) {
        if let (Some(block), Some(Sealed { opened, .. })) = (&cursor.block, &cursor.sealed)
            && let Err(damage) = block.check()
        {
            self.shared.leave_out(&opened.partition, &opened.partition.damaged(damage));
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
                Item::Block(sealed) => self.push_sealed(sealed),
                Item::Open(OpenBlock { stream, generation, lines, .. }) => {
                    self.push_lines(stream, generation, lines, None);
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
            cursor.block = cursor.sealed.as_ref().and_then(|sealed| self.unpack(&sealed.clone()));
            let lines = cursor.block.as_ref().map(|block| self.lines(block, cursor.generation));
            cursor.lines = lines.unwrap_or_default();
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
