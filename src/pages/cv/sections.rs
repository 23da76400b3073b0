//! The sections as HTML.

use maud::{Markup, html};

use super::labels::Labels;
use super::markdown;
use super::outline::{Entry, Form, Part, Section};
use super::parts::{dates, highlights, keywords, org_line, phrase};
use crate::pages::layout::direction;

/// Renders a section.
pub(super) fn section(section: &Section<'_>) -> Markup {
    let title_id = format!("{}-title", section.key);
    html! {
        section.cv-section id=(section.key) aria-labelledby=(title_id) lang=[section.lang]
            dir=[section.lang.map(direction)] {
            h2.section-title id=(title_id) { (section.title) }
            @for entry in &section.entries { (self::entry(entry, section.labels)) }
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
