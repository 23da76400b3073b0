//! Reload: what is right is shown, what is wrong changes nothing and says so everywhere.

use std::path::PathBuf;

use rustix::process::Signal;

use crate::harness::{Folders, Vitrine, wait_until};

fn cv(name: &str) -> String {
    format!("basics:\n  name: {name}\n")
}

fn shows(vitrine: &Vitrine, name: &str) -> Option<()> {
    vitrine.get("/").text().contains(name).then_some(())
}

/// Starts with the first person's CV; returns the configuration file too.
fn start_with_an_empty_configuration() -> (Vitrine, PathBuf) {
    let dir = Folders::with_cv(&cv("First Person"));
    let config = dir.site().join("vitrine.toml");
    std::fs::write(&config, "").unwrap();
    let mut command = dir.serve();
    command.arg("--config").arg(&config);
    (Vitrine::spawn(command, dir), config)
}

#[test]
fn sighup_shows_the_new_cv() {
    let vitrine = Vitrine::start_on(Folders::with_cv(&cv("First Person")));
    shows(&vitrine, "First Person").unwrap();
    vitrine.dir().write("cv.yaml", &cv("Second Person"));
    vitrine.signal(Signal::HUP);
    wait_until("the new CV is shown", || shows(&vitrine, "Second Person"));
}

#[test]
fn a_broken_cv_changes_nothing_and_names_the_place() {
    let mut vitrine = Vitrine::start_on(Folders::with_cv(&cv("First Person")));
    vitrine.dir().write("cv.yaml", "basics:\n  name: Broken\n\twork: []\n");
    let ended = vitrine.dir().run(&["reload"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.err.contains("cv.yaml:3:1"), "{}", ended.err);
    shows(&vitrine, "First Person").unwrap();
    vitrine.wait_for_line("reload refused, everything stays as it was");

    let health: serde_json::Value = serde_json::from_slice(&vitrine.get("/health").body).unwrap();
    assert!(health["problems"][0].as_str().unwrap().contains("cv.yaml:3:1"), "{health}");
    let metrics = vitrine.get_as_admin("/metrics").text();
    assert!(metrics.contains("vitrine_config_last_reload_successful{"), "{metrics}");
    let is = |name: &str, value: &str| {
        metrics.lines().any(|line| line.starts_with(name) && line.ends_with(&format!(" {value}")))
    };
    assert!(is("vitrine_config_last_reload_successful{", "0") && is("vitrine_cv_stale{", "1"), "{metrics}");
    assert!(vitrine.admin_page("/admin").text().contains("cv.yaml:3:1"));

    vitrine.dir().write("cv.yaml", &cv("Third Person"));
    let ended = vitrine.dir().run(&["reload"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    shows(&vitrine, "Third Person").unwrap();
    let health: serde_json::Value = serde_json::from_slice(&vitrine.get("/health").body).unwrap();
    assert!(health.get("problems").is_none());
}

#[test]
fn a_key_that_needs_a_restart_refuses_the_whole_reload_by_name() {
    let (vitrine, config) = start_with_an_empty_configuration();
    vitrine.dir().write("cv.yaml", &cv("Second Person"));
    std::fs::write(&config, "[http]\nthreads = 7\n").unwrap();
    let ended = vitrine.dir().run(&["reload"]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("`http.threads` cannot change while running"), "{}", ended.err);
    shows(&vitrine, "First Person").unwrap();
}

#[test]
fn a_broken_configuration_is_named_and_keeps_the_old() {
    let (vitrine, config) = start_with_an_empty_configuration();
    std::fs::write(&config, "[http]\nlog_adresses = true\n").unwrap();
    let ended = vitrine.dir().run(&["reload"]);
    assert_eq!(ended.code, 1);
    assert!(
        ended.err.contains("vitrine.toml:2:1") && ended.err.contains("did you mean `http.log_addresses`?"),
        "{}",
        ended.err
    );
    shows(&vitrine, "First Person").unwrap();
}

#[test]
fn a_removed_cv_is_refused_and_the_page_stays() {
    let vitrine = Vitrine::start_on(Folders::with_cv(&cv("First Person")));
    std::fs::remove_file(vitrine.dir().site().join("cv.yaml")).unwrap();
    let ended = vitrine.dir().run(&["reload"]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("no CV: write cv.yaml or resume.json there"), "{}", ended.err);
    shows(&vitrine, "First Person").unwrap();
}

#[test]
fn reload_without_a_running_process_says_so() {
    let ended = Folders::new().run(&["reload"]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("no vitrine runs on the data directory"), "{}", ended.err);
}

#[test]
fn a_broken_cv_at_the_start_shows_the_last_good_one() {
    let vitrine = Vitrine::start_on(Folders::with_cv(&cv("First Person")));
    let dir = vitrine.stop();
    dir.write("cv.yaml", "basics: [");
    let vitrine = Vitrine::start_on(dir);
    shows(&vitrine, "First Person").unwrap();
    let health: serde_json::Value = serde_json::from_slice(&vitrine.get("/health").body).unwrap();
    assert_eq!(health["status"], "ok");
    assert!(health["problems"][0].as_str().unwrap().starts_with("cv.yaml:"), "{health}");
    let metrics = vitrine.get_as_admin("/metrics").text();
    assert!(
        metrics.lines().any(|line| line.starts_with("vitrine_cv_stale{") && line.ends_with(" 1")),
        "{metrics}"
    );
}

#[test]
fn a_watched_site_shows_a_change_by_itself() {
    let dir = Folders::with_cv("basics: {name: Ada}\n");
    let mut command = dir.serve();
    command.env("VITRINE_WATCH", "true");
    let mut vitrine = Vitrine::spawn(command, dir);
    vitrine.dir().write("cv.yaml", "basics: {name: Bob the second}\n");
    vitrine.wait_for_line("reloaded");
    assert!(vitrine.get("/").text().contains("Bob the second"));
    vitrine.dir().write("cv.yaml", "basics: [");
    vitrine.wait_for_line("reload refused");
    assert!(vitrine.get("/").text().contains("Bob the second"));
}
