//! A line, cut into words and what stands between them.
//!
//! A word ends at white space, at punctuation and at `=`, and not at `_`, `-`, `.`, `:`, `/`, as in Loki;
//! whatever is no ASCII is part of a word. What stands between words is never left out and never put
//! in a placeholder's stead: a placeholder stands for one word, in which nothing is that a gap begins
//! with. So `|>`, which looks for the texts of a pattern one behind the other, finds each where the line
//! was cut, and a line matches the pattern that was made of it.
//!
//! Of a line of JSON only its message is cut, as in Loki; here with its name before it, which is where
//! `|>` has to begin to look.

use memchr::memmem::Finder;

use crate::query::logql::extract::has_capture;

/// Bytes of a line that are looked at; Loki mines no line that is longer. What is behind them is one
/// placeholder.
pub const LINE_MAX_BYTES: usize = 3_000;

/// Words of a line that are looked at, for memory; Loki mines no line of more than 80 words and marks.
const WORDS_MAX: usize = 128;

/// A longer word is a value, like one with a digit: names are shorter, and sums and tokens are not.
const NAME_MAX_BYTES: usize = 40;

/// The members of a line of JSON that are messages: Loki's, in its order.
const MESSAGES: [&str; 6] =
    [r#""log""#, r#""message""#, r#""msg""#, r#""msg_""#, r#""_msg""#, r#""content""#];

/// Stands for a word that does not tell shapes apart; no byte of a text is like it.
pub const PLACE: u8 = 0xff;

/// A gap begins with such a byte.
const BEGINS_GAP: u8 = 1;

/// A gap goes on with such a byte. A colon does not begin one, so that times and addresses are words,
/// but it belongs to one, so that `"n":5` has the word `5`.
const IN_GAP: u8 = 2;

/// A word with such a byte is a value: a number, an id, a path.
const IN_VALUE: u8 = 4;

/// A word with such a byte may look like a placeholder.
const IN_PLACEHOLDER: u8 = 8;

const CLASSES: [u8; 256] = {
    let mut res = [0; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        let ends_word = match byte {
            b'_' | b'-' | b'.' | b':' | b'/' | b'$' | b'+' | b'<' | b'>' | b'^' | b'`' | b'|' | b'~' => false,
            other => !other.is_ascii_alphanumeric(),
        };
        res[byte as usize] = match byte {
            _ if ends_word => BEGINS_GAP | IN_GAP,
            b':' => IN_GAP,
            b'0'..=b'9' | b'/' => IN_VALUE,
            b'<' => IN_PLACEHOLDER,
            _ => 0,
        };
        byte += 1;
    }
    res
};

/// What a word is to the shape that it is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It tells shapes apart.
    Name,
    /// It does not, but has been the same in all lines so far.
    Value,
    /// It does not, and there are different ones.
    Values,
    /// There were more names than a place may have, or such that lines were alike nevertheless.
    Names,
}

/// A word of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// Its first byte.
    pub start: u16,
    /// The first byte behind it.
    pub end: u16,
    /// What it is.
    pub kind: Kind,
}

impl Word {
    /// Returns the word itself.
    pub fn of(self, text: &str) -> &str {
        &text[usize::from(self.start)..usize::from(self.end)]
    }
}

/// What was cut of a line; the words are the cutter's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut<'l> {
    /// The part of the line that was looked at, no longer than [`LINE_MAX_BYTES`].
    pub text: &'l str,
    /// There is something before it.
    pub has_head: bool,
    /// There is something behind it.
    pub has_tail: bool,
}

/// Cuts lines.
pub struct Cutter {
    /// The words of the last line.
    pub words: Vec<Word>,
    /// The text of the last line with [`PLACE`] for each word that is no name.
    pub key: Vec<u8>,
    messages: [Finder<'static>; MESSAGES.len()],
}

impl Cutter {
    /// Gets ready.
    pub fn new() -> Self {
        Cutter { words: Vec::new(), key: Vec::new(), messages: MESSAGES.map(Finder::new) }
    }

    /// Cuts a line.
    pub fn cut<'l>(&mut self, line: &'l str) -> Cut<'l> {
        match self.message(line) {
            Some(message) => Cut { has_head: true, has_tail: true, ..self.words_of(message) },
            None => self.words_of(line),
        }
    }

    fn words_of<'l>(&mut self, text: &'l str) -> Cut<'l> {
        self.words.clear();
        self.key.clear();
        let bytes = text.as_bytes();
        let end = bytes.len().min(LINE_MAX_BYTES);
        let mut at = 0;
        loop {
            let gap = at;
            while at < end && CLASSES[usize::from(bytes[at])] & IN_GAP != 0 {
                at += 1;
            }
            self.key.extend_from_slice(&bytes[gap..at]);
            if at == end || self.words.len() == WORDS_MAX {
                break;
            }
            let (start, mut classes) = (at, 0);
            while at < end && CLASSES[usize::from(bytes[at])] & BEGINS_GAP == 0 {
                classes |= CLASSES[usize::from(bytes[at])];
                at += 1;
            }
            if at == end && end < bytes.len() {
                // Half a word is none: it belongs to what is not looked at.
                at = start;
                break;
            }
            self.add(text, start, at, classes);
        }
        Cut { text: &text[..at], has_head: false, has_tail: at < bytes.len() }
    }

    fn add(&mut self, text: &str, start: usize, end: usize, classes: u8) {
        let word = &text[start..end];
        let kind = if classes & IN_PLACEHOLDER != 0 && has_capture(word) {
            // Written as it is, it would be one.
            Kind::Values
        } else if classes & IN_VALUE != 0 || word.len() > NAME_MAX_BYTES {
            Kind::Value
        } else {
            Kind::Name
        };
        if kind == Kind::Name {
            self.key.extend_from_slice(word.as_bytes());
        } else {
            self.key.push(PLACE);
        }
        let offset = |at| u16::try_from(at).expect("what is looked at has less than 64 KiB");
        self.words.push(Word { start: offset(start), end: offset(end), kind });
    }

    /// Returns the message of a line of JSON, with its name and its quotes. The name is the first one in
    /// the line that is written so, on whatever level.
    fn message<'l>(&self, line: &'l str) -> Option<&'l str> {
        if !line.starts_with('{') || !line.ends_with('}') {
            return None;
        }
        self.messages.iter().find_map(|finder| {
            let start = finder.find(line.as_bytes())?;
            let name_len = finder.needle().len();
            let value = line[start + name_len..].trim_start().strip_prefix(':')?.trim_start();
            let text = value.strip_prefix('"')?;
            let end = line.len() - text.len() + string_end(text)?;
            Some(&line[start..end])
        })
    }
}

/// Returns where a string of JSON ends, behind its closing quote.
fn string_end(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })?;
    Some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expect: &str) {
        let mut cutter = Cutter::new();
        let cut = cutter.cut(line);
        let key = cutter.key.iter().map(|byte| if *byte == PLACE { b'#' } else { *byte }).collect();
        let key = String::from_utf8(key).unwrap();
        let edge = |is_there| if is_there { "~" } else { "" };
        let shown = format!("{}{key}{}", edge(cut.has_head), edge(cut.has_tail));
        assert_eq!(shown, expect, "{line:?}");
        let inside = cutter.words.iter().map(|word| word.of(cut.text));
        assert!(inside.clone().all(|word| !word.is_empty() && !word.contains([' ', '=', '"'])), "{line:?}");
    }

    #[test]
    fn words_with_digits_or_slashes_and_long_ones_are_values() {
        check("user bob logged in after 12:30:01", "user bob logged in after #");
        check("GET /about HTTP/1.1, 200 ok", "GET # #, # ok");
        check("sshd[123]: from 10.0.0.1:22", "sshd[#]: from #");
        check(r#"level=info took=5ms user="bob" n="#, r#"level=info took=# user="bob" n="#);
        check(r#"{"n":5,"level":"warn"}"#, r#"{"n":#,"level":"warn"}"#);
        check(&format!("sum {}", "x".repeat(41)), "sum #");
        check("  two\t\u{a0}é größe ", "  two\t\u{a0}é größe ");
        check("", "");
        check(" : ", " : ");
    }

    #[test]
    fn what_looks_like_a_placeholder_is_none_of_the_text() {
        check("<b> and a<_>b and <13> and <a b> <", "# and # and # and <a b> <");
    }

    #[test]
    fn of_json_the_message_is_cut() {
        check(r#"{"n":1,"msg":"user 5 \"in\"","x":2}"#, r#"~"msg":"user # \"in\""~"#);
        check(r#"{"message" : "all is well"}"#, r#"~"message" : "all is well"~"#);
        check(r#"{"log":{"level":"warn"},"message":"m"}"#, r#"~"message":"m"~"#);
        check(r#"{"msg":"cut off}"#, r#"{"msg":"cut off}"#);
        check(r#"{"a":"msg"}"#, r#"{"a":"msg"}"#);
        check(r#"{"a":1} {"msg":"x"} "#, r#"{"a":#} {"msg":"x"} "#);
    }

    #[test]
    fn long_lines_are_looked_at_in_part() {
        check(&"x".repeat(256 << 10), "~");
        check(&format!("begin {}", "é".repeat(3_000)), "begin ~");
        check(&"a ".repeat(500), &format!("{}~", "a ".repeat(WORDS_MAX)));
        check(&" ".repeat(4_000), &format!("{}~", " ".repeat(LINE_MAX_BYTES)));
        let words = "ab ".repeat(60);
        check(&format!("{words}1"), &format!("{words}#"));
    }
}
