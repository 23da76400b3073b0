//! Files that are whole after a crash: the old one or the new one, never a part.
//!
//! It promises nothing about what was not synced before, and refuses to know what is in a file.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

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
