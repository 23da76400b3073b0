//! The second factor: a code of an authenticator app beside the password (TOTP, RFC 6238).
//!
//! Six digits by SHA-1 that change every 30 seconds, as every app knows them. The secret lies
//! in the data directory, for its owner alone: a code can be checked only by who could make
//! it. A code opens once, and neither it nor one before it again (RFC 6238, 5.2). Whoever
//! gets as far as a wrong code knows the password, so those attempts are counted over all
//! addresses. `vitrine password` takes the second factor away: who has the server's terminal
//! needs no code.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use totp_rs::{Builder, Secret, Totp};

use super::sessions::Token;
use super::throttle::Throttle;
use crate::files::{absent_is_done, read_document};
use crate::http::secret_file;

/// The file's name inside the data directory.
const FILE_NAME: &str = "second-factor.json";

/// The layout of the file that this version writes and reads.
const FILE_VERSION: u32 = 1;

/// 160 bits, as RFC 4226 advises (section 4).
const SECRET_BYTES: usize = 20;

/// What an app shows beside the code.
const ISSUER: &str = "vitrine";

/// A secret that nobody confirmed is forgotten after this long.
const PROPOSED_FOR: Duration = Duration::from_secs(600);

/// All wrong codes count as those of one address.
const EVERYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Why a code did not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Not the code of now, or used before.
    #[error("wrong code")]
    Wrong,
    /// Too many wrong ones.
    #[error("too many wrong codes, wait {} s", wait.as_secs() + 1)]
    TooSoon {
        /// How long until the next one counts.
        wait: Duration,
    },
}

/// Why the second factor could not be switched.
#[derive(Debug, thiserror::Error)]
pub enum SecondFactorError {
    /// The code was not proved.
    #[error("{0}")]
    Code(#[from] CodeError),
    /// Nothing waits to be confirmed.
    #[error("no secret waits to be confirmed, begin again")]
    NothingProposed,
    /// The file could not be written or removed.
    #[error("{attempt} {}: {cause}", path.display())]
    File {
        /// What was tried.
        attempt: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: io::Error,
    },
}

/// A secret that waits for its first code.
#[derive(Clone)]
pub(super) struct Proposal {
    /// The secret as base32, to be typed.
    pub(super) secret: String,
    /// The address that an app reads from a picture.
    pub(super) url: String,
}

// It has no place in a log.
impl fmt::Debug for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proposal(…)")
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    secret: String,
}

/// Checks codes, when it is on.
pub(super) struct SecondFactor {
    path: PathBuf,
    /// Guards the secrets and the counts; never held across a disk access.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    totp: Option<Totp>,
    /// The step of the newest code that opened.
    used: Option<u64>,
    wrong: Throttle,
    /// The digest of the session that was shown a secret, and when.
    proposed: Option<([u8; 32], Totp, Duration)>,
}

/// A file that is there and cannot be read must not open the door wider.
#[derive(Debug, thiserror::Error)]
#[error("read {}: {problem}; remove the file to go on without the second factor", path.display())]
pub struct UnreadableSecondFactor {
    path: PathBuf,
    problem: String,
}

impl SecondFactor {
    /// Reads what lies in the data directory.
    pub(super) fn open(dir: &Path) -> Result<Self, UnreadableSecondFactor> {
        let path = dir.join(FILE_NAME);
        let totp = read(&path)?;
        Ok(SecondFactor { path, state: Mutex::new(State { totp, ..State::default() }) })
    }

    /// Takes up what lies in the data directory now; a file that cannot be read changes nothing. A
    /// code that opened before does not open again for that.
    pub(super) fn reread(&self) {
        match read(&self.path) {
            Ok(totp) => {
                let mut state = self.state();
                let secret = |totp: &Option<Totp>| totp.as_ref().map(|totp| totp.secret().to_base32());
                if secret(&totp) != secret(&state.totp) {
                    (state.totp, state.used) = (totp, None);
                }
            }
            Err(fault) => tracing::warn!("keep the second factor as it is: {fault}"),
        }
    }

    /// Returns true when a code is needed.
    pub(super) fn is_on(&self) -> bool {
        self.state().totp.is_some()
    }

    /// Checks a code at a time, in seconds since 1970 and on the monotonic clock; it opens
    /// once. Without a second factor every code does.
    pub(super) fn check(&self, code: &str, unix: u64, now: Duration) -> Result<(), CodeError> {
        let mut state = self.state();
        let Some(totp) = state.totp.clone() else { return Ok(()) };
        state.wrong.check(EVERYWHERE, now).map_err(|wait| CodeError::TooSoon { wait })?;
        match fits(&totp, code, unix).filter(|step| state.used.is_none_or(|used| *step > used)) {
            Some(step) => {
                state.used = Some(step);
                state.wrong.succeeded(EVERYWHERE);
                Ok(())
            }
            None => {
                state.wrong.failed(EVERYWHERE, now);
                Err(CodeError::Wrong)
            }
        }
    }

    /// Draws a secret for a session to put into an app.
    pub(super) fn propose(&self, session: &Token, now: Duration) {
        let totp = totp(Secret::from(rand::random::<[u8; SECRET_BYTES]>().to_vec()));
        self.state().proposed = Some((session.digest(), totp, now));
    }

    /// Returns what was drawn for a session and waits for its first code.
    pub(super) fn proposal(&self, session: &Token, now: Duration) -> Option<Proposal> {
        let state = self.state();
        let (owner, totp, at) = state.proposed.as_ref()?;
        let is_theirs = *owner == session.digest() && now.saturating_sub(*at) < PROPOSED_FOR;
        is_theirs.then(|| Proposal {
            secret: totp.secret().to_base32(),
            url: totp.to_url().expect("a constant issuer and account make an address"),
        })
    }

    /// Switches it on for who proves by a code that an app has the secret; writes a file.
    pub(super) fn confirm(
        &self,
        session: &Token,
        code: &str,
        unix: u64,
        now: Duration,
    ) -> Result<(), SecondFactorError> {
        let totp = {
            let mut state = self.state();
            state.wrong.check(EVERYWHERE, now).map_err(|wait| CodeError::TooSoon { wait })?;
            let proposed = state.proposed.as_ref().filter(|(owner, _, at)| {
                *owner == session.digest() && now.saturating_sub(*at) < PROPOSED_FOR
            });
            let totp = proposed.map(|(_, totp, _)| totp.clone()).ok_or(SecondFactorError::NothingProposed)?;
            if fits(&totp, code, unix).is_none() {
                state.wrong.failed(EVERYWHERE, now);
                return Err(CodeError::Wrong.into());
            }
            totp
        };
        let stored = Stored { version: FILE_VERSION, secret: totp.secret().to_base32() };
        let text = serde_json::to_string_pretty(&stored).expect("two plain fields can be written as JSON");
        secret_file::write(&self.path, &text).map_err(|cause| self.fault("write", cause))?;
        let mut state = self.state();
        // The code that proved it opens nothing more.
        state.used = fits(&totp, code, unix);
        (state.totp, state.proposed) = (Some(totp), None);
        Ok(())
    }

    /// Switches it off for who has a code; removes the file.
    pub(super) fn switch_off(&self, code: &str, unix: u64, now: Duration) -> Result<(), SecondFactorError> {
        self.check(code, unix, now)?;
        remove(&self.path).map_err(|cause| self.fault("remove", cause))?;
        let mut state = self.state();
        (state.totp, state.used) = (None, None);
        Ok(())
    }

    fn fault(&self, attempt: &'static str, cause: io::Error) -> SecondFactorError {
        SecondFactorError::File { attempt, path: self.path.clone(), cause }
    }

    // A panic while the lock was held leaves plain data that is still valid.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the second factor of a data directory away; a process that runs on it takes that up
/// when it is told of the next password. Returns whether there was one.
pub fn take_away(dir: &Path) -> Result<bool, SecondFactorError> {
    let path = dir.join(FILE_NAME);
    let is_there = path.exists();
    remove(&path).map_err(|cause| SecondFactorError::File { attempt: "remove", path, cause })?;
    Ok(is_there)
}

fn remove(path: &Path) -> io::Result<()> {
    absent_is_done(fs::remove_file(path))
}

fn read(path: &Path) -> Result<Option<Totp>, UnreadableSecondFactor> {
    let fault = |problem: String| UnreadableSecondFactor { path: path.to_path_buf(), problem };
    let stored = read_document::<Stored>(path, FILE_VERSION).map_err(|err| fault(err.to_string()))?;
    let Some(stored) = stored else { return Ok(None) };
    let secret =
        Secret::try_from_base32(&stored.secret).map_err(|err| fault(format!("its secret: {err}")))?;
    if secret.as_bytes().len() < SECRET_BYTES {
        return Err(fault(format!("its secret is shorter than {SECRET_BYTES} bytes")));
    }
    Ok(Some(totp(secret)))
}

fn totp(secret: Secret) -> Totp {
    let builder = Builder::new().with_secret(secret).with_account_name("admin").with_issuer(Some(ISSUER));
    builder.build().expect("a long secret and constant names are accepted")
}

/// Returns the step whose code this is: that of now, or of the one before or behind it, for
/// clocks that differ.
fn fits(totp: &Totp, code: &str, unix: u64) -> Option<u64> {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    totp.check(&code, unix)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIX: u64 = 1_795_000_000;
    const NOW: Duration = Duration::from_secs(100);

    fn code(proposal: &Proposal, unix: u64) -> String {
        totp(Secret::try_from_base32(&proposal.secret).unwrap()).generate(unix).to_string()
    }

    fn on(dir: &Path) -> (SecondFactor, Proposal) {
        let (factor, session) = (SecondFactor::open(dir).unwrap(), Token::draw());
        factor.propose(&session, NOW);
        let proposal = factor.proposal(&session, NOW).unwrap();
        factor.confirm(&session, &code(&proposal, UNIX), UNIX, NOW).unwrap();
        (factor, proposal)
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        // RFC 6238, appendix B, of whose eight digits an app shows six.
        let totp = totp(Secret::from(b"12345678901234567890".to_vec()));
        for (unix, expect) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            assert_eq!(totp.generate(unix).to_string(), expect);
        }
    }

    #[test]
    fn it_is_on_once_a_code_proved_that_an_app_has_the_secret() {
        let dir = tempfile::tempdir().unwrap();
        let factor = SecondFactor::open(dir.path()).unwrap();
        let session = Token::draw();
        assert!(factor.check("", UNIX, NOW).is_ok() && factor.proposal(&session, NOW).is_none());
        factor.propose(&session, NOW);
        assert!(factor.proposal(&Token::draw(), NOW).is_none(), "another session is not shown it");
        assert!(factor.proposal(&session, NOW + PROPOSED_FOR).is_none());
        let proposal = factor.proposal(&session, NOW).unwrap();
        assert!(proposal.url.starts_with("otpauth://totp/vitrine:admin?secret="), "{}", proposal.url);
        assert!(factor.confirm(&session, "000000", UNIX, NOW).is_err() && !factor.is_on());
        factor.confirm(&session, &code(&proposal, UNIX), UNIX, NOW).unwrap();
        assert!(factor.is_on() && factor.proposal(&session, NOW).is_none());
        assert!(SecondFactor::open(dir.path()).unwrap().is_on(), "it outlives the process");
    }

    #[test]
    fn a_code_opens_once_and_no_older_one_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let (factor, proposal) = on(dir.path());
        assert_eq!(factor.check(&code(&proposal, UNIX), UNIX, NOW), Err(CodeError::Wrong));
        let later = UNIX + 60;
        assert_eq!(factor.check(&format!(" {} ", code(&proposal, later)), later, NOW), Ok(()));
        assert_eq!(factor.check(&code(&proposal, later), later, NOW), Err(CodeError::Wrong));
        assert_eq!(factor.check(&code(&proposal, later - 30), later, NOW), Err(CodeError::Wrong));
        // A clock that is half a minute behind.
        assert_eq!(factor.check(&code(&proposal, later + 30), later, NOW), Ok(()));
    }

    #[test]
    fn wrong_codes_are_slowed_down_wherever_they_come_from() {
        let dir = tempfile::tempdir().unwrap();
        let (factor, proposal) = on(dir.path());
        let mut n_tried = 0;
        while factor.check("000000", UNIX, NOW) == Err(CodeError::Wrong) {
            n_tried += 1;
        }
        assert_eq!(n_tried, 5);
        let right = code(&proposal, UNIX + 60);
        assert!(matches!(factor.check(&right, UNIX + 60, NOW), Err(CodeError::TooSoon { .. })));
        assert_eq!(factor.check(&right, UNIX + 60, NOW + Duration::from_secs(2)), Ok(()));
    }

    #[test]
    fn a_code_opens_once_also_when_the_file_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let (factor, proposal) = on(dir.path());
        let later = code(&proposal, UNIX + 60);
        assert_eq!(factor.check(&later, UNIX + 60, NOW), Ok(()));
        factor.reread();
        assert_eq!(factor.check(&later, UNIX + 60, NOW), Err(CodeError::Wrong));
    }

    #[test]
    fn it_goes_by_a_code_or_by_the_terminal_and_a_broken_file_opens_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (factor, proposal) = on(dir.path());
        let later = UNIX + 60;
        assert!(factor.switch_off("123", later, NOW).is_err() && factor.is_on());
        factor.switch_off(&code(&proposal, later), later, NOW).unwrap();
        assert!(!factor.is_on() && !dir.path().join(FILE_NAME).exists());

        let (factor, _) = on(dir.path());
        take_away(dir.path()).unwrap();
        factor.reread();
        assert!(!factor.is_on());
        take_away(dir.path()).unwrap();
        for text in ["", "{}", r#"{"version":2,"secret":""}"#, r#"{"version":1,"secret":"AA"}"#] {
            fs::write(dir.path().join(FILE_NAME), text).unwrap();
            assert!(SecondFactor::open(dir.path()).is_err(), "{text}");
        }
    }
}
