//! An answer as people or programs read it.
//!
//! What others wrote never steers a terminal: there control characters are escaped, so that no line
//! clears the screen, hides itself or looks like two. What goes to a file or another program goes as
//! it is.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};

use anyhow::Context;
use serde_json::{Value, json};

use crate::app::query::in_words;

/// How to print.
pub(super) struct Printer {
    as_json: bool,
    to_terminal: bool,
    has_colours: bool,
}

/// A line of an answer.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    /// When it happened, in nanoseconds since 1970.
    pub at_ns: i64,
    /// Its text.
    pub text: &'a str,
    /// The labels of its stream.
    pub stream: &'a Value,
    /// Its other labels, by where they come from.
    pub categories: &'a Value,
}

/// Returns the lines of an answer, the oldest first.
pub(super) fn lines_of(answer: &Value) -> Vec<Line<'_>> {
    let mut res = Vec::new();
    for stream in list(&answer["data"]["result"]) {
        res.extend(list(&stream["values"]).map(|value| Line {
            at_ns: value[0].as_str().and_then(|at| at.parse().ok()).unwrap_or_default(),
            text: value[1].as_str().unwrap_or_default(),
            stream: &stream["stream"],
            categories: &value[2],
        }));
    }
    res.sort_by_key(|line| line.at_ns);
    res
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

impl Printer {
    /// Prints to standard output, in colours where somebody sees them.
    pub fn new(as_json: bool) -> Self {
        let to_terminal = io::stdout().is_terminal();
        let wants_colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Printer { as_json, to_terminal, has_colours: to_terminal && wants_colours }
    }

    /// Prints numbers.
    pub fn numbers(&self, answer: &Value) -> anyhow::Result<()> {
        let text = if self.as_json { self.whole(answer) } else { in_words(&answer["data"]) };
        write(&text)
    }

    /// Prints an answer that is the only one.
    pub fn answer(&self, answer: &Value) -> anyhow::Result<()> {
        if self.as_json { write(&self.whole(answer)) } else { self.lines(&lines_of(answer)) }
    }

    /// Prints lines, each as what it is by itself.
    pub fn lines(&self, lines: &[Line<'_>]) -> anyhow::Result<()> {
        let text: String = lines
            .iter()
            .map(|line| if self.as_json { self.whole(&object(line)) } else { self.in_words(line) })
            .collect();
        write(&text)
    }

    /// JSON in one line. What it leaves raw in a string, `DEL` and C1, it may escape too.
    fn whole(&self, value: &Value) -> String {
        let text = value.to_string();
        if !self.to_terminal || !text.contains(char::is_control) {
            return text + "\n";
        }
        let escape = |c: char| if c.is_control() { format!("\\u{:04x}", c as u32) } else { c.to_string() };
        text.chars().map(escape).chain(["\n".to_string()]).collect()
    }

    /// The time, the level, whose line it is, and the line.
    fn in_words(&self, line: &Line<'_>) -> String {
        let at = moment(line.at_ns, 3);
        let level = line.categories["structuredMetadata"]["detected_level"].as_str().unwrap_or("unknown");
        let whose =
            ["job", "service_name"].iter().find_map(|name| line.stream[*name].as_str()).unwrap_or("-");
        let (begin, end) = if self.has_colours { (colour(level), "\u{1b}[0m") } else { ("", "") };
        let level = self.seen(if level == "unknown" { "-" } else { level });
        format!("{at} {begin}{level:<5}{end} {}  {}\n", self.seen(whose), self.seen(line.text))
    }

    /// A text as it may be seen here.
    fn seen<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let steers = |c: char| c.is_control() && c != '\t';
        if !self.to_terminal || !text.contains(steers) {
            return text.into();
        }
        let escape = |c: char| if steers(c) { c.escape_default().to_string() } else { c.to_string() };
        text.chars().map(escape).collect::<String>().into()
    }
}

/// A line as `logcli --output=jsonl` has it, with all its labels, the time in UTC.
fn object(line: &Line<'_>) -> Value {
    let kinds = [line.stream, &line.categories["structuredMetadata"], &line.categories["parsed"]];
    let labels: BTreeMap<&String, &Value> =
        kinds.iter().filter_map(|kind| kind.as_object()).flatten().collect();
    json!({"labels": labels, "line": line.text, "timestamp": moment(line.at_ns, 9)})
}

/// A moment by RFC 3339 with so many digits of a second's part.
fn moment(at_ns: i64, digits: usize) -> String {
    let at = jiff::Timestamp::from_nanosecond(at_ns.into());
    at.map_or_else(|_| at_ns.to_string(), |at| format!("{at:.digits$}"))
}

/// Colours that also tell by how bright they are.
fn colour(level: &str) -> &'static str {
    match level {
        "fatal" => "\u{1b}[1;31m",
        "error" => "\u{1b}[31m",
        "warn" => "\u{1b}[33m",
        "info" => "\u{1b}[32m",
        "debug" | "trace" => "\u{1b}[2m",
        _ => "",
    }
}

fn write(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("write to standard output")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPED: Printer = Printer { as_json: false, to_terminal: false, has_colours: false };
    const TERMINAL: Printer = Printer { as_json: false, to_terminal: true, has_colours: true };

    fn printed(printer: &Printer, level: &str, text: &str) -> String {
        let line = Line {
            at_ns: 1_763_800_000_123_456_789,
            text,
            stream: &json!({"service_name": "vitrine", "job": "access"}),
            categories: &json!({"structuredMetadata": {"detected_level": level}, "parsed": {"a": "b"}}),
        };
        if printer.as_json { printer.whole(&object(&line)) } else { printer.in_words(&line) }
    }

    #[test]
    fn a_line_says_when_how_bad_and_whose() {
        let check = |level: &str, expect: &str| assert_eq!(printed(&PIPED, level, "GET / 200"), expect);
        check("info", "2025-11-22T08:26:40.123Z info  access  GET / 200\n");
        check("unknown", "2025-11-22T08:26:40.123Z -     access  GET / 200\n");
        assert!(printed(&TERMINAL, "error", "").contains("\u{1b}[31merror\u{1b}[0m access"));
    }

    #[test]
    fn only_a_terminal_is_spared_what_would_steer_it() {
        let text = "a\u{1b}[2J\u{7}\tb\r\nc\u{9b}2Jé";
        assert!(printed(&PIPED, "info", text).ends_with(&format!("  {text}\n")));
        let seen = printed(&TERMINAL, "info", text);
        assert!(seen.ends_with("  a\\u{1b}[2J\\u{7}\tb\\r\\nc\\u{9b}2Jé\n"), "{seen:?}");
        let seen = printed(&TERMINAL, "\u{1b}c", text);
        assert!(!seen.contains("\u{1b}c"), "{seen:?}");
    }

    #[test]
    fn an_object_has_the_line_with_all_its_labels() {
        let text = "\"x\"\n\u{9b}";
        let raw = printed(&Printer { as_json: true, ..PIPED }, "info", text);
        let expect = r#"{"labels":{"a":"b","detected_level":"info","job":"access","service_name":"vitrine"},"line":"\"x\"\nC1","timestamp":"2025-11-22T08:26:40.123456789Z"}"#;
        assert_eq!(raw, expect.replace("C1", "\u{9b}") + "\n");
        let seen = printed(&Printer { as_json: true, ..TERMINAL }, "info", text);
        assert_eq!(seen, expect.replace("C1", "\\u009b") + "\n");
    }
}
