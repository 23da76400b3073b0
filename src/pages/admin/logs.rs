//! The logs: how many lines there were and when, the lines themselves, and the form by which
//! they are asked for.
//!
//! A page has so many lines that a phone shows it at once. The script goes on from its last
//! one and puts what comes in before its first one, with no more of them in the page than are
//! seen; without it, pages are turned by time.

mod around;
mod filter;
mod form;
mod row;

use std::time::Duration;

use maud::{Markup, html};
use serde_json::json;

use super::chart::{Bars, Behind, Chart, Line, Mark};
use super::format::{self, Unit};
use super::frame::{Frame, Tab};
use super::lang::Lang;
use crate::clock::UnixNanos;
use crate::record::trace::TraceId;

pub use around::{AROUND_MAX, AroundView, around};
pub use filter::{FIELDS_MAX, FieldFilter, FieldOp, LogFilter, Place, is_field_name, with_parameters};
pub use form::{LEVELS, LOGQL_MAX_BYTES, TEXT_MAX_BYTES};
pub use row::{LineView, of_trace};

/// The log list.
#[derive(Clone, Debug, Default)]
pub struct LogsView {
    /// What was asked for; its fields as they can be read off the query.
    pub filter: LogFilter,
    /// The query that was asked.
    pub query: String,
    /// Whether the query says what the fields cannot.
    pub is_raw: bool,
    /// Why the query has no answer.
    pub fault: Option<FaultView>,
    /// How many lines there were.
    pub histogram: Histogram,
    /// Newest first.
    pub lines: Vec<LineView>,
    /// Older lines are before this moment, if there may be any.
    pub older: Option<i64>,
    /// Newer lines are behind this moment, if there may be any.
    pub newer: Option<i64>,
    /// Lines before this moment were not looked at, for it would take long.
    pub searched_to: Option<UnixNanos>,
    /// What can be chosen.
    pub known: KnownLabels,
}

/// Labels that lines in this time have.
#[derive(Clone, Debug, Default)]
pub struct KnownLabels {
    /// Where lines come from.
    pub sources: Vec<String>,
    /// Names of labels and of what else is known of lines.
    pub names: Vec<String>,
}

/// Why a query has no answer.
#[derive(Clone, Debug, Default)]
pub struct FaultView {
    /// The reason.
    pub message: String,
    /// The query up to the place that is wrong, that place, and the rest.
    pub place: Option<(String, String, String)>,
}

/// How many lines there were, step by step.
#[derive(Clone, Debug, Default)]
pub enum Histogram {
    /// It is not asked for.
    #[default]
    None,
    /// It would take long, and is sent when it is asked for; about how many there are, if that can be
    /// told sooner.
    Later(Option<LineCounts>),
    /// The counts.
    Counted(LineCounts),
}

/// Lines counted step by step.
#[derive(Clone, Debug, Default)]
pub struct LineCounts {
    /// The end of each step.
    pub at: Vec<UnixNanos>,
    /// The distance of two steps.
    pub step: Duration,
    /// A list for each of [`LineCounts::KINDS`], with one place a step.
    pub kinds: [Vec<Option<f64>>; 5],
    /// What happened to the process meanwhile.
    pub marks: Vec<Mark>,
    /// Where the count ended for want of time; what is older is not in it.
    pub reached: Option<UnixNanos>,
}

impl LineCounts {
    /// What is told apart: the levels that each holds. The last one holds all others.
    pub const KINDS: [&'static [&'static str]; 5] =
        [&["error", "fatal"], &["warn"], &["info"], &["debug", "trace"], &[]];

    /// Returns how many lines there are in all.
    pub fn total(&self) -> f64 {
        self.kinds.iter().flatten().flatten().sum()
    }
}

/// Renders the page.
pub fn logs(frame: &Frame, view: &LogsView) -> Markup {
    let lang = frame.lang;
    let filter = &view.filter;
    let question = filter.question();
    let kept: Vec<(&str, &str)> = question.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let content = html! {
        (frame.ranges(filter.window, &kept))
        (form::form(lang, view))
        // Lines are shown though they could not be counted.
        @if view.fault.is_none() || !view.lines.is_empty() {
            (histogram(lang, filter, &view.histogram))
            (list(lang, view, frame.now))
        }
    };
    frame.page(lang.tr("Logs"), &content)
}

/// Renders how many lines there were; a part of the page that the script may ask for.
pub fn histogram(lang: Lang, filter: &LogFilter, histogram: &Histogram) -> Markup {
    match histogram {
        Histogram::None => html! {},
        Histogram::Counted(counts) => html! {
            (bars(lang, lang.tr("Lines by level"), filter, counts))
            @if let Some(reached) = counts.reached {
                p.note { (lang.tr("Counted back to")) " " (format::moment(reached)) ". "
                        (lang.tr("There are so many lines that it takes a moment to count them.")) " " (count_all(lang, filter)) }
            }
        },
        Histogram::Later(about) => {
            let exact = with_parameters("/admin/logs/histogram", &filter.at(Place::Newest).parameters());
            let count = count_all(lang, filter);
            html! {
                div.later id="lines-later" data-later=(exact) {
                    @match about {
                        Some(about) => {
                            (bars(lang, lang.tr("Lines by level, about"), filter, about))
                            p.note { (lang.tr("There are so many lines that it takes a moment to count them.")) " " (count) }
                        }
                        None => {
                            figure.chart.bars {
                                figcaption { h2.h3 { (lang.tr("Lines by level")) } }
                                p.empty { (lang.tr("There are so many lines that it takes a moment to count them.")) " " (count) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The way to a count that takes as long as it takes.
fn count_all(lang: Lang, filter: &LogFilter) -> Markup {
    let mut parameters = filter.at(Place::Newest).parameters();
    parameters.push(("count", "1".into()));
    html! { a href=(with_parameters(Tab::Logs.path(), &parameters)) { (lang.tr("Count them")) } }
}

fn bars(lang: Lang, title: &str, filter: &LogFilter, counts: &LineCounts) -> Markup {
    let names = [
        // Words of programs, the same in each language.
        ("error", "l4"),
        ("warn", "l2"),
        ("info", "l1"),
        ("debug", "l7"),
        (lang.tr("without a level"), "l8"),
    ];
    // That there is no error is worth to be said; lines without a level are a rarity.
    let is_said = |idx: usize| idx + 1 < names.len() || counts.kinds[idx].iter().any(Option::is_some);
    let lines = names.iter().zip(&counts.kinds).enumerate().filter(|(idx, _)| is_said(*idx));
    let lines = lines.map(|(_, ((name, class), values))| Line { name, class, values }).collect();
    let logs = with_parameters(Tab::Logs.path(), &filter.question());
    let chart = Chart {
        id: "lines",
        title,
        unit: Unit::Number,
        at: &counts.at,
        step: counts.step,
        lines,
        empty: lang.tr("No line in this time."),
        top_min: 1.0,
        marks: &counts.marks,
        behind: Some(Behind::Lines(&logs)),
        query: None,
    };
    Bars(chart).render(lang)
}

fn list(lang: Lang, view: &LogsView, now: UnixNanos) -> Markup {
    let filter = &view.filter;
    let is_live = filter.window.is_moving() && filter.place == Place::Newest;
    let mut of_stream = vec![("page", "logs".to_string())];
    of_stream.extend(filter.question());
    let stream = with_parameters("/admin/events", &of_stream);
    let today = row::Today { now, is_over_a_day: filter.window.span() > Duration::from_secs(86_400) };
    let mut of_rows = filter.window.parameters();
    of_rows.extend(filter.question());
    html! {
        section.log id="log-lines" aria-label=(lang.tr("Lines")) data-stream=[is_live.then_some(stream)]
            data-rows=(with_parameters("/admin/logs/rows", &of_rows))
            data-older=[view.older] data-words=(words(lang)) {
            @if is_live { (live_bar(lang)) }
            (turn(lang, view, Turn::Newer))
            ol.lines.rows { @for line in &view.lines { (row::row(lang, today, line)) } }
            @if view.lines.is_empty() { (empty(lang, view, now)) }
            @if let Some(at) = view.searched_to {
                p.note id="searched" { (lang.tr("Searched back to")) " " (format::moment(at)) ". " (lang.tr("What is older takes longer.")) }
            }
            (turn(lang, view, Turn::Older))
        }
    }
}

/// What the script shows and hides: that lines come in, how many wait, how many were left out.
fn live_bar(lang: Lang) -> Markup {
    html! {
        div.live-bar id="live-bar" hidden {
            button.quiet type="button" id="tail-pause" aria-pressed="false" { (lang.tr("Pause")) }
            button.quiet type="button" id="tail-waiting" hidden {}
            span.note id="tail-left-out" role="status" {}
        }
    }
}

/// What the script of the list says.
fn words(lang: Lang) -> String {
    json!({
        "time": lang.tr("time"),
        "level": lang.tr("level"),
        "none": lang.tr("none"),
        "around": lang.tr("Lines around it"),
        "request": lang.tr("Lines of this request"),
        "trace": lang.tr("Its trace"),
        "visitor": lang.tr("Lines of this visitor"),
        "link": lang.tr("Copy the link"),
        "json": lang.tr("Copy as JSON"),
        "copied": lang.tr("copied"),
        "pause": lang.tr("Pause"),
        "resume": lang.tr("Go on"),
        "waiting": lang.tr("new lines: {n}"),
        "left": lang.tr("left out, for there were too many: {n}"),
        "reserved": filter::RESERVED.join(" "),
        "full": lang.tr("Older lines are not kept here: {n} are shown."),
    })
    .to_string()
}

fn empty(lang: Lang, view: &LogsView, now: UnixNanos) -> Markup {
    let filter = &view.filter;
    let to = filter.window.bounds(now.to_millis()).1.to_nanos();
    let all = LogFilter { window: filter.window, with_routine: true, ..LogFilter::default() };
    let in_any_case = LogFilter { any_case: true, ..filter.at(Place::Newest) };
    html! {
        p.empty id="no-lines" {
            @if view.searched_to.is_some() {
                (lang.tr("No line so far."))
            } @else if filter.is_narrow() {
                (lang.tr("No line fits."))
                @if TraceId::parse_hex(&filter.text).is_some() {
                    " " a href=(of_trace(&filter.text, to, to)) { (lang.tr("Lines of this request")) } ","
                }
                @if !filter.text.is_empty() && !filter.any_case {
                    " " a href=(in_any_case.address()) { (lang.tr("Search in any case")) } ","
                }
                " " a href=(all.address()) { (lang.tr("show all lines")) } " " (lang.tr("or look further back."))
            } @else if !filter.with_routine {
                (lang.tr("No lines of visitors in this time.")) " "
                a href=(all.address()) { (lang.tr("Show probes and admin, too")) } "."
            } @else {
                (lang.tr(
                    "No lines in this time. Every request and every event of the server is logged here: open the CV once."
                ))
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Newer,
    Older,
}

/// Pages go by time, not by number: lines that arrive meanwhile move nothing.
fn turn(lang: Lang, view: &LogsView, turn: Turn) -> Markup {
    let filter = &view.filter;
    html! {
        @match turn {
            Turn::Newer if filter.place != Place::Newest => {
                p.turn {
                    a href=(filter.at(Place::Newest).address()) { (lang.tr("Newest lines")) }
                    @if let Some(at) = view.newer {
                        " " a rel="prev" href=(filter.at(Place::After(at)).address()) { (lang.tr("Newer lines")) }
                    }
                }
            }
            Turn::Older => {
                @if let Some(at) = view.older {
                    p.turn id="older" {
                        a rel="next" href=(filter.at(Place::Before(at)).address()) {
                            @if view.searched_to.is_some() { (lang.tr("Search further back")) }
                            @else { (lang.tr("Older lines")) }
                        }
                    }
                }
            }
            Turn::Newer => {}
        }
    }
}

#[cfg(test)]
mod tests;
