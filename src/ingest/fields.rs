//! What the formats of other programs have in common: levels by their words, names of fields.

use crate::record::Severity;
use crate::record::access::cut;
use crate::record::names::SERVICE_NAME;

/// Bytes of a field's name, which is cut.
pub const FIELD_NAME_MAX_BYTES: usize = 128;

/// Labels of the stream; metadata of the same name gets the suffix that Loki gives it.
const STREAM_LABELS: &[&str] = &["job", "service_name", "level"];

/// What another vitrine's lines are kept as the service of: nobody outside says what this one did.
pub const OTHER_VITRINE: &str = "remote-vitrine";

/// A level stands near the beginning of a line, or not at all.
const LEVEL_WITHIN_BYTES: usize = 512;

/// Finds the level of a line where loggers write it: as a named value (`level=warn`,
/// `"level":"warn"`), else as a word in capitals (`ERROR`), in brackets (`[error]`) or before a
/// colon (`error:`). A word in a sentence is none.
pub fn severity_in_line(line: &str) -> Option<Severity> {
    let head = cut(line, LEVEL_WITHIN_BYTES);
    named_severity(head.as_bytes()).or_else(|| marked_severity(head))
}

fn marked_severity(head: &str) -> Option<Severity> {
    let is_letter = |c: char| c.is_ascii_alphabetic();
    let mut rest = head;
    while let Some(start) = rest.find(is_letter) {
        let (before, word_on) = rest.split_at(start);
        let (word, after) = word_on.split_at(word_on.find(|c| !is_letter(c)).unwrap_or(word_on.len()));
        let is_marked = word.chars().all(|c| c.is_ascii_uppercase())
            || before.ends_with(['[', '<', '|'])
            || after.starts_with([':', ']']);
        if let Some(severity) = Severity::from_word(word).filter(|_| is_marked) {
            return Some(severity);
        }
        rest = after;
    }
    None
}

fn named_severity(head: &[u8]) -> Option<Severity> {
    let mut from = 0;
    while let Some(found) = memchr::memmem::find(&head[from..], b"l") {
        let at = from + found;
        from = at + 1;
        // `level` and `lvl`; a letter before makes it another word.
        let n_bytes = match &head[at..] {
            [b'l', b'e', b'v', b'e', b'l', ..] => 5,
            [b'l', b'v', b'l', ..] => 3,
            _ => continue,
        };
        if at > 0 && head[at - 1].is_ascii_alphanumeric() {
            continue;
        }
        let is_between = |byte: &u8| matches!(byte, b'"' | b'\'' | b' ' | b':' | b'=');
        let after = &head[at + n_bytes..];
        let n_between = after.iter().take_while(|byte| is_between(byte)).count();
        if !after[..n_between].iter().any(|byte| matches!(byte, b':' | b'=')) {
            continue;
        }
        let word = &after[n_between..];
        let n_letters = word.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let word = std::str::from_utf8(&word[..n_letters]).ok()?;
        if let Some(severity) = Severity::from_word(word) {
            return Some(severity);
        }
    }
    None
}

/// Returns the service that lines from outside are of: whatever calls itself by this program's name is
/// another one, or means to be taken for it.
pub fn other_service(name: String) -> String {
    if name == SERVICE_NAME { OTHER_VITRINE.into() } else { name }
}

/// Returns a name that a query can say, and that is no label of the streams of forwarded lines.
pub fn metadata_name(name: &str) -> String {
    let mut res = plain_name(name);
    if STREAM_LABELS.contains(&res.as_str()) {
        res.push_str("_extracted");
    }
    res
}

/// Returns a name that a query can say: letters, digits and underscores, no digit in front.
pub fn plain_name(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let mut res: String = cut(name, FIELD_NAME_MAX_BYTES).chars().map(letter).collect();
    if res.starts_with(|first: char| first.is_ascii_digit()) {
        res.insert(0, '_');
    }
    res
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_found_where_programs_write_it() {
        let check =
            |line: &str, expect: Option<Severity>| assert_eq!(severity_in_line(line), expect, "{line}");
        check(r#"{"ts":1,"level":"warn","msg":"x"}"#, Some(Severity::Warn));
        check("level=ERROR msg=x", Some(Severity::Error));
        check("lvl=eror x", None);
        check(r#"{"level" : "Info"}"#, Some(Severity::Info));
        check("the level was high", None);
        check("sealevel=warn", None);
        check("level=", None);
        check("2026/11/26 16:49:02 [error] 12#12: *7 open() failed", Some(Severity::Error));
        check("2026-11-26 16:49:02,1 WARNING root: x", Some(Severity::Warn));
        check("ERROR:root:boom", Some(Severity::Error));
        check("fatal: not a git repository", Some(Severity::Fatal));
        check("[Thu Nov 26 16:49:02.1 2026] [core:notice] [pid 1] x", Some(Severity::Info));
        check("an error was not found", None);
        check("информация", None);
        check(&format!("{}level=warn", " ".repeat(600)), None);
    }
}
