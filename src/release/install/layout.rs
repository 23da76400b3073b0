//! Where an installation lies. Units, README and messages name the same paths.

use std::path::{Path, PathBuf};

/// The configuration file; commands look for it when they are given none.
pub const CONFIGURATION: &str = "/etc/vitrine/vitrine.toml";

/// The folder with the CV.
pub const SITE: &str = "/etc/vitrine/site";

/// Everything that must survive a restart.
pub const DATA: &str = "/var/lib/vitrine";

/// What is the owner's to edit.
pub(super) const SETTINGS: &str = "/etc/vitrine";

/// Releases, and the links that say which of them counts.
pub const HOME: &str = "/opt/vitrine";
pub(super) const RELEASES: &str = "/opt/vitrine/releases";

/// The release that the unit starts.
pub(super) const CURRENT: &str = "/opt/vitrine/current";

/// The last release that proved itself; `vitrine-rollback.service` starts this one.
pub(super) const GOOD: &str = "/opt/vitrine/good";

/// The command by its name, from anywhere.
pub(super) const COMMAND: &str = "/usr/local/bin/vitrine";
pub(super) const COMMAND_TARGET: &str = "/opt/vitrine/current/vitrine";

/// Where an administrator's units lie; those of packages lie elsewhere.
pub(super) const UNITS: &str = "/etc/systemd/system";

/// The user that the service runs as, and its group.
pub(super) const USER: &str = "vitrine";

/// Returns a path of this file below `root`.
pub(super) fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}
