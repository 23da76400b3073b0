//! The front: nothing fails while what stands behind it is replaced.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{Folders, PATIENCE, Vitrine, command, wait_until};
use crate::line::{Load, n_recorded};

/// A running front; killed when dropped.
struct Front {
    child: Child,
    address: String,
}

impl Front {
    fn start(to: &str, hold: &str) -> Front {
        Front::start_with(to, hold, &[])
    }

    fn start_with(to: &str, hold: &str, more: &[&str]) -> Front {
        let mut command: Command = command(&["front", "--listen", "127.0.0.1:0", "--to", to, "--hold", hold]);
        command.args(more);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).unwrap().split(' ').next().unwrap().to_string();
        Front { child, address }
    }

    /// Sends bytes on a connection of their own.
    fn send(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = self.send(request);
        let mut text = Vec::new();
        stream.read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // It may have ended already, which is as well.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Serves on an address that stays the same from one process to the next.
fn serve_at(dir: Folders, address: &str) -> Vitrine {
    let serve = dir.serve();
    let mut command = Command::new(serve.get_program());
    let args = serve.get_args().map(|arg| if arg == "127.0.0.1:0" { address.as_ref() } else { arg });
    command.args(args).current_dir(serve.get_current_dir().unwrap()).stdin(Stdio::null());
    crate::line::take_environment(&mut command, &serve);
    Vitrine::spawn(command, dir)
}

/// A port that is free now, for a process that is started again on it.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn what_comes_while_the_one_behind_is_replaced_waits_for_the_next() {
    let address = free_address();
    let mut vitrine = serve_at(Folders::new(), &address);
    let front = Front::start(&address, "30");
    let load = Load::begin(&front.address);
    for _ in 0..2 {
        thread::sleep(Duration::from_millis(300));
        let dir = vitrine.stop();
        vitrine = serve_at(dir, &address);
    }
    thread::sleep(Duration::from_millis(300));
    let outcome = load.end();
    assert_eq!(outcome.failed, BTreeMap::new(), "of {} answered", outcome.answered);
    // The visitor's address and the path, body and answer pass through.
    let head = front.ask("HEAD /cv.txt HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(head.to_lowercase().contains("content-length: "), "{head}");
    let form = "password=wrong";
    let login = front.ask(&format!(
        "POST /admin/login HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    ));
    assert!(login.contains("401") || login.contains("403"), "{login}");
    let missing = front.ask("GET /nowhere?a=b HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\n\r\n");
    assert!(missing.starts_with("HTTP/1.1 404"), "{missing}");
    let dir = vitrine.stop();
    assert_eq!(n_recorded(&dir), outcome.answered);
}

#[test]
fn what_is_held_for_too_long_is_told_to_come_again() {
    let front = Front::start(&free_address(), "1");
    let answer = front.ask("GET / HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.to_lowercase().contains("retry-after: 5"), "{answer}");
}

/// A backend that keeps what it was sent, and answers what it is told to.
struct Fake {
    address: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    /// `answer` has the request, with its body, and the connection to answer on.
    fn start(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (seen, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let for_thread = seen.clone();
        // It ends with the process.
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let (seen, answer) = (for_thread.clone(), answer.clone());
                thread::spawn(move || {
                    let request = read_request(&mut stream);
                    // A probe sends nothing.
                    if !request.is_empty() {
                        seen.lock().unwrap().push(request.clone());
                        answer(&request, &mut stream);
                    }
                });
            }
        });
        Fake { address, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// Reads a head, and as much of a body as it announces.
fn read_request(stream: &mut TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let (mut text, mut n_bytes) = (String::new(), 0);
    while !text.ends_with("\r\n\r\n") {
        let begun = text.len();
        if reader.read_line(&mut text).unwrap_or(0) == 0 {
            return text;
        }
        if let Some(("content-length", n)) = text[begun..].to_lowercase().trim().split_once(": ") {
            n_bytes = n.parse().unwrap();
        }
    }
    let mut body = vec![0; n_bytes];
    if reader.read_exact(&mut body).is_ok() {
        text.push_str(&String::from_utf8(body).unwrap());
    }
    text
}

fn post(body: &str) -> String {
    let length = body.len();
    format!("POST /p HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\n\r\n";

#[test]
fn what_may_have_arrived_is_sent_again_only_where_that_changes_nothing() {
    // It takes every request and ends without a word.
    let fake = Fake::start(|_, _| ());
    let front = Front::start(&fake.address, "5");
    for n in 0..5 {
        let answer = front.ask(&post(&format!("body {n}")));
        assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
        assert!(answer.contains("may have done what was asked"), "{answer}");
    }
    let seen = fake.seen();
    assert_eq!(seen.len(), 5, "each once: {seen:?}");
    assert!((0..5).all(|n| seen.iter().any(|seen| seen.ends_with(&format!("body {n}")))), "{seen:?}");
    let answer = front.ask(GET);
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    assert_eq!(fake.seen().len(), 7, "a poison twice, and never more");
}

#[test]
fn nothing_that_is_posted_is_lost_or_doubled_by_a_drain_with_an_upload_in_hand() {
    let address = free_address();
    let mut vitrine = serve_at(Folders::new(), &address);
    let front = Front::start(&address, "30");
    // Begun before the stop, and finished long after nobody else is let in.
    let form = "password=wrong";
    let head = |length: usize| {
        format!(
            "POST /admin/login HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let mut slow = front.send(&format!("{}{}", head(form.len()), &form[..4]));
    let load = Load::begin(&front.address);
    let is_over = Arc::new(AtomicBool::new(false));
    let posting = thread::spawn({
        let (front, is_over) = (front.address.clone(), is_over.clone());
        let request = format!("{}password=x", head("password=x".len()));
        move || {
            let mut heads = BTreeMap::<String, u64>::new();
            while !is_over.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(10));
                let mut stream = TcpStream::connect(&front).unwrap();
                stream.write_all(request.as_bytes()).unwrap();
                let mut line = String::new();
                BufReader::new(stream).read_line(&mut line).unwrap();
                *heads.entry(line.trim().to_string()).or_default() += 1;
            }
            heads
        }
    });
    thread::sleep(Duration::from_millis(500));
    vitrine.signal(Signal::TERM);
    wait_until("connections are refused", || {
        TcpStream::connect(&address)
            .is_err_and(|fault| fault.kind() == std::io::ErrorKind::ConnectionRefused)
            .then_some(())
    });
    assert!(vitrine.has_ended().is_none(), "it waits for the upload");
    slow.write_all(&form.as_bytes()[4..]).unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(!answer.starts_with("HTTP/1.1 5"), "{answer}");
    vitrine.wait();
    let dir = vitrine.into_dir();
    let vitrine = serve_at(dir, &address);
    thread::sleep(Duration::from_millis(300));
    is_over.store(true, Ordering::Relaxed);
    let (outcome, heads) = (load.end(), posting.join().unwrap());
    assert_eq!(outcome.failed, BTreeMap::new(), "of {} answered", outcome.answered);
    let is_answered = |line: &str| line.starts_with("HTTP/1.1 4");
    assert!(!heads.is_empty() && heads.keys().all(|line| is_answered(line)), "{heads:?}");
    let dir = vitrine.stop();
    assert_eq!(n_recorded(&dir), outcome.answered);
}

#[test]
fn an_answer_without_a_body_leaves_the_connection_in_step() {
    let fake = Fake::start(|request, stream| {
        let answer = match request.split(' ').nth(1).unwrap() {
            "/304" => "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 99\r\n\r\n",
            "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
            "/103" => "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            _ => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        };
        stream.write_all(answer.as_bytes()).unwrap();
    });
    let front = Front::start(&fake.address, "5");
    let ask = |method: &str, path: &str| format!("{method} {path} HTTP/1.1\r\nHost: a.b\r\n\r\n");
    let requests = [("GET", "/304"), ("GET", "/204"), ("HEAD", "/"), ("GET", "/103"), ("OPTIONS", "*")];
    let all: String = requests.iter().map(|(method, path)| ask(method, path)).collect();
    let text = front.ask(&format!("{all}{GET}"));
    let heads: Vec<&str> = text.lines().filter(|line| line.contains("HTTP/1.1 ")).collect();
    assert_eq!(heads.len(), 6, "{text}");
    let parts: Vec<&str> = text.split("HTTP/1.1 ").skip(1).collect();
    assert!(parts[0].starts_with("304") && parts[0].contains("content-length: 99"), "{text}");
    assert!(parts[1].starts_with("204") && parts[2].starts_with("200"), "{text}");
    assert!(
        parts[..3].iter().all(|part| part.ends_with("\r\n\r\n") && !part.ends_with("0\r\n\r\n")),
        "{text}"
    );
    assert!(!parts[2].contains("content-length"), "{text}");
    assert!(parts[3].starts_with("200") && parts[3].ends_with("ok"), "{text}");
    assert!(!text.contains("octet-stream"), "{text}");
    let old = front.ask("GET / HTTP/1.0\r\n\r\n");
    assert!(old.ends_with("\r\n\r\nok") && !old.contains("chunked"), "{old}");
}

#[test]
fn an_answer_that_is_cut_is_cut_for_the_visitor() {
    let fake = Fake::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n").unwrap();
    });
    let front = Front::start(&fake.address, "5");
    let text = front.ask("GET / HTTP/1.1\r\nHost: a.b\r\n\r\n");
    assert!(text.contains("half") && !text.ends_with("0\r\n\r\n"), "{text}");
}

#[test]
fn an_early_refusal_arrives() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let front = Front::start(&listener.local_addr().unwrap().to_string(), "5");
    let mut stream = front.send("POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 100000000\r\n\r\nbegin");
    let (mut behind, _) = listener.accept().unwrap();
    let mut head = [0; 4096];
    let n = behind.read(&mut head).unwrap();
    let head = String::from_utf8_lossy(&head[..n]).to_lowercase();
    assert!(head.contains("content-length: 100000000"), "{head}");
    behind.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    let mut line = String::new();
    BufReader::new(&mut stream).read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 413"), "{line}");
}

#[test]
fn only_a_trusted_proxy_says_how_a_visitor_came() {
    let fake = Fake::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    let request = "POST / HTTP/1.1\r\nHost: a.b\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\n\
        Expect: 100-continue\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 192.0.2.7\r\n\
        Content-Length: 2\r\n\r\nhi";
    let trusting = Front::start(&fake.address, "5");
    let answer = trusting.ask(request);
    assert!(answer.starts_with("HTTP/1.1 100") && answer.contains("HTTP/1.1 200"), "{answer}");
    let strict = Front::start_with(&fake.address, "5", &["--trust", "192.0.2.0/24"]);
    strict.ask(request);
    let seen: Vec<String> = fake.seen().iter().map(|seen| seen.to_lowercase()).collect();
    assert!(seen[0].contains("x-forwarded-proto: https"), "{seen:?}");
    assert!(seen[0].contains("x-forwarded-for: 192.0.2.7, 127.0.0.1"), "{seen:?}");
    assert!(seen[1].contains("x-forwarded-proto: http\r\n"), "{seen:?}");
    assert!(seen[1].contains("x-forwarded-for: 127.0.0.1\r\n"), "{seen:?}");
    for seen in &seen {
        assert!(!seen.contains("expect") && !seen.contains("x-mine"), "{seen}");
        assert!(seen.contains("content-length: 2") && seen.ends_with("hi"), "{seen}");
    }
}

#[test]
fn streams_do_not_stand_in_the_way_of_other_requests() {
    let (kept, for_fake) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let keep = for_fake.clone();
    let fake = Fake::start(move |request, stream| {
        if request.starts_with("GET /stream ") {
            let head =
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
            stream.write_all(format!("{head}9\r\ndata: a\n\n\r\n").as_bytes()).unwrap();
            keep.lock().unwrap().push(stream.try_clone().unwrap());
        } else {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        }
    });
    let front = Front::start(&fake.address, "5");
    for _ in 0..300 {
        let mut stream = front.send("GET /stream HTTP/1.1\r\nHost: a.b\r\n\r\n");
        let mut text = String::new();
        let mut reader = BufReader::new(&mut stream);
        while !text.contains("data: a") {
            assert_ne!(reader.read_line(&mut text).unwrap(), 0, "{text}");
        }
        kept.lock().unwrap().push(stream);
    }
    for _ in 0..20 {
        let answer = front.ask(GET);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok"), "{answer}");
    }
}

#[test]
fn a_destination_that_is_none_is_refused_at_the_start() {
    let ended = crate::harness::run(command(&["front", "--to", "vitrine"]));
    assert_eq!(ended.code, 2, "{}", ended.err);
    assert!(ended.err.contains("is no HOST:PORT"), "{}", ended.err);
}
