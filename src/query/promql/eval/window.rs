//! Functions over the samples in a window of time.

use std::borrow::Cow;

use super::read::{Found, ends, rolled_values};
use super::{Evaluator, Output};
use crate::clock::UnixMillis;
use crate::query::algebra::{ABSENT, Grid, Row, all_absent, is_absent, present};
use crate::query::promql::Error;
use crate::query::promql::functions::over_time::{self, OverTime, Window as Samples, smoothing_error};
use crate::query::promql::plan::{Node, Range, Time, Window};
use crate::query::rollup;
use crate::record::{Labels, Sample};

/// A series of a range vector.
pub(in crate::query::promql) struct RangeSeries {
    pub labels: Labels,
    pub samples: Vec<Sample>,
    pub drop_name: bool,
}

/// What one series of a range vector has, and which windows of it are asked for.
pub(super) struct Ranged<'a> {
    pub labels: &'a Labels,
    /// Without staleness markers.
    pub samples: Cow<'a, [Sample]>,
    pub time: Time,
    pub range_ms: i64,
    pub drop_name: bool,
}

/// Samples of windows that are looked at before it is asked whether to go on: a millisecond's work.
const SAMPLES_UNCHECKED_MAX: usize = 20_000;

/// Functions that give a sample's own value, so that the metric's name stays true.
const KEEP_NAME: [&str; 2] = ["first_over_time", "last_over_time"];

impl Evaluator<'_> {
    /// Hands over one row for each series of a function's range vector.
    pub(super) fn window(
        &self,
        window: &Window,
        grid: Grid,
        take: &mut dyn FnMut(Row) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let parameters =
            window.args.iter().map(|arg| self.numbers(&arg.node, grid)).collect::<Result<Vec<_>, _>>()?;
        let name = window.function.name;
        if name == "absent_over_time" {
            return self.absent_over_time(window, grid, take);
        }
        let function = over_time::over_time(name)
            .ok_or_else(|| Error::Execution(format!("function {name:?} takes no range vector")))?;
        let is_rate = matches!(name, "rate" | "increase");
        let keeps_name = KEEP_NAME.contains(&name);
        let apply = Apply { evaluator: self, window, function, parameters: &parameters, grid };
        let mut finish = |labels: &Labels, values: Vec<f64>, drop_name: bool| {
            if all_absent(&values) {
                return Ok(());
            }
            if is_rate {
                self.notes.check_counter(&window.span, labels.metric_name());
            }
            take(Row { labels: labels.clone(), values, drop_name: drop_name || !keeps_name })
        };
        if let Range::Selector { selector, range_ms } = &window.range
            && let Some(rolled_function) = over_rollups(name)
        {
            // These have answers in roll-ups that are better than the ends of each.
            return self.each_series(
                &selector.matchers,
                reach(&selector.time, *range_ms, grid),
                &mut |labels, found| {
                    let values = match found {
                        Found::Samples(samples) => {
                            let samples = without_markers(samples);
                            let ranged = Ranged {
                                labels,
                                samples,
                                time: selector.time,
                                range_ms: *range_ms,
                                drop_name: false,
                            };
                            apply.values(&ranged)?
                        }
                        Found::Rolled(steps, rolled) => {
                            let read = selector.time.grid(grid);
                            grid.spread(rolled_values(rolled_function, *range_ms, steps, rolled, read))
                        }
                    };
                    finish(labels, values, false)
                },
            );
        }
        self.each_range(&window.range, grid, &mut |ranged| {
            let values = apply.values(&ranged)?;
            finish(ranged.labels, values, ranged.drop_name)
        })
    }

    /// One row of ones where no series has a sample in the window.
    fn absent_over_time(
        &self,
        window: &Window,
        grid: Grid,
        take: &mut dyn FnMut(Row) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut values = vec![1.0; grid.count];
        self.each_range(&window.range, grid, &mut |ranged| {
            ranged.each(grid, |moment, samples, _| {
                if !samples.is_empty() {
                    values[moment] = ABSENT;
                }
                Ok(())
            })
        })?;
        if all_absent(&values) {
            return Ok(());
        }
        take(Row { labels: window.absent.clone(), values, drop_name: true })
    }

    /// Visits the series of a range vector with all samples that any window of the grid may hold.
    pub(super) fn each_range(
        &self,
        range: &Range,
        grid: Grid,
        visit: &mut dyn FnMut(Ranged<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if grid.count == 0 {
            return Ok(());
        }
        match range {
            Range::Selector { selector, range_ms } => {
                let (time, range_ms) = (selector.time, *range_ms);
                self.each_series(&selector.matchers, reach(&time, range_ms, grid), &mut |labels, found| {
                    let samples = match found {
                        Found::Samples(samples) => without_markers(samples),
                        Found::Rolled(steps, _) => {
                            let mut samples = ends(steps);
                            samples.retain(|sample| !sample.is_stale_marker());
                            Cow::Owned(samples)
                        }
                    };
                    visit(Ranged { labels, samples, time, range_ms, drop_name: false })
                })
            }
            Range::Subquery { inner, range_ms, step_ms, time } => {
                let inner_grid = subquery_grid(time, *range_ms, *step_ms, grid);
                let rows = self.subquery_rows(inner, inner_grid)?;
                for row in rows {
                    self.budget.check()?;
                    let values = inner_grid.iter().zip(&row.values).filter(|(_, value)| !is_absent(**value));
                    let samples =
                        values.map(|(at, value)| Sample { at: UnixMillis(at), value: *value }).collect();
                    let (labels, drop_name) = (&row.labels, row.drop_name);
                    visit(Ranged { labels, samples, time: *time, range_ms: *range_ms, drop_name })?;
                }
                Ok(())
            }
        }
    }

    fn subquery_rows(&self, inner: &Node, grid: Grid) -> Result<Vec<Row>, Error> {
        match self.eval(inner, grid)? {
            Output::Rows(rows) => Ok(rows),
            _ => Err(Error::Execution("subquery over what is no vector".into())),
        }
    }
}

fn reach(time: &Time, range_ms: i64, grid: Grid) -> (i64, i64, i64) {
    let read = time.grid(grid);
    (range_ms, read.first_ms, read.last_ms())
}

/// The moments of a subquery: multiples of its step inside the windows of the grid, which are
/// open on the left.
fn subquery_grid(time: &Time, range_ms: i64, step_ms: i64, grid: Grid) -> Grid {
    let read = time.grid(grid);
    let begin = read.first_ms.saturating_sub(range_ms);
    let mut first = begin / step_ms * step_ms;
    if first <= begin {
        first = first.saturating_add(step_ms);
    }
    Grid::new(first, read.last_ms(), step_ms)
}

fn without_markers(samples: &[Sample]) -> Cow<'_, [Sample]> {
    if samples.iter().any(Sample::is_stale_marker) {
        Cow::Owned(samples.iter().filter(|sample| !sample.is_stale_marker()).copied().collect())
    } else {
        Cow::Borrowed(samples)
    }
}

impl Ranged<'_> {
    /// Calls with each moment's number, the samples in its window and the window's end, moving
    /// both ends of the window forward only.
    fn each(
        &self,
        grid: Grid,
        mut call: impl FnMut(usize, &[Sample], i64) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let samples = &*self.samples;
        let (mut begin, mut end) = (0, 0);
        for (idx, moment) in grid.iter().enumerate() {
            let until = self.time.of(moment);
            let after = until.saturating_sub(self.range_ms);
            while end < samples.len() && samples[end].at.0 <= until {
                end += 1;
            }
            while begin < end && samples[begin].at.0 <= after {
                begin += 1;
            }
            call(idx, &samples[begin..end], until)?;
        }
        Ok(())
    }
}

/// A function with its arguments.
struct Apply<'a> {
    evaluator: &'a Evaluator<'a>,
    window: &'a Window,
    function: OverTime,
    /// One row of numbers for each scalar argument.
    parameters: &'a [Vec<f64>],
    grid: Grid,
}

impl Apply<'_> {
    fn values(&self, ranged: &Ranged<'_>) -> Result<Vec<f64>, Error> {
        let mut values = vec![ABSENT; self.grid.count];
        let mut parameters = [0.0; 2];
        let n_parameters = self.parameters.len().min(parameters.len());
        let mut n_unchecked = 0;
        ranged.each(self.grid, |idx, samples, end_ms| {
            if samples.is_empty() {
                return Ok(());
            }
            n_unchecked += samples.len();
            if n_unchecked > SAMPLES_UNCHECKED_MAX {
                n_unchecked = 0;
                self.evaluator.budget.check()?;
            }
            for (parameter, numbers) in parameters.iter_mut().zip(self.parameters) {
                *parameter = numbers[idx];
            }
            let parameters = &parameters[..n_parameters];
            self.check(parameters)?;
            let start_ms = end_ms.saturating_sub(ranged.range_ms);
            let window = Samples { samples, start_ms, end_ms, at_ms: self.grid.at(idx) };
            if let Some(value) = (self.function)(&window, parameters) {
                values[idx] = present(value);
            }
            Ok(())
        })?;
        Ok(values)
    }

    /// What is said of, or refused in, the scalar arguments.
    fn check(&self, parameters: &[f64]) -> Result<(), Error> {
        match (self.window.function.name, parameters) {
            ("quantile_over_time", [q]) => {
                if let Some(arg) = self.window.args.first() {
                    self.evaluator.notes.check_quantile(&arg.span, *q);
                }
                Ok(())
            }
            ("double_exponential_smoothing", [smoothing, trend]) => {
                smoothing_error(*smoothing, *trend).map_or(Ok(()), |text| Err(Error::Execution(text)))
            }
            _ => Ok(()),
        }
    }
}

/// The function over roll-ups that answers as the one over samples would.
fn over_rollups(name: &str) -> Option<rollup::Function> {
    Some(match name {
        "rate" => rollup::Function::Rate,
        "increase" => rollup::Function::Increase,
        "min_over_time" => rollup::Function::Min,
        "max_over_time" => rollup::Function::Max,
        "sum_over_time" => rollup::Function::Sum,
        "count_over_time" => rollup::Function::Count,
        "avg_over_time" => rollup::Function::Avg,
        _ => return None,
    })
}
