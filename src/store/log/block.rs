//! Log lines of one stream: columns in memory, and the same columns as bytes.
//!
//! A column is one piece of text with the ends of its values, so that a line costs its own
//! bytes and no allocation, and a line is a slice. Lines keep the order of their arrival.
//! As bytes a block has three parts: what there is of every line in a few bytes, the bodies,
//! and the metadata. Each is decoded only when somebody asks for it.

use std::ops::Range;
use std::sync::OnceLock;

use memchr::memmem::Finder;
use tracing::debug;

use super::cells::{Cells, Name};
use super::texts::{self, Texts, View};
use crate::clock::UnixNanos;
use crate::record::Severity;
use crate::record::read::{Content, Pairs};
use crate::store::columns::Allowance;
use crate::store::compress;
use crate::store::config::{BLOCK_MAX_BYTES, LINE_MAX_BYTES, LINE_METADATA_MAX_BYTES};
use crate::store::wire::{Damaged, Reader, put_bytes, put_varint, put_zigzag, unzigzag, zigzag};

/// The texts of a part take at most this much; damaged sizes are refused before they allocate.
/// A block is full before its last line, which is [cut](crate::store::Config).
const TEXT_MAX_BYTES: usize = 1 << 20;

const _: () = assert!(TEXT_MAX_BYTES > BLOCK_MAX_BYTES + LINE_MAX_BYTES + LINE_METADATA_MAX_BYTES);

/// The columns of a part are at most this much as bytes. A number of one digit takes eight
/// bytes where another one in its column needs them; texts as they are never take twice theirs.
const PART_MAX_BYTES: u64 = 2 << 20;

/// What a reader grants a part for being decoded, beside its bytes. It is counted as what is
/// there in the end; a vector that grows holds up to three times that while it moves.
const DECODING_MAX_BYTES: usize = 8 << 20;

/// What a part takes while it is searched: some texts are put together twice, once alone and
/// once within their lines.
const SEARCHING_MAX_BYTES: usize = 2 * DECODING_MAX_BYTES;

/// More lines than the smallest ones that a block can have; what a line takes before its texts
/// are looked at is bounded by it.
const LINES_MAX: usize = 16 << 10;

const _: () = assert!(LINES_MAX > BLOCK_MAX_BYTES / LINE_BYTES + 1);

/// Text comes out a tenth smaller than at the lowest level, at nearly the same speed.
const ZSTD_LEVEL: i32 = 3;

/// Units of which all times of a block may be multiples, the largest first: many programs
/// know no more than milli- or microseconds.
const UNITS_NS: [i64; 4] = [1_000_000_000, 1_000_000, 1_000, 1];

/// What a line takes in the columns beside its texts.
const LINE_BYTES: usize = size_of::<UnixNanos>() + size_of::<u64>() + 1 + 3 * size_of::<u32>();

/// Lines of one stream, in the order of their arrival.
#[derive(Clone, Debug, Default)]
pub struct Block {
    times: Vec<UnixNanos>,
    numbers: Vec<u64>,
    severities: Vec<u8>,
    bodies: OnceLock<Texts>,
    metadata: OnceLock<Cells>,
    /// The names in the metadata, once somebody asked for one; none when they cannot be read.
    names: OnceLock<Option<Vec<Name>>>,
    /// What bodies and metadata are decoded from when somebody asks; absent in an open block.
    encoded: Option<Encoded>,
    /// Why bodies or metadata could not be decoded, once somebody had asked.
    damage: OnceLock<Damaged>,
}

/// Bodies and metadata as bytes.
#[derive(Clone, Debug)]
struct Encoded {
    bytes: Vec<u8>,
    /// Where the metadata begin.
    metadata_at: usize,
    /// They are zstd frames.
    is_packed: bool,
}

impl Encoded {
    fn bodies<T>(
        &self,
        n: usize,
        memory_max: usize,
        read: impl FnOnce(&View<'_>) -> Result<T, Damaged>,
    ) -> Result<T, Damaged> {
        self.part(&self.bytes[..self.metadata_at], |bytes| {
            let (mut reader, allowance) = (Reader::new(bytes), Allowance::new(memory_max));
            let res = read(&View::read(&mut reader, n, TEXT_MAX_BYTES, &allowance)?)?;
            reader.end()?;
            Ok(res)
        })
    }

    fn metadata(&self, n: usize) -> Result<Cells, Damaged> {
        let allowance = Allowance::new(DECODING_MAX_BYTES);
        let decode = |bytes: &[u8]| Cells::decode(bytes, n, TEXT_MAX_BYTES, &allowance);
        self.part(&self.bytes[self.metadata_at..], decode)
    }

    fn names(&self) -> Result<Vec<Name>, Damaged> {
        let allowance = Allowance::new(DECODING_MAX_BYTES);
        self.part(&self.bytes[self.metadata_at..], |bytes| Cells::decode_names(bytes, &allowance))
    }

    fn part<T>(&self, bytes: &[u8], decode: impl FnOnce(&[u8]) -> Result<T, Damaged>) -> Result<T, Damaged> {
        if !self.is_packed {
            return decode(bytes);
        }
        compress::unpacked(bytes, PART_MAX_BYTES, decode)?
    }
}

impl Block {
    /// Adds a line; `no` is its place among all lines of this generation.
    pub fn push(&mut self, at: UnixNanos, no: u64, severity: Severity, body: &str, pairs: &dyn Pairs) {
        self.times.push(at);
        self.numbers.push(no);
        self.severities.push(severity.number());
        // An open block has its columns from the first line on.
        self.bodies.get_or_init(Texts::default);
        self.metadata.get_or_init(Cells::default);
        if let (Some(bodies), Some(metadata)) = (self.bodies.get_mut(), self.metadata.get_mut()) {
            bodies.push(body);
            metadata.push(pairs);
        }
    }

    /// Adds a line of another block under a number of its own.
    pub fn push_from(&mut self, from: &Block, line: usize, no: u64) {
        let content = from.content(line);
        self.push(from.at(line), no, from.severity(line), content.body(), &content);
    }

    /// Returns the number of lines.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Returns when a line happened.
    pub fn at(&self, line: usize) -> UnixNanos {
        self.times[line]
    }

    /// Returns the earliest and the latest time, none while it is empty.
    pub fn range(&self) -> Option<(UnixNanos, UnixNanos)> {
        Some((*self.times.iter().min()?, *self.times.iter().max()?))
    }

    /// Returns a line's place in the order of arrival over all streams of its generation.
    pub fn no(&self, line: usize) -> u64 {
        self.numbers[line]
    }

    /// Returns how much a line matters.
    pub fn severity(&self, line: usize) -> Severity {
        Severity::from_number(self.severities[line])
    }

    /// Returns the text and the metadata of a line.
    pub fn content(&self, line: usize) -> LineContent<'_> {
        LineContent { block: self, line }
    }

    /// Returns about how much memory the lines of an open block take.
    pub fn size_bytes(&self) -> usize {
        let metadata = self.metadata.get().map_or(0, Cells::size_bytes);
        self.len() * LINE_BYTES + self.body_bytes() + metadata
    }

    /// Returns how much memory the block holds, whatever of it was decoded.
    pub fn held_bytes(&self) -> usize {
        let encoded = self.encoded.as_ref().map_or(0, |encoded| encoded.bytes.capacity());
        let bodies = self.bodies.get().map_or(0, Texts::held_bytes);
        let metadata = self.metadata.get().map_or(0, Cells::held_bytes);
        let names = self.names.get().into_iter().flatten().flatten();
        let names: usize = names.map(|name| size_of::<Name>() + name.len()).sum();
        size_of::<Block>() + self.len() * LINE_BYTES + encoded + bodies + metadata + names
    }

    /// Returns how many parts are decoded: what it holds grows with that.
    pub fn n_decoded(&self) -> usize {
        let is_decoded =
            [self.bodies.get().is_some(), self.metadata.get().is_some(), self.names.get().is_some()];
        is_decoded.into_iter().map(usize::from).sum()
    }

    /// Returns the bytes of all bodies.
    pub fn body_bytes(&self) -> usize {
        self.bodies().text().len()
    }

    /// Hands over the lines whose text contains the needle, ascending. Bodies that were not
    /// decoded are not for this, since most blocks have no such line; where there is one and texts
    /// are wanted anyway, they are, for their columns are at hand.
    pub fn find(&self, needle: &Finder<'_>, wants_texts: bool, mut visit: impl FnMut(usize)) {
        let (None, Some(encoded)) = (self.bodies.get(), &self.encoded) else {
            return self.bodies().find(needle, visit);
        };
        let found = encoded.bodies(self.len(), SEARCHING_MAX_BYTES, |bodies| {
            let mut is_found = false;
            bodies.find(needle, |line| {
                is_found = true;
                visit(line);
            })?;
            // What takes too much memory together with the search is decoded alone, later.
            if let Some(texts) = (is_found && wants_texts).then(|| bodies.texts().ok()).flatten() {
                _ = self.bodies.set(texts);
            }
            Ok(())
        });
        found.unwrap_or_else(|damage| _ = self.damage.set(damage));
    }

    /// Appends a range of the lines in the form that takes the least time.
    pub fn encode(&self, lines: Range<usize>, out: &mut Vec<u8>) {
        let [lines, bodies, metadata] = self.parts(lines, texts::encode_plain);
        put_bytes(out, &lines);
        put_bytes(out, &bodies);
        put_bytes(out, &metadata);
    }

    /// Takes what [`Block::encode`] wrote.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Block, Damaged> {
        let lines = reader.bytes()?;
        Block::new(lines, [reader.bytes()?, reader.bytes()?], false)
    }

    /// Compresses all lines.
    pub fn pack(&self) -> Vec<u8> {
        let res = self.pack_with(texts::encode);
        // It is read once, since it is the last copy soon. Lines of nothing but numbers may
        // take more memory taken apart than a reader grants.
        if Block::unpack(&res).is_ok_and(|back| back.has_the_lines_of(self)) {
            return res;
        }
        debug!(n_lines = self.len(), "a block of log lines is written plain, it would not have come back");
        self.pack_with(texts::encode_plain)
    }

    fn has_the_lines_of(&self, other: &Block) -> bool {
        self.decode_all().is_ok()
            && (&self.times, &self.numbers, &self.severities)
                == (&other.times, &other.numbers, &other.severities)
            && self.bodies() == other.bodies()
            && self.metadata() == other.metadata()
    }

    fn pack_with(&self, encode: impl Fn(&Texts, Range<usize>, &mut Vec<u8>)) -> Vec<u8> {
        let parts = self.parts(0..self.len(), encode);
        let [lines, bodies, metadata] = parts.map(|part| compress::pack_at(&part, ZSTD_LEVEL));
        let mut res = Vec::with_capacity(lines.len() + bodies.len() + metadata.len() + 8);
        put_bytes(&mut res, &lines);
        put_bytes(&mut res, &bodies);
        res.extend_from_slice(&metadata);
        res
    }

    /// Unpacks what [`Block::pack`] made.
    pub fn unpack(packed: &[u8]) -> Result<Block, Damaged> {
        let mut reader = Reader::new(packed);
        let (lines, bodies) = (reader.bytes()?, reader.bytes()?);
        compress::unpacked(lines, PART_MAX_BYTES, |lines| Block::new(lines, [bodies, reader.rest()], true))?
    }

    /// Decodes bodies and metadata, which else happens when they are asked for.
    pub fn decode_all(&self) -> Result<(), Damaged> {
        self.bodies();
        self.metadata();
        self.check()
    }

    /// Returns an error when bodies or metadata were asked for and could not be decoded: then
    /// they read as empty.
    pub fn check(&self) -> Result<(), Damaged> {
        self.damage.get().map_or(Ok(()), |damage| Err(*damage))
    }

    fn new(lines: &[u8], [bodies, metadata]: [&[u8]; 2], is_packed: bool) -> Result<Block, Damaged> {
        let mut reader = Reader::new(lines);
        let n = reader.count()?;
        if n > LINES_MAX {
            return Err(Damaged("more lines than a block has"));
        }
        let severities = reader.take(n)?.to_vec();
        let times = read_times(&mut reader, n)?;
        let numbers = read_numbers(&mut reader, n)?;
        reader.end()?;
        for part in [bodies, metadata] {
            let n_bytes = if is_packed { compress::raw_bytes(part, PART_MAX_BYTES)? } else { part.len() };
            if n_bytes as u64 > PART_MAX_BYTES {
                return Err(Damaged("length of a part"));
            }
        }
        let (bytes, metadata_at) = ([bodies, metadata].concat(), bodies.len());
        let encoded = Encoded { bytes, metadata_at, is_packed };
        Ok(Block { times, numbers, severities, encoded: Some(encoded), ..Block::default() })
    }

    fn parts(
        &self,
        lines: Range<usize>,
        encode: impl Fn(&Texts, Range<usize>, &mut Vec<u8>),
    ) -> [Vec<u8>; 3] {
        let [mut head, mut bodies, mut metadata] = [const { Vec::new() }; 3];
        put_varint(&mut head, lines.len() as u64);
        head.extend_from_slice(&self.severities[lines.clone()]);
        put_times(&mut head, &self.times[lines.clone()]);
        put_numbers(&mut head, &self.numbers[lines.clone()]);
        encode(self.bodies(), lines.clone(), &mut bodies);
        self.metadata().encode(lines, encode, &mut metadata);
        [head, bodies, metadata]
    }

    /// Returns false when no line has metadata of this name: most that are asked about are unknown,
    /// and to say so costs a fraction of decoding all.
    fn may_have(&self, name: &str) -> bool {
        match (self.metadata.get(), &self.encoded) {
            (None, Some(encoded)) => {
                let names = self.names.get_or_init(|| encoded.names().ok());
                names.as_ref().is_none_or(|names| names.iter().any(|known| known == name))
            }
            _ => true,
        }
    }

    fn bodies(&self) -> &Texts {
        let decode = |encoded: &Encoded| {
            encoded.bodies(self.len(), DECODING_MAX_BYTES, |bodies| bodies.texts()).unwrap_or_else(|damage| {
                self.damage.get_or_init(|| damage);
                Texts::absent(self.len())
            })
        };
        self.bodies.get_or_init(|| self.encoded.as_ref().map(decode).unwrap_or_default())
    }

    fn metadata(&self) -> &Cells {
        let decode = |encoded: &Encoded| {
            encoded.metadata(self.len()).unwrap_or_else(|damage| {
                self.damage.get_or_init(|| damage);
                Cells::absent(self.len())
            })
        };
        self.metadata.get_or_init(|| self.encoded.as_ref().map(decode).unwrap_or_default())
    }
}

fn put_times(out: &mut Vec<u8>, times: &[UnixNanos]) {
    let Some(first) = times.first() else { return };
    let steps = || times.windows(2).map(|pair| pair[1].0.wrapping_sub(pair[0].0));
    let unit = UNITS_NS.into_iter().find(|unit| steps().all(|step| step % unit == 0)).unwrap_or(1);
    put_zigzag(out, first.0);
    put_varint(out, unit as u64);
    put_planes(out, &steps().map(|step| zigzag(step / unit)).collect::<Vec<_>>());
}

fn read_times(reader: &mut Reader<'_>, n: usize) -> Result<Vec<UnixNanos>, Damaged> {
    let mut times = Vec::with_capacity(n);
    if n > 0 {
        let mut at = reader.zigzag()?;
        let unit = i64::try_from(reader.varint()?).map_err(|_| Damaged("unit of the times"))?;
        times.push(UnixNanos(at));
        for step in read_planes(reader, n - 1)? {
            at = at.wrapping_add(unzigzag(step).wrapping_mul(unit));
            times.push(UnixNanos(at));
        }
    }
    Ok(times)
}

fn put_numbers(out: &mut Vec<u8>, numbers: &[u64]) {
    let Some(first) = numbers.first() else { return };
    put_varint(out, *first);
    put_planes(out, &numbers.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect::<Vec<_>>());
}

fn read_numbers(reader: &mut Reader<'_>, n: usize) -> Result<Vec<u64>, Damaged> {
    let mut numbers = Vec::with_capacity(n);
    if n > 0 {
        let mut no = reader.varint()?;
        numbers.push(no);
        for step in read_planes(reader, n - 1)? {
            no = no.wrapping_add(step);
            numbers.push(no);
        }
    }
    Ok(numbers)
}

// All lowest bytes, then all second ones: those are noise, the higher ones few kinds, and zstd
// tells them apart.
fn put_planes(out: &mut Vec<u8>, values: &[u64]) {
    let all = values.iter().fold(0, |all, value| all | value);
    let width = (u64::BITS - all.leading_zeros()).div_ceil(8);
    out.push(width as u8);
    for plane in 0..width {
        out.extend(values.iter().map(|value| (value >> (8 * plane)) as u8));
    }
}

fn read_planes(reader: &mut Reader<'_>, n: usize) -> Result<Vec<u64>, Damaged> {
    let width = reader.u8()?;
    if width > 8 {
        return Err(Damaged("width of a number"));
    }
    let mut res = vec![0_u64; n];
    for plane in 0..u32::from(width) {
        for (value, byte) in res.iter_mut().zip(reader.take(n)?) {
            *value |= u64::from(*byte) << (8 * plane);
        }
    }
    Ok(res)
}

/// Text and metadata of one line, where they lie in its block.
#[derive(Clone, Copy)]
pub struct LineContent<'a> {
    block: &'a Block,
    line: usize,
}

impl Content for LineContent<'_> {
    fn body(&self) -> &str {
        self.block.bodies().get(self.line)
    }
}

impl Pairs for LineContent<'_> {
    fn get(&self, name: &str) -> &str {
        if !self.block.may_have(name) {
            return "";
        }
        let mut pairs = self.block.metadata().of(self.line);
        pairs.find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    fn each(&self, visit: &mut dyn FnMut(&str, &str)) {
        self.block.metadata().of(self.line).for_each(|(name, value)| visit(name, value));
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::*;
    use crate::store::config::LINE_PAIRS_MAX;

    type Given = (i64, u64, u8, Vec<(Cow<'static, str>, String)>, String);

    fn any_line() -> impl Strategy<Value = Given> {
        let pairs = prop::collection::vec(("[a-c]{1,2}".prop_map(Cow::Owned), ".{0,9}"), 0..4);
        let at = prop_oneof![any::<i64>(), (0_i64..1_000).prop_map(|ms| ms * 1_000_000)];
        (at, any::<u64>(), 0_u8..25, pairs, ".{0,40}")
    }

    fn block(lines: &[Given]) -> Block {
        let mut res = Block::default();
        for (at, no, severity, pairs, body) in lines {
            res.push(UnixNanos(*at), *no, Severity::from_number(*severity), body, pairs);
        }
        res
    }

    fn lines(block: &Block) -> Vec<Given> {
        let line = |line: usize| {
            let (mut pairs, content) = (Vec::new(), block.content(line));
            content.each(&mut |name, value| pairs.push((Cow::Owned(name.into()), value.into())));
            let (at, no) = (block.at(line).0, block.no(line));
            (at, no, block.severity(line).number(), pairs, content.body().to_string())
        };
        (0..block.len()).map(line).collect()
    }

    #[test]
    fn what_a_block_holds_is_counted_when_it_is_decoded() {
        let mut given = Block::default();
        for no in 0..100 {
            let pairs = vec![("name".to_string(), "the same value".to_string()); 50];
            given.push(UnixNanos(0), no, Severity::Info, "text", &pairs);
        }
        let block = Block::unpack(&given.pack()).unwrap();
        let before = block.held_bytes();
        let info = allocation_counter::measure(|| block.decode_all().unwrap());
        let grown = block.held_bytes() - before;
        assert!(grown.abs_diff(info.bytes_current as usize) < 4_096, "{grown} of {info:?}");
        assert!(grown > 50_000, "{grown}");
    }

    #[test]
    fn bytes_beyond_a_part_are_refused_before_they_are_copied() {
        let large = vec![0; PART_MAX_BYTES as usize + 1];
        let mut plain = Vec::new();
        put_bytes(&mut plain, &[0]);
        put_bytes(&mut plain, &large);
        put_bytes(&mut plain, &[]);
        assert_eq!(Block::decode(&mut Reader::new(&plain)).unwrap_err(), Damaged("length of a part"));
        // zstd passes over what is in a skippable frame behind the one with the content.
        let mut skipped = compress::pack(&[]);
        skipped.extend_from_slice(&0x184d_2a50_u32.to_le_bytes());
        skipped.extend_from_slice(&(large.len() as u32).to_le_bytes());
        skipped.extend_from_slice(&large);
        let mut packed = Vec::new();
        put_bytes(&mut packed, &compress::pack(&[0]));
        put_bytes(&mut packed, &skipped);
        packed.extend_from_slice(&compress::pack(&[]));
        assert_eq!(Block::unpack(&packed).unwrap_err(), Damaged("length of a zstd frame"));
    }

    proptest! {
        #[test]
        fn lines_round_trip(mut given in prop::collection::vec(any_line(), 0..30), cut in 0_usize..30) {
            given.iter_mut().for_each(|line| line.2 = Severity::from_number(line.2).number());
            let open = block(&given);
            prop_assert_eq!(&lines(&open), &given);
            let cut = cut.min(given.len());
            for range in [0..cut, cut..given.len()] {
                let mut bytes = Vec::new();
                open.encode(range.clone(), &mut bytes);
                let mut reader = Reader::new(&bytes);
                let back = Block::decode(&mut reader).unwrap();
                reader.end().unwrap();
                back.decode_all().unwrap();
                prop_assert_eq!(&lines(&back), &given[range]);
            }
            let back = Block::unpack(&open.pack()).unwrap();
            back.decode_all().unwrap();
            prop_assert_eq!(&lines(&back), &given);
        }

        #[test]
        fn search_finds_what_a_look_at_each_line_finds(
            bodies in prop::collection::vec("[ab]{0,6}", 0..30),
            needle in "[ab]{1,4}",
            wants_texts: bool,
        ) {
            let given: Vec<Given> = bodies.iter().map(|body| (0, 0, 9, Vec::new(), body.clone())).collect();
            let mut found = Vec::new();
            block(&given).find(&Finder::new(&needle), wants_texts, |line| found.push(line));
            let expect: Vec<_> = (0..bodies.len()).filter(|line| bodies[*line].contains(&needle)).collect();
            prop_assert_eq!(&found, &expect);
            found.clear();
            let packed = Block::unpack(&block(&given).pack()).unwrap();
            packed.find(&Finder::new(&needle), wants_texts, |line| found.push(line));
            prop_assert_eq!(packed.bodies.get().is_some(), wants_texts && !expect.is_empty());
            prop_assert_eq!(found, expect);
            prop_assert_eq!(&lines(&packed), &given);
        }

        #[test]
        fn bad_bytes_give_an_error_and_no_panic(bytes: Vec<u8>, place: usize, byte: u8) {
            let look = |bytes: &[u8]| if let Ok(block) = Block::decode(&mut Reader::new(bytes)) {
                let _ = block.decode_all();
                lines(&block);
            };
            let _ = Block::unpack(&bytes).map(|block| block.decode_all());
            look(&bytes);
            let line: Given = (7, 1, 9, vec![("a".into(), "ä".into())], "ö".into());
            let mut raw = Vec::new();
            block(&[line.clone(), line]).encode(0..2, &mut raw);
            let place = place % raw.len();
            raw[place] = byte;
            look(&raw);
        }
    }

    /// The largest block that the writer makes of lines like this.
    fn full(line: impl Fn(usize) -> (String, Vec<(String, String)>)) -> Block {
        let mut res = Block::default();
        while res.size_bytes() < BLOCK_MAX_BYTES {
            let (body, pairs) = line(res.len());
            res.push(UnixNanos(res.len() as i64), res.len() as u64, Severity::Info, &body, &pairs);
        }
        let (body, pairs) = ("9".repeat(256 << 10), vec![("k".to_string(), "v".repeat(60 << 10))]);
        res.push(UnixNanos(0), res.len() as u64, Severity::Info, &body, &pairs);
        res
    }

    #[track_caller]
    fn check_full(line: impl Fn(usize) -> (String, Vec<(String, String)>)) {
        let block = full(line);
        let found = Block::unpack(&block.pack()).unwrap();
        found.decode_all().unwrap();
        assert!(found.bodies() == block.bodies() && found.metadata() == block.metadata());
        // So that it can be searched beside.
        let searched = Block::unpack(&block.pack()).unwrap();
        let mut n_found = 0;
        searched.find(&Finder::new("9 9"), true, |_| n_found += 1);
        searched.check().unwrap();
        assert_eq!(
            n_found,
            (0..block.len()).filter(|line| block.content(*line).body().contains("9 9")).count()
        );
    }

    #[test]
    fn the_largest_blocks_are_within_the_bounds_of_who_reads_them() {
        check_full(|_| (String::new(), vec![]));
        check_full(|n| ("x".into(), vec![(format!("{n}{}", "n".repeat(20_000)), "v".into())]));
        check_full(|n| ("x".into(), (0..n % 50).map(|k| (format!("k{k}"), String::new())).collect()));
        check_full(|_| ("x".into(), vec![(String::new(), String::new()); LINE_PAIRS_MAX]));
        check_full(|n| ("x".into(), (0..=n % 1_000).map(|k| (k.to_string(), k.to_string())).collect()));
        // Nothing but small numbers, which takes the most memory when it is taken apart.
        check_full(|n| ((0..3_000).map(|k| ((n + k * k) % 10).to_string() + " ").collect(), vec![]));
        check_full(|n| ((0..9).map(|k| ((n + k * k) % 10).to_string() + "-").collect(), vec![]));
        // Small numbers in a column with large ones, all different at first.
        check_full(|n| {
            let large = (n as u64 + 1).wrapping_mul(0x1234_5678_9abc_def1) >> 1;
            (if n < 1_100 { large.to_string() } else { (n % 10).to_string() }, vec![])
        });
        check_full(|n| {
            let large = (n as u64 + 1).wrapping_mul(0x1234_5678_9abc_def1) >> 1;
            let few: Vec<String> = (0..200).map(|k| ((n + k) % 10).to_string()).collect();
            (if n < 1_100 { format!("a {large}") } else { format!("a {}", few.join(" ")) }, vec![])
        });
    }
}
