use super::*;
use crate::pages::admin::logs::of_trace;

const AT: UnixNanos = UnixNanos(1_795_000_000_000_000_000);
const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const EVIL: &str = "\"><script>alert(1)</script>";

fn frame() -> Frame {
    Frame { tab: Tab::Traces, now: AT, ..Frame::default() }
}

fn row(name: &str, lasted_ms: u64) -> TraceRow {
    TraceRow {
        id: ID.into(),
        at: AT,
        name: name.into(),
        path: "/de/".into(),
        status: "200".into(),
        service: "vitrine".into(),
        duration: Duration::from_millis(lasted_ms),
        is_failed: false,
    }
}

fn span(name: &str, offset_ms: u64, lasted_ms: u64) -> SpanView {
    SpanView {
        id: "00f067aa0ba902b7".into(),
        name: name.into(),
        service: "vitrine".into(),
        kind: "server",
        offset: Duration::from_millis(offset_ms),
        duration: Duration::from_millis(lasted_ms),
        ..SpanView::default()
    }
}

fn trace(spans: Vec<SpanView>) -> TraceView {
    let services = vec![("vitrine".to_string(), spans.len())];
    TraceView {
        id: ID.into(),
        spans,
        from: AT,
        duration: Duration::from_millis(100),
        services,
        ..TraceView::default()
    }
}

fn list(view: &TracesView) -> String {
    traces(&frame(), view).into_string().replace('\u{a0}', " ")
}

fn one(view: &TraceView) -> String {
    waterfall(&frame(), view).into_string().replace('\u{a0}', " ")
}

#[test]
fn a_row_says_what_how_long_and_how_it_ended() {
    let failed = TraceRow { status: "500".into(), is_failed: true, ..row("GET /{lang}/", 50) };
    let text = list(&TracesView { traces: vec![row("GET /", 100), failed], ..TracesView::default() });
    assert!(text.contains(&format!("href=\"/admin/traces/{ID}\"")), "{text}");
    assert!(text.contains(">100 ms<") && text.contains("width=\"50.0\""), "{text}");
    assert!(
        text.contains("<span class=\"level error\">failed</span> <span class=\"status error\">500</span>")
    );
}

#[test]
fn orders_and_pages_keep_what_was_asked() {
    let filter = TraceFilter {
        window: Window::Moving(Range::Day),
        order: TraceOrder::Failed,
        text: "a&b".into(),
        min_ms: Some(5),
        with_routine: true,
        before: Some(9),
    };
    let view = TracesView { filter, traces: vec![row("x", 1)], older: Some(3), ..TracesView::default() };
    let text = list(&view);
    for address in [
        "/admin/traces?range=24h&amp;q=a%26b&amp;min=5&amp;all=1\"",
        "/admin/traces?range=24h&amp;q=a%26b&amp;order=newest&amp;min=5&amp;all=1\"",
        "/admin/traces?range=24h&amp;q=a%26b&amp;order=failed&amp;min=5&amp;all=1&amp;before=3\"",
    ] {
        assert!(text.contains(address), "{address} is not in {text}");
    }
}

#[test]
fn an_empty_list_says_what_leaves_traces() {
    let text = list(&TracesView::default());
    for piece in ["telemetry.traces.slow", "telemetry.traces.ratio", "push.otlp", "/admin/traces?range=7d"] {
        assert!(text.contains(piece), "{piece} is not in {text}");
    }
    let narrow = TraceFilter { text: "x".into(), ..TraceFilter::default() };
    assert!(list(&TracesView { filter: narrow, ..TracesView::default() }).contains("No request fits."));
}

#[test]
fn bars_lie_on_the_common_axis() {
    let mut failed = span("db", 25, 50);
    failed.depth = 1;
    failed.is_failed = true;
    failed.events = vec![SpanEventView {
        offset: Duration::from_millis(60),
        name: "exception".into(),
        attributes: vec![("exception.message".into(), "no rows".into())],
    }];
    let view = TraceView { n_failed: 1, ..trace(vec![span("GET /", 0, 100), failed, span("tick", 100, 0)]) };
    let text = one(&view);
    assert!(text.contains("<rect class=\"fill\" x=\"0.0\" y=\"1\" width=\"1000.0\""), "{text}");
    assert!(text.contains("<rect class=\"fill\" x=\"250.0\" y=\"1\" width=\"500.0\""));
    // What lasts no time, at the end, is still seen.
    assert!(text.contains("<rect class=\"fill\" x=\"996.0\" y=\"1\" width=\"4.0\""));
    assert!(
        text.contains("aria-label=\"begins after 25 ms, lasts 50 ms\"") && text.contains("d=\"M600.0 0V10\"")
    );
    assert!(text.contains("no rows") && text.contains("after 60 ms") && text.contains("1 failed"));
    assert!(text.contains("3 spans"));
}

#[test]
fn the_lines_of_a_trace_are_one_link_away() {
    let until = UnixNanos(AT.0 + 100_000_000);
    let text = one(&trace(vec![span("GET /", 0, 100)]));
    assert!(text.contains(&of_trace(ID, AT, until).replace('&', "&amp;")), "{text}");
    assert!(of_trace(ID, AT, until).contains("f=trace_id%3D4bf9"));
}

#[test]
fn what_is_not_shown_is_counted_and_what_is_not_there_is_explained() {
    let view = TraceView { n_more: 7, is_cut: true, ..trace(vec![span("x", 0, 1)]) };
    let text = one(&view);
    assert!(text.contains("7 more spans are not shown.") && text.contains("8 spans"), "{text}");
    assert!(text.contains("more spans than are kept of one"));
    let text = one(&TraceView { id: ID.into(), ..TraceView::default() });
    assert!(text.contains("Nothing is kept of the trace") && text.contains("f=trace_id"), "{text}");
    let orphan = SpanView { missing_parent: Some("0102030405060708".into()), ..span("x", 0, 1) };
    assert!(one(&trace(vec![orphan])).contains("0102030405060708 (in another process, or not kept)"));
}

#[test]
fn nothing_from_outside_becomes_markup() {
    let mut evil = span(EVIL, 0, 1);
    evil.service = EVIL.into();
    evil.message = EVIL.into();
    evil.is_failed = true;
    evil.attributes = vec![(EVIL.into(), EVIL.into())];
    evil.events = vec![SpanEventView {
        name: EVIL.into(),
        attributes: vec![(EVIL.into(), EVIL.into())],
        ..SpanEventView::default()
    }];
    let services = vec![(EVIL.to_string(), 1), ("b".to_string(), 1)];
    let of_one = TraceView { services, ..trace(vec![evil]) };
    let evil_row = TraceRow { path: EVIL.into(), status: EVIL.into(), service: EVIL.into(), ..row(EVIL, 1) };
    let filter = TraceFilter { text: EVIL.into(), ..TraceFilter::default() };
    let of_list = TracesView { filter, traces: vec![evil_row], ..TracesView::default() };
    let unreadable = TracesView { fault: Some(EVIL.into()), ..TracesView::default() };
    let unread = TraceView { fault: Some(EVIL.into()), ..TraceView::default() };
    for text in [list(&of_list), list(&unreadable), one(&of_one), one(&unread)] {
        assert!(!text.contains(EVIL) && !text.contains("<script>") && !text.contains(" style="), "{text}");
    }
}
