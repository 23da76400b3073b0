//! The logs: how many lines there were, the lines, and what comes in.
//!
//! Everything is asked for by LogQL: of the fields of the form a query is made, which is shown
//! and may be written by hand. A page answers within half a second or says how far it came.

mod address;
mod json;
mod question;
mod search;
mod tail;

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use self::address::Asked;
use self::search::{Found, Search};
use super::AdminState;
use super::ask::{Ask, AskError};
use super::browser::{frame, html, unanswered};
use super::door::to_login;
use super::gather::{GatherError, off_thread};
use super::marks::marks;
use super::{guard, language};
use crate::clock::UnixNanos;
use crate::pages::admin::{
    self, AROUND_MAX, AroundView, FaultView, Histogram, KnownLabels, LOGQL_MAX_BYTES, LineCounts, LineView,
    LogFilter, LogsView, Place, Tab,
};
use crate::query::logql::{self, ast::Expr};
use crate::record::read::{Direction, StreamVolume};

pub(super) use self::tail::{Tail, open as follow};

/// Lines of a page: several screens of a phone, 50 kB of markup.
const LINES_MAX: usize = 50;

/// Lines that the script asks for at once, unless it says less.
const ROWS_MAX: usize = 1_000;

/// Lines on each side of one, unless the address says more.
const AROUND: usize = 20;

/// No further part of the time is searched for lines after this.
const LINES_BUDGET: Duration = Duration::from_millis(150);

/// A count of lines that takes longer is left to be asked for.
const COUNT_PATIENCE: Duration = Duration::from_millis(150);

/// What is asked for by the page itself then takes no longer than this, and says how far it came.
const COUNT_BUDGET: Duration = Duration::from_millis(350);

/// Of more lines than this a count is not even begun: it would take longer.
const COUNTED_MAX: f64 = 1e6;

/// Names and sources that can be chosen; more are typed.
const KNOWN_MAX: usize = 100;

/// `GET /admin/logs`
pub(super) async fn page(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    let Some(session) = guard::session(&state, &req).await else { return to_login(&state, &req) };
    let asked = address::read(req.query_string());
    let stages = state.stages();
    let view = off_thread(&state, move |state| {
        stages.run("query lines", || match asked.around.clone() {
            Some((at, source, n)) => View::Around(around(&state.ask(), at, source, n)),
            None => View::List(Box::new(view(state, asked))),
        })
    });
    let frame = || frame(&state, &req, &session, Tab::Logs);
    match view.await {
        Ok(View::List(view)) => html(StatusCode::OK, admin::logs(&frame(), &view).into_string()),
        Ok(View::Around(view)) => html(StatusCode::OK, admin::around(&frame(), &view).into_string()),
        Err(err) => unanswered(&state, &req, err),
    }
}

enum View {
    List(Box<LogsView>),
    Around(AroundView),
}

/// `GET /admin/logs/rows`: lines before a moment, for the script of the list.
pub(super) async fn rows(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    if guard::session(&state, &req).await.is_none() {
        return HttpResponse::Unauthorized().json(json!({ "error": "log in again" }));
    }
    let asked = address::read(req.query_string());
    match off_thread(&state, move |state| read_rows(state, asked)).await {
        Ok(Ok(rows)) => HttpResponse::Ok().json(rows),
        Ok(Err(fault)) => HttpResponse::BadRequest().json(json!({ "error": fault.to_string() })),
        Err(fault) => busy(fault),
    }
}

/// `GET /admin/logs/histogram`: how many lines there were, as a part of the page.
pub(super) async fn histogram(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    if guard::session(&state, &req).await.is_none() {
        return HttpResponse::Unauthorized().json(json!({ "error": "log in again" }));
    }
    let asked = address::read(req.query_string());
    let filter = asked.filter.clone();
    let counted = off_thread(&state, move |state| {
        let ask = state.ask();
        let streams = streams(state, &ask, &asked.filter);
        let query = question::query(&asked.filter, |name| names(&streams).any(|known| known == name));
        counted(state, &ask, &query, &asked.filter, Some(COUNT_BUDGET))
    });
    match counted.await {
        Ok(Ok(counts)) => {
            let part = admin::lines_histogram(language::of(&req), &filter, &Histogram::Counted(counts));
            html(StatusCode::OK, part.into_string())
        }
        Ok(Err(fault)) => HttpResponse::BadRequest().json(json!({ "error": fault.to_string() })),
        Err(fault) => busy(fault),
    }
}

fn busy(fault: GatherError) -> HttpResponse {
    HttpResponse::ServiceUnavailable()
        .insert_header((RETRY_AFTER, 2))
        .json(json!({ "error": fault.to_string() }))
}

fn view(state: &AdminState, asked: Asked) -> LogsView {
    let ask = state.ask();
    let streams = streams(state, &ask, &asked.filter);
    let query = question::query(&asked.filter, |name| names(&streams).any(|known| known == name));
    let mut res = LogsView { query, filter: asked.filter, ..LogsView::default() };
    read_off_fields(&mut res);
    if res.filter.logql.len() > LOGQL_MAX_BYTES {
        let message = format!("the query is longer than {LOGQL_MAX_BYTES} bytes; `vitrine logs` takes it");
        res.fault = Some(FaultView { message, place: None });
        return res;
    }
    match search(state, &ask, &res.query, &res.filter, LINES_MAX) {
        Ok(found) => found.show(&mut res),
        Err(fault) => {
            res.fault = Some(fault_view(&fault, &res.query));
            return res;
        }
    }
    res.known = known(&streams, &res.lines);
    match histogram_of(state, ask, &res, asked.counts) {
        Ok(histogram) => res.histogram = histogram,
        Err(fault) => res.fault = Some(fault_view(&fault, &res.query)),
    }
    res
}

/// Counts the lines if there is time for it, or says about how many there are.
fn histogram_of(
    state: &AdminState,
    ask: Ask<'_>,
    view: &LogsView,
    counts: bool,
) -> Result<Histogram, AskError> {
    let (query, filter) = (&view.query, &view.filter);
    if counts {
        return Ok(Histogram::Counted(counted(state, &ask, query, filter, None)?));
    }
    let ask = ask.with_patience(COUNT_PATIENCE);
    let about = search::estimate(&ask, query, filter.window, state.parts.clock.now_ms())?;
    // Of a query that looks at the lines nobody knows before how many it has to look at.
    if about.as_ref().is_none_or(|about| about.total() <= COUNTED_MAX) {
        match counted(state, &ask, query, filter, None) {
            Ok(counts) => return Ok(Histogram::Counted(counts)),
            Err(fault) if fault.is_timeout() => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(Histogram::Later(about))
}

/// Shows the fields as they can be read off a query that was written; then they say it, too.
fn read_off_fields(view: &mut LogsView) {
    if view.filter.logql.is_empty() {
        return;
    }
    let fields = match logql::parse(&view.query) {
        Ok(Expr::Log(log)) => question::fields(&log),
        Ok(Expr::Metric(_)) | Err(_) => None,
    };
    match fields {
        Some(fields) => {
            let LogFilter { window, place, .. } = view.filter;
            view.filter = LogFilter { window, place, ..fields };
        }
        None => view.is_raw = true,
    }
}

fn streams(state: &AdminState, ask: &Ask<'_>, filter: &LogFilter) -> Vec<StreamVolume> {
    let (from, to) = filter.window.bounds(state.parts.clock.now_ms());
    // The lines say what is wrong with the store; without streams names are only longer to find.
    ask.volumes(&[], from.to_nanos(), to.to_nanos()).unwrap_or_default()
}

fn names(streams: &[StreamVolume]) -> impl Iterator<Item = &str> {
    streams.iter().flat_map(|volume| volume.stream.iter().map(|(name, _)| name))
}

fn known(streams: &[StreamVolume], lines: &[LineView]) -> KnownLabels {
    let sorted = |all: &mut dyn Iterator<Item = &str>| -> Vec<String> {
        let all: std::collections::BTreeSet<&str> = all.filter(|text| !text.is_empty()).collect();
        all.into_iter().take(KNOWN_MAX).map(str::to_string).collect()
    };
    let of_lines = lines.iter().flat_map(|line| line.fields.iter().map(|(name, _)| name.as_str()));
    KnownLabels {
        sources: sorted(&mut streams.iter().map(|volume| volume.stream.get("job"))),
        names: sorted(&mut names(streams).chain(of_lines)),
    }
}

/// Lines of a page, the newest first, and where the pages before and behind it begin.
struct Lines {
    lines: Vec<LineView>,
    older: Option<i64>,
    newer: Option<i64>,
    searched_to: Option<UnixNanos>,
}

impl Lines {
    fn show(self, view: &mut LogsView) {
        view.lines = self.lines;
        (view.older, view.newer, view.searched_to) = (self.older, self.newer, self.searched_to);
    }
}

fn search(
    state: &AdminState,
    ask: &Ask<'_>,
    query: &str,
    filter: &LogFilter,
    limit: usize,
) -> Result<Lines, AskError> {
    let (from, to) = filter.window.bounds(state.parts.clock.now_ms());
    // A line of this very millisecond belongs to what is now.
    let (from, to) = (from.to_nanos(), UnixNanos(to.to_nanos().0.saturating_add(1_000_000)));
    let (range, direction) = match filter.place {
        Place::Newest => (from..to, Direction::Backward),
        Place::Before(at) => (from..UnixNanos(at.min(to.0)), Direction::Backward),
        Place::After(at) => (UnixNanos(at.max(from.0).saturating_add(1))..to, Direction::Forward),
    };
    let found = Search {
        query,
        range: range.clone(),
        direction,
        limit,
        budget: LINES_BUDGET,
        clock: &state.parts.clock,
    }
    .run(ask)?;
    Ok(turned(found, direction, filter.place))
}

/// Puts what was found into the order of the page.
fn turned(found: Found, direction: Direction, place: Place) -> Lines {
    let mut lines: Vec<LineView> = found.lines.into_iter().map(json::view).collect();
    if direction == Direction::Forward {
        lines.reverse();
    }
    let (newest, oldest) = (lines.first().map(|line| line.at.0), lines.last().map(|line| line.at.0));
    let reached = found.reached.map(|at| at.0);
    let is_back = direction == Direction::Backward;
    let older =
        if is_back { reached.or(oldest.filter(|_| found.has_more)) } else { oldest.or(place.moment()) };
    let newer = match place {
        Place::Newest => None,
        Place::Before(at) => newest.or(at.checked_sub(1)),
        Place::After(_) => reached.map(|at| at - 1).or(newest.filter(|_| found.has_more)),
    };
    Lines { lines, older, newer, searched_to: found.reached.filter(|_| is_back) }
}

/// Counts all lines, or those that there is time for.
fn counted(
    state: &AdminState,
    ask: &Ask<'_>,
    query: &str,
    filter: &LogFilter,
    budget: Option<Duration>,
) -> Result<LineCounts, AskError> {
    let (now, is_written) = (state.parts.clock.now_ms(), !filter.logql.is_empty());
    let mut counts = match budget {
        None => search::counts(ask, query, is_written, filter.window, now)?,
        Some(budget) => {
            let budget = (budget, &state.parts.clock);
            search::counts_in_time(ask, query, is_written, (filter.window, now), budget)?
        }
    };
    let (from, to) = filter.window.bounds(now);
    counts.marks = marks(ask, from.to_nanos(), to.to_nanos());
    Ok(counts)
}

fn read_rows(state: &AdminState, asked: Asked) -> Result<Value, AskError> {
    let ask = state.ask();
    let streams = streams(state, &ask, &asked.filter);
    let query = question::query(&asked.filter, |name| names(&streams).any(|known| known == name));
    let limit = asked.limit.unwrap_or(ROWS_MAX).clamp(1, ROWS_MAX);
    let found = search(state, &ask, &query, &asked.filter, limit)?;
    let rows: Vec<Value> = found.lines.into_iter().map(json::row).collect();
    let moment = |at: Option<i64>| at.map(|at| at.to_string());
    Ok(json!({
        "rows": rows,
        "older": moment(found.older),
        "reached": moment(found.searched_to.map(|at| at.0)),
    }))
}

/// Reads a line with its neighbours of the same source.
fn around(ask: &Ask<'_>, at: i64, source: String, n: Option<usize>) -> AroundView {
    let n = n.unwrap_or(AROUND).clamp(1, AROUND_MAX);
    let mut res = AroundView { at: UnixNanos(at), source, n, ..AroundView::default() };
    if let Err(fault) = read_around(ask, &mut res) {
        res.fault = Some(fault_view(&fault, &res.source));
    }
    res
}

fn read_around(ask: &Ask<'_>, view: &mut AroundView) -> Result<(), AskError> {
    let (at, n) = (view.at, view.n);
    let next = UnixNanos(at.0.saturating_add(1));
    let lines = |from, to, direction| {
        let lines = ask.lines(&view.source, from, to, direction, n + 1)?.lines;
        let has_more = lines.len() > n;
        let lines = lines.into_iter().take(n).map(json::view).collect::<Vec<_>>();
        Ok::<_, AskError>((lines, has_more))
    };
    let (mut after, has_more_after) = lines(next, UnixNanos(i64::MAX), Direction::Forward)?;
    let (mut own, _) = lines(at, next, Direction::Backward)?;
    let (mut before, has_more_before) = lines(UnixNanos(i64::MIN), at, Direction::Backward)?;
    after.reverse();
    own.iter_mut().for_each(|line| line.is_marked = true);
    if own.is_empty() {
        // Its neighbours alone would be those of nothing.
        return Ok(());
    }
    view.lines = after;
    view.lines.append(&mut own);
    view.lines.append(&mut before);
    view.has_more = (has_more_before, has_more_after);
    Ok(())
}

fn fault_view(fault: &AskError, query: &str) -> FaultView {
    let place = fault.parse_error().and_then(|fault| fault.span.clone()).and_then(|span| {
        let end = span.end.min(query.len());
        let (before, rest) = query.split_at_checked(span.start.min(query.len()))?;
        let (marked, behind) = rest.split_at_checked(end.saturating_sub(before.len()))?;
        Some((before.to_string(), marked.to_string(), behind.to_string()))
    });
    let message = match fault {
        AskError::Logs(logql::Error::Parse(fault)) => fault.to_string(),
        other => other.to_string(),
    };
    FaultView { message, place }
}
