//! Every limit of the tailed sources, and what happens at it.

use std::time::Duration;

/// Entries of `[[logs.file]]`, and of `[[logs.journal]]`; more is a mistake in the configuration.
pub const SOURCES_MAX: usize = 32;

/// Files followed at once, an open descriptor each; further ones are told of and left alone.
pub const FILES_MAX: usize = 64;

/// Names that one pattern is compared with at most.
pub const GLOB_MAX: usize = 10_000;

/// Names of a folder looked through for a file that was renamed or copied away.
pub const FOLDER_MAX: usize = 4_096;

/// Bytes of one line, the store's own bound; the rest of a longer one is passed over.
pub const LINE_MAX_BYTES: usize = 256 << 10;

/// Bytes read of one file in one round, so that files take turns.
pub const CHUNK_BYTES: usize = 256 << 10;

/// Bytes of all sources in one round: an eighth of the store's queue.
pub const ROUND_BYTES: usize = 2 << 20;

/// Records in one round; a line of two bytes costs a hundred times that as a record.
pub const ROUND_RECORDS: usize = 4_096;

/// Bytes a second that one source may bring; what is beyond stays where it is and is read later.
pub const SOURCE_BYTES_PER_SECOND: usize = 2 << 20;

/// Bytes that a source may bring at once after it was silent.
pub const SOURCE_BURST_BYTES: usize = 8 << 20;

/// First bytes of a file by which it is known again when its inode is used anew.
pub const HEAD_BYTES: usize = 1 << 10;

/// Files are looked at this often; a person who watches the log does not notice.
pub const POLL: Duration = Duration::from_millis(250);

/// Patterns are compared with the disk this often.
pub const GLOB_INTERVAL: Duration = Duration::from_secs(5);

/// A line without its end waits so long for it, then it is a line as it stands.
pub const HALF_LINE_PATIENCE: Duration = Duration::from_secs(5);

/// A renamed file is read for so long after it last grew: its program writes to it until it
/// is told to open a new one.
pub const ROTATED_PATIENCE: Duration = Duration::from_secs(60);

/// Files that were read to their end and are remembered, so that they are not read again
/// under a new name.
pub const FINISHED_MAX: usize = 256;

/// The store may take so long to say that a round is on disk; then it is read again.
pub const KEEP_PATIENCE: Duration = Duration::from_secs(10);

/// The wait after a round that was not kept, or a journal that ended; doubled each time.
pub const BACK_OFF_MIN: Duration = Duration::from_secs(1);

/// The longest such wait.
pub const BACK_OFF_MAX: Duration = Duration::from_secs(60);

/// Bytes of one entry of the journal, its fields included; a longer one is left out.
pub const ENTRY_MAX_BYTES: usize = 64 << 10;

/// Entries of one journal that wait to be taken: 32 MiB at most, real ones are below 2 KiB.
pub const ENTRIES_WAITING: usize = 512;

/// Bytes of what journalctl says about itself that are shown.
pub const COMPLAINT_MAX_BYTES: usize = 1 << 10;

/// Bytes of a tag, which becomes a label.
pub const TAG_MAX_BYTES: usize = 256;

/// Units named for one journal source.
pub const UNITS_MAX: usize = 64;

/// Bytes of the file of positions: all that are kept take a tenth of it.
pub const POSITIONS_MAX_BYTES: u64 = 1 << 20;

/// The stop waits so long for the round in hand; less than the drain of the pages, which runs
/// at the same time.
pub const STOP_GRACE: Duration = Duration::from_secs(5);
