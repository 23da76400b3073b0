//! What was dropped, and what came from other programs.

use maud::{Markup, html};

use super::StorePageView;
use crate::pages::admin::format;
use crate::pages::admin::lang::Lang;

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

/// Renders what was not kept in the window, and why.
pub fn lost(lang: Lang, view: &StorePageView) -> Markup {
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

/// Renders what came from other programs in the window.
pub fn arrived(lang: Lang, view: &StorePageView) -> Markup {
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

/// Returns what a signal of the metrics is called.
pub fn series_name(lang: Lang, signal: &str) -> &str {
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

#[cfg(test)]
mod tests {
    use super::*;

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
