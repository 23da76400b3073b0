//! Log lines of one stream as bytes: columns, then zstd.
//!
//! Times, numbers and severities lie together, then each metadata name's values, then
//! the bodies, because like compresses with like. Lines keep the order of their arrival.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Read;

use super::wire::{Damaged, Reader, put_bytes, put_varint, put_zigzag};
use crate::clock::UnixNanos;
use crate::record::{Labels, LogRecord, Severity};

/// One line inside its stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// When it happened.
    pub at: UnixNanos,
    /// Its place among all lines of this generation, in the order of arrival.
    pub no: u64,
    /// How much it matters.
    pub severity: Severity,
    /// Structured metadata.
    pub metadata: Vec<(Cow<'static, str>, String)>,
    /// The text.
    pub body: String,
}

impl Line {
    /// Returns about how many bytes the line takes in memory and raw.
    pub fn size_bytes(&self) -> usize {
        // Times, number, severity and two vectors' headers, rounded.
        const FIXED: usize = 64;
        let pair_bytes = |(name, value): &(Cow<'static, str>, String)| name.len() + value.len();
        FIXED + self.body.len() + self.metadata.iter().map(pair_bytes).sum::<usize>()
    }

    /// Returns the line as the record that it came from.
    pub fn into_record(self, stream: Labels) -> LogRecord {
        LogRecord { at: self.at, severity: self.severity, stream, metadata: self.metadata, body: self.body }
    }
}

/// A block claims at most this much raw text; damaged sizes are refused before they allocate.
const RAW_MAX_BYTES: u64 = 64 << 20;

/// Encodes lines and compresses them.
pub fn compress(lines: &[Line], level: i32) -> Vec<u8> {
    let raw = encode(lines);
    let mut out = Vec::with_capacity(raw.len() / 4 + 16);
    put_varint(&mut out, raw.len() as u64);
    let packed = zstd::bulk::compress(&raw, level).expect("zstd compresses any bytes into memory");
    out.extend_from_slice(&packed);
    out
}

/// The inverse of [`compress`].
pub fn decompress(bytes: &[u8]) -> Result<Vec<Line>, Damaged> {
    let mut reader = Reader::new(bytes);
    let raw_bytes = reader.varint()?;
    if raw_bytes > RAW_MAX_BYTES {
        return Err(Damaged("block claims to be too large"));
    }
    let raw = inflate(reader.rest(), raw_bytes)?;
    decode(&raw)
}

/// Unpacks exactly `raw_bytes` bytes of zstd.
pub fn inflate(packed: &[u8], raw_bytes: u64) -> Result<Vec<u8>, Damaged> {
    let damaged = |_| Damaged("zstd frame");
    let mut raw = Vec::new();
    let decoder = zstd::stream::read::Decoder::with_buffer(packed).map_err(damaged)?;
    // One byte more than claimed shows a frame that is longer than it says.
    decoder.take(raw_bytes.saturating_add(1)).read_to_end(&mut raw).map_err(damaged)?;
    if raw.len() as u64 == raw_bytes { Ok(raw) } else { Err(Damaged("zstd frame of another length")) }
}

fn encode(lines: &[Line]) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, lines.len() as u64);
    let mut before = 0;
    for line in lines {
        put_zigzag(&mut out, line.at.0.wrapping_sub(before));
        before = line.at.0;
    }
    let mut before = 0;
    for line in lines {
        put_varint(&mut out, line.no.wrapping_sub(before));
        before = line.no;
    }
    out.extend(lines.iter().map(|line| line.severity.number()));
    encode_metadata(&mut out, lines);
    for line in lines {
        put_varint(&mut out, line.body.len() as u64);
    }
    for line in lines {
        out.extend_from_slice(line.body.as_bytes());
    }
    out
}

// Names once; the shape of a line is its list of names; then one column per name.
fn encode_metadata(out: &mut Vec<u8>, lines: &[Line]) {
    let mut names: Vec<&str> = Vec::new();
    let mut name_ids: HashMap<&str, usize> = HashMap::new();
    let mut shapes: Vec<Vec<usize>> = Vec::new();
    let mut shape_ids: HashMap<Vec<usize>, usize> = HashMap::new();
    let mut shape_of_line = Vec::with_capacity(lines.len());
    for line in lines {
        for (name, _) in &line.metadata {
            if !name_ids.contains_key(name.as_ref()) {
                name_ids.insert(name, names.len());
                names.push(name);
            }
        }
        let shape: Vec<usize> = line.metadata.iter().map(|(name, _)| name_ids[name.as_ref()]).collect();
        let id = *shape_ids.entry(shape).or_insert_with_key(|shape| {
            shapes.push(shape.clone());
            shapes.len() - 1
        });
        shape_of_line.push(id);
    }
    put_varint(out, names.len() as u64);
    names.iter().for_each(|name| put_bytes(out, name.as_bytes()));
    put_varint(out, shapes.len() as u64);
    for shape in &shapes {
        put_varint(out, shape.len() as u64);
        shape.iter().for_each(|name_id| put_varint(out, *name_id as u64));
    }
    shape_of_line.iter().for_each(|id| put_varint(out, *id as u64));
    let mut columns: Vec<Vec<&str>> = vec![Vec::new(); names.len()];
    for (line, shape_id) in lines.iter().zip(&shape_of_line) {
        for (name_id, (_, value)) in shapes[*shape_id].iter().zip(&line.metadata) {
            columns[*name_id].push(value);
        }
    }
    for column in &columns {
        column.iter().for_each(|value| put_varint(out, value.len() as u64));
        column.iter().for_each(|value| out.extend_from_slice(value.as_bytes()));
    }
}

fn decode(raw: &[u8]) -> Result<Vec<Line>, Damaged> {
    let mut reader = Reader::new(raw);
    let n = reader.count()?;
    let mut times = Vec::with_capacity(n);
    let mut at = 0_i64;
    for _ in 0..n {
        at = at.wrapping_add(reader.zigzag()?);
        times.push(UnixNanos(at));
    }
    let mut numbers = Vec::with_capacity(n);
    let mut no = 0_u64;
    for _ in 0..n {
        no = no.wrapping_add(reader.varint()?);
        numbers.push(no);
    }
    let severities = reader.take(n)?;
    let metadata = decode_metadata(&mut reader, n)?;
    let bodies = decode_column(&mut reader, n)?;
    reader.end()?;
    let mut res = Vec::with_capacity(n);
    let columns = times.into_iter().zip(numbers).zip(severities).zip(metadata).zip(bodies);
    for ((((at, no), severity), metadata), body) in columns {
        let severity = Severity::from_number(*severity);
        res.push(Line { at, no, severity, metadata, body: body.to_string() });
    }
    Ok(res)
}

type Metadata = Vec<(Cow<'static, str>, String)>;

fn decode_metadata(reader: &mut Reader<'_>, n: usize) -> Result<Vec<Metadata>, Damaged> {
    let n_names = reader.count()?;
    let mut names = Vec::with_capacity(n_names);
    for _ in 0..n_names {
        names.push(reader.text()?);
    }
    let n_shapes = reader.count()?;
    let mut shapes: Vec<Vec<usize>> = Vec::with_capacity(n_shapes);
    for _ in 0..n_shapes {
        let n_pairs = reader.count()?;
        let mut shape = Vec::with_capacity(n_pairs);
        for _ in 0..n_pairs {
            shape.push(index(reader.varint()?, n_names, "metadata name unknown")?);
        }
        shapes.push(shape);
    }
    let mut shape_of_line = Vec::with_capacity(n);
    let mut column_lens = vec![0_usize; n_names];
    for _ in 0..n {
        let shape = &shapes[index(reader.varint()?, n_shapes, "metadata shape unknown")?];
        shape.iter().for_each(|name_id| column_lens[*name_id] += 1);
        shape_of_line.push(shape);
    }
    let mut columns = Vec::with_capacity(n_names);
    for len in column_lens {
        columns.push(decode_column(reader, len)?.into_iter());
    }
    let mut res = Vec::with_capacity(n);
    for shape in shape_of_line {
        let mut pairs = Vec::with_capacity(shape.len());
        for name_id in shape {
            let value = columns[*name_id].next().ok_or(Damaged("metadata column ends early"))?;
            pairs.push((Cow::Owned(names[*name_id].to_string()), value.to_string()));
        }
        res.push(pairs);
    }
    Ok(res)
}

fn index(value: u64, len: usize, what: &'static str) -> Result<usize, Damaged> {
    usize::try_from(value).ok().filter(|value| *value < len).ok_or(Damaged(what))
}

fn decode_column<'a>(reader: &mut Reader<'a>, n: usize) -> Result<Vec<&'a str>, Damaged> {
    if n > reader.rest().len() {
        return Err(Damaged("count beyond the record"));
    }
    let mut lens = Vec::with_capacity(n);
    for _ in 0..n {
        lens.push(usize::try_from(reader.varint()?).map_err(|_| Damaged("text too long"))?);
    }
    let mut res = Vec::with_capacity(n);
    for len in lens {
        res.push(std::str::from_utf8(reader.take(len)?).map_err(|_| Damaged("text is not UTF-8"))?);
    }
    Ok(res)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_line() -> impl Strategy<Value = Line> {
        let pairs = prop::collection::vec(("[a-c]{1,2}".prop_map(Cow::Owned), ".{0,9}"), 0..4);
        (any::<i64>(), any::<u64>(), 0_u8..25, pairs, ".{0,40}").prop_map(
            |(at, no, severity, metadata, body)| Line {
                at: UnixNanos(at),
                no,
                severity: Severity::from_number(severity),
                metadata,
                body,
            },
        )
    }

    proptest! {
        #[test]
        fn lines_round_trip(lines in prop::collection::vec(any_line(), 0..30)) {
            prop_assert_eq!(decompress(&compress(&lines, 1)).unwrap(), lines);
        }

        #[test]
        fn bad_bytes_give_an_error_and_no_panic(bytes: Vec<u8>) {
            let _ = decompress(&bytes);
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn a_frame_that_lies_about_its_length_is_refused() {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, 3);
        bytes.extend(zstd::bulk::compress(&[0; 1000], 1).unwrap());
        assert_eq!(decompress(&bytes), Err(Damaged("zstd frame of another length")));
    }
}
