//! How the person is reached, as plain data for the forms that are not HTML.

use super::countries;
use super::labels::Labels;
use super::outline::Phrase;
use crate::cv::{Cv, Link, When};

/// A way to reach the person, with what kind it is of where that is not clear by itself.
pub(super) struct Contact<'a> {
    pub kind: Option<&'a str>,
    pub said: Phrase<'a>,
}

/// Returns every contact in the order of the page; of an address for mail the link is implied.
pub(super) fn contacts<'a>(cv: &'a Cv, labels: &'a Labels) -> Vec<Contact<'a>> {
    let basics = &cv.basics;
    let plain = |said: Phrase<'a>| Contact { kind: None, said };
    let born = basics.birth_date.as_ref().map(|date| match date {
        When::Date(date) => Phrase::new(labels.date(*date)),
        When::Words(words) => Phrase::new(words),
    });
    let profiles = basics.profiles.iter().map(|entry| {
        let (network, url) = (entry.item.network.as_deref(), entry.item.url.as_ref());
        match (network, entry.item.username.as_deref().or(url.map(Link::spoken))) {
            (kind, Some(said)) => Contact { kind, said: Phrase::linked(said, url) },
            (network, None) => plain(Phrase::new(network.unwrap_or_default())),
        }
    });
    let place = place(cv).map(|place| plain(Phrase::new(place)));
    let born = born.map(|said| Contact { kind: Some(labels.born), said });
    let email = basics.email.as_ref().map(|email| plain(Phrase::new(email)));
    let phone = basics.phone.as_ref().map(|phone| plain(Phrase::new(phone)));
    let url = basics.url.as_ref().map(|url| plain(Phrase::linked(url.spoken(), Some(url))));
    [place, born, email, phone, url].into_iter().flatten().chain(profiles).collect()
}

/// Returns where the person lives, as it is written on one line.
pub(super) fn place(cv: &Cv) -> Option<String> {
    let (location, lang) = (&cv.basics.location, cv.lang.as_deref().unwrap_or("en"));
    let country = location.country_code.as_deref().map(|code| countries::name(code, lang));
    let city = match (&location.postal_code, &location.city) {
        (Some(code), Some(city)) => Some(format!("{code} {city}")),
        (code, city) => code.clone().or_else(|| city.clone()),
    };
    let parts = [location.address.as_deref(), city.as_deref(), location.region.as_deref(), country];
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Returns a telephone number as it is dialled; none for words ("on request").
///
/// The `(0)` of `+49 (0)30 12` is dialled only within the country, and not with the rest.
pub(super) fn number(phone: &str) -> Option<String> {
    let phone = phone.trim();
    let phone = if phone.starts_with('+') { phone.replace("(0)", "") } else { phone.to_string() };
    let is_number = phone.chars().all(|c| c.is_ascii_digit() || " +-–./()\u{a0}".contains(c));
    let number: String = phone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
    (is_number && number.contains(|c: char| c.is_ascii_digit())).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_what_is_dialled() {
        assert_eq!(number("+49 (0)30 123-4").as_deref(), Some("+49301234"));
        assert_eq!(number("(030) 123").as_deref(), Some("030123"));
        assert_eq!(number("on request"), None);
        assert_eq!(number("+1 555 0100 ext. 7"), None);
    }
}
