//! What the part says about itself: how much it took, and what it could not take as it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use crate::ingest::observed::{Note, counter};
use crate::record::names::{INGEST_BYTES, INGEST_RECORDS, INGEST_REFUSED, keys};

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
        counter(meter, INGEST_RECORDS, &counts, |counts, note| by_origin(&counts.records, None, note));
        counter(meter, INGEST_BYTES, &counts, |counts, note| by_origin(&counts.bytes, None, note));
        counter(meter, INGEST_REFUSED, &counts, |counts, note| {
            for trouble in Trouble::ALL {
                by_origin(&counts.troubles[trouble as usize], Some(trouble), note);
            }
        });
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

/// The transport beside a reason keeps these series apart from the forward protocol's.
fn by_origin(counters: &ByOrigin, trouble: Option<Trouble>, note: Note<'_>) {
    for from in From::ALL {
        let n = counters[from as usize].load(Ordering::Relaxed);
        // Where nothing is followed there is no series.
        if n > 0 {
            let reason = trouble.map(|trouble| KeyValue::new(keys::REASON, trouble.as_str()));
            let transport = KeyValue::new(keys::NETWORK_TRANSPORT, from.as_str());
            note(n, &reason.into_iter().chain([transport]).collect::<Vec<_>>());
        }
    }
}
