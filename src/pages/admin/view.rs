//! What the admin page shows, as plain structs that `http` and `app` fill in.

use std::time::Duration;

use crate::clock::UnixNanos;
use crate::record::LogRecord;

/// Where the page finds its style and its script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assets {
    /// The style sheet's url.
    pub css: String,
    /// The script's url.
    pub js: String,
}

/// The login page.
#[derive(Clone, Debug, Default)]
pub struct LoginView {
    /// Style and script.
    pub assets: Assets,
    /// Why the visitor is asked again, in words for them.
    pub notice: Option<String>,
    /// Whether others on the way can read the password.
    pub is_overheard: bool,
}

/// The page of the private links.
#[derive(Clone, Debug, Default)]
pub struct LinksView {
    /// Style and script.
    pub assets: Assets,
    /// Goes into every form.
    pub csrf: String,
    /// The links that work, the newest first.
    pub links: Vec<LinkView>,
    /// Why what was asked for was not done, in words for the owner.
    pub notice: Option<String>,
    /// Longest note.
    pub note_max_chars: usize,
    /// How many days are offered.
    pub days_default: u64,
    /// How many days are the most.
    pub days_max: u64,
}

/// One private link.
#[derive(Clone, Debug)]
pub struct LinkView {
    /// Names it to the server.
    pub id: String,
    /// For whom it is.
    pub note: String,
    /// What to give away.
    pub url: String,
    /// When it ends, in seconds since 1970.
    pub expires: u64,
}

/// The whole page.
#[derive(Clone, Debug)]
pub struct AdminView {
    /// Style and script.
    pub assets: Assets,
    /// Goes into every form.
    pub csrf: String,
    /// When this was rendered.
    pub now: UnixNanos,
    /// State that is not in the store.
    pub status: StatusView,
    /// Numbers from the store.
    pub traffic: TrafficView,
    /// Lines from the store.
    pub logs: LogsView,
}

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
    /// Returns the word shown, and given by the API.
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

/// Ranges that the page can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Range {
    /// One hour, a point a minute.
    #[default]
    Hour,
    /// Six hours, a point every five minutes.
    SixHours,
    /// A day, a point every twenty minutes.
    Day,
}

impl Range {
    /// Every range, shortest first.
    pub const ALL: [Range; 3] = [Range::Hour, Range::SixHours, Range::Day];

    /// Returns the range for a query parameter; an unknown one is an hour.
    pub fn from_key(key: &str) -> Range {
        Range::ALL.into_iter().find(|range| range.key() == key).unwrap_or_default()
    }

    /// Returns the value of the query parameter.
    pub fn key(self) -> &'static str {
        match self {
            Range::Hour => "1h",
            Range::SixHours => "6h",
            Range::Day => "24h",
        }
    }

    /// Returns the range in a sentence: "in the last …".
    pub fn words(self) -> &'static str {
        match self {
            Range::Hour => "hour",
            Range::SixHours => "6 hours",
            Range::Day => "24 hours",
        }
    }

    /// Returns how long it is.
    pub fn span(self) -> Duration {
        match self {
            Range::Hour => Duration::from_secs(3_600),
            Range::SixHours => Duration::from_secs(6 * 3_600),
            Range::Day => Duration::from_secs(24 * 3_600),
        }
    }

    /// Returns the distance of two points: 60 to 72 of them fit a phone's width.
    pub fn step(self) -> Duration {
        match self {
            Range::Hour => Duration::from_secs(60),
            Range::SixHours => Duration::from_secs(300),
            Range::Day => Duration::from_secs(1_200),
        }
    }
}

/// Numbers of one range, every list with one place a step.
#[derive(Clone, Debug, Default)]
pub struct TrafficView {
    /// The range.
    pub range: Range,
    /// When recording began, if that is inside the range: the lists begin there, too.
    pub since: Option<UnixNanos>,
    /// The end of each step.
    pub at: Vec<UnixNanos>,
    /// Requests a second.
    pub rate: Vec<Option<f64>>,
    /// Server errors a second.
    pub errors: Vec<Option<f64>>,
    /// Median duration in seconds.
    pub p50: Vec<Option<f64>>,
    /// 95 of 100 requests were faster, in seconds.
    pub p95: Vec<Option<f64>>,
    /// 99 of 100 requests were faster, in seconds.
    pub p99: Vec<Option<f64>>,
    /// Resident memory in bytes.
    pub memory: Vec<Option<f64>>,
    /// Requests a second over the last minute, whatever the range.
    pub rate_now: Option<f64>,
    /// The same over the whole range.
    pub total: Totals,
    /// Why there are no numbers, when the store could not be read.
    pub unreadable: Option<String>,
}

/// Numbers over a whole range.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Requests answered.
    pub requests: f64,
    /// Of them with a status of 500 or more.
    pub errors: f64,
    /// Jobs of workers that panicked.
    pub panics: f64,
    /// Records that were lost: samples and lines refused by the store or by a full ring.
    pub dropped: f64,
    /// Quantiles of their durations in seconds; none without requests.
    pub p50: Option<f64>,
    /// As above.
    pub p95: Option<f64>,
    /// As above.
    pub p99: Option<f64>,
}

impl Totals {
    /// Returns the share of errors; none without requests.
    pub fn error_share(&self) -> Option<f64> {
        (self.requests > 0.0).then(|| self.errors / self.requests)
    }
}

/// What the log form was filled in with, as its fields' values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Text to look for.
    pub text: String,
    /// Lowest level, or `""` for all.
    pub level: String,
    /// How far back: a key of [`SINCE`].
    pub since: String,
    /// Shows what is hidden by default: successful probes and the owner's own visits.
    pub with_routine: bool,
    /// Unix nanoseconds: only older lines; none for the newest.
    pub before: Option<i64>,
}

/// Choices of "how far back": key, words, seconds. The first is the default.
pub const SINCE: &[(&str, &str, u64)] = &[
    ("24h", "last 24 hours", 86_400),
    ("15m", "last 15 minutes", 900),
    ("1h", "last hour", 3_600),
    ("6h", "last 6 hours", 21_600),
    ("7d", "last 7 days", 604_800),
    ("30d", "last 30 days", 2_592_000),
];

/// Choices of the lowest level: key and words.
pub const LEVELS: &[(&str, &str)] = &[
    ("", "all levels"),
    ("debug", "debug and above"),
    ("info", "info and above"),
    ("warn", "warn and above"),
    ("error", "error and above"),
];

/// The log list.
#[derive(Clone, Debug, Default)]
pub struct LogsView {
    /// What was asked for.
    pub filter: LogFilter,
    /// Newest first.
    pub lines: Vec<LogRecord>,
    /// How many lines were read, when the search gave up before its end.
    pub cut_off_after: Option<usize>,
    /// True when older lines may exist.
    pub has_older: bool,
    /// Why there are no lines, when the store could not be read.
    pub unreadable: Option<String>,
}
