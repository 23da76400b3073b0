//! Starts everything in order: a part is built after all that it stands on.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::{mpsc, watch};
use tracing::{Instrument, error, info, info_span, warn};

use super::pipeline::{ACCESS_RING, Parts, Pipeline};
use super::push::Keeper;
use super::releases::page::Desk;
use super::reload::{Reloader, balancer_config, keep, log_warnings, shown};
use super::rules::Evaluator;
use super::serve::{Running, Supervisor};
use super::site::{self, Site, SiteError};
use super::sockets::{self, Sockets};
use super::status::Status;
use super::tail::Follower;
use super::watch::Watch;
use super::{Failure, STORE_DIR, admin, control, data, edit, forward};
use crate::balancer::{Balancer, Lanes};
use crate::clock::Clock;
use crate::config::{self, Layers, Loaded, Source};
use crate::cv::Problem;
use crate::http::Links;
use crate::http::assets::Assets;
use crate::http::tls::Tls;
use crate::http::{self, STAGE_SPANS, Shared, Switches};
use crate::ingest::forward::Switches as ForwardSwitches;
use crate::record::ring::{Receiver, ring};
use crate::record::{AccessRecord, LogRecord, Span};
use crate::release::handover::{Predecessor, Program, ProgramError};
use crate::release::{self, Release};
use crate::store::{Opening, Store, Token};
use crate::telemetry::{self, Identity, Telemetry};
use crate::visitors::tagged::Tagged;
use crate::visitors::{self, Visitors};

/// Commands that wait their turn; more callers wait at the socket.
const CONTROL_QUEUE: usize = 8;

/// Workers begin with their http threads; a machine that takes longer than this to start
/// some threads is not going to serve.
const WORKERS_READY_TIMEOUT: Duration = Duration::from_secs(10);

/// What every part stands on.
struct Base {
    layers: Layers,
    loaded: Loaded,
    clock: Clock,
    release: Release,
    telemetry: Arc<Telemetry>,
    lines: Receiver<LogRecord>,
}

/// What the http threads leave behind.
struct Rings {
    access: Receiver<AccessRecord>,
    spans: Receiver<Span>,
}

/// Starts the process; returns once it serves. A predecessor lets it accept once everything
/// is proved, and hears that it does.
pub(super) async fn start(
    layers: Layers,
    program: Result<Program, ProgramError>,
    predecessor: &mut Option<Predecessor>,
) -> Result<Running, Failure> {
    let loaded = config::load(&layers)?;
    data::prepare(&loaded.config.data)?;
    let base = observe(layers, loaded)?;
    // From here on lines are kept, and all of the start share one trace.
    base.join(program, predecessor).instrument(info_span!("start")).await
}

/// Starts telemetry, so that everything after it is seen.
fn observe(layers: Layers, loaded: Loaded) -> anyhow::Result<Base> {
    let (clock, release) = (Clock::system(), release::current());
    let identity = Identity {
        instance_id: data::instance_id(&loaded.config.data)?,
        version: release.version.to_string(),
        release: release.id.clone(),
    };
    let (telemetry, lines) = Telemetry::start(loaded.config.telemetry.clone(), identity, clock.clone())
        .context("start telemetry")?;
    Ok(Base { layers, loaded, clock, release, telemetry: Arc::new(telemetry), lines })
}

impl Base {
    async fn join(
        self,
        program: Result<Program, ProgramError>,
        predecessor: &mut Option<Predecessor>,
    ) -> Result<Running, Failure> {
        let config = self.loaded.config.clone();
        log_start(&self.loaded, &self.release);
        log_panics();
        raise_open_files_limit();
        self.telemetry.watch_file_system(&config.data);
        let meter = self.telemetry.meter();
        let store = Store::open_as(Opening {
            dir: &config.data.join(STORE_DIR),
            config: config.store.clone(),
            clock: self.clock.clone(),
            meter: &meter,
            token: predecessor.as_ref().map(|predecessor| Token::from_text(predecessor.token())),
        })
        .map_err(anyhow::Error::from)?;

        let assets = Arc::new(Assets::load());
        // Before it is read: what changes while it is read is a change.
        let watch = Watch::begin(&config.site);
        let (site, stale) = first_site(&self.loaded, &assets)?;
        info!("{}", shown(&site));
        log_warnings(&site, &self.loaded);
        keep(&config.data, &site, self.clock.now_ms());
        let status = Status::new(&site, stale, self.clock.clone(), &meter);

        let countries = config.visitors.read().map_err(|fault| Failure::Configuration(fault.to_string()))?;
        let tagged = Arc::new(Tagged::open(&config.data));
        let visitors = Arc::new(Visitors::open(&config.data, tagged, countries, self.clock.now()));
        let of_day = self.clock.clone();
        visitors::observe(&visitors, &meter, move || of_day.now());

        let keeper = Keeper::new(store.clone(), self.telemetry.clone(), self.clock.clone());
        keeper.apply(&config.push);
        let rules = Arc::new(Evaluator::new(&config, &store, &self.clock, &meter));
        let (shared, rings) = self.shared(&site, &store, &status, &keeper, &rules);
        let (release, clock) = (self.release.clone(), self.clock.clone());
        let switches = ForwardSwitches::new(config.forward.clone());
        let mut sockets = Sockets::given(predecessor.as_mut());
        let forwarded = forward::bind(&self.loaded, &mut sockets)?;
        let telemetry = self.telemetry.clone();
        let (reloader, pipeline) = self.run_pipeline(
            shared.clone(),
            switches.clone(),
            store.clone(),
            (status, keeper, rules, visitors),
            rings,
        )?;

        // Before the admin password is made: it is shown only once, so the start must not fail
        // after it.
        let listener = sockets.http(sockets::HTTP, config.http.listen)?;
        let address = listener.local_addr().context("ask the bound address")?;
        let tls = reloader.tls.clone();
        let bound = tls.map(|tls| Ok((sockets.http(sockets::HTTPS, config.http.tls.listen)?, tls)));
        let tls = bound.transpose().map_err(Failure::Environment)?;
        let secure = tls.as_ref().map(|(listener, _)| listener.local_addr()).transpose();
        let secure = secure.context("ask the bound address")?;
        secure.iter().for_each(|address| shared.switches.speak_tls_at(address.port()));
        sockets.close_the_rest();
        if let Some(predecessor) = predecessor {
            // What takes from others begins here and not before: until then it is the other's.
            predecessor.accepts(release.version, &release.id).await;
        }
        let (sender, requests) = mpsc::channel(CONTROL_QUEUE);
        let control = control::listen(&config.data, sender.clone())
            .with_context(|| format!("open the control socket in {}", config.data.display()))?;

        let (stopping, stop_signal) = watch::channel(false);
        let (saving, saves) = mpsc::channel(edit::WAITING_MAX);
        let editor = Arc::new(edit::SiteEditor::new(reloader.clone(), saving));
        let releases = Arc::new(Desk::new(reloader.clone(), release.clone(), program.as_ref().ok()));
        let asking = admin::Asking { requests: sender.clone(), editor, releases, stopping: stop_signal };
        let (admin, auth) = admin::open(&reloader, &release, &clock, &assets, asking)?;
        let supervisor = Supervisor::from_environment(predecessor.is_some());
        let server =
            http::Server::start(&config.http, listener, tls, shared.clone(), admin, supervisor.well())
                .context("start the http threads")?;
        wait_for_workers(&shared.balancer).await?;
        shared.switches.want_traffic();
        // People look for this line, and tests read the port from it.
        info!(server_address = %address, "serving on http://{address}, admin on http://{address}/admin");
        if let Some(address) = secure {
            info!(server_address = %address, "serving on https://{address}");
        }
        let forward = forward::start(forwarded, switches, &store, &telemetry, &clock, &meter)?;
        match predecessor {
            Some(predecessor) => predecessor.serving(),
            None => {
                pipeline.begin_sampling();
                reloader.count_earlier_visitors();
                reloader.tail.begin(&config)?;
                reloader.rules.begin(&config)?;
            }
        }
        supervisor.tell(|notifier| notifier.ready("serving"));
        Ok(Running {
            program,
            predecessor: predecessor.take(),
            release,
            address,
            sockets,
            commands: sender,
            reloader,
            watch,
            auth,
            server,
            pipeline,
            forward,
            control,
            requests,
            saves,
            stopping,
            supervisor,
        })
    }

    /// Makes what the http threads share, and the other ends of its rings.
    fn shared(
        &self,
        site: &Site,
        store: &Store,
        status: &Status,
        keeper: &Arc<Keeper>,
        rules: &Arc<Evaluator>,
    ) -> (Arc<Shared>, Rings) {
        let config = &self.loaded.config;
        let meter = self.telemetry.meter();
        let (access, access_records) = ring(ACCESS_RING);
        let (spans, stage_spans) = ring(STAGE_SPANS);
        let counted = access.clone();
        self.telemetry.count_drops(telemetry::Signal::Logs, "access_ring", move || counted.dropped());
        let counted = spans.clone();
        self.telemetry.count_drops(telemetry::Signal::Traces, "stage_ring", move || counted.dropped());
        let balancer =
            Balancer::new(balancer_config(config), Arc::new(http::answer), self.clock.clone(), &meter);
        let log_queries = http::api::LogQueries::new(Arc::new(store.clone()));
        let followers = log_queries.followers.clone();
        store.on_logs(move |records| followers.offer(records));
        let shared = Arc::new(Shared {
            edition: Arc::new(ArcSwap::new(site.edition.clone())),
            links: Arc::new(Links::open(&config.data)),
            access,
            spans,
            clock: self.clock.clone(),
            collect: collect(&self.telemetry),
            queries: http::api::Queries::new(Arc::new(store.clone()), self.clock.now().to_millis()),
            log_queries,
            rules: view(rules),
            push: http::api::Push::new(keeper.clone(), self.clock.clone(), &meter),
            health: health(&balancer, store, status, &self.release),
            balancer,
            lanes: Lanes::new(balancer_config(config).wait_max, &meter),
            meter,
            switches: Switches::default(),
        });
        shared.switches.apply(&config.http);
        shared.push.apply(&config.push);
        shared.queries.apply(&config.query);
        shared.log_queries.apply(&config.query);
        shared.switches.sample_by(config.telemetry.traces.sampling());
        shared.switches.serve_proofs_of(&config.site);
        (shared, Rings { access: access_records, spans: stage_spans })
    }

    /// Starts the thread that moves records, and joins what a reload changes.
    fn run_pipeline(
        self,
        shared: Arc<Shared>,
        forward: ForwardSwitches,
        store: Store,
        (status, keeper, rules, visitors): (Status, Arc<Keeper>, Arc<Evaluator>, Arc<Visitors>),
        rings: Rings,
    ) -> anyhow::Result<(Arc<Reloader>, Pipeline)> {
        let spans_left_out = Arc::new(AtomicU64::new(0));
        let counted = spans_left_out.clone();
        let count = move || counted.load(Ordering::Relaxed);
        self.telemetry.count_drops(telemetry::Signal::Traces, "too_many", count);
        let pipeline = Pipeline::start(Parts {
            spans_left_out,
            access: rings.access,
            spans: rings.spans,
            lines: self.lines,
            store: store.clone(),
            telemetry: self.telemetry.clone(),
            clock: self.clock,
            sample_interval: self.loaded.config.telemetry.sample_interval,
            is_sampling: AtomicBool::new(false),
            visitors: visitors.clone(),
            instance: data::instance_id(&self.loaded.config.data)?,
        })
        .context("start the pipeline thread")?;
        let tls = self.loaded.config.http.tls.read()?.map(Tls::new);
        let clock = shared.clock.clone();
        let tail = Follower::new(&self.loaded.config, &store, &self.telemetry, &clock);
        let reloader = Arc::new(Reloader {
            tls,
            layers: self.layers,
            loaded: Mutex::new(self.loaded),
            shared,
            forward,
            store,
            telemetry: self.telemetry,
            status,
            keeper,
            tail,
            rules,
            visitors,
            turn: tokio::sync::Mutex::new(()),
        });
        Ok((reloader, pipeline))
    }
}

/// Makes of every panic one line of the log, with the ids of the request that it ended.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        error!(code_location = place, "panicked at {place}: {message}");
    }));
}

/// Raises the limit of open files to what the machine allows: each open partition of the
/// store takes about 80, and every connection one.
fn raise_open_files_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(fault) = setrlimit(Resource::Nofile, raised) {
        warn!("the limit of open files stays at {:?}: {fault}", limit.current);
    }
}

fn log_start(loaded: &Loaded, release: &release::Release) {
    info!("vitrine {} starts, release {}, process {}", release.version, release.id, std::process::id());
    for setting in config::settings::SETTINGS {
        match loaded.source(setting.key) {
            Source::Default => {}
            source => info!("setting {} = {} ({source})", setting.key, setting.value(&loaded.config)),
        }
    }
}

/// Returns what is shown first: the folder's CV, else the last good one with the reasons
/// why, else the sample if nobody ever asked for a CV.
fn first_site(loaded: &Loaded, assets: &Arc<Assets>) -> Result<(Site, Vec<Problem>), Failure> {
    let config = &loaded.config;
    let fault = match site::load(&config.site, &config.cv, assets) {
        Ok(site) => return Ok((site, vec![])),
        Err(fault) => fault,
    };
    let is_missing = matches!(fault, SiteError::Missing(_));
    let reasons = fault.into_problems();
    match last_good(&config.data, config, assets) {
        Some(site) => {
            for reason in &reasons {
                error!("the CV on disk cannot be shown, the last good one is shown instead: {reason}");
            }
            Ok((site, reasons))
        }
        None if is_missing => {
            let sample = site::sample(&config.cv, assets)
                .map_err(|fault| Failure::Configuration(fault.to_string()))?;
            Ok((sample, vec![]))
        }
        None => Err(Failure::Configuration(format!("the CV is wrong:\n{}", site::lines(&reasons)))),
    }
}

fn last_good(data: &Path, config: &config::Config, assets: &Arc<Assets>) -> Option<Site> {
    match data::last_good(data) {
        Ok(kept) if kept.is_empty() => None,
        // A copy that does not build any more is as good as none.
        Ok(kept) => site::from_kept(kept, &config.cv, assets).ok(),
        Err(fault) => {
            warn!("{fault:#}");
            None
        }
    }
}

fn collect(telemetry: &Arc<Telemetry>) -> http::api::Collect {
    let telemetry = telemetry.clone();
    Arc::new(move || {
        let collected = telemetry.collect();
        (collected.scrape, collected.metadata)
    })
}

fn view(rules: &Arc<Evaluator>) -> http::api::Rules {
    let rules = rules.clone();
    Arc::new(move || rules.view())
}

fn health(
    balancer: &Balancer<http::Job, http::Done>,
    store: &Store,
    status: &Status,
    release: &release::Release,
) -> Box<dyn Fn() -> http::Health + Send + Sync> {
    let (balancer, store) = (balancer.clone(), store.clone());
    let (status, release) = (status.clone(), release.clone());
    Box::new(move || {
        let mut problems: Vec<String> = status.get().stale.iter().map(ToString::to_string).collect();
        let trouble = admin::store_trouble(&store.stats());
        problems.extend(trouble.map(|trouble| format!("nothing is being recorded: {trouble}")));
        let (ready, total) = (balancer.ready_count(), balancer.worker_count());
        http::Health {
            status: if ready > 0 { "ok" } else { "degraded" },
            version: release.version,
            release: release.id.clone(),
            workers: http::HealthWorkers { ready, total },
            problems,
        }
    })
}

async fn wait_for_workers(balancer: &Balancer<http::Job, http::Done>) -> anyhow::Result<()> {
    let ready = async {
        while balancer.ready_count() < balancer.worker_count() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let waited = tokio::time::timeout(WORKERS_READY_TIMEOUT, ready).await;
    waited.with_context(|| format!("the workers were not ready within {WORKERS_READY_TIMEOUT:?}"))
}
