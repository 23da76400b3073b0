//! Gorilla's XOR of neighbouring values, for what no integers stand behind and that repeats.
//!
//! T. Pelkonen and others, "Gorilla: A Fast, Scalable, In-Memory Time Series Database",
//! VLDB 2015, section 4.1.2.

use super::bits::{BitReader, BitWriter};
use crate::store::wire::Damaged;

// The five-bit field for leading zeros ends here; more are written as this many.
const LEADING_MAX: u32 = 31;

// Each is read bit by bit, the lowest first.
const SAME: (u64, u32) = (0b0, 1);
const IN_WINDOW: (u64, u32) = (0b01, 2);
const NEW_WINDOW: (u64, u32) = (0b11, 2);

/// Encodes the values.
pub fn encode(values: &[f64]) -> Vec<u8> {
    let mut out = BitWriter::default();
    let mut before = 0_u64;
    // Leading zeros and width of the last window of meaningful bits; none yet.
    let mut window: Option<(u32, u32)> = None;
    for (idx, value) in values.iter().enumerate() {
        let bits = value.to_bits();
        let xor = bits ^ before;
        before = bits;
        if idx == 0 {
            out.put(bits, 64);
            continue;
        }
        if xor == 0 {
            out.put(SAME.0, SAME.1);
            continue;
        }
        let leading = xor.leading_zeros().min(LEADING_MAX);
        let trailing = xor.trailing_zeros();
        match window {
            Some((lead, width)) if leading >= lead && trailing >= 64 - lead - width => {
                out.put(IN_WINDOW.0, IN_WINDOW.1);
                out.put(xor >> (64 - lead - width), width);
            }
            _ => {
                let width = 64 - leading - trailing;
                out.put(NEW_WINDOW.0, NEW_WINDOW.1);
                out.put(u64::from(leading), 5);
                out.put(u64::from(width - 1), 6);
                out.put(xor >> trailing, width);
                window = Some((leading, width));
            }
        }
    }
    out.finish()
}

/// Decodes `n` values.
pub fn decode(bytes: &[u8], n: usize, out: &mut Vec<f64>) -> Result<(), Damaged> {
    let mut reader = BitReader::new(bytes);
    let mut before = 0_u64;
    let mut window: Option<(u32, u32)> = None;
    for idx in 0..n {
        if idx == 0 {
            before = reader.get(64)?;
        } else if reader.get(1)? == 1 {
            if reader.get(1)? == 1 {
                let leading = reader.get(5)? as u32;
                let width = reader.get(6)? as u32 + 1;
                window = Some((leading, width));
            }
            let (leading, width) = window.ok_or(Damaged("XOR chunk refers to no window"))?;
            let shift = 64_u32.checked_sub(leading + width).ok_or(Damaged("XOR window too wide"))?;
            before ^= reader.get(width)? << shift;
        }
        out.push(f64::from_bits(before));
    }
    Ok(())
}
