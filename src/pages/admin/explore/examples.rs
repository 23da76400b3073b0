//! What is worth asking.

use maud::{Markup, html};

use super::metrics_address;
use crate::pages::admin::lang::{Lang, text};
use crate::pages::admin::window::Window;

/// A query that is worth asking.
#[derive(Debug, PartialEq, Eq)]
pub struct Example {
    /// What it answers; to be shown in the viewer's language.
    pub title: &'static str,
    /// The query.
    pub query: &'static str,
    /// The metric without which it has no answer.
    pub needs: &'static str,
}

/// Queries that are worth asking of a store that has what they need.
#[rustfmt::skip]
pub const EXAMPLES: &[Example] = &[
    Example {
        title: text!("Requests a second, by route"),
        query: r#"sum by (http_route) (rate(http_server_request_duration_seconds_count{job="vitrine", http_route!~"/admin(/.*)?"}[5m]))"#,
        needs: "http_server_request_duration_seconds_count",
    },
    Example {
        title: text!("Time to answer by route: 95 of 100 requests are faster"),
        query: r#"histogram_quantile(0.95, sum by (le, http_route) (rate(http_server_request_duration_seconds_bucket{job="vitrine"}[5m])))"#,
        needs: "http_server_request_duration_seconds_bucket",
    },
    Example {
        title: text!("Share of requests that failed"),
        query: r#"sum(rate(http_server_request_duration_seconds_count{http_response_status_code=~"5.."}[5m])) / sum(rate(http_server_request_duration_seconds_count[5m]))"#,
        needs: "http_server_request_duration_seconds_count",
    },
    Example {
        title: text!("Visitors of the day"),
        query: "vitrine_visitors_today",
        needs: "vitrine_visitors_today",
    },
    Example {
        title: text!("Memory of this process"),
        query: r#"process_memory_usage_bytes{job="vitrine"}"#,
        needs: "process_memory_usage_bytes",
    },
    Example {
        title: text!("What the processors do, in processors"),
        query: r#"sum by (cpu_mode) (rate(system_cpu_time_seconds_total{cpu_mode!="idle"}[5m]))"#,
        needs: "system_cpu_time_seconds_total",
    },
    Example {
        title: text!("Free space on the disks"),
        query: r#"system_filesystem_usage_bytes{system_filesystem_state="free"}"#,
        needs: "system_filesystem_usage_bytes",
    },
    Example {
        title: text!("Requests in hand, by worker"),
        query: "max by (worker_id) (vitrine_worker_in_flight)",
        needs: "vitrine_worker_in_flight",
    },
    Example {
        title: text!("Records that were not kept, by reason"),
        query: "sum by (signal, reason) (increase(vitrine_store_dropped_total[1h])) > 0",
        needs: "vitrine_store_dropped_total",
    },
    Example {
        title: text!("How long queries take: 99 of 100 are faster"),
        query: "histogram_quantile(0.99, sum by (le, query_language) (rate(vitrine_query_duration_seconds_bucket[1h])))",
        needs: "vitrine_query_duration_seconds_bucket",
    },
    Example {
        title: text!("Metrics with most series"),
        query: r#"topk(10, count by (__name__) ({__name__=~".+"}))"#,
        needs: "",
    },
];

pub fn nothing(lang: Lang, window: Window, examples: &[&Example]) -> Markup {
    html! {
        section aria-labelledby="examples-title" {
            h2 id="examples-title" { (lang.tr("Worth asking")) }
            @if examples.is_empty() {
                p.empty {
                    (lang.tr("Nothing is stored yet: the first samples come ten seconds after the start. Look here again then."))
                }
            } @else {
                ul.examples {
                    @for example in examples {
                        li {
                            a href=(metrics_address(example.query, window)) { (lang.tr(example.title)) }
                            code { (example.query) }
                        }
                    }
                }
            }
        }
    }
}
