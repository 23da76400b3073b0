//! The edition: everything public, ready to send.
//!
//! A reload builds the next edition aside and swaps it in once; a request keeps the one
//! that it began with. Nothing in an edition changes after it was built.

use std::collections::HashMap;
use std::sync::Arc;

use super::assets::Assets;
use super::representation::{Caching, Representation};

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
    assets: Arc<Assets>,
}

/// The route template of embedded assets.
const ASSET_ROUTE: &str = "/assets/{file}";

impl Edition {
    /// Starts an edition that holds only the assets.
    pub fn new(assets: Arc<Assets>) -> Self {
        Edition { documents: HashMap::new(), assets }
    }

    /// Adds a document that an owner can change, at `path`.
    pub fn add(&mut self, path: &str, route: &'static str, content_type: &'static str, body: Vec<u8>) {
        let representation = Arc::new(Representation::new(content_type, Caching::Revalidate, body));
        self.documents.insert(path.to_string(), Document { route, representation });
    }

    /// Returns what is served at a path.
    pub fn find(&self, path: &str) -> Option<(&'static str, &Arc<Representation>)> {
        match self.documents.get(path) {
            Some(document) => Some((document.route, &document.representation)),
            None => self.assets.get(path).map(|asset| (ASSET_ROUTE, asset)),
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
