//! Test scripts in Prometheus's own language: samples to load, queries to evaluate, and what they
//! are to answer.
//!
//! A script is read by `script`, its series by `series`; [`run_text`] evaluates it and
//! reports. As the original does, each instant evaluation is repeated as a range around its
//! moment, and with `@` at that moment behind every selector, evaluated at other moments.
//!
//! What this evaluator refuses by name is counted as skipped, with the reason: native histograms,
//! `anchored` and `smoothed`, `fill`, arithmetic in durations, `info()`, the trim operators, and
//! start timestamps, which samples here do not have.
//!
//! Source of the language: Prometheus 3, `promql/promqltest/README.md`.

mod case;
mod compare;
mod run;
mod samples;
mod script;
mod series;
mod start_times;

pub use run::{Failure, Report, run_text};
