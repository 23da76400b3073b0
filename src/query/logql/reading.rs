//! The lines of a range, folded into the series that they belong to.
//!
//! Most functions do not ask which line came first: their lines are read by parts. Those that do read in
//! the order of time.

use std::collections::HashMap;

use super::ast::{Conversion, Grouping, RangeOp, Unwrap};
use super::by_parts::{self, Reader};
use super::engine::ReadStats;
use super::entry::{Entry, Scratch};
use super::error::Error;
use super::fold::{Sample, needs_all, needs_order};
use super::label_test::LabelTest;
use super::pipeline::Pipeline;
use super::series_key::SeriesKeys;
use super::unwrap::SAMPLE_EXTRACTION_ERROR;
use super::windows::{Pieces, Windows};
use crate::query::budget::{Budget, Watch};
use crate::record::Labels;
use crate::record::read::{Direction, LineRef, LogRead, LogSelect};

/// Values that a series without any takes, in the units of a [`Budget`]: its place in two tables.
const SERIES_VALUES: usize = 16;

/// Values that a piece takes, in the same units.
const FOLD_VALUES: usize = 3;

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
        let new = || Folding::new(self);
        let by_parts::Read { readers, stats } = if needs_order(self.op) {
            let select = LogSelect { direction: Direction::Forward, ..select.clone() };
            by_parts::read_in_order(self.logs, &select, new())?
        } else {
            by_parts::read(self.logs, select, "log-reader", new)?
        };
        let mut res = Read { series: Vec::new(), stats };
        let mut places: HashMap<Labels, usize> = HashMap::new();
        for (labels, pieces) in readers.into_iter().flat_map(|folding| folding.series) {
            match places.get(&labels) {
                Some(place) => res.series[*place].1.merge(pieces),
                None => {
                    places.insert(labels.clone(), res.series.len());
                    res.series.push((labels, pieces));
                }
            }
        }
        res.series.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(res)
    }
}

/// What one thread folds.
struct Folding<'a> {
    reading: &'a Reading<'a>,
    scratch: Scratch,
    keys: SeriesKeys,
    series: Vec<(Labels, Pieces)>,
    watch: Watch,
}

impl<'a> Folding<'a> {
    fn new(reading: &'a Reading<'a>) -> Self {
        Folding {
            reading,
            scratch: Scratch::default(),
            keys: SeriesKeys::new(reading.grouping, reading.unwrap),
            series: Vec::new(),
            watch: Watch::default(),
        }
    }
}

impl Reader for Folding<'_> {
    fn line(&mut self, line: LineRef<'_>) -> Result<(), Error> {
        let Reading { pipeline, op, value, windows, budget, .. } = *self.reading;
        let spent = |spent| Error::spent(spent, budget);
        self.watch.line(pipeline.work_bytes(&line), budget).map_err(spent)?;
        let Some(mut entry) = pipeline.run(line, &mut self.scratch) else { return Ok(()) };
        let Some(value) = value.of(&mut entry) else { return Ok(()) };
        let (place, new) = self.keys.place(&entry);
        if let Some(labels) = new {
            let n_values = SERIES_VALUES + 2 * labels.size_bytes() / size_of::<Sample>();
            budget.hold(n_values).map_err(spent)?;
            self.series.push((labels, Pieces::new(op)));
        }
        let sample = Sample { at_ns: entry.line.at.0, value };
        match self.series[place].1.add(&windows, sample) {
            0 => Ok(()),
            n_values if needs_all(op) => budget.hold(n_values).map_err(spent),
            n_values => budget.hold(FOLD_VALUES * n_values).map_err(spent),
        }
    }
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
