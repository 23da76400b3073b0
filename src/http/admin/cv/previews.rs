//! Previews: what visitors would see of a text that nobody published.
//!
//! Each belongs to the session that asked for it, which has one at a time; it is gone with the
//! process, with the next one, and after half an hour.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::http::admin::editor::Previewed;
use crate::http::admin::sessions::Token;

/// Sessions that have one at once; a further one makes the oldest go.
const PREVIEWS_MAX: usize = 8;

/// Memory of all together: four with a photo of the largest size, hundreds of ordinary ones.
const BYTES_MAX: usize = 24 << 20;

/// One is kept so long after it was made.
const AGE_MAX: Duration = Duration::from_secs(1_800);

struct Kept {
    /// Of the session's token, which is not kept.
    session: [u8; 32],
    made: Duration,
    preview: Arc<Previewed>,
}

/// The previews of all sessions, the oldest first.
#[derive(Default)]
pub(in crate::http::admin) struct Previews(Mutex<Vec<Kept>>);

impl Previews {
    /// Keeps a preview for a session, in the place of the one that it had.
    pub(super) fn put(&self, token: &Token, preview: Previewed, now: Duration) {
        let mut kept = self.kept(now);
        let session = token.digest();
        kept.retain(|kept| kept.session != session);
        kept.push(Kept { session, made: now, preview: Arc::new(preview) });
        let size = |kept: &[Kept]| kept.iter().map(|kept| kept.preview.pages.size_bytes()).sum::<usize>();
        while kept.len() > 1 && (kept.len() > PREVIEWS_MAX || size(&kept) > BYTES_MAX) {
            kept.remove(0);
        }
    }

    /// Returns the preview of a session.
    pub(super) fn get(&self, token: &Token, now: Duration) -> Option<Arc<Previewed>> {
        let (kept, session) = (self.kept(now), token.digest());
        let found = kept.iter().find(|kept| kept.session == session);
        found.map(|kept| kept.preview.clone())
    }

    fn kept(&self, now: Duration) -> MutexGuard<'_, Vec<Kept>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|kept| now.saturating_sub(kept.made) < AGE_MAX);
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::site::Preview;

    fn preview(start: &str) -> Previewed {
        Previewed { pages: Preview::default(), start: start.into() }
    }

    #[test]
    fn each_session_has_its_own_for_half_an_hour() {
        let previews = Previews::default();
        let (ada, bob) = (Token::draw(), Token::draw());
        previews.put(&ada, preview("1"), Duration::ZERO);
        previews.put(&ada, preview("2"), Duration::from_secs(60));
        assert_eq!(previews.get(&ada, Duration::from_secs(61)).unwrap().start, "2");
        assert!(previews.get(&bob, Duration::from_secs(61)).is_none());
        assert!(previews.get(&ada, Duration::from_secs(60) + AGE_MAX).is_none());
    }

    #[test]
    fn the_oldest_goes_when_there_are_many() {
        let previews = Previews::default();
        let tokens: Vec<Token> = (0..=PREVIEWS_MAX).map(|_| Token::draw()).collect();
        for token in &tokens {
            previews.put(token, preview(""), Duration::ZERO);
        }
        let has = |token: &Token| previews.get(token, Duration::ZERO).is_some();
        assert!(!has(&tokens[0]) && has(&tokens[1]) && has(&tokens[PREVIEWS_MAX]));
    }
}
