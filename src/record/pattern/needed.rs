//! Which text is part of everything that an expression matches.

use regex_syntax::hir::{Hir, HirKind};

/// Returns the longest such text, as far as it can be seen without trying what alternatives have in
/// common; none of an expression that is none.
pub fn needed_text(expression: &str) -> Option<String> {
    longest(&regex_syntax::parse(expression).ok()?)
}

fn longest(hir: &Hir) -> Option<String> {
    match hir.kind() {
        HirKind::Literal(literal) => std::str::from_utf8(&literal.0).ok().map(str::to_string),
        HirKind::Concat(parts) => parts.iter().filter_map(longest).max_by_key(String::len),
        HirKind::Capture(group) => longest(&group.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => longest(&repetition.sub),
        _ => None,
    }
}
