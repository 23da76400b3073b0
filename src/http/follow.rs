//! Who follows the log as it comes in, and what they are told.
//!
//! Whoever hands lines to the store offers them here too, which costs nothing while nobody follows.
//! One thread runs the stages of all followers, so that neither the writers nor the threads of the
//! pages do. Every queue is bounded in bytes; what finds no room is left out and told as such. How a
//! message is written is up to whoever follows.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::iter::Peekable;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::vec;

use tokio::sync::mpsc;

use crate::clock::UnixNanos;
use crate::pace;
use crate::query::logql::{Line, Live, Pairs};
use crate::record::{Labels, LogRecord};

/// Most followers at once: each may have all lines run through its stages.
pub const FOLLOWERS_MAX: usize = 32;

/// Bytes of lines that wait for the thread.
const WAITING_MAX_BYTES: usize = 4 << 20;

/// Bytes that wait for one client; a page of log views is a tenth of it.
const QUEUED_MAX_BYTES: usize = 256 << 10;

/// Bytes of lines after which a message ends.
const FRAME_BYTES: usize = 64 << 10;

/// Messages that wait for one client, however small.
const FRAMES_MAX: usize = 64;

/// Lines left out that are named in one message; of more a client learns nothing from names.
const DROPPED_MAX: usize = 100;

/// Everyone who follows.
#[derive(Default)]
pub struct Followers {
    state: Mutex<State>,
    arrived: Condvar,
    n_followers: AtomicUsize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Arc<[LogRecord]>>,
    waiting_bytes: usize,
    /// What found no room, for the next message of each follower.
    dropped: Vec<(Labels, UnixNanos)>,
    /// So many more found none, of whatever streams.
    n_nameless: u64,
    followers: Vec<Follower>,
    /// So many more are with the thread just now.
    n_at_work: usize,
    /// The thread runs; it ends when nobody follows.
    is_running: bool,
    /// Some follower has been told the past.
    is_past_told: bool,
}

/// A line that was left out, by its labels and its time.
pub type Name = (Pairs, UnixNanos);

/// What a follower was not told since the message before.
#[derive(Debug, Default)]
pub struct LeftOut {
    /// The first of the lines, `DROPPED_MAX` at most.
    pub names: Vec<Name>,
    /// How many there were; those for which even the thread found no time are counted before it is
    /// known whether the query selects them.
    pub count: u64,
}

impl LeftOut {
    fn add(&mut self, names: impl IntoIterator<Item = Name>, count: u64) {
        let n_room = DROPPED_MAX.saturating_sub(self.names.len());
        self.names.extend(names.into_iter().take(n_room));
        self.count += count;
    }
}

/// Writes a message of lines, oldest first, and of what was left out before them.
pub type Write = fn(Vec<Line>, &LeftOut) -> String;

/// What the thread has to do next.
struct Round {
    batch: Arc<[LogRecord]>,
    dropped: Vec<(Labels, UnixNanos)>,
    n_nameless: u64,
    /// Taken out, so that nobody waits for their stages.
    followers: Vec<Follower>,
}

struct Follower {
    live: Live,
    write: Write,
    frames: mpsc::Sender<Frame>,
    queued_bytes: Arc<AtomicUsize>,
    left_out: LeftOut,
    past: Past,
    /// Lines that came in before the past was told.
    held: Vec<Line>,
    held_bytes: usize,
}

/// The lines of the past that a client was told; some may come in again while they are read.
#[derive(Clone, Default)]
struct Past(Arc<OnceLock<HashSet<u64>>>);

/// What tells a line from others.
fn key(line: &Line) -> u64 {
    let mut hasher = DefaultHasher::new();
    (line.at.0, &line.text, line.labels()).hash(&mut hasher);
    hasher.finish()
}

/// Where a follower hears what comes in, once it was told the past.
pub struct Following {
    followers: Arc<Followers>,
    write: Write,
    frames: mpsc::Receiver<Frame>,
    past: Past,
    untold: Peekable<vec::IntoIter<Line>>,
}

impl Following {
    /// Gives the past, oldest line first: the client is told it and then what comes in.
    pub fn after(&mut self, past: Vec<Line>) {
        // Said once.
        _ = self.past.0.set(past.iter().map(key).collect());
        self.untold = past.into_iter().peekable();
        self.followers.state().is_past_told = true;
        self.followers.arrived.notify_one();
    }

    /// Waits for a message. Nothing is lost when the wait is given up.
    pub async fn next(&mut self) -> Option<Frame> {
        if self.untold.peek().is_some() {
            return Some(self.next_of_past());
        }
        self.frames.recv().await
    }

    fn next_of_past(&mut self) -> Frame {
        let mut lines = Vec::new();
        let mut n_bytes = 0;
        while n_bytes < FRAME_BYTES
            && let Some(line) = self.untold.next()
        {
            n_bytes += line.text.len();
            lines.push(line);
        }
        let text = (self.write)(lines, &LeftOut::default());
        // Made when it is asked for, so it waits in no queue.
        let queued_bytes = Arc::new(AtomicUsize::new(text.len()));
        Frame { text, queued_bytes }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.frames.close();
        self.followers.arrived.notify_one();
    }
}

/// A message for a client; it counts as queued until it is gone.
pub struct Frame {
    /// What was written.
    pub text: String,
    queued_bytes: Arc<AtomicUsize>,
}

impl Drop for Frame {
    fn drop(&mut self) {
        self.queued_bytes.fetch_sub(self.text.len(), Ordering::Relaxed);
    }
}

impl State {
    fn n_followers(&self) -> usize {
        self.followers.len() + self.n_at_work
    }
}

impl Followers {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing here panics halfway through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands over lines that come in; returns at once.
    pub fn offer(&self, records: &[LogRecord]) {
        if self.n_followers.load(Ordering::Relaxed) == 0 {
            return;
        }
        let n_bytes: usize = records.iter().map(size_bytes).sum();
        let mut state = self.state();
        if state.waiting_bytes + n_bytes > WAITING_MAX_BYTES && !state.waiting.is_empty() {
            let n_room = DROPPED_MAX.saturating_sub(state.dropped.len());
            let names = records.iter().take(n_room).map(|record| (record.stream.clone(), record.at));
            state.dropped.extend(names);
            state.n_nameless += records.len().saturating_sub(n_room) as u64;
            return;
        }
        state.waiting_bytes += n_bytes;
        state.waiting.push_back(records.into());
        self.arrived.notify_one();
    }

    /// Follows a query until what is returned is dropped; none when there are too many.
    pub fn follow(self: &Arc<Self>, live: Live, write: Write) -> Option<Following> {
        let (frames, receiver) = mpsc::channel(FRAMES_MAX);
        let past = Past::default();
        let mut state = self.state();
        state.followers.retain(|follower| !follower.frames.is_closed());
        if state.n_followers() >= FOLLOWERS_MAX {
            return None;
        }
        state.followers.push(Follower {
            live,
            write,
            frames,
            queued_bytes: Arc::default(),
            left_out: LeftOut::default(),
            past: past.clone(),
            held: Vec::new(),
            held_bytes: 0,
        });
        self.n_followers.store(state.n_followers(), Ordering::Relaxed);
        if !state.is_running {
            let followers = self.clone();
            // Ends by itself when the last follower left.
            let thread = std::thread::Builder::new().name("log-followers".into());
            match thread.spawn(move || followers.run()) {
                Ok(_) => state.is_running = true,
                Err(fault) => {
                    tracing::error!("the thread that follows the log could not be started: {fault}");
                    state.followers.clear();
                    return None;
                }
            }
        }
        Some(Following {
            followers: self.clone(),
            write,
            frames: receiver,
            past,
            untold: Vec::new().into_iter().peekable(),
        })
    }

    fn run(&self) {
        if let Err(fault) = pace::threads::give_everything_else_way() {
            tracing::warn!("the log is followed at the priority of pages: {fault}");
        }
        let _reset = Reset(self);
        while let Some(Round { batch, dropped, n_nameless, mut followers }) = self.next() {
            followers.retain_mut(|follower| {
                let take = || {
                    let selected = dropped.iter().filter(|(stream, _)| follower.live.selects(stream));
                    let names: Vec<Name> = selected.map(|(stream, at)| (owned(stream), *at)).collect();
                    let n_selected = names.len() as u64;
                    follower.left_out.add(names, n_selected + n_nameless);
                    follower.take(&batch);
                };
                // What one client asked for may have a fault; the others are told of the line. It is
                // not asked again.
                let taken = catch_unwind(AssertUnwindSafe(take));
                if taken.is_err() {
                    tracing::error!("the log is followed no more for one client: its query panicked");
                }
                taken.is_ok()
            });
            let mut state = self.state();
            // Who began to follow in the meantime stands there already.
            followers.append(&mut state.followers);
            state.followers = followers;
            state.n_at_work = 0;
        }
    }

    /// Waits for lines; none when nobody follows any more.
    fn next(&self) -> Option<Round> {
        let mut state = self.state();
        loop {
            state.followers.retain(|follower| !follower.frames.is_closed());
            self.n_followers.store(state.followers.len(), Ordering::Relaxed);
            if state.followers.is_empty() {
                *state = State::default();
                return None;
            }
            let is_past_told = std::mem::take(&mut state.is_past_told);
            let batch = state.waiting.pop_front().or_else(|| is_past_told.then(|| [].into()));
            if let Some(batch) = batch {
                state.waiting_bytes -= batch.iter().map(size_bytes).sum::<usize>();
                let dropped = std::mem::take(&mut state.dropped);
                let n_nameless = std::mem::take(&mut state.n_nameless);
                let followers = std::mem::take(&mut state.followers);
                state.n_at_work = followers.len();
                return Some(Round { batch, dropped, n_nameless, followers });
            }
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Lets the next follower start another thread when this one ended by a fault of its own.
struct Reset<'a>(&'a Followers);

impl Drop for Reset<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            *self.0.state() = State::default();
            self.0.n_followers.store(0, Ordering::Relaxed);
        }
    }
}

fn size_bytes(record: &LogRecord) -> usize {
    let metadata: usize = record.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    record.body.len() + metadata + size_of::<LogRecord>()
}

impl Follower {
    fn take(&mut self, records: &[LogRecord]) {
        for record in records {
            if !self.live.selects(&record.stream) {
                continue;
            }
            let Some(line) = self.live.line(record.view()) else { continue };
            self.held_bytes += line.text.len();
            self.held.push(line);
            if self.held_bytes > FRAME_BYTES {
                self.send();
            }
        }
        self.send();
    }

    /// Sends what is held, unless the past is still to be told.
    fn send(&mut self) {
        let Some(past) = self.past.0.get() else {
            if self.held_bytes > QUEUED_MAX_BYTES {
                let lines = std::mem::take(&mut self.held);
                self.held_bytes = 0;
                self.left_out.add(lines.iter().map(name), lines.len() as u64);
            }
            return;
        };
        self.held_bytes = 0;
        let mut lines = std::mem::take(&mut self.held);
        lines.retain(|line| !past.contains(&key(line)));
        if !lines.is_empty() {
            self.send_lines(lines);
        }
    }

    fn send_lines(&mut self, lines: Vec<Line>) {
        let names: Vec<Name> = lines.iter().take(DROPPED_MAX).map(name).collect();
        let n_lines = lines.len() as u64;
        let text = (self.write)(lines, &self.left_out);
        let queued = self.queued_bytes.fetch_add(text.len(), Ordering::Relaxed);
        let frame = Frame { text, queued_bytes: self.queued_bytes.clone() };
        let has_room = queued == 0 || queued + frame.text.len() <= QUEUED_MAX_BYTES;
        if has_room && self.frames.try_send(frame).is_ok() {
            self.left_out = LeftOut::default();
        } else {
            self.left_out.add(names, n_lines);
        }
    }
}

fn name(line: &Line) -> Name {
    (line.labels(), line.at)
}

fn owned(labels: &Labels) -> Pairs {
    labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::logql::parse_log;
    use crate::record::Severity;

    fn record(at: i64, text: &str) -> LogRecord {
        LogRecord {
            at: UnixNanos(at),
            severity: Severity::Info,
            stream: Labels::new([("job", "a")]),
            metadata: Vec::new(),
            body: text.into(),
        }
    }

    fn live(query: &str) -> Live {
        Live::new(parse_log(query).unwrap(), UnixNanos(0)).unwrap()
    }

    fn write(lines: Vec<Line>, left_out: &LeftOut) -> String {
        let texts: Vec<String> = lines.into_iter().map(|line| line.text).collect();
        format!("{}, {} left out: {}", texts.join(" "), left_out.count, left_out.names.len())
    }

    #[tokio::test]
    async fn a_follower_is_told_what_comes_in_and_what_it_selects() {
        let followers = Arc::new(Followers::default());
        followers.offer(&[record(1, "before")]);
        let mut frames = followers.follow(live("{job=\"a\"} |= \"x\""), write).unwrap();
        followers.offer(&[record(1, "old x"), record(2, "x"), record(3, "y")]);
        let past = live("{job=\"a\"}").line(record(1, "old x").view()).unwrap();
        frames.after(vec![past]);
        let frame = frames.next().await.unwrap();
        assert_eq!(frame.text, "old x, 0 left out: 0");
        let frame = frames.next().await.unwrap();
        assert_eq!(frame.text, "x, 0 left out: 0");
    }

    #[tokio::test]
    async fn a_long_past_is_told_in_messages_as_short_as_those_of_what_comes_in() {
        let followers = Arc::new(Followers::default());
        let large = "x".repeat(FRAME_BYTES / 2);
        let mut told = live("{job=\"a\"}");
        let past = (0..5).map(|at| told.line(record(at, &large).view()).unwrap()).collect();
        let mut frames = followers.follow(live("{job=\"a\"}"), write).unwrap();
        frames.after(past);
        let mut n_lines = Vec::new();
        while n_lines.iter().sum::<usize>() < 5 {
            n_lines.push(frames.next().await.unwrap().text.matches(&large).count());
        }
        assert_eq!(n_lines, [2, 2, 1]);
    }

    #[tokio::test]
    async fn who_does_not_read_is_told_what_was_left_out() {
        let followers = Arc::new(Followers::default());
        let mut frames = followers.follow(live("{job=\"a\"}"), write).unwrap();
        frames.after(Vec::new());
        let large = "x".repeat(QUEUED_MAX_BYTES / 4);
        for at in 0..20 {
            followers.offer(&[record(at, &large)]);
            // Taken before the next one comes, so that only the client's queue fills.
            while !followers.state().waiting.is_empty() {
                tokio::task::yield_now().await;
            }
        }
        let mut n_told = 0;
        while followers.state().followers.is_empty() {
            tokio::task::yield_now().await;
        }
        while let Ok(frame) = frames.frames.try_recv() {
            n_told += 1;
            assert!(frame.text.ends_with("0 left out: 0"));
        }
        assert!((1..20).contains(&n_told), "{n_told}");
        followers.offer(&[record(99, "last")]);
        let frame = frames.next().await.unwrap();
        let n_left_out = 20 - n_told;
        assert_eq!(frame.text, format!("last, {n_left_out} left out: {n_left_out}"));
    }

    #[tokio::test]
    async fn what_nobody_found_time_for_is_counted() {
        let followers = Arc::new(Followers::default());
        // As if the thread had been at work for long.
        let first = record(0, "first");
        followers.n_followers.store(1, Ordering::Relaxed);
        followers.state().waiting_bytes = WAITING_MAX_BYTES + size_bytes(&first);
        followers.state().waiting.push_back([first].into());
        let batch: Vec<LogRecord> = (0..DROPPED_MAX as i64 + 50).map(|at| record(at, "x")).collect();
        followers.offer(&batch);
        let mut frames = followers.follow(live("{job=\"a\"}"), write).unwrap();
        frames.after(Vec::new());
        let frame = frames.next().await.unwrap();
        assert_eq!(frame.text, "first, 150 left out: 100");
    }

    #[tokio::test]
    async fn a_fault_in_what_one_asked_for_ends_its_following_alone() {
        fn faulty(_: Vec<Line>, _: &LeftOut) -> String {
            panic!("on purpose")
        }
        let followers = Arc::new(Followers::default());
        let mut other = followers.follow(live("{job=\"a\"}"), write).unwrap();
        let mut one = followers.follow(live("{job=\"a\"}"), faulty).unwrap();
        other.after(Vec::new());
        one.after(Vec::new());
        followers.offer(&[record(1, "x")]);
        assert!(one.next().await.is_none());
        assert_eq!(other.next().await.unwrap().text, "x, 0 left out: 0");
        let mut next = followers.follow(live("{job=\"a\"}"), write).unwrap();
        next.after(Vec::new());
        followers.offer(&[record(2, "y")]);
        assert_eq!(other.next().await.unwrap().text, "y, 0 left out: 0");
        assert_eq!(next.next().await.unwrap().text, "y, 0 left out: 0");
        assert_eq!(followers.state().n_followers(), 2);
    }

    #[test]
    fn a_thread_that_ended_by_a_fault_makes_room_for_another() {
        let followers = Arc::new(Followers::default());
        followers.state().is_running = true;
        let broken = followers.clone();
        let ended = std::thread::spawn(move || {
            let _reset = Reset(&broken);
            panic!("on purpose");
        });
        assert!(ended.join().is_err());
        assert!(!followers.state().is_running);
    }

    #[test]
    fn there_are_only_so_many() {
        let followers = Arc::new(Followers::default());
        let all: Vec<_> =
            (0..FOLLOWERS_MAX).map(|_| followers.follow(live("{job=\"a\"}"), write).unwrap()).collect();
        assert!(followers.follow(live("{job=\"a\"}"), write).is_none());
        drop(all);
        assert!(followers.follow(live("{job=\"a\"}"), write).is_some());
    }
}
