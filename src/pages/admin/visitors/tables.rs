//! What is known of the people of some days, a table a question, and of those who came last.

use maud::{Markup, html};

use super::{Count, VisitorsView};
use crate::clock::UnixNanos;
use crate::pages::admin::format;
use crate::pages::admin::lang::{Lang, text};
use crate::pages::admin::panels::{bar, share};
use crate::pages::admin::window::address;

/// One row of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// What it is about; empty where a request did not say it.
    pub name: String,
    /// Who and how often.
    pub count: Count,
}

/// The tables, most people first in each.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// Pages; the name is that of the document and the language, with a blank between them.
    pub pages: Vec<Row>,
    /// Languages of whatever was read.
    pub langs: Vec<Row>,
    /// Documents that are no pages, by their file's name.
    pub downloads: Vec<Row>,
    /// Hosts that led here; the empty one is all that said nothing.
    pub referrers: Vec<Row>,
    /// Browsers.
    pub browsers: Vec<Row>,
    /// Systems.
    pub systems: Vec<Row>,
    /// Countries; empty where no database says them.
    pub countries: Vec<Row>,
    /// Programs; what is counted are views.
    pub bots: Vec<Row>,
    /// Documents of a whole year, named like pages, by views alone; empty for fewer days.
    pub of_year: Vec<Row>,
}

/// A visitor who came lately.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latest {
    /// Who: 16 digits that mean something for their day.
    pub visitor: String,
    /// When they looked last.
    pub at: UnixNanos,
    /// The first and the last moment of that day, in milliseconds.
    pub day_ms: (i64, i64),
    /// What they read, each document once.
    pub documents: Vec<String>,
    /// The browser.
    pub browser: String,
    /// The system.
    pub system: String,
    /// Whence: the host of another site.
    pub referrer: String,
    /// The tag of the link.
    pub via: String,
    /// The country.
    pub country: String,
}

/// Rows of a table that are shown; what is beyond is one row more.
const ROWS_MAX: usize = 10;

/// How a table calls what it counts.
#[derive(Clone, Copy)]
struct Words {
    /// The table.
    title: &'static str,
    /// What a row is.
    row: &'static str,
    /// What a row without a name is.
    nameless: &'static str,
}

/// How often it was looked at.
const TIMES: &str = text!("Times");

pub(super) fn tables(lang: Lang, tables: &Tables) -> Markup {
    let is_empty = tables.pages.is_empty() && tables.downloads.is_empty();
    let nameless = text!("not told");
    let words = |title, row| Words { title, row, nameless };
    let plain = |row: &Row| row.name.clone();
    html! {
        @if !tables.of_year.is_empty() { (of_year(lang, &tables.of_year)) }
        @if is_empty {
            p.empty { (lang.tr("Nobody came in these days. Choose more of them, or share your link.")) }
        } @else {
            div.tables {
                (table(lang, words(text!("Pages"), text!("Page")), &tables.pages, |row| page(lang, row)))
                (table(lang, words(text!("Downloads"), text!("File")), &tables.downloads, plain))
                (table(lang, Words { nameless: text!("directly, or not told"), ..words(text!("Sites that led here"), text!("Site")) }, &tables.referrers, plain))
                @if tables.langs.len() > 1 {
                    (table(lang, words(text!("Languages"), text!("Language")), &tables.langs, plain))
                }
                (table(lang, words(text!("Browsers"), text!("Browser")), &tables.browsers, plain))
                (table(lang, words(text!("Systems"), text!("System")), &tables.systems, plain))
                @if tables.countries.iter().any(|row| !row.name.is_empty()) {
                    (table(lang, words(text!("Countries"), text!("Country")), &tables.countries, plain))
                }
            }
        }
    }
}

/// What was read in a year: of that the views alone are known.
fn of_year(lang: Lang, rows: &[Row]) -> Markup {
    let title = lang.tr("Read in 365 days");
    html! {
        div {
            h3.above { (title) }
            div.scroll tabindex="0" role="region" aria-label=(title) {
                table {
                    thead { tr { th scope="col" { (lang.tr("Document")) } th.num scope="col" { (lang.tr(TIMES)) } } }
                    tbody {
                        @for row in rows {
                            tr { th scope="row" { (page(lang, row)) } td.num { (format::count(lang, row.count.views)) } }
                        }
                    }
                }
            }
        }
    }
}

fn page(lang: Lang, row: &Row) -> String {
    let (document, of) = row.name.split_once(' ').unwrap_or((&row.name, ""));
    let name = self::document(lang, document);
    if of.is_empty() { name } else { format!("{name}, {of}") }
}

fn table(lang: Lang, words: Words, rows: &[Row], name: impl Fn(&Row) -> String) -> Markup {
    let title = lang.tr(words.title);
    let most = rows.iter().map(|row| row.count.people).max().unwrap_or(0);
    let hidden = &rows[rows.len().min(ROWS_MAX)..];
    html! {
        @if !rows.is_empty() {
            div {
                h3 { (title) }
                div.scroll tabindex="0" role="region" aria-label=(title) {
                    table {
                        thead { tr {
                            th scope="col" { (lang.tr(words.row)) }
                            th.num scope="col" { (lang.tr("People")) }
                            th.num scope="col" { (lang.tr(TIMES)) }
                        } }
                        tbody {
                            @for row in rows.iter().take(ROWS_MAX) {
                                @let people = format::count(lang, row.count.people);
                                tr {
                                    th scope="row" {
                                        @if row.name.is_empty() { (lang.tr(words.nameless)) } @else { (name(row)) }
                                        (bar(share(row.count.people, most).min(0.9), &people))
                                    }
                                    td.num { (people) }
                                    td.num { (format::count(lang, row.count.views)) }
                                }
                            }
                            @if !hidden.is_empty() {
                                tr.after {
                                    td { (lang.trn(hidden.len() as u64, "{n} more", "{n} more")) }
                                    td.num { (format::count(lang, hidden.iter().map(|row| row.count.people).sum())) }
                                    td.num { (format::count(lang, hidden.iter().map(|row| row.count.views).sum())) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn latest(lang: Lang, view: &VisitorsView) -> Markup {
    let has_countries = view.latest.iter().any(|one| !one.country.is_empty());
    html! {
        @if !view.latest.is_empty() {
            h3.above { (lang.tr("Who came last")) }
            div.scroll tabindex="0" role="region" aria-label=(lang.tr("Who came last")) {
                table {
                    thead { tr {
                        th scope="col" { (lang.tr("Last seen")) }
                        th scope="col" { (lang.tr("Read")) }
                        th scope="col" { (lang.tr("From")) }
                        th scope="col" { (lang.tr("With")) }
                        @if has_countries { th scope="col" { (lang.tr("Country")) } }
                        th scope="col" { (lang.tr("Lines")) }
                    } }
                    tbody {
                        @for one in &view.latest {
                            tr {
                                th scope="row" { (format::moment(one.at)) }
                                td { (one.documents.iter().map(|name| document(lang, name)).collect::<Vec<_>>().join(", ")) }
                                td { (whence(lang, one)) }
                                td { (one.browser) @if !one.system.is_empty() { ", " (one.system) } }
                                @if has_countries { td { (one.country) } }
                                td { a href=(lines(one)) aria-label=(lang.trf("Lines of visitor {visitor}", &[("visitor", &one.visitor)])) { (lang.tr("lines")) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn document(lang: Lang, name: &str) -> String {
    match name {
        "page" => lang.tr("the page").to_string(),
        "private_page" => lang.tr("by a private link").to_string(),
        other => other.to_string(),
    }
}

fn whence(lang: Lang, one: &Latest) -> String {
    match (one.via.as_str(), one.referrer.as_str()) {
        ("", "") => lang.tr("directly, or not told").to_string(),
        ("", referrer) => referrer.to_string(),
        (via, "") => format!("via={via}"),
        (via, referrer) => format!("via={via}, {referrer}"),
    }
}

/// The lines of a visitor, who is one for their day.
fn lines(one: &Latest) -> String {
    let query = format!(r#"{{job="access"}} | visitor="{}""#, one.visitor);
    let (from, to) = (one.day_ms.0.to_string(), one.day_ms.1.to_string());
    address("/admin/logs", &[("q", &query), ("from", &from), ("to", &to)])
}

/// Programs, which are nobody's visits.
pub(super) fn bots(lang: Lang, tables: &Tables) -> Markup {
    let n_views: u64 = tables.bots.iter().map(|row| row.count.views).sum();
    html! {
        section aria-labelledby="bots-title" {
            h2 id="bots-title" { (lang.tr("Programs")) }
            @if tables.bots.is_empty() {
                p.empty { (lang.tr("No search engine, link preview or other program came in these days.")) }
            } @else {
                p.note { (lang.trn(n_views, "Search engines, link previews and others looked {n} time; nobody above is one of them.", "Search engines, link previews and others looked {n} times; nobody above is one of them.")) }
                div.scroll tabindex="0" role="region" aria-label=(lang.tr("Programs by name")) {
                    table {
                        thead { tr { th scope="col" { (lang.tr("Program")) } th.num scope="col" { (lang.tr(TIMES)) } } }
                        tbody {
                            @for row in &tables.bots {
                                tr { th scope="row" { (row.name) } td.num { (format::count(lang, row.count.views)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
