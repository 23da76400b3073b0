//! Pushed records joined to the store, and to OTLP when that is wished.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;

use super::durable::{durably, durably_exported};
use crate::clock::Clock;
use crate::ingest::NotKept;
use crate::ingest::push::{Config, Oldest, PushSink};
use crate::record::{LogRecord, Metadata, Scrape, Span};
use crate::store::Store;
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
        let is_exported = self.forwards() && self.telemetry.is_exporting_logs();
        let telemetry = self.telemetry.clone();
        let export = move |records: &[LogRecord]| telemetry.export_logs(records);
        durably_exported(records, is_exported, export, |records, ack| {
            self.store.append_logs_acked(records, ack)
        })
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
        let (is_exported, telemetry) = (self.forwards(), self.telemetry.clone());
        let export = move |spans: &[Span]| telemetry.export_spans(spans);
        durably_exported(spans, is_exported, export, |spans, ack| self.store.append_spans_acked(spans, ack))
    }

    fn oldest(&self) -> Oldest {
        let now = self.clock.now_ms();
        let [sample, log, span] = self.store.late_max().map(|late_max| now.minus(late_max));
        Oldest { sample, log: log.to_nanos(), span: span.to_nanos() }
    }
}
