//! The windows of a range aggregation over evenly spaced moments.
//!
//! The edges of all windows cut time into pieces, two a step at most. A line falls into one piece; a
//! window is a run of neighbouring ones. Runs are put together by two stacks, so that each piece is
//! touched a few times however many windows it is part of.

use super::ast::RangeOp;
use super::fold::{Fold, Sample, Window, needs_all, of_all};
use crate::query::algebra::{ABSENT, present};

/// Where windows lie, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Where the first one ends.
    pub first_ns: i64,
    /// The distance of their ends, more than none.
    pub step_ns: i64,
    /// How many there are.
    pub count: usize,
    /// How long each is.
    pub range_ns: i64,
}

impl Windows {
    /// Returns the end of a window.
    pub fn end(&self, idx: usize) -> i64 {
        self.first_ns.saturating_add(self.step_ns.saturating_mul(idx as i64))
    }

    /// Returns the time that the windows cover: the first nanosecond, and the first one behind.
    pub fn covered(&self) -> (i64, i64) {
        let last = self.end(self.count.saturating_sub(1));
        (self.first_ns.saturating_sub(self.range_ns).saturating_add(1), last.saturating_add(1))
    }

    /// Returns where the last window begins; that moment does not belong to it.
    fn last_begin_ns(&self) -> i64 {
        self.end(self.count.saturating_sub(1)).saturating_sub(self.range_ns)
    }

    /// How far the beginning of a window lies behind the end of another one before it.
    fn shift_ns(&self) -> i64 {
        (-(self.range_ns % self.step_ns)).rem_euclid(self.step_ns)
    }

    /// Returns the number of the piece that a time falls into. Piece `2k` lies behind the end number
    /// `k - 1` up to where a window begins; `2k + 1` from there to the end number `k`.
    ///
    /// Where all windows are, none ends or begins: that is one piece, however short the steps are.
    fn piece(&self, at_ns: i64) -> i64 {
        let last_begin_ns = self.last_begin_ns();
        let is_in_all = last_begin_ns < at_ns && at_ns <= self.first_ns;
        let at_ns = if is_in_all { last_begin_ns + 1 } else { at_ns };
        // Ends belong to the piece before them.
        let behind = i128::from(at_ns) - i128::from(self.first_ns) + i128::from(self.step_ns) - 1;
        let step = i128::from(self.step_ns);
        let (no, into) = (behind.div_euclid(step), behind.rem_euclid(step) + 1);
        let no = 2 * no + i128::from(into > i128::from(self.shift_ns()));
        // Only far outside of what is covered is a number too large.
        no.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    /// Returns the times that lie in a piece: behind the first and up to the second; nothing where
    /// numbers do not suffice.
    fn edges(&self, no: i64) -> (i64, i64) {
        let last_begin_ns = self.last_begin_ns();
        if last_begin_ns < self.first_ns && no == self.piece(self.first_ns) {
            return (last_begin_ns, self.first_ns);
        }
        let end = |idx: i64| self.step_ns.checked_mul(idx)?.checked_add(self.first_ns);
        let edges = || {
            let before = end(no.div_euclid(2) - 1)?;
            let begin = before.checked_add(self.shift_ns())?;
            Some(if no.rem_euclid(2) == 0 { (before, begin) } else { (begin, end(no.div_euclid(2))?) })
        };
        edges().unwrap_or((i64::MAX, i64::MIN))
    }

    /// Returns the pieces of a window: the first, and the first behind it.
    fn run(&self, idx: usize) -> (i64, i64) {
        let end = self.end(idx);
        let first = self.piece(end.saturating_sub(self.range_ns).saturating_add(1));
        (first, self.piece(end) + 1)
    }
}

/// What is known of the lines of one series.
#[derive(Debug)]
pub struct Pieces {
    op: RangeOp,
    /// The pieces that have lines, in order.
    folds: Vec<(i64, Fold)>,
    /// The place of the last value among them, and the time of its piece, of which the first
    /// nanosecond does not belong to it and the last one does.
    place: usize,
    behind_ns: i64,
    to_ns: i64,
    /// All values, for a function that needs them.
    samples: Vec<Sample>,
}

impl Pieces {
    /// Begins without any.
    pub fn new(op: RangeOp) -> Self {
        Pieces { op, folds: Vec::new(), place: 0, behind_ns: 0, to_ns: 0, samples: Vec::new() }
    }

    /// Adds a value and returns how many more are held. Values of one time stay as they came.
    pub fn add(&mut self, windows: &Windows, sample: Sample) -> usize {
        if needs_all(self.op) {
            self.samples.push(sample);
            return 1;
        }
        // The next line is mostly of the same piece.
        if self.behind_ns < sample.at_ns
            && sample.at_ns <= self.to_ns
            && let Some((_, fold)) = self.folds.get_mut(self.place)
        {
            fold.add(self.op, sample.value);
            return 0;
        }
        let no = windows.piece(sample.at_ns);
        (self.behind_ns, self.to_ns) = windows.edges(no);
        let found = self.folds.binary_search_by_key(&no, |(no, _)| *no);
        self.place = found.unwrap_or_else(|place| place);
        if found.is_ok() {
            self.folds[self.place].1.add(self.op, sample.value);
            return 0;
        }
        self.folds.insert(self.place, (no, Fold::of(self.op, sample.value)));
        1
    }

    /// Adds what was found elsewhere.
    pub fn merge(&mut self, other: Pieces) {
        self.samples.extend(other.samples);
        (self.behind_ns, self.to_ns) = (i64::MAX, i64::MIN);
        let mut all = std::mem::take(&mut self.folds);
        all.extend(other.folds);
        all.sort_by_key(|(no, _)| *no);
        for (no, fold) in all {
            match self.folds.last_mut() {
                Some((last, known)) if *last == no => known.append(self.op, fold),
                _ => self.folds.push((no, fold)),
            }
        }
    }

    /// Returns the value of each window, or [`ABSENT`] where it has no line.
    pub fn values(mut self, windows: &Windows, parameter: f64) -> Vec<f64> {
        if needs_all(self.op) {
            self.samples.sort_by_key(|sample| sample.at_ns);
            self.values_of_all(windows, parameter)
        } else {
            self.values_of_folds(windows)
        }
    }

    fn values_of_all(&self, windows: &Windows, parameter: f64) -> Vec<f64> {
        let (mut first, mut behind) = (0, 0);
        let value = |idx: usize| {
            let window = Window { end_ns: windows.end(idx), range_ns: windows.range_ns };
            let begin_ns = window.end_ns.saturating_sub(window.range_ns);
            let count = |from: usize, edge: i64| {
                self.samples[from..].iter().take_while(|sample| sample.at_ns <= edge).count()
            };
            behind += count(behind, window.end_ns);
            first += count(first, begin_ns);
            let inside = &self.samples[first.min(behind)..behind];
            if inside.is_empty() { ABSENT } else { present(of_all(self.op, parameter, inside, window)) }
        };
        (0..windows.count).map(value).collect()
    }

    fn values_of_folds(&self, windows: &Windows) -> Vec<f64> {
        let mut run = Run { op: self.op, older: Vec::new(), newer: None };
        // Pieces up to here have come into the run, and so many have left it.
        let (mut n_in, mut n_out) = (0, 0);
        let value = |idx: usize| {
            let (first, end) = windows.run(idx);
            while self.folds.get(n_in).is_some_and(|(no, _)| *no < end) {
                run.push(self.folds[n_in].1);
                n_in += 1;
            }
            while n_out < n_in && self.folds[n_out].0 < first {
                run.pop(&self.folds[n_out..n_in]);
                n_out += 1;
            }
            run.fold().map_or(ABSENT, |fold| present(fold.value(self.op, windows.range_ns)))
        };
        (0..windows.count).map(value).collect()
    }
}

/// A run of pieces that grows at its end and shrinks at its beginning, by two stacks.
struct Run {
    op: RangeOp,
    /// For each older piece what it and all older ones behind it come to, the oldest last.
    older: Vec<Fold>,
    /// What the newer pieces come to.
    newer: Option<Fold>,
}

impl Run {
    fn push(&mut self, fold: Fold) {
        match &mut self.newer {
            Some(newer) => newer.append(self.op, fold),
            None => self.newer = Some(fold),
        }
    }

    /// Takes away the first of the pieces that are in the run.
    fn pop(&mut self, pieces: &[(i64, Fold)]) {
        if self.older.is_empty() {
            self.newer = None;
            for (_, fold) in pieces.iter().rev() {
                let mut fold = *fold;
                if let Some(behind) = self.older.last() {
                    fold.append(self.op, *behind);
                }
                self.older.push(fold);
            }
        }
        self.older.pop();
    }

    fn fold(&self) -> Option<Fold> {
        match (self.older.last(), self.newer) {
            (Some(older), Some(newer)) => {
                let mut res = *older;
                res.append(self.op, newer);
                Some(res)
            }
            (older, newer) => older.copied().or(newer),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fold::needs_order;
    use super::*;
    use crate::query::algebra::is_absent;

    proptest! {
        #[test]
        fn windows_are_what_a_plain_count_says(
            first_ns in -50_i64..50,
            step_ns in 1_i64..20,
            count in 1_usize..20,
            range_ns in 1_i64..60,
            mut times in prop::collection::vec(-120_i64..400, 0..60),
            op in prop::sample::select(&[RangeOp::Count, RangeOp::Sum, RangeOp::Max, RangeOp::Last, RangeOp::Quantile][..]),
        ) {
            times.sort_unstable();
            let windows = Windows { first_ns, step_ns, count, range_ns };
            let (from, to) = windows.covered();
            times.retain(|at| (from..to).contains(at));
            let mut pieces = Pieces::new(op);
            let samples: Vec<Sample> =
                times.iter().map(|at| Sample { at_ns: *at, value: (at * 7 % 13) as f64 }).collect();
            let mut other = Pieces::new(op);
            if needs_order(op) {
                samples.iter().for_each(|sample| _ = pieces.add(&windows, *sample));
            } else {
                let (first, second) = samples.split_at(samples.len() * 2 / 3);
                first.iter().step_by(2).for_each(|sample| _ = other.add(&windows, *sample));
                second.iter().for_each(|sample| _ = pieces.add(&windows, *sample));
                first.iter().skip(1).step_by(2).rev().for_each(|sample| _ = pieces.add(&windows, *sample));
                pieces.merge(other);
            }
            for (idx, value) in pieces.values(&windows, 0.5).into_iter().enumerate() {
                let end_ns = windows.end(idx);
                let inside = samples.iter().filter(|s| s.at_ns > end_ns - range_ns && s.at_ns <= end_ns);
                let inside: Vec<Sample> = inside.copied().collect();
                let Some((first, more)) = inside.split_first() else {
                    prop_assert!(is_absent(value));
                    continue;
                };
                let expect = if needs_all(op) {
                    of_all(op, 0.5, &inside, Window { end_ns, range_ns })
                } else {
                    let mut fold = Fold::of(op, first.value);
                    more.iter().for_each(|sample| fold.add(op, sample.value));
                    fold.value(op, range_ns)
                };
                prop_assert_eq!(value, expect);
            }
        }
    }

    #[test]
    fn one_long_window_and_many_short_steps_have_few_pieces() {
        for (step_ns, count, n_max) in [(1, 1, 1), (10, 50, 200)] {
            let windows = Windows { first_ns: 0, step_ns, count, range_ns: 1_000_000 };
            let mut pieces = Pieces::new(RangeOp::Count);
            let (from, to) = windows.covered();
            let n_held: usize =
                (from..to).map(|at_ns| pieces.add(&windows, Sample { at_ns, value: 1.0 })).sum();
            assert!(n_held <= n_max, "{n_held} of {count}");
            assert_eq!(pieces.values(&windows, 0.0), vec![1_000_000.0; count]);
        }
    }

    #[test]
    fn far_windows_do_not_overflow() {
        let windows = Windows { first_ns: i64::MAX - 5, step_ns: i64::MAX, count: 3, range_ns: i64::MAX };
        assert!(windows.covered().0 < windows.covered().1);
        let mut pieces = Pieces::new(RangeOp::Count);
        pieces.add(&windows, Sample { at_ns: i64::MAX - 7, value: 1.0 });
        assert_eq!(pieces.values(&windows, 0.0)[0], 1.0);
    }
}
