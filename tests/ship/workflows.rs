//! The workflows say in which order, with which rights and on which condition; what is done is in
//! scripts that run anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use super::images::platforms;
use super::{needed, shipped};
use crate::harness::run;
use crate::packaging::yaml;

const CI: &str = ".github/workflows/ci.yml";
const SHIP: &str = ".github/workflows/ship.yml";
const RELEASE: &str = ".github/workflows/release.yml";
const WORKFLOWS: [&str; 3] = [CI, SHIP, RELEASE];

/// Digits of a commit that is none.
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What lies below a path, by the rest of it.
fn below<'a>(yaml: &'a BTreeMap<String, String>, at: &str) -> BTreeMap<&'a str, &'a str> {
    let inside = yaml.iter().filter_map(|(path, value)| {
        let rest = path.strip_prefix(at)?.strip_prefix('.')?;
        Some((rest, value.as_str()))
    });
    inside.collect()
}

/// The steps of a job in order: what each runs or uses, under which condition.
fn steps(yaml: &BTreeMap<String, String>, job: &str) -> Vec<(String, String)> {
    let steps = below(yaml, &format!("jobs.{job}.steps"));
    let of = |idx: usize, key: &str| steps.get(format!("{idx}.{key}").as_str()).map(ToString::to_string);
    (0..)
        .map_while(|idx| {
            let what = of(idx, "run").or_else(|| of(idx, "uses"))?;
            Some((what, of(idx, "if").unwrap_or_default()))
        })
        .collect()
}

fn jobs(yaml: &BTreeMap<String, String>) -> BTreeSet<&str> {
    yaml.keys().filter_map(|path| path.strip_prefix("jobs.")?.split('.').next()).collect()
}

fn target(reference: &str) -> Option<BTreeMap<String, String>> {
    let mut command = Command::new(shipped(".ci/target"));
    command.args([reference, COMMIT]);
    let ended = run(command);
    if ended.code != 0 {
        assert_eq!(ended.code, 1, "{}", ended.err);
        assert!(ended.err.contains("is deployed nowhere"), "{}", ended.err);
        return None;
    }
    let pairs = ended.out.lines().map(|line| line.split_once('=').unwrap());
    Some(pairs.map(|(name, value)| (name.to_string(), value.to_string())).collect())
}

#[test]
fn a_branch_says_the_environment_and_the_tags() {
    let check = |reference: &str, expect: Option<(&str, &str)>| {
        let found = target(reference);
        let found = found.as_ref().map(|found| {
            assert_eq!(found["immutable"], format!("sha-{COMMIT}"));
            (found["environment"].as_str(), found["tag"].as_str())
        });
        assert_eq!(found, expect, "{reference}");
    };
    for branch in ["main", "master"] {
        check(branch, Some(("production", "latest")));
        check(&format!("refs/heads/{branch}"), Some(("production", "latest")));
    }
    for branch in ["feature", "feature/pdf", "feature/pdf/margins"] {
        check(&format!("refs/heads/{branch}"), Some(("staging", "staging")));
    }
    for other in ["dev", "features", "feature/", "maintenance", "feature-x", ""] {
        check(&format!("refs/heads/{other}"), None);
    }
    for other in ["refs/tags/main", "refs/tags/v1.0.0", "refs/pull/1/merge"] {
        check(other, None);
    }
}

#[test]
fn every_branch_that_ships_has_a_target_and_is_checked_too() {
    let branches = |path: &str| -> BTreeSet<String> {
        below(&yaml(path), "on.push.branches").values().map(ToString::to_string).collect()
    };
    let expect = ["main", "master", "feature", "feature/**"].map(String::from);
    assert_eq!(branches(SHIP), BTreeSet::from(expect));
    assert_eq!(branches(CI), branches(SHIP));
    for branch in branches(SHIP) {
        assert!(target(&branch.replace("**", "a/b")).is_some(), "{branch} has no target");
    }
    let ci = yaml(CI);
    for branch in ["main", "master"] {
        let cancels = &ci["concurrency.cancel-in-progress"];
        assert!(cancels.contains(&format!("refs/heads/{branch}\"")), "{branch}: {cancels}");
    }
    assert_eq!(steps(&ci, "check").last().unwrap().0, ".ci/run");
    assert_eq!(steps(&ci, "audit").last().unwrap().0, ".ci/audit");
    assert_eq!(steps(&ci, "stack").last().unwrap().0, ".ci/stack");
}

#[test]
fn one_image_is_tested_built_deployed_and_only_then_tagged() {
    let ship = yaml(SHIP);
    assert_eq!(jobs(&ship), BTreeSet::from(["build", "host", "index", "retag", "target", "test"]));
    let needs = |job: &str| -> Vec<&str> {
        let list = below(&ship, &format!("jobs.{job}.needs"));
        list.values().copied().chain(ship.get(&format!("jobs.{job}.needs")).map(String::as_str)).collect()
    };
    assert_eq!(needs("test"), ["target"]);
    assert_eq!(needs("build"), ["target", "test"]);
    assert_eq!(needs("index"), ["target", "build"]);
    assert_eq!(needs("host"), ["target", "index"]);
    assert_eq!(needs("retag"), ["target", "host"]);
    assert_eq!(ship["jobs.retag.if"], "!cancelled() && needs.host.result == 'success'");
    let runs = |job: &str| steps(&ship, job).into_iter().map(|(what, _)| what).skip(1).collect::<Vec<_>>();
    assert_eq!(runs("target"), [r#".ci/output .ci/target "$GITHUB_REF" "$GITHUB_SHA""#]);
    assert_eq!(runs("test"), [".ci/run"]);
    assert_eq!(runs("build"), [".ci/login", r#".ci/image "$TAG" "$GITHUB_SHA" "$SOURCE""#]);
    assert_eq!(runs("index"), [".ci/login", r#".ci/output .ci/index "$TAG""#]);
    assert_eq!(runs("retag"), [".ci/login", r#".ci/retag "$IMAGE" "$TAG""#]);
    // What is built carries the tag that never moves; what is deployed is its digest; the tag that
    // moves is the environment's.
    for job in ["build", "index"] {
        assert_eq!(ship[&format!("jobs.{job}.env.TAG")], "${{ needs.target.outputs.immutable }}");
        assert_eq!(ship[&format!("jobs.{job}.env.IMAGE")], "${{ vars.IMAGE }}");
    }
    assert_eq!(ship["jobs.index.outputs.image"], "${{ steps.index.outputs.image }}");
    let deploy =
        below(&ship, "jobs.host.steps").into_iter().find(|(_, value)| value.starts_with(".ci/remote deploy"));
    let image = deploy.unwrap().0.replace(".run", ".env.IMAGE");
    assert_eq!(ship[&format!("jobs.host.steps.{image}")], "${{ needs.index.outputs.image }}");
    assert_eq!(ship["jobs.retag.env.IMAGE"], "${{ needs.host.outputs.image }}");
    assert_eq!(ship["jobs.retag.env.TAG"], "${{ needs.target.outputs.tag }}");
    for job in ["build", "index", "retag"] {
        assert_eq!(ship[&format!("jobs.{job}.env.REGISTRY")], "${{ vars.REGISTRY }}");
    }
    assert_eq!(ship["jobs.target.if"], "vars.IMAGE != ''", "who ships nothing is left alone");
}

#[test]
fn each_platform_has_a_machine_of_its_own_and_hands_nothing_on_by_outputs() {
    for path in [SHIP, RELEASE] {
        let workflow = yaml(path);
        let matrix = below(&workflow, "jobs.build.strategy.matrix");
        // GitHub's names: a machine of arm64 ends so, one of amd64 in nothing.
        let runners = platforms().into_iter().map(|platform| match platform.as_str() {
            "amd64" => "ubuntu-24.04".to_string(),
            other => format!("ubuntu-24.04-{}", other.trim_end_matches("64")),
        });
        assert_eq!(matrix.into_values().collect::<Vec<_>>(), runners.collect::<Vec<_>>(), "{path}");
        assert_eq!(workflow["jobs.build.runs-on"], "${{ matrix.runner }}", "{path}");
        // Of a matrix, the last machine's output would stand for all.
        assert!(below(&workflow, "jobs.build.outputs").is_empty(), "{path}");
    }
    assert_eq!(yaml(SHIP)["jobs.build.strategy.fail-fast"], "false", "what one built stays");
}

#[test]
fn a_release_is_published_when_every_platform_is_built() {
    let release = yaml(RELEASE);
    assert_eq!(jobs(&release), BTreeSet::from(["build", "publish", "test"]));
    assert_eq!(release["jobs.build.needs"], "test");
    assert_eq!(release["jobs.publish.needs"], "build");
    let what = |job: &str| steps(&release, job).into_iter().map(|(what, _)| what).skip(1).collect::<Vec<_>>();
    let (build, publish) = (what("build"), what("publish"));
    assert_eq!(build[0], r#".ci/binary "$GITHUB_REF_NAME" dist"#);
    assert!(build[1].starts_with("actions/upload-artifact@"), "{build:?}");
    assert!(publish[0].starts_with("actions/download-artifact@"), "{publish:?}");
    assert_eq!(publish[1], r#".ci/release "$GITHUB_REF_NAME" dist"#);
    // By one name the second machine's would be refused or replace the first's.
    assert_eq!(release["jobs.build.steps.2.with.name"], "${{ matrix.runner }}");
    assert_eq!(release["jobs.build.steps.2.with.if-no-files-found"], "error");
    for (job, idx) in [("build", 2), ("publish", 1)] {
        assert_eq!(release[&format!("jobs.{job}.steps.{idx}.with.path")], "dist");
    }
    assert_eq!(release["jobs.publish.steps.1.with.merge-multiple"], "true");
}

#[test]
fn a_deploy_that_failed_or_was_cancelled_is_left_to_the_host_to_decide() {
    let steps = steps(&yaml(SHIP), "host");
    let at = |beginning: &str| {
        let found = steps.iter().position(|(what, _)| what.starts_with(beginning));
        let idx = found.unwrap_or_else(|| panic!("no step {beginning} among {steps:#?}"));
        (idx, steps[idx].0.as_str(), steps[idx].1.as_str())
    };
    let deploy = r#".ci/remote deploy "$IMAGE" --run "$RUN" --env "$ENVIRONMENT""#;
    assert_eq!(
        at(".ci/newest"),
        (1, r#".ci/newest "$GITHUB_REF" "$GITHUB_SHA""#, "inputs.action != 'rollback'")
    );
    assert_eq!(at(".ci/remote deploy"), (2, deploy, "inputs.action != 'rollback'"));
    let rollback = r#".ci/remote rollback "$DIGEST" --run "$RUN""#;
    assert_eq!(at(".ci/remote rollback"), (3, rollback, "inputs.action == 'rollback'"));
    assert_eq!(at(".ci/output").1, ".ci/output .ci/remote current");
    let ensure = (steps.len() - 1, r#".ci/remote ensure "$RUN""#, "failure() || cancelled()");
    assert_eq!(at(".ci/remote ensure"), ensure);
}

#[test]
fn each_environment_has_one_attempt_at_a_time_and_a_manual_rollback() {
    let ship = yaml(SHIP);
    let environment = "${{ needs.target.outputs.environment }}";
    assert_eq!(ship["jobs.host.environment"], environment);
    assert_eq!(ship["jobs.host.env.ENVIRONMENT"], environment);
    // By the environment, not the branch: main and master are both production.
    assert_eq!(ship["jobs.host.concurrency.group"], format!("ship-{environment}"));
    assert_eq!(ship["jobs.host.concurrency.cancel-in-progress"], "false");
    // A second attempt of a run is another run to the host.
    assert_eq!(ship["jobs.host.env.RUN"], "${{ github.run_id }}-${{ github.run_attempt }}");

    let actions = below(&ship, "on.workflow_dispatch.inputs.action.options");
    assert_eq!(actions.into_values().collect::<Vec<_>>(), ["deploy", "rollback"]);
    assert_eq!(ship["on.workflow_dispatch.inputs.digest.type"], "string");
    assert_eq!(ship["jobs.test.if"], "inputs.action != 'rollback'", "a rollback waits for no test");
    let condition = "!cancelled() && needs.target.result == 'success' && \
                     (needs.index.result == 'success' || inputs.action == 'rollback')";
    assert_eq!(ship["jobs.host.if"], condition);
}

#[test]
fn each_job_has_the_rights_that_it_needs() {
    let check = |path: &str, job: &str, expect: &[(&str, &str)]| {
        let rights = yaml(path);
        let rights = below(&rights, &format!("jobs.{job}.permissions"));
        assert_eq!(rights, BTreeMap::from_iter(expect.iter().copied()), "{path}: {job}");
    };
    let read = ("contents", "read");
    for job in ["target", "test", "host"] {
        check(SHIP, job, &[read]);
    }
    for job in ["build", "index", "retag"] {
        check(SHIP, job, &[read, ("packages", "write")]);
    }
    for job in ["test", "build"] {
        check(RELEASE, job, &[read]);
    }
    check(RELEASE, "publish", &[("contents", "write")]);
    for path in [SHIP, RELEASE] {
        let text = std::fs::read_to_string(shipped(path)).unwrap();
        assert!(text.contains("\npermissions: {}\n"), "{path} gives rights to a job that names none");
    }
    let ci = yaml(CI);
    assert_eq!(below(&ci, "permissions"), BTreeMap::from([read]));
    assert!(!ci.keys().any(|path| path.contains(".permissions.")), "no job of it may do more");
    // The key to the host is where the host is spoken to, and nowhere else.
    let holders: Vec<String> = yaml(SHIP)
        .into_iter()
        .filter(|(_, value)| value.contains("secrets.") && !value.contains("REGISTRY_PASSWORD"))
        .map(|(path, _)| path)
        .collect();
    assert_eq!(holders, ["jobs.host.env.SSH_KEY"]);
}

#[test]
fn actions_are_pinned_by_commit_and_keep_no_credential() {
    for path in WORKFLOWS {
        let workflow = yaml(path);
        let pins: Vec<_> = workflow.iter().filter(|(path, _)| path.ends_with(".uses")).collect();
        assert!(!pins.is_empty(), "{path}");
        for (at, action) in pins {
            let commit = action.split_once('@').map(|(_, commit)| commit).unwrap_or_default();
            assert!(commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()), "{at}: {action}");
            let keeps = workflow.get(&at.replace(".uses", ".with.persist-credentials"));
            let expect = action.starts_with("actions/checkout@").then_some("false");
            assert_eq!(keeps.map(String::as_str), expect, "{path}: {at}");
        }
        for job in jobs(&workflow) {
            assert!(workflow.contains_key(&format!("jobs.{job}.timeout-minutes")), "{path}: {job}");
            // One Rust everywhere; that it is the manifest's is tested beside the Dockerfile.
            if let Some(image) = workflow.get(&format!("jobs.{job}.container")) {
                assert_eq!(*image, yaml(CI)["jobs.check.container"], "{path}: {job}");
            }
        }
    }
}

#[test]
fn a_step_is_one_call_of_a_script() {
    for path in WORKFLOWS {
        for (at, step) in yaml(path).iter().filter(|(at, _)| at.ends_with(".run")) {
            assert!(!step.contains(['\n', '|', '&', ';', '<', '>', '`', '(']), "{path}: {at}: {step}");
            // A value belongs into the environment: here the shell would read it.
            assert!(!step.contains("${{"), "{path}: {at}: {step}");
            for script in step.split(' ').filter(|word| word.starts_with(".ci/")) {
                assert!(shipped(script).exists(), "{path}: {at}: there is no {script}");
            }
            assert!(step.starts_with(".ci/"), "{path}: {at}: {step}");
        }
    }
}

#[test]
fn actionlint_accepts_the_workflows() {
    let installed = || {
        let mut go = Command::new("go");
        go.args(["env", "GOPATH"]);
        let path = run(go).out;
        Some(Path::new(path.trim()).join("bin/actionlint")).filter(|path| path.is_file())
    };
    let has_go = crate::browser::program("go").is_some();
    let Some(actionlint) = has_go.then(installed).flatten().or_else(|| needed("actionlint")) else { return };
    let lint = |path: &Path| {
        let mut command = Command::new(&actionlint);
        command.arg("-no-color").arg(path).current_dir(shipped("."));
        run(command)
    };
    for path in WORKFLOWS {
        let ended = lint(&shipped(path));
        assert_eq!((ended.code, ended.out.as_str()), (0, ""), "{path}: {}", ended.err);
    }
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("wrong.yml");
    let text = std::fs::read_to_string(shipped(SHIP)).unwrap();
    std::fs::write(&copy, text.replace("needs.index.outputs.image", "needs.index.outputs.imag")).unwrap();
    assert_eq!(lint(&copy).code, 1, "an output that no job has was accepted");
}

#[test]
fn shellcheck_accepts_the_scripts() {
    let Some(shellcheck) = needed("shellcheck") else { return };
    let mut command = Command::new(shellcheck);
    command.arg("--severity=warning").arg(shipped("tests/fixtures/ship/stub"));
    let scripts = std::fs::read_dir(shipped(".ci")).unwrap();
    command.args(scripts.map(|entry| entry.unwrap().path()));
    let ended = run(command);
    assert_eq!((ended.code, ended.out.as_str()), (0, ""));
}

#[test]
fn an_older_commit_does_not_come_after_a_newer_one() {
    let dir = tempfile::tempdir().unwrap();
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=t", "-c", "user.email=t@example.org"]).args(args).current_dir(dir.path());
        let ended = run(git);
        assert_eq!(ended.code, 0, "{}", ended.err);
        ended.out.trim().to_string()
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["commit", "-q", "--allow-empty", "-m", "one"]);
    let one = git(&["rev-parse", "HEAD"]);
    git(&["remote", "add", "origin", "."]);
    let newest = |commit: &str| {
        let mut command = Command::new(shipped(".ci/newest"));
        command.args(["refs/heads/main", commit]).current_dir(dir.path());
        run(command)
    };
    assert_eq!(newest(&one).code, 0);
    git(&["commit", "-q", "--allow-empty", "-m", "two"]);
    let ended = newest(&one);
    assert!(ended.code == 1 && ended.err.contains("by now, so"), "{}", ended.err);
    assert_eq!(newest(&git(&["rev-parse", "HEAD"])).code, 0);
}

#[test]
fn outputs_of_a_failed_script_are_no_outputs() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("output");
    let check = |script: &str, code: i32| {
        let mut command = Command::new(shipped(".ci/output"));
        command.args(["sh", "-c", script]).env("GITHUB_OUTPUT", &file);
        assert_eq!(run(command).code, code, "{script}");
    };
    check("echo image=a; exit 3", 3);
    assert!(!file.exists());
    check("echo tag=a; echo environment=b", 0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "tag=a\nenvironment=b\n");
}
