//! The form of the log page: fields that make a query, and the query itself.

use maud::{Markup, html};

use super::filter::{FieldOp, LogFilter};
use super::{FaultView, KnownLabels, LogsView};
use crate::pages::admin::lang::{Lang, text};

/// Choices of the lowest level: key and words.
pub const LEVELS: &[(&str, &str)] = &[
    ("", text!("all levels")),
    ("debug", text!("debug and above")),
    ("info", text!("info and above")),
    ("warn", text!("warn and above")),
    ("error", text!("error and above")),
];

/// A longer text, name or value is cut; nobody types more.
pub const TEXT_MAX_BYTES: usize = 256;

/// A longer query is refused: it stands in the address, and browsers and proxies cut those.
pub const LOGQL_MAX_BYTES: usize = 6_000;

/// The label that most lines are told apart by.
pub(super) const SOURCE: &str = "job";

/// Renders the fields, what they are set to, and the query.
pub(super) fn form(lang: Lang, view: &LogsView) -> Markup {
    let filter = &view.filter;
    html! {
        search {
            form.filter method="get" action="/admin/logs" id="filter" {
                (window(filter))
                label.wide {
                    span.visually-hidden { (lang.tr("Text in the line")) }
                    input type="search" name="q" value=(filter.text) placeholder=(lang.tr("Text in the line"))
                        maxlength=(TEXT_MAX_BYTES) enterkeyhint="search" id="search" autocomplete="off" spellcheck="false";
                }
                label {
                    span.visually-hidden { (lang.tr("Level")) }
                    select name="level" {
                        @for (key, words) in LEVELS {
                            option value=(key) selected[filter.level == *key] { (lang.tr(words)) }
                        }
                    }
                }
                (source(lang, filter, &view.known))
                button type="submit" { (lang.tr("Find")) }
                @for field in filter.fields.iter().filter(|field| !is_source(field)) {
                    input type="hidden" name="f" value=(field);
                }
                details.more open[filter.any_case] {
                    summary { (lang.tr("More conditions")) }
                    div.checks {
                        (check("case", lang.tr("In any case"), filter.any_case))
                        (check("all", lang.tr("Probes and admin, too"), filter.with_routine))
                    }
                    (another(lang, &view.known))
                }
            }
            (chips(lang, filter))
            (query(lang, view))
            (only(filter))
        }
    }
}

fn is_source(field: &super::FieldFilter) -> bool {
    field.name == SOURCE && field.op == FieldOp::Is
}

fn window(filter: &LogFilter) -> Markup {
    html! { @for (name, value) in filter.window.parameters() { input type="hidden" name=(name) value=(value); } }
}

fn check(name: &str, words: &str, is_set: bool) -> Markup {
    html! { label.check { input type="checkbox" name=(name) value="1" checked[is_set]; " " (words) } }
}

/// Whose lines: the jobs that have any in this time.
fn source(lang: Lang, filter: &LogFilter, known: &KnownLabels) -> Markup {
    let chosen = filter.fields.iter().find(|field| is_source(field)).map_or("", |field| &field.value);
    let is_listed = chosen.is_empty() || known.sources.iter().any(|source| source == chosen);
    html! {
        label {
            span.visually-hidden { (lang.tr("Source")) }
            select name=(SOURCE) {
                option value="" { (lang.tr("all sources")) }
                @if !is_listed { option value=(chosen) selected { (chosen) } }
                @for source in &known.sources { option value=(source) selected[source == chosen] { (source) } }
            }
        }
    }
}

/// One more condition, by the name of a label or of a value of the metadata.
fn another(lang: Lang, known: &KnownLabels) -> Markup {
    html! {
        div.another {
            label { span { (lang.tr("Name")) }
                input name="fn" list="names" maxlength=(TEXT_MAX_BYTES) autocomplete="off" spellcheck="false"
                    placeholder="http_response_status_code" pattern="[A-Za-z_][A-Za-z0-9_]*"; }
            label { span { (lang.tr("Comparison")) }
                select name="fo" {
                    @for op in FieldOp::ALL { option value=(op.as_str()) { (words(lang, op)) } }
                }
            }
            label { span { (lang.tr("Value")) }
                input name="fv" maxlength=(TEXT_MAX_BYTES) autocomplete="off" spellcheck="false" placeholder="500"; }
            datalist id="names" { @for name in &known.names { option value=(name) {} } }
        }
    }
}

fn words(lang: Lang, op: FieldOp) -> &'static str {
    match op {
        FieldOp::Is => lang.tr("is"),
        FieldOp::IsNot => lang.tr("is not"),
        FieldOp::Matches => lang.tr("matches the expression"),
        FieldOp::MatchesNot => lang.tr("does not match the expression"),
    }
}

/// The conditions that hold, each with the way to be without it.
fn chips(lang: Lang, filter: &LogFilter) -> Markup {
    html! {
        @if !filter.fields.is_empty() {
            ul.chips aria-label=(lang.tr("Conditions")) {
                @for (idx, field) in filter.fields.iter().enumerate() {
                    @let mut without = filter.clone();
                    @let _ = without.fields.remove(idx);
                    li {
                        code { (field.name) " " (field.op.as_str()) " " (field.value) }
                        a href=(without.address()) aria-label=(lang.trf("Without the condition {name}", &[("name", field)])) { "✕" }
                    }
                }
            }
        }
    }
}

/// The query, to be read and to be written anew.
fn query(lang: Lang, view: &LogsView) -> Markup {
    let filter = &view.filter;
    html! {
        details.logql open[view.is_raw || view.fault.is_some()] {
            summary { "LogQL" @if !view.is_raw && view.fault.is_none() { " " code { (view.query) } } }
            form method="get" action="/admin/logs" {
                (window(filter))
                label.visually-hidden for="logql" { (lang.tr("The query")) }
                textarea id="logql" name="logql" rows=(view.query.lines().count().clamp(2, 8)) maxlength=(LOGQL_MAX_BYTES)
                    spellcheck="false" autocapitalize="off" required
                    aria-invalid=[view.fault.is_some().then_some("true")]
                    aria-describedby=[view.fault.is_some().then_some("fault")] { (view.query) }
                button type="submit" { (lang.tr("Ask")) }
                @if view.is_raw {
                    p.note {
                        (lang.tr("This query says more than the fields above; to search by them begins anew."))
                        " " a href=(cleared(filter)) { (lang.tr("Back to the fields")) }
                    }
                }
            }
        }
        @if let Some(fault) = &view.fault { (fault_box(lang, fault)) }
    }
}

fn cleared(filter: &LogFilter) -> String {
    LogFilter { window: filter.window, ..LogFilter::default() }.address()
}

fn fault_box(lang: Lang, fault: &FaultView) -> Markup {
    html! {
        div.banner.bad id="fault" role="alert" {
            p { b { (lang.tr("The query cannot be answered:")) } " " span.text { (fault.message) } }
            @if let Some((before, marked, behind)) = &fault.place {
                pre.place { (before) mark { @if marked.is_empty() { " " } @else { (marked) } } (behind) }
            }
        }
    }
}

/// What the buttons below a line send: all that holds, and one condition more.
fn only(filter: &LogFilter) -> Markup {
    // Of a query that was written by hand the window alone is taken along.
    let kept = if filter.logql.is_empty() { filter.question() } else { vec![("all", "1".to_string())] };
    html! {
        form id="only" method="get" action="/admin/logs" hidden {
            (window(filter))
            @for (name, value) in kept { input type="hidden" name=(name) value=(value); }
        }
    }
}
