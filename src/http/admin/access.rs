//! Who may enter, and how that is changed: sessions, tokens, the password.

use std::fmt::Display;

use actix_web::http::header::{LOCATION, SET_COOKIE};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::AdminState;
use super::audit::{Deed, Event};
use super::auth::{ChangeError, LoginError};
use super::browser::{back, bad, busy, frame, good, html, see_other};
use super::door::{login_fault, to_login};
use super::form::Timely;
use super::guard::{self, CsrfForm, Session};
use super::language;
use super::password::{self, PasswordError};
use super::second_factor::{CodeError, Proposal, SecondFactorError};
use super::sessions::{MadeToken, SessionFacts};
use super::tokens::{self, Scope, TokenError, TokenFacts};
use crate::clock::{UnixMillis, UnixNanos};
use crate::pages::admin::{
    self, AccessView, Lang, MadeTokenView, SecondFactorView, SessionView, Tab, TokenView,
};
use crate::visitors::agent::Agent;

/// Where the page is.
const PLACE: &str = "/admin/settings/access";

/// `GET /admin/settings/access`
pub(super) async fn page(state: web::Data<AdminState>, req: HttpRequest) -> HttpResponse {
    let Some(session) = guard::session(&state, &req).await else { return to_login(&state, &req) };
    let view = AccessView {
        sessions: sessions(&state, &session),
        tokens: state.parts.auth.tokens().list().into_iter().map(token_view).collect(),
        tokens_max: tokens::TOKENS_MAX,
        name_max_chars: tokens::NAME_MAX_CHARS,
        days_max: tokens::DAYS_MAX,
        made: made_token(&state, &req, &session),
        second_factor: second_factor(&state, &session),
        has_own_password: state.parts.auth.has_own_password(),
        password_min: password::LENGTH_MIN,
        password_max: password::LENGTH_MAX,
    };
    html(StatusCode::OK, admin::access(&frame(&state, &req, &session, Tab::Settings), &view).into_string())
}

/// Takes the token that was just made for the page that shows it, the only time.
pub(super) fn made_token(state: &AdminState, req: &HttpRequest, session: &Session) -> Option<MadeTokenView> {
    let made = (req.method() == Method::GET).then(|| state.parts.auth.take_token(&session.token)).flatten();
    made.map(|MadeToken { name, secret }| MadeTokenView { name, secret: secret.reveal().to_string() })
}

fn second_factor(state: &AdminState, session: &Session) -> SecondFactorView {
    let (auth, factor) = (&state.parts.auth, state.parts.auth.second_factor());
    match factor.proposal(&session.token, auth.moment().1) {
        _ if factor.is_on() => SecondFactorView::On,
        Some(Proposal { secret, url }) => SecondFactorView::Proposed { secret, url },
        None => SecondFactorView::Off,
    }
}

fn sessions(state: &AdminState, own: &Session) -> Vec<SessionView> {
    let now = state.parts.clock.now().to_millis();
    let view = |facts: SessionFacts| SessionView {
        number: facts.number,
        begun: now.minus(facts.age).to_nanos(),
        used: now.minus(facts.idle).to_nanos(),
        address: facts.visitor.address.to_string(),
        browser: short_agent(&facts.visitor.agent),
        is_own: facts.is_own,
    };
    state.parts.auth.sessions(&own.token).into_iter().map(view).collect()
}

fn token_view(facts: TokenFacts) -> TokenView {
    let moment = |seconds: u64| {
        i64::try_from(seconds).map_or(UnixNanos(i64::MAX), |s| UnixMillis(s * 1_000).to_nanos())
    };
    TokenView {
        id: facts.id,
        name: facts.name,
        scope: facts.scope.as_str(),
        created: moment(facts.created),
        expires: facts.expires.map(moment),
        used: facts.used.map(moment),
    }
}

/// Says in a few words what logged in: enough to tell a phone from a laptop.
fn short_agent(agent: &str) -> String {
    match Agent::read(agent) {
        Agent::Person { browser: Some(browser), os: Some(os) } => format!("{browser}, {os}"),
        Agent::Person { browser: Some(one), .. } | Agent::Person { os: Some(one), .. } => one.to_string(),
        Agent::Person { .. } => String::new(),
        Agent::Bot(name) => name.into_owned(),
    }
}

/// `POST /admin/settings/access/sessions/{number}/end`
pub(super) async fn end(
    state: web::Data<AdminState>,
    req: HttpRequest,
    number: web::Path<String>,
    Timely(form): Timely<CsrfForm>,
) -> HttpResponse {
    let session = match guard::meant(&state, &req, form.as_ref()).await {
        Ok(session) => session,
        Err(refusal) => return refusal,
    };
    let lang = language::of(&req);
    let is_ended = number.parse().is_ok_and(|number| state.parts.auth.end_session(number));
    if !is_ended {
        return back(&state, &session, PLACE, bad(lang.tr("There is no such session any more.")));
    }
    let deed = Deed::done(Event::SessionEnded, format!("ended session {number}"));
    state.witness(&req, session.actor()).note(deed);
    let text = lang.trf("Session {number} has ended.", &[("number", &number)]);
    back(&state, &session, PLACE, good(text))
}

/// `POST /admin/settings/access/sessions/end-others`
pub(super) async fn end_others(
    state: web::Data<AdminState>,
    req: HttpRequest,
    Timely(form): Timely<CsrfForm>,
) -> HttpResponse {
    let session = match guard::meant(&state, &req, form.as_ref()).await {
        Ok(session) => session,
        Err(refusal) => return refusal,
    };
    let n_ended = state.parts.auth.end_other_sessions(&session.token);
    let deed = Deed::done(Event::SessionEnded, format!("ended all other sessions, {n_ended} of them"));
    state.witness(&req, session.actor()).note(deed);
    let lang = language::of(&req);
    let text = lang.trn(n_ended as u64, "{n} other session has ended.", "{n} other sessions have ended.");
    back(&state, &session, PLACE, good(text))
}

/// What the form for a new token sends.
#[derive(Deserialize)]
pub(super) struct NewToken {
    #[serde(flatten)]
    csrf: CsrfForm,
    #[serde(default)]
    name: String,
    #[serde(default)]
    scope: String,
    /// Nothing is for ever.
    #[serde(default)]
    days: String,
}

/// `POST /admin/settings/access/tokens`
pub(super) async fn make_token(
    state: web::Data<AdminState>,
    req: HttpRequest,
    Timely(form): Timely<NewToken>,
) -> HttpResponse {
    let session = match guard::meant(&state, &req, form.as_ref().map(|form| &form.csrf)).await {
        Ok(session) => session,
        Err(refusal) => return refusal,
    };
    let Some(form) = form else { return see_other(PLACE) };
    let place = form.csrf.place_or(PLACE).to_string();
    let (auth, now) = (state.parts.auth.clone(), state.parts.clock.now_ms());
    let witness = state.witness(&req, session.actor());
    let own = session.token.clone();
    let work = move || {
        let made = made(&auth, &form, now);
        witness.note(match &made {
            Ok((MadeToken { name, .. }, scope)) => {
                Deed::done(Event::TokenMade, format!("made the token {name:?} to {scope}"))
            }
            Err(fault) => Deed::refused(Event::TokenMade, format!("make a token: {fault}")),
        });
        made.map(|(made, _)| auth.leave_token(&own, made))
    };
    match state.parts.heavy.run(work).await {
        // The page that follows shows it, which says more than words about it.
        Ok(Ok(())) => see_other(&place),
        Ok(Err(fault)) => back(&state, &session, &place, bad(token_fault(language::of(&req), &fault))),
        Err(_) => back(&state, &session, &place, busy(&req)),
    }
}

fn made(auth: &super::Auth, form: &NewToken, now: UnixMillis) -> Result<(MadeToken, Scope), TokenError> {
    let scope = Scope::from_word(&form.scope).ok_or(TokenError::Scope)?;
    let days = match form.days.trim() {
        "" => None,
        days => Some(days.parse().map_err(|_| TokenError::Days)?),
    };
    let secret = auth.tokens().create(&form.name, scope, days, now)?;
    Ok((MadeToken { name: form.name.trim().to_string(), secret }, scope))
}

/// `POST /admin/settings/access/tokens/{id}/revoke`
pub(super) async fn revoke_token(
    state: web::Data<AdminState>,
    req: HttpRequest,
    id: web::Path<String>,
    Timely(form): Timely<CsrfForm>,
) -> HttpResponse {
    let session = match guard::meant(&state, &req, form.as_ref()).await {
        Ok(session) => session,
        Err(refusal) => return refusal,
    };
    let (auth, id) = (state.parts.auth.clone(), id.into_inner());
    let witness = state.witness(&req, session.actor());
    let work = move || {
        let revoked = auth.tokens().revoke(&id);
        witness.note(match &revoked {
            Ok(name) => Deed::done(Event::TokenRevoked, format!("revoked the token {name:?}")),
            Err(fault) => Deed::refused(Event::TokenRevoked, format!("revoke the token {id}: {fault}")),
        });
        revoked
    };
    let lang = language::of(&req);
    let notice = match state.parts.heavy.run(work).await {
        Ok(Ok(name)) => good(lang.trf("The token {name} is revoked.", &[("name", &name)])),
        Ok(Err(fault)) => bad(token_fault(lang, &fault)),
        Err(_) => busy(&req),
    };
    back(&state, &session, PLACE, notice)
}

/// What the form for the password sends.
#[derive(Deserialize)]
pub(super) struct NewPassword {
    #[serde(flatten)]
    csrf: CsrfForm,
    #[serde(default)]
    current: String,
    #[serde(default)]
    new: String,
    #[serde(default)]
    again: String,
}

/// `POST /admin/settings/access/password`: every session ends, and the one that asked goes on
/// as a new one.
pub(super) async fn change_password(
    state: web::Data<AdminState>,
    req: HttpRequest,
    Timely(form): Timely<NewPassword>,
) -> HttpResponse {
    let session = match guard::meant(&state, &req, form.as_ref().map(|form| &form.csrf)).await {
        Ok(session) => session,
        Err(refusal) => return refusal,
    };
    let Some(form) = form else { return see_other(PLACE) };
    let (lang, peer) = (language::of(&req), (state.parts.peer)(&req));
    if guard::is_refused(&state, peer) {
        let text = lang.tr("A password is taken over HTTPS only (admin.require_tls).");
        return back(&state, &session, PLACE, bad(text));
    }
    if form.new != form.again {
        return back(&state, &session, PLACE, bad(lang.tr("The new password was not typed the same twice.")));
    }
    let witness = state.witness(&req, session.actor());
    let visitor = guard::visitor(&state, &req);
    match state.parts.auth.change_password(form.current, form.new, visitor, witness).await {
        Ok(token) => {
            let text = lang.tr("The password is changed, and every other session has ended. Tokens still open what they did.");
            state.leave_notice(&token, good(text));
            HttpResponse::SeeOther()
                .insert_header((LOCATION, PLACE))
                .insert_header((SET_COOKIE, guard::session_cookie(&token, peer)))
                .finish()
        }
        Err(fault) => back(&state, &session, PLACE, bad(password_fault(lang, &fault))),
    }
}

/// What the forms of the second factor send.
#[derive(Deserialize)]
pub(super) struct CodeForm {
    #[serde(flatten)]
    csrf: CsrfForm,
    #[serde(default)]
    code: String,
}

/// `POST /admin/settings/access/second-factor/{step}`: `begin` draws a secret, `confirm` takes
/// its first code, `off` takes one and ends it.
pub(super) async fn second_factor_step(
    state: web::Data<AdminState>,
    req: HttpRequest,
    step: web::Path<String>,
    Timely(form): Timely<CodeForm>,
) -> HttpResponse {
    let session = match guard::meant(&state, &req, form.as_ref().map(|form| &form.csrf)).await {
        Ok(session) => session,
        Err(refusal) => return refusal,
    };
    let Some(form) = form else { return see_other(PLACE) };
    let lang = language::of(&req);
    let witness = state.witness(&req, session.actor());
    let (auth, own) = (state.parts.auth.clone(), session.token.clone());
    let is_on = match step.as_str() {
        "begin" => {
            if !auth.second_factor().is_on() {
                auth.second_factor().propose(&own, auth.moment().1);
            }
            return see_other(PLACE);
        }
        "confirm" => true,
        "off" => false,
        _ => return super::browser::not_found(state, req).await,
    };
    let work = move || {
        let (unix, now) = auth.moment();
        let factor = auth.second_factor();
        let switched = if is_on {
            factor.confirm(&own, &form.code, unix, now)
        } else {
            factor.switch_off(&form.code, unix, now)
        };
        let word = if is_on { "on" } else { "off" };
        witness.note(match &switched {
            Ok(()) => Deed::done(Event::SecondFactor, format!("switched the second factor {word}")),
            Err(fault) => {
                Deed::refused(Event::SecondFactor, format!("switch the second factor {word}: {fault}"))
            }
        });
        switched
    };
    let notice = match state.parts.heavy.run(work).await {
        Ok(Ok(())) if is_on => good(lang.tr("The second factor is on: the next login asks for a code.")),
        Ok(Ok(())) => good(lang.tr("The second factor is off: the password alone opens.")),
        Ok(Err(fault)) => bad(second_factor_fault(lang, &fault)),
        Err(_) => busy(&req),
    };
    back(&state, &session, PLACE, notice)
}

fn second_factor_fault(lang: Lang, fault: &SecondFactorError) -> String {
    match fault {
        SecondFactorError::Code(CodeError::Wrong) => login_fault(lang, LoginError::WrongCode),
        SecondFactorError::Code(CodeError::TooSoon { wait }) => {
            login_fault(lang, LoginError::TooSoon { wait: *wait })
        }
        SecondFactorError::NothingProposed => {
            lang.tr("The key waited too long, or another one was drawn. Please begin again.").to_string()
        }
        SecondFactorError::File { .. } => lang.trf("Nothing was changed: {fault}", &[("fault", fault)]),
    }
}

fn password_fault(lang: Lang, fault: &ChangeError) -> String {
    match fault {
        ChangeError::Login(LoginError::Wrong) => {
            lang.tr("That is not the current password. Nothing was changed.").to_string()
        }
        ChangeError::Login(fault) => login_fault(lang, *fault),
        ChangeError::Password(PasswordError::Length { length }) => {
            let (min, max) = (password::LENGTH_MIN, password::LENGTH_MAX);
            let values: [(&str, &dyn Display); 3] = [("length", length), ("min", &min), ("max", &max)];
            lang.trf("The new password has {length} bytes, between {min} and {max} are accepted.", &values)
        }
        ChangeError::Password(PasswordError::FromEnvironment) => lang
            .tr("The password comes from VITRINE_ADMIN_PASSWORD: change it there and restart.")
            .to_string(),
        ChangeError::Password(fault) => {
            lang.trf("The password was not changed: {fault}", &[("fault", fault)])
        }
    }
}

fn token_fault(lang: Lang, fault: &TokenError) -> String {
    match fault {
        TokenError::TooMany => {
            let max: &dyn Display = &tokens::TOKENS_MAX;
            lang.trf(
                "There are {max} tokens, the most there can be: revoke those that nobody needs.",
                &[("max", max)],
            )
        }
        TokenError::Name => {
            let max: &dyn Display = &tokens::NAME_MAX_CHARS;
            lang.trf("A token's name has 1 to {max} letters, digits, spaces and . _ -", &[("max", max)])
        }
        TokenError::Taken(name) => {
            lang.trf("There is a token {name} already: revoke it, or take another name.", &[("name", name)])
        }
        TokenError::Days => {
            let max: &dyn Display = &tokens::DAYS_MAX;
            lang.trf("A token lasts from 1 to {max} days, or for ever when nothing is said.", &[("max", max)])
        }
        TokenError::Scope => lang.tr("A token may read, write, or do everything.").to_string(),
        TokenError::Unknown => lang.tr("There is no such token any more.").to_string(),
        TokenError::File { .. } => lang.trf("Nothing was changed: {fault}", &[("fault", fault)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_shown_in_a_few_words() {
        for (agent, expect) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0", "Firefox, Linux"),
            ("curl/8.5.0", "curl"),
            ("Mozilla/5.0 (Amiga)", ""),
        ] {
            assert_eq!(short_agent(agent), expect);
        }
    }
}
