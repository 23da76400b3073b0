use std::fmt::Debug;
use std::path::PathBuf;

use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord as OtlpRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as OtlpSpan, Status};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::clock::{UnixMillis, UnixNanos};
use crate::ingest::push::{Oldest, Reason, Samples, Times};
use crate::record::metric::STALE_NAN_BITS;
use crate::record::{Severity, SpanKind, SpanStatus};

const NOW: u64 = 1_800_000_000_000_000_000;
const TIMES: Times = Times {
    now: UnixNanos(NOW as i64),
    oldest: Oldest { sample: UnixMillis(0), log: UnixNanos(0), span: UnixNanos(0) },
};

fn text(name: &str, value: &str) -> KeyValue {
    attribute(name, Any::StringValue(value.into()))
}

fn attribute(name: &str, value: Any) -> KeyValue {
    KeyValue { key: name.into(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

fn resource(attributes: Vec<KeyValue>) -> Option<Resource> {
    Some(Resource { attributes, ..Default::default() })
}

fn logs_request(attributes: Vec<KeyValue>, record: OtlpRecord) -> Vec<u8> {
    let scope = Some(InstrumentationScope { name: "lib".into(), ..Default::default() });
    let scope_logs = vec![ScopeLogs { scope, log_records: vec![record], ..Default::default() }];
    let one = ResourceLogs { resource: resource(attributes), scope_logs, ..Default::default() };
    ExportLogsServiceRequest { resource_logs: vec![one] }.encode_to_vec()
}

fn metrics_request(data: Data, unit: &str) -> Vec<u8> {
    let metric = Metric { name: "my.size".into(), unit: unit.into(), data: Some(data), ..Default::default() };
    let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..Default::default() }];
    let attributes = vec![
        text("service.namespace", "shop"),
        text("service.name", "api"),
        text("service.instance.id", "i1"),
        text("host.name", "h"),
    ];
    let one = ResourceMetrics { resource: resource(attributes), scope_metrics, ..Default::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![one] }.encode_to_vec()
}

fn lines(samples: Samples) -> Vec<String> {
    let (scrapes, _) = samples.into_scrapes();
    let points = scrapes.iter().flat_map(|scrape| &scrape.points);
    let mut res: Vec<String> = points.map(|point| format!("{} {}", point.series, point.value)).collect();
    res.sort();
    res
}

#[test]
fn a_log_record_keeps_what_it_brought() {
    let record = OtlpRecord {
        time_unix_nano: 5,
        severity_number: 14,
        severity_text: "Warnung".into(),
        body: Some(AnyValue { value: Some(Any::StringValue("hello".into())) }),
        attributes: vec![text("http.route", "/"), attribute("n", Any::IntValue(7)), text("level", "x")],
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        event_name: "started".into(),
        ..Default::default()
    };
    let attributes = vec![text("service.name", "api"), text("host.name", "h"), text("job", "j")];
    let logs = decode_logs(&logs_request(attributes, record), Form::Protobuf, TIMES).unwrap();
    let [found] = logs.records.as_slice() else { panic!("{logs:?}") };
    assert_eq!(found.stream.to_string(), r#"{job="j",level="warn",service_name="api"}"#);
    assert_eq!((found.at.0, found.severity, found.body.as_str()), (5, Severity::Warn, "hello"));
    let metadata: Vec<String> =
        found.metadata.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let (trace, span) = ("01".repeat(16), "02".repeat(8));
    let expect = [
        &format!("trace_id={trace}"),
        &format!("span_id={span}"),
        "event_name=started",
        "http_route=/",
        "n=7",
        "level_extracted=x",
        "host_name=h",
        "scope_name=lib",
    ];
    assert_eq!(metadata, expect);
}

#[test]
fn times_ids_and_levels_are_read_or_refused() {
    let check =
        |record: OtlpRecord| decode_logs(&logs_request(vec![], record), Form::Protobuf, TIMES).unwrap();
    let at = |time_unix_nano, observed_time_unix_nano| {
        check(OtlpRecord { time_unix_nano, observed_time_unix_nano, ..Default::default() })
    };
    assert_eq!(at(0, 7).records[0].at.0, 7);
    assert_eq!(at(0, 0).records[0].at, TIMES.now);
    let year_2500 = 16_725_225_600_000_000_000;
    assert_eq!(at(year_2500, 0).left_out.0[Reason::Time as usize], 1);
    let short = check(OtlpRecord { trace_id: vec![1; 12], ..Default::default() });
    assert_eq!(short.left_out.0[Reason::Id as usize], 1);
    let worded = check(OtlpRecord { severity_text: "ERROR".into(), ..Default::default() });
    assert_eq!(worded.records[0].severity, Severity::Error);
    assert_eq!(worded.records[0].stream.get("service_name"), "unknown_service");
}

#[test]
fn lines_of_another_vitrine_are_not_taken_for_those_of_this_one() {
    let own = ["service.name", "job", "service.instance.id"].into_iter().zip(["vitrine", "audit", "other"]);
    let resource = own.map(|(name, value)| text(name, value)).collect();
    let logs = decode_logs(&logs_request(resource, OtlpRecord::default()), Form::Protobuf, TIMES).unwrap();
    let record = &logs.records[0];
    assert_eq!((record.stream.get("service_name"), record.stream.get("job")), ("remote-vitrine", "audit"));
    assert_eq!(record.metadata("service_instance_id"), "other");
}

#[test]
fn numbers_are_named_as_prometheus_names_them() {
    let point = |value, flags| NumberDataPoint {
        attributes: vec![text("a.b", "1"), text("a_b", "2"), text("0x", "3")],
        time_unix_nano: NOW,
        value,
        flags,
        ..Default::default()
    };
    let sum = Sum {
        data_points: vec![point(Some(Number::AsInt(3)), 0)],
        aggregation_temporality: 2,
        is_monotonic: true,
    };
    let samples =
        decode_metrics(&metrics_request(Data::Sum(sum.clone()), "By"), Form::Protobuf, TIMES).unwrap();
    let described = &samples.metadata[0];
    assert_eq!((described.name.as_str(), described.unit.as_str()), ("my_size_bytes_total", "bytes"));
    let expect = [
        r#"{__name__="my_size_bytes_total",a_b="1;2",instance="i1",job="shop/api",key_0x="3"} 3"#,
        r#"{__name__="target_info",host_name="h",instance="i1",job="shop/api"} 1"#,
    ];
    assert_eq!(lines(samples), expect);
    let delta = Sum { aggregation_temporality: 1, ..sum };
    let samples = decode_metrics(&metrics_request(Data::Sum(delta), ""), Form::Protobuf, TIMES).unwrap();
    assert_eq!((samples.count(), samples.left_out.0[Reason::Delta as usize]), (0, 1));
    let gauge = Gauge { data_points: vec![point(None, 1)] };
    let samples = decode_metrics(&metrics_request(Data::Gauge(gauge), "1"), Form::Protobuf, TIMES).unwrap();
    let (scrapes, metadata) = samples.into_scrapes();
    assert_eq!(metadata[0].name, "my_size_ratio");
    let marker =
        scrapes[0].points.iter().find(|point| point.series.metric_name() == "my_size_ratio").unwrap();
    assert_eq!(marker.value.to_bits(), STALE_NAN_BITS);
}

#[test]
fn histograms_of_both_kinds_become_classic_ones() {
    let plain = HistogramDataPoint {
        time_unix_nano: NOW,
        count: 6,
        sum: Some(2.5),
        explicit_bounds: vec![1.0, 2.0],
        bucket_counts: vec![1, 2, 3],
        ..Default::default()
    };
    let histogram = |points| Data::Histogram(Histogram { data_points: points, aggregation_temporality: 2 });
    let body = metrics_request(histogram(vec![plain.clone()]), "s");
    let own = |samples: Samples| -> Vec<String> {
        let all = lines(samples).into_iter().filter(|line| !line.contains("target_info"));
        all.map(|line| line.replace(r#",instance="i1",job="shop/api""#, "")).collect()
    };
    let found = own(decode_metrics(&body, Form::Protobuf, TIMES).unwrap());
    assert!(found.contains(&r#"{__name__="my_size_seconds_bucket",le="2"} 3"#.to_string()), "{found:?}");
    assert_eq!(found.len(), 5);
    let broken = HistogramDataPoint { bucket_counts: vec![1], ..plain };
    let samples =
        decode_metrics(&metrics_request(histogram(vec![broken]), ""), Form::Protobuf, TIMES).unwrap();
    assert_eq!(samples.left_out.0[Reason::Histogram as usize], 1);

    let point = ExponentialHistogramDataPoint {
        time_unix_nano: NOW,
        count: 3,
        sum: Some(7.0),
        scale: 0,
        // (1, 2] and (4, 8].
        positive: Some(Buckets { offset: 0, bucket_counts: vec![1, 0, 2] }),
        ..Default::default()
    };
    let exponential = Data::ExponentialHistogram(ExponentialHistogram {
        data_points: vec![point],
        aggregation_temporality: 2,
    });
    let found = lines(decode_metrics(&metrics_request(exponential, ""), Form::Protobuf, TIMES).unwrap());
    let bucket =
        |le: &str, n| format!(r#"{{__name__="my_size_bucket",instance="i1",job="shop/api",le="{le}"}} {n}"#);
    for line in [bucket("2", 1), bucket("8", 3), bucket("+Inf", 3)] {
        assert!(found.contains(&line), "{line}: {found:?}");
    }
}

#[test]
fn a_span_keeps_what_it_brought() {
    let span = OtlpSpan {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        parent_span_id: vec![3; 8],
        name: "GET /".into(),
        kind: 2,
        start_time_unix_nano: 10,
        end_time_unix_nano: 25,
        attributes: vec![text("http.route", "/")],
        events: vec![Event { time_unix_nano: 12, name: "e".into(), ..Default::default() }],
        status: Some(Status { code: 2, message: "broken".into() }),
        ..Default::default()
    };
    let request = |span: OtlpSpan| {
        let scope_spans = vec![ScopeSpans { spans: vec![span], ..Default::default() }];
        let attributes = vec![text("service.name", "api")];
        let one = ResourceSpans { resource: resource(attributes), scope_spans, ..Default::default() };
        ExportTraceServiceRequest { resource_spans: vec![one] }.encode_to_vec()
    };
    let traces = decode_traces(&request(span.clone()), Form::Protobuf, TIMES).unwrap();
    let [found] = traces.spans.as_slice() else { panic!("{traces:?}") };
    assert_eq!((found.name.as_ref(), found.service.as_ref(), found.kind), ("GET /", "api", SpanKind::Server));
    assert_eq!((found.start.0, found.duration.as_nanos(), found.status), (10, 15, SpanStatus::Error));
    assert_eq!(found.parent.unwrap().0, [3; 8]);
    assert_eq!((found.events[0].at.0, found.status_message.as_str()), (12, "broken"));
    for broken in [
        OtlpSpan { trace_id: vec![0; 16], ..span.clone() },
        OtlpSpan { span_id: vec![], ..span.clone() },
        OtlpSpan { parent_span_id: vec![1], ..span },
    ] {
        let traces = decode_traces(&request(broken), Form::Protobuf, TIMES).unwrap();
        assert_eq!((traces.spans.len(), traces.left_out.0[Reason::Id as usize]), (0, 1));
    }
}

/// Reads one of the examples of the OpenTelemetry project, when they are there.
fn example(name: &str) -> Option<Vec<u8>> {
    let dir = PathBuf::from(std::env::var_os("VITRINE_TEST_OTLP")?);
    Some(std::fs::read(dir.join(name)).unwrap())
}

#[test]
fn the_projects_own_examples_in_json_are_read() {
    let (Some(logs), Some(metrics), Some(trace)) =
        (example("logs.json"), example("metrics.json"), example("trace.json"))
    else {
        eprintln!("skipped: VITRINE_TEST_OTLP does not name a folder with OTLP's examples");
        return;
    };
    let logs = decode_logs(&logs, Form::Json, TIMES).unwrap();
    let [record] = logs.records.as_slice() else { panic!("{logs:?}") };
    assert_eq!((record.body.as_str(), record.severity), ("Example log record", Severity::Info));
    assert_eq!(record.metadata("trace_id"), "5b8efff798038103d269b633813fc60c");
    assert_eq!(record.metadata("array_attribute"), r#"["many","values"]"#);
    assert_eq!((record.metadata("int_attribute"), record.metadata("boolean_attribute")), ("10", "true"));
    let samples = decode_metrics(&metrics, Form::Json, TIMES).unwrap();
    assert!(samples.left_out.0[Reason::Delta as usize] > 0, "{samples:?}");
    let names: Vec<&str> = samples.metadata.iter().map(|metadata| metadata.name.as_str()).collect();
    assert!(names.contains(&"my_gauge_ratio"), "{names:?}");
    let traces = decode_traces(&trace, Form::Json, TIMES).unwrap();
    assert_eq!(traces.spans[0].duration.as_secs(), 1);
    assert_eq!(traces.spans[0].parent.unwrap().to_string(), "eee19b7ec3c1b173");
}

#[test]
fn json_is_read_as_the_specification_has_it() {
    // Unknown fields, numbers as numbers and as texts, an enum as a number.
    let body = br#"{"new": 1, "resourceLogs": [{"x": {}, "scopeLogs": [{"logRecords": [
        {"timeUnixNano": 5, "severityNumber": 9, "body": {"kvlistValue": {"values": [{"key": "a",
        "value": {"intValue": 3}}]}}, "flags": 1, "new": [1]}]}]}]}"#;
    let logs = decode_logs(body, Form::Json, TIMES).unwrap();
    assert_eq!((logs.records[0].at.0, logs.records[0].body.as_str()), (5, r#"{"a":3}"#));
    let check = |body: &str| match decode_traces(body.as_bytes(), Form::Json, TIMES) {
        Ok(traces) => traces.left_out.count() > 0,
        Err(fault) => matches!(fault, Fault::Malformed(_)),
    };
    // Ids in base64, as protobuf's own JSON would have them.
    let span = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"W47/95gDgQPSabYzgT/GDA==","spanId":"7uGbfsPBsXQ=","name":"x"}]}]}]}"#;
    assert!(check(span));
    assert!(check("{") && check("[]") && check(r#"{"resourceSpans": 1}"#));
    assert!(check(&format!(r#"{{"resourceSpans":{}"#, "[".repeat(100_000))));
    let large = format!(r#"{{"resourceSpans":[{}]}}"#, " ".repeat(JSON_MAX_BYTES));
    assert_eq!(decode_traces(large.as_bytes(), Form::Json, TIMES).err(), Some(Fault::Inflated));
    assert_eq!(decode_traces(b"{}", Form::Json, TIMES).unwrap().spans.len(), 0);
}

#[test]
fn nested_values_and_bombs_are_bounded() {
    let mut value = Any::IntValue(1);
    for _ in 0..1_000 {
        value = Any::ArrayValue(ArrayValue { values: vec![AnyValue { value: Some(value) }] });
    }
    let record = OtlpRecord { body: Some(AnyValue { value: Some(value) }), ..Default::default() };
    // Written by hand: what makes the test's own value costs a stack of its depth, too.
    let deep = logs_request(vec![], record);
    assert!(matches!(decode_logs(&deep, Form::Protobuf, TIMES), Err(Fault::Malformed(_))));

    fn is_small<T: Debug>(decode: impl Fn() -> T) {
        let mut found = None;
        let info = allocation_counter::measure(|| found = Some(decode()));
        assert!(info.bytes_max < 48 << 20, "{info:?}");
    }
    let many = [0x0a, 0x00].repeat(4 << 20);
    is_small(|| decode_logs(&many, Form::Protobuf, TIMES).map(|logs| logs.records.len()));
    is_small(|| decode_metrics(&many, Form::Protobuf, TIMES).map(|samples| samples.count()));
    // One resource with one scope with one record of a quarter of a million empty attributes.
    let mut record = [0x32, 0x00].repeat(ITEM_MAX_BYTES / 2);
    for tag in [0x12, 0x12, 0x0a] {
        let mut framed = vec![tag];
        prost::encoding::encode_varint(record.len() as u64, &mut framed);
        framed.extend(record);
        record = framed;
    }
    is_small(|| decode_logs(&record, Form::Protobuf, TIMES).map(|logs| logs.records.len()));
    let raw = format!(r#"{{"resourceLogs":[{}{{}}]}}"#, "{},".repeat(JSON_MAX_BYTES / 3 - 20));
    is_small(|| decode_logs(raw.as_bytes(), Form::Json, TIMES).map(|logs| logs.records.len()));
}

#[test]
fn what_a_resource_says_of_each_record_is_bounded_in_all() {
    let large = (0..14).map(|n| text(&format!("a{n}"), &"x".repeat(4_000))).collect();
    let records = vec![OtlpRecord::default(); 50_000];
    let scope_logs = vec![ScopeLogs { log_records: records, ..Default::default() }];
    let one = ResourceLogs { resource: resource(large), scope_logs, ..Default::default() };
    let body = ExportLogsServiceRequest { resource_logs: vec![one] }.encode_to_vec();
    assert!(body.len() < 200_000);
    let mut fault = None;
    let info = allocation_counter::measure(|| fault = decode_logs(&body, Form::Protobuf, TIMES).err());
    assert!(fault == Some(Fault::TooMany) && info.bytes_max < 64 << 20, "{fault:?} {info:?}");
}

#[test]
fn faults_do_not_quote_the_body() {
    let fault = decode_logs(br#"{"resourceLogs": "secret"}"#, Form::Json, TIMES).unwrap_err();
    assert!(!fault.to_string().contains("secret") && fault.to_string().contains("line 1"), "{fault}");
}

#[test]
fn answers_tell_what_was_left_out_and_nothing_when_nothing_was() {
    assert_eq!(answer_logs(Form::Protobuf, &LeftOut::default()), b"");
    assert_eq!(answer_logs(Form::Json, &LeftOut::default()), b"{}");
    let mut left_out = LeftOut::default();
    left_out.add(Reason::Time, 2);
    let answer =
        ExportLogsServiceResponse::decode(answer_logs(Form::Protobuf, &left_out).as_slice()).unwrap();
    let partial = answer.partial_success.unwrap();
    assert_eq!(partial.rejected_log_records, 2);
    assert!(partial.error_message.contains("2 for a time"), "{partial:?}");
    let json = String::from_utf8(answer_metrics(Form::Json, &left_out)).unwrap();
    assert!(json.contains("rejectedDataPoints"), "{json}");
    assert_eq!(answer_fault(Form::Json, "no"), br#"{"message":"no"}"#);
    assert_eq!(answer_fault(Form::Protobuf, "no"), [0x12, 2, b'n', b'o']);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for form in [Form::Protobuf, Form::Json] {
            _ = decode_logs(&bytes, form, TIMES);
            _ = decode_metrics(&bytes, form, TIMES);
            _ = decode_traces(&bytes, form, TIMES);
        }
    }
}
