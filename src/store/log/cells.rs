//! The structured metadata of a block's lines: a column for each name.

use std::borrow::Cow;
use std::ops::Range;

use super::texts::{self, Texts};
use crate::record::read::Pairs;
use crate::store::columns::Allowance;
use crate::store::wire::{Damaged, Reader, put_bytes, put_varint};

/// What a pair is called.
pub type Name = Cow<'static, str>;

/// Pairs of lines, by line and by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cells {
    names: Vec<Name>,
    /// Lists of names; each line has one of them.
    shapes: Vec<Vec<u32>>,
    shape_of_line: Vec<u32>,
    /// For each line the place of its first pair among all pairs.
    first_cells: Vec<u32>,
    /// For each pair its place in the column of its name.
    cells: Vec<u32>,
    columns: Vec<Texts>,
}

impl Cells {
    /// Returns lines that have no pairs.
    pub fn absent(n_lines: usize) -> Cells {
        let (shape_of_line, first_cells) = (vec![0; n_lines], vec![0; n_lines]);
        Cells { shapes: vec![Vec::new()], shape_of_line, first_cells, ..Cells::default() }
    }

    /// Returns about how much memory the pairs take; a line's own places are not counted.
    pub fn size_bytes(&self) -> usize {
        let columns = self.columns.iter().map(|column| column.text().len());
        let names = self.names.iter().map(|name| name.len() + size_of::<Texts>());
        columns.chain(names).sum::<usize>() + self.cells.len() * 2 * size_of::<u32>()
    }

    /// Returns how much memory the pairs hold.
    pub fn held_bytes(&self) -> usize {
        let Cells { names, shapes, shape_of_line, first_cells, cells, columns } = self;
        let places = shape_of_line.capacity() + first_cells.capacity() + cells.capacity();
        let in_shapes: usize = shapes.iter().map(Vec::capacity).sum();
        names.iter().map(|name| name.len()).sum::<usize>()
            + names.capacity() * size_of::<Name>()
            + shapes.capacity() * size_of::<Vec<u32>>()
            + (places + in_shapes) * size_of::<u32>()
            + columns.capacity() * size_of::<Texts>()
            + columns.iter().map(Texts::held_bytes).sum::<usize>()
    }

    /// Adds a line.
    pub fn push(&mut self, pairs: &dyn Pairs) {
        let Cells { names, shapes, shape_of_line, first_cells, cells, columns } = self;
        first_cells.push(cells.len() as u32);
        let mut shape = Vec::new();
        pairs.each(&mut |name, value| {
            let known = names.iter().position(|known| known == name);
            let id = known.unwrap_or_else(|| {
                names.push(Cow::Owned(name.to_string()));
                columns.push(Texts::default());
                names.len() - 1
            });
            shape.push(id as u32);
            cells.push(columns[id].len() as u32);
            columns[id].push(value);
        });
        // Most lines have the names of the line before.
        let is_last = shape_of_line.last().is_some_and(|last| shapes[*last as usize] == shape);
        let known = if is_last { shape_of_line.last().copied() } else { None };
        let known = known.or_else(|| shapes.iter().position(|known| *known == shape).map(|id| id as u32));
        shape_of_line.push(known.unwrap_or_else(|| {
            shapes.push(shape);
            shapes.len() as u32 - 1
        }));
    }

    fn shape(&self, line: usize) -> &[u32] {
        &self.shapes[self.shape_of_line[line] as usize]
    }

    /// Yields the pairs of a line.
    pub fn of(&self, line: usize) -> impl Iterator<Item = (&str, &str)> {
        let first = self.first_cells[line] as usize;
        self.shape(line).iter().enumerate().map(move |(place, id)| {
            let cell = self.cells[first + place] as usize;
            (self.names[*id as usize].as_ref(), self.columns[*id as usize].get(cell))
        })
    }

    // For each name the places in its column that a range of lines takes; they are consecutive.
    fn ranges(&self, lines: Range<usize>) -> Vec<Range<usize>> {
        let mut res: Vec<Range<usize>> = vec![0..0; self.names.len()];
        for line in lines {
            let first = self.first_cells[line] as usize;
            for (place, id) in self.shape(line).iter().enumerate() {
                let (cell, range) = (self.cells[first + place] as usize, &mut res[*id as usize]);
                range.start = if range.end == 0 { cell } else { range.start };
                range.end = cell + 1;
            }
        }
        res
    }

    /// Appends the pairs of a range of lines; `encode` writes the values of one name.
    pub fn encode(
        &self,
        lines: Range<usize>,
        encode: impl Fn(&Texts, Range<usize>, &mut Vec<u8>),
        out: &mut Vec<u8>,
    ) {
        put_varint(out, self.names.len() as u64);
        self.names.iter().for_each(|name| put_bytes(out, name.as_bytes()));
        put_varint(out, self.shapes.len() as u64);
        for shape in &self.shapes {
            put_varint(out, shape.len() as u64);
            shape.iter().for_each(|id| put_varint(out, (*id).into()));
        }
        self.shape_of_line[lines.clone()].iter().for_each(|id| put_varint(out, (*id).into()));
        for (column, range) in self.columns.iter().zip(self.ranges(lines)) {
            encode(column, range, out);
        }
    }

    /// Decodes no more than the names.
    pub fn decode_names(bytes: &[u8], allowance: &Allowance) -> Result<Vec<Name>, Damaged> {
        read_names(&mut Reader::new(bytes), allowance)
    }

    /// Decodes what [`Cells::encode`] wrote, of so many lines and at most so many bytes of text;
    /// what it takes beside that is within the allowance.
    pub fn decode(
        bytes: &[u8],
        n_lines: usize,
        bytes_max: usize,
        allowance: &Allowance,
    ) -> Result<Cells, Damaged> {
        let mut reader = Reader::new(bytes);
        let mut res = Cells { names: read_names(&mut reader, allowance)?, ..Cells::default() };
        let n_names = res.names.len();
        let n_shapes = reader.count()?;
        allowance.take(n_shapes, size_of::<Vec<u32>>())?;
        for _ in 0..n_shapes {
            let n_pairs = reader.count()?;
            allowance.take(n_pairs, size_of::<u32>())?;
            let mut shape = Vec::with_capacity(n_pairs);
            for _ in 0..n_pairs {
                shape.push(reader.u32()?);
            }
            if shape.iter().any(|id| *id as usize >= n_names) {
                return Err(Damaged("metadata name unknown"));
            }
            res.shapes.push(shape);
        }
        let mut column_lens = vec![0_u32; n_names];
        allowance.take(reader.at_least(n_lines)?, 2 * size_of::<u32>())?;
        for _ in 0..n_lines {
            let id = reader.u32()?;
            let shape = res.shapes.get(id as usize).ok_or(Damaged("metadata shape unknown"))?;
            res.shape_of_line.push(id);
            res.first_cells.push(res.cells.len() as u32);
            allowance.take(shape.len(), size_of::<u32>())?;
            for id in shape {
                res.cells.push(column_lens[*id as usize]);
                column_lens[*id as usize] += 1;
            }
        }
        let mut left = bytes_max;
        for n in column_lens {
            let column = texts::decode(&mut reader, n as usize, left, allowance)?;
            left -= column.text().len();
            res.columns.push(column);
        }
        reader.end()?;
        Ok(res)
    }
}

fn read_names(reader: &mut Reader<'_>, allowance: &Allowance) -> Result<Vec<Name>, Damaged> {
    let n_names = reader.count()?;
    allowance.take(n_names, NAME_BYTES)?;
    let mut res = Vec::with_capacity(n_names);
    for _ in 0..n_names {
        let name = reader.text()?;
        allowance.take(1, name.len())?;
        res.push(Cow::Owned(name.to_string()));
    }
    Ok(res)
}

/// A name takes itself, its column, and the length of that: so much, also where a later build
/// would need less, since what one build wrote the others must read.
const NAME_BYTES: usize = 80;

const _: () = assert!(size_of::<Name>() + size_of::<Texts>() + size_of::<u32>() <= NAME_BYTES);
