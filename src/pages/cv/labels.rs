//! The words of the page itself, one table per language.
//!
//! A new language is one more [`Labels`] in [`ALL`].

use crate::cv::{PartialDate, SectionId};

/// Everything that the page says of its own accord.
#[derive(Debug)]
pub(super) struct Labels {
    /// Primary tag of the language.
    pub lang: &'static str,
    pub skip: &'static str,
    pub profile: &'static str,
    pub contact: &'static str,
    pub unnamed: &'static str,
    pub photo: &'static str,
    pub born: &'static str,
    pub updated: &'static str,
    pub present: &'static str,
    pub until: &'static str,
    /// Headings, in the order of [`SectionId::DEFAULT_ORDER`].
    pub sections: [&'static str; 11],
    /// Months as they stand in a date, short.
    pub months: [&'static str; 12],
}

/// What is spoken here; the first is for every other language.
const ALL: &[Labels] = &[
    Labels {
        lang: "en",
        skip: "Skip to content",
        profile: "Profile",
        contact: "Contact",
        unnamed: "Curriculum vitae",
        photo: "Portrait of",
        born: "Born",
        updated: "Updated",
        present: "present",
        until: "until",
        sections: [
            "Experience",
            "Projects",
            "Volunteering",
            "Education",
            "Skills",
            "Certificates",
            "Awards",
            "Publications",
            "Languages",
            "Interests",
            "References",
        ],
        months: ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    },
    Labels {
        lang: "de",
        skip: "Zum Inhalt",
        profile: "Profil",
        contact: "Kontakt",
        unnamed: "Lebenslauf",
        photo: "Porträt von",
        born: "Geboren",
        updated: "Stand",
        present: "heute",
        until: "bis",
        sections: [
            "Berufserfahrung",
            "Projekte",
            "Ehrenamt",
            "Ausbildung",
            "Kenntnisse",
            "Zertifikate",
            "Auszeichnungen",
            "Veröffentlichungen",
            "Sprachen",
            "Interessen",
            "Referenzen",
        ],
        months: [
            "Jan.", "Feb.", "März", "Apr.", "Mai", "Juni", "Juli", "Aug.", "Sept.", "Okt.", "Nov.", "Dez.",
        ],
    },
    Labels {
        lang: "fr",
        skip: "Aller au contenu",
        profile: "Profil",
        contact: "Contact",
        unnamed: "Curriculum vitæ",
        photo: "Portrait de",
        born: "Naissance",
        updated: "Mis à jour",
        present: "aujourd’hui",
        until: "jusqu’à",
        sections: [
            "Expérience",
            "Projets",
            "Bénévolat",
            "Formation",
            "Compétences",
            "Certifications",
            "Distinctions",
            "Publications",
            "Langues",
            "Centres d’intérêt",
            "Références",
        ],
        months: [
            "janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc.",
        ],
    },
    Labels {
        lang: "es",
        skip: "Ir al contenido",
        profile: "Perfil",
        contact: "Contacto",
        unnamed: "Currículum",
        photo: "Retrato de",
        born: "Nacimiento",
        updated: "Actualizado",
        present: "actualidad",
        until: "hasta",
        sections: [
            "Experiencia",
            "Proyectos",
            "Voluntariado",
            "Formación",
            "Competencias",
            "Certificados",
            "Premios",
            "Publicaciones",
            "Idiomas",
            "Intereses",
            "Referencias",
        ],
        months: ["ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sept", "oct", "nov", "dic"],
    },
    Labels {
        lang: "ru",
        skip: "К содержанию",
        profile: "О себе",
        contact: "Контакты",
        unnamed: "Резюме",
        photo: "Портрет:",
        born: "Дата рождения",
        updated: "Обновлено",
        present: "настоящее время",
        until: "до",
        sections: [
            "Опыт работы",
            "Проекты",
            "Волонтёрство",
            "Образование",
            "Навыки",
            "Сертификаты",
            "Награды",
            "Публикации",
            "Языки",
            "Интересы",
            "Рекомендации",
        ],
        months: [
            "янв.",
            "февр.",
            "март",
            "апр.",
            "май",
            "июнь",
            "июль",
            "авг.",
            "сент.",
            "окт.",
            "нояб.",
            "дек.",
        ],
    },
];

impl Labels {
    /// Returns the words for a language, by its primary tag.
    pub fn of(lang: &str) -> &'static Labels {
        let primary = lang.split('-').next().unwrap_or(lang).to_lowercase();
        ALL.iter().find(|labels| labels.lang == primary).unwrap_or(&ALL[0])
    }

    /// Returns the heading of a section of JSON Resume.
    pub fn section(&self, section: SectionId) -> Option<&'static str> {
        let idx = SectionId::DEFAULT_ORDER.iter().position(|known| *known == section)?;
        Some(self.sections[idx])
    }

    /// Returns a date as people of this language write it, as precise as it is.
    pub fn date(&self, date: PartialDate) -> String {
        let month =
            date.month.and_then(|month| self.months.get(usize::try_from(month).ok()?.checked_sub(1)?));
        match (month, date.day) {
            (Some(month), Some(day)) => format!("{day} {month} {}", date.year),
            (Some(month), None) => format!("{month} {}", date.year),
            (None, _) => date.year.to_string(),
        }
    }

    /// Returns the text that describes the photo.
    pub fn photo_of(&self, name: &str) -> String {
        format!("{} {name}", self.photo)
    }
}
