//! Which records of the write-ahead log something holds.

use crate::store::wire::{Damaged, Reader, put_varint};

/// Consecutive numbers of one generation, counted apart for rows, lines and spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// Which start of the program counted.
    pub generation: u32,
    /// The first number.
    pub first: u64,
    /// The last number.
    pub last: u64,
}

impl Numbers {
    /// Begins with one record.
    pub fn one(generation: u32, no: u64) -> Self {
        Numbers { generation, first: no, last: no }
    }

    /// Appends the numbers.
    pub fn put(self, out: &mut Vec<u8>) {
        put_varint(out, self.generation.into());
        put_varint(out, self.first);
        put_varint(out, self.last.wrapping_sub(self.first));
    }

    /// Reads what [`Numbers::put`] wrote.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let (generation, first) = (reader.u32()?, reader.varint()?);
        Ok(Numbers { generation, first, last: first.wrapping_add(reader.varint()?) })
    }
}
