//! Which partitions go, and when: by age, by bytes, and when the disk is nearly full.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::config::{EXPIRY_GRACE, Retention};
use super::partition::{Kind, Partition};
use super::state::Tier;
use super::writer::Writer;
use crate::clock::UnixMillis;

impl Writer {
    /// Drops what is over the age or over the bytes of its signal.
    pub(super) fn retain(&mut self) {
        let config = self.shared.config();
        for (kind, retention) in [(Kind::Metrics, &config.metrics), (Kind::Logs, &config.logs)] {
            self.measure_active(kind);
            let roll_bytes = config.roll_bytes(retention);
            // Ends, because each round takes one partition away or stops.
            while self.oldest_is_over(kind, retention, roll_bytes) {
                if self.drop_oldest(kind).is_none() {
                    break;
                }
            }
        }
    }

    /// Drops the oldest partition of the signal that takes more room.
    ///
    /// Returns its measured size, or none when there was none or it could not be removed.
    pub(super) fn drop_oldest_of_larger(&mut self) -> Option<u64> {
        let (metrics, logs) = {
            let state = self.shared.state();
            (sealed_bytes(&state.metrics), sealed_bytes(&state.logs))
        };
        self.drop_oldest(if metrics > logs { Kind::Metrics } else { Kind::Logs })
    }

    fn measure_active(&self, kind: Kind) {
        let state = self.shared.state();
        let active = match kind {
            Kind::Logs => state.logs.active.as_ref().map(|active| active.partition.clone()),
            _ => state.metrics.active.as_ref().map(|active| active.partition.clone()),
        };
        drop(state);
        if let Some(Err(err)) = active.as_ref().map(|partition| partition.measure()) {
            tracing::warn!("measure {kind:?} on disk: {err}");
        }
    }

    fn oldest_is_over(&self, kind: Kind, retention: &Retention, roll_bytes: u64) -> bool {
        let state = self.shared.state();
        let (oldest, size_bytes) = match kind {
            Kind::Logs => (state.logs.sealed.first(), state.logs.size_bytes()),
            _ => (state.metrics.sealed.first(), state.metrics.size_bytes()),
        };
        let Some(oldest) = oldest else { return false };
        // One partition below the cap, because the open one grows until the next look.
        size_bytes > retention.max_bytes.saturating_sub(roll_bytes)
            || is_expired(oldest, self.shared.clock.now_ms(), self.shared.clock.elapsed(), retention.max_age)
    }

    fn drop_oldest(&mut self, kind: Kind) -> Option<u64> {
        let mut state = self.shared.state_mut();
        let oldest = match kind {
            Kind::Logs => take_first(&mut state.logs),
            _ => take_first(&mut state.metrics),
        };
        drop(state);
        let oldest = oldest?;
        // It is out of the picture whatever happens now: what stays behind of it is swept
        // at the next start, under its own name or under `.dead`.
        match self.shared.handles.remove(&oldest) {
            Ok(()) => {
                tracing::info!("dropped the oldest {} partition {}", kind.as_str(), oldest.name);
                Some(oldest.size_bytes.load(Ordering::Relaxed))
            }
            Err(err) => {
                tracing::warn!("remove {}: {err}", oldest.path.display());
                None
            }
        }
    }
}

fn sealed_bytes<P>(tier: &Tier<P>) -> u64 {
    tier.sealed.iter().map(|partition| partition.size_bytes.load(Ordering::Relaxed)).sum()
}

fn take_first<P>(tier: &mut Tier<P>) -> Option<Arc<Partition>> {
    (!tier.sealed.is_empty()).then(|| tier.sealed.remove(0))
}

/// Returns true once a partition has been too old for a while by the monotonic clock.
fn is_expired(partition: &Partition, now: UnixMillis, elapsed: Duration, max_age: Duration) -> bool {
    let newest_ms = match (partition.kind, partition.summary().range) {
        (_, None) => partition.name.start.0,
        (Kind::Logs, Some((_, max_ns))) => max_ns.div_euclid(1_000_000),
        (_, Some((_, max_ms))) => max_ms,
    };
    let mut since = partition.expired_since.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if newest_ms >= now.minus(max_age).0 {
        *since = None;
        return false;
    }
    elapsed.saturating_sub(*since.get_or_insert(elapsed)) >= EXPIRY_GRACE
}
