//! Aggregations that make one row of each group: `sum`, `avg`, `quantile` and their like.
//!
//! Rows are taken in one at a time and not kept, so the memory that an aggregation takes is that
//! of its groups, however many rows there are; only `quantile` has to keep the values.

use std::collections::HashMap;

use super::{ABSENT, Row, is_absent, present};
use crate::query::sums::{Mean, Variance, quantile};
use crate::record::Labels;
use crate::record::labels::METRIC_NAME;
use crate::record::sum::Sum;

/// An aggregation operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AggregateOp {
    /// `sum`
    Sum,
    /// `avg`
    Avg,
    /// `count`
    Count,
    /// `min`
    Min,
    /// `max`
    Max,
    /// `group`
    Group,
    /// `stddev`
    Stddev,
    /// `stdvar`
    Stdvar,
    /// `topk`
    Topk,
    /// `bottomk`
    Bottomk,
    /// `count_values`
    CountValues,
    /// `quantile`
    Quantile,
    /// `limitk`
    Limitk,
    /// `limit_ratio`
    LimitRatio,
}

impl AggregateOp {
    /// Every operator, by the order of its name.
    pub const ALL: [AggregateOp; 14] = [
        AggregateOp::Avg,
        AggregateOp::Bottomk,
        AggregateOp::Count,
        AggregateOp::CountValues,
        AggregateOp::Group,
        AggregateOp::LimitRatio,
        AggregateOp::Limitk,
        AggregateOp::Max,
        AggregateOp::Min,
        AggregateOp::Quantile,
        AggregateOp::Stddev,
        AggregateOp::Stdvar,
        AggregateOp::Sum,
        AggregateOp::Topk,
    ];

    /// Returns the operator as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            AggregateOp::Sum => "sum",
            AggregateOp::Avg => "avg",
            AggregateOp::Count => "count",
            AggregateOp::Min => "min",
            AggregateOp::Max => "max",
            AggregateOp::Group => "group",
            AggregateOp::Stddev => "stddev",
            AggregateOp::Stdvar => "stdvar",
            AggregateOp::Topk => "topk",
            AggregateOp::Bottomk => "bottomk",
            AggregateOp::CountValues => "count_values",
            AggregateOp::Quantile => "quantile",
            AggregateOp::Limitk => "limitk",
            AggregateOp::LimitRatio => "limit_ratio",
        }
    }
}

/// Which rows belong to one group: `by` or `without` some labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grouping {
    /// The labels named.
    pub names: Vec<String>,
    /// `without` rather than `by`.
    pub is_without: bool,
}

impl Grouping {
    /// Returns the labels of the group that a row belongs to.
    pub fn key(&self, labels: &Labels) -> Labels {
        let mut names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        if self.is_without {
            names.push(METRIC_NAME);
            labels.without(&names)
        } else {
            labels.only(&names)
        }
    }
}

/// What is kept of the values of one group, one place a moment.
enum Column {
    Sum(Vec<Option<Sum>>),
    Avg(Vec<Option<Mean>>),
    Variance(Vec<Option<Variance>>),
    Count(Vec<f64>),
    /// The extreme or, of `group`, that there is any.
    Value(Vec<f64>),
    All(Vec<Vec<f64>>),
}

impl Column {
    fn new(op: AggregateOp, n_moments: usize) -> Self {
        match op {
            AggregateOp::Sum => Column::Sum(vec![None; n_moments]),
            AggregateOp::Avg => Column::Avg(vec![None; n_moments]),
            AggregateOp::Stddev | AggregateOp::Stdvar => Column::Variance(vec![None; n_moments]),
            AggregateOp::Count => Column::Count(vec![0.0; n_moments]),
            AggregateOp::Quantile => Column::All(vec![Vec::new(); n_moments]),
            _ => Column::Value(vec![ABSENT; n_moments]),
        }
    }

    fn add(&mut self, op: AggregateOp, values: &[f64]) {
        let given = values.iter().enumerate().filter(|(_, value)| !is_absent(**value));
        match self {
            Column::Sum(sums) => given.for_each(|(idx, value)| match &mut sums[idx] {
                Some(sum) => sum.add(*value),
                first => *first = Some(Sum::of(*value)),
            }),
            Column::Avg(means) => {
                given.for_each(|(idx, value)| means[idx].get_or_insert_default().add(*value));
            }
            Column::Variance(variances) => {
                given.for_each(|(idx, value)| variances[idx].get_or_insert_default().add(*value));
            }
            Column::Count(counts) => given.for_each(|(idx, _)| counts[idx] += 1.0),
            Column::All(all) => given.for_each(|(idx, value)| all[idx].push(*value)),
            Column::Value(kept) => given.for_each(|(idx, value)| {
                let kept = &mut kept[idx];
                let is_better = match op {
                    AggregateOp::Min => *kept > *value || kept.is_nan(),
                    AggregateOp::Max => *kept < *value || kept.is_nan(),
                    _ => false,
                };
                if op == AggregateOp::Group {
                    *kept = 1.0;
                } else if is_absent(*kept) || is_better {
                    *kept = *value;
                }
            }),
        }
    }

    /// Returns the values; `parameters` are the quantiles, one a moment.
    fn values(self, op: AggregateOp, parameters: &[f64]) -> Vec<f64> {
        fn each<T>(kept: Vec<Option<T>>, value: impl Fn(&T) -> f64) -> Vec<f64> {
            kept.iter().map(|kept| kept.as_ref().map_or(ABSENT, |kept| present(value(kept)))).collect()
        }
        match self {
            Column::Sum(sums) => each(sums, |sum| sum.value()),
            Column::Avg(means) => each(means, Mean::value),
            Column::Variance(variances) if op == AggregateOp::Stddev => each(variances, |v| v.value().sqrt()),
            Column::Variance(variances) => each(variances, Variance::value),
            Column::Count(counts) => {
                counts.into_iter().map(|count| if count == 0.0 { ABSENT } else { count }).collect()
            }
            Column::Value(values) => values,
            Column::All(all) => {
                let value = |(mut values, q): (Vec<f64>, &f64)| {
                    if values.is_empty() { ABSENT } else { present(quantile(*q, &mut values)) }
                };
                all.into_iter().zip(parameters).map(value).collect()
            }
        }
    }
}

struct Group {
    labels: Labels,
    column: Column,
    drop_name: bool,
}

/// Takes in rows and gives out one row for each group, in the order in which groups appeared.
pub struct Aggregation<'a> {
    op: AggregateOp,
    grouping: &'a Grouping,
    n_moments: usize,
    places: HashMap<Labels, usize>,
    groups: Vec<Group>,
    n_values: usize,
}

impl<'a> Aggregation<'a> {
    /// Begins an aggregation; the operator is none of those that pick rows or count values.
    pub fn new(op: AggregateOp, grouping: &'a Grouping, n_moments: usize) -> Self {
        Aggregation { op, grouping, n_moments, places: HashMap::new(), groups: Vec::new(), n_values: 0 }
    }

    /// Takes in a row.
    pub fn add(&mut self, row: &Row) {
        let key = self.grouping.key(&row.labels);
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None => {
                let column = Column::new(self.op, self.n_moments);
                self.groups.push(Group { labels: key.clone(), column, drop_name: false });
                self.places.insert(key, self.groups.len() - 1);
                self.n_values += self.n_moments;
                self.groups.len() - 1
            }
        };
        let group = &mut self.groups[place];
        group.column.add(self.op, &row.values);
        group.drop_name |= row.drop_name;
        if self.op == AggregateOp::Quantile {
            self.n_values += row.values.len();
        }
    }

    /// Returns about how many values are kept.
    pub fn n_values(&self) -> usize {
        self.n_values
    }

    /// Gives out the rows; `parameters` has the quantile of each moment.
    pub fn finish(self, parameters: &[f64]) -> Vec<Row> {
        let op = self.op;
        let row = |group: Group| Row {
            labels: group.labels,
            values: group.column.values(op, parameters),
            drop_name: group.drop_name,
        };
        self.groups.into_iter().map(row).filter(|row| !row.is_empty()).collect()
    }
}

/// `count_values`: how many rows of each group have each value; `format` writes a value as it
/// becomes the label's. There may be as many rows as there are values, so `hold` is told of the
/// values of each before it is made, and may refuse it.
pub fn count_values<E>(
    rows: &[Row],
    grouping: &Grouping,
    label: &str,
    n_moments: usize,
    format: impl Fn(f64) -> String,
    mut hold: impl FnMut(usize) -> Result<(), E>,
) -> Result<Vec<Row>, E> {
    let mut grouping = grouping.clone();
    if !grouping.is_without {
        grouping.names.push(label.to_string());
    }
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut res: Vec<Row> = Vec::new();
    for row in rows {
        // A row often keeps its value from moment to moment.
        let mut last: Option<(u64, usize)> = None;
        for (moment, value) in row.values.iter().enumerate().filter(|(_, value)| !is_absent(**value)) {
            let place = match last {
                Some((bits, place)) if bits == value.to_bits() => place,
                _ => {
                    let key = grouping.key(&row.labels.with(label, &format(*value)));
                    match places.get(&key) {
                        Some(place) => *place,
                        None => {
                            hold(n_moments)?;
                            places.insert(key.clone(), res.len());
                            res.push(Row { labels: key, values: vec![ABSENT; n_moments], drop_name: false });
                            res.len() - 1
                        }
                    }
                }
            };
            last = Some((value.to_bits(), place));
            let count = &mut res[place].values[moment];
            *count = if is_absent(*count) { 1.0 } else { *count + 1.0 };
        }
    }
    Ok(res)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::algebra::tests::row;

    fn check(op: AggregateOp, expect: &[f64]) {
        let rows = [
            row(&[("a", "1"), ("b", "x")], &[1.0, ABSENT, f64::NAN]),
            row(&[("a", "1"), ("b", "y")], &[3.0, ABSENT, 2.0]),
        ];
        let grouping = Grouping { names: vec!["a".into()], is_without: false };
        let mut aggregation = Aggregation::new(op, &grouping, 3);
        rows.iter().for_each(|row| aggregation.add(row));
        let res = aggregation.finish(&[0.5; 3]);
        assert_eq!(res[0].labels.to_string(), r#"{a="1"}"#);
        for (value, expect) in res[0].values.iter().zip(expect) {
            assert!(
                value == expect || value.to_bits() == expect.to_bits() || value.is_nan() && expect.is_nan()
            );
            assert_eq!(is_absent(*value), is_absent(*expect), "{op:?}");
        }
    }

    #[test]
    fn groups_are_made_of_what_is_present() {
        let nan = f64::NAN;
        check(AggregateOp::Sum, &[4.0, ABSENT, nan]);
        check(AggregateOp::Avg, &[2.0, ABSENT, nan]);
        check(AggregateOp::Count, &[2.0, ABSENT, 2.0]);
        check(AggregateOp::Min, &[1.0, ABSENT, 2.0]);
        check(AggregateOp::Max, &[3.0, ABSENT, 2.0]);
        check(AggregateOp::Group, &[1.0, ABSENT, 1.0]);
        check(AggregateOp::Stdvar, &[1.0, ABSENT, nan]);
        check(AggregateOp::Stddev, &[1.0, ABSENT, nan]);
        check(AggregateOp::Quantile, &[2.0, ABSENT, nan]);
    }

    #[test]
    fn values_are_counted_under_their_text() {
        let rows = [row(&[("a", "1")], &[1.0, 2.0]), row(&[("a", "2")], &[1.0, ABSENT])];
        let count = |most: usize| {
            let mut n_left = most;
            let hold = |n: usize| n_left.checked_sub(n).map(|left| n_left = left).ok_or(());
            count_values(&rows, &Grouping::default(), "v", 2, |value| value.to_string(), hold)
        };
        assert!(count(3).is_err());
        let res = count(4).unwrap();
        let shown: Vec<String> =
            res.iter().map(|row| format!("{} {:?}", row.labels, row.values[0])).collect();
        assert_eq!(shown[0], r#"{v="1"} 2.0"#);
        assert_eq!(res[1].values[1], 1.0);
    }
}
