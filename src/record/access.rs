//! The access record: what is kept of one request.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use super::labels::Labels;
use super::log::{LogRecord, Severity};
use super::trace::TraceContext;
use super::view::View;
use crate::clock::UnixNanos;

/// The stream label value of access records.
pub const JOB_ACCESS: &str = "access";

/// The stream label value of the program's own log lines.
pub const JOB_APP: &str = "app";

/// The stream label value of what was done through `/admin`.
pub const JOB_AUDIT: &str = "audit";

/// The `tracing` target of what is a record of [`JOB_AUDIT`] already: it is printed, and not
/// captured again.
pub const AUDIT_TARGET: &str = "vitrine::audit";

/// One finished request; compact, so that a ring of them is small.
#[derive(Clone, Debug)]
pub struct AccessRecord {
    /// When the request arrived.
    pub at: UnixNanos,
    /// From arrival to the last byte handed to the connection, or to its loss.
    pub duration: Duration,
    /// The moments in between, for the spans.
    pub stages: Stages,
    /// The ids of the request.
    pub trace: TraceContext,
    /// The method as known, `_OTHER` for an unknown one (OTel HTTP conventions).
    pub method: &'static str,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The route's template, never the raw path; `""` when nothing matched.
    pub route: &'static str,
    /// The raw path without its query, at most [`PATH_MAX_BYTES`].
    pub path: Cow<'static, str>,
    /// The status sent; 499 when the client left before there was one.
    pub status: u16,
    /// Bytes of body handed to the connection.
    pub body_bytes: u64,
    /// The worker that answered; none for what does not pass the balancer.
    pub worker_id: Option<u32>,
    /// The client's address, only when a setting asks for it.
    pub client: Option<IpAddr>,
    /// The client's `User-Agent`, at most [`USER_AGENT_MAX_BYTES`].
    pub user_agent: Option<Box<str>>,
    /// What a visitor looked at, when the request was for that and it was shown.
    pub view: Option<View>,
}

/// Moments of a request since its arrival, in their order; none where it did not get there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stages {
    /// A worker began with it.
    pub begun: Option<Duration>,
    /// The worker had the answer.
    pub worked: Option<Duration>,
    /// The answer's head was ready, and its body began.
    pub head: Option<Duration>,
}

/// A longer path is cut: a visitor cannot fill the store with one request.
pub const PATH_MAX_BYTES: usize = 512;

/// A longer agent string is cut; real ones are below 300 bytes.
pub const USER_AGENT_MAX_BYTES: usize = 256;

/// Fields of a line, and those that a view adds.
const FIELDS_MAX: usize = 11;
const VIEW_FIELDS_MAX: usize = 9;

impl AccessRecord {
    /// Returns how much the answer matters.
    pub fn severity(&self) -> Severity {
        severity_of_status(self.status)
    }

    /// Converts to a log line; off the request path, it formats and allocates. What a visitor
    /// looked at is not in it yet: `visitors` says who that was.
    pub fn to_log_record(&self) -> LogRecord {
        let severity = self.severity();
        let duration_ms = self.duration.as_secs_f64() * 1e3;
        // Room for what a visitor adds: it would be moved otherwise.
        let n_fields = if self.view.is_some() { FIELDS_MAX + VIEW_FIELDS_MAX } else { FIELDS_MAX };
        let mut metadata: Vec<(Cow<'static, str>, String)> = Vec::with_capacity(n_fields);
        metadata.extend([
            ("http_request_method".into(), self.method.to_string()),
            ("url_path".into(), self.path.to_string()),
            ("http_response_status_code".into(), self.status.to_string()),
            ("http_response_body_size".into(), self.body_bytes.to_string()),
            ("duration_ms".into(), format!("{duration_ms:.3}")),
            ("trace_id".into(), self.trace.trace_id.to_string()),
            ("span_id".into(), self.trace.span_id.to_string()),
        ]);
        let mut add = |name: &'static str, value: Option<String>| {
            metadata.extend(value.map(|value| (Cow::Borrowed(name), value)));
        };
        add("http_route", (!self.route.is_empty()).then(|| self.route.to_string()));
        add("worker_id", self.worker_id.map(|id| id.to_string()));
        add("client_address", self.client.map(|address| address.to_string()));
        add("user_agent_original", self.user_agent.as_deref().map(str::to_string));
        LogRecord {
            at: self.at,
            severity,
            stream: own_stream(JOB_ACCESS, severity),
            metadata,
            body: format!("{} {} {} {duration_ms:.1}ms", self.method, self.path, self.status),
        }
    }
}

/// Returns error for 5xx, warn for 4xx but 404 and 499, which visitors cause all day.
pub fn severity_of_status(status: u16) -> Severity {
    match status {
        500.. => Severity::Error,
        404 | 499 => Severity::Info,
        400.. => Severity::Warn,
        _ => Severity::Info,
    }
}

/// Returns the method's name, `_OTHER` for one that the OTel HTTP conventions do not know:
/// a visitor must not be able to make label values.
pub fn known_method(method: &str) -> &'static str {
    match method {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "PATCH" => "PATCH",
        "CONNECT" => "CONNECT",
        "TRACE" => "TRACE",
        _ => "_OTHER",
    }
}

/// Returns the stream of one of the program's own log lines.
pub fn own_stream(job: &'static str, severity: Severity) -> Labels {
    Labels::new([("service_name", "vitrine"), ("job", job), ("level", severity.as_str())])
}

/// Returns `text` cut to at most `max_bytes`, on a character boundary.
pub fn cut(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}

#[cfg(test)]
impl AccessRecord {
    /// Returns a request of the front page that went well, for tests that are about something
    /// else of it.
    pub(crate) fn specimen(at: UnixNanos) -> Self {
        AccessRecord {
            at,
            duration: Duration::from_millis(1),
            stages: Stages::default(),
            trace: TraceContext::root(),
            method: "GET",
            scheme: "http",
            route: "/",
            path: "/".into(),
            status: 200,
            body_bytes: 12,
            worker_id: None,
            client: None,
            user_agent: None,
            view: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_record_becomes_a_line_with_ids() {
        let record = AccessRecord {
            duration: Duration::from_micros(1_500),
            worker_id: Some(2),
            ..AccessRecord::specimen(UnixNanos(1))
        };
        let line = record.to_log_record();
        assert_eq!(line.body, "GET / 200 1.5ms");
        assert_eq!(line.stream.to_string(), r#"{job="access",level="info",service_name="vitrine"}"#);
        assert_eq!(line.metadata("trace_id"), record.trace.trace_id.to_string());
        assert_eq!(line.metadata("worker_id"), "2");
        assert_eq!(line.metadata("client_address"), "");
    }

    #[test]
    fn cut_keeps_characters_whole() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
    }
}
