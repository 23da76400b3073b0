//! A plan, evaluated at the moments of a grid.
//!
//! Every part of the plan becomes whole rows, one value a moment, so that series are read once
//! and label sets compared once, whatever the number of moments. Series are taken from the store
//! one at a time and their samples dropped again; where an aggregation stands over them their
//! rows are dropped too.

mod call;
mod histogram;
mod read;
mod window;

use read::Found;

use super::Error;
use super::functions::labels::is_label_name;
use super::notes::Notes;
use super::plan::{Aggregation, Node, Range, Selector};
use crate::query::algebra::aggregate::{self, AggregateOp};
use crate::query::algebra::arithmetic::BinaryOp;
use crate::query::algebra::matching::{self, Matching};
use crate::query::algebra::pick::{self, Pick};
use crate::query::algebra::{
    ABSENT, Grid, Row, all_absent, is_absent, merge_equal, present, set, without_metric,
};
use crate::query::budget::{Budget, Cancel};
use crate::query::number;
use crate::record::read::MetricRead;
use crate::record::{Coverage, Labels, Resolution};

use super::engine::Limits;

/// What a part of a plan evaluates to.
pub(super) enum Output {
    /// One number a moment.
    Numbers(Vec<f64>),
    Rows(Vec<Row>),
    Text(String),
}

impl Output {
    fn n_values(&self) -> usize {
        match self {
            Output::Numbers(numbers) => numbers.len(),
            Output::Rows(rows) => rows.iter().map(|row| row.values.len()).sum(),
            Output::Text(_) => 0,
        }
    }
}

/// Evaluates one query.
pub(super) struct Evaluator<'a> {
    store: &'a dyn MetricRead,
    coverage: Vec<Coverage>,
    lookback_ms: i64,
    pub notes: Notes,
    budget: Budget<'a>,
    /// The coarsest history that was read.
    coarsest: std::cell::Cell<Resolution>,
    n_samples: std::cell::Cell<u64>,
}

impl<'a> Evaluator<'a> {
    pub fn new(store: &'a dyn MetricRead, limits: &Limits, cancel: &'a Cancel) -> Self {
        Evaluator {
            store,
            coverage: store.coverage(),
            lookback_ms: i64::try_from(limits.lookback.as_millis()).unwrap_or(i64::MAX),
            notes: Notes::default(),
            budget: Budget::new(limits.samples_max, limits.timeout, cancel),
            coarsest: std::cell::Cell::new(Resolution::Raw),
            n_samples: std::cell::Cell::new(0),
        }
    }

    /// Returns the coarsest history that the answer was made from.
    pub fn coarsest(&self) -> Resolution {
        self.coarsest.get()
    }

    /// Returns how many samples the store gave.
    pub fn n_samples(&self) -> u64 {
        self.n_samples.get()
    }

    pub fn eval(&self, node: &Node, grid: Grid) -> Result<Output, Error> {
        self.budget.check()?;
        // Every part has at least one value a moment.
        self.budget.fits(grid.count)?;
        let before = self.budget.held();
        let res = self.eval_part(node, grid)?;
        self.budget.set_held(before);
        self.budget.hold(res.n_values())?;
        Ok(res)
    }

    fn eval_part(&self, node: &Node, grid: Grid) -> Result<Output, Error> {
        Ok(match node {
            Node::Number(value) => Output::Numbers(vec![*value; grid.count]),
            Node::Text(text) => Output::Text(text.clone()),
            Node::Once(inner) => self.once(inner, grid)?,
            Node::Negate(inner) => match self.eval(inner, grid)? {
                Output::Numbers(numbers) => {
                    Output::Numbers(numbers.into_iter().map(|value| -value).collect())
                }
                Output::Rows(mut rows) => {
                    for row in &mut rows {
                        row.map(|value| -value);
                        row.drop_name = true;
                    }
                    Output::Rows(rows)
                }
                text => text,
            },
            Node::Numbers { op, lhs, rhs } => {
                let (lhs, rhs) = (self.numbers(lhs, grid)?, self.numbers(rhs, grid)?);
                Output::Numbers(lhs.iter().zip(&rhs).map(|(lhs, rhs)| op.of_numbers(*lhs, *rhs)).collect())
            }
            Node::Mixed { op, is_bool, vector, scalar, is_scalar_left } => {
                let rows = self.rows(vector, grid)?;
                let numbers = self.numbers(scalar, grid)?;
                Output::Rows(mixed(*op, *is_bool, rows, &numbers, *is_scalar_left))
            }
            Node::Vectors { op, is_bool, matching, lhs, rhs } => {
                let (lhs, rhs) = (self.rows(lhs, grid)?, self.rows(rhs, grid)?);
                Output::Rows(self.vectors(*op, *is_bool, matching, lhs, rhs, grid)?)
            }
            Node::Aggregate(aggregation) => Output::Rows(self.aggregate(aggregation, grid)?),
            Node::Call { function, args, span, absent } => {
                self.call(function.name, args, span, absent, grid)?
            }
            Node::Select(_) | Node::Timestamp(_) | Node::Window(_) => {
                let mut rows = Vec::new();
                self.stream(node, grid, &mut |row| {
                    self.budget.hold(row.values.len())?;
                    rows.push(row);
                    Ok(())
                })?;
                // The store hands series out in any order; answers are to be the same each time.
                rows.sort_by(|one, other| one.labels.cmp(&other.labels));
                Output::Rows(rows)
            }
            Node::Range(_) => {
                return Err(Error::Execution("range vector where none can be evaluated".into()));
            }
        })
    }

    /// Evaluates a part at the first moment and gives its value to all.
    fn once(&self, inner: &Node, grid: Grid) -> Result<Output, Error> {
        let first = if grid.count == 0 { grid } else { Grid::one(grid.first_ms) };
        Ok(match self.eval(inner, first)? {
            Output::Numbers(numbers) => {
                Output::Numbers(vec![numbers.first().copied().unwrap_or(0.0); grid.count])
            }
            Output::Rows(mut rows) => {
                self.budget.hold(rows.len().saturating_mul(grid.count))?;
                for row in &mut rows {
                    row.values = vec![row.values.first().copied().unwrap_or(ABSENT); grid.count];
                }
                Output::Rows(rows)
            }
            text => text,
        })
    }

    fn rows(&self, node: &Node, grid: Grid) -> Result<Vec<Row>, Error> {
        match self.eval(node, grid)? {
            Output::Rows(rows) => Ok(rows),
            // A scalar is a vector's one element where a vector is looked at by its elements.
            Output::Numbers(values) => Ok(vec![Row { labels: Labels::default(), values, drop_name: false }]),
            Output::Text(_) => Err(Error::Execution("string where a vector is needed".into())),
        }
    }

    fn numbers(&self, node: &Node, grid: Grid) -> Result<Vec<f64>, Error> {
        match self.eval(node, grid)? {
            Output::Numbers(numbers) => Ok(numbers),
            _ => Err(Error::Execution("no scalar where one is needed".into())),
        }
    }

    /// Hands over the rows of a part one at a time, in any order, so that whoever makes little of
    /// many need not hold them.
    fn stream(
        &self,
        node: &Node,
        grid: Grid,
        take: &mut dyn FnMut(Row) -> Result<(), Error>,
    ) -> Result<(), Error> {
        match node {
            Node::Select(selector) => self.select(selector, grid, false, take),
            Node::Timestamp(selector) => self.select(selector, grid, true, take),
            Node::Window(window) => self.window(window, grid, take),
            other => self.rows(other, grid)?.into_iter().try_for_each(take),
        }
    }

    /// The newest value, or its time in seconds, that counts as current at each moment.
    fn select(
        &self,
        selector: &Selector,
        grid: Grid,
        is_time: bool,
        take: &mut dyn FnMut(Row) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if grid.count == 0 {
            return Ok(());
        }
        // Under `@` every moment reads the same.
        let read = selector.time.grid(grid);
        let reach = (self.lookback_ms, read.first_ms, read.last_ms());
        self.each_series(&selector.matchers, reach, &mut |labels, found| {
            let values = match found {
                Found::Samples(samples) => read::newest(samples, read, self.lookback_ms, is_time),
                Found::Rolled(steps, rolled) => {
                    read::newest_rolled(steps, rolled, read, self.lookback_ms, is_time)
                }
            };
            if all_absent(&values) {
                return Ok(());
            }
            take(Row { labels: labels.clone(), values: grid.spread(values), drop_name: is_time })
        })
    }

    fn vectors(
        &self,
        op: BinaryOp,
        is_bool: bool,
        matching: &Matching,
        lhs: Vec<Row>,
        rhs: Vec<Row>,
        grid: Grid,
    ) -> Result<Vec<Row>, Error> {
        match op {
            BinaryOp::And => Ok(set::and(lhs, &rhs, matching)),
            BinaryOp::Unless => Ok(set::unless(lhs, &rhs, matching)),
            BinaryOp::Or => execution(merge_equal(set::or(lhs, rhs, matching))),
            op => {
                let mut hold = |n_values| -> Result<(), Error> {
                    self.budget.check()?;
                    Ok(self.budget.hold(n_values)?)
                };
                let rows = matching::binary(op, is_bool, matching, &lhs, &rhs, grid.count, &mut hold)?;
                execution(merge_equal(rows))
            }
        }
    }

    fn aggregate(&self, aggregation: &Aggregation, grid: Grid) -> Result<Vec<Row>, Error> {
        use AggregateOp::{Bottomk, CountValues, LimitRatio, Limitk, Quantile, Topk};
        let Aggregation { op, grouping, inner, parameter } = aggregation;
        let span = parameter.as_ref().map_or(0..0, |parameter| parameter.span.clone());
        if *op == CountValues {
            let label = match parameter.as_ref().map(|parameter| &parameter.node) {
                Some(Node::Text(label)) => label.as_str(),
                _ => "",
            };
            if !is_label_name(label) {
                return Err(Error::Execution(format!("invalid label name {label:?}")));
            }
            let rows = self.rows(inner, grid)?;
            let hold = |n_values| self.budget.hold(n_values).map_err(Error::from);
            return aggregate::count_values(&rows, grouping, label, grid.count, number::plain, hold);
        }
        let parameters = match parameter {
            Some(parameter) => self.numbers(&parameter.node, grid)?,
            None => Vec::new(),
        };
        let (least, greatest) = extremes(&parameters);
        let is_any_nan = parameters.iter().any(|parameter| parameter.is_nan());
        match op {
            Topk | Bottomk | Limitk => {
                let rows = self.rows(inner, grid)?;
                if greatest < 1.0 {
                    return Ok(Vec::new());
                }
                check_count(is_any_nan, least, greatest)?;
                let how = match op {
                    Topk => Pick::Top,
                    Bottomk => Pick::Bottom,
                    _ => Pick::First,
                };
                Ok(pick::pick(rows, grouping, how, &parameters))
            }
            LimitRatio => {
                let rows = self.rows(inner, grid)?;
                if least == 0.0 && greatest == 0.0 {
                    return Ok(Vec::new());
                }
                if is_any_nan {
                    return Err(Error::Execution("Ratio value is NaN".into()));
                }
                self.notes.check_ratio(&span, least, greatest);
                Ok(pick::limit_ratio(rows, &parameters))
            }
            op => {
                if *op == Quantile {
                    let odd = [is_any_nan.then_some(f64::NAN), Some(greatest), Some(least)];
                    odd.into_iter().flatten().for_each(|q| self.notes.check_quantile(&span, q));
                }
                let mut n_held = 0;
                let mut groups = aggregate::Aggregation::new(*op, grouping, grid.count);
                self.stream(inner, grid, &mut |row| {
                    groups.add(&row);
                    let n_more = groups.n_values() - n_held;
                    n_held += n_more;
                    Ok(self.budget.hold(n_more)?)
                })?;
                let mut rows = groups.finish(&parameters);
                rows.sort_by(|one, other| one.labels.cmp(&other.labels));
                Ok(rows)
            }
        }
    }

    /// Returns the samples of a range vector at the one moment of an instant query.
    pub fn range(&self, range: &Range, at_ms: i64) -> Result<Vec<window::RangeSeries>, Error> {
        let mut res = Vec::new();
        self.each_range(range, Grid::one(at_ms), &mut |series| {
            let end = series.time.of(at_ms);
            let inside = series
                .samples
                .iter()
                .filter(|sample| sample.at.0 <= end && sample.at.0 > end.saturating_sub(series.range_ms));
            let samples: Vec<_> = inside.copied().collect();
            self.budget.hold(2 * samples.len())?;
            if !samples.is_empty() {
                let drop_name = series.drop_name;
                res.push(window::RangeSeries { labels: series.labels.clone(), samples, drop_name });
            }
            Ok(())
        })?;
        Ok(res)
    }
}

/// The least and the greatest parameter, as Go's `math.Min` and `math.Max` find them: a NaN wins.
fn extremes(parameters: &[f64]) -> (f64, f64) {
    let nan_wins = |one: f64, other: f64, pick: fn(f64, f64) -> f64| {
        if one.is_nan() || other.is_nan() { f64::NAN } else { pick(one, other) }
    };
    let mut all = parameters.iter().copied();
    let first = all.next().unwrap_or(0.0);
    all.fold((first, first), |(least, greatest), value| {
        (nan_wins(least, value, f64::min), nan_wins(greatest, value, f64::max))
    })
}

/// What `topk` and its like refuse to count by.
fn check_count(is_any_nan: bool, least: f64, greatest: f64) -> Result<(), Error> {
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    if is_any_nan {
        return Err(Error::Execution("Parameter value is NaN".into()));
    }
    let shown = number::shortest;
    if least <= -BOUND {
        return Err(Error::Execution(format!("Scalar value {} underflows int64", shown(least))));
    }
    if greatest >= BOUND {
        return Err(Error::Execution(format!("Scalar value {} overflows int64", shown(greatest))));
    }
    Ok(())
}

/// An operator between each element and the scalar of its moment.
fn mixed(op: BinaryOp, is_bool: bool, rows: Vec<Row>, numbers: &[f64], is_scalar_left: bool) -> Vec<Row> {
    let mut res = rows;
    res.retain_mut(|row| {
        for (value, number) in row.values.iter_mut().zip(numbers) {
            if is_absent(*value) {
                continue;
            }
            let element = *value;
            let (lhs, rhs) = if is_scalar_left { (*number, element) } else { (element, *number) };
            *value = op.of_elements(lhs, rhs, is_bool);
            // A comparison filters the vector, on whichever side it stands.
            if op.is_comparison() && !is_bool && !is_absent(*value) {
                *value = present(element);
            }
        }
        row.drop_name |= op.is_arithmetic() || is_bool;
        !row.is_empty()
    });
    res
}

/// Takes the name from where it is no longer true, and joins what then is equal.
pub(super) fn without_dropped_names(mut rows: Vec<Row>) -> Result<Vec<Row>, Error> {
    for row in rows.iter_mut().filter(|row| row.drop_name) {
        row.labels = without_metric(&row.labels);
    }
    execution(merge_equal(rows))
}

fn execution<T, E: std::error::Error>(result: Result<T, E>) -> Result<T, Error> {
    result.map_err(|error| Error::Execution(error.to_string()))
}
