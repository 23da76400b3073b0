//! `vitrine logs`: LogQL against the running process, or against the store of one that is stopped,
//! and the answer as people or programs read it.

mod stopped;

use std::collections::HashSet;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};
use serde_json::Value;
use url::form_urlencoded;

use super::Failure;
use super::control::{self, AskError, Word};
use super::query::in_words;
use crate::clock::{Clock, UnixNanos};
use crate::config::{self, Layers};
use crate::http::api::LogQueries;
use crate::query::logql::ast::Expr;
use crate::query::logql::parse;
use crate::query::promql::parse_duration;
use crate::store::Store;

/// Between two looks at what came in: a line is shown within a second.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Lines may come this much after their time and are shown still.
const LATE: Duration = Duration::from_secs(10);

/// Lines of one look; more than a terminal shows in the time.
const FOLLOW_LINES: usize = 5_000;

/// Longest wait for a store to be closed again.
const CLOSE_DEADLINE: Duration = Duration::from_secs(30);

/// What is asked.
pub struct Asked {
    /// The expression.
    pub expr: String,
    /// How far back, such as `1h`.
    pub since: String,
    /// Most lines.
    pub limit: usize,
    /// Goes on with what comes in.
    pub follows: bool,
    /// The answers of the API as they are.
    pub as_json: bool,
}

/// Where the answers come from.
enum Source<'a> {
    Running(&'a Path),
    Stopped(Box<(LogQueries, Store)>),
}

impl Source<'_> {
    fn ask(&self, form: String) -> anyhow::Result<Value> {
        let text = match self {
            Source::Running(data) => {
                let answer = control::send(data, &Word::Logs(form))?;
                if !answer.ok {
                    return Err(anyhow!("{}", answer.message.trim_end()));
                }
                answer.message
            }
            Source::Stopped(opened) => {
                let body = opened.0.answer(Clock::system().now(), &form);
                String::from_utf8(body.map_err(|fault| anyhow!("{}", fault.trim_end()))?)?
            }
        };
        serde_json::from_str(&text).context("read the answer")
    }
}

/// Asks and prints what is answered.
pub fn run(layers: &Layers, asked: &Asked) -> Result<(), Failure> {
    // Here, so that the place can be shown under the text.
    let expr = parse(&asked.expr).map_err(|fault| {
        let excerpt = fault.excerpt(&asked.expr).map_or(String::new(), |excerpt| format!("\n\n{excerpt}"));
        anyhow!("{fault}{excerpt}")
    })?;
    let since = parse_duration(&asked.since)
        .map_err(|fault| anyhow!("--since {:?}: {fault}; write it as 90s, 5m or 1h", asked.since))?;
    let loaded = config::load(layers)?;
    let data = &loaded.config.data;
    let source = match control::send(data, &Word::Vitals) {
        Ok(_) => Source::Running(data),
        Err(AskError::NotRunning(_)) if asked.follows => {
            return Err(anyhow!(
                "{}; only a running one has lines to follow",
                AskError::NotRunning(data.clone())
            )
            .into());
        }
        // Whoever may not ask is not the owner, most likely, and is told so.
        Err(AskError::NotRunning(_) | AskError::NotAllowed(_)) => {
            Source::Stopped(Box::new(stopped::open(&loaded.config)?))
        }
        Err(fault) => return Err(anyhow::Error::from(fault).into()),
    };
    let printer = Printer { as_json: asked.as_json, has_colours: has_colours() };
    let told = match expr {
        Expr::Metric(_) => {
            source.ask(form(asked, &[("instant", "1".into())])).and_then(|answer| printer.numbers(&answer))
        }
        Expr::Log(_) => lines(&source, asked, since, &printer),
    };
    if let Source::Stopped(opened) = source {
        opened.1.close(CLOSE_DEADLINE).context("close the store")?;
    }
    Ok(told?)
}

fn form(asked: &Asked, more: &[(&str, String)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("query", &asked.expr);
    more.iter().for_each(|(name, value)| _ = form.append_pair(name, value));
    form.finish()
}

fn lines(source: &Source<'_>, asked: &Asked, since_ms: u64, printer: &Printer) -> anyhow::Result<()> {
    let now = Clock::system().now();
    let since_ns = i64::try_from(since_ms).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    let range = [
        ("start", now.0.saturating_sub(since_ns).to_string()),
        ("end", now.0.saturating_add(1).to_string()),
        ("limit", asked.limit.to_string()),
    ];
    let answer = source.ask(form(asked, &range))?;
    let mut shown = Shown { until: now, known: HashSet::new() };
    printer.lines(&answer, &mut shown)?;
    if !asked.follows {
        return Ok(());
    }
    // Ends with the process: by Ctrl-C, or when whoever reads it goes away.
    loop {
        std::thread::sleep(LOOK_EVERY);
        let now = Clock::system().now();
        let late_ns = LATE.as_nanos() as i64;
        let range = [
            ("start", (shown.until.0 - late_ns).to_string()),
            ("end", now.0.saturating_add(1).to_string()),
            ("limit", FOLLOW_LINES.to_string()),
        ];
        let answer = source.ask(form(asked, &range))?;
        shown.until = now;
        printer.lines(&answer, &mut shown)?;
    }
}

/// Which lines were shown of the time that is looked at again.
struct Shown {
    until: UnixNanos,
    known: HashSet<(i64, String)>,
}

fn has_colours() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

struct Printer {
    as_json: bool,
    has_colours: bool,
}

/// A line of an answer.
struct Line<'a> {
    at_ns: i64,
    text: &'a str,
    stream: &'a Value,
    categories: &'a Value,
}

impl Printer {
    fn numbers(&self, answer: &Value) -> anyhow::Result<()> {
        let text = if self.as_json { format!("{answer}\n") } else { in_words(&answer["data"]) };
        write(&text)
    }

    fn lines(&self, answer: &Value, shown: &mut Shown) -> anyhow::Result<()> {
        for warning in answer["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            eprintln!("{warning}");
        }
        let mut lines: Vec<Line<'_>> = Vec::new();
        for stream in list(&answer["data"]["result"]) {
            lines.extend(list(&stream["values"]).map(|value| Line {
                at_ns: value[0].as_str().and_then(|at| at.parse().ok()).unwrap_or_default(),
                text: value[1].as_str().unwrap_or_default(),
                stream: &stream["stream"],
                categories: &value[2],
            }));
        }
        lines.sort_by_key(|line| line.at_ns);
        let key = |line: &Line<'_>| (line.at_ns, format!("{}{}", line.stream, line.text));
        let is_new = |line: &Line<'_>| !shown.known.contains(&key(line));
        let new: Vec<&Line<'_>> = lines.iter().filter(|line| is_new(line)).collect();
        let text: String = match self.as_json {
            true if !shown.known.is_empty() && new.is_empty() => String::new(),
            true => format!("{answer}\n"),
            false => new.iter().map(|line| self.in_words(line)).collect(),
        };
        let known = lines.iter().map(key).collect();
        shown.known = known;
        write(&text)
    }

    /// The time, the level, whose line it is, and the line.
    fn in_words(&self, line: &Line<'_>) -> String {
        let at = jiff::Timestamp::from_nanosecond(line.at_ns.into())
            .map_or_else(|_| line.at_ns.to_string(), |at| format!("{at:.3}"));
        let level = line.categories["structuredMetadata"]["detected_level"].as_str().unwrap_or("unknown");
        let whose =
            ["job", "service_name"].iter().find_map(|name| line.stream[*name].as_str()).unwrap_or("-");
        let (begin, end) = if self.has_colours { (colour(level), "\u{1b}[0m") } else { ("", "") };
        let level = if level == "unknown" { "-" } else { level };
        format!("{at} {begin}{level:<5}{end} {whose}  {}\n", line.text)
    }
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

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn write(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("write to standard output")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(has_colours: bool, level: &str) -> String {
        let categories = json!({"structuredMetadata": {"detected_level": level}});
        let line = Line {
            at_ns: 1_763_800_000_123_456_789,
            text: "GET / 200",
            stream: &json!({"job": "access", "service_name": "vitrine"}),
            categories: &categories,
        };
        Printer { as_json: false, has_colours }.in_words(&line)
    }

    #[test]
    fn a_line_says_when_how_bad_and_whose() {
        assert_eq!(line(false, "info"), "2025-11-22T08:26:40.123Z info  access  GET / 200\n");
        assert_eq!(line(false, "unknown"), "2025-11-22T08:26:40.123Z -     access  GET / 200\n");
        assert!(line(true, "error").contains("\u{1b}[31merror\u{1b}[0m access"));
    }

    #[test]
    fn a_form_has_the_expression_and_the_range() {
        let asked = Asked {
            expr: "{job=\"a\"}".into(),
            since: "1h".into(),
            limit: 1,
            follows: false,
            as_json: false,
        };
        assert_eq!(form(&asked, &[("limit", "1".into())]), "query=%7Bjob%3D%22a%22%7D&limit=1");
    }
}
