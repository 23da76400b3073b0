//! The next version: which release runs, how another takes its place, and how it is undone.
//!
//! It promises that what served goes on serving until the next one has proved itself. It
//! refuses to know what "ready" means: `app` builds, drains and says when.
//!
//! Begin at [`handover`] for two processes, at [`deploy`] for releases on a [`shelf`], at
//! [`install`] for a service of systemd.

pub mod deploy;
pub mod gate;
pub mod handover;
pub mod install;
mod notify;
pub mod shelf;
mod signature;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use notify::{Notifier, NotifyError, watchdog_interval};
pub use signature::PublicKey;

/// The folder whose children are releases, each named by its id.
const RELEASES_DIR: &str = "releases";

/// The name of the program in each.
const BINARY: &str = "vitrine";

/// Returns the program that is started where `root` is the folder of releases.
pub fn own_program(root: &Path) -> PathBuf {
    root.join("current").join(BINARY)
}

/// The settings of releases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// A successor that has not proved itself within is ended, and the running process goes on.
    pub start_timeout: Duration,
    /// The folder that holds `releases/` and `current`.
    pub root: PathBuf,
    /// The public key of minisign by which a release must be signed, if one is named.
    pub public_key: Option<PublicKey>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            // A start takes a third of a second with 1 GB in the store; a slow disk takes longer.
            start_timeout: Duration::from_secs(10),
            root: install::HOME.into(),
            public_key: None,
        }
    }
}

/// Which build this process runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The version in `Cargo.toml`.
    pub version: &'static str,
    /// The `releases/<id>/` folder that the executable lies in, else the version: two
    /// builds of one version are told apart by where they were shipped to.
    pub id: String,
}

/// Returns the release that this process was started from.
pub fn current() -> Release {
    let version = env!("CARGO_PKG_VERSION");
    // Links are resolved in it: started through `current -> releases/<id>`, the id is
    // known, and stays what it was when the link moves on. Where the path cannot be
    // read, for example without /proc, the version is as good a name as there is.
    let id = std::env::current_exe().ok().and_then(|path| release_id(&path));
    Release { version, id: id.unwrap_or_else(|| version.to_string()) }
}

fn release_id(executable: &Path) -> Option<String> {
    let folder = executable.parent()?;
    let is_release = folder.parent()?.file_name()? == RELEASES_DIR;
    is_release.then(|| folder.file_name().map(|id| id.to_string_lossy().into_owned()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_the_folder_under_releases() {
        let check =
            |path: &str, expect: Option<&str>| assert_eq!(release_id(Path::new(path)).as_deref(), expect);
        check("/srv/vitrine/releases/2026-11-22T0810Z-1a2b3c4/vitrine", Some("2026-11-22T0810Z-1a2b3c4"));
        check("/usr/local/bin/vitrine", None);
        check("/srv/releases/vitrine", None);
        check("/vitrine", None);
        check("vitrine", None);
    }

    #[test]
    fn outside_a_release_folder_the_id_is_the_version() {
        let release = current();
        assert_eq!(release.version, env!("CARGO_PKG_VERSION"));
        assert_eq!(release.id, release.version);
    }
}
