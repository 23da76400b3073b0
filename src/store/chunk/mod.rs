//! The values of one series in one window as bytes, bit for bit.
//!
//! A chunk holds up to 120 values without their times, which all series of a window
//! share. The smallest of three codecs is taken; each is exact for every `f64`, NaN
//! payloads, infinities and negative zero included.

mod bits;
mod decimal;
mod xor;

use super::config::CHUNK_SAMPLES_MAX;
use super::wire::{Damaged, Reader};

const TAG_CONSTANT: u8 = 0;
const TAG_XOR: u8 = 1;
const TAG_DECIMAL: u8 = 2;

/// Set in the tag when the series misses some of the window's times.
const FLAG_SPARSE: u8 = 0x80;

/// The values of a series, and at which of the window's times it has them.
#[derive(Clone, Debug)]
pub struct Values {
    /// Bit `i` is set when the series has a value at time `i`.
    pub present: u128,
    /// The values, one per set bit, lowest bit first.
    pub values: Vec<f64>,
}

impl Values {
    /// Yields the index of each time with its value.
    pub fn iter(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        let slots = (0..CHUNK_SAMPLES_MAX).filter(|slot| self.present >> slot & 1 == 1);
        slots.zip(self.values.iter().copied())
    }
}

fn mask(n_times: usize) -> u128 {
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

fn best(values: &[f64]) -> (u8, Vec<u8>) {
    let first = values.first().copied().unwrap_or_default();
    if values.iter().all(|value| value.to_bits() == first.to_bits()) {
        return (TAG_CONSTANT, first.to_bits().to_le_bytes().to_vec());
    }
    let xor = xor::encode(values);
    match decimal::encode(values) {
        Some(decimal) if decimal.len() <= xor.len() => (TAG_DECIMAL, decimal),
        _ => (TAG_XOR, xor),
    }
}

/// Decodes a chunk of a window of `n_times` times.
pub fn decode(bytes: &[u8], n_times: usize) -> Result<Values, Damaged> {
    let mut reader = Reader::new(bytes);
    let tag = reader.u8()?;
    let present = match tag & FLAG_SPARSE {
        0 => mask(n_times),
        _ => u128::from_le_bytes(reader.array()?),
    };
    if present & !mask(n_times) != 0 {
        return Err(Damaged("chunk has values at unknown times"));
    }
    let n = present.count_ones() as usize;
    let values = match tag & !FLAG_SPARSE {
        TAG_CONSTANT => vec![f64::from_bits(u64::from_le_bytes(reader.array()?)); n],
        TAG_XOR => xor::decode(reader.rest(), n)?,
        TAG_DECIMAL => decimal::decode(reader, n)?,
        _ => return Err(Damaged("unknown chunk codec")),
    };
    Ok(Values { present, values })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(values: &[f64]) -> usize {
        let chunk = Values { present: mask(values.len()), values: values.to_vec() };
        let bytes = encode(&chunk, values.len());
        let back = decode(&bytes, values.len()).unwrap();
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
        assert_eq!(check(&[42.0; 120]), 9);
        let counter: Vec<f64> = (0..120).map(|n| f64::from(n * 10 + n % 3)).collect();
        assert!(check(&counter) < 120);
        let load: Vec<f64> = (0..120).map(|n| f64::from(n % 17) / 100.0).collect();
        assert!(check(&load) < 120);
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
        fn sparse_chunks_round_trip(present in 1_u128..1 << 120, seed: u64) {
            let n = u64::from(present.count_ones());
            let values = (0..n).map(|n| (seed.wrapping_mul(n + 1) % 1000) as f64 / 8.0).collect();
            let chunk = Values { present, values };
            let back = decode(&encode(&chunk, 120), 120).unwrap();
            prop_assert_eq!(back.present, present);
            prop_assert_eq!(back.values, chunk.values);
        }

        #[test]
        fn bad_bytes_give_an_error_and_no_panic(bytes: Vec<u8>, n_times in 1_usize..=120) {
            let _ = decode(&bytes, n_times);
        }
    }
}
