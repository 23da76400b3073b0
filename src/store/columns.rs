//! Columns: what many records have of one kind, one after the other.
//!
//! Whatever is read is checked against what is left
//! and against an [`Allowance`], so damaged bytes give an error and never much memory. It
//! refuses to know what a column means.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::hash::Hash;

use super::wire::{Damaged, Reader, put_bytes, put_varint, put_zigzag};

/// Named values of one record, in its order.
pub type Pairs = Vec<(Cow<'static, str>, String)>;

/// How much memory what is being read may still take: the values of a span, a part of a block
/// of lines. A name or a shape is stored once and handed out many times, so without it few
/// bytes could claim much.
pub struct Allowance(Cell<usize>);

impl Allowance {
    /// Grants so many bytes.
    pub fn new(n_bytes: usize) -> Self {
        Allowance(Cell::new(n_bytes))
    }

    /// Uses up the memory of `n` values before it is allocated.
    pub fn take(&self, n: usize, each_bytes: usize) -> Result<(), Damaged> {
        let left = n.checked_mul(each_bytes).and_then(|wanted| self.0.get().checked_sub(wanted));
        self.0.set(left.ok_or(Damaged("more memory than a reader grants"))?);
        Ok(())
    }
}

/// Numbers things in the order in which they first appear.
pub struct Dictionary<T> {
    /// The things; the place is the number.
    pub known: Vec<T>,
    ids: HashMap<T, usize>,
}

impl<T> Default for Dictionary<T> {
    fn default() -> Self {
        Dictionary { known: Vec::new(), ids: HashMap::new() }
    }
}

impl<T: Clone + Eq + Hash> Dictionary<T> {
    /// Returns the number of a thing, which is the next one when it is new.
    pub fn id(&mut self, thing: T) -> usize {
        *self.ids.entry(thing).or_insert_with_key(|thing| {
            self.known.push(thing.clone());
            self.known.len() - 1
        })
    }
}

/// Reads the number of one of `len` things.
pub fn index(value: u64, len: usize, what: &'static str) -> Result<usize, Damaged> {
    usize::try_from(value).ok().filter(|value| *value < len).ok_or(Damaged(what))
}

/// Appends numbers that mostly ascend, as the steps between them.
pub fn put_steps(out: &mut Vec<u8>, numbers: impl Iterator<Item = u64>) {
    let mut before = 0;
    for number in numbers {
        put_varint(out, number.wrapping_sub(before));
        before = number;
    }
}

/// The inverse of [`put_steps`] for `n` numbers.
pub fn read_steps(reader: &mut Reader<'_>, n: usize) -> Result<Vec<u64>, Damaged> {
    let mut res = Vec::with_capacity(reader.at_least(n)?);
    let mut number = 0_u64;
    for _ in 0..n {
        number = number.wrapping_add(reader.varint()?);
        res.push(number);
    }
    Ok(res)
}

/// Appends numbers of any order.
pub fn put_numbers(out: &mut Vec<u8>, numbers: impl Iterator<Item = u64>) {
    numbers.for_each(|number| put_varint(out, number));
}

/// The inverse of [`put_numbers`] for `n` numbers.
pub fn read_numbers(reader: &mut Reader<'_>, n: usize) -> Result<Vec<u64>, Damaged> {
    let mut res = Vec::with_capacity(reader.at_least(n)?);
    for _ in 0..n {
        res.push(reader.varint()?);
    }
    Ok(res)
}

/// Whole seconds in nanoseconds; no source is coarser.
const EXPONENT_MAX: u32 = 9;

/// Appends numbers of either sign, divided by the largest power of ten that divides all:
/// many sources have only microseconds or milliseconds.
pub fn put_scaled(out: &mut Vec<u8>, numbers: impl Iterator<Item = i64> + Clone) {
    let divides = |exponent: &u32| numbers.clone().all(|number| number % 10_i64.pow(*exponent) == 0);
    let exponent = (1..=EXPONENT_MAX).take_while(divides).last().unwrap_or(0);
    out.push(exponent as u8);
    numbers.for_each(|number| put_zigzag(out, number / 10_i64.pow(exponent)));
}

/// The inverse of [`put_scaled`] for `n` numbers.
pub fn read_scaled(reader: &mut Reader<'_>, n: usize) -> Result<Vec<i64>, Damaged> {
    let exponent = u32::from(reader.u8()?);
    if exponent > EXPONENT_MAX {
        return Err(Damaged("unknown scale of numbers"));
    }
    let mut res = Vec::with_capacity(reader.at_least(n)?);
    for _ in 0..n {
        let number = reader.zigzag()?.checked_mul(10_i64.pow(exponent));
        res.push(number.ok_or(Damaged("number beyond its scale"))?);
    }
    Ok(res)
}

/// Appends texts: all lengths, then all bytes.
pub fn put_texts<'a>(out: &mut Vec<u8>, texts: impl Iterator<Item = &'a str> + Clone) {
    texts.clone().for_each(|text| put_varint(out, text.len() as u64));
    texts.for_each(|text| out.extend_from_slice(text.as_bytes()));
}

/// The inverse of [`put_texts`] for `n` texts.
pub fn read_texts<'a>(reader: &mut Reader<'a>, n: usize) -> Result<Vec<&'a str>, Damaged> {
    let mut lens = Vec::with_capacity(reader.at_least(n)?);
    for _ in 0..n {
        lens.push(usize::try_from(reader.varint()?).map_err(|_| Damaged("text too long"))?);
    }
    let mut res = Vec::with_capacity(n);
    for len in lens {
        res.push(std::str::from_utf8(reader.take(len)?).map_err(|_| Damaged("text is not UTF-8"))?);
    }
    Ok(res)
}

/// Appends texts that repeat: each different one once, then their numbers.
pub fn put_words<'a>(out: &mut Vec<u8>, words: impl Iterator<Item = &'a str>) {
    let mut words_once = Dictionary::default();
    let ids: Vec<usize> = words.map(|word| words_once.id(word)).collect();
    put_names(out, &words_once.known);
    put_numbers(out, ids.into_iter().map(|id| id as u64));
}

/// The inverse of [`put_words`] for `n` texts, of which the caller may make copies.
pub fn read_words<'a>(
    reader: &mut Reader<'a>,
    n: usize,
    allowance: &Allowance,
) -> Result<Vec<&'a str>, Damaged> {
    let words = read_names(reader, allowance)?;
    let mut res = Vec::with_capacity(reader.at_least(n)?);
    for _ in 0..n {
        let word = words[index(reader.varint()?, words.len(), "text unknown")?];
        allowance.take(1, word.len())?;
        res.push(word);
    }
    Ok(res)
}

fn put_names(out: &mut Vec<u8>, names: &[&str]) {
    put_varint(out, names.len() as u64);
    names.iter().for_each(|name| put_bytes(out, name.as_bytes()));
}

fn read_names<'a>(reader: &mut Reader<'a>, allowance: &Allowance) -> Result<Vec<&'a str>, Damaged> {
    let n = reader.count()?;
    allowance.take(n, size_of::<&str>())?;
    let mut res = Vec::with_capacity(n);
    for _ in 0..n {
        res.push(reader.text()?);
    }
    Ok(res)
}

/// Appends the pairs of each record: names once; the shape of a record is its list of
/// names; then one column of values per name.
pub fn put_pairs<'a>(
    out: &mut Vec<u8>,
    records: impl Iterator<Item = &'a [(Cow<'static, str>, String)]> + Clone,
) {
    let mut names = Dictionary::default();
    let mut shapes = Dictionary::default();
    let mut shape_of_record = Vec::new();
    let mut columns: Vec<Vec<&str>> = Vec::new();
    for pairs in records {
        let shape: Vec<usize> = pairs.iter().map(|(name, _)| names.id(name.as_ref())).collect();
        columns.resize(names.known.len(), Vec::new());
        for (name_id, (_, value)) in shape.iter().zip(pairs) {
            columns[*name_id].push(value);
        }
        shape_of_record.push(shapes.id(shape));
    }
    put_names(out, &names.known);
    put_varint(out, shapes.known.len() as u64);
    for shape in &shapes.known {
        put_varint(out, shape.len() as u64);
        shape.iter().for_each(|name_id| put_varint(out, *name_id as u64));
    }
    shape_of_record.iter().for_each(|id| put_varint(out, *id as u64));
    columns.iter().for_each(|column| put_texts(out, column.iter().copied()));
}

/// The inverse of [`put_pairs`] for `n` records.
pub fn read_pairs(reader: &mut Reader<'_>, n: usize, allowance: &Allowance) -> Result<Vec<Pairs>, Damaged> {
    let names = read_names(reader, allowance)?;
    let n_shapes = reader.count()?;
    if n_shapes > n {
        return Err(Damaged("more shapes than records"));
    }
    let mut shapes: Vec<Vec<usize>> = Vec::with_capacity(n_shapes);
    for _ in 0..n_shapes {
        let n_pairs = reader.count()?;
        allowance.take(n_pairs, size_of::<usize>())?;
        let mut shape = Vec::with_capacity(n_pairs);
        for _ in 0..n_pairs {
            shape.push(index(reader.varint()?, names.len(), "name of a pair unknown")?);
        }
        shapes.push(shape);
    }
    let mut shape_of_record = Vec::with_capacity(reader.at_least(n)?);
    let mut column_lens = vec![0_usize; names.len()];
    for _ in 0..n {
        let shape = &shapes[index(reader.varint()?, n_shapes, "shape of a record unknown")?];
        allowance.take(shape.len(), size_of::<(Cow<'static, str>, String)>())?;
        shape.iter().for_each(|name_id| column_lens[*name_id] += 1);
        shape_of_record.push(shape);
    }
    let mut columns = Vec::with_capacity(names.len());
    for len in column_lens {
        columns.push(read_texts(reader, len)?.into_iter());
    }
    let mut res = Vec::with_capacity(n);
    for shape in shape_of_record {
        let mut pairs = Vec::with_capacity(shape.len());
        for name_id in shape {
            let name = names[*name_id];
            let value = columns[*name_id].next().ok_or(Damaged("column of values ends early"))?;
            allowance.take(1, name.len() + value.len())?;
            pairs.push((Cow::Owned(name.to_string()), value.to_string()));
        }
        res.push(pairs);
    }
    Ok(res)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ENOUGH: usize = 1 << 20;

    fn read(records: &[Pairs], n: usize, n_bytes: usize) -> Result<Vec<Pairs>, Damaged> {
        let mut out = Vec::new();
        put_pairs(&mut out, records.iter().map(Vec::as_slice));
        read_pairs(&mut Reader::new(&out), n, &Allowance::new(n_bytes))
    }

    proptest! {
        #[test]
        fn columns_round_trip(
            numbers: Vec<u64>,
            signed: Vec<i64>,
            exponent in 0_u32..12,
            words in prop::collection::vec("[a-b]{0,2}", 0..20),
        ) {
            let scaled: Vec<i64> = signed.iter().map(|number| number / 10_i64.pow(exponent)).collect();
            let scaled: Vec<i64> = scaled.iter().map(|number| number * 10_i64.pow(exponent)).collect();
            let mut out = Vec::new();
            put_steps(&mut out, numbers.iter().copied());
            put_numbers(&mut out, numbers.iter().copied());
            put_scaled(&mut out, signed.iter().copied());
            put_scaled(&mut out, scaled.iter().copied());
            put_words(&mut out, words.iter().map(String::as_str));
            let mut reader = Reader::new(&out);
            prop_assert_eq!(&read_steps(&mut reader, numbers.len()).unwrap(), &numbers);
            prop_assert_eq!(&read_numbers(&mut reader, numbers.len()).unwrap(), &numbers);
            prop_assert_eq!(&read_scaled(&mut reader, signed.len()).unwrap(), &signed);
            prop_assert_eq!(&read_scaled(&mut reader, scaled.len()).unwrap(), &scaled);
            let allowance = Allowance::new(ENOUGH);
            prop_assert_eq!(&read_words(&mut reader, words.len(), &allowance).unwrap(), &words);
            prop_assert!(reader.end().is_ok());
        }
    }

    #[test]
    fn numbers_of_milliseconds_are_written_as_such() {
        let mut out = Vec::new();
        put_scaled(&mut out, [3_000_000, -1_000_000, 0].into_iter());
        assert_eq!(out, [6, 6, 1, 0]);
        out = vec![9];
        put_zigzag(&mut out, i64::MAX);
        assert_eq!(read_scaled(&mut Reader::new(&out), 1), Err(Damaged("number beyond its scale")));
        assert_eq!(read_scaled(&mut Reader::new(&[10]), 0), Err(Damaged("unknown scale of numbers")));
    }

    #[test]
    fn a_long_name_handed_out_often_is_refused() {
        let records: Vec<Pairs> =
            (0..100).map(|_| vec![(Cow::Owned("n".repeat(10_000)), String::new())]).collect();
        assert_eq!(read(&records, 100, 100 * 10_100).unwrap(), records);
        assert!(read(&records, 100, 100 * 10_000).is_err());
    }

    #[test]
    fn a_long_shape_used_often_is_refused() {
        // 1,000 empty pairs in the shape, which 1,000 records name in a byte each.
        let mut out = vec![1, 0, 1];
        put_varint(&mut out, 1_000);
        out.extend([0; 1_000]);
        out.extend([0; 1_000]);
        let damage = read_pairs(&mut Reader::new(&out), 1_000, &Allowance::new(ENOUGH)).unwrap_err();
        assert_eq!(damage, Damaged("more memory than a reader grants"));
    }

    #[test]
    fn a_shape_that_no_record_can_have_is_refused() {
        let one: Pairs = vec![("a".into(), "b".into())];
        let records = vec![one, Vec::new()];
        assert_eq!(read(&records, 2, ENOUGH).unwrap(), records);
        assert_eq!(read(&records, 1, ENOUGH), Err(Damaged("more shapes than records")));
    }
}
