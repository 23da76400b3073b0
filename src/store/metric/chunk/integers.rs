//! Numbers that are integers in disguise: mapped to integers, their differences packed.
//!
//! Most metrics are counts, have few decimals, or are whole nanoseconds written as seconds.
//! Three maps are tried, each exact to the bit or not taken: `value = m / 10^e` (decimal),
//! `value = m · 2^e` (binary: halves, random numbers), and the bits of the float as a
//! number that rises with it (ordered: everything else, NaNs included). The integers are
//! differenced up to twice and divided by a common divisor (memory comes in pages), and the
//! rest is written in the bits that its range needs, or as varints where few outliers would
//! widen all.

use super::bits::{BitWriter, each_packed};
use crate::store::wire::{Damaged, Reader, put_varint, put_zigzag, zigzag};

/// Nanoseconds as seconds have nine decimals; beyond fifteen no f64 is exact.
const DECIMALS_MAX: u8 = 15;
/// A table, since what `powi` returns may differ with the compiler.
const POWERS_OF_TEN: [f64; DECIMALS_MAX as usize + 1] =
    [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Integers beyond this are not all exact in an f64.
const INT_MAX: f64 = 9_007_199_254_740_992.0;

/// Differences of differences: a third order gains nothing on real metrics.
const ORDER_MAX: u8 = 2;

const MAP_MASK: u8 = 0x03;
const ORDER_SHIFT: u32 = 2;
const FLAG_VARINTS: u8 = 0x10;
const FLAG_DIVISOR: u8 = 0x20;

/// How values became integers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Map {
    /// `value = m / 10^e`
    Decimal(u8),
    /// `value = m · 2^e`
    Binary(i64),
    /// The float's bits as a number that rises with it.
    Ordered,
}

/// Encodes the values in the smallest of the ways that fit them.
pub fn encode(values: &[f64]) -> Vec<u8> {
    if let Some((map, ints)) = decimal(values) {
        return Packing::smallest(map, &ints).encode();
    }
    let ordered: Vec<i64> = values.iter().map(|value| to_ordered(value.to_bits())).collect();
    let ordered = Packing::smallest(Map::Ordered, &ordered);
    match binary(values).map(|(map, ints)| Packing::smallest(map, &ints)) {
        Some(binary) if binary.size_bytes() < ordered.size_bytes() => binary.encode(),
        _ => ordered.encode(),
    }
}

fn decimal(values: &[f64]) -> Option<(Map, Vec<i64>)> {
    let mut decimals = 0;
    // Most chunks need the decimals of their first value, or all of them need none.
    for value in values {
        while scaled(*value, decimals).is_none() {
            decimals += 1;
            if decimals > DECIMALS_MAX {
                return None;
            }
        }
    }
    let ints: Option<Vec<i64>> = values.iter().map(|value| scaled(*value, decimals)).collect();
    Some((Map::Decimal(decimals), ints?))
}

fn scaled(value: f64, decimals: u8) -> Option<i64> {
    let factor = POWERS_OF_TEN[usize::from(decimals)];
    let int = (value * factor).round();
    let is_exact = int.abs() < INT_MAX && (int as i64 as f64 / factor).to_bits() == value.to_bits();
    is_exact.then_some(int as i64)
}

// Every finite float is an integer times a power of two; the smallest of those powers serves
// all, where they lie near enough together for 62 bits.
fn binary(values: &[f64]) -> Option<(Map, Vec<i64>)> {
    let parts: Option<Vec<(i64, i64)>> = values.iter().map(|value| mantissa(*value)).collect();
    let parts = parts?;
    let least = parts.iter().filter(|(m, _)| *m != 0).map(|(_, exponent)| *exponent).min()?;
    let shifted = |(m, exponent): (i64, i64)| {
        let shift = u32::try_from(exponent - least).unwrap_or(0);
        let is_fitting = m == 0 || m.unsigned_abs().leading_zeros() > shift + 1;
        is_fitting.then(|| if m == 0 { 0 } else { m << shift })
    };
    let ints: Option<Vec<i64>> = parts.into_iter().map(shifted).collect();
    Some((Map::Binary(least), ints?))
}

fn mantissa(value: f64) -> Option<(i64, i64)> {
    const FRACTION_BITS: u32 = 52;
    let bits = value.to_bits();
    if !value.is_finite() || bits == (-0.0_f64).to_bits() {
        return None;
    }
    let fraction = (bits & ((1 << FRACTION_BITS) - 1)) as i64;
    // A subnormal has no hidden bit and the exponent of the smallest normal one.
    let (m, exponent) = match (bits >> FRACTION_BITS & 0x7ff) as i64 {
        0 => (fraction, -1074),
        biased => (fraction | 1 << FRACTION_BITS, biased - 1075),
    };
    let trailing = if m == 0 { 0 } else { m.trailing_zeros() };
    let sign = if value < 0.0 { -1 } else { 1 };
    Some((sign * (m >> trailing), exponent + i64::from(trailing)))
}

fn to_ordered(bits: u64) -> i64 {
    // Negative floats rise with falling magnitude.
    if bits >> 63 == 0 { bits as i64 } else { (bits ^ (u64::MAX >> 1)) as i64 }
}

fn from_ordered(int: i64) -> u64 {
    if int >= 0 { int as u64 } else { int as u64 ^ (u64::MAX >> 1) }
}

/// Integers, differenced, and how the rest of them is written.
struct Packing {
    map: Map,
    order: u8,
    firsts: Vec<i64>,
    rest: Vec<i64>,
    form: Form,
}

#[derive(Clone, Copy)]
enum Form {
    /// Each as so many divisors above the least, in `width` bits.
    Packed { least: i64, divisor: u64, width: u32 },
    /// Each as a signed varint of so many divisors.
    Varints { divisor: u64, n_bytes: usize },
}

impl Packing {
    fn smallest(map: Map, ints: &[i64]) -> Packing {
        let mut firsts = Vec::new();
        let mut rest = ints.to_vec();
        let mut smallest = Packing::new(map, 0, &firsts, &rest);
        for order in 1..=ORDER_MAX {
            let Some(first) = rest.first() else { break };
            firsts.push(*first);
            rest = rest.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
            let next = Packing::new(map, order, &firsts, &rest);
            if next.size_bytes() < smallest.size_bytes() {
                smallest = next;
            }
        }
        smallest
    }

    fn new(map: Map, order: u8, firsts: &[i64], rest: &[i64]) -> Packing {
        let least = rest.iter().min().copied().unwrap_or(0);
        let offsets = || rest.iter().map(|int| int.abs_diff(least));
        let divisor = divisor(offsets());
        let width = u64::BITS - (offsets().max().unwrap_or(0) / divisor).leading_zeros();
        let packed = Form::Packed { least, divisor, width };
        let divisor = self::divisor(rest.iter().map(|int| int.unsigned_abs()));
        let n_bytes = rest.iter().map(|int| varint_len(zigzag(divided(*int, divisor)))).sum();
        let varints = Form::Varints { divisor, n_bytes };
        let n = rest.len();
        let form = if varints.size_bytes(n) < packed.size_bytes(n) { varints } else { packed };
        Packing { map, order, firsts: firsts.to_vec(), rest: rest.to_vec(), form }
    }

    fn size_bytes(&self) -> usize {
        let exponent_bytes = match self.map {
            Map::Decimal(_) => 1,
            Map::Binary(exponent) => varint_len(zigzag(exponent)),
            Map::Ordered => 0,
        };
        let firsts_bytes: usize = self.firsts.iter().map(|first| varint_len(zigzag(*first))).sum();
        1 + exponent_bytes + firsts_bytes + self.form.size_bytes(self.rest.len())
    }

    fn encode(&self) -> Vec<u8> {
        let map = match self.map {
            Map::Decimal(_) => 0,
            Map::Binary(_) => 1,
            Map::Ordered => 2,
        };
        let divisor = self.form.divisor();
        let varints = if matches!(self.form, Form::Varints { .. }) { FLAG_VARINTS } else { 0 };
        let flags = varints | if divisor > 1 { FLAG_DIVISOR } else { 0 };
        let mut out = Vec::with_capacity(self.size_bytes());
        out.push(map | self.order << ORDER_SHIFT | flags);
        match self.map {
            Map::Decimal(decimals) => out.push(decimals),
            Map::Binary(exponent) => put_zigzag(&mut out, exponent),
            Map::Ordered => {}
        }
        if divisor > 1 {
            put_varint(&mut out, divisor);
        }
        self.firsts.iter().for_each(|first| put_zigzag(&mut out, *first));
        match self.form {
            Form::Varints { .. } => {
                self.rest.iter().for_each(|int| put_zigzag(&mut out, divided(*int, divisor)));
            }
            Form::Packed { least, width, .. } => {
                put_zigzag(&mut out, least);
                out.push(width as u8);
                let mut bits = BitWriter::default();
                self.rest.iter().for_each(|int| bits.put(int.abs_diff(least) / divisor, width));
                out.extend_from_slice(&bits.finish());
            }
        }
        out
    }
}

impl Form {
    fn divisor(self) -> u64 {
        match self {
            Form::Packed { divisor, .. } | Form::Varints { divisor, .. } => divisor,
        }
    }

    fn size_bytes(self, n: usize) -> usize {
        let divisor_bytes = if self.divisor() > 1 { varint_len(self.divisor()) } else { 0 };
        divisor_bytes
            + match self {
                Form::Packed { least, width, .. } => {
                    varint_len(zigzag(least)) + 1 + (n * width as usize).div_ceil(8)
                }
                Form::Varints { n_bytes, .. } => n_bytes,
            }
    }
}

fn divided(int: i64, divisor: u64) -> i64 {
    // The divisor may be 2^63, which is no i64: then it is of the least i64 and of zeros.
    i64::try_from(divisor).map_or(-i64::from(int != 0), |divisor| int / divisor)
}

// The greatest common divisor, at least one.
fn divisor(numbers: impl Iterator<Item = u64>) -> u64 {
    let mut res = 0_u64;
    for number in numbers {
        let (mut a, mut b) = (number, res);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        res = a;
        if res == 1 {
            break;
        }
    }
    res.max(1)
}

fn varint_len(value: u64) -> usize {
    (u64::BITS - value.leading_zeros()).div_ceil(7).max(1) as usize
}

/// Decodes `n` values.
pub fn decode(mut reader: Reader<'_>, n: usize, out: &mut Vec<f64>) -> Result<(), Damaged> {
    let head = reader.u8()?;
    let order = usize::from(head >> ORDER_SHIFT & 3);
    let map = match head & MAP_MASK {
        0 => Map::Decimal(reader.u8()?),
        1 => Map::Binary(reader.zigzag()?),
        2 => Map::Ordered,
        _ => return Err(Damaged("unknown map of integers")),
    };
    let is_known = match map {
        Map::Decimal(decimals) => decimals <= DECIMALS_MAX,
        Map::Binary(exponent) => (-1_074..=1_023).contains(&exponent),
        Map::Ordered => true,
    };
    if !is_known || order > usize::from(ORDER_MAX) || head >> 6 != 0 {
        return Err(Damaged("integers of an unknown form"));
    }
    let divisor = if head & FLAG_DIVISOR == 0 { 1 } else { reader.varint()? };
    let mut ints = Vec::with_capacity(n);
    for _ in 0..order.min(n) {
        ints.push(reader.zigzag()?);
    }
    let n_rest = n - ints.len();
    if head & FLAG_VARINTS != 0 {
        for _ in 0..n_rest {
            ints.push(reader.zigzag()?.wrapping_mul(divisor as i64));
        }
    } else {
        let least = reader.zigzag()?;
        let width = u32::from(reader.u8()?);
        if width > u64::BITS {
            return Err(Damaged("integers too wide"));
        }
        each_packed(reader.rest(), width, n_rest, |int| {
            ints.push(least.wrapping_add_unsigned(int.wrapping_mul(divisor)));
        })?;
    }
    // Each order's first stands before its differences, so that summing up in place undoes it.
    for order in (0..order.min(n)).rev() {
        let mut sum = ints[order];
        for int in &mut ints[order + 1..] {
            sum = sum.wrapping_add(*int);
            *int = sum;
        }
    }
    match map {
        Map::Decimal(decimals) => {
            let factor = POWERS_OF_TEN[usize::from(decimals)];
            out.extend(ints.iter().map(|int| *int as f64 / factor));
        }
        Map::Binary(exponent) => out.extend(ints.iter().map(|int| times_power_of_two(*int, exponent))),
        Map::Ordered => out.extend(ints.iter().map(|int| f64::from_bits(from_ordered(*int)))),
    }
    Ok(())
}

// In two factors, because 2^-1074 times a power of two is not always a normal float.
fn times_power_of_two(int: i64, exponent: i64) -> f64 {
    let half = exponent / 2;
    int as f64 * power_of_two(half) * power_of_two(exponent - half)
}

// From its bits, for the same reason.
fn power_of_two(exponent: i64) -> f64 {
    f64::from_bits(((exponent + 1_023) as u64) << 52)
}
