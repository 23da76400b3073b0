//! The open window of metrics: up to 120 times that all series share.

use std::collections::HashMap;
use std::time::Duration;

use super::chunk::Values;
use super::config::CHUNK_SAMPLES_MAX;
use crate::clock::UnixMillis;
use crate::record::read::Matcher;
use crate::record::{Labels, Sample};

/// Which generation numbered the rows or lines, and which of them are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The generation.
    pub generation: u32,
    /// The first number.
    pub first: u64,
    /// The last number.
    pub last: u64,
}

/// What became of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It is kept.
    Kept,
    /// The series has a value at that time already; the first stays.
    Duplicate,
    /// It would be one series too many.
    SeriesLimit,
}

/// Series with values at the shared times of one window.
///
/// Times are kept in the order of arrival, so a late scrape costs nothing; they are
/// sorted when the window is sealed or read.
#[derive(Debug)]
pub struct Window {
    /// When the window was begun, by the monotonic clock.
    pub opened: Duration,
    /// The WAL rows that it holds.
    pub rows: Span,
    times: Vec<UnixMillis>,
    heads: Vec<Head>,
    by_labels: HashMap<Labels, usize>,
}

#[derive(Clone, Debug)]
struct Head {
    labels: Labels,
    chunk: Values,
}

impl Window {
    /// Begins a window with the row that will be put first.
    pub fn new(opened: Duration, generation: u32, row: u64) -> Self {
        let rows = Span { generation, first: row, last: row };
        Window { opened, rows, times: Vec::new(), heads: Vec::new(), by_labels: HashMap::new() }
    }

    /// Returns true when a scrape at `at` finds a place.
    pub fn has_room(&self, at: UnixMillis) -> bool {
        self.times.len() < CHUNK_SAMPLES_MAX || self.times.contains(&at)
    }

    /// Returns the slot of a time, taking a new one when it is not known yet.
    ///
    /// The caller asks [`Window::has_room`] first.
    pub fn slot(&mut self, at: UnixMillis) -> usize {
        self.times.iter().position(|known| *known == at).unwrap_or_else(|| {
            self.times.push(at);
            self.times.len() - 1
        })
    }

    /// Puts a value at a slot.
    pub fn put(&mut self, slot: usize, labels: &Labels, value: f64, series_max: usize) -> Placed {
        let idx = match self.by_labels.get(labels) {
            Some(idx) => *idx,
            None if self.heads.len() >= series_max => return Placed::SeriesLimit,
            None => {
                let chunk = Values { present: 0, values: Vec::new() };
                self.heads.push(Head { labels: labels.clone(), chunk });
                self.by_labels.insert(labels.clone(), self.heads.len() - 1);
                self.heads.len() - 1
            }
        };
        let chunk = &mut self.heads[idx].chunk;
        let bit = 1_u128 << slot;
        if chunk.present & bit != 0 {
            return Placed::Duplicate;
        }
        let rank = (chunk.present & (bit - 1)).count_ones() as usize;
        chunk.values.insert(rank, value);
        chunk.present |= bit;
        Placed::Kept
    }

    /// Returns the number of series.
    pub fn n_series(&self) -> usize {
        self.heads.len()
    }

    /// Returns true when all times are taken.
    pub fn is_full(&self) -> bool {
        self.times.len() >= CHUNK_SAMPLES_MAX
    }

    /// Returns the times in order.
    pub fn sorted_times(&self) -> Vec<UnixMillis> {
        let mut times = self.times.clone();
        times.sort_unstable();
        times
    }

    /// Yields each series with its values in the order of [`Window::sorted_times`].
    pub fn chunks(&self) -> impl Iterator<Item = (&Labels, Values)> + '_ {
        let mut order: Vec<usize> = (0..self.times.len()).collect();
        order.sort_unstable_by_key(|slot| self.times[*slot]);
        let is_sorted = order.is_sorted();
        self.heads.iter().map(move |head| {
            let chunk = if is_sorted { head.chunk.clone() } else { reorder(&head.chunk, &order) };
            (&head.labels, chunk)
        })
    }

    /// Returns the samples inside `from ..= to` of the series that all matchers accept.
    pub fn select(
        &self,
        matchers: &[Matcher],
        from: UnixMillis,
        to: UnixMillis,
    ) -> Vec<(Labels, Vec<Sample>)> {
        let accepted = |head: &&Head| matchers.iter().all(|matcher| matcher.accepts(&head.labels));
        let samples = |head: &Head| {
            let all = head.chunk.iter().map(|(slot, value)| Sample { at: self.times[slot], value });
            all.filter(|sample| (from..=to).contains(&sample.at)).collect::<Vec<_>>()
        };
        self.heads.iter().filter(accepted).map(|head| (head.labels.clone(), samples(head))).collect()
    }
}

fn reorder(chunk: &Values, order: &[usize]) -> Values {
    let mut res = Values { present: 0, values: Vec::with_capacity(chunk.values.len()) };
    for (place, slot) in order.iter().enumerate() {
        let bit = 1_u128 << slot;
        if chunk.present & bit != 0 {
            let rank = (chunk.present & (bit - 1)).count_ones() as usize;
            res.values.push(chunk.values[rank]);
            res.present |= 1 << place;
        }
    }
    res
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str) -> Labels {
        Labels::new([("__name__", name)])
    }

    #[test]
    fn late_scrapes_are_sorted_when_sealed() {
        let mut window = Window::new(Duration::ZERO, 1, 1);
        for (at, value) in [(20, 2.0), (10, 1.0), (30, 3.0)] {
            let slot = window.slot(UnixMillis(at));
            assert_eq!(window.put(slot, &series("a"), value, 10), Placed::Kept);
        }
        let slot = window.slot(UnixMillis(10));
        assert_eq!(window.put(slot, &series("a"), 9.0, 10), Placed::Duplicate);
        assert_eq!(window.put(slot, &series("b"), 9.0, 10), Placed::Kept);
        assert_eq!(window.put(slot, &series("c"), 9.0, 2), Placed::SeriesLimit);
        assert_eq!(window.sorted_times(), [10, 20, 30].map(UnixMillis));
        let chunks: Vec<_> = window.chunks().map(|(_, chunk)| (chunk.present, chunk.values)).collect();
        assert_eq!(chunks, [(0b111, vec![1.0, 2.0, 3.0]), (0b001, vec![9.0])]);
    }

    #[test]
    fn a_full_window_has_room_only_for_times_it_knows() {
        let mut window = Window::new(Duration::ZERO, 1, 1);
        for at in 0..CHUNK_SAMPLES_MAX as i64 {
            window.slot(UnixMillis(at));
        }
        assert!(window.is_full() && window.has_room(UnixMillis(5)) && !window.has_room(UnixMillis(500)));
    }
}
