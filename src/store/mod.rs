//! The store: rolling history of metrics, logs and spans on sled.
//!
//! # What it promises
//!
//! - **Accepted** is what a call took without an error: it is in the queue. It is on disk
//!   within a second and the time of one flush ([`Stats::last_flush_duration`] and the metric
//!   `vitrine_store_flush_duration_seconds` say how long that is); `kill -9` or a power cut
//!   costs at most that.
//! - **Acknowledged** is what the callback of an `…_acked` call, or [`Store::sync`], said to be
//!   durable, after the flush returned: nothing of it is lost.
//! - Each kind of history stays below its bytes on disk and its age, the oldest goes first, a
//!   whole partition at a time, and the disk really comes back.
//! - Nothing here ever blocks the caller or ends the process: what cannot be kept is counted
//!   by reason ([`DropReason`]).
//! - What is damaged is set aside with a line in the log, and the rest is served.
//!
//! It refuses to know who produced a record and which language a query is written in.
//!
//! # How
//!
//! A record goes through a bounded queue to one `writer` thread, into an open window
//! (`metric`) or block (`log`, `span`), each second to the `wal`, and when a window or block
//! is full to the open partition of its kind (`disk`). `persist` is that second, `recovery`
//! what a start does, `rollup` makes the coarser tiers of metrics from the finer ones,
//! `retention` and `space` are what goes. `disk::db` is the only file that calls sled.
//! [`format`](mod@format) draws what is on disk.

mod back_off;
mod cache;
mod columns;
mod compress;
mod config;
mod disk;
mod error;
mod facts;
mod labels;
mod lock;
mod log;
mod metadata;
mod metric;
mod persist;
mod recovery;
mod retention;
mod rollup;
mod space;
mod span;
mod state;
mod stats;
mod wal;
mod wire;
mod writer;

#[cfg(test)]
mod tests;

#[doc = include_str!("FORMAT.md")]
pub mod format {}

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use opentelemetry::metrics::Meter;

use crate::clock::{Clock, UnixNanos};
use crate::record::read::{
    LineRef, LogParts, LogRead, LogReadStats, LogSelect, Matcher, MetricRead, ReadError, SeriesSelect,
    SpanRead, SpanSelect, StreamVolume,
};
use crate::record::trace::TraceId;
use crate::record::{Coverage, Labels, LogRecord, Metadata, Resolution, RolledStep, Sample, Scrape, Span};

pub use config::{Config, Retention};
pub use disk::partition::Kind;
pub use error::{CloseError, OpenError, SyncError};
pub use lock::Token;
pub use recovery::check_format;
pub use stats::{DropReason, KindStats, LabelCardinality, PartitionStats, SeriesCardinality, Stats};

use config::{QUEUE_MAX_BYTES, QUEUE_MAX_MESSAGES};
use lock::Lock;
use log::batch::Batch;
use persist::Disk;
use recovery::Left;
use space::{Probe, Space};
use state::Shared;
use writer::{Ack, Message, Writer};

/// A handle on the open store; clones share it.
///
/// Dropping the last handle ends the writer after one more flush; [`Store::close`] also
/// seals, so that the next start has nothing to replay.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    queue: SyncSender<Message>,
    queued_bytes: Arc<AtomicUsize>,
    is_closed: AtomicBool,
    writer: Mutex<Option<JoinHandle<()>>>,
    on_logs: OnceLock<OnLogs>,
}

/// Sees lines that are handed over.
type OnLogs = Box<dyn Fn(&[LogRecord]) + Send + Sync>;

/// How to open a store.
pub struct Opening<'a> {
    /// The directory, made when it is not there.
    pub dir: &'a Path,
    /// The settings to begin with.
    pub config: Config,
    /// Time.
    pub clock: Clock,
    /// For the store's own instruments.
    pub meter: &'a Meter,
    /// What the predecessor offered, when this is a successor that begins beside it.
    pub token: Option<Token>,
}

impl Store {
    /// Opens or creates the store in `dir` and starts its writer thread.
    ///
    /// Blocks for the replay of what the last run left, which is below a second unless the
    /// disk is very slow. Returns only when everything written before is readable.
    pub fn open(dir: &Path, config: Config, clock: Clock, meter: &Meter) -> Result<Store, OpenError> {
        Store::open_as(Opening { dir, config, clock, meter, token: None })
    }

    /// Opens the store, as a successor when there is a token.
    ///
    /// While its predecessor lives, a successor reads what that has sealed and writes
    /// partitions of its own; it takes up the rest, within a second, when that is gone.
    /// Without its predecessor, or with another token than that offered, it is an ordinary start.
    pub fn open_as(opening: Opening<'_>) -> Result<Store, OpenError> {
        Store::open_on(opening, Box::new(space::free_bytes))
    }

    // Free space is asked for, so that a test can say how much there is.
    fn open_on(opening: Opening<'_>, probe: Probe) -> Result<Store, OpenError> {
        let Opening { dir, config, clock, meter, token } = opening;
        lock::make_roots(dir)?;
        let mut lock = Lock::take(dir, token.as_ref())?;
        let left = Left::find(dir, lock.predecessor())?;
        let generation = lock::claim_generation(dir, left.partitions().map(|partition| partition.name))?;
        lock.sign(generation)?;
        let shared = Arc::new(Shared::new(dir, clock, config, metadata::load(dir)?));
        let histogram = stats::register(meter, &shared);
        let disk = Disk::new(generation, Space::new(probe));
        shared.handles.share(lock.predecessor().is_some());
        shared.is_beside.store(lock.predecessor().is_some(), Ordering::Relaxed);
        let mut writer = Writer::new(shared.clone(), disk, histogram, lock);
        writer.load_late()?;
        writer.recover(left)?;
        let (queue, receiver) = mpsc::sync_channel(QUEUE_MAX_MESSAGES);
        let queued_bytes = Arc::new(AtomicUsize::new(0));
        let in_writer = queued_bytes.clone();
        // Stopped by `close` or by the last handle going; `close` waits for it.
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run(&receiver, &in_writer))
            .map_err(|source| OpenError::from_io("start the writer thread of", dir, source))?;
        let is_closed = AtomicBool::new(false);
        let writer = Mutex::new(Some(thread));
        let on_logs = OnceLock::new();
        Ok(Store(Arc::new(Inner { shared, queue, queued_bytes, is_closed, writer, on_logs })))
    }

    /// Offers a successor the place beside this store, until [`Store::withdraw`]; the token
    /// goes to that process alone.
    pub fn offer(&self) -> std::io::Result<Token> {
        let token = Token::draw();
        lock::offer(&self.0.shared.dir, &token)?;
        self.0.shared.handles.share(true);
        Ok(token)
    }

    /// Takes the offer back, once no successor has come or it has gone again.
    pub fn withdraw(&self) -> std::io::Result<()> {
        self.0.shared.handles.share(false);
        lock::withdraw(&self.0.shared.dir)
    }

    /// Hands over the points of one moment; never blocks. What finds no room is counted.
    pub fn append_scrape(&self, scrape: Scrape) {
        // What was not queued is counted there, and there is nobody to tell.
        let _ = self.queue_scrapes(vec![scrape], None);
    }

    /// Hands over points and calls `ack` once they are on disk, or could not be put there; as
    /// [`Store::append_logs_acked`] in everything else.
    pub fn append_scrapes_acked(
        &self,
        scrapes: Vec<Scrape>,
        ack: impl FnOnce(Result<(), SyncError>) + Send + 'static,
    ) -> Result<(), SyncError> {
        self.queue_scrapes(scrapes, Some(Box::new(ack))).map_err(not_queued)
    }

    fn queue_scrapes(&self, scrapes: Vec<Scrape>, ack: Option<Ack>) -> Result<(), DropReason> {
        let n_points = scrapes.iter().map(|scrape| scrape.points.len() as u64).sum();
        self.queue(Kind::Metrics, n_points, Message::Scrapes(scrapes, ack))
    }

    /// Hands over log lines; never blocks. What finds no room is counted.
    ///
    /// Returns true when they were queued; the writer may still refuse them.
    pub fn append_logs(&self, records: Vec<LogRecord>) -> bool {
        self.queue_logs(records, None).is_ok()
    }

    /// Hands over log lines and calls `ack` once they are on disk, or could not be put there.
    ///
    /// Never blocks. An error, returned or told to `ack`, means that lines were refused
    /// for a reason that passes, so the sender may send all of them again. Lines that no
    /// later attempt would bring in (too old, too many streams) are counted and do not
    /// fail it. `ack` runs as for [`Store::on_durable`], and not at all on an error here.
    pub fn append_logs_acked(
        &self,
        records: Vec<LogRecord>,
        ack: impl FnOnce(Result<(), SyncError>) + Send + 'static,
    ) -> Result<(), SyncError> {
        self.queue_logs(records, Some(Box::new(ack))).map_err(not_queued)
    }

    /// Shows lines to a function as they are handed over, on the thread that does so: it may not
    /// block. Only the first one that is given sees them.
    pub fn on_logs(&self, see: impl Fn(&[LogRecord]) + Send + Sync + 'static) {
        // A second one has no use.
        _ = self.0.on_logs.set(Box::new(see));
    }

    fn queue_logs(&self, records: Vec<LogRecord>, ack: Option<Ack>) -> Result<(), DropReason> {
        if let Some(see) = self.0.on_logs.get() {
            see(&records);
        }
        // Made on the caller's thread, of which there are many; there is one writer.
        let batch = Batch::new(records, self.0.shared.config().line_max_bytes);
        self.queue(Kind::Logs, batch.n_lines, Message::Logs(batch, ack))
    }

    /// Hands over spans; never blocks. What finds no room is counted.
    pub fn append_spans(&self, spans: Vec<Span>) {
        // What was not queued is counted there, and there is nobody to tell.
        let _ = self.queue_spans(spans, None);
    }

    /// Hands over spans and calls `ack` once they are on disk, or could not be put there; as
    /// [`Store::append_logs_acked`] in everything else.
    pub fn append_spans_acked(
        &self,
        spans: Vec<Span>,
        ack: impl FnOnce(Result<(), SyncError>) + Send + 'static,
    ) -> Result<(), SyncError> {
        self.queue_spans(spans, Some(Box::new(ack))).map_err(not_queued)
    }

    fn queue_spans(&self, spans: Vec<Span>, ack: Option<Ack>) -> Result<(), DropReason> {
        self.queue(Kind::Spans, spans.len() as u64, Message::Spans(spans, ack))
    }

    fn queue(&self, kind: Kind, n_records: u64, message: Message) -> Result<(), DropReason> {
        self.send(message).inspect_err(|reason| self.0.shared.counters.drop_records(kind, *reason, n_records))
    }

    /// Remembers what is known about metrics, also over a restart; never blocks.
    ///
    /// Returns false when the queue was full, so that the caller tells it again later.
    pub fn remember_metadata(&self, metadata: Vec<Metadata>) -> bool {
        self.send(Message::Metadata(metadata)).is_ok()
    }

    /// Returns how long after their times samples, lines and spans are still taken.
    pub fn late_max(&self) -> [Duration; 3] {
        let config = self.0.shared.config();
        [config.late_max(), config.logs.max_age, config.spans.max_age]
    }

    /// Waits until samples queued before can be read, which is before they are on disk; blocks the
    /// thread, at most so long.
    pub fn settle(&self, within: Duration) -> Result<(), SyncError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        // Whoever waits may have given up.
        let ack: Ack = Box::new(move |res| _ = sender.try_send(res));
        self.send(Message::Settle(ack)).map_err(not_queued)?;
        match receiver.recv_timeout(within) {
            Ok(res) => res,
            Err(RecvTimeoutError::Timeout) => {
                Err(SyncError::Degraded(format!("the writer took nothing for {within:?}")))
            }
            // It gave up on a panic.
            Err(RecvTimeoutError::Disconnected) => Err(SyncError::Closed),
        }
    }

    /// Waits until everything queued before is on disk; blocks the thread.
    pub fn sync(&self) -> Result<(), SyncError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.on_durable(move |res| {
            // The waiting thread is in `recv` below and cannot have gone.
            let _ = sender.send(res);
        })?;
        // Without an answer the writer gave up on a panic, and has not flushed.
        receiver.recv().unwrap_or(Err(SyncError::Closed))
    }

    /// Calls `ack` once everything queued before is on disk, or could not be put there.
    ///
    /// Never blocks; all who ask within one flush share it. The call comes from the writer
    /// thread, so it must be short: send on a channel.
    pub fn on_durable(
        &self,
        ack: impl FnOnce(Result<(), SyncError>) + Send + 'static,
    ) -> Result<(), SyncError> {
        let ack: Ack = Box::new(ack);
        self.send(Message::Sync(ack)).map_err(not_queued)
    }

    /// Whether there is more to come of a predecessor: it still writes, or what it wrote last is not
    /// taken over yet.
    pub fn is_beside(&self) -> bool {
        self.0.shared.is_beside.load(Ordering::Relaxed)
    }

    /// Returns what the store says about itself.
    pub fn stats(&self) -> Stats {
        self.0.shared.stats()
    }

    /// Returns every partition of history, by kind and then oldest first.
    pub fn partitions(&self) -> Vec<PartitionStats> {
        self.0.shared.partitions()
    }

    /// Returns how many series are being written and what makes them many; the lists have at
    /// most `n_max` entries.
    pub fn cardinality(&self, n_max: usize) -> SeriesCardinality {
        metric::names::cardinality(&self.0.shared, n_max)
    }

    /// Takes new settings; all of them hold from the next flush on.
    pub fn apply(&self, config: Config) {
        self.0.shared.set_config(config);
    }

    /// Seals everything and ends the writer, or gives up at the deadline: then the data is
    /// safe in the WAL and the next start seals it.
    pub fn close(&self, deadline: Duration) -> Result<(), CloseError> {
        if self.0.is_closed.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        let started = std::time::Instant::now();
        let mut message = Message::Close(sender);
        // The queue may be full for a moment; the writer empties it each flush at least.
        loop {
            match self.0.queue.try_send(message) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return Err(SyncError::Closed.into()),
                Err(TrySendError::Full(_)) if started.elapsed() >= deadline => {
                    return Err(CloseError::Deadline);
                }
                Err(TrySendError::Full(again)) => message = again,
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let res = match receiver.recv_timeout(deadline.saturating_sub(started.elapsed())) {
            Ok(res) => res,
            Err(RecvTimeoutError::Timeout) => return Err(CloseError::Deadline),
            Err(RecvTimeoutError::Disconnected) => return Err(SyncError::Closed.into()),
        };
        let thread = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        // It has answered as its last act; a panic in it was caught and logged there.
        let _ = thread.map(JoinHandle::join);
        res
    }

    fn send(&self, message: Message) -> Result<(), DropReason> {
        if self.0.is_closed.load(Ordering::Relaxed) {
            return Err(DropReason::Closed);
        }
        let n_bytes = message.size_bytes();
        let before = self.0.queued_bytes.fetch_add(n_bytes, Ordering::Relaxed);
        let res = if before > 0 && before + n_bytes > QUEUE_MAX_BYTES {
            Err(DropReason::QueueFull)
        } else {
            self.0.queue.try_send(message).map_err(|err| match err {
                TrySendError::Full(_) => DropReason::QueueFull,
                TrySendError::Disconnected(_) => DropReason::Closed,
            })
        };
        if res.is_err() {
            self.0.queued_bytes.fetch_sub(n_bytes, Ordering::Relaxed);
        }
        res
    }
}

fn not_queued(reason: DropReason) -> SyncError {
    match reason {
        DropReason::Closed => SyncError::Closed,
        _ => SyncError::QueueFull,
    }
}

impl MetricRead for Store {
    fn series(
        &self,
        select: &SeriesSelect,
        visit: &mut dyn FnMut(&Labels, &[Sample]) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        metric::read::series(&self.0.shared, select, visit)
    }

    fn rollups(
        &self,
        select: &SeriesSelect,
        resolution: Resolution,
        visit: &mut dyn FnMut(&Labels, &[RolledStep]) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        rollup::read::rollups(&self.0.shared, select, resolution, visit)
    }

    fn coverage(&self) -> Vec<Coverage> {
        rollup::read::coverage(&self.0.shared)
    }

    fn label_sets(&self, select: &SeriesSelect) -> Result<Vec<Labels>, ReadError> {
        metric::names::label_sets(&self.0.shared, select)
    }

    fn label_names(&self, select: &SeriesSelect) -> Result<Vec<String>, ReadError> {
        metric::names::label_names(&self.0.shared, select)
    }

    fn label_values(&self, name: &str, select: &SeriesSelect) -> Result<Vec<String>, ReadError> {
        metric::names::label_values(&self.0.shared, name, select)
    }

    fn metadata(&self) -> Vec<Metadata> {
        self.0.shared.metadata()
    }
}

impl LogRead for Store {
    fn lines(
        &self,
        select: &LogSelect,
        visit: &mut dyn FnMut(LineRef<'_>) -> ControlFlow<()>,
    ) -> Result<LogReadStats, ReadError> {
        log::read::lines(&self.0.shared, select, visit)
    }

    fn parts<'a>(&'a self, select: &'a LogSelect) -> Box<dyn LogParts + 'a> {
        Box::new(log::parts::Parts::new(&self.0.shared, select))
    }

    fn streams(
        &self,
        matchers: &[Matcher],
        from: UnixNanos,
        to: UnixNanos,
    ) -> Result<Vec<StreamVolume>, ReadError> {
        log::read::streams(&self.0.shared, matchers, from, to)
    }
}

impl SpanRead for Store {
    fn trace(&self, id: TraceId) -> Result<Vec<Span>, ReadError> {
        span::read::trace(&self.0.shared, id)
    }

    fn spans(
        &self,
        select: &SpanSelect,
        visit: &mut dyn FnMut(Span) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        span::read::spans(&self.0.shared, select, visit)
    }
}
