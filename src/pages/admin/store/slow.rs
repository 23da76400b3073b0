//! Queries that took long, whichever way they came.

use std::time::Duration;

use maud::{Markup, html};

use crate::clock::UnixNanos;
use crate::pages::admin::format;
use crate::pages::admin::lang::Lang;

/// A query that took long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlowView {
    /// `PromQL` or `LogQL`.
    pub language: &'static str,
    /// Which way it came.
    pub door: SlowDoor,
    /// The text, cut.
    pub text: String,
    /// Where it is asked again; none for one that was cut.
    pub again: Option<String>,
    /// How often it was slow.
    pub n_times: u64,
    /// When it was slow last.
    pub last: UnixNanos,
    /// How long it took when it took longest.
    pub took: Duration,
    /// Samples read.
    pub n_samples: u64,
    /// Lines read.
    pub n_lines: u64,
    /// Bytes read.
    pub n_bytes: u64,
    /// Why it had no answer.
    pub fault: Option<String>,
}

/// Which way a query came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlowDoor {
    /// The APIs.
    #[default]
    Api,
    /// These pages.
    Page,
    /// The command line.
    Command,
    /// Rules.
    Rules,
}

/// Renders the slow queries of a day.
pub fn slow(lang: Lang, queries: &[SlowView]) -> Markup {
    let title = lang.tr("Slow queries");
    html! {
        section {
            h2 { (title) }
            @if queries.is_empty() {
                p.empty { (lang.tr("No query of the last day took longer than 10 ms, or none was asked since the start.")) }
            } @else {
                div.scroll.tall tabindex="0" role="region" aria-label=(title) {
                    table.slow {
                        thead { tr {
                            th.num scope="col" { (lang.tr("Took")) }
                            th scope="col" { (lang.tr("Query")) }
                            th scope="col" { (lang.tr("From")) }
                            th.num scope="col" { (lang.tr("Read")) }
                            th.num scope="col" { (lang.tr("Times")) }
                            th scope="col" { (lang.tr("Last")) }
                        } }
                        tbody { @for query in queries { (slow_row(lang, query)) } }
                    }
                }
                p.note { (lang.tr("Of the last day, the slowest run of each; what came again is one row. Queries run at lower priority than pages.")) }
            }
        }
    }
}

fn slow_row(lang: Lang, query: &SlowView) -> Markup {
    let door = match query.door {
        SlowDoor::Api => lang.tr("API"),
        SlowDoor::Page => lang.tr("admin page"),
        SlowDoor::Command => lang.tr("command line"),
        SlowDoor::Rules => lang.tr("rules"),
    };
    html! {
        tr {
            th.num scope="row" { (format::seconds(lang, query.took.as_secs_f64())) }
            td.query {
                span.language { (query.language) } " "
                @match &query.again {
                    Some(again) => { a href=(again) { code { (query.text) } } }
                    None => { code { (query.text) "…" } }
                }
                @if let Some(fault) = &query.fault { span.query-fault { (lang.tr("no answer:")) " " (fault) } }
            }
            td { (door) }
            td.num { (effort(lang, query)) }
            td.num { (format::count(lang, query.n_times)) }
            td { (format::moment(query.last)) }
        }
    }
}

fn effort(lang: Lang, query: &SlowView) -> String {
    if query.n_samples > 0 {
        return lang.trn(query.n_samples, "{n} sample", "{n} samples");
    }
    if query.n_lines > 0 {
        let lines = lang.trn(query.n_lines, "{n} line", "{n} lines");
        return format!("{lines}, {}", format::bytes(lang, query.n_bytes as f64));
    }
    format::NONE.to_string()
}
