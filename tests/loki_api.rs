//! Loki's API as Grafana and others ask it, and its live tail.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::harness::{Folders, Response, Vitrine, basic_auth, wait_until};

/// How a parameter is written in an address.
fn escaped(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn get(vitrine: &Vitrine, path: &str) -> Response {
    vitrine.request("GET", &format!("/loki/api/v1/{path}"), &[("authorization", &basic_auth())])
}

fn parsed(response: &Response) -> Value {
    assert_eq!(response.status, 200, "{}", response.text());
    serde_json::from_str(&response.text()).unwrap_or_else(|_| panic!("no JSON: {}", response.text()))
}

pub fn now_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64
}

/// Pushes lines of the stream `{job="shop", service_name="shop"}`, a millisecond apart.
pub fn push(vitrine: &Vitrine, first_ns: i64, lines: &[&str]) {
    let at = |idx: usize| (first_ns + idx as i64 * 1_000_000).to_string();
    let values: Vec<Value> = lines.iter().enumerate().map(|(idx, line)| json!([at(idx), line])).collect();
    let stream = json!({"job": "shop", "service_name": "shop"});
    let body = json!({"streams": [{"stream": stream, "values": values}]}).to_string();
    let headers = [("authorization", &*basic_auth()), ("content-type", "application/json")];
    let answer = vitrine.send("POST", "/loki/api/v1/push", &headers, body.as_bytes());
    assert_eq!(answer.status, 204, "{}", answer.text());
}

fn lines_of(answer: &Value) -> Vec<(i64, String)> {
    let streams = answer["data"]["result"].as_array().unwrap().iter();
    let values = streams.flat_map(|stream| stream["values"].as_array().unwrap());
    let line =
        |value: &Value| (value[0].as_str().unwrap().parse().unwrap(), value[1].as_str().unwrap().into());
    values.map(line).collect()
}

/// The checks G11 to G15 of what a Grafana data source asks, and the endpoints around them.
#[test]
fn a_grafana_data_source_is_answered_as_by_loki() {
    let vitrine = Vitrine::start();
    let first = now_ns() - 60_000_000_000;
    let lines: Vec<String> =
        (0..10).map(|n| format!(r#"{{"n":{n},"level":"warn","took":"{n}ms"}}"#)).collect();
    push(&vitrine, first, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    // Equal moments, which a page may end between.
    (0..3).for_each(|n| push(&vitrine, first + 20_000_000, &[&format!("same {n}")]));
    let selector = escaped(r#"{job="shop"}"#);
    let around = format!("start={}&end={}", first - 1_000_000_000, now_ns());

    let g11 = get(&vitrine, "query?direction=backward&query=vector(1)%2Bvector(1)&time=4000000000");
    // Ten digits are seconds, as in Loki.
    let answer = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[4000000000,"2"]}],"#;
    assert!(g11.text().starts_with(answer), "{}", g11.text());

    let headers = [
        ("authorization", &*basic_auth()),
        ("x-loki-response-encoding-flags", "categorize-labels"),
        ("accept-encoding", "gzip"),
    ];
    let path =
        format!("/loki/api/v1/query_range?query={}&{around}&limit=1", escaped(r#"{job="shop"} | json"#));
    let g12 = vitrine.request("GET", &path, &headers);
    let text = g12.text();
    assert!(text.find("encodingFlags") < text.find("\"result\""), "{text}");
    let backward =
        format!("query_range?query={}&{around}&limit=1&direction=forward", escaped(r#"{job="shop"} | json"#));
    let oldest = vitrine.request("GET", &format!("/loki/api/v1/{backward}"), &headers);
    let stream = &parsed(&oldest)["data"]["result"][0];
    assert_eq!(stream["stream"], json!({"job": "shop", "service_name": "shop"}));
    assert_eq!(stream["values"][0][2]["structuredMetadata"]["detected_level"], "warn");
    assert_eq!(stream["values"][0][2]["parsed"], json!({"n": "0", "level": "warn", "took": "0ms"}));

    let volume =
        escaped(r#"sum by (level, detected_level) (count_over_time({job="shop"} | drop __error__ [1m]))"#);
    let g13 = parsed(&get(&vitrine, &format!("query_range?query={volume}&{around}&step=60000ms")));
    assert_eq!(g13["data"]["resultType"], "matrix");
    let levels: Vec<&Value> = g13["data"]["result"]
        .as_array()
        .unwrap()
        .iter()
        .map(|series| &series["metric"]["detected_level"])
        .collect();
    assert_eq!(levels, ["unknown", "warn"]);

    // The start belongs to a range and the end does not; pages of any size lose nothing.
    let third = first + 2_000_000;
    let page =
        |range: &str| lines_of(&parsed(&get(&vitrine, &format!("query_range?query={selector}&{range}"))));
    let forward = page(&format!("start={third}&end={}&direction=forward&limit=5000", now_ns()));
    let before = page(&format!("start={}&end={third}&direction=backward&limit=5000", first - 1));
    assert_eq!((forward.len(), before.len()), (11, 2));
    assert_eq!((forward[0].0, before[0].0), (third, first + 1_000_000));
    let mut paged: Vec<(i64, String)> = Vec::new();
    let mut end = now_ns();
    loop {
        let next = page(&format!("start={}&end={end}&direction=backward&limit=4", first - 1));
        let Some(last) = next.last().map(|(at, _)| *at) else { break };
        let n_before = paged.len();
        // As Grafana does: on from the last moment, and what was seen is left out.
        let new: Vec<_> = next.into_iter().filter(|line| !paged.contains(line)).collect();
        paged.extend(new);
        end = if paged.len() == n_before { last } else { last + 1 };
    }
    assert_eq!(paged.len(), 13, "{paged:?}");

    let iso = "start=2020-01-01T00:00:00.000Z&end=2100-01-01T00:00:00Z";
    for range in [around.as_str(), iso] {
        let stats = parsed(&get(&vitrine, &format!("index/stats?query={selector}&{range}")));
        assert_eq!((&stats["streams"], &stats["entries"]), (&json!(1), &json!(13)));
        let volume = parsed(&get(&vitrine, &format!("index/volume?query={selector}&{range}&limit=5000")));
        assert_eq!(volume["data"]["resultType"], "vector");
        assert_eq!(volume["data"]["result"][0]["metric"], json!({"job": "shop"}));
        assert_eq!(volume["data"]["result"][0]["value"][1], stats["bytes"].to_string());
        let steps = parsed(&get(
            &vitrine,
            &format!("index/volume_range?query={selector}&{range}&limit=50&step=100000h"),
        ));
        assert_eq!(
            (&steps["data"]["resultType"], steps["data"]["result"].as_array().unwrap().len()),
            (&json!("matrix"), 1)
        );
        let values = steps["data"]["result"][0]["values"].as_array().unwrap();
        let sum: u64 = values.iter().map(|value| value[1].as_str().unwrap().parse::<u64>().unwrap()).sum();
        assert_eq!(json!(sum), stats["bytes"]);
        let labels = parsed(&get(&vitrine, &format!("detected_labels?query={selector}&{range}")));
        assert_eq!(labels["detectedLabels"][0], json!({"label": "job", "cardinality": 1}));
        let fields = parsed(&get(&vitrine, &format!("detected_fields?query={selector}&{range}&limit=1000")));
        let took =
            fields["fields"].as_array().unwrap().iter().find(|field| field["label"] == "took").unwrap();
        assert_eq!(
            *took,
            json!({"label": "took", "type": "duration", "cardinality": 10, "parsers": ["json"], "jsonPath": ["took"]})
        );
        let values =
            parsed(&get(&vitrine, &format!("detected_field/n/values?query={selector}&{range}&limit=3")));
        assert_eq!(values, json!({"values": ["0", "1", "2"], "limit": 3}));
        let patterns = parsed(&get(&vitrine, &format!("patterns?query={selector}&{range}")));
        let patterns = patterns["data"].as_array().unwrap().iter();
        let patterns: Vec<_> = patterns.map(|one| (&one["pattern"], &one["level"])).collect();
        let expect = [json!(r#"{"n":<_>,"level":"warn","took":"<_>"}"#), json!("same <_>")];
        assert_eq!(patterns, [(&expect[0], &json!("warn")), (&expect[1], &json!("unknown"))]);
        let names = parsed(&get(&vitrine, &format!("loki/api/v1/labels?query={selector}&{range}")));
        assert_eq!(names, json!({"status": "success", "data": ["job", "service_name"]}));
        let jobs = parsed(&get(&vitrine, &format!("label/job/values?query={selector}&{range}")));
        assert_eq!(jobs["data"], json!(["shop"]));
        let series = parsed(&get(&vitrine, &format!("series?match%5B%5D={selector}&{range}")));
        assert_eq!(series["data"], json!([{"job": "shop", "service_name": "shop"}]));
    }
    assert_eq!(parsed(&get(&vitrine, "drilldown-limits"))["limits"]["volume_enabled"], true);
    assert_eq!(parsed(&get(&vitrine, "rules"))["data"]["groups"], json!([]));
    assert!(parsed(&get(&vitrine, "status/buildinfo"))["version"].as_str().unwrap().starts_with("3."));
    let pretty = parsed(&get(&vitrine, &format!("format_query?query={}", escaped("{ a = `b` }|json"))));
    assert_eq!(pretty["data"], r#"{a="b"} | json"#);
}

#[test]
fn patterns_are_mined_of_the_lines_and_find_them_again() {
    let vitrine = Vitrine::start();
    let minute = 60_000_000_000;
    let begin = now_ns() / minute * minute - 10 * minute;
    let line = |n: i64| match n {
        0..12 => format!("level=info msg=\"order {n} paid\" took={n}ms"),
        12..20 => format!("GET /carts/{n} 200"),
        _ => format!(r#"{{"id":"x{n}","level":"error","message":"payment {n} refused"}}"#),
    };
    // The odd ones two minutes later.
    for n in 0..25 {
        push(&vitrine, begin + n % 2 * 2 * minute + n * 1_000_000, &[&line(n)]);
    }
    let selector = r#"{job="shop"}"#;
    let range = format!("start={}&end={}", begin - minute, now_ns());
    let ask =
        |query: &str, more: &str| get(&vitrine, &format!("patterns?query={}&{range}{more}", escaped(query)));
    let seconds = |minutes: i64| (begin + minutes * minute) / 1_000_000_000;
    let sample = |minutes: i64, n: u32| json!([seconds(minutes), n]);
    let expect = [
        (
            12,
            "info",
            "level=info msg=\"order <_> paid\" took=<_>",
            [sample(0, 6), sample(1, 0), sample(2, 6)],
        ),
        (8, "unknown", "GET <_> 200", [sample(0, 4), sample(1, 0), sample(2, 4)]),
        (5, "error", r#"<_>"message":"payment <_> refused"<_>"#, [sample(0, 3), sample(1, 0), sample(2, 2)]),
    ];
    let told = |(_, level, pattern, samples): &(i64, &str, &str, [Value; 3])| json!({"pattern": pattern, "level": level, "samples": samples});
    let answer = parsed(&ask(selector, "&step=60s"));
    assert_eq!(answer, json!({"status": "success", "data": expect.iter().map(told).collect::<Vec<_>>()}));
    for (n_lines, _, pattern, _) in &expect {
        let query = format!("{selector} |> {}", json!(pattern));
        let path = format!("query_range?query={}&{range}&limit=100", escaped(&query));
        assert_eq!(lines_of(&parsed(&get(&vitrine, &path))).len() as i64, *n_lines, "{query}");
    }
    let filtered = parsed(&ask(r#"{job="shop"} |= "GET" | detected_level="unknown""#, ""));
    assert_eq!(filtered["data"].as_array().unwrap().len(), 1);
    // No step is shorter than ten seconds.
    let short = parsed(&ask(selector, "&step=1s"));
    assert_eq!(short["data"][0]["samples"][0], sample(0, 6));

    assert_eq!(parsed(&ask(r#"{job="other"}"#, "")), json!({"status": "success", "data": []}));
    for (query, more, text) in [
        ("", "", "parse error"),
        ("{}", "", "queries require at least one regexp or equality matcher"),
        (r#"count_over_time({job="shop"}[1m])"#, "", "only log selector is supported"),
        (selector, "&step=0", "zero or negative query resolution"),
        (selector, "&step=x", "to a valid duration"),
    ] {
        let answer = ask(query, more);
        assert!(answer.status == 400 && answer.text().contains(text), "{query}: {}", answer.text());
    }
}

#[test]
fn what_cannot_be_asked_is_refused_in_words_and_the_page_does_not_notice() {
    let vitrine = Vitrine::start();
    let now = now_ns();
    let nested = format!("{}1{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000));
    push(&vitrine, now - 1_000_000_000, &[&nested, "plain", "bad \u{fffd} text"]);
    let long = format!(r#"{{job="shop"}} |~ "{}""#, "(a|b){100}".repeat(10_000));
    let huge = format!(r#"{{job="{}"}}"#, "x".repeat(200_000));
    let cases: Vec<(String, u16, &str)> = vec![
        (long, 400, "expression too large"),
        (huge, 400, "input size too long"),
        ("{}".into(), 400, "queries require at least one regexp or equality matcher"),
        (r#"{a=~".*"}"#.into(), 400, "queries require at least one regexp or equality matcher"),
        (r#"{job="shop"} | json | json"#.into(), 200, "nested more than"),
        (r#"{job="shop"} | line_format `{{ repeat 100000000 "x" }}`"#.into(), 200, "TemplateFormatErr"),
        (
            r#"{job="shop"} | line_format `{{define "x"}}{{template "x"}}{{end}}{{template "x"}}`"#.into(),
            200,
            "TemplateFormatErr",
        ),
        (r#"{job="shop"} |= "#.into(), 400, "parse error at line 1, col"),
        (r#"count_over_time({job="shop"} | json [1m])"#.into(), 400, "pipeline error: 'JSONParserErr'"),
    ];
    for (query, status, text) in cases {
        let body = format!("query={}&start={}&end={}", escaped(&query), now - 10_000_000_000, now);
        let headers =
            [("authorization", &*basic_auth()), ("content-type", "application/x-www-form-urlencoded")];
        let answer = vitrine.send("POST", "/loki/api/v1/query_range", &headers, body.as_bytes());
        let shown: String = query.chars().take(100).collect();
        let told: String = answer.text().chars().take(300).collect();
        assert!(answer.status == status && answer.text().contains(text), "{shown}: {} {told}", answer.status);
        let kind = if status == 200 { "application/json" } else { "text/plain; charset=utf-8" };
        assert_eq!(answer.header("content-type"), kind);
    }
    let selector = escaped(r#"{job="shop"}"#);
    for (path, status, text) in [
        (format!("query_range?query={selector}&limit=1000000"), 400, "max entries limit per query exceeded"),
        (format!("query_range?query={selector}&limit=-1"), 400, "limit must be a positive value"),
        (format!("query_range?query={selector}&start=2&end=1"), 400, "end timestamp must not be before"),
        (format!("query_range?query={selector}&step=0"), 400, "zero or negative query resolution"),
        (format!("query_range?query={selector}&step=1ms"), 400, "exceeded maximum resolution"),
        (format!("query_range?query={selector}&direction=up"), 400, "invalid direction 'up'"),
        (format!("query?query={selector}"), 400, "log queries are not supported as an instant query"),
        ("nothing".into(), 404, "no such endpoint"),
    ] {
        let answer = get(&vitrine, &path);
        assert!(answer.status == status && answer.text().contains(text), "{path}: {}", answer.text());
    }
    assert_eq!(vitrine.get("/loki/api/v1/labels").status, 401);
    assert_eq!(vitrine.get("/").status, 200);
}

/// Pushes a body as it is.
fn push_bytes(vitrine: &Vitrine, kind: &str, body: &[u8]) -> Response {
    vitrine.send(
        "POST",
        "/loki/api/v1/push",
        &[("authorization", &basic_auth()), ("content-type", kind)],
        body,
    )
}

#[test]
fn lines_that_are_too_long_or_no_text_are_refused_or_mended() {
    let vitrine = Vitrine::start();
    let body = |line: &[u8]| {
        let head = format!(r#"{{"streams":[{{"stream":{{"job":"shop"}},"values":[["{}",""#, now_ns());
        [head.as_bytes(), line, br#""]]}]}"#].concat()
    };
    let told = push_bytes(&vitrine, "application/json", &body(&vec![b'x'; 10 << 20]));
    assert!(told.status == 413 && !told.text().is_empty(), "{} {}", told.status, told.text());
    let told = push_bytes(&vitrine, "application/json", &body(&vec![b'x'; (1 << 20) + 1]));
    assert!(told.status == 400 && told.text().contains("left out 1"), "{} {}", told.status, told.text());
    let told = push_bytes(&vitrine, "application/json", &body(b"bad \xff\xfe text"));
    assert!(told.status == 400 && told.text().contains("malformed"), "{} {}", told.status, told.text());

    // One that is kept is cut.
    let kept = push_bytes(&vitrine, "application/json", &body(&vec![b'x'; 1 << 20]));
    assert_eq!(kept.status, 204, "{}", kept.text());
    let field = |tag: u8, bytes: &[u8]| [&[tag, bytes.len() as u8][..], bytes].concat();
    let mut seconds = vec![0x08];
    prost::encoding::encode_varint(now_ns() as u64 / 1_000_000_000, &mut seconds);
    let entry = [field(0x0a, &seconds), field(0x12, b"bad \xff\xfe text")].concat();
    let stream = [field(0x0a, br#"{job="shop"}"#), field(0x12, &entry)].concat();
    let packed = snap::raw::Encoder::new().compress_vec(&field(0x0a, &stream)).unwrap();
    let kept = push_bytes(&vitrine, "application/x-protobuf", &packed);
    assert_eq!(kept.status, 204, "{}", kept.text());
    let query = escaped(r#"{job="shop"}"#);
    let lines = lines_of(&parsed(&get(&vitrine, &format!("query_range?query={query}"))));
    let mut lens: Vec<usize> = lines.iter().map(|(_, line)| line.chars().count()).collect();
    lens.sort();
    assert!(lens.len() == 2 && lens[1] > 1_000 && lens[1] <= 256 << 10, "{lens:?}");
    assert!(lines.iter().any(|(_, line)| line.starts_with("bad \u{fffd}") && line.ends_with(" text")));
    assert_eq!(vitrine.get("/").status, 200);
}

#[test]
fn a_form_is_answered_as_an_address_is_and_packed_when_that_is_asked() {
    let vitrine = Vitrine::start();
    let now = now_ns();
    push(&vitrine, now - 1_000_000_000, &["a line of some length"; 50]);
    let query = escaped(r#"{job="shop"}"#);
    let range = format!("start={}&end={now}", now - 10_000_000_000);
    let asked = get(&vitrine, &format!("query_range?query={query}&{range}"));
    let kind = "application/x-www-form-urlencoded; charset=UTF-8";
    let headers = [("authorization", &*basic_auth()), ("content-type", kind)];
    // Half of it in the address.
    let path = format!("/loki/api/v1/query_range?{range}");
    let form = vitrine.send("POST", &path, &headers, format!("query={query}").as_bytes());
    let result = parsed(&asked)["data"]["result"].clone();
    assert_eq!(lines_of(&parsed(&asked)).len(), 50);
    assert_eq!(parsed(&form)["data"]["result"], result);

    let path = format!("/loki/api/v1/query_range?query={query}&{range}");
    let headers = [("authorization", &*basic_auth()), ("accept-encoding", "gzip")];
    let packed = vitrine.request("GET", &path, &headers);
    assert_eq!((packed.status, packed.header("content-encoding")), (200, "gzip"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_string(&mut text).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["data"]["result"], result);
    assert_eq!(asked.header("content-encoding"), "");
}

/// A WebSocket as a client has it.
struct Socket(TcpStream);

impl Socket {
    /// Opens one, or returns what was answered instead.
    fn open(vitrine: &Vitrine, query: &str, authorization: &str) -> Result<Socket, String> {
        let mut stream = TcpStream::connect(vitrine.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let path = format!("/loki/api/v1/tail?query={}", escaped(query));
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: {authorization}\r\nconnection: upgrade\r\n\
             upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        if head.starts_with("HTTP/1.1 101") {
            assert!(
                head.to_lowercase().contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="),
                "{head}"
            );
            return Ok(Socket(stream));
        }
        let mut rest = vec![0; 4_096];
        let n = stream.read(&mut rest).unwrap();
        Err(format!("{head}{}", String::from_utf8_lossy(&rest[..n])))
    }

    /// Reads a frame: what it is and what it holds.
    fn frame(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).unwrap();
        let n = match head[1] {
            126 => {
                let mut n = [0; 2];
                self.0.read_exact(&mut n).unwrap();
                u16::from_be_bytes(n) as usize
            }
            127 => {
                let mut n = [0; 8];
                self.0.read_exact(&mut n).unwrap();
                u64::from_be_bytes(n) as usize
            }
            n => n as usize,
        };
        let mut payload = vec![0; n];
        self.0.read_exact(&mut payload).unwrap();
        (head[0] & 0x0f, payload)
    }

    /// Reads frames up to one of a kind.
    fn next(&mut self, kind: u8) -> Vec<u8> {
        loop {
            let (found, payload) = self.frame();
            if found == kind {
                return payload;
            }
            if found == PING {
                self.send(PONG, &payload);
            }
        }
    }

    fn next_lines(&mut self) -> Vec<String> {
        let message: Value = serde_json::from_slice(&self.next(TEXT)).unwrap();
        let streams = message["streams"].as_array().unwrap().iter();
        let values = streams.flat_map(|stream| stream["values"].as_array().unwrap());
        values.map(|value| value[1].as_str().unwrap().to_string()).collect()
    }

    /// Sends a small frame, masked by zeros.
    fn send(&mut self, kind: u8, payload: &[u8]) {
        self.0.write_all(&[0x80 | kind, 0x80 | payload.len() as u8, 0, 0, 0, 0]).unwrap();
        self.0.write_all(payload).unwrap();
    }
}

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The check G16.
#[test]
fn a_tail_tells_the_past_and_then_what_comes_in() {
    let vitrine = Vitrine::start();
    push(&vitrine, now_ns() - 1_000_000_000, &["first x", "other", "second x"]);
    let mut socket = Socket::open(&vitrine, r#"{job="shop"} |= "x""#, &basic_auth()).ok().unwrap();
    assert_eq!(socket.next_lines(), ["first x", "second x"]);
    let begun = Instant::now();
    push(&vitrine, now_ns(), &["other", "third x"]);
    assert_eq!(socket.next_lines(), ["third x"]);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    socket.next(PING);
    socket.send(CLOSE, &1_000_u16.to_be_bytes());
    assert_eq!(socket.next(CLOSE)[..2], 1_000_u16.to_be_bytes());

    let refused = |query: &str, authorization: &str| match Socket::open(&vitrine, query, authorization) {
        Ok(_) => panic!("{query} is followed"),
        Err(answer) => answer,
    };
    assert!(refused("rate({a=\"b\"}[1m])", &basic_auth()).contains("only log selector is supported"));
    assert!(refused("{a=", &basic_auth()).starts_with("HTTP/1.1 400"));
    assert!(refused("{a=\"b\"}", "Basic eDp5").starts_with("HTTP/1.1 401"));
    assert!(refused("{a=\"b\"}", "").starts_with("HTTP/1.1 401"));
    let all: Vec<Socket> =
        (0..32).map(|_| Socket::open(&vitrine, "{job=~\".+\"}", &basic_auth()).ok().unwrap()).collect();
    for _ in 32..200 {
        let one_more = refused("{job=~\".+\"}", &basic_auth());
        assert!(
            one_more.starts_with("HTTP/1.1 429") && one_more.contains("max concurrent tail requests"),
            "{one_more}"
        );
    }
    assert_eq!(vitrine.get("/").status, 200);
    drop(all);
    wait_until("a place is free again", || Socket::open(&vitrine, "{job=~\".+\"}", &basic_auth()).ok());
}

/// What a client does not read must pile up nowhere: not with the lines, not in its connection.
#[test]
fn followers_that_do_not_read_lose_lines_and_cost_no_memory() {
    let dir = Folders::new();
    let mut command = dir.serve();
    command.env("VITRINE_PUSH_BYTES_PER_SECOND", "1000000000");
    let vitrine = Vitrine::spawn(command, dir);
    let follow = |query: &str| Socket::open(&vitrine, query, &basic_auth()).ok().unwrap();
    let mut silent: Vec<Socket> = (0..31).map(|_| follow(r#"{job="shop"}"#)).collect();
    // Told last of all, so that all were told once it is.
    let mut last = follow(r#"{job="shop"} |= "end""#);
    let large = "x".repeat(200_000);
    let mut tell = |lines: &[&str]| {
        push(&vitrine, now_ns(), lines);
        assert_eq!(last.next_lines(), ["end"]);
    };
    tell(&["end"]);
    let before = vitrine.memory();
    (0..20).for_each(|_| tell(&[&large, &large, &large, &large, "end"]));
    let grown_mb = vitrine.memory().saturating_sub(before) >> 20;

    // Whoever reads again is told what it missed, at the latest with the next line.
    let mut reader = silent.pop().unwrap();
    let n_missed = loop {
        match reader.frame() {
            (TEXT, message) => {
                let message: Value = serde_json::from_slice(&message).unwrap();
                if let Some(dropped) = message["dropped_entries"].as_array() {
                    break dropped.len();
                }
            }
            (PING, payload) => {
                reader.send(PONG, &payload);
                push(&vitrine, now_ns(), &["one more"]);
            }
            (other, _) => panic!("a frame of kind {other}"),
        }
    };
    assert!((1..=100).contains(&n_missed), "{n_missed}");
    // 30 clients may each have a quarter of a megabyte and a message waiting.
    assert!(grown_mb < 64, "grown by {grown_mb} MB");
    assert_eq!(vitrine.get("/").status, 200);
}
