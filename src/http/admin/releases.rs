//! The releases: what is on the shelf, what was tried, and the way back.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::audit::{Deed, Event};
use super::browser::{back, bad, frame, good, html, see_other, unanswered};
use super::door::to_login;
use super::form::Timely;
use super::gather::off_thread;
use super::guard::{self, CsrfForm};
use super::{AdminState, RollBackError, language};
use crate::pages::admin::releases as pages;
use crate::pages::admin::{Lang, Tab};

/// Where the page is.
const PLACE: &str = "/admin/releases";

/// While a command is at work a browser asks again so often, in seconds.
const ASKED_AGAIN: &str = "2";

/// `GET /admin/releases`
pub(super) async fn page(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    let Some(session) = guard::session(&state, &req).await else { return to_login(&state, &req) };
    match off_thread(&state, |state| state.parts.releases.look()).await {
        Ok(view) => {
            let is_at_work = view.asked.as_ref().is_some_and(|asked| asked.outcome.is_none());
            let frame = frame(&state, &req, &session, Tab::Releases);
            let mut answer = html(StatusCode::OK, pages::releases(&frame, &view).into_string());
            if is_at_work {
                let again = actix_web::http::header::HeaderValue::from_static(ASKED_AGAIN);
                answer.headers_mut().insert(actix_web::http::header::REFRESH, again);
            }
            answer
        }
        Err(err) => unanswered(&state, &req, err),
    }
}

/// What the button sends.
#[derive(Deserialize)]
pub(super) struct RollBackForm {
    #[serde(flatten)]
    csrf: CsrfForm,
    #[serde(default)]
    release: String,
}

/// `POST /admin/releases/rollback`
pub(super) async fn roll_back(
    state: web::Data<AdminState>,
    req: HttpRequest,
    Timely(form): Timely<RollBackForm>,
) -> HttpResponse {
    let session = match guard::meant(&state, &req, form.as_ref().map(|form| &form.csrf)).await {
        Ok(session) => session,
        Err(refusal) => return refusal,
    };
    let Some(RollBackForm { release, .. }) = form else { return see_other(PLACE) };
    let (lang, witness) = (language::of(&req), state.witness(&req, session.actor()));
    let begin = move |state: &AdminState| {
        let begun = state.parts.releases.roll_back(&release);
        witness.note(Deed::of(Event::RollBack, &format!("roll back to release {release}"), &begun));
        begun.map(|()| release)
    };
    let notice = match off_thread(&state, begin).await {
        Ok(Ok(release)) => good(lang.trf(
            "The roll-back to {release} is begun. Visitors are served all the while.",
            &[("release", &release)],
        )),
        Ok(Err(fault)) => bad(in_words(lang, &fault)),
        Err(err) => return unanswered(&state, &req, err),
    };
    back(&state, &session, PLACE, notice)
}

fn in_words(lang: Lang, fault: &RollBackError) -> String {
    match fault {
        RollBackError::Unknown(id) => lang.trf("There is no release {release} any more.", &[("release", id)]),
        RollBackError::Barred(bar) => pages::barred_in_words(lang, bar),
        RollBackError::Busy => lang.tr("A roll-back is at work already: wait for its end.").to_string(),
        RollBackError::Failed(why) => lang.trf("The roll-back was not begun: {why}", &[("why", why)]),
    }
}
