//! What goes wrong before the first page: named with its fix, and never half a server.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use crate::harness::{Folders, Vitrine, command, run};

const CONFIGURATION: i32 = 78;
const ENVIRONMENT: i32 = 1;

/// Runs `serve` on folders and checks code and message.
fn refuses(dir: &Folders, arguments: &[&str], environment: &[(&str, &str)], code: i32, expect: &[&str]) {
    let mut command = dir.serve();
    command.args(arguments).envs(environment.iter().copied());
    let ended = run(command);
    assert_eq!(ended.code, code, "{ended:?}");
    for text in expect {
        assert!(ended.err.contains(text), "{text:?} is not in:\n{}", ended.err);
    }
    assert!(!ended.err.contains("panicked"), "{}", ended.err);
}

#[test]
fn wrong_configuration_exits_78() {
    let dir = Folders::new();
    let path = dir.site().join("vitrine.toml");
    let config = path.to_str().unwrap();
    let check = |text: &str, expect: &[&str]| {
        std::fs::write(&path, text).unwrap();
        refuses(&dir, &["--config", config], &[], CONFIGURATION, expect);
    };
    check("lissten = 1\n", &["vitrine.toml:1:1", "did you mean `listen`?"]);
    check(
        "[http]\nthreads = \"many\"\n",
        &["vitrine.toml:2:1", "`http.threads`", "\"many\"", "a whole number"],
    );
    check("a = [1,\n", &["vitrine.toml:"]);
    refuses(&dir, &["--config", "/nowhere.toml"], &[], CONFIGURATION, &["/nowhere.toml: read the file"]);
    refuses(&dir, &[], &[("VITRINE_HTTP_THREADS", "-1")], CONFIGURATION, &["VITRINE_HTTP_THREADS", "\"-1\""]);
}

#[test]
fn a_port_in_use_exits_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = Folders::new();
    let mut command = command(&["serve", "--listen", &address]);
    command.arg("--site").arg(dir.site()).arg("--data").arg(dir.data());
    let ended = run(command);
    assert_eq!(ended.code, ENVIRONMENT, "{ended:?}");
    assert!(
        ended.err.contains(&address) && ended.err.contains("in use") && ended.err.contains("--listen"),
        "{}",
        ended.err
    );
}

#[test]
fn a_second_process_on_the_same_data_exits_1_and_names_the_first() {
    let first = Vitrine::start();
    let pid = first.pid().to_string();
    refuses(first.dir(), &[], &[], ENVIRONMENT, &[&pid]);
    assert_eq!(first.get("/").status, 200);
}

#[test]
fn a_data_directory_that_cannot_be_written_exits_1() {
    let dir = Folders::new();
    let blocked = dir.site().join("file");
    std::fs::write(&blocked, "").unwrap();
    let data = blocked.join("data");
    let mut command = command(&["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
    command.current_dir(dir.site());
    let ended = run(command);
    assert_eq!(ended.code, ENVIRONMENT, "{ended:?}");
    assert!(ended.err.contains("file/data") && ended.err.contains("--data or VITRINE_DATA"), "{}", ended.err);
}

#[test]
fn a_site_that_is_no_folder_exits_78() {
    let dir = Folders::new();
    let mut command = command(&["serve", "--listen", "127.0.0.1:0", "--site", "/nowhere"]);
    command.arg("--data").arg(dir.data());
    let ended = run(command);
    assert_eq!(ended.code, CONFIGURATION, "{ended:?}");
    assert!(ended.err.contains("`site`: /nowhere is not a folder"), "{}", ended.err);
}

#[test]
fn a_broken_cv_without_a_last_good_one_exits_78() {
    let check = |name: &str, text: &str, expect: &[&str]| {
        let dir = Folders::new();
        dir.write(name, text);
        refuses(&dir, &[], &[], CONFIGURATION, expect);
        let ended = dir.run(&["check"]);
        assert_eq!(ended.code, CONFIGURATION, "{ended:?}");
        for text in expect {
            assert!(ended.err.contains(text), "{text:?} is not in:\n{}", ended.err);
        }
    };
    check("cv.yaml", "basics:\n\tname: Tab\n", &["cv.yaml:2:1", "tab"]);
    check("resume.json", "{\"basics\": {\"name\": \"Cut", &["resume.json:1:"]);
    check("cv.yaml", "- just\n- a list\n", &["cv.yaml:1:1"]);
}

#[test]
fn a_cv_of_50_mb_is_refused_by_its_size() {
    let dir = Folders::new();
    let huge = format!("basics:\n  summary: \"{}\"\n", "x".repeat(50 << 20));
    dir.write("cv.yaml", &huge);
    refuses(&dir, &[], &[], CONFIGURATION, &["cv.yaml", "52.4 MB, and 10 MB is the most"]);
}

#[test]
fn an_unreadable_cv_is_named() {
    let dir = Folders::new();
    std::fs::create_dir(dir.site().join("cv.yaml")).unwrap();
    refuses(&dir, &[], &[], CONFIGURATION, &["cv.yaml: it is not a file: remove it or rename it"]);
}

#[test]
fn a_pipe_in_place_of_the_cv_is_refused_and_does_not_hang() {
    let dir = Folders::new();
    let made = std::process::Command::new("mkfifo").arg(dir.site().join("cv.yaml")).status().unwrap();
    assert!(made.success());
    refuses(&dir, &[], &[], CONFIGURATION, &["it is not a file"]);
}

#[test]
fn a_password_that_is_too_short_exits_78_and_names_the_variable() {
    let environment = [("VITRINE_ADMIN_PASSWORD", "short")];
    refuses(&Folders::new(), &[], &environment, CONFIGURATION, &["VITRINE_ADMIN_PASSWORD", "5 bytes"]);
}

#[test]
fn an_empty_folder_is_good_for_check_and_serve_alike() {
    let dir = Folders::new();
    let ended = dir.run(&["check"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.out.contains("the sample would be shown"), "{ended:?}");
    assert_eq!(Vitrine::start_on(dir).get("/").status, 200);
}

#[test]
fn unsafe_links_and_markup_are_removed_and_warned_about() {
    let vitrine = Vitrine::start_on(Folders::with_cv(
        "basics:\n  name: Ada\n  url: javascript:alert(1)\n  summary: 'Hello <script>alert(2)</script> *world*'\n",
    ));
    let page = vitrine.get("/").text();
    assert!(!page.contains("javascript:") && !page.contains("<script>alert"), "{page}");
    assert!(page.contains("<em>world</em>"), "{page}");
    let ended = vitrine.dir().run(&["check"]);
    assert_eq!(ended.code, 0);
    assert!(ended.out.contains("cv.yaml:3:") && ended.out.contains("cv.yaml:4:"), "{}", ended.out);
}

#[test]
fn a_newer_data_format_exits_1_and_touches_nothing() {
    let dir = Vitrine::start().stop();
    let logs = dir.data().join("store").join("logs");
    let partition = std::fs::read_dir(&logs).unwrap().next().expect("lines were logged").unwrap().path();
    std::fs::write(partition.join("format"), "vitrine logs 9999\n").unwrap();
    let names = || {
        let mut names: Vec<_> =
            std::fs::read_dir(&partition).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    refuses(&dir, &[], &[], ENVIRONMENT, &["9999", "newer"]);
    assert_eq!(names(), before);
}

#[test]
fn the_data_directory_is_for_its_owner_only() {
    let vitrine = Vitrine::start();
    let mode = std::fs::metadata(vitrine.dir().data()).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
}

#[test]
fn wrong_usage_exits_2() {
    assert_eq!(run(command(&["--no-such-flag"])).code, 2);
    assert_eq!(run(command(&["dance"])).code, 2);
}
