//! Why a query has no answer, in Prometheus's words where it has some.

use std::fmt;

use super::ast::Span;
use crate::query::algebra::matching::MatchError;
use crate::query::budget::Spent;
use crate::query::place::{excerpt, line_and_column};
use crate::record::read::ReadError;

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is no query.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The query is none of the kind that was asked for, such as a range vector over a range.
    #[error("{0}")]
    Unsuitable(String),
    /// The query cannot be evaluated over what it selects.
    #[error("{0}")]
    Execution(String),
    /// More values would be held at once than [`Limits::samples_max`](super::Limits).
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples,
    /// It took longer than [`Limits::timeout`](super::Limits).
    #[error("query timed out in expression evaluation")]
    Timeout,
    /// Whoever asked went away.
    #[error("query was canceled in expression evaluation")]
    Canceled,
    /// The store could not be read.
    #[error("expanding series: {0}")]
    Read(#[from] ReadError),
}

impl From<Spent> for Error {
    fn from(spent: Spent) -> Self {
        match spent {
            Spent::Memory => Error::TooManySamples,
            Spent::Time => Error::Timeout,
            Spent::Canceled => Error::Canceled,
        }
    }
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
    /// The part of the text that it is about, in bytes.
    pub span: Span,
    line: usize,
    column: usize,
}

impl ParseError {
    /// Returns an error about a part of a query.
    pub fn new(query: &str, span: Span, message: impl Into<String>) -> Self {
        // Of nothing there is no position.
        let (line, column) = if query.is_empty() { (0, 0) } else { line_and_column(query, span.start) };
        ParseError { message: message.into(), span, line, column }
    }

    /// Returns the line that it is about and, below it, marks under the place, for a terminal.
    pub fn excerpt(&self, query: &str) -> String {
        excerpt(query, &self.span)
    }
}

/// As Prometheus writes it: `1:5: parse error: unexpected "}"`.
impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "unknown position: parse error: {}", self.message),
            line => write!(f, "{line}:{}: parse error: {}", self.column, self.message),
        }
    }
}

impl std::error::Error for ParseError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_where_and_marks_it() {
        let query = "sum(\n\tup}\n)";
        let error = ParseError::new(query, 8..9, "unexpected '}'");
        assert_eq!(error.to_string(), "2:4: parse error: unexpected '}'");
        assert_eq!(error.excerpt(query), "\tup}\n\t  ^");
        let end = ParseError::new("sum(", 4..4, "unclosed left parenthesis");
        assert_eq!(end.excerpt("sum("), "sum(\n    ^");
    }
}
