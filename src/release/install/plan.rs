//! What is to be done to install: the difference between what is there and what should be.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::layout::{
    COMMAND, COMMAND_TARGET, CONFIGURATION, CURRENT, DATA, GOOD, HOME, RELEASES, SETTINGS, SITE, UNITS,
};
use super::machine::{Account, Active, Outdated, Systemd};
use super::units::{self, SERVICE};
use super::{Contents, InstallError, Obstacle, Owner, Place, Plan, Start, Step, failed};
use crate::cv;
use crate::release::{BINARY, shelf};

impl Plan {
    /// Plans an installation, or says everything that is in its way.
    pub fn to_install(place: &Place, contents: &Contents, start: Start) -> Result<Self, InstallError> {
        let mut draft = Draft { place, plan: Plan::default(), obstacles: Vec::new() };
        draft.account();
        draft.folders()?;
        let moved = draft.release(contents)?;
        draft.owners_files(contents)?;
        let rewritten = draft.units()?;
        draft.systemd(start, rewritten, moved);
        if draft.obstacles.is_empty() {
            Ok(draft.plan)
        } else {
            Err(InstallError::Obstacles(draft.obstacles))
        }
    }
}

fn checksum(path: &Path) -> Result<String, InstallError> {
    shelf::checksum(path).map(|(sum, _)| sum).map_err(|fault| failed("read", path, fault))
}

/// What a name stands for, links not followed.
pub(super) enum There {
    Nothing,
    Folder(fs::Metadata),
    File,
    Link(PathBuf),
    Other,
}

impl There {
    pub(super) fn at(path: &Path) -> Result<Self, InstallError> {
        let metadata = match fs::symlink_metadata(path) {
            // A file above it is in the way itself.
            Err(fault) if matches!(fault.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(There::Nothing);
            }
            outcome => outcome.map_err(|fault| failed("look at", path, fault))?,
        };
        Ok(match metadata.file_type() {
            kind if kind.is_dir() => There::Folder(metadata),
            kind if kind.is_file() => There::File,
            kind if kind.is_symlink() => {
                There::Link(fs::read_link(path).map_err(|fault| failed("read the link", path, fault))?)
            }
            _ => There::Other,
        })
    }

    fn is(&self) -> &'static str {
        match self {
            There::Nothing => "nothing",
            There::Folder(_) => "a folder",
            There::File => "a file",
            There::Link(_) => "a link",
            There::Other => "neither a file nor a folder",
        }
    }
}

/// Whether something that runs is out of date by the plan's steps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Changed {
    Yes,
    No,
}

/// A plan in the making.
struct Draft<'a> {
    place: &'a Place,
    plan: Plan,
    obstacles: Vec<Obstacle>,
}

impl Draft<'_> {
    fn step(&mut self, step: Step) {
        self.plan.steps.push(step);
    }

    fn note(&mut self, note: impl Into<String>) {
        self.plan.notes.push(note.into());
    }

    fn in_the_way(&mut self, path: PathBuf, found: &There, wanted: &'static str) {
        self.obstacles.push(Obstacle::InTheWay { path, found: found.is(), wanted });
    }

    fn account(&mut self) {
        match self.place.machine.map(|machine| machine.account) {
            Some(Account::Missing) => self.step(Step::AddUser),
            Some(Account::WithoutGroup) => self.obstacles.push(Obstacle::WithoutGroup),
            Some(Account::There(_)) | None => {}
        }
    }

    fn folders(&mut self) -> Result<(), InstallError> {
        self.folder_of_ours(HOME)?;
        self.folder_of_ours(RELEASES)?;
        self.owners_folder(SETTINGS, 0o755, Owner::Root)?;
        self.owners_folder(SITE, 0o750, Owner::ReadByService)?;
        // One that is there may be another user's: systemd gives it to the service, with all in it,
        // at the next start (StateDirectory=).
        self.owners_folder(DATA, 0o700, Owner::Service)
    }

    /// Root runs what lies in these, so nobody else may write there.
    fn folder_of_ours(&mut self, path: &'static str) -> Result<(), InstallError> {
        let (path, mode) = (self.place.at(path), 0o755);
        match There::at(&path)? {
            There::Nothing => self.step(Step::MakeFolder { path, mode, owner: Owner::Root }),
            There::Folder(metadata) => {
                let is_roots = self.place.machine.is_none() || (metadata.uid(), metadata.gid()) == (0, 0);
                if !is_roots || metadata.permissions().mode() & 0o7777 != mode {
                    self.step(Step::TakeFolder { path, mode });
                }
            }
            other => self.in_the_way(path, &other, "a folder"),
        }
        Ok(())
    }

    /// One that is there keeps its owner and permissions; a link to a folder is one.
    fn owners_folder(&mut self, path: &'static str, mode: u32, owner: Owner) -> Result<(), InstallError> {
        let path = self.place.at(path);
        match There::at(&path)? {
            There::Nothing => self.step(Step::MakeFolder { path, mode, owner }),
            There::Folder(_) => {}
            There::Link(_) if path.is_dir() => {}
            other => self.in_the_way(path, &other, "a folder"),
        }
        Ok(())
    }

    /// Says whether `current` moves.
    fn release(&mut self, contents: &Contents) -> Result<Changed, InstallError> {
        let checksum = checksum(&contents.program)?;
        let releases = self.place.at(RELEASES);
        let release = match installed(&releases, &checksum)? {
            Some(release) => release,
            None => {
                let release = releases.join(shelf::id_of(contents.at, &checksum));
                match There::at(&release)? {
                    There::Nothing => {
                        self.step(Step::CopyRelease {
                            from: contents.program.clone(),
                            to: release.clone(),
                            at: contents.at,
                        });
                    }
                    other => {
                        self.in_the_way(release.clone(), &other, "this release, but with another program")
                    }
                }
                release
            }
        };
        let target = Path::new("releases").join(release.file_name().unwrap_or_default());
        let moved = self.release_link(CURRENT, &target, |found| found == release)?;
        // What proved itself is not proved by being replaced.
        self.release_link(GOOD, &target, |found| found.join(BINARY).is_file())?;
        self.command(&checksum)?;
        Ok(moved)
    }

    /// Turns a link to a release, unless what it leads to will do.
    fn release_link(
        &mut self,
        path: &'static str,
        target: &Path,
        will_do: impl FnOnce(&Path) -> bool,
    ) -> Result<Changed, InstallError> {
        let (path, home) = (self.place.at(path), self.place.at(HOME));
        match There::at(&path)? {
            There::Link(found) if will_do(&home.join(&found)) => return Ok(Changed::No),
            There::Nothing | There::Link(_) => {
                self.step(Step::Link { path, target: target.to_path_buf() });
            }
            other => self.in_the_way(path, &other, "a link to a release"),
        }
        Ok(Changed::Yes)
    }

    /// The program itself may lie where its link belongs: it was copied there before it was installed.
    fn command(&mut self, own: &str) -> Result<(), InstallError> {
        let path = self.place.at(COMMAND);
        let will_do = match There::at(&path)? {
            There::Nothing => true,
            There::Link(target) if target == Path::new(COMMAND_TARGET) => return Ok(()),
            There::File => checksum(&path)? == own,
            There::Folder(_) | There::Link(_) | There::Other => false,
        };
        if will_do {
            self.step(Step::Link { path, target: COMMAND_TARGET.into() });
        } else {
            self.obstacles.push(Obstacle::Foreign(path));
        }
        Ok(())
    }

    fn owners_files(&mut self, contents: &Contents) -> Result<(), InstallError> {
        let path = self.place.at(CONFIGURATION);
        match There::at(&path)? {
            There::Nothing => self.step(Step::WriteFile { path, text: contents.configuration.clone() }),
            There::File | There::Link(_) => self.note(format!("{} is left as it is", path.display())),
            other @ (There::Folder(_) | There::Other) => self.in_the_way(path, &other, "a file"),
        }
        let site = self.place.at(SITE);
        // Whoever may not look into it is not root, and only asks what would be done.
        let is_hidden =
            fs::read_dir(&site).is_err_and(|fault| fault.kind() == io::ErrorKind::PermissionDenied);
        match cv::find(&site) {
            Some(found) => self.note(format!("{} is left as it is", found.path.display())),
            None if is_hidden => self.note(format!("{} is seen by root only", site.display())),
            None => {
                let path = site.join(cv::FILE_NAMES[0]);
                self.step(Step::WriteFile { path, text: cv::SAMPLE.to_string() });
            }
        }
        Ok(())
    }

    fn units(&mut self) -> Result<Changed, InstallError> {
        let mut changed = Changed::No;
        for (name, text) in units::ALL {
            let path = self.place.at(UNITS).join(name);
            match There::at(&path)? {
                There::Nothing => {}
                There::File => {
                    let found = fs::read(&path).map_err(|fault| failed("read", &path, fault))?;
                    if found == text.as_bytes() {
                        continue;
                    }
                    if !units::is_ours(&String::from_utf8_lossy(&found)) {
                        self.obstacles.push(Obstacle::Foreign(path));
                        continue;
                    }
                }
                // `systemctl mask` makes such a link; it is somebody's will.
                There::Link(_) => {
                    self.obstacles.push(Obstacle::Foreign(path));
                    continue;
                }
                other @ (There::Folder(_) | There::Other) => {
                    self.in_the_way(path, &other, "a file");
                    continue;
                }
            }
            self.step(Step::WriteUnit { path, text });
            changed = Changed::Yes;
        }
        Ok(changed)
    }

    fn systemd(&mut self, start: Start, rewritten: Changed, moved: Changed) {
        if self.place.machine.is_none() {
            return self
                .note("everything belongs to whoever runs this; no user was made, and systemd told nothing");
        }
        let Systemd::Runs { active, outdated } = self.place.systemd() else {
            return self.note(format!(
                "systemd does not run here; where it does: systemctl daemon-reload && systemctl enable --now {SERVICE}"
            ));
        };
        if rewritten == Changed::Yes || outdated == Outdated::Yes {
            self.step(Step::Systemctl(vec!["daemon-reload"]));
        }
        if !self.place.at(UNITS).join(units::ENABLED[0]).is_symlink() {
            self.step(Step::Systemctl(vec!["enable", SERVICE]));
        }
        match (active, start) {
            (Active::No, Start::Now) => {
                self.step(Step::Systemctl(vec!["start", SERVICE]));
                self.note(
                    "the admin password, if none was set, is in `journalctl -u vitrine`; `vitrine password` sets another",
                );
            }
            (Active::No, Start::AtBoot) => self.note(
                "next: edit the CV, set the admin password with `vitrine password`, then `systemctl start vitrine`",
            ),
            (Active::Yes, _) if moved == Changed::Yes => {
                self.note("the service still runs the release before: `vitrine upgrade` hands over to this one");
            }
            (Active::Yes, _) if rewritten == Changed::Yes => {
                self.note("the unit's new text is in force from the next `systemctl restart vitrine`");
            }
            (Active::Yes, _) => {}
        }
    }
}

/// Finds the release that has exactly this program, by its name first: there may be others.
fn installed(releases: &Path, own: &str) -> Result<Option<PathBuf>, InstallError> {
    let entries = match fs::read_dir(releases) {
        // What is in the way there is told with the folders.
        Err(fault) if matches!(fault.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        outcome => outcome.map_err(|fault| failed("list", releases, fault))?,
    };
    let ending = format!("-{}", shelf::digits(own));
    for entry in entries {
        let entry = entry.map_err(|fault| failed("list", releases, fault))?;
        let program = entry.path().join(BINARY);
        if entry.file_name().to_string_lossy().ends_with(&ending)
            && program.is_file()
            && checksum(&program)? == own
        {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}
