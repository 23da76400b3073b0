//! Who is logged in.
//!
//! A session is known by the SHA-256 of its token: who reads this memory, or a dump of
//! it, cannot log in with what is found. Sessions end with the process.

use std::collections::HashMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use sha2::{Digest, Sha256};

/// Sessions at once. One owner has a few devices; one more login ends the session that
/// was unused for longest.
const SESSIONS_MAX: usize = 64;

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

    fn digest(&self) -> [u8; 32] {
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

struct Session {
    number: u32,
    csrf: String,
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
    pub(super) fn begin(&mut self, now: Duration) -> (Token, u32) {
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
        self.known.insert(token.digest(), Session { number, csrf, created: now, used: now });
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

    #[test]
    fn session_ends_when_idle_and_when_old() {
        let mut sessions = sessions();
        let (token, _) = sessions.begin(Duration::ZERO);
        assert!(sessions.is_alive(&token, 23 * HOUR));
        assert!(sessions.visit(&token, 24 * HOUR).is_none(), "idle for a day");
        let (token, _) = sessions.begin(Duration::ZERO);
        for hour in (0..7 * 24).step_by(12) {
            assert!(sessions.visit(&token, hour * HOUR).is_some(), "in use at hour {hour}");
        }
        assert!(sessions.visit(&token, 7 * 24 * HOUR).is_none(), "a week old");
    }

    #[test]
    fn watching_does_not_keep_a_session() {
        let mut sessions = sessions();
        let (token, _) = sessions.begin(Duration::ZERO);
        assert!(sessions.is_alive(&token, 20 * HOUR));
        assert!(!sessions.is_alive(&token, 25 * HOUR));
    }

    #[test]
    fn sessions_are_bounded_and_the_least_used_goes() {
        let mut sessions = sessions();
        let tokens: Vec<Token> = (0..SESSIONS_MAX as u32).map(|n| sessions.begin(n * HOUR / 60).0).collect();
        sessions.visit(&tokens[0], HOUR);
        sessions.begin(2 * HOUR);
        assert_eq!(sessions.known.len(), SESSIONS_MAX);
        assert!(sessions.is_alive(&tokens[0], 2 * HOUR) && !sessions.is_alive(&tokens[1], 2 * HOUR));
        let numbers: HashSet<u32> = sessions.known.values().map(|session| session.number).collect();
        assert_eq!(numbers.len(), SESSIONS_MAX);
    }

    #[test]
    fn neither_memory_nor_debug_output_has_the_token() {
        let mut sessions = sessions();
        let (token, _) = sessions.begin(Duration::ZERO);
        assert!(!sessions.known.contains_key(token.as_str().as_bytes()));
        assert_eq!(format!("{token:?}"), "Token(…)");
        assert!(!sessions.is_alive(&Token::from_cookie("guess"), Duration::ZERO));
    }
}
