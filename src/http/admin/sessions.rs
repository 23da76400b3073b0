//! Who is logged in.
//!
//! A session is known by the SHA-256 of its token: who reads this memory, or a dump of
//! it, cannot log in with what is found. Sessions end with the process.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::tokens::Secret;
use crate::pages::admin::Notice;
use crate::record::access::cut;

/// Sessions at once. One owner has a few devices; one more login ends the session that
/// was unused for longest.
const SESSIONS_MAX: usize = 64;

/// Of a browser's own name so much is kept; real ones are below 300 bytes.
const AGENT_MAX_BYTES: usize = 256;

/// A longer notice is cut: a refused reload can have many reasons, which the log has in full.
const NOTICE_MAX_BYTES: usize = 4 << 10;

/// What sessions are called by; many more than there are sessions at once.
const NUMBERS: RangeInclusive<u32> = 1_000..=9_999;

/// The secret that a browser holds: 256 random bits in hexadecimal.
#[derive(Clone)]
pub(super) struct Token(String);

impl Token {
    pub(super) fn draw() -> Token {
        Token(hex::encode(rand::random::<[u8; 32]>()))
    }

    /// Takes what a browser sent; anything is a token, few are known.
    pub(super) fn from_cookie(value: &str) -> Token {
        Token(value.to_string())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// A live session, as one of its requests meets it.
pub(super) struct Visit {
    /// Goes into every form.
    pub(super) csrf: String,
    /// Names the session where its token must not be told.
    pub(super) number: u32,
}

/// Where a login came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Visitor {
    pub(super) address: IpAddr,
    /// What the browser calls itself, at most [`AGENT_MAX_BYTES`] of it.
    pub(super) agent: String,
}

impl Visitor {
    pub(super) fn new(address: IpAddr, agent: &str) -> Self {
        Visitor { address: address.to_canonical(), agent: cut(agent, AGENT_MAX_BYTES).to_string() }
    }
}

/// What may be told of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SessionFacts {
    pub(super) number: u32,
    /// How long ago it began.
    pub(super) age: Duration,
    /// How long ago it was used.
    pub(super) idle: Duration,
    /// Where its login came from.
    pub(super) visitor: Visitor,
    /// Whether it is the one of who asks.
    pub(super) is_own: bool,
}

/// What an action leaves for the next page of its session, which shows it once.
#[derive(Default)]
struct Left {
    notice: Option<Notice>,
    token: Option<MadeToken>,
}

/// A token that was just made; the page that follows is the only one that shows it.
#[derive(Clone, Debug)]
pub(super) struct MadeToken {
    pub(super) name: String,
    pub(super) secret: Secret,
}

struct Session {
    number: u32,
    csrf: String,
    visitor: Visitor,
    left: Left,
    created: Duration,
    used: Duration,
}

/// The sessions, and how long they last.
pub(super) struct Sessions {
    known: HashMap<[u8; 32], Session>,
    idle_max: Duration,
    age_max: Duration,
}

impl Sessions {
    pub(super) fn new(idle_max: Duration, age_max: Duration) -> Self {
        Sessions { known: HashMap::new(), idle_max, age_max }
    }

    /// Begins a session and returns its token, which is not kept, and its number.
    pub(super) fn begin(&mut self, visitor: Visitor, now: Duration) -> (Token, u32) {
        let (idle_max, age_max) = (self.idle_max, self.age_max);
        self.known.retain(|_, session| session.is_alive(now, idle_max, age_max));
        if self.known.len() >= SESSIONS_MAX {
            let oldest = self.known.iter().min_by_key(|(_, session)| session.used).map(|(digest, _)| *digest);
            if let Some(oldest) = oldest {
                self.known.remove(&oldest);
            }
        }
        let token = Token::draw();
        let csrf = hex::encode(rand::random::<[u8; 32]>());
        let number = self.free_number();
        let left = Left::default();
        self.known.insert(token.digest(), Session { number, csrf, visitor, left, created: now, used: now });
        (token, number)
    }

    /// Draws a number that no other session has. It is no secret: it is short enough to be
    /// read out, and seldom the one of a session of yesterday.
    fn free_number(&self) -> u32 {
        loop {
            let number = rand::random_range(NUMBERS);
            if self.known.values().all(|session| session.number != number) {
                return number;
            }
        }
    }

    /// Counts a live session as used.
    pub(super) fn visit(&mut self, token: &Token, now: Duration) -> Option<Visit> {
        let (idle_max, age_max) = (self.idle_max, self.age_max);
        let session = self.known.get_mut(&token.digest())?;
        if !session.is_alive(now, idle_max, age_max) {
            self.known.remove(&token.digest());
            return None;
        }
        session.used = now;
        Some(Visit { csrf: session.csrf.clone(), number: session.number })
    }

    /// Returns true for a live session and leaves its idle time as it is.
    pub(super) fn is_alive(&self, token: &Token, now: Duration) -> bool {
        let session = self.known.get(&token.digest());
        session.is_some_and(|session| session.is_alive(now, self.idle_max, self.age_max))
    }

    pub(super) fn end(&mut self, token: &Token) {
        self.known.remove(&token.digest());
    }

    pub(super) fn end_all(&mut self) {
        self.known.clear();
    }

    /// Ends the session of a number; returns false when there is none.
    pub(super) fn end_number(&mut self, number: u32) -> bool {
        let before = self.known.len();
        self.known.retain(|_, session| session.number != number);
        self.known.len() < before
    }

    /// Ends all but one, and returns how many that were.
    pub(super) fn end_others(&mut self, own: &Token) -> usize {
        let (before, own) = (self.known.len(), own.digest());
        self.known.retain(|digest, _| *digest == own);
        before - self.known.len()
    }

    /// Returns what may be told of the live sessions: the own one first, then the last used.
    pub(super) fn list(&self, own: &Token, now: Duration) -> Vec<SessionFacts> {
        let own = own.digest();
        let live =
            self.known.iter().filter(|(_, session)| session.is_alive(now, self.idle_max, self.age_max));
        let facts = live.map(|(digest, session)| SessionFacts {
            number: session.number,
            age: now.saturating_sub(session.created),
            idle: now.saturating_sub(session.used),
            visitor: session.visitor.clone(),
            is_own: *digest == own,
        });
        let mut res: Vec<SessionFacts> = facts.collect();
        res.sort_by_key(|session| (!session.is_own, session.idle, session.number));
        res
    }

    /// Leaves a notice for the next page of a session; of two the later counts.
    pub(super) fn leave_notice(&mut self, token: &Token, mut notice: Notice) {
        notice.text.truncate(cut(&notice.text, NOTICE_MAX_BYTES).len());
        if let Some(session) = self.known.get_mut(&token.digest()) {
            session.left.notice = Some(notice);
        }
    }

    /// Takes the notice that was left, if there is one.
    pub(super) fn take_notice(&mut self, token: &Token) -> Option<Notice> {
        self.known.get_mut(&token.digest())?.left.notice.take()
    }

    /// Leaves a token for the next page that shows tokens.
    pub(super) fn leave_token(&mut self, token: &Token, made: MadeToken) {
        if let Some(session) = self.known.get_mut(&token.digest()) {
            session.left.token = Some(made);
        }
    }

    /// Takes the token that was left, if there is one.
    pub(super) fn take_token(&mut self, token: &Token) -> Option<MadeToken> {
        self.known.get_mut(&token.digest())?.left.token.take()
    }
}

impl Session {
    fn is_alive(&self, now: Duration, idle_max: Duration, age_max: Duration) -> bool {
        now.saturating_sub(self.used) < idle_max && now.saturating_sub(self.created) < age_max
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn sessions() -> Sessions {
        Sessions::new(24 * HOUR, 7 * 24 * HOUR)
    }

    fn begin(sessions: &mut Sessions, now: Duration) -> (Token, u32) {
        sessions.begin(Visitor::new(IpAddr::from([192, 0, 2, 7]), "Mozilla/5.0"), now)
    }

    #[test]
    fn session_ends_when_idle_and_when_old() {
        let mut sessions = sessions();
        let (token, _) = begin(&mut sessions, Duration::ZERO);
        assert!(sessions.is_alive(&token, 23 * HOUR));
        assert!(sessions.visit(&token, 24 * HOUR).is_none(), "idle for a day");
        let (token, _) = begin(&mut sessions, Duration::ZERO);
        for hour in (0..7 * 24).step_by(12) {
            assert!(sessions.visit(&token, hour * HOUR).is_some(), "in use at hour {hour}");
        }
        assert!(sessions.visit(&token, 7 * 24 * HOUR).is_none(), "a week old");
    }

    #[test]
    fn watching_does_not_keep_a_session() {
        let mut sessions = sessions();
        let (token, _) = begin(&mut sessions, Duration::ZERO);
        assert!(sessions.is_alive(&token, 20 * HOUR));
        assert!(!sessions.is_alive(&token, 25 * HOUR));
    }

    #[test]
    fn sessions_are_bounded_and_the_least_used_goes() {
        let mut sessions = sessions();
        let tokens: Vec<Token> =
            (0..SESSIONS_MAX as u32).map(|n| begin(&mut sessions, n * HOUR / 60).0).collect();
        sessions.visit(&tokens[0], HOUR);
        begin(&mut sessions, 2 * HOUR);
        assert_eq!(sessions.known.len(), SESSIONS_MAX);
        assert!(sessions.is_alive(&tokens[0], 2 * HOUR) && !sessions.is_alive(&tokens[1], 2 * HOUR));
        let numbers: HashSet<u32> = sessions.known.values().map(|session| session.number).collect();
        assert_eq!(numbers.len(), SESSIONS_MAX);
    }

    #[test]
    fn neither_memory_nor_debug_output_has_the_token() {
        let mut sessions = sessions();
        let (token, _) = begin(&mut sessions, Duration::ZERO);
        assert!(!sessions.known.contains_key(token.as_str().as_bytes()));
        assert_eq!(format!("{token:?}"), "Token(…)");
        assert!(!sessions.is_alive(&Token::from_cookie("guess"), Duration::ZERO));
    }

    #[test]
    fn the_list_tells_of_live_sessions_and_their_logins_and_no_token() {
        let mut sessions = sessions();
        begin(&mut sessions, Duration::ZERO);
        let (own, number) = begin(&mut sessions, 20 * HOUR);
        let (_, another) = begin(&mut sessions, 25 * HOUR);
        let list = sessions.list(&own, 26 * HOUR);
        let told: Vec<_> = list.iter().map(|facts| (facts.number, facts.is_own, facts.idle)).collect();
        assert_eq!(told, [(number, true, 6 * HOUR), (another, false, HOUR)], "the first is idle for a day");
        assert_eq!(list[0].visitor, Visitor::new(IpAddr::from([192, 0, 2, 7]), "Mozilla/5.0"));
        assert!(!format!("{list:?}").contains(own.as_str()));
        assert_eq!(Visitor::new("::ffff:192.0.2.7".parse().unwrap(), &"ж".repeat(200)).agent.len(), 256);
    }

    #[test]
    fn sessions_are_ended_one_by_one_or_all_but_the_own() {
        let mut sessions = sessions();
        let (own, _) = begin(&mut sessions, Duration::ZERO);
        let (another, number) = begin(&mut sessions, Duration::ZERO);
        begin(&mut sessions, Duration::ZERO);
        assert!(sessions.end_number(number) && !sessions.end_number(number));
        assert!(!sessions.is_alive(&another, Duration::ZERO));
        assert_eq!((sessions.end_others(&own), sessions.end_others(&own)), (1, 0));
        assert!(sessions.is_alive(&own, Duration::ZERO));
    }

    #[test]
    fn what_is_left_for_a_session_is_taken_once_and_by_it_alone() {
        let mut sessions = sessions();
        let (own, _) = begin(&mut sessions, Duration::ZERO);
        let (another, _) = begin(&mut sessions, Duration::ZERO);
        let notice = |text: &str| Notice { is_good: true, text: text.into() };
        sessions.leave_notice(&own, notice("first"));
        sessions.leave_notice(&own, notice("second"));
        sessions.leave_notice(&Token::from_cookie("guess"), notice("lost"));
        assert_eq!(sessions.take_notice(&another), None);
        assert_eq!(sessions.take_notice(&own), Some(notice("second")));
        assert_eq!(sessions.take_notice(&own), None);
    }
}
