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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(pub [u8; 16]);

/// 8 random bytes, never all zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(pub [u8; 8]);

impl TraceId {
    /// Reads 32 hexadecimal digits of either case, as OTLP's JSON form has them; none when
    /// it is anything else or all zero.
    pub fn parse_hex(text: &str) -> Option<Self> {
        hex_number(text, 32).filter(|id| *id != 0).map(|id| TraceId(id.to_be_bytes()))
    }
}

impl SpanId {
    /// Draws a new one.
    pub fn random() -> Self {
        span_id(rand::random())
    }

    /// Reads 16 hexadecimal digits of either case, as OTLP's JSON form has them; none when
    /// it is anything else or all zero.
    pub fn parse_hex(text: &str) -> Option<Self> {
        let id = hex_number(text, 16).and_then(|id| u64::try_from(id).ok());
        id.filter(|id| *id != 0).map(|id| SpanId(id.to_be_bytes()))
    }
}

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
    /// Whether the trace is recorded: as the caller wished, until a sampler has decided.
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
                TraceContext { trace_id, span_id: SpanId::random(), parent: Some(parent), sampled }
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
    // Other forms of an id may be in upper case, this header's may not.
    if [version, trace, parent, flags].iter().any(|part| part.bytes().any(|byte| byte.is_ascii_uppercase())) {
        return None;
    }
    let version = hex_byte(version)?;
    if version == 0xff || (version == 0 && rest.is_some()) {
        return None;
    }
    let (trace_id, parent) = (TraceId::parse_hex(trace)?, SpanId::parse_hex(parent)?);
    let sampled = hex_byte(flags)? & 1 == 1;
    Some((trace_id, parent, sampled))
}

fn hex_byte(text: &str) -> Option<u8> {
    hex_number(text, 2).and_then(|byte| u8::try_from(byte).ok())
}

fn hex_number(text: &str, n_digits: usize) -> Option<u128> {
    // `from_str_radix` alone would take a sign for a digit.
    if text.len() != n_digits || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
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
        let text = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-More";
        assert!(TraceContext::from_traceparent(Some(text)).parent.is_some());
    }

    #[test]
    fn ids_are_read_as_they_are_written() {
        let context = TraceContext::root();
        let (trace, span) = (context.trace_id.to_string(), context.span_id.to_string());
        assert_eq!(TraceId::parse_hex(&trace), Some(context.trace_id));
        assert_eq!(TraceId::parse_hex(&trace.to_uppercase()), Some(context.trace_id));
        assert_eq!(SpanId::parse_hex(&span), Some(context.span_id));
        assert_eq!(
            SpanId::parse_hex("00f067aa0ba902b7"),
            Some(SpanId(0x00f0_67aa_0ba9_02b7_u64.to_be_bytes()))
        );
    }

    #[test]
    fn text_that_is_no_valid_id_is_none() {
        for text in ["", "0", " 4bf92f3577b34da6a3ce929d0e0e473", "+bf92f3577b34da6a3ce929d0e0e4736"] {
            assert_eq!(TraceId::parse_hex(text), None, "{text:?}");
        }
        assert_eq!(TraceId::parse_hex(&"0".repeat(32)), None);
        assert_eq!(TraceId::parse_hex(&"é".repeat(16)), None);
        for text in ["", "+0f067aa0ba902b7", "00f067aa0ba902b", "00f067aa0ba902b7f", "00f067aa0ba902bg"] {
            assert_eq!(SpanId::parse_hex(text), None, "{text:?}");
        }
        assert_eq!(SpanId::parse_hex(&"0".repeat(16)), None);
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
