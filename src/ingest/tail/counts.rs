//! What the part says about itself: how much it took, and what it could not take as it was.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use crate::record::names::{INGEST_BYTES, INGEST_RECORDS, INGEST_REFUSED, Instrument, keys};

/// Where a line was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// In a file.
    File,
    /// In the systemd journal.
    Journal,
}

impl From {
    const ALL: [From; 2] = [From::File, From::Journal];

    fn as_str(self) -> &'static str {
        match self {
            From::File => "file",
            From::Journal => "journal",
        }
    }
}

/// Why something was not taken, or not as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A line was longer than the bound and was cut.
    Size,
    /// A line had bytes that are no UTF-8; they were replaced.
    Encoding,
    /// A source was over its rate and is read later.
    Rate,
    /// A file became shorter, or another, where it stood.
    Truncated,
    /// A file could not be opened or read.
    Unreadable,
    /// There were more files than are followed.
    Files,
    /// An entry of the journal was not what journalctl writes.
    Format,
    /// A round could not be put on disk and is read again.
    NotKept,
}

impl Trouble {
    const ALL: [Trouble; 8] = [
        Trouble::Size,
        Trouble::Encoding,
        Trouble::Rate,
        Trouble::Truncated,
        Trouble::Unreadable,
        Trouble::Files,
        Trouble::Format,
        Trouble::NotKept,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Trouble::Size => "size",
            Trouble::Encoding => "encoding",
            Trouble::Rate => "rate",
            Trouble::Truncated => "truncated",
            Trouble::Unreadable => "unreadable",
            Trouble::Files => "files",
            Trouble::Format => "format",
            Trouble::NotKept => "not_kept",
        }
    }
}

type ByOrigin = [AtomicU64; From::ALL.len()];

/// Numbers that only rise.
#[derive(Default)]
pub struct Counts {
    records: ByOrigin,
    bytes: ByOrigin,
    troubles: [ByOrigin; Trouble::ALL.len()],
}

impl Counts {
    /// Makes the counters and registers their instruments, which go silent with them.
    pub fn new(meter: &Meter) -> Arc<Counts> {
        let counts = Arc::new(Counts::default());
        observe(meter, &INGEST_RECORDS, Arc::downgrade(&counts), |counts| &counts.records);
        observe(meter, &INGEST_BYTES, Arc::downgrade(&counts), |counts| &counts.bytes);
        observe_troubles(meter, Arc::downgrade(&counts));
        counts
    }

    /// Counts records that were kept.
    pub fn records(&self, from: From, n: usize) {
        self.records[from as usize].fetch_add(n as u64, Ordering::Relaxed);
    }

    /// Counts bytes that were read.
    pub fn bytes(&self, from: From, n: usize) {
        self.bytes[from as usize].fetch_add(n as u64, Ordering::Relaxed);
    }

    /// Counts a trouble.
    pub fn trouble(&self, from: From, trouble: Trouble) {
        self.troubles[trouble as usize][from as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how often there was such a trouble.
    #[cfg(test)]
    pub fn troubles(&self, from: From, trouble: Trouble) -> u64 {
        self.troubles[trouble as usize][from as usize].load(Ordering::Relaxed)
    }
}

fn observe(meter: &Meter, instrument: &Instrument, counts: Weak<Counts>, which: fn(&Counts) -> &ByOrigin) {
    let builder = meter.u64_observable_counter(instrument.name);
    let builder = builder.with_unit(instrument.unit).with_description(instrument.help);
    let observe = builder.with_callback(move |observer| {
        let Some(counts) = counts.upgrade() else { return };
        for from in From::ALL {
            let n = which(&counts)[from as usize].load(Ordering::Relaxed);
            // Where nothing is followed there is no series.
            if n > 0 {
                observer.observe(n, &[KeyValue::new(keys::NETWORK_TRANSPORT, from.as_str())]);
            }
        }
    });
    // The meter keeps the callback; the handle has no further use.
    _ = observe.build();
}

/// The transport beside the reason keeps these series apart from the forward protocol's.
fn observe_troubles(meter: &Meter, counts: Weak<Counts>) {
    let builder = meter.u64_observable_counter(INGEST_REFUSED.name);
    let builder = builder.with_unit(INGEST_REFUSED.unit).with_description(INGEST_REFUSED.help);
    let observe = builder.with_callback(move |observer| {
        let Some(counts) = counts.upgrade() else { return };
        for trouble in Trouble::ALL {
            for from in From::ALL {
                let n = counts.troubles[trouble as usize][from as usize].load(Ordering::Relaxed);
                if n > 0 {
                    let transport = KeyValue::new(keys::NETWORK_TRANSPORT, from.as_str());
                    observer.observe(n, &[KeyValue::new(keys::REASON, trouble.as_str()), transport]);
                }
            }
        }
    });
    _ = observe.build();
}
