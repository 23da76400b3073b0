//! Other processes, other versions, foreign files, torn writes, handles that fail.

use super::*;
use crate::store::config::{BLOCK_MAX_BYTES, SEAL_INTERVAL};
use crate::store::disk::partition::{Kind, Partition};
use crate::store::metric::window::{Source, Window};

const NS: i64 = START_MS * 1_000_000;

#[test]
fn second_process_is_refused_with_the_pid_of_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &clock());
    let err = open_with(dir.path(), Config::default(), &clock()).err().unwrap();
    assert!(matches!(err, OpenError::Locked { pid, .. } if pid == std::process::id()));
    assert!(err.to_string().contains("stop that process"));
    store.close(DEADLINE).unwrap();
    open(dir.path(), &clock()).close(DEADLINE).unwrap();
}

#[test]
fn unusable_directory_names_itself() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let err = open_with(&file.join("data"), Config::default(), &clock()).err().unwrap();
    assert!(matches!(&err, OpenError::NotWritable { path, .. } if path.ends_with("file/data")), "{err}");
}

#[test]
fn newer_format_is_refused_and_older_set_aside_while_the_rest_is_served() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..2 {
        let store = open(dir.path(), &clock());
        store.append_logs(vec![line(NS + n, "j", &n.to_string())]);
        store.close(DEADLINE).unwrap();
    }
    let logs = dir.path().join("logs");
    let marker = logs.join(&names_in(&logs)[0]).join("format");
    std::fs::write(&marker, "vitrine logs 3\n").unwrap();
    let err = open_with(dir.path(), Config::default(), &clock()).err().unwrap();
    assert!(matches!(err, OpenError::NewerFormat { found: 3, known: 2, .. }), "{err}");
    std::fs::write(&marker, "vitrine logs 1\n").unwrap();
    std::fs::write(logs.join("notes.txt"), "not ours").unwrap();
    let store = open(dir.path(), &clock());
    assert_eq!(bodies(&store), ["1"]);
    assert_eq!(names_in(&dir.path().join("set-aside")).len(), 2);
    assert_eq!(names_in(&logs).len(), 1);
    store.close(DEADLINE).unwrap();
}

#[test]
fn damaged_partition_is_set_aside_and_the_rest_served() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..2 {
        let store = open(dir.path(), &clock());
        store.append_logs(vec![line(NS + n, "j", &n.to_string())]);
        store.close(DEADLINE).unwrap();
    }
    let logs = dir.path().join("logs");
    let partition = logs.join(&names_in(&logs)[0]);
    // As if the writer had been killed and the disk had eaten sled's files.
    std::fs::remove_file(partition.join("summary")).unwrap();
    std::fs::remove_dir_all(partition.join("db")).unwrap();
    std::fs::write(partition.join("db"), "rubbish").unwrap();
    let store = open(dir.path(), &clock());
    assert_eq!(bodies(&store), ["1"]);
    assert_eq!(names_in(&dir.path().join("set-aside")).len(), 1);
    store.close(DEADLINE).unwrap();
}

#[test]
fn sealed_partition_that_cannot_be_read_costs_no_other_data() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..2 {
        let store = open(dir.path(), &clock());
        store.append_logs(vec![line(NS + n, "j", &n.to_string())]);
        store.append_scrape(scrape(START_MS + n, &[(series("s", "a"), n as f64)]));
        store.close(DEADLINE).unwrap();
    }
    // Its summary is whole, so nobody notices until someone reads.
    for root in ["logs", "metrics"].map(|root| dir.path().join(root)) {
        let db = root.join(&names_in(&root)[0]).join("db");
        std::fs::remove_dir_all(&db).unwrap();
        std::fs::write(&db, "rubbish").unwrap();
    }
    let store = open(dir.path(), &clock());
    for _ in 0..2 {
        assert_eq!(bodies(&store), ["1"]);
        assert_eq!(values(&store, "s"), [(START_MS + 1, 1.0)]);
    }
    let stats = store.stats();
    assert_eq!((stats.logs.n_unreadable, stats.metrics.n_unreadable), (1, 1));
    store.close(DEADLINE).unwrap();
}

/// Leaves the directory as a killed process would: WAL written, nothing sealed.
fn abandon(dir: &Path, clock: &Clock, feed: impl FnOnce(&Store)) -> tempfile::TempDir {
    let store = open(dir, clock);
    feed(&store);
    store.sync().unwrap();
    let copy = tempfile::tempdir().unwrap();
    copy_tree(dir, copy.path());
    store.close(DEADLINE).unwrap();
    copy
}

#[test]
fn wal_is_replayed_once_and_then_gone() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let copy = abandon(dir.path(), &clock, |store| {
        for n in 0..150 {
            store.append_scrape(scrape(START_MS + n * 1_000, &[(series("s", "a"), n as f64)]));
        }
        store.append_logs((0..50).map(|n| line(NS + n, "j", &n.to_string())).collect());
        store.sync().unwrap();
        store.append_logs((50..90).map(|n| line(NS + n, "j", &n.to_string())).collect());
    });
    // The chunks of the first 120 scrapes were sealed, and are in the WAL as well or not.
    for _ in 0..2 {
        let store = open(copy.path(), &clock);
        assert_eq!(values(&store, "s").len(), 150);
        assert_eq!(bodies(&store), (0..90).map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!(names_in(&copy.path().join("wal")).len(), 0);
        store.close(DEADLINE).unwrap();
    }
}

#[test]
fn crash_between_sealing_and_removing_the_wal_shows_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let copy = abandon(dir.path(), &clock, |store| {
        store.append_scrape(scrape(START_MS, &[(series("s", "a"), 1.0)]));
        store.append_logs((0..9).map(|n| line(NS, "j", &n.to_string())).collect());
    });
    let wal_again = tempfile::tempdir().unwrap();
    copy_tree(&copy.path().join("wal"), wal_again.path());
    open(copy.path(), &clock).close(DEADLINE).unwrap();
    copy_tree(wal_again.path(), &copy.path().join("wal"));
    let store = open(copy.path(), &clock);
    assert_eq!(bodies(&store), (0..9).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(values(&store, "s"), [(START_MS, 1.0)]);
    assert_eq!(store.stats().logs.n_partitions, 1);
    store.close(DEADLINE).unwrap();
}

#[test]
fn damaged_logs_partition_does_not_take_the_wal_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let copy = abandon(dir.path(), &clock, |store| {
        store.append_logs((0..9).map(|n| line(NS, "j", &n.to_string())).collect());
    });
    let wal_again = tempfile::tempdir().unwrap();
    copy_tree(&copy.path().join("wal"), wal_again.path());
    open(copy.path(), &clock).close(DEADLINE).unwrap();
    copy_tree(wal_again.path(), &copy.path().join("wal"));
    let logs = copy.path().join("logs");
    let db = logs.join(&names_in(&logs)[0]).join("db");
    std::fs::remove_dir_all(&db).unwrap();
    std::fs::write(&db, "rubbish").unwrap();
    let store = open(copy.path(), &clock);
    assert_eq!(bodies(&store), (0..9).map(|n| n.to_string()).collect::<Vec<_>>());
    let aside = names_in(&copy.path().join("set-aside"));
    assert!(aside.len() == 1 && aside[0].starts_with("000001-damaged-logs-"), "{aside:?}");
    store.close(DEADLINE).unwrap();
}

#[test]
fn torn_wal_tail_costs_only_the_tail() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let copy = abandon(dir.path(), &clock, |store| {
        for n in 0..5 {
            store.append_logs(vec![line(NS + n, "j", &n.to_string())]);
            store.sync().unwrap();
        }
    });
    let wal = copy.path().join("wal");
    let frames = wal.join(&names_in(&wal)[0]).join("db").join("metadata");
    // sled appends one frame to its youngest log for each flush.
    let log = names_in(&frames).into_iter().rfind(|name| name.starts_with("log")).unwrap();
    let log = frames.join(log);
    let bytes = std::fs::read(&log).unwrap();
    std::fs::write(&log, &bytes[..bytes.len() - 5]).unwrap();
    let store = open(copy.path(), &clock);
    let found = bodies(&store);
    assert!(found.len() >= 3 && found.len() < 5, "{found:?}");
    assert_eq!(found, (0..found.len()).map(|n| n.to_string()).collect::<Vec<_>>());
    store.close(DEADLINE).unwrap();
}

#[test]
fn windows_of_an_earlier_start_do_not_stand_for_rows_of_this_one() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let copy = abandon(dir.path(), &clock, |store| {
        // What a replay leaves that could not be sealed.
        let mut window = Window::new(Source::OTHERS, Duration::ZERO, 0, 1_000);
        let slot = window.slot(UnixMillis(START_MS));
        window.put(slot, &series("s", "a"), 1.0, 10);
        store.0.shared.state_mut().windows.closing.push(window);
        store.append_scrape(scrape(START_MS + 1_000, &[(series("s", "a"), 2.0)]));
    });
    let store = open(copy.path(), &clock);
    assert_eq!(values(&store, "s"), [(START_MS, 1.0), (START_MS + 1_000, 2.0)]);
    store.close(DEADLINE).unwrap();
}

#[test]
fn failed_handle_is_replaced_and_nothing_accepted_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let store = open(dir.path(), &clock);
    let batch =
        |from: i64| (from..from + 40).map(|n| line(NS + n, "j", &format!("{n} {}", "x".repeat(9_000))));
    store.append_logs(batch(0).collect());
    clock.advance(SEAL_INTERVAL);
    store.sync().unwrap();
    // What a failed flush does to the write handle.
    store.0.shared.state().tier(Kind::Logs).active.as_ref().unwrap().partition.db.give_up();
    store.append_logs(batch(40).collect());
    clock.advance(SEAL_INTERVAL);
    assert!(store.sync().unwrap_err().to_string().contains("given up after an earlier error"));
    assert!(store.stats().degraded.is_some());
    let started = std::time::Instant::now();
    while store.sync().is_err() {
        assert!(started.elapsed() < DEADLINE, "{:?}", store.stats().degraded);
        std::thread::yield_now();
    }
    assert_eq!(store.stats().logs.n_partitions, 2, "a new partition beside the failed one");
    store.close(DEADLINE).unwrap();
    // The given up handle holds its directory until the process ends, so a copy stands for
    // the next process.
    let copy = tempfile::tempdir().unwrap();
    copy_tree(dir.path(), copy.path());
    let store = open(copy.path(), &clock);
    let found = bodies(&store);
    assert_eq!(found.len(), 80);
    assert!(found.iter().enumerate().all(|(n, body)| body.starts_with(&format!("{n} "))));
    store.close(DEADLINE).unwrap();
}

#[test]
fn what_cannot_be_sealed_is_logged_and_close_does_not_wait_for_the_next_attempt() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let store = open(dir.path(), &clock);
    let long = |n: i64| line(NS + n, "j", &format!("{n} {}", "x".repeat(BLOCK_MAX_BYTES)));
    store.append_logs(vec![long(0)]);
    clock.advance(SEAL_INTERVAL);
    store.sync().unwrap();
    store.0.shared.state().tier(Kind::Logs).active.as_ref().unwrap().partition.db.give_up();
    store.append_logs(vec![long(1)]);
    clock.advance(SEAL_INTERVAL);
    store.append_scrape(scrape(START_MS, &[(series("s", "a"), 1.0)]));
    store.append_logs(vec![line(NS + 2, "other", "2")]);
    assert!(store.sync().is_err());
    let copy = tempfile::tempdir().unwrap();
    copy_tree(dir.path(), copy.path());
    let after_crash = open(copy.path(), &clock);
    assert_eq!(bodies(&after_crash).len(), 3);
    assert_eq!(values(&after_crash, "s"), [(START_MS, 1.0)]);
    after_crash.close(DEADLINE).unwrap();
    store.close(DEADLINE).unwrap();
    assert_eq!(names_in(&dir.path().join("wal")).len(), 0, "closing sealed what was left");
}

#[test]
fn after_giving_up_for_good_records_are_refused_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let store = open(dir.path(), &clock);
    // A panic gives up every handle; twice three of them are as many as may be.
    for round in 0..2 {
        for n in 0..120 {
            store.append_scrape(scrape(START_MS + round * 1_000 + n, &[(series("s", "a"), 1.0)]));
        }
        store.append_logs(vec![line(NS, "sealed", &"x".repeat(BLOCK_MAX_BYTES)), line(NS, "logged", "x")]);
        clock.advance(SEAL_INTERVAL);
        // The acknowledgement that panics takes those of its flush along.
        while store.sync().is_err() {
            std::thread::yield_now();
        }
        store.on_durable(|_| panic!("a reader of acknowledgements that fails")).unwrap();
        // The acknowledgement that panics takes those of its flush along.
        while store.sync() == Err(crate::store::SyncError::Closed) {
            std::thread::yield_now();
        }
    }
    assert!(store.sync().is_err());
    store.append_logs(vec![line(NS + 1, "j", "refused")]);
    assert!(store.sync().unwrap_err().to_string().contains("a restart is needed"));
    assert_eq!(store.stats().logs.dropped(crate::store::DropReason::Failed), 1);
    assert!(store.close(DEADLINE).is_err());
}

#[test]
fn writer_that_ends_after_panics_answers_who_waits_and_counts_what_waits() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &clock());
    for _ in 0..5 {
        store.on_durable(|_| panic!("a reader of acknowledgements that fails")).unwrap();
        // A flush of its own each, so that each is a panic of its own.
        let started = std::time::Instant::now();
        while store.sync().is_err() {
            assert!(started.elapsed() < DEADLINE);
        }
    }
    let (entered, is_entered) = std::sync::mpsc::sync_channel(1);
    let (go, may_go) = std::sync::mpsc::sync_channel::<()>(1);
    store
        .on_durable(move |_| {
            entered.send(()).unwrap();
            may_go.recv().unwrap();
            panic!("once too often");
        })
        .unwrap();
    is_entered.recv().unwrap();
    store.append_logs(vec![line(NS, "j", "1"), line(NS, "j", "2")]);
    let (answer, is_answered) = std::sync::mpsc::sync_channel(1);
    store.on_durable(move |res| answer.send(res).unwrap()).unwrap();
    go.send(()).unwrap();
    assert_eq!(is_answered.recv_timeout(DEADLINE), Ok(Err(crate::store::SyncError::Closed)));
    assert_eq!(store.stats().logs.dropped(crate::store::DropReason::Closed), 2);
    assert!(store.close(DEADLINE).is_err());
}

#[test]
fn readers_of_a_partition_that_is_dropped_end_well() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &clock());
    store.append_logs((0..100).map(|n| line(NS + n, "j", &n.to_string())).collect());
    store.close(DEADLINE).unwrap();
    drop(store);
    let store = open(dir.path(), &clock());
    let select = LogSelect::new(vec![], UnixNanos(0), UnixNanos(i64::MAX), Direction::Forward);
    let mut n_lines = 0;
    store
        .lines(&select, &mut |_| {
            if n_lines == 0 {
                let oldest = store.0.shared.state().tier(Kind::Logs).sealed[0].clone();
                oldest.dropped.store(true, std::sync::atomic::Ordering::Relaxed);
                oldest.db.close();
                oldest.remove().unwrap();
            }
            n_lines += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(n_lines, 100, "the walk keeps the block that it has unpacked");
    assert_eq!(bodies(&store).len(), 0);
    store.close(DEADLINE).unwrap();
}

#[test]
fn rare_word_opens_few_blocks_before_and_after_a_crash_and_a_restart() {
    const RARE: &str = "zugzwang";
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let n_lines = 20_000;
    let lines = (0..n_lines).map(|n| {
        let word = if n == n_lines / 3 { RARE } else { "move" };
        line(NS + n, "j", &format!("{word} {n} of {:016x}", (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    });
    let lines: Vec<_> = lines.collect();
    let few = |store: &Store, when: &str| {
        let select = LogSelect {
            contains: vec![RARE.to_string()],
            ..LogSelect::new(
                vec![Matcher::equal("job", "j")],
                UnixNanos(0),
                UnixNanos(i64::MAX),
                Direction::Forward,
            )
        };
        let mut found = Vec::new();
        let stats = store
            .lines(&select, &mut |line| {
                found.push(line.content.body().to_string());
                ControlFlow::Continue(())
            })
            .unwrap();
        assert!(found.len() == 1 && found[0].starts_with(RARE), "{when}: {} lines", found.len());
        assert!(stats.n_blocks >= 4 && stats.n_unpacked <= 2, "{when}: {stats:?}");
    };
    let copy = abandon(dir.path(), &clock, |store| {
        lines.chunks(1_000).for_each(|chunk| assert!(store.append_logs(chunk.to_vec())));
        store.sync().unwrap();
        clock.advance(SEAL_INTERVAL);
        store.sync().unwrap();
        few(store, "at work");
    });
    for when in ["after a crash", "after a restart"] {
        let store = open(copy.path(), &clock);
        few(&store, when);
        store.close(DEADLINE).unwrap();
    }
}

#[test]
fn what_was_accepted_is_replayed_whatever_the_limit_is_now() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let copy = abandon(dir.path(), &clock, |store| {
        for row in 0..20 {
            let points: Vec<_> = (0..10).map(|n| (series("s", &format!("{row} {n}")), 1.0)).collect();
            store.append_scrape(scrape(START_MS + row, &points));
        }
    });
    let store = open_with(copy.path(), Config { series_max: 100, ..Config::default() }, &clock).unwrap();
    assert_eq!(values(&store, "s").len(), 200);
    store.close(DEADLINE).unwrap();
}

/// Opens a store with one line, and returns the partition that has it.
fn with_a_sealed_line(dir: &Path) -> (Store, std::sync::Arc<Partition>) {
    let store = open(dir, &clock());
    store.append_logs(vec![line(NS, "j", "0")]);
    store.close(DEADLINE).unwrap();
    drop(store);
    let store = open(dir, &clock());
    let sealed = store.0.shared.state().tier(Kind::Logs).sealed[0].clone();
    (store, sealed)
}

#[test]
fn a_read_that_fails_for_a_moment_costs_that_read_only() {
    let dir = tempfile::tempdir().unwrap();
    let (store, sealed) = with_a_sealed_line(dir.path());
    store.0.shared.leave_out(&sealed, &sealed.io("open", std::io::Error::from_raw_os_error(24)));
    assert_eq!(bodies(&store), ["0"]);
    assert_eq!(store.stats().logs.n_unreadable, 0);
    store.close(DEADLINE).unwrap();
}

#[test]
fn a_partition_that_is_gone_is_not_made_again_by_who_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let (store, sealed) = with_a_sealed_line(dir.path());
    sealed.remove().unwrap();
    assert!(sealed.db.open().is_err());
    assert!(!sealed.path.exists());
    store.close(DEADLINE).unwrap();
}
