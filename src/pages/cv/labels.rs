//! The words of the page itself, one table per language.
//!
//! A new language is one more [`Labels`] in [`ALL`].

use crate::cv::{Cv, PartialDate, SectionId};

/// Everything that the page says of its own accord.
#[derive(Debug)]
pub(super) struct Labels {
    /// Primary tag of the language.
    pub lang: &'static str,
    /// What the language calls itself.
    pub native: &'static str,
    /// Language and country for OpenGraph, when the tag names no country.
    pub locale: &'static str,
    /// Says what the list of languages is.
    pub switch: &'static str,
    /// Prints the page, or makes a PDF of it.
    pub print: &'static str,
    pub skip: &'static str,
    pub profile: &'static str,
    pub contact: &'static str,
    pub unnamed: &'static str,
    pub photo: &'static str,
    pub born: &'static str,
    pub updated: &'static str,
    pub present: &'static str,
    pub until: &'static str,
    /// Stands before the score of an education.
    pub grade: &'static str,
    /// Headings, in the order of [`SectionId::DEFAULT_ORDER`].
    pub sections: [&'static str; 11],
    /// Months as they stand in a date, short.
    pub months: [&'static str; 12],
    /// Puts a date together from its numbers and the month's name.
    pub date: fn(PartialDate, Option<&str>) -> String,
}

/// What is spoken here; the first is for every other language.
const ALL: &[Labels] = &[
    Labels {
        lang: "en",
        native: "English",
        locale: "en_US",
        switch: "Language",
        print: "Print / PDF",
        skip: "Skip to content",
        profile: "Profile",
        contact: "Contact",
        unnamed: "Curriculum vitae",
        photo: "Portrait of",
        born: "Born",
        updated: "Updated",
        present: "present",
        until: "until",
        grade: "Grade",
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
        date: day_month_year,
    },
    Labels {
        lang: "de",
        native: "Deutsch",
        locale: "de_DE",
        switch: "Sprache",
        print: "Drucken / PDF",
        skip: "Zum Inhalt",
        profile: "Profil",
        contact: "Kontakt",
        unnamed: "Lebenslauf",
        photo: "Porträt von",
        born: "Geboren",
        updated: "Stand",
        present: "heute",
        until: "bis",
        grade: "Note",
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
        date: day_month_year,
    },
    Labels {
        lang: "fr",
        native: "Français",
        locale: "fr_FR",
        switch: "Langue",
        print: "Imprimer / PDF",
        skip: "Aller au contenu",
        profile: "Profil",
        contact: "Contact",
        unnamed: "Curriculum vitæ",
        photo: "Portrait de",
        born: "Naissance",
        updated: "Mis à jour",
        present: "aujourd’hui",
        until: "jusqu’à",
        grade: "Note",
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
        date: day_month_year,
    },
    Labels {
        lang: "es",
        native: "Español",
        locale: "es_ES",
        switch: "Idioma",
        print: "Imprimir / PDF",
        skip: "Ir al contenido",
        profile: "Perfil",
        contact: "Contacto",
        unnamed: "Currículum",
        photo: "Retrato de",
        born: "Nacimiento",
        updated: "Actualizado",
        present: "actualidad",
        until: "hasta",
        grade: "Calificación",
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
        date: day_month_year,
    },
    Labels {
        lang: "ru",
        native: "Русский",
        locale: "ru_RU",
        switch: "Язык",
        print: "Печать / PDF",
        skip: "К содержанию",
        profile: "О себе",
        contact: "Контакты",
        unnamed: "Резюме",
        photo: "Портрет:",
        born: "Дата рождения",
        updated: "Обновлено",
        present: "настоящее время",
        until: "до",
        grade: "Оценка",
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
        date: russian,
    },
    Labels {
        lang: "zh",
        native: "中文",
        locale: "zh_CN",
        switch: "语言",
        print: "打印 / PDF",
        skip: "跳到正文",
        profile: "简介",
        contact: "联系方式",
        unnamed: "简历",
        photo: "照片：",
        born: "出生日期",
        updated: "更新于",
        present: "至今",
        until: "至",
        grade: "成绩",
        sections: [
            "工作经历",
            "项目",
            "志愿服务",
            "教育背景",
            "技能",
            "证书",
            "奖项",
            "著作",
            "语言",
            "兴趣",
            "推荐",
        ],
        months: ["1月", "2月", "3月", "4月", "5月", "6月", "7月", "8月", "9月", "10月", "11月", "12月"],
        date: year_month_day,
    },
    Labels {
        lang: "ar",
        native: "العربية",
        locale: "ar_AR",
        switch: "اللغة",
        print: "طباعة / PDF",
        skip: "انتقل إلى المحتوى",
        profile: "نبذة",
        contact: "التواصل",
        unnamed: "السيرة الذاتية",
        photo: "صورة",
        born: "تاريخ الميلاد",
        updated: "آخر تحديث",
        present: "حتى الآن",
        until: "حتى",
        grade: "المعدل",
        sections: [
            "الخبرات",
            "المشاريع",
            "التطوع",
            "التعليم",
            "المهارات",
            "الشهادات",
            "الجوائز",
            "المنشورات",
            "اللغات",
            "الاهتمامات",
            "التوصيات",
        ],
        months: [
            "يناير",
            "فبراير",
            "مارس",
            "أبريل",
            "مايو",
            "يونيو",
            "يوليو",
            "أغسطس",
            "سبتمبر",
            "أكتوبر",
            "نوفمبر",
            "ديسمبر",
        ],
        date: day_month_year,
    },
];

/// `29 Jun 2014`, as far as it is known.
fn day_month_year(date: PartialDate, month: Option<&str>) -> String {
    match (month, date.day) {
        (Some(month), Some(day)) => format!("{day} {month} {}", date.year),
        (Some(month), None) => format!("{month} {}", date.year),
        (None, _) => date.year.to_string(),
    }
}

/// `29 июня 2014`, but `июнь 2014`: after a day, the months that are not cut stand in the genitive.
fn russian(date: PartialDate, month: Option<&str>) -> String {
    let after_day = month.map(|month| match month {
        "март" => "марта",
        "май" => "мая",
        "июнь" => "июня",
        "июль" => "июля",
        cut => cut,
    });
    day_month_year(date, if date.day.is_some() { after_day } else { month })
}

/// `2014年6月29日`, as far as it is known.
fn year_month_day(date: PartialDate, month: Option<&str>) -> String {
    match (month, date.day) {
        (Some(month), Some(day)) => format!("{}年{month}{day}日", date.year),
        (Some(month), None) => format!("{}年{month}", date.year),
        (None, _) => format!("{}年", date.year),
    }
}

impl Labels {
    /// Returns the words for the language of a CV.
    pub fn of_cv(cv: &Cv) -> &'static Labels {
        Labels::of(cv.lang.as_deref().unwrap_or("en"))
    }

    /// Returns the words for a language, by its primary tag; the English ones when it has none.
    pub fn of(lang: &str) -> &'static Labels {
        Labels::known(lang).unwrap_or(&ALL[0])
    }

    fn known(lang: &str) -> Option<&'static Labels> {
        let primary = lang.split('-').next().unwrap_or(lang).to_lowercase();
        ALL.iter().find(|labels| labels.lang == primary)
    }

    /// Returns what a language calls itself; its tag when it is not known.
    pub fn native_name(lang: &str) -> &str {
        Labels::known(lang).map_or(lang, |labels| labels.native)
    }

    /// Returns language and country as OpenGraph writes them; none for an unknown language.
    pub fn locale_of(lang: &str) -> Option<String> {
        let region = lang.split('-').skip(1).find(|part| part.len() == 2);
        match (Labels::known(lang), region) {
            (Some(labels), Some(region)) => Some(format!("{}_{}", labels.lang, region.to_uppercase())),
            (Some(labels), None) => Some(labels.locale.to_string()),
            (None, _) => None,
        }
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
        (self.date)(date, month.copied())
    }

    /// Returns the text that describes the photo.
    pub fn photo_of(&self, name: &str) -> String {
        format!("{} {name}", self.photo)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_the_language_does() {
        let full = PartialDate { year: 2014, month: Some(6), day: Some(29) };
        let month = PartialDate { day: None, ..full };
        let year = PartialDate { month: None, ..month };
        for (lang, expect) in [
            ("en-GB", ["29 Jun 2014", "Jun 2014", "2014"]),
            ("ru", ["29 июня 2014", "июнь 2014", "2014"]),
            ("zh-Hans", ["2014年6月29日", "2014年6月", "2014年"]),
            ("tlh", ["29 Jun 2014", "Jun 2014", "2014"]),
        ] {
            let labels = Labels::of(lang);
            assert_eq!([full, month, year].map(|date| labels.date(date)), expect, "{lang}");
        }
    }
}
