//! Banners and tiles of the overview.

use maud::{Markup, html};

use super::format::{self, Unit};
use super::lang::Lang;
use super::overview::{MachineView, PeopleNow, TrafficView};
use super::status::{ProblemView, StatusView, StoreView, WorkerState};

/// More problems than this are counted, not listed: the page stays a page.
const PROBLEMS_SHOWN_MAX: usize = 20;

/// Says what needs someone: the CV's problems, the last reload, an unreadable store.
pub(super) fn banners(lang: Lang, status: &StatusView, traffic: &TrafficView) -> Markup {
    html! {
        div id="banners" {
            @if let Some(cause) = &traffic.unreadable {
                p.banner.bad role="alert" { (lang.tr("The stored numbers cannot be read:")) " " (cause) }
            }
            (trouble(lang, status))
            @for export in status.export.iter().filter(|export| export.last_error.is_some()) {
                p.banner.warn {
                    b { (lang.trf("Export of {signal} fails.", &[("signal", &export.signal)])) " " }
                    (export.last_error.as_deref().unwrap_or_default())
                    " " (lang.tr("Nothing is lost here; the copy elsewhere has a gap."))
                }
            }
        }
    }
}

/// One box for the CV and the last reload: a broken file is behind both.
fn trouble(lang: Lang, status: &StatusView) -> Markup {
    let refused = status.reload.as_ref().and_then(|reload| Some((reload.at, reload.outcome.as_ref().err()?)));
    if !status.is_cv_stale && refused.is_none() && status.problems.is_empty() {
        return html! {};
    }
    let n_errors = status.problems.iter().filter(|problem| problem.is_error).count();
    let is_bad = status.is_cv_stale || refused.is_some() || n_errors > 0;
    html! {
        details.banner.(if is_bad { "bad" } else { "warn" }) id="problems" open[is_bad] {
            summary { b role=[is_bad.then_some("alert")] { (heading(lang, status)) } }
            @if let Some((at, text)) = refused {
                @let reasons = unlisted(text, &status.problems);
                p {
                    (lang.tr("Refused, and all stays as it was: the reload at")) " " (format::moment(at)) "."
                }
                @if !reasons.is_empty() { pre { (reasons.join("\n")) } }
            }
            @if status.is_cv_stale { p { (lang.tr("Correct the file and press Reload.")) } }
            (problems(lang, &status.problems))
            @if !status.problems.is_empty() {
                p { a href="/admin/cv" { (lang.tr("To the files of the CV")) } }
            }
        }
    }
}

fn heading(lang: Lang, status: &StatusView) -> String {
    match status.problems.len() {
        _ if status.is_cv_stale => {
            lang.tr("The CV on disk is broken; visitors see the last good one").to_string()
        }
        0 => lang.tr("The last reload was refused").to_string(),
        n => lang.trf("Problems in the CV: {number}", &[("number", &n)]),
    }
}

/// Returns the lines of a refusal that the list of problems does not show anyway.
fn unlisted<'a>(refusal: &'a str, problems: &[ProblemView]) -> Vec<&'a str> {
    let is_listed = |line: &&str| problems.iter().any(|problem| line.contains(problem.message.trim()));
    refusal.lines().filter(|line| !is_listed(line)).collect()
}

fn problems(lang: Lang, problems: &[ProblemView]) -> Markup {
    html! {
        @if !problems.is_empty() {
            ul { @for problem in problems.iter().take(PROBLEMS_SHOWN_MAX) { (item(lang, problem)) } }
        }
        @if problems.len() > PROBLEMS_SHOWN_MAX {
            @let n_more = (problems.len() - PROBLEMS_SHOWN_MAX) as u64;
            p { (lang.trn(n_more, "and {n} more, which this lists:", "and {n} more, which this lists:")) " "
                code { "vitrine check" } }
        }
    }
}

fn item(lang: Lang, problem: &ProblemView) -> Markup {
    let (class, word) =
        if problem.is_error { ("error", lang.tr("error")) } else { ("warn", lang.tr("warning")) };
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
pub(super) fn tiles(
    lang: Lang,
    status: &StatusView,
    traffic: &TrafficView,
    machine: &MachineView,
    people: PeopleNow,
) -> Markup {
    html! {
        div.tile-groups id="tiles" {
            (people_tiles(lang, people))
            (requests_tiles(lang, traffic))
            (machine_tiles(lang, machine))
            (own_tiles(lang, status))
        }
    }
}

fn or_none(lang: Lang, value: Option<f64>, write: fn(Lang, f64) -> String) -> String {
    value.map_or(format::NONE.into(), |value| write(lang, value))
}

fn people_tiles(lang: Lang, people: PeopleNow) -> Markup {
    let tile = |name: &str, value: Option<f64>, aside: &str| {
        tile(name, &or_none(lang, value, format::number), aside)
    };
    html! {
        section.tile-group aria-labelledby="people-title" {
            h2 id="people-title" { a href="/admin/visitors" { (lang.tr("Visitors")) } }
            dl.tiles {
                (tile(lang.tr("Here now"), people.now, lang.tr("in the last 5 minutes")))
                (tile(lang.tr("Today"), people.today, lang.tr("since midnight, UTC")))
            }
        }
    }
}

fn requests_tiles(lang: Lang, traffic: &TrafficView) -> Markup {
    let (total, when) = (&traffic.total, traffic.window.words(lang));
    let [n_requests, n_errors] =
        [total.requests, total.errors].map(|n| format::count(lang, n.round() as u64));
    let failed = lang.trf("{number} {when}", &[("number", &n_errors), ("when", &when)]);
    html! {
        section.tile-group aria-labelledby="requests-title" {
            h2 id="requests-title" { (lang.tr("Requests")) }
            dl.tiles {
                (tile(lang.tr("A second, now"), &or_none(lang, traffic.rate_now, format::number), lang.tr("over the last minute")))
                (tile(lang.tr("Answered"), &n_requests, when))
                (tile(lang.tr("Errors"), &or_none(lang, total.error_share(), format::percent), &failed))
                (tile("p50", &or_none(lang, total.p50, format::seconds), when))
                (tile("p95", &or_none(lang, total.p95, format::seconds), when))
                (tile("p99", &or_none(lang, total.p99, format::seconds), when))
            }
        }
    }
}

fn machine_tiles(lang: Lang, machine: &MachineView) -> Markup {
    let now = &machine.now;
    let busy = now.cpu.zip(now.n_cpus).map(|(cpu, n_cpus)| {
        let busy = format::number(lang, cpu * n_cpus);
        let n_cpus = lang.trnf(
            n_cpus.round() as u64,
            "{busy} of {n} processor",
            "{busy} of {n} processors",
            &[("busy", &busy)],
        );
        let load = or_none(lang, now.load, format::number);
        lang.trf("{processors}, load {load}", &[("processors", &n_cpus), ("load", &load)])
    });
    let memory = now.memory.zip(now.memory_max);
    let sent =
        now.sent.map(|sent| lang.trf("in; {sent} out", &[("sent", &Unit::BytesPerSecond.write(lang, sent))]));
    let own_cpu = now
        .own_cpu
        .map(|share| lang.trf("{share} of the processors", &[("share", &format::percent(lang, share))]));
    let words = |text: Option<String>| text.unwrap_or_else(|| lang.tr("not sampled yet").to_string());
    html! {
        section.tile-group aria-labelledby="machine-title" {
            h2 id="machine-title" { (lang.tr("Machine")) }
            dl.tiles {
                (tile(lang.tr("Processors busy"), &or_none(lang, now.cpu, format::percent), &words(busy)))
                (share_tile(lang, lang.tr("Memory"), memory))
                @for (place, used, whole) in &now.disks {
                    (share_tile(lang, &lang.trf("Disk {place}", &[("place", place)]), Some((*used, *whole))))
                }
                (tile(lang.tr("Network"), &or_none(lang, now.received, |lang, value| Unit::BytesPerSecond.write(lang, value)), &words(sent)))
                (tile(lang.tr("Memory of vitrine"), &or_none(lang, now.own_memory, format::bytes), &words(own_cpu)))
            }
        }
    }
}

fn own_tiles(lang: Lang, status: &StatusView) -> Markup {
    let n_ready = status.workers.iter().filter(|worker| worker.state == WorkerState::Ready).count();
    let n_workers = status.workers.len();
    let n_jobs: u64 = status.workers.iter().map(|worker| worker.in_flight).sum();
    let jobs = lang.trn(n_jobs, "{n} request in hand", "{n} requests in hand");
    let up = lang.trf("up for {lasting}", &[("lasting", &format::lasting(lang, status.uptime))]);
    html! {
        section.tile-group aria-labelledby="own-title" {
            h2 id="own-title" { "vitrine" }
            dl.tiles {
                (tile(lang.tr("Workers ready"), &format!("{n_ready} / {n_workers}"), &jobs))
                (tile(lang.tr("Release"), status.release.as_deref().unwrap_or(&status.version), &up))
                (reload_tile(lang, status))
                @for store in &status.store { (store_tile(lang, store)) }
            }
        }
    }
}

fn reload_tile(lang: Lang, status: &StatusView) -> Markup {
    html! {
        div {
            dt { (lang.tr("Last reload")) }
            @match &status.reload {
                None => {
                    dd.value { (format::NONE) }
                    dd.aside { (lang.tr("none since the start")) }
                }
                Some(reload) => {
                    dd.value { (format::time(reload.at)) }
                    dd.aside {
                        (format::date(reload.at)) ", "
                        @if reload.outcome.is_ok() { (lang.tr("applied")) } @else { (lang.tr("refused")) }
                    }
                }
            }
        }
    }
}

pub(super) fn tile(name: &str, value: &str, aside: &str) -> Markup {
    html! { div { dt { (name) } dd.value { (value) } dd.aside { (aside) } } }
}

/// A part of something that ends: the share large, the amounts beside it.
fn share_tile(lang: Lang, name: &str, amount: Option<(f64, f64)>) -> Markup {
    let Some((used, whole)) = amount.filter(|(_, whole)| *whole > 0.0) else {
        return tile(name, format::NONE, lang.tr("not sampled yet"));
    };
    let share = used / whole;
    let of = of(lang, used, whole);
    html! {
        div {
            dt { (name) }
            dd.value { (format::percent(lang, share)) }
            dd.aside { (bar(share, &of)) (of) }
        }
    }
}

fn of(lang: Lang, used: f64, whole: f64) -> String {
    let (used, whole) = (format::bytes(lang, used), format::bytes(lang, whole));
    lang.trf("{used} of {whole}", &[("used", &used), ("whole", &whole)])
}

fn store_tile(lang: Lang, store: &StoreView) -> Markup {
    let is_wal = store.signal == StoreView::WAL;
    // Open chunks live in the write-ahead log: nothing on disk is not nothing recorded.
    let is_unsealed = !is_wal && store.size_bytes == 0 && store.active > 0;
    let value =
        if is_unsealed { format::NONE.to_string() } else { format::bytes(lang, store.size_bytes as f64) };
    html! {
        div {
            dt { (store_name(lang, &store.signal)) }
            dd.value { (value) }
            dd.aside {
                @if is_wal { (lang.tr("not yet sealed")) }
                @else if is_unsealed { (lang.tr("in the write-ahead log")) }
                @else { (fullness(lang, store)) }
                @if store.dropped > 0 {
                    ", " (lang.trn(store.dropped, "{n} dropped", "{n} dropped"))
                }
            }
        }
    }
}

fn store_name(lang: Lang, signal: &str) -> String {
    match signal {
        StoreView::WAL => lang.tr("Write-ahead log").to_string(),
        "metrics" => lang.tr("Stored metrics").to_string(),
        "logs" => lang.tr("Stored logs").to_string(),
        other => lang.trf("Stored {signal}", &[("signal", &other)]),
    }
}

fn fullness(lang: Lang, store: &StoreView) -> Markup {
    let share = share(store.size_bytes, store.size_max_bytes);
    let whole = format::bytes(lang, store.size_max_bytes as f64);
    let of = lang.trf("{share} of {whole}", &[("share", &format::percent(lang, share)), ("whole", &whole)]);
    html! { @if store.size_max_bytes > 0 { (bar(share, &of)) (of) } }
}

/// Draws a share of one as a bar; the words beside it say the same.
pub(super) fn bar(share: f64, words: &str) -> Markup {
    let width = format!("{:.1}", share.clamp(0.0, 1.0) * 100.0);
    html! {
        svg.bar.(if share > 0.9 { "full" } else { "free" }) viewBox="0 0 100 6" preserveAspectRatio="none"
            role="img" aria-label=(words) {
            rect.track width="100" height="6" rx="2" {}
            rect.fill width=(width) height="6" rx="2" {}
        }
    }
}

pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
