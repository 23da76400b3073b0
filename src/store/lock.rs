//! One process per data directory, or two for the moment of a hand-over; and the number of
//! each start.
//!
//! The holder's pid and generation stand in the lock file. A successor that carries the token
//! which its predecessor offered takes a place of its own beside it: each then writes
//! partitions of its own generation, and neither touches what the other has open. Once the
//! predecessor is gone the successor takes its lock over. Anybody else is refused.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::disk::db::{LOCKED_PAUSE, LOCKED_RETRIES};
use super::disk::partition::{Kind, Name};
use super::error::OpenError;
use crate::files::sync_dir;

const LOCK: &str = "lock";
const LOCK_NEXT: &str = "lock.next";
const OFFER: &str = "offer";
const GENERATIONS: &str = "generations";

/// What a predecessor gives to its successor: 128 random bits in hexadecimal.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Draws a token.
    pub fn draw() -> Token {
        Token(hex::encode(rand::random::<[u8; 16]>()))
    }

    /// Takes a token from its text, as a successor gets it.
    pub fn from_text(text: &str) -> Token {
        Token(text.trim().to_string())
    }

    /// Returns its text.
    pub fn as_text(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Held as long as the writer lives; the system releases it when the process ends.
#[derive(Debug)]
pub struct Lock {
    dir: PathBuf,
    main: File,
    /// The place beside a predecessor, while that lives.
    next: Option<Beside>,
}

#[derive(Debug)]
struct Beside {
    _file: File,
    generation: u32,
}

/// Who holds a lock file, as it says.
#[derive(Clone, Copy, Default)]
struct Holder {
    pid: u32,
    generation: u32,
}

impl Lock {
    /// Takes the lock, or a place beside its holder when `token` is what that offered; else
    /// names the process that has it.
    pub fn take(dir: &Path, token: Option<&Token>) -> Result<Lock, OpenError> {
        let main = open(dir, LOCK)?;
        // A successor does not wait for a lock that is not about to be free.
        let res = if token.is_some() { main.try_lock() } else { try_patiently(&main) };
        if is_taken(res, dir, LOCK)? {
            // What a process offered that is gone is nobody's any more.
            withdraw(dir).map_err(|source| OpenError::from_io("withdraw the offer in", dir, source))?;
            return Ok(Lock { dir: dir.to_path_buf(), main, next: None });
        }
        let holder = holder(&main);
        if token.is_none_or(|token| !is_offered(dir, token)) {
            return Err(OpenError::Locked { path: dir.to_path_buf(), pid: holder.pid });
        }
        let next = open(dir, LOCK_NEXT)?;
        if !is_taken(try_patiently(&next), dir, LOCK_NEXT)? {
            let pid = self::holder(&next).pid;
            return Err(OpenError::Locked { path: dir.to_path_buf(), pid });
        }
        let next = Some(Beside { _file: next, generation: holder.generation });
        Ok(Lock { dir: dir.to_path_buf(), main, next })
    }

    /// Returns the generation of a predecessor that still writes.
    pub fn predecessor(&self) -> Option<u32> {
        self.next.as_ref().map(|next| next.generation)
    }

    /// Writes our pid and generation into the lock.
    pub fn sign(&mut self, generation: u32) -> Result<(), OpenError> {
        let text = format!("{} {generation}\n", std::process::id());
        let file = match &mut self.next {
            Some(next) => &mut next._file,
            None => &mut self.main,
        };
        let res = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(text.as_bytes()));
        res.map_err(|source| OpenError::from_io("sign the lock of", &self.dir, source))
    }

    /// Takes the lock of a predecessor that is gone; returns false while it lives.
    pub fn take_over(&mut self, generation: u32) -> Result<bool, OpenError> {
        if self.next.is_none() || !is_taken(self.main.try_lock(), &self.dir, LOCK)? {
            return Ok(false);
        }
        self.next = None;
        self.sign(generation)?;
        Ok(true)
    }
}

fn open(dir: &Path, name: &str) -> Result<File, OpenError> {
    let path = dir.join(name);
    let res = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    res.map_err(|source| OpenError::from_io("lock", &path, source))
}

fn is_taken(res: Result<(), TryLockError>, dir: &Path, name: &str) -> Result<bool, OpenError> {
    match res {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(source)) => Err(OpenError::from_io("lock", &dir.join(name), source)),
    }
}

// The holder may be between taking the lock and signing it: then both are 0.
fn holder(mut file: &File) -> Holder {
    let mut text = String::new();
    if file.rewind().and_then(|()| file.read_to_string(&mut text)).is_err() {
        return Holder::default();
    }
    let mut words = text.split_whitespace().map(|word| word.parse().unwrap_or(0));
    Holder { pid: words.next().unwrap_or(0), generation: words.next().unwrap_or(0) }
}

/// Offers the place beside us to whoever carries the token.
pub fn offer(dir: &Path, token: &Token) -> io::Result<()> {
    let path = dir.join(OFFER);
    withdraw(dir)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(token.0.as_bytes())
}

/// Takes an offer back; without one, nothing happens.
pub fn withdraw(dir: &Path) -> io::Result<()> {
    match fs::remove_file(dir.join(OFFER)) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err),
        _ => Ok(()),
    }
}

fn is_offered(dir: &Path, token: &Token) -> bool {
    use subtle::ConstantTimeEq;
    let offered = fs::read(dir.join(OFFER)).unwrap_or_default();
    !offered.is_empty() && bool::from(offered.ct_eq(token.0.as_bytes()))
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

    fn take(dir: &Path, generation: u32) -> Lock {
        let mut lock = Lock::take(dir, None).unwrap();
        lock.sign(generation).unwrap();
        lock
    }

    #[test]
    fn second_holder_is_told_the_pid_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let held = take(dir.path(), 1);
        let err = Lock::take(dir.path(), None).unwrap_err();
        assert!(matches!(err, OpenError::Locked { pid, .. } if pid == std::process::id()), "{err}");
        drop(held);
        take(dir.path(), 2);
    }

    #[test]
    fn only_the_offered_token_opens_the_one_place_beside_the_holder() {
        let dir = tempfile::tempdir().unwrap();
        let held = take(dir.path(), 7);
        let token = Token::draw();
        let refused =
            |token: &Token| matches!(Lock::take(dir.path(), Some(token)), Err(OpenError::Locked { .. }));
        assert!(refused(&token) && refused(&Token::from_text("")), "nothing is offered yet");
        offer(dir.path(), &token).unwrap();
        assert!(refused(&Token::draw()));
        let mut beside = Lock::take(dir.path(), Some(&token)).unwrap();
        assert_eq!(beside.predecessor(), Some(7));
        assert!(refused(&token), "the place is taken");
        assert!(!beside.take_over(8).unwrap());
        drop(held);
        assert!(beside.take_over(8).unwrap());
        assert_eq!(beside.predecessor(), None);
        let err = Lock::take(dir.path(), None).unwrap_err();
        assert!(matches!(err, OpenError::Locked { pid, .. } if pid == std::process::id()), "{err}");
        withdraw(dir.path()).unwrap();
        withdraw(dir.path()).unwrap();
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
