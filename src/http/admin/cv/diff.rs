//! How two texts differ, line by line.

use std::time::Duration;

use similar::{Algorithm, ChangeTag, TextDiff};

use crate::pages::admin::cv::{DiffLine, DiffView, Side};

/// Lines shown around those that differ.
const AROUND: usize = 3;

/// Lines that are listed; who changes more looks at the texts.
const LINES_MAX: usize = 1_000;

/// Two texts of the largest size that have nothing in common are compared no longer than this,
/// and then less exactly.
const TIME_MAX: Duration = Duration::from_millis(500);

/// Returns what would have to be removed from one text and added to make the other.
pub(super) fn between(before: &str, after: &str) -> DiffView {
    let diff =
        TextDiff::configure().algorithm(Algorithm::Patience).timeout(TIME_MAX).diff_lines(before, after);
    let mut res = DiffView::default();
    let mut n_lines = 0;
    for group in diff.grouped_ops(AROUND) {
        let mut hunk = Vec::new();
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            n_lines += 1;
            if n_lines > LINES_MAX {
                res.n_left_out += 1;
                continue;
            }
            let (side, idx) = match change.tag() {
                ChangeTag::Equal => (Side::Both, change.new_index()),
                ChangeTag::Delete => (Side::Removed, change.old_index()),
                ChangeTag::Insert => (Side::Added, change.new_index()),
            };
            let text = change.value().trim_end_matches(['\n', '\r']).to_string();
            hunk.push(DiffLine { side, number: idx.map_or(0, |idx| idx + 1), text });
        }
        res.hunks.extend((!hunk.is_empty()).then_some(hunk));
    }
    res
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &str, after: &str, expect: &str) {
        let mut res = String::new();
        for hunk in between(before, after).hunks {
            for DiffLine { side, number, text } in hunk {
                let sign = match side {
                    Side::Both => ' ',
                    Side::Removed => '-',
                    Side::Added => '+',
                };
                res.push_str(&format!("{sign}{number} {text}\n"));
            }
            res.push('\n');
        }
        assert_eq!(res.trim_end(), expect);
    }

    #[test]
    fn lines_that_differ_stand_among_those_around_them() {
        check("a\nb\nc\n", "a\nB\nc\n", " 1 a\n-2 b\n+2 B\n 3 c");
        check("", "a\n", "+1 a");
        check("a\n", "a\n", "");
        check("a", "a\n", "-1 a\n+1 a");
        let before: String = (1..=20).map(|n| format!("{n}\n")).collect();
        let after = before.replace("\n10\n", "\n").replace("20\n", "20\n21\n");
        check(
            &before,
            &after,
            " 7 7\n 8 8\n 9 9\n-10 10\n 10 11\n 11 12\n 12 13\n\n 17 18\n 18 19\n 19 20\n+20 21",
        );
    }

    #[test]
    fn the_list_is_bounded_and_says_so() {
        let text =
            |n_lines: usize, word: &str| -> String { (0..n_lines).map(|n| format!("{word}{n}\n")).collect() };
        let diff = between(&text(3_000, "a"), &text(3_000, "b"));
        assert_eq!(diff.hunks.iter().map(Vec::len).sum::<usize>(), LINES_MAX);
        assert_eq!(diff.n_left_out, 6_000 - LINES_MAX);
    }
}
