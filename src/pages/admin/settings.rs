//! How everything is set, and by what.

use maud::{Markup, html};

use super::format;
use super::frame::Frame;
use super::lang::{Lang, meaning};
use super::sections::{Section, sections};
use super::status::ReloadView;

/// The setting that shows `/status` to everybody.
const STATUS_PAGE: &str = "http.status_page";

/// The page of the settings.
#[derive(Clone, Debug, Default)]
pub struct SettingsView {
    /// Every setting, in the order of the table.
    pub settings: Vec<SettingView>,
    /// Whether those that nobody set are left out.
    pub is_changed_only: bool,
    /// How the last reload ended; none when there was none since the start.
    pub reload: Option<ReloadView>,
    /// What is logged.
    pub log: LogLevelView,
}

/// One setting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingView {
    /// Its path in the file.
    pub key: &'static str,
    /// The value in force, a secret masked; may be empty.
    pub value: String,
    /// The value that it has when nobody sets it.
    pub default: String,
    /// Who set it.
    pub source: SourceView,
    /// Whether a reload applies it; else a restart does.
    pub reloads: bool,
    /// What it is for, in English; `` ` `` stands around what is typed.
    pub meaning: &'static str,
}

impl SettingView {
    /// Returns true when somebody set it, to whatever.
    fn is_changed(&self) -> bool {
        self.source != SourceView::Default || self.value != self.default
    }

    /// Returns the part of the file that it stands in, `""` for its beginning.
    fn group(&self) -> &'static str {
        self.key.split_once('.').map_or("", |(group, _)| group)
    }
}

/// Who set a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SourceView {
    /// Nobody.
    #[default]
    Default,
    /// A file, by its path.
    File(String),
    /// An environment variable, by its name.
    Environment(String),
    /// A flag of the command line.
    Flag,
}

/// What is logged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogLevelView {
    /// The directives in force.
    pub now: String,
    /// Those of the configuration.
    pub configured: String,
}

/// Renders the page of the settings.
pub fn settings(frame: &Frame, view: &SettingsView) -> Markup {
    let lang = frame.lang;
    let shown: Vec<&SettingView> =
        view.settings.iter().filter(|setting| !view.is_changed_only || setting.is_changed()).collect();
    let n_changed = view.settings.iter().filter(|setting| setting.is_changed()).count() as u64;
    let content = html! {
        (sections(lang, Section::Configuration))
        (reload(frame, view.reload.as_ref()))
        (log_level(frame, &view.log))
        section aria-labelledby="values-title" {
            div.heading {
                h2 id="values-title" { (lang.tr("In force")) }
                nav.ranges aria-label=(lang.tr("Which settings")) {
                    a href="/admin/settings" aria-current=[(!view.is_changed_only).then_some("true")] {
                        (lang.tr("All"))
                    }
                    a href="/admin/settings?only=changed" aria-current=[view.is_changed_only.then_some("true")] {
                        (lang.trn(n_changed, "{n} set", "{n} set"))
                    }
                }
            }
            @if shown.is_empty() {
                p.empty { (lang.tr("Nobody set anything: all is as it comes. A file with every setting is written by:")) " "
                    code { "vitrine init" } }
            }
            @for group in groups(&shown) { (group_table(lang, &group)) }
        }
        (status_page(lang, &view.settings))
    };
    frame.page(lang.tr("Settings"), &content)
}

/// Says where the public status page is, or how there would be one.
fn status_page(lang: Lang, settings: &[SettingView]) -> Markup {
    let is_on = settings.iter().any(|setting| setting.key == STATUS_PAGE && setting.value == "true");
    html! {
        p.note {
            @if is_on {
                (lang.tr("Everybody can see whether the site is up, and when it was not:")) " " a href="/status" { "/status" }
            } @else {
                (lang.tr("A page for everybody that says whether the site is up, and when it was not, is switched on by")) " "
                code { (STATUS_PAGE) " = true" } "."
            }
        }
    }
}

/// Splits the settings where their part of the file changes.
fn groups<'a>(settings: &[&'a SettingView]) -> Vec<Vec<&'a SettingView>> {
    settings.chunk_by(|one, other| one.group() == other.group()).map(<[_]>::to_vec).collect()
}

fn reload(frame: &Frame, last: Option<&ReloadView>) -> Markup {
    let lang = frame.lang;
    html! {
        section aria-labelledby="reload-title" {
            h2 id="reload-title" { (lang.tr("Reload")) }
            p.note { (lang.tr("Reads the CV and the configuration again, all or nothing, as SIGHUP does. What needs a restart refuses it by name.")) }
            @match last {
                None => p.note { (lang.tr("There was none since the start.")) }
                Some(ReloadView { at, outcome: Ok(applied) }) => {
                    div.banner.good { p { (lang.tr("Applied")) " " (format::moment(*at)) } p.text { (applied) } }
                }
                Some(ReloadView { at, outcome: Err(reasons) }) => {
                    div.banner.bad {
                        p { (lang.tr("Refused, everything stays as it was")) " " (format::moment(*at)) }
                        ul { @for reason in reasons.lines() { li { code { (reason) } } } }
                    }
                }
            }
            form.fields method="post" action="/admin/api/v1/reload" {
                (frame.csrf())
                input type="hidden" name="place" value="/admin/settings";
                button type="submit" { (lang.tr("Reload now")) }
            }
        }
    }
}

fn log_level(frame: &Frame, log: &LogLevelView) -> Markup {
    let lang = frame.lang;
    html! {
        section aria-labelledby="log-level-title" {
            h2 id="log-level-title" { (lang.tr("Log level")) }
            @if log.now == log.configured {
                p.note { (lang.tr("As configured:")) " " code { (log.now) } }
            } @else {
                p.banner.warn {
                    (lang.tr("In force:")) " " code { (log.now) } ". "
                    (lang.tr("The next reload or restart brings back what is configured:")) " " code { (log.configured) }
                }
            }
            form.fields method="post" action="/admin/api/v1/log-level" {
                (frame.csrf())
                input type="hidden" name="place" value="/admin/settings";
                div.field {
                    label for="log-level" { (lang.tr("Until the next reload or restart")) }
                    input id="log-level" type="text" name="level" value=(log.now) list="log-levels" required
                        autocomplete="off" spellcheck="false" aria-describedby="log-level-help";
                    datalist id="log-levels" {
                        @for level in ["error", "warn", "info", "debug", "trace", "off", "info,vitrine::http=debug"] {
                            option value=(level) {}
                        }
                    }
                }
                button type="submit" { (lang.tr("Change")) }
            }
            p.note id="log-level-help" {
                (lang.tr("A level, or a level and filters for parts, with commas between them. Access records and the audit log are kept at every level."))
            }
        }
    }
}

fn group_table(lang: Lang, settings: &[&SettingView]) -> Markup {
    let group = settings.first().map_or("", |setting| setting.group());
    let name = if group.is_empty() { lang.tr("General") } else { group };
    let id = format!("group-{}", if group.is_empty() { "general" } else { group });
    html! {
        h3 id=(id) { @if group.is_empty() { (name) } @else { code { "[" (name) "]" } } }
        div.scroll tabindex="0" role="region" aria-labelledby=(id) {
            table.settings {
                thead { tr {
                    th scope="col" { (lang.tr("Setting")) } th scope="col" { (lang.tr("Value")) }
                    th scope="col" { (lang.tr("Default")) } th scope="col" { (lang.tr("Set by")) }
                    th scope="col" { (lang.tr("Applied by")) }
                } }
                tbody { @for setting in settings { (row(lang, setting)) } }
            }
        }
    }
}

fn row(lang: Lang, setting: &SettingView) -> Markup {
    html! {
        tr.set[setting.is_changed()] {
            th scope="row" {
                code { (setting.key) }
                div.meaning { (typed(meaning(lang, setting.key).unwrap_or(setting.meaning))) }
            }
            td.value { (value(&setting.value)) }
            td.value { (value(&setting.default)) }
            td { (source(lang, &setting.source)) }
            td { (if setting.reloads { lang.tr("reload") } else { lang.tr("restart") }) }
        }
    }
}

fn value(text: &str) -> Markup {
    html! { @if text.is_empty() { (format::NONE) } @else { code { (text) } } }
}

fn source(lang: Lang, source: &SourceView) -> Markup {
    html! {
        @match source {
            SourceView::Default => span.soft { (lang.tr("nobody")) }
            SourceView::File(path) => { (lang.tr("file")) " " code { (path) } }
            SourceView::Environment(name) => { (lang.tr("variable")) " " code { (name) } }
            SourceView::Flag => (lang.tr("command line")),
        }
    }
}

/// Renders what stands between `` ` `` as what is typed.
fn typed(text: &str) -> Markup {
    html! {
        @for (idx, part) in text.split('`').enumerate() {
            @if idx % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixNanos;

    fn setting(key: &'static str, value: &str, source: SourceView) -> SettingView {
        SettingView {
            key,
            value: value.into(),
            default: "7d".into(),
            source,
            reloads: key.starts_with("store"),
            meaning: "what is kept of `x`",
        }
    }

    fn view() -> SettingsView {
        SettingsView {
            settings: vec![
                setting("listen", "7d", SourceView::Default),
                setting("store.logs.max_age", "30d", SourceView::File("/etc/vitrine.toml".into())),
                setting("store.spans.max_age", "7d", SourceView::Default),
                setting("forward.shared_key", "********", SourceView::Environment("VITRINE_X".into())),
            ],
            log: LogLevelView { now: "info".into(), configured: "info".into() },
            ..SettingsView::default()
        }
    }

    fn render(view: &SettingsView) -> String {
        let frame = Frame { csrf: "csrf-token".into(), ..Frame::default() };
        settings(&frame, view).into_string()
    }

    #[test]
    fn settings_stand_in_their_groups_with_who_set_them() {
        let page = render(&view());
        assert_eq!(page.matches("<table class=\"settings\">").count(), 3, "{page}");
        assert!(page.contains("<code>[store]</code>") && page.contains("General"));
        assert!(
            page.contains("file <code>/etc/vitrine.toml</code>")
                && page.contains("variable <code>VITRINE_X</code>")
        );
        assert!(page.contains("what is kept of <code>x</code>"));
        assert_eq!(page.matches("<tr class=\"set\">").count(), 2);
    }

    #[test]
    fn the_status_page_is_a_link_or_a_line_to_write() {
        assert!(render(&view()).contains("<code>http.status_page = true</code>"));
        let mut on = view();
        on.settings.push(setting(STATUS_PAGE, "true", SourceView::Default));
        assert!(render(&on).contains("<a href=\"/status\">/status</a>"));
    }

    #[test]
    fn what_nobody_set_can_be_left_out() {
        let page = render(&SettingsView { is_changed_only: true, ..view() });
        assert!(page.contains("store.logs.max_age") && !page.contains("store.spans.max_age"), "{page}");
        let none = SettingsView { settings: view().settings[..1].to_vec(), is_changed_only: true, ..view() };
        assert!(render(&none).contains("vitrine init"));
    }

    #[test]
    fn a_log_level_of_the_moment_says_what_comes_back() {
        assert!(!render(&view()).contains("brings back"));
        let log = LogLevelView { now: "debug".into(), configured: "warn,vitrine::cv=info".into() };
        let page = render(&SettingsView { log, ..view() });
        assert!(
            page.contains("brings back what is configured: <code>warn,vitrine::cv=info</code>"),
            "{page}"
        );
    }

    #[test]
    fn a_refused_reload_shows_every_reason() {
        let reload = ReloadView {
            at: UnixNanos(0),
            outcome: Err("cv.yaml:3:5: a tab\n`listen` cannot change".into()),
        };
        let page = render(&SettingsView { reload: Some(reload), ..view() });
        assert_eq!(page.matches("<li><code>").count(), 2, "{page}");
    }
}
