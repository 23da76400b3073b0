//! What the page says to machines: description, OpenGraph, JSON-LD.

use maud::{Markup, PreEscaped, html};
use serde_json::{Map, Value, json};

use super::labels::Labels;
use super::{CARD_HEIGHT, CARD_WIDTH, CvView, FORMS, markdown};
use crate::cv::{Cv, End, Link, SectionId, Work};

/// Longest description in characters; search engines cut at about this length.
const DESCRIPTION_CHARS_MAX: usize = 160;

/// Renders the part of the head that only the CV has.
pub(super) fn head(view: &CvView<'_>, title: &str) -> Markup {
    let description = description(view.cv);
    html! {
        @if let Some(description) = &description {
            meta name="description" content=(description);
        }
        @if let Some(canonical) = view.canonical {
            link rel="canonical" href=(canonical);
            meta property="og:url" content=(canonical);
        }
        @for page in view.translations {
            link rel="alternate" hreflang=(page.lang) href=(page.url);
        }
        @if let Some(original) = view.translations.first() {
            link rel="alternate" hreflang="x-default" href=(original.url);
        }
        @for (name, said, media_type) in FORMS {
            link rel="alternate" type=(media_type) href={ (view.forms) (name) } title=(said);
        }
        meta property="og:type" content="profile";
        @if let Some(locale) = view.cv.lang.as_deref().and_then(Labels::locale_of) {
            meta property="og:locale" content=(locale);
        }
        meta property="og:title" content=(title);
        @if let Some(description) = &description {
            meta property="og:description" content=(description);
        }
        @if let Some(card) = view.card_url {
            meta property="og:image" content=(card);
            meta property="og:image:width" content=(CARD_WIDTH);
            meta property="og:image:height" content=(CARD_HEIGHT);
            meta property="og:image:alt" content=(title);
            meta name="twitter:card" content="summary_large_image";
        }
        script type="application/ld+json" { (PreEscaped(data_block(&json_ld(view, description.as_deref())))) }
    }
}

/// Writes JSON so that nothing in it can end the element around it.
fn data_block(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

fn description(cv: &Cv) -> Option<String> {
    let text = cv.basics.summary.as_deref().or(cv.basics.label.as_deref())?;
    let text = markdown::plain(text);
    if text.chars().count() <= DESCRIPTION_CHARS_MAX {
        return Some(text);
    }
    let cut: String = text.chars().take(DESCRIPTION_CHARS_MAX).collect();
    let words = cut.rsplit_once(' ').map_or(cut.as_str(), |(words, _)| words);
    Some(format!("{}…", words.trim_end_matches([',', '.', ';', ':'])))
}

fn json_ld(view: &CvView<'_>, description: Option<&str>) -> Value {
    let cv: &Cv = view.cv;
    let mut page = Map::new();
    page.insert("@context".to_string(), "https://schema.org".into());
    page.insert("@type".to_string(), "ProfilePage".into());
    put(&mut page, "url", view.canonical.map(Into::into));
    put(&mut page, "inLanguage", cv.lang.clone().map(Into::into));
    put(&mut page, "dateModified", cv.meta.last_modified.clone().map(Into::into));
    page.insert("mainEntity".to_string(), person(cv, description));
    Value::Object(page)
}

fn person(cv: &Cv, description: Option<&str>) -> Value {
    let basics = &cv.basics;
    let mut person = Map::new();
    person.insert("@type".to_string(), "Person".into());
    put(&mut person, "name", basics.name.clone().map(Into::into));
    put(&mut person, "jobTitle", basics.label.clone().map(Into::into));
    put(&mut person, "description", description.map(Into::into));
    put(&mut person, "url", basics.url.as_ref().map(|url| url.as_str().into()));
    let profiles = basics.profiles.iter().filter_map(|entry| entry.item.url.as_ref());
    put_all(&mut person, "sameAs", profiles.map(|url| url.as_str().into()).collect());
    let location = &basics.location;
    let mut address = Map::new();
    put(&mut address, "addressLocality", location.city.clone().map(Into::into));
    put(&mut address, "addressRegion", location.region.clone().map(Into::into));
    put(&mut address, "addressCountry", location.country_code.clone().map(Into::into));
    if !address.is_empty() {
        address.insert("@type".to_string(), "PostalAddress".into());
        person.insert("address".to_string(), Value::Object(address));
    }
    let shown = cv.section_order();
    if shown.contains(&SectionId::Work) {
        put(&mut person, "worksFor", employer(cv));
    }
    if shown.contains(&SectionId::Education) {
        let schools = cv.education.iter().filter_map(|entry| {
            let name = entry.item.institution.as_ref()?;
            Some(organization("EducationalOrganization", name, entry.item.url.as_ref()))
        });
        put_all(&mut person, "alumniOf", schools.collect());
    }
    if shown.contains(&SectionId::Languages) {
        let languages = cv.languages.iter().filter_map(|entry| entry.item.language.clone());
        put_all(&mut person, "knowsLanguage", languages.map(Into::into).collect());
    }
    if shown.contains(&SectionId::Skills) {
        let skills = cv.skills.iter().filter_map(|entry| entry.item.name.clone());
        put_all(&mut person, "knowsAbout", skills.map(Into::into).collect());
    }
    Value::Object(person)
}

/// Returns the first job that goes on.
pub(super) fn current_job(cv: &Cv) -> Option<&Work> {
    let goes_on = |work: &&Work| work.period.start.is_some() && !matches!(work.period.end, End::At(_));
    cv.work.iter().map(|entry| &entry.item).find(goes_on)
}

fn employer(cv: &Cv) -> Option<Value> {
    let current = current_job(cv)?;
    Some(organization("Organization", current.name.as_ref()?, current.url.as_ref()))
}

fn organization(kind: &str, name: &str, url: Option<&Link>) -> Value {
    let mut res = json!({"@type": kind, "name": name});
    if let Some(url) = url {
        res["url"] = url.as_str().into();
    }
    res
}

fn put(map: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        map.insert(key.to_string(), value);
    }
}

fn put_all(map: &mut Map<String, Value>, key: &str, values: Vec<Value>) {
    if !values.is_empty() {
        map.insert(key.to_string(), values.into());
    }
}
