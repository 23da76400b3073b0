//! `vitrine promtest`: this project's own scripts, others' scripts where there are some, and what
//! the command says of scripts that fail.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{Ended, Folders, command, run};

/// Fewest evaluations in the project's own scripts; so many that none is lost unseen.
const OWN_EVALUATIONS_MIN: u64 = 900;

/// What the evaluator refuses by name.
const REFUSED: &str = r#"
load 1m
  plain 1+1x10
  mixed 1 {{sum:3 count:2 buckets:[1 1]}} 2
  started@st -30s-1mx10
  started 1+1x10

load_with_nhcb 1m
  took_bucket{le="1"} 1x10
  took_bucket{le="+Inf"} 2x10

eval instant at 1m plain
  plain 2

eval instant at 1m mixed
  mixed 1

eval instant at 1m sum({__name__=~"m.*"})
  {} 1

eval instant at 1m histogram_count(took)
  {} 2

eval instant at 1m took_bucket{le="1"}
  took_bucket{le="1"} 1

eval instant at 1m plain
  plain {{}}

eval instant at 5m rate(plain[2m] anchored)
  {} 1

eval instant at 5m rate(plain[2m] smoothed)
  {} 1

eval instant at 5m plain + fill(0) plain
  {} 1

eval instant at 5m plain[1m+1m]
  plain 1

eval instant at 5m info(plain)
  plain 1

eval instant at 5m mixed >/ 2
  mixed 1

eval instant at 5m start_timestamp(plain)
  {} 0

eval instant at 5m rate(started[2m])
  {} 1

eval instant at 5m rate(plain[2m])
  {} 0.0166666667

eval instant at 5m started
  started 6
"#;

fn promtest(files: &[PathBuf], is_json: bool) -> Ended {
    let mut command = command(&["promtest"]);
    command.args(is_json.then_some("--json")).args(files);
    run(command)
}

fn reports(files: &[PathBuf]) -> (i32, Vec<Value>) {
    let ended = promtest(files, true);
    (ended.code, serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}")))
}

fn scripts(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut res: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    res.retain(|path| path.extension().is_some_and(|end| end == "test"));
    res.sort();
    assert!(!res.is_empty(), "no scripts in {}", dir.display());
    res
}

fn sum(reports: &[Value], of: &str) -> u64 {
    reports.iter().map(|report| report[of].as_u64().unwrap()).sum()
}

/// Runs one script, and returns the exit code and its report.
fn run_script(text: &str) -> (i32, Value) {
    let dir = Folders::new();
    let file = dir.site().join("one.test");
    fs::write(&file, text).unwrap();
    let (code, mut reports) = reports(&[file]);
    (code, reports.remove(0))
}

/// Runs one evaluation over a few series, which is to fail with a message that has a text in it.
fn check_fails(evaluation: &str, message: &str) {
    let load = "load 1m\n  up{job=\"a\"} 1+1x9\n  up{job=\"b\"} 5x9\n  one 1 2 stale\n\n";
    let (code, report) = run_script(&format!("{load}{evaluation}\n"));
    assert_eq!(
        (code, &report["failed"], &report["passed"]),
        (1, &json!(1), &json!(0)),
        "{evaluation}: {report}"
    );
    let failure = &report["failures"][0];
    assert_eq!(failure["line"], 6, "{failure}");
    assert!(failure["message"].as_str().unwrap().contains(message), "{evaluation}: {failure}");
}

#[test]
fn own_scripts_pass() {
    let (code, reports) = reports(&scripts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/promql")));
    let failed: Vec<&Value> = reports.iter().filter(|report| report["failed"] != 0).collect();
    assert!(code == 0 && failed.is_empty(), "{failed:#?}");
    assert_eq!(sum(&reports, "skipped"), 0);
    assert!(sum(&reports, "passed") >= OWN_EVALUATIONS_MIN, "{}", sum(&reports, "passed"));
}

#[test]
fn scripts_of_the_folder_named_pass() {
    let Some(dir) = std::env::var_os("PROMQLTEST_DIR") else {
        eprintln!("skipped: PROMQLTEST_DIR names no folder of test scripts");
        return;
    };
    let ended = promtest(&scripts(Path::new(&dir)), false);
    println!("{}", ended.out);
    assert_eq!(ended.code, 0, "{}", ended.out);
}

#[test]
fn what_is_refused_is_skipped_by_name_and_the_rest_is_run() {
    let dir = Folders::new();
    let file = dir.site().join("refused.test");
    fs::write(&file, REFUSED).unwrap();
    let ended = promtest(&[file], false);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.out.contains("refused.test: 4 passed, 0 failed, 12 skipped"), "{ended:?}");
    for reason in [
        "skipped for anchored: 1",
        "skipped for duration arithmetic: 1",
        "skipped for fill: 1",
        "skipped for info(): 1",
        "skipped for native histograms: 4",
        "skipped for smoothed: 1",
        "skipped for start timestamps: 2",
        "skipped for trim operators: 1",
    ] {
        assert!(ended.out.contains(reason), "{reason}: {ended:?}");
    }
}

#[test]
fn values_that_differ_fail() {
    check_fails("eval instant at 1m up\n  up{job=\"a\"} 2\n  up{job=\"b\"} 6", "expected 6");
    check_fails("eval instant at 1m up\n  up{job=\"a\"} 2", "unexpected series");
    check_fails("eval instant at 1m one\n  one 2\n  two 2", "not found");
    check_fails("eval instant at 1m one\n  two 2", "unexpected series");
    check_fails("eval instant at 1m one * 3\n  {} 6.0001", "expected 6.0001");
    check_fails("eval instant at 1m one\n  2", "expected the scalar");
    check_fails("eval instant at 1m 1 + 1\n  3", "expected the scalar 3");
    check_fails("eval instant at 1m 1 + 1\n  {} 2", "got the scalar");
    check_fails("eval instant at 1m \"a\"\n  expect string \"b\"", "expected the string");
    check_fails(
        "eval instant at 1m sort(up)\n  expect ordered\n  up{job=\"b\"} 5\n  up{job=\"a\"} 2",
        "at place",
    );
    check_fails("eval range from 0 to 3m step 1m one\n  one 1 2 2", "expected");
    check_fails("eval range from 0 to 3m step 1m one\n  one 1 3", "expected");
    check_fails("eval range from 0 to 1m step 1m one\n  one 1 2 _ _", "more values");
    check_fails(
        "eval instant at 1m one[2m]\n  expect range vector from 0 to 1m step 1m\n  one 1 3",
        "expected",
    );
}

#[test]
fn errors_warnings_and_infos_that_differ_fail() {
    check_fails("eval instant at 1m up\n  expect fail", "expected an error");
    check_fails("eval_fail instant at 1m up", "expected an error");
    check_fails("eval instant at 1m up + on() up\n  {} 1", "duplicate series");
    check_fails("eval instant at 1m up + on() up\n  expect fail msg: another", "expected the error");
    check_fails("eval_fail instant at 1m up + on() up\n  expected_fail_regexp ^other", "expected the error");
    check_fails("eval instant at 1m quantile(2, one)\n  expect no_warn\n  {} Inf", "expected no warning");
    check_fails(
        "eval instant at 1m quantile(2, one)\n  expect warn msg: other\n  {} Inf",
        "expected the warning",
    );
    check_fails("eval instant at 1m one\n  expect warn\n  one 2", "expected the warning");
    check_fails("eval_warn instant at 1m one\n  one 2", "expected a warning");
    check_fails("eval_info instant at 1m one\n  one 2", "expected an info");
    check_fails("eval instant at 1m rate(up[2m])\n  expect no_info\n  {job=\"a\"} 1", "expected no info");
}

#[test]
fn lines_that_mean_nothing_are_told_with_their_number() {
    for (line, message) in [
        ("lod 1m", "no command"),
        ("load 1", "duration"),
        ("eval instant up", "evaluation"),
        ("eval range from 2m to 1m step 1m up", "ends"),
        ("eval instant at 1m up\n  expect fail\n  expect fail msg: a\n  expect fail msg: b", "twice"),
    ] {
        let (code, report) = run_script(&format!("load 1m\n  up 1x10\n\n{line}\n"));
        assert_eq!((code, &report["failed"]), (1, &json!(1)), "{line}: {report}");
        let failure = &report["failures"][0];
        assert!(failure["line"].as_u64().unwrap() >= 4 && failure["query"] == "", "{failure}");
        assert!(failure["message"].as_str().unwrap().contains(message), "{line}: {failure}");
    }
}

#[test]
fn a_query_that_cannot_be_read_fails_alone() {
    let (code, report) = run_script("eval instant at 1m 1 +\n  1\n\neval instant at 1m 1\n  1\n");
    assert_eq!((code, &report["failed"], &report["passed"]), (1, &json!(1), &json!(1)), "{report}");
    assert!(report["failures"][0]["message"].as_str().unwrap().contains("parse error"), "{report}");
}

#[test]
fn a_file_that_cannot_be_read_is_a_failure_and_the_others_are_run() {
    let dir = Folders::new();
    let (good, missing) = (dir.site().join("good.test"), dir.site().join("missing.test"));
    fs::write(&good, "eval instant at 1m 1\n  1\n").unwrap();
    let (code, reports) = reports(&[missing.clone(), good.clone()]);
    assert_eq!((code, sum(&reports, "failed"), sum(&reports, "passed")), (1, 1, 1), "{reports:?}");
    assert_eq!(reports[0]["file"], missing.to_str().unwrap());
    let ended = promtest(&[missing, good], false);
    assert!(ended.code == 1 && ended.out.contains("missing.test:0: read the script: "), "{ended:?}");
    assert!(ended.out.contains("good.test: 1 passed, 0 failed, 0 skipped"), "{ended:?}");
}

#[test]
fn a_failure_has_its_place_query_and_message_in_one_line() {
    let dir = Folders::new();
    let file = dir.site().join("one.test");
    fs::write(&file, "# A comment.\neval instant at 1m 1 + 1\n  3\n").unwrap();
    let (code, reports) = reports(std::slice::from_ref(&file));
    let message = "expected the scalar 3, got 2";
    let failure = json!({"line": 2, "query": "1 + 1", "message": message});
    let report = json!({"file": file, "passed": 0, "failed": 1, "skipped": 0, "failures": [failure]});
    assert_eq!((code, reports), (1, vec![report]));
    let ended = promtest(&[file], false);
    assert!(ended.out.contains(&format!("one.test:2: 1 + 1: {message}\n")), "{ended:?}");
}

#[test]
fn no_file_is_wrong_usage() {
    assert_eq!(promtest(&[], false).code, 2);
}
