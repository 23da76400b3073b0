//! Queries to answers: at one moment or at many, within limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Error;
use super::ast::Expr;
use crate::clock::UnixMillis;
use crate::record::metric::Series;
use crate::record::read::MetricRead;
use crate::record::{Labels, Sample};

/// The moments at which a query is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moments {
    /// The first.
    pub from: UnixMillis,
    /// No moment is later.
    pub to: UnixMillis,
    /// Their distance in milliseconds, more than none. Zero for an instant query, whose
    /// `from` and `to` are the same.
    pub step_ms: i64,
}

impl Moments {
    /// Returns one moment alone.
    pub fn instant(at: UnixMillis) -> Self {
        Moments { from: at, to: at, step_ms: 0 }
    }
}

/// What a query may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Most values held in memory at once.
    pub samples_max: usize,
    /// Longest evaluation.
    pub timeout: Duration,
    /// How far back a sample counts as current, unless the query says otherwise.
    pub lookback: Duration,
    /// The step of subqueries that name none.
    pub subquery_step: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            samples_max: 5_000_000,
            timeout: Duration::from_secs(120),
            lookback: Duration::from_secs(300),
            subquery_step: Duration::from_secs(60),
        }
    }
}

/// Ends an evaluation from outside; clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks the evaluation to end; it does so within milliseconds, with [`Error::Canceled`].
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns true when it was asked to.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// One series' value at one moment.
#[derive(Clone, Debug)]
pub struct InstantSample {
    /// What the value belongs to.
    pub labels: Labels,
    /// The value and its moment.
    pub sample: Sample,
}

/// What a query evaluates to.
#[derive(Clone, Debug)]
pub enum Value {
    /// A number at the moment of an instant query.
    Scalar(Sample),
    /// A text at the moment of an instant query.
    String(UnixMillis, String),
    /// Values at the moment of an instant query, in the order that the query gives them.
    Vector(Vec<InstantSample>),
    /// Samples of series: the answer of every query over a range, sorted by labels, and of an
    /// instant query for a range vector.
    Matrix(Vec<Series>),
}

/// A value and what its reader should know.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The value.
    pub value: Value,
    /// What may be wrong, sorted; with places such as `(1:5)`.
    pub warnings: Vec<String>,
    /// What is worth knowing, sorted; with places.
    pub infos: Vec<String>,
    /// How many samples were read from the store.
    pub n_samples: u64,
}

/// Evaluates queries.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    /// What each query may take.
    pub limits: Limits,
}

impl Engine {
    /// Parses and evaluates a query.
    pub fn query(&self, store: &dyn MetricRead, query: &str, moments: Moments) -> Result<Answer, Error> {
        let expr = super::parse(query)?;
        self.evaluate(store, query, &expr, moments, &Cancel::default())
    }

    /// Evaluates a query that was parsed before; `query` is its text, for places in notes.
    pub fn evaluate(
        &self,
        _store: &dyn MetricRead,
        _query: &str,
        _expr: &Expr,
        _moments: Moments,
        _cancel: &Cancel,
    ) -> Result<Answer, Error> {
        unimplemented!("soon")
    }
}
