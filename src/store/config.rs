//! What an operator may set, and the bounds that nobody should need to.

use std::time::Duration;

/// Bounds of one signal on disk; whichever is reached first drops the oldest partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Data older than this is dropped, a whole partition at a time.
    pub max_age: Duration,
    /// Allocated disk blocks stay below this, the open partition included.
    pub max_bytes: u64,
}

/// The settings of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How much history of metrics is kept.
    pub metrics: Retention,
    /// How much history of logs is kept.
    pub logs: Retention,
    /// Payload after which a partition is sealed. It bounds memory, because sled keeps
    /// what it wrote until the partition is closed.
    pub partition_bytes: u64,
    /// Free disk space below which the oldest partitions go and then writes are refused.
    pub reserve_bytes: u64,
    /// Series in the open chunks; the points of further series are refused and counted.
    pub series_max: usize,
    /// Streams with an open block; the lines of further streams are refused and counted.
    pub streams_max: usize,
    /// A longer log line is cut.
    pub line_max_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            // A month of ten-second scrapes of 500 series is about 70 MB, so age is what
            // ends metrics, and the cap is for a machine with ten thousand series.
            metrics: Retention { max_age: 30 * DAY, max_bytes: 1 << 30 },
            // Two of the ten gigabytes of a small rented server.
            logs: Retention { max_age: 30 * DAY, max_bytes: 2 << 30 },
            partition_bytes: 16 << 20,
            reserve_bytes: 64 << 20,
            series_max: 20_000,
            streams_max: 1_000,
            line_max_bytes: 256 << 10,
        }
    }
}

impl Config {
    /// Returns the payload at which a partition of a signal is sealed: a quarter of its
    /// cap at most, so that dropping one never drops most of the history.
    pub(super) fn roll_bytes(&self, retention: &Retention) -> u64 {
        self.partition_bytes.min(retention.max_bytes / 4).max(PARTITION_MIN_BYTES)
    }
}

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A partition costs 83 files; below this payload they would outweigh the data.
const PARTITION_MIN_BYTES: u64 = 64 << 10;

/// Samples per chunk: enough for the decimal codec, and a bit mask fits 128 bits.
pub(super) const CHUNK_SAMPLES_MAX: usize = 120;

/// A chunk that fills slowly is sealed after this, so that its WAL can go.
pub(super) const CHUNK_AGE_MAX: Duration = Duration::from_secs(3600);

/// Raw bytes per log block: larger ones compress little better and cost more to read.
pub(super) const BLOCK_MAX_BYTES: usize = 128 << 10;

/// A block that fills slowly is sealed after this, so that its WAL can go.
pub(super) const BLOCK_AGE_MAX: Duration = Duration::from_secs(600);

/// Raw bytes in all open blocks; above it the largest are sealed early. It also bounds
/// what a merged read holds, since at most this much overlaps in time.
pub(super) const OPEN_BLOCKS_MAX_BYTES: usize = 16 << 20;

/// Raw bytes of full blocks that wait for the disk; above it lines are refused.
pub(super) const BACKLOG_MAX_BYTES: usize = 32 << 20;

/// Full windows that wait for the disk; above it scrapes are refused.
pub(super) const BACKLOG_MAX_WINDOWS: usize = 2;

/// Time from the start of one flush to the start of the next: with the time that a flush
/// takes it is what a crash can lose.
pub(super) const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// A flush slower than the interval leaves this much for taking what waits in the queue.
pub(super) const FLUSH_PAUSE_MIN: Duration = Duration::from_millis(100);

/// A data partition is sealed at this age even when small, so that age ends it exactly.
pub(super) const PARTITION_AGE_MAX: Duration = DAY;

/// A WAL partition is rolled at this payload: it is what its sled handle keeps in memory.
pub(super) const WAL_MAX_BYTES: u64 = 8 << 20;

/// A WAL partition is rolled at this age, so that it holds few records already sealed.
pub(super) const WAL_AGE_MAX: Duration = Duration::from_secs(600);

/// Messages that wait for the writer: seconds of bursts of batches, small when empty.
pub(super) const QUEUE_MAX_MESSAGES: usize = 4_096;

/// Bytes in all messages that wait for the writer.
pub(super) const QUEUE_MAX_BYTES: usize = 16 << 20;

/// Timestamps further ahead of the clock are refused: no clock skew is that large.
pub(super) const FUTURE_MAX: Duration = Duration::from_secs(600);

/// A partition must be too old for this long by the monotonic clock before it goes, so
/// that a wall clock that jumps ahead for a moment does not end the history.
pub(super) const EXPIRY_GRACE: Duration = Duration::from_secs(600);

/// Bytes of all labels of one series or stream, names included.
pub(super) const LABELS_MAX_BYTES: usize = 8 << 10;

/// Bytes of all structured metadata of one line; what is beyond is left out.
pub(super) const LINE_METADATA_MAX_BYTES: usize = 64 << 10;

/// Metrics whose kind, unit and help are remembered.
pub(super) const METADATA_MAX: usize = 10_000;
