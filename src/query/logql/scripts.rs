//! The scripts of `tests/logql`: lines that are loaded, questions, and what they are answered with.
//!
//! ```text
//! load
//!   5s {job="app"} warn {trace_id="t"} | level=warn took=5ms
//!
//! lines {job="app"} | logfmt
//!   5s {level="warn",took="5ms"} | level=warn took=5ms
//!
//! numbers 10s count_over_time({job="app"}[10s])
//!   {detected_level="warn",job="app",trace_id="t"} 1
//!
//! numbers 0s..20s/10s sum(rate({job="app"}[10s]))
//!   {} _ 0.1 _
//!
//! refused {job="app"
//!   parse error at line 1, col 11: syntax error: unexpected $end, expecting } or ,
//! ```
//!
//! A line has its time, its stream, its level or `-`, its metadata if it has any, and its text, in
//! which `\e` is an escape. An answer's lines stand oldest first with the labels that stages made;
//! `_` is no value. `load` begins anew. With `VITRINE_BLESS=1` the answers are written into the
//! scripts, to be read before they are kept.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::ast::Expr;
use super::{Engine, Error, Line, LogRange, When, parse, parse_selector};
use crate::clock::UnixNanos;
use crate::query::budget::Cancel;
use crate::query::memory::MemoryStore;
use crate::query::number::shortest;
use crate::query::promql::{Value, parse_duration};
use crate::query::quote::quoted;
use crate::record::read::{Direction, MatchOp};
use crate::record::{Labels, LogRecord, Severity};

/// A question and the lines behind it.
struct Block<'s> {
    head: &'s str,
    lines: Vec<&'s str>,
}

fn blocks(script: &str) -> Vec<Block<'_>> {
    let mut res: Vec<Block<'_>> = Vec::new();
    for line in script.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        match line.strip_prefix("  ") {
            Some(line) => res.last_mut().expect("a line belongs to a question").lines.push(line),
            None => res.push(Block { head: line, lines: Vec::new() }),
        }
    }
    res
}

fn ns(text: &str) -> i64 {
    parse_duration(text).unwrap_or_else(|fault| panic!("{text}: {fault}")) as i64 * 1_000_000
}

fn shown_time(at: UnixNanos) -> String {
    crate::query::promql::format_duration(at.0 / 1_000_000)
}

/// Takes a text in braces off the beginning, if there is one.
fn braces(text: &str) -> (Vec<(String, String)>, &str) {
    if !text.starts_with('{') {
        return (Vec::new(), text);
    }
    let (inside, rest) = text.split_at(text.find('}').expect("braces are closed") + 1);
    let pairs = parse_selector(inside).unwrap().into_iter().map(|matcher| match matcher.op {
        MatchOp::Equal(value) => (matcher.name, value),
        other => panic!("{other:?} in {inside}"),
    });
    (pairs.collect(), rest.trim_start())
}

fn record(line: &str) -> LogRecord {
    let (time, rest) = line.split_once(' ').unwrap();
    let (stream, rest) = braces(rest);
    let (level, rest) = rest.split_once(' ').unwrap();
    let (metadata, rest) = braces(rest);
    LogRecord {
        at: UnixNanos(ns(time)),
        severity: Severity::from_word(level).unwrap_or(Severity::Unspecified),
        stream: Labels::new(stream),
        metadata: metadata.into_iter().map(|(name, value)| (name.into(), value)).collect(),
        body: rest.strip_prefix('|').unwrap().trim_start().replace("\\e", "\u{1b}"),
    }
}

fn shown_labels(pairs: &[(String, String)]) -> String {
    let mut pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
    pairs.sort();
    format!("{{{}}}", pairs.join(","))
}

fn shown_line(line: &Line) -> String {
    let text = line.text.replace('\u{1b}', "\\e").replace('\n', "\\n");
    format!("{} {} | {text}", shown_time(line.at), shown_labels(&line.parsed)).trim_end().to_string()
}

fn lines(store: &MemoryStore, query: &str) -> Result<Vec<String>, Error> {
    let Expr::Log(log) = parse(query)? else { panic!("{query} makes numbers") };
    let (from, to, now) = (UnixNanos(0), UnixNanos(i64::MAX), UnixNanos(0));
    let range = LogRange { from, to, direction: Direction::Forward, limit: 100, interval_ns: 0 };
    let answer = Engine::default().lines(store, &log, &range, now, &Cancel::default())?;
    Ok(answer.lines.iter().map(shown_line).collect())
}

fn numbers(store: &MemoryStore, question: &str) -> Result<Vec<String>, Error> {
    let (when, query) = question.split_once(' ').unwrap();
    let Expr::Metric(metric) = parse(query)? else { panic!("{query} selects lines") };
    let (when, count) = match when.split_once("..") {
        None => (When::Instant(UnixNanos(ns(when))), 1),
        Some((from, rest)) => {
            let (to, step) = rest.split_once('/').unwrap();
            let (from, to, step_ns) = (ns(from), ns(to), ns(step));
            (When::Range { from: UnixNanos(from), to: UnixNanos(to), step_ns }, (to - from) / step_ns + 1)
        }
    };
    let answer = Engine::default().numbers(store, &metric, when, UnixNanos(0), &Cancel::default())?;
    Ok(match answer.value {
        Value::Scalar(sample) => vec![shortest(sample.value)],
        Value::String(_, text) => vec![text],
        Value::Vector(all) => {
            all.iter().map(|one| format!("{} {}", one.labels, shortest(one.sample.value))).collect()
        }
        Value::Matrix(all) => {
            let When::Range { from, step_ns, .. } = when else { panic!("one moment has no series") };
            let series = all.iter().map(|series| {
                let mut res = series.labels.to_string();
                for idx in 0..count {
                    let at = UnixNanos(from.0 + step_ns * idx).to_millis();
                    let found = series.samples.iter().find(|sample| sample.at == at);
                    let value = found.map_or("_".to_string(), |sample| shortest(sample.value));
                    write!(res, " {value}").expect("writing to a string does not fail");
                }
                res
            });
            series.collect()
        }
    })
}

fn answer(store: &MemoryStore, head: &str) -> Vec<String> {
    let (word, question) = head.split_once(' ').unwrap();
    let failed = |fault: Error| -> Vec<String> {
        let text = fault.to_string();
        vec![format!("refused: {}", text.lines().next().unwrap_or_default())]
    };
    match word {
        "lines" => lines(store, question).unwrap_or_else(failed),
        "numbers" => numbers(store, question).unwrap_or_else(failed),
        "refused" => match parse(question) {
            Ok(expr) => vec![format!("it is a query: {expr}")],
            Err(fault) => vec![fault.to_string()],
        },
        other => panic!("no such question: {other}"),
    }
}

#[test]
fn scripts_are_answered_as_they_say() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logql");
    let blesses = std::env::var_os("VITRINE_BLESS").is_some();
    let mut paths: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let (mut n_asked, mut faults) = (0, Vec::new());
    for path in paths {
        let script = fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let mut store = MemoryStore::default();
        let mut blessed = script
            .lines()
            .take_while(|line| line.starts_with('#'))
            .fold(String::new(), |text, line| text + line + "\n");
        for block in blocks(&script) {
            writeln!(blessed, "\n{}", block.head).unwrap();
            if block.head == "load" {
                store = MemoryStore::default();
                block.lines.iter().for_each(|line| store.record(record(line)));
                block.lines.iter().for_each(|line| writeln!(blessed, "  {line}").unwrap());
                continue;
            }
            n_asked += 1;
            let answered = answer(&store, block.head);
            answered.iter().for_each(|line| writeln!(blessed, "  {line}").unwrap());
            if answered != block.lines {
                faults.push(format!(
                    "{name}: {}\n  expected {:#?}\n  answered {answered:#?}",
                    block.head, block.lines
                ));
            }
        }
        if blesses {
            fs::write(&path, blessed).unwrap();
        }
    }
    assert!(n_asked > 100, "{n_asked} questions");
    assert!(blesses || faults.is_empty(), "{} of {n_asked} differ:\n{}", faults.len(), faults.join("\n"));
}
