use std::time::Duration;

use proptest::prelude::*;

use super::super::extract::PatternFilter;
use super::super::{Engine, Limits, parse_log};
use super::cut::Cutter;
use super::*;
use crate::query::budget::Cancel;
use crate::query::memory::MemoryStore;
use crate::record::Severity;

const SECOND: i64 = 1_000_000_000;

/// Asks a store for all patterns by steps of ten seconds.
fn asked(engine: &Engine, store: &MemoryStore, query: &str) -> Result<Vec<Mined>, Error> {
    let range = PatternRange { from: UnixNanos(0), to: UnixNanos(1_000 * SECOND), step_ns: 10 * SECOND };
    let log = parse_log(query)?;
    engine.patterns(store, &log, &range, UnixNanos(0), &Cancel::default()).map(|answer| answer.patterns)
}

fn store<T: AsRef<str>>(lines: &[T]) -> MemoryStore {
    let res = MemoryStore::default();
    for (at, line) in lines.iter().enumerate() {
        res.line(at as i64 % 1_000 * SECOND, "app", Severity::Info, line.as_ref());
    }
    res
}

fn mined<T: AsRef<str>>(lines: &[T]) -> Vec<Mined> {
    asked(&Engine::default(), &store(lines), r#"{job="app"}"#).unwrap()
}

fn check(lines: &[String], expect: &[(u64, &str)]) {
    let found = mined(lines);
    let found: Vec<(u64, &str)> = found.iter().map(|one| (one.n_lines, one.pattern.as_str())).collect();
    assert_eq!(found, expect);
}

/// The lines that a pattern matches, by the filter that a query has.
fn n_matched<T: AsRef<str>>(pattern: &str, lines: &[T]) -> usize {
    let filter = PatternFilter::new(pattern).unwrap_or_else(|fault| panic!("{pattern:?}: {fault}"));
    lines.iter().filter(|line| filter.is_match(line.as_ref())).count()
}

/// Each pattern matches as many lines as it has, and each line is matched by one.
fn check_matches<T: AsRef<str>>(lines: &[T]) {
    for one in &mined(lines) {
        let n_matched = n_matched(&one.pattern, lines) as u64;
        assert!(n_matched >= one.n_lines, "{:?}: {n_matched} of {}", one.pattern, one.n_lines);
    }
    // Those that say nothing and the rarest, too.
    let (mut shapes, mut cutter) = (Shapes::default(), Cutter::new());
    for line in lines {
        let cut = cutter.cut(line.as_ref());
        shapes.add(0, cut, &cutter, 0);
    }
    let grown = tree::grown(shapes.take());
    assert_eq!(grown.iter().map(|shape| shape.n_lines).sum::<u64>(), lines.len() as u64);
    let filters: Vec<PatternFilter> =
        grown.iter().map(|shape| PatternFilter::new(&shape.pattern()).unwrap()).collect();
    for line in lines.iter().map(T::as_ref) {
        assert!(filters.iter().any(|filter| filter.is_match(line)), "{line:?}");
    }
}

#[test]
fn templates_are_found_in_what_programs_write() {
    let line = |n: u32| match n % 5 {
        0 => format!(
            r#"203.0.113.{} - - [17/Jun/2024:12:{:02}:00 +0000] "GET /blog/{n} HTTP/1.1" 200 {} "-" "curl/8.5.0""#,
            n % 256,
            n % 60,
            n * 7
        ),
        1 => format!(
            r#"{{"request_id":"{n:08x}","level":"info","latency_ms":{n}.5,"msg":"payment {n} accepted"}}"#
        ),
        2 => format!(
            "level=info ts=2024-06-17T12:00:{:02}Z caller=a/b.go:17 msg=\"query done\" took={n}ms",
            n % 60
        ),
        3 => {
            format!("sshd[{n}]: Accepted publickey for root from 10.0.0.{} port {} ssh2", n % 256, 1_024 + n)
        }
        _ => format!("kernel: eth0: link up, {n} Mbps"),
    };
    check(
        &(0..200).map(line).collect::<Vec<_>>(),
        &[
            (40, r#"<_> - - [<_> +0000] "GET <_> HTTP/1.1" 200 <_> "-" "curl/8.5.0""#),
            (40, r#"<_>"msg":"payment <_> accepted"<_>"#),
            (40, "kernel: eth0: link up, <_> Mbps"),
            (40, r#"level=info ts=<_> caller=a/b.go:17 msg="query done" took=<_>"#),
            (40, "sshd[<_>]: Accepted publickey for root from <_> port <_> ssh2"),
        ],
    );
    check_matches(&(0..200).map(line).collect::<Vec<_>>());
}

#[test]
fn lines_are_counted_by_level_and_step() {
    let store = MemoryStore::default();
    for n in 0..6 {
        let severity = if n < 2 { Severity::Error } else { Severity::Unspecified };
        store.line(n * n * 3 * SECOND, "app", severity, &format!("job {n} done"));
    }
    let found = asked(&Engine::default(), &store, r#"{job="app"}"#).unwrap();
    let seconds = |one: &Mined| one.samples.iter().map(|(at, n)| (at.0 / SECOND, *n)).collect::<Vec<_>>();
    assert_eq!((found[0].level, found[0].pattern.as_str()), ("unknown", "job <_> done"));
    assert_eq!(seconds(&found[0]), [(10, 1), (20, 1), (30, 0), (40, 1), (50, 0), (60, 0), (70, 1)]);
    assert_eq!((found[1].level, seconds(&found[1])), ("error", vec![(0, 2)]));
    assert_eq!(found.len(), 2);
}

#[test]
fn stages_say_what_is_mined() {
    let lines: Vec<String> = (0..20).map(|n| format!(r#"n={n} msg="all is well" level=warn"#)).collect();
    let asked = |query| asked(&Engine::default(), &store(&lines), query).unwrap();
    let found = asked(r#"{job="app"} | logfmt | n < 5 | line_format "{{.msg}} {{.n}}""#);
    assert_eq!((found.len(), found[0].pattern.as_str(), found[0].n_lines), (1, "all is well <_>", 5));
    assert_eq!(asked(r#"{job="app"} |= "n=7""#)[0].pattern, lines[7]);
    let levels = asked(r#"{job="app"} | label_format detected_level="critical""#);
    assert_eq!((levels[0].level, levels[0].n_lines), ("critical", 20));
    assert!(asked(r#"{job="other"}"#).is_empty());
}

#[test]
fn hostile_lines_are_bounded() {
    let mut lines =
        vec!["x".repeat(256 << 10), " ".repeat(256 << 10), String::new(), "=\u{0}é".repeat(9_000)];
    lines.push(r#"{"msg":"#.repeat(2_000) + "}");
    lines.push(r#"{"msg":""#.to_string() + &"\\\"".repeat(9_000) + r#""}"#);
    lines.push("<_>".repeat(500));
    lines.push("<a> <_> <_b> < _> <> <".to_string());
    check_matches(&lines);

    // Ten thousand shapes, of gaps and of names.
    let name =
        |n: usize| n.to_string().bytes().map(|digit| char::from(digit - b'0' + b'k')).collect::<String>();
    let by_gaps =
        |n: usize| (0..14).map(|bit| if n >> bit & 1 == 1 { "a " } else { "b, " }).collect::<String>();
    let shapes: Vec<String> = (0..10_000).map(by_gaps).collect();
    let found = mined(&shapes);
    assert!(found.len() == PATTERNS_MAX && n_matched(&found[0].pattern, &shapes) == 1, "{}", found.len());
    let shapes: Vec<String> = (0..10_000).map(|n| format!("user {} is here", name(n))).collect();
    let found = mined(&shapes);
    assert_eq!(found[0].pattern, "user <_> is here");
    assert!(found[0].n_lines > 9_900 && found.len() < 30, "{} {}", found[0].n_lines, found.len());
}

#[test]
fn what_may_be_held_and_the_time_are_kept_to() {
    let lines: Vec<String> = (0..3_000).map(|n| format!("{} {n}", "a, ".repeat(n % 100))).collect();
    let engine = |held_max, timeout| Engine { limits: Limits { held_max, timeout }, ..Engine::default() };
    let ask = |engine: Engine| asked(&engine, &store(&lines), r#"{job="app"}"#);
    let second = Duration::from_secs(60);
    assert!(matches!(ask(engine(100, second)), Err(Error::TooMuch { .. })));
    assert!(matches!(ask(engine(100_000, Duration::ZERO)), Err(Error::Timeout)));
    assert!(ask(engine(100_000, second)).is_ok());
    // What is found is put together long before that.
    assert!(ask(engine(20_000, second)).is_ok());
}

/// Lines of real systems, where some are at hand.
#[test]
fn lines_of_real_systems_match_their_patterns() {
    let Some(dir) = std::env::var_os("VITRINE_LOG_SAMPLES") else { return };
    for entry in std::fs::read_dir(dir).unwrap() {
        let Ok(text) = std::fs::read_to_string(entry.unwrap().path()) else { continue };
        let lines: Vec<&str> = text.lines().take(5_000).collect();
        check_matches(&lines);
    }
}

fn template() -> impl Strategy<Value = Vec<String>> {
    let piece = prop_oneof![
        "[a-z]{1,6}",
        Just(" ".to_string()),
        Just("# ".to_string()),
        Just("#".to_string()),
        Just("@".to_string()),
        "[ =:\"\\[\\](){},.;<>_/|é-]{1,3}",
    ];
    prop::collection::vec(piece, 1..12)
}

/// Puts numbers and names into the places of a template.
fn filled(template: &[String], seed: u32) -> String {
    let name = |n: u32| char::from(b'a' + (n % 26) as u8).to_string().repeat(1 + n as usize % 3);
    let piece = |(idx, piece): (usize, &String)| {
        let n = seed.wrapping_mul(2_654_435_761).wrapping_add(idx as u32 * 97) >> 7;
        piece.replace('#', &n.to_string()).replace('@', &name(n))
    };
    template.iter().enumerate().map(piece).collect()
}

proptest! {
    #[test]
    fn lines_match_the_patterns_that_were_mined_of_them(
        templates in prop::collection::vec(template(), 1..5),
        in_json in any::<bool>(),
    ) {
        let line = |n: u32| {
            let text = filled(&templates[n as usize % templates.len()], n);
            if in_json { format!(r#"{{"a":"{n}","msg":"{text}","b":"msg"}}"#) } else { text }
        };
        let lines: Vec<String> = (0..120).map(line).collect();
        check_matches(&lines);
        let mut turned = lines.clone();
        turned.reverse();
        let shown = |lines: &[String]| mined(lines).into_iter().map(|one| (one.pattern, one.n_lines)).collect::<Vec<_>>();
        prop_assert_eq!(shown(&lines), shown(&turned));
    }

    #[test]
    fn any_lines_do_no_harm_and_match(
        lines in prop::collection::vec("[ab1 <>_:\"{}=]{0,12}|\\PC{0,20}", 1..40),
        n_before in prop_oneof![Just(0), cut::LINE_MAX_BYTES - 20..cut::LINE_MAX_BYTES],
    ) {
        // Long ones are cut off anywhere.
        let lines: Vec<String> = lines.iter().map(|line| "y".repeat(n_before) + line).collect();
        for one in mined(&lines) {
            prop_assert!(n_matched(&one.pattern, &lines) as u64 >= one.n_lines, "{:?}", one);
        }
    }
}
