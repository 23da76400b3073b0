//! Country names for the codes of ISO 3166-1.
//!
//! The names but the English ones are those of the Unicode CLDR 48, the short ones of Hong
//! Kong, Macao and Palestine as in the English ones, under the licence beside them. A file of a further language is a line for each code.

/// The names by language, a line each: the code, a space, the name.
const NAMES: [(&str, &str); 7] = [
    ("en", include_str!("../../../assets/countries/en.txt")),
    ("de", include_str!("../../../assets/countries/de.txt")),
    ("fr", include_str!("../../../assets/countries/fr.txt")),
    ("es", include_str!("../../../assets/countries/es.txt")),
    ("ru", include_str!("../../../assets/countries/ru.txt")),
    ("zh", include_str!("../../../assets/countries/zh.txt")),
    ("ar", include_str!("../../../assets/countries/ar.txt")),
];

/// Returns a country's name in a language, by its primary tag; in English where that is not
/// known, and the text itself when it is no code.
pub(super) fn name<'a>(code: &'a str, lang: &str) -> &'a str {
    let primary = lang.split('-').next().unwrap_or(lang);
    let names = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(primary)).unwrap_or(&NAMES[0]).1;
    let entries = names.lines().filter_map(|line| line.split_once(' '));
    let mut found = entries.filter(|(known, _)| known.eq_ignore_ascii_case(code));
    found.next().map_or(code, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_names_and_names_stay() {
        assert_eq!(name("NO", "en"), "Norway");
        assert_eq!(name("us", "de-AT"), "Vereinigte Staaten");
        assert_eq!(name("CZ", "ru"), "Чехия");
        assert_eq!(name("CZ", "pl"), "Czechia");
        assert_eq!(name("Freedonia", "en"), "Freedonia");
    }

    #[test]
    fn every_language_names_every_country() {
        for (lang, names) in NAMES {
            let codes = |names: &'static str| names.lines().map(|line| line.split_once(' ').unwrap().0);
            assert!(codes(names).eq(codes(NAMES[0].1)), "{lang}");
            assert!(names.lines().all(|line| line.len() > 4), "{lang}");
        }
    }
}
