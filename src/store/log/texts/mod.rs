//! A column of texts as bytes: log lines, or what they have under one name of metadata.
//!
//! Log lines are made from templates, with variables put in. This module takes the variables
//! out, lays those of one kind next to each other, and writes each column of them in the form
//! that suits it, so that zstd has less left to write. It promises that every text comes back
//! to the byte, that equal texts give equal bytes, that no choice of texts makes it slow, and
//! that a search need not put lines together that it can tell from their parts. It refuses to
//! know what a line is, and compresses nothing.
//!
//! Going in, `cut` tells variables from the rest, `merge` finds words that vary, `templates`
//! lays the variables into columns, and `put` chooses for each column what it becomes:
//! `words` for what comes again, numbers, digits, or templates once more. Coming out, `view`
//! parses and `find` searches. The bytes are drawn in `FORMAT.md`.

mod cut;
mod find;
mod interner;
mod merge;
mod numbers;
mod put;
mod templates;
mod view;
mod words;

use std::ops::Range;

use memchr::memmem::Finder;

use crate::store::columns::Allowance;
use crate::store::wire::{Damaged, Reader, put_varint};

pub use view::View;

// The first byte of a column.
const PLAIN: u8 = 0;
const SAME: u8 = 1;
const INTEGERS: u8 = 2;
const DIGITS: u8 = 3;
const WORDS: u8 = 4;
const TEMPLATES: u8 = 5;

/// Stands in a template for a variable; no UTF-8 has it.
const SLOT: u8 = 0xff;

/// Stands behind a template; no UTF-8 has it either.
const TEMPLATE_END: u8 = 0xfe;

/// Digits of the largest number of 64 bits.
const INTEGER_DIGITS_MAX: usize = 20;

/// Of so many words the one used last is named by its rank.
const RECENT: usize = 12;

/// Texts one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Texts {
    ends: Vec<u32>,
    text: String,
}

impl Texts {
    /// Returns so many empty ones.
    pub fn absent(n: usize) -> Self {
        Texts { ends: vec![0; n], text: String::new() }
    }

    /// Adds a text.
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len() as u32);
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns how much memory they hold.
    pub fn held_bytes(&self) -> usize {
        self.ends.capacity() * size_of::<u32>() + self.text.capacity()
    }

    /// Returns all of them, one behind the other.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn start(&self, idx: usize) -> usize {
        idx.checked_sub(1).map_or(0, |before| self.ends[before] as usize)
    }

    /// Returns one of them.
    pub fn get(&self, idx: usize) -> &str {
        &self.text[self.start(idx)..self.ends[idx] as usize]
    }

    /// Hands over the texts that contain the needle, ascending.
    pub fn find(&self, needle: &Finder<'_>, mut visit: impl FnMut(usize)) {
        find::find_plain(&self.ends, self.text.as_bytes(), needle, &mut visit);
    }
}

/// What lies together in the bytes, since zstd takes like and like better.
#[derive(Default)]
struct Sections {
    numbers: Vec<u8>,
    text: Vec<u8>,
}

impl Sections {
    fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.numbers.len() as u64);
        put_varint(out, self.text.len() as u64);
        out.extend_from_slice(&self.numbers);
        out.extend_from_slice(&self.text);
    }
}

/// The [`Sections`] as they are read.
struct Sources<'a> {
    numbers: Reader<'a>,
    text: Reader<'a>,
    allowance: &'a Allowance,
}

/// Appends a range of the texts in the form that takes the fewest bytes.
pub fn encode(texts: &Texts, range: Range<usize>, out: &mut Vec<u8>) {
    let mut sections = Sections::default();
    put::put(&put::Values::of(texts, range), 0, &mut sections);
    sections.write(out);
}

/// Appends a range of the texts in the form that takes the least time.
pub fn encode_plain(texts: &Texts, range: Range<usize>, out: &mut Vec<u8>) {
    let mut sections = Sections::default();
    put::put_plain(&put::Values::of(texts, range), &mut sections);
    sections.write(out);
}

/// Takes `n` texts of at most `bytes_max` together; what that takes on the way is within the
/// allowance.
pub fn decode(
    reader: &mut Reader<'_>,
    n: usize,
    bytes_max: usize,
    allowance: &Allowance,
) -> Result<Texts, Damaged> {
    View::read(reader, n, bytes_max, allowance)?.texts()
}

#[cfg(test)]
mod tests;
