//! What to put into Grafana.

use actix_web::http::StatusCode;
use actix_web::http::header::HOST;
use actix_web::{HttpRequest, HttpResponse, web};

use super::access::made_token;
use super::browser::{frame, html};
use super::door::to_login;
use super::tokens::{TOKENS_MAX, Tokens};
use super::{AdminState, guard};
use crate::pages::admin::{self, GrafanaView, Tab};

/// What the token is called, unless there is one of that name.
const NAME: &str = "grafana";

/// `GET /admin/settings/grafana`
pub(super) async fn page(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    let Some(session) = guard::session(&state, &req).await else { return to_login(&state, &req) };
    let settings = (state.parts.settings)();
    let interval = settings.iter().find(|setting| setting.key == "telemetry.sample_interval");
    let view = GrafanaView {
        url: own_url(&state, &req),
        sample_interval: interval.map(|setting| setting.value.clone()).unwrap_or_default(),
        made: made_token(&state, &req, &session),
        free_name: free_name(state.parts.auth.tokens()),
        is_overheard: (state.parts.peer)(&req).is_overheard(),
    };
    html(StatusCode::OK, admin::grafana(&frame(&state, &req, &session, Tab::Settings), &view).into_string())
}

/// Returns the address that the browser came to. It is copied into other programs, so a name
/// with anything else in it than names have is left out.
fn own_url(state: &AdminState, req: &HttpRequest) -> String {
    let scheme = if (state.parts.peer)(req).is_secure { "https" } else { "http" };
    let named = req.headers().get(HOST).and_then(|host| host.to_str().ok());
    // HTTP/2 has it in the address.
    let host = named.or_else(|| req.uri().authority().map(|authority| authority.as_str()));
    let is_of_it = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let host = host.filter(|host| !host.is_empty() && host.bytes().all(is_of_it)).unwrap_or("localhost:2727");
    format!("{scheme}://{host}")
}

/// Returns a name that no token has.
fn free_name(tokens: &Tokens) -> Option<String> {
    let known = tokens.list();
    let names = (1..=TOKENS_MAX).map(|n| if n == 1 { NAME.to_string() } else { format!("{NAME} {n}") });
    let mut free = names.filter(|name| known.iter().all(|token| token.name != *name));
    if known.len() < TOKENS_MAX { free.next() } else { None }
}
