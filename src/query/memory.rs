//! A store in memory: the test double of the read traits.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Mutex;

use crate::clock::{UnixMillis, UnixNanos};
use crate::record::access::own_stream;
use crate::record::read::{
    Direction, LineRef, LogParts, LogRead, LogReadStats, LogSelect, Matcher, MetricRead, ReadError,
    SPANS_PER_TRACE_MAX, SeriesSelect, SpanRead, SpanSelect, StreamVolume, accepted,
};
use crate::record::rollup::{bucket_end, rollups};
use crate::record::trace::TraceId;
use crate::record::{Coverage, Labels, LogRecord, Metadata, Resolution, RolledStep, Sample, Severity, Span};

/// Keeps what a test puts in; reads it as a store would.
#[derive(Default)]
pub struct MemoryStore {
    series: Mutex<BTreeMap<Labels, Vec<Sample>>>,
    lines: Mutex<Vec<LogRecord>>,
    spans: Mutex<Vec<Span>>,
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

    /// Adds a line as it is.
    pub fn record(&self, record: LogRecord) {
        self.lines.lock().unwrap().push(record);
    }

    /// Adds a span.
    pub fn span(&self, span: Span) {
        self.spans.lock().unwrap().push(span);
    }

    // By start; the sort is stable, so equal ones stay as they were written.
    fn spans_where(&self, is_wanted: impl Fn(&Span) -> bool) -> Vec<Span> {
        let mut res = self.spans.lock().unwrap().clone();
        res.retain(is_wanted);
        res.sort_by_key(|span| span.start);
        res
    }
}

impl MetricRead for MemoryStore {
    fn series(
        &self,
        select: &SeriesSelect,
        visit: &mut dyn FnMut(&Labels, &[Sample]) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let known = self.series.lock().unwrap().clone();
        for (labels, samples) in known.iter().filter(|(labels, _)| accepted(&select.matchers, labels)) {
            let is_inside = |sample: &&Sample| (select.from..=select.to).contains(&sample.at);
            let samples: Vec<Sample> = samples.iter().filter(is_inside).copied().collect();
            if visit(labels, &samples).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn rollups(
        &self,
        select: &SeriesSelect,
        resolution: Resolution,
        visit: &mut dyn FnMut(&Labels, &[RolledStep]) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let Some(step) = resolution.step() else { return Ok(()) };
        let begin = UnixMillis(bucket_end(select.from, step).minus(step).0 + 1);
        let select = SeriesSelect { from: begin, to: bucket_end(select.to, step), ..select.clone() };
        self.series(&select, &mut |labels, samples| {
            let steps: Vec<_> = rollups(samples, step).collect();
            if steps.is_empty() { ControlFlow::Continue(()) } else { visit(labels, &steps) }
        })
    }

    fn coverage(&self) -> Vec<Coverage> {
        let known = self.series.lock().unwrap();
        let times = || known.values().flatten().map(|sample| sample.at);
        let (Some(oldest), Some(newest)) = (times().min(), times().max()) else { return Vec::new() };
        let all = [Resolution::Raw, Resolution::Minute, Resolution::Hour];
        all.map(|resolution| Coverage { resolution, oldest, newest }).into()
    }

    fn label_sets(&self, select: &SeriesSelect) -> Result<Vec<Labels>, ReadError> {
        let known = self.series.lock().unwrap();
        Ok(known.keys().filter(|labels| accepted(&select.matchers, labels)).cloned().collect())
    }

    fn metadata(&self) -> Vec<Metadata> {
        Vec::new()
    }
}

impl LogRead for MemoryStore {
    fn lines(
        &self,
        select: &LogSelect,
        visit: &mut dyn FnMut(LineRef<'_>) -> ControlFlow<()>,
    ) -> Result<LogReadStats, ReadError> {
        let mut lines = self.lines.lock().unwrap().clone();
        lines.retain(|line| select.accepts(&line.view()));
        lines.sort_by_key(|line| line.at);
        if select.direction == Direction::Backward {
            lines.reverse();
        }
        for line in &lines {
            if visit(line.view()).is_break() {
                break;
            }
        }
        Ok(LogReadStats::default())
    }

    fn parts<'a>(&'a self, select: &'a LogSelect) -> Box<dyn LogParts + 'a> {
        let mut lines = self.lines.lock().unwrap().clone();
        lines.retain(|line| select.accepts(&line.view()));
        // As blocks lie in a store: those of one stream behind each other.
        lines.sort_by(|one, other| one.stream.cmp(&other.stream));
        let parts = lines.chunk_by(|one, other| one.stream == other.stream);
        let parts = parts.flat_map(|lines| lines.chunks(LINES_A_PART)).map(<[LogRecord]>::to_vec);
        Box::new(MemoryParts(Mutex::new(parts.collect())))
    }

    fn streams(
        &self,
        matchers: &[Matcher],
        from: UnixNanos,
        to: UnixNanos,
    ) -> Result<Vec<StreamVolume>, ReadError> {
        let select = LogSelect::new(matchers.to_vec(), from, to, Direction::Forward);
        let mut res: BTreeMap<Labels, StreamVolume> = BTreeMap::new();
        self.lines(&select, &mut |line| {
            let stream = line.stream.clone();
            let volume = res.entry(stream.clone()).or_insert(StreamVolume {
                stream,
                n_lines: 0,
                n_bytes: 0,
                n_blocks: 1,
            });
            volume.n_lines += 1;
            volume.n_bytes += line.body().len() as u64;
            ControlFlow::Continue(())
        })?;
        Ok(res.into_values().collect())
    }
}

/// So few that a test has several of them.
const LINES_A_PART: usize = 3;

/// Lines, the last part of them is read first: whoever reads parts must not mind.
struct MemoryParts(Mutex<Vec<Vec<LogRecord>>>);

impl LogParts for MemoryParts {
    fn next(
        &self,
        visit: &mut dyn FnMut(LineRef<'_>) -> ControlFlow<()>,
    ) -> Result<Option<LogReadStats>, ReadError> {
        let Some(lines) = self.0.lock().unwrap().pop() else { return Ok(None) };
        // Broken off or at the end, it is the same.
        let _ = lines.iter().try_for_each(|line| visit(line.view()));
        Ok(Some(LogReadStats::default()))
    }
}

impl SpanRead for MemoryStore {
    fn trace(&self, id: TraceId) -> Result<Vec<Span>, ReadError> {
        let mut res = self.spans_where(|span| span.trace_id == id);
        res.truncate(SPANS_PER_TRACE_MAX);
        Ok(res)
    }

    fn spans(
        &self,
        select: &SpanSelect,
        visit: &mut dyn FnMut(Span) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let mut spans = self.spans_where(|span| select.accepts(span));
        if select.direction == Direction::Backward {
            spans.reverse();
        }
        for span in spans {
            if visit(span).is_break() {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::trace::SpanId;
    use crate::record::{SpanKind, SpanStatus};

    fn span(trace: u8, no: u16, start_ns: i64) -> Span {
        Span {
            trace_id: TraceId([trace; 16]),
            span_id: SpanId(u64::from(no).to_be_bytes()),
            parent: None,
            name: no.to_string().into(),
            kind: SpanKind::Internal,
            service: "vitrine".into(),
            start: UnixNanos(start_ns),
            duration: Duration::ZERO,
            status: SpanStatus::Unset,
            status_message: String::new(),
            attributes: Vec::new(),
            events: Vec::new(),
        }
    }

    fn names(store: &MemoryStore, direction: Direction) -> Vec<String> {
        let (from, to) = (UnixNanos(0), UnixNanos(100));
        let (duration_min, status, roots_only) = (Duration::ZERO, None, false);
        let select = SpanSelect { from, to, duration_min, status, roots_only, direction };
        let mut res = Vec::new();
        let mut visit = |span: Span| {
            res.push(span.name.into_owned());
            if res.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        store.spans(&select, &mut visit).unwrap();
        res
    }

    #[test]
    fn spans_come_by_start_and_equal_ones_as_written() {
        let store = MemoryStore::default();
        for (no, start_ns) in [(1, 5), (2, 3), (3, 5), (4, 9), (5, 100)] {
            store.span(span(1, no, start_ns));
        }
        assert_eq!(names(&store, Direction::Forward), ["2", "1", "3"]);
        assert_eq!(names(&store, Direction::Backward), ["4", "3", "1"]);
    }

    #[test]
    fn a_trace_is_its_spans_up_to_the_limit() {
        let store = MemoryStore::default();
        store.span(span(2, 0, 0));
        for no in 0..SPANS_PER_TRACE_MAX as u16 + 5 {
            store.span(span(1, no, -i64::from(no)));
        }
        let found = store.trace(TraceId([1; 16])).unwrap();
        assert_eq!(found.len(), SPANS_PER_TRACE_MAX);
        assert_eq!(found[0].name, "10004");
        assert!(store.trace(TraceId([3; 16])).unwrap().is_empty());
    }
}
