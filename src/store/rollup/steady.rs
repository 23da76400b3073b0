//! A wall clock that jumps ahead for a moment, and is not believed.
//!
//! What is rolled up too early lacks what comes later. So time goes on from the newest sample
//! that is stored by the monotonic clock, and what the wall clock says beyond counts once it
//! has said so for a while. A clock that is set back counts at once.

use std::time::Duration;

use crate::clock::UnixMillis;
use crate::store::config::EXPIRY_GRACE;

/// A clock that is slewed runs up to 0.05 % ahead (adjtimex(2)); a flush may be a minute late.
const SLEW_MAX: Duration = Duration::from_secs(1);

/// The wall time as far as it is believed.
pub struct SteadyClock {
    at: UnixMillis,
    /// When it was so late, by the monotonic clock.
    elapsed: Duration,
    ahead_since: Option<Duration>,
    has_jumped: bool,
}

impl SteadyClock {
    /// Begins at a time that is known to have been.
    pub fn new(at: UnixMillis, elapsed: Duration) -> Self {
        SteadyClock { at, elapsed, ahead_since: None, has_jumped: false }
    }

    /// Returns true once after each jump ahead that came to be believed.
    pub fn take_jump(&mut self) -> bool {
        std::mem::take(&mut self.has_jumped)
    }

    /// Returns the time to go by.
    pub fn now(&mut self, wall: UnixMillis, elapsed: Duration) -> UnixMillis {
        let passed = elapsed.saturating_sub(self.elapsed);
        let plus = |by: Duration| UnixMillis(self.at.0.saturating_add(by.as_millis() as i64));
        if wall > plus(passed + SLEW_MAX) {
            let since = *self.ahead_since.get_or_insert(elapsed);
            if elapsed.saturating_sub(since) < EXPIRY_GRACE {
                return plus(passed);
            }
        }
        let has_jumped = self.has_jumped || wall > plus(passed + SLEW_MAX);
        *self = SteadyClock { has_jumped, ..SteadyClock::new(wall, elapsed) };
        wall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: UnixMillis = UnixMillis(1_800_000_000_000);

    fn check(clock: &mut SteadyClock, elapsed_s: u64, wall_s: i64, expect_s: i64) {
        let wall = UnixMillis(START.0 + wall_s * 1_000);
        let now = clock.now(wall, Duration::from_secs(elapsed_s));
        assert_eq!((now.0 - START.0) / 1_000, expect_s, "{elapsed_s} s on, the clock says {wall_s}");
    }

    #[test]
    fn a_jump_ahead_is_believed_once_it_lasts() {
        let mut clock = SteadyClock::new(START, Duration::ZERO);
        check(&mut clock, 10, 10, 10);
        check(&mut clock, 20, 86_420, 20);
        check(&mut clock, 30, 30, 30);
        check(&mut clock, 40, 86_440, 40);
        check(&mut clock, 639, 87_039, 639);
        check(&mut clock, 640, 87_040, 87_040);
        check(&mut clock, 650, 87_050, 87_050);
        assert!(clock.take_jump() && !clock.take_jump());
        check(&mut clock, 9_650, 96_050, 96_050);
        assert!(!clock.take_jump(), "only time has passed");
    }

    #[test]
    fn a_clock_set_back_counts_at_once() {
        let mut clock = SteadyClock::new(START, Duration::ZERO);
        check(&mut clock, 10, -3_600, -3_600);
        check(&mut clock, 20, -3_590, -3_590);
    }
}
