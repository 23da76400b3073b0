//! The traces: which requests were slow, which failed, and which came last.

mod waterfall;

use std::time::Duration;

use maud::{Markup, html};

use super::format;
use super::frame::{Frame, Tab};
use super::lang::{Lang, text};
use super::logs::with_parameters;
use super::window::{Range, Window};
use crate::clock::UnixNanos;

pub use waterfall::{SpanEventView, SpanView, TraceView, waterfall};

/// The list.
#[derive(Clone, Debug, Default)]
pub struct TracesView {
    /// What was asked for.
    pub filter: TraceFilter,
    /// The requests, in the order asked for.
    pub traces: Vec<TraceRow>,
    /// Older ones are before this moment, if there may be any.
    pub older: Option<i64>,
    /// Requests before this moment were not looked at, for it would take long.
    pub searched_to: Option<UnixNanos>,
    /// Why there are none, when the store could not be read.
    pub fault: Option<String>,
}

/// What the list was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceFilter {
    /// The stretch of time.
    pub window: Window,
    /// Which ones come first.
    pub order: TraceOrder,
    /// Text to look for in names and paths.
    pub text: String,
    /// The shortest duration wanted, in milliseconds; none for all.
    pub min_ms: Option<u64>,
    /// Shows what is hidden by default: probes and the owner's own visits that went well.
    pub with_routine: bool,
    /// Only requests that began before this moment, in Unix nanoseconds; none for the newest.
    pub before: Option<i64>,
}

/// Which requests come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TraceOrder {
    /// Those that took longest.
    #[default]
    Slowest,
    /// Those that failed, the newest first.
    Failed,
    /// The newest.
    Newest,
}

impl TraceOrder {
    /// All of them.
    pub const ALL: [TraceOrder; 3] = [TraceOrder::Slowest, TraceOrder::Failed, TraceOrder::Newest];

    /// Returns the value of the query parameter.
    pub fn key(self) -> &'static str {
        match self {
            TraceOrder::Slowest => "slowest",
            TraceOrder::Failed => "failed",
            TraceOrder::Newest => "newest",
        }
    }

    fn words(self) -> &'static str {
        match self {
            TraceOrder::Slowest => text!("The slowest"),
            TraceOrder::Failed => text!("The failed"),
            TraceOrder::Newest => text!("The newest"),
        }
    }
}

/// One request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceRow {
    /// The id of its trace.
    pub id: String,
    /// When it began.
    pub at: UnixNanos,
    /// What it was.
    pub name: String,
    /// The path that was asked for, if it was a request by HTTP.
    pub path: String,
    /// The status that was sent, likewise.
    pub status: String,
    /// Who answered.
    pub service: String,
    /// How long it took.
    pub duration: Duration,
    /// Whether it failed.
    pub is_failed: bool,
}

impl TraceFilter {
    /// Returns the parameters that say it, the window aside.
    fn question(&self) -> Vec<(&'static str, String)> {
        let mut res = vec![("q", self.text.clone())];
        if self.order != TraceOrder::default() {
            res.push(("order", self.order.key().to_string()));
        }
        res.push(("min", self.min_ms.map(|ms| ms.to_string()).unwrap_or_default()));
        res.push(("all", if self.with_routine { "1".to_string() } else { String::new() }));
        res.retain(|(_, value)| !value.is_empty());
        res
    }

    /// Returns the address of the list.
    pub fn address(&self) -> String {
        let mut parameters = self.window.parameters();
        parameters.extend(self.question());
        parameters.extend(self.before.map(|at| ("before", at.to_string())));
        with_parameters(Tab::Traces.path(), &parameters)
    }

    fn with_order(&self, order: TraceOrder) -> TraceFilter {
        TraceFilter { order, before: None, ..self.clone() }
    }

    fn is_narrow(&self) -> bool {
        !self.text.is_empty() || self.min_ms.is_some()
    }
}

/// Renders the page.
pub fn traces(frame: &Frame, view: &TracesView) -> Markup {
    let lang = frame.lang;
    let filter = &view.filter;
    let question = filter.question();
    let kept: Vec<(&str, &str)> = question.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let content = html! {
        (frame.ranges(filter.window, &kept))
        nav.ranges.orders aria-label=(lang.tr("Which requests")) {
            @for order in TraceOrder::ALL {
                a href=(filter.with_order(order).address()) aria-current=[(order == filter.order).then_some("true")] {
                    (lang.tr(order.words()))
                }
            }
        }
        (form(lang, filter))
        @if let Some(cause) = &view.fault {
            p.banner.bad role="alert" { (lang.tr("The traces cannot be read:")) " " (cause) }
        } @else if view.traces.is_empty() {
            (empty(lang, view))
        } @else {
            (table(lang, view))
        }
        (turn(lang, view))
    };
    frame.page(lang.tr("Traces"), &content)
}

fn form(lang: Lang, filter: &TraceFilter) -> Markup {
    html! {
        search {
            form.filter method="get" action="/admin/traces" {
                @for (name, value) in filter.window.parameters() { input type="hidden" name=(name) value=(value); }
                @if filter.order != TraceOrder::default() { input type="hidden" name="order" value=(filter.order.key()); }
                label.wide {
                    span.visually-hidden { (lang.tr("Text in the name or the path")) }
                    input type="search" name="q" value=(filter.text) placeholder=(lang.tr("Text in the name or the path"))
                        maxlength="256" enterkeyhint="search" id="search" autocomplete="off" spellcheck="false";
                }
                label.min {
                    span { (lang.tr("at least, ms")) }
                    input type="number" name="min" min="0" max="3600000" step="1" inputmode="numeric"
                        value=[filter.min_ms];
                }
                button type="submit" { (lang.tr("Find")) }
                div.checks {
                    label.check {
                        input type="checkbox" name="all" value="1" checked[filter.with_routine];
                        " " (lang.tr("Probes and admin, too"))
                    }
                }
            }
        }
    }
}

fn table(lang: Lang, view: &TracesView) -> Markup {
    let longest = view.traces.iter().map(|trace| trace.duration).max().unwrap_or_default();
    html! {
        div.scroll tabindex="0" role="region" aria-label=(lang.tr(view.filter.order.words())) {
            table.traces {
                thead { tr {
                    th scope="col" { (lang.tr("Request")) }
                    th scope="col" { (lang.tr("Lasted")) }
                    th scope="col" { (lang.tr("Status")) }
                    th scope="col" { (lang.tr("Began")) }
                    th scope="col" { (lang.tr("Service")) }
                } }
                tbody { @for trace in &view.traces { (row(lang, trace, longest)) } }
            }
        }
    }
}

fn row(lang: Lang, trace: &TraceRow, longest: Duration) -> Markup {
    let lasted = format::seconds(lang, trace.duration.as_secs_f64());
    let share = trace.duration.as_secs_f64() / longest.as_secs_f64().max(1e-9);
    let name = if trace.name.is_empty() { lang.tr("(without a name)") } else { &trace.name };
    html! {
        tr {
            th scope="row" {
                a href={ (Tab::Traces.path()) "/" (trace.id) } { (name) }
                @if !trace.path.is_empty() && !trace.name.ends_with(&trace.path) { span.aside { (trace.path) } }
            }
            td.lasted { (lasted) (bar(share)) }
            td {
                @if trace.is_failed { span.level.error { (lang.tr("failed")) } " " }
                @if !trace.status.is_empty() { span.status.error[trace.is_failed] { (trace.status) } }
                @else if !trace.is_failed { (format::NONE) }
            }
            td { (format::moment(trace.at)) }
            td { (trace.service) }
        }
    }
}

/// Draws a part of the longest; the number beside it says the same.
fn bar(share: f64) -> Markup {
    html! {
        svg.bar viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" {
            rect.track width="100" height="6" rx="2" {}
            rect.fill width=(format!("{:.1}", share.clamp(0.0, 1.0) * 100.0)) height="6" rx="2" {}
        }
    }
}

fn turn(lang: Lang, view: &TracesView) -> Markup {
    let filter = &view.filter;
    html! {
        @if let Some(at) = view.searched_to {
            p.note { (lang.tr("Searched back to")) " " (format::moment(at)) ". " (lang.tr("What is older takes longer.")) }
        }
        @if filter.before.is_some() || view.older.is_some() {
            p.turn {
                @if filter.before.is_some() {
                    a href=(TraceFilter { before: None, ..filter.clone() }.address()) { (lang.tr("Newest requests")) } " "
                }
                @if let Some(at) = view.older {
                    a rel="next" href=(TraceFilter { before: Some(at), ..filter.clone() }.address()) { (lang.tr("Older requests")) }
                }
            }
        }
    }
}

fn empty(lang: Lang, view: &TracesView) -> Markup {
    let filter = &view.filter;
    let week = TraceFilter { window: Window::Moving(Range::Week), before: None, ..filter.clone() };
    let routine = TraceFilter { with_routine: true, before: None, ..filter.clone() };
    let all = TraceFilter { text: String::new(), min_ms: None, before: None, ..filter.clone() };
    html! {
        div.empty {
            p {
                @if filter.is_narrow() {
                    (lang.tr("No request fits.")) " " a href=(all.address()) { (lang.tr("Show all of this time")) } "."
                } @else if filter.order == TraceOrder::Failed {
                    (lang.tr("No request failed in this time, as far as traces are kept."))
                } @else {
                    (lang.tr("No traces in this time."))
                }
                @if !filter.with_routine {
                    " " a href=(routine.address()) { (lang.tr("Show probes and admin, too")) } "."
                }
                @if filter.window != Window::Moving(Range::Week) && filter.window != Window::Moving(Range::Month) {
                    " " a href=(week.address()) { (lang.tr("Look at the last 7 days")) } "."
                }
            }
            (what_leaves_traces(lang))
        }
    }
}

/// Where traces come from: nobody who sees none should have to read the manual.
fn what_leaves_traces(lang: Lang) -> Markup {
    html! {
        ul {
            li { (lang.tr("A request that fails, or takes longer than this to answer, leaves its trace:")) " " code { "telemetry.traces.slow" } }
            li { (lang.tr("Of all others a share does, with every stage:")) " " code { "telemetry.traces.sampler" } ", " code { "telemetry.traces.ratio" } }
            li { (lang.tr("Other programs send theirs by OTLP to /v1/traces, once this is on:")) " " code { "push.otlp" } }
        }
    }
}

#[cfg(test)]
mod tests;
