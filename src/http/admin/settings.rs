//! How everything is set, and who did what.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use url::form_urlencoded;

use super::AdminState;
use super::ask::AskError;
use super::browser::{frame, html, unanswered};
use super::door::to_login;
use super::gather::{GatherError, off_thread};
use super::guard;
use crate::clock::UnixNanos;
use crate::pages::admin::{self, AuditLine, AuditView, LogLevelView, SettingsView, Tab};
use crate::query::logql::Line;
use crate::record::read::Direction;

/// Deeds on one page: some weeks of a quiet server.
const DEEDS_MAX: usize = 50;

/// They are looked for so far back; lines are not kept for longer by default.
const DEEDS_AGE: Duration = Duration::from_secs(30 * 86_400);

/// The query for all deeds. The machine's own audit log may be followed, too: that is another service.
const DEEDS: &str = r#"{job="audit", service_name="vitrine"}"#;

/// The query for those that were refused, logins among them.
const REFUSED: &str = r#"{job="audit", service_name="vitrine"} | outcome="refused""#;

/// `GET /admin/settings`; `only=changed` leaves out what nobody set.
pub(super) async fn page(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    let Some(session) = guard::session(&state, &req).await else { return to_login(&state, &req) };
    let is_changed_only = only(&req) == "changed";
    let gather = move |state: &AdminState| SettingsView {
        settings: (state.parts.settings)(),
        is_changed_only,
        reload: (state.parts.status)().reload,
        log: {
            let level = (state.parts.log.get)();
            LogLevelView { now: level.now, configured: level.configured }
        },
    };
    match off_thread(&state, gather).await {
        Ok(view) => {
            let frame = frame(&state, &req, &session, Tab::Settings);
            html(StatusCode::OK, admin::settings(&frame, &view).into_string())
        }
        Err(err) => unanswered(&state, &req, err),
    }
}

/// `GET /admin/settings/audit`; `only=refused` leaves out what was done.
pub(super) async fn audit(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    let Some(session) = guard::session(&state, &req).await else { return to_login(&state, &req) };
    match deeds(&state, only(&req) == "refused").await {
        Ok(view) => {
            let frame = frame(&state, &req, &session, Tab::Settings);
            html(StatusCode::OK, admin::audit(&frame, &view).into_string())
        }
        Err(err) => unanswered(&state, &req, err),
    }
}

/// Reads `only` off the query; of a name that comes twice the last one counts.
fn only(req: &HttpRequest) -> Cow<'_, str> {
    let pairs = form_urlencoded::parse(req.query_string().as_bytes());
    pairs.filter(|(name, _)| name == "only").map(|(_, value)| value).last().unwrap_or_default()
}

async fn deeds(state: &Arc<AdminState>, is_refused_only: bool) -> Result<AuditView, GatherError> {
    let stages = state.stages();
    off_thread(state, move |state| {
        let query = if is_refused_only { REFUSED } else { DEEDS };
        let found = stages.run("query deeds", || read(state, query));
        let (lines, unreadable) = match found {
            Ok(lines) => (lines, None),
            Err(fault) => (Vec::new(), Some(fault.to_string())),
        };
        AuditView { lines, query, is_refused_only, lines_max: DEEDS_MAX, unreadable }
    })
    .await
}

fn read(state: &AdminState, query: &str) -> Result<Vec<AuditLine>, AskError> {
    let ask = state.ask();
    let now = state.parts.clock.now();
    let from = now.to_millis().minus(DEEDS_AGE).to_nanos();
    // The end is exclusive, and the newest deed belongs to it.
    let to = UnixNanos(now.0.saturating_add(1));
    let answer = ask.lines(query, from, to, Direction::Backward, DEEDS_MAX)?;
    Ok(answer.lines.into_iter().map(audit_line).collect())
}

fn audit_line(line: Line) -> AuditLine {
    let of = |wanted: &str| {
        let found = line.metadata.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    AuditLine {
        at: line.at,
        event: of("event_name"),
        actor: of("actor"),
        address: of("client_address"),
        is_done: of("outcome") != "refused",
        text: line.text,
    }
}
