//! The edition: everything public, ready to send.
//!
//! A reload builds the next edition aside and swaps it in once; a request keeps the one
//! that it began with. Nothing in an edition changes after it was built.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::assets::{self, Assets};
use super::representation::{Caching, Representation};
use crate::cv::BaseUrl;
use crate::record::view::Shown;

/// A document at a path.
#[derive(Clone, Debug)]
pub struct Document {
    /// The route's template, for labels.
    pub route: &'static str,
    /// What is sent.
    pub representation: Arc<Representation>,
}

/// Everything public at one moment.
#[derive(Debug)]
pub struct Edition {
    documents: HashMap<String, Document>,
    /// What a private link shows, by the rest of the path behind its token.
    private: HashMap<String, Arc<Representation>>,
    /// Paths that lead to another one.
    moved: HashMap<String, String>,
    /// The address of the stylesheet that all pages have.
    pub stylesheet: String,
    /// The owner's page for what is not there.
    pub not_found: Option<Bytes>,
    /// The address of the site, when the owner named it.
    pub base_url: Option<BaseUrl>,
    /// The language of the original, of which the owner's PDF is taken to be; empty when nobody
    /// said it.
    pub lang: Arc<str>,
    /// What pages of earlier editions show, and until when it is served.
    kept: HashMap<String, (Document, Instant)>,
    assets: Arc<Assets>,
}

/// A page that a visitor has open shows what belongs to it for so long after a reload.
const KEPT_FOR: Duration = Duration::from_secs(600);

/// What earlier editions leave: with a reload each second, a picture of another name each time
/// must not fill the memory.
const KEPT_MAX: usize = 16;

/// The route template of the photo.
pub(super) const PHOTO_ROUTE: &str = "/photo.{ending}";

/// The route template of embedded assets.
const ASSET_ROUTE: &str = "/assets/{file}";

impl Edition {
    /// Starts an edition that holds only the assets.
    pub fn new(assets: Arc<Assets>) -> Self {
        Edition {
            documents: HashMap::new(),
            private: HashMap::new(),
            moved: HashMap::new(),
            stylesheet: String::new(),
            not_found: None,
            base_url: None,
            lang: "".into(),
            kept: HashMap::new(),
            assets,
        }
    }

    /// Adds a document that an owner can change, at `path`.
    pub fn add(&mut self, path: &str, route: &'static str, content_type: &'static str, body: Vec<u8>) {
        let representation = Arc::new(Representation::new(content_type, Caching::Revalidate, body));
        self.documents.insert(path.to_string(), Document { route, representation });
    }

    /// Adds a document of the CV, which visitors come for, at `path`.
    pub fn add_shown(
        &mut self,
        path: &str,
        route: &'static str,
        content_type: &'static str,
        body: Vec<u8>,
        shown: Shown,
    ) {
        let representation = Representation::new(content_type, Caching::Revalidate, body).shown_as(shown);
        self.documents.insert(path.to_string(), Document { route, representation: representation.into() });
    }

    /// Adds what only private links show, at the path behind a token.
    pub fn add_private(&mut self, rest: &str, content_type: &'static str, body: Vec<u8>) {
        let representation = Representation::new(content_type, Caching::Never, body);
        self.private.insert(rest.to_string(), representation.into());
    }

    /// Adds a document of the CV that only private links show.
    pub fn add_private_shown(&mut self, rest: &str, content_type: &'static str, body: Vec<u8>, shown: Shown) {
        let representation = Representation::new(content_type, Caching::Never, body).shown_as(shown);
        self.private.insert(rest.to_string(), representation.into());
    }

    /// Returns what private links show at a path behind their token.
    pub(super) fn private(&self, rest: &str) -> Option<&Arc<Representation>> {
        self.private.get(rest)
    }

    /// Adds what pages show, under an address that changes with its content, and returns that.
    pub fn add_part(&mut self, stem: &str, ending: &str, body: Vec<u8>) -> String {
        let name = format!("{stem}.{ending}");
        let url = assets::hashed_url(&name, &body);
        let representation =
            Arc::new(Representation::new(assets::content_type(&name), Caching::Immutable, body));
        self.documents.insert(url.clone(), Document { route: ASSET_ROUTE, representation });
        url
    }

    /// Sends whoever asks for a path to another one of this site.
    pub fn redirect(&mut self, from: &str, to: &str) {
        self.moved.insert(from.to_string(), to.to_string());
    }

    /// Returns where a path leads.
    pub fn moved(&self, path: &str) -> Option<&str> {
        self.moved.get(path).map(String::as_str)
    }

    /// Returns what is served at a path.
    pub fn find(&self, path: &str) -> Option<(&'static str, &Arc<Representation>)> {
        if let Some(document) = self.documents.get(path) {
            return Some((document.route, &document.representation));
        }
        let asset = || self.assets.get(path).map(|asset| (ASSET_ROUTE, asset));
        let kept = || {
            let (document, until) = self.kept.get(path)?;
            (Instant::now() < *until).then_some((document.route, &document.representation))
        };
        asset().or_else(kept)
    }

    /// Keeps for a while what pages of the edition before this one show.
    pub fn succeed(&mut self, previous: &Edition, now: Instant) {
        // A photo that the owner took away is gone at once.
        let has_photo = self.documents.values().any(|document| document.route == PHOTO_ROUTE);
        let shown = previous.documents.iter().filter(|(_, document)| {
            document.representation.is_part() && (has_photo || document.route != PHOTO_ROUTE)
        });
        let shown = shown.map(|(path, document)| (path, (document.clone(), now + KEPT_FOR)));
        let kept = previous.kept.iter().filter(|(_, (_, until))| *until > now);
        let mut all: Vec<_> = shown.chain(kept.map(|(path, kept)| (path, kept.clone()))).collect();
        all.retain(|(path, _)| !self.documents.contains_key(*path));
        // The newest first, so that of two at one path the newest is taken; of these what a page
        // cannot do without.
        all.sort_by_key(|(path, (_, until))| (std::cmp::Reverse(*until), !path.ends_with(".css")));
        for (path, kept) in all {
            if self.kept.len() < KEPT_MAX {
                self.kept.entry(path.clone()).or_insert(kept);
            }
        }
    }

    /// Returns the paths of all documents, assets aside.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.documents.keys().map(String::as_str)
    }

    /// Returns the embedded assets.
    pub fn assets(&self) -> &Arc<Assets> {
        &self.assets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(path: &str, body: &str) -> Edition {
        let mut res = Edition::new(Arc::new(Assets::load()));
        res.add("/", "/", "text/html; charset=utf-8", body.into());
        res.add(path, "/photo.{ending}", "image/png", body.into());
        res
    }

    #[test]
    fn pictures_and_styles_of_earlier_editions_are_served_for_a_while() {
        let now = Instant::now();
        let first = with("/photo.png", "1");
        let mut second = with("/photo.jpg", "2");
        second.succeed(&first, now);
        let mut third = with("/photo.webp", "3");
        third.succeed(&second, now);
        for path in ["/photo.png", "/photo.jpg", "/photo.webp", "/"] {
            assert!(third.find(path).is_some(), "{path}");
        }
        let mut late = with("/photo.gif", "4");
        late.succeed(&third, now + KEPT_FOR);
        assert!(late.find("/photo.png").is_none(), "ten minutes are over");
        assert!(late.find("/photo.webp").is_some(), "it was shown until now");
    }

    #[test]
    fn a_photo_that_was_taken_away_is_gone_at_once() {
        let now = Instant::now();
        let mut without = Edition::new(Arc::new(Assets::load()));
        without.add("/", "/", "text/html; charset=utf-8", b"1".to_vec());
        without.succeed(&with("/photo.png", "1"), now);
        assert!(without.find("/photo.png").is_none());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let now = Instant::now();
        let mut edition = with("/photo.0", "0");
        for n in 1..100 {
            let mut next = with(&format!("/photo.{n}"), "x");
            next.succeed(&edition, now + Duration::from_millis(n));
            edition = next;
        }
        assert_eq!(edition.kept.len(), KEPT_MAX);
        assert!(edition.find("/photo.98").is_some() && edition.find("/photo.1").is_none());
    }
}
