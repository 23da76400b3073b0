//! The store: rolling history of metrics and logs on sled.
//!
//! It promises that what was accepted is on disk within a second and the time of one flush,
//! that `kill -9` costs at most that, that each signal stays below its cap and the disk really comes back,
//! and that nothing here ever blocks the caller or ends the process: what cannot be kept
//! is counted by reason. It refuses to know who produced a record and which language a
//! query is written in.
//!
//! A record goes through a bounded queue to one `writer` thread, into an open
//! `window` or `blocks`, each second to the `wal`, and when a chunk or block is full
//! to the open `partition` of its signal. `persist` is that second, `recovery` what a
//! start does, `read_metrics` and `read_logs` are what a query sees. `db` is the only
//! file that calls sled. [`format`](mod@format) draws what is on disk.

mod blocks;
mod chunk;
mod config;
mod db;
mod error;
mod lines;
mod lock;
mod log_part;
mod metadata;
mod metric_part;
mod partition;
mod persist;
mod read_logs;
mod read_metrics;
mod recovery;
mod retention;
mod state;
mod stats;
mod wal;
mod window;
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
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use opentelemetry::metrics::Meter;

use crate::clock::Clock;
use crate::record::read::{LogRead, LogSelect, MetricRead, ReadError, SeriesSelect};
use crate::record::{LogRecord, Metadata, Scrape, Series};

pub use config::{Config, Retention};
pub use error::{CloseError, OpenError, SyncError};
pub use stats::{DropReason, SignalStats, Stats};

use config::{QUEUE_MAX_BYTES, QUEUE_MAX_MESSAGES};
use lock::Lock;
use partition::Kind;
use persist::{Disk, Probe};
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
}

impl Store {
    /// Opens or creates the store in `dir` and starts its writer thread.
    ///
    /// Blocks for the replay of what the last run left, which is below a second unless the
    /// disk is very slow. Returns only when everything written before is readable.
    pub fn open(dir: &Path, config: Config, clock: Clock, meter: &Meter) -> Result<Store, OpenError> {
        Store::open_on(dir, config, clock, meter, Box::new(persist::free_bytes))
    }

    // Free space is asked for, so that a test can say how much there is.
    fn open_on(
        dir: &Path,
        config: Config,
        clock: Clock,
        meter: &Meter,
        probe: Probe,
    ) -> Result<Store, OpenError> {
        lock::make_roots(dir)?;
        let lock = Lock::take(dir)?;
        let metrics = partition::discover(dir, Kind::Metrics)?;
        let logs = partition::discover(dir, Kind::Logs)?;
        let wals = partition::discover(dir, Kind::Wal)?;
        let names = metrics.iter().chain(&logs).chain(&wals).map(|partition| partition.name);
        let generation = lock::claim_generation(dir, names)?;
        let shared = Arc::new(Shared::new(dir, clock, config, metadata::load(dir)?));
        {
            let mut state = shared.state_mut();
            recovery::adopt(dir, &mut state, metrics)?;
            recovery::adopt(dir, &mut state, logs)?;
        }
        let histogram = stats::register(meter, &shared);
        let mut writer = Writer::new(shared.clone(), Disk::new(generation, probe), histogram, lock);
        writer.replay(wals)?;
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
        Ok(Store(Arc::new(Inner { shared, queue, queued_bytes, is_closed, writer })))
    }

    /// Hands over the points of one moment; never blocks. What finds no room is counted.
    pub fn append_scrape(&self, scrape: Scrape) {
        let n_points = scrape.points.len() as u64;
        if let Err(reason) = self.send(Message::Scrape(scrape)) {
            self.0.shared.counters.drop_records(Kind::Metrics, reason, n_points);
        }
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

    fn queue_logs(&self, records: Vec<LogRecord>, ack: Option<Ack>) -> Result<(), DropReason> {
        let n_lines = records.len() as u64;
        self.send(Message::Logs(records, ack))
            .inspect_err(|reason| self.0.shared.counters.drop_records(Kind::Logs, *reason, n_lines))
    }

    /// Remembers what is known about metrics, also over a restart; never blocks.
    ///
    /// Returns false when the queue was full, so that the caller tells it again later.
    pub fn remember_metadata(&self, metadata: Vec<Metadata>) -> bool {
        self.send(Message::Metadata(metadata)).is_ok()
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

    /// Returns what the store says about itself.
    pub fn stats(&self) -> Stats {
        self.0.shared.stats()
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
        visit: &mut dyn FnMut(Series) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        read_metrics::series(&self.0.shared, select, visit)
    }

    fn metadata(&self) -> Vec<Metadata> {
        self.0.shared.metadata()
    }
}

impl LogRead for Store {
    fn lines(
        &self,
        select: &LogSelect,
        visit: &mut dyn FnMut(LogRecord) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        read_logs::lines(&self.0.shared, select, visit)
    }
}
