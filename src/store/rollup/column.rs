//! One column of floats told from guesses.

use crate::store::metric::chunk;
use crate::store::wire::{Damaged, Reader, put_bytes};

const AS_VALUES: u8 = 1;
const IN_ULPS: u8 = 2;
const IN_DECIMALS: u8 = 8;
const WITH_ULPS: u8 = 32;

// Host metrics have at most three decimals, prices and ratios four to six.
const POWERS: [f64; 7] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6];

// Integers beyond this are not all exact in an f64.
const INT_MAX: u64 = 1 << 53;

// A sum of decimals is this near to a decimal; further away chance begins.
const ULPS_MAX: u64 = 4;

/// Returns the form of the smallest encoding and its bytes; there is at least one value
/// and as many guesses.
pub fn encode(values: &[f64], guesses: &[f64]) -> (u8, Vec<u8>) {
    let mut direct = Vec::new();
    put_values(&mut direct, values);
    let others = [in_ulps(values, guesses), in_decimals(values, guesses)];
    let forms = std::iter::once((AS_VALUES, direct)).chain(others.into_iter().flatten());
    forms.min_by_key(|(_, bytes)| bytes.len()).unwrap_or_default()
}

/// The values of a column that are not as guessed; they are taken with their guesses, of
/// which each may depend on the value before it.
pub struct Told {
    main: std::vec::IntoIter<f64>,
    ulps: std::vec::IntoIter<f64>,
    unit: Unit,
}

#[derive(Clone, Copy)]
enum Unit {
    Value,
    Ulp,
    Decimal { scale: f64 },
}

impl Told {
    /// Reads `n` values in the form that [`encode`] returned; none of form 0.
    pub fn take(form: u8, reader: &mut Reader<'_>, n: usize) -> Result<Self, Damaged> {
        let unit = match form & !WITH_ULPS {
            0 | AS_VALUES => Unit::Value,
            IN_ULPS => Unit::Ulp,
            form => {
                let exponent = form.checked_sub(IN_DECIMALS).map(usize::from);
                let scale = exponent.and_then(|exponent| POWERS.get(exponent));
                Unit::Decimal { scale: *scale.ok_or(Damaged("unknown form of a roll-up's column"))? }
            }
        };
        let main = take_values(reader, n)?.into_iter();
        let n_ulps = if form & WITH_ULPS == 0 { 0 } else { n };
        Ok(Told { main, ulps: take_values(reader, n_ulps)?.into_iter(), unit })
    }

    /// Takes the next value, whose guess this is.
    pub fn next(&mut self, guess: f64) -> Result<f64, Damaged> {
        let main = self.main.next().ok_or(Damaged("column of a roll-up lacks values"))?;
        let near = match self.unit {
            Unit::Value => main,
            Unit::Ulp => moved(guess, main),
            Unit::Decimal { scale } => unscaled(scaled(guess, scale).wrapping_add(main as i64), scale),
        };
        Ok(self.ulps.next().map_or(near, |ulps| moved(near, ulps)))
    }
}

fn in_ulps(values: &[f64], guesses: &[f64]) -> Option<(u8, Vec<u8>)> {
    let ulps: Option<Vec<f64>> =
        values.iter().zip(guesses).map(|(value, guess)| as_float(ulps_between(*value, *guess))).collect();
    let mut out = Vec::new();
    put_values(&mut out, &ulps?);
    Some((IN_ULPS, out))
}

/// In units of a power of ten, so that what is a decimal number stays one: the difference
/// of two decimals is none in binary.
fn in_decimals(values: &[f64], guesses: &[f64]) -> Option<(u8, Vec<u8>)> {
    let ulps_at = |scale: f64| -> Option<Vec<i64>> {
        let ulps = |value: &f64| {
            let ulps = ulps_between(*value, unscaled(scaled(*value, scale), scale));
            (ulps.unsigned_abs() <= ULPS_MAX).then_some(ulps)
        };
        values.iter().map(ulps).collect()
    };
    let find = |(exponent, scale): (usize, &f64)| Some((exponent as u8, *scale, ulps_at(*scale)?));
    let (exponent, scale, ulps) = POWERS.iter().enumerate().find_map(find)?;
    let units: Option<Vec<f64>> = values
        .iter()
        .zip(guesses)
        .map(|(value, guess)| as_float(scaled(*value, scale).wrapping_sub(scaled(*guess, scale))))
        .collect();
    let mut out = Vec::new();
    put_values(&mut out, &units?);
    if ulps.iter().all(|ulps| *ulps == 0) {
        return Some((IN_DECIMALS + exponent, out));
    }
    put_values(&mut out, &ulps.iter().map(|ulps| *ulps as f64).collect::<Vec<_>>());
    Some((IN_DECIMALS + exponent + WITH_ULPS, out))
}

// Out of range saturates and NaN is 0, the same for reader and writer.
fn scaled(value: f64, scale: f64) -> i64 {
    (value * scale).round() as i64
}

fn unscaled(units: i64, scale: f64) -> f64 {
    units as f64 / scale
}

// Floats of one sign are ordered as their bits are.
fn ulps_between(value: f64, guess: f64) -> i64 {
    (value.to_bits() as i64).wrapping_sub(guess.to_bits() as i64)
}

fn moved(guess: f64, ulps: f64) -> f64 {
    f64::from_bits((guess.to_bits() as i64).wrapping_add(ulps as i64) as u64)
}

fn as_float(int: i64) -> Option<f64> {
    (int.unsigned_abs() <= INT_MAX).then_some(int as f64)
}

/// The one place that knows how floats become bytes, with [`take_values`].
fn put_values(out: &mut Vec<u8>, values: &[f64]) {
    let mut encoded = Vec::new();
    chunk::encode_values(values, &mut encoded);
    put_bytes(out, &encoded);
}

fn take_values(reader: &mut Reader<'_>, n: usize) -> Result<Vec<f64>, Damaged> {
    let mut res = Vec::new();
    if n > 0 {
        chunk::decode_values(reader.bytes()?, n, &mut res)?;
    }
    Ok(res)
}
