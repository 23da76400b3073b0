//! `/admin`: one page that says how the server is, behind one password.
//!
//! | route | what |
//! | --- | --- |
//! | `GET /admin` | the page; `range`, `q`, `level`, `since` and `before` in the query |
//! | `GET /admin/login`, `POST /admin/login` | the form, and a session for its password |
//! | `POST /admin/logout` | ends the session |
//! | `GET /admin/events` | the page's changing parts as server-sent events; its query |
//! | `POST /admin/api/v1/reload` | reads CV and configuration again and says how that ended |
//! | `GET /admin/api/v1/workers` | the workers as JSON |
//!
//! Every route but the login refuses without a session; the API also takes Basic auth of
//! the user `admin`. Every state change by a session needs its CSRF token. What is shown
//! comes from the read traits and from a status function; queries run off the async
//! threads, a bounded number at once. This module refuses to know what a store, a
//! balancer or a configuration is.

mod api;
pub mod auth;
mod browser;
mod events;
mod gather;
mod guard;
pub mod password;
mod sessions;
mod throttle;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::DefaultHeaders;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::future::BoxFuture;
use tokio::sync::{Semaphore, watch};

use crate::clock::Clock;
use crate::pages::admin::{Assets, StatusView};
use crate::record::read::{LogRead, MetricRead};

pub use auth::{Auth, Lifetimes, LoginError};
pub use password::{GeneratedPassword, PasswordError};

/// Settings of the admin page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// A session without a request for this long ends.
    pub session_idle: Duration,
    /// A session of this age ends, used or not.
    pub session_age: Duration,
    /// Open pages that are kept up to date at once; one more gets 503 and stays as it is.
    pub streams: usize,
}

impl Default for Config {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(86_400);
        Config { session_idle: DAY, session_age: 7 * DAY, streams: 32 }
    }
}

impl Config {
    /// Returns how long sessions last, as [`Auth::open`] takes it.
    pub fn lifetimes(&self) -> Lifetimes {
        Lifetimes { idle_max: self.session_idle, age_max: self.session_age }
    }
}

/// Queries that run at once: two, so that one slow search does not hold up the page, and
/// no more, because the machine has one or two cores for everything.
const QUERIES_RUNNING_MAX: usize = 2;

/// Queries that run or wait; one more gets 503.
const QUERIES_MAX: usize = 16;

/// A form has a password or a token in it, both shorter than this.
const FORM_MAX_BYTES: usize = 4_096;

/// No inline code, nothing from elsewhere, no frame around the page.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; \
     frame-ancestors 'none'; object-src 'none'";

/// Asks for a reload; yields what was applied, or why nothing was.
pub type Reload = Arc<dyn Fn() -> BoxFuture<'static, Result<String, String>> + Send + Sync>;

/// Reads the state of the process; called off the async threads.
pub type Status = Arc<dyn Fn() -> StatusView + Send + Sync>;

/// Finds out who is at the other end, with the trusted proxies taken into account.
pub type PeerOf = Arc<dyn Fn(&HttpRequest) -> Peer + Send + Sync>;

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// True when it speaks TLS to us, or to a trusted proxy.
    pub is_secure: bool,
}

impl Peer {
    /// Returns the other end of the TCP connection: right where no proxy stands between.
    pub fn direct(req: &HttpRequest) -> Peer {
        let address = req.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |socket| socket.ip());
        Peer { address, is_secure: req.app_config().secure() }
    }
}

/// What the admin page is built from.
pub struct Parts {
    /// Where numbers come from.
    pub metrics: Arc<dyn MetricRead>,
    /// Where lines come from.
    pub logs: Arc<dyn LogRead>,
    /// State that is not in the store.
    pub status: Status,
    /// Reload by button and by API.
    pub reload: Reload,
    /// Who may enter.
    pub auth: Auth,
    /// Wall time for ranges, monotonic time for what expires.
    pub clock: Clock,
    /// Style and script.
    pub assets: Assets,
    /// Who is asking.
    pub peer: PeerOf,
    /// Becomes true at the start of a drain; open streams end then.
    pub shutdown: watch::Receiver<bool>,
    /// Settings.
    pub config: Config,
}

/// The parts with the bounds on their use; shared by all http threads.
pub struct AdminState {
    parts: Parts,
    cache: gather::Cache,
    streams: Arc<Semaphore>,
    queries: Arc<Semaphore>,
    queries_running: Arc<Semaphore>,
}

impl AdminState {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Arc<Self> {
        let streams = Arc::new(Semaphore::new(parts.config.streams));
        Arc::new(AdminState {
            parts,
            cache: gather::Cache::default(),
            streams,
            queries: Arc::new(Semaphore::new(QUERIES_MAX)),
            queries_running: Arc::new(Semaphore::new(QUERIES_RUNNING_MAX)),
        })
    }
}

impl fmt::Debug for AdminState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminState").field("config", &self.parts.config).finish_non_exhaustive()
    }
}

/// Adds the routes of the list above.
pub fn routes(cfg: &mut web::ServiceConfig, state: Arc<AdminState>) {
    let headers = DefaultHeaders::new()
        .add(("Content-Security-Policy", CONTENT_SECURITY_POLICY))
        .add(("X-Content-Type-Options", "nosniff"))
        .add(("Referrer-Policy", "same-origin"))
        .add(("Cache-Control", "no-store"));
    let scope = web::scope("/admin")
        .app_data(web::Data::from(state))
        .app_data(web::FormConfig::default().limit(FORM_MAX_BYTES))
        .route("", web::get().to(browser::page))
        .route("/", web::get().to(browser::to_page))
        .route("/login", web::get().to(browser::login_form))
        .route("/login", web::post().to(browser::login))
        .route("/logout", web::post().to(browser::logout))
        .route("/events", web::get().to(events::events))
        .route("/api/v1/reload", web::post().to(api::reload))
        .route("/api/v1/workers", web::get().to(api::workers))
        .default_service(web::to(browser::not_found));
    cfg.service(scope.wrap(headers));
}

/// Lets a request for one of the APIs pass, by a session or by Basic auth, or returns
/// the answer that refuses it. It is for reading: a state change needs more.
pub async fn authorize(state: &AdminState, req: &HttpRequest) -> Result<(), HttpResponse> {
    guard::caller(state, req).await.map(|_| ())
}

#[cfg(test)]
mod tests;
