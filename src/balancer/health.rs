//! One worker's record of panics, and what follows from it.
//!
//! A worker that panics more than five times in ten seconds is *ejected*: marked as not
//! to be picked, for 1, 2, 4 … 30 seconds. After that it is *half open*: one job goes to it
//! as a probe, and how that ends decides. The mark is one atomic that the picker reads;
//! the history behind it is only touched after a panic.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// This many panics within [`PANIC_WINDOW_MS`] are bad luck, one more is a broken worker.
const PANICS_MAX: usize = 5;

/// The window of [`PANICS_MAX`].
const PANIC_WINDOW_MS: u64 = 10_000;

/// The first time out; each further one is twice as long.
const EJECTION_MIN: Duration = Duration::from_secs(1);

/// No time out is longer: the cause may be gone, and one probe costs one job at most.
const EJECTION_MAX: Duration = Duration::from_secs(30);

/// A worker that stayed well this long after its return begins at [`EJECTION_MIN`] again.
const FORGET_AFTER_MS: u64 = 60_000;

const READY: u64 = 0;
const PROBING: u64 = u64::MAX;

/// Times are milliseconds since the balancer was made.
#[derive(Default)]
pub(super) struct Health {
    /// [`READY`], [`PROBING`], or the moment at which the time out ends, plus one.
    mark: AtomicU64,
    /// Guards the counting of panics; never held across an await.
    history: Mutex<History>,
}

#[derive(Default)]
struct History {
    panics_at: VecDeque<u64>,
    ejections: u32,
    returned_at: Option<u64>,
}

/// What the picker needs to know of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// May be picked.
    Ready,
    /// Must not be picked yet.
    Ejected,
    /// May be given one probe.
    HalfOpen,
    /// The probe is on its way.
    Probing,
}

/// An ejection: for how long, and whether the worker was ready before.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ejection {
    pub(super) lasts: Duration,
    pub(super) was_ready: bool,
}

impl Health {
    pub(super) fn is_ready(&self) -> bool {
        self.mark.load(Ordering::Relaxed) == READY
    }

    pub(super) fn mark(&self, now_ms: u64) -> Mark {
        match self.mark.load(Ordering::Relaxed) {
            READY => Mark::Ready,
            PROBING => Mark::Probing,
            until if now_ms >= until - 1 => Mark::HalfOpen,
            _ => Mark::Ejected,
        }
    }

    /// Claims the one probe of a half-open worker.
    pub(super) fn begin_probe(&self, now_ms: u64) -> bool {
        let seen = self.mark.load(Ordering::Relaxed);
        seen != READY
            && seen != PROBING
            && now_ms >= seen - 1
            && self.mark.compare_exchange(seen, PROBING, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Takes a worker back whose probe was answered; false when it is no longer probing.
    pub(super) fn pass_probe(&self, now_ms: u64) -> bool {
        if self.mark.compare_exchange(PROBING, READY, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return false;
        }
        let mut history = self.history();
        history.panics_at.clear();
        history.returned_at = Some(now_ms);
        true
    }

    /// Lets the next job be the probe, when the last one ended without telling anything.
    pub(super) fn void_probe(&self, now_ms: u64) {
        // When it fails, the mark has changed since and needs no voiding.
        let _ = self.mark.compare_exchange(PROBING, now_ms + 1, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Counts a panic; returns the ejection that it caused, if any.
    pub(super) fn note_panic(&self, now_ms: u64) -> Option<Ejection> {
        let mut history = self.history();
        history.panics_at.push_back(now_ms);
        while history.panics_at.front().is_some_and(|at| at + PANIC_WINDOW_MS < now_ms) {
            history.panics_at.pop_front();
        }
        let seen = self.mark.load(Ordering::Relaxed);
        let ejects = seen == PROBING || (seen == READY && history.panics_at.len() > PANICS_MAX);
        // A worker that is ejected already may still hold jobs that panic.
        if history.panics_at.len() > PANICS_MAX {
            history.panics_at.pop_front();
        }
        if !ejects {
            return None;
        }
        if history.returned_at.is_some_and(|at| at + FORGET_AFTER_MS < now_ms) {
            history.ejections = 0;
        }
        // The shift stops at 2^5 s, which is past the longest time out.
        let lasts = (EJECTION_MIN * (1 << history.ejections.min(5))).min(EJECTION_MAX);
        history.ejections = history.ejections.saturating_add(1);
        let lasts_ms = u64::try_from(lasts.as_millis()).expect("30 s fit");
        self.mark.store(now_ms + lasts_ms + 1, Ordering::Relaxed);
        Some(Ejection { lasts, was_ready: seen == READY })
    }

    /// Forgets everything; returns true when the worker was marked.
    pub(super) fn reset(&self) -> bool {
        *self.history() = History::default();
        self.mark.swap(READY, Ordering::Relaxed) != READY
    }

    fn history(&self) -> std::sync::MutexGuard<'_, History> {
        self.history.lock().expect("nothing panics while it holds the history")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eject(health: &Health, now_ms: u64) -> Ejection {
        let mut causes = (0..=PANICS_MAX).filter_map(|_| health.note_panic(now_ms));
        causes.next().expect("one more panic than allowed ejects")
    }

    #[test]
    fn five_panics_are_allowed_and_a_sixth_within_ten_seconds_ejects() {
        let health = Health::default();
        for at in [0, 100, 200, 300, 400, 10_001] {
            assert_eq!(health.note_panic(at), None);
        }
        assert!(health.note_panic(10_050).is_some());
        assert_eq!(health.mark(11_049), Mark::Ejected);
        assert_eq!(health.mark(11_050), Mark::HalfOpen);
    }

    #[test]
    fn each_failed_probe_doubles_the_time_out_up_to_thirty_seconds() {
        let health = Health::default();
        let mut now_ms = 1;
        let mut lasts = vec![eject(&health, now_ms).lasts];
        for _ in 0..6 {
            now_ms += u64::try_from(lasts.last().unwrap().as_millis()).unwrap();
            assert!(health.begin_probe(now_ms));
            assert!(!health.begin_probe(now_ms), "there is one probe, not two");
            lasts.push(health.note_panic(now_ms).expect("a panicking probe ejects").lasts);
        }
        let seconds: Vec<u64> = lasts.iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn a_passed_probe_readies_and_a_voided_one_opens_again() {
        let health = Health::default();
        assert!(eject(&health, 0).was_ready);
        assert!(health.begin_probe(1_000));
        health.void_probe(1_000);
        assert_eq!(health.mark(1_000), Mark::HalfOpen);
        assert!(health.begin_probe(1_001));
        assert!(health.pass_probe(1_001));
        assert!(health.is_ready());
        assert_eq!(eject(&health, 2_000).lasts, Duration::from_secs(2), "too soon to be forgotten");
        assert!(health.begin_probe(4_000) && health.pass_probe(4_000));
        assert_eq!(eject(&health, 70_000).lasts, Duration::from_secs(1));
    }
}
