//! A server that runs while it is measured.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// What takes longer to start has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server process; told to end, and waited for, when dropped.
pub struct Process(Child);

impl Process {
    /// Starts a command and waits for the first line of its log that has `mark`; returns what
    /// comes after it there.
    pub fn start(mut command: Command, mark: &'static str) -> (Process, String) {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        // Nobody waits for it: it ends with the process whose log it reads, to the end, since
        // a full pipe would stop that one.
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                // Nobody reads on after the start.
                let _ = sender.send(line);
            }
        });
        let (process, deadline, mut log) = (Process(child), Instant::now() + PATIENCE, String::new());
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = lines.recv_timeout(left) else {
                panic!("{command:?} did not say {mark:?}:\n{log}");
            };
            if let Some((_, after)) = line.split_once(mark) {
                return (process, after.to_string());
            }
            log = log + &line + "\n";
        }
    }

    /// Returns its number.
    pub fn pid(&self) -> i32 {
        Pid::from_child(&self.0).as_raw_nonzero().get()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, which shows in what it was asked for.
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}
