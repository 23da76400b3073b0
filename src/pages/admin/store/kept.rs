//! What is kept of each kind, what it costs, and when it goes.

use std::time::Duration;

use maud::{Markup, html};

use super::StorePageView;
use crate::clock::UnixNanos;
use crate::pages::admin::format;
use crate::pages::admin::lang::Lang;
use crate::pages::admin::panels::bar;
use crate::pages::admin::store_facts::{HistoryKind, KindFacts, PartitionFacts};

/// Partitions that are listed of each kind; with the sizes that they have there are never more
/// of one but in a store with a cap of many gigabytes.
const PARTITIONS_SHOWN_MAX: usize = 100;

/// What is to be expected of one kind of history.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outlook {
    /// Bytes that one record takes; none without any.
    pub bytes_per_record: Option<f64>,
    /// Bytes that come in a day; none while it is too young to say.
    pub bytes_per_day: Option<f64>,
    /// When its bytes are used up; none while it is too young to say.
    pub full_in: Option<Duration>,
    /// How far back it reaches once it goes no further.
    pub reach: Option<Duration>,
    /// When each partition goes, and whether it is its age that ends it; none while it is written
    /// or when that cannot be told.
    pub goes_in: Vec<Option<(Duration, bool)>>,
}

/// Returns the name of a kind of history.
fn kind_name(lang: Lang, kind: HistoryKind) -> &'static str {
    match kind {
        HistoryKind::Samples => lang.tr("Samples"),
        HistoryKind::Minutes => lang.tr("Minutes"),
        HistoryKind::Hours => lang.tr("Hours"),
        HistoryKind::Lines => lang.tr("Log lines"),
        HistoryKind::Spans => lang.tr("Spans"),
    }
}

fn kind_key(kind: HistoryKind) -> &'static str {
    match kind {
        HistoryKind::Samples => "samples",
        HistoryKind::Minutes => "minutes",
        HistoryKind::Hours => "hours",
        HistoryKind::Lines => "lines",
        HistoryKind::Spans => "spans",
    }
}

/// What a kind of history is for.
fn kind_meaning(lang: Lang, kind: HistoryKind) -> &'static str {
    match kind {
        HistoryKind::Samples => lang.tr("every ten seconds, as they came"),
        HistoryKind::Minutes => lang.tr("of each series for every minute, for longer graphs"),
        HistoryKind::Hours => lang.tr("of each series for every hour, for a year"),
        HistoryKind::Lines => lang.tr("of this program and of others"),
        HistoryKind::Spans => lang.tr("the parts of slow, failed and sampled requests"),
    }
}

/// Renders how far the log reaches, and how long that goes on.
pub fn reach(lang: Lang, kind: &KindFacts, outlook: &Outlook) -> Markup {
    html! {
        @match kind.oldest {
            None => { (lang.tr("No line is packed yet: what came lies in the write-ahead log, and can be read.")) }
            Some(oldest) => {
                (lang.tr("Logs reach back to")) " " (format::moment(oldest)) ". "
                (expectation(lang, kind, outlook))
            }
        }
    }
}

/// What ends a kind of history, and when.
fn expectation(lang: Lang, kind: &KindFacts, outlook: &Outlook) -> String {
    let age = format::lasting(lang, kind.max_age);
    match (outlook.full_in, outlook.reach) {
        (Some(Duration::ZERO), Some(reach)) => {
            let reach = format::lasting(lang, reach);
            lang.trf(
                "Its bytes are used up: the oldest goes as new comes, and {reach} are kept.",
                &[("reach", &reach)],
            )
        }
        (_, Some(reach)) if reach >= kind.max_age => {
            lang.trf("At this rate age ends it, after {age}, before its bytes are used up.", &[("age", &age)])
        }
        (Some(full), Some(_)) => {
            let full = format::lasting(lang, full);
            lang.trf("At this rate its bytes are used up in {full}.", &[("full", &full)])
        }
        _ => lang.trf("It is too young to say how fast it grows; after {age} it goes.", &[("age", &age)]),
    }
}

/// Renders what is kept, a row a kind.
pub fn kept(lang: Lang, view: &StorePageView) -> Markup {
    let title = lang.tr("What is kept");
    html! {
        section id="kept" {
            h2 { (title) }
            div.scroll tabindex="0" role="region" aria-label=(title) {
                table.kinds {
                    thead { tr {
                        th scope="col" { (lang.tr("Kind")) }
                        th scope="col" { (lang.tr("On disk")) }
                        th.num scope="col" { (lang.tr("Records")) }
                        th.num scope="col" { (lang.tr("Bytes each")) }
                        th scope="col" { (lang.tr("Reaches back to")) }
                        th.num scope="col" { (lang.tr("A day")) }
                        th.num scope="col" { (lang.tr("Goes after")) }
                    } }
                    tbody {
                        @for (kind, outlook) in view.facts.kinds.iter().zip(&view.outlooks) {
                            (kind_rows(lang, kind, outlook))
                        }
                    }
                }
            }
            p.note {
                (lang.tr(
                    "Bytes are blocks that the disk gave, all of the store's own overhead included. Bytes each are those bytes by the records in them, so they are high while there is little. Whichever of age and bytes is reached first ends a history, a whole partition at a time."
                ))
            }
        }
    }
}

fn kind_rows(lang: Lang, kind: &KindFacts, outlook: &Outlook) -> Markup {
    let bytes = |n: f64| format::bytes(lang, n);
    let share = kind.size_bytes as f64 / kind.size_max_bytes.max(1) as f64;
    let (used, whole) = (bytes(kind.size_bytes as f64), bytes(kind.size_max_bytes as f64));
    let of = lang.trf("{used} of {whole}", &[("used", &used), ("whole", &whole)]);
    let or_none = |value: Option<f64>| value.map_or(format::NONE.to_string(), bytes);
    html! {
        tr {
            th scope="row" { (kind_name(lang, kind.kind)) }
            td.load { span { (bar(share, &of)) span { (of) } } }
            td.num { (format::count(lang, kind.n_records)) }
            td.num { (or_none(outlook.bytes_per_record)) }
            td { @match kind.oldest { Some(oldest) => { (format::moment(oldest)) } None => { (format::NONE) } } }
            td.num { (or_none(outlook.bytes_per_day)) }
            td.num { (format::lasting(lang, kind.max_age)) }
        }
        tr.after { td colspan="7" { span { (kind_meaning(lang, kind.kind)) ". " @if kind.n_records > 0 { (expectation(lang, kind, outlook)) } } } }
    }
}

/// Renders the partitions of each kind, the newest first.
pub fn partitions(lang: Lang, view: &StorePageView) -> Markup {
    html! {
        section aria-labelledby="partitions-title" {
            h2 id="partitions-title" { (lang.tr("Partitions")) }
            @if view.facts.kinds.iter().all(|kind| kind.partitions.is_empty()) {
                p.empty { (lang.tr("There is none yet. What is accepted lies in the write-ahead log first; after an hour, or some megabytes, it is packed into a partition.")) }
            }
            @for (kind, outlook) in view.facts.kinds.iter().zip(&view.outlooks) {
                @if !kind.partitions.is_empty() { (partitions_of(lang, kind, outlook)) }
            }
        }
    }
}

fn partitions_of(lang: Lang, kind: &KindFacts, outlook: &Outlook) -> Markup {
    let name = kind_name(lang, kind.kind);
    let n = kind.partitions.len();
    let rows = kind.partitions.iter().zip(&outlook.goes_in).rev().take(PARTITIONS_SHOWN_MAX);
    html! {
        details id={ "partitions-" (kind_key(kind.kind)) } {
            summary { (name) ": " (lang.trn(n as u64, "{n} partition", "{n} partitions")) }
            div.scroll tabindex="0" role="region" aria-label=(lang.trf("Partitions: {kind}", &[("kind", &name)])) {
                table {
                    thead { tr {
                        th scope="col" { (lang.tr("From")) }
                        th scope="col" { (lang.tr("Until")) }
                        th.num scope="col" { (lang.tr("Records")) }
                        th.num scope="col" { (lang.tr("Bytes")) }
                        th.num scope="col" { (lang.tr("Bytes each")) }
                        th scope="col" { (lang.tr("Goes")) }
                        th scope="col" { (lang.tr("Name")) }
                    } }
                    tbody { @for (partition, goes_in) in rows { (partition_row(lang, partition, *goes_in)) } }
                }
            }
            @if n > PARTITIONS_SHOWN_MAX {
                p.note { (lang.trn((n - PARTITIONS_SHOWN_MAX) as u64, "and {n} older one", "and {n} older ones")) }
            }
        }
    }
}

fn partition_row(lang: Lang, partition: &PartitionFacts, goes_in: Option<(Duration, bool)>) -> Markup {
    let (from, to) = partition.range.unzip();
    let moment = |at: Option<UnixNanos>| {
        html! {
            @match at { Some(at) => { (format::moment(at)) } None => { (format::NONE) } }
        }
    };
    let each = (partition.n_records > 0).then(|| partition.size_bytes as f64 / partition.n_records as f64);
    html! {
        tr {
            td { (moment(from)) }
            td { (moment(to)) }
            td.num { (format::count(lang, partition.n_records)) }
            td.num { (format::bytes(lang, partition.size_bytes as f64)) }
            td.num { (each.map_or(format::NONE.to_string(), |each| format::bytes(lang, each))) }
            td {
                @if partition.is_unreadable { span.bad-word { (lang.tr("cannot be read")) } }
                @else if partition.is_open { (lang.tr("is being written")) }
                @else {
                    @match goes_in {
                        None => { (format::NONE) }
                        Some((Duration::ZERO, _)) => { (lang.tr("next")) }
                        Some((left, by_age)) => {
                            (lang.trf("in {time}", &[("time", &format::lasting(lang, left))])) ", "
                            @if by_age { (lang.tr("by age")) } @else { (lang.tr("by bytes")) }
                        }
                    }
                }
            }
            td { code { (partition.name) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_history_is_said_in_words() {
        let kind = KindFacts { max_age: Duration::from_secs(10 * 86_400), ..KindFacts::default() };
        let check = |full: Option<u64>, reach: Option<u64>, expect: &str| {
            let days = |days: u64| Duration::from_secs(days * 86_400);
            let outlook = Outlook { full_in: full.map(days), reach: reach.map(days), ..Outlook::default() };
            let text = expectation(Lang::En, &kind, &outlook).replace('\u{a0}', " ");
            assert_eq!(text, expect);
        };
        check(None, None, "It is too young to say how fast it grows; after 10 d 0 h it goes.");
        check(Some(0), Some(6), "Its bytes are used up: the oldest goes as new comes, and 6 d 0 h are kept.");
        check(Some(3), Some(6), "At this rate its bytes are used up in 3 d 0 h.");
        check(Some(3), Some(16), "At this rate age ends it, after 10 d 0 h, before its bytes are used up.");
    }
}
