//! The admin page: from view structs to markup.
//!
//! It says at first sight whether all is up, fast and in order, in words before numbers
//! and in numbers before charts. Everything is complete without a script; the parts that
//! change are [`fragments`] with an id each, which the script swaps as they arrive. It
//! never queries and never decides: what it shows was gathered by `http`.

mod chart;
pub mod cv;
mod format;
mod links;
mod logs;
mod panels;
pub mod releases;
mod verdict;
mod view;

pub use links::links;
pub use view::*;

use maud::{DOCTYPE, Markup, html};

use chart::{Chart, Line, Scale};

/// Renders the whole page.
pub fn page(view: &AdminView) -> Markup {
    let content = html! {
        header.top {
            a.brand href="/admin" { "vitrine" }
            span.live id="live" data-live="" { "as of " (format::time(view.now)) }
            nav aria-label="Page" {
                a href="/" { "CV" }
                a href="/admin/links" { "Private links" }
                form method="post" action="/admin/logout" {
                    (csrf_field(&view.csrf))
                    button.quiet type="submit" { "Log out" }
                }
            }
        }
        main {
            h1.visually-hidden { "How the server is" }
            // Stands in the verdict's place when the script hears nothing any more.
            div.verdict.bad id="lost" role="alert" hidden {
                p { b { "No connection since " span id="lost-since" {} "." } " What is below was true then." }
                p.aside { "It is tried again and again; this page carries on by itself." }
            }
            @for fragment in status_fragments(&view.status, &view.traffic) { (fragment.markup) }
            (range_links(view))
            (charts(&view.traffic))
            (workers_section(view))
            (logs::section(&view.logs, view.traffic.range))
        }
        footer {
            p { "Visitors' requests are counted; those for " code { "/admin" } " are not." }
            p {
                "For programs: " code { "/metrics" } " and " code { "/admin/api/v1/workers" }
                ", with Basic auth of the user " code { "admin" } "."
            }
        }
    };
    document("vitrine", &view.assets, &content)
}

/// Renders the login page.
pub fn login(view: &LoginView) -> Markup {
    let content = html! {
        main.login {
            h1 { "vitrine" }
            p { "Behind this door: how your page is doing." }
            @if let Some(notice) = &view.notice { p.banner.warn role="alert" id="notice" { (notice) } }
            @if view.is_overheard {
                p.banner.warn {
                    "This page came over plain HTTP: others on the way can read the password. "
                    "Set up HTTPS (" code { "tls.cert" } " and " code { "tls.key" } ", or a proxy), or come by "
                    "an SSH tunnel."
                }
            }
            form method="post" action="/admin/login" {
                // Password managers file a password under a name.
                input.visually-hidden type="text" name="username" value="admin" autocomplete="username"
                    tabindex="-1" aria-hidden="true" readonly;
                label for="password" { "Password" }
                input id="password" type="password" name="password" autocomplete="current-password"
                    required autofocus;
                button type="submit" { "Log in" }
            }
            details {
                summary { "Where is my password?" }
                p {
                    "It was printed once on the terminal when the server first started. Set a new one with "
                    code { "vitrine password" } " on the server."
                }
            }
        }
    };
    document("Log in – vitrine", &view.assets, &content)
}

/// Renders a page of one message, for requests that cannot be answered.
pub fn message(assets: &Assets, title: &str, text: &str) -> Markup {
    let content = html! {
        main.login {
            h1 { (title) }
            p { (text) }
            p { a href="/admin" { "Back to the page" } }
        }
    };
    document(title, assets, &content)
}

/// The id of the fragment that is heaviest.
pub const CHARTS_ID: &str = "charts";

/// A part of the page that is swapped as a whole: its root element has the id.
pub struct Fragment {
    /// The id of its root element.
    pub id: &'static str,
    /// The element.
    pub markup: Markup,
}

/// Renders the parts of the page that change by themselves.
pub fn fragments(view: &AdminView) -> Vec<Fragment> {
    let mut res = status_fragments(&view.status, &view.traffic);
    res.push(Fragment { id: CHARTS_ID, markup: charts(&view.traffic) });
    res.push(Fragment { id: "workers", markup: panels::workers(&view.status) });
    // Someone who turned the page back reads old lines; they do not change.
    if view.logs.filter.before.is_none() {
        res.push(Fragment { id: "log-lines", markup: logs::list(&view.logs, view.traffic.range) });
    }
    res
}

fn status_fragments(status: &StatusView, traffic: &TrafficView) -> Vec<Fragment> {
    vec![
        Fragment { id: "verdict", markup: verdict::verdict(status, traffic) },
        Fragment { id: "banners", markup: panels::banners(status, traffic) },
        Fragment { id: "tiles", markup: panels::tiles(status, traffic) },
    ]
}

fn document(title: &str, assets: &Assets, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) }
                link rel="icon" href="/favicon.svg" type="image/svg+xml";
                link rel="stylesheet" href=(assets.css);
                script src=(assets.js) defer {}
            }
            body { (content) }
        }
    }
}

fn csrf_field(csrf: &str) -> Markup {
    html! { input type="hidden" name="csrf" value=(csrf); }
}

/// Range buttons are links, so they work without a script and can be kept as bookmarks.
fn range_links(view: &AdminView) -> Markup {
    html! {
        nav.ranges aria-label="Range of the numbers" {
            @for range in Range::ALL {
                a href=(logs::url(&view.logs.filter, range)) aria-current=[(range == view.traffic.range).then_some("true")] {
                    (range.key())
                }
            }
        }
    }
}

fn workers_section(view: &AdminView) -> Markup {
    html! {
        section aria-labelledby="workers-title" {
            div.heading {
                h2 id="workers-title" { "Workers" }
                form method="post" action="/admin/api/v1/reload" {
                    (csrf_field(&view.csrf))
                    button type="submit" title="Read the CV and the configuration again, as SIGHUP does" { "Reload" }
                }
            }
            (panels::workers(&view.status))
        }
    }
}

/// One event in ten seconds, the distance of two samples: a single one fills the axis.
const RATE_TOP_MIN: f64 = 0.1;

fn charts(traffic: &TrafficView) -> Markup {
    let chart = |id, title, write, lines, empty| Chart {
        id,
        title,
        write,
        at: &traffic.at,
        lines,
        empty,
        top_min: 0.0,
        scale: Scale::Decimal,
    };
    let waiting = "Nothing was counted in this time. Open the CV once, then look here after ten seconds.";
    let unsampled = "No sample yet: the first one comes ten seconds after the start.";
    let rate = vec![Line { name: "requests", class: "l1", values: &traffic.rate }];
    let errors = vec![Line { name: "errors", class: "l4", values: &traffic.errors }];
    let latency = vec![
        Line { name: "p50", class: "l1", values: &traffic.p50 },
        Line { name: "p95", class: "l2", values: &traffic.p95 },
        Line { name: "p99", class: "l3", values: &traffic.p99 },
    ];
    let memory = vec![Line { name: "resident", class: "l5", values: &traffic.memory }];
    html! {
        div.charts id=(CHARTS_ID) {
            @if let Some(since) = traffic.since {
                p.note { "Recorded since " (format::minute(since)) "; there is nothing before it in this range." }
            }
            (Chart { top_min: RATE_TOP_MIN, ..chart("rate", "Requests a second", format::number, rate, waiting) }.render())
            (Chart { top_min: RATE_TOP_MIN, ..chart("errors", "Server errors a second", format::number, errors, waiting) }.render())
            (chart("latency", "Time to answer", format::seconds, latency, waiting).render())
            (Chart { scale: Scale::Binary, ..chart("memory", "Process memory", format::bytes, memory, unsampled) }.render())
        }
    }
}

#[cfg(test)]
mod tests;
