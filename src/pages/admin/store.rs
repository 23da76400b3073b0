//! The store and the ways to it: what is kept, what it costs, when it goes, what was lost.
//!
//! A sentence first, then the numbers, each with the words that say what it means and, where
//! something is wrong, what to do.

use std::time::Duration;

use maud::{Markup, html};

use super::chart::{Chart, LINE_CLASSES, Line};
use super::explore::metrics_address;
use super::format::{self, Unit};
use super::frame::Frame;
use super::lang::Lang;
use super::panels::bar;
use super::store_facts::{
    AsideFacts, ExportFacts, HistoryKind, KindFacts, LaneFacts, PartitionFacts, RingFacts, RingKind,
    StoreFacts,
};
use super::window::{Window, address};
use crate::clock::UnixNanos;

/// Partitions that are listed of each kind; with the sizes that they have there are never more
/// of one but in a store with a cap of many gigabytes.
const PARTITIONS_SHOWN_MAX: usize = 100;

/// The page.
#[derive(Clone, Debug, Default)]
pub struct StorePageView {
    /// What the store says of itself.
    pub facts: StoreFacts,
    /// What is to be expected of each kind, in the order of the facts.
    pub outlooks: Vec<Outlook>,
    /// The stretch of time that losses, arrivals and charts are about.
    pub window: Window,
    /// Records that were not kept in it.
    pub lost: Vec<LossView>,
    /// How many were not kept in the last day.
    pub n_lost_today: f64,
    /// What came from other programs in it.
    pub arrived: Vec<ArrivalView>,
    /// The charts.
    pub charts: Vec<StoreChart>,
    /// The moments of the charts.
    pub at: Vec<UnixNanos>,
    /// Their distance.
    pub step: Duration,
    /// Queries that took long.
    pub slow: Vec<SlowView>,
    /// Why losses, arrivals and charts could not be read.
    pub unreadable: Option<String>,
}

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

/// Records that were not kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LossView {
    /// `metrics`, `logs`, `spans` or `traces`.
    pub signal: String,
    /// Why, by the word of the metric.
    pub reason: String,
    /// How many.
    pub n: f64,
}

/// What came one way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ArrivalView {
    /// `udp`, `file`, `loki` and their like.
    pub way: String,
    /// Records.
    pub n_records: f64,
    /// Bytes.
    pub n_bytes: f64,
    /// Messages or records that were refused.
    pub n_refused: f64,
}

/// A chart of the page.
#[derive(Clone, Debug, Default)]
pub struct StoreChart {
    /// Which.
    pub kind: StoreChartKind,
    /// The query that gives it.
    pub query: String,
    /// Names and values.
    pub lines: Vec<(String, Vec<Option<f64>>)>,
}

/// The charts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreChartKind {
    /// Bytes on disk.
    #[default]
    Size,
    /// Samples a second.
    Samples,
    /// Lines a second.
    Lines,
    /// Bytes that a sample takes.
    SampleBytes,
    /// Bytes that a line takes.
    LineBytes,
}

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

/// Renders the page.
pub fn store(frame: &Frame, view: &StorePageView) -> Markup {
    let lang = frame.lang;
    let content = html! {
        (verdict(lang, view))
        (trouble(lang, &view.facts))
        (kept(lang, view))
        (partitions(lang, view))
        (writing(lang, &view.facts))
        section aria-labelledby="time-title" {
            h2 id="time-title" { (lang.tr("Over time")) }
            (frame.ranges(view.window, &[]))
            @match &view.unreadable {
                Some(cause) => { p.banner.bad role="alert" { (lang.tr("The stored numbers cannot be read:")) " " (cause) } }
                None => {
                    div.charts { @for chart in &view.charts { (drawn(lang, view, chart)) } }
                    (lost(lang, view))
                    (arrived(lang, view))
                }
            }
        }
        (slow(lang, &view.slow))
        (exports(lang, &view.facts.exports))
        (queues(lang, &view.facts))
    };
    frame.page(lang.tr("Store"), &content)
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

fn of_kind(view: &StorePageView, kind: HistoryKind) -> Option<(&KindFacts, &Outlook)> {
    view.facts.kinds.iter().zip(&view.outlooks).find(|(facts, _)| facts.kind == kind)
}

fn verdict(lang: Lang, view: &StorePageView) -> Markup {
    let facts = &view.facts;
    let used = facts.kinds.iter().map(|kind| kind.size_bytes).sum::<u64>() + facts.wal_bytes;
    let most: u64 = facts.kinds.iter().map(|kind| kind.size_max_bytes).sum();
    let is_bad = facts.degraded.is_some();
    let is_warn = view.n_lost_today >= 1.0 || facts.kinds.iter().any(has_unreadable);
    let class = if is_bad {
        "bad"
    } else if is_warn {
        "warn"
    } else {
        "good"
    };
    let bytes = |n: f64| format::bytes(lang, n);
    let each = |kind| of_kind(view, kind).and_then(|(_, outlook)| outlook.bytes_per_record);
    let mut costs = Vec::new();
    if let Some(size) = each(HistoryKind::Samples) {
        costs.push(lang.trf("{size} a sample", &[("size", &bytes(size))]));
    }
    if let Some(size) = each(HistoryKind::Lines) {
        costs.push(lang.trf("{size} a line", &[("size", &bytes(size))]));
    }
    let of =
        lang.trf("{used} of {whole} used", &[("used", &bytes(used as f64)), ("whole", &bytes(most as f64))]);
    let n_lost = view.n_lost_today.ceil() as u64;
    html! {
        div.verdict.(class) id="verdict" {
            p {
                b { (of) "." } " "
                @if !costs.is_empty() { (costs.join(", ")) ". " }
                @if view.unreadable.is_none() {
                    @if n_lost == 0 { (lang.tr("Nothing was dropped in the last day.")) }
                    @else { (lang.trn(n_lost, "{n} record was dropped in the last day.", "{n} records were dropped in the last day.")) }
                }
            }
            @if let Some((lines, outlook)) = of_kind(view, HistoryKind::Lines) {
                p.aside { (reach(lang, lines, outlook)) }
            }
        }
    }
}

/// How far the log reaches, and how long that goes on.
fn reach(lang: Lang, kind: &KindFacts, outlook: &Outlook) -> Markup {
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

fn has_unreadable(kind: &KindFacts) -> bool {
    kind.partitions.iter().any(|partition| partition.is_unreadable)
}

/// What is wrong, and what to do about it.
fn trouble(lang: Lang, facts: &StoreFacts) -> Markup {
    let unreadable: Vec<&PartitionFacts> =
        facts.kinds.iter().flat_map(|kind| &kind.partitions).filter(|part| part.is_unreadable).collect();
    let free = facts.free_bytes.filter(|free| *free < facts.reserve_bytes.saturating_mul(2));
    html! {
        @if let Some(cause) = &facts.degraded {
            div.banner.bad role="alert" {
                p { b { (lang.tr("Nothing is being recorded:")) } " " (cause) }
                p.hint { (lang.tr("Pages are served all the while. Make room on the disk, or set a smaller store.logs.max_bytes and reload; it goes on by itself.")) }
            }
        }
        @if let Some(free) = free {
            p.banner.warn {
                (lang.trf(
                    "{free} are free on the disk. Below {reserve} the oldest history goes, and then nothing more is written.",
                    &[("free", &format::bytes(lang, free as f64)), ("reserve", &format::bytes(lang, facts.reserve_bytes as f64))],
                ))
            }
        }
        @if !unreadable.is_empty() {
            div.banner.warn {
                p { b { (lang.trn(
                    unreadable.len() as u64,
                    "{n} partition cannot be read and is left out of every answer.",
                    "{n} partitions cannot be read and are left out of every answer.",
                )) } }
                ul { @for partition in &unreadable { li { code { (partition.name) } } } }
                p.hint { (lang.tr("The log says why. A restart reads it again when the machine was at fault, or sets it aside when its data is.")) }
            }
        }
        @if !facts.set_aside.is_empty() { (aside(lang, facts)) }
    }
}

fn aside(lang: Lang, facts: &StoreFacts) -> Markup {
    let all: u64 = facts.set_aside.iter().map(|entry| entry.size_bytes).sum();
    let row = |entry: &AsideFacts| {
        html! {
            li {
                code { (entry.name) } " – " (format::bytes(lang, entry.size_bytes as f64)) ", "
                @if entry.is_damaged { (lang.tr("damaged")) } @else { (lang.tr("not of this program, or of an older one")) }
            }
        }
    };
    html! {
        div.banner.warn {
            p { b { (lang.trf("{size} were set aside.", &[("size", &format::bytes(lang, all as f64))])) } " "
                (lang.tr("They lie in")) " " code { (facts.dir) "/set-aside" } }
            ul { @for entry in &facts.set_aside { (row(entry)) } }
            p.hint {
                (lang.tr("What is damaged may be deleted; of it the oldest goes by itself above 256 MiB. What is not of this program is somebody's and stays until you take it away."))
            }
        }
    }
}

fn kept(lang: Lang, view: &StorePageView) -> Markup {
    let title = lang.tr("What is kept");
    html! {
        section {
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

fn partitions(lang: Lang, view: &StorePageView) -> Markup {
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

fn writing(lang: Lang, facts: &StoreFacts) -> Markup {
    let count = |n: u64| format::count(lang, n);
    let of =
        |n: u64, most: u64| lang.trf("{used} of {whole}", &[("used", &count(n)), ("whole", &count(most))]);
    let share = |n: u64, most: u64| if most == 0 { 0.0 } else { n as f64 / most as f64 };
    html! {
        section aria-labelledby="writing-title" {
            h2 id="writing-title" { (lang.tr("Writing")) }
            dl.tiles {
                div {
                    dt { (lang.tr("Since the last flush")) }
                    @match facts.flush {
                        Some(flush) => {
                            dd.value { (format::seconds(lang, flush.age.as_secs_f64())) }
                            dd.aside { (lang.trf("took {time}", &[("time", &format::seconds(lang, flush.took.as_secs_f64()))])) }
                        }
                        None => { dd.value { (format::NONE) } dd.aside { (lang.tr("none since the start")) } }
                    }
                }
                div {
                    dt { (lang.tr("Write-ahead log")) }
                    dd.value { (format::bytes(lang, facts.wal_bytes as f64)) }
                    dd.aside { (lang.tr("accepted, not yet packed")) }
                }
                div {
                    dt { (lang.tr("Series written")) }
                    dd.value { (count(facts.n_series)) }
                    dd.aside { (bar(share(facts.n_series, facts.n_series_max), &of(facts.n_series, facts.n_series_max))) (of(facts.n_series, facts.n_series_max)) }
                }
                div {
                    dt { (lang.tr("Log streams written")) }
                    dd.value { (count(facts.n_streams)) }
                    dd.aside { (bar(share(facts.n_streams, facts.n_streams_max), &of(facts.n_streams, facts.n_streams_max))) (of(facts.n_streams, facts.n_streams_max)) }
                }
                @if let Some(free) = facts.free_bytes {
                    div {
                        dt { (lang.tr("Free on the disk")) }
                        dd.value { (format::bytes(lang, free as f64)) }
                        dd.aside { (lang.trf("{reserve} stay free", &[("reserve", &format::bytes(lang, facts.reserve_bytes as f64))])) }
                    }
                }
            }
            p.note {
                (lang.tr("A flush comes every second and makes durable what was accepted: a power cut loses at most that second and the time of one flush."))
                " "
                a href="/admin/metrics/cardinality" { (lang.tr("What series there are")) }
            }
        }
    }
}

fn drawn(lang: Lang, view: &StorePageView, chart: &StoreChart) -> Markup {
    let (id, title, unit) = match chart.kind {
        StoreChartKind::Size => ("size", lang.tr("Bytes on disk"), Unit::Bytes),
        StoreChartKind::Samples => ("samples", lang.tr("Samples a second"), Unit::Number),
        StoreChartKind::Lines => ("lines", lang.tr("Log lines a second"), Unit::Number),
        StoreChartKind::SampleBytes => ("sample-bytes", lang.tr("Bytes a sample"), Unit::Bytes),
        StoreChartKind::LineBytes => ("line-bytes", lang.tr("Bytes a line"), Unit::Bytes),
    };
    let empty = match chart.kind {
        StoreChartKind::SampleBytes | StoreChartKind::LineBytes => {
            lang.tr("Nothing was packed in this time: what came last lies in the write-ahead log.")
        }
        _ => lang.tr("No sample yet: the first one comes ten seconds after the start."),
    };
    let query = metrics_address(&chart.query, view.window);
    let lines = chart.lines.iter().enumerate().map(|(idx, (name, values))| Line {
        name: series_name(lang, name),
        class: LINE_CLASSES[idx % LINE_CLASSES.len()],
        values,
    });
    Chart {
        id,
        title,
        unit,
        at: &view.at,
        step: view.step,
        lines: lines.collect(),
        empty,
        top_min: 0.0,
        marks: &[],
        logs: None,
        query: Some(&query),
    }
    .render(lang)
}

/// The signals of the metrics, in words.
fn series_name(lang: Lang, signal: &str) -> &str {
    match signal {
        "metrics" => lang.tr("samples"),
        "minutes" => lang.tr("minutes"),
        "hours" => lang.tr("hours"),
        "logs" => lang.tr("log lines"),
        "spans" | "traces" => lang.tr("spans"),
        "wal" => lang.tr("write-ahead log"),
        other => other,
    }
}

fn lost(lang: Lang, view: &StorePageView) -> Markup {
    let title = lang.tr("Dropped");
    html! {
        h3.above { (title) " " (view.window.words(lang)) }
        @if view.lost.is_empty() {
            p.empty { (lang.tr("Nothing: every sample, line and span that came was kept.")) }
        } @else {
            div.scroll tabindex="0" role="region" aria-label=(title) {
                table {
                    thead { tr {
                        th scope="col" { (lang.tr("What")) }
                        th.num scope="col" { (lang.tr("Records")) }
                        th scope="col" { (lang.tr("Why, and what to do")) }
                    } }
                    tbody {
                        @for loss in &view.lost {
                            tr {
                                th scope="row" { (series_name(lang, &loss.signal)) }
                                td.num { (format::count(lang, loss.n.ceil() as u64)) }
                                td.wrap { code { (loss.reason) } " " (reason(lang, &loss.reason)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What a reason means, and what to do about it; `""` for one that is not known here.
fn reason(lang: Lang, reason: &str) -> &'static str {
    match reason {
        "queue_full" => lang.tr("More came at once than the queue to the disk holds. A faster disk, or fewer lines, help."),
        "disk_full" => lang.tr("The disk was nearly full. Make room, or set a smaller store.logs.max_bytes."),
        "backlog" => lang.tr("The disk took nothing for a while, and memory is no place to wait."),
        "limit" => lang.tr("There were too many series or streams. Look at what series there are, or raise store.metrics.max_series or store.logs.max_streams."),
        "duplicate" => lang.tr("The series had another value at that time already: two sources send the same series, or one sent twice."),
        "time" => lang.tr("Its time was before 1970 or more than ten minutes ahead: the sender's clock is wrong."),
        "late" => lang.tr("It was older than what is kept. Raise store.metrics.max_age for a back-fill."),
        "labels" => lang.tr("Its labels had no name or were longer than 8 KiB."),
        "closed" => lang.tr("It came while the store was being closed."),
        "failed" => lang.tr("The disk failed so often that only a restart helps; the log says how."),
        "access_ring" | "stage_ring" | "app_ring" | "operations_ring" => {
            lang.tr("More came at once than the queue in memory holds: the machine is short of processor time.")
        }
        "feedback_guard" => lang.tr("Lines that writing itself would have made, which would never end."),
        "otlp_queue" => lang.tr("The far end was away for too long; here it is kept."),
        "too_many" => lang.tr("More requests were sampled at once than spans are kept of."),
        _ => "",
    }
}

fn arrived(lang: Lang, view: &StorePageView) -> Markup {
    let title = lang.tr("From other programs");
    let count = |n: f64| format::count(lang, n.round().max(0.0) as u64);
    html! {
        h3.above { (title) " " (view.window.words(lang)) }
        @if view.arrived.is_empty() {
            p.empty {
                (lang.tr("Nothing. Send logs by the Fluentd forward protocol to port 24224, follow files with [[logs.file]], or push by Loki's, Prometheus's or OTLP's protocol: the README has the lines."))
            }
        } @else {
            div.scroll tabindex="0" role="region" aria-label=(title) {
                table {
                    thead { tr {
                        th scope="col" { (lang.tr("Way")) }
                        th.num scope="col" { (lang.tr("Records")) }
                        th.num scope="col" { (lang.tr("Bytes")) }
                        th.num scope="col" { (lang.tr("Refused")) }
                    } }
                    tbody {
                        @for arrival in &view.arrived {
                            tr {
                                th scope="row" { (way(lang, &arrival.way)) }
                                td.num { (count(arrival.n_records)) }
                                td.num { (format::bytes(lang, arrival.n_bytes)) }
                                td.num { (count(arrival.n_refused.ceil())) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn way(lang: Lang, way: &str) -> String {
    match way {
        "tcp" => lang.tr("forward protocol, TCP").into(),
        "udp" => lang.tr("forward protocol, UDP").into(),
        "file" => lang.tr("files").into(),
        "journal" => lang.tr("journal").into(),
        "loki" => lang.tr("Loki's push").into(),
        "remote_write" => lang.tr("Prometheus's remote write").into(),
        "otlp" => "OTLP".into(),
        other => other.into(),
    }
}

fn slow(lang: Lang, queries: &[SlowView]) -> Markup {
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

fn exports(lang: Lang, exports: &[ExportFacts]) -> Markup {
    let title = lang.tr("Sent elsewhere");
    let sent: Vec<&ExportFacts> = exports.iter().filter(|export| export.endpoint.is_some()).collect();
    html! {
        section {
            h2 { (title) }
            @if sent.is_empty() {
                p.empty {
                    (lang.tr("Nothing is sent anywhere. To push metrics, logs and spans by OTLP, set"))
                    " " code { "OTEL_EXPORTER_OTLP_ENDPOINT" } " " (lang.tr("or")) " " code { "telemetry.otlp.endpoint" } "."
                }
            } @else {
                div.scroll tabindex="0" role="region" aria-label=(title) {
                    table {
                        thead { tr {
                            th scope="col" { (lang.tr("Signal")) }
                            th scope="col" { (lang.tr("State")) }
                            th.num scope="col" { (lang.tr("Arrived")) }
                            th.num scope="col" { (lang.tr("Failed")) }
                            th.num scope="col" { (lang.tr("Lost")) }
                            th scope="col" { (lang.tr("Last arrived")) }
                            th scope="col" { (lang.tr("To")) }
                        } }
                        tbody { @for export in sent { (export_rows(lang, export)) } }
                    }
                }
                p.note { (lang.tr("Arrived and failed are attempts, each of up to a thousand records; lost are records that had no room while the far end was away, or that it refused.")) }
            }
        }
    }
}

fn export_rows(lang: Lang, export: &ExportFacts) -> Markup {
    let (class, word) = match export.is_up {
        Some(true) => ("ready", lang.tr("arrives")),
        Some(false) => ("stopped", lang.tr("fails")),
        None => ("draining", lang.tr("not tried yet")),
    };
    let count = |n: u64| format::count(lang, n);
    html! {
        tr {
            th scope="row" { (export.signal) }
            td { span.state.(class) { (word) } }
            td.num { (count(export.n_sent)) }
            td.num { (count(export.n_failed)) }
            td.num { (count(export.n_dropped)) }
            td { @match export.last_success { Some(at) => { (format::moment(at)) } None => { (format::NONE) } } }
            td { code { (export.endpoint.as_deref().unwrap_or_default()) } }
        }
        @if let Some((at, cause)) = &export.last_error {
            tr.after { td colspan="7" { (lang.tr("Last fault at")) " " (format::moment(*at)) ": " (cause) } }
        }
    }
}

fn queues(lang: Lang, facts: &StoreFacts) -> Markup {
    let title = lang.tr("Queues and lanes");
    html! {
        section aria-labelledby="queues-title" {
            h2 id="queues-title" { (title) }
            div.columns {
                div.scroll tabindex="0" role="region" aria-label=(lang.tr("Queues")) {
                    table {
                        thead { tr {
                            th scope="col" { (lang.tr("Queue")) }
                            th scope="col" { (lang.tr("Filled")) }
                            th.num scope="col" { (lang.tr("Dropped")) }
                        } }
                        tbody { @for ring in &facts.rings { (ring_row(lang, ring)) } }
                    }
                }
                div.scroll tabindex="0" role="region" aria-label=(lang.tr("Lanes")) {
                    table {
                        thead { tr {
                            th scope="col" { (lang.tr("Lane")) }
                            th.num scope="col" { (lang.tr("Running")) }
                            th.num scope="col" { (lang.tr("Waiting")) }
                            th.num scope="col" { (lang.tr("Done")) }
                            th.num scope="col" { (lang.tr("Refused")) }
                            th.num scope="col" { (lang.tr("Broke off")) }
                            th.num scope="col" { (lang.tr("Panics")) }
                        } }
                        tbody { @for lane in &facts.lanes { (lane_row(lang, lane)) } }
                    }
                }
            }
            p.note {
                (lang.tr("A queue that is full drops the newest and counts it: telemetry never slows a page. Lanes are threads beside the pages, for files and waiting (blocking) and for queries (heavy); one that is full refuses, and whose caller leaves breaks off."))
            }
        }
    }
}

fn ring_row(lang: Lang, ring: &RingFacts) -> Markup {
    let name = match ring.kind {
        RingKind::Requests => lang.tr("requests to the log"),
        RingKind::Spans => lang.tr("spans of requests"),
        RingKind::Lines => lang.tr("lines of this program"),
        RingKind::Store => lang.tr("records to the store"),
    };
    let number = |n: u64| match ring.kind {
        RingKind::Store => format::bytes(lang, n as f64),
        RingKind::Requests | RingKind::Spans | RingKind::Lines => format::count(lang, n),
    };
    let share = ring.fill as f64 / ring.capacity.max(1) as f64;
    let of =
        lang.trf("{used} of {whole}", &[("used", &number(ring.fill)), ("whole", &number(ring.capacity))]);
    html! {
        tr {
            th scope="row" { (name) }
            td.load { span { (bar(share, &of)) span { (of) } } }
            td.num { (format::count(lang, ring.n_dropped)) }
        }
    }
}

fn lane_row(lang: Lang, lane: &LaneFacts) -> Markup {
    let count = |n: u64| format::count(lang, n);
    html! {
        tr {
            th scope="row" { (lane.name) }
            td.num { (count(lane.n_running)) }
            td.num { (count(lane.n_waiting)) }
            td.num { (count(lane.n_done)) }
            td.num { (count(lane.n_refused)) }
            td.num { (count(lane.n_cancelled)) }
            td.num { (count(lane.n_panicked)) }
        }
    }
}

/// Returns where the lines that a LogQL query selects are shown.
pub fn lines_address(query: &str) -> String {
    address("/admin/logs", &[("logql", query)])
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixNanos = UnixNanos(1_795_000_000_000_000_000);
    const EVIL: &str = "<script>alert(1)</script>";

    fn view() -> StorePageView {
        let partition = |is_open, is_unreadable| PartitionFacts {
            name: EVIL.into(),
            range: Some((UnixNanos(NOW.0 - 3_600_000_000_000), NOW)),
            n_records: 1_000,
            size_bytes: 2_048,
            is_open,
            is_unreadable,
        };
        let kind = |kind| KindFacts {
            kind,
            size_bytes: 31 << 20,
            size_max_bytes: 1 << 30,
            max_age: Duration::from_secs(30 * 86_400),
            n_records: 1_000_000,
            oldest: Some(NOW),
            partitions: vec![partition(false, true), partition(false, false), partition(true, false)],
            ..KindFacts::default()
        };
        let outlook = Outlook {
            bytes_per_record: Some(38.0),
            bytes_per_day: Some(1e6),
            full_in: Some(Duration::from_secs(4 * 86_400)),
            reach: Some(Duration::from_secs(9 * 86_400)),
            goes_in: vec![Some((Duration::ZERO, false)), Some((Duration::from_secs(86_400), false)), None],
        };
        let kinds = [
            HistoryKind::Samples,
            HistoryKind::Minutes,
            HistoryKind::Hours,
            HistoryKind::Lines,
            HistoryKind::Spans,
        ];
        let ring = |kind| RingFacts { kind, fill: 3, capacity: 8, n_dropped: 1 };
        let export = |is_up| ExportFacts {
            signal: "logs".into(),
            endpoint: Some(EVIL.into()),
            is_up,
            n_sent: 1_234,
            n_failed: 5,
            n_dropped: 6,
            last_success: Some(NOW),
            last_error: Some((NOW, EVIL.into())),
        };
        StorePageView {
            facts: StoreFacts {
                dir: "/data/store".into(),
                kinds: kinds.map(kind).into(),
                set_aside: [true, false]
                    .map(|is_damaged| AsideFacts { name: EVIL.into(), size_bytes: 4_096, is_damaged })
                    .into(),
                degraded: Some(EVIL.into()),
                free_bytes: Some(100 << 20),
                reserve_bytes: 64 << 20,
                rings: [RingKind::Requests, RingKind::Spans, RingKind::Lines, RingKind::Store]
                    .map(ring)
                    .into(),
                exports: [Some(true), Some(false), None].map(export).into(),
                lanes: vec![LaneFacts { name: "heavy".into(), n_done: 77, ..LaneFacts::default() }],
                ..StoreFacts::default()
            },
            outlooks: vec![outlook; 5],
            lost: vec![LossView { signal: EVIL.into(), reason: EVIL.into(), n: 2.2 }],
            n_lost_today: 2.2,
            arrived: vec![ArrivalView { way: EVIL.into(), ..ArrivalView::default() }],
            slow: vec![
                SlowView { text: EVIL.into(), fault: Some(EVIL.into()), ..SlowView::default() },
                SlowView {
                    text: "up".into(),
                    again: Some("/admin/metrics?q=up".into()),
                    ..SlowView::default()
                },
            ],
            ..StorePageView::default()
        }
    }

    fn rendered(lang: Lang, view: &StorePageView) -> String {
        store(&Frame { lang, now: NOW, ..Frame::default() }, view).into_string().replace('\u{a0}', " ")
    }

    #[test]
    fn whatever_is_wrong_is_named_with_what_to_do() {
        let text = rendered(Lang::En, &view());
        for piece in [
            "<div class=\"verdict bad\" id=\"verdict\">",
            "<b>155 MiB of 5 GiB used.</b> 38 B a sample, 38 B a line. 3 records were dropped in the last day.",
            "At this rate its bytes are used up in 4 d 0 h.",
            "Nothing is being recorded:",
            "100 MiB are free on the disk. Below 64 MiB",
            "5 partitions cannot be read",
            "8 KiB were set aside.",
            "not of this program, or of an older one",
            "<span class=\"bad-word\">cannot be read</span>",
            "in 1 d 0 h, by bytes",
            "is being written",
            "<span class=\"state stopped\">fails</span>",
            "<span class=\"state draining\">not tried yet</span>",
            "3 B of 8 B",
            "<td class=\"num\">77</td>",
        ] {
            assert!(text.contains(piece), "{piece} is not in {text}");
        }
        assert!(rendered(Lang::Ru, &view()).contains("Занято 155 МиБ из 5 ГиБ."));
    }

    #[test]
    fn nothing_from_outside_becomes_markup() {
        for lang in Lang::ALL {
            assert!(!rendered(lang, &view()).contains(EVIL));
        }
    }

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

    #[test]
    fn every_reason_of_the_store_is_explained() {
        for word in [
            "queue_full",
            "disk_full",
            "backlog",
            "limit",
            "duplicate",
            "time",
            "late",
            "labels",
            "closed",
            "failed",
        ] {
            assert!(!reason(Lang::En, word).is_empty(), "{word}");
        }
        assert_eq!(reason(Lang::En, "new"), "");
    }
}
