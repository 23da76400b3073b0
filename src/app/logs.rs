//! `vitrine logs`: LogQL against the running process, or against the store of one that is stopped,
//! and the answer as people or programs read it.

mod follow;
mod print;
mod stopped;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};
use serde_json::Value;
use url::form_urlencoded;

use self::follow::Follow;
use self::print::{Printer, lines_of};
use super::Failure;
use super::control::{self, AskError, Word};
use crate::clock::Clock;
use crate::config::{self, Layers};
use crate::http::api::LogQueries;
use crate::query::logql::ast::Expr;
use crate::query::logql::parse;
use crate::query::promql::parse_duration;
use crate::record::read::Direction;
use crate::store::Store;

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
    /// The answer of the API as it is; what is followed as an object a line.
    pub as_json: bool,
}

/// Where the answers come from.
enum Source<'a> {
    Running(&'a Path),
    Stopped(Box<(LogQueries, Store)>),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    /// Nobody answers at this moment, as when one process hands over to the next.
    #[error(transparent)]
    Momentary(anyhow::Error),
    /// To ask again would not help.
    #[error(transparent)]
    Lasting(#[from] anyhow::Error),
}

impl Source<'_> {
    fn ask(&self, form: String) -> Result<Value, NoAnswer> {
        let text = match self {
            Source::Running(data) => {
                let answer = control::send(data, &Word::Logs(form)).map_err(|fault| match fault {
                    AskError::NotRunning(_) | AskError::Talk { .. } => NoAnswer::Momentary(fault.into()),
                    AskError::NotAllowed(_) => NoAnswer::Lasting(fault.into()),
                })?;
                let fault = || anyhow!("{}", answer.message.trim_end());
                match (answer.ok, answer.refused) {
                    (true, _) => answer.message,
                    (false, true) => return Err(NoAnswer::Momentary(fault())),
                    (false, false) => return Err(NoAnswer::Lasting(fault())),
                }
            }
            Source::Stopped(opened) => {
                let body = opened.0.answer(Clock::system().now(), &form);
                let body = body.map_err(|fault| anyhow!("{}", fault.trim_end()))?;
                String::from_utf8(body).context("read the answer")?
            }
        };
        Ok(serde_json::from_str(&text).context("read the answer")?)
    }
}

/// Asks and prints what is answered.
pub fn run(layers: &Layers, asked: &Asked) -> Result<(), Failure> {
    // Here, so that the place can be shown under the text.
    let expr = parse(&asked.expr).map_err(|fault| {
        let excerpt = fault.excerpt(&asked.expr).map_or(String::new(), |excerpt| format!("\n\n{excerpt}"));
        anyhow!("{fault}{excerpt}")
    })?;
    if matches!(expr, Expr::Metric(_)) && asked.follows {
        return Err(anyhow!(
            "--follow shows lines, and this expression makes numbers: leave out --follow, or what makes the numbers"
        )
        .into());
    }
    let since_ns = since_ns(&asked.since)?;
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
    let printer = Printer::new(asked.as_json);
    let told = match expr {
        Expr::Metric(_) => numbers(&source, asked, &printer),
        Expr::Log(_) => lines(&source, asked, since_ns, &printer),
    };
    if let Source::Stopped(opened) = source {
        opened.1.close(CLOSE_DEADLINE).context("close the store")?;
    }
    Ok(told?)
}

/// Reads how far back is looked, and returns nanoseconds.
fn since_ns(text: &str) -> anyhow::Result<i64> {
    match parse_duration(text) {
        Ok(0) => Err(anyhow!("--since {text:?}: must be longer than nothing")),
        Ok(ms) => Ok(i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000_000)),
        Err(fault) => Err(anyhow!("--since {text:?}: {fault}; write it as 90s, 5m, 1h or 30d, 292y at most")),
    }
}

/// Asks for the numbers of this moment and prints them.
fn numbers(source: &Source<'_>, asked: &Asked, printer: &Printer) -> anyhow::Result<()> {
    printer.numbers(&source.ask(form(&asked.expr, &[("instant", "1".to_string())]))?)
}

/// Which lines are asked for.
struct Range {
    /// The first moment.
    start_ns: i64,
    /// The first moment behind.
    end_ns: i64,
    /// Most lines.
    limit: usize,
    /// From which end on.
    direction: Direction,
}

impl Range {
    fn form(&self, expr: &str) -> String {
        let direction = match self.direction {
            Direction::Forward => "forward",
            Direction::Backward => "backward",
        };
        let range = [
            ("start", self.start_ns.to_string()),
            ("end", self.end_ns.to_string()),
            ("limit", self.limit.to_string()),
            ("direction", direction.to_string()),
        ];
        form(expr, &range)
    }
}

fn form(expr: &str, more: &[(&str, String)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("query", expr);
    more.iter().for_each(|(name, value)| _ = form.append_pair(name, value));
    form.finish()
}

fn lines(source: &Source<'_>, asked: &Asked, since_ns: i64, printer: &Printer) -> anyhow::Result<()> {
    let now = Clock::system().now();
    let range = Range {
        start_ns: now.0.saturating_sub(since_ns),
        end_ns: now.0.saturating_add(1),
        limit: asked.limit,
        direction: Direction::Backward,
    };
    let answer = source.ask(range.form(&asked.expr))?;
    for warning in answer["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        eprintln!("{warning}");
    }
    let lines = lines_of(&answer);
    if lines.is_empty() {
        let advice = if asked.follows { "new ones are shown" } else { "--since looks further back" };
        eprintln!("no lines in the last {}; {advice}", asked.since);
    }
    if !asked.follows {
        return printer.answer(&answer);
    }
    printer.lines(&lines)?;
    let is_full = lines.len() >= asked.limit || !answer["warnings"].is_null();
    Follow::behind(&lines, &range, is_full).run(source, &asked.expr, printer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_the_expression_and_the_range() {
        let range = Range { start_ns: 1, end_ns: 2, limit: 3, direction: Direction::Forward };
        let expect = "query=%7Bjob%3D%22a%22%7D&start=1&end=2&limit=3&direction=forward";
        assert_eq!(range.form(r#"{job="a"}"#), expect);
    }

    #[test]
    fn how_far_back_has_its_bounds() {
        assert_eq!(since_ns("90s").unwrap(), 90_000_000_000);
        let check = |text: &str, expect: &str| {
            let fault = since_ns(text).unwrap_err().to_string();
            assert!(fault.starts_with(&format!("--since {text:?}: ")) && fault.contains(expect), "{fault}");
        };
        check("0s", "longer than nothing");
        check("300y", "292y at most");
        check("soon", "write it as 90s, 5m, 1h or 30d");
    }
}
