//! Patterns that the lines of a query are built by: `user <_> logged in from <_>`.
//!
//! They are mined when they are asked for, of all lines that are selected, whatever stream they are of,
//! and by level; nothing is kept for it. Each line is cut into words ([`cut`]); lines with the same names
//! between the same gaps are one shape ([`shape`]), in which numbers, ids and paths do not count; and
//! shapes become patterns by Drain's tree ([`tree`]). Facts of Loki's variant that hold here: what a word
//! is, how many are told apart, how much of a line is looked at, the members of JSON that are messages,
//! levels, and what an answer is like.
//!
//! What is promised:
//! - Each line belongs to one pattern, and the pattern matches it by `|> "pattern"`.
//! - While each thread finds less than [`miner::SHAPES_MAX`] shapes and holds less than its part of the
//!   budget, the answer does not depend on the order in which lines are read. Above that what was found
//!   is put together early, the rarest of it is let go, and lines that come later may be told apart
//!   otherwise.
//! - Patterns without a word are left out, and so are the rarest above [`PATTERNS_MAX`]. Otherwise than
//!   in Loki no pattern is left out for having few lines, and no line for being short or long.

mod cut;
mod miner;
mod shape;
mod steps;
mod tree;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use self::miner::Miner;
use self::shape::{LEVELS, Shape, Shapes};
use self::steps::Steps;
use super::ast::LogExpr;
use super::by_parts;
use super::engine::ReadStats;
use super::entry::DETECTED_LEVEL;
use super::error::Error;
use super::pipeline::{Numbers, Pipeline};
use super::select;
use crate::clock::UnixNanos;
use crate::query::budget::Budget;
use crate::record::read::{Direction, LogRead};

/// Most patterns of an answer, as in Loki.
pub const PATTERNS_MAX: usize = 300;

/// Which lines of those that a query selects are mined, and how they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatternRange {
    /// The first moment wanted.
    pub from: UnixNanos,
    /// The first moment not wanted.
    pub to: UnixNanos,
    /// How long a step is, in nanoseconds; more than none. Steps begin at multiples of it since 1970.
    pub step_ns: i64,
}

/// A pattern and its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mined {
    /// As `|>` takes it.
    pub pattern: String,
    /// The level of the lines.
    pub level: &'static str,
    /// How many lines it has.
    pub n_lines: u64,
    /// Beginnings of steps and counts of lines. Of steps without any those are there that lie beside
    /// one with some and between two of them.
    pub samples: Vec<(UnixNanos, u64)>,
}

/// Patterns, those of most lines first.
#[derive(Clone, Debug, Default)]
pub struct PatternAnswer {
    /// The patterns.
    pub patterns: Vec<Mined>,
    /// What was read for them.
    pub stats: ReadStats,
}

/// Mines the lines that a query selects.
pub(super) fn read(
    logs: &dyn LogRead,
    log: &LogExpr,
    range: &PatternRange,
    now: UnixNanos,
    budget: &Budget<'_>,
) -> Result<PatternAnswer, Error> {
    let numbers = Numbers { grouping: None, named: vec![DETECTED_LEVEL.to_string()], counts_bytes: true };
    let pipeline = Pipeline::of_numbers(&select::left(&log.stages), numbers, now)?;
    let select = select::select(logs, log, range.from, range.to, Direction::Forward)?;
    let step_ns = range.step_ns.max(1);
    let miner = || Miner::new(&pipeline, step_ns, budget);
    let by_parts::Read { readers: miners, stats } = by_parts::read(logs, &select, "log-miner", miner)?;
    // The walk ends early, too, when there is no time left for it.
    budget.check().map_err(|spent| Error::spent(spent, budget))?;
    let mut shapes = Shapes::default();
    miners.into_iter().flat_map(Miner::into_shapes).for_each(|shape| shapes.merge(shape));
    Ok(PatternAnswer { patterns: told(tree::grown(shapes.take()), step_ns, budget)?, stats })
}

/// Writes patterns, those of most lines first. Samples are held beside what was counted.
fn told(shapes: Vec<Shape>, step_ns: i64, budget: &Budget<'_>) -> Result<Vec<Mined>, Error> {
    let mut by_text: BTreeMap<(String, u8), (u64, Steps)> = BTreeMap::new();
    for shape in shapes.iter().filter(|shape| shape.says_something()) {
        let (n_lines, steps) = by_text.entry((shape.pattern(), shape.level)).or_default();
        *n_lines += shape.n_lines;
        steps.merge(&shape.steps);
    }
    let mut found: Vec<_> = by_text.into_iter().collect();
    found.sort_by_key(|(_, (n_lines, _))| Reverse(*n_lines));
    found.truncate(PATTERNS_MAX);
    let mined = |((pattern, level), (n_lines, steps)): ((String, u8), (u64, Steps))| {
        let samples = steps.samples(step_ns);
        budget.hold(samples.len()).map_err(|spent| Error::spent(spent, budget))?;
        Ok(Mined { pattern, level: LEVELS[usize::from(level)], n_lines, samples })
    };
    found.into_iter().map(mined).collect()
}

#[cfg(test)]
mod tests;
