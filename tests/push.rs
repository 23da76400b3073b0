//! What other programs push: sent as they send it, seen where people look.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use crate::harness::{Folders, Response, Vitrine, basic_auth, metric, stored_samples, wait_until};

fn now_ns() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()
}

/// Sends a body as the admin.
fn post(vitrine: &Vitrine, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    let credential = basic_auth();
    let headers: Vec<(&str, &str)> =
        headers.iter().copied().chain([("authorization", credential.as_str())]).collect();
    vitrine.send("POST", path, &headers, body)
}

fn loki_json(line: &str) -> String {
    format!(
        r#"{{"streams":[{{"stream":{{"job":"shop"}},"values":[["{}","{line}",{{"trace.id":"abc"}}]]}}]}}"#,
        now_ns()
    )
}

const JSON: (&str, &str) = ("content-type", "application/json");

fn start_with_otlp() -> Vitrine {
    let dir = Folders::new();
    let mut command = dir.serve();
    command.env("VITRINE_PUSH_OTLP", "true");
    Vitrine::spawn(command, dir)
}

#[test]
fn lines_by_lokis_push_are_kept_and_shown() {
    let vitrine = Vitrine::start();
    let push = "/loki/api/v1/push";
    let refused = vitrine.send("POST", push, &[JSON], loki_json("nobody").as_bytes());
    assert_eq!(refused.status, 401);
    let kept = post(&vitrine, push, &[JSON], loki_json("hello-by-json").as_bytes());
    assert_eq!((kept.status, kept.text().as_str()), (204, ""));
    // Answered after the disk has it, so it is there now.
    assert_eq!(vitrine.logged("hello-by-json").len(), 1);

    // As Promtail, Alloy and Docker's driver send it.
    let timestamp = (now_ns() / 1_000_000_000) as u64;
    let mut at = vec![0x08];
    prost::encoding::encode_varint(timestamp, &mut at);
    let line = b"hello-by-protobuf";
    let entry = [&[0x0a, at.len() as u8][..], &at, &[0x12, line.len() as u8], line].concat();
    let labels = br#"{job="shop", level="error"}"#;
    let stream = [&[0x0a, labels.len() as u8][..], labels, &[0x12, entry.len() as u8], &entry].concat();
    let request = [&[0x0a, stream.len() as u8][..], &stream].concat();
    let body = snap::raw::Encoder::new().compress_vec(&request).unwrap();
    let kept = post(&vitrine, push, &[("content-type", "application/x-protobuf")], &body);
    assert_eq!(kept.status, 204, "{}", kept.text());
    let lines = vitrine.logged("hello-by-protobuf");
    assert!(lines.len() == 1 && lines[0].contains("error"), "{lines:?}");

    let ahead = loki_json("from-the-future").replace(&now_ns().to_string()[..4], "9000");
    let told = post(&vitrine, push, &[JSON], ahead.as_bytes());
    assert!(told.status == 400 && told.text().contains("left out 1 for a time"), "{}", told.text());
    for (headers, body, status, expect) in [
        (vec![JSON], &b"{"[..], 400, "malformed"),
        (vec![], b"\xff\xff\xff\xff\x0f\x00", 413, "inflates beyond"),
        (vec![], b"no snappy", 400, "compression is broken"),
        (vec![JSON, ("content-encoding", "br")], b"{}", 415, "send gzip, snappy or none"),
    ] {
        let told = post(&vitrine, push, &headers, body);
        assert!(told.status == status && told.text().contains(expect), "{} {}", told.status, told.text());
    }
    let large = format!(
        "POST {push} HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ncontent-length: 104857600\r\nconnection: close\r\n\r\n",
        basic_auth()
    );
    let told = vitrine.raw(&large);
    assert!(told.starts_with("HTTP/1.1 413") && told.contains("larger than 4 MiB"), "{told}");
    let page = vitrine.get_as_admin("/metrics").text();
    assert_eq!(metric(&page, "vitrine_push_records_total", &[r#"protocol="loki""#]), 2.0);
    assert_eq!(metric(&page, "vitrine_push_refused_total", &[r#"protocol="loki""#, r#"reason="time""#]), 1.0);
    assert_eq!(
        metric(&page, "vitrine_push_refused_total", &[r#"protocol="loki""#, r#"reason="body_size""#]),
        2.0
    );
}

#[test]
fn samples_by_remote_write_outlive_a_kill_once_they_are_answered() {
    let vitrine = Vitrine::start();
    let at_ms = (now_ns() / 1_000_000) as u64;
    let label = |name: &str, value: &str| {
        let pair = [&[0x0a, name.len() as u8], name.as_bytes(), &[0x12, value.len() as u8], value.as_bytes()]
            .concat();
        [&[0x0a, pair.len() as u8], pair.as_slice()].concat()
    };
    let sample = |at_ms: u64, value: f64| {
        let mut sample = vec![0x09];
        sample.extend(value.to_le_bytes());
        sample.push(0x10);
        prost::encoding::encode_varint(at_ms, &mut sample);
        [&[0x12, sample.len() as u8], sample.as_slice()].concat()
    };
    // One of a backlog, and far out of order.
    let days_ago_ms = at_ms - 6 * 24 * 3_600_000;
    let series = [
        label("__name__", "node_load1"),
        label("job", "node"),
        sample(at_ms, 0.75),
        sample(days_ago_ms, 0.25),
    ]
    .concat();
    let request = [&[0x0a, series.len() as u8], series.as_slice()].concat();
    let body = snap::raw::Encoder::new().compress_vec(&request).unwrap();
    let headers = [
        ("content-type", "application/x-protobuf"),
        ("content-encoding", "snappy"),
        ("x-prometheus-remote-write-version", "0.1.0"),
    ];
    let kept = post(&vitrine, "/api/v1/write", &headers, &body);
    assert_eq!(kept.status, 204, "{}", kept.text());
    let wrong =
        post(&vitrine, "/api/v1/write", &[("content-type", "application/x-protobuf;proto=x.Y")], &body);
    assert_eq!(wrong.status, 415);
    // Nothing may be on its way to the disk any more.
    let kept = post(&vitrine, "/api/v1/write", &headers, &body);
    assert_eq!(kept.status, 204);
    let dir = vitrine.kill();
    assert_eq!(stored_samples(&dir, "node_load1"), [(days_ago_ms as i64, 0.25), (at_ms as i64, 0.75)]);
}

#[test]
fn otlp_is_off_until_it_is_wanted() {
    let vitrine = Vitrine::start();
    let told = post(&vitrine, "/v1/logs", &[JSON], b"{}");
    assert!(told.status == 404 && told.text().contains("VITRINE_PUSH_OTLP"), "{}", told.text());
    assert_eq!(vitrine.send("POST", "/v1/logs", &[JSON], b"{}").status, 401);
}

#[test]
fn log_records_by_otlp_are_kept_in_both_forms() {
    let vitrine = start_with_otlp();
    let done = post(&vitrine, "/v1/logs", &[JSON], b"{}");
    assert_eq!(
        (done.status, done.text().as_str(), done.header("content-type")),
        (200, "{}", "application/json")
    );
    let text = |value: &str| Some(AnyValue { value: Some(Any::StringValue(value.into())) });
    let record = LogRecord { body: text("hello-by-otlp"), severity_number: 9, ..Default::default() };
    let name = KeyValue { key: "service.name".into(), value: text("api"), ..Default::default() };
    let resource = Some(Resource { attributes: vec![name], ..Default::default() });
    let scope_logs = vec![ScopeLogs { log_records: vec![record], ..Default::default() }];
    let resource_logs = vec![ResourceLogs { resource, scope_logs, ..Default::default() }];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&ExportLogsServiceRequest { resource_logs }.encode_to_vec()).unwrap();
    let headers = [("content-type", "application/x-protobuf"), ("content-encoding", "gzip")];
    let done = post(&vitrine, "/v1/logs", &headers, &gzip.finish().unwrap());
    assert_eq!((done.status, done.text().as_str()), (200, ""));
    assert_eq!(vitrine.logged("hello-by-otlp").len(), 1);
    let broken = post(&vitrine, "/v1/traces", &[JSON], b"[");
    assert!(broken.status == 400 && broken.text().starts_with(r#"{"message":"#), "{}", broken.text());
    let other = post(&vitrine, "/v1/metrics", &[("content-type", "text/plain")], b"");
    assert_eq!(other.status, 415);
}

#[test]
fn a_source_that_sends_too_much_is_told_to_wait() {
    let dir = Folders::new();
    let mut command = dir.serve();
    command.env("VITRINE_PUSH_BYTES_PER_SECOND", "10");
    let vitrine = Vitrine::spawn(command, dir);
    let body = loki_json(&"x".repeat(400));
    let send = || post(&vitrine, "/loki/api/v1/push", &[JSON], body.as_bytes());
    assert_eq!(send().status, 204);
    let told = send();
    assert_eq!(told.status, 429, "{}", told.text());
    let wait: u64 = told.header("retry-after").parse().unwrap();
    assert!((1..120).contains(&wait) && told.text().contains("push.bytes_per_second"), "{}", told.text());
    // The page is not the source's.
    assert_eq!(vitrine.get("/").status, 200);
}

#[test]
fn a_body_that_never_comes_holds_up_nobody() {
    let vitrine = Vitrine::start();
    let head = format!(
        "POST /loki/api/v1/push HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ncontent-type: application/json\r\n\
         content-length: 1000\r\n\r\n",
        basic_auth()
    );
    let mut silent: Vec<std::net::TcpStream> = Vec::new();
    for _ in 0..2 {
        let mut stream = std::net::TcpStream::connect(vitrine.address()).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        silent.push(stream);
    }
    let busy = wait_until("the places are taken", || {
        let told = post(&vitrine, "/loki/api/v1/push", &[JSON], loki_json("x").as_bytes());
        (told.status == 503).then_some(told)
    });
    assert!(busy.header("retry-after") == "1" && busy.text().contains("already"), "{}", busy.text());
    assert_eq!(vitrine.get("/").status, 200);
    drop(silent);
    wait_until("the places are free", || {
        let told = post(&vitrine, "/loki/api/v1/push", &[JSON], loki_json("again").as_bytes());
        (told.status == 204).then_some(())
    });
}
