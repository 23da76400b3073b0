//! How a query language reads a store: two small traits and what they select by.
//!
//! `store` implements them over its partitions, tests implement them over a vector.
//! Both hand out one item at a time to a visitor, which ends the walk by
//! [`ControlFlow::Break`]; so a reader of a large range holds one chunk or one block in
//! memory, not the range.

use std::ops::ControlFlow;

use regex::Regex;

use super::{Labels, LogRecord, Metadata, Series};
use crate::clock::{UnixMillis, UnixNanos};

/// Why a read did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store could not deliver; the text names the partition and the cause.
    #[error("read the store: {0}")]
    Store(String),
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
    Matches(Regex),
    /// `!~`, anchored at both ends
    MatchesNot(Regex),
}

impl Matcher {
    /// Returns the matcher `name="value"`.
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Matcher { name: name.into(), op: MatchOp::Equal(value.into()) }
    }

    /// Returns the matcher `name=~"pattern"`; `.` matches a line end, as in Prometheus 3.
    pub fn matches(name: impl Into<String>, pattern: &str) -> Result<Self, regex::Error> {
        Ok(Matcher { name: name.into(), op: MatchOp::Matches(anchored(pattern)?) })
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
            MatchOp::Matches(regex) => regex.is_match(value),
            MatchOp::MatchesNot(regex) => !regex.is_match(value),
        }
    }
}

fn anchored(pattern: &str) -> Result<Regex, regex::Error> {
    Regex::new(&format!("^(?s:{pattern})$"))
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

/// Which end of a range a log reader begins at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Oldest first.
    Forward,
    /// Newest first.
    Backward,
}

/// Selects log lines inside `from .. to`, the end exclusive as in Loki.
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
}

/// Reads metric series.
pub trait MetricRead: Send + Sync {
    /// Visits each selected series once, samples ascending, in no particular order.
    fn series(
        &self,
        select: &SeriesSelect,
        visit: &mut dyn FnMut(Series) -> ControlFlow<()>,
    ) -> Result<(), ReadError>;

    /// Returns what is known about the metrics themselves.
    fn metadata(&self) -> Vec<Metadata>;
}

/// Reads log lines.
pub trait LogRead: Send + Sync {
    /// Visits selected lines in the order of their times, equal ones as they were written.
    fn lines(
        &self,
        select: &LogSelect,
        visit: &mut dyn FnMut(LogRecord) -> ControlFlow<()>,
    ) -> Result<(), ReadError>;
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
