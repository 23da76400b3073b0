//! The page of the private links.

use maud::{Markup, html};

use super::view::{LinkView, LinksView};
use super::{csrf_field, document, format};

/// Renders the page.
pub fn links(view: &LinksView) -> Markup {
    let content = html! {
        header.top {
            a.brand href="/admin" { "vitrine" }
            nav aria-label="Page" {
                a href="/admin" { "Back" }
            }
        }
        main.links {
            h1 { "Private links" }
            p {
                "Whoever has such a link sees the CV with every contact, those that the page keeps to itself "
                "too, until the link expires or is revoked. Search engines are told to stay out."
            }
            @if let Some(notice) = &view.notice { p.banner.warn role="alert" id="notice" { (notice) } }
            form.new-link method="post" action="/admin/links" {
                (csrf_field(&view.csrf))
                div.field {
                    label for="note" { "For whom" }
                    input id="note" type="text" name="note" maxlength=(view.note_max_chars) autocomplete="off";
                }
                div.field {
                    label for="days" { "Days" }
                    input id="days" type="number" name="days" min="1" max=(view.days_max)
                        value=(view.days_default) required;
                }
                button type="submit" { "Make a link" }
            }
            @if view.links.is_empty() {
                p.note { "There is no private link." }
            } @else {
                ul.private-links {
                    @for link in &view.links { (row(link, &view.csrf)) }
                }
            }
        }
    };
    document("Private links – vitrine", &view.assets, &content)
}

fn row(link: &LinkView, csrf: &str) -> Markup {
    let note = if link.note.is_empty() { "Without a note" } else { &link.note };
    html! {
        li {
            div {
                b { (note) } span.aside { " until " (format::day(link.expires)) }
                br;
                a href=(link.url) rel="noreferrer" { (link.url) }
            }
            form method="post" action=(format!("/admin/links/{}/revoke", link.id)) {
                (csrf_field(csrf))
                button.quiet type="submit" aria-label=(format!("Revoke the link: {note}")) { "Revoke" }
            }
        }
    }
}
