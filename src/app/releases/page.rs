//! What `/admin/releases` shows, and the roll-back that it begins.
//!
//! The roll-back is the command of the same name, in a process of its own: it outlives this one,
//! which it replaces, and holds the lock of the shelf as any other would. What it refuses at
//! once is known here, as the page is still served from here; how it ended otherwise stands in
//! the history, for whoever serves then.

use std::ffi::OsString;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tracing::{info, warn};

use super::{PRINTED_MAX_BYTES, tempfile};
use crate::app::reload::Reloader;
use crate::clock::UnixNanos;
use crate::config;
use crate::http::admin::{ReleaseDesk, RollBackError};
use crate::pages::admin::releases::{
    AskedView, AttemptView, EventView, ReleaseView, ReleasesView, RollBackBar,
};
use crate::release::deploy::is_started_through;
use crate::release::handover::Program;
use crate::release::install;
use crate::release::shelf::{Attempt, Event, OnShelf, Shelf};
use crate::release::{Release, own_program};

/// Events that are shown.
const HISTORY_SHOWN: usize = 50;

/// Where a process takes no configuration file, the command it starts must take none either: it
/// would look for that of an installation.
const NO_FILE: &str = "/dev/null";

/// The program that runs, whatever its path leads to by now.
const RUNNING: &str = "/proc/self/exe";

/// The shelf as the running process sees it.
pub struct Desk {
    reloader: Arc<Reloader>,
    release: Release,
    /// The path that this process was run by; none where that is not known.
    program: Option<PathBuf>,
    asked: Arc<Mutex<Option<AskedView>>>,
}

impl Desk {
    /// Looks at the shelf that the configuration in force names.
    pub fn new(reloader: Arc<Reloader>, release: Release, program: Option<&Program>) -> Desk {
        let program = program.map(|program| program.path().to_path_buf());
        Desk { reloader, release, program, asked: Arc::default() }
    }

    fn shelf(&self) -> Shelf {
        Shelf::at(&self.reloader.loaded().config.release.root)
    }

    fn bar(&self, shelf: &Shelf, releases: &[OnShelf]) -> Option<RollBackBar> {
        if std::process::id() == 1 {
            return Some(RollBackBar::Container);
        }
        if releases.is_empty() {
            return Some(RollBackBar::Empty);
        }
        let program = self.program.clone().unwrap_or_else(|| RUNNING.into());
        if !is_started_through(shelf, &program) {
            let should = own_program(shelf.root());
            let (program, should) = (program.display().to_string(), should.display().to_string());
            return Some(RollBackBar::NotARelease { program, should });
        }
        (!shelf.may_change()).then_some(RollBackBar::NoPermission)
    }

    /// Returns the arguments that make a command read the configuration of this process.
    fn arguments(&self) -> Vec<OsString> {
        let layers = &self.reloader.layers;
        let file = config::file_of(layers).unwrap_or_else(|| NO_FILE.into());
        let flags = layers.flags.iter();
        let flags = flags.flat_map(|(key, value)| [format!("--{key}").into(), value.into()]);
        [OsString::from("--config"), file.into()].into_iter().chain(flags).collect()
    }

    /// Returns the command for a terminal, without the release.
    fn command(&self) -> String {
        let config = self.reloader.loaded().config;
        if config.release.root == Path::new(install::HOME) {
            return "sudo vitrine release rollback".into();
        }
        let layers = &self.reloader.layers;
        let file = config::file_of(layers).map(|file| ("config", file.display().to_string()));
        let flags = layers.flags.iter().map(|(key, value)| (*key, value.clone()));
        let flags = file.into_iter().chain(flags).map(|(key, value)| format!(" --{key} {value}"));
        let program = self.program.as_deref().unwrap_or(Path::new("vitrine"));
        format!("{} release rollback{}", program.display(), flags.collect::<String>())
    }

    fn start(&self, id: &str, output: &std::fs::File) -> std::io::Result<Child> {
        Command::new(RUNNING)
            .args(["release", "rollback", id])
            .args(self.arguments())
            .stdin(Stdio::null())
            .stdout(Stdio::from(output.try_clone()?))
            .stderr(Stdio::from(output.try_clone()?))
            // What is meant for this process, from a terminal, is not meant for it.
            .process_group(0)
            .spawn()
    }
}

impl ReleaseDesk for Desk {
    fn look(&self) -> ReleasesView {
        let shelf = self.shelf();
        let (releases, fault) = match shelf.releases() {
            Ok(releases) => (releases, None),
            Err(fault) => (Vec::new(), Some(fault.to_string())),
        };
        let (current, good) = (shelf.current(), shelf.good());
        ReleasesView {
            root: shelf.root().display().to_string(),
            running: self.release.id.clone(),
            version: self.release.version.to_string(),
            pid: std::process::id(),
            bar: self.bar(&shelf, &releases),
            releases: releases
                .into_iter()
                .rev()
                .map(|OnShelf { manifest, bad }| ReleaseView {
                    placed: at(&manifest.placed),
                    is_current: current.as_ref() == Some(&manifest.id),
                    is_good: good.as_ref() == Some(&manifest.id),
                    is_running: self.release.id == manifest.id,
                    id: manifest.id,
                    version: manifest.version,
                    size_bytes: manifest.size_bytes,
                    bad,
                })
                .collect(),
            history: shelf.history().into_iter().rev().take(HISTORY_SHOWN).map(event_view).collect(),
            unfinished: shelf.unfinished().map(attempt_view),
            asked: self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            command: self.command(),
            fault,
        }
    }

    fn roll_back(&self, id: &str) -> Result<(), RollBackError> {
        let shelf = self.shelf();
        let releases = shelf.releases().map_err(|fault| RollBackError::Failed(fault.to_string()))?;
        // What a browser names must be there by that name.
        if !releases.iter().any(|release| release.manifest.id == id) {
            return Err(RollBackError::Unknown(id.to_string()));
        }
        if let Some(bar) = self.bar(&shelf, &releases) {
            return Err(RollBackError::Barred(bar));
        }
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.as_ref().is_some_and(|asked| asked.outcome.is_none()) {
            return Err(RollBackError::Busy);
        }
        let failed = |fault: std::io::Error| RollBackError::Failed(format!("start the command: {fault}"));
        let output = tempfile().map_err(failed)?;
        let child = self.start(id, &output).map_err(failed)?;
        let at = self.reloader.shared.clock.now();
        *asked = Some(AskedView { release: id.into(), at, outcome: None });
        info!("a roll-back to release {id} was begun, process {}", child.id());
        let known = self.asked.clone();
        // It ends with the command, and nobody waits for it: this process may go before.
        let waiting = thread::Builder::new().name("roll-back".into()).spawn(move || {
            let outcome = wait(child, output);
            if let Err(reason) = &outcome {
                warn!("the roll-back failed: {reason}");
            }
            if let Some(asked) = &mut *known.lock().unwrap_or_else(PoisonError::into_inner) {
                asked.outcome = Some(outcome);
            }
        });
        // The command runs all the same, and the history will say how it ended.
        if let Err(fault) = waiting {
            *asked = None;
            warn!("nobody waits for the roll-back: {fault}");
        }
        Ok(())
    }
}

/// Waits for the command; an error is what it said.
fn wait(mut child: Child, mut output: std::fs::File) -> Result<(), String> {
    let status = child.wait().map_err(|fault| fault.to_string())?;
    let mut bytes = Vec::new();
    let read =
        output.seek(SeekFrom::Start(0)).and_then(|_| output.take(PRINTED_MAX_BYTES).read_to_end(&mut bytes));
    let said = String::from_utf8_lossy(&bytes).trim().to_string();
    match (status.success(), read) {
        (true, _) => Ok(()),
        (false, Ok(_)) if !said.is_empty() => Err(said),
        (false, _) => Err(format!("it ended with {status}")),
    }
}

fn event_view(event: Event) -> EventView {
    let Event { at: when, action, release, outcome, seconds, reason, .. } = event;
    EventView { at: at(&when), action, release, outcome, seconds, reason }
}

fn attempt_view(attempt: Attempt) -> AttemptView {
    AttemptView { action: attempt.action, release: attempt.release, at: at(&attempt.at) }
}

fn at(text: &str) -> Option<UnixNanos> {
    let nanos = text.parse::<jiff::Timestamp>().ok()?.as_nanosecond();
    i64::try_from(nanos).ok().map(UnixNanos)
}
