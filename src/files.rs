//! Files that are whole after a crash: the old one or the new one, never a part.
//!
//! It promises nothing about what was not synced before, and refuses to know what is in a file.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// For their owner alone.
pub const PRIVATE: u32 = 0o600;

/// For everybody to read, whatever the umask says.
pub const PUBLIC: u32 = 0o644;

/// Replaces a file, by way of one beside it whose name ends in `.new`.
pub fn write_durably(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&beside)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), sync_dir)
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
}
