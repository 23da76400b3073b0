//! Parsers of lines: what `| json`, `| logfmt`, `| pattern`, `| regexp` and `| unpack` find.
//!
//! Each is compiled once and asked once a line. It hands what it finds to [`Fields`], which knows
//! what is wanted and what was found before, and says there too when the line is not what it should
//! be; a line is never refused. Nothing is allocated for a field but its value, and nothing that is
//! not wanted is unescaped.
//!
//! Source of every rule: "Log queries" in the documentation of Loki 3, and what its parsers do with
//! lines that are not well formed.

mod json;
mod line_pattern;
mod logfmt;
mod pattern_filter;
mod pattern_text;
mod regexp;
#[cfg(test)]
mod testing;
mod unpack;

pub use json::{Json, JsonExpressions};
pub use line_pattern::LinePattern;
pub use logfmt::{Logfmt, LogfmtExpressions, LogfmtFlags};
pub use pattern_filter::PatternFilter;
pub use pattern_text::has_capture;
pub use regexp::RegexpFields;
pub use unpack::Unpack;

use crate::record::pattern::PatternError;

/// What `__error__` says of a line that is no JSON.
pub const JSON_PARSER_ERROR: &str = "JSONParserErr";

/// What `__error__` says of a line that is no logfmt.
pub const LOGFMT_PARSER_ERROR: &str = "LogfmtParserErr";

/// What stands behind the name of a label that the stream or the metadata has already.
pub const EXTRACTED_SUFFIX: &str = "_extracted";

/// Where a parser puts what it finds in a line.
pub trait Fields {
    /// Returns true when no label is wanted any more: the rest of the line need not be read. Also
    /// true at the start when none is wanted.
    fn is_done(&self) -> bool;

    /// Returns true when a label may be wanted whose name begins so (objects of JSON).
    fn wants_prefix(&self, prefix: &str) -> bool;

    /// Makes room for the value of a label found under its sanitised name, and returns the (empty)
    /// place for it. None when nobody wants it, or an earlier stage or the same line extracted it
    /// already (first wins). Names that the stream or the metadata has get `_extracted` behind.
    fn claim(&mut self, name: &str) -> Option<&mut String>;

    /// Returns the value of a label as later stages see it.
    fn get(&self, name: &str) -> Option<&str>;

    /// Sets a label whatever is known of it (expressions of JSON and logfmt), with the same rule for
    /// `_extracted`.
    fn set(&mut self, name: &str, value: &str);

    /// The line is not what it should be: `__error__` and, when not empty, `__error_details__`.
    fn fail(&mut self, error: &'static str, details: &str);

    /// Returns true when the stream or the metadata has the label, so that what is found goes under
    /// another name.
    fn is_given(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Returns true when a stage extracted the label already.
    fn is_extracted(&self, _name: &str) -> bool {
        false
    }
}

/// A label and where its value is in a line, as in `| json status="response.code"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extraction {
    /// Name of the label.
    pub label: String,
    /// The expression, as it was written.
    pub path: String,
}

/// Why there is no such parser; Loki's words.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtractError {
    /// An expression of `json` or `logfmt` says no place in a line.
    #[error("cannot parse expression [{expression}]: {reason}")]
    Expression {
        /// As it was written.
        expression: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A label has no name.
    #[error("invalid extracted label name '{0}'")]
    LabelName(String),
    /// `logfmt` has neither flags nor expressions where it wants one.
    #[error("no logfmt expression provided")]
    NoExpression,
    /// A regular expression is none.
    #[error(transparent)]
    Regexp(#[from] PatternError),
    /// A regular expression names no group.
    #[error("at least one named capture must be supplied")]
    NoNamedGroup,
    /// A regular expression names two groups alike.
    #[error("duplicate extracted label name '{0}'")]
    DuplicateGroup(String),
    /// A pattern is empty.
    #[error("parse error at line 1, col 1: syntax error: unexpected $end, expecting IDENTIFIER or LITERAL")]
    EmptyPattern,
    /// A pattern names no capture.
    #[error("at least one capture is required")]
    NoCapture,
    /// Nothing stands between two captures.
    #[error("found consecutive capture '{0}': invalid expression")]
    ConsecutiveCaptures(String),
    /// Two captures have one name.
    #[error("duplicate capture name ({0}): invalid expression")]
    DuplicateCapture(String),
    /// A line filter has a capture with a name.
    #[error("named captures are not allowed: found '{0}'")]
    NamedCapture(String),
}

/// Refuses an empty name; Loki takes every other.
fn checked_label(label: &str) -> Result<(), ExtractError> {
    if label.is_empty() { Err(ExtractError::LabelName(label.to_string())) } else { Ok(()) }
}
