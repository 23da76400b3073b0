//! Input that nobody should send: each kind has a stated outcome, and costs nobody else.

use super::*;
use crate::store::DropReason;

const NS: i64 = START_MS * 1_000_000;
const HOUR_MS: i64 = 3_600_000;

#[test]
fn times_before_1970_too_far_ahead_or_too_late_are_refused_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &clock());
    const WEEK_MS: i64 = 7 * 24 * HOUR_MS;
    let one = |at| scrape(at, &[(series("s", "a"), 1.0)]);
    for at in [-1, i64::MIN, START_MS + 600_001, i64::MAX, START_MS - WEEK_MS - 1] {
        store.append_scrape(one(at));
    }
    for at in [START_MS - WEEK_MS, START_MS + 600_000] {
        store.append_scrape(one(at));
    }
    let month_ns = 30 * 24 * HOUR_MS * 1_000_000;
    for at in [-1, i64::MIN, i64::MAX, NS + 600_001_000_000, NS - month_ns - 1_000_000, NS - month_ns] {
        store.append_logs(vec![line(at, "j", "x")]);
    }
    store.sync().unwrap();
    let stats = store.stats();
    assert_eq!((stats.metrics.dropped(DropReason::Time), stats.metrics.dropped(DropReason::Late)), (4, 1));
    assert_eq!((stats.logs.dropped(DropReason::Time), stats.logs.dropped(DropReason::Late)), (4, 1));
    assert_eq!((stats.samples, stats.lines), (2, 1));
    store.close(DEADLINE).unwrap();
}

#[test]
fn label_sets_without_a_name_or_too_long_cost_their_own_records_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &clock());
    let long = Labels::new([("__name__", "s"), ("path", &"x".repeat(1 << 20))]);
    let nameless = Labels::new([("", "x"), ("__name__", "s")]);
    store.append_scrape(scrape(
        START_MS,
        &[(long.clone(), 1.0), (nameless.clone(), 1.0), (series("s", "a"), 1.0)],
    ));
    let with = |stream| LogRecord { stream, ..line(NS, "j", "x") };
    store.append_logs(vec![with(long), with(nameless), with(Labels::default()), line(NS, "j", "kept")]);
    store.sync().unwrap();
    let stats = store.stats();
    assert_eq!((stats.metrics.dropped(DropReason::Labels), stats.logs.dropped(DropReason::Labels)), (2, 3));
    assert_eq!(values(&store, "s"), [(START_MS, 1.0)]);
    assert_eq!(bodies(&store), ["kept"]);
    store.close(DEADLINE).unwrap();
}

#[test]
fn a_line_of_ten_megabytes_is_cut_between_characters() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &clock());
    store.append_logs(vec![line(NS, "j", &"ä".repeat(5 << 20)), line(NS + 1, "j", "next")]);
    let metadata = vec![("long".into(), "y".repeat(1 << 20)), ("short".into(), "z".into())];
    store.append_logs(vec![LogRecord { metadata, ..line(NS + 2, "j", "with metadata") }]);
    store.close(DEADLINE).unwrap();
    drop(store);
    let store = open(dir.path(), &clock());
    let lines = read_lines(&store, vec![], Direction::Forward, usize::MAX);
    assert_eq!(lines[0].body, "ä".repeat(128 << 10), "256 KiB");
    assert_eq!(lines[1].body, "next");
    assert_eq!((lines[2].metadata("long"), lines[2].metadata("short")), ("", "z"));
    store.close(DEADLINE).unwrap();
}

#[test]
fn a_line_of_very_many_pairs_keeps_the_first_ones() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &clock());
    let metadata = vec![("".into(), String::new()); 1 << 20];
    store.append_logs(vec![LogRecord { metadata, ..line(NS, "j", "all empty") }]);
    let metadata = (0..2_000).map(|n| (n.to_string().into(), n.to_string())).collect();
    store.append_logs(vec![LogRecord { metadata, ..line(NS + 1, "j", "all different") }]);
    store.close(DEADLINE).unwrap();
    drop(store);
    let store = open(dir.path(), &clock());
    let lines = read_lines(&store, vec![], Direction::Forward, usize::MAX);
    assert_eq!((lines[0].body.as_str(), lines[1].body.as_str()), ("all empty", "all different"));
    assert_eq!((lines[1].metadata("1023"), lines[1].metadata("1024")), ("1023", ""));
    store.close(DEADLINE).unwrap();
}

#[test]
fn a_million_label_sets_in_a_minute_meet_a_limit_and_leave_the_rest_alone() {
    const SETS: usize = 1_000_000;
    const AT_A_TIME: usize = 20_000;
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let config = Config { series_max: 5_000, streams_max: 100, ..Config::default() };
    let store = open_with(dir.path(), config, &clock).unwrap();
    store.append_scrape(scrape(START_MS, &[(series("own", "a"), 1.0)]));
    for n in 0..SETS / AT_A_TIME {
        let labels = |k: usize| {
            Labels::new([("__name__", "flood".to_string()), ("id", (n * AT_A_TIME + k).to_string())])
        };
        let points: Vec<_> = (0..AT_A_TIME).map(|k| (labels(k), 1.0)).collect();
        store.append_scrape(scrape(START_MS + 1_000 * n as i64, &points));
        let lines = (0..AT_A_TIME).map(|k| line(NS, &format!("j{}", n * AT_A_TIME + k), "x"));
        store.append_logs(lines.collect());
        store.sync().unwrap();
        clock.advance(Duration::from_secs(1));
    }
    store.append_scrape(scrape(clock.now_ms().0, &[(series("own", "a"), 2.0)]));
    store.sync().unwrap();
    let stats = store.stats();
    assert_eq!((stats.n_series, stats.n_streams), (5_000, 100));
    assert_eq!(stats.metrics.dropped(DropReason::Limit), SETS as u64 - 4_999);
    assert_eq!(stats.logs.dropped(DropReason::Limit), SETS as u64 - 100);
    assert_eq!(values(&store, "own").len(), 2, "what was there before goes on");
    assert_eq!(store.cardinality(3).metrics, [("flood".to_string(), 4_999), ("own".to_string(), 1)]);
    store.close(DEADLINE).unwrap();
}

#[test]
fn nan_everywhere_is_kept_bit_by_bit() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &clock());
    let nans: Vec<u64> = (0..240).map(|n| 0x7ff8_0000_0000_0000 | (n * 0x1_0001) | ((n % 2) << 63)).collect();
    for (n, bits) in nans.iter().enumerate() {
        let points = [(series("nan", "a"), f64::from_bits(*bits)), (series("same", "a"), f64::NAN)];
        store.append_scrape(scrape(START_MS + n as i64, &points));
    }
    store.close(DEADLINE).unwrap();
    drop(store);
    let store = open(dir.path(), &clock());
    let found: Vec<u64> = values(&store, "nan").iter().map(|(_, value)| value.to_bits()).collect();
    assert_eq!(found, nans);
    assert!(values(&store, "same").iter().all(|(_, value)| value.is_nan()));
    store.close(DEADLINE).unwrap();
}

#[test]
fn a_clock_that_jumps_back_an_hour_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let mut expect = Vec::new();
    let mut write = |store: &Store, at_ms: i64, n: i64| {
        expect.push((at_ms, n as f64));
        store.append_scrape(scrape(at_ms, &[(series("s", "a"), n as f64)]));
        store.append_logs(vec![line(at_ms * 1_000_000, "j", &n.to_string())]);
        store.sync().unwrap();
    };
    let store = open(dir.path(), &clock);
    clock.advance(Duration::from_secs(7_200));
    (0..200).for_each(|n| write(&store, clock.now_ms().0 + n * 1_000, n));
    // What a manual clock cannot do itself: the times that come are of an hour ago, and the
    // store is opened by a process whose clock says so too.
    store.close(DEADLINE).unwrap();
    drop(store);
    let back = Clock::manual(UnixMillis(clock.now_ms().0 - HOUR_MS).to_nanos());
    let store = open(dir.path(), &back);
    (200..400).for_each(|n| write(&store, back.now_ms().0 + (n - 200) * 1_000 + 500, n));
    expect.sort_by_key(|(at, _)| *at);
    assert_eq!(values(&store, "s"), expect);
    let found = bodies(&store);
    assert_eq!(found, expect.iter().map(|(_, n)| n.to_string()).collect::<Vec<_>>());
    store.close(DEADLINE).unwrap();
}
