//! Every limit of the forward protocol, and what happens at it.

use std::time::Duration;

/// Addresses that can be listened on; more is a mistake in the configuration.
pub const LISTEN_MAX: usize = 8;

/// Connections at once; a newcomer beyond is closed. Senders keep one each.
pub const CONNECTIONS_MAX: usize = 64;

/// Bytes of one frame: Fluentd's default chunk of 8 MiB and what is around it. A frame that
/// claims more is refused before it arrives.
pub const FRAME_MAX_BYTES: usize = (8 << 20) + (64 << 10);

/// Bytes of one frame in JSON, which no sender of chunks uses.
pub const JSON_MAX_BYTES: usize = 256 << 10;

/// A connection that waits for a frame beyond this size holds one of [`LARGE_FRAMES_MAX`]
/// permits, so that all connections together hold at most
/// 64 × 256 KiB + 2 × 8 MiB = 32 MiB.
pub const SMALL_FRAME_BYTES: usize = 256 << 10;

/// Large frames that arrive at once; the next waits, and its sender with it.
pub const LARGE_FRAMES_MAX: usize = 2;

/// Bytes of one entry (a time and a record); a longer one refuses its frame. The store cuts
/// lines at a quarter of it.
pub const ENTRY_MAX_BYTES: usize = 1 << 20;

/// Values in one entry: a value costs up to 72 bytes in memory and one on the wire.
pub const ENTRY_VALUES_MAX: usize = 10_000;

/// Entries of one frame; 16 bytes each in a full one, which is shorter than any line.
pub const FRAME_ENTRIES_MAX: usize = 500_000;

/// Bytes that one compressed frame becomes; they are read piece by piece and never held as
/// a whole. Text shrinks to a tenth, so that a full frame stays just above its bound.
pub const INFLATED_MAX_BYTES: usize = 96 << 20;

/// The largest window of a zstd frame, as a power of two: 8 MiB, which RFC 8878 (3.1.1.1.2) asks
/// every decoder to allow and which is what the highest usual level takes. A frame that wants
/// more is refused before that memory is taken.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Compressed frames that inflate at once, each with a window; the next waits.
pub const INFLATING_MAX: usize = 2;

/// Arrays and maps inside each other; what programs log is below ten.
pub const DEPTH_MAX: usize = 32;

/// Bytes of a tag, which becomes a label.
pub const TAG_MAX_BYTES: usize = 256;

/// Bytes of the id that a sender wants back; real ones have 24 or 32.
pub const CHUNK_ID_MAX_BYTES: usize = 256;

/// Records handed over in one step.
pub const BATCH_MAX: usize = 1_000;

/// Bytes of lines and metadata handed over in one step, an entry more at most: an eighth of
/// the store's queue.
pub const BATCH_MAX_BYTES: usize = 2 << 20;

/// Bytes that one tag may send in a second unless configured: some thousand lines, a twentieth of
/// what the store takes on one core, so that pages and the other tags keep theirs.
pub const BYTES_PER_SECOND: u64 = 1 << 20;

/// A tag that was silent may send what it saved up in this time at once: a full chunk at
/// [`BYTES_PER_SECOND`].
pub const RATE_BURST: Duration = Duration::from_secs(10);

/// Tags with a budget of their own, more than the store keeps streams; further ones share one.
pub const RATE_TAGS_MAX: usize = 1_024;

/// What a record costs of its tag's budget beside its text, so that empty ones are not free.
pub const RECORD_BYTES: usize = 64;

/// Datagrams taken in one step before others get their turn.
pub const DATAGRAMS_MAX: usize = 256;

/// The rest of a frame must arrive within this time.
pub const FRAME_TIMEOUT: Duration = Duration::from_secs(30);

/// Where a shared key is asked for, the handshake must be over within this time.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a sender's part of the handshake: a host's name and three digests.
pub const HANDSHAKE_MAX_BYTES: usize = 4 << 10;

/// A sender may be silent so long between two frames. Long, because Docker's driver notices
/// a closed connection only after it lost the line that it wrote to it; senders that are
/// gone are found by TCP keep-alive.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// TCP asks a silent sender this often whether it is still there.
pub const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// A sender that does not read its acknowledgements for so long is closed.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes that had arrived before a stop and are still taken, for each connection.
pub const LAST_READ_MAX_BYTES: usize = 1 << 20;

/// The stop waits so long for connections in the middle of an acknowledgement; less than
/// the drain of the pages, which runs at the same time.
pub const STOP_GRACE: Duration = Duration::from_secs(5);

/// The pause after a connection that could not be accepted: no descriptor comes free faster.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
