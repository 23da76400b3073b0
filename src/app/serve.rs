//! Starts everything in order, runs until told to stop, stops everything in reverse.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

use super::pipeline::{ACCESS_RING, Parts, Pipeline};
use super::reload::{Reloader, keep, log_warnings, shown};
use super::site::{self, Site, SiteError};
use super::status::Status;
use super::{EXPORT_GRACE, Failure, STORE_GRACE, admin, control, data, forward};
use crate::balancer::Balancer;
use crate::clock::Clock;
use crate::config::{self, Layers, Loaded, Source};
use crate::http::assets::Assets;
use crate::http::{self, Shared, Switches};
use crate::ingest::forward::Forward;
use crate::record::ring::ring;
use crate::release;
use crate::store::Store;
use crate::telemetry::{self, Identity, Telemetry};

/// Commands that wait their turn; more callers wait at the socket.
const CONTROL_QUEUE: usize = 8;

/// Workers begin with their http threads; a machine that takes longer than this to start
/// some threads is not going to serve.
const WORKERS_READY_TIMEOUT: Duration = Duration::from_secs(10);

/// The signals that we answer to, caught before the slow work of starting begins: a SIGHUP
/// that arrives during the start is a reload right after it, not the end of the process.
struct Signals {
    reload: Signal,
    stop: StopSignals,
}

/// The signals that end the process; the second of them at once.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn catch() -> anyhow::Result<Self> {
        let catch = |kind| signal(kind).context("catch signals");
        Ok(Signals {
            reload: catch(SignalKind::hangup())?,
            stop: StopSignals {
                terminate: catch(SignalKind::terminate())?,
                interrupt: catch(SignalKind::interrupt())?,
            },
        })
    }
}

impl StopSignals {
    /// Waits for the next one; returns its name.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Serves until told to stop.
pub async fn serve(layers: Layers) -> Result<(), Failure> {
    let mut signals = Signals::catch()?;
    let started = std::time::Instant::now();
    let loaded = config::load(&layers)?;
    let mut running = Running::start(layers, loaded).await?;
    info!(duration_ms = started.elapsed().as_millis() as u64, "ready after {:?}", started.elapsed());
    running.run(&mut signals).await;
    running.stop(signals.stop).await.map_err(Failure::from)
}

/// The parts of a started process, joined.
struct Running {
    reloader: Arc<Reloader>,
    server: http::Server,
    pipeline: Pipeline,
    forward: Option<Forward>,
    control: control::Socket,
    requests: mpsc::Receiver<control::Request>,
    /// Tells streams to end; true once the stop began.
    stopping: watch::Sender<bool>,
    supervisor: Supervisor,
}

impl Running {
    async fn start(layers: Layers, loaded: Loaded) -> Result<Running, Failure> {
        let config = &loaded.config;
        let clock = Clock::system();
        let release = release::current();
        data::prepare(&config.data)?;

        let identity = Identity {
            instance_id: data::instance_id(&config.data)?,
            version: release.version.to_string(),
            release: release.id.clone(),
        };
        let (telemetry, lines) =
            Telemetry::start(config.telemetry.clone(), identity, clock.clone()).context("start telemetry")?;
        let telemetry = Arc::new(telemetry);
        let meter = telemetry.meter();
        log_start(&loaded, &release);

        let store = Store::open(&config.data.join("store"), config.store.clone(), clock.clone(), &meter)
            .map_err(anyhow::Error::from)?;
        let assets = Arc::new(Assets::load());
        let (site, stale) = first_site(&loaded, &assets)?;
        info!("{}", shown(&site));
        log_warnings(&site, &loaded);
        keep(&config.data, &site);
        let status = Status::new(&site, stale, clock.clone(), &meter);

        let (access, access_records) = ring(ACCESS_RING);
        let counted = access.clone();
        telemetry.count_drops(telemetry::Signal::Logs, "access_ring", move || counted.dropped());
        let balancer_config =
            crate::balancer::Config { http_threads: config.http.http_threads(), ..config.balancer.clone() };
        let balancer = Balancer::new(balancer_config, Arc::new(http::answer), clock.clone(), &meter);
        let shared = Arc::new(Shared {
            edition: Arc::new(ArcSwap::new(site.edition.clone())),
            balancer: balancer.clone(),
            access,
            clock: clock.clone(),
            meter: meter.clone(),
            collect: collect(&telemetry),
            health: health(&balancer, &status, &release),
            switches: Switches::default(),
        });
        shared.switches.apply(&config.http);

        let reloader = Arc::new(Reloader {
            layers,
            loaded: std::sync::Mutex::new(loaded.clone()),
            shared: shared.clone(),
            store: store.clone(),
            telemetry: telemetry.clone(),
            status: status.clone(),
            turn: tokio::sync::Mutex::new(()),
        });
        let pipeline = Pipeline::start(Parts {
            access: access_records,
            lines,
            store: store.clone(),
            telemetry: telemetry.clone(),
            clock: clock.clone(),
            sample_interval: config.telemetry.sample_interval,
        })
        .context("start the pipeline thread")?;

        let forward = forward::start(&loaded, &store, &telemetry, &clock, &meter)?;
        let (stopping, stop_signal) = watch::channel(false);
        let (sender, requests) = mpsc::channel(CONTROL_QUEUE);
        let admin = admin::open(&reloader, &release, &clock, &assets, sender.clone(), stop_signal)?;
        let listener = http::bind(config.http.listen).map_err(anyhow::Error::from)?;
        let address = listener.local_addr().context("ask the bound address")?;
        let control = control::listen(&config.data, sender)
            .with_context(|| format!("open the control socket in {}", config.data.display()))?;
        let server = http::Server::start(&config.http, listener, shared.clone(), admin)
            .context("start the http threads")?;
        wait_for_workers(&balancer).await?;
        shared.switches.want_traffic();
        // People look for this line, and tests read the port from it.
        info!(server_address = %address, "serving on http://{address}, admin on http://{address}/admin");
        let supervisor = Supervisor::from_environment();
        supervisor.tell(|notifier| notifier.ready("serving"));
        Ok(Running { reloader, server, pipeline, forward, control, requests, stopping, supervisor })
    }

    /// Carries out reloads until told to stop.
    async fn run(&mut self, signals: &mut Signals) {
        loop {
            tokio::select! {
                _ = signals.reload.recv() => {
                    // The outcome is in the log, in `/admin` and in the metrics.
                    _ = self.reload().await;
                }
                Some(request) = self.requests.recv() => {
                    let answer = match request.command {
                        control::Command::Reload => answer(self.reload().await),
                    };
                    // Whoever asked may have left; the reload is done all the same.
                    _ = request.answer.send(answer);
                }
                name = signals.stop.next() => {
                    // First of all, so that who asks `/ready` after the line below hears it.
                    self.reloader.shared.switches.begin_drain();
                    info!("{name}: stopping, for at most {:?}; a second signal ends at once", super::STOP_BUDGET);
                    return;
                }
            }
        }
    }

    async fn reload(&self) -> Result<String, Vec<String>> {
        self.supervisor.tell(release::Notifier::reloading);
        let outcome = self.reloader.reload().await;
        self.supervisor.tell(|notifier| notifier.ready("serving"));
        outcome
    }

    /// Stops in the reverse order of the start; the store last, because all others write.
    async fn stop(self, mut signals: StopSignals) -> anyhow::Result<()> {
        let impatient = tokio::task::spawn_local(async move {
            let name = signals.next().await;
            eprintln!("vitrine: {name} again: ending at once, the last second of records may be lost");
            std::process::exit(1);
        });
        self.supervisor.tell(|notifier| notifier.stopping("draining"));
        drop(self.control);
        // Nobody may be listening to it: a stream that is not open needs no end.
        _ = self.stopping.send(true);
        let balancer = self.reloader.shared.balancer.clone();
        // Side by side: the pages may need their whole grace period.
        let forward_stopped = async {
            if let Some(forward) = self.forward {
                forward.stop().await;
            }
        };
        let (drained, ()) = tokio::join!(self.server.drain(), forward_stopped);
        if let Err(fault) = drained {
            warn!("the server did not stop cleanly: {fault}");
        }
        balancer.shutdown(Duration::ZERO).await;
        info!("stopped serving");
        let Reloader { telemetry, store, .. } = &*self.reloader;
        let (telemetry, store, pipeline) = (telemetry.clone(), store.clone(), self.pipeline);
        let flushed = tokio::task::spawn_blocking(move || {
            pipeline.stop();
            if let Err(fault) = telemetry.shutdown(EXPORT_GRACE) {
                warn!("{fault}");
            }
            store.close(STORE_GRACE)
        });
        let closed = flushed.await.context("flush the records")?;
        impatient.abort();
        closed.context("close the store")
    }
}

/// Whoever started us and wants to hear how we are: systemd, or nobody.
struct Supervisor(release::Notifier);

impl Supervisor {
    /// An address that cannot be used costs a warning; nothing of ours hangs on it.
    fn from_environment() -> Self {
        Supervisor(release::Notifier::from_env().unwrap_or_else(|fault| {
            warn!("{fault}");
            release::Notifier::silent()
        }))
    }

    fn tell(&self, word: impl FnOnce(&release::Notifier) -> Result<(), release::NotifyError>) {
        if let Err(fault) = word(&self.0) {
            warn!("{fault}");
        }
    }
}

fn answer(outcome: Result<String, Vec<String>>) -> control::Answer {
    match outcome {
        Ok(message) => control::Answer { ok: true, message },
        Err(reasons) => control::Answer { ok: false, message: reasons.join("\n") },
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
fn first_site(loaded: &Loaded, assets: &Arc<Assets>) -> Result<(Site, Vec<String>), Failure> {
    let config = &loaded.config;
    let fault = match site::load(&config.site, &config.cv, assets) {
        Ok(site) => return Ok((site, vec![])),
        Err(fault) => fault,
    };
    let is_missing = matches!(fault, SiteError::Missing(_));
    if is_missing && !config.site.is_dir() {
        return Err(Failure::Configuration(format!(
            "`site`: {} is not a folder ({})",
            config.site.display(),
            loaded.source("site")
        )));
    }
    let reasons = fault.lines();
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
        None => Err(Failure::Configuration(format!("the CV is wrong:\n{}", reasons.join("\n")))),
    }
}

fn last_good(data: &Path, config: &config::Config, assets: &Arc<Assets>) -> Option<Site> {
    match data::last_good(data) {
        Ok(kept) => {
            // A copy that does not build any more is as good as none.
            kept.and_then(|source| site::from_kept(source, &config.cv, assets).ok())
        }
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

fn health(
    balancer: &Balancer<http::Job, http::Reply>,
    status: &Status,
    release: &release::Release,
) -> Box<dyn Fn() -> http::Health + Send + Sync> {
    let (balancer, status, release) = (balancer.clone(), status.clone(), release.clone());
    Box::new(move || {
        let (ready, total) = (balancer.ready_count(), balancer.worker_count());
        http::Health {
            status: if ready > 0 { "ok" } else { "degraded" },
            version: release.version,
            release: release.id.clone(),
            workers: http::HealthWorkers { ready, total },
            problems: status.get().stale,
        }
    })
}

async fn wait_for_workers(balancer: &Balancer<http::Job, http::Reply>) -> anyhow::Result<()> {
    let ready = async {
        while balancer.ready_count() < balancer.worker_count() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let waited = tokio::time::timeout(WORKERS_READY_TIMEOUT, ready).await;
    waited.with_context(|| format!("the workers were not ready within {WORKERS_READY_TIMEOUT:?}"))
}
