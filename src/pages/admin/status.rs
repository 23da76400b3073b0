//! State of the process as the admin page shows it: plain structs that `app` fills in.

use std::time::Duration;

use super::lang::Lang;
use crate::clock::UnixNanos;

/// State of the running process, asked anew for each page and tick.
#[derive(Clone, Debug, Default)]
pub struct StatusView {
    /// Version of the binary.
    pub version: String,
    /// Release that it was shipped as, if any.
    pub release: Option<String>,
    /// Time since the process started.
    pub uptime: Duration,
    /// False from the start of a drain.
    pub wants_traffic: bool,
    /// Every worker, by number.
    pub workers: Vec<WorkerView>,
    /// How the last reload ended; none when there was none since the start.
    pub reload: Option<ReloadView>,
    /// What is wrong in the CV files.
    pub problems: Vec<ProblemView>,
    /// True when the CV on disk is broken and an older one is shown.
    pub is_cv_stale: bool,
    /// The store, one entry a signal, and one named [`StoreView::WAL`].
    pub store: Vec<StoreView>,
    /// Why nothing is being recorded, when nothing is.
    pub store_degraded: Option<String>,
    /// OTLP export, one entry a signal; empty when it is off.
    pub export: Vec<ExportView>,
}

/// One worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerView {
    /// Its number.
    pub id: u32,
    /// How often the number was filled, from 1.
    pub incarnation: u64,
    /// What it does.
    pub state: WorkerState,
    /// Jobs that it holds now.
    pub in_flight: u64,
    /// Most jobs that it takes at once.
    pub in_flight_max: u64,
    /// Jobs ended since the start.
    pub done: u64,
    /// Jobs that panicked since the start.
    pub panics: u64,
    /// When the last panic was and what it said.
    pub last_panic: Option<(UnixNanos, String)>,
}

/// What a worker does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WorkerState {
    /// Takes jobs.
    #[default]
    Ready,
    /// Panicked too often; takes none for a while.
    Ejected,
    /// Its time out is over: one job decides whether it comes back.
    HalfOpen,
    /// Finishes those it holds and takes no new ones.
    Draining,
    /// Takes none.
    Stopped,
}

impl WorkerState {
    /// Returns the word shown.
    pub fn word(self, lang: Lang) -> &'static str {
        match self {
            WorkerState::Ready => lang.tr("ready"),
            WorkerState::Ejected => lang.tr("ejected"),
            WorkerState::HalfOpen => lang.tr("half open"),
            WorkerState::Draining => lang.tr("draining"),
            WorkerState::Stopped => lang.tr("stopped"),
        }
    }

    /// Returns the word that the API gives.
    pub fn as_str(self) -> &'static str {
        match self {
            WorkerState::Ready => "ready",
            WorkerState::Ejected => "ejected",
            WorkerState::HalfOpen => "half open",
            WorkerState::Draining => "draining",
            WorkerState::Stopped => "stopped",
        }
    }
}

/// How a reload ended.
#[derive(Clone, Debug)]
pub struct ReloadView {
    /// When.
    pub at: UnixNanos,
    /// What was applied, or why nothing was; both may have several lines.
    pub outcome: Result<String, String>,
}

/// One fault in the CV files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProblemView {
    /// True when the file could not be used for it.
    pub is_error: bool,
    /// File, line and column: `cv.yaml:3:5`.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// How to fix it, or `""`.
    pub hint: String,
}

impl ProblemView {
    /// Returns where and what in one line.
    pub(super) fn in_words(&self) -> String {
        if self.place.is_empty() { self.message.clone() } else { format!("{}: {}", self.place, self.message) }
    }
}

/// One signal's share of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreView {
    /// `metrics`, `logs` or [`StoreView::WAL`].
    pub signal: String,
    /// Allocated on disk.
    pub size_bytes: u64,
    /// The cap; the oldest partition goes when it is met. Zero where there is none.
    pub size_max_bytes: u64,
    /// Partitions on disk.
    pub partitions: u64,
    /// Series or streams with open chunks.
    pub active: u64,
    /// Records refused since the start.
    pub dropped: u64,
}

impl StoreView {
    /// The signal of what waits in the write-ahead log and is not yet sealed.
    pub const WAL: &str = "wal";
}

/// One signal's export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportView {
    /// `metrics` or `logs`.
    pub signal: String,
    /// Exports that arrived since the start.
    pub sent: u64,
    /// Exports that failed since the start.
    pub failed: u64,
    /// Why the newest one failed, if it did.
    pub last_error: Option<String>,
}
