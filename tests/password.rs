//! `vitrine password`, alone and beside a running process.

use std::io::Write;
use std::process::Stdio;

use base64::Engine as _;

use crate::harness::{Ended, Folders, PASSWORD, Vitrine, command};

/// Sets the password as an owner does on the command line.
pub fn set_password(dir: &Folders, password: &str) -> Ended {
    let mut command = command(&["password"]);
    command.arg("--data").arg(dir.data()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{password}").unwrap();
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn metrics_with(vitrine: &Vitrine, password: &str) -> u16 {
    let credential = base64::engine::general_purpose::STANDARD.encode(format!("admin:{password}"));
    vitrine.request("HEAD", "/metrics", &[("authorization", &format!("Basic {credential}"))]).status
}

#[test]
fn a_new_password_is_in_force_when_the_command_says_so() {
    let dir = Folders::new();
    let first = set_password(&dir, "the first password");
    assert_eq!(first.code, 0, "{first:?}");
    assert!(first.out.contains("the next start takes it up") && !first.out.contains("session"), "{first:?}");
    let mut serve = dir.serve();
    serve.env_remove("VITRINE_ADMIN_PASSWORD");
    let vitrine = Vitrine::spawn(serve, dir);
    assert_eq!(metrics_with(&vitrine, "the first password"), 200);
    let second = set_password(vitrine.dir(), "the second password");
    assert_eq!(second.code, 0, "{second:?}");
    assert!(second.out.contains("every session has ended"), "{second:?}");
    assert_eq!(metrics_with(&vitrine, "the second password"), 200);
    assert_eq!(metrics_with(&vitrine, "the first password"), 401);
}

#[test]
fn a_password_from_the_environment_stays_in_force_and_the_command_says_so() {
    let vitrine = Vitrine::start();
    let ended = set_password(vitrine.dir(), "another password");
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.err.contains("VITRINE_ADMIN_PASSWORD") && ended.out.is_empty(), "{ended:?}");
    assert_eq!(metrics_with(&vitrine, PASSWORD), 200);
}
