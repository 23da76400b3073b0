//! Followed files, on a real disk and a clock that the tests move: no test waits.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;

use super::bounds::{
    FILES_MAX, GLOB_INTERVAL, HALF_LINE_PATIENCE, LINE_MAX_BYTES, ROTATED_PATIENCE, SOURCE_BURST_BYTES,
};
use super::counts::{Counts, From, Trouble};
use super::rounds::{Base, Rounds};
use super::{Config, FileSource, Format, StartAt};
use crate::clock::{Clock, UnixNanos};
use crate::ingest::{NotKept, Sink};
use crate::record::{LogAddresses, LogRecord, Severity};

#[derive(Default)]
struct Memory {
    records: Mutex<Vec<LogRecord>>,
    refuses: AtomicBool,
}

impl Sink for Memory {
    fn keep(&self, records: Vec<LogRecord>) {
        self.records.lock().unwrap().extend(records);
    }

    fn keep_durably(&self, records: Vec<LogRecord>) -> BoxFuture<'static, Result<(), NotKept>> {
        if self.refuses.load(Ordering::Relaxed) {
            return Box::pin(async { Err(NotKept) });
        }
        self.keep(records);
        Box::pin(async { Ok(()) })
    }
}

struct World {
    dir: tempfile::TempDir,
    clock: Clock,
    counts: Arc<Counts>,
    sink: Arc<Memory>,
    config: Config,
    rounds: Option<Rounds>,
}

impl World {
    /// Follows the pattern from the end of what is there, as by default.
    fn new(pattern: &str) -> World {
        World::with(pattern, |_, _| {})
    }

    fn with(pattern: &str, prepare: impl FnOnce(&Path, &mut FileSource)) -> World {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("log")).unwrap();
        let mut source = FileSource {
            path: dir.path().join("log").join(pattern).display().to_string(),
            tag: None,
            format: Format::Auto,
            from: StartAt::End,
        };
        prepare(&dir.path().join("log"), &mut source);
        let mut world = World {
            dir,
            clock: Clock::manual(UnixNanos(1_795_711_742_000_000_000)),
            counts: Arc::new(Counts::default()),
            sink: Arc::new(Memory::default()),
            config: Config { files: vec![source], journals: vec![] },
            rounds: None,
        };
        world.restart();
        world.run();
        world
    }

    /// Ends without a last round, as `kill -9` between two rounds, and starts again.
    fn restart(&mut self) {
        self.stop();
        let base = Base {
            sink: self.sink.clone(),
            clock: self.clock.clone(),
            counts: self.counts.clone(),
            positions: self.dir.path().join("logs-positions.json"),
            journalctl: "/nowhere/journalctl".into(),
            here: TimeZone::UTC,
        };
        self.rounds = Some(Rounds::new(base, &self.config, LogAddresses::No));
    }

    fn stop(&mut self) {
        self.rounds = None;
    }

    /// Rounds until nothing is left to do.
    fn run(&mut self) {
        let rounds = self.rounds.as_mut().unwrap();
        while rounds.step(Duration::ZERO) {}
    }

    fn pass(&mut self, time: Duration) {
        self.clock.advance(time);
        self.run();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("log").join(name)
    }

    fn append(&self, name: &str, text: &str) {
        append(&self.path(name), text.as_bytes());
    }

    /// Returns the lines that came since it was last asked.
    fn lines(&mut self) -> Vec<String> {
        self.run();
        self.records().into_iter().map(|record| record.body).collect()
    }

    fn records(&self) -> Vec<LogRecord> {
        std::mem::take(&mut *self.sink.records.lock().unwrap())
    }

    fn troubles(&self, trouble: Trouble) -> u64 {
        self.counts.troubles(From::File, trouble)
    }
}

fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(bytes).unwrap();
}

/// Numbered lines, each different from all others.
fn numbered(numbers: std::ops::Range<usize>) -> String {
    numbers.map(|n| format!("line {n}\n")).collect()
}

fn expected(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|n| format!("line {n}")).collect()
}

#[test]
fn lines_from_now_on_are_read_once() {
    let mut world = World::with("*.log", |dir, _| append(&dir.join("app.log"), b"before\nhalf of "));
    assert!(world.lines().is_empty());
    world.append("app.log", "an old line\nline 0\r\n\n");
    let records = {
        world.run();
        world.records()
    };
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0].body, "line 0");
    assert_eq!(records[0].stream.to_string(), r#"{job="app",service_name="app"}"#);
    assert!(world.lines().is_empty());
    world.append("app.log", "line 1\n");
    assert_eq!(world.lines(), ["line 1"]);
}

#[test]
fn from_start_reads_what_is_there() {
    let mut world = World::with("*.log", |dir, source| {
        append(&dir.join("app.log"), numbered(0..3).as_bytes());
        source.from = StartAt::Start;
        source.tag = Some("shop".into());
    });
    let records = world.records();
    assert_eq!((records.len(), records[0].stream.get("job")), (3, "shop"));
    world.restart();
    assert!(world.lines().is_empty());
}

#[test]
fn a_renamed_file_is_read_to_its_end_and_the_new_one_from_its_start() {
    let mut world = World::with("app.log", |dir, _| append(&dir.join("app.log"), b"old\n"));
    world.append("app.log", &numbered(0..3));
    assert_eq!(world.lines(), expected(0..3));
    world.append("app.log", "line 3\n");
    fs::rename(world.path("app.log"), world.path("app.log.1")).unwrap();
    world.append("app.log", "line 5\n");
    // Its program goes on writing to it until it is told to open the new one.
    world.append("app.log.1", "line 4\n");
    let mut lines = world.lines();
    lines.sort();
    assert_eq!(lines, expected(3..6));
    world.append("app.log.1", "line 6");
    world.pass(ROTATED_PATIENCE);
    world.pass(ROTATED_PATIENCE);
    assert_eq!(world.lines(), ["line 6"]);
    world.append("app.log", "line 7\n");
    assert_eq!(world.lines(), ["line 7"]);
}

#[test]
fn a_pattern_that_matches_rotated_files_too_reads_nothing_twice() {
    let mut world = World::with("app.log*", |dir, _| append(&dir.join("app.log"), b"old\n"));
    for round in 0..4 {
        let numbers = round * 10..round * 10 + 10;
        world.append("app.log", &numbered(numbers.clone()));
        // Every second time the rotation comes before we looked.
        let seen = if round % 2 == 0 { world.lines() } else { vec![] };
        for n in (0..4).rev() {
            let old = if n == 0 { world.path("app.log") } else { world.path(&format!("app.log.{n}")) };
            if old.exists() {
                fs::rename(old, world.path(&format!("app.log.{}", n + 1))).unwrap();
            }
        }
        world.append("app.log", "");
        world.pass(GLOB_INTERVAL);
        assert_eq!([seen, world.lines()].concat(), expected(numbers));
        world.pass(ROTATED_PATIENCE * 2);
        world.restart();
        world.pass(GLOB_INTERVAL);
        assert!(world.lines().is_empty());
    }
}

#[test]
fn copytruncate_loses_and_doubles_nothing() {
    let mut world = World::with("app.log*", |dir, _| append(&dir.join("app.log"), b""));
    world.append("app.log", &numbered(0..500));
    assert_eq!(world.lines(), expected(0..500));
    // What comes between our reading and the copy is only in the copy.
    world.append("app.log", &numbered(500..505));
    world.append("app.log", "line 50");
    fs::copy(world.path("app.log"), world.path("app.log.1")).unwrap();
    OpenOptions::new().write(true).open(world.path("app.log")).unwrap().set_len(0).unwrap();
    append(&world.path("app.log.1"), b"5\n");
    world.append("app.log", "line 506\n");
    let mut lines = world.lines();
    lines.sort();
    assert_eq!(lines, expected(500..507));
    world.pass(GLOB_INTERVAL);
    assert!(world.lines().is_empty());
    assert_eq!(world.troubles(Trouble::Truncated), 1);
    world.pass(ROTATED_PATIENCE * 2);
    world.restart();
    world.pass(GLOB_INTERVAL);
    assert!(world.lines().is_empty());
}

#[test]
fn truncation_is_noticed_also_when_the_new_content_is_longer() {
    let mut world = World::with("app.log", |dir, _| append(&dir.join("app.log"), b""));
    world.append("app.log", &numbered(0..10));
    assert_eq!(world.lines(), expected(0..10));
    fs::write(world.path("app.log"), "shorter\n").unwrap();
    assert_eq!(world.lines(), ["shorter"]);
    fs::write(world.path("app.log"), numbered(20..60)).unwrap();
    assert_eq!(world.lines(), expected(20..60));
    assert_eq!(world.troubles(Trouble::Truncated), 2);
    world.stop();
    fs::write(world.path("app.log"), numbered(70..200)).unwrap();
    world.restart();
    assert_eq!(world.lines(), expected(70..200));
}

#[test]
fn a_restart_goes_on_where_lines_are_on_disk() {
    let mut world = World::with("app.log", |dir, _| append(&dir.join("app.log"), b"old\n"));
    world.append("app.log", "line 0\nline");
    assert_eq!(world.lines(), ["line 0"]);
    world.stop();
    world.append("app.log", " 1\nline 2\n");
    world.restart();
    assert_eq!(world.lines(), ["line 1", "line 2"]);
}

#[test]
fn a_rotation_while_nobody_looked_loses_nothing() {
    let mut world = World::with("app.log", |dir, _| append(&dir.join("app.log"), b"old\n"));
    world.append("app.log", "line 0\n");
    assert_eq!(world.lines(), ["line 0"]);
    world.stop();
    world.append("app.log", "line 1\n");
    fs::rename(world.path("app.log"), world.path("app.log.1")).unwrap();
    world.append("app.log", "line 2\n");
    world.restart();
    let mut lines = world.lines();
    lines.sort();
    assert_eq!(lines, ["line 1", "line 2"]);
    world.restart();
    assert!(world.lines().is_empty());
}

#[test]
fn another_file_with_the_same_inode_is_read_from_its_start() {
    let mut world = World::with("app.log", |dir, _| append(&dir.join("app.log"), b"old\n"));
    world.append("app.log", "line 0\n");
    assert_eq!(world.lines(), ["line 0"]);
    let inode = fs::metadata(world.path("app.log")).unwrap().ino();
    world.stop();
    // The same inode with other first bytes and more of them, as after its number was used anew.
    let mut file = File::options().write(true).truncate(true).open(world.path("app.log")).unwrap();
    file.write_all(numbered(1..9).as_bytes()).unwrap();
    assert_eq!(fs::metadata(world.path("app.log")).unwrap().ino(), inode);
    world.restart();
    assert_eq!(world.lines(), expected(1..9));
}

#[test]
fn half_a_line_waits_for_its_end_but_not_for_ever() {
    let mut world = World::with("app.log", |dir, _| append(&dir.join("app.log"), b""));
    world.append("app.log", "half");
    assert!(world.lines().is_empty());
    world.pass(HALF_LINE_PATIENCE / 2);
    world.append("app.log", " and half\n");
    assert_eq!(world.lines(), ["half and half"]);
    world.append("app.log", "no end");
    assert!(world.lines().is_empty());
    world.pass(HALF_LINE_PATIENCE);
    assert_eq!(world.lines(), ["no end"]);
}

#[test]
fn a_line_of_10_mb_is_cut_and_its_rest_is_no_line() {
    let mut world = World::with("app.log", |dir, _| append(&dir.join("app.log"), b""));
    append(&world.path("app.log"), &vec![b'x'; 10 << 20]);
    world.append("app.log", "\nline 1\n");
    let mut lines = world.lines();
    // It is more than a source may bring at once.
    assert!(world.troubles(Trouble::Rate) > 0);
    world.pass(Duration::from_secs(10));
    lines.extend(world.lines());
    assert_eq!(lines.len(), 2);
    assert_eq!((lines[0].len(), lines[1].as_str()), (LINE_MAX_BYTES, "line 1"));
    assert_eq!(world.troubles(Trouble::Size), 1);
}

#[test]
fn a_restart_inside_a_cut_line_passes_over_its_rest() {
    let mut world = World::with("app.log", |dir, _| append(&dir.join("app.log"), b""));
    append(&world.path("app.log"), &vec![b'x'; LINE_MAX_BYTES + 1_000]);
    assert_eq!(world.lines().len(), 1);
    world.restart();
    world.append("app.log", "rest\nline 1\n");
    assert_eq!(world.lines(), ["line 1"]);
}

#[test]
fn a_flood_is_held_back_and_read_later() {
    let mut world = World::with("app.log", |dir, _| append(&dir.join("app.log"), b""));
    let line = format!("{}\n", "x".repeat(1 << 10));
    let n_lines = (SOURCE_BURST_BYTES + (4 << 20)) / line.len();
    append(&world.path("app.log"), line.repeat(n_lines).as_bytes());
    let n_first = world.lines().len();
    assert!(n_first < n_lines, "{n_first} of {n_lines}");
    assert!(world.troubles(Trouble::Rate) > 0);
    world.pass(Duration::from_secs(60));
    assert_eq!(n_first + world.lines().len(), n_lines);
}

#[test]
fn what_the_store_does_not_take_is_read_again() {
    let mut world = World::with("app.log", |dir, _| append(&dir.join("app.log"), b"old\n"));
    world.append("app.log", "line 0\nhalf ");
    world.sink.refuses.store(true, Ordering::Relaxed);
    assert!(world.lines().is_empty());
    assert_eq!(world.troubles(Trouble::NotKept), 1);
    world.append("app.log", "line 1\n");
    assert!(world.lines().is_empty());
    assert_eq!(world.troubles(Trouble::NotKept), 1, "it waits before it tries again");
    world.sink.refuses.store(false, Ordering::Relaxed);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.lines(), ["line 0", "half line 1"]);
}

#[test]
fn new_files_of_a_pattern_are_found_and_read_from_their_start() {
    let mut world = World::new("*.log");
    world.append("late.log", "line 0\n");
    world.append("late.log.gz", "compressed\n");
    world.append(".hidden.log", "hidden\n");
    world.append("other.txt", "other\n");
    assert!(world.lines().is_empty());
    world.pass(GLOB_INTERVAL);
    let records = world.records();
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!((records[0].body.as_str(), records[0].stream.get("job")), ("line 0", "late"));
    world.stop();
    world.append("later.log", "line 1\n");
    world.restart();
    assert_eq!(world.lines(), ["line 1"]);
}

#[test]
fn a_file_that_cannot_be_read_is_told_once_and_followed_when_it_can() {
    let mut world = World::with("*.log", |dir, _| {
        append(&dir.join("app.log"), b"");
        // Root reads everything; a name that leads nowhere is refused to root as well.
        std::os::unix::fs::symlink("loop.log", dir.join("loop.log")).unwrap();
        append(&dir.join("secret.log"), b"");
        fs::set_permissions(dir.join("secret.log"), fs::Permissions::from_mode(0o000)).unwrap();
    });
    let is_root = File::open(world.path("secret.log")).is_ok();
    let n_told = 1 + u64::from(!is_root);
    world.pass(GLOB_INTERVAL);
    world.pass(GLOB_INTERVAL);
    assert_eq!(world.troubles(Trouble::Unreadable), n_told);
    fs::set_permissions(world.path("secret.log"), fs::Permissions::from_mode(0o600)).unwrap();
    world.append("secret.log", "line 0\n");
    world.append("app.log", "line 1\n");
    world.pass(GLOB_INTERVAL);
    let mut lines = world.lines();
    lines.sort();
    assert_eq!(lines, ["line 0", "line 1"]);
}

#[test]
fn a_folder_a_pipe_and_a_file_that_vanishes_harm_nothing() {
    let mut world = World::with("*.log", |dir, _| {
        fs::create_dir(dir.join("folder.log")).unwrap();
        append(&dir.join("app.log"), b"");
    });
    fs::remove_file(world.path("app.log")).unwrap();
    assert!(world.lines().is_empty());
    world.append("app.log", "line 0\n");
    world.pass(GLOB_INTERVAL);
    assert_eq!(world.lines(), ["line 0"]);
}

#[test]
fn the_number_of_files_is_bounded() {
    let mut world = World::with("*.log", |dir, source| {
        source.from = StartAt::Start;
        for n in 0..FILES_MAX + 3 {
            append(&dir.join(format!("{n:03}.log")), b"line\n");
        }
    });
    assert_eq!(world.lines().len(), FILES_MAX);
    assert_eq!(world.troubles(Trouble::Files), 3);
}

#[test]
fn bytes_that_are_no_text_are_replaced_and_counted() {
    let mut world = World::with("app.log", |dir, _| append(&dir.join("app.log"), b""));
    append(&world.path("app.log"), b"caf\xe9\n\0\0\0zeros\n");
    assert_eq!(world.lines(), ["caf\u{fffd}", "zeros"]);
    assert_eq!(world.troubles(Trouble::Encoding), 1);
}

#[test]
fn lines_of_nginx_keep_their_own_time_and_lose_the_address() {
    let mut world = World::with("*.log", |dir, _| append(&dir.join("access.log"), b""));
    world.append(
        "access.log",
        "203.0.113.7 - - [26/Nov/2026:19:49:01 +0300] \"GET /x?y=1 HTTP/2.0\" 503 12 \"-\" \"curl/8.5\"\n",
    );
    world.run();
    let records = world.records();
    assert_eq!(records[0].at, UnixNanos(1_795_711_741_000_000_000));
    assert_eq!((records[0].body.as_str(), records[0].severity), ("GET /x 503", Severity::Error));
    assert!(!format!("{records:?}").contains("203.0"), "{records:?}");
}

#[test]
fn another_configuration_goes_on_where_the_old_one_was() {
    let mut world = World::with("app.log", |dir, _| append(&dir.join("app.log"), b"old\n"));
    world.append("app.log", "line 0\n");
    assert_eq!(world.lines(), ["line 0"]);
    world.append("app.log", "line 1\n");
    let mut config = world.config.clone();
    config.files[0].tag = Some("other".into());
    world.rounds.as_mut().unwrap().apply(&config, LogAddresses::No);
    world.run();
    let records = world.records();
    assert_eq!((records.len(), records[0].stream.get("job")), (1, "other"));
    world.rounds.as_mut().unwrap().apply(&Config::default(), LogAddresses::No);
    world.append("app.log", "line 2\n");
    assert!(world.lines().is_empty());
}

#[test]
fn a_broken_file_of_positions_is_as_good_as_none() {
    let mut world = World::with("app.log", |dir, _| append(&dir.join("app.log"), b"old\n"));
    world.stop();
    fs::write(world.dir.path().join("logs-positions.json"), "{").unwrap();
    world.restart();
    assert!(world.lines().is_empty());
    world.append("app.log", "line 0\n");
    assert_eq!(world.lines(), ["line 0"]);
}
