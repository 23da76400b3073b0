//! Visitors: the page, and the tagged links that are made and deleted there.

mod days;
mod read;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use url::form_urlencoded;

use super::AdminState;
use super::audit::{Deed, Event};
use super::browser::{back, bad, base, busy, frame, good, html, see_other, unanswered};
use super::door::to_login;
use super::form::Timely;
use super::gather::{GatherError, off_thread};
use super::guard::{self, CsrfForm};
use super::language;
use crate::pages::admin::{self, Lang, Period, Tab, VisitorsView};
use crate::visitors::day::Day;
use crate::visitors::tagged::TaggedError;

pub(super) use days::Known;
pub(super) use read::lately;

/// Where the page is.
const PLACE: &str = "/admin/visitors";

/// `GET /admin/visitors`; `range`, or `from` and `to`, in the query
pub(super) async fn page(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    let Some(session) = guard::session(&state, &req).await else { return to_login(&state, &req) };
    let period = period_of(req.query_string(), Day::of(state.parts.clock.now()));
    match view(&state, period, base(&state, &req), read::view).await {
        Ok(view) => {
            let frame = frame(&state, &req, &session, Tab::Visitors);
            html(StatusCode::OK, admin::visitors(&frame, &view).into_string())
        }
        Err(err) => unanswered(&state, &req, err),
    }
}

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct NewLink {
    #[serde(flatten)]
    csrf: CsrfForm,
    #[serde(default)]
    label: String,
}

/// `POST /admin/visitors/links`
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
    let (tagged, now) = (state.parts.tagged.clone(), state.parts.clock.now_ms());
    let witness = state.witness(&req, session.actor());
    let work = move || {
        let made = tagged.create(&form.label, now);
        witness.note(match &made {
            Ok(link) => {
                Deed::done(Event::TagMade, format!("made the tagged link {}: {}", link.tag, link.label))
            }
            Err(fault) => Deed::refused(Event::TagMade, format!("make a tagged link: {fault}")),
        });
        made
    };
    let lang = language::of(&req);
    let notice = match state.parts.heavy.run(work).await {
        Ok(Ok(link)) => {
            let url = format!("{}/?via={}", base(&state, &req), link.tag);
            good(lang.trf("Give away this link: {url}", &[("url", &url)]))
        }
        Ok(Err(fault)) => bad(words(lang, &fault)),
        Err(_) => busy(&req),
    };
    back(&state, &session, PLACE, notice)
}

/// `POST /admin/visitors/links/{tag}/delete`
pub(super) async fn delete(
    state: web::Data<AdminState>,
    req: HttpRequest,
    tag: web::Path<String>,
    Timely(form): Timely<CsrfForm>,
) -> HttpResponse {
    let session = match guard::meant(&state, &req, form.as_ref()).await {
        Ok(session) => session,
        Err(refusal) => return refusal,
    };
    let (tagged, tag) = (state.parts.tagged.clone(), tag.into_inner());
    let witness = state.witness(&req, session.actor());
    let work = move || {
        let deleted = tagged.delete(&tag);
        witness.note(Deed::of(Event::TagDeleted, &format!("delete the tagged link {tag}"), &deleted));
        deleted.map(|()| tag)
    };
    let lang = language::of(&req);
    let notice = match state.parts.heavy.run(work).await {
        Ok(Ok(tag)) => good(lang.trf("The name of via={tag} is forgotten.", &[("tag", &tag)])),
        Ok(Err(fault)) => bad(words(lang, &fault)),
        Err(_) => busy(&req),
    };
    back(&state, &session, PLACE, notice)
}

/// Says what went wrong in the owner's language; what the machine said stays as it is.
fn words(lang: Lang, fault: &TaggedError) -> String {
    match fault {
        TaggedError::TooMany => lang
            .tr("There are as many tagged links as there can be: delete those that nobody follows.")
            .into(),
        TaggedError::Label => lang.tr("Say in a few words where the link goes.").into(),
        TaggedError::NoTag => {
            lang.tr("No tag can be made of this: use some Latin or Russian letters, or digits.").into()
        }
        TaggedError::Taken(tag) => {
            lang.trf("There is a link with the tag {tag} already: choose other words.", &[("tag", tag)])
        }
        TaggedError::Unknown => lang.tr("This link was deleted already.").into(),
        TaggedError::File { .. } => fault.to_string(),
    }
}

/// Reads the days off the query; of a name that comes twice the last one counts.
fn period_of(query: &str, today: Day) -> Period {
    let (mut range, mut from, mut to) = Default::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "range" => range = value,
            "from" => from = value,
            "to" => to = value,
            _ => {}
        }
    }
    Period::read(&range, &from, &to, today.0)
}

/// Fills of the view of a page, by its query, what changes by itself.
pub(super) async fn people(
    state: &Arc<AdminState>,
    query: &str,
    address: String,
) -> Result<VisitorsView, GatherError> {
    let period = period_of(query, Day::of(state.parts.clock.now()));
    view(state, period, address, read::people).await
}

async fn view(
    state: &Arc<AdminState>,
    period: Period,
    address: String,
    read: fn(&AdminState, Period, String) -> VisitorsView,
) -> Result<VisitorsView, GatherError> {
    let stages = state.stages();
    off_thread(state, move |state| stages.run("query visitors", || read(state, period, address))).await
}
