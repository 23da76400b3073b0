//! A script from its beginning to its end.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;

use super::case::{Outcome, run_case};
use super::samples::Samples;
use super::script::{Command, parse_script};
use crate::query::promql::Engine;

/// What became of a script.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The file's name, as it was given.
    pub file: String,
    /// Evaluations that answered as expected.
    pub passed: usize,
    /// Evaluations that did not, and lines that could not be read.
    pub failed: usize,
    /// Evaluations of what is refused by name.
    pub skipped: usize,
    /// Each failure.
    pub failures: Vec<Failure>,
    /// How many were skipped for which reason.
    #[serde(skip)]
    pub reasons: BTreeMap<&'static str, usize>,
}

/// An evaluation that did not answer as expected.
#[derive(Debug, Serialize)]
pub struct Failure {
    /// The line in the file, counted from one; zero when the file could not be read.
    pub line: usize,
    /// The query; nothing when the line could not be read.
    pub query: String,
    /// What was expected and what came.
    pub message: String,
}

/// Runs a script; `file` is its name in the report.
pub fn run_text(file: &str, text: &str) -> Report {
    let mut res = Report { file: file.into(), ..Report::default() };
    let commands = match parse_script(text) {
        Ok(commands) => commands,
        Err(error) => {
            res.fail(error.line, String::new(), error.message);
            return res;
        }
    };
    let engine = Engine::default();
    let mut samples = Samples::default();
    for command in commands {
        match command {
            Command::Clear => samples = Samples::default(),
            Command::Load { step_ms, series, makes_histograms, start_times } => {
                samples.load(&series, step_ms);
                start_times.into_iter().for_each(|labels| samples.note_start_times(labels));
                if makes_histograms {
                    samples.make_histograms(&series);
                }
            }
            Command::Eval(eval) => {
                // One case must not take the others with it.
                let outcome = catch_unwind(AssertUnwindSafe(|| run_case(&engine, &samples, &eval)));
                match outcome.unwrap_or_else(|panic| Outcome::Failed(in_words(panic.as_ref()))) {
                    Outcome::Passed => res.passed += 1,
                    Outcome::Failed(message) => res.fail(eval.line, eval.query, message),
                    Outcome::Skipped(reason) => {
                        res.skipped += 1;
                        *res.reasons.entry(reason).or_default() += 1;
                    }
                }
            }
        }
    }
    res
}

/// Returns what a panic said.
fn in_words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("the evaluation panicked: {}", text.unwrap_or("no reason given"))
}

impl Report {
    /// Returns the report of a script that could not be read.
    pub fn unread(file: &str, message: String) -> Self {
        let mut res = Report { file: file.into(), ..Report::default() };
        res.fail(0, String::new(), message);
        res
    }

    fn fail(&mut self, line: usize, query: String, message: String) {
        self.failed += 1;
        self.failures.push(Failure { line, query, message });
    }
}
