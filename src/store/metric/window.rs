//! The open windows of metrics: up to 120 times that all series of one source share.
//!
//! A source is what is read at one moment: the instruments of this program, or one target
//! of another program that sends its samples here. Each has a window of its own, because
//! the times of two sources never meet.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::chunk::Values;
use super::read::Wanted;
use crate::clock::UnixMillis;
use crate::record::read::accepted;
use crate::record::{Labels, Sample};
use crate::store::config::{CHUNK_AGE_MAX, CHUNK_SAMPLES_MAX};
use crate::store::disk::numbers::Numbers;

/// Which source a series belongs to: a hash of its `job` and `instance`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(pub u64);

/// Windows open at a time; the series of further sources share one.
const SOURCES_MAX: usize = 64;

impl Source {
    /// What sources beyond the limit share.
    pub const OTHERS: Source = Source(0);

    /// Stands in a window of roll-ups that were made again with what came late.
    pub const AGAIN: Source = Source(1);

    /// Returns the source of a series. The hash is FNV-1a; it is written to the disk.
    pub fn of(series: &Labels) -> Source {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for text in [series.get("job"), series.get("instance")] {
            for byte in text.bytes().chain([0xff]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
        Source(hash)
    }
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
    /// Whose samples it takes.
    pub source: Source,
    /// When the window was begun, by the monotonic clock.
    pub opened: Duration,
    /// The WAL rows that it holds.
    pub rows: Numbers,
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
    pub fn new(source: Source, opened: Duration, generation: u32, row: u64) -> Self {
        let rows = Numbers::one(generation, row);
        Window { source, opened, rows, times: Vec::new(), heads: Vec::new(), by_labels: HashMap::new() }
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

    /// Puts a value at a slot, unless that takes one more series than it may.
    pub fn put(&mut self, slot: usize, labels: &Labels, value: f64, n_new_max: usize) -> Placed {
        let idx = match self.by_labels.get(labels) {
            Some(idx) => *idx,
            None if n_new_max == 0 => return Placed::SeriesLimit,
            None => {
                self.heads.push(Head { labels: labels.clone(), chunk: Values::default() });
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

    fn is_due(&self, now: Duration) -> bool {
        self.times.len() >= CHUNK_SAMPLES_MAX || now.saturating_sub(self.opened) >= CHUNK_AGE_MAX
    }

    /// Returns the times in order, and the slots of each.
    pub fn order(&self) -> (Vec<UnixMillis>, Vec<usize>) {
        let mut order: Vec<usize> = (0..self.times.len()).collect();
        order.sort_unstable_by_key(|slot| self.times[*slot]);
        (order.iter().map(|slot| self.times[*slot]).collect(), order)
    }

    /// Returns the values of a series in the order of the slots given.
    pub fn chunk(&self, place: usize, order: &[usize]) -> Cow<'_, Values> {
        let chunk = &self.heads[place].chunk;
        if order.is_sorted() { Cow::Borrowed(chunk) } else { Cow::Owned(reorder(chunk, order)) }
    }

    /// Hands over the series that are wanted with their samples in a range.
    pub fn select(
        &self,
        wanted: Wanted<'_>,
        range: RangeInclusive<UnixMillis>,
        mut visit: impl FnMut(&Labels, &mut dyn Iterator<Item = Sample>),
    ) {
        let places: Vec<usize> = match wanted {
            Wanted::Accepted(matchers) => {
                (0..self.heads.len()).filter(|place| accepted(matchers, &self.heads[*place].labels)).collect()
            }
            Wanted::Sets(sets) => sets.iter().filter_map(|set| self.by_labels.get(set).copied()).collect(),
        };
        for head in places.into_iter().map(|place| &self.heads[place]) {
            let all = head.chunk.iter().map(|(slot, value)| Sample { at: self.times[slot], value });
            visit(&head.labels, &mut all.filter(|sample| range.contains(&sample.at)));
        }
    }

    /// Yields the label sets of the series.
    pub fn series(&self) -> impl Iterator<Item = &Labels> {
        self.heads.iter().map(|head| &head.labels)
    }

    /// Returns the earliest and the latest time, none while it is empty.
    pub fn range(&self) -> Option<(UnixMillis, UnixMillis)> {
        Some((*self.times.iter().min()?, *self.times.iter().max()?))
    }
}

/// All samples that are not sealed yet.
#[derive(Debug, Default)]
pub struct OpenWindows {
    /// Windows that take samples, by their source.
    open: HashMap<Source, Window>,
    /// Windows that are full or old, oldest first.
    pub closing: Vec<Window>,
    /// The series of the last window of a source, and when that began.
    before: HashMap<Source, (usize, Duration)>,
}

impl OpenWindows {
    /// Returns the window for samples of a source at `at`, beginning one where there is none;
    /// one that has no room for a further time begins to close.
    pub fn window(
        &mut self,
        source: Source,
        at: UnixMillis,
        begin: impl FnOnce(Source) -> Window,
    ) -> &mut Window {
        let is_known = self.open.contains_key(&source) || self.open.len() < SOURCES_MAX;
        let source = if is_known { source } else { Source::OTHERS };
        if self.open.get(&source).is_some_and(|window| !window.has_room(at)) {
            self.close_where(|window| window.source == source);
        }
        self.open.entry(source).or_insert_with(|| begin(source))
    }

    /// Returns the number of series in the open windows.
    pub fn n_series(&self) -> usize {
        self.open.values().map(Window::n_series).sum()
    }

    /// Returns the number of series that are being written: between two windows of a source
    /// the last one answers, or a gauge would dip at each seal.
    pub fn n_series_written(&self) -> usize {
        let before = self.before.iter().filter(|(source, _)| !self.open.contains_key(source));
        self.n_series() + before.map(|(_, (n_series, _))| n_series).sum::<usize>()
    }

    /// Returns how many values the windows have that wait for the disk.
    pub fn closing_values(&self) -> usize {
        self.closing.iter().map(|window| window.n_series() * window.times.len()).sum()
    }

    /// Begins to close the windows that are full or old.
    pub fn close_due(&mut self, now: Duration) {
        self.close_where(|window| window.is_due(now));
        // A source that sends no more has no series.
        self.before.retain(|_, (_, began)| now.saturating_sub(*began) < 2 * CHUNK_AGE_MAX);
    }

    /// Begins to close every window.
    pub fn close_all(&mut self) {
        self.close_where(|_| true);
    }

    /// Begins to close the windows for which it is true.
    pub fn close_where(&mut self, mut is_wanted: impl FnMut(&Window) -> bool) {
        let mut due: Vec<Window> =
            self.open.extract_if(|_, window| is_wanted(window)).map(|(_, w)| w).collect();
        due.sort_by_key(|window| window.rows.first);
        self.before.extend(due.iter().map(|window| (window.source, (window.n_series(), window.opened))));
        self.closing.append(&mut due);
    }

    /// Yields every window, those that close first.
    pub fn iter(&self) -> impl Iterator<Item = &Window> {
        self.closing.iter().chain(self.open.values())
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
        let mut window = Window::new(Source::OTHERS, Duration::ZERO, 1, 1);
        for (at, value) in [(20, 2.0), (10, 1.0), (30, 3.0)] {
            let slot = window.slot(UnixMillis(at));
            assert_eq!(window.put(slot, &series("a"), value, 10), Placed::Kept);
        }
        let slot = window.slot(UnixMillis(10));
        assert_eq!(window.put(slot, &series("a"), 9.0, 10), Placed::Duplicate);
        assert_eq!(window.put(slot, &series("b"), 9.0, 10), Placed::Kept);
        assert_eq!(window.put(slot, &series("c"), 9.0, 0), Placed::SeriesLimit);
        let (times, order) = window.order();
        assert_eq!(times, [10, 20, 30].map(UnixMillis));
        let chunk = |place| window.chunk(place, &order).into_owned();
        let chunks: Vec<_> = [0, 1].map(chunk).map(|chunk| (chunk.present, chunk.values)).into();
        assert_eq!(chunks, [(0b111, vec![1.0, 2.0, 3.0]), (0b001, vec![9.0])]);
    }

    #[test]
    fn a_full_window_has_room_only_for_times_it_knows() {
        let mut window = Window::new(Source::OTHERS, Duration::ZERO, 1, 1);
        for at in 0..CHUNK_SAMPLES_MAX as i64 {
            window.slot(UnixMillis(at));
        }
        assert!(
            window.is_due(Duration::ZERO)
                && window.has_room(UnixMillis(5))
                && !window.has_room(UnixMillis(500))
        );
    }
}
