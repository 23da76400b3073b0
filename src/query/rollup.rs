//! Window functions over the roll-ups of a series, evaluated at evenly spaced moments.
//!
//! A window `(t - window, t]` whose ends are ends of steps holds whole steps, and then
//! the answer is the samples': `min`, `max`, `count` and `last` to the bit, `rate` and
//! `increase` but for rounding (to the bit for a counter of integers), `sum` and `avg` but
//! for the rounding of a sum.
//!
//! A window that cuts a step is answered as if the samples of that step were evenly spaced
//! between its first and its last one, in time and in value; which of them lie inside is
//! counted, and Prometheus's extrapolation does the rest. Of a counter that counts steadily,
//! resets or not, `rate` and `increase` are then within 1 % of the samples' answer on windows
//! of two steps or more. Of others it is promised that
//!
//! - neighbouring windows share what a step counted between them, and lose nothing of it;
//! - an extreme that is not at an end of its step counts in every window that has a part
//!   of the step: a peak may be seen too early or too late, but always is;
//! - `last` is a value that was read: where the newest one cannot be known, it is the first
//!   of the step.

use std::time::Duration;

use super::counter::Seen;
use super::selection::Steps;
use crate::clock::UnixMillis;
use crate::record::rollup::{greatest, least};
use crate::record::sum::Sum;
use crate::record::{RolledStep, Rollup};

/// What becomes of the samples that were rolled up, in the window of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// The newest value, unless a staleness marker ended the series. The window is the
    /// look-back, and at least a step.
    Last,
    /// Prometheus's `rate`.
    Rate,
    /// Prometheus's `increase`.
    Increase,
    /// Prometheus's `min_over_time`.
    Min,
    /// Prometheus's `max_over_time`.
    Max,
    /// Prometheus's `sum_over_time`.
    Sum,
    /// Prometheus's `count_over_time`.
    Count,
    /// Prometheus's `avg_over_time`.
    Avg,
    /// What a counter counted, to the unit, as
    /// [`selection::Function::Counted`](super::selection::Function::Counted).
    Counted,
}

/// A window function and the moments to evaluate it at, over roll-ups of one step.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    /// What is made of each window.
    pub function: Function,
    /// The length of the window.
    pub window: Duration,
    /// When to evaluate.
    pub steps: Steps,
    /// The step of the roll-ups.
    pub rolled: Duration,
}

impl Windows {
    /// Returns how far before a moment the ends of the steps that matter to it lie.
    pub fn reach(&self) -> Duration {
        match self.function {
            Function::Last => self.window.max(self.rolled),
            _ => self.window,
        }
    }

    /// Returns one value a moment; the roll-ups are ascending, each with the end of its step,
    /// from those that end after `first - reach` to those that begin before the last moment.
    pub fn values(&self, rollups: &[RolledStep]) -> Vec<Option<f64>> {
        match self.function {
            Function::Last => self.in_windows(rollups, |inside| inside.last()),
            Function::Rate => {
                let seconds = self.window.as_secs_f64();
                self.in_windows(rollups, |inside| Some(self.increase(inside)? / seconds))
            }
            Function::Increase => self.in_windows(rollups, |inside| self.increase(inside)),
            Function::Min => self.in_windows(rollups, |inside| inside.parts().map(Part::min).reduce(least)),
            Function::Max => {
                self.in_windows(rollups, |inside| inside.parts().map(Part::max).reduce(greatest))
            }
            Function::Sum => self.in_windows(rollups, |inside| Some(inside.sum_and_count()?.0)),
            Function::Count => self.in_windows(rollups, |inside| Some(inside.sum_and_count()?.1)),
            Function::Counted => self.in_windows(rollups, |inside| inside.counted()),
            Function::Avg => self.in_windows(rollups, |inside| {
                let (sum, count) = inside.sum_and_count()?;
                Some(sum / count)
            }),
        }
    }

    fn increase(&self, inside: &Window<'_>) -> Option<f64> {
        inside.seen()?.extrapolated(inside.until, self.window)
    }

    /// Calls `value` with each moment's window, moving both ends forward only.
    fn in_windows(
        &self,
        rollups: &[RolledStep],
        value: impl Fn(&Window<'_>) -> Option<f64>,
    ) -> Vec<Option<f64>> {
        let (mut begin, mut end) = (0, 0);
        let mut advance = |until: UnixMillis| {
            let after = until.minus(self.reach());
            while end < rollups.len() && rollups[end].0.minus(self.rolled) < until {
                end += 1;
            }
            while begin < end && rollups[begin].0 <= after {
                begin += 1;
            }
            let before =
                rollups[..begin].iter().rev().map(|(_, rollup)| rollup).find(|rollup| rollup.count > 0);
            value(&Window { after, until, before, rollups: &rollups[begin..end] })
        };
        self.steps.iter().map(&mut advance).collect()
    }
}

/// The steps of which a window has at least a part; only the first and the last can be cut.
struct Window<'a> {
    after: UnixMillis,
    until: UnixMillis,
    /// The last step before the window that has samples.
    before: Option<&'a Rollup>,
    rollups: &'a [RolledStep],
}

impl Window<'_> {
    fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        self.rollups.iter().filter_map(|(_, rollup)| Part::of(rollup, self.after, self.until))
    }

    /// What the window saw of a counter: all of its steps, less what lies outside.
    fn seen(&self) -> Option<Seen> {
        let mut parts = self.parts();
        let first = parts.next()?;
        let (last, all) = parts.fold((first, *first.rollup), |(_, all), part| (part, all.join(part.rollup)));
        let (before, behind) = (first.counted(0, first.begin), last.counted(last.end, last.rollup.count));
        Some(Seen {
            first_at: first.at(first.begin),
            last_at: last.at(last.end - 1),
            count: u64::from(all.count - first.begin) - u64::from(last.rollup.count - last.end),
            first: first.rollup.first + before,
            increase: all.increase() - before - behind,
        })
    }

    /// What every sample inside added: the first of a step what it rose from the last of the
    /// step before, or all of it when there is none; the others their share of the step.
    fn counted(&self) -> Option<f64> {
        let (mut counted, mut before, mut is_any) = (0.0, self.before, false);
        for (_, rollup) in self.rollups.iter().filter(|(_, rollup)| rollup.count > 0) {
            if let Some(part) = Part::of(rollup, self.after, self.until) {
                is_any = true;
                if part.begin == 0 {
                    let risen = before.map_or(rollup.first, |before| rollup.first - before.last);
                    counted += if risen < 0.0 { rollup.first } else { risen };
                }
                counted += part.counted(part.begin.max(1), part.end.max(1));
            }
            before = Some(rollup);
        }
        is_any.then_some(counted)
    }

    fn sum_and_count(&self) -> Option<(f64, f64)> {
        let (mut sum, mut count) = (Sum::default(), 0_u64);
        for part in self.parts() {
            sum.add(part.sum());
            count += u64::from(part.end - part.begin);
        }
        (count > 0).then(|| (sum.value(), count as f64))
    }

    /// The newest value that is known to have been read inside, as long as no marker is known
    /// to have followed it. A marker comes when the next sample would have.
    fn last(&self) -> Option<f64> {
        let is_begun = |(_, rollup): &&RolledStep| rollup.first_at <= self.until;
        let (end, rollup) = self.rollups.iter().rfind(is_begun)?;
        let (at, value) = match rollup.count {
            0 => return None,
            _ if rollup.last_at <= self.until => (rollup.last_at, rollup.last),
            _ => (rollup.first_at, rollup.first),
        };
        let all = Part { rollup, begin: 0, end: rollup.count };
        let is_over = *end <= self.until || all.at(rollup.count) <= self.until;
        (at > self.after && !(rollup.is_stale && is_over)).then_some(value)
    }
}

/// Those of a step's samples that lie in a window, by their numbers.
#[derive(Clone, Copy)]
struct Part<'a> {
    rollup: &'a Rollup,
    begin: u32,
    end: u32,
}

impl<'a> Part<'a> {
    fn of(rollup: &'a Rollup, after: UnixMillis, until: UnixMillis) -> Option<Self> {
        if rollup.count == 0 {
            return None;
        }
        let n_until = |moment: UnixMillis| {
            if moment < rollup.first_at {
                return 0;
            }
            if moment >= rollup.last_at {
                return rollup.count;
            }
            let gaps = i128::from(rollup.count) - 1;
            let past = i128::from(moment.0) - i128::from(rollup.first_at.0);
            (past * gaps / span_ms(rollup)) as u32 + 1
        };
        let (begin, end) = (n_until(after), n_until(until));
        (begin < end).then_some(Part { rollup, begin, end })
    }

    fn is_whole(self) -> bool {
        self.end - self.begin == self.rollup.count
    }

    fn gaps(self) -> u32 {
        self.rollup.count - 1
    }

    /// When a sample was read.
    fn at(self, idx: u32) -> UnixMillis {
        let past = i128::from(idx) * span_ms(self.rollup) / i128::from(self.gaps().max(1));
        UnixMillis(self.rollup.first_at.0.saturating_add(past as i64))
    }

    /// What a counter counted outside, between the samples there and the nearest one inside.
    fn counted(self, from: u32, to: u32) -> f64 {
        if from == to {
            0.0
        } else {
            self.rollup.increase() * (f64::from(to - from) / f64::from(self.gaps()))
        }
    }

    /// The value of a sample on the line between the step's ends.
    fn on_line(self, idx: u32) -> f64 {
        let Rollup { first, last, .. } = *self.rollup;
        if idx == self.gaps() {
            last
        } else {
            first + (last - first) * (f64::from(idx) / f64::from(self.gaps()))
        }
    }

    fn min(self) -> f64 {
        let Rollup { first, last, min, .. } = *self.rollup;
        if self.is_whole() || min != least(first, last) {
            return min;
        }
        least(self.on_line(self.begin), self.on_line(self.end - 1))
    }

    fn max(self) -> f64 {
        let Rollup { first, last, max, .. } = *self.rollup;
        if self.is_whole() || max != greatest(first, last) {
            return max;
        }
        greatest(self.on_line(self.begin), self.on_line(self.end - 1))
    }

    /// As many averages of the step, moved along the line by as much as its part is off the middle.
    fn sum(self) -> f64 {
        let Rollup { first, last, sum, count, .. } = *self.rollup;
        if self.is_whole() {
            return sum;
        }
        let middle = (f64::from(self.begin) + f64::from(self.end - 1)) / 2.0;
        let moved = (last - first) * (middle / f64::from(self.gaps()) - 0.5);
        let average = sum / f64::from(count);
        f64::from(self.end - self.begin) * if moved.is_finite() { average + moved } else { average }
    }
}

fn span_ms(rollup: &Rollup) -> i128 {
    i128::from(rollup.last_at.0) - i128::from(rollup.first_at.0)
}

#[cfg(test)]
mod tests;
