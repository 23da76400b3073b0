//! What is to be done to take an installation back.
//!
//! What has one of our names and is not ours stays, and is told.

use std::fs;
use std::path::PathBuf;

use super::layout::{COMMAND, COMMAND_TARGET, CURRENT, DATA, HOME, RELEASES, SETTINGS, UNITS, USER};
use super::machine::{Account, Systemd};
use super::plan::There;
use super::units::{self, ROLLBACK};
use super::{InstallError, Keep, Place, Plan, Step, failed};

impl Plan {
    /// Plans to take an installation back.
    pub fn to_uninstall(place: &Place, keep: Keep) -> Result<Self, InstallError> {
        let mut draft = Draft { place, plan: Plan::default() };
        draft.units()?;
        draft.command()?;
        draft.releases()?;
        match keep {
            Keep::WhatIsTheOwners => draft.kept(),
            Keep::Nothing => draft.owners()?,
        }
        Ok(draft.plan)
    }
}

/// A plan in the making.
struct Draft<'a> {
    place: &'a Place,
    plan: Plan,
}

impl Draft<'_> {
    fn step(&mut self, step: Step) {
        self.plan.steps.push(step);
    }

    fn stays(&mut self, path: PathBuf) {
        self.plan.notes.push(format!("{} is not of `vitrine install` and stays", path.display()));
    }

    fn units(&mut self) -> Result<(), InstallError> {
        let (mut names, mut paths) = (Vec::new(), Vec::new());
        for (name, _) in units::ALL {
            let path = self.place.at(UNITS).join(name);
            match There::at(&path)? {
                There::Nothing => {}
                There::File => {
                    let text = fs::read(&path).map_err(|fault| failed("read", &path, fault))?;
                    if units::is_ours(&String::from_utf8_lossy(&text)) {
                        names.push(name);
                        paths.push(path);
                    } else {
                        self.stays(path);
                    }
                }
                There::Folder(_) | There::Link(_) | There::Other => self.stays(path),
            }
        }
        if names.is_empty() {
            return Ok(());
        }
        let runs = matches!(self.place.systemd(), Systemd::Runs { .. });
        if runs {
            // First what would start the service again; then both at once, for so would the socket.
            if names.contains(&ROLLBACK) {
                self.step(Step::Systemctl(vec!["stop", ROLLBACK]));
            }
            names.retain(|name| *name != ROLLBACK);
            for order in ["stop", "disable"] {
                self.step(Step::Systemctl([&[order], names.as_slice()].concat()));
            }
        } else {
            let enabled = units::ENABLED.map(|link| self.place.at(UNITS).join(link));
            paths.extend(enabled.into_iter().filter(|link| link.is_symlink()));
        }
        paths.into_iter().for_each(|path| self.step(Step::Remove(path)));
        if runs {
            self.step(Step::Systemctl(vec!["daemon-reload"]));
            // What failed is remembered without its unit. By patterns: a name that systemd has
            // forgotten would be an error.
            self.step(Step::Systemctl(vec!["reset-failed", "vitrine.*", "vitrine-rollback.*"]));
        }
        Ok(())
    }

    fn command(&mut self) -> Result<(), InstallError> {
        let path = self.place.at(COMMAND);
        match There::at(&path)? {
            There::Nothing => {}
            There::Link(target) if target.as_os_str() == COMMAND_TARGET => self.step(Step::Remove(path)),
            There::Folder(_) | There::File | There::Link(_) | There::Other => self.stays(path),
        }
        Ok(())
    }

    fn releases(&mut self) -> Result<(), InstallError> {
        let path = self.place.at(HOME);
        let is_ours = self.place.at(RELEASES).is_dir() || self.place.at(CURRENT).is_symlink();
        match There::at(&path)? {
            There::Nothing => {}
            There::Folder(_) if is_ours => self.step(Step::RemoveFolder(path)),
            There::Folder(_) | There::File | There::Link(_) | There::Other => self.stays(path),
        }
        Ok(())
    }

    fn kept(&mut self) {
        for path in [SETTINGS, DATA] {
            if self.place.at(path).exists() {
                self.plan.notes.push(format!("{path} stays; --purge removes it"));
            }
        }
        if matches!(self.place.machine.map(|machine| machine.account), Some(Account::There(_))) {
            self.plan.notes.push(format!("the user {USER}, whose files those are, stays"));
        }
    }

    fn owners(&mut self) -> Result<(), InstallError> {
        for path in [SETTINGS, DATA] {
            let path = self.place.at(path);
            match There::at(&path)? {
                There::Nothing => {}
                There::Folder(_) => self.step(Step::RemoveFolder(path)),
                // What it leads to was not made by us.
                There::Link(target) => {
                    self.plan.notes.push(format!(
                        "{}, where {} led, stays",
                        target.display(),
                        path.display()
                    ));
                    self.step(Step::Remove(path));
                }
                There::File | There::Other => self.stays(path),
            }
        }
        for (name, _) in units::ALL {
            let drop_ins = self.place.at(UNITS).join(format!("{name}.d"));
            if let There::Folder(_) = There::at(&drop_ins)? {
                self.step(Step::RemoveFolder(drop_ins));
            }
        }
        match self.place.machine.map(|machine| machine.account) {
            Some(Account::There(ids)) if ids.is_system() => self.step(Step::RemoveUser),
            Some(Account::There(_)) => {
                self.plan.notes.push(format!("the user {USER} is a person's account and stays"));
            }
            Some(Account::Missing | Account::WithoutGroup) | None => {}
        }
        Ok(())
    }
}
