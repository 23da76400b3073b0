//! The store that is opened and asked: a day of metrics and a gigabyte of log.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::child::{self, Task};
use super::feed::{DAY, FedLogs, FedMetrics, MetricSet, START};
use super::lines::LineKind;
use super::measure::disk_bytes;

/// Series of the metrics in it.
pub const SERIES: usize = 2_000;

/// Raw bytes of the log in it, at scale 1.
pub const RAW_BYTES: u64 = 1_000_000_000;

/// What all parts are told.
pub struct Run {
    /// Which data.
    pub seed: u64,
    /// How much of it.
    pub scale: f64,
    /// The folder for everything, removed at the end.
    pub dir: PathBuf,
    history: Option<History>,
    metric_sizes: HashMap<String, (FedMetrics, Sizes)>,
}

/// A closed store and what is in it.
pub struct History {
    /// Where it is.
    pub dir: PathBuf,
    /// Its metrics.
    pub metrics: FedMetrics,
    /// Its log, which begins where the metrics end.
    pub logs: FedLogs,
}

impl Run {
    /// Begins.
    pub fn new(seed: u64, scale: f64, dir: PathBuf) -> Self {
        Run { seed, scale, dir, history: None, metric_sizes: HashMap::new() }
    }

    /// Returns how long generated metrics last.
    pub fn span(&self) -> Duration {
        DAY.mul_f64(self.scale)
    }

    /// Returns how much of so many bytes this run takes.
    pub fn scaled(&self, n: u64) -> u64 {
        (n as f64 * self.scale) as u64
    }

    /// Returns what a store takes that was filled with these samples alone.
    pub fn metric_sizes(&mut self, set: &MetricSet) -> (FedMetrics, Sizes) {
        let name = format!("{set:?}");
        if let Some(known) = self.metric_sizes.get(&name) {
            return known.clone();
        }
        let dir = self.dir.join("metrics");
        let fed = self.feed_metrics(&dir, set);
        let res = (fed, Sizes::of(&dir));
        std::fs::remove_dir_all(&dir).unwrap();
        self.metric_sizes.insert(name, res.clone());
        res
    }

    fn feed_metrics(&self, dir: &Path, set: &MetricSet) -> FedMetrics {
        let (dir, set) = (dir.to_path_buf(), set.clone());
        child::run(&Task::Metrics { dir, set, seed: self.seed, span: self.span() })
    }

    /// Fills a store, new or not, with so many raw bytes of lines.
    pub fn feed_logs(&self, dir: &Path, kind: LineKind, from: i64, raw_bytes: u64) -> FedLogs {
        child::run(&Task::Logs { dir: dir.to_path_buf(), kind, seed: self.seed, from, raw_bytes })
    }

    /// Returns the store that several parts share, filled when first asked for.
    pub fn history(&mut self) -> &History {
        if self.history.is_none() {
            eprintln!("filling the store that is asked and opened");
            let dir = self.dir.join("history");
            let metrics = self.feed_metrics(&dir, &MetricSet::Fleet(SERIES));
            let from = START.to_nanos().0 + self.span().as_nanos() as i64;
            let logs = self.feed_logs(&dir, LineKind::Mixed, from, self.scaled(RAW_BYTES));
            self.history = Some(History { dir, metrics, logs });
        }
        self.history.as_ref().unwrap()
    }
}

/// Allocated blocks of a closed store by what they are for.
#[derive(Clone)]
pub struct Sizes {
    /// Samples as they came.
    pub samples: u64,
    /// Their roll-ups.
    pub roll_ups: u64,
    /// Log lines.
    pub lines: u64,
    /// Everything else: locks, empty folders, what is left of the write-ahead log.
    pub rest: u64,
}

impl Sizes {
    /// Measures a closed store.
    pub fn of(dir: &Path) -> Self {
        let of = |root: &str| disk_bytes(&dir.join(root));
        let (samples, roll_ups, lines) = (of("metrics"), of("minutes") + of("hours"), of("logs"));
        Sizes { samples, roll_ups, lines, rest: disk_bytes(dir) - samples - roll_ups - lines }
    }
}
