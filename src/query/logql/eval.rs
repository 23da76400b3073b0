//! Numbers over lines, at the moments of a grid.
//!
//! Each range is read once, and each of its lines is folded into the series that it belongs to and
//! forgotten. What is made of the series afterwards is the algebra's work.

use std::collections::HashMap;

use super::arithmetic;
use super::ast::{
    Aggregate, Binary, BinaryOp, Cardinality, Grouping, Matching, Metric, RangeAggregation, RangeOp, Unwrap,
    VectorOp,
};
use super::engine::ReadStats;
use super::error::{ERROR_LABEL, Error, PRESERVE_ERROR_LABEL};
use super::fold::Sample;
use super::hints::each_tested;
use super::pipeline::{Numbers, Pipeline};
use super::reading::{Read, Reading, Value};
use super::select;
use super::windows::{Pieces, Windows};
use crate::clock::UnixNanos;
use crate::query::algebra::aggregate::{AggregateOp, Aggregation};
use crate::query::algebra::pick::{self, Pick};
use crate::query::algebra::{ABSENT, Row, is_absent, matching, merge_equal, set};
use crate::query::budget::Budget;
use crate::record::Labels;
use crate::record::read::{Direction, LogRead, MatchOp, Matcher};

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
        let pipeline = Pipeline::of_numbers(&select::left(&range.log.stages), numbers, self.now)?;
        let (from, to) = windows.covered();
        let (from, to) = (UnixNanos(from), UnixNanos(to));
        let mut select = select::select(self.logs, &range.log, from, to, Direction::Forward)?;
        select.reads_text = counts_bytes || pipeline.reads_text();
        let reading = Reading {
            logs: self.logs,
            pipeline: &pipeline,
            op: *op,
            value: &Value::new(*op, range.unwrap.as_ref())?,
            grouping,
            unwrap: range.unwrap.as_ref(),
            windows,
            budget: &self.budget,
        };
        let Read { series, stats } = reading.read(&select)?;
        self.stats.merge(&stats);
        // The walk ends early, too, when nobody waits for it.
        self.check()?;
        let rows = self.rows_of(series, &windows, parameter.unwrap_or_default())?;
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
