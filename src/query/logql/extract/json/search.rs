//! Finds the values of several paths in one pass over a line of JSON.
//!
//! The line is not checked: what stands at no path may be anything, and a line that ends too early
//! has the values up to there. The first value at a path counts. Where an object of that name comes
//! again, the path may still be found in the later one. Source: what Loki finds in such lines, by its
//! package `jsonparser`.

use std::borrow::Cow;

use super::path::Step;
use super::scan::{Fault, Kind, Value, block_end, next_token, string_end, value_at};
use super::unescape::unescaped;

/// A value that was found: of which path, and what it is.
pub(super) type Finding<'l> = (usize, Result<Value<'l>, Fault>);

/// Looks for values in a line; stops when all are found.
pub(super) struct Search<'p, 'l, F> {
    paths: &'p [Vec<Step>],
    is_found: Vec<bool>,
    /// Keys on the way to where the search is, one a level; those behind it are of an earlier way.
    way: Vec<Cow<'l, str>>,
    /// How many objects and searched arrays are open; below zero when more were closed.
    level: i64,
    line: &'l str,
    report: F,
}

impl<'p, 'l, F: FnMut(Finding<'l>)> Search<'p, 'l, F> {
    /// Looks for the paths, none of them empty, and reports each at most once.
    pub(super) fn run(paths: &'p [Vec<Step>], line: &'l str, report: F) {
        let depth_max = paths.iter().map(Vec::len).max().unwrap_or(0);
        let (is_found, way) = (vec![false; paths.len()], vec![Cow::Borrowed(""); depth_max]);
        let mut search = Search { paths, is_found, way, level: 0, line, report };
        // None means no more than that the line ends.
        let _ = search.walk();
    }

    fn walk(&mut self) -> Option<()> {
        let bytes = self.line.as_bytes();
        let mut pos = 0;
        while !self.is_done() {
            match *bytes.get(pos)? {
                b'"' => {
                    let (next, key) = string_at(self.line, pos)?;
                    let Some(key) = key else {
                        pos = next;
                        continue;
                    };
                    self.at_key(key, next + 1)?;
                    pos = next;
                }
                b'{' => self.level += 1,
                b'}' | b']' => self.level -= 1,
                b'[' => {
                    pos = self.at_array(pos)?;
                    continue;
                }
                _ => {}
            }
            pos += 1;
        }
        Some(())
    }

    fn is_done(&self) -> bool {
        self.is_found.iter().all(|is_found| *is_found)
    }

    /// Reports the value behind a key whose paths end here.
    fn at_key(&mut self, key: Cow<'l, str>, pos: usize) -> Option<()> {
        let Ok(level) = usize::try_from(self.level) else { return self.stray() };
        if level > self.way.len() {
            return Some(());
        }
        if level == 0 {
            return self.stray();
        }
        self.way[level - 1] = key;
        for idx in 0..self.paths.len() {
            if self.paths[idx].len() == level && !self.is_found[idx] && self.is_on_way(idx, level) {
                self.is_found[idx] = true;
                (self.report)((idx, value_at(self.line, pos)));
            }
        }
        Some(())
    }

    /// What can only stand in an object stands outside of all.
    fn stray(&mut self) -> Option<()> {
        (self.report)((0, Err(Fault::Json)));
        None
    }

    /// Returns true when the first steps of a path are keys and those of the way.
    fn is_on_way(&self, idx: usize, n_steps: usize) -> bool {
        let steps = self.paths[idx][..n_steps].iter();
        steps.zip(&self.way).all(|(step, on_way)| matches!(step, Step::Key(key) if key == on_way))
    }

    /// Looks into an array when a path does, and returns where to go on: at its end, or wherever it
    /// is no array any more.
    fn at_array(&mut self, start: usize) -> Option<usize> {
        let Ok(level) = usize::try_from(self.level) else {
            self.stray();
            return None;
        };
        let wants = |idx: &usize| match self.paths[*idx].get(level) {
            Some(Step::Index(wanted)) if !self.is_found[*idx] && self.is_on_way(*idx, level) => {
                Some((*idx, *wanted))
            }
            _ => None,
        };
        let wanted: Vec<(usize, usize)> = (0..self.paths.len()).filter_map(|idx| wants(&idx)).collect();
        if wanted.is_empty() {
            return block_end(self.line.as_bytes(), start, b'[', b']');
        }
        self.level += 1;
        let mut elements = Elements::new(self.line, start);
        let mut element_idx = 0;
        while let Some(element) = elements.next() {
            for (idx, _) in wanted.iter().filter(|(_, wanted)| *wanted == element_idx) {
                self.is_found[*idx] = true;
                if let Some(found) = find(element, &self.paths[*idx][level + 1..]) {
                    (self.report)((*idx, found));
                }
            }
            element_idx += 1;
        }
        Some(elements.pos)
    }
}

/// Reads the string that begins at a quote, and returns where the token behind it stands, and what
/// the string says when that is a colon, which makes it a key.
fn string_at(text: &str, start: usize) -> Option<(usize, Option<Cow<'_, str>>)> {
    let bytes = text.as_bytes();
    let (end, has_escapes) = string_end(bytes, start + 1)?;
    let next = next_token(bytes, end + 1)?;
    if bytes[next] != b':' {
        return Some((next, None));
    }
    let raw = &text[start + 1..end];
    Some((next, Some(if has_escapes { unescaped(raw)? } else { Cow::Borrowed(raw) })))
}

/// The elements of an array, up to where it ends or is no array any more.
struct Elements<'l> {
    line: &'l str,
    pos: usize,
    is_over: bool,
}

impl<'l> Elements<'l> {
    fn new(line: &'l str, start: usize) -> Self {
        let first = next_token(line.as_bytes(), start + 1);
        let is_over = first.is_none_or(|first| line.as_bytes()[first] == b']');
        Self { line, pos: first.unwrap_or(start + 1), is_over }
    }

    fn next(&mut self) -> Option<Value<'l>> {
        if self.is_over {
            return None;
        }
        let Ok(value) = value_at(self.line, self.pos) else {
            self.is_over = true;
            return None;
        };
        let next = next_token(self.line.as_bytes(), value.end);
        self.pos = next.unwrap_or(value.end);
        match next.map(|next| self.line.as_bytes()[next]) {
            Some(b',') => self.pos += 1,
            _ => self.is_over = true,
        }
        Some(value)
    }
}

/// Returns what stands at the end of some steps from a value on.
fn find<'l>(value: Value<'l>, steps: &[Step]) -> Option<Result<Value<'l>, Fault>> {
    let (mut value, mut steps) = (value, steps);
    loop {
        if steps.is_empty() {
            return Some(Ok(value));
        }
        if matches!(value.kind, Kind::String) {
            return None;
        }
        match find_in(value.text, steps)? {
            Reached::Value(found) => return Some(found),
            Reached::Element(element, n_steps) => (value, steps) = (element, &steps[n_steps..]),
        }
    }
}

/// Where some steps lead.
enum Reached<'l> {
    Value(Result<Value<'l>, Fault>),
    /// An element of an array, and how many steps it took.
    Element(Value<'l>, usize),
}

/// Follows keys through a text, up to the first index.
fn find_in<'l>(text: &'l str, steps: &[Step]) -> Option<Reached<'l>> {
    let bytes = text.as_bytes();
    let (mut n_matched, mut level, mut is_key_matched, mut pos) = (0_usize, 0_usize, true, 0);
    loop {
        match *bytes.get(pos)? {
            b'"' => {
                let (next, key) = string_at(text, pos)?;
                let Some(key) = key else {
                    pos = next;
                    continue;
                };
                let step = steps.get(level.checked_sub(1)?)?;
                is_key_matched = matches!(step, Step::Key(wanted) if *wanted == key);
                if is_key_matched && n_matched + 1 == level {
                    n_matched = level;
                    if n_matched == steps.len() {
                        return Some(Reached::Value(value_at(text, next + 1)));
                    }
                }
                pos = next;
            }
            b'{' if is_key_matched => level += 1,
            // Nothing in an object of another name is looked for.
            b'{' => {
                pos = block_end(bytes, pos, b'{', b'}')?;
                continue;
            }
            b'}' => {
                level = level.checked_sub(1)?;
                if level == n_matched {
                    n_matched = n_matched.checked_sub(1)?;
                }
            }
            b'[' => match steps[n_matched] {
                Step::Index(wanted) if n_matched == level => {
                    let mut elements = Elements::new(text, pos);
                    let element = std::iter::from_fn(|| elements.next()).nth(wanted)?;
                    return Some(Reached::Element(element, n_matched + 1));
                }
                _ => {
                    pos = block_end(bytes, pos, b'[', b']')?;
                    continue;
                }
            },
            b':' => return None,
            _ => {}
        }
        pos += 1;
    }
}
