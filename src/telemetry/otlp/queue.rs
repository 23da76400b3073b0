//! Records that wait to be exported, bounded by their size.

use std::collections::VecDeque;
use std::sync::Mutex;

use crate::record::{LogRecord, Span};

/// Bytes that may wait: at 1,000 lines a second about ten seconds of a far end away, at
/// a quiet site's pace hours. Beyond it the newest are dropped.
pub(super) const QUEUE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Records in one request.
pub(super) const BATCH_RECORDS: usize = 1_000;

/// Bytes in one request, as they wait; a record larger than this goes alone.
const BATCH_BYTES_MAX: usize = 512 * 1024;

/// What a record costs besides its text: the struct, its vectors, the allocator.
const RECORD_OVERHEAD_BYTES: usize = 256;

/// What can wait.
pub(super) trait Queued: Clone + Send + 'static {
    /// Returns about how many bytes it takes.
    fn size_bytes(&self) -> usize;
}

impl Queued for LogRecord {
    fn size_bytes(&self) -> usize {
        let metadata = self.metadata.iter().map(|(name, value)| name.len() + value.len() + 48);
        self.body.len() + metadata.sum::<usize>() + RECORD_OVERHEAD_BYTES
    }
}

impl Queued for Span {
    fn size_bytes(&self) -> usize {
        Span::size_bytes(self)
    }
}

struct Waiting<T> {
    /// False while export is off: then nothing is kept, whoever comes late with it.
    is_open: bool,
    records: VecDeque<T>,
    size_bytes: usize,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Waiting { is_open: false, records: VecDeque::new(), size_bytes: 0 }
    }
}

/// The queue between the writer of records and the export thread; closed at first.
pub(super) struct Queue<T> {
    /// Held to move records in or out; never while encoding or sending.
    waiting: Mutex<Waiting<T>>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Queue { waiting: Mutex::default() }
    }
}

impl<T: Queued> Queue<T> {
    /// Adds copies of the records while there is room. Returns how many there was none
    /// for, and whether a batch is complete.
    pub(super) fn push(&self, records: &[T]) -> (u64, bool) {
        let mut waiting = self.waiting.lock().expect("no panic while the queue is held");
        if !waiting.is_open {
            return (records.len() as u64, false);
        }
        let mut n_dropped = 0;
        for record in records {
            let size_bytes = record.size_bytes();
            if waiting.size_bytes + size_bytes > QUEUE_BYTES_MAX {
                n_dropped += 1;
                continue;
            }
            waiting.size_bytes += size_bytes;
            waiting.records.push_back(record.clone());
        }
        (n_dropped, waiting.records.len() >= BATCH_RECORDS)
    }

    /// Takes the oldest records, one request's worth.
    pub(super) fn take(&self) -> Vec<T> {
        let mut waiting = self.waiting.lock().expect("no panic while the queue is held");
        let (mut n_records, mut size_bytes) = (0, 0);
        for record in waiting.records.iter().take(BATCH_RECORDS) {
            let next = record.size_bytes();
            if n_records > 0 && size_bytes + next > BATCH_BYTES_MAX {
                break;
            }
            n_records += 1;
            size_bytes += next;
        }
        waiting.size_bytes -= size_bytes;
        waiting.records.drain(..n_records).collect()
    }

    /// Puts a batch that was not sent back to the front; the room it had may be taken, so
    /// the queue can hold one batch more than its bound. Returns how many were dropped,
    /// all of them when the queue was closed in the meantime.
    pub(super) fn give_back(&self, batch: Vec<T>) -> u64 {
        let mut waiting = self.waiting.lock().expect("no panic while the queue is held");
        if !waiting.is_open {
            return batch.len() as u64;
        }
        for record in batch.into_iter().rev() {
            waiting.size_bytes += record.size_bytes();
            waiting.records.push_front(record);
        }
        0
    }

    /// Takes records from now on.
    pub(super) fn open(&self) {
        self.waiting.lock().expect("no panic while the queue is held").is_open = true;
    }

    /// Forgets all records, returns how many there were, and takes no more.
    pub(super) fn close(&self) -> u64 {
        let mut waiting = self.waiting.lock().expect("no panic while the queue is held");
        let waiting = std::mem::take(&mut *waiting);
        waiting.records.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixNanos;
    use crate::record::Severity;
    use crate::record::access::{JOB_APP, own_stream};

    fn record(body: String) -> LogRecord {
        let stream = own_stream(JOB_APP, Severity::Info);
        LogRecord { at: UnixNanos(1), severity: Severity::Info, stream, metadata: vec![], body }
    }

    fn open_queue() -> Queue<LogRecord> {
        let queue = Queue::default();
        queue.open();
        queue
    }

    #[test]
    fn closed_queue_keeps_nothing_that_comes_late() {
        let queue = open_queue();
        queue.push(&[record("in hand".into()), record("waiting".into())]);
        let batch = queue.take();
        assert_eq!((batch.len(), queue.close()), (2, 0));
        assert_eq!(queue.give_back(batch), 2);
        assert_eq!(queue.push(&[record("late".into())]), (1, false));
        queue.open();
        assert!(queue.take().is_empty());
    }

    #[test]
    fn full_queue_keeps_the_oldest_and_counts_the_rest() {
        let queue = open_queue();
        let records: Vec<LogRecord> =
            (0..10).map(|n| record(format!("{n}{}", "x".repeat(1 << 20)))).collect();
        let (n_dropped, _) = queue.push(&records);
        assert_eq!(n_dropped, 7);
        // Each is larger than a batch may be, so each goes alone.
        assert!(queue.take()[0].body.starts_with('0'));
        assert_eq!(queue.close(), 2);
        queue.open();
        assert_eq!(queue.push(&records[..1]).0, 0);
    }

    #[test]
    fn batches_are_bounded_and_come_back_in_order() {
        let queue = open_queue();
        let records: Vec<LogRecord> = (0..1_500).map(|n| record(n.to_string())).collect();
        assert_eq!(queue.push(&records), (0, true));
        let batch = queue.take();
        assert_eq!(batch.len(), BATCH_RECORDS);
        assert_eq!(queue.give_back(batch), 0);
        let again = queue.take();
        assert_eq!((again[0].body.as_str(), again.len()), ("0", BATCH_RECORDS));
        assert_eq!(queue.take().len(), 500);
        assert!(queue.take().is_empty());
    }
}
