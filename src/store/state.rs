//! What the writer and the readers share.
//!
//! Only the writer changes [`State`], and only after the disk has what it publishes; a
//! reader takes a snapshot under the lock and works on that, so it sees each record
//! exactly once: open, or sealed.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use super::cache::Caches;
use super::config::Config;
use super::disk::handles::Handles;
use super::disk::pages::Address;
use super::disk::partition::{Kind, Partition};
use super::error::PartitionError;
use super::facts::Facts;
use super::log::open::OpenBlocks;
use super::metric::window::OpenWindows;
use super::rollup::RolledUp;
use super::span::open::OpenSpans;
use super::stats::Counters;
use crate::clock::Clock;
use crate::record::Metadata;

/// A partition that is being written, and what of it is durable.
pub struct Active {
    /// The directory.
    pub partition: Arc<Partition>,
    /// The view for readers.
    pub facts: Arc<Facts>,
}

/// All partitions of one root.
#[derive(Default)]
pub struct Tier {
    /// Those that are no longer written, oldest first.
    pub sealed: Vec<Arc<Partition>>,
    /// The one that is written.
    pub active: Option<Active>,
}

impl Tier {
    /// Moves the active partition to the closed ones.
    pub fn seal_active(&mut self) {
        self.sealed.extend(self.active.take().map(|active| active.partition));
    }

    /// Yields every partition, oldest first.
    pub fn partitions(&self) -> impl Iterator<Item = &Arc<Partition>> {
        self.sealed.iter().chain(self.active.iter().map(|active| &active.partition))
    }

    /// Returns the partitions that may have something in `from ..= to`, with the facts of the
    /// one that is written.
    pub fn overlapping(&self, from: i64, to: i64) -> Vec<(Arc<Partition>, Option<Arc<Facts>>)> {
        let overlaps =
            |partition: &Partition| partition.is_readable() && partition.summary().overlaps(from, to);
        let sealed = self.sealed.iter().filter(|partition| overlaps(partition));
        let active = self.active.iter().filter(|active| overlaps(&active.partition));
        sealed
            .map(|partition| (partition.clone(), None))
            .chain(active.map(|active| (active.partition.clone(), Some(active.facts.clone()))))
            .collect()
    }

    /// Returns how many partitions reads leave out.
    pub fn n_unreadable(&self) -> usize {
        self.partitions().filter(|partition| partition.failed.load(Ordering::Relaxed)).count()
    }

    /// Returns the allocated bytes of all partitions, as last measured.
    pub fn size_bytes(&self) -> u64 {
        self.partitions().map(|partition| partition.size_bytes.load(Ordering::Relaxed)).sum()
    }
}

/// Everything a reader may see.
#[derive(Default)]
pub struct State {
    /// What is on disk, by kind; that of the WAL stays empty, since nobody reads it.
    tiers: [Tier; Kind::ALL.len()],
    /// Samples that are not sealed yet.
    pub windows: OpenWindows,
    /// Lines that are not sealed yet.
    pub blocks: OpenBlocks,
    /// Spans that are not sealed yet.
    pub spans: OpenSpans,
}

impl State {
    /// Returns the partitions of a root.
    pub fn tier(&self, kind: Kind) -> &Tier {
        &self.tiers[kind as usize]
    }

    /// Returns the partitions of a root for a change.
    pub fn tier_mut(&mut self, kind: Kind) -> &mut Tier {
        &mut self.tiers[kind as usize]
    }
}

/// The state, its settings and its numbers.
pub struct Shared {
    /// The data directory.
    pub dir: PathBuf,
    /// Time.
    pub clock: Clock,
    /// When the store was opened, by the monotonic clock.
    pub opened: Duration,
    /// What is counted.
    pub counters: Counters,
    /// Handles of sealed partitions.
    pub handles: Handles,
    /// Up to when minutes and hours are made, as the writer has it.
    pub rolled: RolledUp,
    /// Set until what a predecessor left is taken over, where there is one.
    pub is_beside: AtomicBool,
    caches: Caches,
    config: RwLock<Config>,
    state: RwLock<State>,
    metadata: RwLock<Vec<Metadata>>,
}

impl Shared {
    /// Begins with an empty state.
    pub fn new(dir: &Path, clock: Clock, config: Config, metadata: Vec<Metadata>) -> Self {
        Shared {
            dir: dir.to_path_buf(),
            opened: clock.elapsed(),
            clock,
            counters: Counters::default(),
            handles: Handles::default(),
            rolled: RolledUp::default(),
            is_beside: AtomicBool::new(false),
            caches: Caches::default(),
            config: RwLock::new(config),
            state: RwLock::default(),
            metadata: RwLock::new(metadata),
        }
    }

    // A panic of the writer is contained by starting new partitions; what the state holds
    // is changed in steps that each leave it usable, so poison is ignored throughout.

    /// Locks the state for a snapshot.
    pub fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the state for a change; only the writer does.
    pub fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the content of one frame of bulk.
    pub fn read(&self, partition: &Arc<Partition>, address: Address) -> Result<Arc<[u8]>, PartitionError> {
        if !partition.is_readable() {
            return Err(PartitionError::Dropped { path: partition.path.clone() });
        }
        if let Some(block) = self.caches.block(partition.name, address) {
            return Ok(block);
        }
        let block: Arc<[u8]> = self.handles.read(partition, address)?.into();
        self.caches.keep_block(partition.name, address, &block);
        Ok(block)
    }

    /// Returns the facts of a partition that is not being written.
    pub fn facts(&self, partition: &Arc<Partition>) -> Result<Arc<Facts>, PartitionError> {
        if !partition.is_readable() {
            return Err(PartitionError::Dropped { path: partition.path.clone() });
        }
        if let Some(facts) = self.caches.facts(partition.name) {
            return Ok(facts);
        }
        let written = partition.load_facts();
        let facts = match written.and_then(|bytes| Facts::decode(partition.kind, &bytes).ok()) {
            Some(facts) => facts,
            None => self.scan_facts(partition)?,
        };
        let facts = Arc::new(facts);
        self.caches.keep_facts(partition.name, &facts);
        Ok(facts)
    }

    /// Returns the facts of a partition, `active` where it is being written; none when they
    /// cannot be read, and then it is left out.
    pub fn known(&self, partition: &Arc<Partition>, active: Option<Arc<Facts>>) -> Option<Arc<Facts>> {
        let res = active.map_or_else(|| self.facts(partition), Ok);
        res.map_err(|err| self.leave_out(partition, &err)).ok()
    }

    /// Makes the facts of a partition anew from its pages.
    pub fn scan_facts(&self, partition: &Arc<Partition>) -> Result<Facts, PartitionError> {
        let mut facts = Facts::empty(partition.kind);
        self.handles.scan(partition, |kind, content| facts.note(kind, content))?;
        Ok(facts)
    }

    /// Leaves a partition that cannot be read out of a read, so that it costs its own data and
    /// no other's; out of all until the next start, unless the next read may find it otherwise.
    pub fn leave_out(&self, partition: &Partition, err: &PartitionError) {
        // Retention took it away meanwhile, or another process reads it at this moment: this
        // read goes without it, the next may not have to.
        if err.is_momentary() || partition.dropped.load(Ordering::Relaxed) {
            tracing::debug!("{err}; one read goes without it");
            return;
        }
        if partition.note_fault(err) {
            tracing::warn!("{err}; reads go on without it");
        }
        if !partition.is_readable() {
            self.handles.forget(partition);
        }
    }

    /// Returns the settings in force.
    pub fn config(&self) -> Config {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the settings.
    pub fn set_config(&self, config: Config) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// Returns what is known about the metrics.
    pub fn metadata(&self) -> Vec<Metadata> {
        self.metadata.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces what is known about the metrics; only the writer does.
    pub fn set_metadata(&self, metadata: Vec<Metadata>) {
        *self.metadata.write().unwrap_or_else(PoisonError::into_inner) = metadata;
    }
}
