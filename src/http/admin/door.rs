//! The door: the way to the login and from there to where one was going, the login, the logout.

use actix_web::http::header::{ACCEPT, ContentType, LOCATION, REFERER, REFRESH, SET_COOKIE};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use url::{Url, form_urlencoded};

use super::AdminState;
use super::audit::{Deed, Event};
use super::auth::LoginError;
use super::browser::{html, place, see_other};
use super::form::Timely;
use super::guard::{self, CsrfForm};
use super::language;
use crate::pages::admin::{self, Lang, LoginView, address};

const LOGIN: &str = "/admin/login";

const HOME: &str = "/admin";

/// A longer address is not kept through the login.
const PLACE_MAX_BYTES: usize = 2048;

/// Leads somebody who is not in to the login, and from there to the page that was asked for. What
/// a form wanted to change stays as it is, and the login says so.
pub(super) fn to_login(state: &AdminState, req: &HttpRequest) -> HttpResponse {
    if !matches!(*req.method(), Method::GET | Method::HEAD) {
        return see_other(&address(LOGIN, &[("lost", "1"), ("to", &came_from(req))]));
    }
    let place = place(req);
    if guard::is_led_here(req) {
        // A link on another site brings no session, a page of our own does: it asks once more.
        let lang = language::of(req);
        let text = lang.tr("You came by a link on another site. The page is loaded again by itself.");
        let page =
            admin::message(&state.parts.assets, lang, (lang.tr("One moment"), text), place).into_string();
        let refresh = (REFRESH, format!("0; url={place}"));
        return HttpResponse::Ok().insert_header(refresh).insert_header(ContentType::html()).body(page);
    }
    match place {
        HOME => see_other(LOGIN),
        place if place.len() > PLACE_MAX_BYTES => see_other(LOGIN),
        place => see_other(&address(LOGIN, &[("to", place)])),
    }
}

/// Answers a state change without the CSRF token of its session: a page of an earlier one sent it,
/// or another site did.
pub(super) fn not_meant(state: &AdminState, req: &HttpRequest) -> HttpResponse {
    if !wants_html(req) {
        return guard::not_meant();
    }
    let lang = language::of(req);
    let text = lang.tr(
        "The page that this was sent from is of an earlier login. Load it again and repeat what you did.",
    );
    let said = (lang.tr("Nothing was changed"), text);
    html(
        StatusCode::FORBIDDEN,
        admin::message(&state.parts.assets, lang, said, &came_from(req)).into_string(),
    )
}

/// Whether a person with a browser asks.
pub(super) fn wants_html(req: &HttpRequest) -> bool {
    let accept = req.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// Returns the page of ours that a form was sent from.
fn came_from(req: &HttpRequest) -> String {
    let referer = req.headers().get(REFERER).and_then(|value| value.to_str().ok());
    let place = referer.and_then(|referer| Url::parse(referer).ok()).map(|url| {
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{query}", url.path())
    });
    beyond(&place.unwrap_or_default()).to_string()
}

/// Returns where the login leads to: a page of ours, but not the login itself.
fn beyond(to: &str) -> &str {
    let is_door = to.strip_prefix(LOGIN).is_some_and(|rest| rest.is_empty() || rest.starts_with('?'));
    if guard::is_own_place(to) && !is_door && to.len() <= PLACE_MAX_BYTES { to } else { HOME }
}

/// `GET /admin/login`; `out` in the query says that somebody just left, `lost` that a form was sent
/// when nobody was in any more, `to` where to go from here.
pub(super) async fn login_form(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    if let Some(place) = (state.parts.secure_place)(&req) {
        return see_other(&place);
    }
    let (mut to, mut notice, lang) = (String::new(), None, language::of(&req));
    for (name, value) in form_urlencoded::parse(req.query_string().as_bytes()) {
        match &*name {
            "to" => to = value.into_owned(),
            "out" => notice = Some(lang.tr("You are logged out.")),
            "lost" => {
                notice = Some(
                    lang.tr("Nobody was logged in any more, so nothing was changed. Log in and do it again."),
                )
            }
            _ => {}
        }
    }
    if guard::session(&state, &req).await.is_some() {
        return see_other(beyond(&to));
    }
    html(StatusCode::OK, login_page(&state, &req, notice.map(str::to_string), &to))
}

/// What the login form sends.
#[derive(Deserialize)]
pub(super) struct LoginForm {
    password: String,
    /// Of the second factor.
    #[serde(default)]
    code: String,
    /// Where to go from here.
    #[serde(default)]
    to: String,
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
        return html(StatusCode::BAD_REQUEST, login_page(&state, &req, Some(notice.to_string()), ""));
    };
    let peer = (state.parts.peer)(&req);
    if guard::is_refused(&state, peer) {
        let notice = language::of(&req).tr("A password is taken over HTTPS only (admin.require_tls).");
        return html(StatusCode::FORBIDDEN, login_page(&state, &req, Some(notice.to_string()), &form.to));
    }
    match state.parts.auth.login(form.password, &form.code, guard::visitor(&state, &req)).await {
        Ok(token) => {
            if peer.is_overheard() {
                tracing::warn!("an admin password came over plain HTTP, where others can read it: use HTTPS");
            }
            HttpResponse::SeeOther()
                .insert_header((LOCATION, beyond(&form.to)))
                .insert_header((SET_COOKIE, guard::session_cookie(&token, peer)))
                .finish()
        }
        Err(err) => login_refused(&state, &req, err, &form.to),
    }
}

fn login_refused(state: &AdminState, req: &HttpRequest, err: LoginError, to: &str) -> HttpResponse {
    let status = match err {
        LoginError::Wrong | LoginError::WrongCode | LoginError::NeedsCode => StatusCode::UNAUTHORIZED,
        LoginError::TooSoon { .. } | LoginError::Overloaded => StatusCode::TOO_MANY_REQUESTS,
    };
    let notice = login_fault(language::of(req), err);
    let mut res = HttpResponse::build(status);
    guard::retry_after(&mut res, err);
    res.insert_header(ContentType::html()).body(login_page(state, req, Some(notice), to))
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
        .insert_header((LOCATION, address(LOGIN, &[("out", "1")])))
        .insert_header((SET_COOKIE, guard::no_cookie((state.parts.peer)(&req))))
        .finish()
}

fn login_page(state: &AdminState, req: &HttpRequest, notice: Option<String>, to: &str) -> String {
    let is_overheard = (state.parts.peer)(req).is_overheard();
    let (assets, lang) = (state.parts.assets.clone(), language::of(req));
    let needs_code = state.parts.auth.second_factor().is_on();
    let to = Some(beyond(to)).filter(|to| *to != HOME).map(str::to_string);
    admin::login(&LoginView { assets, lang, notice, is_overheard, needs_code, to }).into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_leads_to_pages_of_ours_alone() {
        for place in ["/admin", "/admin/logs?q=a&b=%20", "/admin?range=1h"] {
            assert_eq!(beyond(place), place);
        }
        let long = format!("/admin/logs?q={}", "x".repeat(PLACE_MAX_BYTES));
        for place in
            ["", "/", "//evil.example", "https://evil.example/admin", "/admin/login?to=/admin", &long]
        {
            assert_eq!(beyond(place), "/admin", "{place}");
        }
    }
}
