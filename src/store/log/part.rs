//! What is inside a logs partition: streams, blocks, and beside them the blocks' filters.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::block::Block;
use super::collect::TokenCollector;
use super::filter::{Filter, FilterRef};
use super::needle::TokenFacts;
use super::open::OpenBlock;
use crate::clock::UnixNanos;
use crate::record::read::{Content, Pairs};
use crate::record::{Labels, Levels};
use crate::store::disk::numbers::Numbers;
use crate::store::disk::pages::{Address, BULK, PageWriter};
use crate::store::disk::partition::{Partition, Summary};
use crate::store::error::PartitionError;
use crate::store::labels::{LabelTable, labels_fact, read_labels};
use crate::store::wire::{Damaged, Reader, put_varint, put_zigzag};

const STREAMS: u8 = 1;
const BLOCK: u8 = 2;

/// Where the filter of a block lies in the file beside the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FilterPlace {
    /// The place of its first byte.
    pub at: u64,
    /// Its length; 0 when the block has none.
    pub len: u32,
    /// The CRC-32 of its bytes: what a crash left torn is as good as absent.
    crc: u32,
}

/// What is known of a block without unpacking it.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockHead {
    /// The stream's id in the partition.
    pub stream: u32,
    /// The numbers of its lines.
    pub lines: Numbers,
    /// The earliest time inside.
    pub min: UnixNanos,
    /// The latest time inside.
    pub max: UnixNanos,
    /// How many lines.
    pub n_lines: u32,
    /// The bytes of their texts.
    pub body_bytes: u32,
    /// The severities inside.
    pub levels: Levels,
    /// What a search must know of the tokens inside beside the filter.
    pub tokens: TokenFacts,
    /// Where the block lies.
    pub address: Address,
    /// Where its filter lies.
    pub filter: FilterPlace,
}

impl BlockHead {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, self.stream.into());
        self.lines.put(&mut out);
        put_zigzag(&mut out, self.min.0);
        put_varint(&mut out, self.max.0.wrapping_sub(self.min.0) as u64);
        put_varint(&mut out, self.n_lines.into());
        put_varint(&mut out, self.body_bytes.into());
        out.push(self.levels.bits());
        self.tokens.encode(&mut out);
        self.address.put(&mut out);
        put_varint(&mut out, self.filter.at);
        put_varint(&mut out, self.filter.len.into());
        out.extend_from_slice(&self.filter.crc.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut reader = Reader::new(bytes);
        let stream = reader.u32()?;
        let lines = Numbers::read(&mut reader)?;
        let min = reader.zigzag()?;
        let max = min.wrapping_add(reader.varint()? as i64);
        let (n_lines, body_bytes) = (reader.u32()?, reader.u32()?);
        let levels = Levels::from_bits(reader.u8()?);
        let tokens = TokenFacts::decode(&mut reader)?;
        let address = Address::read(&mut reader)?;
        let (at, len) = (reader.varint()?, reader.u32()?);
        let filter = FilterPlace { at, len, crc: u32::from_le_bytes(reader.array()?) };
        reader.end()?;
        let (min, max) = (UnixNanos(min), UnixNanos(max));
        Ok(BlockHead { stream, lines, min, max, n_lines, body_bytes, levels, tokens, address, filter })
    }
}

/// Everything in a partition but the lines.
#[derive(Clone, Debug, Default)]
pub struct LogFacts {
    /// The streams; the place is the id.
    pub streams: LabelTable,
    /// The blocks, in the order in which they were sealed.
    pub blocks: Vec<Arc<BlockHead>>,
}

impl LogFacts {
    /// Takes in a fact of the partition.
    pub fn note(&mut self, kind: u8, content: &[u8]) -> Result<(), Damaged> {
        match kind {
            STREAMS => read_labels(content, &mut self.streams),
            BLOCK => {
                let head = BlockHead::decode(content)?;
                if head.stream as usize >= self.streams.len() {
                    return Err(Damaged("block of an unknown stream"));
                }
                self.blocks.push(Arc::new(head));
                Ok(())
            }
            _ => Err(Damaged("fact of an unknown kind")),
        }
    }

    /// Hands over all facts again.
    pub fn each(&self, put: &mut dyn FnMut(u8, &[u8])) {
        put(STREAMS, &labels_fact(self.streams.labels()));
        self.blocks.iter().for_each(|block| put(BLOCK, &block.encode()));
    }

    /// Returns about how much memory this takes.
    pub fn size_bytes(&self) -> usize {
        self.streams.size_bytes() + self.blocks.len() * (size_of::<BlockHead>() + 24)
    }

    /// Makes the summary of a partition whose writer did not come to write it.
    pub fn summarise(&self) -> Summary {
        let mut summary = Summary::default();
        for block in &self.blocks {
            summary.add((block.min.0, block.max.0), block.n_lines.into(), block.lines);
        }
        summary
    }

    /// Returns the labels of a block's stream.
    pub fn stream(&self, head: &BlockHead) -> &Labels {
        self.streams.get(head.stream)
    }
}

/// A block of half a megabyte has fewer tokens than need this; a damaged length is refused
/// before it allocates.
const FILTER_MAX_BYTES: u32 = 1 << 20;

thread_local! {
    // What the last filter was read into: they are tens of kilobytes, and one is read for each block.
    static FILTER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The filters of a partition, read when a search needs them.
pub struct Filters {
    file: Option<File>,
    /// The system was told that they will be read.
    is_announced: AtomicBool,
}

impl Filters {
    /// Opens the filters of a partition; one that has none rules nothing out.
    pub fn of(partition: &Partition) -> Self {
        let file = File::open(partition.filters_path()).ok();
        Filters { file, is_announced: AtomicBool::new(false) }
    }

    /// Hands over the filter of a block; returns none where it has none that is whole.
    pub fn ask<T>(&self, head: &BlockHead, ask: impl FnOnce(FilterRef<'_>) -> T) -> Option<T> {
        if head.filter.len > FILTER_MAX_BYTES {
            return None;
        }
        let file = self.file.as_ref()?;
        if !self.is_announced.swap(true, Ordering::Relaxed) {
            will_be_read(file);
        }
        FILTER.with_borrow_mut(|bytes| {
            bytes.resize(head.filter.len as usize, 0);
            file.read_exact_at(bytes, head.filter.at).ok()?;
            let is_whole = crc32fast::hash(bytes) == head.filter.crc;
            let filter = if is_whole { FilterRef::from_bytes(bytes).ok() } else { None };
            filter.map(ask)
        })
    }
}

/// Lets the system fetch a file of some megabytes at once: filters are asked for in the order of time, in
/// which a disk would be asked for each alone.
#[cfg(target_os = "linux")]
fn will_be_read(file: &File) {
    use rustix::fs::{Advice, fadvise};
    if let Err(fault) = fadvise(file, 0, None, Advice::WillNeed) {
        tracing::debug!("filters are read one by one, it takes longer: {fault}");
    }
}

#[cfg(not(target_os = "linux"))]
fn will_be_read(_: &File) {}

/// Writes blocks into the one open partition of the logs.
pub struct LogWriter {
    /// The pages.
    pub pages: PageWriter,
    /// What readers get a clone of after each flush.
    pub facts: LogFacts,
    filters: File,
    filters_bytes: u64,
    collector: TokenCollector,
}

impl LogWriter {
    /// Begins to write an empty partition.
    pub fn new(partition: Arc<Partition>) -> Result<Self, PartitionError> {
        let filters = OpenOptions::new().create_new(true).write(true).open(partition.filters_path());
        let filters = filters.map_err(|source| partition.io("create the filters of", source))?;
        let (pages, facts) = (PageWriter::new(partition)?, LogFacts::default());
        Ok(LogWriter { pages, facts, filters, filters_bytes: 0, collector: TokenCollector::default() })
    }

    /// Writes a block; it is durable after the next flush.
    pub fn add(&mut self, open: &OpenBlock) -> Result<(), PartitionError> {
        let lines: &Block = &open.lines;
        let Some((min, max)) = lines.range() else { return Ok(()) };
        let stream = self.stream_id(&open.stream)?;
        let levels = Levels::of((0..lines.len()).map(|line| lines.severity(line)));
        let (filter, tokens) = self.collect(lines);
        let filter = self.put_filter(&filter)?;
        let head = BlockHead {
            stream,
            lines: open.numbers(),
            min,
            max,
            n_lines: lines.len() as u32,
            body_bytes: lines.body_bytes() as u32,
            levels,
            tokens,
            address: self.pages.append(BULK, &lines.pack())?,
            filter,
        };
        // Last, so that a block that is found has its lines.
        self.pages.append(BLOCK, &head.encode())?;
        let mut summary = self.pages.partition().summary();
        summary.add((min.0, max.0), lines.len() as u64, head.lines);
        summary.payload_bytes = self.pages.payload_bytes() + self.filters_bytes;
        self.pages.partition().set_summary(summary);
        self.facts.blocks.push(Arc::new(head));
        Ok(())
    }

    /// Makes the filters durable, which no flush does: without them a search only reads more.
    pub fn sync_filters(&self) -> Result<(), PartitionError> {
        self.filters.sync_data().map_err(|source| self.pages.partition().io("sync the filters of", source))
    }

    fn collect(&mut self, lines: &Block) -> (Filter, TokenFacts) {
        for line in 0..lines.len() {
            let content = lines.content(line);
            self.collector.add(content.body());
            content.each(&mut |name, value| self.collector.add_metadata(name, value));
        }
        self.collector.finish()
    }

    fn put_filter(&mut self, filter: &Filter) -> Result<FilterPlace, PartitionError> {
        let bytes = filter.as_bytes();
        let crc = crc32fast::hash(bytes);
        let res = self.filters.write_all(bytes);
        res.map_err(|source| self.pages.partition().io("write the filters of", source))?;
        let place = FilterPlace { at: self.filters_bytes, len: bytes.len() as u32, crc };
        self.filters_bytes += u64::from(place.len);
        Ok(place)
    }

    fn stream_id(&mut self, labels: &Labels) -> Result<u32, PartitionError> {
        if let Some(id) = self.facts.streams.id_of(labels) {
            return Ok(id);
        }
        self.pages.append(STREAMS, &labels_fact(std::slice::from_ref(labels)))?;
        Ok(self.facts.streams.push(labels.clone()))
    }
}
