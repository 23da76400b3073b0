//! One process per data directory, and the number of its start.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use super::db::{LOCKED_PAUSE, LOCKED_RETRIES};
use super::error::OpenError;
use super::partition::{Kind, Name, sync_dir};

const LOCK: &str = "lock";
const GENERATIONS: &str = "generations";

/// Held as long as the writer lives; the system releases it when the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock and writes our pid into it, or names the process that has it.
    pub fn take(dir: &Path) -> Result<Lock, OpenError> {
        let path = dir.join(LOCK);
        let io_error = |source| OpenError::from_io("lock", &path, source);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io_error)?;
        match try_patiently(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                file.read_to_string(&mut text).map_err(io_error)?;
                // The holder may be between taking the lock and writing its pid: then 0.
                let pid = text.trim().parse().unwrap_or(0);
                return Err(OpenError::Locked { path: dir.to_path_buf(), pid });
            }
            Err(TryLockError::Error(source)) => return Err(io_error(source)),
        }
        file.set_len(0).map_err(io_error)?;
        file.rewind().map_err(io_error)?;
        writeln!(file, "{}", std::process::id()).map_err(io_error)?;
        Ok(Lock { _file: file })
    }
}

// A predecessor may be in its last moments, and a child that was just being started when it
// ended holds a copy of its lock until it runs.
fn try_patiently(file: &File) -> Result<(), TryLockError> {
    for _ in 0..LOCKED_RETRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCKED_PAUSE),
            res => return res,
        }
    }
    file.try_lock()
}

/// Claims the number of this start: one more than any seen, by an exclusive `mkdir`.
pub fn claim_generation(dir: &Path, seen: impl Iterator<Item = Name>) -> Result<u32, OpenError> {
    let root = dir.join(GENERATIONS);
    let io_error = |source| OpenError::from_io("claim a generation in", &root, source);
    fs::create_dir_all(&root).map_err(io_error)?;
    let mut claimed = Vec::new();
    for entry in fs::read_dir(&root).map_err(io_error)? {
        let name = entry.map_err(io_error)?.file_name();
        claimed.extend(name.to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    let highest = claimed.iter().copied().chain(seen.map(|name| name.generation)).max().unwrap_or(0);
    // Another process may claim at the same moment; a thousand lost races are a fault elsewhere.
    for generation in highest + 1..highest + 1_000 {
        match fs::create_dir(root.join(generation.to_string())) {
            Ok(()) => {
                sync_dir(&root).map_err(io_error)?;
                // Only the highest claim matters; one that is left over does no harm.
                for old in claimed {
                    let path = root.join(old.to_string());
                    fs::remove_dir(&path).map_err(|source| OpenError::from_io("remove", &path, source))?;
                }
                return Ok(generation);
            }
            Err(err) if err.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(err) => return Err(io_error(err)),
        }
    }
    Err(io_error(std::io::Error::other("every number is taken")))
}

/// Makes the directory and its roots.
pub fn make_roots(dir: &Path) -> Result<(), OpenError> {
    let roots = Kind::ALL.map(|kind| dir.join(kind.as_str()));
    for path in std::iter::once(dir.to_path_buf()).chain(roots) {
        fs::create_dir_all(&path).map_err(|source| OpenError::from_io("create", &path, source))?;
    }
    sync_dir(dir).map_err(|source| OpenError::from_io("sync", dir, source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixMillis;

    #[test]
    fn second_holder_is_told_the_pid_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let held = Lock::take(dir.path()).unwrap();
        let err = Lock::take(dir.path()).unwrap_err();
        assert!(matches!(err, OpenError::Locked { pid, .. } if pid == std::process::id()), "{err}");
        drop(held);
        Lock::take(dir.path()).unwrap();
    }

    #[test]
    fn generations_only_rise() {
        let dir = tempfile::tempdir().unwrap();
        let seen = Name { generation: 4, seq: 1, start: UnixMillis(0) };
        assert_eq!(claim_generation(dir.path(), [seen].into_iter()).unwrap(), 5);
        assert_eq!(claim_generation(dir.path(), std::iter::empty()).unwrap(), 6);
        assert_eq!(fs::read_dir(dir.path().join(GENERATIONS)).unwrap().count(), 1);
    }
}
