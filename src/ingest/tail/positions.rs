//! How far every source was read, kept over restarts in one JSON file.
//!
//! It is written after the lines before the positions are on disk, never before: what is
//! killed in between reads a moment's lines twice, and loses none.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::bounds::POSITIONS_MAX_BYTES;

/// The version of the file's form; a file of another one is set aside by the reader's warning.
const VERSION: u32 = 1;

/// What the file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Positions {
    version: u32,
    /// Patterns that were followed: a file that is new to one of them is read from its start.
    pub patterns: Vec<String>,
    /// Files, those that were read to their end included.
    pub files: Vec<FilePosition>,
    /// Journals.
    pub journals: Vec<JournalPosition>,
}

/// How far a file was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePosition {
    /// The pattern that found it.
    pub pattern: String,
    /// Where it was found; it may have been renamed since.
    pub path: PathBuf,
    /// Its device.
    pub device: u64,
    /// Its inode there.
    pub inode: u64,
    /// How many of its first bytes `head` is made of.
    pub head_bytes: usize,
    /// The SHA-256 of its first bytes.
    pub head: String,
    /// The end of the last line that is on disk.
    pub offset: u64,
    /// True in the middle of a line that was cut: its rest is passed over.
    pub skips: bool,
    /// True when it was renamed and then read to its end.
    pub finished: bool,
}

/// How far a journal was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalPosition {
    /// The units asked for; none for all.
    pub units: Vec<String>,
    /// Journald's name of the last entry that is on disk.
    pub cursor: String,
}

impl Positions {
    /// Reads the file; nothing is known when there is none.
    pub fn read(path: &Path) -> io::Result<Positions> {
        let file = match fs::File::open(path) {
            Ok(file) => file,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Positions::default()),
            Err(fault) => return Err(fault),
        };
        let mut bytes = Vec::new();
        file.take(POSITIONS_MAX_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > POSITIONS_MAX_BYTES {
            return Err(io::Error::other("it is larger than vitrine writes it"));
        }
        let positions: Positions = serde_json::from_slice(&bytes).map_err(io::Error::other)?;
        match positions.version {
            VERSION => Ok(positions),
            other => Err(io::Error::other(format!("its version is {other}, and {VERSION} is known"))),
        }
    }

    /// Writes the file so that after a crash either the old or the new one is there whole.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let positions = Positions { version: VERSION, ..self.clone() };
        let bytes = serde_json::to_vec(&positions).map_err(io::Error::other)?;
        let beside = path.with_extension("json.new");
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_round_trip_and_what_is_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logs-positions.json");
        assert_eq!(Positions::read(&path).unwrap(), Positions::default());
        let file = FilePosition {
            pattern: "/var/log/*.log".into(),
            path: "/var/log/a.log".into(),
            device: 1,
            inode: u64::MAX,
            head_bytes: 3,
            head: "ab".into(),
            offset: 7,
            skips: true,
            finished: false,
        };
        let journal = JournalPosition { units: vec!["nginx.service".into()], cursor: "s=1".into() };
        let positions = Positions {
            version: VERSION,
            patterns: vec!["/var/log/*.log".into()],
            files: vec![file],
            journals: vec![journal],
        };
        positions.write(&path).unwrap();
        assert_eq!(Positions::read(&path).unwrap(), positions);
        fs::write(&path, "{\"version\":2,\"patterns\":[],\"files\":[],\"journals\":[]}").unwrap();
        assert!(Positions::read(&path).unwrap_err().to_string().contains("version is 2"));
        fs::write(&path, "half").unwrap();
        assert!(Positions::read(&path).is_err());
    }
}
