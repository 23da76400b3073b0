//! What a translation shows that it has not of its own.
//!
//! A translation need say only what differs. Contacts and the photo are the same in every
//! language and are taken silently; label, summary and whole sections are taken as they are
//! and noted, so that a page can say that they are in another language. Sections are never
//! merged entry by entry: the order may differ, and half a job in each language helps nobody.

use super::model::{Cv, SectionId};

/// What was taken from the original, and in which language it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Borrowed {
    /// The language of the original.
    pub lang: String,
    /// The line under the name.
    pub label: bool,
    /// The summary.
    pub summary: bool,
    /// Whole sections.
    pub sections: Vec<SectionId>,
}

impl Cv {
    /// Takes what this translation lacks from the original.
    pub fn complete_from(&mut self, original: &Cv) {
        fn fill<T: Clone>(own: &mut Option<T>, other: &Option<T>) -> bool {
            let is_missing = own.is_none() && other.is_some();
            if is_missing {
                own.clone_from(other);
            }
            is_missing
        }
        fn fill_all<T: Clone>(own: &mut Vec<T>, other: &[T]) -> bool {
            let is_missing = own.is_empty() && !other.is_empty();
            if is_missing {
                own.extend_from_slice(other);
            }
            is_missing
        }
        let (own, other) = (&mut self.basics, &original.basics);
        fill(&mut own.name, &other.name);
        fill(&mut own.image, &other.image);
        fill(&mut own.email, &other.email);
        fill(&mut own.phone, &other.phone);
        fill(&mut own.url, &other.url);
        fill(&mut own.birth_date, &other.birth_date);
        fill_all(&mut own.profiles, &other.profiles);
        let (place, other_place) = (&mut own.location, &other.location);
        fill(&mut place.address, &other_place.address);
        fill(&mut place.postal_code, &other_place.postal_code);
        fill(&mut place.city, &other_place.city);
        fill(&mut place.country_code, &other_place.country_code);
        fill(&mut place.region, &other_place.region);
        let mut borrowed = Borrowed {
            lang: original.lang.clone().unwrap_or_default(),
            label: fill(&mut own.label, &other.label),
            summary: fill(&mut own.summary, &other.summary),
            sections: Vec::new(),
        };
        let mut note = |section: SectionId, is_borrowed: bool| {
            borrowed.sections.extend(is_borrowed.then_some(section));
        };
        note(SectionId::Work, fill_all(&mut self.work, &original.work));
        note(SectionId::Projects, fill_all(&mut self.projects, &original.projects));
        note(SectionId::Volunteer, fill_all(&mut self.volunteer, &original.volunteer));
        note(SectionId::Education, fill_all(&mut self.education, &original.education));
        note(SectionId::Skills, fill_all(&mut self.skills, &original.skills));
        note(SectionId::Certificates, fill_all(&mut self.certificates, &original.certificates));
        note(SectionId::Awards, fill_all(&mut self.awards, &original.awards));
        note(SectionId::Publications, fill_all(&mut self.publications, &original.publications));
        note(SectionId::Languages, fill_all(&mut self.languages, &original.languages));
        note(SectionId::Interests, fill_all(&mut self.interests, &original.interests));
        note(SectionId::References, fill_all(&mut self.references, &original.references));
        if fill_all(&mut self.custom, &original.custom) {
            (0..self.custom.len()).for_each(|idx| note(SectionId::Custom(idx), true));
        }
        fill(&mut self.meta.sections, &original.meta.sections);
        fill(&mut self.meta.theme, &original.meta.theme);
        self.meta.print_qr |= original.meta.print_qr;
        fill_all(&mut self.meta.colors, &original.meta.colors);
        fill(&mut self.meta.last_modified, &original.meta.last_modified);
        // What the original keeps private stays so in every language.
        self.private.extend(original.private.iter().cloned());
        self.borrowed = Some(borrowed);
    }

    /// Returns the language of a section when it is not that of the CV.
    pub fn section_lang(&self, section: SectionId) -> Option<&str> {
        let borrowed = self.borrowed.as_ref().filter(|borrowed| borrowed.sections.contains(&section));
        borrowed.map(|borrowed| borrowed.lang.as_str())
    }

    /// Returns the language of the label when it is not that of the CV.
    pub fn label_lang(&self) -> Option<&str> {
        self.borrowed.as_ref().filter(|borrowed| borrowed.label).map(|borrowed| borrowed.lang.as_str())
    }

    /// Returns the language of the summary when it is not that of the CV.
    pub fn summary_lang(&self) -> Option<&str> {
        self.borrowed.as_ref().filter(|borrowed| borrowed.summary).map(|borrowed| borrowed.lang.as_str())
    }
}
