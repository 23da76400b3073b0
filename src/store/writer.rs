//! The one thread that changes anything: takes messages, and persists each second.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use opentelemetry::metrics::Histogram;

use super::config::{
    BACKLOG_MAX_BYTES, BACKLOG_MAX_VALUES, Config, FLUSH_INTERVAL, FLUSH_PAUSE_MIN, OPEN_BLOCKS_MAX_BYTES,
    QUEUE_MAX_MESSAGES,
};
use super::disk::partition::Kind;
use super::error::{CloseError, SyncError};
use super::lock::Lock;
use super::log::batch::{Batch, StreamLines};
use super::log::open::NewLine;
use super::metadata;
use super::metric::window::{Placed, Source, Window};
use super::persist::Disk;
use super::rollup::job::Rolling;
use super::span::bounds::bounded as bounded_span;
use super::state::Shared;
use super::stats::DropReason;
use super::wal::Row;
use crate::clock::{AHEAD_MAX, UnixMillis, UnixNanos};
use crate::record::labels::LABELS_MAX_BYTES;
use crate::record::{Labels, Metadata, Point, Scrape, Span};

/// Called once with the outcome of the flush that covers what was queued before.
pub type Ack = Box<dyn FnOnce(Result<(), SyncError>) + Send>;

/// What the handles send to the writer.
pub enum Message {
    /// Metric points, and who waits for them.
    Scrapes(Vec<Scrape>, Option<Ack>),
    /// Log lines, and who waits for them.
    Logs(Batch, Option<Ack>),
    /// Spans, and who waits for them.
    Spans(Vec<Span>, Option<Ack>),
    /// What is known about metrics.
    Metadata(Vec<Metadata>),
    /// Asks to be told that everything before was taken.
    Settle(Ack),
    /// Asks for a flush now.
    Sync(Ack),
    /// Asks to seal everything and end.
    Close(SyncSender<Result<(), CloseError>>),
}

impl Message {
    /// Returns about how many bytes wait in the queue with this message.
    pub fn size_bytes(&self) -> usize {
        // A point is a pointer and a number; a description has some words of text.
        const POINT: usize = 32;
        const DESCRIPTION: usize = 128;
        match self {
            Message::Scrapes(scrapes, _) => scrapes.iter().map(|scrape| scrape.points.len() * POINT).sum(),
            Message::Spans(spans, _) => spans.iter().map(Span::size_bytes).sum(),
            Message::Logs(batch, _) => batch.size_bytes(),
            Message::Metadata(all) => all.len() * DESCRIPTION,
            Message::Settle(_) | Message::Sync(_) | Message::Close(_) => 0,
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
    /// What is being rolled up.
    pub(super) rolling: Rolling,
    pub(super) refuse: Option<DropReason>,
    pub(super) is_metadata_dirty: bool,
    pub(super) flush_histogram: Histogram<f64>,
    row_no: u64,
    line_no: u64,
    span_no: u64,
    acks: Vec<Ack>,
    /// Set while nothing shall wait for more of its kind: at the end, and after a replay.
    pub(super) is_hurried: bool,
    is_due: bool,
    /// Set when the flush that is due shall look at retention too.
    is_asked_for: bool,
    next_flush: Instant,
    pub(super) lock: Lock,
}

impl Writer {
    /// Begins to write a new generation.
    pub fn new(shared: Arc<Shared>, disk: Disk, flush_histogram: Histogram<f64>, lock: Lock) -> Self {
        Writer {
            shared,
            disk,
            rows: Vec::new(),
            rolling: Rolling::new(),
            refuse: None,
            is_metadata_dirty: false,
            flush_histogram,
            row_no: 0,
            line_no: 0,
            span_no: 0,
            acks: Vec::new(),
            is_hurried: false,
            is_due: false,
            is_asked_for: false,
            next_flush: Instant::now() + FLUSH_INTERVAL,
            lock,
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
        // What came behind the request to close is told so too.
        self.turn_away(queue);
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
                Message::Scrapes(scrapes, ack) => {
                    acks.extend(ack);
                    counters.drop_records(Kind::Metrics, DropReason::Closed, n_points(&scrapes));
                }
                Message::Spans(spans, ack) => {
                    acks.extend(ack);
                    counters.drop_records(Kind::Spans, DropReason::Closed, spans.len() as u64);
                }
                Message::Logs(batch, ack) => {
                    acks.extend(ack);
                    counters.drop_records(Kind::Logs, DropReason::Closed, batch.n_lines);
                }
                // Every part tells its metadata again.
                Message::Metadata(_) => {}
                Message::Settle(ack) | Message::Sync(ack) => acks.push(ack),
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
            // One flush answers all who wait for one by now, and a slow one lets no queue fill.
            for message in queue.try_iter().take(QUEUE_MAX_MESSAGES) {
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
            Message::Scrapes(scrapes, ack) => self.take_scrapes(scrapes, ack),
            Message::Logs(batch, ack) => self.take_logs(&batch, ack),
            Message::Spans(spans, ack) => self.take_spans(spans, ack),
            Message::Metadata(news) => {
                let mut known = self.shared.metadata();
                if metadata::merge(&mut known, news) {
                    self.shared.set_metadata(known);
                    self.is_metadata_dirty = true;
                }
            }
            Message::Settle(ack) => ack(match self.refused(Kind::Metrics) {
                Some(reason) => Err(SyncError::Degraded(format!("samples are refused: {}", reason.as_str()))),
                None => Ok(()),
            }),
            Message::Sync(ack) => {
                self.acks.push(ack);
                (self.is_due, self.is_asked_for) = (true, true);
            }
            Message::Close(reply) => return Some(reply),
        }
        None
    }

    fn flush(&mut self) {
        self.is_due = false;
        let started = Instant::now();
        let is_asked_for = std::mem::take(&mut self.is_asked_for);
        let res = self.persist(is_asked_for);
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
                Kind::Spans => state.spans.closing_bytes() > BACKLOG_MAX_BYTES,
                _ => state.windows.closing_values() > BACKLOG_MAX_VALUES,
            };
            is_full.then_some(DropReason::Backlog)
        })
    }

    /// Counts records as refused and tells their sender, who may try again.
    fn turn_down(&self, kind: Kind, reason: DropReason, n: u64, ack: Option<Ack>) {
        self.shared.counters.drop_records(kind, reason, n);
        let refused = || SyncError::Degraded(format!("records were refused: {}", reason.as_str()));
        ack.into_iter().for_each(|ack| ack(Err(refused())));
    }

    fn take_scrapes(&mut self, scrapes: Vec<Scrape>, ack: Option<Ack>) {
        if let Some(reason) = self.refused(Kind::Metrics) {
            return self.turn_down(Kind::Metrics, reason, n_points(&scrapes), ack);
        }
        let config = self.shared.config();
        scrapes.into_iter().for_each(|scrape| self.take_scrape(scrape, &config));
        self.is_due |= ack.is_some();
        self.acks.extend(ack);
    }

    fn take_scrape(&mut self, scrape: Scrape, config: &Config) {
        let counters = &self.shared.counters;
        let at = scrape.at;
        let now = self.shared.clock.now();
        if let Err(reason) = placed(at.to_nanos(), now, config.late_max()) {
            return counters.drop_records(Kind::Metrics, reason, scrape.points.len() as u64);
        }
        if at < now.to_millis().minus(config.out_of_order) {
            self.note_late(at);
        }
        for (source, points) in by_source(scrape.points) {
            self.row_no += 1;
            let no = self.row_no;
            let (source, points) = self.put_points(source, at, no, points, config);
            // Without a point there is nothing to bring back, and the same moment told again
            // and again must not pile up while the disk fails.
            if !points.is_empty() {
                self.rows.push(Row { no, source, at, points });
            }
        }
    }

    // Returns the points that were kept, and whose window has them.
    fn put_points(
        &mut self,
        source: Source,
        at: UnixMillis,
        row: u64,
        points: Vec<Point>,
        config: &Config,
    ) -> (Source, Vec<Point>) {
        let counters = &self.shared.counters;
        let drop_point = |reason| counters.drop_records(Kind::Metrics, reason, 1);
        let (elapsed, generation) = (self.shared.clock.elapsed(), self.disk.generation);
        let mut state = self.shared.state_mut();
        let mut n_new_max = config.series_max.saturating_sub(state.windows.n_series());
        let window = state.windows.window(source, at, |source| Window::new(source, elapsed, generation, row));
        let slot = window.slot(at);
        let mut kept: Vec<Point> = Vec::with_capacity(points.len());
        for point in points {
            if !is_valid(&point.series) {
                drop_point(DropReason::Labels);
                continue;
            }
            let n_series = window.n_series();
            match window.put(slot, &point.series, point.value, n_new_max) {
                Placed::Kept => kept.push(point),
                Placed::Duplicate => drop_point(DropReason::Duplicate),
                Placed::SeriesLimit => drop_point(DropReason::Limit),
            }
            n_new_max -= window.n_series() - n_series;
        }
        window.rows.last = row;
        let source = window.source;
        self.is_due |= !state.windows.closing.is_empty();
        counters.samples.fetch_add(kept.len() as u64, Ordering::Relaxed);
        (source, kept)
    }

    fn take_logs(&mut self, batch: &Batch, ack: Option<Ack>) {
        if let Some(reason) = self.refused(Kind::Logs) {
            return self.turn_down(Kind::Logs, reason, batch.n_lines, ack);
        }
        let counters = &self.shared.counters;
        let drop_lines = |reason, n: usize| counters.drop_records(Kind::Logs, reason, n as u64);
        let config = self.shared.config();
        let (now, elapsed) = (self.shared.clock.now(), self.shared.clock.elapsed());
        let before = self.line_no;
        self.line_no += batch.n_lines;
        let mut state = self.shared.state_mut();
        for StreamLines { stream, lines, n_cut } in &batch.streams {
            if !is_valid(stream) {
                drop_lines(DropReason::Labels, lines.len());
                continue;
            }
            if !state.blocks.has_room(stream, config.streams_max) {
                drop_lines(DropReason::Limit, lines.len());
                continue;
            }
            counters.lines_cut.fetch_add(*n_cut, Ordering::Relaxed);
            for line in 0..lines.len() {
                if let Err(reason) = placed(lines.at(line), now, config.logs.max_age) {
                    drop_lines(reason, 1);
                    continue;
                }
                counters.lines.fetch_add(1, Ordering::Relaxed);
                let no = before + lines.no(line);
                state.blocks.put(stream, self.disk.generation, NewLine { block: lines, line, no }, elapsed);
            }
        }
        self.is_due |=
            ack.is_some() || state.blocks.closing_bytes() + state.blocks.open_bytes() > OPEN_BLOCKS_MAX_BYTES;
        drop(state);
        self.acks.extend(ack);
    }

    fn take_spans(&mut self, spans: Vec<Span>, ack: Option<Ack>) {
        if let Some(reason) = self.refused(Kind::Spans) {
            return self.turn_down(Kind::Spans, reason, spans.len() as u64, ack);
        }
        let counters = &self.shared.counters;
        let config = self.shared.config();
        let (now, elapsed) = (self.shared.clock.now(), self.shared.clock.elapsed());
        let mut state = self.shared.state_mut();
        for span in spans {
            if let Err(reason) = placed(span.start, now, config.spans.max_age) {
                counters.drop_records(Kind::Spans, reason, 1);
                continue;
            }
            self.span_no += 1;
            let (span, is_cut) = bounded_span(span);
            counters.spans_cut.fetch_add(is_cut.into(), Ordering::Relaxed);
            counters.spans.fetch_add(1, Ordering::Relaxed);
            state.spans.put(self.disk.generation, self.span_no, span, elapsed);
        }
        drop(state);
        self.is_due |= ack.is_some();
        self.acks.extend(ack);
    }
}

fn n_points(scrapes: &[Scrape]) -> u64 {
    scrapes.iter().map(|scrape| scrape.points.len() as u64).sum()
}

/// Parts the points of one moment by what they were read from; ours all come from one.
fn by_source(points: Vec<Point>) -> Vec<(Source, Vec<Point>)> {
    let mut res: Vec<(Source, Vec<Point>)> = Vec::new();
    for point in points {
        let source = Source::of(&point.series);
        match res.iter_mut().rev().find(|(known, _)| *known == source) {
            Some((_, points)) => points.push(point),
            None => res.push((source, vec![point])),
        }
    }
    res
}

// The outcome for strange clocks, the same for all signals: before 1970 and later than it
// may come nothing is kept, a little ahead is; a clock set back costs nothing, since
// neither windows nor blocks need their times in order.
fn placed(at: UnixNanos, now: UnixNanos, late_max: Duration) -> Result<(), DropReason> {
    let (at, now) = (at.to_millis(), now.to_millis());
    if at.0 < 0 || at.0 > now.0.saturating_add(AHEAD_MAX.as_millis() as i64) {
        return Err(DropReason::Time);
    }
    if at < now.minus(late_max) { Err(DropReason::Late) } else { Ok(()) }
}

fn is_valid(labels: &Labels) -> bool {
    let size_bytes: usize = labels.iter().map(|(name, value)| name.len() + value.len()).sum();
    !labels.is_empty() && size_bytes <= LABELS_MAX_BYTES && labels.iter().all(|(name, _)| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strange_times_have_a_stated_outcome() {
        const DAY: Duration = Duration::from_secs(86_400);
        let now = UnixNanos(1_800_000_000_000_000_000);
        let check = |offset_s: i64| placed(UnixNanos(now.0 + offset_s * 1_000_000_000), now, DAY);
        for offset_s in [0, -3_600, -86_400, 600] {
            assert_eq!(check(offset_s), Ok(()));
        }
        assert_eq!(check(-86_401), Err(DropReason::Late));
        assert_eq!(check(601), Err(DropReason::Time));
        assert_eq!(placed(UnixNanos(-1), now, DAY), Err(DropReason::Time));
        assert_eq!(placed(UnixNanos(i64::MAX), now, DAY), Err(DropReason::Time));
        assert_eq!(placed(UnixNanos(5), UnixNanos(10), DAY), Ok(()));
    }

    #[test]
    fn labels_without_a_name_or_too_long_are_refused() {
        assert!(is_valid(&Labels::new([("job", "x")])));
        assert!(!is_valid(&Labels::new([("", "x")])));
        assert!(!is_valid(&Labels::default()));
        assert!(!is_valid(&Labels::new([("job", "x".repeat(1 << 20))])));
    }
}
