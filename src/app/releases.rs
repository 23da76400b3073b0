//! `vitrine release`: the release part joined to the running process and to this machine.

pub mod page;

use std::cell::OnceCell;
use std::ffi::OsString;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

use super::control::{self, AskError, Word};
use super::{Failure, commands};
use crate::clock::Clock;
use crate::config::{self, Config, Layers};
use crate::record::access::cut;
use crate::release::deploy::{DeployError, Deployment, NoHandOver, Outcome, Service, Wanted};
use crate::release::gate::{Traffic, Vitals};
use crate::release::install;
use crate::release::shelf::{OnShelf, Shelf};

/// Checks of a binary take about a second; one that takes so long hangs.
const PROVE_TIMEOUT: Duration = Duration::from_secs(30);

/// As much of what it printed is shown.
const PRINTED_MAX_BYTES: u64 = 8 << 10;

/// What a binary says that has tested itself.
#[derive(Debug, Serialize, Deserialize)]
pub struct SelfTest {
    /// Its version.
    pub version: String,
}

/// Prints a line; whoever reads may have seen enough and gone.
macro_rules! say {
    ($($text:tt)*) => { _ = writeln!(std::io::stdout(), $($text)*) };
}

/// The machine that this command runs on.
struct Machine {
    layers: Layers,
    config: Config,
    /// Where the running process is asked for its health; it is handed on from one to the next.
    address: OnceCell<SocketAddr>,
}

/// Deploys a binary.
pub fn deploy(layers: Layers, file: PathBuf, sha256: Option<String>) -> Result<(), Failure> {
    let machine = Machine::of(layers)?;
    let key = machine.config.release.public_key.clone();
    let sha256 = sha256.map_or_else(|| checksum_beside(&file), |sum| Ok(Some(sum)))?;
    machine.with(|deployment| deployment.deploy(&Wanted { file, sha256, key }))
}

/// Goes back to an earlier release.
pub fn roll_back(layers: Layers, id: Option<&str>) -> Result<(), Failure> {
    Machine::of(layers)?.with(|deployment| deployment.roll_back(id))
}

/// Goes back after a start that failed again and again.
pub fn roll_back_at_boot(layers: Layers) -> Result<(), Failure> {
    Machine::of(layers)?.with(|deployment| deployment.roll_back_at_boot())
}

/// Watches a release that was just found healthy.
pub fn watch(layers: Layers, id: &str, before: Traffic) -> Result<(), Failure> {
    Machine::of(layers)?.with(|deployment| deployment.watch(id, before))
}

/// Prints all releases, the newest first.
pub fn list(layers: &Layers) -> Result<(), Failure> {
    let shelf = Shelf::at(&config::load(layers)?.config.release.root);
    let releases = shelf.releases().map_err(anyhow::Error::from)?;
    if releases.is_empty() {
        say!("no release in {}: `vitrine release deploy FILE` places the first", shelf.root().display());
    }
    let (current, good) = (shelf.current(), shelf.good());
    for OnShelf { manifest, bad } in releases.iter().rev() {
        let is = |link: &Option<String>| link.as_ref() == Some(&manifest.id);
        let state = match bad {
            Some(reason) => format!("bad: {}", reason.lines().next().unwrap_or_default()),
            None if is(&good) => "good".into(),
            None => String::new(),
        };
        let mark = if is(&current) { '*' } else { ' ' };
        say!("{mark} {:<28} vitrine {:<10} {} {state}", manifest.id, manifest.version, manifest.placed);
    }
    Ok(())
}

/// Prints what is current, what runs, and how the last attempts ended.
pub fn status(layers: Layers) -> Result<(), Failure> {
    const SHOWN: usize = 5;
    let machine = Machine::of(layers)?;
    let shelf = Shelf::at(&machine.config.release.root);
    say!("current  {}", shelf.current().unwrap_or_else(|| "none".into()));
    say!("good     {}", shelf.good().unwrap_or_else(|| "none".into()));
    match machine.vitals() {
        Err(reason) => say!("running  does not answer: {reason}"),
        Ok(Some(Vitals { release, version, pid, since_start, .. })) => say!(
            "running  {release}, vitrine {version}, process {pid}, {} requests, {} failed",
            since_start.requests,
            since_start.failed
        ),
        Ok(None) => say!("running  nothing on {}", machine.config.data.display()),
    }
    if let Some(attempt) = shelf.unfinished() {
        say!("begun    {} of {} at {}, not ended", attempt.action, attempt.release, attempt.at);
    }
    for event in shelf.history().iter().rev().take(SHOWN) {
        let reason = if event.reason.is_empty() { String::new() } else { format!(": {}", event.reason) };
        say!("{}  {} {} {}{reason}", event.at, event.action, event.release, event.outcome);
    }
    Ok(())
}

// As `sha256sum` writes it: the sum, then the name.
fn checksum_beside(file: &Path) -> Result<Option<String>, Failure> {
    let mut path = file.as_os_str().to_owned();
    path.push(".sha256");
    match std::fs::read_to_string(&path) {
        Ok(text) => match text.split_whitespace().next() {
            Some(sum) => Ok(Some(sum.to_string())),
            None => Err(Failure::Environment(anyhow!("{} is empty", PathBuf::from(path).display()))),
        },
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(fault) => Err(Failure::Environment(
            anyhow::Error::from(fault).context(format!("read {}", PathBuf::from(path).display())),
        )),
    }
}

impl Machine {
    fn of(layers: Layers) -> Result<Machine, Failure> {
        let config = config::load(&layers)?.config;
        Ok(Machine { layers, config, address: OnceCell::new() })
    }

    fn with(self, run: impl FnOnce(&Deployment<'_>) -> Result<(), DeployError>) -> Result<(), Failure> {
        let _catching = outlive_the_terminal()?;
        let shelf = Shelf::at(&self.config.release.root);
        run(&Deployment { shelf: &shelf, service: &self, clock: &Clock::system() }).map_err(|fault| {
            match fault {
                DeployError::Busy(fault) => Failure::Busy(fault.into()),
                DeployError::Stuck { .. } => Failure::Stuck(fault.into()),
                fault => Failure::Environment(fault.into()),
            }
        })
    }

    /// The flags that this command was given, for another one.
    fn flags(&self) -> Vec<OsString> {
        let file =
            self.layers.file.iter().flat_map(|file| ["--config".into(), file.clone().into_os_string()]);
        let flags = self.layers.flags.iter();
        file.chain(flags.flat_map(|(key, value)| [format!("--{key}").into(), value.into()])).collect()
    }

    /// Runs a command of a binary; returns what it printed, also as the reason of a failure.
    fn run(&self, binary: &Path, command: &str) -> Result<String, String> {
        let failed = |fault: std::io::Error| format!("run {}: {fault}", binary.display());
        // A file takes any amount and blocks nobody, whatever the binary does.
        let mut printed = tempfile().map_err(failed)?;
        let output = || printed.try_clone().map(Stdio::from);
        let mut child = Command::new(binary)
            .arg(command)
            .args(self.flags())
            .stdin(Stdio::null())
            .stdout(output().map_err(failed)?)
            .stderr(output().map_err(failed)?)
            .spawn()
            .map_err(failed)?;
        let begun = Instant::now();
        let status = loop {
            match child.try_wait().map_err(failed)? {
                Some(status) => break Some(status),
                None if begun.elapsed() > PROVE_TIMEOUT => {
                    // It may have ended just now.
                    _ = child.kill();
                    _ = child.wait();
                    break None;
                }
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        let mut text = String::new();
        let read = printed.seek(SeekFrom::Start(0)).and_then(|_| {
            let mut bytes = Vec::new();
            printed.take(PRINTED_MAX_BYTES).read_to_end(&mut bytes)?;
            text = String::from_utf8_lossy(&bytes).trim().to_string();
            Ok(())
        });
        read.map_err(failed)?;
        match status {
            Some(status) if status.success() => Ok(text),
            Some(status) => Err(format!("`vitrine {command}` ended with {status}\n{text}")),
            None => Err(format!("`vitrine {command}` did not end within {PROVE_TIMEOUT:?}\n{text}")),
        }
    }
}

fn tempfile() -> std::io::Result<std::fs::File> {
    let path =
        std::env::temp_dir().join(format!("vitrine-{}-{:x}", std::process::id(), rand::random::<u64>()));
    let file = std::fs::OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

impl Service for Machine {
    fn prove(&self, binary: &Path) -> Result<String, String> {
        self.run(binary, "check")?;
        let told = self.run(binary, "self-test")?;
        let last = told.lines().last().unwrap_or_default();
        let SelfTest { version } = serde_json::from_str(last)
            .map_err(|_| format!("`vitrine self-test` said {:?}", cut(&told, 200)))?;
        Ok(version)
    }

    fn vitals(&self) -> Result<Option<Vitals>, String> {
        let answer = match control::send(&self.config.data, &Word::Vitals) {
            Err(AskError::NotRunning(_)) => return Ok(None),
            answer => answer.map_err(|fault| fault.to_string())?,
        };
        if !answer.ok {
            return Err(answer.message);
        }
        let vitals: Vitals = serde_json::from_str(&answer.message).map_err(|fault| fault.to_string())?;
        // Known already is as well.
        _ = self.address.set(vitals.address);
        Ok(Some(vitals))
    }

    fn last_hour(&self) -> Traffic {
        let answer = control::send(&self.config.data, &Word::LastHour).ok();
        // Without it new failures are judged as if there had been none before.
        answer.and_then(|answer| serde_json::from_str(&answer.message).ok()).unwrap_or_default()
    }

    fn lines(&self) -> String {
        control::send(&self.config.data, &Word::Lines).map(|answer| answer.message).unwrap_or_default()
    }

    fn probe(&self) -> Result<String, String> {
        if self.address.get().is_none() {
            self.vitals()?;
        }
        let address = *self.address.get().ok_or("nothing runs")?;
        let health = commands::ask_health(&commands::health_address(address));
        let (_, answer) = health.map_err(|fault| format!("{fault:#}"))?;
        Ok(answer["release"].as_str().unwrap_or_default().to_string())
    }

    fn hand_over(&self) -> Result<String, NoHandOver> {
        let answer = control::send(&self.config.data, &Word::Upgrade)
            .map_err(|fault| NoHandOver::Failed(fault.to_string()))?;
        match answer {
            control::Answer { ok: true, message, .. } => Ok(message),
            control::Answer { refused: true, message, .. } => Err(NoHandOver::Refused(message)),
            control::Answer { message, .. } => Err(NoHandOver::Failed(message)),
        }
    }

    fn start(&self) -> Option<Result<(), String>> {
        // The unit is about one place; a trial in another folder must not restart it.
        let is_installed = self.config.release.root == Path::new(install::HOME)
            && self.config.data == Path::new(install::DATA);
        if !is_installed {
            return None;
        }
        Some(install::restart()?.map_err(|fault| fault.to_string()))
    }

    fn annotate(&self, outcome: Outcome, text: &str) {
        if let Err(fault) = control::send(&self.config.data, &Word::Event(outcome, text.into())) {
            self.tell(&format!("not on record: {fault}"));
        }
    }

    fn watch(&self, release: &str, before: Traffic) -> Result<(), String> {
        let Traffic { requests, failed } = before;
        let attempt = || {
            Command::new(std::env::current_exe()?)
                .args(["release", "watch", release, &requests.to_string(), &failed.to_string()])
                .args(self.flags())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                // The terminal that this command was given in may go before the minute is over.
                .process_group(0)
                .spawn()
        };
        attempt().map(drop).map_err(|fault| fault.to_string())
    }

    fn tell(&self, text: &str) {
        say!("{text}");
    }
}

/// A terminal that is cut off ends no command that moves something: SIGHUP is caught from here
/// on, and does nothing.
fn outlive_the_terminal() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    // Once it was caught it stays so.
    runtime.block_on(async { signal(SignalKind::hangup()).map(drop) })?;
    Ok(runtime)
}
