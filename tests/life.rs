//! The life of the process: what survives, how it stops, what its commands answer.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::{Folders, PATIENCE, Vitrine, basic_auth, command, run, wait_until};

/// Waits until `/admin` shows a line with this text in its log view, and nothing else.
fn wait_for_log(vitrine: &Vitrine, text: &str) {
    assert_eq!(vitrine.logged("never-logged-by-anybody"), [""; 0]);
    wait_until(&format!("/admin shows {text}"), || {
        let lines = vitrine.logged(text);
        assert!(lines.iter().all(|line| line.contains(text)), "{lines:?}");
        (!lines.is_empty()).then_some(())
    });
}

/// Waits until the store has flushed twice more, so that all that was logged before is on disk.
fn wait_for_flushes(vitrine: &Vitrine) {
    let flushes = || {
        let metrics = vitrine.get_as_admin("/metrics").text();
        let line =
            metrics.lines().find(|line| line.starts_with("vitrine_store_flush_duration_seconds_count"));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).unwrap_or(0.0)
    };
    let before = flushes();
    wait_until("the store flushed", || (flushes() >= before + 2.0).then_some(()));
}

#[test]
fn what_was_logged_is_there_after_a_restart() {
    let vitrine = Vitrine::start();
    vitrine.get("/before-the-restart");
    wait_for_log(&vitrine, "before-the-restart");
    let vitrine = Vitrine::start_on(vitrine.stop());
    wait_for_log(&vitrine, "before-the-restart");
}

#[test]
fn what_was_logged_is_there_after_kill_9() {
    let vitrine = Vitrine::start();
    vitrine.get("/before-the-kill");
    wait_for_log(&vitrine, "before-the-kill");
    wait_for_flushes(&vitrine);
    let vitrine = Vitrine::start_on(vitrine.kill());
    wait_for_log(&vitrine, "before-the-kill");
}

#[test]
fn sigterm_finishes_the_request_in_hand_and_exits_0() {
    let dir = Folders::new();
    let mut command = dir.serve();
    command.env("VITRINE_HTTP_DRILLS", "true").env("VITRINE_BALANCER_DEADLINE", "4s");
    let mut vitrine = Vitrine::spawn(command, dir);
    // The first credential costs a hash; the deadline must not run out meanwhile.
    assert_eq!(vitrine.get_as_admin("/metrics").status, 200);
    let mut stream = TcpStream::connect(vitrine.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET /drill/hang HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    wait_until("the request is in hand", || {
        let metrics = vitrine.get_as_admin("/metrics").text();
        let in_hand = |line: &str| line.starts_with("vitrine_worker_in_flight{") && line.ends_with(" 1");
        metrics.lines().any(in_hand).then_some(())
    });
    vitrine.signal(Signal::TERM);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    assert!(vitrine.wait().success());
}

#[test]
fn sigterm_refuses_readiness_before_it_stops_and_a_second_signal_ends_at_once() {
    let dir = Folders::new();
    let mut command = dir.serve();
    command.env("VITRINE_HTTP_DRILLS", "true");
    let mut vitrine = Vitrine::spawn(command, dir);
    let mut stream = TcpStream::connect(vitrine.address()).unwrap();
    stream.write_all(b"GET /drill/hang HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut kept = TcpStream::connect(vitrine.address()).unwrap();
    let mut first = [0; 1024];
    kept.write_all(b"GET /ready HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let n = kept.read(&mut first).unwrap();
    assert!(String::from_utf8_lossy(&first[..n]).starts_with("HTTP/1.1 200"));

    let asked = Instant::now();
    vitrine.signal(Signal::TERM);
    // A new connection is still answered for a moment, to be told that it is not wanted.
    wait_until("it says so", || (vitrine.get("/ready").status == 503).then_some(()));
    vitrine.wait_for_line("SIGTERM: stopping");
    kept.write_all(b"GET /ready HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut last = String::new();
    kept.read_to_string(&mut last).unwrap();
    assert!(last.starts_with("HTTP/1.1 503") && last.to_lowercase().contains("connection: close"), "{last}");

    // The same signal within half a second counts as one; some supervisors send it twice.
    let status = wait_until("the second signal ends it", || {
        vitrine.signal(Signal::TERM);
        vitrine.has_ended()
    });
    assert_eq!(status.code(), Some(1));
    assert!(asked.elapsed() < Duration::from_secs(8), "the hanging request would have taken 10 s");
}

#[test]
fn health_command_tells_by_its_exit_code() {
    let vitrine = Vitrine::start();
    let healthy = run(command(&["health", &vitrine.url("/health")]));
    assert_eq!(healthy.code, 0, "{healthy:?}");
    assert!(healthy.out.contains("\"status\":\"ok\""));
    let url = vitrine.url("/health");
    drop(vitrine);
    let gone = run(command(&["health", &url]));
    assert_eq!(gone.code, 1);
    assert!(gone.err.contains(&url), "{gone:?}");
}

#[test]
fn init_writes_a_site_that_check_calls_good() {
    let dir = Folders::new();
    let site = dir.site();
    let ended = run(command(&["init", site.to_str().unwrap()]));
    assert_eq!(ended.code, 0, "{ended:?}");
    let mut check = command(&["check"]);
    check.current_dir(&site);
    let ended = run(check);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.out.contains("good, 0 warnings"), "{ended:?}");
}

#[test]
fn password_command_changes_the_password_of_a_running_process() {
    let dir = Folders::new();
    let mut serve = dir.serve();
    serve.env_remove("VITRINE_ADMIN_PASSWORD");
    let mut vitrine = Vitrine::spawn(serve, dir);
    assert_eq!(vitrine.get_as_admin("/metrics").status, 401, "a random password was drawn");

    let mut password = command(&["password", "--data", vitrine.dir().data().to_str().unwrap()]);
    let mut child = password.stdin(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{}\n", vitrine.admin_password()).as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    wait_until("the new password is taken", || {
        (vitrine.get_as_admin("/metrics").status == 200).then_some(())
    });
    let wrong = vitrine.request("GET", "/metrics", &[("authorization", "Basic YWRtaW46d3Jvbmc=")]);
    assert_eq!(wrong.status, 401);
    vitrine.signal(Signal::TERM);
    assert!(vitrine.wait().success());
}

#[test]
fn the_generated_password_is_printed_once() {
    let dir = Folders::new();
    let mut serve = dir.serve();
    serve.env_remove("VITRINE_ADMIN_PASSWORD");
    let vitrine = Vitrine::spawn(serve, dir);
    let log = vitrine.log_text();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("admin password")).collect();
    let [line] = lines[..] else { panic!("printed {} times:\n{log}", lines.len()) };
    let password = line.rsplit(' ').next().unwrap().to_string();
    let dir = vitrine.stop();
    let stored = std::fs::read_to_string(dir.data().join("admin.json")).unwrap();
    assert!(stored.contains("$argon2id$") && !stored.contains(&password));
    let mut serve = dir.serve();
    serve.env_remove("VITRINE_ADMIN_PASSWORD");
    let vitrine = Vitrine::spawn(serve, dir);
    assert!(!vitrine.log_text().contains(&password));
}

#[test]
fn metrics_need_the_credential_and_count_requests() {
    let vitrine = Vitrine::start();
    assert_eq!(vitrine.get("/metrics").status, 401);
    for _ in 0..5 {
        vitrine.get("/");
    }
    let wanted = "http_server_request_duration_seconds_count";
    wait_until("the requests are counted", || {
        let metrics = vitrine.get_as_admin("/metrics").text();
        let line =
            metrics.lines().find(|line| line.starts_with(wanted) && line.contains("http_route=\"/\""))?;
        line.ends_with(" 5").then_some(())
    });
    let open_metrics = vitrine.request(
        "GET",
        "/metrics",
        &[("authorization", &basic_auth()), ("accept", "application/openmetrics-text; version=1.0.0")],
    );
    assert!(open_metrics.header("content-type").starts_with("application/openmetrics-text"));
    assert!(open_metrics.text().ends_with("# EOF\n"));
}

#[test]
fn traceparent_is_honoured_in_the_access_record() {
    let vitrine = Vitrine::start();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traceparent = format!("00-{trace}-00f067aa0ba902b7-01");
    let response = vitrine.request("GET", "/traced-path", &[("traceparent", &traceparent)]);
    assert_eq!(response.header("x-request-id"), trace);
    wait_for_log(&vitrine, trace);
}
