//! One trace: its spans as a tree, each with its bar on the common axis of time.

use std::time::Duration;

use maud::{Markup, html};

use crate::clock::UnixNanos;
use crate::pages::admin::format;
use crate::pages::admin::frame::{Frame, Tab};
use crate::pages::admin::lang::Lang;
use crate::pages::admin::logs::of_trace;

/// One trace.
#[derive(Clone, Debug, Default)]
pub struct TraceView {
    /// Its id.
    pub id: String,
    /// The first spans in the order of the tree.
    pub spans: Vec<SpanView>,
    /// So many more there are.
    pub n_more: usize,
    /// Whether even more were sent than are kept of one trace.
    pub is_cut: bool,
    /// When the first span began.
    pub from: UnixNanos,
    /// How long it took from there to the end of the last one.
    pub duration: Duration,
    /// Spans that failed.
    pub n_failed: usize,
    /// Who took part, with the number of spans of each.
    pub services: Vec<(String, usize)>,
    /// Why there is nothing, when the store could not be read.
    pub fault: Option<String>,
}

/// One span in its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpanView {
    /// How deep in the tree it is.
    pub depth: usize,
    /// Its id; `""` for a stage of a request that has no span of its own.
    pub id: String,
    /// What was done.
    pub name: String,
    /// Who did it.
    pub service: String,
    /// Which side of a call it is, in OpenTelemetry's word; `""` where that says nothing.
    pub kind: &'static str,
    /// When it began, since the beginning of the trace.
    pub offset: Duration,
    /// How long it took.
    pub duration: Duration,
    /// Whether it failed.
    pub is_failed: bool,
    /// Why it failed.
    pub message: String,
    /// Its parent, when that is not here.
    pub missing_parent: Option<String>,
    /// What is known of it.
    pub attributes: Vec<(String, String)>,
    /// What happened meanwhile.
    pub events: Vec<SpanEventView>,
}

/// Something that happened during a span.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpanEventView {
    /// When, since the beginning of the trace.
    pub offset: Duration,
    /// What.
    pub name: String,
    /// What is known of it.
    pub attributes: Vec<(String, String)>,
}

/// Deeper spans are indented no further: a phone is narrow.
const DEPTH_MAX: usize = 12;

/// The width of the box that bars are drawn in, and that of the shortest bar.
const WIDTH: f64 = 1_000.0;
const WIDTH_MIN: f64 = 4.0;

/// Renders the page.
pub fn waterfall(frame: &Frame, view: &TraceView) -> Markup {
    let lang = frame.lang;
    let title = view.spans.first().map(|span| span.name.as_str()).filter(|name| !name.is_empty());
    let content = html! {
        p.turn { a href=(Tab::Traces.path()) { "← " (lang.tr("All traces")) } }
        @if let Some(cause) = &view.fault {
            p.banner.bad role="alert" { (lang.tr("The trace cannot be read:")) " " (cause) }
        } @else if view.spans.is_empty() {
            div.empty {
                p { (lang.tr("Nothing is kept of the trace")) " " code { (view.id) } ". "
                    (lang.tr("It was quick and went well, or it is older than what is kept; its lines may be there:")) " "
                    a href=(of_trace(&view.id, frame.now, frame.now)) { (lang.tr("Lines of this request")) } }
            }
        } @else {
            (summary(lang, view))
            (tree(lang, view))
        }
    };
    frame.page(title.unwrap_or(lang.tr("Trace")), &content)
}

fn summary(lang: Lang, view: &TraceView) -> Markup {
    let until =
        UnixNanos(view.from.0.saturating_add(i64::try_from(view.duration.as_nanos()).unwrap_or(i64::MAX)));
    let n_spans = (view.spans.iter().filter(|span| !span.id.is_empty()).count() + view.n_more) as u64;
    html! {
        p.lead {
            (format::moment(view.from)) ", "
            b { (format::seconds(lang, view.duration.as_secs_f64())) } ", "
            (lang.trn(n_spans, "{n} span", "{n} spans"))
            @if view.n_failed > 0 {
                ", " span.level.error { (lang.trn(view.n_failed as u64, "{n} failed", "{n} failed")) }
            }
            @if view.services.len() > 1 {
                ". " (lang.tr("Who took part:"))
                @for (idx, (service, n)) in view.services.iter().enumerate() {
                    (if idx == 0 { " " } else { ", " }) (service) " (" (n) ")"
                }
            }
        }
        p { a href=(of_trace(&view.id, view.from, until)) { (lang.tr("Lines of this request")) }
            span.note { " " (lang.tr("trace")) " " code { (view.id) } } }
    }
}

fn tree(lang: Lang, view: &TraceView) -> Markup {
    html! {
        section.waterfall aria-label=(lang.tr("Spans")) {
            div.axis aria-hidden="true" {
                @for part in 0..=4 {
                    span { (format::seconds(lang, view.duration.as_secs_f64() * f64::from(part) / 4.0)) }
                }
            }
            ol.spans { @for span in &view.spans { (row(lang, view, span)) } }
        }
        @if view.n_more > 0 {
            p.note { (lang.trn(view.n_more as u64, "{n} more span is not shown.", "{n} more spans are not shown.")) }
        }
        @if view.is_cut {
            p.note { (lang.tr("The trace has more spans than are kept of one.")) }
        }
    }
}

fn row(lang: Lang, view: &TraceView, span: &SpanView) -> Markup {
    let depth = format!("d{}", span.depth.min(DEPTH_MAX));
    let name = if span.name.is_empty() { lang.tr("(without a name)") } else { &span.name };
    let class = if span.is_failed { "error" } else { "info" };
    html! {
        li.(class).stage[span.id.is_empty()] {
            details {
                summary {
                    span.name.(depth) {
                        (name)
                        @if span.is_failed { " " span.level.error { (lang.tr("failed")) } }
                        @if view.services.len() > 1 && !span.id.is_empty() { " " span.aside { (span.service) } }
                    }
                    span.lasted { (format::seconds(lang, span.duration.as_secs_f64())) }
                    (bar(lang, view, span))
                }
                (known(lang, span))
            }
        }
    }
}

fn bar(lang: Lang, view: &TraceView, span: &SpanView) -> Markup {
    let whole = view.duration.as_secs_f64().max(1e-9);
    let x = (span.offset.as_secs_f64() / whole * WIDTH).clamp(0.0, WIDTH - WIDTH_MIN);
    let width = (span.duration.as_secs_f64() / whole * WIDTH).clamp(WIDTH_MIN, WIDTH - x);
    let words = lang.trf(
        "begins after {offset}, lasts {lasted}",
        &[
            ("offset", &format::seconds(lang, span.offset.as_secs_f64())),
            ("lasted", &format::seconds(lang, span.duration.as_secs_f64())),
        ],
    );
    html! {
        svg.span-bar viewBox={ "0 0 " (WIDTH) " 10" } preserveAspectRatio="none" role="img" aria-label=(words) {
            path.grid d="M0 0V10M250 0V10M500 0V10M750 0V10M1000 0V10" {}
            rect.fill x=(format!("{x:.1}")) y="1" width=(format!("{width:.1}")) height="8" {}
            @for event in &span.events {
                @let at = (event.offset.as_secs_f64() / whole * WIDTH).clamp(0.0, WIDTH);
                path.event d={ "M" (format!("{at:.1}")) " 0V10" } {}
            }
        }
    }
}

fn known(lang: Lang, span: &SpanView) -> Markup {
    html! {
        div.whole {
            @if !span.message.is_empty() { pre.text { (span.message) } }
            dl.meta {
                @if !span.service.is_empty() { dt { (lang.tr("service")) } dd { (span.service) } }
                @if !span.kind.is_empty() { dt { (lang.tr("kind")) } dd { (span.kind) } }
                dt { (lang.tr("begins after")) } dd { (format::seconds(lang, span.offset.as_secs_f64())) }
                dt { (lang.tr("lasts")) } dd { (format::seconds(lang, span.duration.as_secs_f64())) }
                @if !span.id.is_empty() { dt { (lang.tr("span")) } dd { (span.id) } }
                @if let Some(parent) = &span.missing_parent {
                    dt { (lang.tr("parent")) } dd { (parent) " " (lang.tr("(in another process, or not kept)")) }
                }
                (pairs(&span.attributes))
            }
            @if !span.events.is_empty() {
                h3 { (lang.tr("Events")) }
                ol.events {
                    @for event in &span.events {
                        li {
                            p { b { (event.name) } " " (lang.trf("after {offset}", &[("offset", &format::seconds(lang, event.offset.as_secs_f64()))])) }
                            @if !event.attributes.is_empty() { dl.meta { (pairs(&event.attributes)) } }
                        }
                    }
                }
            }
        }
    }
}

fn pairs(all: &[(String, String)]) -> Markup {
    html! { @for (name, value) in all { dt { (name) } dd.value { (value) } } }
}
