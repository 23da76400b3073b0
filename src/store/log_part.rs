//! What is inside a logs partition: streams, block headers, blocks.

use std::collections::HashMap;
use std::sync::Arc;

use super::blocks::OpenBlock;
use super::db::Db;
use super::error::PartitionError;
use super::lines::{self, Line};
use super::metric_part::{put_span, read_span};
use super::partition::{Partition, Summary};
use super::window::Span;
use super::wire::{Damaged, Reader, put_labels, put_varint, put_zigzag};
use crate::clock::UnixNanos;
use crate::record::{Labels, Severity};

/// Leaves of few large values: a leaf is rewritten whole by each flush that touches it.
const LEAF: usize = 8;

/// The handle of a logs partition.
pub type LogDb = Db<LEAF>;

/// Blocks are compressed already.
const SLED_ZSTD_LEVEL: i32 = 1;

/// Level 3 and level 1 give the same size on logs; the lower one costs half the time.
const BLOCK_ZSTD_LEVEL: i32 = 1;

const STREAM: u8 = 1;
const HEADER: u8 = 2;
const BLOCK: u8 = 3;

/// What is known of a block without unpacking it.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockHead {
    /// The block's number in its partition.
    pub no: u32,
    /// The stream's id in the partition.
    pub stream: u32,
    /// The numbers of its lines.
    pub lines: Span,
    /// The earliest time inside.
    pub min: UnixNanos,
    /// The latest time inside.
    pub max: UnixNanos,
    /// How many lines.
    pub n_lines: u32,
    /// Bit `severity number / 4 + 1` for each severity inside, bit 0 for none given.
    pub levels: u8,
}

impl BlockHead {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, self.stream.into());
        put_span(&mut out, self.lines);
        put_zigzag(&mut out, self.min.0);
        put_varint(&mut out, self.max.0.wrapping_sub(self.min.0) as u64);
        put_varint(&mut out, self.n_lines.into());
        out.push(self.levels);
        out
    }

    fn decode(no: u32, bytes: &[u8]) -> Result<Self, Damaged> {
        let mut reader = Reader::new(bytes);
        let narrow = |value: u64| u32::try_from(value).map_err(|_| Damaged("header of a block"));
        let stream = narrow(reader.varint()?)?;
        let lines = read_span(&mut reader)?;
        let min = reader.zigzag()?;
        let max = min.wrapping_add(reader.varint()? as i64);
        let n_lines = narrow(reader.varint()?)?;
        let levels = reader.u8()?;
        reader.end()?;
        Ok(BlockHead { no, stream, lines, min: UnixNanos(min), max: UnixNanos(max), n_lines, levels })
    }
}

fn level_bit(severity: Severity) -> u8 {
    match severity.number() {
        0 => 1,
        number => 1 << (number / 4 + 1),
    }
}

fn key(table: u8, number: u32) -> [u8; 5] {
    let mut key = [table; 5];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

/// A logs partition as a reader sees it; a clone shares the handle.
#[derive(Clone)]
pub struct LogPart {
    db: Arc<LogDb>,
    /// The headers, in the order in which the blocks were sealed.
    pub heads: Vec<Arc<BlockHead>>,
    /// The streams; the place is the id.
    pub streams: Vec<Labels>,
}

impl LogPart {
    /// Opens a partition and reads everything but the blocks.
    pub fn open(partition: &Partition) -> Result<Self, PartitionError> {
        Self::load(partition, Arc::new(Db::open(&partition.db_path(), SLED_ZSTD_LEVEL)?))
    }

    /// Reads everything but the blocks through a handle that is open already.
    pub fn load(partition: &Partition, db: Arc<LogDb>) -> Result<Self, PartitionError> {
        let mut res = LogPart { db: db.clone(), heads: Vec::new(), streams: Vec::new() };
        let damaged = |damage| PartitionError::Damaged { path: partition.path.clone(), damage };
        db.scan(&[STREAM], |found, value| {
            if found != key(STREAM, res.streams.len() as u32) {
                return Err(damaged(Damaged("stream ids are not consecutive")));
            }
            res.streams.push(Reader::new(value).labels().map_err(damaged)?);
            Ok(())
        })?;
        db.scan(&[HEADER], |found, value| {
            let no = found[1..].try_into().map_err(|_| damaged(Damaged("key of a block")))?;
            let head = BlockHead::decode(u32::from_be_bytes(no), value).map_err(damaged)?;
            if head.stream as usize >= res.streams.len() {
                return Err(damaged(Damaged("block of an unknown stream")));
            }
            res.heads.push(Arc::new(head));
            Ok(())
        })?;
        Ok(res)
    }

    /// Returns the handle, which must be reused while anyone holds it: sled locks the directory.
    pub fn db(&self) -> &Arc<LogDb> {
        &self.db
    }

    /// Returns the labels of a block's stream.
    pub fn stream(&self, head: &BlockHead) -> &Labels {
        &self.streams[head.stream as usize]
    }

    /// Unpacks a block.
    pub fn block(&self, head: &BlockHead) -> Result<Vec<Line>, PartitionError> {
        let damaged = |damage| PartitionError::Damaged { path: self.db.path().to_path_buf(), damage };
        let bytes = self.db.get(&key(BLOCK, head.no))?.ok_or(damaged(Damaged("block is missing")))?;
        lines::decompress(&bytes).map_err(damaged)
    }

    /// Makes the summary of a partition whose writer did not come to write it.
    pub fn summarise(&self) -> Summary {
        let mut summary = Summary { n_records: self.heads.len() as u64, ..Summary::default() };
        for head in &self.heads {
            summary.add((head.min.0, head.max.0), head.lines.generation, head.lines.last);
        }
        summary
    }
}

/// The one write handle of the logs root.
pub struct LogWriter {
    /// The directory.
    pub partition: Arc<Partition>,
    /// What readers get a clone of after each flush.
    pub part: LogPart,
    ids: HashMap<Labels, u32>,
}

impl LogWriter {
    /// Begins to write an empty partition.
    pub fn new(partition: Arc<Partition>) -> Result<Self, PartitionError> {
        let part = LogPart::open(&partition)?;
        Ok(LogWriter { partition, part, ids: HashMap::new() })
    }

    /// Writes a block; it is durable after the next flush.
    pub fn add(&mut self, block: &OpenBlock) -> Result<(), PartitionError> {
        let mut summary = self.partition.summary();
        let (Some(min), Some(max)) =
            (block.lines.iter().map(|line| line.at).min(), block.lines.iter().map(|line| line.at).max())
        else {
            return Ok(());
        };
        let no = self.part.heads.len() as u32;
        let stream = self.stream_id(&block.stream, &mut summary)?;
        let levels = block.lines.iter().fold(0, |mask, line| mask | level_bit(line.severity));
        let n_lines = block.lines.len() as u32;
        let head = BlockHead { no, stream, lines: block.span(), min, max, n_lines, levels };
        let payload = lines::compress(&block.lines, BLOCK_ZSTD_LEVEL);
        summary.n_records += 1;
        summary.payload_bytes += payload.len() as u64;
        summary.add((min.0, max.0), head.lines.generation, head.lines.last);
        self.part.db.insert(&key(BLOCK, no), payload)?;
        self.part.db.insert(&key(HEADER, no), head.encode())?;
        self.partition.set_summary(summary);
        self.part.heads.push(Arc::new(head));
        Ok(())
    }

    /// Makes everything added durable.
    pub fn flush(&self) -> Result<(), PartitionError> {
        self.part.db.flush()
    }

    /// Gives the handle up after an error.
    pub fn give_up(&self) {
        self.part.db.give_up();
    }

    fn stream_id(&mut self, labels: &Labels, summary: &mut Summary) -> Result<u32, PartitionError> {
        if let Some(id) = self.ids.get(labels) {
            return Ok(*id);
        }
        let id = self.part.streams.len() as u32;
        let mut value = Vec::new();
        put_labels(&mut value, labels);
        summary.payload_bytes += value.len() as u64;
        self.part.db.insert(&key(STREAM, id), value)?;
        self.part.streams.push(labels.clone());
        self.ids.insert(labels.clone(), id);
        Ok(id)
    }
}
