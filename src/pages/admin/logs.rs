//! The log list and its form.

use maud::{Markup, html};

use super::format;
use super::view::{LEVELS, LogFilter, LogsView, Range, SINCE};
use crate::record::{LogRecord, Severity};

pub(super) fn section(view: &LogsView, range: Range) -> Markup {
    html! {
        section aria-labelledby="logs-title" {
            div.heading {
                h2 id="logs-title" { "Logs" }
                // Shown by the script: without it there is nothing to pause.
                button.quiet type="button" id="pause" hidden aria-pressed="false" title="Key: p" { "Pause" }
            }
            (form(&view.filter, range))
            (list(view, range))
        }
    }
}

fn form(filter: &LogFilter, range: Range) -> Markup {
    html! {
        form.filter method="get" action="/admin#logs-title" role="search" {
            @if range != Range::default() { input type="hidden" name="range" value=(range.key()); }
            label {
                span.visually-hidden { "Text" }
                input type="search" name="q" value=(filter.text) placeholder="Text in the line" title="Key: /" maxlength="256"
                    enterkeyhint="search" id="log-text";
            }
            label {
                span.visually-hidden { "Level" }
                select name="level" {
                    @for (key, words) in LEVELS { option value=(key) selected[filter.level == *key] { (words) } }
                }
            }
            label {
                span.visually-hidden { "How far back" }
                select name="since" {
                    @for (key, words, _) in SINCE { option value=(key) selected[filter.since == *key] { (words) } }
                }
            }
            label.check {
                input type="checkbox" name="all" value="1" checked[filter.with_routine];
                " Probes and admin, too"
            }
            button type="submit" { "Find" }
        }
    }
}

pub(super) fn list(view: &LogsView, range: Range) -> Markup {
    html! {
        div id="log-lines" {
            @if let Some(cause) = &view.unreadable {
                p.banner.bad role="alert" { "The logs cannot be read: " (cause) }
            }
            @if view.lines.is_empty() && view.unreadable.is_none() { (empty(view)) }
            @if !view.lines.is_empty() {
                ol.lines reversed { @for line in &view.lines { (row(line)) } }
            }
            @if let Some(n_lines) = view.cut_off_after {
                p.note {
                    "Stopped after " (format::count(n_lines as u64))
                    " lines. A shorter time or a higher level looks further."
                }
            }
            (turn_links(view, range))
        }
    }
}

fn empty(view: &LogsView) -> Markup {
    let is_filtered = !view.filter.text.is_empty() || !view.filter.level.is_empty();
    html! {
        p.empty {
            @if is_filtered {
                "No line fits. " a href="/admin?all=1#logs-title" { "Show all lines" } " or look further back."
            } @else if !view.filter.with_routine {
                "No lines of visitors in this time. "
                a href="/admin?all=1#logs-title" { "Show probes and admin, too" } "."
            } @else {
                "No lines in this time. Every request and every event of the server is logged here: open the CV once."
            }
        }
    }
}

/// Pages go by time, not by number: lines that arrive meanwhile move nothing.
fn turn_links(view: &LogsView, range: Range) -> Markup {
    let oldest = view.lines.last().map(|line| line.at.0);
    let older =
        oldest.filter(|_| view.has_older).map(|at| LogFilter { before: Some(at), ..view.filter.clone() });
    let newest = view.filter.before.map(|_| LogFilter { before: None, ..view.filter.clone() });
    html! {
        @if older.is_some() || newest.is_some() {
            p.turn {
                @if let Some(newest) = newest { a href={ (url(&newest, range)) "#logs-title" } { "Newest lines" } " " }
                @if let Some(older) = older { a href={ (url(&older, range)) "#logs-title" } { "Older lines" } }
            }
        }
    }
}

/// One line; its metadata opens below it.
fn row(line: &LogRecord) -> Markup {
    let (level, word) = level(line.severity);
    html! {
        li.(level) {
            details {
                summary {
                    (format::time(line.at)) " "
                    @match request(line) {
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
fn request(line: &LogRecord) -> Option<Markup> {
    let field = |name| Some(line.metadata(name)).filter(|value| !value.is_empty());
    let (method, path) = (field("http_request_method")?, field("url_path")?);
    let status = field("http_response_status_code")?;
    let lasted = field("duration_ms").and_then(|text| text.parse::<f64>().ok());
    Some(html! {
        span.status.(level(line.severity).0) { (status) } " "
        span.body { span.method { (method) } " " (path) } " "
        span.lasted { @if let Some(ms) = lasted { (format::seconds(ms / 1e3)) } }
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

/// Returns the page's address for a range and a filter; defaults are left out.
pub(super) fn url(filter: &LogFilter, range: Range) -> String {
    let before = filter.before.map(|before| before.to_string()).unwrap_or_default();
    let since = if filter.since == SINCE[0].0 { "" } else { filter.since.as_str() };
    let range = if range == Range::default() { "" } else { range.key() };
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in [
        ("range", range),
        ("q", &filter.text),
        ("level", &filter.level),
        ("since", since),
        ("all", if filter.with_routine { "1" } else { "" }),
        ("before", &before),
    ] {
        if !value.is_empty() {
            query.append_pair(name, value);
        }
    }
    let query = query.finish();
    if query.is_empty() { "/admin".to_string() } else { format!("/admin?{query}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_escapes_what_was_typed_and_leaves_defaults_out() {
        assert_eq!(url(&LogFilter::default(), Range::Hour), "/admin");
        let filter = LogFilter { text: "a&b c".into(), since: "24h".into(), ..LogFilter::default() };
        assert_eq!(url(&filter, Range::Day), "/admin?range=24h&q=a%26b+c");
        let filter = LogFilter { since: "15m".into(), with_routine: true, ..LogFilter::default() };
        assert_eq!(url(&filter, Range::Hour), "/admin?since=15m&all=1");
    }
}
