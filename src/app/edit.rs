//! The editor of the CV: reads, checks and writes the files that the CV consists of.
//!
//! A browser names a file, and never a path: what it names must be a file of the CV that is
//! there, or one that could be. A draft is written only if the file still holds what the draft was
//! made from, if nothing in it is an error, and if the text before is kept as a version. Then a
//! reload shows it; one that is refused puts the file back. Writing and reloading happen where
//! reloads and hand-overs have their turn ([`Running::publish`]), so that no successor reads what
//! may be put back.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rustix::fs::{Access, access};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid, getgroups};
use tokio::sync::{mpsc, oneshot};

use super::data::{CvFile, read_bounded};
use super::look;
use super::reload::Reloader;
use super::serve::Running;
use super::site::{self, SiteError, name_of};
use super::versions::{Version, Versions, mark};
use super::watch::Watch;
use crate::clock::UnixMillis;
use crate::config::Config;
use crate::cv::{self, Problem};
use crate::files::{PRIVATE, replace_durably, sync_dir, write_durably};
use crate::http::admin::editor::{Draft, EditError, Editor, Opened, Previewed, Published, TEXT_MAX_BYTES};
use crate::pages::admin::cv::{Bar, BarReason, SiteView, VersionView};
use crate::release::install;

/// The file of a CV that is begun here.
const FIRST: &str = "cv.yaml";

/// What a translation begins with that is begun here.
const TRANSLATION: &str = "\
# Only what differs from the original: whatever is missing here is taken from it.
basics:
";

/// Drafts that wait to be written; one owner has one.
pub const WAITING_MAX: usize = 4;

/// A draft on its way to where it is written.
pub struct Save {
    draft: Draft,
    answer: oneshot::Sender<Result<Published, EditError>>,
}

/// The site's folder, as `/admin` edits it.
pub struct SiteEditor {
    reloader: Arc<Reloader>,
    saves: mpsc::Sender<Save>,
}

impl SiteEditor {
    /// Edits the folder of the configuration in force; drafts go to `saves`.
    pub fn new(reloader: Arc<Reloader>, saves: mpsc::Sender<Save>) -> SiteEditor {
        SiteEditor { reloader, saves }
    }

    fn versions_of_data(&self) -> Versions {
        Versions::of(&self.reloader.loaded().config.data)
    }
}

impl Editor for SiteEditor {
    fn look(&self) -> SiteView {
        let config = self.reloader.loaded().config;
        let mut view = look::look(&config, &self.reloader.status.get());
        let first = view.files.first().map_or(FIRST, |file| file.name.as_str());
        view.bar = Target::find(&config.site, first).ok().and_then(|target| target.bar(config.admin.edit));
        view
    }

    fn open(&self, name: &str) -> Result<Opened, EditError> {
        let config = self.reloader.loaded().config;
        let target = Target::find(&config.site, name)?;
        Ok(target.open(config.admin.edit))
    }

    fn check(&self, draft: &Draft) -> Result<Vec<Problem>, EditError> {
        let config = self.reloader.loaded().config;
        let target = Target::find(&config.site, &draft.name)?;
        Ok(target.check(&config.site, &config.cv, &draft.text))
    }

    fn preview(&self, draft: &Draft) -> Result<Previewed, EditError> {
        let config = self.reloader.loaded().config;
        let target = Target::find(&config.site, &draft.name)?;
        let assets = self.reloader.shared.edition.load().assets().clone();
        let file = target.file(&draft.text, None);
        let (pages, start) = site::preview(&config.site, &config.cv, &file, &assets)
            .map_err(|fault| EditError::Problems(fault.into_problems()))?;
        Ok(Previewed { pages, start })
    }

    fn publish(&self, draft: Draft) -> BoxFuture<'static, Result<Published, EditError>> {
        let saves = self.saves.clone();
        async move {
            let (answer, answered) = oneshot::channel();
            saves.send(Save { draft, answer }).await.map_err(|_| EditError::Stopping)?;
            answered.await.unwrap_or(Err(EditError::Stopping))
        }
        .boxed()
    }

    fn versions(&self) -> Result<Vec<VersionView>, EditError> {
        let versions = self.versions_of_data().list().map_err(|fault| disk("read the versions", &fault))?;
        let site = self.reloader.loaded().config.site;
        Ok(versions.into_iter().map(|version| version_view(&site, version)).collect())
    }

    fn version(&self, id: &str) -> Result<(VersionView, String), EditError> {
        let found = self.versions_of_data().read(id).map_err(|fault| disk("read the version", &fault))?;
        let (version, bytes) = found.ok_or(EditError::NoVersion)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok((version_view(&self.reloader.loaded().config.site, version), text))
    }
}

fn version_view(site: &Path, version: Version) -> VersionView {
    let present = read_bounded(&site.join(&version.name), cv::SIZE_BYTES_MAX);
    let is_present = present.is_ok_and(|bytes| version.is_of(&mark(&bytes)));
    let Version { id, at, name, size_bytes, .. } = version;
    VersionView { id, at, name, size_bytes, is_present }
}

fn disk(attempt: &str, fault: &io::Error) -> EditError {
    EditError::Disk(format!("{attempt}: {fault}"))
}

/// A file of the CV, or one that it could have.
struct Target {
    name: String,
    path: PathBuf,
    /// The site's folder, without links.
    folder: PathBuf,
    /// Whose mode a new file gets.
    like: Option<PathBuf>,
    is_new: bool,
}

impl Target {
    /// Finds the file of this name among those that the CV has, and those that it could have.
    fn find(site: &Path, name: &str) -> Result<Target, EditError> {
        let unknown = || EditError::Unknown(name.to_string());
        let folder =
            site.canonicalize().map_err(|fault| disk(&format!("open {}", site.display()), &fault))?;
        let new = |name: String, like: Option<PathBuf>| Target {
            path: folder.join(&name),
            name,
            folder: folder.clone(),
            like,
            is_new: true,
        };
        let Some(found) = cv::find(&folder) else {
            return if name == FIRST { Ok(new(FIRST.into(), None)) } else { Err(unknown()) };
        };
        let mut paths = std::iter::once(&found.path).chain(found.translations.iter().map(|(_, path)| path));
        if let Some(path) = paths.find(|path| name_of(path) == name) {
            let (name, path, folder) = (name.to_string(), path.clone(), folder.clone());
            return Ok(Target { name, path, folder, like: None, is_new: false });
        }
        let lang = cv::lang::of_file(name).ok_or_else(unknown)?;
        let is_free = found.translations.len() < cv::TRANSLATIONS_MAX
            && found.translations.iter().all(|(known, _)| *known != lang);
        // Only the language comes from outside, and it is written as languages are.
        let usual = format!("cv.{lang}.yaml");
        if is_free && name == usual { Ok(new(usual, Some(found.path))) } else { Err(unknown()) }
    }

    /// Returns the file as a draft would make it. Forms bring line ends of their own, and the file
    /// keeps those that it has.
    fn file(&self, text: &str, before: Option<&[u8]>) -> CvFile {
        let plain = text.replace("\r\n", "\n");
        let is_dos = before.is_some_and(|bytes| {
            let n_lines = bytes.iter().filter(|byte| **byte == b'\n').count();
            n_lines > 0 && bytes.windows(2).filter(|pair| pair == b"\r\n").count() == n_lines
        });
        let text = if is_dos { plain.replace('\n', "\r\n") } else { plain };
        CvFile { name: self.name.clone(), bytes: text.into_bytes() }
    }

    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        match read_bounded(&self.path, cv::SIZE_BYTES_MAX) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound && self.is_new => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    fn open(&self, may_edit: bool) -> Opened {
        let bar = self.bar(may_edit);
        let name = self.name.clone();
        match self.read() {
            Ok(Some(bytes)) => {
                let mark = mark(&bytes);
                Opened { name, text: String::from_utf8_lossy(&bytes).into_owned(), mark, bar }
            }
            Ok(None) => {
                let text = if self.like.is_some() { TRANSLATION } else { cv::SAMPLE };
                Opened { name, text: text.into(), mark: String::new(), bar }
            }
            Err(_) => Opened { name, text: String::new(), mark: String::new(), bar },
        }
    }

    /// Returns what is wrong or odd with a text, and what else keeps it from being shown.
    fn check(&self, site: &Path, config: &cv::Config, text: &str) -> Vec<Problem> {
        let mut problems = match site::check_draft(site, config, &self.file(text, None)) {
            Ok(warnings) => warnings,
            Err(fault) => fault.into_problems(),
        };
        problems.retain(|problem| problem.is_error() || problem.file == self.name);
        problems
    }

    /// Returns why the file cannot be written, if so.
    fn bar(&self, may_edit: bool) -> Option<Bar> {
        if !may_edit {
            let remedy = vec!["[admin]".into(), "edit = true".into()];
            return Some(Bar { reason: BarReason::Off, remedy });
        }
        let plain = |reason: BarReason| Some(Bar { reason, remedy: Vec::new() });
        if !self.is_new {
            match self.path.canonicalize() {
                // Where it leads may be anybody's, and is edited where it is kept.
                Ok(path) if path.parent() != Some(&*self.folder) => {
                    return plain(BarReason::Elsewhere { path: path.display().to_string() });
                }
                Ok(_) => {}
                Err(fault) => return plain(BarReason::Unreadable { cause: fault.to_string() }),
            }
        }
        match access(&self.folder, Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) => {}
            // Who may read a folder of the unit's and not write it needs both at once.
            Err(_) if self.folder == Path::new(install::SITE) => {
                return Some(Bar { reason: BarReason::ReadOnly, remedy: of_the_unit(&self.folder) });
            }
            Err(Errno::ROFS) => return plain(BarReason::ReadOnly),
            Err(_) => {
                let reason = BarReason::NoPermission { user: user() };
                return Some(Bar { reason, remedy: vec![give_away(&self.folder)] });
            }
        }
        if self.is_new {
            return None;
        }
        if let Ok(metadata) = self.path.metadata()
            && !may_give_to(metadata.uid(), metadata.gid())
        {
            let reason = BarReason::Owner { user: user() };
            return Some(Bar { reason, remedy: vec![give_away(&self.path)] });
        }
        match self.read() {
            Ok(Some(bytes)) if bytes.len() > TEXT_MAX_BYTES => {
                plain(BarReason::TooLarge { max_bytes: TEXT_MAX_BYTES })
            }
            Ok(Some(bytes)) if std::str::from_utf8(&bytes).is_err() => plain(BarReason::NotText),
            Ok(_) => None,
            Err(fault) => plain(BarReason::Unreadable { cause: fault.to_string() }),
        }
    }

    /// Writes a draft; returns what takes that back.
    fn write(&self, file: &CvFile, before: Option<Vec<u8>>) -> io::Result<Written> {
        match (&before, &self.like) {
            (Some(_), _) => replace_durably(&self.real_path(), &file.bytes)?,
            (None, like) => {
                let mode = like.as_ref().and_then(|like| like.metadata().ok());
                let mode = mode.map_or(PRIVATE, |metadata| metadata.mode() & 0o777);
                write_durably(&self.path, &file.bytes, mode)?;
            }
        }
        Ok(Written { path: self.real_path(), before, was_broken: false })
    }

    /// A link within the folder stays one: what it leads to is replaced.
    fn real_path(&self) -> PathBuf {
        self.path.canonicalize().unwrap_or_else(|_| self.path.clone())
    }
}

/// The line that makes a folder or a file that of this process.
fn give_away(path: &Path) -> String {
    format!("sudo chown -R {}: {}", user(), path.display())
}

/// What lets the service of an installation write: systemd shows it the folder read-only, and it
/// is root's.
fn of_the_unit(folder: &Path) -> Vec<String> {
    vec![
        give_away(folder),
        "sudo systemctl edit vitrine".into(),
        "[Service]".into(),
        format!("ReadWritePaths={}", folder.display()),
        "sudo systemctl restart vitrine".into(),
    ]
}

/// Whether this process may make a file that belongs to these.
fn may_give_to(uid: u32, gid: u32) -> bool {
    if geteuid().is_root() {
        return true;
    }
    let is_own_group = getegid().as_raw() == gid
        || getgroups().is_ok_and(|groups| groups.iter().any(|own| own.as_raw() == gid));
    geteuid().as_raw() == uid && is_own_group
}

/// Returns the name of the user that this process runs as, its number where it has none.
fn user() -> String {
    let uid = geteuid().as_raw().to_string();
    let names = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let is_it = |line: &&str| line.split(':').nth(2) == Some(&uid);
    let name = names.lines().find(is_it).and_then(|line| line.split(':').next());
    name.map_or(uid.clone(), str::to_string)
}

/// A draft that is on disk, and what takes it back.
struct Written {
    path: PathBuf,
    before: Option<Vec<u8>>,
    /// Whether the folder could not be shown before either.
    was_broken: bool,
}

impl Written {
    fn put_back(&self) -> io::Result<()> {
        match &self.before {
            Some(before) => replace_durably(&self.path, before),
            None => {
                fs::remove_file(&self.path)?;
                self.path.parent().map_or(Ok(()), sync_dir)
            }
        }
    }
}

/// Checks a draft and puts it on disk.
fn write(config: &Config, now: UnixMillis, draft: &Draft) -> Result<Written, EditError> {
    let target = Target::find(&config.site, &draft.name)?;
    if let Some(bar) = target.bar(config.admin.edit).filter(Bar::is_for_any_text) {
        return Err(EditError::Barred(bar));
    }
    let before = target.read().map_err(|fault| disk(&format!("read {}", draft.name), &fault))?;
    if before.as_deref().map(mark).unwrap_or_default() != draft.seen {
        return Err(EditError::Conflict(target.open(config.admin.edit).into()));
    }
    let file = target.file(&draft.text, before.as_deref());
    let was_broken = match site::check_draft(&config.site, &config.cv, &file) {
        Ok(_) => false,
        Err(fault) => {
            let problems = fault.into_problems();
            let is_own = problems.iter().any(|problem| problem.is_error() && problem.file == file.name);
            let was_broken = site::check(&config.site, &config.cv)
                .is_err_and(|fault| !matches!(fault, SiteError::Missing(_)));
            if is_own || !was_broken {
                return Err(EditError::Problems(problems));
            }
            true
        }
    };
    if let Some(before) = &before {
        let before = [CvFile { name: draft.name.clone(), bytes: before.clone() }];
        let kept = Versions::of(&config.data).keep(&before, now);
        kept.map_err(|fault| {
            disk("keep the text before in cv-versions/ of the data folder, so nothing was written", &fault)
        })?;
    }
    let written = target.write(&file, before);
    let written = written.map_err(|fault| disk(&format!("write {}", target.path.display()), &fault))?;
    Ok(Written { was_broken, ..written })
}

impl Running {
    /// Carries out what the editor asked for.
    pub(super) async fn save(&mut self, save: Save) {
        let Save { draft, answer } = save;
        let published = self.publish(draft).await;
        // Whoever asked may have left; what was written is shown all the same.
        _ = answer.send(published);
    }

    /// Writes a draft and reloads; what a reload refuses is put back.
    async fn publish(&mut self, draft: Draft) -> Result<Published, EditError> {
        let reloader = self.reloader.clone();
        let stale_before = reloader.status.get().stale;
        let (config, now) = (reloader.loaded().config, reloader.shared.clock.now_ms());
        let written = off_thread(move || write(&config, now, &draft)).await??;
        let outcome = match self.reload().await {
            Ok(message) => Ok(Published::Shown(message)),
            // It is no worse than what was there.
            Err(reasons) if written.was_broken => Ok(Published::Written(reasons)),
            Err(reasons) => match off_thread(move || written.put_back()).await? {
                Ok(()) => {
                    reloader.status.put_back(stale_before);
                    Err(EditError::Refused(reasons))
                }
                Err(fault) => Err(EditError::Stuck { reasons, why: fault.to_string() }),
            },
        };
        // What was just shown, or taken back, is no change to be noticed.
        let site = reloader.loaded().config.site;
        self.watch = off_thread(move || Watch::begin(&site)).await?;
        outcome
    }
}

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, EditError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|fault| EditError::Disk(format!("a defect ended it, please report it: {fault}")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    struct Case {
        dir: tempfile::TempDir,
        config: Config,
    }

    impl Case {
        fn new(files: &[(&str, &str)]) -> Case {
            let dir = tempfile::tempdir().unwrap();
            let (site, data) = (dir.path().join("site"), dir.path().join("data"));
            fs::create_dir(&site).unwrap();
            for (name, text) in files {
                fs::write(site.join(name), text).unwrap();
            }
            Case { dir, config: Config { site, data, ..Config::default() } }
        }

        fn target(&self, name: &str) -> Result<Target, EditError> {
            Target::find(&self.config.site, name)
        }

        fn opened(&self, name: &str) -> Opened {
            self.target(name).unwrap().open(true)
        }

        fn write(&self, name: &str, text: &str, seen: &str) -> Result<Written, EditError> {
            let draft = Draft { name: name.into(), text: text.into(), seen: seen.into() };
            write(&self.config, UnixMillis(1), &draft)
        }

        fn text(&self, name: &str) -> String {
            fs::read_to_string(self.config.site.join(name)).unwrap()
        }

        fn kept(&self) -> Vec<String> {
            let versions = Versions::of(&self.config.data);
            let texts =
                versions.list().unwrap().into_iter().map(|version| {
                    String::from_utf8(versions.read(&version.id).unwrap().unwrap().1).unwrap()
                });
            texts.collect()
        }
    }

    const ADA: &str = "basics: {name: Ada}\n";

    #[test]
    fn only_files_of_the_cv_are_found_and_none_by_a_path() {
        let case = Case::new(&[("cv.yaml", ADA), ("cv.ru.yaml", ""), ("cv.yml", ""), ("notes.txt", "")]);
        for name in ["cv.yaml", "cv.ru.yaml"] {
            assert!(!case.target(name).unwrap().is_new, "{name}");
        }
        assert!(case.target("cv.pt-BR.yaml").unwrap().is_new);
        let unknown = |name: &str| assert_eq!(case.target(name).err(), Some(EditError::Unknown(name.into())));
        for name in ["", ".", "cv.yml", "resume.json", "notes.txt", "../site/cv.yaml", "/etc/passwd"] {
            unknown(name);
        }
        for name in
            ["./cv.yaml", "cv.old.yaml", "cv.PT-br.yaml", "cv.de.json", "resume.de.yaml", "cv.../x.yaml"]
        {
            unknown(name);
        }
        let empty = Case::new(&[]);
        assert_eq!(empty.opened("cv.yaml").text, cv::SAMPLE);
        assert!(empty.target("cv.de.yaml").is_err(), "a translation of nothing");
    }

    #[test]
    fn a_draft_is_written_once_and_the_text_before_is_kept() {
        let case = Case::new(&[("cv.yaml", ADA)]);
        let path = case.config.site.join("cv.yaml");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let seen = case.opened("cv.yaml").mark;
        let written = case.write("cv.yaml", "basics: {name: Bob}\r\n", &seen).unwrap();
        assert_eq!((case.text("cv.yaml"), case.kept()), ("basics: {name: Bob}\n".into(), vec![ADA.into()]));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        // Whoever opened it before that is told, and nothing changes.
        match case.write("cv.yaml", "basics: {name: Eve}", &seen) {
            Err(EditError::Conflict(now)) => assert_eq!(*now, case.opened("cv.yaml")),
            other => panic!("{:?}", other.err()),
        }
        assert_eq!(case.text("cv.yaml"), "basics: {name: Bob}\n");
        written.put_back().unwrap();
        assert_eq!(case.text("cv.yaml"), ADA);
        let created = case.write("cv.ru.yaml", "basics: {name: Ада}\n", "").unwrap();
        assert_eq!(fs::metadata(case.config.site.join("cv.ru.yaml")).unwrap().mode() & 0o777, 0o640);
        created.put_back().unwrap();
        assert_eq!(fs::read_dir(&case.config.site).unwrap().count(), 1);
    }

    #[test]
    fn an_error_in_the_text_or_by_it_keeps_the_file() {
        let case = Case::new(&[("cv.yaml", ADA)]);
        let seen = case.opened("cv.yaml").mark;
        let refused = case.write("cv.yaml", "basics:\n  name: [Ada", &seen).err();
        let Some(EditError::Problems(problems)) = refused else { panic!("{refused:?}") };
        let place = problems[0].place.unwrap();
        assert!(problems[0].is_error() && place.line >= 2, "{problems:?}");
        assert_eq!((case.text("cv.yaml"), case.kept()), (ADA.to_string(), vec![]));
    }

    #[test]
    fn a_check_tells_what_is_odd_with_the_text_and_what_keeps_it_from_being_shown() {
        let case = Case::new(&[("cv.yaml", ADA), ("cv.ru.yaml", "basics: ["), ("resume.json", "{}")]);
        let problems =
            case.target("cv.yaml").unwrap().check(&case.config.site, &case.config.cv, "basics: {nme: Ada}");
        let told: Vec<_> = problems.iter().map(|problem| (&*problem.file, problem.is_error())).collect();
        assert!(told.contains(&("cv.ru.yaml", true)) && told.contains(&("cv.yaml", false)), "{problems:?}");
        assert!(!told.iter().any(|(file, _)| *file == "resume.json"), "{problems:?}");
    }

    #[test]
    fn of_two_broken_files_one_can_be_mended_first() {
        let case = Case::new(&[("cv.yaml", "basics: ["), ("cv.ru.yaml", "basics: [")]);
        let seen = case.opened("cv.yaml").mark;
        assert!(case.write("cv.yaml", ADA, &seen).unwrap().was_broken);
        assert_eq!(case.text("cv.yaml"), ADA);
        assert!(case.write("cv.ru.yaml", "basics: {", &seen).is_err());
    }

    #[test]
    fn a_file_keeps_its_line_ends() {
        let case = Case::new(&[("cv.yaml", "basics:\r\n  name: Ada\r\n"), ("cv.ru.yaml", "")]);
        let seen = case.opened("cv.yaml").mark;
        case.write("cv.yaml", "basics:\r\n  name: Bob\r\n", &seen).unwrap();
        assert_eq!(case.text("cv.yaml"), "basics:\r\n  name: Bob\r\n");
        let seen = case.opened("cv.yaml").mark;
        case.write("cv.yaml", "basics:\n  name: Eve\n", &seen).unwrap();
        assert_eq!(case.text("cv.yaml"), "basics:\r\n  name: Eve\r\n");
    }

    #[test]
    fn what_may_not_be_written_says_why() {
        let case = Case::new(&[("cv.yaml", ADA), ("cv.de.yaml", "")]);
        let elsewhere = case.dir.path().join("elsewhere.yaml");
        fs::write(&elsewhere, "").unwrap();
        symlink(&elsewhere, case.config.site.join("cv.ru.yaml")).unwrap();
        fs::write(case.config.site.join("cv.fr.yaml"), [0xff]).unwrap();
        fs::write(case.config.site.join("cv.es.yaml"), "#".repeat(TEXT_MAX_BYTES + 1)).unwrap();
        let reason = |name: &str, may_edit| case.target(name).unwrap().bar(may_edit).map(|bar| bar.reason);
        assert_eq!(reason("cv.yaml", true), None);
        assert_eq!(reason("cv.yaml", false), Some(BarReason::Off));
        assert!(matches!(reason("cv.ru.yaml", true), Some(BarReason::Elsewhere { .. })));
        assert_eq!(reason("cv.fr.yaml", true), Some(BarReason::NotText));
        assert!(matches!(reason("cv.es.yaml", true), Some(BarReason::TooLarge { .. })));
        // One that cannot be edited can be replaced: an earlier text comes back.
        let seen = case.opened("cv.es.yaml").mark;
        assert!(case.write("cv.es.yaml", "basics: {name: Eva}\n", &seen).is_ok());
        let barred = case.write("cv.ru.yaml", "basics: {}", "").err();
        assert!(matches!(barred, Some(EditError::Barred(_))), "{barred:?}");
        assert_eq!(fs::read_to_string(elsewhere).unwrap(), "");
    }

    #[test]
    fn a_link_within_the_folder_stays_one() {
        let case = Case::new(&[("real.yaml", ADA)]);
        symlink("real.yaml", case.config.site.join("cv.yaml")).unwrap();
        let seen = case.opened("cv.yaml").mark;
        case.write("cv.yaml", "basics: {name: Bob}\n", &seen).unwrap();
        assert_eq!(case.text("real.yaml"), "basics: {name: Bob}\n");
        assert!(case.config.site.join("cv.yaml").symlink_metadata().unwrap().is_symlink());
    }
}
