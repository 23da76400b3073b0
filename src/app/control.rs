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

use crate::record::access::cut;
use crate::release::deploy::Outcome;

/// The socket's name in the data directory.
const SOCKET: &str = "control.sock";

/// No command is longer; what comes after is not read.
const COMMAND_MAX_BYTES: u64 = 256 << 10;

/// Longest event, which becomes a line of the log.
const EVENT_MAX_BYTES: usize = 1_024;

/// An answer has 16 MB of log lines at most, twice in JSON; it is cut by nobody, so this is only a
/// bound.
const ANSWER_MAX_BYTES: u64 = 64 << 20;

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

/// A query may take as long as the configuration allows, an hour at most.
const QUERY_TIMEOUT: Duration = Duration::from_secs(3_610);

/// A question that changes nothing.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// What the process is asked to do, as one line of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// Apply the configuration and CV now on disk.
    Reload,
    /// Take up the admin password now on disk.
    PasswordChanged,
    /// Hand over to the binary now on disk.
    Upgrade,
    /// Hand over to a new process of the same binary.
    Restart,
    /// Say how it is.
    Vitals,
    /// Say what it logged last.
    Lines,
    /// Say how the last hour was.
    LastHour,
    /// Write down that something was done to the release, and whether it went well.
    Event(Outcome, String),
    /// Answer a query, whose parameters are a form.
    Query(String),
    /// Answer a query about logs, whose parameters are a form.
    Logs(String),
}

/// What stands before the text of an event.
const GOOD: &str = "event good ";
const BAD: &str = "event bad ";

/// What stands before the parameters of a query.
const QUERY: &str = "query ";
const LOGS: &str = "logs ";

impl Word {
    fn parse(line: &str) -> Option<Word> {
        Some(match line {
            "reload" => Word::Reload,
            "password-changed" => Word::PasswordChanged,
            "upgrade" => Word::Upgrade,
            "restart" => Word::Restart,
            "vitals" => Word::Vitals,
            "lines" => Word::Lines,
            "last-hour" => Word::LastHour,
            _ => {
                let behind = |word: &str| line.strip_prefix(word).map(str::to_string);
                let good = behind(GOOD).map(|text| Word::Event(Outcome::Good, text));
                let bad = || behind(BAD).map(|text| Word::Event(Outcome::Bad, text));
                let query = || behind(QUERY).map(Word::Query);
                good.or_else(bad).or_else(query).or_else(|| behind(LOGS).map(Word::Logs))?
            }
        })
    }

    fn as_line(&self) -> String {
        let word = match self {
            Word::Reload => "reload",
            Word::PasswordChanged => "password-changed",
            Word::Upgrade => "upgrade",
            Word::Restart => "restart",
            Word::Vitals => "vitals",
            Word::Lines => "lines",
            Word::LastHour => "last-hour",
            Word::Event(outcome, text) => {
                let word = if *outcome == Outcome::Good { GOOD } else { BAD };
                let text = cut(text, EVENT_MAX_BYTES - word.len() - 1);
                return format!("{word}{}\n", text.replace(['\n', '\r'], " "));
            }
            // A form has no line end.
            Word::Query(form) => return format!("{QUERY}{form}\n"),
            Word::Logs(form) => return format!("{LOGS}{form}\n"),
        };
        format!("{word}\n")
    }

    fn answer_timeout(&self) -> Duration {
        match self {
            Word::Upgrade | Word::Restart => HAND_OVER_TIMEOUT,
            Word::Vitals | Word::Lines | Word::LastHour | Word::Event(..) => LOOK_TIMEOUT,
            Word::Reload | Word::PasswordChanged => ANSWER_TIMEOUT,
            Word::Query(_) | Word::Logs(_) => QUERY_TIMEOUT,
        }
    }
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether it was done.
    pub ok: bool,
    /// Whether it was not even tried.
    #[serde(default)]
    pub refused: bool,
    /// What was done, or why not.
    pub message: String,
}

impl Answer {
    /// It was done.
    pub fn yes(message: impl Into<String>) -> Self {
        Answer { ok: true, refused: false, message: message.into() }
    }

    /// It was not.
    pub fn no(message: impl Into<String>) -> Self {
        Answer { ok: false, refused: false, message: message.into() }
    }

    /// It was not even tried.
    pub fn refusal(message: impl Into<String>) -> Self {
        Answer { refused: true, ..Answer::no(message) }
    }
}

/// Who asks for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// Whoever may use the control socket.
    CommandLine,
    /// The administration, which writes down itself who it was.
    Pages,
}

/// A command on its way to whoever carries it out.
pub struct Request {
    /// Who asks.
    pub asker: Asker,
    /// What to do.
    pub word: Word,
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
    let answer = match Word::parse(said) {
        Some(word) => ask(word, requests).await,
        None => Answer::no(format!("{said:?} is not a command of this version")),
    };
    let mut text = serde_json::to_string(&answer)?;
    text.push('\n');
    write.write_all(text.as_bytes()).await
}

async fn ask(word: Word, requests: &mpsc::Sender<Request>) -> Answer {
    let (answer, answered) = oneshot::channel();
    let stopping = || Answer::refusal("the process is stopping");
    if requests.send(Request { asker: Asker::CommandLine, word, answer }).await.is_err() {
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
    /// Somebody may listen, and not to us.
    #[error("the data directory {} lets only its owner and root ask: run it as that user, with sudo", .0.display())]
    NotAllowed(PathBuf),
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
pub fn send(data: &Path, word: &Word) -> Result<Answer, AskError> {
    let talk = || -> io::Result<Answer> {
        let mut stream = UnixStream::connect(ShortPath::of(data)?.socket())?;
        stream.set_read_timeout(Some(word.answer_timeout()))?;
        stream.write_all(word.as_line().as_bytes())?;
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
            io::ErrorKind::PermissionDenied => return AskError::NotAllowed(data.to_path_buf()),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                format!("it did not answer within {:?}", word.answer_timeout())
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

    #[test]
    fn words_read_back_and_an_event_stays_one_line() {
        let event = Word::Event(Outcome::Bad, "release x\nfailed".into());
        let line = event.as_line();
        assert_eq!(Word::parse(line.trim_end()), Some(Word::Event(Outcome::Bad, "release x failed".into())));
        let words =
            [Word::Reload, Word::PasswordChanged, Word::Upgrade, Word::Restart, Word::Vitals, Word::Lines];
        for word in words {
            assert_eq!(Word::parse(word.as_line().trim_end()), Some(word));
        }
        let long = Word::Event(Outcome::Good, "x".repeat(10_000)).as_line();
        assert_eq!(long.len(), EVENT_MAX_BYTES);
        let query = Word::Query("query=up%0A".into());
        assert_eq!(Word::parse(query.as_line().trim_end()), Some(query));
        assert_eq!(Word::parse("dance"), None);
    }

    #[tokio::test]
    async fn a_command_is_answered_and_an_unknown_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        // Longer than a socket's path may be.
        let data = dir.path().join("d".repeat(120));
        std::fs::create_dir(&data).unwrap();
        assert!(matches!(send(&data, &Word::Reload), Err(AskError::NotRunning(_))));
        tokio::task::LocalSet::new()
            .run_until(async {
                let (sender, mut requests) = mpsc::channel(1);
                let socket = listen(&data, sender).unwrap();
                let client = tokio::task::spawn_blocking({
                    let data = data.clone();
                    move || send(&data, &Word::Reload)
                });
                let request = requests.recv().await.unwrap();
                assert_eq!(request.word, Word::Reload);
                request.answer.send(Answer::no("because")).unwrap();
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
