//! The wait after a failure, which doubles with each further one.

use std::time::{Duration, Instant};

use super::config::FLUSH_INTERVAL;

/// From one second to about a minute.
const MAX_DOUBLINGS: u32 = 6;

/// Says when something that failed may be tried again. Each kind of writing has its own, so
/// that records go on reaching the WAL while sealing fails.
pub struct BackOff {
    n_failures: u32,
    retry_at: Instant,
}

impl BackOff {
    /// Begins without a failure.
    pub fn new() -> Self {
        BackOff { n_failures: 0, retry_at: Instant::now() }
    }

    /// Returns true once the next attempt may be made.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.retry_at
    }

    /// Takes the outcome of an attempt into account.
    pub fn note(&mut self, is_ok: bool) {
        if is_ok {
            self.n_failures = 0;
        } else {
            let wait: Duration = FLUSH_INTERVAL * 2_u32.pow(self.n_failures.min(MAX_DOUBLINGS));
            self.n_failures += 1;
            self.retry_at = Instant::now() + wait;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_about_a_minute_and_begin_anew_after_a_success() {
        let mut back_off = BackOff::new();
        assert!(back_off.is_over());
        let mut wait = |is_ok| {
            back_off.note(is_ok);
            back_off.retry_at.saturating_duration_since(Instant::now()).as_secs_f64().ceil() as u64
        };
        let waits: Vec<u64> = (0..9).map(|_| wait(false)).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 64, 64]);
        wait(true);
        assert_eq!(wait(false), 1);
    }
}
