//! The sentence on top: is it up, is it fast, is anything wrong.
//!
//! What is wrong comes first, each cause by its name and the worst one before the others;
//! how workers and traffic are follows. The word in front is never better than the worst
//! of the causes.

use maud::{Markup, html};

use super::format;
use super::lang::Lang;
use super::overview::{Totals, TrafficView};
use super::status::{ReloadView, StatusView, WorkerState};

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

    fn word(self, lang: Lang) -> &'static str {
        match self {
            Mood::Good => lang.tr("All is well."),
            Mood::Warn => lang.tr("Worth a look."),
            Mood::Bad => lang.tr("Something is wrong."),
        }
    }
}

pub(super) fn verdict(lang: Lang, status: &StatusView, traffic: &TrafficView) -> Markup {
    let mut causes = causes(lang, status, traffic);
    // Stable, so causes of one mood keep their order.
    causes.sort_by_key(|(mood, _)| std::cmp::Reverse(*mood));
    let worst = causes.first().map_or(Mood::Good, |(mood, _)| *mood);
    let mood = worst.max(mood_of_traffic(traffic));
    html! {
        div.verdict.(mood.class()) id="verdict" {
            p {
                b { (mood.word(lang)) }
                @for (_, cause) in &causes { " " (cause) }
                " " (facts(lang, status, traffic))
            }
            p.aside {
                @let lasting = format::lasting(lang, status.uptime);
                @match &status.release {
                    Some(release) => {
                        (lang.trf("Version {version}, release {release}, up for {lasting}.",
                            &[("version", &status.version), ("release", release), ("lasting", &lasting)]))
                    }
                    None => {
                        (lang.trf("Version {version}, up for {lasting}.",
                            &[("version", &status.version), ("lasting", &lasting)]))
                    }
                }
                @if let Some(ReloadView { at, outcome: Ok(_) }) = &status.reload {
                    " " (lang.tr("Reloaded:")) " " (format::moment(*at)) "."
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
fn causes(lang: Lang, status: &StatusView, traffic: &TrafficView) -> Vec<(Mood, String)> {
    let mut res = Vec::new();
    let mut add = |mood, text: String| res.push((mood, text));
    match (n_ready(status), status.workers.len()) {
        (0, _) => add(Mood::Bad, lang.tr("No worker is ready: visitors get an error page.").into()),
        (n_ready, n_total) if n_ready < n_total => {
            let text =
                lang.trf("{ready} of {total} workers ready.", &[("ready", &n_ready), ("total", &n_total)]);
            add(Mood::Warn, text);
        }
        _ => {}
    }
    let first_error = status.problems.iter().find(|problem| problem.is_error);
    let reason = first_error.map_or(String::new(), |problem| format!(": {}", problem.in_words()));
    if status.is_cv_stale {
        let text = lang.tr("The CV on disk is broken and visitors see the last good one");
        add(Mood::Bad, format!("{text}{}", ended(&reason)));
    } else if first_error.is_some() {
        add(Mood::Warn, format!("{}{}", lang.tr("The CV has a problem"), ended(&reason)));
    } else if let Some(ReloadView { outcome: Err(text), .. }) = &status.reload {
        let line = text.lines().next().unwrap_or_default();
        add(Mood::Warn, format!("{} {}", lang.tr("The last reload was refused:"), ended(line)));
    }
    if let Some(reason) = &status.store_degraded {
        add(Mood::Bad, format!("{} {}", lang.tr("Nothing is being recorded:"), ended(reason)));
    }
    if !status.wants_traffic {
        add(Mood::Warn, lang.tr("The server is draining and takes no new visitors.").into());
    }
    let words = traffic.window.words(lang);
    let values: [(&str, &dyn std::fmt::Display); 1] = [("when", &words)];
    let n_panics = panics(status, traffic);
    if n_panics > 0 {
        add(Mood::Warn, lang.trnf(n_panics, "One panic {when}.", "{n} panics {when}.", &values));
    }
    let n_dropped = dropped(status, traffic);
    if n_dropped > 0 {
        let text = lang.trnf(
            n_dropped,
            "One record was dropped {when}.",
            "{n} records were dropped {when}.",
            &values,
        );
        add(Mood::Warn, text);
    }
    res
}

/// "All 4 workers ready. 0.2 % errors in the last hour, p95 4 ms."
fn facts(lang: Lang, status: &StatusView, traffic: &TrafficView) -> String {
    let n_workers = status.workers.len();
    // A cause says that some are not.
    let workers = if n_workers == 0 || n_ready(status) < n_workers {
        String::new()
    } else {
        lang.trn(n_workers as u64, "The worker is ready. ", "All {n} workers ready. ")
    };
    format!("{workers}{}", traffic_sentence(lang, &traffic.total, traffic))
}

fn traffic_sentence(lang: Lang, total: &Totals, traffic: &TrafficView) -> String {
    let words = traffic.window.words(lang);
    match (&traffic.unreadable, total.error_share()) {
        (Some(_), _) => lang.tr("The numbers cannot be read just now.").to_string(),
        (None, None) => lang.trf("No visitors' requests {when}.", &[("when", &words)]),
        (None, Some(share)) => {
            let p95 = total.p95.map_or(String::new(), |p95| format!(", p95 {}", format::seconds(lang, p95)));
            let share_text = format::percent(lang, share);
            if share > 0.0 {
                let values: [(&str, &dyn std::fmt::Display); 3] =
                    [("share", &share_text), ("when", &words), ("p95", &p95)];
                lang.trf("{share} errors {when}{p95}.", &values)
            } else {
                lang.trf("No errors {when}{p95}.", &[("when", &words), ("p95", &p95)])
            }
        }
    }
}

/// Counts the panics of the window. What the store has may be incomplete, just when things
/// go wrong; a process younger than the window knows all of its own.
fn panics(status: &StatusView, traffic: &TrafficView) -> u64 {
    let own = status.workers.iter().map(|worker| worker.panics).sum();
    at_least_own(traffic.total.panics, own, status, traffic)
}

fn dropped(status: &StatusView, traffic: &TrafficView) -> u64 {
    let own = status.store.iter().map(|store| store.dropped).sum();
    at_least_own(traffic.total.dropped, own, status, traffic)
}

fn at_least_own(stored: f64, own: u64, status: &StatusView, traffic: &TrafficView) -> u64 {
    let own = if status.uptime <= traffic.window.span() { own } else { 0 };
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
