//! The sitemap of a site in several languages (sitemaps.org 0.9, with alternates as search
//! engines ask for them: each page names every language, its own included).

use maud::{PreEscaped, html};

use super::cv::Translation;
use crate::cv::PartialDate;

/// Writes the sitemap; each page with the date of its last change, where it is known.
pub fn xml(pages: &[(&Translation, Option<PartialDate>)]) -> String {
    let urls = html! {
        @for (page, modified) in pages {
            url {
                loc { (page.url) }
                @if let Some(modified) = modified { lastmod { (modified) } }
                @if pages.len() > 1 {
                    @for (other, _) in pages { (alternate(&other.lang, &other.url)) }
                    @if let Some((original, _)) = pages.first() {
                        (alternate("x-default", &original.url))
                    }
                }
            }
        }
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\" \
         xmlns:xhtml=\"http://www.w3.org/1999/xhtml\">{}</urlset>\n",
        urls.into_string()
    )
}

// An empty element of XML, which HTML has not.
fn alternate(lang: &str, url: &str) -> PreEscaped<String> {
    let (lang, url) = (html! { (lang) }.into_string(), html! { (url) }.into_string());
    PreEscaped(format!("<xhtml:link rel=\"alternate\" hreflang=\"{lang}\" href=\"{url}\"/>"))
}
