//! `kill -9` at a random moment: everything that `sync` acknowledged is there afterwards.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use super::rollups::rolled;
use super::*;
use crate::record::read::SpanRead;
use crate::record::trace::{SpanId, TraceId};
use crate::record::{self, Resolution, RolledStep, Sample, Span, SpanKind, SpanStatus};
use crate::store::Retention;

const DIR: &str = "VITRINE_TEST_CRASH_DIR";
const NS: i64 = START_MS * 1_000_000;

/// Kills without being asked; CI asks for fifty by `VITRINE_KILLS`.
fn n_kills() -> u64 {
    std::env::var("VITRINE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(5)
}

fn span(n: i64) -> Span {
    Span {
        trace_id: TraceId([7; 16]),
        span_id: SpanId((n as u64 + 1).to_be_bytes()),
        parent: None,
        name: n.to_string().into(),
        kind: SpanKind::Internal,
        service: "vitrine".into(),
        start: UnixNanos(NS + n),
        duration: Duration::from_millis(1),
        status: SpanStatus::Unset,
        status_message: String::new(),
        attributes: Vec::new(),
        events: Vec::new(),
    }
}

/// One round is a minute, so that roll-ups are made too, and everything is young enough.
const ROUND: Duration = Duration::from_secs(60);

fn at_ms(n: i64) -> i64 {
    START_MS + n * ROUND.as_millis() as i64
}

fn config() -> Config {
    let config = Config::default();
    Config { spans: Retention { max_age: ROUND * 100_000, ..config.spans }, ..config }
}

/// The child: appends for ever, and says on its standard output what is acknowledged.
#[test]
fn crash_child_writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    // Not println: the test harness would capture it.
    let say = |text: &str| {
        let mut out = std::io::stdout();
        writeln!(out, "\n{text}").unwrap();
        out.flush().unwrap();
    };
    let clock = clock();
    let store = open_with(Path::new(&dir), config(), &clock).unwrap();
    let first = bodies(&store).len() as i64;
    clock.advance(ROUND * first as u32);
    for n in first.. {
        // Large enough that blocks fill and are sealed every few rounds.
        let body = format!("{n} {}", "x".repeat(n as usize % 7 * 4_000));
        store.append_logs(vec![line(NS + n, ["a", "b"][n as usize % 2], &body)]);
        store.append_scrape(scrape(at_ms(n), &[(series("n", "a"), n as f64)]));
        store.append_spans(vec![span(n)]);
        // Blocks that wait for each other are sealed by time.
        clock.advance(ROUND);
        // A disk that is gone is how a cut of its power looks from here.
        if store.sync().is_err() {
            break;
        }
        say(&format!("acknowledged {n}"));
    }
    std::thread::park();
}

/// Starts the child on a data directory.
pub(super) fn acknowledged_child(dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::tests::crash::crash_child_writes_until_it_is_killed", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Checks that what the child said is acknowledged is there, whole, and nothing twice.
pub(super) fn check_acknowledged(dir: &Path, acknowledged: i64) {
    let store = open_with(dir, config(), &clock()).unwrap();
    let found = bodies(&store);
    assert!(found.len() as i64 > acknowledged, "{} of {}", found.len(), acknowledged + 1);
    for (n, body) in found.iter().enumerate() {
        assert!(body.starts_with(&format!("{n} ")), "line {n} is {body:.20}");
    }
    let samples = values(&store, "n");
    let expect: Vec<_> = (0..samples.len() as i64).map(|n| (at_ms(n), n as f64)).collect();
    assert!(samples.len() as i64 > acknowledged);
    assert_eq!(samples, expect);
    let samples: Vec<Sample> =
        samples.iter().map(|(at, value)| Sample { at: UnixMillis(*at), value: *value }).collect();
    let rollups: Vec<RolledStep> = record::rollup::rollups(&samples, Duration::from_secs(60)).collect();
    assert_eq!(rolled(&store, Resolution::Minute, START_MS, i64::MAX)[0].1, rollups);
    let spans = store.trace(TraceId([7; 16])).unwrap();
    assert!(spans.len() as i64 > acknowledged);
    assert!(spans.iter().enumerate().all(|(n, found)| *found == span(n as i64)));
    store.close(DEADLINE).unwrap();
}

#[test]
fn everything_acknowledged_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = -1;
    for kill in 0..n_kills() {
        let mut child = acknowledged_child(dir.path());
        let enough = acknowledged + 5 + (kill * 37 % 101) as i64;
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
    check_acknowledged(dir.path(), acknowledged);
}
