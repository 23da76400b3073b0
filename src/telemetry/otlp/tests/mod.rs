mod sink;

use std::io::Read;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Status};
use prost::Message;
use tracing::Dispatch;

use self::sink::{Sink, response};
use super::contain;
use super::control::Phase;
use super::health::Health;
use crate::clock::{Clock, UnixNanos};
use crate::record::access::{JOB_APP, own_stream};
use crate::record::names;
use crate::record::ring::Receiver;
use crate::record::trace::{SpanId, TraceId};
use crate::record::{Labels, LogRecord, Severity, Span, SpanEvent, SpanKind, SpanStatus};
use crate::telemetry::config::{Compression, Config, Headers, Signal};
use crate::telemetry::{ExportState, Identity, Made, Telemetry};

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN_ID: &str = "00f067aa0ba902b7";
const AT: i64 = 1_700_000_000_000_000_000;
const STOP: Duration = Duration::from_secs(2);

fn start(config: Config) -> (Telemetry, Receiver<LogRecord>, Dispatch) {
    let identity = Identity { instance_id: "i1".into(), version: "1.2.3".into(), release: "r7".into() };
    Telemetry::assemble(config, identity, Clock::manual(UnixNanos(AT))).unwrap()
}

fn only_logs(url: &str) -> Config {
    let mut config = Config::default();
    config.otlp.logs.endpoint = Some(format!("{url}/v1/logs"));
    config
}

fn record(body: &str) -> LogRecord {
    LogRecord {
        at: UnixNanos(AT - 5),
        severity: Severity::Warn,
        stream: own_stream(JOB_APP, Severity::Warn),
        metadata: vec![],
        body: body.into(),
    }
}

fn logs_state(telemetry: &Telemetry) -> ExportState {
    telemetry.export_states().into_iter().find(|state| state.signal == Signal::Logs).unwrap()
}

/// Waits for a condition that another thread brings about.
fn eventually(claim: &str, is_true: impl Fn() -> bool) {
    let give_up_at = Instant::now() + Duration::from_secs(20);
    while !is_true() {
        assert!(Instant::now() < give_up_at, "{claim}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

fn pairs(attributes: &[KeyValue]) -> Vec<(&str, &str)> {
    fn pair(attribute: &KeyValue) -> (&str, &str) {
        match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
            Some(Value::StringValue(text)) => (&attribute.key, text),
            other => panic!("{other:?}"),
        }
    }
    attributes.iter().map(pair).collect()
}

#[test]
fn log_records_arrive_field_by_field() {
    let sink = Sink::accepting();
    let mut config = only_logs(&sink.url());
    config.otlp.resource_attributes = vec![("deployment.environment.name".into(), "test".into())];
    let (telemetry, _records, _dispatch) = start(config);
    let own = LogRecord {
        metadata: vec![
            ("scope_name".into(), "vitrine::cv".into()),
            ("trace_id".into(), TRACE_ID.into()),
            ("span_id".into(), SPAN_ID.into()),
            ("url_path".into(), "/cv".into()),
        ],
        ..record("a bad link")
    };
    let other_level = LogRecord {
        severity: Severity::Error,
        stream: own_stream(JOB_APP, Severity::Error),
        ..record("worse")
    };
    let forwarded = LogRecord {
        severity: Severity::Unspecified,
        stream: Labels::new([("job", "flask.logs"), ("service_name", "flask.logs")]),
        metadata: vec![("trace_id".into(), "no id".into())],
        ..record("test log")
    };
    telemetry.export_logs(&[own, other_level, forwarded]);
    telemetry.shutdown(STOP).unwrap();

    let received = sink.wait_for(1);
    assert_eq!(received[0].path, "/v1/logs");
    assert_eq!(received[0].header("content-type"), "application/x-protobuf");
    let request = ExportLogsServiceRequest::decode(received[0].body.as_slice()).unwrap();
    let [ours, worse, theirs] = request.resource_logs.as_slice() else { panic!("{request:?}") };
    let resource = ours.resource.as_ref().unwrap();
    let expect = [
        ("service.name", "vitrine"),
        ("service.instance.id", "i1"),
        ("service.version", "1.2.3"),
        ("deployment.environment.name", "test"),
        ("job", "app"),
        ("level", "warn"),
    ];
    assert_eq!(pairs(&resource.attributes), expect);
    let [first] = ours.scope_logs.as_slice() else { panic!("{ours:?}") };
    assert_eq!(first.scope.as_ref().unwrap().name, "vitrine::cv");
    let found = &first.log_records[0];
    assert_eq!((found.time_unix_nano, found.observed_time_unix_nano), (AT as u64 - 5, AT as u64));
    assert_eq!((found.severity_number, found.severity_text.as_str()), (13, "warn"));
    assert_eq!(found.body.as_ref().unwrap().value, Some(Value::StringValue("a bad link".into())));
    assert_eq!(pairs(&found.attributes), [("url_path", "/cv")]);
    assert_eq!(
        (hex::encode(&found.trace_id), hex::encode(&found.span_id)),
        (TRACE_ID.into(), SPAN_ID.into())
    );
    // Another level is another stream, and so another resource.
    assert_eq!(pairs(&worse.resource.as_ref().unwrap().attributes).last(), Some(&("level", "error")));
    assert_eq!(worse.scope_logs[0].log_records[0].severity_number, 17);

    let resource = theirs.resource.as_ref().unwrap();
    assert_eq!(pairs(&resource.attributes), [("job", "flask.logs"), ("service.name", "flask.logs")]);
    let found = &theirs.scope_logs[0].log_records[0];
    assert_eq!((found.severity_number, found.trace_id.as_slice()), (0, &[][..]));
}

#[test]
fn metrics_arrive_field_by_field() {
    let sink = Sink::accepting();
    let mut config = Config::default();
    config.otlp.endpoint = Some(sink.url());
    config.otlp.logs.enabled = false;
    let (telemetry, _records, _dispatch) = start(config);
    let duration = names::HTTP_REQUEST_DURATION;
    let histogram = telemetry.meter().f64_histogram(duration.name).with_unit(duration.unit).build();
    histogram.record(0.003, &[opentelemetry::KeyValue::new("http.route", "/")]);
    telemetry.shutdown(STOP).unwrap();

    let received = sink.wait_for(1);
    assert_eq!(received[0].path, "/v1/metrics");
    let request = ExportMetricsServiceRequest::decode(received[0].body.as_slice()).unwrap();
    let [resource_metrics] = request.resource_metrics.as_slice() else { panic!("{request:?}") };
    let mut resource = pairs(&resource_metrics.resource.as_ref().unwrap().attributes);
    resource.sort_unstable();
    let expect = [("service.instance.id", "i1"), ("service.name", "vitrine"), ("service.version", "1.2.3")];
    assert_eq!(resource, expect);
    let metrics = &resource_metrics.scope_metrics[0].metrics;
    let metric = |name: &str| metrics.iter().find(|metric| metric.name == name).expect(name);
    let found = metric(duration.name);
    assert_eq!(found.unit, "s");
    let Some(Data::Histogram(found)) = &found.data else { panic!("{found:?}") };
    assert_eq!(found.aggregation_temporality, 2, "cumulative");
    let point = &found.data_points[0];
    assert_eq!(pairs(&point.attributes), [("http.route", "/")]);
    assert_eq!(point.explicit_bounds, names::HTTP_DURATION_BUCKETS);
    assert_eq!((point.count, point.sum, point.bucket_counts[3]), (1, Some(0.003), 1));
    let Some(Data::Sum(threads)) = &metric("process.thread.count").data else { panic!() };
    assert!(!threads.is_monotonic);
    let Some(number_data_point::Value::AsInt(n_threads)) = threads.data_points[0].value else { panic!() };
    assert!(n_threads >= 1);
    let state = &telemetry.export_states()[0];
    assert_eq!((state.signal, state.is_up, state.succeeded), (Signal::Metrics, Some(true), 1));
}

#[test]
fn headers_and_compression_are_used_for_both_signals() {
    let sink = Sink::accepting();
    let mut config = Config::default();
    config.otlp.endpoint = Some(sink.url());
    config.otlp.headers = Headers(vec![("Authorization".into(), "Bearer t".into())]);
    config.otlp.compression = Compression::Gzip;
    let (telemetry, _records, _dispatch) = start(config);
    telemetry.export_logs(&[record("hello")]);
    telemetry.shutdown(STOP).unwrap();
    let received = sink.wait_for(2);
    for request in &received {
        assert_eq!(request.header("authorization"), "Bearer t");
        assert_eq!(request.header("content-encoding"), "gzip");
        let mut body = Vec::new();
        flate2::read::GzDecoder::new(request.body.as_slice()).read_to_end(&mut body).unwrap();
        match request.path.as_str() {
            "/v1/logs" => drop(ExportLogsServiceRequest::decode(body.as_slice()).unwrap()),
            "/v1/metrics" => drop(ExportMetricsServiceRequest::decode(body.as_slice()).unwrap()),
            other => panic!("{other}"),
        }
    }
    assert_ne!(received[0].path, received[1].path);
}

#[test]
fn without_an_endpoint_nothing_is_kept() {
    let (telemetry, _records, _dispatch) = start(Config::default());
    telemetry.export_logs(&[record("hello")]);
    let state = logs_state(&telemetry);
    assert_eq!((state.endpoint, state.dropped, telemetry.is_exporting_logs()), (None, 0, false));
    telemetry.shutdown(STOP).unwrap();
}

#[test]
fn refused_connection_costs_callers_nothing_and_drops_are_counted() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (telemetry, records, dispatch) = start(only_logs(&format!("http://127.0.0.1:{port}")));
    let lines: Vec<LogRecord> = (0..500).map(|_| record(&"x".repeat(1_000))).collect();
    let begun = Instant::now();
    for _ in 0..40 {
        telemetry.export_logs(&lines);
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(logs_state(&telemetry).dropped > 10_000);
    eventually("an attempt fails", || logs_state(&telemetry).failed > 0);
    let state = logs_state(&telemetry);
    assert_eq!((state.is_up, state.succeeded), (Some(false), 0));
    assert!(state.last_error.is_some());
    let begun = Instant::now();
    telemetry.shutdown(STOP).unwrap();
    assert!(begun.elapsed() < STOP);
    assert_eq!(logs_state(&telemetry).dropped, 20_000);
    drop((records, dispatch));
}

#[test]
fn hanging_far_end_does_not_hold_up_the_stop() {
    let sink = Sink::new(|_| None);
    let (telemetry, _records, _dispatch) = start(only_logs(&sink.url()));
    telemetry.export_logs(&[record("hello")]);
    sink.wait_for(1);
    let begun = Instant::now();
    let deadline = Duration::from_millis(200);
    let late = telemetry.shutdown(deadline).unwrap_err();
    assert_eq!(late.signals, [Signal::Logs]);
    assert!(begun.elapsed() < deadline + Duration::from_secs(1));
}

#[test]
fn too_many_requests_is_retried_and_retry_after_is_heard() {
    let sink = Sink::new(|idx| match idx {
        0 => Some(response(429, "retry-after: 1\r\n", b"")),
        _ => Some(response(200, "", b"")),
    });
    let (telemetry, records, _dispatch) = start(only_logs(&sink.url()));
    telemetry.export_logs(&[record("hello")]);
    let received = sink.wait_for(2);
    assert_eq!(received[0].body, received[1].body);
    // Without the header the pause is half a second at most.
    assert!(received[1].at - received[0].at > Duration::from_millis(900));
    eventually("the second attempt is noted", || logs_state(&telemetry).succeeded == 1);
    let state = logs_state(&telemetry);
    assert_eq!((state.is_up, state.failed, state.dropped), (Some(true), 1, 0));
    // One line for each change of state.
    let lines: Vec<String> = records.drain(10).map(|record| record.body).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("is down: status 429") && lines[1].contains("works"), "{lines:?}");
}

#[test]
fn tls_with_a_far_end_that_speaks_none_is_a_failure_like_any_other() {
    let sink = Sink::accepting();
    let (telemetry, _records, _dispatch) = start(only_logs(&sink.url().replace("http:", "https:")));
    telemetry.export_logs(&[record("hello")]);
    telemetry.shutdown(STOP).unwrap();
    let state = logs_state(&telemetry);
    assert_eq!((state.is_up, state.dropped), (Some(false), 1));
}

#[test]
fn lasting_refusal_is_not_retried() {
    let sink = Sink::new(|_| Some(response(400, "", b"<b>no</b>")));
    let (telemetry, _records, _dispatch) = start(only_logs(&sink.url()));
    telemetry.export_logs(&[record("hello")]);
    eventually("the batch is given up", || logs_state(&telemetry).dropped == 1);
    let state = logs_state(&telemetry);
    assert_eq!((state.is_up, state.failed), (Some(false), 1));
    assert_eq!(state.last_error.unwrap().1, "status 400: <b>no</b>");
    telemetry.shutdown(STOP).unwrap();
    assert_eq!(sink.received().len(), 1);
}

#[test]
fn partial_success_counts_what_was_rejected() {
    let partial = ExportLogsPartialSuccess { rejected_log_records: 3, error_message: "too old".into() };
    let answer = ExportLogsServiceResponse { partial_success: Some(partial) }.encode_to_vec();
    let sink = Sink::new(move |_| Some(response(200, "", &answer)));
    let (telemetry, records, _dispatch) = start(only_logs(&sink.url()));
    telemetry.export_logs(&[record("1"), record("2"), record("3"), record("4")]);
    telemetry.shutdown(STOP).unwrap();
    let state = logs_state(&telemetry);
    assert_eq!((state.is_up, state.dropped), (Some(true), 3));
    assert!(records.drain(10).any(|record| record.body.contains("refuses part of our logs: too old")));
}

#[test]
fn exporting_feeds_nothing_back() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut config = only_logs(&format!("http://127.0.0.1:{port}"));
    config.log_level = "trace".into();
    let (telemetry, records, _dispatch) = start(config);
    telemetry.export_logs(&[record("hello")]);
    eventually("an attempt fails", || logs_state(&telemetry).failed > 0);
    // As the writer does: what was captured is exported again.
    let captured: Vec<LogRecord> = records.drain(100).collect();
    assert_eq!(captured.len(), 1, "{captured:?}");
    telemetry.export_logs(&captured);
    eventually("more attempts fail", || logs_state(&telemetry).failed > 2);
    assert_eq!(records.drain(1).count(), 0);
    telemetry.shutdown(STOP).unwrap();
}

#[test]
fn new_settings_take_over_what_waits() {
    let hanging = Sink::new(|_| Some(response(503, "retry-after: 100\r\n", b"")));
    let accepting = Sink::accepting();
    let (telemetry, _records, _dispatch) = start(only_logs(&hanging.url()));
    telemetry.export_logs(&[record("kept")]);
    hanging.wait_for(1);
    eventually("the refusal is noted", || logs_state(&telemetry).failed == 1);
    telemetry.apply(&only_logs(&accepting.url())).unwrap();
    let received = accepting.wait_for(1);
    assert!(String::from_utf8_lossy(&received[0].body).contains("kept"));
    assert!(logs_state(&telemetry).endpoint.unwrap().starts_with(&accepting.url()));
    telemetry.apply(&Config::default()).unwrap();
    assert!(!telemetry.is_exporting_logs());
    assert_eq!(logs_state(&telemetry).endpoint, None);
}

#[test]
fn a_thread_that_ended_is_down_and_comes_back_with_the_next_settings() {
    let sink = Sink::accepting();
    let config = only_logs(&sink.url());
    let (telemetry, _records, _dispatch) = start(config.clone());
    // Nothing but a defect ends a thread that is in use; a command stands for it here.
    telemetry
        .exporters
        .workers
        .lock()
        .unwrap()
        .of(Signal::Logs)
        .as_ref()
        .unwrap()
        .control
        .set(Phase::Retired);
    eventually("the end is seen", || logs_state(&telemetry).is_up == Some(false));
    telemetry.apply(&config).unwrap();
    telemetry.export_logs(&[record("hello")]);
    telemetry.shutdown(STOP).unwrap();
    assert_eq!(sink.received().len(), 1);
}

#[test]
fn a_panic_costs_its_round_and_is_a_failure() {
    let health = Health::new(Signal::Logs, Clock::manual(UnixNanos(AT)));
    assert_eq!(contain(&health, "http://x", || -> u8 { panic!("on purpose") }), None);
    let state = health.state(None);
    assert_eq!((state.is_up, state.failed), (Some(false), 1));
    assert_eq!(contain(&health, "http://x", || 7), Some(7));
}

#[test]
fn spans_arrive_field_by_field() {
    let sink = Sink::accepting();
    let mut config = Config::default();
    config.otlp.traces.endpoint = Some(format!("{}/v1/traces", sink.url()));
    let (telemetry, _records, _dispatch) = start(config);
    let own = Span {
        trace_id: TraceId::parse_hex(TRACE_ID).unwrap(),
        span_id: SpanId::parse_hex(SPAN_ID).unwrap(),
        parent: SpanId::parse_hex("00000000000000aa"),
        name: "GET /".into(),
        kind: SpanKind::Server,
        service: "vitrine".into(),
        start: UnixNanos(AT),
        duration: Duration::from_nanos(1_500),
        status: SpanStatus::Error,
        status_message: "broken".into(),
        attributes: vec![("http.route".into(), "/".into())],
        events: vec![SpanEvent { at: UnixNanos(AT + 7), name: "attempt failed".into(), attributes: vec![] }],
    };
    let theirs = Span { service: "nginx".into(), parent: None, ..own.clone() };
    telemetry.export_spans(&[own, theirs]);
    telemetry.shutdown(STOP).unwrap();

    let received = sink.wait_for(1);
    assert_eq!((received.len(), received[0].path.as_str()), (1, "/v1/traces"));
    let request = ExportTraceServiceRequest::decode(received[0].body.as_slice()).unwrap();
    let [ours, theirs] = request.resource_spans.as_slice() else { panic!("{request:?}") };
    let resource = |spans: &ResourceSpans| spans.resource.clone().unwrap();
    let expect = [("service.name", "vitrine"), ("service.instance.id", "i1"), ("service.version", "1.2.3")];
    assert_eq!(pairs(&resource(ours).attributes), expect);
    assert_eq!(pairs(&resource(theirs).attributes), [("service.name", "nginx")]);
    let [span] = ours.scope_spans[0].spans.as_slice() else { panic!("{ours:?}") };
    assert_eq!((hex::encode(&span.trace_id), hex::encode(&span.span_id)), (TRACE_ID.into(), SPAN_ID.into()));
    assert_eq!(
        (hex::encode(&span.parent_span_id).as_str(), span.name.as_str()),
        ("00000000000000aa", "GET /")
    );
    assert_eq!(
        (span.kind, span.start_time_unix_nano, span.end_time_unix_nano),
        (2, AT as u64, AT as u64 + 1_500)
    );
    assert_eq!(span.status, Some(Status { code: 2, message: "broken".into() }));
    assert_eq!(pairs(&span.attributes), [("http.route", "/")]);
    assert_eq!(
        (span.events[0].name.as_str(), span.events[0].time_unix_nano),
        ("attempt failed", AT as u64 + 7)
    );
    assert!(theirs.scope_spans[0].spans[0].parent_span_id.is_empty());
}

#[test]
fn a_failed_export_leaves_a_span_that_is_not_exported_and_its_lines_name_the_trace() {
    let sink = Sink::new(|_| Some(response(400, "", b"no")));
    let (telemetry, records, _dispatch) = start(only_logs(&sink.url()));
    telemetry.export_logs(&[record("hello")]);
    eventually("the batch is given up", || logs_state(&telemetry).dropped == 1);
    let mut made = Vec::new();
    eventually("the span is there", || !telemetry.made.is_empty());
    made.extend(telemetry.take_spans(10));
    let [Made { span, is_for_export: false }] = made.as_slice() else { panic!("{made:?}") };
    assert_eq!(
        (span.name.as_ref(), span.kind, span.status),
        ("export logs", SpanKind::Client, SpanStatus::Error)
    );
    assert_eq!(span.events[0].attributes, [("exception.message".into(), "status 400: no".to_string())]);
    let line = records.drain(10).find(|line| line.body.contains("is down")).unwrap();
    assert_eq!(line.metadata("trace_id"), span.trace_id.to_string());
    // One that works, was not sampled and is quick leaves nothing.
    let accepting = Sink::accepting();
    let mut config = only_logs(&accepting.url());
    config.traces.ratio = 0.0;
    config.traces.slow = Duration::from_secs(60);
    telemetry.apply(&config).unwrap();
    telemetry.export_logs(&[record("hello")]);
    telemetry.shutdown(STOP).unwrap();
    accepting.wait_for(1);
    assert!(telemetry.made.is_empty());
}

#[test]
fn operations_leave_spans_with_the_ids_of_their_lines() {
    let (telemetry, records, dispatch) = start(Config::default());
    tracing::dispatcher::with_default(&dispatch, || {
        let _entered = tracing::info_span!("reload").entered();
        tracing::info!("half way");
    });
    let made: Vec<Made> = telemetry.take_spans(10).collect();
    let [Made { span, is_for_export: true }] = made.as_slice() else { panic!("{made:?}") };
    assert_eq!((span.name.as_ref(), span.service.as_ref(), span.parent), ("reload", "vitrine", None));
    let line = records.drain(10).next().unwrap();
    assert_eq!(line.metadata("trace_id"), span.trace_id.to_string());
    assert_eq!(line.metadata("span_id"), span.span_id.to_string());
}

#[test]
fn certificates_that_cannot_be_used_are_named_and_change_nothing() {
    let sink = Sink::accepting();
    let (telemetry, _records, _dispatch) = start(only_logs(&sink.url()));
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "nothing").unwrap();
    let refused = |change: &dyn Fn(&mut Config)| {
        let mut config = only_logs("https://localhost:1");
        change(&mut config);
        format!("{:#}", anyhow::Error::from(telemetry.apply(&config).unwrap_err()))
    };
    let text = refused(&|config| config.otlp.certificates.roots = Some("/no/such.pem".into()));
    assert!(text.starts_with("export logs: read /no/such.pem: "), "{text}");
    let text = refused(&|config| config.otlp.certificates.roots = Some(empty.clone()));
    assert!(text.ends_with("empty.pem has no certificate in PEM form"), "{text}");
    let text = refused(&|config| config.otlp.certificates.client_key = Some(empty.clone()));
    assert!(text.contains("set both or none"), "{text}");
    let pair = |name: &str| {
        let made = rcgen::generate_simple_self_signed(["localhost".to_string()]).unwrap();
        let (certificate, key) =
            (dir.path().join(format!("{name}.crt")), dir.path().join(format!("{name}.key")));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        (certificate, key)
    };
    let (one, other) = (pair("one"), pair("other"));
    let text = refused(&|config| {
        config.otlp.certificates.client = Some(one.0.clone());
        config.otlp.certificates.client_key = Some(other.1.clone());
    });
    assert!(text.contains("one.crt") && text.contains("other.key"), "{text}");
    telemetry.export_logs(&[record("hello")]);
    sink.wait_for(1);
}
