//! The records of one round, from all sources.

use super::bounds::{ROUND_BYTES, ROUND_RECORDS};
use super::counts::From;
use super::format::Context;
use crate::record::LogRecord;

/// Records on their way to the store.
pub struct Batch {
    /// What is the same for all of them.
    pub context: Context,
    records: Vec<LogRecord>,
    n_bytes: usize,
    n_of: [usize; 2],
}

impl Batch {
    /// Makes an empty one.
    pub fn new(context: Context) -> Batch {
        Batch { context, records: Vec::new(), n_bytes: 0, n_of: [0; 2] }
    }

    /// Adds a record.
    pub fn push(&mut self, record: LogRecord, from: From) {
        self.records.push(record);
        self.n_of[from as usize] += 1;
    }

    /// Counts bytes that were read for it.
    pub fn read(&mut self, n_bytes: usize) {
        self.n_bytes += n_bytes;
    }

    /// Returns how many bytes and records it has room for; nothing of both when one is used up.
    pub fn room(&self) -> (usize, usize) {
        let bytes = ROUND_BYTES.saturating_sub(self.n_bytes);
        let records = ROUND_RECORDS.saturating_sub(self.records.len());
        if bytes == 0 || records == 0 { (0, 0) } else { (bytes, records) }
    }

    /// Returns how many records it has of an origin.
    pub fn n_of(&self, from: From) -> usize {
        self.n_of[from as usize]
    }

    /// Returns true when it has no record.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Takes the records out.
    pub fn into_records(self) -> Vec<LogRecord> {
        self.records
    }
}
