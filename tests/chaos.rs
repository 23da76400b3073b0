//! Load from real connections while everything happens to the workers that can: no request
//! fails but those that were made to, and the counts add up.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use vitrine::clock::{Clock, UnixNanos};
use vitrine::record::read::{Direction, LogRead, LogSelect, Matcher};

use crate::harness::{Folders, PATIENCE, Vitrine, basic_auth, number_of_run, stored, wait_until};

/// Connections that ask for the page without a pause.
const CLIENTS: usize = 6;

/// How long in CI; `VITRINE_CHAOS_SECONDS` asks for more.
fn seconds() -> u64 {
    number_of_run("VITRINE_CHAOS_SECONDS", 10)
}

/// Statuses, and how often each came.
type Counts = BTreeMap<u16, u64>;

/// A connection that is kept.
struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(address: &str) -> Connection {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Connection(BufReader::new(stream))
    }

    fn get(&mut self, path: &str) -> u16 {
        self.ask("GET", path, "", "").0
    }

    fn ask(&mut self, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
        let n_bytes = body.len();
        let headers = format!("Host: a.b\r\nContent-Length: {n_bytes}\r\n{headers}");
        let request = format!("{method} {path} HTTP/1.1\r\n{headers}\r\n{body}");
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut line, mut n_bytes) = (String::new(), 0);
        self.0.read_line(&mut line).unwrap();
        let status =
            line.split(' ').nth(1).unwrap_or_else(|| panic!("no answer to {path}: {line:?}")).parse();
        loop {
            line.clear();
            self.0.read_line(&mut line).unwrap();
            if line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                n_bytes = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; n_bytes];
        self.0.read_exact(&mut body).unwrap();
        (status.unwrap(), String::from_utf8_lossy(&body).into_owned())
    }
}

/// Returns the value of a counter, summed over all its series with these labels.
fn sum(metrics: &str, name: &str, labels: &[&str]) -> u64 {
    let of_name = metrics.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
    let wanted = of_name.filter(|line| labels.iter().all(|label| line.contains(label)));
    wanted.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64).sum()
}

fn cv(n: u64) -> String {
    format!("basics:\n  name: Number {n}\n")
}

#[test]
fn nothing_is_lost_while_workers_panic_hang_drain_change_and_reload() {
    let folders = Folders::with_cv(&cv(0));
    let mut command = folders.serve();
    command.env("VITRINE_HTTP_DRILLS", "true").env("VITRINE_BALANCER_DEADLINE", "300ms");
    let mut vitrine = Vitrine::spawn(command, folders);
    let address = vitrine.address().to_string();
    let is_over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (address, is_over) = (address.clone(), is_over.clone());
            thread::spawn(move || {
                let (mut connection, mut counts) = (Connection::open(&address), Counts::new());
                while !is_over.load(Ordering::Relaxed) {
                    *counts.entry(connection.get("/")).or_default() += 1;
                }
                counts
            })
        })
        .collect();
    // What is made to fail, from a connection of its own.
    let drills = {
        let (address, is_over) = (address.clone(), is_over.clone());
        thread::spawn(move || {
            let (mut connection, mut counts) = (Connection::open(&address), Counts::new());
            for n in 0.. {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                let path = if n % 3 == 2 { "/drill/hang" } else { "/drill/panic" };
                *counts.entry(connection.get(path)).or_default() += 1;
                thread::sleep(Duration::from_millis(30));
            }
            counts
        })
    };
    let mut control = Connection::open(&address);
    let headers =
        format!("Authorization: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n", basic_auth());
    let mut tell = |path: &str, body: &str| {
        let (status, answer) = control.ask("POST", &format!("/admin/api/v1/workers{path}"), &headers, body);
        assert_eq!(status, 200, "{path} {body}: {answer}");
    };
    let until = Instant::now() + Duration::from_secs(seconds());
    let mut n_rounds = 0;
    while Instant::now() < until {
        n_rounds += 1;
        for n_workers in [16, 2, 1, 4] {
            tell("", &format!("count={n_workers}"));
        }
        for command in ["/0/drain", "/1/restart", "/0/enable"] {
            tell(command, "");
        }
        let text = if n_rounds % 2 == 0 { cv(n_rounds) } else { "basics: [".into() };
        vitrine.dir().write("cv.yaml", &text);
        vitrine.signal(Signal::HUP);
        // It takes the number of workers from the configuration again.
        vitrine.wait_for_line(if n_rounds % 2 == 0 { "reloaded" } else { "reload refused" });
    }
    is_over.store(true, Ordering::Relaxed);
    // Those of workers that are not wanted are counted on and not shown.
    tell("", "count=16");
    let drills = drills.join().unwrap();
    let mut pages = Counts::new();
    for client in clients {
        for (status, n) in client.join().unwrap() {
            *pages.entry(status).or_default() += n;
        }
    }
    assert_eq!(pages.keys().collect::<Vec<_>>(), [&200], "{pages:?}, drills {drills:?}");
    assert!(n_rounds >= 2 && pages[&200] > 1_000, "{n_rounds} rounds, {pages:?}");
    assert_eq!(drills.keys().collect::<Vec<_>>(), [&500, &504], "{drills:?}");
    // An answer is counted when its last byte was handed over, which its client may not wait for.
    wait_until("the counts add up", || {
        let metrics = vitrine.get_as_admin("/metrics").text();
        let requests = "http_server_request_duration_seconds_count";
        let jobs =
            |outcome: &str| sum(&metrics, "vitrine_worker_jobs_total", &[&format!("outcome=\"{outcome}\"")]);
        let found = [
            sum(&metrics, requests, &["http_route=\"/\"", "status_code=\"200\""]),
            sum(&metrics, requests, &["status_code=\"500\""]),
            sum(&metrics, requests, &["status_code=\"504\""]),
            jobs("panicked"),
            jobs("deadline"),
        ];
        let expect = [pages[&200], drills[&500], drills[&504], drills[&500], drills[&504]];
        if found != expect {
            eprintln!("counted {found:?}, {expect:?} are due");
        }
        (found == expect && jobs("answered") >= pages[&200]).then_some(())
    });
    // So does the access log, but for what a counter owns up to have dropped under load.
    let metrics = vitrine.get_as_admin("/metrics").text();
    let dropped = sum(&metrics, "vitrine_telemetry_dropped_total", &[]);
    let logged = access_log(&vitrine.stop());
    let answered =
        [("/", 200, pages[&200]), ("/drill/panic", 500, drills[&500]), ("/drill/hang", 504, drills[&504])];
    let mut n_missing = 0;
    for (path, status, n_answered) in answered {
        let n_logged = logged.get(&(path.to_string(), status)).copied().unwrap_or(0);
        assert!(n_logged <= n_answered, "{path}: {n_logged} logged, {n_answered} answered");
        n_missing += n_answered - n_logged;
    }
    assert!(n_missing <= dropped, "{n_missing} are not in the log and {dropped} were dropped: {logged:?}");
    eprintln!("{n_rounds} rounds, {pages:?}, drills {drills:?}; {dropped} log lines dropped");
}

/// Returns how many access records the store of a stopped process has, by path and status.
fn access_log(dir: &Folders) -> BTreeMap<(String, u16), u64> {
    let store = stored(dir);
    let job = vec![Matcher::equal("job", "access")];
    let select = LogSelect::new(job, UnixNanos(0), Clock::system().now(), Direction::Forward);
    let mut res = BTreeMap::new();
    let read = store.lines(&select, &mut |line| {
        let status = line.metadata("http_response_status_code").parse().unwrap();
        *res.entry((line.metadata("url_path").to_string(), status)).or_default() += 1;
        ControlFlow::Continue(())
    });
    read.unwrap();
    res
}
