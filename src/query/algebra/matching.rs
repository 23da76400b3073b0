//! Which rows of two vectors belong together, and operators between them.
//!
//! Rows meet by the labels of `on` or without those of `ignoring`. At one moment no more than
//! one row of the side of one may be present for each such label set. As a row may end where
//! another of the same set begins, that is checked moment by moment, but only where a set has
//! more than one row.

use std::collections::HashMap;

use super::arithmetic::BinaryOp;
use super::{ABSENT, METRIC_LABELS, Row, all_absent, is_absent};
use crate::record::Labels;
use crate::record::labels::METRIC_NAME;

/// How many rows of one side may meet how many of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cardinality {
    /// One and one; the default.
    OneToOne,
    /// `group_left`: many on the left, one on the right.
    ManyToOne,
    /// `group_right`: one on the left, many on the right.
    OneToMany,
    /// Only and always of the set operators.
    ManyToMany,
}

impl Cardinality {
    /// Returns Prometheus's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Cardinality::OneToOne => "one-to-one",
            Cardinality::ManyToOne => "many-to-one",
            Cardinality::OneToMany => "one-to-many",
            Cardinality::ManyToMany => "many-to-many",
        }
    }
}

/// Which rows of two vectors belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Matching {
    /// How many may meet.
    pub cardinality: Cardinality,
    /// The labels of `on` or `ignoring`.
    pub labels: Vec<String>,
    /// `on` rather than `ignoring`.
    pub is_on: bool,
    /// The labels of `group_left` or `group_right`, taken over from the side of one.
    pub include: Vec<String>,
}

/// Why two vectors do not meet.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MatchError {
    /// At one moment the side of one has two rows for one label set.
    #[error(
        "found duplicate series for the match group {group} on the {side} hand-side of the operation: \
         [{one}, {other}];many-to-many matching not allowed: matching labels must be unique on one side"
    )]
    ManyToMany {
        /// The labels by which they meet.
        group: String,
        /// `left` or `right`.
        side: &'static str,
        /// The lesser of the two.
        one: String,
        /// The greater.
        other: String,
    },
    /// At one moment two rows meet one, and no `group_left` or `group_right` allows it.
    #[error("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)")]
    Implicit,
    /// At one moment two results have the same labels.
    #[error("multiple matches for labels: grouping labels must ensure unique matches")]
    SameResult,
}

impl Matching {
    /// Returns the part of a label set by which it meets others.
    pub fn key(&self, labels: &Labels) -> Labels {
        let mut names: Vec<&str> = self.labels.iter().map(String::as_str).collect();
        if self.is_on {
            labels.only(&names)
        } else {
            names.push(METRIC_NAME);
            labels.without(&names)
        }
    }

    /// Returns the labels of what two rows make; `many` is the left one of one to one.
    fn result(&self, op: BinaryOp, many: &Labels, one: &Labels) -> Labels {
        let names: Vec<&str> = self.labels.iter().map(String::as_str).collect();
        let mut res = many.clone();
        if op.is_arithmetic() {
            res = res.without(&METRIC_LABELS);
        }
        if self.cardinality == Cardinality::OneToOne {
            res = if self.is_on { res.only(&names) } else { res.without(&names) };
        }
        if self.include.is_empty() {
            return res;
        }
        Labels::new(res.iter().chain(self.include.iter().map(|name| (name.as_str(), one.get(name)))))
    }
}

/// The rows of one label set on both sides, by their numbers.
#[derive(Default)]
struct Group {
    many: Vec<usize>,
    one: Vec<usize>,
}

/// Applies an operator that is no set operator to two vectors.
///
/// One row may meet all of the other side, so `hold` is asked before each pair whether to go on,
/// and told of the values that are made next.
pub fn binary<E: From<MatchError>>(
    op: BinaryOp,
    is_bool: bool,
    matching: &Matching,
    lhs: &[Row],
    rhs: &[Row],
    n_moments: usize,
    hold: &mut dyn FnMut(usize) -> Result<(), E>,
) -> Result<Vec<Row>, E> {
    let is_swapped = matching.cardinality == Cardinality::OneToMany;
    let (many, one) = if is_swapped { (rhs, lhs) } else { (lhs, rhs) };
    let is_any = [presence(many, n_moments), presence(one, n_moments)];
    let mut groups: HashMap<Labels, Group> = HashMap::new();
    for (idx, row) in many.iter().enumerate() {
        groups.entry(matching.key(&row.labels)).or_default().many.push(idx);
    }
    for (idx, row) in one.iter().enumerate() {
        groups.entry(matching.key(&row.labels)).or_default().one.push(idx);
    }
    // The same fault is found each time.
    let mut groups: Vec<(&Labels, &Group)> = groups.iter().collect();
    groups.sort_by_key(|(key, _)| *key);
    let mut made: Vec<(usize, Row)> = Vec::new();
    for (key, group) in groups {
        if group.one.len() > 1 {
            refuse_many(matching, key, &group.one, one, &is_any)?;
        }
        if group.one.is_empty() {
            continue;
        }
        let meeting = Meeting { op, is_bool, is_swapped, matching, n_moments };
        made.extend(meeting.rows(group, many, one, hold)?);
    }
    made.sort_by_key(|(idx, _)| *idx);
    Ok(made.into_iter().map(|(_, row)| row).collect())
}

/// Returns for each moment whether any row has a value.
fn presence(rows: &[Row], n_moments: usize) -> Vec<bool> {
    let mut res = vec![false; n_moments];
    for row in rows {
        for (is_any, value) in res.iter_mut().zip(&row.values) {
            *is_any |= !is_absent(*value);
        }
    }
    res
}

/// Two present rows of the side of one are refused even where nothing meets them, unless the
/// other vector is empty at that moment.
fn refuse_many(
    matching: &Matching,
    key: &Labels,
    group: &[usize],
    one: &[Row],
    [many_any, one_any]: &[Vec<bool>; 2],
) -> Result<(), MatchError> {
    for moment in (0..many_any.len()).filter(|moment| many_any[*moment] && one_any[*moment]) {
        let mut present = group.iter().filter(|idx| !is_absent(one[**idx].values[moment]));
        if let (Some(first), Some(second)) = (present.next(), present.next()) {
            let mut named = [one[*first].labels.to_string(), one[*second].labels.to_string()];
            named.sort();
            let [first, second] = named.map(|labels| prometheus_form(&labels));
            let side = if matching.cardinality == Cardinality::OneToMany { "left" } else { "right" };
            let group = prometheus_form(&key.to_string());
            return Err(MatchError::ManyToMany { group, side, one: first, other: second });
        }
    }
    Ok(())
}

/// Prometheus writes a space behind each comma between labels.
fn prometheus_form(labels: &str) -> String {
    let mut res = String::with_capacity(labels.len() + 8);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for c in labels.chars() {
        res.push(c);
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => res.push(' '),
            _ => {}
        }
    }
    res
}

/// Returns true when two rows have values at one moment.
fn ever_meet(one: &Row, other: &Row) -> bool {
    one.values.iter().zip(&other.values).any(|(one, other)| !is_absent(*one) && !is_absent(*other))
}

struct Meeting<'a> {
    op: BinaryOp,
    is_bool: bool,
    is_swapped: bool,
    matching: &'a Matching,
    n_moments: usize,
}

impl Meeting<'_> {
    /// Returns what the rows of one group make, each with the number of the row of many that it
    /// comes from.
    fn rows<E: From<MatchError>>(
        &self,
        group: &Group,
        many: &[Row],
        one: &[Row],
        hold: &mut dyn FnMut(usize) -> Result<(), E>,
    ) -> Result<Vec<(usize, Row)>, E> {
        let mut res: Vec<(usize, Row)> = Vec::new();
        let mut places: HashMap<Labels, usize> = HashMap::new();
        // Where a value of these labels was made, also one that a comparison then dropped.
        let mut taken: HashMap<Labels, Vec<bool>> = HashMap::new();
        let is_alone = group.many.len() == 1 && group.one.len() == 1;
        for many_idx in &group.many {
            for one_idx in &group.one {
                let (left, right) = (&many[*many_idx], &one[*one_idx]);
                hold(0)?;
                if !is_alone && !ever_meet(left, right) {
                    continue;
                }
                let labels = self.matching.result(self.op, &left.labels, &right.labels);
                if !is_alone {
                    // A place for each moment, an eighth of a value's size.
                    hold(self.n_moments / 8)?;
                    self.claim(&mut taken, &labels, left, right)?;
                }
                let values = self.values(left, right);
                if all_absent(&values) {
                    continue;
                }
                match places.get(&labels) {
                    Some(place) => {
                        let kept = res[*place].1.values.iter_mut().zip(values);
                        kept.filter(|(_, value)| !is_absent(*value)).for_each(|(kept, value)| *kept = value);
                    }
                    None => {
                        hold(self.n_moments)?;
                        places.insert(labels.clone(), res.len());
                        res.push((*many_idx, Row { labels, values, drop_name: self.is_bool }));
                    }
                }
            }
        }
        Ok(res)
    }

    fn claim(
        &self,
        taken: &mut HashMap<Labels, Vec<bool>>,
        labels: &Labels,
        left: &Row,
        right: &Row,
    ) -> Result<(), MatchError> {
        let is_one_to_one = self.matching.cardinality == Cardinality::OneToOne;
        // One to one allows one result a group, whatever its labels; they are the same anyway
        // but for a name that a comparison keeps.
        let key = if is_one_to_one { Labels::default() } else { labels.clone() };
        let taken = taken.entry(key).or_insert_with(|| vec![false; self.n_moments]);
        for (moment, is_taken) in taken.iter_mut().enumerate() {
            if is_absent(left.values[moment]) || is_absent(right.values[moment]) {
                continue;
            }
            if *is_taken {
                return Err(if is_one_to_one { MatchError::Implicit } else { MatchError::SameResult });
            }
            *is_taken = true;
        }
        Ok(())
    }

    fn values(&self, many: &Row, one: &Row) -> Vec<f64> {
        let value = |(many, one): (&f64, &f64)| {
            if is_absent(*many) || is_absent(*one) {
                return ABSENT;
            }
            let (lhs, rhs) = if self.is_swapped { (*one, *many) } else { (*many, *one) };
            self.op.of_elements(lhs, rhs, self.is_bool)
        };
        many.values.iter().zip(&one.values).map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::algebra::tests::row;

    /// Applies an operator without any bound.
    fn all(
        op: BinaryOp,
        is_bool: bool,
        matching: &Matching,
        lhs: &[Row],
        rhs: &[Row],
        n_moments: usize,
    ) -> Result<Vec<Row>, MatchError> {
        binary(op, is_bool, matching, lhs, rhs, n_moments, &mut |_| Ok(()))
    }

    fn matching(cardinality: Cardinality, is_on: bool, labels: &[&str], include: &[&str]) -> Matching {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_string()).collect();
        Matching { cardinality, labels: owned(labels), is_on, include: owned(include) }
    }

    fn shown(rows: Result<Vec<Row>, MatchError>) -> Vec<String> {
        let shown = |row: &Row| {
            format!("{} {:?}", row.labels, row.values.iter().map(|v| !is_absent(*v)).collect::<Vec<_>>())
        };
        match rows {
            Ok(rows) => rows.iter().map(shown).collect(),
            Err(error) => vec![error.to_string()],
        }
    }

    #[test]
    fn rows_meet_by_their_labels_and_lose_their_name() {
        let lhs = [row(&[("__name__", "x"), ("a", "1"), ("b", "2")], &[6.0])];
        let rhs = [row(&[("__name__", "y"), ("a", "1")], &[3.0]), row(&[("a", "2")], &[1.0])];
        let on = matching(Cardinality::OneToOne, true, &["a"], &[]);
        let res = all(BinaryOp::Div, false, &on, &lhs, &rhs, 1).unwrap();
        assert_eq!(res[0].labels.to_string(), r#"{a="1"}"#);
        assert_eq!(res[0].values, [2.0]);
        let ignoring = matching(Cardinality::OneToOne, false, &["b"], &[]);
        let res = all(BinaryOp::Greater, false, &ignoring, &lhs, &rhs, 1).unwrap();
        assert_eq!(res[0].labels.to_string(), r#"{__name__="x",a="1"}"#);
        assert_eq!(res[0].values, [6.0]);
    }

    #[test]
    fn many_meet_one_only_when_that_is_allowed() {
        let many =
            [row(&[("a", "1"), ("b", "1")], &[1.0, 1.0]), row(&[("a", "1"), ("b", "2")], &[ABSENT, 2.0])];
        let one = [row(&[("a", "1"), ("v", "x")], &[10.0, 10.0])];
        let implicit = matching(Cardinality::OneToOne, true, &["a"], &[]);
        assert_eq!(
            shown(all(BinaryOp::Add, false, &implicit, &many, &one, 2)),
            [MatchError::Implicit.to_string()]
        );
        let left = matching(Cardinality::ManyToOne, true, &["a"], &["v"]);
        assert_eq!(
            shown(all(BinaryOp::Add, false, &left, &many, &one, 2)),
            [r#"{a="1",b="1",v="x"} [true, true]"#, r#"{a="1",b="2",v="x"} [false, true]"#]
        );
        let right = matching(Cardinality::OneToMany, true, &["a"], &[]);
        let res = all(BinaryOp::Sub, false, &right, &one, &many, 2).unwrap();
        assert_eq!(res[0].values, [9.0, 9.0]);
        assert_eq!(
            all(BinaryOp::Sub, false, &left, &one, &many, 2).unwrap_err().to_string(),
            "found duplicate series for the match group {a=\"1\"} on the right hand-side of the operation: \
             [{a=\"1\", b=\"1\"}, {a=\"1\", b=\"2\"}];many-to-many matching not allowed: \
             matching labels must be unique on one side"
        );
    }

    #[test]
    fn rows_that_take_turns_may_share_a_partner() {
        let lhs =
            [row(&[("a", "1"), ("b", "1")], &[1.0, ABSENT]), row(&[("a", "1"), ("b", "2")], &[ABSENT, 2.0])];
        let rhs = [row(&[("a", "1")], &[10.0, 10.0])];
        let on = matching(Cardinality::OneToOne, true, &["a"], &[]);
        let res = all(BinaryOp::Add, false, &on, &lhs, &rhs, 2).unwrap();
        assert_eq!(res.len(), 1);
        assert_eq!(res[0].values, [11.0, 12.0]);
        // The side of one too, and nothing is said of its doubles where the other is empty.
        let doubles =
            [row(&[("a", "1"), ("b", "1")], &[1.0, 1.0]), row(&[("a", "1"), ("b", "2")], &[1.0, ABSENT])];
        let late = [row(&[("a", "1")], &[ABSENT, 10.0])];
        let res = all(BinaryOp::Add, false, &on, &late, &doubles, 2).unwrap();
        assert!(is_absent(res[0].values[0]) && res[0].values[1] == 11.0);
    }
}
