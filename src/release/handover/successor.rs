//! The successor, as the running process sees it.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::channel::Channel;
use super::{Message, PROTOCOL, Program, SocketName, VARIABLE};

/// What it printed last is kept for whoever asks why it failed.
const LINES_KEPT: usize = 50;

/// A longer line is parted.
const LINE_MAX_BYTES: u64 = 4_096;

/// It says a few words in all; more wait until they are heard.
const MESSAGES_MAX: usize = 8;

/// After the end of its channel the process ends too, unless it was made to forget itself.
const EXIT_PATIENCE: Duration = Duration::from_secs(1);

/// Between two looks at a process that is about to end.
const EXIT_PAUSE: Duration = Duration::from_millis(5);

/// What a successor says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The version in its `Cargo.toml`.
    pub version: String,
    /// The release that it is.
    pub release: String,
}

/// Why there is no successor, and the last lines that it printed.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Fault {
    /// The cause.
    pub reason: String,
    /// What it printed, at most 50 lines.
    pub lines: Vec<String>,
    /// Set when it was not to blame: nothing was started.
    pub is_refusal: bool,
}

impl Fault {
    /// Nothing was started.
    pub fn refusal(reason: impl Into<String>) -> Fault {
        Fault { reason: reason.into(), lines: vec![], is_refusal: true }
    }
}

/// What was heard last of a successor that serves no more.
pub struct Gone(Option<Message>);

/// A process that is to take over; dropped before it was left to itself, it is ended.
pub struct Successor {
    program: String,
    child: Child,
    channel: Arc<Channel>,
    messages: mpsc::Receiver<Message>,
    lines: Arc<Mutex<VecDeque<String>>>,
    /// Passes on what it prints, until it prints no more.
    printing: Option<thread::JoinHandle<()>>,
    is_serving: bool,
    is_left: bool,
}

impl Successor {
    /// Starts it and gives it the sockets. `token` lets it open the store beside ours.
    pub fn start(
        program: &Program,
        token: &str,
        sockets: &[(SocketName, BorrowedFd<'_>)],
    ) -> Result<Successor, Fault> {
        let name = program.path().display().to_string();
        let attempt = || -> io::Result<Successor> {
            let (channel, theirs) = Channel::pair()?;
            let mut child = Command::new(program.path())
                .args(program.args())
                .env(VARIABLE, std::process::id().to_string())
                // What the service manager said to us was not said to it (sd_listen_fds(3),
                // sd_watchdog_enabled(3)).
                .env_remove("LISTEN_PID")
                .env_remove("LISTEN_FDS")
                .env_remove("LISTEN_FDNAMES")
                .env_remove("WATCHDOG_PID")
                .stdin(Stdio::from(theirs))
                .stderr(Stdio::piped())
                .spawn()?;
            let lines = Arc::new(Mutex::new(VecDeque::new()));
            let printed = child.stderr.take();
            let (channel, kept) = (Arc::new(channel), lines.clone());
            let (sender, messages) = mpsc::channel(MESSAGES_MAX);
            // From here on it is killed when something fails.
            let mut successor = Successor {
                program: name.clone(),
                child,
                channel,
                messages,
                lines,
                printing: None,
                is_serving: false,
                is_left: false,
            };
            if let Some(printed) = printed {
                let log = thread::Builder::new().name("successor-log".into());
                successor.printing = Some(log.spawn(move || pass_on(printed, &kept))?);
            }
            let channel = successor.channel.clone();
            let listen = move || {
                while let Ok(Some((message, _))) = channel.receive()
                    && sender.blocking_send(message).is_ok()
                {}
            };
            thread::Builder::new().name("successor".into()).spawn(listen)?;
            let (names, descriptors): (Vec<_>, Vec<_>) = sockets.iter().cloned().unzip();
            let hello = Message::Hello { protocol: PROTOCOL, token: token.to_string(), sockets: names };
            let stderr = io::stderr();
            let descriptors: Vec<_> = std::iter::once(stderr.as_fd()).chain(descriptors).collect();
            match successor.channel.send(&hello, &descriptors) {
                // One that has ended already is found out next, with its status.
                Err(fault) if fault.kind() == io::ErrorKind::BrokenPipe => {}
                sent => sent?,
            }
            Ok(successor)
        };
        attempt().map_err(|fault| Fault {
            reason: format!("start {name}: {fault}"),
            lines: vec![],
            is_refusal: false,
        })
    }

    /// Returns its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has proved itself, at most so long.
    pub async fn ready(&mut self, within: Duration) -> Result<Announced, Fault> {
        match tokio::time::timeout(within, self.messages.recv()).await {
            Ok(Some(Message::Ready { version, release })) => Ok(Announced { version, release }),
            Ok(said) => Err(self.fault(said, "before it was ready")),
            Err(_) => Err(self.late("ready", within)),
        }
    }

    /// Lets it accept, and waits until it does.
    pub async fn accept(&mut self, within: Duration) -> Result<(), Fault> {
        // When it is gone the next look says so.
        _ = self.channel.send(&Message::Accept, &[]);
        match tokio::time::timeout(within, self.messages.recv()).await {
            Ok(Some(Message::Serving)) => {
                self.is_serving = true;
                Ok(())
            }
            Ok(said) => Err(self.fault(said, "before it served")),
            Err(_) => Err(self.late("serving", within)),
        }
    }

    /// Waits until it is gone, or says what it should not; does not return while it serves.
    pub async fn gone(&mut self) -> Gone {
        Gone(self.messages.recv().await)
    }

    /// Finds out why it is gone, which may take a second.
    pub fn why(&mut self, gone: Gone) -> Fault {
        self.fault(gone.0, "after it had begun to serve")
    }

    /// Leaves it to itself: it is not ended with this value.
    pub fn let_go(&mut self) {
        self.is_left = true;
    }

    /// Says that this process has closed its store and leaves.
    pub fn say_bye(&self) {
        // Gone or not, there is nothing more that we could do for it.
        _ = self.channel.send(&Message::Bye, &[]);
    }

    fn fault(&mut self, said: Option<Message>, when: &str) -> Fault {
        let reason = match said {
            Some(Message::Failed { reason }) => reason,
            Some(other) => format!("{} said {other:?} {when}, which is out of turn", self.program),
            None => match self.ended() {
                Some(status) => format!("{} {} {when}", self.program, ending(status)),
                None => format!("{} closed its channel {when}, and was killed", self.program),
            },
        };
        Fault { reason, lines: self.lines(), is_refusal: false }
    }

    fn late(&mut self, what: &str, within: Duration) -> Fault {
        let reason = format!("{} was not {what} within {within:?}, and was killed", self.program);
        Fault { reason, lines: self.lines(), is_refusal: false }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    // Waits for the end of the process, and of what it printed.
    fn ended(&mut self) -> Option<ExitStatus> {
        let begun = Instant::now();
        let mut status = None;
        while begun.elapsed() < EXIT_PATIENCE {
            match self.child.try_wait() {
                Ok(found) => status = found,
                Err(_) => return None,
            }
            if status.is_some() && self.printing.as_ref().is_none_or(thread::JoinHandle::is_finished) {
                break;
            }
            thread::sleep(EXIT_PAUSE);
        }
        status
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if self.is_left {
            return;
        }
        self.channel.close();
        if self.is_serving && matches!(self.child.try_wait(), Ok(None)) {
            // It has requests in hand, and ends as we do: by finishing them.
            let pid = rustix::process::Pid::from_child(&self.child);
            _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            return;
        }
        // It may have ended; reaped it must be.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".into(),
    }
}

// Its lines are ours too, until it has the standard error that we were started with.
fn pass_on(printed: ChildStderr, kept: &Mutex<VecDeque<String>>) {
    let mut printed = BufReader::new(printed);
    let mut line = Vec::new();
    while printed.by_ref().take(LINE_MAX_BYTES).read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        // Whoever reads our log may be gone; the lines are kept all the same.
        _ = io::stderr().write_all(&line);
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == LINES_KEPT {
            kept.pop_front();
        }
        kept.push_back(String::from_utf8_lossy(&line).trim_end().to_string());
        line.clear();
    }
}
