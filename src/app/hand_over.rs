//! The hand-over as the running process does it: start the successor, let it serve, watch it
//! for a moment, leave. What the two say to each other is in [`crate::release::handover`].

use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::STOP_BUDGET;
use super::control::Answer;
use super::serve::Running;
use super::{control, events};
use crate::http::DRAIN_GRACE;
use crate::release::deploy::Outcome;
use crate::release::handover::{Announced, Fault, Program, Successor};

/// A successor that was proved needs so long at most until it accepts: its threads begin.
const SERVING_TIMEOUT: Duration = Duration::from_secs(10);

/// For so long at least the running process could go on at once: a successor that crashes at its
/// first requests does so within.
const WATCH: Duration = Duration::from_secs(1);

/// Between two looks at the requests in hand.
const PAUSE: Duration = Duration::from_millis(20);

/// Whether another binary is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// Whatever lies at the path now.
    Upgrade,
    /// The binary that runs, with what needs a new process to be read.
    Restart,
}

/// A successor that serves, and whose predecessor has nothing in hand any more.
pub struct HandedOver {
    pub(super) successor: Successor,
    /// What to say to whoever asked.
    pub(super) message: String,
}

impl Running {
    /// Hands over; on an error this process serves on as if nothing had been.
    pub(super) async fn hand_over(&mut self, aim: Aim) -> Result<HandedOver, Fault> {
        let outcome = self.try_to_hand_over(aim).await;
        if let Err(fault) = &outcome {
            error!("the hand-over failed, this process serves on: {fault}");
            let first = fault.reason.lines().next().unwrap_or_default();
            self.note(events::Kind::HandOver, Outcome::Bad, &format!("the hand-over failed: {first}"));
        }
        outcome
    }

    async fn try_to_hand_over(&mut self, aim: Aim) -> Result<HandedOver, Fault> {
        self.wait_for_predecessor().await;
        self.may_hand_over(aim).map_err(Fault::refusal)?;
        let program = self.program.as_ref().expect("it was just looked at");
        let store = self.reloader.store.clone();
        let token = store.offer().map_err(|fault| Fault::refusal(format!("offer the store: {fault}")))?;
        info!("hands over to {}", program.path().display());
        let started = Instant::now();
        let outcome = match Successor::start(program, token.as_text(), &self.sockets.held()) {
            Ok(successor) => self.let_serve(successor, started).await,
            Err(fault) => Err(fault),
        };
        if outcome.is_err()
            && let Err(fault) = store.withdraw()
        {
            warn!("withdraw the store's offer: {fault}");
        }
        outcome
    }

    /// The one before has up to its whole stop to finish what it had in hand.
    async fn wait_for_predecessor(&mut self) {
        if let Some(predecessor) = &mut self.predecessor
            && tokio::time::timeout(STOP_BUDGET, predecessor.gone()).await.is_ok()
        {
            self.stand_alone();
        }
    }

    fn may_hand_over(&self, aim: Aim) -> Result<(), String> {
        if std::process::id() == 1 {
            return Err(
                "this is the first process of a container, which ends with it: replace the container \
                        instead (`docker compose up`)"
                    .into(),
            );
        }
        if self.predecessor.is_some() {
            return Err("the predecessor of this process is still finishing: try again in a moment".into());
        }
        let program = self.program.as_ref().map_err(ToString::to_string)?;
        match (aim, program.is_replaced()) {
            (Aim::Restart, Ok(true)) => Err(format!(
                "{} is another binary than the one that runs: `vitrine upgrade` hands over to it",
                program.path().display()
            )),
            (Aim::Restart, Err(fault)) => Err(format!("look at {}: {fault}", program.path().display())),
            // One that is not there is told when it is started.
            (Aim::Restart, Ok(false)) | (Aim::Upgrade, _) => Ok(()),
        }
    }

    async fn let_serve(&mut self, mut successor: Successor, started: Instant) -> Result<HandedOver, Fault> {
        let within = self.reloader.loaded().config.release.start_timeout;
        let announced = successor.ready(within).await?;
        if let Err(fault) = successor.accept(SERVING_TIMEOUT).await {
            self.listen_again();
            return Err(fault);
        }
        let took = started.elapsed();
        self.server.pause().await;
        // Streams would keep this process for as long as somebody looks at them; their browsers
        // come again by themselves.
        self.stopping.send_replace(true);
        let gone = tokio::select! {
            gone = successor.gone() => gone,
            () = self.nothing_in_hand() => {
                // Before whoever asked hears of it: a stop of the service is the successor's from then on.
                self.tell_main_pid(successor.pid()).await;
                let Announced { version, release } = announced;
                let message = format!(
                    "handed over to process {}, vitrine {version}, release {release}, after {took:.0?}",
                    successor.pid(),
                );
                return Ok(HandedOver { successor, message });
            }
        };
        // First of all: until then nobody accepts.
        self.server.resume().await;
        self.stopping.send_replace(false);
        self.listen_again();
        Err(successor.why(gone))
    }

    /// Takes the control socket back, in whose place the successor may have put its own.
    fn listen_again(&mut self) {
        match control::listen(&self.reloader.loaded().config.data, self.commands.clone()) {
            Ok(socket) => self.control = socket,
            Err(fault) => warn!("open the control socket again: {fault}"),
        }
    }

    async fn nothing_in_hand(&self) {
        let begun = Instant::now();
        while begun.elapsed() < WATCH || (self.server.in_hand() > 0 && begun.elapsed() < DRAIN_GRACE) {
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Leaves the place to the successor: finishes, flushes, closes the store, and says so.
    pub(super) async fn leave(mut self, mut successor: Successor) -> anyhow::Result<()> {
        // From here on it is on its own, whatever becomes of this process.
        successor.let_go();
        while let Ok(request) = self.requests.try_recv() {
            let reason = format!("process {} serves now: ask again", successor.pid());
            // Whoever asked may have left.
            _ = request.answer.send(Answer::refusal(reason));
        }
        let outcome = self.finish().await;
        successor.say_bye();
        outcome
    }

    async fn tell_main_pid(&self, pid: u32) {
        let supervisor = self.supervisor.clone();
        let told = tokio::task::spawn_blocking(move || supervisor.tell(|notifier| notifier.main_pid(pid)));
        if let Err(fault) = told.await {
            warn!("tell the service manager: {fault}");
        }
    }
}

/// Takes the command line, for the successors of this process.
pub fn program() -> Result<Program, crate::release::handover::ProgramError> {
    Program::as_run(std::env::args_os())
}
