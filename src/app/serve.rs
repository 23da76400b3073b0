//! Runs until told to stop, then stops everything in the reverse order of the start.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{Instrument, info, info_span, warn};

use super::control::{self, Answer, Asker, Word};
use super::hand_over::{self, Aim, HandedOver};
use super::pipeline::Pipeline;
use super::reload::Reloader;
use super::signals::Signals;
use super::sockets::Sockets;
use super::start::start;
use super::watch::Watch;
use super::{EXPORT_GRACE, Failure, STORE_GRACE, admin, edit, events, vitals};
use crate::config::Layers;
use crate::http::admin::Auth;
use crate::http::admin::audit::{Actor, Deed, Event};
use crate::http::{self, Shared};
use crate::ingest::forward::Forward;
use crate::release::deploy::Outcome;
use crate::release::handover::{Fault, Predecessor, Program, ProgramError, Successor};
use crate::release::{self, Release};

/// Serves until told to stop.
pub async fn serve(layers: Layers) -> Result<(), Failure> {
    let mut signals = Signals::catch()?;
    let started = Instant::now();
    let program = hand_over::program();
    let mut predecessor = Predecessor::meet().map_err(anyhow::Error::from)?;
    let begun = start(layers, program, &mut predecessor).await;
    if let (Err(failure), Some(predecessor)) = (&begun, &predecessor) {
        predecessor.failed(&failure.to_string());
    }
    let mut running = begun?;
    info!("ready after {:.0?}", started.elapsed());
    let Release { version, id } = &running.release;
    running.note(events::Kind::Start, Outcome::Good, &format!("vitrine {version} serves, release {id}"));
    let outcome = match running.run(&mut signals).await {
        Ended::Told => running.stop().await,
        Ended::HandedOver(successor) => running.leave(successor).await,
    };
    outcome.map_err(Failure::from)
}

/// What a reload that somebody asked for is to the audit log.
fn reload_deed(outcome: &Result<String, Vec<String>>) -> Deed {
    match outcome {
        Ok(_) => Deed::done(Event::Reload, "apply what is on disk"),
        Err(reasons) => {
            Deed::refused(Event::Reload, format!("apply what is on disk: {}", reasons.join("; ")))
        }
    }
}

/// What was done to the release by the command line.
fn release_deed(outcome: Outcome, text: String) -> Deed {
    match outcome {
        Outcome::Good => Deed::done(Event::Release, text),
        Outcome::Bad => Deed::refused(Event::Release, text),
    }
}

/// Why a process serves no more.
enum Ended {
    /// It was told to stop.
    Told,
    /// A successor serves in its place.
    HandedOver(Successor),
}

/// The parts of a started process, joined.
pub(super) struct Running {
    /// What a successor is started from.
    pub(super) program: Result<Program, ProgramError>,
    /// Who served before, until it is gone.
    pub(super) predecessor: Option<Predecessor>,
    /// What a successor is given.
    pub(super) sockets: Sockets,
    pub(super) reloader: Arc<Reloader>,
    pub(super) release: Release,
    /// Where the page is served.
    pub(super) address: SocketAddr,
    /// Takes up a new admin password when it is told of one.
    pub(super) auth: Auth,
    pub(super) server: http::Server,
    pub(super) pipeline: Pipeline,
    pub(super) forward: Option<Forward>,
    pub(super) watch: Watch,
    pub(super) control: control::Socket,
    pub(super) requests: mpsc::Receiver<control::Request>,
    /// What the editor wants on disk.
    pub(super) saves: mpsc::Receiver<edit::Save>,
    /// The other end of what is requested.
    pub(super) commands: mpsc::Sender<control::Request>,
    /// Tells streams to end; true once the stop began.
    pub(super) stopping: watch::Sender<bool>,
    pub(super) supervisor: Supervisor,
}

impl Running {
    /// Carries out reloads until told to stop, or until a successor serves.
    async fn run(&mut self, signals: &mut Signals) -> Ended {
        let Signals { stop, reload, upgrade } = signals;
        let name = tokio::select! {
            name = stop.requested() => name,
            // It is dropped in the middle of a reload if need be: what is swapped is swapped at
            // once. A successor that is not left to itself yet ends with it.
            successor = self.carry_out(reload, upgrade) => return Ended::HandedOver(successor),
        };
        // First of all, so that who asks `/ready` after the line below hears it.
        self.reloader.shared.switches.begin_drain();
        info!("{name}: stopping, for at most {:?}; a second signal ends at once", super::STOP_BUDGET);
        Ended::Told
    }

    async fn carry_out(
        &mut self,
        hangups: &mut mpsc::Receiver<()>,
        upgrades: &mut mpsc::Receiver<()>,
    ) -> Successor {
        loop {
            tokio::select! {
                () = self.watch.changed(&self.reloader) => {
                    _ = self.reload().await;
                }
                Some(()) = hangups.recv() => {
                    // The outcome is in the log, in `/admin` and in the metrics.
                    let outcome = self.reload().await;
                    self.witness(&Actor::Signal, reload_deed(&outcome));
                }
                () = gone(&mut self.predecessor) => self.stand_alone(),
                Some(()) = upgrades.recv() => {
                    self.witness(&Actor::Signal, Deed::done(Event::HandOver, "upgrade"));
                    // Why there was none is in the log.
                    if let Ok(handed_over) = self.hand_over(Aim::Upgrade).await {
                        info!("{}", handed_over.message);
                        return handed_over.successor;
                    }
                }
                Some(save) = self.saves.recv() => self.save(save).await,
                Some(request) = self.requests.recv() => {
                    let is_told = request.asker == Asker::CommandLine;
                    let (answer, successor) = match request.word {
                        Word::Query(form) => {
                            let answer = |shared: &Shared, form: &str| {
                                Ok(shared.queries.answer(shared.clock.now().to_millis(), form))
                            };
                            self.query(form, answer, request.answer);
                            continue;
                        }
                        Word::Logs(form) => {
                            let answer = |shared: &Shared, form: &str| {
                                shared.log_queries.answer(shared.clock.now(), form)
                            };
                            self.query(form, answer, request.answer);
                            continue;
                        }
                        Word::Reload => {
                            let outcome = self.reload().await;
                            if is_told {
                                self.witness(&Actor::CommandLine, reload_deed(&outcome));
                            }
                            (answer(outcome), None)
                        }
                        Word::PasswordChanged => (admin::password_changed(&self.auth).await, None),
                        // Before: whoever hands over writes nothing more.
                        Word::Upgrade => {
                            self.witness(&Actor::CommandLine, Deed::done(Event::HandOver, "upgrade"));
                            handed_over(self.hand_over(Aim::Upgrade).await)
                        }
                        Word::Restart => {
                            self.witness(&Actor::CommandLine, Deed::done(Event::HandOver, "restart"));
                            handed_over(self.hand_over(Aim::Restart).await)
                        }
                        Word::Vitals => (self.tell_vitals(), None),
                        Word::Lines => (self.tell_lines().await, None),
                        Word::LastHour => (self.tell_last_hour().await, None),
                        Word::Event(outcome, text) => {
                            self.note(events::Kind::Release, outcome, &text);
                            self.witness(&Actor::CommandLine, release_deed(outcome, text));
                            (Answer::yes("noted"), None)
                        }
                    };
                    // Whoever asked may have left; what was asked for is done all the same.
                    _ = request.answer.send(answer);
                    if let Some(successor) = successor {
                        return successor;
                    }
                }
            }
        }
    }

    pub(super) async fn reload(&self) -> Result<String, Vec<String>> {
        self.supervisor.tell(release::Notifier::reloading);
        let outcome = self.reloader.reload().instrument(info_span!("reload")).await;
        match &outcome {
            Ok(message) => self.note(events::Kind::Reload, Outcome::Good, message),
            Err(reasons) => {
                let reason = reasons.first().map_or("", String::as_str);
                self.note(events::Kind::Reload, Outcome::Bad, &format!("reload refused: {reason}"));
            }
        }
        self.supervisor.tell(|notifier| notifier.ready("serving"));
        outcome
    }

    fn tell_vitals(&self) -> Answer {
        let message = serde_json::to_string(&self.vitals()).expect("texts and numbers become JSON");
        Answer::yes(message)
    }

    // The disk is read elsewhere: signals wait for this thread.
    async fn tell_lines(&self) -> Answer {
        let (store, now) = (self.reloader.store.clone(), self.reloader.shared.clock.now());
        let lines = tokio::task::spawn_blocking(move || vitals::last_lines(&store, now)).await;
        Answer::yes(lines.unwrap_or_default())
    }

    /// Answers a query on the lane of queries, while other requests have their turn here.
    fn query(
        &self,
        form: String,
        answer: impl FnOnce(&Shared, &str) -> Result<Vec<u8>, String> + Send + 'static,
        to: oneshot::Sender<Answer>,
    ) {
        let shared = self.reloader.shared.clone();
        tokio::spawn(async move {
            let lane = shared.lanes.heavy.clone();
            let answered = match lane.run(move || answer(&shared, &form)).await {
                Ok(Ok(body)) => Answer::yes(String::from_utf8_lossy(&body)),
                Ok(Err(fault)) => Answer::no(fault),
                Err(fault) => Answer::no(fault.to_string()),
            };
            // Whoever asked may have left.
            _ = to.send(answered);
        });
    }

    async fn tell_last_hour(&self) -> Answer {
        let (store, now) = (self.reloader.store.clone(), self.reloader.shared.clock.now_ms());
        let hour = tokio::task::spawn_blocking(move || vitals::last_hour(&store, now)).await;
        Answer::yes(serde_json::to_string(&hour.unwrap_or_default()).expect("numbers become JSON"))
    }

    /// Writes down what somebody did who did not come by the administration.
    fn witness(&self, actor: &Actor, deed: Deed) {
        self.auth.audit().note(actor, None, deed);
    }

    /// Writes an event for charts to mark.
    pub(super) fn note(&self, kind: events::Kind, outcome: Outcome, text: &str) {
        let Reloader { store, telemetry, shared, .. } = &*self.reloader;
        events::note(store, telemetry, &shared.clock, kind, outcome, text);
    }

    /// Takes up what only one process may do at a time, now that there is only one.
    pub(super) fn stand_alone(&mut self) {
        self.predecessor = None;
        self.pipeline.begin_sampling();
        self.reloader.shared.links.reread();
        self.auth.tokens().reread();
        self.auth.reread_second_factor();
        self.reloader.visitors.tagged().reread();
        self.reloader.count_earlier_visitors();
        let config = self.reloader.loaded().config;
        self.reloader.tail.begin_late(&config);
        self.reloader.rules.begin_late(&config);
        self.supervisor.tell(|notifier| notifier.ready("serving"));
    }

    /// Stops: accepts for a moment to say so, then finishes.
    async fn stop(self) -> anyhow::Result<()> {
        self.supervisor.tell(|notifier| notifier.stopping("draining"));
        // It may have been told in the middle of a hand-over, and whoever waits is to be served.
        self.server.resume().await;
        // One before us that still finishes could take the sockets back until then.
        let is_last = self.predecessor.is_none();
        let turn_away = || is_last.then(|| self.sockets.turn_away());
        self.server.drain(|| _ = turn_away()).await;
        self.finish().await
    }

    /// Ends everything in the reverse order of the start; the store last, because all others
    /// write. No more connections are accepted by now.
    pub(super) async fn finish(self) -> anyhow::Result<()> {
        drop(self.control);
        // The server closes its own handles of them: with these the sockets are closed, unless a
        // successor or the service manager has them, and connections are refused.
        drop(self.sockets);
        // Whoever waits for a reload hears at once that there will be none.
        drop(self.requests);
        drop(self.saves);
        // Nobody may be listening to it: a stream that is not open needs no end.
        _ = self.stopping.send(true);
        let balancer = self.reloader.shared.balancer.clone();
        // Side by side: the pages may need their whole grace period.
        let forward_stopped = async {
            if let Some(forward) = self.forward {
                forward.stop().await;
            }
        };
        let (drained, (), ()) =
            tokio::join!(self.server.finish(), forward_stopped, self.reloader.tail.stop());
        if let Err(fault) = drained {
            warn!("the server did not stop cleanly: {fault}");
        }
        balancer.shutdown(Duration::ZERO).await;
        info!("stopped serving");
        let (reloader, pipeline) = (self.reloader, self.pipeline);
        let flushed = tokio::task::spawn_blocking(move || {
            let Reloader { telemetry, store, rules, .. } = &*reloader;
            rules.stop();
            pipeline.stop();
            if let Err(fault) = telemetry.shutdown(EXPORT_GRACE) {
                warn!("{fault}");
            }
            store.close(STORE_GRACE)
        });
        flushed.await.context("flush the records")?.context("close the store")
    }
}

/// Waits for the end of a predecessor; for ever when there is none.
async fn gone(predecessor: &mut Option<Predecessor>) {
    match predecessor {
        Some(predecessor) => predecessor.gone().await,
        None => std::future::pending().await,
    }
}

/// Whoever started us and wants to hear how we are: systemd, or nobody.
#[derive(Clone)]
pub(super) struct Supervisor {
    notifier: Arc<release::Notifier>,
    /// How often it wants to hear that we are well.
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// An address that cannot be used costs a warning; nothing of ours hangs on it.
    pub(super) fn from_environment(is_successor: bool) -> Self {
        let notifier = release::Notifier::from_env().unwrap_or_else(|fault| {
            warn!("{fault}");
            release::Notifier::silent()
        });
        Supervisor {
            notifier: Arc::new(notifier),
            watchdog: release::watchdog_interval(is_successor).map(|within| within / 3),
        }
    }

    /// Returns what says that the process is well, as often as that is wanted.
    pub(super) fn well(&self) -> http::Well {
        let Supervisor { notifier, watchdog } = self.clone();
        let Some(interval) = watchdog else { return Box::new(|| {}) };
        let mut said: Option<Instant> = None;
        Box::new(move || {
            if said.is_none_or(|said| said.elapsed() >= interval) {
                said = Some(Instant::now());
                // A manager that does not listen takes us for dead and says so itself.
                _ = notifier.watchdog();
            }
        })
    }

    pub(super) fn tell(&self, word: impl FnOnce(&release::Notifier) -> Result<(), release::NotifyError>) {
        if let Err(fault) = word(&self.notifier) {
            warn!("{fault}");
        }
    }
}

fn handed_over(outcome: Result<HandedOver, Fault>) -> (Answer, Option<Successor>) {
    match outcome {
        Ok(HandedOver { successor, message }) => {
            info!("{message}");
            (Answer::yes(message), Some(successor))
        }
        Err(Fault { reason, lines, is_refusal }) => {
            let printed = if lines.is_empty() { String::new() } else { format!("\n{}", lines.join("\n")) };
            (Answer { refused: is_refusal, ..Answer::no(format!("{reason}{printed}")) }, None)
        }
    }
}

fn answer(outcome: Result<String, Vec<String>>) -> Answer {
    match outcome {
        Ok(message) => Answer::yes(message),
        Err(reasons) => Answer::no(reasons.join("\n")),
    }
}
