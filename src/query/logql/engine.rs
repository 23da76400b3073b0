//! Queries to answers, within limits.

use std::fmt::Display;
use std::time::Duration;

use super::ast::{LogExpr, Metric, VectorOp};
use super::error::Error;
use super::eval::{Evaluator, Moments, Output};
use super::lines::{self, LogAnswer, LogRange};
use super::patterns::{self, PatternAnswer, PatternRange};
use crate::clock::{UnixMillis, UnixNanos};
use crate::pace;
use crate::query::algebra::{Row, is_absent};
use crate::query::budget::{Budget, Cancel, Spent};
use crate::query::journal::{Effort, Language, Recorder};
use crate::query::promql::{InstantSample, Value};
use crate::record::read::{LogRead, LogReadStats};
use crate::record::{Labels, Sample, Series};

/// What a query may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Most values held in memory at once, of 16 bytes each.
    pub held_max: usize,
    /// Longest evaluation.
    pub timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { held_max: 1_500_000, timeout: Duration::from_secs(120) }
    }
}

/// What was read for an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadStats {
    /// Sealed blocks of the selected streams and range.
    pub n_blocks: u64,
    /// Blocks that were unpacked.
    pub n_unpacked: u64,
    /// Lines that were looked at.
    pub n_lines: u64,
    /// The bytes of their texts.
    pub n_bytes: u64,
}

impl ReadStats {
    /// Adds what another part of the answer took.
    pub fn merge(&mut self, other: &ReadStats) {
        self.n_blocks += other.n_blocks;
        self.n_unpacked += other.n_unpacked;
        self.n_lines += other.n_lines;
        self.n_bytes += other.n_bytes;
    }

    /// Adds another read.
    pub fn add(&mut self, read: &LogReadStats) {
        self.n_blocks += read.n_blocks;
        self.n_unpacked += read.n_unpacked;
        self.n_lines += read.n_lines;
        self.n_bytes += read.n_bytes;
    }
}

impl Error {
    /// Says that a budget is spent.
    pub(super) fn spent(spent: Spent, budget: &Budget<'_>) -> Self {
        match spent {
            Spent::Memory => Error::TooMuch { held_max: budget.held_max() },
            Spent::Time => Error::Timeout,
            Spent::Canceled => Error::Canceled,
        }
    }
}

/// A number at one moment or at many.
#[derive(Clone, Debug)]
pub struct MetricAnswer {
    /// The value.
    pub value: Value,
    /// What was read for it.
    pub stats: ReadStats,
}

/// The moments at which a query is evaluated, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// One.
    Instant(UnixNanos),
    /// Many: from the first, none later than the last, so many nanoseconds apart.
    Range {
        /// The first.
        from: UnixNanos,
        /// No moment is later.
        to: UnixNanos,
        /// More than none.
        step_ns: i64,
    },
}

impl When {
    fn moments(self) -> Moments {
        match self {
            When::Instant(at) => Moments { first_ns: at.0, step_ns: 1, count: 1 },
            When::Range { from, to, step_ns } => {
                let step_ns = step_ns.max(1);
                let span = i128::from(to.0) - i128::from(from.0);
                let count = if span < 0 { 0 } else { span / i128::from(step_ns) + 1 };
                Moments { first_ns: from.0, step_ns, count: usize::try_from(count).unwrap_or(usize::MAX) }
            }
        }
    }
}

/// Evaluates queries.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    /// What each query may take.
    pub limits: Limits,
    /// Who notes what each took, if anybody does.
    pub recorder: Option<Recorder>,
}

impl Engine {
    /// Returns the lines that a query selects. Templates take `now` for the time.
    pub fn lines(
        &self,
        logs: &dyn LogRead,
        log: &LogExpr,
        range: &LogRange,
        now: UnixNanos,
        cancel: &Cancel,
    ) -> Result<LogAnswer, Error> {
        let budget = Budget::new(self.limits.held_max, self.limits.timeout, cancel);
        let read = || pace::within(budget.until(), || lines::read(logs, log, range, now, &budget));
        self.measured(log, |answer: &LogAnswer| answer.stats, read)
    }

    /// Returns the patterns by which the lines that a query selects are built. Templates take `now` for
    /// the time.
    pub fn patterns(
        &self,
        logs: &dyn LogRead,
        log: &LogExpr,
        range: &PatternRange,
        now: UnixNanos,
        cancel: &Cancel,
    ) -> Result<PatternAnswer, Error> {
        let budget = Budget::new(self.limits.held_max, self.limits.timeout, cancel);
        let read = || pace::within(budget.until(), || patterns::read(logs, log, range, now, &budget));
        self.measured(log, |answer: &PatternAnswer| answer.stats, read)
    }

    /// Returns the numbers that a query makes of lines. Templates take `now` for the time.
    pub fn numbers(
        &self,
        logs: &dyn LogRead,
        metric: &Metric,
        when: When,
        now: UnixNanos,
        cancel: &Cancel,
    ) -> Result<MetricAnswer, Error> {
        let moments = when.moments();
        let budget = Budget::new(self.limits.held_max, self.limits.timeout, cancel);
        budget.fits(moments.count).map_err(|spent| Error::spent(spent, &budget))?;
        let until = budget.until();
        let evaluate = || {
            let mut evaluator = Evaluator { logs, moments, budget, now, stats: ReadStats::default() };
            let output = pace::within(until, || evaluator.eval(metric))?;
            let stats = evaluator.stats;
            let value = match when {
                When::Instant(at) => instant_value(output, at.to_millis(), keeps_order(metric)),
                When::Range { .. } => range_value(output, moments),
            };
            Ok(MetricAnswer { value, stats })
        };
        self.measured(metric, |answer: &MetricAnswer| answer.stats, evaluate)
    }

    fn measured<T>(
        &self,
        query: &impl Display,
        stats: impl FnOnce(&T) -> ReadStats,
        evaluate: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let effort = |answer: &T| {
            let ReadStats { n_lines, n_bytes, .. } = stats(answer);
            Effort { n_lines, n_bytes, ..Effort::default() }
        };
        let text = || query.to_string();
        Recorder::measured(self.recorder.as_ref(), Language::LogQl, text, effort, evaluate)
    }
}

/// Returns true when the order of an answer says something.
fn keeps_order(metric: &Metric) -> bool {
    match metric {
        Metric::Aggregate(aggregate) => {
            aggregate.op.picks() || matches!(aggregate.op, VectorOp::Sort | VectorOp::SortDesc)
        }
        Metric::LabelReplace(replace) => keeps_order(&replace.inner),
        _ => false,
    }
}

fn instant_value(output: Output, at: UnixMillis, keeps_order: bool) -> Value {
    let sample = |value: f64| Sample { at, value };
    match output {
        Output::Number(number) => Value::Scalar(sample(number)),
        Output::Rows(rows) => {
            let mut res: Vec<InstantSample> = rows
                .into_iter()
                .filter(|row| !row.is_empty())
                .map(|row| InstantSample { labels: row.labels, sample: sample(row.values[0]) })
                .collect();
            if !keeps_order {
                res.sort_by(|one, other| one.labels.cmp(&other.labels));
            }
            Value::Vector(res)
        }
    }
}

fn range_value(output: Output, moments: Moments) -> Value {
    let at = |idx: usize| UnixNanos(moments.first_ns + moments.step_ns * idx as i64).to_millis();
    let rows = match output {
        Output::Rows(rows) => rows,
        Output::Number(number) => {
            let values = vec![number; moments.count];
            vec![Row { labels: Labels::default(), values, drop_name: false }]
        }
    };
    let series = |row: Row| {
        let values = row.values.into_iter().enumerate().filter(|(_, value)| !is_absent(*value));
        let samples = values.map(|(idx, value)| Sample { at: at(idx), value }).collect();
        Series { labels: row.labels, samples }
    };
    let mut res: Vec<Series> =
        rows.into_iter().map(series).filter(|series| !series.samples.is_empty()).collect();
    res.sort_by(|one, other| one.labels.cmp(&other.labels));
    Value::Matrix(res)
}
