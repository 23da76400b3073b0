//! Failures at each step, with a running process that is none.

use std::cell::{Cell, RefCell};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};

use super::*;

/// What runs, and what goes wrong with it.
struct World {
    shelf: Shelf,
    clock: Clock,
    dir: tempfile::TempDir,
    running: RefCell<Option<String>>,
    /// What the next hand-over ends with, instead of working.
    no_hand_over: RefCell<Option<NoHandOver>>,
    /// A service manager starts what is current.
    is_supervised: Cell<bool>,
    /// When set, every other release ends when it is asked how it is.
    lives: RefCell<Option<String>>,
    /// It does not answer that.
    is_silent: Cell<bool>,
    /// Every request to this release fails.
    fails: RefCell<String>,
    watched: RefCell<Vec<String>>,
    annotated: RefCell<Vec<(Outcome, String)>>,
}

impl World {
    /// A shelf with one release, which runs.
    fn begin() -> World {
        let dir = tempfile::tempdir().unwrap();
        let world = World {
            shelf: Shelf::at(&dir.path().join("opt")),
            clock: Clock::system(),
            dir,
            running: RefCell::default(),
            no_hand_over: RefCell::default(),
            is_supervised: Cell::new(true),
            lives: RefCell::default(),
            is_silent: Cell::new(false),
            fails: RefCell::new("none".into()),
            watched: RefCell::default(),
            annotated: RefCell::default(),
        };
        world.deploy("first").unwrap();
        world
    }

    fn deployment(&self) -> Deployment<'_> {
        Deployment { shelf: &self.shelf, service: self, clock: &self.clock }
    }

    fn deploy(&self, text: &str) -> Result<(), DeployError> {
        let file = self.dir.path().join(text);
        fs::write(&file, text).unwrap();
        self.deployment().deploy(&Wanted { file, sha256: None, key: None })
    }

    fn current(&self) -> String {
        self.shelf.current().unwrap()
    }

    fn bad(&self) -> Vec<String> {
        let releases = self.shelf.releases().unwrap().into_iter();
        releases.filter(|release| release.bad.is_some()).map(|release| release.manifest.id).collect()
    }

    fn outcomes(&self) -> Vec<String> {
        self.shelf.history().into_iter().map(|event| event.outcome).collect()
    }
}

impl Service for World {
    fn prove(&self, binary: &Path) -> Result<String, String> {
        let text = fs::read_to_string(binary).unwrap();
        if text == "unfit" { Err("it is unfit".into()) } else { Ok("1.0".into()) }
    }

    fn vitals(&self) -> Result<Option<Vitals>, String> {
        if self.is_silent.get() {
            return Err("it is busy".into());
        }
        if self.lives.borrow().is_some() && *self.running.borrow() != *self.lives.borrow() {
            self.running.replace(None);
        }
        Ok(self.running.borrow().as_ref().map(|release| {
            let failed = if release.ends_with(&*self.fails.borrow()) { 100 } else { 0 };
            Vitals {
                release: release.clone(),
                version: "1.0".into(),
                pid: 1,
                program: self.shelf.root().join("current/vitrine"),
                address: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
                is_ready: true,
                since_start: Traffic { requests: 100, failed },
            }
        }))
    }

    fn last_hour(&self) -> Traffic {
        Traffic { requests: 1_000, failed: 0 }
    }

    fn probe(&self) -> Result<String, String> {
        self.running.borrow().clone().ok_or("nothing answers".into())
    }

    fn lines(&self) -> String {
        "its last line".into()
    }

    fn hand_over(&self) -> Result<String, NoHandOver> {
        if let Some(fault) = self.no_hand_over.take() {
            return Err(fault);
        }
        self.running.replace(self.shelf.current());
        Ok("handed over".into())
    }

    fn start(&self) -> Option<Result<(), String>> {
        self.is_supervised.get().then(|| {
            self.running.replace(self.shelf.current());
            Ok(())
        })
    }

    fn annotate(&self, outcome: Outcome, text: &str) {
        self.annotated.borrow_mut().push((outcome, text.into()));
    }

    fn watch(&self, release: &str, _: Traffic) -> Result<(), String> {
        self.watched.borrow_mut().push(release.into());
        Ok(())
    }

    fn tell(&self, _: &str) {}
}

#[test]
fn a_release_that_holds_is_watched_and_kept() {
    let world = World::begin();
    let first = world.current();
    world.deploy("second").unwrap();
    assert_ne!(world.current(), first);
    assert_eq!(world.running.borrow().as_deref(), Some(world.current().as_str()));
    assert_eq!(world.watched.borrow().len(), 2);
    assert_eq!(world.outcomes(), ["ok", "ok"]);
    assert_eq!(world.shelf.unfinished(), None);
}

#[test]
fn what_was_refused_is_not_the_releases_fault() {
    let world = World::begin();
    let first = world.current();
    world.no_hand_over.replace(Some(NoHandOver::Refused("it is stopping".into())));
    assert!(
        matches!(world.deploy("second"), Err(DeployError::Refused(reason)) if reason.contains("it is stopping"))
    );
    assert_eq!((world.current(), world.bad()), (first.clone(), vec![]));
    // Nor is it what a roll-back would choose: it never ran, and comes after the current one.
    assert!(matches!(world.deployment().roll_back(None), Err(DeployError::Refused(_))));
    world.is_silent.set(true);
    assert!(
        matches!(world.deploy("third"), Err(DeployError::Refused(reason)) if reason.contains("it is busy"))
    );
    assert_eq!(world.current(), first);
}

#[test]
fn a_release_that_fails_is_undone_marked_and_told() {
    let world = World::begin();
    let first = world.current();
    world.no_hand_over.replace(Some(NoHandOver::Failed("it exited".into())));
    let fault = world.deploy("second").unwrap_err();
    assert!(
        matches!(&fault, DeployError::RolledBack { previous, reason, .. }
        if *previous == first && reason == "it exited\nits last line"),
        "{fault}"
    );
    assert_eq!(world.current(), first);
    assert_eq!(world.bad().len(), 1);
    assert_eq!(world.annotated.borrow().last().unwrap().0, Outcome::Bad);
    assert!(matches!(world.deploy("unfit"), Err(DeployError::Refused(_))));
    assert_eq!(world.shelf.releases().unwrap().len(), 2, "what did not prove itself is no release");
}

#[test]
fn one_that_ends_after_it_had_served_is_replaced_by_the_one_before() {
    let world = World::begin();
    let first = world.current();
    world.lives.replace(Some(first.clone()));
    let fault = world.deploy("second").unwrap_err();
    assert!(matches!(fault, DeployError::RolledBack { .. }), "{fault}");
    assert_eq!(world.running.borrow().as_deref(), Some(first.as_str()));
    // Where nobody starts it again, the attempt stays written down, and the next command goes on.
    world.is_supervised.set(false);
    let fault = world.deploy("third").unwrap_err();
    assert!(matches!(fault, DeployError::Stuck { .. }), "{fault}");
    assert_eq!(world.current(), first);
    assert!(world.shelf.unfinished().is_some());
    world.lives.replace(None);
    world.is_supervised.set(true);
    world.deploy("fourth").unwrap();
    assert_eq!(world.shelf.unfinished(), None);
}

#[test]
fn one_whose_requests_fail_hands_back() {
    let world = World::begin();
    let first = world.current();
    world.fails.replace(digits_of("second"));
    let fault = world.deploy("second").unwrap_err();
    assert!(
        matches!(&fault, DeployError::RolledBack { reason, .. } if reason.contains("100 of 100 requests failed")),
        "{fault}"
    );
    assert_eq!(world.running.borrow().as_deref(), Some(first.as_str()), "handed back");
}

/// How the name of a release with this text ends.
fn digits_of(text: &str) -> String {
    use sha2::Digest;
    crate::release::shelf::digits(&hex::encode(sha2::Sha256::digest(text))).to_string()
}

#[test]
fn rolling_back_leads_to_what_was_before_and_takes_the_mark_off() {
    let world = World::begin();
    let first = world.current();
    world.deploy("second").unwrap();
    let second = world.current();
    world.deployment().roll_back(None).unwrap();
    assert_eq!((world.current(), world.bad()), (first.clone(), vec![second.clone()]));
    assert!(matches!(world.deployment().roll_back(None), Err(DeployError::Refused(_))));
    world.deployment().roll_back(Some(&second)).unwrap();
    assert_eq!((world.current(), world.bad()), (second.clone(), vec![first]));
    fs::write(world.shelf.root().join("releases").join(&second).join("vitrine"), "by hand").unwrap();
    world.deploy("third").unwrap();
    assert!(matches!(world.deployment().roll_back(Some(&second)), Err(DeployError::Refused(_))));
}

#[test]
fn an_attempt_that_was_cut_off_is_finished_or_undone() {
    let world = World::begin();
    let first = world.current();
    world.deploy("second").unwrap();
    let second = world.current();
    let attempt = |previous: &str, release: &str| Attempt {
        action: DEPLOY.into(),
        release: release.into(),
        previous: previous.into(),
        at: rfc3339(world.clock.now()),
    };
    // After the switch, before the hand-over.
    world.running.replace(Some(first.clone()));
    world.shelf.begin(&attempt(&first, &second)).unwrap();
    assert!(world.deployment().roll_back(None).is_err());
    assert_eq!((world.current(), world.bad()), (first.clone(), vec![second.clone()]));
    // After the hand-over, before anybody said so.
    world.shelf.switch(&second).unwrap();
    world.running.replace(Some(second.clone()));
    world.shelf.begin(&attempt(&first, &second)).unwrap();
    world.deployment().roll_back(Some(&second)).unwrap();
    assert_eq!((world.current(), world.bad()), (second.clone(), vec![]));
    assert_eq!(world.watched.borrow().last(), Some(&second));
    // After a power cut nothing runs, and nothing else than the one before is chosen.
    world.running.replace(None);
    world.shelf.begin(&attempt(&first, &second)).unwrap();
    world.deployment().roll_back_at_boot().unwrap();
    assert_eq!((world.current(), world.bad()), (first, vec![second]));
}

#[test]
fn a_full_disk_at_the_switch_changes_nothing() {
    let world = World::begin();
    let first = world.current();
    // A folder is in the way of what would become the link.
    fs::create_dir(world.shelf.root().join(".new-current")).unwrap();
    let fault = world.deploy("second").unwrap_err();
    assert!(fault.to_string().contains(".new-current"), "{fault}");
    assert_eq!(world.current(), first);
    fs::remove_dir(world.shelf.root().join(".new-current")).unwrap();
    world.deploy("third").unwrap();
    assert_ne!(world.current(), first);
}
