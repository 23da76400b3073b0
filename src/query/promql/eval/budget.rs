//! What a query may hold and how long it may take.

use std::cell::Cell;
use std::time::Instant;

use crate::pace::give_way;
use crate::query::promql::Error;
use crate::query::promql::engine::{Cancel, Limits};

/// Counts the values that are held, and knows when it is time to end.
pub(super) struct Budget<'a> {
    held: Cell<usize>,
    held_max: usize,
    until: Option<Instant>,
    cancel: &'a Cancel,
}

impl<'a> Budget<'a> {
    pub fn new(limits: &Limits, cancel: &'a Cancel) -> Self {
        let until = Instant::now().checked_add(limits.timeout);
        Budget { held: Cell::new(0), held_max: limits.samples_max, until, cancel }
    }

    pub fn held(&self) -> usize {
        self.held.get()
    }

    /// Sets what is held, after something was let go.
    pub fn set_held(&self, held: usize) {
        self.held.set(held);
    }

    /// Adds values that are held from now on.
    pub fn hold(&self, n_values: usize) -> Result<(), Error> {
        let held = self.held.get().saturating_add(n_values);
        if held > self.held_max {
            return Err(Error::TooManySamples);
        }
        self.held.set(held);
        Ok(())
    }

    /// Refuses what could not be held, before it is made.
    pub fn fits(&self, n_values: usize) -> Result<(), Error> {
        if self.held.get().saturating_add(n_values) > self.held_max {
            Err(Error::TooManySamples)
        } else {
            Ok(())
        }
    }

    /// Refuses to go on when the time is over or nobody waits any more.
    pub fn check(&self) -> Result<(), Error> {
        if self.cancel.is_cancelled() || give_way().is_break() {
            return Err(Error::Canceled);
        }
        match self.until {
            Some(until) if Instant::now() >= until => Err(Error::Timeout),
            _ => Ok(()),
        }
    }
}
