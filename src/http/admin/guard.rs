//! Reads from a request who sends it, and refuses those who may not.

use actix_web::http::header::{AUTHORIZATION, COOKIE, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use subtle::ConstantTimeEq;

use super::audit::Actor;
use super::auth::LoginError;
use super::door;
use super::sessions::{Token, Visit, Visitor};
use super::tokens::{self, Presented, Scope, TokenRefused};
use super::{AdminState, Peer};

/// The cookie that holds a session's token.
const COOKIE_NAME: &str = "vitrine_admin";

/// The only user there is.
const USER: &str = "admin";

/// A browser with a live session.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) token: Token,
    pub(super) csrf: String,
    /// Names the session in the audit log.
    pub(super) number: u32,
}

impl Session {
    /// Returns who this is to the audit log.
    pub(super) fn actor(&self) -> Actor {
        Actor::Session(self.number)
    }
}

/// Someone who may use the API.
pub(super) enum Caller {
    Session(Session),
    Machine(Actor),
}

impl Caller {
    /// Returns who this is to the audit log.
    pub(super) fn actor(&self) -> Actor {
        match self {
            Caller::Session(session) => session.actor(),
            Caller::Machine(actor) => actor.clone(),
        }
    }
}

/// The fields that every form of the pages may carry.
#[derive(Default, Deserialize)]
pub(super) struct CsrfForm {
    #[serde(default)]
    pub(super) csrf: String,
    /// The page to come back to.
    #[serde(default)]
    place: String,
}

impl CsrfForm {
    /// Returns the place to come back to, a default where none is named below `/admin`.
    pub(super) fn place_or<'p>(&'p self, default: &'p str) -> &'p str {
        if is_own_place(&self.place) { &self.place } else { default }
    }
}

/// Whether an address is one of ours: below `/admin`, and nothing that a header would be broken by.
pub(super) fn is_own_place(place: &str) -> bool {
    place.strip_prefix("/admin").is_some_and(|rest| {
        matches!(rest.bytes().next(), None | Some(b'/' | b'?')) && rest.bytes().all(|b| b.is_ascii_graphic())
    })
}

/// Returns where a login comes from.
pub(super) fn visitor(state: &AdminState, req: &HttpRequest) -> Visitor {
    Visitor::new((state.parts.peer)(req).address, text(req, "User-Agent").unwrap_or_default())
}

/// Returns the live session that the request belongs to.
pub(super) async fn session(state: &AdminState, req: &HttpRequest) -> Option<Session> {
    let token = Token::from_cookie(&cookie(req, COOKIE_NAME)?);
    let Visit { csrf, number } = state.parts.auth.visit(&token).await?;
    Some(Session { token, csrf, number })
}

/// Returns the session that a form of the pages was sent from, by whoever meant it; without one
/// the way to the login, without its CSRF token a refusal.
pub(super) async fn meant(
    state: &AdminState,
    req: &HttpRequest,
    form: Option<&CsrfForm>,
) -> Result<Session, HttpResponse> {
    let session = session(state, req).await.ok_or_else(|| door::to_login(state, req))?;
    if has_token(&session, req, form) { Ok(session) } else { Err(door::not_meant(state, req)) }
}

/// Returns who calls one of the APIs: a session, which may do everything, or a machine by
/// Basic auth or by a token that allows what is needed.
pub(super) async fn caller(
    state: &AdminState,
    req: &HttpRequest,
    needed: Scope,
) -> Result<Caller, HttpResponse> {
    if let Some(session) = session(state, req).await {
        return Ok(Caller::Session(session));
    }
    let Some(credential) = credential(req) else { return Err(nobody()) };
    let peer = (state.parts.peer)(req);
    if is_refused(state, peer) {
        let error = json!({ "error": NEEDS_TLS, "hint": "use https://, or a tunnel to this machine" });
        return Err(HttpResponse::Forbidden().json(error));
    }
    let (secret, is_password) = match &credential {
        Credential::Bearer(secret) => (secret, false),
        Credential::Basic { user, password } => (password, user == USER),
    };
    // The password may look like a token; whoever says to be `admin` has it tried as both.
    let presented =
        (!is_password || tokens::has_form(secret)).then(|| state.parts.auth.present(secret, peer.address));
    match presented {
        Some(Ok(presented)) if presented.scope.allows(needed) => {
            Ok(Caller::Machine(Actor::Token(presented.name)))
        }
        Some(Ok(presented)) => {
            state.parts.auth.out_of_scope(&presented, peer.address, needed);
            Err(out_of_scope(&presented, needed))
        }
        Some(Err(fault)) if !is_password => {
            state.parts.auth.token_refused(&fault, peer.address);
            Err(token_refused(&fault))
        }
        Some(Err(_)) | None => match state.parts.auth.basic(secret.clone(), peer.address).await {
            Ok(()) => Ok(Caller::Machine(Actor::Basic)),
            Err(err) => Err(refusal(err)),
        },
    }
}

/// Said where `admin.require_tls` is on.
pub(super) const NEEDS_TLS: &str = "A password or token is taken over HTTPS only (admin.require_tls).";

/// Returns true when no password is taken from there.
pub(super) fn is_refused(state: &AdminState, peer: Peer) -> bool {
    state.parts.config.require_tls && peer.is_overheard()
}

/// Returns true when the request was meant by who sends it: a session proves it by its
/// CSRF token, a machine by not being a browser on another site.
pub(super) fn is_meant(caller: &Caller, req: &HttpRequest, form: Option<&CsrfForm>) -> bool {
    match caller {
        Caller::Machine(_) => is_own_site(req) && is_own_origin(req),
        Caller::Session(session) => has_token(session, req, form),
    }
}

/// Returns true when the session's own CSRF token came with the request.
pub(super) fn has_token(session: &Session, req: &HttpRequest, form: Option<&CsrfForm>) -> bool {
    let in_header = req.headers().get("X-CSRF-Token").and_then(|value| value.to_str().ok());
    let sent = form.map(|form| form.csrf.as_str()).or(in_header).unwrap_or_default();
    bool::from(sent.as_bytes().ct_eq(session.csrf.as_bytes()))
}

/// Returns false when a browser says that another site sent the request.
pub(super) fn is_own_site(req: &HttpRequest) -> bool {
    text(req, "Sec-Fetch-Site").is_none_or(|site| matches!(site, "same-origin" | "none"))
}

/// Returns true when a browser says that a link on another site led to this page: then it sends no
/// cookie that is `SameSite=Strict` (RFC 6265bis, section 5.2), whether there is one or not.
pub(super) fn is_led_here(req: &HttpRequest) -> bool {
    text(req, "Sec-Fetch-Site") == Some("cross-site") && text(req, "Sec-Fetch-Mode") == Some("navigate")
}

/// Returns false when a browser sends the form of a page that lies at another address.
///
/// Browsers tell the site of a page to HTTPS alone, its origin to everybody. A login must not
/// ask this: a proxy may call us by another name than the visitor calls it. A machine is no page.
fn is_own_origin(req: &HttpRequest) -> bool {
    text(req, "Origin").is_none_or(|origin| {
        let host = origin.split_once("://").map(|(_, host)| host);
        host.is_some_and(|host| text(req, "Host").is_some_and(|own| own.eq_ignore_ascii_case(host)))
    })
}

fn text<'r>(req: &'r HttpRequest, name: &str) -> Option<&'r str> {
    req.headers().get(name).and_then(|value| value.to_str().ok())
}

/// Returns the cookie that gives a browser its session.
pub(super) fn session_cookie(token: &Token, peer: Peer) -> String {
    // No lifetime: the server ends sessions, and a closed browser ends them sooner.
    cookie_with(token.as_str(), "", peer)
}

/// Returns the cookie that takes the session away again.
pub(super) fn no_cookie(peer: Peer) -> String {
    cookie_with("", "; Max-Age=0", peer)
}

fn cookie_with(value: &str, lifetime: &str, peer: Peer) -> String {
    let secure = if peer.is_secure { "; Secure" } else { "" };
    format!("{COOKIE_NAME}={value}; Path=/admin; HttpOnly; SameSite=Strict{secure}{lifetime}")
}

/// Returns the value of a cookie.
pub(super) fn cookie(req: &HttpRequest, wanted: &str) -> Option<String> {
    let headers = req.headers().get_all(COOKIE).filter_map(|value| value.to_str().ok());
    let mut pairs = headers.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value.to_string())
}

/// What a program sends to be let in.
enum Credential {
    Bearer(String),
    /// The admin password by the user `admin`, or a token by whatever user, for programs that
    /// know nothing but Basic auth.
    Basic {
        user: String,
        password: String,
    },
}

fn credential(req: &HttpRequest) -> Option<Credential> {
    let value = req.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Credential::Bearer(rest.trim().to_string()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    // Nobody else has a password.
    let is_known = user == USER || tokens::has_form(password);
    is_known.then(|| Credential::Basic { user: user.to_string(), password: password.to_string() })
}

/// Answers an API call without a credential, or with a wrong one.
fn unauthorized(error: &str) -> HttpResponse {
    HttpResponse::Unauthorized()
        .insert_header((WWW_AUTHENTICATE, r#"Basic realm="vitrine", charset="UTF-8""#))
        .json(json!({ "error": error, "hint": "log in, or send Basic auth of the user admin, or a token" }))
}

/// Answers a token that opens nothing (RFC 6750, section 3).
fn token_refused(fault: &TokenRefused) -> HttpResponse {
    HttpResponse::Unauthorized()
        .insert_header((WWW_AUTHENTICATE, r#"Bearer realm="vitrine", error="invalid_token""#))
        .json(json!({ "error": fault.to_string(), "hint": "make one at /admin/settings/access" }))
}

/// Answers a token that opens something else.
fn out_of_scope(presented: &Presented, needed: Scope) -> HttpResponse {
    let Presented { name, scope, .. } = presented;
    let challenge = format!(r#"Bearer realm="vitrine", error="insufficient_scope", scope="{needed}""#);
    HttpResponse::Forbidden().insert_header((WWW_AUTHENTICATE, challenge)).json(json!({
        "error": format!("the token {name:?} has the scope {scope}, and this needs {needed}"),
        "hint": format!("make a token with the scope {needed} at /admin/settings/access"),
    }))
}

fn nobody() -> HttpResponse {
    unauthorized("no admin credential")
}

/// Answers an API call whose credential was not accepted.
fn refusal(err: LoginError) -> HttpResponse {
    if err == LoginError::Wrong {
        return unauthorized(&err.to_string());
    }
    if err == LoginError::NeedsCode {
        let hint = "programs come in by a token: make one at /admin/settings/access";
        return HttpResponse::Unauthorized().json(json!({ "error": err.to_string(), "hint": hint }));
    }
    let mut res = HttpResponse::build(StatusCode::TOO_MANY_REQUESTS);
    retry_after(&mut res, err);
    res.json(json!({ "error": err.to_string(), "hint": "try later" }))
}

/// Says when to come back.
pub(super) fn retry_after(res: &mut HttpResponseBuilder, err: LoginError) {
    match err {
        LoginError::Wrong | LoginError::WrongCode | LoginError::NeedsCode => {}
        LoginError::TooSoon { wait } => {
            res.insert_header((RETRY_AFTER, wait.as_secs() + 1));
        }
        LoginError::Overloaded => {
            res.insert_header((RETRY_AFTER, 1));
        }
    }
}

/// Answers a state change without a CSRF token.
pub(super) fn not_meant() -> HttpResponse {
    HttpResponse::Forbidden()
        .insert_header(header::ContentType::json())
        .body(r#"{"error":"no valid CSRF token","hint":"load the page again and repeat"}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_leads_nowhere_else() {
        let back = |place: &str| {
            let form = CsrfForm { place: place.into(), ..CsrfForm::default() };
            form.place_or("/admin/default").to_string()
        };
        for place in ["/admin", "/admin/logs?q=a&b=%20", "/admin?range=1h"] {
            assert_eq!(back(place), place);
        }
        for place in
            ["", "/", "//evil.example", "/administrator", "https://evil.example/admin", "/admin\r\nX: y"]
        {
            assert_eq!(back(place), "/admin/default", "{place}");
        }
    }
}
