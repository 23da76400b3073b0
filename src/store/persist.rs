//! What the writer does each second: seal, log, flush, publish, retire.
//!
//! Order matters: sealed data is flushed before readers see it as sealed, and before the
//! WAL that had it may go. An error gives up the one handle it came from; nothing that was
//! accepted is forgotten, the next second tries again in a new partition.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::back_off::BackOff;
use super::config::{
    CHUNK_AGE_MAX, FLUSH_INTERVAL, NAMED_FACTOR, SEAL_INTERVAL, SEAL_MIN_BYTES, WAL_AGE_MAX, WAL_MAX_BYTES,
    WAL_OLD_MAX,
};
use super::disk::partition::{Kind, Name, Partition};
use super::error::{OpenError, PartitionError, SyncError};
use super::facts::Facts;
use super::log::open::OpenBlock;
use super::log::part::LogWriter;
use super::metadata;
use super::metric::chunk;
use super::metric::part::{Draft, MetricWriter};
use super::metric::window::Window;
use super::rollup::late;
use super::space::Space;
use super::span::NumberedSpan;
use super::span::open::OpenSpanBlock;
use super::span::part::SpanWriter;
use super::state::{Active, Shared, State};
use super::wal::{Covered, Unlogged, Wal};
use super::writer::Writer;
use crate::clock::UnixMillis;

/// The write handle of one root.
pub trait PartitionWriter: Sized {
    /// Begins to write an empty partition.
    fn begin(partition: Arc<Partition>) -> Result<Self, PartitionError>;
    /// Returns the partition.
    fn partition(&self) -> &Arc<Partition>;
    /// Makes everything added durable.
    fn flush(&mut self) -> Result<(), PartitionError>;
    /// Returns everything in it but the bulk.
    fn facts(&self) -> Facts;
    /// Returns how many series or streams it names.
    fn n_named(&self) -> usize;
    /// Ends the writing, after the last flush.
    fn close(&self) -> Result<(), PartitionError>;
}

/// A write handle with the time when it was opened.
pub struct Opened<W> {
    /// The handle.
    pub writer: W,
    at: Duration,
}

/// The write handles, one per root at most, made when first needed.
pub struct Disk {
    /// The number of this start.
    pub generation: u32,
    /// WAL partitions that are no longer written and still needed.
    pub old_wals: Vec<Covered>,
    /// What is free, and what follows from that.
    pub space: Space,
    /// Partitions that retention took away and whose directories are still there.
    pub doomed: Vec<Arc<Partition>>,
    /// Partitions whose writing failed and that nobody can read yet.
    pub failed: Vec<Arc<Partition>>,
    /// The latest time of what a partition of the WAL, or of a predecessor, has that waits for
    /// the next start.
    pub unreplayed: Option<UnixMillis>,
    /// When retention last looked.
    pub retained_at: Duration,
    next_seq: u32,
    metrics: Option<Opened<MetricWriter>>,
    pub(super) minutes: Option<Opened<MetricWriter>>,
    pub(super) hours: Option<Opened<MetricWriter>>,
    logs: Option<Opened<LogWriter>>,
    spans: Option<Opened<SpanWriter>>,
    wal: Option<Wal>,
    sealed_at: Duration,
    pub(super) sealing: BackOff,
    logging: BackOff,
    n_given_up: u32,
    n_given_up_ever: u32,
    given_up_at: Duration,
}

/// A handle given up keeps about 80 descriptors and its memory until the process ends, so
/// after this many only a restart helps; what comes then is counted as refused.
const GIVEN_UP_MAX: u32 = 6;

/// A fault that did not come again for so long is forgiven, one handle at a time.
const FORGIVE_AFTER: Duration = Duration::from_secs(24 * 3600);

/// So many are forgiven at most: their descriptors are gone all the same.
const FORGIVEN_MAX: u32 = 18;

const GIVEN_UP: &str = "the disk failed too often, a restart is needed to write again";

/// Time between two measurements of the open partitions' sizes: growth in between is far
/// below the distance that retention keeps to the cap.
const RETAIN_INTERVAL: Duration = Duration::from_secs(10);

impl Disk {
    /// Begins without any handle.
    pub fn new(generation: u32, space: Space) -> Self {
        Disk {
            generation,
            old_wals: Vec::new(),
            space,
            doomed: Vec::new(),
            failed: Vec::new(),
            unreplayed: None,
            retained_at: Duration::ZERO,
            next_seq: 1,
            metrics: None,
            minutes: None,
            hours: None,
            logs: None,
            spans: None,
            wal: None,
            sealed_at: Duration::ZERO,
            sealing: BackOff::new(),
            logging: BackOff::new(),
            n_given_up: 0,
            n_given_up_ever: 0,
            given_up_at: Duration::ZERO,
        }
    }

    /// Returns true when no further handle may be made: what still arrives is refused.
    pub fn is_given_up(&self) -> bool {
        self.n_given_up >= GIVEN_UP_MAX
    }

    /// Yields the partitions of the WAL.
    pub fn wals(&self) -> impl Iterator<Item = &Arc<Partition>> {
        let open = self.wal.iter().map(|wal| &wal.covered.partition);
        self.old_wals.iter().map(|wal| &wal.partition).chain(open)
    }

    /// Counts a handle whose memory and descriptors are gone until the process ends.
    pub fn count_given_up(&mut self, now: Duration) {
        self.n_given_up += 1;
        self.n_given_up_ever += 1;
        self.given_up_at = now;
    }

    fn forgive(&mut self, now: Duration) {
        let n_forgiven = self.n_given_up_ever - self.n_given_up;
        let is_long_ago = now.saturating_sub(self.given_up_at) >= FORGIVE_AFTER;
        if self.n_given_up > 0 && n_forgiven < FORGIVEN_MAX && is_long_ago {
            self.n_given_up -= 1;
            self.given_up_at = now;
        }
    }

    fn check_given_up(&self) -> Result<(), SyncError> {
        if self.is_given_up() { Err(SyncError::Degraded(GIVEN_UP.into())) } else { Ok(()) }
    }

    /// Returns a name that no partition has.
    pub fn next_name(&mut self, start: UnixMillis) -> Name {
        let name = Name { generation: self.generation, seq: self.next_seq, start };
        self.next_seq += 1;
        name
    }

    fn create<W>(
        &mut self,
        shared: &Shared,
        kind: Kind,
        open: impl FnOnce(Arc<Partition>) -> Result<W, PartitionError>,
    ) -> Result<W, PartitionError> {
        if self.is_given_up() {
            let path = shared.dir.join(kind.as_str());
            let source = std::io::Error::other(GIVEN_UP);
            return Err(PartitionError::Io { action: "create", path, source });
        }
        let name = self.next_name(shared.clock.now_ms());
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

/// Selects the place of a root's write handle.
pub type Place<W> = fn(&mut Disk) -> &mut Option<Opened<W>>;

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
                self.revive();
                self.disk.forgive(started);
            }
            Err(err) => {
                if shared.counters.set_degraded(Some(err.to_string())) {
                    tracing::warn!("{err}; it tries again by itself");
                }
            }
        }
        if self.lock.predecessor().is_some() {
            // Until it is gone, what is kept and rolled up is its to say.
            self.take_over();
            return res;
        }
        // What could not be written yet would be missing in what is made from it.
        if res.is_ok() {
            self.roll_up();
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
            state.windows.close_all();
            state.blocks.close_all();
            state.spans.close_all();
        }
        // There is no later attempt, so none is put off, and the reserve is there for this.
        self.disk.sealing = BackOff::new();
        self.disk.logging = BackOff::new();
        self.is_hurried = true;
        let written = self.write_out();
        let sealed = self.seal_partitions(|_, _| true).map_err(degraded);
        self.disk.old_wals.extend(self.disk.wal.take().map(Wal::close));
        self.retire_wals();
        self.shared.handles.clear();
        written.and(sealed)
    }

    /// Seals closed windows and blocks and makes them durable, leaving open ones alone.
    pub(super) fn seal_closed(&mut self) -> Result<(), PartitionError> {
        let config = self.shared.config();
        let now = self.shared.clock.elapsed();
        let named_max = NAMED_FACTOR * config.series_max.max(config.streams_max);
        let is_due = |partition: &Partition, at: Duration, n_named: usize| {
            partition.summary().payload_bytes >= config.roll_bytes(partition.kind)
                || now.saturating_sub(at) >= config.roll_age(partition.kind)
                || n_named >= named_max
        };
        let rolled = self.seal_partitions(|partition, (at, n_named)| is_due(partition, at, n_named));
        // A fault of one signal is none of the other's.
        let windows = self.write_windows();
        let blocks = self.write_blocks();
        let spans = self.write_spans();
        rolled.and(windows).and(blocks).and(spans)
    }

    /// Gives up every write handle; what they had open is written anew elsewhere.
    pub(super) fn give_up_all(&mut self) {
        self.fail(Kind::Metrics, |disk| &mut disk.metrics);
        self.fail(Kind::Minutes, |disk| &mut disk.minutes);
        self.fail(Kind::Hours, |disk| &mut disk.hours);
        self.fail(Kind::Logs, |disk| &mut disk.logs);
        self.fail(Kind::Spans, |disk| &mut disk.spans);
        self.fail_wal();
        self.rolling.forget();
    }

    fn close_due(&mut self, now: Duration) {
        let mut state = self.shared.state_mut();
        state.windows.close_due(now);
        state.blocks.close_due(now);
        state.spans.close_due(now);
        // What keeps the oldest log partition is sealed early once too many wait.
        if self.disk.old_wals.len() > WAL_OLD_MAX
            && let Some(oldest) = self.disk.old_wals.first()
        {
            state.windows.close_where(|window| oldest.has_rows(window.rows));
            state.blocks.close_where(|block| oldest.has_lines(block.numbers()));
            state.spans.close_where(|block| oldest.has_spans(block.numbers()));
        }
    }

    // Every step runs whatever became of the one before: above all, what could not be sealed
    // is logged.
    fn write_out(&mut self) -> Result<(), SyncError> {
        let sealed = self.attempt(|disk| &mut disk.sealing, |writer| writer.seal_closed().map_err(degraded));
        let logged = self.attempt(|disk| &mut disk.logging, |writer| writer.log_rest().map_err(degraded));
        self.retire_wals();
        let described = self.write_metadata().map_err(degraded);
        let marked = self.write_late().map_err(degraded);
        sealed.and(logged).and(described).and(marked).and(self.disk.check_given_up())
    }

    /// Tries what may have failed before, unless it is too soon for that.
    pub(super) fn attempt(
        &mut self,
        back_off: fn(&mut Disk) -> &mut BackOff,
        run: impl FnOnce(&mut Writer) -> Result<(), SyncError>,
    ) -> Result<(), SyncError> {
        if !back_off(&mut self.disk).is_over() {
            return Err(SyncError::Degraded("the disk failed, the next attempt is due soon".into()));
        }
        let res = run(self);
        back_off(&mut self.disk).note(res.is_ok());
        res
    }

    fn write_metadata(&mut self) -> Result<(), PartitionError> {
        if self.is_metadata_dirty && self.lock.predecessor().is_none() {
            metadata::store(&self.shared.dir, &self.shared.metadata()).map_err(|source| {
                let path = self.shared.dir.join("metadata");
                PartitionError::Io { action: "write", path, source }
            })?;
            self.is_metadata_dirty = false;
        }
        Ok(())
    }

    /// Takes up which blocks an earlier start was to make again.
    pub(super) fn load_late(&mut self) -> Result<(), OpenError> {
        self.rolling.late.load(&self.shared.dir, self.shared.clock.elapsed())
    }

    // While a predecessor lives, the file is its own.
    fn write_late(&mut self) -> Result<(), PartitionError> {
        let Some(bytes) = self.rolling.late.unsaved() else { return Ok(()) };
        if self.lock.predecessor().is_some() {
            return Ok(());
        }
        self.rolling.late.save(&self.shared.dir, &bytes).map_err(|source| {
            let path = late::path(&self.shared.dir);
            PartitionError::Io { action: "write", path, source }
        })
    }

    // ---- partitions of any kind

    /// Calls `add` with the write handle of a root, begun when there is none, and makes
    /// durable what it added; readers see that only once `publish` has changed the state.
    pub(super) fn write<W: PartitionWriter>(
        &mut self,
        kind: Kind,
        place: Place<W>,
        add: impl FnOnce(&mut W, &Shared) -> Result<(), PartitionError>,
        publish: impl FnOnce(&mut State),
    ) -> Result<(), PartitionError> {
        let shared = self.shared.clone();
        self.add(kind, place, |writer| add(writer, &shared).and_then(|()| writer.flush()))?;
        let opened = place(&mut self.disk).as_ref().expect("it was just written to");
        let (partition, facts) = (opened.writer.partition().clone(), Arc::new(opened.writer.facts()));
        let mut state = shared.state_mut();
        publish(&mut state);
        state.tier_mut(kind).active = Some(Active { partition, facts });
        Ok(())
    }

    /// Calls `add` with the write handle of a root, begun when there is none; what it added
    /// becomes durable and visible with the next [`Writer::write`].
    pub(super) fn add<W: PartitionWriter>(
        &mut self,
        kind: Kind,
        place: Place<W>,
        add: impl FnOnce(&mut W) -> Result<(), PartitionError>,
    ) -> Result<(), PartitionError> {
        if place(&mut self.disk).is_none() {
            let shared = self.shared.clone();
            let writer = self.disk.create(&shared, kind, W::begin)?;
            *place(&mut self.disk) = Some(Opened { writer, at: shared.clock.elapsed() });
        }
        let opened = place(&mut self.disk).as_mut().expect("the handle was just made");
        let res = add(&mut opened.writer);
        if res.is_err() {
            self.fail(kind, place);
        }
        res
    }

    /// Closes the database of a handle that is used again in an hour or later.
    pub(super) fn rest<W: PartitionWriter>(&mut self, place: Place<W>) {
        if let Some(opened) = place(&mut self.disk) {
            opened.writer.partition().db.pin(false);
            opened.writer.partition().db.close();
        }
    }

    fn seal_partitions(
        &mut self,
        is_due: impl Fn(&Partition, (Duration, usize)) -> bool,
    ) -> Result<(), PartitionError> {
        let metrics = self.seal(Kind::Metrics, |disk| &mut disk.metrics, &is_due);
        let minutes = self.seal(Kind::Minutes, |disk| &mut disk.minutes, &is_due);
        let hours = self.seal(Kind::Hours, |disk| &mut disk.hours, &is_due);
        let logs = self.seal(Kind::Logs, |disk| &mut disk.logs, &is_due);
        let spans = self.seal(Kind::Spans, |disk| &mut disk.spans, &is_due);
        metrics.and(minutes).and(hours).and(logs).and(spans)
    }

    fn seal<W: PartitionWriter>(
        &mut self,
        kind: Kind,
        place: Place<W>,
        is_due: &impl Fn(&Partition, (Duration, usize)) -> bool,
    ) -> Result<(), PartitionError> {
        // A window that is half written would be left behind; at the end it is made again.
        if self.rolling.is_writing(kind) && !self.is_hurried {
            return Ok(());
        }
        let due =
            |opened: &mut Opened<W>| is_due(opened.writer.partition(), (opened.at, opened.writer.n_named()));
        let Some(Opened { writer, .. }) = place(&mut self.disk).take_if(due) else { return Ok(()) };
        let res = writer.close();
        if res.is_ok() {
            self.repack(writer.partition());
        }
        let res = res.and_then(|()| writer.partition().seal(&writer.facts().encode()));
        self.shared.state_mut().tier_mut(kind).seal_active();
        res
    }

    // It costs a second copy for a moment.
    fn repack(&self, partition: &Partition) {
        let room = self.free_bytes().saturating_sub(self.shared.config().reserve_bytes);
        if partition.summary().payload_bytes < room
            && let Err(err) = partition.repack()
        {
            tracing::warn!("{err}; it keeps the room that it takes");
        }
    }

    /// Gives up the write handle of a root; what is in its partition is read at the next start.
    pub(super) fn fail<W: PartitionWriter>(&mut self, kind: Kind, place: Place<W>) {
        let Some(Opened { writer, .. }) = place(&mut self.disk).take() else { return };
        self.disk.count_given_up(self.shared.clock.elapsed());
        let partition = writer.partition();
        partition.db.give_up();
        partition.failed.store(true, Ordering::Relaxed);
        let mut state = self.shared.state_mut();
        let tier = state.tier_mut(kind);
        tier.active = None;
        tier.sealed.push(partition.clone());
        self.disk.failed.push(partition.clone());
    }

    // ---- by signal

    fn write_windows(&mut self) -> Result<(), PartitionError> {
        if self.shared.state().windows.closing.is_empty() {
            return Ok(());
        }
        let mut sealed = Vec::new();
        self.write(
            Kind::Metrics,
            |disk| &mut disk.metrics,
            |writer, shared| {
                let state = shared.state();
                state.windows.closing.iter().try_for_each(|window| add_window(writer, window))
            },
            |state| {
                let closed = std::mem::take(&mut state.windows.closing);
                sealed.extend(closed.iter().map(|window| (window.source, window.rows)));
            },
        )?;
        // What was sealed before it was logged need not be logged; windows that a replay could
        // not seal count the rows of another start.
        let generation = self.disk.generation;
        self.rows.retain(|row| {
            !sealed.iter().any(|(source, rows)| {
                *source == row.source && rows.generation == generation && row.no <= rows.last
            })
        });
        Ok(())
    }

    fn write_blocks(&mut self) -> Result<(), PartitionError> {
        if !self.is_worth_sealing() {
            return Ok(());
        }
        self.write(
            Kind::Logs,
            |disk| &mut disk.logs,
            |writer, shared| {
                let state = shared.state();
                state.blocks.closing.iter().try_for_each(|block| writer.add(block))
            },
            |state| state.blocks.closing.clear(),
        )?;
        self.disk.sealed_at = self.shared.clock.elapsed();
        Ok(())
    }

    // Each write to a partition ends a page early, so small blocks wait for each other.
    fn is_worth_sealing(&self) -> bool {
        let state = self.shared.state();
        let waited = self.shared.clock.elapsed().saturating_sub(self.disk.sealed_at);
        !state.blocks.closing.is_empty()
            && (waited >= SEAL_INTERVAL || state.blocks.closing_bytes() >= SEAL_MIN_BYTES || self.is_hurried)
    }

    fn write_spans(&mut self) -> Result<(), PartitionError> {
        if self.shared.state().spans.closing.is_empty() {
            return Ok(());
        }
        self.write(
            Kind::Spans,
            |disk| &mut disk.spans,
            |writer, shared| {
                let state = shared.state();
                state.spans.closing.iter().try_for_each(|block| writer.add(block))
            },
            |state| state.spans.closing.clear(),
        )
    }

    // ---- the WAL

    fn log_rest(&mut self) -> Result<(), PartitionError> {
        let now = self.shared.clock.elapsed();
        let is_full = |wal: &mut Wal| {
            wal.payload_bytes() >= WAL_MAX_BYTES || now.saturating_sub(wal.opened) >= WAL_AGE_MAX
        };
        self.disk.old_wals.extend(self.disk.wal.take_if(is_full).map(Wal::close));
        let generation = self.disk.generation;
        let shared = self.shared.clone();
        let state = shared.state();
        let spans = unlogged_spans(&state, generation);
        let is_unlogged =
            |block: &&OpenBlock| block.generation == generation && block.n_logged < block.lines.len();
        let blocks = state.blocks.iter().filter(is_unlogged).collect();
        let unlogged = Unlogged { rows: &self.rows, blocks, spans: &spans };
        if unlogged.is_empty() {
            return Ok(());
        }
        if self.disk.wal.is_none() {
            let open = |partition| Wal::new(partition, now);
            self.disk.wal = Some(self.disk.create(&shared, Kind::Wal, open)?);
        }
        let wal = self.disk.wal.as_mut().expect("the handle was just made");
        let res = wal.log(&unlogged);
        drop(state);
        if res.is_err() {
            self.fail_wal();
            return res;
        }
        self.rows.clear();
        let mut state = shared.state_mut();
        state.blocks.note_logged(generation);
        state.spans.note_logged(generation);
        Ok(())
    }

    fn fail_wal(&mut self) {
        if let Some(wal) = self.disk.wal.take() {
            self.disk.count_given_up(self.shared.clock.elapsed());
            wal.give_up();
            self.disk.old_wals.push(wal.covered.clone());
        }
    }

    /// Removes WAL partitions of which everything is sealed.
    pub(super) fn retire_wals(&mut self) {
        let state = self.shared.state();
        self.disk.old_wals.retain(|wal| {
            let is_needed = state.windows.iter().any(|window| wal.has_rows(window.rows))
                || state.blocks.iter().any(|block| wal.has_lines(block.numbers()))
                || state.spans.iter().any(|block| wal.has_spans(block.numbers()));
            if is_needed {
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
}

// The rest of the flush interval is what a slow disk has before a second is lost.
const _: () = assert!(FLUSH_INTERVAL.as_millis() <= 1_000);

// A window that is sealed by its age must not keep the log for as long as a block does.
const _: () = assert!(CHUNK_AGE_MAX.as_secs() <= 2 * WAL_AGE_MAX.as_secs());

pub(super) fn degraded(err: PartitionError) -> SyncError {
    SyncError::Degraded(err.to_string())
}

fn add_window(writer: &mut MetricWriter, window: &Window) -> Result<(), PartitionError> {
    let (times, order) = window.order();
    let n_times = times.len();
    let series: Vec<_> = window.series().cloned().collect();
    let mut places: Vec<(u32, usize)> = writer.ids(&series)?.into_iter().zip(0..).collect();
    places.sort_unstable();
    let mut draft = Draft::new(window.source, window.rows, times, None);
    for (id, place) in places {
        let chunk = window.chunk(place, &order);
        writer.add(&mut draft, id, chunk::encode(&chunk, n_times), chunk.values.len())?;
    }
    writer.end(draft)
}

fn unlogged_spans(state: &State, generation: u32) -> Vec<NumberedSpan> {
    let own = state.spans.iter().filter(|block| block.generation == generation);
    own.flat_map(|block: &OpenSpanBlock| block.spans[block.n_logged..].iter().cloned()).collect()
}

impl PartitionWriter for MetricWriter {
    fn begin(partition: Arc<Partition>) -> Result<Self, PartitionError> {
        MetricWriter::new(partition)
    }

    fn partition(&self) -> &Arc<Partition> {
        self.pages.partition()
    }

    fn flush(&mut self) -> Result<(), PartitionError> {
        self.pages.flush()
    }

    fn facts(&self) -> Facts {
        Facts::Metrics(self.facts.clone())
    }

    fn n_named(&self) -> usize {
        self.facts.series.len()
    }

    fn close(&self) -> Result<(), PartitionError> {
        self.pages.close();
        Ok(())
    }
}

impl PartitionWriter for LogWriter {
    fn begin(partition: Arc<Partition>) -> Result<Self, PartitionError> {
        LogWriter::new(partition)
    }

    fn partition(&self) -> &Arc<Partition> {
        self.pages.partition()
    }

    fn flush(&mut self) -> Result<(), PartitionError> {
        self.pages.flush()
    }

    fn facts(&self) -> Facts {
        Facts::Logs(self.facts.clone())
    }

    fn n_named(&self) -> usize {
        self.facts.streams.len()
    }

    fn close(&self) -> Result<(), PartitionError> {
        self.pages.close();
        self.sync_filters()
    }
}

impl PartitionWriter for SpanWriter {
    fn begin(partition: Arc<Partition>) -> Result<Self, PartitionError> {
        SpanWriter::new(partition)
    }

    fn partition(&self) -> &Arc<Partition> {
        self.pages.partition()
    }

    fn flush(&mut self) -> Result<(), PartitionError> {
        self.pages.flush()
    }

    fn facts(&self) -> Facts {
        Facts::Spans(self.facts.clone())
    }

    fn n_named(&self) -> usize {
        0
    }

    fn close(&self) -> Result<(), PartitionError> {
        self.pages.close();
        Ok(())
    }
}
