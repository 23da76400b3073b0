//! What the store says about itself: counters, a snapshot for pages, instruments.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, Meter};

use super::disk::aside;
use super::disk::partition::Kind;
use super::state::Shared;
use crate::clock::{UnixMillis, UnixNanos};
use crate::record::names::{self, Instrument, keys};

/// Why samples or lines were not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// The queue to the writer was full.
    QueueFull,
    /// Free disk space is below the reserve.
    DiskFull,
    /// Full chunks or blocks wait for a disk that does not take them.
    Backlog,
    /// It would be one series or stream too many.
    Limit,
    /// The series has a value at that time already.
    Duplicate,
    /// The time is before 1970 or too far ahead.
    Time,
    /// It came later than the window for late samples, or the retention, allows.
    Late,
    /// A label has no name, or the labels are too long.
    Labels,
    /// The store is closed.
    Closed,
    /// The disk failed so often that only a restart helps.
    Failed,
}

impl DropReason {
    /// Every reason, in the order of the counters.
    pub const ALL: [DropReason; 10] = [
        DropReason::QueueFull,
        DropReason::DiskFull,
        DropReason::Backlog,
        DropReason::Limit,
        DropReason::Duplicate,
        DropReason::Time,
        DropReason::Late,
        DropReason::Labels,
        DropReason::Closed,
        DropReason::Failed,
    ];

    /// Returns the value of the `reason` label.
    pub fn as_str(self) -> &'static str {
        match self {
            DropReason::QueueFull => "queue_full",
            DropReason::DiskFull => "disk_full",
            DropReason::Backlog => "backlog",
            DropReason::Limit => "limit",
            DropReason::Duplicate => "duplicate",
            DropReason::Time => "time",
            DropReason::Late => "late",
            DropReason::Labels => "labels",
            DropReason::Closed => "closed",
            DropReason::Failed => "failed",
        }
    }
}

/// Numbers that only rise, and the last word on flushing.
#[derive(Default)]
pub struct Counters {
    /// Samples accepted.
    pub samples: AtomicU64,
    /// Lines accepted.
    pub lines: AtomicU64,
    /// Lines of which text or metadata was cut.
    pub lines_cut: AtomicU64,
    /// Spans accepted.
    pub spans: AtomicU64,
    /// Spans of which something was cut.
    pub spans_cut: AtomicU64,
    /// Allocated blocks of the WAL, as last measured.
    pub wal_bytes: AtomicU64,
    /// Allocated blocks of what was set aside, as last measured.
    pub set_aside_bytes: AtomicU64,
    dropped: [[AtomicU64; DropReason::ALL.len()]; Kind::ALL.len()],
    health: Mutex<Health>,
}

#[derive(Clone, Default)]
struct Health {
    last_flush: Option<(UnixNanos, Duration, Duration)>,
    degraded: Option<String>,
}

impl Counters {
    /// Counts records that were not kept.
    pub fn drop_records(&self, kind: Kind, reason: DropReason, n: u64) {
        self.dropped[kind as usize][reason as usize].fetch_add(n, Ordering::Relaxed);
    }

    /// Notes a flush that succeeded: when, when by the monotonic clock, how long it took.
    pub fn flushed(&self, at: UnixNanos, elapsed: Duration, took: Duration) {
        self.health().last_flush = Some((at, elapsed, took));
    }

    /// Notes what is wrong, or that nothing is; returns true when that is news.
    pub fn set_degraded(&self, reason: Option<String>) -> bool {
        let mut health = self.health();
        let is_news = health.degraded != reason;
        health.degraded = reason;
        is_news
    }

    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dropped(&self, kind: Kind) -> Vec<(DropReason, u64)> {
        let counters = self.dropped[kind as usize].iter().map(|counter| counter.load(Ordering::Relaxed));
        DropReason::ALL.into_iter().zip(counters).collect()
    }
}

/// One kind of history on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindStats {
    /// Allocated disk blocks.
    pub size_bytes: u64,
    /// Most that it may take.
    pub size_max_bytes: u64,
    /// Room that is kept below that for the partition that is written.
    pub room_bytes: u64,
    /// The age at which dropping begins.
    pub max_age: Duration,
    /// Partitions, the open one included.
    pub n_partitions: usize,
    /// Partitions that could not be read or written and are left out of reads.
    pub n_unreadable: usize,
    /// Samples, steps of roll-ups, lines or spans on disk.
    pub n_records: u64,
    /// The earliest time on disk.
    pub oldest: Option<UnixMillis>,
    /// Records that were not kept, by reason; reasons that never occurred have 0.
    pub dropped: Vec<(DropReason, u64)>,
}

impl KindStats {
    /// Returns how many records were not kept for a reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped.iter().filter(|(known, _)| *known == reason).map(|(_, n)| n).sum()
    }
}

/// One partition on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionStats {
    /// What it holds.
    pub kind: Kind,
    /// The name of its directory.
    pub name: String,
    /// The earliest and the latest time inside.
    pub range: Option<(UnixMillis, UnixMillis)>,
    /// Samples, steps of roll-ups, lines or spans.
    pub n_records: u64,
    /// Allocated disk blocks, as last measured.
    pub size_bytes: u64,
    /// Whether it is still written.
    pub is_open: bool,
    /// Whether reads leave it out because of a fault.
    pub is_unreadable: bool,
}

/// Something that was moved to `set-aside`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAsideStats {
    /// Its name there.
    pub name: String,
    /// Allocated disk blocks.
    pub size_bytes: u64,
    /// Whether it was ours and could not be read; else it is foreign.
    pub is_damaged: bool,
}

/// How many series are being written, and what makes them many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesCardinality {
    /// Series that are being written.
    pub n_series: usize,
    /// Metrics by the number of their series, most first.
    pub metrics: Vec<(String, usize)>,
    /// Labels by the number of their values, most first.
    pub labels: Vec<LabelCardinality>,
}

/// How many values a label has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelCardinality {
    /// The label's name.
    pub name: String,
    /// Its distinct values.
    pub n_values: usize,
    /// The series that have it.
    pub n_series: usize,
}

/// The store at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Samples as they came.
    pub metrics: KindStats,
    /// Roll-ups of one minute.
    pub minutes: KindStats,
    /// Roll-ups of one hour.
    pub hours: KindStats,
    /// Log lines.
    pub logs: KindStats,
    /// Spans.
    pub spans: KindStats,
    /// Series in the open chunks.
    pub n_series: usize,
    /// Streams with an open block.
    pub n_streams: usize,
    /// Samples accepted since the start.
    pub samples: u64,
    /// Lines accepted since the start.
    pub lines: u64,
    /// Lines of which text or metadata was cut.
    pub lines_cut: u64,
    /// Spans accepted since the start.
    pub spans_accepted: u64,
    /// Spans of which something was cut.
    pub spans_cut: u64,
    /// Allocated disk blocks of the write-ahead log.
    pub wal_bytes: u64,
    /// Allocated disk blocks of what was set aside.
    pub set_aside_bytes: u64,
    /// When the last flush that succeeded ended.
    pub last_flush: Option<UnixNanos>,
    /// How long ago that was, by the monotonic clock: beyond ten seconds someone should look.
    pub last_flush_age: Option<Duration>,
    /// How long it took.
    pub last_flush_duration: Option<Duration>,
    /// What is wrong, none while all is well.
    pub degraded: Option<String>,
}

impl Shared {
    /// Takes a snapshot for pages.
    pub fn stats(&self) -> Stats {
        let health = self.counters.health().clone();
        let (n_series, n_streams) = {
            let state = self.state();
            (state.windows.n_series_written(), state.blocks.open.len())
        };
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            metrics: self.kind(Kind::Metrics),
            minutes: self.kind(Kind::Minutes),
            hours: self.kind(Kind::Hours),
            logs: self.kind(Kind::Logs),
            spans: self.kind(Kind::Spans),
            n_series,
            n_streams,
            samples: load(&self.counters.samples),
            lines: load(&self.counters.lines),
            lines_cut: load(&self.counters.lines_cut),
            spans_accepted: load(&self.counters.spans),
            spans_cut: load(&self.counters.spans_cut),
            wal_bytes: load(&self.counters.wal_bytes),
            set_aside_bytes: load(&self.counters.set_aside_bytes),
            last_flush: health.last_flush.map(|(at, ..)| at),
            last_flush_age: health.last_flush.map(|(_, at, _)| self.clock.elapsed().saturating_sub(at)),
            last_flush_duration: health.last_flush.map(|(.., took)| took),
            degraded: health.degraded,
        }
    }

    /// Looks at what is set aside; it reads the disk.
    pub fn set_aside(&self) -> Vec<SetAsideStats> {
        let entry = |entry: aside::SetAside| SetAsideStats {
            name: entry.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            size_bytes: entry.size_bytes,
            is_damaged: entry.is_damaged,
        };
        aside::entries(&self.dir).into_iter().map(entry).collect()
    }

    /// Returns every partition of history, by kind and then oldest first.
    pub fn partitions(&self) -> Vec<PartitionStats> {
        let state = self.state();
        let mut res = Vec::new();
        for kind in Kind::HISTORY {
            let tier = state.tier(kind);
            let active = tier.active.as_ref().map(|active| active.partition.name);
            res.extend(tier.partitions().map(|partition| {
                let summary = partition.summary();
                PartitionStats {
                    kind,
                    name: partition.name.to_string(),
                    range: summary.range.map(|(min, max)| (kind.to_millis(min), kind.to_millis(max))),
                    n_records: summary.n_records,
                    size_bytes: partition.size_bytes.load(Ordering::Relaxed),
                    is_open: Some(partition.name) == active,
                    is_unreadable: partition.failed.load(Ordering::Relaxed),
                }
            }));
        }
        res
    }

    fn kind(&self, kind: Kind) -> KindStats {
        let config = self.config();
        let retention = config.retention(kind);
        let state = self.state();
        let tier = state.tier(kind);
        let summaries: Vec<_> = tier.partitions().map(|partition| partition.summary()).collect();
        let oldest = summaries.iter().filter_map(|summary| summary.range).map(|(min, _)| min).min();
        KindStats {
            size_bytes: tier.size_bytes(),
            size_max_bytes: retention.max_bytes,
            room_bytes: config.roll_bytes(kind),
            max_age: retention.max_age,
            n_partitions: tier.partitions().count(),
            n_unreadable: tier.n_unreadable(),
            n_records: summaries.iter().map(|summary| summary.n_records).sum(),
            oldest: oldest.map(|min| kind.to_millis(min)),
            dropped: self.counters.dropped(kind),
        }
    }
}

/// Registers the instruments; their callbacks end with the store.
pub fn register(meter: &Meter, shared: &Arc<Shared>) -> Histogram<f64> {
    type Read = fn(&Shared, Kind) -> u64;
    let gauges: [(Instrument, Read); 5] = [
        (names::STORE_SIZE, |shared, kind| match kind {
            Kind::Wal => shared.counters.wal_bytes.load(Ordering::Relaxed),
            _ => shared.state().tier(kind).size_bytes(),
        }),
        (names::STORE_SIZE_MAX, |shared, kind| shared.config().retention(kind).max_bytes),
        (names::STORE_PARTITIONS, |shared, kind| shared.state().tier(kind).partitions().count() as u64),
        (names::STORE_RECORDS, |shared, kind| shared.state().tier(kind).n_records()),
        (names::STORE_UNREADABLE, |shared, kind| shared.state().tier(kind).n_unreadable() as u64),
    ];
    for (instrument, read) in gauges {
        let kinds: &[Kind] =
            if instrument.name == names::STORE_SIZE.name { &Kind::ALL } else { &Kind::HISTORY };
        gauge(meter, shared, instrument, move |shared| {
            let by_kind =
                |kind: &Kind| (read(shared, *kind), vec![KeyValue::new(keys::SIGNAL, kind.as_str())]);
            kinds.iter().map(by_kind).collect()
        });
    }
    gauge(meter, shared, names::STORE_SET_ASIDE, |shared| {
        vec![(shared.counters.set_aside_bytes.load(Ordering::Relaxed), vec![])]
    });
    gauge(meter, shared, names::STORE_SERIES, |shared| {
        vec![(shared.state().windows.n_series_written() as u64, vec![])]
    });
    gauge(meter, shared, names::STORE_STREAMS, |shared| {
        vec![(shared.state().blocks.open.len() as u64, vec![])]
    });
    type Count = fn(&Counters) -> &AtomicU64;
    let counters: [(Instrument, Count); 3] = [
        (names::STORE_SAMPLES, |counters| &counters.samples),
        (names::STORE_LINES, |counters| &counters.lines),
        (names::STORE_SPANS, |counters| &counters.spans),
    ];
    for (instrument, count) in counters {
        counter(meter, shared, instrument, move |shared| {
            vec![(count(&shared.counters).load(Ordering::Relaxed), vec![])]
        });
    }
    counter(meter, shared, names::STORE_DROPPED, |shared| {
        let of = |kind: Kind| {
            shared.counters.dropped(kind).into_iter().map(move |(reason, n)| {
                let reason = KeyValue::new(keys::REASON, reason.as_str());
                (n, vec![KeyValue::new(keys::SIGNAL, kind.as_str()), reason])
            })
        };
        // What is rolled up was accepted before.
        [Kind::Metrics, Kind::Logs, Kind::Spans].into_iter().flat_map(of).collect()
    });
    gauge(meter, shared, names::STORE_DEGRADED, |shared| {
        vec![(shared.counters.health().degraded.is_some().into(), vec![])]
    });
    gauge(meter, shared, names::STORE_LAST_FLUSH_AGE, |shared| {
        let last = shared.counters.health().last_flush.map_or(shared.opened, |(_, at, _)| at);
        vec![(shared.clock.elapsed().saturating_sub(last).as_secs(), vec![])]
    });
    let flush = names::STORE_FLUSH_DURATION;
    meter
        .f64_histogram(flush.name)
        .with_unit(flush.unit)
        .with_description(flush.help)
        // From a quiet SSD to a disk that no longer keeps the promise of one second.
        .with_boundaries(vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0])
        .build()
}

type Readings = Vec<(u64, Vec<KeyValue>)>;

fn gauge(
    meter: &Meter,
    shared: &Arc<Shared>,
    instrument: Instrument,
    read: impl Fn(&Shared) -> Readings + Send + Sync + 'static,
) {
    let shared = Arc::downgrade(shared);
    meter
        .u64_observable_gauge(instrument.name)
        .with_unit(instrument.unit)
        .with_description(instrument.help)
        .with_callback(move |observer| {
            readings(&shared, &read).iter().for_each(|(value, labels)| observer.observe(*value, labels));
        })
        .build();
}

fn counter(
    meter: &Meter,
    shared: &Arc<Shared>,
    instrument: Instrument,
    read: impl Fn(&Shared) -> Readings + Send + Sync + 'static,
) {
    let shared = Arc::downgrade(shared);
    meter
        .u64_observable_counter(instrument.name)
        .with_unit(instrument.unit)
        .with_description(instrument.help)
        .with_callback(move |observer| {
            readings(&shared, &read).iter().for_each(|(value, labels)| observer.observe(*value, labels));
        })
        .build();
}

// The meter outlives the store; a callback must not keep the store alive.
fn readings(shared: &Weak<Shared>, read: &impl Fn(&Shared) -> Readings) -> Readings {
    shared.upgrade().map_or_else(Vec::new, |shared| read(&shared))
}
