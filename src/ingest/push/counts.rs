//! How much was pushed, and how much was refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use super::{LeftOut, Reason};
use crate::clock::Clock;
use crate::ingest::COMPLAINT_INTERVAL;
use crate::ingest::observed::counter;
use crate::record::names::{PUSH_BYTES, PUSH_RECORDS, PUSH_REFUSED, keys};
use crate::record::seldom::Seldom;

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

/// Numbers that only rise, and the last time that something was complained about.
pub struct Counts {
    clock: Clock,
    by_protocol: [OfProtocol; Protocol::ALL.len()],
    complaints: Seldom,
}

impl Counts {
    /// Makes the counters and registers their instruments, which go silent with them.
    pub fn new(clock: Clock, meter: &Meter) -> Arc<Counts> {
        let (by_protocol, complaints) = (Default::default(), Seldom::once_in(COMPLAINT_INTERVAL));
        let counts = Arc::new(Counts { clock, by_protocol, complaints });
        counter(meter, PUSH_RECORDS, &counts, |counts, note| {
            counts.each(|protocol, of| note(of.records.load(Ordering::Relaxed), &[protocol]));
        });
        counter(meter, PUSH_BYTES, &counts, |counts, note| {
            counts.each(|protocol, of| note(of.bytes.load(Ordering::Relaxed), &[protocol]));
        });
        counter(meter, PUSH_REFUSED, &counts, |counts, note| {
            counts.each(|protocol, of| {
                let left_out = Reason::ALL.iter().map(|one| (one.as_str(), &of.left_out[*one as usize]));
                let refused = Refused::ALL.iter().map(|one| (one.as_str(), &of.refused[*one as usize]));
                for (reason, n) in left_out.chain(refused) {
                    let reason = KeyValue::new(keys::REASON, reason);
                    note(n.load(Ordering::Relaxed), &[protocol.clone(), reason]);
                }
            });
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
        let Some(n_silent) = self.complaints.due(self.clock.elapsed()) else { return };
        let protocol = protocol.as_str();
        tracing::warn!(
            protocol,
            "a push by {protocol} from {from}: {why} ({n_silent} more since the last such line)"
        );
    }

    fn each(&self, mut visit: impl FnMut(KeyValue, &OfProtocol)) {
        for protocol in Protocol::ALL {
            let label = KeyValue::new(keys::PROTOCOL, protocol.as_str());
            visit(label, &self.by_protocol[protocol as usize]);
        }
    }
}
