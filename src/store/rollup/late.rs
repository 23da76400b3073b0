//! The blocks that samples came for after they were rolled up, and that are made again.
//!
//! A sender that was cut off for days sends its backlog moment by moment, so a block waits
//! until nothing came for it for a while. What is named here is in a small file before the
//! samples are acknowledged; a crash forgets none.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::UnixMillis;
use crate::files::{PRIVATE, write_durably};
use crate::store::disk::files::read_versioned;
use crate::store::disk::partition::Kind;
use crate::store::error::OpenError;
use crate::store::wire::{Damaged, Reader, put_varint, put_zigzag};

const VERSION: u8 = 1;

/// A block is made again once nothing came for it for so long.
const QUIET: Duration = Duration::from_secs(600);

/// And after so long whatever still comes, then once more: a sender that is always late is
/// not kept out of the roll-ups.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// What it means that the file cannot be read.
const LOST: &str = "what came late stays out of roll-ups";

/// The file's path.
pub fn path(dir: &Path) -> PathBuf {
    dir.join("late")
}

/// Blocks to be made again, by the moment before them.
#[derive(Debug, Default)]
pub struct Late {
    minutes: BTreeMap<UnixMillis, Mark>,
    hours: BTreeMap<UnixMillis, Mark>,
    is_dirty: bool,
}

/// When something came for a block, by the monotonic clock.
#[derive(Debug)]
struct Mark {
    first: Duration,
    last: Duration,
    n: u64,
}

/// A block that is due, and how much had come for it when it was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The moment before the block.
    pub begin: UnixMillis,
    n: u64,
}

impl Late {
    fn of(&mut self, kind: Kind) -> &mut BTreeMap<UnixMillis, Mark> {
        if kind == Kind::Minutes { &mut self.minutes } else { &mut self.hours }
    }

    /// Notes that something came at `now` for the block of a tier.
    pub fn mark(&mut self, kind: Kind, begin: UnixMillis, now: Duration) {
        let mut is_new = false;
        let mark = self.of(kind).entry(begin).or_insert_with(|| {
            is_new = true;
            Mark { first: now, last: now, n: 0 }
        });
        (mark.last, mark.n) = (now, mark.n + 1);
        self.is_dirty |= is_new;
    }

    /// Returns the first block of a tier that has waited long enough.
    pub fn due(&self, kind: Kind, now: Duration) -> Option<Due> {
        let blocks = if kind == Kind::Minutes { &self.minutes } else { &self.hours };
        let is_due = |mark: &Mark| {
            now.saturating_sub(mark.last) >= QUIET || now.saturating_sub(mark.first) >= WAIT_MAX
        };
        blocks.iter().find(|(_, mark)| is_due(mark)).map(|(begin, mark)| Due { begin: *begin, n: mark.n })
    }

    /// Takes a block off that was made, unless more came for it since it was begun.
    pub fn done(&mut self, kind: Kind, due: Due, now: Duration) {
        let Some(mark) = self.of(kind).get_mut(&due.begin) else { return };
        if mark.n == due.n {
            self.of(kind).remove(&due.begin);
            self.is_dirty = true;
        } else {
            mark.first = now;
        }
    }

    /// Returns the bytes of the file, if it does not have them yet.
    pub fn unsaved(&self) -> Option<Vec<u8>> {
        self.is_dirty.then(|| self.encode())
    }

    /// Replaces the file with bytes of [`Late::unsaved`].
    pub fn save(&mut self, dir: &Path, bytes: &[u8]) -> io::Result<()> {
        write_durably(&path(dir), bytes, PRIVATE)?;
        self.is_dirty = false;
        Ok(())
    }

    /// Takes up what the file names, as if it had come at `now`.
    ///
    /// One that is damaged is told and left: what came late is then missing in roll-ups and
    /// nowhere else. One of a later version refuses the store, as every file of it does.
    pub fn load(&mut self, dir: &Path, now: Duration) -> Result<(), OpenError> {
        let path = path(dir);
        let Some(bytes) = read_versioned(&path, VERSION, LOST)? else { return Ok(()) };
        match decode(&bytes) {
            Ok(blocks) => blocks.into_iter().for_each(|(kind, begin)| self.mark(kind, begin, now)),
            Err(damage) => {
                tracing::warn!("read {}: {damage}; {LOST}", path.display());
            }
        }
        Ok(())
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        for blocks in [&self.minutes, &self.hours] {
            put_varint(&mut out, blocks.len() as u64);
            blocks.keys().for_each(|begin| put_zigzag(&mut out, begin.0));
        }
        out
    }
}

fn decode(bytes: &[u8]) -> Result<Vec<(Kind, UnixMillis)>, Damaged> {
    let mut reader = Reader::new(bytes);
    if reader.u8()? != VERSION {
        return Err(Damaged("list of late blocks of another version"));
    }
    let mut res = Vec::new();
    for kind in [Kind::Minutes, Kind::Hours] {
        for _ in 0..reader.count()? {
            res.push((kind, UnixMillis(reader.zigzag()?)));
        }
    }
    reader.end()?;
    Ok(res)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: UnixMillis = UnixMillis(7_200_000);

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_block_is_due_when_nothing_more_comes_or_too_much() {
        let mut late = Late::default();
        late.mark(Kind::Minutes, BLOCK, secs(0));
        assert_eq!(late.due(Kind::Minutes, secs(599)), None);
        assert!(late.due(Kind::Minutes, secs(600)).is_some());
        assert_eq!(late.due(Kind::Hours, secs(600)), None);
        for n in 1..40 {
            late.mark(Kind::Minutes, BLOCK, secs(n * 100));
        }
        assert!(late.due(Kind::Minutes, secs(3_950)).is_some(), "one who never stops is not waited for");
    }

    #[test]
    fn what_comes_while_a_block_is_made_is_not_forgotten() {
        let mut late = Late::default();
        late.mark(Kind::Minutes, BLOCK, secs(0));
        let due = late.due(Kind::Minutes, secs(600)).unwrap();
        late.mark(Kind::Minutes, BLOCK, secs(601));
        late.done(Kind::Minutes, due, secs(602));
        assert_eq!(late.due(Kind::Minutes, secs(603)), None);
        let due = late.due(Kind::Minutes, secs(1_201)).unwrap();
        late.done(Kind::Minutes, due, secs(1_202));
        assert_eq!(late.due(Kind::Minutes, secs(9_999)), None);
    }

    #[test]
    fn a_start_takes_up_what_was_saved() {
        let dir = tempfile::tempdir().unwrap();
        let mut late = Late::default();
        assert_eq!(late.unsaved(), None);
        late.mark(Kind::Minutes, BLOCK, secs(5));
        late.mark(Kind::Hours, UnixMillis(0), secs(5));
        let bytes = late.unsaved().unwrap();
        late.save(dir.path(), &bytes).unwrap();
        late.mark(Kind::Minutes, BLOCK, secs(6));
        assert_eq!(late.unsaved(), None, "a block that is named already costs no write");
        let mut again = Late::default();
        again.load(dir.path(), secs(0)).unwrap();
        assert_eq!(again.encode(), bytes);
        std::fs::write(path(dir.path()), [VERSION + 1]).unwrap();
        assert!(matches!(again.load(dir.path(), secs(0)), Err(OpenError::NewerFormat { .. })));
        std::fs::write(path(dir.path()), [VERSION, 200]).unwrap();
        again.load(dir.path(), secs(0)).unwrap();
    }
}
