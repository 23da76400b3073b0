//! The front: nothing fails while what stands behind it is replaced.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::harness::{Folders, Vitrine, command};
use crate::line::{Load, n_recorded};

/// A running front; killed when dropped.
struct Front {
    child: Child,
    address: String,
}

impl Front {
    fn start(to: &str, hold: &str) -> Front {
        let mut command: Command = command(&["front", "--listen", "127.0.0.1:0", "--to", to, "--hold", hold]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).unwrap().split(' ').next().unwrap().to_string();
        Front { child, address }
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = std::net::TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
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
