//! Runs until told to stop, then stops everything in the reverse order of the start.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::{mpsc, watch};
use tracing::{Instrument, info, info_span, warn};

use super::pipeline::Pipeline;
use super::reload::Reloader;
use super::signals::Signals;
use super::start::start;
use super::watch::Watch;
use super::{EXPORT_GRACE, Failure, STORE_GRACE, admin, control};
use crate::config::{self, Layers};
use crate::http::admin::Auth;
use crate::ingest::forward::Forward;
use crate::{http, release};

/// Serves until told to stop.
pub async fn serve(layers: Layers) -> Result<(), Failure> {
    let mut signals = Signals::catch()?;
    let started = Instant::now();
    let loaded = config::load(&layers)?;
    let mut running = start(layers, loaded).await?;
    info!("ready after {:.0?}", started.elapsed());
    running.run(&mut signals).await;
    running.stop().await.map_err(Failure::from)
}

/// The parts of a started process, joined.
pub(super) struct Running {
    pub(super) reloader: Arc<Reloader>,
    /// Takes up a new admin password when it is told of one.
    pub(super) auth: Auth,
    pub(super) server: http::Server,
    pub(super) pipeline: Pipeline,
    pub(super) forward: Option<Forward>,
    pub(super) watch: Watch,
    pub(super) control: control::Socket,
    pub(super) requests: mpsc::Receiver<control::Request>,
    /// Tells streams to end; true once the stop began.
    pub(super) stopping: watch::Sender<bool>,
    pub(super) supervisor: Supervisor,
}

impl Running {
    /// Carries out reloads until told to stop.
    async fn run(&mut self, signals: &mut Signals) {
        let name = tokio::select! {
            name = signals.stop.requested() => name,
            // It is dropped in the middle of a reload if need be: what is swapped is swapped at once.
            never = self.carry_out(&mut signals.reload) => match never {},
        };
        // First of all, so that who asks `/ready` after the line below hears it.
        self.reloader.shared.switches.begin_drain();
        info!("{name}: stopping, for at most {:?}; a second signal ends at once", super::STOP_BUDGET);
    }

    async fn carry_out(&mut self, hangups: &mut mpsc::Receiver<()>) -> Infallible {
        loop {
            tokio::select! {
                () = self.watch.changed(&self.reloader) => {
                    _ = self.reload().await;
                }
                Some(()) = hangups.recv() => {
                    // The outcome is in the log, in `/admin` and in the metrics.
                    _ = self.reload().await;
                }
                Some(request) = self.requests.recv() => {
                    let answer = match request.command {
                        control::Command::Reload => answer(self.reload().await),
                        control::Command::PasswordChanged => admin::password_changed(&self.auth).await,
                    };
                    // Whoever asked may have left; the reload is done all the same.
                    _ = request.answer.send(answer);
                }
            }
        }
    }

    async fn reload(&self) -> Result<String, Vec<String>> {
        self.supervisor.tell(release::Notifier::reloading);
        let outcome = self.reloader.reload().instrument(info_span!("reload")).await;
        self.supervisor.tell(|notifier| notifier.ready("serving"));
        outcome
    }

    /// Stops in the reverse order of the start; the store last, because all others write.
    async fn stop(self) -> anyhow::Result<()> {
        self.supervisor.tell(|notifier| notifier.stopping("draining"));
        drop(self.control);
        // Whoever waits for a reload hears at once that there will be none.
        drop(self.requests);
        // Nobody may be listening to it: a stream that is not open needs no end.
        _ = self.stopping.send(true);
        let balancer = self.reloader.shared.balancer.clone();
        // Side by side: the pages may need their whole grace period.
        let forward_stopped = async {
            if let Some(forward) = self.forward {
                forward.stop().await;
            }
        };
        let (drained, (), ()) = tokio::join!(self.server.drain(), forward_stopped, self.reloader.tail.stop());
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
        flushed.await.context("flush the records")?.context("close the store")
    }
}

/// Whoever started us and wants to hear how we are: systemd, or nobody.
pub(super) struct Supervisor(release::Notifier);

impl Supervisor {
    /// An address that cannot be used costs a warning; nothing of ours hangs on it.
    pub(super) fn from_environment() -> Self {
        Supervisor(release::Notifier::from_env().unwrap_or_else(|fault| {
            warn!("{fault}");
            release::Notifier::silent()
        }))
    }

    pub(super) fn tell(&self, word: impl FnOnce(&release::Notifier) -> Result<(), release::NotifyError>) {
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
