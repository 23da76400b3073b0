//! The sockets that the process listens on: given by whoever served before, by the service
//! manager, or bound now. A second handle of each is kept, for the successor.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::Context;
use listenfd::ListenFd;
use tracing::warn;

use crate::http;
use crate::ingest::forward;
use crate::release::handover::{Predecessor, SocketName};

/// The public port without TLS.
pub const HTTP: &str = "http";

/// The public port with TLS.
pub const HTTPS: &str = "https";

const FORWARD_TCP: &str = "forward/tcp";
const FORWARD_UDP: &str = "forward/udp";

/// What was given, and what is listened on.
pub struct Sockets {
    inherited: Vec<(SocketName, OwnedFd)>,
    activated: Vec<TcpListener>,
    held: Vec<(SocketName, OwnedFd)>,
}

impl Sockets {
    /// Takes what a predecessor gave, or the service manager (`sd_listen_fds(3)`), or nothing.
    pub fn given(predecessor: Option<&mut Predecessor>) -> Self {
        let inherited = predecessor.map(Predecessor::take_sockets);
        // What the manager said was said to the first process, not to its successors.
        let activated = if inherited.is_some() { Vec::new() } else { activated() };
        Sockets { inherited: inherited.unwrap_or_default(), activated, held: Vec::new() }
    }

    /// Returns the socket of an HTTP address.
    pub fn http(&mut self, part: &str, asked: SocketAddr) -> anyhow::Result<TcpListener> {
        let mut name = SocketName { part: part.into(), asked, is_managers: false };
        let listener = match self.take(&name) {
            Some((given, socket)) => {
                name = given;
                http::adopt(socket).context("take over a listening socket")?
            }
            None => match self.take_activated(asked) {
                Some(socket) => {
                    name.is_managers = true;
                    http::adopt(socket.into()).context("take the service manager's socket")?
                }
                None => http::bind(asked)?,
            },
        };
        self.held.push((name, listener.try_clone().context("keep a listening socket")?.into()));
        Ok(listener)
    }

    /// Returns the sockets of an address of the forward protocol.
    pub fn forward(&mut self, asked: SocketAddr) -> Result<forward::Bound, forward::BindError> {
        let name = |part: &str| SocketName { part: part.into(), asked, is_managers: false };
        let failed = |source: io::Error| forward::BindError { address: asked, transport: "TCP", source };
        let bound = match (self.take(&name(FORWARD_TCP)), self.take(&name(FORWARD_UDP))) {
            (Some((_, tcp)), Some((_, udp))) => forward::Bound::adopt(tcp, udp).map_err(failed)?,
            _ => forward::Bound::bind(asked)?,
        };
        let [tcp, udp] = bound.descriptors().map_err(failed)?;
        self.held.extend([(name(FORWARD_TCP), tcp), (name(FORWARD_UDP), udp)]);
        Ok(bound)
    }

    /// Closes what was given and is not listened on any more, such as an address that the
    /// configuration had before: who connects there is refused instead of waiting for ever.
    pub fn close_the_rest(&mut self) {
        self.inherited.clear();
        self.activated.clear();
    }

    /// Returns what is listened on, for a successor.
    pub fn held(&self) -> Vec<(SocketName, BorrowedFd<'_>)> {
        self.held.iter().map(|(name, socket)| (name.clone(), socket.as_fd())).collect()
    }

    /// Lets nobody connect any more to what visitors connect to: from here on nobody can be in the
    /// queue when it is closed, and be cut off. Who waits for the service manager's socket waits for
    /// whoever it starts next.
    pub fn turn_away(&self) {
        let is_visitors = |name: &SocketName| [HTTP, HTTPS].contains(&name.part.as_str());
        for (name, socket) in self.held.iter().filter(|(name, _)| is_visitors(name) && !name.is_managers) {
            if let Err(fault) = http::turn_away(socket.as_fd()) {
                // Those in the queue are cut off then, as they would be anywhere else.
                warn!("turn connections to {} away: {fault}", name.asked);
            }
        }
    }

    fn take(&mut self, name: &SocketName) -> Option<(SocketName, OwnedFd)> {
        let is_it = |known: &SocketName| known.part == name.part && known.asked == name.asked;
        let place = self.inherited.iter().position(|(known, _)| is_it(known))?;
        Some(self.inherited.swap_remove(place))
    }

    // Units name ports more often than addresses: `ListenStream=80` is [::]:80.
    fn take_activated(&mut self, asked: SocketAddr) -> Option<TcpListener> {
        let is_it = |socket: &TcpListener| socket.local_addr().is_ok_and(|at| at.port() == asked.port());
        let place = self.activated.iter().position(is_it)?;
        Some(self.activated.swap_remove(place))
    }
}

fn activated() -> Vec<TcpListener> {
    let mut given = ListenFd::from_env();
    // One that is no TCP listener was meant for somebody else.
    (0..given.len()).filter_map(|idx| given.take_tcp_listener(idx).ok().flatten()).collect()
}
