//! The Fluentd forward protocol: log events of other programs, by TCP and UDP.
//!
//! Fluentd, Fluent Bit, Docker's `fluentd` log driver and the `fluent-logger` libraries
//! speak it. The tag of an event becomes the stream's `job` and `service_name`. It promises
//! that an acknowledged chunk is on disk, that a bad message costs its own connection and
//! nothing else, and that everything is bounded (`bounds`). It refuses what it does not
//! speak: the shared-key handshake and zstd.
//!
//! `tcp` and `udp` read sockets, `scan` finds where a message ends, `frame` reads its mode
//! and entries, `value` decodes msgpack, `counts` counts.

mod bounds;
mod counts;
mod frame;
mod scan;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;
mod value;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use opentelemetry::metrics::Meter;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tracing::warn;

pub use bounds::{LISTEN_MAX, STOP_GRACE};
pub use counts::Refusal;

use super::Sink;
use crate::clock::Clock;
use counts::Counts;

/// The port that the protocol's programs know.
const PORT: u16 = 24224;

/// Attempts to find a port that is free for TCP and UDP alike when any will do.
const PAIR_ATTEMPTS: usize = 16;

/// The settings of the forward protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where to listen, by TCP and UDP; none switches the part off.
    pub listen: Vec<SocketAddr>,
}

impl Default for Config {
    fn default() -> Self {
        // The protocol has no password here, so nobody else's machine may reach it unasked.
        Config { listen: vec![(Ipv4Addr::LOCALHOST, PORT).into(), (Ipv6Addr::LOCALHOST, PORT).into()] }
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
    sink: Arc<dyn Sink>,
    counts: Arc<Counts>,
    clock: Clock,
    connections: Arc<Semaphore>,
    large_frames: Arc<Semaphore>,
}

/// The running part.
pub struct Forward {
    stopping: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Forward {
    /// Starts to serve; must be called inside a tokio runtime, whose tasks end with
    /// [`Forward::stop`] or with the value itself.
    pub fn start(bound: Vec<Bound>, sink: Arc<dyn Sink>, clock: Clock, meter: &Meter) -> io::Result<Forward> {
        Forward::with_counts(bound, sink, clock.clone(), Counts::new(clock, meter))
    }

    fn with_counts(
        bound: Vec<Bound>,
        sink: Arc<dyn Sink>,
        clock: Clock,
        counts: Arc<Counts>,
    ) -> io::Result<Forward> {
        let shared = Arc::new(Shared {
            sink,
            counts,
            clock,
            connections: Arc::new(Semaphore::new(bounds::CONNECTIONS_MAX)),
            large_frames: Arc::new(Semaphore::new(bounds::LARGE_FRAMES_MAX)),
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
