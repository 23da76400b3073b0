//! The salt of a day: drawn at its beginning, destroyed at its end, the same for every process that
//! serves on one data directory.
//!
//! It lies in a file of that directory, readable by its owner alone, so that a restart and a
//! hand-over count nobody twice. Whoever needs the salt of a day takes a lock on the file and finds
//! it there, or draws it and writes it over the one of the day before, in the same place: of two
//! processes at midnight one draws and both have the same. A file that is damaged, or of another
//! day, is written over. While nothing runs at a day's end the old salt lies there until the next
//! start, which destroys it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::day::Day;

/// The file's name inside the data directory.
const FILE_NAME: &str = "visitors-salt.json";

/// The layout of the file that this version writes and reads.
const FILE_VERSION: u32 = 1;

/// A longer file is none of ours.
const FILE_MAX_BYTES: u64 = 1_024;

/// Another process holds the lock for as long as it takes to write a line, so half a second is
/// long; after it the salt is this process's own.
const LOCK_ATTEMPTS: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// What is hashed with an address; 256 bits, as many as the hash has.
pub type Salt = [u8; 32];

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    day: Day,
    salt: String,
}

/// The salt of the day, as a process holds it.
pub struct Salts {
    path: PathBuf,
    held: Option<(Day, Salt)>,
}

impl Salts {
    /// Holds no salt yet.
    pub fn new(data: &Path) -> Self {
        Salts { path: data.join(FILE_NAME), held: None }
    }

    /// Destroys the salt of a day before this one, which a process that has ended left.
    pub fn forget_before(&mut self, day: Day) {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        if serde_json::from_str(&text).is_ok_and(|stored: Stored| stored.day < day) {
            self.of(day);
        }
    }

    /// Returns the salt of a day, or that of the day that is when the day is over: its own is gone.
    pub fn of_or_after(&mut self, day: Day) -> Salt {
        match self.held {
            Some((held, salt)) if held >= day => salt,
            _ => self.of(day),
        }
    }

    /// Returns the salt of a day; that of any other day is gone afterwards. Waits for the disk at
    /// a day's first call.
    pub fn of(&mut self, day: Day) -> Salt {
        if let Some((held, salt)) = self.held
            && held == day
        {
            return salt;
        }
        let salt = take(&self.path, day).unwrap_or_else(|fault| {
            tracing::warn!(
                "keep the day's salt in {}: {fault}: who comes again after a restart counts twice today",
                self.path.display()
            );
            rand::random()
        });
        self.held = Some((day, salt));
        salt
    }
}

/// Reads the salt of a day from the file, or draws it and writes it over what is there.
fn take(path: &Path, day: Day) -> io::Result<Salt> {
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    lock(&file)?;
    let mut text = String::new();
    // What is no text is no salt either, and is written over.
    let read = (&mut file).take(FILE_MAX_BYTES).read_to_string(&mut text);
    if let Some(salt) = read.ok().and_then(|_| parse(&text, day)) {
        return Ok(salt);
    }
    let salt: Salt = rand::random();
    let stored = Stored { version: FILE_VERSION, day, salt: hex::encode(salt) };
    let text = serde_json::to_string(&stored)?;
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)?;
    file.sync_all()?;
    Ok(salt)
}

fn lock(file: &File) -> io::Result<()> {
    for _ in 0..LOCK_ATTEMPTS {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(fault)) => return Err(fault),
        }
    }
    Err(io::Error::other("another process holds its lock"))
}

fn parse(text: &str, day: Day) -> Option<Salt> {
    let stored: Stored = serde_json::from_str(text).ok()?;
    let is_right = stored.version == FILE_VERSION && stored.day == day;
    let mut salt = Salt::default();
    hex::decode_to_slice(&stored.salt, &mut salt).ok().filter(|()| is_right).map(|()| salt)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const TODAY: Day = Day(20_000);
    const TOMORROW: Day = Day(20_001);

    #[test]
    fn two_processes_and_a_restart_have_the_same_salt_for_a_day() {
        let dir = tempfile::tempdir().unwrap();
        let (mut one, mut other) = (Salts::new(dir.path()), Salts::new(dir.path()));
        let salt = one.of(TODAY);
        assert_eq!(other.of(TODAY), salt);
        assert_eq!(Salts::new(dir.path()).of(TODAY), salt);
        // Whoever comes to the next day first draws for both.
        let next = other.of(TOMORROW);
        assert_ne!(next, salt);
        assert_eq!(one.of(TOMORROW), next);
    }

    #[test]
    fn the_salt_of_a_day_is_gone_with_it_and_was_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        let mut salts = Salts::new(dir.path());
        let salt = hex::encode(salts.of(TODAY));
        assert!(fs::read_to_string(&path).unwrap().contains(&salt));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let next = hex::encode(salts.of(TOMORROW));
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(&next) && !text.contains(&salt), "{text}");
        // A clock that was set back finds it gone too.
        assert_ne!(hex::encode(salts.of(TODAY)), salt);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_start_destroys_what_was_left_of_another_day() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        let mut salts = Salts::new(dir.path());
        salts.forget_before(TODAY);
        assert!(!path.exists(), "nobody came yet");
        let salt = hex::encode(salts.of(TODAY));
        Salts::new(dir.path()).forget_before(TODAY);
        assert!(fs::read_to_string(&path).unwrap().contains(&salt));
        Salts::new(dir.path()).forget_before(TOMORROW);
        assert!(!fs::read_to_string(&path).unwrap().contains(&salt));
    }

    #[test]
    fn a_request_that_ended_after_midnight_does_not_bring_a_salt_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut salts = Salts::new(dir.path());
        let next = salts.of(TOMORROW);
        assert_eq!(salts.of_or_after(TODAY), next);
        assert_eq!(salts.of_or_after(TOMORROW), next);
    }

    #[test]
    fn what_is_no_salt_is_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        let text = "x".repeat(2_000);
        for damaged in ["", "{", &text, "\u{0}\u{0}", r#"{"version":2,"day":20000,"salt":"00"}"#] {
            fs::write(&path, damaged).unwrap();
            let salt = Salts::new(dir.path()).of(TODAY);
            assert_eq!(Salts::new(dir.path()).of(TODAY), salt, "{damaged:?}");
        }
    }

    #[test]
    fn without_a_disk_the_day_has_a_salt_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let mut salts = Salts::new(&dir.path().join("nowhere"));
        assert_eq!(salts.of(TODAY), salts.of(TODAY));
    }
}
