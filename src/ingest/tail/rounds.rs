//! One round after the other: read, hand over, wait until it is on disk, note the positions.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tracing::warn;

use super::batch::Batch;
use super::bounds::{BACK_OFF_MAX, BACK_OFF_MIN, KEEP_PATIENCE};
use super::counts::{Counts, From, Trouble};
use super::files::Files;
use super::format::Context;
use super::journal::Journal;
use super::positions::Positions;
use super::{Config, wait};
use crate::clock::Clock;
use crate::ingest::{COMPLAINT_INTERVAL, Sink};
use crate::record::LogAddresses;
use crate::record::seldom::Seldom;

/// What every round needs and no reload changes.
pub struct Base {
    /// Where records go.
    pub sink: Arc<dyn Sink>,
    /// For the times of records and of everything that waits.
    pub clock: Clock,
    /// What is counted.
    pub counts: Arc<Counts>,
    /// The file of positions.
    pub positions: PathBuf,
    /// The program that reads the journal.
    pub journalctl: OsString,
    /// The zone of times that name none.
    pub here: TimeZone,
}

/// The sources with how far they were read.
pub struct Rounds {
    base: Base,
    addresses: LogAddresses,
    files: Files,
    journals: Vec<Journal>,
    written: Positions,
    next: Duration,
    back_off: Duration,
    complaints: Seldom,
}

impl Rounds {
    /// Takes all sources up where they were left.
    pub fn new(base: Base, config: &Config, addresses: LogAddresses) -> Rounds {
        let written = Positions::read(&base.positions).unwrap_or_else(|fault| {
            warn!("read {}: {fault}; files are followed as if for the first time", base.positions.display());
            Positions::default()
        });
        let (files, journals) = sources(&base, config, &written);
        let next = base.clock.elapsed();
        let back_off = BACK_OFF_MIN;
        Rounds {
            base,
            addresses,
            files,
            journals,
            written,
            next,
            back_off,
            complaints: Seldom::once_in(COMPLAINT_INTERVAL),
        }
    }

    /// Takes up another configuration; what stays goes on where it is.
    pub fn apply(&mut self, config: &Config, addresses: LogAddresses) {
        self.addresses = addresses;
        // Before the new ones start: a journal has one reader.
        self.journals.clear();
        (self.files, self.journals) = sources(&self.base, config, &self.written);
    }

    /// Reads a round and waits until it is on disk; returns true when more may wait.
    pub fn step(&mut self, patience: Duration) -> bool {
        let now = self.base.clock.elapsed();
        if now < self.next {
            return false;
        }
        let context =
            Context { now: self.base.clock.now(), here: self.base.here.clone(), addresses: self.addresses };
        let mut batch = Batch::new(context);
        let mut more = self.files.read(&mut batch, now);
        for journal in &mut self.journals {
            more |= journal.read(&mut batch, now, patience);
        }
        let n_of = [From::File, From::Journal].map(|from| (from, batch.n_of(from)));
        if batch.is_empty() || self.keep(batch) {
            n_of.iter().for_each(|(from, n)| self.base.counts.records(*from, *n));
            self.files.kept();
            self.journals.iter_mut().for_each(Journal::kept);
            self.back_off = BACK_OFF_MIN;
            self.write(now);
            return more;
        }
        for (from, _) in n_of.iter().filter(|(_, n)| *n > 0) {
            self.base.counts.trouble(*from, Trouble::NotKept);
        }
        self.files.not_kept();
        self.journals.iter_mut().for_each(Journal::not_kept);
        self.next = now + self.back_off;
        self.back_off = (self.back_off * 2).min(BACK_OFF_MAX);
        self.complain(now, "lines of followed files could not be kept and are read again".into());
        false
    }

    fn keep(&self, batch: Batch) -> bool {
        let kept = self.base.sink.keep_durably(batch.into_records());
        matches!(wait::for_at_most(KEEP_PATIENCE, kept), Some(Ok(())))
    }

    fn write(&mut self, now: Duration) {
        let mut positions = self.written.clone();
        (positions.patterns, positions.files) = self.files.positions();
        positions.journals = self.journals.iter().filter_map(Journal::position).collect();
        if positions == self.written {
            return;
        }
        match positions.write(&self.base.positions) {
            Ok(()) => self.written = positions,
            Err(fault) => {
                let path = self.base.positions.display();
                self.complain(now, format!("write {path}: {fault}; a restart now would read lines twice"));
            }
        }
    }

    fn complain(&self, now: Duration, message: String) {
        if self.complaints.due(now).is_some() {
            warn!("{message}");
        }
    }
}

fn sources(base: &Base, config: &Config, known: &Positions) -> (Files, Vec<Journal>) {
    let (now, counts) = (base.clock.elapsed(), &base.counts);
    let files = Files::new(config.files.clone(), known, now, counts.clone());
    let journal = |source: &super::JournalSource| {
        Journal::new(base.journalctl.clone(), source.clone(), &known.journals, now, counts.clone())
    };
    (files, config.journals.iter().map(journal).collect())
}
