//! Tagged links: made here, one for each place that an owner gives the CV to.

use maud::{Markup, html};

use super::{Count, VisitorsView};
use crate::clock::UnixNanos;
use crate::pages::admin::format;
use crate::pages::admin::frame::Frame;
use crate::pages::admin::lang::Lang;

/// A tagged link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaggedView {
    /// What stands behind `?via=`.
    pub tag: String,
    /// To whom it was given.
    pub label: String,
    /// What to give away.
    pub url: String,
    /// When it was made.
    pub created: UnixNanos,
    /// Who followed it in the days of the page.
    pub count: Count,
    /// Noon of the day on which it was followed last.
    pub last: Option<UnixNanos>,
}

/// A tag that is on no list: a stranger may have written it, or the link was deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtherTag {
    /// The tag.
    pub tag: String,
    /// Who came by it.
    pub count: Count,
}

pub(super) fn links(frame: &Frame, view: &VisitorsView) -> Markup {
    let lang = frame.lang;
    html! {
        section aria-labelledby="links-title" {
            h2 id="links-title" { (lang.tr("Tagged links")) }
            p.note {
                (lang.tr("Give each place a link of its own, a mail, a job board, a business card: the page is the same, and you see who came by which."))
            }
            form.new-link method="post" action="/admin/visitors/links" {
                (frame.csrf())
                div.field {
                    label for="label" { (lang.tr("Where it goes")) }
                    input id="label" type="text" name="label" maxlength=(view.label_max_chars) required autocomplete="off"
                        placeholder=(lang.tr("Acme, mail to the recruiter"));
                }
                button type="submit" { (lang.tr("Make a link")) }
            }
            @if !view.links.is_empty() {
                ul.private-links id="links" { @for link in &view.links { (row(frame, link)) } }
            }
            @if !view.other_tags.is_empty() {
                h3.above { (lang.tr("Tags that are on no list")) }
                ul.other-tags {
                    @for other in &view.other_tags {
                        li { code { "via=" (other.tag) } ": " (people(lang, other.count)) }
                    }
                }
            }
        }
    }
}

fn people(lang: Lang, count: Count) -> String {
    let people = lang.trn(count.people, "{n} person", "{n} people");
    let views = lang.trn(count.views, "{n} view", "{n} views");
    format!("{people}, {views}")
}

fn row(frame: &Frame, link: &TaggedView) -> Markup {
    let lang = frame.lang;
    html! {
        li {
            div {
                b { (link.label) } " "
                span.aside { (people(lang, link.count)) }
                br;
                a href=(link.url) { (link.url) }
                br;
                span.aside {
                    (lang.tr("made on")) " " (format::date(link.created)) "; "
                    @match link.last {
                        Some(last) => { (lang.tr("last followed on")) " " (format::date(last)) }
                        None => { (lang.tr("not followed yet")) }
                    }
                }
            }
            details {
                summary { (lang.tr("Delete")) span.visually-hidden { ": " (link.label) } }
                p.note { (lang.tr("The link goes on working, and its visits are counted under its tag; only its name is forgotten.")) }
                form method="post" action={ "/admin/visitors/links/" (link.tag) "/delete" } {
                    (frame.csrf())
                    button type="submit" { (lang.trf("Delete “{label}”", &[("label", &link.label)])) }
                }
            }
        }
    }
}
