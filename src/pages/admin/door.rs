//! The pages for those who are not in: the login, and words in place of a view.

use maud::{Markup, html};

use super::frame::{Assets, document};
use super::lang::Lang;
use super::window::address;

/// The login page.
#[derive(Clone, Debug, Default)]
pub struct LoginView {
    /// Style and scripts.
    pub assets: Assets,
    /// The language of the page.
    pub lang: Lang,
    /// Why the visitor is asked again, in words for them.
    pub notice: Option<String>,
    /// Whether others on the way can read the password.
    pub is_overheard: bool,
    /// Whether a code of the second factor is asked for.
    pub needs_code: bool,
    /// The page that it leads to, if that is not the first one.
    pub to: Option<String>,
}

/// Renders the login page.
pub fn login(view: &LoginView) -> Markup {
    let lang = view.lang;
    let content = html! {
        main.login {
            h1 { "vitrine" }
            p { (lang.tr("Behind this door: how your page is doing.")) }
            @if let Some(notice) = &view.notice { p.banner.warn role="alert" id="notice" { (notice) } }
            @if view.is_overheard {
                p.banner.warn {
                    (lang.tr(
                        "This page came over plain HTTP: others on the way can read the password. Set up HTTPS \
                         (tls.cert and tls.key, or a proxy), or come by an SSH tunnel."
                    ))
                }
            }
            form method="post" action="/admin/login" {
                @if let Some(to) = &view.to { input type="hidden" name="to" value=(to); }
                // Password managers file a password under a name.
                input.visually-hidden type="text" name="username" value="admin" autocomplete="username"
                    tabindex="-1" aria-hidden="true" readonly;
                label for="password" { (lang.tr("Password")) }
                input id="password" type="password" name="password" autocomplete="current-password"
                    required autofocus;
                @if view.needs_code {
                    label for="code" { (lang.tr("Code of the authenticator app")) }
                    input id="code" type="text" name="code" inputmode="numeric" autocomplete="one-time-code"
                        maxlength="12" required;
                }
                button type="submit" { (lang.tr("Log in")) }
            }
            details {
                summary { (lang.tr("Where is my password?")) }
                p {
                    (lang.tr(
                        "It was printed once on the terminal when the server first started. To set a new one, run \
                         this on the server:"
                    ))
                    " " code { "vitrine password" }
                    @if view.needs_code { ". " (lang.tr("It takes the second factor away, too.")) }
                }
            }
        }
    };
    document(&format!("{} – vitrine", lang.tr("Log in")), lang, &view.assets, &content)
}

/// Renders a page of one message, its title and its text, for requests that cannot be answered;
/// it leads back to a place.
pub fn message(assets: &Assets, lang: Lang, (title, text): (&str, &str), place: &str) -> Markup {
    let content = html! {
        main.login {
            h1 { (title) }
            p { (text) }
            p { a href=(place) { (lang.tr("Back to the page")) } }
        }
    };
    document(title, lang, assets, &content)
}

/// Renders what somebody wrote for a file and sent when nobody was logged in any more.
pub fn lost_draft(assets: &Assets, lang: Lang, file: &str, text: &str) -> Markup {
    let title = lang.tr("Nothing was published");
    let editor = address("/admin/cv/edit", &[("file", file)]);
    let content = html! {
        main.login.wide {
            h1 { (title) }
            p { (lang.tr("Nobody was logged in any more when this arrived. Nothing is lost: here is what you wrote. Log in in another tab, and put it into the editor.")) }
            p { a href=(address("/admin/login", &[("to", &editor)])) target="_blank" { (lang.tr("Log in")) } }
            label for="draft" { code { (file) } }
            textarea id="draft" rows="24" readonly spellcheck="false" { (text) }
        }
    };
    document(title, lang, assets, &content)
}
