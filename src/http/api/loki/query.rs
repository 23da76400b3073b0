//! Queries: lines, and numbers made of them.

use std::time::Instant;

use serde_json::json;

use super::LogQueries;
use super::asked::Asked;
use super::json::{Answered, Refused, lines, numbers};
use crate::query::budget::Cancel;
use crate::query::logql::ast::Expr;
use crate::query::logql::{LogRange, When, parse, parse_unchecked, pretty};

const NOT_FOR_INSTANTS: &str = "log queries are not supported as an instant query type, please change your query to \
     a range query type";

/// `query`: numbers at one moment.
pub(super) fn query(asked: &Asked, queries: &LogQueries) -> Result<Answered, Refused> {
    let at = asked.moment("time", asked.now)?;
    asked.line_limit()?;
    asked.direction()?;
    let begun = Instant::now();
    match parse(asked.text("query"))? {
        Expr::Log(_) => Err(Refused::bad_request(NOT_FOR_INSTANTS)),
        Expr::Metric(metric) => {
            let (engine, logs) = (queries.engine(asked.door), &*queries.logs);
            let answer = engine.numbers(logs, &metric, When::Instant(at), asked.now, &Cancel::default())?;
            Ok(numbers(answer, begun.elapsed()))
        }
    }
}

/// `query_range`: lines, or numbers at many moments.
pub(super) fn query_range(asked: &Asked, queries: &LogQueries) -> Result<Answered, Refused> {
    let (from, to) = asked.range()?;
    let limit = asked.line_limit()?;
    let direction = asked.direction()?;
    let step_ns = asked.step(from, to)?;
    let interval_ns = asked.duration("interval")?;
    let begun = Instant::now();
    let (engine, logs, cancel) = (queries.engine(asked.door), &*queries.logs, Cancel::default());
    match parse(asked.text("query"))? {
        Expr::Log(log) => {
            let range = LogRange { from, to, direction, limit, interval_ns };
            let answer = engine.lines(logs, &log, &range, asked.now, &cancel)?;
            Ok(lines(answer, asked.categorizes, begun.elapsed()))
        }
        Expr::Metric(metric) => {
            let when = When::Range { from, to, step_ns };
            let answer = engine.numbers(logs, &metric, when, asked.now, &cancel)?;
            Ok(numbers(answer, begun.elapsed()))
        }
    }
}

/// `format_query`: the query in lines that fit.
pub(super) fn format_query(asked: &Asked, _: &LogQueries) -> Result<Answered, Refused> {
    let expr = parse_unchecked(asked.text("query"))?;
    Ok(Answered::of(&json!(pretty(&expr))))
}
