//! Visitors: who read the CV, how many each day, where they came from, and by which link.
//!
//! What a person asks in the morning is answered by a sentence on top. All days are those of UTC,
//! and the people of several days are counted each day anew: nobody is followed from one to
//! the next.

mod links;
mod period;
mod sentence;
mod tables;

use std::time::Duration;

use maud::{Markup, html};

use super::chart::{Behind, Chart, Line, Mark, events};
use super::format::{self, Unit};
use super::frame::{Fragment, Frame};
use super::lang::Lang;
use super::panels;
use super::window::address;
use crate::clock::UnixNanos;

pub use links::{OtherTag, TaggedView};
pub use period::{Days, Period, noon};
pub use tables::{Latest, Row, Tables};

/// The whole page.
#[derive(Clone, Debug, Default)]
pub struct VisitorsView {
    /// The days that the tables are about.
    pub period: Period,
    /// These days in the order of time.
    pub days: Days,
    /// Where the CV is, without the slash at the end.
    pub address: String,
    /// In the last five minutes.
    pub now: Count,
    /// So far this day of UTC.
    pub today: Count,
    /// The day before.
    pub yesterday: Count,
    /// The last seven days, today among them.
    pub week: Count,
    /// The last thirty days, today among them.
    pub month: Count,
    /// Who of yesterday's people came by which link, most of them first.
    pub yesterday_by_link: Vec<ByLink>,
    /// Noon of each day of the chart.
    pub at: Vec<UnixNanos>,
    /// People of each day; none where nothing was recorded.
    pub people: Vec<Option<f64>>,
    /// Their views of each day.
    pub views: Vec<Option<f64>>,
    /// What happened to the process in these days.
    pub marks: Vec<Mark>,
    /// What is known of the days.
    pub tables: Tables,
    /// Who came last.
    pub latest: Vec<Latest>,
    /// The tagged links, the newest first.
    pub links: Vec<TaggedView>,
    /// Tags that are not on that list.
    pub other_tags: Vec<OtherTag>,
    /// The longest label.
    pub label_max_chars: usize,
    /// Since when there are lines, where that is later than the first of the days.
    pub lines_since: Option<UnixNanos>,
    /// What could not be read, in words.
    pub unreadable: Option<String>,
}

/// People and what they looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// People, each once a day.
    pub people: u64,
    /// Views.
    pub views: u64,
}

/// People who came by one link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByLink {
    /// Its tag.
    pub tag: String,
    /// Its name; none for a tag that is not on the list.
    pub label: Option<String>,
    /// How many.
    pub people: u64,
}

/// Renders the page.
pub fn visitors(frame: &Frame, view: &VisitorsView) -> Markup {
    let lang = frame.lang;
    let is_of_today = view.days.iter().any(|day| noon(day) == noon_of(frame.now));
    let marks =
        view.marks.iter().map(|mark| Mark { at: noon_of(mark.at), ..mark.clone() }).collect::<Vec<_>>();
    let content = html! {
        div data-stream=[is_of_today.then(|| stream(view))] {
            (sentence::sentence(lang, view))
            @if let Some(unreadable) = &view.unreadable {
                p.banner.warn role="alert" { (lang.tr("The numbers cannot be read:")) " " (unreadable) }
            }
            (tiles(lang, view))
            section aria-labelledby="days-title" {
                h2.visually-hidden id="days-title" { (lang.tr("Day by day")) }
                (chart(lang, view, &marks).render(lang))
                (events(lang, &view.marks))
            }
            section aria-labelledby="tables-title" {
                h2 id="tables-title" { (lang.tr("Where from, and what they read")) }
                (period::ranges(lang, view.period, view.days))
                @if let Some(since) = view.lines_since {
                    p.note {
                        (lang.tr("Told by lines that are kept, since")) " " (format::date(since)) "."
                    }
                }
                (tables::tables(lang, &view.tables))
                (tables::latest(lang, view))
            }
            (links::links(frame, view))
            (tables::bots(lang, &view.tables))
        }
    };
    frame.page(lang.tr("Visitors"), &content)
}

/// Renders the parts of the page that change by themselves.
pub fn visitors_fragments(lang: Lang, view: &VisitorsView) -> Vec<Fragment> {
    vec![
        Fragment { id: "verdict", markup: sentence::sentence(lang, view) },
        Fragment { id: "people-now", markup: tiles(lang, view) },
    ]
}

/// Where the page hears what changes on it.
fn stream(view: &VisitorsView) -> String {
    let parameters = view.period.parameters();
    let of_period = parameters.iter().map(|(name, value)| (*name, value.as_str()));
    let all: Vec<(&str, &str)> = [("page", "visitors")].into_iter().chain(of_period).collect();
    address("/admin/events", &all)
}

/// Returns noon of the day of a moment: the chart has a place for each day.
fn noon_of(at: UnixNanos) -> UnixNanos {
    let day_ns = i64::try_from(DAY.as_nanos()).unwrap_or(i64::MAX);
    noon(at.0.div_euclid(day_ns))
}

fn tiles(lang: Lang, view: &VisitorsView) -> Markup {
    let tile = |name: &str, count: Count| {
        let views = lang.trn(count.views, "{n} view", "{n} views");
        panels::tile(name, &format::count(lang, count.people), &views)
    };
    html! {
        section.tile-group id="people-now" aria-labelledby="people-title" {
            h2 id="people-title" { (lang.tr("People")) }
            dl.tiles {
                (tile(lang.tr("In the last 5 minutes"), view.now))
                (tile(lang.tr("Today"), view.today))
                (tile(lang.tr("Yesterday"), view.yesterday))
                (tile(lang.tr("7 days"), view.week))
                (tile(lang.tr("30 days"), view.month))
            }
        }
    }
}

const DAY: Duration = Duration::from_secs(86_400);

fn chart<'a>(lang: Lang, view: &'a VisitorsView, marks: &'a [Mark]) -> Chart<'a> {
    Chart {
        id: "people",
        title: lang.tr("People a day"),
        unit: Unit::Number,
        at: &view.at,
        step: DAY,
        lines: vec![
            Line { name: lang.tr("people"), class: "l1", values: &view.people },
            Line { name: lang.tr("views"), class: "l2", values: &view.views },
        ],
        empty: lang.tr("The first day is not recorded yet."),
        // One reader of one page is no mountain.
        top_min: 4.0,
        marks,
        behind: Some(Behind::Days("/admin/visitors")),
        query: None,
    }
}

#[cfg(test)]
mod tests;
