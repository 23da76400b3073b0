//! Carries one request body to the far end, with retries.
//!
//! It blocks the export thread that calls it and nobody else. What may be tried again,
//! and when, follows the OTLP specification: 429, 502, 503, 504 and a broken connection,
//! after `Retry-After` or a growing pause with jitter.

use std::borrow::Cow;
use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::{Request, header};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Response};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use prost::Message;
use url::{Host, Url};

use super::control::{Control, Phase};
use super::health::{CAUSE_BYTES_MAX, Health};
use super::tls::{self, CertificateError};
use crate::clock::{Clock, UnixNanos};
use crate::record::access::cut;
use crate::record::span::Attributes;
use crate::record::trace::TraceContext;
use crate::record::{Span, SpanEvent, SpanKind, SpanStatus, names};
use crate::telemetry::config::{Compression, Signal, Target};
use crate::telemetry::spans::Recorder;

/// The first pause; doubled up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(500);

/// A far end that is back is noticed within half a minute.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// A far end may ask for a pause this long and no longer.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// Room for a partial success with its message; more is not read.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// Failed attempts that one span tells of; within the patience there are hardly more.
const EVENTS_MAX: usize = 16;

/// Why a body did not arrive; [`Health`] knows the details.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotDelivered {
    #[error("refused for good")]
    Refused,
    #[error("no success in the time given")]
    TimedOut,
    #[error("other settings took over")]
    Retired,
}

impl NotDelivered {
    /// Returns the value of `error.type`.
    fn kind(&self) -> &'static str {
        match self {
            NotDelivered::Refused => "refused",
            NotDelivered::TimedOut => "timeout",
            NotDelivered::Retired => "cancelled",
        }
    }
}

/// Why one attempt failed.
enum Failure {
    Passing { cause: String, retry_after: Option<Duration> },
    Lasting { cause: String },
}

/// A body as it travels.
pub(super) struct Payload<'b> {
    body: Cow<'b, [u8]>,
    encoding: Option<&'static str>,
}

/// What a courier is made of.
pub(super) struct Order {
    pub(super) signal: Signal,
    pub(super) target: Target,
    /// How long one body may be tried.
    pub(super) patience: Duration,
    pub(super) control: Arc<Control>,
    pub(super) health: Arc<Health>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) clock: Clock,
}

/// Sends to one target.
pub(super) struct Courier {
    signal: Signal,
    target: Target,
    agent: ureq::Agent,
    control: Arc<Control>,
    health: Arc<Health>,
    recorder: Arc<Recorder>,
    clock: Clock,
    patience: Duration,
    /// The far end asked not to be asked before; held to look and to set.
    not_before: Mutex<Option<Instant>>,
}

impl Courier {
    /// Makes the client, which reads the certificates.
    pub(super) fn new(order: Order) -> Result<Self, CertificateError> {
        let Order { signal, target, patience, control, health, recorder, clock } = order;
        let mut config = ureq::Agent::config_builder();
        // A proxy from the environment is for the world outside, not for this machine.
        if is_loopback(&target.url) {
            config = config.proxy(None);
        }
        let config = config
            // The status decides about a retry, so it must not become an error of the client.
            .http_status_as_error(false)
            // A redirect of a POST with credentials is a wrong setting, not something to follow.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(1)
            .tls_config(tls::config(&target.certificates)?)
            .user_agent(concat!("vitrine/", env!("CARGO_PKG_VERSION")))
            .build();
        let agent = ureq::Agent::new_with_config(config);
        let not_before = Mutex::new(None);
        Ok(Courier { signal, target, agent, control, health, recorder, clock, patience, not_before })
    }

    /// Compresses a body as the target asks.
    pub(super) fn payload<'b>(&self, body: &'b [u8]) -> Payload<'b> {
        match self.target.compression {
            Compression::None => Payload { body: body.into(), encoding: None },
            Compression::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(body).expect("writing to memory cannot fail");
                let body = encoder.finish().expect("writing to memory cannot fail");
                Payload { body: body.into(), encoding: Some("gzip") }
            }
        }
    }

    /// Delivers a payload, or says why it will not arrive. Returns at the first command.
    ///
    /// The lines that it logs and the span that it may leave share a trace.
    pub(super) fn deliver(&self, payload: &Payload<'_>) -> Result<(), NotDelivered> {
        let (context, begun, start) = (self.recorder.begin(), Instant::now(), self.clock.now());
        let mut events = Vec::new();
        let outcome = {
            let _entered = context.enter();
            self.try_until_over(payload, &mut events)
        };
        let took = begun.elapsed();
        let has_failed = !events.is_empty() || outcome.is_err();
        let span = || self.span(&context, (start, took), &outcome, events);
        self.recorder.exported(&context, span, took, has_failed);
        outcome
    }

    /// By the HTTP conventions for client spans (OpenTelemetry, "HTTP spans", stable).
    fn span(
        &self,
        context: &TraceContext,
        (start, duration): (UnixNanos, Duration),
        outcome: &Result<(), NotDelivered>,
        events: Vec<SpanEvent>,
    ) -> Span {
        let n_resends = events.len() - usize::from(outcome.is_err()).min(events.len());
        Span {
            trace_id: context.trace_id,
            span_id: context.span_id,
            parent: None,
            name: format!("export {}", self.signal).into(),
            kind: SpanKind::Client,
            service: names::SERVICE_NAME.into(),
            start,
            duration,
            status: if outcome.is_err() { SpanStatus::Error } else { SpanStatus::Unset },
            status_message: outcome.as_ref().err().map(ToString::to_string).unwrap_or_default(),
            attributes: self.attributes(n_resends, outcome),
            events,
        }
    }

    fn attributes(&self, n_resends: usize, outcome: &Result<(), NotDelivered>) -> Attributes {
        let url = Url::parse(&self.target.url).ok();
        let host = url.as_ref().and_then(|url| url.host_str());
        let port = url.as_ref().and_then(Url::port_or_known_default);
        let all = [
            ("http.request.method", Some("POST".to_string())),
            ("url.full", Some(self.target.display_url().to_string())),
            ("http.request.resend_count", Some(n_resends.to_string())),
            ("server.address", host.map(str::to_string)),
            ("server.port", port.map(|port| port.to_string())),
            ("error.type", outcome.as_ref().err().map(|err| err.kind().to_string())),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name.into(), value?))).collect()
    }

    fn try_until_over(&self, payload: &Payload<'_>, events: &mut Vec<SpanEvent>) -> Result<(), NotDelivered> {
        let give_up_at = Instant::now() + self.patience;
        let mut pause = PAUSE_MIN;
        loop {
            let timeout = self.wait_for_turn(give_up_at)?;
            let cause = match self.attempt(payload, timeout) {
                Ok(rejected) => {
                    self.health.arrived(self.target.display_url(), rejected);
                    return Ok(());
                }
                Err(Failure::Lasting { cause }) => {
                    self.note_failure(&cause, events);
                    return Err(NotDelivered::Refused);
                }
                Err(Failure::Passing { cause, retry_after }) => {
                    let wait = retry_after.map_or_else(
                        || jittered(pause),
                        |wait| wait.clamp(jittered(PAUSE_MIN), RETRY_AFTER_MAX),
                    );
                    self.hold_back(wait);
                    cause
                }
            };
            self.note_failure(&cause, events);
            if matches!(self.control.phase(), Phase::Flushing(_)) {
                return Err(NotDelivered::TimedOut);
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    fn note_failure(&self, cause: &str, events: &mut Vec<SpanEvent>) {
        self.health.failed(self.target.display_url(), cause);
        if events.len() < EVENTS_MAX {
            let cause = cut(cause, CAUSE_BYTES_MAX).to_string();
            let attributes = vec![("exception.message".into(), cause)];
            events.push(SpanEvent { at: self.clock.now(), name: "attempt failed".into(), attributes });
        }
    }

    /// Waits until the far end may be asked; returns how long the attempt may take.
    fn wait_for_turn(&self, give_up_at: Instant) -> Result<Duration, NotDelivered> {
        let not_before = *self.not_before.lock().expect("no panic while the time is held");
        if let Some(not_before) = not_before {
            if not_before > give_up_at && self.control.phase() == Phase::Running {
                return Err(NotDelivered::TimedOut);
            }
            self.control.pause(not_before.saturating_duration_since(Instant::now()));
        }
        match self.control.phase() {
            Phase::Running => Ok(self.target.timeout),
            Phase::Retired => Err(NotDelivered::Retired),
            Phase::Flushing(until) => match until.saturating_duration_since(Instant::now()) {
                Duration::ZERO => Err(NotDelivered::TimedOut),
                left => Ok(left.min(self.target.timeout)),
            },
        }
    }

    fn hold_back(&self, wait: Duration) {
        *self.not_before.lock().expect("no panic while the time is held") = Some(Instant::now() + wait);
    }

    /// Sends once; what arrived may still have been refused in part.
    fn attempt(&self, payload: &Payload<'_>, timeout: Duration) -> Result<Option<(u64, String)>, Failure> {
        let mut request =
            Request::post(&self.target.url).header(header::CONTENT_TYPE, "application/x-protobuf");
        if let Some(encoding) = payload.encoding {
            request = request.header(header::CONTENT_ENCODING, encoding);
        }
        for (name, value) in &self.target.headers.0 {
            request = request.header(name, value);
        }
        let request =
            request.body(payload.body.as_ref()).map_err(|err| Failure::Lasting { cause: err.to_string() })?;
        let request = self.agent.configure_request(request).timeout_global(Some(timeout)).build();
        let passing = |err: ureq::Error| Failure::Passing { cause: err.to_string(), retry_after: None };
        let mut response = self.agent.run(request).map_err(passing)?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|text| self.retry_after(text));
        let answer = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        match status {
            200..300 => Ok(answer.ok().and_then(|answer| rejected(&answer))),
            429 | 502 | 503 | 504 => Err(Failure::Passing { cause: format!("status {status}"), retry_after }),
            _ => {
                let answer = answer.unwrap_or_default();
                let text = String::from_utf8_lossy(&answer);
                Err(Failure::Lasting { cause: format!("status {status}: {}", text.trim().escape_debug()) })
            }
        }
    }

    /// Reads `Retry-After`: seconds, or an HTTP date.
    fn retry_after(&self, text: &str) -> Option<Duration> {
        if let Ok(seconds) = text.trim().parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date: SystemTime = httpdate::parse_http_date(text).ok()?;
        let now = Duration::from_nanos(u64::try_from(self.clock.now().0).ok()?);
        Some(date.duration_since(UNIX_EPOCH).ok()?.saturating_sub(now))
    }
}

/// Reads a partial success; the answers to metrics and logs have one shape on the wire.
fn rejected(answer: &[u8]) -> Option<(u64, String)> {
    let partial = ExportLogsServiceResponse::decode(answer).ok()?.partial_success?;
    let n_rejected = u64::try_from(partial.rejected_log_records).unwrap_or(0);
    (n_rejected > 0).then_some((n_rejected, partial.error_message))
}

fn is_loopback(url: &str) -> bool {
    match Url::parse(url).ok().as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Half to all of a pause, so that many programs do not come back at one moment.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + 0.5 * rand::random::<f64>())
}

impl fmt::Debug for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Courier").field("url", &self.target.display_url()).finish_non_exhaustive()
    }
}

/// Lets the SDK's metric exporter send through a courier, which sets the address and the
/// headers itself: the SDK would also read them from the process environment.
#[derive(Debug)]
pub(super) struct SdkClient(pub(super) Arc<Courier>);

#[async_trait::async_trait]
impl HttpClient for SdkClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // Compressed by the exporter already, when it is.
        let encoding = request.headers().contains_key(header::CONTENT_ENCODING).then_some("gzip");
        self.0.deliver(&Payload { body: request.body().as_ref().into(), encoding })?;
        // Empty: the courier has read the answer, and the SDK would log what it refuses.
        Ok(Response::new(Bytes::new()))
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsPartialSuccess;

    use super::*;
    use crate::record::ring::ring;
    use crate::telemetry::config::{Certificates, Headers, TIMEOUT, Traces};

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let clock = Clock::manual(UnixNanos(784_111_777_000_000_000));
        let target = Target {
            url: "http://localhost:1".into(),
            headers: Headers::default(),
            timeout: TIMEOUT,
            compression: Compression::None,
            certificates: Certificates::default(),
        };
        let health = Arc::new(Health::new(Signal::Logs, clock.clone()));
        let courier = Courier::new(Order {
            signal: Signal::Logs,
            target,
            patience: TIMEOUT,
            control: Arc::new(Control::new()),
            health,
            recorder: Arc::new(Recorder::new(ring(1).0, &Traces::default())),
            clock,
        })
        .unwrap();
        let check = |text, expect: Option<u64>| {
            assert_eq!(courier.retry_after(text), expect.map(Duration::from_secs), "{text}");
        };
        check("7", Some(7));
        check("Sun, 06 Nov 1994 08:49:47 GMT", Some(10));
        check("Sun, 06 Nov 1994 08:49:27 GMT", Some(0));
        check("soon", None);
        check("-1", None);
    }

    #[test]
    fn only_a_partial_success_rejects_anything() {
        let answer = |n_rejected| {
            let partial = ExportLogsPartialSuccess {
                rejected_log_records: n_rejected,
                error_message: "too old".into(),
            };
            ExportLogsServiceResponse { partial_success: Some(partial) }.encode_to_vec()
        };
        assert_eq!(rejected(&answer(2)), Some((2, "too old".into())));
        assert_eq!(rejected(&answer(0)), None);
        assert_eq!(rejected(b""), None);
        assert_eq!(rejected(b"<html>"), None);
    }

    #[test]
    fn pauses_are_jittered_downwards() {
        for _ in 0..100 {
            let pause = jittered(PAUSE_MAX);
            assert!(pause >= PAUSE_MAX / 2 && pause <= PAUSE_MAX);
        }
    }

    #[test]
    fn loopback_is_told_from_the_world() {
        for url in ["http://localhost:4318", "http://127.0.0.2/", "http://[::1]:4318"] {
            assert!(is_loopback(url), "{url}");
        }
        assert!(!is_loopback("http://localhost.example.org"));
    }
}
