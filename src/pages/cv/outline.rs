//! The CV as it is read: headings, lines and texts in the order of the page, before any markup.
//!
//! What an entry is called, which line stands under its name, how its dates are said and what
//! follows them is decided here, once. The page, the plain text and the Markdown write it
//! down, each in its own way.

use std::borrow::Cow;

use super::labels::Labels;
use crate::cv::{
    Award, Certificate, CustomItem, Cv, Education, End, Interest, Language, Link, Period, Project,
    Publication, Reference, SectionId, Skill, Volunteer, When, Work,
};

/// A section with its heading; one without entries is not shown.
pub(super) struct Section<'a> {
    /// Its language, when it is not that of the CV.
    pub lang: Option<&'a str>,
    /// The words of the language that it is in.
    pub labels: &'static Labels,
    /// Key in the file, and id on the page.
    pub key: &'a str,
    pub title: &'a str,
    pub entries: Vec<Entry<'a>>,
}

/// One entry, in the order in which its parts are read.
#[derive(Default)]
pub(super) struct Entry<'a> {
    pub form: Form,
    pub title: Option<Phrase<'a>>,
    /// Says where: employer, place, publisher.
    pub org: Vec<Phrase<'a>>,
    pub times: Vec<Time<'a>>,
    pub body: Vec<Part<'a>>,
    /// Positions at this employer; then the entry itself has no dates.
    pub roles: Vec<Entry<'a>>,
}

/// How much an entry says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// Lines and texts under a heading.
    #[default]
    Full,
    /// A name and some words: a skill, a language, an interest.
    Compact,
    /// What somebody said.
    Voice,
}

/// A text as written, not Markdown; a link where there is one.
pub(super) struct Phrase<'a> {
    pub text: Cow<'a, str>,
    pub url: Option<&'a Link>,
}

impl<'a> Phrase<'a> {
    pub fn new(text: impl Into<Cow<'a, str>>) -> Self {
        Phrase { text: text.into(), url: None }
    }

    pub fn linked(text: impl Into<Cow<'a, str>>, url: Option<&'a Link>) -> Self {
        Phrase { text: text.into(), url }
    }
}

/// What an entry says below its heading.
pub(super) enum Part<'a> {
    /// What the employer does, as Markdown.
    Description(&'a str),
    /// Running text, as Markdown.
    Summary(&'a str),
    /// A list of what was achieved, each as Markdown.
    Highlights(&'a [String]),
    /// Words in a row, as written.
    Keywords(&'a [String]),
    /// How well a course was passed, as written.
    Score(&'a str),
    /// How well something is known, as written.
    Level(&'a str),
    /// What was said, as Markdown.
    Quote(&'a str),
    /// Who said it, as written.
    Speaker(&'a str),
}

/// When something was. Only a point in time has its day: nobody asks on which day a job
/// began, and most files have the first of the month there.
#[derive(Clone, Copy)]
pub(super) enum Time<'a> {
    /// It happened once.
    Point(&'a When),
    /// It took no longer than a month, or only its start is known.
    Month(&'a When),
    /// Only its end is known.
    Until(&'a When),
    Between(&'a When, &'a When),
    /// It goes on.
    Since(&'a When),
}

/// What a start without an end means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OpenEnd {
    /// A job: it goes on.
    GoesOn,
    /// A project: the start is its date.
    IsAPoint,
}

impl<'a> Time<'a> {
    /// Returns it in the words of a language.
    pub fn said(self, labels: &Labels) -> String {
        let when = |value: &When| match value {
            When::Date(date) => labels.date(*date),
            When::Words(words) => words.clone(),
        };
        let month = |value: &When| when(&value.to_month());
        match self {
            Time::Point(point) => when(point),
            Time::Month(start) => month(start),
            Time::Until(end) => format!("{} {}", labels.until, month(end)),
            Time::Between(start, end) => format!("{} – {}", month(start), month(end)),
            Time::Since(start) => format!("{} – {}", month(start), labels.present),
        }
    }

    /// Returns how a stretch of time is said; `None` when the file says nothing about it.
    fn of(period: &'a Period, open: OpenEnd) -> Option<Self> {
        let goes_on = period.end == End::Ongoing || open == OpenEnd::GoesOn;
        match (&period.start, &period.end) {
            (None, End::At(end)) => Some(Time::Until(end)),
            (None, End::Ongoing | End::Unwritten) => None,
            (Some(start), End::At(end)) if is_same_month(start, end) => Some(Time::Month(start)),
            (Some(start), End::At(end)) => Some(Time::Between(start, end)),
            (Some(start), End::Ongoing | End::Unwritten) if goes_on => Some(Time::Since(start)),
            (Some(start), End::Ongoing | End::Unwritten) => Some(Time::Month(start)),
        }
    }
}

fn is_same_month(start: &When, end: &When) -> bool {
    match (start, end) {
        (When::Date(start), When::Date(end)) => (start.year, start.month) == (end.year, end.month),
        (start, end) => start == end,
    }
}

/// Returns the sections that are shown, in their order.
pub(super) fn sections<'a>(cv: &'a Cv, labels: &'static Labels) -> impl Iterator<Item = Section<'a>> {
    let sections = cv.section_order().into_iter().map(move |id| section(cv, id, labels));
    sections.filter(|section| !section.entries.is_empty())
}

fn section<'a>(cv: &'a Cv, section: SectionId, labels: &'static Labels) -> Section<'a> {
    // What is in another language has its words and dates in it too.
    let lang = cv.section_lang(section);
    let labels = lang.map_or(labels, Labels::of);
    let entries = match section {
        SectionId::Work => work(&cv.work),
        SectionId::Projects => each(&cv.projects, project),
        SectionId::Volunteer => each(&cv.volunteer, volunteer),
        SectionId::Education => each(&cv.education, education),
        SectionId::Skills => each(&cv.skills, skill),
        SectionId::Certificates => each(&cv.certificates, certificate),
        SectionId::Awards => each(&cv.awards, award),
        SectionId::Publications => each(&cv.publications, publication),
        SectionId::Languages => each(&cv.languages, language),
        SectionId::Interests => each(&cv.interests, interest),
        SectionId::References => each(&cv.references, reference),
        SectionId::Custom(idx) => cv.custom.get(idx).map_or_else(Vec::new, |custom| each(&custom.items, own)),
    };
    let title = cv.section_label(section).or_else(|| labels.section(section));
    let title = title.unwrap_or_else(|| own_title(cv, section));
    Section { lang, labels, key: cv.section_key(section), title, entries }
}

fn own_title(cv: &Cv, section: SectionId) -> &str {
    match section {
        SectionId::Custom(idx) => cv.custom.get(idx).map_or("", |custom| &custom.title),
        known => known.key().unwrap_or(""),
    }
}

fn each<'a, T>(entries: &'a [crate::cv::Entry<T>], read: impl Fn(&'a T) -> Entry<'a>) -> Vec<Entry<'a>> {
    entries.iter().map(|entry| read(&entry.item)).collect()
}

/// Says jobs; consecutive ones at one employer stand under its name.
fn work(entries: &[crate::cv::Entry<Work>]) -> Vec<Entry<'_>> {
    let groups = entries.chunk_by(|before, after| is_one_employer(&before.item, &after.item));
    groups
        .map(|group| match group {
            [single] => job(&single.item),
            several => employer(several),
        })
        .collect()
}

fn is_one_employer(before: &Work, after: &Work) -> bool {
    let same_url = before.url.is_none() || after.url.is_none() || before.url == after.url;
    before.name.is_some() && before.name == after.name && same_url
}

fn job(work: &Work) -> Entry<'_> {
    let name = name_or_url(work.name.as_ref(), work.url.as_ref());
    let (title, org) = occupation(work.position.as_ref(), name, work.url.as_ref());
    let location = work.location.as_deref().map(Phrase::new);
    Entry {
        title: Some(title),
        org: org.into_iter().chain(location).collect(),
        times: Time::of(&work.period, OpenEnd::GoesOn).into_iter().collect(),
        body: texts(work.description.as_ref(), work.summary.as_ref(), &work.highlights),
        ..Entry::default()
    }
}

/// Returns heading and organization of something that people hold a position in.
fn occupation<'a>(
    position: Option<&'a String>,
    name: Option<&'a str>,
    url: Option<&'a Link>,
) -> (Phrase<'a>, Option<Phrase<'a>>) {
    match position {
        Some(position) => (Phrase::new(position), name.map(|name| Phrase::linked(name, url))),
        None => (Phrase::linked(name.unwrap_or("–"), url), None),
    }
}

fn name_or_url<'a>(name: Option<&'a String>, url: Option<&'a Link>) -> Option<&'a str> {
    name.map(String::as_str).or(url.map(Link::spoken))
}

fn texts<'a>(
    description: Option<&'a String>,
    summary: Option<&'a String>,
    highlights: &'a [String],
) -> Vec<Part<'a>> {
    let running = [description.map(|text| Part::Description(text)), summary.map(|text| Part::Summary(text))];
    running.into_iter().flatten().chain(list(highlights, Part::Highlights)).collect()
}

fn list<'a>(words: &'a [String], part: fn(&'a [String]) -> Part<'a>) -> Option<Part<'a>> {
    (!words.is_empty()).then(|| part(words))
}

fn employer(entries: &[crate::cv::Entry<Work>]) -> Entry<'_> {
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
    let roles = entries.iter().map(|entry| &entry.item).map(|work| Entry {
        title: Some(Phrase::new(work.position.as_deref().unwrap_or(name))),
        org: work.location.iter().filter(|_| location.is_none()).map(Phrase::new).collect(),
        times: Time::of(&work.period, OpenEnd::GoesOn).into_iter().collect(),
        body: texts(
            work.description.as_ref().filter(|_| about.is_none()),
            work.summary.as_ref(),
            &work.highlights,
        ),
        ..Entry::default()
    });
    Entry {
        title: Some(Phrase::linked(name, url)),
        org: location.map(Phrase::new).into_iter().collect(),
        body: texts(about, None, &[]),
        roles: roles.collect(),
        ..Entry::default()
    }
}

fn volunteer(item: &Volunteer) -> Entry<'_> {
    let organization = name_or_url(item.organization.as_ref(), item.url.as_ref());
    let (title, org) = occupation(item.position.as_ref(), organization, item.url.as_ref());
    Entry {
        title: Some(title),
        org: org.into_iter().collect(),
        times: Time::of(&item.period, OpenEnd::GoesOn).into_iter().collect(),
        body: texts(None, item.summary.as_ref(), &item.highlights),
        ..Entry::default()
    }
}

fn education(item: &Education) -> Entry<'_> {
    let institution = name_or_url(item.institution.as_ref(), item.url.as_ref());
    let degree: Vec<&str> =
        [item.study_type.as_deref(), item.area.as_deref()].into_iter().flatten().collect();
    let (title, org) = if degree.is_empty() {
        (Phrase::linked(institution.unwrap_or("–"), item.url.as_ref()), None)
    } else {
        let org = institution.map(|name| Phrase::linked(name, item.url.as_ref()));
        (Phrase::new(degree.join(", ")), org)
    };
    let score = item.score.as_deref().map(Part::Score);
    Entry {
        title: Some(title),
        org: org.into_iter().collect(),
        times: Time::of(&item.period, OpenEnd::GoesOn).into_iter().collect(),
        body: score.into_iter().chain(list(&item.courses, Part::Keywords)).collect(),
        ..Entry::default()
    }
}

fn project(item: &Project) -> Entry<'_> {
    let name = name_or_url(item.name.as_ref(), item.url.as_ref()).unwrap_or("–");
    let roles = (!item.roles.is_empty()).then(|| Phrase::new(item.roles.join(", ")));
    let mut body = texts(None, item.description.as_ref(), &item.highlights);
    body.extend(list(&item.keywords, Part::Keywords));
    Entry {
        title: Some(Phrase::linked(name, item.url.as_ref())),
        org: roles
            .into_iter()
            .chain([&item.entity, &item.kind].into_iter().flatten().map(Phrase::new))
            .collect(),
        times: Time::of(&item.period, OpenEnd::IsAPoint).into_iter().collect(),
        body,
        ..Entry::default()
    }
}

/// Says something that happened once: the one who gave it stands in for a name that is missing.
fn event<'a>(
    name: Option<&'a String>,
    giver: Option<&'a String>,
    url: Option<&'a Link>,
    date: Option<&'a When>,
    summary: Option<&'a String>,
) -> Entry<'a> {
    let title = name_or_url(name.or(giver), url).unwrap_or("–");
    Entry {
        title: Some(Phrase::linked(title, url)),
        org: giver.filter(|_| name.is_some()).map(Phrase::new).into_iter().collect(),
        times: date.map(Time::Point).into_iter().collect(),
        body: texts(None, summary, &[]),
        ..Entry::default()
    }
}

fn award(item: &Award) -> Entry<'_> {
    event(item.title.as_ref(), item.awarder.as_ref(), None, item.date.as_ref(), item.summary.as_ref())
}

fn certificate(item: &Certificate) -> Entry<'_> {
    event(item.name.as_ref(), item.issuer.as_ref(), item.url.as_ref(), item.date.as_ref(), None)
}

fn publication(item: &Publication) -> Entry<'_> {
    let (name, publisher) = (item.name.as_ref(), item.publisher.as_ref());
    event(name, publisher, item.url.as_ref(), item.release_date.as_ref(), item.summary.as_ref())
}

fn compact<'a>(name: Option<&'a String>, level: Option<&'a String>, words: &'a [String]) -> Entry<'a> {
    let beside = level.filter(|_| name.is_some()).map(|level| Part::Level(level));
    Entry {
        form: Form::Compact,
        title: name.or(level).map(Phrase::new),
        body: beside.into_iter().chain(list(words, Part::Keywords)).collect(),
        ..Entry::default()
    }
}

fn skill(item: &Skill) -> Entry<'_> {
    compact(item.name.as_ref(), item.level.as_ref(), &item.keywords)
}

fn language(item: &Language) -> Entry<'_> {
    compact(item.language.as_ref(), item.fluency.as_ref(), &[])
}

fn interest(item: &Interest) -> Entry<'_> {
    compact(item.name.as_ref(), None, &item.keywords)
}

fn reference(item: &Reference) -> Entry<'_> {
    let quote = item.reference.as_deref().map(Part::Quote);
    let speaker = item.name.as_deref().map(Part::Speaker);
    Entry { form: Form::Voice, body: quote.into_iter().chain(speaker).collect(), ..Entry::default() }
}

fn own(item: &CustomItem) -> Entry<'_> {
    let name = name_or_url(item.title.as_ref().or(item.subtitle.as_ref()), item.url.as_ref());
    let mut body = texts(None, item.summary.as_ref(), &item.highlights);
    body.extend(list(&item.keywords, Part::Keywords));
    Entry {
        title: name.map(|name| Phrase::linked(name, item.url.as_ref())),
        org: item.subtitle.iter().filter(|_| item.title.is_some()).map(Phrase::new).collect(),
        times: item
            .date
            .as_ref()
            .map(Time::Point)
            .into_iter()
            .chain(Time::of(&item.period, OpenEnd::IsAPoint))
            .collect(),
        body,
        ..Entry::default()
    }
}
