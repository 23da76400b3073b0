//! Followed files and journals joined to the store and to OTLP.

use std::sync::Arc;

use anyhow::Context;
use tracing::info;

use super::forward::Keeper;
use crate::clock::Clock;
use crate::config::Config;
use crate::ingest::tail::Tail;
use crate::store::Store;
use crate::telemetry::Telemetry;

/// Remembers in the data directory how far was read.
const POSITIONS_FILE: &str = "logs-positions.json";

/// Starts the part; it sleeps while nothing is to be followed, and a reload wakes it.
pub fn start(
    config: &Config,
    store: &Store,
    telemetry: &Arc<Telemetry>,
    clock: &Clock,
) -> anyhow::Result<Tail> {
    config.logs.files.iter().for_each(|source| info!("follows files: {source}"));
    config.logs.journals.iter().for_each(|source| info!("follows {source}"));
    let sink = Arc::new(Keeper { store: store.clone(), telemetry: telemetry.clone() });
    let positions = config.data.join(POSITIONS_FILE);
    let addresses = config.http.log_addresses;
    Tail::start(config.logs.clone(), addresses, positions, sink, clock.clone(), &telemetry.meter())
        .context("start to follow files")
}
