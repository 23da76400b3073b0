//! Bits in and out, most significant first.

use crate::store::wire::Damaged;

/// Collects bits.
#[derive(Default)]
pub struct BitWriter {
    bytes: Vec<u8>,
    // Bits already used in the last byte; 0 when it is full or there is none.
    used: u32,
}

impl BitWriter {
    /// Appends the lowest `width` bits of `value`.
    pub fn put(&mut self, value: u64, width: u32) {
        let mut left = width;
        while left > 0 {
            if self.used == 0 {
                self.bytes.push(0);
            }
            let take = left.min(8 - self.used);
            let part = (value >> (left - take)) & ((1 << take) - 1);
            let last = self.bytes.last_mut().expect("a byte was pushed when none was open");
            *last |= (part << (8 - self.used - take)) as u8;
            self.used = (self.used + take) % 8;
            left -= take;
        }
    }

    /// Returns the bytes, the last one filled with zeros.
    pub fn finish(self) -> Vec<u8> {
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
        let mut res = 0;
        let mut left = width;
        while left > 0 {
            let byte = *self.bytes.get(self.place / 8).ok_or(Damaged("ends early"))?;
            let used = (self.place % 8) as u32;
            let take = left.min(8 - used);
            let part = u64::from(byte) >> (8 - used - take) & ((1 << take) - 1);
            res = res << take | part;
            self.place += take as usize;
            left -= take;
        }
        Ok(res)
    }
}
