//! One sled directory as a file of numbered pages, with sled's defects kept inside here.
//!
//! sled's own flusher aborts the process on an error, so it is off. After one error a
//! handle may hang for ever, also when dropped; so the first error marks it failed, it is
//! never called again and its memory is given up. A panic counts as an error. What a
//! handle has written stays in memory until it is closed, so a writer closes and opens it
//! again now and then ([`Db::reopen`]); what it has read stays too, up to 256 leaves,
//! which small pages make a small bound.

mod repack;

use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use crate::store::error::PartitionError;

pub use repack::settle;

/// A full page. sled gives each leaf a slot of a fixed size class; with what it adds to a
/// page this fills the class of 16,384 bytes, so that next to nothing of a slot is wasted.
pub const PAGE_BYTES: usize = 16_384 - 160;

/// Entries per leaf, part of sled's format. Three is the least that sled takes, and leaves
/// one page in each leaf that is not the last.
const LEAF: usize = 3;

/// Pages hold what is compressed already; the lowest level finds that out soonest.
const ZSTD_LEVEL: i32 = 1;

/// sled keeps at least one leaf in each of its 256 cache shards, whatever this says.
const CACHE_BYTES: usize = 1 << 20;

/// Bytes written through one handle before it is opened anew, which bounds what sled keeps
/// in memory; opening takes about ten milliseconds.
pub const REOPEN_BYTES: usize = 4 << 20;

/// Half a second in all: far more than closing a handle or starting a child takes.
pub const LOCKED_RETRIES: usize = 100;

/// The wait between two attempts at a lock.
pub const LOCKED_PAUSE: Duration = Duration::from_millis(5);

/// Numbered pages in a sled database, open or closed.
#[derive(Debug)]
pub struct Db {
    path: PathBuf,
    /// None while closed. Held for writing only to open and to close.
    slot: RwLock<Option<Sled>>,
    failed: AtomicBool,
    /// Set while a writer needs it open.
    pinned: AtomicBool,
}

/// sled's handles may be sent to another thread but not shared, so each has its lock. A
/// flush has one of its own, so that readers do not wait for the disk of the writer.
struct Sled {
    // Dropped first: the other one flushes when it goes.
    tree: Mutex<sled::Tree<LEAF>>,
    db: Mutex<sled::Db<LEAF>>,
}

impl std::fmt::Debug for Sled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sled")
    }
}

impl Db {
    /// Returns the database at a path, closed; nothing is touched before [`Db::open`].
    pub fn at(path: PathBuf) -> Self {
        Db { path, slot: RwLock::new(None), failed: AtomicBool::new(false), pinned: AtomicBool::new(false) }
    }

    /// Opens or creates it, unless it is open.
    pub fn open(&self) -> Result<(), PartitionError> {
        self.check()?;
        let mut slot = self.write_slot();
        if slot.is_none() {
            *slot = Some(self.open_sled()?);
        }
        Ok(())
    }

    /// Returns true when the handle is never used again.
    pub fn is_given_up(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Keeps it open whatever readers want closed, or no longer.
    pub fn pin(&self, is_pinned: bool) {
        self.pinned.store(is_pinned, Ordering::Relaxed);
    }

    /// Closes the handle unless it is pinned, which gives its memory and descriptors back; a
    /// later [`Db::open`] opens it again.
    pub fn close(&self) {
        let mut slot = self.write_slot();
        // Looked at under the lock: a writer pins what it has not opened yet.
        if !self.pinned.load(Ordering::Relaxed) {
            self.let_go(slot.take());
        }
    }

    /// Closes the handle unless somebody is using it; returns whether it is closed.
    pub fn try_close(&self) -> bool {
        let Ok(mut slot) = self.slot.try_write() else { return false };
        self.let_go(slot.take());
        true
    }

    /// Closes and opens the handle: everything flushed stays, its memory goes.
    pub fn reopen(&self) -> Result<(), PartitionError> {
        self.check()?;
        let mut slot = self.write_slot();
        self.let_go(slot.take());
        *slot = Some(self.open_sled()?);
        Ok(())
    }

    /// Sets a page that has never been set before.
    pub fn put(&self, page: u32, bytes: Vec<u8>) -> Result<(), PartitionError> {
        self.call("write", |sled| lock(&sled.tree).insert(page.to_be_bytes(), bytes).map(|_| ()))?
            .ok_or_else(|| self.closed("write"))
    }

    /// Hands over pages `first ..` in order until `visit` returns false or they end.
    ///
    /// Returns false, having visited none, while the handle is closed.
    pub fn pages(&self, first: u32, mut visit: impl FnMut(&[u8]) -> bool) -> Result<bool, PartitionError> {
        let found = self.call("read", |sled| {
            let tree = lock(&sled.tree);
            for page in first.. {
                match tree.get(page.to_be_bytes())? {
                    Some(bytes) if visit(&bytes) => {}
                    _ => break,
                }
            }
            Ok(())
        })?;
        Ok(found.is_some())
    }

    /// Makes everything written so far durable: on return it survives a power cut.
    pub fn flush(&self) -> Result<(), PartitionError> {
        self.call("flush", |sled| lock(&sled.db).flush().map(|_| ()))?.ok_or_else(|| self.closed("flush"))
    }

    /// Gives the handle up; its directory stays locked until the process ends.
    pub fn give_up(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    // None while closed.
    fn call<T>(
        &self,
        action: &'static str,
        call: impl FnOnce(&Sled) -> io::Result<T>,
    ) -> Result<Option<T>, PartitionError> {
        self.check()?;
        let slot = self.read_slot();
        let Some(sled) = slot.as_ref() else { return Ok(None) };
        guarded(action, &self.path, || call(sled)).map(Some).inspect_err(|_| self.give_up())
    }

    fn check(&self) -> Result<(), PartitionError> {
        if !self.failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let source = io::Error::other("given up after an earlier error");
        Err(PartitionError::Io { action: "use", path: self.path.clone(), source })
    }

    fn closed(&self, action: &'static str) -> PartitionError {
        let source = io::Error::other("the handle is closed");
        PartitionError::Io { action, path: self.path.clone(), source }
    }

    fn open_sled(&self) -> Result<Sled, PartitionError> {
        // sled would make the directory of a partition that was removed meanwhile again.
        let partition = self.path.parent().expect("a database lies in its partition");
        partition.metadata().map_err(|source| PartitionError::Io {
            action: "open",
            path: self.path.clone(),
            source,
        })?;
        let config = sled::Config::new()
            .path(&self.path)
            .flush_every_ms(None)
            .cache_capacity_bytes(CACHE_BYTES)
            .zstd_compression_level(ZSTD_LEVEL);
        let db = guarded("open", &self.path, || patiently(|| config.open::<LEAF>()))?;
        Ok(Sled { tree: Mutex::new((*db).clone()), db: Mutex::new(db) })
    }

    fn let_go(&self, sled: Option<Sled>) {
        if self.failed.load(Ordering::Relaxed) {
            // Dropping a handle after an error waits for ever; losing its memory is the lesser evil.
            mem::forget(sled);
        } else if let Err(err) = guarded("close", &self.path, || {
            drop(sled);
            Ok(())
        }) {
            tracing::warn!("{err}");
        }
    }

    // A panic under a lock marks the handle failed, so nobody uses what it left.
    fn read_slot(&self) -> RwLockReadGuard<'_, Option<Sled>> {
        self.slot.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_slot(&self) -> RwLockWriteGuard<'_, Option<Sled>> {
        self.slot.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        let sled = self.write_slot().take();
        self.let_go(sled);
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
