//! What the front says of itself: lines on standard error, and few of them.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two complaints; those between are counted.
const COMPLAINT_PAUSE: Duration = Duration::from_secs(5);

/// Writes lines; a flood of failed requests becomes one line in a while.
#[derive(Default)]
pub(super) struct Journal {
    // Held for the time of a comparison.
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    at: Option<Instant>,
    n_unsaid: u64,
}

impl Journal {
    /// Writes a line.
    pub(super) fn say(&self, line: &str) {
        // Nobody may be reading, and requests do not depend on it.
        _ = writeln!(std::io::stderr(), "vitrine: {line}");
    }

    /// Writes why a request failed, unless another one was just written.
    pub(super) fn complain(&self, fault: &str) {
        if let Some(n_unsaid) = self.take_turn(Instant::now()) {
            let others = if n_unsaid > 0 { format!(" (and {n_unsaid} before it)") } else { String::new() };
            self.say(&format!("a request failed: {fault}{others}"));
        }
    }

    /// Returns how many were not written since the last one; none when this is one of them.
    fn take_turn(&self, now: Instant) -> Option<u64> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.at.is_some_and(|at| now - at < COMPLAINT_PAUSE) {
            last.n_unsaid += 1;
            return None;
        }
        last.at = Some(now);
        Some(std::mem::take(&mut last.n_unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_and_a_number() {
        let (journal, now) = (Journal::default(), Instant::now());
        assert_eq!(journal.take_turn(now), Some(0));
        assert_eq!((0..7).filter_map(|_| journal.take_turn(now)).count(), 0);
        assert_eq!(journal.take_turn(now + COMPLAINT_PAUSE), Some(7));
        assert_eq!(journal.take_turn(now + 2 * COMPLAINT_PAUSE), Some(0));
    }
}
