//! What the part says about itself: why it refused, how much it took.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use crate::clock::Clock;
use crate::ingest::COMPLAINT_INTERVAL;
use crate::ingest::observed::{Note, counter};
use crate::record::names::{
    INGEST_BYTES, INGEST_CONNECTIONS, INGEST_PAUSES, INGEST_RECORDS, INGEST_REFUSED, INGEST_RETIMED, keys,
};
use crate::record::seldom::Seldom;

/// Why a message, or a whole connection, was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is neither msgpack nor JSON, or no message of the protocol.
    #[error("it is no message of the forward protocol")]
    Format,
    /// Arrays or maps are nested too deeply.
    #[error("its values are nested too deeply")]
    Depth,
    /// The message, an entry or a count in it is too large.
    #[error("it or an entry of it is too large")]
    Size,
    /// The tag is empty, too long or not text.
    #[error("its tag is missing, too long or no plain text")]
    Tag,
    /// The compression is unknown or broken.
    #[error("its compression is broken, of another kind than gzip and zstd, or wants too much memory")]
    Compression,
    /// It inflates beyond the bound.
    #[error("it inflates beyond the bound")]
    Inflated,
    /// A message was begun and not finished, or an acknowledgement not read.
    #[error("the rest of it, or the reader of its acknowledgement, did not come in time")]
    Timeout,
    /// There are too many connections.
    #[error("there are too many connections")]
    Connections,
    /// It did not begin by the handshake, or came by UDP, where there is none.
    #[error("it does not prove that its sender knows the shared key")]
    Handshake,
    /// The sender has another shared key.
    #[error("its sender has another shared key")]
    SharedKey,
    /// The source sends faster than it may, by UDP, where it cannot be made to wait.
    #[error("its source sends faster than `forward.bytes_per_second`")]
    Rate,
    /// The records could not be put on disk, so that they are not acknowledged.
    #[error("its records could not be kept, and are not acknowledged")]
    NotKept,
}

impl Refusal {
    /// Every reason, in the order of the counters.
    pub const ALL: [Refusal; 12] = [
        Refusal::Format,
        Refusal::Depth,
        Refusal::Size,
        Refusal::Tag,
        Refusal::Compression,
        Refusal::Inflated,
        Refusal::Timeout,
        Refusal::Connections,
        Refusal::Handshake,
        Refusal::SharedKey,
        Refusal::Rate,
        Refusal::NotKept,
    ];

    /// Returns the value of the `reason` label.
    pub fn as_str(self) -> &'static str {
        match self {
            Refusal::Format => "format",
            Refusal::Depth => "depth",
            Refusal::Size => "size",
            Refusal::Tag => "tag",
            Refusal::Compression => "compression",
            Refusal::Inflated => "inflated",
            Refusal::Timeout => "timeout",
            Refusal::Connections => "connections",
            Refusal::Handshake => "handshake",
            Refusal::SharedKey => "shared_key",
            Refusal::Rate => "rate",
            Refusal::NotKept => "not_kept",
        }
    }
}

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// By connection.
    Tcp,
    /// By datagram.
    Udp,
}

impl Transport {
    const ALL: [Transport; 2] = [Transport::Tcp, Transport::Udp];

    fn as_str(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        }
    }
}

/// Numbers that only rise, and the last time that something was complained about.
pub struct Counts {
    clock: Clock,
    records: [AtomicU64; Transport::ALL.len()],
    bytes: [AtomicU64; Transport::ALL.len()],
    refused: [AtomicU64; Refusal::ALL.len()],
    retimed: AtomicU64,
    pauses: AtomicU64,
    connections: AtomicU64,
    complaints: Seldom,
}

impl Counts {
    /// Makes the counters and registers their instruments, which go silent with them.
    pub fn new(clock: Clock, meter: &Meter) -> Arc<Counts> {
        let counts = Arc::new(Counts {
            clock,
            records: Default::default(),
            bytes: Default::default(),
            refused: Default::default(),
            retimed: AtomicU64::new(0),
            pauses: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            complaints: Seldom::once_in(COMPLAINT_INTERVAL),
        });
        register(&counts, meter);
        counts
    }

    /// Counts bytes as they came.
    pub fn bytes(&self, transport: Transport, n: usize) {
        self.bytes[transport as usize].fetch_add(n as u64, Ordering::Relaxed);
    }

    /// Counts records handed over.
    pub fn records(&self, transport: Transport, n: usize) {
        self.records[transport as usize].fetch_add(n as u64, Ordering::Relaxed);
    }

    /// Counts a record that was given the time of its arrival.
    pub fn retime(&self) {
        self.retimed.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many records were given the time of their arrival.
    #[cfg(test)]
    pub fn retimed(&self) -> u64 {
        self.retimed.load(Ordering::Relaxed)
    }

    /// Counts a connection that is not read for a while.
    pub fn pause(&self) {
        self.pauses.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how often a connection was not read for a while.
    #[cfg(test)]
    pub fn pauses(&self) -> u64 {
        self.pauses.load(Ordering::Relaxed)
    }

    /// Counts a refusal, and logs it unless one was logged a moment ago.
    pub fn refuse(&self, refusal: Refusal, from: &str) {
        self.refused[refusal as usize].fetch_add(1, Ordering::Relaxed);
        let Some(n_silent) = self.complaints.due(self.clock.elapsed()) else { return };
        let reason = refusal.as_str();
        tracing::warn!(
            reason,
            "refused a forwarded message from {from}: {refusal} ({n_silent} more since the last such line)"
        );
    }

    /// Returns how often something was refused for this reason.
    #[cfg(test)]
    pub fn refused(&self, refusal: Refusal) -> u64 {
        self.refused[refusal as usize].load(Ordering::Relaxed)
    }

    /// Counts a connection until the guard is dropped.
    pub fn connected(self: &Arc<Self>) -> Connected {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Connected(self.clone())
    }
}

/// An open connection.
pub struct Connected(Arc<Counts>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

fn register(counts: &Arc<Counts>, meter: &Meter) {
    counter(meter, INGEST_RECORDS, counts, |counts, note| by_transport(&counts.records, note));
    counter(meter, INGEST_BYTES, counts, |counts, note| by_transport(&counts.bytes, note));
    counter(meter, INGEST_REFUSED, counts, |counts, note| {
        for reason in Refusal::ALL {
            let n = counts.refused[reason as usize].load(Ordering::Relaxed);
            note(n, &[KeyValue::new(keys::REASON, reason.as_str())]);
        }
    });
    counter(meter, INGEST_RETIMED, counts, |counts, note| note(counts.retimed.load(Ordering::Relaxed), &[]));
    counter(meter, INGEST_PAUSES, counts, |counts, note| note(counts.pauses.load(Ordering::Relaxed), &[]));
    let weak = Arc::downgrade(counts);
    let builder = meter.u64_observable_gauge(INGEST_CONNECTIONS.name);
    let builder = builder.with_unit(INGEST_CONNECTIONS.unit).with_description(INGEST_CONNECTIONS.help);
    let observe = builder.with_callback(move |observer| {
        let Some(counts) = weak.upgrade() else { return };
        observer.observe(counts.connections.load(Ordering::Relaxed), &[]);
    });
    // The meter keeps the callback; the handle has no further use.
    _ = observe.build();
}

fn by_transport(counters: &[AtomicU64; Transport::ALL.len()], note: Note<'_>) {
    for transport in Transport::ALL {
        let n = counters[transport as usize].load(Ordering::Relaxed);
        note(n, &[KeyValue::new(keys::NETWORK_TRANSPORT, transport.as_str())]);
    }
}
