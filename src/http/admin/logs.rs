//! The logs: lines by text and level, the newest first.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use url::form_urlencoded;

use super::AdminState;
use super::browser::{LOGIN, frame, html, see_other, unanswered};
use super::gather::{GatherError, off_thread};
use super::guard;
use super::overview::window_of;
use crate::clock::UnixNanos;
use crate::pages::admin::{self, LogFilter, LogsView, Tab};
use crate::query::logs::{LogSearch, LogsFound, SCAN_MAX, TEXT_MAX_BYTES};
use crate::record::Severity;
use crate::record::access::{JOB_ACCESS, cut};
use crate::record::read::LineRef;

/// Lines on one page: several screens of a phone, 15 kB of markup.
const LINES_MAX: usize = 50;

/// `GET /admin/logs`
pub(super) async fn page(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    let Some(session) = guard::session(&state, &req).await else { return see_other(LOGIN) };
    match view(&state, filter(req.query_string())).await {
        Ok(view) => {
            let frame = frame(&state, &req, &session, Tab::Logs);
            html(StatusCode::OK, admin::logs(&frame, &view).into_string())
        }
        Err(err) => unanswered(&state, &req, err),
    }
}

/// Reads any query: what it does not understand it leaves out, and of a name that comes
/// twice the last one counts.
fn filter(query: &str) -> LogFilter {
    let mut res = LogFilter { window: window_of(query), ..LogFilter::default() };
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "q" => res.text = cut(value.trim(), TEXT_MAX_BYTES).to_string(),
            "level" => res.level = severity(&value).as_str().to_string(),
            "all" => res.with_routine = value == "1",
            "before" => res.before = value.parse().ok(),
            _ => {}
        }
    }
    res
}

async fn view(state: &Arc<AdminState>, filter: LogFilter) -> Result<LogsView, GatherError> {
    let stages = state.stages();
    off_thread(state, move |state| stages.run("query lines", || logs(state, filter))).await
}

fn logs(state: &AdminState, filter: LogFilter) -> LogsView {
    let now = state.parts.clock.now();
    let (from, to) = filter.window.bounds(now.to_millis());
    let to = UnixNanos(filter.before.unwrap_or(i64::MAX).min(to.to_nanos().0));
    let search = LogSearch {
        matchers: Vec::new(),
        text: filter.text.clone(),
        level: severity(&filter.level),
        except: (!filter.with_routine).then_some(is_routine),
        from: from.to_nanos(),
        to,
        limit: LINES_MAX,
        scan_max: SCAN_MAX,
    };
    match search.run(state.parts.logs.as_ref()) {
        Ok(LogsFound { lines, scanned, is_cut_off, has_older }) => {
            let cut_off_after = is_cut_off.then_some(scanned);
            LogsView { filter, lines, cut_off_after, has_older, unreadable: None }
        }
        Err(err) => LogsView { filter, unreadable: Some(err.to_string()), ..LogsView::default() },
    }
}

/// Routes that programs ask for again and again, and the owner's own page.
const ROUTINE: &[&str] = &["/health", "/ready", "/metrics", "/admin"];

/// Says whether a line is a probe or the owner's own visit, and went well: those are most
/// of a quiet server's lines and tell nothing about visitors.
fn is_routine(line: &LineRef<'_>) -> bool {
    let path = line.metadata("url_path");
    let is_below =
        |route: &&str| path.strip_prefix(*route).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let is_well = line.metadata("http_response_status_code").starts_with(['2', '3']);
    is_well && line.stream.get("job") == JOB_ACCESS && ROUTINE.iter().any(is_below)
}

fn severity(word: &str) -> Severity {
    let known = [Severity::Debug, Severity::Info, Severity::Warn, Severity::Error];
    known.into_iter().find(|severity| severity.as_str() == word).unwrap_or(Severity::Unspecified)
}
