//! The page that a visitor sees when there is nothing else to show.
//!
//! It says what happened and what the visitor can do; the cause is for the log, which the
//! reference leads to.

use maud::{Markup, html};

use super::layout::{Head, document};

/// What the page needs to know.
#[derive(Clone, Copy, Debug)]
pub struct ErrorView<'a> {
    /// Status code of the response.
    pub status: u16,
    /// Reference by which the owner finds the request in the log.
    pub request_id: Option<&'a str>,
    /// Stylesheets, as addresses on this site.
    pub stylesheets: &'a [String],
    /// Icon, as an address on this site.
    pub favicon: Option<&'a str>,
}

/// Renders the page for a failed request.
pub fn page(view: &ErrorView<'_>) -> Markup {
    let (title, advice) = words(view.status);
    let head =
        Head { lang: "en", title, stylesheets: view.stylesheets, favicon: view.favicon, noindex: true };
    let body = html! {
        main.error-page id="content" {
            p.error-status { (view.status) }
            h1 { (title) }
            p { (advice) }
            p { a href="/" { "Go to the CV" } }
            @if let Some(request_id) = view.request_id {
                p.error-reference { "Reference: " code { (request_id) } }
            }
        }
    };
    document(&head, &html! {}, &body)
}

/// What to tell a visitor: what happened, and what helps.
fn words(status: u16) -> (&'static str, &'static str) {
    match status {
        400 => (
            "That request made no sense",
            "Something in the address or the form was not understood. Try it from the start page.",
        ),
        401 => ("Please log in", "This page is for the owner of the site."),
        403 => (
            "This is not for you",
            "You may not see this page. If a link brought you here, it may have expired.",
        ),
        404 => ("There is no such page", "The address may be mistyped, or the page has moved."),
        405 => ("That cannot be done here", "This address does not take that kind of request."),
        408 => ("That took too long", "The request did not arrive in time. Try again."),
        410 => ("This page is gone", "The link has expired or was withdrawn. Ask its sender for a new one."),
        413 => ("That is too large", "Send less at once."),
        414 | 431 => ("That request is too long", "Shorten the address and try again."),
        429 => {
            ("Slow down, please", "Too many requests came from your address. Wait a minute and try again.")
        }
        503 => (
            "Busy for a moment",
            "The site has more visitors than it can serve just now, or is restarting. Try again in a few seconds.",
        ),
        500..=599 => (
            "Something broke here",
            "It is our fault, not yours, and it has been written down. Try again in a moment.",
        ),
        _ => ("That did not work", "Try it from the start page."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_the_status_and_the_reference_and_nothing_foreign() {
        let stylesheets = ["/assets/cv.css".to_string()];
        let view = ErrorView {
            status: 404,
            request_id: Some("<id>"),
            stylesheets: &stylesheets,
            favicon: Some("/favicon.svg"),
        };
        let html = page(&view).into_string();
        assert!(html.contains("There is no such page") && html.contains("&lt;id&gt;"), "{html}");
        assert_eq!(html.matches("<h1>").count(), 1);
        assert!(!html.contains("http://") && !html.contains("<script") && !html.contains("style="));
    }

    #[test]
    fn every_status_has_words() {
        for status in 400..600 {
            assert!(!words(status).1.is_empty());
        }
    }
}
