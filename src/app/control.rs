//! The control socket: how the command line talks to the running process.
//!
//! A Unix socket in the data directory, readable by its owner only; the file system is
//! the credential. One line in, one line of JSON out, then the connection closes:
//!
//! ```text
//! reload\n  →  {"ok":false,"message":"…why…"}\n
//! ```

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::hand_over::Aim;

/// The socket's name in the data directory.
const SOCKET: &str = "control.sock";

/// No command is longer; what comes after is not read.
const COMMAND_MAX_BYTES: u64 = 256;

/// An answer names every problem of a CV; it is cut by nobody, so this is only a bound.
const ANSWER_MAX_BYTES: u64 = 16 << 20;

/// A client that connects and says nothing is let go.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);

/// Callers at once; one more waits.
const CONVERSATIONS_MAX: usize = 8;

/// Between two attempts to accept when one failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// `sun_path` of unix(7), the closing zero aside.
const SOCKET_PATH_MAX_BYTES: usize = 107;

/// The longest that a command may take, a reload of a large CV included.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// And a hand-over, which waits for a successor as long as the configuration says.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(360);

fn answer_timeout(command: Command) -> Duration {
    match command {
        Command::HandOver(_) => HAND_OVER_TIMEOUT,
        Command::Reload | Command::PasswordChanged => ANSWER_TIMEOUT,
    }
}

/// What the process is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Apply the configuration and CV now on disk.
    Reload,
    /// Take up the admin password now on disk.
    PasswordChanged,
    /// Hand over to a new process.
    HandOver(Aim),
}

/// The words of the socket.
const WORDS: [(&str, Command); 4] = [
    ("reload", Command::Reload),
    ("password-changed", Command::PasswordChanged),
    ("upgrade", Command::HandOver(Aim::Upgrade)),
    ("restart", Command::HandOver(Aim::Restart)),
];

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether it was done.
    pub ok: bool,
    /// What was done, or why not.
    pub message: String,
}

/// A command on its way to whoever carries it out.
pub struct Request {
    /// What to do.
    pub command: Command,
    /// Where the answer goes; a client that left makes it go nowhere.
    pub answer: oneshot::Sender<Answer>,
}

/// Removes the socket's file when the process stops.
pub struct Socket {
    path: PathBuf,
    /// What tells our socket from one that a successor put in its place.
    inode: u64,
    accepting: tokio::task::JoinHandle<()>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.accepting.abort();
        if inode(&self.path).is_ok_and(|there| there == self.inode) {
            // Nothing to do about a file that somebody removed before us.
            _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Listens in the data directory and passes every command on to `requests`. The task ends
/// when the [`Socket`] is dropped.
///
/// The caller holds the directory's lock, so a socket file that lies there is a dead
/// process's and is replaced.
pub fn listen(data: &Path, requests: mpsc::Sender<Request>) -> io::Result<Socket> {
    let path = data.join(SOCKET);
    match std::fs::remove_file(&path) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(fault),
        Ok(()) | Err(_) => {}
    }
    let short = ShortPath::of(data)?;
    let listener = UnixListener::bind(short.socket())?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    let accepting = tokio::task::spawn_local(accept(listener, requests));
    Ok(Socket { inode: inode(&path)?, path, accepting })
}

fn inode(path: &Path) -> io::Result<u64> {
    Ok(std::fs::symlink_metadata(path)?.ino())
}

async fn accept(listener: UnixListener, requests: mpsc::Sender<Request>) {
    let places = Arc::new(Semaphore::new(CONVERSATIONS_MAX));
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let place = places.clone().acquire_owned().await.expect("nobody closes it");
                let requests = requests.clone();
                // It ends by itself, and outlives the socket: what was asked is answered.
                tokio::task::spawn_local(async move {
                    converse(stream, requests).await;
                    drop(place);
                });
            }
            // Out of descriptors, most likely; that passes, and we must still be there.
            Err(fault) => {
                tracing::warn!("the control socket could not accept: {fault}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The data directory under a name of any length: a socket's path has at most 107 bytes, so a
/// longer one goes by way of an open descriptor.
struct ShortPath {
    dir: PathBuf,
    /// Held for as long as the name is used.
    _open: Option<std::fs::File>,
}

impl ShortPath {
    fn of(data: &Path) -> io::Result<Self> {
        if data.as_os_str().len() + SOCKET.len() < SOCKET_PATH_MAX_BYTES {
            return Ok(ShortPath { dir: data.to_path_buf(), _open: None });
        }
        let open = std::fs::File::open(data)?;
        Ok(ShortPath { dir: format!("/proc/self/fd/{}", open.as_raw_fd()).into(), _open: Some(open) })
    }

    fn socket(&self) -> PathBuf {
        self.dir.join(SOCKET)
    }
}

async fn converse(stream: tokio::net::UnixStream, requests: mpsc::Sender<Request>) {
    if let Err(fault) = answer_one(stream, &requests).await {
        tracing::debug!("a control connection ended early: {fault}");
    }
}

async fn answer_one(stream: tokio::net::UnixStream, requests: &mpsc::Sender<Request>) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut reader = tokio::io::BufReader::new(read).take(COMMAND_MAX_BYTES);
    tokio::time::timeout(COMMAND_TIMEOUT, reader.read_line(&mut line)).await??;
    let said = line.trim();
    let answer = match WORDS.iter().find(|(word, _)| *word == said) {
        Some((_, command)) => ask(*command, requests).await,
        None => Answer { ok: false, message: format!("{said:?} is not a command of this version") },
    };
    let mut text = serde_json::to_string(&answer)?;
    text.push('\n');
    write.write_all(text.as_bytes()).await
}

async fn ask(command: Command, requests: &mpsc::Sender<Request>) -> Answer {
    let (answer, answered) = oneshot::channel();
    let stopping = || Answer { ok: false, message: "the process is stopping".into() };
    if requests.send(Request { command, answer }).await.is_err() {
        return stopping();
    }
    answered.await.unwrap_or_else(|_| stopping())
}

/// Why the running process could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error("no vitrine runs on the data directory {}: start it, or name another with --data", .0.display())]
    NotRunning(PathBuf),
    /// Something else.
    #[error("talk to the running vitrine over {}: {reason}", path.display())]
    Talk {
        /// The socket.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
}

/// Sends a command to the process that runs on `data` and waits for its answer.
pub fn send(data: &Path, command: Command) -> Result<Answer, AskError> {
    let talk = || -> io::Result<Answer> {
        let mut stream = UnixStream::connect(ShortPath::of(data)?.socket())?;
        stream.set_read_timeout(Some(answer_timeout(command)))?;
        let (word, _) =
            WORDS.iter().find(|(_, known)| *known == command).expect("every command has its word");
        stream.write_all(format!("{word}\n").as_bytes())?;
        let mut line = String::new();
        match BufReader::new(stream.take(ANSWER_MAX_BYTES)).read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(serde_json::from_str(&line)?),
        }
    };
    talk().map_err(|fault| {
        let reason = match fault.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                return AskError::NotRunning(data.to_path_buf());
            }
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                format!("it did not answer within {:?}", answer_timeout(command))
            }
            io::ErrorKind::UnexpectedEof => "it stopped before it answered".to_string(),
            _ => fault.to_string(),
        };
        AskError::Talk { path: data.join(SOCKET), reason }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_is_answered_and_an_unknown_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        // Longer than a socket's path may be.
        let data = dir.path().join("d".repeat(120));
        std::fs::create_dir(&data).unwrap();
        assert!(matches!(send(&data, Command::Reload), Err(AskError::NotRunning(_))));
        tokio::task::LocalSet::new()
            .run_until(async {
                let (sender, mut requests) = mpsc::channel(1);
                let socket = listen(&data, sender).unwrap();
                let client = tokio::task::spawn_blocking({
                    let data = data.clone();
                    move || send(&data, Command::Reload)
                });
                let request = requests.recv().await.unwrap();
                assert_eq!(request.command, Command::Reload);
                request.answer.send(Answer { ok: false, message: "because".into() }).unwrap();
                assert_eq!(client.await.unwrap().unwrap().message, "because");

                let client = tokio::task::spawn_blocking({
                    let short = ShortPath::of(&data).unwrap();
                    move || {
                        let mut stream = UnixStream::connect(short.socket()).unwrap();
                        stream.write_all(b"dance\n").unwrap();
                        let mut text = String::new();
                        stream.read_to_string(&mut text).unwrap();
                        text
                    }
                });
                assert!(client.await.unwrap().contains("is not a command"));
                drop(socket);
                assert!(!data.join(SOCKET).exists());
            })
            .await;
    }
}
