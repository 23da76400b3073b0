//! The traces: requests by how long they took and whether they failed, and one in its parts.

mod list;
mod tree;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use url::form_urlencoded;

use super::AdminState;
use super::browser::{frame, html, not_found, unanswered};
use super::door::to_login;
use super::gather::off_thread;
use super::guard;
use super::overview::window_of;
use crate::pages::admin::{self, Tab, TraceFilter, TraceOrder, TraceView};
use crate::record::access::cut;
use crate::record::trace::TraceId;

/// A longer text is cut; nobody types more.
const TEXT_MAX_BYTES: usize = 256;

/// `GET /admin/traces`
pub(super) async fn page(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    let Some(session) = guard::session(&state, &req).await else { return to_login(&state, &req) };
    let filter = read(req.query_string());
    match off_thread(&state, move |state| list::view(&*state.parts.traces, &state.parts.clock, filter)).await
    {
        Ok(view) => {
            let frame = frame(&state, &req, &session, Tab::Traces);
            html(StatusCode::OK, admin::traces(&frame, &view).into_string())
        }
        Err(err) => unanswered(&state, &req, err),
    }
}

/// `GET /admin/traces/{id}`; what is no id of a trace is not found.
pub(super) async fn one(
    state: web::Data<AdminState>,
    req: HttpRequest,
    path: web::Path<String>,
) -> HttpResponse {
    let Some(session) = guard::session(&state, &req).await else { return to_login(&state, &req) };
    let Some(id) = TraceId::parse_hex(&path) else { return not_found(state, req).await };
    let view = off_thread(&state, move |state| match state.parts.traces.trace(id) {
        Ok(spans) => tree::view(id, spans),
        Err(fault) => {
            TraceView { id: id.to_string(), fault: Some(fault.to_string()), ..TraceView::default() }
        }
    });
    match view.await {
        Ok(view) => {
            let is_known = !view.spans.is_empty() || view.fault.is_some();
            let status = if is_known { StatusCode::OK } else { StatusCode::NOT_FOUND };
            let frame = frame(&state, &req, &session, Tab::Traces);
            html(status, admin::waterfall(&frame, &view).into_string())
        }
        Err(err) => unanswered(&state, &req, err),
    }
}

/// Reads any query: what it does not understand it leaves out.
fn read(query: &str) -> TraceFilter {
    let mut res = TraceFilter { window: window_of(query), ..TraceFilter::default() };
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "q" => res.text = cut(value.trim(), TEXT_MAX_BYTES).to_string(),
            "order" => {
                let known = TraceOrder::ALL.into_iter().find(|order| order.key() == value);
                res.order = known.unwrap_or_default();
            }
            "min" => res.min_ms = value.trim().parse().ok().filter(|ms| *ms > 0),
            "all" => res.with_routine = value == "1",
            "before" => res.before = value.parse().ok(),
            _ => {}
        }
    }
    res
}
