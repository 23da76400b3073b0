//! One thread's part: lines to shapes, within what may be held.

use super::cut::Cutter;
use super::shape::{Shape, Shapes, level_place};
use super::{PATTERNS_MAX, tree};
use crate::query::budget::{Budget, Watch};
use crate::query::logql::by_parts::Reader;
use crate::query::logql::entry::{DETECTED_LEVEL, Scratch};
use crate::query::logql::error::Error;
use crate::query::logql::pipeline::Pipeline;
use crate::record::read::LineRef;

/// Most shapes that a thread tells apart: a program has some hundred, and so many are put together
/// within some ten milliseconds.
pub(super) const SHAPES_MAX: usize = 4_096;

/// Patterns that a thread goes on with when it had too many shapes: more than an answer has, so that
/// what comes late may still become frequent.
const KEPT_MAX: usize = 2 * PATTERNS_MAX;

/// A thread puts together early what takes more than this part of a query's budget. There are four
/// threads at most, and what is left afterwards may double before it is put together again.
const BUDGET_PART: usize = 10;

/// What one thread mines.
pub(super) struct Miner<'a> {
    pipeline: &'a Pipeline,
    step_ns: i64,
    budget: &'a Budget<'a>,
    scratch: Scratch,
    cutter: Cutter,
    shapes: Shapes,
    /// What the shapes take of the budget.
    held: usize,
    /// Above this they are put together.
    held_max: usize,
    watch: Watch,
}

impl<'a> Miner<'a> {
    /// Begins with nothing.
    pub(super) fn new(pipeline: &'a Pipeline, step_ns: i64, budget: &'a Budget<'a>) -> Self {
        Miner {
            pipeline,
            step_ns,
            budget,
            scratch: Scratch::default(),
            cutter: Cutter::new(),
            shapes: Shapes::default(),
            held: 0,
            held_max: budget.held_max() / BUDGET_PART,
            watch: Watch::default(),
        }
    }

    /// Returns what it found.
    pub(super) fn into_shapes(mut self) -> impl Iterator<Item = Shape> + use<> {
        self.shapes.take()
    }

    /// Goes on with the patterns of what was found so far.
    fn put_together(&mut self) {
        let mut left = self.held_max / 2;
        let kept = tree::grown(self.shapes.take()).into_iter().take(KEPT_MAX).take_while(|shape| {
            // One of them may take what it wants.
            let fits = left > 0;
            left = left.saturating_sub(shape.n_values());
            fits
        });
        let mut held = 0;
        for shape in kept {
            held += shape.n_values() + shape.steps.len();
            self.shapes.merge(shape);
        }
        self.budget.let_go(self.held.saturating_sub(held));
        self.held = held;
        // What is there now may be much, by its many steps; it is not put together at every line.
        self.held_max = self.held_max.max(2 * held);
    }
}

impl Reader for Miner<'_> {
    fn line(&mut self, line: LineRef<'_>) -> Result<(), Error> {
        let spent = |spent| Error::spent(spent, self.budget);
        let n_bytes = self.pipeline.work_bytes(&line).max(line.body().len());
        self.watch.line(n_bytes, self.budget).map_err(spent)?;
        let Some(entry) = self.pipeline.run(line, &mut self.scratch) else { return Ok(()) };
        let level = level_place(entry.label(DETECTED_LEVEL).unwrap_or_default());
        let cut = self.cutter.cut(entry.text());
        let n_values = self.shapes.add(level, cut, &self.cutter, line.at.0.div_euclid(self.step_ns));
        if n_values > 0 {
            self.budget.hold(n_values).map_err(spent)?;
            self.held += n_values;
            if self.shapes.len() >= SHAPES_MAX || self.held > self.held_max {
                self.put_together();
            }
        }
        Ok(())
    }
}
