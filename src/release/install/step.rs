//! One change of the machine: what it says of itself, and how it is made.
//!
//! A file is whole or not there at all, also after a kill: it is written aside and moved.

use std::fmt;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use super::layout::USER;
use super::machine::{self, Account, Ids};
use super::{InstallError, failed};
use crate::clock::UnixNanos;
use crate::files::{absent_is_done, sync_dir};
use crate::release::BINARY;
use crate::release::shelf::{self, Shelf};

/// A release in the making, of whatever name: one that a kill left is gone with the next.
const UNFINISHED: &str = ".installing";

/// Whose a file or folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Root's, and root's group.
    Root,
    /// Root's to write, the service's to read.
    ReadByService,
    /// The service's.
    Service,
}

/// A change of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Makes the service's user and group.
    AddUser,
    /// Makes a folder.
    MakeFolder {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// Whose it is.
        owner: Owner,
    },
    /// Takes a folder of ours back from whoever else could write in it.
    TakeFolder {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Writes a file that is the owner's from then on.
    WriteFile {
        /// Where.
        path: PathBuf,
        /// What.
        text: String,
    },
    /// Writes a unit.
    WriteUnit {
        /// Where.
        path: PathBuf,
        /// Its text.
        text: &'static str,
    },
    /// Makes a release of a program.
    CopyRelease {
        /// The program.
        from: PathBuf,
        /// The release's folder.
        to: PathBuf,
        /// Now.
        at: UnixNanos,
    },
    /// Makes a link, or turns it.
    Link {
        /// The link.
        path: PathBuf,
        /// What it leads to.
        target: PathBuf,
    },
    /// Removes a file or a link.
    Remove(PathBuf),
    /// Removes a folder and all that is in it.
    RemoveFolder(PathBuf),
    /// Removes the service's user and group.
    RemoveUser,
    /// Tells systemd something.
    Systemctl(Vec<&'static str>),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::AddUser => write!(f, "add the system user {USER} and its group"),
            Step::MakeFolder { path, mode, owner } => {
                write!(f, "make the folder {}, {owner}, {mode:04o}", path.display())
            }
            Step::TakeFolder { path, mode } => {
                write!(f, "give the folder {} back to {}, {mode:04o}", path.display(), Owner::Root)
            }
            Step::WriteFile { path, .. } | Step::WriteUnit { path, .. } => {
                write!(f, "write {}", path.display())
            }
            Step::CopyRelease { to, .. } => write!(f, "copy this program to {}/{BINARY}", to.display()),
            Step::Link { path, target } => write!(f, "link {} -> {}", path.display(), target.display()),
            Step::Remove(path) => write!(f, "remove {}", path.display()),
            Step::RemoveFolder(path) => write!(f, "remove {} and all in it", path.display()),
            Step::RemoveUser => write!(f, "remove the system user {USER} and its group"),
            Step::Systemctl(args) => write!(f, "run systemctl {}", args.join(" ")),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Owner::Root => f.write_str("root:root"),
            Owner::ReadByService => write!(f, "root:{USER}"),
            Owner::Service => write!(f, "{USER}:{USER}"),
        }
    }
}

/// Who gets what is made: accounts of this machine, or below another root whoever runs this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owners {
    OfThisMachine,
    WhoeverRunsThis,
}

impl Step {
    /// Makes the change; one that is made already, such as the removal of what is gone, is made.
    pub(super) fn make(&self, owners: Owners) -> Result<(), InstallError> {
        match self {
            Step::AddUser => machine::add_user(),
            Step::MakeFolder { path, mode, owner } => {
                parent(path)?;
                fs::create_dir(path).map_err(|fault| failed("make the folder", path, fault))?;
                own(path, *mode, *owner, owners)
            }
            Step::TakeFolder { path, mode } => own(path, *mode, Owner::Root, owners),
            Step::WriteFile { path, text } => {
                write(path, text.as_bytes(), 0o640, Owner::ReadByService, owners)
            }
            Step::WriteUnit { path, text } => write(path, text.as_bytes(), 0o644, Owner::Root, owners),
            Step::CopyRelease { from, to, at } => copy(from, to, *at, owners),
            Step::Link { path, target } => link(path, target),
            Step::Remove(path) => removed("remove", path, fs::remove_file(path)),
            Step::RemoveFolder(path) => removed("remove the folder", path, fs::remove_dir_all(path)),
            Step::RemoveUser => machine::remove_user(),
            Step::Systemctl(args) => machine::run("systemctl", args),
        }
    }
}

fn removed(attempt: &'static str, path: &Path, outcome: io::Result<()>) -> Result<(), InstallError> {
    absent_is_done(outcome).map_err(|fault| failed(attempt, path, fault))
}

/// Makes the folders above a path that are missing, such as `/usr/local/bin` below another root.
fn parent(path: &Path) -> Result<(), InstallError> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(|fault| failed("make the folder", parent, fault))
}

/// Gives a file or folder its owner first: permissions for a group are for the right one.
fn own(path: &Path, mode: u32, owner: Owner, owners: Owners) -> Result<(), InstallError> {
    if owners == Owners::OfThisMachine {
        let (user, group) = match owner {
            Owner::Root => (0, 0),
            Owner::ReadByService => (0, ids()?.group),
            Owner::Service => (ids()?.user, ids()?.group),
        };
        chown(path, Some(user), Some(group)).map_err(|fault| failed("give away", path, fault))?;
    }
    let permissions = Permissions::from_mode(mode);
    fs::set_permissions(path, permissions).map_err(|fault| failed("set the permissions of", path, fault))
}

fn ids() -> Result<Ids, InstallError> {
    match machine::account()? {
        Account::There(ids) => Ok(ids),
        Account::Missing | Account::WithoutGroup => Err(InstallError::NoAccount),
    }
}

/// Returns where a file is made before it gets its name: beside it, so that a rename is enough.
/// What a kill leaves there the next run overwrites.
fn aside(path: &Path) -> PathBuf {
    path.with_file_name(format!(".{}.new", path.file_name().unwrap_or_default().display()))
}

/// Gives what was made aside its name, on disk too.
fn appear(aside: &Path, path: &Path) -> Result<(), InstallError> {
    let parent = path.parent().unwrap_or(path);
    fs::rename(aside, path)
        .and_then(|()| sync_dir(parent))
        .map_err(|fault| failed("put in place", path, fault))
}

fn write(path: &Path, bytes: &[u8], mode: u32, owner: Owner, owners: Owners) -> Result<(), InstallError> {
    parent(path)?;
    let aside = aside(path);
    let written = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    let outcome = written()
        .map_err(|fault| failed("write", path, fault))
        .and_then(|()| own(&aside, mode, owner, owners))
        .and_then(|()| appear(&aside, path));
    if outcome.is_err() {
        // The first fault is the one to tell.
        _ = fs::remove_file(&aside);
    }
    outcome
}

fn copy(from: &Path, to: &Path, at: UnixNanos, owners: Owners) -> Result<(), InstallError> {
    let aside = to.with_file_name(UNFINISHED);
    removed("remove the folder", &aside, fs::remove_dir_all(&aside))?;
    fs::create_dir(&aside).map_err(|fault| failed("make the folder", &aside, fault))?;
    let binary = aside.join(BINARY);
    let copied = || -> io::Result<()> {
        let mut source = fs::File::open(from)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o700).open(&binary)?;
        io::copy(&mut source, &mut file)?;
        file.sync_all()
    };
    let outcome = copied()
        .map_err(|fault| failed("copy this program to", to, fault))
        .and_then(|()| describe(&aside, to, at))
        .and_then(|()| own(&binary, 0o755, Owner::Root, owners))
        .and_then(|()| own(&aside, 0o755, Owner::Root, owners))
        .and_then(|()| appear(&aside, to));
    if outcome.is_err() {
        // A full disk is to have its room back; the first fault is the one to tell.
        _ = fs::remove_dir_all(&aside);
    }
    outcome
}

/// What `vitrine release` knows a release by.
fn describe(dir: &Path, to: &Path, at: UnixNanos) -> Result<(), InstallError> {
    let id = to.file_name().unwrap_or_default().to_string_lossy();
    let binary = dir.join(BINARY);
    let sum = shelf::checksum(&binary).map_err(|fault| failed("read", &binary, fault))?;
    let home = to.parent().and_then(Path::parent).unwrap_or(to);
    let version = crate::release::current().version;
    Shelf::at(home).describe(dir, &id, version, sum, at)?;
    Ok(())
}

/// There is no moment without the link.
fn link(path: &Path, target: &Path) -> Result<(), InstallError> {
    parent(path)?;
    let aside = aside(path);
    removed("remove", &aside, fs::remove_file(&aside))?;
    symlink(target, &aside).map_err(|fault| failed("link", path, fault))?;
    appear(&aside, path)
}
