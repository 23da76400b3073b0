//! How often one address may try a password.
//!
//! Only a wrong attempt is counted, and the next is verified after that: whoever asks
//! here sees to the order, so that parallel guesses gain nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::record::address::network;

/// Wrong attempts without a wait: anyone may mistype.
const ATTEMPTS_FREE: u32 = 5;

/// The longest wait; it doubles from one second up to this.
const WAIT_MAX: Duration = Duration::from_secs(15 * 60);

/// After this long without an attempt an address starts afresh.
const QUIET: Duration = Duration::from_secs(3_600);

/// Addresses remembered. When more come, the one that is quiet for longest is
/// forgotten; who has that many addresses is held back by the one verification at a time.
const ADDRESSES_MAX: usize = 1_024;

#[derive(Clone, Copy)]
struct Entry {
    attempts: u32,
    last: Duration,
}

/// The table of addresses with wrong attempts.
#[derive(Default)]
pub(super) struct Throttle(HashMap<IpAddr, Entry>);

impl Throttle {
    /// Returns how long an address has to wait at the time `now`, if it has to.
    pub(super) fn check(&self, address: IpAddr, now: Duration) -> Result<(), Duration> {
        let entry = self.entry(network(address), now);
        let until = entry.last + wait(entry.attempts);
        if entry.attempts > 0 && now < until { Err(until - now) } else { Ok(()) }
    }

    /// Counts a wrong attempt at the time `now`.
    pub(super) fn failed(&mut self, address: IpAddr, now: Duration) {
        let address = network(address);
        let attempts = self.entry(address, now).attempts.saturating_add(1);
        self.make_room(address);
        self.0.insert(address, Entry { attempts, last: now });
    }

    /// Forgets the attempts of an address that knew the password.
    pub(super) fn succeeded(&mut self, address: IpAddr) {
        self.0.remove(&network(address));
    }

    fn entry(&self, address: IpAddr, now: Duration) -> Entry {
        match self.0.get(&address) {
            Some(entry) if now.saturating_sub(entry.last) < QUIET => *entry,
            _ => Entry { attempts: 0, last: Duration::ZERO },
        }
    }

    fn make_room(&mut self, address: IpAddr) {
        if self.0.len() < ADDRESSES_MAX || self.0.contains_key(&address) {
            return;
        }
        let quietest = self.0.iter().min_by_key(|(_, entry)| entry.last).map(|(address, _)| *address);
        if let Some(quietest) = quietest {
            self.0.remove(&quietest);
        }
    }
}

fn wait(attempts: u32) -> Duration {
    match attempts.checked_sub(ATTEMPTS_FREE) {
        None => Duration::ZERO,
        // 2^10 s is above the ceiling already.
        Some(over) => Duration::from_secs(1 << over.min(10)).min(WAIT_MAX),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    const NOW: Duration = Duration::from_secs(10_000);

    fn address(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    /// A wrong attempt, as its caller makes it.
    fn attempt(throttle: &mut Throttle, address: IpAddr, now: Duration) -> Result<(), Duration> {
        throttle.check(address, now)?;
        throttle.failed(address, now);
        Ok(())
    }

    fn fail(throttle: &mut Throttle, n: u32) {
        for _ in 0..n {
            attempt(throttle, address(1), NOW).unwrap();
        }
    }

    #[test]
    fn waits_double_up_to_a_ceiling() {
        let mut throttle = Throttle::default();
        fail(&mut throttle, ATTEMPTS_FREE);
        let mut now = NOW;
        let mut waits = Vec::new();
        for _ in 0..12 {
            let wait = attempt(&mut throttle, address(1), now).unwrap_err();
            waits.push(wait.as_secs());
            now += wait;
            attempt(&mut throttle, address(1), now).unwrap();
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
    }

    #[test]
    fn success_and_quiet_start_afresh() {
        let mut throttle = Throttle::default();
        fail(&mut throttle, ATTEMPTS_FREE);
        throttle.succeeded(address(1));
        fail(&mut throttle, ATTEMPTS_FREE);
        assert!(attempt(&mut throttle, address(1), NOW).is_err());
        assert!(attempt(&mut throttle, address(2), NOW).is_ok());
        assert!(attempt(&mut throttle, address(1), NOW + QUIET).is_ok());
        assert!(attempt(&mut throttle, address(1), NOW + QUIET).is_ok());
    }

    #[test]
    fn one_ipv6_network_is_one_visitor() {
        let mut throttle = Throttle::default();
        for n in 0..u128::from(ATTEMPTS_FREE) {
            let v6 = Ipv6Addr::from_bits((0x2001_0db8 << 96) + n);
            attempt(&mut throttle, v6.into(), NOW).unwrap();
        }
        let another = Ipv6Addr::from_bits((0x2001_0db8 << 96) + 77);
        assert!(attempt(&mut throttle, another.into(), NOW).is_err());
    }

    #[test]
    fn table_is_bounded() {
        let mut throttle = Throttle::default();
        for n in 0..2 * ADDRESSES_MAX as u32 {
            attempt(&mut throttle, address(n), NOW + Duration::from_millis(n.into())).unwrap();
        }
        assert_eq!(throttle.0.len(), ADDRESSES_MAX);
    }
}
