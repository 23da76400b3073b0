//! The write-ahead log: what is accepted and not sealed yet, in sled partitions of its own.
//!
//! A row is one scrape, XORed with the row before it in the same partition; lines go in
//! small blocks, one per stream and flush. A WAL partition is never read while it is
//! written: only the next start reads it, and removes it once its records are sealed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::db::Db;
use super::error::PartitionError;
use super::lines::{self, Line};
use super::partition::Partition;
use super::window::Span;
use super::wire::{Damaged, Reader, put_labels, put_varint, put_zigzag};
use crate::clock::UnixMillis;
use crate::record::{Labels, Point};

/// Values of some kilobytes.
const LEAF: usize = 32;

/// Written once, read hardly ever: the cheapest level.
const ZSTD_LEVEL: i32 = 1;

const SERIES: u8 = 1;
const ROW: u8 = 2;
const LINES: u8 = 3;

/// A row claims at most this much raw; damaged sizes are refused before they allocate.
const ROW_MAX_BYTES: u64 = 64 << 20;

/// One accepted scrape.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its number among the rows of its generation.
    pub no: u64,
    /// The moment of its points.
    pub at: UnixMillis,
    /// The points that were kept.
    pub points: Vec<Point>,
}

/// Which records a WAL partition has, so that its owner knows when it may go.
#[derive(Clone, Debug)]
pub struct Covered {
    /// The directory.
    pub partition: Arc<Partition>,
    /// The last row inside.
    pub last_row: u64,
    /// The last line inside.
    pub last_line: u64,
}

impl Covered {
    /// Returns true when rows or lines of these spans, not sealed yet, may be inside.
    pub fn needed_by(&self, rows: impl Iterator<Item = Span>, lines: impl Iterator<Item = Span>) -> bool {
        let is_inside =
            |span: Span, last| span.generation == self.partition.name.generation && span.first <= last;
        let (mut rows, mut lines) = (rows, lines);
        rows.any(|span| is_inside(span, self.last_row)) || lines.any(|span| is_inside(span, self.last_line))
    }
}

/// The one write handle of the WAL root.
pub struct Wal {
    /// What is inside so far.
    pub covered: Covered,
    /// When it was begun, by the monotonic clock.
    pub opened: Duration,
    /// Bytes given to sled.
    pub payload_bytes: u64,
    db: Db<LEAF>,
    ids: HashMap<Labels, u32>,
    before: Vec<u64>,
}

fn key(table: u8, number: u64) -> [u8; 9] {
    let mut key = [table; 9];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

impl Wal {
    /// Begins to write an empty partition.
    pub fn new(partition: Arc<Partition>, opened: Duration) -> Result<Self, PartitionError> {
        let db = Db::open(&partition.db_path(), ZSTD_LEVEL)?;
        let covered = Covered { partition, last_row: 0, last_line: 0 };
        Ok(Wal { covered, opened, payload_bytes: 0, db, ids: HashMap::new(), before: Vec::new() })
    }

    /// Writes a row; it is durable after the next flush.
    pub fn put_row(&mut self, row: &Row) -> Result<(), PartitionError> {
        let mut cells = Vec::with_capacity(row.points.len());
        for point in &row.points {
            cells.push((self.series_id(&point.series)?, point.value.to_bits()));
        }
        cells.sort_unstable_by_key(|(id, _)| *id);
        let raw = self.encode_row(row.at, &cells);
        let mut value = Vec::new();
        put_varint(&mut value, raw.len() as u64);
        value.extend(zstd::bulk::compress(&raw, ZSTD_LEVEL).expect("zstd compresses any bytes into memory"));
        self.insert(&key(ROW, row.no), value)?;
        self.covered.last_row = self.covered.last_row.max(row.no);
        Ok(())
    }

    // time, count, steps between ids, then the XORs byte by byte: first all lowest bytes.
    fn encode_row(&mut self, at: UnixMillis, cells: &[(u32, u64)]) -> Vec<u8> {
        let mut raw = Vec::with_capacity(16 + cells.len() * 9);
        put_zigzag(&mut raw, at.0);
        put_varint(&mut raw, cells.len() as u64);
        let mut id_before = 0;
        for (id, _) in cells {
            put_varint(&mut raw, u64::from(id - id_before));
            id_before = *id;
        }
        let xors: Vec<u64> = cells.iter().map(|(id, bits)| bits ^ self.before[*id as usize]).collect();
        for plane in 0..8 {
            raw.extend(xors.iter().map(|xor| (xor >> (8 * plane)) as u8));
        }
        cells.iter().for_each(|(id, bits)| self.before[*id as usize] = *bits);
        raw
    }

    /// Writes lines of one stream; they are durable after the next flush.
    pub fn put_lines(&mut self, stream: &Labels, lines: &[Line]) -> Result<(), PartitionError> {
        let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return Ok(()) };
        let mut value = Vec::new();
        put_labels(&mut value, stream);
        value.extend(lines::compress(lines, ZSTD_LEVEL));
        self.insert(&key(LINES, first.no), value)?;
        self.covered.last_line = self.covered.last_line.max(last.no);
        Ok(())
    }

    /// Makes everything put durable.
    pub fn flush(&self) -> Result<(), PartitionError> {
        self.db.flush()
    }

    /// Gives the handle up after an error.
    pub fn give_up(&self) {
        self.db.give_up();
    }

    fn insert(&mut self, key: &[u8], value: Vec<u8>) -> Result<(), PartitionError> {
        self.payload_bytes += (key.len() + value.len()) as u64;
        self.db.insert(key, value)
    }

    fn series_id(&mut self, labels: &Labels) -> Result<u32, PartitionError> {
        if let Some(id) = self.ids.get(labels) {
            return Ok(*id);
        }
        let id = self.ids.len() as u32;
        let mut value = Vec::new();
        put_labels(&mut value, labels);
        self.insert(&key(SERIES, id.into()), value)?;
        self.ids.insert(labels.clone(), id);
        self.before.push(0);
        Ok(id)
    }
}

/// A record found in a WAL partition.
pub enum Found {
    /// A scrape.
    Row(Row),
    /// Lines of one stream.
    Lines(Labels, Vec<Line>),
}

/// Visits the records of a WAL partition of an earlier generation, rows first.
///
/// A record that is damaged ends its kind: rows build on each other, and lines behind a
/// hole would hide it. What was read before stays good.
pub fn replay(partition: &Partition, mut visit: impl FnMut(Found)) -> Result<(), PartitionError> {
    let db = Db::<LEAF>::open(&partition.db_path(), ZSTD_LEVEL)?;
    let damaged = |damage| PartitionError::Damaged { path: partition.path.clone(), damage };
    let mut series = Vec::new();
    db.scan(&[SERIES], |_, value| {
        series.push(Reader::new(value).labels().map_err(damaged)?);
        Ok::<_, PartitionError>(())
    })?;
    let mut before = vec![0_u64; series.len()];
    let rows = db.scan(&[ROW], |key, value| {
        let no = number(key).map_err(damaged)?;
        visit(Found::Row(decode_row(no, value, &series, &mut before).map_err(damaged)?));
        Ok::<_, PartitionError>(())
    });
    db.scan(&[LINES], |_, value| {
        let mut reader = Reader::new(value);
        let stream = reader.labels().map_err(damaged)?;
        visit(Found::Lines(stream, lines::decompress(reader.rest()).map_err(damaged)?));
        Ok::<_, PartitionError>(())
    })?;
    rows
}

fn number(key: &[u8]) -> Result<u64, Damaged> {
    key[1..].try_into().map(u64::from_be_bytes).map_err(|_| Damaged("key of a record"))
}

fn decode_row(no: u64, value: &[u8], series: &[Labels], before: &mut [u64]) -> Result<Row, Damaged> {
    let mut packed = Reader::new(value);
    let raw_bytes = packed.varint()?;
    if raw_bytes > ROW_MAX_BYTES {
        return Err(Damaged("row claims to be too large"));
    }
    let raw = lines::inflate(packed.rest(), raw_bytes)?;
    let mut reader = Reader::new(&raw);
    let at = UnixMillis(reader.zigzag()?);
    let n = reader.count()?;
    let mut ids = Vec::with_capacity(n);
    let mut id = 0_usize;
    for _ in 0..n {
        let step = usize::try_from(reader.varint()?).map_err(|_| Damaged("series of a row"))?;
        id = id.checked_add(step).filter(|id| *id < series.len()).ok_or(Damaged("series of a row"))?;
        ids.push(id);
    }
    let mut xors = vec![0_u64; n];
    for plane in 0..8 {
        for (xor, byte) in xors.iter_mut().zip(reader.take(n)?) {
            *xor |= u64::from(*byte) << (8 * plane);
        }
    }
    reader.end()?;
    let points = ids.into_iter().zip(xors).map(|(id, xor)| {
        before[id] ^= xor;
        Point { series: series[id].clone(), value: f64::from_bits(before[id]) }
    });
    Ok(Row { no, at, points: points.collect() })
}
