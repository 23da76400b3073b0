//! The Fluentd forward protocol: log events of other programs, by TCP and UDP.
//!
//! Fluentd, Fluent Bit, Docker's `fluentd` log driver and the `fluent-logger` libraries
//! speak it. The tag of an event becomes the stream's `job` and `service_name`. It promises
//! that an acknowledged chunk is on disk, that a bad message costs its own connection and
//! nothing else, and that everything is bounded (`bounds`). It refuses what it does not
//! speak: TLS, and the names and passwords of users.
//!
//! `tcp` and `udp` read sockets, `handshake` proves a shared key, `rate` bounds a
//! flood, `scan` finds where a message ends, `frame` reads its mode
//! and entries, `value` decodes msgpack, `counts` counts.

mod bounds;
mod counts;
mod frame;
mod handshake;
mod rate;
mod scan;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;
mod value;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use opentelemetry::metrics::Meter;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tracing::warn;

pub use bounds::{LISTEN_MAX, STOP_GRACE};
pub use counts::Refusal;
pub use handshake::SharedKey;

use super::Sink;
use crate::clock::{AHEAD_MAX, Clock};
use crate::record::LogRecord;
use counts::Counts;
use frame::Entry;
use rate::Rates;

/// The port that the protocol's programs know.
const PORT: u16 = 24224;

/// Attempts to find a port that is free for TCP and UDP alike when any will do.
const PAIR_ATTEMPTS: usize = 16;

/// The settings of the forward protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where to listen, by TCP and UDP; none switches the part off.
    pub listen: Vec<SocketAddr>,
    /// What senders must prove to know; with it nothing is taken by UDP, where they cannot.
    pub shared_key: Option<SharedKey>,
    /// Bytes of records that each tag may send in a second; 0 for any.
    pub bytes_per_second: u64,
}

impl Default for Config {
    fn default() -> Self {
        // Without a key everybody is believed, so nobody else's machine may reach it unasked.
        Config {
            listen: vec![(Ipv4Addr::LOCALHOST, PORT).into(), (Ipv6Addr::LOCALHOST, PORT).into()],
            shared_key: None,
            bytes_per_second: bounds::BYTES_PER_SECOND,
        }
    }
}

/// What a reload changes while the part runs; clones share it. Connections keep the key that
/// they proved.
#[derive(Clone)]
pub struct Switches(Arc<ArcSwap<Config>>);

impl Switches {
    /// Begins with these settings.
    pub fn new(config: Config) -> Switches {
        Switches(Arc::new(ArcSwap::from_pointee(config)))
    }

    /// Takes other settings; where to listen stays what it is.
    pub fn apply(&self, config: Config) {
        self.0.store(Arc::new(config));
    }
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("listen for forwarded logs on {address} by {transport}")]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// `TCP` or `UDP`.
    pub transport: &'static str,
    /// What the system said.
    pub source: io::Error,
}

impl BindError {
    /// Returns true when another program has the port.
    pub fn is_in_use(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrInUse
    }

    /// Returns true when this machine has no such address, as without IPv6.
    pub fn is_no_address(&self) -> bool {
        // A kernel built or booted without IPv6 does not even know the family.
        self.source.kind() == io::ErrorKind::AddrNotAvailable
            || self.source.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
    }
}

/// A listener and a socket on the same address, not yet served.
pub struct Bound {
    tcp: std::net::TcpListener,
    udp: std::net::UdpSocket,
    address: SocketAddr,
}

impl Bound {
    /// Binds TCP and UDP; port 0 picks one that is free for both.
    pub fn bind(address: SocketAddr) -> Result<Bound, BindError> {
        let mut n_left = if address.port() == 0 { PAIR_ATTEMPTS } else { 1 };
        loop {
            n_left -= 1;
            let tcp = listen(address).map_err(|source| BindError { address, transport: "TCP", source })?;
            let taken = tcp.local_addr().map_err(|source| BindError { address, transport: "TCP", source })?;
            match open(taken) {
                Ok(udp) => return Ok(Bound { tcp, udp, address: taken }),
                Err(source) if n_left == 0 => return Err(BindError { address, transport: "UDP", source }),
                Err(_) => {}
            }
        }
    }

    /// Takes a pair that listens already and was given to this process.
    pub fn adopt(tcp: OwnedFd, udp: OwnedFd) -> io::Result<Bound> {
        let (tcp, udp) = (std::net::TcpListener::from(tcp), std::net::UdpSocket::from(udp));
        tcp.set_nonblocking(true)?;
        udp.set_nonblocking(true)?;
        let address = tcp.local_addr()?;
        Ok(Bound { tcp, udp, address })
    }

    /// Returns a second handle of each, TCP and UDP.
    pub fn descriptors(&self) -> io::Result<[OwnedFd; 2]> {
        Ok([self.tcp.try_clone()?.into(), self.udp.try_clone()?.into()])
    }

    /// Returns the address, with the port that was picked.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for old connections in TIME_WAIT.
    socket.set_reuse_address(true)?;
    bind(&socket, address)?;
    socket.listen(128)?;
    Ok(socket.into())
}

fn open(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    bind(&socket, address)?;
    Ok(socket.into())
}

fn bind(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv6() {
        // So that 0.0.0.0 and [::] can be listed side by side.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))
}

/// What every connection and socket shares.
struct Shared {
    switches: Switches,
    sink: Arc<dyn Sink>,
    counts: Arc<Counts>,
    clock: Clock,
    rates: Rates,
    connections: Arc<Semaphore>,
    large_frames: Arc<Semaphore>,
    inflating: Semaphore,
}

impl Shared {
    /// Converts an event. A time that is missing (zero, as senders write it that know none),
    /// before 1970 or far ahead becomes that of the arrival: the line is worth more than its time.
    fn to_record(&self, tag: &str, mut entry: Entry) -> LogRecord {
        let now = self.clock.now();
        if entry.at.0 <= 0 || entry.at > now.plus(AHEAD_MAX) {
            self.counts.retime();
            entry.at = now;
        }
        entry.into_log_record(tag)
    }

    /// Returns whether a tag sent more than it may.
    fn is_over(&self, tag: &str) -> bool {
        self.rates.is_over(tag, self.switches.0.load().bytes_per_second)
    }

    /// Charges bytes to a tag and returns how long its sender must rest.
    fn charge(&self, tag: &str, n_bytes: usize) -> Duration {
        self.rates.charge(tag, n_bytes, self.switches.0.load().bytes_per_second)
    }
}

/// Returns the bytes of a record's texts.
fn text_bytes(record: &LogRecord) -> usize {
    let metadata: usize = record.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    record.body.len() + metadata
}

/// The running part.
pub struct Forward {
    stopping: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Forward {
    /// Starts to serve; must be called inside a tokio runtime, whose tasks end with
    /// [`Forward::stop`] or with the value itself.
    pub fn start(
        bound: Vec<Bound>,
        switches: Switches,
        sink: Arc<dyn Sink>,
        clock: Clock,
        meter: &Meter,
    ) -> io::Result<Forward> {
        Forward::with_counts(bound, switches, sink, clock.clone(), Counts::new(clock, meter))
    }

    fn with_counts(
        bound: Vec<Bound>,
        switches: Switches,
        sink: Arc<dyn Sink>,
        clock: Clock,
        counts: Arc<Counts>,
    ) -> io::Result<Forward> {
        let shared = Arc::new(Shared {
            switches,
            sink,
            counts,
            rates: Rates::new(clock.clone()),
            clock,
            connections: Arc::new(Semaphore::new(bounds::CONNECTIONS_MAX)),
            large_frames: Arc::new(Semaphore::new(bounds::LARGE_FRAMES_MAX)),
            inflating: Semaphore::new(bounds::INFLATING_MAX),
        });
        let (stopping, stop) = watch::channel(false);
        let mut tasks = Vec::with_capacity(bound.len() * 2);
        for Bound { tcp, udp, .. } in bound {
            let (tcp, udp) = (TcpListener::from_std(tcp)?, UdpSocket::from_std(udp)?);
            tasks.push(tokio::spawn(tcp::accept(tcp, shared.clone(), stop.clone())));
            tasks.push(tokio::spawn(udp::receive(udp, shared.clone(), stop.clone())));
        }
        Ok(Forward { stopping, tasks })
    }

    /// Closes the listeners, takes what had already arrived, answers what is being
    /// acknowledged, closes all connections; waits for [`STOP_GRACE`] at most. Whatever
    /// was not acknowledged by then is its sender's to send again.
    pub async fn stop(mut self) {
        // Without a task there is nobody to tell.
        _ = self.stopping.send(true);
        let all_ended = async {
            for task in &mut self.tasks {
                if let Err(fault) = task.await {
                    warn!("a task of the forward protocol ended by a defect: {fault}");
                }
            }
        };
        if tokio::time::timeout(STOP_GRACE, all_ended).await.is_err() {
            warn!("connections of the forward protocol did not end within {STOP_GRACE:?} and are cut");
        }
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Waits until the stop begins.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Without a sender nobody can stop us any more, which is a stop too.
    _ = stop.wait_for(|is_stopping| *is_stopping).await;
}
