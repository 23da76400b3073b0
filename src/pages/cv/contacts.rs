//! How the person is reached, as plain data for every form.

use super::countries;
use super::labels::Labels;
use super::outline::Phrase;
use crate::cv::{Cv, Link, When};

/// A way to reach the person, with what kind it is of where that is not clear by itself.
pub(super) struct Contact<'a> {
    pub kind: Option<&'a str>,
    pub said: Phrase<'a>,
    pub means: Means<'a>,
}

/// What a form may do with a contact beyond saying it.
#[derive(Clone, Copy)]
pub(super) enum Means<'a> {
    /// An address for mail.
    Mail,
    /// A number, or the words that stand for one.
    Telephone,
    /// The person's own site.
    Site,
    /// The date of birth.
    Born(&'a When),
    /// A place, an account somewhere.
    Other,
}

/// Returns every contact in the order of the page.
pub(super) fn contacts<'a>(cv: &'a Cv, labels: &'a Labels) -> Vec<Contact<'a>> {
    let basics = &cv.basics;
    let contact = |means, said| Contact { kind: None, said, means };
    let born = basics.birth_date.as_ref().map(|date| Contact {
        kind: Some(labels.born),
        said: Phrase::new(match date {
            When::Date(date) => labels.date(*date),
            When::Words(words) => words.clone(),
        }),
        means: Means::Born(date),
    });
    let profiles = basics.profiles.iter().map(|entry| {
        let (network, url) = (entry.item.network.as_deref(), entry.item.url.as_ref());
        match (network, entry.item.username.as_deref().or(url.map(Link::spoken))) {
            (kind, Some(said)) => Contact { kind, ..contact(Means::Other, Phrase::linked(said, url)) },
            (network, None) => contact(Means::Other, Phrase::new(network.unwrap_or_default())),
        }
    });
    let place = place(cv).map(|place| contact(Means::Other, Phrase::new(place)));
    let email = basics.email.as_ref().map(|email| contact(Means::Mail, Phrase::new(email)));
    let phone = basics.phone.as_ref().map(|phone| contact(Means::Telephone, Phrase::new(phone)));
    let url = basics.url.as_ref().map(|url| contact(Means::Site, Phrase::linked(url.spoken(), Some(url))));
    [place, born, email, phone, url].into_iter().flatten().chain(profiles).collect()
}

/// Returns the country's name in the language of the CV.
pub(super) fn country(cv: &Cv) -> Option<&str> {
    let code = cv.basics.location.country_code.as_deref()?;
    Some(countries::name(code, cv.lang.as_deref().unwrap_or("en")))
}

/// Returns where the person lives, as it is written on one line.
fn place(cv: &Cv) -> Option<String> {
    let location = &cv.basics.location;
    let city = match (&location.postal_code, &location.city) {
        (Some(code), Some(city)) => Some(format!("{code} {city}")),
        (code, city) => code.clone().or_else(|| city.clone()),
    };
    let parts = [location.address.as_deref(), city.as_deref(), location.region.as_deref(), country(cv)];
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
