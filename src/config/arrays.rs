//! Settings that are lists of tables, `[[logs.file]]`, `[[logs.journal]]` and `[[rules]]`: only in
//! the file.

use toml_edit::{Item, TableLike};

use super::file::Walk;
use super::{Problem, rules, unknown};
use crate::ingest::tail::{
    self, FileSource, Format, JournalSource, SOURCES_MAX, StartAt, TAG_MAX_BYTES, UNITS_MAX, check_pattern,
};
use crate::query::rules::RULES_MAX;

/// The lists with the keys of each entry.
pub const ARRAYS: [(&str, &[&str]); 3] = [
    ("logs.file", &["path", "tag", "format", "from"]),
    ("logs.journal", &["units", "tag"]),
    ("rules", &rules::KEYS),
];

/// What the lists of a file hold.
#[derive(Debug, Default)]
pub struct Lists {
    /// `[[logs.file]]` and `[[logs.journal]]`
    pub logs: tail::Config,
    /// `[[rules]]`
    pub rules: Vec<rules::Written>,
}

/// Returns the name of the list with this key.
pub(super) fn find(key: &str) -> Option<&'static str> {
    ARRAYS.iter().find(|(name, _)| *name == key).map(|(name, _)| *name)
}

/// Returns true when some list's key goes on after `key.`.
pub(super) fn is_table(key: &str) -> bool {
    ARRAYS.iter().any(|(name, _)| name.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
}

/// Reads a list into the configuration, or says everything that is wrong with it.
pub(super) fn read(walk: &mut Walk<'_>, name: &'static str, item: &Item, place: String, lists: &mut Lists) {
    let tables: Option<Vec<&dyn TableLike>> = match item {
        Item::ArrayOfTables(tables) => Some(tables.iter().map(|table| table as &dyn TableLike).collect()),
        Item::Value(value) => value.as_array().and_then(|array| {
            array.iter().map(|value| value.as_inline_table().map(|table| table as &dyn TableLike)).collect()
        }),
        Item::None | Item::Table(_) => None,
    };
    let Some(tables) = tables else {
        let message =
            format!("`{name}`: {} is not a list of tables, each headed [[{name}]]", walk.shown(item));
        return walk.problems.push(Problem { place, message });
    };
    let n_max = if name == "rules" { RULES_MAX } else { SOURCES_MAX };
    if tables.len() > n_max {
        let message = format!("`{name}`: {} tables are not up to {n_max}", tables.len());
        walk.problems.push(Problem { place: place.clone(), message });
    }
    for table in tables {
        let mut entry = Entry { walk, name, table };
        entry.refuse_unknown_keys();
        match name {
            "logs.file" => lists.logs.files.extend(entry.file(&place)),
            "rules" => lists.rules.push(rules::written(entry.walk, table, &place)),
            _ => lists.logs.journals.push(entry.journal()),
        }
    }
}

/// One table of a list.
struct Entry<'a, 'w> {
    walk: &'a mut Walk<'w>,
    name: &'static str,
    table: &'a dyn TableLike,
}

const TAG: &str = "a text of 1 to 256 bytes";

impl Entry<'_, '_> {
    fn file(&mut self, place: &str) -> Option<FileSource> {
        let accepts = "an absolute path, in which * ? and [] stand for parts of names";
        let path = self.text("path", accepts, |text| check_pattern(text).map(|()| text.to_string()));
        if path.is_none() && self.table.get("path").is_none() {
            let message = format!("`{}.path` is missing: set it to {accepts}", self.name);
            let span = self.table.iter().next().and_then(|(name, _)| self.table.key(name)?.span());
            let place = span.map_or(place.to_string(), |span| self.walk.place(span.start));
            self.walk.problems.push(Problem { place, message });
        }
        let tag = self.tag();
        let format = self.text("format", "auto, text, json or access", |text| word(&Format::WORDS, text));
        let from = self.text("from", "end or start", |text| word(&StartAt::WORDS, text));
        Some(FileSource {
            path: path?,
            tag,
            format: format.unwrap_or_default(),
            from: from.unwrap_or_default(),
        })
    }

    fn journal(&mut self) -> JournalSource {
        let tag = self.tag();
        let Some(item) = self.table.get("units") else { return JournalSource { units: vec![], tag } };
        let units: Option<Vec<String>> = item.as_array().and_then(|array| {
            array.iter().map(|unit| unit.as_str().filter(|unit| is_unit(unit)).map(str::to_string)).collect()
        });
        match units {
            Some(units) if units.len() <= UNITS_MAX => JournalSource { units, tag },
            _ => {
                self.refuse("units", item, "a list of up to 64 units such as [\"nginx.service\"]", "");
                JournalSource { units: vec![], tag }
            }
        }
    }

    fn tag(&mut self) -> Option<String> {
        self.text("tag", TAG, |text| {
            let fits = (1..=TAG_MAX_BYTES).contains(&text.len());
            if fits { Ok(text.to_string()) } else { Err(String::new()) }
        })
    }

    /// Reads a key's text; one that is not there is none, one that is wrong is a problem.
    fn text<T>(&mut self, key: &str, accepts: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let item = self.table.get(key)?;
        match item.as_str().map(&read) {
            Some(Ok(value)) => return Some(value),
            Some(Err(reason)) => self.refuse(key, item, accepts, &reason),
            None => self.refuse(key, item, accepts, item.type_name()),
        }
        None
    }

    fn refuse(&mut self, key: &str, item: &Item, accepts: &str, reason: &str) {
        let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
        let message = format!("`{}.{key}`: {} is not {accepts}{reason}", self.name, self.walk.shown(item));
        let place = self.place_of(key);
        self.walk.problems.push(Problem { place, message });
    }

    fn refuse_unknown_keys(&mut self) {
        let keys =
            ARRAYS.iter().find(|(name, _)| *name == self.name).map_or(&[] as &[&str], |(_, keys)| keys);
        for (key, _) in self.table.iter().filter(|(key, _)| !keys.contains(key)) {
            let known = keys.iter().map(|key| format!("{}.{key}", self.name));
            let message = unknown(&format!("{}.{key}", self.name), known);
            let place = self.place_of(key);
            self.walk.problems.push(Problem { place, message });
        }
    }

    fn place_of(&self, key: &str) -> String {
        let span = self.table.key(key).and_then(|key| key.span());
        self.walk.place(span.map_or(0, |span| span.start))
    }
}

/// A unit's name goes to journalctl as one argument; with a dash in front it would be an option
/// only if it stood alone, so that letters are all that is asked (systemd.unit(5)).
fn is_unit(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@*?".contains(c);
    (1..=255).contains(&text.len()) && text.chars().all(is_allowed)
}

fn word<T: Copy>(words: &[(&str, T)], text: &str) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(String::new)
}
