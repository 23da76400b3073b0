//! `vitrine promtest`: our own scripts, Prometheus's when they are there, and its reports.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{Ended, command, run};

fn scripts(dir: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut res: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "test")).collect();
    res.sort();
    res
}

fn promtest(files: &[PathBuf], flags: &[&str]) -> Ended {
    let mut command = command(&["promtest"]);
    command.args(flags).args(files);
    run(command)
}

/// Runs every script of a folder; returns how many cases passed and were skipped.
fn all_pass(dir: &Path) -> (u64, u64) {
    let files = scripts(dir);
    assert!(!files.is_empty(), "{} has no .test file", dir.display());
    let words = promtest(&files, &[]);
    assert_eq!(words.code, 0, "{}", words.out);
    let reports: Value = serde_json::from_str(&promtest(&files, &["--json"]).out).unwrap();
    let sum = |of: &str| reports.as_array().unwrap().iter().map(|report| report[of].as_u64().unwrap()).sum();
    println!("{}", words.out);
    (sum("passed"), sum("skipped"))
}

#[test]
fn our_own_scripts_pass() {
    let (n_passed, n_skipped) = all_pass(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/promql"));
    assert!(n_passed > 150, "{n_passed}");
    assert_eq!(n_skipped, 0);
}

/// All but what is refused by name; the reasons are in the output.
#[test]
fn the_scripts_of_prometheus_pass() {
    let Some(dir) = std::env::var_os("PROMQLTEST_DIR") else {
        println!("skipped: PROMQLTEST_DIR names no folder of Prometheus's test scripts");
        return;
    };
    let (n_passed, n_skipped) = all_pass(Path::new(&dir));
    println!("{n_passed} cases passed, {n_skipped} are refused by name");
    assert!(n_passed > 0);
}

#[test]
fn a_failure_is_told_with_line_query_and_both_values() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.test");
    std::fs::write(
        &file,
        "load 1m\n  up 1\n\neval instant at 1m up\n  up 2\n\neval instant at 1m info(up)\n",
    )
    .unwrap();
    let told = promtest(std::slice::from_ref(&file), &["--json"]);
    assert_eq!(told.code, 1);
    let report = &serde_json::from_str::<Value>(&told.out).unwrap()[0];
    assert_eq!(
        (report["passed"].as_u64(), report["failed"].as_u64(), report["skipped"].as_u64()),
        (Some(0), Some(1), Some(1))
    );
    let failure = &report["failures"][0];
    assert_eq!((failure["line"].as_u64(), failure["query"].as_str()), (Some(4), Some("up")));
    assert!(failure["message"].as_str().unwrap().contains("expected 2"), "{failure}");
    let words = promtest(std::slice::from_ref(&file), &[]);
    assert!(words.out.contains("skipped for info(): 1") && words.out.contains(":4: up"), "{}", words.out);

    std::fs::write(&file, "load 1m\n  up one\n").unwrap();
    let wrong = promtest(std::slice::from_ref(&file), &[]);
    assert!(wrong.code == 1 && wrong.out.contains(":2: "), "{}", wrong.out);
    let missing = promtest(&[dir.path().join("none.test")], &[]);
    assert!(missing.code == 1 && missing.err.contains("none.test"), "{}", missing.err);
}
