//! Spans for tests: arbitrary ones, and those of a web server.

use std::borrow::Cow;
use std::time::Duration;

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::NumberedSpan;
use crate::clock::UnixNanos;
use crate::record::span::Attributes;
use crate::record::trace::{SpanId, TraceId};
use crate::record::{Span, SpanEvent, SpanKind, SpanStatus};

/// A span with nothing special about it.
pub fn plain_span() -> Span {
    Span {
        trace_id: TraceId([1; 16]),
        span_id: SpanId([1; 8]),
        parent: None,
        name: "GET /".into(),
        kind: SpanKind::Server,
        service: "vitrine".into(),
        start: UnixNanos(1_700_000_000_000_000_000),
        duration: Duration::from_millis(3),
        status: SpanStatus::Unset,
        status_message: String::new(),
        attributes: Vec::new(),
        events: Vec::new(),
    }
}

pub fn any_status() -> impl Strategy<Value = SpanStatus> {
    (0..3).prop_map(SpanStatus::from_number)
}

// Few different ids, so that traces have several spans and parents are often inside.
fn any_span_id() -> impl Strategy<Value = SpanId> {
    prop_oneof![(0_u64..6).prop_map(|id| SpanId(id.to_be_bytes())), any::<[u8; 8]>().prop_map(SpanId)]
}

fn any_time() -> impl Strategy<Value = UnixNanos> {
    let coarse = (-3_i64..3).prop_map(|ms| ms * 1_000_000);
    prop_oneof![any::<i64>(), -3_i64..3, coarse].prop_map(UnixNanos)
}

fn any_duration() -> impl Strategy<Value = Duration> {
    let whole = any::<u64>().prop_map(Duration::from_secs);
    let huge = any::<u64>().prop_map(|secs| Duration::new(secs, 999_999_999));
    prop_oneof![(0_u64..3_000).prop_map(Duration::from_millis), whole, huge]
}

fn any_attributes() -> impl Strategy<Value = Attributes> {
    prop::collection::vec(("[a-c]{0,2}".prop_map(Cow::Owned), ".{0,9}"), 0..4)
}

fn any_event() -> impl Strategy<Value = SpanEvent> {
    (any_time(), ".{0,9}", any_attributes()).prop_map(|(at, name, attributes)| SpanEvent {
        at,
        name,
        attributes,
    })
}

pub fn any_span() -> impl Strategy<Value = Span> {
    let ids = (0_u8..3, any_span_id(), prop::option::of(any_span_id()));
    let times = (any_time(), any_duration());
    let texts = ("[a-c]{0,2}", "[a-c]{0,1}", ".{0,9}");
    let rest = (0..6, any_status(), any_attributes(), prop::collection::vec(any_event(), 0..4));
    (ids, times, texts, rest).prop_map(
        |((trace, span_id, parent), (start, duration), (name, service, message), rest)| {
            let (kind, status, attributes, events) = rest;
            Span {
                trace_id: TraceId([trace; 16]),
                span_id,
                parent,
                name: name.into(),
                kind: SpanKind::from_number(kind),
                service: service.into(),
                start,
                duration,
                status,
                status_message: message,
                attributes,
                events,
            }
        },
    )
}

/// Up to `n_max` arbitrary spans.
pub fn any_spans(n_max: usize) -> impl Strategy<Value = Vec<NumberedSpan>> {
    let any_numbered = (any::<u64>(), any_span()).prop_map(|(no, span)| NumberedSpan { no, span });
    prop::collection::vec(any_numbered, 0..=n_max)
}

/// A block of traces as a small web server has them: each a server span of eight attributes
/// with two children, which end and so arrive before it. One in twenty failed.
pub fn http_traces(block_bytes: usize) -> Vec<NumberedSpan> {
    let mut random = StdRng::seed_from_u64(27);
    let mut start = UnixNanos(1_760_000_000_123_456_789);
    let mut res: Vec<NumberedSpan> = Vec::new();
    let mut n_bytes = 0;
    while n_bytes < block_bytes {
        start.0 += random.random_range(1_000_000..2_000_000_000);
        for span in http_trace(&mut random, start) {
            let numbered = NumberedSpan { no: 1_000 + res.len() as u64, span };
            n_bytes += numbered.size_bytes();
            res.push(numbered);
        }
    }
    res
}

const ROUTES: [&str; 6] = ["/", "/{lang}/", "/resume.json", "/cv.txt", "/static/{file}", "/p/{token}"];

const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
    "curl/8.14.1",
];

fn http_trace(random: &mut StdRng, start: UnixNanos) -> [Span; 3] {
    let is_failed = random.random_bool(0.05);
    let route = ROUTES[random.random_range(0..ROUTES.len())];
    let path = route
        .replace("{lang}", ["de", "en", "fr"][random.random_range(0..3)])
        .replace("{file}", &format!("{:08x}.webp", random.random::<u32>() & 0xfff))
        .replace("{token}", &format!("{:016x}", random.random::<u64>()));
    let duration = Duration::from_nanos(random.random_range(300_000..40_000_000));
    let text = |text: &str| text.to_string();
    let client = format!("203.0.{}.{}", random.random_range(0..8_u8), random.random::<u8>());
    let server = Span {
        trace_id: TraceId(random.random()),
        span_id: SpanId(random.random()),
        name: format!("GET {route}").into(),
        start,
        duration,
        status: if is_failed { SpanStatus::Error } else { SpanStatus::Unset },
        attributes: vec![
            ("http.request.method".into(), text("GET")),
            ("url.path".into(), path),
            ("url.scheme".into(), text("https")),
            ("http.route".into(), text(route)),
            ("http.response.status_code".into(), text(if is_failed { "500" } else { "200" })),
            ("client.address".into(), client),
            ("user_agent.original".into(), text(AGENTS[random.random_range(0..AGENTS.len())])),
            ("vitrine.worker.id".into(), random.random_range(0..4_u8).to_string()),
        ],
        ..plain_span()
    };
    let child = |random: &mut StdRng, name: &'static str, kind, from: u32, to: u32| Span {
        span_id: SpanId(random.random()),
        parent: Some(server.span_id),
        name: name.into(),
        kind,
        start: UnixNanos(start.0 + i64::from(duration.subsec_nanos() / 100 * from)),
        duration: duration * (to - from) / 100,
        attributes: Vec::new(),
        ..server.clone()
    };
    let mut query = child(random, "SELECT visits", SpanKind::Client, 10, 60);
    query.status = SpanStatus::Unset;
    query.attributes = vec![
        ("db.system.name".into(), text("sqlite")),
        ("db.query.text".into(), text("SELECT day, count(*) FROM visits WHERE path = ? GROUP BY day")),
        ("db.response.returned_rows".into(), random.random_range(0..400_u16).to_string()),
    ];
    let mut render = child(random, "render", SpanKind::Internal, 62, 95);
    if is_failed {
        render.status_message = text("template: field `until` is missing");
        render.events = vec![SpanEvent {
            at: UnixNanos(render.start.0 + 50_000),
            name: text("exception"),
            attributes: vec![
                ("exception.type".into(), text("RenderError")),
                ("exception.message".into(), render.status_message.clone()),
            ],
        }];
    }
    [query, render, server]
}
