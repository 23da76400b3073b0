//! Decimal numbers as scaled integers, their differences packed to the width needed.
//!
//! Most metrics are counts or have few decimals. A value becomes `m` with
//! `value == m / 10^exponent` to the bit, or the codec declines the chunk.

use super::bits::{BitReader, BitWriter};
use crate::store::wire::{Damaged, Reader, put_zigzag};

// Host metrics have at most three decimals, prices and ratios four to six.
const EXPONENT_MAX: i32 = 6;

// Integers beyond this are not all exact in an f64.
const INT_MAX: f64 = 9_007_199_254_740_992.0;

// Differences of differences: a third order gains nothing on real metrics.
const ORDER_MAX: u8 = 2;

/// Encodes the values, or returns none when one of them is not such a decimal.
pub fn encode(values: &[f64]) -> Option<Vec<u8>> {
    let (exponent, ints) =
        (0..=EXPONENT_MAX).find_map(|exponent| Some((exponent, scale(values, exponent)?)))?;
    (0..=ORDER_MAX).map(|order| pack(&ints, exponent as u8, order)).min_by_key(Vec::len)
}

fn scale(values: &[f64], exponent: i32) -> Option<Vec<i64>> {
    let factor = 10_f64.powi(exponent);
    let exact = |value: &f64| {
        let scaled = (value * factor).round();
        let is_exact = scaled.abs() < INT_MAX && (scaled as i64 as f64 / factor).to_bits() == value.to_bits();
        is_exact.then_some(scaled as i64)
    };
    values.iter().map(exact).collect()
}

// exponent, order, the first `order` differences, the least of the rest, their width, bits.
fn pack(ints: &[i64], exponent: u8, order: u8) -> Vec<u8> {
    let mut out = vec![exponent, order];
    let mut rest = ints.to_vec();
    for _ in 0..order {
        let Some(first) = rest.first().copied() else { break };
        put_zigzag(&mut out, first);
        rest = rest.windows(2).map(|pair| pair[1] - pair[0]).collect();
    }
    let least = rest.iter().min().copied().unwrap_or(0);
    let widest = rest.iter().max().copied().unwrap_or(0).abs_diff(least);
    let width = u64::BITS - widest.leading_zeros();
    put_zigzag(&mut out, least);
    out.push(width as u8);
    let mut bits = BitWriter::default();
    for int in &rest {
        bits.put(int.abs_diff(least), width);
    }
    out.extend_from_slice(&bits.finish());
    out
}

/// Decodes `n` values.
pub fn decode(mut reader: Reader<'_>, n: usize) -> Result<Vec<f64>, Damaged> {
    let exponent = i32::from(reader.u8()?);
    let order = reader.u8()?;
    if exponent > EXPONENT_MAX || order > ORDER_MAX {
        return Err(Damaged("decimal chunk with an unknown scale or order"));
    }
    let n_firsts = usize::from(order).min(n);
    let mut firsts = Vec::with_capacity(n_firsts);
    for _ in 0..n_firsts {
        firsts.push(reader.zigzag()?);
    }
    let least = reader.zigzag()?;
    let width = u32::from(reader.u8()?);
    if width > u64::BITS {
        return Err(Damaged("decimal chunk too wide"));
    }
    let mut bits = BitReader::new(reader.rest());
    let mut ints = Vec::with_capacity(n);
    for _ in 0..n - n_firsts {
        ints.push(least.wrapping_add_unsigned(bits.get(width)?));
    }
    for first in firsts.into_iter().rev() {
        ints = undo_difference(first, &ints);
    }
    let factor = 10_f64.powi(exponent);
    Ok(ints.into_iter().map(|int| int as f64 / factor).collect())
}

fn undo_difference(first: i64, differences: &[i64]) -> Vec<i64> {
    let sums = differences.iter().scan(first, |sum, difference| {
        *sum = sum.wrapping_add(*difference);
        Some(*sum)
    });
    std::iter::once(first).chain(sums).collect()
}
