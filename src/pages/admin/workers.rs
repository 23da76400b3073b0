//! The workers: who answers, how much each holds, what became of it, and what it can be told.

use std::time::Duration;

use maud::{Markup, html};

use super::chart::{Behind, Chart, Drawn, Line, Mark, events};
use super::format::{self, Unit};
use super::frame::{Fragment, Frame, stream_address};
use super::lang::Lang;
use super::panels::{bar, share};
use super::status::{StatusView, WorkerState, WorkerView};
use super::window::Window;
use crate::clock::UnixNanos;

/// Where the page is.
const PLACE: &str = "/admin/workers";

/// The page.
#[derive(Clone, Debug, Default)]
pub struct WorkersView {
    /// The workers as they are.
    pub status: StatusView,
    /// As they were; none when only the moment is asked for.
    pub history: Option<WorkersHistory>,
    /// Most workers.
    pub workers_max: usize,
}

/// All workers over a stretch of time, every list with one place a step.
#[derive(Clone, Debug, Default)]
pub struct WorkersHistory {
    /// The stretch of time.
    pub window: Window,
    /// The distance of two steps.
    pub step: Duration,
    /// The end of each step.
    pub at: Vec<UnixNanos>,
    /// Workers that took jobs all the time.
    pub ready: Vec<Option<f64>>,
    /// Jobs that all held, on average.
    pub in_flight: Vec<Option<f64>>,
    /// The most that one held.
    pub in_flight_max: Vec<Option<f64>>,
    /// What happened to the process.
    pub marks: Vec<Mark>,
    /// Why there are no numbers, when the store could not be read.
    pub unreadable: Option<String>,
}

/// Renders the page.
pub fn workers(frame: &Frame, view: &WorkersView) -> Markup {
    let lang = frame.lang;
    let window = view.history.as_ref().map(|history| history.window).unwrap_or_default();
    let charts = view.history.as_ref().map(|history| charts(lang, history)).unwrap_or_default();
    let content = html! {
        div data-stream=(stream_address("workers", window, &charts, &[])) {
            (table(lang, &view.status))
            section aria-labelledby="commands-title" {
                h2 id="commands-title" { (lang.tr("Change")) }
                p.note { (lang.tr("A command waits for requests in hand, at most 15 seconds, and this page then says how it ended. No request is lost.")) }
                (commands(lang, &frame.csrf, &view.status))
                (scale(frame, view))
            }
            @if let Some(history) = &view.history { (over_time(frame, history, &charts)) }
        }
    };
    frame.page(lang.tr("Workers"), &content)
}

/// Renders the parts of the page that change by themselves, the charts aside.
pub fn workers_fragments(lang: Lang, csrf: &str, view: &WorkersView) -> Vec<Fragment> {
    let mut res = vec![
        Fragment { id: "workers", markup: table(lang, &view.status) },
        Fragment { id: "worker-commands", markup: commands(lang, csrf, &view.status) },
    ];
    if let Some(history) = view.history.as_ref().filter(|history| history.unreadable.is_none()) {
        res.push(Fragment { id: "events", markup: events(lang, &history.marks) });
    }
    res
}

/// Returns every chart for the stream.
pub fn workers_drawn(lang: Lang, view: &WorkersView) -> Vec<Drawn> {
    let Some(history) = &view.history else { return Vec::new() };
    charts(lang, history).iter().map(|chart| chart.drawn(lang)).collect()
}

fn table(lang: Lang, status: &StatusView) -> Markup {
    html! {
        div.scroll id="workers" tabindex="0" role="region" aria-label=(lang.tr("Workers")) {
            @if status.workers.is_empty() {
                p.empty {
                    (lang.tr("No worker was started. The log says why, and this names what to change:")) " "
                    code { "vitrine check" }
                }
            } @else {
                table {
                    thead { tr {
                        th scope="col" { (lang.tr("No.")) }
                        th scope="col" { (lang.tr("State")) } th scope="col" { (lang.tr("Load")) }
                        th.num scope="col" { (lang.tr("Done")) } th.num scope="col" { (lang.tr("Panics")) }
                        th.num scope="col" { (lang.tr("Restarts")) }
                    } }
                    tbody { @for worker in &status.workers { (row(lang, worker)) } }
                }
            }
        }
    }
}

fn row(lang: Lang, worker: &WorkerView) -> Markup {
    let share = share(worker.in_flight, worker.in_flight_max);
    let load =
        lang.trf("{used} of {whole}", &[("used", &worker.in_flight), ("whole", &worker.in_flight_max)]);
    html! {
        tr {
            th scope="row" { (worker.id) }
            td { span.state.(worker.state.as_str()) { (worker.state.word(lang)) } }
            td.load { span { (bar(share, &load)) span { (load) } } }
            td.num { (format::count(lang, worker.done)) }
            td.num { (format::count(lang, worker.panics)) }
            td.num { (format::count(lang, worker.incarnation.saturating_sub(1))) }
        }
        @if let Some((at, text)) = &worker.last_panic {
            tr.after { td colspan="6" { (lang.tr("Last panic at")) " " (format::moment(*at)) ": " code { (text) } } }
        }
    }
}

/// What each worker can be told. A command that would be refused is explained, not offered.
fn commands(lang: Lang, csrf: &str, status: &StatusView) -> Markup {
    let n_taking = status.workers.iter().filter(|worker| !is_out(worker)).count();
    html! {
        ul.cards id="worker-commands" {
            @for worker in &status.workers {
                li {
                    p { b { (lang.trf("Worker {id}", &[("id", &worker.id)])) } " "
                        span.state.(worker.state.as_str()) { (worker.state.word(lang)) } }
                    div.asks {
                        @if is_out(worker) {
                            (enable(lang, csrf, worker))
                        } @else {
                            (drain(lang, csrf, worker, n_taking))
                            (restart(lang, csrf, worker))
                        }
                    }
                }
            }
        }
    }
}

/// Whether it was told to take no more jobs, or is not there yet.
fn is_out(worker: &WorkerView) -> bool {
    matches!(worker.state, WorkerState::Draining | WorkerState::Stopped)
}

fn drain(lang: Lang, csrf: &str, worker: &WorkerView, n_taking: usize) -> Markup {
    let id = worker.id;
    html! {
        details.ask id=(format!("drain-{id}")) {
            summary aria-label=(lang.trf("Drain worker {id}", &[("id", &id)])) { (lang.tr("Drain")) }
            @if n_taking > 1 {
                (command(csrf, worker, "drain", &lang.trf("Drain worker {id}", &[("id", &id)]), &html! {
                    p { (lang.tr("It takes no more requests and finishes those that it holds; the others take over.")) " "
                        (lang.tr("It stays so until it is enabled, or the process starts anew.")) }
                }))
            } @else {
                p.why { (lang.tr("It is the last one that takes requests, so it is not drained: the page would be gone. Add a worker first, or restart this one.")) }
            }
        }
    }
}

fn restart(lang: Lang, csrf: &str, worker: &WorkerView) -> Markup {
    let id = worker.id;
    html! {
        details.ask id=(format!("restart-{id}")) {
            summary aria-label=(lang.trf("Restart worker {id}", &[("id", &id)])) { (lang.tr("Restart")) }
            (command(csrf, worker, "restart", &lang.trf("Restart worker {id}", &[("id", &id)]), &html! {
                p { (lang.tr("A new one takes its number at once, and the old one finishes what it holds.")) }
            }))
        }
    }
}

fn enable(lang: Lang, csrf: &str, worker: &WorkerView) -> Markup {
    let id = worker.id;
    html! {
        details.ask id=(format!("enable-{id}")) {
            summary aria-label=(lang.trf("Enable worker {id}", &[("id", &id)])) { (lang.tr("Enable")) }
            (command(csrf, worker, "enable", &lang.trf("Enable worker {id}", &[("id", &id)]), &html! {
                p { (lang.tr("It takes requests again.")) }
            }))
        }
    }
}

fn command(csrf: &str, worker: &WorkerView, command: &str, button: &str, words: &Markup) -> Markup {
    html! {
        form method="post" action=(format!("/admin/api/v1/workers/{}/{command}", worker.id)) {
            input type="hidden" name="csrf" value=(csrf);
            input type="hidden" name="place" value=(PLACE);
            (words)
            button type="submit" { (button) }
        }
    }
}

fn scale(frame: &Frame, view: &WorkersView) -> Markup {
    let lang = frame.lang;
    html! {
        details.ask id="scale" {
            summary { (lang.tr("Another number of workers")) }
            form method="post" action="/admin/api/v1/workers" {
                (frame.csrf())
                input type="hidden" name="place" value=(PLACE);
                p { (lang.tr("So many until the next reload or restart, which brings back the setting")) " " code { "workers" } ". "
                    (lang.tr("Those that are too many finish what they hold first.")) }
                div.field {
                    label for="count" { (lang.tr("Workers")) }
                    input id="count" type="number" name="count" min="1" max=(view.workers_max)
                        value=(view.status.workers.len()) required;
                }
                button type="submit" { (lang.tr("Change the number")) }
            }
        }
    }
}

fn over_time(frame: &Frame, history: &WorkersHistory, charts: &[Chart<'_>]) -> Markup {
    let lang = frame.lang;
    html! {
        section aria-labelledby="charts-title" {
            h2.visually-hidden id="charts-title" { (lang.tr("Over time")) }
            (frame.ranges(history.window, &[]))
            @if let Some(fault) = &history.unreadable {
                p.banner.bad { (lang.tr("The numbers could not be read:")) " " (fault) }
            } @else {
                div.charts id="charts" { @for chart in charts { (chart.render(lang)) } }
                (events(lang, &history.marks))
            }
        }
    }
}

/// One worker, and one request: below that there is nothing to see.
const TOP_MIN: f64 = 1.0;

const LOGS: &str = "/admin/logs";

fn charts<'a>(lang: Lang, history: &'a WorkersHistory) -> Vec<Chart<'a>> {
    let chart = |id, title, lines| Chart {
        id,
        title,
        unit: Unit::Number,
        at: &history.at,
        step: history.step,
        lines,
        empty: lang.tr("No sample yet: the first one comes ten seconds after the start."),
        top_min: TOP_MIN,
        marks: &history.marks,
        behind: Some(Behind::Lines(LOGS)),
        query: None,
    };
    vec![
        chart(
            "ready",
            lang.tr("Workers that take requests"),
            vec![Line { name: lang.tr("ready"), class: "l5", values: &history.ready }],
        ),
        chart(
            "in-flight",
            lang.tr("Requests in hand"),
            vec![
                Line { name: lang.tr("all workers"), class: "l1", values: &history.in_flight },
                Line { name: lang.tr("most in one"), class: "l2", values: &history.in_flight_max },
            ],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(states: &[WorkerState]) -> WorkersView {
        let worker = |(id, state): (usize, &WorkerState)| WorkerView {
            id: id as u32,
            state: *state,
            incarnation: 1,
            in_flight_max: 64,
            ..WorkerView::default()
        };
        let workers = states.iter().enumerate().map(worker).collect();
        let status = StatusView { workers, ..StatusView::default() };
        WorkersView { status, history: Some(WorkersHistory::default()), workers_max: 256 }
    }

    fn render(view: &WorkersView) -> String {
        let frame = Frame { csrf: "csrf-token".into(), ..Frame::default() };
        workers(&frame, view).into_string()
    }

    #[test]
    fn each_worker_is_offered_what_can_be_done_with_it() {
        let page = render(&view(&[WorkerState::Ready, WorkerState::Draining, WorkerState::Ejected]));
        let offered =
            |id: u32, command: &str| page.contains(&format!("/admin/api/v1/workers/{id}/{command}\""));
        assert_eq!(["drain", "restart", "enable"].map(|command| offered(0, command)), [true, true, false]);
        assert_eq!(["drain", "restart", "enable"].map(|command| offered(1, command)), [false, false, true]);
        assert_eq!(["drain", "restart", "enable"].map(|command| offered(2, command)), [true, true, false]);
        let n_forms = page.matches("method=\"post\"").count();
        assert_eq!(page.matches("name=\"csrf\" value=\"csrf-token\"").count(), n_forms);
    }

    #[test]
    fn the_last_worker_is_not_offered_to_be_drained_and_that_is_explained() {
        let page = render(&view(&[WorkerState::Ready, WorkerState::Stopped]));
        assert!(!page.contains("/0/drain\""), "{page}");
        assert!(page.contains("It is the last one that takes requests") && page.contains("/0/restart\""));
    }

    #[test]
    fn every_opened_command_can_be_kept_open_over_a_tick() {
        let view = view(&[WorkerState::Ready, WorkerState::Ready]);
        let fragments = workers_fragments(Lang::En, "csrf-token", &view);
        let commands = fragments.iter().find(|fragment| fragment.id == "worker-commands").unwrap();
        let markup = commands.markup.clone().into_string();
        assert_eq!(
            markup.matches("<details").count(),
            markup.matches("<details class=\"ask\" id=\"").count()
        );
    }

    #[test]
    fn numbers_that_cannot_be_read_leave_the_rest_of_the_page() {
        let history =
            WorkersHistory { unreadable: Some("the disk is gone".into()), ..WorkersHistory::default() };
        let page = render(&WorkersView { history: Some(history), ..view(&[WorkerState::Ready]) });
        assert!(page.contains("the disk is gone") && page.contains("/0/restart\""), "{page}");
    }
}
