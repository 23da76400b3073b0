//! One file that is read as it grows.
//!
//! Two places are kept: how far it was read, and the end of the last line that is on disk.
//! Between them lie lines that wait for the store; when it does not take them, they are read
//! again. The file is known by device, inode and first bytes: another one with the same inode,
//! and new content where the old was cut away, are noticed by the bytes.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use super::bounds::{CHUNK_BYTES, HALF_LINE_PATIENCE, HEAD_BYTES, LINE_MAX_BYTES, ROTATED_PATIENCE};
use super::positions::FilePosition;

/// Device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    /// The device.
    pub device: u64,
    /// The inode there.
    pub inode: u64,
}

impl FileId {
    /// Returns a file's.
    pub fn of(metadata: &Metadata) -> FileId {
        FileId { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// A place between two lines, or in a line whose rest is passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Bytes before it.
    pub offset: u64,
    /// True while the rest of a cut line is passed over.
    pub skips: bool,
}

/// One line without its end.
pub struct Line {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// True when it was longer than the bound.
    pub is_cut: bool,
}

/// What a reading found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// So many bytes, more may wait.
    Some(usize),
    /// Nothing new.
    Nothing,
    /// The file is not what it was: it must be read from its start.
    Truncated,
}

/// A file that is followed.
pub struct Followed {
    /// Where it was found.
    pub path: PathBuf,
    /// Which file it is.
    pub id: FileId,
    /// Which source found it.
    pub source: usize,
    /// The stream that its lines go to.
    pub tag: String,
    /// When it was renamed or removed, if it was.
    pub rotated: Option<Duration>,
    /// True once a renamed file was read to its end.
    pub is_finished: bool,
    file: File,
    /// The first bytes, up to the bound, as far as they were read.
    head: Vec<u8>,
    next: u64,
    pending: Vec<u8>,
    line_start: Place,
    on_disk: Place,
    last_growth: Duration,
    /// Size and time of change at the last reading.
    seen: Option<(u64, i64, i64)>,
}

/// Opens a file; a pipe or a device is refused.
pub fn open(path: &Path) -> io::Result<(File, Metadata)> {
    // A pipe without a writer would block the open for ever; a file does not mind the flag.
    let file = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    Ok((file, metadata))
}

/// Returns up to `len` bytes at a place; less only at the end of the file.
fn read_at(file: &File, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let mut n_read = 0;
    while n_read < len {
        match file.read_at(&mut bytes[n_read..], offset + n_read as u64) {
            Ok(0) => break,
            Ok(n) => n_read += n,
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
            Err(fault) => return Err(fault),
        }
    }
    bytes.truncate(n_read);
    Ok(bytes)
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Returns true when a file begins as the one of a position did, and is at least as long as
/// that one was read.
pub fn continues(file: &File, position: &FilePosition) -> io::Result<bool> {
    let head = read_at(file, 0, position.head_bytes.min(HEAD_BYTES))?;
    let is_same = head.len() == position.head_bytes && digest(&head) == position.head;
    Ok(is_same && file.metadata()?.len() >= position.offset)
}

impl Followed {
    /// Follows an open file from a place.
    pub fn new(
        path: PathBuf,
        (file, metadata): (File, Metadata),
        (source, tag): (usize, String),
        place: Place,
        now: Duration,
    ) -> io::Result<Followed> {
        let head_len = place.offset.min(HEAD_BYTES as u64) as usize;
        let head = read_at(&file, 0, head_len)?;
        Ok(Followed {
            path,
            id: FileId::of(&metadata),
            source,
            tag,
            rotated: None,
            is_finished: false,
            file,
            head,
            next: place.offset,
            pending: Vec::new(),
            line_start: place,
            on_disk: place,
            last_growth: now,
            seen: None,
        })
    }

    /// Reads at most `budget` bytes and hands over at most `n_max` lines.
    pub fn read(
        &mut self,
        (budget, n_max): (usize, usize),
        now: Duration,
        each: &mut dyn FnMut(Line),
    ) -> io::Result<Reading> {
        let before = self.file.metadata()?;
        let state = (before.len(), before.mtime(), before.mtime_nsec());
        if self.seen == Some(state) && before.len() == self.next {
            return Ok(self.wait_for_more(now, each));
        }
        let bytes = read_at(&self.file, self.next, budget.min(CHUNK_BYTES))?;
        // Asked after the reading: only bytes that were there while the beginning was still the
        // same are the continuation.
        let is_same = read_at(&self.file, 0, self.head.len())? == self.head;
        let end = self.next + bytes.len() as u64;
        if !is_same || self.file.metadata()?.len() < end {
            return Ok(Reading::Truncated);
        }
        self.seen = Some(state);
        if bytes.is_empty() {
            return Ok(self.wait_for_more(now, each));
        }
        self.last_growth = now;
        let n_taken = self.split(&bytes, n_max, each);
        let n_missing = HEAD_BYTES.saturating_sub(self.head.len()).min(n_taken);
        if self.head.len() as u64 == self.next {
            self.head.extend_from_slice(&bytes[..n_missing]);
        }
        self.next += n_taken as u64;
        Ok(Reading::Some(n_taken))
    }

    /// At the end of the file: a half line is taken when nothing more comes, and a renamed file
    /// is left when its program has left it.
    fn wait_for_more(&mut self, now: Duration, each: &mut dyn FnMut(Line)) -> Reading {
        let silence = now.saturating_sub(self.last_growth);
        let is_left =
            self.rotated.is_some_and(|at| now.saturating_sub(at.max(self.last_growth)) >= ROTATED_PATIENCE);
        if silence >= HALF_LINE_PATIENCE || is_left {
            self.end_half_line(each);
        }
        self.is_finished = is_left;
        Reading::Nothing
    }

    /// Takes what waits for its end as a line.
    pub fn end_half_line(&mut self, each: &mut dyn FnMut(Line)) {
        if !self.pending.is_empty() {
            each(Line { bytes: std::mem::take(&mut self.pending), is_cut: false });
            self.line_start = Place { offset: self.next, skips: false };
        }
    }

    /// Cuts bytes into lines; returns how many bytes that took.
    fn split(&mut self, bytes: &[u8], n_max: usize, each: &mut dyn FnMut(Line)) -> usize {
        let mut n_lines = 0;
        let mut at = 0;
        while at < bytes.len() && n_lines < n_max {
            let end = bytes[at..].iter().position(|byte| *byte == b'\n');
            let part = &bytes[at..at + end.unwrap_or(bytes.len() - at)];
            at += part.len() + usize::from(end.is_some());
            if !self.line_start.skips {
                let room = LINE_MAX_BYTES - self.pending.len();
                self.pending.extend_from_slice(&part[..part.len().min(room)]);
                let is_cut = part.len() > room;
                if end.is_some() || is_cut {
                    n_lines += 1;
                    each(Line { bytes: std::mem::take(&mut self.pending), is_cut });
                    self.line_start = Place { offset: self.next + at as u64, skips: is_cut };
                }
            }
            if self.line_start.skips {
                self.line_start = Place { offset: self.next + at as u64, skips: end.is_none() };
            }
        }
        at
    }

    /// Notes that all lines handed over are on disk.
    pub fn kept(&mut self) {
        self.on_disk = self.line_start;
    }

    /// Goes back to what is on disk: the lines since were not kept.
    pub fn not_kept(&mut self) {
        self.next = self.on_disk.offset;
        self.line_start = self.on_disk;
        self.pending.clear();
        self.seen = None;
        self.is_finished = false;
        self.head.truncate(self.next.min(HEAD_BYTES as u64) as usize);
    }

    /// Begins at the start of the file, which is not what it was.
    pub fn begin_again(&mut self, now: Duration) {
        self.next = 0;
        self.head.clear();
        self.pending.clear();
        self.line_start = Place::default();
        self.on_disk = Place::default();
        self.last_growth = now;
        self.seen = None;
    }

    /// Returns the bytes that are in the file and not yet read.
    pub fn unread(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len().saturating_sub(self.next))
    }

    /// Returns how far it was read, as of lines handed over.
    pub fn reached(&self, pattern: &str) -> FilePosition {
        self.position(pattern, self.line_start)
    }

    /// Returns how far its lines are on disk.
    pub fn durable(&self, pattern: &str) -> FilePosition {
        self.position(pattern, self.on_disk)
    }

    fn position(&self, pattern: &str, place: Place) -> FilePosition {
        FilePosition {
            pattern: pattern.to_string(),
            path: self.path.clone(),
            device: self.id.device,
            inode: self.id.inode,
            head_bytes: self.head.len(),
            head: digest(&self.head),
            offset: place.offset,
            skips: place.skips,
            finished: self.is_finished,
        }
    }
}
