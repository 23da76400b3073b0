//! Functions over the values at a moment.

use super::{Evaluator, Output, execution};
use crate::query::algebra::{ABSENT, Grid, Row, is_absent, merge_equal};
use crate::query::promql::Error;
use crate::query::promql::ast::Span;
use crate::query::promql::functions::calendar::calendar;
use crate::query::promql::functions::elementwise::{clamp, elementwise, max_of, min_of, round};
use crate::query::promql::functions::labels::{LabelJoin, LabelReplace, natural_cmp};
use crate::query::promql::plan::{Arg, Node};
use crate::record::Labels;
use crate::record::labels::METRIC_NAME;

impl Evaluator<'_> {
    /// Evaluates a call; `absent` are the labels that `absent` answers with.
    pub(super) fn call(
        &self,
        name: &str,
        args: &[Arg],
        span: &Span,
        absent: &Labels,
        grid: Grid,
    ) -> Result<Output, Error> {
        if let Some(function) = elementwise(name) {
            return Ok(Output::Rows(each(self.rows_of(args, 0, grid)?, |_, value| function(value))));
        }
        if let Some(function) = calendar(name) {
            if args.is_empty() {
                let values = grid.iter().map(|ms| function(ms.div_euclid(1_000) as f64)).collect();
                return Ok(Output::Rows(vec![nameless(values)]));
            }
            return Ok(Output::Rows(each(self.rows_of(args, 0, grid)?, |_, value| function(value))));
        }
        Ok(match name {
            "time" => Output::Numbers(grid.iter().map(|ms| ms as f64 / 1e3).collect()),
            "pi" => Output::Numbers(vec![std::f64::consts::PI; grid.count]),
            "min_of" => self.two_numbers(args, grid, min_of)?,
            "max_of" => self.two_numbers(args, grid, max_of)?,
            "scalar" => Output::Numbers(only_values(&self.rows_of(args, 0, grid)?, grid)),
            "vector" => Output::Rows(vec![nameless(self.numbers_of(args, 0, grid)?)]),
            "timestamp" => {
                // Of what is computed, the time is that of the evaluation.
                let mut rows = self.rows_of(args, 0, grid)?;
                for row in &mut rows {
                    for (moment, value) in
                        grid.iter().zip(&mut row.values).filter(|(_, value)| !is_absent(**value))
                    {
                        *value = moment as f64 / 1e3;
                    }
                    row.drop_name = true;
                }
                Output::Rows(rows)
            }
            "absent" => Output::Rows(absent_row(&self.rows_of(args, 0, grid)?, absent, grid)),
            "round" => {
                let rows = self.rows_of(args, 0, grid)?;
                let nearest = match args.get(1) {
                    Some(arg) => self.numbers(&arg.node, grid)?,
                    None => vec![1.0; grid.count],
                };
                Output::Rows(each(rows, |idx, value| round(value, nearest[idx])))
            }
            "clamp" | "clamp_min" | "clamp_max" => self.clamp(name, args, grid)?,
            "sort" | "sort_desc" | "sort_by_label" | "sort_by_label_desc" => {
                self.sort(name, args, span, grid)?
            }
            "label_replace" => self.label_replace(args, grid)?,
            "label_join" => self.label_join(args, grid)?,
            "histogram_quantile" => self.histogram_quantile(args, grid)?,
            "histogram_quantiles" => self.histogram_quantiles(args, grid)?,
            "histogram_fraction" => self.histogram_fraction(args, grid)?,
            // Of native histograms and of start times, neither of which the store holds.
            "histogram_avg" | "histogram_count" | "histogram_sum" | "histogram_stddev"
            | "histogram_stdvar" | "start_timestamp" => {
                self.rows_of(args, 0, grid)?;
                Output::Rows(Vec::new())
            }
            _ => return Err(Error::Execution(format!("function {name:?} cannot be evaluated"))),
        })
    }

    pub(super) fn rows_of(&self, args: &[Arg], idx: usize, grid: Grid) -> Result<Vec<Row>, Error> {
        match args.get(idx) {
            Some(arg) => self.rows(&arg.node, grid),
            None => Ok(Vec::new()),
        }
    }

    pub(super) fn numbers_of(&self, args: &[Arg], idx: usize, grid: Grid) -> Result<Vec<f64>, Error> {
        match args.get(idx) {
            Some(arg) => self.numbers(&arg.node, grid),
            None => Ok(vec![f64::NAN; grid.count]),
        }
    }

    fn two_numbers(&self, args: &[Arg], grid: Grid, of: fn(f64, f64) -> f64) -> Result<Output, Error> {
        let (one, other) = (self.numbers_of(args, 0, grid)?, self.numbers_of(args, 1, grid)?);
        Ok(Output::Numbers(one.iter().zip(&other).map(|(one, other)| of(*one, *other)).collect()))
    }

    fn clamp(&self, name: &str, args: &[Arg], grid: Grid) -> Result<Output, Error> {
        let rows = self.rows_of(args, 0, grid)?;
        let infinite = |value: f64| vec![value; grid.count];
        let (least, greatest) = match name {
            "clamp_min" => (self.numbers_of(args, 1, grid)?, infinite(f64::INFINITY)),
            "clamp_max" => (infinite(f64::NEG_INFINITY), self.numbers_of(args, 1, grid)?),
            _ => (self.numbers_of(args, 1, grid)?, self.numbers_of(args, 2, grid)?),
        };
        Ok(Output::Rows(each(rows, |idx, value| {
            if greatest[idx] < least[idx] { ABSENT } else { clamp(value, least[idx], greatest[idx]) }
        })))
    }

    fn sort(&self, name: &str, args: &[Arg], span: &Span, grid: Grid) -> Result<Output, Error> {
        let mut rows = self.rows_of(args, 0, grid)?;
        if grid.count != 1 {
            let text = "sort is ineffective for range queries since results are always ordered by labels";
            self.notes.warn(span, text);
            return Ok(Output::Rows(rows));
        }
        let names = texts(&args[1..]);
        match name {
            "sort" => rows.sort_by(|one, other| by_value(one.values[0], other.values[0], false)),
            "sort_desc" => rows.sort_by(|one, other| by_value(one.values[0], other.values[0], true)),
            _ => {
                let by_labels = |one: &Row, other: &Row| {
                    let of = |name: &&str| natural_cmp(one.labels.get(name), other.labels.get(name));
                    let named = names.iter().map(of).find(|order| order.is_ne());
                    named.unwrap_or_else(|| one.labels.cmp(&other.labels))
                };
                rows.sort_by(by_labels);
                if name == "sort_by_label_desc" {
                    rows.reverse();
                }
            }
        }
        Ok(Output::Rows(rows))
    }

    fn label_replace(&self, args: &[Arg], grid: Grid) -> Result<Output, Error> {
        let [destination, replacement, source, pattern] = texts(&args[1..])[..] else {
            return Err(Error::Execution("label_replace takes four strings".into()));
        };
        let replace = execution(LabelReplace::new(destination, replacement, source, pattern))?;
        let mut rows = self.rows_of(args, 0, grid)?;
        for row in &mut rows {
            if let Some(labels) = execution(replace.apply(&row.labels))? {
                self.hold_labels(&labels)?;
                row.labels = labels;
                row.drop_name &= destination != METRIC_NAME;
            }
        }
        Ok(Output::Rows(execution(merge_equal(rows))?))
    }

    /// Counts labels that were made, by the room of as many values.
    fn hold_labels(&self, labels: &Labels) -> Result<(), Error> {
        self.budget.check()?;
        Ok(self.budget.hold(labels.size_bytes() / size_of::<f64>())?)
    }

    fn label_join(&self, args: &[Arg], grid: Grid) -> Result<Output, Error> {
        let texts = texts(&args[1..]);
        let [destination, separator, sources @ ..] = &texts[..] else {
            return Err(Error::Execution("label_join takes at least two strings".into()));
        };
        let join = execution(LabelJoin::new(destination, separator, sources.iter().copied()))?;
        let mut rows = self.rows_of(args, 0, grid)?;
        for row in &mut rows {
            row.labels = execution(join.apply(&row.labels))?;
            self.hold_labels(&row.labels)?;
            row.drop_name &= *destination != METRIC_NAME;
        }
        Ok(Output::Rows(execution(merge_equal(rows))?))
    }
}

/// The texts among arguments.
pub(super) fn texts(args: &[Arg]) -> Vec<&str> {
    let mut res = Vec::new();
    for arg in args {
        if let Node::Text(text) = &arg.node {
            res.push(text.as_str());
        }
    }
    res
}

fn nameless(values: Vec<f64>) -> Row {
    Row { labels: Labels::default(), values, drop_name: false }
}

/// Replaces each value by a function of it and its moment's number; what then has no value at
/// all is left out.
fn each(mut rows: Vec<Row>, function: impl Fn(usize, f64) -> f64) -> Vec<Row> {
    rows.retain_mut(|row| {
        for (idx, value) in row.values.iter_mut().enumerate().filter(|(_, value)| !is_absent(**value)) {
            *value = function(idx, *value);
        }
        row.drop_name = true;
        !row.is_empty()
    });
    rows
}

/// The value of the one row that has any; NaN where none or more have.
fn only_values(rows: &[Row], grid: Grid) -> Vec<f64> {
    let only = |idx: usize| {
        let mut values = rows.iter().map(|row| row.values[idx]).filter(|value| !is_absent(*value));
        match (values.next(), values.next()) {
            (Some(value), None) => value,
            _ => f64::NAN,
        }
    };
    (0..grid.count).map(only).collect()
}

fn absent_row(rows: &[Row], labels: &Labels, grid: Grid) -> Vec<Row> {
    let is_any = |idx: usize| rows.iter().any(|row| !is_absent(row.values[idx]));
    let values: Vec<f64> = (0..grid.count).map(|idx| if is_any(idx) { ABSENT } else { 1.0 }).collect();
    let row = Row { labels: labels.clone(), values, drop_name: false };
    if row.is_empty() { Vec::new() } else { vec![row] }
}

/// Orders two values; a NaN comes last in either direction.
fn by_value(one: f64, other: f64, is_descending: bool) -> std::cmp::Ordering {
    match (one.is_nan(), other.is_nan()) {
        (true, true) => std::cmp::Ordering::Equal,
        (true, false) => std::cmp::Ordering::Greater,
        (false, true) => std::cmp::Ordering::Less,
        (false, false) if is_descending => other.total_cmp(&one),
        (false, false) => one.total_cmp(&other),
    }
}
