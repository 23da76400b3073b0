//! Time, behind one handle.
//!
//! Everything that needs to know "when" takes a [`Clock`]; nothing else in this crate
//! reads the system's wall clock. Wall time is for stamping records, the monotonic
//! reading for measuring how long something took: the first may jump, the second
//! never does. Tests hold a manual clock and move it themselves.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The clock of another machine may be ahead of ours by this much; no skew is larger. What is
/// further ahead is not kept under that time.
pub const AHEAD_MAX: Duration = Duration::from_secs(600);

/// Nanoseconds since 1970-01-01T00:00:00Z; the resolution of log records.
///
/// An `i64` reaches the year 2262, the same bound as Loki's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixNanos(pub i64);

/// Milliseconds since 1970-01-01T00:00:00Z; the resolution of metric samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub i64);

impl UnixNanos {
    /// Drops what is below a millisecond, rounding towards the past.
    pub fn to_millis(self) -> UnixMillis {
        UnixMillis(self.0.div_euclid(1_000_000))
    }

    /// Returns the moment `later` after this one, clamped to what fits.
    pub fn plus(self, later: Duration) -> UnixNanos {
        UnixNanos(self.0.saturating_add(i64::try_from(later.as_nanos()).unwrap_or(i64::MAX)))
    }
}

impl UnixMillis {
    /// Returns the moment so many seconds after 1970.
    pub fn from_seconds(seconds: u64) -> UnixMillis {
        UnixMillis(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000))
    }

    /// Returns the first nanosecond of this millisecond, clamped to what fits.
    pub fn to_nanos(self) -> UnixNanos {
        UnixNanos(self.0.saturating_mul(1_000_000))
    }

    /// Returns this moment moved into the past by `age`, clamped to what fits.
    pub fn minus(self, age: Duration) -> UnixMillis {
        UnixMillis(self.0.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// Wall and monotonic time; clones share one source.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System { started: Instant },
    Manual { wall_ns: Arc<AtomicI64>, elapsed_ns: Arc<AtomicI64> },
}

impl Clock {
    /// Returns the clock of the machine.
    pub fn system() -> Self {
        Clock(Source::System { started: Instant::now() })
    }

    /// Returns a clock that stands at `start` until [`Clock::advance`] moves it.
    pub fn manual(start: UnixNanos) -> Self {
        Clock(Source::Manual { wall_ns: Arc::new(AtomicI64::new(start.0)), elapsed_ns: Arc::default() })
    }

    /// Returns the wall time.
    pub fn now(&self) -> UnixNanos {
        match &self.0 {
            // A machine whose clock stands before 1970 gets 1970: wrong, but never a panic.
            Source::System { .. } => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                UnixNanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
            }
            Source::Manual { wall_ns, .. } => UnixNanos(wall_ns.load(Ordering::Relaxed)),
        }
    }

    /// Returns the wall time in milliseconds.
    pub fn now_ms(&self) -> UnixMillis {
        self.now().to_millis()
    }

    /// Returns how long this clock has run; never goes back.
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Source::System { started } => started.elapsed(),
            Source::Manual { elapsed_ns, .. } => {
                Duration::from_nanos(u64::try_from(elapsed_ns.load(Ordering::Relaxed)).unwrap_or(0))
            }
        }
    }

    /// Moves a manual clock forward; a system clock moves by itself and ignores this.
    pub fn advance(&self, by: Duration) {
        let by_ns = i64::try_from(by.as_nanos()).unwrap_or(i64::MAX);
        self.jump(by_ns);
        if let Source::Manual { elapsed_ns, .. } = &self.0 {
            elapsed_ns.fetch_add(by_ns, Ordering::Relaxed);
        }
    }

    /// Sets the wall time of a manual clock ahead or back by so many nanoseconds, while no time
    /// passes.
    pub fn jump(&self, by_ns: i64) {
        if let Source::Manual { wall_ns, .. } = &self.0 {
            wall_ns.fetch_add(by_ns, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::System { .. } => "Clock::System",
            Source::Manual { .. } => "Clock::Manual",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_clock_moves_only_when_told() {
        let clock = Clock::manual(UnixNanos(5_000_000));
        assert_eq!(clock.now(), UnixNanos(5_000_000));
        clock.clone().advance(Duration::from_millis(2));
        assert_eq!(clock.now_ms(), UnixMillis(7));
        assert_eq!(clock.elapsed(), Duration::from_millis(2));
        clock.jump(-7_000_000);
        assert_eq!((clock.now(), clock.elapsed()), (UnixNanos(0), Duration::from_millis(2)));
    }

    #[test]
    fn millis_round_towards_the_past_before_1970_too() {
        assert_eq!(UnixNanos(-1).to_millis(), UnixMillis(-1));
        assert_eq!(UnixMillis(i64::MAX).to_nanos(), UnixNanos(i64::MAX));
    }
}
