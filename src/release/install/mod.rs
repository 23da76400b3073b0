//! An installation under systemd: what `vitrine install` puts on a machine and `vitrine
//! uninstall` takes back.
//!
//! Everything is looked at before anything changes ([`Plan::to_install`],
//! [`Plan::to_uninstall`]); a plan lists every step, refuses with every obstacle, and has no
//! steps where all is in place. It promises never to touch what is not ours: a file by one of our
//! names that we did not write, or a folder that is a file, is an obstacle. The configuration and
//! the CV are the owner's from the moment they exist: they are written once, and removed only on
//! demand. Below another root ([`Place::below`]) it calls no program and gives nothing away.
//!
//! It refuses to know what the configuration says (it is handed the text) and how a release is
//! proved: that is for those who ship the next one.

mod layout;
mod machine;
mod plan;
mod removal;
mod step;
#[cfg(test)]
mod tests;
pub mod units;

use std::io;
use std::path::{Path, PathBuf};

pub use layout::{CONFIGURATION, DATA, HOME, SITE};
use machine::{Machine, Systemd};
use step::Owners;
pub use step::{Owner, Step};

use crate::clock::UnixNanos;

/// Why an installation was not made, or not taken back.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The accounts, units and folders of a machine are root's to change.
    #[error("only root may do this: run it with sudo, or with --dry-run to see what it would do")]
    NotRoot,
    /// What is in the way; nothing was changed.
    #[error("nothing was changed:\n{}", lines(.0))]
    Obstacles(Vec<Obstacle>),
    /// The user is not there, although it was made.
    #[error("find the user {0} and its group", layout::USER)]
    NoAccount,
    /// A file or folder could not be read or changed.
    #[error("{attempt} {}: {cause}", path.display())]
    Io {
        /// What was done.
        attempt: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed; part of the message, so not a source of its own.
        cause: io::Error,
    },
    /// The release could not be described.
    #[error("{0}")]
    Release(#[from] crate::release::shelf::ShelfError),
    /// A program could not be run.
    #[error("run `{line}`: {cause}")]
    Program {
        /// The program and its arguments.
        line: String,
        /// Why it did not run; part of the message too.
        cause: io::Error,
    },
    /// A program ended without success.
    #[error("`{line}` ended with {said}")]
    Refused {
        /// The program and its arguments.
        line: String,
        /// How it ended, and what it said.
        said: String,
    },
}

/// Starts the installed service anew; none where there is no systemd or no unit of ours.
pub fn restart() -> Option<Result<(), InstallError>> {
    machine::restart()
}

fn failed(attempt: &'static str, path: &Path, cause: io::Error) -> InstallError {
    InstallError::Io { attempt, path: path.to_path_buf(), cause }
}

/// Something at the place of ours.
#[derive(Debug, thiserror::Error)]
pub enum Obstacle {
    /// Another kind of thing has the name.
    #[error("{} is {found}, where {wanted} belongs: move it away", path.display())]
    InTheWay {
        /// The place.
        path: PathBuf,
        /// What is there.
        found: &'static str,
        /// What would be.
        wanted: &'static str,
    },
    /// A file or link of somebody else.
    #[error("{} is not of `vitrine install`: move it away", .0.display())]
    Foreign(PathBuf),
    /// The unit asks for both.
    #[error("there is a user {0} but no group {0}: add it with `groupadd --system {0}`", layout::USER)]
    WithoutGroup,
}

fn lines(obstacles: &[Obstacle]) -> String {
    obstacles.iter().map(Obstacle::to_string).collect::<Vec<_>>().join("\n")
}

/// The machine, or a folder that stands in for its root.
#[derive(Clone, Debug)]
pub struct Place {
    root: PathBuf,
    /// None below another root.
    machine: Option<Machine>,
}

impl Place {
    /// Returns the machine that this process runs on.
    pub fn this_machine() -> Result<Self, InstallError> {
        Ok(Place { root: "/".into(), machine: Some(Machine::look()?) })
    }

    /// Returns a folder in which every path is made as if it were the root, for packages and tests.
    pub fn below(root: &Path) -> Self {
        Place { root: root.to_path_buf(), machine: None }
    }

    fn at(&self, path: &str) -> PathBuf {
        layout::below(&self.root, path)
    }

    fn systemd(&self) -> Systemd {
        self.machine.map_or(Systemd::Absent, |machine| machine.systemd)
    }
}

/// What is installed.
#[derive(Clone, Debug)]
pub struct Contents {
    /// The program.
    pub program: PathBuf,
    /// When it is installed; a release's name begins with it.
    pub at: UnixNanos,
    /// The configuration file, written if there is none.
    pub configuration: String,
}

/// Whether the service is started too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the next boot.
    AtBoot,
    /// Now as well.
    Now,
}

/// What is left of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Configuration, CV and data.
    WhatIsTheOwners,
    /// Nothing.
    Nothing,
}

/// Everything that is to be done, in order.
#[derive(Debug, Default)]
pub struct Plan {
    /// The changes; none when all is as it should be.
    pub steps: Vec<Step>,
    /// What the owner should know of what is left as it is, and do next.
    pub notes: Vec<String>,
}

impl Plan {
    /// Carries out every step, told to `tell` before it is made, and stops at the first that fails:
    /// run again, it goes on from there.
    pub fn carry_out(&self, place: &Place, mut tell: impl FnMut(&Step)) -> Result<(), InstallError> {
        if place.machine.is_some_and(|machine| !machine.is_root) && !self.steps.is_empty() {
            return Err(InstallError::NotRoot);
        }
        let owners = if place.machine.is_some() { Owners::OfThisMachine } else { Owners::WhoeverRunsThis };
        for step in &self.steps {
            tell(step);
            step.make(owners)?;
        }
        Ok(())
    }
}
