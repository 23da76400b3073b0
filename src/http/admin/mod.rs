//! `/admin`: how the server is, and what can be done about it, behind one password.
//!
//! | route | what |
//! | --- | --- |
//! | `GET /admin` | the overview; `range`, or `from` and `to`, in the query |
//! | `GET /admin/metrics` | metrics by PromQL; `q`, and the time as on the overview |
//! | `GET /admin/metrics/complete`, `…/check` | what may come next in `q`, and what is wrong with it |
//! | `GET /admin/metrics/cardinality` | what series there are; `match` and `label` |
//! | `GET /admin/store` | the store, and the ways to it |
//! | `GET /admin/workers` | the workers, and what they can be told; `range`, or `from` and `to` |
//! | `GET /admin/visitors` | visitors; `range`, or `from` and `to` |
//! | `POST /admin/visitors/links`, `POST /admin/visitors/links/{tag}/delete` | makes a tagged link, and forgets one |
//! | `GET /admin/logs` | lines; the same, and the fields of the form or `logql`, `before` or `after`; a line among its neighbours by `around` and `source` |
//! | `GET /admin/logs/rows` | more of them as JSON; the same |
//! | `GET /admin/logs/histogram` | how many there were, as a part of the page |
//! | `GET /admin/traces` | the slowest, the failed and the newest requests |
//! | `GET /admin/traces/{id}` | one of them in its parts |
//! | `GET /admin/login`, `POST /admin/login` | the form, and a session for its password |
//! | `POST /admin/settings/access/second-factor/{begin,confirm,off}` | the second factor |
//! | `POST /admin/logout` | ends the session |
//! | `POST /admin/language` | the language of the pages |
//! | `GET /admin/events` | a page's changing parts as server-sent events; `page` and its query |
//! | `GET /admin/cv` | the files of the CV, its pages, problems and versions |
//! | `GET /admin/cv/edit` | the editor of one of them; `file` or `language`, `line` and `version` in the query |
//! | `POST /admin/cv/draft/check`, `…/preview`, `…/publish` | says what is wrong with a text, renders it, writes and shows it |
//! | `GET /admin/cv/preview/{rest}` | a document of the session's own preview |
//! | `GET /admin/cv/versions`, `GET /admin/cv/versions/{id}` | earlier texts, and one beside the present one |
//! | `POST /admin/cv/versions/{id}/restore` | brings an earlier text back |
//! | `POST /admin/cv/reload` | reads CV and configuration again |
//! | `GET /admin/releases`, `POST /admin/releases/rollback` | the releases, and the way back to one |
//! | `GET /admin/links`, `POST /admin/links` | the private links, and a new one |
//! | `POST /admin/links/{id}/revoke` | ends a private link |
//! | `GET /admin/settings` | how everything is set, and by what; `only` in the query |
//! | `GET /admin/settings/audit` | who did what; `only` in the query |
//! | `GET /admin/settings/grafana` | what to put into Grafana |
//! | `GET /admin/settings/access` | who may enter: sessions, tokens, the password |
//! | `POST /admin/settings/access/sessions/{number}/end`, `…/sessions/end-others` | end sessions |
//! | `POST /admin/settings/access/tokens`, `…/tokens/{id}/revoke` | make a token, and end it |
//! | `POST /admin/settings/access/password` | changes the password |
//! | `POST /admin/api/v1/reload` | reads CV and configuration again and says how that ended |
//! | `GET`, `POST /admin/api/v1/log-level` | what is logged, and something else until the next reload |
//! | `GET`, `POST /admin/api/v1/workers` | the workers as JSON, and their number |
//! | `POST /admin/api/v1/workers/{id}/{command}` | drains, enables or restarts a worker |
//!
//! Where `GET` is, `HEAD` is too; any other method gets 405 and is told what is allowed.
//! Every route but the login refuses without a session; the API also takes Basic auth of
//! the user `admin`, and answers refusals in JSON. Every state change by a session needs its CSRF token, and
//! every state change and login is written to the audit log ([`audit`]). What is shown
//! comes from the read traits and from a status function; queries run off the async
//! threads, a bounded number at once. This module refuses to know what a store, a
//! balancer or a configuration is.

mod access;
mod api;
mod ask;
pub mod audit;
pub mod auth;
mod browser;
mod cardinality;
mod complete;
mod cv;
mod door;
pub mod editor;
mod events;
mod explore;
mod form;
mod gather;
mod grafana;
mod guard;
mod language;
mod links;
mod logs;
mod marks;
mod overview;
pub mod password;
mod releases;
mod routes;
pub mod second_factor;
mod sessions;
mod settings;
mod store;
mod throttle;
pub mod tokens;
mod traces;
mod uptime;
mod visitors;
mod workers;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::middleware::DefaultHeaders;
use actix_web::{HttpRequest, HttpResponse, Route, web};
use futures_util::future::BoxFuture;
use tokio::sync::{Semaphore, watch};

use self::audit::{Actor, Witness};
use self::guard::Session;
use self::sessions::Token;
use self::tokens::Scope;
use super::client::Peer;
use super::follow::Followers;
use super::links::Links;
use super::stage::Stages;
use crate::balancer::{ControlError, Lane, WorkerId};
use crate::clock::Clock;
use crate::pages::admin::releases::{ReleasesView, RollBackBar};
use crate::pages::admin::{Assets, Notice, SettingView, StatusView, StoreFacts};
use crate::query::journal::Journal;
use crate::record::Span;
use crate::record::read::{LogRead, MetricRead, SpanRead};
use crate::record::ring::Sender;
use crate::visitors::tagged::Tagged;

pub use audit::Audit;
pub use auth::{Auth, Lifetimes, LoginError, Opening};
use editor::Editor;
pub use password::{GeneratedPassword, PasswordError};
pub use routes::{AdminRoute, Door, ROUTES};

/// Settings of the admin page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// A session without a request for this long ends.
    pub session_idle: Duration,
    /// A session of this age ends, used or not.
    pub session_age: Duration,
    /// Whether passwords that come over plain HTTP from another machine are refused.
    pub require_tls: bool,
    /// Open pages that are kept up to date at once; one more gets 503 and stays as it is.
    pub streams: usize,
    /// Whether the files of the CV may be edited.
    pub edit: bool,
}

impl Default for Config {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(86_400);
        Config { session_idle: DAY, session_age: 7 * DAY, require_tls: false, streams: 32, edit: true }
    }
}

impl Config {
    /// Returns how long sessions last, as [`Auth::open`] takes it.
    pub fn lifetimes(&self) -> Lifetimes {
        Lifetimes { idle_max: self.session_idle, age_max: self.session_age }
    }
}

/// The longest form has three passwords in it, each character of which may be three in a form.
const FORM_MAX_BYTES: usize = 16 << 10;

/// Asks for a reload; yields what was applied, or why nothing was.
pub type Reload = Arc<dyn Fn() -> BoxFuture<'static, Result<String, String>> + Send + Sync>;

/// What a worker can be told, or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerCommand {
    /// Take no more jobs.
    Drain(WorkerId),
    /// Take jobs again.
    Enable(WorkerId),
    /// Make room for a new incarnation.
    Restart(WorkerId),
    /// Be so many.
    Scale(usize),
}

impl fmt::Display for WorkerCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WorkerCommand::Drain(worker) => write!(f, "drain worker {worker}"),
            WorkerCommand::Enable(worker) => write!(f, "enable worker {worker}"),
            WorkerCommand::Restart(worker) => write!(f, "restart worker {worker}"),
            WorkerCommand::Scale(n_workers) => write!(f, "scale to {n_workers} workers"),
        }
    }
}

/// Has a command carried out; yields when the state is reached, or why it is not.
pub type Control = Arc<dyn Fn(WorkerCommand) -> BoxFuture<'static, Result<(), ControlError>> + Send + Sync>;

/// Why no roll-back was begun.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RollBackError {
    /// There is no such release.
    #[error("there is no release {0:?}")]
    Unknown(String),
    /// This process cannot.
    #[error("this process cannot roll back")]
    Barred(RollBackBar),
    /// The one before has not ended.
    #[error("a roll-back is at work already: wait for its end")]
    Busy,
    /// It could not be begun.
    #[error("{0}")]
    Failed(String),
}

/// The releases on disk. Called off the async threads.
pub trait ReleaseDesk: Send + Sync {
    /// Says which there are, and what was tried.
    fn look(&self) -> ReleasesView;
    /// Begins a roll-back to a release, which goes on by itself.
    fn roll_back(&self, id: &str) -> Result<(), RollBackError>;
}

/// What is logged, by the directives of `telemetry.log_level`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLevel {
    /// What is in force.
    pub now: String,
    /// What the configuration says, which a reload or a restart puts in force.
    pub configured: String,
}

/// Logs by these directives until the next reload, or says what is wrong with them.
pub type SetLogLevel = Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// Looks at what is logged, and changes it; neither waits.
#[derive(Clone)]
pub struct LogControl {
    /// Returns what is logged.
    pub get: Arc<dyn Fn() -> LogLevel + Send + Sync>,
    /// Logs something else.
    pub set: SetLogLevel,
}

/// Reads the state of the process; called off the async threads.
pub type Status = Arc<dyn Fn() -> StatusView + Send + Sync>;

/// Reads the effective configuration; does not wait.
pub type Settings = Arc<dyn Fn() -> Vec<SettingView> + Send + Sync>;

/// Returns where a request that came without TLS should have gone; none when it is fine.
pub type SecurePlace = Arc<dyn Fn(&HttpRequest) -> Option<String> + Send + Sync>;

/// Finds out who is at the other end, with the trusted proxies taken into account.
pub type PeerOf = Arc<dyn Fn(&HttpRequest) -> Peer + Send + Sync>;

/// What the admin page is built from.
pub struct Parts {
    /// Where numbers come from.
    pub metrics: Arc<dyn MetricRead>,
    /// Where lines come from.
    pub logs: Arc<dyn LogRead>,
    /// Notes what queries take.
    pub journal: Arc<Journal>,
    /// Most values that one query holds in memory at once, as it is set now.
    pub samples_max: Arc<dyn Fn() -> usize + Send + Sync>,
    /// Where spans come from.
    pub traces: Arc<dyn SpanRead>,
    /// Who follows the log as it comes in.
    pub followers: Arc<Followers>,
    /// State that is not in the store.
    pub status: Status,
    /// What the store says of itself, and what is around it; called off the async threads.
    pub store: Arc<dyn Fn() -> StoreFacts + Send + Sync>,
    /// How everything is set.
    pub settings: Settings,
    /// Reload by button and by API.
    pub reload: Reload,
    /// Commands to the workers.
    pub control: Control,
    /// What is logged.
    pub log: LogControl,
    /// Where queries run.
    pub heavy: Lane,
    /// Where the spans of queries and pages go.
    pub spans: Sender<Span>,
    /// Who may enter.
    pub auth: Auth,
    /// Where it is written down who did what.
    pub audit: Audit,
    /// Who else may see the whole CV.
    pub links: Arc<Links>,
    /// The files of the CV.
    pub editor: Arc<dyn Editor>,
    /// The releases on disk.
    pub releases: Arc<dyn ReleaseDesk>,
    /// The links by which visitors are told apart.
    pub tagged: Arc<Tagged>,
    /// Where the site is, when the owner named it.
    pub base_url: Arc<dyn Fn() -> Option<String> + Send + Sync>,
    /// Wall time for ranges, monotonic time for what expires.
    pub clock: Clock,
    /// How often instruments are read.
    pub sample_interval: Duration,
    /// Style and script.
    pub assets: Assets,
    /// Who is asking.
    pub peer: PeerOf,
    /// Where HTTPS is.
    pub secure_place: SecurePlace,
    /// Becomes true at the start of a drain; open streams end then.
    pub shutdown: watch::Receiver<bool>,
    /// Settings.
    pub config: Config,
}

/// The parts with the bounds on their use; shared by all http threads.
pub struct AdminState {
    parts: Parts,
    previews: cv::Previews,
    cache: overview::Cache,
    status_pages: uptime::Kept,
    visitors: visitors::Known,
    streams: Arc<Semaphore>,
}

impl AdminState {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Arc<Self> {
        let streams = Arc::new(Semaphore::new(parts.config.streams));
        Arc::new(AdminState {
            parts,
            previews: cv::Previews::default(),
            cache: overview::Cache::default(),
            status_pages: uptime::Kept::default(),
            visitors: visitors::Known::default(),
            streams,
        })
    }

    /// Returns what writes down what somebody does by a request, or tries to. Every handler
    /// that changes something calls it; what runs on goes on being watched when its caller
    /// leaves.
    fn witness(&self, req: &HttpRequest, actor: Actor) -> Witness {
        Witness::of(&self.parts.audit, actor, (self.parts.peer)(req).address)
    }

    /// Leaves how an action ended for the next page of its session, which shows it once.
    fn leave_notice(&self, session: &Token, notice: Notice) {
        self.parts.auth.leave_notice(session, notice);
    }

    /// Takes what was left for this page; one that is not shown takes nothing.
    fn take_notice(&self, req: &HttpRequest, session: &Session) -> Option<Notice> {
        (req.method() == Method::GET).then(|| self.parts.auth.take_notice(&session.token)).flatten()
    }

    /// Returns where the stages of the request being answered are noted.
    fn stages(&self) -> Stages {
        Stages::of_current(&self.parts.spans, &self.parts.clock)
    }
}

impl fmt::Debug for AdminState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminState").field("config", &self.parts.config).finish_non_exhaustive()
    }
}

/// Adds the routes of the list above; [`ROUTES`] has them, too.
pub fn routes(cfg: &mut web::ServiceConfig, state: Arc<AdminState>) {
    let headers =
        DefaultHeaders::new().add(("Referrer-Policy", "same-origin")).add(("Cache-Control", "no-store"));
    let draft = web::FormConfig::default().limit(cv::FORM_MAX_BYTES);
    let scope = web::scope("/admin")
        .app_data(web::Data::from(state))
        .app_data(web::FormConfig::default().limit(FORM_MAX_BYTES))
        .service(web::resource("").get(overview::page).head(overview::page))
        .service(web::resource("/").get(browser::to_page).head(browser::to_page))
        .service(web::resource("/login").get(door::login_form).head(door::login_form).post(door::login))
        .service(web::resource("/logout").post(door::logout))
        .service(web::resource("/language").post(language::choose))
        .service(web::resource("/logs").get(logs::page).head(logs::page))
        .service(web::resource("/metrics").get(explore::page).head(explore::page))
        .service(web::resource("/metrics/check").get(explore::check).head(explore::check))
        .service(web::resource("/metrics/complete").get(complete::complete).head(complete::complete))
        .service(web::resource("/metrics/cardinality").get(cardinality::page).head(cardinality::page))
        .service(web::resource("/store").get(store::page).head(store::page))
        .service(web::resource("/visitors").get(visitors::page).head(visitors::page))
        .service(web::resource("/visitors/links").post(visitors::create))
        .service(web::resource("/visitors/links/{tag}/delete").post(visitors::delete))
        .service(web::resource("/logs/rows").get(logs::rows).head(logs::rows))
        .service(web::resource("/logs/histogram").get(logs::histogram).head(logs::histogram))
        .service(web::resource("/traces").get(traces::page).head(traces::page))
        .service(web::resource("/traces/{id}").get(traces::one).head(traces::one))
        .service(web::resource("/workers").get(workers::page).head(workers::page))
        .service(web::resource("/cv").get(cv::page).head(cv::page))
        .service(web::resource("/cv/reload").post(cv::reload))
        .service(web::resource("/cv/edit").get(cv::edit).head(cv::edit))
        .service(web::resource("/cv/draft/check").app_data(draft.clone()).post(cv::check))
        .service(web::resource("/cv/draft/preview").app_data(draft.clone()).post(cv::preview))
        .service(web::resource("/cv/draft/publish").app_data(draft).post(cv::publish))
        .service(web::resource("/cv/preview/{rest:.*}").get(cv::previewed).head(cv::previewed))
        .service(web::resource("/cv/versions").get(cv::versions).head(cv::versions))
        .service(web::resource("/cv/versions/{id}").get(cv::version).head(cv::version))
        .service(web::resource("/cv/versions/{id}/restore").post(cv::restore))
        .service(web::resource("/releases").get(releases::page).head(releases::page))
        .service(web::resource("/releases/rollback").post(releases::roll_back))
        .service(web::resource("/links").get(links::page).head(links::page).post(links::create))
        .service(web::resource("/links/{id}/revoke").post(links::revoke))
        .service(web::resource("/settings").get(settings::page).head(settings::page))
        .service(web::resource("/settings/audit").get(settings::audit).head(settings::audit))
        .service(web::resource("/settings/grafana").get(grafana::page).head(grafana::page))
        .service(web::resource("/settings/access").get(access::page).head(access::page))
        .service(web::resource("/settings/access/sessions/end-others").post(access::end_others))
        .service(web::resource("/settings/access/sessions/{number}/end").post(access::end))
        .service(web::resource("/settings/access/tokens").post(access::make_token))
        .service(web::resource("/settings/access/tokens/{id}/revoke").post(access::revoke_token))
        .service(web::resource("/settings/access/password").post(access::change_password))
        .service(web::resource("/settings/access/second-factor/{step}").post(access::second_factor_step))
        .service(web::resource("/events").get(events::events).head(events::events))
        .service(
            web::scope("/api")
                .service(web::resource("/v1/reload").post(api::reload).default_service(api_refuses("POST")))
                .service(
                    web::resource("/v1/log-level")
                        .get(api::log_level)
                        .head(api::log_level)
                        .post(api::set_log_level)
                        .default_service(api_refuses("GET, HEAD, POST")),
                )
                .service(
                    web::resource("/v1/workers")
                        .get(api::workers)
                        .head(api::workers)
                        .post(api::scale)
                        .default_service(api_refuses("GET, HEAD, POST")),
                )
                .service(
                    web::resource("/v1/workers/{id}/{command}")
                        .post(api::command)
                        .default_service(api_refuses("POST")),
                )
                .default_service(web::to(api::not_found)),
        )
        .default_service(web::to(browser::not_found));
    cfg.service(scope.wrap(headers));
}

/// Answers the methods that an address of the API does not take.
fn api_refuses(allowed: &'static str) -> Route {
    web::to(move |state: web::Data<AdminState>, req: HttpRequest| api::wrong_method(state, req, allowed))
}

/// Lets a request for one of the APIs outside `/admin` pass by Basic auth or a token that may
/// read, or returns the answer that refuses it. A session would do, but browsers send its
/// cookie to `/admin` alone. It is for reading: a state change needs more.
pub async fn authorize(state: &AdminState, req: &HttpRequest) -> Result<(), HttpResponse> {
    guard::caller(state, req, Scope::Read).await.map(|_| ())
}

/// Lets a request pass that brings something, by Basic auth or a token that may write; a browser
/// on another site is not let, since it would send a credential that it remembers.
pub async fn authorize_write(state: &AdminState, req: &HttpRequest) -> Result<(), HttpResponse> {
    let caller = guard::caller(state, req, Scope::Write).await?;
    if guard::is_meant(&caller, req, None) { Ok(()) } else { Err(guard::not_meant()) }
}

#[cfg(test)]
mod tests;
