//! `/admin/releases`: the releases on the shelf, what was tried, and the way back.

use maud::{Markup, html};

use super::format;
use super::frame::Frame;
use super::lang::Lang;
use crate::clock::UnixNanos;

/// The shelf of releases, and how this process stands to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReleasesView {
    /// Where the shelf is.
    pub root: String,
    /// The release that this process is; its version where it is none.
    pub running: String,
    /// The version of this process.
    pub version: String,
    /// The process.
    pub pid: u32,
    /// The releases, the newest first.
    pub releases: Vec<ReleaseView>,
    /// What was tried, the latest first.
    pub history: Vec<EventView>,
    /// What a command began and did not end.
    pub unfinished: Option<AttemptView>,
    /// The roll-back that was asked for here, as long as this process knows of it.
    pub asked: Option<AskedView>,
    /// Why no roll-back can be begun here, if so.
    pub bar: Option<RollBackBar>,
    /// The command that rolls back, for a terminal.
    pub command: String,
    /// Why the shelf could not be read.
    pub fault: Option<String>,
}

/// A release on the shelf.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReleaseView {
    /// Its name.
    pub id: String,
    /// What its binary says of itself.
    pub version: String,
    /// When it was placed.
    pub placed: Option<UnixNanos>,
    /// Of its binary.
    pub size_bytes: u64,
    /// Whether it is what a start starts.
    pub is_current: bool,
    /// Whether it is the last one that proved itself.
    pub is_good: bool,
    /// Whether it is what runs.
    pub is_running: bool,
    /// Why it must not run again, if so.
    pub bad: Option<String>,
}

/// Something that was tried.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventView {
    /// When it ended.
    pub at: Option<UnixNanos>,
    /// `deploy` or `rollback`.
    pub action: String,
    /// The release that was to run.
    pub release: String,
    /// `ok`, `placed`, `refused`, `failed`, `stuck`, `proved` or `interrupted`.
    pub outcome: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Why it failed; empty otherwise.
    pub reason: String,
}

/// What a command is at, or was when it was killed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttemptView {
    /// `deploy` or `rollback`.
    pub action: String,
    /// The release that is to run.
    pub release: String,
    /// When it began.
    pub at: Option<UnixNanos>,
}

/// A roll-back that was asked for on the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedView {
    /// To which release.
    pub release: String,
    /// When.
    pub at: UnixNanos,
    /// How it ended: none while it is at work, else why it failed, if it did.
    pub outcome: Option<Result<(), String>>,
}

/// Why no roll-back can be begun by this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RollBackBar {
    /// It is the first process of a container, which is replaced as a whole.
    Container,
    /// There is no release on the shelf.
    Empty,
    /// It was not started as a release of this shelf: as what, and as what it should be.
    NotARelease {
        /// The program that runs.
        program: String,
        /// The one that should.
        should: String,
    },
    /// It may not change the shelf; whoever owns that may.
    NoPermission,
}

/// Renders the page.
pub fn releases(frame: &Frame, view: &ReleasesView) -> Markup {
    let lang = frame.lang;
    let content = html! {
        (running(lang, view))
        @if let Some(asked) = &view.asked { (self::asked(lang, asked)) }
        @if let Some(attempt) = &view.unfinished {
            p.banner.warn {
                (action_in_words(lang, &attempt.action)) " " code { (attempt.release) } ": "
                (lang.tr("begun and not ended. It is at work, or was killed; then the next command finishes or undoes it."))
                @if let Some(at) = attempt.at { " " (format::moment(at)) }
            }
        }
        @if let Some(fault) = &view.fault {
            p.banner.bad role="alert" { (lang.tr("The releases cannot be read:")) " " (fault) }
        }
        section {
            h2 id="shelf-title" { (lang.tr("On the server")) }
            @if view.releases.is_empty() { (empty(lang, view)) } @else { (shelf(frame, view)) }
        }
        @if !view.releases.is_empty() {
            @if let Some(bar) = &view.bar { (barred(lang, view, bar)) }
        }
        section {
            h2 id="history-title" { (lang.tr("What was tried")) }
            (history(lang, view))
        }
    };
    frame.page(lang.tr("Releases"), &content)
}

fn running(lang: Lang, view: &ReleasesView) -> Markup {
    let is_release = view.releases.iter().any(|release| release.is_running);
    html! {
        p.running {
            @if is_release {
                (lang.tr("Release")) " " b { (view.running) } " " (lang.tr("serves:")) " "
            } @else {
                (lang.tr("What serves is no release of this folder:")) " "
            }
            (lang.trf("vitrine {version}, process {pid}", &[("version", &view.version), ("pid", &view.pid)])) ". "
            (lang.tr("Folder")) ": " code { (view.root) }
        }
    }
}

fn asked(lang: Lang, asked: &AskedView) -> Markup {
    let release = [("release", &asked.release as &dyn std::fmt::Display)];
    match &asked.outcome {
        None => html! {
            p.banner.warn role="status" id="asked" {
                (lang.trf("The roll-back to {release} is at work. This page looks again every two seconds.", &release))
                " " a href="/admin/releases" { (lang.tr("Look now")) }
            }
        },
        Some(Ok(())) => html! {
            p.banner.good role="status" id="asked" {
                (lang.trf("The roll-back to {release} is done.", &release)) " " (format::moment(asked.at))
            }
        },
        Some(Err(why)) => html! {
            div.banner.bad role="alert" id="asked" {
                p { b { (lang.trf("The roll-back to {release} failed.", &release)) } " " (format::moment(asked.at)) }
                pre { (why) }
            }
        },
    }
}

fn empty(lang: Lang, view: &ReleasesView) -> Markup {
    html! {
        div.empty {
            p { (lang.tr("There is no release here yet. On a server with systemd this places the first:")) }
            pre { "sudo ./vitrine install" }
            p { (lang.tr("and this each one after it, without a request lost:")) }
            pre { "sudo vitrine release deploy FILE" }
            @if view.bar == Some(RollBackBar::Container) {
                p { (lang.tr("In a container the image is the release: .ci/ship on the host deploys it and takes it back.")) }
            }
        }
    }
}

fn shelf(frame: &Frame, view: &ReleasesView) -> Markup {
    let lang = frame.lang;
    html! {
        div.scroll tabindex="0" role="region" aria-labelledby="shelf-title" {
            table {
                thead { tr {
                    th scope="col" { (lang.tr("Release")) }
                    th scope="col" { (lang.tr("State")) }
                    th scope="col" { (lang.tr("Version")) }
                    th scope="col" { (lang.tr("Placed")) }
                    th.num scope="col" { (lang.tr("Size")) }
                } }
                tbody { @for release in &view.releases { (row(frame, view, release)) } }
            }
        }
    }
}

fn row(frame: &Frame, view: &ReleasesView, release: &ReleaseView) -> Markup {
    let lang = frame.lang;
    let is_at_work = view.asked.as_ref().is_some_and(|asked| asked.outcome.is_none());
    let may = view.bar.is_none() && !is_at_work && !release.is_running;
    html! {
        tr {
            th scope="row" { code { (release.id) } }
            td { (states_in_words(lang, release)) }
            td { (release.version) }
            td { @if let Some(at) = release.placed { (format::moment(at)) } @else { (format::NONE) } }
            td.num { (format::bytes(lang, release.size_bytes as f64)) }
        }
        @if release.bad.is_some() || may {
            tr.after { td colspan="5" {
                @if let Some(reason) = &release.bad { p { (lang.tr("Marked as bad:")) " " (reason) } }
                @if may { (roll_back(frame, release)) }
            } }
        }
    }
}

fn states_in_words(lang: Lang, release: &ReleaseView) -> String {
    let mut res = Vec::new();
    if release.is_running {
        res.push(lang.tr("serves"));
    }
    if release.is_current {
        res.push(lang.tr("is started"));
    }
    if release.bad.is_some() {
        res.push(lang.tr("bad"));
    } else if release.is_good {
        res.push(lang.tr("good"));
    }
    if res.is_empty() { format::NONE.to_string() } else { res.join(", ") }
}

/// What is dangerous is asked twice, without a script.
fn roll_back(frame: &Frame, release: &ReleaseView) -> Markup {
    let lang = frame.lang;
    html! {
        details.ask {
            summary { (lang.tr("Roll back to it")) }
            form method="post" action="/admin/releases/rollback" {
                (frame.csrf())
                input type="hidden" name="release" value=(release.id);
                p {
                    (lang.trf(
                        "{release} proves itself, takes over, and is watched for a minute. Visitors are served all the while; if it fails, what serves now comes back. What serves now is marked as bad, so that no roll-back chooses it by itself.",
                        &[("release", &release.id)],
                    ))
                    @if release.bad.is_some() { " " b { (lang.tr("This release is marked as bad.")) } }
                }
                button type="submit" { (lang.trf("Roll back to {release}", &[("release", &release.id)])) }
            }
        }
    }
}

fn barred(lang: Lang, view: &ReleasesView, bar: &RollBackBar) -> Markup {
    html! {
        div.banner.warn id="barred" {
            p { (barred_in_words(lang, bar)) }
            @if *bar == RollBackBar::NoPermission { pre { (view.command) " ID" } }
        }
    }
}

/// Says why no roll-back can be begun here.
pub fn barred_in_words(lang: Lang, bar: &RollBackBar) -> String {
    match bar {
        RollBackBar::Container => {
            lang.tr("In a container the image is the release: .ci/ship on the host deploys it and takes it back.").to_string()
        }
        RollBackBar::Empty => lang.tr("There is no release to go back to.").to_string(),
        RollBackBar::NotARelease { program, should } => lang.trf(
            "This process was not started as a release: it was started as {program}. Start it as {should} once, so that a release can take its place.",
            &[("program", program), ("should", should)],
        ),
        RollBackBar::NoPermission => {
            lang.tr("The service may not change the releases, which are root's. On the server this rolls back, without a request lost:").to_string()
        }
    }
}

fn history(lang: Lang, view: &ReleasesView) -> Markup {
    html! {
        @if view.history.is_empty() {
            p.note { (lang.tr("Nothing yet.")) }
        } @else {
            div.scroll tabindex="0" role="region" aria-labelledby="history-title" {
                table {
                    thead { tr {
                        th scope="col" { (lang.tr("When")) }
                        th scope="col" { (lang.tr("What")) }
                        th scope="col" { (lang.tr("Release")) }
                        th scope="col" { (lang.tr("Outcome")) }
                        th.num scope="col" { (lang.tr("Took")) }
                    } }
                    tbody {
                        @for event in &view.history {
                            tr {
                                th scope="row" {
                                    @if let Some(at) = event.at { (format::moment(at)) } @else { (format::NONE) }
                                }
                                td { (action_in_words(lang, &event.action)) }
                                td { code { (event.release) } }
                                td { span.outcome.(outcome_class(&event.outcome)) { (outcome_in_words(lang, &event.outcome)) } }
                                td.num { (format::seconds(lang, event.seconds)) }
                            }
                            @if !event.reason.is_empty() {
                                tr.after { td colspan="5" { (event.reason) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn action_in_words(lang: Lang, action: &str) -> &str {
    match action {
        "deploy" => lang.tr("deploy"),
        "rollback" => lang.tr("roll-back"),
        other => other,
    }
}

fn outcome_in_words(lang: Lang, outcome: &str) -> &str {
    match outcome {
        "ok" => lang.tr("serves"),
        "placed" => lang.tr("placed, nothing ran"),
        "refused" => lang.tr("refused"),
        "failed" => lang.tr("failed, and taken back"),
        "stuck" => lang.tr("failed, and not taken back"),
        "proved" => lang.tr("held for a minute"),
        "interrupted" => lang.tr("interrupted, and undone"),
        other => other,
    }
}

fn outcome_class(outcome: &str) -> &'static str {
    match outcome {
        "ok" | "placed" | "proved" => "fine",
        _ => "fault",
    }
}
