//! A day of UTC: what "today" means for visitors, wherever they and the owner are.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{UnixMillis, UnixNanos};

/// How long a day is; UTC as computers count it has no leap seconds.
pub const LENGTH: Duration = Duration::from_secs(86_400);

/// Days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Day(pub i64);

impl Day {
    /// Returns the day of a moment.
    pub fn of(at: UnixNanos) -> Day {
        Day(at.0.div_euclid(LENGTH.as_nanos() as i64))
    }

    /// Returns its first moment.
    pub fn begin(self) -> UnixNanos {
        UnixNanos(self.0.saturating_mul(LENGTH.as_nanos() as i64))
    }

    /// Returns its last millisecond.
    pub fn last_ms(self) -> UnixMillis {
        UnixMillis(Day(self.0 + 1).begin().to_millis().0 - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_where_the_next_begins() {
        let day = Day(20_000);
        assert_eq!(Day::of(day.begin()), day);
        assert_eq!(Day::of(UnixNanos(day.begin().0 - 1)), Day(19_999));
        assert_eq!(Day::of(day.last_ms().to_nanos()), day);
        assert_eq!(Day::of(UnixMillis(day.last_ms().0 + 1).to_nanos()), Day(20_001));
        assert_eq!(Day::of(UnixNanos(-1)), Day(-1));
    }
}
