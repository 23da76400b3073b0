//! The systemd journal, read by a `journalctl --follow` of our own.
//!
//! The child is ended and reaped whenever it is not wanted: at a stop, at a reload that changes
//! its source, and when a round was not kept, so that the next one begins after the last entry
//! that is on disk. A child that ends by itself is started anew, later and later.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing::{debug, info, warn};

use super::JournalSource;
use super::batch::Batch;
use super::bounds::{BACK_OFF_MAX, BACK_OFF_MIN, COMPLAINT_MAX_BYTES, ENTRIES_WAITING, ENTRY_MAX_BYTES};
use super::budget::Budget;
use super::counts::{Counts, From, Trouble};
use super::entry;
use super::positions::JournalPosition;
use crate::record::access::cut;

/// Reads journals of the machine.
pub const PROGRAM: &str = "journalctl";

/// One source.
pub struct Journal {
    program: OsString,
    source: JournalSource,
    budget: Budget,
    /// The last entry that is on disk.
    on_disk: Option<String>,
    /// The last entry handed over.
    reached: Option<String>,
    running: Option<Running>,
    next_start: Duration,
    back_off: Duration,
    /// True once something was said about a child that does not start.
    told: bool,
    counts: Arc<Counts>,
}

/// A child with the threads that read what it writes; each ends when the child does.
struct Running {
    child: Child,
    lines: Receiver<Option<Vec<u8>>>,
    reading: JoinHandle<()>,
    complaints: JoinHandle<String>,
    has_spoken: bool,
}

impl Journal {
    /// Takes the journal up where it was left.
    pub fn new(
        program: OsString,
        source: JournalSource,
        known: &[JournalPosition],
        now: Duration,
        counts: Arc<Counts>,
    ) -> Journal {
        let cursor = known.iter().find(|known| known.units == source.units).map(|known| known.cursor.clone());
        Journal {
            program,
            source,
            budget: Budget::new(now),
            on_disk: cursor.clone(),
            reached: cursor,
            running: None,
            next_start: now,
            back_off: BACK_OFF_MIN,
            told: false,
            counts,
        }
    }

    /// Takes entries as far as the round has room, waiting at most `patience` for the first;
    /// returns true when more may wait.
    pub fn read(&mut self, batch: &mut Batch, now: Duration, patience: Duration) -> bool {
        if self.running.is_none() && now >= self.next_start {
            self.start(now);
        }
        let mut patience = patience;
        loop {
            let Some(running) = &mut self.running else { return false };
            let (room, _) = batch.room();
            let allowed = self.budget.left(now);
            if room == 0 || allowed == 0 {
                if allowed == 0 {
                    self.counts.trouble(From::Journal, Trouble::Rate);
                }
                return room == 0;
            }
            match running.lines.recv_timeout(patience) {
                Ok(line) => {
                    running.has_spoken = true;
                    self.take(line, batch);
                }
                Err(RecvTimeoutError::Timeout) => return !batch.is_empty(),
                Err(RecvTimeoutError::Disconnected) => {
                    self.ended(now);
                    return false;
                }
            }
            patience = Duration::ZERO;
        }
    }

    fn take(&mut self, line: Option<Vec<u8>>, batch: &mut Batch) {
        let Some(line) = line else { return self.counts.trouble(From::Journal, Trouble::Size) };
        self.budget.take(line.len());
        batch.read(line.len());
        self.counts.bytes(From::Journal, line.len());
        let Some(entry) = entry::read(&line, &self.source, batch.context.now) else {
            return self.counts.trouble(From::Journal, Trouble::Format);
        };
        if entry.is_binary {
            self.counts.trouble(From::Journal, Trouble::Encoding);
        }
        self.reached = Some(entry.cursor);
        if let Some(record) = entry.record {
            batch.push(record, From::Journal);
        }
    }

    fn start(&mut self, now: Duration) {
        match self.spawn() {
            Ok(running) => {
                debug!("{} follows {}", PROGRAM, self.source);
                self.running = Some(running);
            }
            Err(fault) => {
                self.later(now);
                if !std::mem::replace(&mut self.told, true) {
                    let advice = match fault.kind() {
                        io::ErrorKind::NotFound => {
                            "; this machine has no systemd, or vitrine runs in a container: take \
                             `[[logs.journal]]` out of the configuration"
                        }
                        _ => "",
                    };
                    warn!("the journal is not followed: start {PROGRAM}: {fault}{advice}");
                }
            }
        }
    }

    fn spawn(&self) -> io::Result<Running> {
        let mut command = Command::new(&self.program);
        command.args(["--output=json", "--all", "--follow", "--no-pager", "--quiet"]);
        match &self.on_disk {
            Some(cursor) => {
                command.arg("--no-tail").arg(format!("--after-cursor={cursor}"));
            }
            None => {
                command.arg("--lines=0");
            }
        }
        command.args(self.source.units.iter().map(|unit| format!("--unit={unit}")));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (sender, lines) = sync_channel(ENTRIES_WAITING);
        let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(io::Error::other("it has no output"));
        };
        let reading = spawn_thread(move || read_lines(out, &sender));
        let complaints = spawn_thread(move || read_complaints(err));
        match (reading, complaints) {
            (Ok(reading), Ok(complaints)) => {
                Ok(Running { child, lines, reading, complaints, has_spoken: false })
            }
            (Err(fault), _) | (_, Err(fault)) => {
                end(&mut child);
                Err(fault)
            }
        }
    }

    /// The child has closed its output.
    fn ended(&mut self, now: Duration) {
        let Some(running) = self.running.take() else { return };
        let has_spoken = running.has_spoken;
        let complaint = running.end();
        if has_spoken {
            self.back_off = BACK_OFF_MIN;
            self.told = false;
        }
        self.later(now);
        if !std::mem::replace(&mut self.told, true) {
            let complaint = cut(complaint.trim(), COMPLAINT_MAX_BYTES);
            warn!("{PROGRAM} ended and is started again, later and later: {complaint:?}");
        }
    }

    fn later(&mut self, now: Duration) {
        self.next_start = now + self.back_off;
        self.back_off = (self.back_off * 2).min(BACK_OFF_MAX);
    }

    /// Notes that the round is on disk.
    pub fn kept(&mut self) {
        self.on_disk.clone_from(&self.reached);
    }

    /// Notes that the round must be read again.
    pub fn not_kept(&mut self) {
        if self.reached != self.on_disk {
            self.reached.clone_from(&self.on_disk);
            self.stop();
        }
    }

    /// Ends the child.
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.end();
            info!("no longer follows {}", self.source);
        }
    }

    /// Returns what of it is on disk.
    pub fn position(&self) -> Option<JournalPosition> {
        let cursor = self.on_disk.clone()?;
        Some(JournalPosition { units: self.source.units.clone(), cursor })
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Running {
    /// Ends the child and its threads; returns what it said about itself.
    fn end(self) -> String {
        let Running { mut child, lines, reading, complaints, .. } = self;
        end(&mut child);
        // A thread that waits for room in the queue waits no longer.
        drop(lines);
        if reading.join().is_err() {
            warn!("reading the journal ended by a defect");
        }
        complaints.join().unwrap_or_default()
    }
}

/// Ends a child and reaps it.
fn end(child: &mut Child) {
    // It may have ended by itself.
    _ = child.kill();
    if let Err(fault) = child.wait() {
        warn!("wait for {PROGRAM} to end: {fault}");
    }
}

fn spawn_thread<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    thread::Builder::new().name("journal".into()).spawn(run)
}

/// Sends line after line; none for one beyond the bound. A full queue holds the child back.
fn read_lines(out: ChildStdout, sender: &SyncSender<Option<Vec<u8>>>) {
    let mut out = BufReader::new(out);
    let mut is_inside = false;
    loop {
        let mut line = Vec::new();
        match out.by_ref().take(ENTRY_MAX_BYTES as u64).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let has_end = line.ends_with(b"\n");
        let is_whole = has_end && !is_inside;
        let is_first_of_long = !has_end && !is_inside;
        is_inside = !has_end;
        if (is_whole || is_first_of_long) && sender.send(is_whole.then_some(line)).is_err() {
            return;
        }
    }
}

/// Keeps the beginning of what the child says, and reads the rest so that it never waits for us.
fn read_complaints(mut err: ChildStderr) -> String {
    let mut kept = Vec::new();
    // What cannot be read was not said.
    _ = err.by_ref().take(COMPLAINT_MAX_BYTES as u64).read_to_end(&mut kept);
    _ = io::copy(&mut err, &mut io::sink());
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use jiff::tz::TimeZone;

    use super::super::format::Context;
    use super::*;
    use crate::clock::UnixNanos;
    use crate::record::LogAddresses;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// Stands in for journalctl: notes its arguments, writes what it is told to.
    fn program(dir: &Path, script: &str) -> OsString {
        let path = dir.join("journalctl");
        let text = format!("#!/bin/sh\necho \"$@\" >> {}\n{script}\n", dir.join("arguments").display());
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.into()
    }

    fn journal(program: OsString, cursor: Option<&str>) -> Journal {
        let source = JournalSource { units: vec!["nginx.service".into()], tag: None };
        let known: Vec<JournalPosition> = cursor
            .map(|cursor| JournalPosition { units: source.units.clone(), cursor: cursor.into() })
            .into_iter()
            .collect();
        Journal::new(program, source, &known, Duration::ZERO, Arc::new(Counts::default()))
    }

    fn read(journal: &mut Journal, now: Duration) -> Vec<String> {
        let context = Context { now: UnixNanos(7), here: TimeZone::UTC, addresses: LogAddresses::No };
        let mut batch = Batch::new(context);
        journal.read(&mut batch, now, PATIENCE);
        batch.into_records().into_iter().map(|record| record.body).collect()
    }

    const TWO: &str = r#"echo '{"__CURSOR":"c1","MESSAGE":"one"}'; echo '{"__CURSOR":"c2","MESSAGE":"two"}'"#;

    #[test]
    fn a_child_follows_after_the_cursor_and_is_reaped() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = journal(program(dir.path(), &format!("{TWO}; exec sleep 1000")), Some("c0"));
        let mut seen = Vec::new();
        while seen.len() < 2 {
            seen.extend(read(&mut journal, Duration::ZERO));
        }
        assert_eq!(seen, ["one", "two"]);
        assert_eq!(journal.position().unwrap().cursor, "c0", "it is not on disk yet");
        journal.kept();
        assert_eq!(journal.position().unwrap().cursor, "c2");
        let pid = journal.running.as_ref().unwrap().child.id();
        journal.stop();
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
        let arguments = fs::read_to_string(dir.path().join("arguments")).unwrap();
        assert!(arguments.contains("--follow") && arguments.contains("--unit=nginx.service"), "{arguments}");
        assert!(arguments.contains("--after-cursor=c0"), "{arguments}");
    }

    #[test]
    fn what_was_not_kept_is_asked_for_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = journal(program(dir.path(), &format!("{TWO}; exec sleep 1000")), Some("c0"));
        assert!(!read(&mut journal, Duration::ZERO).is_empty());
        journal.not_kept();
        assert!(journal.running.is_none());
        assert_eq!(read(&mut journal, Duration::ZERO).first().unwrap(), "one");
    }

    #[test]
    fn a_child_that_ends_is_started_again_later() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = journal(program(dir.path(), "echo no journal files >&2; exit 1"), None);
        for (now, n_starts) in [(0, 1), (0, 1), (1, 2), (2, 2), (3, 3), (6, 3), (7, 4)] {
            read(&mut journal, Duration::from_secs(now));
            let arguments = fs::read_to_string(dir.path().join("arguments")).unwrap();
            assert_eq!(arguments.lines().count(), n_starts, "at {now} s");
            assert!(arguments.contains("--lines=0"));
        }
    }

    #[test]
    fn without_the_program_nothing_happens_but_a_warning() {
        let mut journal = journal("/nowhere/journalctl".into(), None);
        assert!(read(&mut journal, Duration::ZERO).is_empty());
        assert!(journal.told && journal.position().is_none());
    }

    #[test]
    fn a_long_or_foreign_entry_is_counted_and_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let long = "head -c 200000 /dev/zero | tr '\\0' x; echo";
        let mut journal =
            journal(program(dir.path(), &format!("{long}; echo nonsense; {TWO}; exec sleep 1000")), None);
        let mut seen = Vec::new();
        while seen.len() < 2 {
            seen.extend(read(&mut journal, Duration::ZERO));
        }
        assert_eq!(seen, ["one", "two"]);
        assert_eq!(journal.counts.troubles(From::Journal, Trouble::Size), 1);
        assert_eq!(journal.counts.troubles(From::Journal, Trouble::Format), 1);
    }
}
