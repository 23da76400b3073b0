//! What all pages have in common.

use actix_web::http::StatusCode;
use actix_web::http::header::{ContentType, LOCATION, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, web};

use super::AdminState;
use super::door::to_login;
use super::gather::GatherError;
use super::guard::{self, Session};
use super::language;
use crate::pages::admin::{self, Frame, Notice, Tab};

/// Returns the address that is asked for, with its query.
pub(super) fn place(req: &HttpRequest) -> &str {
    req.uri().path_and_query().map_or("/admin", |place| place.as_str())
}

/// Returns the frame of a page.
pub(super) fn frame(state: &AdminState, req: &HttpRequest, session: &Session, tab: Tab) -> Frame {
    Frame {
        assets: state.parts.assets.clone(),
        lang: language::of(req),
        csrf: session.csrf.clone(),
        now: state.parts.clock.now(),
        tab,
        place: place(req).to_string(),
        notice: state.take_notice(req, session),
    }
}

/// Lands on a page again after an action, which says there how it ended: a reload of the page
/// repeats nothing.
pub(super) fn back(state: &AdminState, session: &Session, place: &str, notice: Notice) -> HttpResponse {
    state.leave_notice(&session.token, notice);
    see_other(place)
}

/// Says that what was asked for was done.
pub(super) fn good(text: impl Into<String>) -> Notice {
    Notice { is_good: true, text: text.into() }
}

/// Says that it was not, and why.
pub(super) fn bad(text: impl Into<String>) -> Notice {
    Notice { is_good: false, text: text.into() }
}

/// Said where the lane for what waits for a disk is full, or the process stops.
pub(super) fn busy(req: &HttpRequest) -> Notice {
    bad(language::of(req).tr("The server answers other queries. Try again in a moment."))
}

/// `GET /admin/`
pub(super) async fn to_page() -> HttpResponse {
    see_other("/admin")
}

/// Anything else below `/admin`: strangers learn only that there is a login.
pub(super) async fn not_found(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    if guard::session(&state, &req).await.is_none() {
        return to_login(&state, &req);
    }
    let lang = language::of(&req);
    let (title, text) = (lang.tr("Not found"), lang.tr("There is nothing at this address."));
    html(
        StatusCode::NOT_FOUND,
        admin::message(&state.parts.assets, lang, (title, text), "/admin").into_string(),
    )
}

/// Answers a page whose numbers could not be gathered.
pub(super) fn unanswered(state: &AdminState, req: &HttpRequest, err: GatherError) -> HttpResponse {
    let lang = language::of(req);
    let (status, text) = match err {
        GatherError::Saturated => (
            StatusCode::SERVICE_UNAVAILABLE,
            lang.tr("The server answers other queries. Try again in a moment."),
        ),
        GatherError::Lost => {
            (StatusCode::INTERNAL_SERVER_ERROR, lang.tr("The query broke off. The log says why."))
        }
    };
    let page =
        admin::message(&state.parts.assets, lang, (lang.tr("Not now"), text), place(req)).into_string();
    HttpResponse::build(status).insert_header((RETRY_AFTER, 2)).insert_header(ContentType::html()).body(page)
}

pub(super) fn html(status: StatusCode, page: String) -> HttpResponse {
    HttpResponse::build(status).insert_header(ContentType::html()).body(page)
}

/// Returns where the site is, without the slash at the end: as the owner named it, else as the
/// browser came.
pub(super) fn base(state: &AdminState, req: &HttpRequest) -> String {
    (state.parts.base_url)().unwrap_or_else(|| {
        let connection = req.connection_info();
        let scheme = if (state.parts.peer)(req).is_secure { "https" } else { "http" };
        format!("{scheme}://{}", connection.host())
    })
}

pub(super) fn see_other(place: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, place)).finish()
}
