//! Lines on their way to the writer: columns by stream, so that what waits takes no more
//! memory than its bytes, and nothing of it is freed piece by piece on another thread.

use std::collections::HashMap;

use super::block::Block;
use crate::record::access::cut;
use crate::record::{Labels, LogRecord};
use crate::store::config::{LINE_MAX_BYTES, LINE_METADATA_MAX_BYTES, LINE_PAIRS_MAX};

/// Lines of some streams; each line's number is its place in the batch, from one on.
#[derive(Debug, Default)]
pub struct Batch {
    /// The lines by stream.
    pub streams: Vec<StreamLines>,
    /// How many lines there are.
    pub n_lines: u64,
}

/// Lines of one stream.
#[derive(Debug)]
pub struct StreamLines {
    /// The stream.
    pub stream: Labels,
    /// The lines.
    pub lines: Block,
    /// How many of them were cut.
    pub n_cut: u64,
}

impl Batch {
    /// Takes records over, cutting text and metadata that are too long.
    pub fn new(records: Vec<LogRecord>, body_max_bytes: usize) -> Batch {
        let mut res = Batch::default();
        let mut places: HashMap<Labels, usize> = HashMap::new();
        for record in records {
            let (record, is_cut) = bounded(record, body_max_bytes);
            let place = *places.entry(record.stream).or_insert_with_key(|stream| {
                res.streams.push(StreamLines { stream: stream.clone(), lines: Block::default(), n_cut: 0 });
                res.streams.len() - 1
            });
            res.n_lines += 1;
            let StreamLines { lines, n_cut, .. } = &mut res.streams[place];
            *n_cut += u64::from(is_cut);
            lines.push(record.at, res.n_lines, record.severity, &record.body, &record.metadata);
        }
        res
    }

    /// Returns about how much memory the lines take.
    pub fn size_bytes(&self) -> usize {
        self.streams.iter().map(|of| of.lines.size_bytes()).sum()
    }
}

fn bounded(mut record: LogRecord, body_max_bytes: usize) -> (LogRecord, bool) {
    let (n_pairs, n_bytes) = (record.metadata.len(), record.body.len());
    let mut left = LINE_METADATA_MAX_BYTES;
    record.metadata.retain(|(name, value)| {
        let fits = name.len() + value.len() <= left;
        left -= if fits { name.len() + value.len() } else { 0 };
        fits
    });
    record.metadata.truncate(LINE_PAIRS_MAX);
    record.body.truncate(cut(&record.body, body_max_bytes.min(LINE_MAX_BYTES)).len());
    let is_cut = record.metadata.len() < n_pairs || record.body.len() < n_bytes;
    (record, is_cut)
}
