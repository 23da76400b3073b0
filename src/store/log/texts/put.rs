//! Chooses the form of a column and writes it.
//!
//! What is chosen follows from the values alone: from what all of them are, from how many
//! are different, and from the entropy of their bytes. Nothing is compressed to find out.

use std::ops::Range;

use super::interner::Interner;
use super::{DIGITS, INTEGER_DIGITS_MAX, INTEGERS, PLAIN, SAME, Sections, Texts, numbers, templates, words};
use crate::store::wire::put_varint;

/// Templates are within templates for quotations, and once more for their numbers.
pub(super) const DEPTH_MAX: usize = 2;

/// Fewer values are written as they are: any other form begins with some bytes of its own.
pub const FEW: usize = 8;

/// Values of one kind, as places in a text, ascending.
pub struct Values<'a> {
    pub text: &'a [u8],
    /// Where each begins, and its length.
    pub spans: Vec<(u32, u32)>,
}

impl<'a> Values<'a> {
    /// Begins with all of a range.
    pub fn of(texts: &'a Texts, range: Range<usize>) -> Self {
        let spans = range.map(|idx| {
            let start = texts.start(idx) as u32;
            (start, texts.ends[idx] - start)
        });
        Values { text: texts.text.as_bytes(), spans: spans.collect() }
    }

    /// Begins without any.
    pub fn none(&self) -> Self {
        Values { text: self.text, spans: Vec::new() }
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Yields them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone {
        let text = self.text;
        self.spans.iter().map(move |(start, len)| &text[*start as usize..][..*len as usize])
    }

    /// Returns the bytes of all.
    pub fn n_bytes(&self) -> usize {
        self.spans.iter().map(|(_, len)| *len as usize).sum()
    }
}

/// Appends a column; the `depth` is how many templates it is in.
pub fn put(values: &Values<'_>, depth: usize, out: &mut Sections) {
    if put_same(values, out) {
        return;
    }
    let done = match Integers::of(values) {
        Some(integers) => {
            let most = values.len() / 2;
            words::put(values, most, Some(numbers::bits_16(&integers.values)), depth, out)
                || integers.put(out)
        }
        None => words::put(values, words::n_max(values), None, depth, out) || put_parts(values, depth, out),
    };
    if !done {
        put_plain(values, out);
    }
}

/// Appends values that are all different, but for chance.
pub fn put_different(values: &Values<'_>, depth: usize, out: &mut Sections) {
    let done = values.len() >= 2 * FEW
        && match Integers::of(values) {
            Some(integers) => integers.put(out),
            None => put_parts(values, depth, out),
        };
    if !done {
        put_plain(values, out);
    }
}

fn put_parts(values: &Values<'_>, depth: usize, out: &mut Sections) -> bool {
    put_digits(values, out) || depth < DEPTH_MAX && templates::put(values, depth, out)
}

/// Appends the values as they are.
pub fn put_plain(values: &Values<'_>, out: &mut Sections) {
    out.numbers.push(PLAIN);
    let lens: Vec<u64> = values.spans.iter().map(|(_, len)| u64::from(*len)).collect();
    numbers::put(out, &lens);
    values.iter().for_each(|value| out.text.extend_from_slice(value));
}

fn put_same(values: &Values<'_>, out: &mut Sections) -> bool {
    let mut all = values.iter();
    let Some(first) = all.next() else { return false };
    if !all.all(|value| value == first) {
        return false;
    }
    out.numbers.push(SAME);
    put_varint(&mut out.numbers, first.len() as u64);
    out.text.extend_from_slice(first);
    true
}

/// Values that are decimal numbers of at least `width` digits, without needless zeros beyond.
struct Integers {
    width: usize,
    values: Vec<u64>,
}

impl Integers {
    fn of(values: &Values<'_>) -> Option<Integers> {
        let width = values.spans.iter().map(|(_, len)| *len).min().unwrap_or(0) as usize;
        if width == 0 {
            return None;
        }
        let integer = |value: &[u8]| {
            let is_canonical = value.len() == width || value[0] != b'0';
            // One digit less than the most, so that it is in 64 bits for certain.
            if !is_canonical || value.len() >= INTEGER_DIGITS_MAX {
                return None;
            }
            value
                .iter()
                .try_fold(0, |all, byte| byte.is_ascii_digit().then(|| all * 10 + u64::from(byte - b'0')))
        };
        Some(Integers { width, values: values.iter().map(integer).collect::<Option<_>>()? })
    }

    fn put(&self, out: &mut Sections) -> bool {
        out.numbers.extend([INTEGERS, self.width as u8]);
        numbers::put(out, &self.values);
        true
    }
}

/// Values of one length that differ in hexadecimal digits alone, as ids do.
fn put_digits(values: &Values<'_>, out: &mut Sections) -> bool {
    const LEN_MIN: usize = 4;
    let mut all = values.iter();
    let Some(first) = all.next() else { return false };
    if !(LEN_MIN..=u8::MAX.into()).contains(&first.len()) || first.contains(&0) {
        return false;
    }
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let mut varies = vec![false; first.len()];
    let mut has_letter = false;
    for value in all {
        if value.len() != first.len() {
            return false;
        }
        for ((varies, byte), first) in varies.iter_mut().zip(value).zip(first) {
            if byte != first {
                if !is_digit(*byte) || !is_digit(*first) {
                    return false;
                }
                has_letter |= *byte >= b'a' || *first >= b'a';
                *varies = true;
            }
        }
    }
    // Decimal digits are better off as numbers.
    if !has_letter {
        return false;
    }
    out.numbers.extend([DIGITS, first.len() as u8]);
    out.text.extend(first.iter().zip(&varies).map(|(byte, varies)| if *varies { 0 } else { *byte }));
    let places: Vec<usize> = (0..first.len()).filter(|place| varies[*place]).collect();
    let digit = |byte: u8| if byte >= b'a' { byte - b'a' + 10 } else { byte - b'0' };
    for value in values.iter() {
        for pair in places.chunks(2) {
            let second = pair.get(1).map_or(0, |place| digit(value[*place]));
            out.numbers.push(digit(value[pair[0]]) << 4 | second);
        }
    }
    true
}

/// Returns a number for each value, in the order in which they first appear, and those first
/// ones; nothing when it is or seems to become more than `n_max` different ones.
pub fn distinct<'a>(values: &Values<'a>, n_max: usize) -> Option<(Vec<u64>, Values<'a>)> {
    /// So many are looked at before it may seem so.
    const SAMPLE: usize = 1_024;
    let n = values.len();
    let mut known = Interner::new();
    let mut firsts = values.none();
    let mut ids = Vec::with_capacity(n);
    for (idx, value) in values.iter().enumerate() {
        let id = known.id(value);
        ids.push(id as u64);
        if id < firsts.len() {
            continue;
        }
        firsts.spans.push(values.spans[idx]);
        let seems_more = idx >= SAMPLE && firsts.len() * 2 * n > idx * (n_max + n);
        if firsts.len() > n_max || seems_more && idx.is_power_of_two() {
            return None;
        }
    }
    Some((ids, firsts))
}
