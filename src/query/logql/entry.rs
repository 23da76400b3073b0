//! A line on its way through a pipeline: its text and its labels, as far as stages changed them.
//!
//! A label comes from the stream, from the structured metadata or from a stage, which hides the
//! other two. What no stage asked for is left where it lies in the store. A name that the stream or
//! the metadata has and a parser finds again gets `_extracted` behind it, as in Loki.

use std::collections::HashMap;

use super::error::{ERROR_DETAILS_LABEL, ERROR_LABEL, PRESERVE_ERROR_LABEL};
use super::extract::{EXTRACTED_SUFFIX, Fields};
use super::hints::Hints;
use super::label_test::{LabelTest, Verdict};
use crate::record::read::LineRef;
use crate::record::{Labels, Severity};

/// The metadata that says how much a line matters, whatever its source calls it.
pub const DETECTED_LEVEL: &str = "detected_level";

/// Returns the word for a severity as Loki's log views know it.
pub fn level_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Unspecified => "unknown",
        known => known.as_str(),
    }
}

/// Where a label comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// The stream.
    Stream,
    /// The structured metadata.
    Metadata,
    /// A stage.
    Parsed,
}

/// A label that a stage set, or took away again.
#[derive(Debug, Default)]
struct Parsed {
    name: String,
    value: String,
    is_gone: bool,
}

/// What stages changed of a line's labels; kept from line to line for its memory.
#[derive(Debug, Default)]
pub struct Scratch {
    parsed: Vec<Parsed>,
    /// So many of them belong to this line.
    n_parsed: usize,
    n_required_found: usize,
    /// Labels of the stream and the metadata that are gone.
    hidden: Vec<String>,
    error: &'static str,
    error_details: String,
    /// Where labels are, once there are many.
    places: HashMap<String, usize>,
    /// Bytes that templates wrote.
    n_rendered: usize,
}

/// So many labels are found sooner by looking at each than by a table.
const SCANNED_MAX: usize = 32;

impl Scratch {
    fn clear(&mut self) {
        (self.n_parsed, self.n_required_found, self.n_rendered, self.error) = (0, 0, 0, "");
        self.places.clear();
        self.hidden.clear();
        self.error_details.clear();
    }

    fn parsed(&self) -> &[Parsed] {
        &self.parsed[..self.n_parsed]
    }

    fn place(&self, name: &str) -> Option<usize> {
        if self.n_parsed > SCANNED_MAX {
            return self.places.get(name).copied();
        }
        self.parsed().iter().position(|known| known.name == name)
    }

    /// Adds a label that a stage has not set so far.
    fn add(&mut self, name: &str, hints: &Hints) -> &mut String {
        if self.n_parsed == self.parsed.len() {
            self.parsed.push(Parsed::default());
        }
        self.n_required_found += usize::from(hints.requires(name));
        let place = &mut self.parsed[self.n_parsed];
        place.name.clear();
        place.name.push_str(name);
        place.value.clear();
        place.is_gone = false;
        let place = self.n_parsed;
        self.n_parsed += 1;
        if self.n_parsed > SCANNED_MAX {
            let first = if place == SCANNED_MAX { 0 } else { place };
            let new = self.parsed[first..=place].iter().zip(first..);
            self.places.extend(new.map(|(parsed, place)| (parsed.name.clone(), place)));
        }
        &mut self.parsed[place].value
    }

    fn is_hidden(&self, name: &str) -> bool {
        self.hidden.iter().any(|hidden| hidden == name) || self.place(name).is_some()
    }
}

/// A line and its labels.
pub struct Entry<'a> {
    /// Where it lies.
    pub line: LineRef<'a>,
    /// Its text, once a stage changed it; what nobody reads need not be decoded.
    changed: Option<String>,
    labels: &'a mut Scratch,
    hints: &'a Hints,
    /// A condition on one label that stands right behind the parser at work.
    guard: Option<&'a LabelTest>,
    /// The parser found the label; its value may still be being written.
    has_guarded: bool,
    /// The condition does not hold: the rest of the line need not be parsed.
    is_rejected: bool,
}

impl<'a> Entry<'a> {
    /// Begins with a line as it lies in the store.
    pub fn new(line: LineRef<'a>, labels: &'a mut Scratch, hints: &'a Hints) -> Self {
        labels.clear();
        Entry { line, changed: None, labels, hints, guard: None, has_guarded: false, is_rejected: false }
    }

    /// Returns its text as stages left it.
    pub fn text(&self) -> &str {
        self.changed.as_deref().unwrap_or_else(|| self.line.content.body())
    }

    /// Returns its text as stages left it, for good.
    pub fn into_text(self) -> String {
        self.changed.unwrap_or_else(|| self.line.content.body().to_string())
    }

    /// Puts another text in the place of the line's.
    pub fn set_text(&mut self, text: String) {
        self.changed = Some(text);
    }

    /// Lets a parser find labels in the text, and returns false when it found one that the condition
    /// behind it does not accept.
    pub fn parse(&mut self, guard: Option<&'a LabelTest>, parse: impl FnOnce(&str, &mut Self)) -> bool {
        (self.guard, self.has_guarded) = (guard, false);
        // The parser writes labels while it reads: its text must not be part of what it writes to.
        let (changed, content) = (self.changed.take(), self.line.content);
        parse(changed.as_deref().unwrap_or_else(|| content.body()), self);
        self.changed = changed;
        self.ask_guard();
        self.guard = None;
        !self.is_rejected
    }

    fn ask_guard(&mut self) {
        if let Some(guard) = self.guard.filter(|_| self.has_guarded) {
            (self.guard, self.has_guarded) = (None, false);
            self.is_rejected = matches!(guard.test(self), Verdict::No);
        }
    }

    /// Returns what the line came with under a name: the stream's label before metadata.
    fn given(&self, name: &str) -> Option<&str> {
        let stream = self.line.stream;
        let label = stream.get(name);
        if !label.is_empty() {
            return Some(label);
        }
        // However the source wrote it, a level that is known has one word.
        let is_known = name == DETECTED_LEVEL && self.line.severity != Severity::Unspecified;
        let value = if is_known { "" } else { self.line.metadata(name) };
        if !value.is_empty() {
            return Some(value);
        }
        if name == DETECTED_LEVEL {
            return Some(level_word(self.line.severity));
        }
        let taken = name.strip_suffix(EXTRACTED_SUFFIX).filter(|taken| !stream.get(taken).is_empty())?;
        Some(self.line.metadata(taken)).filter(|value| !value.is_empty())
    }

    /// Returns the value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        if let Some(place) = self.labels.place(name) {
            let parsed = &self.labels.parsed[place];
            return (!parsed.is_gone).then_some(parsed.value.as_str());
        }
        if self.labels.hidden.iter().any(|hidden| hidden == name) { None } else { self.given(name) }
    }

    /// Returns true when no stage changed the labels.
    pub fn is_untouched(&self) -> bool {
        self.labels.n_parsed == 0 && self.labels.hidden.is_empty() && self.labels.error.is_empty()
    }

    /// Returns what a condition on a label is asked about, `""` when there is no such label.
    pub fn tested(&self, name: &str) -> &str {
        if name == ERROR_LABEL { self.labels.error } else { self.label(name).unwrap_or_default() }
    }

    /// Returns the word for what a stage could not do, `""` when all could do their work.
    pub fn error(&self) -> &'static str {
        self.labels.error
    }

    /// Returns the reason.
    pub fn error_details(&self) -> &str {
        &self.labels.error_details
    }

    /// Says that a stage could not do its work.
    pub fn set_error(&mut self, error: &'static str, details: &str) {
        self.labels.error = error;
        self.labels.error_details.clear();
        self.labels.error_details.push_str(details);
    }

    /// Returns how much templates wrote for the line.
    pub fn n_rendered(&self) -> usize {
        self.labels.n_rendered
    }

    /// Says that a template wrote so much.
    pub fn note_rendered(&mut self, n_bytes: usize) {
        self.labels.n_rendered += n_bytes;
    }

    /// Takes back what [`Entry::set_error`] said.
    pub fn clear_error(&mut self) {
        self.labels.error = "";
    }

    /// Takes back the reason alone.
    pub fn clear_error_details(&mut self) {
        self.labels.error_details.clear();
    }

    /// Sets a label, whatever had its name.
    pub fn set_label(&mut self, name: &str, value: &str) {
        match self.labels.place(name) {
            Some(place) => {
                let parsed = &mut self.labels.parsed[place];
                parsed.is_gone = false;
                parsed.value.clear();
                parsed.value.push_str(value);
            }
            None => self.labels.add(name, self.hints).push_str(value),
        }
    }

    /// Takes a label away, wherever it comes from.
    pub fn remove_label(&mut self, name: &str) {
        match self.labels.place(name) {
            Some(place) => self.labels.parsed[place].is_gone = true,
            None => self.labels.hidden.push(name.to_string()),
        }
    }

    /// Hands over every label; those that say what a stage could not do come last.
    pub fn each_label(&self, visit: &mut dyn FnMut(Category, &str, &str)) {
        for (name, value) in self.line.stream.iter().filter(|(name, _)| !self.labels.is_hidden(name)) {
            visit(Category::Stream, name, value);
        }
        self.each_metadata(visit);
        // A line may have a field by the name of what says that a stage failed.
        let is_told = |name: &str| match name {
            ERROR_LABEL => !self.labels.error.is_empty(),
            ERROR_DETAILS_LABEL => !self.labels.error_details.is_empty(),
            _ => false,
        };
        let parsed = self.labels.parsed().iter().filter(|parsed| !parsed.is_gone && !is_told(&parsed.name));
        for parsed in parsed {
            visit(Category::Parsed, &parsed.name, &parsed.value);
        }
        if !self.labels.error.is_empty() {
            visit(Category::Parsed, ERROR_LABEL, self.labels.error);
        }
        if !self.labels.error_details.is_empty() {
            visit(Category::Parsed, ERROR_DETAILS_LABEL, &self.labels.error_details);
        }
    }

    fn each_metadata(&self, visit: &mut dyn FnMut(Category, &str, &str)) {
        let stream = self.line.stream;
        let mut has_level = !stream.get(DETECTED_LEVEL).is_empty();
        let is_known = self.line.severity != Severity::Unspecified;
        self.line.content.each(&mut |name, value| {
            if name == DETECTED_LEVEL {
                if is_known {
                    return;
                }
                has_level = true;
            }
            let taken;
            let name = if stream.get(name).is_empty() {
                name
            } else {
                taken = format!("{name}{EXTRACTED_SUFFIX}");
                &taken
            };
            if !self.labels.is_hidden(name) && !value.is_empty() {
                visit(Category::Metadata, name, value);
            }
        });
        if !has_level && !self.labels.is_hidden(DETECTED_LEVEL) {
            visit(Category::Metadata, DETECTED_LEVEL, level_word(self.line.severity));
        }
    }

    /// Returns what is left of the stream's labels.
    pub fn stream(&self) -> Labels {
        let stream = self.line.stream;
        if stream.iter().any(|(name, _)| self.labels.is_hidden(name)) {
            Labels::new(stream.iter().filter(|(name, _)| !self.labels.is_hidden(name)))
        } else {
            stream.clone()
        }
    }

    /// Returns true when a name is the stream's or the metadata's.
    fn is_taken(&self, name: &str) -> bool {
        !self.line.stream.get(name).is_empty() || self.given(name).is_some() && !self.labels.is_hidden(name)
    }
}

impl Fields for Entry<'_> {
    fn is_done(&self) -> bool {
        self.is_rejected || self.hints.is_satisfied(self.labels.n_required_found)
    }

    fn wants_prefix(&self, prefix: &str) -> bool {
        self.hints.wants_prefix(prefix)
    }

    fn claim(&mut self, name: &str) -> Option<&mut String> {
        self.ask_guard();
        if self.is_rejected {
            return None;
        }
        // Who wants the name with a suffix wants it without.
        if !self.hints.wants(name) {
            return None;
        }
        let taken;
        let name = if self.is_taken(name) {
            taken = format!("{name}{EXTRACTED_SUFFIX}");
            &taken
        } else {
            name
        };
        if !self.hints.wants(name) || self.labels.place(name).is_some() {
            return None;
        }
        self.has_guarded |= self.guard.is_some_and(|guard| guard.label() == Some(name));
        Some(self.labels.add(name, self.hints))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.label(name)
    }

    fn is_given(&self, name: &str) -> bool {
        self.is_taken(name)
    }

    fn is_extracted(&self, name: &str) -> bool {
        self.labels.place(name).is_some()
    }

    fn set(&mut self, name: &str, value: &str) {
        if self.is_taken(name) {
            self.set_label(&format!("{name}{EXTRACTED_SUFFIX}"), value);
        } else {
            self.set_label(name, value);
        }
    }

    fn fail(&mut self, error: &'static str, details: &str) {
        self.set_error(error, details);
        if self.hints.keeps_errors() {
            self.set_label(PRESERVE_ERROR_LABEL, "true");
        }
    }
}
