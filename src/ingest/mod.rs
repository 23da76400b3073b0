//! Other programs' formats, read into `record` types.
//!
//! It promises that nothing a sender does ends or fills this process: every size, depth,
//! count and wait has a bound, and what is refused is counted by reason. It refuses to
//! know where records go: whoever starts a part of it hands a [`Sink`] down.

mod fields;
pub mod forward;
mod line;
mod observed;
pub mod push;
pub mod tail;

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::record::LogRecord;

/// A part logs at most one refusal in this time, with the count of those in between.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

/// Where received records go.
pub trait Sink: Send + Sync + 'static {
    /// Takes records; never blocks. What cannot be kept is counted by whoever keeps.
    fn keep(&self, records: Vec<LogRecord>);

    /// Takes records, and answers once they are on disk: only then may their receipt be
    /// acknowledged, because a sender forgets what was.
    fn keep_durably(&self, records: Vec<LogRecord>) -> BoxFuture<'static, Result<(), NotKept>>;
}

/// Records that did not reach the disk; the reason is the keeper's to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the records were not kept")]
pub struct NotKept;
