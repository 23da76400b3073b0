//! Aggregations that pick rows and leave them as they are: `topk`, `bottomk`, `limitk` and
//! `limit_ratio`.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::aggregate::Grouping;
use super::{ABSENT, Row, is_absent};
use crate::record::Labels;

/// How rows of a group are picked at each moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// The greatest; a NaN only when there is nothing else.
    Top,
    /// The least; a NaN only when there is nothing else.
    Bottom,
    /// The first to come.
    First,
}

/// Compares two values by what is picked first.
fn order(pick: Pick, one: f64, other: f64) -> Ordering {
    match (one.is_nan(), other.is_nan()) {
        _ if pick == Pick::First => Ordering::Equal,
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) if pick == Pick::Top => other.total_cmp(&one),
        (false, false) => one.total_cmp(&other),
    }
}

fn groups(rows: &[Row], grouping: &Grouping) -> Vec<Vec<usize>> {
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut res: Vec<Vec<usize>> = Vec::new();
    for (idx, row) in rows.iter().enumerate() {
        let place = *places.entry(grouping.key(&row.labels)).or_insert_with(|| {
            res.push(Vec::new());
            res.len() - 1
        });
        res[place].push(idx);
    }
    res
}

/// Leaves each row its values at the moments at which it is among the `counts` picked of its
/// group. Of one moment alone the rows come in the order of their picking.
pub fn pick(mut rows: Vec<Row>, grouping: &Grouping, pick: Pick, counts: &[f64]) -> Vec<Row> {
    let groups = groups(&rows, grouping);
    let mut in_order = Vec::new();
    let mut present: Vec<(f64, usize)> = Vec::new();
    for (moment, wanted) in counts.iter().enumerate() {
        for group in &groups {
            present.clear();
            let values = group.iter().map(|idx| (rows[*idx].values[moment], *idx));
            present.extend(values.filter(|(value, _)| !is_absent(*value)));
            let n_wanted = if *wanted >= 1.0 { present.len().min(*wanted as usize) } else { 0 };
            let by_pick = |(one, one_idx): &(f64, usize), (other, other_idx): &(f64, usize)| {
                order(pick, *one, *other).then(one_idx.cmp(other_idx))
            };
            // Far fewer are wanted than there are, as a rule.
            if n_wanted > 0 && n_wanted < present.len() {
                present.select_nth_unstable_by(n_wanted - 1, by_pick);
            }
            for (_, idx) in &present[n_wanted..] {
                rows[*idx].values[moment] = ABSENT;
            }
            if counts.len() == 1 {
                present.truncate(n_wanted);
                present.sort_unstable_by(by_pick);
                in_order.extend(present.iter().map(|(_, idx)| *idx));
            }
        }
    }
    if counts.len() == 1 {
        let mut rows: Vec<Option<Row>> = rows.into_iter().map(Some).collect();
        return in_order.into_iter().filter_map(|idx| rows[idx].take()).collect();
    }
    rows.retain(|row| !row.is_empty());
    rows
}

/// A number from 0 to 1 that belongs to a label set: its hash in Prometheus, which picks by it, so
/// that both pick the same.
///
/// There it is XXH64 over the texts, each behind its length: one byte, or 255 and three bytes.
fn offset(labels: &Labels) -> f64 {
    let mut bytes = Vec::new();
    for text in labels.iter().flat_map(|(name, value)| [name, value]) {
        match u8::try_from(text.len()) {
            Ok(len) if len < u8::MAX => bytes.push(len),
            _ => {
                bytes.push(u8::MAX);
                bytes.extend_from_slice(&text.len().to_le_bytes()[..3]);
            }
        }
        bytes.extend_from_slice(text.as_bytes());
    }
    xxhash_rust::xxh64::xxh64(&bytes, 0) as f64 / u64::MAX as f64
}

/// `limit_ratio`: leaves a share of the rows, by a hash of their labels, so that the same rows
/// are picked each time; a negative ratio picks the others.
pub fn limit_ratio(mut rows: Vec<Row>, ratios: &[f64]) -> Vec<Row> {
    for row in &mut rows {
        let offset = offset(&row.labels);
        for (value, ratio) in row.values.iter_mut().zip(ratios) {
            let ratio = ratio.clamp(-1.0, 1.0);
            let is_picked = if ratio >= 0.0 { offset < ratio } else { offset >= 1.0 + ratio };
            if !is_picked {
                *value = ABSENT;
            }
        }
    }
    rows.retain(|row| !row.is_empty());
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::algebra::tests::row;

    fn names(rows: &[Row]) -> Vec<&str> {
        rows.iter().map(|row| row.labels.get("a")).collect()
    }

    #[test]
    fn the_greatest_come_first_and_nan_last() {
        let rows = || {
            let values = [2.0, f64::NAN, 3.0, 1.0, ABSENT];
            let row = |(idx, value): (usize, &f64)| row(&[("a", &idx.to_string())], &[*value]);
            values.iter().enumerate().map(row).collect::<Vec<_>>()
        };
        let all = Grouping::default();
        assert_eq!(names(&pick(rows(), &all, Pick::Top, &[2.0])), ["2", "0"]);
        assert_eq!(names(&pick(rows(), &all, Pick::Bottom, &[2.0])), ["3", "0"]);
        assert_eq!(names(&pick(rows(), &all, Pick::Top, &[9.0])), ["2", "0", "3", "1"]);
        assert_eq!(names(&pick(rows(), &all, Pick::First, &[2.0])), ["0", "1"]);
        assert!(pick(rows(), &all, Pick::Top, &[0.5]).is_empty());
    }

    #[test]
    fn over_many_moments_each_is_picked_by_itself() {
        let rows = vec![row(&[("a", "0")], &[1.0, 5.0]), row(&[("a", "1")], &[2.0, 4.0])];
        let res = pick(rows, &Grouping::default(), Pick::Top, &[1.0, 1.0]);
        assert!(is_absent(res[0].values[0]) && res[0].values[1] == 5.0);
        assert!(is_absent(res[1].values[1]) && res[1].values[0] == 2.0);
    }

    #[test]
    fn a_ratio_and_its_complement_share_the_rows() {
        let rows = || (0..100).map(|idx| row(&[("a", &idx.to_string())], &[1.0])).collect::<Vec<_>>();
        let (some, others) = (limit_ratio(rows(), &[0.3]), limit_ratio(rows(), &[-0.7]));
        assert_eq!(some.len() + others.len(), 100);
        assert!((15..50).contains(&some.len()), "{}", some.len());
        assert_eq!(limit_ratio(rows(), &[2.0]).len(), 100);
        assert!(limit_ratio(rows(), &[0.0]).is_empty());
    }
}
