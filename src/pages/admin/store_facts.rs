//! What the store, the exporters and the queues between them say of themselves.

use std::time::Duration;

use crate::clock::UnixNanos;

/// All of it at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoreFacts {
    /// The folder, as it is named on this machine.
    pub dir: String,
    /// What is kept, kind by kind.
    pub kinds: Vec<KindFacts>,
    /// Series that are written.
    pub n_series: u64,
    /// How many may be.
    pub n_series_max: u64,
    /// Log streams that are written.
    pub n_streams: u64,
    /// How many may be.
    pub n_streams_max: u64,
    /// Bytes of what is accepted and not yet sealed.
    pub wal_bytes: u64,
    /// Damaged or foreign things that were moved out of the way.
    pub set_aside: Vec<AsideFacts>,
    /// The last flush; none before the first.
    pub flush: Option<FlushFacts>,
    /// What is wrong with the disk, if anything is.
    pub degraded: Option<String>,
    /// Free bytes on its disk, where that can be known.
    pub free_bytes: Option<u64>,
    /// Below so many free bytes the oldest history goes.
    pub reserve_bytes: u64,
    /// Queues of records on their way.
    pub rings: Vec<RingFacts>,
    /// Where signals are sent.
    pub exports: Vec<ExportFacts>,
    /// Threads for what would stop a page.
    pub lanes: Vec<LaneFacts>,
}

/// The kinds of history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HistoryKind {
    /// Samples as they came.
    #[default]
    Samples,
    /// Roll-ups of one minute.
    Minutes,
    /// Roll-ups of one hour.
    Hours,
    /// Log lines.
    Lines,
    /// Spans.
    Spans,
}

/// One kind of history on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindFacts {
    /// Which.
    pub kind: HistoryKind,
    /// Bytes on disk.
    pub size_bytes: u64,
    /// Bytes that it may take.
    pub size_max_bytes: u64,
    /// Room that is kept below that for the partition being written.
    pub room_bytes: u64,
    /// The age at which it goes.
    pub max_age: Duration,
    /// Records on disk.
    pub n_records: u64,
    /// The earliest time on disk.
    pub oldest: Option<UnixNanos>,
    /// The files it lies in, the oldest first.
    pub partitions: Vec<PartitionFacts>,
}

/// A file of history, which goes as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionFacts {
    /// The name of its directory.
    pub name: String,
    /// The earliest and the latest time inside; none while it is empty.
    pub range: Option<(UnixNanos, UnixNanos)>,
    /// Records inside.
    pub n_records: u64,
    /// Bytes on disk.
    pub size_bytes: u64,
    /// Whether it is still written.
    pub is_open: bool,
    /// Whether it cannot be read.
    pub is_unreadable: bool,
}

/// Something that was moved out of the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AsideFacts {
    /// Its name in the folder `set-aside`.
    pub name: String,
    /// Bytes on disk.
    pub size_bytes: u64,
    /// It is ours and could not be read; else it is somebody's.
    pub is_damaged: bool,
}

/// How the disk takes what is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlushFacts {
    /// When it ended.
    pub at: UnixNanos,
    /// How long ago that was.
    pub age: Duration,
    /// How long it took.
    pub took: Duration,
}

/// A queue of records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RingFacts {
    /// What is in it.
    pub kind: RingKind,
    /// What waits: records, or bytes.
    pub fill: u64,
    /// How much may wait.
    pub capacity: u64,
    /// Records that found no room since the start.
    pub n_dropped: u64,
}

/// The queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RingKind {
    /// Requests on their way to the log.
    #[default]
    Requests,
    /// Spans of requests.
    Spans,
    /// Lines of the program itself.
    Lines,
    /// Everything on its way to the store, in bytes.
    Store,
}

/// How one signal is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportFacts {
    /// `metrics`, `logs` or `traces`.
    pub signal: String,
    /// Where to; none when it stays here.
    pub endpoint: Option<String>,
    /// Whether the last attempt arrived; none before the first.
    pub is_up: Option<bool>,
    /// Attempts that arrived.
    pub n_sent: u64,
    /// Attempts that failed.
    pub n_failed: u64,
    /// Records that will never arrive.
    pub n_dropped: u64,
    /// When one last arrived.
    pub last_success: Option<UnixNanos>,
    /// When one last failed, and why.
    pub last_error: Option<(UnixNanos, String)>,
}

/// How a lane does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaneFacts {
    /// `blocking` or `heavy`.
    pub name: String,
    /// Jobs that run.
    pub n_running: u64,
    /// Jobs that wait.
    pub n_waiting: u64,
    /// Jobs that were answered.
    pub n_done: u64,
    /// Jobs that found no place.
    pub n_refused: u64,
    /// Jobs that panicked.
    pub n_panicked: u64,
    /// Jobs whose caller went away.
    pub n_cancelled: u64,
}
