//! Roll-ups as bytes: the columns of one series in one window, and the times that all
//! series of a window share.
//!
//! A window is up to 120 neighbouring steps of one resolution. It promises to give every
//! bit back and trusts nothing that it reads. It refuses to know where the bytes lie and how
//! they are compressed; those of many series belong together under one zstd, so they are
//! kept byte-aligned and alike.
//!
//! The times of a window ([`times`]), in each number the difference to the step before:
//!
//! ```text
//! end of the first step zigzag | step ms varint | n varint |
//! n × ( first ms zigzag | last ms zigzag | count zigzag )      ms are before the step's end
//! ```
//!
//! A series in a window ([`columns`]):
//!
//! ```text
//! flags u8          1 lacks some steps, 2 has times of its own, 4 went stale
//! [present mask]    flag 1; a mask has one bit a step, lowest first, in (n + 7) / 8 bytes
//! [times]           flag 2: n varint | n × ( steps since the one before varint | first ms |
//!                   last ms | count ), each of the three as the zigzag of its difference to
//!                   the window's, less the same of the one before
//! [stale mask]      flag 4
//! base f64          the last value of the first step; all below only if a step has samples
//! 7 × column        last, first, min, max, sum, n_resets, reset_sum
//! ```
//!
//! A column is told from a guess that reader and writer make from what stands before it
//! (the extremes are the ends, the sum is that of a straight line, …), and most columns of
//! most series are as guessed:
//!
//! ```text
//! form u8           0 all as guessed; else the sum of
//!                   64 only some are not; 32 ulps follow;
//!                   1 values, 2 distances to the guess in ulps,
//!                   8 + e distances in units of 10^-e, e from 0 to 6
//! [mask]            64: the steps that are not as guessed
//! varint | chunk    the values, or distances as floats, by the codecs of a metric chunk
//! [varint | chunk]  32: how far the decimal is from the value in ulps
//! ```

use std::sync::atomic::{AtomicI64, Ordering};

use crate::clock::UnixMillis;
use crate::store::disk::partition::Kind;

mod column;
pub mod columns;
pub mod job;
pub mod late;
pub mod read;
mod steady;
pub mod times;

/// Up to when each tier is made; the writer sets it and readers go by it.
pub struct RolledUp([AtomicI64; 2]);

/// Stands for a time that is not known.
const UNKNOWN: i64 = i64::MIN;

impl Default for RolledUp {
    fn default() -> Self {
        RolledUp([const { AtomicI64::new(UNKNOWN) }; 2])
    }
}

impl RolledUp {
    fn place(&self, kind: Kind) -> &AtomicI64 {
        &self.0[usize::from(kind == Kind::Hours)]
    }

    /// Returns up to when a tier is made, as far as the writer has looked it up.
    pub fn until(&self, kind: Kind) -> Option<UnixMillis> {
        let until = self.place(kind).load(Ordering::Relaxed);
        (until != UNKNOWN).then_some(UnixMillis(until))
    }

    fn set(&self, kind: Kind, until: Option<UnixMillis>) {
        self.place(kind).store(until.map_or(UNKNOWN, |until| until.0), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
