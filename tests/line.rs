//! A vitrine with its successors, and clients that notice everything.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::harness::{Ended, Folders, PATIENCE, Vitrine, stored_lines, wait_until};

pub const BINARY: &str = env!("CARGO_BIN_EXE_vitrine");

/// A vitrine that was started through a link, as releases are, and its successors.
pub struct Line {
    pub vitrine: Option<Vitrine>,
    /// Who serves now.
    pub pid: u32,
}

impl Line {
    pub fn start() -> Line {
        let dir = Folders::new();
        let command = serve_through_link(&dir);
        Line::spawn(command, dir)
    }

    pub fn spawn(command: Command, dir: Folders) -> Line {
        let vitrine = Vitrine::spawn(command, dir);
        Line { pid: vitrine.pid(), vitrine: Some(vitrine) }
    }

    pub fn vitrine(&mut self) -> &mut Vitrine {
        self.vitrine.as_mut().unwrap()
    }

    pub fn dir(&self) -> &Folders {
        self.vitrine.as_ref().unwrap().dir()
    }

    pub fn run(&self, command: &str) -> Ended {
        self.dir().run(&[command])
    }

    /// Has it hand over, and waits until the one before is gone.
    pub fn hand_over(&mut self, command: &str) {
        let ended = self.run(command);
        assert_eq!(ended.code, 0, "{}", ended.err);
        self.follow(pid_in(&ended.out));
    }

    pub fn follow(&mut self, pid: u32) {
        self.wait_for_end();
        self.pid = pid;
    }

    pub fn wait_for_end(&mut self) {
        let pid = self.pid;
        if pid == self.vitrine().pid() {
            self.vitrine().wait();
        } else {
            wait_until("the process is gone", || test_kill_process(raw(pid)).is_err().then_some(()));
        }
    }

    /// Asks for a hand-over that must fail; returns why it did.
    pub fn fail(&mut self) -> String {
        let ended = self.run("upgrade");
        assert_eq!(ended.code, 1, "{}{}", ended.out, ended.err);
        assert_eq!(self.vitrine().get("/health").status, 200);
        ended.err
    }

    /// Ends whoever serves and returns the folders.
    pub fn stop(mut self) -> Folders {
        kill_process(raw(self.pid), Signal::TERM).unwrap();
        self.wait_for_end();
        self.vitrine.take().unwrap().into_dir()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(vitrine) = &self.vitrine
            && vitrine.pid() != self.pid
        {
            // It may have ended already, which is as well.
            _ = kill_process(raw(self.pid), Signal::KILL);
        }
    }
}

pub fn raw(pid: u32) -> Pid {
    Pid::from_raw(pid as i32).unwrap()
}

/// Finds "process N" in what was said.
pub fn pid_in(text: &str) -> u32 {
    let digits = text.split("process ").nth(1).unwrap_or_else(|| panic!("no process in {text}"));
    digits.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

/// The path that is run: `current` is a link, which is changed as a release does it.
pub fn serve_through_link(dir: &Folders) -> Command {
    put_in_place(dir, |path| {
        // A second name of the same file, as long as both are on one file system.
        if fs::hard_link(BINARY, path).is_err() {
            fs::copy(BINARY, path).unwrap();
        }
    });
    serve_from(dir, &root(dir).join("current/vitrine"))
}

/// Serves on the folders from a program at a path.
pub fn serve_from(dir: &Folders, program: &Path) -> Command {
    let serve = dir.serve();
    let mut command = Command::new(program);
    command.args(serve.get_args()).current_dir(root(dir)).stdin(Stdio::null());
    take_environment(&mut command, &serve);
    // On a machine that runs all tests at once a start takes longer than anywhere else.
    command.env("VITRINE_RELEASE_START_TIMEOUT", "1m");
    command
}

pub fn take_environment(command: &mut Command, from: &Command) {
    for (name, value) in from.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

pub fn root(dir: &Folders) -> PathBuf {
    dir.data().parent().unwrap().to_path_buf()
}

/// Makes another folder, lets `make` put a program there, and moves the link to it.
pub fn put_in_place(dir: &Folders, make: impl FnOnce(&Path)) {
    let root = root(dir);
    let n = (0..).find(|n| !root.join(format!("r{n}")).exists()).unwrap();
    fs::create_dir(root.join(format!("r{n}"))).unwrap();
    make(&root.join(format!("r{n}/vitrine")));
    symlink(format!("r{n}"), root.join("next")).unwrap();
    fs::rename(root.join("next"), root.join("current")).unwrap();
}

pub fn put_script(dir: &Folders, text: &str) {
    put_in_place(dir, |path| {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    });
}

/// How the requests of some clients ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub answered: u64,
    pub failed: BTreeMap<String, u64>,
}

/// Clients that ask for the page again and again: half keep their connection, half open one for
/// each request.
pub struct Load {
    is_over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Outcome>>,
}

pub const CLIENTS: usize = 8;

impl Load {
    pub fn begin(address: &str) -> Load {
        let is_over = Arc::new(AtomicBool::new(false));
        let clients = (0..CLIENTS).map(|n| {
            let (address, is_over) = (address.to_string(), is_over.clone());
            thread::spawn(move || {
                let mut outcome = Outcome::default();
                let mut kept = None;
                while !is_over.load(Ordering::Relaxed) {
                    // Other tests run beside this one, and the processes must start.
                    thread::sleep(Duration::from_millis(5));
                    match ask(&address, &mut kept, n % 2 == 0) {
                        Ok(()) => outcome.answered += 1,
                        Err(fault) => {
                            kept = None;
                            *outcome.failed.entry(fault).or_default() += 1;
                        }
                    }
                }
                outcome
            })
        });
        let clients = clients.collect();
        Load { is_over, clients }
    }

    pub fn end(self) -> Outcome {
        self.is_over.store(true, Ordering::Relaxed);
        let mut all = Outcome::default();
        for client in self.clients {
            let Outcome { answered, failed } = client.join().unwrap();
            all.answered += answered;
            failed.into_iter().for_each(|(fault, n)| *all.failed.entry(fault).or_default() += n);
        }
        all
    }
}

pub fn ask(address: &str, kept: &mut Option<BufReader<TcpStream>>, keep: bool) -> Result<(), String> {
    let told = |what: &str, fault: std::io::Error| format!("{what}: {:?}", fault.kind());
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect(address).map_err(|fault| told("connect", fault))?;
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            BufReader::new(stream)
        }
    };
    let wish = if keep { "keep-alive" } else { "close" };
    let request = format!("GET / HTTP/1.1\r\nHost: a.b\r\nConnection: {wish}\r\n\r\n");
    stream.get_mut().write_all(request.as_bytes()).map_err(|fault| told("write", fault))?;
    let (mut line, mut n_bytes, mut closes) = (String::new(), 0, !keep);
    if stream.read_line(&mut line).map_err(|fault| told("read", fault))? == 0 {
        return Err("closed without an answer".into());
    }
    if line.split(' ').nth(1) != Some("200") {
        return Err(line.trim().to_string());
    }
    loop {
        line.clear();
        stream.read_line(&mut line).map_err(|fault| told("read", fault))?;
        match line.trim().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", n)) => n_bytes = n.parse().unwrap(),
            Some(("connection", "close")) => closes = true,
            _ if line.trim().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; n_bytes];
    stream.read_exact(&mut body).map_err(|fault| told("read", fault))?;
    if !closes {
        *kept = Some(stream);
    }
    Ok(())
}

/// The answered requests for the page that the stopped vitrine has on record.
pub fn n_recorded(dir: &Folders) -> u64 {
    stored_lines(dir, "access").iter().filter(|line| line.contains("GET / ")).count() as u64
}
