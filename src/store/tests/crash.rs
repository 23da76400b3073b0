//! `kill -9` at a random moment: everything that `sync` acknowledged is there afterwards.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use super::*;

const DIR: &str = "VITRINE_TEST_CRASH_DIR";
const NS: i64 = START_MS * 1_000_000;

/// Enough to hit sealing, WAL rolls and replays of replays; issue 4 raises it in CI.
const KILLS: u64 = 5;

/// The child: appends for ever, and says on its standard output what is acknowledged.
#[test]
fn crash_child_writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let clock = clock();
    let store = open(Path::new(&dir), &clock);
    let first = bodies(&store).len() as i64;
    for n in first.. {
        // Large enough that blocks fill and are sealed every few rounds.
        let body = format!("{n} {}", "x".repeat(n as usize % 7 * 4_000));
        store.append_logs(vec![line(NS + n, ["a", "b"][n as usize % 2], &body)]);
        store.append_scrape(scrape(START_MS + n, &[(series("n", "a"), n as f64)]));
        store.sync().unwrap();
        // Not println: the test harness would capture it.
        let mut out = std::io::stdout();
        writeln!(out, "\nacknowledged {n}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn everything_acknowledged_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = -1;
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::crash::crash_child_writes_until_it_is_killed", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let enough = acknowledged + 20 + kill as i64 * 37;
        for text in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
            if let Some(n) = text.strip_prefix("acknowledged ") {
                acknowledged = n.parse().unwrap();
            }
            if acknowledged >= enough {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(acknowledged >= enough, "the child ended by itself after {acknowledged}");
    }
    let store = open(dir.path(), &clock());
    let found = bodies(&store);
    assert!(found.len() as i64 > acknowledged, "{} of {}", found.len(), acknowledged + 1);
    for (n, body) in found.iter().enumerate() {
        assert!(body.starts_with(&format!("{n} ")), "line {n} is {body:.20}");
    }
    let samples = values(&store, "n");
    let expect: Vec<_> = (0..samples.len() as i64).map(|n| (START_MS + n, n as f64)).collect();
    assert!(samples.len() as i64 > acknowledged);
    assert_eq!(samples, expect);
    store.close(DEADLINE).unwrap();
}
