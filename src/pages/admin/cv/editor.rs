//! The editor of one file of the CV.
//!
//! It is a form: its buttons check, preview and publish without a script. The script numbers the
//! lines and checks while somebody types.

use maud::{Markup, html};
use serde_json::json;

use super::view::{EditorView, Outcome};
use super::{barred, editor_address, problem_list, versions};
use crate::cv::Problem;
use crate::pages::admin::format;
use crate::pages::admin::frame::Frame;
use crate::pages::admin::lang::Lang;

/// Renders the page.
pub fn editor(frame: &Frame, view: &EditorView) -> Markup {
    let lang = frame.lang;
    let can_write = view.bar.is_none();
    let mut frame = frame.clone();
    frame.assets.js.push(view.script.clone());
    let content = html! {
        @if let Some(bar) = &view.bar { (barred(lang, bar)) }
        @if let Some(version) = &view.version {
            p.banner.warn {
                (lang.tr("This is the text of")) " " (format::moment(version.at.to_nanos())) ". "
                (lang.tr("Nothing is changed until you publish it."))
            }
        }
        @if let Some(outcome) = &view.outcome { (told(lang, view, outcome)) }
        form.editor id="editor" method="post" action="/admin/cv/draft/publish" data-words=(words(lang))
            data-changed[view.is_changed] {
            (frame.csrf())
            input type="hidden" name="file" value=(view.name);
            input type="hidden" name="seen" value=(view.seen);
            label for="text" { (lang.tr("Text of")) " " code { (view.name) } }
            div.text-box {
                pre.numbers id="numbers" aria-hidden="true" hidden {}
                // A line break in front of the text is no part of it.
                textarea id="text" name="text" rows="24" spellcheck="false" autocapitalize="off"
                    autocomplete="off" data-line=[view.line] readonly[!can_write] { "\n" (view.text) }
            }
            div.actions {
                @if can_write {
                    button type="submit" id="publish" { (lang.tr("Publish")) }
                }
                button type="submit" formaction="/admin/cv/draft/preview" formtarget="_blank" { (lang.tr("Preview")) }
                button type="submit" id="check" formaction="/admin/cv/draft/check" { (lang.tr("Check")) }
                @if can_write {
                    span.note { (lang.tr("Publishing writes the file and shows it to visitors at once. The text before is kept as a version.")) }
                }
            }
        }
        section {
            h2 id="found-title" { (lang.tr("Found in the text")) }
            p id="found" role="status" {
                @match &view.problems {
                    Some(problems) => (count_in_words(lang, &view.name, problems)),
                    None => (lang.tr("Not checked yet.")),
                }
            }
            div id="problems" {
                @if let Some(problems) = view.problems.as_ref().filter(|problems| !problems.is_empty()) {
                    // A link would lead away from what was typed.
                    (problem_list(lang, problems, &|_| false))
                    (excerpts(lang, view, problems))
                }
            }
        }
        p.turn { a href="/admin/cv" { (lang.tr("Back to the CV")) } }
    };
    frame.page(&lang.trf("Edit {file}", &[("file", &view.name)]), &content)
}

/// Says how many errors and warnings there are in the text of a file.
pub fn count_in_words(lang: Lang, name: &str, problems: &[Problem]) -> String {
    let count = |is_wanted: &dyn Fn(&Problem) -> bool| {
        problems.iter().filter(|problem| is_wanted(problem)).count() as u64
    };
    let n_errors = count(&|problem| problem.is_error() && problem.file == name);
    let n_elsewhere = count(&|problem| problem.is_error() && problem.file != name);
    let n_warnings = count(&|problem| !problem.is_error());
    match (n_errors, n_elsewhere, n_warnings) {
        (0, 0, 0) => lang.tr("No errors and no warnings.").to_string(),
        (0, 0, n) => lang.trn(n, "No errors, {n} warning.", "No errors, {n} warnings."),
        (0, _, _) => {
            lang.tr("No errors here. What is wrong elsewhere keeps the CV from being shown.").to_string()
        }
        (n, ..) => lang.trn(
            n,
            "{n} error: the text cannot be published.",
            "{n} errors: the text cannot be published.",
        ),
    }
}

/// What became of what was sent; the text is in the form as it was sent.
fn told(lang: Lang, view: &EditorView, outcome: &Outcome) -> Markup {
    let bad = |text: &str, lines: &[String]| {
        html! {
            div.banner.bad role="alert" id="outcome" {
                p { b { (text) } }
                @if !lines.is_empty() { pre { (lines.join("\n")) } }
            }
        }
    };
    match outcome {
        Outcome::Checked => html! {},
        Outcome::HasErrors => bad(lang.tr("Not published: the text has errors. The page is as it was."), &[]),
        Outcome::Refused(reasons) => {
            bad(lang.tr("Not published: the reload was refused. File and page are as they were."), reasons)
        }
        Outcome::Stuck { reasons, why } => html! {
            (bad(
                lang.tr("The reload was refused, and the text before could not be put back. The page is as it was; the file holds the new text."),
                reasons,
            ))
            pre { (why) }
        },
        Outcome::Failed(why) => bad(lang.tr("Not published."), std::slice::from_ref(why)),
        Outcome::Conflict { now, diff } => html! {
            div.banner.bad role="alert" id="outcome" {
                p { b { (lang.tr("Not published: the file was changed since you opened it.")) } }
                p { (lang.tr("Your text is below, and publishing it takes the place of what the file holds now. Nothing is lost: that text stays a version.")) }
                details {
                    summary { (lang.tr("What the file holds now")) }
                    pre.source tabindex="0" role="region" aria-label=(lang.tr("What the file holds now")) { (now) }
                }
                p { a href=(editor_address(&view.name, None)) { (lang.tr("Edit that instead, without your changes")) } }
            }
            section {
                h2 id="conflict-title" { (lang.tr("What your text would change")) }
                (versions::diff(lang, diff))
            }
        },
    }
}

/// Lines shown around a problem.
const AROUND: usize = 2;

/// Problems whose lines are shown; the list itself has all.
const EXCERPTS_MAX: usize = 10;

/// Shows the lines of the first problems, for whom no script marks them.
fn excerpts(lang: Lang, view: &EditorView, problems: &[Problem]) -> Markup {
    let lines: Vec<&str> = view.text.lines().collect();
    let of_this = problems.iter().filter(|problem| problem.file == view.name);
    let mut places: Vec<usize> =
        of_this.filter_map(|problem| problem.place).map(|place| place.line).collect();
    places.dedup();
    html! {
        @if !places.is_empty() {
            details {
                summary { (lang.tr("The lines")) }
                pre.source tabindex="0" role="region" aria-label=(lang.tr("The lines")) {
                    @for place in places.into_iter().take(EXCERPTS_MAX) {
                        @let first = place.saturating_sub(AROUND).max(1);
                        @for number in first..=(place + AROUND).min(lines.len()).max(place) {
                            (format!("{number:>5} {} ", if number == place { '▶' } else { ' ' }))
                            (lines.get(number - 1).copied().unwrap_or_default()) "\n"
                        }
                        "\n"
                    }
                }
            }
        }
    }
}

/// What the script says, as JSON by its own names.
fn words(lang: Lang) -> String {
    json!({
        "error": lang.tr("error"),
        "warning": lang.tr("warning"),
        "lost": lang.tr("The check could not be made. It is tried again with the next change."),
    })
    .to_string()
}
