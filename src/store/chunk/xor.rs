//! Gorilla's XOR of neighbouring values, for what is not a decimal number.

use super::bits::{BitReader, BitWriter};
use crate::store::wire::Damaged;

// The five-bit field for leading zeros ends here; more are written as this many.
const LEADING_MAX: u32 = 31;

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
            out.put(0, 1);
            continue;
        }
        let leading = xor.leading_zeros().min(LEADING_MAX);
        let trailing = xor.trailing_zeros();
        match window {
            Some((lead, width)) if leading >= lead && trailing >= 64 - lead - width => {
                out.put(0b10, 2);
                out.put(xor >> (64 - lead - width), width);
            }
            _ => {
                let width = 64 - leading - trailing;
                out.put(0b11, 2);
                out.put(u64::from(leading), 5);
                out.put(u64::from(width - 1), 6);
                out.put(xor >> trailing, width);
                window = Some((leading, width));
            }
        }
    }
    out.finish()
}

pub fn decode(bytes: &[u8], n: usize) -> Result<Vec<f64>, Damaged> {
    let mut reader = BitReader::new(bytes);
    let mut res = Vec::with_capacity(n);
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
        res.push(f64::from_bits(before));
    }
    Ok(res)
}
