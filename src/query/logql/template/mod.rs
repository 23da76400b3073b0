//! The templates of `line_format` and `label_format`: Go's `text/template` over the labels of a line,
//! with Loki's functions.
//!
//! A template that can be read can be rendered for any line: it yields a text, or says what is wrong
//! in the words of Go, with the place. It changes nothing, sees no more than its [`Scope`], and takes
//! no more time and memory than `budget` says, whatever is written in it. Comments, variables,
//! conditions, loops and templates in templates are all there; complex numbers are not.
//!
//! Source: Go, the documentation of `text/template`; Loki, "LogQL template functions". Each test
//! that says what Go or Loki answers was answered so by Loki 3's own function map under Go 1.26.

mod budget;
mod eval;
mod format;
mod functions;
mod layout;
mod lex;
mod literal;
mod moment;
mod needs;
mod node;
mod parse;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::clock::{Clock, UnixNanos};
use crate::query::quote::{quoted, quoted_char};
use functions::Patterns;
use node::Place;
use parse::Trees;

/// What a template may see.
pub trait Scope {
    /// Returns the line, for `__line__`.
    fn line(&self) -> &str;

    /// Returns the time of the line, for `__timestamp__`.
    fn at(&self) -> UnixNanos;

    /// Returns the value of a label; one that is not there is the empty text.
    fn label(&self, name: &str) -> Option<&str>;

    /// Visits every label, sorted by name.
    fn each_label(&self, visit: &mut dyn FnMut(&str, &str));

    /// Returns the time, for `now`.
    fn now(&self) -> UnixNanos {
        Clock::system().now()
    }

    /// Returns the zone that times are shown and read in unless another is named: that of the
    /// machine, as in Loki.
    fn zone(&self) -> TimeZone {
        TimeZone::system()
    }
}

/// A template that was read; clones share it.
#[derive(Clone, Debug)]
pub struct Template(Arc<Parsed>);

#[derive(Debug)]
struct Parsed {
    /// What Go's messages call it.
    name: &'static str,
    text: String,
    trees: Trees,
    patterns: Patterns,
    fields: BTreeSet<String>,
    needs_every_label: bool,
}

/// Why there is no template, or no text of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The text is no template.
    #[error("template: {name}:{line}: {message}")]
    Syntax {
        /// `line` or `label`.
        name: &'static str,
        /// The line of the text in which reading ended, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A line cannot be rendered.
    #[error("template: {name}:{line}:{column}: executing {} at <{part}>: {message}", quoted(.tree))]
    Execution {
        /// `line` or `label`.
        name: &'static str,
        /// The line of the text in which the part begins, from 1.
        line: usize,
        /// How many bytes of it stand before the part.
        column: usize,
        /// The name of the template in the template.
        tree: String,
        /// The part that was looked at.
        part: String,
        /// What is wrong.
        message: String,
    },
}

impl Template {
    /// Reads a template of `line_format`, which Go's messages call `line`.
    pub fn parse(text: &str) -> Result<Template, TemplateError> {
        Template::named("line", text)
    }

    /// Reads a template of `label_format`, which Go's messages call `label`.
    pub fn parse_label(text: &str) -> Result<Template, TemplateError> {
        Template::named("label", text)
    }

    fn named(name: &'static str, text: &str) -> Result<Template, TemplateError> {
        let trees = parse::parse(name, text)?;
        let needs = needs::of(&trees);
        let mut patterns = Patterns::default();
        needs.patterns.iter().for_each(|written| patterns.prepare(written));
        let (fields, needs_every_label) = (needs.fields, needs.every_label);
        Ok(Template(Arc::new(Parsed {
            name,
            text: text.to_string(),
            trees,
            patterns,
            fields,
            needs_every_label,
        })))
    }

    /// Writes the text for a line to the end of another. After an error, what was written is of no use.
    pub fn render(&self, scope: &dyn Scope, out: &mut String) -> Result<(), TemplateError> {
        eval::render(&self.0, scope, out)
    }

    /// Returns the names of the labels that it may read by `.name`, sorted.
    pub fn fields(&self) -> Vec<String> {
        self.0.fields.iter().cloned().collect()
    }

    /// Returns whether it may read others too: all of them, or one whose name is made up.
    pub fn needs_every_label(&self) -> bool {
        self.0.needs_every_label
    }
}

/// Two templates are the same when their texts are.
impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        (self.0.name, &self.0.text) == (other.0.name, &other.0.text)
    }
}

impl Eq for Template {}

impl Parsed {
    fn fault(&self, tree: &str, place: Place<'_>, message: String) -> TemplateError {
        let before = &self.text[..place.at().min(self.text.len())];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        TemplateError::Execution {
            name: self.name,
            line: 1 + before.matches('\n').count(),
            column: before.len() - line_start,
            tree: tree.to_string(),
            part: place.to_string(),
            message,
        }
    }
}
