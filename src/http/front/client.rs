//! The way to the one behind: one connection for each attempt, and what became of it.
//!
//! It promises to tell a request that never left from one that may have arrived. A connection
//! that is kept could not: it may be closed at the other end just when the next request leaves.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use http::uri::Authority;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::answer::Answer;
use super::request::{Asked, Upload};

/// A container that was just removed answers nothing at all for a while.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Without anything being taken of the request for so long, no answer is expected any more: longer
/// than any deadline behind; streams begin at once.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Host and port of the one behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination(Authority);

/// It names no host and port.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no HOST:PORT, such as vitrine:2727")]
pub struct DestinationError(String);

impl FromStr for Destination {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, DestinationError> {
        let whole = text.parse::<Authority>().ok();
        let is_complete = |to: &Authority| {
            !to.host().is_empty() && to.port_u16().is_some_and(|port| port > 0) && !text.contains('@')
        };
        whole.filter(is_complete).map(Destination).ok_or_else(|| DestinationError(text.into()))
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl Destination {
    /// Connects to the first of its addresses that takes it.
    pub(super) async fn connect(&self) -> io::Result<TcpStream> {
        let connecting = TcpStream::connect(self.0.as_str());
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await??;
        // What is small is sent at once, such as an event of a stream.
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("reach {to}: {source}")]
    NotReached { to: Destination, source: Box<dyn std::error::Error + Send + Sync> },
    /// It may have arrived.
    #[error("the connection was lost before the answer: {0}")]
    Lost(hyper::Error),
    #[error("no answer within {ANSWER_TIMEOUT:?}")]
    Silent,
    /// The visitor's own body broke off.
    #[error("the request broke off")]
    Upload,
    #[error("held for as long as it may be")]
    HeldTooLong,
    #[error("as many requests are held as may be")]
    Crowded,
}

/// A connection at work; it is closed when this is dropped.
pub(super) struct Connection {
    running: JoinHandle<hyper::Result<()>>,
    // While it is there the connection waits for an answer, whatever is sent.
    _sender: http1::SendRequest<Upload>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// Sends a request once.
pub(super) async fn ask(to: &Destination, asked: &Asked) -> Result<Answer, Fault> {
    let not_reached = |source| Fault::NotReached { to: to.clone(), source };
    let stream = to.connect().await.map_err(|fault| not_reached(fault.into()))?;
    let shaken = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|fault| not_reached(fault.into()))?;
    // Dropped with the answer's last byte, which ends it.
    let running = actix_web::rt::spawn(connection);
    let sent = sender.try_send_request(asked.attempt(to.0.as_str()));
    let connection = Connection { running, _sender: sender };
    let mut sent = std::pin::pin!(sent);
    let outcome = loop {
        let last = asked.moved();
        match tokio::time::timeout_at(last + ANSWER_TIMEOUT, sent.as_mut()).await {
            Ok(outcome) => break outcome,
            Err(_) if asked.moved() > last => {}
            Err(_) => return Err(Fault::Silent),
        }
    };
    outcome.map(|head| Answer::new(head, connection)).map_err(|mut fault| {
        if fault.take_message().is_some() {
            return not_reached(fault.into_error().into());
        }
        let fault = fault.into_error();
        if fault.is_user() { Fault::Upload } else { Fault::Lost(fault) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_a_host_and_a_port() {
        for text in ["vitrine:2727", "127.0.0.1:1", "[::1]:80"] {
            assert_eq!(text.parse::<Destination>().unwrap().to_string(), text);
        }
        for text in ["", "vitrine", ":80", "vitrine:0", "http://vitrine:80", "a b:80", "u@vitrine:80"] {
            assert_eq!(text.parse::<Destination>(), Err(DestinationError(text.into())));
        }
    }
}
