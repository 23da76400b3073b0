//! Searches a column without putting its texts together.
//!
//! A needle in a text of a template lies
//!
//! - in what the template says: then every line of it has the needle;
//! - in a variable: then a cell of a column has it, and so does the line of that cell;
//! - across the border of both: then it begins as some end of a piece, or ends as some
//!   beginning, and goes through the pieces between. Which templates have such a way is found
//!   out from the template and from the bytes that a column has at all; only lines of these
//!   are put together and searched.

use memchr::memmem::Finder;

use super::view::{Cells, Column, Form, Templates};
use crate::store::columns::Allowance;
use crate::store::wire::Damaged;

/// Which bytes occur.
#[derive(Clone)]
pub(super) struct Bytes([bool; 256]);

impl Bytes {
    fn none() -> Self {
        Bytes([false; 256])
    }

    fn add(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0[usize::from(*byte)] = true);
    }

    fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte)]
    }

    fn has_all(&self, bytes: &[u8]) -> bool {
        bytes.iter().all(|byte| self.has(*byte))
    }
}

/// The way of a longer needle is not followed, for it takes its square.
const CROSSING_MAX_BYTES: usize = 256;

/// Steps along such ways, some milliseconds: templates that need more, of thousands of
/// variables one behind the other, are put together and looked at.
const STEPS_MAX: usize = 1 << 21;

/// What a template is to a search.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    /// Its own text contains the needle.
    Needle,
    /// The needle may begin in a piece and end in another.
    Perhaps,
    /// Only a variable can contain the needle.
    Nothing,
}

impl Column<'_> {
    /// Hands over the texts that contain the needle, ascending.
    pub fn find(
        &self,
        needle: &Finder<'_>,
        allowance: &Allowance,
        visit: &mut dyn FnMut(usize),
    ) -> Result<(), Damaged> {
        if needle.needle().is_empty() {
            (0..self.n).for_each(visit);
            return Ok(());
        }
        match &self.form {
            Form::Plain { text, .. } => {
                if needle.find(text).is_some()
                    && let Cells::Run { ends, text } = self.cells(allowance)?
                {
                    find_plain(ends, text, needle, visit);
                }
            }
            Form::Same(text) => {
                let n = if needle.find(text).is_some() { self.n } else { 0 };
                (0..n).for_each(visit);
            }
            Form::Integers { .. } | Form::Digits { .. } => {
                let mut bytes = Bytes::none();
                self.add_bytes(&mut bytes);
                if bytes.has_all(needle.needle())
                    && let Cells::Run { ends, text } = self.cells(allowance)?
                {
                    find_plain(ends, text, needle, visit);
                }
            }
            Form::Words { words, ids } => {
                let mut has_it = vec![false; words.n];
                let mut n_found = 0;
                words.find(needle, allowance, &mut |word| {
                    has_it[word] = true;
                    n_found += 1;
                })?;
                if n_found > 0 {
                    let ids = ids.all(words.n)?;
                    ids.iter()
                        .enumerate()
                        .filter(|(_, id)| has_it[**id as usize])
                        .for_each(|(idx, _)| visit(idx));
                }
            }
            Form::Templates(templates) => templates.find(needle, allowance, visit)?,
        }
        Ok(())
    }

    /// Adds at least the bytes that the texts have.
    fn add_bytes(&self, bytes: &mut Bytes) {
        match &self.form {
            Form::Plain { text, .. } | Form::Same(text) => bytes.add(text),
            Form::Integers { .. } => bytes.add(b"0123456789"),
            Form::Digits { pattern, .. } => {
                bytes.add(pattern);
                bytes.add(b"0123456789abcdef");
            }
            Form::Words { words, .. } => words.add_bytes(bytes),
            Form::Templates(templates) => {
                bytes.add(templates.text);
                templates.columns.iter().for_each(|column| column.add_bytes(bytes));
            }
        }
    }
}

/// Hands over the texts of one piece that contain the needle, ascending.
pub(super) fn find_plain(ends: &[u32], text: &[u8], needle: &Finder<'_>, visit: &mut dyn FnMut(usize)) {
    let n_bytes = needle.needle().len();
    let (mut from, mut idx) = (0, 0);
    while let Some(found) = needle.find(&text[from..]) {
        let place = from + found;
        idx += ends[idx..].partition_point(|end| *end as usize <= place);
        let Some(end) = ends.get(idx) else { return };
        if place + n_bytes <= *end as usize {
            visit(idx);
            idx += 1;
            from = *end as usize;
        } else {
            // It only seems to be there, across the end of a text.
            from = place + 1;
        }
    }
}

impl Templates<'_> {
    fn find(
        &self,
        needle: &Finder<'_>,
        allowance: &Allowance,
        visit: &mut dyn FnMut(usize),
    ) -> Result<(), Damaged> {
        let says = self.says(needle);
        let mut found: Vec<Vec<u32>> = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let mut cells = Vec::new();
            column.find(needle, allowance, &mut |cell| cells.push(cell as u32))?;
            found.push(cells);
        }
        let is_found = found.iter().any(|cells| !cells.is_empty());
        if !is_found && !says.contains(&Says::Perhaps) {
            if says.contains(&Says::Needle) {
                let lines = self.ids.iter().enumerate();
                lines.filter(|(_, id)| says[**id as usize] == Says::Needle).for_each(|(line, _)| visit(line));
            }
            return Ok(());
        }
        // For each column the cell that comes next, and those with the needle from there on.
        let mut next = vec![0; self.columns.len()];
        let mut found: Vec<&[u32]> = found.iter().map(Vec::as_slice).collect();
        let mut text = Vec::new();
        for (line, id) in self.ids.iter().enumerate() {
            let says = says[*id as usize];
            let mut has_it = says == Says::Needle;
            if says == Says::Perhaps {
                text.clear();
                self.put_line(line, &mut next, allowance, &mut text)?;
                has_it = needle.find(&text).is_some();
            }
            for slot in self.slots(*id) {
                let column = slot.column as usize;
                if let [first, rest @ ..] = found[column]
                    && *first == next[column]
                {
                    has_it = true;
                    found[column] = rest;
                }
                next[column] += 1;
            }
            if has_it {
                visit(line);
            }
        }
        Ok(())
    }

    fn says(&self, needle: &Finder<'_>) -> Vec<Says> {
        let mut says = vec![Says::Nothing; self.templates.len()];
        let mut from = 0;
        while let Some(found) = needle.find(&self.text[from..]) {
            let place = from + found;
            let id = self.template_at(place);
            says[id] = Says::Needle;
            // Once is enough for this one.
            from = self.template_end(id);
        }
        let needle = needle.needle();
        let mut in_needle = Bytes::none();
        in_needle.add(needle);
        let mut columns: Vec<Option<Bytes>> = vec![None; self.columns.len()];
        let mut n_steps = 0;
        for (id, says) in (0_u32..).zip(&mut says) {
            if *says == Says::Nothing && self.crosses(id, needle, &in_needle, &mut columns, &mut n_steps) {
                *says = Says::Perhaps;
            }
        }
        says
    }

    /// Returns true when the needle may lie across a border, or it takes too long to tell.
    fn crosses(
        &self,
        id: u32,
        needle: &[u8],
        in_needle: &Bytes,
        columns: &mut [Option<Bytes>],
        n_steps: &mut usize,
    ) -> bool {
        let slots = self.slots(id);
        if needle.len() > CROSSING_MAX_BYTES {
            return !slots.is_empty();
        }
        let tail = self.tail(id);
        // Bytes of the needle that a way has behind it, at the end of the piece before.
        let mut behind = vec![];
        let mut before: Vec<bool> = vec![false; needle.len()];
        for (place, slot) in slots.iter().enumerate() {
            let literal = self.literal(*slot);
            let after = slots.get(place + 1).map_or(tail, |slot| self.literal(*slot));
            let may_leave = after.first().is_none_or(|byte| in_needle.has(*byte));
            let may_enter = literal.last().is_none_or(|byte| in_needle.has(*byte));
            // Into the variable: with `n` bytes behind, none of them or from the literal.
            behind.clear();
            if may_enter {
                behind.extend((1..needle.len()).filter(|n| literal.ends_with(&needle[..*n])));
                behind.extend((1..needle.len()).filter(|n| before[*n]));
            }
            before.fill(false);
            *n_steps += (1 + behind.len()) * needle.len();
            if *n_steps > STEPS_MAX {
                return true;
            }
            if behind.is_empty() && !may_leave {
                continue;
            }
            let bytes = columns[slot.column as usize].get_or_insert_with(|| {
                let mut bytes = Bytes::none();
                self.columns[slot.column as usize].add_bytes(&mut bytes);
                bytes
            });
            // How far the needle may go on in a variable from each of its bytes.
            for n in &behind {
                let within = needle[*n..].iter().take_while(|byte| bytes.has(**byte)).count();
                if n + within == needle.len() {
                    return true;
                }
                (*n..=n + within).for_each(|n| before[n] = true);
            }
            if may_leave {
                // It begins in the variable, anywhere.
                let within = needle[..needle.len() - 1].iter().take_while(|byte| bytes.has(**byte)).count();
                (1..=within).for_each(|n| before[n] = true);
            }
            // Through the literal behind it.
            let mut through = vec![false; needle.len()];
            for n in (1..needle.len()).filter(|n| before[*n]) {
                let rest = &needle[n..];
                if after.starts_with(rest) {
                    return true;
                }
                if rest.starts_with(after) {
                    through[n + after.len()] = true;
                }
            }
            before = through;
        }
        false
    }
}
