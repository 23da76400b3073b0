//! Takes the variables out of lines, and puts those of one kind into one column.
//!
//! A column is not that of one place of one template: it is that of a place behind a text,
//! whatever comes before. So `port 22` is in the same column as in other sentences with a
//! port, and a time in front of all lines ascends. Columns that have values in common become
//! one, and those with few values.

use std::collections::BTreeMap;

use super::cut::{Grain, cut};
use super::interner::Interner;
use super::merge::{Merged, merge};
use super::put::{FEW, Values, put as put_column};
use super::{SLOT, Sections, TEMPLATE_END, TEMPLATES, numbers};
use crate::store::wire::put_varint;

/// The first lines tell whether all have words.
const GRAIN_SAMPLE: usize = 64;

/// After so many lines of a column within another there are templates, or there are none.
const TEMPLATES_SAMPLE: usize = 1_024;

/// A variable is placed by the texts before so many variables before it, at most.
const CONTEXT_MAX: usize = 8;

/// Letters that make a text before a variable tell where it is, whatever is before.
const CONTEXT_LETTERS: usize = 2;

/// Appends templates and variables, unless what lines have in common seems too little.
pub fn put(values: &Values<'_>, depth: usize, out: &mut Sections) -> bool {
    if values.len() < FEW {
        return false;
    }
    let Some(lines) = Lines::cut(values, depth > 0) else { return false };
    let merged = merge(&lines.templates);
    let ids: Vec<u64> = lines.ids.iter().map(|id| u64::from(merged.ids[*id as usize])).collect();
    let mut slots = Slots::of(&merged.templates, &ids);
    let mut columns = slots.columns(values, &lines, &merged);
    slots.rename(&join_kin(&mut columns));
    out.numbers.push(TEMPLATES);
    put_varint(&mut out.numbers, merged.templates.len() as u64);
    put_varint(&mut out.numbers, columns.len() as u64);
    for id in 0..merged.templates.len() {
        out.text.extend_from_slice(merged.templates.get(id));
        out.text.push(TEMPLATE_END);
    }
    let slot_columns: Vec<u64> = slots.columns.iter().map(|column| u64::from(*column)).collect();
    numbers::put(out, &slot_columns);
    numbers::put(out, &ids);
    columns.iter().for_each(|column| put_column(column, depth + 1, out));
    true
}

/// Lines that are cut.
struct Lines {
    templates: Interner,
    /// Of each line the template.
    ids: Vec<u32>,
    /// The lengths of the variables of all lines.
    lens: Vec<u32>,
}

impl Lines {
    fn cut(values: &Values<'_>, is_within: bool) -> Option<Lines> {
        let n_sample = values.len().min(GRAIN_SAMPLE);
        let n_spaced = values.iter().take(n_sample).filter(|value| value.contains(&b' ')).count();
        let grain = if n_spaced * 2 > n_sample { Grain::Words } else { Grain::Digits };
        let mut res =
            Lines { templates: Interner::new(), ids: Vec::with_capacity(values.len()), lens: Vec::new() };
        let mut template = Vec::new();
        for (idx, value) in values.iter().enumerate() {
            template.clear();
            cut(value, grain, &mut template, &mut res.lens);
            res.ids.push(res.templates.id(&template) as u32);
            if is_within && idx == TEMPLATES_SAMPLE && res.templates.len() * 4 > idx * 3 {
                return None;
            }
        }
        let is_nothing_common = res.lens.is_empty() || res.templates.bytes() == [SLOT];
        // What is said once is not taken apart for a gain.
        let is_too_much = res.templates.bytes().len() * 10 > values.n_bytes() * 7;
        if is_nothing_common || is_too_much { None } else { Some(res) }
    }
}

/// The slots of all templates, one behind the other.
struct Slots {
    /// Of each slot its column.
    columns: Vec<u32>,
    n_columns: usize,
    /// Of each template its first slot, and at last their number.
    firsts: Vec<usize>,
}

impl Slots {
    fn of(templates: &Interner, ids: &[u64]) -> Slots {
        let mut counts = vec![0; templates.len()];
        ids.iter().for_each(|id| counts[*id as usize] += 1);
        let mut known: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
        let mut lens: Vec<usize> = Vec::new();
        let (mut columns, mut firsts) = (Vec::new(), vec![0]);
        for (id, count) in counts.iter().enumerate() {
            let mut context: Vec<&[u8]> = Vec::new();
            let mut rest = templates.get(id);
            while let Some(end) = memchr::memchr(SLOT, rest) {
                let literal = &rest[..end];
                rest = &rest[end + 1..];
                if literal.iter().filter(|byte| byte.is_ascii_alphabetic()).count() >= CONTEXT_LETTERS {
                    context.clear();
                } else if context.len() == CONTEXT_MAX {
                    context.remove(0);
                }
                context.push(literal);
                let column = *known.entry(context.join(&SLOT)).or_insert_with(|| {
                    lens.push(0);
                    lens.len() as u32 - 1
                });
                lens[column as usize] += count;
                columns.push(column);
            }
            firsts.push(columns.len());
        }
        let mut res = Slots { columns, n_columns: lens.len(), firsts };
        // Columns of a few values are one.
        let few = lens.iter().position(|len| *len < FEW / 2);
        let mut names = Vec::with_capacity(lens.len());
        let mut n = 0;
        for (column, len) in lens.iter().enumerate() {
            match few {
                Some(few) if *len < FEW / 2 && column != few => names.push(names[few]),
                _ => {
                    names.push(n);
                    n += 1;
                }
            }
        }
        res.rename(&names);
        res.n_columns = n as usize;
        res
    }

    fn rename(&mut self, names: &[u32]) {
        self.columns.iter_mut().for_each(|column| *column = names[*column as usize]);
    }

    fn columns<'a>(&self, values: &Values<'a>, lines: &Lines, merged: &Merged) -> Vec<Values<'a>> {
        let steps = Steps::of(&lines.templates, merged);
        let mut res: Vec<Values<'_>> = (0..self.n_columns).map(|_| values.none()).collect();
        let mut lens = lines.lens.iter();
        for ((start, _), id) in values.spans.iter().zip(&lines.ids) {
            let mut at = *start;
            let columns = &self.columns[self.firsts[merged.ids[*id as usize] as usize]..];
            for (step, column) in steps.of_template(*id).iter().zip(columns) {
                at += step.skip;
                let len = step.len.or_else(|| lens.next().copied()).unwrap_or(0);
                res[*column as usize].spans.push((at, len));
                at += len;
            }
        }
        res
    }
}

/// How the lines of each template, as it was before it was merged, are walked.
struct Steps {
    steps: Vec<Step>,
    firsts: Vec<usize>,
}

struct Step {
    /// The text before a variable.
    skip: u32,
    /// The length of the variable, where it is always the same word.
    len: Option<u32>,
}

impl Steps {
    fn of(templates: &Interner, merged: &Merged) -> Steps {
        let mut res = Steps { steps: Vec::new(), firsts: vec![0] };
        for id in 0..templates.len() {
            let template = templates.get(id);
            let mut words = merged.words(id).iter().peekable();
            let (mut at, mut skipped_from) = (0, 0);
            loop {
                let slot = memchr::memchr(SLOT, &template[at..]).map(|n| at + n);
                let word = words.next_if(|(start, _)| slot.is_none_or(|slot| (*start as usize) < slot));
                let (start, end, len) = match (word, slot) {
                    (Some((start, end)), _) => (*start as usize, *end as usize, Some(end - start)),
                    (None, Some(slot)) => (slot, slot + 1, None),
                    (None, None) => break,
                };
                res.steps.push(Step { skip: (start - skipped_from) as u32, len });
                (at, skipped_from) = (end, end);
            }
            res.firsts.push(res.steps.len());
        }
        res
    }

    fn of_template(&self, id: u32) -> &[Step] {
        &self.steps[self.firsts[id as usize]..self.firsts[id as usize + 1]]
    }
}

/// Makes columns one that mostly have values in common, as of an address that some sentences
/// call `rhost=` and some `from`. Returns what each of them is now.
fn join_kin(columns: &mut Vec<Values<'_>>) -> Vec<u32> {
    /// Values of a column that are compared, from the first quarter of the text: what is the
    /// same comes at about the same time.
    const SAMPLE: usize = 1_024;
    /// Short ones are equal by chance, long ones seldom are the same.
    const MEAN_BYTES: std::ops::RangeInclusive<usize> = 4..=64;
    const DIFFERENT_MIN: u32 = 4;
    let starts = || columns.iter().flat_map(|column| column.spans.iter().map(|(start, _)| *start));
    let (first, last) = (starts().min().unwrap_or(0), starts().max().unwrap_or(0));
    let sample_end = first + (last - first) / 4;
    let mut known = Interner::new();
    // Of each value the column that had it first, and the one that had it last.
    let mut owners: Vec<(u32, u32)> = Vec::new();
    let mut kin: Vec<u32> = (0..columns.len() as u32).collect();
    let mut in_common = vec![0_u32; columns.len()];
    for (column, idx) in columns.iter().zip(0_u32..) {
        let n = column.spans.partition_point(|(start, _)| *start <= sample_end).min(SAMPLE);
        let n_bytes: usize = column.spans[..n].iter().map(|(_, len)| *len as usize).sum();
        if n < FEW || !MEAN_BYTES.contains(&(n_bytes / n)) {
            continue;
        }
        in_common.fill(0);
        let mut n_different = 0;
        for value in column.iter().take(n) {
            let id = known.id(value);
            if id == owners.len() {
                owners.push((idx, idx));
                n_different += 1;
            } else if owners[id].1 != idx {
                owners[id].1 = idx;
                n_different += 1;
                in_common[kin[owners[id].0 as usize] as usize] += 1;
            }
        }
        let most = in_common.iter().copied().max().unwrap_or(0);
        if n_different >= DIFFERENT_MIN && most * 2 > n_different {
            let closest = in_common.iter().position(|count| *count == most);
            kin[idx as usize] = closest.map_or(idx, |closest| closest as u32);
        }
    }
    let is_own = |idx: usize| kin[idx] as usize == idx;
    for idx in (0..columns.len()).filter(|idx| !is_own(*idx)) {
        let spans = std::mem::take(&mut columns[idx].spans);
        columns[kin[idx] as usize].spans.extend(spans);
    }
    let mut names = vec![0; columns.len()];
    for (name, idx) in (0..columns.len()).filter(|idx| is_own(*idx)).enumerate() {
        columns.swap(name, idx);
        names[idx] = name as u32;
    }
    columns.truncate((0..kin.len()).filter(|idx| is_own(*idx)).count());
    columns.iter_mut().for_each(|column| column.spans.sort_unstable());
    kin.iter().map(|kin| names[*kin as usize]).collect()
}
