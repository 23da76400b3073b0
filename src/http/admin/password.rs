//! The one admin password: its hash, its file, and how a first one is made.
//!
//! The password itself is never kept. The file is written as a whole, readable by its
//! owner alone, and may be replaced while the server runs.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};

use crate::http::secret_file;

/// The file's name inside the data directory.
pub const FILE_NAME: &str = "admin.json";

/// The layout of the file that this version writes and reads.
const FILE_VERSION: u32 = 1;

/// Shorter passwords are refused: the login is open to the internet.
pub const LENGTH_MIN: usize = 8;

/// Longer ones are refused: hashing reads them whole.
pub const LENGTH_MAX: usize = 1_024;

/// OWASP's advice for argon2id: 19 MiB, two passes, one lane. One verification at a time
/// keeps that inside the memory budget.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;

/// Letters and digits that cannot be mistaken for one another; 32 of them, 5 bits each.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Five groups of four: 100 bits, more than anyone can guess, few enough to type once.
const GROUPS: usize = 5;
const GROUP_LENGTH: usize = 4;

/// Why the password could not be read, written or taken.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Outside [`LENGTH_MIN`] to [`LENGTH_MAX`] bytes.
    #[error("admin password has {length} bytes, between {LENGTH_MIN} and {LENGTH_MAX} are accepted")]
    Length {
        /// The length that it has.
        length: usize,
    },
    /// The file could not be read or written.
    #[error("{attempt} {}: {cause}", path.display())]
    File {
        /// What was attempted.
        attempt: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said; part of the message, so not a source of its own.
        cause: io::Error,
    },
    /// The file holds something else than a hash.
    #[error("read {}: {problem}; run `vitrine password` to write it anew", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The password comes from the environment, so a file would not be read.
    #[error("the admin password comes from VITRINE_ADMIN_PASSWORD; change it there and restart")]
    FromEnvironment,
    /// The second factor is there and cannot be read.
    #[error("{0}")]
    SecondFactor(#[from] super::second_factor::UnreadableSecondFactor),
    /// The process stops and reads no more files.
    #[error("vitrine is stopping")]
    Stopping,
}

/// A password made at first start, to be printed once.
///
/// It does not appear in debug output, so it cannot be logged by accident.
pub struct GeneratedPassword(String);

impl GeneratedPassword {
    /// Draws a new one.
    pub fn draw() -> Self {
        let group = || {
            let letters: [u8; GROUP_LENGTH] = rand::random();
            letters.map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()])).iter().collect()
        };
        let groups: Vec<String> = (0..GROUPS).map(|_| group()).collect();
        GeneratedPassword(groups.join("-"))
    }

    /// Returns the password, for the terminal.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for GeneratedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GeneratedPassword(…)")
    }
}

/// Says whether a password may be one; costs no hash.
pub(super) fn check(password: &str) -> Result<(), PasswordError> {
    let length = password.len();
    if (LENGTH_MIN..=LENGTH_MAX).contains(&length) { Ok(()) } else { Err(PasswordError::Length { length }) }
}

/// A password's argon2id hash as a PHC string; not shown in debug output either.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Hash(String);

impl Hash {
    /// Hashes a password; takes tens of milliseconds and 19 MiB.
    pub(super) fn of(password: &str) -> Result<Hash, PasswordError> {
        check(password)?;
        let params = Params::new(MEMORY_KIB, PASSES, 1, None).expect("constant parameters are valid");
        let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>()).expect("16 bytes are a valid salt");
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hash =
            argon2.hash_password(password.as_bytes(), &salt).expect("a bounded password can be hashed");
        Ok(Hash(hash.to_string()))
    }

    /// Returns true for the password that was hashed; takes as long as hashing.
    pub(super) fn verify(&self, password: &str) -> bool {
        let hash = PasswordHash::new(&self.0).expect("checked when it was read");
        password.len() <= LENGTH_MAX && Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    password: String,
}

/// What tells one content of the file from the next without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    inode: u64,
    modified: (i64, i64),
    size: u64,
}

/// The password file of a data directory.
#[derive(Clone, Debug)]
pub(super) struct PasswordFile(PathBuf);

impl PasswordFile {
    pub(super) fn in_dir(dir: &Path) -> Self {
        PasswordFile(dir.join(FILE_NAME))
    }

    /// Returns the file's mark, none when there is no file.
    pub(super) fn mark(&self) -> Result<Option<Mark>, PasswordError> {
        match fs::metadata(&self.0) {
            Ok(meta) => {
                let modified = (meta.mtime(), meta.mtime_nsec());
                Ok(Some(Mark { inode: meta.ino(), modified, size: meta.size() }))
            }
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(self.error("look at", cause)),
        }
    }

    /// Reads the hash, none when there is no file.
    pub(super) fn read(&self) -> Result<Option<Hash>, PasswordError> {
        let text = match fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(self.error("read", cause)),
        };
        let malformed = |problem: String| PasswordError::Malformed { path: self.0.clone(), problem };
        let stored: Stored = serde_json::from_str(&text).map_err(|err| malformed(err.to_string()))?;
        if stored.version != FILE_VERSION {
            return Err(malformed(format!("version {} is not {FILE_VERSION}", stored.version)));
        }
        PasswordHash::new(&stored.password).map_err(|err| malformed(format!("password hash: {err}")))?;
        Ok(Some(Hash(stored.password)))
    }

    /// Writes the hash aside and moves it into place, so a reader sees all or nothing.
    pub(super) fn write(&self, hash: &Hash) -> Result<(), PasswordError> {
        let stored = Stored { version: FILE_VERSION, password: hash.0.clone() };
        let text = serde_json::to_string_pretty(&stored).expect("two plain fields can be written as JSON");
        secret_file::write(&self.0, &text).map_err(|cause| self.error("write", cause))
    }

    fn error(&self, attempt: &'static str, cause: io::Error) -> PasswordError {
        PasswordError::File { attempt, path: self.0.clone(), cause }
    }

    /// Returns the error of a file that must be there and is not.
    pub(super) fn missing(&self) -> PasswordError {
        PasswordError::Malformed { path: self.0.clone(), problem: "there is no such file".into() }
    }
}

/// Sets the admin password of a data directory. A running server takes it up when it is
/// told, else at the first request that is a second later, and ends all sessions.
pub fn set(dir: &Path, password: &str) -> Result<(), PasswordError> {
    PasswordFile::in_dir(dir).write(&Hash::of(password)?)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn password_file_is_the_owners_alone_and_holds_no_password() {
        let dir = tempfile::tempdir().unwrap();
        set(dir.path(), "correct horse").unwrap();
        let path = dir.path().join(FILE_NAME);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("$argon2id$") && !text.contains("correct horse"));
        let hash = PasswordFile::in_dir(dir.path()).read().unwrap().unwrap();
        assert!(hash.verify("correct horse") && !hash.verify("correct horsf"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn password_file_belongs_to_the_owner_of_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        let is_root = std::os::unix::fs::chown(dir.path(), Some(12_345), Some(12_346)).is_ok();
        if !is_root {
            eprintln!("only root can give the directory away: checked with our own");
        }
        set(dir.path(), "correct horse").unwrap();
        let owner = fs::metadata(dir.path()).unwrap();
        let file = fs::metadata(dir.path().join(FILE_NAME)).unwrap();
        assert_eq!((file.uid(), file.gid()), (owner.uid(), owner.gid()));
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_cause_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let err = set(&dir.path().join("absent"), "correct horse").unwrap_err();
        let text = format!("{:#}", anyhow::Error::from(err));
        assert_eq!(text.matches("No such file").count(), 1, "{text}");
    }

    #[test]
    fn weak_and_endless_passwords_are_refused() {
        for password in ["", "1234567", &"x".repeat(LENGTH_MAX + 1)] {
            assert!(matches!(Hash::of(password), Err(PasswordError::Length { .. })));
        }
    }

    #[test]
    fn malformed_file_is_named_with_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "{", r#"{"version":2,"password":"x"}"#, r#"{"version":1,"password":"x"}"#] {
            fs::write(dir.path().join(FILE_NAME), text).unwrap();
            let err = PasswordFile::in_dir(dir.path()).read().err().unwrap().to_string();
            assert!(err.contains(FILE_NAME) && err.contains("vitrine password"), "{err}");
        }
    }

    #[test]
    fn generated_passwords_differ_and_hide() {
        let drawn: Vec<GeneratedPassword> = (0..50).map(|_| GeneratedPassword::draw()).collect();
        let texts: HashSet<&str> = drawn.iter().map(GeneratedPassword::reveal).collect();
        assert_eq!(texts.len(), 50);
        assert_eq!(drawn[0].reveal().len(), 24);
        assert!(!format!("{:?}", drawn[0]).contains(drawn[0].reveal()));
    }
}
