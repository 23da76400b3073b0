//! A set of 64-bit keys in little more than a byte each that never denies a member.
//!
//! It promises that a key it was built of is always found, and that another one is found
//! by mistake once in 256. Building always succeeds: at worst the filter accepts all. It
//! refuses to know what the keys mean.
//!
//! This is a *ribbon filter* (Dillinger & Walzer, "Ribbon filter: practically smaller than
//! Bloom and Xor", 2021). Every key stands for an equation over an array of bytes, the slots: the
//! XOR of those of 64 neighbours that the key's coefficients select is the key's
//! fingerprint. The slots solve the equations of all keys, found by Gaussian elimination, which
//! takes a few steps a key because each begins near its own place. They fulfil the equation of any
//! other key only by chance.
//!
//! Bits a key, measured, beside the smallest three-way binary fuse filter that could be built in
//! one of ten attempts. That one needs slack which shrinks only beyond 100,000 keys, and
//! blocks have ten to ten thousand.
//!
//! ```text
//! keys       10     30    100    300   1,000  3,000  10,000  100,000
//! this one  10.6    8.8    8.3    8.1    8.1    8.2     8.4      8.5
//! fuse      11.2    9.6    9.6   10.2   10.2    9.9     9.6      9.2
//! ```
//!
//! # The bytes
//!
//! ```text
//! nothing      00
//! everything   01
//! ribbon       02 | seed u8 | n slots u8, to the end
//! ```
//!
//! The tag stands for the hash functions here and in `tokens` as well: whoever changes one
//! takes a new tag. With all in 64 bits and `mix` the finisher of SplitMix64,
//!
//! ```text
//! hash         = mix(key ^ mix(seed + 1))
//! fingerprint  = hash & 255
//! coefficients = mix(hash) | 1                  bit i selects slot start + i
//! start        = (hash × (n − 64 + 1 + 32) >> 64) − 16, at least 0, at most n − 64
//! ```
//!
//! and with less than 64 slots the coefficients are the low `n` bits of `mix(hash)`, or 1 if all
//! of these are 0, and `start` is 0.

use crate::store::wire::{Damaged, Reader};

const TAG_NOTHING: u8 = 0;
const TAG_EVERYTHING: u8 = 1;
const TAG_RIBBON: u8 = 2;

/// Slots that one equation may touch: the bits of a machine word.
const WIDTH: usize = u64::BITS as usize;

/// Equations that would begin up to this many slots outside begin at the edge, whose slots
/// would otherwise be touched by few: some hundred keys take a hundredth less.
const MARGIN: usize = WIDTH / 4;

/// About one attempt in three fails, and every second one has more room; keys that fail all
/// were chosen to, and then the filter accepts everything.
const ATTEMPTS_MAX: u8 = 32;

/// An encoded filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(Vec<u8>);

impl Filter {
    /// Builds the filter of these keys, which it sorts and rids of duplicates.
    pub fn build(keys: &mut Vec<u64>) -> Filter {
        keys.sort_unstable();
        keys.dedup();
        if keys.is_empty() {
            return Filter(vec![TAG_NOTHING]);
        }
        (0..ATTEMPTS_MAX).find_map(|attempt| solve(keys, attempt)).unwrap_or(Filter(vec![TAG_EVERYTHING]))
    }

    /// Takes over what [`Filter::as_bytes`] gave.
    pub fn from_bytes(bytes: &[u8]) -> Result<Filter, Damaged> {
        FilterRef::from_bytes(bytes)?;
        Ok(Filter(bytes.to_vec()))
    }

    /// Returns the filter as it lies on disk.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns a view to ask many keys of.
    pub fn view(&self) -> FilterRef<'_> {
        FilterRef::from_bytes(&self.0).expect("only valid bytes become a filter")
    }

    /// Returns true for every key put in, and for one in 256 of all others.
    pub fn contains(&self, key: u64) -> bool {
        self.view().contains(key)
    }
}

/// A filter in bytes that are someone else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterRef<'a>(Kind<'a>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind<'a> {
    Nothing,
    Everything,
    Ribbon { seed: u8, slots: &'a [u8] },
}

impl<'a> FilterRef<'a> {
    /// Reads what [`Filter::as_bytes`] gave, without copying; the bytes end with the filter.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, Damaged> {
        let mut reader = Reader::new(bytes);
        let kind = match reader.u8()? {
            TAG_RIBBON => {
                let (seed, slots) = (reader.u8()?, reader.rest());
                if slots.is_empty() {
                    return Err(Damaged("filter without slots"));
                }
                return Ok(FilterRef(Kind::Ribbon { seed, slots }));
            }
            TAG_NOTHING => Kind::Nothing,
            TAG_EVERYTHING => Kind::Everything,
            _ => return Err(Damaged("kind of a filter")),
        };
        reader.end()?;
        Ok(FilterRef(kind))
    }

    /// Returns true for every key put in, and for one in 256 of all others.
    pub fn contains(&self, key: u64) -> bool {
        match self.0 {
            Kind::Nothing => false,
            Kind::Everything => true,
            Kind::Ribbon { seed, slots } => {
                let equation = Equation::of(key, seed, slots.len());
                equation.sum(slots) == equation.fingerprint
            }
        }
    }
}

/// The XOR of the slots `start + bit`, for each bit of `coefficients`, is the fingerprint.
struct Equation {
    start: usize,
    coefficients: u64,
    fingerprint: u8,
}

impl Equation {
    fn of(key: u64, seed: u8, n_slots: usize) -> Self {
        // The three parts come from bits that do not tell of each other.
        let hash = mix(key ^ mix(u64::from(seed) + 1));
        let fingerprint = hash as u8;
        let coefficients = mix(hash);
        let Some(last) = n_slots.checked_sub(WIDTH) else {
            // Fewer slots than bits: every equation begins at the first slot.
            let coefficients = (coefficients & ((1 << n_slots) - 1)).max(1);
            return Equation { start: 0, coefficients, fingerprint };
        };
        let n_starts = (last + 1 + 2 * MARGIN) as u128;
        let start = ((u128::from(hash) * n_starts) >> u64::BITS) as usize;
        let start = start.saturating_sub(MARGIN).min(last);
        Equation { start, coefficients: coefficients | 1, fingerprint }
    }

    fn sum(&self, slots: &[u8]) -> u8 {
        if let Some(slots) = slots.get(self.start..self.start + WIDTH) {
            return sum_of_width(self.coefficients, slots);
        }
        let (mut sum, mut coefficients) = (0, self.coefficients);
        while coefficients != 0 {
            sum ^= slots[self.start + coefficients.trailing_zeros() as usize];
            coefficients &= coefficients - 1;
        }
        sum
    }
}

// Eight slots at a time, since a search asks this for every block.
fn sum_of_width(coefficients: u64, slots: &[u8]) -> u8 {
    let mut sum = 0;
    for (bits, slots) in coefficients.to_le_bytes().iter().zip(slots.as_chunks::<8>().0) {
        // Bit i to byte i: bit i of a byte that holds all eight, then all ones in its place.
        let spread = (u64::from(*bits) * 0x0101_0101_0101_0101) & 0x8040_2010_0804_0201;
        let is_set = ((spread + 0x7f7f_7f7f_7f7f_7f7f) >> 7) & 0x0101_0101_0101_0101;
        sum ^= u64::from_le_bytes(*slots) & (is_set * 0xff);
    }
    let sum = sum ^ (sum >> 32);
    let sum = sum ^ (sum >> 16);
    (sum ^ (sum >> 8)) as u8
}

fn solve(keys: &[u64], attempt: u8) -> Option<Filter> {
    // Less fails too often, by measurement; more is hardly faster.
    let n = keys.len();
    let slack = n * (n.ilog2().saturating_sub(8) as usize) / 128 + n / 256 + 1;
    let n_slots = n + slack + usize::from(attempt / 2) * (n / 128 + 1);

    // Row i is an equation whose lowest coefficient is at slot i.
    let mut rows = vec![0_u64; n_slots];
    let mut bytes = vec![0_u8; 2 + n_slots];
    bytes[..2].copy_from_slice(&[TAG_RIBBON, attempt]);
    let slots = &mut bytes[2..];
    for key in keys {
        let Equation { mut start, mut coefficients, mut fingerprint } = Equation::of(*key, attempt, n_slots);
        loop {
            let n_zeros = coefficients.trailing_zeros();
            start += n_zeros as usize;
            coefficients >>= n_zeros;
            if rows[start] == 0 {
                (rows[start], slots[start]) = (coefficients, fingerprint);
                break;
            }
            coefficients ^= rows[start];
            fingerprint ^= slots[start];
            if coefficients == 0 {
                // The equation follows from others, or contradicts them.
                if fingerprint != 0 {
                    return None;
                }
                break;
            }
        }
    }
    // From the end, so that the slots after each one are final. Slots without a row stay 0.
    for start in (0..n_slots).rev() {
        // The sum holds the row's own fingerprint, which has the lowest bit.
        slots[start] = Equation { start, coefficients: rows[start], fingerprint: 0 }.sum(slots);
    }
    Some(Filter(bytes))
}

/// The finisher of SplitMix64: every bit in decides about half the bits out, and none is lost.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(n: usize, first: u64) -> Vec<u64> {
        (first..).map(|no| mix(no ^ 0x5eed)).take(n).collect()
    }

    proptest! {
        #[test]
        fn no_member_is_denied(mut members: Vec<u64>, more in 0_usize..3_000, first: u64) {
            // Neighbours and sparse bits too, not only well-mixed keys.
            members.extend(keys(more, first >> 1));
            members.extend((0..more as u64 / 8).map(|no| first.wrapping_add(no)));
            let filter = Filter::build(&mut members);
            let filter = FilterRef::from_bytes(filter.as_bytes()).unwrap();
            prop_assert!(members.iter().all(|key| filter.contains(*key)));
        }

        #[test]
        fn bad_bytes_give_an_error_or_a_filter_and_no_panic(tag in 0_u8..5, mut bytes: Vec<u8>, key: u64) {
            bytes.insert(0, tag);
            if let Ok(filter) = FilterRef::from_bytes(&bytes) {
                filter.contains(key);
            }
        }
    }

    #[test]
    fn every_size_up_to_the_largest_block_is_small_and_rarely_wrong() {
        for (n, bits_max) in [(1, 32.0), (10, 11.5), (100, 8.7), (1_000, 8.4), (10_000, 8.6), (200_000, 8.9)]
        {
            let mut members = keys(n, 0);
            let filter = Filter::build(&mut members);
            assert!(members.iter().all(|key| filter.contains(*key)), "{n} keys");
            let bits = filter.as_bytes().len() as f64 * 8.0 / n as f64;
            assert!(bits <= bits_max, "{n} keys took {bits:.2} bits each");
            let n_wrong = keys(100_000, 1 << 40).iter().filter(|key| filter.contains(**key)).count();
            assert!((300..480).contains(&n_wrong), "{n} keys: {n_wrong} of 100,000 others");
        }
    }

    #[test]
    fn every_small_set_is_built() {
        for n in 1..300 {
            for first in 0..20 {
                let mut members = keys(n, first << 20);
                let filter = Filter::build(&mut members);
                assert_eq!(filter.as_bytes()[0], TAG_RIBBON, "{n} keys from {first}");
                assert!(members.iter().all(|key| filter.contains(*key)), "{n} keys from {first}");
            }
        }
    }

    #[test]
    fn no_keys_accept_nothing_and_bytes_round_trip() {
        let nothing = Filter::build(&mut Vec::new());
        assert_eq!(nothing.as_bytes(), [TAG_NOTHING]);
        assert!(!nothing.contains(7));
        let filter = Filter::build(&mut vec![7, 7, 8]);
        assert_eq!(Filter::from_bytes(filter.as_bytes()), Ok(filter.clone()));
        assert!(Filter::from_bytes(&[TAG_EVERYTHING]).unwrap().contains(7));
        for bad in [&[][..], &[TAG_RIBBON], &[TAG_RIBBON, 0], &[TAG_NOTHING, 0], &[3, 0, 0]] {
            assert!(Filter::from_bytes(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_format_stays() {
        // A filter on disk is read by every later version: new hash functions take a new tag.
        assert_eq!(Filter::build(&mut vec![1, 2, 3]).as_bytes(), [TAG_RIBBON, 0, 86, 189, 0, 92]);
        let large = Filter::build(&mut (0..1_000).collect());
        assert_eq!(large.as_bytes()[..8], [TAG_RIBBON, 0, 214, 49, 143, 199, 49, 108]);
    }
}
