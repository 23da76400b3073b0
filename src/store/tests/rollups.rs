//! Roll-ups: made in the background, equal to those of the samples, and there after them.

use std::time::Instant;

use super::*;
use crate::record::metric::STALE_NAN_BITS;
use crate::record::rollup::{coarser, rollups};
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
        self.settle();
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
