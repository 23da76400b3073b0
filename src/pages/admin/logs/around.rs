//! A line among those of the same source that came before and after it.

use maud::{Markup, html};

use super::filter::{LogFilter, with_parameters};
use super::row::{Today, row};
use super::{FaultView, LineView, words};
use crate::clock::UnixNanos;
use crate::pages::admin::format;
use crate::pages::admin::frame::{Frame, Tab};

/// A line among those of the same source that came before and after it.
#[derive(Clone, Debug, Default)]
pub struct AroundView {
    /// The moment of the line.
    pub at: UnixNanos,
    /// The selector of the source.
    pub source: String,
    /// Lines of each side that were asked for.
    pub n: usize,
    /// Whether there may be more before, and after.
    pub has_more: (bool, bool),
    /// Newest first.
    pub lines: Vec<LineView>,
    /// Why there are none.
    pub fault: Option<FaultView>,
}

/// Most lines that are shown of each side.
pub const AROUND_MAX: usize = 400;

/// Renders the page of a line and its neighbours.
pub fn around(frame: &Frame, view: &AroundView) -> Markup {
    let lang = frame.lang;
    let more = |n: usize| {
        let parameters =
            [("around", view.at.0.to_string()), ("source", view.source.clone()), ("n", n.to_string())];
        with_parameters(Tab::Logs.path(), &parameters)
    };
    let next = (view.n * 4).min(AROUND_MAX);
    let logql = LogFilter { logql: view.source.clone(), ..LogFilter::default() };
    let today = Today { now: frame.now, is_over_a_day: false };
    let form = html! { form id="only" method="get" action="/admin/logs" hidden { input type="hidden" name="all" value="1"; } };
    let content = html! {
        p { (lang.tr("Lines of the source")) " " code { (view.source) } " " (lang.tr("around")) " " (format::moment(view.at)) ". "
            a href=(logql.address()) { (lang.tr("All lines of this source")) } }
        @if let Some(fault) = &view.fault {
            div.banner.bad role="alert" { p { (fault.message) } }
        } @else {
            (form)
            section.log id="log-lines" aria-label=(lang.tr("Lines")) data-words=(words(lang)) {
                @if view.has_more.1 && next > view.n { p.turn { a href=(more(next)) { (lang.tr("More after it")) } } }
                ol.lines.rows { @for line in &view.lines { (row(lang, today, line)) } }
                @if view.lines.is_empty() {
                    p.empty { (lang.tr("There is no such line. It may be older than what is kept.")) }
                }
                @if view.has_more.0 && next > view.n { p.turn { a href=(more(next)) { (lang.tr("More before it")) } } }
            }
        }
    };
    frame.page(lang.tr("Logs"), &content)
}
