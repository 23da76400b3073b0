//! Queries to answers: at one moment or at many, within limits.

use std::time::Duration;

use super::Error;
use super::ast::{Expr, Type};
use super::eval::{self, Evaluator, Output};
use super::plan::{self, Node, Range};
use crate::clock::UnixMillis;
use crate::query::algebra::{Grid, Row, SameLabels, is_absent, without_metric};
use crate::query::budget::Cancel;
use crate::query::journal::{Effort, Language, Recorder};
use crate::record::read::MetricRead;
use crate::record::{Labels, Resolution, Sample, Series};

/// The moments at which a query is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moments {
    /// The first.
    pub from: UnixMillis,
    /// No moment is later.
    pub to: UnixMillis,
    /// Their distance in milliseconds, more than none. Zero for an instant query, whose
    /// `from` and `to` are the same.
    pub step_ms: i64,
}

impl Moments {
    /// Returns one moment alone.
    pub fn instant(at: UnixMillis) -> Self {
        Moments { from: at, to: at, step_ms: 0 }
    }
}

/// What a query may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Most values held in memory at once.
    pub samples_max: usize,
    /// Longest evaluation.
    pub timeout: Duration,
    /// How far back a sample counts as current, unless the query says otherwise.
    pub lookback: Duration,
    /// The step of subqueries that name none.
    pub subquery_step: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            samples_max: 1_500_000,
            timeout: Duration::from_secs(120),
            lookback: Duration::from_secs(300),
            subquery_step: Duration::from_secs(60),
        }
    }
}

/// One series' value at one moment.
#[derive(Clone, Debug)]
pub struct InstantSample {
    /// What the value belongs to.
    pub labels: Labels,
    /// The value and its moment.
    pub sample: Sample,
}

/// What a query evaluates to.
#[derive(Clone, Debug)]
pub enum Value {
    /// A number at the moment of an instant query.
    Scalar(Sample),
    /// A text at the moment of an instant query.
    String(UnixMillis, String),
    /// Values at the moment of an instant query, in the order that the query gives them.
    Vector(Vec<InstantSample>),
    /// Samples of series: the answer of every query over a range, sorted by labels, and of an
    /// instant query for a range vector.
    Matrix(Vec<Series>),
}

/// A value and what its reader should know.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The value.
    pub value: Value,
    /// What may be wrong, sorted; with places such as `(1:5)`.
    pub warnings: Vec<String>,
    /// What is worth knowing, sorted; with places.
    pub infos: Vec<String>,
    /// How many samples were read from the store.
    pub n_samples: u64,
}

/// Evaluates queries.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    /// What each query may take.
    pub limits: Limits,
    /// Who notes what each took, if anybody does.
    pub recorder: Option<Recorder>,
}

impl Engine {
    /// Parses and evaluates a query.
    pub fn query(&self, store: &dyn MetricRead, query: &str, moments: Moments) -> Result<Answer, Error> {
        let expr = super::parse(query)?;
        self.evaluate(store, query, &expr, moments, &Cancel::default())
    }

    /// Evaluates a query that was parsed before; `query` is its text, for places in notes.
    pub fn evaluate(
        &self,
        store: &dyn MetricRead,
        query: &str,
        expr: &Expr,
        moments: Moments,
        cancel: &Cancel,
    ) -> Result<Answer, Error> {
        let effort = |answer: &Answer| Effort { n_samples: answer.n_samples, ..Effort::default() };
        let text = || query.to_string();
        Recorder::measured(self.recorder.as_ref(), Language::PromQl, text, effort, || {
            self.answer(store, query, expr, moments, cancel)
        })
    }

    fn answer(
        &self,
        store: &dyn MetricRead,
        query: &str,
        expr: &Expr,
        moments: Moments,
        cancel: &Cancel,
    ) -> Result<Answer, Error> {
        let is_instant = moments.step_ms == 0;
        let value_type = expr.value_type();
        if !is_instant && !matches!(value_type, Type::Scalar | Type::Vector) {
            let value_type = value_type.as_str();
            return Err(Error::Unsuitable(format!(
                "invalid expression type {value_type:?} for range query, must be Scalar or instant Vector"
            )));
        }
        let subquery_step_ms = i64::try_from(self.limits.subquery_step.as_millis()).unwrap_or(i64::MAX);
        let node = plan::plan(expr, moments, subquery_step_ms);
        let evaluator = Evaluator::new(store, &self.limits, cancel);
        let value = if is_instant {
            instant_value(&evaluator, &node, value_type, moments.from)?
        } else {
            range_value(&evaluator, &node, moments)?
        };
        let (n_samples, coarsest) = (evaluator.n_samples(), evaluator.coarsest());
        let (warnings, mut infos) = evaluator.notes.into_texts(query);
        if coarsest != Resolution::Raw {
            infos.push(format!("answered from {}: samples are not kept that long", coarsest.name()));
        }
        Ok(Answer { value, warnings, infos, n_samples })
    }
}

fn instant_value(
    evaluator: &Evaluator<'_>,
    node: &Node,
    value_type: Type,
    at: UnixMillis,
) -> Result<Value, Error> {
    if let Node::Range(range) = node {
        return range_vector(evaluator, range, at);
    }
    let sample = |value: f64| Sample { at, value };
    Ok(match evaluator.eval(node, Grid::one(at.0))? {
        Output::Text(text) => Value::String(at, text),
        Output::Numbers(numbers) => match (numbers.first(), value_type) {
            (Some(number), Type::Scalar) => Value::Scalar(sample(*number)),
            _ => return Err(Error::Execution("scalar without a value".into())),
        },
        Output::Rows(rows) => {
            let rows = eval::without_dropped_names(rows)?;
            let present = rows.into_iter().filter(|row| !row.is_empty());
            Value::Vector(
                present
                    .map(|row| InstantSample { labels: row.labels, sample: sample(row.values[0]) })
                    .collect(),
            )
        }
    })
}

fn range_vector(evaluator: &Evaluator<'_>, range: &Range, at: UnixMillis) -> Result<Value, Error> {
    let mut res: Vec<Series> = Vec::new();
    for series in evaluator.range(range, at.0)? {
        let labels = if series.drop_name { without_metric(&series.labels) } else { series.labels };
        res.push(Series { labels, samples: series.samples });
    }
    sort_series(&mut res);
    if res.windows(2).any(|pair| pair[0].labels == pair[1].labels) {
        return Err(Error::Execution(SameLabels.to_string()));
    }
    Ok(Value::Matrix(res))
}

fn range_value(evaluator: &Evaluator<'_>, node: &Node, moments: Moments) -> Result<Value, Error> {
    let grid = Grid::new(moments.from.0, moments.to.0, moments.step_ms);
    let rows = match evaluator.eval(node, grid)? {
        Output::Rows(rows) => eval::without_dropped_names(rows)?,
        Output::Numbers(values) => {
            vec![Row { labels: Labels::default(), values, drop_name: false }]
        }
        Output::Text(_) => return Err(Error::Execution("string over a range".into())),
    };
    let series = |row: Row| {
        let values = grid.iter().zip(row.values).filter(|(_, value)| !is_absent(*value));
        let samples = values.map(|(at, value)| Sample { at: UnixMillis(at), value }).collect();
        Series { labels: row.labels, samples }
    };
    let mut res: Vec<Series> =
        rows.into_iter().map(series).filter(|series| !series.samples.is_empty()).collect();
    sort_series(&mut res);
    Ok(Value::Matrix(res))
}

fn sort_series(series: &mut [Series]) {
    series.sort_by(|one, other| one.labels.cmp(&other.labels));
}
