//! Datagrams: one message each, and the heartbeat of a zero byte, which is echoed.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::sync::watch;
use tracing::warn;

use super::bounds::{BATCH_MAX, BATCH_MAX_BYTES, DATAGRAMS_MAX};
use super::counts::{Refusal, Transport};
use super::frame::Frame;
use super::{Shared, stopped};
use crate::record::LogRecord;

/// The largest datagram that there is.
const DATAGRAM_MAX_BYTES: usize = 65_535;

/// Rounds over what had arrived before the stop: a full receive buffer of the system holds
/// fewer datagrams than these take.
const LAST_ROUNDS_MAX: usize = 16;

/// Takes datagrams until the stop, and then those that had arrived.
pub async fn receive(socket: UdpSocket, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let mut receiver = Receiver { shared, buffer: vec![0; DATAGRAM_MAX_BYTES] };
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            res = socket.readable() => {
                if let Err(fault) = res {
                    warn!("the UDP socket for forwarded logs is gone: {fault}");
                    return;
                }
            }
        }
        for heartbeat in receiver.take_waiting(|buffer| socket.try_recv_from(buffer)).heartbeats {
            // A sender that does not hear its heartbeat asks again.
            _ = socket.try_send_to(&[0], heartbeat);
        }
        // A flood must not keep the other sockets of this thread from their turn.
        tokio::task::yield_now().await;
    }
    // The system is asked itself: what came a moment ago the runtime may not know yet.
    match socket.into_std() {
        Ok(socket) => {
            let mut n_left = LAST_ROUNDS_MAX;
            while n_left > 0 && receiver.take_waiting(|buffer| socket.recv_from(buffer)).n_datagrams > 0 {
                n_left -= 1;
            }
        }
        Err(fault) => warn!("the last datagrams of forwarded logs are lost: {fault}"),
    }
}

struct Receiver {
    shared: Arc<Shared>,
    buffer: Vec<u8>,
}

/// What one step took.
#[derive(Default)]
struct Taken {
    n_datagrams: usize,
    /// Who wants an echo.
    heartbeats: Vec<SocketAddr>,
}

impl Receiver {
    /// Takes what has arrived, up to the bound of one step, as one batch.
    fn take_waiting(&mut self, receive: impl Fn(&mut [u8]) -> io::Result<(usize, SocketAddr)>) -> Taken {
        let mut taken = Taken::default();
        let mut batch = Vec::new();
        let mut n_bytes = 0;
        while taken.n_datagrams < DATAGRAMS_MAX && batch.len() < BATCH_MAX && n_bytes < BATCH_MAX_BYTES {
            // Nothing waits, or the system reports that an echo found nobody: both mean later.
            let Ok((n, from)) = receive(&mut self.buffer) else { break };
            taken.n_datagrams += 1;
            n_bytes += n;
            self.shared.counts.bytes(Transport::Udp, n);
            if self.buffer[..n] == [0] {
                taken.heartbeats.push(from);
            } else if let Err(refusal) = self.read(n, &mut batch) {
                self.shared.counts.refuse(refusal, &format!("{from} by UDP"));
            }
        }
        if !batch.is_empty() {
            self.shared.counts.records(Transport::Udp, batch.len());
            self.shared.sink.keep(batch);
        }
        taken
    }

    /// Reads one datagram. Records of a frame that turns out to be bad are not taken.
    fn read(&self, n: usize, batch: &mut Vec<LogRecord>) -> Result<(), Refusal> {
        let bytes = self.buffer[..n].trim_ascii_start();
        let Some(frame) = Frame::read(bytes, self.shared.clock.now())? else { return Ok(()) };
        if frame.is_compressed {
            // Nobody compresses what must fit a datagram, but a bomb would fit.
            return Err(Refusal::Compression);
        }
        let mut records = Vec::new();
        for entry in frame.entries {
            records.push(entry?.into_log_record(&frame.tag));
        }
        batch.append(&mut records);
        Ok(())
    }
}
