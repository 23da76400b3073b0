//! How many jobs may be given to a second worker: a tenth of all.
//!
//! When workers die one after the other, trying again would double the load on those that
//! are left. So each job earns a tenth of a retry, and what was earned is kept up to what one
//! worker holds: losing one is always made up for.

use std::cell::Cell;

/// Retries that can be saved: as many as one worker holds by default.
const SAVED_MAX: u32 = 512;

/// Jobs that earn one retry.
const JOBS_PER_RETRY: u32 = 10;

/// One http thread's budget, in tenths of a retry.
pub(super) struct Retries(Cell<u32>);

impl Retries {
    /// Begins with all that can be saved.
    pub(super) fn new() -> Self {
        Retries(Cell::new(SAVED_MAX * JOBS_PER_RETRY))
    }

    /// Counts a job.
    pub(super) fn earn(&self) {
        self.0.set((self.0.get() + 1).min(SAVED_MAX * JOBS_PER_RETRY));
    }

    /// Takes a retry, or returns false when there is none left.
    pub(super) fn spend(&self) -> bool {
        let left = self.0.get().checked_sub(JOBS_PER_RETRY);
        left.inspect(|left| self.0.set(*left)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_worker_is_made_up_for_and_then_one_job_in_ten() {
        let retries = Retries::new();
        assert_eq!((0..1_000).filter(|_| retries.spend()).count(), 512);
        let n_spent = (0..1_000).filter(|_| {
            retries.earn();
            retries.spend()
        });
        assert_eq!(n_spent.count(), 100);
    }
}
