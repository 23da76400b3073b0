//! Limits hold and are counted; retention gives the disk back.

use super::*;
use crate::store::{DropReason, Opening, Retention};

const NS: i64 = START_MS * 1_000_000;
const DAY: Duration = Duration::from_secs(86_400);

fn small_logs(max_bytes: u64, max_age: Duration) -> Config {
    let logs = Retention { max_age, max_bytes };
    Config { logs, partition_bytes: 64 << 10, ..Config::default() }
}

/// A line that zstd cannot shrink, so that bytes in are bytes on disk.
pub(super) fn noise(n: u64) -> String {
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut res = String::new();
    while res.len() < 1_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        res += &format!("{state:016x}");
    }
    res
}

fn disk_usage(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::symlink_metadata(path).unwrap();
    let inside: u64 = match metadata.is_dir() {
        true => std::fs::read_dir(path).unwrap().map(|entry| disk_usage(&entry.unwrap().path())).sum(),
        false => 0,
    };
    metadata.blocks() * 512 + inside
}

#[test]
fn log_retention_by_bytes_gives_the_disk_back() {
    const MAX_BYTES: u64 = 5 << 20;
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let store = open_with(dir.path(), small_logs(MAX_BYTES, DAY), &clock).unwrap();
    let mut n_partitions_max = 0;
    for batch in 0..16_u64 {
        let lines = (0..700).map(|n| line(NS + (batch * 700 + n) as i64, "j", &noise(batch * 700 + n)));
        store.append_logs(lines.collect());
        store.sync().unwrap();
        n_partitions_max = n_partitions_max.max(store.stats().logs.n_partitions);
        let used = disk_usage(&dir.path().join("logs"));
        assert!(used <= MAX_BYTES, "{used} bytes after batch {batch}");
    }
    let stats = store.stats();
    assert!(n_partitions_max > 2, "{n_partitions_max} partitions");
    assert!(stats.logs.size_bytes <= MAX_BYTES && stats.logs.oldest > Some(UnixMillis(START_MS - 1)));
    let kept = bodies(&store);
    assert_eq!(kept.last().unwrap(), &noise(16 * 700 - 1), "the newest is there");
    assert!(kept.len() < 16 * 700, "the oldest is gone");
    assert!(names_in(&dir.path().join("logs")).iter().all(|name| !name.ends_with(".dead")));
    store.close(DEADLINE).unwrap();
}

#[test]
fn retention_by_age_drops_only_what_is_wholly_too_old() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let metrics = Retention { max_age: DAY, max_bytes: 1 << 30 };
    let config = Config { metrics, ..Config::default() };
    let store = open_with(dir.path(), config.clone(), &clock).unwrap();
    store.append_scrape(scrape(START_MS, &[(series("s", "a"), 1.0)]));
    store.close(DEADLINE).unwrap();
    let store = open_with(dir.path(), config, &clock).unwrap();
    clock.advance(DAY - Duration::from_secs(60));
    store.append_scrape(scrape(clock.now_ms().0, &[(series("s", "a"), 2.0)]));
    store.sync().unwrap();
    assert_eq!(values(&store, "s").len(), 2);
    clock.advance(Duration::from_secs(120));
    store.sync().unwrap();
    assert_eq!(values(&store, "s").len(), 2, "a clock that just jumped ends no history");
    clock.advance(Duration::from_secs(601));
    store.sync().unwrap();
    assert_eq!(values(&store, "s").iter().map(|(_, value)| *value).collect::<Vec<_>>(), [2.0]);
    assert_eq!(names_in(&dir.path().join("metrics")).len(), 0);
    store.close(DEADLINE).unwrap();
}

#[test]
fn below_the_reserve_writes_are_refused_and_recover_by_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &clock());
    store.append_logs(vec![line(NS, "j", "before")]);
    store.sync().unwrap();
    store.apply(Config { reserve_bytes: u64::MAX, ..Config::default() });
    assert!(store.sync().unwrap_err().to_string().contains("less than the reserve"));
    store.append_logs(vec![line(NS + 1, "j", "refused")]);
    store.append_scrape(scrape(START_MS, &[(series("s", "a"), 1.0)]));
    assert!(store.sync().is_err());
    let (answer, is_answered) = std::sync::mpsc::sync_channel(1);
    let asked = answer.clone();
    store.append_logs_acked(vec![line(NS + 1, "j", "refused")], move |res| asked.send(res).unwrap()).unwrap();
    // The disk is free again before the flush that would have answered.
    store.apply(Config::default());
    let res = is_answered.recv_timeout(DEADLINE).unwrap();
    assert!(res.unwrap_err().to_string().contains("disk_full"), "dropped lines are not acknowledged");
    store.apply(Config { reserve_bytes: u64::MAX, ..Config::default() });
    assert!(store.sync().is_err());
    let stats = store.stats();
    assert_eq!(stats.logs.dropped(DropReason::DiskFull), 2);
    assert_eq!(stats.metrics.dropped(DropReason::DiskFull), 1);
    assert!(stats.degraded.is_some());
    store.apply(Config::default());
    store.sync().unwrap();
    store.append_logs_acked(vec![line(NS + 2, "j", "after")], move |res| answer.send(res).unwrap()).unwrap();
    assert_eq!(is_answered.recv_timeout(DEADLINE), Ok(Ok(())));
    assert_eq!(bodies(&store), ["before", "after"]);
    assert_eq!(store.stats().degraded, None);
    store.close(DEADLINE).unwrap();
}

#[test]
fn full_disk_costs_as_much_history_as_is_lacking_even_where_space_appears_late() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    let dir = tempfile::tempdir().unwrap();
    for n in 0..4 {
        let store = open(dir.path(), &clock());
        store.append_logs(vec![line(NS + n, "j", &n.to_string())]);
        store.close(DEADLINE).unwrap();
    }
    let free = Arc::new(AtomicU64::new(u64::MAX));
    let said = free.clone();
    let probe = Box::new(move |_: &Path| Some(said.load(Ordering::Relaxed)));
    let config = Config::default();
    let reserve = config.reserve_bytes;
    let opening = Opening { dir: dir.path(), config, clock: clock(), meter: &meter(), token: None };
    let store = Store::open_on(opening, probe).unwrap();
    // What is free does not rise with what is dropped.
    free.store(reserve - 1, Ordering::Relaxed);
    for _ in 0..3 {
        assert!(store.sync().unwrap_err().to_string().contains("less than the reserve"));
        assert_eq!(bodies(&store), ["1", "2", "3"], "one partition is more than the byte that lacks");
    }
    free.store(reserve, Ordering::Relaxed);
    store.sync().unwrap();
    store.append_logs(vec![line(NS + 5, "j", "5")]);
    store.sync().unwrap();
    assert_eq!(bodies(&store), ["1", "2", "3", "5"]);
    free.store(0, Ordering::Relaxed);
    assert!(store.sync().is_err());
    assert_eq!(bodies(&store).len(), 4, "nothing is given up where that is not enough");
    store.close(DEADLINE).unwrap();
}

#[test]
fn limits_are_counted_and_change_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { series_max: 2, streams_max: 2, line_max_bytes: 4, ..Config::default() };
    let store = open_with(dir.path(), config.clone(), &clock()).unwrap();
    let points: Vec<_> = (0..5).map(|n| (series("s", &n.to_string()), 1.0)).collect();
    store.append_scrape(scrape(START_MS, &points));
    store.append_logs((0..5).map(|n| line(NS, &n.to_string(), "äöü!")).collect());
    store.append_logs(vec![line(-1, "0", "x"), line(i64::MAX, "0", "x"), line(NS, "", "x")]);
    store.append_scrape(scrape(START_MS + 3_600_000, &points));
    store.sync().unwrap();
    let stats = store.stats();
    assert_eq!((stats.n_series, stats.n_streams, stats.samples, stats.lines), (2, 2, 2, 2));
    assert_eq!(stats.metrics.dropped(DropReason::Limit), 3);
    assert_eq!(stats.metrics.dropped(DropReason::Time), 5);
    assert_eq!(stats.logs.dropped(DropReason::Limit), 3);
    assert_eq!(stats.logs.dropped(DropReason::Time), 2);
    assert_eq!(stats.logs.dropped(DropReason::Labels), 1);
    assert_eq!(stats.lines_cut, 2);
    assert_eq!(bodies(&store), ["äö", "äö"]);
    store.apply(Config { series_max: 10, ..config });
    store.append_scrape(scrape(START_MS + 1, &points));
    store.sync().unwrap();
    assert_eq!(store.stats().n_series, 5);
    store.close(DEADLINE).unwrap();
    store.append_scrape(scrape(START_MS + 2, &points));
    assert_eq!(store.stats().metrics.dropped(DropReason::Closed), 5);
}

#[test]
fn what_was_stamped_by_a_clock_far_ahead_does_not_keep_what_is_old() {
    const YEAR_NS: i64 = 365 * 86_400 * 1_000_000_000;
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let config = || Config { logs: Retention { max_age: DAY, max_bytes: 1 << 30 }, ..Config::default() };
    // The first partition is from the future, the second is not.
    for jump in [YEAR_NS, 0] {
        clock.jump(jump);
        let store = open_with(dir.path(), config(), &clock).unwrap();
        store.append_logs(vec![line(clock.now().0, "j", "x")]);
        store.close(DEADLINE).unwrap();
        drop(store);
        clock.jump(-jump);
    }
    let store = open_with(dir.path(), config(), &clock).unwrap();
    store.sync().unwrap();
    clock.advance(DAY - Duration::from_secs(60));
    store.sync().unwrap();
    assert_eq!(bodies(&store).len(), 2);
    clock.advance(Duration::from_secs(120));
    store.sync().unwrap();
    assert_eq!(bodies(&store).len(), 1, "what is ahead has been there for a day");
    clock.advance(Duration::from_secs(601));
    store.sync().unwrap();
    assert_eq!(names_in(&dir.path().join("logs")).len(), 0);
    store.close(DEADLINE).unwrap();
}
