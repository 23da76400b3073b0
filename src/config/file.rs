//! The configuration file: TOML into (key, text) pairs with their places.

use std::path::Path;

use toml_edit::{Document, Item, TableLike, Value};

use super::settings::{self, SETTINGS};
use super::{Given, Problem, Source, place_in, unknown};

/// Larger than any file a person writes; refused before it is read.
const FILE_MAX_BYTES: u64 = 1024 * 1024;

/// Reads the file's values into `given`, or says what is wrong with it.
pub(super) fn read(path: &Path, given: &mut Vec<Given>, problems: &mut Vec<Problem>) {
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
    let mut walk = Walk { path, text: &text, given, problems };
    walk.table(document.as_table(), "");
}

fn read_bounded(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|fault| format!("read the file: {fault}"))?.len();
    if size > FILE_MAX_BYTES {
        return Err(format!("the file has {size} bytes; a configuration has at most {FILE_MAX_BYTES}"));
    }
    std::fs::read_to_string(path).map_err(|fault| format!("read the file: {fault}"))
}

struct Walk<'a> {
    path: &'a Path,
    text: &'a str,
    given: &'a mut Vec<Given>,
    problems: &'a mut Vec<Problem>,
}

impl Walk<'_> {
    fn table(&mut self, table: &dyn TableLike, prefix: &str) {
        for (name, item) in table.iter() {
            let key = if prefix.is_empty() { name.to_string() } else { format!("{prefix}.{name}") };
            let span = table.key(name).and_then(|key| key.span()).or_else(|| item.span());
            let place = place_in(self.path, self.text, span.map_or(0, |span| span.start));
            self.item(&key, item, place);
        }
    }

    fn item(&mut self, key: &str, item: &Item, place: String) {
        let setting = settings::find(key);
        match (setting, item.as_table_like()) {
            (None, Some(table)) if settings::is_table(key) => self.table(table, key),
            (None, _) => {
                let message = unknown(key, SETTINGS.iter().map(|setting| setting.key.to_string()));
                self.problems.push(Problem { place, message });
            }
            (Some(setting), _) => match item.as_value().and_then(text_of) {
                Some(value) => {
                    let source = Source::File(self.path.to_path_buf());
                    self.given.push(Given { setting, value, source, place });
                }
                None => {
                    let message = format!("`{key}`: a {} is not {}", item.type_name(), setting.accepts);
                    self.problems.push(Problem { place, message });
                }
            },
        }
    }
}

/// Returns a scalar as the text that the environment would hold, a list joined by commas.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.value().clone()),
        Value::Integer(number) => Some(number.value().to_string()),
        Value::Float(number) => Some(number.value().to_string()),
        Value::Boolean(truth) => Some(truth.value().to_string()),
        Value::Array(items) => {
            let texts: Option<Vec<String>> = items.iter().map(text_of).collect();
            texts.map(|texts| texts.join(","))
        }
        Value::Datetime(_) | Value::InlineTable(_) => None,
    }
}
