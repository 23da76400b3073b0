//! The store as its users see it: append, read, restart, crash, fill the disk.

mod beside;
mod bounds;
mod crash;
mod damage;
mod disk;
mod hostile;
mod model;
mod reads;
mod rollups;

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use opentelemetry::metrics::{Meter, MeterProvider, noop::NoopMeterProvider};

use super::{Config, OpenError, Store};
use crate::clock::{Clock, UnixMillis, UnixNanos};
use crate::pace::threads::with_helpers;
use crate::record::read::{Direction, LogRead, LogSelect, Matcher, MetricRead, SeriesSelect};
use crate::record::{Labels, LogRecord, Point, Scrape, Series, Severity};

/// 2026-11-22, a multiple of everything that tests step by.
const START_MS: i64 = 1_795_305_600_000;

const DEADLINE: Duration = Duration::from_secs(60);

fn meter() -> Meter {
    NoopMeterProvider::new().meter("test")
}

fn clock() -> Clock {
    Clock::manual(UnixMillis(START_MS).to_nanos())
}

fn open_with(dir: &Path, config: Config, clock: &Clock) -> Result<Store, OpenError> {
    Store::open(dir, config, clock.clone(), &meter())
}

fn open(dir: &Path, clock: &Clock) -> Store {
    open_with(dir, Config::default(), clock).unwrap()
}

fn series(name: &str, instance: &str) -> Labels {
    Labels::new([("__name__", name), ("instance", instance)])
}

fn scrape(at_ms: i64, points: &[(Labels, f64)]) -> Scrape {
    let points = points.iter().map(|(series, value)| Point { series: series.clone(), value: *value });
    Scrape { at: UnixMillis(at_ms), points: points.collect() }
}

fn line(at_ns: i64, job: &str, body: &str) -> LogRecord {
    LogRecord {
        at: UnixNanos(at_ns),
        severity: Severity::Info,
        stream: Labels::new([("job", job)]),
        metadata: vec![("trace_id".into(), format!("t-{body}"))],
        body: body.to_string(),
    }
}

fn all_series(store: &Store, matchers: Vec<Matcher>) -> Vec<Series> {
    let select = SeriesSelect { matchers, from: UnixMillis(i64::MIN), to: UnixMillis(i64::MAX) };
    let mut res = Vec::new();
    store
        .series(&select, &mut |labels, samples| {
            res.push(Series { labels: labels.clone(), samples: samples.to_vec() });
            ControlFlow::Continue(())
        })
        .unwrap();
    res.sort_by(|a, b| a.labels.cmp(&b.labels));
    res
}

fn values(store: &Store, name: &str) -> Vec<(i64, f64)> {
    let found = all_series(store, vec![Matcher::equal("__name__", name)]);
    found.iter().flat_map(|series| &series.samples).map(|sample| (sample.at.0, sample.value)).collect()
}

fn read_lines(store: &Store, matchers: Vec<Matcher>, direction: Direction, n_max: usize) -> Vec<LogRecord> {
    let select = LogSelect::new(matchers, UnixNanos(0), UnixNanos(i64::MAX), direction);
    let mut res = Vec::new();
    store
        .lines(&select, &mut |line| {
            res.push(line.to_record());
            if res.len() < n_max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .unwrap();
    res
}

fn bodies(store: &Store) -> Vec<String> {
    let lines = read_lines(store, vec![], Direction::Forward, usize::MAX);
    let select = LogSelect::new(vec![], UnixNanos(0), UnixNanos(i64::MAX), Direction::Forward);
    assert_same_lines(read_parts(store, &select), lines.clone());
    lines.into_iter().map(|record| record.body).collect()
}

#[track_caller]
fn assert_same_lines(mut found: Vec<LogRecord>, mut expect: Vec<LogRecord>) {
    for lines in [&mut found, &mut expect] {
        lines.sort_by_cached_key(|line| (line.at, format!("{line:?}")));
    }
    assert_eq!(found, expect);
}

/// Lines by parts, each of which is of one stream, read by several threads.
fn read_parts(store: &Store, select: &LogSelect) -> Vec<LogRecord> {
    let parts = store.parts(select);
    let read = || {
        let mut res = Vec::<LogRecord>::new();
        loop {
            let n_before = res.len();
            let read = parts.next(&mut |line| {
                res.push(line.to_record());
                ControlFlow::Continue(())
            });
            if read.unwrap().is_none() {
                return res;
            }
            assert!(res[n_before..].windows(2).all(|pair| pair[0].stream == pair[1].stream));
        }
    };
    with_helpers(3, "reader", read).concat()
}

fn names_in(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn copy_tree(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}
