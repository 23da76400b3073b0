//! The keys of one block's lines, on their way into a filter.
//!
//! It promises that memory is bounded whatever the lines hold, that no choice of their text
//! makes it slow, and that the filter depends on the lines, not on their order.

use std::hash::{BuildHasher, RandomState};

use super::filter::Filter;
use super::needle::{TokenFacts, is_put};
use super::tokens::{Class, N_CLASSES, Token, fold, metadata_key, tokens};

/// Distinct keys that a class may have in one block, in the order of [`Class`].
pub const BUDGETS: [usize; N_CLASSES] = [
    // More than a block has lines and pairs.
    1 << 16,
    // English prose has 4,000, nothing but base64 7,000.
    6 << 10,
    // Where so many short numbers occur any other one may; a few of them still tell something.
    256,
    // The tokens of a block that consists of numbers with six digits.
    1 << 14,
    // The trace ids of a block that consists of nothing else.
    4 << 10,
];

/// What a filter is built of, at most.
const KEYS_MAX: usize = 1 << 17;
const _: () = assert!(BUDGETS[0] + BUDGETS[1] + BUDGETS[2] + BUDGETS[3] + BUDGETS[4] <= KEYS_MAX);

/// Gathers the keys of one block after the other.
#[derive(Debug)]
pub struct TokenCollector {
    longest: u8,
    classes: [KeySet; N_CLASSES],
    seen: Seen,
}

impl Default for TokenCollector {
    fn default() -> Self {
        TokenCollector { longest: 0, classes: BUDGETS.map(KeySet::new), seen: Seen::default() }
    }
}

impl TokenCollector {
    /// Begins with budgets that a test can exceed.
    #[cfg(test)]
    pub fn with_budgets(budgets: [usize; N_CLASSES]) -> Self {
        TokenCollector { classes: budgets.map(KeySet::new), ..TokenCollector::default() }
    }

    /// Adds the text of a line.
    pub fn add(&mut self, body: &str) {
        for token in tokens(body) {
            if !self.seen.insert(body.as_bytes(), &token) {
                self.add_token(&token);
            }
        }
    }

    /// Adds a pair of a line's metadata.
    pub fn add_metadata(&mut self, name: &str, value: &str) {
        self.put(Class::Metadata, metadata_key(name, value));
    }

    /// Returns the filter of what was added, and begins the next block.
    pub fn finish(&mut self) -> (Filter, TokenFacts) {
        let facts = TokenFacts {
            longest: self.longest,
            n_zeros: std::array::from_fn(|class| self.classes[class].n_zeros),
        };
        let mut keys = Vec::with_capacity(self.classes.iter().map(|set| set.len).sum());
        self.classes.iter_mut().for_each(|set| set.drain_into(&mut keys));
        self.longest = 0;
        self.seen.clear();
        (Filter::build(&mut keys), facts)
    }

    fn add_token(&mut self, token: &Token<'_>) {
        if token.has_digit() {
            self.longest = self.longest.max(token.len_or_max());
        }
        let has_gram = token.inherited(&mut |class, key| self.put(class, key));
        if let Some((class, key)) = token.whole(has_gram) {
            self.put(class, key);
        }
    }

    fn put(&mut self, class: Class, key: u64) {
        self.classes[class as usize].insert(key);
    }
}

/// Distinct keys of one class: open addressing, at most half full, 0 is a free slot.
#[derive(Debug)]
struct KeySet {
    slots: Vec<u64>,
    len: usize,
    budget: usize,
    n_zeros: u8,
    /// Keeps whoever writes to our logs from choosing tokens that share a slot.
    salt: u64,
}

impl KeySet {
    const SLOTS_MIN: usize = 64;

    fn new(budget: usize) -> Self {
        let salt = RandomState::new().hash_one(budget);
        KeySet { slots: vec![0; Self::SLOTS_MIN], len: 0, budget, n_zeros: 0, salt }
    }

    fn insert(&mut self, key: u64) {
        if !is_put(key, self.n_zeros) || !self.insert_new(key) {
            return;
        }
        while self.len > self.budget {
            self.n_zeros += 1;
            self.rebuild(self.slots.len());
        }
        if self.len * 2 > self.slots.len() {
            self.rebuild(self.slots.len() * 2);
        }
    }

    fn insert_new(&mut self, key: u64) -> bool {
        let mask = self.slots.len() - 1;
        let mut slot = fold(key ^ self.salt) as usize & mask;
        loop {
            match self.slots[slot] {
                0 => break,
                there if there == key => return false,
                _ => slot = (slot + 1) & mask,
            }
        }
        self.slots[slot] = key;
        self.len += 1;
        true
    }

    fn rebuild(&mut self, n_slots: usize) {
        let before = std::mem::replace(&mut self.slots, vec![0; n_slots]);
        self.len = 0;
        for key in before {
            if key != 0 && is_put(key, self.n_zeros) {
                self.insert_new(key);
            }
        }
    }

    fn drain_into(&mut self, keys: &mut Vec<u64>) {
        keys.extend(self.slots.iter().filter(|key| **key != 0));
        // The next block of the stream is like this one; a small one should not clear the
        // slots of a large one for ever.
        let n_slots = (self.len * 2).next_power_of_two().max(Self::SLOTS_MIN);
        self.slots.clear();
        self.slots.resize(n_slots, 0);
        (self.len, self.n_zeros) = (0, 0);
    }
}

/// Remembers short tokens of the block, so that the next one like it costs a look.
#[derive(Debug)]
struct Seen(Vec<[u64; 2]>);

impl Default for Seen {
    fn default() -> Self {
        Seen(vec![[0; 2]; Self::SLOTS])
    }
}

impl Seen {
    /// 128 KiB stay near the processor; a token that another one pushed out is only slower.
    const SLOTS: usize = 8 << 10;

    /// Returns true when the token was seen for certain: entries are the bytes themselves,
    /// since a hash of them could be made to hide a token behind another.
    fn insert(&mut self, body: &[u8], token: &Token<'_>) -> bool {
        let n_bytes = token.text.len();
        if n_bytes > 16 {
            return false;
        }
        let bytes = match body.get(token.start..token.start + 16) {
            Some(bytes) => u128::from_le_bytes(bytes.try_into().expect("16 bytes were taken")),
            None => token.text.iter().rev().fold(0, |all, byte| all << 8 | u128::from(*byte)),
        };
        // Zeros behind the last byte; tokens have none of their own.
        let bytes = bytes & (u128::MAX >> (8 * (16 - n_bytes)));
        let entry = [bytes as u64, (bytes >> 64) as u64];
        let slot = fold(entry[0] ^ entry[1].rotate_left(32)) as usize % Self::SLOTS;
        std::mem::replace(&mut self.0[slot], entry) == entry
    }

    fn clear(&mut self) {
        self.0.fill([0; 2]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::log::needle::{MetadataNeedle, Needle};

    #[test]
    fn keys_are_bounded_and_the_thinned_ones_still_tell() {
        let mut collector = TokenCollector::default();
        let line = |no: u64| {
            let id = fold(fold(no + 1));
            format!("{id:016x} {id:016x}{:016x} {:04}", id.rotate_left(9), id % 10_000)
        };
        for no in 0..60_000 {
            collector.add(&line(no));
            collector.add_metadata("id", &no.to_string());
            collector.add_metadata("no", &no.to_string());
        }
        assert!(collector.classes.iter().map(|set| set.len).sum::<usize>() <= KEYS_MAX);
        let (filter, facts) = collector.finish();
        assert!(filter.as_bytes().len() < KEYS_MAX + KEYS_MAX / 8);
        assert_eq!(facts.n_zeros, [1, 0, 6, 2, 4]);
        let may_be_in = |needle: &str| Needle::new(needle).may_be_in(&filter.view(), facts);
        for no in (0..60_000).step_by(7) {
            assert!(may_be_in(&line(no)), "line {no}");
            let needle = MetadataNeedle::new("id", &no.to_string());
            assert!(needle.may_be_in(&filter.view(), facts), "pair {no}");
        }
        // A quarter of the ids in the middle and a sixteenth of the pieces can be told.
        let n_ruled_out = (60_000..61_000).filter(|no| !may_be_in(&line(*no))).count();
        assert!(n_ruled_out > 50, "{n_ruled_out} of 1,000 absent lines");
    }

    #[test]
    fn tokens_that_begin_alike_are_told_apart() {
        let line = |no: u64| format!("at partition{no:04} end");
        let mut collector = TokenCollector::default();
        (0..9_000).for_each(|no| collector.add(&line(no)));
        let (filter, facts) = collector.finish();
        assert!((0..9_000).all(|no| Needle::new(&line(no)).may_be_in(&filter.view(), facts)));
    }

    #[test]
    fn a_collector_begins_anew_after_each_block() {
        let mut collector = TokenCollector::default();
        (0..9_000).for_each(|no| collector.add(&format!("first {no} 4bf92f3577b34da6a3ce929d0e0e4736{no}")));
        collector.finish();
        let mut fresh = TokenCollector::default();
        [&mut collector, &mut fresh].into_iter().for_each(|collector| collector.add("second block 17"));
        assert_eq!(collector.finish(), fresh.finish());
    }

    #[test]
    fn the_order_of_lines_does_not_matter() {
        let line = |no: u64| format!("{no} {:x} {:x}", fold(no), fold(fold(no)));
        let results = [(0..2_000).collect::<Vec<_>>(), (0..2_000).rev().collect()].map(|order| {
            let mut collector = TokenCollector::with_budgets([9, 99, 9, 99, 9]);
            order.into_iter().for_each(|no| collector.add(&line(no)));
            collector.finish()
        });
        assert_eq!(results[0], results[1]);
    }
}
