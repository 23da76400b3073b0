//! What the functions of PromQL compute, apart from any query.
//!
//! Numbers, samples and labels in, the same out: nothing here selects series, walks through
//! moments or drops metric names, which is the evaluator's part. Native histograms are unknown
//! here. Source of every rule: Prometheus 3.14, "Query functions" and its test scripts.

pub mod calendar;
pub mod elementwise;
pub mod labels;
pub mod over_time;
