//! The vector algebra under both query languages: rows of numbers at common moments, and what
//! can be done with them.
//!
//! A [`Row`] is a label set with one place for each moment of a [`Grid`]. Everything here works
//! on whole rows, so that label sets are compared once and not at every moment. An operation
//! that Prometheus defines at one moment (matching, `topk`) looks at the moments one by one
//! only where more than one row could take part.

pub mod aggregate;
pub mod arithmetic;
pub mod matching;
pub mod pick;
pub mod set;

use crate::record::Labels;
use crate::record::labels::METRIC_NAME;
use crate::record::metric::STALE_NAN_BITS;

/// The value of a row at a moment where it has none: the staleness marker, which is no value of
/// any query. It takes half the memory of an `Option`.
pub const ABSENT: f64 = f64::from_bits(STALE_NAN_BITS);

/// Labels that say what a metric is and not where its values come from: what is computed from
/// it does not keep them.
const METRIC_LABELS: [&str; 3] = [METRIC_NAME, "__type__", "__unit__"];

/// Returns true for [`ABSENT`], and for no other NaN.
pub fn is_absent(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}

/// Returns true when there is no value among these.
pub fn all_absent(values: &[f64]) -> bool {
    values.iter().all(|value| is_absent(*value))
}

/// Evenly spaced moments in milliseconds since 1970; there may be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// The first moment.
    pub first_ms: i64,
    /// Their distance, more than none.
    pub step_ms: i64,
    /// How many there are.
    pub count: usize,
}

impl Grid {
    /// Returns one moment alone.
    pub fn one(at_ms: i64) -> Self {
        Grid { first_ms: at_ms, step_ms: 1, count: 1 }
    }

    /// Returns the moments from the first up to and including the last; none when it is earlier.
    pub fn new(first_ms: i64, last_ms: i64, step_ms: i64) -> Self {
        let step_ms = step_ms.max(1);
        let count = match last_ms.checked_sub(first_ms) {
            Some(span) if span >= 0 => usize::try_from(span / step_ms).map_or(usize::MAX, |steps| steps + 1),
            Some(_) => 0,
            None if last_ms > first_ms => usize::MAX,
            None => 0,
        };
        Grid { first_ms, step_ms, count }
    }

    /// Returns a moment by its number.
    pub fn at(&self, idx: usize) -> i64 {
        // Far moments stay in the range of their type; there is nothing there.
        self.first_ms.saturating_add(self.step_ms.saturating_mul(idx as i64))
    }

    /// Returns the last moment; the first when there is none.
    pub fn last_ms(&self) -> i64 {
        self.at(self.count.saturating_sub(1))
    }

    /// Returns values of which there is one a moment, or the one that is the same at every moment.
    pub fn spread(&self, values: Vec<f64>) -> Vec<f64> {
        match values[..] {
            [only] => vec![only; self.count],
            _ => values,
        }
    }

    /// Returns the moments in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = i64> + use<> {
        let grid = *self;
        (0..grid.count).map(move |idx| grid.at(idx))
    }
}

/// A label set with a value, or [`ABSENT`], at each moment.
#[derive(Clone, Debug)]
pub struct Row {
    /// What the values belong to.
    pub labels: Labels,
    /// One place a moment.
    pub values: Vec<f64>,
    /// The metric's name is no longer true of the values, and is taken away at the very end:
    /// until then it still tells rows apart (Prometheus's delayed name removal).
    pub drop_name: bool,
}

impl Row {
    /// Returns true when there is no value at any moment.
    pub fn is_empty(&self) -> bool {
        all_absent(&self.values)
    }

    /// Replaces each value by a function of it.
    pub fn map(&mut self, function: impl Fn(f64) -> f64) {
        for value in self.values.iter_mut().filter(|value| !is_absent(**value)) {
            *value = present(function(*value));
        }
    }
}

/// Returns a value that is not [`ABSENT`], whatever bits a computation left in a NaN.
pub fn present(value: f64) -> f64 {
    if is_absent(value) { f64::NAN } else { value }
}

/// Returns a label set without what says which metric it is.
pub fn without_metric(labels: &Labels) -> Labels {
    if labels.iter().any(|(name, _)| METRIC_LABELS.contains(&name)) {
        labels.without(&METRIC_LABELS)
    } else {
        labels.clone()
    }
}

/// Two rows with equal labels have a value at one moment.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("vector cannot contain metrics with the same labelset")]
pub struct SameLabels;

/// Joins rows with equal labels into one, which is an error where both have a value.
pub fn merge_equal(rows: Vec<Row>) -> Result<Vec<Row>, SameLabels> {
    let mut known = std::collections::HashMap::with_capacity(rows.len());
    let mut res: Vec<Row> = Vec::with_capacity(rows.len());
    for row in rows {
        match known.entry(row.labels.clone()) {
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(res.len());
                res.push(row);
            }
            std::collections::hash_map::Entry::Occupied(place) => {
                let first: &mut Row = &mut res[*place.get()];
                for (kept, value) in first.values.iter_mut().zip(&row.values) {
                    match (is_absent(*kept), is_absent(*value)) {
                        (_, true) => {}
                        (true, false) => *kept = *value,
                        (false, false) => return Err(SameLabels),
                    }
                }
            }
        }
    }
    Ok(res)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn row(labels: &[(&str, &str)], values: &[f64]) -> Row {
        Row { labels: Labels::new(labels.iter().copied()), values: values.to_vec(), drop_name: false }
    }

    #[test]
    fn a_grid_counts_its_moments_and_may_have_none() {
        assert_eq!(Grid::new(0, 30, 10).iter().collect::<Vec<_>>(), [0, 10, 20, 30]);
        assert_eq!(Grid::new(0, 39, 10).last_ms(), 30);
        assert_eq!(Grid::new(1, 0, 10).count, 0);
        assert_eq!(Grid::new(i64::MIN, i64::MAX, 1).count, usize::MAX);
        assert_eq!(Grid::one(7).iter().collect::<Vec<_>>(), [7]);
    }

    #[test]
    fn nothing_stays_nothing_and_a_nan_stays_a_value() {
        let mut row = row(&[], &[ABSENT, 1.0, f64::NAN]);
        row.map(|value| if value.is_nan() { ABSENT } else { value + 1.0 });
        assert!(is_absent(row.values[0]));
        assert_eq!(row.values[1], 2.0);
        assert!(row.values[2].is_nan() && !is_absent(row.values[2]));
    }

    #[test]
    fn equal_rows_become_one_unless_they_meet() {
        let (one, other) = (row(&[("a", "1")], &[1.0, ABSENT]), row(&[("a", "1")], &[ABSENT, 2.0]));
        let merged = merge_equal(vec![one.clone(), other.clone()]).unwrap();
        assert_eq!(merged[0].values, [1.0, 2.0]);
        assert_eq!(merge_equal(vec![one, row(&[("a", "1")], &[3.0, ABSENT])]).unwrap_err(), SameLabels);
    }
}
