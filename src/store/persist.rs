//! What the writer does each second: seal, log, flush, publish, retire.
//!
//! Order matters: sealed data is flushed before readers see it as sealed, and before the
//! WAL that had it may go. An error gives up the one handle it came from; nothing that was
//! accepted is forgotten, the next second tries again in a new partition.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::blocks::OpenBlock;
use super::config::{
    CHUNK_AGE_MAX, FLUSH_INTERVAL, PARTITION_AGE_MAX, Retention, WAL_AGE_MAX, WAL_MAX_BYTES,
};
use super::error::{PartitionError, SyncError};
use super::log_part::LogWriter;
use super::metadata;
use super::metric_part::MetricWriter;
use super::partition::{Kind, Name, Partition};
use super::state::{Active, Shared};
use super::stats::DropReason;
use super::wal::{Covered, Row, Wal};
use super::writer::Writer;

/// A write handle with the time when it was opened.
struct Opened<W> {
    writer: W,
    at: Duration,
}

/// The write handles, one per root at most, made when first needed.
pub struct Disk {
    /// The number of this start.
    pub generation: u32,
    /// WAL partitions that are no longer written and still needed.
    pub old_wals: Vec<Covered>,
    next_seq: u32,
    metrics: Option<Opened<MetricWriter>>,
    logs: Option<Opened<LogWriter>>,
    wal: Option<Wal>,
    retained_at: Duration,
    sealing: BackOff,
    logging: BackOff,
    n_given_up: u32,
    probe: Probe,
    /// Until when space of dropped partitions may still appear.
    space_due: Option<Instant>,
}

/// Returns the free bytes of the disk that a path is on, none when they cannot be known.
pub type Probe = Box<dyn Fn(&Path) -> Option<u64> + Send>;

/// Asks the system for what a user without privileges may still take.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Some file systems show freed space late: btrfs commits every thirty seconds.
const SPACE_SETTLE: Duration = Duration::from_secs(30);

/// The wait after a failure; each of the two kinds of writing has its own, so that records
/// go on reaching the WAL while sealing fails.
struct BackOff {
    n_failures: u32,
    retry_at: Instant,
}

/// A handle given up keeps about 80 descriptors and its memory until the process ends, so
/// after this many only a restart helps; what comes then is counted as refused.
const GIVEN_UP_MAX: u32 = 6;

const GIVEN_UP: &str = "the disk failed too often, a restart is needed to write again";

/// The wait between attempts doubles from one second to about a minute.
const BACK_OFF_MAX_DOUBLINGS: u32 = 6;

/// Time between two measurements of the open partitions' sizes: growth in between is far
/// below the distance that retention keeps to the cap.
const RETAIN_INTERVAL: Duration = Duration::from_secs(10);

impl BackOff {
    fn new() -> Self {
        BackOff { n_failures: 0, retry_at: Instant::now() }
    }

    fn check(&self) -> Result<(), SyncError> {
        if Instant::now() < self.retry_at {
            return Err(SyncError::Degraded("the disk failed, the next attempt is due soon".into()));
        }
        Ok(())
    }

    fn note(&mut self, res: Result<(), PartitionError>) -> Result<(), SyncError> {
        if res.is_ok() {
            self.n_failures = 0;
        } else {
            let wait = FLUSH_INTERVAL * 2_u32.pow(self.n_failures.min(BACK_OFF_MAX_DOUBLINGS));
            self.n_failures += 1;
            self.retry_at = Instant::now() + wait;
        }
        res.map_err(degraded)
    }
}

impl Disk {
    /// Begins without any handle.
    pub fn new(generation: u32, probe: Probe) -> Self {
        Disk {
            generation,
            old_wals: Vec::new(),
            next_seq: 1,
            metrics: None,
            logs: None,
            wal: None,
            retained_at: Duration::ZERO,
            sealing: BackOff::new(),
            logging: BackOff::new(),
            n_given_up: 0,
            probe,
            space_due: None,
        }
    }

    /// Returns true when no further handle may be made: what still arrives is refused.
    pub fn is_given_up(&self) -> bool {
        self.n_given_up >= GIVEN_UP_MAX
    }

    fn check_given_up(&self) -> Result<(), SyncError> {
        if self.is_given_up() { Err(SyncError::Degraded(GIVEN_UP.into())) } else { Ok(()) }
    }

    fn create<W>(
        &mut self,
        shared: &Shared,
        kind: Kind,
        open: impl FnOnce(Arc<Partition>) -> Result<W, PartitionError>,
    ) -> Result<W, PartitionError> {
        if self.is_given_up() {
            let path = shared.dir.join(kind.as_str());
            return Err(PartitionError::Io { action: "create", path, source: io::Error::other(GIVEN_UP) });
        }
        let name = Name { generation: self.generation, seq: self.next_seq, start: shared.clock.now_ms() };
        self.next_seq += 1;
        let partition = Partition::create(&shared.dir, kind, name).map_err(|source| {
            let path = shared.dir.join(kind.as_str()).join(name.to_string());
            PartitionError::Io { action: "create", path, source }
        })?;
        let partition = Arc::new(partition);
        open(partition.clone()).inspect_err(|_| {
            // Nothing is inside; without this a disk that refuses would collect one a second.
            if let Err(err) = partition.remove() {
                tracing::warn!("remove {}: {err}", partition.path.display());
            }
        })
    }
}

impl Writer {
    /// Makes everything accepted so far durable.
    pub(super) fn persist(&mut self, is_asked_for: bool) -> Result<(), SyncError> {
        let shared = self.shared.clone();
        let started = shared.clock.elapsed();
        let started_real = Instant::now();
        self.close_due(started);
        let res = self.check_space().and_then(|()| self.write_out());
        match &res {
            Ok(()) => {
                let took = started_real.elapsed();
                self.flush_histogram.record(took.as_secs_f64(), &[]);
                shared.counters.flushed(shared.clock.now(), shared.clock.elapsed(), took);
                if shared.counters.set_degraded(None) && self.refuse.is_none() {
                    tracing::info!("store writes again");
                }
            }
            Err(err) => {
                if shared.counters.set_degraded(Some(err.to_string())) {
                    tracing::warn!("{err}; it tries again by itself");
                }
            }
        }
        if is_asked_for || started.saturating_sub(self.disk.retained_at) >= RETAIN_INTERVAL {
            self.disk.retained_at = started;
            self.retain();
        }
        res
    }

    /// Seals everything and ends the writing of every partition.
    pub(super) fn seal_all(&mut self) -> Result<(), SyncError> {
        {
            let mut state = self.shared.state_mut();
            let window = state.window.take();
            state.closing.extend(window);
            state.blocks.close_all();
        }
        // There is no later attempt, so none is put off, and the reserve is there for this.
        self.disk.sealing = BackOff::new();
        self.disk.logging = BackOff::new();
        let written = self.write_out();
        let metrics = self.seal_metrics().map_err(degraded);
        let logs = self.seal_logs().map_err(degraded);
        self.disk.old_wals.extend(self.disk.wal.take().map(|wal| wal.covered.clone()));
        self.retire_wals();
        self.shared.handles.clear();
        written.and(metrics).and(logs)
    }

    /// Seals closed windows and blocks and makes them durable, leaving open ones alone.
    pub(super) fn seal_closed(&mut self) -> Result<(), PartitionError> {
        // A fault of one signal is none of the other's.
        let rolled = self.roll_due();
        let windows = self.write_windows();
        let blocks = self.write_blocks();
        rolled.and(windows).and(blocks)
    }

    /// Gives up every write handle; what they had open is written anew elsewhere.
    pub(super) fn give_up_all(&mut self) {
        self.fail_metrics();
        self.fail_logs();
        self.fail_wal();
    }

    fn close_due(&mut self, now: Duration) {
        let mut state = self.shared.state_mut();
        let due = state
            .window
            .take_if(|window| window.is_full() || now.saturating_sub(window.opened) >= CHUNK_AGE_MAX);
        state.closing.extend(due);
        state.blocks.close_due(now);
    }

    // Every step runs whatever became of the one before: above all, what could not be sealed
    // is logged.
    fn write_out(&mut self) -> Result<(), SyncError> {
        let sealed = self.disk.sealing.check().and_then(|()| {
            let res = self.seal_closed();
            self.disk.sealing.note(res)
        });
        let logged = self.disk.logging.check().and_then(|()| {
            let res = self.log_rest();
            self.disk.logging.note(res)
        });
        self.retire_wals();
        let described = self.write_metadata().map_err(degraded);
        sealed.and(logged).and(described).and(self.disk.check_given_up())
    }

    fn write_metadata(&mut self) -> Result<(), PartitionError> {
        if self.is_metadata_dirty {
            metadata::store(&self.shared.dir, &self.shared.metadata()).map_err(|source| {
                let path = self.shared.dir.join("metadata");
                PartitionError::Io { action: "write", path, source }
            })?;
            self.is_metadata_dirty = false;
        }
        Ok(())
    }

    // ---- metrics

    fn write_windows(&mut self) -> Result<(), PartitionError> {
        if self.shared.state().closing.is_empty() {
            return Ok(());
        }
        if self.disk.metrics.is_none() {
            let writer = self.disk.create(&self.shared, Kind::Metrics, MetricWriter::new)?;
            self.disk.metrics = Some(Opened { writer, at: self.shared.clock.elapsed() });
        }
        let Opened { writer, .. } = self.disk.metrics.as_mut().expect("the handle was just made");
        let res = {
            let state = self.shared.state();
            state.closing.iter().try_for_each(|window| writer.add(window)).and_then(|()| writer.flush())
        };
        if res.is_err() {
            self.fail_metrics();
            return res;
        }
        let active = Active { partition: writer.partition.clone(), part: writer.part.clone() };
        let mut state = self.shared.state_mut();
        // Windows that a replay could not seal count the rows of another start.
        let own = state.closing.iter().filter(|window| window.rows.generation == self.disk.generation);
        let sealed_row = own.map(|window| window.rows.last).max().unwrap_or(0);
        state.n_series_sealed = state.closing.last().map_or(0, |window| window.n_series());
        state.closing.clear();
        state.metrics.active = Some(active);
        drop(state);
        self.rows.retain(|row| row.no > sealed_row);
        Ok(())
    }

    fn seal_metrics(&mut self) -> Result<(), PartitionError> {
        let Some(Opened { writer, .. }) = self.disk.metrics.take() else { return Ok(()) };
        self.shared.handles.remember_metrics(&writer.partition, &writer.part);
        self.shared.state_mut().metrics.seal_active();
        end(&writer.partition)
    }

    fn fail_metrics(&mut self) {
        let Some(Opened { writer, .. }) = self.disk.metrics.take() else { return };
        self.disk.n_given_up += 1;
        writer.give_up();
        writer.partition.failed.store(true, Ordering::Relaxed);
        let mut state = self.shared.state_mut();
        state.metrics.active = None;
        state.metrics.sealed.push(writer.partition);
    }

    // ---- logs

    fn write_blocks(&mut self) -> Result<(), PartitionError> {
        if self.shared.state().blocks.closing.is_empty() {
            return Ok(());
        }
        if self.disk.logs.is_none() {
            let writer = self.disk.create(&self.shared, Kind::Logs, LogWriter::new)?;
            self.disk.logs = Some(Opened { writer, at: self.shared.clock.elapsed() });
        }
        let Opened { writer, .. } = self.disk.logs.as_mut().expect("the handle was just made");
        let res = {
            let state = self.shared.state();
            let closing = &state.blocks.closing;
            closing.iter().try_for_each(|block| writer.add(block)).and_then(|()| writer.flush())
        };
        if res.is_err() {
            self.fail_logs();
            return res;
        }
        let active = Active { partition: writer.partition.clone(), part: writer.part.clone() };
        let mut state = self.shared.state_mut();
        state.blocks.closing.clear();
        state.logs.active = Some(active);
        Ok(())
    }

    fn seal_logs(&mut self) -> Result<(), PartitionError> {
        let Some(Opened { writer, .. }) = self.disk.logs.take() else { return Ok(()) };
        self.shared.handles.remember_logs(&writer.partition, &writer.part);
        self.shared.state_mut().logs.seal_active();
        end(&writer.partition)
    }

    fn fail_logs(&mut self) {
        let Some(Opened { writer, .. }) = self.disk.logs.take() else { return };
        self.disk.n_given_up += 1;
        writer.give_up();
        writer.partition.failed.store(true, Ordering::Relaxed);
        let mut state = self.shared.state_mut();
        state.logs.active = None;
        state.logs.sealed.push(writer.partition);
    }

    fn roll_due(&mut self) -> Result<(), PartitionError> {
        let config = self.shared.config();
        let now = self.shared.clock.elapsed();
        let is_due = |partition: &Partition, at: Duration, retention: &Retention| {
            partition.summary().payload_bytes >= config.roll_bytes(retention)
                || now.saturating_sub(at) >= PARTITION_AGE_MAX
        };
        let (mut metrics_res, mut logs_res) = (Ok(()), Ok(()));
        let metrics = self.disk.metrics.as_ref();
        if metrics.is_some_and(|open| is_due(&open.writer.partition, open.at, &config.metrics)) {
            metrics_res = self.seal_metrics();
        }
        let logs = self.disk.logs.as_ref();
        if logs.is_some_and(|open| is_due(&open.writer.partition, open.at, &config.logs)) {
            logs_res = self.seal_logs();
        }
        metrics_res.and(logs_res)
    }

    // ---- the WAL

    fn log_rest(&mut self) -> Result<(), PartitionError> {
        let now = self.shared.clock.elapsed();
        let is_full = |wal: &mut Wal| {
            wal.payload_bytes >= WAL_MAX_BYTES || now.saturating_sub(wal.opened) >= WAL_AGE_MAX
        };
        self.disk.old_wals.extend(self.disk.wal.take_if(is_full).map(|wal| wal.covered.clone()));
        let generation = self.disk.generation;
        let is_unlogged =
            |block: &OpenBlock| block.generation == generation && block.n_logged < block.lines.len();
        let has_lines = self.shared.state().blocks.iter().any(is_unlogged);
        if self.rows.is_empty() && !has_lines {
            return Ok(());
        }
        if self.disk.wal.is_none() {
            let open = |partition| Wal::new(partition, now);
            self.disk.wal = Some(self.disk.create(&self.shared, Kind::Wal, open)?);
        }
        let wal = self.disk.wal.as_mut().expect("the handle was just made");
        let res =
            log_into(wal, &self.rows, self.shared.state().blocks.iter().filter(|block| is_unlogged(block)));
        if res.is_err() {
            self.fail_wal();
            return res;
        }
        self.rows.clear();
        self.shared.state_mut().blocks.note_logged(generation);
        Ok(())
    }

    fn fail_wal(&mut self) {
        if let Some(wal) = self.disk.wal.take() {
            self.disk.n_given_up += 1;
            wal.give_up();
            self.disk.old_wals.push(wal.covered.clone());
        }
    }

    /// Removes WAL partitions of which everything is sealed.
    pub(super) fn retire_wals(&mut self) {
        let state = self.shared.state();
        self.disk.old_wals.retain(|wal| {
            let windows = state.closing.iter().chain(&state.window).map(|window| window.rows);
            let blocks = state.blocks.iter().map(|block| block.span());
            if wal.needed_by(windows, blocks) {
                return true;
            }
            match wal.partition.remove() {
                Ok(()) => false,
                Err(err) => {
                    if !wal.partition.removal_failed.swap(true, Ordering::Relaxed) {
                        tracing::warn!("remove {}: {err}; it is tried again", wal.partition.path.display());
                    }
                    true
                }
            }
        });
    }

    // ---- space

    /// Frees what retention must not keep when the disk is nearly full, then refuses.
    pub(super) fn check_space(&mut self) -> Result<(), SyncError> {
        let reserve = self.shared.config().reserve_bytes;
        // Not knowing is no reason to refuse; a flush that fails is contained elsewhere.
        let mut free = (self.disk.probe)(&self.shared.dir).unwrap_or(u64::MAX);
        let is_settling = self.disk.space_due.is_some_and(|due| Instant::now() < due);
        if free < reserve && !is_settling && self.drop_lack(free, reserve) {
            self.disk.space_due = Some(Instant::now() + SPACE_SETTLE);
            free = (self.disk.probe)(&self.shared.dir).unwrap_or(u64::MAX);
        }
        if free >= reserve {
            self.refuse = None;
            self.disk.space_due = None;
            return Ok(());
        }
        self.refuse = Some(DropReason::DiskFull);
        let mib = |bytes: u64| bytes >> 20;
        Err(SyncError::Degraded(format!(
            "{} MiB free on the disk of {} are less than the reserve of {} MiB, new records are refused",
            mib(free),
            self.shared.dir.display(),
            mib(reserve),
        )))
    }

    // Drops just as much as is lacking by its measured size; what the disk shows of that may
    // come later, and must not cost more history meanwhile.
    fn drop_lack(&mut self, free: u64, reserve: u64) -> bool {
        let droppable = {
            let state = self.shared.state();
            let sealed = state.metrics.sealed.iter().chain(&state.logs.sealed);
            sealed.map(|partition| partition.size_bytes.load(Ordering::Relaxed)).sum::<u64>()
        };
        // History is given up only where that reaches the reserve.
        if free.saturating_add(droppable) < reserve {
            return false;
        }
        let mut dropped = 0_u64;
        // Ends, because each round takes one partition away or stops.
        while free.saturating_add(dropped) < reserve {
            let Some(size_bytes) = self.drop_oldest_of_larger() else { break };
            dropped += size_bytes;
        }
        dropped > 0
    }
}

// The rest of the flush interval is what a slow disk has before a second is lost.
const _: () = assert!(FLUSH_INTERVAL.as_millis() <= 1_000);

fn degraded(err: PartitionError) -> SyncError {
    SyncError::Degraded(err.to_string())
}

fn log_into<'a>(
    wal: &mut Wal,
    rows: &[Row],
    blocks: impl Iterator<Item = &'a OpenBlock>,
) -> Result<(), PartitionError> {
    rows.iter().try_for_each(|row| wal.put_row(row))?;
    for block in blocks {
        wal.put_lines(&block.stream, &block.lines[block.n_logged..])?;
    }
    wal.flush()
}

fn end(partition: &Partition) -> Result<(), PartitionError> {
    partition.store_summary().map_err(|source| {
        let path = partition.path.clone();
        PartitionError::Io { action: "summarise", path, source }
    })
}
