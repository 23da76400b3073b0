//! Label sets by number, and which of them a list of matchers accepts.
//!
//! One table holds the series or the log streams of one partition. It promises that a
//! selection is what a look at every set would give; it finds it through lists of the sets
//! that have a value, which are made when something first asks for them and go when the
//! table grows. A clone shares texts and lists. The table refuses to know how many sets
//! are too many: its ids are 32 bits, and the caller's limit (20,000 series) is far below.

mod ids;
mod index;

use std::cmp::Reverse;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, OnceLock};

use self::ids::Ids;
use self::index::{Index, Lists};
use crate::record::Labels;
use crate::record::read::{MatchOp, Matcher};
use crate::store::wire::{Damaged, Reader, put_labels, put_varint};

/// So few sets are looked at one by one: it takes microseconds, less than making a list
/// that only this would need. Tables of log streams mostly are no larger.
const FEW: usize = 64;

/// A slot without an id.
const VACANT: u32 = u32::MAX;

/// Label sets with consecutive ids, from zero on.
#[derive(Clone, Debug, Default)]
pub struct LabelTable {
    sets: Vec<Labels>,
    /// The id of each set at the place that its hash gives, or after it. A map with the
    /// sets as keys would take three times the memory, and count each of them once more.
    slots: Vec<u32>,
    hasher: RandomState,
    text_bytes: usize,
    /// Shared with clones that hold the same sets.
    index: Arc<OnceLock<Index>>,
}

/// How many values a name has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cardinality<'a> {
    /// The name.
    pub name: &'a str,
    /// Its distinct values.
    pub n_values: usize,
    /// The sets that have it.
    pub n_sets: usize,
}

impl LabelTable {
    /// Appends a set and returns its id, which is its place.
    ///
    /// A set that is known gets another id, so that ids read from a disk stay right;
    /// [`LabelTable::id_of`] goes on to return the first.
    pub fn push(&mut self, labels: Labels) -> u32 {
        let id = self.sets.len() as u32;
        self.text_bytes += labels.size_bytes();
        self.sets.push(labels);
        // Half of the slots stay vacant, so that a search ends after one or two.
        if self.sets.len() * 2 > self.slots.len() {
            self.slots = vec![VACANT; (self.sets.len() * 2).next_power_of_two()];
            (0..=id).for_each(|id| self.take_slot(id));
        } else {
            self.take_slot(id);
        }
        // A clone that stays shorter may fill what it shares at any moment, so this table
        // needs one of its own; emptying is enough when there is no clone.
        match Arc::get_mut(&mut self.index) {
            Some(own) => drop(own.take()),
            None => self.index = Arc::default(),
        }
        id
    }

    /// Returns the set with an id that this table gave; panics on any other.
    pub fn get(&self, id: u32) -> &Labels {
        &self.sets[id as usize]
    }

    /// Returns how many sets there are.
    pub fn len(&self) -> usize {
        self.sets.len()
    }

    /// Returns all sets; the place is the id.
    pub fn labels(&self) -> &[Labels] {
        &self.sets
    }

    /// Returns the id of a set, the first if it has several.
    pub fn id_of(&self, labels: &Labels) -> Option<u32> {
        let id = *self.slots.get(self.slot_of(labels)?)?;
        (id != VACANT).then_some(id)
    }

    /// Returns the ids of the sets that all matchers accept, ascending.
    pub fn select(&self, matchers: &[Matcher]) -> Vec<u32> {
        let mut res = Ids::all(self.len());
        // The shortest list first, so that few sets are left for matchers without one.
        let mut plan: Vec<_> = matchers.iter().map(|matcher| (self.wanted(matcher), matcher)).collect();
        plan.sort_by_key(|(wanted, _)| wanted.map_or(usize::MAX, <[u32]>::len));
        for (wanted, matcher) in plan {
            self.narrow(&mut res, wanted, matcher);
        }
        res.iter().collect()
    }

    /// Returns every name, sorted.
    pub fn names(&self) -> Vec<&str> {
        self.index().names().collect()
    }

    /// Returns every value of a name, sorted.
    pub fn values(&self, name: &str) -> Vec<&str> {
        self.lists(name).iter().map(|(value, _)| value).collect()
    }

    /// Returns for each name, sorted, how many values it has and in how many sets.
    pub fn cardinality(&self) -> Vec<Cardinality<'_>> {
        let of = |name| {
            let lists = self.lists(name);
            Cardinality { name, n_values: lists.n_values(), n_sets: lists.n_sets() }
        };
        self.index().names().map(of).collect()
    }

    /// Returns the `n` values of a name that most sets have, with how many these are: the
    /// most frequent first, equally frequent ones sorted.
    pub fn top_values(&self, name: &str, n: usize) -> Vec<(&str, usize)> {
        let mut res: Vec<_> = self.lists(name).iter().map(|(value, list)| (value, list.len())).collect();
        res.sort_by_key(|(_, n_sets)| Reverse(*n_sets));
        res.truncate(n);
        res
    }

    /// Returns about how many bytes the table takes on the heap, texts and lists included
    /// whoever shares them, without what the allocator adds.
    pub fn size_bytes(&self) -> usize {
        self.text_bytes
            + self.sets.capacity() * size_of::<Labels>()
            + self.slots.capacity() * size_of::<u32>()
            + self.index.get().map_or(0, Index::size_bytes)
    }

    fn take_slot(&mut self, id: u32) {
        if let Some(slot) = self.slot_of(self.get(id))
            && self.slots[slot] == VACANT
        {
            self.slots[slot] = id;
        }
    }

    /// Returns the slot of an equal set, or the vacant one that it would take; none while
    /// there are no slots at all.
    fn slot_of(&self, labels: &Labels) -> Option<usize> {
        let last = self.slots.len().checked_sub(1)?;
        let mut slot = self.hasher.hash_one(labels) as usize & last;
        while self.slots[slot] != VACANT && self.get(self.slots[slot]) != labels {
            slot = (slot + 1) & last;
        }
        Some(slot)
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::new(&self.sets))
    }

    fn lists(&self, name: &str) -> Lists<'_> {
        self.index().lists(&self.sets, name)
    }

    /// Returns the sets that a matcher wants, when it names their value.
    fn wanted(&self, matcher: &Matcher) -> Option<&[u32]> {
        match &matcher.op {
            MatchOp::Equal(value) if !value.is_empty() && self.len() > FEW => {
                Some(self.lists(&matcher.name).list(value))
            }
            _ => None,
        }
    }

    /// Takes away the sets that a matcher refuses.
    fn narrow(&self, res: &mut Ids, wanted: Option<&[u32]>, matcher: &Matcher) {
        let n_left = res.count();
        let is_accepted = |id| matcher.accepts(self.get(id));
        if n_left <= FEW {
            return res.retain(is_accepted);
        }
        // What a matcher says of the empty value holds for every set without the label, so
        // only the sets of values for which it says otherwise have to be found.
        let accepts_absent = matcher.accepts_value("");
        let lists = self.lists(&matcher.name);
        let mut otherwise = Ids::none(self.len());
        match (wanted, &matcher.op) {
            (Some(wanted), _) => otherwise.insert(wanted),
            (None, MatchOp::NotEqual(value)) if !value.is_empty() => otherwise.insert(lists.list(value)),
            // A test takes longer than all else here, and values lie further apart than sets.
            _ if n_left <= lists.n_values() => return res.retain(is_accepted),
            _ => lists
                .iter()
                .filter(|(value, _)| matcher.accepts_value(value) != accepts_absent)
                .for_each(|(_, list)| otherwise.insert(list)),
        }
        if accepts_absent { res.subtract(&otherwise) } else { res.intersect(&otherwise) }
    }
}

/// Encodes label sets as the fact that names them.
pub fn labels_fact(all: &[Labels]) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, all.len() as u64);
    all.iter().for_each(|labels| put_labels(&mut out, labels));
    out
}

/// Reads what [`labels_fact`] wrote; the ids go on from those of the table.
pub fn read_labels(content: &[u8], table: &mut LabelTable) -> Result<(), Damaged> {
    let mut reader = Reader::new(content);
    for _ in 0..reader.count()? {
        table.push(reader.labels()?);
    }
    reader.end()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Names `a` to `d`: one in every set with few values, one with many, two at times absent.
    fn set() -> impl Strategy<Value = Labels> {
        let few = prop::sample::select(vec!["x", "xy", "y", "\u{e9}\n"]);
        let or_absent = || prop::sample::select(vec!["", "", "x", "y", "z"]);
        (few, 0..400_u32, or_absent(), or_absent()).prop_map(|(few, many, c, d)| {
            Labels::new([("a", few), ("b", &format!("x{many}")), ("c", c), ("d", d)])
        })
    }

    fn sets() -> impl Strategy<Value = Vec<Labels>> {
        // On both sides of FEW, and of the point at which a regex is run for each set left.
        prop_oneof![prop::collection::vec(set(), 0..=FEW + 1), prop::collection::vec(set(), 150..500)]
    }

    fn matcher() -> impl Strategy<Value = Matcher> {
        let name = prop::sample::select(vec!["a", "b", "c", "d", "absent"]);
        let value = prop::sample::select(vec!["", "x", "y", "xy", "z", "x7", "absent"]);
        let pattern =
            prop::sample::select(vec!["", ".*", ".+", "x", "x|", "x.*", "(x|y)", ".*[0-4]", "[^z]+"]);
        (name, value, pattern, 0..4).prop_map(|(name, value, pattern, kind)| {
            let op = match (kind, Matcher::matches(name, pattern).unwrap().op) {
                (0, _) => MatchOp::Equal(value.into()),
                (1, _) => MatchOp::NotEqual(value.into()),
                (2, MatchOp::Matches(regex)) => MatchOp::MatchesNot(regex),
                (_, op) => op,
            };
            Matcher { name: name.into(), op }
        })
    }

    fn table(sets: &[Labels]) -> LabelTable {
        let mut res = LabelTable::default();
        for (place, labels) in sets.iter().enumerate() {
            assert_eq!(res.push(labels.clone()) as usize, place);
        }
        res
    }

    fn check_selects(table: &LabelTable, sets: &[Labels], matchers: &[Matcher]) {
        let accepts = |labels: &Labels| matchers.iter().all(|matcher| matcher.accepts(labels));
        let expect: Vec<u32> =
            (0..).zip(sets).filter(|(_, labels)| accepts(labels)).map(|(id, _)| id).collect();
        assert_eq!(table.select(matchers), expect, "{matchers:?}");
    }

    proptest! {
        #[test]
        fn a_selection_is_what_a_look_at_every_set_gives(
            sets in sets(),
            more in sets(),
            selections in prop::collection::vec(prop::collection::vec(matcher(), 0..4), 1..8),
        ) {
            let before = table(&sets);
            let mut after = before.clone();
            for matchers in &selections {
                check_selects(&before, &sets, matchers);
            }
            for labels in &more {
                after.push(labels.clone());
            }
            let all = [sets.clone(), more].concat();
            for matchers in &selections {
                check_selects(&after, &all, matchers);
                check_selects(&before, &sets, matchers);
            }
        }

        #[test]
        fn a_set_is_found_by_its_first_id(sets in sets(), other in set()) {
            let table = table(&sets);
            prop_assert_eq!(table.labels(), &sets[..]);
            prop_assert_eq!(table.len(), sets.len());
            for labels in sets.iter().chain([&other]) {
                let first = sets.iter().position(|known| known == labels);
                prop_assert_eq!(table.id_of(labels), first.map(|place| place as u32));
            }
        }

        #[test]
        fn names_and_values_are_counted(sets in sets(), n in 0..5_usize) {
            let mut expect: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
            for (name, value) in sets.iter().flat_map(Labels::iter) {
                *expect.entry(name).or_default().entry(value).or_default() += 1;
            }
            let table = table(&sets);
            prop_assert_eq!(table.names(), expect.keys().copied().collect::<Vec<_>>());
            let cardinality = expect.iter().map(|(name, values)| {
                Cardinality { name, n_values: values.len(), n_sets: values.values().sum() }
            });
            prop_assert_eq!(table.cardinality(), cardinality.collect::<Vec<_>>());
            for (name, values) in &expect {
                prop_assert_eq!(table.values(name), values.keys().copied().collect::<Vec<_>>());
                let mut top: Vec<(&str, usize)> = values.iter().map(|(value, n)| (*value, *n)).collect();
                top.sort_by_key(|(value, n)| (Reverse(*n), *value));
                top.truncate(n);
                prop_assert_eq!(table.top_values(name, n), top);
            }
            prop_assert!(table.values("absent").is_empty() && table.top_values("absent", n).is_empty());
        }
    }

    #[test]
    fn clones_share_lists_until_one_grows() {
        let set = |n: usize| Labels::new([("__name__", "up"), ("n", &n.to_string())]);
        let mut table = table(&(0..2 * FEW).map(set).collect::<Vec<_>>());
        let clone = table.clone();
        let n_bytes = clone.size_bytes();
        assert_eq!(clone.select(&[Matcher::equal("n", "70")]), [70]);
        assert!(Arc::ptr_eq(&table.index, &clone.index) && table.index.get().is_some());
        assert!(table.size_bytes() > n_bytes);
        // Made for a clone after the growth, which the grown table must not see.
        table.push(set(2 * FEW));
        assert!(table.index.get().is_none());
        assert_eq!(clone.values("n").len(), 2 * FEW);
        assert_eq!(table.values("n").len(), 2 * FEW + 1);
        table.push(set(2 * FEW + 1));
        assert_eq!(table.select(&[Matcher::equal("n", "129")]), [129]);
    }

    #[test]
    fn an_empty_table_has_nothing() {
        let table = LabelTable::default();
        assert!(table.select(&[]).is_empty() && table.names().is_empty());
        assert_eq!(table.id_of(&Labels::new([("a", "b")])), None);
    }
}
