//! Bits in and out, least significant first, so that eight bytes are read at a time.

use crate::store::wire::Damaged;

/// Collects bits.
#[derive(Default)]
pub struct BitWriter {
    bytes: Vec<u8>,
    /// Bits that do not fill a byte yet, the oldest lowest.
    pending: u128,
    n_pending: u32,
}

impl BitWriter {
    /// Appends the lowest `width` bits of `value`, at most 64; the bits above must be zero.
    pub fn put(&mut self, value: u64, width: u32) {
        self.pending |= u128::from(value) << self.n_pending;
        self.n_pending += width;
        while self.n_pending >= 8 {
            self.bytes.push(self.pending as u8);
            self.pending >>= 8;
            self.n_pending -= 8;
        }
    }

    /// Returns the bytes, the last one filled with zeros.
    pub fn finish(mut self) -> Vec<u8> {
        if self.n_pending > 0 {
            self.bytes.push(self.pending as u8);
        }
        self.bytes
    }
}

/// Reads bits.
pub struct BitReader<'a> {
    bytes: &'a [u8],
    place: usize,
}

impl<'a> BitReader<'a> {
    /// Begins at the first bit.
    pub fn new(bytes: &'a [u8]) -> Self {
        BitReader { bytes, place: 0 }
    }

    /// Takes `width` bits, at most 64.
    pub fn get(&mut self, width: u32) -> Result<u64, Damaged> {
        let end = self.place + width as usize;
        if end > self.bytes.len() * 8 {
            return Err(Damaged("ends early"));
        }
        let from = &self.bytes[self.place / 8..];
        let skip = (self.place % 8) as u32;
        self.place = end;
        Ok(window(from, skip) & mask(width))
    }
}

fn mask(width: u32) -> u64 {
    if width == 0 { 0 } else { u64::MAX >> (64 - width.min(64)) }
}

// The 64 bits that begin at bit `skip`, zeros behind the end.
fn window(from: &[u8], skip: u32) -> u64 {
    let low = match from.first_chunk::<8>() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => {
            let mut bytes = [0; 8];
            bytes[..from.len()].copy_from_slice(from);
            u64::from_le_bytes(bytes)
        }
    };
    if skip == 0 {
        return low;
    }
    low >> skip | u64::from(from.get(8).copied().unwrap_or(0)) << (64 - skip)
}

/// Hands over `n` values of `width` bits each that lie one after the other.
pub fn each_packed(bytes: &[u8], width: u32, n: usize, mut visit: impl FnMut(u64)) -> Result<(), Damaged> {
    if (width as usize * n).div_ceil(8) > bytes.len() {
        return Err(Damaged("ends early"));
    }
    let mask = mask(width);
    let mut place = 0;
    for _ in 0..n {
        visit(window(&bytes[place / 8..], (place % 8) as u32) & mask);
        place += width as usize;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bits_round_trip(values in prop::collection::vec((any::<u64>(), 0_u32..=64), 0..100)) {
            let values: Vec<_> = values.into_iter().map(|(value, width)| (value & mask(width), width)).collect();
            let mut writer = BitWriter::default();
            values.iter().for_each(|(value, width)| writer.put(*value, *width));
            let bytes = writer.finish();
            let mut reader = BitReader::new(&bytes);
            for (value, width) in values {
                prop_assert_eq!(reader.get(width).unwrap(), value);
            }
        }

        #[test]
        fn packed_values_round_trip(values: Vec<u64>, width in 0_u32..=64) {
            let values: Vec<_> = values.into_iter().map(|value| value & mask(width)).collect();
            let mut writer = BitWriter::default();
            values.iter().for_each(|value| writer.put(*value, width));
            let mut back = Vec::new();
            each_packed(&writer.finish(), width, values.len(), |value| back.push(value)).unwrap();
            prop_assert_eq!(back, values);
        }
    }
}
