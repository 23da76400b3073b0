//! How many bytes a source may bring now: so many a second, and some more after a silence.

use std::time::Duration;

use super::bounds::{SOURCE_BURST_BYTES, SOURCE_BYTES_PER_SECOND};

/// The budget of one source.
#[derive(Debug)]
pub struct Budget {
    bytes: f64,
    filled: Duration,
}

impl Budget {
    /// Makes a full one.
    pub fn new(now: Duration) -> Budget {
        Budget { bytes: SOURCE_BURST_BYTES as f64, filled: now }
    }

    /// Returns what may be read now.
    pub fn left(&mut self, now: Duration) -> usize {
        let passed = now.saturating_sub(self.filled).as_secs_f64();
        self.filled = now;
        self.bytes = (self.bytes + passed * SOURCE_BYTES_PER_SECOND as f64).min(SOURCE_BURST_BYTES as f64);
        self.bytes.max(0.0) as usize
    }

    /// Takes what was read.
    pub fn take(&mut self, bytes: usize) {
        self.bytes -= bytes as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_fills_with_time_up_to_its_burst() {
        let mut budget = Budget::new(Duration::ZERO);
        assert_eq!(budget.left(Duration::ZERO), SOURCE_BURST_BYTES);
        budget.take(SOURCE_BURST_BYTES);
        assert_eq!(budget.left(Duration::ZERO), 0);
        assert_eq!(budget.left(Duration::from_secs(1)), SOURCE_BYTES_PER_SECOND);
        assert_eq!(budget.left(Duration::from_secs(3_600)), SOURCE_BURST_BYTES);
    }
}
