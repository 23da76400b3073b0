//! Releases from the outside: good ones, each kind of bad one, and commands that are killed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Signal, kill_process};

use crate::harness::{Ended, Folders, Vitrine, command, run, stored_lines, wait_until};
use crate::line::{BINARY, Line, Load, n_recorded, put_in_place, raw, serve_from};

/// A machine with releases: `root` in the folders, and what the configuration says of it.
struct Machine {
    dir: PathBuf,
}

impl Machine {
    fn new(dir: &Folders) -> Machine {
        let machine = Machine { dir: dir.data().parent().unwrap().to_path_buf() };
        let root = machine.root();
        dir.write("../vitrine.toml", &format!("[release]\nroot = {root:?}\n"));
        machine
    }

    fn root(&self) -> PathBuf {
        self.dir.join("opt")
    }

    fn release(&self, args: &[&str]) -> Ended {
        run(self.command(args))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = command(&["release"]);
        command.args(args).arg("--site").arg(self.dir.join("site")).arg("--data").arg(self.dir.join("data"));
        command.current_dir(&self.dir);
        command
    }

    fn deploy(&self, file: &Path) -> Ended {
        self.release(&["deploy", file.to_str().unwrap()])
    }

    /// Makes a program that passes the checks and then does something else.
    fn program(&self, name: &str, otherwise: &str) -> PathBuf {
        let text = format!(
            "#!/bin/sh\n# {name}\ncase \"$1\" in check|self-test) exec {BINARY} \"$@\";; esac\n{otherwise}\n"
        );
        let path = self.dir.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// A program that is the real one, but not byte by byte.
    fn good(&self, name: &str) -> PathBuf {
        let path = self.dir.join(name);
        fs::copy(BINARY, &path).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        // Behind the end of an ELF file anything may stand.
        bytes.extend(name.as_bytes());
        fs::write(&path, bytes).unwrap();
        path
    }

    fn current(&self) -> String {
        let target = fs::read_link(self.root().join("current")).unwrap();
        target.file_name().unwrap().to_string_lossy().into_owned()
    }

    fn history(&self) -> Vec<(String, String)> {
        let text = fs::read_to_string(self.root().join("history.jsonl")).unwrap_or_default();
        let event = |line: &str| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| event[name].as_str().unwrap().to_string();
            (text("action"), text("outcome"))
        };
        text.lines().map(event).collect()
    }

    /// Places a first release and starts it.
    fn begin(dir: Folders, start_timeout: &str) -> (Machine, Line) {
        let machine = Machine::new(&dir);
        let first = machine.good("first");
        let placed = machine.deploy(&first);
        assert_eq!(placed.code, 0, "{}", placed.err);
        assert!(placed.out.contains("no vitrine runs on this data: start "), "{}", placed.out);
        let mut command = serve_from(&dir, &machine.root().join("current/vitrine"));
        command.env("VITRINE_RELEASE_START_TIMEOUT", start_timeout);
        let line = Line::spawn(command, dir);
        (machine, line)
    }
}

/// Which process and release the running vitrine says it is.
fn follow(line: &mut Line, machine: &Machine) {
    let status = machine.release(&["status"]);
    let running = status.out.lines().find(|line| line.starts_with("running")).unwrap();
    let pid = crate::line::pid_in(running);
    if pid != line.pid {
        line.follow(pid);
    }
    assert!(running.contains(&machine.current()), "{}", status.out);
}

#[test]
fn releases_of_every_kind_come_and_go_and_no_request_fails() {
    let (machine, mut line) = Machine::begin(Folders::new(), "1m");
    let load = Load::begin(line.vitrine().address());
    let first = machine.current();
    let fails = |file: &Path, code: i32, expected: &[&str]| {
        let current = machine.current();
        let ended = machine.deploy(file);
        assert_eq!(ended.code, code, "{}{}", ended.out, ended.err);
        for text in expected {
            assert!(ended.err.contains(text), "{text} is not in: {}", ended.err);
        }
        assert_eq!(machine.current(), current);
    };
    let works = |line: &mut Line, file: &Path| {
        let ended = machine.deploy(file);
        assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
        assert!(ended.out.contains("is healthy, after"), "{}", ended.out);
        follow(line, &machine);
        machine.current()
    };
    let second = works(&mut line, &machine.good("second"));
    assert_ne!(second, first);
    fails(
        &machine.program("exits", "echo 'a last line' >&2; exit 3"),
        1,
        &["exited with status 3", "a last line"],
    );
    fails(&machine.program("crashes", "kill -SEGV $$"), 1, &["was ended by signal 11"]);
    let garbage = machine.dir.join("garbage");
    fs::write(&garbage, [7_u8; 5_000]).unwrap();
    fails(&garbage, 1, &["did not prove itself", "Exec format error", "nothing was changed"]);
    fails(&machine.dir.join("nowhere"), 1, &["No such file"]);
    let wrong = machine.release(&["deploy", BINARY, "--sha256", &"0".repeat(64)]);
    assert_eq!(wrong.code, 1);
    assert!(wrong.err.contains("and should be 0000"), "{}", wrong.err);
    let unfit = machine.dir.join("unfit");
    fs::write(&unfit, "#!/bin/sh\necho 'no such processor' >&2\nexit 1\n").unwrap();
    fails(&unfit, 1, &["no such processor", "nothing was changed"]);
    // A broken CV would be the new release's too.
    line.dir().write("cv.yaml", "basics: [");
    fails(&machine.good("blameless"), 1, &["cv.yaml:2:1", "nothing was changed"]);
    fs::remove_file(line.dir().site().join("cv.yaml")).unwrap();
    let third = works(&mut line, &machine.good("third"));
    // Back to the one before, and from there not to the one that was left.
    let back = machine.release(&["rollback"]);
    assert_eq!(back.code, 0, "{}", back.err);
    follow(&mut line, &machine);
    assert_eq!(machine.current(), second);
    let back = machine.release(&["rollback"]);
    assert_eq!(back.code, 0, "{}", back.err);
    follow(&mut line, &machine);
    assert_eq!(machine.current(), first);
    let none = machine.release(&["rollback"]);
    assert_eq!(none.code, 1);
    assert!(none.err.contains("no earlier release that is not marked as bad"), "{}", none.err);
    let named = machine.release(&["rollback", &third]);
    assert_eq!(named.code, 0, "{}", named.err);
    follow(&mut line, &machine);
    let unknown = machine.release(&["rollback", "1999"]);
    assert!(unknown.err.contains("there is no release \"1999\""), "{}", unknown.err);
    let list = machine.release(&["list"]);
    assert!(list.out.contains(&format!("* {third}")) && list.out.contains("bad: "), "{}", list.out);
    let outcome = load.end();
    assert_eq!(outcome.failed, BTreeMap::new(), "of {} answered", outcome.answered);
    let dir = line.stop();
    assert_eq!(n_recorded(&dir), outcome.answered);
    let events = stored_lines(&dir, "app");
    let events: Vec<&String> = events.iter().filter(|line| line.contains("release ")).collect();
    assert!(
        events.iter().any(|line| line.contains("failed") && line.contains("exited with status 3")),
        "{events:?}"
    );
    assert!(
        events.iter().any(|line| line.contains(&format!("rollback: release {third} serves"))),
        "{events:?}"
    );
    let outcomes = machine.history();
    let count = |action: &str, outcome: &str| {
        outcomes.iter().filter(|event| **event == (action.to_string(), outcome.to_string())).count()
    };
    assert_eq!((count("deploy", "ok"), count("rollback", "ok"), count("deploy", "placed")), (2, 3, 1));
    assert_eq!(count("deploy", "failed"), 5);
}

#[test]
fn one_that_hangs_is_known_by_the_running_process() {
    let (machine, mut line) = Machine::begin(Folders::new(), "1s");
    let ended = machine.deploy(&machine.program("hangs", "exec sleep 100"));
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("was not ready within 1s, and was killed"), "{}", ended.err);
    assert_eq!(line.vitrine().get("/health").status, 200);
    line.stop();
}

#[test]
fn only_one_command_at_a_time_and_one_that_was_killed_is_undone() {
    let (machine, mut line) = Machine::begin(Folders::new(), "1m");
    let first = machine.current();
    // Killed while the binary proves itself: nothing has moved, and nothing is left.
    let slow = machine.dir.join("slow");
    fs::write(&slow, "#!/bin/sh\necho here >> proving\nexec sleep 100\n").unwrap();
    fs::set_permissions(&slow, fs::Permissions::from_mode(0o755)).unwrap();
    let mut proving = machine.command(&["deploy", slow.to_str().unwrap()]).spawn().unwrap();
    wait_until("it proves itself", || machine.dir.join("proving").exists().then_some(()));
    let second = machine.deploy(&machine.good("second"));
    assert_eq!(second.code, 75, "{}", second.err);
    assert!(second.err.contains("another release command is at work"), "{}", second.err);
    proving.kill().unwrap();
    proving.wait().unwrap();
    let releases = || fs::read_dir(machine.root().join("releases")).unwrap().count();
    assert_eq!(releases(), 2);
    // Killed after the switch: the successor hangs meanwhile.
    let hangs = machine.program("hangs", "touch hanging; exec sleep 100");
    let mut deploying =
        machine.command(&["deploy", hangs.to_str().unwrap()]).stdout(Stdio::null()).spawn().unwrap();
    wait_until("it hangs", || machine.dir.join("hanging").exists().then_some(()));
    assert_ne!(machine.current(), first);
    deploying.kill().unwrap();
    deploying.wait().unwrap();
    let status = machine.release(&["status"]);
    assert!(status.out.contains("not ended"), "{}", status.out);
    // The running process waits for that successor still; it is not ours to wait for.
    let sleeping = wait_until("the successor is found", || pid_of("sleep", line.pid));
    kill_process(raw(sleeping), Signal::KILL).unwrap();
    line.vitrine().wait_for_line("the hand-over failed");
    let third = machine.deploy(&machine.good("third"));
    assert_eq!(third.code, 0, "{}{}", third.out, third.err);
    assert!(third.out.contains("a command that was killed is undone"), "{}", third.out);
    follow(&mut line, &machine);
    // Killed while it asks whether the new one is healthy: that is finished.
    let mut deploying = machine.command(&["deploy", machine.good("fourth").to_str().unwrap()]);
    let mut deploying = deploying.stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(deploying.stdout.take().unwrap()).lines();
    said.find(|line| line.as_ref().unwrap().starts_with("handed over")).unwrap().unwrap();
    deploying.kill().unwrap();
    deploying.wait().unwrap();
    let fourth = machine.current();
    let settled = machine.release(&["rollback", &fourth]);
    assert_eq!(settled.code, 0, "{}", settled.err);
    assert!(settled.out.contains("serves"), "{}", settled.out);
    follow(&mut line, &machine);
    assert!(!machine.root().join("attempt.json").exists());
    let outcomes: Vec<_> = machine.history().into_iter().map(|(_, outcome)| outcome).collect();
    assert!(outcomes.contains(&"interrupted".to_string()), "{outcomes:?}");
    line.stop();
}

/// Finds a child by its name.
fn pid_of(name: &str, parent: u32) -> Option<u32> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let pid: u32 = entry.unwrap().file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (before, after) = stat.rsplit_once(')')?;
        let ppid: u32 = after.split_whitespace().nth(1)?.parse().ok()?;
        (before.ends_with(&format!("({name}")) && ppid == parent).then_some(pid)
    });
    processes.max()
}

#[test]
fn a_start_that_fails_after_a_reboot_goes_back_to_the_last_good_release() {
    let (machine, line) = Machine::begin(Folders::new(), "1m");
    let first = machine.current();
    let dir = line.stop();
    let broken = machine.deploy(&machine.program("broken", "exit 3"));
    assert_eq!(broken.code, 0, "{}", broken.err);
    assert_ne!(machine.current(), first);
    let back = machine.release(&["rollback", "--boot"]);
    assert_eq!(back.code, 0, "{}", back.err);
    assert_eq!(machine.current(), first);
    // Where nothing else is left it says so.
    let none = machine.release(&["rollback", "--boot"]);
    assert_eq!(none.code, 1);
    // A link that leads nowhere is as good as none.
    fs::remove_file(machine.root().join("current")).unwrap();
    symlink("releases/gone", machine.root().join("current")).unwrap();
    let back = machine.release(&["rollback", "--boot"]);
    assert_eq!(back.code, 0, "{}", back.err);
    assert_eq!(machine.current(), first);
    drop(dir);
}

#[test]
fn a_release_that_was_changed_by_hand_or_cannot_read_the_store_is_refused() {
    let (machine, mut line) = Machine::begin(Folders::new(), "1m");
    let first = machine.current();
    assert_eq!(machine.deploy(&machine.good("second")).code, 0);
    follow(&mut line, &machine);
    let binary = machine.root().join("releases").join(&first).join("vitrine");
    fs::remove_file(&binary).unwrap();
    fs::copy("/bin/true", &binary).unwrap();
    let refused = machine.release(&["rollback", &first]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("was changed by hand since it was placed"), "{}", refused.err);
    // The store has something that only a later version writes.
    fs::write(line.dir().data().join("store/late"), [9]).unwrap();
    let refused = machine.deploy(&machine.good("older"));
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("newer"), "{}", refused.err);
    fs::remove_file(line.dir().data().join("store/late")).unwrap();
    line.stop();
}

#[test]
fn a_process_that_was_not_started_as_a_release_is_told_how_it_should_be() {
    let dir = Folders::new();
    let machine = Machine::new(&dir);
    put_in_place(&dir, |path| _ = fs::copy(BINARY, path).unwrap());
    let path = machine.dir.join("current/vitrine");
    let line = Line::spawn(serve_from(&dir, &path), dir);
    let refused = machine.deploy(Path::new(BINARY));
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("opt/current/vitrine once"), "{}", refused.err);
    line.stop();
}

#[test]
fn a_full_disk_and_a_folder_that_is_not_ours_change_nothing() {
    let dir = Folders::new();
    let machine = Machine::new(&dir);
    let small = machine.dir.join("small");
    fs::create_dir(&small).unwrap();
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "vitrine"]).arg(&small).output();
    if mounted.is_ok_and(|mounted| mounted.status.success()) {
        let toml = format!("[release]\nroot = {:?}\n", small);
        dir.write("../vitrine.toml", &toml);
        let refused = machine.deploy(Path::new(BINARY));
        let unmounted = Command::new("umount").arg(&small).status().unwrap();
        assert!(unmounted.success());
        assert_eq!(refused.code, 1);
        assert!(refused.err.contains("nothing was changed"), "{}", refused.err);
    } else {
        let required = std::env::var("VITRINE_REQUIRE").unwrap_or_default();
        assert!(!required.contains("loop"), "VITRINE_REQUIRE names loop, and a small disk cannot be mounted");
        println!("skipped: a small disk cannot be mounted here");
    }
    dir.write("../vitrine.toml", "[release]\nroot = \"/proc/nowhere\"\n");
    let refused = machine.deploy(Path::new(BINARY));
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("create /proc/nowhere"), "{}", refused.err);
}

#[test]
fn an_installed_program_is_a_release_that_the_next_one_can_go_back_to() {
    let dir = Folders::new();
    let machine = Machine::new(&dir);
    let mut install = command(&["install", "--root"]);
    install.arg(machine.dir.join("machine"));
    assert_eq!(run(install).code, 0);
    std::os::unix::fs::symlink("machine/opt/vitrine", machine.root()).unwrap();
    let mut line = Line::spawn(serve_from(&dir, &machine.root().join("current/vitrine")), dir);
    let first = machine.current();
    let list = machine.release(&["list"]);
    assert!(list.out.contains(&format!("* {first}")) && list.out.contains("good"), "{}", list.out);
    let failed = machine.deploy(&machine.program("exits", "exit 3"));
    assert_eq!((failed.code, machine.current()), (1, first.clone()), "{}", failed.err);
    assert_eq!(machine.deploy(&machine.good("second")).code, 0);
    follow(&mut line, &machine);
    assert_eq!(machine.release(&["rollback"]).code, 0);
    follow(&mut line, &machine);
    assert_eq!(machine.current(), first);
    line.stop();
}

#[test]
fn a_power_cut_in_the_middle_of_a_deployment_leaves_the_release_before() {
    let (machine, mut line) = Machine::begin(Folders::new(), "1m");
    let first = machine.current();
    let hangs = machine.program("hangs", "touch hanging; exec sleep 100");
    let mut deploying =
        machine.command(&["deploy", hangs.to_str().unwrap()]).stdout(Stdio::null()).spawn().unwrap();
    wait_until("it hangs", || machine.dir.join("hanging").exists().then_some(()));
    deploying.kill().unwrap();
    deploying.wait().unwrap();
    kill_process(raw(line.pid), Signal::KILL).unwrap();
    line.wait_for_end();
    if let Some(sleeping) = pid_of("sleep", 1) {
        // The successor of one that is gone would have served; this one only sleeps.
        _ = kill_process(raw(sleeping), Signal::KILL);
    }
    let back = machine.release(&["rollback", "--boot"]);
    assert_eq!(back.code, 0, "{}", back.err);
    assert_eq!(machine.current(), first);
    let list = machine.release(&["list"]);
    let bad: Vec<&str> = list.out.lines().filter(|line| line.contains("bad: ")).collect();
    assert!(bad.len() == 1 && !bad[0].contains(&first), "{}", list.out);
}

#[test]
fn a_link_that_leads_nowhere_is_mended_by_whatever_serves() {
    let (machine, mut line) = Machine::begin(Folders::new(), "1m");
    let first = machine.current();
    fs::remove_file(machine.root().join("current")).unwrap();
    symlink("releases/gone", machine.root().join("current")).unwrap();
    let failed = machine.deploy(&machine.program("exits", "exit 3"));
    assert_eq!(failed.code, 1, "{}", failed.err);
    assert_eq!(machine.current(), first);
    assert_eq!(machine.deploy(&machine.good("second")).code, 0);
    follow(&mut line, &machine);
    line.stop();
}

/// Reads a hidden field of a page.
fn field(page: &str, name: &str) -> String {
    let value = page.split(&format!(r#"name="{name}" value=""#)).nth(1);
    value.unwrap_or_else(|| panic!("no field {name} in {page}")).split('"').next().unwrap().to_string()
}

#[test]
fn a_roll_back_by_the_button_loses_no_request_and_the_page_says_how_it_ended() {
    let (machine, mut line) = Machine::begin(Folders::new(), "1m");
    let first = machine.current();
    assert_eq!(machine.deploy(&machine.good("second")).code, 0);
    follow(&mut line, &machine);
    let second = machine.current();
    let page = line.vitrine().admin_page("/admin/releases").text();
    let button = format!("Roll back to {first}");
    assert!(page.contains(&button) && !page.contains(&format!("Roll back to {second}")), "{page}");

    let load = Load::begin(line.vitrine().address());
    let form = [("csrf", &*field(&page, "csrf")), ("release", &*first)];
    let begun = line.vitrine().post_as_admin("/admin/releases/rollback", &form);
    assert_eq!((begun.status, begun.header("location")), (303, "/admin/releases"), "{}", begun.text());
    wait_until("the roll-back is done", || {
        let history = machine.history();
        history.contains(&("rollback".to_string(), "ok".to_string())).then_some(())
    });
    wait_until("nothing is begun any more", || (!machine.root().join("attempt.json").exists()).then_some(()));
    follow(&mut line, &machine);
    assert_eq!(machine.current(), first);
    let outcome = load.end();
    assert_eq!(outcome.failed, BTreeMap::new(), "of {} answered", outcome.answered);

    // Sessions end with their process.
    line.vitrine().forget_session();
    let page = line.vitrine().admin_page("/admin/releases").text();
    assert!(page.contains("roll-back") && page.contains(&first) && page.contains("Marked as bad:"), "{page}");
    let events = page.split("history-title").last().unwrap();
    let latest = events.split("<tbody>").nth(1).unwrap().split("</tr>").next().unwrap();
    assert!(latest.contains("roll-back") && latest.contains("serves"), "{latest}");
    line.stop();
}

#[test]
fn a_roll_back_by_the_button_that_is_refused_is_told_on_the_page() {
    let (machine, mut line) = Machine::begin(Folders::new(), "1m");
    let first = machine.current();
    assert_eq!(machine.deploy(&machine.good("second")).code, 0);
    follow(&mut line, &machine);
    let second = machine.current();
    let binary = machine.root().join("releases").join(&first).join("vitrine");
    fs::remove_file(&binary).unwrap();
    fs::copy("/bin/true", &binary).unwrap();
    let csrf = field(&line.vitrine().admin_page("/admin/releases").text(), "csrf");
    let form = [("csrf", &*csrf), ("release", &*first)];
    assert_eq!(line.vitrine().post_as_admin("/admin/releases/rollback", &form).status, 303);
    let page = wait_until("the page says how it ended", || {
        let page = line.vitrine().admin_page("/admin/releases").text();
        page.contains(&format!("The roll-back to {first} failed.")).then_some(page)
    });
    assert!(page.contains("was changed by hand since it was placed"), "{page}");
    assert_eq!(machine.current(), second);
    assert_eq!(line.vitrine().get("/health").status, 200);
    line.stop();
}

#[test]
fn a_process_that_is_no_release_says_so_on_its_page() {
    let vitrine = Vitrine::start();
    let page = vitrine.admin_page("/admin/releases").text();
    assert!(
        page.contains("What serves is no release") && page.contains("vitrine release deploy FILE"),
        "{page}"
    );
    drop(vitrine);
    let dir = Folders::new();
    let machine = Machine::new(&dir);
    assert_eq!(machine.deploy(&machine.good("first")).code, 0);
    let vitrine = Vitrine::start_on(dir);
    let page = vitrine.admin_page("/admin/releases").text();
    assert!(page.contains("was not started as a release") && page.contains("opt/current/vitrine"), "{page}");
    assert!(!page.contains("Roll back to"), "{page}");
}
