//! Numbers byte strings in the order in which they first appear.

use std::hash::{BuildHasher, RandomState};

/// Mixes 64 bits.
pub fn fold(value: u64, factor: u64) -> u64 {
    let product = u128::from(value) * u128::from(factor);
    product as u64 ^ (product >> 64) as u64
}

/// Byte strings, each once.
pub struct Interner {
    // Nobody outside knows them, so nobody can choose texts that collide.
    keys: [u64; 2],
    bytes: Vec<u8>,
    ends: Vec<u32>,
    /// Of each string the upper half of its hash and its number plus one, 0 in a free place.
    table: Vec<(u32, u32)>,
}

impl Interner {
    /// Begins without any.
    pub fn new() -> Self {
        let state = RandomState::new();
        let keys = [state.hash_one(0), state.hash_one(1) | 1];
        Interner { keys, bytes: Vec::new(), ends: Vec::new(), table: vec![(0, 0); 64] }
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns all of them, one behind the other.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns one of them.
    pub fn get(&self, id: usize) -> &[u8] {
        let start = id.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.bytes[start..self.ends[id] as usize]
    }

    /// Returns the number of a string, which is the next one when it is new.
    pub fn id(&mut self, string: &[u8]) -> usize {
        let hash = self.hash(string);
        let mask = self.table.len() - 1;
        let mut place = hash as usize & mask;
        loop {
            let (tag, next) = self.table[place];
            if next == 0 {
                break;
            }
            if tag == (hash >> 32) as u32 && self.get(next as usize - 1) == string {
                return next as usize - 1;
            }
            place = (place + 1) & mask;
        }
        self.bytes.extend_from_slice(string);
        self.ends.push(self.bytes.len() as u32);
        self.table[place] = ((hash >> 32) as u32, self.ends.len() as u32);
        if self.ends.len() * 2 > self.table.len() {
            self.grow();
        }
        self.ends.len() - 1
    }

    fn grow(&mut self) {
        let mask = self.table.len() * 4 - 1;
        self.table = vec![(0, 0); mask + 1];
        for id in 0..self.len() {
            let hash = self.hash(self.get(id));
            let mut place = hash as usize & mask;
            while self.table[place].1 != 0 {
                place = (place + 1) & mask;
            }
            self.table[place] = ((hash >> 32) as u32, id as u32 + 1);
        }
    }

    fn hash(&self, string: &[u8]) -> u64 {
        let [first, factor] = self.keys;
        let fold = |value| fold(value, factor);
        let (words, tail) = string.as_chunks::<8>();
        let hash = words.iter().fold(first, |hash, word| fold(hash ^ u64::from_le_bytes(*word)));
        let mut last = [0; 8];
        last[..tail.len()].copy_from_slice(tail);
        fold(fold(hash ^ u64::from_le_bytes(last)) ^ string.len() as u64)
    }
}
