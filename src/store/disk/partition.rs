//! Partition directories: names, the format marker, the summary, creation and removal.
//!
//! A partition is complete or absent: it is made under a name ending in `.new` and
//! removed under one ending in `.dead`, and both are swept at start. What is not ours is
//! never deleted but [set aside](super::aside). Beside the database lie two files that say
//! again what is in it, so that most questions open no database: `summary`, and `facts`,
//! which is made anew from the pages when it is absent or not whole.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::aside::{Why, set_aside};
use super::db::{Db, settle};
use super::files::{allocated_bytes, link_tree};
use super::numbers::Numbers;
use crate::clock::{UnixMillis, UnixNanos};
use crate::files::{PRIVATE, absent_is_done, sync_dir, write_durably};
use crate::store::compress;
use crate::store::error::{OpenError, PartitionError, is_fault_of_data};
use crate::store::wire::Damaged;

/// The version of everything that FORMAT.md draws.
pub const FORMAT_VERSION: u32 = 2;

const MARKER: &str = "format";
const DB: &str = "db";
const SUMMARY: &str = "summary";
const FACTS: &str = "facts";
const FILTERS: &str = "filters";

/// The facts of one partition take at most this much; a damaged size is refused before it
/// allocates.
const FACTS_MAX_BYTES: u64 = 256 << 20;

/// What a partition may take beside its payload before it is written anew: a part for what
/// the pages leave of their slots, and eight blocks for files that are nearly empty. Writing
/// it anew takes a second at most, once in its life.
const EMPTY_PART: u64 = 64;
const EMPTY_MIN_BYTES: u64 = 32 << 10;

/// The roots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Samples as they came.
    Metrics,
    /// Roll-ups of one minute.
    Minutes,
    /// Roll-ups of one hour.
    Hours,
    /// Log lines.
    Logs,
    /// Spans.
    Spans,
    /// What is accepted and not sealed yet.
    Wal,
}

impl Kind {
    /// Every root.
    pub const ALL: [Kind; 6] =
        [Kind::Metrics, Kind::Minutes, Kind::Hours, Kind::Logs, Kind::Spans, Kind::Wal];

    /// Those with a history that is read and that retention ends.
    pub const HISTORY: [Kind; 5] = [Kind::Metrics, Kind::Minutes, Kind::Hours, Kind::Logs, Kind::Spans];

    /// Returns the name of the root, which is also the value of the `signal` label.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Metrics => "metrics",
            Kind::Minutes => "minutes",
            Kind::Hours => "hours",
            Kind::Logs => "logs",
            Kind::Spans => "spans",
            Kind::Wal => "wal",
        }
    }

    /// Returns a time of a summary, which is in nanoseconds for logs and spans.
    pub fn to_millis(self, time: i64) -> UnixMillis {
        match self {
            Kind::Logs | Kind::Spans => UnixNanos(time).to_millis(),
            Kind::Metrics | Kind::Minutes | Kind::Hours | Kind::Wal => UnixMillis(time),
        }
    }
}

/// `<start time>-g<generation>-<sequence>`; later writers compare greater, and no two
/// partitions of one data directory have the same, whatever their kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// Which start of the program wrote it.
    pub generation: u32,
    /// Its place among that generation's partitions.
    pub seq: u32,
    /// When it was begun.
    pub start: UnixMillis,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:013}-g{:06}-{:06}", self.start.0, self.generation, self.seq)
    }
}

impl Name {
    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Name> {
        let (rest, seq) = text.rsplit_once('-')?;
        let (start, generation) = rest.rsplit_once("-g")?;
        let name = Name {
            generation: generation.parse().ok()?,
            seq: seq.parse().ok()?,
            start: UnixMillis(start.parse().ok()?),
        };
        (name.to_string() == text).then_some(name)
    }
}

/// What a query and the retention must know of a partition without opening it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The earliest and latest time inside, milliseconds for metrics and nanoseconds for
    /// logs and spans; none while nothing was sealed.
    pub range: Option<(i64, i64)>,
    /// Samples, steps of a series, lines or spans.
    pub n_records: u64,
    /// Bytes of all pages.
    pub payload_bytes: u64,
    /// For each generation the last WAL record that is inside.
    pub covers: BTreeMap<u32, u64>,
}

impl Summary {
    /// Takes a sealed window or block into account.
    pub fn add(&mut self, range: (i64, i64), n_records: u64, numbers: Numbers) {
        let (from, to) = self.range.unwrap_or(range);
        self.range = Some((from.min(range.0), to.max(range.1)));
        self.n_records += n_records;
        let covered = self.covers.entry(numbers.generation).or_insert(numbers.last);
        *covered = numbers.last.max(*covered);
    }

    /// Returns true when something inside may lie in `from ..= to`.
    pub fn overlaps(&self, from: i64, to: i64) -> bool {
        self.range.is_some_and(|(min, max)| min <= to && max >= from)
    }

    fn to_text(&self) -> String {
        let mut res = format!("vitrine summary {FORMAT_VERSION}\n");
        if let Some((min, max)) = self.range {
            res += &format!("range {min} {max}\n");
        }
        res += &format!("records {}\npayload {}\n", self.n_records, self.payload_bytes);
        for (generation, last) in &self.covers {
            res += &format!("covers {generation} {last}\n");
        }
        res + "end\n"
    }

    // Anything unexpected gives none, and the summary is made anew from the data.
    fn parse(text: &str) -> Option<Summary> {
        let mut res = Summary::default();
        let mut lines = text.lines();
        if lines.next()? != format!("vitrine summary {FORMAT_VERSION}") {
            return None;
        }
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["range", min, max] => res.range = Some((min.parse().ok()?, max.parse().ok()?)),
                ["records", n] => res.n_records = n.parse().ok()?,
                ["payload", n] => res.payload_bytes = n.parse().ok()?,
                ["covers", generation, last] => {
                    res.covers.insert(generation.parse().ok()?, last.parse().ok()?);
                }
                ["end"] => return Some(res),
                _ => return None,
            }
        }
        None
    }
}

/// One directory under a root.
#[derive(Debug)]
pub struct Partition {
    /// What it holds.
    pub kind: Kind,
    /// Its name, which orders it.
    pub name: Name,
    /// Where it lies.
    pub path: PathBuf,
    /// Its pages.
    pub db: Db,
    /// What is known without opening it.
    summary: Mutex<Summary>,
    /// Allocated blocks, as last measured.
    pub size_bytes: AtomicU64,
    /// Set when retention took it away, before its directory goes.
    pub dropped: AtomicBool,
    /// Set when it could not be read or written; its directory may stay locked until the
    /// process ends.
    pub failed: AtomicBool,
    /// Set when what failed is its data, not the machine at that moment.
    lost: AtomicBool,
    /// Set when somebody was told that it could not be read for a moment.
    warned: AtomicBool,
    /// Set when its removal failed and somebody was told.
    pub removal_failed: AtomicBool,
    /// Whether it is ahead of the clock or too old, and since when by the monotonic clock.
    pub expired_since: Mutex<Option<(bool, Duration)>>,
}

impl Partition {
    fn at(kind: Kind, name: Name, path: PathBuf) -> Self {
        let db = Db::at(path.join(DB));
        Partition {
            kind,
            name,
            path,
            db,
            summary: Mutex::default(),
            size_bytes: AtomicU64::new(0),
            dropped: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            warned: AtomicBool::new(false),
            removal_failed: AtomicBool::new(false),
            expired_since: Mutex::default(),
        }
    }

    /// Makes a new, empty partition that is durable when this returns.
    pub fn create(dir: &Path, kind: Kind, name: Name) -> io::Result<Partition> {
        let root = dir.join(kind.as_str());
        let path = root.join(name.to_string());
        let draft = root.join(format!("{name}.new"));
        fs::create_dir(&draft)?;
        write_durably(&draft.join(MARKER), marker_text(kind).as_bytes(), PRIVATE)?;
        fs::rename(&draft, &path)?;
        sync_dir(&root)?;
        Ok(Partition::at(kind, name, path))
    }

    /// Makes a partition of another name from the same files, which nobody writes any more.
    ///
    /// sled locks a directory, not its files. So what a handle that failed holds until the
    /// process ends is read through this one.
    pub fn link_as(&self, name: Name) -> io::Result<Partition> {
        let root = self.path.parent().expect("a partition lies under its root");
        let (draft, path) = (root.join(format!("{name}.new")), root.join(name.to_string()));
        link_tree(&self.path, &draft)?;
        fs::rename(&draft, &path)?;
        sync_dir(root)?;
        Ok(Partition::at(self.kind, name, path))
    }

    /// Returns a copy of the summary.
    pub fn summary(&self) -> Summary {
        self.summary.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the summary in memory.
    pub fn set_summary(&self, summary: Summary) {
        *self.summary.lock().unwrap_or_else(PoisonError::into_inner) = summary;
    }

    /// Reads the summary that sealing wrote; returns false when there is none that is whole.
    pub fn load_summary(&self) -> bool {
        let text = fs::read_to_string(self.path.join(SUMMARY)).unwrap_or_default();
        let summary = Summary::parse(&text);
        let is_found = summary.is_some();
        summary.into_iter().for_each(|summary| self.set_summary(summary));
        is_found
    }

    /// Writes facts and summary beside the data, which ends the writing of this partition.
    pub fn seal(&self, facts: &[u8]) -> Result<(), PartitionError> {
        let packed = compress::pack(facts);
        let res = write_durably(&self.path.join(FACTS), &packed, PRIVATE)
            .and_then(|()| {
                write_durably(&self.path.join(SUMMARY), self.summary().to_text().as_bytes(), PRIVATE)
            })
            .and_then(|()| self.measure());
        res.map_err(|source| self.io("summarise", source)).map(|_| ())
    }

    /// Writes the pages anew when sled left much of their files empty; nobody writes to them
    /// any more. Returns whether that was worth it.
    pub fn repack(&self) -> Result<bool, PartitionError> {
        let size_bytes = self.measure().map_err(|source| self.io("measure", source))?;
        let payload_bytes = self.summary().payload_bytes;
        let is_worth_it = size_bytes > payload_bytes + payload_bytes / EMPTY_PART + EMPTY_MIN_BYTES;
        if is_worth_it {
            self.db.repack()?;
        }
        Ok(is_worth_it)
    }

    /// Reads the facts that sealing wrote; none when they are absent or not whole.
    pub fn load_facts(&self) -> Option<Vec<u8>> {
        let packed = fs::read(self.path.join(FACTS)).ok()?;
        compress::unpack(&packed, FACTS_MAX_BYTES).ok()
    }

    /// Returns where the filters of the blocks lie.
    pub fn filters_path(&self) -> PathBuf {
        self.path.join(FILTERS)
    }

    /// Names this partition in an error of its data.
    pub fn damaged(&self, damage: Damaged) -> PartitionError {
        PartitionError::Damaged { path: self.path.clone(), damage }
    }

    /// Names this partition in an error of the file system.
    pub fn io(&self, action: &'static str, source: io::Error) -> PartitionError {
        PartitionError::Io { action, path: self.path.clone(), source }
    }

    /// Counts the allocated blocks again.
    pub fn measure(&self) -> io::Result<u64> {
        let size_bytes = allocated_bytes(&self.path)?;
        self.size_bytes.store(size_bytes, Ordering::Relaxed);
        Ok(size_bytes)
    }

    /// Returns whether readers may open it.
    pub fn is_readable(&self) -> bool {
        !self.dropped.load(Ordering::Relaxed) && !self.failed.load(Ordering::Relaxed)
    }

    /// Takes note of an error of a read: damage leaves it out for good, as does a handle that
    /// was given up; what may be over at the next read does not. Returns true when that is news.
    pub fn note_fault(&self, err: &PartitionError) -> bool {
        if !err.is_passing() {
            self.lost.store(true, Ordering::Relaxed);
        } else if !self.db.is_given_up() {
            return !self.warned.swap(true, Ordering::Relaxed);
        }
        !self.failed.swap(true, Ordering::Relaxed)
    }

    /// Returns true when no later start will read what is inside.
    pub fn is_lost(&self) -> bool {
        self.dropped.load(Ordering::Relaxed) || self.lost.load(Ordering::Relaxed)
    }

    /// Returns true when it cannot be read now, and a later start may.
    pub fn is_put_off(&self) -> bool {
        self.failed.load(Ordering::Relaxed) && !self.is_lost()
    }

    /// Returns the latest time inside, or when it was begun.
    pub fn newest(&self) -> UnixMillis {
        self.summary().range.map_or(self.name.start, |(_, max)| self.kind.to_millis(max))
    }

    /// Takes the directory away; gives its blocks back to the disk.
    pub fn remove(&self) -> io::Result<()> {
        let root = self.path.parent().expect("a partition lies under its root");
        let dead = root.join(format!("{}.dead", self.name));
        // An attempt before this one may have come as far as either step.
        absent_is_done(fs::rename(&self.path, &dead))?;
        absent_is_done(fs::remove_dir_all(&dead))?;
        sync_dir(root)
    }
}

fn marker_text(kind: Kind) -> String {
    format!("vitrine {} {FORMAT_VERSION}\n", kind.as_str())
}

enum Found {
    Ours(Name),
    Newer(u32),
    Foreign(&'static str),
}

fn identify(path: &Path, kind: Kind, file_name: &str) -> io::Result<Found> {
    let Some(name) = Name::parse(file_name) else {
        return Ok(Found::Foreign("its name is not a partition's"));
    };
    let text = match fs::read_to_string(path.join(MARKER)) {
        Ok(text) => text,
        Err(err) if is_fault_of_data(err.kind()) => {
            return Ok(Found::Foreign("it has no format marker"));
        }
        Err(err) => return Err(err),
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["vitrine", root, version] if *root == kind.as_str() => match version.parse() {
            Ok(FORMAT_VERSION) => Ok(Found::Ours(name)),
            Ok(found) if found > FORMAT_VERSION => Ok(Found::Newer(found)),
            _ => Ok(Found::Foreign("its format is older than this version reads")),
        },
        _ => Ok(Found::Foreign("its format marker is not ours")),
    }
}

/// Finds the partitions of a root in the order in which they were written.
///
/// Half-made and half-removed ones are swept, what is foreign is set aside with a log
/// line, a newer format refuses the whole store. Of a predecessor that still writes only
/// what it has sealed is found, and nothing of it is touched.
pub fn discover(dir: &Path, kind: Kind, predecessor: Option<u32>) -> Result<Vec<Partition>, OpenError> {
    let root = dir.join(kind.as_str());
    let io_error = |source| OpenError::from_io("read", &root, source);
    let mut res = Vec::new();
    for entry in fs::read_dir(&root).map_err(io_error)? {
        let path = entry.map_err(io_error)?.path();
        let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let unfinished = file_name.strip_suffix(".dead").or_else(|| file_name.strip_suffix(".new"));
        let of_predecessor = |name: Name| Some(name.generation) == predecessor;
        if let Some(name) = unfinished.and_then(Name::parse) {
            if of_predecessor(name) {
                continue;
            }
            fs::remove_dir_all(&path).map_err(|source| OpenError::from_io("remove", &path, source))?;
            continue;
        }
        match identify(&path, kind, &file_name).map_err(|source| OpenError::from_io("read", &path, source))? {
            Found::Ours(name) if of_predecessor(name) && !path.join(SUMMARY).exists() => {}
            Found::Ours(name) => {
                settle(&path.join(DB)).map_err(|source| OpenError::from_io("repair", &path, source))?;
                res.push(Partition::at(kind, name, path));
            }
            Found::Newer(found) => {
                let path = path.join(MARKER);
                return Err(OpenError::NewerFormat { path, found, known: FORMAT_VERSION });
            }
            Found::Foreign(reason) => set_aside(dir, kind, &path, Why::Foreign(reason))
                .map_err(|source| OpenError::from_io("set aside", &path, source))?,
        }
    }
    res.sort_by_key(|partition| partition.name);
    Ok(res)
}

/// Checks that no partition of a root has a newer format; what is foreign is none of ours.
pub fn check_root(dir: &Path, kind: Kind) -> Result<(), OpenError> {
    let root = dir.join(kind.as_str());
    let io_error = |source| OpenError::from_io("read", &root, source);
    let entries = match fs::read_dir(&root) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(io_error)?,
    };
    for entry in entries {
        let path = entry.map_err(io_error)?.path();
        let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match identify(&path, kind, &file_name) {
            Ok(Found::Newer(found)) => {
                let path = path.join(MARKER);
                return Err(OpenError::NewerFormat { path, found, known: FORMAT_VERSION });
            }
            Ok(Found::Ours(_) | Found::Foreign(_)) => {}
            // Whoever writes it may be removing it.
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(OpenError::from_io("read", &path, source)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: Name = Name { generation: 7, seq: 2, start: UnixMillis(1_795_375_209_123) };

    #[test]
    fn names_order_by_writer_and_parse_back() {
        assert_eq!(NAME.to_string(), "1795375209123-g000007-000002");
        assert_eq!(Name::parse(&NAME.to_string()), Some(NAME));
        assert!(Name { generation: 8, seq: 1, start: UnixMillis(0) } > NAME);
        for text in ["", "1-g1-1", "1795375209123-g000007-000002.dead", "lost+found"] {
            assert_eq!(Name::parse(text), None, "{text}");
        }
    }

    #[test]
    fn summary_survives_and_a_torn_one_does_not_count() {
        let mut summary = Summary { n_records: 3, payload_bytes: 9, ..Summary::default() };
        summary.add((5, 9), 2, Numbers::one(7, 40));
        summary.add((-1, 6), 1, Numbers::one(7, 12));
        let text = summary.to_text();
        assert_eq!(Summary::parse(&text), Some(summary.clone()));
        assert_eq!(Summary::parse(&text[..text.len() - 2]), None);
        assert!(summary.overlaps(9, 20) && !summary.overlaps(10, 20));
    }

    #[test]
    fn foreign_things_are_set_aside_and_unfinished_ones_swept() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("logs");
        fs::create_dir_all(root.join(format!("{NAME}.dead"))).unwrap();
        fs::write(root.join("notes.txt"), "mine").unwrap();
        Partition::create(dir.path(), Kind::Logs, NAME).unwrap();
        let found = discover(dir.path(), Kind::Logs, None).unwrap();
        assert_eq!(found.iter().map(|partition| partition.name).collect::<Vec<_>>(), [NAME]);
        assert_eq!(
            fs::read_to_string(dir.path().join("set-aside/000001-foreign-logs-notes.txt")).unwrap(),
            "mine"
        );
        assert_eq!(fs::read_dir(&root).unwrap().count(), 1);
    }

    #[test]
    fn a_marker_that_cannot_be_read_now_makes_nothing_foreign() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("logs")).unwrap();
        let partition = Partition::create(dir.path(), Kind::Logs, NAME).unwrap();
        let marker = partition.path.join(MARKER);
        fs::remove_file(&marker).unwrap();
        // What stands for a disk that errs: a link that leads to itself.
        std::os::unix::fs::symlink(&marker, &marker).unwrap();
        let err = discover(dir.path(), Kind::Logs, None).unwrap_err();
        assert!(matches!(err, OpenError::Io { .. }), "{err}");
        assert!(partition.path.exists(), "it is where it was");
    }

    #[test]
    fn removal_that_came_halfway_is_ended_by_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("logs");
        fs::create_dir_all(&root).unwrap();
        let partition = Partition::create(dir.path(), Kind::Logs, NAME).unwrap();
        fs::rename(&partition.path, root.join(format!("{NAME}.dead"))).unwrap();
        partition.remove().unwrap();
        assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
        partition.remove().unwrap();
    }

    #[test]
    fn newer_format_is_refused_by_number() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("metrics")).unwrap();
        let partition = Partition::create(dir.path(), Kind::Metrics, NAME).unwrap();
        fs::write(partition.path.join(MARKER), "vitrine metrics 9\n").unwrap();
        let err = discover(dir.path(), Kind::Metrics, None).unwrap_err();
        assert!(matches!(err, OpenError::NewerFormat { found: 9, known: FORMAT_VERSION, .. }), "{err}");
    }
}
