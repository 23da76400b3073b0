//! Read handles of partitions that are no longer written.
//!
//! An open partition takes about 80 descriptors and some megabytes, so only as many stay
//! open as a query over now and yesterday needs. A reader asks for one frame at a time and
//! holds no handle in between: a partition that was closed meanwhile is opened again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::pages::{self, Address};
use super::partition::Partition;
use crate::store::error::PartitionError;
use crate::store::wire::Damaged;

/// Partitions open for reading at a time, over all kinds.
const OPEN_MAX: usize = 3;

/// So often a reader opens a partition that others close before it has read: with
/// [`OPEN_MAX`] places that takes more readers at once than there are lanes for queries.
const ATTEMPTS_MAX: usize = 64;

/// The partitions that are open for reading, the last used first.
#[derive(Debug, Default)]
pub struct Handles {
    recent: Mutex<VecDeque<Arc<Partition>>>,
    /// Set while another process reads the same partitions: sled lets one at a time.
    is_sharing: AtomicBool,
}

impl Handles {
    /// Reads the content of one frame.
    pub fn read(&self, partition: &Arc<Partition>, address: Address) -> Result<Vec<u8>, PartitionError> {
        self.open_for(partition, || pages::read(partition, address))
    }

    /// Visits every fact of a partition in the order of writing.
    pub fn scan(
        &self,
        partition: &Arc<Partition>,
        mut visit: impl FnMut(u8, &[u8]) -> Result<(), Damaged>,
    ) -> Result<(), PartitionError> {
        self.open_for(partition, || Ok(pages::scan(partition, &mut visit)?.then_some(())))
    }

    /// Calls `read` with the partition open; it returns none when it found it closed.
    fn open_for<T>(
        &self,
        partition: &Arc<Partition>,
        mut read: impl FnMut() -> Result<Option<T>, PartitionError>,
    ) -> Result<T, PartitionError> {
        for _ in 0..ATTEMPTS_MAX {
            if !partition.is_readable() {
                return Err(PartitionError::Dropped { path: partition.path.clone() });
            }
            if let Some(res) = read()? {
                if self.is_sharing.load(Ordering::Relaxed) {
                    self.forget(partition);
                }
                return Ok(res);
            }
            let oldest = self.note(partition);
            // Closed before the next is opened, so that the bound on memory holds, and
            // outside the lock, since others only want to know what is open.
            oldest.iter().for_each(|oldest| oldest.db.close());
            partition.db.open()?;
        }
        Err(partition.io("open", std::io::Error::other("too many readers want other partitions")))
    }

    /// Keeps no handle open between two reads, or keeps them again.
    pub fn share(&self, is_sharing: bool) {
        self.is_sharing.store(is_sharing, Ordering::Relaxed);
        if is_sharing {
            self.clear();
        }
    }

    /// Closes the handle of a partition that nobody shall read.
    pub fn forget(&self, partition: &Partition) {
        self.lock().retain(|open| open.path != partition.path);
        partition.db.close();
    }

    /// Closes every handle; a later read opens what it needs.
    pub fn clear(&self) {
        let open = std::mem::take(&mut *self.lock());
        open.iter().for_each(|partition| partition.db.close());
    }

    // Returns those that have to go for it.
    fn note(&self, partition: &Arc<Partition>) -> Vec<Arc<Partition>> {
        let mut recent = self.lock();
        recent.retain(|open| open.path != partition.path);
        recent.push_front(partition.clone());
        let keep = recent.len().min(OPEN_MAX);
        recent.drain(keep..).collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Partition>>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
