//! The CV as plain data in the order of the page, for the forms that are not HTML.

use super::labels::Labels;
use super::parts::{OpenEnd, Stretch};
use super::sections::{heading, is_one_employer};
use super::{countries, display_name};
use crate::cv::{Cv, Education, Entry, Link, Period, Project, SectionId, When, Work};

/// A text, and what it links to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub text: String,
    pub url: Option<String>,
}

impl Said {
    fn plain(text: impl Into<String>) -> Self {
        Said { text: text.into(), url: None }
    }

    fn linked(text: impl Into<String>, url: Option<&Link>) -> Self {
        Said { text: text.into(), url: url.map(Link::to_string) }
    }
}

/// Everything that is shown.
pub(super) struct Outline {
    pub name: String,
    pub label: Option<String>,
    /// Each with what kind it is of, where that is not clear by itself.
    pub contacts: Vec<(Option<String>, Said)>,
    /// Markdown.
    pub summary: Option<String>,
    pub sections: Vec<Section>,
}

pub(super) struct Section {
    pub title: String,
    pub items: Vec<Item>,
}

/// An entry, or an employer's heading above several.
#[derive(Default)]
pub(super) struct Item {
    /// Whether it stands under the employer before it.
    pub is_role: bool,
    pub title: Option<Said>,
    /// Shown behind the title: the level of a skill.
    pub level: Option<String>,
    pub org: Vec<Said>,
    pub dates: Option<String>,
    /// Markdown, paragraphs each.
    pub texts: Vec<String>,
    /// Markdown, a line each.
    pub highlights: Vec<String>,
    pub keywords: Vec<String>,
}

impl Outline {
    pub fn of(cv: &Cv) -> Outline {
        let labels = Labels::of(cv.lang.as_deref().unwrap_or("en"));
        let name = display_name(cv, labels).to_string();
        let label = cv.basics.label.clone().filter(|_| cv.basics.name.is_some());
        let section = |id: SectionId| {
            let items = items(cv, id, cv.section_lang(id).map_or(labels, Labels::of));
            (!items.is_empty()).then(|| Section { title: heading(cv, id, labels).to_string(), items })
        };
        Outline {
            name,
            label,
            contacts: contacts(cv, labels),
            summary: cv.basics.summary.clone(),
            sections: cv.section_order().into_iter().filter_map(section).collect(),
        }
    }
}

fn contacts(cv: &Cv, labels: &Labels) -> Vec<(Option<String>, Said)> {
    let basics = &cv.basics;
    let mut res = Vec::new();
    res.extend(place(cv).map(|place| (None, Said::plain(place))));
    let born = basics.birth_date.as_ref().map(|date| Said::plain(when(date, labels)));
    res.extend(born.map(|date| (Some(labels.born.to_string()), date)));
    let email = basics.email.as_ref();
    res.extend(email.map(|email| (None, Said { text: email.clone(), url: Some(format!("mailto:{email}")) })));
    res.extend(basics.phone.as_ref().map(|phone| (None, Said::plain(phone))));
    res.extend(basics.url.as_ref().map(|url| (None, Said::linked(url.spoken(), Some(url)))));
    res.extend(basics.profiles.iter().map(|Entry { item, .. }| {
        let said = item.username.as_deref().or(item.url.as_ref().map(Link::spoken));
        match (&item.network, said) {
            (Some(network), Some(said)) => (Some(network.clone()), Said::linked(said, item.url.as_ref())),
            (Some(network), None) => (None, Said::plain(network)),
            (None, said) => (None, Said::linked(said.unwrap_or_default(), item.url.as_ref())),
        }
    }));
    res
}

/// Returns where the person lives, as it is written on one line.
pub(super) fn place(cv: &Cv) -> Option<String> {
    let location = &cv.basics.location;
    let lang = cv.lang.as_deref().unwrap_or("en");
    let country = location.country_code.as_deref().map(|code| countries::name(code, lang));
    let city = match (&location.postal_code, &location.city) {
        (Some(code), Some(city)) => Some(format!("{code} {city}")),
        (code, city) => code.clone().or_else(|| city.clone()),
    };
    let parts = [location.address.as_deref(), city.as_deref(), location.region.as_deref(), country];
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn when(value: &When, labels: &Labels) -> String {
    match value {
        When::Date(date) => labels.date(*date),
        When::Words(words) => words.clone(),
    }
}

fn dates(period: &Period, open: OpenEnd, labels: &Labels) -> Option<String> {
    let month = |value: &When| when(&value.to_month(), labels);
    match Stretch::of(period, open) {
        Stretch::Unknown => None,
        Stretch::Until(end) => Some(format!("{} {}", labels.until, month(end))),
        Stretch::At(start) => Some(month(start)),
        Stretch::Between(start, end) => Some(format!("{} – {}", month(start), month(end))),
        Stretch::Since(start) => Some(format!("{} – {}", month(start), labels.present)),
    }
}

fn items(cv: &Cv, id: SectionId, labels: &Labels) -> Vec<Item> {
    match id {
        SectionId::Work => work(&cv.work, labels),
        SectionId::Projects => each(&cv.projects, |item| project(item, labels)),
        SectionId::Volunteer => each(&cv.volunteer, |item| Item {
            dates: dates(&item.period, OpenEnd::GoesOn, labels),
            texts: item.summary.iter().cloned().collect(),
            highlights: item.highlights.clone(),
            ..held(item.position.as_ref(), item.organization.as_ref(), item.url.as_ref())
        }),
        SectionId::Education => each(&cv.education, |item| education(item, labels)),
        SectionId::Skills => each(&cv.skills, |item| Item {
            level: item.level.clone(),
            keywords: item.keywords.clone(),
            ..titled(item.name.as_ref(), None)
        }),
        SectionId::Certificates => each(&cv.certificates, |item| Item {
            dates: item.date.as_ref().map(|date| when(date, labels)),
            ..made(item.name.as_ref(), item.issuer.as_ref(), item.url.as_ref())
        }),
        SectionId::Awards => each(&cv.awards, |item| Item {
            dates: item.date.as_ref().map(|date| when(date, labels)),
            texts: item.summary.iter().cloned().collect(),
            ..made(item.title.as_ref(), item.awarder.as_ref(), None)
        }),
        SectionId::Publications => each(&cv.publications, |item| Item {
            dates: item.release_date.as_ref().map(|date| when(date, labels)),
            texts: item.summary.iter().cloned().collect(),
            ..made(item.name.as_ref(), item.publisher.as_ref(), item.url.as_ref())
        }),
        SectionId::Languages => each(&cv.languages, |item| Item {
            level: item.fluency.clone(),
            ..titled(item.language.as_ref(), None)
        }),
        SectionId::Interests => each(&cv.interests, |item| Item {
            keywords: item.keywords.clone(),
            ..titled(item.name.as_ref(), None)
        }),
        SectionId::References => each(&cv.references, |item| Item {
            texts: item.reference.iter().cloned().collect(),
            ..titled(item.name.as_ref(), None)
        }),
        SectionId::Custom(idx) => cv.custom.get(idx).map_or_else(Vec::new, |custom| {
            each(&custom.items, |item| Item {
                dates: match &item.date {
                    Some(date) => Some(when(date, labels)),
                    None => dates(&item.period, OpenEnd::IsAPoint, labels),
                },
                texts: item.summary.iter().cloned().collect(),
                highlights: item.highlights.clone(),
                keywords: item.keywords.clone(),
                ..made(item.title.as_ref(), item.subtitle.as_ref(), item.url.as_ref())
            })
        }),
    }
}

fn each<T>(entries: &[Entry<T>], item: impl Fn(&T) -> Item) -> Vec<Item> {
    entries.iter().map(|entry| item(&entry.item)).collect()
}

fn titled(title: Option<&String>, url: Option<&Link>) -> Item {
    let title = title.map(String::as_str).or(url.map(Link::spoken));
    Item { title: title.map(|title| Said::linked(title, url)), ..Item::default() }
}

/// A thing with a maker: the thing is linked, or the maker stands for it.
fn made(thing: Option<&String>, maker: Option<&String>, url: Option<&Link>) -> Item {
    match (thing, maker) {
        (Some(thing), Some(maker)) => Item { org: vec![Said::plain(maker)], ..titled(Some(thing), url) },
        (thing, maker) => titled(thing.or(maker), url),
    }
}

/// A position somewhere: the place is linked, or stands for it.
fn held(position: Option<&String>, place: Option<&String>, url: Option<&Link>) -> Item {
    let place = place.map(String::as_str).or(url.map(Link::spoken));
    match position {
        Some(position) => {
            let org = place.map(|place| Said::linked(place, url)).into_iter().collect();
            Item { org, ..titled(Some(position), None) }
        }
        None => Item { title: place.map(|place| Said::linked(place, url)), ..Item::default() },
    }
}

fn work(entries: &[Entry<Work>], labels: &Labels) -> Vec<Item> {
    let mut res = Vec::new();
    for group in entries.chunk_by(|before, after| is_one_employer(&before.item, &after.item)) {
        let several = group.len() > 1;
        if several {
            let first = &group[0].item;
            let url = group.iter().find_map(|entry| entry.item.url.as_ref());
            res.push(titled(first.name.as_ref(), url));
        }
        for work in group.iter().map(|entry| &entry.item) {
            let place = if several { None } else { work.name.as_ref() };
            let url = work.url.as_ref().filter(|_| !several);
            let mut item =
                held(work.position.as_ref().or(work.name.as_ref().filter(|_| several)), place, url);
            item.is_role = several;
            item.org.extend(work.location.as_ref().map(Said::plain));
            item.dates = dates(&work.period, OpenEnd::GoesOn, labels);
            item.texts = [&work.description, &work.summary].into_iter().flatten().cloned().collect();
            item.highlights = work.highlights.clone();
            res.push(item);
        }
    }
    res
}

fn education(item: &Education, labels: &Labels) -> Item {
    let degree: Vec<&str> =
        [&item.study_type, &item.area].into_iter().flatten().map(String::as_str).collect();
    let degree = (!degree.is_empty()).then(|| degree.join(", "));
    Item {
        dates: dates(&item.period, OpenEnd::GoesOn, labels),
        texts: item.score.iter().map(|score| format!("{} {score}", labels.grade)).collect(),
        keywords: item.courses.clone(),
        ..held(degree.as_ref(), item.institution.as_ref(), item.url.as_ref())
    }
}

fn project(item: &Project, labels: &Labels) -> Item {
    let roles = (!item.roles.is_empty()).then(|| item.roles.join(", "));
    let org = [roles.as_ref(), item.entity.as_ref(), item.kind.as_ref()];
    Item {
        org: org.into_iter().flatten().map(Said::plain).collect(),
        dates: dates(&item.period, OpenEnd::IsAPoint, labels),
        texts: item.description.iter().cloned().collect(),
        highlights: item.highlights.clone(),
        keywords: item.keywords.clone(),
        ..titled(item.name.as_ref(), item.url.as_ref())
    }
}
