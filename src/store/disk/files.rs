//! Files and directories that are whole after a crash.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Writes a file so that after a crash it is whole: the old one or the new one.
pub fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    fs::write(&draft, bytes)?;
    File::open(&draft)?.sync_all()?;
    fs::rename(&draft, path)?;
    sync_dir(path.parent().expect("a file lies in a directory"))
}

/// Makes the entries of a directory durable.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Takes it as done when what was to be moved or removed is not there.
pub fn absent_is_done(res: io::Result<()>) -> io::Result<()> {
    res.or_else(|err| if err.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(err) })
}

/// Makes a directory with the same files as another one, and durable.
pub fn link_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let (path, target) = {
            let entry = entry?;
            (entry.path(), to.join(entry.file_name()))
        };
        if path.is_dir() {
            link_tree(&path, &target)?;
        } else {
            fs::hard_link(&path, &target)?;
        }
    }
    sync_dir(to)
}

/// Returns the bytes of the blocks that a path takes, with everything under it.
pub fn allocated_bytes(path: &Path) -> io::Result<u64> {
    let metadata = fs::symlink_metadata(path)?;
    // st_blocks counts units of 512 bytes whatever the block size of the file system.
    let mut res = metadata.blocks() * 512;
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            res += allocated_bytes(&entry?.path())?;
        }
    }
    Ok(res)
}
