//! Round trips, damage, and what the ordinary kinds of metrics cost.

use std::time::Duration;

use proptest::prelude::*;

use super::columns::{decode, encode};
use super::times::StepTimes;
use crate::clock::UnixMillis;
use crate::record::metric::STALE_NAN_BITS;
use crate::record::rollup::{coarser, rollups};
use crate::record::{Resolution, RolledStep, Rollup, Sample};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// A series in a window: the mask of its steps and their roll-ups.
type InWindow = (u128, Vec<Rollup>);

fn in_window(rolled: &[RolledStep], first_end: UnixMillis, step: Duration) -> InWindow {
    let mut present = 0;
    let mut inside = Vec::new();
    for (end, rollup) in rolled {
        let slot = (end.0 - first_end.0) / step.as_millis() as i64;
        if (0..120).contains(&slot) {
            present |= 1 << slot;
            inside.push(*rollup);
        }
    }
    (present, inside)
}

fn bits(rollup: &Rollup) -> [u64; 11] {
    let floats = [rollup.first, rollup.last, rollup.min, rollup.max, rollup.sum, rollup.reset_sum];
    let [a, b, c, d, e, f] = floats.map(f64::to_bits);
    let (at, counts) = ([rollup.first_at.0, rollup.last_at.0], [rollup.count, rollup.n_resets]);
    let [first_at, last_at] = at.map(|at| at as u64);
    let [count, n_resets] = counts.map(u64::from);
    [a, b, c, d, e, f, first_at, last_at, count, n_resets, rollup.is_stale.into()]
}

fn check(series: &InWindow, template: &StepTimes) -> Vec<u8> {
    let bytes = encode(series.0, &series.1, template);
    let back = decode(&bytes, template).unwrap();
    assert_eq!(back.present, series.0);
    let ends: Vec<_> = template.slots(series.0).map(|slot| template.end(slot)).collect();
    assert_eq!(back.iter(template).map(|(end, _)| end).collect::<Vec<_>>(), ends);
    let found = back.iter(template).map(|(_, rollup)| bits(&rollup));
    assert_eq!(found.collect::<Vec<_>>(), series.1.iter().map(bits).collect::<Vec<_>>());
    bytes
}

fn template_of(series: &[InWindow], first_end: UnixMillis, step: Duration) -> StepTimes {
    StepTimes::of_most(first_end, step, 120, series.iter().map(|(present, inside)| (*present, &inside[..])))
}

/// Numbers that look random and are the same in every run (splitmix64).
struct Dice(u64);

impl Dice {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normally distributed around zero with the deviation one.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

/// A kind of metric: its name, what its next reading is after one, and the most that a
/// step may cost before zstd when a minute has four readings.
struct Kind {
    name: &'static str,
    next: fn(&mut Dice, f64) -> f64,
    bytes_max: f64,
}

const KINDS: [Kind; 10] = [
    Kind { name: "constant", next: |_, value| if value == 0.0 { 4096.0 } else { value }, bytes_max: 0.2 },
    Kind {
        name: "idle counter",
        next: |dice, value| value + f64::from(u8::from(dice.unit() < 0.004)),
        bytes_max: 0.7,
    },
    Kind {
        name: "busy counter",
        next: |dice, value| value + (250.0 + 16.0 * dice.normal()).round(),
        bytes_max: 3.5,
    },
    Kind {
        name: "counter with a reset",
        next: |dice, value| {
            if dice.unit() < 0.002 { 0.0 } else { value + (250.0 + 16.0 * dice.normal()).round() }
        },
        bytes_max: 5.5,
    },
    Kind {
        name: "CPU seconds",
        next: |dice, value| ((value + 0.9 + 0.3 * dice.unit()) * 100.0).round() / 100.0,
        bytes_max: 3.5,
    },
    Kind { name: "float counter", next: |dice, value| value + 0.9 + 0.3 * dice.unit(), bytes_max: 18.0 },
    Kind {
        name: "memory gauge",
        next: |dice, value| {
            let pages = if value == 0.0 { 800_000.0 } else { value / 4096.0 };
            (pages + 300.0 * dice.normal()).round() * 4096.0
        },
        bytes_max: 11.5,
    },
    Kind {
        name: "temperature",
        next: |dice, value| {
            let value = if value == 0.0 { 45.0 } else { value };
            ((value + 0.4 * dice.normal()) * 10.0).round() / 10.0
        },
        bytes_max: 4.5,
    },
    Kind { name: "small gauge", next: |dice, _| (dice.unit() * 4.0).floor(), bytes_max: 2.5 },
    Kind { name: "float ratio", next: |dice, _| dice.unit(), bytes_max: 35.0 },
];

/// Returns the bytes a step of some series of one kind, and the same after zstd; without the
/// times, of which there is one set for all.
fn cost(kind: &Kind, scrape_s: usize, resolution: Resolution, n_series: u64) -> (f64, f64) {
    let step = resolution.step().unwrap();
    let step_ms = step.as_millis() as i64;
    let start_ms = 1_700_006_400_000;
    let first_end = UnixMillis(start_ms + step_ms);
    let mut series = Vec::new();
    for seed in 0..n_series {
        let mut dice = Dice(seed);
        let mut value = 0.0;
        for _ in 0..dice.bits() % 1000 {
            value = (kind.next)(&mut dice, value);
        }
        let times = (start_ms + 3_217..start_ms + 120 * step_ms).step_by(scrape_s * 1000);
        let raw: Vec<Sample> = times
            .map(|at| {
                value = (kind.next)(&mut dice, value);
                Sample { at: UnixMillis(at), value }
            })
            .collect();
        let minutes: Vec<_> = rollups(&raw, MINUTE).collect();
        series.push(in_window(&coarser(&minutes, step).collect::<Vec<_>>(), first_end, step));
    }
    let template = template_of(&series, first_end, step);
    let all: Vec<u8> = series.iter().flat_map(|series| check(series, &template)).collect();
    let packed = zstd::bulk::compress(&all, 3).unwrap();
    let n_steps = (n_series * 120) as f64;
    (all.len() as f64 / n_steps, packed.len() as f64 / n_steps)
}

#[test]
fn ordinary_metrics_are_small() {
    println!("bytes a step (after zstd)  1 min of 15 s  1 min of 10 s      1 h of 15 s");
    for kind in KINDS {
        let runs = [(15, Resolution::Minute, 32), (10, Resolution::Minute, 32), (15, Resolution::Hour, 4)];
        let figures =
            runs.map(|(scrape_s, resolution, n_series)| cost(&kind, scrape_s, resolution, n_series));
        let shown = figures.map(|(plain, packed)| format!("{plain:7.2} {packed:6.2}"));
        println!("{:24} {}", kind.name, shown.join("  "));
        assert!(figures[0].0 <= kind.bytes_max, "{} costs {} bytes a step", kind.name, figures[0].0);
    }
}

fn rolled(raw: &[(i64, f64)], step: Duration) -> InWindow {
    let raw: Vec<Sample> =
        raw.iter().map(|(at, value)| Sample { at: UnixMillis(*at), value: *value }).collect();
    in_window(&rollups(&raw, step).collect::<Vec<_>>(), UnixMillis(step.as_millis() as i64), step)
}

#[test]
fn a_series_with_the_times_of_the_window_keeps_none() {
    let scraped = |n: i64| -> Vec<(i64, f64)> { (0..n).map(|idx| (2_000 + idx * 15_000, 7.0)).collect() };
    let all = [rolled(&scraped(480), MINUTE), rolled(&scraped(480), MINUTE), rolled(&scraped(478), MINUTE)];
    let template = template_of(&all, UnixMillis(60_000), MINUTE);
    assert_eq!(check(&all[0], &template).len(), 1 + 8 + 7);
    // Its last step is shorter than the others', and nothing else differs.
    assert_eq!(check(&all[2], &template).len(), 1 + (1 + 1 + 1 + 3 + 1) + 8 + 7);
}

#[test]
fn ended_and_sparse_series_come_back() {
    let stale = f64::from_bits(STALE_NAN_BITS);
    let raw = [(1, stale), (70_000, 1.0), (80_000, stale), (200_000, stale), (201_000, stale)];
    let series = rolled(&raw, MINUTE);
    assert_eq!(series.0, 0b1011);
    let template = template_of(std::slice::from_ref(&series), UnixMillis(60_000), MINUTE);
    check(&series, &template);
    check(&series, &template_of(&[rolled(&[(5, 1.0)], HOUR)], UnixMillis(60_000), MINUTE));
}

#[test]
fn special_values_keep_their_bits() {
    let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, f64::MAX, f64::MIN, 5e-324, 0.1];
    for first in special {
        for (idx, last) in special.iter().enumerate() {
            let raw = [(idx as i64, first), (50_000, *last), (60_001, *last), (61_000, first), (62_000, 1.0)];
            let series = rolled(&raw, MINUTE);
            check(&series, &template_of(std::slice::from_ref(&series), UnixMillis(60_000), MINUTE));
        }
    }
}

fn any_float() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        (-1_000_000_000_i64..1_000_000_000, 0..4).prop_map(|(n, e)| n as f64 / 10_f64.powi(e)),
        prop_oneof![Just(0.0), Just(-0.0), Just(f64::INFINITY), Just(f64::NAN), Just(1.0)],
    ]
}

fn any_rollup() -> impl Strategy<Value = Rollup> {
    let floats = (any_float(), any_float(), any_float(), any_float(), any_float(), any_float());
    (floats, 1_u32.., any::<(u32, bool, i64, i64)>(), 0..4).prop_map(
        |((first, last, min, max, sum, reset_sum), count, (n_resets, is_stale, first_at, last_at), shape)| {
            let (first_at, last_at) = (UnixMillis(first_at), UnixMillis(last_at));
            let any = Rollup {
                first_at,
                last_at,
                count,
                n_resets,
                first,
                last,
                min,
                max,
                sum,
                reset_sum,
                is_stale,
            };
            match shape {
                0 => Rollup::ended(first_at, last_at),
                1 => Rollup { min: first, max: last, n_resets: 0, reset_sum: 0.0, ..any },
                2 => Rollup { last: first, min: first, max: first, count: 4, ..any },
                _ => any,
            }
        },
    )
}

/// Up to 120 steps, of which each has a roll-up or none, and a template of other times.
fn any_window() -> impl Strategy<Value = (InWindow, StepTimes)> {
    let steps = prop::collection::vec(prop::option::weighted(0.9, any_rollup()), 1..=120);
    (steps, any::<i64>(), 0_u64..10_000_000).prop_map(|(steps, first_end, step_ms)| {
        let n = steps.len();
        let present = steps.iter().rev().fold(0, |mask, step| mask << 1 | u128::from(step.is_some()));
        let series: InWindow = (present, steps.into_iter().flatten().collect());
        let half: InWindow = (present & 0x5555, series.1.clone());
        let voters = [(half.0, &half.1[..]), (present & 0xff, &series.1[..])];
        let template = StepTimes::of_most(UnixMillis(first_end), Duration::from_millis(step_ms), n, voters);
        (series, template)
    })
}

proptest! {
    #[test]
    fn any_window_comes_back((series, template) in any_window()) {
        check(&series, &template);
        prop_assert_eq!(StepTimes::decode(&template.encode()).unwrap(), template);
    }

    #[test]
    fn samples_rolled_up_come_back(
        raw in prop::collection::vec((1_i64..90_000, any_float()), 1..300),
        shared in any::<bool>(),
    ) {
        let mut at = 0;
        let raw: Vec<(i64, f64)> = raw.iter().map(|(gap, value)| { at += gap; (at, *value) }).collect();
        let series = rolled(&raw, MINUTE);
        let voters = if shared { vec![series.clone()] } else { Vec::new() };
        check(&series, &template_of(&voters, UnixMillis(60_000), MINUTE));
    }

    #[test]
    fn bad_bytes_give_an_error_and_no_panic(bytes: Vec<u8>, (_, template) in any_window()) {
        let _ = decode(&bytes, &template);
        let _ = StepTimes::decode(&bytes);
    }

    #[test]
    fn changed_bytes_give_no_panic(
        (series, template) in any_window(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = encode(series.0, &series.1, &template);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let _ = decode(&bytes, &template);
        let cut = cut.index(bytes.len());
        let _ = decode(&bytes[..cut], &template);
    }
}
