//! The lines, and when they are: so many bytes of mixed ones that end now.

use std::ops::Range;

use vitrine::clock::{Clock, UnixNanos};

use super::lines::{LINES_PER_SECOND, LineKind, Lines, Told};
use super::request::body;

/// Lines of one request.
const BATCH: usize = 1_000;

/// Raw bytes of a mixed line, on average; a little less, so that the lines end before now.
const LINE_BYTES: u64 = 200;

/// Raw bytes between two needles.
const NEEDLE_EVERY: u64 = 1_000;

/// All that is pushed, and what was in it.
pub struct Feed {
    lines: Lines,
    raw_bytes: u64,
    begin_ns: i64,
}

impl Feed {
    /// So many raw bytes.
    pub fn new(raw_bytes: u64) -> Feed {
        let span_ns = (raw_bytes / LINE_BYTES) as i64 * (1_000_000_000 / LINES_PER_SECOND);
        let begin_ns = Clock::system().now().0 - span_ns - 60_000_000_000;
        let lines = Lines::new(LineKind::Mixed, 1, UnixNanos(begin_ns), raw_bytes / NEEDLE_EVERY);
        Feed { lines, raw_bytes, begin_ns }
    }

    /// Returns the next request; none when everything was sent.
    pub fn next(&mut self) -> Option<Vec<u8>> {
        (self.told().raw_bytes < self.raw_bytes).then(|| body(&mut self.lines, BATCH))
    }

    /// Returns what was sent so far.
    pub fn told(&self) -> &Told {
        self.lines.told()
    }

    /// Returns from the first line until after the last one, in nanoseconds.
    pub fn range_ns(&self) -> Range<i64> {
        self.begin_ns..self.lines.now().0 + 1_000_000
    }
}
