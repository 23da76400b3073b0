//! What `/admin/releases` shows: the releases on the shelf, what was tried, and the way back.

use crate::clock::UnixNanos;

/// The shelf of releases, and how this process stands to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReleasesView {
    /// Where the shelf is.
    pub root: String,
    /// The release that this process is; its version where it is none.
    pub running: String,
    /// The version of this process.
    pub version: String,
    /// The process.
    pub pid: u32,
    /// The releases, the newest first.
    pub releases: Vec<ReleaseView>,
    /// What was tried, the latest first.
    pub history: Vec<EventView>,
    /// What a command began and did not end.
    pub unfinished: Option<AttemptView>,
    /// The roll-back that was asked for here, as long as this process knows of it.
    pub asked: Option<AskedView>,
    /// Why no roll-back can be begun here, if so.
    pub bar: Option<RollBackBar>,
    /// The command that rolls back, for a terminal.
    pub command: String,
    /// Why the shelf could not be read.
    pub fault: Option<String>,
}

/// A release on the shelf.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReleaseView {
    /// Its name.
    pub id: String,
    /// What its binary says of itself.
    pub version: String,
    /// When it was placed.
    pub placed: Option<UnixNanos>,
    /// Of its binary.
    pub size_bytes: u64,
    /// Whether it is what a start starts.
    pub is_current: bool,
    /// Whether it is the last one that proved itself.
    pub is_good: bool,
    /// Whether it is what runs.
    pub is_running: bool,
    /// Why it must not run again, if so.
    pub bad: Option<String>,
}

/// Something that was tried.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventView {
    /// When it ended.
    pub at: Option<UnixNanos>,
    /// `deploy` or `rollback`.
    pub action: String,
    /// The release that was to run.
    pub release: String,
    /// `ok`, `placed`, `refused`, `failed`, `stuck`, `proved` or `interrupted`.
    pub outcome: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Why it failed; empty otherwise.
    pub reason: String,
}

/// What a command is at, or was when it was killed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttemptView {
    /// `deploy` or `rollback`.
    pub action: String,
    /// The release that is to run.
    pub release: String,
    /// When it began.
    pub at: Option<UnixNanos>,
}

/// A roll-back that was asked for on the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedView {
    /// To which release.
    pub release: String,
    /// When.
    pub at: UnixNanos,
    /// How it ended: none while it is at work, else why it failed, if it did.
    pub outcome: Option<Result<(), String>>,
}

/// Why no roll-back can be begun by this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RollBackBar {
    /// It is the first process of a container, which is replaced as a whole.
    Container,
    /// There is no release on the shelf.
    Empty,
    /// It was not started as a release of this shelf: as what, and as what it should be.
    NotARelease {
        /// The program that runs.
        program: String,
        /// The one that should.
        should: String,
    },
    /// It may not change the shelf; whoever owns that may.
    NoPermission,
}
