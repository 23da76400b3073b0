//! What stands around every view: the head of the page, the way to the other views, the
//! notice that an action left, the keys.

use maud::{DOCTYPE, Markup, html};
use serde_json::json;

use super::chart::{Chart, shapes};
use super::format;
use super::lang::{Lang, text};
use super::window::{Range, Window, address};
use crate::clock::UnixNanos;

/// Where the pages find their style and their scripts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assets {
    /// The style sheets' urls, in the order of their effect.
    pub css: Vec<String>,
    /// The scripts' urls, in the order in which they are run.
    pub js: Vec<String>,
    /// Scripts of single views, which run after all others.
    pub of_views: Vec<(Tab, String)>,
    /// The script of the editor, which only its page needs.
    pub editor: String,
}

/// The frame of one page.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// Style and scripts.
    pub assets: Assets,
    /// The language of the page.
    pub lang: Lang,
    /// Goes into every form.
    pub csrf: String,
    /// When this was rendered.
    pub now: UnixNanos,
    /// The view inside.
    pub tab: Tab,
    /// The address of the page with what was asked of it, to come back to.
    pub place: String,
    /// How the last action ended; shown once.
    pub notice: Option<Notice>,
}

/// A part of a page that is swapped as a whole: its root element has the id.
pub struct Fragment {
    /// The id of its root element.
    pub id: &'static str,
    /// The element.
    pub markup: Markup,
}

/// Returns where a page hears what changes on it, from the charts that it has.
pub fn stream_address(page: &str, window: Window, charts: &[Chart<'_>], more: &[(&str, &str)]) -> String {
    let of_charts: Vec<String> = charts.iter().map(Chart::shape).collect();
    let shown = shapes(of_charts.iter().map(String::as_str));
    let parameters = window.parameters();
    let of_window = parameters.iter().map(|(name, value)| (*name, value.as_str()));
    let all: Vec<(&str, &str)> = [("page", page), ("shown", shown.as_str())]
        .into_iter()
        .chain(of_window)
        .chain(more.iter().copied())
        .collect();
    address("/admin/events", &all)
}

/// How an action ended, in words for the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whether it did what was asked.
    pub is_good: bool,
    /// The words; may have several lines.
    pub text: String,
}

/// The views.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tab {
    /// How it is.
    #[default]
    Overview,
    /// Who came.
    Visitors,
    /// Lines.
    Logs,
    /// Series by PromQL.
    Metrics,
    /// Requests in their parts.
    Traces,
    /// Who answers.
    Workers,
    /// What is shown.
    Cv,
    /// What is kept.
    Store,
    /// What runs, and what ran.
    Releases,
    /// How it is set, and who may enter.
    Settings,
}

impl Tab {
    /// Every view in the order of the bar.
    pub const ALL: [Tab; 10] = [
        Tab::Overview,
        Tab::Visitors,
        Tab::Logs,
        Tab::Metrics,
        Tab::Traces,
        Tab::Workers,
        Tab::Cv,
        Tab::Store,
        Tab::Releases,
        Tab::Settings,
    ];

    /// Returns the address.
    pub fn path(self) -> &'static str {
        match self {
            Tab::Overview => "/admin",
            Tab::Visitors => "/admin/visitors",
            Tab::Logs => "/admin/logs",
            Tab::Metrics => "/admin/metrics",
            Tab::Traces => "/admin/traces",
            Tab::Workers => "/admin/workers",
            Tab::Cv => "/admin/cv",
            Tab::Store => "/admin/store",
            Tab::Releases => "/admin/releases",
            Tab::Settings => "/admin/settings",
        }
    }

    /// Returns the word in the bar.
    pub fn name(self, lang: Lang) -> &'static str {
        match self {
            Tab::Overview => lang.tr("Overview"),
            Tab::Visitors => lang.tr("Visitors"),
            Tab::Logs => lang.tr("Logs"),
            Tab::Metrics => lang.tr("Metrics"),
            Tab::Traces => lang.tr("Traces"),
            Tab::Workers => lang.tr("Workers"),
            Tab::Cv => lang.tr("CV"),
            Tab::Store => lang.tr("Store"),
            Tab::Releases => lang.tr("Releases"),
            Tab::Settings => lang.tr("Settings"),
        }
    }

    /// Returns the key that leads there, after `g`.
    fn key(self) -> &'static str {
        match self {
            Tab::Overview => "o",
            Tab::Visitors => "v",
            Tab::Logs => "l",
            Tab::Metrics => "m",
            Tab::Traces => "t",
            Tab::Workers => "w",
            Tab::Cv => "c",
            Tab::Store => "s",
            Tab::Releases => "r",
            Tab::Settings => "e",
        }
    }
}

/// The keys, what they do, and what a page must have for it, as a selector; `""` works everywhere.
const KEYS: [(&str, &str, &str); 10] = [
    ("?", text!("show these keys"), ""),
    ("/", text!("go to the search field"), "#search"),
    ("[ ]", text!("shorter or longer time"), "nav.ranges"),
    ("← →", text!("earlier or later, by half of the time shown"), "nav.ranges"),
    ("0", text!("back to now"), "nav.ranges"),
    ("p", text!("pause what arrives by itself, or go on"), "[data-stream]"),
    ("j k", text!("next or previous line"), "#log-lines li"),
    ("Enter", text!("open the line, or close it"), "#log-lines li"),
    ("x", text!("charts as tables"), "figure.chart details"),
    ("Esc", text!("close, or leave the field"), ""),
];

impl Frame {
    /// Renders the whole page around the content of its view.
    pub fn page(&self, title: &str, content: &Markup) -> Markup {
        let body = html! {
            a.skip href="#main" { (self.lang.tr("To the content")) }
            header.top {
                a.brand href="/admin" { "vitrine" }
                span.live id="live" data-live="" { (self.lang.tr("as of")) " " (format::time(self.now)) }
                nav.tools aria-label=(self.lang.tr("Page")) {
                    a href="/" { (self.lang.tr("See the CV")) }
                    (self.language())
                    form method="post" action="/admin/logout" {
                        (self.csrf())
                        button.quiet type="submit" { (self.lang.tr("Log out")) }
                    }
                }
            }
            (self.bar())
            main id="main" data-words=(self.words()) {
                h1 { (title) }
                // Stands above all when the script hears nothing any more.
                div.verdict.bad id="lost" role="alert" hidden {
                    p { b { (self.lang.tr("No connection since")) " " span id="lost-since" {} "." } " "
                        (self.lang.tr("What is below was true then.")) }
                    p.aside { (self.lang.tr("It is tried again and again; this page carries on by itself.")) }
                }
                @if let Some(notice) = &self.notice {
                    div.banner.(if notice.is_good { "good" } else { "bad" }) id="notice" role="status" {
                        @for line in notice.text.lines() { p { (line) } }
                    }
                }
                (content)
            }
            (self.keys())
        };
        let mut assets = self.assets.clone();
        let own = assets.of_views.iter().filter(|(tab, _)| *tab == self.tab).map(|(_, url)| url.clone());
        assets.js.extend(own);
        document(&format!("{title} – vitrine"), self.lang, &assets, &body)
    }

    /// Returns the field that every form carries.
    pub fn csrf(&self) -> Markup {
        html! { input type="hidden" name="csrf" value=(self.csrf); }
    }

    /// Returns the buttons of the ranges; `kept` are the other parameters of the page. They
    /// are links, so they work without a script and can be kept as bookmarks.
    pub fn ranges(&self, window: Window, kept: &[(&str, &str)]) -> Markup {
        self.ranges_of(self.tab.path(), window, kept)
    }

    /// The same for a page below the view's own.
    pub fn ranges_of(&self, path: &str, window: Window, kept: &[(&str, &str)]) -> Markup {
        let lang = self.lang;
        let place = |window: Window| {
            let parameters = window.parameters();
            let mut all: Vec<(&str, &str)> =
                parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
            all.extend(kept);
            address(path, &all)
        };
        let (from, to) = window.bounds(self.now.to_millis());
        html! {
            nav.ranges aria-label=(lang.tr("Time shown")) data-from=(from.0) data-to=(to.0) {
                @for range in Range::ALL {
                    @let is_it = window == Window::Moving(range);
                    a href=(place(Window::Moving(range))) aria-current=[is_it.then_some("true")]
                        data-range=(range.key()) { (range.label(lang)) }
                }
                @if !window.is_moving() {
                    span.fixed { (format::moment(from.to_nanos())) " – " (format::moment(to.to_nanos())) }
                }
            }
        }
    }

    fn bar(&self) -> Markup {
        html! {
            nav.views aria-label=(self.lang.tr("Views")) {
                @for tab in Tab::ALL {
                    a href=(tab.path()) aria-current=[(tab == self.tab).then_some("page")] data-key=(tab.key()) {
                        (tab.name(self.lang))
                    }
                }
            }
        }
    }

    /// The other language, in its own words.
    fn language(&self) -> Markup {
        html! {
            form method="post" action="/admin/language" {
                (self.csrf())
                input type="hidden" name="place" value=(self.place);
                @for lang in Lang::ALL.into_iter().filter(|lang| *lang != self.lang) {
                    button.quiet type="submit" name="lang" value=(lang.tag()) lang=(lang.tag()) { (lang.name()) }
                }
            }
        }
    }

    /// What the script says, as JSON by its own names.
    fn words(&self) -> String {
        let lang = self.lang;
        json!({
            "live": lang.tr("live"),
            "restarts": lang.tr("the server restarts"),
            "broken": lang.tr("not live, trying again"),
            "busy": lang.tr("the server is busy"),
            "lines": lang.tr("Lines of"),
            "days": lang.tr("Tables of"),
            "closer": lang.tr("A closer look"),
            "hint": {
                "lines": lang.tr("Click: the lines of this moment. Drag: a closer look."),
                "days": lang.tr("Click: the tables of this day. Drag: those of several days."),
                "none": lang.tr("Drag: a closer look."),
            },
            "pause": lang.tr("Pause"),
            "paused": lang.tr("paused"),
            "resume": lang.tr("Go on"),
            "working": lang.tr("At work…"),
            "cost": lang.tr("This page: {size}, shown after {time}"),
        })
        .to_string()
    }

    fn keys(&self) -> Markup {
        let lang = self.lang;
        html! {
            footer {
                button.quiet type="button" id="keys-open" hidden { (lang.tr("Keys")) " " kbd { "?" } }
                " " span id="page-cost" {}
            }
            dialog id="keys" aria-labelledby="keys-title" {
                h2 id="keys-title" { (lang.tr("Keys")) }
                dl.keys {
                    @for (key, meaning, needs) in KEYS {
                        @let needs = (!needs.is_empty()).then_some(needs);
                        dt data-needs=[needs] { kbd { (key) } } dd data-needs=[needs] { (lang.tr(meaning)) }
                    }
                    @for tab in Tab::ALL { dt { kbd { "g" } " " kbd { (tab.key()) } } dd { (tab.name(lang)) } }
                }
                form method="dialog" { button type="submit" { (lang.tr("Close")) } }
            }
        }
    }
}

/// Renders a document of the admin page.
pub fn document(title: &str, lang: Lang, assets: &Assets, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(lang.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) }
                link rel="icon" href="/favicon.svg" type="image/svg+xml";
                @for css in &assets.css { link rel="stylesheet" href=(css); }
                @for js in &assets.js { script src=(js) defer {} }
            }
            body { (body) }
        }
    }
}
