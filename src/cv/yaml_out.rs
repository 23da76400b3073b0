//! Writes a tree as YAML that a person goes on editing.
//!
//! Texts are plain where every reader of YAML 1.1 and 1.2 takes them for the same text (dates
//! and whole numbers are, since all of a CV is text to us), several lines stand as they are
//! below a bar, and all else is in double quotes (YAML 1.2.2 sections 7.3 and 8.1).

use std::fmt::Write;

use super::node::{Key, Node, Value};

/// Words that readers take for something else than a text.
const TYPED: [&str; 14] =
    ["null", "~", "true", "false", "yes", "no", "on", "off", "y", "n", ".inf", "-.inf", "+.inf", ".nan"];

/// Writes a document.
pub(super) fn write(root: &Node) -> String {
    let mut res = String::new();
    match &root.value {
        Value::Map(entries) if !entries.is_empty() => {
            for (idx, entry) in entries.iter().enumerate() {
                if idx > 0 {
                    res.push('\n');
                }
                pair(&mut res, entry, 0, true);
            }
        }
        Value::List(items) if !items.is_empty() => list(&mut res, items, 0, true),
        other => {
            inline(&mut res, other, 0);
            res.push('\n');
        }
    }
    res
}

/// Writes `key: value`, its further lines `depth` in.
fn pair(res: &mut String, (key, node): &(Key, Node), depth: usize, is_section: bool) {
    quoted_or_plain(res, &key.name);
    res.push(':');
    value(res, &node.value, depth, is_section);
}

/// Writes what stands behind a colon.
fn value(res: &mut String, value: &Value, depth: usize, is_section: bool) {
    match value {
        Value::Map(entries) if !entries.is_empty() => {
            res.push('\n');
            for entry in entries {
                indent(res, depth + 2);
                pair(res, entry, depth + 2, false);
            }
        }
        Value::List(items) if !items.is_empty() => {
            res.push('\n');
            list(res, items, depth + 2, is_section);
        }
        Value::Null => res.push('\n'),
        other => {
            res.push(' ');
            inline(res, other, depth + 2);
            res.push('\n');
        }
    }
}

/// Writes items; those of a section, which are long, with an empty line between them.
fn list(res: &mut String, items: &[Node], depth: usize, is_section: bool) {
    for (idx, item) in items.iter().enumerate() {
        let is_group = matches!(&item.value, Value::Map(entries) if entries.len() > 1);
        if idx > 0 && is_section && is_group {
            res.push('\n');
        }
        indent(res, depth);
        match &item.value {
            Value::Map(entries) if !entries.is_empty() => {
                res.push_str("- ");
                for (idx, entry) in entries.iter().enumerate() {
                    if idx > 0 {
                        indent(res, depth + 2);
                    }
                    pair(res, entry, depth + 2, false);
                }
            }
            Value::List(inner) if !inner.is_empty() => {
                res.push_str("-\n");
                list(res, inner, depth + 2, false);
            }
            other => {
                res.push_str("- ");
                inline(res, other, depth + 2);
                res.push('\n');
            }
        }
    }
}

fn indent(res: &mut String, depth: usize) {
    res.extend(std::iter::repeat_n(' ', depth));
}

/// Writes what begins on the line that is open; further lines `depth` in.
fn inline(res: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Null => res.push_str("null"),
        Value::List(_) => res.push_str("[]"),
        Value::Map(_) => res.push_str("{}"),
        Value::Scalar(text) if is_block(text) => {
            let mark = if text.ends_with('\n') { "|" } else { "|-" };
            res.push_str(mark);
            for line in text.lines() {
                res.push('\n');
                if !line.is_empty() {
                    indent(res, depth.max(2));
                    res.push_str(line);
                }
            }
        }
        Value::Scalar(text) => quoted_or_plain(res, text),
    }
}

/// Whether a text has several lines that can stand as they are.
fn is_block(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    body.contains('\n')
        && !body.starts_with([' ', '\n'])
        && !body.ends_with('\n')
        && body.chars().all(|c| c == '\n' || is_printable(c))
        // What is only spaces would not be told from an empty line.
        && body.lines().all(|line| line.is_empty() || !line.trim().is_empty())
}

/// Whether a character may stand as it is: none that readers take for a line's end or drop.
fn is_printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{85}' | '\u{fffe}' | '\u{ffff}')
}

fn quoted_or_plain(res: &mut String, text: &str) {
    if is_plain(text) {
        res.push_str(text);
        return;
    }
    res.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => res.extend(['\\', c]),
            '\n' => res.push_str("\\n"),
            '\t' => res.push_str("\\t"),
            c if is_printable(c) => res.push(c),
            c if u32::from(c) > 0xffff => _ = write!(res, "\\U{:08x}", u32::from(c)),
            c => _ = write!(res, "\\u{:04x}", u32::from(c)),
        }
    }
    res.push('"');
}

fn is_plain(text: &str) -> bool {
    const INDICATORS: &str = "-?:,[]{}#&*!|>'\"%@`";
    let Some(first) = text.chars().next() else { return false };
    let is_indicated = INDICATORS.contains(first) || text.starts_with("...") || text.starts_with('=');
    !is_indicated
        && text.chars().all(is_printable)
        && !text.starts_with(' ')
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !is_typed(text)
}

/// Whether a reader could take a text for a number, a truth or nothing. Years, dates and whole
/// numbers are left: as a text they are the same.
fn is_typed(text: &str) -> bool {
    let lower = text.to_lowercase();
    let is_whole = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    let parts: Vec<&str> = text.split('-').collect();
    let is_date = (2..=3).contains(&parts.len())
        && parts[0].len() == 4
        && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    if is_whole || is_date {
        return false;
    }
    let starts_as_number =
        lower.trim_start_matches(['+', '-', '.']).starts_with(|c: char| c.is_ascii_digit());
    let is_number = starts_as_number
        && lower
            .chars()
            .all(|c| c.is_ascii_hexdigit() || matches!(c, '.' | '_' | '+' | '-' | 'x' | 'o' | ':' | ','));
    TYPED.contains(&lower.as_str()) || is_number
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::yaml;
    use super::*;
    use crate::cv::Place;

    fn node(value: Value) -> Node {
        Node { value, place: Place::START }
    }

    /// The tree without the places.
    fn shown(node: &Node) -> String {
        match &node.value {
            Value::Null => "null".to_string(),
            Value::Scalar(text) => format!("{text:?}"),
            Value::List(items) => format!("{:?}", items.iter().map(shown).collect::<Vec<_>>()),
            Value::Map(entries) => {
                format!(
                    "{:?}",
                    entries.iter().map(|(key, node)| (&key.name, shown(node))).collect::<Vec<_>>()
                )
            }
        }
    }

    fn text() -> impl Strategy<Value = String> {
        const NASTY: &[&str] = &[
            "NO",
            "4.0",
            "0123",
            "- x",
            "a: b",
            "#c",
            "a #b",
            "\"q\"",
            "'",
            "~",
            "null",
            "true",
            "2014",
            "2014-06",
            "2014-06-29",
            "1:20",
            "0x1f",
            "1_000",
            "1e3",
            "---",
            "...",
            "%a",
            "@a",
            "`a`",
            "a:",
            ":",
            "?",
            "? a",
            "!x",
            "&a",
            "*a",
            "|",
            ">",
            "[a]",
            "{a}",
            "a,b",
            " a",
            "a ",
            "\ta",
            "a\tb",
            "a\nb",
            "a\n b",
            "a\n\nb\n",
            "\na",
            "a\n\n",
            "a\r\nb",
            "\u{85}",
            "\u{feff}a",
            "\u{2028}",
            "😀",
            "e\u{301}",
            "\\n",
            "=",
            "<<",
            "a\n# b",
            "a\n--- b",
        ];
        prop_oneof![
            prop::sample::select(NASTY).prop_map(str::to_string),
            "[ -~]{1,20}",
            "\\PC{1,20}",
            "([ -~]|\n){1,40}",
            any::<String>(),
        ]
    }

    fn tree() -> impl Strategy<Value = Node> {
        let leaf = prop_oneof![
            8 => text().prop_map(|text| node(Value::Scalar(text))),
            1 => Just(node(Value::Null)),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(|items| node(Value::List(items))),
                prop::collection::btree_map(text(), inner, 0..5).prop_map(|entries| {
                    let entry = |(name, node)| (Key { name, place: Place::START }, node);
                    node(Value::Map(entries.into_iter().map(entry).collect()))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(tree in tree()) {
            // The reader refuses what no editor writes.
            let yaml = write(&tree);
            prop_assume!(!yaml.contains('\0'));
            let back = yaml::read(&yaml);
            // A merge key is refused on purpose, and so is a key of several lines.
            prop_assume!(!matches!(&back, Err(fault) if format!("{fault:?}").contains("merge")));
            let back = back.map_err(|fault| TestCaseError::fail(format!("{fault:?} in\n{yaml}")))?;
            prop_assert_eq!(shown(&back), shown(&tree), "{}", yaml);
        }
    }

    #[test]
    fn it_is_nice_to_edit() {
        let read = yaml::read("{basics: {name: A, summary: \"Two\\nlines\", phone: \"+49 1\"}, work: [{name: NO, startDate: 2014-06, highlights: [a, 'b: c']}, {name: X, position: Lead}]}").unwrap();
        let expect = "basics:\n  name: A\n  summary: |-\n    Two\n    lines\n  phone: +49 1\n\nwork:\n  - name: \"NO\"\n    startDate: 2014-06\n    highlights:\n      - a\n      - \"b: c\"\n\n  - name: X\n    position: Lead\n";
        assert_eq!(write(&read), expect);
    }
}
