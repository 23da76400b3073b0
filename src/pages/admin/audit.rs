//! Who did what.

use maud::{Markup, html};

use super::format;
use super::frame::Frame;
use super::lang::Lang;
use super::sections::{Section, sections};
use super::window::address;
use crate::clock::UnixNanos;

/// The page of the audit log.
#[derive(Clone, Debug, Default)]
pub struct AuditView {
    /// The deeds, the newest first.
    pub lines: Vec<AuditLine>,
    /// The query that found them.
    pub query: &'static str,
    /// Whether those that were done are left out.
    pub is_refused_only: bool,
    /// Most deeds that are shown.
    pub lines_max: usize,
    /// Why there are none, when they could not be read.
    pub unreadable: Option<String>,
}

/// One deed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditLine {
    /// When.
    pub at: UnixNanos,
    /// The name of what kind it is.
    pub event: String,
    /// Who.
    pub actor: String,
    /// From where; may be empty.
    pub address: String,
    /// Whether it was done.
    pub is_done: bool,
    /// What, in the words of the log.
    pub text: String,
}

/// Renders the page of the audit log.
pub fn audit(frame: &Frame, view: &AuditView) -> Markup {
    let lang = frame.lang;
    let in_logs = address("/admin/logs", &[("query", view.query), ("range", "30d")]);
    let content = html! {
        (sections(lang, Section::Audit))
        p.note { (lang.tr("Every login, every refused one and every change made here, kept whatever the log level is, as long as other lines are.")) }
        div.heading {
            nav.ranges aria-label=(lang.tr("Which deeds")) {
                a href="/admin/settings/audit" aria-current=[(!view.is_refused_only).then_some("true")] { (lang.tr("All")) }
                a href="/admin/settings/audit?only=refused" aria-current=[view.is_refused_only.then_some("true")] {
                    (lang.tr("Refused"))
                }
            }
            a href=(in_logs) { (lang.tr("All in the logs")) }
        }
        @if let Some(fault) = &view.unreadable {
            p.banner.bad { (lang.tr("The lines could not be read:")) " " (fault) }
        } @else if view.lines.is_empty() {
            p.empty { (lang.tr("Nothing in the last 30 days.")) }
        } @else {
            div.scroll tabindex="0" role="region" aria-label=(lang.tr("Audit log")) {
                table.audit {
                    thead { tr {
                        th scope="col" { (lang.tr("Time")) } th scope="col" { (lang.tr("What")) }
                        th scope="col" { (lang.tr("Who")) } th scope="col" { (lang.tr("From")) }
                    } }
                    tbody { @for line in &view.lines { (deed(lang, line)) } }
                }
            }
            @if view.lines.len() == view.lines_max {
                p.note { (lang.trf("The last {n} are shown.", &[("n", &view.lines_max)])) }
            }
        }
    };
    frame.page(lang.tr("Audit log"), &content)
}

fn deed(lang: Lang, line: &AuditLine) -> Markup {
    html! {
        tr {
            th scope="row" { (format::moment(line.at)) }
            td.deed {
                b { (event_words(lang, &line.event)) }
                @if !line.is_done { " " span.level.warn { (lang.tr("refused")) } }
                div.meaning { (line.text) }
            }
            td { (actor_words(lang, &line.actor)) }
            td { @if line.address.is_empty() { (format::NONE) } @else { code { (line.address) } } }
        }
    }
}

/// Says what kind of deed it is; one of another version by its own name.
fn event_words(lang: Lang, event: &str) -> String {
    let words = match event.strip_prefix("vitrine.admin.").unwrap_or_default() {
        "login" => lang.tr("Login"),
        "login_refused" => lang.tr("Login refused"),
        "logout" => lang.tr("Logout"),
        "password_changed" => lang.tr("Password"),
        "second_factor" => lang.tr("Second factor"),
        "session_ended" => lang.tr("Session ended"),
        "token_made" => lang.tr("Token made"),
        "token_revoked" => lang.tr("Token revoked"),
        "reload" => lang.tr("Reload"),
        "log_level" => lang.tr("Log level"),
        "workers" => lang.tr("Workers"),
        "link_made" => lang.tr("Private link made"),
        "link_revoked" => lang.tr("Private link revoked"),
        "tag_made" => lang.tr("Tagged link made"),
        "tag_deleted" => lang.tr("Tagged link deleted"),
        "cv_published" => lang.tr("CV published"),
        "cv_restored" => lang.tr("Earlier CV brought back"),
        "roll_back" => lang.tr("Roll-back"),
        "release" => lang.tr("Release"),
        "hand_over" => lang.tr("Hand-over"),
        _ => event,
    };
    words.to_string()
}

fn actor_words(lang: Lang, actor: &str) -> String {
    match actor.split_once(' ') {
        Some(("session", number)) => lang.trf("session {number}", &[("number", &number)]),
        Some(("token", name)) => lang.trf("token {name}", &[("name", &name)]),
        _ => match actor {
            "basic admin" => lang.tr("password, by Basic auth").to_string(),
            "command line" => lang.tr("command line").to_string(),
            "signal" => lang.tr("signal").to_string(),
            "stranger" => lang.tr("stranger").to_string(),
            other => other.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deeds_are_told_in_the_words_of_the_reader() {
        let line = |event: &str, actor: &str, is_done| AuditLine {
            event: event.into(),
            actor: actor.into(),
            address: "192.0.2.7".into(),
            is_done,
            text: "<b>drain worker 1</b>".into(),
            ..AuditLine::default()
        };
        let view = AuditView {
            lines: vec![
                line("vitrine.admin.workers", "session 4711", true),
                line("vitrine.admin.login_refused", "stranger", false),
                line("vitrine.admin.of_tomorrow", "token grafana", true),
            ],
            query: "{job=\"audit\"}",
            ..AuditView::default()
        };
        let page = audit(&Frame::default(), &view).into_string();
        assert!(page.contains("&lt;b&gt;drain worker 1") && page.contains("session 4711"), "{page}");
        assert!(page.contains("vitrine.admin.of_tomorrow") && page.contains("token grafana"));
        assert_eq!(page.matches("class=\"level warn\"").count(), 1);
        assert!(page.contains("/admin/logs?query=%7Bjob%3D%22audit%22%7D&amp;range=30d"), "{page}");
        let russian = audit(&Frame { lang: Lang::Ru, ..Frame::default() }, &view).into_string();
        assert!(russian.contains("сеанс 4711"), "{russian}");
    }
}
