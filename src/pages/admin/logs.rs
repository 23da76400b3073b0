//! The log list and its form.

use maud::{Markup, html};

use super::format;
use super::frame::Frame;
use super::lang::{Lang, text};
use super::window::{Window, address};
use crate::record::{LogRecord, Severity};

/// What the log form was filled in with, as its fields' values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Text to look for.
    pub text: String,
    /// Lowest level, or `""` for all.
    pub level: String,
    /// The stretch of time.
    pub window: Window,
    /// Shows what is hidden by default: successful probes and the owner's own visits.
    pub with_routine: bool,
    /// Unix nanoseconds: only older lines; none for the newest.
    pub before: Option<i64>,
}

/// Choices of the lowest level: key and words.
pub const LEVELS: &[(&str, &str)] = &[
    ("", text!("all levels")),
    ("debug", text!("debug and above")),
    ("info", text!("info and above")),
    ("warn", text!("warn and above")),
    ("error", text!("error and above")),
];

/// The log list.
#[derive(Clone, Debug, Default)]
pub struct LogsView {
    /// What was asked for.
    pub filter: LogFilter,
    /// Newest first.
    pub lines: Vec<LogRecord>,
    /// How many lines were read, when the search gave up before its end.
    pub cut_off_after: Option<usize>,
    /// True when older lines may exist.
    pub has_older: bool,
    /// Why there are no lines, when the store could not be read.
    pub unreadable: Option<String>,
}
/// Renders the page.
pub fn logs(frame: &Frame, view: &LogsView) -> Markup {
    let lang = frame.lang;
    let filter = &view.filter;
    let all = if filter.with_routine { "1" } else { "" };
    let content = html! {
        (frame.ranges(filter.window, &[("q", &filter.text), ("level", &filter.level), ("all", all)]))
        (form(lang, filter))
        (list(lang, view))
    };
    frame.page(lang.tr("Logs"), &content)
}

fn form(lang: Lang, filter: &LogFilter) -> Markup {
    html! {
        form.filter method="get" action="/admin/logs" role="search" {
            @for (name, value) in filter.window.parameters() { input type="hidden" name=(name) value=(value); }
            label {
                span.visually-hidden { (lang.tr("Text in the line")) }
                input type="search" name="q" value=(filter.text) placeholder=(lang.tr("Text in the line"))
                    maxlength="256" enterkeyhint="search" id="search";
            }
            label {
                span.visually-hidden { (lang.tr("Level")) }
                select name="level" {
                    @for (key, words) in LEVELS {
                        option value=(key) selected[filter.level == *key] { (lang.tr(words)) }
                    }
                }
            }
            label.check {
                input type="checkbox" name="all" value="1" checked[filter.with_routine];
                " " (lang.tr("Probes and admin, too"))
            }
            button type="submit" { (lang.tr("Find")) }
        }
    }
}

fn list(lang: Lang, view: &LogsView) -> Markup {
    html! {
        div id="log-lines" {
            @if let Some(cause) = &view.unreadable {
                p.banner.bad role="alert" { (lang.tr("The logs cannot be read:")) " " (cause) }
            }
            @if view.lines.is_empty() && view.unreadable.is_none() { (empty(lang, view)) }
            @if !view.lines.is_empty() {
                ol.lines reversed { @for line in &view.lines { (row(lang, line)) } }
            }
            @if let Some(n_lines) = view.cut_off_after {
                p.note {
                    (lang.trn(
                        n_lines as u64,
                        "Stopped after {n} line. A shorter time or a higher level looks further.",
                        "Stopped after {n} lines. A shorter time or a higher level looks further.",
                    ))
                }
            }
            (turn_links(lang, view))
        }
    }
}

fn empty(lang: Lang, view: &LogsView) -> Markup {
    let is_filtered = !view.filter.text.is_empty() || !view.filter.level.is_empty();
    html! {
        p.empty {
            @if is_filtered {
                (lang.tr("No line fits.")) " " a href="/admin/logs?all=1" { (lang.tr("Show all lines")) }
                " " (lang.tr("or look further back."))
            } @else if !view.filter.with_routine {
                (lang.tr("No lines of visitors in this time.")) " "
                a href="/admin/logs?all=1" { (lang.tr("Show probes and admin, too")) } "."
            } @else {
                (lang.tr(
                    "No lines in this time. Every request and every event of the server is logged here: open the CV once."
                ))
            }
        }
    }
}

/// Pages go by time, not by number: lines that arrive meanwhile move nothing.
fn turn_links(lang: Lang, view: &LogsView) -> Markup {
    let oldest = view.lines.last().map(|line| line.at.0);
    let older =
        oldest.filter(|_| view.has_older).map(|at| LogFilter { before: Some(at), ..view.filter.clone() });
    let newest = view.filter.before.map(|_| LogFilter { before: None, ..view.filter.clone() });
    html! {
        @if older.is_some() || newest.is_some() {
            p.turn {
                @if let Some(newest) = newest { a href=(url(&newest)) { (lang.tr("Newest lines")) } " " }
                @if let Some(older) = older { a href=(url(&older)) { (lang.tr("Older lines")) } }
            }
        }
    }
}

/// One line; its metadata opens below it.
fn row(lang: Lang, line: &LogRecord) -> Markup {
    let (level, word) = level(line.severity);
    html! {
        li.(level) {
            details {
                summary {
                    (format::time(line.at)) " "
                    @match request(lang, line) {
                        Some(request) => { (request) }
                        None => { span.level.(level) { (word) } " " span.body { (line.body) } }
                    }
                }
                dl.meta {
                    @for (name, value) in line.stream.iter() { dt { (name) } dd { (value) } }
                    @for (name, value) in &line.metadata { dt { (name) } dd { (value) } }
                }
            }
        }
    }
}

/// Writes a request in columns; none for a line that is no access record.
fn request(lang: Lang, line: &LogRecord) -> Option<Markup> {
    let field = |name| Some(line.metadata(name)).filter(|value| !value.is_empty());
    let (method, path) = (field("http_request_method")?, field("url_path")?);
    let status = field("http_response_status_code")?;
    let lasted = field("duration_ms").and_then(|text| text.parse::<f64>().ok());
    Some(html! {
        span.status.(level(line.severity).0) { (status) } " "
        span.body { span.method { (method) } " " (path) } " "
        span.lasted { @if let Some(ms) = lasted { (format::seconds(lang, ms / 1e3)) } }
    })
}

fn level(severity: Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::Unspecified => ("info", "none"),
        Severity::Trace => ("debug", "trace"),
        Severity::Debug => ("debug", "debug"),
        Severity::Info => ("info", "info"),
        Severity::Warn => ("warn", "warn"),
        Severity::Error => ("error", "error"),
        Severity::Fatal => ("error", "fatal"),
    }
}

/// Returns the page's address for a filter; defaults are left out.
fn url(filter: &LogFilter) -> String {
    let before = filter.before.map(|before| before.to_string()).unwrap_or_default();
    let window = filter.window.parameters();
    let mut parameters: Vec<(&str, &str)> =
        window.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let all = if filter.with_routine { "1" } else { "" };
    parameters.extend([
        ("q", filter.text.as_str()),
        ("level", &filter.level),
        ("all", all),
        ("before", &before),
    ]);
    address("/admin/logs", &parameters)
}
