//! Puts the spans of a trace into a tree, and the tree into rows.
//!
//! Spans are what other programs sent: a parent may be missing, come later, or be a span's own
//! child. Every span is shown once, whatever its source says.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::clock::UnixNanos;
use crate::pages::admin::{SpanEventView, SpanView, TraceView};
use crate::record::read::SPANS_PER_TRACE_MAX;
use crate::record::span::Attributes;
use crate::record::trace::{SpanId, TraceId};
use crate::record::{Span, SpanKind, SpanStatus};

/// Rows of a page; more are no longer read, and a phone has to hold them.
const ROWS_MAX: usize = 500;

/// Fills the view of a trace with its spans, which come by their starts.
pub(super) fn view(id: TraceId, spans: Vec<Span>) -> TraceView {
    let from = spans.iter().map(|span| span.start).min().unwrap_or_default();
    let duration = spans.iter().map(|span| since(from, span.start) + span.duration).max().unwrap_or_default();
    let mut services: BTreeMap<&str, usize> = BTreeMap::new();
    spans.iter().for_each(|span| *services.entry(&span.service).or_default() += 1);
    let services = services.into_iter().map(|(service, n)| (service.to_string(), n)).collect();
    let n_failed = spans.iter().filter(|span| span.status == SpanStatus::Error).count();
    let mut rows = Vec::new();
    let mut n_shown = 0;
    for (depth, idx, missing_parent) in in_order(&spans) {
        if rows.len() >= ROWS_MAX {
            break;
        }
        let missing_parent = missing_parent.map(|parent| parent.to_string());
        rows.push(SpanView { depth, missing_parent, ..row(from, &spans[idx]) });
        rows.extend(stages(from, depth + 1, &spans[idx]));
        n_shown += 1;
    }
    TraceView {
        id: id.to_string(),
        n_more: spans.len() - n_shown,
        is_cut: spans.len() >= SPANS_PER_TRACE_MAX,
        spans: rows,
        from,
        duration,
        n_failed,
        services,
        fault: None,
    }
}

/// Returns the depth and the place of each span, each behind its parent, with that parent if it is
/// not among them.
fn in_order(spans: &[Span]) -> Vec<(usize, usize, Option<SpanId>)> {
    let places: HashMap<SpanId, usize> =
        spans.iter().enumerate().rev().map(|(idx, span)| (span.span_id, idx)).collect();
    let mut children: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut roots = Vec::new();
    for (idx, span) in spans.iter().enumerate() {
        match span.parent.and_then(|parent| places.get(&parent)) {
            Some(parent) if *parent != idx => children.entry(*parent).or_default().push(idx),
            _ => roots.push(idx),
        }
    }
    let mut is_shown = vec![false; spans.len()];
    let mut res = Vec::with_capacity(spans.len());
    // Spans that are each other's parents hang on no root: they follow as if they were roots.
    for root in roots.into_iter().chain(0..spans.len()) {
        // A deep tree needs no deep stack.
        let mut ahead = vec![(0, root)];
        while let Some((depth, idx)) = ahead.pop() {
            if std::mem::replace(&mut is_shown[idx], true) {
                continue;
            }
            let missing = spans[idx].parent.filter(|parent| !places.contains_key(parent));
            res.push((depth, idx, missing));
            let below = children.get(&idx).map_or(&[][..], Vec::as_slice);
            ahead.extend(below.iter().rev().map(|child| (depth + 1, *child)));
        }
    }
    res
}

fn row(from: UnixNanos, span: &Span) -> SpanView {
    SpanView {
        depth: 0,
        id: span.span_id.to_string(),
        name: span.name.to_string(),
        service: span.service.to_string(),
        kind: kind(span.kind),
        offset: since(from, span.start),
        duration: span.duration,
        is_failed: span.status == SpanStatus::Error,
        message: span.status_message.clone(),
        missing_parent: None,
        attributes: owned(&span.attributes),
        events: span
            .events
            .iter()
            .map(|event| SpanEventView {
                offset: since(from, event.at),
                name: event.name.clone(),
                attributes: owned(&event.attributes),
            })
            .collect(),
    }
}

/// A request that was not sampled says in its attributes how long its stages took: they followed
/// each other from its beginning on.
fn stages(from: UnixNanos, depth: usize, span: &Span) -> Vec<SpanView> {
    let mut offset = since(from, span.start);
    let stage = |(name, value): &(std::borrow::Cow<'static, str>, String)| {
        let name = name.strip_prefix("vitrine.stage.")?.strip_suffix("_ms")?;
        let seconds = value.parse::<f64>().ok()? / 1e3;
        let duration = Duration::try_from_secs_f64(seconds).ok()?;
        let res = SpanView { depth, name: name.to_string(), offset, duration, ..SpanView::default() };
        offset = offset.saturating_add(duration);
        Some(res)
    };
    span.attributes.iter().filter_map(stage).collect()
}

fn since(from: UnixNanos, at: UnixNanos) -> Duration {
    Duration::from_nanos(u64::try_from(at.0.saturating_sub(from.0)).unwrap_or(0))
}

fn owned(attributes: &Attributes) -> Vec<(String, String)> {
    attributes.iter().map(|(name, value)| (name.to_string(), value.clone())).collect()
}

fn kind(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Internal => "internal",
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
        SpanKind::Unspecified => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: TraceId = TraceId([1; 16]);

    fn id(no: u64) -> SpanId {
        SpanId(no.to_be_bytes())
    }

    fn span(no: u64, parent: Option<u64>, start_ms: i64, lasted_ms: u64) -> Span {
        Span {
            trace_id: ID,
            span_id: id(no),
            parent: parent.map(id),
            name: no.to_string().into(),
            kind: SpanKind::Internal,
            service: "a".into(),
            start: UnixNanos(start_ms * 1_000_000),
            duration: Duration::from_millis(lasted_ms),
            status: SpanStatus::Unset,
            status_message: String::new(),
            attributes: Vec::new(),
            events: Vec::new(),
        }
    }

    fn shape(spans: Vec<Span>) -> Vec<(usize, String)> {
        view(ID, spans).spans.into_iter().map(|span| (span.depth, span.name)).collect()
    }

    fn shown(all: &[(usize, &str)]) -> Vec<(usize, String)> {
        all.iter().map(|(depth, name)| (*depth, name.to_string())).collect()
    }

    #[test]
    fn children_stand_behind_their_parent_by_their_starts() {
        let spans = vec![
            span(1, None, 0, 100),
            span(2, Some(1), 1, 10),
            span(3, Some(2), 2, 5),
            span(4, Some(1), 20, 10),
            span(5, Some(2), 21, 5),
        ];
        assert_eq!(shape(spans.clone()), shown(&[(0, "1"), (1, "2"), (2, "3"), (2, "5"), (1, "4")]));
        let view = view(ID, spans);
        assert_eq!((view.duration, view.n_more), (Duration::from_millis(100), 0));
        assert_eq!(view.spans[3].offset, Duration::from_millis(21));
    }

    #[test]
    fn a_missing_parent_is_named_and_a_circle_is_shown_once() {
        let spans = vec![
            span(1, Some(9), 0, 1),
            span(2, Some(3), 1, 1),
            span(3, Some(2), 2, 1),
            span(4, Some(4), 3, 1),
            span(1, None, 4, 1),
        ];
        assert_eq!(shape(spans.clone()), shown(&[(0, "1"), (0, "4"), (0, "1"), (0, "2"), (1, "3")]));
        let view = view(ID, spans);
        assert_eq!(view.spans[0].missing_parent, Some(id(9).to_string()));
        assert_eq!(view.spans[1].missing_parent, None);
    }

    #[test]
    fn a_deep_trace_and_a_wide_one_are_cut_and_counted() {
        let deep = (0..5_000).map(|no| span(no + 1, (no > 0).then_some(no), 0, 1)).collect();
        let view_of_deep = view(ID, deep);
        assert_eq!((view_of_deep.spans.len(), view_of_deep.n_more), (500, 4_500));
        assert_eq!(view_of_deep.spans[499].depth, 499);
        let wide =
            (0..SPANS_PER_TRACE_MAX as u64).map(|no| span(no + 1, (no > 0).then_some(1), 0, 1)).collect();
        let view_of_wide = view(ID, wide);
        assert!(view_of_wide.is_cut && view_of_wide.n_more == SPANS_PER_TRACE_MAX - 500);
    }

    #[test]
    fn stages_of_a_request_without_their_own_spans_follow_each_other() {
        let mut request = span(1, None, 0, 300);
        request.attributes = vec![
            ("url.path".into(), "/".into()),
            ("vitrine.stage.balancer_ms".into(), "2.000".into()),
            ("vitrine.stage.worker_ms".into(), "250.500".into()),
            ("vitrine.stage.odd_ms".into(), "-3".into()),
        ];
        let view = view(ID, vec![request]);
        let stages: Vec<(&str, u128, u128)> = view.spans[1..]
            .iter()
            .map(|span| (span.name.as_str(), span.offset.as_micros(), span.duration.as_micros()))
            .collect();
        assert_eq!(stages, [("balancer", 0, 2_000), ("worker", 2_000, 250_500)]);
        assert!(view.spans[1].id.is_empty() && view.spans[1].depth == 1);
    }

    #[test]
    fn clocks_that_disagree_make_no_negative_offset() {
        let mut early = span(2, Some(1), 5, 1);
        early.events =
            vec![crate::record::SpanEvent { at: UnixNanos(-7), name: "x".into(), attributes: Vec::new() }];
        let view = view(ID, vec![span(1, None, 10, 1), early]);
        assert_eq!(view.from, UnixNanos(5_000_000));
        assert_eq!(view.spans[1].events[0].offset, Duration::ZERO);
    }
}
