//! A block of spans as bytes: ids as they are, everything else as columns in zstd.
//!
//! Ids are random, so zstd gains nothing on them, and outside its frame they tell whether a
//! trace is inside before anything is unpacked. A trace's id is written once, a parent in
//! the same block is named by its place. Spans keep the order of their arrival.

use std::collections::HashMap;

use super::NumberedSpan;
use super::facts::read_duration;
use crate::clock::UnixNanos;
use crate::record::trace::{SpanId, TraceId};
use crate::record::{Span, SpanEvent, SpanKind, SpanStatus};
use crate::store::columns::{self, Allowance, Dictionary};
use crate::store::compress;
use crate::store::wire::{Damaged, Reader, put_varint, unzigzag, zigzag};

/// On spans of a web server level 1 gives 1 % more bytes and level 9 gives 3 % fewer; they
/// are few, so the middle is good enough both ways.
const ZSTD_LEVEL: i32 = 3;

/// A block claims at most this much, raw and again as spans in memory; damaged sizes are
/// refused before they allocate. The writer's blocks end far below it, at 128 KiB and a span.
pub const BLOCK_LIMIT_BYTES: usize = 4 << 20;

const NO_PARENT: u64 = 0;
const PARENT_ELSEWHERE: u64 = 1;
/// From here on: the zigzag of the steps from the span to its parent.
const PARENT_INSIDE: u64 = 2;

/// Encodes spans and compresses them; together they take at most [`BLOCK_LIMIT_BYTES`].
pub fn compress(spans: &[NumberedSpan]) -> Vec<u8> {
    let mut raw = Vec::new();
    let mut ids = Ids::default();
    encode(&mut raw, &mut ids, spans);
    let mut out = Vec::new();
    put_varint(&mut out, ids.traces.len() as u64);
    ids.traces.iter().for_each(|id| out.extend_from_slice(&id.0));
    put_varint(&mut out, ids.spans.len() as u64);
    ids.spans.iter().for_each(|id| out.extend_from_slice(&id.0));
    out.extend(compress::pack_at(&raw, ZSTD_LEVEL));
    out
}

/// The inverse of [`compress()`].
pub fn decompress(bytes: &[u8]) -> Result<Vec<NumberedSpan>, Damaged> {
    let mut reader = Reader::new(bytes);
    let traces = read_ids(&mut reader)?.iter().copied().map(TraceId).collect();
    let spans = read_ids(&mut reader)?.iter().copied().map(SpanId).collect();
    let raw = compress::unpack(reader.rest(), BLOCK_LIMIT_BYTES as u64)?;
    decode(&raw, &Ids { traces, spans })
}

/// Returns true when a block has spans of a trace; unpacks nothing.
pub fn has_trace(bytes: &[u8], id: TraceId) -> Result<bool, Damaged> {
    Ok(read_ids(&mut Reader::new(bytes))?.contains(&id.0))
}

/// What no codec makes smaller.
#[derive(Default)]
struct Ids {
    /// Each trace once, in the order in which they appear.
    traces: Vec<TraceId>,
    /// The id of each span, then of each parent that is not inside.
    spans: Vec<SpanId>,
}

fn read_ids<'a, const N: usize>(reader: &mut Reader<'a>) -> Result<&'a [[u8; N]], Damaged> {
    let n = reader.count()?;
    let (ids, _) = reader.take(n.saturating_mul(N))?.as_chunks();
    Ok(ids)
}

fn encode(out: &mut Vec<u8>, ids: &mut Ids, spans: &[NumberedSpan]) {
    put_varint(out, spans.len() as u64);
    columns::put_steps(out, spans.iter().map(|numbered| numbered.no));
    let spans: Vec<&Span> = spans.iter().map(|numbered| &numbered.span).collect();
    let starts = spans.iter().map(|span| span.start.0);
    let before = [0].into_iter().chain(starts.clone());
    columns::put_scaled(out, starts.zip(before).map(|(start, before)| start.wrapping_sub(before)));
    columns::put_numbers(out, spans.iter().map(|span| span.duration.as_secs()));
    columns::put_scaled(out, spans.iter().map(|span| span.duration.subsec_nanos().into()));
    out.extend(spans.iter().map(|span| span.kind.number()));
    out.extend(spans.iter().map(|span| span.status.number()));
    encode_traces(out, ids, &spans);
    encode_parents(out, ids, &spans);
    columns::put_words(out, spans.iter().map(|span| span.name.as_ref()));
    columns::put_words(out, spans.iter().map(|span| span.service.as_ref()));
    columns::put_words(out, spans.iter().map(|span| span.status_message.as_str()));
    columns::put_pairs(out, spans.iter().map(|span| span.attributes.as_slice()));
    encode_events(out, &spans);
}

// 0 begins a trace, 1 is the one that began last, 2 the one before it, and so on.
fn encode_traces(out: &mut Vec<u8>, ids: &mut Ids, spans: &[&Span]) {
    let mut traces = Dictionary::default();
    for span in spans {
        let n_before = traces.known.len();
        let id = traces.id(span.trace_id);
        put_varint(out, (n_before - id) as u64);
    }
    ids.traces = traces.known;
}

fn encode_parents(out: &mut Vec<u8>, ids: &mut Ids, spans: &[&Span]) {
    ids.spans = spans.iter().map(|span| span.span_id).collect();
    let places: HashMap<SpanId, usize> = ids.spans.iter().copied().zip(0..).collect();
    for (place, span) in spans.iter().enumerate() {
        let code = match span.parent.map(|parent| (parent, places.get(&parent))) {
            None => NO_PARENT,
            Some((_, Some(inside))) => PARENT_INSIDE + zigzag(*inside as i64 - place as i64),
            Some((parent, None)) => {
                ids.spans.push(parent);
                PARENT_ELSEWHERE
            }
        };
        put_varint(out, code);
    }
}

fn encode_events(out: &mut Vec<u8>, spans: &[&Span]) {
    columns::put_numbers(out, spans.iter().map(|span| span.events.len() as u64));
    let starts = spans.iter().flat_map(|span| span.events.iter().map(|_| span.start.0));
    let events = spans.iter().flat_map(|span| &span.events);
    let steps = events.clone().zip(starts).map(|(event, start)| event.at.0.wrapping_sub(start));
    columns::put_scaled(out, steps);
    columns::put_words(out, events.clone().map(|event| event.name.as_str()));
    columns::put_pairs(out, events.map(|event| event.attributes.as_slice()));
}

fn decode(raw: &[u8], ids: &Ids) -> Result<Vec<NumberedSpan>, Damaged> {
    let mut reader = Reader::new(raw);
    let allowance = Allowance::new(BLOCK_LIMIT_BYTES);
    let n = reader.count()?;
    allowance.take(n, size_of::<NumberedSpan>())?;
    let numbers = columns::read_steps(&mut reader, n)?;
    let mut starts = columns::read_scaled(&mut reader, n)?;
    let mut start = 0_i64;
    for step in &mut starts {
        start = start.wrapping_add(*step);
        *step = start;
    }
    let secs = columns::read_numbers(&mut reader, n)?;
    let nanos = columns::read_scaled(&mut reader, n)?;
    let kinds = reader.take(n)?;
    let statuses = reader.take(n)?;
    let traces = decode_traces(&mut reader, n, ids)?;
    let parents = decode_parents(&mut reader, n, ids)?;
    let names = columns::read_words(&mut reader, n, &allowance)?;
    let services = columns::read_words(&mut reader, n, &allowance)?;
    let messages = columns::read_words(&mut reader, n, &allowance)?;
    let attributes = columns::read_pairs(&mut reader, n, &allowance)?;
    let events = decode_events(&mut reader, &starts, &allowance)?;
    reader.end()?;
    let mut res = Vec::with_capacity(n);
    for (place, (attributes, events)) in attributes.into_iter().zip(events).enumerate() {
        let span = Span {
            trace_id: traces[place],
            span_id: ids.spans[place],
            parent: parents[place],
            name: names[place].to_string().into(),
            kind: kind(kinds[place])?,
            service: services[place].to_string().into(),
            start: UnixNanos(starts[place]),
            duration: read_duration(secs[place], nanos[place] as u64)?,
            status: status(statuses[place])?,
            status_message: messages[place].to_string(),
            attributes,
            events,
        };
        res.push(NumberedSpan { no: numbers[place], span });
    }
    Ok(res)
}

// A number of no kind, or of no status, gives one of another number.
fn kind(number: u8) -> Result<SpanKind, Damaged> {
    let res = SpanKind::from_number(number.into());
    if res.number() == number { Ok(res) } else { Err(Damaged("kind of a span")) }
}

fn status(number: u8) -> Result<SpanStatus, Damaged> {
    let res = SpanStatus::from_number(number.into());
    if res.number() == number { Ok(res) } else { Err(Damaged("status of a span")) }
}

fn decode_traces(reader: &mut Reader<'_>, n: usize, ids: &Ids) -> Result<Vec<TraceId>, Damaged> {
    let mut n_begun = 0;
    let mut res = Vec::with_capacity(n);
    for back in columns::read_numbers(reader, n)? {
        let back = columns::index(back, n_begun + 1, "trace of a span")?;
        let place = n_begun - back;
        n_begun += usize::from(back == 0);
        res.push(*ids.traces.get(place).ok_or(Damaged("trace of a span"))?);
    }
    if n_begun == ids.traces.len() { Ok(res) } else { Err(Damaged("trace without spans")) }
}

fn decode_parents(reader: &mut Reader<'_>, n: usize, ids: &Ids) -> Result<Vec<Option<SpanId>>, Damaged> {
    let (inside, elsewhere) = ids.spans.split_at_checked(n).ok_or(Damaged("span without an id"))?;
    let mut elsewhere = elsewhere.iter();
    let mut res = Vec::with_capacity(n);
    for (place, code) in columns::read_numbers(reader, n)?.into_iter().enumerate() {
        let parent = match code {
            NO_PARENT => None,
            PARENT_ELSEWHERE => Some(elsewhere.next()),
            _ => {
                let steps = isize::try_from(unzigzag(code - PARENT_INSIDE)).ok();
                let found = steps.and_then(|steps| place.checked_add_signed(steps));
                Some(found.and_then(|found| inside.get(found)))
            }
        };
        res.push(match parent {
            Some(id) => Some(*id.ok_or(Damaged("parent of a span"))?),
            None => None,
        });
    }
    if elsewhere.next().is_none() { Ok(res) } else { Err(Damaged("id without a span")) }
}

fn decode_events(
    reader: &mut Reader<'_>,
    starts: &[i64],
    allowance: &Allowance,
) -> Result<Vec<Vec<SpanEvent>>, Damaged> {
    let mut counts = Vec::with_capacity(starts.len());
    let mut n_events = 0;
    for count in columns::read_numbers(reader, starts.len())? {
        let count = usize::try_from(count).map_err(|_| Damaged("events of a span"))?;
        allowance.take(count, size_of::<SpanEvent>())?;
        n_events += count;
        counts.push(count);
    }
    let mut steps = columns::read_scaled(reader, n_events)?.into_iter();
    let mut names = columns::read_words(reader, n_events, allowance)?.into_iter();
    let mut attributes = columns::read_pairs(reader, n_events, allowance)?.into_iter();
    let mut res = Vec::with_capacity(starts.len());
    for (start, count) in starts.iter().zip(counts) {
        let columns = steps.by_ref().zip(names.by_ref()).zip(attributes.by_ref());
        let event = |((step, name), attributes): ((i64, &str), _)| SpanEvent {
            at: UnixNanos(start.wrapping_add(step)),
            name: name.to_string(),
            attributes,
        };
        res.push(columns.take(count).map(event).collect());
    }
    Ok(res)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::store::span::specimen::{any_spans, http_traces, plain_span};

    fn check(spans: &[NumberedSpan]) -> Vec<u8> {
        let bytes = compress(spans);
        assert_eq!(decompress(&bytes).unwrap(), spans);
        bytes
    }

    fn numbered(span: Span) -> NumberedSpan {
        NumberedSpan { no: 1, span }
    }

    proptest! {
        #[test]
        fn spans_round_trip(spans in any_spans(30)) {
            let bytes = check(&spans);
            for numbered in &spans {
                prop_assert_eq!(has_trace(&bytes, numbered.span.trace_id), Ok(true));
            }
            prop_assert_eq!(has_trace(&bytes, TraceId([0xee; 16])), Ok(false));
        }

        #[test]
        fn bad_bytes_give_an_error_and_no_panic(bytes: Vec<u8>, n_ids in 0_usize..4) {
            let _ = decompress(&bytes);
            let _ = has_trace(&bytes, TraceId([0; 16]));
            let ids = Ids { traces: vec![TraceId([1; 16]); n_ids], spans: vec![SpanId([1; 8]); n_ids] };
            let _ = decode(&bytes, &ids);
        }

        #[test]
        fn a_flipped_byte_gives_no_panic_and_never_too_much(
            spans in any_spans(6),
            place: prop::sample::Index,
            flip in 1_u8..,
        ) {
            let (mut raw, mut ids) = (Vec::new(), Ids::default());
            encode(&mut raw, &mut ids, &spans);
            let mut bytes = compress(&spans);
            let len = bytes.len();
            bytes[place.index(len)] ^= flip;
            let _ = decompress(&bytes);
            let len = raw.len();
            raw[place.index(len)] ^= flip;
            if let Ok(spans) = decode(&raw, &ids) {
                let n_bytes: usize = spans.iter().map(NumberedSpan::size_bytes).sum();
                prop_assert!(n_bytes <= BLOCK_LIMIT_BYTES);
            }
        }
    }

    #[test]
    fn extreme_times_round_trip() {
        let span = |start, duration, at| Span {
            start: UnixNanos(start),
            duration,
            events: vec![SpanEvent { at: UnixNanos(at), name: String::new(), attributes: Vec::new() }],
            ..plain_span()
        };
        check(&[
            numbered(span(i64::MIN, Duration::MAX, i64::MAX)),
            numbered(span(i64::MAX, Duration::ZERO, i64::MIN)),
            numbered(span(0, Duration::from_nanos(1), -1)),
        ]);
        check(&[]);
    }

    #[test]
    fn parents_are_found_before_behind_and_elsewhere() {
        let span = |id: u8, parent: Option<u8>| {
            let parent = parent.map(|id| SpanId([id; 8]));
            numbered(Span { span_id: SpanId([id; 8]), parent, ..plain_span() })
        };
        let spans = [span(1, Some(3)), span(2, Some(1)), span(3, None), span(4, Some(9)), span(5, Some(5))];
        let bytes = check(&spans);
        let (mut raw, mut ids) = (Vec::new(), Ids::default());
        encode(&mut raw, &mut ids, &spans);
        assert_eq!((ids.traces.len(), ids.spans.len()), (1, spans.len() + 1));
        assert_eq!(ids.spans.last(), Some(&SpanId([9; 8])));
        let fewer = Ids { spans: ids.spans[..5].to_vec(), traces: ids.traces.clone() };
        assert_eq!(decode(&raw, &fewer), Err(Damaged("parent of a span")));
        ids.spans.push(SpanId([8; 8]));
        assert_eq!(decode(&raw, &ids), Err(Damaged("id without a span")));
        ids.traces.push(TraceId([8; 16]));
        assert_eq!(decode(&raw, &ids), Err(Damaged("trace without spans")));
        assert_eq!(decompress(&bytes[..bytes.len() - 1]), Err(Damaged("zstd frame")));
    }

    #[test]
    fn a_bomb_is_refused() {
        // Zeros: no spans and bytes behind them, then more than a block may have.
        for raw_bytes in [BLOCK_LIMIT_BYTES, BLOCK_LIMIT_BYTES + 1] {
            let mut bytes = vec![0, 0];
            bytes.extend(compress::pack(&vec![0; raw_bytes]));
            assert!(decompress(&bytes).is_err());
        }
        // One long name, claimed by each of 100 spans.
        let long = Span { name: "n".repeat(BLOCK_LIMIT_BYTES / 50).into(), ..plain_span() };
        let bytes = compress(&vec![numbered(long); 100]);
        assert!(bytes.len() < 2_000);
        assert_eq!(decompress(&bytes), Err(Damaged("more memory than a reader grants")));
    }

    // Prints what a span costs; the bounds are what the figures defend.
    #[test]
    fn spans_of_a_web_server_are_small() {
        let spans = http_traces(128 << 10);
        let n = spans.len();
        let in_memory: usize = spans.iter().map(NumberedSpan::size_bytes).sum();
        let as_fields: usize = spans.iter().map(|numbered| field_bytes(&numbered.span)).sum();
        let (mut raw, mut ids) = (Vec::new(), Ids::default());
        encode(&mut raw, &mut ids, &spans);
        let in_ids = 16 * ids.traces.len() + 8 * ids.spans.len();
        let in_columns = raw.len() + in_ids;
        let packed = check(&spans).len();
        let each = |n_bytes: usize| n_bytes as f64 / n as f64;
        println!(
            "{n} spans in a block, bytes each: {:.0} in memory, {:.0} as fields, {:.0} in columns, \
             {:.1} packed ({:.1} of it ids), {:.1} times smaller than its fields",
            each(in_memory),
            each(as_fields),
            each(in_columns),
            each(packed),
            each(in_ids),
            as_fields as f64 / packed as f64,
        );
        assert!(each(packed) < 36.0 && as_fields > 5 * packed);
    }

    // The plain size: ids, two times of eight bytes, kind and status, and the texts.
    fn field_bytes(span: &Span) -> usize {
        let pairs =
            span.events.iter().map(|event| event.attributes.len()).sum::<usize>() + span.attributes.len();
        let headers = size_of::<Span>()
            + span.events.len() * size_of::<SpanEvent>()
            + pairs * size_of::<(String, String)>();
        span.size_bytes() - headers + 16 + 8 + 8 + 2 * 8 + 2 + 8 * span.events.len()
    }
}
