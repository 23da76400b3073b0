//! zstd with a bound on what comes out.
//!
//! Every frame carries its length and a checksum, so that damage is found and a length is
//! known before anything is allocated.

use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{CParameter, compress_bound, get_frame_content_size};

use super::wire::Damaged;

/// Log lines and columns of numbers come out as small at level 1 as at level 3, in half the
/// time (measured on 16 kinds of system logs).
const LEVEL: i32 = 1;

/// Blocks are half as long; the buffer of a rare long one is given back.
const KEPT_MAX_BYTES: usize = 1 << 20;

thread_local! {
    // A context is some hundred kilobytes, which would be allocated for every block.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
    static RAW: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Compresses at the level for data that is written once and read now and then.
pub fn pack(raw: &[u8]) -> Vec<u8> {
    pack_at(raw, LEVEL)
}

/// Compresses at a level of zstd.
pub fn pack_at(raw: &[u8], level: i32) -> Vec<u8> {
    COMPRESSOR.with_borrow_mut(|kept| {
        let compressor = kept.get_or_insert_with(|| {
            let mut fresh = Compressor::new(level).expect("zstd takes every level that is used here");
            fresh.set_parameter(CParameter::ChecksumFlag(true)).expect("zstd knows checksums");
            fresh
        });
        compressor
            .set_parameter(CParameter::CompressionLevel(level))
            .expect("zstd takes every level that is used here");
        compressor.compress(raw).expect("zstd compresses any bytes into memory")
    })
}

/// Unpacks what [`pack`] made, if it is whole and at most `raw_max` bytes long.
pub fn unpack(packed: &[u8], raw_max: u64) -> Result<Vec<u8>, Damaged> {
    let mut raw = Vec::new();
    unpack_into(packed, raw_max, &mut raw)?;
    Ok(raw)
}

/// Hands what [`pack`] made over unpacked, if it is whole and at most `raw_max` bytes long.
pub fn unpacked<T>(packed: &[u8], raw_max: u64, read: impl FnOnce(&[u8]) -> T) -> Result<T, Damaged> {
    RAW.with_borrow_mut(|raw| {
        let res = unpack_into(packed, raw_max, raw).map(|()| read(raw));
        raw.shrink_to(KEPT_MAX_BYTES);
        res
    })
}

/// Returns how long a frame is unpacked, at most `raw_max` bytes; packed it is not longer
/// than zstd makes any.
pub fn raw_bytes(packed: &[u8], raw_max: u64) -> Result<usize, Damaged> {
    let n_bytes = get_frame_content_size(packed).ok().flatten();
    let n_bytes = n_bytes.filter(|n_bytes| *n_bytes <= raw_max).ok_or(Damaged("length of a zstd frame"))?;
    // Blocks of nothing and frames to be skipped may follow for as long as they like.
    let is_padded = packed.len() > compress_bound(n_bytes as usize);
    if is_padded { Err(Damaged("length of a zstd frame")) } else { Ok(n_bytes as usize) }
}

/// Unpacks into a buffer that is used again; what it held goes.
pub fn unpack_into(packed: &[u8], raw_max: u64, raw: &mut Vec<u8>) -> Result<(), Damaged> {
    let n_bytes = raw_bytes(packed, raw_max)?;
    raw.clear();
    raw.reserve(n_bytes);
    DECOMPRESSOR.with_borrow_mut(|kept| {
        let decompressor =
            kept.get_or_insert_with(|| Decompressor::new().expect("zstd allocates its context"));
        decompressor.decompress_to_buffer(packed, raw).map_err(|_| Damaged("zstd frame"))
    })?;
    if raw.len() == n_bytes { Ok(()) } else { Err(Damaged("zstd frame of another length")) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_back_at_every_level(raw: Vec<u8>, level in -1_i32..4) {
            prop_assert_eq!(unpack(&pack_at(&raw, level), raw.len() as u64).unwrap(), raw);
        }

        #[test]
        fn bad_bytes_give_an_error_and_no_panic(bytes: Vec<u8>) {
            let _ = unpack(&bytes, 1 << 20);
        }

        #[test]
        fn a_wrong_bit_is_found_or_means_nothing(raw in prop::collection::vec(0_u8..4, 1..300), place: usize, bit in 0_u32..8) {
            let mut packed = pack(&raw);
            let place = place % packed.len();
            packed[place] ^= 1 << bit;
            // One bit of the frame's head is unused.
            prop_assert!(unpack(&packed, 1 << 20).is_ok_and(|back| back == raw) || unpack(&packed, 1 << 20).is_err());
        }
    }

    #[test]
    fn a_frame_larger_than_allowed_is_refused_before_it_allocates() {
        assert_eq!(unpack(&pack(&[0; 1000]), 999), Err(Damaged("length of a zstd frame")));
    }
}
