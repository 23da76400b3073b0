//! The pipeline: records out of the rings, samples out of the instruments, into the store.
//!
//! One thread, asleep most of the time. It takes what requests and `tracing` left in the
//! rings, turns it into log records and spans, gives them to OTLP when that is on and to the store,
//! and reads all instruments at each multiple of the sample interval. Formatting and
//! copying happen here and never on a request.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::visitors::last_of_day;
use crate::clock::{Clock, UnixMillis, UnixNanos};
use crate::record::ring::Receiver;
use crate::record::{AccessRecord, Labels, LogRecord, Point, Scrape, Span};
use crate::store::Store;
use crate::telemetry::{Collected, Made, Telemetry};
use crate::visitors::Visitors;
use crate::visitors::day::Day;

/// Access records that can wait: what 80,000 requests a second leave between two rounds, about
/// 3 MB when full of ordinary ones. Past it records are dropped and counted.
pub const ACCESS_RING: usize = 8_192;

/// How long a record waits in a ring at most; half of what a reader of the live log sees.
const ROUND: Duration = Duration::from_millis(100);

/// Records taken in one step, so that a burst does not become one huge batch.
const BATCH_MAX: usize = 2_048;

/// Requests that may leave spans in one step. When more are slow or fail at once, as in an
/// outage, a thousand traces a second of it say enough; the others are counted.
const SPANS_MAX: usize = 500;

/// What the pipeline reads and where it puts it.
pub struct Parts {
    /// One record per request.
    pub access: Receiver<AccessRecord>,
    /// Stages of sampled requests.
    pub spans: Receiver<Span>,
    /// One record per log line of ours.
    pub lines: Receiver<LogRecord>,
    /// Where all of it is kept.
    pub store: Store,
    /// Where instruments are read and OTLP goes out.
    pub telemetry: Arc<Telemetry>,
    /// Requests whose spans were left out; read as a metric.
    pub spans_left_out: Arc<AtomicU64>,
    /// For the samples' times.
    pub clock: Clock,
    /// How often instruments are read.
    pub sample_interval: Duration,
    /// Unset while a predecessor still writes the same series: samples of two counters in turn
    /// would look like a counter that is reset again and again.
    pub is_sampling: AtomicBool,
    /// Says who looked at the CV, and counts them.
    pub visitors: Arc<Visitors>,
    /// The `instance` of our series.
    pub instance: String,
}

/// The running thread.
pub struct Pipeline {
    parts: Arc<Parts>,
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Pipeline {
    /// Starts the thread; [`Pipeline::stop`] ends it.
    pub fn start(parts: Parts) -> std::io::Result<Pipeline> {
        let (stop, parts) = (Arc::new(AtomicBool::new(false)), Arc::new(parts));
        let thread = thread::Builder::new().name("pipeline".into()).spawn({
            let (stop, parts) = (stop.clone(), parts.clone());
            move || {
                // A defect in one record costs its batch, not all records to come.
                while catch_unwind(AssertUnwindSafe(|| run(&parts, &stop))).is_err() {
                    tracing::error!("a defect ended a round of the pipeline, its records are lost");
                }
            }
        })?;
        Ok(Pipeline { parts, stop, thread })
    }

    /// Reads the instruments from now on.
    pub fn begin_sampling(&self) {
        self.parts.is_sampling.store(true, Ordering::Relaxed);
    }

    /// Takes what is left in the rings, reads the instruments once more, and ends.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        self.thread.join().expect("the thread catches every panic");
    }
}

fn run(parts: &Parts, stop: &AtomicBool) {
    let mut next_sample = parts.clock.now_ms();
    // Where the counters of a successor begin; without it, one that has already counted more
    // than its predecessor ever did would look like the same one going on.
    let mut origin = (!parts.is_sampling.load(Ordering::Relaxed)).then(|| parts.telemetry.collect().scrape);
    loop {
        let stopping = stop.load(Ordering::Relaxed);
        let n_moved = move_records(parts);
        end_day(parts, parts.clock.now());
        if stopping && n_moved >= BATCH_MAX {
            continue;
        }
        let now = parts.clock.now_ms();
        // A clock that jumped back would leave a hole of that length.
        let jumped_back = next_sample.0 - now.0 > 2 * millis(parts.sample_interval);
        let is_due = stopping || jumped_back || now >= next_sample;
        if is_due && parts.is_sampling.load(Ordering::Relaxed) {
            match origin.take() {
                None => sample(parts),
                Some(origin) => sample_first(parts, origin),
            }
            next_sample = next_multiple(now, parts.sample_interval);
        }
        match n_moved {
            BATCH_MAX.. => {}
            _ if stopping => return,
            _ => thread::park_timeout(ROUND),
        }
    }
}

/// Moves what waits in the rings; returns how many records that were.
fn move_records(parts: &Parts) -> usize {
    let slow = parts.telemetry.slow();
    let mut spans: Vec<Span> = parts.spans.drain(SPANS_MAX).collect();
    let mut batch: Vec<LogRecord> = Vec::new();
    let (mut odd, mut n_left_out) = (Vec::new(), 0);
    for record in parts.access.drain(BATCH_MAX) {
        batch.push(line(parts, &record));
        if !record.leaves_spans(slow) {
            continue;
        }
        // What went wrong is not pushed out by what was only chosen.
        let kind = if record.is_slow_or_failed(slow) { &mut odd } else { &mut spans };
        if kind.len() < SPANS_MAX {
            kind.extend(record.to_spans(slow));
        } else {
            n_left_out += 1;
        }
    }
    parts.spans_left_out.fetch_add(n_left_out, Ordering::Relaxed);
    spans.append(&mut odd);
    move_spans(parts, spans);
    batch.extend(parts.lines.drain(BATCH_MAX));
    let n_moved = batch.len();
    if n_moved > 0 {
        parts.telemetry.export_logs(&batch);
        parts.store.append_logs(batch);
    }
    n_moved
}

/// Makes the line of a request, with who looked at what if it was for that.
fn line(parts: &Parts, record: &AccessRecord) -> LogRecord {
    let mut line = record.to_log_record();
    if let Some(view) = &record.view {
        if Day::of(record.at) > parts.visitors.day() {
            end_day(parts, record.at);
        }
        parts.visitors.see(record, view, &mut line.metadata);
    }
    line
}

/// Begins another day when that has come, and keeps the last numbers of the one that ends.
fn end_day(parts: &Parts, now: UnixNanos) {
    if !parts.visitors.is_day_over(now) {
        return;
    }
    let (day, readings) = parts.visitors.turn(now);
    // A predecessor that still counts keeps its own.
    if parts.is_sampling.load(Ordering::Relaxed) && !readings.is_empty() {
        parts.store.append_scrape(last_of_day(day, readings, &parts.instance));
    }
}

/// Moves spans; those of exports are not exported, which would be one more export.
fn move_spans(parts: &Parts, mut spans: Vec<Span>) {
    let (operations, exports): (Vec<Made>, Vec<Made>) =
        parts.telemetry.take_spans(SPANS_MAX).partition(|made| made.is_for_export);
    spans.extend(operations.into_iter().map(|made| made.span));
    parts.telemetry.export_spans(&spans);
    spans.extend(exports.into_iter().map(|made| made.span));
    if !spans.is_empty() {
        parts.store.append_spans(spans);
    }
}

fn sample(parts: &Parts) {
    keep(parts, parts.telemetry.collect());
}

fn keep(parts: &Parts, collected: Collected) {
    parts.store.remember_metadata(collected.metadata);
    parts.store.append_scrape(collected.scrape);
}

/// Reads for the first time after a predecessor, whose last samples come before this: what
/// counts begins at `origin`, or at zero where it was not there yet.
fn sample_first(parts: &Parts, mut origin: Scrape) {
    let collected = parts.telemetry.collect();
    let known: HashSet<&Labels> = origin.points.iter().map(|point| &point.series).collect();
    let is_new = |point: &&Point| is_cumulative(&point.series) && !known.contains(&point.series);
    let new = collected.scrape.points.iter().filter(is_new);
    let zeros: Vec<Point> = new.map(|point| Point { value: 0.0, ..point.clone() }).collect();
    origin.points.extend(zeros);
    origin.at = collected.scrape.at.minus(Duration::from_millis(1));
    parts.store.append_scrape(origin);
    keep(parts, collected);
}

/// By the endings that every counter and histogram of ours has.
fn is_cumulative(series: &Labels) -> bool {
    let name = series.get("__name__");
    ["_total", "_count", "_sum", "_bucket"].iter().any(|ending| name.ends_with(ending))
}

/// Returns the next multiple of the interval, so that all samples of all runs align.
fn next_multiple(now: UnixMillis, interval: Duration) -> UnixMillis {
    let interval = millis(interval);
    UnixMillis((now.0.div_euclid(interval) + 1) * interval)
}

fn millis(interval: Duration) -> i64 {
    i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_fall_on_multiples_of_the_interval() {
        let next = |now| next_multiple(UnixMillis(now), Duration::from_secs(10)).0;
        assert_eq!(next(0), 10_000);
        assert_eq!(next(9_999), 10_000);
        assert_eq!(next(10_000), 20_000);
    }
}
