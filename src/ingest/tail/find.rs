//! Files on disk: those that a pattern means, and those that were renamed or copied away.

use std::fs::{File, Metadata};
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern, glob_with};

use super::bounds::{FOLDER_MAX, GLOB_MAX};
use super::followed::{FileId, continues, open};
use super::positions::FilePosition;

/// Endings of files that a rotation compressed: their lines were read before.
const COMPRESSED: &[&str] = &["gz", "bz2", "xz", "zst", "lz4", "zip"];

/// Says what is wrong with a pattern.
pub fn check_pattern(text: &str) -> Result<(), String> {
    if !Path::new(text).is_absolute() {
        return Err("it does not begin with /".into());
    }
    if text.contains("**") {
        return Err("** would look through whole trees".into());
    }
    Pattern::new(text).map(|_| ()).map_err(|fault| fault.to_string())
}

/// Returns the files of a pattern in order, and the folders that could not be read.
pub fn matches(pattern: &str) -> (Vec<PathBuf>, Vec<glob::GlobError>) {
    let options = MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let Ok(found) = glob_with(pattern, options) else { return (vec![], vec![]) };
    let (mut paths, mut faults) = (Vec::new(), Vec::new());
    for entry in found.take(GLOB_MAX) {
        match entry {
            Ok(path) if is_compressed(&path) => {}
            Ok(path) => paths.push(path),
            Err(fault) => faults.push(fault),
        }
    }
    (paths, faults)
}

fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|ending| COMPRESSED.iter().any(|known| ending == *known))
}

/// Looks beside a file for what it was: the same file under another name (a rotation by
/// renaming), else a copy (one by copying and cutting, `copytruncate`).
pub fn elsewhere(position: &FilePosition) -> Option<(PathBuf, File, Metadata)> {
    let dir = position.path.parent()?;
    let stem = position.path.file_stem()?.to_string_lossy().into_owned();
    let entries: Vec<_> = dir.read_dir().ok()?.take(FOLDER_MAX).flatten().collect();
    let own = FileId { device: position.device, inode: position.inode };
    let read = |path: PathBuf| {
        let (file, metadata) = open(&path).ok()?;
        let is_it = continues(&file, position).unwrap_or(false);
        is_it.then_some((path, file, metadata))
    };
    let renamed = entries.iter().filter(|entry| entry.ino() == position.inode).find_map(|entry| {
        let found = read(entry.path())?;
        (FileId::of(&found.2) == own && found.0 != position.path).then_some(found)
    });
    let has_beginning = position.head_bytes > 0;
    let copy = || {
        entries
            .iter()
            .map(|entry| entry.path())
            .filter(|path| *path != position.path && !is_compressed(path))
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&stem)))
            .filter_map(read)
            .max_by_key(|(_, _, metadata)| metadata.modified().ok())
    };
    renamed.or_else(|| if has_beginning { copy() } else { None })
}
