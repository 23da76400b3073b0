//! How much one source may push: a bucket of bytes for each address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Addresses that are told apart; beyond it the one that was quiet the longest is forgotten.
const SOURCES_MAX: usize = 256;

/// A source may be this much ahead: a shipper that comes back sends what it kept.
const BURST: u64 = 30;

struct Bucket {
    /// Bytes that may still come.
    left: f64,
    filled: Duration,
}

/// The buckets of all sources.
#[derive(Default)]
pub struct Rates {
    /// Held to take from a bucket; never while anything is read.
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

impl Rates {
    /// Takes bytes out of a source's bucket, or says how long to wait. `now` is monotonic.
    ///
    /// A bucket may go below zero once, so that a body larger than it gets through at all.
    pub fn take(
        &self,
        source: IpAddr,
        n_bytes: usize,
        bytes_per_second: u64,
        now: Duration,
    ) -> Result<(), Duration> {
        if bytes_per_second == 0 {
            return Ok(());
        }
        let (rate, full) = (bytes_per_second as f64, (bytes_per_second * BURST) as f64);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= SOURCES_MAX && !buckets.contains_key(&source) {
            let quietest = buckets.iter().min_by_key(|(_, bucket)| bucket.filled).map(|(source, _)| *source);
            quietest.map(|source| buckets.remove(&source));
        }
        let bucket = buckets.entry(source).or_insert(Bucket { left: full, filled: now });
        let since = now.saturating_sub(bucket.filled).as_secs_f64();
        bucket.left = (bucket.left + since * rate).min(full);
        bucket.filled = now;
        if bucket.left <= 0.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.left) / rate));
        }
        bucket.left -= n_bytes as f64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn source(n: u32) -> IpAddr {
        Ipv4Addr::from_bits(n).into()
    }

    #[test]
    fn a_source_beyond_its_rate_waits_and_others_do_not() {
        let rates = Rates::default();
        let take = |n, bytes, at| rates.take(source(n), bytes, 100, Duration::from_secs(at));
        assert_eq!(take(1, 2_900, 0), Ok(()));
        assert_eq!(take(1, 600, 0), Ok(()), "more than is left, once");
        let wait = take(1, 1, 0).unwrap_err();
        assert!((5..=6).contains(&wait.as_secs()), "{wait:?}");
        assert_eq!(take(2, 1, 0), Ok(()));
        assert_eq!(take(1, 1, 6), Ok(()));
        assert_eq!(rates.take(source(1), 1 << 30, 0, Duration::ZERO), Ok(()));
    }

    #[test]
    fn sources_are_bounded() {
        let rates = Rates::default();
        for n in 0..1_000 {
            rates.take(source(n), 1, 100, Duration::from_secs(n.into())).unwrap();
        }
        assert_eq!(rates.buckets.lock().unwrap().len(), SOURCES_MAX);
    }
}
