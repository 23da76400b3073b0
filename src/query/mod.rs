//! Queries: what can be asked of a store, over its read traits alone.
//!
//! [`promql`] is Prometheus's language, from text to answer, over the [`algebra`] of rows that
//! LogQL stands on too; [`rules`] evaluates alerts and recordings by it, [`promtest`] runs its test
//! scripts. [`selection`] and [`vector`] are the fixed questions of the admin page. Every
//! query has a ceiling on what it reads into memory and says so when it meets it. It refuses to
//! know what a store looks like, where answers go and who asks.
//!
//! All of it blocks on the store: callers run it off the async threads.

pub mod algebra;
pub mod buckets;
pub mod budget;
pub mod counter;
pub mod logql;
pub mod number;
pub mod place;
pub mod promql;
pub mod promtest;
pub mod quote;
pub mod rollup;
pub mod rules;
pub mod selection;
pub mod sums;
pub mod tier;
pub mod vector;

#[cfg(test)]
pub mod memory;

use crate::record::read::ReadError;

/// Most points of one series in one answer; Prometheus refuses above the same number.
pub const POINTS_MAX: usize = 11_000;

/// Most values of one answer over all its series: 16 MB, a sixth of the memory budget.
pub const VALUES_MAX: usize = 1_000_000;

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The store could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The range is empty, backwards or its step is not a positive number of milliseconds.
    #[error("range with the step {step_ms} ms ends {behind_ms} ms before it begins or has no step")]
    EmptyRange {
        /// The step that was asked for.
        step_ms: i64,
        /// How far the end lies before the beginning.
        behind_ms: i64,
    },
    /// One series would have more than [`POINTS_MAX`] points.
    #[error("range of {points} points is above the limit of {POINTS_MAX}, take a longer step")]
    TooManyPoints {
        /// How many points the range has.
        points: i64,
    },
    /// All series together would have more than [`VALUES_MAX`] values.
    #[error("answer is above the limit of {VALUES_MAX} values, select fewer series or a longer step")]
    TooManyValues,
}
