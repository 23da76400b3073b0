//! What happens at start: find the partitions, mend what a crash left, replay the WAL.
//!
//! Replayed rows and lines are sealed at once, so that the WAL of an earlier generation is
//! gone when the store opens; a disk that is too full for that leaves it for later.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::config::BLOCK_MAX_BYTES;
use super::error::{OpenError, PartitionError};
use super::log_part::LogPart;
use super::metric_part::MetricPart;
use super::partition::{Kind, Partition, set_aside};
use super::state::State;
use super::wal::{self, Covered, Found};
use super::window::Window;
use super::writer::Writer;
use crate::record::Labels;

/// Raw bytes of replayed blocks between two seals: a bound on memory, not on the WAL.
const REPLAY_STEP_BYTES: usize = 64 * BLOCK_MAX_BYTES;

/// Fills the state with the sealed partitions of the data roots.
pub fn adopt(dir: &Path, state: &mut State, found: Vec<Partition>) -> Result<(), OpenError> {
    for partition in found {
        if !partition.load_summary()
            && let Err(err) = mend(&partition)
        {
            if err.is_passing() {
                tracing::warn!("{err}; its data is back after a restart that can open it");
                partition.failed.store(true, Ordering::Relaxed);
                push(state, partition);
                continue;
            }
            set_aside(dir, partition.kind, &partition.path, &err.to_string())
                .map_err(|source| OpenError::from_io("set aside", &partition.path, source))?;
            continue;
        }
        partition.measure().map_err(|source| OpenError::from_io("measure", &partition.path, source))?;
        push(state, partition);
    }
    Ok(())
}

fn push(state: &mut State, partition: Partition) {
    match partition.kind {
        Kind::Metrics => state.metrics.sealed.push(Arc::new(partition)),
        Kind::Logs => state.logs.sealed.push(Arc::new(partition)),
        // The WAL is replayed, not read.
        Kind::Wal => {}
    }
}

// The writer of this partition did not come to seal it: what it flushed is whole.
fn mend(partition: &Partition) -> Result<(), PartitionError> {
    let summary = match partition.kind {
        Kind::Metrics => MetricPart::open(partition)?.summarise()?,
        _ => LogPart::open(partition)?.summarise(),
    };
    partition.set_summary(summary);
    partition.store_summary().map_err(|source| {
        let path = partition.path.clone();
        PartitionError::Io { action: "summarise", path, source }
    })
}

impl Writer {
    /// Seals what the WAL of earlier generations has beyond the sealed partitions.
    pub(super) fn replay(&mut self, wals: Vec<Partition>) -> Result<(), OpenError> {
        let dir = self.shared.dir.clone();
        for partition in wals.into_iter().map(Arc::new) {
            if let Err(err) = self.replay_one(&partition) {
                // What could be read before the damage is kept.
                self.settle(None);
                if err.is_passing() {
                    tracing::warn!("{err}; it is replayed at the next start");
                    continue;
                }
                set_aside(&dir, Kind::Wal, &partition.path, &err.to_string())
                    .map_err(|source| OpenError::from_io("set aside", &partition.path, source))?;
                continue;
            }
            self.settle(Some(partition));
        }
        Ok(())
    }

    fn replay_one(&mut self, partition: &Partition) -> Result<(), PartitionError> {
        let generation = partition.name.generation;
        let covered_row = self.covered_row(generation);
        let mut covered_lines: Option<HashMap<Labels, u64>> = None;
        let mut fault = Ok(());
        wal::replay(partition, |found| match found {
            Found::Row(row) if row.no <= covered_row => {}
            Found::Row(row) => self.replay_row(generation, row),
            Found::Lines(stream, lines) => {
                // Records come in the order of their first line, so this is the lowest number.
                let first = lines.first().map_or(0, |line| line.no);
                if covered_lines.is_none() {
                    match self.covered_lines(generation, first) {
                        Ok(found) => covered_lines = Some(found),
                        Err(err) => {
                            fault = Err(err);
                            covered_lines = Some(HashMap::new());
                        }
                    }
                }
                let sealed =
                    covered_lines.as_ref().and_then(|lines| lines.get(&stream)).copied().unwrap_or(0);
                self.replay_lines(generation, &stream, lines.into_iter().filter(|line| line.no > sealed));
            }
        })?;
        fault
    }

    fn replay_row(&mut self, generation: u32, row: wal::Row) {
        let series_max = self.shared.config().series_max;
        let opened = self.shared.clock.elapsed();
        let mut state = self.shared.state_mut();
        let full = state.window.take_if(|window| !window.has_room(row.at));
        state.closing.extend(full);
        let window = state.window.get_or_insert_with(|| Window::new(opened, generation, row.no));
        let slot = window.slot(row.at);
        for point in &row.points {
            // Duplicates and limits were counted when the row was accepted.
            window.put(slot, &point.series, point.value, series_max);
        }
        window.rows.last = row.no;
        let is_much = state.closing.len() > 1;
        drop(state);
        if is_much {
            self.seal_step();
        }
    }

    fn replay_lines(
        &mut self,
        generation: u32,
        stream: &Labels,
        lines: impl Iterator<Item = super::lines::Line>,
    ) {
        let now = self.shared.clock.elapsed();
        let mut state = self.shared.state_mut();
        lines.for_each(|line| state.blocks.put(stream, generation, line, now));
        let is_much = state.blocks.closing_bytes() > REPLAY_STEP_BYTES;
        drop(state);
        if is_much {
            self.seal_step();
        }
    }

    fn seal_step(&mut self) {
        let res = self.check_space().map_err(|err| err.to_string());
        let res = res.and_then(|()| self.seal_closed().map_err(|err| err.to_string()));
        if let Err(err) = res {
            tracing::warn!("seal what the last run left: {err}; it is tried again each second");
        }
    }

    // Seals what was replayed; the partition that had it goes, or waits until it may.
    fn settle(&mut self, partition: Option<Arc<Partition>>) {
        {
            let mut state = self.shared.state_mut();
            let window = state.window.take();
            state.closing.extend(window);
            state.blocks.close_all();
        }
        self.seal_step();
        let covered = |partition| Covered { partition, last_row: u64::MAX, last_line: u64::MAX };
        self.disk.old_wals.extend(partition.map(covered));
        self.retire_wals();
    }

    fn covered_row(&self, generation: u32) -> u64 {
        let state = self.shared.state();
        let covered = state
            .metrics
            .partitions()
            .filter_map(|partition| partition.summary().covers.get(&generation).copied());
        covered.max().unwrap_or(0)
    }

    fn set_aside_logs(&self, partition: &Partition, err: &PartitionError) -> Result<(), PartitionError> {
        partition.failed.store(true, Ordering::Relaxed);
        self.shared.handles.forget(partition);
        self.shared.state_mut().logs.sealed.retain(|other| other.name != partition.name);
        set_aside(&self.shared.dir, Kind::Logs, &partition.path, &err.to_string()).map_err(|source| {
            let path = partition.path.clone();
            PartitionError::Io { action: "set aside", path, source }
        })
    }

    fn covered_lines(&self, generation: u32, first: u64) -> Result<HashMap<Labels, u64>, PartitionError> {
        let (sealed, active) = {
            let state = self.shared.state();
            let sealed = state.logs.sealed.iter().filter(|partition| {
                partition.is_readable()
                    && partition.summary().covers.get(&generation).is_some_and(|last| *last >= first)
            });
            (
                sealed.cloned().collect::<Vec<_>>(),
                state.logs.active.as_ref().map(|active| active.part.clone()),
            )
        };
        let mut res = HashMap::new();
        let mut note = |part: &LogPart| {
            for head in part.heads.iter().filter(|head| head.lines.generation == generation) {
                let last = res.entry(part.stream(head).clone()).or_insert(head.lines.last);
                *last = head.lines.last.max(*last);
            }
        };
        for partition in sealed {
            match self.shared.handles.logs(&partition) {
                Ok(part) => note(&part),
                Err(err) if err.is_passing() => return Err(err),
                // Its own damage; what the WAL still has of it comes back from there.
                Err(err) => self.set_aside_logs(&partition, &err)?,
            }
        }
        active.iter().for_each(note);
        Ok(res)
    }
}
