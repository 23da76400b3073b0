//! Writes a database anew when sled left much of its files empty.
//!
//! The last leaf is written with every flush, each time to a fresh slot of the size it has by
//! then, and sled uses a slot again only after the next opening. A partition that was flushed
//! hundreds of times, a few pages each, takes a quarter more than its pages. In one go
//! each page is written once.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::{Db, REOPEN_BYTES};
use crate::files::{absent_is_done, sync_dir};
use crate::store::error::PartitionError;

impl Db {
    /// Copies all pages to a database without gaps and puts it in the place of this one.
    ///
    /// Nobody writes to it any more. After a crash at any moment one of the two is there, once
    /// [`settle`] has looked. Returns what stood in the way; then nothing has changed.
    pub fn repack(&self) -> Result<(), PartitionError> {
        let [new, old] = beside(&self.path);
        let res = self.copy(&new).and_then(|()| self.put_in_place(&new, &old));
        if res.is_err()
            && let Err(err) = absent_is_done(fs::remove_dir_all(&new))
        {
            tracing::warn!("remove {}: {err}; it is swept at the next start", new.display());
        }
        res
    }

    fn copy(&self, new: &Path) -> Result<(), PartitionError> {
        absent_is_done(fs::remove_dir_all(new))
            .map_err(|source| self.io("make room for a copy of", source))?;
        self.open()?;
        // With the copy's own handle, since an error of it says nothing against this one.
        let copy = Db::at(new.to_path_buf());
        copy.open()?;
        let (mut next, mut kept_bytes, mut res) = (0, 0, Ok(()));
        let is_open = self.pages(0, |page| {
            kept_bytes += page.len();
            res = copy.put(next, page.to_vec());
            next += 1;
            if res.is_ok() && kept_bytes >= REOPEN_BYTES {
                kept_bytes = 0;
                res = copy.flush().and_then(|()| copy.reopen());
            }
            res.is_ok()
        })?;
        res.and_then(|()| copy.flush())?;
        copy.close();
        if is_open { Ok(()) } else { Err(self.closed("copy")) }
    }

    fn put_in_place(&self, new: &Path, old: &Path) -> Result<(), PartitionError> {
        let mut slot = self.write_slot();
        self.let_go(slot.take());
        if self.failed.load(Ordering::Relaxed) {
            return self.check();
        }
        let swapped = fs::rename(&self.path, old).and_then(|()| fs::rename(new, &self.path));
        let swapped = swapped.or_else(|err| settle(&self.path).and(Err(err)));
        let res = swapped.and_then(|()| sync_dir(parent(&self.path))).and_then(|()| fs::remove_dir_all(old));
        res.map_err(|source| self.io("put a copy in the place of", source))
    }

    fn io(&self, action: &'static str, source: io::Error) -> PartitionError {
        PartitionError::Io { action, path: self.path.clone(), source }
    }
}

/// Ends what a crash broke off of a [`Db::repack`].
pub fn settle(path: &Path) -> io::Result<()> {
    let [new, old] = beside(path);
    if !path.exists() && old.exists() {
        fs::rename(&old, path)?;
        sync_dir(parent(path))?;
    }
    absent_is_done(fs::remove_dir_all(&new))?;
    absent_is_done(fs::remove_dir_all(&old))
}

fn beside(path: &Path) -> [PathBuf; 2] {
    ["new", "old"].map(|suffix| path.with_extension(suffix))
}

fn parent(path: &Path) -> &Path {
    path.parent().expect("a database lies in its partition")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(path: &Path) -> Db {
        let db = Db::at(path.to_path_buf());
        db.open().unwrap();
        // More than is written through one handle, and nothing that sled could compress.
        for page in 0..300_u32 {
            let bytes = (0..15_000_u32).map(|n| (n.wrapping_mul(page * 2 + 0x9e37_79b1) >> 13) as u8);
            db.put(page, bytes.collect()).unwrap();
            if page % 3 == 0 {
                db.flush().unwrap();
            }
        }
        db.flush().unwrap();
        db
    }

    fn pages(db: &Db) -> Vec<Vec<u8>> {
        db.open().unwrap();
        let mut res = Vec::new();
        db.pages(0, |page| {
            res.push(page.to_vec());
            true
        })
        .unwrap();
        res
    }

    fn size_bytes(path: &Path) -> u64 {
        let files = fs::read_dir(path.join("slabs")).unwrap();
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
    }

    #[test]
    fn a_copy_has_the_same_pages_in_less_room() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let db = filled(&path);
        let (before, bytes_before) = (pages(&db), size_bytes(&path));
        db.repack().unwrap();
        assert_eq!(pages(&db), before);
        let bytes = size_bytes(&path);
        assert!(bytes < bytes_before, "{bytes} of {bytes_before} bytes");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing lies about");
    }

    #[test]
    fn a_copy_that_was_broken_off_leaves_one_of_the_two() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let before = pages(&filled(&path));
        let [new, old] = beside(&path);
        // In the middle of copying, between the two renames, and before the old one went.
        fs::create_dir(&new).unwrap();
        settle(&path).unwrap();
        assert_eq!(pages(&Db::at(path.clone())), before);
        fs::rename(&path, &old).unwrap();
        fs::create_dir(&new).unwrap();
        settle(&path).unwrap();
        assert_eq!(pages(&Db::at(path.clone())), before);
        fs::create_dir(&old).unwrap();
        settle(&path).unwrap();
        assert_eq!(pages(&Db::at(path.clone())), before);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_copy_that_fails_leaves_all_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let db = filled(&path);
        let before = pages(&db);
        let [new, _] = beside(&path);
        // A file where the copy would lie cannot be removed as a folder.
        fs::write(&new, "in the way").unwrap();
        assert!(db.repack().unwrap_err().to_string().contains("make room for a copy"));
        assert_eq!(pages(&db), before);
    }
}
