//! The small parts that entries are made of.

use maud::{Markup, html};

use super::labels::Labels;
use super::markdown;
use super::outline::{Phrase, Time};
use crate::cv::{Link, PartialDate, When};

/// A text, as a link where there is one.
pub(super) fn linked(text: &str, url: Option<&Link>) -> Markup {
    html! {
        @match url {
            Some(url) => { a href=(url.as_str()) rel="noopener" { (text) } }
            None => { (text) }
        }
    }
}

/// A phrase of the outline.
pub(super) fn phrase(phrase: &Phrase<'_>) -> Markup {
    linked(&phrase.text, phrase.url)
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

/// The line with the dates of an entry; the exact ones stay in `datetime`.
pub(super) fn dates(time: Time<'_>, labels: &Labels) -> Markup {
    let month = |when| to_month(when, labels);
    html! {
        p.entry-dates {
            @match time {
                Time::Point(point) => { (when(point, labels)) }
                Time::Month(start) => { (month(start)) }
                Time::Until(end) => { (labels.until) " " (month(end)) }
                Time::Between(start, end) => { (month(start)) " – " (month(end)) }
                Time::Since(start) => { (month(start)) " – " span.present { (labels.present) } }
            }
        }
    }
}

fn to_month(value: &When, labels: &Labels) -> Markup {
    match (value, value.to_month()) {
        (When::Date(full), When::Date(month)) => html! { time datetime=(full) { (labels.date(month)) } },
        (_, words) => when(&words, labels),
    }
}

/// What was achieved, as a list.
pub(super) fn highlights(texts: &[String]) -> Markup {
    html! {
        ul.highlights {
            @for text in texts {
                li { (markdown::inline(text)) }
            }
        }
    }
}

/// Words in a row.
pub(super) fn keywords(texts: &[String]) -> Markup {
    html! {
        ul.keywords {
            @for text in texts {
                li { (text) }
            }
        }
    }
}

/// Texts that say one thing together, with dots between them; empty when there are none.
pub(super) fn org_line(parts: &[Phrase<'_>]) -> Markup {
    html! {
        @if !parts.is_empty() {
            p.entry-org {
                @for (idx, part) in parts.iter().enumerate() {
                    @if idx > 0 { span.dot { " · " } }
                    (phrase(part))
                }
            }
        }
    }
}
