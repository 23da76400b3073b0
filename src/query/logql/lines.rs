//! The lines that a query selects, with their labels.

use std::ops::ControlFlow;

use super::ast::LogExpr;
use super::engine::ReadStats;
use super::entry::{Category, Entry, Scratch};
use super::error::Error;
use super::pipeline::Pipeline;
use super::select;
use crate::clock::UnixNanos;
use crate::query::budget::{Budget, Watch};
use crate::record::Labels;
use crate::record::read::{Direction, LineRef, LogRead, accepted};

/// Bytes of all lines of an answer with their labels: with what the answer is written into, half of
/// what a query may take. Further lines are asked for with the time of the last one.
const ANSWER_MAX_BYTES: usize = 16 << 20;

/// What a pair takes beside its texts.
const PAIR_BYTES: usize = 2 * size_of::<String>();

/// Which lines of those that a query selects are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRange {
    /// The first moment wanted.
    pub from: UnixNanos,
    /// The first moment not wanted.
    pub to: UnixNanos,
    /// The end to begin at.
    pub direction: Direction,
    /// Most lines.
    pub limit: usize,
    /// The least distance between a line and the next one, in nanoseconds.
    pub interval_ns: i64,
}

/// Names and values.
pub type Pairs = Vec<(String, String)>;

/// A line as stages left it.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// When it happened.
    pub at: UnixNanos,
    /// Its text.
    pub text: String,
    /// What is left of the stream's labels.
    pub stream: Labels,
    /// What is left of its structured metadata, as stored.
    pub metadata: Pairs,
    /// What stages found or set, as they did.
    pub parsed: Pairs,
}

impl Line {
    fn of(entry: Entry<'_>) -> Self {
        let (mut metadata, mut parsed) = (Pairs::new(), Pairs::new());
        entry.each_label(&mut |category, name, value| {
            let pairs = match category {
                Category::Stream => return,
                Category::Metadata => &mut metadata,
                Category::Parsed => &mut parsed,
            };
            pairs.push((name.to_string(), value.to_string()));
        });
        let stream = entry.stream();
        Line { at: entry.line.at, text: entry.into_text(), stream, metadata, parsed }
    }

    /// Returns all labels of the line by their names, those without a value too.
    pub fn labels(&self) -> Pairs {
        let stream = self.stream.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        let mut res: Pairs = stream.chain(self.metadata.iter().chain(&self.parsed).cloned()).collect();
        res.sort_unstable();
        res
    }

    fn n_bytes(&self) -> usize {
        let pairs = self.metadata.iter().chain(&self.parsed);
        let pairs: usize = pairs.map(|(name, value)| name.len() + value.len() + PAIR_BYTES).sum();
        // An answer names the stream with each line whose labels no other has.
        self.text.len() + pairs + self.stream.size_bytes() + size_of::<Line>()
    }
}

/// Lines and what is to be known of them.
#[derive(Clone, Debug, Default)]
pub struct LogAnswer {
    /// The lines, in the order asked for.
    pub lines: Vec<Line>,
    /// There would have been more, but for the memory that they take.
    pub is_cut_off: bool,
    /// What was read for them.
    pub stats: ReadStats,
}

/// Reads lines until there are enough.
pub(super) fn read(
    logs: &dyn LogRead,
    log: &LogExpr,
    range: &LogRange,
    now: UnixNanos,
    budget: &Budget<'_>,
) -> Result<LogAnswer, Error> {
    let pipeline = Pipeline::of_lines(&select::left(&log.stages), now)?;
    let mut res = LogAnswer::default();
    if range.limit == 0 {
        return Ok(res);
    }
    let select = select::select(logs, log, range.from, range.to, range.direction)?;
    let spent = |spent| Error::spent(spent, budget);
    let mut scratch = Scratch::default();
    let (mut watch, mut n_bytes, mut fault) = (Watch::default(), 0, None);
    let mut visit = |line: LineRef<'_>| {
        if let Err(is_spent) = watch.line(pipeline.work_bytes(&line), budget) {
            fault = Some(spent(is_spent));
            return ControlFlow::Break(());
        }
        let is_too_near = |last: &Line| last.at.0.abs_diff(line.at.0) < range.interval_ns.unsigned_abs();
        if res.lines.last().is_some_and(is_too_near) {
            return ControlFlow::Continue(());
        }
        let Some(entry) = pipeline.run(line, &mut scratch) else { return ControlFlow::Continue(()) };
        let line = Line::of(entry);
        n_bytes += line.n_bytes();
        if n_bytes > ANSWER_MAX_BYTES && !res.lines.is_empty() {
            res.is_cut_off = true;
            return ControlFlow::Break(());
        }
        res.lines.push(line);
        if res.lines.len() == range.limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let read = logs.lines(&select, &mut visit)?;
    res.stats.add(&read);
    if fault.is_none() && res.lines.len() < range.limit && !res.is_cut_off {
        // The walk ends early, too, when nobody waits for it.
        budget.check().map_err(spent)?;
    }
    fault.map_or(Ok(res), Err)
}

/// Lines as they come in, one by one.
pub struct Live {
    log: LogExpr,
    pipeline: Pipeline,
    scratch: Scratch,
}

impl Live {
    /// Prepares a query. Templates take `now` for the time.
    pub fn new(log: LogExpr, now: UnixNanos) -> Result<Self, Error> {
        let pipeline = Pipeline::of_lines(&log.stages, now)?;
        Ok(Live { log, pipeline, scratch: Scratch::default() })
    }

    /// Returns true when a stream is selected.
    pub fn selects(&self, stream: &Labels) -> bool {
        accepted(&self.log.matchers, stream)
    }

    /// Runs the stages on a line of a selected stream; none when it is left out.
    pub fn line(&mut self, line: LineRef<'_>) -> Option<Line> {
        self.pipeline.run(line, &mut self.scratch).map(Line::of)
    }
}
