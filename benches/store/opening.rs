//! How long a start takes with a full store, and how fast retention gives the disk back.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use vitrine::clock::UnixNanos;
use vitrine::record::read::{Direction, LogRead, LogSelect};
use vitrine::store::{Config, Kind, Retention};

use super::child::{self, Task};
use super::feed;
use super::history::Run;
use super::measure::{disk_bytes, drop_page_cache, pss_bytes};
use super::table::{Row, Section, bytes, ms};

/// From the start to the first page, of which opening the store is a part.
const OPEN_MAX: Duration = Duration::from_millis(300);

/// Lines of the first answer: a screen of the log page.
const FIRST_LINES: usize = 100;

/// What a start takes.
#[derive(Debug, Serialize, Deserialize)]
pub struct Opened {
    open: Duration,
    answer: Duration,
    pss_bytes: u64,
}

/// Opens a store and reads its newest lines.
pub fn open(dir: &Path, now: UnixNanos) -> Opened {
    let began = Instant::now();
    let (store, _) = feed::open(dir, now);
    let open = began.elapsed();
    let mut n = 0;
    let newest = LogSelect::new(vec![], UnixNanos(0), now, Direction::Backward);
    let read = store.lines(&newest, &mut |_| {
        n += 1;
        if n < FIRST_LINES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    read.unwrap();
    assert_eq!(n, FIRST_LINES);
    Opened { open, answer: began.elapsed(), pss_bytes: pss_bytes() }
}

/// What dropping partitions takes.
#[derive(Debug, Serialize, Deserialize)]
pub struct Dropped {
    took: Duration,
    size_bytes: u64,
}

/// Between two looks at whether a folder is gone.
const POLL: Duration = Duration::from_micros(200);

/// Gives up on a folder that does not go.
const GONE_MAX: Duration = Duration::from_secs(30);

/// Applies a cap that the log is just above, and waits for the oldest partition to go.
pub fn drop_oldest(dir: &Path, now: UnixNanos) -> Dropped {
    let (store, _) = feed::open(dir, now);
    let partitions = store.partitions();
    let mut logs = partitions.iter().filter(|partition| partition.kind == Kind::Logs);
    let all: u64 = logs.clone().map(|partition| partition.size_bytes).sum();
    let oldest = dir.join(Kind::Logs.as_str()).join(&logs.next().unwrap().name);
    let size_bytes = disk_bytes(&oldest);
    let config = Config::default();
    // Dropping begins below the cap by what a partition may grow to, at most a quarter.
    let max_bytes = (all + config.partition_bytes).min(all * 4 / 3) - 4_096;
    let began = Instant::now();
    store.apply(Config { logs: Retention { max_bytes, ..config.logs.clone() }, ..config });
    // In life the next flush does it, within a second or ten.
    store.sync().unwrap();
    while oldest.exists() {
        assert!(began.elapsed() < GONE_MAX, "{} is still there", oldest.display());
        std::thread::sleep(POLL);
    }
    Dropped { took: began.elapsed(), size_bytes }
}

/// Returns what both take; the log that several parts share is smaller afterwards.
pub fn section(run: &mut Run) -> Section {
    let mut section = Section::new("Opening and dropping");
    let history = run.history();
    let (dir, now): (PathBuf, i64) = (history.dir.clone(), history.logs.to);
    for state in ["cold", "warm"] {
        if state == "cold" {
            drop_page_cache(&dir);
        }
        let opened: Opened = child::run(&Task::Open { dir: dir.clone(), now });
        section.push(
            Row::new(format!("open, {state}"), ms(opened.open))
                .budget(format!("≤ {}", ms(OPEN_MAX)), opened.open <= OPEN_MAX)
                .note(format!("{FIRST_LINES} newest lines {} after the start", ms(opened.answer)))
                .note(format!("{} PSS then", bytes(opened.pss_bytes))),
        );
    }
    let dropped: Dropped = child::run(&Task::Drop { dir, now });
    section.push(
        Row::new("drop the oldest partition of the log", ms(dropped.took))
            .note(format!("{} given back", bytes(dropped.size_bytes))),
    );
    section.footnote(
        "Each in a new process, with the metrics and the log of the queries in the store, closed cleanly before. \
         Dropping: from a smaller cap applied and a flush asked for until the folder is gone.",
    );
    section
}
