//! What other programs push by HTTP: Loki's push, Prometheus's remote write, OTLP.
//!
//! Bodies in, records out: `inflate` undoes the compression, `loki`, `remote_write` and `otlp`
//! read the messages, `native` makes classic buckets of native histograms. What is malformed
//! refuses its whole request; a record that cannot be kept is left out and counted, and the
//! others are kept. Nothing here knows HTTP, nor where records go.

pub mod counts;
pub mod inflate;
pub mod loki;
mod loki_json;
mod native;
pub mod otlp;
pub mod rate;
pub mod remote_write;
mod wire;

use std::collections::HashMap;

use futures_util::future::BoxFuture;
use serde_json::error::Category;

use self::wire::NotProtobuf;
use super::NotKept;
use crate::clock::{AHEAD_MAX, UnixMillis, UnixNanos};
use crate::record::labels::LABELS_MAX_BYTES;
use crate::record::{Labels, LogRecord, Metadata, Point, Scrape, Span};

/// Bytes of a body as it comes over the wire.
pub const BODY_MAX_BYTES: usize = 4 << 20;

/// Records of one request: log lines, samples or spans. Senders batch a few thousand.
pub const RECORDS_MAX: usize = 100_000;

/// Bytes that the records of one request may take, labels and metadata included.
const GROWN_MAX_BYTES: usize = 32 << 20;

/// Bytes of a metric's description, which is cut.
const HELP_MAX_BYTES: usize = 1_024;

/// Labels of one series or stream; Prometheus itself warns long before.
const LABELS_MAX: usize = 64;

/// Bytes of a label's name.
const LABEL_NAME_MAX_BYTES: usize = 256;

/// Bytes of a label's value.
const LABEL_VALUE_MAX_BYTES: usize = 4 << 10;

/// The settings of this part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Whether OTLP is taken.
    pub otlp: bool,
    /// Whether logs and spans that were pushed here are exported by OTLP, like our own.
    pub forward_received: bool,
    /// Bytes a second that one address may push, as they come; 0 for any number.
    pub bytes_per_second: u64,
}

impl Default for Config {
    fn default() -> Self {
        // A megabyte a second is a hundred times what a busy small server logs, and a tenth of
        // what the store takes in.
        Config { otlp: false, forward_received: false, bytes_per_second: 1 << 20 }
    }
}

/// Where what was pushed goes; each answers once it is on disk.
pub trait PushSink: Send + Sync + 'static {
    /// Takes log records.
    fn keep_logs(&self, records: Vec<LogRecord>) -> BoxFuture<'static, Result<(), NotKept>>;

    /// Takes samples, and what is known of their metrics.
    fn keep_scrapes(
        &self,
        scrapes: Vec<Scrape>,
        metadata: Vec<Metadata>,
    ) -> BoxFuture<'static, Result<(), NotKept>>;

    /// Takes spans.
    fn keep_spans(&self, spans: Vec<Span>) -> BoxFuture<'static, Result<(), NotKept>>;

    /// Returns the times before which records come too late.
    fn oldest(&self) -> Oldest;
}

/// The times before which records come too late.
#[derive(Clone, Copy, Debug)]
pub struct Oldest {
    /// Of a sample.
    pub sample: UnixMillis,
    /// Of a log record.
    pub log: UnixNanos,
    /// Of a span's start.
    pub span: UnixNanos,
}

/// Why a whole request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is not what its type says.
    #[error("the body is malformed: {0}")]
    Malformed(String),
    /// The compression is broken.
    #[error("the body's compression is broken")]
    Compression,
    /// It inflates beyond the bound.
    #[error("the body inflates beyond {} MiB", inflate::INFLATED_MAX_BYTES >> 20)]
    Inflated,
    /// It has more than one request may.
    #[error("the body has more than {RECORDS_MAX} records, or {} MiB of labels and texts", GROWN_MAX_BYTES >> 20)]
    TooMany,
}

impl From<serde_json::Error> for Fault {
    /// Says where and not what: the error's own text quotes the body.
    fn from(fault: serde_json::Error) -> Self {
        let what = match fault.classify() {
            Category::Data => "something unexpected",
            Category::Eof => "the end",
            Category::Io | Category::Syntax => "no JSON",
        };
        Fault::Malformed(format!("{what} at line {} column {}", fault.line(), fault.column()))
    }
}

/// What one request may become in memory: a few bytes on the wire can name texts of kilobytes.
#[derive(Debug)]
struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Budget(GROWN_MAX_BYTES)
    }
}

impl Budget {
    /// Takes bytes; an error when there are none left.
    fn take(&mut self, n_bytes: usize) -> Result<(), Fault> {
        self.0 = self.0.checked_sub(n_bytes).ok_or(Fault::TooMany)?;
        Ok(())
    }

    fn take_record(&mut self, record: &LogRecord) -> Result<(), Fault> {
        let pairs = record.metadata.iter().map(|pair| size_of_val(pair) + pair.0.len() + pair.1.len());
        let metadata: usize = pairs.sum();
        self.take(size_of::<LogRecord>() + record.body.len() + record.stream.size_bytes() + metadata)
    }
}

impl From<NotProtobuf> for Fault {
    fn from(fault: NotProtobuf) -> Self {
        Fault::Malformed(fault.to_string())
    }
}

/// Why a record was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No name, too many labels, or too long ones.
    Labels,
    /// Before 1970, or further ahead than clocks differ.
    Time,
    /// Older than the store takes in.
    TooOld,
    /// Delta temporality, which needs what came before.
    Delta,
    /// A histogram whose parts contradict each other.
    Histogram,
    /// An id that is no id.
    Id,
    /// A line, an attribute or a span beyond its bound.
    Size,
}

impl Reason {
    /// Every reason, in the order of the counters.
    pub const ALL: [Reason; 7] = [
        Reason::Labels,
        Reason::Time,
        Reason::TooOld,
        Reason::Delta,
        Reason::Histogram,
        Reason::Id,
        Reason::Size,
    ];

    /// Returns the value of the `reason` label.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Labels => "labels",
            Reason::Time => "time",
            Reason::TooOld => "too_old",
            Reason::Delta => "delta",
            Reason::Histogram => "histogram",
            Reason::Id => "id",
            Reason::Size => "size",
        }
    }

    /// Says it in words, for whoever sent it.
    pub fn words(self) -> &'static str {
        match self {
            Reason::Labels => "labels that are missing, too many or too long",
            Reason::Time => "a time before 1970 or too far ahead",
            Reason::TooOld => {
                "a time that is too long ago (store.metrics.max_age, store.logs.max_age, store.spans.max_age)"
            }
            Reason::Delta => "delta temporality, send cumulative values",
            Reason::Histogram => "a histogram whose parts contradict each other",
            Reason::Id => "an id of the wrong length or all zero",
            Reason::Size => "more than one record may have",
        }
    }
}

/// What was left out of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut(pub [u64; Reason::ALL.len()]);

impl LeftOut {
    fn add(&mut self, reason: Reason, n: u64) {
        self.0[reason as usize] += n;
    }

    /// Returns how many records were left out.
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Says in words what was left out; none when nothing was.
    pub fn words(&self) -> Option<String> {
        let counted = Reason::ALL.iter().filter(|reason| self.0[**reason as usize] > 0);
        let words: Vec<String> =
            counted.map(|reason| format!("{} for {}", self.0[*reason as usize], reason.words())).collect();
        (!words.is_empty()).then(|| format!("left out {}", words.join(", ")))
    }
}

/// Samples by their times, as the store keeps them.
#[derive(Debug, Default)]
pub struct Samples {
    by_time: HashMap<i64, Vec<Point>>,
    n_points: usize,
    budget: Budget,
    /// What is known of the metrics.
    pub metadata: Vec<Metadata>,
    /// What was left out.
    pub left_out: LeftOut,
}

impl Samples {
    /// Takes a sample, or leaves it out.
    fn add(&mut self, series: &Labels, at: UnixMillis, value: f64, times: Times) -> Result<(), Fault> {
        match times.check_sample(at) {
            Err(reason) => self.left_out.add(reason, 1),
            Ok(()) => {
                self.n_points += 1;
                if self.n_points > RECORDS_MAX {
                    return Err(Fault::TooMany);
                }
                self.budget.take(size_of::<Point>() + series.size_bytes())?;
                self.by_time.entry(at.0).or_default().push(Point { series: series.clone(), value });
            }
        }
        Ok(())
    }

    fn describe(&mut self, metadata: Metadata) -> Result<(), Fault> {
        self.budget.take(size_of::<Metadata>() + metadata.name.len() + metadata.help.len())?;
        self.metadata.push(metadata);
        Ok(())
    }

    /// Returns how many samples there are.
    pub fn count(&self) -> usize {
        self.n_points
    }

    /// Returns them, the oldest first; of two samples of a series at one time the later counts.
    pub fn into_scrapes(self) -> (Vec<Scrape>, Vec<Metadata>) {
        let mut scrapes: Vec<Scrape> = self
            .by_time
            .into_iter()
            .map(|(at, points)| Scrape { at: UnixMillis(at), points: unique(points) })
            .collect();
        scrapes.sort_by_key(|scrape| scrape.at);
        (scrapes, self.metadata)
    }
}

fn unique(mut points: Vec<Point>) -> Vec<Point> {
    points.sort_by(|a, b| a.series.cmp(&b.series));
    points.dedup_by(|later, kept| {
        let is_same = later.series == kept.series;
        if is_same {
            kept.value = later.value;
        }
        is_same
    });
    points
}

/// Which times are taken.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Now.
    pub now: UnixNanos,
    /// What comes too late.
    pub oldest: Oldest,
}

impl Times {
    fn check_sample(self, at: UnixMillis) -> Result<(), Reason> {
        if at.0 < 0 || at > self.now.plus(AHEAD_MAX).to_millis() {
            return Err(Reason::Time);
        }
        if at < self.oldest.sample { Err(Reason::TooOld) } else { Ok(()) }
    }

    /// Returns a log record's time; zero is unknown and becomes now.
    fn of_log(self, unix_nanos: u64) -> Result<UnixNanos, Reason> {
        self.of(unix_nanos).and_then(|at| if at < self.oldest.log { Err(Reason::TooOld) } else { Ok(at) })
    }

    /// Returns the time of a span's start, as [`Times::of_log`].
    fn of_span(self, unix_nanos: u64) -> Result<UnixNanos, Reason> {
        self.of(unix_nanos).and_then(|at| if at < self.oldest.span { Err(Reason::TooOld) } else { Ok(at) })
    }

    fn of(self, unix_nanos: u64) -> Result<UnixNanos, Reason> {
        match i64::try_from(unix_nanos) {
            Ok(0) => Ok(self.now),
            Ok(at) if UnixNanos(at) <= self.now.plus(AHEAD_MAX) => Ok(UnixNanos(at)),
            Ok(_) | Err(_) => Err(Reason::Time),
        }
    }
}

/// Checks label pairs against the bounds.
fn are_fine<'p>(mut pairs: impl ExactSizeIterator<Item = (&'p str, &'p str)>) -> bool {
    let mut n_bytes = 0;
    pairs.len() <= LABELS_MAX
        && pairs.all(|(name, value)| {
            n_bytes += name.len() + value.len();
            let fits = name.len() <= LABEL_NAME_MAX_BYTES && value.len() <= LABEL_VALUE_MAX_BYTES;
            !name.is_empty() && fits && n_bytes <= LABELS_MAX_BYTES
        })
}
