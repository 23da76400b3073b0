//! A store in memory: the test double of both read traits.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Mutex;

use crate::clock::{UnixMillis, UnixNanos};
use crate::record::access::own_stream;
use crate::record::read::{Direction, LogRead, LogSelect, MetricRead, ReadError, SeriesSelect};
use crate::record::{Labels, LogRecord, Metadata, Sample, Series, Severity};

/// Keeps what a test puts in; reads it as a store would.
#[derive(Default)]
pub struct MemoryStore {
    series: Mutex<BTreeMap<Labels, Vec<Sample>>>,
    lines: Mutex<Vec<LogRecord>>,
}

impl MemoryStore {
    /// Adds a sample; samples of one series come in the order of their times.
    pub fn sample(&self, labels: &[(&str, &str)], at_ms: i64, value: f64) {
        let labels = Labels::new(labels.iter().copied());
        let sample = Sample { at: UnixMillis(at_ms), value };
        self.series.lock().unwrap().entry(labels).or_default().push(sample);
    }

    /// Adds a line of one of the program's own streams.
    pub fn line(&self, at_ns: i64, job: &'static str, severity: Severity, body: &str) {
        let stream = own_stream(job, severity);
        let (at, body) = (UnixNanos(at_ns), body.to_string());
        self.lines.lock().unwrap().push(LogRecord { at, severity, stream, metadata: Vec::new(), body });
    }
}

impl MetricRead for MemoryStore {
    fn series(
        &self,
        select: &SeriesSelect,
        visit: &mut dyn FnMut(Series) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let known = self.series.lock().unwrap().clone();
        for (labels, samples) in known {
            if !select.matchers.iter().all(|matcher| matcher.accepts(&labels)) {
                continue;
            }
            let is_inside = |sample: &Sample| (select.from..=select.to).contains(&sample.at);
            let samples = samples.into_iter().filter(is_inside).collect();
            if visit(Series { labels, samples }).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn metadata(&self) -> Vec<Metadata> {
        Vec::new()
    }
}

impl LogRead for MemoryStore {
    fn lines(
        &self,
        select: &LogSelect,
        visit: &mut dyn FnMut(LogRecord) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let mut lines = self.lines.lock().unwrap().clone();
        lines.retain(|line| {
            (select.from..select.to).contains(&line.at)
                && select.matchers.iter().all(|matcher| matcher.accepts(&line.stream))
        });
        lines.sort_by_key(|line| line.at);
        if select.direction == Direction::Backward {
            lines.reverse();
        }
        for line in lines {
            if visit(line).is_break() {
                break;
            }
        }
        Ok(())
    }
}
