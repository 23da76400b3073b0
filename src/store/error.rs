//! What can go wrong, named by what was attempted.

use std::io;
use std::path::{Path, PathBuf};

use super::wire::Damaged;

/// Why the store could not be opened; each text ends in what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be created or written.
    #[error(
        "data directory {path} is not writable ({source}): give this user write access or choose another data directory"
    )]
    NotWritable {
        /// The directory or the file in it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process writes here.
    #[error(
        "data directory {path} is in use by process {pid}: stop that process or choose another data directory"
    )]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The process that holds the lock, 0 when its file does not say.
        pid: u32,
    },
    /// A later version wrote here.
    #[error(
        "{path} has store format {found} and this version knows up to {known}: start the newer version again or choose another data directory"
    )]
    NewerFormat {
        /// The file that says so.
        path: PathBuf,
        /// The version on disk.
        found: u32,
        /// The newest version that this program reads.
        known: u32,
    },
    /// The disk did something else.
    #[error("{action} {path}: {source}; check the disk")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl OpenError {
    /// Sorts a system error into the variant whose advice fits.
    pub(super) fn from_io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotADirectory => OpenError::NotWritable { path, source },
            _ => OpenError::Io { action, path, source },
        }
    }
}

/// Why queued data is not known to be on disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyncError {
    /// The queue to the writer is full.
    #[error("queue of the store is full")]
    QueueFull,
    /// The store is closed, or its writer has ended.
    #[error("store is closed")]
    Closed,
    /// The disk did not take it; the writer tries again by itself.
    #[error("store is degraded: {0}")]
    Degraded(String),
}

/// Why a close did not come to its end; the WAL has what it could not seal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseError {
    /// The deadline passed; the next start replays the WAL.
    #[error("store was not sealed in time, the next start replays its log")]
    Deadline,
    /// The last flush failed.
    #[error("last flush of the store: {0}")]
    Flush(#[from] SyncError),
}

/// Why a partition could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PartitionError {
    /// sled or the file system refused.
    #[error("{action} partition {path}: {source}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// sled panicked; the handle is given up.
    #[error("{action} partition {path}: sled panicked")]
    Panicked {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
    },
    /// A record does not have the form that FORMAT.md draws.
    #[error("partition {path}: {damage}")]
    Damaged {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        damage: Damaged,
    },
    /// The partition was dropped meanwhile.
    #[error("partition {path} was dropped")]
    Dropped {
        /// Which.
        path: PathBuf,
    },
}

impl PartitionError {
    /// Returns true when the next read may find it otherwise: retention took it away, or
    /// another process reads it at this moment.
    pub fn is_momentary(&self) -> bool {
        match self {
            PartitionError::Io { source, .. } => source.kind() == io::ErrorKind::WouldBlock,
            PartitionError::Dropped { .. } => true,
            PartitionError::Panicked { .. } | PartitionError::Damaged { .. } => false,
        }
    }

    /// Returns true when the same partition may well open another time: the fault is the
    /// machine's at this moment, not the data's.
    pub fn is_passing(&self) -> bool {
        match self {
            PartitionError::Io { source, .. } => !is_fault_of_data(source.kind()),
            PartitionError::Dropped { .. } => true,
            PartitionError::Panicked { .. } | PartitionError::Damaged { .. } => false,
        }
    }
}

/// Returns true for errors that say that something is not there or is not what was written;
/// any other is the machine's: a disk that errs, too many open files, no memory.
pub(super) fn is_fault_of_data(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{
        AlreadyExists, InvalidData, IsADirectory, NotADirectory, NotFound, UnexpectedEof, Unsupported,
    };
    matches!(
        kind,
        AlreadyExists | InvalidData | IsADirectory | NotADirectory | NotFound | UnexpectedEof | Unsupported
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_data_says_costs_the_data() {
        let is_passing =
            |source| PartitionError::Io { action: "read", path: "x".into(), source }.is_passing();
        // EIO, ENFILE, EMFILE, EROFS, ESTALE: a later start may well read it.
        for code in [5, 23, 24, 30, 116] {
            assert!(is_passing(io::Error::from_raw_os_error(code)), "{code}");
        }
        for kind in [io::ErrorKind::InvalidData, io::ErrorKind::UnexpectedEof, io::ErrorKind::NotFound] {
            assert!(!is_passing(kind.into()), "{kind}");
        }
    }
}
