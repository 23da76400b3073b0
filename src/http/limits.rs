//! How much one address may take of the public side: connections, and requests a second.
//!
//! Neither protects from many addresses; both keep one program gone wrong, or one visitor
//! with a tool, from taking what is meant for all. Trusted proxies are not limited: they
//! stand for others, whose addresses they name. An IPv6 address counts as its /64.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A second's requests may come at once, and another second's: a page with its assets is a
/// burst.
const BURST: Duration = Duration::from_secs(2);

/// Addresses that a thread remembers; past it, new ones are not limited.
const ADDRESSES_MAX: usize = 4_096;

/// The connections of each address.
#[derive(Clone, Default)]
pub(super) struct Connections(Arc<Mutex<HashMap<IpAddr, u64>>>);

/// One connection of an address, until it is dropped.
pub(super) struct Connection {
    all: Connections,
    network: IpAddr,
}

impl Connections {
    /// Counts a connection, unless its address has as many as it may have.
    pub(super) fn enter(&self, network: IpAddr, at_most: u64) -> Option<Connection> {
        let mut all = self.lock();
        let n = all.entry(network).or_default();
        if *n >= at_most {
            return None;
        }
        *n += 1;
        Some(Connection { all: self.clone(), network })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, u64>> {
        // Nothing panics while it is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        if let Some(n) = all.get_mut(&self.network) {
            *n -= 1;
            if *n == 0 {
                all.remove(&self.network);
            }
        }
    }
}

/// What an http thread knows of a connection, left in its data.
pub(super) enum Admitted {
    /// It counts among those of its address.
    Counted {
        /// Held to its end.
        _connection: Connection,
    },
    /// Its address has enough of them.
    TooMany,
}

/// The requests of each address on one http thread: a leaky bucket each, by the time at
/// which it will be empty (the generic cell rate algorithm, ITU-T I.371).
#[derive(Default)]
pub(super) struct Requests(RefCell<HashMap<IpAddr, Instant>>);

impl Requests {
    /// Counts a request at `now`; returns how long to wait when there were too many.
    pub(super) fn enter(&self, network: IpAddr, per_second: u64, now: Instant) -> Result<(), Duration> {
        let mut empty_at = self.0.borrow_mut();
        if empty_at.len() >= ADDRESSES_MAX && !empty_at.contains_key(&network) {
            empty_at.retain(|_, at| *at > now);
            if empty_at.len() >= ADDRESSES_MAX {
                return Ok(());
            }
        }
        let at = empty_at.entry(network).or_insert(now);
        let next = (*at).max(now) + Duration::from_nanos(1_000_000_000 / per_second.max(1));
        let ahead = next - now;
        if ahead > BURST {
            return Err(ahead - BURST);
        }
        *at = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(n: u32) -> IpAddr {
        Ipv4Addr::from_bits(n).into()
    }

    #[test]
    fn connections_are_counted_by_address_and_given_back() {
        let all = Connections::default();
        let held: Vec<_> = (0..3).map(|_| all.enter(address(1), 3).unwrap()).collect();
        assert!(all.enter(address(1), 3).is_none());
        assert!(all.enter(address(2), 3).is_some());
        drop(held);
        assert!(all.enter(address(1), 3).is_some());
        assert!(all.lock().is_empty());
    }

    #[test]
    fn a_burst_passes_then_the_rate_holds_and_others_are_not_touched() {
        let (requests, now) = (Requests::default(), Instant::now());
        let n_passed = |from: u32, at: Instant| {
            (0..1_000).filter(|_| requests.enter(address(from), 10, at).is_ok()).count()
        };
        assert_eq!(n_passed(1, now), 20);
        let wait = requests.enter(address(1), 10, now).unwrap_err();
        assert!(wait <= Duration::from_millis(100) && wait > Duration::ZERO, "{wait:?}");
        assert_eq!(n_passed(2, now), 20);
        assert_eq!(n_passed(1, now + Duration::from_secs(1)), 10);
        assert_eq!(n_passed(1, now + Duration::from_secs(60)), 20);
    }

    #[test]
    fn the_table_is_bounded_and_forgets_who_is_quiet() {
        let (requests, now) = (Requests::default(), Instant::now());
        for n in 0..3 * ADDRESSES_MAX as u32 {
            assert_eq!(requests.enter(address(n), 1, now), Ok(()));
        }
        assert_eq!(requests.0.borrow().len(), ADDRESSES_MAX);
        let later = now + Duration::from_secs(10);
        assert_eq!(requests.enter(address(u32::MAX), 1, later), Ok(()));
        assert_eq!(requests.0.borrow().len(), 1);
    }
}
