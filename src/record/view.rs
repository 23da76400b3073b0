//! The view: what a visitor looked at, as the request said it.
//!
//! A document of the CV that was shown, to a person or to a program; not its style, a probe, a
//! redirect or a refusal. It is copied out of the request as it is, and becomes metadata of the
//! access line later, off the request path. The address is in it for the moment until then: who a
//! visitor is cannot be said without, and [`View`] does not print it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// Metadata of access lines that only views have; OpenTelemetry's names where it has one.
pub mod fields {
    /// Which document, a name of [`CvDocument`](super::CvDocument).
    pub const DOCUMENT: &str = "document";
    /// The language of the document.
    pub const LANG: &str = "lang";
    /// Who looked: 16 hexadecimal digits that mean something for one day.
    pub const VISITOR: &str = "visitor";
    /// The browser (`user_agent.name`).
    pub const BROWSER: &str = "user_agent_name";
    /// The system that it runs on (`user_agent.os.name`).
    pub const OS: &str = "user_agent_os_name";
    /// The name of a program that is no person's browser; absent for people.
    pub const BOT: &str = "bot";
    /// The host of the page that led here.
    pub const REFERRER_HOST: &str = "referrer_host";
    /// The tag of the link that led here, `?via=`.
    pub const VIA: &str = "via";
    /// The country by ISO 3166-1 (`geo.country.iso_code`), where a database says it.
    pub const COUNTRY: &str = "geo_country_iso_code";
}

/// A document that a visitor comes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CvDocument {
    /// The page.
    Page,
    /// The page with every contact, by a private link.
    PrivatePage,
    /// The CV as JSON Resume.
    Json,
    /// The CV as text.
    Text,
    /// The CV as Markdown.
    Markdown,
    /// The CV as vCard.
    VCard,
    /// The owner's PDF.
    Pdf,
}

impl CvDocument {
    /// All of them.
    pub const ALL: [CvDocument; 7] = [
        CvDocument::Page,
        CvDocument::PrivatePage,
        CvDocument::Json,
        CvDocument::Text,
        CvDocument::Markdown,
        CvDocument::VCard,
        CvDocument::Pdf,
    ];

    /// Returns its name in lines and as a label.
    pub fn as_str(self) -> &'static str {
        match self {
            CvDocument::Page => "page",
            CvDocument::PrivatePage => "private_page",
            CvDocument::Json => "resume.json",
            CvDocument::Text => "cv.txt",
            CvDocument::Markdown => "cv.md",
            CvDocument::VCard => "cv.vcf",
            CvDocument::Pdf => "cv.pdf",
        }
    }

    /// Returns the document of a name.
    pub fn from_name(name: &str) -> Option<CvDocument> {
        CvDocument::ALL.into_iter().find(|document| document.as_str() == name)
    }
}

/// What was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Which document.
    pub document: CvDocument,
    /// Its language, shared by all views of it; empty when nobody said it.
    pub lang: Arc<str>,
}

/// What a visitor looked at, and what the request said of where they came from.
#[derive(Clone, PartialEq, Eq)]
pub struct View {
    /// What was shown.
    pub shown: Shown,
    /// The visitor's address; never printed and never kept.
    pub address: IpAddr,
    /// The host of the page that led here, when it is another site.
    pub referrer_host: Option<Box<str>>,
    /// The tag of the link that led here.
    pub via: Option<Box<str>>,
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("shown", &self.shown).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_does_not_print_the_address() {
        let view = View {
            shown: Shown { document: CvDocument::Page, lang: "en".into() },
            address: "198.51.100.77".parse().unwrap(),
            referrer_host: None,
            via: None,
        };
        let text = format!("{view:?}");
        assert!(text.contains("Page") && !text.contains("198.51"), "{text}");
    }

    #[test]
    fn documents_have_names_of_their_own() {
        for document in CvDocument::ALL {
            assert_eq!(CvDocument::from_name(document.as_str()), Some(document));
        }
        assert_eq!(CvDocument::from_name("style.css"), None);
    }
}
