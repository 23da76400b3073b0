//! Free disk space: what is there, what goes when it is not enough, when writing stops.
//!
//! sled must never see a full disk. So below a reserve the oldest history goes, and where
//! that is not enough, new records are refused and counted until space is back.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::disk::partition::Kind;
use super::error::SyncError;
use super::stats::DropReason;
use super::writer::Writer;

/// Returns the free bytes of the disk that a path is on, none when they cannot be known.
pub type Probe = Box<dyn Fn(&Path) -> Option<u64> + Send>;

/// Asks the system for what a user without privileges may still take.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Some file systems show freed space late: btrfs commits every thirty seconds.
const SPACE_SETTLE: Duration = Duration::from_secs(30);

/// What is known of the disk's free space.
pub struct Space {
    probe: Probe,
    /// Until when space of dropped partitions may still appear.
    due: Option<Instant>,
}

impl Space {
    /// Begins to look at free space through a probe.
    pub fn new(probe: Probe) -> Self {
        Space { probe, due: None }
    }
}

impl Writer {
    /// Frees what retention must not keep when the disk is nearly full, then refuses.
    pub(super) fn check_space(&mut self) -> Result<(), SyncError> {
        let reserve = self.shared.config().reserve_bytes;
        let mut free = self.free_bytes();
        let is_settling = self.disk.space.due.is_some_and(|due| Instant::now() < due);
        if free < reserve && !is_settling && self.drop_lack(free, reserve) {
            self.disk.space.due = Some(Instant::now() + SPACE_SETTLE);
            free = self.free_bytes();
        }
        if free >= reserve {
            self.refuse = None;
            self.disk.space.due = None;
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

    /// Returns the free bytes of the disk. Not knowing is no reason to refuse: a flush that fails
    /// is contained elsewhere.
    pub(super) fn free_bytes(&self) -> u64 {
        (self.disk.space.probe)(&self.shared.dir).unwrap_or(u64::MAX)
    }

    // Drops just as much as is lacking by its measured size; what the disk shows of that may
    // come later, and must not cost more history meanwhile.
    fn drop_lack(&mut self, free: u64, reserve: u64) -> bool {
        // What nobody can read goes first.
        let mut freed = self.shrink_set_aside(0);
        let droppable = {
            let state = self.shared.state();
            let sealed = Kind::HISTORY.into_iter().flat_map(|kind| &state.tier(kind).sealed);
            sealed.map(|partition| partition.size_bytes.load(Ordering::Relaxed)).sum::<u64>()
        };
        // History is given up only where that reaches the reserve.
        if free.saturating_add(freed).saturating_add(droppable) < reserve {
            return freed > 0;
        }
        // Ends, because each round takes one partition away or stops.
        while free.saturating_add(freed) < reserve {
            let Some(size_bytes) = self.drop_oldest_of_largest() else { break };
            freed += size_bytes;
        }
        freed > 0
    }
}
