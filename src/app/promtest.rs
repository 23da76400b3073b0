//! `vitrine promtest`: test scripts from files, and what became of them to standard output.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use super::{Failure, data};
use crate::query::promtest::{self, Report};

/// Longest script.
const SCRIPT_MAX_BYTES: usize = 16 << 20;

/// Runs scripts, prints a report, and fails if anything in them did.
pub fn run(files: &[PathBuf], as_json: bool) -> Result<(), Failure> {
    let reports: Vec<Report> = files.iter().map(|file| run_file(file)).collect();
    let text = if as_json {
        serde_json::to_string_pretty(&reports).context("write the report")? + "\n"
    } else {
        in_words(&reports)
    };
    io::stdout().write_all(text.as_bytes()).context("write to standard output")?;
    match reports.iter().map(|report| report.failed).sum() {
        0 => Ok(()),
        n_failed => Err(anyhow!("{n_failed} failed").into()),
    }
}

/// A file that cannot be read is a failure among the others, which are run all the same.
fn run_file(file: &Path) -> Report {
    let name = file.display().to_string();
    match read(file) {
        Ok(text) => promtest::run_text(&name, &text),
        Err(error) => Report::unread(&name, format!("{error:#}")),
    }
}

fn read(file: &Path) -> Result<String, anyhow::Error> {
    let bytes = data::read_bounded(file, SCRIPT_MAX_BYTES).context("read the script")?;
    String::from_utf8(bytes).context("read the script")
}

fn in_words(reports: &[Report]) -> String {
    let mut res = String::new();
    // To a string nothing fails.
    let mut line = |text: std::fmt::Arguments<'_>| _ = writeln!(res, "{text}");
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for report in reports {
        let Report { file, passed, failed, skipped, .. } = report;
        line(format_args!("{file}: {passed} passed, {failed} failed, {skipped} skipped"));
        for failure in &report.failures {
            let promtest::Failure { line: at, query, message } = failure;
            let query = if query.is_empty() { String::new() } else { format!("{query}: ") };
            line(format_args!("  {file}:{at}: {query}{message}"));
        }
        for (reason, count) in &report.reasons {
            *reasons.entry(reason).or_default() += count;
        }
    }
    for (reason, count) in reasons {
        line(format_args!("skipped for {reason}: {count}"));
    }
    let sum = |of: fn(&Report) -> usize| reports.iter().map(of).sum::<usize>();
    let [passed, failed, skipped] = [sum(|r| r.passed), sum(|r| r.failed), sum(|r| r.skipped)];
    line(format_args!("all: {passed} passed, {failed} failed, {skipped} skipped"));
    res
}
