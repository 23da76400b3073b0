//! The page of the private links.

use maud::{Markup, html};

use super::format;
use super::frame::Frame;
use crate::clock::UnixNanos;

/// The page of the private links.
#[derive(Clone, Debug, Default)]
pub struct LinksView {
    /// The links that work, the newest first.
    pub links: Vec<LinkView>,
    /// Longest note.
    pub note_max_chars: usize,
    /// How many days are offered.
    pub days_default: u64,
    /// How many days are the most.
    pub days_max: u64,
}

/// One private link.
#[derive(Clone, Debug)]
pub struct LinkView {
    /// Names it to the server.
    pub id: String,
    /// For whom it is.
    pub note: String,
    /// What to give away.
    pub url: String,
    /// When it ends.
    pub expires: UnixNanos,
}

/// Renders the page.
pub fn links(frame: &Frame, view: &LinksView) -> Markup {
    let lang = frame.lang;
    let content = html! {
        p {
            (lang.tr(
                "Whoever has such a link sees the CV with every contact, those that the page keeps to itself too, \
                 until the link expires or is revoked. Search engines are told to stay out."
            ))
        }
        form.new-link method="post" action="/admin/links" {
            (frame.csrf())
            div.field {
                label for="note" { (lang.tr("For whom")) }
                input id="note" type="text" name="note" maxlength=(view.note_max_chars) autocomplete="off";
            }
            div.field {
                label for="days" { (lang.tr("Days")) }
                input id="days" type="number" name="days" min="1" max=(view.days_max)
                    value=(view.days_default) required;
            }
            button type="submit" { (lang.tr("Make a link")) }
        }
        @if view.links.is_empty() {
            p.note { (lang.tr("There is no private link.")) }
        } @else {
            ul.private-links {
                @for link in &view.links { (row(frame, link)) }
            }
        }
        p.turn { a href="/admin/cv" { (lang.tr("Back to the CV")) } }
    };
    frame.page(lang.tr("Private links"), &content)
}

fn row(frame: &Frame, link: &LinkView) -> Markup {
    let lang = frame.lang;
    let note = if link.note.is_empty() { lang.tr("Without a note") } else { &link.note };
    html! {
        li {
            div {
                b { (note) } span.aside { " " (lang.tr("until")) " " (format::moment(link.expires)) }
                br;
                a href=(link.url) rel="noreferrer" { (link.url) }
            }
            details {
                summary { (lang.tr("Revoke")) span.visually-hidden { ": " (note) } }
                p.note { (lang.tr("Whoever has it sees no more than everybody from then on. It cannot be given back: make another one.")) }
                form method="post" action=(format!("/admin/links/{}/revoke", link.id)) {
                    (frame.csrf())
                    button type="submit" { (lang.trf("Revoke the link: {note}", &[("note", &note)])) }
                }
            }
        }
    }
}
