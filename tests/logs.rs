//! `vitrine logs`: whom it asks, and what comes of it.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};

use crate::harness::{Folders, PATIENCE, Vitrine, run};
use crate::line::{BINARY, Line};
use crate::loki_api::{now_ns, push};

const SHOP: &str = r#"{job="shop"}"#;

/// `vitrine logs --follow`, ended when dropped.
struct Follower {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
}

impl Follower {
    fn start(dir: &Folders, more: &[&str]) -> Self {
        let mut command = Command::new(BINARY);
        command.args(["logs", SHOP, "--follow"]).args(more).arg("--data").arg(dir.data());
        command.current_dir(dir.site()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = each_line(child.stdout.take().unwrap());
        let err = each_line(child.stderr.take().unwrap());
        Follower { child, out, err }
    }

    /// Starts before there is a line, and waits until that is said.
    fn start_early(dir: &Folders, more: &[&str]) -> Self {
        let res = Follower::start(dir, more);
        let said = res.err.recv_timeout(PATIENCE).unwrap();
        assert_eq!(said, "no lines in the last 1h; new ones are shown");
        res
    }

    fn line(&self) -> String {
        self.out.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no line, but {:?}", self.err.try_recv()))
    }

    /// The last word of the next line.
    fn word(&self) -> String {
        self.line().rsplit(' ').next().unwrap().to_string()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // It may have ended already, which is as well.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn each_line(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, res) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    res
}

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

#[test]
fn a_follow_goes_on_behind_what_its_limit_left_out() {
    let vitrine = Vitrine::start();
    push(&vitrine, now_ns() - 1_000_000_000, &["one", "two", "three", "four"]);
    let follower = Follower::start(vitrine.dir(), &["--limit", "2"]);
    assert_eq!([follower.word(), follower.word()], ["three", "four"]);
    push(&vitrine, now_ns(), &["five"]);
    assert_eq!(follower.word(), "five");
    // Later than others, and shown still.
    push(&vitrine, now_ns() - 500_000_000, &["late"]);
    assert_eq!(follower.word(), "late");
}

#[test]
fn a_follow_prints_every_line_once_across_hand_overs() {
    let mut line = Line::start();
    let follower = Follower::start_early(line.dir(), &[]);
    for n in 0..6 {
        push(line.vitrine(), now_ns(), &[&format!("{n}a"), &format!("{n}b")]);
        if n % 2 == 1 {
            line.hand_over("restart");
        }
    }
    push(line.vitrine(), now_ns(), &["end"]);
    let mut words: Vec<String> = (0..13).map(|_| follower.word()).collect();
    words.sort_unstable();
    let expect: Vec<String> = (0..6).flat_map(|n| [format!("{n}a"), format!("{n}b")]).collect();
    assert_eq!(words, [expect, vec!["end".to_string()]].concat());
    line.stop();
}

#[test]
fn a_follow_loses_nothing_of_what_no_answer_holds() {
    let vitrine = Vitrine::start();
    let follower = Follower::start_early(vitrine.dir(), &["--json"]);
    // An answer has 5,000 lines at most.
    let texts: Vec<String> = (0..6_000).map(|n| format!("n={n}")).collect();
    for thousand in texts.chunks(1_000) {
        push(&vitrine, now_ns() - 1_000_000_000, &thousand.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let objects: Vec<Value> =
        texts.iter().map(|_| serde_json::from_str(&follower.line()).expect("an object a line")).collect();
    let lines: BTreeSet<&str> = objects.iter().map(|object| object["line"].as_str().unwrap()).collect();
    assert_eq!(lines.len(), texts.len());
    assert_eq!(
        objects[0]["labels"],
        json!({"detected_level": "unknown", "job": "shop", "service_name": "shop"})
    );
    let at: jiff::Timestamp = objects[0]["timestamp"].as_str().unwrap().parse().unwrap();
    assert!(at.as_nanosecond() > i128::from(now_ns()) - 60_000_000_000);
    push(&vitrine, now_ns(), &["end"]);
    assert!(follower.line().contains(r#""line":"end""#));
}

#[test]
fn what_cannot_be_is_refused_and_nothing_found_is_said() {
    let vitrine = Vitrine::start();
    let refused = |args: &[&str], expect: &str| {
        let ended = vitrine.dir().run(&[&["logs"], args].concat());
        assert!(ended.code == 1 && ended.out.is_empty() && ended.err.contains(expect), "{ended:?}");
    };
    refused(&[r#"rate({job="shop"}[1m])"#, "--follow"], "this expression makes numbers: leave out --follow");
    refused(&[SHOP, "--since", "0s"], "must be longer than nothing");
    refused(&[SHOP, "--since", "300y"], "292y at most");
    let ended = vitrine.dir().run(&["logs", SHOP, "--since", "5m"]);
    assert_eq!((ended.code, &*ended.out), (0, ""));
    assert_eq!(ended.err, "no lines in the last 5m; --since looks further back\n");
}

#[test]
fn a_line_does_not_steer_the_terminal_that_shows_it() {
    let vitrine = Vitrine::start();
    push(&vitrine, now_ns(), &["a\u{1b}[2J\u{7}\r\nb\tc"]);
    let piped = vitrine.dir().run(&["logs", SHOP]);
    assert!(piped.out.ends_with("  a\u{1b}[2J\u{7}\r\nb\tc\n"), "{piped:?}");

    // script(1) is a terminal.
    if Command::new("script").arg("--version").output().is_err() {
        println!("skipped: there is no script");
        return;
    }
    let mut command = Command::new("script");
    let line = format!("{BINARY} logs '{SHOP}' --data {}", vitrine.dir().data().display());
    command.args(["-qec", &line, "/dev/null"]).current_dir(vitrine.dir().site());
    command.env("SHELL", "/bin/sh").env("NO_COLOR", "1").stdin(Stdio::null());
    let shown = run(command);
    assert!(shown.out.trim_end().ends_with("  a\\u{1b}[2J\\u{7}\\r\\nb\tc"), "{shown:?}");
}
