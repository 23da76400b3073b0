//! Lines that look alike: the same gaps and the same names between them.

use std::collections::HashMap;

use super::cut::{Cut, Cutter, Kind, PLACE, Word};
use super::steps::Steps;

/// What stands for a word, or for what was not looked at.
const PLACEHOLDER: &str = "<_>";

/// The unit of a budget.
const VALUE_BYTES: usize = 16;

/// The words for levels, Loki's: a line of any other has the first one's patterns.
pub const LEVELS: [&str; 8] = ["unknown", "trace", "debug", "info", "warn", "error", "fatal", "critical"];

/// The place of a level in [`LEVELS`].
pub fn level_place(word: &str) -> u8 {
    LEVELS.iter().position(|known| known.eq_ignore_ascii_case(word)).unwrap_or_default() as u8
}

/// What lines have in common, and when there were how many of them.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The place in [`LEVELS`] of that of all of the lines.
    pub level: u8,
    /// The part of some line that was looked at.
    text: Box<str>,
    words: Box<[Word]>,
    has_head: bool,
    has_tail: bool,
    /// So many lines.
    pub n_lines: u64,
    /// By time.
    pub steps: Steps,
}

impl Shape {
    fn new(level: u8, cut: Cut<'_>, words: &[Word]) -> Self {
        let Cut { text, has_head, has_tail } = cut;
        Shape {
            level,
            text: text.into(),
            words: words.into(),
            has_head,
            has_tail,
            n_lines: 0,
            steps: Steps::default(),
        }
    }

    /// Returns how many words there are.
    pub fn n_words(&self) -> usize {
        self.words.len()
    }

    /// Returns the name that stands at a place, or none when something else does.
    pub fn name(&self, place: usize) -> Option<&str> {
        let word = self.words[place];
        (word.kind == Kind::Name).then(|| word.of(&self.text))
    }

    /// Returns true when there were too many names at a place.
    pub fn has_names(&self, place: usize) -> bool {
        self.words[place].kind == Kind::Names
    }

    /// Returns what tells it apart from all others.
    pub fn key(&self) -> Vec<u8> {
        let marks = marks(self.level, self.has_head, self.has_tail);
        self.with_words(marks, |_, word| (word.kind == Kind::Name).then(|| word.of(&self.text)))
    }

    /// Returns what shapes have in common that may be one pattern: everything but the words. The name of
    /// a message is part of it, as `|>` begins to look there.
    pub fn skeleton(&self) -> Vec<u8> {
        let marks = marks(self.level, self.has_head, self.has_tail);
        self.with_words(marks, |place, word| (self.has_head && place == 0).then(|| word.of(&self.text)))
    }

    fn with_words<'s>(&'s self, first: u8, written: impl Fn(usize, Word) -> Option<&'s str>) -> Vec<u8> {
        let mut res = Vec::with_capacity(self.text.len() + 1);
        res.push(first);
        let mut at = 0;
        for (place, word) in self.words.iter().enumerate() {
            res.extend_from_slice(self.text[at..usize::from(word.start)].as_bytes());
            match written(place, *word) {
                Some(text) => res.extend_from_slice(text.as_bytes()),
                None => res.push(PLACE),
            }
            at = usize::from(word.end);
        }
        res.extend_from_slice(self.text[at..].as_bytes());
        res
    }

    /// Adds the lines of another one of the same skeleton: where words are not the same, there is a
    /// placeholder from now on.
    pub fn merge(&mut self, other: &Shape) {
        for (word, with) in self.words.iter_mut().zip(&other.words) {
            let is_same = || word.of(&self.text) == with.of(&other.text);
            word.kind = match (word.kind, with.kind) {
                (Kind::Name, Kind::Name) if is_same() => Kind::Name,
                (Kind::Name, _) | (_, Kind::Name | Kind::Names) | (Kind::Names, _) => Kind::Names,
                (Kind::Value, Kind::Value) if is_same() => Kind::Value,
                _ => Kind::Values,
            };
        }
        self.n_lines += other.n_lines;
        self.steps.merge(&other.steps);
    }

    /// Returns how many words two of the same skeleton have in common.
    pub fn n_alike(&self, other: &Shape) -> usize {
        let places = 0..self.words.len().min(other.words.len());
        places.filter(|place| self.name(*place) == other.name(*place)).count()
    }

    /// Adds a line that was cut like this one.
    fn add(&mut self, cut: Cut<'_>, words: &[Word], step: i64) -> bool {
        for (known, word) in self.words.iter_mut().zip(words) {
            if known.kind == Kind::Value && known.of(&self.text) != word.of(cut.text) {
                known.kind = Kind::Values;
            }
        }
        self.n_lines += 1;
        self.steps.add(step, 1)
    }

    /// Writes it as a pattern.
    pub fn pattern(&self) -> String {
        let mut res = String::with_capacity(self.text.len() + 2 * PLACEHOLDER.len());
        if self.has_head {
            res.push_str(PLACEHOLDER);
        }
        let mut at = 0;
        for word in &self.words {
            res.push_str(&self.text[at..usize::from(word.start)]);
            let is_told = matches!(word.kind, Kind::Name | Kind::Value);
            res.push_str(if is_told { word.of(&self.text) } else { PLACEHOLDER });
            at = usize::from(word.end);
        }
        res.push_str(&self.text[at..]);
        // Two side by side are none that `|>` takes.
        if self.has_tail && !res.ends_with(PLACEHOLDER) {
            res.push_str(PLACEHOLDER);
        }
        res
    }

    /// Returns true when there is a word in its pattern; without one it says nothing.
    pub fn says_something(&self) -> bool {
        self.words.iter().any(|word| matches!(word.kind, Kind::Name | Kind::Value))
    }

    /// Returns what it takes without its steps, in the units of a budget; the key that it has in a table
    /// is as long as its text.
    pub fn n_values(&self) -> usize {
        let bytes = 2 * self.text.len() + size_of_val(&*self.words) + 2 * size_of::<Shape>();
        bytes.div_ceil(VALUE_BYTES)
    }
}

/// What a key begins with.
fn marks(level: u8, has_head: bool, has_tail: bool) -> u8 {
    level << 2 | u8::from(has_head) << 1 | u8::from(has_tail)
}

/// Shapes by what tells them apart. Their order does not depend on that of the lines, nor do they.
#[derive(Default)]
pub struct Shapes {
    by_key: HashMap<Box<[u8]>, Shape>,
    key: Vec<u8>,
}

impl Shapes {
    /// Adds the line that was cut last. Returns what is held of it that was not before, in the units of a
    /// budget.
    pub fn add(&mut self, level: u8, cut: Cut<'_>, cutter: &Cutter, step: i64) -> usize {
        self.key.clear();
        self.key.push(marks(level, cut.has_head, cut.has_tail));
        self.key.extend_from_slice(&cutter.key);
        if let Some(shape) = self.by_key.get_mut(&*self.key) {
            return usize::from(shape.add(cut, &cutter.words, step));
        }
        let mut shape = Shape::new(level, cut, &cutter.words);
        let n_values = shape.n_values() + usize::from(shape.add(cut, &cutter.words, step));
        self.by_key.insert(self.key.as_slice().into(), shape);
        n_values
    }

    /// Adds one that was made elsewhere.
    pub fn merge(&mut self, shape: Shape) {
        match self.by_key.get_mut(&*shape.key()) {
            Some(known) => known.merge(&shape),
            None => {
                self.by_key.insert(shape.key().into(), shape);
            }
        }
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Takes all of them out.
    pub fn take(&mut self) -> impl Iterator<Item = Shape> + use<> {
        std::mem::take(&mut self.by_key).into_values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(lines: &[&str]) -> Shapes {
        let (mut res, mut cutter) = (Shapes::default(), Cutter::new());
        for line in lines {
            let cut = cutter.cut(line);
            res.add(0, cut, &cutter, 0);
        }
        res
    }

    fn check(lines: &[&str], expect: &[(u64, &str)]) {
        let mut found: Vec<(u64, String)> =
            shapes(lines).take().map(|shape| (shape.n_lines, shape.pattern())).collect();
        found.sort();
        let expect: Vec<(u64, String)> = expect.iter().map(|(n, text)| (*n, text.to_string())).collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn lines_are_alike_by_names_and_gaps_and_values_stay_while_they_are_the_same() {
        check(&["job 1 took 5 ms", "job 2 took 5 ms"], &[(2, "job <_> took 5 ms")]);
        check(
            &["job 1 done", "job  1 done", "job all done"],
            &[(1, "job  1 done"), (1, "job 1 done"), (1, "job all done")],
        );
        check(&[r#"{"msg":"a 1","n":1}"#, r#"{"msg":"a 1"}"#], &[(2, r#"<_>"msg":"a 1"<_>"#)]);
        check(&["", "", " "], &[(1, " "), (2, "")]);
        check(&["a <_> b", "a <x> b"], &[(2, "a <_> b")]);
    }

    #[test]
    fn placeholders_are_never_side_by_side() {
        let long = |n: u32| format!("{n} {}", "x".repeat(4_000));
        check(&[&long(1), &long(2)], &[(2, "<_> <_>")]);
        check(&[&"x".repeat(4_000)], &[(1, "<_>")]);
        assert!(!shapes(&[&"x".repeat(4_000)]).take().next().unwrap().says_something());
    }

    #[test]
    fn what_is_put_together_has_placeholders_where_words_are_not_the_same() {
        let mut all = shapes(&["user bob in 5", "user eve in 6", "user eve in 7"]).take().collect::<Vec<_>>();
        all.sort_by_key(|shape| shape.n_lines);
        let [one, other] = &mut all[..] else { panic!("{all:?}") };
        assert_eq!((one.n_alike(other), one.skeleton() == other.skeleton()), (3, true));
        one.merge(other);
        assert_eq!((one.pattern(), one.n_lines), ("user <_> in <_>".to_string(), 3));
        assert!(one.has_names(1) && !one.has_names(3));
    }
}
