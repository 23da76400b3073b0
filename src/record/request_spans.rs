//! The spans of one request, made of its access record when it is over.
//!
//! Nothing is made while a visitor waits: the record has the few moments that a span tree
//! needs. A sampled request becomes a server span with a span for each stage; one that was
//! not sampled but was slow or failed becomes the server span alone, with the stages as
//! attributes; any other becomes nothing.

use std::time::Duration;

use super::access::{AccessRecord, Stages};
use super::names::SERVICE_NAME;
use super::span::{Attributes, Span, SpanKind, SpanStatus};
use super::trace::SpanId;

/// The stages in their order, by the names of their spans.
const BALANCER: &str = "balancer";
const WORKER: &str = "worker";
const RESPOND: &str = "respond";
const SEND: &str = "send";

impl AccessRecord {
    /// Returns the spans to keep of this request; the first one is the request itself.
    ///
    /// `slow` is the time after which a request is slow by our own doing: until its answer
    /// began, since a visitor on a thin line, or one who watches a live page, takes as long
    /// as they take.
    pub fn to_spans(&self, slow: Duration) -> Vec<Span> {
        if !self.leaves_spans(slow) {
            return Vec::new();
        }
        let stages = stages(&self.stages, self.duration);
        let mut request = self.request_span(self.is_failed());
        if self.trace.sampled {
            let children = stages.into_iter().map(|(name, from, to)| self.stage_span(name, from, to));
            return std::iter::once(request).chain(children).collect();
        }
        for (name, from, to) in stages {
            let millis = (to - from).as_secs_f64() * 1e3;
            request.attributes.push((format!("vitrine.stage.{name}_ms").into(), format!("{millis:.3}")));
        }
        vec![request]
    }

    /// Returns true for a request that was sampled, slow or failed.
    pub fn leaves_spans(&self, slow: Duration) -> bool {
        self.trace.sampled || self.is_slow_or_failed(slow)
    }

    /// Returns true for a request that was slow or failed.
    pub fn is_slow_or_failed(&self, slow: Duration) -> bool {
        self.is_failed() || self.stages.head.unwrap_or(self.duration) >= slow
    }

    fn is_failed(&self) -> bool {
        self.status >= 500
    }

    /// By the HTTP conventions for server spans (OpenTelemetry, "HTTP spans", stable).
    fn request_span(&self, is_failed: bool) -> Span {
        // The conventions' word for a method that they do not know.
        let method = if self.method == "_OTHER" { "HTTP" } else { self.method };
        let name = match self.route {
            "" => method.into(),
            route => format!("{method} {route}").into(),
        };
        let mut attributes: Attributes = vec![
            ("http.request.method".into(), self.method.into()),
            ("url.path".into(), self.path.to_string()),
            ("url.scheme".into(), self.scheme.into()),
            ("http.response.status_code".into(), self.status.to_string()),
            ("http.response.body.size".into(), self.body_bytes.to_string()),
        ];
        let mut add = |name: &'static str, value: Option<String>| {
            attributes.extend(value.map(|value| (name.into(), value)));
        };
        add("http.route", (!self.route.is_empty()).then(|| self.route.to_string()));
        add("error.type", is_failed.then(|| self.status.to_string()));
        add("worker.id", self.worker_id.map(|id| id.to_string()));
        add("client.address", self.client.map(|address| address.to_string()));
        add("user_agent.original", self.user_agent.as_deref().map(str::to_string));
        Span {
            trace_id: self.trace.trace_id,
            span_id: self.trace.span_id,
            parent: self.trace.parent,
            name,
            kind: SpanKind::Server,
            service: SERVICE_NAME.into(),
            start: self.at,
            duration: self.duration,
            status: if is_failed { SpanStatus::Error } else { SpanStatus::Unset },
            status_message: String::new(),
            attributes,
            events: Vec::new(),
        }
    }

    fn stage_span(&self, name: &'static str, from: Duration, to: Duration) -> Span {
        Span {
            trace_id: self.trace.trace_id,
            span_id: SpanId::random(),
            parent: Some(self.trace.span_id),
            name: name.into(),
            kind: SpanKind::Internal,
            service: SERVICE_NAME.into(),
            start: self.at.plus(from),
            duration: to - from,
            status: SpanStatus::Unset,
            status_message: String::new(),
            attributes: match (name, self.worker_id) {
                (WORKER, Some(id)) => vec![("worker.id".into(), id.to_string())],
                _ => Vec::new(),
            },
            events: Vec::new(),
        }
    }
}

/// Returns the stages that the request went through: name, begin and end since its arrival.
fn stages(known: &Stages, duration: Duration) -> Vec<(&'static str, Duration, Duration)> {
    let mut res = Vec::with_capacity(4);
    let mut at = Duration::ZERO;
    let mut until = |name, end: Option<Duration>| {
        if let Some(end) = end {
            res.push((name, at.min(end), end));
            at = end;
        }
    };
    until(BALANCER, known.begun);
    until(WORKER, known.worked);
    until(RESPOND, known.head);
    until(SEND, known.head.map(|head| head.max(duration)));
    res
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixNanos;

    const SLOW: Duration = Duration::from_millis(250);

    fn record(status: u16, head_ms: u64, duration_ms: u64) -> AccessRecord {
        let millis = Duration::from_millis;
        AccessRecord {
            duration: millis(duration_ms),
            stages: Stages { begun: Some(millis(2)), worked: Some(millis(5)), head: Some(millis(head_ms)) },
            route: "/{lang}/",
            path: "/de/".into(),
            status,
            worker_id: Some(2),
            user_agent: Some("test".into()),
            ..AccessRecord::specimen(UnixNanos(1_000_000_000))
        }
    }

    fn attribute<'s>(span: &'s Span, name: &str) -> &'s str {
        span.attributes.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    #[test]
    fn a_sampled_request_has_a_span_for_each_stage() {
        let mut record = record(200, 6, 10);
        record.trace.sampled = true;
        let spans = record.to_spans(SLOW);
        let shape: Vec<(&str, i64, u128)> = spans
            .iter()
            .map(|span| (span.name.as_ref(), span.start.0 - record.at.0, span.duration.as_millis()))
            .collect();
        let expect = [
            ("GET /{lang}/", 0, 10),
            ("balancer", 0, 2),
            ("worker", 2_000_000, 3),
            ("respond", 5_000_000, 1),
            ("send", 6_000_000, 4),
        ];
        assert_eq!(shape, expect);
        for child in &spans[1..] {
            assert_eq!((child.trace_id, child.parent), (spans[0].trace_id, Some(spans[0].span_id)));
            assert_ne!(child.span_id, spans[0].span_id);
        }
        assert_eq!((spans[0].kind, spans[0].span_id), (SpanKind::Server, record.trace.span_id));
        assert_eq!(attribute(&spans[2], "worker.id"), "2");
    }

    #[test]
    fn one_that_was_not_sampled_has_one_span_when_it_was_slow_or_failed() {
        assert_eq!(record(200, 249, 249).to_spans(SLOW), []);
        assert_eq!(record(404, 1, 1).to_spans(SLOW), []);
        let slow = record(200, 250, 251).to_spans(SLOW);
        assert_eq!((slow.len(), slow[0].status), (1, SpanStatus::Unset));
        assert_eq!(attribute(&slow[0], "vitrine.stage.worker_ms"), "3.000");
        assert_eq!(attribute(&slow[0], "vitrine.stage.respond_ms"), "245.000");
        let failed = record(500, 1, 1).to_spans(SLOW);
        assert_eq!((failed.len(), failed[0].status), (1, SpanStatus::Error));
        assert_eq!(attribute(&failed[0], "error.type"), "500");
    }

    #[test]
    fn a_slow_visitor_makes_no_slow_request_and_one_who_left_does() {
        assert_eq!(record(200, 3, 60_000).to_spans(SLOW), []);
        let mut left = record(499, 0, 300);
        left.stages = Stages::default();
        assert_eq!(left.to_spans(SLOW).len(), 1);
    }

    #[test]
    fn moments_out_of_order_make_no_negative_span() {
        let mut record = record(200, 3, 2);
        record.trace.sampled = true;
        let spans = record.to_spans(SLOW);
        assert!(spans.iter().all(|span| span.duration < Duration::from_secs(1)));
    }
}
