//! What a query may hold and how long it may take, in every language.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::pace::give_way;

/// Ends an evaluation from outside; clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks the evaluation to end; it does so between two lines or series, with [`Spent::Canceled`].
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns true when it was asked to.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why an evaluation may not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// More values would be held at once than may be.
    Memory,
    /// It took longer than it may.
    Time,
    /// Nobody waits for it any more.
    Canceled,
}

/// Counts the values that are held, and knows when it is time to end; threads may share it.
pub struct Budget<'a> {
    held: AtomicUsize,
    held_max: usize,
    until: Option<Instant>,
    cancel: &'a Cancel,
}

/// Work between two looks at the time, in bytes of text: some hundred lines, far below a millisecond.
const LOOK_BYTES: usize = 64 << 10;

/// What a line costs beside its text.
const LINE_BYTES: usize = 256;

/// Counts the work on lines since the last look at the time.
#[derive(Debug, Default)]
pub struct Watch {
    n_bytes: usize,
}

impl Watch {
    /// Looks at the time when enough was done, now that a line with so many bytes to be read is next.
    pub fn line(&mut self, n_bytes: usize, budget: &Budget<'_>) -> Result<(), Spent> {
        self.n_bytes = self.n_bytes.saturating_add(n_bytes).saturating_add(LINE_BYTES);
        if self.n_bytes < LOOK_BYTES {
            return Ok(());
        }
        self.n_bytes = 0;
        budget.check()
    }
}

impl<'a> Budget<'a> {
    /// Begins with nothing held; a value is what takes 16 bytes.
    pub fn new(held_max: usize, timeout: Duration, cancel: &'a Cancel) -> Self {
        Budget { held: AtomicUsize::new(0), held_max, until: Instant::now().checked_add(timeout), cancel }
    }

    /// Returns until when it may take, if it has to end at all.
    pub fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Returns how many values may be held.
    pub fn held_max(&self) -> usize {
        self.held_max
    }

    /// Returns how many values are held.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Sets what is held, after something was let go.
    pub fn set_held(&self, held: usize) {
        self.held.store(held, Ordering::Relaxed);
    }

    /// Takes away values that are held no more, whatever others hold.
    pub fn let_go(&self, n_values: usize) {
        self.held.fetch_sub(n_values, Ordering::Relaxed);
    }

    /// Adds values that are held from now on.
    pub fn hold(&self, n_values: usize) -> Result<(), Spent> {
        self.fits(n_values)?;
        // Threads that add at once may go past the bound by what each of them adds.
        self.held.fetch_add(n_values, Ordering::Relaxed);
        Ok(())
    }

    /// Refuses what could not be held, before it is made.
    pub fn fits(&self, n_values: usize) -> Result<(), Spent> {
        if self.held().saturating_add(n_values) > self.held_max { Err(Spent::Memory) } else { Ok(()) }
    }

    /// Refuses to go on when the time is over or nobody waits any more.
    pub fn check(&self) -> Result<(), Spent> {
        // Work within this time is told to end by its time, too; that is not to say that nobody waits.
        let ends = give_way().is_break();
        match self.until {
            _ if self.cancel.is_cancelled() => Err(Spent::Canceled),
            Some(until) if Instant::now() >= until => Err(Spent::Time),
            _ if ends => Err(Spent::Canceled),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_says_what_is_spent() {
        let cancel = Cancel::default();
        let budget = Budget::new(10, Duration::MAX, &cancel);
        assert_eq!(budget.hold(8), Ok(()));
        assert_eq!((budget.fits(2), budget.hold(3), budget.held()), (Ok(()), Err(Spent::Memory), 8));
        assert_eq!(budget.hold(usize::MAX), Err(Spent::Memory));
        budget.let_go(3);
        assert_eq!((budget.held(), budget.hold(5)), (5, Ok(())));
        budget.set_held(0);
        assert_eq!((budget.hold(10), budget.check()), (Ok(()), Ok(())));
        cancel.cancel();
        assert_eq!(budget.check(), Err(Spent::Canceled));
        let cancel = Cancel::default();
        assert_eq!(Budget::new(10, Duration::ZERO, &cancel).check(), Err(Spent::Time));
    }
}
