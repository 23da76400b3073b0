//! The CV as its fields mean it: every section and field of JSON Resume 1.x, and our `x-` keys.
//!
//! Text fields are as written, without HTML; `summary`, `highlights`, `description` and
//! `reference` may hold Markdown. Lists keep the order of the file.

use super::color::Chosen;
use super::date::{PartialDate, Period, When};
use super::link::Link;
use super::node::{Key, Node};
use super::translate::Borrowed;

/// A CV, with everything that its file says, private and hidden things included.
///
/// What may be shown comes from [`Cv::disclose`](super::Cv::disclose).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cv {
    /// Language of the text as a BCP 47 tag (`x-lang`), when the file names it.
    pub lang: Option<String>,
    /// Who it is about.
    pub basics: Basics,
    /// Jobs, latest first by custom; one entry per position.
    pub work: Vec<Entry<Work>>,
    /// Unpaid work.
    pub volunteer: Vec<Entry<Volunteer>>,
    /// Schools.
    pub education: Vec<Entry<Education>>,
    /// Prizes.
    pub awards: Vec<Entry<Award>>,
    /// Certificates.
    pub certificates: Vec<Entry<Certificate>>,
    /// Books, papers, articles.
    pub publications: Vec<Entry<Publication>>,
    /// What the person can do.
    pub skills: Vec<Entry<Skill>>,
    /// What the person speaks.
    pub languages: Vec<Entry<Language>>,
    /// What the person likes.
    pub interests: Vec<Entry<Interest>>,
    /// What others say.
    pub references: Vec<Entry<Reference>>,
    /// Things made.
    pub projects: Vec<Entry<Project>>,
    /// Sections of the author's own (`x-sections`).
    pub custom: Vec<CustomSection>,
    /// About the file.
    pub meta: Meta,
    /// Paths that the author keeps private (`x-private`), as `phone` or `location.city`.
    pub private: Vec<String>,
    /// What a translation has from the original; none in an original.
    pub borrowed: Option<Borrowed>,
    /// Keys that we do not know, as they stand in the file.
    pub extra: Vec<(Key, Node)>,
}

/// An entry of a section with what may be said about any entry.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry<T> {
    /// The entry.
    pub item: T,
    /// Left out of everything that is shown (`x-hidden: true`).
    pub hidden: bool,
    /// The author's marks (`x-tags`), for choosing entries for an audience.
    pub tags: Vec<String>,
    /// Keys that we do not know, as they stand in the file.
    pub extra: Vec<(Key, Node)>,
}

/// Name, contacts, summary.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the fields are those of JSON Resume and their names say it")]
pub struct Basics {
    pub name: Option<String>,
    pub label: Option<String>,
    pub image: Option<Image>,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub url: Option<Link>,
    pub summary: Option<String>,
    pub location: Location,
    pub profiles: Vec<Entry<Profile>>,
    /// Not of JSON Resume, but common; never shown unless allowed.
    pub birth_date: Option<When>,
    /// Keys that we do not know, as they stand in the file.
    pub extra: Vec<(Key, Node)>,
}

/// Where the photo is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Image {
    /// A file in the site's directory, by its relative path.
    File(String),
    /// An address on another host; never loaded, so that a visit stays between two parties.
    Remote(Link),
}

/// Where the person lives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of JSON Resume and their names say it")]
pub struct Location {
    pub address: Option<String>,
    pub postal_code: Option<String>,
    pub city: Option<String>,
    pub country_code: Option<String>,
    pub region: Option<String>,
}

macro_rules! sections {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $kind:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        #[allow(missing_docs, reason = "the fields are those of JSON Resume and their names say it")]
        pub struct $name { $(pub $field: $kind,)* }
    )*};
}

sections! {
    /// An account somewhere.
    Profile { network: Option<String>, username: Option<String>, url: Option<Link>, }
    /// One position at one employer.
    Work {
        name: Option<String>, location: Option<String>, description: Option<String>,
        position: Option<String>, url: Option<Link>, period: Period,
        summary: Option<String>, highlights: Vec<String>,
    }
    /// One unpaid position.
    Volunteer {
        organization: Option<String>, position: Option<String>, url: Option<Link>,
        period: Period, summary: Option<String>, highlights: Vec<String>,
    }
    /// One course of study.
    Education {
        institution: Option<String>, url: Option<Link>, area: Option<String>,
        study_type: Option<String>, period: Period, score: Option<String>, courses: Vec<String>,
    }
    /// One prize.
    Award {
        title: Option<String>, date: Option<When>, awarder: Option<String>, summary: Option<String>,
    }
    /// One certificate.
    Certificate {
        name: Option<String>, date: Option<When>, url: Option<Link>, issuer: Option<String>,
    }
    /// One publication.
    Publication {
        name: Option<String>, publisher: Option<String>, release_date: Option<When>,
        url: Option<Link>, summary: Option<String>,
    }
    /// One field of skill.
    Skill { name: Option<String>, level: Option<String>, keywords: Vec<String>, }
    /// One language spoken.
    Language { language: Option<String>, fluency: Option<String>, }
    /// One interest.
    Interest { name: Option<String>, keywords: Vec<String>, }
    /// One voice.
    Reference { name: Option<String>, reference: Option<String>, }
    /// One project.
    Project {
        name: Option<String>, description: Option<String>, highlights: Vec<String>,
        keywords: Vec<String>, period: Period, url: Option<Link>, roles: Vec<String>,
        entity: Option<String>, kind: Option<String>,
    }
    /// One entry of a section of the author's own; a bare text is its `summary`.
    CustomItem {
        title: Option<String>, subtitle: Option<String>, url: Option<Link>, date: Option<When>,
        period: Period, summary: Option<String>, highlights: Vec<String>, keywords: Vec<String>,
    }
    /// About the file.
    Meta {
        canonical: Option<Link>, version: Option<String>, last_modified: Option<String>,
        sections: Option<Vec<String>>, section_labels: Vec<(String, String)>,
        theme: Option<String>, colors: Vec<Chosen>, print_qr: bool, extra: Vec<(Key, Node)>,
    }
}

/// A built-in look of the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// Quiet: a serif, dates in the margin.
    #[default]
    Classic,
    /// A sans, who it is at the side, chips.
    Modern,
}

impl Theme {
    /// The words for them in `meta.theme`.
    pub(super) const NAMES: [(&str, Theme); 2] = [("classic", Theme::Classic), ("modern", Theme::Modern)];
}

/// A section of the author's own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CustomSection {
    /// Its id in `meta.sections` and on the page: the title in lower case with hyphens.
    pub id: String,
    /// Its heading.
    pub title: String,
    /// Its entries.
    pub items: Vec<Entry<CustomItem>>,
}

/// A section, by which order and visibility are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are those of JSON Resume")]
pub enum SectionId {
    Work,
    Projects,
    Volunteer,
    Education,
    Skills,
    Certificates,
    Awards,
    Publications,
    Languages,
    Interests,
    References,
    /// The nth of [`Cv::custom`].
    Custom(usize),
}

impl SectionId {
    /// Every section of JSON Resume, in the order in which the page shows them by default.
    pub const DEFAULT_ORDER: [SectionId; 11] = [
        SectionId::Work,
        SectionId::Projects,
        SectionId::Volunteer,
        SectionId::Education,
        SectionId::Skills,
        SectionId::Certificates,
        SectionId::Awards,
        SectionId::Publications,
        SectionId::Languages,
        SectionId::Interests,
        SectionId::References,
    ];

    /// Returns the key of the section in the file, `None` for one of the author's own.
    pub fn key(self) -> Option<&'static str> {
        match self {
            SectionId::Work => Some("work"),
            SectionId::Projects => Some("projects"),
            SectionId::Volunteer => Some("volunteer"),
            SectionId::Education => Some("education"),
            SectionId::Skills => Some("skills"),
            SectionId::Certificates => Some("certificates"),
            SectionId::Awards => Some("awards"),
            SectionId::Publications => Some("publications"),
            SectionId::Languages => Some("languages"),
            SectionId::Interests => Some("interests"),
            SectionId::References => Some("references"),
            SectionId::Custom(_) => None,
        }
    }
}

impl Cv {
    /// Returns the key by which the file and the page know a section.
    pub fn section_key(&self, section: SectionId) -> &str {
        match section {
            SectionId::Custom(idx) => self.custom.get(idx).map_or("", |custom| &custom.id),
            known => known.key().unwrap_or(""),
        }
    }

    /// Returns the heading that the author gave a section (`meta.sectionLabels`), if any.
    pub fn section_label(&self, section: SectionId) -> Option<&str> {
        let key = self.section_key(section);
        self.meta.section_labels.iter().find(|(name, _)| name == key).map(|(_, label)| label.as_str())
    }

    /// Returns the sections to show, in order: those of `meta.sections`, or all.
    ///
    /// A section that is not named in `meta.sections` is not shown, as in the themes that know this key.
    pub fn section_order(&self) -> Vec<SectionId> {
        let all = SectionId::DEFAULT_ORDER.into_iter().chain((0..self.custom.len()).map(SectionId::Custom));
        let Some(wanted) = &self.meta.sections else { return all.collect() };
        let all: Vec<SectionId> = all.collect();
        let mut res = Vec::new();
        for key in wanted {
            let found = all.iter().copied().find(|section| self.section_key(*section) == key);
            res.extend(found.filter(|section| !res.contains(section)));
        }
        res
    }

    /// Returns the day of `meta.lastModified`, when there is one in it.
    pub fn modified(&self) -> Option<PartialDate> {
        let text = self.meta.last_modified.as_deref()?;
        PartialDate::parse(text.get(..10).unwrap_or(text))
    }

    /// Returns the built-in theme to show it in (`meta.theme`); a file that was made for another
    /// program may name one that is not ours.
    pub fn theme(&self) -> Theme {
        let wanted = self.meta.theme.as_deref().unwrap_or_default();
        Theme::NAMES.iter().find(|(name, _)| *name == wanted).map(|(_, theme)| *theme).unwrap_or_default()
    }

    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        *self == Cv { extra: self.extra.clone(), meta: self.meta.clone(), ..Cv::default() }
    }
}
