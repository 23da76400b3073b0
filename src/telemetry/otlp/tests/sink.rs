//! A collector in this process: it notes what arrives and answers as it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Nothing here takes near this long; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) at: Instant,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// What is answered to the n-th request: a whole HTTP response, or nothing at all.
type Answer = dyn Fn(usize) -> Option<Vec<u8>> + Send + Sync;

#[derive(Default)]
struct Seen {
    received: Mutex<Vec<Received>>,
    changed: Condvar,
}

pub(super) struct Sink {
    address: SocketAddr,
    seen: Arc<Seen>,
}

impl Sink {
    pub(super) fn new(answer: impl Fn(usize) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let (noted, answer): (_, Arc<Answer>) = (seen.clone(), Arc::new(answer));
        // Ends with the test process; it holds nothing but a port that the system chose.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (noted, answer) = (noted.clone(), answer.clone());
                thread::spawn(move || serve(stream.unwrap(), &noted, &*answer));
            }
        });
        Sink { address, seen }
    }

    pub(super) fn accepting() -> Self {
        Sink::new(|_| Some(response(200, "", b"")))
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until `n` requests came, and returns all that did.
    pub(super) fn wait_for(&self, n: usize) -> Vec<Received> {
        let received = self.seen.received.lock().unwrap();
        let (received, timeout) =
            self.seen.changed.wait_timeout_while(received, PATIENCE, |received| received.len() < n).unwrap();
        assert!(!timeout.timed_out(), "{} of {n} requests came", received.len());
        received.clone()
    }

    pub(super) fn received(&self) -> Vec<Received> {
        self.wait_for(0)
    }
}

pub(super) fn response(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status} Status\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn serve(mut stream: TcpStream, seen: &Seen, answer: &Answer) {
    let Some(received) = read_request(&mut BufReader::new(&stream)) else { return };
    let idx = {
        let mut all = seen.received.lock().unwrap();
        all.push(received);
        seen.changed.notify_all();
        all.len() - 1
    };
    match answer(idx) {
        Some(answer) => stream.write_all(&answer).unwrap(),
        // Hangs until the client goes away.
        None => drop(stream.read(&mut [0])),
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<Received> {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        Some(line.trim_end().to_string())
    };
    let path = line()?.split(' ').nth(1)?.to_string();
    let mut headers = Vec::new();
    loop {
        let line = line()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_string()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Received { at: Instant::now(), path, headers, body })
}
