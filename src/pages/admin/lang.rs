//! The language of the admin page.
//!
//! The markup is written in English; what an owner reads in another language stands in the
//! tables of this module, one a view, keyed by the English text. A text that a table lacks
//! is shown in English; a test reads the sources of this part and refuses that.

mod access;
mod common;
mod cv;
mod grafana;
mod logs;
mod meanings;
mod overview;
mod releases;
mod settings;
mod traces;
mod uptime;
mod visitors;
mod workers;

use std::fmt::Display;

use super::format;

/// Marks a text that waits for its language in a table, so that its translation is asked for.
macro_rules! text {
    ($text:literal) => {
        $text
    };
}
pub(super) use text;

/// A language of the admin page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Russian.
    Ru,
}

/// Pairs of an English text and what it is in another language, sorted by the first. What
/// depends on a number has a form for each kind of number, with `|` between them.
type Table = &'static [(&'static str, &'static str)];

/// The Russian tables.
const RUSSIAN: &[Table] = &[
    access::RUSSIAN,
    common::RUSSIAN,
    cv::RUSSIAN,
    grafana::RUSSIAN,
    logs::RUSSIAN,
    overview::RUSSIAN,
    releases::RUSSIAN,
    settings::RUSSIAN,
    traces::RUSSIAN,
    uptime::RUSSIAN,
    visitors::RUSSIAN,
    workers::RUSSIAN,
];

impl Lang {
    /// Every language, the default first.
    pub const ALL: [Lang; 2] = [Lang::En, Lang::Ru];

    /// Returns the BCP 47 tag.
    pub fn tag(self) -> &'static str {
        match self {
            Lang::En => "en",
            Lang::Ru => "ru",
        }
    }

    /// Returns the language's name for itself.
    pub fn name(self) -> &'static str {
        match self {
            Lang::En => "English",
            Lang::Ru => "Русский",
        }
    }

    /// Returns the language with this tag; of a longer tag the first part counts.
    pub fn from_tag(tag: &str) -> Option<Lang> {
        let primary = tag.split('-').next().unwrap_or_default().trim();
        Lang::ALL.into_iter().find(|lang| lang.tag().eq_ignore_ascii_case(primary))
    }

    /// Returns the best language for an `Accept-Language` header (RFC 9110, 12.5.4).
    pub fn accepted(header: &str) -> Lang {
        let weighed = header.split(',').filter_map(|range| {
            let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
            let weight = parameters.trim().strip_prefix("q=").map_or(Some(1.0), |text| text.parse().ok());
            Some((Lang::from_tag(tag)?, weight?))
        });
        // Of equal weights the first counts.
        let best = weighed
            .filter(|(_, weight)| *weight > 0.0)
            .reduce(|best: (Lang, f64), other| if other.1 > best.1 { other } else { best });
        best.map_or(Lang::default(), |(lang, _)| lang)
    }

    /// Returns the text in this language.
    pub fn tr(self, text: &'static str) -> &'static str {
        self.entry(text).unwrap_or(text)
    }

    /// Returns the text in this language with values in the places of their names in braces.
    pub fn trf(self, text: &'static str, values: &[(&str, &dyn Display)]) -> String {
        filled(self.tr(text), values)
    }

    /// Returns the text that fits a number, with the number in the place of `{n}`.
    pub fn trn(self, n: u64, one: &'static str, many: &'static str) -> String {
        self.trnf(n, one, many, &[])
    }

    /// Returns the text that fits a number, with the number and other values in their places.
    pub fn trnf(
        self,
        n: u64,
        one: &'static str,
        many: &'static str,
        values: &[(&str, &dyn Display)],
    ) -> String {
        let form = match self.entry(many) {
            Some(forms) => forms.split('|').nth(self.plural(n)).unwrap_or(forms),
            None if n == 1 => one,
            None => many,
        };
        let number = format::count(self, n);
        let mut all: Vec<(&str, &dyn Display)> = vec![("n", &number)];
        all.extend_from_slice(values);
        filled(form, &all)
    }

    fn entry(self, text: &str) -> Option<&'static str> {
        let tables = match self {
            Lang::En => return None,
            Lang::Ru => RUSSIAN,
        };
        let find = |table: &Table| {
            let at = table.binary_search_by_key(&text, |(english, _)| english).ok()?;
            Some(table[at].1)
        };
        tables.iter().find_map(find)
    }

    /// Returns which form of a text a number wants (Unicode CLDR, "Language Plural Rules").
    fn plural(self, n: u64) -> usize {
        match (self, n % 10, n % 100) {
            (Lang::En, ..) => usize::from(n != 1),
            (Lang::Ru, 1, last) if last != 11 => 0,
            (Lang::Ru, 2..=4, last) if !(12..=14).contains(&last) => 1,
            (Lang::Ru, ..) => 2,
        }
    }
}

/// Returns what a setting is for, by its key; none in English, in which the table of settings
/// has it.
pub fn meaning(lang: Lang, key: &str) -> Option<&'static str> {
    let table = match lang {
        Lang::En => return None,
        Lang::Ru => meanings::RUSSIAN,
    };
    let at = table.binary_search_by_key(&key, |(known, _)| known).ok()?;
    Some(table[at].1)
}

/// Puts values into the places of their names in braces; what has no value stays.
fn filled(text: &str, values: &[(&str, &dyn Display)]) -> String {
    let mut res = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        res.push_str(before);
        let (name, after) = behind.split_once('}').unwrap_or((behind, ""));
        match values.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => res.push_str(&value.to_string()),
            None => res.extend(["{", name, "}"]),
        }
        rest = after;
    }
    res.push_str(rest);
    res
}

#[cfg(test)]
mod tests;
