//! Who may enter: one password, sessions for browsers, Basic auth for machines.
//!
//! Hashing takes 19 MiB and tens of milliseconds, so one runs at a time, off the async
//! threads, and few may wait for it. Nothing here is ever logged but that a login
//! succeeded or failed.

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use super::password::{GeneratedPassword, Hash, Mark, PasswordError, PasswordFile};
use super::sessions::{Sessions, Token};
use super::throttle::Throttle;
use crate::clock::Clock;

/// Verifications that wait or run. The last in the queue waits about half a second on a
/// slow core; one more is told to come back.
const VERIFICATIONS_MAX: usize = 8;

/// How long a verified Basic credential is remembered: a scraper that comes every 15 s
/// costs one hash in 5 minutes.
const BASIC_REMEMBERED: Duration = Duration::from_secs(300);

/// How often the password file is looked at while requests come.
const FILE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Why someone did not get in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// Not the password.
    #[error("wrong password")]
    Wrong,
    /// Too many wrong attempts from this address.
    #[error("too many attempts, wait {} s", wait.as_secs() + 1)]
    TooSoon {
        /// How long until the next attempt counts.
        wait: Duration,
    },
    /// Too many attempts at once, from anywhere.
    #[error("too many attempts at once")]
    Overloaded,
}

/// The keeper of the door; clones share one state.
#[derive(Clone)]
pub struct Auth(Arc<Inner>);

struct Inner {
    clock: Clock,
    /// None when the password came from the environment.
    file: Option<PasswordFile>,
    /// Guards what requests read and change; never held while hashing or across an await.
    state: Mutex<State>,
    throttle: Mutex<Throttle>,
    verifications: Semaphore,
    hashing: Arc<Semaphore>,
    /// Makes the remembered credential useless outside this process.
    basic_key: [u8; 32],
}

struct State {
    hash: Hash,
    mark: Option<Mark>,
    checked: Duration,
    sessions: Sessions,
    /// Keyed hash of the verified Basic password, and until when it holds.
    basic: Option<([u8; 32], Duration)>,
}

/// Lifetimes of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Without a request.
    pub idle_max: Duration,
    /// In all.
    pub age_max: Duration,
}

impl Auth {
    /// Takes the password from the environment, else from the data directory, else makes
    /// one, stores its hash and returns it to be printed once.
    pub fn open(
        dir: &Path,
        password_from_env: Option<&str>,
        lifetimes: Lifetimes,
        clock: Clock,
    ) -> Result<(Auth, Option<GeneratedPassword>), PasswordError> {
        let file = PasswordFile::in_dir(dir);
        let (hash, file, generated) = match password_from_env {
            Some(password) => (Hash::of(password)?, None, None),
            None => match file.read()? {
                Some(hash) => (hash, Some(file), None),
                None => {
                    let generated = GeneratedPassword::draw();
                    let hash = Hash::of(generated.reveal())?;
                    file.write(&hash)?;
                    (hash, Some(file), Some(generated))
                }
            },
        };
        let mark = file.as_ref().map(PasswordFile::mark).transpose()?.flatten();
        let sessions = Sessions::new(lifetimes.idle_max, lifetimes.age_max);
        let state = State { hash, mark, checked: clock.elapsed(), sessions, basic: None };
        let inner = Inner {
            clock,
            file,
            state: Mutex::new(state),
            throttle: Mutex::default(),
            verifications: Semaphore::new(VERIFICATIONS_MAX),
            hashing: Arc::new(Semaphore::new(1)),
            basic_key: rand::random(),
        };
        Ok((Auth(Arc::new(inner)), generated))
    }

    /// Sets the password and ends every session; blocks for a hash and a disk write.
    pub fn set_password(&self, password: &str) -> Result<(), PasswordError> {
        let file = self.0.file.as_ref().ok_or(PasswordError::FromEnvironment)?;
        let hash = Hash::of(password)?;
        file.write(&hash)?;
        let mark = file.mark()?;
        self.state().replace(hash, mark);
        Ok(())
    }

    /// Ends every session, here and on other devices.
    pub fn end_all_sessions(&self) {
        self.state().sessions.end_all();
    }

    /// Verifies a password and begins a session.
    pub(super) async fn login(&self, password: String, address: IpAddr) -> Result<Token, LoginError> {
        self.verify(password, address).await?;
        let now = self.0.clock.elapsed();
        Ok(self.state().sessions.begin(now))
    }

    /// Verifies a password that comes with every request of a machine.
    pub(super) async fn basic(&self, password: String, address: IpAddr) -> Result<(), LoginError> {
        self.take_up_new_password().await;
        let keyed = self.keyed(&password);
        let now = self.0.clock.elapsed();
        let is_known = |(known, until): ([u8; 32], Duration)| now < until && bool::from(known.ct_eq(&keyed));
        if self.state().basic.is_some_and(is_known) {
            return Ok(());
        }
        let hash = self.verify(password, address).await?;
        let mut state = self.state();
        // The password may have been changed while this one was hashed.
        if state.hash == hash {
            state.basic = Some((keyed, now + BASIC_REMEMBERED));
        }
        Ok(())
    }

    /// Returns the CSRF token of a live session and counts it as used.
    pub(super) async fn visit(&self, token: &Token) -> Option<String> {
        self.take_up_new_password().await;
        let now = self.0.clock.elapsed();
        self.state().sessions.visit(token, now)
    }

    /// Returns true for a live session and leaves its idle time as it is.
    pub(super) async fn is_alive(&self, token: &Token) -> bool {
        self.take_up_new_password().await;
        let now = self.0.clock.elapsed();
        self.state().sessions.is_alive(token, now)
    }

    pub(super) fn logout(&self, token: &Token) {
        self.state().sessions.end(token);
    }

    /// Returns the hash that the password fits.
    async fn verify(&self, password: String, address: IpAddr) -> Result<Hash, LoginError> {
        self.take_up_new_password().await;
        let _place = self.0.verifications.try_acquire().map_err(|_| LoginError::Overloaded)?;
        let now = self.0.clock.elapsed();
        self.throttle().attempt(address, now).map_err(|wait| LoginError::TooSoon { wait })?;
        let turn = self.0.hashing.clone().acquire_owned().await.expect("the semaphore is never closed");
        let hash = self.state().hash.clone();
        let verified = tokio::task::spawn_blocking(move || {
            // Held to the end of hashing, also when the one who asked is gone.
            let _turn = turn;
            hash.verify(&password).then_some(hash)
        });
        match verified.await {
            Ok(Some(hash)) => {
                self.throttle().succeeded(address);
                Ok(hash)
            }
            Ok(None) => {
                tracing::warn!("admin login refused: wrong password");
                Err(LoginError::Wrong)
            }
            // The runtime stops; nobody is let in on the way out.
            Err(_) => Err(LoginError::Overloaded),
        }
    }

    /// Reads the password file when it changed, so that `vitrine password` needs no
    /// restart; one that cannot be read changes nothing.
    async fn take_up_new_password(&self) {
        let Some(file) = self.0.file.clone() else { return };
        let known = {
            let now = self.0.clock.elapsed();
            let mut state = self.state();
            if now.saturating_sub(state.checked) < FILE_CHECK_INTERVAL {
                return;
            }
            state.checked = now;
            state.mark
        };
        let read = move || -> Result<Option<(Hash, Mark)>, PasswordError> {
            let Some(mark) = file.mark()?.filter(|mark| Some(*mark) != known) else { return Ok(None) };
            Ok(file.read()?.map(|hash| (hash, mark)))
        };
        match tokio::task::spawn_blocking(read).await {
            Ok(Ok(Some((hash, mark)))) => {
                self.state().replace(hash, Some(mark));
                tracing::info!("admin password changed, all sessions ended");
            }
            Ok(Ok(None)) => {}
            Ok(Err(err)) => tracing::warn!("keep the known admin password: {err}"),
            Err(err) => tracing::warn!("look at the admin password file: {err}"),
        }
    }

    fn keyed(&self, password: &str) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0.basic_key).expect("any key length is accepted");
        mac.update(password.as_bytes());
        mac.finalize().into_bytes().into()
    }

    // A panic while the lock was held leaves plain data that is still valid.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.0.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Everything that the old password opened ends with it.
    fn replace(&mut self, hash: Hash, mark: Option<Mark>) {
        self.mark = mark;
        if self.hash != hash {
            self.hash = hash;
            self.sessions.end_all();
            self.basic = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::clock::UnixNanos;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const LIFETIMES: Lifetimes =
        Lifetimes { idle_max: Duration::from_secs(3_600), age_max: Duration::from_secs(7_200) };

    struct Door {
        dir: tempfile::TempDir,
        clock: Clock,
        auth: Auth,
        password: String,
    }

    fn door() -> Door {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::manual(UnixNanos(0));
        let (auth, generated) = Auth::open(dir.path(), None, LIFETIMES, clock.clone()).unwrap();
        Door { dir, clock, auth, password: generated.unwrap().reveal().to_string() }
    }

    #[tokio::test]
    async fn password_is_made_once_and_lets_in() {
        let door = door();
        let token = door.auth.login(door.password.clone(), HERE).await.unwrap();
        assert!(door.auth.visit(&token).await.is_some());
        door.auth.logout(&token);
        assert!(door.auth.visit(&token).await.is_none());
        let (again, generated) = Auth::open(door.dir.path(), None, LIFETIMES, door.clock).unwrap();
        assert!(generated.is_none());
        assert!(again.login(door.password, HERE).await.is_ok());
    }

    #[tokio::test]
    async fn sessions_and_basic_die_with_the_password() {
        let door = door();
        let token = door.auth.login(door.password.clone(), HERE).await.unwrap();
        door.auth.basic(door.password.clone(), HERE).await.unwrap();
        super::super::password::set(door.dir.path(), "another password").unwrap();
        door.clock.advance(FILE_CHECK_INTERVAL);
        assert!(!door.auth.is_alive(&token).await);
        assert_eq!(door.auth.basic(door.password, HERE).await, Err(LoginError::Wrong));
        assert!(door.auth.login("another password".into(), HERE).await.is_ok());
    }

    #[tokio::test]
    async fn broken_password_file_changes_nothing() {
        let door = door();
        let token = door.auth.login(door.password.clone(), HERE).await.unwrap();
        std::fs::write(door.dir.path().join(super::super::password::FILE_NAME), "{").unwrap();
        door.clock.advance(FILE_CHECK_INTERVAL);
        assert!(door.auth.is_alive(&token).await);
        assert!(door.auth.login(door.password, HERE).await.is_ok());
    }

    #[tokio::test]
    async fn remembered_basic_credential_costs_no_hash_and_expires() {
        let door = door();
        door.auth.basic(door.password.clone(), HERE).await.unwrap();
        let all_taken = door.auth.0.verifications.try_acquire_many(VERIFICATIONS_MAX as u32).unwrap();
        assert!(door.auth.basic(door.password.clone(), HERE).await.is_ok());
        assert_eq!(door.auth.basic("guess guess".into(), HERE).await, Err(LoginError::Overloaded));
        door.clock.advance(BASIC_REMEMBERED);
        assert_eq!(door.auth.basic(door.password.clone(), HERE).await, Err(LoginError::Overloaded));
        drop(all_taken);
        assert!(door.auth.basic(door.password, HERE).await.is_ok());
    }

    #[tokio::test]
    async fn guesses_are_slowed_down_even_for_the_right_one() {
        let door = door();
        for _ in 0..5 {
            assert_eq!(door.auth.login("guess guess".into(), HERE).await.err(), Some(LoginError::Wrong));
        }
        let wait = Duration::from_secs(1);
        let refused = door.auth.login(door.password.clone(), HERE).await.err();
        assert_eq!(refused, Some(LoginError::TooSoon { wait }));
        door.clock.advance(wait);
        assert!(door.auth.login(door.password, HERE).await.is_ok());
    }

    #[tokio::test]
    async fn environment_wins_and_writes_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::manual(UnixNanos(0));
        let (auth, generated) = Auth::open(dir.path(), Some("from outside"), LIFETIMES, clock).unwrap();
        assert!(generated.is_none());
        assert!(auth.login("from outside".into(), HERE).await.is_ok());
        assert!(matches!(auth.set_password("changed here"), Err(PasswordError::FromEnvironment)));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn setting_a_password_ends_sessions_at_once() {
        let door = door();
        let token = door.auth.login(door.password, HERE).await.unwrap();
        door.auth.set_password("changed here").unwrap();
        assert!(!door.auth.is_alive(&token).await);
        let token = door.auth.login("changed here".into(), HERE).await.unwrap();
        door.auth.end_all_sessions();
        assert!(!door.auth.is_alive(&token).await);
    }
}
