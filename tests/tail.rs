//! Log files of other programs: followed through a rotation and a restart by the real program.

use std::fs;
use std::io::Write;
use std::path::Path;

use rustix::process::Signal;

use crate::harness::{Folders, Vitrine, wait_until};

fn append(path: &Path, text: &str) {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn configure(dir: &Folders, tag: &str) -> std::path::PathBuf {
    let log = dir.site().join("shop.log");
    let pattern = dir.site().join("*.log");
    let config = format!("[[logs.file]]\npath = {pattern:?}\ntag = {tag:?}\n");
    fs::write(dir.site().parent().unwrap().join("vitrine.toml"), config).unwrap();
    log
}

/// Waits until `/admin` shows each line, and asserts that it shows none twice.
fn expect_once(vitrine: &Vitrine, word: &str, n_lines: usize) {
    let shown = wait_until(&format!("/admin shows {n_lines} lines with {word}"), || {
        let shown = vitrine.logged(word);
        (shown.len() >= n_lines).then_some(shown)
    });
    assert_eq!(shown.len(), n_lines, "{shown:#?}");
    for n in 10..10 + n_lines {
        let line = format!("{word} {n}");
        assert_eq!(shown.iter().filter(|shown| shown.contains(&line)).count(), 1, "{line} of {shown:#?}");
    }
}

#[test]
fn each_line_is_seen_once_through_rotation_reload_and_restart() {
    let dir = Folders::new();
    let log = configure(&dir, "shop");
    append(&log, "sold 0, before anybody looked\n");
    let mut vitrine = Vitrine::start_on(dir);
    wait_until("its end was noted", || {
        let positions = fs::read_to_string(vitrine.dir().data().join("logs-positions.json"));
        positions.is_ok_and(|text| text.contains("shop.log")).then_some(())
    });
    append(&log, "sold 10\n");
    expect_once(&vitrine, "sold", 1);
    append(&log, "sold 11\n");
    fs::rename(&log, log.with_extension("log.1")).unwrap();
    append(&log, "sold 12\n");
    expect_once(&vitrine, "sold", 3);

    configure(vitrine.dir(), "counter");
    vitrine.signal(Signal::HUP);
    vitrine.wait_for_line("reloaded");
    append(&log, "sold 13\n");
    expect_once(&vitrine, "sold", 4);
    let shown = vitrine.logged("sold").concat();
    assert!(shown.contains("shop") && shown.contains("counter"), "the tag names the stream");

    let dir = vitrine.stop();
    append(&log, "sold 14\n");
    fs::rename(&log, log.with_extension("log.1")).unwrap();
    append(&log, "sold 15\n");
    let vitrine = Vitrine::start_on(dir);
    expect_once(&vitrine, "sold", 6);
    append(&log, "sold 16\n");
    expect_once(&vitrine, "sold", 7);
    let metrics = vitrine.get_as_admin("/metrics").text();
    let counted = metrics.lines().any(|line| {
        line.starts_with("vitrine_ingest_records_total{") && line.contains("\"file\"") && line.ends_with(" 3")
    });
    assert!(counted, "{metrics}");
}

#[test]
fn a_wrong_source_is_named_by_check() {
    let dir = Folders::new();
    fs::write(dir.site().parent().unwrap().join("vitrine.toml"), "[[logs.file]]\nformat = \"xml\"\n")
        .unwrap();
    let ended = dir.run(&["check"]);
    assert_eq!(ended.code, 78, "{ended:?}");
    for text in
        ["vitrine.toml:2:1", "`logs.file.path` is missing", "\"xml\" is not auto, text, json or access"]
    {
        assert!(ended.err.contains(text), "{text:?} is not in:\n{}", ended.err);
    }
}
