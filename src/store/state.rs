//! What the writer and the readers share.
//!
//! Only the writer changes [`State`], and only after the disk has what it publishes; a
//! reader takes a snapshot under the lock and works on that, so it sees each record
//! exactly once: open, or sealed.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::time::Duration;

use super::blocks::OpenBlocks;
use super::config::Config;
use super::error::PartitionError;
use super::log_part::{LogDb, LogPart};
use super::metric_part::{MetricDb, MetricPart};
use super::partition::Partition;
use super::stats::Counters;
use super::window::Window;
use crate::clock::Clock;
use crate::record::Metadata;

/// A partition that is being written, and what of it is durable.
pub struct Active<P> {
    /// The directory.
    pub partition: Arc<Partition>,
    /// The view for readers.
    pub part: P,
}

/// All partitions of one root.
pub struct Tier<P> {
    /// Closed ones, oldest first.
    pub sealed: Vec<Arc<Partition>>,
    /// The one with the write handle.
    pub active: Option<Active<P>>,
}

impl<P> Default for Tier<P> {
    fn default() -> Self {
        Tier { sealed: Vec::new(), active: None }
    }
}

impl<P> Tier<P> {
    /// Moves the active partition to the closed ones.
    pub fn seal_active(&mut self) {
        self.sealed.extend(self.active.take().map(|active| active.partition));
    }

    /// Yields every partition, oldest first.
    pub fn partitions(&self) -> impl Iterator<Item = &Arc<Partition>> {
        self.sealed.iter().chain(self.active.iter().map(|active| &active.partition))
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
    /// Metrics on disk.
    pub metrics: Tier<MetricPart>,
    /// Logs on disk.
    pub logs: Tier<LogPart>,
    /// Full windows that wait for the disk, oldest first.
    pub closing: Vec<Window>,
    /// The window that takes scrapes.
    pub window: Option<Window>,
    /// Series in the window that was sealed last.
    pub n_series_sealed: usize,
    /// Lines that are not sealed yet.
    pub blocks: OpenBlocks,
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

    /// Leaves a partition that cannot be read out of every read until the next start, so that
    /// it costs its own data and no other's.
    pub fn leave_out(&self, partition: &Partition, err: &PartitionError) {
        // Retention took it away meanwhile: like one that was never there.
        if matches!(err, PartitionError::Dropped { .. }) {
            return;
        }
        if !partition.failed.swap(true, Ordering::Relaxed) {
            tracing::warn!("{err}; reads go on without it until the next start");
        }
        self.handles.forget(partition);
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

/// Each open partition takes about 80 descriptors and up to its own size in memory, so
/// only as many stay open as a query over now and yesterday needs.
const HANDLES_MAX: usize = 3;

/// Read handles of sealed partitions.
#[derive(Default)]
pub struct Handles {
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    /// The last used first.
    recent: VecDeque<Handle>,
    /// Handles that someone may still hold though they are not among the recent ones; sled
    /// would not open the directory a second time.
    held: Vec<Held>,
}

enum Handle {
    Metrics(PathBuf, Arc<MetricPart>),
    Logs(PathBuf, Arc<LogPart>),
}

enum Held {
    Metrics(PathBuf, Weak<MetricDb>),
    Logs(PathBuf, Weak<LogDb>),
}

impl Handle {
    fn path(&self) -> &Path {
        match self {
            Handle::Metrics(path, _) | Handle::Logs(path, _) => path,
        }
    }

    fn held(&self) -> Held {
        match self {
            Handle::Metrics(path, part) => Held::Metrics(path.clone(), Arc::downgrade(part.db())),
            Handle::Logs(path, part) => Held::Logs(path.clone(), Arc::downgrade(part.db())),
        }
    }
}

impl Held {
    fn is_alive(&self) -> bool {
        match self {
            Held::Metrics(_, db) => db.strong_count() > 0,
            Held::Logs(_, db) => db.strong_count() > 0,
        }
    }
}

impl Handles {
    /// Returns the metrics of a sealed partition, opening it when needed.
    pub fn metrics(&self, partition: &Partition) -> Result<Arc<MetricPart>, PartitionError> {
        let mut open = self.lock();
        open.use_again(partition)?;
        if let Some(Handle::Metrics(path, part)) = open.recent.front()
            && *path == partition.path
        {
            return Ok(part.clone());
        }
        let held = open.held.iter().find_map(|held| match held {
            Held::Metrics(path, db) if *path == partition.path => db.upgrade(),
            _ => None,
        });
        let part = Arc::new(match held {
            Some(db) => MetricPart::load(partition, db)?,
            None => MetricPart::open(partition)?,
        });
        open.recent.push_front(Handle::Metrics(partition.path.clone(), part.clone()));
        Ok(part)
    }

    /// Returns the logs of a sealed partition, opening it when needed.
    pub fn logs(&self, partition: &Partition) -> Result<Arc<LogPart>, PartitionError> {
        let mut open = self.lock();
        open.use_again(partition)?;
        if let Some(Handle::Logs(path, part)) = open.recent.front()
            && *path == partition.path
        {
            return Ok(part.clone());
        }
        let held = open.held.iter().find_map(|held| match held {
            Held::Logs(path, db) if *path == partition.path => db.upgrade(),
            _ => None,
        });
        let part = Arc::new(match held {
            Some(db) => LogPart::load(partition, db)?,
            None => LogPart::open(partition)?,
        });
        open.recent.push_front(Handle::Logs(partition.path.clone(), part.clone()));
        Ok(part)
    }

    /// Notes the handle of a metrics partition whose writing has ended.
    pub fn remember_metrics(&self, partition: &Partition, part: &MetricPart) {
        self.lock().held.push(Held::Metrics(partition.path.clone(), Arc::downgrade(part.db())));
    }

    /// Notes the handle of a logs partition whose writing has ended.
    pub fn remember_logs(&self, partition: &Partition, part: &LogPart) {
        self.lock().held.push(Held::Logs(partition.path.clone(), Arc::downgrade(part.db())));
    }

    /// Lets go of the handle of a partition that cannot be read.
    pub fn forget(&self, partition: &Partition) {
        self.lock().recent.retain(|handle| handle.path() != partition.path);
    }

    /// Takes a partition away from readers, then its directory; readers that are in the
    /// middle of it keep their open files.
    pub fn remove(&self, partition: &Partition) -> std::io::Result<()> {
        // Under the lock, so that nobody opens a directory that is about to vanish: sled
        // would create it anew.
        let mut open = self.lock();
        partition.dropped.store(true, Ordering::Relaxed);
        open.recent.retain(|handle| handle.path() != partition.path);
        partition.remove()
    }

    /// Lets go of every handle; a later read opens what it needs.
    pub fn clear(&self) {
        let mut open = self.lock();
        let recent = std::mem::take(&mut open.recent);
        open.held.extend(recent.iter().map(Handle::held));
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Brings the handle of a partition to the front, or makes room for it there.
    fn use_again(&mut self, partition: &Partition) -> Result<(), PartitionError> {
        if !partition.is_readable() {
            return Err(PartitionError::Dropped { path: partition.path.clone() });
        }
        let place = self.recent.iter().position(|handle| handle.path() == partition.path);
        if let Some(handle) = place.and_then(|place| self.recent.remove(place)) {
            self.recent.push_front(handle);
            return Ok(());
        }
        self.held.retain(Held::is_alive);
        // Closed before the next is opened, so that the bound on memory holds.
        while self.recent.len() >= HANDLES_MAX {
            let oldest = self.recent.pop_back();
            self.held.extend(oldest.iter().map(Handle::held));
        }
        Ok(())
    }
}
