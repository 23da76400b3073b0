//! What PromQL takes: a day of 2,000 series, the same samples in vitrine and, where they are
//! installed, in Prometheus and VictoriaMetrics, the same questions to each in turn.
//!
//! Defends "24 h range queries over 2,000 series at 15 s: ≤ Prometheus's time on the same data"
//! and the memory of a query. Each question is asked of one after the other and then again, so
//! that whatever else the machine does meets all alike; the figures are the middle times of whole
//! HTTP answers. Ends with 1 when a budget is missed.
//!
//! `PROMETHEUS_BIN` and `VICTORIA_METRICS_BIN` name the programs, else `PATH` is searched.

#![allow(clippy::unwrap_used)]

#[path = "query/feed.rs"]
mod feed;
#[path = "query/peer.rs"]
mod peer;
#[path = "server/process.rs"]
mod process;
#[path = "store/random.rs"]
#[allow(dead_code, reason = "it is shared with another benchmark")]
mod random;
#[path = "store/scratch.rs"]
mod scratch;
#[path = "store/search.rs"]
mod search;
#[path = "store/table.rs"]
#[allow(dead_code, reason = "it is shared with other benchmarks")]
mod table;
#[path = "query/vitrine.rs"]
mod vitrine;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use peer::Peer;
use table::{Row, Section};

/// Times each question is asked of each, the first aside.
const ROUNDS: usize = 7;

/// Proportional set size at any moment, by DESIGN.md.
const MEMORY_MAX_BYTES: u64 = 96_000_000;

/// A question: what it is called, its text, and its step; none asks at one moment.
struct Question {
    what: &'static str,
    query: &'static str,
    step_s: Option<u64>,
    /// Its time is to be no longer than Prometheus's.
    has_budget: bool,
}

const QUESTIONS: [Question; 6] = [
    Question {
        what: "sum by, 2,000 series, a day",
        query: r#"sum by (shard) ({job="bench"})"#,
        step_s: Some(60),
        has_budget: true,
    },
    Question {
        what: "rate of 200 series, a day",
        query: "rate(events_total_0[5m])",
        step_s: Some(60),
        has_budget: true,
    },
    Question {
        what: "p99 of 400 buckets, a day",
        query: "histogram_quantile(0.99, sum by (le) (rate(seconds_bucket[5m])))",
        step_s: Some(60),
        has_budget: true,
    },
    Question {
        what: "aggregate 1.1 M samples",
        query: "sum(sum_over_time(events_total_0[1d]))",
        step_s: None,
        has_budget: false,
    },
    Question { what: "topk of 10,000 series", query: "topk(10, many)", step_s: None, has_budget: false },
    Question {
        what: "parse",
        query: r#"sum by (a, b) (rate(none{c="d", e=~"f|g", h!="i"}[5m] offset 1h)) / on (a) group_left () vector(0) > bool 1"#,
        step_s: None,
        has_budget: false,
    },
];

fn main() -> ExitCode {
    let dir = scratch::folder();
    let series = feed::Feed::new(1);
    let peers: Vec<Peer> = [
        Some(Peer::vitrine(&dir.path().join("vitrine"))),
        Peer::prometheus(&dir.path().join("prometheus")),
        Peer::victoria_metrics(&dir.path().join("victoria-metrics")),
    ]
    .into_iter()
    .flatten()
    .collect();
    for body in series.requests() {
        peers.iter().for_each(|peer| peer.write(&body));
    }
    let mut section = Section::new("PromQL, whole answers over HTTP");
    let mut n_missed = 0;
    for question in &QUESTIONS {
        let path = series.path(question.query, question.step_s);
        let cold: Vec<Duration> = peers.iter().map(|peer| time_of(peer, &path)).collect();
        let mut warm: Vec<Vec<Duration>> = vec![Vec::new(); peers.len()];
        for _ in 0..ROUNDS {
            for (peer, times) in peers.iter().zip(&mut warm) {
                times.push(time_of(peer, &path));
            }
        }
        let warm: Vec<Duration> = warm.into_iter().map(middle).collect();
        let prometheus = peers.iter().position(|peer| peer.name == "Prometheus");
        for (idx, peer) in peers.iter().enumerate() {
            let ratio = warm[idx].as_secs_f64() / warm[0].as_secs_f64();
            let row = Row::new(format!("{}, {}", question.what, peer.name), table::ms(warm[idx]))
                .note(format!("first {}, {ratio:.2} times vitrine's", table::ms(cold[idx])));
            let is_defended = idx == 0 && question.has_budget;
            section.push(match prometheus {
                Some(prometheus) if is_defended => {
                    let is_kept = warm[0] <= warm[prometheus];
                    n_missed += usize::from(!is_kept);
                    row.budget("≤ Prometheus's", is_kept)
                }
                _ => row,
            });
        }
    }
    for peer in &peers {
        let peak = peer.peak_bytes();
        let row = Row::new(format!("highest memory, {}", peer.name), table::bytes(peak));
        section.push(if peer.name == "vitrine" {
            n_missed += usize::from(peak > MEMORY_MAX_BYTES);
            row.budget(format!("≤ {}", table::bytes(MEMORY_MAX_BYTES)), peak <= MEMORY_MAX_BYTES)
        } else {
            row
        });
    }
    table::print(&[section]);
    if n_missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn time_of(peer: &Peer, path: &str) -> Duration {
    let began = Instant::now();
    let answer = peer.get(path);
    let took = began.elapsed();
    assert!(answer.contains(r#""status":"success""#), "{}: {answer}", peer.name);
    took
}

fn middle(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all[all.len() / 2]
}
