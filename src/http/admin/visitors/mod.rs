//! Visitors: the page, and the tagged links that are made and deleted there.

mod days;
mod read;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use tracing::info;
use url::form_urlencoded;

use super::AdminState;
use super::browser::{LOGIN, base, frame, html, lane_full, see_other, unanswered};
use super::form::Timely;
use super::gather::{GatherError, off_thread};
use super::guard::{self, Caller, CsrfForm, Session};
use crate::pages::admin::{self, Lang, Notice, Period, Tab, VisitorsView};
use crate::visitors::day::Day;
use crate::visitors::tagged::TaggedError;

pub(super) use days::Known;

/// Where the page is.
const PLACE: &str = "/admin/visitors";

/// Where it shows the links.
const LINKS: &str = "/admin/visitors#links-title";

/// `GET /admin/visitors`; `range`, or `from` and `to`, in the query
pub(super) async fn page(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    let Some(session) = guard::session(&state, &req).await else { return see_other(LOGIN) };
    show(&state, &req, &session, None).await
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
    let Some(session) = guard::session(&state, &req).await else { return see_other(LOGIN) };
    let caller = Caller::Session(session);
    if !guard::is_meant(&caller, &req, form.as_ref().map(|form| &form.csrf)) {
        return guard::not_meant();
    }
    let Some(form) = form else { return see_other(PLACE) };
    let (tagged, now) = (state.parts.tagged.clone(), state.parts.clock.now_ms());
    let work = move || {
        let link = tagged.create(&form.label, now)?;
        info!("the tagged link {} was made", link.tag);
        Ok(())
    };
    match state.parts.heavy.run(work).await {
        Ok(made) => ended(&state, &req, caller, made).await,
        Err(_) => lane_full(),
    }
}

/// `POST /admin/visitors/links/{tag}/delete`
pub(super) async fn delete(
    state: web::Data<AdminState>,
    req: HttpRequest,
    tag: web::Path<String>,
    Timely(form): Timely<CsrfForm>,
) -> HttpResponse {
    let Some(session) = guard::session(&state, &req).await else { return see_other(LOGIN) };
    let caller = Caller::Session(session);
    if !guard::is_meant(&caller, &req, form.as_ref()) {
        return guard::not_meant();
    }
    let (tagged, tag) = (state.parts.tagged.clone(), tag.into_inner());
    let work = move || {
        tagged.delete(&tag)?;
        info!("the tagged link {tag} was deleted");
        Ok(())
    };
    match state.parts.heavy.run(work).await {
        Ok(deleted) => ended(&state, &req, caller, deleted).await,
        Err(_) => lane_full(),
    }
}

/// Leads back, so that a reload of the page repeats nothing; or shows it with what went wrong.
async fn ended(
    state: &web::Data<AdminState>,
    req: &HttpRequest,
    caller: Caller,
    outcome: Result<(), TaggedError>,
) -> HttpResponse {
    match (outcome, caller) {
        (Err(fault), Caller::Session(session)) => show(state, req, &session, Some(fault)).await,
        _ => see_other(LINKS),
    }
}

async fn show(
    state: &web::Data<AdminState>,
    req: &HttpRequest,
    session: &Session,
    fault: Option<TaggedError>,
) -> HttpResponse {
    let period = period_of(req.query_string(), Day::of(state.parts.clock.now()));
    let address = base(state, req);
    match view(state, period, address).await {
        Ok(view) => {
            let mut frame = frame(state, req, session, Tab::Visitors);
            let status = fault.as_ref().map_or(StatusCode::OK, |_| StatusCode::UNPROCESSABLE_ENTITY);
            frame.notice = fault.map(|fault| Notice { is_good: false, text: words(frame.lang, &fault) });
            // A form leads nowhere by GET.
            if frame.notice.is_some() {
                frame.place = PLACE.into();
            }
            html(status, admin::visitors(&frame, &view).into_string())
        }
        Err(err) => unanswered(state, req, err),
    }
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

async fn view(state: &Arc<AdminState>, period: Period, address: String) -> Result<VisitorsView, GatherError> {
    let stages = state.stages();
    off_thread(state, move |state| stages.run("query visitors", || read::view(state, period, address))).await
}
