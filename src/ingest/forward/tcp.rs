//! Connections: messages one after the other, acknowledged when they ask for it.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, warn};

use super::bounds::{
    ACCEPT_PAUSE, BATCH_MAX, BATCH_MAX_BYTES, FRAME_MAX_BYTES, FRAME_TIMEOUT, IDLE_TIMEOUT, KEEP_ALIVE,
    LAST_READ_MAX_BYTES, SMALL_FRAME_BYTES, WRITE_TIMEOUT,
};
use super::counts::{Refusal, Transport};
use super::frame::Frame;
use super::scan::{Boundary, is_json};
use super::{Shared, stopped};
use crate::record::LogRecord;

/// Bytes read at once; what a connection holds when nothing is on its way is no more.
const READ_BYTES: usize = 16 << 10;

/// Accepts connections until the stop, then those that were waiting, and waits for all to end.
///
/// Dropped earlier, it cuts them.
pub async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            // At most as many as there are permits.
            Some(ended) = connections.join_next() => report(ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => admit(&mut connections, stream, from, &shared, &stop),
                Err(fault) => {
                    warn!("no connection for forwarded logs could be accepted: {fault}");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    // Whoever connected before the stop believes that its lines were taken. Once the permits
    // are out the rest is closed, so that this ends.
    while shared.connections.available_permits() > 0
        && let Some(Ok((stream, from))) = listener.accept().now_or_never()
    {
        admit(&mut connections, stream, from, &shared, &stop);
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
}

/// Starts to serve a connection, or closes it when there are too many.
fn admit(
    connections: &mut JoinSet<()>,
    stream: TcpStream,
    from: SocketAddr,
    shared: &Arc<Shared>,
    stop: &watch::Receiver<bool>,
) {
    let Ok(permit) = shared.connections.clone().try_acquire_owned() else {
        shared.counts.refuse(Refusal::Connections, &from.to_string());
        return;
    };
    let (shared, stop) = (shared.clone(), stop.clone());
    connections.spawn(async move {
        let _permit = permit;
        let _connected = shared.counts.connected();
        match Connection::new(stream, shared.clone()).run(stop).await {
            Ok(()) => {}
            Err(End::Refused(refusal)) => shared.counts.refuse(refusal, &from.to_string()),
            // Senders come and go; what was not acknowledged they send again.
            Err(End::Lost(fault)) => debug!("a connection for forwarded logs was lost: {fault}"),
        }
    });
}

/// A connection says itself how it ended, unless it panicked.
fn report(ended: Result<(), JoinError>) {
    if let Err(fault) = ended {
        warn!("a connection for forwarded logs ended by a defect: {fault}");
    }
}

/// Why a connection ended before its sender or we wanted it to.
#[derive(Debug)]
enum End {
    Refused(Refusal),
    Lost(io::Error),
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        End::Refused(refusal)
    }
}

impl From<io::Error> for End {
    fn from(fault: io::Error) -> Self {
        End::Lost(fault)
    }
}

/// What came of waiting for more bytes.
enum Arrived {
    Some,
    /// The sender has closed its side.
    Closed,
    Stop,
}

struct Connection {
    stream: TcpStream,
    shared: Arc<Shared>,
    /// What arrived and is not read yet; begins where a message begins.
    buffer: BytesMut,
    /// The search for the end of the message that the buffer begins with.
    boundary: Option<Boundary>,
    /// When the first byte of that message arrived.
    begun: Option<Instant>,
    /// Held while that message is a large one.
    large: Option<OwnedSemaphorePermit>,
    batch: Batch,
}

/// Records on their way to the sink, and the acknowledgements that wait for them.
#[derive(Default)]
struct Batch {
    records: Vec<LogRecord>,
    n_bytes: usize,
    /// Acknowledgements in the form of their messages.
    acks: Vec<u8>,
    /// Whether a record of the batch belongs to a chunk that wants an acknowledgement.
    is_durable: bool,
}

/// A place in a batch to go back to.
#[derive(Clone, Copy)]
struct Mark {
    n_records: usize,
    is_durable: bool,
}

impl Batch {
    fn mark(&self) -> Mark {
        Mark { n_records: self.records.len(), is_durable: self.is_durable }
    }

    fn cut_back(&mut self, mark: Mark) {
        self.records.truncate(mark.n_records);
        self.is_durable = mark.is_durable;
    }

    fn push(&mut self, record: LogRecord) {
        self.n_bytes += record.body.len();
        self.n_bytes += record.metadata.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        self.records.push(record);
    }

    fn is_full(&self) -> bool {
        self.records.len() >= BATCH_MAX || self.n_bytes >= BATCH_MAX_BYTES
    }
}

impl Connection {
    fn new(stream: TcpStream, shared: Arc<Shared>) -> Self {
        Connection {
            stream,
            shared,
            buffer: BytesMut::new(),
            boundary: None,
            begun: None,
            large: None,
            batch: Batch::default(),
        }
    }

    async fn run(&mut self, mut stop: watch::Receiver<bool>) -> Result<(), End> {
        let keep_alive = socket2::TcpKeepalive::new().with_time(KEEP_ALIVE);
        socket2::SockRef::from(&self.stream).set_tcp_keepalive(&keep_alive)?;
        loop {
            self.take_messages().await?;
            match self.arrival(&mut stop).await? {
                Arrived::Some => {}
                Arrived::Closed if self.buffer.is_empty() => return Ok(()),
                Arrived::Closed => return Err(End::Refused(Refusal::Format)),
                Arrived::Stop => {
                    self.read_waiting()?;
                    return self.take_messages().await;
                }
            }
        }
    }

    /// Waits for more bytes, as long as the message in hand or the silence may last.
    async fn arrival(&mut self, stop: &mut watch::Receiver<bool>) -> Result<Arrived, End> {
        let deadline = match self.begun {
            Some(begun) => begun + FRAME_TIMEOUT,
            None => Instant::now() + IDLE_TIMEOUT,
        };
        if self.buffer.len() > SMALL_FRAME_BYTES && self.large.is_none() {
            let permit = self.shared.large_frames.clone().acquire_owned();
            tokio::select! {
                () = stopped(stop) => return Ok(Arrived::Stop),
                () = sleep_until(deadline) => return Err(End::Refused(Refusal::Timeout)),
                permit = permit => self.large = Some(permit.expect("the semaphore is never closed")),
            }
        }
        self.buffer.reserve(READ_BYTES);
        tokio::select! {
            () = stopped(stop) => Ok(Arrived::Stop),
            () = sleep_until(deadline) => match self.begun {
                Some(_) => Err(End::Refused(Refusal::Timeout)),
                None => Ok(Arrived::Closed),
            },
            read = self.stream.read_buf(&mut self.buffer) => {
                let n = read?;
                self.shared.counts.bytes(Transport::Tcp, n);
                Ok(if n == 0 { Arrived::Closed } else { Arrived::Some })
            }
        }
    }

    /// Reads what had arrived before the stop, without waiting for more.
    fn read_waiting(&mut self) -> Result<(), End> {
        // The system is asked itself: what came a moment ago the runtime may not know yet.
        let socket = socket2::SockRef::from(&self.stream);
        let mut piece = [0; READ_BYTES];
        let mut n_read = 0;
        while n_read < LAST_READ_MAX_BYTES {
            match (&*socket).read(&mut piece) {
                Ok(0) => break,
                Ok(n) => {
                    self.buffer.extend_from_slice(&piece[..n]);
                    n_read += n;
                }
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => break,
                Err(fault) => return Err(fault.into()),
            }
        }
        self.shared.counts.bytes(Transport::Tcp, n_read);
        Ok(())
    }

    /// Takes every message that is complete. What came before a bad one is kept and
    /// acknowledged all the same.
    async fn take_messages(&mut self) -> Result<(), End> {
        let taken = self.take_complete().await;
        if self.buffer.is_empty() {
            self.begun = None;
            if self.buffer.capacity() > READ_BYTES * 4 {
                self.buffer = BytesMut::new();
            }
        } else {
            self.begun.get_or_insert_with(Instant::now);
        }
        if self.buffer.len() <= SMALL_FRAME_BYTES {
            self.large = None;
        }
        match taken {
            Ok(()) => self.hand_over().await,
            // What was not kept before cannot be acknowledged now.
            Err(End::Refused(Refusal::NotKept)) | Err(End::Lost(_)) => taken,
            Err(End::Refused(_)) => self.hand_over().await.and(taken),
        }
    }

    async fn take_complete(&mut self) -> Result<(), End> {
        while let Some(end) = self.next_end()? {
            let message = self.buffer.split_to(end).freeze();
            self.boundary = None;
            self.begun = None;
            self.take(&message).await?;
        }
        Ok(())
    }

    /// Returns where the message ends that the buffer begins with, none if it is not whole.
    fn next_end(&mut self) -> Result<Option<usize>, Refusal> {
        if self.boundary.is_none() {
            // JSON may be told in lines; no message of either form begins with a space.
            let n_spaces = self.buffer.len() - self.buffer.trim_ascii_start().len();
            self.buffer.advance(n_spaces);
        }
        let Some(first) = self.buffer.first() else { return Ok(None) };
        let boundary = self.boundary.get_or_insert_with(|| Boundary::new(*first, FRAME_MAX_BYTES));
        boundary.advance(&self.buffer)
    }

    /// Takes one message; records of a bad one are dropped as far as they were not handed over.
    async fn take(&mut self, message: &[u8]) -> Result<(), End> {
        let Some(frame) = Frame::read(message, self.shared.clock.now())? else { return Ok(()) };
        let wants_ack = frame.chunk.is_some();
        let mut mark = self.batch.mark();
        self.batch.is_durable |= wants_ack;
        for entry in frame.entries {
            let record = entry.map(|entry| entry.into_log_record(&frame.tag));
            match record {
                Ok(record) => self.batch.push(record),
                Err(refusal) => {
                    self.batch.cut_back(mark);
                    return Err(refusal.into());
                }
            }
            if self.batch.is_full() {
                self.hand_over().await?;
                mark = self.batch.mark();
                self.batch.is_durable = wants_ack;
                // A large message must not keep the other connections from their turn.
                tokio::task::yield_now().await;
            }
        }
        if let Some(chunk) = frame.chunk {
            self.batch.acks.extend(ack(&chunk, message.first().copied().is_some_and(is_json)));
        }
        Ok(())
    }

    /// Hands the batch over, and acknowledges it once it is on disk if that was asked for.
    async fn hand_over(&mut self) -> Result<(), End> {
        let Batch { records, acks, is_durable, .. } = std::mem::take(&mut self.batch);
        self.shared.counts.records(Transport::Tcp, records.len());
        if is_durable {
            let kept = self.shared.sink.keep_durably(records).await;
            kept.map_err(|_| Refusal::NotKept)?;
        } else if !records.is_empty() {
            self.shared.sink.keep(records);
        }
        if acks.is_empty() {
            return Ok(());
        }
        match timeout(WRITE_TIMEOUT, self.stream.write_all(&acks)).await {
            Ok(written) => Ok(written?),
            Err(_) => Err(End::Refused(Refusal::Timeout)),
        }
    }
}

/// Returns `{"ack": chunk}` in the form of its message.
fn ack(chunk: &str, is_json: bool) -> Vec<u8> {
    if is_json {
        return serde_json::json!({ "ack": chunk }).to_string().into_bytes();
    }
    let mut res = Vec::with_capacity(chunk.len() + 8);
    let written = rmp::encode::write_map_len(&mut res, 1)
        .and_then(|_| rmp::encode::write_str(&mut res, "ack"))
        .and_then(|()| rmp::encode::write_str(&mut res, chunk));
    written.expect("a vector takes every write");
    res
}
