//! How often refusals are logged: whoever sends rubbish must not fill the log with it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A part logs at most one refusal in this time, with the count of those in between.
const INTERVAL: Duration = Duration::from_secs(10);

/// When a part last complained, and how often it kept silent since.
#[derive(Default)]
pub struct Complaints(
    /// Held to look and to set; never across an await.
    Mutex<Latest>,
);

#[derive(Default)]
struct Latest {
    at: Option<Duration>,
    n_silent: u64,
}

impl Complaints {
    /// Returns how many complaints there were since the last one that was logged, when the next
    /// may be logged; else counts it. `now` is monotonic.
    pub fn due(&self, now: Duration) -> Option<u64> {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.at.is_some_and(|at| now.saturating_sub(at) < INTERVAL) {
            latest.n_silent += 1;
            return None;
        }
        latest.at = Some(now);
        Some(std::mem::take(&mut latest.n_silent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_ten_seconds_is_due_and_tells_of_the_others() {
        let complaints = Complaints::default();
        let due = |seconds| complaints.due(Duration::from_secs(seconds));
        assert_eq!((due(5), due(5), due(14)), (Some(0), None, None));
        assert_eq!((due(15), due(25)), (Some(2), Some(0)));
    }
}
