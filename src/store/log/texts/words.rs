//! Values that come again: each different one once, and which one it is each time.
//!
//! In a log a value comes again soon: the next line is of the same process, or of the one
//! before. So a word is named either by its number or, when that seems shorter, by its rank
//! among the words used last.

use super::put::{FEW, Values, distinct, put_different};
use super::{RECENT, Sections, WORDS, numbers};
use crate::store::wire::put_varint;

/// A column of words begins with about so many sixteenths of a bit beside the words.
const HEAD_BITS_16: usize = 16 * 64;

/// Returns how many different ones pay when the values are no numbers: half of them, and
/// more when they are long, for a word takes about a fixed number of bytes to name again.
pub fn n_max(values: &Values<'_>) -> usize {
    const NAME_BYTES: usize = 6;
    /// Longer ones are sentences, and have parts in common.
    const WORD_BYTES_MAX: usize = 64;
    let (n, n_bytes) = (values.len(), values.n_bytes());
    let half = n / 2;
    if n_bytes > n * WORD_BYTES_MAX {
        return half;
    }
    half.max(n_bytes.saturating_sub(n * NAME_BYTES) * n / n_bytes.max(1))
}

/// Appends the words if there are at most so many, and they take less than `bits_16_max`.
pub fn put(
    values: &Values<'_>,
    n_max: usize,
    bits_16_max: Option<usize>,
    depth: usize,
    out: &mut Sections,
) -> bool {
    let n = values.len();
    if n < FEW {
        return false;
    }
    let Some((ids, words)) = distinct(values, n_max) else { return false };
    let names = Names::of(&ids);
    if let Some(bits) = bits_16_max
        && names.bits_16() + bits / n * words.len() + HEAD_BITS_16 > bits
    {
        return false;
    }
    out.numbers.push(WORDS);
    put_varint(&mut out.numbers, words.len() as u64);
    put_different(&words, depth, out);
    names.put(&ids, out);
    true
}

/// How words may be named.
struct Names {
    /// 0 for a word that is new, its rank from 1 for a recent one, else `RECENT` + 1.
    ranks: Vec<u64>,
    /// The numbers of those words that are neither new nor recent.
    far: Vec<u64>,
    ranks_bits_16: usize,
    ids_bits_16: usize,
}

impl Names {
    fn of(ids: &[u64]) -> Names {
        let mut recent = [u64::MAX; RECENT];
        let (mut ranks, mut far, mut n_known) = (Vec::with_capacity(ids.len()), Vec::new(), 0);
        for id in ids {
            let rank = recent.iter().position(|known| known == id);
            if *id == n_known {
                n_known += 1;
                ranks.push(0);
            } else if let Some(rank) = rank {
                ranks.push(rank as u64 + 1);
            } else {
                ranks.push(RECENT as u64 + 1);
                far.push(*id);
            }
            recent.copy_within(..rank.unwrap_or(RECENT - 1), 1);
            recent[0] = *id;
        }
        let ranks_bits_16 = numbers::bits_16(&ranks) + numbers::bits_16(&far) + HEAD_BITS_16;
        // zstd finds numbers that come again in the same order, ranks it does not.
        let ids_bits_16 = numbers::bits_16(ids) / 16 * 15;
        Names { ranks, far, ranks_bits_16, ids_bits_16 }
    }

    fn bits_16(&self) -> usize {
        self.ranks_bits_16.min(self.ids_bits_16)
    }

    fn put(&self, ids: &[u64], out: &mut Sections) {
        if self.ranks_bits_16 < self.ids_bits_16 {
            put_varint(&mut out.numbers, self.far.len() as u64 + 1);
            numbers::put(out, &self.ranks);
            numbers::put(out, &self.far);
        } else {
            put_varint(&mut out.numbers, 0);
            numbers::put(out, ids);
        }
    }
}
