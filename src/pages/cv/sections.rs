//! The sections, one function for each kind of entry.

use maud::{Markup, html};

use super::labels::Labels;
use super::markdown;
use super::parts::{OpenEnd, highlights, keywords, linked, org_line, period, point, summary};
use crate::cv::{
    Award, Certificate, CustomItem, Cv, Education, Entry, Interest, Language, Link, Project, Publication,
    Reference, SectionId, Skill, Volunteer, Work,
};
use crate::pages::layout::direction;

/// Renders a section; nothing when it has no entries.
pub(super) fn section(cv: &Cv, section: SectionId, labels: &'static Labels) -> Markup {
    // What is in another language has its words and dates in it too.
    let labels = cv.section_lang(section).map_or(labels, Labels::of);
    let entries = match section {
        SectionId::Work => work(&cv.work, labels),
        SectionId::Projects => each(&cv.projects, |item| project(item, labels)),
        SectionId::Volunteer => each(&cv.volunteer, |item| volunteer(item, labels)),
        SectionId::Education => each(&cv.education, |item| education(item, labels)),
        SectionId::Skills => each(&cv.skills, skill),
        SectionId::Certificates => each(&cv.certificates, |item| certificate(item, labels)),
        SectionId::Awards => each(&cv.awards, |item| award(item, labels)),
        SectionId::Publications => each(&cv.publications, |item| publication(item, labels)),
        SectionId::Languages => each(&cv.languages, language),
        SectionId::Interests => each(&cv.interests, interest),
        SectionId::References => each(&cv.references, reference),
        SectionId::Custom(idx) => cv
            .custom
            .get(idx)
            .map_or_else(|| html! {}, |custom| each(&custom.items, |item| own(item, labels))),
    };
    let key = cv.section_key(section);
    let title = heading(cv, section, labels);
    let title_id = format!("{key}-title");
    let lang = cv.section_lang(section);
    html! {
        @if !entries.0.is_empty() {
            section.cv-section id=(key) aria-labelledby=(title_id) lang=[lang] dir=[lang.map(direction)] {
                h2.section-title id=(title_id) { (title) }
                (entries)
            }
        }
    }
}

/// Returns the heading of a section: the owner's, or that of its language.
pub(super) fn heading<'a>(cv: &'a Cv, section: SectionId, labels: &Labels) -> &'a str {
    let own_title = || match section {
        SectionId::Custom(idx) => cv.custom.get(idx).map_or("", |custom| &custom.title),
        known => known.key().unwrap_or(""),
    };
    cv.section_label(section).or_else(|| labels.section(section)).unwrap_or_else(own_title)
}

fn each<T>(entries: &[Entry<T>], render: impl Fn(&T) -> Markup) -> Markup {
    html! {
        @for entry in entries { (render(&entry.item)) }
    }
}

/// A heading, as a link where there is one.
fn title(text: &str, url: Option<&Link>) -> Markup {
    html! { h3.entry-title { (linked(text, url)) } }
}

fn text(value: Option<&String>) -> Option<Markup> {
    value.map(|value| html! { (value) })
}

/// Renders jobs; consecutive ones at one employer stand under its name.
fn work(entries: &[Entry<Work>], labels: &Labels) -> Markup {
    let groups = entries.chunk_by(|before, after| is_one_employer(&before.item, &after.item));
    html! {
        @for group in groups {
            @match group {
                [single] => { (job(&single.item, labels)) }
                several => { (employer(several, labels)) }
            }
        }
    }
}

pub(super) fn is_one_employer(before: &Work, after: &Work) -> bool {
    let same_url = before.url.is_none() || after.url.is_none() || before.url == after.url;
    before.name.is_some() && before.name == after.name && same_url
}

fn job(work: &Work, labels: &Labels) -> Markup {
    let name = work.name.as_deref().or(work.url.as_ref().map(Link::spoken));
    html! {
        article.entry {
            @match (work.position.as_deref(), name) {
                (Some(position), name) => {
                    (title(position, None))
                    (org_line(&[name.map(|name| linked(name, work.url.as_ref())), text(work.location.as_ref())]))
                }
                (None, name) => {
                    (title(name.unwrap_or("–"), work.url.as_ref()))
                    (org_line(&[text(work.location.as_ref())]))
                }
            }
            (period(&work.period, OpenEnd::GoesOn, labels))
            (description(work.description.as_ref()))
            (summary(work.summary.as_ref()))
            (highlights(&work.highlights))
        }
    }
}

fn employer(entries: &[Entry<Work>], labels: &Labels) -> Markup {
    let first = &entries[0].item;
    let name = first.name.as_deref().unwrap_or("–");
    let url = entries.iter().find_map(|entry| entry.item.url.as_ref());
    let common = |field: fn(&Work) -> Option<&String>| {
        let value = field(first);
        value.filter(|_| {
            entries.iter().all(|entry| field(&entry.item).is_none_or(|other| Some(other) == value))
        })
    };
    let location = common(|work| work.location.as_ref());
    let about = common(|work| work.description.as_ref());
    html! {
        div.employer {
            div.entry.employer-head {
                (title(name, url))
                (org_line(&[text(location)]))
                (description(about))
            }
            @for work in entries.iter().map(|entry| &entry.item) {
                article.entry.role {
                    h4.entry-title { (work.position.as_deref().unwrap_or(name)) }
                    (org_line(&[text(work.location.as_ref().filter(|_| location.is_none()))]))
                    (period(&work.period, OpenEnd::GoesOn, labels))
                    (description(work.description.as_ref().filter(|_| about.is_none())))
                    (summary(work.summary.as_ref()))
                    (highlights(&work.highlights))
                }
            }
        }
    }
}

fn description(text: Option<&String>) -> Markup {
    html! {
        @if let Some(text) = text {
            div.entry-description { (markdown::block(text)) }
        }
    }
}

fn volunteer(item: &Volunteer, labels: &Labels) -> Markup {
    let organization = item.organization.as_deref().or(item.url.as_ref().map(Link::spoken));
    html! {
        article.entry {
            @match item.position.as_deref() {
                Some(position) => {
                    (title(position, None))
                    (org_line(&[organization.map(|name| linked(name, item.url.as_ref()))]))
                }
                None => { (title(organization.unwrap_or("–"), item.url.as_ref())) }
            }
            (period(&item.period, OpenEnd::GoesOn, labels))
            (summary(item.summary.as_ref()))
            (highlights(&item.highlights))
        }
    }
}

fn education(item: &Education, labels: &Labels) -> Markup {
    let institution = item.institution.as_deref().or(item.url.as_ref().map(Link::spoken));
    let degree: Vec<&str> =
        [item.study_type.as_deref(), item.area.as_deref()].into_iter().flatten().collect();
    html! {
        article.entry {
            @if degree.is_empty() {
                (title(institution.unwrap_or("–"), item.url.as_ref()))
            } @else {
                (title(&degree.join(", "), None))
                (org_line(&[institution.map(|name| linked(name, item.url.as_ref()))]))
            }
            (period(&item.period, OpenEnd::GoesOn, labels))
            @if let Some(score) = &item.score {
                p.entry-score { (labels.grade) " " (score) }
            }
            (keywords(&item.courses))
        }
    }
}

fn project(item: &Project, labels: &Labels) -> Markup {
    let name = item.name.as_deref().or(item.url.as_ref().map(Link::spoken)).unwrap_or("–");
    let roles = (!item.roles.is_empty()).then(|| html! { (item.roles.join(", ")) });
    html! {
        article.entry {
            (title(name, item.url.as_ref()))
            (org_line(&[roles, text(item.entity.as_ref()), text(item.kind.as_ref())]))
            (period(&item.period, OpenEnd::IsAPoint, labels))
            (summary(item.description.as_ref()))
            (highlights(&item.highlights))
            (keywords(&item.keywords))
        }
    }
}

fn award(item: &Award, labels: &Labels) -> Markup {
    html! {
        article.entry {
            (title(item.title.as_deref().or(item.awarder.as_deref()).unwrap_or("–"), None))
            (org_line(&[text(item.awarder.as_ref().filter(|_| item.title.is_some()))]))
            (point(item.date.as_ref(), labels))
            (summary(item.summary.as_ref()))
        }
    }
}

fn certificate(item: &Certificate, labels: &Labels) -> Markup {
    let name = item.name.as_deref().or(item.issuer.as_deref()).or(item.url.as_ref().map(Link::spoken));
    html! {
        article.entry {
            (title(name.unwrap_or("–"), item.url.as_ref()))
            (org_line(&[text(item.issuer.as_ref().filter(|_| item.name.is_some()))]))
            (point(item.date.as_ref(), labels))
        }
    }
}

fn publication(item: &Publication, labels: &Labels) -> Markup {
    let name = item.name.as_deref().or(item.publisher.as_deref()).or(item.url.as_ref().map(Link::spoken));
    html! {
        article.entry {
            (title(name.unwrap_or("–"), item.url.as_ref()))
            (org_line(&[text(item.publisher.as_ref().filter(|_| item.name.is_some()))]))
            (point(item.release_date.as_ref(), labels))
            (summary(item.summary.as_ref()))
        }
    }
}

fn compact(name: Option<&String>, level: Option<&String>, words: &[String]) -> Markup {
    html! {
        article.entry.entry-compact {
            @match (name, level) {
                (Some(name), level) => {
                    h3.entry-title { (name) }
                    @if let Some(level) = level { p.entry-level { (level) } }
                }
                (None, Some(level)) => { h3.entry-title { (level) } }
                (None, None) => {}
            }
            (keywords(words))
        }
    }
}

fn skill(item: &Skill) -> Markup {
    compact(item.name.as_ref(), item.level.as_ref(), &item.keywords)
}

fn language(item: &Language) -> Markup {
    compact(item.language.as_ref(), item.fluency.as_ref(), &[])
}

fn interest(item: &Interest) -> Markup {
    compact(item.name.as_ref(), None, &item.keywords)
}

fn reference(item: &Reference) -> Markup {
    html! {
        figure.entry.reference {
            @if let Some(reference) = &item.reference {
                blockquote { (markdown::block(reference)) }
            }
            @if let Some(name) = &item.name {
                figcaption { (name) }
            }
        }
    }
}

fn own(item: &CustomItem, labels: &Labels) -> Markup {
    let name = item.title.as_deref().or(item.subtitle.as_deref()).or(item.url.as_ref().map(Link::spoken));
    html! {
        article.entry {
            @if let Some(name) = name { (title(name, item.url.as_ref())) }
            (org_line(&[text(item.subtitle.as_ref().filter(|_| item.title.is_some()))]))
            (point(item.date.as_ref(), labels))
            (period(&item.period, OpenEnd::IsAPoint, labels))
            (summary(item.summary.as_ref()))
            (highlights(&item.highlights))
            (keywords(&item.keywords))
        }
    }
}
