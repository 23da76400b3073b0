//! `vitrine logs`: whom it asks, and what comes of it.

use std::os::unix::fs::{MetadataExt, lchown};
use std::path::{Path, PathBuf};

use crate::harness::{Folders, Vitrine};
use crate::loki_api::{now_ns, push};

/// Lists a folder with everything in it.
fn tree(dir: &Path, res: &mut Vec<PathBuf>) {
    res.push(dir.to_path_buf());
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            tree(&entry.path(), res);
        } else {
            res.push(entry.path());
        }
    }
}

#[test]
fn the_command_asks_a_running_vitrine_and_the_store_of_a_stopped_one() {
    let vitrine = Vitrine::start();
    push(&vitrine, now_ns() - 1_000_000_000, &["level=warn first", "level=info second"]);
    let ended = vitrine.dir().run(&["logs", r#"{job="shop"} | detected_level="warn""#]);
    assert!(ended.code == 0 && ended.out.ends_with(" warn  shop  level=warn first\n"), "{ended:?}");
    let count = vitrine.dir().run(&["logs", r#"sum(count_over_time({job="shop"}[1h]))"#]);
    assert_eq!(count.out, "2  {}\n");
    let wrong = vitrine.dir().run(&["logs", r#"{job="shop"} | by"#]);
    assert!(wrong.code == 1 && wrong.err.ends_with("{job=\"shop\"} | by\n               ^^\n"), "{wrong:?}");
    let dir: Folders = vitrine.stop();
    let ended = dir.run(&["logs", r#"{job="shop"}"#, "--limit", "1"]);
    assert!(ended.code == 0 && ended.out.ends_with(" info  shop  level=info second\n"), "{ended:?}");
    let follow = dir.run(&["logs", r#"{job="shop"}"#, "--follow"]);
    assert!(follow.code == 1 && follow.err.contains("no vitrine runs on"), "{follow:?}");
}

#[test]
fn after_a_crash_only_the_owner_of_a_store_opens_it() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root gives files away");
        return;
    }
    const NOBODY: u32 = 65_534;
    let vitrine = Vitrine::start();
    push(&vitrine, now_ns(), &["the last one"]);
    let dir = vitrine.kill();
    let all = || {
        let mut res = Vec::new();
        tree(&dir.data(), &mut res);
        res
    };
    let before = all();
    before.iter().for_each(|path| lchown(path, Some(NOBODY), None).unwrap());
    let ended = dir.run(&["logs", r#"{job="shop"}"#]);
    assert!(ended.code == 1 && ended.out.is_empty(), "{ended:?}");
    assert!(ended.err.contains(" belongs to ") && ended.err.contains("run it as `sudo -u "), "{ended:?}");
    assert_eq!(all(), before);

    before.iter().for_each(|path| lchown(path, Some(0), None).unwrap());
    let ended = dir.run(&["logs", r#"{job="shop"}"#]);
    assert!(ended.code == 0 && ended.out.ends_with("the last one\n"), "{ended:?}");
    let is_private = |path: &PathBuf| std::fs::symlink_metadata(path).unwrap().mode() & 0o077 == 0;
    assert!(all().iter().all(is_private), "made for its owner only");
}
