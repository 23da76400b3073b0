//! Pushed records joined to the store, and to OTLP when that is wished.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, TryFutureExt};
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::ingest::NotKept;
use crate::ingest::push::{Config, Oldest, PushSink};
use crate::record::{LogRecord, Metadata, Scrape, Span};
use crate::store::{Store, SyncError};
use crate::telemetry::Telemetry;

/// Puts pushed records into the store.
pub struct Keeper {
    store: Store,
    telemetry: Arc<Telemetry>,
    clock: Clock,
    /// Whether logs and spans go out by OTLP, too; others are expected to send there themselves.
    forwards: AtomicBool,
}

impl Keeper {
    /// Makes a keeper that exports nothing.
    pub fn new(store: Store, telemetry: Arc<Telemetry>, clock: Clock) -> Arc<Keeper> {
        Arc::new(Keeper { store, telemetry, clock, forwards: AtomicBool::new(false) })
    }

    /// Takes over what a reload may change.
    pub fn apply(&self, config: &Config) {
        self.forwards.store(config.forward_received, Ordering::Relaxed);
    }

    fn forwards(&self) -> bool {
        self.forwards.load(Ordering::Relaxed)
    }
}

impl PushSink for Keeper {
    fn keep_logs(&self, records: Vec<LogRecord>) -> BoxFuture<'static, Result<(), NotKept>> {
        let forwarded = (self.forwards() && self.telemetry.is_exporting_logs()).then(|| records.clone());
        let kept = durably(|ack| self.store.append_logs_acked(records, ack));
        let telemetry = self.telemetry.clone();
        // What was not kept is sent again, and would be exported twice.
        kept.inspect_ok(move |()| telemetry.export_logs(&forwarded.unwrap_or_default())).boxed()
    }

    fn keep_scrapes(
        &self,
        scrapes: Vec<Scrape>,
        metadata: Vec<Metadata>,
    ) -> BoxFuture<'static, Result<(), NotKept>> {
        // What did not fit comes again with the next request.
        _ = self.store.remember_metadata(metadata);
        durably(|ack| self.store.append_scrapes_acked(scrapes, ack))
    }

    fn keep_spans(&self, spans: Vec<Span>) -> BoxFuture<'static, Result<(), NotKept>> {
        let forwarded = self.forwards().then(|| spans.clone());
        let kept = durably(|ack| self.store.append_spans_acked(spans, ack));
        let telemetry = self.telemetry.clone();
        kept.inspect_ok(move |()| telemetry.export_spans(&forwarded.unwrap_or_default())).boxed()
    }

    fn oldest(&self) -> Oldest {
        let now = self.clock.now_ms();
        let [sample, log, span] = self.store.late_max().map(|late_max| now.minus(late_max));
        Oldest { sample, log: log.to_nanos(), span: span.to_nanos() }
    }
}

/// What the store calls when records are on disk, or could not be put there.
pub type Ack = Box<dyn FnOnce(Result<(), SyncError>) + Send>;

/// Hands records over, and answers when they are on disk.
pub fn durably(append: impl FnOnce(Ack) -> Result<(), SyncError>) -> BoxFuture<'static, Result<(), NotKept>> {
    let (sender, receiver) = oneshot::channel();
    // Whoever waited may have gone by then.
    let queued = append(Box::new(move |kept| _ = sender.send(kept)));
    Box::pin(async move {
        queued.map_err(|_| NotKept)?;
        receiver.await.map_err(|_| NotKept)?.map_err(|_| NotKept)
    })
}
