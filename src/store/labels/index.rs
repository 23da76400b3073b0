//! Name → value → ids, over label sets that lie elsewhere.
//!
//! It holds no text of a value: the sets of a list have it, so the first of them tells.
//! The lists of a name are made when they are first asked for, because queries ask for
//! two or three names of eight. Every call must bring the sets that the index was made of.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use crate::record::Labels;

/// The names that label sets have, and the sets of each of their values.
#[derive(Debug)]
pub struct Index {
    /// Sorted.
    names: Vec<Name>,
}

#[derive(Debug)]
struct Name {
    name: Box<str>,
    postings: OnceLock<Postings>,
}

#[derive(Debug)]
struct Postings {
    /// The sets that have the name, by its values and then ascending.
    ids: Vec<u32>,
    /// For each value, where its list in `ids` ends and the next begins.
    ends: Vec<u32>,
}

impl Index {
    /// Collects the names.
    pub fn new(sets: &[Labels]) -> Self {
        let mut names = BTreeSet::new();
        let mut before = None;
        for labels in sets {
            // Most sets have the names of the one before, which is seen faster than each is found.
            if !before.is_some_and(|before| has_names_of(labels, before)) {
                names.extend(labels.iter().map(|(name, _)| name));
            }
            before = Some(labels);
        }
        let entry = |name: &str| Name { name: name.into(), postings: OnceLock::new() };
        Index { names: names.into_iter().map(entry).collect() }
    }

    /// Yields every name, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|entry| &*entry.name)
    }

    /// Returns the lists of a name, no list for one that no set has.
    pub fn lists<'a>(&'a self, sets: &'a [Labels], name: &str) -> Lists<'a> {
        match self.names.binary_search_by(|entry| (*entry.name).cmp(name)) {
            Ok(found) => {
                let Name { name, postings } = &self.names[found];
                let Postings { ids, ends } = postings.get_or_init(|| Postings::new(sets, name));
                Lists { sets, name, ids, ends }
            }
            Err(_) => Lists { sets, name: "", ids: &[], ends: &[] },
        }
    }

    /// Returns about how many bytes it takes.
    pub fn size_bytes(&self) -> usize {
        let postings = |made: &Postings| (made.ids.capacity() + made.ends.capacity()) * size_of::<u32>();
        let entry = |entry: &Name| entry.name.len() + entry.postings.get().map_or(0, postings);
        self.names.capacity() * size_of::<Name>() + self.names.iter().map(entry).sum::<usize>()
    }
}

fn has_names_of(labels: &Labels, other: &Labels) -> bool {
    labels.iter().map(|(name, _)| name).eq(other.iter().map(|(name, _)| name))
}

impl Postings {
    fn new(sets: &[Labels], name: &str) -> Self {
        let values = (0_u32..).zip(sets).map(|(id, labels)| (labels.get(name), id));
        let mut values: Vec<(&str, u32)> = values.filter(|(value, _)| !value.is_empty()).collect();
        // Stable, so the ids of one value stay ascending.
        values.sort_by_key(|(value, _)| *value);
        let ids: Vec<u32> = values.iter().map(|(_, id)| *id).collect();
        let lists = values.chunk_by(|(one, _), (next, _)| one == next);
        let end = |end: &mut u32, list: &[_]| {
            *end += list.len() as u32;
            Some(*end)
        };
        let mut ends: Vec<u32> = lists.scan(0, end).collect();
        ends.shrink_to_fit();
        Postings { ids, ends }
    }
}

/// The values of one name, each with the sets that have it.
#[derive(Clone, Copy, Debug)]
pub struct Lists<'a> {
    sets: &'a [Labels],
    name: &'a str,
    ids: &'a [u32],
    ends: &'a [u32],
}

impl<'a> Lists<'a> {
    /// Returns how many values there are.
    pub fn n_values(&self) -> usize {
        self.ends.len()
    }

    /// Returns how many sets have the name.
    pub fn n_sets(&self) -> usize {
        self.ids.len()
    }

    /// Returns the ids of the sets that have a value, ascending.
    pub fn list(&self, value: &str) -> &'a [u32] {
        // The last set of a list has the value of the list.
        let last = |end: &u32| self.value_of(self.ids[*end as usize - 1]);
        match self.ends.binary_search_by(|end| last(end).cmp(value)) {
            Ok(found) => {
                let first = found.checked_sub(1).map_or(0, |before| self.ends[before]);
                &self.ids[first as usize..self.ends[found] as usize]
            }
            Err(_) => &[],
        }
    }

    /// Yields each value with its list, sorted by value.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a [u32])> {
        let mut first = 0;
        self.ends.iter().map(move |end| {
            let list = &self.ids[first..*end as usize];
            first = *end as usize;
            (self.value_of(list[0]), list)
        })
    }

    fn value_of(&self, id: u32) -> &'a str {
        self.sets[id as usize].get(self.name)
    }
}
