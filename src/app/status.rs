//! What the process knows of its own last reload and of the CV that it shows.

use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Meter};

use super::site::{Language, Origin, Site};
use super::versions::mark;
use crate::clock::{Clock, UnixNanos};
use crate::cv::Problem;
use crate::record::names::{self, Instrument, keys};

/// Shared between whoever reloads and whoever shows.
#[derive(Clone)]
pub struct Status {
    inner: Arc<Mutex<Inner>>,
    clock: Clock,
    reloads: Counter<u64>,
}

/// A moment's state, to be read without a lock in hand.
#[derive(Clone, Debug)]
pub struct Inner {
    /// Where the CV shown comes from.
    pub origin: Origin,
    /// Its pages.
    pub languages: Vec<Language>,
    /// The picture beside it that it names.
    pub image: Option<String>,
    /// The files that it was read from, each with the mark of its text.
    pub read: Vec<(String, String)>,
    /// Why the CV on disk is not the one shown; empty when it is.
    pub stale: Vec<Problem>,
    /// What is odd about the CV shown.
    pub warnings: Vec<Problem>,
    /// When a configuration was last applied, the start included.
    pub applied_at: UnixNanos,
    /// The last reload, if there was one.
    pub last_reload: Option<LastReload>,
}

/// How the last reload went.
#[derive(Clone, Debug)]
pub struct LastReload {
    /// When.
    pub at: UnixNanos,
    /// What was applied, or every reason why it was refused.
    pub outcome: Result<String, Vec<String>>,
}

impl Status {
    /// Starts with the site shown first; `stale` says why it is not the one on disk.
    pub fn new(site: &Site, stale: Vec<Problem>, clock: Clock, meter: &Meter) -> Self {
        let inner = Arc::new(Mutex::new(Inner {
            origin: site.origin.clone(),
            languages: site.languages.clone(),
            image: site.image.clone(),
            read: marks(site),
            stale,
            warnings: site.warnings.clone(),
            applied_at: clock.now(),
            last_reload: None,
        }));
        observe(&inner, meter);
        let reloads = meter
            .u64_counter(names::RELOADS.name)
            .with_unit(names::RELOADS.unit)
            .with_description(names::RELOADS.help)
            .build();
        // A series that begins with its first event hides that from `increase`.
        for outcome in ["applied", "refused"] {
            reloads.add(0, &[KeyValue::new(keys::OUTCOME, outcome)]);
        }
        Status { inner, clock, reloads }
    }

    /// Notes that a site is shown now.
    pub fn applied(&self, site: &Site, message: &str) {
        self.reloads.add(1, &[KeyValue::new(keys::OUTCOME, "applied")]);
        let (now, marks) = (self.clock.now(), marks(site));
        self.update(|inner| {
            inner.origin = site.origin.clone();
            inner.languages = site.languages.clone();
            inner.image = site.image.clone();
            inner.read = marks;
            inner.stale.clear();
            inner.warnings = site.warnings.clone();
            inner.applied_at = now;
            inner.last_reload = Some(LastReload { at: now, outcome: Ok(message.to_string()) });
        });
    }

    /// Notes that a reload was refused; `stale` says what is wrong with the CV, if that is why.
    pub fn refused(&self, reasons: &[String], stale: Vec<Problem>) {
        self.reloads.add(1, &[KeyValue::new(keys::OUTCOME, "refused")]);
        let now = self.clock.now();
        self.update(|inner| {
            if !stale.is_empty() {
                inner.stale = stale;
            }
            inner.last_reload = Some(LastReload { at: now, outcome: Err(reasons.to_vec()) });
        });
    }

    /// Notes that what was wrong with the CV on disk is again what it was before.
    pub fn put_back(&self, stale: Vec<Problem>) {
        self.update(|inner| inner.stale = stale);
    }

    /// Returns a copy of the state.
    pub fn get(&self) -> Inner {
        lock(&self.inner).clone()
    }

    fn update(&self, change: impl FnOnce(&mut Inner)) {
        change(&mut lock(&self.inner));
    }
}

fn marks(site: &Site) -> Vec<(String, String)> {
    site.sources.iter().map(|file| (file.name.clone(), mark(&file.bytes))).collect()
}

/// Every change is whole, so a poisoned state is as good as any.
fn lock(inner: &Mutex<Inner>) -> std::sync::MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

fn observe(inner: &Arc<Mutex<Inner>>, meter: &Meter) {
    gauge(meter, names::LAST_RELOAD_SUCCESSFUL, inner, |inner| match &inner.last_reload {
        Some(reload) if reload.outcome.is_err() => vec![(0.0, vec![])],
        _ => vec![(1.0, vec![])],
    });
    gauge(meter, names::LAST_RELOAD_SUCCESS_TIME, inner, |inner| {
        // Seconds as a float keep microseconds until the year 2255.
        vec![(inner.applied_at.0 as f64 / 1e9, vec![])]
    });
    gauge(meter, names::CV_STALE, inner, |inner| {
        vec![(if inner.stale.is_empty() { 0.0 } else { 1.0 }, vec![])]
    });
    gauge(meter, names::CV_PROBLEMS, inner, |inner| {
        let of = |severity: &'static str, n: usize| (n as f64, vec![KeyValue::new(keys::SEVERITY, severity)]);
        vec![of("error", inner.stale.len()), of("warning", inner.warnings.len())]
    });
}

type Points = Vec<(f64, Vec<KeyValue>)>;

fn gauge(meter: &Meter, instrument: Instrument, inner: &Arc<Mutex<Inner>>, read: fn(&Inner) -> Points) {
    let inner = inner.clone();
    meter
        .f64_observable_gauge(instrument.name)
        .with_unit(instrument.unit)
        .with_description(instrument.help)
        .with_callback(move |observer| {
            for (value, attributes) in read(&lock(&inner)) {
                observer.observe(value, &attributes);
            }
        })
        .build();
}
