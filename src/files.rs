//! Files that are whole after a crash: the old one or the new one, never a part.
//!
//! It promises nothing about what was not synced before, and of what is in a file it knows a
//! version at most.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// For their owner alone.
pub const PRIVATE: u32 = 0o600;

/// For everybody to read, whatever the umask says.
pub const PUBLIC: u32 = 0o644;

/// Replaces a file, by way of one beside it whose name ends in `.new`.
pub fn write_durably(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let beside = beside(path);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&beside)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Replaces a file that may be somebody else's: its owner, group and mode stay, and nothing is
/// changed where the first two cannot be given to another file.
pub fn replace_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let before = fs::metadata(path)?;
    let beside = beside(path);
    // What a kill left, or a link that somebody laid there.
    absent_is_done(fs::remove_file(&beside))?;
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(&beside)?;
        let own = file.metadata()?;
        if (own.uid(), own.gid()) != (before.uid(), before.gid()) {
            fchown(&file, Some(before.uid()), Some(before.gid()))?;
        }
        file.set_permissions(Permissions::from_mode(before.mode() & 0o7777))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    // The fault of the write is the one to tell.
    write().inspect_err(|_| _ = fs::remove_file(&beside))?;
    path.parent().map_or(Ok(()), sync_dir)
}

fn beside(path: &Path) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    beside.into()
}

/// Makes the entries of a directory durable.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Reads a small JSON document that has a `version`; none when there is no file.
///
/// # Errors
/// When the file cannot be read, is no such document, or has another version than is known here.
pub fn read_document<T: DeserializeOwned>(path: &Path, known: u32) -> io::Result<Option<T>> {
    #[derive(Deserialize)]
    struct Head {
        version: u32,
    }
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(fault) => return Err(fault),
    };
    // First, since another version need not have the rest.
    let Head { version } = serde_json::from_str(&text)?;
    if version != known {
        return Err(io::Error::other(format!("version {version} is not {known}")));
    }
    Ok(Some(serde_json::from_str(&text)?))
}

/// Takes it as done when what was to be moved or removed is not there.
pub fn absent_is_done(res: io::Result<()>) -> io::Result<()> {
    res.or_else(|err| if err.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(err) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_with_the_mode_that_is_wanted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cv.yaml");
        // What a kill left, with a mode of its own.
        fs::write(dir.path().join("cv.yaml.new"), "half").unwrap();
        for (text, mode) in [("one", PRIVATE), ("two", PUBLIC)] {
            write_durably(&path, text.as_bytes(), mode).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        absent_is_done(fs::remove_file(dir.path().join("nothing"))).unwrap();
    }

    #[test]
    fn a_document_is_read_by_who_knows_its_version() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Two {
            n: u32,
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("two.json");
        assert_eq!(read_document::<Two>(&path, 2).unwrap(), None);
        for (text, expect) in [
            (r#"{"version":2,"n":5}"#, Ok(Some(Two { n: 5 }))),
            (r#"{"version":3,"m":5}"#, Err("version 3 is not 2")),
            (r#"{"version":2}"#, Err("missing field `n` at line 1 column 13")),
            (r#"{"n":5}"#, Err("missing field `version` at line 1 column 7")),
        ] {
            fs::write(&path, text).unwrap();
            let read = read_document::<Two>(&path, 2).map_err(|fault| fault.to_string());
            assert_eq!(read, expect.map_err(str::to_string), "{text}");
        }
    }

    #[test]
    fn a_file_of_somebody_else_keeps_its_mode_and_owner() {
        let dir = tempfile::tempdir().unwrap();
        let (path, elsewhere) = (dir.path().join("cv.yaml"), dir.path().join("elsewhere"));
        fs::write(&path, "one").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        // Only root may give a file away.
        let is_root = fs::metadata(&path).unwrap().uid() == 0;
        if is_root {
            std::os::unix::fs::chown(&path, Some(4_711), Some(4_712)).unwrap();
        }
        let owner = |path: &Path| fs::metadata(path).map(|found| (found.uid(), found.gid())).unwrap();
        let before = owner(&path);
        std::os::unix::fs::symlink(&elsewhere, dir.path().join("cv.yaml.new")).unwrap();
        replace_durably(&path, b"two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
        assert_eq!(owner(&path), before);
        assert!(!elsewhere.exists(), "a link was followed");
        assert!(replace_durably(&elsewhere, b"three").is_err(), "there is nothing to replace");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
