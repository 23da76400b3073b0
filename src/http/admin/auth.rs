//! Who may enter: one password, sessions for browsers, Basic auth and tokens for machines.
//!
//! Hashing takes 19 MiB and tens of milliseconds, so one runs at a time, off the async
//! threads, and few may wait for it. A wrong password is counted before the next one has
//! its turn, so parallel guesses gain nothing, and the right one costs nobody an attempt.
//! Nothing here is ever logged but that somebody was let in or refused, in the audit log.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::audit::{Actor, Audit, Deed, Event, Witness};
use super::password::{self, GeneratedPassword, Hash, Mark, PasswordError, PasswordFile};
use super::second_factor::{CodeError, SecondFactor};
use super::sessions::{MadeToken, SessionFacts, Sessions, Token, Visit, Visitor};
use super::throttle::Throttle;
use super::tokens::{Presented, Scope, TokenRefused, Tokens};
use crate::balancer::Lane;
use crate::clock::Clock;
use crate::pages::admin::Notice;
use crate::record::seldom::Seldom;
use crate::record::trace::TraceContext;

/// Credentials that are verified or wait for it. The last in the queue waits about half a
/// second on a slow core; one more is told to come back.
const CREDENTIALS_MAX: usize = 8;

/// Callers that wait, those with the same credential from the same address included: they
/// need no hash of their own once the first of them is let in.
const CALLERS_MAX: usize = 64;

/// Basic credentials remembered. Each is one scraper's address; one more makes the oldest
/// be hashed again.
const BASIC_MAX: usize = 16;

/// How long a verified Basic credential is remembered: a scraper that comes every 15 s
/// costs one hash in 5 minutes.
const BASIC_REMEMBERED: Duration = Duration::from_secs(300);

/// Programs whose coming was written down; one more forgets the oldest.
const MET_MAX: usize = 64;

/// Attempts that are refused unread are written down so often, with their number: who sends
/// thousands of them must not fill the audit log.
const REFUSALS_NOTED_EVERY: Duration = Duration::from_secs(10);

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
    /// The password was right, and the code of the second factor was not.
    #[error("wrong code of the second factor")]
    WrongCode,
    /// The password alone does not do any more.
    #[error("the password needs a code of the second factor")]
    NeedsCode,
}

/// Why the password is what it was.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The current one was not proved.
    #[error("{0}")]
    Login(#[from] LoginError),
    /// The new one cannot be taken or written.
    #[error("{0}")]
    Password(#[from] PasswordError),
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
    tokens: Tokens,
    second: SecondFactor,
    /// Guards who waits for a verification; held only to look and count.
    queue: Mutex<Queue>,
    hashing: Arc<Semaphore>,
    /// Where hashes are computed.
    heavy: Lane,
    /// Makes the remembered credentials useless outside this process.
    basic_key: [u8; 32],
    audit: Audit,
    /// Each kind is told for itself, so that a program that errs does not hide who guesses.
    password_refusals: Seldom,
    token_refusals: Seldom,
}

/// A password and the address that it came from, hashed with a key of this process. The
/// address is in it so that what one caller proved cannot be guessed at from elsewhere
/// without an attempt being counted.
type Credential = [u8; 32];

/// How many callers wait with each credential.
#[derive(Default)]
struct Queue(HashMap<Credential, usize>);

impl Queue {
    /// Takes a caller in, or returns false when too many wait.
    fn enter(&mut self, credential: Credential) -> bool {
        let is_known = self.0.contains_key(&credential);
        let has_room = is_known || self.0.len() < CREDENTIALS_MAX;
        if !has_room || self.0.values().sum::<usize>() >= CALLERS_MAX {
            return false;
        }
        *self.0.entry(credential).or_default() += 1;
        true
    }

    fn leave(&mut self, credential: &Credential) {
        if let Some(n_callers) = self.0.get_mut(credential) {
            *n_callers -= 1;
            if *n_callers == 0 {
                self.0.remove(credential);
            }
        }
    }
}

/// A caller's place in the queue, given back when dropped.
struct Place {
    auth: Auth,
    credential: Credential,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.auth.queue().leave(&self.credential);
    }
}

struct State {
    hash: Hash,
    mark: Option<Mark>,
    checked: Duration,
    sessions: Sessions,
    /// Verified Basic credentials and until when each holds, the oldest first.
    basic: Vec<(Credential, Duration)>,
    /// Who came without a session, and from where, the oldest first.
    met: Vec<(Actor, IpAddr)>,
}

/// What the door is built from.
pub struct Opening<'a> {
    /// The data directory, with the password's file.
    pub dir: &'a Path,
    /// The password that the environment gives.
    pub password_from_env: Option<&'a str>,
    /// Of sessions.
    pub lifetimes: Lifetimes,
    /// Monotonic time for what expires.
    pub clock: Clock,
    /// Where hashes are computed.
    pub heavy: Lane,
    /// Where it is written down who came in.
    pub audit: Audit,
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
    pub fn open(opening: Opening<'_>) -> Result<(Auth, Option<GeneratedPassword>), PasswordError> {
        let Opening { dir, password_from_env, lifetimes, clock, heavy, audit } = opening;
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
        let state =
            State { hash, mark, checked: clock.elapsed(), sessions, basic: Vec::new(), met: Vec::new() };
        let inner = Inner {
            clock,
            file,
            state: Mutex::new(state),
            throttle: Mutex::default(),
            tokens: Tokens::open(dir),
            second: SecondFactor::open(dir)?,
            queue: Mutex::default(),
            hashing: Arc::new(Semaphore::new(1)),
            heavy,
            basic_key: rand::random(),
            audit,
            password_refusals: Seldom::once_in(REFUSALS_NOTED_EVERY),
            token_refusals: Seldom::once_in(REFUSALS_NOTED_EVERY),
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

    /// Takes up the password that lies in the data directory now. Once this returned,
    /// every session and every remembered credential is one of that password.
    pub async fn reread(&self) -> Result<(), PasswordError> {
        // Whatever becomes of the password: who took the second factor away has the terminal.
        self.reread_second_factor();
        let file = self.0.file.clone().ok_or(PasswordError::FromEnvironment)?;
        // Marked before it is read: a file replaced in between is read again at the next look.
        let read = move || Ok((file.mark()?, file.read()?.ok_or_else(|| file.missing())?));
        let (mark, hash) = tokio::task::spawn_blocking(read).await.unwrap_or(Err(PasswordError::Stopping))?;
        self.take_up(hash, mark);
        Ok(())
    }

    /// Takes up the second factor that lies in the data directory now.
    pub fn reread_second_factor(&self) {
        let was_on = self.0.second.is_on();
        self.0.second.reread();
        if was_on && !self.0.second.is_on() {
            let deed = Deed::done(Event::SecondFactor, "took the second factor away");
            self.0.audit.note(&Actor::CommandLine, None, deed);
        }
    }

    /// Returns where it is written down who does what.
    pub fn audit(&self) -> &Audit {
        &self.0.audit
    }

    /// Verifies a password, and the code of the second factor where there is one, and begins a
    /// session.
    pub(super) async fn login(
        &self,
        password: String,
        code: &str,
        visitor: Visitor,
    ) -> Result<Token, LoginError> {
        self.take_up_new_password().await;
        let address = visitor.address;
        let credential = self.credential(&password, address);
        let hash = self.verify(password, credential, address).await?;
        self.check_code(code, address)?;
        let (token, number) = self.begin_session(&hash, visitor)?;
        let deed = Deed::done(Event::Login, "logged in with the password");
        self.0.audit.note(&Actor::Session(number), Some(address), deed);
        Ok(token)
    }

    /// Checks the code of who knew the password.
    fn check_code(&self, code: &str, address: IpAddr) -> Result<(), LoginError> {
        let (unix, now) = self.moment();
        let Err(fault) = self.0.second.check(code, unix, now) else { return Ok(()) };
        let deed = Deed::refused(Event::LoginRefused, format!("login refused: {fault}"));
        match fault {
            CodeError::TooSoon { wait } => {
                self.note_refusal(&self.0.password_refusals, &Actor::Stranger, address, &fault.to_string());
                Err(LoginError::TooSoon { wait })
            }
            CodeError::Wrong => {
                self.0.audit.note(&Actor::Stranger, Some(address), deed);
                Err(LoginError::WrongCode)
            }
        }
    }

    /// Returns the seconds since 1970, and the time of what expires.
    pub(super) fn moment(&self) -> (u64, Duration) {
        let unix = u64::try_from(self.0.clock.now_ms().0 / 1_000).unwrap_or(0);
        (unix, self.0.clock.elapsed())
    }

    /// Returns what checks codes.
    pub(super) fn second_factor(&self) -> &SecondFactor {
        &self.0.second
    }

    /// Begins a session for who knew the password of `hash`, unless it was changed since.
    fn begin_session(&self, hash: &Hash, visitor: Visitor) -> Result<(Token, u32), LoginError> {
        let now = self.0.clock.elapsed();
        let mut state = self.state();
        if state.hash != *hash {
            return Err(LoginError::Wrong);
        }
        Ok(state.sessions.begin(visitor, now))
    }

    /// Changes the password for who knows the current one; every session ends, and a new one
    /// begins for whoever changed it.
    pub(super) async fn change_password(
        &self,
        current: String,
        new: String,
        visitor: Visitor,
        witness: Witness,
    ) -> Result<Token, ChangeError> {
        let changed = self.try_change_password(current, new, visitor, witness.clone()).await;
        if let Err(fault) = &changed {
            let text = format!("change the admin password: {fault}");
            witness.note(Deed::refused(Event::PasswordChanged, text));
        }
        changed
    }

    async fn try_change_password(
        &self,
        current: String,
        new: String,
        visitor: Visitor,
        witness: Witness,
    ) -> Result<Token, ChangeError> {
        self.take_up_new_password().await;
        let file = self.0.file.clone().ok_or(PasswordError::FromEnvironment)?;
        password::check(&new)?;
        let address = visitor.address;
        let credential = self.credential(&current, address);
        let verified = self.verify(current, credential, address).await?;
        let _place = self.enter(self.credential(&new, address))?;
        let turn = self.0.hashing.clone().acquire_owned().await.expect("the semaphore is never closed");
        let (this, heavy) = (self.clone(), self.0.heavy.clone());
        // A task of its own: what was written is put in force also when the caller leaves.
        let changing = tokio::spawn(async move {
            let change = move || {
                let _turn = turn;
                let hash = Hash::of(&new)?;
                let token = this.replace_file(&file, &verified, hash, visitor)?;
                let text = "changed the admin password; every other session ended";
                witness.note(Deed::done(Event::PasswordChanged, text));
                Ok(token)
            };
            heavy.run(change).await
        });
        match changing.await {
            Ok(Ok(changed)) => changed,
            // The lane is full, or the process stops.
            _ => Err(LoginError::Overloaded.into()),
        }
    }

    /// Writes the new hash in the place of the one that was verified, and puts it in force.
    fn replace_file(
        &self,
        file: &PasswordFile,
        verified: &Hash,
        hash: Hash,
        visitor: Visitor,
    ) -> Result<Token, ChangeError> {
        if self.state().hash != *verified {
            return Err(LoginError::Wrong.into());
        }
        file.write(&hash)?;
        let mark = file.mark()?;
        let mut state = self.state();
        state.replace(hash, mark);
        let (token, _) = state.sessions.begin(visitor, self.0.clock.elapsed());
        Ok(token)
    }

    /// Returns whether the password can be changed here: the environment's cannot.
    pub(super) fn has_own_password(&self) -> bool {
        self.0.file.is_some()
    }

    /// Returns what may be told of the live sessions.
    pub(super) fn sessions(&self, own: &Token) -> Vec<SessionFacts> {
        self.state().sessions.list(own, self.0.clock.elapsed())
    }

    /// Ends the session of a number; returns false when there is none.
    pub(super) fn end_session(&self, number: u32) -> bool {
        self.state().sessions.end_number(number)
    }

    /// Ends every session but one, and returns how many that were.
    pub(super) fn end_other_sessions(&self, own: &Token) -> usize {
        self.state().sessions.end_others(own)
    }

    /// Leaves a notice for the next page of a session.
    pub(super) fn leave_notice(&self, token: &Token, notice: Notice) {
        self.state().sessions.leave_notice(token, notice);
    }

    /// Takes the notice that was left for a session.
    pub(super) fn take_notice(&self, token: &Token) -> Option<Notice> {
        self.state().sessions.take_notice(token)
    }

    /// Leaves a new token for the next page that shows tokens.
    pub(super) fn leave_token(&self, token: &Token, made: MadeToken) {
        self.state().sessions.leave_token(token, made);
    }

    /// Takes the token that was left for a session.
    pub(super) fn take_token(&self, token: &Token) -> Option<MadeToken> {
        self.state().sessions.take_token(token)
    }

    /// Verifies a password that comes with every request of a machine.
    pub(super) async fn basic(&self, password: String, address: IpAddr) -> Result<(), LoginError> {
        self.take_up_new_password().await;
        if self.0.second.is_on() {
            // Unread, so that nobody learns here whether a password is right.
            self.note_refusal(
                &self.0.password_refusals,
                &Actor::Stranger,
                address,
                &LoginError::NeedsCode.to_string(),
            );
            return Err(LoginError::NeedsCode);
        }
        let credential = self.credential(&password, address);
        if self.remembered(&credential).is_none() {
            self.verify(password, credential, address).await?;
        }
        self.meet(&Actor::Basic, address, "came with the password, by Basic auth");
        Ok(())
    }

    /// Writes down that a program came; a scraper comes again and again, and that is told once.
    fn meet(&self, actor: &Actor, address: IpAddr, text: &str) {
        if self.state().meet(actor, address) {
            self.0.audit.note(actor, Some(address), Deed::done(Event::Login, text));
        }
    }

    /// Returns the tokens.
    pub fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    /// Returns which token a program brought.
    pub(super) fn present(&self, secret: &str, address: IpAddr) -> Result<Presented, TokenRefused> {
        let presented = self.0.tokens.present(secret, self.0.clock.now_ms())?;
        let actor = Actor::Token(presented.name.clone());
        self.meet(&actor, address, &format!("came with its token, to {}", presented.scope));
        if presented.is_due {
            let (this, heavy) = (self.clone(), self.0.heavy.clone());
            // It ends by itself, and nobody waits for it: a time that is lost comes again.
            tokio::spawn(async move {
                let written = heavy.run(move || this.0.tokens.write_used()).await;
                if let Ok(Err(fault)) = written {
                    tracing::warn!("note when tokens were used: {fault}");
                }
            });
        }
        Ok(presented)
    }

    /// Writes down that a token opens nothing.
    pub(super) fn token_refused(&self, fault: &TokenRefused, address: IpAddr) {
        self.note_refusal(&self.0.token_refusals, &Actor::Stranger, address, &fault.to_string());
    }

    /// Writes down that a token does not open what was asked of it.
    pub(super) fn out_of_scope(&self, presented: &Presented, address: IpAddr, needed: Scope) {
        let actor = Actor::Token(presented.name.clone());
        let why = format!("it may {}, and this needs {needed}", presented.scope);
        self.note_refusal(&self.0.token_refusals, &actor, address, &why);
    }

    /// Counts a live session as used.
    pub(super) async fn visit(&self, token: &Token) -> Option<Visit> {
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

    /// Returns the hash that the password fits; a refusal is written down.
    async fn verify(
        &self,
        password: String,
        credential: Credential,
        address: IpAddr,
    ) -> Result<Hash, LoginError> {
        let verified = self.verify_in_turn(password, credential, address).await;
        // A wrong one was written down when it was counted.
        if let Err(fault @ (LoginError::TooSoon { .. } | LoginError::Overloaded)) = &verified {
            let refusals = &self.0.password_refusals;
            self.note_refusal(refusals, &Actor::Stranger, address, &fault.to_string());
        }
        verified
    }

    /// Writes down that an attempt was refused unread, seldom enough.
    fn note_refusal(&self, refusals: &Seldom, actor: &Actor, address: IpAddr, why: &str) {
        let Some(n_silent) = refusals.due(self.0.clock.elapsed()) else { return };
        let others = match n_silent {
            0 => String::new(),
            n => format!("; {n} more were refused since this was last said"),
        };
        let deed = Deed::refused(Event::LoginRefused, format!("login refused: {why}{others}"));
        self.0.audit.note(actor, Some(address), deed);
    }

    async fn verify_in_turn(
        &self,
        password: String,
        credential: Credential,
        address: IpAddr,
    ) -> Result<Hash, LoginError> {
        self.may_try(address)?;
        let _place = self.enter(credential)?;
        let turn = self.0.hashing.clone().acquire_owned().await.expect("the semaphore is never closed");
        // Whoever had the turn before may have sent the same, or have been wrong once too often.
        if let Some(hash) = self.remembered(&credential) {
            return Ok(hash);
        }
        self.may_try(address)?;
        let (this, trace) = (self.clone(), TraceContext::current());
        let heavy = self.0.heavy.clone();
        // A task of its own, which does not end with the request.
        let hashing = tokio::spawn(async move {
            let hash = move || {
                let _entered = trace.map(TraceContext::enter);
                this.hash_in_turn(turn, &password, credential, address)
            };
            heavy.run(hash).await
        });
        match hashing.await {
            Ok(Ok(verified)) => verified,
            // The lane is full, or the process stops; nobody is let in on the way out.
            _ => Err(LoginError::Overloaded),
        }
    }

    /// Hashes, and notes how it came out before the next has its turn: also when the one
    /// who asked is gone, so that leaving early does not save a guess from being counted.
    fn hash_in_turn(
        &self,
        _turn: OwnedSemaphorePermit,
        password: &str,
        credential: Credential,
        address: IpAddr,
    ) -> Result<Hash, LoginError> {
        let hash = self.state().hash.clone();
        let is_right = hash.verify(password);
        let now = self.0.clock.elapsed();
        if !is_right {
            self.throttle().failed(address, now);
            let deed = Deed::refused(Event::LoginRefused, "login refused: wrong password");
            self.0.audit.note(&Actor::Stranger, Some(address), deed);
            return Err(LoginError::Wrong);
        }
        self.throttle().succeeded(address);
        self.state().remember(&hash, credential, now);
        Ok(hash)
    }

    fn may_try(&self, address: IpAddr) -> Result<(), LoginError> {
        let now = self.0.clock.elapsed();
        self.throttle().check(address, now).map_err(|wait| LoginError::TooSoon { wait })
    }

    fn enter(&self, credential: Credential) -> Result<Place, LoginError> {
        let is_in = self.queue().enter(credential);
        is_in.then(|| Place { auth: self.clone(), credential }).ok_or(LoginError::Overloaded)
    }

    /// Returns the hash that a credential was verified against a while ago.
    fn remembered(&self, credential: &Credential) -> Option<Hash> {
        let now = self.0.clock.elapsed();
        let state = self.state();
        let is_it =
            |(known, until): &(Credential, Duration)| now < *until && bool::from(known.ct_eq(credential));
        state.basic.iter().any(is_it).then(|| state.hash.clone())
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
                // `vitrine password` takes it away.
                self.reread_second_factor();
                self.take_up(hash, Some(mark));
            }
            Ok(Ok(None)) => {}
            Ok(Err(err)) => tracing::warn!("keep the known admin password: {err}"),
            Err(err) => tracing::warn!("look at the admin password file: {err}"),
        }
    }

    fn take_up(&self, hash: Hash, mark: Option<Mark>) {
        if self.state().replace(hash, mark) {
            let deed = Deed::done(Event::PasswordChanged, "changed the admin password; every session ended");
            self.0.audit.note(&Actor::CommandLine, None, deed);
        }
    }

    fn credential(&self, password: &str, address: IpAddr) -> Credential {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0.basic_key).expect("any key length is accepted");
        // The password comes last: addresses have no end mark of their own.
        mac.update(address.to_canonical().to_string().as_bytes());
        mac.update(b"\n");
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

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Everything that the old password opened ends with it; returns whether it is another.
    fn replace(&mut self, hash: Hash, mark: Option<Mark>) -> bool {
        self.mark = mark;
        if self.hash == hash {
            return false;
        }
        self.hash = hash;
        self.sessions.end_all();
        self.basic.clear();
        self.met.clear();
        true
    }

    /// Returns true for who did not come from there yet.
    fn meet(&mut self, actor: &Actor, address: IpAddr) -> bool {
        if self.met.iter().any(|(known, from)| known == actor && *from == address) {
            return false;
        }
        if self.met.len() >= MET_MAX {
            self.met.remove(0);
        }
        self.met.push((actor.clone(), address));
        true
    }

    /// Remembers a credential, unless the password was changed while it was hashed.
    fn remember(&mut self, hash: &Hash, credential: Credential, now: Duration) {
        if self.hash != *hash {
            return;
        }
        self.basic.retain(|(known, until)| now < *until && *known != credential);
        if self.basic.len() >= BASIC_MAX {
            self.basic.remove(0);
        }
        self.basic.push((credential, now + BASIC_REMEMBERED));
    }
}

#[cfg(test)]
mod tests;
