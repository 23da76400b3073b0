//! The server: binds, accepts on its threads, drains.

use std::any::Any;
use std::io;
use std::mem::ManuallyDrop;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::ServerHandle;
use actix_web::rt::net::TcpStream;
use actix_web::{App, HttpRequest, HttpServer, web};
use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, Type};

use super::admin::{self, AdminState};
use super::limits::{Connections, Requests};
use super::observe::{Instruments, Observe};
use super::public::{Done, Job, public};
use super::tls::Tls;
use super::watchdog::Watchdog;
use super::{Config, Shared, Well, acme, api, files, links, probes, status};
use crate::balancer::Local;

/// What was sent and is not taken for so long ends the connection, be the other end slow,
/// stalled or gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections that the kernel holds while we do not accept; also what a hand-over can
/// park. Linux cuts it to `net.core.somaxconn`, 4096 by default.
pub(super) const BACKLOG: i32 = 1024;

/// A client has so long to send its request's head, then 408.
pub(super) const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// An idle connection is kept so long; longer than the 60 s of common proxies, so that it
/// is they who close and never hit a connection that we are just closing.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// From the start of a drain new connections are accepted for so long, to be told so: every
/// answer closes its connection, and `/ready` says 503.
const STILL_ACCEPTING: Duration = Duration::from_millis(500);

/// Connections that had begun when no more could begin are complete and accepted by then.
const HANDSHAKE: Duration = Duration::from_millis(50);

/// Between "close after this answer" and closing what idles: a client that was about to
/// send its next request has sent it by then.
const SETTLE: Duration = Duration::from_millis(200);

/// Between two looks at the requests in hand during a drain.
const ACTIVE_PAUSE: Duration = Duration::from_millis(20);

/// An answer that was handed over to its connection has so long to be sent.
const SENT: Duration = Duration::from_secs(3);

/// Why the address could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address}: {reason}")]
pub struct BindError {
    /// The address asked for.
    pub address: SocketAddr,
    /// The cause and what to do.
    pub reason: String,
}

/// What one http thread has for itself.
pub(super) struct Thread {
    pub(super) shared: Arc<Shared>,
    pub(super) local: Local<Job, Done>,
    pub(super) instruments: Instruments,
    pub(super) requests: Requests,
    /// Requests in hand.
    pub(super) active: Arc<AtomicUsize>,
}

impl Thread {
    /// Returns what the thread has that a request came to.
    pub(super) fn of(request: &HttpRequest) -> &Rc<Thread> {
        request.app_data::<Rc<Thread>>().expect("the server gives every thread its own")
    }
}

/// The requests in hand of every http thread.
#[derive(Clone, Default)]
struct Active(Arc<Mutex<Vec<Arc<AtomicUsize>>>>);

impl Active {
    fn enrol(&self) -> Arc<AtomicUsize> {
        let own = Arc::new(AtomicUsize::new(0));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(own.clone());
        own
    }

    fn count(&self) -> usize {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|own| own.load(Ordering::SeqCst)).sum()
    }
}

/// Runs a future on the runtime that the server needs; returns what it returns.
///
/// The runtime is left to the end of the process: dropping it would wait for ever for a read
/// that hangs, on a network disk that went away for example.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = ManuallyDrop::new(actix_web::rt::System::new());
    runtime.block_on(future)
}

/// Binds the address without accepting yet, so that a failure stops the start.
pub fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    let listen = || -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A restart must not wait for old connections in TIME_WAIT.
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            // `[::]` then takes IPv4 too, which is what people expect of it.
            socket.set_only_v6(false)?;
        }
        // Accepted connections inherit it (tcp(7), TCP_USER_TIMEOUT).
        socket.set_tcp_user_timeout(Some(SEND_TIMEOUT))?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    };
    listen().map_err(|fault| BindError { address, reason: bind_advice(&fault) })
}

/// Takes a socket that listens already and was given to this process.
pub fn adopt(socket: OwnedFd) -> io::Result<TcpListener> {
    let socket = Socket::from(socket);
    socket.set_tcp_user_timeout(Some(SEND_TIMEOUT))?;
    socket.set_nonblocking(true)?;
    // There is none, unless whoever had it before was about to stop.
    _ = socket.detach_filter();
    Ok(socket.into())
}

/// Lets nobody connect any more to a listening socket that is about to be closed.
///
/// A connection that begins is not answered, as if the packet were lost: the client begins again
/// after a second, and is refused. Closing the socket at once would cut off whoever is in its queue
/// after sending a request, who could not know whether it was read.
pub fn turn_away(socket: BorrowedFd<'_>) -> io::Result<()> {
    SockRef::from(&socket).attach_filter(&NO_NEW_CONNECTIONS)
}

/// Drops what has SYN without ACK among the flags of its TCP header (RFC 9293, section 3.1), and
/// passes the rest; as instructions of a packet filter (`bpf(4)`).
const NO_NEW_CONNECTIONS: [SockFilter; 5] = [
    // The byte with the flags; the header is where a packet begins for such a socket.
    SockFilter::new(0x30, 0, 0, 13),
    // SYN (2) and ACK (16) of them.
    SockFilter::new(0x54, 0, 0, 0x12),
    // Only SYN: the next instruction, otherwise the one after it.
    SockFilter::new(0x15, 0, 1, 0x02),
    SockFilter::new(0x06, 0, 0, 0),
    SockFilter::new(0x06, 0, 0, u32::MAX),
];

fn bind_advice(fault: &io::Error) -> String {
    let elsewhere = "choose another with --listen, VITRINE_LISTEN or `listen` in the configuration";
    match fault.kind() {
        io::ErrorKind::AddrInUse => {
            format!("the port is in use by another program: stop that one, or {elsewhere}")
        }
        io::ErrorKind::PermissionDenied => format!(
            "not permitted: ports below 1024 need the capability CAP_NET_BIND_SERVICE; grant it, or {elsewhere}"
        ),
        io::ErrorKind::AddrNotAvailable => format!("no interface has this address: {elsewhere}"),
        _ => fault.to_string(),
    }
}

pub(super) fn stream_of(connection: &dyn Any) -> Option<&TcpStream> {
    let secure = || connection.downcast_ref::<TlsStream<TcpStream>>().map(|secure| secure.get_ref().0);
    connection.downcast_ref::<TcpStream>().or_else(secure)
}

/// A running server.
pub struct Server {
    handle: ServerHandle,
    running: tokio::task::JoinHandle<io::Result<()>>,
    shared: Arc<Shared>,
    active: Active,
    _watchdog: Watchdog,
}

impl Server {
    /// Starts accepting on `listener`, and with TLS on another one.
    pub fn start(
        config: &Config,
        listener: TcpListener,
        tls: Option<(TcpListener, Tls)>,
        shared: Arc<Shared>,
        admin: Arc<AdminState>,
        well: Well,
    ) -> io::Result<Server> {
        let for_threads = shared.clone();
        let (for_connections, connections) = (shared.clone(), Connections::default());
        let active = Active::default();
        let for_active = active.clone();
        let watchdog = Watchdog::start(&shared.meter, well)?;
        let enrol = watchdog.enroller();
        let mut server = HttpServer::new(move || {
            enrol();
            let thread = Rc::new(Thread {
                shared: for_threads.clone(),
                local: for_threads.balancer.join_thread(),
                instruments: Instruments::new(&for_threads.meter),
                requests: Requests::default(),
                active: for_active.enrol(),
            });
            App::new()
                .app_data(thread.clone())
                .wrap(Observe(thread))
                .route("/health", web::get().to(probes::health))
                .route("/health", web::head().to(probes::health))
                .route("/ready", web::get().to(probes::ready))
                .route("/ready", web::head().to(probes::ready))
                .configure(acme::routes)
                .configure(files::routes)
                .configure(links::routes)
                .configure(|cfg| status::routes(cfg, admin.clone()))
                .configure(|cfg| admin::routes(cfg, admin.clone()))
                .configure(|cfg| api::routes(cfg, admin.clone(), for_threads.clone()))
                .default_service(web::to(public))
        })
        .on_connect(move |connection, data| {
            let address = stream_of(connection).and_then(|stream| stream.peer_addr().ok());
            let admit = |address: SocketAddr| for_connections.switches.admit(&connections, address.ip());
            if let Some(admitted) = address.and_then(admit) {
                data.insert(admitted);
            }
        })
        .workers(config.http_threads())
        .client_request_timeout(REQUEST_HEAD_TIMEOUT)
        .keep_alive(KEEP_ALIVE)
        // Whoever closes their side has left, and a query that nobody waits for ends.
        .h1_allow_half_closed(false)
        .shutdown_timeout(crate::http::DRAIN_GRACE.as_secs())
        .disable_signals()
        .listen(listener)?;
        if let Some((listener, tls)) = tls {
            server = server.listen_rustls_0_23(listener, tls.server_config())?;
        }
        let server = server.run();
        let handle = server.handle();
        Ok(Server { handle, running: tokio::task::spawn_local(server), shared, active, _watchdog: watchdog })
    }

    /// Wants no more traffic: says so to whoever still comes for a moment, then accepts no more.
    /// `turn_away` is called in between. [`Server::finish`] follows, which closes the sockets.
    pub async fn drain(&self, turn_away: impl FnOnce()) {
        self.shared.switches.begin_drain();
        // Whoever asks `/ready` on a new connection must hear that no more are wanted.
        tokio::time::sleep(STILL_ACCEPTING).await;
        turn_away();
        tokio::time::sleep(HANDSHAKE).await;
        self.pause().await;
    }

    /// Leaves new connections to whoever else accepts on the same sockets: every further answer
    /// closes its connection. [`Server::resume`] takes it back.
    pub async fn pause(&self) {
        self.shared.switches.close_connections(true);
        self.handle.pause().await;
    }

    /// Accepts again.
    pub async fn resume(&self) {
        self.shared.switches.close_connections(false);
        self.handle.resume().await;
    }

    /// Returns the number of requests in hand.
    pub fn in_hand(&self) -> usize {
        self.active.count()
    }

    /// Finishes what was begun and stops, once it accepts no more: every further answer closes
    /// its connection, idle ones are closed after a moment, and what is still running after
    /// [`DRAIN_GRACE`](crate::http::DRAIN_GRACE) is cut.
    pub async fn finish(self) -> io::Result<()> {
        // A graceful stop closes accepted connections whose request it has not read yet as
        // if they idled. So accepting ends first, and they get a moment to be read.
        tokio::time::sleep(SETTLE).await;
        let mut stopped = std::pin::pin!(self.handle.stop(true));
        let mut quiet_since = None;
        // It waits for HTTP/2 connections that idle, which do not end by themselves.
        while tokio::time::timeout(ACTIVE_PAUSE, stopped.as_mut()).await.is_err() {
            let is_quiet = self.active.count() == 0;
            let since = quiet_since.filter(|_| is_quiet).unwrap_or_else(Instant::now);
            quiet_since = is_quiet.then_some(since);
            if is_quiet && since.elapsed() >= SENT {
                self.running.abort();
                return Ok(());
            }
        }
        match self.running.await {
            Ok(ended) => ended,
            Err(fault) => Err(io::Error::other(fault)),
        }
    }
}
