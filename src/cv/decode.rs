//! How values become fields: one reader of groups that knows names old and new, says what
//! it mended, and keeps what it does not know.

use super::date::{self, End, Period, Read, When};
use super::html;
use super::link::{self, Link};
use super::model::Entry;
use super::node::{Key, Node, Value};
use super::problem::{Place, Problem, Severity, quoted};
use super::rewrite::Renames;

/// Most problems that one file may report; a file with more is wrong in one way, many times.
const PROBLEMS_MAX: usize = 100;

/// How alike a key must be to a known name to be taken for a slip of it (1 is equal).
const ALIKE: f64 = 0.75;

/// Collects the problems of one file.
pub(super) struct Report {
    file: String,
    renames: Renames,
    problems: Vec<Problem>,
    n_unlisted: usize,
    n_errors: usize,
}

impl Report {
    pub fn new(file: &str) -> Self {
        Report {
            file: file.to_string(),
            renames: Renames::new(),
            problems: Vec::new(),
            n_unlisted: 0,
            n_errors: 0,
        }
    }

    fn add(&mut self, severity: Severity, place: Place, path: String, message: String, hint: String) {
        self.n_errors += usize::from(severity == Severity::Error);
        if self.problems.len() >= PROBLEMS_MAX {
            self.n_unlisted += 1;
            return;
        }
        let (file, place) = (self.file.clone(), Some(place));
        self.problems.push(Problem { severity, file, place, path, message, hint });
    }

    pub fn warn(&mut self, place: Place, path: String, message: impl Into<String>, hint: impl Into<String>) {
        self.add(Severity::Warning, place, path, message.into(), hint.into());
    }

    pub fn error(&mut self, place: Place, path: String, message: impl Into<String>, hint: impl Into<String>) {
        self.add(Severity::Error, place, path, message.into(), hint.into());
    }

    /// Returns the keys that have another name today.
    pub fn renames(&self) -> &Renames {
        &self.renames
    }

    pub fn has_errors(&self) -> bool {
        self.n_errors > 0
    }

    /// Returns the problems in the order of the file.
    pub fn finish(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| problem.place);
        if self.n_unlisted > 0 {
            let last = self.problems.last().expect("problems are unlisted only after a hundred are listed");
            self.problems.push(Problem {
                severity: if self.has_errors() { Severity::Error } else { Severity::Warning },
                path: String::new(),
                message: format!("{} more problems are not listed", self.n_unlisted),
                hint: "mend these first".to_string(),
                ..last.clone()
            });
        }
        self.problems
    }
}

/// Returns the known name that `found` is probably a slip of.
pub(super) fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['_', '-', ' '], "");
    let found = plain(found);
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&found, &plain(name)), name))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// The keys of one group, taken out one by one by those who know them.
pub(super) struct Fields<'r, 'n> {
    pub report: &'r mut Report,
    path: String,
    place: Place,
    rest: Vec<&'n (Key, Node)>,
    known: Vec<&'static str>,
    extra: Vec<(Key, Node)>,
}

impl<'r, 'n> Fields<'r, 'n> {
    pub fn new(report: &'r mut Report, path: String, place: Place, entries: &'n [(Key, Node)]) -> Self {
        let rest = entries.iter().collect();
        Fields { report, path, place, rest, known: Vec::new(), extra: Vec::new() }
    }

    pub fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_string() } else { format!("{}.{name}", self.path) }
    }

    fn remove(&mut self, name: &str) -> Option<&'n (Key, Node)> {
        let idx = self.rest.iter().position(|(key, _)| key.name == name)?;
        Some(self.rest.remove(idx))
    }

    /// Takes the value of a field by its name or, with a note, by an older one.
    pub fn take(&mut self, names: &[&'static str]) -> Option<&'n Node> {
        self.known.push(names[0]);
        let mut res: Option<&'n Node> = None;
        for name in names {
            let Some((key, node)) = self.remove(name) else { continue };
            let path = self.path_of(name);
            if res.is_some() {
                let message = format!("this key means the same as {}, which is there too", quoted(names[0]));
                self.report.warn(key.place, path, message, "it is not shown; remove one of the two");
                self.extra.push((key.clone(), node.clone()));
                continue;
            }
            if *name != names[0] {
                self.report.renames.insert(key.place, names[0]);
                let message = format!("{} is an older name", quoted(name));
                self.report.warn(key.place, path, message, format!("write {}", quoted(names[0])));
            }
            res = Some(node);
        }
        res
    }

    pub fn wrong_kind(&mut self, node: &Node, path: String, wanted: &str) {
        let message = format!("found {} where {wanted} should be", node.value.kind());
        let hint = match &node.value {
            Value::Scalar(text) => format!("{} stands alone here", quoted(text)),
            Value::List(_) if wanted == "a text" => "write one text, without `-` or brackets".to_string(),
            Value::Map(_) if wanted.starts_with("a list") => "put `- ` before its first key".to_string(),
            Value::Null | Value::List(_) | Value::Map(_) => "check the indentation".to_string(),
        };
        self.report.error(node.place, path, message, hint);
    }

    /// Reads a text; empty means absent.
    pub fn text(&mut self, names: &[&'static str]) -> Option<String> {
        let node = self.take(names)?;
        let path = self.path_of(names[0]);
        self.text_at(node, path)
    }

    /// Reads a text together with its place, for a field that looks closer at it.
    pub fn placed_text(&mut self, names: &[&'static str]) -> Option<(String, Place)> {
        let node = self.take(names)?;
        let path = self.path_of(names[0]);
        Some((self.text_at(node, path)?, node.place))
    }

    fn text_at(&mut self, node: &Node, path: String) -> Option<String> {
        let text = match &node.value {
            Value::Null => return None,
            Value::Scalar(text) => text.clone(),
            Value::Map(entries) => match one_pair(entries) {
                Some(text) => {
                    let hint = "put quotes around it, as a colon and a space make a key in YAML";
                    self.report.warn(
                        node.place,
                        path.clone(),
                        format!("read as the text {}", quoted(&text)),
                        hint,
                    );
                    text
                }
                None => {
                    self.wrong_kind(node, path, "a text");
                    return None;
                }
            },
            Value::List(_) => {
                self.wrong_kind(node, path, "a text");
                return None;
            }
        };
        let text = match html::strip(&text) {
            None => text,
            Some((stripped, name)) => {
                let message = format!("the HTML element <{name}> was taken out");
                self.report.warn(
                    node.place,
                    path,
                    message,
                    "use Markdown: **bold**, *italic*, [text](https://…), - list",
                );
                stripped
            }
        };
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_string())
    }

    /// Reads a list of texts; one text alone is a list of one.
    pub fn texts(&mut self, names: &[&'static str]) -> Vec<String> {
        let Some(node) = self.take(names) else { return Vec::new() };
        let path = self.path_of(names[0]);
        match &node.value {
            Value::Null => Vec::new(),
            Value::List(items) => {
                let texts = items.iter().enumerate();
                texts.filter_map(|(idx, item)| self.text_at(item, format!("{path}[{idx}]"))).collect()
            }
            Value::Scalar(text) if text.trim().is_empty() => Vec::new(),
            Value::Scalar(text) => {
                let message = format!("{} is one text where a list of texts should be", quoted(text));
                self.report.warn(
                    node.place,
                    path.clone(),
                    message,
                    "put each on a line of its own with `- ` before it",
                );
                self.text_at(node, path).into_iter().collect()
            }
            Value::Map(_) => {
                self.wrong_kind(node, path, "a list of texts");
                Vec::new()
            }
        }
    }

    /// Reads a link; what cannot be one is left out with a warning.
    pub fn link(&mut self, names: &[&'static str]) -> Option<Link> {
        let node = self.take(names)?;
        let path = self.path_of(names[0]);
        let text = self.text_at(node, path.clone())?;
        match link::check(&text) {
            link::Checked::Safe(link) => Some(link),
            link::Checked::Mended(link) => {
                let message = format!("{} has no scheme", quoted(&text));
                self.report.warn(node.place, path, message, format!("read as {}", quoted(link.as_str())));
                Some(link)
            }
            link::Checked::Unsafe(scheme) => {
                let message = format!("a link with {} was taken out", quoted(&format!("{scheme}:")));
                self.report.warn(node.place, path, message, "use http, https, mailto or tel");
                None
            }
            link::Checked::NoUrl => {
                let message = format!("{} is not a link and was left out", quoted(&text));
                self.report.warn(node.place, path, message, "write it as https://example.com/page");
                None
            }
        }
    }

    /// Reads a date; words that are no date are kept as words.
    pub fn when(&mut self, names: &[&'static str]) -> Option<When> {
        let node = self.take(names)?;
        let path = self.path_of(names[0]);
        let text = self.text_at(node, path.clone())?;
        match self.when_of(node.place, path, text) {
            End::At(when) => Some(when),
            End::Ongoing | End::Unwritten => None,
        }
    }

    fn when_of(&mut self, place: Place, path: String, text: String) -> End {
        match date::read(&text) {
            Read::Exact(date) => End::At(When::Date(date)),
            Read::Ongoing => End::Ongoing,
            Read::Mended(date) => {
                let message = format!("{} was read as {date}", quoted(&text));
                self.report.warn(place, path, message, "write YYYY, YYYY-MM or YYYY-MM-DD");
                End::At(When::Date(date))
            }
            Read::Words => {
                let message = format!("{} is not a date", quoted(&text));
                self.report.warn(place, path, message, "write YYYY, YYYY-MM or YYYY-MM-DD");
                End::At(When::Words(text))
            }
        }
    }

    /// Reads `startDate` and `endDate`.
    pub fn period(&mut self) -> Period {
        let start = self.when(&["startDate"]);
        let Some(node) = self.take(&["endDate"]) else { return Period { start, end: End::Unwritten } };
        let path = self.path_of("endDate");
        let end = match self.text_at(node, path.clone()) {
            Some(text) => self.when_of(node.place, path.clone(), text),
            None => End::Ongoing,
        };
        if let (Some(When::Date(start)), End::At(When::Date(end))) = (&start, &end)
            && end.lies_before(*start)
        {
            self.report.warn(
                node.place,
                path,
                format!("the end {end} lies before the start {start}"),
                "check both",
            );
        }
        Period { start, end }
    }

    /// Reads a boolean; `None` when the key is not there.
    pub fn flag(&mut self, name: &'static str) -> Option<bool> {
        let node = self.take(&[name])?;
        let path = self.path_of(name);
        let text = self.text_at(node, path.clone())?;
        match text.to_lowercase().as_str() {
            "true" | "yes" => Some(true),
            "false" | "no" => Some(false),
            _ => {
                self.report.warn(
                    node.place,
                    path,
                    format!("{} is neither true nor false", quoted(&text)),
                    "",
                );
                None
            }
        }
    }

    /// Reads a group; `read` takes what it knows.
    pub fn group<T: Default>(
        &mut self,
        names: &[&'static str],
        read: impl FnOnce(&mut Fields<'_, 'n>) -> T,
    ) -> (T, Vec<(Key, Node)>) {
        let Some(node) = self.take(names) else { return Default::default() };
        let path = self.path_of(names[0]);
        match &node.value {
            Value::Null => Default::default(),
            Value::Map(entries) => {
                let mut fields = Fields::new(self.report, path, node.place, entries);
                let res = read(&mut fields);
                (res, fields.finish())
            }
            Value::Scalar(_) | Value::List(_) => {
                self.wrong_kind(node, path, "a group of keys");
                Default::default()
            }
        }
    }

    /// Reads a list of entries. A bare text stands for an entry that has only the field `bare`.
    pub fn entries<T>(
        &mut self,
        names: &[&'static str],
        bare: &'static str,
        read: impl Fn(&mut Fields<'_, '_>) -> T,
    ) -> Vec<Entry<T>> {
        let Some(node) = self.take(names) else { return Vec::new() };
        let path = self.path_of(names[0]);
        let items = match &node.value {
            Value::Null => return Vec::new(),
            Value::List(items) => items,
            Value::Scalar(text) if text.trim().is_empty() => return Vec::new(),
            Value::Scalar(_) | Value::Map(_) => {
                self.wrong_kind(node, path, "a list of entries");
                return Vec::new();
            }
        };
        let mut res = Vec::with_capacity(items.len());
        for (idx, item) in items.iter().enumerate() {
            let path = format!("{path}[{idx}]");
            match &item.value {
                Value::Null => {}
                Value::Map(entries) => {
                    res.push(self.entry(path, item.place, entries, &read));
                }
                Value::Scalar(text) if text.trim().is_empty() => {}
                Value::Scalar(text) => {
                    let key = Key { name: bare.to_string(), place: item.place };
                    let message = format!("the text {} was read as {}", quoted(text), quoted(bare));
                    self.report.warn(item.place, path.clone(), message, format!("write `{bare}: …`"));
                    res.push(self.entry(path, item.place, &[(key, item.clone())], &read));
                }
                Value::List(_) => self.wrong_kind(item, path, "a group of keys"),
            }
        }
        res
    }

    fn entry<T>(
        &mut self,
        path: String,
        place: Place,
        entries: &[(Key, Node)],
        read: impl Fn(&mut Fields<'_, '_>) -> T,
    ) -> Entry<T> {
        let mut fields = Fields::new(self.report, path, place, entries);
        let item = read(&mut fields);
        let hidden = fields.flag("x-hidden").unwrap_or(false);
        let tags = fields.texts(&["x-tags"]);
        Entry { item, hidden, tags, extra: fields.finish() }
    }

    /// Returns where the group begins.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Takes the keys that nobody asked for, without a word about them.
    pub fn take_rest(&mut self) -> Vec<(Key, Node)> {
        self.rest.drain(..).cloned().collect()
    }

    /// Names the keys that nobody asked for, and returns them.
    ///
    /// Keys that begin with `x-` or `$` are the author's own business.
    pub fn finish(mut self) -> Vec<(Key, Node)> {
        for (key, node) in std::mem::take(&mut self.rest) {
            self.extra.push((key.clone(), node.clone()));
            if key.name.starts_with("x-") || key.name.starts_with('$') {
                continue;
            }
            if key.name == MERGE_KEY {
                let hint = "write the fields out; an alias of a whole value (`*name`) works";
                self.report.error(key.place, self.path_of(MERGE_KEY), "merge keys are not read", hint);
                continue;
            }
            let hint = match nearest(&key.name, self.known.iter().copied()) {
                Some(name) => format!("did you mean {}?", quoted(name)),
                None => "it is kept, but not shown".to_string(),
            };
            let path = self.path_of(&key.name);
            self.report.warn(
                key.place,
                path,
                format!("the key {} is not known here", quoted(&key.name)),
                hint,
            );
        }
        self.extra
    }
}

/// YAML 1.1's merge key. Passing over it would lose whatever it was to bring, a name perhaps.
const MERGE_KEY: &str = "<<";

/// Returns the text that `- Stack: Rust, Go` was meant to be.
fn one_pair(entries: &[(Key, Node)]) -> Option<String> {
    match entries {
        [(key, Node { value: Value::Scalar(text), .. })] => Some(format!("{}: {text}", key.name)),
        [(key, Node { value: Value::Null, .. })] => Some(format!("{}:", key.name)),
        _ => None,
    }
}
