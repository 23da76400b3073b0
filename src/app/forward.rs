//! The forward protocol joined to the store and to OTLP.

use std::sync::Arc;

use anyhow::Context;
use futures_util::future::BoxFuture;
use opentelemetry::metrics::Meter;
use tracing::{debug, info, warn};

use super::durable::durably_exported;
use super::sockets::Sockets;
use crate::clock::Clock;
use crate::config::{Loaded, Source};
use crate::ingest::forward::{BindError, Bound, Forward, Switches};
use crate::ingest::{NotKept, Sink};
use crate::record::LogRecord;
use crate::store::Store;
use crate::telemetry::Telemetry;

/// The key that the part is configured by.
const KEY: &str = "forward.listen";

/// Takes the part's addresses; none if it is switched off or its default port is taken.
///
/// Another fluentd or vitrine on the machine is common, so that a taken port is a fault
/// only where somebody asked for it.
pub fn bind(loaded: &Loaded, sockets: &mut Sockets) -> anyhow::Result<Vec<Bound>> {
    let is_default = loaded.source(KEY) == Source::Default;
    let mut bound = Vec::new();
    for address in &loaded.config.forward.listen {
        match sockets.forward(*address) {
            Ok(pair) => bound.push(pair),
            Err(fault) if is_default && fault.is_no_address() => {
                debug!("{} is not listened on: {}", fault.address, fault.source);
            }
            Err(fault) if is_default => {
                warn!(
                    "{fault}: {}; logs of other programs are not taken: set `{KEY}` to other addresses, or to \
                     nothing to be silent about it",
                    fault.source
                );
                return Ok(Vec::new());
            }
            Err(fault) => {
                let advice = advice(&fault);
                return Err(anyhow::Error::from(fault).context(advice));
            }
        }
    }
    for pair in &bound {
        // People look for this line, and tests read the port from it.
        info!(server_address = %pair.address(), "forward protocol on {}, TCP and UDP", pair.address());
    }
    Ok(bound)
}

/// Starts the part; none without addresses.
pub fn start(
    bound: Vec<Bound>,
    switches: Switches,
    store: &Store,
    telemetry: &Arc<Telemetry>,
    clock: &Clock,
    meter: &Meter,
) -> anyhow::Result<Option<Forward>> {
    if bound.is_empty() {
        return Ok(None);
    }
    let sink = Arc::new(Keeper { store: store.clone(), telemetry: telemetry.clone() });
    let forward =
        Forward::start(bound, switches, sink, clock.clone(), meter).context("start the forward protocol")?;
    Ok(Some(forward))
}

fn advice(fault: &BindError) -> String {
    let elsewhere = "choose another address with VITRINE_FORWARD_LISTEN or `listen` under `[forward]`";
    if fault.is_in_use() {
        format!("the port is in use by another program: stop that one, or {elsewhere}")
    } else {
        elsewhere.to_string()
    }
}

/// Puts received records where our own go: into the store and out by OTLP.
pub(super) struct Keeper {
    pub(super) store: Store,
    pub(super) telemetry: Arc<Telemetry>,
}

impl Sink for Keeper {
    fn keep(&self, records: Vec<LogRecord>) {
        self.telemetry.export_logs(&records);
        self.store.append_logs(records);
    }

    fn keep_durably(&self, records: Vec<LogRecord>) -> BoxFuture<'static, Result<(), NotKept>> {
        let telemetry = self.telemetry.clone();
        let export = move |records: &[LogRecord]| telemetry.export_logs(records);
        durably_exported(records, self.telemetry.is_exporting_logs(), export, |records, ack| {
            self.store.append_logs_acked(records, ack)
        })
    }
}
