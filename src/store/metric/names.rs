//! Which series, label names and label values there are, without reading any sample.
//!
//! Answers come from the facts of the partitions that meet the range, so they may name a
//! series that has its samples just outside.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::read::{Part, Selection, Wanted};
use crate::record::Labels;
use crate::record::labels::METRIC_NAME;
use crate::record::read::{ReadError, SeriesSelect, accepted};
use crate::store::disk::partition::Kind;
use crate::store::labels::{Cardinality, LabelTable};
use crate::store::state::Shared;
use crate::store::stats::{LabelCardinality, SeriesCardinality};

/// Raw data and both roll-ups: a series of last year lives on in the last.
const KINDS: [Kind; 3] = [Kind::Metrics, Kind::Minutes, Kind::Hours];

fn candidates(shared: &Shared, select: &SeriesSelect) -> (Vec<Part>, BTreeSet<Labels>) {
    let state = shared.state();
    let parts = |kind| Part::of(&state, kind, select.from.0, select.to.0);
    let is_in_range =
        |range: Option<(_, _)>| range.is_some_and(|(first, last)| first <= select.to && last >= select.from);
    let windows = state.windows.iter().filter(|window| is_in_range(window.range()));
    let open = windows.flat_map(|window| window.series()).filter(|set| accepted(&select.matchers, set));
    (KINDS.into_iter().flat_map(parts).collect(), open.cloned().collect())
}

/// Returns the label sets of the selected series, sorted.
pub fn label_sets(shared: &Shared, select: &SeriesSelect) -> Result<Vec<Labels>, ReadError> {
    let (parts, open) = candidates(shared, select);
    Ok(Selection::of(shared, Wanted::Accepted(&select.matchers), parts, open)?.into_labels().collect())
}

/// Returns the names of the labels that the selected series have, sorted.
pub fn label_names(shared: &Shared, select: &SeriesSelect) -> Result<Vec<String>, ReadError> {
    let of_table = |table: &LabelTable, res: &mut BTreeSet<String>| {
        res.extend(table.names().into_iter().map(str::to_string));
    };
    gather(shared, select, of_table, |set, res| {
        for (name, _) in set.iter() {
            if !res.contains(name) {
                res.insert(name.to_string());
            }
        }
    })
}

/// Returns the values that a label of the selected series has, sorted.
pub fn label_values(shared: &Shared, name: &str, select: &SeriesSelect) -> Result<Vec<String>, ReadError> {
    let of_table = |table: &LabelTable, res: &mut BTreeSet<String>| {
        res.extend(table.values(name).into_iter().map(str::to_string));
    };
    gather(shared, select, of_table, |set, res| {
        let value = set.get(name);
        if !value.is_empty() && !res.contains(value) {
            res.insert(value.to_string());
        }
    })
}

/// How many series there are now, and which names, values and metrics have most of them.
pub fn cardinality(shared: &Shared, n_max: usize) -> SeriesCardinality {
    let mut table = LabelTable::default();
    {
        let state = shared.state();
        for set in state.windows.iter().flat_map(|window| window.series()) {
            // A series is in two windows while one of them waits for the disk.
            if table.id_of(set).is_none() {
                table.push(set.clone());
            }
        }
    }
    let owned = |top: Vec<(&str, usize)>| top.into_iter().map(|(value, n)| (value.to_string(), n)).collect();
    let mut labels: Vec<LabelCardinality> = table
        .cardinality()
        .into_iter()
        .map(|Cardinality { name, n_values, n_sets }| LabelCardinality {
            name: name.to_string(),
            n_values,
            n_series: n_sets,
        })
        .collect();
    labels.sort_by_key(|label| Reverse(label.n_values));
    labels.truncate(n_max);
    SeriesCardinality { n_series: table.len(), metrics: owned(table.top_values(METRIC_NAME, n_max)), labels }
}

// Without matchers the index of a partition says it all, whatever the number of series.
fn gather(
    shared: &Shared,
    select: &SeriesSelect,
    of_table: impl Fn(&LabelTable, &mut BTreeSet<String>),
    of_set: impl Fn(&Labels, &mut BTreeSet<String>),
) -> Result<Vec<String>, ReadError> {
    let mut res = BTreeSet::new();
    if select.matchers.is_empty() {
        let (parts, open) = candidates(shared, select);
        open.iter().for_each(|set| of_set(set, &mut res));
        for Part { partition, active, .. } in parts {
            if let Some(facts) = shared.known(&partition, active) {
                of_table(&facts.metrics().series, &mut res);
            }
        }
    } else {
        label_sets(shared, select)?.iter().for_each(|set| of_set(set, &mut res));
    }
    Ok(res.into_iter().collect())
}
