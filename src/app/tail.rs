//! Followed files and journals joined to the store and to OTLP.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use tracing::{info, warn};

use super::forward::Keeper;
use crate::clock::Clock;
use crate::config::Config;
use crate::ingest::tail::Tail;
use crate::store::Store;
use crate::telemetry::Telemetry;

/// Remembers in the data directory how far was read.
const POSITIONS_FILE: &str = "logs-positions.json";

/// Follows what the configuration in force says, from [`Follower::begin`] on.
pub struct Follower {
    sink: Arc<Keeper>,
    positions: PathBuf,
    clock: Clock,
    tail: Mutex<Option<Tail>>,
}

impl Follower {
    /// Follows nothing yet: a predecessor may still, and remember how far it came.
    pub fn new(config: &Config, store: &Store, telemetry: &Arc<Telemetry>, clock: &Clock) -> Self {
        let sink = Arc::new(Keeper { store: store.clone(), telemetry: telemetry.clone() });
        let positions = config.data.join(POSITIONS_FILE);
        Follower { sink, positions, clock: clock.clone(), tail: Mutex::default() }
    }

    /// Starts the part; it sleeps while nothing is to be followed, and a reload wakes it.
    pub fn begin(&self, config: &Config) -> anyhow::Result<()> {
        config.logs.files.iter().for_each(|source| info!("follows files: {source}"));
        config.logs.journals.iter().for_each(|source| info!("follows {source}"));
        let (sink, meter) = (self.sink.clone(), self.sink.telemetry.meter());
        let addresses = config.http.log_addresses;
        let positions = self.positions.clone();
        let tail = Tail::start(config.logs.clone(), addresses, positions, sink, self.clock.clone(), &meter);
        *self.tail() = Some(tail.context("start to follow files")?);
        Ok(())
    }

    /// As [`Follower::begin`], where nobody waits for the outcome.
    pub fn begin_late(&self, config: &Config) {
        if let Err(fault) = self.begin(config) {
            warn!("{fault:#}: files are followed after a restart");
        }
    }

    /// Follows what another configuration says; never waits.
    pub fn apply(&self, config: &Config) {
        // Whoever has not begun begins with the configuration that is then in force.
        if let Some(tail) = &*self.tail() {
            tail.apply(&config.logs, config.http.log_addresses);
        }
    }

    /// Takes what is there for a last time and ends.
    pub async fn stop(&self) {
        let tail = self.tail().take();
        if let Some(tail) = tail {
            tail.stop().await;
        }
    }

    fn tail(&self) -> MutexGuard<'_, Option<Tail>> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
