//! `.ci/ship` on a host: deploys, failures, and the way back from each.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::shipped;
use crate::harness::{Ended, run, wait_until};

/// Names an image of the stub; the kind is the first digit of its digest, see
/// `tests/fixtures/ship/stub`.
pub fn image(kind: char, number: usize) -> String {
    format!("registry.example/o/vitrine@sha256:{kind}{number:063}")
}

fn digest(image: &str) -> &str {
    image.split_once('@').unwrap().1
}

/// A folder with the compose file and the script, and a `docker` that is the stub.
pub struct Host {
    root: tempfile::TempDir,
}

impl Host {
    pub fn new() -> Host {
        let res = Host::bare();
        std::fs::create_dir(res.dir().join(".ci")).unwrap();
        std::fs::copy(shipped(".ci/ship"), res.dir().join(".ci/ship")).unwrap();
        std::fs::copy(shipped("docker-compose.yml"), res.dir().join("docker-compose.yml")).unwrap();
        std::fs::write(res.dir().join(".env"), "GRAFANA_PASSWORD=of-this-test").unwrap();
        res
    }

    /// A host that nothing was ever copied to.
    pub fn bare() -> Host {
        let root = tempfile::tempdir().unwrap();
        for folder in ["host", "bin", "stub", "stub/images"] {
            std::fs::create_dir(root.path().join(folder)).unwrap();
        }
        for name in ["docker", "mv"] {
            symlink(shipped("tests/fixtures/ship/stub"), root.path().join("bin").join(name)).unwrap();
        }
        Host { root }
    }

    /// A host with a good image in force.
    fn with(image: &str) -> Host {
        let res = Host::new();
        res.deploys(image);
        res
    }

    /// The same host in other folders.
    fn copy(&self) -> Host {
        let root = tempfile::tempdir().unwrap();
        let mut copy = Command::new("cp");
        copy.arg("-a").arg(self.root.path().join(".")).arg(root.path());
        assert_eq!(run(copy).code, 0);
        Host { root }
    }

    pub fn dir(&self) -> PathBuf {
        self.root.path().join("host")
    }

    pub fn stub(&self) -> PathBuf {
        self.root.path().join("stub")
    }

    /// The search path whose `docker` is the stub.
    pub fn path(&self) -> String {
        format!("{}:{}", self.root.path().join("bin").display(), std::env::var("PATH").unwrap())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.dir().join(".ci/ship"));
        command.args(args).stdin(Stdio::null()).env("PATH", self.path()).env("STUB", self.stub());
        // A slow machine must not decide what a test sees, nor must a test wait for nothing.
        command.env("SHIP_DEADLINE", "2").env("SHIP_INTERVAL", "0").env_remove("GITHUB_OUTPUT");
        command
    }

    fn ship(&self, args: &[&str]) -> Ended {
        run(self.command(args))
    }

    #[track_caller]
    fn deploys(&self, image: &str) {
        let ended = self.ship(&["deploy", image, "--run", "earlier"]);
        assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root.path().join(path)).unwrap_or_default()
    }

    /// What the engine runs.
    pub fn runs(&self) -> String {
        self.read("stub/container").trim().to_string()
    }

    /// What a tag names.
    fn tagged(&self, tag: &str) -> String {
        self.read(&format!("stub/images/registry.example_o_vitrine_{tag}")).trim().to_string()
    }

    fn has(&self, image: &str) -> bool {
        self.stub().join("images").join(image.replace(['/', ':'], "_")).exists()
    }

    pub fn history(&self) -> Vec<Value> {
        let lines = self.read("host/.ship/history.jsonl");
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn last(&self) -> Value {
        self.history().pop().expect("something happened here")
    }

    fn calls(&self, beginning: &str) -> usize {
        self.read("stub/calls").lines().filter(|line| line.starts_with(beginning)).count()
    }

    fn env_file(&self) -> String {
        self.read("host/.env")
    }

    /// Asserts that this image is in force by every account, and nothing is unfinished.
    #[track_caller]
    fn settled_on(&self, image: &str) {
        assert_eq!(self.runs(), image);
        assert_eq!(self.ship(&["current"]).out, format!("image={image}\n"));
        assert!(self.env_file().contains(&format!("VITRINE_IMAGE={image}\n")), "{}", self.env_file());
        let left: Vec<_> = ["step", "worker", "docker-compose.yml.before"]
            .into_iter()
            .filter(|name| self.dir().join(".ship").join(name).exists())
            .collect();
        assert!(left.is_empty(), "{left:?} were left behind");
        let status = self.ship(&["status"]);
        assert_eq!(status.code, 0, "{}", status.out);
        assert!(status.out.contains("\nhealthy\n") && !status.out.contains("was cut off"), "{}", status.out);
    }
}

#[test]
fn a_good_image_is_put_in_force_by_digest_and_written_down() {
    let (one, two) = (image('1', 1), image('2', 2));
    let host = Host::with(&one);
    assert_eq!(host.tagged("rollback"), "", "there is nothing to go back to yet");
    let ended = host.ship(&["deploy", &two, "--run", "7-1", "--env", "production"]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    host.settled_on(&two);
    assert_eq!(host.tagged("rollback"), one);
    let last = host.last();
    for (key, value) in [
        ("command", "deploy"),
        ("run", "7-1"),
        ("env", "production"),
        ("image", &two),
        ("from", &one),
        ("outcome", "ok"),
        ("bad", ""),
    ] {
        assert_eq!(last[key], *value, "{last}");
    }
    assert!(last["seconds"].is_u64() && last["time"].as_str().unwrap().ends_with('Z'), "{last}");
    assert_eq!(
        host.env_file().lines().next(),
        Some("GRAFANA_PASSWORD=of-this-test"),
        "the owner's lines stay"
    );
    assert_eq!(host.calls("compose exec -T vitrine /usr/local/bin/vitrine health"), 5 + 5 + 1);
    let list = host.ship(&["list"]);
    assert!(list.out.contains(&format!("ok          {one}")) && list.out.contains("* 20"), "{}", list.out);
}

#[test]
fn only_the_one_service_is_replaced() {
    let host = Host::with(&image('1', 1));
    let calls = host.read("stub/calls");
    let ups: Vec<&str> = calls.lines().filter(|call| call.starts_with("compose up")).collect();
    assert_eq!(ups, ["compose up -d --no-deps --no-build --wait --wait-timeout 2 vitrine"]);
}

#[track_caller]
fn goes_back_from(bad: &str, reason: &str) {
    let (one, two) = (image('1', 1), image('2', 2));
    let host = Host::with(&one);
    host.deploys(&two);
    let ended = host.ship(&["deploy", bad, "--run", "7-1"]);
    assert_eq!(ended.code, 1, "{}{}", ended.out, ended.err);
    host.settled_on(&two);
    assert_eq!(host.tagged("rollback"), one, "the tag moves only after health passed");
    assert!(host.has(&one) && host.has(&two), "what can be gone back to stays");
    let last = host.last();
    assert_eq!(
        (&last["outcome"], &last["bad"], &last["reason"]),
        (&"rolled_back".into(), &bad.into(), &reason.into())
    );
    let lines = ended.out.lines().filter(|line| line.starts_with(&format!("line of {bad}: "))).count();
    assert_eq!(lines, 50, "{}", ended.out);
    assert!(ended.out.contains(": 60\n") && !ended.out.contains(": 10\n"), "{}", ended.out);
    // Back already: asking again changes nothing.
    assert_eq!(host.ship(&["ensure", "7-1"]).code, 0);
    host.settled_on(&two);
    assert_eq!(host.history().len(), 3);
}

#[test]
fn an_image_that_never_becomes_healthy_is_taken_back() {
    goes_back_from(&image('b', 3), "not healthy within 2 s");
}

#[test]
fn an_image_that_is_healthy_for_a_moment_is_taken_back() {
    goes_back_from(&image('c', 3), "healthy at first, then not");
}

#[test]
fn an_image_that_restarts_is_taken_back() {
    goes_back_from(&image('d', 3), "healthy at first, then not");
}

#[test]
fn what_cannot_be_pulled_changes_nothing() {
    let one = image('1', 1);
    let host = Host::with(&one);
    let ended = host.ship(&["deploy", &image('e', 2)]);
    assert_eq!(ended.code, 1);
    assert!(ended.out.contains("could not be pulled; nothing changed"), "{}", ended.out);
    host.settled_on(&one);
    assert_eq!((host.last()["outcome"].clone(), host.calls("compose up")), ("failed".into(), 1));
    assert_eq!(host.last()["bad"], "", "the registry is to blame, not the image");
}

#[test]
fn when_the_way_back_fails_too_the_exit_says_so_and_the_next_command_tries_again() {
    let one = image('1', 1);
    let host = Host::with(&one);
    std::fs::write(host.stub().join("sick"), "").unwrap();
    let ended = host.ship(&["deploy", &image('2', 2), "--run", "7-1"]);
    assert_eq!(ended.code, 2, "{}{}", ended.out, ended.err);
    assert_eq!(host.last()["outcome"], "stuck");
    assert_eq!(host.ship(&["ensure", "7-1"]).code, 2, "still sick");
    let status = host.ship(&["status"]);
    assert!(status.out.contains("was cut off at: undo"), "{}", status.out);
    std::fs::remove_file(host.stub().join("sick")).unwrap();
    assert_eq!(host.ship(&["ensure", "7-1"]).code, 0);
    host.settled_on(&one);
}

#[test]
fn ensure_starts_again_what_a_failed_attempt_found_unhealthy() {
    let one = image('1', 1);
    let host = Host::with(&one);
    std::fs::remove_file(host.stub().join("container")).unwrap();
    assert_eq!(host.ship(&["deploy", &image('e', 2), "--run", "7-1"]).code, 1);
    assert_eq!(host.ship(&["ensure", "7-1"]).code, 0);
    host.settled_on(&one);
}

#[test]
fn a_deploy_mends_what_could_not_be_undone() {
    let host = Host::with(&image('1', 1));
    std::fs::write(host.stub().join("sick"), "").unwrap();
    assert_eq!(host.ship(&["deploy", &image('b', 2)]).code, 2);
    std::fs::remove_file(host.stub().join("sick")).unwrap();
    host.deploys(&image('3', 3));
    host.settled_on(&image('3', 3));
}

#[test]
fn a_failed_first_deploy_leaves_nothing() {
    let host = Host::new();
    let ended = host.ship(&["deploy", &image('b', 1)]);
    assert_eq!(ended.code, 1, "{}{}", ended.out, ended.err);
    assert_eq!((host.runs().as_str(), host.env_file().as_str()), ("", "GRAFANA_PASSWORD=of-this-test\n"));
    assert_eq!(host.ship(&["status"]).code, 1);
}

#[test]
fn what_ran_before_the_first_deploy_can_be_gone_back_to() {
    let host = Host::new();
    std::fs::write(host.stub().join("images/vitrine_local"), "vitrine:local").unwrap();
    std::fs::write(host.stub().join("container"), "vitrine:local").unwrap();
    assert_eq!(host.ship(&["deploy", &image('b', 1)]).code, 1);
    host.settled_on("vitrine:before-ship");
    host.deploys(&image('2', 2));
    assert_eq!(host.ship(&["rollback"]).code, 0);
    host.settled_on("vitrine:before-ship");
}

#[test]
fn a_tag_is_refused() {
    let host = Host::with(&image('1', 1));
    let check = |args: &[&str]| {
        let ended = host.ship(args);
        assert_eq!(ended.code, 2, "{args:?}");
        assert!(ended.err.contains("a tag may name another image tomorrow"), "{}", ended.err);
    };
    check(&["deploy", "registry.example/o/vitrine:latest"]);
    check(&["deploy", "registry.example/o/vitrine"]);
    check(&["deploy", "registry.example/o/vitrine@sha256:abc"]);
    check(&["deploy", &format!("registry.example/o/$(id)@sha256:{:064}", 1)]);
    check(&["rollback", "latest"]);
    host.settled_on(&image('1', 1));
}

#[test]
fn a_host_of_another_environment_is_refused() {
    let one = image('1', 1);
    let host = Host::new();
    assert_eq!(host.ship(&["deploy", &one, "--env", "production"]).code, 0);
    let ended = host.ship(&["deploy", &image('2', 2), "--env", "staging"]);
    assert_eq!(ended.code, 1);
    assert!(ended.out.contains("this host is production, not staging"), "{}", ended.out);
    host.settled_on(&one);
}

#[test]
fn a_compose_file_goes_into_force_with_its_image_and_back_with_it() {
    let one = image('1', 1);
    let host = Host::with(&one);
    let before = host.read("host/docker-compose.yml");
    let arrives = |text: &str| std::fs::write(host.dir().join("new.yml"), text).unwrap();
    let deploy = |image: &str| host.ship(&["deploy", image, "--compose", "new.yml"]);

    arrives("services: {broken: }");
    let ended = deploy(&image('2', 2));
    assert_eq!(ended.code, 1);
    assert!(ended.out.contains("compose refuses its file; nothing changed"), "{}", ended.out);
    arrives("# of the bad one\n");
    assert_eq!(deploy(&image('b', 3)).code, 1);
    host.settled_on(&one);
    assert_eq!(host.read("host/docker-compose.yml"), before);

    arrives("# of the good one\n");
    assert_eq!(deploy(&image('2', 2)).code, 0);
    host.settled_on(&image('2', 2));
    assert_eq!(host.read("host/docker-compose.yml"), "# of the good one\n");
}

#[test]
fn rollback_goes_to_the_newest_good_one_and_then_further() {
    let images: Vec<String> = (1..=3).map(|number| image('a', number)).collect();
    let host = Host::with(&images[0]);
    host.deploys(&images[1]);
    assert_eq!(host.ship(&["deploy", &image('b', 9)]).code, 1);
    host.deploys(&images[2]);
    assert_eq!(host.ship(&["rollback", "--run", "8-1"]).code, 0);
    host.settled_on(&images[1]);
    assert_eq!(host.last()["bad"], *images[2]);
    assert_eq!(host.tagged("rollback"), images[0], "what was left is not what one goes back to");
    assert_eq!(host.ship(&["rollback"]).code, 0);
    host.settled_on(&images[0]);
    let ended = host.ship(&["rollback"]);
    assert_eq!(ended.code, 1);
    assert!(ended.out.contains("no image to go back to is known here"), "{}", ended.out);
    // Whoever names one that was left gets it, and it is good again.
    assert_eq!(host.ship(&["rollback", digest(&images[2])]).code, 0);
    host.settled_on(&images[2]);
    assert_eq!(host.ship(&["rollback", &images[1]]).code, 0);
    host.settled_on(&images[1]);
    let ended = host.ship(&["rollback", digest(&image('f', 1))]);
    assert_eq!(ended.code, 1, "a digest alone must be known");
}

#[test]
fn the_newest_six_images_stay() {
    let images: Vec<String> = (1..=9).map(|number| image('a', number)).collect();
    let host = Host::with(&images[0]);
    for image in &images[1..] {
        host.deploys(image);
    }
    let kept: Vec<bool> = images.iter().map(|image| host.has(image)).collect();
    assert_eq!(kept, [false, false, false, true, true, true, true, true, true]);
}

/// Starts a deploy that waits in the middle of its `up`.
fn blocked_deploy(host: &Host, image: &str, run: &str) -> Child {
    let mut command = host.command(&["deploy", image, "--run", run]);
    command.env("STUB_BLOCK", "compose up").stdout(Stdio::null()).stderr(Stdio::null());
    let res = command.spawn().unwrap();
    wait_until("the deploy is in its `up`", || host.stub().join("blocked").exists().then_some(()));
    res
}

fn release(host: &Host) {
    std::fs::write(host.stub().join("go"), "").unwrap();
}

#[test]
fn a_second_attempt_at_once_is_told_to_come_later() {
    let host = Host::with(&image('1', 1));
    let mut first = blocked_deploy(&host, &image('2', 2), "7-1");
    for args in [&["deploy", &image('3', 3)][..], &["rollback"]] {
        let ended = host.ship(args);
        assert_eq!(ended.code, 75, "{}", ended.out);
        assert!(ended.out.contains("another attempt is at work on this host: process "), "{}", ended.out);
    }
    let mut impatient = host.command(&["ensure", "7-1"]);
    impatient.env("SHIP_PATIENCE", "0");
    assert_eq!(run(impatient).code, 75);
    assert!(host.ship(&["status"]).out.contains("an attempt is at work"));
    release(&host);
    assert_eq!(first.wait().unwrap().code(), Some(0));
    host.settled_on(&image('2', 2));
}

#[test]
fn who_watches_may_go_away() {
    let host = Host::with(&image('1', 1));
    let mut watcher = blocked_deploy(&host, &image('2', 2), "7-1");
    watcher.kill().unwrap();
    watcher.wait().unwrap();
    release(&host);
    // It waits for the attempt, which nobody watches any more.
    let ended = host.ship(&["ensure", "7-1"]);
    assert!(ended.code == 0 && ended.out.contains("run 7-1 ended well"), "{}", ended.out);
    host.settled_on(&image('2', 2));
}

#[test]
fn nothing_is_begun_that_cannot_be_written_down() {
    let host = Host::with(&image('1', 1));
    // Not a matter of permission, so that it holds for root as well.
    std::fs::create_dir(host.dir().join(".ship/step.new")).unwrap();
    let ended = host.ship(&["deploy", &image('2', 2)]);
    assert_eq!(ended.code, 1, "{}", ended.out);
    assert!(ended.out.contains(".ship/step cannot be written"), "{}", ended.out);
    assert_eq!((host.runs(), host.calls("pull")), (image('1', 1), 1));
}

/// Kills the worker at each call of docker and mv, one after the other; after each `ensure` must
/// leave a host in order.
fn killed_everywhere(attempt: &[&str], when: &str) {
    let (one, two) = (image('1', 1), image('2', 2));
    let is_deploy = attempt[0] == "deploy";
    let is_bad = attempt[1].contains("@sha256:b");
    let mut outcomes = BTreeMap::new();
    let before = Host::with(&one);
    before.deploys(&two);
    std::fs::remove_file(before.stub().join("number")).unwrap();
    std::fs::copy(before.dir().join("docker-compose.yml"), before.dir().join("new.yml")).unwrap();
    for call in 1.. {
        let host = before.copy();
        let mut command = host.command(attempt);
        command.env("STUB_KILL_AT", call.to_string()).env("STUB_KILL", when);
        let ended = run(command);
        let n_calls: usize = host.read("stub/number").trim().parse().unwrap();
        if n_calls < call {
            assert_eq!(ended.code, i32::from(is_bad), "nobody killed it: {}", ended.out);
            println!("{when} each of {n_calls} calls: {outcomes:?}");
            assert!(n_calls > 15 && outcomes.len() >= 3, "{outcomes:?}");
            return;
        }
        let step = host.read("host/.ship/step");
        let was_proved = !is_bad && (step.starts_with("step=commit\n") || host.history().len() > 2);

        let mended = host.ship(&["ensure", "7-1"]);
        let what = format!("{when} call {call}:\n{}---\n{}{}", ended.out, mended.out, mended.err);
        assert_eq!(mended.code, 0, "{what}");
        // A rollback that had begun to switch is continued, a deploy undone.
        let is_through = was_proved || (!is_deploy && !step.is_empty() && !step.starts_with("step=pull\n"));
        let expect = match (is_through, is_deploy) {
            (true, true) => image('3', 3),
            (true, false) => one.clone(),
            (false, _) => two.clone(),
        };
        assert_eq!(host.runs(), expect, "{what}");
        host.settled_on(&expect);
        let previous = if is_through && is_deploy { &two } else { &one };
        assert_eq!(host.tagged("rollback"), *previous, "{what}");
        assert!(host.dir().join("docker-compose.yml").exists(), "{what}");
        let history = host.history();
        assert!(history.len() <= 3, "an attempt ends once: {what}");
        let outcome = history.get(2).map_or("nothing", |line| line["outcome"].as_str().unwrap());
        *outcomes.entry(outcome.to_string()).or_insert(0) += 1;
    }
}

#[test]
fn a_deploy_killed_anywhere_is_undone_or_finished_by_ensure() {
    let three = image('3', 3);
    let attempt = ["deploy", &three, "--run", "7-1", "--compose", "new.yml"];
    killed_everywhere(&attempt, "before");
}

#[test]
fn a_deploy_killed_anywhere_on_its_way_back_is_undone_by_ensure() {
    let bad = image('b', 3);
    killed_everywhere(&["deploy", &bad, "--run", "7-1", "--compose", "new.yml"], "after");
}

#[test]
fn a_rollback_killed_anywhere_is_undone_or_finished_by_ensure() {
    killed_everywhere(&["rollback", "--run", "7-1"], "after");
}

#[test]
fn an_attempt_that_was_cut_off_does_not_hinder_the_next() {
    let host = Host::with(&image('1', 1));
    let mut command = host.command(&["deploy", &image('2', 2)]);
    command.env("STUB_BLOCK", "compose up");
    let mut first = command.stdout(Stdio::null()).spawn().unwrap();
    wait_until("the deploy is in its `up`", || host.stub().join("blocked").exists().then_some(()));
    let worker = host.read("host/.ship/worker");
    let worker = rustix::process::Pid::from_raw(worker.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(worker, rustix::process::Signal::KILL).unwrap();
    assert_ne!(first.wait().unwrap().code(), Some(0));
    // Its `up` still runs, and holds the lock until it ends.
    assert_eq!(host.ship(&["deploy", &image('3', 3)]).code, 75);
    release(&host);
    wait_until("the lock is free", || {
        let ended = host.ship(&["deploy", &image('3', 3)]);
        (ended.code != 75).then(|| assert_eq!(ended.code, 0, "{}", ended.out))
    });
    host.settled_on(&image('3', 3));
    let outcomes: Vec<Value> = host.history().iter().map(|line| line["outcome"].clone()).collect();
    assert_eq!(outcomes, ["ok", "rolled_back", "ok"]);
}

#[test]
fn every_script_is_executable() {
    for entry in std::fs::read_dir(shipped(".ci")).unwrap() {
        let path = entry.unwrap().path();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{}", Path::new(&path).display());
    }
}
