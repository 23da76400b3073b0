//! Roll-ups: made in the background, equal to those of the samples, and there after them.

use std::time::Instant;

use super::*;
use crate::record::metric::STALE_NAN_BITS;
use crate::record::rollup::{bucket_end, coarser, rollups};
use crate::record::{Resolution, RolledStep, Sample};
use crate::store::{Kind, Retention};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const STEP_MS: i64 = 15_000;

/// What is rolled up at a time: two hours of minutes, a day of hours.
const BLOCKS_MS: [i64; 2] = [2 * 3_600_000, 24 * 3_600_000];

/// Halves, whose sums are exact in any order.
fn value(series: usize, n: i64) -> Option<f64> {
    match series {
        // A counter that loses its process every ninety minutes.
        0 => Some((n % 360) as f64 * 2.5),
        1 => Some((n * 37 % 101) as f64 / 2.0 - 20.0),
        // Comes and goes, and says so.
        2 if n % 700 < 400 => Some(1.0),
        2 if n % 700 == 400 => Some(f64::from_bits(STALE_NAN_BITS)),
        3 if n == 5_000 => Some(f64::INFINITY),
        _ => None,
    }
}

fn name(series: usize) -> Labels {
    Labels::new([("__name__", ["counter", "gauge", "guest", "once"][series])])
}

struct History {
    store: Store,
    clock: Clock,
    n: i64,
}

impl History {
    fn begin(dir: &Path, config: &Config) -> History {
        let clock = clock();
        // Steps are open on the left: a sample at the very start would be of the block before.
        History { store: open_with(dir, config.clone(), &clock).unwrap(), clock, n: 1 }
    }

    fn reopen(self, dir: &Path, config: &Config) -> History {
        let History { store, clock, n } = self;
        store.close(DEADLINE).unwrap();
        drop(store);
        History { store: open_with(dir, config.clone(), &clock).unwrap(), clock, n }
    }

    fn go_on(&mut self, for_: Duration) {
        self.feed(for_);
        self.settle();
    }

    fn feed(&mut self, for_: Duration) {
        let until = self.n + for_.as_millis() as i64 / STEP_MS;
        while self.n < until {
            let points: Vec<(Labels, f64)> = (0..4)
                .filter_map(|series| value(series, self.n).map(|value| (name(series), value)))
                .collect();
            self.store.append_scrape(scrape(START_MS + self.n * STEP_MS, &points));
            self.clock.advance(Duration::from_millis(STEP_MS as u64));
            self.n += 1;
            if self.n % 40 == 0 {
                self.store.sync().unwrap();
            }
        }
    }

    /// Each flush rolls up for a moment.
    fn settle(&self) {
        let begun = Instant::now();
        self.store.sync().unwrap();
        while self.horizons() != self.horizons_due() {
            self.store.sync().unwrap();
            let (is, due) = (self.horizons(), self.horizons_due());
            assert!(begun.elapsed() < DEADLINE, "rolled up to {is:?}, and {due:?} is due");
        }
    }

    /// Whole blocks of which no sample can come any more.
    fn horizons_due(&self) -> [Option<i64>; 2] {
        let settled = self.clock.now_ms().minus(Config::default().out_of_order + MINUTE).0;
        let minutes = settled.div_euclid(BLOCKS_MS[0]) * BLOCKS_MS[0];
        [minutes, minutes.div_euclid(BLOCKS_MS[1]) * BLOCKS_MS[1]].map(|end| (end > START_MS).then_some(end))
    }

    fn horizons(&self) -> [Option<i64>; 2] {
        let partitions = self.store.partitions();
        [Kind::Minutes, Kind::Hours].map(|kind| {
            let of_kind = partitions.iter().filter(|partition| partition.kind == kind);
            of_kind.filter_map(|partition| partition.range.map(|(_, last)| last.0)).max()
        })
    }

    /// Lets so many seconds pass without a sample.
    fn wait(&mut self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
        self.n += secs as i64 * 1_000 / STEP_MS;
    }

    fn samples(&self, series: usize) -> Vec<Sample> {
        let samples = (1..self.n).filter_map(|n| {
            value(series, n).map(|value| Sample { at: UnixMillis(START_MS + n * STEP_MS), value })
        });
        samples.collect()
    }
}

pub(super) fn rolled(
    store: &Store,
    resolution: Resolution,
    from: i64,
    to: i64,
) -> Vec<(Labels, Vec<RolledStep>)> {
    let select = SeriesSelect { matchers: vec![], from: UnixMillis(from), to: UnixMillis(to) };
    let mut res = Vec::new();
    let visit: &mut dyn FnMut(&Labels, &[RolledStep]) -> ControlFlow<()> = &mut |labels, steps| {
        res.push((labels.clone(), steps.to_vec()));
        ControlFlow::Continue(())
    };
    store.rollups(&select, resolution, visit).unwrap();
    res.sort_by(|a, b| a.0.cmp(&b.0));
    res
}

/// Compares all roll-ups with those of the samples, which the store may no longer have.
#[track_caller]
fn check(history: &History) {
    for resolution in [Resolution::Minute, Resolution::Hour] {
        let found = rolled(&history.store, resolution, START_MS, i64::MAX);
        for series in 0..4 {
            let mut expect: Vec<RolledStep> = rollups(&history.samples(series), MINUTE).collect();
            if resolution == Resolution::Hour {
                expect = coarser(&expect, HOUR).collect();
            }
            let steps = found.iter().find(|(labels, _)| *labels == name(series)).map(|(_, steps)| steps);
            let steps = steps.cloned().unwrap_or_default();
            let what = format!("{resolution:?} of {}", name(series));
            for (found, expect) in steps.iter().zip(&expect) {
                assert_eq!(found, expect, "{what}");
            }
            assert_eq!(steps.len(), expect.len(), "{what}");
        }
    }
}

#[test]
fn rollups_are_those_of_the_samples_on_either_side_of_every_border() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::default();
    let mut history = History::begin(dir.path(), &config);
    history.go_on(HOUR);
    check(&history);
    assert_eq!(history.horizons(), [None, None]);
    history.go_on(HOUR * 4);
    assert!(history.horizons()[0].is_some());
    check(&history);
    history = history.reopen(dir.path(), &config);
    check(&history);
    history.go_on(HOUR * 22);
    assert!(history.horizons()[1].is_some());
    check(&history);
    history = history.reopen(dir.path(), &config);
    history.go_on(HOUR);
    check(&history);
    // A part of the range, in the middle of steps: they are whole all the same.
    let from = START_MS + 3_600_000 * 3 + 20_000;
    let some = rolled(&history.store, Resolution::Minute, from, from + 60_000);
    let all = rolled(&history.store, Resolution::Minute, START_MS, i64::MAX);
    let ends: Vec<i64> = some[0].1.iter().map(|(end, _)| end.0).collect();
    assert_eq!(ends, [from + 40_000, from + 100_000]);
    assert!(some.iter().all(|(labels, steps)| {
        let (_, whole) = all.iter().find(|(other, _)| other == labels).unwrap();
        steps.iter().all(|step| whole.contains(step))
    }));
    history.store.close(DEADLINE).unwrap();
}

#[test]
fn rollups_outlive_the_samples() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = Retention { max_age: HOUR * 3, ..Config::default().metrics };
    let config = Config { metrics, partition_bytes: 64 << 10, ..Config::default() };
    let mut history = History::begin(dir.path(), &config);
    history.go_on(HOUR * 13);
    // A sealed partition goes when all of it is too old.
    history = history.reopen(dir.path(), &config);
    history.go_on(HOUR * 14);
    let coverage = history.store.coverage();
    let oldest = |resolution| coverage.iter().find(|tier| tier.resolution == resolution).unwrap().oldest.0;
    assert!(oldest(Resolution::Raw) >= START_MS + 12 * 3_600_000, "the samples are gone: {coverage:?}");
    assert_eq!((oldest(Resolution::Minute), oldest(Resolution::Hour)), (START_MS, START_MS));
    check(&history);
    history.store.close(DEADLINE).unwrap();
}

#[test]
fn a_clock_that_is_ahead_for_a_while_rolls_nothing_up_too_early() {
    const DAY_NS: i64 = 24 * 3_600 * 1_000_000_000;
    let dir = tempfile::tempdir().unwrap();
    let config = Config::default();
    let mut history = History::begin(dir.path(), &config);
    history.go_on(HOUR);
    // As after a start before the time was fetched, and at work.
    for is_started in [false, true] {
        if is_started {
            history = history.reopen(dir.path(), &config);
        }
        let horizons = history.horizons();
        history.clock.jump(DAY_NS);
        for _ in 0..5 {
            history.store.sync().unwrap();
            history.clock.advance(Duration::from_millis(10));
        }
        history.clock.jump(-DAY_NS);
        assert_eq!(history.horizons(), horizons);
        history.go_on(HOUR * 5);
        check(&history);
    }
    history.store.close(DEADLINE).unwrap();
}

#[test]
fn blocks_made_while_the_clock_was_ahead_for_long_are_made_again() {
    const DAY_NS: i64 = 24 * 3_600 * 1_000_000_000;
    let dir = tempfile::tempdir().unwrap();
    let config = Config::default();
    let mut history = History::begin(dir.path(), &config);
    history.go_on(HOUR * 3);
    history.clock.jump(DAY_NS);
    let ahead = Labels::new([("__name__", "ahead")]);
    for n in 0..24 {
        history.store.append_scrape(scrape(history.clock.now_ms().0, &[(ahead.clone(), f64::from(n))]));
        history.clock.advance(MINUTE * 10);
        history.store.sync().unwrap();
    }
    assert!(history.horizons()[0] > Some(START_MS + 24 * 3_600_000), "{:?}", history.horizons());
    history.clock.jump(-DAY_NS);
    history.n += 4 * 3_600_000 / STEP_MS;
    // Its answers reach to the present at once, and what comes is rolled up as ever.
    for hours in [1, 5, 20, 6] {
        history.feed(HOUR * hours);
        history.store.sync().unwrap();
        let found = rolled(&history.store, Resolution::Minute, START_MS + 7 * 3_600_000, i64::MAX);
        let (_, counter) = found.iter().find(|(labels, _)| *labels == name(0)).unwrap();
        let samples = history.samples(0).into_iter().filter(|sample| sample.at.0 > START_MS + 7 * 3_600_000);
        let expect: Vec<RolledStep> = rollups(&samples.collect::<Vec<_>>(), MINUTE).collect();
        let differs = counter.iter().zip(&expect).find(|(found, expect)| found != expect);
        assert!(differs.is_none(), "{hours} hours on: {differs:?}");
        assert_eq!(counter.len(), expect.len(), "{hours} hours on");
    }
    history.store.close(DEADLINE).unwrap();
}

#[test]
fn samples_stay_until_they_are_rolled_up() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = Retention { max_age: HOUR, ..Config::default().metrics };
    let config = Config { metrics, minutes_max_age: HOUR, partition_bytes: 64 << 10, ..Config::default() };
    let mut history = History::begin(dir.path(), &config);
    for _ in 0..15 {
        history.go_on(HOUR * 2);
        history = history.reopen(dir.path(), &config);
    }
    let found = rolled(&history.store, Resolution::Hour, START_MS, i64::MAX);
    let (_, counter) = found.iter().find(|(labels, _)| *labels == name(0)).unwrap();
    assert_eq!(counter.len(), 30, "no hour is missing");
    let coverage = history.store.coverage();
    assert!(coverage[0].oldest.0 > START_MS + 20 * 3_600_000, "the samples are gone: {coverage:?}");
    history.store.close(DEADLINE).unwrap();
}

#[test]
fn a_young_store_has_no_coarse_history_before_its_samples() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = History::begin(dir.path(), &Config::default());
    // In the middle of a block of either kind.
    history.wait(3_600 * 13);
    history.go_on(HOUR * 40);
    assert!(history.horizons().iter().all(Option::is_some));
    let coverage = history.store.coverage();
    assert!(coverage.iter().all(|tier| tier.oldest == coverage[0].oldest), "{coverage:?}");
    history.store.close(DEADLINE).unwrap();
}

#[test]
fn what_cannot_be_read_or_written_now_is_rolled_up_later() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::default();
    let mut history = History::begin(dir.path(), &config);
    history.go_on(HOUR);
    history = history.reopen(dir.path(), &config);
    let sealed = history.store.0.shared.state().tier(Kind::Metrics).sealed[0].clone();
    // As after a disk that erred when it was read.
    sealed.db.give_up();
    sealed.note_fault(&sealed.io("read", std::io::Error::from_raw_os_error(5)));
    for n in 0..20 {
        history.store.append_scrape(scrape(history.clock.now_ms().0, &[(name(0), f64::from(n))]));
        history.clock.advance(MINUTE * 15);
        history.n += 60;
        history.store.sync().unwrap();
    }
    assert_eq!(history.horizons(), [None, None]);
    let copy = tempfile::tempdir().unwrap();
    copy_tree(dir.path(), copy.path());
    let (n, clock) = (history.n, history.clock.clone());
    history.store.close(DEADLINE).unwrap();
    let store = open_with(copy.path(), config, &clock).unwrap();
    let history = History { store, clock, n };
    let begun = Instant::now();
    while history.horizons()[0].is_none() {
        history.clock.advance(MINUTE);
        history.store.sync().unwrap();
        assert!(begun.elapsed() < DEADLINE);
    }
    let found = rolled(&history.store, Resolution::Minute, START_MS, START_MS + 3_600_000);
    assert_eq!(found[0].1.len(), 60, "{:?}", found[0].0);
    history.store.close(DEADLINE).unwrap();
}

#[test]
fn more_series_than_names_are_held_are_all_rolled_up() {
    const N_SERIES: usize = 45_000;
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let config = Config { series_max: 100_000, ..Config::default() };
    let store = open_with(dir.path(), config, &clock).unwrap();
    let points: Vec<_> =
        (0..N_SERIES).map(|n| (series("s", &format!("{:05}", n * 7_919 % N_SERIES)), n as f64)).collect();
    store.append_scrape(scrape(START_MS + 1_000, &points));
    let begun = Instant::now();
    while !store
        .partitions()
        .iter()
        .any(|partition| partition.kind == Kind::Minutes && partition.range.is_some())
    {
        clock.advance(MINUTE * 5);
        store.sync().unwrap();
        assert!(begun.elapsed() < DEADLINE);
    }
    let shared = &store.0.shared;
    let state = shared.state();
    let active = state.tier(Kind::Minutes).active.as_ref().unwrap();
    assert_eq!(active.facts.metrics().series.len(), N_SERIES);
    drop(state);
    store.close(DEADLINE).unwrap();
}

#[test]
fn what_may_come_later_than_before_is_rolled_up_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = History::begin(dir.path(), &Config::default());
    history.go_on(HOUR * 7);
    let made = history.horizons();
    history.store.apply(Config { out_of_order: HOUR * 6, ..Config::default() });
    let late = Labels::new([("__name__", "late")]);
    let at = START_MS + 3 * 3_600_000;
    history.store.append_scrape(scrape(at, &[(late.clone(), 7.0)]));
    history.store.sync().unwrap();
    assert_eq!(rolled(&history.store, Resolution::Minute, START_MS, at - 3_600_000).len(), 3, "not hidden");
    for _ in 0..40 {
        history.wait(900);
        history.store.append_scrape(scrape(history.clock.now_ms().0, &[(name(3), 1.0)]));
        history.store.sync().unwrap();
    }
    assert!(history.horizons() >= made);
    let found = rolled(&history.store, Resolution::Minute, START_MS, at);
    let late = found.iter().find(|(labels, _)| *labels == late);
    assert_eq!(late.map(|(_, steps)| steps.len()), Some(1), "made again with what came late");
    history.store.close(DEADLINE).unwrap();
}

#[test]
fn hours_that_cannot_be_read_are_made_of_what_is_finer() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::default();
    let mut history = History::begin(dir.path(), &config);
    history.go_on(HOUR * 27);
    assert!(history.horizons()[1].is_some());
    history = history.reopen(dir.path(), &config);
    let hours = history.store.0.shared.state().tier(Kind::Hours).sealed[0].clone();
    hours.note_fault(&hours.io("read", std::io::ErrorKind::InvalidData.into()));
    check(&history);
    history.store.close(DEADLINE).unwrap();
}

#[test]
fn a_backlog_of_days_comes_into_what_was_rolled_up_before() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::default();
    let mut history = History::begin(dir.path(), &config);
    history.go_on(HOUR * 30);
    let made = history.horizons();
    assert!(made[1].is_some());
    // A series of its own, and one moment more of a series that is there, in one block.
    let late = Labels::new([("__name__", "late")]);
    let from = START_MS + 3 * 3_600_000;
    for n in 1..=20 {
        history.store.append_scrape(scrape(from + n * 60_000, &[(late.clone(), n as f64)]));
    }
    history.store.append_scrape(scrape(from + 1_000, &[(name(1), 900.0)]));
    history.store.sync().unwrap();
    let range = (from - 3_600_000, from + 7_200_000);
    let of = |store: &Store, resolution, labels: &Labels| {
        let mut found = rolled(store, resolution, range.0, range.1).into_iter();
        found.find(|(found, _)| found == labels).map(|(_, steps)| steps).unwrap_or_default()
    };
    assert!(of(&history.store, Resolution::Minute, &late).is_empty(), "its block was made");
    // What waits to be made again outlives a restart.
    history = history.reopen(dir.path(), &config);
    let begun = Instant::now();
    while of(&history.store, Resolution::Hour, &late).is_empty() {
        history.wait(60);
        history.store.append_scrape(scrape(history.clock.now_ms().0, &[(name(3), 1.0)]));
        history.store.sync().unwrap();
        assert!(begun.elapsed() < DEADLINE);
    }
    let check = |history: &History| {
        let minutes = of(&history.store, Resolution::Minute, &late);
        assert_eq!(
            minutes.iter().map(|(_, rollup)| rollup.last).collect::<Vec<_>>(),
            Vec::from_iter((1..=20).map(f64::from))
        );
        let hours = of(&history.store, Resolution::Hour, &late);
        assert_eq!(
            hours.iter().map(|(_, rollup)| (rollup.count, rollup.max)).collect::<Vec<_>>(),
            [(20, 20.0)]
        );
        let mut samples = history.samples(1);
        samples.push(Sample { at: UnixMillis(from + 1_000), value: 900.0 });
        samples.sort_by_key(|sample| sample.at);
        for resolution in [Resolution::Minute, Resolution::Hour] {
            let step = resolution.step().unwrap();
            let is_asked = |(end, _): &RolledStep| {
                (bucket_end(UnixMillis(range.0), step)..=bucket_end(UnixMillis(range.1), step)).contains(end)
            };
            let expected: Vec<RolledStep> = rollups(&samples, step).filter(is_asked).collect();
            assert_eq!(of(&history.store, resolution, &name(1)), expected);
        }
    };
    check(&history);
    // A later start does not take what was made again for how far it had come.
    let until = |history: &History| {
        [Kind::Minutes, Kind::Hours].map(|kind| history.store.0.shared.rolled.until(kind))
    };
    let before = until(&history);
    history = history.reopen(dir.path(), &config);
    history.store.sync().unwrap();
    assert_eq!(until(&history), before);
    check(&history);
    history.store.close(DEADLINE).unwrap();
}
