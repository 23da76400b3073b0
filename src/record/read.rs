//! How a query language reads a store: a few small traits and what they select by.
//!
//! `store` implements them over its partitions, tests implement them over a vector.
//! Both hand out one item at a time to a visitor, which ends the walk by
//! [`ControlFlow::Break`]; so a reader of a large range holds a few chunks or blocks in
//! memory, not the range.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use super::log::Levels;
use super::pattern::{Pattern, PatternError};
use super::trace::TraceId;
use super::{
    Coverage, Labels, LogRecord, Metadata, Resolution, RolledStep, Sample, Severity, Span, SpanStatus,
};
use crate::clock::{UnixMillis, UnixNanos};

/// Why a read did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store could not deliver; the text names the partition and the cause.
    #[error("read the store: {0}")]
    Store(String),
    /// The selection names more series than a query may hold in memory.
    #[error("selection of more than {limit} series, narrow it by matchers or by time")]
    TooManySeries {
        /// How many it may name.
        limit: usize,
    },
}

/// One condition on one label.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// The label's name; an absent label has the value `""`.
    pub name: String,
    /// The condition.
    pub op: MatchOp,
}

/// A condition on a label's value.
#[derive(Clone, Debug)]
pub enum MatchOp {
    /// `=`
    Equal(String),
    /// `!=`
    NotEqual(String),
    /// `=~`, anchored at both ends
    Matches(Pattern),
    /// `!~`, anchored at both ends
    MatchesNot(Pattern),
}

impl Matcher {
    /// Returns the matcher `name="value"`.
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Matcher { name: name.into(), op: MatchOp::Equal(value.into()) }
    }

    /// Returns the matcher `name=~"pattern"`.
    pub fn matches(name: impl Into<String>, pattern: &str) -> Result<Self, PatternError> {
        Ok(Matcher { name: name.into(), op: MatchOp::Matches(Pattern::new(pattern)?) })
    }

    /// Returns true when a label set fulfils the condition.
    pub fn accepts(&self, labels: &Labels) -> bool {
        self.accepts_value(labels.get(&self.name))
    }

    /// Returns true when a value of this matcher's label fulfils the condition.
    pub fn accepts_value(&self, value: &str) -> bool {
        match &self.op {
            MatchOp::Equal(wanted) => value == wanted,
            MatchOp::NotEqual(unwanted) => value != unwanted,
            MatchOp::Matches(pattern) => pattern.is_match(value),
            MatchOp::MatchesNot(pattern) => !pattern.is_match(value),
        }
    }
}

/// Selects series and the part of their samples inside `from ..= to`.
#[derive(Clone, Debug)]
pub struct SeriesSelect {
    /// All must accept the series.
    pub matchers: Vec<Matcher>,
    /// The first moment wanted.
    pub from: UnixMillis,
    /// The last moment wanted, inclusive as in Prometheus.
    pub to: UnixMillis,
}

impl SeriesSelect {
    /// Returns true when all matchers accept the series.
    pub fn accepts(&self, labels: &Labels) -> bool {
        accepted(&self.matchers, labels)
    }
}

/// Returns true when all matchers accept a label set.
pub fn accepted(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers.iter().all(|matcher| matcher.accepts(labels))
}

/// Which end of a range a reader of logs or spans begins at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Oldest first.
    Forward,
    /// Newest first.
    Backward,
}

/// Selects log lines inside `from .. to`, the end exclusive as in Loki.
///
/// A line is selected when its stream, its severity, its text and its metadata are all
/// accepted; the more is said here, the less a store has to read.
#[derive(Clone, Debug)]
pub struct LogSelect {
    /// All must accept the stream's labels.
    pub matchers: Vec<Matcher>,
    /// The first moment wanted.
    pub from: UnixNanos,
    /// The first moment not wanted.
    pub to: UnixNanos,
    /// The end to begin at; the visitor sees lines in this order over all streams.
    pub direction: Direction,
    /// The severities wanted.
    pub levels: Levels,
    /// Texts that all must be part of the line, case and all.
    pub contains: Vec<String>,
    /// Metadata names with the values that they must have.
    pub having: Vec<(String, String)>,
    /// The visitor reads the text of what it is shown. True unless it is known not to: a store decodes
    /// texts sooner for it, and shows the same.
    pub reads_text: bool,
}

impl LogSelect {
    /// Returns the selection of every line of some streams in a range.
    pub fn new(matchers: Vec<Matcher>, from: UnixNanos, to: UnixNanos, direction: Direction) -> Self {
        let (levels, contains, having) = (Levels::ALL, Vec::new(), Vec::new());
        LogSelect { matchers, from, to, direction, levels, contains, having, reads_text: true }
    }

    /// Returns true when a line is selected.
    pub fn accepts(&self, line: &LineRef<'_>) -> bool {
        self.from <= line.at
            && line.at < self.to
            && self.levels.has(line.severity)
            && self.contains.iter().all(|text| line.body().contains(text.as_str()))
            && self.having.iter().all(|(name, value)| line.metadata(name) == value)
            && accepted(&self.matchers, line.stream)
    }
}

/// Name and value pairs, wherever they lie.
pub trait Pairs {
    /// Returns the value of the first pair of a name, `""` when there is none.
    fn get(&self, name: &str) -> &str;

    /// Hands over every pair in order.
    fn each(&self, visit: &mut dyn FnMut(&str, &str));
}

impl<N: AsRef<str>> Pairs for Vec<(N, String)> {
    fn get(&self, name: &str) -> &str {
        self.iter().find(|(known, _)| known.as_ref() == name).map_or("", |(_, value)| value)
    }

    fn each(&self, visit: &mut dyn FnMut(&str, &str)) {
        self.iter().for_each(|(name, value)| visit(name.as_ref(), value));
    }
}

/// The text of a log line and what belongs to it, wherever they lie: a store may have to
/// unpack each of the two when it is asked for.
pub trait Content: Pairs {
    /// Returns the line itself.
    fn body(&self) -> &str;
}

/// A log line where it lies in the store.
#[derive(Clone, Copy)]
pub struct LineRef<'a> {
    /// When it happened.
    pub at: UnixNanos,
    /// How much it matters.
    pub severity: Severity,
    /// The stream that it belongs to.
    pub stream: &'a Labels,
    /// Its text and its structured metadata.
    pub content: &'a dyn Content,
}

impl LineRef<'_> {
    /// Returns the line itself.
    pub fn body(&self) -> &str {
        self.content.body()
    }

    /// Returns a value of the structured metadata, `""` when there is none.
    pub fn metadata(&self, name: &str) -> &str {
        self.content.get(name)
    }

    /// Returns the line as a record of its own.
    pub fn to_record(&self) -> LogRecord {
        let mut metadata = Vec::new();
        self.content.each(&mut |name, value| metadata.push((Cow::Owned(name.into()), value.into())));
        LogRecord {
            at: self.at,
            severity: self.severity,
            stream: self.stream.clone(),
            metadata,
            body: self.body().to_string(),
        }
    }
}

/// What a read of log lines took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogReadStats {
    /// Sealed blocks of the selected streams, levels and range.
    pub n_blocks: u64,
    /// Blocks that were unpacked; the others could not have a selected line.
    pub n_unpacked: u64,
    /// Lines that were looked at.
    pub n_lines: u64,
    /// The bytes of their texts.
    pub n_bytes: u64,
}

/// How much a stream has in a range, as if the lines of a block lay evenly in its time; so Loki counts
/// chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamVolume {
    /// The stream.
    pub stream: Labels,
    /// Lines.
    pub n_lines: u64,
    /// Bytes of their texts.
    pub n_bytes: u64,
    /// Blocks, open ones included.
    pub n_blocks: u64,
}

/// Selects spans by their start inside `from .. to`, the end exclusive as for logs.
#[derive(Clone, Debug)]
pub struct SpanSelect {
    /// The first start wanted.
    pub from: UnixNanos,
    /// The first start not wanted.
    pub to: UnixNanos,
    /// The shortest duration wanted; zero accepts every span.
    pub duration_min: Duration,
    /// The status wanted; none accepts every span.
    pub status: Option<SpanStatus>,
    /// Leaves out every span that has a parent, also one whose parent is in another process.
    pub roots_only: bool,
    /// The end to begin at; the visitor sees spans in this order over all traces.
    pub direction: Direction,
}

impl SpanSelect {
    /// Returns true when a span is wanted.
    pub fn accepts(&self, span: &Span) -> bool {
        (self.from..self.to).contains(&span.start)
            && span.duration >= self.duration_min
            && self.status.is_none_or(|status| span.status == status)
            && !(self.roots_only && span.parent.is_some())
    }
}

/// Most spans that a reader returns of one trace: a page of more is no longer read by a
/// person, and a caller may put as many spans as it likes into one trace.
pub const SPANS_PER_TRACE_MAX: usize = 10_000;

/// Reads metric series.
pub trait MetricRead: Send + Sync {
    /// Visits each selected series once, samples strictly ascending, in no particular order.
    fn series(
        &self,
        select: &SeriesSelect,
        visit: &mut dyn FnMut(&Labels, &[Sample]) -> ControlFlow<()>,
    ) -> Result<(), ReadError>;

    /// Visits each selected series rolled up to a resolution: every step that has a part in
    /// the range, whole, by the end of the step, ascending. Visits nothing for raw samples.
    fn rollups(
        &self,
        select: &SeriesSelect,
        resolution: Resolution,
        visit: &mut dyn FnMut(&Labels, &[RolledStep]) -> ControlFlow<()>,
    ) -> Result<(), ReadError>;

    /// Returns how far each resolution reaches; those without any data are left out.
    fn coverage(&self) -> Vec<Coverage>;

    /// Returns the label sets of series that may have samples in the range, sorted.
    fn label_sets(&self, select: &SeriesSelect) -> Result<Vec<Labels>, ReadError>;

    /// Returns the names of the labels that the selected series have, sorted.
    fn label_names(&self, select: &SeriesSelect) -> Result<Vec<String>, ReadError> {
        let names = self.label_sets(select)?;
        let names: BTreeSet<&str> =
            names.iter().flat_map(|labels| labels.iter().map(|(name, _)| name)).collect();
        Ok(names.into_iter().map(str::to_string).collect())
    }

    /// Returns the values that a label of the selected series has, sorted.
    fn label_values(&self, name: &str, select: &SeriesSelect) -> Result<Vec<String>, ReadError> {
        let sets = self.label_sets(select)?;
        let values: BTreeSet<&str> =
            sets.iter().map(|labels| labels.get(name)).filter(|value| !value.is_empty()).collect();
        Ok(values.into_iter().map(str::to_string).collect())
    }

    /// Returns what is known about the metrics themselves.
    fn metadata(&self) -> Vec<Metadata>;
}

/// Reads log lines.
pub trait LogRead: Send + Sync {
    /// Visits selected lines in the order of their times, equal ones as they were written.
    fn lines(
        &self,
        select: &LogSelect,
        visit: &mut dyn FnMut(LineRef<'_>) -> ControlFlow<()>,
    ) -> Result<LogReadStats, ReadError>;

    /// Cuts a selection into parts, each of which is read in no order of time; the direction of the
    /// selection says nothing. That is how lines are counted that all have to be looked at.
    fn parts<'a>(&'a self, select: &'a LogSelect) -> Box<dyn LogParts + 'a>;

    /// Returns the streams that may have lines in `from .. to`, sorted, with how much they have.
    fn streams(
        &self,
        matchers: &[Matcher],
        from: UnixNanos,
        to: UnixNanos,
    ) -> Result<Vec<StreamVolume>, ReadError>;
}

/// The lines of a selection, to be read by several threads at once, each of which takes the next part.
pub trait LogParts: Sync {
    /// Visits the selected lines of a part that nobody has taken, as they were written; those of one
    /// part are of one stream. Returns none when every part is taken.
    fn next(
        &self,
        visit: &mut dyn FnMut(LineRef<'_>) -> ControlFlow<()>,
    ) -> Result<Option<LogReadStats>, ReadError>;
}

/// Reads spans.
pub trait SpanRead: Send + Sync {
    /// Returns the spans of one trace in the order of their starts, equal ones as they were
    /// written; the first [`SPANS_PER_TRACE_MAX`] when there are more, none when it is unknown.
    fn trace(&self, id: TraceId) -> Result<Vec<Span>, ReadError>;

    /// Visits selected spans in the order of their starts, equal ones as they were written;
    /// a backward walk is a forward one turned around.
    fn spans(
        &self,
        select: &SpanSelect,
        visit: &mut dyn FnMut(Span) -> ControlFlow<()>,
    ) -> Result<(), ReadError>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::SpanKind;
    use crate::record::trace::SpanId;

    #[test]
    fn matchers_are_anchored_and_see_absent_as_empty() {
        let labels = Labels::new([("job", "access")]);
        assert!(Matcher::equal("job", "access").accepts(&labels));
        assert!(Matcher::equal("level", "").accepts(&labels));
        assert!(Matcher::matches("job", "acc.*|b").unwrap().accepts(&labels));
        assert!(!Matcher::matches("job", "acc").unwrap().accepts(&labels));
        let absent = Matcher { name: "x".into(), op: MatchOp::NotEqual(String::new()) };
        assert!(!absent.accepts(&labels));
    }

    #[test]
    fn spans_are_wanted_by_start_duration_status_and_root() {
        let select = SpanSelect {
            from: UnixNanos(10),
            to: UnixNanos(20),
            duration_min: Duration::ZERO,
            status: None,
            roots_only: false,
            direction: Direction::Backward,
        };
        let span = Span {
            trace_id: TraceId([1; 16]),
            span_id: SpanId([1; 8]),
            parent: Some(SpanId([2; 8])),
            name: "GET /".into(),
            kind: SpanKind::Server,
            service: "vitrine".into(),
            start: UnixNanos(10),
            duration: Duration::from_millis(5),
            status: SpanStatus::Error,
            status_message: String::new(),
            attributes: Vec::new(),
            events: Vec::new(),
        };
        assert!(select.accepts(&span));
        assert!(!select.accepts(&Span { start: UnixNanos(20), ..span.clone() }));
        assert!(!select.accepts(&Span { start: UnixNanos(9), ..span.clone() }));
        let slow = SpanSelect { duration_min: Duration::from_millis(5), ..select.clone() };
        assert!(slow.accepts(&span));
        assert!(!slow.accepts(&Span { duration: Duration::from_micros(4_999), ..span.clone() }));
        let failed = SpanSelect { status: Some(SpanStatus::Error), ..select.clone() };
        assert!(failed.accepts(&span));
        assert!(!failed.accepts(&Span { status: SpanStatus::Ok, ..span.clone() }));
        let roots = SpanSelect { roots_only: true, ..select };
        assert!(!roots.accepts(&span));
        assert!(roots.accepts(&Span { parent: None, ..span }));
    }
}
