//! What is inside a metrics partition: series, windows, chunks.

use std::collections::HashMap;
use std::sync::Arc;

use super::chunk::{self, Values};
use super::db::Db;
use super::error::PartitionError;
use super::partition::{Partition, Summary};
use super::window::{Span, Window};
use super::wire::{Damaged, Reader, put_labels, put_varint, put_zigzag};
use crate::clock::UnixMillis;
use crate::record::Labels;

/// Leaves of small values: a leaf image stays below sled's large slab classes.
const LEAF: usize = 128;

/// The handle of a metrics partition.
pub type MetricDb = Db<LEAF>;

/// sled compresses across the series of a leaf, which pays here.
const ZSTD_LEVEL: i32 = 3;

const SERIES: u8 = 1;
const WINDOW: u8 = 2;
const CHUNK: u8 = 3;

/// Up to 120 times that the chunks of a window share.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowHead {
    /// The first second of the window, one more where that was taken; part of the keys.
    pub key_s: u32,
    /// The times, ascending.
    pub times: Vec<UnixMillis>,
    /// The WAL rows inside.
    pub rows: Span,
}

impl WindowHead {
    /// Returns the first and the last time.
    pub fn range(&self) -> (i64, i64) {
        let at = |time: Option<&UnixMillis>| time.map_or(0, |time| time.0);
        (at(self.times.first()), at(self.times.last()))
    }

    /// Decodes what [`MetricPart::chunk`] returned for this window.
    pub fn values(&self, bytes: &[u8]) -> Result<Values, Damaged> {
        chunk::decode(bytes, self.times.len())
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_span(&mut out, self.rows);
        put_varint(&mut out, self.times.len() as u64);
        let (mut before, mut step) = (0_i64, 0_i64);
        for time in &self.times {
            let next = time.0.wrapping_sub(before);
            put_zigzag(&mut out, next.wrapping_sub(step));
            (before, step) = (time.0, next);
        }
        out
    }

    fn decode(key_s: u32, bytes: &[u8]) -> Result<Self, Damaged> {
        let mut reader = Reader::new(bytes);
        let rows = read_span(&mut reader)?;
        let n = reader.count()?;
        let mut times = Vec::with_capacity(n);
        let (mut before, mut step) = (0_i64, 0_i64);
        for _ in 0..n {
            step = step.wrapping_add(reader.zigzag()?);
            before = before.wrapping_add(step);
            times.push(UnixMillis(before));
        }
        if times.is_empty() || times.len() > super::config::CHUNK_SAMPLES_MAX || !times.is_sorted() {
            return Err(Damaged("times of a window"));
        }
        reader.end()?;
        Ok(WindowHead { key_s, times, rows })
    }
}

/// Appends which WAL records something covers.
pub fn put_span(out: &mut Vec<u8>, span: Span) {
    put_varint(out, span.generation.into());
    put_varint(out, span.first);
    put_varint(out, span.last.wrapping_sub(span.first));
}

/// Reads what [`put_span`] wrote.
pub fn read_span(reader: &mut Reader<'_>) -> Result<Span, Damaged> {
    let generation = u32::try_from(reader.varint()?).map_err(|_| Damaged("generation"))?;
    let first = reader.varint()?;
    Ok(Span { generation, first, last: first.wrapping_add(reader.varint()?) })
}

fn chunk_key(key_s: u32, series: u32) -> [u8; 9] {
    let mut key = [CHUNK; 9];
    key[1..5].copy_from_slice(&key_s.to_be_bytes());
    key[5..].copy_from_slice(&series.to_be_bytes());
    key
}

fn short_key(table: u8, number: u32) -> [u8; 5] {
    let mut key = [table; 5];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

/// A metrics partition as a reader sees it; a clone shares the handle.
#[derive(Clone)]
pub struct MetricPart {
    db: Arc<MetricDb>,
    /// The windows, in the order of their keys.
    pub windows: Vec<Arc<WindowHead>>,
    /// The series; the place is the id.
    pub series: Vec<Labels>,
}

impl MetricPart {
    /// Opens a partition and reads everything but the chunks.
    pub fn open(partition: &Partition) -> Result<Self, PartitionError> {
        Self::load(partition, Arc::new(Db::open(&partition.db_path(), ZSTD_LEVEL)?))
    }

    /// Reads everything but the chunks through a handle that is open already.
    pub fn load(partition: &Partition, db: Arc<MetricDb>) -> Result<Self, PartitionError> {
        let mut res = MetricPart { db: db.clone(), windows: Vec::new(), series: Vec::new() };
        let damaged = |damage| PartitionError::Damaged { path: partition.path.clone(), damage };
        db.scan(&[SERIES], |key, value| {
            if key != short_key(SERIES, res.series.len() as u32) {
                return Err(damaged(Damaged("series ids are not consecutive")));
            }
            res.series.push(Reader::new(value).labels().map_err(damaged)?);
            Ok(())
        })?;
        db.scan(&[WINDOW], |key, value| {
            let key = key[1..].try_into().map_err(|_| damaged(Damaged("key of a window")))?;
            let window = WindowHead::decode(u32::from_be_bytes(key), value).map_err(damaged)?;
            res.windows.push(Arc::new(window));
            Ok::<_, PartitionError>(())
        })?;
        Ok(res)
    }

    /// Returns the encoded values of a series in a window, none when it has none there.
    pub fn chunk(&self, window: &WindowHead, series: u32) -> Result<Option<Vec<u8>>, PartitionError> {
        self.db.get(&chunk_key(window.key_s, series))
    }

    /// Returns the handle, which must be reused while anyone holds it: sled locks the directory.
    pub fn db(&self) -> &Arc<MetricDb> {
        &self.db
    }

    /// Makes the summary of a partition whose writer did not come to write it.
    pub fn summarise(&self) -> Result<Summary, PartitionError> {
        let mut summary = Summary::default();
        for window in &self.windows {
            summary.add(window.range(), window.rows.generation, window.rows.last);
        }
        self.db.scan(&[CHUNK], |key, value| {
            summary.n_records += 1;
            summary.payload_bytes += (key.len() + value.len()) as u64;
            Ok::<_, PartitionError>(())
        })?;
        Ok(summary)
    }
}

/// The one write handle of the metrics root.
pub struct MetricWriter {
    /// The directory.
    pub partition: Arc<Partition>,
    /// What readers get a clone of after each flush.
    pub part: MetricPart,
    ids: HashMap<Labels, u32>,
}

impl MetricWriter {
    /// Begins to write an empty partition.
    pub fn new(partition: Arc<Partition>) -> Result<Self, PartitionError> {
        let part = MetricPart::open(&partition)?;
        Ok(MetricWriter { partition, part, ids: HashMap::new() })
    }

    /// Writes a window; it is durable after the next flush.
    pub fn add(&mut self, window: &Window) -> Result<(), PartitionError> {
        let mut summary = self.partition.summary();
        let times = window.sorted_times();
        let head = WindowHead { key_s: self.free_key(&times), times, rows: window.rows };
        for (labels, values) in window.chunks() {
            let id = self.series_id(labels, &mut summary)?;
            let value = chunk::encode(&values, head.times.len());
            let key = chunk_key(head.key_s, id);
            summary.n_records += 1;
            summary.payload_bytes += (key.len() + value.len()) as u64;
            self.part.db.insert(&key, value)?;
        }
        // Last, so that a window that is visible has its chunks; the flush makes both durable at once.
        self.part.db.insert(&short_key(WINDOW, head.key_s), head.encode())?;
        summary.add(head.range(), head.rows.generation, head.rows.last);
        self.partition.set_summary(summary);
        let place = self.part.windows.partition_point(|known| known.key_s < head.key_s);
        self.part.windows.insert(place, Arc::new(head));
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

    fn series_id(&mut self, labels: &Labels, summary: &mut Summary) -> Result<u32, PartitionError> {
        if let Some(id) = self.ids.get(labels) {
            return Ok(*id);
        }
        let id = self.part.series.len() as u32;
        let mut value = Vec::new();
        put_labels(&mut value, labels);
        summary.payload_bytes += value.len() as u64;
        self.part.db.insert(&short_key(SERIES, id), value)?;
        self.part.series.push(labels.clone());
        self.ids.insert(labels.clone(), id);
        Ok(id)
    }

    // Two windows of one partition may begin in one second when the clock was set back.
    fn free_key(&self, times: &[UnixMillis]) -> u32 {
        let first_ms = times.first().map_or(0, |time| time.0);
        let mut key_s = u32::try_from(first_ms.div_euclid(1000)).unwrap_or(0);
        while self.part.windows.iter().any(|known| known.key_s == key_s) {
            key_s = key_s.wrapping_add(1);
        }
        key_s
    }
}
