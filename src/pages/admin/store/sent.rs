//! What is sent elsewhere, and the queues and lanes on the way.

use maud::{Markup, html};

use crate::pages::admin::format;
use crate::pages::admin::lang::Lang;
use crate::pages::admin::panels::bar;
use crate::pages::admin::store_facts::{ExportFacts, LaneFacts, RingFacts, RingKind, StoreFacts};

/// Renders the state of the export of each signal.
pub fn exports(lang: Lang, exports: &[ExportFacts]) -> Markup {
    let title = lang.tr("Sent elsewhere");
    let sent: Vec<&ExportFacts> = exports.iter().filter(|export| export.endpoint.is_some()).collect();
    html! {
        section id="exports" {
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

/// Renders how full the queues and lanes are.
pub fn queues(lang: Lang, facts: &StoreFacts) -> Markup {
    let title = lang.tr("Queues and lanes");
    html! {
        section id="queues" aria-labelledby="queues-title" {
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
