//! The protocol from the outside: bytes to a socket, records in a sink.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::bounds::{CONNECTIONS_MAX, JSON_MAX_BYTES, TAG_MAX_BYTES};
use super::frame::Frame;
use super::*;
use crate::clock::UnixNanos;
use crate::ingest::NotKept;
use crate::record::LogRecord;

const NOW: UnixNanos = UnixNanos(1_800_000_000_000_000_000);

/// Keeps records in memory, or refuses to.
#[derive(Default)]
struct Memory {
    records: Mutex<Vec<LogRecord>>,
    n_durable: Mutex<usize>,
    is_broken: AtomicBool,
}

impl Memory {
    /// Returns `job body` of each record.
    fn lines(&self) -> Vec<String> {
        let records = self.records.lock().unwrap();
        records.iter().map(|record| format!("{} {}", record.stream.get("job"), record.body)).collect()
    }
}

impl Sink for Memory {
    fn keep(&self, records: Vec<LogRecord>) {
        self.records.lock().unwrap().extend(records);
    }

    fn keep_durably(&self, records: Vec<LogRecord>) -> BoxFuture<'static, Result<(), NotKept>> {
        if self.is_broken.load(Ordering::Relaxed) {
            return async { Err(NotKept) }.boxed();
        }
        *self.n_durable.lock().unwrap() += records.len();
        self.keep(records);
        async { Ok(()) }.boxed()
    }
}

struct Served {
    forward: Forward,
    sink: Arc<Memory>,
    counts: Arc<Counts>,
    address: SocketAddr,
}

fn serve() -> Served {
    serve_with(Config::default())
}

fn serve_with(config: Config) -> Served {
    let bound = Bound::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = bound.address();
    let (sink, clock) = (Arc::new(Memory::default()), Clock::manual(NOW));
    let counts = Counts::new(clock.clone(), &opentelemetry::global::meter("test"));
    let forward =
        Forward::with_counts(vec![bound], Switches::new(config), sink.clone(), clock, counts.clone())
            .unwrap();
    Served { forward, sink, counts, address }
}

impl Served {
    /// Sends bytes on a connection of their own, closes it, and returns what was answered.
    async fn send(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // A server that refuses closes before all was written.
        _ = stream.write_all(bytes).await;
        _ = stream.shutdown().await;
        let mut answer = Vec::new();
        _ = stream.read_to_end(&mut answer).await;
        answer
    }
}

/// Packs a value as msgpack.
fn pack(value: &Value) -> Vec<u8> {
    let mut res = Vec::new();
    pack_into(&mut res, value);
    res
}

fn pack_into(res: &mut Vec<u8>, value: &Value) {
    use rmp::encode as write;
    match value {
        Value::Null => write::write_nil(res).unwrap(),
        Value::Bool(truth) => write::write_bool(res, *truth).unwrap(),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => _ = write::write_uint(res, number).unwrap(),
            (_, Some(number)) => _ = write::write_sint(res, number).unwrap(),
            (None, None) => write::write_f64(res, number.as_f64().unwrap()).unwrap(),
        },
        Value::String(text) => write::write_str(res, text).unwrap(),
        Value::Array(items) => {
            write::write_array_len(res, items.len() as u32).unwrap();
            items.iter().for_each(|item| pack_into(res, item));
        }
        Value::Object(fields) => {
            write::write_map_len(res, fields.len() as u32).unwrap();
            for (name, value) in fields {
                write::write_str(res, name).unwrap();
                pack_into(res, value);
            }
        }
    }
}

/// Packs an array of parts that are packed already.
fn array(parts: &[&[u8]]) -> Vec<u8> {
    let mut res = Vec::new();
    rmp::encode::write_array_len(&mut res, parts.len() as u32).unwrap();
    parts.iter().for_each(|part| res.extend(*part));
    res
}

fn bin(bytes: &[u8]) -> Vec<u8> {
    let mut res = Vec::new();
    rmp::encode::write_bin(&mut res, bytes).unwrap();
    res
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Compresses without the frame's length, as a stream is.
fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 3).unwrap()
}

fn entries(lines: &[&str]) -> Vec<u8> {
    lines.iter().flat_map(|line| pack(&json!([1_800_000_000, {"message": line}]))).collect()
}

fn packed(tag: &str, payload: &[u8], options: Value) -> Vec<u8> {
    array(&[&pack(&json!(tag)), &bin(payload), &pack(&options)])
}

/// Checks what becomes of one message: the lines, or the refusal.
async fn check(message: &[u8], expect: Result<&[&str], Refusal>) {
    let served = serve();
    served.send(message).await;
    let refused: Vec<Refusal> =
        Refusal::ALL.into_iter().filter(|reason| served.counts.refused(*reason) > 0).collect();
    match expect {
        Ok(lines) => assert_eq!(
            (served.sink.lines(), refused),
            (lines.iter().map(ToString::to_string).collect(), vec![])
        ),
        Err(refusal) => assert_eq!((served.sink.lines(), refused), (vec![], vec![refusal])),
    }
}

#[tokio::test]
async fn every_mode_becomes_records() {
    let tag = pack(&json!("app.web"));
    check(&pack(&json!(["app.web", 5, {"log": "one"}])), Ok(&["app.web one"])).await;
    check(&pack(&json!(["app.web", 5, {"log": "one"}, {"size": 1}])), Ok(&["app.web one"])).await;
    let forward = json!(["app.web", [[5, {"log": "one"}], [6, {"log": "two"}]], {}]);
    check(&pack(&forward), Ok(&["app.web one", "app.web two"])).await;
    let two = entries(&["one", "two"]);
    check(&packed("app.web", &two, json!({"size": 2})), Ok(&["app.web one", "app.web two"])).await;
    let mut members = gzip(&two);
    members.extend(gzip(&entries(&["three"])));
    let all: &[&str] = &["app.web one", "app.web two", "app.web three"];
    check(&packed("app.web", &members, json!({"compressed": "gzip"})), Ok(all)).await;
    // Version 1.5: a pair of time and metadata in place of the time.
    check(&pack(&json!(["app.web", [[[5, {"m": 1}], {"log": "one"}]]])), Ok(&["app.web one"])).await;
    check(
        &array(&[&tag, &[0xd7, 0, 0, 0, 0, 5, 0, 0, 0, 7], &pack(&json!({"log": "x"}))]),
        Ok(&["app.web x"]),
    )
    .await;
    // Heartbeats between messages are nothing.
    let mut two_messages = pack(&json!(["t", 5, {"log": "1"}]));
    two_messages.push(0xc0);
    two_messages.extend(pack(&json!(["t", 5, {"log": "2"}])));
    check(&two_messages, Ok(&["t 1", "t 2"])).await;
}

/// Docker's `fluentd` driver: Message mode by fluent-logger-golang, whole seconds or an
/// EventTime (`fluentd-sub-second-precision`), and an option that is nil or holds a chunk's id.
#[tokio::test]
async fn dockers_driver_is_understood() {
    let record = json!({
        "container_id": "4f1c", "container_name": "/web", "source": "stderr", "log": "GET /"
    });
    let (tag, record) = (pack(&json!("docker.web")), pack(&record));
    let event_time = [0xd7, 0, 0x6b, 0x49, 0xd2, 0x00, 0, 0, 0, 7];
    let seconds = [0xd3, 0, 0, 0, 0, 0x6b, 0x49, 0xd2, 0x00];
    let served = serve();
    assert_eq!(served.send(&array(&[&tag, &event_time, &record, &[0xc0]])).await, b"");
    assert_eq!(served.send(&array(&[&tag, &seconds, &record, &[0x80]])).await, b"");
    let with_chunk = array(&[&tag, &seconds, &record, &pack(&json!({"chunk": "c2Vjb25k"}))]);
    assert_eq!(served.send(&with_chunk).await, pack(&json!({"ack": "c2Vjb25k"})));
    assert_eq!(served.sink.lines(), ["docker.web GET /"; 3]);
    let record = served.sink.records.lock().unwrap()[0].clone();
    assert_eq!(record.at, UnixNanos(0x6b49_d200 * 1_000_000_000 + 7));
    assert_eq!((record.metadata("container_name"), record.metadata("source")), ("/web", "stderr"));
}

/// Fluent Bit's forward output: PackedForward, entries with metadata since 2.1, options with
/// size, chunk, compression and the kind of signal.
#[tokio::test]
async fn fluent_bit_is_understood() {
    let head = [0x92, 0x92, 0xd7, 0, 0x6b, 0x49, 0xd2, 0x00, 0, 0, 0, 7, 0x80];
    let mut payload = head.to_vec();
    payload.extend(pack(&json!({"log": "one", "stream": "stdout"})));
    payload.extend(head);
    payload.extend(pack(&json!({"log": "two"})));
    let served = serve();
    let ack = pack(&json!({"ack": "0123"}));
    let options = json!({"size": 2, "fluent_signal": 0});
    assert_eq!(served.send(&packed("kube.a", &payload, options)).await, b"");
    let options = json!({"chunk": "0123", "size": 2, "fluent_signal": 0});
    assert_eq!(served.send(&packed("kube.b", &payload, options)).await, ack);
    for (kind, payload) in [("gzip", gzip(&payload)), ("zstd", zstd(&payload))] {
        let options = json!({"chunk": "0123", "size": 2, "compressed": kind, "fluent_signal": 0});
        assert_eq!(served.send(&packed("kube.c", &payload, options)).await, ack);
    }
    let both = |tag: &str| [format!("{tag} one"), format!("{tag} two")];
    assert_eq!(
        served.sink.lines(),
        [both("kube.a"), both("kube.b"), both("kube.c"), both("kube.c")].concat()
    );
    assert_eq!(served.sink.records.lock().unwrap()[0].at, UnixNanos(0x6b49_d200 * 1_000_000_000 + 7));
}

#[tokio::test]
async fn json_is_told_by_its_first_byte() {
    let text = "{\"tag\": \"flask.logs\", \"message\": \"test log\"}\n[\"t\", 5, {\"log\": \"]\"}]\r\n\
                [\"t\", [[5, {\"msg\": \"a\"}], [6, {\"msg\": \"b\"}]]]";
    check(text.as_bytes(), Ok(&["flask.logs test log", "t ]", "t a", "t b"])).await;
    check(b"{\"message\": \"no tag\"}", Err(Refusal::Tag)).await;
    check(b"[1, 2]", Err(Refusal::Format)).await;
    check(b"{\"tag\": nonsense}", Err(Refusal::Format)).await;
}

#[tokio::test]
async fn times_are_the_senders_and_json_without_one_is_now() {
    let served = serve();
    let mut message = array(&[
        &pack(&json!("t")),
        &[0xd7, 0, 0x6b, 0x49, 0xd2, 0x00, 0, 0, 0, 7],
        &pack(&json!({"log": "x", "level": "warn", "http.route": "/"})),
    ]);
    message.extend(b"{\"tag\":\"t\",\"log\":\"x\"}");
    served.send(&message).await;
    let records = served.sink.records.lock().unwrap().clone();
    assert_eq!(records[0].at, UnixNanos(0x6b49_d200 * 1_000_000_000 + 7));
    assert_eq!(records[0].stream.to_string(), r#"{job="t",level="warn",service_name="t"}"#);
    assert_eq!(records[0].metadata("http_route"), "/");
    assert_eq!(records[1].at, NOW);
}

#[tokio::test]
async fn a_time_of_zero_or_of_a_far_year_becomes_that_of_the_arrival() {
    let served = serve();
    let check = async |at: Value, expect: UnixNanos, n_retimed: u64| {
        served.send(&pack(&json!(["t", at, {"log": "x"}]))).await;
        let record = served.sink.records.lock().unwrap().pop().unwrap();
        assert_eq!((record.at, served.counts.retimed()), (expect, n_retimed), "{at}");
    };
    let now_s = NOW.0 / 1_000_000_000;
    check(json!(0), NOW, 1).await;
    // The year 2500 in seconds, and a time in milliseconds taken for seconds.
    check(json!(16_725_225_600_i64), NOW, 2).await;
    check(json!(1_800_000_000_000_i64), NOW, 3).await;
    check(json!(now_s + 601), NOW, 4).await;
    check(json!(-5), NOW, 5).await;
    check(json!(now_s + 600), UnixNanos(NOW.0 + 600_000_000_000), 5).await;
    check(json!(now_s - 86_400), UnixNanos(NOW.0 - 86_400_000_000_000), 5).await;
    let at_zero = [0xd7, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    served.send(&array(&[&pack(&json!("t")), &at_zero, &pack(&json!({"log": "x"}))])).await;
    served.send(b"{\"tag\": \"t\", \"time\": 0, \"log\": \"x\"}").await;
    assert_eq!(served.counts.retimed(), 7);
}

#[tokio::test]
async fn a_chunk_is_acknowledged_after_it_was_kept() {
    let served = serve();
    let message = packed("t", &entries(&["one", "two"]), json!({"chunk": "p8n9gmxTQVC8/nh2wlKKeQ=="}));
    assert_eq!(served.send(&message).await, pack(&json!({"ack": "p8n9gmxTQVC8/nh2wlKKeQ=="})));
    assert_eq!(*served.sink.n_durable.lock().unwrap(), 2);
    let text = b"[\"t\", 5, {\"log\": \"x\"}, {\"chunk\": \"id\"}]";
    assert_eq!(served.send(text).await, b"{\"ack\":\"id\"}");
    // Without the option nobody waits for the disk and nothing is answered.
    assert_eq!(served.send(&pack(&json!(["t", 5, {"log": "x"}]))).await, b"");
    assert_eq!(*served.sink.n_durable.lock().unwrap(), 3);
}

#[tokio::test]
async fn what_was_not_kept_is_not_acknowledged() {
    let served = serve();
    served.sink.is_broken.store(true, Ordering::Relaxed);
    let message = packed("t", &entries(&["one"]), json!({"chunk": "id"}));
    assert_eq!(served.send(&message).await, b"");
    assert_eq!(served.counts.refused(Refusal::NotKept), 1);
}

#[tokio::test]
async fn a_large_chunk_is_kept_in_steps_and_acknowledged_once() {
    let served = serve();
    let lines: Vec<String> = (0..20_000).map(|n| format!("line {n} {}", "x".repeat(100))).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let mut message = packed("t", &entries(&lines), json!({"chunk": "id"}));
    let zipped = packed("t", &gzip(&entries(&lines)), json!({"chunk": "zipped", "compressed": "gzip"}));
    message.extend(zipped);
    let mut expect = pack(&json!({"ack": "id"}));
    expect.extend(pack(&json!({"ack": "zipped"})));
    assert_eq!(served.send(&message).await, expect);
    assert_eq!(*served.sink.n_durable.lock().unwrap(), 40_000);
}

#[tokio::test]
async fn a_bad_message_costs_its_own_connection_only() {
    let served = serve();
    let mut bytes = packed("t", &entries(&["before"]), json!({"chunk": "good"}));
    bytes.extend([0xc1, 0xc1]);
    bytes.extend(pack(&json!(["t", 5, {"log": "after"}])));
    let mut kept = TcpStream::connect(served.address).await.unwrap();
    assert_eq!(served.send(&bytes).await, pack(&json!({"ack": "good"})));
    assert_eq!(served.sink.lines(), ["t before"]);
    kept.write_all(&packed("t", &entries(&["other"]), json!({"chunk": "kept"}))).await.unwrap();
    let mut answer = vec![0; pack(&json!({"ack": "kept"})).len()];
    kept.read_exact(&mut answer).await.unwrap();
    assert_eq!(served.sink.lines(), ["t before", "t other"]);
}

#[tokio::test]
async fn bombs_are_refused() {
    check(&[0x91; 10_000], Err(Refusal::Depth)).await;
    check("[".repeat(10_000).as_bytes(), Err(Refusal::Depth)).await;
    check(&[0xdd, 0xff, 0xff, 0xff, 0xff], Err(Refusal::Size)).await;
    check(&[0x93, 0xa1, b't', 0xc6, 0xff, 0xff, 0xff, 0xff], Err(Refusal::Size)).await;
    let endless_json = format!("[\"{}", "x".repeat(JSON_MAX_BYTES));
    check(endless_json.as_bytes(), Err(Refusal::Size)).await;
    let zeros = gzip(&vec![0; 64 << 20]);
    check(&packed("t", &zeros, json!({"compressed": "gzip"})), Err(Refusal::Format)).await;
    // One string that never ends, in 200 KB.
    let mut endless = vec![0x92, 5, 0xdb, 0x0c, 0, 0, 0];
    endless.resize(200 << 20, b'x');
    check(&packed("t", &gzip(&endless), json!({"compressed": "gzip"})), Err(Refusal::Size)).await;
    let many = [0x92, 5, 0x80].repeat(600_000);
    let served = serve();
    served.send(&packed("t", &gzip(&many), json!({"compressed": "gzip"}))).await;
    assert_eq!(served.counts.refused(Refusal::Size), 1);
}

#[tokio::test]
async fn zstd_frames_follow_each_other_and_skippable_ones_are_passed_over() {
    let mut frames = zstd(&entries(&["one", "two"]));
    // RFC 8878, 3.1.2: a magic number of a range, a length, and what it says.
    frames.extend([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, b'a', b'b', b'c']);
    frames.extend(zstd(b""));
    frames.extend(zstd(&entries(&["three"])));
    let options = json!({"compressed": "zstd"});
    check(&packed("t", &frames, options.clone()), Ok(&["t one", "t two", "t three"])).await;
    check(&packed("t", &frames[..frames.len() - 1], options.clone()), Err(Refusal::Compression)).await;
    check(&packed("t", &zstd(&entries(&["x"])[..9]), options), Err(Refusal::Format)).await;
}

#[tokio::test]
async fn zstd_bombs_are_refused() {
    let options = json!({"compressed": "zstd"});
    let mut endless = vec![0x92, 5, 0xdb, 0x0c, 0, 0, 0];
    endless.resize(200 << 20, b'x');
    check(&packed("t", &zstd(&endless), options.clone()), Err(Refusal::Size)).await;
    // Entries of a legal size, together beyond the bound.
    let mut entry = vec![0x92, 5, 0x81, 0xa3, b'l', b'o', b'g', 0xdb, 0, 0x08, 0, 0];
    entry.resize(entry.len() + (8 << 16), b'x');
    let served = serve();
    served.send(&packed("t", &zstd(&entry.repeat(200)), options.clone())).await;
    assert_eq!(served.counts.refused(Refusal::Inflated), 1);
    // A window of 2 GiB: RFC 8878, 3.1.1.1.2, exponent 21 of 31 and a raw block of a byte.
    let wide = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x09, 0x00, 0x00, b'x'];
    check(&packed("t", &wide, options.clone()), Err(Refusal::Compression)).await;
    // The largest that is allowed is 8 MiB, exponent 13.
    let allowed = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 13 << 3, 0x09, 0x00, 0x00, b'x'];
    check(&packed("t", &allowed, options), Err(Refusal::Format)).await;
}

#[tokio::test]
async fn nonsense_is_refused_by_its_reason() {
    check(&pack(&json!(["", 5, {"log": "x"}])), Err(Refusal::Tag)).await;
    check(&pack(&json!(["t".repeat(TAG_MAX_BYTES + 1), 5, {"log": "x"}])), Err(Refusal::Tag)).await;
    check(&pack(&json!(["a\nb", 5, {"log": "x"}])), Err(Refusal::Tag)).await;
    check(&pack(&json!(["t"])), Err(Refusal::Format)).await;
    check(&pack(&json!(["t", 5])), Err(Refusal::Format)).await;
    check(&pack(&json!(["t", 5, "no map"])), Err(Refusal::Format)).await;
    check(&pack(&json!(["t", {}, {}])), Err(Refusal::Format)).await;
    check(&pack(&json!({"a": 1})), Err(Refusal::Format)).await;
    check(b"GET / HTTP/1.1\r\n\r\n", Err(Refusal::Format)).await;
    check(&packed("t", &entries(&["x"])[..9], json!({})), Err(Refusal::Format)).await;
    check(&packed("t", b"no zstd", json!({"compressed": "zstd"})), Err(Refusal::Compression)).await;
    check(&packed("t", b"", json!({"compressed": "lz4"})), Err(Refusal::Compression)).await;
    check(&packed("t", b"no gzip", json!({"compressed": "gzip"})), Err(Refusal::Compression)).await;
    check(&packed("t", b"", json!({"chunk": "c".repeat(1_000)})), Err(Refusal::Size)).await;
    let cut = &pack(&json!(["t", 5, {"log": "x"}]))[..6];
    check(cut, Err(Refusal::Format)).await;
}

const KEY: &str = "a key of two";

fn serve_with_key() -> Served {
    serve_with(Config { shared_key: SharedKey::new(KEY), ..Config::default() })
}

/// Returns the PING of a sender with a key, for the HELO that it got. Hosts, salts and users are
/// told as text, or as binary data as by Ruby.
fn ping(hello: &[u8], key: &str) -> Vec<u8> {
    use sha2::Digest;
    let nonce = hello.windows(8).position(|window| window == b"\xa5nonce\xc4\x10").unwrap() + 8;
    let digest = sha2::Sha512::new().chain_update(b"salt").chain_update(b"sender");
    let digest = digest.chain_update(&hello[nonce..nonce + 16]).chain_update(key).finalize();
    let text = |text: &str| pack(&json!(text));
    array(&[&text("PING"), &text("sender"), &bin(b"salt"), &text(&hex::encode(digest)), &text(""), &text("")])
}

/// Connects, and returns the HELO.
async fn greeted(served: &Served) -> (TcpStream, Vec<u8>) {
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let mut hello = vec![0; 48];
    stream.read_exact(&mut hello).await.unwrap();
    assert_eq!((&hello[..7], hello.last()), (&b"\x92\xa4HELO\x83"[..], Some(&0xc3)));
    (stream, hello)
}

#[tokio::test]
async fn a_sender_with_the_key_is_taken_and_told_that_we_know_it_too() {
    use sha2::Digest;
    let served = serve_with_key();
    let (mut stream, hello) = greeted(&served).await;
    stream.write_all(&ping(&hello, KEY)).await.unwrap();
    let nonce = &hello[hello.windows(7).position(|window| window == b"nonce\xc4\x10").unwrap() + 7..][..16];
    let digest = sha2::Sha512::new().chain_update(b"salt").chain_update(b"vitrine");
    let digest = hex::encode(digest.chain_update(nonce).chain_update(KEY).finalize());
    let expect = pack(&json!(["PONG", true, "", "vitrine", digest]));
    let mut pong = vec![0; expect.len()];
    stream.read_exact(&mut pong).await.unwrap();
    assert_eq!(pong, expect);
    stream.write_all(&packed("t", &entries(&["known"]), json!({"chunk": "id"}))).await.unwrap();
    stream.read_exact(&mut vec![0; pack(&json!({"ack": "id"})).len()]).await.unwrap();
    assert_eq!(served.sink.lines(), ["t known"]);
}

#[tokio::test]
async fn a_sender_with_another_key_is_told_and_closed() {
    let served = serve_with_key();
    let (mut stream, hello) = greeted(&served).await;
    stream.write_all(&ping(&hello, "another key")).await.unwrap();
    let mut pong = Vec::new();
    stream.read_to_end(&mut pong).await.unwrap();
    assert_eq!(pong, pack(&json!(["PONG", false, "shared_key mismatch", "", ""])));
    assert_eq!(served.counts.refused(Refusal::SharedKey), 1);
    // What was right for one connection is wrong on the next.
    let (_first, hello) = greeted(&served).await;
    let (mut second, _) = greeted(&served).await;
    second.write_all(&ping(&hello, KEY)).await.unwrap();
    second.read_to_end(&mut Vec::new()).await.unwrap();
    assert_eq!((served.counts.refused(Refusal::SharedKey), served.sink.lines()), (2, vec![]));
}

#[tokio::test]
async fn nothing_is_taken_before_the_handshake() {
    let served = serve_with_key();
    let long = array(&[&pack(&json!("PING")), &pack(&json!("h".repeat(5_000)))]);
    let messages = [
        pack(&json!(["t", 5, {"log": "x"}])),
        b"{\"tag\": \"t\", \"log\": \"x\"}".to_vec(),
        b"[\"PING\", \"h\", \"s\", \"d\", \"\", \"\"]".to_vec(),
        pack(&json!(["PING", "h", "s", "d"])),
        pack(&json!(["PONG", "h", "s", "d", "", ""])),
        pack(&json!(["PING", 1, 2, 3, 4, 5])),
        vec![0x91; 5_000],
        vec![0xdd, 0xff, 0xff, 0xff, 0xff],
        vec![0xc0],
        pack(&json!("PING")),
        vec![0x96, 0xa4, b'P'],
        long,
    ];
    for (idx, message) in messages.iter().enumerate() {
        served.send(message).await;
        assert_eq!(served.counts.refused(Refusal::Handshake), idx as u64 + 1, "{message:x?}");
    }
    // Who only looks whether we are there has done nothing wrong.
    served.send(b"").await;
    let n_refused: u64 = Refusal::ALL.into_iter().map(|reason| served.counts.refused(reason)).sum();
    assert_eq!((n_refused, served.sink.lines()), (messages.len() as u64, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_is_not_finished_is_closed() {
    let served = serve_with_key();
    let (mut stream, hello) = greeted(&served).await;
    stream.write_all(&ping(&hello, KEY)[..20]).await.unwrap();
    stream.read_to_end(&mut Vec::new()).await.unwrap();
    assert_eq!(served.counts.refused(Refusal::Timeout), 1);
}

#[tokio::test]
async fn with_a_key_datagrams_are_refused_and_heartbeats_are_echoed() {
    let served = serve_with_key();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(served.address).await.unwrap();
    socket.send(b"{\"tag\": \"t\", \"log\": \"x\"}").await.unwrap();
    socket.send(&[0]).await.unwrap();
    assert_eq!(socket.recv(&mut [1; 8]).await.unwrap(), 1);
    assert_eq!((served.counts.refused(Refusal::Handshake), served.sink.lines()), (1, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_floods_is_slowed_and_loses_nothing() {
    let served = serve_with(Config { bytes_per_second: 1_000, ..Config::default() });
    let began = tokio::time::Instant::now();
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let line = "x".repeat(1_000);
    let mut n_acked = 0;
    for n in 0..12 {
        let id = format!("id{n:02}");
        stream.write_all(&packed("t", &entries(&[&line]), json!({"chunk": id}))).await.unwrap();
        let expect = pack(&json!({ "ack": id }));
        let mut answer = vec![0; expect.len()];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, expect);
        n_acked += 1;
        // Another program has its own budget.
        let other = packed("other", &entries(&["y"]), json!({"chunk": "o"}));
        assert_eq!(served.send(&other).await, pack(&json!({"ack": "o"})));
    }
    // A record costs 1,064 bytes and ten seconds are a burst, so that the tenth is paid for by a
    // rest of 0.64 s and the eleventh, while the clock of the budgets stands, by 1.7 s.
    let took = began.elapsed().as_millis();
    assert!((2_344..3_000).contains(&took), "{took}");
    assert!(served.counts.pauses() >= 2);
    assert_eq!((n_acked, served.sink.lines().len()), (12, 24));
    assert_eq!(served.counts.refused(Refusal::Timeout), 0);
}

#[tokio::test]
async fn datagrams_beyond_the_rate_are_dropped_and_counted() {
    let served = serve_with(Config { bytes_per_second: 1_000, ..Config::default() });
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(served.address).await.unwrap();
    let line = "x".repeat(1_000);
    for _ in 0..30 {
        socket.send(format!("{{\"tag\":\"t\",\"log\":\"{line}\"}}").as_bytes()).await.unwrap();
    }
    socket.send(b"{\"tag\":\"other\",\"log\":\"y\"}").await.unwrap();
    socket.send(&[0]).await.unwrap();
    assert_eq!(socket.recv(&mut [1; 8]).await.unwrap(), 1);
    let lines = served.sink.lines();
    // The tenth is the last that begins inside of the burst.
    assert_eq!((lines.len(), served.counts.refused(Refusal::Rate)), (11, 20));
    assert_eq!(lines.last().unwrap(), "other y");
}

#[tokio::test(start_paused = true)]
async fn half_a_message_and_then_silence_is_closed() {
    let served = serve();
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(&pack(&json!(["t", 5, {"log": "x"}]))[..6]).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(served.counts.refused(Refusal::Timeout), 1);
}

#[tokio::test]
async fn connections_beyond_the_bound_are_closed() {
    let served = serve();
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(b"[\"t\",5,{},{\"chunk\":\"c\"}]").await.unwrap();
        stream.read_exact(&mut [0; 11]).await.unwrap();
        held.push(stream);
    }
    let mut one_more = TcpStream::connect(served.address).await.unwrap();
    assert_eq!(one_more.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    assert_eq!(served.counts.refused(Refusal::Connections), 1);
}

#[tokio::test]
async fn datagrams_become_records_and_heartbeats_are_echoed() {
    let served = serve();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(served.address).await.unwrap();
    let bomb = packed("t", &gzip(&[0x92, 5, 0x80].repeat(100_000)), json!({"compressed": "gzip"}));
    for datagram in [
        b"{\"tag\": \"flask.logs\", \"message\": \"test log\"}\n".to_vec(),
        pack(&json!(["t", 5, {"log": "packed"}])),
        b"nonsense".to_vec(),
        bomb,
        vec![0],
    ] {
        socket.send(&datagram).await.unwrap();
    }
    let mut echo = [1; 8];
    // The heartbeat came last, so that the others are done when it is answered.
    assert_eq!(socket.recv(&mut echo).await.unwrap(), 1);
    assert_eq!(echo[0], 0);
    served.forward.stop().await;
    assert_eq!(served.sink.lines(), ["flask.logs test log", "t packed"]);
    assert_eq!(served.counts.refused(Refusal::Format), 1);
    assert_eq!(served.counts.refused(Refusal::Compression), 1);
}

#[tokio::test]
async fn a_stop_takes_what_had_arrived_and_closes_the_sockets() {
    let Served { forward, sink, address, .. } = serve();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&pack(&json!(["t", 5, {"log": "by tcp"}]))).await.unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(b"{\"tag\":\"t\",\"log\":\"by udp\"}", address).await.unwrap();
    // The tasks have not run once by now.
    tokio::time::timeout(Duration::from_secs(10), forward.stop()).await.unwrap();
    let mut lines = sink.lines();
    lines.sort();
    assert_eq!(lines, ["t by tcp", "t by udp"]);
    assert!(TcpStream::connect(address).await.is_err());
}

#[test]
fn a_taken_port_is_told_from_other_faults() {
    let taken = Bound::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let fault = Bound::bind(taken.address()).err().unwrap();
    assert!(fault.is_in_use() && !fault.is_no_address());
    let elsewhere = Bound::bind(([192, 0, 2, 1], 0).into()).err().unwrap();
    assert!(elsewhere.is_no_address(), "{elsewhere:?}");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f32>().prop_filter("JSON has no NaN", |n| n.is_finite()).prop_map(|n| json!(f64::from(n))),
        ".{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            proptest::collection::btree_map(".{0,8}", inner, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_was_packed_is_read_back(value in any_json()) {
        prop_assert_eq!(value::decode(&pack(&value)).unwrap(), value);
    }

    #[test]
    fn random_messages_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(Some(frame)) = Frame::read(&bytes, NOW) {
            for entry in frame.entries.take(1_000).flatten() {
                entry.into_log_record(&frame.tag);
            }
        }
    }

    #[test]
    fn damaged_messages_never_panic(place in any::<prop::sample::Index>(), byte: u8, is_zipped: bool) {
        let payload = entries(&["one", "two"]);
        let (payload, options) = if is_zipped {
            (gzip(&payload), json!({"compressed": "gzip", "chunk": "id"}))
        } else {
            (payload, json!({"chunk": "id"}))
        };
        let mut bytes = packed("tag", &payload, options);
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(Some(frame)) = Frame::read(&bytes, NOW) {
            for entry in frame.entries.take(1_000).flatten() {
                entry.into_log_record(&frame.tag);
            }
        }
    }
}
