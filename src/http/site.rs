//! The public site of one CV: which documents an edition holds.
//!
//! | path | document |
//! | --- | --- |
//! | `/` | the page |
//! | `/resume.json` | the same as JSON Resume |
//! | `/favicon.svg` | the initials |
//! | `/photo.…` | the picture that the CV names, when it lies beside it |
//! | `/robots.txt` | what crawlers may do |

use std::sync::Arc;

use super::assets::Assets;
use super::edition::Edition;
use crate::cv::{self, Audience, Cv};
use crate::pages::{self, cv::CvView};

/// The style of the public pages.
pub const STYLESHEET: &str = "cv.css";

/// The picture of the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Photo {
    /// The file's content.
    pub bytes: Vec<u8>,
    /// How a browser shall read it.
    pub content_type: &'static str,
    /// Where it is served: `/photo.` and the file's ending.
    pub path: String,
}

/// Renders everything public of a CV.
pub fn edition(cv: &Cv, photo: Option<Photo>, config: &cv::Config, assets: &Arc<Assets>) -> Edition {
    let disclosed = cv.disclose(Audience::Public, config);
    let canonical = config.base_url.as_ref().map(|base| base.join("/"));
    let stylesheets = [assets.url(STYLESHEET).to_string()];
    let page = pages::cv::page(&CvView {
        cv: &disclosed,
        stylesheets: &stylesheets,
        favicon: Some("/favicon.svg"),
        photo: photo.as_ref().map(|photo| photo.path.as_str()),
        canonical: canonical.as_deref(),
        json_url: Some("/resume.json"),
        noindex: config.noindex,
    });
    let mut edition = Edition::new(assets.clone());
    edition.add("/", "/", "text/html; charset=utf-8", page.into_string().into_bytes());
    edition.add(
        "/resume.json",
        "/resume.json",
        "application/json; charset=utf-8",
        cv::public_json(&disclosed).into_bytes(),
    );
    edition.add("/favicon.svg", "/favicon.svg", "image/svg+xml", pages::favicon(&disclosed).into_bytes());
    if let Some(photo) = photo {
        edition.add(&photo.path, "/photo.{ending}", photo.content_type, photo.bytes);
    }
    edition.add("/robots.txt", "/robots.txt", "text/plain; charset=utf-8", ROBOTS.into());
    edition
}

/// Crawlers may read everything public. A page that asks not to be listed (`noindex`) must
/// stay readable too, or they never see that it asks.
const ROBOTS: &str = "User-agent: *\nDisallow: /admin\nAllow: /\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edition_of_the_sample_has_every_document() {
        let config = cv::Config::default();
        let parsed = cv::parse(&cv::Source { name: "cv.yaml", bytes: cv::SAMPLE.as_bytes() }, &config);
        let edition = edition(&parsed.cv.unwrap(), None, &config, &Arc::new(Assets::load()));
        let mut paths: Vec<&str> = edition.paths().collect();
        paths.sort_unstable();
        assert_eq!(paths, ["/", "/favicon.svg", "/resume.json", "/robots.txt"]);
    }
}
