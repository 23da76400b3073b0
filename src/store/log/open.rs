//! The open blocks of logs: one per stream, and the full ones that wait for the disk.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::block::Block;
use crate::record::Labels;
use crate::store::config::{BLOCK_AGE_MAX, BLOCK_MAX_BYTES, OPEN_BLOCKS_MAX_BYTES};
use crate::store::disk::numbers::Numbers;

/// Lines of one stream that are not sealed yet, in the order of their arrival.
#[derive(Clone, Debug)]
pub struct OpenBlock {
    /// The stream.
    pub stream: Labels,
    /// Who numbered the lines.
    pub generation: u32,
    /// The lines; a reader holds a clone of the `Arc`, so adding copies only then.
    pub lines: Arc<Block>,
    /// What the lines take in memory.
    pub size_bytes: usize,
    /// How many of the lines are in the WAL.
    pub n_logged: usize,
    opened: Duration,
}

impl OpenBlock {
    /// Returns the numbers of the first and last line; a block is never empty.
    pub fn numbers(&self) -> Numbers {
        let no = |line: Option<usize>| line.map_or(0, |line| self.lines.no(line));
        let last = self.lines.len().checked_sub(1);
        Numbers { generation: self.generation, first: no(last.map(|_| 0)), last: no(last) }
    }
}

/// A line of another block that is to be added.
#[derive(Clone, Copy)]
pub struct NewLine<'a> {
    /// The block that it is in.
    pub block: &'a Block,
    /// Its place there.
    pub line: usize,
    /// Its place among all lines of its generation, in the order of arrival.
    pub no: u64,
}

/// All lines that are not sealed yet.
#[derive(Debug, Default)]
pub struct OpenBlocks {
    /// Blocks that take lines.
    pub open: HashMap<Labels, OpenBlock>,
    /// Blocks that are full or old, oldest first.
    pub closing: Vec<OpenBlock>,
    open_bytes: usize,
}

impl OpenBlocks {
    /// Returns true when a line of this stream finds a block within the limit.
    pub fn has_room(&self, stream: &Labels, streams_max: usize) -> bool {
        self.open.len() < streams_max || self.open.contains_key(stream)
    }

    /// Adds a line; a block that is full with it begins to close.
    pub fn put(&mut self, stream: &Labels, generation: u32, new: NewLine<'_>, now: Duration) {
        let block = self.open.entry(stream.clone()).or_insert_with(|| OpenBlock {
            stream: stream.clone(),
            generation,
            lines: Arc::default(),
            size_bytes: 0,
            n_logged: 0,
            opened: now,
        });
        Arc::make_mut(&mut block.lines).push_from(new.block, new.line, new.no);
        self.open_bytes -= block.size_bytes;
        block.size_bytes = block.lines.size_bytes();
        self.open_bytes += block.size_bytes;
        if block.size_bytes >= BLOCK_MAX_BYTES {
            self.close(stream);
        }
    }

    /// Begins to close the blocks that are old, and the largest while all are too large.
    pub fn close_due(&mut self, now: Duration) {
        self.close_where(|block| now.saturating_sub(block.opened) >= BLOCK_AGE_MAX);
        if self.open_bytes > OPEN_BLOCKS_MAX_BYTES {
            let mut by_size: Vec<_> =
                self.open.values().map(|block| (block.size_bytes, block.stream.clone())).collect();
            by_size.sort_unstable();
            // Half, so that not each further line closes another small block.
            while self.open_bytes > OPEN_BLOCKS_MAX_BYTES / 2 {
                let Some((_, stream)) = by_size.pop() else { break };
                self.close(&stream);
            }
        }
    }

    /// Begins to close every block.
    pub fn close_all(&mut self) {
        self.close_where(|_| true);
    }

    /// Begins to close the blocks for which it is true.
    pub fn close_where(&mut self, is_wanted: impl Fn(&OpenBlock) -> bool) {
        let wanted = self.open.values().filter(|block| is_wanted(block));
        let streams: Vec<Labels> = wanted.map(|block| block.stream.clone()).collect();
        streams.iter().for_each(|stream| self.close(stream));
    }

    /// Returns the raw bytes of the blocks that wait for the disk.
    pub fn closing_bytes(&self) -> usize {
        self.closing.iter().map(|block| block.size_bytes).sum()
    }

    /// Returns the raw bytes of the blocks that take lines.
    pub fn open_bytes(&self) -> usize {
        self.open_bytes
    }

    /// Yields every block, full ones first.
    pub fn iter(&self) -> impl Iterator<Item = &OpenBlock> {
        self.closing.iter().chain(self.open.values())
    }

    /// Notes that every line of this generation is in the WAL.
    pub fn note_logged(&mut self, generation: u32) {
        // Blocks of earlier starts stay in the WAL of their own.
        let own = self.closing.iter_mut().chain(self.open.values_mut());
        own.filter(|block| block.generation == generation)
            .for_each(|block| block.n_logged = block.lines.len());
    }

    fn close(&mut self, stream: &Labels) {
        if let Some(block) = self.open.remove(stream) {
            self.open_bytes -= block.size_bytes;
            self.closing.push(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixNanos;
    use crate::record::Severity;

    fn put(blocks: &mut OpenBlocks, stream: &str, no: u64, n_bytes: usize) {
        let mut block = Block::default();
        let metadata = Vec::<(&str, String)>::new();
        block.push(UnixNanos(no as i64), 0, Severity::Info, &"x".repeat(n_bytes), &metadata);
        let new = NewLine { block: &block, line: 0, no };
        blocks.put(&stream_of(stream), 1, new, Duration::ZERO);
    }

    fn stream_of(name: &str) -> Labels {
        Labels::new([("job", name)])
    }

    #[test]
    fn blocks_close_when_full_or_old() {
        let mut blocks = OpenBlocks::default();
        put(&mut blocks, "a", 1, BLOCK_MAX_BYTES);
        put(&mut blocks, "b", 2, 10);
        assert_eq!((blocks.open.len(), blocks.closing.len()), (1, 1));
        blocks.close_due(BLOCK_AGE_MAX);
        assert_eq!((blocks.open.len(), blocks.closing.len(), blocks.open_bytes()), (0, 2, 0));
        assert_eq!(blocks.closing[1].numbers(), Numbers { generation: 1, first: 2, last: 2 });
    }

    #[test]
    fn all_open_blocks_together_are_bounded() {
        let mut blocks = OpenBlocks::default();
        for n in 0..400 {
            put(&mut blocks, &n.to_string(), n, 100_000);
        }
        assert!(!blocks.has_room(&stream_of("new"), 400) && blocks.has_room(&stream_of("7"), 400));
        blocks.close_due(Duration::ZERO);
        assert!(blocks.open_bytes() <= OPEN_BLOCKS_MAX_BYTES / 2);
    }
}
