//! Writes a CV as JSON Resume 1.x that any validator accepts.

use serde_json::{Map, Value};

use super::date::{End, Period, When};
use super::disclose::Disclosed;
use super::link::Link;
use super::model::{Cv, Entry, Image};

/// The schema that the output obeys.
const SCHEMA: &str = "https://raw.githubusercontent.com/jsonresume/resume-schema/v1.0.0/schema.json";

/// Returns the CV as JSON Resume: fields in the order of the schema, empty ones left out,
/// dates as precise as written, what is no date left out.
///
/// The `@` of addresses is written as an escape, which every JSON reader undoes and naive
/// harvesters do not.
pub fn public_json(cv: &Disclosed) -> String {
    let json = serde_json::to_string_pretty(&document(cv)).expect("a tree of texts has a JSON form");
    json.replace('@', "\\u0040")
}

/// An object whose empty fields are left out.
#[derive(Default)]
struct Object(Map<String, Value>);

impl Object {
    fn put(mut self, key: &str, value: Value) -> Self {
        let is_empty = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(map) => map.is_empty(),
            Value::Bool(_) | Value::Number(_) => false,
        };
        if !is_empty {
            self.0.insert(key.to_string(), value);
        }
        self
    }

    fn text(self, key: &str, value: &Option<String>) -> Self {
        self.put(key, value.clone().into())
    }

    fn texts(self, key: &str, values: &[String]) -> Self {
        self.put(key, values.to_vec().into())
    }

    fn link(self, value: &Option<Link>) -> Self {
        self.put("url", value.as_ref().map(Link::to_string).into())
    }

    fn when(self, key: &str, value: &Option<When>) -> Self {
        match value {
            Some(When::Date(date)) => self.put(key, date.to_string().into()),
            Some(When::Words(_)) | None => self,
        }
    }

    fn period(self, period: &Period) -> Self {
        let with_start = self.when("startDate", &period.start);
        match &period.end {
            End::At(when) => with_start.when("endDate", &Some(when.clone())),
            End::Unwritten | End::Ongoing => with_start,
        }
    }

    fn entries<T>(self, key: &str, entries: &[Entry<T>], write: impl Fn(Object, &T) -> Object) -> Self {
        let values: Vec<Value> =
            entries.iter().map(|entry| Value::Object(write(Object::default(), &entry.item).0)).collect();
        self.put(key, values.into())
    }

    fn group(self, key: &str, value: Object) -> Self {
        self.put(key, Value::Object(value.0))
    }
}

fn document(cv: &Cv) -> Value {
    let object = Object::default().put("$schema", SCHEMA.into()).group("basics", basics(cv));
    let object = occupations(object, cv);
    let object = achievements(object, cv);
    let object = custom(object, cv);
    let meta = Object::default()
        .put("canonical", cv.meta.canonical.as_ref().map(Link::to_string).into())
        .text("version", &cv.meta.version)
        .text("lastModified", &cv.meta.last_modified);
    Value::Object(object.group("meta", meta).0)
}

fn basics(cv: &Cv) -> Object {
    let basics = &cv.basics;
    let image = basics.image.as_ref().map(|image| match image {
        Image::File(path) => path.clone(),
        Image::Remote(link) => link.to_string(),
    });
    let location = Object::default()
        .text("address", &basics.location.address)
        .text("postalCode", &basics.location.postal_code)
        .text("city", &basics.location.city)
        .text("countryCode", &basics.location.country_code)
        .text("region", &basics.location.region);
    Object::default()
        .text("name", &basics.name)
        .text("label", &basics.label)
        .text("image", &image)
        .text("email", &basics.email)
        .text("phone", &basics.phone)
        .link(&basics.url)
        .text("summary", &basics.summary)
        .group("location", location)
        .entries("profiles", &basics.profiles, |object, profile| {
            object.text("network", &profile.network).text("username", &profile.username).link(&profile.url)
        })
}

fn occupations(object: Object, cv: &Cv) -> Object {
    object
        .entries("work", &cv.work, |object, work| {
            object
                .text("name", &work.name)
                .text("location", &work.location)
                .text("description", &work.description)
                .text("position", &work.position)
                .link(&work.url)
                .period(&work.period)
                .text("summary", &work.summary)
                .texts("highlights", &work.highlights)
        })
        .entries("volunteer", &cv.volunteer, |object, volunteer| {
            object
                .text("organization", &volunteer.organization)
                .text("position", &volunteer.position)
                .link(&volunteer.url)
                .period(&volunteer.period)
                .text("summary", &volunteer.summary)
                .texts("highlights", &volunteer.highlights)
        })
        .entries("education", &cv.education, |object, education| {
            object
                .text("institution", &education.institution)
                .link(&education.url)
                .text("area", &education.area)
                .text("studyType", &education.study_type)
                .period(&education.period)
                .text("score", &education.score)
                .texts("courses", &education.courses)
        })
}

fn achievements(object: Object, cv: &Cv) -> Object {
    object
        .entries("awards", &cv.awards, |object, award| {
            object
                .text("title", &award.title)
                .when("date", &award.date)
                .text("awarder", &award.awarder)
                .text("summary", &award.summary)
        })
        .entries("certificates", &cv.certificates, |object, certificate| {
            object
                .text("name", &certificate.name)
                .when("date", &certificate.date)
                .link(&certificate.url)
                .text("issuer", &certificate.issuer)
        })
        .entries("publications", &cv.publications, |object, publication| {
            object
                .text("name", &publication.name)
                .text("publisher", &publication.publisher)
                .when("releaseDate", &publication.release_date)
                .link(&publication.url)
                .text("summary", &publication.summary)
        })
        .entries("skills", &cv.skills, |object, skill| {
            object.text("name", &skill.name).text("level", &skill.level).texts("keywords", &skill.keywords)
        })
        .entries("languages", &cv.languages, |object, language| {
            object.text("language", &language.language).text("fluency", &language.fluency)
        })
        .entries("interests", &cv.interests, |object, interest| {
            object.text("name", &interest.name).texts("keywords", &interest.keywords)
        })
        .entries("references", &cv.references, |object, reference| {
            object.text("name", &reference.name).text("reference", &reference.reference)
        })
        .entries("projects", &cv.projects, |object, project| {
            object
                .text("name", &project.name)
                .text("description", &project.description)
                .texts("highlights", &project.highlights)
                .texts("keywords", &project.keywords)
                .period(&project.period)
                .link(&project.url)
                .texts("roles", &project.roles)
                .text("entity", &project.entity)
                .text("type", &project.kind)
        })
}

/// The author's own sections travel under the key that we read them from.
fn custom(object: Object, cv: &Cv) -> Object {
    let sections: Vec<Value> = cv
        .custom
        .iter()
        .filter(|section| !section.items.is_empty())
        .map(|section| {
            let value = Object::default().put("title", section.title.clone().into()).entries(
                "items",
                &section.items,
                |object, item| {
                    object
                        .text("title", &item.title)
                        .text("subtitle", &item.subtitle)
                        .link(&item.url)
                        .when("date", &item.date)
                        .period(&item.period)
                        .text("summary", &item.summary)
                        .texts("highlights", &item.highlights)
                        .texts("keywords", &item.keywords)
                },
            );
            Value::Object(value.0)
        })
        .collect();
    object.put("x-sections", sections.into())
}
