//! What one rendering may take, at most.
//!
//! A template comes from whoever may ask a question, and is rendered for each line of the answer:
//! none may take long or much memory, whatever it repeats, nests or calls.

/// Most bytes of one result, and of what a function returns: four times the longest line that Loki
/// takes by default. More is an error of that line.
pub(super) const OUTPUT_MAX_BYTES: usize = 1 << 20;

/// Most nodes that are walked, turns of loops among them: milliseconds, and more than any list that
/// fits a line and is worth reading has elements.
const STEPS_MAX: usize = 10_000;

/// Most bytes that functions read and return together, about: what variables and arguments hold at
/// the same time is in it, so it bounds the memory, and the time to some hundredths of a second.
const WORK_MAX_BYTES: usize = 16 << 20;

/// Most templates in each other: who calls one at all calls one level deep. Go has 100,000, and a
/// stack that grows.
pub(super) const CALLS_MAX: usize = 100;

/// Most blocks, parentheses and calls in each other while rendering: each takes some frames of the
/// stack, a few hundred bytes in all.
const NESTING_MAX: usize = 200;

/// What is left of it.
#[derive(Debug, Default)]
pub(super) struct Budget {
    n_steps: usize,
    work_bytes: usize,
    n_nested: usize,
}

impl Budget {
    /// Counts a node or a turn.
    pub(super) fn step(&mut self) -> Result<(), String> {
        self.n_steps += 1;
        if self.n_steps > STEPS_MAX {
            return Err(format!("template takes more than {STEPS_MAX} steps"));
        }
        Ok(())
    }

    /// Counts bytes that are about to be read or made.
    pub(super) fn work(&mut self, n_bytes: usize) -> Result<(), String> {
        self.work_bytes = self.work_bytes.saturating_add(n_bytes);
        if self.work_bytes > WORK_MAX_BYTES {
            return Err(format!("template works on more than {WORK_MAX_BYTES} bytes"));
        }
        Ok(())
    }

    /// Counts a result before it is made.
    pub(super) fn result(&mut self, n_bytes: usize) -> Result<(), String> {
        fits(n_bytes)?;
        self.work(n_bytes)
    }

    /// Goes a level deeper; [`Budget::leave`] comes back.
    pub(super) fn enter(&mut self) -> Result<(), String> {
        self.n_nested += 1;
        if self.n_nested > NESTING_MAX {
            return Err(format!("template goes deeper than {NESTING_MAX} levels"));
        }
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.n_nested -= 1;
    }
}

/// Refuses a result that is too long.
pub(super) fn fits(n_bytes: usize) -> Result<(), String> {
    if n_bytes > OUTPUT_MAX_BYTES {
        return Err(format!("result is above the limit of {OUTPUT_MAX_BYTES} bytes"));
    }
    Ok(())
}
