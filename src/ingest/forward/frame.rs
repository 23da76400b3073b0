//! One message of the protocol: a tag, its entries, and the id that the sender wants back.
//!
//! The second element tells the mode: a time (Message), an array (Forward), or bytes
//! (PackedForward, compressed or not). Entries are read one by one and never held
//! together, however large a frame inflates.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use serde_json::Value;
use zstd::stream::read::Decoder as ZstdDecoder;

use super::Refusal;
use super::bounds::{
    CHUNK_ID_MAX_BYTES, ENTRY_MAX_BYTES, FRAME_ENTRIES_MAX, INFLATED_MAX_BYTES, TAG_MAX_BYTES,
    ZSTD_WINDOW_LOG_MAX,
};
use super::scan::{Scanner, is_json};
use super::value::{Cursor, decode_map, elements, raw, time, time_of_number};
use crate::clock::UnixNanos;
use crate::ingest::line::{Fields, to_log_record};
use crate::record::LogRecord;

/// Bytes read in one step; two of them fit what a decompressor yields at once.
const STEP_BYTES: usize = 64 << 10;

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When it happened, by its sender.
    pub at: UnixNanos,
    /// What it says.
    pub fields: Fields,
}

impl Entry {
    /// Converts to a log record of the stream that the tag names.
    pub fn into_log_record(self, tag: &str) -> LogRecord {
        to_log_record(tag, self.at, self.fields)
    }
}

/// A message that holds events.
pub struct Frame<'a> {
    /// Where the events come from.
    pub tag: String,
    /// The events.
    pub entries: Entries<'a>,
    /// The id to acknowledge.
    pub chunk: Option<String>,
    /// Whether the entries can be far larger than the message.
    pub is_compressed: bool,
}

impl<'a> Frame<'a> {
    /// Reads a complete message; none for a heartbeat. `now` stands in for a time that a
    /// JSON object does not name.
    pub fn read(bytes: &'a [u8], now: UnixNanos) -> Result<Option<Frame<'a>>, Refusal> {
        match bytes.first() {
            Some(first) if is_json(*first) => from_json(bytes, now).map(Some),
            Some(0xc0) if bytes.len() == 1 => Ok(None),
            _ => from_msgpack(bytes).map(Some),
        }
    }

    fn of(tag: String, entries: Vec<Entry>, options: Options) -> Frame<'a> {
        Frame { tag, entries: Entries::ready(entries), chunk: options.chunk, is_compressed: false }
    }
}

fn from_msgpack(bytes: &[u8]) -> Result<Frame<'_>, Refusal> {
    let mut message = elements(bytes)?.ok_or(Refusal::Format)?;
    let tag = raw(message.required()?)?.ok_or(Refusal::Format)?;
    let tag = tag_of(std::str::from_utf8(tag).map_err(|_| Refusal::Tag)?)?;
    let second = message.required()?;
    if let Some(entries) = elements(second)? {
        let options = Options::read(message.item()?)?;
        let entries = Entries::stream(entries.0);
        return Ok(Frame { tag, entries, chunk: options.chunk, is_compressed: false });
    }
    if let Some(packed) = raw(second)? {
        let options = Options::read(message.item()?)?;
        let (entries, is_compressed) = match options.compressed.as_deref() {
            None | Some("text") => (Entries::stream(packed), false),
            Some("gzip") => (Entries::stream(MultiGzDecoder::new(packed)), true),
            Some("zstd") => (Entries::stream(unzstd(packed)?), true),
            Some(_) => return Err(Refusal::Compression),
        };
        return Ok(Frame { tag, entries, chunk: options.chunk, is_compressed });
    }
    let at = time_or_with_metadata(second)?;
    let record = message.required()?;
    if record.len() > ENTRY_MAX_BYTES {
        return Err(Refusal::Size);
    }
    let fields = decode_map(record)?;
    let options = Options::read(message.item()?)?;
    Ok(Frame::of(tag, vec![Entry { at, fields }], options))
}

/// Reads zstd frames one after the other, skippable ones passed over.
fn unzstd(packed: &[u8]) -> Result<impl Read + Send + '_, Refusal> {
    let bounded = || {
        let mut decoder = ZstdDecoder::with_buffer(packed)?;
        decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
        Ok::<_, std::io::Error>(decoder)
    };
    bounded().map_err(|_| Refusal::Compression)
}

fn tag_of(tag: &str) -> Result<String, Refusal> {
    let is_good = !tag.is_empty() && tag.len() <= TAG_MAX_BYTES && !tag.contains(char::is_control);
    if is_good { Ok(tag.to_string()) } else { Err(Refusal::Tag) }
}

/// Reads a time, also where version 1.5 of the protocol puts it into a pair with metadata.
fn time_or_with_metadata(item: &[u8]) -> Result<UnixNanos, Refusal> {
    let at = match elements(item)? {
        Some(mut pair) => pair.required()?,
        None => item,
    };
    time(at)?.ok_or(Refusal::Format)
}

/// What the last element of a message asks for; `size` and whatever else is there is not needed.
#[derive(Default)]
struct Options {
    chunk: Option<String>,
    compressed: Option<String>,
}

impl Options {
    fn read(item: Option<&[u8]>) -> Result<Options, Refusal> {
        let Some(item) = item.filter(|item| *item != [0xc0]) else { return Ok(Options::default()) };
        if item.len() > ENTRY_MAX_BYTES {
            return Err(Refusal::Size);
        }
        Options::of(&decode_map(item)?)
    }

    fn of(options: &Fields) -> Result<Options, Refusal> {
        let text = |name: &str| options.get(name).and_then(Value::as_str).map(str::to_string);
        let chunk = text("chunk");
        if chunk.as_ref().is_some_and(|id| id.len() > CHUNK_ID_MAX_BYTES) {
            return Err(Refusal::Size);
        }
        Ok(Options { chunk, compressed: text("compressed") })
    }
}

/// Reads `{"tag": …, "time"?: …, fields…}`, `[tag, time, record, options?]` or
/// `[tag, [[time, record]…], options?]`.
fn from_json(bytes: &[u8], now: UnixNanos) -> Result<Frame<'static>, Refusal> {
    let mut message = match serde_json::from_slice(bytes).map_err(|_| Refusal::Format)? {
        Value::Object(fields) => return from_object(fields, now),
        Value::Array(elements) => elements.into_iter(),
        _ => return Err(Refusal::Format),
    };
    let Some(Value::String(tag)) = message.next() else { return Err(Refusal::Format) };
    let entries = match message.next().ok_or(Refusal::Format)? {
        Value::Array(entries) => entries.into_iter().map(json_entry).collect::<Result<_, _>>()?,
        at => {
            let record = message.next().ok_or(Refusal::Format)?;
            vec![json_entry(Value::Array(vec![at, record]))?]
        }
    };
    let options = match message.next() {
        Some(Value::Object(options)) => Options::of(&options)?,
        _ => Options::default(),
    };
    Ok(Frame::of(tag_of(&tag)?, entries, options))
}

fn from_object(mut fields: Fields, now: UnixNanos) -> Result<Frame<'static>, Refusal> {
    let Some(Value::String(tag)) = fields.shift_remove("tag") else { return Err(Refusal::Tag) };
    let at = match fields.get("time").and_then(time_of_number) {
        Some(at) => {
            fields.shift_remove("time");
            at
        }
        // A time in words stays a field: its format is its sender's own.
        None => now,
    };
    Ok(Frame::of(tag_of(&tag)?, vec![Entry { at, fields }], Options::default()))
}

fn json_entry(entry: Value) -> Result<Entry, Refusal> {
    let Value::Array(pair) = entry else { return Err(Refusal::Format) };
    match <[Value; 2]>::try_from(pair) {
        Ok([at, Value::Object(fields)]) => {
            Ok(Entry { at: time_of_number(&at).ok_or(Refusal::Format)?, fields })
        }
        _ => Err(Refusal::Format),
    }
}

/// The entries of a frame, read one by one. After a refusal there are no more.
pub struct Entries<'a> {
    source: Source<'a>,
    n_left: usize,
}

enum Source<'a> {
    Ready(std::vec::IntoIter<Entry>),
    Stream(Stream<'a>),
}

impl<'a> Entries<'a> {
    fn ready(entries: Vec<Entry>) -> Self {
        Entries { source: Source::Ready(entries.into_iter()), n_left: FRAME_ENTRIES_MAX }
    }

    fn stream(packed: impl Read + Send + 'a) -> Self {
        let stream = Stream { packed: Box::new(packed), buffer: vec![], start: 0, n_read: 0, is_over: false };
        Entries { source: Source::Stream(stream), n_left: FRAME_ENTRIES_MAX }
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        let res = match &mut self.source {
            Source::Ready(entries) => entries.next().map(Ok),
            Source::Stream(stream) => stream.entry().transpose(),
        };
        let res = match (res, self.n_left) {
            (Some(Ok(_)), 0) => Some(Err(Refusal::Size)),
            (res, _) => res,
        };
        self.n_left = self.n_left.saturating_sub(1);
        if let Some(Err(_)) = res {
            self.source = Source::Ready(vec![].into_iter());
        }
        res
    }
}

/// Entries one after the other, as bytes that come piece by piece.
struct Stream<'a> {
    packed: Box<dyn Read + Send + 'a>,
    buffer: Vec<u8>,
    start: usize,
    n_read: usize,
    is_over: bool,
}

impl Stream<'_> {
    fn entry(&mut self) -> Result<Option<Entry>, Refusal> {
        let mut scanner = Scanner::new(ENTRY_MAX_BYTES);
        loop {
            let rest = &self.buffer[self.start..];
            if let Some(end) = scanner.advance(rest)? {
                let entry = read_entry(&rest[..end])?;
                self.start += end;
                return Ok(Some(entry));
            }
            match (self.is_over, rest.is_empty()) {
                (true, true) => return Ok(None),
                (true, false) => return Err(Refusal::Format),
                (false, _) => self.fill()?,
            }
        }
    }

    /// Reads one step more behind what is not used yet.
    fn fill(&mut self) -> Result<(), Refusal> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let used = self.buffer.len();
        self.buffer.resize(used + STEP_BYTES, 0);
        // Only a decompressor can fail; what it read from is in memory.
        let n = self.packed.read(&mut self.buffer[used..]).map_err(|_| Refusal::Compression)?;
        self.buffer.truncate(used + n);
        self.is_over = n == 0;
        self.n_read += n;
        if self.n_read > INFLATED_MAX_BYTES { Err(Refusal::Inflated) } else { Ok(()) }
    }
}

fn read_entry(item: &[u8]) -> Result<Entry, Refusal> {
    let mut pair: Cursor<'_> = elements(item)?.ok_or(Refusal::Format)?;
    let at = time_or_with_metadata(pair.required()?)?;
    Ok(Entry { at, fields: decode_map(pair.required()?)? })
}
