//! Roll-ups: what a series did in one step, kept when its samples are not.
//!
//! A roll-up holds what the window functions of a query need to answer for whole steps as
//! the samples would: the readings at both ends with their times, the extremes, the sum, how
//! many samples there were, and what a counter lost from sight by resets. The roll-up of two
//! neighbouring steps is [`Rollup::join`] of theirs, so a coarser resolution is made
//! from a finer one. Nothing here knows where roll-ups are kept.
//!
//! Steps are open on the left, `(t - step, t]`, named by their end `t`, and ends are multiples
//! of the step since 1970: the windows of Prometheus 3 then hold whole steps.

use std::time::Duration;

use super::Sample;
use super::metric::STALE_NAN_BITS;
use super::sum::Sum;
use crate::clock::UnixMillis;

/// What one series did in one step of a roll-up.
///
/// Staleness markers are no samples. Where a step has nothing but markers the roll-up is
/// [`Rollup::ended`]: its `count` is zero and it has no values, but a reader sees that the
/// series had ended by then, and does not look back past it for a last value.
///
/// Equality is IEEE equality of the values, as for a [`Sample`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rollup {
    /// When the first sample was read; of the first marker where there are only markers.
    pub first_at: UnixMillis,
    /// When the last sample was read; of the last marker where there are only markers.
    pub last_at: UnixMillis,
    /// How many samples there were.
    pub count: u32,
    /// How often a sample was below the one before it, which resets a counter to zero.
    pub n_resets: u32,
    /// The value of the first sample.
    pub first: f64,
    /// The value of the last sample.
    pub last: f64,
    /// The [`least`] value, as Prometheus's `min_over_time`.
    pub min: f64,
    /// The [`greatest`] value, as Prometheus's `max_over_time`.
    pub max: f64,
    /// The values added up, by the rule of [`Sum`].
    pub sum: f64,
    /// What stood before each reset, added up: the part of the increase that the difference
    /// of the ends does not show.
    pub reset_sum: f64,
    /// A staleness marker came after the last sample.
    pub is_stale: bool,
}

/// A roll-up behind the end of its step.
pub type RolledStep = (UnixMillis, Rollup);

impl Rollup {
    /// Rolls up samples that are in the order of their times; none of none.
    pub fn of(samples: &[Sample]) -> Option<Rollup> {
        let (oldest, newest) = (samples.first()?, samples.last()?);
        let mut real = samples.iter().filter(|sample| !sample.is_stale_marker());
        let Some(first) = real.next() else { return Some(Rollup::ended(oldest.at, newest.at)) };
        let mut res = Rollup::one(first);
        let mut sum = Sum::default();
        sum.add(first.value);
        for sample in real {
            sum.add(sample.value);
            res = res.join(&Rollup::one(sample));
        }
        Some(Rollup { sum: sum.value(), is_stale: newest.is_stale_marker(), ..res })
    }

    /// Returns the roll-up of a step that has only staleness markers, from the first to
    /// the last.
    pub fn ended(first_at: UnixMillis, last_at: UnixMillis) -> Rollup {
        let none = f64::from_bits(STALE_NAN_BITS);
        Rollup {
            first_at,
            last_at,
            count: 0,
            n_resets: 0,
            first: none,
            last: none,
            min: none,
            max: none,
            sum: 0.0,
            reset_sum: 0.0,
            is_stale: true,
        }
    }

    fn one(sample: &Sample) -> Rollup {
        let Sample { at, value } = *sample;
        Rollup {
            first_at: at,
            last_at: at,
            count: 1,
            n_resets: 0,
            first: value,
            last: value,
            min: value,
            max: value,
            sum: value,
            reset_sum: 0.0,
            is_stale: false,
        }
    }

    /// Returns the roll-up of this step's samples and those of a later one.
    ///
    /// It does not matter in which order many are joined, but for the rounding of the two
    /// sums (and a sum that goes to infinity on the way in one order only).
    pub fn join(self, next: &Rollup) -> Rollup {
        match (self.count, next.count) {
            (0, 0) => Rollup { last_at: next.last_at, ..self },
            (0, _) => *next,
            (_, 0) => Rollup { is_stale: true, ..self },
            _ => {
                let is_reset = next.first < self.last;
                let before_reset = if is_reset { self.last } else { 0.0 };
                Rollup {
                    first_at: self.first_at,
                    last_at: next.last_at,
                    count: self.count.saturating_add(next.count),
                    n_resets: self.n_resets.saturating_add(next.n_resets).saturating_add(is_reset.into()),
                    first: self.first,
                    last: next.last,
                    min: least(self.min, next.min),
                    max: greatest(self.max, next.max),
                    sum: self.sum + next.sum,
                    reset_sum: self.reset_sum + before_reset + next.reset_sum,
                    is_stale: next.is_stale,
                }
            }
        }
    }

    /// Returns what a counter counted from `first` to `last`, resets included.
    ///
    /// It is made from the ends, as Prometheus does, and not kept by itself: so it stays
    /// exact however many steps are joined, and a NaN in the middle changes nothing.
    pub fn increase(&self) -> f64 {
        self.last - self.first + self.reset_sum
    }
}

/// Returns the lesser value, the earlier of equal ones, and a NaN only of two.
pub fn least(earlier: f64, later: f64) -> f64 {
    if later < earlier || earlier.is_nan() { later } else { earlier }
}

/// Returns the greater value, by the same rule.
pub fn greatest(earlier: f64, later: f64) -> f64 {
    if later > earlier || earlier.is_nan() { later } else { earlier }
}

/// Returns the end of the step that a moment belongs to: the least multiple of the step
/// that is not before it, clamped to what fits.
pub fn bucket_end(at: UnixMillis, step: Duration) -> UnixMillis {
    // A step below a millisecond holds one moment.
    let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
    match at.0.rem_euclid(step_ms) {
        0 => at,
        past => UnixMillis(at.0.saturating_add(step_ms - past)),
    }
}

/// Rolls up samples in the order of their times, step by step; a step without any is left out.
pub fn rollups(samples: &[Sample], step: Duration) -> impl Iterator<Item = RolledStep> {
    let end = move |sample: &Sample| bucket_end(sample.at, step);
    let in_steps = samples.chunk_by(move |a, b| end(a) == end(b));
    in_steps.filter_map(move |inside| Some((end(inside.first()?), Rollup::of(inside)?)))
}

/// Rolls up the roll-ups of a finer resolution, whose step must divide this one.
pub fn coarser(finer: &[RolledStep], step: Duration) -> impl Iterator<Item = RolledStep> {
    let end = move |(finer_end, _): &RolledStep| bucket_end(*finer_end, step);
    let in_steps = finer.chunk_by(move |a, b| end(a) == end(b));
    in_steps.filter_map(move |inside| {
        let joined = inside.iter().map(|(_, rollup)| *rollup).reduce(|res, next| res.join(&next))?;
        Some((end(inside.first()?), joined))
    })
}

/// How finely the history of metrics is kept; a coarser one is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolution {
    /// The samples as they came.
    Raw,
    /// Roll-ups of one minute.
    Minute,
    /// Roll-ups of one hour.
    Hour,
}

impl Resolution {
    /// Returns the step of the roll-ups, none for samples.
    pub fn step(self) -> Option<Duration> {
        match self {
            Resolution::Raw => None,
            Resolution::Minute => Some(Duration::from_secs(60)),
            Resolution::Hour => Some(Duration::from_secs(3600)),
        }
    }

    /// Returns what people call it.
    pub fn name(self) -> &'static str {
        match self {
            Resolution::Raw => "raw samples",
            Resolution::Minute => "1 min roll-ups",
            Resolution::Hour => "1 h roll-ups",
        }
    }
}

/// How far a resolution reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// Which one.
    pub resolution: Resolution,
    /// The oldest moment that it tells of: of a roll-up the beginning of the step.
    pub oldest: UnixMillis,
    /// The newest moment that it tells of.
    pub newest: UnixMillis,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(3600);

    fn samples(values: &[f64]) -> Vec<Sample> {
        let sample = |(idx, value): (usize, &f64)| Sample { at: UnixMillis(idx as i64), value: *value };
        values.iter().enumerate().map(sample).collect()
    }

    fn of(values: &[f64]) -> Rollup {
        Rollup::of(&samples(values)).unwrap()
    }

    fn stale() -> f64 {
        f64::from_bits(STALE_NAN_BITS)
    }

    /// Equal to the bit but for the sums, which may differ by rounding. What NaN an
    /// addition returns is up to the processor.
    fn check_same(a: &Rollup, b: &Rollup, magnitude: f64) {
        let bits = |r: &Rollup| [r.first, r.last, r.min, r.max].map(f64::to_bits);
        assert_eq!(bits(a), bits(b), "{a:?} {b:?}");
        let rest = |r: &Rollup| (r.first_at, r.last_at, r.count, r.n_resets, r.is_stale);
        assert_eq!(rest(a), rest(b));
        for (a, b) in [(a.sum, b.sum), (a.reset_sum, b.reset_sum), (a.increase(), b.increase())] {
            let is_same = a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-12 * magnitude;
            assert!(is_same, "{a} {b}");
        }
    }

    #[test]
    fn extremes_follow_prometheus() {
        let nan = f64::NAN;
        let extremes = |values: &[f64]| [of(values).min.to_bits(), of(values).max.to_bits()];
        let bits = |min: f64, max: f64| [min.to_bits(), max.to_bits()];
        assert_eq!(extremes(&[nan, 2.0, nan, 1.0]), bits(1.0, 2.0));
        assert_eq!(extremes(&[f64::INFINITY, f64::NEG_INFINITY]), bits(f64::NEG_INFINITY, f64::INFINITY));
        assert_eq!(extremes(&[0.0, -0.0]), bits(0.0, 0.0));
        assert_eq!(extremes(&[-0.0, 0.0]), bits(-0.0, -0.0));
        assert!(of(&[nan, nan]).max.is_nan());
    }

    #[test]
    fn sums_follow_prometheus() {
        // From its own tests: 5, 10^100, 1 and -10^100 in any order are 6, as in exact arithmetic.
        assert_eq!(of(&[5.0, 1.0, 1e100, -1e100]).sum, 6.0);
        assert_eq!(of(&[5.0, 1e100, 1.0, -1e100]).sum, 6.0);
        assert_eq!(of(&[-1e100, 5.0, 1.0, 1e100]).sum, 6.0);
        assert_eq!(of(&[0.1; 10]).sum, 1.0);
        assert_eq!(of(&[1.0, f64::INFINITY, 2.0]).sum, f64::INFINITY);
        assert!(of(&[f64::INFINITY, f64::NEG_INFINITY]).sum.is_nan());
        assert!(of(&[1.0, f64::NAN]).sum.is_nan());
        assert_eq!(of(&[f64::MAX, f64::MAX, f64::MIN]).sum, f64::INFINITY);
    }

    #[test]
    fn increase_follows_resets_inside_and_between_steps() {
        let (begin, end) = (of(&[100.0, 110.0, 3.0]), of(&[2.0, 7.0]));
        assert_eq!((begin.increase(), end.increase()), (13.0, 5.0));
        let both = begin.join(&end);
        assert_eq!((both.increase(), both.n_resets), (13.0 + 2.0 + 5.0, 2));
    }

    #[test]
    fn a_step_of_markers_shows_that_the_series_ended() {
        let mut rolled = Rollup::of(&samples(&[stale(), stale()])).unwrap();
        assert_eq!((rolled.count, rolled.is_stale), (0, true));
        assert_eq!((rolled.first_at, rolled.last_at), (UnixMillis(0), UnixMillis(1)));
        rolled = of(&[7.0]).join(&rolled);
        assert_eq!((rolled.last, rolled.last_at, rolled.is_stale), (7.0, UnixMillis(0), true));
        rolled = rolled.join(&of(&[1.0]));
        assert_eq!((rolled.count, rolled.is_stale), (2, false));
        assert!(of(&[1.0, stale()]).is_stale && !of(&[stale(), 1.0]).is_stale);
        assert_eq!(Rollup::of(&[]), None);
    }

    #[test]
    fn steps_are_open_on_the_left_and_aligned_before_1970_too() {
        let end = |at: i64| bucket_end(UnixMillis(at), MINUTE).0;
        assert_eq!((end(0), end(1), end(60_000), end(60_001)), (0, 60_000, 60_000, 120_000));
        assert_eq!((end(-1), end(-60_000), end(-60_001)), (0, -60_000, -60_000));
        assert_eq!((end(i64::MAX), end(i64::MIN) % 60_000), (i64::MAX, 0));
        assert_eq!(bucket_end(UnixMillis(7), Duration::ZERO), UnixMillis(7));
        assert_eq!(bucket_end(UnixMillis(7), Duration::MAX), UnixMillis(i64::MAX));
    }

    fn any_value() -> impl Strategy<Value = f64> {
        prop_oneof![
            8 => (-1000_i32..1000).prop_map(|n| f64::from(n) / 10.0),
            4 => -1e9..1e9,
            1 => Just(stale()),
            1 => any::<u64>().prop_map(|bits| f64::from_bits(0x7ff8 << 48 | bits >> 16)),
            1 => prop_oneof![Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(0.0), Just(-0.0)],
        ]
    }

    proptest! {
        #[test]
        fn the_rollup_of_parts_is_the_rollup_of_the_whole(
            parts in prop::collection::vec(prop::collection::vec(any_value(), 1..20), 3),
        ) {
            let values = parts.concat();
            let magnitude: f64 = values.iter().filter(|v| v.is_finite()).map(|v| v.abs()).sum();
            let all = samples(&values);
            let (a, rest) = all.split_at(parts[0].len());
            let (b, c) = rest.split_at(parts[1].len());
            let [a, b, c] = [a, b, c].map(|part| Rollup::of(part).unwrap());
            let whole = Rollup::of(&all).unwrap();
            check_same(&a.join(&b).join(&c), &whole, magnitude);
            check_same(&a.join(&b.join(&c)), &whole, magnitude);
        }

        #[test]
        fn hours_from_minutes_are_hours_from_samples(
            gaps in prop::collection::vec((1_i64..40_000, any_value()), 1..600),
            start in -10_000_000_i64..10_000_000,
        ) {
            let mut at = start;
            let sample = |(gap, value): &(i64, f64)| {
                at += gap;
                Sample { at: UnixMillis(at), value: *value }
            };
            let raw: Vec<Sample> = gaps.iter().map(sample).collect();
            let minutes: Vec<_> = rollups(&raw, MINUTE).collect();
            let from_minutes: Vec<_> = coarser(&minutes, HOUR).collect();
            let from_raw: Vec<_> = rollups(&raw, HOUR).collect();
            prop_assert_eq!(from_minutes.len(), from_raw.len());
            for ((a_end, a), (b_end, b)) in from_minutes.iter().zip(&from_raw) {
                prop_assert_eq!(a_end, b_end);
                let inside = raw.iter().filter(|s| bucket_end(s.at, HOUR) == *a_end && s.value.is_finite());
                check_same(a, b, inside.map(|s| s.value.abs()).sum());
            }
            let count: u32 = minutes.iter().map(|(_, rollup)| rollup.count).sum();
            prop_assert_eq!(count as usize, raw.iter().filter(|s| !s.is_stale_marker()).count());
        }
    }
}
