//! How often the same is said again: whoever sends rubbish must not fill the log with it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// When something was last said, and how often it was not since.
pub struct Seldom {
    interval: Duration,
    // Held to look and to set; never across an await.
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    at: Option<Duration>,
    n_silent: u64,
}

impl Seldom {
    /// At most once in `interval`.
    pub fn once_in(interval: Duration) -> Seldom {
        Seldom { interval, last: Mutex::default() }
    }

    /// Returns how often it was not said since the last time, when it may be said again; else
    /// counts that it was not. `now` is monotonic.
    pub fn due(&self, now: Duration) -> Option<u64> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.at.is_some_and(|at| now.saturating_sub(at) < self.interval) {
            last.n_silent += 1;
            return None;
        }
        last.at = Some(now);
        Some(std::mem::take(&mut last.n_silent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_ten_seconds_is_due_and_tells_of_the_others() {
        let complaints = Seldom::once_in(Duration::from_secs(10));
        let due = |seconds| complaints.due(Duration::from_secs(seconds));
        assert_eq!((due(5), due(5), due(14)), (Some(0), None, None));
        assert_eq!((due(15), due(25)), (Some(2), Some(0)));
    }
}
