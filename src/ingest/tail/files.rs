//! All followed files: found by their patterns, followed through rotations, read in turns.

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::batch::Batch;
use super::bounds::{FILES_MAX, FINISHED_MAX, GLOB_INTERVAL, HEAD_BYTES};
use super::budget::Budget;
use super::counts::{Counts, From, Trouble};
use super::find::{elsewhere, matches};
use super::followed::{FileId, Followed, Line, Place, Reading, continues, open};
use super::positions::{FilePosition, Positions};
use super::{FileSource, StartAt};

/// The files of all sources.
pub struct Files {
    sources: Vec<FileSource>,
    budgets: Vec<Budget>,
    followed: Vec<Followed>,
    /// Read to their end under another name, oldest first.
    finished: VecDeque<FilePosition>,
    /// Paths whose file is gone: the next one there is new, and read from its start.
    left: HashSet<PathBuf>,
    /// Patterns that were followed before: what is new to them is read from its start.
    known_patterns: HashSet<String>,
    /// What was complained about and has not become well.
    told: HashSet<PathBuf>,
    next_look: Duration,
    /// Whose turn it is.
    turn: usize,
    counts: Arc<Counts>,
}

impl Files {
    /// Takes up the files where they were left.
    pub fn new(sources: Vec<FileSource>, known: &Positions, now: Duration, counts: Arc<Counts>) -> Files {
        let mut res = Files {
            budgets: sources.iter().map(|_| Budget::new(now)).collect(),
            followed: Vec::new(),
            finished: VecDeque::new(),
            left: HashSet::new(),
            known_patterns: known.patterns.iter().cloned().collect(),
            told: HashSet::new(),
            next_look: now,
            turn: 0,
            sources,
            counts,
        };
        for position in &known.files {
            if position.finished {
                res.finish(position.clone());
            } else if let Some(source) = res.sources.iter().position(|source| source.path == position.pattern)
            {
                res.take_up(position, source, now);
            }
        }
        res
    }

    fn take_up(&mut self, position: &FilePosition, source: usize, now: Duration) {
        let own = FileId { device: position.device, inode: position.inode };
        let place = Place { offset: position.offset, skips: position.skips };
        match open(&position.path) {
            Ok((file, metadata))
                if FileId::of(&metadata) == own && continues(&file, position).unwrap_or(false) =>
            {
                self.follow(&position.path, &position.path, source, (file, metadata), place, now);
            }
            Err(fault) if fault.kind() == io::ErrorKind::PermissionDenied => {
                self.tell(&position.path, &fault);
                // Kept: it may be readable again.
                self.finish(position.clone());
            }
            _ => {
                self.left.insert(position.path.clone());
                self.drain(position, source, now);
            }
        }
    }

    /// Reads the rest of a file that has another name now.
    fn drain(&mut self, position: &FilePosition, source: usize, now: Duration) -> bool {
        let Some((path, file, metadata)) = elsewhere(position) else { return false };
        let id = FileId::of(&metadata);
        if self.followed.iter().any(|followed| followed.id == id) {
            return true;
        }
        let place = Place { offset: position.offset, skips: position.skips };
        self.follow(&position.path, &path, source, (file, metadata), place, now);
        if let Some(followed) = self.followed.iter_mut().find(|followed| followed.id == id) {
            followed.rotated = Some(now);
        }
        true
    }

    /// Follows a file; `name` is where its program writes, which names the stream.
    fn follow(
        &mut self,
        name: &Path,
        path: &Path,
        source: usize,
        opened: (fs::File, fs::Metadata),
        place: Place,
        now: Duration,
    ) {
        let tag = self.sources[source].tag_of(name);
        match Followed::new(name.to_path_buf(), opened, (source, tag), place, now) {
            Ok(followed) => {
                info!("follows {} from byte {}", path.display(), place.offset);
                self.told.remove(path);
                self.followed.push(followed);
            }
            Err(fault) => self.tell(path, &fault),
        }
    }

    /// Reads what is new, as far as the round has room; returns true when more may wait.
    pub fn read(&mut self, batch: &mut Batch, now: Duration) -> bool {
        self.notice_rotations(now);
        if now >= self.next_look {
            self.look(now);
            self.next_look = now + GLOB_INTERVAL;
        }
        let n_files = self.followed.len();
        let mut more = false;
        for step in 0..n_files {
            more |= self.read_one((self.turn + step) % n_files, batch, now);
        }
        self.turn = self.turn.wrapping_add(1);
        more
    }

    fn read_one(&mut self, idx: usize, batch: &mut Batch, now: Duration) -> bool {
        let followed = &mut self.followed[idx];
        let source = &self.sources[followed.source];
        let budget = &mut self.budgets[followed.source];
        let (room, n_max) = batch.room();
        let allowed = budget.left(now);
        if allowed == 0 && followed.unread() > 0 {
            self.counts.trouble(From::File, Trouble::Rate);
            return false;
        }
        if room == 0 || allowed == 0 {
            return room == 0;
        }
        let counts = &self.counts;
        let tag = followed.tag.clone();
        let reading = followed.read((room.min(allowed), n_max), now, &mut |line| {
            take(line, &tag, source, batch, counts);
        });
        match reading {
            Ok(Reading::Some(n_bytes)) => {
                budget.take(n_bytes);
                batch.read(n_bytes);
                counts.bytes(From::File, n_bytes);
                true
            }
            Ok(Reading::Nothing) => false,
            Ok(Reading::Truncated) => {
                self.start_over(idx, batch, now);
                true
            }
            Err(fault) => {
                let path = followed.path.clone();
                self.tell(&path, &fault);
                false
            }
        }
    }

    /// The content was cut away: what of it was not read may be in a copy.
    fn start_over(&mut self, idx: usize, batch: &mut Batch, now: Duration) {
        self.counts.trouble(From::File, Trouble::Truncated);
        let (source_idx, tag) = (self.followed[idx].source, self.followed[idx].tag.clone());
        let position = self.followed[idx].reached(&self.sources[source_idx].path);
        let has_copy = self.drain(&position, source_idx, now);
        let (source, counts) = (&self.sources[source_idx], &self.counts);
        let followed = &mut self.followed[idx];
        if !has_copy {
            followed.end_half_line(&mut |line| take(line, &tag, source, batch, counts));
        }
        info!("{} was cut and is read from its start", followed.path.display());
        followed.begin_again(now);
    }

    fn notice_rotations(&mut self, now: Duration) {
        let mut replaced = Vec::new();
        for followed in self.followed.iter_mut().filter(|followed| followed.rotated.is_none()) {
            match fs::metadata(&followed.path) {
                Ok(metadata) if FileId::of(&metadata) == followed.id => continue,
                Ok(_) => replaced.push((followed.path.clone(), followed.source)),
                Err(fault) if fault.kind() == io::ErrorKind::NotFound => {}
                // A folder that cannot be entered says nothing about the file.
                Err(_) => continue,
            }
            followed.rotated = Some(now);
            self.left.insert(followed.path.clone());
        }
        for (path, source) in replaced {
            self.consider(&path, source, now);
        }
    }

    /// Compares the patterns with the disk.
    fn look(&mut self, now: Duration) {
        for source in 0..self.sources.len() {
            let (paths, faults) = matches(&self.sources[source].path);
            for fault in faults {
                self.tell(fault.path(), fault.error());
            }
            for path in paths {
                self.consider(&path, source, now);
            }
        }
        let patterns = self.sources.iter().map(|source| source.path.clone());
        self.known_patterns = patterns.collect();
    }

    /// Follows a file that is there, if it is not followed yet.
    fn consider(&mut self, path: &Path, source: usize, now: Duration) {
        let metadata = match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => metadata,
            Ok(_) => return,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return,
            Err(fault) => return self.tell(path, &fault),
        };
        let id = FileId::of(&metadata);
        if let Some(followed) = self.followed.iter_mut().find(|followed| followed.id == id) {
            if followed.path == path {
                followed.rotated = None;
            }
            return;
        }
        let (file, metadata) = match open(path) {
            Ok(opened) => opened,
            Err(fault) => return self.tell(path, &fault),
        };
        let Some(place) = self.first_place(path, source, id, (&file, &metadata)) else { return };
        if self.followed.len() >= FILES_MAX {
            self.counts.trouble(From::File, Trouble::Files);
            return self.tell(path, &io::Error::other(format!("{FILES_MAX} files are followed already")));
        }
        self.left.remove(path);
        self.follow(path, path, source, (file, metadata), place, now);
    }

    /// Returns where a file that is new to us is read from; none if it was read already.
    fn first_place(
        &mut self,
        path: &Path,
        source: usize,
        id: FileId,
        (file, metadata): (&fs::File, &fs::Metadata),
    ) -> Option<Place> {
        let is_known = |position: &FilePosition| {
            let same = FileId { device: position.device, inode: position.inode } == id;
            same && continues(file, position).unwrap_or(false)
        };
        if let Some(idx) = self.finished.iter().position(is_known) {
            let place = Place { offset: self.finished[idx].offset, skips: self.finished[idx].skips };
            if metadata.len() == place.offset {
                return None;
            }
            self.finished.remove(idx);
            return Some(place);
        }
        // A copy that `copytruncate` is about to make the only one; it is read when it is.
        let is_copy = self.followed.iter().any(|followed| {
            let position = followed.reached("");
            position.head_bytes == HEAD_BYTES && continues(file, &position).unwrap_or(false)
        });
        if is_copy {
            return None;
        }
        let source = &self.sources[source];
        let is_new = self.left.contains(path) || self.known_patterns.contains(&source.path);
        match source.from {
            StartAt::End if !is_new => Some(end_of(file, metadata)),
            StartAt::End | StartAt::Start => Some(Place::default()),
        }
    }

    /// Notes that the round is on disk.
    pub fn kept(&mut self) {
        self.followed.iter_mut().for_each(Followed::kept);
        let (done, rest) =
            std::mem::take(&mut self.followed).into_iter().partition(|followed| followed.is_finished);
        self.followed = rest;
        let done: Vec<Followed> = done;
        for followed in done {
            let position = followed.durable(&self.sources[followed.source].path);
            self.finish(position);
        }
    }

    /// Notes that the round must be read again.
    pub fn not_kept(&mut self) {
        self.followed.iter_mut().for_each(Followed::not_kept);
    }

    fn finish(&mut self, position: FilePosition) {
        if self.finished.len() == FINISHED_MAX {
            self.finished.pop_front();
        }
        self.finished.push_back(position);
    }

    /// Returns what of it is on disk.
    pub fn positions(&self) -> (Vec<String>, Vec<FilePosition>) {
        let durable = |followed: &Followed| followed.durable(&self.sources[followed.source].path);
        let followed = self.followed.iter().map(durable);
        let mut patterns: Vec<String> = self.known_patterns.iter().cloned().collect();
        patterns.sort();
        (patterns, self.finished.iter().cloned().chain(followed).collect())
    }

    /// Says once that a file cannot be read, and what helps.
    fn tell(&mut self, path: &Path, fault: &io::Error) {
        if self.told.len() >= FINISHED_MAX || !self.told.insert(path.to_path_buf()) {
            return;
        }
        self.counts.trouble(From::File, Trouble::Unreadable);
        let advice = if fault.kind() == io::ErrorKind::PermissionDenied {
            "; let vitrine's user read it, by the group that owns it or by `setfacl -m u:USER:r FILE`, and it is \
             followed at once"
        } else {
            ""
        };
        warn!("{} is not followed: {fault}{advice}", path.display());
    }
}

/// Returns the end of a file; in the middle of a line its rest is not a line.
fn end_of(file: &fs::File, metadata: &fs::Metadata) -> Place {
    use std::os::unix::fs::FileExt;
    let offset = metadata.len();
    let mut last = [b'\n'];
    // What cannot be read now is read, or told of, later.
    _ = offset.checked_sub(1).map(|at| file.read_at(&mut last, at));
    Place { offset, skips: last != *b"\n" }
}

/// Makes a record of a line.
fn take(line: Line, tag: &str, source: &FileSource, batch: &mut Batch, counts: &Counts) {
    let Line { bytes, is_cut } = line;
    if is_cut {
        counts.trouble(From::File, Trouble::Size);
    }
    // A file that was cut while its program went on at the old place begins with zeros.
    let n_zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let text = match String::from_utf8(bytes[n_zeros..].to_vec()) {
        Ok(text) => text,
        // A character in two halves, where the line was cut, is no fault of its writer.
        Err(fault) if is_cut && fault.utf8_error().error_len().is_none() => {
            String::from_utf8_lossy(fault.as_bytes()).trim_end_matches('\u{fffd}').to_string()
        }
        Err(fault) => {
            counts.trouble(From::File, Trouble::Encoding);
            String::from_utf8_lossy(fault.as_bytes()).into_owned()
        }
    };
    let text = text.trim_end_matches('\r');
    if !text.is_empty() {
        let record = source.format.read(text.to_string(), tag, &batch.context);
        batch.push(record, From::File);
    }
}
