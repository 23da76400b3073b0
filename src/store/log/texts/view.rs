//! A column as it lies in the bytes: parsed, but put together only where somebody asks.
//!
//! Counts are checked when it is parsed, so that every cell has its place. What a cell needs
//! beyond that is checked when it is put together, and that the whole is UTF-8 when it leaves.
//! Few bytes can stand for many cells, and those for much text: whatever takes memory is
//! taken from an [`Allowance`] before.

use std::cell::OnceCell;
use std::ops::Range;

use memchr::memmem::Finder;

use super::numbers::Numbers;
use super::{
    DIGITS, INTEGER_DIGITS_MAX, INTEGERS, PLAIN, RECENT, SAME, SLOT, Sources, TEMPLATE_END, TEMPLATES, Texts,
    WORDS, put,
};
use crate::store::columns::Allowance;
use crate::store::wire::{Damaged, Reader};

/// Columns are not deeper within columns: templates and words in turns, as often as templates
/// are made of variables, and words once more on either side.
const DEPTH_MAX: usize = 2 * put::DEPTH_MAX + 2;

/// A cell takes its end, once somebody asked, its place among those found, and a number of 64
/// bits while one of these is made, which happens in one column after the other.
const CELL_BYTES: usize = 2 * size_of::<u32>() + size_of::<u64>() / 2;

/// A column takes itself, its [`Cells`], and what a search notes of it; within templates once
/// more for the bytes that occur in it. So much, also where a build would need less, since what
/// one build wrote the others must read.
const COLUMN_BYTES: usize = 320;

const _: () = assert!(size_of::<Column<'_>>() + size_of::<Cells<'_>>() + 48 <= COLUMN_BYTES);

/// A template or a place of a variable in it.
const PLACE_BYTES: usize = 16;

const _: () = assert!(size_of::<Slot>() <= PLACE_BYTES && size_of::<Template>() <= PLACE_BYTES);

const TOO_LONG: Damaged = Damaged("more text than a column may have");
const NOT_UTF8: Damaged = Damaged("text is not UTF-8");

/// Texts that are not put together.
pub struct View<'a> {
    column: Column<'a>,
    bytes_max: usize,
    allowance: &'a Allowance,
}

impl<'a> View<'a> {
    /// Takes `n` texts that have at most `bytes_max` together; what they take beside that, now
    /// and later, is within the allowance.
    pub fn read<'b: 'a>(
        reader: &mut Reader<'b>,
        n: usize,
        bytes_max: usize,
        allowance: &'a Allowance,
    ) -> Result<Self, Damaged> {
        let (n_numbers, n_text) = (reader.count()?, reader.count()?);
        let numbers = Reader::new(reader.take(n_numbers)?);
        // Ends are 32 bits.
        let bytes_max = bytes_max.min(u32::MAX as usize);
        let text = Reader::new(reader.take(n_text)?);
        let mut from = Sources { numbers, text, allowance };
        let column = Column::parse(&mut from, n, 0)?;
        from.numbers.end()?;
        from.text.end()?;
        Ok(View { column, bytes_max, allowance })
    }

    /// Puts all texts together.
    pub fn texts(&self) -> Result<Texts, Damaged> {
        let Run { ends, text } = self.column.put_together(self.allowance)?;
        if text.len() > self.bytes_max {
            return Err(TOO_LONG);
        }
        let text = String::from_utf8(text).map_err(|_| NOT_UTF8)?;
        let is_cut = ends.iter().any(|end| !text.is_char_boundary(*end as usize));
        if is_cut { Err(NOT_UTF8) } else { Ok(Texts { ends, text }) }
    }

    /// Hands over the texts that contain the needle, ascending.
    pub fn find(&self, needle: &Finder<'_>, mut visit: impl FnMut(usize)) -> Result<(), Damaged> {
        self.column.find(needle, self.allowance, &mut visit)
    }
}

/// Texts of one form, in which there may be columns again.
pub(super) struct Column<'a> {
    pub n: usize,
    pub form: Form<'a>,
    /// Where the cells are, once somebody asked; the text only if it is not in the bytes.
    run: OnceCell<Run>,
}

pub(super) enum Form<'a> {
    Plain {
        lens: Numbers<'a>,
        text: &'a [u8],
    },
    Same(&'a [u8]),
    /// Numbers of at least `width` digits.
    Integers {
        width: usize,
        values: Numbers<'a>,
    },
    /// A zero byte of the pattern stands for a hexadecimal digit.
    Digits {
        pattern: &'a [u8],
        digits: &'a [u8],
    },
    Words {
        words: Box<Column<'a>>,
        ids: Ids<'a>,
    },
    Templates(Templates<'a>),
}

/// Which of the words a cell is.
pub(super) enum Ids<'a> {
    Plain(Numbers<'a>),
    /// How long ago the word was used; and those that were used long ago.
    Recent {
        ranks: Numbers<'a>,
        far: Numbers<'a>,
    },
}

pub(super) struct Templates<'a> {
    /// The bytes of all templates.
    pub text: &'a [u8],
    pub templates: Vec<Template>,
    slots: Vec<Slot>,
    /// Of each line the template.
    pub ids: Vec<u32>,
    pub columns: Vec<Column<'a>>,
}

/// What lines have in common.
pub(super) struct Template {
    slots: Range<u32>,
    /// Where the text behind the last slot is, and so all of it ends.
    tail: (u32, u32),
}

/// A place of a variable.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    /// Where the text before it is.
    literal: (u32, u32),
    pub column: u32,
}

/// Texts that were put together, or where they are.
struct Run {
    ends: Vec<u32>,
    text: Vec<u8>,
}

/// Texts where they are, whatever they are made of.
#[derive(Clone, Copy)]
pub(super) enum Cells<'v> {
    Same(&'v [u8]),
    Run { ends: &'v [u32], text: &'v [u8] },
    Words { ids: &'v [u32], ends: &'v [u32], text: &'v [u8] },
}

impl<'v> Cells<'v> {
    /// Returns where a text lies, and in what.
    fn place(&self, idx: usize) -> (&'v [u8], usize, usize) {
        let (ends, text, idx) = match *self {
            Cells::Same(text) => return (text, 0, text.len()),
            Cells::Run { ends, text } => (ends, text, idx),
            Cells::Words { ids, ends, text } => (ends, text, ids[idx] as usize),
        };
        let start = if idx == 0 { 0 } else { ends[idx - 1] };
        (text, start as usize, ends[idx] as usize)
    }

    fn get(&self, idx: usize) -> &'v [u8] {
        let (text, start, end) = self.place(idx);
        &text[start..end]
    }

    /// Returns the bytes of `n` of them.
    fn n_bytes(&self, n: usize) -> usize {
        match self {
            Cells::Same(text) => text.len().saturating_mul(n),
            Cells::Run { text, .. } => text.len(),
            Cells::Words { .. } => (0..n).map(|idx| self.get(idx).len()).sum(),
        }
    }
}

impl<'a> Column<'a> {
    fn parse(from: &mut Sources<'a>, n: usize, depth: usize) -> Result<Self, Damaged> {
        if depth > DEPTH_MAX {
            return Err(Damaged("columns too deep"));
        }
        from.allowance.take(1, COLUMN_BYTES)?;
        from.allowance.take(n, CELL_BYTES)?;
        let form = match from.numbers.u8()? {
            PLAIN => {
                let lens = Numbers::read(&mut from.numbers, n)?;
                let n_bytes = usize::try_from(lens.sum()).unwrap_or(usize::MAX);
                Form::Plain { lens, text: from.text.take(n_bytes)? }
            }
            SAME => {
                let n_bytes = from.numbers.u32()?;
                Form::Same(from.text.take(n_bytes as usize)?)
            }
            INTEGERS => {
                let width = usize::from(from.numbers.u8()?);
                if width > INTEGER_DIGITS_MAX {
                    return Err(Damaged("width of numbers"));
                }
                Form::Integers { width, values: Numbers::read(&mut from.numbers, n)? }
            }
            DIGITS => {
                let len = from.numbers.u8()?;
                let pattern = from.text.take(len.into())?;
                let n_digits = pattern.iter().filter(|byte| **byte == 0).count();
                let n_bytes = n_digits.div_ceil(2).checked_mul(n).ok_or(TOO_LONG)?;
                Form::Digits { pattern, digits: from.numbers.take(n_bytes)? }
            }
            WORDS => {
                let n_words = from.numbers.count()?;
                if n_words == 0 && n > 0 {
                    return Err(Damaged("word unknown"));
                }
                let words = Box::new(Column::parse(from, n_words, depth + 1)?);
                Form::Words { words, ids: Ids::parse(from, n)? }
            }
            TEMPLATES => Form::Templates(Templates::parse(from, n, depth)?),
            _ => return Err(Damaged("form of a column")),
        };
        Ok(Column { n, form, run: OnceCell::new() })
    }

    /// Returns the texts; what has to be put together for it is taken from the allowance.
    pub fn cells(&self, allowance: &Allowance) -> Result<Cells<'_>, Damaged> {
        let run = || match self.run.get() {
            Some(run) => Ok(run),
            None => {
                let run = match &self.form {
                    Form::Plain { lens, .. } => Run { ends: lens.ends(), text: Vec::new() },
                    Form::Words { words, ids } => Run { ends: ids.all(words.n)?, text: Vec::new() },
                    _ => self.put_together(allowance)?,
                };
                Ok(self.run.get_or_init(|| run))
            }
        };
        Ok(match &self.form {
            Form::Same(text) => Cells::Same(text),
            Form::Plain { text, .. } => Cells::Run { ends: &run()?.ends, text },
            Form::Words { words, .. } => match words.cells(allowance)? {
                Cells::Run { ends, text } => Cells::Words { ids: &run()?.ends, ends, text },
                same @ Cells::Same(_) => same,
                Cells::Words { .. } => return Err(Damaged("words of words")),
            },
            _ => Cells::Run { ends: &run()?.ends, text: &run()?.text },
        })
    }

    fn put_together(&self, allowance: &Allowance) -> Result<Run, Damaged> {
        match &self.form {
            Form::Plain { lens, text } => {
                allowance.take(1, text.len())?;
                Ok(Run { ends: lens.ends(), text: text.to_vec() })
            }
            Form::Same(text) => {
                allowance.take(self.n, text.len())?;
                Ok(Run {
                    ends: (1..=self.n).map(|n| (n * text.len()) as u32).collect(),
                    text: text.repeat(self.n),
                })
            }
            Form::Integers { width, values } => {
                let values = values.all();
                let n_bytes = values.iter().map(|value| n_digits(*value).max(*width)).sum();
                allowance.take(1, n_bytes)?;
                Ok(integers(&values, *width, n_bytes))
            }
            Form::Digits { pattern, digits } => {
                allowance.take(self.n, pattern.len())?;
                Ok(with_digits(pattern, digits, self.n))
            }
            Form::Words { .. } => {
                let cells = self.cells(allowance)?;
                let n_bytes = cells.n_bytes(self.n);
                allowance.take(1, n_bytes)?;
                let mut res = Run { ends: Vec::with_capacity(self.n), text: Vec::with_capacity(n_bytes) };
                for idx in 0..self.n {
                    res.text.extend_from_slice(cells.get(idx));
                    res.ends.push(res.text.len() as u32);
                }
                Ok(res)
            }
            Form::Templates(templates) => {
                let cells: Result<Vec<_>, _> =
                    templates.columns.iter().map(|column| column.cells(allowance)).collect();
                let cells = cells?;
                let n_bytes = templates.n_bytes(&cells);
                allowance.take(1, n_bytes)?;
                Ok(templates.put_together(&cells, n_bytes))
            }
        }
    }
}

// Zero has none.
fn n_digits(value: u64) -> usize {
    value.checked_ilog10().map_or(0, |log| log as usize + 1)
}

fn integers(values: &[u64], width: usize, n_bytes: usize) -> Run {
    let mut res = Run { ends: Vec::with_capacity(values.len()), text: Vec::with_capacity(n_bytes) };
    for value in values {
        let mut digits = [b'0'; INTEGER_DIGITS_MAX];
        let (mut at, mut rest) = (INTEGER_DIGITS_MAX, *value);
        while rest > 0 {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        res.text.extend_from_slice(&digits[at.min(INTEGER_DIGITS_MAX - width)..]);
        res.ends.push(res.text.len() as u32);
    }
    res
}

fn with_digits(pattern: &[u8], digits: &[u8], n: usize) -> Run {
    let mut text = pattern.repeat(n);
    let places: Vec<usize> = (0..pattern.len()).filter(|at| pattern[*at] == 0).collect();
    let digit = |byte: u8| b"0123456789abcdef"[usize::from(byte & 15)];
    let each = digits.chunks_exact(places.len().div_ceil(2).max(1));
    for (own, bytes) in text.chunks_exact_mut(pattern.len().max(1)).zip(each) {
        for (pair, byte) in places.chunks(2).zip(bytes) {
            own[pair[0]] = digit(byte >> 4);
            if let Some(second) = pair.get(1) {
                own[*second] = digit(*byte);
            }
        }
    }
    Run { ends: (1..=n).map(|n| (n * pattern.len()) as u32).collect(), text }
}

impl<'a> Ids<'a> {
    fn parse(from: &mut Sources<'a>, n: usize) -> Result<Self, Damaged> {
        let n_far = from.numbers.varint()?;
        Ok(match usize::try_from(n_far).unwrap_or(usize::MAX).checked_sub(1) {
            None => Ids::Plain(Numbers::read(&mut from.numbers, n)?),
            Some(n_far) if n_far <= n => Ids::Recent {
                ranks: Numbers::read(&mut from.numbers, n)?,
                far: Numbers::read(&mut from.numbers, n_far)?,
            },
            Some(_) => return Err(Damaged("more words than cells")),
        })
    }

    pub fn all(&self, n_words: usize) -> Result<Vec<u32>, Damaged> {
        let unknown = "word unknown";
        let (mut ids, far) = match self {
            Ids::Plain(ids) => return ids.below(n_words, unknown),
            Ids::Recent { ranks, far } => {
                (ranks.below(RECENT + 2, "rank of a word")?, far.below(n_words, unknown)?)
            }
        };
        let mut far = far.into_iter();
        let mut recent = [0_u32; RECENT];
        let mut n_new = 0;
        for id in &mut ids {
            let rank = *id as usize;
            if let 1..=RECENT = rank {
                *id = recent[rank - 1];
            } else if rank == 0 {
                *id = n_new;
                n_new += 1;
            } else {
                *id = far.next().ok_or(Damaged("words end early"))?;
            }
            let last = if rank == 0 || rank > RECENT { RECENT - 1 } else { rank - 1 };
            recent.copy_within(..last, 1);
            recent[0] = *id;
        }
        if n_new as usize > n_words { Err(Damaged(unknown)) } else { Ok(ids) }
    }
}

impl<'a> Templates<'a> {
    fn parse(from: &mut Sources<'a>, n: usize, depth: usize) -> Result<Self, Damaged> {
        let (n_templates, n_columns) = (from.numbers.count()?, from.numbers.count()?);
        let (mut templates, mut slots) = (Vec::new(), Vec::new());
        let text = from.text.rest();
        let (mut first, mut start) = (0, 0);
        let marks = memchr::memchr2_iter(SLOT, TEMPLATE_END, &text[..text.len().min(u32::MAX as usize)]);
        for at in marks {
            if templates.len() == n_templates {
                break;
            }
            let piece = (start, at as u32);
            start = at as u32 + 1;
            from.allowance.take(1, PLACE_BYTES)?;
            if text[at] == SLOT {
                slots.push(Slot { literal: piece, column: 0 });
            } else {
                templates.push(Template { slots: first..slots.len() as u32, tail: piece });
                first = slots.len() as u32;
            }
        }
        if templates.len() < n_templates {
            return Err(Damaged("template without end"));
        }
        slots.truncate(first as usize);
        if n_columns > slots.len() {
            return Err(Damaged("column without a place"));
        }
        let text = from.text.take(templates.last().map_or(0, |last| last.tail.1 as usize + 1))?;
        let columns = Numbers::read(&mut from.numbers, slots.len())?.below(n_columns, "column unknown")?;
        slots.iter_mut().zip(columns).for_each(|(slot, column)| slot.column = column);
        let ids = Numbers::read(&mut from.numbers, n)?.below(n_templates, "template unknown")?;
        let mut res = Templates { text, templates, slots, ids, columns: Vec::new() };
        from.allowance.take(n_columns, COLUMN_BYTES)?;
        let mut lens = vec![0_usize; n_columns];
        for (id, count) in res.counts().into_iter().enumerate() {
            let columns = res.slots(id as u32).iter().map(|slot| slot.column as usize);
            columns.for_each(|column| lens[column] = lens[column].saturating_add(count));
        }
        for len in lens {
            res.columns.push(Column::parse(from, len, depth + 1)?);
        }
        Ok(res)
    }

    /// Returns how many lines each template has.
    fn counts(&self) -> Vec<usize> {
        let mut res = vec![0; self.templates.len()];
        self.ids.iter().for_each(|id| res[*id as usize] += 1);
        res
    }

    pub fn slots(&self, id: u32) -> &[Slot] {
        let Range { start, end } = self.templates[id as usize].slots;
        &self.slots[start as usize..end as usize]
    }

    pub fn literal(&self, slot: Slot) -> &'a [u8] {
        &self.text[slot.literal.0 as usize..slot.literal.1 as usize]
    }

    pub fn tail(&self, id: u32) -> &'a [u8] {
        let (start, end) = self.templates[id as usize].tail;
        &self.text[start as usize..end as usize]
    }

    /// Returns the first template that ends behind a place in the bytes of all.
    pub fn template_at(&self, place: usize) -> usize {
        self.templates.partition_point(|template| (template.tail.1 as usize) < place)
    }

    /// Returns where the next template begins in the bytes of all.
    pub fn template_end(&self, id: usize) -> usize {
        self.templates[id].tail.1 as usize + 1
    }

    fn n_bytes(&self, cells: &[Cells<'_>]) -> usize {
        let mut res = 0_usize;
        for (id, count) in self.counts().into_iter().enumerate() {
            let literals = self.slots(id as u32).iter().map(|slot| self.literal(*slot).len()).sum::<usize>();
            res = res.saturating_add((literals + self.tail(id as u32).len()).saturating_mul(count));
        }
        for (column, cells) in self.columns.iter().zip(cells) {
            res = res.saturating_add(cells.n_bytes(column.n));
        }
        res
    }

    fn put_together(&self, cells: &[Cells<'_>], n_bytes: usize) -> Run {
        // Some bytes more, so that a short piece is copied with what is behind it.
        let mut text = vec![0; n_bytes + CHUNK];
        let mut ends = Vec::with_capacity(self.ids.len());
        let mut next = vec![0_u32; cells.len()];
        let mut at = 0;
        for id in &self.ids {
            for slot in self.slots(*id) {
                let (start, end) = slot.literal;
                at = copy(&mut text, at, self.text, start as usize, end as usize);
                let next = &mut next[slot.column as usize];
                let (from, start, end) = cells[slot.column as usize].place(*next as usize);
                *next += 1;
                at = copy(&mut text, at, from, start, end);
            }
            let (start, end) = self.templates[*id as usize].tail;
            at = copy(&mut text, at, self.text, start as usize, end as usize);
            ends.push(at as u32);
        }
        text.truncate(at);
        Run { ends, text }
    }

    /// Appends a line whose variables are the next ones; leaves `next` as it was, but for an
    /// error.
    pub fn put_line(
        &self,
        line: usize,
        next: &mut [u32],
        allowance: &Allowance,
        out: &mut Vec<u8>,
    ) -> Result<(), Damaged> {
        let id = self.ids[line];
        let mut put = |piece: &[u8]| {
            allowance.take(1, piece.len())?;
            out.extend_from_slice(piece);
            Ok(())
        };
        for slot in self.slots(id) {
            put(self.literal(*slot))?;
            let column = slot.column as usize;
            put(self.columns[column].cells(allowance)?.get(next[column] as usize))?;
            next[column] += 1;
        }
        self.slots(id).iter().for_each(|slot| next[slot.column as usize] -= 1);
        put(self.tail(id))
    }
}

/// Most pieces of a line are not longer.
const CHUNK: usize = 16;

/// Copies a piece and returns where it ends now. Of a short one always as many bytes, which
/// takes a third of the time; what is too much is written over by the next piece.
fn copy(to: &mut [u8], at: usize, from: &[u8], start: usize, end: usize) -> usize {
    let n = end - start;
    if n <= CHUNK
        && let Some(short) = from[start..].first_chunk::<CHUNK>()
        && let Some(place) = to[at..].first_chunk_mut::<CHUNK>()
    {
        *place = *short;
    } else {
        to[at..at + n].copy_from_slice(&from[start..end]);
    }
    at + n
}
