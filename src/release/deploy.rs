//! Deploys a release and rolls back: what is tried, in which order, and what undoes it.
//!
//! Nothing moves before the new binary has proved itself with the real configuration. Then
//! `current` is switched and the running process asked to hand over; a refusal is known at once.
//! The gate asks the new release itself. Whatever fails is undone by the same steps backwards,
//! and a command that was killed in the middle is finished or undone by the next one.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::gate::{GATE_TIMEOUT, Gate, PROBE_PAUSE, Traffic, Vitals};
use super::shelf::{Attempt, Event, Guard, Manifest, OnShelf, Shelf, ShelfError};

/// A release is watched so long after it was found healthy.
pub const PROBATION: Duration = Duration::from_secs(60);

/// Between two looks at it.
const WATCH_PAUSE: Duration = Duration::from_millis(500);

/// A release that is away for longer than a supervisor takes to start it again has failed.
const AWAY_MAX: Duration = Duration::from_secs(5);

/// So many processes of it in its probation are a loop of crashes.
const PROCESSES_MAX: usize = 3;

/// The action of a new release, as the history names it.
const DEPLOY: &str = "deploy";

/// What a deployment needs to know of the world; `app` talks to the running process.
pub trait Service {
    /// Runs a binary's own checks with the real configuration, returns its version.
    fn prove(&self, binary: &Path) -> Result<String, String>;
    /// Asks the running process how it is; none when there is no such process.
    fn vitals(&self) -> Option<Vitals>;
    /// Asks `/health` for the release that answers, as a visitor would.
    fn probe(&self) -> Result<String, String>;
    /// Returns what the running process logged last.
    fn lines(&self) -> String;
    /// Has the running process hand over to what `current` leads to.
    fn hand_over(&self) -> Result<String, String>;
    /// Has the service manager start it; none where there is none that knows it.
    fn start(&self) -> Option<Result<(), String>>;
    /// Writes what happened to where charts find it.
    fn annotate(&self, text: &str);
    /// Watches the release from a process of its own, for [`PROBATION`].
    fn watch(&self, release: &str, before: Traffic) -> Result<(), String>;
    /// Tells whoever runs the command.
    fn tell(&self, text: &str);
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
}

/// Deploys and rolls back on one shelf.
pub struct Deployment<'a> {
    /// Where releases are.
    pub shelf: &'a Shelf,
    /// The running process and its surroundings.
    pub service: &'a dyn Service,
}

/// What a command is about, from the switch on.
struct Move<'a> {
    action: &'a str,
    release: String,
    previous: Option<String>,
    before: Traffic,
    begun: Instant,
}

impl Deployment<'_> {
    /// Deploys a binary.
    pub fn deploy(&self, wanted: &Wanted) -> Result<(), DeployError> {
        let guard = self.lock()?;
        let begun = Instant::now();
        let staged = self.shelf.stage(&wanted.file, wanted.sha256.as_deref())?;
        let version = match self.service.prove(&staged.binary) {
            Ok(version) => version,
            Err(reason) => {
                self.shelf.discard(&staged);
                let reason = format!("{} did not prove itself: {reason}", wanted.file.display());
                self.note(DEPLOY, &wanted.file.display().to_string(), "failed", &reason, begun);
                return Err(DeployError::Refused(format!("{reason}\nnothing was changed")));
            }
        };
        let Manifest { id, .. } = self.shelf.place(staged, &version, jiff::Timestamp::now())?;
        self.service.tell(&format!("{id} is placed: vitrine {version}"));
        self.bring_about(DEPLOY, id, begun, guard)
    }

    /// Goes back to a release, or to the newest one before the current that is not bad.
    pub fn roll_back(&self, wanted: Option<&str>) -> Result<(), DeployError> {
        let guard = self.lock()?;
        let begun = Instant::now();
        let OnShelf { manifest, bad } = match wanted {
            Some(id) => self.shelf.release(id)?,
            None => self.one_before()?,
        };
        let id = manifest.id.clone();
        if let (Some(reason), None) = (&bad, wanted) {
            return Err(DeployError::Refused(format!("{id} is marked as bad: {reason}")));
        }
        if self.shelf.current().as_deref() == Some(&id) && self.runs(&id) {
            self.service.tell(&format!("{id} is the one that serves already"));
            return Ok(());
        }
        let binary = self.shelf.verify(&manifest)?;
        if let Err(reason) = self.service.prove(&binary) {
            return Err(DeployError::Refused(format!("{id} does not prove itself any more: {reason}")));
        }
        let left = self.shelf.current().filter(|left| *left != id);
        self.bring_about("rollback", id.clone(), begun, guard)?;
        if let Some(left) = left {
            self.shelf.mark_bad(&left, &format!("rolled back to {id} by hand"))?;
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
        let candidate = self.shelf.good().filter(|good| Some(good) != broken.as_ref());
        let target = match candidate {
            Some(good) => good,
            None => self.one_before()?.manifest.id,
        };
        self.shelf.verify(&self.shelf.release(&target)?.manifest)?;
        let reason = "could not be started";
        self.shelf.switch(&target)?;
        if let Some(broken) = &broken {
            self.shelf.mark_bad(broken, reason)?;
        }
        self.note("rollback", &target, "placed", reason, begun);
        self.service.tell(&format!("{target} is current again: {} {reason}", broken.unwrap_or_default()));
        Ok(())
    }

    /// Watches a release for [`PROBATION`]: rolls back when it crashes again and again, is away, or
    /// fails more than before; else notes that it is good.
    pub fn watch(&self, release: &str, before: Traffic) -> Result<(), DeployError> {
        let (begun, mut seen, mut pids) = (Instant::now(), Instant::now(), Vec::new());
        while begun.elapsed() < PROBATION {
            std::thread::sleep(WATCH_PAUSE);
            if self.shelf.current().as_deref() != Some(release) || self.shelf.unfinished().is_some() {
                // Another command has decided, or is about to.
                return Ok(());
            }
            let vitals = self.service.vitals().filter(|vitals| vitals.release == release);
            let answers = self.service.probe().is_ok_and(|answered| answered == release);
            if let Some(vitals) = vitals.as_ref().filter(|vitals| answers && vitals.is_ready) {
                seen = Instant::now();
                if !pids.contains(&vitals.pid) {
                    pids.push(vitals.pid);
                }
            }
            let worse = vitals.and_then(|vitals| vitals.since_start.is_worse_than(before));
            let away = (seen.elapsed() >= AWAY_MAX).then(|| format!("it was away for {AWAY_MAX:?}"));
            let crashes = (pids.len() > PROCESSES_MAX)
                .then(|| format!("it was started {} times within a minute", pids.len()));
            if let Some(reason) = worse.or(away).or(crashes) {
                let guard = self.lock()?;
                return self.undo_proved(release, &reason, guard);
            }
        }
        self.shelf.set_good(release)?;
        self.note(DEPLOY, release, "proved", "", begun);
        Ok(())
    }

    fn undo_proved(&self, release: &str, reason: &str, _guard: Guard) -> Result<(), DeployError> {
        let previous = self.one_before()?.manifest.id;
        let moved = Move {
            action: "rollback",
            release: release.into(),
            previous: Some(previous),
            before: Traffic::default(),
            begun: Instant::now(),
        };
        Err(self.undo(&moved, reason))
    }

    // ---- the steps

    fn lock(&self) -> Result<Guard, DeployError> {
        let guard = self.shelf.lock()?;
        self.settle()?;
        Ok(guard)
    }

    /// Finishes or undoes what a command that was killed had begun.
    fn settle(&self) -> Result<(), DeployError> {
        let Some(Attempt { action, release, previous, .. }) = self.shelf.unfinished() else { return Ok(()) };
        let begun = Instant::now();
        let is_current = self.shelf.current().as_deref() == Some(&release);
        if is_current && self.runs(&release) && self.answers(&release).is_ok() {
            self.service.tell(&format!("{release}: a command that was killed is finished, it serves"));
            self.note(&action, &release, "ok", "finished after an interruption", begun);
            return Ok(self.shelf.end()?);
        }
        self.service.tell(&format!("{release}: a command that was killed is undone"));
        if action == DEPLOY {
            // It never proved itself, so no roll-back may choose it.
            self.shelf.mark_bad(&release, "its deployment was interrupted")?;
        }
        if is_current && !previous.is_empty() {
            self.shelf.switch(&previous)?;
            if self.runs(&release) {
                self.service.hand_over().map_err(|why| DeployError::Stuck {
                    release: release.clone(),
                    reason: "its command was interrupted".into(),
                    why,
                })?;
            }
        }
        self.note(&action, &release, "interrupted", "", begun);
        Ok(self.shelf.end()?)
    }

    fn bring_about(
        &self,
        action: &str,
        release: String,
        begun: Instant,
        _guard: Guard,
    ) -> Result<(), DeployError> {
        let vitals = self.service.vitals();
        if let Some(vitals) = &vitals {
            self.is_ours(vitals)?;
        }
        // A link that leads nowhere does not say what runs.
        let running = || vitals.as_ref().map(|vitals| vitals.release.clone());
        let is_on_shelf = |id: &String| self.shelf.release(id).is_ok();
        let previous = self.shelf.current().or_else(running).filter(is_on_shelf);
        let before = vitals.as_ref().map(|vitals| vitals.last_hour).unwrap_or_default();
        let moved = Move { action, release, previous, before, begun };
        let release = &moved.release;
        let attempt = Attempt {
            action: action.into(),
            release: release.clone(),
            previous: moved.previous.clone().unwrap_or_default(),
            at: now(),
        };
        if let Err(fault) = self.shelf.begin(&attempt).and_then(|()| self.shelf.switch(release)) {
            if action == DEPLOY {
                // On a full disk neither may be possible; the next command tries again.
                _ = self.shelf.mark_bad(release, "it was never started");
            }
            return Err(DeployError::Refused(format!("{fault}; nothing was changed")));
        }
        if vitals.is_none() && self.start_or_leave(&moved)? {
            return Ok(());
        }
        let outcome = match vitals {
            Some(_) => self.service.hand_over().map(|message| self.service.tell(&message)),
            None => Ok(()),
        };
        let pass_gate = || {
            // Its lines are asked for while it is there.
            self.pass_gate(&moved).map_err(|reason| format!("{reason}\n{}", self.service.lines()))
        };
        match outcome.and_then(|()| pass_gate()) {
            Ok(()) => {
                self.note(action, release, "ok", "", begun);
                self.service.annotate(&format!("{action}: release {release} serves"));
                self.shelf.end()?;
                self.shelf.prune(&moved.previous.iter().map(String::as_str).collect::<Vec<_>>())?;
                let took = begun.elapsed();
                self.service.tell(&format!("{release} is healthy, after {took:.1?}"));
                if let Err(fault) = self.service.watch(release, moved.before) {
                    self.service.tell(&format!("it is not watched for its first minute: {fault}"));
                }
                Ok(())
            }
            Err(reason) => Err(self.undo(&moved, &reason)),
        }
    }

    /// A process that was not started through `current` would hand over to something else.
    fn is_ours(&self, vitals: &Vitals) -> Result<(), DeployError> {
        let ours = self.shelf.root().join("current").join(super::BINARY);
        // By a link to it, such as /usr/local/bin/vitrine.
        let real = vitals.program.canonicalize().ok();
        let is_by_link =
            real.is_some() && real.as_ref() != Some(&vitals.program) && real == ours.canonicalize().ok();
        let folder =
            |path: &Path| path.parent().and_then(Path::parent).and_then(|root| root.canonicalize().ok());
        let is_through_current = vitals.program.parent().is_some_and(|dir| dir.ends_with("current"));
        if is_by_link || (is_through_current && folder(&vitals.program) == folder(&ours)) {
            return Ok(());
        }
        Err(DeployError::Refused(format!(
            "the running vitrine was started as {}: start it as {} once, so that a release can take its place",
            vitals.program.display(),
            ours.display()
        )))
    }

    /// Has the service manager start the release where nothing ran; true when there is nobody
    /// who could, and it is for the owner to start.
    fn start_or_leave(&self, moved: &Move<'_>) -> Result<bool, DeployError> {
        match self.service.start() {
            None => {
                let Move { action, release, begun, .. } = moved;
                self.note(action, release, "placed", "", *begun);
                self.shelf.end()?;
                self.service.tell(&format!(
                    "no vitrine runs on this data: start {} to serve release {release}",
                    self.shelf.root().join("current").join(super::BINARY).display()
                ));
                Ok(true)
            }
            Some(Ok(())) => Ok(false),
            Some(Err(reason)) => Err(self.undo(moved, &reason)),
        }
    }

    fn pass_gate(&self, moved: &Move<'_>) -> Result<(), String> {
        let (begun, mut gate) = (Instant::now(), Gate::default());
        loop {
            gate.note(&moved.release, self.service.probe());
            let worse = if gate.is_open() {
                let vitals = self.service.vitals().ok_or("it ended after it had served")?;
                vitals.since_start.is_worse_than(moved.before)
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

    /// Brings back what was before, and returns what to say.
    fn undo(&self, moved: &Move<'_>, reason: &str) -> DeployError {
        let Move { action, release, previous, begun, .. } = moved;
        let marked = self.shelf.mark_bad(release, reason);
        let back = match previous {
            Some(previous) => self.go_back(release, previous),
            None => Err("no release was current before".to_string()),
        };
        if let Err(fault) = marked {
            // What matters is who serves; the mark is for the next roll-back.
            self.service.tell(&fault.to_string());
        }
        let error = match back {
            Ok(()) => {
                self.note(action, release, "failed", reason, *begun);
                let previous = previous.clone().unwrap_or_default();
                self.service.annotate(&format!("release {release} failed, {previous} serves: {reason}"));
                DeployError::RolledBack { release: release.clone(), previous, reason: reason.into() }
            }
            Err(why) => {
                self.note(action, release, "stuck", &format!("{reason}; {why}"), *begun);
                DeployError::Stuck { release: release.clone(), reason: reason.into(), why }
            }
        };
        if let Err(fault) = self.shelf.end() {
            self.service.tell(&fault.to_string());
        }
        error
    }

    fn go_back(&self, release: &str, previous: &str) -> Result<(), String> {
        self.shelf.switch(previous).map_err(|fault| fault.to_string())?;
        match self.service.vitals() {
            // It never left.
            Some(vitals) if vitals.release != release => {}
            Some(_) => _ = self.service.hand_over()?,
            None => match self.service.start() {
                Some(started) => started?,
                None => return Err("nothing runs any more, and no service manager starts it".into()),
            },
        }
        self.answers_in_time(previous)
    }

    fn answers_in_time(&self, release: &str) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            match self.answers(release) {
                Ok(()) => return Ok(()),
                Err(_) if begun.elapsed() < GATE_TIMEOUT => std::thread::sleep(PROBE_PAUSE),
                Err(reason) => return Err(reason),
            }
        }
    }

    fn answers(&self, release: &str) -> Result<(), String> {
        match self.service.probe()? {
            found if found == release => Ok(()),
            // What was started outside of a release folder is named by its version.
            found => self.runs(&found).then_some(()).ok_or(format!("release {found} answers")),
        }
    }

    fn runs(&self, release: &str) -> bool {
        self.service.vitals().is_some_and(|vitals| vitals.release == release)
    }

    fn one_before(&self) -> Result<OnShelf, DeployError> {
        let current = self.shelf.current();
        let releases = self.shelf.releases()?;
        let is_before =
            |release: &&OnShelf| release.bad.is_none() && Some(&release.manifest.id) != current.as_ref();
        let found = releases.iter().rev().find(is_before).cloned();
        found
            .ok_or_else(|| DeployError::Refused("there is no other release that is not marked as bad".into()))
    }

    fn note(&self, action: &str, release: &str, outcome: &str, reason: &str, begun: Instant) {
        let event = Event {
            at: now(),
            action: action.into(),
            release: release.into(),
            previous: self.shelf.current().filter(|current| current != release).unwrap_or_default(),
            outcome: outcome.into(),
            seconds: (begun.elapsed().as_secs_f64() * 1_000.0).round() / 1_000.0,
            reason: reason.lines().next().unwrap_or_default().into(),
        };
        if let Err(fault) = self.shelf.note(&event) {
            self.service.tell(&fault.to_string());
        }
    }
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
