//! `/admin/cv`: which files the page is made of, what is wrong with them, and the way to change
//! them.

mod editor;
mod versions;
mod view;

pub use editor::{count_in_words, editor};
pub use versions::{version, versions};
pub use view::*;

use maud::{Markup, html};

use super::format;
use super::frame::Frame;
use super::lang::Lang;
use super::window::address;
use crate::cv::Problem;

/// Versions that the page itself lists; all are on a page of their own.
const VERSIONS_SHOWN: usize = 5;

/// More problems are not listed; these are to be mended first.
const PROBLEMS_SHOWN_MAX: usize = 50;

/// Renders the page.
pub fn cv(frame: &Frame, view: &CvView) -> Markup {
    let (lang, site) = (frame.lang, &view.site);
    let content = html! {
        (state(frame, site))
        (pages(lang, view))
        @if !site.problems.is_empty() {
            section {
                h2 id="problems-title" { (lang.tr("Problems")) }
                (problem_list(lang, &site.problems, &|name| {
                    site.files.iter().any(|file| file.name == name && is_edited(file))
                }))
            }
        }
        (files(frame, site))
        section {
            h2 id="versions-title" { (lang.tr("Versions")) }
            (versions::list(frame, &view.versions[..view.versions.len().min(VERSIONS_SHOWN)], site.bar.as_ref()))
            @if view.versions.len() > VERSIONS_SHOWN {
                p.turn { a href="/admin/cv/versions" {
                    (lang.trn(view.versions.len() as u64, "The one version", "All {n} versions"))
                } }
            }
        }
        section {
            h2 id="links-title" { (lang.tr("Private links")) }
            p {
                @if view.n_links == 0 {
                    (lang.tr("Nobody has one. Such a link shows every contact, until it expires or is revoked."))
                } @else {
                    (lang.trn(view.n_links as u64, "{n} link shows every contact.", "{n} links show every contact."))
                }
                " " a href="/admin/links" { (lang.tr("Make or revoke links")) }
            }
        }
    };
    frame.page(lang.tr("CV"), &content)
}

/// Says in words what visitors see.
fn state(frame: &Frame, site: &SiteView) -> Markup {
    let lang = frame.lang;
    let has_changes = site.files.iter().any(|file| file.state == FileState::Changed);
    let (class, text) = match (site.shown, site.is_stale) {
        (Shown::Folder, false) => ("good", lang.tr("Visitors see the CV of this folder.")),
        (Shown::Sample, false) => ("warn", lang.tr("Visitors see the sample: this folder has no CV.")),
        (Shown::LastGood, _) => {
            ("bad", lang.tr("The CV in this folder is broken. Visitors see the last good one."))
        }
        (Shown::Folder | Shown::Sample, true) => {
            ("bad", lang.tr("The CV in this folder is broken. Visitors see it as it was before."))
        }
    };
    html! {
        div.verdict.(class) {
            p { b { (text) } }
            p.aside { (lang.tr("Folder")) ": " code { (site.folder) } }
        }
        @if site.shown == Shown::Sample && site.files.is_empty() {
            p.empty {
                (lang.tr("Begin with the sample and write your own:")) " "
                a href="/admin/cv/edit?file=cv.yaml" { (lang.tr("make a cv.yaml")) } ". "
                (lang.tr("Or put a cv.yaml or a resume.json into the folder, then reload."))
            }
        }
        @if (has_changes || site.is_stale) && !site.is_watched {
            form.inline method="post" action="/admin/cv/reload" {
                (frame.csrf())
                span { (lang.tr("Files were changed since they were read.")) } " "
                button type="submit" { (lang.tr("Reload")) }
            }
        }
        @if let Some(bar) = &site.bar { (barred(lang, bar)) }
    }
}

fn pages(lang: Lang, view: &CvView) -> Markup {
    let base = view.base_url.as_deref().unwrap_or_default();
    html! {
        section {
            h2 id="pages-title" { (lang.tr("Pages")) }
            div.scroll tabindex="0" role="region" aria-labelledby="pages-title" {
                table {
                    thead { tr {
                        th scope="col" { (lang.tr("Language")) }
                        th scope="col" { (lang.tr("Address")) }
                        th scope="col" { (lang.tr("Made of")) }
                    } }
                    tbody {
                        @for page in &view.site.languages {
                            tr {
                                th scope="row" { (page.lang) }
                                td { a href=(page.path) { (base) (page.path) } }
                                td { code { (page.file) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn files(frame: &Frame, site: &SiteView) -> Markup {
    let lang = frame.lang;
    html! {
        section {
            h2 id="files-title" { (lang.tr("Files")) }
            @if site.files.is_empty() {
                p.note { (lang.tr("Nothing in the folder counts yet.")) }
            } @else {
                div.scroll tabindex="0" role="region" aria-labelledby="files-title" {
                    table {
                        thead { tr {
                            th scope="col" { (lang.tr("File")) }
                            th scope="col" { (lang.tr("For")) }
                            th scope="col" { (lang.tr("State")) }
                            th.num scope="col" { (lang.tr("Size")) }
                            th scope="col" { (lang.tr("Changed")) }
                        } }
                        tbody { @for file in &site.files { (file_row(lang, file)) } }
                    }
                }
            }
            @if site.files.iter().any(|file| file.role == FileRole::Original) {
                form.new-language method="get" action="/admin/cv/edit" {
                    label for="language" { (lang.tr("Another language, by its tag (de, pt-BR)")) }
                    input id="language" name="language" required maxlength="20" autocomplete="off"
                        pattern="[A-Za-z]{2,3}(-[A-Za-z0-9]{2,4})*";
                    button type="submit" { (lang.tr("Begin a translation")) }
                }
            }
        }
    }
}

fn file_row(lang: Lang, file: &FileView) -> Markup {
    let (class, state) = state_in_words(lang, &file.state);
    html! {
        tr {
            th scope="row" {
                @if is_edited(file) {
                    a href=(editor_address(&file.name, None)) { code { (file.name) } }
                } @else {
                    code { (file.name) }
                }
            }
            td { (role_in_words(lang, &file.role)) }
            td { span.file-state.(class) { (state) } }
            td.num { (format::bytes(lang, file.size_bytes as f64)) }
            td { @if let Some(at) = file.changed { (format::moment(at)) } @else { (format::NONE) } }
        }
    }
}

fn is_edited(file: &FileView) -> bool {
    matches!(file.role, FileRole::Original | FileRole::Translation(_))
        && !matches!(file.state, FileState::Hidden(_) | FileState::TooMany)
}

fn role_in_words(lang: Lang, role: &FileRole) -> String {
    match role {
        FileRole::Original => lang.tr("the CV").to_string(),
        FileRole::Translation(tag) => lang.trf("the CV in {lang}", &[("lang", tag)]),
        FileRole::Photo => lang.tr("photo").to_string(),
        FileRole::Style => lang.tr("rules after those of the theme").to_string(),
        FileRole::Theme => lang.tr("rules in place of the theme's").to_string(),
        FileRole::NotFound => lang.tr("page for what is not there").to_string(),
        FileRole::Pdf => lang.tr("your PDF").to_string(),
        FileRole::Folder { n_files, has_more: false } => lang.trn(*n_files, "{n} file", "{n} files"),
        FileRole::Folder { n_files, has_more: true } => {
            lang.trn(*n_files, "more than {n} file", "more than {n} files")
        }
    }
}

fn state_in_words(lang: Lang, state: &FileState) -> (&'static str, String) {
    match state {
        FileState::Shown => ("shown", lang.tr("shown").to_string()),
        FileState::Changed => ("changed", lang.tr("not shown as it is now").to_string()),
        FileState::Hidden(first) => ("hidden", lang.trf("ignored: {file} comes first", &[("file", first)])),
        FileState::TooMany => ("hidden", lang.tr("ignored: there are too many languages").to_string()),
        FileState::LeftOut(why) => ("left-out", lang.trf("left out: {why}", &[("why", why)])),
    }
}

/// Returns where a file is edited.
fn editor_address(name: &str, line: Option<usize>) -> String {
    let line = line.map(|line| line.to_string());
    let mut parameters = vec![("file", name)];
    parameters.extend(line.as_deref().map(|line| ("line", line)));
    address("/admin/cv/edit", &parameters)
}

/// Lists problems; a place leads to the editor where `is_linked` says so of its file.
fn problem_list(lang: Lang, problems: &[Problem], is_linked: &dyn Fn(&str) -> bool) -> Markup {
    html! {
        ul.problems {
            @for problem in problems.iter().take(PROBLEMS_SHOWN_MAX) {
                @let (class, word) = level(lang, problem.is_error());
                li.(class) {
                    span.level.(class) { (word) } " "
                    @if let Some(place) = problem.place {
                        @let text = format!("{}:{place}", problem.file);
                        @if is_linked(&problem.file) {
                            a href=(editor_address(&problem.file, Some(place.line))) { (text) }
                        } @else { code { (text) } }
                        " "
                    } @else if !problem.file.is_empty() {
                        code { (problem.file) } " "
                    }
                    span.text { (problem.what()) }
                    @if !problem.hint.is_empty() { p.hint { (problem.hint) } }
                }
            }
        }
        @if let Some(n_more) = problems.len().checked_sub(PROBLEMS_SHOWN_MAX).filter(|n| *n > 0) {
            p.note { (lang.trn(n_more as u64, "and {n} more", "and {n} more problems")) }
        }
    }
}

fn level(lang: Lang, is_error: bool) -> (&'static str, &'static str) {
    if is_error { ("error", lang.tr("error")) } else { ("warn", lang.tr("warning")) }
}

/// Says why a file cannot be written, and what changes that.
fn barred(lang: Lang, bar: &Bar) -> Markup {
    let text = match &bar.reason {
        BarReason::Off => lang.tr("The editor is switched off. These lines of vitrine.toml switch it on:").into(),
        BarReason::ReadOnly if bar.remedy.is_empty() => {
            lang.tr("The folder is mounted read-only, so nothing can be written here.").into()
        }
        BarReason::ReadOnly => lang
            .tr("The service may read this folder and not write it. To edit here, give it the folder, and add the line ReadWritePaths to the unit:")
            .into(),
        BarReason::NoPermission { user } => lang.trf(
            "The user {user} may not write to this folder. To edit here, give it the folder:",
            &[("user", user)],
        ),
        BarReason::Owner { user } => lang.trf(
            "The file belongs to somebody else than the user {user}, and would not after it was written. To edit here, give it the file:",
            &[("user", user)],
        ),
        BarReason::Elsewhere { path } => lang.trf(
            "The file is a link out of the folder, and is edited where it lies: {path}",
            &[("path", path)],
        ),
        BarReason::NotText => lang.tr("The file is not UTF-8, so it cannot be edited here.").into(),
        BarReason::TooLarge { max_bytes } => lang.trf(
            "The file is too large to be edited here: {size} is the most.",
            &[("size", &format::bytes(lang, *max_bytes as f64))],
        ),
        BarReason::Unreadable { cause } => lang.trf("The file cannot be read: {cause}", &[("cause", cause)]),
    };
    html! {
        div.banner.warn id="barred" {
            p { (text) }
            @if !bar.remedy.is_empty() { pre { (bar.remedy.join("\n")) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{UnixMillis, UnixNanos};
    use crate::cv::{Place, Severity};

    fn file(name: &str, role: FileRole, state: FileState) -> FileView {
        FileView { name: name.into(), role, size_bytes: 2_048, changed: Some(UnixNanos(0)), state }
    }

    fn problem(line: usize) -> Problem {
        Problem {
            place: Some(Place { line, column: 3 }),
            hint: "write it <b>so</b>".into(),
            ..Problem::of_file(Severity::Error, "cv.yaml", "not a date")
        }
    }

    fn rendered(view: &CvView, lang: Lang) -> String {
        cv(&Frame { lang, csrf: "csrf-token".into(), ..Frame::default() }, view).into_string()
    }

    #[test]
    fn each_file_says_what_it_is_for_and_whether_it_is_shown() {
        let files = vec![
            file("cv.yaml", FileRole::Original, FileState::Changed),
            file("cv.ru.yaml", FileRole::Translation("ru".into()), FileState::Shown),
            file("resume.json", FileRole::Original, FileState::Hidden("cv.yaml".into())),
            file("a&b.png", FileRole::Photo, FileState::LeftOut("it is <no> picture".into())),
            file("static/", FileRole::Folder { n_files: 2, has_more: true }, FileState::Shown),
        ];
        let view = CvView { site: SiteView { files, ..SiteView::default() }, ..CvView::default() };
        let page = rendered(&view, Lang::En);
        for part in [
            r#"<a href="/admin/cv/edit?file=cv.ru.yaml"><code>cv.ru.yaml</code></a>"#,
            "ignored: cv.yaml comes first",
            "left out: it is &lt;no&gt; picture",
            "more than 2 files",
            "the CV in ru",
            r#"action="/admin/cv/reload""#,
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("edit?file=resume.json"), "an edit there would show nothing");
        assert!(rendered(&view, Lang::Ru).contains("пропущен: раньше идёт cv.yaml"));
    }

    #[test]
    fn a_problem_leads_to_its_line_and_a_long_list_ends() {
        let files = vec![file("cv.yaml", FileRole::Original, FileState::Shown)];
        let problems = (1..=PROBLEMS_SHOWN_MAX + 7).map(problem).collect();
        let site = SiteView { files, problems, is_stale: true, ..SiteView::default() };
        let page = rendered(&CvView { site, ..CvView::default() }, Lang::En);
        assert!(
            page.contains(r#"<a href="/admin/cv/edit?file=cv.yaml&amp;line=12">cv.yaml:12:3</a>"#),
            "{page}"
        );
        assert!(page.contains("write it &lt;b&gt;so&lt;/b&gt;") && page.contains("and 7 more problems"));
        assert!(page.contains("The CV in this folder is broken."));
    }

    #[test]
    fn an_empty_folder_says_how_to_begin() {
        let site = SiteView { shown: Shown::Sample, ..SiteView::default() };
        let page = rendered(&CvView { site, ..CvView::default() }, Lang::En);
        for part in ["Visitors see the sample", "/admin/cv/edit?file=cv.yaml", "None yet.", "Nobody has one."]
        {
            assert!(page.contains(part), "{part}: {page}");
        }
    }

    #[test]
    fn versions_have_one_button_each_but_where_nothing_may_be_written() {
        let version = |n: i64, is_present| VersionView {
            id: format!("{n}-0123456789abcdef-cv.yaml"),
            at: UnixMillis(n),
            name: "cv.yaml".into(),
            size_bytes: 7,
            is_present,
        };
        let all = [version(2, true), version(1, false)];
        let frame = Frame::default();
        let page = versions(&frame, &all, None).into_string();
        assert_eq!(page.matches("Bring back").count(), 1, "{page}");
        assert!(page.contains("/admin/cv/versions/1-0123456789abcdef-cv.yaml/restore"));
        let bar = Bar { reason: BarReason::Off, remedy: vec!["[admin]".into(), "edit = true".into()] };
        let page = versions(&frame, &all, Some(&bar)).into_string();
        assert!(!page.contains("Bring back") && page.contains("[admin]\nedit = true"), "{page}");
    }

    #[test]
    fn what_is_wrong_elsewhere_is_not_counted_as_the_texts_own() {
        let of = |file: &str, is_error| {
            let severity = if is_error { Severity::Error } else { Severity::Warning };
            Problem::of_file(severity, file, "odd")
        };
        let check = |problems: &[Problem], expect: &str| {
            assert_eq!(count_in_words(Lang::En, "cv.yaml", problems), expect);
        };
        check(&[], "No errors and no warnings.");
        check(&[of("cv.yaml", false), of("cv.yaml", false)], "No errors, 2 warnings.");
        check(&[of("cv.yaml", true), of("", true)], "1 error: the text cannot be published.");
        let elsewhere = "No errors here. What is wrong elsewhere keeps the CV from being shown.";
        check(&[of("cv.ru.yaml", true), of("cv.yaml", false)], elsewhere);
    }

    #[test]
    fn the_lines_of_a_problem_are_shown_where_no_script_marks_them() {
        let text: String = (1..=9).map(|n| format!("line {n}\n")).collect();
        let view = EditorView {
            name: "cv.yaml".into(),
            text,
            problems: Some(vec![problem(4), problem(4)]),
            outcome: Some(Outcome::HasErrors),
            ..EditorView::default()
        };
        let page = editor(&Frame::default(), &view).into_string();
        assert!(page.contains("    3   line 3\n    4 ▶ line 4\n    5   line 5"), "{page}");
        assert!(!page.contains("    7   line 7"), "{page}");
    }
}
