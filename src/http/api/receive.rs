//! Takes a pushed body in: within its bounds, one step after the other.
//!
//! Who may push is known by then. A place is taken before the body is read, so that bodies in
//! memory are bounded; the reading itself has a bound in bytes and in time; decoding happens on
//! a thread of its own, and the answer waits for the disk.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_LENGTH;
use futures_util::StreamExt;
use opentelemetry::metrics::Meter;
use tokio::sync::Semaphore;

use crate::balancer::{Lane, LaneError};
use crate::clock::Clock;
use crate::ingest::push::counts::{Counts, Protocol, Refused};
use crate::ingest::push::inflate::{Encoding, inflate};
use crate::ingest::push::rate::Rates;
use crate::ingest::push::{BODY_MAX_BYTES, Config, Fault, LeftOut, PushSink, Times};
use crate::record::{LogRecord, Metadata, Scrape, Span};

/// Bodies that are read or decoded at once: with 4 MiB on the wire and 8 inflated each, and what
/// one becomes, they stay within the memory budget.
const BODIES_MAX: usize = 2;

/// How long a sender waits for one of these places before it is told to come back.
const PLACE_WAIT: Duration = Duration::from_secs(5);

/// A body must have arrived by then.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);

/// When to come back after being turned away because of others.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What takes pushes in, shared by all http threads.
pub struct Push {
    sink: Arc<dyn PushSink>,
    counts: Arc<Counts>,
    rates: Rates,
    places: Semaphore,
    clock: Clock,
    takes_otlp: AtomicBool,
    bytes_per_second: AtomicU64,
}

/// What one request brought, whatever the protocol.
pub(super) struct Batch {
    pub(super) records: Records,
    pub(super) n_records: usize,
    pub(super) left_out: LeftOut,
}

/// Records of one signal.
pub(super) enum Records {
    Logs(Vec<LogRecord>),
    Scrapes(Vec<Scrape>, Vec<Metadata>),
    Spans(Vec<Span>),
}

/// Why a request was refused whole, for its sender.
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) why: String,
    pub(super) retry_after: Option<Duration>,
}

/// Where a request came from, and how.
pub(super) struct Source {
    pub(super) protocol: Protocol,
    pub(super) address: IpAddr,
    pub(super) encoding: Encoding,
}

impl Push {
    /// Makes the counters; nothing else costs anything before the first push.
    pub fn new(sink: Arc<dyn PushSink>, clock: Clock, meter: &Meter) -> Push {
        Push {
            sink,
            counts: Counts::new(clock.clone(), meter),
            rates: Rates::default(),
            places: Semaphore::new(BODIES_MAX),
            clock,
            takes_otlp: AtomicBool::new(false),
            bytes_per_second: AtomicU64::new(0),
        }
    }

    /// Takes over what a reload may change.
    pub fn apply(&self, config: &Config) {
        self.takes_otlp.store(config.otlp, Ordering::Relaxed);
        self.bytes_per_second.store(config.bytes_per_second, Ordering::Relaxed);
    }

    /// Returns true when OTLP is taken.
    pub(super) fn takes_otlp(&self) -> bool {
        self.takes_otlp.load(Ordering::Relaxed)
    }

    /// Counts a request that is refused before its body is looked at.
    pub(super) fn refuse(&self, protocol: Protocol, address: IpAddr, refusal: &Refusal) {
        self.counts.refuse(protocol, Refused::Kind, &refusal.why, &address.to_string());
    }

    /// Reads a body, decodes it and keeps what it brought. Returns what was left out, and
    /// whatever else `decode` says.
    pub(super) async fn receive<T: Send + 'static>(
        &self,
        (request, payload): (&HttpRequest, Payload),
        source: &Source,
        lane: &Lane,
        decode: impl FnOnce(&[u8], Times) -> Result<(Batch, T), Fault> + Send + 'static,
    ) -> Result<(LeftOut, T), Refusal> {
        let received = self.try_to_receive(request, payload, source, lane, decode).await;
        let from = source.address.to_string();
        match received {
            Ok((left_out, told)) => {
                self.counts.left_out(source.protocol, &left_out, &from);
                Ok((left_out, told))
            }
            Err((refused, refusal)) => {
                self.counts.refuse(source.protocol, refused, &refusal.why, &from);
                Err(refusal)
            }
        }
    }

    async fn try_to_receive<T: Send + 'static>(
        &self,
        request: &HttpRequest,
        payload: Payload,
        source: &Source,
        lane: &Lane,
        decode: impl FnOnce(&[u8], Times) -> Result<(Batch, T), Fault> + Send + 'static,
    ) -> Result<(LeftOut, T), (Refused, Refusal)> {
        let declared = declared_length(request);
        if declared.is_some_and(|n_bytes| n_bytes > BODY_MAX_BYTES) {
            return Err(too_large());
        }
        self.charge(source, declared.unwrap_or(0))?;
        let Ok(Ok(_place)) = tokio::time::timeout(PLACE_WAIT, self.places.acquire()).await else {
            let why = "enough bodies are being read already, try again in a moment";
            return Err(later(Refused::Busy, StatusCode::SERVICE_UNAVAILABLE, why, RETRY_AFTER));
        };
        let body = match tokio::time::timeout(BODY_TIMEOUT, read(payload)).await {
            Ok(body) => body?,
            Err(_) => {
                // Not 408, which tells senders to give the batch up.
                let why = format!("the body did not arrive within {BODY_TIMEOUT:?}");
                return Err(later(Refused::Timeout, StatusCode::SERVICE_UNAVAILABLE, why, RETRY_AFTER));
            }
        };
        let n_bytes = body.len();
        if declared.is_none() {
            // It is here already: who comes next pays for it.
            _ = self.charge(source, n_bytes);
        }
        let (encoding, times) = (source.encoding, self.times());
        let sink = self.sink.clone();
        // Handing over takes a while, too, for a hundred thousand records.
        let work = move || {
            let (batch, told) = inflate(body, encoding).and_then(|body| decode(&body, times))?;
            let kept = match batch.records {
                Records::Logs(records) => sink.keep_logs(records),
                Records::Scrapes(scrapes, metadata) => sink.keep_scrapes(scrapes, metadata),
                Records::Spans(spans) => sink.keep_spans(spans),
            };
            Ok((kept, batch.n_records, batch.left_out, told))
        };
        let (kept, n_records, left_out, told) = match lane.run(work).await {
            Ok(decoded) => decoded.map_err(malformed)?,
            Err(fault) => return Err(lane_refused(&fault)),
        };
        if kept.await.is_err() {
            let why = "the store could not keep it now, try again in a moment";
            return Err(later(Refused::NotKept, StatusCode::SERVICE_UNAVAILABLE, why, RETRY_AFTER));
        }
        self.counts.kept(source.protocol, n_bytes, n_records);
        Ok((left_out, told))
    }

    fn charge(&self, source: &Source, n_bytes: usize) -> Result<(), (Refused, Refusal)> {
        let rate = self.bytes_per_second.load(Ordering::Relaxed);
        self.rates.take(source.address, n_bytes, rate, self.clock.elapsed()).map_err(|wait| {
            let why =
                format!("more than push.bytes_per_second ({rate}) from one address, try again in {wait:.0?}");
            later(Refused::Rate, StatusCode::TOO_MANY_REQUESTS, why, wait)
        })
    }

    fn times(&self) -> Times {
        Times { now: self.clock.now(), oldest: self.sink.oldest() }
    }
}

fn declared_length(request: &HttpRequest) -> Option<usize> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn read(mut payload: Payload) -> Result<Vec<u8>, (Refused, Refusal)> {
    let mut res = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|fault| {
            (Refused::Malformed, refusal(StatusCode::BAD_REQUEST, format!("the body broke off: {fault}")))
        })?;
        if res.len() + chunk.len() > BODY_MAX_BYTES {
            return Err(too_large());
        }
        res.extend_from_slice(&chunk);
    }
    Ok(res)
}

fn refusal(status: StatusCode, why: impl Into<String>) -> Refusal {
    Refusal { status, why: why.into(), retry_after: None }
}

fn later(refused: Refused, status: StatusCode, why: impl Into<String>, wait: Duration) -> (Refused, Refusal) {
    (refused, Refusal { status, why: why.into(), retry_after: Some(wait) })
}

fn too_large() -> (Refused, Refusal) {
    let why = format!("the body is larger than {} MiB, send smaller batches", BODY_MAX_BYTES >> 20);
    (Refused::Size, refusal(StatusCode::PAYLOAD_TOO_LARGE, why))
}

fn malformed(fault: Fault) -> (Refused, Refusal) {
    match fault {
        Fault::Malformed(_) | Fault::Compression => {
            (Refused::Malformed, refusal(StatusCode::BAD_REQUEST, fault.to_string()))
        }
        Fault::Inflated | Fault::TooMany => {
            (Refused::Size, refusal(StatusCode::PAYLOAD_TOO_LARGE, format!("{fault}, send smaller batches")))
        }
    }
}

fn lane_refused(fault: &LaneError) -> (Refused, Refusal) {
    match fault {
        LaneError::Full { retry_after, .. } => {
            later(Refused::Busy, StatusCode::SERVICE_UNAVAILABLE, fault.to_string(), *retry_after)
        }
        LaneError::Ended { .. } => {
            later(Refused::Busy, StatusCode::SERVICE_UNAVAILABLE, "vitrine is stopping", RETRY_AFTER)
        }
        LaneError::Panicked { .. } => {
            (Refused::NotKept, refusal(StatusCode::INTERNAL_SERVER_ERROR, "a defect ended the decoding"))
        }
    }
}
