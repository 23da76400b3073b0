//! Places in the text of a query, as they are shown to whoever wrote it.

use std::ops::Range;

/// Returns the line that a part of a query begins in and, below it, marks under the part.
pub fn excerpt(query: &str, span: &Range<usize>) -> String {
    let start = span.start.min(query.len());
    let line_start = query[..start].rfind('\n').map_or(0, |at| at + 1);
    let line = query[line_start..].lines().next().unwrap_or_default();
    let before = query[line_start..start].chars().map(|c| if c == '\t' { '\t' } else { ' ' });
    let end = span.end.clamp(start, line_start + line.len()).max(start);
    let width = query.get(start..end).map_or(1, |marked| marked.chars().count().max(1));
    format!("{line}\n{}{}", before.collect::<String>(), "^".repeat(width))
}

/// Returns where a byte stands, both counted from one; columns are bytes.
pub fn line_and_column(query: &str, at: usize) -> (usize, usize) {
    let before = &query.as_bytes()[..at.min(query.len())];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    (line, at - line_start + 1)
}
