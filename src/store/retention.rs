//! Which partitions go, and when: by age, by bytes, and when the disk is nearly full.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::config::{EXPIRY_GRACE, Retention, SET_ASIDE_MAX_BYTES};
use super::disk::aside::{entries, removable};
use super::disk::partition::{Kind, Partition};
use super::writer::Writer;
use crate::clock::{AHEAD_MAX, UnixMillis};

impl Writer {
    /// Drops what is over the age or over the bytes of its kind.
    pub(super) fn retain(&mut self) {
        let config = self.shared.config();
        self.remove_doomed();
        for kind in Kind::HISTORY {
            self.measure_active(kind);
            let (retention, roll_bytes) = (config.retention(kind), config.roll_bytes(kind));
            // Ends, because each round takes one partition away or stops.
            while let Some(place) = self.over(kind, &retention, roll_bytes) {
                if self.drop_at(kind, place).is_none() {
                    break;
                }
            }
        }
        self.measure_wal();
        self.shrink_set_aside(SET_ASIDE_MAX_BYTES);
    }

    /// Drops the oldest partition of the kind that takes most room.
    ///
    /// Returns its measured size, or none when there was none.
    pub(super) fn drop_oldest_of_largest(&mut self) -> Option<u64> {
        let largest = {
            let state = self.shared.state();
            let size_bytes = |kind: &Kind| {
                let sealed = state.tier(*kind).sealed.iter();
                sealed.map(|partition| partition.size_bytes.load(Ordering::Relaxed)).sum::<u64>()
            };
            Kind::HISTORY.into_iter().max_by_key(size_bytes)?
        };
        self.drop_at(largest, 0)
    }

    /// Removes the oldest damaged things that were set aside while those but the last take more
    /// than `max_bytes`; returns how much that freed.
    pub(super) fn shrink_set_aside(&self, max_bytes: u64) -> u64 {
        let entries = entries(&self.shared.dir);
        let all: u64 = entries.iter().map(|entry| entry.size_bytes).sum();
        let mut left: u64 = removable(&entries).map(|entry| entry.size_bytes).sum();
        let mut freed = 0;
        for entry in removable(&entries) {
            if left <= max_bytes {
                break;
            }
            match entry.remove() {
                Ok(()) => {
                    left -= entry.size_bytes;
                    freed += entry.size_bytes;
                    tracing::warn!("removed {}, set aside long ago, for its space", entry.path.display());
                }
                Err(err) => tracing::warn!("remove {}: {err}", entry.path.display()),
            }
        }
        self.shared.counters.set_aside_bytes.store(all - freed, Ordering::Relaxed);
        freed
    }

    fn measure_active(&self, kind: Kind) {
        let active = self.shared.state().tier(kind).active.as_ref().map(|active| active.partition.clone());
        if let Some(Err(err)) = active.as_ref().map(|partition| partition.measure()) {
            tracing::warn!("measure {kind:?} on disk: {err}");
        }
    }

    fn measure_wal(&self) {
        let size_bytes = self.disk.wals().map(|partition| partition.measure().unwrap_or(0)).sum();
        self.shared.counters.wal_bytes.store(size_bytes, Ordering::Relaxed);
    }

    // The place of the first partition that has to go.
    fn over(&self, kind: Kind, retention: &Retention, roll_bytes: u64) -> Option<usize> {
        let state = self.shared.state();
        let tier = state.tier(kind);
        // One partition below the cap, because the open one grows until the next look.
        if tier.size_bytes() > retention.max_bytes.saturating_sub(roll_bytes) {
            return (!tier.sealed.is_empty()).then_some(0);
        }
        let (now, elapsed) = (self.shared.clock.now_ms(), self.shared.clock.elapsed());
        let is_over = |partition: &Arc<Partition>| {
            is_expired(partition, now, elapsed, retention.max_age)
                && (self.rolling.is_done_with(kind, partition.newest()) || is_ahead(partition, now))
        };
        // Each is asked, since each notes how long it has been too old.
        tier.sealed.iter().enumerate().fold(None, |found, (place, partition)| {
            if is_over(partition) { found.or(Some(place)) } else { found }
        })
    }

    // Returns its measured size, or none when there is none at that place.
    fn drop_at(&mut self, kind: Kind, place: usize) -> Option<u64> {
        let oldest = {
            let mut state = self.shared.state_mut();
            let sealed = &mut state.tier_mut(kind).sealed;
            (place < sealed.len()).then(|| sealed.remove(place))
        };
        let oldest = oldest?;
        // It is out of the picture from here on, for readers too.
        oldest.dropped.store(true, Ordering::Relaxed);
        tracing::info!("dropped the {} partition {}", kind.as_str(), oldest.name);
        let size_bytes = oldest.size_bytes.load(Ordering::Relaxed);
        self.disk.doomed.push(oldest);
        self.remove_doomed();
        Some(size_bytes)
    }

    // A reader may be in the middle of one for the time of one frame, and a directory may not
    // go at once: both are tried again. What is left at the end is swept at the next start.
    fn remove_doomed(&mut self) {
        self.disk.doomed.retain(|partition| !remove(partition));
    }
}

fn remove(partition: &Partition) -> bool {
    // A handle that failed is never closed; its directory goes all the same.
    if !partition.db.try_close() {
        return false;
    }
    match partition.remove() {
        Ok(()) => true,
        Err(err) => {
            if !partition.removal_failed.swap(true, Ordering::Relaxed) {
                tracing::warn!("remove {}: {err}; it is tried again", partition.path.display());
            }
            false
        }
    }
}

/// Returns true once a partition has been too old for a while by the monotonic clock.
fn is_expired(partition: &Partition, now: UnixMillis, elapsed: Duration, max_age: Duration) -> bool {
    // The times of one that was written while the clock was far ahead say nothing of its age:
    // it is as old as it has been there.
    let is_ahead = is_ahead(partition, now);
    // What is in one that could not be read is not known, but that nothing was added later.
    let is_unknown = partition.is_put_off() && partition.summary().range.is_none();
    let old = if is_unknown { max_age * 2 } else { max_age };
    let mut since = partition.expired_since.lock().unwrap_or_else(PoisonError::into_inner);
    if partition.newest() >= now.minus(old) && !is_ahead {
        *since = None;
        return false;
    }
    let (why, begun) = *since.get_or_insert((is_ahead, elapsed));
    if why != is_ahead {
        *since = Some((is_ahead, elapsed));
        return false;
    }
    elapsed.saturating_sub(begun) >= if is_ahead { max_age } else { EXPIRY_GRACE }
}

fn is_ahead(partition: &Partition, now: UnixMillis) -> bool {
    partition.newest().minus(AHEAD_MAX) > now
}
