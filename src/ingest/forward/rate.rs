//! How fast each source may send: a budget of bytes a second for each tag.
//!
//! A tag is a program, an address only a machine (all containers of this one come from
//! 127.0.0.1), so that one program's flood does not slow the others. What was received is
//! taken and then paid for: the answer is how long its sender has to rest. It promises a
//! bounded table, whatever tags are made up.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::bounds::{RATE_BURST, RATE_TAGS_MAX};
use crate::clock::Clock;

/// The budget that tags share which found the table full; no tag is empty.
const OTHERS: &str = "";

/// The budgets of all tags.
pub struct Rates {
    clock: Clock,
    /// The moment by which all that a tag sent is paid for, in monotonic time; one that has
    /// passed says no more than none. Never held across an await.
    paid_at: Mutex<HashMap<String, Duration>>,
}

impl Rates {
    /// Begins with nothing owed.
    pub fn new(clock: Clock) -> Rates {
        Rates { clock, paid_at: Mutex::default() }
    }

    /// Charges bytes to a tag and returns how long its sender must rest; a rate of 0 is any.
    pub fn charge(&self, tag: &str, n_bytes: usize, bytes_per_second: u64) -> Duration {
        if bytes_per_second == 0 {
            return Duration::ZERO;
        }
        let price = Duration::from_secs_f64(n_bytes as f64 / bytes_per_second as f64);
        let now = self.clock.elapsed();
        let mut paid_at = self.paid_at.lock().unwrap_or_else(PoisonError::into_inner);
        if paid_at.len() >= RATE_TAGS_MAX && !paid_at.contains_key(tag) {
            paid_at.retain(|_, paid_at| *paid_at > now);
        }
        let is_full = paid_at.len() >= RATE_TAGS_MAX && !paid_at.contains_key(tag);
        let tag = if is_full { OTHERS } else { tag };
        // Most tags are known, and their names need no copy.
        let paid_at = match paid_at.get_mut(tag) {
            Some(paid_at) => paid_at,
            None => paid_at.entry(tag.to_string()).or_insert(now),
        };
        *paid_at = now.max(*paid_at) + price;
        paid_at.saturating_sub(now + RATE_BURST)
    }

    /// Returns whether a tag sent more than it may.
    pub fn is_over(&self, tag: &str, bytes_per_second: u64) -> bool {
        !self.charge(tag, 0, bytes_per_second).is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixNanos;

    fn rates() -> (Rates, Clock) {
        let clock = Clock::manual(UnixNanos(0));
        (Rates::new(clock.clone()), clock)
    }

    #[test]
    fn a_burst_is_free_and_the_rest_is_waited_for() {
        let (rates, clock) = rates();
        let burst = 1_000 * RATE_BURST.as_secs() as usize;
        assert_eq!(rates.charge("t", burst, 1_000), Duration::ZERO);
        assert!(!rates.is_over("t", 1_000));
        assert_eq!(rates.charge("t", 2_000, 1_000), Duration::from_secs(2));
        assert!(rates.is_over("t", 1_000) && !rates.is_over("another", 1_000));
        clock.advance(Duration::from_secs(2));
        assert!(!rates.is_over("t", 1_000));
        // A long rest saves up no more than the burst.
        clock.advance(Duration::from_secs(1_000_000));
        assert_eq!(rates.charge("t", burst + 1_000, 1_000), Duration::from_secs(1));
    }

    #[test]
    fn any_rate_is_no_rate() {
        let (rates, _clock) = rates();
        assert_eq!(rates.charge("t", usize::MAX, 0), Duration::ZERO);
    }

    #[test]
    fn tags_beyond_the_bound_share_one_budget_until_others_have_paid() {
        let (rates, clock) = rates();
        for n in 0..RATE_TAGS_MAX * 2 {
            rates.charge(&format!("t{n}"), 1_000, 1_000);
        }
        assert_eq!(rates.paid_at.lock().unwrap().len(), RATE_TAGS_MAX + 1);
        assert!(rates.is_over("one more", 1_000) && !rates.is_over("t0", 1_000));
        clock.advance(Duration::from_secs(1_000_000));
        assert!(!rates.is_over("one more", 1_000));
        assert_eq!(rates.paid_at.lock().unwrap().len(), 1);
    }
}
