//! The values of one series in one window as bytes, bit for bit.
//!
//! A chunk holds up to 120 values without their times, which all series of a window
//! share. The smallest of three codecs is taken; each is exact for every `f64`, NaN
//! payloads, infinities and negative zero included.

mod bits;
mod integers;
mod xor;

use crate::store::config::CHUNK_SAMPLES_MAX;
use crate::store::wire::{Damaged, Reader};

const TAG_CONSTANT: u8 = 0;
const TAG_XOR: u8 = 1;
const TAG_INTEGERS: u8 = 2;

/// Set in the tag when the series misses some of the window's times.
const FLAG_SPARSE: u8 = 0x80;

/// The values of a series, and at which of the window's times it has them.
#[derive(Clone, Debug, Default)]
pub struct Values {
    /// Bit `i` is set when the series has a value at time `i`.
    pub present: u128,
    /// The values, one per set bit, lowest bit first.
    pub values: Vec<f64>,
}

impl Values {
    /// Yields the index of each time with its value.
    pub fn iter(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        slots(self.present).zip(self.values.iter().copied())
    }
}

/// Yields the set bits, lowest first.
pub fn slots(present: u128) -> impl Iterator<Item = usize> {
    let mut left = present;
    std::iter::from_fn(move || {
        (left != 0).then(|| {
            let slot = left.trailing_zeros() as usize;
            left &= left - 1;
            slot
        })
    })
}

/// Returns the bits of `n_times` times.
pub fn mask(n_times: usize) -> u128 {
    u128::MAX >> (u128::BITS as usize - n_times.clamp(1, CHUNK_SAMPLES_MAX))
}

/// Encodes the values of one series in a window of `n_times` times.
pub fn encode(chunk: &Values, n_times: usize) -> Vec<u8> {
    let (tag, payload) = best(&chunk.values);
    let is_full = chunk.present == mask(n_times);
    let mut out = vec![if is_full { tag } else { tag | FLAG_SPARSE }];
    if !is_full {
        out.extend_from_slice(&chunk.present.to_le_bytes());
    }
    out.extend_from_slice(&payload);
    out
}

/// Encodes values without saying where they belong; [`decode_values`] reads them.
pub fn encode_values(values: &[f64], out: &mut Vec<u8>) {
    let (tag, payload) = best(values);
    out.push(tag);
    out.extend_from_slice(&payload);
}

fn best(values: &[f64]) -> (u8, Vec<u8>) {
    let integers = integers::encode(values);
    let first = values.first().copied().unwrap_or_default();
    let is_constant = values.iter().all(|value| value.to_bits() == first.to_bits());
    if is_constant && integers.len() > size_of::<f64>() {
        return (TAG_CONSTANT, first.to_bits().to_le_bytes().to_vec());
    }
    let xor = xor::encode(values);
    if integers.len() <= xor.len() { (TAG_INTEGERS, integers) } else { (TAG_XOR, xor) }
}

/// Decodes a chunk of a window of `n_times` times into `chunk`, whose memory is used again.
pub fn decode_into(bytes: &[u8], n_times: usize, chunk: &mut Values) -> Result<(), Damaged> {
    let mut reader = Reader::new(bytes);
    let tag = reader.u8()?;
    chunk.present = match tag & FLAG_SPARSE {
        0 => mask(n_times),
        _ => u128::from_le_bytes(reader.array()?),
    };
    if chunk.present & !mask(n_times) != 0 {
        return Err(Damaged("chunk has values at unknown times"));
    }
    chunk.values.clear();
    decode_as(tag & !FLAG_SPARSE, reader, chunk.present.count_ones() as usize, &mut chunk.values)
}

/// Decodes `n` values that [`encode_values`] wrote and that end where `bytes` does.
pub fn decode_values(bytes: &[u8], n: usize, out: &mut Vec<f64>) -> Result<(), Damaged> {
    let mut reader = Reader::new(bytes);
    let tag = reader.u8()?;
    decode_as(tag, reader, n, out)
}

fn decode_as(tag: u8, mut reader: Reader<'_>, n: usize, out: &mut Vec<f64>) -> Result<(), Damaged> {
    match tag {
        TAG_CONSTANT => {
            let value = f64::from_bits(u64::from_le_bytes(reader.array()?));
            out.resize(out.len() + n, value);
            Ok(())
        }
        TAG_XOR => xor::decode(reader.rest(), n, out),
        TAG_INTEGERS => integers::decode(reader, n, out),
        _ => Err(Damaged("unknown chunk codec")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(bytes: &[u8], n_times: usize) -> Result<Values, Damaged> {
        let mut res = Values::default();
        decode_into(bytes, n_times, &mut res).map(|()| res)
    }

    fn check(values: &[f64]) -> usize {
        let chunk = Values { present: mask(values.len()), values: values.to_vec() };
        let bytes = encode(&chunk, values.len());
        let back = decoded(&bytes, values.len()).unwrap();
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back.values), bits(values));
        bytes.len()
    }

    #[test]
    fn special_values_keep_their_bits() {
        let stale = f64::from_bits(0x7ff0_0000_0000_0002);
        check(&[1.0, stale, 2.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, f64::MIN_POSITIVE]);
        check(&[-0.0, -0.0]);
        check(&[0.0, -0.0]);
        check(&[stale]);
        check(&[f64::MAX, f64::MIN, 5e-324]);
    }

    #[test]
    fn ordinary_metrics_are_small() {
        assert_eq!(check(&[42.0; 120]), 5);
        assert_eq!(check(&[std::f64::consts::PI; 120]), 9);
        let counter: Vec<f64> = (0..120).map(|n| f64::from(n * 10 + n % 3)).collect();
        assert!(check(&counter) < 120);
        let load: Vec<f64> = (0..120).map(|n| f64::from(n % 17) / 100.0).collect();
        assert!(check(&load) < 120);
        // Whole nanoseconds in seconds, pages of memory, halves, and one outlier.
        let cpu: Vec<f64> = (0..120_u64).map(|n| (n * 31_000 + n * n % 977) as f64 / 1e9).collect();
        assert!(check(&cpu) < 300);
        let memory: Vec<f64> = (0..120).map(|n| 1e9 + f64::from(n * n % 97) * 4_096.0).collect();
        assert!(check(&memory) < 120);
        let halves: Vec<f64> = (0..120).map(|n| f64::from(n * n % 97) * 2_f64.powi(-40)).collect();
        assert!(check(&halves) < 130);
        let outlier: Vec<f64> = (0..120).map(|n| if n == 7 { 1e15 } else { f64::from(n % 3) }).collect();
        assert!(check(&outlier) < 150);
    }

    proptest! {
        #[test]
        fn any_bits_round_trip(bits in prop::collection::vec(any::<u64>(), 1..=120)) {
            check(&bits.into_iter().map(f64::from_bits).collect::<Vec<_>>());
        }

        #[test]
        fn decimals_round_trip(
            ints in prop::collection::vec(-1_000_000_000_000_i64..1_000_000_000_000, 1..=120),
            exponent in 0_i32..6,
        ) {
            check(&ints.into_iter().map(|int| int as f64 / 10_f64.powi(exponent)).collect::<Vec<_>>());
        }

        #[test]
        fn values_near_each_other_round_trip(
            start: f64,
            steps in prop::collection::vec(-1_000_i64..1_000, 0..119),
        ) {
            let steps = steps.into_iter().scan(start.to_bits(), |bits, step| {
                *bits = bits.wrapping_add_signed(step);
                Some(f64::from_bits(*bits))
            });
            check(&std::iter::once(start).chain(steps).collect::<Vec<_>>());
        }

        #[test]
        fn powers_of_two_round_trip(
            parts in prop::collection::vec((-1_i64 << 53..1_i64 << 53, -1_100_i32..1_000), 1..=120),
        ) {
            check(&parts.into_iter().map(|(m, e)| m as f64 * 2_f64.powi(e)).collect::<Vec<_>>());
        }

        #[test]
        fn sparse_chunks_round_trip(present in 1_u128..1 << 120, seed: u64) {
            let n = u64::from(present.count_ones());
            let values = (0..n).map(|n| (seed.wrapping_mul(n + 1) % 1000) as f64 / 8.0).collect();
            let chunk = Values { present, values };
            let back = decoded(&encode(&chunk, 120), 120).unwrap();
            prop_assert_eq!(back.present, present);
            prop_assert_eq!(back.values, chunk.values);
        }

        #[test]
        fn bad_bytes_give_an_error_and_no_panic(bytes: Vec<u8>, n_times in 1_usize..=120) {
            let _ = decoded(&bytes, n_times);
        }
    }
}
