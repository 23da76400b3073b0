//! The small parts that entries are made of.

use maud::{Markup, html};

use super::labels::Labels;
use super::markdown;
use crate::cv::{End, Link, PartialDate, Period, When};

/// A text, as a link where there is one.
pub(super) fn linked(text: &str, url: Option<&Link>) -> Markup {
    html! {
        @match url {
            Some(url) => { a href=(url.as_str()) rel="noopener" { (text) } }
            None => { (text) }
        }
    }
}

/// A date with its machine-readable form.
pub(super) fn date(date: PartialDate, labels: &Labels) -> Markup {
    html! { time datetime=(date) { (labels.date(date)) } }
}

/// A date, or the words that stand for one.
pub(super) fn when(value: &When, labels: &Labels) -> Markup {
    match value {
        When::Date(value) => date(*value, labels),
        When::Words(words) => html! { (words) },
    }
}

/// What a start without an end means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpenEnd {
    /// A job: it goes on.
    GoesOn,
    /// A project: the start is its date.
    IsAPoint,
}

/// The line with the dates of a stretch of time; empty when the file has none.
///
/// The months are shown, not the days: nobody asks on which day a job began, and most files
/// have the first of the month there. The exact date stays in `datetime`.
pub(super) fn period(period: &Period, open: OpenEnd, labels: &Labels) -> Markup {
    html! {
        @match Stretch::of(period, open) {
            Stretch::Unknown => {}
            Stretch::Until(end) => {
                p.entry-dates { (labels.until) " " (to_month(end, labels)) }
            }
            Stretch::At(start) => {
                p.entry-dates { (to_month(start, labels)) }
            }
            Stretch::Between(start, end) => {
                p.entry-dates { (to_month(start, labels)) " – " (to_month(end, labels)) }
            }
            Stretch::Since(start) => {
                p.entry-dates { (to_month(start, labels)) " – " span.present { (labels.present) } }
            }
        }
    }
}

/// A stretch of time as it is said.
pub(super) enum Stretch<'a> {
    /// Nothing is known.
    Unknown,
    /// Only the end is known.
    Until(&'a When),
    /// Within one month, or at one time.
    At(&'a When),
    /// From one to the other.
    Between(&'a When, &'a When),
    /// It goes on.
    Since(&'a When),
}

impl<'a> Stretch<'a> {
    pub fn of(period: &'a Period, open: OpenEnd) -> Self {
        let (start, end) = (period.start.as_ref(), &period.end);
        let goes_on = *end == End::Ongoing || (*end == End::Unwritten && open == OpenEnd::GoesOn);
        match (start, end) {
            (None, End::At(end)) => Stretch::Until(end),
            (None, End::Ongoing | End::Unwritten) => Stretch::Unknown,
            (Some(start), End::At(end)) if same_month(start, end) => Stretch::At(start),
            (Some(start), End::At(end)) => Stretch::Between(start, end),
            (Some(start), End::Ongoing | End::Unwritten) if goes_on => Stretch::Since(start),
            (Some(start), End::Ongoing | End::Unwritten) => Stretch::At(start),
        }
    }
}

fn to_month(value: &When, labels: &Labels) -> Markup {
    match (value, value.to_month()) {
        (When::Date(full), When::Date(month)) => html! { time datetime=(full) { (labels.date(month)) } },
        (_, words) => when(&words, labels),
    }
}

fn same_month(start: &When, end: &When) -> bool {
    match (start, end) {
        (When::Date(start), When::Date(end)) => (start.year, start.month) == (end.year, end.month),
        (start, end) => start == end,
    }
}

/// The line with the date of something that happened once.
pub(super) fn point(value: Option<&When>, labels: &Labels) -> Markup {
    html! {
        @if let Some(value) = value {
            p.entry-dates { (when(value, labels)) }
        }
    }
}

/// What was achieved, as a list.
pub(super) fn highlights(texts: &[String]) -> Markup {
    html! {
        @if !texts.is_empty() {
            ul.highlights {
                @for text in texts {
                    li { (markdown::inline(text)) }
                }
            }
        }
    }
}

/// Words in a row.
pub(super) fn keywords(texts: &[String]) -> Markup {
    html! {
        @if !texts.is_empty() {
            ul.keywords {
                @for text in texts {
                    li { (text) }
                }
            }
        }
    }
}

/// Running text, as Markdown.
pub(super) fn summary(text: Option<&String>) -> Markup {
    html! {
        @if let Some(text) = text {
            div.entry-summary { (markdown::block(text)) }
        }
    }
}

/// Texts that say one thing together, with dots between them; empty when there are none.
pub(super) fn org_line(parts: &[Option<Markup>]) -> Markup {
    html! {
        @if parts.iter().any(Option::is_some) {
            p.entry-org {
                @for (idx, part) in parts.iter().flatten().enumerate() {
                    @if idx > 0 { span.dot { " · " } }
                    (part)
                }
            }
        }
    }
}
