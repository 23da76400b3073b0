//! Who may enter: the sessions, the tokens, the password.

mod second_factor;

use maud::{Markup, html};

use super::format;
use super::frame::Frame;
use super::lang::Lang;
use super::sections::{Section, sections};
use crate::clock::UnixNanos;

pub use second_factor::SecondFactorView;
use second_factor::second_factor;

/// The page.
#[derive(Clone, Debug, Default)]
pub struct AccessView {
    /// The live sessions, the own one first.
    pub sessions: Vec<SessionView>,
    /// The tokens, the newest first.
    pub tokens: Vec<TokenView>,
    /// Most tokens.
    pub tokens_max: usize,
    /// Longest name of one.
    pub name_max_chars: usize,
    /// Most days that one lasts.
    pub days_max: u64,
    /// A token that was just made; no other page shows it.
    pub made: Option<MadeTokenView>,
    /// The second factor.
    pub second_factor: SecondFactorView,
    /// False when the password comes from the environment.
    pub has_own_password: bool,
    /// Shortest password, in bytes.
    pub password_min: usize,
    /// Longest one.
    pub password_max: usize,
}

/// One session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionView {
    /// Names it to the server.
    pub number: u32,
    /// When somebody logged in.
    pub begun: UnixNanos,
    /// When it was last used.
    pub used: UnixNanos,
    /// Where the login came from.
    pub address: String,
    /// By which browser, in a few words; may be empty.
    pub browser: String,
    /// Whether it is the one that looks at the page.
    pub is_own: bool,
}

/// One token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenView {
    /// Names it to the server.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it opens: `read`, `write` or `admin`.
    pub scope: &'static str,
    /// When it was made.
    pub created: UnixNanos,
    /// When it ends, if it does.
    pub expires: Option<UnixNanos>,
    /// When it was last used, to the minute.
    pub used: Option<UnixNanos>,
}

/// A token that was just made.
#[derive(Clone, Default)]
pub struct MadeTokenView {
    /// What it is for.
    pub name: String,
    /// What opens.
    pub secret: String,
}

// It has no place in a log.
impl std::fmt::Debug for MadeTokenView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MadeTokenView").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Renders the page.
pub fn access(frame: &Frame, view: &AccessView) -> Markup {
    let lang = frame.lang;
    let content = html! {
        (sections(lang, Section::Access))
        (sessions(frame, &view.sessions))
        (tokens(frame, view))
        (password(frame, view))
        (second_factor(frame, &view.second_factor))
    };
    frame.page(lang.tr("Access"), &content)
}

fn sessions(frame: &Frame, sessions: &[SessionView]) -> Markup {
    let lang = frame.lang;
    html! {
        section aria-labelledby="sessions-title" {
            h2 id="sessions-title" { (lang.tr("Sessions")) }
            p.note { (lang.tr("Browsers that are logged in. They end by themselves, with the process, and with the password.")) }
            ul.cards {
                @for session in sessions { (session_card(frame, session)) }
            }
            @if sessions.len() > 1 {
                details.ask id="end-others" {
                    summary { (lang.tr("End all other sessions")) }
                    form method="post" action="/admin/settings/access/sessions/end-others" {
                        (frame.csrf())
                        p { (lang.tr("Every other browser has to log in again. This one stays.")) }
                        button type="submit" { (lang.tr("End them")) }
                    }
                }
            }
        }
    }
}

fn session_card(frame: &Frame, session: &SessionView) -> Markup {
    let lang = frame.lang;
    let browser = if session.browser.is_empty() { lang.tr("unknown browser") } else { &session.browser };
    html! {
        li {
            div {
                p { b { (browser) } " " span.soft { (lang.trf("session {number}", &[("number", &session.number)])) }
                    @if session.is_own { " " span.tag { (lang.tr("this one")) } } }
                p.soft {
                    (lang.tr("logged in")) " " (format::moment(session.begun)) " " (lang.tr("from")) " "
                    code { (session.address) } ", " (lang.tr("last used")) " " (format::moment(session.used))
                }
            }
            @if !session.is_own {
                form method="post" action={ "/admin/settings/access/sessions/" (session.number) "/end" } {
                    (frame.csrf())
                    button.quiet type="submit"
                        aria-label=(lang.trf("End session {number}", &[("number", &session.number)])) {
                        (lang.tr("End"))
                    }
                }
            }
        }
    }
}

fn tokens(frame: &Frame, view: &AccessView) -> Markup {
    let lang = frame.lang;
    html! {
        section aria-labelledby="tokens-title" {
            h2 id="tokens-title" { (lang.tr("Tokens")) }
            p.note {
                (lang.tr("For programs, in place of the password: as a bearer token, or as the password of any user where a program knows only Basic auth."))
            }
            @if let Some(made) = &view.made { (made_token(lang, made)) }
            @if view.tokens.is_empty() {
                p.empty { (lang.tr("There is no token. Grafana needs one that reads; whatever sends logs or metrics here, one that writes.")) }
            } @else {
                ul.cards {
                    @for token in &view.tokens { (token_card(frame, token)) }
                }
            }
            @if view.tokens.len() < view.tokens_max { (new_token(frame, view)) }
        }
    }
}

/// The only time that the token is shown.
pub(super) fn made_token(lang: Lang, made: &MadeTokenView) -> Markup {
    html! {
        div.banner.good role="status" id="made-token" {
            p { (lang.trf("The token {name} is made. It is shown only now: copy it.", &[("name", &made.name)])) }
            p { code.secret { (made.secret) } }
        }
    }
}

fn token_card(frame: &Frame, token: &TokenView) -> Markup {
    let lang = frame.lang;
    let is_over = token.expires.is_some_and(|expires| expires <= frame.now);
    html! {
        li {
            div {
                p { b { (token.name) } " " span.tag { (token.scope) } " " span.soft { (scope_words(lang, token.scope)) } }
                p.soft {
                    (lang.tr("made")) " " (format::moment(token.created)) ", "
                    @match token.used {
                        Some(used) => { (lang.tr("last used")) " " (format::moment(used)) }
                        None => { (lang.tr("never used")) }
                    }
                    @if let Some(expires) = token.expires {
                        ", " (if is_over { lang.tr("expired") } else { lang.tr("until") }) " " (format::moment(expires))
                    }
                }
            }
            details.ask id={ "revoke-" (token.id) } {
                summary aria-label=(lang.trf("Revoke the token {name}", &[("name", &token.name)])) { (lang.tr("Revoke")) }
                form method="post" action={ "/admin/settings/access/tokens/" (token.id) "/revoke" } {
                    (frame.csrf())
                    p { (lang.tr("Programs that use it are refused from then on. It cannot be taken back.")) }
                    button type="submit" { (lang.tr("Revoke it")) }
                }
            }
        }
    }
}

fn scope_words(lang: Lang, scope: &str) -> &'static str {
    match scope {
        "read" => lang.tr("asks for metrics and logs"),
        "write" => lang.tr("sends metrics, logs and traces"),
        _ => lang.tr("does everything but log in here"),
    }
}

fn new_token(frame: &Frame, view: &AccessView) -> Markup {
    let lang = frame.lang;
    html! {
        form.fields method="post" action="/admin/settings/access/tokens" {
            (frame.csrf())
            div.field {
                label for="token-name" { (lang.tr("Name")) }
                input id="token-name" type="text" name="name" maxlength=(view.name_max_chars) autocomplete="off"
                    placeholder="grafana" required;
            }
            div.field {
                label for="token-scope" { (lang.tr("May")) }
                select id="token-scope" name="scope" {
                    @for scope in ["read", "write", "admin"] {
                        option value=(scope) { (scope) " – " (scope_words(lang, scope)) }
                    }
                }
            }
            div.field {
                label for="token-days" { (lang.tr("Days, or nothing for ever")) }
                input id="token-days" type="number" name="days" min="1" max=(view.days_max);
            }
            button type="submit" { (lang.tr("Make a token")) }
        }
    }
}

fn password(frame: &Frame, view: &AccessView) -> Markup {
    let lang = frame.lang;
    html! {
        section aria-labelledby="password-title" {
            h2 id="password-title" { (lang.tr("Password")) }
            @if view.has_own_password {
                p.note { (lang.tr("Every session ends with the old one, but for yours. Tokens stay.")) }
                form.fields method="post" action="/admin/settings/access/password" {
                    (frame.csrf())
                    // Password managers file a password under a name.
                    input.visually-hidden type="text" name="username" value="admin" autocomplete="username"
                        tabindex="-1" aria-hidden="true" readonly;
                    div.field {
                        label for="password-current" { (lang.tr("Current password")) }
                        input id="password-current" type="password" name="current" autocomplete="current-password" required;
                    }
                    div.field {
                        label for="password-new" { (lang.tr("New password")) }
                        input id="password-new" type="password" name="new" autocomplete="new-password"
                            minlength=(view.password_min) maxlength=(view.password_max) required;
                    }
                    div.field {
                        label for="password-again" { (lang.tr("The same again")) }
                        input id="password-again" type="password" name="again" autocomplete="new-password"
                            minlength=(view.password_min) maxlength=(view.password_max) required;
                    }
                    button type="submit" { (lang.tr("Change the password")) }
                }
            } @else {
                p.empty {
                    (lang.tr("The password comes from VITRINE_ADMIN_PASSWORD: change it there and restart."))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixNanos = UnixNanos(1_795_000_000_000_000_000);

    fn view() -> AccessView {
        let session = |number, is_own| SessionView {
            number,
            is_own,
            begun: NOW,
            used: NOW,
            address: "192.0.2.7".into(),
            browser: "Firefox, Linux".into(),
        };
        let token = |name: &str, expires| TokenView {
            id: format!("id-of-{name}"),
            name: name.into(),
            scope: "read",
            created: NOW,
            expires,
            used: None,
        };
        AccessView {
            sessions: vec![session(4_711, true), session(1_234, false)],
            tokens: vec![token("grafana", None), token("old", Some(UnixNanos(1)))],
            tokens_max: 64,
            has_own_password: true,
            ..AccessView::default()
        }
    }

    fn render(lang: Lang, view: &AccessView) -> String {
        let frame = Frame { lang, csrf: "csrf-token".into(), now: NOW, ..Frame::default() };
        access(&frame, view).into_string()
    }

    #[test]
    fn every_session_but_the_own_can_be_ended() {
        let page = render(Lang::En, &view());
        assert!(page.contains("/sessions/1234/end") && !page.contains("/sessions/4711/end"), "{page}");
        assert!(page.contains("sessions/end-others"));
        let alone = AccessView { sessions: view().sessions[..1].to_vec(), ..view() };
        assert!(!render(Lang::En, &alone).contains("sessions/end-others"));
    }

    #[test]
    fn every_form_carries_the_token_of_the_session() {
        for lang in Lang::ALL {
            let page = render(lang, &view());
            let n_forms = page.matches(r#"method="post""#).count();
            assert_eq!(page.matches(r#"name="csrf" value="csrf-token""#).count(), n_forms, "{page}");
        }
    }

    #[test]
    fn a_new_token_is_shown_and_none_can_be_made_when_there_are_enough() {
        let made = MadeTokenView { name: "<b>".into(), secret: "vtr_secret".into() };
        assert!(!format!("{made:?}").contains("vtr_secret"));
        let page = render(Lang::En, &AccessView { made: Some(made), ..view() });
        assert!(page.contains("vtr_secret") && page.contains("&lt;b&gt;"), "{page}");
        assert!(page.contains("expired") && page.contains("never used"));
        let full = AccessView { tokens_max: 2, ..view() };
        assert!(!render(Lang::En, &full).contains("token-name"));
    }

    #[test]
    fn the_second_factor_is_set_up_by_a_picture_or_by_typing() {
        let proposed = SecondFactorView::Proposed {
            secret: "JBSWY3DP".into(),
            url: "otpauth://totp/vitrine:admin?secret=JBSWY3DP&issuer=vitrine".into(),
        };
        assert_eq!(format!("{proposed:?}"), "Proposed(…)");
        let page = render(Lang::En, &AccessView { second_factor: proposed, ..view() });
        assert!(page.contains("<svg class=\"qr\"") && page.contains(">JBSWY3DP<"), "{page}");
        let on = render(Lang::En, &AccessView { second_factor: SecondFactorView::On, ..view() });
        assert!(on.contains("second-factor/off") && !on.contains("second-factor/begin"), "{on}");
        assert!(render(Lang::En, &view()).contains("second-factor/begin"));
    }

    #[test]
    fn a_password_of_the_environment_is_changed_there() {
        let page = render(Lang::En, &AccessView { has_own_password: false, ..view() });
        assert!(page.contains("VITRINE_ADMIN_PASSWORD") && !page.contains("password-new"), "{page}");
    }
}
