//! The person as a vCard 4.0 (RFC 6350), for an address book.

use std::fmt::Write;

use super::contacts::{country, number};
use super::labels::Labels;
use super::{display_name, markdown};
use crate::cv::{Disclosed, PartialDate, When};

/// Bytes of a line before it is folded, the line's end not counted (RFC 6350 section 3.2).
const LINE_BYTES: usize = 75;

/// Words that belong to the family name behind them.
const PARTICLES: [&str; 17] = [
    "al", "bin", "da", "de", "del", "della", "den", "der", "di", "do", "dos", "du", "la", "le", "ten", "van",
    "von",
];

/// Writes the person as a vCard.
pub fn vcard(cv: &Disclosed) -> String {
    let labels = Labels::of_cv(cv);
    let (basics, name) = (&cv.basics, display_name(cv, labels));
    let mut card = Card(String::new());
    card.line("BEGIN", "VCARD");
    card.line("VERSION", "4.0");
    card.line("KIND", "individual");
    card.line("FN", &escaped(name));
    let (given, family) = names(name);
    card.line("N", &format!("{};{};;;", escaped(&family), escaped(&given)));
    card.text("TITLE", basics.label.as_deref());
    card.text("ORG", super::machine::current_job(cv).and_then(|work| work.name.as_deref()));
    card.text("EMAIL", basics.email.as_deref());
    if let Some(phone) = &basics.phone {
        // Without a country's code it can be dialled only from within (RFC 3966 section 5.1.5).
        match number(phone).filter(|number| number.starts_with('+')) {
            Some(number) => card.line("TEL;VALUE=uri", &format!("tel:{number}")),
            None => card.line("TEL;VALUE=text", &escaped(phone)),
        }
    }
    if let Some(url) = &basics.url {
        card.line("URL", url.as_str());
    }
    for profile in basics.profiles.iter().map(|entry| &entry.item) {
        if let Some(url) = &profile.url {
            // RFC 9554 section 3.5.
            let network =
                profile.network.as_ref().map(|network| format!(";SERVICE-TYPE={}", parameter(network)));
            card.line(&format!("SOCIALPROFILE{}", network.unwrap_or_default()), url.as_str());
        }
    }
    let location = &basics.location;
    let address = [
        location.address.as_deref(),
        location.city.as_deref(),
        location.region.as_deref(),
        location.postal_code.as_deref(),
        country(cv),
    ];
    if address.iter().any(Option::is_some) {
        let parts = address.map(|part| escaped(part.unwrap_or_default()));
        card.line("ADR", &format!(";;{}", parts.join(";")));
    }
    if let Some(When::Date(date)) = &basics.birth_date {
        card.line("BDAY", &date_of(*date));
    }
    card.text("LANG", cv.lang.as_deref());
    card.text("NOTE", basics.summary.as_deref().map(markdown::plain).as_deref());
    if let Some(PartialDate { year, month: Some(month), day: Some(day) }) = cv.modified() {
        card.line("REV", &format!("{year:04}{month:02}{day:02}T000000Z"));
    }
    card.line("END", "VCARD");
    card.0
}

struct Card(String);

impl Card {
    fn text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.line(name, &escaped(value));
        }
    }

    /// Adds a line, folded between characters.
    fn line(&mut self, name: &str, value: &str) {
        let mut n_bytes = 0;
        for character in format!("{name}:{value}").chars() {
            if n_bytes + character.len_utf8() > LINE_BYTES {
                self.0.push_str("\r\n ");
                n_bytes = 1;
            }
            self.0.push(character);
            n_bytes += character.len_utf8();
        }
        self.0.push_str("\r\n");
    }
}

/// Returns a text as a value (RFC 6350 section 3.4).
fn escaped(text: &str) -> String {
    let mut res = String::with_capacity(text.len());
    for character in text.replace("\r\n", "\n").chars() {
        match character {
            '\\' | ',' | ';' => res.extend(['\\', character]),
            '\n' => res.push_str("\\n"),
            control if control.is_control() && control != '\t' => {}
            other => res.push(other),
        }
    }
    res
}

/// Returns a text as a parameter's value, in which there are no quotes (RFC 6350 section 3.3).
fn parameter(text: &str) -> String {
    format!("\"{}\"", text.replace(|c: char| c == '"' || c.is_control(), ""))
}

/// Returns given and family name: the last word is the family's, with the particles before it.
/// A name of one word, and one in a script without spaces, is given.
fn names(name: &str) -> (String, String) {
    let words: Vec<&str> = name.split_whitespace().collect();
    let Some((_, before)) = words.split_last().filter(|(_, before)| !before.is_empty()) else {
        return (name.to_string(), String::new());
    };
    let is_particle = |word: &&&str| PARTICLES.contains(&word.to_lowercase().as_str());
    let n_particles = before.iter().rev().take_while(is_particle).count().min(before.len() - 1);
    let (given, family) = words.split_at(before.len() - n_particles);
    (given.join(" "), family.join(" "))
}

/// Returns a date with what is known of it (RFC 6350 section 4.3.1).
fn date_of(date: PartialDate) -> String {
    let mut res = format!("{:04}", date.year);
    match (date.month, date.day) {
        (Some(month), Some(day)) => _ = write!(res, "{month:02}{day:02}"),
        (Some(month), None) => _ = write!(res, "-{month:02}"),
        (None, _) => {}
    }
    res
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cv::{Config, Private};
    use crate::pages::cv::tests::disclosed;

    fn card(json: &serde_json::Value, show: &[Private]) -> String {
        let text = json.to_string();
        let config = Config { show: show.to_vec(), ..Config::default() };
        vcard(&disclosed("cv.json", &text, &config))
    }

    /// Reads a card back: names with their parameters, and values.
    fn read(card: &str) -> Vec<(String, String)> {
        assert!(card.ends_with("\r\n"));
        assert!(card.split("\r\n").all(|line| line.len() <= LINE_BYTES), "{card}");
        let unfolded = card.replace("\r\n ", "");
        let lines = unfolded.trim_end().split("\r\n").map(|line| {
            let mut in_quotes = false;
            let colon = line.find(|c| {
                in_quotes ^= c == '"';
                c == ':' && !in_quotes
            });
            let (name, value) = line.split_at(colon.unwrap());
            (name.to_string(), value[1..].to_string())
        });
        lines.collect()
    }

    fn unescaped(value: &str) -> String {
        let mut res = String::new();
        let mut characters = value.chars();
        while let Some(character) = characters.next() {
            match (character, characters.clone().next()) {
                ('\\', Some('n')) => res.push('\n'),
                ('\\', Some(next)) => res.push(next),
                (other, _) => {
                    res.push(other);
                    continue;
                }
            }
            characters.next();
        }
        res
    }

    fn value<'a>(card: &'a [(String, String)], name: &str) -> Option<&'a str> {
        card.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn a_card_says_who_somebody_is_and_how_to_reach_them() {
        let json = serde_json::json!({
            "basics": {
                "name": "Ludwig van Beethoven", "label": "Composer; pianist", "email": "l@b.example",
                "phone": "+49 228 1", "url": "https://b.example", "birthDate": "1770-12", "summary": "*Deaf*.",
                "location": {"city": "Bonn", "countryCode": "DE", "address": "Bonngasse 20"},
                "profiles": [{"network": "Git: \"Hub\"", "url": "https://github.com/b"}]
            },
            "work": [{"name": "Court", "startDate": "1792"}],
            "meta": {"lastModified": "2026-11-01T10:00:00"}
        });
        let shown = read(&card(&json, &Private::ALL));
        assert_eq!(shown.first().unwrap(), &("BEGIN".to_string(), "VCARD".to_string()));
        assert_eq!(shown[1], ("VERSION".to_string(), "4.0".to_string()), "section 3.7.9: it comes first");
        for (name, expect) in [
            ("FN", "Ludwig van Beethoven"),
            ("N", "van Beethoven;Ludwig;;;"),
            ("TITLE", "Composer\\; pianist"),
            ("ORG", "Court"),
            ("TEL;VALUE=uri", "tel:+492281"),
            ("ADR", ";;Bonngasse 20;Bonn;;;Germany"),
            ("BDAY", "1770-12"),
            ("SOCIALPROFILE;SERVICE-TYPE=\"Git: Hub\"", "https://github.com/b"),
            ("NOTE", "Deaf."),
            ("REV", "20261101T000000Z"),
        ] {
            assert_eq!(value(&shown, name), Some(expect), "{name}");
        }
        let public = read(&card(&json, &[]));
        assert_eq!(value(&public, "ADR"), Some(";;;Bonn;;;Germany"));
        for private in ["TEL;VALUE=uri", "BDAY"] {
            assert_eq!(value(&public, private), None, "{private}");
        }
    }

    #[test]
    fn names_are_parted_before_the_family_s() {
        for (name, given, family) in [
            ("Ada Lovelace", "Ada", "Lovelace"),
            ("Madonna", "Madonna", ""),
            ("王小明", "王小明", ""),
            ("Simone de Beauvoir", "Simone", "de Beauvoir"),
            ("Van Morrison", "Van", "Morrison"),
            ("Jean Paul van der Berg", "Jean Paul", "van der Berg"),
        ] {
            assert_eq!(names(name), (given.to_string(), family.to_string()));
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_comes_back(name in "[^<\\p{C}]{1,200}", note in "([^<\\p{C}]|\n){0,200}") {
            let json = serde_json::json!({"basics": {"name": format!("A{name}"), "label": format!("x{note}")}});
            let card = read(&card(&json, &[]));
            let parsed = json["basics"]["name"].as_str().unwrap();
            let back = unescaped(value(&card, "FN").unwrap());
            // The reader of CVs takes HTML and outer spaces away; there is none here.
            prop_assert_eq!(back, parsed.trim());
            let title = format!("x{note}");
            prop_assert_eq!(unescaped(value(&card, "TITLE").unwrap()), title.trim());
        }
    }
}
