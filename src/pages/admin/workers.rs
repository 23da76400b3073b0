//! The workers: who answers, how much each holds, and what became of it.

use maud::{Markup, html};

use super::format;
use super::frame::Frame;
use super::lang::Lang;
use super::overview::Fragment;
use super::panels::{bar, share};
use super::status::{StatusView, WorkerView};

/// Renders the page.
pub fn workers(frame: &Frame, status: &StatusView) -> Markup {
    let lang = frame.lang;
    let content = html! {
        div data-stream="/admin/events?page=workers" {
            (table(lang, status))
        }
    };
    frame.page(lang.tr("Workers"), &content)
}

/// Renders the part of the page that changes by itself.
pub fn workers_fragments(lang: Lang, status: &StatusView) -> Vec<Fragment> {
    vec![Fragment { id: "workers", markup: table(lang, status) }]
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
            tr.after { td colspan="6" { (lang.tr("Last panic at")) " " (format::time(*at)) ": " code { (text) } } }
        }
    }
}
