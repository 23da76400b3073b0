//! The sentence on top: is it up, is it fast, is anything wrong.

use maud::{Markup, html};

use super::format;
use super::view::{ReloadView, StatusView, Totals, TrafficView, WorkerState};

/// Above this share of errors something is wrong; a site of this kind normally has none.
const ERROR_SHARE_WARN: f64 = 0.01;

/// Above this share a visitor notices on the first visit.
const ERROR_SHARE_BAD: f64 = 0.05;

/// Fewer errors than this are worth a look and no alarm: on a quiet day one is a large share.
const ERRORS_BAD_MIN: f64 = 5.0;

/// Slower than this one visitor in twenty waits visibly.
const P95_WARN_SECONDS: f64 = 0.5;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mood {
    Good,
    Warn,
    Bad,
}

impl Mood {
    fn class(self) -> &'static str {
        match self {
            Mood::Good => "good",
            Mood::Warn => "warn",
            Mood::Bad => "bad",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Mood::Good => "All is well.",
            Mood::Warn => "Worth a look.",
            Mood::Bad => "Something is wrong.",
        }
    }
}

pub(super) fn verdict(status: &StatusView, traffic: &TrafficView) -> Markup {
    let mood = mood(status, traffic);
    html! {
        div.verdict.(mood.class()) id="verdict" {
            p { b { (mood.word()) } " " (sentence(status, traffic)) }
            p.aside {
                "Version " (status.version)
                @if let Some(release) = &status.release { ", release " (release) }
                ", up for " (format::lasting(status.uptime)) "."
                @if let Some(ReloadView { at, outcome: Ok(applied) }) = &status.reload {
                    " Reloaded at " (format::time(*at)) ": " (applied)
                }
            }
        }
    }
}

fn mood(status: &StatusView, traffic: &TrafficView) -> Mood {
    let n_ready = n_ready(status);
    let share = traffic.total.error_share().unwrap_or(0.0);
    let is_slow = traffic.total.p95.is_some_and(|p95| p95 > P95_WARN_SECONDS);
    let reload_failed = status.reload.as_ref().is_some_and(|reload| reload.outcome.is_err());
    let bad = n_ready == 0
        || status.is_cv_stale
        || (share > ERROR_SHARE_BAD && traffic.total.errors >= ERRORS_BAD_MIN);
    let warn = n_ready < status.workers.len()
        || !status.wants_traffic
        || share > ERROR_SHARE_WARN
        || is_slow
        || reload_failed
        || traffic.unreadable.is_some()
        || status.problems.iter().any(|problem| problem.is_error);
    match (bad, warn) {
        (true, _) => Mood::Bad,
        (false, true) => Mood::Warn,
        (false, false) => Mood::Good,
    }
}

/// "All 4 workers ready. 0.2 % errors in the last hour, p95 4 ms."
pub(super) fn sentence(status: &StatusView, traffic: &TrafficView) -> String {
    let (n_ready, n_total) = (n_ready(status), status.workers.len());
    let workers = match (n_ready, n_total) {
        (0, _) => "No worker is ready: visitors get an error page.".to_string(),
        (1, 1) => "The worker is ready.".to_string(),
        _ if n_ready == n_total => format!("All {n_total} workers ready."),
        _ => format!("{n_ready} of {n_total} workers ready."),
    };
    let drain = if status.wants_traffic { "" } else { " The server is draining and takes no new visitors." };
    format!("{workers}{drain} {}", traffic_sentence(&traffic.total, traffic))
}

fn traffic_sentence(total: &Totals, traffic: &TrafficView) -> String {
    let words = traffic.range.words();
    match (&traffic.unreadable, total.error_share()) {
        (Some(_), _) => "The numbers cannot be read just now.".to_string(),
        (None, None) => format!("No visitors' requests in the last {words}."),
        (None, Some(share)) => {
            let errors =
                if share > 0.0 { format!("{} errors", format::percent(share)) } else { "No errors".into() };
            let p95 = total.p95.map_or(String::new(), |p95| format!(", p95 {}", format::seconds(p95)));
            format!("{errors} in the last {words}{p95}.")
        }
    }
}

fn n_ready(status: &StatusView) -> usize {
    status.workers.iter().filter(|worker| worker.state == WorkerState::Ready).count()
}
