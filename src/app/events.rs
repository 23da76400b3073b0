//! What happened to the process, for charts to mark: starts, reloads, hand-overs, releases.
//!
//! An event is a line of the stream `job="app"` with the metadata `event_name`; it is kept whatever
//! the log level.

use crate::clock::Clock;
use crate::record::access::{JOB_APP, own_stream};
use crate::record::{LogRecord, Severity};
use crate::release::deploy::Outcome;
use crate::store::Store;
use crate::telemetry::Telemetry;

/// What kind of event it is, by which charts choose.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A process began to serve.
    Start,
    /// A reload was applied or refused.
    Reload,
    /// A hand-over failed; one that did not is the successor's start.
    HandOver,
    /// A release was deployed or rolled back.
    Release,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Start => "vitrine.start",
            Kind::Reload => "vitrine.reload",
            Kind::HandOver => "vitrine.hand_over",
            Kind::Release => "vitrine.release",
        }
    }
}

/// Writes an event of now.
pub fn note(store: &Store, telemetry: &Telemetry, clock: &Clock, kind: Kind, outcome: Outcome, text: &str) {
    let severity = if outcome == Outcome::Good { Severity::Info } else { Severity::Error };
    let record = LogRecord {
        at: clock.now(),
        severity,
        stream: own_stream(JOB_APP, severity),
        metadata: vec![("event_name".into(), kind.name().into())],
        body: text.into(),
    };
    keep(store, telemetry, record);
}

/// Keeps a line that does not depend on the log level, and exports it; never waits.
pub fn keep(store: &Store, telemetry: &Telemetry, record: LogRecord) {
    telemetry.export_logs(std::slice::from_ref(&record));
    store.append_logs(vec![record]);
}
