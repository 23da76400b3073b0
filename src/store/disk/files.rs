//! Directories of partitions: linked, measured, and the files of the store's own layout.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::files::sync_dir;
use crate::store::error::OpenError;

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

/// Reads a small file that begins with its version; none when it is not there or cannot be
/// read, which is told with what is `lost` by that. A later version than `known` refuses the
/// store, as every file of it does.
pub fn read_versioned(path: &Path, known: u8, lost: &str) -> Result<Option<Vec<u8>>, OpenError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(err) => {
            tracing::warn!("read {}: {err}; {lost}", path.display());
            return Ok(None);
        }
    };
    match bytes.first() {
        Some(found) if *found > known => Err(OpenError::NewerFormat {
            path: path.to_path_buf(),
            found: u32::from(*found),
            known: u32::from(known),
        }),
        _ => Ok(Some(bytes)),
    }
}
