//! Measurements in a process of their own, so that none inherits another's heap.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vitrine::clock::UnixNanos;

use super::feed::{self, MetricSet};
use super::lines::LineKind;
use super::opening;
use super::program;
use super::queries::{self, Query};

/// The argument that makes this program a child; then comes a [`Task`].
pub const CHILD: &str = "--child";

/// What a child measures.
#[derive(Serialize, Deserialize)]
pub enum Task {
    /// [`feed::metrics`]
    Metrics { dir: PathBuf, set: MetricSet, seed: u64, span: Duration },
    /// [`feed::logs`]
    Logs { dir: PathBuf, kind: LineKind, seed: u64, from: i64, raw_bytes: u64 },
    /// [`feed::under_load`]
    Load { dir: PathBuf, seed: u64, scale: f64 },
    /// [`queries::ask`]
    Query { dir: PathBuf, query: Query, now: i64 },
    /// [`opening::open`]
    Open { dir: PathBuf, now: i64 },
    /// [`opening::drop_oldest`]
    Drop { dir: PathBuf, now: i64 },
}

/// Runs a task in a child and returns what it measured.
pub fn run<T: DeserializeOwned>(task: &Task) -> T {
    let task = serde_json::to_string(task).unwrap();
    let output = program::itself().args([CHILD, &task]).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{task} ended with {}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Does what the arguments say when they make this process a child; returns false otherwise.
pub fn is_child() -> bool {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    program::become_another(&args, Signal::KILL);
    let [CHILD, task] = args[..] else { return false };
    program::end_with_parent(Signal::KILL);
    println!("{}", measure(serde_json::from_str(task).unwrap()));
    true
}

fn measure(task: Task) -> String {
    // What the store has to complain about is worth seeing.
    let warnings = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN);
    warnings.with_writer(std::io::stderr).init();
    let measured = match task {
        Task::Metrics { dir, set, seed, span } => {
            serde_json::to_string(&feed::metrics(&dir, &set, seed, span))
        }
        Task::Logs { dir, kind, seed, from, raw_bytes } => {
            serde_json::to_string(&feed::logs(&dir, kind, seed, UnixNanos(from), raw_bytes))
        }
        Task::Load { dir, seed, scale } => serde_json::to_string(&feed::under_load(&dir, seed, scale)),
        Task::Query { dir, query, now } => serde_json::to_string(&queries::ask(&dir, &query, UnixNanos(now))),
        Task::Open { dir, now } => serde_json::to_string(&opening::open(&dir, UnixNanos(now))),
        Task::Drop { dir, now } => serde_json::to_string(&opening::drop_oldest(&dir, UnixNanos(now))),
    };
    measured.unwrap()
}
