//! The page of the private links: makes and revokes them.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::AdminState;
use super::audit::{Deed, Event};
use super::browser::{base, frame, html, lane_full, see_other};
use super::door::to_login;
use super::form::Timely;
use super::guard::{self, CsrfForm};
use crate::http::links::{DAYS_MAX, LinkError, NOTE_MAX_CHARS, PrivateLink};
use crate::pages::admin::{LinkView, LinksView, Tab};

/// Where the page is.
const PLACE: &str = "/admin/links";

/// A link lasts so long unless the owner says otherwise: an application takes weeks.
const DAYS_DEFAULT: u64 = 30;

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct NewLink {
    #[serde(flatten)]
    csrf: CsrfForm,
    #[serde(default)]
    note: String,
    #[serde(default)]
    days: String,
}

/// `GET /admin/links`
pub(super) async fn page(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    let Some(session) = guard::session(&state, &req).await else { return to_login(&state, &req) };
    show(&state, &req, session, None)
}

/// `POST /admin/links`
pub(super) async fn create(
    state: web::Data<AdminState>,
    req: HttpRequest,
    Timely(form): Timely<NewLink>,
) -> HttpResponse {
    let session = match guard::meant(&state, &req, form.as_ref().map(|form| &form.csrf)).await {
        Ok(session) => session,
        Err(refusal) => return refusal,
    };
    let Some(form) = form else { return see_other(PLACE) };
    let (links, now) = (state.parts.links.clone(), state.parts.clock.now_ms());
    let witness = state.witness(&req, session.actor());
    let work = move || {
        let days = form.days.trim().parse();
        let made = days.map_err(|_| LinkError::Days).and_then(|days| links.create(&form.note, days, now));
        witness.note(match &made {
            Ok(PrivateLink { id, note, .. }) => {
                let days = form.days.trim();
                Deed::done(Event::LinkMade, format!("made the private link {id} for {days} days: {note}"))
            }
            Err(fault) => Deed::refused(Event::LinkMade, format!("make a private link: {fault}")),
        });
        made.map(|_| ())
    };
    match state.parts.heavy.run(work).await {
        Ok(made) => ended(&state, &req, session, made),
        Err(_) => lane_full(),
    }
}

/// `POST /admin/links/{id}/revoke`
pub(super) async fn revoke(
    state: web::Data<AdminState>,
    req: HttpRequest,
    id: web::Path<String>,
    Timely(form): Timely<CsrfForm>,
) -> HttpResponse {
    let session = match guard::meant(&state, &req, form.as_ref()).await {
        Ok(session) => session,
        Err(refusal) => return refusal,
    };
    let (links, id) = (state.parts.links.clone(), id.into_inner());
    let witness = state.witness(&req, session.actor());
    let work = move || {
        let revoked = links.revoke(&id);
        witness.note(Deed::of(Event::LinkRevoked, &format!("revoke the private link {id}"), &revoked));
        revoked
    };
    match state.parts.heavy.run(work).await {
        Ok(revoked) => ended(&state, &req, session, revoked),
        Err(_) => lane_full(),
    }
}

/// Shows the page again, so that a reload of it repeats nothing; with what went wrong, if it did.
fn ended(
    state: &AdminState,
    req: &HttpRequest,
    session: guard::Session,
    outcome: Result<(), LinkError>,
) -> HttpResponse {
    match outcome {
        Ok(()) => see_other(PLACE),
        Err(fault) => show(state, req, session, Some(fault)),
    }
}

fn show(
    state: &AdminState,
    req: &HttpRequest,
    session: guard::Session,
    fault: Option<LinkError>,
) -> HttpResponse {
    let (links, now) = (&state.parts.links, state.parts.clock.now_ms());
    let base = base(state, req);
    let list = links.list(now).into_iter().map(|link| LinkView {
        url: format!("{base}{}", links.path_of(&link)),
        id: link.id,
        note: link.note,
        expires: link.expires,
    });
    let view = LinksView {
        links: list.collect(),
        notice: fault.as_ref().map(ToString::to_string),
        note_max_chars: NOTE_MAX_CHARS,
        days_default: DAYS_DEFAULT,
        days_max: DAYS_MAX,
    };
    let status = if fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let frame = frame(state, req, &session, Tab::Cv);
    html(status, crate::pages::admin::links(&frame, &view).into_string())
}
