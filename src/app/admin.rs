//! Hands `/admin` what it shows: the parts' own snapshots, turned into its view structs.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures_util::FutureExt;
use tokio::sync::{mpsc, oneshot, watch};

use super::control::{Answer, Asker, Request, Word};
use super::events;
use super::reload::Reloader;
use super::status::LastReload;
use super::store_facts::store_facts;
use crate::balancer::{Balancer, WorkerSnapshot, WorkerState};
use crate::clock::Clock;
use crate::config::{self, Source, settings};
use crate::cv::Problem;
use crate::http::admin::editor::Editor;
use crate::http::admin::{self, AdminState, Audit, Auth, Opening, Parts, ReleaseDesk, WorkerCommand};
use crate::http::assets::Assets;
use crate::http::{Done, Job, Shared};
use crate::pages::admin as view;
use crate::query::journal::Door;
use crate::release::Release;
use crate::store::{KindStats, Stats};

/// A command waits so long for jobs in hand: longer than the deadline of any of them.
const CONTROL_GRACE: Duration = Duration::from_secs(15);

/// How the admin page has things done by the process.
pub struct Asking {
    /// Commands, as from the control socket.
    pub requests: mpsc::Sender<Request>,
    /// The files of the CV.
    pub editor: Arc<dyn Editor>,
    /// The releases on disk.
    pub releases: Arc<dyn ReleaseDesk>,
    /// Becomes true when the process stops.
    pub stopping: watch::Receiver<bool>,
}

/// Opens the admin page; prints the password if one had to be made.
pub fn open(
    reloader: &Arc<Reloader>,
    release: &Release,
    clock: &Clock,
    assets: &Assets,
    asking: Asking,
) -> anyhow::Result<(Arc<AdminState>, Auth)> {
    let loaded = reloader.loaded();
    let config = loaded.config.admin;
    let from_environment = reloader.layers.admin_password();
    let heavy = reloader.shared.lanes.heavy.clone();
    let audit = audit(reloader, clock);
    let (auth, generated) = Auth::open(Opening {
        dir: &loaded.config.data,
        password_from_env: from_environment.as_deref(),
        lifetimes: config.lifetimes(),
        clock: clock.clone(),
        heavy: heavy.clone(),
        audit: audit.clone(),
    })
    .context("set up the admin password")?;
    if let Some(password) = generated {
        // Straight to the terminal and not through the log, which is stored and exported.
        eprintln!("\n  the admin password, shown only this once: {}\n", password.reveal());
    }
    let (shared, for_place) = (reloader.shared.clone(), reloader.shared.clone());
    let for_links = reloader.shared.clone();
    let state = AdminState::new(Parts {
        metrics: Arc::new(reloader.store.clone()),
        logs: Arc::new(reloader.store.clone()),
        journal: reloader.shared.journal.clone(),
        samples_max: samples_max(reloader.shared.clone()),
        traces: Arc::new(reloader.store.clone()),
        followers: reloader.shared.log_queries.followers.clone(),
        status: status(reloader.clone(), release.clone(), clock.clone()),
        store: store_facts(reloader.clone()),
        settings: settings_of(reloader),
        reload: reload(asking.requests),
        control: control(reloader.shared.balancer.clone()),
        log: log_control(reloader),
        heavy,
        spans: reloader.shared.spans.clone(),
        auth: auth.clone(),
        audit,
        links: reloader.shared.links.clone(),
        editor: asking.editor,
        releases: asking.releases,
        tagged: reloader.visitors.tagged().clone(),
        base_url: Arc::new(move || for_links.edition.load().base_url.as_ref().map(ToString::to_string)),
        clock: clock.clone(),
        sample_interval: loaded.config.telemetry.sample_interval,
        assets: view_assets(assets),
        peer: Arc::new(move |req| shared.switches.peer(req)),
        secure_place: Arc::new(move |req| for_place.switches.secure_place(req)),
        shutdown: asking.stopping,
        config,
    });
    Ok((state, auth))
}

/// Returns how much a query may hold, as a reload left it.
fn samples_max(shared: Arc<Shared>) -> Arc<dyn Fn() -> usize + Send + Sync> {
    Arc::new(move || shared.queries.engine(Door::Page).limits.samples_max)
}

/// Writes deeds where the process's other events go.
fn audit(reloader: &Arc<Reloader>, clock: &Clock) -> Audit {
    let (store, telemetry) = (reloader.store.clone(), reloader.telemetry.clone());
    Audit::new(clock.clone(), move |record| events::keep(&store, &telemetry, record))
}

/// Returns where the pages find their style and their scripts.
fn view_assets(assets: &Assets) -> view::Assets {
    let urls =
        |names: &[&str]| names.iter().map(|name| assets.url(&format!("admin/{name}")).into()).collect();
    view::Assets {
        css: urls(&["uplot.css", "admin.css"]),
        of_views: vec![(view::Tab::Metrics, assets.url("admin/explore.js").into())],
        editor: assets.url("admin/editor.js").into(),
        js: urls(&["uplot.js", "charts.js", "admin.js", "logs.js"]),
    }
}

/// Takes up the password that `vitrine password` stored, and says what came of it.
pub async fn password_changed(auth: &Auth) -> Answer {
    match auth.reread().await {
        Ok(()) => Answer::yes("every session has ended"),
        Err(fault) => Answer::no(fault.to_string()),
    }
}

/// Passes a reload to whoever carries out commands, like one from the control socket.
fn reload(requests: mpsc::Sender<Request>) -> admin::Reload {
    Arc::new(move || {
        let requests = requests.clone();
        async move {
            let (answer, answered) = oneshot::channel();
            let stopping = || "the process is stopping".to_string();
            requests
                .send(Request { asker: Asker::Pages, word: Word::Reload, answer })
                .await
                .map_err(|_| stopping())?;
            let answer = answered.await.map_err(|_| stopping())?;
            if answer.ok { Ok(answer.message) } else { Err(answer.message) }
        }
        .boxed()
    })
}

/// Passes commands to the balancer. None is cut short by a caller that leaves: what was
/// asked for is wanted from the first moment, and the rest is waiting.
fn control(balancer: Balancer<Job, Done>) -> admin::Control {
    Arc::new(move |command| {
        let balancer = balancer.clone();
        async move {
            match command {
                WorkerCommand::Drain(worker) => balancer.drain(worker, CONTROL_GRACE).await,
                WorkerCommand::Enable(worker) => balancer.enable(worker, CONTROL_GRACE).await,
                WorkerCommand::Restart(worker) => balancer.restart(worker, CONTROL_GRACE).await,
                WorkerCommand::Scale(n_workers) => balancer.scale(n_workers, CONTROL_GRACE).await,
            }
        }
        .boxed()
    })
}

/// Tells the configuration in force, a row for each setting.
fn settings_of(reloader: &Arc<Reloader>) -> admin::Settings {
    let reloader = reloader.clone();
    Arc::new(move || {
        let loaded = reloader.loaded();
        let row = |setting: &settings::Setting| view::SettingView {
            key: setting.key,
            value: setting.value(&loaded.config),
            default: setting.default_value(),
            source: match loaded.source(setting.key) {
                Source::Default => view::SourceView::Default,
                Source::File(path) => view::SourceView::File(path.display().to_string()),
                Source::Environment(name) => view::SourceView::Environment(name),
                Source::Flag => view::SourceView::Flag,
            },
            reloads: setting.reload,
            meaning: setting.meaning,
        };
        settings::SETTINGS.iter().map(row).collect()
    })
}

/// Changes what is logged. The directives are read as those of the file are.
fn log_control(reloader: &Arc<Reloader>) -> admin::LogControl {
    let (of_get, telemetry) = (reloader.clone(), reloader.telemetry.clone());
    let get = move || admin::LogLevel {
        now: of_get.telemetry.log_level(),
        configured: of_get.loaded().config.telemetry.log_level,
    };
    let set = move |level: &str| {
        let setting = settings::find("telemetry.log_level").expect("the table has the setting");
        let level = config::read_value(setting, level)?;
        telemetry.set_log_level(&level).map_err(|fault| fault.to_string())
    };
    admin::LogControl { get: Arc::new(get), set: Arc::new(set) }
}

fn status(reloader: Arc<Reloader>, release: Release, clock: Clock) -> admin::Status {
    Arc::new(move || {
        let (status, stats) = (reloader.status.get(), reloader.store.stats());
        let in_flight_max = reloader.loaded().config.balancer.in_flight_max as u64;
        view::StatusView {
            version: release.version.to_string(),
            release: Some(release.id.clone()).filter(|id| *id != release.version),
            uptime: clock.elapsed(),
            wants_traffic: reloader.shared.switches.is_wanted(),
            workers: reloader
                .shared
                .balancer
                .snapshot()
                .into_iter()
                .map(|worker| worker_view(worker, in_flight_max))
                .collect(),
            reload: status.last_reload.map(reload_view),
            problems: problems(&status.stale, &status.warnings),
            is_cv_stale: !status.stale.is_empty(),
            store: store_views(&stats),
            store_degraded: store_trouble(&stats),
            export: export_views(&reloader),
        }
    })
}

fn reload_view(reload: LastReload) -> view::ReloadView {
    view::ReloadView { at: reload.at, outcome: reload.outcome.map_err(|reasons| reasons.join("\n")) }
}

fn problems(stale: &[Problem], warnings: &[Problem]) -> Vec<view::ProblemView> {
    stale.iter().chain(warnings).map(problem_view).collect()
}

fn problem_view(problem: &Problem) -> view::ProblemView {
    let place = problem.place.map(|place| format!("{}:{place}", problem.file));
    view::ProblemView {
        is_error: problem.is_error(),
        place: place.unwrap_or_else(|| problem.file.clone()),
        message: problem.what(),
        hint: problem.hint.clone(),
    }
}

fn worker_view(worker: WorkerSnapshot, in_flight_max: u64) -> view::WorkerView {
    view::WorkerView {
        id: worker.id.0,
        incarnation: worker.incarnation,
        state: match worker.state {
            WorkerState::Ready => view::WorkerState::Ready,
            WorkerState::Draining => view::WorkerState::Draining,
            WorkerState::Ejected => view::WorkerState::Ejected,
            WorkerState::HalfOpen => view::WorkerState::HalfOpen,
            WorkerState::Stopped => view::WorkerState::Stopped,
        },
        in_flight: worker.in_flight as u64,
        in_flight_max,
        done: worker.done,
        panics: worker.panics,
        last_panic: worker.last_panic.map(|panic| (panic.at, panic.message)),
    }
}

fn store_views(stats: &Stats) -> Vec<view::StoreView> {
    let of = |signal: &str, kinds: &[&KindStats], active: usize| view::StoreView {
        signal: signal.into(),
        size_bytes: kinds.iter().map(|kind| kind.size_bytes).sum(),
        size_max_bytes: kinds.iter().map(|kind| kind.size_max_bytes).sum(),
        partitions: kinds.iter().map(|kind| kind.n_partitions as u64).sum(),
        active: active as u64,
        dropped: kinds.iter().flat_map(|kind| &kind.dropped).map(|(_, n)| n).sum(),
    };
    // To whoever looks at the disk, samples and their roll-ups are one history.
    let metrics = [&stats.metrics, &stats.minutes, &stats.hours];
    vec![of("metrics", &metrics, stats.n_series), of("logs", &[&stats.logs], stats.n_streams)]
}

/// A flush that takes longer than this hangs; one a second is the rule.
const FLUSH_AGE_MAX: Duration = Duration::from_secs(10);

/// Says why nothing is being recorded, when nothing is.
pub fn store_trouble(stats: &Stats) -> Option<String> {
    let hangs = stats.last_flush_age.filter(|age| *age > FLUSH_AGE_MAX);
    let hangs = hangs.map(|age| format!("the disk has taken nothing for {} s", age.as_secs()));
    stats.degraded.clone().or(hangs)
}

fn export_views(reloader: &Reloader) -> Vec<view::ExportView> {
    reloader
        .telemetry
        .export_states()
        .into_iter()
        .filter(|state| state.endpoint.is_some())
        .map(|state| view::ExportView {
            signal: state.signal.to_string(),
            sent: state.succeeded,
            failed: state.failed,
            last_error: state.last_error.map(|(_, fault)| fault),
        })
        .collect()
}
