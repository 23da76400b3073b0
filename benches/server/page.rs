//! The page that every server answers: what vitrine makes of the sample CV.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What each server writes by itself, always.
const OWN_HEADERS: [&str; 3] = ["connection", "content-length", "date"];

/// A page and how it is asked for.
#[derive(Clone, Serialize, Deserialize)]
pub struct Page {
    /// The headers that vitrine gives it, [`OWN_HEADERS`] left out.
    pub headers: Vec<(String, String)>,
    /// Left out of what is stored: it has a file of its own.
    #[serde(skip)]
    pub body: Vec<u8>,
}

impl Page {
    /// Asks a server for the page in an encoding.
    pub fn fetch(url: &str, encoding: &str) -> Page {
        let agent = ureq::Agent::new_with_config(ureq::Agent::config_builder().proxy(None).build());
        let mut response = agent.get(url).header("accept-encoding", encoding).call().unwrap();
        let headers = response
            .headers()
            .iter()
            .filter(|(name, _)| !OWN_HEADERS.contains(&name.as_str()))
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_string()))
            .collect();
        Page { headers, body: response.body_mut().read_to_vec().unwrap() }
    }

    /// Stores the page for other servers; the body as `index.html`, whatever its encoding.
    pub fn store(&self, dir: &Path) {
        fs::create_dir(dir).unwrap();
        fs::write(dir.join("index.html"), &self.body).unwrap();
        fs::write(headers_file(dir), serde_json::to_string(self).unwrap()).unwrap();
    }

    /// Reads what [`Page::store`] wrote.
    pub fn load(dir: &Path) -> Page {
        let page: Page = serde_json::from_slice(&fs::read(headers_file(dir)).unwrap()).unwrap();
        Page { body: fs::read(dir.join("index.html")).unwrap(), ..page }
    }

    /// Fails unless an answer has this body and these headers; it may have further ones.
    pub fn expect_in(&self, answer: &Page, server: &str) {
        assert!(answer.body == self.body, "{server} answers another body");
        for header in &self.headers {
            assert!(answer.headers.contains(header), "{server} lacks {header:?}: {:?}", answer.headers);
        }
    }
}

fn headers_file(dir: &Path) -> PathBuf {
    dir.join("headers.json")
}
