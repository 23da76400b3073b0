//! The sections as HTML.

use maud::{Markup, html};

use super::labels::Labels;
use super::markdown;
use super::outline::{self, Entry, Form, Part};
use super::parts::{dates, highlights, keywords, org_line, phrase};
use crate::cv::{Cv, SectionId};
use crate::pages::layout::direction;

/// Renders a section; nothing when it has no entries.
pub(super) fn section(cv: &Cv, id: SectionId, labels: &'static Labels) -> Markup {
    // What is in another language has its words and dates in it too.
    let lang = cv.section_lang(id);
    let labels = lang.map_or(labels, Labels::of);
    let section = outline::section(cv, id, labels);
    let title_id = format!("{}-title", section.key);
    html! {
        @if !section.entries.is_empty() {
            section.cv-section id=(section.key) aria-labelledby=(title_id) lang=[lang]
                dir=[lang.map(direction)] {
                h2.section-title id=(title_id) { (section.title) }
                @for entry in &section.entries { (self::entry(entry, labels)) }
            }
        }
    }
}

fn entry(entry: &Entry<'_>, labels: &Labels) -> Markup {
    html! {
        @match entry.form {
            Form::Full if !entry.roles.is_empty() => {
                div.employer {
                    div.entry.employer-head { (title(entry)) (content(entry, labels)) }
                    @for role in &entry.roles {
                        article.entry.role { (role_title(role)) (content(role, labels)) }
                    }
                }
            }
            Form::Full => { article.entry { (title(entry)) (content(entry, labels)) } }
            Form::Compact => { article.entry.entry-compact { (title(entry)) (content(entry, labels)) } }
            Form::Voice => { figure.entry.reference { (content(entry, labels)) } }
        }
    }
}

fn title(entry: &Entry<'_>) -> Markup {
    html! {
        @if let Some(title) = &entry.title { h3.entry-title { (phrase(title)) } }
    }
}

fn role_title(entry: &Entry<'_>) -> Markup {
    html! {
        @if let Some(title) = &entry.title { h4.entry-title { (phrase(title)) } }
    }
}

/// Everything below the heading.
fn content(entry: &Entry<'_>, labels: &Labels) -> Markup {
    html! {
        (org_line(&entry.org))
        @for time in &entry.times { (dates(*time, labels)) }
        @for part in &entry.body { (self::part(part, labels)) }
    }
}

fn part(part: &Part<'_>, labels: &Labels) -> Markup {
    html! {
        @match part {
            Part::Description(text) => { div.entry-description { (markdown::block(text)) } }
            Part::Summary(text) => { div.entry-summary { (markdown::block(text)) } }
            Part::Highlights(texts) => { (highlights(texts)) }
            Part::Keywords(words) => { (keywords(words)) }
            Part::Score(score) => { p.entry-score { (labels.grade) " " (score) } }
            Part::Level(level) => { p.entry-level { (level) } }
            Part::Quote(text) => { blockquote { (markdown::block(text)) } }
            Part::Speaker(name) => { figcaption { (name) } }
        }
    }
}
