//! LogQL, by the semantics of Loki 3.
//!
//! A text becomes a tree ([`parse()`]). Of a tree that selects lines the stages are compiled and run
//! line by line; one that makes numbers of lines folds them into series, over which the
//! [`algebra`](super::algebra) works that PromQL stands on too. Which lines a store need not hand
//! over is read off the tree before.
//!
//! Source of every rule: "LogQL" in the documentation of Loki 3, and how it answers.

mod arithmetic;
pub mod ast;
mod by_parts;
pub mod bytes;
mod decolorize;
pub mod detect;
mod engine;
mod entry;
mod error;
mod eval;
mod extract;
mod fold;
#[cfg(test)]
mod fuzz;
pub mod go_duration;
mod go_float;
mod hints;
mod ip;
mod label_test;
mod lex;
mod lines;
mod parse;
mod patterns;
mod pipeline;
mod print;
mod reading;
mod sanitize;
#[cfg(test)]
mod scripts;
mod select;
mod series_key;
mod template;
mod unwrap;
mod windows;

pub use engine::{Engine, Limits, MetricAnswer, ReadStats, When};
pub use entry::{DETECTED_LEVEL, level_word};
pub use error::{Error, ParseError};
pub use lines::{Line, Live, LogAnswer, LogRange, Pairs};
pub use parse::{parse, parse_log, parse_selector, parse_unchecked};
pub use patterns::{Mined, PatternAnswer, PatternRange};
pub use print::pretty;
