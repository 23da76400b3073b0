//! Private links: `/p/<token>/` shows every contact to whoever was given the link.
//!
//! A token is 8 bytes of id, 8 of the second at which it expires, and 16 of a keyed hash over
//! both (HMAC-SHA-256, RFC 2104), as base64url. So what was not made here is refused without
//! a look at the list; what was made is on the list until it is revoked. The key and the list
//! lie in the data directory. A token is not logged, and its pages are neither kept by caches
//! nor told to other sites.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::edition::Edition;
use super::error::Error;
use super::observe::Answered;
use super::server::Thread;
use super::{public, secret_file};
use crate::clock::UnixMillis;
use crate::files::read_document;

/// The file's name inside the data directory.
const FILE_NAME: &str = "private-links.json";

/// The layout of the file that this version writes and reads.
const FILE_VERSION: u32 = 1;

/// Links at one time; who needs more wants a public page.
const LINKS_MAX: usize = 1_000;

/// A longer note is refused.
pub const NOTE_MAX_CHARS: usize = 100;

/// A link lasts at most so long.
pub const DAYS_MAX: u64 = 366;

const MAC_BYTES: usize = 16;
const TOKEN_BYTES: usize = 8 + 8 + MAC_BYTES;

/// The route's template, which is logged in place of the path.
pub(super) const ROUTE: &str = "/p/{token}/";

/// A link that was made and not revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateLink {
    /// Names it, 16 hexadecimal digits.
    pub id: String,
    /// For whom it is, in the owner's words.
    pub note: String,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// When it ends, in seconds since 1970.
    pub expires: u64,
}

/// Why a link could not be made or revoked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// There are enough.
    #[error("there are {LINKS_MAX} private links: revoke those that nobody needs")]
    TooMany,
    /// It would last too long, or not at all.
    #[error("a private link lasts from 1 to {DAYS_MAX} days")]
    Days,
    /// The note is too long.
    #[error("a note has at most {NOTE_MAX_CHARS} characters")]
    Note,
    /// There is none of this id.
    #[error("there is no such link")]
    Unknown,
    /// The file could not be read or written.
    #[error("{attempt} {}: {cause}", path.display())]
    File {
        /// What was tried.
        attempt: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said; part of the message, so not a source of its own.
        cause: io::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    key: String,
    links: Vec<PrivateLink>,
}

/// The links of a data directory.
pub struct Links {
    path: PathBuf,
    key: ArcSwap<[u8; 32]>,
    /// Read at each visit, which must not wait for a disk.
    links: ArcSwap<Vec<PrivateLink>>,
    /// Held while the file is written.
    writing: Mutex<()>,
}

impl Links {
    /// Reads the links; a file that cannot be read leaves none, and is not written over.
    pub fn open(data: &Path) -> Self {
        let path = data.join(FILE_NAME);
        let (key, links) = match read(&path) {
            Ok(Some(read)) => read,
            Ok(None) => (rand::random(), Vec::new()),
            Err(fault) => {
                tracing::error!("no private link works: {}: {fault}", path.display());
                (rand::random(), Vec::new())
            }
        };
        Links {
            path,
            key: ArcSwap::from_pointee(key),
            links: ArcSwap::from_pointee(links),
            writing: Mutex::new(()),
        }
    }

    /// Reads the links again: a predecessor may have made or revoked some meanwhile. Without a
    /// file there are none, and what cannot be read leaves those that are known.
    pub fn reread(&self) {
        match read(&self.path) {
            Ok(Some((key, links))) => {
                self.key.store(Arc::new(key));
                self.links.store(Arc::new(links));
            }
            Ok(None) => {}
            Err(fault) => tracing::warn!("read {} again: {fault}", self.path.display()),
        }
    }

    /// Makes a link.
    pub fn create(&self, note: &str, days: u64, now: UnixMillis) -> Result<PrivateLink, LinkError> {
        if !(1..=DAYS_MAX).contains(&days) {
            return Err(LinkError::Days);
        }
        let note = note.trim();
        if note.chars().count() > NOTE_MAX_CHARS {
            return Err(LinkError::Note);
        }
        let created = seconds(now);
        let expires = created + days * 86_400;
        let link =
            PrivateLink { id: hex::encode(rand::random::<[u8; 8]>()), note: note.into(), created, expires };
        self.change(|links| {
            links.retain(|link| link.expires > created);
            if links.len() >= LINKS_MAX {
                return Err(LinkError::TooMany);
            }
            links.push(link.clone());
            Ok(())
        })?;
        Ok(link)
    }

    /// Ends a link.
    pub fn revoke(&self, id: &str) -> Result<(), LinkError> {
        self.change(|links| {
            let before = links.len();
            links.retain(|link| link.id != id);
            if links.len() < before { Ok(()) } else { Err(LinkError::Unknown) }
        })
    }

    /// Returns the links that work, the newest first.
    pub fn list(&self, now: UnixMillis) -> Vec<PrivateLink> {
        let links = self.links.load();
        links.iter().rev().filter(|link| link.expires > seconds(now)).cloned().collect()
    }

    /// Returns the path of a link.
    pub fn path_of(&self, link: &PrivateLink) -> String {
        let mut token = [0; TOKEN_BYTES];
        // What is no id names no link.
        _ = hex::decode_to_slice(&link.id, &mut token[..8]);
        token[8..16].copy_from_slice(&link.expires.to_be_bytes());
        let mac = self.mac(&token[..16]).finalize().into_bytes();
        token[16..].copy_from_slice(&mac[..MAC_BYTES]);
        format!("/p/{}/", URL_SAFE_NO_PAD.encode(token))
    }

    /// Whether a token opens the page now.
    pub fn opens(&self, token: &str, now: UnixMillis) -> bool {
        let Ok(token) = URL_SAFE_NO_PAD.decode(token) else { return false };
        let Ok(token): Result<[u8; TOKEN_BYTES], _> = token.try_into() else { return false };
        let (said, mac) = token.split_at(16);
        if self.mac(said).verify_truncated_left(mac).is_err() {
            return false;
        }
        let expires = u64::from_be_bytes(said[8..].try_into().expect("eight of sixteen bytes"));
        let id = hex::encode(&said[..8]);
        expires > seconds(now) && self.links.load().iter().any(|link| link.id == id)
    }

    fn mac(&self, bytes: &[u8]) -> Hmac<Sha256> {
        Hmac::new_from_slice(&**self.key.load()).expect("a key of any length will do").chain_update(bytes)
    }

    fn change(
        &self,
        change: impl FnOnce(&mut Vec<PrivateLink>) -> Result<(), LinkError>,
    ) -> Result<(), LinkError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        // What cannot be read, of a later version perhaps, is not written over: with its key every
        // link that was given away would be gone.
        let (key, mut links) = match read(&self.path).map_err(|cause| self.error("read", cause))? {
            Some(read) => read,
            None => (**self.key.load(), Vec::clone(&self.links.load())),
        };
        change(&mut links)?;
        let stored = Stored { version: FILE_VERSION, key: hex::encode(key), links };
        let text = serde_json::to_string_pretty(&stored).expect("plain fields can be written as JSON");
        secret_file::write(&self.path, &text).map_err(|cause| self.error("write", cause))?;
        self.key.store(Arc::new(key));
        self.links.store(Arc::new(stored.links));
        Ok(())
    }

    fn error(&self, attempt: &'static str, cause: io::Error) -> LinkError {
        LinkError::File { attempt, path: self.path.clone(), cause }
    }
}

fn seconds(now: UnixMillis) -> u64 {
    u64::try_from(now.0 / 1_000).unwrap_or(0)
}

fn read(path: &Path) -> io::Result<Option<([u8; 32], Vec<PrivateLink>)>> {
    let Some(stored) = read_document::<Stored>(path, FILE_VERSION)? else { return Ok(None) };
    let mut key = [0; 32];
    hex::decode_to_slice(&stored.key, &mut key).map_err(io::Error::other)?;
    Ok(Some((key, stored.links)))
}

/// Adds the route.
pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    let scope = web::scope("/p")
        .service(web::resource("/{token}/{rest:.*}").get(page).head(page))
        .service(web::resource("/{token}").get(to_page).head(to_page));
    cfg.service(scope);
}

/// Answers who has sent enough, or came where others could read along.
fn turned_away(request: &HttpRequest, thread: &Thread, edition: &Edition) -> Option<HttpResponse> {
    request.extensions_mut().insert(Answered::at(ROUTE));
    match public::admit(request, thread) {
        Ok(()) => public::elsewhere(request, thread, edition),
        Err(fault) => Some(fault.response(edition)),
    }
}

async fn to_page(request: HttpRequest, token: web::Path<String>) -> HttpResponse {
    let thread = Thread::of(&request);
    let (shared, edition) = (&thread.shared, thread.shared.edition.load_full());
    if let Some(refusal) = turned_away(&request, thread, &edition) {
        return refusal;
    }
    // What is no token could be a part of another site's address.
    if !shared.links.opens(&token, shared.clock.now_ms()) {
        return Error::NoFile.response(&edition);
    }
    let place = public::with_query(format!("/p/{token}/"), &request);
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, place)).finish()
}

async fn page(request: HttpRequest, path: web::Path<(String, String)>) -> HttpResponse {
    let thread = Thread::of(&request);
    let (token, rest) = path.into_inner();
    let (shared, edition) = (&thread.shared, thread.shared.edition.load_full());
    if let Some(refusal) = turned_away(&request, thread, &edition) {
        return refusal;
    }
    let found = edition.private(&rest).filter(|_| shared.links.opens(&token, shared.clock.now_ms()));
    let Some(found) = found else { return Error::NoFile.response(&edition) };
    let shown = found.shown.clone();
    request.extensions_mut().insert(Answered { shown, ..Answered::at(ROUTE) });
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, found.content_type.clone()))
        .insert_header((header::CACHE_CONTROL, found.cache_control.clone()))
        .insert_header((header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")))
        .insert_header(("x-robots-tag", HeaderValue::from_static("noindex, nofollow")))
        .body(found.identity().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn token(links: &Links, link: &PrivateLink) -> String {
        links.path_of(link).split('/').nth(2).unwrap().to_string()
    }

    fn after(days: i64) -> UnixMillis {
        UnixMillis(NOW.0 + days * 86_400_000)
    }

    #[test]
    fn a_link_opens_until_it_expires_or_is_revoked() {
        let dir = tempfile::tempdir().unwrap();
        let links = Links::open(dir.path());
        let (first, second) = (links.create("Ada", 7, NOW).unwrap(), links.create("Bob", 7, NOW).unwrap());
        let token = token(&links, &first);
        assert!(links.opens(&token, NOW) && links.opens(&token, after(6)));
        assert!(!links.opens(&token, after(7)));
        // A restart changes nothing.
        let again = Links::open(dir.path());
        assert!(again.opens(&token, NOW));
        assert_eq!(again.list(NOW), [second, first.clone()]);
        again.revoke(&first.id).unwrap();
        assert!(!again.opens(&token, NOW));
        assert!(matches!(again.revoke(&first.id), Err(LinkError::Unknown)));
        assert!(!Links::open(dir.path()).opens(&token, NOW));
        assert_eq!(again.list(after(8)), []);
    }

    #[test]
    fn a_token_with_another_bit_or_of_another_key_opens_nothing() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (links, others) = (Links::open(dir.path()), Links::open(other.path()));
        let link = links.create("", 1, NOW).unwrap();
        let token = token(&links, &link);
        assert!(!others.opens(&token, NOW));
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!links.opens(&URL_SAFE_NO_PAD.encode(wrong), NOW), "bit {bit}");
        }
        for text in ["", "a", &token[1..], &format!("{token}A"), "../../etc"] {
            assert!(!links.opens(text, NOW), "{text}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_not_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        for text in ["{", r#"{"version":9,"key":"","links":[]}"#] {
            std::fs::write(&path, text).unwrap();
            let links = Links::open(dir.path());
            assert!(matches!(links.create("Ada", 1, NOW), Err(LinkError::File { attempt: "read", .. })));
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn what_another_process_made_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (Links::open(dir.path()), Links::open(dir.path()));
        let link = one.create("Ada", 1, NOW).unwrap();
        other.create("Bob", 1, NOW).unwrap();
        assert_eq!(Links::open(dir.path()).list(NOW).len(), 2);
        assert!(other.opens(&token(&one, &link), NOW), "the key is that of the file");
    }

    #[test]
    fn what_is_asked_for_has_bounds() {
        let dir = tempfile::tempdir().unwrap();
        let links = Links::open(dir.path());
        for days in [0, DAYS_MAX + 1, u64::MAX] {
            assert!(matches!(links.create("", days, NOW), Err(LinkError::Days)));
        }
        assert!(matches!(links.create(&"x".repeat(101), 1, NOW), Err(LinkError::Note)));
    }
}
