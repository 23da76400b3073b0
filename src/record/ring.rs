//! A bounded queue that drops instead of waiting.
//!
//! Records leave the request path through it: sending never blocks, never allocates and
//! never wakes a thread, so the receiver polls (every 100 ms is plenty). When the ring is
//! full the new record is dropped and counted, because telemetry never slows a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_queue::ArrayQueue;

struct Ring<T> {
    queue: ArrayQueue<T>,
    dropped: AtomicU64,
}

/// The end that producers hold; cheap to clone.
pub struct Sender<T>(Arc<Ring<T>>);

/// The end that the writer drains.
pub struct Receiver<T>(Arc<Ring<T>>);

/// Creates a ring for at most `capacity` records (at least one).
pub fn ring<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let ring = Arc::new(Ring { queue: ArrayQueue::new(capacity.max(1)), dropped: AtomicU64::new(0) });
    (Sender(ring.clone()), Receiver(ring))
}

impl<T> Sender<T> {
    /// Hands a record over, or drops and counts it when the ring is full.
    pub fn send(&self, record: T) {
        if self.0.queue.push(record).is_err() {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns how many records wait, and how many may.
    pub fn fill(&self) -> (usize, usize) {
        (self.0.queue.len(), self.0.queue.capacity())
    }

    /// Returns how many records were dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender(self.0.clone())
    }
}

impl<T> Receiver<T> {
    /// Returns true while nothing waits.
    pub fn is_empty(&self) -> bool {
        self.0.queue.is_empty()
    }

    /// Takes at most `n_max` records, oldest first.
    pub fn drain(&self, n_max: usize) -> impl Iterator<Item = T> + '_ {
        std::iter::from_fn(|| self.0.queue.pop()).take(n_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_ring_drops_the_newest_and_counts() {
        let (sender, receiver) = ring(2);
        for n in 0..5 {
            sender.send(n);
        }
        assert_eq!(sender.fill(), (2, 2));
        assert_eq!(receiver.drain(10).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(sender.dropped(), 3);
        sender.send(9);
        assert_eq!(receiver.drain(10).collect::<Vec<_>>(), [9]);
    }
}
