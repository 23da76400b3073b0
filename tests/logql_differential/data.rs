//! Lines of every kind that a query may meet, and the requests that push them.

use serde_json::{Map, Value, json};

use crate::differential::random::Random;

/// Over how long the lines are spread.
pub const SPAN_NS: i64 = 2 * 3_600 * 1_000_000_000;

/// Lines of each stream, on average one in half a minute.
const N_LINES: usize = 250;

/// Lines of one request; vitrine takes 2 MiB of JSON.
const BATCH: usize = 500;

/// A line of a stream: when, counted from the first moment, what, and what travels beside it.
pub struct Line {
    pub at_ns: i64,
    pub text: String,
    pub metadata: Vec<(&'static str, String)>,
}

/// A stream with its lines in the order of time.
pub struct Stream {
    pub labels: Labels,
    pub lines: Vec<Line>,
}

type Labels = &'static [(&'static str, &'static str)];

type Text = fn(&mut Random) -> String;

type Metadata = fn(&mut Random) -> Vec<(&'static str, String)>;

/// Each stream has a `service_name`, which neither side has to find then.
const STREAMS: &[(Labels, Text, Metadata)] = &[
    (&[("job", "api"), ("service_name", "api"), ("env", "prod"), ("instance", "a:1")], object, none),
    (&[("job", "api"), ("service_name", "api"), ("env", "prod"), ("instance", "b:1")], object, none),
    (&[("job", "api"), ("service_name", "api"), ("env", "dev"), ("instance", "c:2")], broken_object, none),
    (&[("job", "shop"), ("service_name", "shop"), ("level", "info")], pairs, none),
    (&[("job", "shop"), ("service_name", "shop"), ("level", "error")], pairs, none),
    (&[("job", "shop"), ("service_name", "shop"), ("level", "WARN")], broken_pairs, none),
    (&[("job", "web"), ("service_name", "web"), ("host", "one")], access, request),
    (&[("job", "web"), ("service_name", "web"), ("host", "two")], access, request),
    (&[("job", "plain"), ("service_name", "plain")], plain, none),
    (&[("job", "packed"), ("service_name", "packed")], packed, none),
    (&[("job", "meta"), ("service_name", "meta"), ("severity", "Warning"), ("env", "prod")], plain, odd),
    (&[("job", "numbers"), ("service_name", "numbers")], numbers, none),
];

/// Returns all streams of a seed.
pub fn streams(seed: u64) -> Vec<Stream> {
    let mut random = Random(seed);
    STREAMS
        .iter()
        .map(|(labels, text, metadata)| {
            let mut lines: Vec<Line> = Vec::new();
            for idx in 0..N_LINES {
                let mut at_ns = moment(&mut random, idx);
                let last = lines.last();
                let last_ns = last.map_or(0, |line| line.at_ns);
                if at_ns <= last_ns || random.once_in(12) {
                    at_ns = last_ns;
                }
                let text = text(&mut random);
                // Loki keeps one of two lines that are the same at the same moment.
                if lines.iter().rev().take_while(|line| line.at_ns == at_ns).any(|line| line.text == text) {
                    at_ns += 1;
                }
                lines.push(Line { at_ns, text, metadata: metadata(&mut random) });
            }
            Stream { labels, lines }
        })
        .collect()
}

/// When the line of this number comes: now and then on a whole minute, where steps and windows
/// end, and other streams' lines are.
fn moment(random: &mut Random, idx: usize) -> i64 {
    const MINUTE_NS: i64 = 60_000_000_000;
    let at_ns = SPAN_NS / N_LINES as i64 * idx as i64 + random.below(25_000_000_000) as i64;
    if random.once_in(10) { at_ns / MINUTE_NS * MINUTE_NS + MINUTE_NS } else { at_ns }
}

/// Returns the bodies of the requests, in the order of time: a receiver refuses what is far behind.
pub fn push_requests(streams: &[Stream], first_ns: i64) -> Vec<Vec<u8>> {
    let mut all: Vec<(&Stream, &Line)> =
        streams.iter().flat_map(|stream| stream.lines.iter().map(move |line| (stream, line))).collect();
    all.sort_by_key(|(_, line)| line.at_ns);
    let body = |lines: &[(&Stream, &Line)]| {
        let streams: Vec<Value> = lines
            .iter()
            .map(|(stream, line)| {
                let labels: Map<String, Value> =
                    stream.labels.iter().map(|(name, value)| ((*name).into(), json!(value))).collect();
                let metadata: Map<String, Value> =
                    line.metadata.iter().map(|(name, value)| ((*name).into(), json!(value))).collect();
                let at = (first_ns + line.at_ns).to_string();
                json!({"stream": labels, "values": [[at, line.text, metadata]]})
            })
            .collect();
        serde_json::to_vec(&json!({"streams": streams})).unwrap()
    };
    all.chunks(BATCH).map(body).collect()
}

const LEVELS: &[&str] =
    &["info", "INFO", "warn", "Warning", "error", "ERR", "debug", "fatal", "trace", "odd"];

const WORDS: &[&str] = &[
    "connection refused",
    "user logged in",
    "timeout after 30s",
    "Grüße aus Köln",
    "日本語のログ",
    "cache miss",
    "needle",
    "needles and pins",
    "GET /cv 200",
    "a.b*c",
    "100% of it",
    "",
];

const DURATIONS: &[&str] = &["12.5ms", "1s", "250ms", "1h2m3s", "3m", "900us", "1µs", "0s", "-5s", "2.5s"];

const SIZES: &[&str] = &["12B", "1KB", "1.2KB", "3MB", "4KiB", "5 KB", "1GiB", "100kb", "7"];

const ADDRESSES: &[&str] = &[
    "192.168.0.7",
    "192.168.4.200",
    "10.0.0.1",
    "10.255.3.9",
    "127.0.0.1",
    "8.8.8.8",
    "2001:db8::1",
    "2001:db8:0:1::ff",
    "::1",
    "999.1.2.3",
    "1.2.3",
];

fn none(_: &mut Random) -> Vec<(&'static str, String)> {
    Vec::new()
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// What a service writes that logs objects.
fn object(random: &mut Random) -> String {
    match random.below(16) {
        0 => {
            let (id, tag) = (random.below(9), random.below(3));
            format!(
                r#"{{"a":{{"b":{{"c":{id},"d":[1,2,{{"e":"deep"}}]}}}},"list":[{{"name":"n{tag}","v":{id}}},"x",null],"level":"debug"}}"#
            )
        }
        1 => r#"{"text":"tab\tquote\"back\\slash\/ \u0041\u00e9 \ud83d\ude00","level":"info","new":"two\nlines"}"#
            .into(),
        2 => format!(
            r#"{{"env":"inner","job":"other","instance":"{}","user":{{"id":1}},"user_id":2}}"#,
            random.of(&["a:1", "z"])
        ),
        3 => r#"{"a.b":1,"a-b":2,"1st":3,"":4,"ключ":5,"a b":6,"__x":7,"UPPER":8,"ok_1":9}"#.into(),
        4 => r#"{"big":12345678901234567890,"exp":1e3,"tiny":0.1e-5,"zero":-0,"one":1.0,"neg":-17.25}"#.into(),
        5 => format!("{{\n  \"level\" : \"{}\",\n  \"status\" : 404\n}}", random.of(LEVELS)),
        6 => r#"{"status":200,"status":500,"empty":"","null":null,"yes":true,"no":false,"obj":{},"arr":[]}"#.into(),
        _ => {
            let status = random.of(&["200", "200", "200", "304", "404", "500", "503"]);
            format!(
                r#"{{"level":"{}","method":"{}","path":"/cv/{}","status":{status},"duration":"{}","size":"{}","bytes":{},"latency":{:.3},"user":{{"id":{},"name":"Änne"}},"addr":"{}","ok":{},"msg":{}}}"#,
                random.of(LEVELS),
                random.of(&["GET", "POST", "get"]),
                random.below(5),
                random.of(DURATIONS),
                random.of(SIZES),
                random.below(100_000),
                random.share() * 3.0,
                random.below(20),
                random.of(ADDRESSES),
                random.once_in(2),
                quoted(random.of(WORDS)),
            )
        }
    }
}

/// Objects, and what is none.
fn broken_object(random: &mut Random) -> String {
    let of = [
        r#"{"level":"error","status":5"#,
        r#"{"status":500} trailing"#,
        r#"{"status":500,}"#,
        "{'status':500}",
        r#"[1,2,{"a":1}]"#,
        r#""a text""#,
        "42",
        "{}",
        "null",
        r#"{"a":"bad \x escape","status":200}"#,
        r#"{"a":"half \ud83d pair","status":200}"#,
        r#"{"a":{"b":"c"}"#,
        r#"{"a":1 "b":2}"#,
        r#"prefix {"status":500}"#,
        r#"{"status":nul}"#,
        "no object at all",
    ];
    if random.once_in(2) { random.of(&of).to_string() } else { object(random) }
}

/// What a service writes that logs `name=value`.
fn pairs(random: &mut Random) -> String {
    let (order, status) = (random.below(1_000), random.of(&["200", "201", "404", "500"]));
    let base = format!(
        r#"ts=2026-06-01T00:00:00Z level={} msg={} order={order} status={status} took={} size={} user={} empty= flag addr={} price={:.2}"#,
        random.of(LEVELS),
        quoted(random.of(WORDS)),
        random.of(DURATIONS),
        random.of(&["12B", "1KB", "3MB", "4KiB", "1GiB", "100kb", "7"]),
        random.of(&["anna", "otto", "\"Jan Ole\"", "\"\"", "Änne"]),
        random.of(ADDRESSES),
        random.share() * 99.0,
    );
    match random.below(8) {
        0 => format!(r#"{base} note="say \"hi\" = \\ \n \t \u00e9" last=1"#),
        1 => format!("  {base}   job=other service_name=x  "),
        2 => format!("{base} order=again"),
        _ => base,
    }
}

/// The same, and what is none.
fn broken_pairs(random: &mut Random) -> String {
    let of = [
        "=novalue status=1",
        "a==b status=1",
        "\"x\"=y status=1",
        "status=200 msg=\"unterminated",
        "status=200 msg=\"a\"b c=1",
        "a=b\"c status=1",
        "bare words only",
        "a.b=1 a-b=2 1st=3 ключ=4 UPPER=5 status=200",
        "tab\there=1\tstatus=200",
        "status=200 \"quoted key\"=1",
        "x=\"bad \\q escape\" status=200",
        "= = =",
        "status=200 a=\u{1}b",
        "",
    ];
    if random.once_in(2) { random.of(&of).to_string() } else { pairs(random) }
}

/// What a web server writes.
fn access(random: &mut Random) -> String {
    let path = random.of(&["/", "/cv", "/cv?x=1&y=%20z", "/static/a.js", "/admin/login"]);
    let status = random.of(&["200", "200", "200", "304", "404", "502"]);
    format!(
        r#"{} - {} [01/Jun/2026:00:00:0{} +0000] "{} {path} HTTP/1.1" {status} {} "-" "{}" {:.3}"#,
        random.of(ADDRESSES),
        random.of(&["-", "anna", "otto"]),
        random.below(10),
        random.of(&["GET", "POST", "HEAD"]),
        random.below(50_000),
        random.of(&["curl/8.5.0", "Mozilla/5.0 (X11; Linux x86_64)", "-"]),
        random.share(),
    )
}

/// What travels beside it.
fn request(random: &mut Random) -> Vec<(&'static str, String)> {
    let mut res = vec![
        ("trace_id", format!("{:016x}", random.bits())),
        ("duration_ms", format!("{:.3}", random.share() * 900.0)),
        ("http_response_status_code", random.of(&["200", "404", "502"]).into()),
    ];
    if random.once_in(4) {
        res.push(("size", random.of(SIZES).into()));
    }
    if random.once_in(5) {
        res.push(("host", random.of(&["one", "three"]).into()));
    }
    res
}

/// Names that mean something elsewhere too.
fn odd(random: &mut Random) -> Vec<(&'static str, String)> {
    let mut res = vec![("user", random.of(&["anna", "otto"]).into())];
    match random.below(8) {
        0 => res.push(("level", random.of(LEVELS).into())),
        1 => res.push(("detected_level", random.of(LEVELS).into())),
        2 => res.push(("env", random.of(&["prod", "dev"]).into())),
        3 => res.push(("status", random.of(&["200", "x", "5e2"]).into())),
        4 => res.push(("msg", random.of(&["with space", "with \"quotes\"", "Änne"]).into())),
        _ => {}
    }
    res
}

/// Sentences, coloured ones, and what has no sense.
fn plain(random: &mut Random) -> String {
    let (word, n) = (random.of(WORDS), random.below(1_000));
    match random.below(19) {
        0 => format!("\u{1b}[31mERROR\u{1b}[0m {word} \u{1b}[1;32m{n}\u{1b}[m"),
        1 => format!("[{}] {word}", random.of(LEVELS)),
        2 => format!("{}: {word} {n}", random.of(LEVELS)),
        3 => format!("misc:error {word} {n}"),
        4 => format!("level={} {word}", random.of(LEVELS)),
        5 => "".into(),
        6 => "   ".into(),
        7 => format!("thrown: {word}\n\tat main.rs:{n}\n\tat lib.rs:1"),
        8 => format!("  {word}  "),
        9 => format!("failure {n}, was no message"),
        10 => "x".repeat(200 + n),
        11 => format!("user={word} from {} port {n}", random.of(ADDRESSES)),
        12 => format!("{} to {} took {}", random.of(ADDRESSES), random.of(ADDRESSES), random.of(DURATIONS)),
        13 => format!("YWJj {word} %41%20b+c"),
        14 => r#"{"__error__":"mine","status":"200"}"#.into(),
        _ => format!("worker {} {word} {n}", random.below(4)),
    }
}

/// Lines as Promtail's `pack` makes them, and nearly so.
fn packed(random: &mut Random) -> String {
    let n = random.below(50);
    match random.below(9) {
        0 => format!(r#"{{"container":"c{n}","pod":"p"}}"#),
        1 => format!(r#"{{"_entry":{n},"pod":"p"}}"#),
        2 => r#"{"_entry":"x","nested":{"a":1},"n":2,"yes":true}"#.into(),
        3 => r#"{"_entry":"x","job":"inner","service_name":"y"}"#.into(),
        4 => format!(r#"{{"_entry":{},"pod":"q"}}"#, quoted(&format!(r#"{{"status":{n},"level":"warn"}}"#))),
        5 => r#"{"_entry":"cut"#.into(),
        6 => "not packed".into(),
        _ => format!(r#"{{"_entry":"level=error order={n} msg=\"said \\u00e9\"","pod":"p{}"}}"#, n % 3),
    }
}

/// Numbers, durations, sizes and addresses in forms that are right, wrong or neither.
fn numbers(random: &mut Random) -> String {
    let n = ["1", "-2.5", "1e3", "NaN", "Inf", "-inf", "0x10", "1_000", "1e400", "", "1,5", "+7", ".5", "5."];
    let d = ["1h2m", "-5s", "1d", "2w", "1.5h", "5", "1s 5ms", "1y", "", "100ns", "1m30", "0"];
    let b = ["5 KB", "12MiB", "3kb", "1e3B", "-1KB", "5", "1.5gb", "10kib", "", "1 000B", "2TB", "1K", "5b"];
    let ip = [
        "10.0.0.1",
        "10.0.0.1:80",
        "::ffff:10.0.0.1",
        "fe80::1%eth0",
        "10.0.0",
        "",
        "10.0.0.01",
        "2001:db8::2",
    ];
    format!(
        r#"n="{}" d="{}" b="{}" ip="{}" i={} f={:.4} u={}"#,
        random.of(&n),
        random.of(&d),
        random.of(&b),
        random.of(&ip),
        random.below(100),
        random.share() * 10.0 - 5.0,
        random.of(&["a", "b", "c"]),
    )
}
