//! How much was pushed, and how much was refused.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use super::{LeftOut, Reason};
use crate::clock::Clock;
use crate::record::names::{Instrument, PUSH_BYTES, PUSH_RECORDS, PUSH_REFUSED, keys};

/// Refusals are logged at most this often, with the count of those in between.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

/// By which protocol something was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Loki's push API.
    Loki,
    /// Prometheus's remote write.
    RemoteWrite,
    /// OTLP by HTTP.
    Otlp,
}

impl Protocol {
    const ALL: [Protocol; 3] = [Protocol::Loki, Protocol::RemoteWrite, Protocol::Otlp];

    /// Returns the value of the `protocol` label.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Loki => "loki",
            Protocol::RemoteWrite => "remote_write",
            Protocol::Otlp => "otlp",
        }
    }
}

/// Why a whole request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is not what its type says.
    Malformed,
    /// It is of a type that is not taken.
    Kind,
    /// It is too large.
    Size,
    /// Its source sends more than it may.
    Rate,
    /// Enough is being read already.
    Busy,
    /// It did not come in time.
    Timeout,
    /// It could not be kept.
    NotKept,
}

impl Refused {
    const ALL: [Refused; 7] = [
        Refused::Malformed,
        Refused::Kind,
        Refused::Size,
        Refused::Rate,
        Refused::Busy,
        Refused::Timeout,
        Refused::NotKept,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Refused::Malformed => "malformed",
            Refused::Kind => "type",
            Refused::Size => "body_size",
            Refused::Rate => "rate",
            Refused::Busy => "busy",
            Refused::Timeout => "timeout",
            Refused::NotKept => "not_kept",
        }
    }
}

#[derive(Default)]
struct OfProtocol {
    records: AtomicU64,
    bytes: AtomicU64,
    left_out: [AtomicU64; Reason::ALL.len()],
    refused: [AtomicU64; Refused::ALL.len()],
}

/// Returns a protocol's numbers, by reason where there is one.
type Read = fn(&OfProtocol) -> Vec<(u64, Option<&'static str>)>;

/// Numbers that only rise, and the last time that something was complained about.
pub struct Counts {
    clock: Clock,
    by_protocol: [OfProtocol; Protocol::ALL.len()],
    complaint: Mutex<Complaint>,
}

/// When something was last logged, and how much came since; held to look and to set.
#[derive(Default)]
struct Complaint {
    last: Option<Duration>,
    n_silent: u64,
}

impl Counts {
    /// Makes the counters and registers their instruments, which go silent with them.
    pub fn new(clock: Clock, meter: &Meter) -> Arc<Counts> {
        let counts = Arc::new(Counts { clock, by_protocol: Default::default(), complaint: Mutex::default() });
        counts.register(meter, PUSH_RECORDS, |of| vec![(of.records.load(Ordering::Relaxed), None)]);
        counts.register(meter, PUSH_BYTES, |of| vec![(of.bytes.load(Ordering::Relaxed), None)]);
        counts.register(meter, PUSH_REFUSED, |of| {
            let left_out = Reason::ALL.iter().map(|reason| (reason.as_str(), &of.left_out[*reason as usize]));
            let refused = Refused::ALL.iter().map(|reason| (reason.as_str(), &of.refused[*reason as usize]));
            let counted = left_out.chain(refused);
            counted.map(|(reason, n)| (n.load(Ordering::Relaxed), Some(reason))).collect()
        });
        counts
    }

    /// Counts a request that was kept.
    pub fn kept(&self, protocol: Protocol, n_bytes: usize, n_records: usize) {
        let of = &self.by_protocol[protocol as usize];
        of.bytes.fetch_add(n_bytes as u64, Ordering::Relaxed);
        of.records.fetch_add(n_records as u64, Ordering::Relaxed);
    }

    /// Counts what was left out of a request, and says so now and then.
    pub fn left_out(&self, protocol: Protocol, left_out: &LeftOut, from: &str) {
        let of = &self.by_protocol[protocol as usize];
        for (counter, n) in of.left_out.iter().zip(left_out.0) {
            counter.fetch_add(n, Ordering::Relaxed);
        }
        if let Some(words) = left_out.words() {
            self.complain(protocol, &words, from);
        }
    }

    /// Counts a request that was refused whole, and says so now and then.
    pub fn refuse(&self, protocol: Protocol, refused: Refused, why: &str, from: &str) {
        self.by_protocol[protocol as usize].refused[refused as usize].fetch_add(1, Ordering::Relaxed);
        self.complain(protocol, why, from);
    }

    fn complain(&self, protocol: Protocol, why: &str, from: &str) {
        let now = self.clock.elapsed();
        let n_silent = {
            let mut complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
            if complaint.last.is_some_and(|last| now.saturating_sub(last) < COMPLAINT_INTERVAL) {
                complaint.n_silent += 1;
                return;
            }
            complaint.last = Some(now);
            std::mem::take(&mut complaint.n_silent)
        };
        let protocol = protocol.as_str();
        tracing::warn!(
            protocol,
            "a push by {protocol} from {from}: {why} ({n_silent} more since the last such line)"
        );
    }

    fn register(self: &Arc<Self>, meter: &Meter, instrument: Instrument, read: Read) {
        let weak = Arc::downgrade(self);
        let builder = meter.u64_observable_counter(instrument.name);
        let builder = builder.with_unit(instrument.unit).with_description(instrument.help);
        let observe = builder.with_callback(move |observer| {
            let Some(counts) = weak.upgrade() else { return };
            for protocol in Protocol::ALL {
                for (n, reason) in read(&counts.by_protocol[protocol as usize]) {
                    let mut labels = vec![KeyValue::new(keys::PROTOCOL, protocol.as_str())];
                    labels.extend(reason.map(|reason| KeyValue::new(keys::REASON, reason)));
                    observer.observe(n, &labels);
                }
            }
        });
        // The meter keeps the callback; the handle has no further use.
        _ = observe.build();
    }
}
