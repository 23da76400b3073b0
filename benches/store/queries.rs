//! How long reads take, cold and warm, and what they hold in memory.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use vitrine::clock::UnixNanos;
use vitrine::record::read::{Direction, LogRead, LogReadStats, LogSelect, Matcher, MetricRead, SeriesSelect};
use vitrine::record::{Levels, Severity};
use vitrine::store::Store;

use super::child::{self, Task};
use super::feed::{self, START};
use super::history::{History, Run};
use super::ingest::MEMORY_MAX;
use super::lines::{ABSENT, JOB, NEEDLE, SUBSTRING};
use super::measure::{Cold, MemoryWatch, drop_page_cache, median, peak_rss_bytes};
use super::series::{SERIES_PER_INSTANCE, SERIES_PER_NAME};
use super::table::{Row, Section, bytes, count, ms};

/// What is asked of the store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Query {
    /// The sum of every sample.
    AllSeries,
    /// The sum of the samples of one metric name.
    OneName,
    /// The values of one label of all series.
    LabelValues,
    /// The series of which two labels match expressions.
    Regex,
    /// The lines of a job that have a text.
    Contains(String),
    /// The newest lines of one level.
    Newest(usize),
    /// The lines with a value in the metadata.
    Having(String, String),
    /// Every line, counted by level.
    Scan,
}

/// What an answer took, and what it was.
#[derive(Debug, Serialize, Deserialize)]
pub struct Asked {
    /// The first time.
    pub cold: Duration,
    /// The middle of the times after it.
    pub warm: Duration,
    /// How many times those were.
    pub n_warm: usize,
    /// The highest proportional set size while it was asked once more.
    pub peak_bytes: u64,
    /// The highest resident set size of the process.
    pub peak_rss_bytes: u64,
    /// What it was.
    pub answer: Answer,
}

/// What was found.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Samples, lines, values or series.
    pub n: u64,
    /// Lines by level, when that was asked.
    pub by_level: [u64; 7],
    /// Sealed blocks of log that could have had an answer.
    pub n_blocks: u64,
    /// Those that were unpacked.
    pub n_unpacked: u64,
}

/// Warm runs, and how many when each takes longer than [`LONG`].
const WARM: usize = 9;
const WARM_LONG: usize = 3;
const LONG: Duration = Duration::from_millis(1_500);

/// Asks a store: once cold, some times warm, and once more under watch, since watching slows.
pub fn ask(dir: &Path, query: &Query, now: UnixNanos) -> Asked {
    let (store, _) = feed::open(dir, now);
    let once = || {
        let began = Instant::now();
        let answer = answer(&store, query, now);
        (began.elapsed(), answer)
    };
    let (cold, first) = once();
    let n_warm = if cold > LONG { WARM_LONG } else { WARM };
    let warm = (0..n_warm).map(|_| once().0).collect();
    let memory = MemoryWatch::start();
    let (_, again) = once();
    let peak_bytes = memory.stop();
    assert_eq!(first, again, "the same question had two answers");
    let peak_rss_bytes = peak_rss_bytes(std::process::id()).unwrap_or(0);
    Asked { cold, warm: median(warm), n_warm, peak_bytes, peak_rss_bytes, answer: first }
}

fn answer(store: &Store, query: &Query, now: UnixNanos) -> Answer {
    let series = |matchers| SeriesSelect { matchers, from: START, to: now.to_millis() };
    let lines =
        |direction| LogSelect::new(vec![Matcher::equal("job", JOB)], START.to_nanos(), now, direction);
    let found = |n: usize| Answer { n: n as u64, ..Answer::default() };
    match query {
        Query::AllSeries => found(sum(store, &series(vec![]))),
        Query::OneName => found(sum(store, &series(vec![Matcher::equal("__name__", "app_events_total_0")]))),
        Query::LabelValues => found(store.label_values("shard", &series(vec![])).unwrap().len()),
        Query::Regex => {
            let matchers = [("__name__", "app_(cpu|events).*"), ("instance", "app-[12]:.*")];
            let matchers = matchers.map(|(name, pattern)| Matcher::matches(name, pattern).unwrap());
            found(store.label_sets(&series(matchers.to_vec())).unwrap().len())
        }
        Query::Contains(text) => {
            let select = LogSelect { contains: vec![text.clone()], ..lines(Direction::Forward) };
            count_lines(store, &select, usize::MAX)
        }
        Query::Newest(limit) => {
            let select = LogSelect { levels: Levels::of([Severity::Error]), ..lines(Direction::Backward) };
            count_lines(store, &select, *limit)
        }
        Query::Having(name, value) => {
            let select =
                LogSelect { having: vec![(name.clone(), value.clone())], ..lines(Direction::Forward) };
            count_lines(store, &select, usize::MAX)
        }
        Query::Scan => count_lines(store, &lines(Direction::Forward), usize::MAX),
    }
}

fn sum(store: &Store, select: &SeriesSelect) -> usize {
    let (mut n, mut sum) = (0, 0.0);
    let visited = store.series(select, &mut |_, samples| {
        n += samples.len();
        sum += samples.iter().map(|sample| sample.value).sum::<f64>();
        ControlFlow::Continue(())
    });
    visited.unwrap();
    black_box(sum);
    n
}

fn count_lines(store: &Store, select: &LogSelect, limit: usize) -> Answer {
    let mut by_level = [0; 7];
    let mut n = 0;
    let read = store.lines(select, &mut |line| {
        by_level[line.severity as usize] += 1;
        n += 1;
        if n < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    let LogReadStats { n_blocks, n_unpacked, .. } = read.unwrap();
    Answer { n: n as u64, by_level, n_blocks, n_unpacked }
}

/// The budgets of one query, cold and warm.
#[derive(Clone, Copy, Default)]
struct Budget {
    cold_ms: Option<u64>,
    warm_ms: Option<u64>,
}

fn budget(cold_ms: impl Into<Option<u64>>, warm_ms: impl Into<Option<u64>>) -> Budget {
    Budget { cold_ms: cold_ms.into(), warm_ms: warm_ms.into() }
}

/// Returns what each query takes.
pub fn section(run: &mut Run) -> Section {
    let mut section = Section::new("Queries");
    let history = run.history();
    let History { metrics, logs, .. } = history;
    let (told, n_scrapes) = (&logs.told, metrics.n_scrapes);
    let n_shards = (SERIES_PER_INSTANCE * SERIES_PER_NAME / metrics.n_series) as u64;
    let questions = [
        ("2,000 series, a day, sum", Query::AllSeries, metrics.n_samples, Budget::default()),
        (
            "200 series of one name, a day",
            Query::OneName,
            SERIES_PER_NAME as u64 * n_scrapes,
            budget(None, 79),
        ),
        ("label values", Query::LabelValues, n_shards, Budget::default()),
        ("series by two expressions", Query::Regex, 2 * 4 * n_shards, Budget::default()),
        ("a rare whole word", Query::Contains(NEEDLE.into()), told.n_needles, budget(140, 30)),
        ("a word that is nowhere", Query::Contains(ABSENT.into()), 0, budget(140, 30)),
        (
            "a part of a common word",
            Query::Contains(SUBSTRING.into()),
            told.n_substrings,
            budget(1_100, 1_100),
        ),
        ("the 100 newest errors", Query::Newest(100), 100, Budget::default()),
        ("one trace id", Query::Having("trace_id".into(), told.trace_id.clone()), 1, Budget::default()),
        ("every line, counted by level", Query::Scan, told.n_lines, Budget::default()),
    ];
    let (mut cold, mut peak_bytes) = (Cold::Files, 0);
    for (what, query, n_wanted, budget) in questions {
        cold = drop_page_cache(&history.dir);
        let asked: Asked =
            child::run(&Task::Query { dir: history.dir.clone(), query: query.clone(), now: logs.to });
        assert_eq!(asked.answer.n, n_wanted, "{what}");
        if let Query::Scan = query {
            assert_eq!(asked.answer.by_level, told.by_level);
        }
        push(&mut section, what, &asked, budget);
        peak_bytes = peak_bytes.max(asked.peak_bytes);
    }
    section.push(
        Row::new("memory, the highest of these", bytes(peak_bytes))
            .budget(format!("≤ {}", bytes(MEMORY_MAX)), peak_bytes <= MEMORY_MAX),
    );
    section.footnote(format!(
        "Over {} samples and {} of raw log. Cold: the first time in a new process, opening not included, after \
         {}. Warm: the middle of the next {WARM} in the same process, {WARM_LONG} where one takes longer than {}. \
         Memory: the highest proportional set size while it is asked once more.",
        count(metrics.n_samples),
        bytes(told.raw_bytes),
        match cold {
            Cold::Machine => "the machine's page cache was dropped",
            Cold::Files => "the pages of the store's files were dropped (as root it is the whole page cache)",
        },
        ms(LONG),
    ));
    section.footnote(
        "The time of one name is a lower bound of a range query over those series, whose budget is the time of \
         the whole query.",
    );
    section
}

fn push(section: &mut Section, what: &str, asked: &Asked, budget: Budget) {
    let row = |state: &str, took: Duration, budget_ms: Option<u64>| {
        let row = Row::new(format!("{what}, {state}"), ms(took));
        match budget_ms {
            Some(max) => row.budget(format!("≤ {max} ms"), took <= Duration::from_millis(max)),
            None => row,
        }
    };
    let Answer { n, n_blocks, n_unpacked, .. } = asked.answer;
    let found = row("cold", asked.cold, budget.cold_ms).note(format!("{} found", count(n)));
    section.push(match n_blocks {
        0 => found,
        _ => found.note(format!("{} of {} blocks unpacked", count(n_unpacked), count(n_blocks))),
    });
    section.push(row("warm", asked.warm, budget.warm_ms).note(format!(
        "{}, highest RSS {}",
        bytes(asked.peak_bytes),
        bytes(asked.peak_rss_bytes)
    )));
}
