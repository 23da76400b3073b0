//! The write-ahead log: what is accepted and not sealed yet, in partitions of its own.
//!
//! One record is everything that was accepted between two flushes. A row is one moment of
//! one source, XORed with the row before it in the same partition; lines and spans are in
//! the form that their blocks have. A WAL partition is never read while it is written: only
//! the next start reads it, and removes it once its records are sealed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::compress;
use super::disk::numbers::Numbers;
use super::disk::pages::{self, PageWriter};
use super::disk::partition::{Kind, Partition};
use super::error::PartitionError;
use super::log::block::Block;
use super::log::open::OpenBlock;
use super::metric::window::Source;
use super::span::bounds::SPAN_MAX_BYTES;
use super::span::columns::BLOCK_LIMIT_BYTES;
use super::span::{NumberedSpan, columns};
use super::wire::{Damaged, Reader, put_bytes, put_labels, put_varint, put_zigzag};
use crate::clock::UnixMillis;
use crate::record::{Labels, Point};

/// The one kind of frame.
const RECORD: u8 = 1;

/// A span is 64 KiB at most, and so many of them are what a block of spans may hold.
const SPANS_AT_A_TIME: usize = BLOCK_LIMIT_BYTES / SPAN_MAX_BYTES / 2;

/// What may be accepted between two flushes fits many times; a damaged size is refused
/// before it allocates.
const RECORD_MAX_BYTES: u64 = 512 << 20;

/// The accepted points of one source at one moment.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its number among the rows of its generation.
    pub no: u64,
    /// Whose points they are.
    pub source: Source,
    /// The moment.
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
    /// The last span inside.
    pub last_span: u64,
}

impl Covered {
    /// Returns true when rows with these numbers, not sealed yet, may be inside.
    pub fn has_rows(&self, rows: Numbers) -> bool {
        rows.generation == self.partition.name.generation && rows.first <= self.last_row
    }

    /// Returns true when lines with these numbers, not sealed yet, may be inside.
    pub fn has_lines(&self, lines: Numbers) -> bool {
        lines.generation == self.partition.name.generation && lines.first <= self.last_line
    }

    /// Returns true when spans with these numbers, not sealed yet, may be inside.
    pub fn has_spans(&self, spans: Numbers) -> bool {
        spans.generation == self.partition.name.generation && spans.first <= self.last_span
    }
}

/// Everything that one flush logs.
#[derive(Default)]
pub struct Unlogged<'a> {
    /// Rows in the order of their numbers.
    pub rows: &'a [Row],
    /// Blocks with lines that are not logged yet.
    pub blocks: Vec<&'a OpenBlock>,
    /// Spans in the order of their numbers.
    pub spans: &'a [NumberedSpan],
}

impl Unlogged<'_> {
    /// Returns true when there is nothing to log.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.blocks.is_empty() && self.spans.is_empty()
    }
}

/// The one write handle of the WAL root.
pub struct Wal {
    /// What is inside so far.
    pub covered: Covered,
    /// When it was begun, by the monotonic clock.
    pub opened: Duration,
    pages: PageWriter,
    ids: HashMap<Labels, u32>,
    /// The bits of each series in the row before.
    before: Vec<u64>,
}

impl Wal {
    /// Begins to write an empty partition.
    pub fn new(partition: Arc<Partition>, opened: Duration) -> Result<Self, PartitionError> {
        let pages = PageWriter::new(partition.clone())?;
        let covered = Covered { partition, last_row: 0, last_line: 0, last_span: 0 };
        Ok(Wal { covered, opened, pages, ids: HashMap::new(), before: Vec::new() })
    }

    /// Returns the bytes inside.
    pub fn payload_bytes(&self) -> u64 {
        self.pages.payload_bytes()
    }

    /// Writes a record and makes it durable.
    pub fn log(&mut self, unlogged: &Unlogged<'_>) -> Result<(), PartitionError> {
        let raw = self.encode(unlogged);
        self.pages.append(RECORD, &compress::pack(&raw))?;
        self.pages.flush()?;
        let lines = unlogged.blocks.iter().map(|block| block.numbers().last);
        let covered = &mut self.covered;
        covered.last_row = unlogged.rows.iter().map(|row| row.no).fold(covered.last_row, u64::max);
        covered.last_line = lines.fold(covered.last_line, u64::max);
        covered.last_span = unlogged.spans.iter().map(|span| span.no).fold(covered.last_span, u64::max);
        Ok(())
    }

    /// Gives the handle up after an error.
    pub fn give_up(&self) {
        self.pages.give_up();
    }

    /// Ends the writing.
    pub fn close(self) -> Covered {
        self.pages.close();
        self.covered
    }

    fn encode(&mut self, unlogged: &Unlogged<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        let new = self.name_series(unlogged.rows);
        put_varint(&mut out, new.len() as u64);
        new.iter().for_each(|labels| put_labels(&mut out, labels));
        put_varint(&mut out, unlogged.rows.len() as u64);
        unlogged.rows.iter().for_each(|row| self.put_row(&mut out, row));
        put_varint(&mut out, unlogged.blocks.len() as u64);
        for block in &unlogged.blocks {
            put_labels(&mut out, &block.stream);
            block.lines.encode(block.n_logged..block.lines.len(), &mut out);
        }
        let pieces: Vec<&[NumberedSpan]> = unlogged.spans.chunks(SPANS_AT_A_TIME).collect();
        put_varint(&mut out, pieces.len() as u64);
        pieces.iter().for_each(|spans| put_bytes(&mut out, &columns::compress(spans)));
        out
    }

    fn name_series(&mut self, rows: &[Row]) -> Vec<Labels> {
        let mut new = Vec::new();
        for point in rows.iter().flat_map(|row| &row.points) {
            if !self.ids.contains_key(&point.series) {
                self.ids.insert(point.series.clone(), self.ids.len() as u32);
                self.before.push(0);
                new.push(point.series.clone());
            }
        }
        new
    }

    // source, number, time, count, steps between ids, then the XORs byte by byte: first all
    // lowest bytes.
    fn put_row(&mut self, out: &mut Vec<u8>, row: &Row) {
        let cell = |point: &Point| (self.ids[&point.series], point.value.to_bits());
        let mut cells: Vec<(u32, u64)> = row.points.iter().map(cell).collect();
        cells.sort_unstable_by_key(|(id, _)| *id);
        out.extend_from_slice(&row.source.0.to_le_bytes());
        put_varint(out, row.no);
        put_zigzag(out, row.at.0);
        put_varint(out, cells.len() as u64);
        let mut id_before = 0;
        for (id, _) in &cells {
            put_varint(out, u64::from(id - id_before));
            id_before = *id;
        }
        let xors: Vec<u64> = cells.iter().map(|(id, bits)| bits ^ self.before[*id as usize]).collect();
        for plane in 0..8 {
            out.extend(xors.iter().map(|xor| (xor >> (8 * plane)) as u8));
        }
        cells.iter().for_each(|(id, bits)| self.before[*id as usize] = *bits);
    }
}

/// Something found in a WAL partition.
pub enum Found {
    /// A row.
    Row(Row),
    /// Lines of one stream.
    Lines(Labels, Block),
    /// A span.
    Span(NumberedSpan),
}

impl Found {
    /// Returns the kind of history that it belongs to.
    pub fn kind(&self) -> Kind {
        match self {
            Found::Row(_) => Kind::Metrics,
            Found::Lines(..) => Kind::Logs,
            Found::Span(_) => Kind::Spans,
        }
    }
}

/// Visits the records of a WAL partition of an earlier generation, in the order of writing.
///
/// A record that is damaged ends it, because rows build on each other. What was read before
/// stays good.
pub fn replay(partition: &Partition, mut visit: impl FnMut(Found)) -> Result<(), PartitionError> {
    partition.db.open()?;
    let mut replay = Replay::default();
    let res = pages::scan(partition, |kind, content| match kind {
        RECORD => replay.record(&compress::unpack(content, RECORD_MAX_BYTES)?, &mut visit),
        _ => Err(Damaged("record of an unknown kind")),
    });
    partition.db.close();
    res.map(|_| ())
}

#[derive(Default)]
struct Replay {
    series: Vec<Labels>,
    before: Vec<u64>,
}

impl Replay {
    fn record(&mut self, raw: &[u8], visit: &mut impl FnMut(Found)) -> Result<(), Damaged> {
        let mut reader = Reader::new(raw);
        for _ in 0..reader.count()? {
            self.series.push(reader.labels()?);
            self.before.push(0);
        }
        for _ in 0..reader.count()? {
            visit(Found::Row(self.row(&mut reader)?));
        }
        for _ in 0..reader.count()? {
            let stream = reader.labels()?;
            let lines = Block::decode(&mut reader)?;
            lines.decode_all()?;
            visit(Found::Lines(stream, lines));
        }
        for _ in 0..reader.count()? {
            let spans = columns::decompress(reader.bytes()?)?;
            spans.into_iter().for_each(|span| visit(Found::Span(span)));
        }
        reader.end()
    }

    fn row(&mut self, reader: &mut Reader<'_>) -> Result<Row, Damaged> {
        let source = Source(u64::from_le_bytes(reader.array()?));
        let no = reader.varint()?;
        let at = UnixMillis(reader.zigzag()?);
        let n = reader.count()?;
        let mut ids = Vec::with_capacity(n);
        let mut id = 0_usize;
        for _ in 0..n {
            let step = reader.u32()? as usize;
            id = id
                .checked_add(step)
                .filter(|id| *id < self.series.len())
                .ok_or(Damaged("series of a row"))?;
            ids.push(id);
        }
        let mut xors = vec![0_u64; n];
        for plane in 0..8 {
            for (xor, byte) in xors.iter_mut().zip(reader.take(n)?) {
                *xor |= u64::from(*byte) << (8 * plane);
            }
        }
        let points = ids.into_iter().zip(xors).map(|(id, xor)| {
            self.before[id] ^= xor;
            Point { series: self.series[id].clone(), value: f64::from_bits(self.before[id]) }
        });
        Ok(Row { no, source, at, points: points.collect() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bad_bytes_give_an_error_and_no_panic(bytes: Vec<u8>) {
            let _ = Replay::default().record(&bytes, &mut |_| {});
        }
    }
}
