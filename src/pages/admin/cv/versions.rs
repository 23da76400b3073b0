//! Earlier texts of the CV: the list, and one beside what its file holds.

use maud::{Markup, html};

use super::view::{Bar, DiffLine, DiffView, Side, VersionPage, VersionView};
use super::{barred, editor_address};
use crate::pages::admin::format;
use crate::pages::admin::frame::Frame;
use crate::pages::admin::lang::Lang;
use crate::pages::admin::window::address;

/// Renders the page of all versions.
pub fn versions(frame: &Frame, all: &[VersionView], bar: Option<&Bar>) -> Markup {
    let lang = frame.lang;
    let content = html! {
        p { (lang.tr("Each text that was shown is kept, and each that an edit took the place of. The oldest go when there are more than 50 or 16 MiB.")) }
        @if let Some(bar) = bar { (barred(lang, bar)) }
        (list(frame, all, bar))
        p.turn { a href="/admin/cv" { (lang.tr("Back to the CV")) } }
    };
    frame.page(lang.tr("Versions"), &content)
}

/// Renders versions as a table.
pub(super) fn list(frame: &Frame, versions: &[VersionView], bar: Option<&Bar>) -> Markup {
    let lang = frame.lang;
    if versions.is_empty() {
        return html! {
            p.note { (lang.tr("None yet. The first is kept when a CV of the folder is shown.")) }
        };
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label=(lang.tr("Versions")) {
            table {
                thead { tr {
                    th scope="col" { (lang.tr("Shown last, or replaced")) }
                    th scope="col" { (lang.tr("File")) }
                    th.num scope="col" { (lang.tr("Size")) }
                    th scope="col" { (lang.tr("Way back")) }
                } }
                tbody {
                    @for version in versions {
                        tr {
                            th scope="row" {
                                a href=(format!("/admin/cv/versions/{}", version.id)) {
                                    (format::moment(version.at.to_nanos()))
                                }
                            }
                            td { code { (version.name) } }
                            td.num { (format::bytes(lang, version.size_bytes as f64)) }
                            td {
                                @if version.is_present {
                                    (lang.tr("is what the file holds"))
                                } @else if bar.is_none() {
                                    (restore(frame, version, None))
                                } @else { (format::NONE) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The button that brings a version back. `seen` is what the owner was shown as the present text.
fn restore(frame: &Frame, version: &VersionView, seen: Option<&str>) -> Markup {
    html! {
        form method="post" action=(format!("/admin/cv/versions/{}/restore", version.id)) {
            (frame.csrf())
            @if let Some(seen) = seen { input type="hidden" name="seen" value=(seen); }
            button type="submit" { (frame.lang.tr("Bring back")) }
        }
    }
}

/// Renders one version.
pub fn version(frame: &Frame, view: &VersionPage) -> Markup {
    let (lang, version) = (frame.lang, &view.version);
    let content = html! {
        p {
            code { (version.name) } ", " (format::moment(version.at.to_nanos())) ", "
            (format::bytes(lang, version.size_bytes as f64))
        }
        @if let Some(bar) = &view.bar { (barred(lang, bar)) }
        @if version.is_present {
            p.note { (lang.tr("The file holds this text now.")) }
        } @else {
            @if view.bar.is_none() {
                div.actions {
                    (restore(frame, version, Some(&view.seen)))
                    a href=(address("/admin/cv/edit", &[("file", &version.name), ("version", &version.id)])) {
                        (lang.tr("Open it in the editor"))
                    }
                }
            }
            @if let Some(diff) = &view.diff {
                section {
                    h2 id="diff-title" { (lang.tr("What bringing it back would change")) }
                    (self::diff(lang, diff))
                }
            }
        }
        details {
            summary { (lang.tr("The whole text")) }
            pre.source tabindex="0" role="region" aria-label=(lang.tr("The whole text")) { (view.text) }
        }
        p.turn {
            a href="/admin/cv/versions" { (lang.tr("All versions")) } " "
            a href=(editor_address(&version.name, None)) { (lang.tr("The file as it is now")) }
        }
    };
    frame.page(lang.tr("Version"), &content)
}

/// Renders how two texts differ; a sign says it beside the colour.
pub(super) fn diff(lang: Lang, view: &DiffView) -> Markup {
    html! {
        @if view.hunks.is_empty() {
            p.note { (lang.tr("Nothing: both are the same text.")) }
        } @else {
            div.diff.scroll tabindex="0" role="region" aria-label=(lang.tr("Lines that differ")) {
                @for (idx, hunk) in view.hunks.iter().enumerate() {
                    @if idx > 0 { p.gap { "⋯" } }
                    @for line in hunk { (diff_line(line)) }
                }
            }
        }
        @if view.n_left_out > 0 {
            p.note { (lang.trn(view.n_left_out as u64, "{n} more line is not shown.", "{n} more lines are not shown.")) }
        }
    }
}

fn diff_line(line: &DiffLine) -> Markup {
    html! {
        div {
            span.number { (line.number) } " "
            @match line.side {
                Side::Both => span { "  " (line.text) },
                Side::Removed => del { "− " (line.text) },
                Side::Added => ins { "+ " (line.text) },
            }
        }
    }
}
