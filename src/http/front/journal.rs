//! What the front says of itself: lines on standard error, and few of them.

use std::io::Write;
use std::time::Duration;

use crate::clock::Clock;
use crate::record::seldom::Seldom;

/// Between two complaints; those between are counted.
const COMPLAINT_PAUSE: Duration = Duration::from_secs(5);

/// One that comes and goes has no more lines than one in so long.
const ABSENCE_PAUSE: Duration = Duration::from_secs(1);

/// Writes lines; a flood of failed requests becomes one line in a while.
pub(super) struct Journal {
    clock: Clock,
    complaints: Seldom,
    absences: Seldom,
}

impl Journal {
    pub(super) fn new(clock: Clock) -> Journal {
        let (complaints, absences) = (Seldom::once_in(COMPLAINT_PAUSE), Seldom::once_in(ABSENCE_PAUSE));
        Journal { clock, complaints, absences }
    }

    /// Writes a line.
    pub(super) fn say(&self, line: &str) {
        // Nobody may be reading, and requests do not depend on it.
        _ = writeln!(std::io::stderr(), "vitrine: {line}");
    }

    /// Writes why a request failed, unless another one was just written.
    pub(super) fn complain(&self, fault: &str) {
        if let Some(n_unsaid) = self.complaints.due(self.clock.elapsed()) {
            let others = if n_unsaid > 0 { format!(" (and {n_unsaid} before it)") } else { String::new() };
            self.say(&format!("a request failed: {fault}{others}"));
        }
    }

    /// Whether it may be told that the one behind is away, and that it came back.
    pub(super) fn may_tell_of_absence(&self) -> bool {
        self.absences.due(self.clock.elapsed()).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixNanos;

    #[test]
    fn a_flood_is_one_line_and_a_number() {
        let clock = Clock::manual(UnixNanos(0));
        let journal = Journal::new(clock.clone());
        let take_turn = || journal.complaints.due(clock.elapsed());
        assert_eq!(take_turn(), Some(0));
        assert_eq!((0..7).filter_map(|_| take_turn()).count(), 0);
        clock.advance(COMPLAINT_PAUSE);
        assert_eq!(take_turn(), Some(7));
        clock.advance(COMPLAINT_PAUSE);
        assert_eq!(take_turn(), Some(0));
    }
}
