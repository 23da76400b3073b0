//! PromQL, by the semantics of Prometheus 3.
//!
//! A text becomes a tree ([`parse()`]), the tree an answer ([`Engine`]). What Prometheus keeps
//! behind a feature flag is refused by name: `anchored` and `smoothed`, `fill`, arithmetic in
//! durations, and `info()`; so are native histograms, which the store does not hold. The
//! experimental functions and aggregations are on.
//!
//! Source of every rule: "Querying Prometheus" in the documentation of Prometheus 3, and its test
//! scripts, which `vitrine promtest` runs.

pub mod ast;
mod check;
mod cursor;
mod dimension;
mod duration;
mod engine;
mod error;
mod eval;
pub mod functions;
#[cfg(test)]
mod fuzz;
mod lex;
mod notes;
mod parse;
mod plan;
mod pretty;
mod print;
pub mod signature;

pub use cursor::{Cursor, Offer, cursor};
pub use dimension::{Dimension, dimension};
pub use duration::{format_duration, parse_duration};
pub use engine::{Answer, Engine, InstantSample, Limits, Moments, Value};
pub use error::{Error, ParseError};
pub use lex::{quoted_end, unquoted};
pub use parse::{parse, parse_selector};
pub use plan::{FAR_MS, depends_on_moment};
pub use pretty::pretty;
pub use print::condition;
