//! The units that ship, read by systemd itself, and the commands that install them.
//!
//! Two tests need `systemd-analyze` of systemd 250 or later, named by `SYSTEMD_ANALYZE_BIN` or
//! found in the path; where it is missing they say that they skip, unless `VITRINE_REQUIRE` names
//! it. No systemd needs to run.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use vitrine::release::install::units::{self, ROLLBACK, SERVICE, SOCKET};
use vitrine::release::install::{CONFIGURATION, DATA, SITE};

use crate::harness::{Ended, command, run};
use crate::stack::Tool;

/// Older ones judge only units that run.
const SYSTEMD_ANALYZE: Tool = Tool {
    name: "systemd-analyze",
    variable: "SYSTEMD_ANALYZE_BIN",
    version: &["--version"],
    greeting: "systemd",
    oldest: 250,
};

/// The exposure that the service may have, of 10.0: `systemd-analyze` counts in tenths.
const EXPOSURE_MAX_TENTHS: u32 = 30;

fn text(unit: &str) -> &'static str {
    units::ALL.iter().find(|(name, _)| *name == unit).expect("a shipped unit").1
}

/// Returns the first value of a key in a shipped unit.
pub fn setting(unit: &str, key: &str) -> Option<&'static str> {
    text(unit).lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
}

#[test]
fn the_service_says_when_it_is_ready_and_stays_down_on_a_wrong_configuration() {
    let of = |key: &str| setting(SERVICE, key);
    assert_eq!(of("Type"), Some("notify"));
    // After a hand-over it is the successor that notifies.
    assert_eq!(of("NotifyAccess"), Some("all"));
    assert_eq!(of("RestartPreventExitStatus"), Some("78"));
    assert_eq!(of("ProcSubset"), None, "host metrics read /proc");
    // It restarts by itself, until the release is given up.
    assert_eq!((of("Restart"), of("RestartSec")), (Some("on-failure"), Some("200ms")));
    assert_eq!((of("StartLimitIntervalSec"), of("StartLimitBurst")), (Some("60"), Some("5")));
    assert_eq!(of("OnFailure"), Some(ROLLBACK));
}

/// Seen with systemd 252: after a hand-over a stop was a kill, and a failure that brought the service
/// back.
#[test]
fn a_stop_is_waited_for_and_stays_a_stop() {
    let stop = setting(SERVICE, "ExecStop").unwrap();
    assert!(stop.starts_with("-/bin/sh -c 'kill -TERM \"$$MAINPID\" && while "), "{stop}");
    assert!(setting(ROLLBACK, "ExecCondition").is_some_and(|only_if| only_if.contains("NRestarts")));
}

#[test]
fn the_units_run_what_is_installed_where_it_is_installed() {
    let with = |program: &str, command: &str| Some(format!("{program} {command} --config {CONFIGURATION}"));
    let current = "/opt/vitrine/current/vitrine";
    assert_eq!(setting(SERVICE, "ExecStart").map(String::from), with(current, "serve"));
    assert_eq!(setting(SERVICE, "ExecReload").map(String::from), with(current, "reload"));
    let rollback = with("/opt/vitrine/good/vitrine", "release rollback --boot");
    assert_eq!(setting(ROLLBACK, "ExecStart").map(String::from), rollback);
    assert_eq!(setting(SERVICE, "StateDirectory").map(|name| format!("/var/lib/{name}")), Some(DATA.into()));
    assert_eq!((setting(SERVICE, "User"), setting(SERVICE, "Group")), (Some("vitrine"), Some("vitrine")));
}

#[test]
fn the_socket_listens_where_the_program_does() {
    let default = vitrine::config::Config::default().http.listen;
    assert_eq!(setting(SOCKET, "ListenStream").map(str::parse), Some(Ok(default.port())));
    assert_eq!(setting(SOCKET, "FileDescriptorName"), Some("http"));
}

/// Writes the units into `dir` with programs that are there, changed by `edit`.
fn write_units(dir: &Path, edit: impl Fn(&str) -> String) -> Vec<PathBuf> {
    let write = |(name, text): (&str, &str)| {
        let mut text = edit(text);
        for release in ["current", "good"] {
            text = text.replace(&format!("/opt/vitrine/{release}/vitrine"), env!("CARGO_BIN_EXE_vitrine"));
        }
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    units::ALL.into_iter().map(write).collect()
}

#[test]
fn systemd_understands_every_line_of_the_units() {
    let Some(analyze) = SYSTEMD_ANALYZE.find() else { return };
    let verify = |edit: &dyn Fn(&str) -> String| -> (i32, String) {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new(&analyze);
        command.args(["verify", "--man=no"]).args(write_units(dir.path(), edit));
        let ended = run(command);
        // It looks at the units of this machine too, which are not ours to judge.
        let ours = ended.err.lines().filter(|line| line.contains("vitrine"));
        (ended.code, ours.collect::<Vec<_>>().join("\n"))
    };
    let (code, told) = verify(&str::to_string);
    assert!(code == 0 && told.is_empty(), "exit {code}: {told}");
    // And what it does not understand it says.
    let (_, told) = verify(&|text| text.replace("\nProtectSystem=", "\nProtectSystems="));
    assert!(told.contains("ProtectSystems"), "{told}");
}

/// Runs `systemd-analyze security` on the service.
fn security(analyze: &Path, args: &[&str], edit: impl Fn(&str) -> String) -> Ended {
    let dir = tempfile::tempdir().unwrap();
    let units = write_units(dir.path(), edit);
    let mut command = Command::new(analyze);
    command.args(["security", "--offline=true", "--no-pager"]).args(args).arg(&units[0]);
    run(command)
}

#[test]
fn the_service_is_hardened_and_every_finding_is_explained() {
    let Some(analyze) = SYSTEMD_ANALYZE.find() else { return };
    let threshold = format!("--threshold={EXPOSURE_MAX_TENTHS}");
    let ended = security(&analyze, &[&threshold], str::to_string);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    let exposed = security(&analyze, &[&threshold], |text| text.replace("\nCapabilityBoundingSet=", "\n# "));
    assert_ne!(exposed.code, 0, "the threshold is no threshold: {}", exposed.out);

    let explained = text(SERVICE).split("still finds").nth(1).expect("the unit explains what is found");
    let findings = security(&analyze, &["--json=short"], str::to_string);
    let findings: Vec<Value> = serde_json::from_str(&findings.out).unwrap();
    assert!(!findings.is_empty());
    for finding in findings.iter().filter(|finding| finding["set"] == false) {
        let name = finding["name"].as_str().unwrap();
        // `RootDirectory=/RootImage=` and `SystemCallFilter=~@resources` are told by their keys.
        assert!(explained.contains(name.split('=').next().unwrap()), "{finding}");
    }
}

#[test]
fn installed_below_another_root_it_is_found_and_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().to_str().unwrap();
    let vitrine = |args: &[&str]| {
        let ended = run(command(args));
        assert_eq!(ended.code, 0, "{args:?}: {}{}", ended.out, ended.err);
        ended.out
    };
    let told = vitrine(&["install", "--dry-run", "--root", root]);
    assert!(told.contains("would copy this program to ") && told.contains("    | ExecStart=/opt"), "{told}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);

    vitrine(&["install", "--root", root]);
    let at = |path: &str| dir.path().join(path.trim_start_matches('/'));
    let installed = at("/opt/vitrine/current/vitrine");
    let mut version = Command::new(&installed);
    version.arg("--version");
    assert_eq!(run(version).code, 0);
    // What the configuration names is for the root that it will be in.
    let config = std::fs::read_to_string(at(CONFIGURATION)).unwrap();
    for line in [format!("\nsite = {SITE:?}\n"), format!("\ndata = {DATA:?}\n")] {
        assert!(config.contains(&line), "{line}");
    }
    let mut check = Command::new(&installed);
    check.arg("check").arg("--config").arg(at(CONFIGURATION)).arg("--site").arg(at(SITE));
    let checked = run(check);
    assert_eq!(checked.code, 0, "{}{}", checked.out, checked.err);

    let told = vitrine(&["install", "--root", root]);
    assert!(told.contains("nothing is to be done"), "{told}");
    vitrine(&["uninstall", "--purge", "--root", root]);
    for gone in ["/opt/vitrine", "/etc/vitrine", DATA, "/usr/local/bin/vitrine"] {
        assert!(at(gone).symlink_metadata().is_err(), "{gone}");
    }
}
