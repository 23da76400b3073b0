//! Cuts spans to what the store takes.
//!
//! The counts are the defaults of the OpenTelemetry SDK ("Span Limits") and what is beyond
//! them is dropped from the end, as there. The specification leaves the lengths to us. It
//! refuses to judge: a cut span is as good as any, and its caller may count it.

use std::borrow::Cow;

use crate::record::access::cut;
use crate::record::span::Attributes;
use crate::record::{Span, SpanEvent};

/// Attributes of a span, and of each event; further ones are dropped.
pub const ATTRIBUTES_MAX: usize = 128;

/// Events of a span; further ones are dropped.
pub const EVENTS_MAX: usize = 128;

/// A longer value, name or message is cut: a whole stack trace fits, a body does not. An
/// attribute whose own name is longer is dropped, because it would become another one.
pub const TEXT_MAX_BYTES: usize = 4 << 10;

/// What a span takes in memory: half a block. Beyond it the last texts are cut, and
/// then the last attributes and events dropped.
pub const SPAN_MAX_BYTES: usize = 64 << 10;

/// Returns the span within all bounds, and true when that took something away.
pub fn bounded(mut span: Span) -> (Span, bool) {
    let mut room = Room { left: SPAN_MAX_BYTES - size_of::<Span>(), is_cut: false };
    room.fit_name(&mut span.name);
    room.fit_name(&mut span.service);
    room.fit_text(&mut span.status_message);
    room.fit_attributes(&mut span.attributes);
    room.fit_events(&mut span.events);
    (span, room.is_cut)
}

/// What is left of [`SPAN_MAX_BYTES`]; the first to come are the first to find room.
struct Room {
    left: usize,
    is_cut: bool,
}

impl Room {
    fn text_max(&self) -> usize {
        self.left.min(TEXT_MAX_BYTES)
    }

    fn fit_text(&mut self, text: &mut String) {
        let kept = cut(text, self.text_max()).len();
        if kept < text.len() {
            text.truncate(kept);
            // The memory is what is bounded, not the length.
            text.shrink_to_fit();
            self.is_cut = true;
        }
        self.left -= kept;
    }

    fn fit_name(&mut self, name: &mut Cow<'static, str>) {
        match name {
            Cow::Owned(text) => self.fit_text(text),
            Cow::Borrowed(text) => {
                let kept = cut(text, self.text_max());
                self.is_cut |= kept.len() < text.len();
                self.left -= kept.len();
                *text = kept;
            }
        }
    }

    /// Uses up `n_bytes` when they are left.
    fn take(&mut self, n_bytes: usize) -> bool {
        let left = self.left.checked_sub(n_bytes);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }

    fn fit_attributes(&mut self, attributes: &mut Attributes) {
        let n_before = attributes.len();
        attributes.truncate(ATTRIBUTES_MAX);
        attributes.retain_mut(|pair| {
            let is_kept = pair.0.len() <= TEXT_MAX_BYTES && self.take(size_of_val(pair) + pair.0.len());
            if is_kept {
                self.fit_text(&mut pair.1);
            }
            is_kept
        });
        if attributes.len() < n_before {
            attributes.shrink_to_fit();
            self.is_cut = true;
        }
    }

    fn fit_events(&mut self, events: &mut Vec<SpanEvent>) {
        let n_before = events.len();
        events.truncate(EVENTS_MAX);
        events.retain_mut(|event| {
            let is_kept = self.take(size_of_val(event));
            if is_kept {
                self.fit_text(&mut event.name);
                self.fit_attributes(&mut event.attributes);
            }
            is_kept
        });
        if events.len() < n_before {
            events.shrink_to_fit();
            self.is_cut = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::UnixNanos;
    use crate::store::span::specimen::{any_span, plain_span};

    fn attributes(n: usize, value: &str) -> Attributes {
        (0..n).map(|no| (Cow::Owned(format!("name{no}")), value.to_string())).collect()
    }

    fn event(n_attributes: usize, value: &str) -> SpanEvent {
        SpanEvent { at: UnixNanos(1), name: "exception".into(), attributes: attributes(n_attributes, value) }
    }

    #[test]
    fn span_at_every_bound_is_left_alone() {
        let mut span = plain_span();
        span.attributes = attributes(ATTRIBUTES_MAX, "short");
        span.attributes[0].1 = "é".repeat(TEXT_MAX_BYTES / 2);
        span.events = vec![event(2, "short"); EVENTS_MAX];
        assert_eq!(bounded(span.clone()), (span, false));
    }

    #[test]
    fn counts_beyond_the_bounds_are_dropped_from_the_end() {
        let mut span = plain_span();
        span.attributes = attributes(ATTRIBUTES_MAX + 1, "v");
        span.events = vec![event(1, "v"); EVENTS_MAX + 1];
        let (kept, is_cut) = bounded(span.clone());
        assert!(is_cut);
        assert_eq!(kept.attributes, span.attributes[..ATTRIBUTES_MAX]);
        assert_eq!(kept.events, span.events[..EVENTS_MAX]);
        let (kept, is_cut) = bounded(Span { events: vec![event(ATTRIBUTES_MAX + 1, "")], ..plain_span() });
        assert_eq!((kept.events[0].attributes.len(), is_cut), (ATTRIBUTES_MAX, true));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = "x".to_string() + &"é".repeat(TEXT_MAX_BYTES);
        let expect = &long[..TEXT_MAX_BYTES - 1];
        let mut span = plain_span();
        span.name = Cow::Owned(long.clone());
        span.status_message = long.clone();
        span.attributes = attributes(1, &long);
        span.events =
            vec![SpanEvent { at: UnixNanos(1), name: long.clone(), attributes: attributes(1, &long) }];
        let (kept, is_cut) = bounded(span);
        assert!(is_cut);
        assert_eq!((kept.name.as_ref(), kept.status_message.as_str()), (expect, expect));
        assert_eq!((kept.attributes[0].1.as_str(), kept.events[0].name.as_str()), (expect, expect));
        assert_eq!(kept.events[0].attributes[0].1, expect);
        assert!(kept.status_message.capacity() <= 2 * TEXT_MAX_BYTES);
    }

    #[test]
    fn an_attribute_with_an_overlong_name_is_dropped_alone() {
        let mut span = plain_span();
        span.attributes = vec![("n".repeat(TEXT_MAX_BYTES + 1).into(), "v".into()), ("b".into(), "w".into())];
        let (kept, is_cut) = bounded(span);
        assert_eq!((kept.attributes, is_cut), (vec![("b".into(), "w".into())], true));
    }

    #[test]
    fn a_span_that_is_too_large_in_all_keeps_its_first_parts() {
        let mut span = plain_span();
        span.attributes = attributes(ATTRIBUTES_MAX, &"€".repeat(TEXT_MAX_BYTES));
        span.events = vec![event(ATTRIBUTES_MAX, ""); EVENTS_MAX];
        let (kept, is_cut) = bounded(span.clone());
        assert!(is_cut && kept.size_bytes() <= SPAN_MAX_BYTES);
        assert_eq!((&kept.name, kept.trace_id), (&span.name, span.trace_id));
        assert_eq!(kept.attributes[3].1, "€".repeat(TEXT_MAX_BYTES / 3));
        assert!(kept.attributes.len() > 10);
    }

    proptest! {
        #[test]
        fn bounded_spans_are_within_bounds_and_stay_as_they_are(span in any_span(), n_copies in 0_usize..300) {
            let mut large = span;
            let pairs = large.attributes.clone();
            large.attributes = pairs.iter().cycle().take(pairs.len() * n_copies).cloned().collect();
            let events = large.events.clone();
            large.events = events.iter().cycle().take(events.len() * n_copies).cloned().collect();
            large.status_message = large.status_message.repeat(n_copies);
            let (kept, is_cut) = bounded(large.clone());
            prop_assert!(kept.size_bytes() <= SPAN_MAX_BYTES);
            prop_assert!(kept.attributes.len() <= ATTRIBUTES_MAX && kept.events.len() <= EVENTS_MAX);
            prop_assert_eq!(is_cut, kept != large);
            prop_assert_eq!(bounded(kept.clone()), (kept, false));
        }
    }
}
