//! Why a query has no answer, in Prometheus's words where it has some.

use std::fmt;

use super::ast::Span;
use crate::query::algebra::matching::MatchError;
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
        let start = self.span.start.min(query.len());
        let line_start = query[..start].rfind('\n').map_or(0, |at| at + 1);
        let line = query[line_start..].lines().next().unwrap_or_default();
        let before = query[line_start..start].chars().map(|c| if c == '\t' { '\t' } else { ' ' });
        let end = self.span.end.clamp(start, line_start + line.len()).max(start);
        let width = query.get(start..end).map_or(1, |marked| marked.chars().count().max(1));
        format!("{line}\n{}{}", before.collect::<String>(), "^".repeat(width))
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

/// Returns where a byte stands, both counted from one; columns are bytes, as Prometheus's.
pub(super) fn line_and_column(query: &str, at: usize) -> (usize, usize) {
    let before = &query.as_bytes()[..at.min(query.len())];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    (line, at - line_start + 1)
}

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
