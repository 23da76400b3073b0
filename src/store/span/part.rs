//! What is inside a spans partition: blocks, each with what rules it out for a search.

use std::sync::Arc;

use super::columns;
use super::facts::SpanBlockFacts;
use super::open::OpenSpanBlock;
use crate::record::trace::TraceId;
use crate::store::disk::numbers::Numbers;
use crate::store::disk::pages::{Address, BULK, PageWriter};
use crate::store::disk::partition::{Partition, Summary};
use crate::store::error::PartitionError;
use crate::store::log::filter::Filter;
use crate::store::wire::{Damaged, Reader};

const BLOCK: u8 = 1;

/// What is known of a block without unpacking it.
#[derive(Clone, Debug)]
pub struct SpanBlockHead {
    /// The numbers of its spans.
    pub spans: Numbers,
    /// Times, durations and statuses inside.
    pub facts: SpanBlockFacts,
    /// Where the block lies.
    pub address: Address,
    /// The filter of its trace ids: some hundred a block, so that it lies in memory.
    filter: Filter,
}

impl SpanBlockHead {
    /// Returns false when no span of this trace is inside.
    pub fn may_have(&self, id: TraceId) -> bool {
        self.filter.contains(key(id))
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.spans.put(&mut out);
        self.address.put(&mut out);
        self.facts.encode(&mut out);
        out.extend_from_slice(self.filter.as_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut reader = Reader::new(bytes);
        let (spans, address) = (Numbers::read(&mut reader)?, Address::read(&mut reader)?);
        let facts = SpanBlockFacts::decode(&mut reader)?;
        let filter = Filter::from_bytes(reader.rest())?;
        Ok(SpanBlockHead { spans, facts, address, filter })
    }
}

// A trace id is random already.
fn key(id: TraceId) -> u64 {
    let [high, low] =
        [&id.0[..8], &id.0[8..]].map(|half| half.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
    high.rotate_left(32) ^ low
}

/// Everything in a partition but the spans.
#[derive(Clone, Debug, Default)]
pub struct SpanFacts {
    /// The blocks, in the order in which they were sealed.
    pub blocks: Vec<Arc<SpanBlockHead>>,
}

impl SpanFacts {
    /// Takes in a fact of the partition.
    pub fn note(&mut self, kind: u8, content: &[u8]) -> Result<(), Damaged> {
        if kind != BLOCK {
            return Err(Damaged("fact of an unknown kind"));
        }
        self.blocks.push(Arc::new(SpanBlockHead::decode(content)?));
        Ok(())
    }

    /// Hands over all facts again.
    pub fn each(&self, put: &mut dyn FnMut(u8, &[u8])) {
        self.blocks.iter().for_each(|block| put(BLOCK, &block.encode()));
    }

    /// Returns about how much memory this takes.
    pub fn size_bytes(&self) -> usize {
        self.blocks.iter().map(|block| size_of::<SpanBlockHead>() + block.filter.as_bytes().len()).sum()
    }

    /// Makes the summary of a partition whose writer did not come to write it.
    pub fn summarise(&self) -> Summary {
        let mut summary = Summary::default();
        for block in &self.blocks {
            let facts = &block.facts;
            summary.add((facts.min_start.0, facts.max_start.0), facts.n_spans.into(), block.spans);
        }
        summary
    }
}

/// Writes blocks into the one open partition of the spans.
pub struct SpanWriter {
    /// The pages.
    pub pages: PageWriter,
    /// What readers get a clone of after each flush.
    pub facts: SpanFacts,
}

impl SpanWriter {
    /// Begins to write an empty partition.
    pub fn new(partition: Arc<Partition>) -> Result<Self, PartitionError> {
        Ok(SpanWriter { pages: PageWriter::new(partition)?, facts: SpanFacts::default() })
    }

    /// Writes a block; it is durable after the next flush.
    pub fn add(&mut self, open: &OpenSpanBlock) -> Result<(), PartitionError> {
        if open.spans.is_empty() {
            return Ok(());
        }
        let facts = SpanBlockFacts::of(&open.spans);
        let mut keys: Vec<u64> = open.spans.iter().map(|span| key(span.span.trace_id)).collect();
        let filter = Filter::build(&mut keys);
        let address = self.pages.append(BULK, &columns::compress(&open.spans))?;
        let head = SpanBlockHead { spans: open.numbers(), facts, address, filter };
        // Last, so that a block that is found has its spans.
        self.pages.append(BLOCK, &head.encode())?;
        let mut summary = self.pages.partition().summary();
        let range = (head.facts.min_start.0, head.facts.max_start.0);
        summary.add(range, open.spans.len() as u64, head.spans);
        summary.payload_bytes = self.pages.payload_bytes();
        self.pages.partition().set_summary(summary);
        self.facts.blocks.push(Arc::new(head));
        Ok(())
    }
}
