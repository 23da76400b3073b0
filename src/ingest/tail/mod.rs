//! Files and the systemd journal, followed as they grow.
//!
//! It promises each whole line once: through rotations by renaming and by copying and cutting,
//! and over restarts, because a position is noted only after the lines before it are on disk.
//! Killed in between, it reads a moment's lines twice rather than losing one. A source that is
//! too fast is read later, not dropped; everything else is bounded (`bounds`). It refuses
//! whole trees (`**`), compressed files, and whatever is neither a file nor the journal.
//!
//! `find` finds files, `followed` reads one, `files` all of them, `journal` runs journalctl and
//! `entry` reads what it writes; `format` makes records of lines (`access`, `when`); `rounds`
//! joins them and `positions` remembers; `budget` and `counts` hold back and count.

mod access;
mod batch;
mod bounds;
mod budget;
mod counts;
mod entry;
mod files;
mod find;
mod followed;
mod format;
mod journal;
mod positions;
mod rounds;
#[cfg(test)]
mod tests;
mod wait;
mod when;

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use jiff::tz::TimeZone;
use opentelemetry::metrics::Meter;
use tracing::{error, warn};

pub use bounds::{SOURCES_MAX, STOP_GRACE, TAG_MAX_BYTES, UNITS_MAX};
pub use find::check_pattern;
pub use format::Format;

use super::Sink;
use crate::clock::Clock;
use crate::record::LogAddresses;
use bounds::POLL;
use counts::Counts;
use rounds::{Base, Rounds};

/// The tag of journal entries when nothing names a better one.
const JOURNAL_TAG: &str = "journal";

/// Where a file that is new at the first start is read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartAt {
    /// Its end: only what is written from now on.
    #[default]
    End,
    /// Its start: all that it has.
    Start,
}

impl StartAt {
    /// Every place with its word in the configuration.
    pub const WORDS: [(&str, StartAt); 2] = [("end", StartAt::End), ("start", StartAt::Start)];
}

/// Files to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSource {
    /// An absolute path; `*`, `?` and `[…]` stand for parts of names.
    pub path: String,
    /// The stream's `job` and `service_name`; none for the stem of the file's name.
    pub tag: Option<String>,
    /// How lines are written.
    pub format: Format,
    /// Where a file is begun.
    pub from: StartAt,
}

impl FileSource {
    fn tag_of(&self, path: &Path) -> String {
        let stem = || path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        self.tag.clone().unwrap_or_else(stem)
    }
}

impl fmt::Display for FileSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

/// Entries of the systemd journal to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalSource {
    /// The units whose entries are wanted; none for all.
    pub units: Vec<String>,
    /// The stream's `job` and `service_name`; none for the unit's name where units are listed,
    /// else `journal`.
    pub tag: Option<String>,
}

impl JournalSource {
    fn tag_of<'a>(&'a self, unit: &'a str) -> &'a str {
        let is_listed = self
            .units
            .iter()
            .any(|listed| listed.trim_end_matches(".service") == unit.trim_end_matches(".service"));
        match &self.tag {
            Some(tag) => tag,
            None if is_listed => unit.trim_end_matches(".service"),
            None => JOURNAL_TAG,
        }
    }
}

impl fmt::Display for JournalSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.units.as_slice() {
            [] => f.write_str("the journal"),
            units => write!(f, "the journal of {}", units.join(", ")),
        }
    }
}

/// What is followed; nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Files.
    pub files: Vec<FileSource>,
    /// Journals.
    pub journals: Vec<JournalSource>,
}

impl Config {
    fn is_empty(&self) -> bool {
        self.files.is_empty() && self.journals.is_empty()
    }
}

/// What the thread is told.
#[derive(Default)]
struct Orders {
    config: Option<(Config, LogAddresses)>,
    stop: bool,
}

/// The running part: one thread, asleep while nothing is followed.
pub struct Tail {
    orders: Arc<Mutex<Orders>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    in_force: Mutex<(Config, LogAddresses)>,
}

impl Tail {
    /// Starts the thread; `positions` is the file that remembers how far was read.
    pub fn start(
        config: Config,
        addresses: LogAddresses,
        positions: PathBuf,
        sink: Arc<dyn Sink>,
        clock: Clock,
        meter: &Meter,
    ) -> io::Result<Tail> {
        let orders = Arc::new(Mutex::new(Orders::default()));
        let base = Base {
            sink,
            clock,
            counts: Counts::new(meter),
            positions,
            journalctl: journal::PROGRAM.into(),
            here: TimeZone::system(),
        };
        let thread = thread::Builder::new().name("tail".into()).spawn({
            let (orders, config) = (orders.clone(), config.clone());
            move || run(base, config, addresses, &orders)
        })?;
        Ok(Tail { orders, thread: Mutex::new(Some(thread)), in_force: Mutex::new((config, addresses)) })
    }

    /// Follows what another configuration says, from the next round on; never waits.
    pub fn apply(&self, config: &Config, addresses: LogAddresses) {
        let wanted = (config.clone(), addresses);
        let mut in_force = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        if *in_force != wanted {
            in_force.clone_from(&wanted);
            self.order(|orders| orders.config = Some(wanted));
        }
    }

    /// Takes what is there for a last time and ends; waits for [`STOP_GRACE`] at most. What was
    /// not taken is read after the next start.
    pub async fn stop(&self) {
        self.order(|orders| orders.stop = true);
        let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let joined = tokio::task::spawn_blocking(move || thread.join());
        match tokio::time::timeout(STOP_GRACE, joined).await {
            Ok(Ok(Ok(()))) => {}
            Ok(_) => warn!("following files ended by a defect"),
            Err(_) => warn!("following files did not end within {STOP_GRACE:?} and is left alone"),
        }
    }

    fn order(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut self.orders.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(thread) = &*self.thread.lock().unwrap_or_else(PoisonError::into_inner) {
            thread.thread().unpark();
        }
    }
}

impl Drop for Tail {
    /// A start that failed later must not leave a journalctl behind; the round in hand is
    /// bounded. After [`Tail::stop`] there is nothing to wait for.
    fn drop(&mut self) {
        self.order(|orders| orders.stop = true);
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // A defect in it was logged where it happened.
        _ = thread.map(JoinHandle::join);
    }
}

fn run(base: Base, config: Config, addresses: LogAddresses, orders: &Mutex<Orders>) {
    let mut is_idle = config.is_empty();
    let mut rounds = Rounds::new(base, &config, addresses);
    loop {
        let Orders { config, stop } =
            std::mem::take(&mut *orders.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some((config, addresses)) = config {
            is_idle = config.is_empty();
            rounds.apply(&config, addresses);
        }
        // A defect in one line costs its round, not all lines to come.
        let step = || !is_idle && rounds.step(Duration::ZERO);
        let more = catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|_| {
            error!("a defect ended a round of following files");
            false
        });
        match (stop, more, is_idle) {
            (true, _, _) => return,
            (false, true, _) => {}
            (false, false, true) => thread::park(),
            (false, false, false) => thread::park_timeout(POLL),
        }
    }
}
