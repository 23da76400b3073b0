//! What was appended is read back: open, sealed, and over a restart.

use super::*;
use crate::record::{Metadata, MetricKind};

const NS: i64 = START_MS * 1_000_000;

#[test]
fn samples_are_read_from_open_and_sealed_chunks_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let up = series("up", "a");
    let expect: Vec<(i64, f64)> = (0..300).map(|n| (START_MS + n * 10_000, n as f64 / 10.0)).collect();
    let store = open(dir.path(), &clock);
    for (at, value) in &expect {
        store.append_scrape(scrape(*at, &[(up.clone(), *value), (series("one", "a"), 1.0)]));
        clock.advance(Duration::from_secs(10));
    }
    store.sync().unwrap();
    assert_eq!(values(&store, "up"), expect);
    assert_eq!(store.stats().n_series, 2);
    store.close(DEADLINE).unwrap();
    assert_eq!(values(&store, "up"), expect, "a closed store still reads");
    drop(store);
    let store = open(dir.path(), &clock);
    assert_eq!(values(&store, "up"), expect);
    assert_eq!(values(&store, "one").len(), 300);
    assert_eq!(names_in(&dir.path().join("wal")), Vec::<String>::new(), "a clean close leaves no WAL");
    store.close(DEADLINE).unwrap();
}

#[test]
fn what_has_settled_can_be_read_and_a_closed_store_settles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &clock());
    for n in 0..100 {
        store.append_scrape(scrape(START_MS + n, &[(series("up", "a"), n as f64)]));
        store.settle(DEADLINE).unwrap();
        assert_eq!(values(&store, "up").len() as i64, n + 1);
    }
    store.close(DEADLINE).unwrap();
    assert!(store.settle(DEADLINE).is_err());
}

#[test]
fn special_values_survive_sealing_and_restart() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let special = [f64::from_bits(0x7ff0_0000_0000_0002), f64::INFINITY, -0.0, f64::NEG_INFINITY, 0.1];
    let store = open(dir.path(), &clock);
    for (n, value) in special.iter().enumerate() {
        store.append_scrape(scrape(START_MS + n as i64, &[(series("s", "a"), *value)]));
    }
    store.close(DEADLINE).unwrap();
    let store = open(dir.path(), &clock);
    let bits: Vec<u64> = values(&store, "s").iter().map(|(_, value)| value.to_bits()).collect();
    assert_eq!(bits, special.map(f64::to_bits));
    store.close(DEADLINE).unwrap();
}

#[test]
fn series_may_appear_and_vanish_and_ranges_cut() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let store = open(dir.path(), &clock);
    for n in 0..200 {
        let mut points = vec![(series("always", "a"), n as f64)];
        if (50..60).contains(&n) {
            points.push((series("short", "a"), n as f64));
        }
        store.append_scrape(scrape(START_MS + n * 1_000, &points));
        clock.advance(Duration::from_secs(1));
    }
    store.sync().unwrap();
    assert_eq!(values(&store, "short").len(), 10);
    assert_eq!(all_series(&store, vec![Matcher::matches("__name__", "a.*").unwrap()]).len(), 1);
    let select = SeriesSelect {
        matchers: vec![],
        from: UnixMillis(START_MS + 55_000),
        to: UnixMillis(START_MS + 150_000),
    };
    let mut n_samples = Vec::new();
    store
        .series(&select, &mut |_, samples| {
            n_samples.push(samples.len());
            ControlFlow::Continue(())
        })
        .unwrap();
    n_samples.sort_unstable();
    assert_eq!(n_samples, [5, 96]);
    store.close(DEADLINE).unwrap();
}

#[test]
fn late_and_duplicate_scrapes_have_a_stated_outcome() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let store = open(dir.path(), &clock);
    let hour_ms = 3_600_000;
    for (offset, value) in [(0, 1.0), (1_000, 2.0), (-hour_ms, 0.5), (1_000, 9.0), (2_000, 3.0)] {
        store.append_scrape(scrape(START_MS + offset, &[(series("s", "a"), value)]));
    }
    store.sync().unwrap();
    let expect =
        [(-hour_ms, 0.5), (0, 1.0), (1_000, 2.0), (2_000, 3.0)].map(|(at, value)| (START_MS + at, value));
    assert_eq!(values(&store, "s"), expect);
    assert_eq!(store.stats().metrics.dropped(crate::store::DropReason::Duplicate), 1);
    store.close(DEADLINE).unwrap();
    let store = open(dir.path(), &clock);
    assert_eq!(values(&store, "s"), expect);
    store.close(DEADLINE).unwrap();
}

#[test]
fn lines_of_all_streams_merge_by_time_in_both_directions() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let store = open(dir.path(), &clock);
    // Equal times, several streams, sealed and open blocks, two generations.
    let batch =
        |from: i64| (from..from + 300).map(|n| line(NS + n / 3, &format!("j{}", n % 4), &n.to_string()));
    store.append_logs(batch(0).collect());
    store.close(DEADLINE).unwrap();
    let store = open(dir.path(), &clock);
    store.append_logs(batch(300).collect());
    store.sync().unwrap();
    let expect: Vec<String> = (0..600).map(|n| n.to_string()).collect();
    assert_eq!(bodies(&store), expect);
    let mut backward: Vec<String> = read_lines(&store, vec![], Direction::Backward, usize::MAX)
        .into_iter()
        .map(|record| record.body)
        .collect();
    backward.reverse();
    assert_eq!(backward, expect);
    let newest = read_lines(&store, vec![Matcher::equal("job", "j1")], Direction::Backward, 2);
    assert_eq!(newest[0], line(NS + 597 / 3, "j1", "597"));
    assert_eq!(newest[1].body, "593");
    store.close(DEADLINE).unwrap();
}

#[test]
fn line_range_has_an_exclusive_end() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &clock());
    store.append_logs((0..10).map(|n| line(NS + n, "j", &n.to_string())).collect());
    store.sync().unwrap();
    let select = LogSelect::new(vec![], UnixNanos(NS + 2), UnixNanos(NS + 5), Direction::Forward);
    let mut found = Vec::new();
    store
        .lines(&select, &mut |record| {
            found.push(record.at.0 - NS);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(found, [2, 3, 4]);
    store.close(DEADLINE).unwrap();
}

#[test]
fn metadata_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let about = Metadata {
        name: "up".into(),
        kind: MetricKind::Gauge,
        unit: String::new(),
        help: "1 when the target answers.".into(),
    };
    let store = open(dir.path(), &clock());
    assert!(store.remember_metadata(vec![about.clone()]));
    store.close(DEADLINE).unwrap();
    let store = open(dir.path(), &clock());
    assert_eq!(store.metadata(), [about]);
    store.close(DEADLINE).unwrap();
}

#[test]
fn volumes_of_steps_come_to_the_volume_of_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &clock());
    let at = |n: i64| NS + if n < 90 { n } else { 1_000 };
    store.append_logs((0..100).map(|n| line(at(n), "j", "text")).collect());
    store.close(DEADLINE).unwrap();
    let store = open(dir.path(), &clock());
    let volume = |from: i64, to: i64| {
        let volumes = store.streams(&[], UnixNanos(NS + from), UnixNanos(NS + to)).unwrap();
        volumes.first().map_or((0, 0), |volume| (volume.n_lines, volume.n_bytes))
    };
    assert_eq!(volume(0, 1_001), (100, 400));
    assert_eq!(volume(-500, 501), (50, 200));
    assert_eq!(volume(501, 5_000), (50, 200));
    assert_eq!((volume(-5, 0), volume(1_001, 2_000)), ((0, 0), (0, 0)));
    store.close(DEADLINE).unwrap();
}
