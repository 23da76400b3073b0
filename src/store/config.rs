//! What an operator may set, and the bounds that nobody should need to.

use std::time::Duration;

use super::disk::partition::Kind;

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
    /// How long samples are kept as they came, and the bytes of those and of both roll-ups
    /// together.
    pub metrics: Retention,
    /// How long roll-ups of one minute are kept.
    pub minutes_max_age: Duration,
    /// How long roll-ups of one hour are kept.
    pub hours_max_age: Duration,
    /// A block of time is rolled up this long after its end, and made again when samples of it
    /// come later; those that are older than this and than `metrics.max_age` are refused.
    pub out_of_order: Duration,
    /// How much history of logs is kept.
    pub logs: Retention,
    /// How much history of spans is kept.
    pub spans: Retention,
    /// Bytes after which a partition is sealed and the next begun.
    pub partition_bytes: u64,
    /// Free disk space below which the oldest partitions go and then writes are refused.
    pub reserve_bytes: u64,
    /// Series in the open chunks; the points of further series are refused and counted.
    pub series_max: usize,
    /// Streams with an open block; the lines of further streams are refused and counted.
    pub streams_max: usize,
    /// A longer log line is cut; 256 KiB at most.
    pub line_max_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            // A week of ten-second scrapes of 500 series is about 20 MB, five weeks of
            // minutes 60 MB, a year of hours 15 MB; so age is what ends metrics, and the cap
            // is for a machine with ten thousand series.
            metrics: Retention { max_age: 7 * DAY, max_bytes: 1 << 30 },
            minutes_max_age: 35 * DAY,
            hours_max_age: 400 * DAY,
            // What comes within an hour costs nothing; a sender that was cut off for longer
            // makes work twice.
            out_of_order: HOUR,
            // Two of the ten gigabytes of a small rented server.
            logs: Retention { max_age: 30 * DAY, max_bytes: 2 << 30 },
            spans: Retention { max_age: DAY, max_bytes: 64 << 20 },
            partition_bytes: 32 << 20,
            reserve_bytes: 64 << 20,
            series_max: 20_000,
            streams_max: 1_000,
            line_max_bytes: LINE_MAX_BYTES,
        }
    }
}

impl Config {
    /// Returns the bounds of one kind of history. The bytes of metrics are parted in fixed
    /// shares, so that no tier can push out another: half for raw data, three eighths for
    /// minutes, one eighth for hours.
    pub(super) fn retention(&self, kind: Kind) -> Retention {
        let share = |eighths: u64, max_age| {
            let max_bytes = self.metrics.max_bytes / 8 * eighths;
            Retention { max_age, max_bytes }
        };
        match kind {
            Kind::Metrics => share(4, self.metrics.max_age),
            Kind::Minutes => share(3, self.minutes_max_age),
            Kind::Hours => share(1, self.hours_max_age),
            Kind::Logs => self.logs.clone(),
            // The WAL is bounded by what waits to be sealed, not by age.
            Kind::Spans | Kind::Wal => self.spans.clone(),
        }
    }

    /// Returns how long after its time a sample is taken: as long as there are samples of
    /// that time.
    pub(super) fn late_max(&self) -> Duration {
        self.metrics.max_age.max(self.out_of_order)
    }

    /// Returns the bytes at which a partition of a kind is sealed: a quarter of its cap at
    /// most, so that dropping one never drops most of the history.
    pub(super) fn roll_bytes(&self, kind: Kind) -> u64 {
        self.partition_bytes.min(self.retention(kind).max_bytes / 4).max(PARTITION_MIN_BYTES)
    }

    /// Returns the age at which a partition of a kind is sealed even when it is small: what is
    /// in it stays that much longer than the age limit says.
    pub(super) fn roll_age(&self, kind: Kind) -> Duration {
        (self.retention(kind).max_age / 8).max(HOUR)
    }
}

const HOUR: Duration = Duration::from_secs(3600);

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A partition costs 83 files; below this payload they would outweigh the data.
const PARTITION_MIN_BYTES: u64 = 64 << 10;

/// A partition that names so many times the series or streams that may be open at once is
/// sealed: what names them is in memory while it is written.
pub(super) const NAMED_FACTOR: usize = 2;

/// Samples per chunk: enough for the decimal codec, and a bit mask fits 128 bits.
pub(super) const CHUNK_SAMPLES_MAX: usize = 120;

/// A chunk that fills slowly is sealed after this, so that its WAL can go.
pub(super) const CHUNK_AGE_MAX: Duration = Duration::from_secs(3600);

/// Raw bytes per log block: twice as much saves a tenth of the disk, and costs twice the
/// memory for each stream.
pub(super) const BLOCK_MAX_BYTES: usize = 256 << 10;

/// Raw bytes per block of spans, of which mostly one trace is wanted.
pub(super) const SPAN_BLOCK_MAX_BYTES: usize = 128 << 10;

/// A block that fills slowly is sealed after this, so that its WAL can go.
pub(super) const BLOCK_AGE_MAX: Duration = Duration::from_secs(3600);

/// Full blocks wait so long for others, or until they have [`SEAL_MIN_BYTES`], because each
/// write to a partition ends a page early and costs a flush. They are in the WAL meanwhile.
pub(super) const SEAL_INTERVAL: Duration = Duration::from_secs(10);

/// Raw bytes of full blocks that are written without waiting for more.
pub(super) const SEAL_MIN_BYTES: usize = 1 << 20;

/// Raw bytes in all open blocks; above it the largest are sealed early. It also bounds
/// what a merged read holds, since at most this much overlaps in time.
pub(super) const OPEN_BLOCKS_MAX_BYTES: usize = 16 << 20;

/// Raw bytes of full blocks that wait for the disk; above it lines are refused.
pub(super) const BACKLOG_MAX_BYTES: usize = 32 << 20;

/// Values in full windows that wait for the disk; above it scrapes are refused. Twice the
/// series that may be open at once, with the times of a window each.
pub(super) const BACKLOG_MAX_VALUES: usize = 2 * 20_000 * CHUNK_SAMPLES_MAX;

/// Time from the start of one flush to the start of the next: with the time that a flush
/// takes it is what a crash can lose.
pub(super) const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// A flush slower than the interval leaves this much for taking what waits in the queue.
pub(super) const FLUSH_PAUSE_MIN: Duration = Duration::from_millis(100);

/// A WAL partition is rolled at this payload: it is what its sled handle keeps in memory.
pub(super) const WAL_MAX_BYTES: u64 = 4 << 20;

/// A WAL partition is rolled at this age, so that it holds few records already sealed.
pub(super) const WAL_AGE_MAX: Duration = Duration::from_secs(1800);

/// WAL partitions that wait for their last records to be sealed; above it those records are
/// sealed early, so that one slow stream does not keep the log of all others.
pub(super) const WAL_OLD_MAX: usize = 4;

/// Bytes of what is damaged and set aside, but for the last; above it the oldest goes.
pub(super) const SET_ASIDE_MAX_BYTES: u64 = 256 << 20;

/// Messages that wait for the writer: seconds of bursts of batches, small when empty.
pub(super) const QUEUE_MAX_MESSAGES: usize = 4_096;

/// Bytes in all messages that wait for the writer.
pub(super) const QUEUE_MAX_BYTES: usize = 16 << 20;

/// A partition must be too old for this long by the monotonic clock before it goes, so
/// that a wall clock that jumps ahead for a moment does not end the history.
pub(super) const EXPIRY_GRACE: Duration = Duration::from_secs(600);

/// Bytes of the text of one line, whatever is configured: a block has room for one more of them.
pub(super) const LINE_MAX_BYTES: usize = 256 << 10;

/// Bytes of all structured metadata of one line; what is beyond is left out.
pub(super) const LINE_METADATA_MAX_BYTES: usize = 64 << 10;

/// Pairs of structured metadata of one line, since even empty ones take their place.
pub(super) const LINE_PAIRS_MAX: usize = 1_024;

/// Metrics whose kind, unit and help are remembered.
pub(super) const METADATA_MAX: usize = 10_000;
