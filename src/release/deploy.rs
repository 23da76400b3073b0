//! Deploys a release and rolls back: what is tried, in which order, and what undoes it.
//!
//! Nothing moves before the new binary has proved itself with the real configuration. Then
//! `current` is switched and the running process asked to hand over; a refusal is known at once.
//! The gate asks the new release itself. Whatever fails is undone by the same steps backwards,
//! and a command that was killed in the middle is finished or undone by the next one.

mod watch;

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::gate::{GATE_TIMEOUT, Gate, PROBE_PAUSE, Traffic, Vitals};
use super::shelf::{Attempt, Event, Guard, Manifest, OnShelf, Shelf, ShelfError, rfc3339};
use super::{PublicKey, own_program};
use crate::clock::Clock;

pub use watch::PROBATION;

/// The action of a new release, as the history names it.
const DEPLOY: &str = "deploy";

/// The action of an earlier one.
const ROLLBACK: &str = "rollback";

/// What a deployment needs to know of the world; `app` talks to the running process.
pub trait Service {
    /// Runs a binary's own checks with the real configuration, returns its version.
    fn prove(&self, binary: &Path) -> Result<String, String>;
    /// Asks the running process how it is; none when there is no such process, and an error when
    /// there is one that does not answer.
    fn vitals(&self) -> Result<Option<Vitals>, String>;
    /// Asks the running process for the requests of the hour before.
    fn last_hour(&self) -> Traffic;
    /// Asks `/health` for the release that answers, as a visitor would.
    fn probe(&self) -> Result<String, String>;
    /// Returns what the running process logged last; empty when nothing runs.
    fn lines(&self) -> String;
    /// Has the running process hand over to what `current` leads to.
    fn hand_over(&self) -> Result<String, NoHandOver>;
    /// Has the service manager start it; none where there is none that knows it.
    fn start(&self) -> Option<Result<(), String>>;
    /// Writes what happened to where charts find it.
    fn annotate(&self, outcome: Outcome, text: &str);
    /// Watches the release from a process of its own, for [`PROBATION`].
    fn watch(&self, release: &str, before: Traffic) -> Result<(), String>;
    /// Tells whoever runs the command.
    fn tell(&self, text: &str);
}

/// How something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Good,
    /// Not so.
    Bad,
}

/// Why there was no hand-over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoHandOver {
    /// The running process would not, whatever the release is like.
    Refused(String),
    /// The release failed.
    Failed(String),
}

/// Why a command failed, and how that leaves the site.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// Nothing has changed.
    #[error("{0}")]
    Refused(String),
    /// Another command is at work.
    #[error("{0}")]
    Busy(ShelfError),
    /// What was before is back.
    #[error("{release} is rolled back, {previous} serves: {reason}")]
    RolledBack {
        /// The release that failed.
        release: String,
        /// The one that serves again.
        previous: String,
        /// Why.
        reason: String,
    },
    /// What was before could not be brought back.
    #[error("{release} failed ({reason}), and what was before could not be brought back: {why}")]
    Stuck {
        /// The release that failed.
        release: String,
        /// Why it did.
        reason: String,
        /// Why what was before is not back.
        why: String,
    },
}

impl From<ShelfError> for DeployError {
    fn from(fault: ShelfError) -> Self {
        match fault {
            ShelfError::Busy(_) => DeployError::Busy(fault),
            fault => DeployError::Refused(fault.to_string()),
        }
    }
}

/// A binary to deploy, and what it should be.
pub struct Wanted {
    /// The file.
    pub file: PathBuf,
    /// Its checksum in hexadecimal, if it is known.
    pub sha256: Option<String>,
    /// The key that must have signed it, if there is one.
    pub key: Option<PublicKey>,
}

/// Deploys and rolls back on one shelf.
pub struct Deployment<'a> {
    /// Where releases are.
    pub shelf: &'a Shelf,
    /// The running process and its surroundings.
    pub service: &'a dyn Service,
    /// For names and the history.
    pub clock: &'a Clock,
}

/// What a command is about, from the switch on.
struct Move {
    action: &'static str,
    release: String,
    /// What ran before, if it is on the shelf.
    previous: Option<String>,
    /// What `current` led to before, if it was there.
    link: Option<PathBuf>,
    before: Traffic,
    begun: Instant,
}

impl Deployment<'_> {
    /// Deploys a binary.
    pub fn deploy(&self, wanted: &Wanted) -> Result<(), DeployError> {
        let _guard = self.lock()?;
        let begun = Instant::now();
        let running = self.running()?;
        let staged = self.shelf.stage(&wanted.file, wanted.sha256.as_deref())?;
        // What is checked is what will run, and nobody else can write to it.
        let signed = wanted.key.as_ref().map_or(Ok(()), |key| key.verify(&staged.binary, &wanted.file));
        let version = match signed.and_then(|()| self.service.prove(&staged.binary)) {
            Ok(version) => version,
            Err(reason) => {
                self.shelf.discard(&staged);
                let reason = format!("{} did not prove itself: {reason}", wanted.file.display());
                self.note(DEPLOY, &wanted.file.display().to_string(), "failed", &reason, begun);
                return Err(DeployError::Refused(format!("{reason}\nnothing was changed")));
            }
        };
        let Manifest { id, .. } = self.shelf.place(staged, &version, self.clock.now())?;
        self.service.tell(&format!("{id} is placed: vitrine {version}"));
        self.bring_about(DEPLOY, id, running, begun)
    }

    /// Goes back to a release, or to the newest one before the current that is not bad.
    pub fn roll_back(&self, wanted: Option<&str>) -> Result<(), DeployError> {
        let _guard = self.lock()?;
        let begun = Instant::now();
        let running = self.running()?;
        let manifest = match wanted {
            Some(id) => self.shelf.release(id)?,
            None => self.one_before()?,
        };
        let OnShelf { manifest, .. } = manifest;
        let id = manifest.id.clone();
        let left = self.shelf.current().filter(|left| *left != id);
        if left.is_none() && running.as_ref().is_some_and(|running| running.release == id) {
            self.service.tell(&format!("{id} is the one that serves already"));
            return Ok(());
        }
        let binary = self.shelf.verify(&manifest)?;
        if let Err(reason) = self.service.prove(&binary) {
            return Err(DeployError::Refused(format!("{id} does not prove itself any more: {reason}")));
        }
        self.bring_about(ROLLBACK, id.clone(), running, begun)?;
        if let Some(left) = left {
            self.mark_bad(&left, &format!("rolled back to {id} by hand"));
        }
        Ok(())
    }

    /// After a start that failed again and again: makes the last good release the current one.
    /// Nothing runs that could hand over, and whoever asks for this starts the service again.
    pub fn roll_back_at_boot(&self) -> Result<(), DeployError> {
        let begun = Instant::now();
        let broken = self.shelf.current();
        let _guard = self.lock()?;
        if self.shelf.current() != broken {
            // An interrupted deployment was what could not be started, and is undone.
            return Ok(());
        }
        let is_other = |good: &String| Some(good) != broken.as_ref();
        let good = self.shelf.good().filter(is_other).and_then(|good| self.shelf.release(&good).ok());
        let OnShelf { manifest, .. } = match good.filter(|good| good.bad.is_none()) {
            Some(good) => good,
            None => self.one_before()?,
        };
        self.shelf.verify(&manifest)?;
        let (target, reason) = (manifest.id, "could not be started");
        self.shelf.switch(&target)?;
        let broken = broken.unwrap_or_default();
        if !broken.is_empty() {
            self.mark_bad(&broken, reason);
        }
        self.note(ROLLBACK, &target, "placed", reason, begun);
        self.service.tell(&format!("{target} is current again: {broken} {reason}"));
        Ok(())
    }

    fn lock(&self) -> Result<Guard, DeployError> {
        let guard = self.shelf.lock()?;
        self.settle()?;
        Ok(guard)
    }

    /// Finishes or undoes what a command that was killed had begun.
    fn settle(&self) -> Result<(), DeployError> {
        let Some(Attempt { action, release, previous, .. }) = self.shelf.unfinished() else { return Ok(()) };
        let action = if action == DEPLOY { DEPLOY } else { ROLLBACK };
        let previous = (!previous.is_empty()).then_some(previous);
        let link = previous.as_deref().map(|id| self.shelf.target_of(id));
        let before = Traffic::default();
        let moved = Move { action, release, previous, link, before, begun: Instant::now() };
        let release = &moved.release;
        let runs = self.vitals()?.is_some_and(|running| running.release == *release);
        let is_current = self.shelf.current().as_deref() == Some(release);
        if is_current && runs && self.pass_gate(&moved).is_ok() {
            self.service.tell(&format!("{release}: a command that was killed is finished, it serves"));
            self.succeed(&moved);
            return Ok(());
        }
        self.service.tell(&format!("{release}: a command that was killed is undone"));
        if action == DEPLOY {
            // It never proved itself, so no roll-back may choose it.
            self.mark_bad(release, "its deployment was interrupted");
        }
        if is_current {
            let reason = "its command was interrupted".to_string();
            let back = if runs { self.go_back(&moved) } else { self.restore(&moved) };
            back.map_err(|why| DeployError::Stuck { release: release.clone(), reason, why })?;
        }
        self.note(action, release, "interrupted", "", moved.begun);
        Ok(self.shelf.end()?)
    }

    fn bring_about(
        &self,
        action: &'static str,
        release: String,
        running: Option<Vitals>,
        begun: Instant,
    ) -> Result<(), DeployError> {
        let is_running = running.is_some();
        // A link that leads nowhere does not say what runs.
        let previous = self.shelf.current().or_else(|| running.map(|running| running.release));
        let previous = previous.filter(|id| self.shelf.release(id).is_ok());
        let before = if is_running { self.service.last_hour() } else { Traffic::default() };
        let link = match (self.shelf.current(), &previous) {
            (None, Some(previous)) => Some(self.shelf.target_of(previous)),
            _ => self.shelf.link(),
        };
        let moved = Move { action, release, previous, link, before, begun };
        let release = &moved.release;
        let attempt = Attempt {
            action: action.into(),
            release: release.clone(),
            previous: moved.previous.clone().unwrap_or_default(),
            at: rfc3339(self.clock.now()),
        };
        if let Err(fault) = self.shelf.begin(&attempt).and_then(|()| self.shelf.switch(release)) {
            return Err(self.refused(&moved, &fault.to_string()));
        }
        let outcome = match is_running {
            true => self.service.hand_over().map(|message| self.service.tell(&message)),
            false => match self.service.start() {
                None => return self.leave_to_be_started(&moved),
                Some(started) => started.map_err(NoHandOver::Failed),
            },
        };
        match outcome {
            Err(NoHandOver::Refused(reason)) => Err(self.refused(&moved, &reason)),
            Err(NoHandOver::Failed(reason)) => Err(self.undo(&moved, &reason)),
            Ok(()) => match self.pass_gate(&moved) {
                Ok(()) => {
                    self.succeed(&moved);
                    Ok(())
                }
                Err(reason) => Err(self.undo(&moved, &reason)),
            },
        }
    }

    /// The release serves, whatever cannot be written down any more.
    fn succeed(&self, moved: &Move) {
        let Move { action, release, previous, before, begun, .. } = moved;
        self.note(action, release, "ok", "", *begun);
        self.service.annotate(Outcome::Good, &format!("{action}: release {release} serves"));
        let kept: Vec<&str> = previous.iter().map(String::as_str).collect();
        for tidied in [self.shelf.clear_bad(release), self.shelf.end(), self.shelf.prune(&kept)] {
            if let Err(fault) = tidied {
                self.service.tell(&fault.to_string());
            }
        }
        self.service.tell(&format!("{release} is healthy, after {:.1?}", begun.elapsed()));
        if let Err(fault) = self.service.watch(release, *before) {
            self.service.tell(&format!("it is not watched for its first minute: {fault}"));
        }
    }

    /// Nothing was tried: the link goes back, and the release is not to blame.
    fn refused(&self, moved: &Move, reason: &str) -> DeployError {
        match self.restore(moved).and_then(|()| self.shelf.end().map_err(|fault| fault.to_string())) {
            Ok(()) => {
                self.note(moved.action, &moved.release, "refused", reason, moved.begun);
                DeployError::Refused(format!("{reason}\nnothing was changed"))
            }
            Err(why) => DeployError::Stuck { release: moved.release.clone(), reason: reason.into(), why },
        }
    }

    /// Where nothing runs and no service manager starts it, the owner does.
    fn leave_to_be_started(&self, moved: &Move) -> Result<(), DeployError> {
        let Move { action, release, begun, .. } = moved;
        self.note(action, release, "placed", "", *begun);
        self.shelf.end()?;
        self.service.tell(&format!(
            "no vitrine runs on this data: start {} to serve release {release}",
            own_program(self.shelf.root()).display()
        ));
        Ok(())
    }

    /// A process that was not started through `current` would hand over to something else.
    fn is_ours(&self, vitals: &Vitals) -> Result<(), DeployError> {
        if is_started_through(self.shelf, &vitals.program) {
            return Ok(());
        }
        Err(DeployError::Refused(format!(
            "the running vitrine was started as {}: start it as {} once, so that a release can take its place",
            vitals.program.display(),
            own_program(self.shelf.root()).display()
        )))
    }

    fn pass_gate(&self, moved: &Move) -> Result<(), String> {
        let (begun, mut gate) = (Instant::now(), Gate::default());
        loop {
            gate.note(&moved.release, self.service.probe());
            let worse = if gate.is_open() {
                let running = self.service.vitals()?.ok_or("it ended after it had served")?;
                running.since_start.is_worse_than(moved.before)
            } else {
                None
            };
            match worse {
                None if gate.is_open() => return Ok(()),
                _ if begun.elapsed() < GATE_TIMEOUT => std::thread::sleep(PROBE_PAUSE),
                Some(worse) => return Err(worse),
                None => return Err(gate.reason()),
            }
        }
    }

    /// Brings back what was before, and returns what to say. What could not be brought back stays
    /// written down, for the next command to try again.
    fn undo(&self, moved: &Move, reason: &str) -> DeployError {
        let Move { action, release, previous, begun, .. } = moved;
        // While it is there, else from what it left to whoever serves next.
        let mut lines = self.service.lines();
        self.mark_bad(release, reason);
        match self.go_back(moved) {
            Ok(()) => {
                if lines.is_empty() {
                    lines = self.service.lines();
                }
                self.note(action, release, "failed", reason, *begun);
                let previous = previous.clone().unwrap_or_else(|| "what was before".into());
                let first = first_line(reason);
                let text = format!("release {release} failed, {previous} serves: {first}");
                self.service.annotate(Outcome::Bad, &text);
                if let Err(fault) = self.shelf.end() {
                    self.service.tell(&fault.to_string());
                }
                let reason = if reason.contains('\n') { reason.into() } else { format!("{reason}\n{lines}") };
                DeployError::RolledBack { release: release.clone(), previous, reason }
            }
            Err(why) => {
                self.note(action, release, "stuck", &format!("{}; {why}", first_line(reason)), *begun);
                self.service.annotate(Outcome::Bad, &format!("release {release} failed and stays: {why}"));
                DeployError::Stuck { release: release.clone(), reason: reason.into(), why }
            }
        }
    }

    fn go_back(&self, moved: &Move) -> Result<(), String> {
        self.restore(moved)?;
        match self.service.vitals()? {
            // It never left.
            Some(running) if running.release != moved.release => {
                return self.answers_in_time(&running.release);
            }
            Some(_) => {
                let handed_over = self.service.hand_over();
                handed_over.map_err(|(NoHandOver::Refused(why) | NoHandOver::Failed(why))| why)?;
            }
            None => self.service.start().ok_or("nothing runs, and no service manager starts it")??,
        }
        match &moved.previous {
            Some(previous) => self.answers_in_time(previous),
            None => Err("there was no release before".into()),
        }
    }

    fn restore(&self, moved: &Move) -> Result<(), String> {
        self.shelf.restore(moved.link.as_deref()).map_err(|fault| fault.to_string())
    }

    fn answers_in_time(&self, release: &str) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            match self.service.probe() {
                Ok(found) if found == release => return Ok(()),
                _ if begun.elapsed() < GATE_TIMEOUT => std::thread::sleep(PROBE_PAUSE),
                Ok(found) => return Err(format!("release {found} answers, and not {release}")),
                Err(reason) => return Err(reason),
            }
        }
    }

    fn vitals(&self) -> Result<Option<Vitals>, DeployError> {
        self.service.vitals().map_err(|reason| {
            DeployError::Refused(format!(
                "the running vitrine does not answer ({reason}): try again in a moment"
            ))
        })
    }

    /// Returns the running process, if it is one that a release can take the place of.
    fn running(&self) -> Result<Option<Vitals>, DeployError> {
        let running = self.vitals()?;
        running.as_ref().map_or(Ok(()), |running| self.is_ours(running))?;
        Ok(running)
    }

    fn one_before(&self) -> Result<OnShelf, DeployError> {
        let releases = self.shelf.releases()?;
        let current = self.shelf.current();
        let seq = releases.iter().find(|release| Some(&release.manifest.id) == current.as_ref());
        let seq = seq.map_or(u64::MAX, |current| current.manifest.seq);
        let is_before = |release: &&OnShelf| release.bad.is_none() && release.manifest.seq < seq;
        let found = releases.iter().rev().find(is_before).cloned();
        found.ok_or_else(|| {
            DeployError::Refused("there is no earlier release that is not marked as bad".into())
        })
    }

    // What matters is who serves; the mark is for the next roll-back.
    fn mark_bad(&self, release: &str, reason: &str) {
        if let Err(fault) = self.shelf.mark_bad(release, first_line(reason)) {
            self.service.tell(&fault.to_string());
        }
    }

    fn note(&self, action: &str, release: &str, outcome: &str, reason: &str, begun: Instant) {
        let event = Event {
            at: rfc3339(self.clock.now()),
            action: action.into(),
            release: release.into(),
            previous: self.shelf.current().filter(|current| current != release).unwrap_or_default(),
            outcome: outcome.into(),
            seconds: (begun.elapsed().as_secs_f64() * 1_000.0).round() / 1_000.0,
            reason: first_line(reason).into(),
        };
        if let Err(fault) = self.shelf.note(&event) {
            self.service.tell(&fault.to_string());
        }
    }
}

/// Whether a program was run through the shelf's `current`, so that it hands over to what that
/// leads to.
pub fn is_started_through(shelf: &Shelf, program: &Path) -> bool {
    let ours = own_program(shelf.root());
    // By a link to it, such as /usr/local/bin/vitrine.
    let real = program.canonicalize().ok();
    let is_by_link = real.is_some() && real.as_deref() != Some(program) && real == ours.canonicalize().ok();
    let folder = |path: &Path| path.parent().and_then(Path::parent).and_then(|root| root.canonicalize().ok());
    let is_through_current = program.parent().is_some_and(|dir| dir.ends_with("current"));
    is_by_link || (is_through_current && folder(program) == folder(&ours))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
