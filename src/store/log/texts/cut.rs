//! Cuts a text into what it says always and what it says this time.

use super::SLOT;

const WORD: u8 = 1;
const DIGIT: u8 = 2;
/// Holds words together when one is on either side.
const JOINT: u8 = 4;

const KINDS: [u8; 256] = {
    let mut res = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        res[byte] = match byte as u8 {
            b'0'..=b'9' => WORD | DIGIT,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => WORD,
            b'.' | b'-' | b'/' => JOINT,
            _ => 0,
        };
        byte += 1;
    }
    res
};

fn kind(byte: u8) -> u8 {
    KINDS[usize::from(byte)]
}

/// Returns true for what may be in a word of a template.
pub fn is_word(byte: u8) -> bool {
    kind(byte) & WORD != 0 && byte != SLOT
}

/// How finely a text is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// What has a digit or a slash is a variable, and a quotation of several words.
    Words,
    /// A run of digits is a variable.
    Digits,
}

/// Appends the template of a text, with a slot in the place of each variable, and the
/// length of each variable.
pub fn cut(text: &[u8], grain: Grain, template: &mut Vec<u8>, lens: &mut Vec<u32>) {
    match grain {
        Grain::Words => words(text, template, lens),
        Grain::Digits => digits(text, template, lens),
    }
}

fn digits(text: &[u8], template: &mut Vec<u8>, lens: &mut Vec<u32>) {
    let mut at = 0;
    while at < text.len() {
        let n = text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if n == 0 {
            template.push(text[at]);
            at += 1;
        } else {
            template.push(SLOT);
            lens.push(n as u32);
            at += n;
        }
    }
}

fn words(text: &[u8], template: &mut Vec<u8>, lens: &mut Vec<u32>) {
    // Where a quotation ends that is cut into words, and whether another one may begin.
    let (mut quoted_to, mut may_quote) = (0, true);
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let next = text.get(at + 1).map_or(0, |byte| kind(*byte));
        if kind(byte) & WORD != 0 || byte == b'/' && next & WORD != 0 {
            let (end, is_variable) = word(text, at);
            if is_variable {
                template.push(SLOT);
                lens.push((end - at) as u32);
            } else {
                template.extend_from_slice(&text[at..end]);
            }
            at = end;
            continue;
        }
        template.push(byte);
        at += 1;
        if byte == b'"' && may_quote && at > quoted_to {
            match memchr::memchr(b'"', &text[at..]) {
                None => may_quote = false,
                Some(n) if memchr::memchr(b' ', &text[at..at + n]).is_some() => {
                    template.push(SLOT);
                    template.push(b'"');
                    lens.push(n as u32);
                    at += n + 1;
                }
                Some(n) => quoted_to = at + n + 1,
            }
        }
    }
}

/// Returns where the word ends that begins here, and whether it is a variable.
fn word(text: &[u8], start: usize) -> (usize, bool) {
    let mut kinds = 0;
    let mut is_path = false;
    let mut at = start;
    while let Some(&byte) = text.get(at) {
        let this = kind(byte);
        if this & WORD == 0 {
            let after = text.get(at + 1).map_or(0, |byte| kind(*byte));
            let joins = match byte {
                b':' => at > start && kind(text[at - 1]) & after & DIGIT != 0,
                _ => this & JOINT != 0 && after & WORD != 0,
            };
            if !joins {
                break;
            }
            is_path |= byte == b'/';
        }
        kinds |= this;
        at += 1;
    }
    (at, is_path || kinds & DIGIT != 0)
}
