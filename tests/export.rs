//! A far end that is away, hangs, refuses and comes back: what visitors and the owner see.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::harness::{Folders, Vitrine, metric, stored_lines, wait_until};

/// How the far end behaves.
const HANGS: u8 = 0;
const IS_BUSY: u8 = 1;
const REFUSES: u8 = 2;
const ACCEPTS: u8 = 3;

/// A far end whose mood changes; it counts what it accepted by path.
struct FarEnd {
    mood: Arc<AtomicU8>,
    accepted: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl FarEnd {
    fn listen(port: u16, mood: u8) -> FarEnd {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let far_end = FarEnd { mood: Arc::new(AtomicU8::new(mood)), accepted: Arc::default() };
        let (mood, accepted) = (far_end.mood.clone(), far_end.accepted.clone());
        // Ends with the test process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mood, accepted) = (mood.clone(), accepted.clone());
                std::thread::spawn(move || serve(stream.unwrap(), &mood, &accepted));
            }
        });
        far_end
    }

    fn is(&self, mood: u8) {
        self.mood.store(mood, Ordering::Relaxed);
    }

    fn accepted(&self) -> BTreeMap<String, usize> {
        self.accepted.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, mood: &AtomicU8, accepted: &Mutex<BTreeMap<String, usize>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let (mut path, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            // A client that goes away in the middle is no news here.
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if path.is_empty() {
                path = line.split(' ').nth(1).unwrap().to_string();
            } else if let Some(text) = line.strip_prefix("content-length:") {
                length = text.trim().parse().unwrap();
            } else if line.is_empty() {
                break;
            }
        }
        if reader.by_ref().take(length).read_to_end(&mut Vec::new()).is_err() {
            return;
        }
        let status = match mood.load(Ordering::Relaxed) {
            HANGS => {
                // Until the client gives up.
                _ = reader.read(&mut [0]);
                return;
            }
            IS_BUSY => "503 Busy\r\nretry-after: 1",
            REFUSES => "400 No",
            _ => {
                *accepted.lock().unwrap().entry(path).or_default() += 1;
                "200 OK"
            }
        };
        if stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).is_err() {
            return;
        }
    }
}

fn start(port: u16) -> Vitrine {
    let dir = Folders::new();
    let mut command = dir.serve();
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{port}"))
        .env("OTEL_EXPORTER_OTLP_TIMEOUT", "500")
        .env("OTEL_METRIC_EXPORT_INTERVAL", "1000")
        .env("OTEL_TRACES_SAMPLER", "always_on")
        // All that exporters and their libraries say.
        .env("VITRINE_TELEMETRY_LOG_LEVEL", "trace");
    Vitrine::spawn(command, dir)
}

fn failures(vitrine: &Vitrine, signal: &str) -> f64 {
    let page = vitrine.get_as_admin("/metrics").text();
    metric(&page, "vitrine_otlp_exports_total", &[&format!(r#"signal="{signal}""#), r#"outcome="failure""#])
}

/// Asks for pages as fast as one client can, and returns the slowest.
fn slowest_page(vitrine: &Vitrine) -> Duration {
    let ask = |_| {
        let begun = Instant::now();
        assert_eq!(vitrine.get("/").status, 200);
        begun.elapsed()
    };
    (0..200).map(ask).max().unwrap()
}

#[test]
fn a_far_end_in_every_mood_hurts_no_page_and_gets_all_signals_in_the_end() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut vitrine = start(port);
    let away = slowest_page(&vitrine);
    for signal in ["metrics", "logs", "traces"] {
        wait_until("nobody is there", || (failures(&vitrine, signal) > 0.0).then_some(()));
    }
    let memory = vitrine.memory();
    let far_end = FarEnd::listen(port, HANGS);
    let mut slowest = vec![away];
    for mood in [HANGS, IS_BUSY, REFUSES] {
        far_end.is(mood);
        let before = failures(&vitrine, "metrics");
        slowest.push(slowest_page(&vitrine));
        wait_until("an attempt fails", || (failures(&vitrine, "metrics") > before).then_some(()));
    }
    assert_eq!(far_end.accepted(), BTreeMap::new());
    far_end.is(ACCEPTS);
    wait_until("all three arrive", || {
        vitrine.get("/");
        (far_end.accepted().len() == 3).then_some(())
    });
    let paths: Vec<String> = far_end.accepted().into_keys().collect();
    assert_eq!(paths, ["/v1/logs", "/v1/metrics", "/v1/traces"]);
    // A stalled page would take as long as the far end's silence; the machine may be busy.
    assert!(slowest.iter().all(|page| *page < Duration::from_secs(2)), "{slowest:?}");
    assert!(vitrine.memory() < memory + (24 << 20), "{} {memory}", vitrine.memory());
    vitrine.wait_for_line("export of metrics by OTLP");
    // One line for each change, whatever happened in between: down, and up again.
    for signal in ["metrics", "logs", "traces"] {
        wait_until("the change is in the log", || {
            let lines = vitrine.logged(&format!("export+of+{signal}+by+OTLP"));
            let n = |word: &str| lines.iter().filter(|line| line.contains(word)).count();
            assert!(n("is down") <= 1 && n("works") <= 1, "{lines:?}");
            (n("is down") == 1 && n("works") == 1).then_some(())
        });
    }
}

#[test]
fn a_far_end_that_is_away_makes_no_records_of_its_own() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let vitrine = start(port);
    let failed = || ["metrics", "logs", "traces"].map(|signal| failures(&vitrine, signal));
    wait_until("each has failed several times", || {
        failed().iter().all(|n_failed| *n_failed >= 3.0).then_some(())
    });
    let n_failed: f64 = failed().iter().sum();
    let dir = vitrine.stop();
    let lines = stored_lines(&dir, "app");
    // What is down is said once for each signal, however often it is tried and whatever the
    // libraries below say of it.
    let of_export: Vec<&String> = lines.iter().filter(|line| line.contains("127.0.0.1")).collect();
    let down = of_export.iter().filter(|line| line.contains("by OTLP to") && line.contains("is down"));
    assert_eq!(down.count(), 3, "{lines:?}");
    assert!(lines.len() < 40 && n_failed >= 9.0, "{} lines: {lines:?}", lines.len());
    let strange = ["ureq", "rustls", "hyper", "h2", "opentelemetry", "sled"];
    let found = lines.iter().find(|line| strange.iter().any(|name| line.starts_with(name)));
    assert_eq!(found, None);
}
