//! How exporting one signal goes: counted, shown in `/admin`, logged when it changes.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::{Clock, UnixNanos};
use crate::record::access::cut;
use crate::telemetry::config::Signal;

/// A cause is shown on a page and in a log line; far ends like to answer with pages of HTML.
pub(super) const CAUSE_BYTES_MAX: usize = 300;

/// What is known about exporting one signal.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportState {
    /// The signal.
    pub signal: Signal,
    /// Where it goes, without a query; `None` when it stays at home.
    pub endpoint: Option<String>,
    /// Whether the last attempt arrived; `None` before the first.
    pub is_up: Option<bool>,
    /// When an attempt last arrived.
    pub last_success: Option<UnixNanos>,
    /// When an attempt last failed, and why.
    pub last_error: Option<(UnixNanos, String)>,
    /// Attempts that arrived.
    pub succeeded: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Records that will never arrive: no room while the far end was away, or refused.
    pub dropped: u64,
}

#[derive(Default)]
struct Latest {
    is_up: Option<bool>,
    last_success: Option<UnixNanos>,
    last_error: Option<(UnixNanos, String)>,
    is_refusing_part: bool,
}

/// Outlives the threads and their settings, so counters never go back.
pub(super) struct Health {
    signal: Signal,
    clock: Clock,
    /// Held to note an outcome or to copy it; never while sending.
    latest: Mutex<Latest>,
    succeeded: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

impl Health {
    pub(super) fn new(signal: Signal, clock: Clock) -> Self {
        Health {
            signal,
            clock,
            latest: Mutex::default(),
            succeeded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    /// Notes an attempt that arrived; `rejected` is what the far end refused of it.
    pub(super) fn arrived(&self, url: &str, rejected: Option<(u64, String)>) {
        let (was_up, was_refusing) = {
            let mut latest = self.latest.lock().expect("no panic while the state is held");
            latest.last_success = Some(self.clock.now());
            let was_refusing = std::mem::replace(&mut latest.is_refusing_part, rejected.is_some());
            (latest.is_up.replace(true), was_refusing)
        };
        if was_up != Some(true) {
            tracing::info!(signal = %self.signal, "export of {} by OTLP to {url} works", self.signal);
        }
        if let Some((n_rejected, why)) = rejected {
            self.drop_records(n_rejected);
            if !was_refusing {
                let why = cut(&why, CAUSE_BYTES_MAX);
                tracing::warn!(signal = %self.signal, "{url} refuses part of our {}: {why}", self.signal);
            }
        }
        // Counted last: who sees the count also sees the state and the line.
        self.succeeded.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes an attempt that did not arrive.
    pub(super) fn failed(&self, url: &str, cause: &str) {
        let cause = cut(cause, CAUSE_BYTES_MAX);
        let was_up = {
            let mut latest = self.latest.lock().expect("no panic while the state is held");
            latest.last_error = Some((self.clock.now(), cause.to_string()));
            latest.is_up.replace(false)
        };
        if was_up != Some(false) {
            tracing::warn!(signal = %self.signal, "export of {} by OTLP to {url} is down: {cause}", self.signal);
        }
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Forgets whether the far end is up: another one is about to be asked.
    pub(super) fn forget(&self) {
        self.latest.lock().expect("no panic while the state is held").is_up = None;
    }

    pub(super) fn drop_records(&self, n_records: u64) {
        self.dropped.fetch_add(n_records, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Returns how many attempts arrived and how many failed.
    pub(super) fn attempts(&self) -> (u64, u64) {
        (self.succeeded.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }

    pub(super) fn state(&self, endpoint: Option<String>) -> ExportState {
        let latest = self.latest.lock().expect("no panic while the state is held");
        let (succeeded, failed) = self.attempts();
        ExportState {
            signal: self.signal,
            endpoint,
            is_up: latest.is_up,
            last_success: latest.last_success,
            last_error: latest.last_error.clone(),
            succeeded,
            failed,
            dropped: self.dropped(),
        }
    }
}
