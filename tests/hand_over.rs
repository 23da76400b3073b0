//! The hand-over from the outside: under load, again and again, and with successors that fail at
//! every word of the protocol.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process, test_kill_process};
use vitrine::clock::UnixMillis;
use vitrine::record::read::{Matcher, MetricRead, SeriesSelect};

use crate::harness::{Folders, PATIENCE, number_of_run, stored, wait_until};
use crate::line::{
    BINARY, CLIENTS, Line, Load, ask, n_recorded, pid_in, put_in_place, put_script, raw, root,
    serve_through_link, take_environment,
};

/// How many hand-overs in a row; `.ci/run` asks for more.
fn times() -> usize {
    number_of_run("VITRINE_HAND_OVERS", 3) as usize
}

/// What the counter of page requests grew by in all, as a graph shows it.
fn n_counted(dir: &Folders) -> u64 {
    let matchers = vec![
        Matcher::equal("__name__", "http_server_request_duration_seconds_count"),
        Matcher::equal("http_route", "/"),
    ];
    let mut grown = 0.0;
    let select = SeriesSelect { matchers, from: UnixMillis(0), to: UnixMillis(i64::MAX) };
    let read = stored(dir).series(&select, &mut |_, samples| {
        let values = std::iter::once(0.0).chain(samples.iter().map(|sample| sample.value));
        let values: Vec<f64> = values.collect();
        grown +=
            values.windows(2).map(|two| if two[1] < two[0] { two[1] } else { two[1] - two[0] }).sum::<f64>();
        ControlFlow::Continue(())
    });
    read.unwrap();
    grown as u64
}

#[test]
fn no_request_and_no_record_is_lost_however_often_it_hands_over() {
    let mut line = Line::start();
    let load = Load::begin(line.vitrine().address());
    for n in 0..times() {
        if n % 3 == 2 {
            // Without an answer: the log says who serves.
            kill_process(raw(line.pid), Signal::USR2).unwrap();
            let said = line.vitrine().wait_for_line("handed over to process");
            line.follow(pid_in(&said));
        } else {
            line.hand_over(["upgrade", "restart"][n % 3]);
            line.vitrine().wait_for_line("handed over to process");
        }
    }
    let outcome = load.end();
    assert_eq!(outcome.failed, BTreeMap::new(), "of {} answered", outcome.answered);
    let dir = line.stop();
    assert_eq!(n_recorded(&dir), outcome.answered);
    assert_eq!(n_counted(&dir), outcome.answered, "one counter after the other, none in between");
}

#[test]
fn a_successor_that_fails_changes_nothing_and_says_why() {
    let dir = Folders::new();
    dir.write("../vitrine.toml", "[release]\nstart_timeout = \"1s\"\n");
    let mut command = serve_through_link(&dir);
    command.env_remove("VITRINE_RELEASE_START_TIMEOUT");
    let mut line = Line::spawn(command, dir);
    let load = Load::begin(line.vitrine().address());
    let check = |line: &mut Line, script: &str, expected: &[&str]| {
        put_script(line.dir(), script);
        let why = line.fail();
        expected.iter().for_each(|text| assert!(why.contains(text), "{text} is not in: {why}"));
    };
    check(
        &mut line,
        "#!/bin/sh\necho 'one of its lines' >&2\nexit 3\n",
        &["exited with status 3", "one of its lines"],
    );
    check(&mut line, "#!/bin/sh\nexec sleep 60\n", &["was not ready within 1s"]);
    check(&mut line, "#!/bin/sh\nkill -SEGV $$\n", &["was ended by signal 11"]);
    check(&mut line, "#!/nowhere/interpreter\n", &["No such file"]);
    check(&mut line, "\u{1}\u{2}\u{3}random", &["Exec format error"]);
    put_in_place(line.dir(), |path| fs::write(path, "not executable").unwrap());
    assert!(line.fail().contains("Permission denied"));
    let dangling = root(line.dir()).join("next");
    symlink("nowhere", &dangling).unwrap();
    fs::rename(dangling, root(line.dir()).join("current")).unwrap();
    assert!(line.fail().contains("No such file"));
    // The real one, with a configuration that is wrong by now.
    put_in_place(line.dir(), |path| _ = fs::copy(BINARY, path).unwrap());
    line.dir().write("../vitrine.toml", "[release]\nstart_timeout = \"never\"\n");
    kill_process(raw(line.pid), Signal::USR2).unwrap();
    line.vitrine().wait_for_line("the hand-over failed, this process serves on: the configuration is wrong");
    line.dir().write("../vitrine.toml", "[release]\nstart_timeout = \"1m\"\n");
    assert_eq!(line.run("reload").code, 0);
    let restart = line.run("restart");
    assert_eq!(restart.code, 1);
    assert!(restart.err.contains("`vitrine upgrade` hands over to it"), "{}", restart.err);
    line.hand_over("upgrade");
    let outcome = load.end();
    assert_eq!(outcome.failed, BTreeMap::new(), "of {} answered", outcome.answered);
    let dir = line.stop();
    assert_eq!(n_recorded(&dir), outcome.answered);
}

fn has_python() -> bool {
    let found = Command::new("python3").arg("--version").output().is_ok();
    if !found {
        println!("skipped: there is no python3");
    }
    found
}

/// A successor that knows the protocol, and what it does at a word of it.
const SPEAKER: &str = r#"#!/usr/bin/env python3
import json, os, signal, socket, sys
channel = socket.socket(fileno=os.dup(0))
hello, descriptors, _, _ = socket.recv_fds(channel, 65536, 64)
listener = socket.socket(fileno=descriptors[1 + [s["part"] for s in json.loads(hello)["sockets"]].index("http")])
def say(**message):
    channel.send(json.dumps(message).encode())
def end():
    os.kill(os.getpid(), signal.SIGKILL)
def serve(times):
    listener.setblocking(True)
    for _ in range(times):
        stream, _ = listener.accept()
        stream.recv(65536)
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        stream.close()
"#;

#[test]
fn a_successor_may_die_at_every_word() {
    if !has_python() {
        return;
    }
    let mut line = Line::start();
    let load = Load::begin(line.vitrine().address());
    let words = [
        ("end()", "before it was ready"),
        ("say(say='nonsense')\nsignal.pause()", "was killed"),
        ("say(say='serving')\nsignal.pause()", "out of turn"),
        ("say(say='failed', reason='because')", "because"),
        ("say(say='ready', version='1', release='1')\nend()", "before it served"),
        ("say(say='ready', version='1', release='1')\nchannel.recv(99)\nend()", "before it served"),
        (
            "say(say='ready', version='1', release='1')\nchannel.recv(99)\nsay(say='serving')\nend()",
            "after it had begun to serve",
        ),
        (
            "say(say='ready', version='1', release='1')\nchannel.recv(99)\nsay(say='serving')\nserve(50)\nend()",
            "after it had begun to serve",
        ),
    ];
    for (program, expected) in words {
        put_script(line.dir(), &format!("{SPEAKER}{program}\n"));
        let why = line.fail();
        assert!(why.contains(expected), "{program}: {why}");
    }
    put_in_place(line.dir(), |path| _ = fs::copy(BINARY, path).unwrap());
    line.hand_over("upgrade");
    let outcome = load.end();
    // It accepted one connection at a time, and what waited in the kernel's queue was ours.
    assert_eq!(outcome.failed, BTreeMap::new(), "of {} answered", outcome.answered);
    line.stop();
}

#[test]
fn a_successor_that_is_killed_while_both_serve_costs_what_it_had_in_hand() {
    let mut line = Line::start();
    let load = Load::begin(line.vitrine().address());
    let upgrade = thread::spawn({
        let mut command = Command::new(BINARY);
        command.arg("upgrade").arg("--data").arg(line.dir().data()).env("VITRINE_FORWARD_LISTEN", "");
        move || command.output().unwrap()
    });
    let said = line.vitrine().wait_for_line(" starts, release ");
    let pid = pid_in(&said);
    line.vitrine().wait_for_line("ready after");
    kill_process(raw(pid), Signal::KILL).unwrap();
    let ended = upgrade.join().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let why = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(why.contains("was ended by signal 9 after it had begun to serve"), "{why}");
    assert!(why.contains("ready after"), "its lines are shown: {why}");
    // The one before serves on, and can hand over again.
    line.hand_over("upgrade");
    let outcome = load.end();
    let n_failed: u64 = outcome.failed.values().sum();
    assert!(n_failed <= CLIENTS as u64, "{outcome:?}");
    let dir = line.stop();
    // Those that the killed one answered in its last second may be lost, and no others.
    assert!(n_recorded(&dir) <= outcome.answered + n_failed);
}

#[test]
fn a_stop_while_both_serve_ends_both_and_finishes_what_they_have() {
    let mut line = Line::start();
    let address = line.vitrine().address().to_string();
    kill_process(raw(line.pid), Signal::USR2).unwrap();
    line.vitrine().wait_for_line("hands over to");
    let said = line.vitrine().wait_for_line(" starts, release ");
    let successor = pid_in(&said);
    line.vitrine().wait_for_line("ready after");
    let load = Load::begin(&address);
    kill_process(raw(line.pid), Signal::TERM).unwrap();
    assert!(line.vitrine().wait().success());
    wait_until("the successor has ended too", || test_kill_process(raw(successor)).is_err().then_some(()));
    let outcome = load.end();
    // Whoever was let in was answered; whoever came later found nobody, and who was in the
    // kernel's queue when the last one closed it, as after any stop, was turned away.
    let others = outcome.failed.iter().filter(|(fault, _)| !fault.starts_with("connect"));
    let n_others: u64 = others.map(|(_, n)| n).sum();
    assert!(outcome.answered > 0 && n_others <= CLIENTS as u64, "{outcome:?}");
    let dir = line.vitrine.take().unwrap().into_dir();
    assert_eq!(n_recorded(&dir), outcome.answered);
}

/// Kills the running process once it has said hello, before that is read.
const KILLER: &str = r#"#!/usr/bin/env python3
import os, signal, socket, sys
socket.socket(fileno=os.dup(0)).recv(1, socket.MSG_PEEK)
os.kill(os.getppid(), signal.SIGKILL)
"#;

#[test]
fn the_successor_of_one_that_is_killed_serves_alone() {
    // Before the first word is read, and while the successor proves itself.
    for is_early in [true, false].into_iter().filter(|is_early| !is_early || has_python()) {
        let mut line = Line::start();
        let address = line.vitrine().address().to_string();
        if is_early {
            put_script(line.dir(), &format!("{KILLER}os.execv('{BINARY}', sys.argv)\n"));
        }
        kill_process(raw(line.pid), Signal::USR2).unwrap();
        if is_early {
            line.vitrine().wait();
            let said = line.vitrine().wait_for_line(" starts, release ");
            line.pid = pid_in(&said);
            line.vitrine().wait_for_line("ready after");
        } else {
            line.vitrine().wait_for_line("hands over to");
            let said = line.vitrine().wait_for_line(" starts, release ");
            kill_process(raw(line.pid), Signal::KILL).unwrap();
            line.vitrine().wait();
            line.pid = pid_in(&said);
            wait_until("the successor serves alone", || {
                ask(&address, &mut None, false).is_ok().then_some(())
            });
            // And is a whole one: it can hand over itself, once it knows that it is alone.
            wait_until("it hands over", || {
                let ended = line.run("upgrade");
                (ended.code == 0).then(|| line.pid = pid_in(&ended.out))
            });
        }
        line.stop();
    }
}

#[test]
fn a_restart_applies_what_a_reload_refuses() {
    let dir = Folders::new();
    dir.write("../vitrine.toml", "[http]\nthreads = 1\n");
    let mut line = Line::spawn(serve_through_link(&dir), dir);
    line.dir().write("../vitrine.toml", "[http]\nthreads = 2\n");
    let refused = line.run("reload");
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("`vitrine restart` applies it"), "{}", refused.err);
    line.hand_over("restart");
    assert_eq!(line.run("reload").code, 0);
    line.stop();
}

/// Reads what the service manager is told, until it is told `last`.
fn told(manager: &UnixDatagram, last: &str) -> Vec<String> {
    let mut res = Vec::new();
    let begun = Instant::now();
    loop {
        let mut buffer = [0; 4096];
        let n = match manager.recv(&mut buffer) {
            Err(fault) if matches!(fault.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("{last} was not said, but {res:?}")
            }
            n => n.unwrap(),
        };
        res.push(String::from_utf8(buffer[..n].to_vec()).unwrap());
        if res.last().unwrap().starts_with(last) {
            return res;
        }
        assert!(begun.elapsed() < PATIENCE, "{last} was not said, but {res:?}");
    }
}

#[test]
fn the_service_manager_follows_from_one_process_to_the_next() {
    let dir = Folders::new();
    let path = root(&dir).join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = serve_through_link(&dir);
    // As systemd sets it for the first process: another pid than that of any successor.
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "1000000");
    let mut line = Line::spawn(command, dir);
    told(&manager, "READY=1");
    told(&manager, "WATCHDOG=1");
    let upgrade = thread::spawn({
        let mut command = Command::new(BINARY);
        command.arg("upgrade").arg("--data").arg(line.dir().data()).env("VITRINE_FORWARD_LISTEN", "");
        move || command.output().unwrap()
    });
    let said = told(&manager, "MAINPID=");
    assert!(!said.iter().any(|word| word.starts_with("STOPPING")), "the unit would stop: {said:?}");
    told(&manager, "BARRIER=1");
    let ended = upgrade.join().unwrap();
    let pid = pid_in(&String::from_utf8_lossy(&ended.stdout));
    assert_eq!(said.last().unwrap(), &format!("MAINPID={pid}\n"));
    line.follow(pid);
    // Only the successor is left to say this.
    while manager.set_nonblocking(true).is_ok() && manager.recv(&mut [0; 4096]).is_ok() {}
    manager.set_nonblocking(false).unwrap();
    told(&manager, "WATCHDOG=1");
    line.stop();
    assert!(told(&manager, "STOPPING=1").len() < 1_000);
}

#[test]
fn a_socket_of_the_service_manager_is_taken_and_handed_on() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let managers = socket.try_clone().unwrap();
    let dir = Folders::new();
    let serve = serve_through_link(&dir);
    // The variables name a process that is not there before it is started.
    let mut command = Command::new("sh");
    command.args(["-c", "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"", "sh"]);
    let listen = address.to_string();
    let args = serve.get_args().map(|arg| if arg == "127.0.0.1:0" { listen.as_ref() } else { arg });
    command.arg(serve.get_program()).args(args).current_dir(root(&dir));
    take_environment(&mut command, &serve);
    command.stdin(Stdio::from(OwnedFd::from(socket)));
    let mut line = Line::spawn(command, dir);
    assert_eq!(line.vitrine().address(), listen);
    assert_eq!(line.vitrine().get("/health").status, 200);
    line.hand_over("upgrade");
    assert_eq!(line.vitrine().get("/health").status, 200);
    line.stop();
    // Who comes between two processes waits in the manager's queue.
    let waiting = TcpStream::connect_timeout(&address, Duration::from_millis(900)).unwrap();
    let (_, accepted) = managers.accept().unwrap();
    assert_eq!(accepted, waiting.local_addr().unwrap());
}
