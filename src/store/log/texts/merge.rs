//! Finds templates that differ in one word, and makes that word a variable.
//!
//! For each word of each template it counts the templates that are equal but for this word.
//! Where there are several, that place becomes a slot; after some rounds, templates with
//! several such places have come together. It takes time in proportion to the words.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::ops::Range;

use super::SLOT;
use super::cut::is_word;
use super::interner::{Interner, fold};

/// Words at more places of a template are not found out.
const ROUNDS: usize = 3;

/// So many templates must differ at a place.
const ALIKE_MIN: u32 = 3;

/// Words of a template that are looked at.
const WORDS_MAX: usize = 64;

/// What becomes of templates.
pub struct Merged {
    /// The templates afterwards.
    pub templates: Interner,
    /// Of each template before, what it is now.
    pub ids: Vec<u32>,
    /// Where words of the templates before begin and end that are variables now.
    words: Vec<(u32, u32)>,
    /// Of each template before the end of its words among all.
    ends: Vec<usize>,
}

impl Merged {
    /// Returns where the words of a template before begin and end that are variables now.
    pub fn words(&self, id: usize) -> &[(u32, u32)] {
        &self.words[id.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[id]]
    }
}

/// Stands for the word of a place that is a slot by now.
const ANY: u32 = u32::MAX;

/// Stands for a word in what is between the words.
const WORD: u8 = 0xfe;

/// Templates as words.
struct Sentences {
    all: Vec<Sentence>,
    words: Vec<u32>,
    /// Where the words are in their template.
    places: Vec<(u32, u32)>,
    // Nobody outside knows them, so nobody can choose words whose sums collide.
    keys: [u64; 2],
}

struct Sentence {
    /// The number of what is between its words.
    frame: usize,
    words: Range<usize>,
    /// The sum of its words' hashes, each with its place, and of what is between them.
    sum: u64,
}

impl Sentences {
    fn of(templates: &Interner) -> Sentences {
        let (mut vocabulary, mut frames) = (Interner::new(), Interner::new());
        let state = RandomState::new();
        let keys = [state.hash_one(0), state.hash_one(1) | 1];
        let mut res = Sentences { all: Vec::new(), words: Vec::new(), places: Vec::new(), keys };
        let (mut frame, mut counts) = (Vec::new(), Vec::new());
        for id in 0..templates.len() {
            let text = templates.get(id);
            let first = res.words.len();
            frame.clear();
            let mut at = 0;
            while at < text.len() {
                let len = text[at..].iter().take_while(|byte| is_word(**byte)).count();
                if len == 0 || res.words.len() - first == WORDS_MAX {
                    frame.push(text[at]);
                    at += 1;
                } else {
                    res.words.push(vocabulary.id(&text[at..at + len]) as u32);
                    res.places.push((at as u32, (at + len) as u32));
                    frame.push(WORD);
                    at += len;
                }
            }
            let frame = frames.id(&frame);
            counts.resize(frames.len(), 0_u32);
            counts[frame] += 1;
            let hashes = res.words[first..].iter().enumerate().map(|(place, word)| res.hash(place, *word));
            let sum = hashes.fold(res.hash(WORDS_MAX, frame as u32), u64::wrapping_add);
            res.all.push(Sentence { frame, words: first..res.words.len(), sum });
        }
        // Few have this frame, so nobody differs from them in a word alone.
        for sentence in res.all.iter_mut().filter(|sentence| counts[sentence.frame] < ALIKE_MIN) {
            sentence.words = 0..0;
        }
        res
    }

    fn hash(&self, place: usize, word: u32) -> u64 {
        let [first, factor] = self.keys;
        fold(first ^ ((place as u64) << 32 | u64::from(word)), factor)
    }

    /// Returns the places of a sentence that are words still, and its sum without each.
    fn without(&self, sentence: &Sentence) -> impl Iterator<Item = (usize, u64)> {
        let words = self.words[sentence.words.clone()].iter().enumerate().filter(|(_, word)| **word != ANY);
        let sum = sentence.sum;
        words.map(move |(place, word)| {
            (place, sum.wrapping_sub(self.hash(place, *word)).wrapping_add(self.hash(place, ANY)))
        })
    }

    /// Makes a slot of the word by which most others differ. Returns false when there is none.
    fn merge(&mut self) -> bool {
        let mut alike: HashMap<u64, u32, BuildHasherDefault<Hashed>> = HashMap::default();
        let mut seen: HashSet<u64, BuildHasherDefault<Hashed>> = HashSet::default();
        for sentence in &self.all {
            // Those that became equal count as one.
            if seen.insert(sentence.sum) {
                self.without(sentence).for_each(|(_, sum)| *alike.entry(sum).or_default() += 1);
            }
        }
        let mut is_changed = false;
        for idx in 0..self.all.len() {
            let counts = self.without(&self.all[idx]).map(|(place, sum)| (alike[&sum], place, sum));
            // Of those that are equally good, the first.
            let best = counts.max_by_key(|(count, place, _)| (*count, usize::MAX - place));
            if let Some((ALIKE_MIN.., place, sum)) = best {
                let sentence = &mut self.all[idx];
                sentence.sum = sum;
                self.words[sentence.words.start + place] = ANY;
                is_changed = true;
            }
        }
        is_changed
    }
}

/// Hashes what is a hash.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Merges templates.
pub fn merge(templates: &Interner) -> Merged {
    let mut sentences = Sentences::of(templates);
    let _ = (0..ROUNDS).all(|_| sentences.merge());
    let mut res = Merged { templates: Interner::new(), ids: Vec::new(), words: Vec::new(), ends: Vec::new() };
    let mut merged = Vec::new();
    for (id, sentence) in sentences.all.iter().enumerate() {
        let text = templates.get(id);
        merged.clear();
        let mut at = 0;
        for idx in sentence.words.clone().filter(|idx| sentences.words[*idx] == ANY) {
            let (start, end) = sentences.places[idx];
            merged.extend_from_slice(&text[at..start as usize]);
            merged.push(SLOT);
            at = end as usize;
            res.words.push((start, end));
        }
        merged.extend_from_slice(&text[at..]);
        res.ids.push(res.templates.id(&merged) as u32);
        res.ends.push(res.words.len());
    }
    res
}
