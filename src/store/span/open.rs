//! The open block of spans, and the full ones that wait for the disk.

use std::sync::Arc;
use std::time::Duration;

use super::NumberedSpan;
use crate::record::Span;
use crate::store::config::{BLOCK_AGE_MAX, SPAN_BLOCK_MAX_BYTES};
use crate::store::disk::numbers::Numbers;

/// Spans that are not sealed yet, in the order of their arrival.
#[derive(Clone, Debug)]
pub struct OpenSpanBlock {
    /// Who numbered the spans.
    pub generation: u32,
    /// The spans; a reader holds a clone of the `Arc`, so adding copies only then.
    pub spans: Arc<Vec<NumberedSpan>>,
    /// How many of the spans are in the WAL.
    pub n_logged: usize,
    size_bytes: usize,
    opened: Duration,
}

impl OpenSpanBlock {
    /// Returns the numbers of the first and last span; a block is never empty.
    pub fn numbers(&self) -> Numbers {
        let first = self.spans.first().map_or(0, |span| span.no);
        let last = self.spans.last().map_or(0, |span| span.no);
        Numbers { generation: self.generation, first, last }
    }
}

/// All spans that are not sealed yet.
#[derive(Debug, Default)]
pub struct OpenSpans {
    open: Option<OpenSpanBlock>,
    /// Blocks that are full or old, oldest first.
    pub closing: Vec<OpenSpanBlock>,
}

impl OpenSpans {
    /// Adds a span; a block that is full with it begins to close.
    pub fn put(&mut self, generation: u32, no: u64, span: Span, now: Duration) {
        let span = NumberedSpan { no, span };
        let n_bytes = span.size_bytes();
        let block = self.open.get_or_insert_with(|| OpenSpanBlock {
            generation,
            spans: Arc::default(),
            n_logged: 0,
            size_bytes: 0,
            opened: now,
        });
        Arc::make_mut(&mut block.spans).push(span);
        block.size_bytes += n_bytes;
        if block.size_bytes >= SPAN_BLOCK_MAX_BYTES {
            self.close_all();
        }
    }

    /// Begins to close the block when it is old.
    pub fn close_due(&mut self, now: Duration) {
        self.close_where(|block| now.saturating_sub(block.opened) >= BLOCK_AGE_MAX);
    }

    /// Begins to close the block.
    pub fn close_all(&mut self) {
        self.close_where(|_| true);
    }

    /// Begins to close the block if it is so.
    pub fn close_where(&mut self, is_wanted: impl Fn(&OpenSpanBlock) -> bool) {
        self.closing.extend(self.open.take_if(|block| is_wanted(block)));
    }

    /// Returns the raw bytes of the blocks that wait for the disk.
    pub fn closing_bytes(&self) -> usize {
        self.closing.iter().map(|block| block.size_bytes).sum()
    }

    /// Yields every block, full ones first.
    pub fn iter(&self) -> impl Iterator<Item = &OpenSpanBlock> {
        self.closing.iter().chain(&self.open)
    }

    /// Notes that every span of this generation is in the WAL.
    pub fn note_logged(&mut self, generation: u32) {
        let own = self.closing.iter_mut().chain(&mut self.open);
        own.filter(|block| block.generation == generation)
            .for_each(|block| block.n_logged = block.spans.len());
    }
}
