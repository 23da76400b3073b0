//! The reload: all or nothing.
//!
//! Everything is read, validated, built and proved aside; only then is anything changed,
//! and what is changed last cannot fail. Whatever is wrong leaves all of the old in
//! place and is told at once in the log, to `/admin`, as a metric and to whoever asked.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::data;
use super::push::Keeper;
use super::rules::Evaluator;
use super::site::{self, Origin, Site, SiteError};
use super::status::Status;
use super::tail::Follower;
use super::versions::Versions;
use crate::balancer::{self, DispatchError};
use crate::clock::UnixMillis;
use crate::config::{self, Config, Layers, Loaded};
use crate::cv::{Problem, Severity};
use crate::http::tls::{Credentials, Tls};
use crate::http::{self, Shared};
use crate::ingest::forward::Switches;
use crate::store::Store;
use crate::telemetry::Telemetry;
use crate::visitors::Visitors;
use crate::visitors::country::Countries;

/// Everything that a reload changes, and what it reads.
pub struct Reloader {
    /// The places that configuration is read from.
    pub layers: Layers,
    /// The configuration in force; held only to copy or replace it.
    pub loaded: Mutex<Loaded>,
    /// What the http threads share.
    pub shared: Arc<Shared>,
    /// The forward protocol takes its key anew.
    pub forward: Switches,
    /// The store takes its bounds anew.
    pub store: Store,
    /// Telemetry takes level and exporters anew.
    pub telemetry: Arc<Telemetry>,
    /// What TLS shows, if it is spoken; certificate and key are read anew.
    pub tls: Option<Tls>,
    /// Where the outcome is noted.
    pub status: Status,
    /// Keeps what is pushed, and may export it.
    pub keeper: Arc<Keeper>,
    /// Files and journals are followed as the new configuration says.
    pub tail: Follower,
    /// Rules are evaluated as the new configuration says.
    pub rules: Arc<Evaluator>,
    /// The database of countries is read anew.
    pub visitors: Arc<Visitors>,
    /// Reloads run one after the other.
    pub turn: tokio::sync::Mutex<()>,
}

/// A new edition waits so long for a worker that can prove it.
const PROOF_PATIENCE: Duration = Duration::from_secs(5);

/// The wait between two attempts at that.
const PROOF_PAUSE: Duration = Duration::from_millis(20);

/// What a reload puts in place.
struct Prepared {
    loaded: Loaded,
    site: Site,
    credentials: Option<Credentials>,
    countries: Option<Countries>,
}

/// Why a reload was refused.
struct Refusal {
    reasons: Vec<String>,
    /// What is wrong with the CV; empty when it is not at fault.
    of_cv: Vec<Problem>,
}

impl Refusal {
    /// A refusal that has nothing to do with the CV.
    fn other(reasons: Vec<String>) -> Refusal {
        Refusal { reasons, of_cv: Vec::new() }
    }

    fn of_cv(problems: Vec<Problem>) -> Refusal {
        Refusal { reasons: problems.iter().map(Problem::to_string).collect(), of_cv: problems }
    }
}

impl Reloader {
    /// Reloads; returns what is shown now, or every reason why nothing changed.
    pub async fn reload(self: &Arc<Self>) -> Result<String, Vec<String>> {
        let _turn = self.turn.lock().await;
        let this = self.clone();
        let prepared = tokio::task::spawn_blocking(move || this.prepare()).await;
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(fault) => {
                Err(Refusal::other(vec![format!("a defect ended the reload, please report it: {fault}")]))
            }
        };
        let outcome = match prepared {
            Ok(prepared) => self.prove(&prepared).await.and_then(|()| self.apply(prepared)),
            Err(refusal) => Err(refusal),
        };
        match outcome {
            Ok(message) => Ok(message),
            Err(Refusal { reasons, of_cv }) => {
                self.status.refused(&reasons, of_cv);
                for reason in &reasons {
                    error!("reload refused, everything stays as it was: {reason}");
                }
                Err(reasons)
            }
        }
    }

    /// Counts who came today before this process.
    pub fn count_earlier_visitors(&self) {
        let lane = self.shared.lanes.heavy.clone();
        super::visitors::count_earlier(self.visitors.clone(), self.store.clone(), lane);
    }

    /// Returns the configuration in force.
    pub fn loaded(&self) -> Loaded {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the site's folder while it is watched.
    pub fn watched(&self) -> Option<PathBuf> {
        let loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.config.watch.then(|| loaded.config.site.clone())
    }

    /// Reads, validates, builds and proves; changes nothing.
    fn prepare(&self) -> Result<Prepared, Refusal> {
        let current = self.loaded().config;
        let loaded = config::load(&self.layers)
            .map_err(|problems| Refusal::other(problems.0.iter().map(ToString::to_string).collect()))?;
        let fixed: Vec<String> = config::restart_needed(&current, &loaded.config)
            .into_iter()
            .map(|(setting, old, new)| {
                format!(
                    "`{}` cannot change while running (from {old} to {new}): `vitrine restart` applies it",
                    setting.key
                )
            })
            .collect();
        if !fixed.is_empty() {
            return Err(Refusal::other(fixed));
        }
        let mut site =
            self.load_site(&loaded.config).map_err(|fault| Refusal::of_cv(fault.into_problems()))?;
        if let Some(edition) = Arc::get_mut(&mut site.edition) {
            edition.succeed(&self.shared.edition.load(), Instant::now());
        }
        let credentials =
            loaded.config.http.tls.read().map_err(|fault| Refusal::other(vec![fault.to_string()]))?;
        let countries =
            loaded.config.visitors.read().map_err(|fault| Refusal::other(vec![fault.to_string()]))?;
        Ok(Prepared { loaded, site, credentials, countries })
    }

    fn load_site(&self, config: &Config) -> Result<Site, SiteError> {
        let assets = self.shared.edition.load().assets().clone();
        match site::load(&config.site, &config.cv, &assets) {
            // While only the sample was ever shown, no CV is no loss.
            Err(SiteError::Missing(_)) if self.status.get().origin == Origin::Sample => {
                site::sample(&config.cv, &assets)
            }
            outcome => outcome,
        }
    }

    /// Has a worker answer the page of the new edition.
    async fn prove(&self, prepared: &Prepared) -> Result<(), Refusal> {
        let deadline = Instant::now() + PROOF_PATIENCE;
        loop {
            let job = http::Job::probe(prepared.site.edition.clone(), "/");
            let answer = self.shared.balancer.dispatch(job);
            let reason = match tokio::time::timeout(PROOF_PATIENCE, answer).await {
                Ok(Ok((_, http::Done { reply: http::Reply::Document { .. }, .. }))) => return Ok(()),
                Ok(Ok((worker, _))) => format!("worker {worker} found no page"),
                // An overload passes, and the new page is not to blame for it.
                Ok(Err(DispatchError::Overloaded { .. })) if Instant::now() < deadline => {
                    tokio::time::sleep(PROOF_PAUSE).await;
                    continue;
                }
                Ok(Err(fault)) => fault.to_string(),
                Err(_) => format!("its worker said nothing for {PROOF_PATIENCE:?}"),
            };
            let message = format!("the new page was not answered in a trial: {reason}");
            return Err(Refusal::of_cv(vec![Problem::of_file(Severity::Error, "", message)]));
        }
    }

    /// Swaps. What could still be refused comes first; after it nothing fails.
    fn apply(&self, prepared: Prepared) -> Result<String, Refusal> {
        let Prepared { loaded, site, credentials, countries } = prepared;
        let config = &loaded.config;
        self.telemetry
            .apply(&config.telemetry)
            .map_err(|fault| Refusal::other(vec![format!("{:#}", anyhow::Error::from(fault))]))?;
        self.shared
            .balancer
            .apply(balancer_config(config))
            .expect("only another number of http threads is refused, and that needs a restart");
        self.forward.apply(config.forward.clone());
        self.store.apply(config.store.clone());
        self.shared.switches.apply(&config.http);
        self.shared.push.apply(&config.push);
        self.shared.queries.apply(&config.query);
        self.shared.log_queries.apply(&config.query);
        self.keeper.apply(&config.push);
        self.visitors.use_countries(countries);
        self.shared.switches.sample_by(config.telemetry.traces.sampling());
        self.tail.apply(config);
        self.rules.apply(config);
        self.shared.switches.serve_proofs_of(&config.site);
        if let (Some(tls), Some(credentials)) = (&self.tls, credentials) {
            tls.show(credentials);
        }
        self.shared.edition.store(site.edition.clone());
        let message = format!("reloaded: {}", shown(&site));
        self.status.applied(&site, &message);
        log_warnings(&site, &loaded);
        info!("{message}");
        let (data, now) = (config.data.clone(), self.shared.clock.now_ms());
        *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = loaded;
        // It waits for the disk, and the signals wait for this thread.
        tokio::task::spawn_blocking(move || keep(&data, &site, now));
        Ok(message)
    }
}

/// Returns the balancer's configuration with the number of threads that its jobs come from.
pub fn balancer_config(config: &Config) -> balancer::Config {
    balancer::Config { http_threads: config.http.http_threads(), ..config.balancer.clone() }
}

/// Says in words what is shown.
pub fn shown(site: &Site) -> String {
    match &site.origin {
        Origin::Folder(path) => format!("showing {}", path.display()),
        Origin::Sample => "showing the sample CV: put cv.yaml or resume.json into the site folder".into(),
        Origin::LastGood => format!("showing the last good CV, kept as {}", site.sources[0].name),
    }
}

/// Logs what is odd about configuration and CV, a line each.
pub fn log_warnings(site: &Site, loaded: &Loaded) {
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    for warning in &site.warnings {
        warn!("{warning}");
    }
}

/// Keeps a CV from the folder for a later start, and for whoever wants its text back; the
/// sample needs no keeping.
pub fn keep(data: &Path, site: &Site, now: UnixMillis) {
    if !matches!(site.origin, Origin::Folder(_)) {
        return;
    }
    if let Err(fault) = data::keep_last_good(data, &site.sources) {
        warn!(
            "{fault:#}: should the CV on disk break before the next start, there is nothing to fall back on"
        );
    }
    if let Err(fault) = Versions::of(data).keep(&site.sources, now) {
        warn!("keep the text of the CV as a version: {fault}: later there is no way back to it");
    }
}
