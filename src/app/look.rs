//! Looks at the site's folder: which files count there, which visitors see, and which not.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::beside;
use super::data::read_bounded;
use super::site::{Origin, name_of};
use super::status::Inner;
use super::versions::mark;
use crate::clock::UnixNanos;
use crate::config::Config;
use crate::cv;
use crate::http::files;
use crate::pages::admin::cv::{FileRole, FileState, FileView, LanguageView, Shown, SiteView};

/// Files of a folder that are counted; a site has dozens.
const COUNTED_MAX: u64 = 10_000;

/// Folders within folders that are looked into; a link may lead in a circle.
const DEPTH_MAX: usize = 8;

/// Says what lies in the site's folder, and what is shown of it.
pub fn look(config: &Config, status: &Inner) -> SiteView {
    let folder = Folder { path: &config.site, status };
    let mut files = folder.of_cv();
    files.extend(folder.photo());
    files.extend(folder.beside());
    files.extend(files::FOLDERS.iter().filter_map(|name| folder.counted(name)));
    SiteView {
        folder: config.site.canonicalize().unwrap_or_else(|_| config.site.clone()).display().to_string(),
        shown: match status.origin {
            Origin::Folder(_) => Shown::Folder,
            Origin::Sample => Shown::Sample,
            Origin::LastGood => Shown::LastGood,
        },
        files,
        languages: status
            .languages
            .iter()
            .map(|language| LanguageView {
                lang: language.lang.clone(),
                path: language.path.clone(),
                file: language.file.clone(),
            })
            .collect(),
        problems: status.stale.iter().chain(&status.warnings).cloned().collect(),
        is_stale: !status.stale.is_empty(),
        is_watched: config.watch,
        bar: None,
    }
}

struct Folder<'a> {
    path: &'a Path,
    status: &'a Inner,
}

impl Folder<'_> {
    fn of_cv(&self) -> Vec<FileView> {
        let Some(found) = cv::find(self.path) else { return Vec::new() };
        let original = std::iter::once((FileRole::Original, &found.path));
        let translations =
            found.translations.iter().map(|(lang, path)| (FileRole::Translation(lang.to_string()), path));
        let read = original.chain(translations).filter_map(|(role, path)| {
            let name = name_of(path);
            let state = match read_bounded(path, cv::SIZE_BYTES_MAX) {
                Err(fault) => FileState::LeftOut(fault.to_string()),
                Ok(bytes) if self.status.read.contains(&(name.clone(), mark(&bytes))) => FileState::Shown,
                Ok(_) => FileState::Changed,
            };
            self.file(name, role, state)
        });
        let ignored = found.ignored.iter().filter_map(|path| {
            let name = name_of(path);
            let (role, first) = match cv::lang::of_file(&name) {
                None => (FileRole::Original, Some(&found.path)),
                Some(lang) => {
                    let same = found.translations.iter().find(|(known, _)| *known == lang);
                    (FileRole::Translation(lang.to_string()), same.map(|(_, path)| path))
                }
            };
            let state = first.map_or(FileState::TooMany, |first| FileState::Hidden(name_of(first)));
            self.file(name, role, state)
        });
        read.chain(ignored).collect()
    }

    fn photo(&self) -> Option<FileView> {
        let name = self.status.image.as_ref()?;
        let about_it = self.status.warnings.iter().find(|warning| warning.path == beside::IMAGE);
        let state = match about_it {
            Some(warning) => FileState::LeftOut(warning.message.clone()),
            None => self.unless_changed(name),
        };
        self.file(name.clone(), FileRole::Photo, state)
    }

    fn beside(&self) -> impl Iterator<Item = FileView> {
        beside::NAMES.iter().filter_map(|name| {
            let role = match *name {
                beside::STYLE => FileRole::Style,
                beside::THEME => FileRole::Theme,
                beside::NOT_FOUND => FileRole::NotFound,
                _ => FileRole::Pdf,
            };
            let about_it = self.status.warnings.iter().find(|warning| warning.file == *name);
            let state = match about_it {
                Some(warning) => FileState::LeftOut(warning.hint.clone()),
                // It is read when somebody asks for it.
                None if role == FileRole::Pdf => FileState::Shown,
                None => self.unless_changed(name),
            };
            self.file(name.to_string(), role, state)
        })
    }

    /// What lies beside the CV was read with it.
    fn unless_changed(&self, name: &str) -> FileState {
        let is_read = matches!(self.status.origin, Origin::Folder(_));
        let metadata = self.path.join(name).metadata();
        let is_older = metadata.is_ok_and(|metadata| changed(&metadata) <= self.status.applied_at);
        if is_read && is_older { FileState::Shown } else { FileState::Changed }
    }

    /// Returns a file that is there, or of which something is to be said.
    fn file(&self, name: String, role: FileRole, state: FileState) -> Option<FileView> {
        let metadata = self.path.join(&name).metadata().ok();
        if metadata.is_none() && !matches!(state, FileState::LeftOut(_)) {
            return None;
        }
        let size_bytes = metadata.as_ref().map_or(0, Metadata::len);
        Some(FileView { name, role, size_bytes, changed: metadata.as_ref().map(changed), state })
    }

    fn counted(&self, name: &str) -> Option<FileView> {
        let folder = self.path.join(name);
        if !folder.is_dir() {
            return None;
        }
        let mut count = Count::default();
        count.add(&folder, 0);
        Some(FileView {
            name: format!("{name}/"),
            role: FileRole::Folder { n_files: count.n_files, has_more: count.has_more },
            size_bytes: count.n_bytes,
            changed: None,
            state: FileState::Shown,
        })
    }
}

fn changed(metadata: &Metadata) -> UnixNanos {
    UnixNanos(metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec()))
}

#[derive(Default)]
struct Count {
    n_files: u64,
    n_bytes: u64,
    has_more: bool,
}

impl Count {
    fn add(&mut self, folder: &Path, depth: usize) {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()).filter(|path| !is_hidden(path)) {
            if self.n_files >= COUNTED_MAX || depth >= DEPTH_MAX {
                self.has_more = true;
                return;
            }
            match path.metadata() {
                Ok(metadata) if metadata.is_dir() => self.add(&path, depth + 1),
                Ok(metadata) => {
                    self.n_files += 1;
                    self.n_bytes += metadata.len();
                }
                // A link into nothing is served to nobody.
                Err(_) => {}
            }
        }
    }
}

/// What is hidden is not served.
fn is_hidden(path: &Path) -> bool {
    name_of(path).starts_with('.')
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use super::*;
    use crate::app::site;
    use crate::app::status::Status;
    use crate::clock::Clock;
    use crate::http::assets::Assets;

    #[test]
    fn each_file_says_whether_visitors_see_it() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
        fs::create_dir_all(dir.path().join("static/more")).unwrap();
        write("cv.yaml", b"basics: {name: Ada, image: ada.png}");
        write("cv.ru.yaml", "basics: {name: Ада}".as_bytes());
        write("cv.ru.json", b"{}");
        write("resume.json", b"{}");
        write("ada.png", b"no picture");
        write("style.css", &[0xff]);
        write("404.html", b"<p>gone");
        write("cv.pdf", b"%PDF");
        write("notes.txt", b"");
        write("static/a", b"12");
        write("static/more/b", b"345");
        write("static/.hidden", b"6");
        let config = Config { site: dir.path().into(), ..Config::default() };
        let site = site::load(&config.site, &config.cv, &Arc::new(Assets::load())).unwrap();
        // Later than whatever was just written.
        let now = UnixNanos(Clock::system().now().0 + 1_000_000_000);
        let status = Status::new(&site, vec![], Clock::manual(now), &opentelemetry::global::meter("test"));
        // As long as before, at a time of its own.
        write("cv.ru.yaml", "basics: {name: Яга}".as_bytes());
        let view = look(&config, &status.get());
        let state = |name: &str| {
            let file = view.files.iter().find(|file| file.name == name);
            file.unwrap_or_else(|| panic!("{name} is missing of {:?}", view.files)).state.clone()
        };
        assert_eq!(state("cv.yaml"), FileState::Shown);
        assert_eq!(state("cv.ru.yaml"), FileState::Changed);
        assert_eq!(state("cv.ru.json"), FileState::Hidden("cv.ru.yaml".into()));
        assert_eq!(state("resume.json"), FileState::Hidden("cv.yaml".into()));
        assert!(matches!(state("ada.png"), FileState::LeftOut(why) if why.contains("not a picture")));
        assert!(matches!(state("style.css"), FileState::LeftOut(why) if why.contains("UTF-8")));
        assert_eq!((state("404.html"), state("cv.pdf")), (FileState::Shown, FileState::Shown));
        let folder = view.files.iter().find(|file| file.name == "static/").unwrap();
        assert_eq!(folder.role, FileRole::Folder { n_files: 2, has_more: false });
        assert_eq!((folder.size_bytes, view.files.len()), (5, 9));
        let languages: Vec<_> =
            view.languages.iter().map(|page| (&*page.lang, &*page.path, &*page.file)).collect();
        assert_eq!(languages, [("en", "/", "cv.yaml"), ("ru", "/ru/", "cv.ru.yaml")]);
        assert_eq!((view.shown, view.is_stale, view.problems.len()), (Shown::Folder, false, 4));
    }

    #[test]
    fn an_empty_folder_has_no_files_and_shows_the_sample() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { site: dir.path().into(), ..Config::default() };
        let sample = site::sample(&config.cv, &Arc::new(Assets::load())).unwrap();
        let status = Status::new(&sample, vec![], Clock::system(), &opentelemetry::global::meter("test"));
        let view = look(&config, &status.get());
        assert_eq!((view.files, view.shown), (vec![], Shown::Sample));
        assert_eq!(view.languages.len(), 1);
    }
}
