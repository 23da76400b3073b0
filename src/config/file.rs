//! The configuration file: TOML into (key, text) pairs with their places.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use toml_edit::{Document, Item, TableLike, Value};

use super::arrays::Lists;
use super::settings::{self, SETTINGS};
use super::value::{Kind, MASK};
use super::{Given, Problem, Source, arrays, place_in, unknown};
use crate::record::access::cut;

/// Larger than any file a person writes; refused before it is read.
const FILE_MAX_BYTES: u64 = 1024 * 1024;

/// As much of a wrong value is shown.
const SHOWN_MAX_BYTES: usize = 60;

/// Reads the file's values into `given` and its lists of tables into `lists`, or says what is
/// wrong with it.
pub(super) fn read(path: &Path, given: &mut Vec<Given>, lists: &mut Lists, problems: &mut Vec<Problem>) {
    let whole_file = |message: String| Problem { place: path.display().to_string(), message };
    let text = match read_bounded(path) {
        Ok(text) => text,
        Err(message) => return problems.push(whole_file(message)),
    };
    let document = match Document::parse(text.as_str()) {
        Ok(document) => document,
        Err(fault) => {
            let offset = fault.span().map_or(0, |span| span.start);
            let message = fault.message().replace('\n', ", ");
            return problems.push(Problem { place: place_in(path, &text, offset), message });
        }
    };
    let mut walk = Walk { path, text: &text, given, lists, problems };
    walk.table(document.as_table(), "");
}

pub(super) fn read_bounded(path: &Path) -> Result<String, String> {
    let attempt = |fault: std::io::Error| format!("read the file: {fault}");
    // A pipe or a device could block or never end.
    let metadata = std::fs::metadata(path).map_err(attempt)?;
    if !metadata.is_file() {
        return Err("it is not a file".to_string());
    }
    let mut text = String::new();
    let file = File::open(path).map_err(attempt)?;
    file.take(FILE_MAX_BYTES + 1).read_to_string(&mut text).map_err(attempt)?;
    if text.len() as u64 > FILE_MAX_BYTES {
        return Err(format!("the file has more than {FILE_MAX_BYTES} bytes, which no configuration has"));
    }
    Ok(text)
}

/// What is read of a file while its tables are walked through.
pub(super) struct Walk<'a> {
    path: &'a Path,
    text: &'a str,
    given: &'a mut Vec<Given>,
    lists: &'a mut Lists,
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Walk<'_> {
    fn table(&mut self, table: &dyn TableLike, prefix: &str) {
        for (name, item) in table.iter() {
            let key = if prefix.is_empty() { name.to_string() } else { format!("{prefix}.{name}") };
            let span = table.key(name).and_then(|key| key.span()).or_else(|| item.span());
            let place = self.place(span.map_or(0, |span| span.start));
            self.item(&key, item, place);
        }
    }

    /// Returns the place of a byte.
    pub(super) fn place(&self, offset: usize) -> String {
        place_in(self.path, self.text, offset)
    }

    /// Returns a value as it stands in the file, as much of it as is shown.
    pub(super) fn shown(&self, item: &Item) -> &str {
        let value = item.span().and_then(|span| self.text.get(span)).unwrap_or_default();
        cut(value.trim(), SHOWN_MAX_BYTES)
    }

    fn item(&mut self, key: &str, item: &Item, place: String) {
        if let Some(name) = arrays::find(key) {
            let mut lists = std::mem::take(self.lists);
            arrays::read(self, name, item, place, &mut lists);
            *self.lists = lists;
            return;
        }
        let setting = settings::find(key);
        match (setting, item.as_table_like()) {
            (None, Some(table)) if settings::is_table(key) || arrays::is_table(key) => self.table(table, key),
            (None, _) => {
                let settings = SETTINGS.iter().map(|setting| setting.key.to_string());
                let lists = arrays::ARRAYS.iter().map(|(name, _)| name.to_string());
                let message = unknown(key, settings.chain(lists));
                self.problems.push(Problem { place, message });
            }
            (Some(setting), _) => match item.as_value().and_then(|value| text_of(value, (setting.kinds)())) {
                Some(value) => {
                    let source = Source::File(self.path.to_path_buf());
                    self.given.push(Given { setting, value, source, place });
                }
                None => {
                    let kind = item.type_name();
                    let value = if setting.is_secret { MASK } else { self.shown(item) };
                    let message = format!("`{key}`: {value} ({kind}) is not {}", setting.accepts);
                    self.problems.push(Problem { place, message });
                }
            },
        }
    }
}

/// Returns a value as the text that the environment would hold, a list joined by commas, when
/// its type is one of `kinds`.
fn text_of(value: &Value, kinds: &[Kind]) -> Option<String> {
    let text_if = |kind: Kind, text: String| kinds.contains(&kind).then_some(text);
    match value {
        Value::String(text) => text_if(Kind::Text, text.value().clone()),
        Value::Integer(number) => text_if(Kind::Number, number.value().to_string()),
        Value::Boolean(truth) => text_if(Kind::Truth, truth.value().to_string()),
        Value::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            text_if(Kind::List, texts?.join(","))
        }
        Value::Float(number) => text_if(Kind::Number, number.value().to_string()),
        Value::Datetime(_) | Value::InlineTable(_) => None,
    }
}
