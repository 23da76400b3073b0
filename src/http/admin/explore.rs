//! Metrics by PromQL: what the page shows, and what its script asks while one types.
//!
//! A query is evaluated twice: at the end of the time, which gives the table its values and
//! their order, and over all of it for the lines. Everything is bounded: the text, the lines,
//! the rows, the digits.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;
use url::form_urlencoded;

use super::AdminState;
use super::ask::{Ask, Grid};
use super::browser::{frame, html, unanswered};
use super::door::to_login;
use super::gather::{GatherError, off_thread};
use super::guard;
use super::marks::marks;
use super::overview::window_of;
use crate::clock::UnixMillis;
use crate::pages::admin::{
    self, AnswerValue, AnsweredView, EXAMPLES, Example, ExploreView, Explored, LINES_MAX, LinesView,
    QueryFault, ROWS_MAX, RowView, RowsView, SamplesView, Tab, Unit, Window,
};
use crate::query::place::line_and_column;
use crate::query::promql::ast::{AggregateOp, Expr, Type, VectorSelector};
use crate::query::promql::{Answer, Dimension, InstantSample, ParseError, Value, dimension, parse};
use crate::record::labels::METRIC_NAME;
use crate::record::read::{Matcher, MetricRead, ReadError, SeriesSelect};
use crate::record::{Labels, Series};

/// Longest query that the page takes: it stands in an address, and servers before us take no
/// more. The API takes longer ones.
pub(super) const QUERY_MAX_BYTES: usize = 8 << 10;

/// Samples that are written out of each series of a range.
const NEWEST_MAX: usize = 5;

/// What is offered and what is worth asking is looked for at least this far back.
pub(super) const NAMES_MIN_MS: i64 = 3_600_000;

/// `GET /admin/metrics`; `q`, and the time as everywhere.
pub(super) async fn page(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    let Some(session) = guard::session(&state, &req).await else { return to_login(&state, &req) };
    let (query, window) = (parameter(req.query_string(), "q"), window_of(req.query_string()));
    match view(&state, query, window).await {
        Ok(view) => {
            let frame = frame(&state, &req, &session, Tab::Metrics);
            let page = state.stages().run("render", || admin::explore(&frame, &view).into_string());
            html(StatusCode::OK, page)
        }
        Err(err) => unanswered(&state, &req, err),
    }
}

/// `GET /admin/metrics/check`: whether `q` is a query, and if not where it is wrong, in units of
/// UTF-16 as scripts count.
pub(super) async fn check(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    if guard::session(&state, &req).await.is_none() {
        return refused();
    }
    let query = parameter(req.query_string(), "q");
    match off_thread(&state.into_inner(), move |_| checked(&query)).await {
        Ok(checked) => HttpResponse::Ok().json(checked),
        Err(err) => HttpResponse::ServiceUnavailable().json(json!({ "error": err.to_string() })),
    }
}

pub(super) fn refused() -> HttpResponse {
    HttpResponse::Unauthorized().json(json!({ "error": "log in again" }))
}

fn checked(query: &str) -> serde_json::Value {
    match read(query) {
        Ok(_) => json!({ "ok": true }),
        Err(fault) => json!({
            "message": fault.message,
            "line": fault.line,
            "column": fault.column,
            "start": utf16(query, fault.span.start),
            "end": utf16(query, fault.span.end),
        }),
    }
}

/// Counts the units of UTF-16 before a place.
pub(super) fn utf16(text: &str, at: usize) -> usize {
    text[..text.floor_char_boundary(at)].encode_utf16().count()
}

/// Returns the last value of a parameter, `""` without one.
pub(super) fn parameter(query: &str, name: &str) -> String {
    let all = form_urlencoded::parse(query.as_bytes()).filter(|(known, _)| known == name);
    // A browser sends a form's line ends as two characters.
    all.last().map_or_else(String::new, |(_, value)| value.replace("\r\n", "\n"))
}

/// Asks a query and fills the view.
pub(super) async fn view(
    state: &Arc<AdminState>,
    query: String,
    window: Window,
) -> Result<ExploreView, GatherError> {
    let stages = state.stages();
    off_thread(state, move |state| {
        let outcome = stages.run("query numbers", || explored(state, &query, window));
        ExploreView { query, window, outcome }
    })
    .await
}

fn explored(state: &AdminState, query: &str, window: Window) -> Explored {
    let now = state.parts.clock.now_ms();
    if query.trim().is_empty() {
        return match examples(&*state.parts.metrics, window, now) {
            Ok(examples) => Explored::Nothing(examples),
            Err(fault) => Explored::Failed(fault.to_string()),
        };
    }
    let expr = match read(query) {
        Ok(expr) => expr,
        Err(fault) => return Explored::Wrong(fault),
    };
    let begun = state.parts.clock.elapsed();
    let (ask, (from, to)) = (state.ask(), window.bounds(now));
    let grid = Grid { from, to, step: window.step() };
    match answered(&ask, query, &expr, grid) {
        Ok(answered) => {
            let took = state.parts.clock.elapsed().saturating_sub(begun);
            let at = state.parts.clock.now();
            let marks = marks(&ask, from.to_nanos(), to.to_nanos());
            Explored::Answered(Box::new(AnsweredView { took, at, marks, ..answered }))
        }
        Err(fault) => Explored::Failed(fault),
    }
}

/// Reads a query, or finds what is wrong with it.
fn read(query: &str) -> Result<Expr, QueryFault> {
    if query.len() > QUERY_MAX_BYTES {
        let message = format!("query of {} bytes, no more than {QUERY_MAX_BYTES} are read here", query.len());
        return Err(QueryFault { message, line: 1, column: 1, span: QUERY_MAX_BYTES..query.len() });
    }
    parse(query).map_err(|ParseError { message, span, .. }| {
        let (line, column) = line_and_column(query, span.start);
        // As far as the line goes: a fault at an unclosed bracket would be all of the rest.
        let end = query[..span.end.min(query.len())].trim_end().len().max(span.start);
        QueryFault { message, line, column, span: span.start..end }
    })
}

fn examples(
    metrics: &dyn MetricRead,
    window: Window,
    now: UnixMillis,
) -> Result<Vec<&'static Example>, ReadError> {
    let names = metrics.label_values(METRIC_NAME, &names_of(Vec::new(), window, now))?;
    let is_there = |name: &str| names.binary_search_by(|known| known.as_str().cmp(name)).is_ok();
    let fits = |example: &&Example| match example.needs {
        "" => !names.is_empty(),
        name => is_there(name),
    };
    Ok(EXAMPLES.iter().filter(fits).collect())
}

/// Selects what has names in a window, or shortly before.
pub(super) fn names_of(matchers: Vec<Matcher>, window: Window, now: UnixMillis) -> SeriesSelect {
    let (from, to) = window.bounds(now);
    SeriesSelect { matchers, from: UnixMillis(from.0.min(to.0.saturating_sub(NAMES_MIN_MS))), to }
}

fn answered(ask: &Ask<'_>, query: &str, expr: &Expr, grid: Grid) -> Result<AnsweredView, String> {
    let Answer { value, mut warnings, mut infos, mut n_samples } =
        ask.at(query, expr, grid.to).map_err(|fault| fault.to_string())?;
    let over = matches!(expr.value_type(), Type::Scalar | Type::Vector).then(|| ask.over(query, expr, grid));
    let (mut series, mut lines_fault) = (Vec::new(), None);
    let has_lines = matches!(over, Some(Ok(_)));
    match over {
        None => {}
        Some(Err(fault)) => lines_fault = Some(fault.to_string()),
        Some(Ok(answer)) => {
            n_samples += answer.n_samples;
            warnings.extend(answer.warnings);
            infos.extend(answer.infos);
            if let Value::Matrix(matrix) = answer.value {
                series = matrix;
            }
        }
    }
    for notes in [&mut warnings, &mut infos] {
        notes.sort();
        notes.dedup();
    }
    let unit = unit(dimension(expr));
    let (value, lines) = match value {
        Value::Scalar(sample) => {
            let lines = series.iter().map(|series| ("".to_string(), grid.placed(&series.samples))).collect();
            (AnswerValue::Number(sample.value), LinesView { lines, ..LinesView::default() })
        }
        Value::String(_, text) => (AnswerValue::Text(text), LinesView::default()),
        Value::Vector(vector) => rows(vector, series, grid, keeps_order(expr), unit),
        Value::Matrix(matrix) => (samples(matrix), LinesView::default()),
    };
    let at = grid.moments().map(UnixMillis::to_nanos).collect();
    let lines = has_lines.then_some(LinesView { at, step: grid.step, unit, ..lines });
    Ok(AnsweredView { value, warnings, infos, n_samples, lines, lines_fault, ..AnsweredView::default() })
}

/// Returns true when the order of an answer says something.
fn keeps_order(expr: &Expr) -> bool {
    match expr.bare() {
        Expr::Call(call) => call.function.name.starts_with("sort"),
        Expr::Aggregate(aggregate) => matches!(aggregate.op, AggregateOp::Topk | AggregateOp::Bottomk),
        _ => false,
    }
}

fn unit(dimension: Dimension) -> Unit {
    match dimension {
        Dimension::SECONDS => Unit::Seconds,
        Dimension::BYTES => Unit::Bytes,
        Dimension::BYTES_PER_SECOND => Unit::BytesPerSecond,
        _ => Unit::Any,
    }
}

/// A series with what is known of it.
struct Found {
    labels: Labels,
    value: Option<f64>,
    line: Option<Vec<Option<f64>>>,
}

/// Joins the values at the end with the lines, the greatest first unless their order says something.
fn rows(
    vector: Vec<InstantSample>,
    series: Vec<Series>,
    grid: Grid,
    keeps_order: bool,
    unit: Unit,
) -> (AnswerValue, LinesView) {
    let mut found: Vec<Found> = vector
        .into_iter()
        .map(|one| Found { labels: one.labels, value: Some(one.sample.value), line: None })
        .collect();
    let mut places: HashMap<Labels, usize> =
        found.iter().enumerate().map(|(idx, found)| (found.labels.clone(), idx)).collect();
    for Series { labels, samples } in series {
        let place = *places.entry(labels.clone()).or_insert(found.len());
        if place == found.len() {
            found.push(Found { labels, value: None, line: None });
        }
        found[place].line = Some(grid.placed(&samples));
    }
    if !keeps_order {
        let rank = |found: &Found| found.value.filter(|value| !value.is_nan()).unwrap_or(f64::NEG_INFINITY);
        found.sort_by(|one, other| {
            rank(other).total_cmp(&rank(one)).then_with(|| one.labels.cmp(&other.labels))
        });
    }
    let common = common(&found);
    let names: Vec<&str> = common.iter().map(|(name, _)| name.as_str()).collect();
    let n_series = found.len();
    let (mut rows, mut lines) = (Vec::new(), LinesView::default());
    for Found { labels, value, line } in found {
        let drawn =
            line.filter(|_| lines.lines.len() < LINES_MAX).map(|values| (name(&labels, &names), values));
        if let Some(drawn) = drawn {
            lines.lines.push(drawn);
            rows.push((labels, value, Some(lines.lines.len() - 1)));
        } else {
            rows.push((labels, value, None));
        }
    }
    lines.n_left_out = n_series - lines.lines.len();
    let row = |(labels, value, line): (Labels, Option<f64>, Option<usize>)| RowView {
        name: name(&labels, &names),
        value,
        exact: value.map(exact).unwrap_or_default(),
        line,
        selector: (!labels.metric_name().is_empty()).then(|| selector(&labels)),
    };
    // Of those that ended, the chart has the names that it needs.
    let is_listed =
        |(_, value, line): &(Labels, Option<f64>, Option<usize>)| value.is_some() || line.is_some();
    let rows = rows.into_iter().filter(is_listed).take(ROWS_MAX).map(row).collect();
    (AnswerValue::Series(RowsView { rows, n_series, common, unit }), lines)
}

/// Returns the labels that all series have with the same value; one alone has none in common.
fn common(found: &[Found]) -> Vec<(String, String)> {
    let [first, others @ ..] = found else { return Vec::new() };
    if others.is_empty() {
        return Vec::new();
    }
    let is_common =
        |(name, value): &(&str, &str)| others.iter().all(|other| other.labels.get(name) == *value);
    first.labels.iter().filter(is_common).map(|(name, value)| (name.into(), value.into())).collect()
}

/// Writes a series by the labels that others do not share.
fn name(labels: &Labels, common: &[&str]) -> String {
    match selector(&labels.without(common)) {
        text if text.is_empty() => "{}".to_string(),
        text => text,
    }
}

/// Writes the selector of exactly these labels.
fn selector(labels: &Labels) -> String {
    let matchers = labels.iter().map(|(name, value)| Matcher::equal(name, value)).collect();
    VectorSelector::of(matchers).to_string()
}

/// Writes a number with all its digits, and with an exponent where zeros would hide them.
fn exact(value: f64) -> String {
    match value.abs() {
        size if size == 0.0 || !size.is_finite() || (1e-5..1e17).contains(&size) => value.to_string(),
        _ => format!("{value:e}"),
    }
}

fn samples(mut matrix: Vec<Series>) -> AnswerValue {
    let n_more = matrix.len().saturating_sub(ROWS_MAX);
    matrix.truncate(ROWS_MAX);
    let row = |series: Series| {
        let newest = series.samples.iter().rev().take(NEWEST_MAX);
        SamplesView {
            name: name(&series.labels, &[]),
            n_samples: series.samples.len(),
            newest: newest.map(|sample| (sample.at.to_nanos(), exact(sample.value))).collect(),
        }
    };
    AnswerValue::Samples(matrix.into_iter().map(row).collect(), n_more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_has_its_place_for_people_and_for_scripts() {
        assert_eq!(checked("up"), json!({ "ok": true }));
        let expect = json!({
            "message": "unexpected character: '}'", "line": 2, "column": 4, "start": 17, "end": 18,
        });
        // The column counts bytes, the start what scripts count.
        assert_eq!(checked("up{a=\"é😀\"} +\n up}"), expect);
        let long = checked(&format!("\"{}\"", "x".repeat(QUERY_MAX_BYTES)));
        assert!(long["message"].as_str().unwrap().contains("no more than 8192 are read here"), "{long}");
    }

    #[test]
    fn numbers_keep_their_digits() {
        for (value, expect) in [
            (0.1 + 0.2, "0.30000000000000004"),
            (1_795_000_000.0, "1795000000"),
            (1e300, "1e300"),
            (-1.5e-9, "-1.5e-9"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(exact(value), expect);
        }
    }

    #[test]
    fn a_parameter_is_its_last_value_with_plain_line_ends() {
        assert_eq!(parameter("q=a&q=b%0D%0Ac", "q"), "b\nc");
        assert_eq!(parameter("p=a", "q"), "");
    }
}
