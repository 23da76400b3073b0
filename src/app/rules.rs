//! Rules joined to the store: a thread of their own evaluates them when their time has come.
//!
//! Only one process does: a successor begins when its predecessor is gone, with the alerts that
//! that one left in the data folder. An evaluation gives way to others each millisecond, ends
//! after [`EVALUATION_MAX`] and, when the process stops, within milliseconds.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use opentelemetry::metrics::Meter;
use tracing::{error, info, warn};

use super::data::read_bounded;
use crate::clock::{Clock, UnixMillis};
use crate::config::Config;
use crate::files::{PRIVATE, write_durably};
use crate::pace::paced;
use crate::query::budget::Cancel;
use crate::query::journal::{Door, Journal, Recorder};
use crate::query::promql::{Engine, Error, InstantSample, Limits, Moments, Value};
use crate::query::rules::{self, Group, Query, RulesView, SAVE_INTERVAL, Saved, Schedule, World, observe};
use crate::record::{Labels, Scrape};
use crate::store::Store;

/// Keeps the alerts in the data directory, so that a restart goes on with them.
const ALERTS_FILE: &str = "alerts.json";

/// Ten thousand alerts with long texts; more is no file of ours.
const ALERTS_MAX_BYTES: usize = 64 << 20;

/// Longest evaluation of one rule: groups take turns, and one that takes longer than this keeps
/// all others from theirs.
const EVALUATION_MAX: Duration = Duration::from_secs(30);

/// The store takes samples at once unless its disk is slow; then the rule has failed. A stop may
/// have to wait for it, so it is shorter than the store's own last flush may be.
const SETTLE_MAX: Duration = Duration::from_secs(2);

/// Longest sleep: a clock that is set is noticed within.
const SLEEP_MAX: Duration = Duration::from_secs(10);

/// Evaluates the rules of the configuration in force, from [`Evaluator::begin`] on.
pub struct Evaluator {
    shared: Arc<Shared>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

struct Shared {
    store: Store,
    clock: Clock,
    path: PathBuf,
    /// What a reload brought and the thread did not take up yet.
    news: Mutex<Option<Vec<Arc<Group>>>>,
    view: ArcSwap<Vec<Arc<rules::GroupView>>>,
    is_stopping: AtomicBool,
    cancel: Cancel,
    recorder: Recorder,
}

impl Evaluator {
    /// Evaluates nothing yet: a predecessor may still.
    pub fn new(config: &Config, store: &Store, clock: &Clock, meter: &Meter, journal: &Arc<Journal>) -> Self {
        let schedule = Schedule::new(clock.clone(), &config.rules.groups, &Saved::default());
        let shared = Arc::new(Shared {
            store: store.clone(),
            clock: clock.clone(),
            path: config.data.join(ALERTS_FILE),
            news: Mutex::default(),
            view: ArcSwap::new(schedule.view()),
            is_stopping: AtomicBool::new(false),
            cancel: Cancel::default(),
            recorder: journal.recorder(Door::Rules),
        });
        observe(meter, &shared, |shared| shared.view.load_full());
        Evaluator { shared, thread: Mutex::default() }
    }

    /// Starts the thread; [`Evaluator::stop`] ends it.
    pub fn begin(&self, config: &Config) -> anyhow::Result<()> {
        for group in &config.rules.groups {
            info!("evaluates {} rules of {:?} in {}", group.rules.len(), group.name, group.file);
        }
        let (shared, groups) = (self.shared.clone(), config.rules.groups.clone());
        let thread = thread::Builder::new().name("rules".into()).spawn(move || {
            let mut schedule = Schedule::new(shared.clock.clone(), &groups, &shared.read_alerts());
            shared.view.store(schedule.view());
            // A defect in one step costs that step, not all rules for ever.
            while catch_unwind(AssertUnwindSafe(|| shared.run(&mut schedule))).is_err() {
                error!("a defect ended an evaluation of rules, the next one goes on");
            }
        });
        *lock(&self.thread) = Some(thread.context("start the thread of rules")?);
        Ok(())
    }

    /// As [`Evaluator::begin`], where nobody waits for the outcome.
    pub fn begin_late(&self, config: &Config) {
        if let Err(fault) = self.begin(config) {
            warn!("{fault:#}: rules are evaluated after a restart");
        }
    }

    /// Evaluates what another configuration says; never waits.
    pub fn apply(&self, config: &Config) {
        let thread = lock(&self.thread);
        // Whoever has not begun begins with the configuration that is then in force.
        if let Some(thread) = &*thread {
            *lock(&self.shared.news) = Some(config.rules.groups.clone());
            thread.thread().unpark();
        }
    }

    /// Returns what is known of rules and alerts.
    pub fn view(&self) -> RulesView {
        self.shared.view.load_full()
    }

    /// Ends what is being evaluated, saves the alerts and waits for both.
    pub fn stop(&self) {
        self.shared.is_stopping.store(true, Ordering::Relaxed);
        self.shared.cancel.cancel();
        if let Some(thread) = lock(&self.thread).take() {
            thread.thread().unpark();
            thread.join().expect("the thread catches every panic");
        }
    }
}

/// Every change is whole, so a poisoned state is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    fn engine(&self) -> Engine {
        let limits = Limits { timeout: EVALUATION_MAX, ..Limits::default() };
        Engine { limits, recorder: Some(self.recorder.clone()) }
    }

    fn run(&self, schedule: &mut Schedule) {
        let world = OnStore { store: &self.store, cancel: &self.cancel, engine: self.engine() };
        let mut saved_at = self.clock.elapsed();
        while !self.is_stopping() {
            let news = lock(&self.news).take();
            let mut has_changed = news.is_some();
            if let Some(groups) = news {
                schedule.apply(&groups);
                self.view.store(schedule.view());
            }
            let evaluated = schedule.evaluate_next(&world, &|| self.is_stopping());
            if let Some(alerts_changed) = evaluated {
                self.view.store(schedule.view());
                has_changed |= alerts_changed;
            }
            let is_due = self.clock.elapsed().saturating_sub(saved_at) >= SAVE_INTERVAL;
            if has_changed || (is_due && schedule.has_alerts()) {
                self.save_alerts(&schedule.saved());
                saved_at = self.clock.elapsed();
            }
            if evaluated.is_none() {
                thread::park_timeout(schedule.idle().unwrap_or(SLEEP_MAX).min(SLEEP_MAX));
            }
        }
        self.save_alerts(&schedule.saved());
    }

    fn read_alerts(&self) -> Saved {
        match read(&self.path) {
            Ok(saved) => saved,
            Err(fault) => {
                warn!("{}: {fault}: alerts begin anew", self.path.display());
                Saved::default()
            }
        }
    }

    /// Who has no rules has no file.
    fn save_alerts(&self, saved: &Saved) {
        if saved.rules.is_empty() && !self.path.exists() {
            return;
        }
        if let Err(fault) = write_durably(&self.path, saved.to_json().as_bytes(), PRIVATE) {
            warn!("keep the alerts in {}: {fault}: a restart would begin them anew", self.path.display());
        }
    }
}

fn read(path: &Path) -> Result<Saved, String> {
    let bytes = match read_bounded(path, ALERTS_MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => return Ok(Saved::default()),
        Err(fault) => return Err(fault.to_string()),
    };
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_string())?;
    Saved::from_json(&text)
}

/// The store as rules see it.
struct OnStore<'a> {
    store: &'a Store,
    cancel: &'a Cancel,
    engine: Engine,
}

impl World for OnStore<'_> {
    fn evaluate(&self, query: &Query, at: UnixMillis) -> Result<Vec<InstantSample>, String> {
        let cancel = self.cancel.clone();
        let work = || {
            let moments = Moments::instant(at);
            self.engine.evaluate(self.store, &query.text, &query.expr, moments, self.cancel)
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| paced(move || cancel.is_cancelled(), work)));
        let outcome: Result<_, Error> = outcome.map_err(|_| "a defect ended the evaluation".to_string())?;
        match outcome.map_err(|fault| fault.to_string())?.value {
            Value::Vector(samples) => Ok(samples),
            Value::Scalar(sample) => Ok(vec![InstantSample { labels: Labels::default(), sample }]),
            Value::String(..) | Value::Matrix(_) => Err("rule result is not a vector or scalar".into()),
        }
    }

    fn keep(&self, scrape: Scrape) -> Result<(), String> {
        self.store.append_scrape(scrape);
        self.store.settle(SETTLE_MAX).map_err(|fault| fault.to_string())
    }
}
