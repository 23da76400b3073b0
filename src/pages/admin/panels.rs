//! Banners, tiles and the worker table.

use maud::{Markup, html};

use super::format;
use super::view::{ProblemView, ReloadView, StatusView, StoreView, TrafficView, WorkerView};

/// More problems than this are counted, not listed: the page stays a page.
const PROBLEMS_SHOWN_MAX: usize = 20;

/// Says what needs someone: the CV's problems, the last reload, an unreadable store.
pub(super) fn banners(status: &StatusView, traffic: &TrafficView) -> Markup {
    html! {
        div id="banners" {
            @if let Some(cause) = &traffic.unreadable {
                p.banner.bad role="alert" { "The stored numbers cannot be read: " (cause) }
            }
            @if status.is_cv_stale {
                p.banner.bad role="alert" {
                    b { "The CV on disk is broken; visitors see the last good one. " }
                    "Correct the file and press Reload."
                }
            }
            (reload(status))
            (problems(&status.problems))
            @for export in status.export.iter().filter(|export| export.last_error.is_some()) {
                p.banner.warn {
                    b { "Export of " (export.signal) " fails. " }
                    (export.last_error.as_deref().unwrap_or_default())
                    " Nothing is lost here; the copy elsewhere has a gap."
                }
            }
        }
    }
}

fn reload(status: &StatusView) -> Markup {
    // One that was applied needs nobody; it is said quietly beside the version.
    let Some(ReloadView { at, outcome: Err(text) }) = &status.reload else { return html! {} };
    html! {
        div.banner.bad role="alert" {
            p { b { "The reload at " (format::time(*at)) " was refused; all stays as it was." } }
            pre { (text) }
        }
    }
}

fn problems(problems: &[ProblemView]) -> Markup {
    if problems.is_empty() {
        return html! {};
    }
    let n_errors = problems.iter().filter(|problem| problem.is_error).count();
    let class = if n_errors > 0 { "bad" } else { "warn" };
    html! {
        details.banner.(class) id="problems" open[n_errors > 0] {
            summary { b { "Problems in the CV: " (problems.len()) } }
            ul {
                @for problem in problems.iter().take(PROBLEMS_SHOWN_MAX) {
                    li {
                        span.level.(if problem.is_error { "error" } else { "warn" }) {
                            (if problem.is_error { "error" } else { "warning" })
                        }
                        " "
                        @if !problem.place.is_empty() { code { (problem.place) } " " }
                        span.text { (problem.message) }
                        @if !problem.hint.is_empty() { p.hint { (problem.hint) } }
                    }
                }
            }
            @if problems.len() > PROBLEMS_SHOWN_MAX {
                p { "and " (problems.len() - PROBLEMS_SHOWN_MAX) " more: run " code { "vitrine check" } "." }
            }
        }
    }
}

/// The numbers that matter, large.
pub(super) fn tiles(status: &StatusView, traffic: &TrafficView) -> Markup {
    let total = &traffic.total;
    let words = traffic.range.words();
    let now = |values: &[Option<f64>]| values.iter().rev().flatten().next().copied();
    let or_none = |value: Option<f64>, write: fn(f64) -> String| value.map_or(format::NONE.into(), write);
    html! {
        dl.tiles id="tiles" {
            (tile("Requests/s", &or_none(now(&traffic.rate), format::number),
                &format!("{} in the last {words}", format::count(total.requests.round() as u64))))
            (tile("Errors", &or_none(total.error_share(), format::percent),
                &format!("{} of {}", format::count(total.errors.round() as u64), format::count(total.requests.round() as u64))))
            (tile("Half within", &or_none(total.p50, format::seconds), "p50"))
            (tile("95 % within", &or_none(total.p95, format::seconds), "p95"))
            (tile("99 % within", &or_none(total.p99, format::seconds), "p99"))
            (tile("Memory", &or_none(now(&traffic.memory), format::bytes),
                &format!("at most {}", or_none(highest(&traffic.memory), format::bytes))))
            @for store in &status.store { (store_tile(store)) }
        }
    }
}

fn tile(name: &str, value: &str, aside: &str) -> Markup {
    html! { div { dt { (name) } dd.value { (value) } dd.aside { (aside) } } }
}

fn store_tile(store: &StoreView) -> Markup {
    let share = share(store.size_bytes, store.size_max_bytes);
    let of = format!("{} of {}", format::percent(share), format::bytes(store.size_max_bytes as f64));
    html! {
        div {
            dt { "Stored " (store.signal) }
            dd.value { (format::bytes(store.size_bytes as f64)) }
            dd.aside {
                (bar(share, &of)) (of)
                @if store.dropped > 0 { ", " (format::count(store.dropped)) " dropped" }
            }
        }
    }
}

/// Draws a share of one as a bar; the words beside it say the same.
fn bar(share: f64, words: &str) -> Markup {
    let width = format!("{:.1}", share.clamp(0.0, 1.0) * 100.0);
    html! {
        svg.bar.(if share > 0.9 { "full" } else { "free" }) viewBox="0 0 100 6" preserveAspectRatio="none"
            role="img" aria-label=(words) {
            rect.track width="100" height="6" rx="2" {}
            rect.fill width=(width) height="6" rx="2" {}
        }
    }
}

/// The worker table.
pub(super) fn workers(status: &StatusView) -> Markup {
    html! {
        div.scroll id="workers" tabindex="0" role="region" aria-labelledby="workers-title" {
            @if status.workers.is_empty() {
                p.empty { "No worker was started. The log below says why; `vitrine check` names what to change." }
            } @else {
                table {
                    thead { tr {
                        th scope="col" { "No." }
                        th scope="col" { abbr title="Rises by one when the number is filled again" { "Run" } }
                        th scope="col" { "State" } th scope="col" { "Load" }
                        th.num scope="col" { "Done" } th.num scope="col" { "Panics" }
                    } }
                    tbody { @for worker in &status.workers { (worker_row(worker)) } }
                }
            }
        }
    }
}

fn worker_row(worker: &WorkerView) -> Markup {
    let share = share(worker.in_flight, worker.in_flight_max);
    let load = format!("{} of {}", worker.in_flight, worker.in_flight_max);
    html! {
        tr {
            th scope="row" { (worker.id) }
            td { (format::count(worker.incarnation)) }
            td { span.state.(worker.state.as_str()) { (worker.state.as_str()) } }
            td.load { (bar(share, &load)) (load) }
            td.num { (format::count(worker.done)) }
            td.num { (format::count(worker.panics)) }
        }
        @if let Some((at, text)) = &worker.last_panic {
            tr.after { td colspan="6" { "Last panic at " (format::time(*at)) ": " code { (text) } } }
        }
    }
}

fn highest(values: &[Option<f64>]) -> Option<f64> {
    values.iter().flatten().copied().reduce(f64::max)
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
