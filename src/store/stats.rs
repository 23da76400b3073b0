//! What the store says about itself: counters, a snapshot for pages, instruments.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, Meter};

use super::partition::Kind;
use super::state::{Shared, State, Tier};
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
    /// The time is before 1970, older than the retention or too far ahead.
    Time,
    /// A label has no name, or the labels are too long.
    Labels,
    /// The store is closed.
    Closed,
    /// The disk failed so often that only a restart helps.
    Failed,
}

impl DropReason {
    /// Every reason, in the order of the counters.
    pub const ALL: [DropReason; 9] = [
        DropReason::QueueFull,
        DropReason::DiskFull,
        DropReason::Backlog,
        DropReason::Limit,
        DropReason::Duplicate,
        DropReason::Time,
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
    dropped_samples: [AtomicU64; DropReason::ALL.len()],
    dropped_lines: [AtomicU64; DropReason::ALL.len()],
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
        let counters = if kind == Kind::Logs { &self.dropped_lines } else { &self.dropped_samples };
        counters[reason as usize].fetch_add(n, Ordering::Relaxed);
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
        let counters = if kind == Kind::Logs { &self.dropped_lines } else { &self.dropped_samples };
        DropReason::ALL
            .into_iter()
            .zip(counters.iter().map(|counter| counter.load(Ordering::Relaxed)))
            .collect()
    }
}

/// One signal on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalStats {
    /// Allocated disk blocks.
    pub size_bytes: u64,
    /// Where dropping begins.
    pub size_max_bytes: u64,
    /// Partitions, the open one included.
    pub n_partitions: usize,
    /// Partitions that could not be read or written and are left out of reads.
    pub n_unreadable: usize,
    /// The earliest time on disk.
    pub oldest: Option<UnixMillis>,
    /// Records that were not kept, by reason; reasons that never occurred have 0.
    pub dropped: Vec<(DropReason, u64)>,
}

impl SignalStats {
    /// Returns how many records were not kept for a reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped.iter().filter(|(known, _)| *known == reason).map(|(_, n)| n).sum()
    }
}

/// The store at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Metrics on disk.
    pub metrics: SignalStats,
    /// Logs on disk.
    pub logs: SignalStats,
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
        let config = self.config();
        let health = self.counters.health().clone();
        let state = self.state();
        Stats {
            metrics: self.signal(Kind::Metrics, &state.metrics, config.metrics.max_bytes, |ms| ms),
            logs: self.signal(Kind::Logs, &state.logs, config.logs.max_bytes, |ns| ns.div_euclid(1_000_000)),
            n_series: n_series(&state),
            n_streams: state.blocks.open.len(),
            samples: self.counters.samples.load(Ordering::Relaxed),
            lines: self.counters.lines.load(Ordering::Relaxed),
            lines_cut: self.counters.lines_cut.load(Ordering::Relaxed),
            last_flush: health.last_flush.map(|(at, ..)| at),
            last_flush_age: health.last_flush.map(|(_, at, _)| self.clock.elapsed().saturating_sub(at)),
            last_flush_duration: health.last_flush.map(|(.., took)| took),
            degraded: health.degraded,
        }
    }

    fn signal<P>(
        &self,
        kind: Kind,
        tier: &Tier<P>,
        size_max_bytes: u64,
        to_ms: impl Fn(i64) -> i64,
    ) -> SignalStats {
        let oldest = tier.partitions().filter_map(|partition| partition.summary().range).map(|(min, _)| min);
        SignalStats {
            size_bytes: tier.size_bytes(),
            size_max_bytes,
            n_partitions: tier.partitions().count(),
            n_unreadable: tier.n_unreadable(),
            oldest: oldest.min().map(|min| UnixMillis(to_ms(min))),
            dropped: self.counters.dropped(kind),
        }
    }
}

fn n_series(state: &State) -> usize {
    // Between two windows the last one answers, or the gauge would dip at each seal.
    state.window.as_ref().map_or(state.n_series_sealed, |window| window.n_series())
}

/// Registers the instruments; their callbacks end with the store.
pub fn register(meter: &Meter, shared: &Arc<Shared>) -> Histogram<f64> {
    type Read = fn(&Shared, Kind) -> u64;
    let gauges: [(Instrument, Read); 4] = [
        (names::STORE_SIZE, |shared, kind| match kind {
            Kind::Logs => shared.state().logs.size_bytes(),
            _ => shared.state().metrics.size_bytes(),
        }),
        (names::STORE_SIZE_MAX, |shared, kind| match kind {
            Kind::Logs => shared.config().logs.max_bytes,
            _ => shared.config().metrics.max_bytes,
        }),
        (names::STORE_PARTITIONS, |shared, kind| match kind {
            Kind::Logs => shared.state().logs.partitions().count() as u64,
            _ => shared.state().metrics.partitions().count() as u64,
        }),
        (names::STORE_UNREADABLE, |shared, kind| match kind {
            Kind::Logs => shared.state().logs.n_unreadable() as u64,
            _ => shared.state().metrics.n_unreadable() as u64,
        }),
    ];
    for (instrument, read) in gauges {
        gauge(meter, shared, instrument, move |shared| {
            [Kind::Metrics, Kind::Logs]
                .map(|kind| (read(shared, kind), vec![KeyValue::new(keys::SIGNAL, kind.as_str())]))
                .into()
        });
    }
    gauge(meter, shared, names::STORE_SERIES, |shared| vec![(n_series(&shared.state()) as u64, vec![])]);
    gauge(meter, shared, names::STORE_STREAMS, |shared| {
        vec![(shared.state().blocks.open.len() as u64, vec![])]
    });
    counter(meter, shared, names::STORE_SAMPLES, |shared| {
        vec![(shared.counters.samples.load(Ordering::Relaxed), vec![])]
    });
    counter(meter, shared, names::STORE_LINES, |shared| {
        vec![(shared.counters.lines.load(Ordering::Relaxed), vec![])]
    });
    counter(meter, shared, names::STORE_DROPPED, |shared| {
        let of = |kind: Kind| {
            shared.counters.dropped(kind).into_iter().map(move |(reason, n)| {
                let reason = KeyValue::new(keys::REASON, reason.as_str());
                (n, vec![KeyValue::new(keys::SIGNAL, kind.as_str()), reason])
            })
        };
        of(Kind::Metrics).chain(of(Kind::Logs)).collect()
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
