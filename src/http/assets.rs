//! What is embedded for browsers: styles, scripts and icons under `/assets/`.
//!
//! The address of an asset holds a hash of its content, so it can be cached for ever and
//! a new build is never shown with old styles.

use std::collections::HashMap;
use std::sync::Arc;

use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use super::representation::{Caching, Representation};

#[derive(RustEmbed)]
#[folder = "assets/web"]
struct Embedded;

/// The embedded assets, compressed once at start.
#[derive(Debug)]
pub struct Assets {
    urls: HashMap<String, String>,
    by_url: HashMap<String, Arc<Representation>>,
}

impl Assets {
    /// Compresses and names every embedded file; takes some milliseconds.
    pub fn load() -> Self {
        let mut res = Assets { urls: HashMap::new(), by_url: HashMap::new() };
        for name in Embedded::iter() {
            let file = Embedded::get(&name).expect("a name that was just listed is embedded");
            let url = hashed_url(&name, &file.data);
            let representation =
                Representation::new(content_type(&name), Caching::Immutable, file.data.into_owned());
            res.by_url.insert(url.clone(), Arc::new(representation));
            res.urls.insert(name.into_owned(), url);
        }
        res
    }

    /// Returns the address of an embedded file.
    ///
    /// # Panics
    /// When there is no such file: its name is written in our own source, and a test
    /// renders every page.
    pub fn url(&self, name: &str) -> &str {
        self.urls.get(name).unwrap_or_else(|| panic!("no asset is embedded as {name}"))
    }

    /// Returns an embedded stylesheet, with the addresses of other files as they are served.
    ///
    /// # Panics
    /// As [`Assets::url`].
    pub fn stylesheet(&self, name: &str) -> String {
        let asset = self.get(self.url(name)).expect("what has an address is there");
        let mut text = String::from_utf8_lossy(asset.identity()).into_owned();
        for (name, url) in self.urls.iter().filter(|(name, _)| name.starts_with("fonts/")) {
            text = text.replace(&format!("/assets/{name}"), url);
        }
        text
    }

    /// Returns the asset at an address.
    pub fn get(&self, url: &str) -> Option<&Arc<Representation>> {
        self.by_url.get(url)
    }
}

/// Returns the address of a file that is served under its hash.
pub(super) fn hashed_url(name: &str, data: &[u8]) -> String {
    let hash = hex::encode(&Sha256::digest(data)[..6]);
    match name.rsplit_once('.') {
        Some((stem, extension)) => format!("/assets/{stem}-{hash}.{extension}"),
        None => format!("/assets/{name}-{hash}"),
    }
}

/// Returns the media type by a file's extension.
pub fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "json" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_changes_with_the_content() {
        assert_ne!(hashed_url("a.css", b"1"), hashed_url("a.css", b"2"));
        assert!(hashed_url("a.css", b"1").starts_with("/assets/a-"));
    }

    #[test]
    fn every_embedded_file_has_a_media_type() {
        for name in Embedded::iter() {
            assert_ne!(content_type(&name), "application/octet-stream", "{name}");
        }
    }
}
