//! The public status page: whether the site is up, and when it was not.

use maud::{Markup, html};

use super::format;
use super::frame::{Assets, document};
use super::lang::Lang;
use crate::clock::UnixNanos;

/// The page.
#[derive(Clone, Debug, Default)]
pub struct UptimeView {
    /// Style; the page needs no script.
    pub assets: Assets,
    /// The language of the page.
    pub lang: Lang,
    /// When this was read.
    pub now: UnixNanos,
    /// Whether visitors got errors of late.
    pub has_errors: bool,
    /// Since when it is on record; none before the first sample.
    pub since: Option<UnixNanos>,
    /// Share of the time in which it was up: in a day, a week, thirty and ninety days.
    pub shares: Vec<(u64, Option<f64>)>,
    /// The last days, the oldest first.
    pub days: Vec<Day>,
    /// When it was down in the last week, the newest first.
    pub outages: Vec<Outage>,
}

/// One day, by UTC.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Day {
    /// Its beginning.
    pub at: UnixNanos,
    /// Share of it in which the site was up; none before it was on record.
    pub share: Option<f64>,
}

/// A time in which the site was down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// When it began, to the minute.
    pub from: UnixNanos,
    /// When it ended, to the minute.
    pub to: UnixNanos,
}

/// From this share on a day was as it should be: a minute and a half is missing.
const SHARE_GOOD: f64 = 0.999;

/// Below this share a day was bad: more than an hour is missing.
const SHARE_BAD: f64 = 0.95;

/// Renders the page.
pub fn uptime(view: &UptimeView) -> Markup {
    let lang = view.lang;
    let title = lang.tr("Status");
    let content = html! {
        main.status-page {
            h1 { (title) }
            @if view.has_errors {
                p.verdict.warn { b { (lang.tr("The site is up; some visitors got errors in the last hour.")) } }
            } @else {
                p.verdict.good { b { (lang.tr("The site is up.")) } }
            }
            dl.tiles {
                @for (n_days, share) in &view.shares {
                    div {
                        dt { (lang.trn(*n_days, "In {n} day", "In {n} days")) }
                        dd.value { (share.map_or(format::NONE.to_string(), |share| precise(lang, share))) }
                        dd.aside { (lang.tr("of the time up")) }
                    }
                }
            }
            section aria-labelledby="days-title" {
                h2 id="days-title" { (lang.tr("Day by day")) }
                (bars(lang, &view.days))
                @if let Some(since) = view.since {
                    p.note { (lang.tr("On record since")) " " (format::moment(since)) "." }
                } @else {
                    p.note { (lang.tr("Nothing is on record yet: the first sample comes with the first minute.")) }
                }
            }
            section aria-labelledby="outages-title" {
                h2 id="outages-title" { (lang.tr("Down in the last 7 days")) }
                @if view.outages.is_empty() {
                    p.note { (lang.tr("Not for a minute.")) }
                } @else {
                    ol.outages {
                        @for outage in &view.outages {
                            li {
                                (format::moment(outage.from)) " – " (format::moment(outage.to)) ", "
                                (lasting(lang, outage))
                            }
                        }
                    }
                }
            }
            footer { p { a href="/" { (lang.tr("To the site")) } " · " (lang.tr("as of")) " " (format::moment(view.now)) " UTC" } }
        }
    };
    document(title, lang, &Assets { js: Vec::new(), ..view.assets.clone() }, &content)
}

fn lasting(lang: Lang, outage: &Outage) -> String {
    let n_nanos = u64::try_from(outage.to.0 - outage.from.0).unwrap_or(0);
    format::lasting(lang, std::time::Duration::from_nanos(n_nanos))
}

/// Writes a share near one so that what is missing is seen, and only all is all.
fn precise(lang: Lang, share: f64) -> String {
    let cut = (share.clamp(0.0, 1.0) * 10_000.0).floor() / 100.0;
    let text = if cut >= 100.0 { "100".to_string() } else { format!("{cut:.2}") };
    match lang {
        Lang::En => format!("{text}\u{a0}%"),
        Lang::Ru => format!("{}\u{a0}%", text.replace('.', ",")),
    }
}

const BAR_WIDTH: usize = 8;
const BAR_HEIGHT: f64 = 40.0;

/// A bar a day: what is missing of it is missing above it, and its colour says the same.
fn bars(lang: Lang, days: &[Day]) -> Markup {
    let width = (days.len() * BAR_WIDTH).max(1);
    html! {
        svg.days viewBox={ "0 0 " (width) " " (BAR_HEIGHT) } preserveAspectRatio="none" role="img"
            aria-label=(lang.tr("Share of each day in which the site was up; the same as a table below")) {
            @for (idx, day) in days.iter().enumerate() {
                @let height = height(day.share);
                rect.(class(day.share)) x=(idx * BAR_WIDTH) y=(format!("{:.1}", BAR_HEIGHT - height))
                    width=(BAR_WIDTH - 2) height=(format!("{height:.1}")) {}
            }
        }
        details {
            summary { (lang.tr("As a table")) }
            div.scroll tabindex="0" role="region" aria-label=(lang.tr("Day by day")) {
                table {
                    thead { tr { th scope="col" { (lang.tr("Day (UTC)")) } th scope="col" { (lang.tr("Up")) } } }
                    tbody {
                        @for day in days.iter().rev().filter(|day| day.share.is_some()) {
                            tr {
                                th scope="row" { (format::day(day.at)) }
                                td { (precise(lang, day.share.unwrap_or_default())) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn class(share: Option<f64>) -> &'static str {
    match share {
        None => "unknown",
        Some(share) if share >= SHARE_GOOD => "good",
        Some(share) if share >= SHARE_BAD => "warn",
        Some(_) => "bad",
    }
}

/// A day that is not whole is lower, and even a minute that is missing is seen.
fn height(share: Option<f64>) -> f64 {
    match share {
        None => 4.0,
        Some(share) if share >= SHARE_GOOD => BAR_HEIGHT,
        Some(share) => BAR_HEIGHT * (0.2 + 0.6 * share.clamp(0.0, 1.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_all_of_the_time_is_all_of_it() {
        let text = |share| precise(Lang::En, share).replace('\u{a0}', " ");
        assert_eq!(text(1.0), "100 %");
        assert_eq!(text(0.999_99), "99.99 %");
        assert_eq!(text(0.5), "50.00 %");
        assert_eq!(precise(Lang::Ru, 0.25), "25,00\u{a0}%");
    }

    #[test]
    fn days_differ_by_colour_and_height() {
        let day = |share| Day { at: UnixNanos(0), share };
        let days = [day(None), day(Some(1.0)), day(Some(0.98)), day(Some(0.2))];
        let view = UptimeView { days: days.to_vec(), ..UptimeView::default() };
        let text = uptime(&view).into_string();
        for piece in
            ["rect class=\"unknown\"", "rect class=\"good\"", "rect class=\"warn\"", "rect class=\"bad\""]
        {
            assert!(text.contains(piece), "{piece} is not in {text}");
        }
        assert_eq!(text.matches("<tr><th scope=\"row\">").count(), 3, "what is not on record is in no table");
        assert!(text.contains("Not for a minute.") && !text.contains("<script"), "{text}");
    }
}
