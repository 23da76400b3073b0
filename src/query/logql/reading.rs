//! The lines of a range, folded into the series that they belong to.
//!
//! Much of it is read by several threads: time is cut into slices that have about the same number of
//! bytes, and each thread takes the next one. A series is put together of its slices in their order,
//! so that it is the same as if one thread had read all.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::ast::{Conversion, Grouping, RangeOp, Unwrap};
use super::engine::ReadStats;
use super::entry::{Entry, Scratch};
use super::error::Error;
use super::fold::Sample;
use super::label_test::LabelTest;
use super::pipeline::Pipeline;
use super::unwrap::SAMPLE_EXTRACTION_ERROR;
use super::windows::{Pieces, Windows};
use crate::clock::UnixNanos;
use crate::pace;
use crate::query::budget::Budget;
use crate::record::Labels;
use crate::record::read::{LogRead, LogSelect};

/// After so many lines the time is looked at.
const LINES_A_CHECK: u32 = 256;

/// Values that a series without any takes, in the units of a [`Budget`]: its place in two tables.
const SERIES_VALUES: usize = 16;

/// Less is read by one thread: it takes some ten milliseconds.
const SHARED_MIN_BYTES: u64 = 8 << 20;

/// Threads that read one range; a small server has no more processors.
const THREADS_MAX: usize = 4;

/// Slices for each thread, so that none waits long for the last one.
const SLICES_A_THREAD: usize = 4;

/// Most cuts that are looked for: the lines may all lie at one end of the range.
const CUTS_MAX: usize = 40;

/// What is read of a range, and how.
pub struct Reading<'a> {
    /// Where lines are.
    pub logs: &'a dyn LogRead,
    /// What is done to each.
    pub pipeline: &'a Pipeline,
    /// What is made of them.
    pub op: RangeOp,
    /// What number each stands for.
    pub value: &'a Value,
    /// The groups, if there are any.
    pub grouping: Option<&'a Grouping>,
    /// Which label has the number.
    pub unwrap: Option<&'a Unwrap>,
    /// The windows that lines fall into.
    pub windows: Windows,
    /// What may be held.
    pub budget: &'a Budget<'a>,
}

/// What was read.
#[derive(Default)]
pub struct Read {
    /// The series, in the order in which they have their first line.
    pub series: Vec<(Labels, Pieces)>,
    /// What it took.
    pub stats: ReadStats,
}

impl Reading<'_> {
    /// Reads what is selected.
    pub fn read(&self, select: &LogSelect) -> Result<Read, Error> {
        let n_threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let slices =
            if n_threads > 1 { self.slices(select, n_threads * SLICES_A_THREAD)? } else { Vec::new() };
        if slices.len() < 2 {
            return self.read_slice(select, &AtomicBool::new(false));
        }
        let (next, stops) = (AtomicUsize::new(0), AtomicBool::new(false));
        let take = || {
            let mut res = Vec::new();
            loop {
                let idx = next.fetch_add(1, Ordering::Relaxed);
                let Some((from, to)) = slices.get(idx) else { return res };
                let slice = LogSelect { from: *from, to: *to, ..select.clone() };
                let read = self.read_slice(&slice, &stops);
                stops.fetch_or(read.is_err(), Ordering::Relaxed);
                res.push((idx, read));
            }
        };
        let mut all = thread::scope(|scope| {
            let helper = |_| {
                let thread = thread::Builder::new().name("log-reader".into());
                let work = || {
                    if let Err(fault) = pace::give_everything_else_way() {
                        tracing::debug!("a range of logs is read at the priority of pages: {fault}");
                    }
                    take()
                };
                // Without one more thread it takes longer, and that is all.
                thread.spawn_scoped(scope, work).ok()
            };
            let helpers: Vec<_> = (1..n_threads).filter_map(helper).collect();
            let mut all = take();
            for helper in helpers {
                all.extend(helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            all
        });
        all.sort_by_key(|(idx, _)| *idx);
        joined(all.into_iter().map(|(_, read)| read))
    }

    /// Cuts the selected time into slices of about the same number of bytes; into none when there is
    /// little.
    fn slices(&self, select: &LogSelect, count: usize) -> Result<Vec<(UnixNanos, UnixNanos)>, Error> {
        let n_bytes = |from, to| -> Result<u64, Error> {
            let volumes = self.logs.streams(&select.matchers, from, to)?;
            Ok(volumes.iter().map(|volume| volume.n_bytes).sum())
        };
        let all = n_bytes(select.from, select.to)?;
        if all < SHARED_MIN_BYTES {
            return Ok(Vec::new());
        }
        let mut res = vec![(select.from, select.to, all)];
        for _ in 0..CUTS_MAX {
            let largest = res.iter().enumerate().max_by_key(|(_, (_, _, bytes))| *bytes);
            let Some((idx, (from, to, bytes))) = largest.map(|(idx, slice)| (idx, *slice)) else { break };
            let middle = UnixNanos(from.0 / 2 + to.0 / 2);
            if bytes <= all / count as u64 || middle <= from || middle >= to {
                break;
            }
            let halves = [(from, middle, n_bytes(from, middle)?), (middle, to, n_bytes(middle, to)?)];
            res.splice(idx..=idx, halves.into_iter().filter(|(_, _, bytes)| *bytes > 0));
        }
        Ok(res.into_iter().map(|(from, to, _)| (from, to)).collect())
    }

    fn read_slice(&self, select: &LogSelect, stops: &AtomicBool) -> Result<Read, Error> {
        let mut scratch = Scratch::default();
        let mut keys = Keys::new(self.grouping, self.unwrap);
        let mut res = Read::default();
        let spent = |spent| Error::spent(spent, self.budget);
        let (mut n_lines, mut fault) = (0_u32, None);
        let read = self.logs.lines(select, &mut |line| {
            n_lines = n_lines.wrapping_add(1);
            let mut step = || -> Result<(), Error> {
                if n_lines.is_multiple_of(LINES_A_CHECK) {
                    self.budget.check().map_err(spent)?;
                    if stops.load(Ordering::Relaxed) {
                        return Err(Error::Canceled);
                    }
                }
                let Some(mut entry) = self.pipeline.run(line, &mut scratch) else { return Ok(()) };
                let Some(value) = self.value.of(&mut entry) else { return Ok(()) };
                let (place, new) = keys.place(&entry);
                if let Some(labels) = new {
                    let n_values = SERIES_VALUES + 2 * labels.size_bytes() / size_of::<Sample>();
                    self.budget.hold(n_values).map_err(spent)?;
                    res.series.push((labels, Pieces::new(self.op)));
                }
                let sample = Sample { at_ns: entry.line.at.0, value };
                match res.series[place].1.add(&self.windows, sample) {
                    0 => Ok(()),
                    n_values => self.budget.hold(3 * n_values).map_err(spent),
                }
            };
            match step() {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    fault = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        res.stats.add(&read);
        fault.map_or(Ok(res), Err)
    }
}

/// Puts slices together in their order; of several faults the one that made the others stop is told.
fn joined(slices: impl Iterator<Item = Result<Read, Error>>) -> Result<Read, Error> {
    let mut res = Read::default();
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut fault = None;
    for slice in slices {
        match slice {
            Err(Error::Canceled) if fault.is_some() => {}
            Err(error) if fault.is_none() || matches!(fault, Some(Error::Canceled)) => fault = Some(error),
            Err(_) => {}
            Ok(slice) => {
                res.stats.merge(&slice.stats);
                for (labels, pieces) in slice.series {
                    match places.get(&labels) {
                        Some(place) => res.series[*place].1.append(pieces),
                        None => {
                            places.insert(labels.clone(), res.series.len());
                            res.series.push((labels, pieces));
                        }
                    }
                }
            }
        }
    }
    fault.map_or(Ok(res), Err)
}

/// What number a line stands for.
pub enum Value {
    /// One.
    One,
    /// The bytes of its text.
    Bytes,
    /// That of a label.
    Label {
        /// The label.
        name: String,
        /// How it is read.
        conversion: Conversion,
        /// All must accept the line afterwards.
        tests: Vec<LabelTest>,
    },
}

impl Value {
    /// Prepares what a function is made of.
    pub fn new(op: RangeOp, unwrap: Option<&Unwrap>) -> Result<Self, Error> {
        let Some(unwrap) = unwrap else {
            return Ok(if matches!(op, RangeOp::Bytes | RangeOp::BytesRate) {
                Value::Bytes
            } else {
                Value::One
            });
        };
        let tests = unwrap.filters.iter().map(LabelTest::new).collect::<Result<_, _>>()?;
        Ok(Value::Label { name: unwrap.label.clone(), conversion: unwrap.conversion, tests })
    }

    /// Returns the number; none when the line has none and is left out.
    fn of(&self, entry: &mut Entry<'_>) -> Option<f64> {
        match self {
            Value::One => Some(1.0),
            Value::Bytes => Some(entry.text.len() as f64),
            Value::Label { name, conversion, tests } => {
                let text = entry.label(name).filter(|text| !text.is_empty())?;
                let value = conversion.convert(text).map_err(|fault| fault.to_string());
                let value = value.unwrap_or_else(|details| {
                    entry.set_error(SAMPLE_EXTRACTION_ERROR, &details);
                    0.0
                });
                tests.iter().all(|test| test.keeps(entry)).then_some(value)
            }
        }
    }
}

/// Which series a line belongs to.
struct Keys {
    by: By,
    places: HashMap<Vec<u8>, usize>,
    key: Vec<u8>,
    labels: Vec<(String, String)>,
}

enum By {
    Nothing,
    Names(Vec<String>),
    Without(Vec<String>),
}

impl Keys {
    fn new(grouping: Option<&Grouping>, unwrap: Option<&Unwrap>) -> Self {
        // The label with the number tells series apart only where it is asked for.
        let unwrapped = unwrap.map(|unwrap| unwrap.label.clone());
        let by = match grouping {
            Some(grouping) if !grouping.is_without && grouping.names.is_empty() => By::Nothing,
            Some(grouping) if !grouping.is_without => By::Names(grouping.names.clone()),
            Some(grouping) => By::Without(grouping.names.iter().cloned().chain(unwrapped).collect()),
            None => By::Without(unwrapped.into_iter().collect()),
        };
        Keys { by, places: HashMap::new(), key: Vec::new(), labels: Vec::new() }
    }

    /// Returns the number of the series of a line, and its labels if it is new.
    fn place(&mut self, entry: &Entry<'_>) -> (usize, Option<Labels>) {
        self.key.clear();
        let has_error = !entry.error().is_empty();
        match &self.by {
            By::Nothing if !has_error => {}
            By::Names(names) if !has_error => {
                for name in names {
                    push_text(&mut self.key, entry.label(name).unwrap_or_default());
                }
            }
            _ => self.push_all(entry, has_error),
        }
        if let Some(place) = self.places.get(&self.key) {
            return (*place, None);
        }
        let place = self.places.len();
        self.places.insert(self.key.clone(), place);
        let labels = match &self.by {
            By::Nothing if !has_error => Labels::default(),
            By::Names(names) if !has_error => {
                Labels::new(names.iter().map(|name| (name.as_str(), entry.label(name).unwrap_or_default())))
            }
            _ => Labels::new(self.labels.drain(..)),
        };
        (place, Some(labels))
    }

    /// Takes all labels but those that the grouping leaves out; with an error, really all.
    fn push_all(&mut self, entry: &Entry<'_>, has_error: bool) {
        let (labels, by) = (&mut self.labels, &self.by);
        labels.clear();
        entry.each_label(&mut |_, name, value| {
            let is_left_out = match by {
                By::Without(names) => !has_error && names.iter().any(|without| without == name),
                _ => false,
            };
            if !is_left_out && !value.is_empty() {
                labels.push((name.to_string(), value.to_string()));
            }
        });
        labels.sort_unstable();
        self.key.push(u8::from(has_error));
        for (name, value) in labels {
            push_text(&mut self.key, name);
            push_text(&mut self.key, value);
        }
    }
}

fn push_text(key: &mut Vec<u8>, text: &str) {
    key.extend_from_slice(&(text.len() as u32).to_be_bytes());
    key.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::{Engine, When, parse};
    use super::*;
    use crate::query::budget::Cancel;
    use crate::query::logql::ast::Expr;
    use crate::query::memory::MemoryStore;
    use crate::query::promql::Value as Answer;
    use crate::record::Severity;

    const SECOND: i64 = 1_000_000_000;

    /// A store of ten megabytes, most of them at the end of the time.
    fn store() -> MemoryStore {
        let store = MemoryStore::default();
        for n in 0..1_000_i64 {
            let at = if n < 100 { n * 10 * SECOND } else { 990 * SECOND + n * SECOND / 100 };
            let severity = if n % 3 == 0 { Severity::Warn } else { Severity::Info };
            store.line(at, "app", severity, &format!("n={n} {}", "x".repeat(10_000)));
        }
        store
    }

    fn answered(query: &str) -> Vec<(String, Vec<f64>)> {
        let Expr::Metric(metric) = parse(query).unwrap() else { panic!("{query} selects lines") };
        let when = When::Range { from: UnixNanos(0), to: UnixNanos(1_100 * SECOND), step_ns: 100 * SECOND };
        let engine = Engine::default();
        let answer = engine.numbers(&store(), &metric, when, UnixNanos(0), &Cancel::default()).unwrap();
        let Answer::Matrix(series) = answer.value else { panic!("a range has series") };
        let values = |samples: &[crate::record::Sample]| samples.iter().map(|sample| sample.value).collect();
        series.iter().map(|series| (series.labels.to_string(), values(&series.samples))).collect()
    }

    #[test]
    fn slices_come_to_what_is_read_at_once() {
        let count = answered("sum(count_over_time({job=\"app\"}[100s]))");
        let expect = [1.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 909.0];
        assert_eq!(count, [("{}".to_string(), expect.to_vec())]);
        let last = answered("last_over_time({job=\"app\"} | logfmt n | unwrap n [2000s]) by (job)");
        let expect: Vec<f64> =
            (0..=10).map(|n| if n < 10 { f64::from(n) * 10.0 } else { 999.0 }).chain([999.0]).collect();
        assert_eq!(last, [("{job=\"app\"}".to_string(), expect)]);
        assert_eq!(answered("sum by (level) (count_over_time({job=\"app\"}[2000s]))").len(), 2);
    }

    #[test]
    fn a_fault_ends_all_threads_and_is_told() {
        let Expr::Metric(metric) =
            parse("sum by (x) (count_over_time({job=\"app\"} | json [2000s]))").unwrap()
        else {
            panic!("it makes numbers")
        };
        let when = When::Instant(UnixNanos(1_100 * SECOND));
        let fault =
            Engine::default().numbers(&store(), &metric, when, UnixNanos(0), &Cancel::default()).unwrap_err();
        assert!(fault.to_string().contains("JSONParserErr"), "{fault}");
    }
}
