//! Releases on disk: one folder each, and a link to the one that runs.
//!
//! ```text
//! <root>/releases/<id>/vitrine        the binary
//!                      manifest.json  what it is: never changed
//!                      BAD            why it must not run again, if so
//!        current -> releases/<id>     what is started; replaced by one rename
//!        good -> releases/<id>        the last one that proved itself for a minute
//!        history.jsonl                what was tried, a line each
//!        attempt.json                 what is being tried; there only while it is
//!        lock                         held by the command that changes any of this
//! ```
//!
//! It promises that at each moment `current` leads to a whole release, whatever is killed or
//! fills the disk. It refuses to know whether one is healthy.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{BINARY, RELEASES_DIR};
use crate::clock::UnixNanos;
use crate::files::{PUBLIC, absent_is_done, sync_dir, write_durably};
use crate::record::access::cut;

const MANIFEST: &str = "manifest.json";
const BAD: &str = "BAD";
const CURRENT: &str = "current";
const GOOD: &str = "good";
const HISTORY: &str = "history.jsonl";
const ATTEMPT: &str = "attempt.json";
const LOCK: &str = "lock";

/// What is not whole yet has this in front of its name.
const UNFINISHED: &str = ".new-";

/// Kept beside the ones that are current, good, or were before: disk is the small server's too.
pub const RELEASES_KEPT: usize = 6;

/// Left free on the disk by a release: the store's reserve, and room for the small files.
const RESERVE_BYTES: u64 = 80 << 20;

/// A binary is some 20 MB; a file much larger is none.
const BINARY_MAX_BYTES: u64 = 512 << 20;

/// So much of the history is read, from its end.
const HISTORY_MAX_BYTES: u64 = 1 << 20;

/// What a release is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its folder's name: the time it was placed, and the beginning of its checksum.
    pub id: String,
    /// Counts up; releases are in this order whatever the clock said.
    pub seq: u64,
    /// What the binary says of itself.
    pub version: String,
    /// Of the binary, in hexadecimal.
    pub sha256: String,
    /// Of the binary.
    pub size_bytes: u64,
    /// When it was placed, RFC 3339.
    pub placed: String,
}

/// A release, and why it must not run again, if so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnShelf {
    /// What it is.
    pub manifest: Manifest,
    /// Why it is marked as bad.
    pub bad: Option<String>,
}

/// A line of the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When, RFC 3339.
    pub at: String,
    /// What was done: `deploy` or `rollback`.
    pub action: String,
    /// The release that was to run.
    pub release: String,
    /// The one that ran before; empty for none.
    pub previous: String,
    /// `ok`, `placed` (nothing ran), `refused`, `failed`, `stuck`, `proved` or `interrupted`.
    pub outcome: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Why it failed; empty otherwise.
    #[serde(default)]
    pub reason: String,
}

/// What a command is about to do, so that the next one can finish or undo it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// What is being done.
    pub action: String,
    /// The release that is to run.
    pub release: String,
    /// The one that ran before; empty for none.
    pub previous: String,
    /// When it began, RFC 3339.
    pub at: String,
}

/// What went wrong on the disk.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// Another command is at work.
    #[error("another release command is at work on {}: try again when it has ended", .0.display())]
    Busy(PathBuf),
    /// The file is no release.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is none of this name.
    #[error("there is no release {0:?}: `vitrine release list` names those that are there")]
    Unknown(String),
    /// The system said no.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

fn at<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> ShelfError + 'a {
    move |source| ShelfError::Io { action, path: path.to_path_buf(), source }
}

/// The folder of releases.
#[derive(Clone, Debug)]
pub struct Shelf {
    root: PathBuf,
}

/// Held while releases are changed; the system lets go when the process ends.
#[derive(Debug)]
pub struct Guard(#[expect(dead_code, reason = "it is held, not read")] File);

/// A binary that was copied and checked, and is no release yet.
#[derive(Debug)]
pub struct Staged {
    /// Where it lies now.
    pub binary: PathBuf,
    dir: PathBuf,
    sha256: String,
    size_bytes: u64,
}

impl Shelf {
    /// Takes a folder, which need not be there yet.
    pub fn at(root: &Path) -> Shelf {
        Shelf { root: root.to_path_buf() }
    }

    /// Returns the folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether this process may change anything here.
    pub fn may_change(&self) -> bool {
        let may = |path: &Path, wanted: Access| access(path, wanted).is_ok();
        let lock = self.root.join(LOCK);
        let dirs = [self.root.clone(), self.root.join(RELEASES_DIR)];
        dirs.iter().all(|dir| may(dir, Access::WRITE_OK | Access::EXEC_OK))
            && (!lock.exists() || may(&lock, Access::WRITE_OK))
    }

    /// Lets no other command change anything; sweeps what one left that was killed.
    pub fn lock(&self) -> Result<Guard, ShelfError> {
        let releases = self.root.join(RELEASES_DIR);
        make(&self.root)?;
        make(&releases)?;
        let path = self.root.join(LOCK);
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|fault| refused(fault, "lock", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ShelfError::Busy(self.root.clone())),
            Err(TryLockError::Error(source)) => return Err(at("lock", &path)(source)),
        }
        for entry in fs::read_dir(&releases).map_err(at("read", &releases))? {
            let path = entry.map_err(at("read", &releases))?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(UNFINISHED)) {
                fs::remove_dir_all(&path).map_err(at("remove", &path))?;
            }
        }
        Ok(Guard(file))
    }

    /// Copies a binary to where releases lie, and checks that it arrived as it should be.
    pub fn stage(&self, file: &Path, sha256: Option<&str>) -> Result<Staged, ShelfError> {
        let fault = |reason: String| ShelfError::File { path: file.to_path_buf(), reason };
        let mut from = File::open(file).map_err(at("read", file))?;
        let metadata = from.metadata().map_err(at("read", file))?;
        if !metadata.is_file() || metadata.len() == 0 || metadata.len() > BINARY_MAX_BYTES {
            return Err(fault(format!(
                "not a binary: a file of 1 byte to {} MiB is",
                BINARY_MAX_BYTES >> 20
            )));
        }
        let free =
            rustix::fs::statvfs(&self.root).map_err(io::Error::from).map_err(at("measure", &self.root))?;
        let (free, needed) = (free.f_bavail * free.f_frsize, metadata.len() + RESERVE_BYTES);
        if free < needed {
            let (free, needed) = (free >> 20, needed >> 20);
            let root = self.root.display();
            return Err(fault(format!(
                "{free} MiB are free in {root} and {needed} are needed: nothing was changed"
            )));
        }
        let dir = self.root.join(RELEASES_DIR).join(format!("{UNFINISHED}{}", std::process::id()));
        fs::create_dir(&dir).map_err(at("create", &dir))?;
        let binary = dir.join(BINARY);
        let staged = copy(&mut from, &binary).map_err(at("write", &binary)).and_then(
            |(found, size_bytes)| match sha256.filter(|wanted| !wanted.eq_ignore_ascii_case(&found)) {
                Some(wanted) => Err(fault(format!("its sha256 is {found} and should be {wanted}"))),
                None => Ok(Staged { binary, dir: dir.clone(), sha256: found, size_bytes }),
            },
        );
        staged.inspect_err(|_| _ = fs::remove_dir_all(&dir))
    }

    /// Makes a release of what was staged.
    pub fn place(&self, staged: Staged, version: &str, now: UnixNanos) -> Result<Manifest, ShelfError> {
        let stem = id_of(now, &staged.sha256);
        let is_free = |id: &String| !self.folder(id).exists();
        let more = (2..).map(|n| format!("{stem}-{n}"));
        let id = std::iter::once(stem.clone()).chain(more).find(is_free).expect("numbers do not end");
        let Staged { dir, sha256, size_bytes, .. } = staged;
        let manifest = self.describe(&dir, &id, version, (sha256, size_bytes), now)?;
        let to = self.folder(&id);
        fs::rename(&dir, &to).map_err(at("name", &to))?;
        sync(&self.root.join(RELEASES_DIR))?;
        Ok(manifest)
    }

    /// Writes into a folder with a binary, which is about to be named `id`, what it is.
    pub fn describe(
        &self,
        dir: &Path,
        id: &str,
        version: &str,
        (sha256, size_bytes): (String, u64),
        now: UnixNanos,
    ) -> Result<Manifest, ShelfError> {
        let seq = self.releases()?.last().map_or(0, |last| last.manifest.seq) + 1;
        let placed = rfc3339(now);
        let manifest = Manifest { id: id.into(), seq, version: version.into(), sha256, size_bytes, placed };
        write_whole(&dir.join(MANIFEST), &pretty(&manifest))?;
        Ok(manifest)
    }

    /// Removes what was staged and shall not be a release.
    pub fn discard(&self, staged: &Staged) {
        // What stays is swept by the next command.
        _ = fs::remove_dir_all(&staged.dir);
    }

    /// Returns all releases, the newest last; folders that are none are left out.
    pub fn releases(&self) -> Result<Vec<OnShelf>, ShelfError> {
        let dir = self.root.join(RELEASES_DIR);
        let entries = match fs::read_dir(&dir) {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(at("read", &dir))?,
        };
        let mut res = Vec::new();
        for entry in entries {
            let id = entry.map_err(at("read", &dir))?.file_name().to_string_lossy().into_owned();
            res.extend(self.release(&id).ok());
        }
        res.sort_by_key(|release| release.manifest.seq);
        Ok(res)
    }

    /// Returns a release.
    pub fn release(&self, id: &str) -> Result<OnShelf, ShelfError> {
        let dir = self.folder(id);
        if id.is_empty() || id.contains('/') || id.starts_with('.') {
            return Err(ShelfError::Unknown(id.into()));
        }
        let text = fs::read_to_string(dir.join(MANIFEST)).map_err(|_| ShelfError::Unknown(id.into()))?;
        let manifest: Manifest = serde_json::from_str(&text).map_err(|fault| ShelfError::File {
            path: dir.join(MANIFEST),
            reason: format!("not a manifest: {fault}"),
        })?;
        if manifest.id != id {
            return Err(ShelfError::File {
                path: dir,
                reason: format!("it is release {} by its manifest", manifest.id),
            });
        }
        let bad = fs::read_to_string(dir.join(BAD)).ok().map(|reason| reason.trim().to_string());
        Ok(OnShelf { manifest, bad })
    }

    /// Checks that a release's binary is still the one that was placed.
    pub fn verify(&self, manifest: &Manifest) -> Result<PathBuf, ShelfError> {
        let path = self.folder(&manifest.id).join(BINARY);
        let (found, _) = checksum(&path).map_err(at("read", &path))?;
        if found != manifest.sha256 {
            let reason =
                format!("it was changed by hand since it was placed (sha256 {found}): deploy it anew");
            return Err(ShelfError::File { path, reason });
        }
        Ok(path)
    }

    /// Returns the release that is started; none when the link is missing or leads nowhere.
    pub fn current(&self) -> Option<String> {
        self.target(CURRENT)
    }

    /// Returns the last release that proved itself.
    pub fn good(&self) -> Option<String> {
        self.target(GOOD)
    }

    fn target(&self, link: &str) -> Option<String> {
        let target = fs::read_link(self.root.join(link)).ok()?;
        let id = target.file_name()?.to_string_lossy().into_owned();
        self.release(&id).is_ok().then_some(id)
    }

    /// Makes a release the one that is started.
    pub fn switch(&self, id: &str) -> Result<(), ShelfError> {
        self.lead(CURRENT, &self.target_of(id))
    }

    /// Notes that a release has proved itself.
    pub fn set_good(&self, id: &str) -> Result<(), ShelfError> {
        self.lead(GOOD, &self.target_of(id))
    }

    /// Returns what `current` leads to, whatever that is.
    pub fn link(&self) -> Option<PathBuf> {
        fs::read_link(self.root.join(CURRENT)).ok()
    }

    /// Returns what `current` leads to when a release is it.
    pub fn target_of(&self, id: &str) -> PathBuf {
        Path::new(RELEASES_DIR).join(id)
    }

    /// Makes `current` lead to what it led to before, or removes it.
    pub fn restore(&self, target: Option<&Path>) -> Result<(), ShelfError> {
        let Some(target) = target else {
            let link = self.root.join(CURRENT);
            return absent_is_done(fs::remove_file(&link)).map_err(at("remove", &link));
        };
        self.lead(CURRENT, target)
    }

    fn lead(&self, name: &str, target: &Path) -> Result<(), ShelfError> {
        let (link, beside) = (self.root.join(name), self.root.join(format!("{UNFINISHED}{name}")));
        // One that a killed command left.
        _ = fs::remove_file(&beside);
        symlink(target, &beside).map_err(at("link", &beside))?;
        fs::rename(&beside, &link).map_err(at("link", &link))?;
        sync(&self.root)
    }

    /// Marks a release, so that no roll-back chooses it.
    pub fn mark_bad(&self, id: &str, reason: &str) -> Result<(), ShelfError> {
        write_whole(&self.folder(id).join(BAD), format!("{reason}\n").as_bytes())
    }

    /// Takes the mark off a release that has proved itself after all.
    pub fn clear_bad(&self, id: &str) -> Result<(), ShelfError> {
        let path = self.folder(id).join(BAD);
        absent_is_done(fs::remove_file(&path)).map_err(at("remove", &path))
    }

    /// Removes the oldest releases beyond [`RELEASES_KEPT`], none of `kept` and none that a link
    /// leads to.
    pub fn prune(&self, kept: &[&str]) -> Result<(), ShelfError> {
        let links = [self.current(), self.good()];
        let is_needed = |id: &str| kept.contains(&id) || links.iter().flatten().any(|known| known == id);
        let releases = self.releases()?;
        let n_too_many = releases.len().saturating_sub(RELEASES_KEPT);
        let old = releases.iter().filter(|release| !is_needed(&release.manifest.id)).take(n_too_many);
        for OnShelf { manifest, .. } in old {
            let dir = self.folder(&manifest.id);
            fs::remove_dir_all(&dir).map_err(at("remove", &dir))?;
        }
        Ok(())
    }

    /// Adds a line to the history.
    pub fn note(&self, event: &Event) -> Result<(), ShelfError> {
        let path = self.root.join(HISTORY);
        let mut line = serde_json::to_string(event).expect("texts and numbers become JSON");
        line.push('\n');
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let written =
            file.and_then(|mut file| file.write_all(line.as_bytes()).and_then(|()| file.sync_all()));
        written.map_err(at("write", &path))
    }

    /// Returns the history, the latest last; lines that are none are left out.
    pub fn history(&self) -> Vec<Event> {
        let mut text = String::new();
        if let Ok(mut file) = File::open(self.root.join(HISTORY)) {
            let size = file.metadata().map_or(0, |metadata| metadata.len());
            // A file that is no text has no lines of ours.
            _ = file
                .seek(SeekFrom::Start(size.saturating_sub(HISTORY_MAX_BYTES)))
                .and_then(|_| file.read_to_string(&mut text));
        }
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Writes down what is about to be done.
    pub fn begin(&self, attempt: &Attempt) -> Result<(), ShelfError> {
        write_whole(&self.root.join(ATTEMPT), &pretty(attempt))
    }

    /// Returns what an earlier command was about to do and did not end.
    pub fn unfinished(&self) -> Option<Attempt> {
        serde_json::from_slice(&fs::read(self.root.join(ATTEMPT)).ok()?).ok()
    }

    /// Notes that what was begun has ended.
    pub fn end(&self) -> Result<(), ShelfError> {
        let path = self.root.join(ATTEMPT);
        absent_is_done(fs::remove_file(&path)).map_err(at("remove", &path))
    }

    fn folder(&self, id: &str) -> PathBuf {
        self.root.join(RELEASES_DIR).join(id)
    }
}

/// Returns the name of a release: when it was placed in UTC, and the beginning of its checksum.
pub fn id_of(now: UnixNanos, sha256: &str) -> String {
    format!("{}-{}", utc(now).strftime("%Y-%m-%dT%H%MZ"), digits(sha256))
}

/// Returns a time as it stands in manifests and in the history.
pub fn rfc3339(at: UnixNanos) -> String {
    utc(at).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn utc(at: UnixNanos) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(i128::from(at.0)).unwrap_or_default()
}

/// Returns as much of a checksum as a name has.
pub fn digits(sha256: &str) -> &str {
    cut(sha256, 7)
}

/// Returns the checksum of a file in hexadecimal, and its size in bytes.
pub fn checksum(path: &Path) -> io::Result<(String, u64)> {
    let mut hash = Sha256::new();
    let n_bytes = io::copy(&mut File::open(path)?, &mut hash)?;
    Ok((hex::encode(hash.finalize()), n_bytes))
}

// Whoever serves is another user, and must get through whatever the umask says.
fn make(dir: &Path) -> Result<(), ShelfError> {
    if dir.is_dir() {
        return Ok(());
    }
    let made = fs::create_dir_all(dir);
    made.and_then(|()| fs::set_permissions(dir, fs::Permissions::from_mode(0o755)))
        .map_err(|fault| refused(fault, "create", dir))
}

fn refused(fault: io::Error, action: &'static str, path: &Path) -> ShelfError {
    if fault.kind() == io::ErrorKind::PermissionDenied {
        let reason =
            format!("{action} it: {fault}: run this as root, or set `release.root` to a folder of yours");
        return ShelfError::File { path: path.to_path_buf(), reason };
    }
    at(action, path)(fault)
}

fn copy(from: &mut File, to: &Path) -> io::Result<(String, u64)> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(to)?;
    let (mut hash, mut n_bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = from.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        hash.update(&buffer[..n]);
        file.write_all(&buffer[..n])?;
        n_bytes += n as u64;
    }
    // Whoever serves may be another user than whoever ships.
    file.set_permissions(fs::Permissions::from_mode(0o755))?;
    file.sync_all()?;
    if let Some(dir) = to.parent() {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
    }
    Ok((hex::encode(hash.finalize()), n_bytes))
}

fn pretty(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("texts and numbers become JSON");
    text.push(b'\n');
    text
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), ShelfError> {
    write_durably(path, bytes, PUBLIC).map_err(at("write", path))
}

fn sync(dir: &Path) -> Result<(), ShelfError> {
    sync_dir(dir).map_err(at("sync", dir))
}
