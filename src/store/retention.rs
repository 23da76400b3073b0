//! Which partitions go, and when: by age, by bytes, and when the disk is nearly full.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::config::{EXPIRY_GRACE, Retention, SET_ASIDE_MAX_BYTES};
use super::disk::partition::{Kind, Partition, set_aside_entries};
use super::writer::Writer;
use crate::clock::UnixMillis;

impl Writer {
    /// Drops what is over the age or over the bytes of its kind.
    pub(super) fn retain(&mut self) {
        let config = self.shared.config();
        self.remove_doomed();
        for kind in Kind::HISTORY {
            self.measure_active(kind);
            let (retention, roll_bytes) = (config.retention(kind), config.roll_bytes(kind));
            // Ends, because each round takes one partition away or stops.
            while self.oldest_is_over(kind, &retention, roll_bytes) {
                if self.drop_oldest(kind).is_none() {
                    break;
                }
            }
        }
        self.measure_wal();
        let set_aside = set_aside_entries(&self.shared.dir).iter().map(|entry| entry.size_bytes).sum();
        self.shared.counters.set_aside_bytes.store(set_aside, Ordering::Relaxed);
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
        self.drop_oldest(largest)
    }

    /// Removes the oldest things that were set aside while they take more than `max_bytes`;
    /// returns how much that freed.
    pub(super) fn shrink_set_aside(&self, max_bytes: u64) -> u64 {
        let entries = set_aside_entries(&self.shared.dir);
        let mut left: u64 = entries.iter().map(|entry| entry.size_bytes).sum();
        let all = left;
        for entry in &entries {
            if left <= max_bytes {
                break;
            }
            match entry.remove() {
                Ok(()) => {
                    left -= entry.size_bytes;
                    tracing::warn!("removed {}, set aside long ago, for its space", entry.path.display());
                }
                Err(err) => tracing::warn!("remove {}: {err}", entry.path.display()),
            }
        }
        self.shared.counters.set_aside_bytes.store(left, Ordering::Relaxed);
        all - left
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

    fn oldest_is_over(&self, kind: Kind, retention: &Retention, roll_bytes: u64) -> bool {
        let state = self.shared.state();
        let tier = state.tier(kind);
        let Some(oldest) = tier.sealed.first() else { return false };
        // One partition below the cap, because the open one grows until the next look.
        tier.size_bytes() > retention.max_bytes.saturating_sub(roll_bytes)
            || is_expired(oldest, self.shared.clock.now_ms(), self.shared.clock.elapsed(), retention.max_age)
    }

    fn drop_oldest(&mut self, kind: Kind) -> Option<u64> {
        let oldest = {
            let mut state = self.shared.state_mut();
            let sealed = &mut state.tier_mut(kind).sealed;
            (!sealed.is_empty()).then(|| sealed.remove(0))
        };
        let oldest = oldest?;
        // It is out of the picture from here on, for readers too.
        oldest.dropped.store(true, Ordering::Relaxed);
        tracing::info!("dropped the oldest {} partition {}", kind.as_str(), oldest.name);
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
    let range = partition.summary().range;
    let newest = range.map_or(partition.name.start, |(_, max)| partition.kind.to_millis(max));
    let mut since = partition.expired_since.lock().unwrap_or_else(PoisonError::into_inner);
    if newest >= now.minus(max_age) {
        *since = None;
        return false;
    }
    elapsed.saturating_sub(*since.get_or_insert(elapsed)) >= EXPIRY_GRACE
}
