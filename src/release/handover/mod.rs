//! The hand-over: a running process starts its successor, gives it the sockets, and leaves.
//!
//! It promises that until the successor serves nothing changes for anybody: one that exits,
//! hangs, crashes or is no program at all is ended, and the running process learns why. It
//! refuses to know what serving is; `app` builds and drains.
//!
//! Two processes and one channel, a pair of Unix sockets that is the successor's standard
//! input: so nothing is left open in a process that knows nothing of it.
//!
//! ```text
//! running                                successor, from the path that was run
//! hello (token of the store, sockets) ->
//!                                        reads its configuration, builds and proves every
//!                                        page, opens the store beside the other
//!                                     <- ready (version, release), or failed (reason)
//! accept                              ->
//!                                        accepts on the same sockets
//!                                     <- serving
//! accepts no more, every answer closes its connection; once nothing is in hand it
//! flushes and closes its store
//! bye                                 ->
//! exits; the end of the channel says so
//! ```
//!
//! The end of the channel is the other's death at every step. Before `accept` and until
//! `bye` the running process then goes on as if nothing had been; the successor serves alone
//! from wherever it was. The listening sockets are never closed in between, so what connects
//! meanwhile waits in the kernel's queue at most.

mod channel;
mod predecessor;
mod program;
mod successor;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

pub use predecessor::{MeetError, Predecessor};
pub use program::{Program, ProgramError};
pub use successor::{Announced, Fault, Successor};

/// What a socket is for, and where; by this a successor knows which is which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketName {
    /// Which part of the program listens.
    pub part: String,
    /// The address that was asked for: a successor that asks for the same gets the socket, also
    /// where the port was 0 and the system picked one.
    pub asked: SocketAddr,
    /// True when the service manager has it too: who connects then waits for whoever is started
    /// next.
    #[serde(default)]
    pub is_managers: bool,
}

/// What the two say to each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
enum Message {
    /// The first word; the standard error and then the sockets travel with it.
    Hello { protocol: u32, token: String, sockets: Vec<SocketName> },
    /// The successor has proved itself.
    Ready { version: String, release: String },
    /// The successor ends, and why.
    Failed { reason: String },
    /// The successor may accept.
    Accept,
    /// The successor accepts.
    Serving,
    /// The running process has closed its store and leaves.
    Bye,
}

/// The language of this file; another one is refused by name.
const PROTOCOL: u32 = 1;

/// The variable that tells a successor what its standard input is.
pub const VARIABLE: &str = "VITRINE_PREDECESSOR";

#[cfg(test)]
mod tests;
