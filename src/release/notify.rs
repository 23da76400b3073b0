//! systemd's notify protocol: a datagram of `KEY=value` lines to the socket that
//! `NOTIFY_SOCKET` names.
//!
//! Without the variable every call is a no-op, so the caller never asks where it runs.
//! The messages and their order are those of `sd_notify(3)`.

use std::ffi::{OsStr, OsString};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::pipe::PipeFlags;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// The variable in which the service manager names its socket.
const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";

/// A longer status line is cut; `systemctl status` shows one line.
const STATUS_MAX_BYTES: usize = 256;

/// Why the service manager could not be told.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The address is neither an absolute path nor an abstract name.
    #[error("notify the service manager at {0:?}: neither a path nor an abstract socket")]
    Address(OsString),
    /// The socket could not be opened or written to.
    #[error("notify the service manager at {address:?}: {source}")]
    Socket {
        /// Where the message went.
        address: OsString,
        /// Why it did not arrive.
        source: io::Error,
    },
}

/// Tells the service manager how the process is doing; a no-op when there is none.
#[derive(Debug)]
pub struct Notifier {
    target: Option<Target>,
}

#[derive(Debug)]
struct Target {
    address: OsString,
    socket: UnixDatagram,
}

impl Notifier {
    /// Returns the notifier for the socket in `NOTIFY_SOCKET`.
    pub fn from_env() -> Result<Self, NotifyError> {
        match std::env::var_os(NOTIFY_SOCKET).filter(|address| !address.is_empty()) {
            Some(address) => Notifier::to(&address),
            None => Ok(Notifier::silent()),
        }
    }

    /// Returns a notifier that tells nobody.
    pub fn silent() -> Self {
        Notifier { target: None }
    }

    /// Returns the notifier for a socket: a path, or `@name` for an abstract one.
    pub fn to(address: &OsStr) -> Result<Self, NotifyError> {
        let failed = |source| NotifyError::Socket { address: address.to_os_string(), source };
        let socket_address = match address.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name).map_err(failed)?,
            [b'/', ..] => SocketAddr::from_pathname(address).map_err(failed)?,
            _ => return Err(NotifyError::Address(address.to_os_string())),
        };
        let socket = UnixDatagram::unbound().map_err(failed)?;
        socket.connect_addr(&socket_address).map_err(failed)?;
        // A service manager that does not read must not hold up the start or the stop.
        socket.set_nonblocking(true).map_err(failed)?;
        Ok(Notifier { target: Some(Target { address: address.to_os_string(), socket }) })
    }

    /// Says that the process serves; also ends a reload.
    pub fn ready(&self, status: &str) -> Result<(), NotifyError> {
        self.send(&format!("READY=1\n{}", status_line(status)))
    }

    /// Says that a reload began; [`Notifier::ready`] must follow, whatever its outcome.
    pub fn reloading(&self) -> Result<(), NotifyError> {
        // Without this stamp a `Type=notify-reload` unit waits until its timeout.
        let now = clock_gettime(ClockId::Monotonic);
        let monotonic_us = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={monotonic_us}\n"))
    }

    /// Says that the process drains and will end.
    pub fn stopping(&self, status: &str) -> Result<(), NotifyError> {
        self.send(&format!("STOPPING=1\n{}", status_line(status)))
    }

    /// Says which process is the main one from here on, and waits until the manager has taken
    /// that in, at most five seconds: the process that was it may end then.
    pub fn main_pid(&self, pid: u32) -> Result<(), NotifyError> {
        self.send(&format!("MAINPID={pid}\n"))?;
        let Some(Target { address, socket }) = &self.target else { return Ok(()) };
        let failed = |source| NotifyError::Socket { address: address.clone(), source };
        barrier(socket).map_err(failed)
    }

    /// Says that the process is well; to be said at least twice in [`watchdog_interval`].
    pub fn watchdog(&self) -> Result<(), NotifyError> {
        self.send("WATCHDOG=1\n")
    }

    /// Replaces the line that `systemctl status` shows.
    pub fn status(&self, status: &str) -> Result<(), NotifyError> {
        self.send(&status_line(status))
    }

    fn send(&self, message: &str) -> Result<(), NotifyError> {
        let Some(Target { address, socket }) = &self.target else { return Ok(()) };
        match socket.send(message.as_bytes()) {
            Ok(_) => Ok(()),
            Err(source) => Err(NotifyError::Socket { address: address.clone(), source }),
        }
    }
}

/// The manager closes what it is given once it has worked off everything before
/// (`sd_notify_barrier(3)`).
const BARRIER_PATIENCE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

fn barrier(socket: &UnixDatagram) -> io::Result<()> {
    let (ours, theirs) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    let descriptors = [theirs.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(socket, &[IoSlice::new(b"BARRIER=1")], &mut control, SendFlags::NOSIGNAL)?;
    drop(theirs);
    match poll(&mut [PollFd::new(&ours, PollFlags::empty())], Some(&BARRIER_PATIENCE))? {
        0 => Err(io::Error::new(io::ErrorKind::TimedOut, "it did not confirm the new main process")),
        _ => Ok(()),
    }
}

/// Returns within what time the service manager wants to hear that the process is well, if at
/// all (`sd_watchdog_enabled(3)`). A successor does not ask whom its predecessor's
/// environment meant.
pub fn watchdog_interval(is_successor: bool) -> Option<Duration> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let is_meant =
        is_successor || number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    number("WATCHDOG_USEC").filter(|usec| is_meant && *usec > 0).map(Duration::from_micros)
}

/// A line end in the text would begin another assignment.
fn status_line(status: &str) -> String {
    let status = &status[..status.floor_char_boundary(STATUS_MAX_BYTES)];
    format!("STATUS={}\n", status.replace(['\n', '\r'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 1024];
        let n_bytes = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..n_bytes].to_vec()).unwrap()
    }

    #[test]
    fn every_message_arrives_at_a_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(path.as_os_str()).unwrap();
        notifier.ready("serving on 0.0.0.0:2727").unwrap();
        assert_eq!(received(&manager), "READY=1\nSTATUS=serving on 0.0.0.0:2727\n");
        notifier.stopping("3 requests in flight").unwrap();
        assert_eq!(received(&manager), "STOPPING=1\nSTATUS=3 requests in flight\n");
        notifier.status("two\nlines READY=1").unwrap();
        assert_eq!(received(&manager), "STATUS=two lines READY=1\n");
    }

    #[test]
    fn the_new_main_process_is_told_and_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(path.as_os_str()).unwrap();
        // A manager that is slow: the descriptor is closed only when it has read both.
        let reading = std::thread::spawn(move || [received(&manager), received(&manager)]);
        notifier.main_pid(42).unwrap();
        assert_eq!(reading.join().unwrap(), ["MAINPID=42\n", "BARRIER=1"]);
        Notifier::silent().main_pid(42).unwrap();
    }

    #[test]
    fn a_reload_carries_the_monotonic_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(path.as_os_str()).unwrap();
        let stamp = || -> i64 {
            notifier.reloading().unwrap();
            let message = received(&manager);
            let stamp = message.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect(&message);
            stamp.trim_end().parse().unwrap()
        };
        let (first, second) = (stamp(), stamp());
        assert!(0 < first && first <= second);
    }

    #[test]
    fn an_abstract_socket_is_reached() {
        let name = format!("vitrine-notify-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let notifier = Notifier::to(OsStr::new(&format!("@{name}"))).unwrap();
        notifier.ready("").unwrap();
        assert_eq!(received(&manager), "READY=1\nSTATUS=\n");
    }

    #[test]
    fn without_a_socket_nothing_is_sent_and_a_wrong_one_is_named() {
        assert!(Notifier::silent().ready("").is_ok());
        let err = Notifier::to(OsStr::new("relative")).unwrap_err().to_string();
        assert!(err.contains("\"relative\""), "{err}");
        let err = Notifier::to(OsStr::new("/nonexistent/notify")).unwrap_err().to_string();
        assert!(err.contains("/nonexistent/notify"), "{err}");
    }

    #[test]
    fn a_manager_that_does_not_read_holds_nothing_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let _manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(path.as_os_str()).unwrap();
        // The kernel queues a few hundred datagrams at most; then it refuses.
        assert!((0..100_000).any(|_| notifier.status("full").is_err()));
    }
}
