//! What cannot be served is moved to `set-aside/`, for a person to look at.
//!
//! The names there are `<number>-<why>-<kind>-<name>`; later ones have greater numbers. What
//! is foreign is somebody's and stays until they take it away. Of what is damaged and was ours
//! the oldest goes when it takes too much room, but never the last.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::files::allocated_bytes;
use super::partition::Kind;
use crate::files::sync_dir;

const SET_ASIDE: &str = "set-aside";
const DAMAGED: &str = "damaged";
const FOREIGN: &str = "foreign";

/// Why something is set aside.
#[derive(Clone, Copy, Debug)]
pub enum Why<'a> {
    /// It is ours and cannot be read.
    Damaged(&'a str),
    /// It is not ours, or of a version that is not read any more.
    Foreign(&'a str),
}

/// Moves what cannot be served out of the way.
pub fn set_aside(dir: &Path, kind: Kind, path: &Path, why: Why<'_>) -> io::Result<()> {
    let aside = dir.join(SET_ASIDE);
    fs::create_dir_all(&aside)?;
    let (class, reason) = match why {
        Why::Damaged(reason) => (DAMAGED, reason),
        Why::Foreign(reason) => (FOREIGN, reason),
    };
    let number = entries(dir).iter().map(|entry| entry.number).max().unwrap_or(0) + 1;
    let file_name = path.file_name().unwrap_or_default().to_string_lossy();
    let target = aside.join(format!("{number:06}-{class}-{}-{file_name}", kind.as_str()));
    fs::rename(path, &target)?;
    tracing::warn!(path = %path.display(), "set {} aside as {}: {reason}", path.display(), target.display());
    sync_dir(&aside)
}

/// One thing that was set aside.
#[derive(Debug)]
pub struct SetAside {
    /// Where it lies.
    pub path: PathBuf,
    /// Allocated blocks.
    pub size_bytes: u64,
    /// Whether it was ours and could not be read.
    pub is_damaged: bool,
    number: u64,
}

impl SetAside {
    // None when it is gone meanwhile. What has another name was put there by somebody.
    fn at(path: PathBuf) -> Option<SetAside> {
        let size_bytes = allocated_bytes(&path).ok()?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut parts = name.splitn(3, '-');
        let number = parts.next().and_then(|number| number.parse().ok());
        let is_damaged = number.is_some() && parts.next() == Some(DAMAGED);
        Some(SetAside { size_bytes, number: number.unwrap_or(0), is_damaged, path })
    }

    /// Takes it away.
    pub fn remove(&self) -> io::Result<()> {
        if self.path.is_dir() { fs::remove_dir_all(&self.path) } else { fs::remove_file(&self.path) }
    }
}

/// Returns everything that is set aside, in the order of its numbers.
pub fn entries(dir: &Path) -> Vec<SetAside> {
    let Ok(found) = fs::read_dir(dir.join(SET_ASIDE)) else { return Vec::new() };
    let mut res: Vec<SetAside> = found.flatten().filter_map(|entry| SetAside::at(entry.path())).collect();
    res.sort_by_key(|entry| entry.number);
    res
}

/// Yields those that may be removed for their room, the oldest first: what is damaged, but for
/// the last.
pub fn removable(entries: &[SetAside]) -> impl Iterator<Item = &SetAside> {
    let damaged = entries.iter().filter(|entry| entry.is_damaged);
    let n_removable = damaged.clone().count().saturating_sub(1);
    damaged.take(n_removable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_damaged_may_go_and_never_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("logs");
        fs::create_dir_all(&root).unwrap();
        let aside = |name: &str, why: Why<'_>| {
            fs::write(root.join(name), name).unwrap();
            set_aside(dir.path(), Kind::Logs, &root.join(name), why).unwrap();
        };
        aside("notes", Why::Foreign("not ours"));
        for _ in 0..3 {
            aside("part", Why::Damaged("torn"));
        }
        aside("notes", Why::Foreign("not ours"));
        fs::write(dir.path().join("set-aside/mine"), "mine").unwrap();
        let all = entries(dir.path());
        let names: Vec<_> = removable(&all).map(|entry| entry.path.file_name().unwrap()).collect();
        assert_eq!(all.len(), 6);
        assert_eq!(names, ["000002-damaged-logs-part", "000003-damaged-logs-part"]);
    }
}
