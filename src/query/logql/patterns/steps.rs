//! How many lines there are in each step of time.

use crate::clock::UnixNanos;

/// Counts of the steps that have any line, in the order of time.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    /// Numbers of steps since 1970, and counts.
    counts: Vec<(i64, u64)>,
    /// Where the last one was counted: the next one is near.
    last: usize,
}

impl Steps {
    /// Counts lines of a step. Returns true for a step that had none before.
    pub fn add(&mut self, step: i64, n_lines: u64) -> bool {
        if let Some((known, count)) = self.counts.get_mut(self.last)
            && *known == step
        {
            *count += n_lines;
            return false;
        }
        let place = self.counts.binary_search_by_key(&step, |(known, _)| *known);
        self.last = place.unwrap_or_else(|at| at);
        match place {
            Ok(at) => self.counts[at].1 += n_lines,
            Err(at) => self.counts.insert(at, (step, n_lines)),
        }
        place.is_err()
    }

    /// Adds what was counted elsewhere.
    pub fn merge(&mut self, other: &Steps) {
        other.counts.iter().for_each(|(step, count)| {
            self.add(*step, *count);
        });
    }

    /// Returns how many steps have a line.
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Returns the beginnings of steps of a length and their counts. Where there is a pause, the first and
    /// the last step of it are there with nothing, so that a line drawn through all of them lies low in
    /// between.
    pub fn samples(&self, step_ns: i64) -> Vec<(UnixNanos, u64)> {
        let begin = |step: i64| UnixNanos(step.saturating_mul(step_ns));
        let mut res = Vec::with_capacity(self.counts.len());
        let mut next = None;
        for (step, count) in &self.counts {
            if let Some(next) = next.filter(|next| next < step) {
                res.push((begin(next), 0));
                if next < step - 1 {
                    res.push((begin(step - 1), 0));
                }
            }
            res.push((begin(*step), *count));
            next = Some(step + 1);
        }
        res
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_come_in_order_and_pauses_lie_low() {
        let mut steps = Steps::default();
        let new: Vec<bool> = [3, 3, -1, 9, 3, 11].iter().map(|step| steps.add(*step, 1)).collect();
        assert_eq!(new, [true, false, true, true, false, true]);
        let mut other = Steps::default();
        other.add(9, 5);
        steps.merge(&other);
        let expect = [(-1, 1), (0, 0), (2, 0), (3, 3), (4, 0), (8, 0), (9, 6), (10, 0), (11, 1)];
        assert_eq!(
            (steps.samples(10), steps.len()),
            (expect.map(|(step, n)| (UnixNanos(step * 10), n)).to_vec(), 4)
        );
    }
}
