//! The page of the private links: makes and revokes them.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::AdminState;
use super::audit::{Deed, Event};
use super::browser::{back, bad, base, busy, frame, good, html, see_other};
use super::door::to_login;
use super::form::Timely;
use super::guard::{self, CsrfForm};
use super::language;
use crate::clock::UnixMillis;
use crate::http::links::{DAYS_MAX, LinkError, NOTE_MAX_CHARS, PrivateLink};
use crate::pages::admin::{Lang, LinkView, LinksView, Tab};

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
    let (links, now, base) = (&state.parts.links, state.parts.clock.now_ms(), base(&state, &req));
    let list = links.list(now).into_iter().map(|link| LinkView {
        url: format!("{base}{}", links.path_of(&link)),
        expires: UnixMillis::from_seconds(link.expires).to_nanos(),
        id: link.id,
        note: link.note,
    });
    let view = LinksView {
        links: list.collect(),
        note_max_chars: NOTE_MAX_CHARS,
        days_default: DAYS_DEFAULT,
        days_max: DAYS_MAX,
    };
    html(
        StatusCode::OK,
        crate::pages::admin::links(&frame(&state, &req, &session, Tab::Cv), &view).into_string(),
    )
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
        made
    };
    let lang = language::of(&req);
    let notice = match state.parts.heavy.run(work).await {
        Ok(Ok(link)) => {
            let url = format!("{}{}", base(&state, &req), state.parts.links.path_of(&link));
            good(lang.trf("Give away this link: {url}", &[("url", &url)]))
        }
        Ok(Err(fault)) => bad(words(lang, &fault)),
        Err(_) => busy(&req),
    };
    back(&state, &session, PLACE, notice)
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
    let lang = language::of(&req);
    let notice = match state.parts.heavy.run(work).await {
        Ok(Ok(())) => good(lang.tr("The link is revoked: it opens nothing more.")),
        Ok(Err(fault)) => bad(words(lang, &fault)),
        Err(_) => busy(&req),
    };
    back(&state, &session, PLACE, notice)
}

/// Says what went wrong in the owner's language; what the machine said stays as it is.
fn words(lang: Lang, fault: &LinkError) -> String {
    match fault {
        LinkError::TooMany => {
            lang.tr("There are as many private links as there can be: revoke those that nobody needs.").into()
        }
        LinkError::Days => lang.trf("A private link lasts from 1 to {days} days.", &[("days", &DAYS_MAX)]),
        LinkError::Note => {
            lang.trf("Say for whom it is in at most {n} characters.", &[("n", &NOTE_MAX_CHARS)])
        }
        LinkError::Unknown => lang.tr("This link was revoked already, or has expired.").into(),
        LinkError::File { .. } => fault.to_string(),
    }
}
