//! Trace ids: W3C Trace Context, and which trace the running code belongs to.
//!
//! Ids are always drawn, sampled or not, so that a log line can be found by its trace
//! even where no span was kept. The current context is a thread-local that is set
//! around each poll of a future ([`TraceContext::scope`]); code below never has to
//! carry it in its arguments.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::task::Poll;

/// 16 random bytes, never all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub [u8; 16]);

/// 8 random bytes, never all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(pub [u8; 8]);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The ids of one request or operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace, taken over from the caller when it sent one.
    pub trace_id: TraceId,
    /// This request's own span.
    pub span_id: SpanId,
    /// The caller's span, when there is one.
    pub parent: Option<SpanId>,
    /// Whether the caller asked for the trace to be recorded.
    pub sampled: bool,
}

thread_local! {
    static CURRENT: Cell<Option<TraceContext>> = const { Cell::new(None) };
}

impl TraceContext {
    /// Starts a new trace.
    pub fn root() -> Self {
        let (high, low, span) = (rand::random(), rand::random(), rand::random());
        TraceContext { trace_id: trace_id(high, low), span_id: span_id(span), parent: None, sampled: false }
    }

    /// Continues the caller's trace when `traceparent` is valid, else starts one.
    ///
    /// The form is `version-traceid-parentid-flags` in lower-case hexadecimal. A higher
    /// version is read by the same rule, version `ff` and all-zero ids are invalid
    /// (W3C Trace Context, level 1, section 3.2).
    pub fn from_traceparent(traceparent: Option<&str>) -> Self {
        match traceparent.and_then(parse_traceparent) {
            Some((trace_id, parent, sampled)) => {
                TraceContext { trace_id, span_id: span_id(rand::random()), parent: Some(parent), sampled }
            }
            None => TraceContext::root(),
        }
    }

    /// Returns the context that the running code was entered with.
    pub fn current() -> Option<TraceContext> {
        CURRENT.get()
    }

    /// Runs a future with this context current during each of its polls.
    pub async fn scope<F: Future>(self, future: F) -> F::Output {
        let mut future = pin!(future);
        std::future::poll_fn(move |cx| -> Poll<F::Output> {
            let _entered = self.enter();
            future.as_mut().poll(cx)
        })
        .await
    }

    /// Makes this context current until the guard is dropped, on this thread.
    pub fn enter(self) -> Entered {
        Entered { before: CURRENT.replace(Some(self)) }
    }
}

/// Restores the context that was current before, also when a panic unwinds past it.
#[must_use = "the context is current only while this is held"]
pub struct Entered {
    before: Option<TraceContext>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.before);
    }
}

// Zero is "invalid" in W3C Trace Context; the one draw in 2^64 becomes a one.
fn trace_id(high: u64, low: u64) -> TraceId {
    TraceId((u128::from(high) << 64 | u128::from(low.max(1))).to_be_bytes())
}

fn span_id(id: u64) -> SpanId {
    SpanId(id.max(1).to_be_bytes())
}

fn parse_traceparent(text: &str) -> Option<(TraceId, SpanId, bool)> {
    let text = text.trim();
    let mut parts = text.splitn(5, '-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let rest = parts.next();
    let version = hex_byte(version)?;
    if version == 0xff || (version == 0 && rest.is_some()) {
        return None;
    }
    let trace = hex_u128(trace, 32).filter(|id| *id != 0)?;
    let parent = hex_u128(parent, 16).filter(|id| *id != 0)?;
    let parent = u64::try_from(parent).ok()?;
    let sampled = hex_byte(flags)? & 1 == 1;
    Some((TraceId(trace.to_be_bytes()), SpanId(parent.to_be_bytes()), sampled))
}

fn hex_byte(text: &str) -> Option<u8> {
    hex_u128(text, 2).and_then(|byte| u8::try_from(byte).ok())
}

fn hex_u128(text: &str, digits: usize) -> Option<u128> {
    let is_lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != digits || !text.bytes().all(is_lower_hex) {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn valid_traceparent_is_continued() {
        let context = TraceContext::from_traceparent(Some(VALID));
        assert_eq!(context.trace_id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.parent.map(|id| id.to_string()).as_deref(), Some("00f067aa0ba902b7"));
        assert!(context.sampled);
        assert_ne!(context.span_id.to_string(), "00f067aa0ba902b7");
    }

    #[test]
    fn invalid_traceparent_starts_a_new_trace() {
        for text in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ] {
            assert_eq!(TraceContext::from_traceparent(Some(text)).parent, None, "{text:?}");
        }
    }

    #[test]
    fn a_higher_version_may_carry_more() {
        let text = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more";
        assert!(TraceContext::from_traceparent(Some(text)).parent.is_some());
    }

    #[test]
    fn entered_context_ends_with_its_guard() {
        let context = TraceContext::root();
        {
            let _entered = context.enter();
            assert_eq!(TraceContext::current(), Some(context));
        }
        assert_eq!(TraceContext::current(), None);
    }
}
