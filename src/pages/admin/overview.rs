//! The overview: is it up, is it fast, is anything wrong, how is the machine.
//!
//! It says in words before numbers and in numbers before charts how all is. The parts that
//! change are [`fragments`] with an id each, which the script swaps as they arrive, and the
//! numbers of the charts, which it draws.

use std::time::Duration;

use maud::{Markup, html};

use super::chart::{Behind, Chart, Drawn, Line, Mark, events};
use super::format::{self, Unit};
use super::frame::{Fragment, Frame, stream_address};
use super::lang::Lang;
use super::panels;
use super::status::StatusView;
use super::verdict;
use super::window::Window;
use crate::clock::UnixNanos;

/// The whole page.
#[derive(Clone, Debug, Default)]
pub struct OverviewView {
    /// State that is not in the store.
    pub status: StatusView,
    /// Requests.
    pub traffic: TrafficView,
    /// The machine and this process on it.
    pub machine: MachineView,
    /// What happened to the process.
    pub marks: Vec<Mark>,
    /// Charts by their names, with the addresses where about the same is asked for by a query.
    pub queries: Vec<(&'static str, String)>,
    /// Who is here.
    pub people: PeopleNow,
}

/// People who look at the CV; none where it was not counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct PeopleNow {
    /// In the last five minutes.
    pub now: Option<f64>,
    /// So far this day of UTC.
    pub today: Option<f64>,
}

/// The machine over the same time as the requests, every list with one place a step.
#[derive(Clone, Debug, Default)]
pub struct MachineView {
    /// Share of all processors that is busy.
    pub cpu: Vec<Option<f64>>,
    /// The same of this process.
    pub own_cpu: Vec<Option<f64>>,
    /// Memory in use, in bytes.
    pub memory: Vec<Option<f64>>,
    /// The same of this process.
    pub own_memory: Vec<Option<f64>>,
    /// Bytes a second that came in.
    pub received: Vec<Option<f64>>,
    /// Bytes a second that went out.
    pub sent: Vec<Option<f64>>,
    /// Bytes a second read from disks.
    pub read: Vec<Option<f64>>,
    /// Bytes a second written to disks.
    pub written: Vec<Option<f64>>,
    /// As it is now.
    pub now: MachineNow,
}

/// The newest numbers of the machine; none where nothing was sampled.
#[derive(Clone, Debug, Default)]
pub struct MachineNow {
    /// Share of all processors that is busy.
    pub cpu: Option<f64>,
    /// Processors.
    pub n_cpus: Option<f64>,
    /// Load over one minute.
    pub load: Option<f64>,
    /// Memory in use, in bytes.
    pub memory: Option<f64>,
    /// Memory that there is, in bytes.
    pub memory_max: Option<f64>,
    /// Memory of this process, in bytes.
    pub own_memory: Option<f64>,
    /// Share of all processors that this process takes.
    pub own_cpu: Option<f64>,
    /// Bytes a second that come in.
    pub received: Option<f64>,
    /// Bytes a second that go out.
    pub sent: Option<f64>,
    /// The file systems: where they are, bytes in use, bytes in all.
    pub disks: Vec<(String, f64, f64)>,
}

/// Requests in a stretch of time, every list with one place a step.
#[derive(Clone, Debug, Default)]
pub struct TrafficView {
    /// The stretch of time.
    pub window: Window,
    /// The distance of two steps.
    pub step: Duration,
    /// When recording began, if that is inside the window: the lists begin there, too.
    pub since: Option<UnixNanos>,
    /// The end of each step.
    pub at: Vec<UnixNanos>,
    /// Requests a second.
    pub rate: Vec<Option<f64>>,
    /// Server errors a second.
    pub errors: Vec<Option<f64>>,
    /// Median duration in seconds.
    pub p50: Vec<Option<f64>>,
    /// 95 of 100 requests were faster, in seconds.
    pub p95: Vec<Option<f64>>,
    /// 99 of 100 requests were faster, in seconds.
    pub p99: Vec<Option<f64>>,
    /// Requests a second over the last minute, whatever the window.
    pub rate_now: Option<f64>,
    /// The same over the whole window.
    pub total: Totals,
    /// Why there are no numbers, when the store could not be read.
    pub unreadable: Option<String>,
}

/// Numbers over a whole window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Requests answered.
    pub requests: f64,
    /// Of them with a status of 500 or more.
    pub errors: f64,
    /// Jobs of workers that panicked.
    pub panics: f64,
    /// Records that were lost: samples and lines refused by the store or by a full ring.
    pub dropped: f64,
    /// Quantiles of their durations in seconds; none without requests.
    pub p50: Option<f64>,
    /// As above.
    pub p95: Option<f64>,
    /// As above.
    pub p99: Option<f64>,
}

impl Totals {
    /// Returns the share of errors; none without requests.
    pub fn error_share(&self) -> Option<f64> {
        (self.requests > 0.0).then(|| self.errors / self.requests)
    }
}

/// Renders the page.
pub fn overview(frame: &Frame, view: &OverviewView) -> Markup {
    let lang = frame.lang;
    let window = view.traffic.window;
    let charts = charts(lang, view);
    let content = html! {
        div data-stream=[window.is_moving().then(|| stream_address("overview", window, &charts, &[]))] {
            @for part in parts(lang, view) { (part.markup) }
            section aria-labelledby="charts-title" {
                h2.visually-hidden id="charts-title" { (lang.tr("Over time")) }
                (frame.ranges(window, &[]))
                @if let Some(since) = view.traffic.since {
                    p.note {
                        (lang.tr("Recorded since")) " " (format::moment(since)) "; "
                        (lang.tr("there is nothing before it in this time."))
                    }
                }
                div.charts id="charts" { @for chart in &charts { (chart.render(lang)) } }
                (events(lang, &view.marks))
            }
        }
    };
    frame.page(lang.tr("Overview"), &content)
}

/// Renders the parts of the page that change by themselves, the charts aside.
pub fn fragments(lang: Lang, view: &OverviewView) -> Vec<Fragment> {
    let mut res = parts(lang, view);
    res.push(Fragment { id: "events", markup: events(lang, &view.marks) });
    res
}

/// The parts above the charts.
fn parts(lang: Lang, view: &OverviewView) -> Vec<Fragment> {
    let OverviewView { status, traffic, machine, people, .. } = view;
    vec![
        Fragment { id: "verdict", markup: verdict::verdict(lang, status, traffic) },
        Fragment { id: "banners", markup: panels::banners(lang, status, traffic) },
        Fragment { id: "tiles", markup: panels::tiles(lang, status, traffic, machine, *people) },
    ]
}

/// Returns every chart for the stream.
pub fn drawn(lang: Lang, view: &OverviewView) -> Vec<Drawn> {
    charts(lang, view).iter().map(|chart| chart.drawn(lang)).collect()
}

/// One event in ten seconds, the distance of two samples: a single one fills the axis.
const RATE_TOP_MIN: f64 = 0.1;

/// A processor that does a little is no mountain.
const CPU_TOP_MIN: f64 = 0.1;

/// Nor is a line of a log that is written.
const BYTES_TOP_MIN: f64 = 1024.0;

const LOGS: &str = "/admin/logs";
const FAILED: &str = "/admin/logs?level=error";

fn charts<'a>(lang: Lang, view: &'a OverviewView) -> Vec<Chart<'a>> {
    let OverviewView { traffic, machine, marks, queries, .. } = view;
    let waiting =
        lang.tr("Nothing was counted in this time. Open the CV once, then look here after ten seconds.");
    let unsampled = lang.tr("No sample yet: the first one comes ten seconds after the start.");
    let chart =
        |id: &'static str, title, unit, top_min, lines: Vec<(&'a str, &'static str, &'a [Option<f64>])>| {
            Chart {
                id,
                title,
                unit,
                at: &traffic.at,
                step: traffic.step,
                lines: lines.into_iter().map(|(name, class, values)| Line { name, class, values }).collect(),
                empty: unsampled,
                top_min,
                marks,
                behind: Some(Behind::Lines(LOGS)),
                query: queries.iter().find(|(chart, _)| *chart == id).map(|(_, place)| place.as_str()),
            }
        };
    let (requests, errors) = (lang.tr("requests"), lang.tr("errors"));
    let (machine_name, process) = (lang.tr("machine"), lang.tr("vitrine"));
    vec![
        Chart {
            empty: waiting,
            ..chart(
                "rate",
                lang.tr("Requests a second"),
                Unit::Number,
                RATE_TOP_MIN,
                vec![(requests, "l1", &traffic.rate)],
            )
        },
        Chart {
            empty: waiting,
            behind: Some(Behind::Lines(FAILED)),
            ..chart(
                "errors",
                lang.tr("Server errors a second"),
                Unit::Number,
                RATE_TOP_MIN,
                vec![(errors, "l4", &traffic.errors)],
            )
        },
        Chart {
            empty: waiting,
            ..chart(
                "latency",
                lang.tr("Time to answer"),
                Unit::Seconds,
                0.0,
                vec![("p50", "l1", &traffic.p50), ("p95", "l2", &traffic.p95), ("p99", "l3", &traffic.p99)],
            )
        },
        chart(
            "cpu",
            lang.tr("Processors busy"),
            Unit::Share,
            CPU_TOP_MIN,
            vec![(machine_name, "l5", &machine.cpu), (process, "l2", &machine.own_cpu)],
        ),
        chart(
            "memory",
            lang.tr("Memory in use"),
            Unit::Bytes,
            0.0,
            vec![(machine_name, "l5", &machine.memory), (process, "l2", &machine.own_memory)],
        ),
        chart(
            "network",
            lang.tr("Network"),
            Unit::BytesPerSecond,
            BYTES_TOP_MIN,
            vec![(lang.tr("in"), "l1", &machine.received), (lang.tr("out"), "l2", &machine.sent)],
        ),
        chart(
            "disk",
            lang.tr("Disks"),
            Unit::BytesPerSecond,
            BYTES_TOP_MIN,
            vec![(lang.tr("read"), "l1", &machine.read), (lang.tr("written"), "l2", &machine.written)],
        ),
    ]
}
