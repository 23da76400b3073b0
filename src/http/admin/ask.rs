//! What the views ask the store: PromQL and LogQL, and nothing else.
//!
//! A page is worth waiting for only so long: a query that takes longer is given up with its
//! reason, and one that nobody waits for any more is too: what was read by then is no answer, and
//! nobody may keep it as one. All of it blocks, so it is called on the heavy lane.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::AdminState;
use crate::clock::{UnixMillis, UnixNanos};
use crate::pace::{self, Ending};
use crate::query::budget::Cancel;
use crate::query::journal::{Door, Recorder};
use crate::query::logql::{self, LogAnswer, LogRange, When};
use crate::query::promql::ast::Expr;
use crate::query::promql::{self, Answer, Moments, Value};
use crate::record::read::{Direction, LogRead, Matcher, MetricRead, SeriesSelect, StreamVolume};
use crate::record::{Coverage, Labels, Resolution, RolledStep, Rollup, Sample};

/// Longer than this nobody looks at an empty page.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// A question about metrics.
    #[error("{0}")]
    Metrics(#[from] promql::Error),
    /// A question about lines.
    #[error("{0}")]
    Logs(#[from] logql::Error),
    /// A query for lines where numbers are wanted, or the other way round.
    #[error("the query gives {got} where {wanted} are wanted")]
    Kind {
        /// What it gives.
        got: &'static str,
        /// What is shown.
        wanted: &'static str,
    },
}

impl AskError {
    /// Returns true when there was no time for the answer.
    pub(super) fn is_timeout(&self) -> bool {
        matches!(self, AskError::Logs(logql::Error::Timeout) | AskError::Metrics(promql::Error::Timeout))
    }

    /// Returns true when whoever asked went away.
    pub(super) fn is_left(&self) -> bool {
        matches!(self, AskError::Logs(logql::Error::Canceled) | AskError::Metrics(promql::Error::Canceled))
    }

    /// Returns what is wrong with the text of a question about lines.
    pub(super) fn parse_error(&self) -> Option<&logql::ParseError> {
        match self {
            AskError::Logs(logql::Error::Parse(fault)) => Some(fault),
            _ => None,
        }
    }
}

/// Evenly spaced moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) from: UnixMillis,
    pub(super) to: UnixMillis,
    pub(super) step: Duration,
}

impl Grid {
    /// Returns one of the moments.
    pub(super) fn moment(&self, idx: usize) -> UnixMillis {
        let idx = i64::try_from(idx).unwrap_or(i64::MAX);
        UnixMillis(self.from.0.saturating_add(self.step_ms().saturating_mul(idx)))
    }

    /// Returns how many moments there are.
    pub(super) fn count(&self) -> usize {
        usize::try_from((self.to.0 - self.from.0) / self.step_ms()).map_or(0, |n_steps| n_steps + 1)
    }

    /// Returns the moments in order.
    pub(super) fn moments(&self) -> impl Iterator<Item = UnixMillis> + use<> {
        let grid = *self;
        (0..grid.count()).map(move |idx| grid.moment(idx))
    }

    /// Returns the moments as PromQL takes them.
    fn range(&self) -> Moments {
        Moments { from: self.from, to: self.to, step_ms: self.step_ms() }
    }

    fn step_ms(&self) -> i64 {
        i64::try_from(self.step.as_millis()).unwrap_or(i64::MAX).max(1)
    }

    /// Puts samples, which lie on the moments, each in its place.
    pub(super) fn placed(&self, samples: &[Sample]) -> Vec<Option<f64>> {
        let mut res = vec![None; self.count()];
        for sample in samples {
            let idx = usize::try_from((sample.at.0 - self.from.0) / self.step_ms());
            if let Some(place) = idx.ok().and_then(|idx| res.get_mut(idx)) {
                *place = Some(sample.value).filter(|value| !value.is_nan());
            }
        }
        res
    }
}

/// One row of a matrix: the labels, and a value a moment.
pub(super) type Row = (Labels, Vec<Option<f64>>);

/// Asks the store as of one moment.
#[derive(Clone)]
pub(super) struct Ask<'a> {
    metrics: &'a dyn MetricRead,
    logs: &'a dyn LogRead,
    recorder: Option<Recorder>,
    samples_max: usize,
    now: UnixNanos,
    patience: Duration,
}

impl<'a> Ask<'a> {
    /// Asks these stores as of a moment, and notes nothing.
    pub(super) fn new(metrics: &'a dyn MetricRead, logs: &'a dyn LogRead, now: UnixNanos) -> Self {
        let samples_max = promql::Limits::default().samples_max;
        Ask { metrics, logs, recorder: None, samples_max, now, patience: PATIENCE }
    }
}

impl AdminState {
    /// Returns what asks the store as of now.
    pub(super) fn ask(&self) -> Ask<'_> {
        let parts = &self.parts;
        let recorder = Some(parts.journal.recorder(Door::Page));
        let samples_max = (parts.samples_max)();
        Ask { recorder, samples_max, ..Ask::new(&*parts.metrics, &*parts.logs, parts.clock.now()) }
    }
}

#[cfg(test)]
impl<'a> Ask<'a> {
    /// Asks a store in memory.
    pub(super) fn of(store: &'a crate::query::memory::MemoryStore, now: UnixNanos) -> Self {
        Ask::new(store, store, now)
    }
}

impl Ask<'_> {
    /// Returns the moment as of which it is asked.
    pub(super) fn now(&self) -> UnixNanos {
        self.now
    }

    /// Gives each question up after another time.
    pub(super) fn with_patience(self, patience: Duration) -> Self {
        Ask { patience, ..self }
    }

    /// Returns the streams that may have lines in `from .. to`, and about how many, which takes no
    /// look at a line.
    pub(super) fn volumes(
        &self,
        matchers: &[Matcher],
        from: UnixNanos,
        to: UnixNanos,
    ) -> Result<Vec<StreamVolume>, AskError> {
        Ok(self.logs.streams(matchers, from, to).map_err(logql::Error::from)?)
    }

    /// Returns the number that a PromQL query gives now: of a vector the first; none for an
    /// empty one.
    pub(super) fn number(&self, query: &str) -> Result<Option<f64>, AskError> {
        Ok(self.numbers(query)?.into_iter().next().map(|(_, value)| value))
    }

    /// Returns the vector that a PromQL query gives now.
    pub(super) fn numbers(&self, query: &str) -> Result<Vec<(Labels, f64)>, AskError> {
        self.numbers_at(query, self.now.to_millis())
    }

    /// Returns the vector that a PromQL query gives at a moment.
    pub(super) fn numbers_at(&self, query: &str, at: UnixMillis) -> Result<Vec<(Labels, f64)>, AskError> {
        vector(self.value(query, Moments::instant(at))?)
    }

    /// Returns the rows that a PromQL query gives over a grid.
    pub(super) fn rows(&self, query: &str, grid: Grid) -> Result<Vec<Row>, AskError> {
        matrix(self.value(query, grid.range())?, grid)
    }

    /// Returns how far back each resolution reaches.
    pub(super) fn coverage(&self) -> Vec<Coverage> {
        self.metrics.coverage()
    }

    /// Hands over what series did in each step of a resolution.
    pub(super) fn rollups(
        &self,
        select: &SeriesSelect,
        resolution: Resolution,
        visit: &mut dyn FnMut(&Rollup),
    ) -> Result<(), AskError> {
        let mut each = |_: &Labels, steps: &[RolledStep]| {
            steps.iter().for_each(|(_, rollup)| visit(rollup));
            ControlFlow::Continue(())
        };
        let read = || Ok(self.metrics.rollups(select, resolution, &mut each).map_err(promql::Error::from)?);
        self.whole(read, metrics_ended)
    }

    fn value(&self, query: &str, moments: Moments) -> Result<Value, AskError> {
        let answer = self.whole(|| Ok(self.promql().query(self.metrics, query, moments)?), metrics_ended)?;
        Ok(answer.value)
    }

    /// Evaluates a query that was parsed before at a moment, whatever it gives.
    pub(super) fn at(&self, query: &str, expr: &Expr, at: UnixMillis) -> Result<Answer, promql::Error> {
        self.promql().evaluate(self.metrics, query, expr, Moments::instant(at), &Cancel::default())
    }

    /// Evaluates a query that was parsed before over a grid; it gives series.
    pub(super) fn over(&self, query: &str, expr: &Expr, grid: Grid) -> Result<Answer, promql::Error> {
        self.promql().evaluate(self.metrics, query, expr, grid.range(), &Cancel::default())
    }

    /// Returns the only row that a PromQL query gives over a grid; without one no moment has
    /// a value.
    pub(super) fn row(&self, query: &str, grid: Grid) -> Result<Vec<Option<f64>>, AskError> {
        let row = self.rows(query, grid)?.into_iter().next();
        Ok(row.map_or_else(|| vec![None; grid.count()], |(_, values)| values))
    }

    /// Returns the lines that a LogQL query selects in `from .. to`.
    pub(super) fn lines(
        &self,
        query: &str,
        from: UnixNanos,
        to: UnixNanos,
        direction: Direction,
        limit: usize,
    ) -> Result<LogAnswer, AskError> {
        let range = LogRange { from, to, direction, limit, interval_ns: 0 };
        match logql::parse(query).map_err(logql::Error::from)? {
            logql::ast::Expr::Log(log) => {
                let read = || self.logql().lines(self.logs, &log, &range, self.now, &Cancel::default());
                self.whole(|| Ok(read()?), logs_ended)
            }
            logql::ast::Expr::Metric(_) => Err(AskError::Kind { got: "numbers", wanted: "lines" }),
        }
    }

    /// Returns the vector that a LogQL query gives at a moment.
    pub(super) fn log_numbers(&self, query: &str, at: UnixNanos) -> Result<Vec<(Labels, f64)>, AskError> {
        vector(self.log_value(query, When::Instant(at))?)
    }

    /// Returns the rows that a LogQL query gives over a grid.
    pub(super) fn log_rows(&self, query: &str, grid: Grid) -> Result<Vec<Row>, AskError> {
        let when = When::Range {
            from: grid.from.to_nanos(),
            to: grid.to.to_nanos(),
            step_ns: grid.step_ms().saturating_mul(1_000_000),
        };
        matrix(self.log_value(query, when)?, grid)
    }

    fn log_value(&self, query: &str, when: When) -> Result<Value, AskError> {
        match logql::parse(query).map_err(logql::Error::from)? {
            logql::ast::Expr::Metric(metric) => {
                let read = || self.logql().numbers(self.logs, &metric, when, self.now, &Cancel::default());
                Ok(self.whole(|| Ok(read()?), logs_ended)?.value)
            }
            logql::ast::Expr::Log(_) => Err(AskError::Kind { got: "lines", wanted: "numbers" }),
        }
    }

    /// Asks within the patience. What was broken off on the way has no answer, though the store may
    /// have handed over what it had by then as if that were all.
    fn whole<T>(
        &self,
        ask: impl FnOnce() -> Result<T, AskError>,
        ended: fn(Ending) -> AskError,
    ) -> Result<T, AskError> {
        pace::within(Instant::now().checked_add(self.patience), || {
            let answer = ask();
            let is_of_time = |err: &AskError| err.is_left() || err.is_timeout();
            match pace::ending() {
                Some(ending) if answer.as_ref().err().is_none_or(is_of_time) => Err(ended(ending)),
                _ => answer,
            }
        })
    }

    fn promql(&self) -> promql::Engine {
        let limits = promql::Limits {
            timeout: self.patience,
            samples_max: self.samples_max,
            ..promql::Limits::default()
        };
        promql::Engine { limits, recorder: self.recorder.clone() }
    }

    fn logql(&self) -> logql::Engine {
        let limits = logql::Limits { timeout: self.patience, held_max: self.samples_max };
        logql::Engine { limits, recorder: self.recorder.clone() }
    }
}

fn metrics_ended(ending: Ending) -> AskError {
    AskError::Metrics(match ending {
        Ending::Left => promql::Error::Canceled,
        Ending::Late => promql::Error::Timeout,
    })
}

fn logs_ended(ending: Ending) -> AskError {
    AskError::Logs(match ending {
        Ending::Left => logql::Error::Canceled,
        Ending::Late => logql::Error::Timeout,
    })
}

fn vector(value: Value) -> Result<Vec<(Labels, f64)>, AskError> {
    match value {
        Value::Scalar(sample) => Ok(vec![(Labels::default(), sample.value)]),
        Value::Vector(vector) => Ok(vector.into_iter().map(|one| (one.labels, one.sample.value)).collect()),
        Value::String(..) => Err(AskError::Kind { got: "a text", wanted: "numbers" }),
        Value::Matrix(_) => Err(AskError::Kind { got: "a range of samples", wanted: "numbers" }),
    }
}

fn matrix(value: Value, grid: Grid) -> Result<Vec<Row>, AskError> {
    match value {
        Value::Matrix(series) => {
            Ok(series.into_iter().map(|series| (series.labels, grid.placed(&series.samples))).collect())
        }
        Value::String(..) => Err(AskError::Kind { got: "a text", wanted: "numbers" }),
        Value::Scalar(_) | Value::Vector(_) => {
            Err(AskError::Kind { got: "one moment", wanted: "numbers over a time" })
        }
    }
}
