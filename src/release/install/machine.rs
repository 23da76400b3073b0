//! What this machine has, and the programs that change it: accounts and systemd.
//!
//! Accounts are asked by `getent` and not read from `/etc/passwd`: they may come from elsewhere.

use std::io;
use std::path::Path;
use std::process::{Command, Output};

use super::InstallError;
use super::layout::{UNITS, USER};
use super::units::SERVICE;
use crate::record::access::cut;

/// What systemd itself makes at its start (sd_booted(3)).
const SYSTEMD_RUNS: &str = "/run/systemd/system";

/// Accounts of people begin here (`UID_MIN` of login.defs); such a one is never removed.
const UID_OF_PEOPLE_MIN: u32 = 1000;

/// As much of what a program says fits a terminal.
const SAID_MAX_BYTES: usize = 1_000;

/// What is known of the machine before anything is planned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Machine {
    pub is_root: bool,
    pub account: Account,
    pub systemd: Systemd,
}

/// The user that the service runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Account {
    Missing,
    /// There is a user, but no group by its name, which the unit asks for.
    WithoutGroup,
    There(Ids),
}

/// A user and its group, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ids {
    pub user: u32,
    pub group: u32,
}

impl Ids {
    pub fn is_system(self) -> bool {
        self.user < UID_OF_PEOPLE_MIN
    }
}

/// The service manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Systemd {
    /// It does not run: another one does, or this is a container or a chroot.
    Absent,
    /// It runs.
    Runs {
        /// The service is up.
        active: Active,
        /// It has another text of the service's unit than the disk.
        outdated: Outdated,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Active {
    Yes,
    No,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outdated {
    Yes,
    No,
}

impl Machine {
    /// Looks at the machine that this process runs on.
    pub fn look() -> Result<Self, InstallError> {
        Ok(Machine {
            is_root: rustix::process::geteuid().is_root(),
            account: account()?,
            systemd: if Path::new(SYSTEMD_RUNS).is_dir() { systemd()? } else { Systemd::Absent },
        })
    }
}

/// Asks for the service's user.
pub(super) fn account() -> Result<Account, InstallError> {
    let Some(user) = entry("passwd")? else { return Ok(Account::Missing) };
    let Some(group) = entry("group")? else { return Ok(Account::WithoutGroup) };
    Ok(Account::There(Ids { user, group }))
}

/// Returns the number of an entry named as the user, from a database of accounts; passwd(5) and
/// group(5) both have it third.
fn entry(database: &str) -> Result<Option<u32>, InstallError> {
    let output = output("getent", &[database, USER])?;
    // getent(1): 2 says that there is no such entry.
    if output.status.code() == Some(2) {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&succeeded("getent", &[database, USER], output)?.stdout).into_owned();
    Ok(text.split(':').nth(2).and_then(|number| number.parse().ok()))
}

fn systemd() -> Result<Systemd, InstallError> {
    let is_active = output("systemctl", &["is-active", "--quiet", SERVICE])?.status.success();
    let show = output("systemctl", &["show", "--property=NeedDaemonReload", "--value", SERVICE])?;
    Ok(Systemd::Runs {
        active: if is_active { Active::Yes } else { Active::No },
        outdated: if show.stdout.starts_with(b"yes") { Outdated::Yes } else { Outdated::No },
    })
}

/// Starts the installed service anew; none where there is no systemd or no unit of ours.
pub(super) fn restart() -> Option<Result<(), InstallError>> {
    if !Path::new(SYSTEMD_RUNS).is_dir() || !Path::new(UNITS).join(SERVICE).is_file() {
        return None;
    }
    // A unit that failed too often is started again only once that is forgotten.
    let forgotten = run("systemctl", &["reset-failed", SERVICE]);
    Some(forgotten.and_then(|()| run("systemctl", &["restart", SERVICE])))
}

/// Makes the service's user and group: no home, no login.
pub(super) fn add_user() -> Result<(), InstallError> {
    let useradd = [
        "--system",
        "--user-group",
        "--no-create-home",
        "--home-dir=/nonexistent",
        "--shell=/usr/sbin/nologin",
        USER,
    ];
    match run("useradd", &useradd) {
        Err(InstallError::Program { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
            let line = format!("u {USER} - \"vitrine\" /nonexistent /usr/sbin/nologin");
            run("systemd-sysusers", &["--inline", &line])
        }
        outcome => outcome,
    }
}

/// Removes the service's user; its group goes with it.
pub(super) fn remove_user() -> Result<(), InstallError> {
    run("userdel", &[USER])
}

/// Runs a program to its end, which it must reach with success.
pub(super) fn run(program: &'static str, args: &[&str]) -> Result<(), InstallError> {
    succeeded(program, args, output(program, args)?).map(|_| ())
}

fn output(program: &'static str, args: &[&str]) -> Result<Output, InstallError> {
    let output = Command::new(program).args(args).output();
    output.map_err(|cause| InstallError::Program { line: line(program, args), cause })
}

fn succeeded(program: &str, args: &[&str], output: Output) -> Result<Output, InstallError> {
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(InstallError::Refused {
        line: line(program, args),
        said: format!("{}: {}", output.status, cut(said.trim(), SAID_MAX_BYTES)),
    })
}

fn line(program: &str, args: &[&str]) -> String {
    format!("{program} {}", args.join(" "))
}
