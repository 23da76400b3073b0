//! The store and the ways to it: what is kept, what it costs, when it goes, what was lost.
//!
//! A sentence first, then the numbers, each with the words that say what it means and, where
//! something is wrong, what to do.

mod kept;
mod lost;
mod sent;
mod slow;

use std::time::Duration;

use maud::{Markup, html};

use super::chart::{Chart, Drawn, LINE_CLASSES, Line, Mark, events};
use super::explore::metrics_address;
use super::format::{self, Unit};
use super::frame::{Fragment, Frame, stream_address};
use super::lang::Lang;
use super::panels::bar;
use super::store_facts::{AsideFacts, HistoryKind, KindFacts, PartitionFacts, StoreFacts};
use super::window::{Window, address};
use crate::clock::UnixNanos;

pub use kept::Outlook;
pub use lost::{ArrivalView, LossView};
pub use slow::{SlowDoor, SlowView};

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
    /// What happened meanwhile.
    pub marks: Vec<Mark>,
    /// Queries that took long.
    pub slow: Vec<SlowView>,
    /// Why losses, arrivals and charts could not be read.
    pub unreadable: Option<String>,
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

/// Renders the page.
pub fn store(frame: &Frame, view: &StorePageView) -> Markup {
    let lang = frame.lang;
    let addresses = addresses(view);
    let charts = charts(lang, view, &addresses);
    let stream = stream_address("store", view.window, &charts, &[]);
    let content = html! {
        div data-stream=[view.window.is_moving().then_some(stream)] {
            (verdict(lang, view))
            (trouble(lang, &view.facts))
            (kept::kept(lang, view))
            (kept::partitions(lang, view))
            (writing(lang, &view.facts))
            section aria-labelledby="time-title" {
                h2 id="time-title" { (lang.tr("Over time")) }
                (frame.ranges(view.window, &[]))
                @match &view.unreadable {
                    Some(cause) => { p.banner.bad role="alert" { (lang.tr("The stored numbers cannot be read:")) " " (cause) } }
                    None => {
                        div.charts { @for chart in &charts { (chart.render(lang)) } }
                        (events(lang, &view.marks))
                        (came_and_went(lang, view))
                    }
                }
            }
            (slow::slow(lang, &view.slow))
            (sent::exports(lang, &view.facts.exports))
            (sent::queues(lang, &view.facts))
        }
    };
    frame.page(lang.tr("Store"), &content)
}

/// Renders the parts of the page that change by themselves, the charts aside. Partitions and slow
/// queries stay as they were read.
pub fn store_fragments(lang: Lang, view: &StorePageView) -> Vec<Fragment> {
    let mut res = vec![
        Fragment { id: "verdict", markup: verdict(lang, view) },
        Fragment { id: "trouble", markup: trouble(lang, &view.facts) },
        Fragment { id: "kept", markup: kept::kept(lang, view) },
        Fragment { id: "writing", markup: writing(lang, &view.facts) },
        Fragment { id: "exports", markup: sent::exports(lang, &view.facts.exports) },
        Fragment { id: "queues", markup: sent::queues(lang, &view.facts) },
    ];
    if view.unreadable.is_none() {
        res.push(Fragment { id: "came-and-went", markup: came_and_went(lang, view) });
        res.push(Fragment { id: "events", markup: events(lang, &view.marks) });
    }
    res
}

/// Returns every chart for the stream.
pub fn store_drawn(lang: Lang, view: &StorePageView) -> Vec<Drawn> {
    let addresses = addresses(view);
    charts(lang, view, &addresses).iter().map(|chart| chart.drawn(lang)).collect()
}

fn came_and_went(lang: Lang, view: &StorePageView) -> Markup {
    html! {
        div id="came-and-went" {
            (lost::lost(lang, view))
            (lost::arrived(lang, view))
        }
    }
}

fn of_kind(view: &StorePageView, kind: HistoryKind) -> Option<(&KindFacts, &Outlook)> {
    view.facts.kinds.iter().zip(&view.outlooks).find(|(facts, _)| facts.kind == kind)
}

/// What there is and what it costs, in a sentence.
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
                p.aside { (kept::reach(lang, lines, outlook)) }
            }
        }
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
        div id="trouble" {
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

fn writing(lang: Lang, facts: &StoreFacts) -> Markup {
    let count = |n: u64| format::count(lang, n);
    let of =
        |n: u64, most: u64| lang.trf("{used} of {whole}", &[("used", &count(n)), ("whole", &count(most))]);
    let share = |n: u64, most: u64| if most == 0 { 0.0 } else { n as f64 / most as f64 };
    html! {
        section id="writing" aria-labelledby="writing-title" {
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

/// Where the query of each chart is asked.
fn addresses(view: &StorePageView) -> Vec<String> {
    view.charts.iter().map(|chart| metrics_address(&chart.query, view.window)).collect()
}

fn charts<'a>(lang: Lang, view: &'a StorePageView, addresses: &'a [String]) -> Vec<Chart<'a>> {
    let all = view.charts.iter().zip(addresses);
    all.map(|(chart, address)| drawn(lang, view, chart, address)).collect()
}

fn drawn<'a>(lang: Lang, view: &'a StorePageView, chart: &'a StoreChart, query: &'a str) -> Chart<'a> {
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
    let lines = chart.lines.iter().enumerate().map(|(idx, (name, values))| Line {
        name: lost::series_name(lang, name),
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
        marks: &view.marks,
        behind: None,
        query: Some(query),
    }
}

/// Returns where the lines that a LogQL query selects are shown.
pub fn lines_address(query: &str) -> String {
    address("/admin/logs", &[("logql", query)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::admin::store_facts::{ExportFacts, LaneFacts, RingFacts, RingKind};

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
}
