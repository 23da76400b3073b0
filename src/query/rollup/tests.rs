//! What roll-ups answer against what the samples answer.

use proptest::prelude::*;

use super::*;
use crate::query::vector::{Matrix, Row};
use crate::record::rollup::rollups;
use crate::record::{Labels, Sample};

const MINUTE: Duration = Duration::from_secs(60);

/// 2026-11-22, a whole hour.
const START_MS: i64 = 1_795_305_600_000;

fn samples(gaps_ms: &[i64], values: &[f64]) -> Vec<Sample> {
    let times = gaps_ms.iter().scan(START_MS, |at, gap| {
        *at += gap;
        Some(UnixMillis(*at))
    });
    times.zip(values).map(|(at, value)| Sample { at, value: *value }).collect()
}

/// A counter from its increments; a negative one is a restart that counts from there.
fn counter(increments: &[f64]) -> Vec<f64> {
    let next = |value: &mut f64, increment: &f64| {
        *value = if *increment < 0.0 { -increment } else { *value + increment };
        Some(*value)
    };
    increments.iter().scan(0.0, next).collect()
}

fn steps(first_ms: i64, step: Duration, n: i64) -> Steps {
    let last = first_ms + step.as_millis() as i64 * (n - 1);
    Steps::new(UnixMillis(first_ms), UnixMillis(last), step).unwrap()
}

fn rolled(function: Function, samples: &[Sample], window: Duration, steps: Steps) -> Vec<Option<f64>> {
    let all: Vec<_> = rollups(samples, MINUTE).collect();
    Windows { function, window, steps, rolled: MINUTE }.values(&all)
}

/// The same from the samples themselves, by definition.
fn plain(function: Function, samples: &[Sample], window: Duration, steps: Steps) -> Vec<Option<f64>> {
    steps
        .iter()
        .map(|at| {
            let is_inside = |sample: &&Sample| sample.at > at.minus(window) && sample.at <= at;
            let inside: Vec<Sample> = samples.iter().filter(is_inside).copied().collect();
            let values = || inside.iter().map(|sample| sample.value);
            let n = inside.len() as f64;
            let sum = || {
                let mut sum = Sum::default();
                values().for_each(|value| sum.add(value));
                sum.value()
            };
            inside.first()?;
            match function {
                Function::Last => values().next_back(),
                Function::Rate => Some(Seen::of(&inside)?.extrapolated(at, window)? / window.as_secs_f64()),
                Function::Increase => Seen::of(&inside)?.extrapolated(at, window),
                Function::Min => values().reduce(least),
                Function::Max => values().reduce(greatest),
                Function::Sum => Some(sum()),
                Function::Count => Some(n),
                Function::Avg => Some(sum() / n),
                Function::Counted => unreachable!("compared by itself"),
            }
        })
        .collect()
}

fn check_near(rolled: &[Option<f64>], plain: &[Option<f64>], tolerance: f64, what: &str) {
    assert_eq!(rolled.len(), plain.len());
    for (a, b) in rolled.iter().zip(plain) {
        let is_near = match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() <= tolerance * b.abs().max(1e-9) || a == b,
            (a, b) => a == b,
        };
        assert!(is_near, "{what}: {a:?} from roll-ups, {b:?} from samples");
    }
}

const EXACT: [(Function, f64); 8] = [
    (Function::Last, 0.0),
    (Function::Min, 0.0),
    (Function::Max, 0.0),
    (Function::Count, 0.0),
    (Function::Sum, 1e-12),
    (Function::Avg, 1e-12),
    (Function::Rate, 1e-9),
    (Function::Increase, 1e-9),
];

fn any_gaps() -> impl Strategy<Value = Vec<i64>> {
    // Mostly a scrape every ten or fifteen seconds, some jitter, some holes.
    let gap = prop_oneof![10 => Just(10_000_i64), 5 => Just(15_000), 3 => 9_000_i64..16_000, 1 => 60_000_i64..400_000];
    prop::collection::vec(gap, 20..200)
}

fn any_increments() -> impl Strategy<Value = Vec<f64>> {
    let increment = prop_oneof![
        20 => (0_u32..1_000).prop_map(f64::from),
        5 => Just(0.0),
        // A restart that had counted this much when it was first read.
        1 => (1_u32..500).prop_map(|n| -f64::from(n)),
    ];
    prop::collection::vec(increment, 200)
}

proptest! {
    #[test]
    fn windows_of_whole_steps_answer_as_the_samples_do(
        gaps in any_gaps(),
        increments in any_increments(),
        window in 2_u32..30,
    ) {
        let samples = samples(&gaps, &counter(&increments));
        let window = MINUTE * window;
        let steps = steps(START_MS + 600_000, MINUTE, 40);
        for (function, tolerance) in EXACT {
            let (a, b) = (rolled(function, &samples, window, steps), plain(function, &samples, window, steps));
            check_near(&a, &b, tolerance, &format!("{function:?}"));
        }
    }

    #[test]
    fn rate_of_a_steady_counter_is_within_one_percent_wherever_a_window_is_cut(
        per_scrape in 1_u32..10_000,
        scrape_s in prop_oneof![Just(10_i64), Just(15)],
        restarts in prop::collection::vec(20_usize..400, 0..4),
        window_s in 120_u64..3_600,
        offset_ms in 0_i64..60_000,
    ) {
        let mut increments = vec![f64::from(per_scrape); 400];
        // A restart that loses nothing of the pace: what it has counted is one scrape's worth. Two in
        // a row would read the same value twice, which no reader can tell from a counter at rest.
        let is_seen = |at: &&usize| !restarts.contains(&(**at - 1));
        restarts.iter().filter(is_seen).for_each(|at| increments[*at] = -f64::from(per_scrape));
        let samples = samples(&vec![scrape_s * 1_000; 400], &counter(&increments));
        let window = Duration::from_secs(window_s);
        // From where the window no longer meets the counter's birth.
        let steps = steps(START_MS + 3_660_000 + offset_ms, Duration::from_secs(17), 12);
        for function in [Function::Rate, Function::Increase] {
            let (a, b) = (rolled(function, &samples, window, steps), plain(function, &samples, window, steps));
            check_near(&a, &b, 0.01, &format!("{function:?} over {window:?}"));
        }
    }

    #[test]
    fn neighbouring_windows_lose_nothing_of_what_was_counted(
        increments in any_increments(),
        offset_ms in 0_i64..60_000,
    ) {
        let values = counter(&increments);
        let samples = samples(&vec![10_000; 200], &values);
        let steps = steps(START_MS + offset_ms, Duration::from_secs(300), 8);
        let counted = rolled(Function::Counted, &samples, Duration::from_secs(300), steps);
        let sum: f64 = counted.into_iter().flatten().sum();
        // All that was counted up to the last moment, the first reading included.
        let inside = samples.iter().take_while(|sample| sample.at <= steps.last()).count();
        let expect: f64 = increments[..inside].iter().map(|increment| increment.abs()).sum();
        // A cut step is shared by its time, so at the very end some of one step may be amiss.
        let step_most = 6.0 * 1_000.0;
        prop_assert!((sum - expect).abs() <= step_most, "{sum} of {expect}");
    }

    #[test]
    fn quantiles_of_histograms_fall_into_the_same_bucket(
        counts in prop::collection::vec(prop::collection::vec(0_u32..50, 4), 60),
        q in 0.05_f64..0.99,
    ) {
        const BOUNDS: [&str; 4] = ["0.1", "0.5", "1", "+Inf"];
        let window = Duration::from_secs(300);
        let steps = steps(START_MS + 360_000, MINUTE, 5);
        let quantile = |rate: &dyn Fn(&[Sample]) -> Vec<Option<f64>>| {
            let row = |bucket: usize| {
                let up_to = |row: &Vec<u32>| f64::from(row[..=bucket].iter().sum::<u32>());
                let increments: Vec<f64> = counts.iter().map(up_to).collect();
                let labels = Labels::new([("le", BOUNDS[bucket])]);
                Row { labels, values: rate(&samples(&[10_000; 60], &counter(&increments))) }
            };
            let matrix = Matrix { steps, rows: (0..4).map(row).collect(), infos: Vec::new() };
            matrix.histogram_quantile(q).rows.remove(0).values
        };
        let from_rollups = quantile(&|samples| rolled(Function::Rate, samples, window, steps));
        let from_samples = quantile(&|samples| plain(Function::Rate, samples, window, steps));
        // The rates are equal but for rounding, so the quantile is not only in the same bucket.
        check_near(&from_rollups, &from_samples, 1e-6, "quantile");
    }
}

#[test]
fn last_looks_back_over_a_step_and_stops_where_the_series_ended() {
    let stale = f64::from_bits(crate::record::metric::STALE_NAN_BITS);
    let all = samples(&[10_000, 10_000, 10_000], &[1.0, 2.0, stale]);
    let last = |at_s: i64| {
        rolled(Function::Last, &all, Duration::from_secs(300), steps(START_MS + at_s * 1_000, MINUTE, 1))[0]
    };
    assert_eq!([last(60), last(300)], [None, None], "the marker came after the last sample");
    let all = samples(&[10_000, 10_000], &[1.0, 2.0]);
    let last = |at_s: i64| {
        rolled(Function::Last, &all, Duration::from_secs(300), steps(START_MS + at_s * 1_000, MINUTE, 1))[0]
    };
    assert_eq!([last(60), last(300), last(420)], [Some(2.0), Some(2.0), None]);
}
