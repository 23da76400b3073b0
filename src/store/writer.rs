//! The one thread that changes anything: takes messages, and persists each second.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use opentelemetry::metrics::Histogram;

use super::config::{
    BACKLOG_MAX_BYTES, BACKLOG_MAX_WINDOWS, FLUSH_INTERVAL, FLUSH_PAUSE_MIN, FUTURE_MAX, LABELS_MAX_BYTES,
    LINE_METADATA_MAX_BYTES, OPEN_BLOCKS_MAX_BYTES, QUEUE_MAX_MESSAGES,
};
use super::error::{CloseError, SyncError};
use super::lines::Line;
use super::lock::Lock;
use super::metadata;
use super::partition::Kind;
use super::persist::Disk;
use super::state::Shared;
use super::stats::DropReason;
use super::wal::Row;
use super::window::{Placed, Window};
use crate::clock::{UnixMillis, UnixNanos};
use crate::record::access::cut;
use crate::record::{Labels, LogRecord, Metadata, Point, Scrape};

/// Called once with the outcome of the flush that covers what was queued before.
pub type Ack = Box<dyn FnOnce(Result<(), SyncError>) + Send>;

/// What the handles send to the writer.
pub enum Message {
    /// Metric points of one moment.
    Scrape(Scrape),
    /// Log lines, and who waits for them.
    Logs(Vec<LogRecord>, Option<Ack>),
    /// What is known about metrics.
    Metadata(Vec<Metadata>),
    /// Asks for a flush now.
    Sync(Ack),
    /// Asks to seal everything and end.
    Close(SyncSender<Result<(), CloseError>>),
}

impl Message {
    /// Returns about how many bytes wait in the queue with this message.
    pub fn size_bytes(&self) -> usize {
        // A point is a pointer and a number, a line has some headers around its text.
        const POINT: usize = 32;
        const LINE: usize = 128;
        match self {
            Message::Scrape(scrape) => scrape.points.len() * POINT,
            Message::Logs(records, _) => {
                let metadata = |record: &LogRecord| -> usize {
                    record.metadata.iter().map(|(name, value)| name.len() + value.len()).sum()
                };
                records.iter().map(|record| LINE + record.body.len() + metadata(record)).sum()
            }
            Message::Metadata(all) => all.len() * LINE,
            Message::Sync(_) | Message::Close(_) => 0,
        }
    }
}

/// A panic gives up all write handles and leaks their memory; after this many something is
/// wrong that new handles do not mend.
const PANICS_MAX: usize = 5;

/// The state of the writing thread.
pub struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) disk: Disk,
    /// Rows accepted since the last flush.
    pub(super) rows: Vec<Row>,
    pub(super) refuse: Option<DropReason>,
    pub(super) is_metadata_dirty: bool,
    pub(super) flush_histogram: Histogram<f64>,
    row_no: u64,
    line_no: u64,
    acks: Vec<Ack>,
    is_due: bool,
    next_flush: Instant,
    _lock: Lock,
}

impl Writer {
    /// Begins to write a new generation.
    pub fn new(shared: Arc<Shared>, disk: Disk, flush_histogram: Histogram<f64>, lock: Lock) -> Self {
        Writer {
            shared,
            disk,
            rows: Vec::new(),
            refuse: None,
            is_metadata_dirty: false,
            flush_histogram,
            row_no: 0,
            line_no: 0,
            acks: Vec::new(),
            is_due: false,
            next_flush: Instant::now() + FLUSH_INTERVAL,
            _lock: lock,
        }
    }

    /// Writes until it is told to close or every handle is gone.
    pub fn run(mut self, queue: &Receiver<Message>, queued_bytes: &AtomicUsize) {
        let mut n_panics = 0;
        let closing = loop {
            // The state is changed in steps that each leave it usable, and every handle that
            // may be broken is given up before the next step.
            match catch_unwind(AssertUnwindSafe(|| self.serve(queue, queued_bytes))) {
                Ok(closing) => break closing,
                Err(_) if n_panics < PANICS_MAX => {
                    n_panics += 1;
                    tracing::error!("store writer panicked, goes on in new partitions");
                    self.give_up_all();
                }
                Err(_) => {
                    tracing::error!("store writer panicked {PANICS_MAX} times and ends");
                    self.shared.counters.set_degraded(Some("the writer has ended after panics".into()));
                    self.give_up_all();
                    self.turn_away(queue);
                    return;
                }
            }
        };
        let res = closing.map(|reply| (reply, self.finish()));
        // The lock is free again before whoever closes the store hears of it.
        drop(self);
        if let Some((reply, res)) = res {
            // The closer may have given up waiting at its deadline.
            let _ = reply.send(res);
        }
    }

    // Nobody will answer after this, so all who wait hear it and what waits is counted.
    fn turn_away(&mut self, queue: &Receiver<Message>) {
        let counters = &self.shared.counters;
        let mut acks = std::mem::take(&mut self.acks);
        // Bounded by the queue; what comes after finds no receiver.
        for message in queue.try_iter().take(QUEUE_MAX_MESSAGES) {
            match message {
                Message::Scrape(scrape) => {
                    counters.drop_records(Kind::Metrics, DropReason::Closed, scrape.points.len() as u64);
                }
                Message::Logs(records, ack) => {
                    acks.extend(ack);
                    counters.drop_records(Kind::Logs, DropReason::Closed, records.len() as u64);
                }
                // Every part tells its metadata again.
                Message::Metadata(_) => {}
                Message::Sync(ack) => acks.push(ack),
                // A closer that gave up waiting does not hear it.
                Message::Close(reply) => drop(reply.send(Err(SyncError::Closed.into()))),
            }
        }
        for ack in acks {
            // One that panics must not keep the others from theirs; it has been logged by the hook.
            let _ = catch_unwind(AssertUnwindSafe(|| ack(Err(SyncError::Closed))));
        }
    }

    fn serve(
        &mut self,
        queue: &Receiver<Message>,
        queued_bytes: &AtomicUsize,
    ) -> Option<SyncSender<Result<(), CloseError>>> {
        loop {
            let wait = self.next_flush.saturating_duration_since(Instant::now());
            match queue.recv_timeout(wait) {
                Ok(message) => {
                    queued_bytes.fetch_sub(message.size_bytes(), Ordering::Relaxed);
                    if let Some(reply) = self.take(message) {
                        return Some(reply);
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.is_due = true,
                Err(RecvTimeoutError::Disconnected) => {
                    self.flush();
                    return None;
                }
            }
            if !self.is_due && Instant::now() < self.next_flush {
                continue;
            }
            // One flush answers all who wait for one by now.
            for message in queue.try_iter().take(if self.acks.is_empty() { 0 } else { QUEUE_MAX_MESSAGES }) {
                queued_bytes.fetch_sub(message.size_bytes(), Ordering::Relaxed);
                if let Some(reply) = self.take(message) {
                    return Some(reply);
                }
            }
            self.flush();
        }
    }

    fn take(&mut self, message: Message) -> Option<SyncSender<Result<(), CloseError>>> {
        match message {
            Message::Scrape(scrape) => self.take_scrape(scrape),
            Message::Logs(records, ack) => self.take_logs(records, ack),
            Message::Metadata(news) => {
                let mut known = self.shared.metadata();
                if metadata::merge(&mut known, news) {
                    self.shared.set_metadata(known);
                    self.is_metadata_dirty = true;
                }
            }
            Message::Sync(ack) => {
                self.acks.push(ack);
                self.is_due = true;
            }
            Message::Close(reply) => return Some(reply),
        }
        None
    }

    fn flush(&mut self) {
        self.is_due = false;
        let started = Instant::now();
        let res = self.persist(!self.acks.is_empty());
        self.next_flush = (started + FLUSH_INTERVAL).max(Instant::now() + FLUSH_PAUSE_MIN);
        for ack in self.acks.drain(..) {
            ack(res.clone());
        }
    }

    fn finish(&mut self) -> Result<(), CloseError> {
        let res = catch_unwind(AssertUnwindSafe(|| self.seal_all()));
        let res = res.unwrap_or_else(|_| Err(SyncError::Degraded("the writer panicked".into())));
        self.acks.drain(..).for_each(|ack| ack(res.clone()));
        res.map_err(CloseError::from)
    }

    fn refused(&self, kind: Kind) -> Option<DropReason> {
        if self.disk.is_given_up() {
            // Memory is no place for what no disk will take.
            return Some(DropReason::Failed);
        }
        self.refuse.or_else(|| {
            let state = self.shared.state();
            let is_full = match kind {
                Kind::Logs => state.blocks.closing_bytes() > BACKLOG_MAX_BYTES,
                _ => state.closing.len() > BACKLOG_MAX_WINDOWS,
            };
            is_full.then_some(DropReason::Backlog)
        })
    }

    fn take_scrape(&mut self, scrape: Scrape) {
        let counters = &self.shared.counters;
        let drop_points = |reason, n| counters.drop_records(Kind::Metrics, reason, n as u64);
        let config = self.shared.config();
        let now = self.shared.clock.now_ms();
        if let Some(reason) = self.refused(Kind::Metrics) {
            return drop_points(reason, scrape.points.len());
        }
        let at = scrape.at;
        if !is_kept(at.to_nanos(), now.to_nanos(), config.metrics.max_age) {
            return drop_points(DropReason::Time, scrape.points.len());
        }
        self.row_no += 1;
        let elapsed = self.shared.clock.elapsed();
        let mut state = self.shared.state_mut();
        if let Some(full) = state.window.take_if(|window| !window.has_room(at)) {
            state.closing.push(full);
            self.is_due = true;
        }
        let window =
            state.window.get_or_insert_with(|| Window::new(elapsed, self.disk.generation, self.row_no));
        let mut points: Vec<Point> = Vec::with_capacity(scrape.points.len());
        let slot = window.slot(at);
        for point in scrape.points {
            if !is_valid(&point.series) {
                drop_points(DropReason::Labels, 1);
                continue;
            }
            match window.put(slot, &point.series, point.value, config.series_max) {
                Placed::Kept => points.push(point),
                Placed::Duplicate => drop_points(DropReason::Duplicate, 1),
                Placed::SeriesLimit => drop_points(DropReason::Limit, 1),
            }
        }
        window.rows.last = self.row_no;
        drop(state);
        counters.samples.fetch_add(points.len() as u64, Ordering::Relaxed);
        // Without a point there is nothing to bring back, and the same moment told again
        // and again must not pile up while the disk fails.
        if !points.is_empty() {
            self.rows.push(Row { no: self.row_no, at, points });
        }
    }

    fn take_logs(&mut self, records: Vec<LogRecord>, ack: Option<Ack>) {
        let counters = &self.shared.counters;
        let drop_line = |reason| counters.drop_records(Kind::Logs, reason, 1);
        let config = self.shared.config();
        let (now, elapsed) = (self.shared.clock.now(), self.shared.clock.elapsed());
        if let Some(reason) = self.refused(Kind::Logs) {
            counters.drop_records(Kind::Logs, reason, records.len() as u64);
            let refused = || SyncError::Degraded(format!("lines were refused: {}", reason.as_str()));
            ack.into_iter().for_each(|ack| ack(Err(refused())));
            return;
        }
        let mut state = self.shared.state_mut();
        for record in records {
            if !is_kept(record.at, now, config.logs.max_age) {
                drop_line(DropReason::Time);
                continue;
            }
            if !is_valid(&record.stream) {
                drop_line(DropReason::Labels);
                continue;
            }
            if !state.blocks.has_room(&record.stream, config.streams_max) {
                drop_line(DropReason::Limit);
                continue;
            }
            self.line_no += 1;
            let stream = record.stream.clone();
            let (line, is_cut) = bounded(record, self.line_no, config.line_max_bytes);
            counters.lines_cut.fetch_add(is_cut.into(), Ordering::Relaxed);
            counters.lines.fetch_add(1, Ordering::Relaxed);
            state.blocks.put(&stream, self.disk.generation, line, elapsed);
        }
        if ack.is_some() || state.blocks.closing_bytes() + state.blocks.open_bytes() > OPEN_BLOCKS_MAX_BYTES {
            self.is_due = true;
        }
        drop(state);
        self.acks.extend(ack);
    }
}

// The outcome for strange clocks, the same for both signals: before 1970 and beyond the
// retention nothing is kept, a little ahead is; a clock set back costs nothing, since
// neither windows nor blocks need their times in order.
fn is_kept(at: UnixNanos, now: UnixNanos, max_age: Duration) -> bool {
    let ahead_ms = FUTURE_MAX.as_millis() as i64;
    let at_ms = at.to_millis().0;
    // The chunk keys count seconds in 32 bits, which end in 2106.
    let is_storable = at_ms >= 0 && at_ms.div_euclid(1000) < i64::from(u32::MAX);
    let oldest = UnixMillis(now.to_millis().0).minus(max_age);
    is_storable && at_ms >= oldest.0 && at_ms <= now.to_millis().0.saturating_add(ahead_ms)
}

fn is_valid(labels: &Labels) -> bool {
    let size_bytes: usize = labels.iter().map(|(name, value)| name.len() + value.len()).sum();
    !labels.is_empty() && size_bytes <= LABELS_MAX_BYTES && labels.iter().all(|(name, _)| !name.is_empty())
}

fn bounded(record: LogRecord, no: u64, body_max_bytes: usize) -> (Line, bool) {
    let LogRecord { at, severity, mut metadata, mut body, .. } = record;
    let n_pairs = metadata.len();
    let mut left = LINE_METADATA_MAX_BYTES;
    metadata.retain(|(name, value)| {
        let fits = name.len() + value.len() <= left;
        left -= if fits { name.len() + value.len() } else { 0 };
        fits
    });
    let n_bytes = body.len();
    body.truncate(cut(&body, body_max_bytes).len());
    let is_cut = metadata.len() < n_pairs || body.len() < n_bytes;
    (Line { at, no, severity, metadata, body }, is_cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strange_times_have_a_stated_outcome() {
        const DAY: Duration = Duration::from_secs(86_400);
        let now = UnixNanos(1_800_000_000_000_000_000);
        let check = |offset_s: i64| is_kept(UnixNanos(now.0 + offset_s * 1_000_000_000), now, DAY);
        assert!(check(0) && check(-3_600) && check(-86_000) && check(599));
        assert!(!check(-86_401) && !check(601));
        assert!(!is_kept(UnixNanos(-1), now, DAY) && !is_kept(UnixNanos(i64::MAX), now, DAY));
        assert!(is_kept(UnixNanos(5), UnixNanos(10), DAY));
    }

    #[test]
    fn labels_without_a_name_or_too_long_are_refused() {
        assert!(is_valid(&Labels::new([("job", "x")])));
        assert!(!is_valid(&Labels::new([("", "x")])));
        assert!(!is_valid(&Labels::new::<&str, &str>([])));
        assert!(!is_valid(&Labels::new([("job", "x".repeat(1 << 20))])));
    }
}
