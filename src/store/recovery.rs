//! What happens at start: find the partitions, mend what a crash left, replay the WAL.
//!
//! Replayed rows, lines and spans are sealed at once, so that the WAL of an earlier
//! generation is gone when the store opens; a disk that is too full for that leaves it for
//! later. A successor that began beside its predecessor does the same once that is gone.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::config::WAL_AGE_MAX;
use super::disk::aside::{Why, set_aside};
use super::disk::numbers::Numbers;
use super::disk::partition::{Kind, Partition, check_root, discover};
use super::error::{OpenError, PartitionError};
use super::facts::Facts;
use super::log::block::Block;
use super::log::open::NewLine;
use super::metadata;
use super::metric::window::{Source, Window};
use super::persist::degraded;
use super::rollup::late::Late;
use super::state::Shared;
use super::wal::{self, Covered, Found};
use super::writer::Writer;
use crate::clock::UnixMillis;
use crate::record::Labels;

/// Raw bytes of replayed blocks between two seals: a bound on memory, not on the WAL.
const REPLAY_STEP_BYTES: usize = 8 << 20;

/// What an earlier start left: history, and what it had not sealed.
pub struct Left {
    history: Vec<Partition>,
    wals: Vec<Partition>,
}

/// Checks that this version reads what is on the disk; changes nothing and needs no lock.
pub fn check_format(dir: &Path) -> Result<(), OpenError> {
    if !dir.exists() {
        return Ok(());
    }
    metadata::load(dir)?;
    Late::default().load(dir, Duration::ZERO)?;
    Kind::ALL.iter().try_for_each(|kind| check_root(dir, *kind))
}

impl Left {
    /// Finds what is on the disk, except what a predecessor that still writes has open.
    pub fn find(dir: &Path, predecessor: Option<u32>) -> Result<Left, OpenError> {
        let mut history = Vec::new();
        for kind in Kind::HISTORY {
            history.extend(discover(dir, kind, predecessor)?);
        }
        Ok(Left { history, wals: discover(dir, Kind::Wal, predecessor)? })
    }

    /// Yields every partition.
    pub fn partitions(&self) -> impl Iterator<Item = &Partition> {
        self.history.iter().chain(&self.wals)
    }
}

/// Adds a partition to those that are read, mending it when its writer did not come to seal it.
fn adopt(shared: &Shared, partition: Partition) -> Result<(), OpenError> {
    let partition = Arc::new(partition);
    if !partition.load_summary()
        && let Err(err) = mend(shared, &partition)
    {
        shared.handles.forget(&partition);
        if !err.is_passing() {
            let why = Why::Damaged(&err.to_string());
            return set_aside(&shared.dir, partition.kind, &partition.path, why)
                .map_err(|source| OpenError::from_io("set aside", &partition.path, source));
        }
        tracing::warn!("{err}; its data is back after a restart that can open it");
        partition.failed.store(true, Ordering::Relaxed);
    } else {
        partition.measure().map_err(|source| OpenError::from_io("measure", &partition.path, source))?;
    }
    let mut state = shared.state_mut();
    let sealed = &mut state.tier_mut(partition.kind).sealed;
    let place = sealed.partition_point(|known| known.name < partition.name);
    sealed.insert(place, partition);
    Ok(())
}

// What the writer of this partition flushed is whole.
fn mend(shared: &Shared, partition: &Arc<Partition>) -> Result<(), PartitionError> {
    let facts = shared.scan_facts(partition)?;
    let mut summary = facts.summarise();
    summary.payload_bytes = partition.measure().unwrap_or(0);
    partition.set_summary(summary);
    shared.handles.forget(partition);
    partition.seal(&facts.encode())
}

/// For each source or stream the last row or line of one generation that is sealed.
struct CoveredBy<K> {
    generation: u32,
    last: HashMap<K, u64>,
}

impl<K: std::hash::Hash + Eq> CoveredBy<K> {
    fn new(generation: u32) -> Self {
        CoveredBy { generation, last: HashMap::new() }
    }

    fn note(&mut self, key: K, numbers: Numbers) {
        if numbers.generation == self.generation {
            let last = self.last.entry(key).or_insert(numbers.last);
            *last = numbers.last.max(*last);
        }
    }

    fn has(&self, key: &K, no: u64) -> bool {
        self.last.get(key).is_some_and(|last| no <= *last)
    }
}

/// What of the WAL of one generation is sealed already; looked up when the first record of
/// a signal is found. Of rows and spans that one has the lowest number.
struct Sealed {
    generation: u32,
    rows: Option<CoveredBy<Source>>,
    lines: Option<CoveredBy<Labels>>,
    spans: Option<CoveredBy<()>>,
}

impl Writer {
    /// Takes up what earlier starts left, and seals what of it was not sealed.
    pub(super) fn recover(&mut self, left: Left) -> Result<(), OpenError> {
        let shared = self.shared.clone();
        left.history.into_iter().try_for_each(|partition| adopt(&shared, partition))?;
        for partition in left.wals.into_iter().map(Arc::new) {
            if let Err(err) = self.replay(&partition) {
                // What could be read before the damage is kept.
                self.settle(None);
                if err.is_passing() {
                    tracing::warn!("{err}; it is replayed at the next start");
                    continue;
                }
                set_aside(&shared.dir, Kind::Wal, &partition.path, Why::Damaged(&err.to_string()))
                    .map_err(|source| OpenError::from_io("set aside", &partition.path, source))?;
                continue;
            }
            self.settle(Some(partition));
        }
        self.begin_clock();
        Ok(())
    }

    /// Takes up what a predecessor left, once it is gone.
    pub(super) fn take_over(&mut self) {
        let generation = self.disk.generation;
        match self.lock.take_over(generation) {
            Ok(false) => return,
            Ok(true) => {
                self.shared.handles.share(false);
                tracing::info!("predecessor is gone, its last partitions are taken over");
            }
            Err(err) => return tracing::warn!("{err}; it is tried again"),
        }
        let known: Vec<_> = {
            let state = self.shared.state();
            Kind::HISTORY
                .iter()
                .flat_map(|kind| state.tier(*kind).partitions())
                .map(|known| known.name)
                .collect()
        };
        let late = self.load_late();
        let res = late.and_then(|()| Left::find(&self.shared.dir, None)).and_then(|mut left| {
            let is_new = |partition: &Partition| {
                partition.name.generation != generation && !known.contains(&partition.name)
            };
            left.history.retain(is_new);
            left.wals.retain(is_new);
            self.recover(left)
        });
        if let Err(err) = res {
            tracing::warn!("{err}; the rest of the predecessor's history is back after a restart");
            self.disk.unreplayed = Some(self.shared.clock.now_ms());
        }
        self.shared.is_beside.store(false, Ordering::Relaxed);
    }

    /// Makes partitions whose writing failed readable again: what they flushed is whole, but
    /// the handle that failed keeps them locked.
    pub(super) fn revive(&mut self) {
        for failed in std::mem::take(&mut self.disk.failed) {
            let name = self.disk.next_name(failed.name.start);
            let res = failed.link_as(name).map_err(|source| OpenError::from_io("link", &failed.path, source));
            match res.and_then(|revived| adopt(&self.shared, revived)) {
                Ok(()) => {
                    let mut state = self.shared.state_mut();
                    state.tier_mut(failed.kind).sealed.retain(|known| known.name != failed.name);
                    drop(state);
                    self.disk.doomed.push(failed);
                }
                Err(err) => tracing::warn!("{err}; what is inside is read again after a restart"),
            }
        }
    }

    fn replay(&mut self, partition: &Arc<Partition>) -> Result<(), PartitionError> {
        let generation = partition.name.generation;
        let mut sealed = Sealed { generation, rows: None, lines: None, spans: None };
        // A fault of one signal keeps only its own records waiting.
        let mut faults: Vec<(Kind, PartitionError)> = Vec::new();
        let res = wal::replay(partition, |found| {
            let kind = found.kind();
            if faults.iter().all(|(of, _)| *of != kind)
                && let Err(fault) = self.take_found(&mut sealed, found)
            {
                faults.push((kind, fault));
            }
        });
        let are_samples_waiting = res.as_ref().is_err_and(PartitionError::is_passing)
            || faults.iter().any(|(kind, fault)| *kind == Kind::Metrics && fault.is_passing());
        if are_samples_waiting {
            let newest = UnixMillis(partition.name.start.0 + WAL_AGE_MAX.as_millis() as i64);
            self.disk.unreplayed = self.disk.unreplayed.max(Some(newest));
        }
        // What passes comes first: then the WAL stays, whatever is damaged in it.
        let all = res.err().into_iter().chain(faults.into_iter().map(|(_, fault)| fault));
        all.min_by_key(|fault| !fault.is_passing()).map_or(Ok(()), Err)
    }

    fn take_found(&mut self, sealed: &mut Sealed, found: Found) -> Result<(), PartitionError> {
        let generation = sealed.generation;
        match found {
            Found::Row(row) => {
                if sealed.rows.is_none() {
                    sealed.rows = Some(self.sealed_rows(generation, row.no)?);
                }
                if !sealed.rows.as_ref().is_some_and(|rows| rows.has(&row.source, row.no)) {
                    self.replay_row(generation, &row);
                }
            }
            Found::Lines(stream, block) => {
                if sealed.lines.is_none() {
                    // Those of other streams that come later may have lower numbers.
                    sealed.lines = Some(self.sealed_lines(generation, 0)?);
                }
                if let Some(lines) = &sealed.lines {
                    self.replay_lines(generation, &stream, &block, lines);
                }
            }
            Found::Span(span) => {
                if sealed.spans.is_none() {
                    sealed.spans = Some(self.sealed_spans(generation, span.no)?);
                }
                if !sealed.spans.as_ref().is_some_and(|spans| spans.has(&(), span.no)) {
                    let now = self.shared.clock.elapsed();
                    self.shared.state_mut().spans.put(generation, span.no, span.span, now);
                }
            }
        }
        if self.is_much_replayed() {
            self.seal_step();
        }
        Ok(())
    }

    fn replay_row(&mut self, generation: u32, row: &wal::Row) {
        let opened = self.shared.clock.elapsed();
        let mut state = self.shared.state_mut();
        let begin = |source| Window::new(source, opened, generation, row.no);
        let window = state.windows.window(row.source, row.at, begin);
        let slot = window.slot(row.at);
        for point in &row.points {
            // Duplicates and limits were counted when the row was accepted, and what was accepted
            // is kept whatever the limit is now.
            window.put(slot, &point.series, point.value, usize::MAX);
        }
        window.rows.last = row.no;
    }

    fn replay_lines(&mut self, generation: u32, stream: &Labels, block: &Block, sealed: &CoveredBy<Labels>) {
        let now = self.shared.clock.elapsed();
        let mut state = self.shared.state_mut();
        for line in (0..block.len()).filter(|line| !sealed.has(stream, block.no(*line))) {
            let new = NewLine { block, line, no: block.no(line) };
            state.blocks.put(stream, generation, new, now);
        }
    }

    fn is_much_replayed(&self) -> bool {
        let state = self.shared.state();
        state.windows.closing.len() > 1
            || state.blocks.closing_bytes() + state.spans.closing_bytes() > REPLAY_STEP_BYTES
    }

    fn seal_step(&mut self) {
        // One failure is enough: the next records of the WAL would meet the same.
        if !self.disk.sealing.is_over() {
            return;
        }
        let seal = |writer: &mut Writer| {
            writer.check_space()?;
            writer.seal_closed().map_err(degraded)
        };
        if let Err(err) = self.attempt(|disk| &mut disk.sealing, seal) {
            tracing::warn!("seal what the last run left: {err}; it is tried again by itself");
        }
    }

    // Seals what was replayed; the partition that had it goes, or waits until it may.
    fn settle(&mut self, partition: Option<Arc<Partition>>) {
        {
            let mut state = self.shared.state_mut();
            state.windows.close_all();
            state.blocks.close_all();
            state.spans.close_all();
        }
        self.is_hurried = true;
        self.seal_step();
        self.is_hurried = false;
        let covered =
            |partition| Covered { partition, last_row: u64::MAX, last_line: u64::MAX, last_span: u64::MAX };
        self.disk.old_wals.extend(partition.map(covered));
        self.retire_wals();
    }

    fn sealed_rows(&self, generation: u32, first: u64) -> Result<CoveredBy<Source>, PartitionError> {
        let mut res = CoveredBy::new(generation);
        for facts in self.facts_that_cover(Kind::Metrics, generation, first)? {
            facts.metrics().windows.iter().for_each(|window| res.note(window.source, window.rows));
        }
        Ok(res)
    }

    fn sealed_lines(&self, generation: u32, first: u64) -> Result<CoveredBy<Labels>, PartitionError> {
        let mut res = CoveredBy::new(generation);
        for facts in self.facts_that_cover(Kind::Logs, generation, first)? {
            let logs = facts.logs();
            logs.blocks.iter().for_each(|block| res.note(logs.stream(block).clone(), block.lines));
        }
        Ok(res)
    }

    fn sealed_spans(&self, generation: u32, first: u64) -> Result<CoveredBy<()>, PartitionError> {
        let mut res = CoveredBy::new(generation);
        for facts in self.facts_that_cover(Kind::Spans, generation, first)? {
            facts.spans().blocks.iter().for_each(|block| res.note((), block.spans));
        }
        Ok(res)
    }

    // The facts of the partitions of a kind that have records of a generation from `first` on.
    // They are read from the pages: what only the files beside them say may be gone.
    fn facts_that_cover(
        &self,
        kind: Kind,
        generation: u32,
        first: u64,
    ) -> Result<Vec<Arc<Facts>>, PartitionError> {
        let (sealed, active) = {
            let state = self.shared.state();
            let tier = state.tier(kind);
            // What it has cannot be told from what it lacks.
            let too_old = self.shared.clock.now_ms().minus(self.shared.config().retention(kind).max_age);
            let is_waited_for =
                |partition: &&Arc<Partition>| partition.is_put_off() && partition.newest() >= too_old;
            if let Some(unread) = tier.sealed.iter().find(is_waited_for) {
                let source = std::io::Error::other("it cannot be read now");
                return Err(unread.io("replay the log beside", source));
            }
            let covers = |partition: &&Arc<Partition>| {
                partition.is_readable()
                    && partition.summary().covers.get(&generation).is_some_and(|last| *last >= first)
            };
            let sealed: Vec<_> = tier.sealed.iter().filter(covers).cloned().collect();
            (sealed, tier.active.as_ref().map(|active| active.facts.clone()))
        };
        let mut res: Vec<Arc<Facts>> = active.into_iter().collect();
        for partition in sealed {
            match self.shared.scan_facts(&partition) {
                Ok(facts) => res.push(Arc::new(facts)),
                Err(err) if err.is_passing() => return Err(err),
                // Its own damage; what the WAL still has of it comes back from there.
                Err(err) => self.set_aside_sealed(&partition, &err)?,
            }
        }
        Ok(res)
    }

    fn set_aside_sealed(&self, partition: &Partition, err: &PartitionError) -> Result<(), PartitionError> {
        partition.failed.store(true, Ordering::Relaxed);
        self.shared.handles.forget(partition);
        let mut state = self.shared.state_mut();
        state.tier_mut(partition.kind).sealed.retain(|other| other.name != partition.name);
        drop(state);
        // That it could not be moved says nothing of the WAL that is read at this moment.
        set_aside(&self.shared.dir, partition.kind, &partition.path, Why::Damaged(&err.to_string()))
            .map_err(|source| partition.io("set aside", std::io::Error::other(source)))
    }
}
