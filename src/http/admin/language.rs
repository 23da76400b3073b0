//! The language of the pages: what the owner chose, else what the browser asks for.

use actix_web::http::header::{ACCEPT_LANGUAGE, LOCATION, SET_COOKIE};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::AdminState;
use super::browser::see_other;
use super::form::Timely;
use super::guard::{self, CsrfForm};
use crate::pages::admin::Lang;

/// The cookie that holds the choice; it says nothing about who chose.
const COOKIE_NAME: &str = "vitrine_lang";

/// A choice holds for a year.
const COOKIE_AGE_S: u32 = 365 * 86_400;

/// Returns the language in which a request is answered.
pub(super) fn of(req: &HttpRequest) -> Lang {
    let chosen = guard::cookie(req, COOKIE_NAME).and_then(|value| Lang::from_tag(&value));
    let accepted = || {
        let header = req.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Lang::accepted(header.unwrap_or_default())
    };
    chosen.unwrap_or_else(accepted)
}

/// What the button sends.
#[derive(Deserialize)]
pub(super) struct Choice {
    #[serde(flatten)]
    csrf: CsrfForm,
    #[serde(default)]
    lang: String,
}

/// `POST /admin/language`: back to the page in another language.
pub(super) async fn choose(
    state: web::Data<AdminState>,
    req: HttpRequest,
    Timely(form): Timely<Choice>,
) -> HttpResponse {
    if let Err(refusal) = guard::meant(&state, &req, form.as_ref().map(|form| &form.csrf)).await {
        return refusal;
    }
    let Some(form) = form else { return see_other("/admin") };
    let lang = Lang::from_tag(&form.lang).unwrap_or_default().tag();
    let secure = if (state.parts.peer)(&req).is_secure { "; Secure" } else { "" };
    let cookie = format!(
        "{COOKIE_NAME}={lang}; Path=/admin; HttpOnly; SameSite=Strict; Max-Age={COOKIE_AGE_S}{secure}"
    );
    HttpResponse::SeeOther()
        .insert_header((LOCATION, form.csrf.place_or("/admin")))
        .insert_header((SET_COOKIE, cookie))
        .finish()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_choice_comes_before_what_the_browser_asks_for() {
        let req = TestRequest::get().insert_header(("Accept-Language", "ru"));
        assert_eq!(of(&req.to_http_request()), Lang::Ru);
        let req = TestRequest::get().insert_header(("Accept-Language", "ru"));
        let req = req.insert_header(("Cookie", "a=b; vitrine_lang=en"));
        assert_eq!(of(&req.to_http_request()), Lang::En);
        let req = TestRequest::get().insert_header(("Cookie", "vitrine_lang=xx"));
        assert_eq!(of(&req.to_http_request()), Lang::En);
    }
}
