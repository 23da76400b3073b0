//! Names the request that holds an http thread for more than a second.
//!
//! An http thread drives many requests at once; one that computes or waits without giving
//! the thread back stops all of them, and nothing on that thread can say so. Each thread
//! writes down whom it is driving (a few relaxed stores, no clock), and a thread of the
//! watchdog looks four times a second.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use opentelemetry::metrics::{Counter, Meter};

use crate::record::names::HTTP_THREAD_BLOCKED;

/// How often the watchdog looks.
const TICK: Duration = Duration::from_millis(250);

/// One tick more than a second, for a request may begin right behind a tick.
const BLOCKED_TICKS: u64 = 5;

const IDLE: u64 = 0;

/// So much of a path tells which route it is.
const NAME_BYTES: usize = 64;
const WORDS: usize = NAME_BYTES / 8;

/// What an http thread is driving.
struct Pulse {
    thread: usize,
    ticks: Arc<AtomicU64>,
    /// The tick at which it began, or [`IDLE`].
    since: AtomicU64,
    n_bytes: AtomicUsize,
    name: [AtomicU64; WORDS],
}

impl Pulse {
    fn begin(&self, path: &str) {
        let mut bytes = [0; NAME_BYTES];
        let n_bytes = path.len().min(NAME_BYTES);
        bytes[..n_bytes].copy_from_slice(&path.as_bytes()[..n_bytes]);
        for (word, bytes) in self.name.iter().zip(bytes.as_chunks::<8>().0).take(n_bytes.div_ceil(8)) {
            word.store(u64::from_le_bytes(*bytes), Ordering::Relaxed);
        }
        self.n_bytes.store(n_bytes, Ordering::Relaxed);
        self.since.store(self.ticks.load(Ordering::Relaxed), Ordering::Release);
    }

    // Whoever holds its thread for a second does not write a name meanwhile, so it is whole.
    fn name(&self) -> String {
        let bytes = self.name.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes());
        let bytes: Vec<u8> = bytes.take(self.n_bytes.load(Ordering::Relaxed)).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

thread_local! {
    static PULSE: RefCell<Option<Arc<Pulse>>> = const { RefCell::new(None) };
}

/// Says, as long as it lives, whom this thread is driving.
pub(super) struct Driving(Option<Arc<Pulse>>);

/// Notes that this thread begins to drive a request; nothing on a thread that is not watched.
pub(super) fn drive(path: &str) -> Driving {
    let pulse = PULSE.with_borrow(Clone::clone);
    if let Some(pulse) = &pulse {
        pulse.begin(path);
    }
    Driving(pulse)
}

impl Drop for Driving {
    fn drop(&mut self) {
        if let Some(pulse) = &self.0 {
            pulse.since.store(IDLE, Ordering::Release);
        }
    }
}

/// Watches the http threads that enrol; ends when it is dropped.
pub(super) struct Watchdog {
    watched: Arc<Watched>,
    thread: Option<JoinHandle<()>>,
}

struct Watched {
    pulses: Mutex<Vec<Arc<Pulse>>>,
    ticks: Arc<AtomicU64>,
    has_ended: AtomicBool,
    n_blocked: Counter<u64>,
}

/// What was said of a pulse last.
#[derive(Clone, Copy, Default)]
struct Told {
    /// The tick at which the request began that was complained about.
    since: Option<u64>,
}

impl Watchdog {
    /// Begins to look; `well` is called at each look that finds no thread held.
    pub(super) fn start(meter: &Meter, well: super::Well) -> std::io::Result<Watchdog> {
        let counter = meter.u64_counter(HTTP_THREAD_BLOCKED.name);
        let counter = counter.with_unit(HTTP_THREAD_BLOCKED.unit).with_description(HTTP_THREAD_BLOCKED.help);
        let watched = Arc::new(Watched {
            pulses: Mutex::default(),
            ticks: Arc::new(AtomicU64::new(IDLE + 1)),
            has_ended: AtomicBool::new(false),
            n_blocked: counter.build(),
        });
        // So that the series is there before the first time.
        watched.n_blocked.add(0, &[]);
        let watching = watched.clone();
        let thread =
            std::thread::Builder::new().name("watchdog".into()).spawn(move || watching.watch(well))?;
        Ok(Watchdog { watched, thread: Some(thread) })
    }

    /// Returns a handle by which a thread enrols itself.
    pub(super) fn enroller(&self) -> impl Fn() + Send + Clone + 'static {
        let watched = self.watched.clone();
        move || {
            let mut pulses = watched.pulses.lock().unwrap_or_else(PoisonError::into_inner);
            let pulse = Arc::new(Pulse {
                thread: pulses.len(),
                ticks: watched.ticks.clone(),
                since: AtomicU64::new(IDLE),
                n_bytes: AtomicUsize::new(0),
                name: [const { AtomicU64::new(0) }; WORDS],
            });
            PULSE.set(Some(pulse.clone()));
            pulses.push(pulse);
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.watched.has_ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It ends at once, and there is nothing to be done if it panicked.
            drop(thread.join());
        }
    }
}

impl Watched {
    fn watch(&self, mut well: super::Well) {
        let mut told = Vec::new();
        while !self.has_ended.load(Ordering::Relaxed) {
            std::thread::park_timeout(TICK);
            let tick = self.ticks.fetch_add(1, Ordering::Relaxed) + 1;
            let pulses = self.pulses.lock().unwrap_or_else(PoisonError::into_inner).clone();
            told.resize(pulses.len(), Told::default());
            for (pulse, told) in pulses.iter().zip(&mut told) {
                self.look(pulse, told, tick);
            }
            if told.iter().all(|told| told.since.is_none()) {
                well();
            }
        }
    }

    fn look(&self, pulse: &Pulse, told: &mut Told, tick: u64) {
        let since = pulse.since.load(Ordering::Acquire);
        let lasts = |since: u64| TICK * u32::try_from(tick.saturating_sub(since)).unwrap_or(u32::MAX);
        if let Some(before) = told.since
            && before != since
        {
            told.since = None;
            tracing::warn!("http thread {} goes on after about {:?}", pulse.thread, lasts(before));
        }
        if since != IDLE && told.since.is_none() && tick.saturating_sub(since) >= BLOCKED_TICKS {
            told.since = Some(since);
            self.n_blocked.add(1, &[]);
            tracing::warn!(
                "http thread {} has been held for {:?} by {}: all its other requests wait",
                pulse.thread,
                lasts(since),
                pulse.name(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_request_that_holds_its_thread_is_counted_and_once() {
        let watched = Watched {
            pulses: Mutex::default(),
            ticks: Arc::new(AtomicU64::new(1)),
            has_ended: AtomicBool::new(false),
            n_blocked: opentelemetry::global::meter("test").u64_counter("test").build(),
        };
        let pulse = Pulse {
            thread: 0,
            ticks: watched.ticks.clone(),
            since: AtomicU64::new(IDLE),
            n_bytes: AtomicUsize::new(0),
            name: [const { AtomicU64::new(0) }; WORDS],
        };
        let mut told = Told::default();
        let tick = || watched.ticks.fetch_add(1, Ordering::Relaxed) + 1;
        for _ in 0..20 {
            // Short ones, one after the other.
            pulse.begin("/short");
            watched.look(&pulse, &mut told, tick());
            assert_eq!(told.since, None);
        }
        let long = format!("/long/{}", "x".repeat(100));
        pulse.begin(&long);
        (1..BLOCKED_TICKS).for_each(|_| watched.look(&pulse, &mut told, tick()));
        assert_eq!(told.since, None, "not yet a second");
        watched.look(&pulse, &mut told, tick());
        assert!(told.since.is_some());
        assert_eq!(pulse.name(), long[..NAME_BYTES]);
        pulse.since.store(IDLE, Ordering::Relaxed);
        watched.look(&pulse, &mut told, tick());
        assert_eq!(told.since, None);
    }
}
