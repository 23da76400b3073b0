//! Finds the requests of the list, within the time that a page may take.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::time::Duration;

use crate::clock::{Clock, UnixNanos};
use crate::pages::admin::{TraceFilter, TraceOrder, TraceRow, TracesView};
use crate::record::names::SERVICE_NAME;
use crate::record::read::{Direction, ReadError, SpanRead, SpanSelect};
use crate::record::trace::TraceId;
use crate::record::{Span, SpanKind, SpanStatus};

/// Requests of a page.
const TRACES_MAX: usize = 50;

/// Spans that are kept while the slowest are looked for: a trace may have several of them.
const KEPT_MAX: usize = 16 * TRACES_MAX;

/// Where it lies what is hidden unless it is asked for.
const ROUTINE: &[&str] = &["/health", "/ready", "/metrics", "/admin"];

/// After this the list says how far it looked.
const BUDGET: Duration = Duration::from_millis(300);

/// So many spans are looked at between two looks at the time.
const SPANS_A_LOOK: usize = 64;

/// Fills the view.
pub(super) fn view(spans: &dyn SpanRead, clock: &Clock, filter: TraceFilter) -> TracesView {
    let mut found = Found { budget: BUDGET, ..Found::new(&filter) };
    match found.read(spans, clock) {
        Ok(()) => {
            let (older, searched_to) = (found.older(), found.reached);
            TracesView { traces: found.rows(), older, searched_to, filter, fault: None }
        }
        Err(fault) => TracesView { fault: Some(fault.to_string()), filter, ..TracesView::default() },
    }
}

struct Found<'a> {
    filter: &'a TraceFilter,
    /// In small letters.
    text: String,
    budget: Duration,
    kept: Vec<Span>,
    /// Where the span of a trace is among those kept, unless the slowest are looked for: it is the one
    /// that is nearest to the root.
    traces: HashMap<TraceId, usize>,
    /// When the span that was taken last began.
    oldest: Option<UnixNanos>,
    has_more: bool,
    reached: Option<UnixNanos>,
}

impl<'a> Found<'a> {
    fn new(filter: &'a TraceFilter) -> Self {
        Found {
            filter,
            text: filter.text.to_lowercase(),
            budget: Duration::MAX,
            kept: Vec::new(),
            traces: HashMap::new(),
            oldest: None,
            has_more: false,
            reached: None,
        }
    }

    fn read(&mut self, spans: &dyn SpanRead, clock: &Clock) -> Result<(), ReadError> {
        let filter = self.filter;
        let (from, to) = filter.window.bounds(clock.now_ms());
        // A request of this very millisecond belongs to what is now.
        let to = to.to_nanos().0.saturating_add(1_000_000);
        let select = SpanSelect {
            from: from.to_nanos(),
            to: UnixNanos(filter.before.unwrap_or(i64::MAX).min(to)),
            duration_min: Duration::from_millis(filter.min_ms.unwrap_or(0)),
            status: (filter.order == TraceOrder::Failed).then_some(SpanStatus::Error),
            // A request whose caller sent the trace has a parent, elsewhere.
            roots_only: false,
            direction: Direction::Backward,
        };
        let (begun, mut n_seen) = (clock.elapsed(), 0_usize);
        spans.spans(&select, &mut |span| {
            n_seen += 1;
            let at = span.start;
            let flow = self.take(span);
            if flow.is_continue()
                && n_seen.is_multiple_of(SPANS_A_LOOK)
                && clock.elapsed().saturating_sub(begun) >= self.budget
            {
                self.reached = Some(at);
                return ControlFlow::Break(());
            }
            flow
        })
    }

    fn take(&mut self, span: Span) -> ControlFlow<()> {
        let begins_a_service =
            span.parent.is_none() || matches!(span.kind, SpanKind::Server | SpanKind::Consumer);
        let is_hidden = !self.filter.with_routine && is_routine(&span);
        if !begins_a_service || is_hidden || !self.has_text(&span) {
            return ControlFlow::Continue(());
        }
        if self.filter.order == TraceOrder::Slowest {
            self.kept.push(span);
            if self.kept.len() == 2 * KEPT_MAX {
                self.keep_slowest(KEPT_MAX);
            }
            return ControlFlow::Continue(());
        }
        // A page ends between moments, so that none is lost behind it.
        let is_next = self.oldest.is_some_and(|oldest| oldest != span.start);
        let known = self.traces.get(&span.trace_id).copied();
        // Of more traces than that at one moment the rest is not shown.
        let is_full = self.kept.len() >= if is_next { TRACES_MAX } else { KEPT_MAX };
        match known {
            None if is_full => {
                self.has_more = true;
                return ControlFlow::Break(());
            }
            None => {
                self.oldest = Some(span.start);
                self.traces.insert(span.trace_id, self.kept.len());
                self.kept.push(span);
            }
            Some(idx) => {
                self.oldest = Some(span.start);
                if nearness(&span) < nearness(&self.kept[idx]) {
                    self.kept[idx] = span;
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn has_text(&self, span: &Span) -> bool {
        let has = |text: &str| text.to_lowercase().contains(&self.text);
        let named = ["url.path", "http.route"].into_iter().any(|name| has(attribute(span, name)));
        self.text.is_empty() || has(&span.name) || named
    }

    fn keep_slowest(&mut self, n: usize) {
        self.kept.sort_by_key(|span| std::cmp::Reverse(span.duration));
        self.kept.truncate(n);
    }

    fn older(&self) -> Option<i64> {
        let oldest = self.oldest.map(|at| at.0);
        self.reached.map(|at| at.0).or(oldest.filter(|_| self.has_more))
    }

    /// Returns a row for each trace: that of the span that is nearest to its root.
    fn rows(mut self) -> Vec<TraceRow> {
        let mut n_rows_max = usize::MAX;
        if self.filter.order == TraceOrder::Slowest {
            self.keep_slowest(KEPT_MAX);
            n_rows_max = TRACES_MAX;
        }
        let mut shown = HashSet::new();
        let mut res = Vec::new();
        for span in &self.kept {
            if res.len() < n_rows_max && shown.insert(span.trace_id) {
                let of_trace = self.kept.iter().filter(|other| other.trace_id == span.trace_id);
                res.push(row(of_trace.min_by_key(|span| nearness(span)).unwrap_or(span)));
            }
        }
        res
    }
}

/// Orders the spans of a trace by how near they are to its root.
fn nearness(span: &Span) -> (bool, UnixNanos) {
    (span.parent.is_some(), span.start)
}

/// Returns true for what programs ask for again and again, and for the owner's own pages, whose
/// streams last as long as they are looked at; what failed is none of it.
fn is_routine(span: &Span) -> bool {
    let path = attribute(span, "url.path");
    let is_below =
        |route: &&str| path.strip_prefix(*route).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    span.service == SERVICE_NAME && span.status != SpanStatus::Error && ROUTINE.iter().any(is_below)
}

fn row(span: &Span) -> TraceRow {
    TraceRow {
        id: span.trace_id.to_string(),
        at: span.start,
        name: span.name.to_string(),
        path: attribute(span, "url.path").to_string(),
        status: attribute(span, "http.response.status_code").to_string(),
        service: span.service.to_string(),
        duration: span.duration,
        is_failed: span.status == SpanStatus::Error,
    }
}

fn attribute<'s>(span: &'s Span, name: &str) -> &'s str {
    span.attributes.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixMillis;
    use crate::pages::admin::Window;
    use crate::query::memory::MemoryStore;
    use crate::record::trace::SpanId;

    const NOW_MS: i64 = 10_000_000;

    fn now() -> Clock {
        Clock::manual(UnixNanos(NOW_MS * 1_000_000))
    }

    fn span(trace: u8, age_ms: i64, lasted_ms: u64) -> Span {
        Span {
            trace_id: TraceId([trace; 16]),
            span_id: SpanId([trace; 8]),
            parent: None,
            name: format!("GET /{trace}").into(),
            kind: SpanKind::Server,
            service: "vitrine".into(),
            start: UnixNanos((NOW_MS - age_ms) * 1_000_000),
            duration: Duration::from_millis(lasted_ms),
            status: if trace.is_multiple_of(2) { SpanStatus::Error } else { SpanStatus::Unset },
            status_message: String::new(),
            attributes: vec![
                ("url.path".into(), format!("/Path-{trace}")),
                ("http.response.status_code".into(), "200".into()),
            ],
            events: Vec::new(),
        }
    }

    fn store() -> MemoryStore {
        let store = MemoryStore::default();
        for (trace, age_ms, lasted_ms) in [(1, 5_000, 10), (2, 4_000, 30), (3, 3_000, 20), (4, 2_000, 5)] {
            store.span(span(trace, age_ms, lasted_ms));
        }
        store
    }

    fn names(store: &MemoryStore, filter: TraceFilter) -> Vec<String> {
        let view = view(store, &now(), filter);
        view.traces.into_iter().map(|trace| trace.name).collect()
    }

    #[test]
    fn requests_come_by_duration_by_failure_and_by_time() {
        let by = |order| names(&store(), TraceFilter { order, ..TraceFilter::default() });
        assert_eq!(by(TraceOrder::Slowest), ["GET /2", "GET /3", "GET /1", "GET /4"]);
        assert_eq!(by(TraceOrder::Failed), ["GET /4", "GET /2"]);
        assert_eq!(by(TraceOrder::Newest), ["GET /4", "GET /3", "GET /2", "GET /1"]);
    }

    #[test]
    fn they_are_narrowed_by_time_duration_and_text() {
        let of = |filter| names(&store(), TraceFilter { order: TraceOrder::Newest, ..filter });
        let all = TraceFilter::default();
        assert_eq!(of(TraceFilter { min_ms: Some(20), ..all.clone() }), ["GET /3", "GET /2"]);
        assert_eq!(of(TraceFilter { text: "path-3".into(), ..all.clone() }), ["GET /3"]);
        assert_eq!(of(TraceFilter { text: "get /1".into(), ..all.clone() }), ["GET /1"]);
        let window = Window::Fixed { from: UnixMillis(NOW_MS - 4_500), to: UnixMillis(NOW_MS - 2_500) };
        assert_eq!(of(TraceFilter { window, ..all.clone() }), ["GET /3", "GET /2"]);
        let before = Some((NOW_MS - 3_000) * 1_000_000);
        assert_eq!(of(TraceFilter { before, ..all }), ["GET /2", "GET /1"]);
    }

    #[test]
    fn a_trace_has_one_row_and_inner_spans_none() {
        let store = store();
        let inner = |kind, parent| Span {
            span_id: SpanId([9; 8]),
            parent: Some(SpanId([parent; 8])),
            kind,
            name: "inner".into(),
            duration: Duration::from_secs(60),
            ..span(1, 4_999, 0)
        };
        store.span(inner(SpanKind::Server, 1));
        store.span(inner(SpanKind::Internal, 1));
        store.span(Span {
            trace_id: TraceId([7; 16]),
            name: "called".into(),
            duration: Duration::from_secs(50),
            ..inner(SpanKind::Server, 7)
        });
        store.span(Span { trace_id: TraceId([8; 16]), name: "job".into(), ..inner(SpanKind::Internal, 8) });
        let found = names(&store, TraceFilter::default());
        assert_eq!(found, ["GET /1", "called", "GET /2", "GET /3", "GET /4"]);
    }

    #[test]
    fn a_trace_of_many_requests_is_kept_as_one() {
        let store = MemoryStore::default();
        for n in 0..2_000_u16 {
            store.span(Span {
                span_id: SpanId([&n.to_be_bytes()[..], &[1; 6]].concat().try_into().unwrap()),
                parent: Some(SpanId([2; 8])),
                name: "called".into(),
                ..span(2, 1_000 + i64::from(n), 1)
            });
        }
        store.span(span(2, 4_000, 10));
        for order in [TraceOrder::Newest, TraceOrder::Failed] {
            let filter = TraceFilter { order, ..TraceFilter::default() };
            let mut found = Found::new(&filter);
            found.read(&store, &now()).unwrap();
            assert_eq!((found.kept.len(), found.oldest), (1, Some(span(2, 4_000, 1).start)));
            assert_eq!(found.rows()[0].name, "GET /2");
        }
    }

    #[test]
    fn probes_and_the_owners_pages_are_hidden_unless_they_fail() {
        let store = MemoryStore::default();
        for (trace, path) in [(1, "/admin/events"), (2, "/admin/logs"), (3, "/health"), (5, "/healthy")] {
            let attributes = vec![("url.path".into(), path.to_string())];
            store.span(Span { name: path.into(), attributes, ..span(trace, i64::from(trace), 1) });
        }
        let by = |with_routine| {
            let filter = TraceFilter { order: TraceOrder::Newest, with_routine, ..TraceFilter::default() };
            names(&store, filter)
        };
        assert_eq!(by(false), ["/admin/logs", "/healthy"]);
        assert_eq!(by(true).len(), 4);
    }

    #[test]
    fn pages_are_turned_by_time_and_no_request_is_lost() {
        let store = MemoryStore::default();
        for n in 0..130_u8 {
            store.span(span(n + 1, i64::from(n), 1));
        }
        let (mut before, mut seen) = (None, Vec::new());
        loop {
            let filter = TraceFilter { order: TraceOrder::Newest, before, ..TraceFilter::default() };
            let view = view(&store, &now(), filter);
            seen.extend(view.traces.into_iter().map(|trace| trace.id));
            before = view.older;
            if before.is_none() {
                break;
            }
        }
        let n_seen = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!((n_seen, seen.len()), (130, 130));
        let slowest = view(&store, &now(), TraceFilter::default());
        assert_eq!((slowest.traces.len(), slowest.older), (TRACES_MAX, None));
    }

    #[test]
    fn a_search_without_time_says_how_far_it_came() {
        let store = MemoryStore::default();
        for n in 0..200_u8 {
            store.span(span(n, i64::from(n), 1));
        }
        let filter = TraceFilter { text: "nothing like it".into(), ..TraceFilter::default() };
        let mut found = Found { budget: Duration::ZERO, ..Found::new(&filter) };
        found.read(&store, &now()).unwrap();
        assert_eq!(found.reached, Some(UnixNanos((NOW_MS - 63) * 1_000_000)));
        assert_eq!(found.older(), found.reached.map(|at| at.0));
    }
}
