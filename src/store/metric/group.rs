//! The chunks of neighbouring series in one window, compressed together.
//!
//! Series of one metric lie side by side and look alike, so zstd finds in one chunk what
//! it saw in the last; and a constant series costs next to nothing.

use crate::store::compress;
use crate::store::wire::{Damaged, Reader, put_varint};

/// Series in one group. More compress hardly better, and a query for one series unpacks all.
pub const GROUP_SERIES_MAX: usize = 128;

/// A group is some ten kilobytes; a damaged size is refused before it allocates.
const RAW_MAX_BYTES: u64 = 16 << 20;

/// Chunks of like series are alike far apart, which higher levels find: a twentieth smaller than
/// at the lowest, for what is written once in twenty minutes.
const ZSTD_LEVEL: i32 = 9;

/// Encodes chunks with the ids of their series, which ascend.
pub fn encode(chunks: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut raw = Vec::new();
    put_varint(&mut raw, chunks.len() as u64);
    let mut before = 0;
    for (id, _) in chunks {
        put_varint(&mut raw, u64::from(id - before));
        before = *id;
    }
    chunks.iter().for_each(|(_, chunk)| put_varint(&mut raw, chunk.len() as u64));
    chunks.iter().for_each(|(_, chunk)| raw.extend_from_slice(chunk));
    compress::pack_at(&raw, ZSTD_LEVEL)
}

/// An unpacked group.
#[derive(Debug, Default)]
pub struct Group {
    raw: Vec<u8>,
    ids: Vec<u32>,
    /// Where each chunk ends in `raw`; it begins where the one before ends.
    ends: Vec<usize>,
    first: usize,
}

impl Group {
    /// Unpacks a group; the memory of the one before is used again.
    pub fn unpack(&mut self, packed: &[u8]) -> Result<(), Damaged> {
        compress::unpack_into(packed, RAW_MAX_BYTES, &mut self.raw)?;
        self.ids.clear();
        self.ends.clear();
        let mut reader = Reader::new(&self.raw);
        let n = reader.count()?;
        let mut id = 0_u32;
        for _ in 0..n {
            id = id.checked_add(reader.u32()?).ok_or(Damaged("series of a group"))?;
            self.ids.push(id);
        }
        let mut end = 0_usize;
        for _ in 0..n {
            end = end.saturating_add(reader.u32()? as usize);
            self.ends.push(end);
        }
        self.first = self.raw.len() - reader.rest().len();
        if reader.rest().len() == end { Ok(()) } else { Err(Damaged("chunks of a group")) }
    }

    /// Returns the chunk of a series, none when it has none in this window.
    pub fn chunk(&self, id: u32) -> Option<&[u8]> {
        let place = self.ids.binary_search(&id).ok()?;
        let begin = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.raw.get(self.first + begin..self.first + self.ends[place])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn groups_round_trip(chunks in prop::collection::btree_map(any::<u32>(), any::<Vec<u8>>(), 0..40)) {
            let mut group = Group::default();
            group.unpack(&encode(&chunks.clone().into_iter().collect::<Vec<_>>())).unwrap();
            for (id, chunk) in &chunks {
                prop_assert_eq!(group.chunk(*id), Some(chunk.as_slice()));
                let next = id.wrapping_add(1);
                prop_assert_eq!(group.chunk(next), chunks.get(&next).map(Vec::as_slice));
            }
        }

        #[test]
        fn bad_bytes_give_an_error_and_no_panic(raw: Vec<u8>) {
            let mut group = Group::default();
            let _ = group.unpack(&raw);
            if group.unpack(&compress::pack(&raw)).is_ok() {
                let _ = group.chunk(0);
            }
        }
    }
}
