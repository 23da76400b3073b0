//! What no well-meaning client sends: refused or answered, and the page stays quick.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::harness::{PATIENCE, Vitrine};

fn statuses(answer: &str) -> Vec<u16> {
    let heads = answer.match_indices("HTTP/1.1 ");
    heads.map(|(at, _)| answer[at + 9..].get(..3).unwrap().parse().unwrap()).collect()
}

#[test]
fn malformed_requests_are_refused_and_end_their_connection() {
    let vitrine = Vitrine::start();
    let long = "x".repeat(1 << 20);
    let many: String = (0..100_000).map(|n| format!("X-{n}: 1\r\n")).collect();
    let requests = [
        "GARBAGE\r\n\r\n".to_string(),
        "GET / HTTP/9.9\r\nHost: a\r\n\r\n".into(),
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n".into(),
        "G\u{0}T / HTTP/1.1\r\nHost: a\r\n\r\n".into(),
        "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n".into(),
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\u{0}b\r\n\r\n".into(),
        "GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n".into(),
        format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"),
        "GET /a\u{0}b HTTP/1.1\r\nHost: a\r\n\r\n".into(),
        // What could be two requests to a proxy and one to us, or the other way round.
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"
            .into(),
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".into(),
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na".into(),
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n".into(),
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n".into(),
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n".into(),
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(),
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".into(),
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n".into(),
    ];
    for request in requests {
        // What follows on the same connection must not become a request.
        let smuggled = format!("{request}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
        let statuses = statuses(&vitrine.raw(&smuggled));
        let shown: String = request.chars().take(120).collect();
        assert!(matches!(*statuses, [400 | 405 | 431]), "{statuses:?} to {shown:?}");
    }
    assert_eq!(vitrine.get("/").status, 200);
}

#[test]
fn strange_paths_lead_nowhere() {
    let vitrine = Vitrine::start();
    let check = |method: &str, path: &str, expected: u16| {
        let answer =
            vitrine.raw(&format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        assert_eq!(statuses(&answer), [expected], "{method} {path:?}");
        assert!(!answer.contains("root:") && !answer.contains("basics:"), "{method} {path:?}");
    };
    for path in [
        "/../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/assets/../../etc/passwd",
        "/assets//etc/passwd",
        "/.well-known/acme-challenge/..%2f..%2fcv.yaml",
        "/.well-known/acme-challenge/%2e%2e",
        "/cv.yaml",
        "/%00",
        "/a%00b",
        "/%zz",
        "/%",
        "/%e4",
        "//",
        "/./",
        "http://elsewhere/../etc/passwd",
        "*",
        "nothing",
    ] {
        check("GET", path, 404);
        check("HEAD", path, 404);
        check("DELETE", path, 405);
    }
    for path in ["/?", "/?%zz=%00&&&=", "http://elsewhere/"] {
        check("GET", path, 200);
    }
    for path in ["/\u{e4}", "", "/ /"] {
        check("GET", path, 400);
    }
}

#[test]
fn unusual_requests_have_the_answers_of_the_rfc() {
    let vitrine = Vitrine::start();
    for (request, expected) in [
        ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nConnection: close\r\n\r\n", "HTTP/1.1 405 "),
        ("TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 405 "),
        ("BREW / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 405 "),
        // RFC 9112 section 3.2: exactly one Host.
        ("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "HTTP/1.1 400 "),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n", "HTTP/1.1 400 "),
        ("GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 200 "),
        ("GET /\r\n\r\n", "HTTP/1.1 400 "),
        // Section 2.2: a bare LF may end a line.
        ("GET / HTTP/1.1\nHost: a\nConnection: close\n\n", "HTTP/1.1 200 "),
    ] {
        let answer = vitrine.raw(request);
        assert!(answer.starts_with(expected), "{answer:?} to {request:?}");
    }
}

#[test]
fn ten_thousand_requests_at_once_on_one_connection_are_answered_in_order() {
    const N: usize = 10_000;
    let vitrine = Vitrine::start();
    let before = vitrine.memory();
    let mut requests: String = (1..N).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    requests.push_str("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let answer = vitrine.raw(&requests);
    let statuses = statuses(&answer);
    let (last, others) = statuses.split_last().unwrap();
    assert_eq!((others.len(), others.iter().all(|status| *status == 404), *last), (N - 1, true, 200));
    // Requests are read as fast as they are answered, not all at once.
    let grown = vitrine.memory().saturating_sub(before);
    assert!(grown < 128 << 20, "{} MiB more", grown >> 20);
}

/// Opens as many connections as this process may, 10,000 at most; half of them send the
/// beginning of a request.
fn idle_connections(vitrine: &Vitrine) -> Vec<TcpStream> {
    const N: u64 = 10_000;
    const OTHERS: u64 = 500;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(N + OTHERS, |maximum| maximum.min(N + OTHERS));
    if current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).unwrap();
    }
    let n = wanted.saturating_sub(OTHERS).min(N);
    let connect = |no| {
        let mut stream = TcpStream::connect(vitrine.address()).unwrap();
        if no % 2 == 0 {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ").unwrap();
        }
        stream
    };
    (0..n).map(connect).collect()
}

#[test]
fn idle_and_slow_connections_take_little_and_hold_up_nobody() {
    let vitrine = Vitrine::start();
    let before = vitrine.memory();
    let mut connections = idle_connections(&vitrine);
    assert_eq!(vitrine.get("/").status, 200);
    let each = vitrine.memory().saturating_sub(before) / connections.len() as u64;
    assert!(each < 32 << 10, "{each} bytes each");
    // Who does not send a whole head in time is told so, also when there is always a little more.
    let slow = &mut connections[0];
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut writer = slow.try_clone().unwrap();
    let dripping = thread::spawn(move || {
        while writer.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(200));
        }
    });
    let mut answer = [0; 12];
    slow.read_exact(&mut answer).unwrap();
    assert_eq!(statuses(&String::from_utf8_lossy(&answer)), [408]);
    drop(connections);
    dripping.join().unwrap();
    assert_eq!(vitrine.get("/").status, 200);
}
