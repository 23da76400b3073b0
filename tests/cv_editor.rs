//! The CV edited in the browser: what visitors see, what lies on disk, and the way back.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use crate::harness::{Folders, Response, Vitrine};

const EDITOR: &str = "/admin/cv/edit?file=cv.yaml";

fn cv(name: &str) -> String {
    format!("basics:\n  name: {name}\n")
}

/// Reads a hidden field of a page.
fn field(page: &str, name: &str) -> String {
    let value = page.split(&format!(r#"name="{name}" value=""#)).nth(1);
    let value = value.unwrap_or_else(|| panic!("no field {name} in {page}"));
    value.split('"').next().unwrap().to_string()
}

/// Opens the editor and publishes a text.
fn publish(vitrine: &Vitrine, file: &str, text: &str) -> Response {
    let page = vitrine.admin_page(&format!("/admin/cv/edit?file={file}")).text();
    publish_over(vitrine, file, &field(&page, "seen"), text)
}

/// Publishes a text in the place of another one.
fn publish_over(vitrine: &Vitrine, file: &str, seen: &str, text: &str) -> Response {
    let csrf = field(&vitrine.admin_page(EDITOR).text(), "csrf");
    let form = [("csrf", &*csrf), ("file", file), ("seen", seen), ("text", text)];
    vitrine.post_as_admin("/admin/cv/draft/publish", &form)
}

fn on_disk(vitrine: &Vitrine, file: &str) -> String {
    fs::read_to_string(vitrine.dir().site().join(file)).unwrap()
}

/// The addresses of the versions that a page lists.
fn versions(vitrine: &Vitrine) -> Vec<String> {
    let page = vitrine.admin_page("/admin/cv/versions").text();
    let links = page.split(r#"href="/admin/cv/versions/"#).skip(1);
    links.map(|rest| format!("/admin/cv/versions/{}", rest.split('"').next().unwrap())).collect()
}

#[test]
fn a_text_is_published_at_once_and_taken_back_by_one_button() {
    let vitrine = Vitrine::start_on(Folders::with_cv(&cv("Ada")));
    let path = vitrine.dir().site().join("cv.yaml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let page = vitrine.admin_page("/admin/cv").text();
    assert!(
        page.contains("Visitors see the CV of this folder.") && page.contains(r#"file=cv.yaml""#),
        "{page}"
    );

    let published = publish(&vitrine, "cv.yaml", &cv("Bob").replace('\n', "\r\n"));
    assert_eq!((published.status, published.header("location")), (303, EDITOR), "{}", published.text());
    assert!(vitrine.get("/").text().contains("Bob"));
    assert_eq!(on_disk(&vitrine, "cv.yaml"), cv("Bob"));
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
    assert!(vitrine.admin_page(EDITOR).text().contains("Published: visitors see cv.yaml as it is now."));

    let before = versions(&vitrine).pop().unwrap();
    let page = vitrine.admin_page(&before).text();
    assert!(page.contains("<del>−   name: Bob</del>") && page.contains("<ins>+   name: Ada</ins>"), "{page}");
    let form = [("csrf", &*field(&page, "csrf")), ("seen", &*field(&page, "seen"))];
    let restored = vitrine.post_as_admin(&format!("{before}/restore"), &form);
    assert_eq!(restored.status, 303, "{}", restored.text());
    assert_eq!(on_disk(&vitrine, "cv.yaml"), cv("Ada"));
    let shown = vitrine.get("/").text();
    assert!(shown.contains("Ada") && !shown.contains("Bob"));
    // Both texts are kept, also over a restart.
    let vitrine = Vitrine::start_on(vitrine.stop());
    assert_eq!(versions(&vitrine).len(), 2);
}

#[test]
fn a_broken_text_is_refused_with_line_and_hint_and_nothing_changes() {
    let vitrine = Vitrine::start_on(Folders::with_cv(&cv("Ada")));
    let refused = publish(&vitrine, "cv.yaml", "basics:\n  name: Bob\nwork:\n  - startDate: [\n");
    assert_eq!(refused.status, 422);
    let page = refused.text();
    for part in ["Not published: the text has errors", "<code>cv.yaml:5:", "5 ▶", "name: Bob"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let odd = publish(&vitrine, "cv.yaml", "basics:\n  name: Bob\nwork: 7\n").text();
    assert!(odd.contains("cv.yaml:3:") && odd.contains("class=\"hint\""), "{odd}");
    assert_eq!(on_disk(&vitrine, "cv.yaml"), cv("Ada"));
    assert!(vitrine.get("/").text().contains("Ada"));
    let health: serde_json::Value = serde_json::from_slice(&vitrine.get("/health").body).unwrap();
    assert!(health.get("problems").is_none(), "{health}");
    let entries = fs::read_dir(vitrine.dir().site()).unwrap().count();
    assert_eq!(entries, 1, "something was left beside the file");
}

#[test]
fn who_edits_over_another_change_is_told_and_loses_neither_text() {
    let vitrine = Vitrine::start_on(Folders::with_cv(&cv("Ada")));
    let seen = field(&vitrine.admin_page(EDITOR).text(), "seen");
    vitrine.dir().write("cv.yaml", &cv("Eve"));
    let conflict = publish_over(&vitrine, "cv.yaml", &seen, &cv("Bob"));
    assert_eq!(conflict.status, 409);
    let page = conflict.text();
    assert!(page.contains("<del>−   name: Eve</del>") && page.contains("<ins>+   name: Bob</ins>"), "{page}");
    assert_eq!(on_disk(&vitrine, "cv.yaml"), cv("Eve"));
    let published = publish_over(&vitrine, "cv.yaml", &field(&page, "seen"), &cv("Bob"));
    assert_eq!(published.status, 303);
    // What was on disk and never shown is kept all the same.
    let texts: Vec<String> = versions(&vitrine).iter().map(|path| vitrine.admin_page(path).text()).collect();
    for name in ["Ada", "Eve", "Bob"] {
        assert!(texts.iter().any(|text| text.contains(&format!("name: {name}"))), "{name} is lost");
    }
}

#[test]
fn a_text_is_put_back_when_the_reload_is_refused_for_something_else() {
    let dir = Folders::with_cv(&cv("Ada"));
    let config = dir.data().parent().unwrap().join("vitrine.toml");
    fs::write(&config, "").unwrap();
    let vitrine = Vitrine::start_on(dir);
    fs::write(&config, "[http]\nthreads = 7\n").unwrap();
    let refused = publish(&vitrine, "cv.yaml", &cv("Bob"));
    assert_eq!(refused.status, 409);
    let page = refused.text();
    assert!(
        page.contains("`http.threads` cannot change while running") && page.contains("name: Bob"),
        "{page}"
    );
    assert_eq!(on_disk(&vitrine, "cv.yaml"), cv("Ada"));
    assert!(vitrine.get("/").text().contains("Ada"));
    let health: serde_json::Value = serde_json::from_slice(&vitrine.get("/health").body).unwrap();
    assert!(health.get("problems").is_none(), "{health}");
    fs::write(&config, "").unwrap();
    assert_eq!(publish(&vitrine, "cv.yaml", &cv("Bob")).status, 303);
}

#[test]
fn a_reload_from_outside_leaves_a_version_too() {
    let vitrine = Vitrine::start_on(Folders::with_cv(&cv("Ada")));
    for name in ["Bob", "Eve", "Bob"] {
        vitrine.dir().write("cv.yaml", &cv(name));
        assert_eq!(vitrine.dir().run(&["reload"]).code, 0);
    }
    // A text is kept by a thread of its own, after the reload has answered.
    let paths = crate::harness::wait_until("three texts are kept", || {
        Some(versions(&vitrine)).filter(|versions| versions.len() == 3)
    });
    let newest = crate::harness::wait_until("the text that came again is the newest", || {
        let page = vitrine.admin_page(&versions(&vitrine)[0]).text();
        page.contains("name: Bob").then_some(page)
    });
    assert!(newest.contains("The file holds this text now."), "{newest}");
    assert_eq!(paths.len(), 3);
}

#[test]
fn a_folder_without_a_cv_gets_its_first_and_a_translation() {
    let vitrine = Vitrine::start();
    let page = vitrine.admin_page("/admin/cv").text();
    assert!(page.contains("Visitors see the sample") && page.contains("make a cv.yaml"), "{page}");
    let sample = vitrine.admin_page(EDITOR).text();
    assert!(sample.contains("basics:") && field(&sample, "seen").is_empty(), "{sample}");
    assert_eq!(publish(&vitrine, "cv.yaml", &cv("Ada")).status, 303);
    assert!(vitrine.get("/").text().contains("Ada"));
    let begun = vitrine.admin_page("/admin/cv/edit?language=ru").text();
    assert!(begun.contains("cv.ru.yaml"), "{begun}");
    assert_eq!(publish(&vitrine, "cv.ru.yaml", "basics:\n  name: Ада\n").status, 303);
    assert!(vitrine.get("/ru/").text().contains("Ада"));
    for file in ["../vitrine.toml", "/etc/passwd", "cv.old.yaml"] {
        let refused = publish_over(&vitrine, file, "", "basics: {name: Eve}\n");
        assert_eq!((refused.status, refused.header("location")), (303, "/admin/cv"), "{file}");
        assert!(vitrine.admin_page("/admin/cv").text().contains("is no file of this CV"), "{file}");
    }
    assert_eq!(fs::read_dir(vitrine.dir().site()).unwrap().count(), 2);
}

#[test]
fn a_preview_shows_the_text_and_visitors_do_not_see_it() {
    let dir = Folders::with_cv(&cv("Ada"));
    dir.write("cv.ru.yaml", "basics:\n  label: Инженер\n");
    let vitrine = Vitrine::start_on(dir);
    let csrf = field(&vitrine.admin_page(EDITOR).text(), "csrf");
    let form = [("csrf", &*csrf), ("file", "cv.ru.yaml"), ("text", "basics:\n  label: Архитектор\n")];
    let made = vitrine.post_as_admin("/admin/cv/draft/preview", &form);
    assert_eq!((made.status, made.header("location")), (303, "/admin/cv/preview/ru/"), "{}", made.text());
    let page = vitrine.admin_page("/admin/cv/preview/ru/");
    assert!(page.text().contains("Архитектор"), "{}", page.text());
    assert_eq!(page.header("x-robots-tag"), "noindex, nofollow");
    assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
    assert_eq!(vitrine.admin_page("/admin/cv/preview/style.css").status, 200);
    assert!(vitrine.get("/ru/").text().contains("Инженер"));
    let stranger = vitrine.get("/admin/cv/preview/ru/");
    assert_eq!(
        (stranger.status, stranger.header("location")),
        (303, "/admin/login?to=%2Fadmin%2Fcv%2Fpreview%2Fru%2F")
    );
    assert_eq!(on_disk(&vitrine, "cv.ru.yaml"), "basics:\n  label: Инженер\n");
}

#[test]
fn where_the_folder_cannot_be_written_the_page_says_so_and_visitors_are_served() {
    let vitrine = Vitrine::start_on(Folders::with_cv(&cv("Ada")));
    let site = vitrine.dir().site();
    let is_root = fs::metadata(&site).unwrap().uid() == 0;
    // Whoever is root may write anywhere but where nobody may.
    let made = if is_root {
        let mount = |args: &[&str]| Command::new("mount").args(args).arg(&site).status().unwrap().success();
        let place = site.to_str().unwrap();
        mount(&["--bind", place]) && mount(&["-o", "remount,ro,bind"])
    } else {
        fs::set_permissions(&site, fs::Permissions::from_mode(0o555)).is_ok()
    };
    if !made {
        let required = std::env::var("VITRINE_REQUIRE").unwrap_or_default();
        assert!(!required.contains("loop"), "VITRINE_REQUIRE names loop, and nothing can be mounted");
        return println!("skipped: nothing can be mounted here");
    }
    let page = vitrine.admin_page(EDITOR).text();
    let refused = publish(&vitrine, "cv.yaml", &cv("Bob"));
    let files = fs::read_dir(&site).unwrap().count();
    let undone = if is_root {
        Command::new("umount").arg(&site).status().unwrap().success()
    } else {
        fs::set_permissions(&site, fs::Permissions::from_mode(0o755)).is_ok()
    };
    assert!(undone);
    let expect = if is_root { "mounted read-only" } else { "may not write to this folder" };
    assert!(
        page.contains(expect) && page.contains("readonly") && !page.contains(r#"id="publish""#),
        "{page}"
    );
    assert_eq!((refused.status, files), (403, 1), "{}", refused.text());
    assert!(refused.text().contains("name: Bob"), "what was typed is lost");
    assert!(vitrine.get("/").text().contains("Ada"));
}

#[test]
fn the_editor_can_be_switched_off_by_a_reload() {
    let dir = Folders::with_cv(&cv("Ada"));
    let config = dir.data().parent().unwrap().join("vitrine.toml");
    fs::write(&config, "").unwrap();
    let vitrine = Vitrine::start_on(dir);
    let seen = field(&vitrine.admin_page(EDITOR).text(), "seen");
    fs::write(&config, "[admin]\nedit = false\n").unwrap();
    assert_eq!(vitrine.dir().run(&["reload"]).code, 0);
    let page = vitrine.admin_page(EDITOR).text();
    assert!(page.contains("The editor is switched off.") && page.contains("edit = true"), "{page}");
    assert_eq!(publish_over(&vitrine, "cv.yaml", &seen, &cv("Bob")).status, 403);
    assert_eq!(on_disk(&vitrine, "cv.yaml"), cv("Ada"));
}
