//! A set of ids, one bit each.
//!
//! At 20,000 series that is 2.5 kB, which two sets are met in less time than sorted lists
//! of a few hundred ids are.

/// Which of a number of ids are meant.
#[derive(Debug)]
pub struct Ids(Vec<u64>);

impl Ids {
    /// Returns no id, with room for those below `n`.
    pub fn none(n: usize) -> Self {
        Ids(vec![0; n.div_ceil(64)])
    }

    /// Returns every id below `n`.
    pub fn all(n: usize) -> Self {
        let mut res = Ids(vec![u64::MAX; n.div_ceil(64)]);
        if let (Some(last), 1..) = (res.0.last_mut(), n % 64) {
            *last = (1 << (n % 64)) - 1;
        }
        res
    }

    /// Adds ids, all below the `n` that there is room for.
    pub fn insert(&mut self, ids: &[u32]) {
        for id in ids {
            self.0[*id as usize / 64] |= 1 << (id % 64);
        }
    }

    /// Keeps the ids that `other` has too.
    pub fn intersect(&mut self, other: &Ids) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= other);
    }

    /// Keeps the ids that `other` does not have.
    pub fn subtract(&mut self, other: &Ids) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= !other);
    }

    /// Keeps the ids for which `is_kept` returns true.
    pub fn retain(&mut self, mut is_kept: impl FnMut(u32) -> bool) {
        for (place, word) in self.0.iter_mut().enumerate() {
            for id in bits(place, *word) {
                *word &= !(u64::from(!is_kept(id)) << (id % 64));
            }
        }
    }

    /// Returns how many ids there are.
    pub fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Yields the ids, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.iter().enumerate().flat_map(|(place, word)| bits(place, *word))
    }
}

fn bits(place: usize, mut word: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros())?;
        word &= word - 1;
        Some(place as u32 * 64 + bit)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const N: u32 = 200;

    fn ids() -> impl Strategy<Value = BTreeSet<u32>> {
        prop::collection::btree_set(0..N, 0..100)
    }

    fn of(ids: &BTreeSet<u32>) -> Ids {
        let mut res = Ids::none(N as usize);
        res.insert(&ids.iter().copied().collect::<Vec<_>>());
        res
    }

    proptest! {
        #[test]
        fn ids_are_a_set(one in ids(), other in ids(), divisor in 1..5_u32) {
            let check = |res: &Ids, expect: BTreeSet<u32>| {
                assert!(res.iter().eq(expect.iter().copied()));
                assert_eq!(res.count(), expect.len());
            };
            let mut res = of(&one);
            check(&res, one.clone());
            res.intersect(&of(&other));
            check(&res, &one & &other);
            res = of(&one);
            res.subtract(&of(&other));
            check(&res, &one - &other);
            res = of(&one);
            res.retain(|id| id % divisor == 0);
            check(&res, one.iter().copied().filter(|id| id % divisor == 0).collect());
        }

        #[test]
        fn all_are_those_below_n(n in 0..N) {
            assert!(Ids::all(n as usize).iter().eq(0..n));
        }
    }
}
