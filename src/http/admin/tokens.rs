//! Named tokens, by which programs come in without the password.
//!
//! A token is `vtr_` and 256 random bits as base64url. Its SHA-256 is kept, so that who reads
//! the file or this memory cannot come in with what is found; the bits are drawn and not
//! chosen, so a slow hash would add nothing. The list lies in the data directory. When each
//! token was last used is known to the minute and written down once an hour.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::clock::UnixMillis;
use crate::files::read_document;
use crate::http::secret_file;

/// The file's name inside the data directory.
const FILE_NAME: &str = "tokens.json";

/// The layout of the file that this version writes and reads.
const FILE_VERSION: u32 = 1;

/// Tokens at one time; each is compared with what a request brings.
pub const TOKENS_MAX: usize = 64;

/// A longer name is refused.
pub const NAME_MAX_CHARS: usize = 40;

/// A token that ends does so after at most so many days.
pub const DAYS_MAX: u64 = 3_650;

/// What every token begins with, so that it is known for one where it turns up.
const PREFIX: &str = "vtr_";

/// 256 bits as base64url without padding.
const SECRET_CHARS: usize = 43;

/// When a token was used is remembered by the minute.
const USED_STEP_SECONDS: u64 = 60;

/// And written down once an hour: a scraper comes every few seconds.
const USED_WRITTEN_EVERY_SECONDS: u64 = 3_600;

/// What a token opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Queries, `/metrics`, and what the control API tells.
    Read,
    /// Pushes.
    Write,
    /// All of that, and what the control API does.
    Admin,
}

impl Scope {
    /// All of them, the least first.
    pub const ALL: [Scope; 3] = [Scope::Read, Scope::Write, Scope::Admin];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Write => "write",
            Scope::Admin => "admin",
        }
    }

    /// Reads the word.
    pub fn from_word(word: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|scope| scope.as_str() == word)
    }

    /// Returns true when who has this scope may do what needs that one. Who writes may not
    /// read: a program that pushes has no use for it.
    pub fn allows(self, needed: Scope) -> bool {
        self == needed || self == Scope::Admin
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What may be told of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFacts {
    /// Names it to the server, 16 hexadecimal digits.
    pub id: String,
    /// What it is for, in the owner's words.
    pub name: String,
    /// What it opens.
    pub scope: Scope,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// When it ends, if it does.
    pub expires: Option<u64>,
    /// When it was last used, to the minute.
    pub used: Option<u64>,
}

/// A token that was just made. It does not appear in debug output, so it cannot be logged by
/// accident.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    fn draw() -> Self {
        Secret(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())))
    }

    /// Returns the token, for the one page that shows it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Returns true for what has the form of a token.
pub fn has_form(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|secret| {
        let is_of_it = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        secret.len() == SECRET_CHARS && secret.bytes().all(is_of_it)
    })
}

/// Why a token could not be made or revoked.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// There are enough.
    #[error("there are {TOKENS_MAX} tokens: revoke those that nobody needs")]
    TooMany,
    /// The name is none.
    #[error("a token's name has 1 to {NAME_MAX_CHARS} letters, digits, spaces and . _ -")]
    Name,
    /// Another one has the name.
    #[error("there is a token {0:?} already: revoke it, or take another name")]
    Taken(String),
    /// It would last too long, or not at all.
    #[error("a token lasts from 1 to {DAYS_MAX} days, or for ever when nothing is said")]
    Days,
    /// The scope is none.
    #[error("a token's scope is read, write or admin")]
    Scope,
    /// There is none of this id.
    #[error("there is no such token")]
    Unknown,
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
}

/// Why a token opens nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// It was never made here, or was revoked.
    #[error("there is no such token")]
    Unknown,
    /// Its time is over.
    #[error("the token {0:?} has expired")]
    Expired(String),
}

/// A token that a request brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// The token's name.
    pub name: String,
    /// What it opens.
    pub scope: Scope,
    /// Whether [`Tokens::write_used`] should be called, off the request's thread.
    pub is_due: bool,
}

/// One token in the file.
#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    id: String,
    name: String,
    scope: Scope,
    sha256: String,
    created: u64,
    expires: Option<u64>,
    used: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    tokens: Vec<Kept>,
}

/// One token in memory.
struct Held {
    kept: Kept,
    digest: [u8; 32],
    /// In seconds since 1970; 0 for never.
    used: AtomicU64,
}

impl Held {
    fn of(kept: Kept) -> io::Result<Held> {
        let mut digest = [0; 32];
        hex::decode_to_slice(&kept.sha256, &mut digest).map_err(io::Error::other)?;
        let used = AtomicU64::new(kept.used.unwrap_or(0));
        Ok(Held { kept, digest, used })
    }

    fn used(&self) -> Option<u64> {
        Some(self.used.load(Ordering::Relaxed)).filter(|used| *used > 0)
    }
}

/// The tokens of a data directory.
pub struct Tokens {
    path: PathBuf,
    /// Read at each request that brings a token, which must not wait for a disk.
    held: ArcSwap<Vec<Held>>,
    /// When the times of use were last written down, in seconds since 1970.
    written: AtomicU64,
    /// Held while the file is read and written.
    writing: Mutex<()>,
}

impl Tokens {
    /// Reads the tokens. Of a file that cannot be read no token works, and it is not written
    /// over: making one says what is wrong with it.
    pub fn open(data: &Path) -> Self {
        let path = data.join(FILE_NAME);
        let held = read(&path).unwrap_or_else(|fault| {
            tracing::error!("no token works: read {}: {fault}", path.display());
            Vec::new()
        });
        Tokens {
            path,
            held: ArcSwap::from_pointee(held),
            written: AtomicU64::new(0),
            writing: Mutex::new(()),
        }
    }

    /// Reads the tokens again: a predecessor may have made or revoked some meanwhile. What
    /// cannot be read leaves those that are known.
    pub fn reread(&self) {
        match read(&self.path) {
            Ok(held) => self.held.store(Arc::new(held)),
            Err(fault) => tracing::warn!("read {} again: {fault}", self.path.display()),
        }
    }

    /// Makes a token; `days` none is for ever. The secret is not kept.
    pub fn create(
        &self,
        name: &str,
        scope: Scope,
        days: Option<u64>,
        now: UnixMillis,
    ) -> Result<Secret, TokenError> {
        let (name, created) = (name_of(name)?, seconds(now));
        if days.is_some_and(|days| !(1..=DAYS_MAX).contains(&days)) {
            return Err(TokenError::Days);
        }
        let secret = Secret::draw();
        let kept = Kept {
            id: hex::encode(rand::random::<[u8; 8]>()),
            name,
            scope,
            sha256: hex::encode(digest(&secret.0)),
            created,
            expires: days.map(|days| created + days * 86_400),
            used: None,
        };
        self.change(|tokens| {
            if tokens.len() >= TOKENS_MAX {
                return Err(TokenError::TooMany);
            }
            if tokens.iter().any(|other| other.name == kept.name) {
                return Err(TokenError::Taken(kept.name.clone()));
            }
            tokens.push(kept);
            Ok(())
        })?;
        Ok(secret)
    }

    /// Ends a token and returns its name.
    pub fn revoke(&self, id: &str) -> Result<String, TokenError> {
        self.change(|tokens| {
            let found = tokens.iter().position(|token| token.id == id).ok_or(TokenError::Unknown)?;
            Ok(tokens.remove(found).name)
        })
    }

    /// Returns what may be told of the tokens, the newest first; those that expired, too.
    pub fn list(&self) -> Vec<TokenFacts> {
        let held = self.held.load();
        let facts = held.iter().rev().map(|token| {
            let Kept { id, name, scope, created, expires, .. } = token.kept.clone();
            TokenFacts { id, name, scope, created, expires, used: token.used() }
        });
        facts.collect()
    }

    /// Returns which token this is, and notes that it was used.
    pub fn present(&self, secret: &str, now: UnixMillis) -> Result<Presented, TokenRefused> {
        let (digest, now) = (digest(secret), seconds(now));
        let held = self.held.load();
        // Each is compared in full, whichever it is.
        let found =
            held.iter().fold(
                None,
                |found, token| {
                    if bool::from(token.digest.ct_eq(&digest)) { Some(token) } else { found }
                },
            );
        let token = found.ok_or(TokenRefused::Unknown)?;
        let (name, scope) = (token.kept.name.clone(), token.kept.scope);
        if token.kept.expires.is_some_and(|expires| expires <= now) {
            return Err(TokenRefused::Expired(name));
        }
        token.used.fetch_max(now - now % USED_STEP_SECONDS, Ordering::Relaxed);
        let written = self.written.load(Ordering::Relaxed);
        let is_due = now.saturating_sub(written) >= USED_WRITTEN_EVERY_SECONDS
            && self.written.compare_exchange(written, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        Ok(Presented { name, scope, is_due })
    }

    /// Writes down when each token was used.
    pub fn write_used(&self) -> Result<(), TokenError> {
        self.change(|_| Ok(()))
    }

    /// Changes the list as it lies on the disk: beside a successor or predecessor it may have
    /// changed since it was read.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Vec<Kept>) -> Result<T, TokenError>,
    ) -> Result<T, TokenError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let held = read(&self.path).map_err(|cause| self.error("read", cause))?;
        let known = self.held.load();
        let used = |id: &str| known.iter().find(|token| token.kept.id == id).and_then(Held::used);
        let mut tokens: Vec<Kept> = held.into_iter().map(|token| token.kept).collect();
        for token in &mut tokens {
            token.used = token.used.max(used(&token.id));
        }
        let res = change(&mut tokens)?;
        let stored = Stored { version: FILE_VERSION, tokens };
        let text = serde_json::to_string_pretty(&stored).expect("plain fields can be written as JSON");
        secret_file::write(&self.path, &text).map_err(|cause| self.error("write", cause))?;
        let held: io::Result<Vec<Held>> = stored.tokens.into_iter().map(Held::of).collect();
        self.held.store(Arc::new(held.map_err(|cause| self.error("read", cause))?));
        Ok(res)
    }

    fn error(&self, attempt: &'static str, cause: io::Error) -> TokenError {
        TokenError::File { attempt, path: self.path.clone(), cause }
    }
}

fn name_of(text: &str) -> Result<String, TokenError> {
    let name = text.trim();
    let is_of_it = |c: char| c.is_alphanumeric() || " ._-".contains(c);
    let is_name = (1..=NAME_MAX_CHARS).contains(&name.chars().count()) && name.chars().all(is_of_it);
    if is_name { Ok(name.to_string()) } else { Err(TokenError::Name) }
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

fn seconds(now: UnixMillis) -> u64 {
    u64::try_from(now.0 / 1_000).unwrap_or(0)
}

/// Without a file there are no tokens.
fn read(path: &Path) -> io::Result<Vec<Held>> {
    let stored = read_document::<Stored>(path, FILE_VERSION)?;
    stored.map_or(Vec::new(), |stored| stored.tokens).into_iter().map(Held::of).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn after(seconds: i64) -> UnixMillis {
        UnixMillis(NOW.0 + seconds * 1_000)
    }

    #[test]
    fn a_token_opens_until_it_expires_or_is_revoked() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = Tokens::open(dir.path());
        let grafana = tokens.create(" grafana ", Scope::Read, None, NOW).unwrap();
        let backup = tokens.create("backup", Scope::Admin, Some(1), NOW).unwrap();
        let presented = tokens.present(grafana.reveal(), after(86_400)).unwrap();
        assert_eq!((presented.name.as_str(), presented.scope), ("grafana", Scope::Read));
        assert!(tokens.present(backup.reveal(), after(86_399)).is_ok());
        let expired = TokenRefused::Expired("backup".into());
        assert_eq!(tokens.present(backup.reveal(), after(86_400)), Err(expired));
        // A restart changes nothing.
        let again = Tokens::open(dir.path());
        assert!(again.present(grafana.reveal(), NOW).is_ok());
        let id = again.list().iter().find(|token| token.name == "grafana").unwrap().id.clone();
        assert_eq!(again.revoke(&id).unwrap(), "grafana");
        assert_eq!(again.present(grafana.reveal(), NOW), Err(TokenRefused::Unknown));
        assert!(matches!(again.revoke(&id), Err(TokenError::Unknown)));
        assert_eq!(Tokens::open(dir.path()).present(grafana.reveal(), NOW), Err(TokenRefused::Unknown));
    }

    #[test]
    fn the_file_is_the_owners_alone_and_holds_no_token() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = Tokens::open(dir.path());
        let secret = tokens.create("grafana", Scope::Read, None, NOW).unwrap();
        let path = dir.path().join(FILE_NAME);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("grafana") && !text.contains(&secret.reveal()[PREFIX.len()..]));
        assert!(has_form(secret.reveal()) && !format!("{secret:?}").contains(PREFIX));
        let another = tokens.create("another", Scope::Read, None, NOW).unwrap();
        assert_ne!(secret.reveal(), another.reveal());
    }

    #[test]
    fn what_is_no_token_opens_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = Tokens::open(dir.path());
        let secret = tokens.create("grafana", Scope::Read, None, NOW).unwrap();
        let secret = secret.reveal();
        let near =
            format!("{}{}", &secret[..secret.len() - 1], if secret.ends_with('A') { "B" } else { "A" });
        let digest = tokens.held.load()[0].kept.sha256.clone();
        for text in ["", "vtr_", &secret[1..], near.as_str(), digest.as_str(), &format!("{secret} ")] {
            assert_eq!(tokens.present(text, NOW), Err(TokenRefused::Unknown), "{text}");
        }
        for text in ["vtr_short", "correct horse", &format!("vtr_{}", "ж".repeat(SECRET_CHARS))] {
            assert!(!has_form(text), "{text}");
        }
    }

    #[test]
    fn a_scope_opens_what_it_is_for() {
        let allowed = |scope: Scope| Scope::ALL.map(|needed| scope.allows(needed));
        assert_eq!(allowed(Scope::Read), [true, false, false]);
        assert_eq!(allowed(Scope::Write), [false, true, false]);
        assert_eq!(allowed(Scope::Admin), [true, true, true]);
        for scope in Scope::ALL {
            assert_eq!(Scope::from_word(scope.as_str()), Some(scope));
        }
    }

    #[test]
    fn the_time_of_use_is_coarse_and_written_once_an_hour() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = Tokens::open(dir.path());
        let secret = tokens.create("grafana", Scope::Read, None, NOW).unwrap();
        let due = |seconds| tokens.present(secret.reveal(), after(seconds)).unwrap().is_due;
        assert_eq!([due(0), due(15), due(3_599), due(3_600)], [true, false, false, true]);
        let used = |tokens: &Tokens| tokens.list()[0].used;
        assert_eq!(used(&tokens), Some(1_800_003_600));
        assert_eq!(used(&Tokens::open(dir.path())), None);
        tokens.write_used().unwrap();
        assert_eq!(used(&Tokens::open(dir.path())), Some(1_800_003_600));
        // What comes late is not taken for the last time.
        due(60);
        assert_eq!(used(&tokens), Some(1_800_003_600));
    }

    #[test]
    fn a_write_beside_another_process_takes_nothing_of_it_back() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (Tokens::open(dir.path()), Tokens::open(dir.path()));
        let secret = new.create("made beside", Scope::Read, None, NOW).unwrap();
        old.write_used().unwrap();
        assert!(Tokens::open(dir.path()).present(secret.reveal(), NOW).is_ok());
        assert!(old.present(secret.reveal(), NOW).is_ok(), "it was read on the way");
        new.revoke(&new.list()[0].id).unwrap();
        old.reread();
        assert!(old.present(secret.reveal(), NOW).is_err());
    }

    #[test]
    fn what_is_asked_for_has_bounds() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = Tokens::open(dir.path());
        for name in ["", "  ", "a:b", "line\nend", &"x".repeat(NAME_MAX_CHARS + 1)] {
            assert!(matches!(tokens.create(name, Scope::Read, None, NOW), Err(TokenError::Name)), "{name}");
        }
        for days in [0, DAYS_MAX + 1, u64::MAX] {
            assert!(matches!(tokens.create("a", Scope::Read, Some(days), NOW), Err(TokenError::Days)));
        }
        tokens.create("Графана", Scope::Read, None, NOW).unwrap();
        assert!(matches!(tokens.create("Графана", Scope::Write, None, NOW), Err(TokenError::Taken(_))));
        for n in 1..TOKENS_MAX {
            tokens.create(&format!("token {n}"), Scope::Read, None, NOW).unwrap();
        }
        assert!(matches!(tokens.create("one more", Scope::Read, None, NOW), Err(TokenError::TooMany)));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_left_alone_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        for text in ["{", r#"{"version":2,"tokens":[]}"#] {
            fs::write(&path, text).unwrap();
            let tokens = Tokens::open(dir.path());
            assert_eq!(tokens.list(), []);
            let fault = tokens.create("grafana", Scope::Read, None, NOW).unwrap_err().to_string();
            assert!(fault.contains(FILE_NAME), "{fault}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
