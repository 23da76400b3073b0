//! `and`, `or` and `unless`: which rows stay at which moments.

use std::collections::HashMap;

use super::matching::Matching;
use super::{ABSENT, Row, is_absent};
use crate::record::Labels;

/// For each label set by which rows meet, the moments at which any row has a value.
fn moments(matching: &Matching, rows: &[Row]) -> HashMap<Labels, Vec<bool>> {
    let mut res: HashMap<Labels, Vec<bool>> = HashMap::new();
    for row in rows {
        let known = res.entry(matching.key(&row.labels)).or_insert_with(|| vec![false; row.values.len()]);
        for (is_any, value) in known.iter_mut().zip(&row.values) {
            *is_any |= !is_absent(*value);
        }
    }
    res
}

/// Keeps the values for which `keep` says yes to "the other side has a row that meets this one".
fn filtered(mut rows: Vec<Row>, matching: &Matching, other: &[Row], keep: impl Fn(bool) -> bool) -> Vec<Row> {
    let other = moments(matching, other);
    rows.retain_mut(|row| {
        let met = other.get(&matching.key(&row.labels));
        for (idx, value) in row.values.iter_mut().enumerate() {
            if !keep(met.is_some_and(|met| met[idx])) {
                *value = ABSENT;
            }
        }
        !row.is_empty()
    });
    rows
}

/// Returns what is on the left where something on the right meets it.
pub fn and(lhs: Vec<Row>, rhs: &[Row], matching: &Matching) -> Vec<Row> {
    filtered(lhs, matching, rhs, |is_met| is_met)
}

/// Returns what is on the left where nothing on the right meets it.
pub fn unless(lhs: Vec<Row>, rhs: &[Row], matching: &Matching) -> Vec<Row> {
    filtered(lhs, matching, rhs, |is_met| !is_met)
}

/// Returns all of the left, and of the right what nothing on the left meets. Rows of both sides
/// that have equal labels, at different moments, are not yet joined.
pub fn or(lhs: Vec<Row>, rhs: Vec<Row>, matching: &Matching) -> Vec<Row> {
    let added = filtered(rhs, matching, &lhs, |is_met| !is_met);
    lhs.into_iter().chain(added).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::algebra::matching::Cardinality;
    use crate::query::algebra::tests::row;

    #[test]
    fn sets_are_kept_moment_by_moment() {
        let on_a = Matching {
            cardinality: Cardinality::ManyToMany,
            labels: vec!["a".into()],
            is_on: true,
            include: Vec::new(),
        };
        let lhs = || vec![row(&[("a", "1"), ("b", "x")], &[1.0, 2.0]), row(&[("a", "2")], &[3.0, 4.0])];
        let rhs = || vec![row(&[("a", "1")], &[9.0, ABSENT]), row(&[("a", "3")], &[ABSENT, 8.0])];
        let kept = and(lhs(), &rhs(), &on_a);
        assert_eq!(kept.len(), 1);
        assert!(kept[0].values[0] == 1.0 && is_absent(kept[0].values[1]));
        let rest = unless(lhs(), &rhs(), &on_a);
        assert!(is_absent(rest[0].values[0]) && rest[0].values[1] == 2.0);
        assert_eq!(rest[1].values, [3.0, 4.0]);
        let all = or(lhs(), rhs(), &on_a);
        assert_eq!(all.len(), 3);
        assert!(is_absent(all[2].values[0]) && all[2].values[1] == 8.0);
    }
}
