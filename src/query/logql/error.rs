//! Why a query has no answer, in Loki's words where it has some.

use std::fmt;
use std::ops::Range;

use crate::query::algebra::matching::MatchError;
use crate::query::place::{excerpt, line_and_column};
use crate::record::Labels;
use crate::record::read::ReadError;

/// The label that says that a stage could not do its work on a line.
pub const ERROR_LABEL: &str = "__error__";

/// The label that says why.
pub const ERROR_DETAILS_LABEL: &str = "__error_details__";

/// The label that lets errors pass into numbers, where they were asked for.
pub const PRESERVE_ERROR_LABEL: &str = "__preserve_error__";

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is no query.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The query is none of the kind that was asked for.
    #[error("{0}")]
    Unsuitable(String),
    /// The query cannot be evaluated over what it selects.
    #[error("{0}")]
    Execution(String),
    /// A stage failed on a line, and nothing said that such lines be left out.
    #[error(
        "pipeline error: '{kind}' for series: '{labels}'.\n\
         Use a label filter to intentionally skip this error. (e.g | __error__!=\"{kind}\").\n\
         To skip all potential errors you can match empty errors.(e.g __error__=\"\")\n\
         The label filter can also be specified after unwrap. (e.g | unwrap latency | __error__=\"\" )\n"
    )]
    Pipeline {
        /// The value of `__error__`.
        kind: String,
        /// The labels of the line.
        labels: Labels,
    },
    /// More would be held in memory at once than a query may.
    #[error(
        "query would hold more than {held_max} values in memory at once; consider more specific stream \
         selectors, a shorter time range, or fewer labels by sum(), count() or topk()"
    )]
    TooMuch {
        /// How many it may.
        held_max: usize,
    },
    /// It took longer than it may.
    #[error("query timed out")]
    Timeout,
    /// Whoever asked went away.
    #[error("query was canceled")]
    Canceled,
    /// The store could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<MatchError> for Error {
    fn from(error: MatchError) -> Self {
        Error::Execution(error.to_string())
    }
}

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong.
    pub message: String,
    /// The part of the text that it is about, in bytes; none when it is about no part of it.
    pub span: Option<Range<usize>>,
    line: usize,
    column: usize,
}

impl ParseError {
    /// Returns an error about a part of a query.
    pub fn new(query: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        let (line, column) = line_and_column(query, span.start);
        ParseError { message: message.into(), span: Some(span), line, column }
    }

    /// Returns an error about no part in particular.
    pub fn of_all(message: impl Into<String>) -> Self {
        ParseError { message: message.into(), span: None, line: 0, column: 0 }
    }

    /// Returns an error about a stage.
    pub fn of_stage(stage: impl fmt::Display, fault: impl fmt::Display) -> Self {
        ParseError::of_all(format!("stage '{stage}' : {fault}"))
    }

    /// Returns the line that it is about and, below it, marks under the place, for a terminal.
    pub fn excerpt(&self, query: &str) -> Option<String> {
        self.span.as_ref().map(|span| excerpt(query, span))
    }
}

/// As Loki writes it: `parse error at line 1, col 5: syntax error: unexpected STRING`.
impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.span {
            None => write!(f, "parse error : {}", self.message),
            Some(_) => write!(f, "parse error at line {}, col {}: {}", self.line, self.column, self.message),
        }
    }
}

impl std::error::Error for ParseError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_where_and_marks_it() {
        let query = "sum(\n\t{a=1})";
        let error = ParseError::new(query, 9..10, "syntax error: unexpected NUMBER");
        assert_eq!(error.to_string(), "parse error at line 2, col 5: syntax error: unexpected NUMBER");
        assert_eq!(error.excerpt(query).unwrap(), "\t{a=1})\n\t   ^");
        let stage = ParseError::of_stage("| pattern \"x\"", "at least one capture is required");
        assert_eq!(
            stage.to_string(),
            "parse error : stage '| pattern \"x\"' : at least one capture is required"
        );
        assert_eq!(stage.excerpt(query), None);
    }

    #[test]
    fn a_pipeline_error_says_how_to_leave_it_out() {
        let error = Error::Pipeline { kind: "JSONParserErr".into(), labels: Labels::new([("a", "1")]) };
        assert!(error.to_string().starts_with("pipeline error: 'JSONParserErr' for series: '{a=\"1\"}'.\n"));
    }
}
