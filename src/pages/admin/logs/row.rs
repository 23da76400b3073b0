//! One line of the log: what it says in one row, and all that is known of it below.

use maud::{Markup, html};

use super::filter::{FieldFilter, LogFilter, Place, is_field_name, with_parameters};
use crate::clock::{UnixMillis, UnixNanos};
use crate::pages::admin::format;
use crate::pages::admin::frame::Tab;
use crate::pages::admin::lang::Lang;
use crate::pages::admin::window::Window;
use crate::record::Severity;
use crate::record::trace::TraceId;

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineView {
    /// When it happened.
    pub at: UnixNanos,
    /// The word for how much it matters, as its source has it.
    pub level: String,
    /// Its text.
    pub text: String,
    /// The labels of its stream.
    pub stream: Vec<(String, String)>,
    /// What else is known of it.
    pub fields: Vec<(String, String)>,
    /// Whether it is the one that was asked about.
    pub is_marked: bool,
}

/// A trace and what belongs to it are looked for so far before and behind one of its lines.
const TRACE_AROUND_MS: i64 = 3_600_000;

const DAY_NS: i64 = 86_400_000_000_000;

impl LineView {
    /// Returns a value of what else is known, `""` when it is not.
    pub fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Returns the source of the line as a selector: its stream whatever the level.
    pub fn source(&self) -> String {
        let labels = self.stream.iter().filter(|(name, _)| name != "level");
        // What JSON makes of a text is a text of LogQL, too.
        let labels: Vec<String> = labels
            .map(|(name, value)| format!("{name}={}", serde_json::Value::from(value.as_str())))
            .collect();
        format!("{{{}}}", labels.join(", "))
    }

    /// Returns the address of the line among its neighbours, which stays true.
    pub fn address(&self) -> String {
        let at = self.at.0.to_string();
        with_parameters(Tab::Logs.path(), &[("around", at), ("source", self.source())])
    }

    /// Returns the class of the style sheet for the level.
    fn class(&self) -> &'static str {
        match Severity::from_word(&self.level) {
            Some(Severity::Error | Severity::Fatal) => "error",
            Some(Severity::Warn) => "warn",
            Some(Severity::Trace | Severity::Debug) => "debug",
            Some(Severity::Info | Severity::Unspecified) | None => "info",
        }
    }

    fn level_word(&self, lang: Lang) -> &str {
        match self.level.as_str() {
            "" | "unknown" => lang.tr("none"),
            known => known,
        }
    }
}

/// What the moments of a list are read against: lines of a time that is longer than a day, and of
/// any other day than this, say their own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Today {
    /// When the list was made.
    pub(super) now: UnixNanos,
    /// Whether the list is of a time that is longer than a day.
    pub(super) is_over_a_day: bool,
}

impl Today {
    fn stamp(self, at: UnixNanos) -> Markup {
        let day = |at: UnixNanos| at.0.div_euclid(DAY_NS);
        if self.is_over_a_day || day(at) != day(self.now) {
            format::date_and_time(at)
        } else {
            format::time(at)
        }
    }
}

/// Renders a line; the buttons below it ask for others like it by the form `only` of the page.
pub(super) fn row(lang: Lang, today: Today, line: &LineView) -> Markup {
    let class = line.class();
    html! {
        li.(class) data-at=(line.at.0) data-level=(line.level) aria-current=[line.is_marked.then_some("true")] {
            details {
                summary {
                    (today.stamp(line.at)) " "
                    @match request(lang, line) {
                        Some(request) => { (request) }
                        None => {
                            span.level.(class) { (line.level_word(lang)) } " "
                            span.body { (first_line(&line.text)) }
                        }
                    }
                }
                (details(lang, line))
            }
        }
    }
}

/// What is longer than any screen is not sent twice.
fn first_line(text: &str) -> &str {
    const SHOWN_MAX_BYTES: usize = 400;
    let first = text.lines().next().unwrap_or_default();
    &first[..first.floor_char_boundary(SHOWN_MAX_BYTES)]
}

/// Writes a request in columns; none for a line that is no access record.
fn request(lang: Lang, line: &LineView) -> Option<Markup> {
    let field = |name| Some(line.field(name)).filter(|value| !value.is_empty());
    let (method, path) = (field("http_request_method")?, field("url_path")?);
    let status = field("http_response_status_code")?;
    let lasted = field("duration_ms").and_then(|text| text.parse::<f64>().ok());
    Some(html! {
        span.status.(line.class()) { (status) } " "
        span.body { span.method { (method) } " " (path) } " "
        span.lasted { @if let Some(ms) = lasted { (format::seconds(lang, ms / 1e3)) } }
    })
}

fn details(lang: Lang, line: &LineView) -> Markup {
    html! {
        div.whole {
            pre.text { (line.text) }
            dl.meta {
                dt { (lang.tr("time")) } dd { (format::exactly(line.at)) }
                // Most streams say it themselves.
                @if line.stream.iter().all(|(name, _)| name != "level") {
                    dt { (lang.tr("level")) } dd { (line.level_word(lang)) }
                }
                @for (name, value) in &line.stream { (pair(name, value, "stream")) }
                @for (name, value) in &line.fields { (pair(name, value, "field")) }
            }
            (ways(lang, line))
        }
    }
}

fn pair(name: &str, value: &str, of: &str) -> Markup {
    html! {
        dt { (name) }
        dd data-of=(of) {
            @if is_field_name(name) && !value.is_empty() {
                button.only form="only" name="f" value=(FieldFilter::is(name, value)) { (value) }
            } @else {
                (value)
            }
        }
    }
}

/// The ways from a line to what belongs to it.
fn ways(lang: Lang, line: &LineView) -> Markup {
    let trace = Some(line.field("trace_id")).filter(|id| TraceId::parse_hex(id).is_some());
    let visitor = Some(line.field("visitor")).filter(|visitor| !visitor.is_empty());
    let day = Window::Fixed {
        from: UnixNanos(line.at.0.saturating_sub(DAY_NS)).to_millis(),
        to: UnixNanos(line.at.0.saturating_add(DAY_NS)).to_millis(),
    };
    html! {
        p.ways {
            a href=(line.address()) { (lang.tr("Lines around it")) }
            @if let Some(id) = trace {
                " " a href=(of_trace(id, line.at, line.at)) { (lang.tr("Lines of this request")) }
                " " a href={ (Tab::Traces.path()) "/" (id) } { (lang.tr("Its trace")) }
            }
            @if let Some(visitor) = visitor {
                " " a href=(only("visitor", visitor, day)) { (lang.tr("Lines of this visitor")) }
            }
        }
    }
}

/// Returns the address of all lines of a trace that lasted from one moment to another.
pub fn of_trace(id: &str, from: UnixNanos, to: UnixNanos) -> String {
    let (from, to) = (from.to_millis().0 - TRACE_AROUND_MS, to.to_millis().0 + TRACE_AROUND_MS);
    let window = Window::Fixed { from: UnixMillis(from.max(0)), to: UnixMillis(to) };
    only("trace_id", id, window)
}

fn only(name: &str, value: &str, window: Window) -> String {
    let fields = vec![FieldFilter::is(name, value)];
    LogFilter { window, fields, with_routine: true, place: Place::Newest, ..LogFilter::default() }.address()
}
