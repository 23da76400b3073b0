//! Logs of other programs: sent as they send them, seen where people look.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};

use rustix::process::Signal;

use crate::harness::{Folders, PATIENCE, Vitrine, run, wait_until};

/// Starts with the protocol on a free port, and returns its address.
pub fn start_on(dir: Folders) -> (Vitrine, String) {
    start_at(dir, "127.0.0.1:0", &[])
}

/// Starts with the protocol on an address and with further variables.
pub fn start_at(dir: Folders, listen: &str, environment: &[(&str, &str)]) -> (Vitrine, String) {
    let mut command = dir.serve();
    command.env("VITRINE_FORWARD_LISTEN", listen).envs(environment.iter().copied());
    let vitrine = Vitrine::spawn(command, dir);
    let log = vitrine.log_text();
    let line = log.lines().find(|line| line.contains("forward protocol on ")).expect("the address is logged");
    let after = line.split("forward protocol on ").nth(1).unwrap();
    let address = after.split(',').next().unwrap().to_string();
    (vitrine, address)
}

fn send_datagram(address: &str, text: &str) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(text.as_bytes(), address).unwrap();
}

/// Returns a message in PackedForward mode with a chunk's id.
fn chunk(tag: &str, lines: &[String], id: &str) -> Vec<u8> {
    use rmp::encode as write;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let mut entries = Vec::new();
    for line in lines {
        write::write_array_len(&mut entries, 2).unwrap();
        write::write_uint(&mut entries, now).unwrap();
        write::write_map_len(&mut entries, 1).unwrap();
        write::write_str(&mut entries, "log").unwrap();
        write::write_str(&mut entries, line).unwrap();
    }
    let mut res = Vec::new();
    write::write_array_len(&mut res, 3).unwrap();
    write::write_str(&mut res, tag).unwrap();
    write::write_bin(&mut res, &entries).unwrap();
    write::write_map_len(&mut res, 1).unwrap();
    write::write_str(&mut res, "chunk").unwrap();
    write::write_str(&mut res, id).unwrap();
    res
}

/// Sends a chunk and waits for its acknowledgement.
fn send_chunk(stream: &mut TcpStream, lines: &[String], id: &str) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&chunk("shop", lines, id)).unwrap();
    let mut expect = vec![0x81, 0xa3];
    expect.extend(b"ack");
    expect.push(0xa0 + id.len() as u8);
    expect.extend(id.as_bytes());
    let mut answer = vec![0; expect.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, expect);
}

/// Waits until `/admin` shows every line, found by their common text.
pub fn wait_for_lines(vitrine: &Vitrine, text: &str, lines: &[String]) {
    wait_until(&format!("/admin shows {lines:?}"), || {
        let shown = vitrine.logged(text).concat();
        lines.iter().all(|line| shown.contains(line)).then_some(())
    });
}

#[test]
fn a_datagram_of_the_old_stack_is_seen_in_admin() {
    let (vitrine, address) = start_on(Folders::new());
    send_datagram(&address, "{\"tag\": \"flask.logs\", \"message\": \"test log 4711\"}\n");
    wait_for_lines(&vitrine, "4711", &["test log 4711".to_string(), "flask.logs".to_string()]);
    wait_until("it is counted", || {
        let metrics = vitrine.get_as_admin("/metrics").text();
        let counted = |line: &str| {
            line.starts_with("vitrine_ingest_records_total{") && line.contains("udp") && line.ends_with(" 1")
        };
        metrics.lines().any(counted).then_some(())
    });
}

#[test]
fn a_datagram_by_ipv6_is_seen_in_admin() {
    if UdpSocket::bind("[::1]:0").is_err() {
        println!("skipped: this machine has no IPv6");
        return;
    }
    let (vitrine, address) = start_at(Folders::new(), "[::1]:0", &[]);
    let socket = UdpSocket::bind("[::1]:0").unwrap();
    socket.send_to(b"{\"tag\": \"flask.logs\", \"message\": \"test log 4712\"}\n", &address).unwrap();
    wait_for_lines(&vitrine, "4712", &["test log 4712".to_string(), "flask.logs".to_string()]);
}

#[test]
fn a_shared_key_is_asked_for_and_never_logged() {
    let key = [("VITRINE_FORWARD_SHARED_KEY", "wonderful")];
    let (mut vitrine, address) = start_at(Folders::new(), "127.0.0.1:0", &key);
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut hello = [0; 6];
    stream.read_exact(&mut hello).unwrap();
    assert_eq!(&hello, b"\x92\xa4HELO");
    stream.write_all(&chunk("shop", &["unproved".to_string()], "c1")).unwrap();
    let line = vitrine.wait_for_line("does not prove that its sender knows the shared key");
    assert!(line.contains("127.0.0.1"), "{line}");
    assert!(vitrine.logged("unproved").is_empty());
    let log = vitrine.log_text();
    assert!(log.contains("forward.shared_key = ********") && !log.contains("wonderful"), "{log}");
}

#[test]
fn an_acknowledged_chunk_survives_kill_9() {
    let (vitrine, address) = start_on(Folders::new());
    let lines: Vec<String> = (10..30).map(|n| format!("chunked {n}")).collect();
    send_chunk(&mut TcpStream::connect(&address).unwrap(), &lines, "c1");
    let vitrine = Vitrine::start_on(vitrine.kill());
    wait_for_lines(&vitrine, "chunked", &lines);
}

#[test]
fn what_arrived_before_sigterm_is_there_after_it() {
    let (mut vitrine, address) = start_on(Folders::new());
    let lines = |kind: &str| -> Vec<String> { (10..20).map(|n| format!("before-{kind}-{n}")).collect() };
    let mut stream = TcpStream::connect(&address).unwrap();
    send_chunk(&mut stream, &lines("acked"), "c1");
    for line in lines("udp") {
        send_datagram(&address, &format!("{{\"tag\": \"shop\", \"message\": \"{line}\"}}"));
    }
    stream.write_all(&chunk("shop", &lines("tcp"), "c2")).unwrap();
    vitrine.signal(Signal::TERM);
    assert!(vitrine.wait().success());
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.ends_with(b"c2"), "taken before the stop and not acknowledged: {rest:x?}");
    let dir = vitrine.into_dir();
    let vitrine = Vitrine::start_on(dir);
    for kind in ["acked", "udp", "tcp"] {
        wait_for_lines(&vitrine, &format!("before-{kind}"), &lines(kind));
    }
}

#[test]
fn nonsense_is_counted_and_harms_nothing() {
    let (vitrine, address) = start_on(Folders::new());
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // Closed with bytes unread is a reset, which is as good.
    _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty());
    wait_until("it is counted", || {
        let metrics = vitrine.get_as_admin("/metrics").text();
        let counted = |line: &str| {
            line.starts_with("vitrine_ingest_refused_total{")
                && line.contains("\"format\"")
                && line.ends_with(" 1")
        };
        metrics.lines().any(counted).then_some(())
    });
    assert_eq!(vitrine.get("/").status, 200);
}

#[test]
fn a_configured_port_in_use_exits_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = Folders::new();
    let mut command = dir.serve();
    command.env("VITRINE_FORWARD_LISTEN", &address);
    let ended = run(command);
    assert_eq!(ended.code, 1, "{ended:?}");
    for text in [address.as_str(), "in use", "VITRINE_FORWARD_LISTEN"] {
        assert!(ended.err.contains(text), "{text:?} is not in:\n{}", ended.err);
    }
}

#[test]
fn the_default_port_in_use_is_a_warning() {
    // If it cannot be had then another program has it, which serves as well.
    let _taken = TcpListener::bind("127.0.0.1:24224");
    let dir = Folders::new();
    let mut command = dir.serve();
    command.env_remove("VITRINE_FORWARD_LISTEN");
    let vitrine = Vitrine::spawn(command, dir);
    let log = vitrine.log_text();
    assert!(log.contains("127.0.0.1:24224") && log.contains("logs of other programs are not taken"), "{log}");
    assert_eq!(vitrine.get("/").status, 200);
}
