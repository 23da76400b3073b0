//! The page of the CV: every section, every entry and every value of what was disclosed.
//!
//! Class names and ids are a contract with the owner's `style.css`:
//!
//! - `div.cv-tools` holds `nav.languages` when there are several languages, and `.print-link`:
//!   the button that prints, or the link to the owner's PDF;
//! - `header.cv-header` holds `h1.name`, `p.label`, `img.photo` and `ul.contacts` (items
//!   `.contact`, with `.contact-label` before the value);
//! - `section#profile` holds the summary;
//! - each section is a `section.cv-section` whose id is its key in the file (`work`,
//!   `education`, …; for the owner's own the title in lower case with hyphens), with an
//!   `h2.section-title`;
//! - each entry is an `article.entry` with `.entry-title`, `.entry-org`, `.entry-dates`,
//!   `.entry-description`, `.entry-summary`, `ul.highlights`, `ul.keywords`; short ones
//!   (skills, languages, interests) are `.entry-compact` with `.entry-level`;
//! - several positions at one employer are a `div.employer` around `article.entry.role`;
//! - `figure.print-qr`, if the CV asks for it, is shown on paper alone;
//! - `footer.cv-footer` is the last thing, and does not print.
//!
//! The page has one `h1`, no gaps between headings, no inline style, no script but a block
//! of data and the one that prints, and asks nothing of another host.

use maud::{Markup, PreEscaped, html};

use super::layout::{Head, direction, document};
use super::markdown;
use crate::cv::{Cv, Disclosed};

mod card;
mod commonmark;
mod contacts;
mod countries;
mod labels;
mod machine;
mod outline;
mod parts;
mod plain;
mod qr;
mod sections;
mod style;
#[cfg(test)]
mod tests;
mod vcard;

pub use card::{HEIGHT as CARD_HEIGHT, WIDTH as CARD_WIDTH, card};
pub use commonmark::commonmark;
use contacts::{Contact, Means, contacts};
use labels::Labels;
pub use plain::text;
pub use qr::qr;
pub use style::colors;
pub use vcard::vcard;

/// What the page needs to know; addresses are of this site, but for `canonical`.
#[derive(Clone, Copy, Debug)]
pub struct CvView<'a> {
    /// What to show.
    pub cv: &'a Disclosed,
    /// Stylesheets, in the order of their effect.
    pub stylesheets: &'a [String],
    /// Icon.
    pub favicon: Option<&'a str>,
    /// Picture of the person.
    pub photo: Option<&'a str>,
    /// Absolute address of this page.
    pub canonical: Option<&'a str>,
    /// Every language of the site, this one included; empty when there is only one.
    pub translations: &'a [Translation],
    /// The folder in which the same CV is as JSON Resume, text, Markdown and vCard.
    pub forms: &'a str,
    /// The picture for a link to this page, as other sites find it.
    pub card_url: Option<&'a str>,
    /// The code of this page's address, for paper.
    pub qr_url: Option<&'a str>,
    /// The owner's own PDF, if there is one.
    pub pdf_url: Option<&'a str>,
    /// Makes the button that prints work.
    pub print_script: Option<&'a str>,
    /// Keeps search engines out.
    pub noindex: bool,
}

/// The CV in one language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The language as a BCP 47 tag.
    pub lang: String,
    /// Its page on this site.
    pub path: String,
    /// The same for other sites: absolute when the address of the site is known.
    pub url: String,
}

/// Renders the page.
pub fn page(view: &CvView<'_>) -> Markup {
    let cv: &Cv = view.cv;
    let lang = cv.lang.as_deref().unwrap_or("en");
    let labels = Labels::of_cv(cv);
    let name = display_name(cv, labels);
    let title = match (&cv.basics.name, &cv.basics.label) {
        (Some(name), Some(label)) => format!("{name} – {label}"),
        _ => name.to_string(),
    };
    let head = Head {
        lang,
        title: &title,
        stylesheets: view.stylesheets,
        favicon: view.favicon,
        noindex: view.noindex,
    };
    let body = html! {
        a.skip-link href="#content" { (labels.skip) }
        (tools(view, labels))
        div.cv {
            (header(view, labels, name))
            main id="content" {
                @if let Some(summary) = &cv.basics.summary {
                    section.cv-section.profile id="profile" aria-label=(labels.profile)
                        lang=[cv.summary_lang()] dir=[cv.summary_lang().map(direction)] {
                        (markdown::block(summary))
                    }
                }
                @for section in outline::sections(cv, labels) {
                    (sections::section(&section))
                }
                @if let (Some(qr_url), Some(canonical)) = (view.qr_url, view.canonical) {
                    figure.print-qr {
                        img src=(qr_url) alt="" width="90" height="90";
                        figcaption { (canonical) }
                    }
                }
            }
            (footer(view, labels))
        }
    };
    let script = view.print_script.filter(|_| view.pdf_url.is_none());
    let more_head = html! {
        (machine::head(view, &title))
        @if let Some(script) = script { script src=(script) defer {} }
    };
    document(&head, &more_head, &body)
}

/// What stands where a name belongs when the file has none.
fn display_name<'a>(cv: &'a Cv, labels: &Labels) -> &'a str {
    cv.basics.name.as_deref().or(cv.basics.label.as_deref()).unwrap_or(labels.unnamed)
}

/// The label, unless it stands where the name belongs.
fn shown_label(cv: &Cv) -> Option<&str> {
    cv.basics.label.as_deref().filter(|_| cv.basics.name.is_some())
}

fn header(view: &CvView<'_>, labels: &Labels, name: &str) -> Markup {
    html! {
        header.cv-header {
            @if let Some(photo) = view.photo {
                img.photo src=(photo) alt=(labels.photo_of(name)) width="112" height="112";
            }
            div.cv-title {
                h1.name { (name) }
                @if let Some(label) = shown_label(view.cv) {
                    p.label lang=[view.cv.label_lang()] dir=[view.cv.label_lang().map(direction)] { (label) }
                }
            }
            (contact_list(view.cv, labels))
        }
    }
}

/// What the page can do: change its language, become paper.
fn tools(view: &CvView<'_>, labels: &Labels) -> Markup {
    html! {
        @if !view.translations.is_empty() || view.print_script.is_some() || view.pdf_url.is_some() {
            div.cv-tools {
                (languages(view, labels))
                @if let Some(pdf_url) = view.pdf_url {
                    a.print-link href=(pdf_url) { "PDF" }
                } @else if view.print_script.is_some() {
                    button.print-link type="button" hidden { (labels.print) }
                }
            }
        }
    }
}

/// The switch between languages, each by its own name.
fn languages(view: &CvView<'_>, labels: &Labels) -> Markup {
    let own = view.cv.lang.as_deref().unwrap_or("en");
    html! {
        @if !view.translations.is_empty() {
            nav.languages aria-label=(labels.switch) {
                ul {
                    @for Translation { lang, path, .. } in view.translations {
                        li {
                            a href=(path) hreflang=(lang) lang=(lang) dir=(direction(lang))
                                aria-current=[(lang == own).then_some("page")] {
                                (Labels::native_name(lang))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn contact_list(cv: &Cv, labels: &Labels) -> Markup {
    let contacts = contacts(cv, labels);
    html! {
        @if !contacts.is_empty() {
            ul.contacts aria-label=(labels.contact) {
                @for contact in &contacts {
                    li.contact {
                        @if let Some(kind) = contact.kind { span.contact-label { (kind) } " " }
                        (contact_said(contact, labels))
                    }
                }
            }
        }
    }
}

fn contact_said(contact: &Contact<'_>, labels: &Labels) -> Markup {
    let said = &contact.said;
    match contact.means {
        Means::Mail => {
            html! { a href=(entities(&format!("mailto:{}", said.text))) { (entities(&said.text)) } }
        }
        Means::Telephone => telephone(&said.text),
        Means::Site => {
            html! { @if let Some(url) = said.url { a href=(url.as_str()) rel="me" { (said.text) } } }
        }
        Means::Born(date) => parts::when(date, labels),
        Means::Other => parts::phrase(said),
    }
}

fn footer(view: &CvView<'_>, labels: &Labels) -> Markup {
    let modified = view.cv.modified();
    html! {
        footer.cv-footer {
            @if let Some(date) = modified {
                p { (labels.updated) " " (parts::date(date, labels)) }
            }
            @for (name, said, _) in FORMS {
                p { a href={ (view.forms) (name) } { (said) } }
            }
        }
    }
}

/// The other forms of the CV: file, name, media type.
const FORMS: [(&str, &str, &str); 4] = [
    ("cv.txt", "Text", "text/plain"),
    ("cv.md", "Markdown", "text/markdown"),
    ("cv.vcf", "vCard", "text/vcard"),
    ("resume.json", "JSON Resume", "application/json"),
];

/// Writes every character as a character reference.
///
/// A browser shows the text; a harvester that looks for `name@host` in the source finds none.
fn entities(text: &str) -> Markup {
    PreEscaped(text.chars().map(|character| format!("&#{};", u32::from(character))).collect())
}

/// A number to call, or the words that stand for one ("on request").
fn telephone(phone: &str) -> Markup {
    html! {
        @match contacts::number(phone) {
            Some(number) => { a href=(format!("tel:{number}")) { (phone) } }
            None => { (phone) }
        }
    }
}

/// Returns an icon with the person's initials, as SVG.
pub fn favicon(cv: &Cv) -> String {
    let initials = initials(cv.basics.name.as_deref().unwrap_or("CV"));
    let size = if initials.chars().count() > 1 { "30" } else { "38" };
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" {
            rect width="64" height="64" rx="14" fill="#20506a" {}
            text x="32" y="33" fill="#ffffff" font-family="Georgia, 'Times New Roman', serif" font-size=(size)
                text-anchor="middle" dominant-baseline="central" { (initials) }
        }
    }
    .into_string()
}

/// Returns the first letters of the first and the last name; titles ("Dr.") are no names.
fn initials(name: &str) -> String {
    let first_letter = |word: &&str| word.chars().find(|c| c.is_alphanumeric());
    let words: Vec<&str> = name.split([' ', ',']).filter(|word| first_letter(word).is_some()).collect();
    let names: Vec<&str> = words.iter().copied().filter(|word| !word.ends_with('.')).collect();
    let names = if names.is_empty() { words } else { names };
    let ends = [names.first(), names.last().filter(|_| names.len() > 1)];
    let res: String =
        ends.into_iter().flatten().filter_map(first_letter).flat_map(char::to_uppercase).collect();
    if res.is_empty() { "CV".to_string() } else { res }
}
