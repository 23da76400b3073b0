//! The face towards visitors and operators: actix-web.
//!
//! It turns requests into jobs for the balancer and replies into responses, observes
//! every request once, and is the only part where our errors meet status codes. A page
//! is never rendered here: the worker answers from the current [`edition::Edition`],
//! whose every byte was made at load.

mod acme;
pub mod admin;
pub mod api;
pub mod assets;
pub mod client;
pub mod edition;
mod error;
pub mod files;
pub mod follow;
pub mod front;
mod limits;
pub mod links;
pub mod negotiate;
mod observe;
mod probes;
mod public;
mod range;
mod redirect;
pub mod representation;
mod secret_file;
mod server;
pub mod site;
mod stage;
mod status;
pub mod tls;
mod watchdog;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use actix_web::dev::ServiceRequest;
use arc_swap::ArcSwap;
use ipnet::IpNet;
use opentelemetry::metrics::Meter;

use crate::balancer::{Balancer, Lanes};
use crate::clock::Clock;
use crate::cv::BaseUrl;
use crate::record::address::network;
use crate::record::ring::Sender;
use crate::record::sampling::Sampling;
use crate::record::trace::TraceContext;
use crate::record::{AccessRecord, LogAddresses, Span};

use limits::{Admitted, Connections, Requests};

pub use edition::Edition;
pub use links::Links;
pub use probes::{Health, HealthWorkers};
pub use public::{Done, Job, Reply, answer, probe};
pub use server::{BindError, Server, adopt, bind, block_on, turn_away};
pub use stage::STAGE_SPANS;

/// How long requests in hand may take when the server stops; what runs longer is cut.
pub const DRAIN_GRACE: Duration = Duration::from_secs(10);

/// The settings of the public face.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where the site, `/admin` and the APIs are served.
    pub listen: SocketAddr,
    /// Threads that accept and answer; 0 means one per processor core.
    pub threads: u64,
    /// TLS.
    pub tls: tls::Config,
    /// Whether access records carry the visitor's address.
    pub log_addresses: LogAddresses,
    /// Proxies whose word about a visitor's address and protocol is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// Connections that one address may have; 0 means any number.
    pub connections_per_address: u64,
    /// Requests a second that one address may send to each http thread, twice as many at
    /// once; 0 means any number.
    pub requests_per_second: u64,
    /// Whether `/status` tells everyone whether the site is up, and when it was not.
    pub status_page: bool,
    /// Whether `/drill/…` shows what a fault looks like.
    pub drills: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 2727)),
            threads: 0,
            tls: tls::Config::default(),
            log_addresses: LogAddresses::No,
            trusted_proxies: [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()]
                .map(IpNet::from)
                .into(),
            // A browser opens six; an office may stand behind one address.
            connections_per_address: 256,
            requests_per_second: 200,
            status_page: false,
            drills: false,
        }
    }
}

impl Config {
    /// Returns the number of http threads, one per core when none is configured.
    pub fn http_threads(&self) -> usize {
        match usize::try_from(self.threads) {
            Ok(0) | Err(_) => std::thread::available_parallelism().map_or(1, usize::from),
            Ok(threads) => threads,
        }
    }
}

/// Called four times a second while no http thread is held by a request.
pub type Well = Box<dyn FnMut() + Send>;

/// What every http thread shares; cheap to read on each request.
pub struct Shared {
    /// What is served now; a reload swaps it once.
    pub edition: Arc<ArcSwap<Edition>>,
    /// Who answers.
    pub balancer: Balancer<Job, Done>,
    /// Who else may see everything.
    pub links: Arc<Links>,
    /// Where access records go.
    pub access: Sender<AccessRecord>,
    /// Where the spans of a sampled request's stages go.
    pub spans: Sender<Span>,
    /// Wall time for records.
    pub clock: Clock,
    /// Where work is done that would stop an http thread.
    pub lanes: Lanes,
    /// For the request instruments.
    pub meter: Meter,
    /// Reads all instruments, for `/metrics`.
    pub collect: api::Collect,
    /// Answers queries by Prometheus's API.
    pub queries: api::Queries,
    /// Answers queries by Loki's API.
    pub log_queries: api::LogQueries,
    /// What is known of rules and alerts.
    pub rules: api::Rules,
    /// Takes pushes in.
    pub push: api::Push,
    /// Says how the process is, for `/health`.
    pub health: Box<dyn Fn() -> Health + Send + Sync>,
    /// The switches that a reload can turn.
    pub switches: Switches,
}

/// Settings that are read on each request and turned by a reload.
#[derive(Debug, Default)]
pub struct Switches {
    log_addresses: ArcSwap<LogAddresses>,
    trusted_proxies: ArcSwap<Vec<IpNet>>,
    sampling: ArcSwap<Sampling>,
    connections_per_address: AtomicU64,
    requests_per_second: AtomicU64,
    /// The folder in which proofs for certificates are laid.
    site: ArcSwap<PathBuf>,
    /// The port of TLS, 0 while it is not spoken.
    secure_port: AtomicU16,
    redirects: AtomicBool,
    status_page: AtomicBool,
    drills: AtomicBool,
    wanted: AtomicBool,
    closing: AtomicBool,
}

impl Switches {
    /// Takes over what a reload may change.
    pub fn apply(&self, config: &Config) {
        self.log_addresses.store(Arc::new(config.log_addresses));
        self.trusted_proxies.store(Arc::new(config.trusted_proxies.clone()));
        self.connections_per_address.store(config.connections_per_address, Ordering::Relaxed);
        self.requests_per_second.store(config.requests_per_second, Ordering::Relaxed);
        self.redirects.store(config.tls.redirect, Ordering::Relaxed);
        self.status_page.store(config.status_page, Ordering::Relaxed);
        self.drills.store(config.drills, Ordering::Relaxed);
    }

    /// Records the spans of the requests that this chooses.
    pub fn sample_by(&self, sampling: Sampling) {
        self.sampling.store(Arc::new(sampling));
    }

    /// Only a trusted proxy may wish that a request is sampled.
    fn samples(&self, trace: &TraceContext, req: &ServiceRequest) -> bool {
        let is_from_proxy = || {
            let socket = req.peer_addr().map(|socket| socket.ip().to_canonical());
            socket.is_some_and(|socket| client::is_trusted(socket, &self.trusted_proxies.load()))
        };
        self.sampling.load().chooses(trace, trace.parent.is_some() && is_from_proxy())
    }

    /// Looks for proofs for certificates in this site folder.
    pub fn serve_proofs_of(&self, site: &Path) {
        self.site.store(Arc::new(site.to_path_buf()));
    }

    /// Says at which port TLS is spoken.
    pub fn speak_tls_at(&self, port: u16) {
        self.secure_port.store(port, Ordering::Relaxed);
    }

    /// Returns where a request that came without TLS should have gone; none when it is fine.
    ///
    /// A trusted proxy speaks TLS for us, or is the machine itself.
    pub fn secure_place(&self, req: &HttpRequest) -> Option<String> {
        let port = self.secure_port.load(Ordering::Relaxed);
        if port == 0 || !self.redirects.load(Ordering::Relaxed) || req.app_config().secure() {
            return None;
        }
        let socket = req.peer_addr()?.ip().to_canonical();
        if client::is_trusted(socket, &self.trusted_proxies.load()) {
            return None;
        }
        redirect::secure_place(req, port)
    }

    /// Returns where a request belongs that came to another name of the site, or reached a
    /// trusted proxy without TLS; none when it is right where it is.
    fn own_place(&self, req: &HttpRequest, base_url: &BaseUrl) -> Option<String> {
        if !self.redirects.load(Ordering::Relaxed) {
            return None;
        }
        let trusted = self.trusted_proxies.load();
        redirect::own_place(req, base_url, client::is_plain_at_proxy(req, &trusted))
    }

    /// Says that traffic is wanted: `/ready` answers 200 from here on.
    pub fn want_traffic(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    /// Makes every further answer close its connection, or no longer: who comes again finds
    /// whoever accepts then.
    pub(super) fn close_connections(&self, is_closing: bool) {
        self.closing.store(is_closing, Ordering::Relaxed);
    }

    /// Makes `/ready` answer 503 and every further answer close its connection, so that
    /// clients turn elsewhere before the listener goes. Never taken back.
    pub fn begin_drain(&self) {
        self.wanted.store(false, Ordering::Relaxed);
        self.close_connections(true);
    }

    /// Returns who sent a request, with the trusted proxies taken into account.
    pub fn peer(&self, req: &HttpRequest) -> client::Peer {
        client::peer(req, &self.trusted_proxies.load())
    }

    /// Returns the address to log for a request, as much of it as is logged.
    fn client(&self, req: &ServiceRequest) -> Option<IpAddr> {
        match **self.log_addresses.load() {
            LogAddresses::No => None,
            wanted => wanted.of(self.peer(req.request()).address),
        }
    }

    /// Counts a connection of an address; one of a trusted proxy is not counted.
    fn admit(&self, connections: &Connections, address: IpAddr) -> Option<Admitted> {
        let at_most = self.connections_per_address.load(Ordering::Relaxed);
        let address = address.to_canonical();
        if at_most == 0 || client::is_trusted(address, &self.trusted_proxies.load()) {
            return None;
        }
        let entered = connections.enter(network(address), at_most);
        Some(entered.map_or(Admitted::TooMany, |connection| Admitted::Counted { _connection: connection }))
    }

    /// Counts a request of its address; returns how long to wait when there were too many.
    fn allow(&self, requests: &Requests, req: &HttpRequest) -> Result<(), Duration> {
        let per_second = self.requests_per_second.load(Ordering::Relaxed);
        if per_second == 0 {
            return Ok(());
        }
        let trusted = self.trusted_proxies.load();
        let address = client::peer(req, &trusted).address;
        if client::is_trusted(address, &trusted) {
            return Ok(());
        }
        requests.enter(network(address), per_second, Instant::now())
    }

    fn has_status_page(&self) -> bool {
        self.status_page.load(Ordering::Relaxed)
    }

    fn has_drills(&self) -> bool {
        self.drills.load(Ordering::Relaxed)
    }

    /// Returns true while traffic is wanted.
    pub fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }
}
