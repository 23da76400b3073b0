//! The fields of a CV by name: the table of what is known, section by section.

use super::color::{self, Chosen, Color, Role};
use super::decode::{Fields, Report, nearest};
use super::lang::LangTag;
use super::link::{self, Checked};
use super::model::*;
use super::node::{Node, Value};
use super::problem::{Place, quoted};

/// Reads a whole document; what cannot be read is in the report.
pub(super) fn cv(report: &mut Report, root: &Node) -> Cv {
    let res = any(report, root);
    if res.basics.name.is_none() && !report.has_errors() {
        let (path, hint) = ("basics.name".to_string(), "write `name:` under `basics:`");
        report.warn(root.place, path, "the CV has no name", hint);
    }
    res
}

/// Reads a translation, whose language its file's name has said.
pub(super) fn translation(report: &mut Report, root: &Node, lang: &LangTag) -> Cv {
    let mut res = any(report, root);
    if let Some(other) = res.lang.as_deref().filter(|other| !other.eq_ignore_ascii_case(lang.as_str())) {
        let message = format!("{} is not the language of the file's name, {lang}", quoted(other));
        report.warn(root.place, "x-lang".to_string(), message, "the name of the file counts");
    }
    res.lang = Some(lang.to_string());
    res
}

fn any(report: &mut Report, root: &Node) -> Cv {
    let entries = match &root.value {
        Value::Map(entries) => entries,
        Value::Null => {
            report.error(
                Place::START,
                String::new(),
                "the file is empty",
                "begin with `basics:` and a `name:` in it",
            );
            return Cv::default();
        }
        Value::Scalar(_) | Value::List(_) => {
            let message = format!("found {} where a CV should be", root.value.kind());
            report.error(root.place, String::new(), message, "begin with `basics:` and a `name:` in it");
            return Cv::default();
        }
    };
    let mut fields = Fields::new(report, String::new(), root.place, entries);
    let mut res = document(&mut fields);
    res.extra = fields.finish();
    if res.is_empty() && !report.has_errors() {
        let hint = "begin with `basics:` and a `name:` in it";
        report.error(root.place, String::new(), "there is nothing to show in this file", hint);
    }
    res
}

fn document(fields: &mut Fields<'_, '_>) -> Cv {
    let (mut basics, extra) = fields.group(&["basics"], basics);
    basics.extra = extra;
    let mut res = Cv {
        lang: fields.text(&["x-lang"]),
        basics,
        work: work(fields),
        volunteer: fields.entries(&["volunteer"], "organization", volunteer),
        education: fields.entries(&["education"], "institution", education),
        awards: fields.entries(&["awards"], "title", award),
        certificates: fields.entries(&["certificates"], "name", certificate),
        publications: fields.entries(&["publications"], "name", publication),
        skills: fields.entries(&["skills"], "name", skill),
        languages: fields.entries(&["languages"], "language", language),
        interests: fields.entries(&["interests", "hobbies"], "name", interest),
        references: fields.entries(&["references"], "reference", reference),
        projects: fields.entries(&["projects"], "name", project),
        custom: custom_sections(fields),
        private: private(fields),
        meta: Meta::default(),
        borrowed: None,
        extra: Vec::new(),
    };
    res.meta = meta(fields, &res);
    res
}

fn basics(fields: &mut Fields<'_, '_>) -> Basics {
    Basics {
        name: fields.text(&["name"]),
        label: fields.text(&["label"]),
        image: image(fields),
        email: email(fields),
        phone: fields.text(&["phone"]),
        url: fields.link(&["url", "website"]),
        summary: fields.text(&["summary", "bio"]),
        location: fields.group(&["location"], location).0,
        profiles: fields.entries(&["profiles"], "network", profile),
        birth_date: fields.when(&["birthDate", "birth_date", "birthday", "dateOfBirth"]),
        extra: Vec::new(),
    }
}

fn email(fields: &mut Fields<'_, '_>) -> Option<String> {
    let (text, place) = fields.placed_text(&["email"])?;
    let address = text.strip_prefix("mailto:").unwrap_or(&text).to_string();
    let is_address = address.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && !host.is_empty() && !host.contains('@') && !address.contains(char::is_whitespace)
    });
    if is_address {
        return Some(address);
    }
    let path = fields.path_of("email");
    let message = format!("{} is not an e-mail address and was left out", quoted(&text));
    fields.report.warn(place, path, message, "write it as name@example.com");
    None
}

fn image(fields: &mut Fields<'_, '_>) -> Option<Image> {
    let (text, place) = fields.placed_text(&["image", "picture"])?;
    let path = fields.path_of("image");
    match link::check(&text) {
        Checked::Safe(link) => {
            let hint = "save the picture beside the CV and name the file here";
            fields.report.warn(place, path, "a picture on another host is not loaded", hint);
            Some(Image::Remote(link))
        }
        Checked::Unsafe(scheme) => {
            let message = format!("a picture with {} was left out", quoted(&format!("{scheme}:")));
            fields.report.warn(place, path, message, "save the picture beside the CV and name the file here");
            None
        }
        Checked::Mended(_) | Checked::NoUrl => {
            let file = text.strip_prefix("./").unwrap_or(&text);
            let leaves =
                file.starts_with(['/', '\\', '~']) || file.split(['/', '\\']).any(|part| part == "..");
            if leaves {
                let message = format!("{} lies outside the site's directory and was left out", quoted(&text));
                fields.report.warn(place, path, message, "put the picture beside the CV");
                return None;
            }
            Some(Image::File(file.to_string()))
        }
    }
}

fn location(fields: &mut Fields<'_, '_>) -> Location {
    Location {
        address: fields.text(&["address"]),
        postal_code: fields.text(&["postalCode"]),
        city: fields.text(&["city"]),
        country_code: fields.text(&["countryCode"]),
        region: fields.text(&["region"]),
    }
}

fn profile(fields: &mut Fields<'_, '_>) -> Profile {
    Profile {
        network: fields.text(&["network"]),
        username: fields.text(&["username"]),
        url: fields.link(&["url", "website"]),
    }
}

/// A job as the file may nest it: with several positions inside.
#[derive(Default)]
struct Employment {
    own: Work,
    positions: Vec<Entry<Work>>,
}

fn employment(fields: &mut Fields<'_, '_>) -> Employment {
    let own = Work {
        name: fields.text(&["name", "company"]),
        location: fields.text(&["location"]),
        description: fields.text(&["description"]),
        position: fields.text(&["position"]),
        url: fields.link(&["url", "website"]),
        period: fields.period(),
        summary: fields.text(&["summary"]),
        highlights: fields.texts(&["highlights"]),
    };
    let positions = fields.entries(&["positions", "roles"], "position", |fields| Work {
        position: fields.text(&["position", "title", "name"]),
        location: fields.text(&["location"]),
        period: fields.period(),
        summary: fields.text(&["summary"]),
        highlights: fields.texts(&["highlights"]),
        ..Work::default()
    });
    Employment { own, positions }
}

/// Reads `work` and lays nested positions out flat, as the schema has them.
fn work(fields: &mut Fields<'_, '_>) -> Vec<Entry<Work>> {
    let mut res = Vec::new();
    for Entry { item: Employment { own, positions }, hidden, tags, extra } in
        fields.entries(&["work"], "name", employment)
    {
        let (name, url, description) = (own.name.clone(), own.url.clone(), own.description.clone());
        let place = own.location.clone();
        let says_more = own.position.is_some() || own.summary.is_some() || !own.highlights.is_empty();
        if positions.is_empty() || says_more || !own.period.is_empty() {
            res.push(Entry { item: own, hidden, tags: tags.clone(), extra });
        }
        res.extend(positions.into_iter().map(|mut entry| {
            entry.item.name = name.clone();
            entry.item.url = url.clone();
            entry.item.description = description.clone();
            entry.item.location = entry.item.location.or_else(|| place.clone());
            entry.hidden |= hidden;
            entry.tags.extend(tags.iter().cloned());
            entry
        }));
    }
    res
}

fn volunteer(fields: &mut Fields<'_, '_>) -> Volunteer {
    Volunteer {
        organization: fields.text(&["organization", "company", "name"]),
        position: fields.text(&["position"]),
        url: fields.link(&["url", "website"]),
        period: fields.period(),
        summary: fields.text(&["summary"]),
        highlights: fields.texts(&["highlights"]),
    }
}

fn education(fields: &mut Fields<'_, '_>) -> Education {
    Education {
        institution: fields.text(&["institution"]),
        url: fields.link(&["url", "website"]),
        area: fields.text(&["area"]),
        study_type: fields.text(&["studyType"]),
        period: fields.period(),
        score: fields.text(&["score", "gpa"]),
        courses: fields.texts(&["courses"]),
    }
}

fn award(fields: &mut Fields<'_, '_>) -> Award {
    Award {
        title: fields.text(&["title", "name"]),
        date: fields.when(&["date"]),
        awarder: fields.text(&["awarder"]),
        summary: fields.text(&["summary"]),
    }
}

fn certificate(fields: &mut Fields<'_, '_>) -> Certificate {
    Certificate {
        name: fields.text(&["name", "title"]),
        date: fields.when(&["date"]),
        url: fields.link(&["url", "website"]),
        issuer: fields.text(&["issuer"]),
    }
}

fn publication(fields: &mut Fields<'_, '_>) -> Publication {
    Publication {
        name: fields.text(&["name", "title"]),
        publisher: fields.text(&["publisher"]),
        release_date: fields.when(&["releaseDate"]),
        url: fields.link(&["url", "website"]),
        summary: fields.text(&["summary"]),
    }
}

fn skill(fields: &mut Fields<'_, '_>) -> Skill {
    Skill {
        name: fields.text(&["name"]),
        level: fields.text(&["level"]),
        keywords: fields.texts(&["keywords"]),
    }
}

fn language(fields: &mut Fields<'_, '_>) -> Language {
    Language { language: fields.text(&["language", "name"]), fluency: fields.text(&["fluency", "level"]) }
}

fn interest(fields: &mut Fields<'_, '_>) -> Interest {
    Interest { name: fields.text(&["name"]), keywords: fields.texts(&["keywords"]) }
}

fn reference(fields: &mut Fields<'_, '_>) -> Reference {
    Reference { name: fields.text(&["name"]), reference: fields.text(&["reference"]) }
}

fn project(fields: &mut Fields<'_, '_>) -> Project {
    Project {
        name: fields.text(&["name"]),
        description: fields.text(&["description", "summary"]),
        highlights: fields.texts(&["highlights"]),
        keywords: fields.texts(&["keywords"]),
        period: fields.period(),
        url: fields.link(&["url", "website"]),
        roles: fields.texts(&["roles"]),
        entity: fields.text(&["entity"]),
        kind: fields.text(&["type"]),
    }
}

fn custom_item(fields: &mut Fields<'_, '_>) -> CustomItem {
    CustomItem {
        title: fields.text(&["title", "name"]),
        subtitle: fields.text(&["subtitle"]),
        url: fields.link(&["url", "website"]),
        date: fields.when(&["date"]),
        period: fields.period(),
        summary: fields.text(&["summary", "text"]),
        highlights: fields.texts(&["highlights"]),
        keywords: fields.texts(&["keywords"]),
    }
}

fn custom_sections(fields: &mut Fields<'_, '_>) -> Vec<CustomSection> {
    let mut res: Vec<CustomSection> = Vec::new();
    let sections = fields.entries(&["x-sections"], "title", |fields| CustomSection {
        id: String::new(),
        title: fields.text(&["title", "name"]).unwrap_or_default(),
        items: fields.entries(&["items", "entries"], "summary", custom_item),
    });
    for Entry { item: mut section, hidden, .. } in sections {
        let base = slug(&section.title);
        let is_taken = |id: &str| {
            SectionId::DEFAULT_ORDER.iter().any(|known| known.key() == Some(id))
                || res.iter().any(|other| other.id == id)
                || matches!(id, "content" | "profile" | "top")
        };
        // The first free number is at most one above the number of sections.
        let numbered = (2..).map(|number| format!("{base}-{number}"));
        section.id =
            std::iter::once(base.clone()).chain(numbered).find(|id| !is_taken(id)).unwrap_or(base.clone());
        if hidden {
            section.items.iter_mut().for_each(|entry| entry.hidden = true);
        }
        res.push(section);
    }
    res
}

/// Returns a title as an id: `Talks & Teaching` → `talks-teaching`.
fn slug(title: &str) -> String {
    let words: Vec<String> = title
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    if words.is_empty() { "more".to_string() } else { words.join("-") }
}

/// What `x-private` may name.
pub(super) const PRIVATE_PATHS: &[&str] = &[
    "email",
    "phone",
    "url",
    "image",
    "profiles",
    "birthDate",
    "location",
    "location.address",
    "location.postalCode",
    "location.city",
    "location.region",
    "location.countryCode",
];

fn private(fields: &mut Fields<'_, '_>) -> Vec<String> {
    let place = fields.place();
    let mut res = Vec::new();
    for path in fields.texts(&["x-private"]) {
        let path = path.strip_prefix("basics.").unwrap_or(&path);
        if PRIVATE_PATHS.contains(&path) {
            res.push(path.to_string());
            continue;
        }
        // Shown by mistake cannot be taken back: an unknown name stops the CV.
        let hint = match nearest(path, PRIVATE_PATHS.iter().copied()) {
            Some(near) => format!("did you mean {}?", quoted(near)),
            None => format!("write one of {}", PRIVATE_PATHS.join(", ")),
        };
        let message = format!("{} cannot be made private", quoted(path));
        fields.report.error(place, "x-private".to_string(), message, hint);
    }
    res
}

fn meta(fields: &mut Fields<'_, '_>, cv: &Cv) -> Meta {
    let place = fields.place();
    let (mut res, extra) = fields.group(&["meta"], |fields| {
        let mut res = Meta {
            canonical: fields.link(&["canonical"]),
            version: fields.text(&["version"]),
            last_modified: fields.text(&["lastModified"]),
            sections: None,
            section_labels: fields.group(&["sectionLabels"], section_labels).0,
            theme: theme(fields),
            colors: Vec::new(),
            print_qr: false,
            extra: Vec::new(),
        };
        (res.colors, res.print_qr) = fields.group(&["themeOptions"], theme_options).0;
        let sections = fields.texts(&["sections"]);
        res.sections = (!sections.is_empty()).then_some(sections);
        // Registries and themes keep many things of their own here.
        res.extra = fields.take_rest();
        res
    });
    res.extra.extend(extra);
    let keys: Vec<&str> = SectionId::DEFAULT_ORDER
        .iter()
        .filter_map(|section| section.key())
        .chain(cv.custom.iter().map(|custom| custom.id.as_str()))
        .collect();
    for key in res.sections.iter_mut().flatten() {
        if keys.contains(&key.as_str()) || key == "basics" {
            continue;
        }
        let near = nearest(key, keys.iter().copied());
        let hint = near.map_or(format!("write one of {}", keys.join(", ")), |near| {
            format!("did you mean {}?", quoted(near))
        });
        fields.report.warn(
            place,
            "meta.sections".to_string(),
            format!("there is no section {}", quoted(key)),
            hint,
        );
    }
    res
}

/// Reads `meta.theme`. Names of other programs' themes are none of ours; a slip is told.
fn theme(fields: &mut Fields<'_, '_>) -> Option<String> {
    let (name, place) = fields.placed_text(&["theme"])?;
    let known = || Theme::NAMES.iter().map(|(known, _)| *known);
    if !known().any(|known| known == name)
        && let Some(near) = nearest(&name, known())
    {
        let path = fields.path_of("theme");
        let message = format!("there is no theme {}", quoted(&name));
        fields.report.warn(place, path, message, format!("did you mean {}?", quoted(near)));
    }
    Some(name)
}

/// Reads what we know of `meta.themeOptions`; other themes keep many things there.
fn theme_options(fields: &mut Fields<'_, '_>) -> (Vec<Chosen>, bool) {
    let place = fields.place();
    let colors = fields.group(&["colors"], colors).0;
    for (role, scheme, contrast) in color::hard_to_read(&colors) {
        let (path, min) = (fields.path_of("colors"), color::CONTRAST_MIN);
        let message = format!(
            "text in {} is hard to read on {scheme} paper: its contrast is {contrast:.1}:1",
            quoted(role.property().trim_start_matches('-'))
        );
        fields.report.warn(place, path, message, format!("choose a colour with at least {min}:1"));
    }
    let print_qr = fields.flag("printQr").unwrap_or(false);
    fields.take_rest();
    (colors, print_qr)
}

/// Reads `name: colour`, or `name: [light, dark]`.
fn colors(fields: &mut Fields<'_, '_>) -> Vec<Chosen> {
    let mut res: Vec<Chosen> = Vec::new();
    for (key, node) in fields.take_rest() {
        let path = fields.path_of(&key.name);
        let Some(role) = Role::named(&key.name) else {
            let known = ["accent", "paper", "ink", "soft", "rule"];
            let near = nearest(&key.name, known).map_or(known.join(", "), str::to_string);
            let message = format!("no theme here has a colour {}", quoted(&key.name));
            fields.report.warn(key.place, path, message, format!("known are: {near}"));
            continue;
        };
        let texts: Vec<&str> = match &node.value {
            Value::Scalar(text) => vec![text],
            Value::List(items) => items.iter().filter_map(|item| item.value.scalar()).collect(),
            Value::Null | Value::Map(_) => Vec::new(),
        };
        let parsed: Result<Vec<Color>, _> = texts.iter().map(|text| text.parse::<Color>()).collect();
        match parsed.as_deref() {
            Ok([both]) => res.push(Chosen { role, light: *both, dark: *both }),
            Ok([light, dark]) => res.push(Chosen { role, light: *light, dark: *dark }),
            Ok(_) => fields.wrong_kind(&node, path, "a colour, or a light and a dark one,"),
            Err(fault) => fields.report.warn(node.place, path, fault.to_string(), "it was left out"),
        }
    }
    res
}

fn section_labels(fields: &mut Fields<'_, '_>) -> Vec<(String, String)> {
    let mut res = Vec::new();
    for (key, node) in fields.take_rest() {
        match node.value {
            Value::Scalar(text) => res.push((key.name, text)),
            Value::Null => {}
            Value::List(_) | Value::Map(_) => {
                let path = fields.path_of(&key.name);
                fields.wrong_kind(&node, path, "a text");
            }
        }
    }
    res
}
