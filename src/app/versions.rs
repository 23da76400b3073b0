//! Earlier texts of the CV: what was shown, and what an edit took the place of.
//!
//! Each is a file in `cv-versions/` of the data directory, and its name says when the text was
//! shown last, which text it is, and of which file: `1795000000000-0123456789abcdef-cv.ru.yaml`.
//! So there is no list that could be lost or contradict the files. A text that comes again moves
//! to the new time; beyond the bounds the oldest go.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::data::{CvFile, read_bounded};
use crate::clock::UnixMillis;
use crate::cv;
use crate::files::{PRIVATE, absent_is_done, sync_dir, write_durably};

/// The folder in the data directory.
const FOLDER: &str = "cv-versions";

/// Versions of all files together: a page of them, and months for most people.
const VERSIONS_MAX: usize = 50;

/// A thousand texts of ordinary size, or one and a half of the largest that is read.
const BYTES_MAX: u64 = 16 << 20;

/// Digits of the hash in a name; two texts of one CV never share them.
const HASH_DIGITS: usize = 16;

/// A text that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Names it: the name of its file.
    pub id: String,
    /// When the text was shown last, or replaced without having been shown.
    pub at: UnixMillis,
    /// The beginning of its [`mark`].
    pub hash: String,
    /// The CV's file that it was in.
    pub name: String,
    /// Its size.
    pub size_bytes: u64,
}

/// The versions in a data directory.
#[derive(Clone, Debug)]
pub struct Versions {
    dir: PathBuf,
}

/// Returns what tells a text from every other one.
pub fn mark(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl Version {
    /// Reads the name of a file; none for one that we did not name.
    fn of(id: String, size_bytes: u64) -> Option<Version> {
        let mut parts = id.splitn(3, '-');
        let at = UnixMillis(parts.next()?.parse().ok()?);
        let (hash, name) = (parts.next()?.to_string(), parts.next()?.to_string());
        let is_ours = hash.len() == HASH_DIGITS && is_cv(&name);
        is_ours.then_some(Version { id, at, hash, name, size_bytes })
    }

    /// Whether it is a version of this text.
    pub fn is_of(&self, mark: &str) -> bool {
        mark.starts_with(&self.hash)
    }
}

fn is_cv(name: &str) -> bool {
    cv::FILE_NAMES.contains(&name) || cv::lang::of_file(name).is_some()
}

impl Versions {
    /// Takes the folder in a data directory; it is made when something is kept.
    pub fn of(data: &Path) -> Versions {
        Versions { dir: data.join(FOLDER) }
    }

    /// Keeps texts that are shown from now on, or that are about to be replaced.
    pub fn keep(&self, files: &[CvFile], now: UnixMillis) -> io::Result<()> {
        fs::create_dir_all(&self.dir)?;
        let known = self.list()?;
        for CvFile { name, bytes } in files {
            let mark = mark(bytes);
            let to = self.dir.join(format!("{}-{}-{name}", now.0, &mark[..HASH_DIGITS]));
            let mut of_file = known.iter().filter(|version| version.name == *name);
            let newest = of_file.next();
            if newest.is_some_and(|newest| newest.is_of(&mark)) {
                continue;
            }
            match of_file.find(|version| version.is_of(&mark)) {
                // Another process of ours may have moved it just now.
                Some(same) => absent_is_done(fs::rename(self.dir.join(&same.id), to))?,
                None => write_durably(&to, bytes, PRIVATE)?,
            }
        }
        self.prune()?;
        sync_dir(&self.dir)
    }

    /// Returns all versions, the newest first.
    pub fn list(&self) -> io::Result<Vec<Version>> {
        let entries = match fs::read_dir(&self.dir) {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut res = Vec::new();
        for entry in entries {
            let entry = entry?;
            // One that another process removes meanwhile is none.
            let Ok(metadata) = entry.metadata() else { continue };
            let id = entry.file_name().to_string_lossy().into_owned();
            res.extend(Version::of(id, metadata.len()).filter(|_| metadata.is_file()));
        }
        res.sort_by(|a, b| (b.at, &b.id).cmp(&(a.at, &a.id)));
        Ok(res)
    }

    /// Returns the version of this id with its text; none when there is none.
    pub fn read(&self, id: &str) -> io::Result<Option<(Version, Vec<u8>)>> {
        // The id comes from a browser, the path from the folder.
        let Some(version) = self.list()?.into_iter().find(|version| version.id == id) else {
            return Ok(None);
        };
        let bytes = read_bounded(&self.dir.join(&version.id), cv::SIZE_BYTES_MAX)?;
        Ok(Some((version, bytes)))
    }

    fn prune(&self) -> io::Result<()> {
        let mut n_bytes = 0;
        for (idx, version) in self.list()?.iter().enumerate() {
            n_bytes += version.size_bytes;
            // The newest stays, whatever its size.
            if idx >= VERSIONS_MAX || (idx > 0 && n_bytes > BYTES_MAX) {
                absent_is_done(fs::remove_file(self.dir.join(&version.id)))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> CvFile {
        CvFile { name: name.into(), bytes: text.into() }
    }

    fn texts(versions: &Versions) -> Vec<(i64, String, String)> {
        let list = versions.list().unwrap().into_iter();
        list.map(|version| {
            let (_, bytes) = versions.read(&version.id).unwrap().unwrap();
            (version.at.0, version.name, String::from_utf8(bytes).unwrap())
        })
        .collect()
    }

    #[test]
    fn each_text_is_kept_once_by_the_time_at_which_it_was_shown_last() {
        let dir = tempfile::tempdir().unwrap();
        let versions = Versions::of(dir.path());
        assert_eq!(versions.list().unwrap(), []);
        let kept = |at: i64, files: &[CvFile]| versions.keep(files, UnixMillis(at)).unwrap();
        kept(1, &[file("cv.yaml", "a"), file("cv.ru.yaml", "r")]);
        kept(2, &[file("cv.yaml", "a"), file("cv.ru.yaml", "r")]);
        kept(3, &[file("cv.yaml", "b"), file("cv.ru.yaml", "r")]);
        kept(4, &[file("cv.yaml", "a"), file("cv.ru.yaml", "r")]);
        let expect = [(4, "cv.yaml", "a"), (3, "cv.yaml", "b"), (1, "cv.ru.yaml", "r")];
        let expect = expect.map(|(at, name, text)| (at, name.to_string(), text.to_string()));
        assert_eq!(texts(&versions), expect);
        // The same text under another name is another version.
        kept(5, &[file("resume.json", "a")]);
        assert_eq!(versions.list().unwrap().len(), 4);
    }

    #[test]
    fn the_oldest_go_by_number_and_by_size() {
        let dir = tempfile::tempdir().unwrap();
        let versions = Versions::of(dir.path());
        for n in 0..60 {
            versions.keep(&[file("cv.yaml", &n.to_string())], UnixMillis(n)).unwrap();
        }
        let list = versions.list().unwrap();
        assert_eq!((list.len(), list[0].at.0, list[49].at.0), (50, 59, 10));
        let large = "x".repeat(9 << 20);
        versions.keep(&[file("cv.yaml", &large)], UnixMillis(60)).unwrap();
        assert_eq!(versions.list().unwrap().len(), 50);
        versions.keep(&[file("cv.yaml", &(large + "y"))], UnixMillis(61)).unwrap();
        let list = versions.list().unwrap();
        assert_eq!((list.len(), list[0].at.0), (1, 61));
    }

    #[test]
    fn what_is_no_version_is_neither_listed_nor_read() {
        let dir = tempfile::tempdir().unwrap();
        let versions = Versions::of(dir.path());
        versions.keep(&[file("cv.yaml", "a")], UnixMillis(1)).unwrap();
        let folder = dir.path().join(FOLDER);
        for name in ["1-0123456789abcdef-cv.yaml.new", "1-0123456789abcdef-passwd", "notes", "1-01-cv.yaml"] {
            fs::write(folder.join(name), "x").unwrap();
        }
        assert_eq!(versions.list().unwrap().len(), 1);
        for id in ["notes", "", "../instance-id", "1-0123456789abcdef-../../secret"] {
            assert!(versions.read(id).unwrap().is_none(), "{id}");
        }
    }
}
