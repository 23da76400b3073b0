//! The lines of a range, folded into the series that they belong to.
//!
//! Lines are read in the parts that the store has them in, by several threads when there are many of
//! them: most functions do not ask which line came first. Those that do read in the order of time.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::ast::{Conversion, Grouping, RangeOp, Unwrap};
use super::engine::ReadStats;
use super::entry::{Entry, Scratch};
use super::error::Error;
use super::fold::{Sample, needs_all, needs_order};
use super::label_test::LabelTest;
use super::pipeline::Pipeline;
use super::series_key::SeriesKeys;
use super::unwrap::SAMPLE_EXTRACTION_ERROR;
use super::windows::{Pieces, Windows};
use crate::pace::{self, threads};
use crate::query::budget::{Budget, Watch};
use crate::record::Labels;
use crate::record::read::{Direction, LineRef, LogParts, LogRead, LogSelect, ReadError};

/// Values that a series without any takes, in the units of a [`Budget`]: its place in two tables.
const SERIES_VALUES: usize = 16;

/// Values that a piece takes, in the same units.
const FOLD_VALUES: usize = 3;

/// So many parts are read before another thread is worth its start: they take some milliseconds.
const PARTS_ALONE: usize = 8;

/// What is read of a range, and how.
pub struct Reading<'a> {
    /// Where lines are.
    pub logs: &'a dyn LogRead,
    /// What is done to each.
    pub pipeline: &'a Pipeline,
    /// What is made of them.
    pub op: RangeOp,
    /// What number each stands for.
    pub value: &'a Value,
    /// The groups, if there are any.
    pub grouping: Option<&'a Grouping>,
    /// Which label has the number.
    pub unwrap: Option<&'a Unwrap>,
    /// The windows that lines fall into.
    pub windows: Windows,
    /// What may be held.
    pub budget: &'a Budget<'a>,
}

/// What was read.
#[derive(Default)]
pub struct Read {
    /// The series, sorted by their labels.
    pub series: Vec<(Labels, Pieces)>,
    /// What it took.
    pub stats: ReadStats,
}

impl Reading<'_> {
    /// Reads what is selected, or what of it there is time for: then the budget is spent.
    pub fn read(&self, select: &LogSelect) -> Result<Read, Error> {
        pace::within(self.budget.until(), || self.read_now(select))
    }

    fn read_now(&self, select: &LogSelect) -> Result<Read, Error> {
        let stops = AtomicBool::new(false);
        let mut reader = Reader::new(self, &stops);
        if needs_order(self.op) {
            let select = LogSelect { direction: Direction::Forward, ..select.clone() };
            let read = self.logs.lines(&select, &mut |line| reader.line(line))?;
            reader.res.stats.add(&read);
            return reader.finish();
        }
        let parts = self.logs.parts(select);
        let is_over = reader.read(&*parts, PARTS_ALONE)?;
        let n_helpers = if is_over { 0 } else { threads::n_helpers() };
        let first = Mutex::new(Some(reader));
        let reads = threads::with_helpers(n_helpers, "log-reader", || {
            let first = first.lock().unwrap_or_else(PoisonError::into_inner).take();
            let mut reader = first.unwrap_or_else(|| Reader::new(self, &stops));
            reader.read(&*parts, usize::MAX)?;
            reader.finish()
        });
        joined(reads.into_iter())
    }
}

/// What one thread reads.
struct Reader<'a> {
    reading: &'a Reading<'a>,
    /// Set when any of the threads cannot go on.
    stops: &'a AtomicBool,
    scratch: Scratch,
    keys: SeriesKeys,
    res: Read,
    watch: Watch,
    fault: Option<Error>,
}

impl<'a> Reader<'a> {
    fn new(reading: &'a Reading<'a>, stops: &'a AtomicBool) -> Self {
        let keys = SeriesKeys::new(reading.grouping, reading.unwrap);
        let (scratch, res) = (Scratch::default(), Read::default());
        Reader { reading, stops, scratch, keys, res, watch: Watch::default(), fault: None }
    }

    /// Reads so many parts; returns true when there are no more of them.
    fn read(&mut self, parts: &dyn LogParts, n_max: usize) -> Result<bool, ReadError> {
        for _ in 0..n_max {
            if self.fault.is_some() {
                return Ok(true);
            }
            let read = parts.next(&mut |line| self.line(line)).inspect_err(|_| self.stop())?;
            let Some(read) = read else { return Ok(true) };
            self.res.stats.add(&read);
        }
        Ok(false)
    }

    fn line(&mut self, line: LineRef<'_>) -> ControlFlow<()> {
        match self.fold(line) {
            Ok(()) => ControlFlow::Continue(()),
            Err(fault) => {
                self.fault = Some(fault);
                self.stop();
                ControlFlow::Break(())
            }
        }
    }

    fn fold(&mut self, line: LineRef<'_>) -> Result<(), Error> {
        let Reading { pipeline, op, value, windows, budget, .. } = *self.reading;
        let spent = |spent| Error::spent(spent, budget);
        self.watch.line(pipeline.work_bytes(&line), budget).map_err(spent)?;
        if self.stops.load(Ordering::Relaxed) {
            return Err(Error::Canceled);
        }
        let Some(mut entry) = pipeline.run(line, &mut self.scratch) else { return Ok(()) };
        let Some(value) = value.of(&mut entry) else { return Ok(()) };
        let (place, new) = self.keys.place(&entry);
        if let Some(labels) = new {
            let n_values = SERIES_VALUES + 2 * labels.size_bytes() / size_of::<Sample>();
            budget.hold(n_values).map_err(spent)?;
            self.res.series.push((labels, Pieces::new(op)));
        }
        let sample = Sample { at_ns: entry.line.at.0, value };
        match self.res.series[place].1.add(&windows, sample) {
            0 => Ok(()),
            n_values if needs_all(op) => budget.hold(n_values).map_err(spent),
            n_values => budget.hold(FOLD_VALUES * n_values).map_err(spent),
        }
    }

    fn stop(&self) {
        self.stops.store(true, Ordering::Relaxed);
    }

    fn finish(self) -> Result<Read, Error> {
        self.fault.map_or(Ok(self.res), Err)
    }
}

/// Puts together what the threads read; of several faults the one that made the others stop is told.
fn joined(reads: impl Iterator<Item = Result<Read, Error>>) -> Result<Read, Error> {
    let mut res = Read::default();
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut fault = None;
    for read in reads {
        match read {
            Err(Error::Canceled) if fault.is_some() => {}
            Err(error) if fault.is_none() || matches!(fault, Some(Error::Canceled)) => fault = Some(error),
            Err(_) => {}
            Ok(read) => {
                res.stats.merge(&read.stats);
                for (labels, pieces) in read.series {
                    match places.get(&labels) {
                        Some(place) => res.series[*place].1.merge(pieces),
                        None => {
                            places.insert(labels.clone(), res.series.len());
                            res.series.push((labels, pieces));
                        }
                    }
                }
            }
        }
    }
    res.series.sort_by(|(one, _), (other, _)| one.cmp(other));
    fault.map_or(Ok(res), Err)
}

/// What number a line stands for.
pub enum Value {
    /// One.
    One,
    /// The bytes of its text.
    Bytes,
    /// That of a label.
    Label {
        /// The label.
        name: String,
        /// How it is read.
        conversion: Conversion,
        /// All must accept the line afterwards.
        tests: Vec<LabelTest>,
    },
}

impl Value {
    /// Prepares what a function is made of.
    pub fn new(op: RangeOp, unwrap: Option<&Unwrap>) -> Result<Self, Error> {
        let Some(unwrap) = unwrap else {
            return Ok(if matches!(op, RangeOp::Bytes | RangeOp::BytesRate) {
                Value::Bytes
            } else {
                Value::One
            });
        };
        let tests = unwrap.filters.iter().map(LabelTest::new).collect::<Result<_, _>>()?;
        Ok(Value::Label { name: unwrap.label.clone(), conversion: unwrap.conversion, tests })
    }

    /// Returns the number; none when the line has none and is left out.
    fn of(&self, entry: &mut Entry<'_>) -> Option<f64> {
        match self {
            Value::One => Some(1.0),
            Value::Bytes => Some(entry.text().len() as f64),
            Value::Label { name, conversion, tests } => {
                let text = entry.label(name).filter(|text| !text.is_empty())?;
                let value = conversion.convert(text).map_err(|fault| fault.to_string());
                let value = value.unwrap_or_else(|details| {
                    entry.set_error(SAMPLE_EXTRACTION_ERROR, &details);
                    0.0
                });
                tests.iter().all(|test| test.keeps(entry)).then_some(value)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Engine, When, parse};
    use crate::clock::UnixNanos;
    use crate::query::budget::Cancel;
    use crate::query::logql::ast::Expr;
    use crate::query::memory::MemoryStore;
    use crate::query::promql::Value as Answer;
    use crate::record::Severity;

    const SECOND: i64 = 1_000_000_000;

    /// A store of many parts, most lines of which are at the end of the time.
    fn store() -> MemoryStore {
        let store = MemoryStore::default();
        for n in 0..1_000_i64 {
            let at = if n < 100 { n * 10 * SECOND } else { 990 * SECOND + n * SECOND / 100 };
            let severity = if n % 3 == 0 { Severity::Warn } else { Severity::Info };
            store.line(at, "app", severity, &format!("n={n}"));
        }
        store
    }

    fn answered(query: &str) -> Vec<(String, Vec<f64>)> {
        let Expr::Metric(metric) = parse(query).unwrap() else { panic!("{query} selects lines") };
        let when = When::Range { from: UnixNanos(0), to: UnixNanos(1_100 * SECOND), step_ns: 100 * SECOND };
        let engine = Engine::default();
        let answer = engine.numbers(&store(), &metric, when, UnixNanos(0), &Cancel::default()).unwrap();
        let Answer::Matrix(series) = answer.value else { panic!("a range has series") };
        let values = |samples: &[crate::record::Sample]| samples.iter().map(|sample| sample.value).collect();
        series.iter().map(|series| (series.labels.to_string(), values(&series.samples))).collect()
    }

    #[test]
    fn parts_come_to_what_is_read_in_order() {
        let count = answered("sum(count_over_time({job=\"app\"}[100s]))");
        let expect = [1.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 909.0];
        assert_eq!(count, [("{}".to_string(), expect.to_vec())]);
        let last = answered("last_over_time({job=\"app\"} | logfmt n | unwrap n [2000s]) by (job)");
        let expect: Vec<f64> =
            (0..=10).map(|n| if n < 10 { f64::from(n) * 10.0 } else { 999.0 }).chain([999.0]).collect();
        assert_eq!(last, [("{job=\"app\"}".to_string(), expect)]);
        assert_eq!(answered("sum by (level) (count_over_time({job=\"app\"}[2000s]))").len(), 2);
        let median = answered("quantile_over_time(0.5, {job=\"app\"} | logfmt n | unwrap n [100s]) by (job)");
        assert_eq!(median[0].1[..4], [0.0, 5.5, 15.5, 25.5]);
    }

    #[test]
    fn a_fault_ends_all_threads_and_is_told() {
        let Expr::Metric(metric) =
            parse("sum by (x) (count_over_time({job=\"app\"} | json [2000s]))").unwrap()
        else {
            panic!("it makes numbers")
        };
        let when = When::Instant(UnixNanos(1_100 * SECOND));
        let fault =
            Engine::default().numbers(&store(), &metric, when, UnixNanos(0), &Cancel::default()).unwrap_err();
        assert!(fault.to_string().contains("JSONParserErr"), "{fault}");
    }
}
