//! The files of the compose stack, read by the programs that they are for.
//!
//! Each test needs its program: `promtool` of Prometheus 3, Loki 3, a Compose and a HAProxy of
//! version 2 or later, named by `PROMTOOL_BIN`, `LOKI_BIN`, `COMPOSE_BIN` and `HAPROXY_BIN` or found in the path. Where it is
//! missing, or is something else by that name, the test says that it skips, unless
//! `VITRINE_REQUIRE` names it: then that is a failure. No network and no engine is needed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::browser::program;
use crate::harness::{Ended, run};
use crate::packaging::yaml;

/// A program that somebody else makes.
pub struct Tool {
    pub name: &'static str,
    /// The environment's variable that names it.
    pub variable: &'static str,
    /// How it is asked for its version.
    pub version: &'static [&'static str],
    /// What the answer begins with; the version follows.
    pub greeting: &'static str,
    /// Older ones cannot read our files.
    pub oldest: u32,
}

/// Debian 12's is of Prometheus 2, which knows no `otlp:` section.
pub const PROMTOOL: Tool = Tool {
    name: "promtool",
    variable: "PROMTOOL_BIN",
    version: &["--version"],
    greeting: "promtool, version",
    oldest: 3,
};

/// Debian's package `loki` computes genetic linkage.
pub const LOKI: Tool =
    Tool { name: "loki", variable: "LOKI_BIN", version: &["-version"], greeting: "loki, version", oldest: 3 };

/// The one in Python was version 1.
const COMPOSE: Tool = Tool {
    name: "docker-compose",
    variable: "COMPOSE_BIN",
    version: &["version"],
    greeting: "Docker Compose version",
    oldest: 2,
};

const HAPROXY: Tool = Tool {
    name: "haproxy",
    variable: "HAPROXY_BIN",
    version: &["-v"],
    greeting: "HAProxy version",
    oldest: 2,
};

impl Tool {
    /// Returns the program when it is there and new enough; else says that it skips.
    pub fn find(&self) -> Option<PathBuf> {
        let found = std::env::var_os(self.variable).map(PathBuf::from).or_else(|| program(self.name));
        let missing = match &found {
            None => format!("there is no {}", self.name),
            Some(path) => {
                let mut command = Command::new(path);
                command.args(self.version);
                let ended = run(command);
                if self.accepts(&ended.out) {
                    return found;
                }
                let answer = format!("{}{}", ended.out, ended.err);
                format!("{} is another: {}", path.display(), answer.lines().next().unwrap_or_default())
            }
        };
        let required = std::env::var("VITRINE_REQUIRE").unwrap_or_default();
        let is_required = required.split(',').any(|name| name.trim() == self.name);
        assert!(!is_required, "VITRINE_REQUIRE names {}, but {missing}", self.name);
        println!("skipped: the test with {} {} or later, {missing}", self.name, self.oldest);
        None
    }

    /// Whether an answer is this program's, new enough or built without a version.
    fn accepts(&self, answer: &str) -> bool {
        let Some(rest) = answer.strip_prefix(self.greeting) else { return false };
        let version = rest.trim_start().trim_start_matches('v');
        let major: String = version.chars().take_while(char::is_ascii_digit).collect();
        major.is_empty() || major.parse::<u32>().is_ok_and(|major| major >= self.oldest)
    }
}

/// Returns a Python that has a module, the one that `VITRINE_PYTHON` names or else the one in
/// the path; else says that it skips, unless `VITRINE_REQUIRE` names the module.
pub fn python_with(module: &str) -> Option<String> {
    let python = std::env::var("VITRINE_PYTHON").unwrap_or_else(|_| "python3".to_string());
    let probe = Command::new(&python).args(["-c", &format!("import {module}")]).output();
    if probe.is_ok_and(|probe| probe.status.success()) {
        return Some(python);
    }
    let required = std::env::var("VITRINE_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|name| name.trim() == module);
    assert!(!is_required, "VITRINE_REQUIRE names {module}, but {python} has no such module");
    println!("skipped: the test needs a Python with the module {module}");
    None
}

#[test]
fn another_program_by_the_name_is_not_taken() {
    let check =
        |tool: &Tool, answer: &str, expect: bool| assert_eq!(tool.accepts(answer), expect, "{answer}");
    check(&LOKI, "loki, version 3.7.7 (branch: HEAD, revision: 1)", true);
    check(&LOKI, "loki, version  (branch: , revision: 1)", true);
    check(&LOKI, "loki, version 2.9.0 (branch: HEAD)", false);
    check(&LOKI, "loki 2.4.7_6, a package for multipoint linkage", false);
    check(&PROMTOOL, "promtool, version 2.42.0+ds (branch: debian/sid)", false);
    check(&PROMTOOL, "promtool, version 3.14.0 (branch: HEAD)", true);
    check(&COMPOSE, "Docker Compose version v2.40.3", true);
    check(&COMPOSE, "docker-compose version 1.29.2, build unknown", false);
}

fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs a tool on a shipped file, `FILE` in its arguments, and on a copy with a fault: it must
/// accept one and refuse the other, or it does not read what we think it reads.
fn accepts_only_the_file(program: &Path, args: &[&str], file: &str, word: &str, wrong: &str) {
    let on = |path: &Path| {
        let mut command = Command::new(program);
        command.args(args.iter().map(|arg| arg.replace("FILE", path.to_str().unwrap())));
        run(command)
    };
    let ended = on(&shipped(file));
    assert_eq!(ended.code, 0, "{file}: {}{}", ended.out, ended.err);
    let text = std::fs::read_to_string(shipped(file)).unwrap();
    assert!(text.contains(word), "{file} has no {word}");
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("wrong.yml");
    std::fs::write(&copy, text.replace(word, wrong)).unwrap();
    let ended = on(&copy);
    assert_ne!(ended.code, 0, "{wrong} instead of {word} was accepted: {}{}", ended.out, ended.err);
}

#[test]
fn prometheus_accepts_its_configuration() {
    let Some(promtool) = PROMTOOL.find() else { return };
    let wrong = "keep_identifying_resource_attribute:";
    let word = "keep_identifying_resource_attributes:";
    accepts_only_the_file(&promtool, &["check", "config", "FILE"], "grafana/prometheus.yml", word, wrong);
}

#[test]
fn loki_accepts_its_configuration() {
    let Some(loki) = LOKI.find() else { return };
    let args = ["-verify-config", "-config.file=FILE"];
    accepts_only_the_file(&loki, &args, "grafana/loki.yml", "retention_enabled:", "retention_on:");

    // Of its limits Loki passes over names that it does not know; so they are looked for in
    // what it prints of the configuration in force.
    let mut command = Command::new(loki);
    let file = shipped("grafana/loki.yml");
    command.args(["-verify-config", "-print-config-stderr"]).arg(format!("-config.file={}", file.display()));
    let in_force = run(command).err;
    let limits = in_force.split("\nlimits_config:\n").nth(1).expect("the limits in force are printed");
    let known: Vec<&str> =
        limits.lines().take_while(|line| line.starts_with(' ')).map(str::trim_start).collect();
    let shipped = yaml("grafana/loki.yml");
    let ours = shipped.keys().filter_map(|path| path.strip_prefix("limits_config.")?.split('.').next());
    let unknown: Vec<&str> =
        ours.filter(|name| !known.iter().any(|line| line.starts_with(&format!("{name}:")))).collect();
    assert!(unknown.is_empty() && known.len() > 50, "Loki knows no {unknown:?} among {} lines", known.len());
}

#[test]
fn haproxy_accepts_its_configuration() {
    let Some(haproxy) = HAPROXY.find() else { return };
    accepts_only_the_file(&haproxy, &["-c", "-f", "FILE"], "grafana/haproxy.cfg", "leastconn", "leastbusy");
}

/// Runs `config` on the shipped compose file with an environment file of this text.
fn compose_config(program: &Path, env: &str, profile: &str) -> Ended {
    let dir = tempfile::tempdir().unwrap();
    let env_file = dir.path().join("env");
    std::fs::write(&env_file, env).unwrap();
    let mut command = Command::new(program);
    command.env_clear().env("HOME", dir.path()).arg("--env-file").arg(&env_file);
    command.arg("--file").arg(shipped("docker-compose.yml")).args([
        "--profile",
        profile,
        "config",
        "--format",
        "json",
    ]);
    run(command)
}

/// The sample file with its passwords filled in, as a person would.
fn filled_in_env() -> String {
    let sample = std::fs::read_to_string(shipped(".env.example")).unwrap();
    let lines = sample.lines().map(|line| match line.trim_start_matches('#').split_once("_PASSWORD=") {
        Some((name, "")) => format!("{name}_PASSWORD=of-this-test"),
        _ => line.to_string(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn compose_accepts_its_file_once_the_sample_passwords_are_set() {
    let Some(compose) = COMPOSE.find() else { return };
    let ended = compose_config(&compose, &std::fs::read_to_string(shipped(".env.example")).unwrap(), "");
    assert_ne!(ended.code, 0, "there is no default password");
    let lines: Vec<&str> = ended.err.lines().collect();
    assert!(lines.len() == 1 && lines[0].ends_with("set GRAFANA_PASSWORD in .env"), "{lines:?}");

    for profile in ["", "scale"] {
        let ended = compose_config(&compose, &filled_in_env(), profile);
        assert_eq!((ended.code, ended.err.as_str()), (0, ""));
        let config: Value = serde_json::from_str(&ended.out).unwrap();
        let environment =
            |service: &str, name: &str| config["services"][service]["environment"][name].clone();
        assert_eq!(environment("grafana", "GF_SECURITY_ADMIN_PASSWORD"), "of-this-test");
        assert_eq!(environment("grafana", "VITRINE_ADMIN_PASSWORD"), "of-this-test");
        assert_eq!(environment("vitrine", "VITRINE_ADMIN_PASSWORD"), "of-this-test");
        for (service, settings) in config["services"].as_object().unwrap() {
            assert_eq!(settings["restart"], "unless-stopped", "{service}");
            assert_eq!(settings["logging"]["driver"], "local", "{service}");
            for volume in settings["volumes"].as_array().into_iter().flatten() {
                let source = Path::new(volume["source"].as_str().unwrap());
                let is_ours = volume["type"] == "bind" && !source.ends_with("site");
                assert!(
                    !is_ours || source.exists(),
                    "{service} mounts {} which is not there",
                    source.display()
                );
                assert!(!is_ours || volume["read_only"] == true, "{service} may write {}", source.display());
            }
        }
    }
}

#[test]
fn the_three_behind_the_balancer_keep_their_own_data_and_publish_nothing() {
    let Some(compose) = COMPOSE.find() else { return };
    let config: Value =
        serde_json::from_str(&compose_config(&compose, &filled_in_env(), "scale").out).unwrap();
    let mut volumes = BTreeSet::new();
    for service in ["vitrine", "vitrine-1", "vitrine-2", "vitrine-3"] {
        let settings = &config["services"][service];
        let is_published = settings["ports"].as_array().is_some_and(|ports| !ports.is_empty());
        assert_eq!(is_published, service == "vitrine", "{service}");
        let data = settings["volumes"].as_array().unwrap().iter().find(|volume| volume["target"] == "/data");
        assert!(volumes.insert(data.unwrap()["source"].to_string()), "{service} has another's data");
    }
    assert_eq!(config["services"]["balancer"]["ports"][0]["published"], "2727");
}
