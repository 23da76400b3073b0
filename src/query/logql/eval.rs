//! Numbers over lines, at the moments of a grid.
//!
//! Each range is read once, forwards, and each of its lines is folded into the series that it
//! belongs to and forgotten. What is made of the series afterwards is the algebra's work.

use std::collections::HashMap;

use super::arithmetic;
use super::ast::{
    Aggregate, Binary, BinaryOp, Cardinality, Conversion, Grouping, Matching, Metric, RangeAggregation,
    RangeOp, Unwrap, VectorOp,
};
use super::engine::ReadStats;
use super::entry::{Entry, Scratch};
use super::error::{ERROR_LABEL, Error, PRESERVE_ERROR_LABEL};
use super::fold::Sample;
use super::hints::each_tested;
use super::label_test::LabelTest;
use super::pipeline::{Numbers, Pipeline};
use super::select;
use super::unwrap::SAMPLE_EXTRACTION_ERROR;
use super::windows::{Pieces, Windows};
use crate::clock::UnixNanos;
use crate::query::algebra::aggregate::{AggregateOp, Aggregation};
use crate::query::algebra::pick::{self, Pick};
use crate::query::algebra::{ABSENT, Row, is_absent, matching, merge_equal, set};
use crate::query::budget::Budget;
use crate::record::Labels;
use crate::record::read::{Direction, LogRead, MatchOp, Matcher};

/// After so many lines the time is looked at.
const LINES_A_CHECK: u32 = 256;

/// Values that a series without any takes, in the units of a [`Budget`]: its place in two tables.
const SERIES_VALUES: usize = 16;

/// The moments of a query, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moments {
    /// The first.
    pub first_ns: i64,
    /// Their distance, more than none.
    pub step_ns: i64,
    /// How many there are.
    pub count: usize,
}

/// What an expression evaluates to.
pub enum Output {
    /// The same number at every moment, which meets every label set.
    Number(f64),
    /// One number for each label set at each moment.
    Rows(Vec<Row>),
}

/// Evaluates one query.
pub struct Evaluator<'a> {
    /// Where lines are.
    pub logs: &'a dyn LogRead,
    /// When.
    pub moments: Moments,
    /// What may be held.
    pub budget: Budget<'a>,
    /// The time that templates are told.
    pub now: UnixNanos,
    /// What was read so far.
    pub stats: ReadStats,
}

impl Evaluator<'_> {
    /// Evaluates an expression.
    pub fn eval(&mut self, metric: &Metric) -> Result<Output, Error> {
        self.check()?;
        Ok(Output::Rows(match metric {
            Metric::Number(number) => return Ok(Output::Number(*number)),
            Metric::Vector(number) => {
                self.hold(self.moments.count)?;
                let values = vec![*number; self.moments.count];
                vec![Row { labels: Labels::default(), values, drop_name: false }]
            }
            Metric::Range(aggregation) => self.range(aggregation, aggregation.grouping.as_ref())?,
            Metric::Aggregate(aggregate) => self.aggregate(aggregate)?,
            Metric::Binary(binary) => self.binary(binary)?,
            Metric::LabelReplace(replace) => {
                let mut rows = self.rows(&replace.inner)?;
                for row in &mut rows {
                    let replaced = replace.replace.apply(&row.labels);
                    if let Some(labels) = replaced.map_err(|fault| Error::Execution(fault.to_string()))? {
                        self.hold(labels.size_bytes() / size_of::<Sample>())?;
                        row.labels = labels;
                    }
                }
                merge_equal(rows).map_err(|fault| Error::Execution(fault.to_string()))?
            }
        }))
    }

    fn check(&self) -> Result<(), Error> {
        self.budget.check().map_err(|spent| Error::spent(spent, &self.budget))
    }

    fn hold(&self, n_values: usize) -> Result<(), Error> {
        self.budget.hold(n_values).map_err(|spent| Error::spent(spent, &self.budget))
    }

    fn rows(&mut self, metric: &Metric) -> Result<Vec<Row>, Error> {
        match self.eval(metric)? {
            Output::Rows(rows) => Ok(rows),
            Output::Number(_) => Err(Error::Unsuitable("a number alone has no labels".into())),
        }
    }

    fn aggregate(&mut self, aggregate: &Aggregate) -> Result<Vec<Row>, Error> {
        let none = Grouping::default();
        let grouping = aggregate.grouping.as_ref().unwrap_or(&none);
        // A sum needs no more of its lines than the labels of its groups.
        let rows = match &*aggregate.inner {
            Metric::Range(range)
                if aggregate.op == VectorOp::Sum && range.grouping.is_none() && can_be_summed(range.op) =>
            {
                self.range(range, Some(grouping))?
            }
            inner => self.rows(inner)?,
        };
        let n_moments = self.moments.count;
        let op = match aggregate.op {
            VectorOp::Sum => AggregateOp::Sum,
            VectorOp::Avg => AggregateOp::Avg,
            VectorOp::Count => AggregateOp::Count,
            VectorOp::Max => AggregateOp::Max,
            VectorOp::Min => AggregateOp::Min,
            VectorOp::Stddev => AggregateOp::Stddev,
            VectorOp::Stdvar => AggregateOp::Stdvar,
            VectorOp::Bottomk | VectorOp::Topk | VectorOp::ApproxTopk => {
                let counts = vec![aggregate.n_picked as f64; n_moments];
                let end = if aggregate.op == VectorOp::Bottomk { Pick::Bottom } else { Pick::Top };
                return Ok(pick::pick(rows, grouping, end, &counts));
            }
            VectorOp::Sort | VectorOp::SortDesc => {
                let counts = vec![f64::MAX; n_moments];
                let end = if aggregate.op == VectorOp::Sort { Pick::Bottom } else { Pick::Top };
                return Ok(pick::pick(rows, &none, end, &counts));
            }
        };
        let mut aggregation = Aggregation::new(op, grouping, n_moments);
        for row in &rows {
            self.check()?;
            aggregation.add(row);
            self.budget.fits(aggregation.n_values()).map_err(|spent| Error::spent(spent, &self.budget))?;
        }
        let mut res = aggregation.finish(&[]);
        if matches!(op, AggregateOp::Stddev | AggregateOp::Stdvar) {
            let mut counts = Aggregation::new(AggregateOp::Count, grouping, n_moments);
            rows.iter().for_each(|row| counts.add(row));
            self.budget.fits(2 * counts.n_values()).map_err(|spent| Error::spent(spent, &self.budget))?;
            // What stands alone is spread over nothing, whatever it is.
            for (row, count) in res.iter_mut().zip(counts.finish(&[])) {
                let alone = row.values.iter_mut().zip(count.values).filter(|(_, count)| *count == 1.0);
                alone.for_each(|(value, _)| *value = 0.0);
            }
        }
        Ok(res)
    }

    fn binary(&mut self, binary: &Binary) -> Result<Vec<Row>, Error> {
        let Binary { op, is_bool, matching, .. } = binary;
        let (lhs, rhs) = (self.eval(&binary.lhs)?, self.eval(&binary.rhs)?);
        let (lhs, mut rhs) = match (lhs, rhs) {
            (Output::Number(lhs), Output::Rows(mut rows)) => {
                let value = |rhs: f64| with_number(*op, *is_bool, lhs, rhs, rhs);
                rows.iter_mut().for_each(|row| change_values(row, value));
                return Ok(rows);
            }
            (Output::Rows(mut rows), Output::Number(rhs)) => {
                let value = |lhs: f64| with_number(*op, *is_bool, lhs, rhs, lhs);
                rows.iter_mut().for_each(|row| change_values(row, value));
                return Ok(rows);
            }
            (Output::Rows(lhs), Output::Rows(rhs)) => (lhs, rhs),
            // The parser has computed it.
            (Output::Number(_), Output::Number(_)) => return Ok(Vec::new()),
        };
        let merged = |rows| merge_equal(rows).map_err(|fault| Error::Execution(fault.to_string()));
        match op {
            BinaryOp::And => Ok(set::and(lhs, &rhs, matching)),
            BinaryOp::Unless => Ok(set::unless(lhs, &rhs, matching)),
            BinaryOp::Or => merged(set::or(lhs, rhs, matching)),
            _ => {
                refuse_doubles(matching, &lhs, &rhs)?;
                arithmetic::divisors(*op, &mut rhs);
                let mut hold = |n_values: usize| {
                    self.check()?;
                    self.hold(n_values)
                };
                matching::binary(*op, *is_bool, matching, &lhs, &rhs, self.moments.count, &mut hold)
            }
        }
    }

    /// Evaluates a range, by a grouping that may be that of an aggregation over it.
    fn range(
        &mut self,
        aggregation: &RangeAggregation,
        grouping: Option<&Grouping>,
    ) -> Result<Vec<Row>, Error> {
        let RangeAggregation { op, parameter, range, .. } = aggregation;
        let none = Grouping::default();
        // Whether there is anything is asked, and not what.
        let grouping = if *op == RangeOp::Absent { Some(&none) } else { grouping };
        let windows = Windows {
            first_ns: self.moments.first_ns.saturating_sub(range.offset_ns),
            step_ns: self.moments.step_ns,
            count: self.moments.count,
            range_ns: range.range_ns,
        };
        let counts_bytes = matches!(op, RangeOp::Bytes | RangeOp::BytesRate);
        let numbers = Numbers { grouping, named: named_behind(range.unwrap.as_ref()), counts_bytes };
        let pipeline = Pipeline::of_numbers(&range.log.stages, numbers, self.now)?;
        let mut reading = Reading {
            op: *op,
            value: Value::new(*op, range.unwrap.as_ref())?,
            keys: Keys::new(grouping, range.unwrap.as_ref()),
            windows,
            series: Vec::new(),
        };
        let (from, to) = windows.covered();
        let mut select = select::select(&range.log, UnixNanos(from), UnixNanos(to), Direction::Forward);
        select::keep_only_metadata(&mut select, self.logs)?;
        let mut scratch = Scratch::default();
        let (mut n_lines, mut fault) = (0_u32, None);
        let read = self.logs.lines(&select, &mut |line| {
            n_lines = n_lines.wrapping_add(1);
            let mut step = || -> Result<(), Error> {
                if n_lines.is_multiple_of(LINES_A_CHECK) {
                    self.check()?;
                }
                let Some(mut entry) = pipeline.run(line, &mut scratch) else { return Ok(()) };
                let n_values = reading.add(&mut entry);
                if n_values > 0 { self.hold(n_values) } else { Ok(()) }
            };
            match step() {
                Ok(()) => std::ops::ControlFlow::Continue(()),
                Err(error) => {
                    fault = Some(error);
                    std::ops::ControlFlow::Break(())
                }
            }
        })?;
        self.stats.add(&read);
        if let Some(fault) = fault {
            return Err(fault);
        }
        // The walk ends early, too, when nobody waits for it.
        self.check()?;
        let rows = self.rows_of(reading.series, &windows, parameter.unwrap_or_default())?;
        Ok(if *op == RangeOp::Absent { self.absent(&rows, &range.log.matchers) } else { rows })
    }

    fn rows_of(
        &self,
        series: Vec<(Labels, Pieces)>,
        windows: &Windows,
        parameter: f64,
    ) -> Result<Vec<Row>, Error> {
        let mut res = Vec::with_capacity(series.len());
        for (labels, pieces) in series {
            self.check()?;
            self.hold(windows.count / 2 + 1)?;
            let row = Row { labels, values: pieces.values(windows, parameter), drop_name: false };
            if row.is_empty() {
                continue;
            }
            let error = row.labels.get(ERROR_LABEL);
            if !error.is_empty() && row.labels.get(PRESERVE_ERROR_LABEL) != "true" {
                return Err(Error::Pipeline { kind: error.to_string(), labels: row.labels });
            }
            res.push(row);
        }
        Ok(res)
    }

    /// Returns one where no row has a value, with the labels that the selector names.
    fn absent(&self, rows: &[Row], matchers: &[Matcher]) -> Vec<Row> {
        let is_any = |idx: usize| rows.iter().any(|row| !is_absent(row.values[idx]));
        let value = |idx| if is_any(idx) { ABSENT } else { 1.0 };
        let values: Vec<f64> = (0..self.moments.count).map(value).collect();
        let row = Row { labels: labels_of_absent(matchers), values, drop_name: false };
        if row.is_empty() { Vec::new() } else { vec![row] }
    }
}

/// Refuses label sets that cannot be told apart on the side that has to be unique, whether or not
/// something meets them: there LogQL is stricter than PromQL.
fn refuse_doubles(matching: &Matching, lhs: &[Row], rhs: &[Row]) -> Result<(), Error> {
    let is_left = matching.cardinality == Cardinality::OneToMany;
    let (side, rows) = if is_left { ("left", lhs) } else { ("right", rhs) };
    let mut known: HashMap<Labels, Vec<bool>> = HashMap::new();
    for row in rows {
        let taken = known.entry(matching.key(&row.labels)).or_insert_with(|| vec![false; row.values.len()]);
        for (is_taken, value) in taken.iter_mut().zip(&row.values) {
            let is_present = !is_absent(*value);
            if is_present && *is_taken {
                return Err(Error::Execution(format!(
                    "found duplicate series on the {side} hand-side;many-to-many matching not allowed: \
                     matching labels must be unique on one side"
                )));
            }
            *is_taken |= is_present;
        }
    }
    Ok(())
}

/// Takes the labels that have to have a value, unless they are named more than once.
fn labels_of_absent(matchers: &[Matcher]) -> Labels {
    let named = |name: &str| matchers.iter().filter(|matcher| matcher.name == name).count();
    Labels::new(matchers.iter().filter_map(|matcher| match &matcher.op {
        MatchOp::Equal(value) if named(&matcher.name) == 1 => Some((&matcher.name, value)),
        _ => None,
    }))
}

fn can_be_summed(op: RangeOp) -> bool {
    matches!(op, RangeOp::Bytes | RangeOp::BytesRate | RangeOp::Sum | RangeOp::Rate | RangeOp::Count)
}

/// Applies an operator one of whose sides is a number; a comparison keeps the other side's value.
fn with_number(op: BinaryOp, is_bool: bool, lhs: f64, rhs: f64, kept: f64) -> f64 {
    let value = op.of_elements(lhs, arithmetic::divisor(op, rhs), is_bool);
    if op.is_comparison() && !is_bool && !is_absent(value) { kept } else { value }
}

fn change_values(row: &mut Row, value: impl Fn(f64) -> f64) {
    row.values.iter_mut().filter(|old| !is_absent(**old)).for_each(|old| *old = value(*old));
}

/// Returns the labels that are read behind the stages.
fn named_behind(unwrap: Option<&Unwrap>) -> Vec<String> {
    let mut res = Vec::new();
    if let Some(unwrap) = unwrap {
        unwrap.filters.iter().for_each(|filter| each_tested(filter, &mut |name| res.push(name.to_string())));
        res.push(unwrap.label.clone());
    }
    res
}

/// What number a line stands for.
enum Value {
    One,
    Bytes,
    Label { name: String, conversion: Conversion, tests: Vec<LabelTest> },
}

impl Value {
    fn new(op: RangeOp, unwrap: Option<&Unwrap>) -> Result<Self, Error> {
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
            Value::Bytes => Some(entry.text.len() as f64),
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

/// Which series a line belongs to.
struct Keys {
    by: By,
    places: HashMap<Vec<u8>, usize>,
    key: Vec<u8>,
    labels: Vec<(String, String)>,
}

enum By {
    Nothing,
    Names(Vec<String>),
    Without(Vec<String>),
}

impl Keys {
    fn new(grouping: Option<&Grouping>, unwrap: Option<&Unwrap>) -> Self {
        // The label with the number tells series apart only where it is asked for.
        let unwrapped = unwrap.map(|unwrap| unwrap.label.clone());
        let by = match grouping {
            Some(grouping) if !grouping.is_without && grouping.names.is_empty() => By::Nothing,
            Some(grouping) if !grouping.is_without => By::Names(grouping.names.clone()),
            Some(grouping) => By::Without(grouping.names.iter().cloned().chain(unwrapped).collect()),
            None => By::Without(unwrapped.into_iter().collect()),
        };
        Keys { by, places: HashMap::new(), key: Vec::new(), labels: Vec::new() }
    }

    /// Returns the number of the series of a line, and its labels if it is new.
    fn place(&mut self, entry: &Entry<'_>) -> (usize, Option<Labels>) {
        self.key.clear();
        let has_error = !entry.error().is_empty();
        match &self.by {
            By::Nothing if !has_error => {}
            By::Names(names) if !has_error => {
                for name in names {
                    push_text(&mut self.key, entry.label(name).unwrap_or_default());
                }
            }
            _ => self.push_all(entry, has_error),
        }
        if let Some(place) = self.places.get(&self.key) {
            return (*place, None);
        }
        let place = self.places.len();
        self.places.insert(self.key.clone(), place);
        let labels = match &self.by {
            By::Nothing if !has_error => Labels::default(),
            By::Names(names) if !has_error => {
                Labels::new(names.iter().map(|name| (name.as_str(), entry.label(name).unwrap_or_default())))
            }
            _ => Labels::new(self.labels.drain(..)),
        };
        (place, Some(labels))
    }

    /// Takes all labels but those that the grouping leaves out; with an error, really all.
    fn push_all(&mut self, entry: &Entry<'_>, has_error: bool) {
        let (labels, by) = (&mut self.labels, &self.by);
        labels.clear();
        entry.each_label(&mut |_, name, value| {
            let is_left_out = match by {
                By::Without(names) => !has_error && names.iter().any(|without| without == name),
                _ => false,
            };
            if !is_left_out && !value.is_empty() {
                labels.push((name.to_string(), value.to_string()));
            }
        });
        labels.sort_unstable();
        self.key.push(u8::from(has_error));
        for (name, value) in labels {
            push_text(&mut self.key, name);
            push_text(&mut self.key, value);
        }
    }
}

fn push_text(key: &mut Vec<u8>, text: &str) {
    key.extend_from_slice(&(text.len() as u32).to_be_bytes());
    key.extend_from_slice(text.as_bytes());
}

/// The series of one range, as far as they were read.
struct Reading {
    op: RangeOp,
    value: Value,
    keys: Keys,
    windows: Windows,
    series: Vec<(Labels, Pieces)>,
}

impl Reading {
    /// Takes a line, and returns how many more values are held.
    fn add(&mut self, entry: &mut Entry<'_>) -> usize {
        let Some(value) = self.value.of(entry) else { return 0 };
        let (place, new) = self.keys.place(entry);
        let mut n_values = 0;
        if let Some(labels) = new {
            n_values += SERIES_VALUES + 2 * labels.size_bytes() / size_of::<Sample>();
            self.series.push((labels, Pieces::new(self.op)));
        }
        let sample = Sample { at_ns: entry.line.at.0, value };
        n_values + 3 * self.series[place].1.add(&self.windows, sample)
    }
}
