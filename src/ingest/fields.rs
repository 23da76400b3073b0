//! What the formats of other programs have in common: levels by their words, names of fields.

use crate::record::Severity;
use crate::record::access::cut;

/// Bytes of a field's name, which is cut.
pub const FIELD_NAME_MAX_BYTES: usize = 128;

/// Labels of the stream; metadata of the same name gets the suffix that Loki gives it.
const STREAM_LABELS: &[&str] = &["job", "service_name", "level"];

/// A level stands near the beginning of a line, or not at all.
const LEVEL_WITHIN_BYTES: usize = 512;

/// Reads the word that a program uses for a level.
pub fn severity_of_word(word: &str) -> Option<Severity> {
    let word = word.trim();
    let is = |words: &[&str]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    if is(&["trace"]) {
        Some(Severity::Trace)
    } else if is(&["debug"]) {
        Some(Severity::Debug)
    } else if is(&["info", "information", "informational", "notice"]) {
        Some(Severity::Info)
    } else if is(&["warn", "warning"]) {
        Some(Severity::Warn)
    } else if is(&["error", "err"]) {
        Some(Severity::Error)
    } else if is(&["fatal", "critical", "crit", "alert", "emerg", "emergency", "panic"]) {
        Some(Severity::Fatal)
    } else {
        None
    }
}

/// Finds the level of a line in logfmt or JSON: `level=warn`, `"level":"warn"`.
pub fn severity_in_line(line: &str) -> Option<Severity> {
    let head = cut(line, LEVEL_WITHIN_BYTES).as_bytes();
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
        if let Some(severity) = severity_of_word(word) {
            return Some(severity);
        }
    }
    None
}

/// Returns a name that a query can say: letters, digits and underscores, no digit in front.
pub fn metadata_name(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let mut res: String = cut(name, FIELD_NAME_MAX_BYTES).chars().map(letter).collect();
    if res.starts_with(|first: char| first.is_ascii_digit()) {
        res.insert(0, '_');
    }
    if STREAM_LABELS.contains(&res.as_str()) {
        res.push_str("_extracted");
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
        check(&format!("{}level=warn", " ".repeat(600)), None);
    }
}
