//! Reads lines block by block, in the order in which they were written, by as many threads as ask.
//!
//! Who counts lines need not see them in the order of their times. So nothing is merged, one block is
//! in memory for each reader, and all readers are in the same partition, of which few can be open.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::block::Block;
use super::open::OpenBlock;
use super::search::{LINES_A_TURN, Opened, Places, Sealed, Search};
use crate::pace::give_way;
use crate::record::Labels;
use crate::record::read::{LineRef, LogParts, LogReadStats, LogSelect, ReadError};
use crate::store::disk::numbers::Numbers;
use crate::store::disk::partition::Partition;
use crate::store::state::Shared;

/// Partitions that readers may be in: the next one is begun before the one before it is done.
const OPEN_MAX: usize = 2;

/// The blocks of a selection.
pub struct Parts<'a> {
    shared: &'a Shared,
    search: Search<'a>,
    left: Mutex<Left>,
}

/// What nobody has taken.
struct Left {
    /// Partitions, and at last the one that is being written.
    sealed: VecDeque<Arc<Partition>>,
    /// Those whose blocks were handed out last.
    recent: VecDeque<Arc<Partition>>,
    active: Option<Arc<Opened>>,
    /// The blocks of the partition at hand.
    blocks: VecDeque<Sealed>,
    open: VecDeque<OpenBlock>,
    /// Up to which number lines of each stream were in a block that was taken.
    passed: HashMap<Source, u64>,
    /// Which lines were in a block that could be read.
    read: HashMap<Source, Vec<Numbers>>,
    /// Blocks with lines that may be in another one, too. A line lies in two partitions when the flush
    /// of the first one failed halfway, and then the first may be unreadable. Since a stream's blocks
    /// are sealed in the order of their numbers, such a block begins before one that was passed. It
    /// waits until all others are read.
    doubtful: VecDeque<Part>,
    /// How many readers are at work.
    n_busy: usize,
}

/// A stream, and who numbered its lines.
type Source = (Labels, u32);

enum Part {
    Sealed(Sealed),
    Open(OpenBlock),
}

impl Part {
    fn stream(&self) -> &Labels {
        match self {
            Part::Sealed(sealed) => sealed.stream(),
            Part::Open(open) => &open.stream,
        }
    }

    fn numbers(&self) -> Numbers {
        match self {
            Part::Sealed(sealed) => sealed.head.lines,
            Part::Open(open) => open.numbers(),
        }
    }

    fn source(&self) -> Source {
        (self.stream().clone(), self.numbers().generation)
    }
}

impl Left {
    fn next(&mut self, shared: &Shared, search: &Search<'_>) -> Option<Part> {
        loop {
            if let Some(sealed) = self.blocks.pop_front() {
                return Some(Part::Sealed(sealed));
            }
            let opened = match self.sealed.pop_front() {
                Some(partition) => {
                    self.close_before(&partition, shared);
                    shared.known(&partition, None).map(|facts| Opened::new(partition, facts))
                }
                None if self.active.is_some() => self.active.take(),
                None => return self.open.pop_front().map(Part::Open),
            };
            self.blocks.extend(opened.iter().flat_map(|opened| search.blocks(opened)));
        }
    }

    /// Closes what nobody reads any more when another partition comes: an open one takes twelve
    /// megabytes, which is more than all that the readers have of it.
    fn close_before(&mut self, next: &Arc<Partition>, shared: &Shared) {
        self.recent.push_back(next.clone());
        if self.recent.len() > OPEN_MAX {
            self.recent.pop_front().iter().for_each(|partition| shared.handles.forget(partition));
        }
    }

    /// Returns true when a part begins before one that was taken.
    fn is_doubtful(&mut self, part: &Part) -> bool {
        let Numbers { first, last, .. } = part.numbers();
        match self.passed.entry(part.source()) {
            Entry::Occupied(mut passed) => {
                let is_doubtful = first <= *passed.get();
                passed.insert(last.max(*passed.get()));
                is_doubtful
            }
            Entry::Vacant(none) => {
                none.insert(last);
                false
            }
        }
    }
}

/// A part that is being read.
struct Taken<'p> {
    left: &'p Mutex<Left>,
    part: Part,
    /// Lines that were in others.
    known: Vec<Numbers>,
}

impl Taken<'_> {
    fn note_read(&self) {
        let mut left = lock(self.left);
        left.read.entry(self.part.source()).or_default().push(self.part.numbers());
    }

    fn is_known(&self, no: u64) -> bool {
        self.known.iter().any(|known| (known.first..=known.last).contains(&no))
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        lock(self.left).n_busy -= 1;
    }
}

fn lock(left: &Mutex<Left>) -> MutexGuard<'_, Left> {
    left.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Parts<'a> {
    /// Begins with all blocks that the selection may have lines in.
    pub fn new(shared: &'a Shared, select: &'a LogSelect) -> Self {
        let search = Search::new(select);
        let Places { mut sealed, active, open } = Places::of(shared, select);
        sealed.sort_by_key(|partition| partition.name);
        let left = Left {
            sealed: sealed.into(),
            recent: VecDeque::new(),
            active,
            blocks: VecDeque::new(),
            open: open.into(),
            passed: HashMap::new(),
            read: HashMap::new(),
            doubtful: VecDeque::new(),
            n_busy: 0,
        };
        Parts { shared, search, left: Mutex::new(left) }
    }

    fn take(&self) -> Option<Taken<'_>> {
        let mut left = lock(&self.left);
        while let Some(part) = left.next(self.shared, &self.search) {
            if left.is_doubtful(&part) {
                left.doubtful.push_back(part);
                continue;
            }
            left.n_busy += 1;
            return Some(Taken { left: &self.left, part, known: Vec::new() });
        }
        // Whoever is the last to be at work comes back for these.
        if left.n_busy > 0 {
            return None;
        }
        let part = left.doubtful.pop_front()?;
        left.n_busy += 1;
        let known = left.read.get(&part.source()).cloned().unwrap_or_default();
        Some(Taken { left: &self.left, part, known })
    }

    fn show(
        &self,
        taken: &Taken<'_>,
        block: &Block,
        visit: &mut dyn FnMut(LineRef<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        taken.note_read();
        let stream = taken.part.stream();
        for (idx, line) in self.search.lines(block).into_iter().enumerate() {
            if idx.is_multiple_of(LINES_A_TURN) {
                give_way()?;
            }
            let line = line as usize;
            if taken.is_known(block.no(line)) {
                continue;
            }
            let (at, severity) = (block.at(line), block.severity(line));
            visit(LineRef { at, severity, stream, content: &block.content(line) })?;
        }
        ControlFlow::Continue(())
    }
}

impl LogParts for Parts<'_> {
    fn next(
        &self,
        visit: &mut dyn FnMut(LineRef<'_>) -> ControlFlow<()>,
    ) -> Result<Option<LogReadStats>, ReadError> {
        let mut stats = LogReadStats::default();
        if give_way().is_break() {
            return Ok(None);
        }
        let Some(taken) = self.take() else { return Ok(None) };
        // Broken off or at the end, it is the same to the caller.
        let _ = match &taken.part {
            Part::Open(OpenBlock { lines, .. }) => {
                stats.n_lines += lines.len() as u64;
                stats.n_bytes += lines.body_bytes() as u64;
                self.show(&taken, lines, visit)
            }
            Part::Sealed(sealed) => {
                stats.n_blocks += 1;
                let is_wanted = self.search.may_be_in(sealed);
                let Some(block) = is_wanted.then(|| sealed.unpack(self.shared)).flatten() else {
                    return Ok(Some(stats));
                };
                stats.n_unpacked += 1;
                stats.n_lines += block.len() as u64;
                stats.n_bytes += u64::from(sealed.head.body_bytes);
                let res = self.show(&taken, &block, visit);
                sealed.check(self.shared, &block);
                res
            }
        };
        Ok(Some(stats))
    }
}
