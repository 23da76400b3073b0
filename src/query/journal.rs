//! The journal of queries: how long each took, and the text of the slow ones.
//!
//! Every engine that was given a [`Recorder`] notes what it evaluated: all of it in one
//! histogram, and what was slow by its text, through which door it came, what it read and how
//! it ended. A query that comes again is one entry, so that a dashboard which asks every ten
//! seconds does not push all else out. It promises a bound, [`KEPT_MAX`] entries of a day, and
//! that a query which is not slow costs an addition and no lock. It refuses to know who shows
//! it.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundHistogram, Meter};

use crate::clock::{Clock, UnixNanos};
use crate::record::access::cut;
use crate::record::names::{self, keys};

/// Nobody waits for what takes less than this.
const SLOW_MIN: Duration = Duration::from_millis(10);

/// Queries that are kept; a page of more is no longer read. Of more, the slowest stay.
pub const KEPT_MAX: usize = 50;

/// Longest text that is kept, in bytes: with fifty of them it is 200 kB at most.
pub const TEXT_MAX_BYTES: usize = 4 << 10;

/// What was slow longer ago than this has been mended, or nobody asks any more.
const AGE_MAX: Duration = Duration::from_secs(86_400);

/// From what answers at once to what its limit ends.
const BUCKETS: [f64; 10] = [0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// The language of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// About metrics.
    PromQl,
    /// About lines.
    LogQl,
}

impl Language {
    /// Every language, in the order of the histograms.
    const ALL: [Language; 2] = [Language::PromQl, Language::LogQl];

    /// Returns the language's name for people.
    pub fn name(self) -> &'static str {
        match self {
            Language::PromQl => "PromQL",
            Language::LogQl => "LogQL",
        }
    }

    /// Returns the value of the label.
    fn label(self) -> &'static str {
        match self {
            Language::PromQl => "promql",
            Language::LogQl => "logql",
        }
    }
}

/// Which way a query came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// The APIs of Prometheus and Loki, by which Grafana asks.
    Api,
    /// A page of `/admin`.
    Page,
    /// A command on the terminal.
    Command,
    /// Alert and recording rules.
    Rules,
}

/// What was read for an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Samples.
    pub n_samples: u64,
    /// Log lines.
    pub n_lines: u64,
    /// Bytes of their texts.
    pub n_bytes: u64,
}

/// A query that was slow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slow {
    /// What it is written in.
    pub language: Language,
    /// Which way it came.
    pub door: Door,
    /// The text, cut at [`TEXT_MAX_BYTES`].
    pub text: String,
    /// Whether the text was longer.
    pub is_cut: bool,
    /// How often it was slow.
    pub n_times: u64,
    /// When it was slow last.
    pub last: UnixNanos,
    /// How long it took when it took longest.
    pub took: Duration,
    /// What was read for it then; nothing is known of one that failed.
    pub effort: Effort,
    /// Why it had no answer then, if it had none.
    pub fault: Option<String>,
}

impl Slow {
    fn is_same(&self, language: Language, door: Door, text: &str) -> bool {
        self.language == language && self.door == door && self.text == text
    }
}

/// Notes what all doors ask.
pub struct Journal {
    clock: Clock,
    durations: [BoundHistogram<f64>; Language::ALL.len()],
    /// What takes less is not looked at: it could not be kept.
    floor_ns: AtomicU64,
    /// Held to take in a slow query, or to copy all of them.
    kept: Mutex<Vec<Slow>>,
}

impl Journal {
    /// Begins empty.
    pub fn new(clock: Clock, meter: &Meter) -> Arc<Self> {
        let instrument = names::QUERY_DURATION;
        let histogram = meter
            .f64_histogram(instrument.name)
            .with_unit(instrument.unit)
            .with_description(instrument.help)
            .with_boundaries(BUCKETS.to_vec())
            .build();
        let bound =
            |language: Language| histogram.bind(&[KeyValue::new(keys::QUERY_LANGUAGE, language.label())]);
        Arc::new(Journal {
            clock,
            durations: Language::ALL.map(bound),
            floor_ns: AtomicU64::new(nanos(SLOW_MIN)),
            kept: Mutex::default(),
        })
    }

    /// Returns what notes the queries that come one way.
    pub fn recorder(self: &Arc<Self>, door: Door) -> Recorder {
        Recorder { journal: self.clone(), door }
    }

    /// Returns the slow queries of the last day, the slowest first.
    pub fn slow(&self) -> Vec<Slow> {
        let mut res = {
            let mut kept = self.kept();
            self.forget_old(&mut kept);
            kept.clone()
        };
        res.sort_by_key(|slow| std::cmp::Reverse(slow.took));
        res
    }

    // Every change is whole, so a poisoned list is as good as any.
    fn kept(&self) -> MutexGuard<'_, Vec<Slow>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget_old(&self, kept: &mut Vec<Slow>) {
        let oldest = self.clock.now_ms().minus(AGE_MAX).to_nanos();
        kept.retain(|slow| slow.last >= oldest);
        self.set_floor(kept);
    }

    fn set_floor(&self, kept: &[Slow]) {
        let fastest = kept.iter().map(|slow| slow.took).min().filter(|_| kept.len() >= KEPT_MAX);
        self.floor_ns.store(nanos(fastest.unwrap_or(SLOW_MIN)), Ordering::Relaxed);
    }

    fn take(&self, new: Slow) {
        let mut kept = self.kept();
        self.forget_old(&mut kept);
        match kept.iter_mut().find(|slow| slow.is_same(new.language, new.door, &new.text)) {
            Some(known) => {
                let n_times = known.n_times + 1;
                let (slowest, last) =
                    if new.took >= known.took { (new, None) } else { (known.clone(), Some(new.last)) };
                *known = Slow { n_times, last: last.unwrap_or(slowest.last), ..slowest };
            }
            None => {
                kept.push(new);
                if kept.len() > KEPT_MAX {
                    let fastest = (0..kept.len()).min_by_key(|idx| kept[*idx].took);
                    fastest.map(|idx| kept.swap_remove(idx));
                }
            }
        }
        self.set_floor(&kept);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Notes the queries that come one way; cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    journal: Arc<Journal>,
    door: Door,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("door", &self.door).finish_non_exhaustive()
    }
}

impl Recorder {
    /// Evaluates, and notes how that went; the text is asked for only when it was slow.
    pub fn measured<T, E: Display>(
        recorder: Option<&Recorder>,
        language: Language,
        text: impl FnOnce() -> String,
        effort: impl FnOnce(&T) -> Effort,
        evaluate: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let Some(Recorder { journal, door }) = recorder else { return evaluate() };
        let begun = journal.clock.elapsed();
        let res = evaluate();
        let took = journal.clock.elapsed().saturating_sub(begun);
        journal.durations[language as usize].record(took.as_secs_f64());
        if nanos(took) >= journal.floor_ns.load(Ordering::Relaxed) {
            let whole = text();
            let text = cut(&whole, TEXT_MAX_BYTES).to_string();
            journal.take(Slow {
                language,
                door: *door,
                is_cut: text.len() < whole.len(),
                text,
                n_times: 1,
                last: journal.clock.now(),
                took,
                effort: res.as_ref().map_or(Effort::default(), effort),
                fault: res.as_ref().err().map(ToString::to_string),
            });
        }
        res
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Case {
        clock: Clock,
        journal: Arc<Journal>,
    }

    fn case() -> Case {
        let clock = Clock::manual(UnixNanos(1_795_000_000_000_000_000));
        let journal = Journal::new(clock.clone(), &opentelemetry::global::meter("test"));
        Case { clock, journal }
    }

    impl Case {
        fn run(&self, door: Door, text: &str, ms: u64, outcome: Result<u64, &str>) {
            let recorder = self.journal.recorder(door);
            let effort = |n_samples: &u64| Effort { n_samples: *n_samples, ..Effort::default() };
            let evaluate = || {
                self.clock.advance(Duration::from_millis(ms));
                outcome
            };
            let text = || text.to_string();
            let res = Recorder::measured(Some(&recorder), Language::PromQl, text, effort, evaluate);
            assert_eq!(res, outcome, "the outcome is handed on");
        }

        fn texts(&self) -> Vec<String> {
            self.journal.slow().into_iter().map(|slow| slow.text).collect()
        }
    }

    #[test]
    fn slow_queries_are_kept_the_slowest_first_and_fast_ones_are_not() {
        let case = case();
        case.run(Door::Page, "up", 9, Ok(1));
        case.run(Door::Api, "rate(up[5m])", 40, Ok(7));
        case.run(Door::Rules, "sum(x)", 90, Err("query timed out"));
        let slow = case.journal.slow();
        assert_eq!(case.texts(), ["sum(x)", "rate(up[5m])"]);
        assert_eq!((slow[0].fault.as_deref(), slow[0].effort.n_samples), (Some("query timed out"), 0));
        assert_eq!((slow[1].fault.as_deref(), slow[1].effort.n_samples), (None, 7));
        assert_eq!((slow[1].door, slow[1].took), (Door::Api, Duration::from_millis(40)));
    }

    #[test]
    fn a_query_that_comes_again_is_one_entry_with_its_slowest_run() {
        let case = case();
        case.run(Door::Api, "up", 40, Ok(1));
        case.run(Door::Api, "up", 90, Ok(2));
        case.run(Door::Api, "up", 20, Ok(3));
        case.run(Door::Page, "up", 30, Ok(4));
        let slow = case.journal.slow();
        assert_eq!(slow.len(), 2, "each door is an entry");
        assert_eq!((slow[0].n_times, slow[0].took), (3, Duration::from_millis(90)));
        assert_eq!(slow[0].effort.n_samples, 2);
        assert!(slow[0].last < slow[1].last && slow[0].last > UnixNanos(1_795_000_000_130_000_000));
    }

    #[test]
    fn no_more_are_kept_than_fit_and_the_slowest_stay() {
        let case = case();
        for idx in 0..KEPT_MAX as u64 + 10 {
            case.run(Door::Api, &format!("q{idx}"), 100 + idx, Ok(1));
        }
        let texts = case.texts();
        assert_eq!(texts.len(), KEPT_MAX);
        assert_eq!((texts[0].as_str(), texts[KEPT_MAX - 1].as_str()), ("q59", "q10"));
        case.run(Door::Api, "between", 105, Ok(1));
        assert!(!case.texts().contains(&"between".to_string()));
    }

    #[test]
    fn what_is_a_day_old_is_forgotten_and_makes_room() {
        let case = case();
        for idx in 0..KEPT_MAX as u64 {
            case.run(Door::Api, &format!("q{idx}"), 500, Ok(1));
        }
        case.clock.advance(AGE_MAX + Duration::from_secs(60));
        assert!(case.texts().is_empty());
        case.run(Door::Api, "up", 20, Ok(1));
        assert_eq!(case.texts(), ["up"]);
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let case = case();
        case.run(Door::Api, &"й".repeat(TEXT_MAX_BYTES), 20, Ok(1));
        let slow = &case.journal.slow()[0];
        assert!(slow.is_cut && slow.text.len() <= TEXT_MAX_BYTES && slow.text.chars().all(|c| c == 'й'));
    }
}
