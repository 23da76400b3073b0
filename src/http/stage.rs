//! Stages inside a handler, as spans of its request.

use std::time::Instant;

use crate::clock::Clock;
use crate::record::names::SERVICE_NAME;
use crate::record::ring::Sender;
use crate::record::trace::{SpanId, TraceContext};
use crate::record::{Span, SpanKind, SpanStatus};

/// Stage spans that may wait for the pipeline: a sampled page has two, and few are sampled.
pub const STAGE_SPANS: usize = 256;

/// Notes the stages of one request; on whatever thread they run.
#[derive(Clone)]
pub(super) struct Stages {
    spans: Sender<Span>,
    clock: Clock,
    /// The request, when it is sampled.
    request: Option<TraceContext>,
}

impl Stages {
    /// Prepares for the request that is being answered; of one that is not sampled nothing
    /// is noted, and no clock is read.
    pub(super) fn of_current(spans: &Sender<Span>, clock: &Clock) -> Self {
        let request = TraceContext::current().filter(|context| context.sampled);
        Stages { spans: spans.clone(), clock: clock.clone(), request }
    }

    /// Runs a stage and notes how long it took.
    pub(super) fn run<T>(&self, name: &'static str, work: impl FnOnce() -> T) -> T {
        let Some(request) = self.request else { return work() };
        let (start, begun) = (self.clock.now(), Instant::now());
        let res = work();
        self.spans.send(Span {
            trace_id: request.trace_id,
            span_id: SpanId::random(),
            parent: Some(request.span_id),
            name: name.into(),
            kind: SpanKind::Internal,
            service: SERVICE_NAME.into(),
            start,
            duration: begun.elapsed(),
            status: SpanStatus::Unset,
            status_message: String::new(),
            attributes: Vec::new(),
            events: Vec::new(),
        });
        res
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::ring::ring;

    #[test]
    fn a_stage_is_noted_when_its_request_is_sampled() {
        let (sender, spans) = ring(4);
        let mut context = TraceContext::root();
        for (sampled, n_expected) in [(false, 0), (true, 1)] {
            context.sampled = sampled;
            let _entered = context.enter();
            let stages = Stages::of_current(&sender, &Clock::system());
            assert_eq!(stages.run("query", || 7), 7);
            let spans: Vec<Span> = spans.drain(4).collect();
            assert_eq!(spans.len(), n_expected);
            for span in spans {
                assert_eq!((span.trace_id, span.parent), (context.trace_id, Some(context.span_id)));
                assert_eq!(span.name, "query");
            }
        }
    }
}
