//! Banners, tiles and the worker table.

use maud::{Markup, html};

use super::format;
use super::view::{ProblemView, StatusView, StoreView, TrafficView, WorkerView};

/// More problems than this are counted, not listed: the page stays a page.
const PROBLEMS_SHOWN_MAX: usize = 20;

/// Says what needs someone: the CV's problems, the last reload, an unreadable store.
pub(super) fn banners(status: &StatusView, traffic: &TrafficView) -> Markup {
    html! {
        div id="banners" {
            @if let Some(cause) = &traffic.unreadable {
                p.banner.bad role="alert" { "The stored numbers cannot be read: " (cause) }
            }
            (trouble(status))
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

/// One box for the CV and the last reload: a broken file is behind both.
fn trouble(status: &StatusView) -> Markup {
    let refused = status.reload.as_ref().and_then(|reload| Some((reload.at, reload.outcome.as_ref().err()?)));
    if !status.is_cv_stale && refused.is_none() && status.problems.is_empty() {
        return html! {};
    }
    let n_errors = status.problems.iter().filter(|problem| problem.is_error).count();
    let is_bad = status.is_cv_stale || refused.is_some() || n_errors > 0;
    html! {
        details.banner.(if is_bad { "bad" } else { "warn" }) id="problems" open[is_bad] {
            summary { b role=[is_bad.then_some("alert")] { (heading(status)) } }
            @if let Some((at, text)) = refused {
                @let reasons = unlisted(text, &status.problems);
                p { "The reload at " (format::time(at)) " was refused; all stays as it was." }
                @if !reasons.is_empty() { pre { (reasons.join("\n")) } }
            }
            @if status.is_cv_stale { p { "Correct the file and press Reload." } }
            (problems(&status.problems))
        }
    }
}

fn heading(status: &StatusView) -> String {
    match status.problems.len() {
        _ if status.is_cv_stale => "The CV on disk is broken; visitors see the last good one".to_string(),
        0 => "The last reload was refused".to_string(),
        n => format!("Problems in the CV: {n}"),
    }
}

/// Returns the lines of a refusal that the list of problems does not show anyway.
fn unlisted<'a>(refusal: &'a str, problems: &[ProblemView]) -> Vec<&'a str> {
    let is_listed = |line: &&str| problems.iter().any(|problem| line.contains(problem.message.trim()));
    refusal.lines().filter(|line| !is_listed(line)).collect()
}

fn problems(problems: &[ProblemView]) -> Markup {
    html! {
        @if !problems.is_empty() {
            ul { @for problem in problems.iter().take(PROBLEMS_SHOWN_MAX) { (item(problem)) } }
        }
        @if problems.len() > PROBLEMS_SHOWN_MAX {
            p { "and " (problems.len() - PROBLEMS_SHOWN_MAX) " more: run " code { "vitrine check" } "." }
        }
    }
}

fn item(problem: &ProblemView) -> Markup {
    let (class, word) = if problem.is_error { ("error", "error") } else { ("warn", "warning") };
    html! {
        li {
            span.level.(class) { (word) } " "
            @if !problem.place.is_empty() { code { (problem.place) } " " }
            span.text { (problem.message) }
            @if !problem.hint.is_empty() { p.hint { (problem.hint) } }
        }
    }
}

/// The numbers that matter, large; each says the time that it speaks of.
pub(super) fn tiles(status: &StatusView, traffic: &TrafficView) -> Markup {
    let total = &traffic.total;
    let words = traffic.range.words();
    let or_none = |value: Option<f64>, write: fn(f64) -> String| value.map_or(format::NONE.into(), write);
    let [n_requests, n_errors] = [total.requests, total.errors].map(|n| format::count(n.round() as u64));
    let in_range = format!("in the last {words}");
    let memory_now = traffic.memory.iter().rev().flatten().next().copied();
    let memory_most = or_none(highest(&traffic.memory), format::bytes);
    html! {
        dl.tiles id="tiles" {
            (tile("Requests/s now", &or_none(traffic.rate_now, format::number), "over the last minute"))
            (tile("Requests", &n_requests, &in_range))
            (tile("Errors", &or_none(total.error_share(), format::percent),
                &format!("{n_errors} {in_range}")))
            (tile("Median", &or_none(total.p50, format::seconds), &in_range))
            (tile("95\u{a0}% within", &or_none(total.p95, format::seconds), &in_range))
            (tile("99\u{a0}% within", &or_none(total.p99, format::seconds), &in_range))
            (tile("Memory now", &or_none(memory_now, format::bytes), &format!("{memory_most} at most, last {words}")))
            @for store in &status.store { (store_tile(store)) }
        }
    }
}

fn tile(name: &str, value: &str, aside: &str) -> Markup {
    html! { div { dt { (name) } dd.value { (value) } dd.aside { (aside) } } }
}

fn store_tile(store: &StoreView) -> Markup {
    let is_wal = store.signal == StoreView::WAL;
    // Open chunks live in the write-ahead log: nothing on disk is not nothing recorded.
    let is_unsealed = !is_wal && store.size_bytes == 0 && store.active > 0;
    let value = if is_unsealed { format::NONE.to_string() } else { format::bytes(store.size_bytes as f64) };
    html! {
        div {
            dt { @if is_wal { "Write-ahead log" } @else { "Stored " (store.signal) } }
            dd.value { (value) }
            dd.aside {
                @if is_wal { "not yet sealed" }
                @else if is_unsealed { "in the write-ahead log" }
                @else { (fullness(store)) }
                @if store.dropped > 0 { ", " (format::count(store.dropped)) " dropped" }
            }
        }
    }
}

fn fullness(store: &StoreView) -> Markup {
    let share = share(store.size_bytes, store.size_max_bytes);
    let of = format!("{} of {}", format::percent(share), format::bytes(store.size_max_bytes as f64));
    html! { @if store.size_max_bytes > 0 { (bar(share, &of)) (of) } }
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
                        th scope="col" { "State" } th scope="col" { "Load" }
                        th.num scope="col" { "Done" } th.num scope="col" { "Panics" }
                        th.num scope="col" { "Restarts" }
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
            td { span.state.(worker.state.as_str()) { (worker.state.as_str()) } }
            td.load { span { (bar(share, &load)) span { (load) } } }
            td.num { (format::count(worker.done)) }
            td.num { (format::count(worker.panics)) }
            td.num { (format::count(worker.incarnation.saturating_sub(1))) }
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
