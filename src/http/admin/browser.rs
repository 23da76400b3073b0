//! What all pages have in common, and the login and the logout.

use actix_web::http::StatusCode;
use actix_web::http::header::{ContentType, LOCATION, RETRY_AFTER, SET_COOKIE};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use url::form_urlencoded;

use super::AdminState;
use super::audit::{Deed, Event};
use super::auth::LoginError;
use super::form::Timely;
use super::gather::GatherError;
use super::guard::{self, CsrfForm, Session};
use super::language;
use crate::pages::admin::{self, Frame, Lang, LoginView, Notice, Tab};

pub(super) const LOGIN: &str = "/admin/login";

/// Returns the frame of a page.
pub(super) fn frame(state: &AdminState, req: &HttpRequest, session: &Session, tab: Tab) -> Frame {
    let place = req.uri().path_and_query().map_or(tab.path(), |place| place.as_str());
    Frame {
        assets: state.parts.assets.clone(),
        lang: language::of(req),
        csrf: session.csrf.clone(),
        now: state.parts.clock.now(),
        tab,
        place: place.to_string(),
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

/// `GET /admin/login`; `out` in the query says that somebody just left.
pub(super) async fn login_form(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    if let Some(place) = (state.parts.secure_place)(&req) {
        return see_other(&place);
    }
    if guard::session(&state, &req).await.is_some() {
        return see_other("/admin");
    }
    let has_left = form_urlencoded::parse(req.query_string().as_bytes()).any(|(name, _)| name == "out");
    let notice = has_left.then(|| language::of(&req).tr("You are logged out.").to_string());
    html(StatusCode::OK, login_page(&state, &req, notice))
}

/// What the login form sends.
#[derive(Deserialize)]
pub(super) struct LoginForm {
    password: String,
    /// Of the second factor.
    #[serde(default)]
    code: String,
}

/// `POST /admin/login`
pub(super) async fn login(
    state: web::Data<AdminState>,
    req: HttpRequest,
    Timely(form): Timely<LoginForm>,
) -> HttpResponse {
    let Some(form) = form.filter(|_| guard::is_own_site(&req)) else {
        let notice = language::of(&req)
            .tr("The form arrived incomplete, or from another site. Please type the password here.");
        return html(StatusCode::BAD_REQUEST, login_page(&state, &req, Some(notice.to_string())));
    };
    let peer = (state.parts.peer)(&req);
    if guard::is_refused(&state, peer) {
        let notice = language::of(&req).tr("A password is taken over HTTPS only (admin.require_tls).");
        return html(StatusCode::FORBIDDEN, login_page(&state, &req, Some(notice.to_string())));
    }
    match state.parts.auth.login(form.password, &form.code, guard::visitor(&state, &req)).await {
        Ok(token) => {
            if peer.is_overheard() {
                tracing::warn!("an admin password came over plain HTTP, where others can read it: use HTTPS");
            }
            HttpResponse::SeeOther()
                .insert_header((LOCATION, "/admin"))
                .insert_header((SET_COOKIE, guard::session_cookie(&token, peer)))
                .finish()
        }
        Err(err) => login_refused(&state, &req, err),
    }
}

fn login_refused(state: &AdminState, req: &HttpRequest, err: LoginError) -> HttpResponse {
    let status = match err {
        LoginError::Wrong | LoginError::WrongCode | LoginError::NeedsCode => StatusCode::UNAUTHORIZED,
        LoginError::TooSoon { .. } | LoginError::Overloaded => StatusCode::TOO_MANY_REQUESTS,
    };
    let notice = login_fault(language::of(req), err);
    let mut res = HttpResponse::build(status);
    guard::retry_after(&mut res, err);
    res.insert_header(ContentType::html()).body(login_page(state, req, Some(notice)))
}

/// Says why somebody did not get in.
pub(super) fn login_fault(lang: Lang, err: LoginError) -> String {
    match err {
        LoginError::Wrong => lang.tr("That is not the password. Please try again.").to_string(),
        LoginError::WrongCode | LoginError::NeedsCode => lang
            .tr("That is not the code of now. Each opens once: wait for the next one and try again.")
            .to_string(),
        LoginError::TooSoon { wait } => {
            let wait = wait.as_secs() + 1;
            lang.trf("Too many wrong attempts. Please wait {seconds} s and try again.", &[("seconds", &wait)])
        }
        LoginError::Overloaded => lang
            .tr("Too many people are trying to log in just now. Please try again in a moment.")
            .to_string(),
    }
}

/// `POST /admin/logout`
pub(super) async fn logout(
    state: web::Data<AdminState>,
    req: HttpRequest,
    Timely(form): Timely<CsrfForm>,
) -> HttpResponse {
    let session = match guard::meant(&state, &req, form.as_ref()).await {
        Ok(session) => session,
        Err(refusal) => return refusal,
    };
    let token = session.token.clone();
    state.parts.auth.logout(&token);
    state.witness(&req, session.actor()).note(Deed::done(Event::Logout, "logged out"));
    HttpResponse::SeeOther()
        .insert_header((LOCATION, "/admin/login?out=1"))
        .insert_header((SET_COOKIE, guard::no_cookie((state.parts.peer)(&req))))
        .finish()
}

/// Anything else below `/admin`: strangers learn only that there is a login.
pub(super) async fn not_found(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    if guard::session(&state, &req).await.is_none() {
        return see_other(LOGIN);
    }
    let lang = language::of(&req);
    let (title, text) = (lang.tr("Not found"), lang.tr("There is nothing at this address."));
    html(StatusCode::NOT_FOUND, admin::message(&state.parts.assets, lang, title, text).into_string())
}

fn login_page(state: &AdminState, req: &HttpRequest, notice: Option<String>) -> String {
    let is_overheard = (state.parts.peer)(req).is_overheard();
    let (assets, lang) = (state.parts.assets.clone(), language::of(req));
    let needs_code = state.parts.auth.second_factor().is_on();
    admin::login(&LoginView { assets, lang, notice, is_overheard, needs_code }).into_string()
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
    let page = admin::message(&state.parts.assets, lang, lang.tr("Not now"), text).into_string();
    HttpResponse::build(status).insert_header((RETRY_AFTER, 2)).insert_header(ContentType::html()).body(page)
}

pub(super) fn html(status: StatusCode, page: String) -> HttpResponse {
    HttpResponse::build(status).insert_header(ContentType::html()).body(page)
}

/// Answers when the lane for what waits for a disk is full.
pub(super) fn lane_full() -> HttpResponse {
    HttpResponse::ServiceUnavailable().insert_header((RETRY_AFTER, 1)).finish()
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
