//! Which keys a block of log lines puts into its filter, and which a search asks for.
//!
//! A search is for a *substring*, so a block may be ruled out only when no line of it can
//! contain the needle. That this holds takes three steps:
//!
//! 1. A **token** is a maximal run of letters, digits and `_`. Cut the needle into runs by the
//!    same rule. Wherever a line contains the needle, a run with a separator on both sides
//!    inside the needle *is* a token of that line, and one at an edge is *part* of a token.
//! 2. Some keys are **inherited**: what a string has of them, every string around it has too.
//!    They are the *grams*, four neighbouring letters of one case, and the *pieces*, of any
//!    25 neighbouring windows of 8 bytes the one that ranks lowest; for the windows of a part
//!    are windows of the whole. A token puts its inherited keys, and every run of the needle
//!    asks for its own.
//! 3. The other keys stand for a token as a **whole**. A run that is a token asks for it. A
//!    part with a digit asks only when no token with a digit is longer, as
//!    [`TokenFacts`](super::needle::TokenFacts) tell: then it is the whole.
//!
//! ```text
//! token                                                 inherited        whole
//! has a digit, 32 bytes or more                         grams, pieces    -
//! has a digit, up to 6 bytes and 4 digits               grams            class Number
//! has a digit, others                                   grams            class Id
//! letters, at least one gram                            grams            -
//! letters, none                                         -                class Gram
//! ```
//!
//! Metadata is asked for by equality: one key for each pair of name and value.
//!
//! **What keeps it small.** A word puts no key of its own, since its grams find it in any
//! company. A gram neither crosses a change of case nor consists of `a` to `f` alone: words
//! lose next to nothing by that, while base64 has an eighth of the grams and hexadecimal ids
//! have none. A trace id of 32 digits has 25 windows and so one piece, by which it is found
//! inside longer tokens too. Each class has a budget: what exceeds it is thinned to the keys
//! that end in one zero bit, in two, and so on. A key tells by itself whether it was
//! put, so that a needle just asks for fewer.
//!
//! **What cannot be ruled out:** a needle at whose edge is a run with a digit that is shorter
//! than the longest such token and has no gram, as in `user=8812` where lines have trace ids.
//! With a separator behind it, it can.
//!
//! Which bytes belong to a token and how they become a key is drawn in `FORMAT.md`. All of it
//! is part of the format, for which the filter's tag stands.

/// What a key stands for; each class is thinned by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// A pair of metadata.
    Metadata,
    /// Four letters, or a token of letters too short for that.
    Gram,
    /// A number with its unit, or another short token with a digit.
    Number,
    /// A longer token with a digit.
    Id,
    /// Eight bytes of a long token with a digit.
    Piece,
}

/// How many [`Class`]es there are.
pub const N_CLASSES: usize = 5;

/// Letters in a gram.
const GRAM: usize = 4;

/// Bytes in the windows that pieces are chosen from.
const PIECE_BYTES: usize = 8;

/// Of so many neighbouring windows one is a piece.
const WINDOWS: usize = ID_BYTES - PIECE_BYTES + 1;

/// Bytes of a token that has a piece for certain: those of a trace id.
const ID_BYTES: usize = 32;

/// Digits of the longest number, and bytes with its unit: `8080`, `663ms`.
const NUMBER_DIGITS_MAX: usize = 4;
const NUMBER_BYTES_MAX: usize = 6;

// What a byte is.
const DIGIT: u8 = 1;
const LOWER: u8 = 2;
const UPPER: u8 = 4;
/// Also a hexadecimal digit.
const HEX: u8 = 8;
/// Outside ASCII: the character's first byte tells.
const WIDE: u8 = 16;
const CASE: u8 = LOWER | UPPER;

const KINDS: [u8; 256] = {
    let mut res = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        res[byte] = match byte as u8 {
            b'0'..=b'9' => DIGIT,
            b'a'..=b'f' => LOWER | HEX,
            b'A'..=b'F' => UPPER | HEX,
            b'g'..=b'z' | b'_' => LOWER,
            b'G'..=b'Z' => UPPER,
            0x80.. => LOWER | WIDE,
            _ => 0,
        };
        byte += 1;
    }
    res
};

fn kind(byte: u8) -> u8 {
    KINDS[usize::from(byte)]
}

fn char_bytes(first: u8) -> usize {
    match first {
        ..0xc0 => 1,
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0.. => 4,
    }
}

/// Returns the bytes of a character of UTF-8, and what it is: 0 for a separator.
fn char_at(text: &[u8], at: usize) -> Option<(usize, u8)> {
    let rest = text.get(at..)?;
    match *rest {
        [] => None,
        [first @ ..0x80, ..] => Some((1, kind(first))),
        [first @ (0xc3..=0xdf | 0xe0 | 0xe1 | 0xe4..=0xed), ..] => Some((char_bytes(first), kind(first))),
        [0xe3, second, ..] if second != 0x80 => Some((3, kind(0xe3))),
        [first, ..] => Some((char_bytes(first), 0)),
    }
}

/// A maximal run of token characters.
#[derive(Clone, Copy)]
pub struct Token<'a> {
    /// Its bytes; they are UTF-8.
    pub text: &'a [u8],
    /// Where they begin in the line.
    pub start: usize,
    kinds: u8,
}

/// Yields the tokens of a text.
pub struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let text = self.text;
        let mut start = self.at;
        while let (n_bytes, 0) = char_at(text, start)? {
            start += n_bytes;
        }
        let (mut at, mut kinds) = (start, 0);
        while let Some((n_bytes, has_digit)) = text[at..].first_chunk().and_then(head_of_token) {
            kinds |= if has_digit { DIGIT } else { 0 };
            at += n_bytes;
            if n_bytes < 8 {
                self.at = at;
                return Some(Token { text: &text[start..at], start, kinds });
            }
        }
        while let Some((n_bytes, kind @ 1..)) = char_at(text, at) {
            kinds |= kind;
            at += n_bytes;
        }
        self.at = at;
        Some(Token { text: &text[start..at], start, kinds })
    }
}

/// Returns how many of eight bytes go on with a token, and whether one of these is a digit;
/// nothing when one of the eight is not ASCII. A byte at a time costs a mispredicted branch
/// at the end of most tokens.
fn head_of_token(bytes: &[u8; 8]) -> Option<(usize, bool)> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * EACH;
    let bytes = u64::from_le_bytes(*bytes);
    if bytes & HIGH != 0 {
        return None;
    }
    // Sets the high bit of each byte that is at least `least`; no sum carries into the next.
    let at_least = |bytes: u64, least: u8| bytes + u64::from(0x80 - least) * EACH;
    let lower = bytes | (0x20 * EACH);
    let letters = at_least(lower, b'a') & !at_least(lower, b'z' + 1);
    let digits = at_least(bytes, b'0') & !at_least(bytes, b'9' + 1);
    let underscores = !at_least(bytes ^ (u64::from(b'_') * EACH), 1);
    let others = !(letters | digits | underscores) & HIGH;
    let n_bytes = others.trailing_zeros() as usize / 8;
    let before = others & others.wrapping_neg();
    Some((n_bytes, digits & HIGH & before.wrapping_sub(1) != 0))
}

/// Cuts a text.
pub fn tokens(text: &str) -> Tokens<'_> {
    Tokens { text: text.as_bytes(), at: 0 }
}

impl Token<'_> {
    /// Returns true when one of the bytes is an ASCII digit.
    pub fn has_digit(&self) -> bool {
        self.kinds & DIGIT != 0
    }

    /// Visits the keys that every longer token around this one has too.
    pub fn inherited(&self, visit: &mut impl FnMut(Class, u64)) -> HasGram {
        let has_gram = grams(self, &mut |gram| visit(Class::Gram, key(Class::Gram, gram)));
        if self.has_digit() && self.text.len() >= ID_BYTES {
            pieces(self.text, &mut |piece| visit(Class::Piece, key(Class::Piece, piece)));
        }
        has_gram
    }

    /// Returns the key that this token has and longer ones have not.
    pub fn whole(&self, has_gram: HasGram) -> Option<(Class, u64)> {
        let class = match (self.has_digit(), has_gram, self.text.len()) {
            (true, _, ID_BYTES..) | (false, HasGram(true), _) => return None,
            (false, HasGram(false), _) => Class::Gram,
            (true, _, ..=NUMBER_BYTES_MAX) if self.n_digits() <= NUMBER_DIGITS_MAX => Class::Number,
            (true, _, _) => Class::Id,
        };
        Some((class, key(class, self.text)))
    }

    fn n_digits(&self) -> usize {
        self.text.iter().filter(|byte| byte.is_ascii_digit()).count()
    }

    /// Returns the number of bytes, and 255 for all from there.
    pub fn len_or_max(&self) -> u8 {
        u8::try_from(self.text.len()).unwrap_or(u8::MAX)
    }
}

/// Whether a token puts any gram.
#[derive(Clone, Copy)]
pub struct HasGram(bool);

fn grams(token: &Token<'_>, visit: &mut impl FnMut(&[u8])) -> HasGram {
    if token.kinds & WIDE != 0 {
        return wide_grams(token.text, visit);
    }
    let mut has_gram = HasGram(false);
    // Where the last run of one case begins, and where its last letter beyond f ends.
    let (mut case, mut run, mut other) = (0, 0, 0);
    for (at, byte) in token.text.iter().enumerate() {
        let kind = kind(*byte);
        if kind & CASE != case {
            (case, run) = (kind & CASE, at);
        }
        if kind & HEX == 0 {
            other = at + 1;
        }
        if at + 1 >= run + GRAM && other + GRAM > at + 1 && case != 0 {
            has_gram = HasGram(true);
            visit(&token.text[at + 1 - GRAM..=at]);
        }
    }
    has_gram
}

// The same where characters are of several bytes.
fn wide_grams(token: &[u8], visit: &mut impl FnMut(&[u8])) -> HasGram {
    let mut has_gram = HasGram(false);
    for run in token.chunk_by(|a, b| kind(*a) & CASE == kind(*b) & CASE) {
        let mut start = if kind(run[0]) & CASE == 0 { run.len() } else { 0 };
        while start < run.len() {
            let (mut end, mut weight, mut kinds) = (start, 0, HEX);
            while weight < GRAM && end < run.len() {
                weight += if run[end] < 0xe3 { 1 } else { 2 };
                kinds &= kind(run[end]);
                end += char_bytes(run[end]);
            }
            if weight < GRAM {
                break;
            }
            if kinds & HEX == 0 {
                has_gram = HasGram(true);
                visit(&run[start..end]);
            }
            start += char_bytes(run[start]);
        }
    }
    has_gram
}

fn pieces(token: &[u8], visit: &mut impl FnMut(&[u8])) {
    let mut ranks = [0; WINDOWS];
    let mut least = (u64::MAX, 0);
    for (at, window) in token.windows(PIECE_BYTES).enumerate() {
        let new = (word(window).wrapping_mul(MIX), at);
        ranks[at % WINDOWS] = new.0;
        if new.0 <= least.0 {
            least = new;
        } else if least.1 + WINDOWS == at {
            // The least one has left the windows.
            let all = at + 1 - WINDOWS..=at;
            least = all.map(|at| (ranks[at % WINDOWS], at)).min().unwrap_or(new);
        } else if at + 1 != WINDOWS {
            continue;
        }
        if at + 1 >= WINDOWS {
            visit(&token[least.1..least.1 + PIECE_BYTES]);
        }
    }
}

/// An odd number without a pattern: the fraction of the golden ratio.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// Mixes 64 bits; see above.
pub fn fold(value: u64) -> u64 {
    let product = u128::from(value) * u128::from(MIX);
    product as u64 ^ (product >> 64) as u64
}

fn key(class: Class, bytes: &[u8]) -> u64 {
    finish(absorb((class as u64 + 1).wrapping_mul(MIX), bytes), bytes.len())
}

fn absorb(state: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let state = words.iter().fold(state, |state, word| fold(state ^ u64::from_le_bytes(*word)));
    if rest.is_empty() { state } else { fold(state ^ word(rest)) }
}

fn finish(state: u64, n_bytes: usize) -> u64 {
    fold(state ^ n_bytes as u64).max(1)
}

fn word(bytes: &[u8]) -> u64 {
    match bytes {
        // Grams and windows, which are nearly all that comes here.
        [a, b, c, d] => u64::from(u32::from_le_bytes([*a, *b, *c, *d])),
        [a, b, c, d, e, f, g, h] => u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]),
        _ => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// Returns the key of one pair of metadata.
pub fn metadata_key(name: &str, value: &str) -> u64 {
    // The length of the value tells where it begins.
    let state = absorb((Class::Metadata as u64 + 1).wrapping_mul(MIX), name.as_bytes());
    finish(absorb(fold(state ^ value.len() as u64), value.as_bytes()), name.len())
}

/// Lines with all that logs have in them.
#[cfg(test)]
pub mod samples {
    use proptest::prelude::*;
    use proptest::sample::Index;

    /// What lines are made of, with and without a separator between.
    fn part() -> impl Strategy<Value = String> {
        // In two, since a union has a limit.
        let words = prop_oneof![
            3 => "[a-z]{1,12}",
            2 => "[A-Z]?[a-z]{2,8}([A-Z][a-z]{1,9}){0,2}",
            1 => "[A-Z_]{1,9}",
            1 => "[a-z]{1,5}_[a-z0-9]{1,8}",
            1 => "[ab1]{1,50}",
            1 => "[а-яА-ЯёÉéß]{1,12}",
            1 => "[一-十あ-んア-ン가-힣]{1,8}",
            1 => r"\PC{1,6}",
            1 => ".{1,4}",
        ];
        let others = prop_oneof![
            2 => "[0-9]{1,7}",
            1 => "[0-9]{1,3}[.][0-9]{1,6}(ms|s|kB)?",
            1 => "[0-9]{1,3}([.][0-9]{1,3}){3}",
            2 => "[0-9a-f]{32}",
            1 => "[0-9a-f]{16}|[0-9a-f]{64}",
            1 => "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
            1 => "[A-Za-z0-9+/_-]{20,90}={0,2}",
            1 => "[、。「」…—«»×·☃🦀ａ１]{1,3}",
            4 => " {1,2}",
            3 => r#"[-=:;,./"'{}()|]{1,3}"#,
        ];
        prop_oneof![words, others]
    }

    /// One line of any of them.
    pub fn line() -> impl Strategy<Value = String> {
        prop::collection::vec(part(), 0..14).prop_map(|parts| parts.concat())
    }

    /// Takes characters from anywhere in a line.
    pub fn cut(line: &str, from: Index, n_chars: usize) -> String {
        let n = line.chars().count();
        line.chars().skip(from.index(n.max(1))).take(n_chars).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::samples::line;
    use super::*;

    fn inherited(text: &str) -> Vec<(Class, u64)> {
        let mut res = Vec::new();
        tokens(text).for_each(|token| {
            token.inherited(&mut |class, key| res.push((class, key)));
        });
        res
    }

    proptest! {
        // Each with some thousand parts.
        #![proptest_config(ProptestConfig::with_cases(150))]

        #[test]
        fn what_a_part_has_the_whole_has(
            whole in "[a-cF-H0-2_а-г一-三]{1,12}|[0-9a-f]{33,80}|[a-c0-1]{33,80}|[ab0]{33,80}",
        ) {
            let keys: HashSet<(Class, u64)> = inherited(&whole).into_iter().collect();
            for (from, _) in whole.char_indices() {
                for (place, last) in whole[from..].char_indices() {
                    let part = &whole[from..from + place + last.len_utf8()];
                    prop_assert!(inherited(part).iter().all(|key| keys.contains(key)), "{part:?}");
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn every_window_of_a_trace_id_in_a_longer_token_has_a_piece(whole in "[0-9a-f]{32,100}|[ab0]{32,100}") {
            let has_piece = |part: &[u8]| {
                let part = std::str::from_utf8(part).unwrap();
                let has_digit = part.bytes().any(|byte| byte.is_ascii_digit());
                !has_digit || inherited(part).iter().any(|(class, _)| *class == Class::Piece)
            };
            prop_assert!(whole.as_bytes().windows(ID_BYTES).all(has_piece));
        }

        #[test]
        fn tokens_are_cut_as_the_format_says(text in line()) {
            let is_separator = |c: char| {
                let is_wide = matches!(c, '\u{c0}'..='\u{1fff}' | '\u{3040}'..='\u{d7ff}');
                !(c.is_ascii_alphanumeric() || c == '_' || is_wide)
            };
            let expect: Vec<&str> = text.split(is_separator).filter(|token| !token.is_empty()).collect();
            let found: Vec<Token<'_>> = tokens(&text).collect();
            let texts: Vec<&str> = found.iter().map(|token| std::str::from_utf8(token.text).unwrap()).collect();
            prop_assert_eq!(&texts, &expect);
            for token in found {
                prop_assert_eq!(token.has_digit(), token.text.iter().any(u8::is_ascii_digit));
                prop_assert_eq!(token.kinds & WIDE == 0, token.text.is_ascii());
                prop_assert_eq!(&text.as_bytes()[token.start..][..token.text.len()], token.text);
            }
        }
    }

    #[test]
    fn the_format_stays() {
        const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
        // Keys on disk are asked for by every later version: others take a new tag. These were
        // worked out from the text above, not by this code.
        let keys = |text| inherited(text).into_iter().map(|(_, key)| key).collect::<Vec<_>>();
        assert_eq!(keys("needle"), [0x6ca2_9878_7cb3_3a37, 0x421d_9ef5_2414_7e74, 0x7ffd_2ebf_7bb5_0c28]);
        assert_eq!(keys(TRACE), [0x51d7_29f8_8ee1_29b1]);
        assert_eq!(keys("ошиб 失敗"), [0xb383_d21e_e467_c97f, 0x4e87_ed79_5c21_86f8]);
        let whole = |text| {
            let token = tokens(text).next().unwrap();
            token.whole(token.inherited(&mut |_, _| ()))
        };
        assert_eq!(whole("00f067aa0ba902b7x"), Some((Class::Id, 0x8694_a44b_9c3c_514d)));
        assert_eq!(whole("663ms"), Some((Class::Number, 0x7578_02a0_400a_28b9)));
        assert_eq!(metadata_key("trace_id", TRACE), 0x35ac_4931_45e9_6b05);
    }
}
