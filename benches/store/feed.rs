//! Fills a store through its public calls, on a clock that runs as fast as the store does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use opentelemetry::metrics::MeterProvider;
use opentelemetry::metrics::noop::NoopMeterProvider;
use serde::{Deserialize, Serialize};
use vitrine::clock::{Clock, UnixMillis, UnixNanos};
use vitrine::record::{LogRecord, Scrape};
use vitrine::store::{Config, Stats, Store};

use super::lines::{LINES_PER_SECOND, LineKind, Lines, Told};
use super::measure::{MemoryWatch, Stopwatch, Took, peak_rss_bytes, pss_bytes};
use super::recording;
use super::series::SeriesSet;

/// When generated history begins: the first of June 2026, 00:00 UTC. A fixed moment, because
/// the same seed shall give the same bytes.
pub const START: UnixMillis = UnixMillis(1_780_272_000_000);

/// Time between two scrapes of generated data, but for [`MEMORY_STEP`].
pub const STEP: Duration = Duration::from_secs(15);

/// How long generated history of metrics is at scale 1.
pub const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Ends a close that hangs; sealing what is open takes well below a second.
const CLOSE_DEADLINE: Duration = Duration::from_secs(60);

/// Data that a store is filled with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum MetricSet {
    /// A recording of a host's exposition.
    Host(PathBuf),
    /// The first half of it.
    HostHalf(PathBuf),
    /// [`SeriesSet::host_like`].
    HostLike,
    /// [`SeriesSet::all_changing`], with so many series.
    AllChanging(usize),
    /// [`SeriesSet::fleet`], with so many series.
    Fleet(usize),
}

impl MetricSet {
    /// Returns the scrapes in the order of time, generated ones for so long.
    pub fn scrapes(&self, seed: u64, span: Duration) -> Box<dyn Iterator<Item = Scrape>> {
        let set = match self {
            MetricSet::Host(path) => return Box::new(recording::read(path).into_iter()),
            MetricSet::HostHalf(path) => {
                let scrapes = recording::read(path);
                let n = scrapes.len() / 2;
                return Box::new(scrapes.into_iter().take(n));
            }
            MetricSet::HostLike => SeriesSet::host_like(seed),
            MetricSet::AllChanging(n) => SeriesSet::all_changing(seed, *n),
            MetricSet::Fleet(n) => SeriesSet::fleet(seed, *n),
        };
        Box::new(scrapes_of(set, STEP, span))
    }
}

fn scrapes_of(mut set: SeriesSet, step: Duration, span: Duration) -> impl Iterator<Item = Scrape> {
    let n = (span.as_millis() / step.as_millis()) as i64;
    (1..=n).map(move |idx| set.scrape(UnixMillis(START.0 + idx * step.as_millis() as i64)))
}

/// What filling a store with samples gave.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FedMetrics {
    /// Series of one scrape.
    pub n_series: usize,
    /// Scrapes.
    pub n_scrapes: u64,
    /// Samples.
    pub n_samples: u64,
    /// What it took, generators left out.
    pub took: Took,
}

/// What filling a store with lines gave.
#[derive(Debug, Serialize, Deserialize)]
pub struct FedLogs {
    /// What was in them.
    pub told: Told,
    /// The time of the first one.
    pub from: i64,
    /// A moment after the last one.
    pub to: i64,
    /// What it took, generators left out.
    pub took: Took,
}

/// Opens a store with its defaults at a moment that moves only when it is told.
pub fn open(dir: &Path, now: UnixNanos) -> (Store, Clock) {
    let clock = Clock::manual(now);
    let meter = NoopMeterProvider::new().meter("bench");
    (Store::open(dir, Config::default(), clock.clone(), &meter).unwrap(), clock)
}

/// Points that are handed over between two flushes: few enough for the queue of 16 MB.
const POINTS_PER_FLUSH: usize = 100_000;

/// Scrapes between two flushes: ten minutes, so that each window is sealed on its own as it
/// would be at the pace of life.
const SCRAPES_PER_FLUSH: usize = 40;

/// Fills a store with samples and closes it.
pub fn metrics(dir: &Path, set: &MetricSet, seed: u64, span: Duration) -> FedMetrics {
    let mut scrapes = set.scrapes(seed, span).peekable();
    let first = scrapes.peek().unwrap();
    let (n_series, began) = (first.points.len(), first.at);
    let (mut n_scrapes, mut n_samples) = (0, 0);
    let (store, clock) = open(dir, began.to_nanos());
    let per_flush = (POINTS_PER_FLUSH / n_series).clamp(1, SCRAPES_PER_FLUSH);
    let mut stopwatch = Stopwatch::start();
    loop {
        let batch: Vec<Scrape> = stopwatch.make(|| scrapes.by_ref().take(per_flush).collect());
        if batch.is_empty() {
            break;
        }
        n_scrapes += batch.len() as u64;
        n_samples += batch.iter().map(|scrape| scrape.points.len() as u64).sum::<u64>();
        stopwatch.measure(|| {
            for scrape in batch {
                move_to(&clock, scrape.at.to_nanos());
                store.append_scrape(scrape);
            }
            store.sync().unwrap();
        });
    }
    stopwatch.measure(|| {
        roll_up_what_is_due(&store);
        assert_kept(&store.stats(), n_samples, 0);
        store.close(CLOSE_DEADLINE).unwrap();
    });
    FedMetrics { n_series, n_scrapes, n_samples, took: stopwatch.stop() }
}

/// Lines between two flushes: two seconds of them.
const LINES_PER_FLUSH: usize = 2 * LINES_PER_SECOND as usize;

/// Lines that are handed over at once, as one push of a collector.
const LINES_PER_PUSH: usize = 1_000;

/// Fills a store with lines up to about so many raw bytes and closes it.
pub fn logs(dir: &Path, kind: LineKind, seed: u64, from: UnixNanos, raw_bytes: u64) -> FedLogs {
    let (store, clock) = open(dir, from);
    // A raw line of the mix has about 210 bytes, so the needle is there four times.
    let mut lines = Lines::new(kind, seed, from, raw_bytes / 1_000);
    let mut stopwatch = Stopwatch::start();
    while lines.told().raw_bytes < raw_bytes {
        let batch = stopwatch.make(|| pushes(&mut lines, LINES_PER_FLUSH));
        move_to(&clock, lines.now());
        stopwatch.measure(|| {
            batch.into_iter().for_each(|push| assert!(store.append_logs(push), "a push found no room"));
            store.sync().unwrap();
        });
    }
    stopwatch.measure(|| {
        assert_kept(&store.stats(), 0, lines.told().n_lines);
        store.close(CLOSE_DEADLINE).unwrap();
    });
    let (told, to) = (lines.told().clone(), lines.now().0 + 1);
    FedLogs { told, from: from.0, to, took: stopwatch.stop() }
}

fn pushes(lines: &mut Lines, n: usize) -> Vec<Vec<LogRecord>> {
    let push = |n: usize, lines: &mut Lines| (0..n).map(|_| lines.next()).collect();
    (0..n.div_ceil(LINES_PER_PUSH)).map(|_| push(n.min(LINES_PER_PUSH), lines)).collect()
}

/// Time between two scrapes while the memory is watched.
pub const MEMORY_STEP: Duration = Duration::from_secs(10);

/// Series while the memory is watched.
pub const MEMORY_SERIES: usize = 10_000;

/// Metrics alone come so long, so that the first two hours are rolled up, which begins an hour
/// after them, while everything comes together.
const MEMORY_ALONE: Duration = Duration::from_secs(3 * 3_600);

/// Metrics and lines come together so long: each window of 120 scrapes is sealed twice.
const MEMORY_TOGETHER: Duration = Duration::from_secs(2_400);

/// What a store takes while everything comes together.
#[derive(Debug, Serialize, Deserialize)]
pub struct Load {
    /// The process before the store was opened, with the generators and their first output.
    pub before_bytes: u64,
    /// The highest proportional set size.
    pub peak_bytes: u64,
    /// The highest resident set size, exactly.
    pub peak_rss_bytes: u64,
    /// Simulated time of metrics and lines together.
    pub together: Duration,
    /// What that part took, generators and watching left out.
    pub took: Took,
}

/// Fills a store at the pace of ten thousand series each ten seconds and a thousand lines a
/// second, with a flush each simulated second as in life, and watches the memory.
pub fn under_load(dir: &Path, seed: u64, scale: f64) -> Load {
    let set = SeriesSet::fleet(seed, MEMORY_SERIES);
    let (alone, together) = (MEMORY_ALONE.mul_f64(scale), MEMORY_TOGETHER.mul_f64(scale));
    let mut scrapes = scrapes_of(set, MEMORY_STEP, alone + together).peekable();
    let mut lines =
        Lines::new(LineKind::Mixed, seed, UnixNanos(START.to_nanos().0 + alone.as_nanos() as i64), u64::MAX);
    scrapes.peek();
    let before_bytes = pss_bytes();
    let memory = MemoryWatch::start();
    let (store, clock) = open(dir, START.to_nanos());
    let mut append = |until: UnixNanos, stopwatch: &mut Stopwatch| {
        while let Some(scrape) = stopwatch.make(|| scrapes.next_if(|scrape| scrape.at.to_nanos() <= until)) {
            stopwatch.measure(|| store.append_scrape(scrape));
        }
    };
    for minute in 1..=alone.as_secs() as i64 / 60 {
        move_to(&clock, UnixNanos(START.to_nanos().0 + minute * 60_000_000_000));
        append(clock.now(), &mut Stopwatch::start());
        store.sync().unwrap();
    }
    let looking = memory.looking();
    let mut stopwatch = Stopwatch::start();
    for _ in 0..together.as_secs() {
        let push = stopwatch.make(|| pushes(&mut lines, LINES_PER_SECOND as usize));
        move_to(&clock, lines.now());
        append(lines.now(), &mut stopwatch);
        stopwatch.measure(|| {
            push.into_iter().for_each(|push| assert!(store.append_logs(push), "a push found no room"));
            store.sync().unwrap();
        });
    }
    let mut took = stopwatch.stop();
    took.cpu -= memory.looking() - looking;
    let stats = store.stats();
    assert_kept(&stats, stats.samples, lines.told().n_lines);
    stats.metrics.dropped.iter().for_each(|(reason, n)| assert_eq!(*n, 0, "{reason:?}"));
    store.close(CLOSE_DEADLINE).unwrap();
    let peak_bytes = memory.stop();
    let peak_rss_bytes = peak_rss_bytes(std::process::id()).unwrap_or(0);
    Load { before_bytes, peak_bytes, peak_rss_bytes, together, took }
}

fn move_to(clock: &Clock, at: UnixNanos) {
    clock.advance(Duration::from_nanos((at.0 - clock.now().0).max(0) as u64));
}

// In life the roll-ups of a day have a day; here they are behind what was fed within seconds.
fn roll_up_what_is_due(store: &Store) {
    let steps = |stats: Stats| (stats.minutes.n_records, stats.hours.n_records);
    let mut before = None;
    let mut n_unchanged = 0;
    // A block is visible when it is whole, which takes some flushes.
    while n_unchanged < 20 {
        store.sync().unwrap();
        let now = Some(steps(store.stats()));
        n_unchanged = if now == before { n_unchanged + 1 } else { 0 };
        before = now;
    }
}

/// A figure of a store that dropped something would be worth nothing.
fn assert_kept(stats: &Stats, n_samples: u64, n_lines: u64) {
    assert_eq!((stats.samples, stats.lines), (n_samples, n_lines), "{stats:?}");
    assert_eq!(stats.degraded, None);
}
