//! The sentence on top: is it up, is it fast, is anything wrong.
//!
//! What is wrong comes first, each cause by its name and the worst one before the others;
//! how workers and traffic are follows. The word in front is never better than the worst
//! of the causes.

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
    let mut causes = causes(status, traffic);
    // Stable, so causes of one mood keep their order.
    causes.sort_by_key(|(mood, _)| std::cmp::Reverse(*mood));
    let worst = causes.first().map_or(Mood::Good, |(mood, _)| *mood);
    let mood = worst.max(mood_of_traffic(traffic));
    html! {
        div.verdict.(mood.class()) id="verdict" {
            p {
                b { (mood.word()) }
                @for (_, cause) in &causes { " " (cause) }
                " " (facts(status, traffic))
            }
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

/// Errors and slowness need no cause beside the figure, which stands in the facts.
fn mood_of_traffic(traffic: &TrafficView) -> Mood {
    let share = traffic.total.error_share().unwrap_or(0.0);
    let is_slow = traffic.total.p95.is_some_and(|p95| p95 > P95_WARN_SECONDS);
    if share > ERROR_SHARE_BAD && traffic.total.errors >= ERRORS_BAD_MIN {
        Mood::Bad
    } else if share > ERROR_SHARE_WARN || is_slow || traffic.unreadable.is_some() {
        Mood::Warn
    } else {
        Mood::Good
    }
}

/// Returns what someone should look at, as sentences.
fn causes(status: &StatusView, traffic: &TrafficView) -> Vec<(Mood, String)> {
    let mut res = Vec::new();
    let mut add = |mood, text: String| res.push((mood, text));
    match (n_ready(status), status.workers.len()) {
        (0, _) => add(Mood::Bad, "No worker is ready: visitors get an error page.".into()),
        (n_ready, n_total) if n_ready < n_total => {
            add(Mood::Warn, format!("{n_ready} of {n_total} workers ready."));
        }
        _ => {}
    }
    let first_error = status.problems.iter().find(|problem| problem.is_error);
    let reason = first_error.map_or(String::new(), |problem| format!(": {}", problem.in_words()));
    if status.is_cv_stale {
        add(
            Mood::Bad,
            format!("The CV on disk is broken and visitors see the last good one{}", ended(&reason)),
        );
    } else if first_error.is_some() {
        add(Mood::Warn, format!("The CV has a problem{}", ended(&reason)));
    } else if let Some(ReloadView { outcome: Err(text), .. }) = &status.reload {
        let line = text.lines().next().unwrap_or_default();
        add(Mood::Warn, format!("The last reload was refused: {}", ended(line)));
    }
    if let Some(reason) = &status.store_degraded {
        add(Mood::Bad, format!("Nothing is being recorded: {}", ended(reason)));
    }
    if !status.wants_traffic {
        add(Mood::Warn, "The server is draining and takes no new visitors.".into());
    }
    let words = traffic.range.words();
    match panics(status, traffic) {
        0 => {}
        1 => add(Mood::Warn, format!("One panic in the last {words}.")),
        n => add(Mood::Warn, format!("{} panics in the last {words}.", format::count(n))),
    }
    match dropped(status, traffic) {
        0 => {}
        1 => add(Mood::Warn, format!("One record was dropped in the last {words}.")),
        n => add(Mood::Warn, format!("{} records were dropped in the last {words}.", format::count(n))),
    }
    res
}

/// "All 4 workers ready. 0.2 % errors in the last hour, p95 4 ms."
fn facts(status: &StatusView, traffic: &TrafficView) -> String {
    let workers = match (n_ready(status), status.workers.len()) {
        // A cause says it.
        (n_ready, n_total) if n_ready < n_total || n_total == 0 => String::new(),
        (_, 1) => "The worker is ready. ".to_string(),
        (_, n_total) => format!("All {n_total} workers ready. "),
    };
    format!("{workers}{}", traffic_sentence(&traffic.total, traffic))
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

/// Counts the panics of the range. What the store has may be incomplete, just when things
/// go wrong; a process younger than the range knows all of its own.
fn panics(status: &StatusView, traffic: &TrafficView) -> u64 {
    let own = status.workers.iter().map(|worker| worker.panics).sum();
    at_least_own(traffic.total.panics, own, status, traffic)
}

fn dropped(status: &StatusView, traffic: &TrafficView) -> u64 {
    let own = status.store.iter().map(|store| store.dropped).sum();
    at_least_own(traffic.total.dropped, own, status, traffic)
}

fn at_least_own(stored: f64, own: u64, status: &StatusView, traffic: &TrafficView) -> u64 {
    let own = if status.uptime <= traffic.range.span() { own } else { 0 };
    (stored.round() as u64).max(own)
}

fn n_ready(status: &StatusView) -> usize {
    status.workers.iter().filter(|worker| worker.state == WorkerState::Ready).count()
}

/// Ends a text that comes from elsewhere as a sentence ends.
fn ended(text: &str) -> String {
    let text = text.trim_end();
    if text.ends_with(['.', '!', '?']) { text.to_string() } else { format!("{text}.") }
}
