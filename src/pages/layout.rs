//! The frame of a page: document, head, skip link.

use maud::{DOCTYPE, Markup, html};

/// What every page says about itself.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// Language as a BCP 47 tag.
    pub lang: &'a str,
    /// Title of the window.
    pub title: &'a str,
    /// Stylesheets in the order of their effect, as addresses on this site.
    pub stylesheets: &'a [String],
    /// Icon, as an address on this site.
    pub favicon: Option<&'a str>,
    /// Keeps search engines out.
    pub noindex: bool,
}

/// Renders a document: the head with `more_head` in it, then the body.
pub fn document(head: &Head<'_>, more_head: &Markup, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(head.lang) dir=(direction(head.lang)) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (head.title) }
                @if head.noindex {
                    meta name="robots" content="noindex";
                }
                meta name="color-scheme" content="light dark";
                @for stylesheet in head.stylesheets {
                    link rel="stylesheet" href=(stylesheet);
                }
                @if let Some(favicon) = head.favicon {
                    link rel="icon" type="image/svg+xml" href=(favicon);
                }
                (more_head)
            }
            body { (body) }
        }
    }
}

/// Languages written from right to left.
const RIGHT_TO_LEFT: &[&str] = &["ar", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"];

/// Returns the direction of a language, for `dir`.
pub fn direction(lang: &str) -> &'static str {
    let primary = lang.split('-').next().unwrap_or(lang).to_lowercase();
    if RIGHT_TO_LEFT.contains(&primary.as_str()) { "rtl" } else { "ltr" }
}
