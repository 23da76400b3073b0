//! Which resolution of the history answers a query.
//!
//! | the query | answered from |
//! | --- | --- |
//! | step below 5 minutes | samples |
//! | step of 5 minutes or more, window of 2 minutes or more | roll-ups of 1 minute |
//! | step of 5 hours or more, window of 2 hours or more | roll-ups of 1 hour |
//! | its range begins before that history does | the next coarser that begins early enough, else the one that begins first |
//!
//! A step is at least five steps of the roll-ups, as in Thanos's automatic downsampling, so
//! that the shape of a graph does not show them; a window is at least two, because over
//! fewer a rate is an estimate. Last values look back as far as one step of the roll-ups.
//! An answer that is not from samples says so in its `infos`.

use std::time::Duration;

use crate::clock::UnixMillis;
use crate::record::{Coverage, Resolution};

/// Steps of roll-ups in one step of the query.
const ROLLED_PER_STEP: u32 = 5;

/// Steps of roll-ups in the window of a function.
const ROLLED_PER_WINDOW: u32 = 2;

/// Chooses the resolution for a query with this step, a function over this window (none for
/// last values), that begins to read at `from`.
///
/// Without any coverage it is samples.
pub fn pick(step: Duration, window: Option<Duration>, from: UnixMillis, coverage: &[Coverage]) -> Resolution {
    let fits = |resolution: Resolution| {
        resolution.step().is_none_or(|rolled| {
            step >= rolled * ROLLED_PER_STEP
                && window.is_none_or(|window| window >= rolled * ROLLED_PER_WINDOW)
        })
    };
    let mut known: Vec<&Coverage> = coverage.iter().collect();
    known.sort_by_key(|coverage| coverage.resolution);
    // The coarsest that fits, and where its history is too short, the finest that reaches back.
    let wanted = known.iter().rfind(|coverage| fits(coverage.resolution) && coverage.oldest <= from);
    let reaching = || known.iter().find(|coverage| coverage.oldest <= from);
    let furthest = || known.iter().min_by_key(|coverage| (coverage.oldest, coverage.resolution));
    let found = wanted.or_else(reaching).or_else(furthest);
    found.map_or(Resolution::Raw, |coverage| coverage.resolution)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60;
    const HOUR: u64 = 3_600;
    const DAY: u64 = 24 * HOUR;

    /// A history of a week of samples, a month of minutes and a year of hours, up to now.
    fn check(step_s: u64, window_s: Option<u64>, ago_s: u64, expect: Resolution) {
        let now = UnixMillis(1_800_000_000_000);
        let ago = |secs: u64| now.minus(Duration::from_secs(secs));
        let of = |resolution, days| Coverage { resolution, oldest: ago(days * DAY), newest: now };
        let coverage = [of(Resolution::Raw, 7), of(Resolution::Minute, 30), of(Resolution::Hour, 365)];
        let window = window_s.map(Duration::from_secs);
        assert_eq!(pick(Duration::from_secs(step_s), window, ago(ago_s), &coverage), expect);
    }

    #[test]
    fn short_steps_read_samples_and_long_ones_roll_ups() {
        check(15, Some(60), HOUR, Resolution::Raw);
        check(299, Some(HOUR), DAY, Resolution::Raw);
        check(300, Some(HOUR), DAY, Resolution::Minute);
        check(300, None, DAY, Resolution::Minute);
        check(5 * HOUR, Some(5 * HOUR), 6 * DAY, Resolution::Hour);
        check(5 * HOUR, Some(HOUR), 6 * DAY, Resolution::Minute);
        check(DAY, Some(MINUTE), 6 * DAY, Resolution::Raw);
    }

    #[test]
    fn a_range_that_begins_before_a_history_takes_one_that_reaches_back() {
        check(15, Some(60), 8 * DAY, Resolution::Minute);
        check(600, Some(600), 40 * DAY, Resolution::Hour);
        check(15, None, 400 * DAY, Resolution::Hour);
        let (step, from) = (Duration::from_secs(15), UnixMillis(0));
        assert_eq!(pick(step, None, from, &[]), Resolution::Raw);
    }

    #[test]
    fn of_histories_that_begin_together_samples_are_the_best() {
        let now = UnixMillis(1_800_000_000_000);
        let of =
            |resolution| Coverage { resolution, oldest: now.minus(Duration::from_secs(60)), newest: now };
        let coverage = [of(Resolution::Hour), of(Resolution::Minute), of(Resolution::Raw)];
        let step = Duration::from_secs(15);
        assert_eq!(pick(step, None, now.minus(Duration::from_secs(HOUR)), &coverage), Resolution::Raw);
    }
}
