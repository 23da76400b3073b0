use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::layout::{COMMAND, CURRENT, GOOD, HOME, RELEASES, UNITS};
use super::machine::{Account, Active, Ids, Machine, Outdated, Systemd};
use super::units::{ROLLBACK, SERVICE, SOCKET};
use super::*;
use crate::cv;
use crate::release::shelf;

/// 2026-11-26 19:03:59 UTC.
const AT: UnixNanos = UnixNanos(1_795_719_839_000_000_000);

/// A root with nothing in it, and a program to install there.
struct Root {
    dir: tempfile::TempDir,
}

impl Root {
    fn new() -> Self {
        let root = Root { dir: tempfile::tempdir().unwrap() };
        root.program("the program");
        root
    }

    fn program(&self, text: &str) {
        fs::write(self.dir.path().join("program"), text).unwrap();
    }

    fn place(&self) -> Place {
        Place::below(&self.dir.path().join("root"))
    }

    fn at(&self, path: &str) -> PathBuf {
        self.place().at(path)
    }

    fn contents(&self) -> Contents {
        let program = self.dir.path().join("program");
        Contents { program, at: AT, configuration: "# the sample\n".into() }
    }

    fn plan(&self) -> Result<Plan, InstallError> {
        Plan::to_install(&self.place(), &self.contents(), Start::AtBoot)
    }

    /// Plans for a machine, which tests never change.
    fn plan_for(&self, machine: Machine, start: Start) -> Result<Plan, InstallError> {
        let place = Place { machine: Some(machine), ..self.place() };
        Plan::to_install(&place, &self.contents(), start)
    }

    fn install(&self) -> Vec<Step> {
        let plan = self.plan().unwrap();
        let mut told = Vec::new();
        plan.carry_out(&self.place(), |step| told.push(step.clone())).unwrap();
        assert_eq!(told, plan.steps);
        told
    }

    fn uninstall(&self, keep: Keep) {
        let plan = Plan::to_uninstall(&self.place(), keep).unwrap();
        plan.carry_out(&self.place(), |_| ()).unwrap();
    }

    /// Everything below the root: permissions, and what a link leads to or a file holds.
    fn tree(&self) -> BTreeMap<String, (u32, Vec<u8>)> {
        fn walk(root: &Path, dir: &Path, res: &mut BTreeMap<String, (u32, Vec<u8>)>) {
            for entry in fs::read_dir(dir).into_iter().flatten() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(root).unwrap().display().to_string();
                let metadata = fs::symlink_metadata(&path).unwrap();
                let content = match (metadata.is_symlink(), metadata.is_file()) {
                    (true, _) => fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes(),
                    (_, true) => fs::read(&path).unwrap(),
                    _ => Vec::new(),
                };
                res.insert(name, (metadata.permissions().mode() & 0o7777, content));
                if metadata.is_dir() {
                    walk(root, &path, res);
                }
            }
        }
        let root = self.dir.path().join("root");
        let mut res = BTreeMap::new();
        walk(&root, &root, &mut res);
        res
    }

    /// Puts a file where nothing is.
    fn put(&self, path: &str, text: &str) -> PathBuf {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }
}

fn obstacles(outcome: Result<Plan, InstallError>) -> String {
    let err = outcome.unwrap_err();
    assert!(matches!(err, InstallError::Obstacles(_)), "{err}");
    err.to_string()
}

/// A machine with systemd and everything in place.
const MACHINE: Machine = Machine {
    is_root: true,
    account: Account::There(Ids { user: 998, group: 997 }),
    systemd: Systemd::Runs { active: Active::No, outdated: Outdated::No },
};

fn calls(plan: &Plan) -> Vec<String> {
    let calls = plan.steps.iter().filter(|step| matches!(step, Step::Systemctl(_)));
    calls.map(|step| step.to_string().replace("run systemctl ", "")).collect()
}

#[test]
fn a_release_is_named_by_time_and_checksum() {
    assert_eq!(shelf::id_of(AT, "1a2b3c4d"), "2026-11-26T1903Z-1a2b3c4");
}

#[test]
fn everything_is_put_where_the_unit_looks_for_it() {
    let root = Root::new();
    root.install();
    let tree = root.tree();
    let mode = |path: &str| tree[path].0;
    assert_eq!(mode("opt/vitrine"), 0o755);
    assert_eq!(mode("opt/vitrine/releases"), 0o755);
    assert_eq!(mode("etc/vitrine"), 0o755);
    assert_eq!(mode("etc/vitrine/site"), 0o750);
    assert_eq!(mode("var/lib/vitrine"), 0o700);
    assert_eq!(tree["etc/vitrine/vitrine.toml"], (0o640, b"# the sample\n".to_vec()));
    assert_eq!(tree["etc/vitrine/site/cv.yaml"], (0o640, cv::SAMPLE.as_bytes().to_vec()));
    for (name, text) in units::ALL {
        assert_eq!(tree[&format!("etc/systemd/system/{name}")], (0o644, text.as_bytes().to_vec()));
    }
    let current = fs::read_link(root.at(CURRENT)).unwrap();
    assert_eq!(fs::read_link(root.at(GOOD)).unwrap(), current);
    assert!(current.to_str().unwrap().starts_with("releases/2026-11-26T1903Z-"), "{current:?}");
    let program = root.at(CURRENT).join("vitrine");
    assert_eq!(fs::read_to_string(&program).unwrap(), "the program");
    assert_eq!(fs::metadata(&program).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(fs::read_link(root.at(COMMAND)).unwrap(), Path::new("/opt/vitrine/current/vitrine"));
    assert!(!tree.keys().any(|path| path.ends_with(".new")), "{tree:#?}");
}

#[test]
fn installed_again_nothing_is_to_be_done() {
    let root = Root::new();
    root.install();
    let before = root.tree();
    // A minute later the release would have another name.
    let contents = Contents { at: AT.plus(std::time::Duration::from_secs(60)), ..root.contents() };
    let plan = Plan::to_install(&root.place(), &contents, Start::AtBoot).unwrap();
    assert_eq!(plan.steps, []);
    assert_eq!(root.tree(), before);
}

#[test]
fn a_plan_alone_changes_nothing() {
    let root = Root::new();
    assert!(!root.plan().unwrap().steps.is_empty());
    assert_eq!(root.tree(), BTreeMap::new());
    root.install();
    let before = root.tree();
    assert!(!Plan::to_uninstall(&root.place(), Keep::Nothing).unwrap().steps.is_empty());
    assert_eq!(root.tree(), before);
}

#[test]
fn what_is_the_owners_is_never_overwritten() {
    let root = Root::new();
    let config = root.put(CONFIGURATION, "listen = \"127.0.0.1:80\"\n");
    let resume = root.put("/etc/vitrine/site/resume.json", "{}");
    fs::set_permissions(resume.parent().unwrap(), fs::Permissions::from_mode(0o2775)).unwrap();
    root.install();
    assert_eq!(fs::read_to_string(config).unwrap(), "listen = \"127.0.0.1:80\"\n");
    assert!(!root.at(SITE).join("cv.yaml").exists(), "it would hide the CV that is there");
    assert_eq!(root.tree()["etc/vitrine/site"].0, 0o2775);
}

#[test]
fn another_program_becomes_current_and_the_proved_one_stays_good() {
    let root = Root::new();
    root.install();
    let first = fs::read_link(root.at(CURRENT)).unwrap();
    root.program("the next program");
    let steps = root.install();
    assert!(matches!(&steps[..], [Step::CopyRelease { .. }, Step::Link { .. }]), "{steps:#?}");
    assert_eq!(fs::read_to_string(root.at(CURRENT).join("vitrine")).unwrap(), "the next program");
    assert_eq!(fs::read_link(root.at(GOOD)).unwrap(), first);
    // And back, to the release that is there.
    root.program("the program");
    let steps = root.install();
    assert!(matches!(&steps[..], [Step::Link { .. }]), "{steps:#?}");
    assert_eq!(fs::read_link(root.at(CURRENT)).unwrap(), first);
}

#[test]
fn links_into_nothing_are_turned() {
    let root = Root::new();
    root.install();
    fs::remove_dir_all(root.at(RELEASES)).unwrap();
    root.install();
    assert_eq!(fs::read_to_string(root.at(GOOD).join("vitrine")).unwrap(), "the program");
    assert_eq!(root.plan().unwrap().steps, []);
}

#[test]
fn a_release_that_was_edited_by_hand_is_not_taken_for_this_one() {
    let root = Root::new();
    root.install();
    fs::write(root.at(CURRENT).join("vitrine"), "edited").unwrap();
    let told = obstacles(root.plan());
    assert!(told.contains("this release, but with another program"), "{told}");
}

#[test]
fn what_a_kill_left_half_done_is_finished() {
    let root = Root::new();
    let steps = root.plan().unwrap().steps;
    for (n_made, next) in steps.iter().enumerate() {
        let root = Root::new();
        for step in &root.plan().unwrap().steps[..n_made] {
            step.make(Owners::WhoeverRunsThis).unwrap();
        }
        match next {
            Step::CopyRelease { .. } => _ = root.put("/opt/vitrine/releases/.installing/vitrine", "half"),
            Step::WriteFile { path, .. } if path.ends_with("vitrine.toml") => {
                _ = root.put("/etc/vitrine/.vitrine.toml.new", "half");
            }
            _ => {}
        }
        root.install();
        assert_eq!(root.plan().unwrap().steps, []);
        assert!(!root.tree().keys().any(|path| path.contains("/.")), "{n_made}: {:#?}", root.tree());
    }
}

#[test]
fn a_unit_of_ours_is_renewed_and_one_of_somebody_else_is_an_obstacle() {
    let root = Root::new();
    root.install();
    let unit = root.put("/etc/systemd/system/vitrine.service", "# Written by `vitrine install`, long ago\n");
    let steps = root.install();
    assert!(matches!(&steps[..], [Step::WriteUnit { path, .. }] if *path == unit), "{steps:#?}");
    fs::write(&unit, "[Service]\nExecStart=/home/me/vitrine\n").unwrap();
    let before = root.tree();
    let told = obstacles(root.plan());
    assert!(told.contains("vitrine.service is not of `vitrine install`"), "{told}");
    assert_eq!(root.tree(), before);
    // Masked by `systemctl mask`.
    fs::remove_file(&unit).unwrap();
    symlink("/dev/null", &unit).unwrap();
    assert!(obstacles(root.plan()).contains("vitrine.service"));
}

#[test]
fn the_program_itself_may_lie_where_its_link_belongs() {
    let root = Root::new();
    root.put(COMMAND, "the program");
    root.install();
    assert!(root.at(COMMAND).is_symlink());
    fs::remove_file(root.at(COMMAND)).unwrap();
    root.put(COMMAND, "another program");
    assert!(obstacles(root.plan()).contains("/usr/local/bin/vitrine is not of"));
    fs::remove_file(root.at(COMMAND)).unwrap();
    symlink("/srv/mine/vitrine", root.at(COMMAND)).unwrap();
    assert!(obstacles(root.plan()).contains("/usr/local/bin/vitrine is not of"));
}

#[test]
fn everything_in_the_way_is_told_at_once() {
    let root = Root::new();
    root.put(RELEASES, "a file");
    root.put(DATA, "a file");
    fs::create_dir_all(root.at(CONFIGURATION)).unwrap();
    fs::create_dir_all(root.at(CURRENT)).unwrap();
    fs::create_dir_all(root.at(UNITS).join(SOCKET)).unwrap();
    let before = root.tree();
    let told = obstacles(root.plan());
    for expect in [
        "/opt/vitrine/releases is a file, where a folder belongs",
        "/var/lib/vitrine is a file, where a folder belongs",
        "/etc/vitrine/vitrine.toml is a folder, where a file belongs",
        "/opt/vitrine/current is a folder, where a link to a release belongs",
        "/etc/systemd/system/vitrine.socket is a folder, where a file belongs",
    ] {
        assert!(told.contains(expect), "{expect}: {told}");
    }
    assert_eq!(root.tree(), before);
}

#[test]
fn a_fault_half_way_names_what_was_attempted() {
    let root = Root::new();
    let plan = root.plan().unwrap();
    fs::remove_file(root.dir.path().join("program")).unwrap();
    let err = plan.carry_out(&root.place(), |_| ()).unwrap_err();
    let told = format!("{:#}", anyhow::Error::from(err));
    assert!(told.starts_with("copy this program to ") && told.matches("No such file").count() == 1, "{told}");
    assert_eq!(fs::read_dir(root.at(RELEASES)).unwrap().count(), 0);
}

#[test]
fn uninstalled_configuration_and_data_stay_and_purged_nothing_does() {
    let root = Root::new();
    root.install();
    root.put("/var/lib/vitrine/instance-id", "1");
    root.put("/etc/systemd/system/vitrine.service.d/override.conf", "[Service]\n");
    let wants = root.put("/etc/systemd/system/multi-user.target.wants/other.service", "");
    symlink("/etc/systemd/system/vitrine.service", wants.with_file_name(SERVICE)).unwrap();
    root.uninstall(Keep::WhatIsTheOwners);
    for gone in [HOME, COMMAND, "/etc/systemd/system/multi-user.target.wants/vitrine.service"] {
        assert!(fs::symlink_metadata(root.at(gone)).is_err(), "{gone}");
    }
    for unit in [SERVICE, ROLLBACK, SOCKET] {
        assert!(!root.at(UNITS).join(unit).exists(), "{unit}");
    }
    for stays in [
        CONFIGURATION,
        "/etc/vitrine/site/cv.yaml",
        "/var/lib/vitrine/instance-id",
        "/etc/systemd/system/vitrine.service.d/override.conf",
    ] {
        assert!(root.at(stays).exists(), "{stays}");
    }
    root.uninstall(Keep::Nothing);
    for gone in [SITE, DATA, "/etc/vitrine", "/etc/systemd/system/vitrine.service.d"] {
        assert!(!root.at(gone).exists(), "{gone}");
    }
    assert_eq!(Plan::to_uninstall(&root.place(), Keep::Nothing).unwrap().steps, []);
}

#[test]
fn what_is_not_ours_outlives_a_purge() {
    let root = Root::new();
    let theirs = [
        root.put("/etc/systemd/system/vitrine.service", "[Service]\n"),
        root.put(COMMAND, "another program"),
        root.put("/opt/vitrine/notes.txt", "mine"),
    ];
    let disk = root.at("/mnt/disk");
    fs::create_dir_all(&disk).unwrap();
    fs::create_dir_all(root.at("/var/lib")).unwrap();
    symlink(&disk, root.at(DATA)).unwrap();
    let plan = Plan::to_uninstall(&root.place(), Keep::Nothing).unwrap();
    assert_eq!(plan.notes.len(), 4, "{plan:#?}");
    plan.carry_out(&root.place(), |_| ()).unwrap();
    assert!(theirs.iter().all(|path| path.exists()) && disk.exists());
    assert!(!root.at(DATA).exists());
}

#[test]
fn a_link_to_another_disk_is_a_folder() {
    let root = Root::new();
    for path in ["/mnt/data", "/var/lib"] {
        fs::create_dir_all(root.at(path)).unwrap();
    }
    symlink(root.at("/mnt/data"), root.at(DATA)).unwrap();
    root.install();
    assert!(root.at(DATA).is_symlink());
}

#[test]
fn on_a_machine_the_user_is_made_first_and_systemd_is_told_last() {
    let root = Root::new();
    let machine = Machine { account: Account::Missing, ..MACHINE };
    let plan = root.plan_for(machine, Start::Now).unwrap();
    assert_eq!(plan.steps[0], Step::AddUser);
    assert_eq!(calls(&plan), ["daemon-reload", "enable vitrine.service", "start vitrine.service"]);
    assert!(matches!(
        plan.steps[plan.steps.len() - 3..],
        [Step::Systemctl(_), Step::Systemctl(_), Step::Systemctl(_)]
    ));
}

#[test]
fn systemd_is_told_only_what_it_does_not_know() {
    let root = Root::new();
    root.install();
    let wants = root.put("/etc/systemd/system/multi-user.target.wants/other.service", "");
    symlink("../vitrine.service", wants.with_file_name(SERVICE)).unwrap();
    fs::set_permissions(root.at(HOME), fs::Permissions::from_mode(0o777)).unwrap();
    let check = |active, outdated, start, expect: &[&str]| {
        let machine = Machine { systemd: Systemd::Runs { active, outdated }, ..MACHINE };
        assert_eq!(calls(&root.plan_for(machine, start).unwrap()), expect);
    };
    check(Active::Yes, Outdated::No, Start::Now, &[]);
    check(Active::No, Outdated::No, Start::AtBoot, &[]);
    check(Active::No, Outdated::Yes, Start::Now, &["daemon-reload", "start vitrine.service"]);
    // Others could write where root runs programs from.
    let plan = root.plan_for(MACHINE, Start::AtBoot).unwrap();
    assert!(
        matches!(&plan.steps[0], Step::TakeFolder { path, mode: 0o755 } if *path == root.at(HOME)),
        "{plan:#?}"
    );

    root.program("the next program");
    let machine =
        Machine { systemd: Systemd::Runs { active: Active::Yes, outdated: Outdated::No }, ..MACHINE };
    let plan = root.plan_for(machine, Start::Now).unwrap();
    assert_eq!(calls(&plan), [""; 0]);
    assert!(plan.notes.iter().any(|note| note.contains("`vitrine upgrade`")), "{plan:#?}");
}

#[test]
fn without_systemd_the_files_are_written_and_the_rest_is_said() {
    let root = Root::new();
    let plan = root.plan_for(Machine { systemd: Systemd::Absent, ..MACHINE }, Start::Now).unwrap();
    assert_eq!(calls(&plan), [""; 0]);
    assert!(plan.steps.iter().any(|step| matches!(step, Step::WriteUnit { .. })));
    assert!(plan.notes.iter().any(|note| note.contains("systemctl enable --now vitrine")), "{plan:#?}");
}

#[test]
fn only_root_changes_a_machine_and_everyone_may_plan() {
    let root = Root::new();
    let machine = Machine { is_root: false, ..MACHINE };
    let plan = root.plan_for(machine, Start::Now).unwrap();
    let place = Place { machine: Some(machine), ..root.place() };
    let err = plan.carry_out(&place, |step| panic!("{step}")).unwrap_err();
    assert!(matches!(err, InstallError::NotRoot), "{err}");
    assert_eq!(root.tree(), BTreeMap::new());
}

#[test]
fn a_user_without_its_group_is_an_obstacle() {
    let machine = Machine { account: Account::WithoutGroup, ..MACHINE };
    let told = obstacles(Root::new().plan_for(machine, Start::AtBoot));
    assert!(told.contains("groupadd"), "{told}");
}

#[test]
fn a_machine_is_left_in_order_and_a_persons_account_alone() {
    let root = Root::new();
    root.install();
    let plan = |machine: Machine, keep| {
        Plan::to_uninstall(&Place { machine: Some(machine), ..root.place() }, keep).unwrap()
    };
    let purge = plan(MACHINE, Keep::Nothing);
    let expect = [
        "stop vitrine-rollback.service",
        "stop vitrine.service vitrine.socket",
        "disable vitrine.service vitrine.socket",
        "daemon-reload",
        "reset-failed vitrine.* vitrine-rollback.*",
    ];
    assert_eq!(calls(&purge), expect);
    assert_eq!(purge.steps.last(), Some(&Step::RemoveUser));
    assert!(!plan(MACHINE, Keep::WhatIsTheOwners).steps.contains(&Step::RemoveUser));
    let person = Machine { account: Account::There(Ids { user: 1000, group: 1000 }), ..MACHINE };
    assert!(!plan(person, Keep::Nothing).steps.contains(&Step::RemoveUser));
}
