//! Queries that nobody would write: they are refused or answered, within bounds, and never worse.

use proptest::prelude::*;

use super::ast::Expr;
use super::{Engine, Error, Limits, LogRange, When, parse, parse_unchecked, pretty};
use crate::clock::UnixNanos;
use crate::query::budget::Cancel;
use crate::query::memory::MemoryStore;
use crate::record::Severity;
use crate::record::read::Direction;

/// What queries are made of, with what stands wherever it may.
const WORDS: &[&str] = &[
    "{",
    "}",
    "(",
    ")",
    "[5m]",
    "[1s]",
    ",",
    "=",
    "!=",
    "=~",
    "!~",
    "|=",
    "|~",
    "|>",
    "!>",
    "|",
    "==",
    ">",
    ">=",
    "<",
    "<=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    "a",
    "job",
    "level",
    "\"a\"",
    "\"app\"",
    "\"(?P<x>.)\"",
    "\"<x> <_>\"",
    "`{{.a}}`",
    "\"\"",
    "1",
    "0.5",
    "5m",
    "1KB",
    "-3s",
    "json",
    "logfmt",
    "regexp",
    "pattern",
    "unpack",
    "unwrap",
    "line_format",
    "label_format",
    "decolorize",
    "drop",
    "keep",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "bool",
    "offset",
    "and",
    "or",
    "unless",
    "ip(\"1.2.3.4\")",
    "duration(a)",
    "bytes(a)",
    "--strict",
    "rate(",
    "count_over_time(",
    "sum_over_time(",
    "quantile_over_time(",
    "absent_over_time(",
    "sum(",
    "topk(",
    "sort(",
    "vector(1)",
    "label_replace(",
    "{job=\"app\"}",
    "{job=~\".+\"} | logfmt",
    "{job=\"app\"} | json [5m])",
    "count_over_time({job=\"app\"}[5m])",
    "#",
    "\n",
    "\u{1b}",
    "é",
];

fn store() -> MemoryStore {
    let store = MemoryStore::default();
    let lines = [
        "a=1 b=\"x y\" level=warn took=5ms",
        r#"{"a":1,"b":{"c":"d"},"level":"info"}"#,
        "plain text with 1.2.3.4 and \u{1b}[31mcolour\u{1b}[0m",
        r#"{"_entry":"inner a=2","pod":"p"}"#,
        "",
        "{\"a\":",
    ];
    for (at, line) in (1_i64..).zip(lines) {
        store.line(at * 1_000_000_000, "app", Severity::Info, line);
    }
    store
}

/// Answers a query if it is one, by limits that a large answer meets.
fn answered(query: &str) -> Result<(), Error> {
    let engine = Engine { limits: Limits { held_max: 10_000, ..Limits::default() }, ..Engine::default() };
    let (store, cancel, now) = (store(), Cancel::default(), UnixNanos(7_000_000_000));
    match parse(query)? {
        Expr::Log(log) => {
            let range = LogRange {
                from: UnixNanos(0),
                to: now,
                direction: Direction::Backward,
                limit: 10,
                interval_ns: 0,
            };
            engine.lines(&store, &log, &range, now, &cancel).map(|_| ())
        }
        Expr::Metric(metric) => {
            let when = When::Range { from: UnixNanos(0), to: now, step_ns: 1_000_000_000 };
            engine.numbers(&store, &metric, when, now, &cancel)?;
            engine.numbers(&store, &metric, When::Instant(now), now, &cancel).map(|_| ())
        }
    }
}

fn check(query: &str) {
    // Whatever it says, it says something.
    _ = answered(query);
    if let Ok(expr) = parse_unchecked(query) {
        for printed in [expr.to_string(), pretty(&expr)] {
            let again = parse_unchecked(&printed)
                .unwrap_or_else(|fault| panic!("{query:?} became {printed:?}: {fault}"));
            assert_eq!(again.to_string(), expr.to_string(), "{query:?}");
        }
    }
}

proptest! {
    #[test]
    fn a_soup_of_words_is_refused_or_answered(words in prop::collection::vec(prop::sample::select(WORDS), 0..14)) {
        check(&words.join(" "));
    }

    #[test]
    fn stages_behind_one_another_are_refused_or_run(
        stages in prop::collection::vec(prop::sample::select(&[
            "| json", "| logfmt", "| logfmt --strict", "| unpack", "| decolorize", "| json a=\"b.c\"", "| a > 0",
            "| a = \"1\" or b != \"x\"", "|= \"a\"", "!= \"b\" or \"c\"", "| drop a", "| keep a, level", "| took > 1ms",
            "| line_format `{{.a}} {{__line__}}`", "| label_format x=a, y=`{{.b}}`", "|> \"<_>=<_>\"",
            "| regexp `(?P<a>\\w+)=`", "| pattern `<a>=<b> <_>`", "| __error__ = \"\"", "|~ `\\d`",
        ][..]), 0..8),
        around in prop::sample::select(&[
            "", "count_over_time(S[3s])", "sum by (a) (rate(S[2s]))", "max_over_time(S | unwrap a [5s]) by (level)",
            "topk(2, bytes_over_time(S[1s] offset 1s))", "quantile_over_time(0.5, S | unwrap a | __error__=`` [4s])",
            "rate_counter(S | unwrap duration(took) [9s])", "absent_over_time(S[1s]) or vector(1) > bool 2",
        ][..]),
    ) {
        let selection = format!("{{job=\"app\"}} {}", stages.join(" "));
        check(&if around.is_empty() { selection } else { around.replace('S', &selection) });
    }

    #[test]
    fn any_text_is_refused_or_answered(query in "\\PC{0,60}") {
        check(&query);
    }
}
