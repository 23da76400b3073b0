//! What a block's header says about the spans inside.
//!
//! It promises that no span is overlooked: when one inside is wanted, the facts say so.

use std::time::Duration;

use super::NumberedSpan;
use crate::clock::UnixNanos;
use crate::record::SpanStatus;
use crate::record::read::SpanSelect;
use crate::store::wire::{Damaged, Reader, put_varint, put_zigzag};

/// What is known of a block without unpacking it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanBlockFacts {
    /// The earliest start inside.
    pub min_start: UnixNanos,
    /// The latest start inside.
    pub max_start: UnixNanos,
    /// The longest duration inside.
    pub max_duration: Duration,
    /// Bit `status number` for each status inside.
    pub statuses: u8,
    /// How many spans.
    pub n_spans: u32,
    /// How many of them have no parent.
    pub n_roots: u32,
}

const ALL_STATUSES: u8 = 0b111;

impl SpanBlockFacts {
    /// Sums spans up; of no spans the facts are that it has nothing, at no time.
    pub fn of(spans: &[NumberedSpan]) -> Self {
        let nothing = SpanBlockFacts {
            min_start: UnixNanos(i64::MAX),
            max_start: UnixNanos(i64::MIN),
            max_duration: Duration::ZERO,
            statuses: 0,
            n_spans: 0,
            n_roots: 0,
        };
        spans.iter().fold(nothing, |facts, NumberedSpan { span, .. }| SpanBlockFacts {
            min_start: facts.min_start.min(span.start),
            max_start: facts.max_start.max(span.start),
            max_duration: facts.max_duration.max(span.duration),
            statuses: facts.statuses | status_bit(span.status),
            n_spans: facts.n_spans + 1,
            n_roots: facts.n_roots + u32::from(span.parent.is_none()),
        })
    }

    /// Returns false only when no span inside is wanted.
    pub fn may_have(&self, select: &SpanSelect) -> bool {
        self.min_start < select.to
            && self.max_start >= select.from
            && self.max_duration >= select.duration_min
            && select.status.is_none_or(|status| self.statuses & status_bit(status) != 0)
            && !(select.roots_only && self.n_roots == 0)
    }

    /// Appends the facts to a header.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_zigzag(out, self.min_start.0);
        put_varint(out, self.max_start.0.wrapping_sub(self.min_start.0) as u64);
        put_varint(out, self.max_duration.as_secs());
        put_varint(out, self.max_duration.subsec_nanos().into());
        out.push(self.statuses);
        put_varint(out, self.n_spans.into());
        put_varint(out, self.n_roots.into());
    }

    /// The inverse of [`SpanBlockFacts::encode`].
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let narrow = |value: u64| u32::try_from(value).map_err(|_| Damaged("header of a span block"));
        let min_start = reader.zigzag()?;
        let max_start = min_start.wrapping_add(reader.varint()? as i64);
        let max_duration = read_duration(reader.varint()?, reader.varint()?)?;
        let statuses = reader.u8()?;
        let (n_spans, n_roots) = (narrow(reader.varint()?)?, narrow(reader.varint()?)?);
        if statuses & !ALL_STATUSES != 0 || n_roots > n_spans {
            return Err(Damaged("header of a span block"));
        }
        let (min_start, max_start) = (UnixNanos(min_start), UnixNanos(max_start));
        Ok(SpanBlockFacts { min_start, max_start, max_duration, statuses, n_spans, n_roots })
    }
}

fn status_bit(status: SpanStatus) -> u8 {
    1 << status.number()
}

/// Makes a duration of whole seconds and the nanoseconds below one.
pub fn read_duration(secs: u64, nanos: u64) -> Result<Duration, Damaged> {
    match u32::try_from(nanos) {
        // More would be carried over into the seconds, and panic where they are full.
        Ok(nanos) if nanos < 1_000_000_000 => Ok(Duration::new(secs, nanos)),
        _ => Err(Damaged("duration of a span")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::read::Direction;
    use crate::store::span::specimen::{any_spans, any_status};

    fn any_select() -> impl Strategy<Value = SpanSelect> {
        let times = (-3_i64..3, -3_i64..3).prop_map(|(from, to)| (UnixNanos(from), UnixNanos(to)));
        (times, 0_u64..3, prop::option::of(any_status()), any::<bool>()).prop_map(
            |((from, to), secs, status, roots_only)| SpanSelect {
                from,
                to,
                duration_min: Duration::from_secs(secs),
                status,
                roots_only,
                direction: Direction::Forward,
            },
        )
    }

    proptest! {
        #[test]
        fn facts_round_trip(spans in any_spans(20)) {
            let facts = SpanBlockFacts::of(&spans);
            let mut out = Vec::new();
            facts.encode(&mut out);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(SpanBlockFacts::decode(&mut reader), Ok(facts));
            prop_assert!(reader.end().is_ok());
        }

        #[test]
        fn no_wanted_span_is_overlooked(spans in any_spans(4), select in any_select()) {
            let is_any_wanted = spans.iter().any(|numbered| select.accepts(&numbered.span));
            prop_assert!(SpanBlockFacts::of(&spans).may_have(&select) || !is_any_wanted);
        }

        #[test]
        fn bad_bytes_give_an_error_and_no_panic(bytes: Vec<u8>) {
            let _ = SpanBlockFacts::decode(&mut Reader::new(&bytes));
        }
    }

    #[test]
    fn a_block_without_spans_has_nothing() {
        let all = SpanSelect {
            from: UnixNanos(i64::MIN),
            to: UnixNanos(i64::MAX),
            duration_min: Duration::ZERO,
            status: None,
            roots_only: false,
            direction: Direction::Forward,
        };
        assert!(!SpanBlockFacts::of(&[]).may_have(&all));
    }

    #[test]
    fn a_header_that_contradicts_itself_is_refused() {
        for (statuses, n_roots, nanos) in [(0b1000, 0, 0), (0, 2, 0), (0, 0, 1_000_000_000)] {
            let mut out = Vec::new();
            put_zigzag(&mut out, 0);
            [0, u64::MAX, nanos].into_iter().for_each(|value| put_varint(&mut out, value));
            out.push(statuses);
            [1, n_roots].into_iter().for_each(|value| put_varint(&mut out, value));
            assert!(SpanBlockFacts::decode(&mut Reader::new(&out)).is_err());
        }
    }
}
