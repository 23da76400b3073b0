//! One sled directory, with sled's defects kept inside this file.
//!
//! sled's own flusher aborts the process on an error, so it is off. After one error a
//! handle may hang for ever, also when dropped; so the first error marks it failed, it is
//! never called again and its memory is given up. A panic counts as an error.

use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::PartitionError;

/// sled's cache does not bound what was written, so a small one loses nothing.
const CACHE_BYTES: usize = 2 << 20;

/// Half a second in all: far more than closing a handle or starting a child takes.
pub const LOCKED_RETRIES: usize = 100;

/// The wait between two attempts at a lock.
pub const LOCKED_PAUSE: Duration = Duration::from_millis(5);

/// A sled database whose leaves hold `F` entries; `F` is part of the format on disk.
pub struct Db<const F: usize> {
    sled: Option<Sled<F>>,
    path: PathBuf,
    failed: AtomicBool,
}

/// sled's handles may be sent to another thread but not shared, so each has its lock. A
/// flush has one of its own, so that readers do not wait for the disk of the writer.
struct Sled<const F: usize> {
    // Dropped first: the other one flushes when it goes.
    tree: Mutex<sled::Tree<F>>,
    db: Mutex<sled::Db<F>>,
}

impl<const F: usize> Db<F> {
    /// Opens or creates a database.
    pub fn open(path: &Path, zstd_level: i32) -> Result<Self, PartitionError> {
        let config = sled::Config::new()
            .path(path)
            .flush_every_ms(None)
            .cache_capacity_bytes(CACHE_BYTES)
            .zstd_compression_level(zstd_level);
        let db = guarded("open", path, || patiently(|| config.open::<F>()))?;
        let sled = Sled { tree: Mutex::new((*db).clone()), db: Mutex::new(db) };
        Ok(Db { sled: Some(sled), path: path.to_path_buf(), failed: AtomicBool::new(false) })
    }

    /// Returns where the database lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Sets a key that has never been set before.
    pub fn insert(&self, key: &[u8], value: Vec<u8>) -> Result<(), PartitionError> {
        self.call("write", |sled| lock(&sled.tree).insert(key, value).map(|_| ()))
    }

    /// Returns the value of a key.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, PartitionError> {
        self.call("read", |sled| Ok(lock(&sled.tree).get(key)?.map(|value| value.to_vec())))
    }

    /// Visits all entries whose key begins with `prefix`, in the order of the keys.
    ///
    /// Not for a partition that is being written: the walk's own handle flushes when it
    /// goes, which is for the writer alone to do.
    pub fn scan<E: From<PartitionError>>(
        &self,
        prefix: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut entries = self.call("read", |sled| Ok(lock(&sled.tree).scan_prefix(prefix)))?;
        loop {
            match self.call("read", |_| entries.next().transpose()) {
                Ok(Some((key, value))) => visit(&key, &value)?,
                Ok(None) => return Ok(()),
                Err(err) => {
                    // The walk holds a handle, and dropping one after an error waits for ever.
                    mem::forget(entries);
                    return Err(err.into());
                }
            }
        }
    }

    /// Makes everything written so far durable: on return it survives a power cut.
    pub fn flush(&self) -> Result<(), PartitionError> {
        self.call("flush", |sled| lock(&sled.db).flush().map(|_| ()))
    }

    /// Gives the handle up; its directory stays locked until the process ends.
    pub fn give_up(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    fn call<T>(
        &self,
        action: &'static str,
        call: impl FnOnce(&Sled<F>) -> io::Result<T>,
    ) -> Result<T, PartitionError> {
        let sled = self.sled.as_ref().expect("the handle is taken only when dropped");
        if self.failed.load(Ordering::Relaxed) {
            let source = io::Error::other("given up after an earlier error");
            return Err(PartitionError::Io { action, path: self.path.clone(), source });
        }
        guarded(action, &self.path, || call(sled)).inspect_err(|_| self.give_up())
    }
}

// A reader on another thread may still be closing the last handle, and a child that is
// being started (sled starts one at each open) holds copies of our locks for a moment.
fn patiently<T>(mut open: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for _ in 0..LOCKED_RETRIES {
        match open() {
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(LOCKED_PAUSE),
            res => return res,
        }
    }
    open()
}

// A panic under the lock marks the handle failed, so nobody uses what it left.
fn lock<T>(handle: &Mutex<T>) -> MutexGuard<'_, T> {
    handle.lock().unwrap_or_else(PoisonError::into_inner)
}

fn guarded<T>(
    action: &'static str,
    path: &Path,
    call: impl FnOnce() -> io::Result<T>,
) -> Result<T, PartitionError> {
    // The handle is not used again after a panic, so broken invariants stay unseen.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(res)) => Ok(res),
        Ok(Err(source)) => Err(PartitionError::Io { action, path: path.to_path_buf(), source }),
        Err(_) => Err(PartitionError::Panicked { action, path: path.to_path_buf() }),
    }
}

impl<const F: usize> Drop for Db<F> {
    fn drop(&mut self) {
        if *self.failed.get_mut() {
            // Dropping a handle after an error waits for ever; losing its memory is the lesser evil.
            mem::forget(self.sled.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_handle_is_not_called_again() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::<8>::open(dir.path(), 1).unwrap();
        db.insert(b"a", b"1".to_vec()).unwrap();
        db.flush().unwrap();
        db.give_up();
        assert!(matches!(db.get(b"a"), Err(PartitionError::Io { action: "read", .. })));
    }
}
