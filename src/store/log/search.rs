//! Which lines of which blocks are selected: what may be ruled out without unpacking a block, and
//! what a look into it finds.

use std::cmp::Reverse;
use std::sync::Arc;

use memchr::memmem::Finder;

use super::block::Block;
use super::needle::{MetadataNeedle, Needle};
use super::open::OpenBlock;
use super::part::{BlockHead, Filters, LogFacts};
use crate::clock::UnixNanos;
use crate::record::Labels;
use crate::record::read::{Content, LogSelect, Pairs, accepted};
use crate::store::disk::partition::{Kind, Partition};
use crate::store::error::PartitionError;
use crate::store::facts::Facts;
use crate::store::state::Shared;

/// After so many lines others may have a turn: to show one takes less than a microsecond, and who is
/// shown it looks at the time where more is to be done.
pub const LINES_A_TURN: usize = 64;

/// A partition whose blocks are looked at.
pub struct Opened {
    /// Where the blocks are.
    pub partition: Arc<Partition>,
    facts: Arc<Facts>,
    filters: Filters,
}

impl Opened {
    /// Takes a partition with what is known of it.
    pub fn new(partition: Arc<Partition>, facts: Arc<Facts>) -> Arc<Self> {
        let filters = Filters::of(&partition);
        Arc::new(Opened { partition, facts, filters })
    }

    /// Returns everything in it but the lines.
    pub fn logs(&self) -> &LogFacts {
        self.facts.logs()
    }
}

/// A block of a partition.
#[derive(Clone)]
pub struct Sealed {
    /// The partition.
    pub opened: Arc<Opened>,
    /// What is known of the block.
    pub head: Arc<BlockHead>,
}

impl Sealed {
    /// Returns the labels of its stream.
    pub fn stream(&self) -> &Labels {
        self.opened.logs().stream(&self.head)
    }

    /// Reads it; none when it cannot be read, and then its partition is left out.
    pub fn unpack(&self, shared: &Shared) -> Option<Arc<Block>> {
        let Sealed { opened, head } = self;
        let damaged = |damage| opened.partition.damaged(damage);
        let res = shared.read(&opened.partition, head.address);
        let res = res.and_then(|packed| Block::unpack(&packed).map_err(damaged));
        res.map(Arc::new).map_err(|err: PartitionError| shared.leave_out(&opened.partition, &err)).ok()
    }

    /// Leaves the partition out of later reads when texts of the block could not be decoded: they
    /// were shown as empty ones.
    pub fn check(&self, shared: &Shared, block: &Block) {
        if let Err(damage) = block.check() {
            shared.leave_out(&self.opened.partition, &self.opened.partition.damaged(damage));
        }
    }
}

/// Where selected lines may be at this moment.
pub struct Places {
    /// Partitions that are not written any more, as they were begun.
    pub sealed: Vec<Arc<Partition>>,
    /// The one that is being written.
    pub active: Option<Arc<Opened>>,
    /// Blocks that are not in a partition yet.
    pub open: Vec<OpenBlock>,
}

impl Places {
    /// Looks for them.
    pub fn of(shared: &Shared, select: &LogSelect) -> Self {
        let state = shared.state();
        let last = select.to.0.saturating_sub(1);
        let tier = state.tier(Kind::Logs);
        let overlaps = |partition: &&Arc<Partition>| {
            partition.is_readable() && partition.summary().overlaps(select.from.0, last)
        };
        let sealed = tier.sealed.iter().filter(overlaps).cloned().collect();
        let active = tier.active.as_ref().map(|active| (active.partition.clone(), active.facts.clone()));
        let accepted = |block: &&OpenBlock| accepted(&select.matchers, &block.stream);
        let open = state.blocks.iter().filter(accepted).cloned().collect();
        drop(state);
        Places { sealed, active: active.map(|(partition, facts)| Opened::new(partition, facts)), open }
    }
}

/// What is searched for, prepared once.
pub struct Search<'a> {
    /// As it was asked for.
    pub select: &'a LogSelect,
    needles: Vec<Needle>,
    finders: Vec<Finder<'a>>,
    having: Vec<MetadataNeedle>,
}

impl<'a> Search<'a> {
    /// Prepares a selection.
    pub fn new(select: &'a LogSelect) -> Self {
        let mut texts: Vec<&str> = select.contains.iter().map(String::as_str).collect();
        texts.retain(|text| !text.is_empty());
        // The first is searched for in the block as it is packed, the others in what that finds.
        texts.sort_by_key(|text| Reverse(text.len()));
        Search {
            select,
            needles: texts.iter().map(|text| Needle::new(text)).collect(),
            finders: texts.into_iter().map(Finder::new).collect(),
            having: select.having.iter().map(|(name, value)| MetadataNeedle::new(name, value)).collect(),
        }
    }

    /// Returns true when it asks for something that most lines do not have.
    pub fn is_of_few(&self) -> bool {
        !self.needles.is_empty() || !self.having.is_empty()
    }

    /// Returns true when something that lies in this range may be selected.
    pub fn is_in_range(&self, min: UnixNanos, max: UnixNanos) -> bool {
        min < self.select.to && max >= self.select.from
    }

    /// Returns the blocks that may have selected lines by their stream, time and severities, in the
    /// order in which they were sealed.
    pub fn blocks<'o>(&self, opened: &'o Arc<Opened>) -> impl Iterator<Item = Sealed> + use<'a, 'o, '_> {
        let facts = opened.logs();
        let mut is_accepted = vec![false; facts.streams.len()];
        let select = self.select;
        facts.streams.select(&select.matchers).iter().for_each(|id| is_accepted[*id as usize] = true);
        let is_wanted = move |head: &&Arc<BlockHead>| {
            is_accepted[head.stream as usize]
                && self.is_in_range(head.min, head.max)
                && head.levels.overlaps(select.levels)
        };
        let blocks = facts.blocks.iter().filter(is_wanted);
        blocks.map(|head| Sealed { opened: opened.clone(), head: head.clone() })
    }

    /// Returns false when the filter of a block rules out that it has a selected line.
    pub fn may_be_in(&self, Sealed { opened, head }: &Sealed) -> bool {
        if !self.is_of_few() {
            return true;
        }
        let may_be_in = opened.filters.ask(head, |filter| {
            self.needles.iter().all(|needle| needle.may_be_in(&filter, head.tokens))
                && self.having.iter().all(|needle| needle.may_be_in(&filter, head.tokens))
        });
        may_be_in.unwrap_or(true)
    }

    /// Returns the selected lines of a block, ascending.
    pub fn lines(&self, block: &Block) -> Vec<u32> {
        let select = self.select;
        let mut res: Vec<u32> = match self.finders.split_first() {
            None => (0..block.len() as u32).collect(),
            Some((first, _)) => {
                let mut found = Vec::new();
                block.find(first, select.reads_text, |line| found.push(line as u32));
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
